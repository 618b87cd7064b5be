//! Streams as lines of hex, for other programs.

use std::fmt;
use std::io::{self, BufRead, Write};

use mqtt_sansio::{DecodeError, FrameDecoder, Packet, Rules, Version};

use crate::capture::packets::decoder;
use crate::{Failure, hex};

/// Prints a line for each line. Whether all are `ok`.
pub(crate) fn lines(
    version: Option<Version>,
    rules: Rules,
    input: impl BufRead,
    name: &str,
) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    let mut all_ok = true;
    for line in input.split(b'\n') {
        let line = line.map_err(|error| format!("{name}: {error}"))?;
        let outcome = match unhex(&line) {
            Ok(bytes) => stream(version, rules, &bytes),
            Err(reason) => format!("error\t-\t-\t0\t{reason}"),
        };
        all_ok &= outcome.starts_with("ok");
        writeln!(out, "{outcome}")?;
    }
    Ok(all_ok)
}

/// Decodes a stream and encodes its packets again.
fn stream(version: Option<Version>, rules: Rules, bytes: &[u8]) -> String {
    let mut decoder = decoder(version, bytes).rules(rules);
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

/// Why text is not hex.
pub(crate) enum NotHex {
    Byte(u8),
    Odd,
}

impl fmt::Display for NotHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte) => write!(f, "b'{}' is no hex digit", byte.escape_ascii()),
            Self::Odd => f.write_str("an odd number of hex digits"),
        }
    }
}

pub(crate) fn unhex(text: &[u8]) -> Result<Vec<u8>, NotHex> {
    let digits = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    let digits = digits.map(|&byte| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(NotHex::Byte(byte)),
    });
    let digits: Vec<u8> = digits.collect::<Result<_, _>>()?;
    let byte = |pair: &[u8]| pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    match digits.len() % 2 {
        0 => Ok(digits.chunks(2).map(byte).collect()),
        _ => Err(NotHex::Odd),
    }
}
