//! From segments to the bytes of both sides of each connection.

use std::collections::HashMap;
use std::net::SocketAddr;

use mqtt_sansio::Side;

use super::link::Segment;
use super::{Connection, Event, Protocol, Run, Stream, is_connect};

const MQTT: u16 = 1883;
const MQTT_OVER_TLS: u16 = 8883;

/// The connections of a capture, as they are found.
#[derive(Default)]
pub(crate) struct Flows {
    flows: Vec<Flow>,
    /// The last connection between two addresses, the lower first.
    last: HashMap<[SocketAddr; 2], usize>,
}

struct Flow {
    ends: [SocketAddr; 2],
    halves: [Half; 2],
    /// The end that opened the connection.
    opener: Option<usize>,
    events: Vec<(usize, Happened)>,
}

enum Happened {
    Opened,
    Closed(usize),
    Reset(usize),
}

/// What one end sent.
#[derive(Default)]
struct Half {
    /// The sequence number of SYN.
    syn: Option<u32>,
    /// The sequence number seen last, and its offset in the stream.
    last: Option<(u32, i64)>,
    pieces: Vec<Piece>,
    /// The end of the stream, as far as it is known.
    end: i64,
    /// The offset that the other end acknowledged.
    acknowledged: i64,
    finished: bool,
}

struct Piece {
    at: i64,
    frame: usize,
    bytes: Vec<u8>,
}

impl Flows {
    pub(crate) fn add(&mut self, frame: usize, segment: &Segment<'_>) {
        let mut ends = [segment.from, segment.to];
        ends.sort();
        let from = usize::from(ends[0] != segment.from);
        let known = self
            .last
            .get(&ends)
            .and_then(|&index| self.flows.get(index));
        if known.is_none_or(|flow| flow.is_over(from, segment)) {
            self.last.insert(ends, self.flows.len());
            self.flows.push(Flow {
                ends,
                halves: Default::default(),
                opener: None,
                events: Vec::new(),
            });
        }
        let index = self.last.get(&ends).copied().unwrap_or_default();
        if let Some(flow) = self.flows.get_mut(index) {
            flow.add(frame, from, segment);
        }
    }

    pub(crate) fn connections(self, ports: &[u16]) -> Vec<Connection> {
        let flows = self.flows.into_iter();
        flows.map(|flow| flow.connection(ports)).collect()
    }
}

impl Flow {
    /// Whether this segment begins another connection between the same ends.
    fn is_over(&self, from: usize, segment: &Segment<'_>) -> bool {
        let syn = self.halves.get(from).and_then(|half| half.syn);
        match segment.syn {
            true if syn.is_some() => syn != Some(segment.sequence),
            // The answer to a SYN belongs to it.
            true => segment.acknowledged.is_none(),
            false => false,
        }
    }

    fn add(&mut self, frame: usize, from: usize, segment: &Segment<'_>) {
        let [low, high] = &mut self.halves;
        let (half, other) = match from {
            0 => (low, high),
            _ => (high, low),
        };
        if segment.syn {
            if segment.acknowledged.is_none() && half.syn.is_none() {
                self.events.push((frame, Happened::Opened));
            }
            self.opener = Some(match segment.acknowledged {
                None => from,
                Some(_) => 1 - from,
            });
            half.syn = Some(segment.sequence);
        }
        let first = segment.sequence.wrapping_add(u32::from(segment.syn));
        let at = half.place(first);
        if !segment.payload.is_empty() {
            half.pieces.push(Piece {
                at,
                frame,
                bytes: segment.payload.to_vec(),
            });
        }
        let sent = segment.payload.len().saturating_add(segment.cut);
        if sent > 0 {
            half.end = half.end.max(at.saturating_add_unsigned(sent as u64));
        }
        if let (Some(number), Some(_)) = (segment.acknowledged, other.last) {
            other.acknowledged = other.acknowledged.max(other.offset(number));
        }
        if segment.fin && !half.finished {
            half.finished = true;
            self.events.push((frame, Happened::Closed(from)));
        }
        if segment.reset {
            self.events.push((frame, Happened::Reset(from)));
        }
    }

    fn connection(mut self, ports: &[u16]) -> Connection {
        let [mut low, mut high] = self.halves.map(Half::stream);
        let is_server = |end: &SocketAddr| {
            [MQTT, MQTT_OVER_TLS].contains(&end.port()) || ports.contains(&end.port())
        };
        let client = match self.opener {
            Some(opener) => opener,
            None if is_connect(low.first()) => 0,
            None if is_connect(high.first()) => 1,
            None if is_server(&self.ends[0]) => 1,
            None if is_server(&self.ends[1]) => 0,
            None => usize::from(self.ends[0].port() < self.ends[1].port()),
        };
        if client == 1 {
            self.ends.swap(0, 1);
            (low, high) = (high, low);
        }
        let side = |end: usize| match end == client {
            true => Side::Client,
            false => Side::Server,
        };
        let events = self.events.into_iter().map(|(frame, event)| {
            let event = match event {
                Happened::Opened => Event::Opened,
                Happened::Closed(end) => Event::Closed(side(end)),
                Happened::Reset(end) => Event::Reset(side(end)),
            };
            (frame, event)
        });
        let [client, server] = self.ends;
        Connection {
            client,
            server,
            protocol: protocol(low.first(), high.first(), server.port(), ports),
            sent_by_client: low,
            sent_by_server: high,
            events: events.collect(),
        }
    }
}

impl Half {
    /// The offset of a sequence number, which counts on from the one before.
    fn place(&mut self, number: u32) -> i64 {
        let at = self.offset(number);
        self.last = Some((number, at));
        at
    }

    fn offset(&self, number: u32) -> i64 {
        self.last.map_or(0, |(last, at)| {
            at + i64::from(number.wrapping_sub(last) as i32)
        })
    }

    /// Puts the pieces in order. Of bytes that came more than once the first are kept.
    fn stream(mut self) -> Stream {
        self.pieces.sort_by_key(|piece| (piece.at, piece.frame));
        let mut stream = Stream::default();
        let first = self.pieces.first().map_or(0, |piece| piece.at);
        // Without SYN, the stream begins with the first byte that was seen.
        let mut next = match self.syn {
            Some(_) => 0,
            None => first,
        };
        let mut latest = 0;
        for piece in self.pieces {
            let ahead = piece.at - next;
            let known = usize::try_from(-ahead).unwrap_or(0);
            let fresh = match piece.bytes.get(known..) {
                Some(fresh) if !fresh.is_empty() => fresh,
                _ => {
                    stream.repeated += 1;
                    continue;
                }
            };
            let gap = u64::try_from(ahead).unwrap_or(0);
            if gap > 0 || stream.runs.is_empty() {
                stream.runs.push(Run {
                    gap,
                    bytes: Vec::new(),
                    segments: Vec::new(),
                });
            }
            latest = latest.max(piece.frame);
            next = next
                .max(piece.at)
                .saturating_add_unsigned(fresh.len() as u64);
            if let Some(run) = stream.runs.last_mut() {
                run.segments.push((run.bytes.len(), latest));
                run.bytes.extend_from_slice(fresh);
            }
        }
        // FIN is acknowledged like a byte, and may be missing as well.
        let end = self.end.max(self.acknowledged - 1);
        stream.lost_at_end = u64::try_from(end - next).unwrap_or(0);
        stream
    }
}

fn protocol(client: &[u8], server: &[u8], port: u16, ports: &[u16]) -> Protocol {
    let is_tls = |bytes: &[u8]| matches!(bytes, [0x14..=0x17, 3, 0..=4, ..]);
    let is_http = |bytes: &[u8]| bytes.starts_with(b"GET ") || bytes.starts_with(b"HTTP/");
    if is_connect(client) {
        Protocol::Mqtt
    } else if is_tls(client) || is_tls(server) {
        Protocol::Tls
    } else if is_http(client) || is_http(server) {
        let head = client.get(..2048).unwrap_or(client).to_ascii_lowercase();
        match head.windows(9).any(|word| word == b"websocket") {
            true => Protocol::WebSocket,
            false => Protocol::Other,
        }
    } else if port == MQTT || ports.contains(&port) {
        Protocol::Mqtt
    } else if port == MQTT_OVER_TLS {
        Protocol::Tls
    } else {
        Protocol::Other
    }
}
