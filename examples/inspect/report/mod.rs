//! What a file holds: packets, and what is to be said beside them. Neither reads nor writes anything
//! itself, so that a page in a browser has it as well.

pub(crate) mod capture;
pub(crate) mod captured;
pub(crate) mod hex;
pub(crate) mod layout;
pub(crate) mod trouble;

use std::borrow::Cow;
use std::time::Duration;

use mqtt_sansio::{Rule, Rules, Side, Version};

use capture::packets::{Reader, decoder};
use capture::{Capture, Item, What};
use hex::{NotHex, unhex};

/// How to read a file.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The version where no CONNECT or CONNACK says it.
    pub(crate) version: Option<Version>,
    pub(crate) rules: Rules,
    /// Ports that speak MQTT, besides 1883.
    pub(crate) ports: Vec<u16>,
}

/// What is to be shown of a file.
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// Whether all of it was packets.
    pub(crate) good: bool,
}

#[allow(clippy::large_enum_variant, reason = "most are items, on 64 bits")]
pub(crate) enum Row {
    /// What one side sent. Only in a capture it has a place.
    Item(Option<Place>, Item),
    /// What happened to a connection.
    Event(Place, String),
    /// What is to be said of the file as a whole.
    Note(String),
}

/// The connection of a packet in a capture, and its time.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) connection: usize,
    pub(crate) frame: usize,
    pub(crate) since_start: Duration,
    /// Since 1970.
    pub(crate) time: Duration,
}

impl Settings {
    pub(crate) const DEFAULT: Self = Self {
        version: None,
        rules: Rules::STRICT,
        ports: Vec::new(),
    };

    /// Takes an option of the command line. The error is in words.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--version" => self.version = version(value)?,
            "--allow" => self.rules = allow(self.rules, value)?,
            "--port" => {
                let port = value.parse().map_err(|_| format!("no port {value}"))?;
                self.ports.push(port);
            }
            _ => return Err(format!("no option {name}")),
        }
        Ok(())
    }
}

impl Report {
    pub(crate) fn new(settings: &Settings, file: &[u8]) -> Result<Self, NotHex> {
        if let Some(capture) = Capture::read(file, &settings.ports) {
            return Ok(captured::report(settings, &capture));
        }
        let items = raw(settings, &stream(file)?).into_iter();
        let rows: Vec<_> = items.map(|item| Row::Item(None, item)).collect();
        let good = rows.iter().all(Row::is_good);
        Ok(Self { rows, good })
    }
}

impl Row {
    pub(crate) const fn is_good(&self) -> bool {
        match self {
            Self::Item(_, item) => matches!(item.what, What::Packet(_) | What::Skipped(_)),
            Self::Event(..) | Self::Note(_) => true,
        }
    }
}

/// The bytes of a raw stream, which may be given in hex.
pub(crate) fn stream(file: &[u8]) -> Result<Cow<'_, [u8]>, NotHex> {
    match unhex(file) {
        Ok(bytes) => Ok(bytes.into()),
        // No packets are hex digits and spaces alone.
        Err(NotHex::Odd) => Err(NotHex::Odd),
        Err(NotHex::Byte(_)) => Ok(file.into()),
    }
}

/// The packets of a raw stream.
pub(crate) fn raw(settings: &Settings, bytes: &[u8]) -> Vec<Item> {
    let side = match bytes {
        [0x20 | 0xF0, ..] => Side::Server,
        _ => Side::Client,
    };
    let decoder = decoder(settings.version, bytes);
    let mut reader = Reader::new(side, decoder, settings.rules);
    reader.read(bytes, &mut 0);
    reader.items
}

fn version(name: &str) -> Result<Option<Version>, String> {
    match name {
        "auto" => Ok(None),
        "3.1.1" => Ok(Some(Version::V311)),
        "5.0" | "5" => Ok(Some(Version::V5)),
        other => Err(format!("no version {other}: auto, 3.1.1 or 5.0")),
    }
}

/// Lets a rule go, or all of them.
fn allow(rules: Rules, name: &str) -> Result<Rules, String> {
    if name == "all" {
        return Ok(Rules::LENIENT);
    }
    let rule = name.parse().map_err(|_| {
        let names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        format!("no rule {name}: all, {}", names.join(", "))
    })?;
    Ok(rules.without(rule))
}
