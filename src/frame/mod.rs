use bytes::Bytes;

use crate::error::DecodeError;
use crate::packet::Packet;
use crate::packet_type::PacketType;
use crate::version::Version;

mod decoder;

pub use decoder::FrameDecoder;

/// A fixed header (section 2.1 of 5.0, 2.2 of 3.1.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) packet: PacketType,
    pub(crate) first: u8,
    /// Its own length, as far as it is known: two to five in the end.
    len: u8,
    body_len: u32,
}

impl Header {
    #[inline]
    const fn packet_len(self) -> usize {
        self.len as usize + self.body_len as usize
    }

    /// The packet and what is behind it.
    #[inline]
    fn split(self, input: &[u8]) -> Option<(&[u8], &[u8])> {
        input.split_at_checked(self.packet_len())
    }

    /// Whether the length is in its shortest form.
    const fn is_shortest(self) -> bool {
        self.len <= 2 || self.body_len >> (7 * (self.len - 2)) != 0
    }

    /// The part of the packet behind this header.
    #[inline]
    pub(crate) fn body(self, frame: &[u8]) -> &[u8] {
        frame.get(usize::from(self.len)..).unwrap_or_default()
    }
}

/// One whole packet as the bytes it is: checked once, held by one reference count.
///
/// This is the form to queue, store, resend and fan out: reading it again with
/// [`packet`](Self::packet) costs less than the reference counts of a `Packet<Bytes>`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Frame {
    bytes: Bytes,
    version: Version,
}

impl Frame {
    /// Checks bytes that are one whole packet of `version`.
    ///
    /// # Errors
    ///
    /// As [`Packet::decode`].
    pub fn new(version: Version, bytes: Bytes) -> Result<Self, DecodeError> {
        Packet::decode(version, &bytes)?;
        Ok(Self { bytes, version })
    }

    /// The packet, borrowed.
    pub fn packet(&self) -> Packet<&[u8]> {
        Packet::decode(self.version, &self.bytes).expect("checked when the frame was made")
    }

    /// The packet. Its fields share the allocation.
    pub fn to_packet(&self) -> Packet {
        let packet = Packet::decode_shared(self.version, self.bytes.clone());
        packet.expect("checked when the frame was made")
    }

    /// The version that the packet is written in.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The bytes as they were received.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes as they were received.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}
