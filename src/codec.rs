//! Feature `tokio-util`: the codec as a `Decoder` and `Encoder` for framed streams.

use std::io;

use bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use crate::error::{DecodeError, EncodeError};
use crate::frame::FrameDecoder;
use crate::packet::Packet;
use crate::version::Version;

/// A [`FrameDecoder`] and the version to encode in, for `tokio_util::codec::Framed`.
///
/// After a [`FramedError::Decode`] the stream may be read on unless
/// [`FrameDecoder::has_failed`] says otherwise.
///
/// ```
/// use bytes::BytesMut;
/// use mqtt_sansio::{FrameDecoder, Packet, PacketCodec, Version};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = PacketCodec::new(FrameDecoder::client(Version::V5));
/// let mut bytes = BytesMut::new();
/// codec.encode(Packet::PingReq, &mut bytes)?;
/// assert_eq!(bytes, b"\xC0\x00"[..]);
/// let mut answer = BytesMut::from(&b"\xD0\x00"[..]);
/// assert_eq!(codec.decode(&mut answer)?, Some(Packet::PingResp));
/// # Ok::<(), mqtt_sansio::FramedError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PacketCodec {
    decoder: FrameDecoder,
}

impl PacketCodec {
    /// Reads with `decoder`, and writes in the version that it knows or finds.
    pub const fn new(decoder: FrameDecoder) -> Self {
        Self { decoder }
    }

    /// What reads: its version, limits and state.
    pub const fn decoder(&self) -> &FrameDecoder {
        &self.decoder
    }

    /// The version to write in. A server that has not seen CONNECT answers as 3.1.1 does.
    fn version(&self) -> Version {
        self.decoder.version().unwrap_or(Version::V311)
    }
}

impl Decoder for PacketCodec {
    type Item = Packet;
    type Error = FramedError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Packet>, FramedError> {
        // Nothing is reserved for what is missing: memory grows with what has come, not with what
        // a length claims.
        Ok(self.decoder.decode_shared(input)?)
    }
}

impl Encoder<Packet> for PacketCodec {
    type Error = FramedError;

    fn encode(&mut self, packet: Packet, out: &mut BytesMut) -> Result<(), FramedError> {
        let version = self.version();
        out.reserve(packet.encoded_len(version)?);
        Ok(packet.encode(version, out)?)
    }
}

/// Why a framed stream ended or a packet was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FramedError {
    /// The peer sent what is no packet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The packet cannot be sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}
