use alloc::boxed::Box;

use bytes::{Buf, Bytes, BytesMut};

use super::lenient::Lenient;
use crate::device::QUICK;
use crate::error::{DecodeError, DecodeErrorKind, Fault, Field};
use crate::header::{Expected, Header, PartialHeader};
use crate::packet::{Context, Packet, connect, short_ack};
use crate::rules::Rule;
use crate::side::Side;
use crate::version::Version;
use crate::wire;

/// Splits a byte stream into packets without buffering.
///
/// The caller keeps the bytes that it has received and passes all that are unread. A complete
/// packet is removed from the front. `Ok(None)` means that [`missing`](Self::missing) more bytes
/// are needed; the next call has to begin with the same bytes.
///
/// A packet with an error in its body is removed as well, and the next call reads the packet behind
/// it. After an error in the fixed header, or before the version is known, the packet boundary is
/// lost, and the decoder [stays failed](Self::has_failed).
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
    pub(super) state: State,
    pub(super) expected: Expected,
    pub(super) max_packet_size: u32,
    pub(super) max_connect_size: u32,
    /// A larger PUBLISH arrives in pieces.
    pub(super) pieces_above: u32,
    pub(super) max_head_size: u32,
    /// A packet that is not larger is taken whole, whatever it is.
    pub(super) whole_size: u32,
    pub(super) missing: u32,
    /// The state for rules that are let go. A decoder without such rules does not link its code.
    pub(super) lenient: Option<Box<Lenient>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// The next byte is the first of a packet.
    Start,
    /// As `Start`, for a decoder that lets rules go. It takes no quick path, so that the others need
    /// not ask.
    LenientStart,
    /// The first byte and some bytes of the remaining length have been looked at.
    Header(PartialHeader),
    /// The whole fixed header has been looked at.
    Body(Header),
    /// As `Body`, for a PUBLISH in pieces.
    Head(Header),
    /// The number of bytes of its payload still to be handed out.
    Payload(usize),
    /// As `Body`, for a PUBLISH that is too large and is to be skipped.
    TooLarge(Header),
    /// The number of bytes still to be skipped.
    Skip(usize),
    Failed(DecodeError),
}

impl FrameDecoder {
    /// The default of [`max_packet_size`](Self::max_packet_size): 1 MiB.
    pub const DEFAULT_MAX_PACKET_SIZE: u32 = 1 << 20;

    /// The default of [`max_connect_size`](Self::max_connect_size): 128 KiB, as CONNECT comes from
    /// an unknown client.
    pub const DEFAULT_MAX_CONNECT_SIZE: u32 = 1 << 17;

    /// Makes a decoder for the packets that either side sends in `version`.
    pub const fn new(version: Version) -> Self {
        Self::of(Some(version), None)
    }

    /// Makes a client's decoder, for the packets of a server.
    pub const fn client(version: Version) -> Self {
        Self::of(Some(version), Some(Side::Server))
    }

    /// Makes a server's decoder, for the packets of a client. The first has to be CONNECT
    /// [MQTT-3.1.0-1], which has the version. Until a CONNECT was well formed, no other packet is
    /// accepted.
    pub const fn server() -> Self {
        Self::of(None, Some(Side::Client))
    }

    /// Rejects the packets that this side may not send.
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
            pieces_above: u32::MAX,
            max_head_size: Self::DEFAULT_MAX_HEAD_SIZE,
            whole_size: Self::DEFAULT_MAX_PACKET_SIZE,
            missing: 2,
            lenient: None,
        }
    }

    /// Limits the size of a packet, in bytes with the fixed header.
    ///
    /// A larger packet is rejected as soon as its length is known.
    #[must_use]
    pub const fn max_packet_size(mut self, bytes: u32) -> Self {
        self.set_max_packet_size(bytes);
        self
    }

    /// Begins a new network connection of a client.
    pub(crate) fn restart(&mut self, version: Version, max_packet_size: u32) {
        self.reset();
        self.expected = self.expected.of(version);
        self.set_max_packet_size(max_packet_size);
    }

    pub(crate) const fn set_max_packet_size(&mut self, bytes: u32) {
        self.max_packet_size = bytes;
        self.settle_whole_size();
    }

    /// Limits the size of CONNECT on a [`server`](Self::server), as
    /// [`max_packet_size`](Self::max_packet_size) does for the packets behind it.
    #[must_use]
    pub const fn max_connect_size(mut self, bytes: u32) -> Self {
        self.max_connect_size = bytes;
        self
    }

    /// The version, or `None` on a server before CONNECT.
    pub const fn version(&self) -> Option<Version> {
        self.expected.version
    }

    /// The number of bytes that the next packet still needs, at least; exact once its fixed header
    /// is known.
    pub const fn missing(&self) -> usize {
        self.missing as usize
    }

    /// Returns whether the packet boundary is lost: every call returns the same error until
    /// [`reset`](Self::reset).
    pub const fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }

    /// Discards a packet that has begun, and an error: the next byte is the first of a packet. The
    /// version is kept.
    pub const fn reset(&mut self) {
        self.state = match self.lenient {
            None => State::Start,
            Some(_) => State::LenientStart,
        };
        self.missing = 2;
    }

    /// Takes a packet from the front of `input`, borrowed.
    ///
    /// # Errors
    ///
    /// If the bytes in front are no packet that the sender may send.
    /// [`has_failed`](Self::has_failed) returns whether more packets can be decoded. If the rule is
    /// let go, [`take_mended`](Self::take_mended) has the packet.
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
        self.forget_mended();
        let skipped = self.skip(input.len());
        *input = input.get(skipped..).unwrap_or_default();
        let Some(header) = self.header(input)? else {
            return Ok(None);
        };
        let (frame, rest) = header.split(input).unwrap_or_default();
        *input = rest;
        let parsed = match self.context(header, frame) {
            Ok(ctx) => Packet::parse(ctx, header, frame),
            Err(error) => Err(error),
        };
        parsed.map_err(|error| self.keep_mended(error, header, frame))
    }

    /// Takes a packet from the front of `input`. All its fields share the allocation of `input`,
    /// and keep all of it alive.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn decode_shared(&mut self, input: &mut BytesMut) -> Result<Option<Packet>, DecodeError> {
        let Some((ctx, header, frame, _)) = self.whole(input) else {
            return self.decode_shared_slowly(input);
        };
        if let Some(id) = short_ack(header.packet, header.body(frame)) {
            // The packet is made last, where the caller wants it.
            input.advance(header.packet_len());
            return Ok(Packet::ack(header.packet, id));
        }
        let bytes = input.split_to(header.packet_len()).freeze();
        Packet::parse_shared(ctx, header, bytes)
    }

    #[inline(never)]
    fn decode_shared_slowly(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<Packet>, DecodeError> {
        let Some((header, bytes)) = self.split_slowly(input)? else {
            return Ok(None);
        };
        let parsed = match self.context(header, &bytes) {
            Ok(ctx) => Packet::parse(ctx, header, &bytes),
            Err(error) => Err(error),
        };
        match parsed {
            Ok(packet) => Ok(packet.map(|packet| packet.map(|&field| bytes.slice_ref(field)))),
            Err(error) => self.recover(error, header, &bytes).map(Some),
        }
    }

    /// Takes a packet and its header from the front of `input`.
    pub(super) fn split_slowly(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<(Header, Bytes)>, DecodeError> {
        let skipped = self.skip(input.len());
        input.advance(skipped);
        let header = self.header(input)?;
        Ok(header.map(|header| (header, input.split_to(header.packet_len()).freeze())))
    }

    /// The next packet, if it is of the common form: complete, allowed, with a fixed header of two
    /// or three bytes, and not the first one on a server.
    #[inline]
    pub(super) fn whole<'a>(
        &self,
        input: &'a [u8],
    ) -> Option<(Context, Header, &'a [u8], &'a [u8])> {
        let (true, State::Start, Some(version)) = (QUICK, &self.state, self.expected.version)
        else {
            return None;
        };
        let header = Header::parse_short(&self.expected, input)?;
        if header.packet_len() > self.whole_size as usize {
            return None;
        }
        let (frame, rest) = header.split(input)?;
        let sender = self.expected.sender;
        Some((Context { version, sender }, header, frame, rest))
    }

    pub(super) fn context(&mut self, header: Header, frame: &[u8]) -> Result<Context, DecodeError> {
        let version = match self.expected.version {
            Some(version) => version,
            None => self.find_version(header, frame)?,
        };
        let sender = self.expected.sender;
        Ok(Context { version, sender })
    }

    /// The version of CONNECT, which is kept once a CONNECT was well formed.
    #[cold]
    fn find_version(&mut self, header: Header, frame: &[u8]) -> Result<Version, DecodeError> {
        let body = header.body(frame);
        let fault = match connect::protocol_level(body) {
            Ok((rest, level)) => match Version::from_level(level) {
                // Its length was read by the rule of the laxer version.
                Some(Version::V5) if !header.is_shortest() && !self.expected.padded => {
                    let at = frame.get(1..).unwrap_or_default();
                    let kind = DecodeErrorKind::VarIntNotMinimal;
                    Fault::new(at, kind, Field::RemainingLength)
                }
                Some(version) => {
                    let sender = self.expected.sender;
                    Packet::parse(Context { version, sender }, header, frame)?;
                    self.expected = self.expected.of(version);
                    self.note_length(header);
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
        Err(self.expected.error(fault.kind, fault.field, packet, at))
    }

    /// The fixed header of a complete packet. No byte is looked at twice.
    pub(super) fn header(&mut self, input: &[u8]) -> Result<Option<Header>, DecodeError> {
        loop {
            self.state = match self.state {
                State::Failed(error) => return Err(error),
                State::Skip(_) | State::Head(_) | State::Payload(_) => return Ok(None),
                State::TooLarge(header) => {
                    return self.pass(header, input).map_or(Ok(None), Err);
                }
                State::Body(header) => {
                    let missing = header.packet_len().saturating_sub(input.len());
                    if missing == 0 {
                        self.reset();
                        return Ok(Some(header));
                    }
                    self.need(missing);
                    return Ok(None);
                }
                State::Start | State::LenientStart => {
                    let Some(&first) = input.first() else {
                        return Ok(None);
                    };
                    self.missing = 1;
                    match PartialHeader::new(&self.expected, first) {
                        Ok(partial) => State::Header(partial),
                        Err(error) => State::Header(self.let_header_go(error)?),
                    }
                }
                State::Header(mut partial) => {
                    let Some(&byte) = input.get(partial.len()) else {
                        return Ok(None);
                    };
                    let header = partial.push(&self.expected, byte);
                    match header.map_err(|error| self.fail(error))? {
                        None => State::Header(partial),
                        Some(header) => {
                            self.note_length(header);
                            self.check_size(header)?
                        }
                    }
                }
            };
        }
    }

    /// Reports a length that is padded, although the version does not allow that.
    fn note_length(&mut self, header: Header) {
        if self.expected.version == Some(Version::V5) && !header.is_shortest() {
            self.note(Rule::ShortestLength);
        }
    }

    /// Notes how many bytes are missing, which are at most those of the largest packet.
    pub(super) fn need(&mut self, bytes: usize) {
        self.missing = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    #[cold]
    pub(super) const fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.state = State::Failed(error);
        error
    }
}
