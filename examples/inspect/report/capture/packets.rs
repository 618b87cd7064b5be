//! From the bytes of one side to its packets.

use mqtt_sansio::{DecodeError, FrameDecoder, Packet, Rule, Rules, Side, VarInt, Version};

use super::{Connection, Run, Stream, is_connect};

/// A packet, or bytes that are none.
pub(crate) struct Item {
    pub(crate) side: Side,
    /// The frame with which all of it was there, in a capture.
    pub(crate) frame: usize,
    /// The offset in what the side sent, as far as it was captured.
    pub(crate) at: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) version: Version,
    /// The rules that were let go for it.
    pub(crate) let_go: Vec<Rule>,
    pub(crate) what: What,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "most are packets, on 64 bits")]
pub(crate) enum What {
    Packet(Packet),
    /// A packet that may be skipped, as its rule was let go.
    Skipped(DecodeError),
    Broken(DecodeError),
    /// A packet of which this many bytes or more are missing.
    Incomplete(usize),
    /// This many bytes were not captured.
    Gap(u64),
    /// Bytes without the begin of a packet.
    Stray,
}

/// What both sides of a connection sent.
pub(crate) struct Exchange {
    /// In the order of the capture.
    pub(crate) items: Vec<Item>,
    /// The version, if there was no CONNECT to say it: the one in which more are packets.
    pub(crate) guess: Option<Version>,
}

/// Takes packets from what one side sent.
pub(crate) struct Reader {
    side: Side,
    rules: Rules,
    decoder: FrameDecoder,
    /// The offset of the bytes that are being read.
    base: usize,
    pub(crate) items: Vec<Item>,
}

/// Where reading stopped.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Stop {
    /// Behind a packet.
    Between,
    /// Within a packet. How many bytes it still needs, if it says so.
    Within(Option<usize>),
    /// At bytes in which no packet begins.
    Lost,
}

impl Stop {
    /// Where it is behind a gap.
    fn behind(self, gap: u64) -> Self {
        let gap = usize::try_from(gap).unwrap_or(usize::MAX);
        match self {
            Self::Within(Some(owed)) if owed > gap => Self::Within(Some(owed - gap)),
            Self::Within(Some(owed)) if owed == gap => Self::Between,
            _ => Self::Lost,
        }
    }
}

impl Reader {
    pub(crate) fn new(side: Side, decoder: FrameDecoder, rules: Rules) -> Self {
        Self {
            side,
            rules,
            decoder: unlimited(decoder).rules(rules),
            base: 0,
            items: Vec::new(),
        }
    }

    /// Reads packets from `at` on, which moves behind them.
    pub(crate) fn read(&mut self, bytes: &[u8], at: &mut usize) -> Stop {
        while let Some(mut unread @ [_, ..]) = bytes.get(*at..) {
            let rest = unread;
            let decoded = self.decoder.decode(&mut unread);
            let decoded = match self.decoder.take_mended() {
                Some(packet) => Ok(Some(packet)),
                None => decoded.map(|packet| packet.map(|packet| packet.to_owned())),
            };
            let failed = self.decoder.has_failed();
            let (what, len) = match decoded {
                Ok(Some(packet)) => (What::Packet(packet), rest.len() - unread.len()),
                Ok(None) => {
                    let missing = self.decoder.missing();
                    self.push(*at, rest, What::Incomplete(missing));
                    return Stop::Within(has_length(rest).then_some(missing));
                }
                // The bytes that show it.
                Err(error) if failed => (What::Broken(error), rest.len().min(error.offset() + 1)),
                Err(error) => {
                    let what = match error.is_skipped() {
                        true => What::Skipped(error),
                        false => What::Broken(error),
                    };
                    (what, rest.len() - unread.len())
                }
            };
            let broken = match &what {
                What::Broken(error) => Some(error.version()),
                _ => None,
            };
            self.push(*at, rest.get(..len).unwrap_or(rest), what);
            *at += len;
            match broken {
                // A server has to stop at such a CONNECT; what else the client sent is worth a look.
                Some(version) if failed || self.decoder.version().is_none() => {
                    self.restart(self.decoder.version().unwrap_or(version));
                }
                _ => {}
            }
            if failed {
                return Stop::Lost;
            }
        }
        Stop::Between
    }

    fn push(&mut self, at: usize, bytes: &[u8], what: What) {
        self.items.push(Item {
            side: self.side,
            frame: 0,
            at: self.base + at,
            bytes: bytes.to_vec(),
            version: self.decoder.version().unwrap_or_else(|| match &what {
                What::Broken(error) | What::Skipped(error) => error.version(),
                _ => Version::V311,
            }),
            let_go: std::iter::from_fn(|| self.decoder.poll_let_go()).collect(),
            what,
        });
    }

    /// Expects a packet, as if none had begun.
    fn restart(&mut self, version: Version) {
        let decoder = FrameDecoder::new(version).sent_by(self.side);
        self.decoder = unlimited(decoder).rules(self.rules);
    }

    /// Reads a stream. After a gap, or where no packet begins, it goes on at the next packet: its
    /// place is known if the gap ended within a packet, and else is that of a segment.
    fn stream(mut self, stream: &Stream, version: Version) -> Vec<Item> {
        let mut stop = Stop::Between;
        for run in &stream.runs {
            let (bytes, first) = (&run.bytes[..], self.items.len());
            let mut at = 0;
            if run.gap > 0 {
                self.gap(run.gap, stop);
                self.restart(self.decoder.version().unwrap_or(version));
                stop = stop.behind(run.gap);
            }
            if let Stop::Within(Some(owed)) = stop {
                // The rest of a packet that is not whole.
                at = owed.min(bytes.len());
                stop = match owed - at {
                    0 => Stop::Between,
                    owed => Stop::Within(Some(owed)),
                };
            }
            while at < bytes.len() {
                if stop == Stop::Lost {
                    at = self.stray(bytes, at, self.next_packet(run, at));
                }
                stop = self.read(bytes, &mut at);
                if let Stop::Within(_) = stop {
                    break;
                }
            }
            for item in self.items.iter_mut().skip(first) {
                let end = item.at - self.base + item.bytes.len();
                item.frame = run.frame(end.saturating_sub(1));
            }
            self.base += bytes.len();
        }
        if stream.lost_at_end > 0 {
            self.gap(stream.lost_at_end, stop);
            let frames = stream.frames().unwrap_or_default();
            if let Some(item) = self.items.last_mut() {
                item.frame = item.frame.max(frames[1]);
            }
        }
        self.items
    }

    /// Tells a gap, and all within one packet as one.
    fn gap(&mut self, len: u64, stop: Stop) {
        match (stop, self.items.last_mut()) {
            (
                Stop::Within(_),
                Some(Item {
                    what: What::Gap(before),
                    ..
                }),
            ) => *before += len,
            _ => self.push(0, &[], What::Gap(len)),
        }
    }

    /// Passes bytes over, and returns where they end.
    fn stray(&mut self, bytes: &[u8], from: usize, to: usize) -> usize {
        let to = to.min(bytes.len());
        if let Some(stray @ [_, ..]) = bytes.get(from..to) {
            self.push(from, stray, What::Stray);
        }
        to
    }

    /// The begin of a segment from `at` on that begins like a packet, or the end.
    fn next_packet(&self, run: &Run, at: usize) -> usize {
        let behind = run.segments.partition_point(|&(start, _)| start < at);
        let mut starts = run.segments.iter().skip(behind).map(|&(start, _)| start);
        let start = starts.find(|&start| {
            let mut rest = run.bytes.get(start..).unwrap_or_default();
            self.decoder.clone().decode(&mut rest).is_ok()
        });
        start.unwrap_or(run.bytes.len())
    }
}

impl Connection {
    /// Reads what both sides sent. `version` is for a connection of which CONNECT is missing.
    pub(crate) fn exchange(&self, version: Option<Version>, rules: Rules) -> Exchange {
        let opening = is_connect(self.sent_by_client.first());
        let guess = match (opening, version) {
            (false, None) => Some(self.guess(rules)),
            _ => None,
        };
        let version = version.or(guess).unwrap_or(Version::V311);
        let decoder = match opening {
            true => FrameDecoder::server(),
            false => FrameDecoder::new(version).sent_by(Side::Client),
        };
        let reader = Reader::new(Side::Client, decoder, rules);
        let mut items = reader.stream(&self.sent_by_client, version);
        let spoken = match items.first() {
            Some(item) if opening => item.version,
            _ => version,
        };
        let reader = Reader::new(Side::Server, FrameDecoder::client(spoken), rules);
        items.extend(reader.stream(&self.sent_by_server, spoken));
        items.sort_by_key(|item| item.frame);
        Exchange { items, guess }
    }

    fn guess(&self, rules: Rules) -> Version {
        let packets = |version| {
            let items = self.exchange(Some(version), rules).items.into_iter();
            items
                .filter(|item| matches!(item.what, What::Packet(_)))
                .count()
        };
        // Most PUBLISH of 5.0 are one of 3.1.1 as well, but few the other way.
        match packets(Version::V311) > packets(Version::V5) {
            true => Version::V311,
            false => Version::V5,
        }
    }
}

/// A decoder for a stream that begins so. Who sent it shows in the first packet.
pub(crate) fn decoder(version: Option<Version>, stream: &[u8]) -> FrameDecoder {
    unlimited(match (version, stream) {
        (Some(version), [0x10, ..]) => FrameDecoder::new(version).sent_by(Side::Client),
        (Some(version), [0x20, ..]) => FrameDecoder::client(version),
        (Some(version), _) => FrameDecoder::new(version),
        // Only 3.1.1 has a CONNACK of two bytes; 5.0 adds the length of the properties, and AUTH.
        (None, [0x20, 0x02, ..]) => FrameDecoder::client(Version::V311),
        (None, [0x20 | 0xF0, ..]) => FrameDecoder::client(Version::V5),
        (None, _) => FrameDecoder::server(),
    })
}

fn unlimited(decoder: FrameDecoder) -> FrameDecoder {
    decoder.max_packet_size(u32::MAX).max_connect_size(u32::MAX)
}

/// Whether a packet has begun that says how long it is.
fn has_length(bytes: &[u8]) -> bool {
    let rest = bytes.get(1..).unwrap_or_default();
    matches!(VarInt::decode(Version::V311, rest), Ok(Some(_)))
}
