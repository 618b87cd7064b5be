//! The packets of both versions: one [`Packet`], one struct for each body, borrowed (`&[u8]`) or
//! owned ([`Bytes`]).

use core::fmt;

use bytes::Bytes;

use crate::error::DecodeError;
use crate::header::Header;
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::version::Version;
use crate::wire;

// The tests stand in `tests/codec`: they use packets as callers do.
mod ack;
mod auth;
mod body;
mod connack;
pub(crate) mod connect;
mod context;
mod disconnect;
mod encode;
mod fields;
mod publish;
mod suback;
mod subscribe;
mod subscription_options;
mod unsubscribe;
mod will;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, KeepAlive};
pub(crate) use context::Context;
pub use disconnect::Disconnect;
#[cfg(feature = "serde")]
pub(crate) use fields::{Unchecked, check};
pub use publish::Publish;
pub(crate) use publish::publish_len;
pub use suback::{ReasonCodeIter, ReasonCodes, SubAck};
pub use subscribe::{
    InvalidSubscriptions, Subscribe, Subscription, SubscriptionIter, Subscriptions,
};
pub use subscription_options::{RetainHandling, SubscriptionOptions};
pub use unsubscribe::{InvalidTopicFilters, TopicFilterIter, TopicFilters, Unsubscribe};
pub use will::Will;

/// An MQTT control packet of either version.
///
/// `Packet<&[u8]>` borrows the received bytes: it is `Copy` and costs no allocation.
/// `Packet<Bytes>` shares them. The parts that 3.1.1 lacks (properties, most reason codes) are
/// empty there.
///
/// ```
/// use mqtt_sansio::packet::{Packet, Publish};
/// use mqtt_sansio::{Delivery, Version, topic::TopicName};
///
/// let topic = TopicName::new("sport/tennis")?;
/// let packet = Packet::from(Publish::new(Delivery::AtMostOnce, topic, &b"15:0"[..]));
/// let mut bytes = Vec::new();
/// packet.encode(Version::V311, &mut bytes)?;
/// assert_eq!(Packet::decode(Version::V311, &bytes), Ok(packet));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "MQTT has exactly fifteen")]
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase", bound = "B: AsRef<[u8]>")
)]
pub enum Packet<B = Bytes> {
    /// CONNECT.
    Connect(Connect<B>),
    /// CONNACK.
    ConnAck(ConnAck<B>),
    /// PUBLISH.
    Publish(Publish<B>),
    /// PUBACK: answers a QoS 1 PUBLISH.
    PubAck(Ack<B>),
    /// PUBREC: answers a QoS 2 PUBLISH.
    PubRec(Ack<B>),
    /// PUBREL: answers PUBREC.
    PubRel(Ack<B>),
    /// PUBCOMP: answers PUBREL.
    PubComp(Ack<B>),
    /// SUBSCRIBE.
    Subscribe(Subscribe<B>),
    /// SUBACK.
    SubAck(SubAck<B>),
    /// UNSUBSCRIBE.
    Unsubscribe(Unsubscribe<B>),
    /// UNSUBACK.
    UnsubAck(SubAck<B>),
    /// PINGREQ: has no body (section 3.12).
    PingReq,
    /// PINGRESP: has no body (section 3.13).
    PingResp,
    /// DISCONNECT.
    Disconnect(Disconnect<B>),
    /// AUTH.
    Auth(Auth<B>),
}

impl<'a> Packet<&'a [u8]> {
    /// Decodes one whole packet, sent by either side, of any size.
    ///
    /// For a stream of packets, and limits, see [`FrameDecoder`](crate::FrameDecoder).
    ///
    /// # Errors
    ///
    /// If `bytes` are not exactly one packet of `version`.
    pub fn decode(version: Version, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let header = Header::only(version, bytes)?;
        let packet = Self::parse(Context::either(version), header, bytes)?;
        Ok(packet.expect(PARSED))
    }

    /// Parses a whole packet whose first byte is right, but for the flags of PUBLISH.
    ///
    /// Never `Ok(None)`, but the type that [`FrameDecoder::decode`](crate::FrameDecoder::decode)
    /// returns, so that the packets of which there are many are written once, to where the caller
    /// wants them.
    #[inline]
    pub(crate) fn parse(
        ctx: Context,
        header: Header,
        frame: &'a [u8],
    ) -> Result<Option<Self>, DecodeError> {
        let body = header.body(frame);
        match header.packet {
            PacketType::Publish => Publish::parse(ctx, header, frame),
            packet => match short_ack(packet, body) {
                Some(id) => Ok(Self::ack(packet, id)),
                None => Self::parse_other(ctx, header, frame),
            },
        }
    }

    #[inline(never)]
    fn parse_other(
        ctx: Context,
        header: Header,
        frame: &'a [u8],
    ) -> Result<Option<Self>, DecodeError> {
        let packet = header.packet;
        let body = header.body(frame);
        let parsed = match packet {
            PacketType::Connect => Connect::parse(ctx, body).map(Self::Connect),
            PacketType::ConnAck => ConnAck::parse(ctx, body).map(Self::ConnAck),
            PacketType::Publish => return Publish::parse(ctx, header, frame),
            PacketType::PubAck => Ack::parse(ctx, packet, body).map(Self::PubAck),
            PacketType::PubRec => Ack::parse(ctx, packet, body).map(Self::PubRec),
            PacketType::PubRel => Ack::parse(ctx, packet, body).map(Self::PubRel),
            PacketType::PubComp => Ack::parse(ctx, packet, body).map(Self::PubComp),
            PacketType::Subscribe => Subscribe::parse(ctx, body).map(Self::Subscribe),
            PacketType::SubAck => SubAck::parse(ctx, packet, body).map(Self::SubAck),
            PacketType::Unsubscribe => Unsubscribe::parse(ctx, body).map(Self::Unsubscribe),
            PacketType::UnsubAck => SubAck::parse(ctx, packet, body).map(Self::UnsubAck),
            PacketType::PingReq => wire::end(body).map(|()| Self::PingReq),
            PacketType::PingResp => wire::end(body).map(|()| Self::PingResp),
            PacketType::Disconnect => Disconnect::parse(ctx, body).map(Self::Disconnect),
            PacketType::Auth => Auth::parse(ctx, body).map(Self::Auth),
        };
        parsed
            .map(Some)
            .map_err(|fault| ctx.error(packet, frame, fault))
    }
}

/// Reads an acknowledgement that is a packet identifier and no more: half of all packets.
#[inline]
pub(crate) fn short_ack(packet: PacketType, body: &[u8]) -> Option<PacketId> {
    let &[high, low] = body else { return None };
    match packet {
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            PacketId::new(u16::from_be_bytes([high, low]))
        }
        _ => None,
    }
}

impl<B: Default> Packet<B> {
    /// Makes an acknowledgement that was read by [`short_ack`]: nothing in it is borrowed or shared.
    #[inline]
    pub(crate) fn ack(packet: PacketType, id: PacketId) -> Option<Self> {
        Some(match packet {
            PacketType::PubAck => Self::PubAck(Ack::of(id)),
            PacketType::PubRec => Self::PubRec(Ack::of(id)),
            PacketType::PubRel => Self::PubRel(Ack::of(id)),
            PacketType::PubComp => Self::PubComp(Ack::of(id)),
            _ => return None,
        })
    }
}

impl Packet {
    /// Decodes one whole packet without copying: every field shares the allocation of `bytes`, and
    /// keeps all of it alive. [`to_owned`](Packet::to_owned) makes a packet that does not.
    ///
    /// # Errors
    ///
    /// If `bytes` are not exactly one packet of `version`.
    pub fn decode_shared(version: Version, bytes: Bytes) -> Result<Self, DecodeError> {
        let header = Header::only(version, &bytes)?;
        let packet = Self::parse_shared(Context::either(version), header, bytes)?;
        Ok(packet.expect(PARSED))
    }

    /// Parses the packet that `bytes` are, as [`parse`](Packet::parse) does.
    #[inline]
    pub(crate) fn parse_shared(
        ctx: Context,
        header: Header,
        bytes: Bytes,
    ) -> Result<Option<Self>, DecodeError> {
        if header.packet == PacketType::Publish {
            return Publish::parse_shared(ctx, header, bytes);
        }
        match Packet::parse(ctx, header, &bytes)? {
            Some(packet) => Ok(Some(packet.map(|&field| wire::share(&bytes, field)))),
            None => Ok(None),
        }
    }
}

/// The reason for which there is a packet where a parser has not failed.
const PARSED: &str = "a parser gives a packet or an error";

impl<B> Packet<B> {
    /// Returns the type of the packet.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Returns the packet identifier, which PUBLISH at QoS 0, CONNECT, CONNACK, PINGREQ, PINGRESP,
    /// DISCONNECT and AUTH lack (section 2.2.1 of 5.0).
    pub const fn packet_id(&self) -> Option<PacketId> {
        match self {
            Self::Publish(publish) => publish.packet_id(),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                Some(ack.packet_id)
            }
            Self::Subscribe(subscribe) => Some(subscribe.packet_id),
            Self::Unsubscribe(unsubscribe) => Some(unsubscribe.packet_id),
            Self::SubAck(suback) | Self::UnsubAck(suback) => Some(suback.packet_id),
            Self::Connect(_)
            | Self::ConnAck(_)
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect(_)
            | Self::Auth(_) => None,
        }
    }

    #[inline]
    pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> Packet<C> {
        match self {
            Self::Connect(packet) => Packet::Connect(packet.map(f)),
            Self::ConnAck(packet) => Packet::ConnAck(packet.map(f)),
            Self::Publish(packet) => Packet::Publish(packet.map(f)),
            Self::PubAck(packet) => Packet::PubAck(packet.map(f)),
            Self::PubRec(packet) => Packet::PubRec(packet.map(f)),
            Self::PubRel(packet) => Packet::PubRel(packet.map(f)),
            Self::PubComp(packet) => Packet::PubComp(packet.map(f)),
            Self::Subscribe(packet) => Packet::Subscribe(packet.map(f)),
            Self::SubAck(packet) => Packet::SubAck(packet.map(f)),
            Self::Unsubscribe(packet) => Packet::Unsubscribe(packet.map(f)),
            Self::UnsubAck(packet) => Packet::UnsubAck(packet.map(f)),
            Self::PingReq => Packet::PingReq,
            Self::PingResp => Packet::PingResp,
            Self::Disconnect(packet) => Packet::Disconnect(packet.map(f)),
            Self::Auth(packet) => Packet::Auth(packet.map(f)),
        }
    }
}

impl<B: AsRef<[u8]>> Packet<B> {
    /// Borrows every field.
    pub fn as_borrowed(&self) -> Packet<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// Copies every field into buffers of its own.
    pub fn to_owned(&self) -> Packet {
        self.map(|field| Bytes::copy_from_slice(field.as_ref()))
    }

    /// Makes a packet whose fields share the allocation of `bytes`, as far as they are parts of it;
    /// other fields are copied. So a packet can be decoded borrowed, and be owned only if it is to
    /// be kept.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use mqtt_sansio::{Packet, Version};
    ///
    /// let bytes = Bytes::from_static(b"\x30\x05\0\x01tHi");
    /// let borrowed = Packet::decode(Version::V311, &bytes)?;
    /// let Packet::Publish(publish) = borrowed.share(&bytes) else { return Ok(()) };
    /// assert_eq!(publish.payload.as_ptr(), bytes[5..].as_ptr());
    /// # Ok::<(), mqtt_sansio::DecodeError>(())
    /// ```
    pub fn share(&self, bytes: &Bytes) -> Packet {
        let all = bytes.as_ptr_range();
        self.map(|field| {
            let field = field.as_ref();
            let part = field.as_ptr_range();
            match all.start <= part.start && part.end <= all.end {
                true => bytes.slice_ref(field),
                false => Bytes::copy_from_slice(field),
            }
        })
    }
}

/// The packet's own name and fields.
impl<B: AsRef<[u8]>> fmt::Debug for Packet<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named = |name, body: &dyn fmt::Debug| f.debug_tuple(name).field(body).finish();
        match self {
            Self::Connect(connect) => connect.fmt(f),
            Self::ConnAck(connack) => connack.fmt(f),
            Self::Publish(publish) => publish.fmt(f),
            Self::PubAck(ack) => named("PubAck", ack),
            Self::PubRec(ack) => named("PubRec", ack),
            Self::PubRel(ack) => named("PubRel", ack),
            Self::PubComp(ack) => named("PubComp", ack),
            Self::Subscribe(subscribe) => subscribe.fmt(f),
            Self::SubAck(suback) => suback.fmt(f),
            Self::Unsubscribe(unsubscribe) => unsubscribe.fmt(f),
            Self::UnsubAck(unsuback) => named("UnsubAck", unsuback),
            Self::PingReq => f.write_str("PingReq"),
            Self::PingResp => f.write_str("PingResp"),
            Self::Disconnect(disconnect) => disconnect.fmt(f),
            Self::Auth(auth) => auth.fmt(f),
        }
    }
}
