use core::fmt;

use bytes::{BufMut, Bytes};

use super::Context;
use super::encode::{self, Body, FixedHeader};
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
    /// The PUBLISH that is acknowledged.
    pub packet_id: PacketId,
    /// How it went.
    pub reason: ReasonCode,
    /// An explanation and user properties.
    pub properties: AckProperties<B>,
}

impl<'a> Ack<&'a [u8]> {
    /// Acknowledges `packet_id` with success.
    pub const fn new(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        }
    }

    /// Parses what [`parse_short`](Ack::parse_short) leaves.
    pub(super) fn parse(
        ctx: Context,
        packet: PacketType,
        body: &'a [u8],
    ) -> Result<Self, Fault<'a>> {
        let (rest, packet_id) = wire::packet_id(body)?;
        let mut ack = Self::new(packet_id);
        if ctx.version == Version::V311 {
            wire::end(rest)?;
        }
        let (rest, reason) = ctx.reason_code(packet, rest)?;
        ack.reason = reason;
        if !rest.is_empty() {
            let (rest, (properties, _)) = Properties::parse(rest)?;
            wire::end(rest)?;
            ack.properties = properties;
        }
        Ok(ack)
    }
}

impl<B: Default> Ack<B> {
    /// The form of nearly every acknowledgement: a packet identifier and no more.
    #[inline]
    pub(super) fn parse_short(body: &[u8]) -> Option<Self> {
        let &[high, low] = body else { return None };
        Some(Self {
            packet_id: PacketId::new(u16::from_be_bytes([high, low]))?,
            reason: ReasonCode::Success,
            properties: Properties::default(),
        })
    }
}

impl<B> Ack<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> Ack<C> {
        Ack {
            packet_id: self.packet_id,
            reason: self.reason,
            properties: self.properties.map(f),
        }
    }
}

impl<B: AsRef<[u8]>> Ack<B> {
    /// Whether the packet identifier alone says it all.
    #[inline]
    pub(super) fn is_short(&self) -> bool {
        self.reason == ReasonCode::Success && self.properties.is_empty()
    }

    /// The same packet, borrowed.
    pub fn as_borrowed(&self) -> Ack<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// The same packet in buffers of its own.
    pub fn to_owned(&self) -> Ack {
        self.map(|field| Bytes::copy_from_slice(field.as_ref()))
    }
}

/// An [`Ack`] as the packet it is.
pub(super) struct Acked<'a, B>(pub(super) PacketType, pub(super) &'a Ack<B>);

impl<B: AsRef<[u8]>> Body for Acked<'_, B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let Self(packet, ack) = self;
        Ok(2 + encode::tail_len(*packet, ack.reason, &ack.properties, version)?)
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        let Self(_, ack) = self;
        header.put_with(ack.packet_id.get(), out);
        encode::put_tail(ack.reason, &ack.properties, version, out);
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Ack<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack")
            .field("packet_id", &self.packet_id)
            .field("reason", &self.reason)
            .field("properties", &self.properties)
            .finish()
    }
}
