//! Prints the packets in the bytes that one side of a connection sent, or which topics match.
//!
//! ```text
//! inspect [--version auto|3.1.1|5.0] [--allow RULE ..] FILE
//! inspect [--version auto|3.1.1|5.0] [--allow RULE ..] --lines [--strict] [FILE]
//! inspect --topics [FILE]
//! ```
//!
//! FILE is raw or hex text; `-` is standard input. `auto` reads the version from CONNECT, or from
//! the first packet of a server. One line a packet: offset, size, type, fields. The exit code is 1 if
//! something was no packet, and 2 if FILE cannot be read.
//!
//! `--allow` lets a rule go, by the name that its error ends with, or `all` of them: what the packet
//! breaks is removed, or the packet is skipped, and the line names the rules.
//!
//! `--lines` reads one hex string a line, each a stream of its own, and prints for each one line,
//! with tabs between: `ok`, packet types, bytes encoded again; `incomplete`; or `error`, reason
//! code, statement or `-`, offset in the stream, message. The exit code is 0, with `--strict` 1 if
//! a line was not `ok`.
//!
//! `--topics` reads a topic filter, a tab and a topic name a line and prints for each one line:
//! `match`, `no`, `invalid-filter` or, if the filter is valid, `invalid-topic`. A shared
//! subscription is matched by its inner filter, as 5.0 reads it; one with a mistake in its share is
//! an `invalid-filter`. Only the first tab and the line feed divide: all other bytes, further tabs
//! and carriage returns with them, belong to the topics. Without a tab the topic is empty, so
//! invalid. The exit code is 0.

mod fields;
mod topics;

use std::env;
use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::process::ExitCode;

use fields::fields;
use mqtt_sansio::{DecodeError, DecodeErrorKind, FrameDecoder, Packet, Rule, Rules, Side, Version};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: inspect [--version auto|3.1.1|5.0] [--allow RULE ..] FILE
       inspect [--version auto|3.1.1|5.0] [--allow RULE ..] --lines [--strict] [FILE]
       inspect --topics [FILE]
Prints the MQTT packets in FILE, raw or hex text, as one side of a connection sent them; `-` is
standard input. --allow lets a rule go that an error names, or `all` of them. --lines reads one hex string a line, each a stream of its own, and prints one line
each; --strict then exits with 1 if one of them is not ok. --topics reads a topic filter, a tab and
a topic name a line, and prints match, no, invalid-filter or invalid-topic.";

struct Options {
    version: Option<Version>,
    rules: Rules,
    mode: Mode,
    strict: bool,
    file: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    File,
    Lines,
    Topics,
}

fn main() -> ExitCode {
    if env::args().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let outcome = Options::parse(env::args().skip(1)).and_then(|options| match options.mode {
        Mode::File => file(&options),
        Mode::Lines => lines(&options),
        Mode::Topics => topics(&options),
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
        let (mut version, mut mode, mut strict, mut file) = (None, Mode::File, false, None);
        let mut rules = Rules::STRICT;
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
                "--allow" => rules = allow(rules, &args.next().ok_or(USAGE)?)?,
                "--lines" if mode == Mode::File => mode = Mode::Lines,
                "--topics" if mode == Mode::File => mode = Mode::Topics,
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
            None if mode != Mode::File => "-".to_owned(),
            None => return Err(USAGE.into()),
        };
        if strict && mode != Mode::Lines {
            return Err("--strict goes with --lines".into());
        }
        Ok(Self {
            version,
            rules,
            mode,
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
    packets(options, &bytes, &mut io::stdout().lock())
}

/// Writes a line for each packet. Whether all of it was packets.
fn packets(options: &Options, bytes: &[u8], out: &mut impl Write) -> Result<bool, Failure> {
    let version = options.version;
    let mut decoder = decoder(version, bytes).rules(options.rules);
    let (mut unread, mut good) = (bytes, true);
    while !unread.is_empty() && !decoder.has_failed() {
        let offset = bytes.len() - unread.len();
        match next(&mut decoder, &mut unread) {
            Ok(Some(packet)) => {
                let size = bytes.len() - unread.len() - offset;
                let name = packet.packet_type();
                let spoken = decoder.version().unwrap_or(Version::V5);
                let fields = fields(spoken, &packet.as_borrowed());
                let let_go = let_go(&mut decoder);
                writeln!(out, "{offset:6} {size:6}  {name:<11} {fields}{let_go}")?;
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
            Err(error) if error.is_skipped() => {
                let let_go = let_go(&mut decoder);
                writeln!(out, "{offset:6}         skipped: {error}{let_go}")?;
            }
            Err(error) => {
                good = false;
                let at = offset + error.offset();
                let code = error.reason_code();
                let hint = match (version, error.kind()) {
                    (None, DecodeErrorKind::NotConnect(_)) => {
                        ". Bytes from the middle of a stream need --version 3.1.1 or 5.0"
                    }
                    _ => "",
                };
                writeln!(
                    out,
                    "{offset:6}         error at {at}: {error}; answer {code}{hint}"
                )?;
                // A server has to stop at such a CONNECT; what else the client sent is worth a look.
                if decoder.version().is_none() && !decoder.has_failed() {
                    decoder = self::decoder(Some(error.version()), bytes).rules(options.rules);
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
            Ok(bytes) => stream(options, &bytes),
            Err(reason) => format!("error\t-\t-\t0\t{reason}"),
        };
        all_ok &= outcome.starts_with("ok");
        writeln!(out, "{outcome}")?;
    }
    Ok(all_ok || !options.strict)
}

/// Prints a line for each line. It is a success whatever they say.
fn topics(options: &Options) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    for line in options.open()?.split(b'\n') {
        writeln!(out, "{}", topics::verdict(&line?))?;
    }
    Ok(true)
}

/// Decodes a stream and encodes its packets again.
fn stream(options: &Options, bytes: &[u8]) -> String {
    let mut decoder = decoder(options.version, bytes).rules(options.rules);
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

/// Lets a rule go, or all of them.
fn allow(rules: Rules, name: &str) -> Result<Rules, Failure> {
    if name == "all" {
        return Ok(Rules::LENIENT);
    }
    let rule = name.parse().map_err(|_| {
        let names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        format!("no rule {name}: all, {}", names.join(", "))
    })?;
    Ok(rules.without(rule))
}

/// The rules that were let go since the last packet, as the end of a line.
fn let_go(decoder: &mut FrameDecoder) -> String {
    let rules: Vec<_> = core::iter::from_fn(|| decoder.poll_let_go())
        .map(Rule::name)
        .collect();
    match &rules[..] {
        [] => String::new(),
        rules => format!(" (let go: {})", rules.join(", ")),
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

/// A decoder for a stream that begins so. Who sent it shows in the first packet.
fn decoder(version: Option<Version>, stream: &[u8]) -> FrameDecoder {
    let decoder = match (version, stream) {
        (Some(version), [0x10, ..]) => FrameDecoder::new(version).sent_by(Side::Client),
        (Some(version), [0x20, ..]) => FrameDecoder::client(version),
        (Some(version), _) => FrameDecoder::new(version),
        // Only 3.1.1 has a CONNACK of two bytes; 5.0 adds the length of the properties, and AUTH.
        (None, [0x20, 0x02, ..]) => FrameDecoder::client(Version::V311),
        (None, [0x20 | 0xF0, ..]) => FrameDecoder::client(Version::V5),
        (None, _) => FrameDecoder::server(),
    };
    decoder.max_packet_size(u32::MAX).max_connect_size(u32::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// FIELD A15: a capture that begins in the middle of a stream.
    #[test]
    fn begins_in_the_middle() -> Result<(), Failure> {
        let publish = b"\x30\x05\x00\x01thi";
        let (good, line) = inspect(&[], publish)?;
        assert!(!good && line.contains("--version 3.1.1 or 5.0"), "{line}");
        let (good, line) = inspect(&["--version", "3.1.1"], publish)?;
        assert!(good && line.contains("PUBLISH"), "{line}");
        Ok(())
    }

    /// FIELD A22: the code is that of the wire, and its meaning is told.
    #[test]
    fn a22_shows_the_code_on_the_wire() -> Result<(), Failure> {
        let (good, line) = inspect(&[], b"\x20\x02\x00\x01")?;
        assert!(
            good && line.contains("reason=0x01(Unsupported Protocol Version)"),
            "{line}"
        );
        let (good, line) = inspect(&[], b"\x20\x03\x00\x84\x00")?;
        assert!(
            good && line.contains("reason=0x84(Unsupported Protocol Version)"),
            "{line}"
        );
        Ok(())
    }

    #[test]
    fn lets_rules_go() -> Result<(), Failure> {
        let bytes = b"\x38\x03\x00\x01t\x30\x04\x00\x02\xC3\x28\xD0\x00";
        let strict = ["--version", "3.1.1"];
        let (good, lines) = inspect(&strict, bytes)?;
        assert!(!good && lines.contains("(rule dup-at-qos-0)"), "{lines}");
        let lenient = [
            "--version",
            "3.1.1",
            "--allow",
            "dup-at-qos-0",
            "--allow",
            "publish-text",
        ];
        let (good, lines) = inspect(&lenient, bytes)?;
        assert!(good, "{lines}");
        let ends = ["(let go: dup-at-qos-0)", "(let go: publish-text)", ""];
        assert!(
            lines
                .lines()
                .zip(ends)
                .all(|(line, end)| line.ends_with(end)),
            "{lines}"
        );
        assert!(
            lines.contains("skipped") && lines.contains("PINGRESP"),
            "{lines}"
        );
        let unknown = inspect(&["--allow", "nothing"], bytes).map(|_| ());
        assert!(unknown.is_err_and(|error| error.to_string().contains("dup-at-qos-0")));
        Ok(())
    }

    fn inspect(args: &[&str], bytes: &[u8]) -> Result<(bool, String), Failure> {
        let args = args.iter().chain(&["file"]).map(|&arg| arg.to_owned());
        let mut out = Vec::new();
        let good = packets(&Options::parse(args)?, bytes, &mut out)?;
        Ok((good, String::from_utf8(out)?))
    }
}
