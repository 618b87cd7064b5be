//! The command line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use crate::Failure;
use crate::report::Settings;

pub(crate) const USAGE: &str = "usage: inspect [OPTION ..] FILE
       inspect [OPTION ..] --diff FILE FILE
       inspect [OPTION ..] --lines [--strict] [FILE]
       inspect --topics [FILE]

Prints the MQTT packets in FILE; `-` is standard input. FILE is a capture, pcap or pcapng, of both
sides of any number of connections; or what one side of one connection sent, raw or as hex text.

  --version auto|3.1.1|5.0  the version where no CONNECT or CONNACK says it
  --allow RULE              lets a rule go that an error names, or `all` of them; may be repeated
  --port PORT               takes connections to PORT for MQTT, besides those to 1883 and those
                            that begin with CONNECT; may be repeated
  --hex                     adds the bytes of each packet by field: offset, bytes, name, value
  --json                    prints JSON, one packet a line
  --diff                    prints the packets of two files side by side, and for packets that
                            differ the first field in which they do
  --lines                   reads one hex string a line, each a stream of its own, and prints one
                            line each; --strict then exits with 1 if one of them is not ok
  --topics                  reads a topic filter, a tab and a topic name a line, and prints match,
                            no, invalid-filter or invalid-topic

Colours are for a terminal, unless NO_COLOR is set. The exit code is 0; 1 if something was no
packet, was not captured, or differs; 2 if a file cannot be read.";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    pub(crate) mode: Mode,
    pub(crate) strict: bool,
    pub(crate) json: bool,
    pub(crate) hex: bool,
    pub(crate) file: String,
    /// The second file of `--diff`.
    pub(crate) other: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    Packets,
    Diff,
    Lines,
    Topics,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self {
            settings: Settings::DEFAULT,
            mode: Mode::Packets,
            strict: false,
            json: false,
            hex: false,
            file: String::new(),
            other: None,
        };
        let mut files = Vec::new();
        while let Some(arg) = args.next() {
            let mode = options.mode;
            match arg.as_str() {
                "--version" | "--allow" | "--port" => {
                    let value = args.next().ok_or(USAGE)?;
                    options.settings.set(&arg, &value)?;
                }
                "--diff" if mode == Mode::Packets => options.mode = Mode::Diff,
                "--lines" if mode == Mode::Packets => options.mode = Mode::Lines,
                "--topics" if mode == Mode::Packets => options.mode = Mode::Topics,
                "--strict" => options.strict = true,
                "--json" => options.json = true,
                "--hex" => options.hex = true,
                flag if flag.starts_with('-') && flag != "-" => {
                    return Err(format!("no option {flag}\n{USAGE}").into());
                }
                _ => files.push(arg),
            }
        }
        (options.file, options.other) = match (options.mode, &files[..]) {
            (Mode::Diff, [one, other]) => (one.clone(), Some(other.clone())),
            (Mode::Packets | Mode::Lines | Mode::Topics, [file]) => (file.clone(), None),
            (Mode::Lines | Mode::Topics, []) => ("-".to_owned(), None),
            _ => return Err(USAGE.into()),
        };
        options.check()
    }

    fn check(self) -> Result<Self, Failure> {
        if self.strict && self.mode != Mode::Lines {
            return Err("--strict goes with --lines".into());
        }
        if (self.json || self.hex) && matches!(self.mode, Mode::Lines | Mode::Topics) {
            return Err("--json and --hex go with packets".into());
        }
        Ok(self)
    }

    pub(crate) fn open(&self) -> Result<Box<dyn BufRead>, Failure> {
        open(&self.file)
    }
}

fn open(name: &str) -> Result<Box<dyn BufRead>, Failure> {
    Ok(match name {
        "-" => Box::new(io::stdin().lock()),
        name => {
            let file = File::open(name).map_err(|error| format!("{name}: {error}"))?;
            Box::new(BufReader::new(file))
        }
    })
}

/// All bytes of a file, of which there has to be one.
pub(crate) fn load(name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = open(name)?.read_to_end(&mut bytes);
    read.map_err(|error| format!("{name}: {error}"))?;
    match bytes.is_empty() {
        true => Err(format!("{name}: is empty").into()),
        false => Ok(bytes),
    }
}
