use core::fmt;
use core::iter::FusedIterator;
use core::slice;

use bytes::{BufMut, Bytes};

use super::Context;
use super::body::{self, Body, FixedHeader};
use super::fields::packet;
use crate::block::Buffer;
use crate::block::sealed::Storage as _;
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field, OnlyInV5};
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
    /// The identifier of the packet that this answers.
    pub packet_id: PacketId,
    /// An explanation and user properties; always empty in 3.1.1.
    pub properties: AckProperties<B>,
    /// One code for each topic filter, in order; UNSUBACK of 3.1.1 has none.
    pub reasons: ReasonCodes<B>,
}

packet! { SubAck either SubAck or UnsubAck {
    copy packet_id: PacketId,
    #[serde(default)] map properties: AckProperties,
    map reasons: ReasonCodes,
}}

impl<B: Default> SubAck<B> {
    /// Makes an answer with these codes, without properties.
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

/// A [`SubAck`] as the packet it is.
pub(super) struct SubAcked<'a, B>(pub(super) PacketType, pub(super) &'a SubAck<B>);

impl<B: AsRef<[u8]>> Body for SubAcked<'_, B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let Self(packet, suback) = *self;
        let reasons = suback.reasons.0.as_ref().len();
        match ((version, packet), reasons) {
            ((Version::V311, PacketType::UnsubAck), 0) => {}
            ((Version::V311, PacketType::UnsubAck), _) => {
                let what = OnlyInV5::UnsubAckCode;
                return Err(EncodeError::NotInVersion { what, version });
            }
            (_, 0) => return Err(EncodeError::EmptyList),
            _ => suback
                .reasons
                .iter()
                .try_for_each(|reason| body::check_code(packet, reason, version))?,
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
    /// Collects codes. Encoding checks which of them the packet may carry.
    pub fn new(reasons: impl IntoIterator<Item = ReasonCode>) -> Self {
        Self(reasons.into_iter().map(ReasonCode::to_u8).collect())
    }
}

impl<'a> ReasonCodes<&'a [u8]> {
    /// Collects codes as [`new`](ReasonCodes::new) does, in a buffer of the caller's: a byte each.
    ///
    /// # Errors
    ///
    /// [`EncodeError::BufferTooSmall`].
    pub fn new_in(
        buffer: &'a mut [u8],
        reasons: impl IntoIterator<Item = ReasonCode>,
    ) -> Result<Self, EncodeError> {
        let mut block = Buffer::new(buffer);
        for reason in reasons {
            block.append(1, |out| out.put_u8(reason.to_u8()));
        }
        block.finish().map(Self)
    }
}

impl<B> ReasonCodes<B> {
    fn map<'a, C>(&'a self, f: impl FnOnce(&'a B) -> C) -> ReasonCodes<C> {
        ReasonCodes(f(&self.0))
    }
}

impl<B: AsRef<[u8]>> ReasonCodes<B> {
    /// Iterates over the codes in order.
    pub fn iter(&self) -> ReasonCodeIter<'_> {
        ReasonCodeIter(self.0.as_ref().iter())
    }
}

impl FromIterator<ReasonCode> for ReasonCodes {
    fn from_iter<I: IntoIterator<Item = ReasonCode>>(reasons: I) -> Self {
        Self::new(reasons)
    }
}

impl<'a, B: AsRef<[u8]>> IntoIterator for &'a ReasonCodes<B> {
    type Item = ReasonCode;
    type IntoIter = ReasonCodeIter<'a>;

    fn into_iter(self) -> ReasonCodeIter<'a> {
        self.iter()
    }
}

/// Iterator over [`ReasonCodes`].
#[derive(Clone, Debug)]
pub struct ReasonCodeIter<'a>(slice::Iter<'a, u8>);

impl Iterator for ReasonCodeIter<'_> {
    type Item = ReasonCode;

    fn next(&mut self) -> Option<ReasonCode> {
        let &code = self.0.next()?;
        Some(ReasonCode::from_u8(code).expect("checked when the codes were read"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for ReasonCodeIter<'_> {}

impl FusedIterator for ReasonCodeIter<'_> {}

impl<B: AsRef<[u8]>> fmt::Debug for ReasonCodes<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
