//! Packets that break a rule that is let go.
//!
//! The parsers know nothing of it: a copy of the packet is changed until they accept it, so that a
//! packet that breaks a rule never makes a value that breaks one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::decoder::{FrameDecoder, State};
use crate::error::{DecodeError, DecodeErrorKind, Field};
use crate::header::{Header, PartialHeader};
use crate::packet::{ConnAck, Disconnect, Packet, connect};
use crate::packet_type::PacketType;
use crate::reason::ReasonCode;
use crate::rules::{Rule, Rules};
use crate::side::Side;
use crate::varint::VarInt;
use crate::version::Version;

pub(super) type Mend =
    fn(&mut FrameDecoder, DecodeError, Header, &[u8]) -> Result<Packet, DecodeError>;

#[derive(Clone, Debug)]
pub(super) struct Lenient {
    rules: Rules,
    /// Makes a packet of bytes that break a rule that is let go.
    mend: Mend,
    /// The same for [`mended`](Self::mended).
    keep_mended: fn(&mut FrameDecoder, DecodeError, Header, &[u8]) -> DecodeError,
    /// Drops that packet.
    forget: fn(&mut FrameDecoder),
    /// Begins a packet whose first byte is not expected.
    begin: fn(&mut FrameDecoder, DecodeError) -> Option<PartialHeader>,
    /// Passes over a packet that is too large, once its delivery is known.
    pub(super) pass: fn(&mut FrameDecoder, Header, &[u8]) -> Option<DecodeError>,
    /// The rules that were let go since the last poll, one bit each.
    let_go: u32,
    /// The packet for which the last call of `decode` returned an error that was let go.
    mended: Option<Packet>,
}

/// Makes a packet of `frame`, which breaks a rule, if that rule is let go, and each that shows when
/// it is mended. No rule is mended twice, so that this ends.
pub(super) fn mend(
    decoder: &mut FrameDecoder,
    error: DecodeError,
    header: Header,
    frame: &[u8],
) -> Result<Packet, DecodeError> {
    let mut copy = Copy::new(header, frame);
    let (mut error, mut mended) = (error, Rules::STRICT);
    loop {
        let Some(rule) = error.rule() else {
            return Err(error);
        };
        if !decoder.get_rules().lets_go(rule) || mended.lets_go(rule) {
            return Err(error);
        }
        mended = mended.without(rule);
        if matches!(rule, Rule::ZeroPacketId | Rule::PublishText) {
            mended.iter().for_each(|rule| decoder.note(rule));
            let delivery = match header.packet {
                PacketType::Publish => decoder.read_delivery(header, frame).ok().flatten(),
                _ => None,
            };
            return Err(error.skipped(delivery));
        }
        let packet = match copy.mend(rule, error, header.len()) {
            Some(Mended::Packet(packet)) => Ok(*packet),
            Some(Mended::Bytes) => copy.parse(decoder),
            None => return Err(error),
        };
        match packet {
            Ok(packet) => {
                mended.iter().for_each(|rule| decoder.note(rule));
                return Ok(copy.finish(packet));
            }
            // The copy may have a shorter header.
            Err(next) => error = next.with_header(copy.header.len(), header.len()),
        }
    }
}

fn keep_mended(
    decoder: &mut FrameDecoder,
    error: DecodeError,
    header: Header,
    frame: &[u8],
) -> DecodeError {
    let (packet, error) = match decoder.recover(error, header, frame) {
        Ok(packet) => (Some(packet), error),
        Err(error) => (None, error),
    };
    decoder.keep(packet);
    error
}

fn begin(decoder: &mut FrameDecoder, error: DecodeError) -> Option<PartialHeader> {
    let (rule, packet) = error.rule().zip(error.packet())?;
    decoder.get_rules().lets_go(rule).then(|| {
        decoder.note(rule);
        PartialHeader::let_go(packet)
    })
}

impl FrameDecoder {
    /// Lets rules go: see [`Rules`].
    ///
    /// The part that breaks such a rule is removed from a copy of the packet, which then obeys all
    /// rules. A packet that cannot be represented is skipped: the decoder returns an error that
    /// [says so](DecodeError::is_skipped), with the delivery by which the packet can be
    /// acknowledged, and continues with the next packet. One that is too large is removed as its
    /// bytes arrive.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.set_rules(rules);
        self
    }

    pub(crate) fn set_rules(&mut self, rules: Rules) {
        self.expected.padded = rules.lets_go(Rule::ShortestLength);
        self.lenient = Some(Box::new(Lenient {
            rules,
            mend,
            keep_mended,
            forget: |decoder| decoder.keep(None),
            begin,
            pass: Self::pass_over,
            let_go: 0,
            mended: None,
        }));
        if matches!(self.state, State::Start) {
            self.state = State::LenientStart;
        }
    }

    /// The next of the rules that packets broke and that were let go, each reported once, if any.
    pub fn poll_let_go(&mut self) -> Option<Rule> {
        let lenient = self.lenient.as_mut()?;
        let &rule = Rule::ALL.get(lenient.let_go.trailing_zeros() as usize)?;
        lenient.let_go &= !rule.bit();
        Some(rule)
    }

    /// Reports that a rule was let go.
    pub(crate) fn note(&mut self, rule: Rule) {
        if let Some(lenient) = &mut self.lenient {
            lenient.let_go |= rule.bit();
        }
    }

    pub(crate) fn get_rules(&self) -> Rules {
        let lenient = self.lenient.as_ref();
        lenient.map_or(Rules::STRICT, |lenient| lenient.rules)
    }

    /// Takes the packet for which the last call of [`decode`](Self::decode) returned an error whose
    /// rule is let go. It is not borrowed, as it differs from its bytes. `None` if that packet was
    /// skipped or there was none.
    pub fn take_mended(&mut self) -> Option<Packet> {
        self.lenient.as_mut()?.mended.take()
    }

    /// The packet that was [mended](Self::take_mended).
    pub(crate) fn mended(&self) -> Option<&Packet> {
        self.lenient.as_ref()?.mended.as_ref()
    }

    /// Keeps a packet for [`mended`](Self::mended).
    pub(crate) fn keep(&mut self, packet: Option<Packet>) {
        if let Some(lenient) = &mut self.lenient {
            lenient.mended = packet;
        }
    }

    /// Keeps the packet that is left of `frame` without what is let go.
    #[cold]
    pub(super) fn keep_mended(
        &mut self,
        error: DecodeError,
        header: Header,
        frame: &[u8],
    ) -> DecodeError {
        match self.lenient.as_ref().map(|lenient| lenient.keep_mended) {
            Some(keep_mended) => keep_mended(self, error, header, frame),
            None => self.lose(error),
        }
    }

    /// Forgets the packet that was mended.
    pub(super) fn forget_mended(&mut self) {
        if let Some(forget) = self.lenient.as_ref().map(|lenient| lenient.forget) {
            forget(self);
        }
    }

    /// Makes a packet of `frame`, which breaks a rule, if that is let go.
    #[cold]
    pub(super) fn recover(
        &mut self,
        error: DecodeError,
        header: Header,
        frame: &[u8],
    ) -> Result<Packet, DecodeError> {
        let mend = self.lenient.as_ref().map(|lenient| lenient.mend);
        let recovered = mend.map_or(Err(error), |mend| mend(self, error, header, frame));
        recovered.map_err(|error| self.lose(error))
    }

    /// Fails if nobody knows what follows a packet.
    fn lose(&mut self, error: DecodeError) -> DecodeError {
        match (self.expected.version, error.field()) {
            (None, Field::ProtocolName | Field::ProtocolLevel | Field::RemainingLength) => {
                self.fail(error)
            }
            _ => error,
        }
    }

    /// The header that a first byte begins that is not expected, if its rule is let go.
    #[cold]
    pub(super) fn let_header_go(
        &mut self,
        error: DecodeError,
    ) -> Result<PartialHeader, DecodeError> {
        let begin = self.lenient.as_ref().map(|lenient| lenient.begin);
        let begun = begin.and_then(|begin| begin(self, error));
        begun.ok_or_else(|| self.fail(error))
    }
}

/// A packet that is being mended.
struct Copy {
    header: Header,
    /// The bytes behind the fixed header.
    body: Vec<u8>,
    v31: bool,
    bridge: bool,
}

enum Mended {
    /// The copy was changed.
    Bytes,
    /// The version of the packet has no bytes for its meaning.
    Packet(Box<Packet>),
}

impl Copy {
    fn new(header: Header, frame: &[u8]) -> Self {
        Self {
            header,
            body: header.body(frame).to_vec(),
            v31: false,
            bridge: false,
        }
    }

    /// Parses the copy as it is now.
    fn parse(&mut self, decoder: &mut FrameDecoder) -> Result<Packet, DecodeError> {
        let (header, bytes) = self.header.with_body(&self.body);
        self.header = header;
        let bytes = Bytes::from(bytes);
        let ctx = decoder.context(header, &bytes)?;
        match Packet::parse_shared(ctx, header, bytes)? {
            Some(packet) => Ok(packet),
            None => Err(DecodeError::new(
                DecodeErrorKind::Truncated,
                Field::Packet,
                Some(header.packet),
                ctx.version,
                ctx.sender,
                0,
            )),
        }
    }

    /// Adds what the bytes do not say any more.
    fn finish(&self, packet: Packet) -> Packet {
        match packet {
            Packet::Connect(mut connect) => {
                (connect.v31, connect.bridge) = (self.v31, self.bridge);
                Packet::Connect(connect)
            }
            packet => packet,
        }
    }

    /// Removes what breaks `rule`, or replaces it. `None` if that cannot be done.
    ///
    /// `header_len` is the length of the fixed header in front of the offset of `error`.
    fn mend(&mut self, rule: Rule, error: DecodeError, header_len: usize) -> Option<Mended> {
        let at = error.offset().checked_sub(header_len);
        let version = error.version();
        match rule {
            Rule::DupAtQoS0 => self.header.first &= !0b1000,
            Rule::ShortestLength => self.shorten(at?)?,
            Rule::TrailingBytes => self.body.truncate(at?),
            Rule::ServerDisconnect => return Some(Mended::Packet(Box::new(self.disconnect()?))),
            Rule::PayloadFormatIndicator => *self.body.get_mut(at?)? = 0,
            Rule::Mqtt31 => {
                let level = *self.body.get(connect::NAME_V31.len())?;
                self.v31 = true;
                let tail = self.body.split_off(connect::NAME_V31.len() + 1);
                self.body = [connect::NAME, &[level + 1][..], &tail].concat();
            }
            Rule::BridgeBit => {
                *self.body.get_mut(at?)? &= !connect::BRIDGE;
                self.bridge = true;
            }
            Rule::ReservedConnectFlag => *self.body.get_mut(at?)? &= !1,
            Rule::WillFlags => *self.body.get_mut(at?)? &= !0b0011_1000,
            Rule::PasswordWithoutUserName => self.add_user_name(at?)?,
            Rule::ConnAckFlags => *self.body.get_mut(at?)? &= 1,
            Rule::SessionPresentWithError => *self.body.get_mut(at?)? &= !1,
            Rule::ConnAckCode => {
                let code = ReasonCode::from_u8(*self.body.get(1)?);
                let code = code.filter(|code| {
                    code.is_error() && code.allowed_in(PacketType::ConnAck, Some(Side::Server))
                });
                let code = code.unwrap_or(ReasonCode::UnspecifiedError);
                return Some(Mended::Packet(Box::new(ConnAck::new(code).into())));
            }
            Rule::SubscriptionOptions => {
                let mask = match version {
                    Version::V311 => 0b0000_0011,
                    Version::V5 => 0b0011_1111,
                };
                self.each_option(at?, |_, options| options & mask);
            }
            Rule::NoLocalOnShared => self.each_option(at?, |shared, options| match shared {
                true => options & !0b0000_0100,
                false => options,
            }),
            _ => return None,
        }
        Some(Mended::Bytes)
    }

    /// Writes a length of properties in its shortest form.
    fn shorten(&mut self, at: usize) -> Option<()> {
        let (value, len) = VarInt::decode(Version::V311, self.body.get(at..)?).ok()??;
        let mut shortest = Vec::new();
        value.encode(&mut shortest);
        self.body.splice(at..at + len, shortest);
        Some(())
    }

    /// The DISCONNECT that a server of 3.1.1 sends as if there were one in that version, with the
    /// code of 5.0.
    fn disconnect(&self) -> Option<Packet> {
        let code = ReasonCode::from_u8(*self.body.first()?);
        let code = code.filter(|code| code.allowed_in(PacketType::Disconnect, Some(Side::Server)));
        Some(Disconnect::new(code.unwrap_or(ReasonCode::UnspecifiedError)).into())
    }

    /// Puts an empty user name in front of the password of a CONNECT of 3.1.1 whose flags are at
    /// `flags`.
    fn add_user_name(&mut self, flags: usize) -> Option<()> {
        const WILL: u8 = 1 << 2;
        const USER_NAME: u8 = 1 << 7;
        let fields = match self.body.get(flags)? & WILL {
            0 => 1,
            _ => 3,
        };
        // Behind the flags and the keep alive.
        let mut at = flags + 3;
        for _ in 0..fields {
            at = self.behind_text(at)?;
        }
        self.body.splice(at..at, [0, 0]);
        *self.body.get_mut(flags)? |= USER_NAME;
        Some(())
    }

    /// The position behind the text, or binary data, at `at`.
    fn behind_text(&self, at: usize) -> Option<usize> {
        let len = self.body.get(at..)?.first_chunk()?;
        let end = at + 2 + usize::from(u16::from_be_bytes(*len));
        (end <= self.body.len()).then_some(end)
    }

    /// Changes the options at `at`, which are those of a shared subscription, and all behind them.
    fn each_option(&mut self, at: usize, change: impl Fn(bool, u8) -> u8) {
        let (mut at, mut shared) = (at, true);
        while let Some(options) = self.body.get_mut(at) {
            *options = change(shared, *options);
            let filter = at + 3;
            let Some(end) = self.behind_text(at + 1) else {
                return;
            };
            shared = self
                .body
                .get(filter..end)
                .is_some_and(|f| f.starts_with(b"$share/"));
            at = end;
        }
    }
}
