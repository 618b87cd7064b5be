//! Feature `tokio-util`: the codec as a `Decoder` and `Encoder` for framed streams.

use std::io;

use bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use crate::error::{DecodeError, EncodeError};
use crate::frame::FrameDecoder;
use crate::packet::Packet;
use crate::rules::Rule;
use crate::version::Version;

/// A [`FrameDecoder`] and the version to encode in, for `tokio_util::codec::Framed`.
///
/// An item is a packet or, where only the body of a packet is wrong, its error: the next item is
/// the packet behind it. A [`FramedError::Decode`] says that the decoder [has
/// failed](FrameDecoder::has_failed) and that no packet can follow; `Framed` then returns `None`.
/// Pass both errors to `handle_decode_error` of a connection.
///
/// ```
/// use bytes::BytesMut;
/// use mqtt_sansio::{FrameDecoder, Packet, PacketCodec, Version};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = PacketCodec::new(FrameDecoder::client(Version::V5));
/// let mut bytes = BytesMut::new();
/// codec.encode(<Packet>::PingReq, &mut bytes)?;
/// assert_eq!(bytes, b"\xC0\x00"[..]);
///
/// // The second packet has an identifier of zero.
/// let mut answers = BytesMut::from(&b"\xD0\x00\x40\x02\x00\x00\xD0\x00"[..]);
/// assert_eq!(codec.decode(&mut answers)?, Some(Ok(Packet::PingResp)));
/// assert!(codec.decode(&mut answers)?.unwrap().is_err());
/// assert_eq!(codec.decode(&mut answers)?, Some(Ok(Packet::PingResp)));
/// # Ok::<(), mqtt_sansio::FramedError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PacketCodec {
    decoder: FrameDecoder,
    /// The version to write in as long as the decoder knows none.
    fallback: Version,
}

impl PacketCodec {
    /// Reads with `decoder`, and writes in the version that it knows or finds.
    ///
    /// Until a server has read a CONNECT, the codec writes in the
    /// [version](DecodeError::version) of the latest error, in which the client understands a
    /// refusal, or else in 3.1.1.
    pub const fn new(decoder: FrameDecoder) -> Self {
        Self {
            decoder,
            fallback: Version::V311,
        }
    }

    /// Returns the decoder: its version, limits and state.
    pub const fn decoder(&self) -> &FrameDecoder {
        &self.decoder
    }

    /// The next of the rules that packets broke and that were let go: see
    /// [`FrameDecoder::poll_let_go`].
    pub fn poll_let_go(&mut self) -> Option<Rule> {
        self.decoder.poll_let_go()
    }

    fn version(&self) -> Version {
        self.decoder.version().unwrap_or(self.fallback)
    }
}

/// Reads packets, and the errors in them that leave the stream in step.
impl Decoder for PacketCodec {
    type Item = Result<Packet, DecodeError>;
    type Error = FramedError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Self::Item>, FramedError> {
        // Nothing is reserved for what is missing: memory grows with what has come, not with what
        // a length claims.
        match self.decoder.decode_shared(input) {
            Ok(packet) => Ok(packet.map(Ok)),
            Err(error) => {
                self.fallback = error.version();
                if self.decoder.has_failed() {
                    return Err(error.into());
                }
                Ok(Some(Err(error)))
            }
        }
    }
}

/// Writes packets, borrowed or owned.
impl<B: AsRef<[u8]>> Encoder<Packet<B>> for PacketCodec {
    type Error = FramedError;

    fn encode(&mut self, packet: Packet<B>, out: &mut BytesMut) -> Result<(), FramedError> {
        let version = self.version();
        out.reserve(packet.encoded_len(version)?);
        Ok(packet.encode(version, out)?)
    }
}

/// The reason for which a framed stream ended or a packet was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FramedError {
    /// The peer sent bytes that are no packet, and no packet can be read behind them.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The packet cannot be sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}
