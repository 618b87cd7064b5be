use bytes::{BufMut, Bytes};

use super::Context;
use super::body::{self, Body, FixedHeader};
use super::fields::packet;
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
    /// The reason; [`ReasonCode::Success`] is a normal disconnection.
    pub reason: ReasonCode,
    /// The properties; always empty in 3.1.1.
    pub properties: DisconnectProperties<B>,
}

packet! { Disconnect is Disconnect {
    #[serde(default = "crate::packet::fields::success")] copy reason: ReasonCode,
    #[serde(default)] map properties: DisconnectProperties,
}}

impl Disconnect {
    /// Makes a DISCONNECT with this reason, without properties.
    pub const fn new(reason: ReasonCode) -> Self {
        Self::with_properties(reason, Properties::none())
    }
}

impl<B> Disconnect<B> {
    /// Makes a DISCONNECT with these properties, which may be in a buffer of the caller's.
    pub const fn with_properties(reason: ReasonCode, properties: DisconnectProperties<B>) -> Self {
        Self { reason, properties }
    }
}

impl<'a> Disconnect<&'a [u8]> {
    pub(super) fn parse(ctx: Context, body: &'a [u8]) -> Result<Self, Fault<'a>> {
        let mut disconnect = Self {
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        };
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

impl<B: AsRef<[u8]>> Body for Disconnect<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        body::tail_len(
            PacketType::Disconnect,
            self.reason,
            &self.properties,
            version,
        )
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        header.put(out);
        body::put_tail(self.reason, &self.properties, version, out);
    }
}
