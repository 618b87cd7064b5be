//! The packets of a capture, in the order of time.

use std::io::Write;

use mqtt_sansio::{Rules, Side, Version};

use crate::Failure;
use crate::capture::{Capture, Connection, Event, Item, Protocol, What};
use crate::fields::quoted;
use crate::paint::Ink;
use crate::print::{Place, Style, seconds};

#[expect(clippy::large_enum_variant, reason = "most are items")]
enum Row {
    Begin(String),
    Item(Item),
    End(String),
}

impl Row {
    /// The order of what one frame shows.
    const fn rank(&self) -> u8 {
        match self {
            Self::Begin(_) => 0,
            Self::Item(_) => 1,
            Self::End(_) => 2,
        }
    }
}

/// Writes a line for each packet, and for what happens to connections. Whether all of it was
/// packets.
pub(crate) fn packets(
    capture: &Capture,
    version: Option<Version>,
    rules: Rules,
    style: Style,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let mut rows = Vec::new();
    for (index, connection) in capture.connections.iter().enumerate() {
        match connection.protocol {
            Protocol::Other => {}
            Protocol::Mqtt => {
                let exchange = connection.exchange(version, rules);
                let events = events(connection, exchange.guess).into_iter();
                rows.extend(events.map(|(frame, row)| (frame, index, row)));
                let items = exchange.items.into_iter();
                rows.extend(items.map(|item| (item.frame, index, Row::Item(item))));
            }
            Protocol::Tls | Protocol::WebSocket => {
                let frame = connection.events.first().map_or(0, |&(frame, _)| frame);
                let ends = ends(connection);
                let event = format!("{ends}: {}", unread(connection.protocol));
                rows.push((frame, index, Row::Begin(event)));
            }
        }
    }
    rows.sort_by_key(|(frame, _, row)| (*frame, row.rank()));
    let mut good = true;
    for (frame, index, row) in &rows {
        let place = Place {
            connection: index + 1,
            frame: *frame,
            since_start: capture.since_start(*frame),
            time: capture.time(*frame),
        };
        match row {
            Row::Item(item) => {
                good &= matches!(item.what, What::Packet(_) | What::Skipped(_));
                style.item(out, Some(place), item)?;
            }
            Row::Begin(event) | Row::End(event) => self::event(out, style, place, event)?,
        }
    }
    good &= capture.complaints().is_empty();
    notes(out, style, capture, rows.is_empty())?;
    Ok(good)
}

/// Writes what is to be said of the capture as a whole.
fn notes(
    out: &mut impl Write,
    style: Style,
    capture: &Capture,
    nothing: bool,
) -> std::io::Result<()> {
    let mut notes = capture.complaints();
    let others = capture.connections.iter();
    let others = others.filter(|connection| connection.protocol == Protocol::Other);
    match others.count() {
        0 => {}
        count => notes.push(format!(
            "{count} connections are of other protocols; --port takes a port for MQTT"
        )),
    }
    if nothing {
        notes.push("there is no MQTT connection".to_owned());
    }
    for note in notes {
        match style.json {
            true => writeln!(out, "{{\"note\":{}}}", quoted(&note))?,
            false => writeln!(out, "{}", style.paint.ink(Ink::Note, &note))?,
        }
    }
    Ok(())
}

fn event(out: &mut impl Write, style: Style, place: Place, event: &str) -> std::io::Result<()> {
    let connection = place.connection;
    if style.json {
        let (time, event) = (seconds(place.time), quoted(event));
        return writeln!(
            out,
            "{{\"connection\":{connection},\"time\":{time},\"event\":{event}}}"
        );
    }
    let event = style.paint.ink(Ink::Faint, event);
    let time = place.since_start.as_secs_f64();
    writeln!(out, "{time:11.6} {connection:3} - {event}")
}

/// What happened to a connection besides packets, each with its frame.
fn events(connection: &Connection, guess: Option<Version>) -> Vec<(usize, Row)> {
    let sides = [Side::Client, Side::Server];
    let frames = sides
        .iter()
        .filter_map(|&side| connection.stream(side).frames());
    let frames: Vec<_> = frames.flatten().collect();
    let first = frames.iter().min().copied().unwrap_or_default();
    let last = frames.iter().max().copied().unwrap_or_default();
    let mut rows = Vec::new();
    if connection
        .events
        .iter()
        .all(|&(_, event)| event != Event::Opened)
    {
        let begin = format!("{}: open before the capture", ends(connection));
        rows.push((first, Row::Begin(begin)));
    }
    if let Some(version) = guess {
        let note = format!("no CONNECT: read as MQTT {version} (--version says another)");
        rows.push((first, Row::Begin(note)));
    }
    for &(frame, event) in &connection.events {
        rows.push((
            frame,
            match event {
                Event::Opened => Row::Begin(format!("{}: opened", ends(connection))),
                Event::Closed(side) => Row::End(format!("closed by the {}", name(side))),
                Event::Reset(side) => Row::End(format!("reset by the {}", name(side))),
            },
        ));
    }
    for side in sides {
        let count = connection.stream(side).repeated;
        if count > 0 {
            let note = format!("{count} segments of the {} came again", name(side));
            rows.push((last, Row::End(note)));
        }
    }
    rows
}

pub(crate) fn ends(connection: &Connection) -> String {
    format!("{} > {}", connection.client, connection.server)
}

pub(crate) const fn name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

const fn unread(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tls => "TLS, in which no packets can be seen",
        _ => "WebSocket, which is not taken apart",
    }
}
