use bytes::{Buf, BytesMut};

use super::{Frame, Header};
use crate::error::{DecodeError, DecodeErrorKind, Fault, Field, TLS_HANDSHAKE};
use crate::packet::{Context, Packet, connect};
use crate::packet_type::{PacketType, accepted};
use crate::side::Side;
use crate::varint::{InvalidVarInt, PartialVarInt};
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
    /// `None` until CONNECT has come.
    version: Option<Version>,
    sender: Option<Side>,
    /// The packet types that may come, one bit each: follows from version and sender.
    accepted: u16,
    max_packet_size: u32,
    max_connect_size: u32,
    missing: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The next byte is the first of a packet.
    Start,
    /// The first byte and some bytes of the remaining length have been looked at.
    Length(Header, PartialVarInt),
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
        self.sender = Some(sender);
        self.accepted = accepted(self.version, self.sender);
        self
    }

    const fn of(version: Option<Version>, sender: Option<Side>) -> Self {
        Self {
            state: State::Start,
            version,
            sender,
            accepted: accepted(version, sender),
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
        self.version
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

    /// The header of the one packet of `version` that `bytes` are, of any size, sent by either side.
    #[inline]
    pub(crate) fn only(version: Version, bytes: &[u8]) -> Result<(Context, Header), DecodeError> {
        let mut decoder = Self::new(version).max_packet_size(u32::MAX);
        match decoder.whole(bytes) {
            Some((ctx, header, _, [])) => Ok((ctx, header)),
            _ => decoder.only_slowly(version, bytes),
        }
    }

    #[inline(never)]
    fn only_slowly(
        &mut self,
        version: Version,
        bytes: &[u8],
    ) -> Result<(Context, Header), DecodeError> {
        let header = self.header(bytes)?;
        let fail = |kind, at| {
            let packet = header.map(|header| header.packet);
            DecodeError::new(kind, Field::Packet, packet, version, None, at)
        };
        match header {
            Some(header) if header.packet_len() == bytes.len() => {
                Ok((self.context(header, bytes)?, header))
            }
            Some(header) => Err(fail(DecodeErrorKind::TrailingBytes, header.packet_len())),
            None => Err(fail(DecodeErrorKind::Truncated, bytes.len())),
        }
    }

    /// The next packet, if it is what nearly every packet is: all there, allowed, with a fixed
    /// header of two or three bytes, and not the first one on a server.
    #[inline]
    fn whole<'a>(&self, input: &'a [u8]) -> Option<(Context, Header, &'a [u8], &'a [u8])> {
        let (State::Start, Some(version)) = (&self.state, self.version) else {
            return None;
        };
        let (first, len, body_len) = match *input {
            [first, low @ 0..=0x7F, ..] => (first, 2, u32::from(low)),
            [first, low, high @ 1..=0x7F, ..] => {
                (first, 3, u32::from(low & 0x7F) | u32::from(high) << 7)
            }
            _ => return None,
        };
        if !self.accepts(first) || body_len + 3 > self.max_packet_size {
            return None;
        }
        let header = Header {
            packet: PacketType::new(first >> 4)?,
            first,
            len,
            body_len,
        };
        let (frame, rest) = header.split(input)?;
        let sender = self.sender;
        Some((Context { version, sender }, header, frame, rest))
    }

    fn context(&mut self, header: Header, frame: &[u8]) -> Result<Context, DecodeError> {
        let version = match self.version {
            Some(version) => version,
            None => self.find_version(header, frame)?,
        };
        let sender = self.sender;
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
                    let sender = self.sender;
                    Packet::parse(Context { version, sender }, header, frame)?;
                    self.version = Some(version);
                    self.accepted = accepted(self.version, self.sender);
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
        let at = wire::offset(frame, fault.at);
        Err(self.fail(fault.kind, fault.field, Some(header.packet), at))
    }

    /// The fixed header of a packet that is all there. A byte that was looked at is not looked at
    /// again.
    fn header(&mut self, input: &[u8]) -> Result<Option<Header>, DecodeError> {
        loop {
            let next = match self.state {
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
                State::Start => input.first(),
                State::Length(_, partial) => input.get(1 + partial.len()),
            };
            let Some(&byte) = next else { return Ok(None) };
            self.state = match self.state {
                State::Length(header, partial) => self.length(header, partial, byte)?,
                _ => {
                    self.missing = 1;
                    let packet = self.first_byte(byte)?;
                    let header = Header {
                        packet,
                        first: byte,
                        len: 1,
                        body_len: 0,
                    };
                    State::Length(header, PartialVarInt::default())
                }
            };
        }
    }

    fn length(
        &mut self,
        mut header: Header,
        mut partial: PartialVarInt,
        byte: u8,
    ) -> Result<State, DecodeError> {
        // Before CONNECT has come, the rule of the laxer version.
        let version = self.version.unwrap_or(Version::V311);
        header.len += 1;
        match partial.push(version, byte) {
            Ok(None) => Ok(State::Length(header, partial)),
            Ok(Some(body_len)) => {
                header.body_len = body_len.get();
                self.check_size(header)?;
                Ok(State::Body(header))
            }
            Err(error) => {
                let kind = match error {
                    InvalidVarInt::TooLong => DecodeErrorKind::VarIntTooLong,
                    InvalidVarInt::NotMinimal => DecodeErrorKind::VarIntNotMinimal,
                };
                Err(self.fail(kind, Field::RemainingLength, Some(header.packet), 1))
            }
        }
    }

    /// Whether a packet may start so; [`first_byte`](Self::first_byte) says why not.
    #[inline]
    const fn accepts(&self, first: u8) -> bool {
        const WITH_FLAG: u16 = 1 << 6 | 1 << 8 | 1 << 10;
        let packet = first >> 4;
        let flags = ((WITH_FLAG >> packet & 1) as u8) << 1;
        // The flags of PUBLISH are left to its parser.
        self.accepted >> packet & 1 != 0 && (packet == 3 || first & 0xF == flags)
    }

    fn first_byte(&mut self, first: u8) -> Result<PacketType, DecodeError> {
        let packet = PacketType::new(first >> 4);
        let kind = match (packet, self.version) {
            (Some(packet), _) if self.accepts(first) => return Ok(packet),
            // Of all wrong flags only these are no mistake of an MQTT client.
            (Some(PacketType::Connect), None) if first != TLS_HANDSHAKE => {
                DecodeErrorKind::InvalidFlags(first)
            }
            (_, None) => DecodeErrorKind::NotConnect(first),
            (None, _) => DecodeErrorKind::ReservedPacketType(0),
            (Some(PacketType::Auth), Some(Version::V311)) => {
                DecodeErrorKind::ReservedPacketType(15)
            }
            (Some(packet), _) if self.accepts(packet.first_byte()) => {
                DecodeErrorKind::InvalidFlags(first)
            }
            _ => DecodeErrorKind::WrongSender,
        };
        Err(self.fail(kind, Field::FixedHeader, packet, 0))
    }

    const fn limit(&self) -> u32 {
        match self.version {
            None if self.max_connect_size < self.max_packet_size => self.max_connect_size,
            _ => self.max_packet_size,
        }
    }

    fn check_size(&mut self, header: Header) -> Result<(), DecodeError> {
        let len = u32::from(header.len) + header.body_len;
        if len <= self.limit() {
            return Ok(());
        }
        let kind = DecodeErrorKind::PacketTooLarge(len);
        Err(self.fail(kind, Field::RemainingLength, Some(header.packet), 1))
    }

    #[cold]
    fn fail(
        &mut self,
        kind: DecodeErrorKind,
        field: Field,
        packet: Option<PacketType>,
        offset: usize,
    ) -> DecodeError {
        let version = match (self.version, kind) {
            (Some(version), _) => version,
            // A client that asks for more than 5.0 reads a CONNACK of 5.0.
            (None, DecodeErrorKind::UnsupportedProtocolLevel(6..)) => Version::V5,
            // 3.1.1 takes such a length.
            (None, DecodeErrorKind::VarIntNotMinimal) => Version::V5,
            (None, _) => Version::V311,
        };
        let error = DecodeError::new(kind, field, packet, version, self.sender, offset);
        self.state = State::Failed(error);
        error
    }
}
