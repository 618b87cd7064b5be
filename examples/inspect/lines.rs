//! Streams as lines of hex, for other programs.

use std::io::{self, BufRead, Write};

use mqtt_sansio::{DecodeError, FrameDecoder, Packet, Version};

use crate::Failure;
use crate::report::Settings;
use crate::report::capture::packets::decoder;
use crate::report::hex::{hex, unhex};

/// Prints a line for each line. Whether all are `ok`.
pub(crate) fn lines(settings: &Settings, input: impl BufRead, name: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    let mut all_ok = true;
    for line in input.split(b'\n') {
        let line = line.map_err(|error| format!("{name}: {error}"))?;
        let outcome = match unhex(&line) {
            Ok(bytes) => stream(settings, &bytes),
            Err(reason) => format!("error\t-\t-\t0\t{reason}"),
        };
        all_ok &= outcome.starts_with("ok");
        writeln!(out, "{outcome}")?;
    }
    Ok(all_ok)
}

/// Decodes a stream and encodes its packets again.
fn stream(settings: &Settings, bytes: &[u8]) -> String {
    let mut decoder = decoder(settings.version, bytes).rules(settings.rules);
    let (mut unread, mut types, mut encoded) = (bytes, Vec::new(), Vec::new());
    let failed = |offset: usize, error: DecodeError| {
        let code = error.reason_code().to_u8();
        let statement = error.statement().unwrap_or("-");
        let at = offset + error.offset();
        format!("error\t{code:#04x}\t{statement}\t{at}\t{error}")
    };
    loop {
        let offset = bytes.len() - unread.len();
        match next(&mut decoder, &mut unread) {
            Ok(Some(packet)) => {
                types.push(packet.packet_type().to_string());
                let version = decoder.version().unwrap_or(Version::V5);
                if let Err(error) = packet.encode(version, &mut encoded) {
                    return format!("error\t-\t-\t{offset}\t{error}");
                }
            }
            Ok(None) => return "incomplete".to_owned(),
            Err(error) if error.is_skipped() => {}
            Err(error) => return failed(offset, error),
        }
        if unread.is_empty() {
            return format!("ok\t{}\t{}", types.join(","), hex(&encoded));
        }
    }
}

/// The next packet, without what is let go.
fn next(decoder: &mut FrameDecoder, unread: &mut &[u8]) -> Result<Option<Packet>, DecodeError> {
    let decoded = decoder.decode(unread);
    match decoder.take_mended() {
        Some(packet) => Ok(Some(packet)),
        None => Ok(decoded?.map(|packet| packet.to_owned())),
    }
}
