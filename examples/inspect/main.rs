//! Prints the packets in a capture or in what one side of a connection sent, compares two of them, or
//! prints which topics match.
//!
//! ```text
//! inspect [OPTION ..] FILE
//! inspect [OPTION ..] --diff FILE FILE
//! inspect [OPTION ..] --lines [--strict] [FILE]
//! inspect --topics [FILE]
//! ```
//!
//! `--help` lists the options. A raw stream gets one line a packet: offset, size, type, fields. In a
//! capture time, connection and direction stand before them: `>` is from the client. The version is
//! that of CONNECT, or of the first packet of a server. What a capture lacks is told: gaps, fragments,
//! damage. TLS and WebSocket are told and not read.
//!
//! `--allow` lets a rule go, by the name that its error ends with, or `all` of them: what the packet
//! breaks is removed, or the packet is skipped, and the line names the rules.
//!
//! `--json` prints one object a line. A packet has `type`, `version`, `from`, `offset`, `size` and
//! `fields`; other lines have `skipped`, `error`, `missing`, `gap`, `stray`, `event` or `note`
//! instead. In a capture `connection`, `frame` and `time`, in seconds since 1970, are there as well.
//! Bytes are a string if they are UTF-8, and else `{"hex":".."}`. It is written by hand, as the crate's
//! `serde` is a feature and this example needs none.
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

mod diff;
mod fields;
mod json;
mod lines;
mod options;
mod paint;
mod print;
mod report;
#[cfg(test)]
mod tests;
mod topics;

use std::env;
use std::io::{self, BufRead, ErrorKind, Write};
use std::process::ExitCode;

use mqtt_sansio::Side;
use options::{Mode, Options, USAGE};
use paint::Paint;
use print::Style;
use report::capture::{Capture, Protocol};
use report::{Report, raw, stream};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    if env::args().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let outcome = Options::parse(env::args().skip(1)).and_then(|options| match options.mode {
        Mode::Packets => packets(&options, &options::load(&options.file)?, &mut stdout()),
        Mode::Diff => compare(&options),
        Mode::Lines => {
            let all_ok = lines::lines(&options.settings, options.open()?, &options.file)?;
            Ok(all_ok || !options.strict)
        }
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

fn stdout() -> impl Write {
    io::LineWriter::new(io::stdout().lock())
}

impl Options {
    fn style(&self) -> Style {
        Style {
            json: self.json,
            hex: self.hex,
            paint: match self.json {
                true => Paint::NONE,
                false => Paint::for_stdout(),
            },
        }
    }
}

/// Writes a line for each packet in a file. Whether all of it was packets.
fn packets(options: &Options, bytes: &[u8], out: &mut impl Write) -> Result<bool, Failure> {
    let report = Report::new(&options.settings, bytes);
    let report = report.map_err(|error| format!("{}: {error}", options.file))?;
    for row in &report.rows {
        options.style().row(out, row)?;
    }
    Ok(report.good)
}

/// Compares two files. Whether their packets are the same.
fn compare(options: &Options) -> Result<bool, Failure> {
    let other = options.other.as_deref().unwrap_or_default();
    let left = sent(options, &options.file, &options::load(&options.file)?)?;
    let right = sent(options, other, &options::load(other)?)?;
    diff::diff(&left, &right, options.style(), &mut stdout())
}

/// What each side of each connection sent, to be compared.
fn sent(options: &Options, name: &str, bytes: &[u8]) -> Result<Vec<diff::Sent>, Failure> {
    let Some(capture) = Capture::read(bytes, &options.settings.ports) else {
        let stream = stream(bytes).map_err(|error| format!("{name}: {error}"))?;
        let items = raw(&options.settings, &stream);
        let side = items.first().map_or(Side::Client, |item| item.side);
        return Ok(vec![(1, side, items)]);
    };
    for complaint in capture.complaints() {
        eprintln!("inspect: {name}: {complaint}");
    }
    let settings = &options.settings;
    let connections = capture.connections.iter();
    let connections = connections.filter(|connection| connection.protocol == Protocol::Mqtt);
    let sent = connections.enumerate().flat_map(|(index, connection)| {
        let items = connection.exchange(settings.version, settings.rules).items;
        let (client, server) = items
            .into_iter()
            .partition(|item| item.side == Side::Client);
        [
            (index + 1, Side::Client, client),
            (index + 1, Side::Server, server),
        ]
    });
    Ok(sent.collect())
}

/// Prints a line for each line. It is a success whatever they say.
fn topics(options: &Options) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    for line in options.open()?.split(b'\n') {
        writeln!(out, "{}", topics::verdict(&line?))?;
    }
    Ok(true)
}
