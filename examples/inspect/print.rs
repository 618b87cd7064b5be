//! A packet as a line of text or of JSON, and its bytes by field.

use std::io::{self, Write};

use mqtt_sansio::Side;

use crate::fields::fields;
use crate::json::{self, bytes_json};
use crate::paint::{Ink, Paint};
use crate::report::capture::{Item, What};
use crate::report::layout::parts;
use crate::report::trouble::{let_go, trouble};
use crate::report::{Place, Row};

/// How to print.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) json: bool,
    pub(crate) hex: bool,
    pub(crate) paint: Paint,
}

impl Style {
    pub(crate) fn row(self, out: &mut impl Write, row: &Row) -> io::Result<()> {
        if self.json {
            let bytes = match row {
                Row::Item(_, item) if self.hex => bytes_json(item),
                _ => String::new(),
            };
            return writeln!(out, "{{{}{bytes}}}", json::row(row));
        }
        match row {
            Row::Item(place, item) => self.item(out, *place, item),
            Row::Event(place, event) => {
                let (time, connection) = (place.since_start.as_secs_f64(), place.connection);
                let event = self.paint.ink(Ink::Faint, event);
                writeln!(out, "{time:11.6} {connection:3} - {event}")
            }
            Row::Note(note) => writeln!(out, "{}", self.paint.ink(Ink::Note, note)),
        }
    }

    fn item(self, out: &mut impl Write, place: Option<Place>, item: &Item) -> io::Result<()> {
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
}

fn spaced(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// What stands behind the type of a packet, or instead of a packet.
pub(crate) fn describe(item: &Item) -> String {
    match &item.what {
        What::Packet(packet) => {
            let fields = fields(item.version, &packet.as_borrowed());
            format!("{fields}{}", let_go(&item.let_go))
        }
        _ => trouble(item),
    }
}
