use core::fmt;

use bytes::{BufMut, Bytes};

use super::encode::{self, Body, FixedHeader};
use super::{Context, Packet};
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field};
use crate::packet_type::PacketType;
use crate::property::{DisconnectProperties, Properties, PropertyId};
use crate::reason::ReasonCode;
use crate::side::Side;
use crate::version::Version;
use crate::wire;

/// DISCONNECT: the last packet of a connection (section 3.14). In 3.1.1 it is empty, and only the
/// client sends it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct Disconnect<B = Bytes> {
    /// Why; [`ReasonCode::Success`] is a normal disconnection.
    pub reason: ReasonCode,
    /// The properties; always empty in 3.1.1.
    pub properties: DisconnectProperties<B>,
}

impl<'a> Disconnect<&'a [u8]> {
    /// Disconnects for this reason, without properties.
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            properties: Properties::EMPTY,
        }
    }

    pub(super) fn parse(ctx: Context, body: &'a [u8]) -> Result<Self, Fault<'a>> {
        let mut disconnect = Self::new(ReasonCode::Success);
        if body.is_empty() {
            return Ok(disconnect);
        }
        if ctx.version == Version::V311 {
            wire::end(body)?;
        }
        let (rest, reason) = ctx.reason_code(PacketType::Disconnect, body)?;
        disconnect.reason = reason;
        if rest.is_empty() {
            return Ok(disconnect);
        }
        let (end, (properties, seen)) = Properties::parse(rest)?;
        wire::end(end)?;
        for (id, sender) in [
            (PropertyId::SessionExpiryInterval, Side::Server),
            (PropertyId::ServerReference, Side::Client),
        ] {
            if ctx.sender == Some(sender) && seen.contains(id) {
                let kind = DecodeErrorKind::PropertyFromWrongSender;
                return Err(Fault::new(rest, kind, Field::Property(id)));
            }
        }
        disconnect.properties = properties;
        Ok(disconnect)
    }
}

impl<B> Disconnect<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> Disconnect<C> {
        Disconnect {
            reason: self.reason,
            properties: self.properties.map(f),
        }
    }
}

impl<B: AsRef<[u8]>> Disconnect<B> {
    /// The same packet, borrowed.
    pub fn as_borrowed(&self) -> Disconnect<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// The same packet in buffers of its own.
    pub fn to_owned(&self) -> Disconnect {
        self.map(|field| Bytes::copy_from_slice(field.as_ref()))
    }
}

impl<B: AsRef<[u8]>> Body for Disconnect<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        encode::tail_len(
            PacketType::Disconnect,
            self.reason,
            &self.properties,
            version,
        )
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        header.put(out);
        encode::put_tail(self.reason, &self.properties, version, out);
    }
}

impl<B> From<Disconnect<B>> for Packet<B> {
    fn from(disconnect: Disconnect<B>) -> Self {
        Self::Disconnect(disconnect)
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Disconnect<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disconnect")
            .field("reason", &self.reason)
            .field("properties", &self.properties)
            .finish()
    }
}
