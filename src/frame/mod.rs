use bytes::Bytes;

use crate::error::DecodeError;
use crate::packet::Packet;
use crate::version::Version;

mod decoder;

pub use decoder::FrameDecoder;

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
