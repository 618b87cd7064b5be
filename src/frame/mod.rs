use bytes::Bytes;

use crate::error::DecodeError;
use crate::packet::Packet;
use crate::version::Version;

mod decoder;
mod lenient;
mod too_large;

pub use decoder::FrameDecoder;

/// The bytes of one whole packet, checked once and held by one reference count.
///
/// Use it to queue, store, resend and distribute packets: to decode it again with
/// [`packet`](Self::packet) costs less than the reference counts of a `Packet<Bytes>`.
///
/// ```
/// use bytes::BytesMut;
/// use mqtt_sansio::{FrameDecoder, Packet, Version};
///
/// let mut unread = BytesMut::from(&b"\x30\x04\0\x01t!"[..]);
/// let frame = FrameDecoder::client(Version::V311).decode_frame(&mut unread)?;
/// let frame = frame.ok_or("incomplete")?;
/// let Packet::Publish(publish) = frame.packet() else { panic!() };
/// assert_eq!(publish.payload, b"!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Frame {
    bytes: Bytes,
    version: Version,
}

impl Frame {
    /// Makes a frame of bytes that are one whole packet of `version`.
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

    /// The version of the packet.
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
