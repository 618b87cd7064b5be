//! A packet as a line of text or of JSON, and its bytes by field.

use std::io::{self, Write};
use std::time::Duration;

use mqtt_sansio::{DecodeError, DecodeErrorKind, PacketType, Rule, Side};

use crate::capture::{Item, What};
use crate::fields::{fields, quoted};
use crate::hex;
use crate::layout::parts;
use crate::paint::{Ink, Paint};

/// How to print.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) json: bool,
    pub(crate) hex: bool,
    pub(crate) paint: Paint,
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

impl Style {
    pub(crate) fn item(
        self,
        out: &mut impl Write,
        place: Option<Place>,
        item: &Item,
    ) -> io::Result<()> {
        if self.json {
            return writeln!(out, "{{{}}}", self.members(place, item));
        }
        let ink = match item.side {
            Side::Client => Ink::Client,
            Side::Server => Ink::Server,
        };
        let place = place.map_or_else(String::new, |place| {
            let arrow = match item.side {
                Side::Client => '>',
                Side::Server => '<',
            };
            let (time, connection) = (place.since_start.as_secs_f64(), place.connection);
            format!("{time:11.6} {connection:3} {arrow} ")
        });
        let text = match &item.what {
            What::Packet(_) => describe(item),
            What::Skipped(_) => self.paint.ink(Ink::Note, &describe(item)),
            _ => self.paint.ink(Ink::Error, &describe(item)),
        };
        let (at, len) = (item.at, item.bytes.len());
        match &item.what {
            What::Packet(packet) => {
                let name = format!("{:<11}", packet.packet_type().to_string());
                let name = self.paint.ink(ink, &name);
                writeln!(out, "{place}{at:6} {len:6}  {name} {text}")?;
            }
            What::Incomplete(_) | What::Stray => writeln!(out, "{place}{at:6} {len:6}  {text}")?,
            _ => writeln!(out, "{place}{at:6}         {text}")?,
        }
        match self.hex {
            true => self.bytes(out, item),
            false => Ok(()),
        }
    }

    fn bytes(self, out: &mut impl Write, item: &Item) -> io::Result<()> {
        const ROW: usize = 16;
        for part in parts(item) {
            let (first, more) = part.bytes.split_at(part.bytes.len().min(ROW));
            let (at, bytes) = (part.at, spaced(first));
            let name = self.paint.ink(Ink::Faint, &part.name);
            writeln!(out, "        {at:6}  {bytes:<47}  {name}: {}", part.value)?;
            for (row, bytes) in more.chunks(ROW).enumerate() {
                writeln!(out, "        {:6}  {}", at + (row + 1) * ROW, spaced(bytes))?;
            }
        }
        Ok(())
    }

    /// The members of a JSON object.
    pub(crate) fn members(self, place: Option<Place>, item: &Item) -> String {
        let mut all = Vec::new();
        let mut add = |name: &str, value: String| all.push(format!("\"{name}\":{value}"));
        if let Some(place) = place {
            add("connection", place.connection.to_string());
            add("time", seconds(place.time));
            add("frame", (place.frame + 1).to_string());
        }
        let side = match item.side {
            Side::Client => "client",
            Side::Server => "server",
        };
        add("from", quoted(side));
        add("offset", item.at.to_string());
        add("size", item.bytes.len().to_string());
        match &item.what {
            What::Packet(packet) => {
                add("version", quoted(&item.version.to_string()));
                add("type", quoted(&packet.packet_type().to_string()));
                add("fields", fields(item.version, &packet.as_borrowed()).json());
            }
            What::Skipped(error) => add("skipped", error_json(error)),
            What::Broken(error) => add("error", error_json(error)),
            What::Incomplete(missing) => {
                if let Some(kind) = kind(item) {
                    add("type", quoted(&kind.to_string()));
                }
                add("missing", missing.to_string());
            }
            What::Gap(len) => add("gap", len.to_string()),
            What::Stray => add("stray", "true".to_owned()),
        }
        if !item.let_go.is_empty() {
            let rules: Vec<_> = item.let_go.iter().map(|rule| quoted(rule.name())).collect();
            add("let_go", format!("[{}]", rules.join(",")));
        }
        if self.hex {
            let parts = parts(item);
            let parts = parts.iter().map(|part| {
                let (at, name, bytes) = (part.at, quoted(&part.name), hex(part.bytes));
                format!("{{\"at\":{at},\"hex\":\"{bytes}\",\"field\":{name}}}")
            });
            add(
                "bytes",
                format!("[{}]", parts.collect::<Vec<_>>().join(",")),
            );
        }
        all.join(",")
    }
}

/// What stands behind the type of a packet, or instead of a packet.
pub(crate) fn describe(item: &Item) -> String {
    let let_go = let_go(&item.let_go);
    match &item.what {
        What::Packet(packet) => {
            let fields = fields(item.version, &packet.as_borrowed());
            format!("{fields}{let_go}")
        }
        What::Skipped(error) => format!("skipped: {error}{let_go}"),
        What::Broken(error) => {
            let (at, code) = (item.at + error.offset(), error.reason_code());
            let hint = match error.kind() {
                DecodeErrorKind::NotConnect(_) => {
                    ". Bytes from the middle of a stream need --version 3.1.1 or 5.0"
                }
                _ => "",
            };
            format!("error at {at}: {error}; answer {code}{hint}")
        }
        What::Incomplete(missing) => {
            let kind = kind(item).map_or_else(String::new, |kind| format!(" {kind}"));
            format!("incomplete{kind}: {missing} bytes or more missing")
        }
        What::Gap(len) => format!("gap: {len} bytes were not captured"),
        What::Stray => "no packet begins here, as far as is known".to_owned(),
    }
}

/// The type of a packet that is not whole.
fn kind(item: &Item) -> Option<PacketType> {
    item.bytes
        .first()
        .and_then(|first| PacketType::new(first >> 4))
}

/// The rules that were let go, as the end of a line.
fn let_go(rules: &[Rule]) -> String {
    let rules: Vec<_> = rules.iter().map(|rule| rule.name()).collect();
    match &rules[..] {
        [] => String::new(),
        rules => format!(" (let go: {})", rules.join(", ")),
    }
}

fn error_json(error: &DecodeError) -> String {
    let optional = |text: Option<&str>| text.map_or_else(|| "null".to_owned(), quoted);
    format!(
        "{{\"message\":{},\"field\":{},\"at\":{},\"answer\":{},\"statement\":{},\"rule\":{}}}",
        quoted(&error.to_string()),
        quoted(&error.field().to_string()),
        error.offset(),
        error.reason_code().to_u8(),
        optional(error.statement()),
        optional(error.rule().map(Rule::name)),
    )
}

/// Seconds, as a JSON number.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{}.{:09}", time.as_secs(), time.subsec_nanos())
}

fn spaced(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}
