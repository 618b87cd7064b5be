use bytes::{Bytes, BytesMut};

use crate::device::checked;
use crate::error::DecodeError;
use crate::header::Header;
use crate::packet::Packet;
use crate::version::Version;

mod decoder;
mod lenient;
mod pieces;
mod too_large;

pub use decoder::FrameDecoder;
pub use pieces::Part;

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
        checked(Packet::decode(self.version, &self.bytes))
    }

    /// The packet. Its fields share the allocation.
    pub fn to_packet(&self) -> Packet {
        checked(Packet::decode_shared(self.version, self.bytes.clone()))
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

impl FrameDecoder {
    /// Takes a packet from the front of `input` without converting it. The bytes share the
    /// allocation of `input` and keep all of it alive.
    ///
    /// # Errors
    ///
    /// If the bytes in front are no packet that the sender may send, as for
    /// [`decode`](Self::decode). A packet that breaks a rule that is let go is encoded without what
    /// breaks it; the error is that of the packet if it cannot be.
    pub fn decode_frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        let Some((ctx, header, ..)) = self.whole(input) else {
            return self.decode_frame_slowly(input);
        };
        let bytes = input.split_to(header.packet_len()).freeze();
        Packet::parse(ctx, header, &bytes)?;
        let version = ctx.version;
        Ok(Some(Frame { bytes, version }))
    }

    #[inline(never)]
    fn decode_frame_slowly(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        let Some((header, bytes)) = self.split_slowly(input)? else {
            return Ok(None);
        };
        let parsed = self.context(header, &bytes).and_then(|ctx| {
            Packet::parse(ctx, header, &bytes)?;
            Ok(ctx.version)
        });
        match parsed {
            Ok(version) if header.is_that_of(version, &bytes) => Ok(Some(Frame { bytes, version })),
            Ok(version) => rewrite(version, header, &bytes).map(Some),
            Err(error) => {
                let packet = self.recover(error, header, &bytes)?;
                let version = self.expected.version.unwrap_or_else(|| error.version());
                encode(version, packet).ok_or(error).map(Some)
            }
        }
    }
}

/// The frame of a packet of which no more than the header was let go.
#[cold]
fn rewrite(version: Version, header: Header, frame: &[u8]) -> Result<Frame, DecodeError> {
    let (_, bytes) = header.with_body(header.body(frame));
    Frame::new(version, bytes.into())
}

/// The frame of a packet that was mended, or `None` if its version cannot say it. CONNECT of 3.1 or
/// of a bridge becomes one of 3.1.1.
#[cold]
fn encode(version: Version, mut packet: Packet) -> Option<Frame> {
    if let Packet::Connect(connect) = &mut packet {
        (connect.v31, connect.bridge) = (false, false);
    }
    let mut bytes = BytesMut::new();
    packet.encode(version, &mut bytes).ok()?;
    Frame::new(version, bytes.freeze()).ok()
}
