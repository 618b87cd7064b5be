//! Prints the packets in the bytes that one side of a connection sent.
//!
//! ```text
//! inspect [--version auto|3.1.1|5.0] FILE
//! inspect [--version auto|3.1.1|5.0] --lines [--strict] [FILE]
//! ```
//!
//! FILE is raw or hex text; `-` is standard input. `auto` reads the version from CONNECT, or from
//! the first packet of a server. One line a packet: offset, size, type, fields. The exit code is 1 if
//! something was no packet, and 2 if FILE cannot be read.
//!
//! `--lines` reads one hex string a line, each a stream of its own, and prints for each one line,
//! with tabs between: `ok`, packet types, bytes encoded again; `incomplete`; or `error`, reason
//! code, statement or `-`, offset in the stream, message. The exit code is 0, with `--strict` 1 if
//! a line was not `ok`.

use std::env;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write as _};
use std::process::ExitCode;

use mqtt_sansio::packet::{Ack, Packet, SubAck, Will};
use mqtt_sansio::property::{Properties, Property};
use mqtt_sansio::{DecodeError, FrameDecoder, ReasonCode, Sender, Version};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: inspect [--version auto|3.1.1|5.0] FILE
       inspect [--version auto|3.1.1|5.0] --lines [--strict] [FILE]
Prints the MQTT packets in FILE, raw or hex text, as one side of a connection sent them; `-` is
standard input. --lines reads one hex string a line, each a stream of its own, and prints one line
each; --strict then exits with 1 if one of them is not ok.";

struct Options {
    version: Option<Version>,
    lines: bool,
    strict: bool,
    file: String,
}

fn main() -> ExitCode {
    if env::args().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let outcome = Options::parse(env::args().skip(1)).and_then(|options| match options.lines {
        true => lines(&options),
        false => file(&options),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Who reads the output has seen enough.
        Err(error) if kind(&error) == Some(ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("inspect: {error}");
            ExitCode::from(2)
        }
    }
}

fn kind(error: &Failure) -> Option<ErrorKind> {
    error.downcast_ref().map(io::Error::kind)
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let (mut version, mut lines, mut strict, mut file) = (None, false, false, None);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--version" => {
                    version = match args.next().as_deref() {
                        Some("auto") => None,
                        Some("3.1.1") => Some(Version::V311),
                        Some("5.0" | "5") => Some(Version::V5),
                        Some(other) => {
                            return Err(format!("no version {other}: auto, 3.1.1 or 5.0").into());
                        }
                        None => return Err(USAGE.into()),
                    }
                }
                "--lines" => lines = true,
                "--strict" => strict = true,
                flag if flag.starts_with('-') && flag != "-" => {
                    return Err(format!("no option {flag}\n{USAGE}").into());
                }
                name if file.is_none() => file = Some(name.to_owned()),
                _ => return Err(USAGE.into()),
            }
        }
        let file = match file {
            Some(file) => file,
            None if lines => "-".to_owned(),
            None => return Err(USAGE.into()),
        };
        if strict && !lines {
            return Err("--strict goes with --lines".into());
        }
        Ok(Self {
            version,
            lines,
            strict,
            file,
        })
    }

    fn open(&self) -> Result<Box<dyn BufRead>, Failure> {
        Ok(match self.file.as_str() {
            "-" => Box::new(io::stdin().lock()),
            name => {
                let file = fs::File::open(name).map_err(|error| format!("{name}: {error}"))?;
                Box::new(BufReader::new(file))
            }
        })
    }
}

/// Prints a whole file. Whether all of it was packets.
fn file(options: &Options) -> Result<bool, Failure> {
    let mut bytes = Vec::new();
    let read = options.open()?.read_to_end(&mut bytes);
    read.map_err(|error| format!("{}: {error}", options.file))?;
    if bytes.is_empty() {
        return Err(format!("{}: is empty", options.file).into());
    }
    let bytes = match unhex(&bytes) {
        Ok(unhexed) => unhexed,
        // No packets are hex digits and spaces alone.
        Err(NotHex::Odd) => return Err(format!("{}: {}", options.file, NotHex::Odd).into()),
        Err(NotHex::Byte(_)) => bytes,
    };
    let mut out = io::stdout().lock();
    let mut decoder = decoder(options.version, &bytes);
    let (mut unread, mut good) = (&bytes[..], true);
    while !unread.is_empty() && !decoder.has_failed() {
        let offset = bytes.len() - unread.len();
        match decoder.decode(&mut unread) {
            Ok(Some(packet)) => {
                let size = bytes.len() - unread.len() - offset;
                let name = packet.packet_type();
                writeln!(out, "{offset:6} {size:6}  {name:<11} {}", fields(&packet))?;
            }
            Ok(None) => {
                let missing = decoder.missing();
                let here = unread.len();
                writeln!(
                    out,
                    "{offset:6} {here:6}  incomplete: {missing} bytes or more missing"
                )?;
                return Ok(false);
            }
            Err(error) => {
                good = false;
                let at = offset + error.offset();
                let code = error.reason_code();
                writeln!(
                    out,
                    "{offset:6}         error at {at}: {error}; answer {code}"
                )?;
                // A server has to stop at such a CONNECT; what else the client sent is worth a look.
                if decoder.version().is_none() && !decoder.has_failed() {
                    decoder = self::decoder(Some(error.version()), &bytes);
                }
            }
        }
    }
    Ok(good)
}

/// Prints a line for each line. Whether that may count as success.
fn lines(options: &Options) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    let mut all_ok = true;
    for line in options.open()?.split(b'\n') {
        let line = line.map_err(|error| format!("{}: {error}", options.file))?;
        let outcome = match unhex(&line) {
            Ok(bytes) => stream(options.version, &bytes),
            Err(reason) => format!("error\t-\t-\t0\t{reason}"),
        };
        all_ok &= outcome.starts_with("ok");
        writeln!(out, "{outcome}")?;
    }
    Ok(all_ok || !options.strict)
}

/// Decodes a stream and encodes its packets again.
fn stream(version: Option<Version>, bytes: &[u8]) -> String {
    let mut decoder = decoder(version, bytes);
    let (mut unread, mut types, mut encoded) = (bytes, Vec::new(), Vec::new());
    let failed = |offset: usize, error: DecodeError| {
        let code = error.reason_code().to_u8();
        let statement = error.statement().unwrap_or("-");
        let at = offset + error.offset();
        format!("error\t{code:#04x}\t{statement}\t{at}\t{error}")
    };
    loop {
        let offset = bytes.len() - unread.len();
        match decoder.decode(&mut unread) {
            Ok(Some(packet)) => {
                types.push(packet.packet_type().to_string());
                let version = decoder.version().unwrap_or(Version::V5);
                if let Err(error) = packet.encode(version, &mut encoded) {
                    return format!("error\t-\t-\t{offset}\t{error}");
                }
            }
            Ok(None) => return "incomplete".to_owned(),
            Err(error) => return failed(offset, error),
        }
        if unread.is_empty() {
            return format!("ok\t{}\t{}", types.join(","), hex(&encoded));
        }
    }
}

/// A decoder for a stream that begins so. Who sent it shows in the first packet.
fn decoder(version: Option<Version>, stream: &[u8]) -> FrameDecoder {
    let decoder = match (version, stream) {
        (Some(version), [0x10, ..]) => FrameDecoder::new(version).sent_by(Sender::Client),
        (Some(version), [0x20, ..]) => FrameDecoder::client(version),
        (Some(version), _) => FrameDecoder::new(version),
        // Only 3.1.1 has a CONNACK of two bytes; 5.0 adds the length of the properties, and AUTH.
        (None, [0x20, 0x02, ..]) => FrameDecoder::client(Version::V311),
        (None, [0x20 | 0xF0, ..]) => FrameDecoder::client(Version::V5),
        (None, _) => FrameDecoder::server(),
    };
    decoder.max_packet_size(u32::MAX).max_connect_size(u32::MAX)
}

fn fields(packet: &Packet<&[u8]>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_fields(&mut out, packet);
    out.trim_start().to_owned()
}

fn write_fields(out: &mut String, packet: &Packet<&[u8]>) -> Result<(), fmt::Error> {
    match packet {
        Packet::Connect(connect) => {
            write!(out, "client_id={:?}", connect.client_id)?;
            write!(out, " clean_start={}", connect.clean_start)?;
            write!(out, " keep_alive={}", connect.keep_alive.as_secs())?;
            if let Some(user_name) = &connect.user_name {
                write!(out, " user_name={user_name:?}")?;
            }
            if let Some(password) = &connect.password {
                write!(out, " password={password:?}")?;
            }
            write_properties(out, &connect.properties)?;
            connect
                .will
                .as_ref()
                .map_or(Ok(()), |will| write_will(out, will))
        }
        Packet::ConnAck(connack) => {
            write!(out, "session_present={}", connack.session_present)?;
            write_reason(out, connack.reason)?;
            write_properties(out, &connack.properties)
        }
        Packet::Publish(publish) => {
            match &publish.topic {
                Some(topic) => write!(out, "topic={topic:?}")?,
                None => write!(out, "topic=\"\"")?,
            }
            write!(out, " qos={}", publish.qos().level())?;
            if let Some(id) = publish.packet_id() {
                write!(out, " id={id} dup={}", publish.dup)?;
            }
            write!(out, " retain={}", publish.retain)?;
            write_properties(out, &publish.properties)?;
            write_payload(out, publish.payload)
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            let Ack {
                packet_id,
                reason,
                properties,
                ..
            } = ack;
            write!(out, "id={packet_id}")?;
            write_reason(out, *reason)?;
            write_properties(out, properties)
        }
        Packet::Subscribe(subscribe) => {
            write!(out, "id={}", subscribe.packet_id)?;
            write_properties(out, &subscribe.properties)?;
            for subscription in &subscribe.subscriptions {
                let options = subscription.options;
                write!(
                    out,
                    " {:?}:qos={}",
                    subscription.filter,
                    options.maximum_qos.level()
                )?;
                if options.no_local {
                    write!(out, ",no_local")?;
                }
                if options.retain_as_published {
                    write!(out, ",retain_as_published")?;
                }
                match options.retain_handling as u8 {
                    0 => {}
                    handling => write!(out, ",retain_handling={handling}")?,
                }
            }
            Ok(())
        }
        Packet::SubAck(suback) | Packet::UnsubAck(suback) => {
            let SubAck {
                packet_id,
                properties,
                reasons,
                ..
            } = suback;
            write!(out, "id={packet_id}")?;
            write_properties(out, properties)?;
            reasons
                .iter()
                .try_for_each(|reason| write_reason(out, reason))
        }
        Packet::Unsubscribe(unsubscribe) => {
            write!(out, "id={}", unsubscribe.packet_id)?;
            write_properties(out, &unsubscribe.properties)?;
            let mut filters = unsubscribe.filters.iter();
            filters.try_for_each(|filter| write!(out, " {filter:?}"))
        }
        Packet::PingReq | Packet::PingResp => Ok(()),
        Packet::Disconnect(disconnect) => {
            write_reason(out, disconnect.reason)?;
            write_properties(out, &disconnect.properties)
        }
        Packet::Auth(auth) => {
            write_reason(out, auth.reason)?;
            write_properties(out, &auth.properties)
        }
    }
}

fn write_will(out: &mut String, will: &Will<&[u8]>) -> Result<(), fmt::Error> {
    let (topic, qos, retain) = (&will.topic, will.qos.level(), will.retain);
    write!(out, " will=(topic={topic:?} qos={qos} retain={retain}")?;
    write_properties(out, &will.properties)?;
    write_payload(out, will.payload.as_bytes())?;
    write!(out, ")")
}

fn write_reason(out: &mut String, reason: ReasonCode) -> Result<(), fmt::Error> {
    write!(out, " reason={:#04x}({})", reason.to_u8(), reason.name())
}

fn write_properties<K>(
    out: &mut String,
    properties: &Properties<K, &[u8]>,
) -> Result<(), fmt::Error> {
    for property in properties {
        let name = property.id().to_string().replace(' ', "_");
        match property {
            Property::UserProperty((key, value)) => write!(out, " {name}={key:?}:{value:?}")?,
            other => {
                let value = format!("{other:?}");
                // `Name(value)`: the name is already there.
                let inner = value.split_once('(').map_or("", |(_, inner)| inner);
                write!(out, " {name}={}", inner.strip_suffix(')').unwrap_or(inner))?;
            }
        }
    }
    Ok(())
}

fn write_payload(out: &mut String, payload: &[u8]) -> Result<(), fmt::Error> {
    const SHOWN: usize = 64;
    let shown = payload.get(..SHOWN).unwrap_or(payload);
    write!(
        out,
        " payload({})=b\"{}\"",
        payload.len(),
        shown.escape_ascii()
    )?;
    match payload.len() {
        0..=SHOWN => Ok(()),
        _ => write!(out, "..."),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why text is not hex.
enum NotHex {
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

fn unhex(text: &[u8]) -> Result<Vec<u8>, NotHex> {
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
