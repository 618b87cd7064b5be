use bytes::{Buf, BytesMut};

use super::Frame;
use crate::error::{DecodeError, DecodeErrorKind, Fault, Field};
use crate::header::{Expected, Header, PartialHeader};
use crate::packet::{Context, Packet, connect};
use crate::side::Side;
use crate::version::Version;
use crate::wire;

/// Splits a stream of bytes into packets, of which it holds none itself.
///
/// The caller keeps the bytes that have come and hands over all that are unread. A packet that is
/// there is taken from the front; `Ok(None)` says that [`missing`](Self::missing) more bytes are
/// needed, and then the next call has the same bytes in front.
///
/// After an error in the body of a packet that packet is taken, too, and the next call reads the
/// one behind it. After an error in its fixed header, or before the version is known, the stream
/// has no end of packet to go on from: the decoder [has failed](Self::has_failed).
///
/// ```
/// use mqtt_sansio::{FrameDecoder, Packet, Version};
///
/// let mut decoder = FrameDecoder::client(Version::V311);
/// let mut unread: &[u8] = b"\xD0\x00\x40\x02\x00";
/// assert_eq!(decoder.decode(&mut unread), Ok(Some(Packet::PingResp)));
/// assert_eq!(decoder.decode(&mut unread), Ok(None));
/// assert_eq!((unread.len(), decoder.missing()), (3, 1));
/// ```
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    state: State,
    expected: Expected,
    max_packet_size: u32,
    max_connect_size: u32,
    missing: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The next byte is the first of a packet.
    Start,
    /// The first byte and some bytes of the remaining length have been looked at.
    Header(PartialHeader),
    /// The whole fixed header has been looked at.
    Body(Header),
    Failed(DecodeError),
}

impl FrameDecoder {
    /// How large a packet may be unless the caller says otherwise: 1 MiB.
    pub const DEFAULT_MAX_PACKET_SIZE: u32 = 1 << 20;

    /// How large the CONNECT of a client that nobody knows yet may be unless the caller says
    /// otherwise: 128 KiB.
    pub const DEFAULT_MAX_CONNECT_SIZE: u32 = 1 << 17;

    /// Reads what either side sends in `version`.
    pub const fn new(version: Version) -> Self {
        Self::of(Some(version), None)
    }

    /// Reads what a client receives from a server.
    pub const fn client(version: Version) -> Self {
        Self::of(Some(version), Some(Side::Server))
    }

    /// Reads what a server receives from a client: first CONNECT [MQTT-3.1.0-1], which says the
    /// version. After one that is malformed nothing but CONNECT may come, either.
    pub const fn server() -> Self {
        Self::of(None, Some(Side::Client))
    }

    /// Refuses what this side may not send.
    #[must_use]
    pub const fn sent_by(mut self, sender: Side) -> Self {
        self.expected = Expected::new(self.expected.version, Some(sender));
        self
    }

    const fn of(version: Option<Version>, sender: Option<Side>) -> Self {
        Self {
            state: State::Start,
            expected: Expected::new(version, sender),
            max_packet_size: Self::DEFAULT_MAX_PACKET_SIZE,
            max_connect_size: Self::DEFAULT_MAX_CONNECT_SIZE,
            missing: 2,
        }
    }

    /// Limits the size of a packet, in bytes with the fixed header.
    ///
    /// A larger one is refused as soon as its length is known.
    #[must_use]
    pub const fn max_packet_size(mut self, bytes: u32) -> Self {
        self.max_packet_size = bytes;
        self
    }

    /// Limits the size of CONNECT on a [`server`](Self::server), as
    /// [`max_packet_size`](Self::max_packet_size) does for all that follows.
    #[must_use]
    pub const fn max_connect_size(mut self, bytes: u32) -> Self {
        self.max_connect_size = bytes;
        self
    }

    /// The version; `None` on a server before CONNECT.
    pub const fn version(&self) -> Option<Version> {
        self.expected.version
    }

    /// How many bytes, at least, the next packet still needs: exact once its fixed header is known.
    pub const fn missing(&self) -> usize {
        self.missing
    }

    /// Whether the stream is out of step: every call gives the same error until
    /// [`reset`](Self::reset).
    pub const fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }

    /// Forgets a packet that has begun, and an error: the next byte is the first of a packet. The
    /// version stays.
    pub const fn reset(&mut self) {
        self.state = State::Start;
        self.missing = 2;
    }

    /// Takes a packet from the front of `input`, borrowed.
    ///
    /// # Errors
    ///
    /// If what is in front is no packet that the sender may send; [`has_failed`](Self::has_failed)
    /// says whether to go on.
    #[inline]
    pub fn decode<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Packet<&'a [u8]>>, DecodeError> {
        if let (State::Start, []) = (&self.state, *input) {
            return Ok(None);
        }
        self.decode_next(input)
    }

    #[inline]
    fn decode_next<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Packet<&'a [u8]>>, DecodeError> {
        let Some((ctx, header, frame, rest)) = self.whole(input) else {
            return self.decode_slowly(input);
        };
        *input = rest;
        Packet::parse(ctx, header, frame)
    }

    #[inline(never)]
    fn decode_slowly<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Packet<&'a [u8]>>, DecodeError> {
        let Some(header) = self.header(input)? else {
            return Ok(None);
        };
        let (frame, rest) = header.split(input).unwrap_or_default();
        *input = rest;
        Packet::parse(self.context(header, frame)?, header, frame)
    }

    /// Takes a packet from the front of `input` as the bytes it is. They share its allocation, and
    /// keep all of it alive.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn decode_frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        let Some(header) = self.next_header(input)? else {
            return Ok(None);
        };
        let bytes = input.split_to(header.packet_len()).freeze();
        let ctx = self.context(header, &bytes)?;
        Packet::parse(ctx, header, &bytes)?;
        let version = ctx.version;
        Ok(Some(Frame { bytes, version }))
    }

    /// Takes a packet from the front of `input`. All its fields share the allocation of `input`, and
    /// keep all of it alive.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn decode_shared(&mut self, input: &mut BytesMut) -> Result<Option<Packet>, DecodeError> {
        let header = match self.whole(input) {
            Some((_, header, frame, _)) => {
                if let Some(packet) = Packet::parse_short(header.packet, header.body(frame)) {
                    input.advance(header.packet_len());
                    return Ok(Some(packet));
                }
                header
            }
            None => match self.header(input)? {
                Some(header) => header,
                None => return Ok(None),
            },
        };
        let bytes = input.split_to(header.packet_len()).freeze();
        Packet::parse_shared(self.context(header, &bytes)?, header, bytes)
    }

    #[inline]
    fn next_header(&mut self, input: &[u8]) -> Result<Option<Header>, DecodeError> {
        match self.whole(input) {
            Some((_, header, ..)) => Ok(Some(header)),
            None => self.header(input),
        }
    }

    /// The next packet, if it is what nearly every packet is: all there, allowed, with a fixed
    /// header of two or three bytes, and not the first one on a server.
    #[inline]
    fn whole<'a>(&self, input: &'a [u8]) -> Option<(Context, Header, &'a [u8], &'a [u8])> {
        let (State::Start, Some(version)) = (&self.state, self.expected.version) else {
            return None;
        };
        let header = Header::parse_short(&self.expected, input)?;
        if header.packet_len() > self.max_packet_size as usize {
            return None;
        }
        let (frame, rest) = header.split(input)?;
        let sender = self.expected.sender;
        Some((Context { version, sender }, header, frame, rest))
    }

    fn context(&mut self, header: Header, frame: &[u8]) -> Result<Context, DecodeError> {
        let version = match self.expected.version {
            Some(version) => version,
            None => self.find_version(header, frame)?,
        };
        let sender = self.expected.sender;
        Ok(Context { version, sender })
    }

    /// The version that CONNECT names. It stands once CONNECT is well formed: until then nothing
    /// else may come.
    #[cold]
    fn find_version(&mut self, header: Header, frame: &[u8]) -> Result<Version, DecodeError> {
        let body = header.body(frame);
        let fault = match connect::protocol_level(body) {
            Ok((rest, level)) => match Version::from_level(level) {
                // Its length was read by the rule of the laxer version.
                Some(Version::V5) if !header.is_shortest() => {
                    let at = frame.get(1..).unwrap_or_default();
                    let kind = DecodeErrorKind::VarIntNotMinimal;
                    Fault::new(at, kind, Field::RemainingLength)
                }
                Some(version) => {
                    let sender = self.expected.sender;
                    Packet::parse(Context { version, sender }, header, frame)?;
                    self.expected = Expected::new(Some(version), sender);
                    return Ok(version);
                }
                None => {
                    let at = body.get(body.len() - rest.len() - 1..).unwrap_or_default();
                    let kind = DecodeErrorKind::UnsupportedProtocolLevel(level);
                    Fault::new(at, kind, Field::ProtocolLevel)
                }
            },
            Err(error) => error.into(),
        };
        let (packet, at) = (Some(header.packet), wire::offset(frame, fault.at));
        let error = self.expected.error(fault.kind, fault.field, packet, at);
        Err(self.fail(error))
    }

    /// The fixed header of a packet that is all there. A byte that was looked at is not looked at
    /// again.
    fn header(&mut self, input: &[u8]) -> Result<Option<Header>, DecodeError> {
        loop {
            self.state = match self.state {
                State::Failed(error) => return Err(error),
                State::Body(header) => {
                    let missing = header.packet_len().saturating_sub(input.len());
                    if missing == 0 {
                        self.reset();
                        return Ok(Some(header));
                    }
                    self.missing = missing;
                    return Ok(None);
                }
                State::Start => {
                    let Some(&first) = input.first() else {
                        return Ok(None);
                    };
                    self.missing = 1;
                    let partial = PartialHeader::new(&self.expected, first);
                    State::Header(partial.map_err(|error| self.fail(error))?)
                }
                State::Header(mut partial) => {
                    let Some(&byte) = input.get(partial.len()) else {
                        return Ok(None);
                    };
                    let header = partial.push(&self.expected, byte);
                    match header.map_err(|error| self.fail(error))? {
                        None => State::Header(partial),
                        Some(header) => State::Body(self.check_size(header)?),
                    }
                }
            };
        }
    }

    fn check_size(&mut self, header: Header) -> Result<Header, DecodeError> {
        let len = header.packet_len();
        let limit = match self.expected.version {
            None => self.max_connect_size.min(self.max_packet_size),
            Some(_) => self.max_packet_size,
        };
        match u32::try_from(len) {
            Ok(len) if len > limit => {
                let kind = DecodeErrorKind::PacketTooLarge(len);
                let (field, packet) = (Field::RemainingLength, Some(header.packet));
                Err(self.fail(self.expected.error(kind, field, packet, 1)))
            }
            _ => Ok(header),
        }
    }

    #[cold]
    const fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.state = State::Failed(error);
        error
    }
}
