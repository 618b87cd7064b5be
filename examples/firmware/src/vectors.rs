//! The vectors of `testdata/vectors`, as `build.rs` packed them.

use mqtt_sansio::{FrameDecoder, Side, Version};

/// The longest stream has two megabytes.
pub const LEN: usize = 2_200_000;

/// What comes of a stream.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Ok,
    Incomplete,
    Error,
}

pub struct Vector<'a> {
    pub version: Version,
    sender: Option<Side>,
    pub kind: Kind,
    /// The reason codes that an error may have, or none for any.
    pub codes: &'static [u8],
    pub stream: &'a [u8],
    /// What the packets are encoded to.
    pub shortest: &'a [u8],
}

impl Vector<'_> {
    /// A decoder that knows what the vector says of the connection.
    pub fn decoder(&self) -> FrameDecoder {
        let decoder = FrameDecoder::new(self.version).max_packet_size(u32::MAX);
        match self.sender {
            Some(sender) => decoder.sent_by(sender),
            None => decoder,
        }
    }
}

const PACKED: usize = include_bytes!(concat!(env!("OUT_DIR"), "/vectors")).len();

/// In a section of its own, as a device does not have them.
#[unsafe(link_section = ".vectors")]
static VECTORS: [u8; PACKED] = *include_bytes!(concat!(env!("OUT_DIR"), "/vectors"));

pub struct Vectors {
    packed: &'static [u8],
}

impl Vectors {
    pub fn all() -> Self {
        Self { packed: &VECTORS }
    }

    /// The next vector, unpacked into these buffers of [`LEN`].
    pub fn next<'a>(&mut self, stream: &'a mut [u8], shortest: &'a mut [u8]) -> Option<Vector<'a>> {
        let [version, sender, kind, codes, rest @ ..] = self.packed else {
            return None;
        };
        let (codes, rest) = rest.split_at(usize::from(*codes));
        self.packed = rest;
        Some(Vector {
            version: [Version::V311, Version::V5][usize::from(*version)],
            sender: [None, Some(Side::Client), Some(Side::Server)][usize::from(*sender)],
            kind: [Kind::Ok, Kind::Incomplete, Kind::Error][usize::from(*kind)],
            codes,
            stream: unpack(&mut self.packed, stream),
            shortest: unpack(&mut self.packed, shortest),
        })
    }
}

/// Takes a byte string from the front, as `build.rs` packed it.
fn unpack<'a>(packed: &mut &[u8], into: &'a mut [u8]) -> &'a [u8] {
    let mut len = 0;
    loop {
        match **packed {
            [0, ref rest @ ..] => {
                *packed = rest;
                return &into[..len];
            }
            [0xFF, a, b, c, d, byte, ref rest @ ..] => {
                let more = u32::from_le_bytes([a, b, c, d]) as usize;
                into[len..len + more].fill(byte);
                len += more;
                *packed = rest;
            }
            [more, ref rest @ ..] => {
                let (bytes, rest) = rest.split_at(usize::from(more));
                into[len..len + bytes.len()].copy_from_slice(bytes);
                len += bytes.len();
                *packed = rest;
            }
            [] => panic!("packed bytes without their end"),
        }
    }
}
