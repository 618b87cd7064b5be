use bytes::{BufMut, Bytes};

use super::Context;
use super::body::{self, Body, FixedHeader};
use super::fields::packet;
use crate::error::{EncodeError, Fault};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::property::{AckProperties, Properties};
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::wire;

/// PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4 to 3.7).
///
/// MQTT 3.1.1 sends only the packet identifier, which MQTT 5.0 reads as
/// [`ReasonCode::Success`] without properties: one definition serves both.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct Ack<B = Bytes> {
    /// The identifier of the packet that is acknowledged.
    pub packet_id: PacketId,
    /// The outcome.
    pub reason: ReasonCode,
    /// An explanation and user properties.
    pub properties: AckProperties<B>,
}

// PUBREC carries the codes of PUBACK, and PUBCOMP those of PUBREL.
packet! { Ack either PubAck or PubRel {
    copy packet_id: PacketId,
    #[serde(default = "crate::packet::fields::success")] copy reason: ReasonCode,
    #[serde(default)] map properties: AckProperties,
}}

impl Ack {
    /// Makes an acknowledgement of `packet_id` with success.
    pub const fn new(packet_id: PacketId) -> Self {
        Self::with_properties(packet_id, Properties::none())
    }
}

impl<B> Ack<B> {
    /// Makes an acknowledgement with success and these properties, which may be in a buffer of the
    /// caller's.
    pub const fn with_properties(packet_id: PacketId, properties: AckProperties<B>) -> Self {
        Self {
            packet_id,
            reason: ReasonCode::Success,
            properties,
        }
    }
}

impl<'a> Ack<&'a [u8]> {
    /// Parses every form but that of [`parse_short`](Ack::parse_short).
    pub(super) fn parse(
        ctx: Context,
        packet: PacketType,
        body: &'a [u8],
    ) -> Result<Self, Fault<'a>> {
        let (rest, packet_id) = wire::packet_id(body)?;
        if ctx.version == Version::V311 {
            wire::end(rest)?;
        }
        let (rest, reason) = ctx.reason_code(packet, rest)?;
        let mut properties = Properties::EMPTY;
        if !rest.is_empty() {
            let (end, (block, _)) = Properties::parse(rest)?;
            wire::end(end)?;
            properties = block;
        }
        Ok(Self {
            packet_id,
            reason,
            properties,
        })
    }
}

impl<B: Default> Ack<B> {
    #[inline]
    pub(super) fn of(packet_id: PacketId) -> Self {
        Self::with_properties(packet_id, Properties::default())
    }
}

impl<B: AsRef<[u8]>> Ack<B> {
    /// Returns whether the packet is sent as a packet identifier alone.
    #[inline]
    pub(super) fn is_short(&self) -> bool {
        self.reason == ReasonCode::Success && self.properties.is_empty()
    }
}

/// An [`Ack`] as the packet it is.
pub(super) struct Acked<'a, B>(pub(super) PacketType, pub(super) &'a Ack<B>);

impl<B: AsRef<[u8]>> Body for Acked<'_, B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let Self(packet, ack) = self;
        Ok(2 + body::tail_len(*packet, ack.reason, &ack.properties, version)?)
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        let Self(_, ack) = self;
        header.put_with(ack.packet_id.get(), out);
        body::put_tail(ack.reason, &ack.properties, version, out);
    }
}
