//! The MQTT connections in a capture: pcap or pcapng, then Ethernet, Linux cooked, loopback or raw
//! IP, then IPv4 or IPv6, then TCP. The whole file is in memory.

mod file;
mod link;
#[cfg(test)]
pub(crate) mod made;
pub(crate) mod packets;
mod tcp;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use mqtt_sansio::Side;

pub(crate) use link::NoSegment;
pub(crate) use packets::{Item, What};

/// What a capture holds.
pub(crate) struct Capture {
    pub(crate) connections: Vec<Connection>,
    /// The time of each frame, since 1970.
    pub(crate) times: Vec<Duration>,
    /// The place from which on the file cannot be read.
    pub(crate) damage: Option<Damage>,
    /// Why frames held no TCP segment, in order, and how many.
    pub(crate) without: Vec<(NoSegment, usize)>,
}

/// A place where a file is not what its format says.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// A TCP connection.
pub(crate) struct Connection {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) sent_by_client: Stream,
    pub(crate) sent_by_server: Stream,
    /// The beginning and the ends, each with its frame.
    pub(crate) events: Vec<(usize, Event)>,
}

/// What a connection speaks, by its first bytes, else by its port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Mqtt,
    Tls,
    WebSocket,
    Other,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    Opened,
    Closed(Side),
    Reset(Side),
}

/// What one side sent.
#[derive(Default)]
pub(crate) struct Stream {
    /// Bytes without gaps between them, in order.
    pub(crate) runs: Vec<Run>,
    /// Segments with nothing new in them.
    pub(crate) repeated: usize,
    /// Bytes at the end that are known to exist and were not captured.
    pub(crate) lost_at_end: u64,
}

/// Bytes that follow each other.
pub(crate) struct Run {
    /// Bytes before these that were not captured.
    pub(crate) gap: u64,
    pub(crate) bytes: Vec<u8>,
    /// Where each segment begins, and the frame with which all before its end had been captured.
    pub(crate) segments: Vec<(usize, usize)>,
}

impl Capture {
    /// Reads a file. `None` if it is no capture. Connections to `ports` are taken for MQTT, besides
    /// those to 1883 and those that begin with CONNECT.
    pub(crate) fn read(file: &[u8], ports: &[u16]) -> Option<Self> {
        let (frames, damage) = file::frames(file)?;
        let mut without = Vec::<(NoSegment, usize)>::new();
        let mut flows = tcp::Flows::default();
        for (index, frame) in frames.iter().enumerate() {
            match link::segment(frame) {
                Ok(segment) => flows.add(index, &segment),
                Err(reason) => {
                    let at = without.partition_point(|&(other, _)| other < reason);
                    match without.get_mut(at) {
                        Some((other, count)) if *other == reason => *count += 1,
                        _ => without.insert(at, (reason, 1)),
                    }
                }
            }
        }
        Some(Self {
            connections: flows.connections(ports),
            times: frames.iter().map(|frame| frame.time).collect(),
            damage,
            without,
        })
    }

    /// The time of a frame since the first one.
    pub(crate) fn since_start(&self, frame: usize) -> Duration {
        let start = self.times.first().copied().unwrap_or_default();
        self.time(frame).saturating_sub(start)
    }

    /// The time of a frame, since 1970.
    pub(crate) fn time(&self, frame: usize) -> Duration {
        self.times.get(frame).copied().unwrap_or_default()
    }

    /// What keeps the capture from being whole, in words.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (reason, count) in &self.without {
            complaints.push(match reason {
                NoSegment::Other => continue,
                NoSegment::Fragment => format!("{count} fragments of IP packets are left out"),
                NoSegment::Short => format!("{count} frames end within their headers"),
                NoSegment::Link(link) => {
                    format!("{count} frames have the unknown link type {link}")
                }
            });
        }
        if let Some(Damage { at, what }) = &self.damage {
            complaints.push(format!("damaged at byte {at}: {what}"));
        }
        complaints
    }
}

impl Connection {
    pub(crate) const fn stream(&self, side: Side) -> &Stream {
        match side {
            Side::Client => &self.sent_by_client,
            Side::Server => &self.sent_by_server,
        }
    }
}

impl Run {
    /// The frame with which the byte at `at` was there.
    pub(crate) fn frame(&self, at: usize) -> usize {
        let after = self.segments.partition_point(|&(start, _)| start <= at);
        let segment = self.segments.get(after.saturating_sub(1));
        segment.map_or(0, |&(_, frame)| frame)
    }
}

impl Stream {
    /// The frames of the first and the last bytes.
    pub(crate) fn frames(&self) -> Option<[usize; 2]> {
        let (first, last) = (self.runs.first()?, self.runs.last()?);
        Some([first.frame(0), last.frame(last.bytes.len())])
    }

    /// The first bytes, if they are there.
    fn first(&self) -> &[u8] {
        let run = self.runs.first().filter(|run| run.gap == 0);
        run.map_or(&[], |run| &run.bytes)
    }
}

/// Whether bytes begin like CONNECT.
fn is_connect(bytes: &[u8]) -> bool {
    let name = bytes.iter().skip(1).position(|byte| byte & 0x80 == 0);
    let name = name
        .and_then(|len| bytes.get(len + 2..))
        .unwrap_or_default();
    bytes.first() == Some(&0x10)
        && (name.starts_with(b"\0\x04MQTT") || name.starts_with(b"\0\x06MQIsdp"))
}
