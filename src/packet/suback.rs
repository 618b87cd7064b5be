use core::fmt;

use bytes::{BufMut, Bytes};

use super::Context;
use super::encode::{self, Body, FixedHeader};
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::property::{AckProperties, Properties};
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::wire;

/// SUBACK or UNSUBACK: the answer to SUBSCRIBE or UNSUBSCRIBE (sections 3.9 and 3.11).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct SubAck<B = Bytes> {
    /// What this answers to.
    pub packet_id: PacketId,
    /// An explanation and user properties; always empty in 3.1.1.
    pub properties: AckProperties<B>,
    /// One code for each topic filter, in order. None at all in UNSUBACK of 3.1.1.
    pub reasons: ReasonCodes<B>,
}

impl<B: Default> SubAck<B> {
    /// Answers with these codes, without properties.
    pub fn new(packet_id: PacketId, reasons: ReasonCodes<B>) -> Self {
        Self {
            packet_id,
            properties: Properties::default(),
            reasons,
        }
    }
}

impl<'a> SubAck<&'a [u8]> {
    pub(super) fn parse(
        ctx: Context,
        packet: PacketType,
        body: &'a [u8],
    ) -> Result<Self, Fault<'a>> {
        let (rest, packet_id) = wire::packet_id(body)?;
        let (rest, properties) = ctx.properties(rest)?;
        if (ctx.version, packet) == (Version::V311, PacketType::UnsubAck) {
            wire::end(rest)?;
        } else if rest.is_empty() {
            let kind = DecodeErrorKind::EmptyList;
            return Err(Fault::new(rest, kind, Field::ReasonCode));
        }
        let mut unread = rest;
        while !unread.is_empty() {
            (unread, _) = ctx.reason_code(packet, unread)?;
        }
        Ok(Self {
            packet_id,
            properties,
            reasons: ReasonCodes(rest),
        })
    }
}

impl<B> SubAck<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> SubAck<C> {
        SubAck {
            packet_id: self.packet_id,
            properties: self.properties.map(&f),
            reasons: ReasonCodes(f(&self.reasons.0)),
        }
    }
}

impl<B: AsRef<[u8]>> SubAck<B> {
    /// The same packet, borrowed.
    pub fn as_borrowed(&self) -> SubAck<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// The same packet in buffers of its own.
    pub fn to_owned(&self) -> SubAck {
        self.map(|field| Bytes::copy_from_slice(field.as_ref()))
    }
}

/// A [`SubAck`] as the packet it is.
pub(super) struct SubAcked<'a, B>(pub(super) PacketType, pub(super) &'a SubAck<B>);

impl<B: AsRef<[u8]>> Body for SubAcked<'_, B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let Self(packet, suback) = *self;
        let reasons = suback.reasons.0.as_ref().len();
        match ((version, packet), reasons) {
            ((Version::V311, PacketType::UnsubAck), 0) => {}
            ((Version::V311, PacketType::UnsubAck), _) => {
                let what = "a reason code in UNSUBACK";
                return Err(EncodeError::NotInVersion { what, version });
            }
            (_, 0) => return Err(EncodeError::EmptyList),
            _ => suback
                .reasons
                .iter()
                .try_for_each(|reason| encode::check_code(packet, reason, version))?,
        }
        Ok(2 + suback.properties.encoded_len(version)? + reasons)
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        let Self(_, suback) = self;
        header.put_with(suback.packet_id.get(), out);
        suback.properties.put(version, out);
        out.put_slice(suback.reasons.0.as_ref());
    }
}

/// The reason codes of a SUBACK or UNSUBACK in wire form, which both versions share.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct ReasonCodes<B = Bytes>(B);

impl ReasonCodes {
    /// Collects codes. Which of them a packet may carry is checked when it is encoded.
    pub fn new(reasons: impl IntoIterator<Item = ReasonCode>) -> Self {
        Self(reasons.into_iter().map(ReasonCode::to_u8).collect())
    }
}

impl<B: AsRef<[u8]>> ReasonCodes<B> {
    /// The codes in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReasonCode> + Clone + use<'_, B> {
        let checked = |&code: &u8| ReasonCode::from_u8(code).expect("checked when made");
        self.0.as_ref().iter().map(checked)
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for SubAck<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubAck")
            .field("packet_id", &self.packet_id)
            .field("properties", &self.properties)
            .field("reasons", &self.reasons)
            .finish()
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for ReasonCodes<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
