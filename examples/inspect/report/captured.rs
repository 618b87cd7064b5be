//! The packets of a capture, in the order of time.

use mqtt_sansio::{Side, Version};

use super::capture::{Capture, Connection, Event, Item, Protocol};
use super::{Place, Report, Row, Settings};

#[allow(clippy::large_enum_variant, reason = "most are items, on 64 bits")]
enum Line {
    Begin(String),
    Item(Item),
    End(String),
}

impl Line {
    /// The order of what one frame shows.
    const fn rank(&self) -> u8 {
        match self {
            Self::Begin(_) => 0,
            Self::Item(_) => 1,
            Self::End(_) => 2,
        }
    }
}

/// A row for each packet, for what happens to connections, and for what the capture lacks.
pub(crate) fn report(settings: &Settings, capture: &Capture) -> Report {
    let mut lines = Vec::new();
    for (index, connection) in capture.connections.iter().enumerate() {
        for (frame, line) in self::lines(settings, connection) {
            lines.push((frame, index, line));
        }
    }
    lines.sort_by_key(|(frame, _, line)| (*frame, line.rank()));
    let rows = lines.into_iter().map(|(frame, index, line)| {
        let place = Place {
            connection: index + 1,
            frame,
            since_start: capture.since_start(frame),
            time: capture.time(frame),
        };
        match line {
            Line::Item(item) => Row::Item(Some(place), item),
            Line::Begin(event) | Line::End(event) => Row::Event(place, event),
        }
    });
    let mut rows: Vec<_> = rows.collect();
    let complaints = capture.complaints();
    let good = rows.iter().all(Row::is_good) && complaints.is_empty();
    let notes = notes(capture, complaints, rows.is_empty());
    rows.extend(notes.into_iter().map(Row::Note));
    Report { rows, good }
}

/// What there is to show of a connection, each with its frame.
fn lines(settings: &Settings, connection: &Connection) -> Vec<(usize, Line)> {
    match connection.protocol {
        Protocol::Other => Vec::new(),
        Protocol::Mqtt => {
            let exchange = connection.exchange(settings.version, settings.rules);
            let mut lines = events(connection, exchange.guess);
            let items = exchange.items.into_iter();
            lines.extend(items.map(|item| (item.frame, Line::Item(item))));
            lines
        }
        Protocol::Tls | Protocol::WebSocket => {
            let frame = connection.events.first().map_or(0, |&(frame, _)| frame);
            let ends = ends(connection);
            let event = format!("{ends}: {}", unread(connection.protocol));
            vec![(frame, Line::Begin(event))]
        }
    }
}

/// What is to be said of the capture as a whole.
fn notes(capture: &Capture, mut notes: Vec<String>, nothing: bool) -> Vec<String> {
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
    notes
}

/// What happened to a connection besides packets.
fn events(connection: &Connection, guess: Option<Version>) -> Vec<(usize, Line)> {
    let sides = [Side::Client, Side::Server];
    let frames = sides
        .iter()
        .filter_map(|&side| connection.stream(side).frames());
    let frames: Vec<_> = frames.flatten().collect();
    let first = frames.iter().min().copied().unwrap_or_default();
    let last = frames.iter().max().copied().unwrap_or_default();
    let mut lines = Vec::new();
    if connection
        .events
        .iter()
        .all(|&(_, event)| event != Event::Opened)
    {
        let begin = format!("{}: open before the capture", ends(connection));
        lines.push((first, Line::Begin(begin)));
    }
    if let Some(version) = guess {
        let note = format!("no CONNECT: read as MQTT {version} (--version says another)");
        lines.push((first, Line::Begin(note)));
    }
    for &(frame, event) in &connection.events {
        let line = match event {
            Event::Opened => Line::Begin(format!("{}: opened", ends(connection))),
            Event::Closed(side) => Line::End(format!("closed by the {}", name(side))),
            Event::Reset(side) => Line::End(format!("reset by the {}", name(side))),
        };
        lines.push((frame, line));
    }
    for side in sides {
        let count = connection.stream(side).repeated;
        if count > 0 {
            let note = format!("{count} segments of the {} came again", name(side));
            lines.push((last, Line::End(note)));
        }
    }
    lines
}

fn ends(connection: &Connection) -> String {
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
