use bytes::{BufMut, Bytes};

use super::Context;
use super::body::{self, Body, FixedHeader};
use super::fields::packet;
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field};
use crate::packet_type::PacketType;
use crate::property::{ConnAckProperties, Properties};
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::wire;

/// CONNACK: the answer to CONNECT (section 3.2).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct ConnAck<B = Bytes> {
    /// Session Present: true if the server has state of an earlier connection, and false in a
    /// refusal.
    pub session_present: bool,
    /// The outcome of CONNECT. In 3.1.1 it is one of the six codes that
    /// [`ReasonCode::to_v311`] knows.
    pub reason: ReasonCode,
    /// The properties; always empty in 3.1.1.
    pub properties: ConnAckProperties<B>,
}

packet! { ConnAck is ConnAck {
    #[serde(default)] copy session_present: bool,
    #[serde(default = "crate::packet::fields::success")] copy reason: ReasonCode,
    #[serde(default)] map properties: ConnAckProperties,
}}

impl ConnAck {
    /// Makes an answer with this code, without a session and properties.
    pub const fn new(reason: ReasonCode) -> Self {
        Self::with_properties(reason, Properties::none())
    }
}

impl<B> ConnAck<B> {
    /// Makes an answer without a session, with these properties, which may be in a buffer of the
    /// caller's.
    pub const fn with_properties(reason: ReasonCode, properties: ConnAckProperties<B>) -> Self {
        Self {
            session_present: false,
            reason,
            properties,
        }
    }
}

impl<'a> ConnAck<&'a [u8]> {
    pub(super) fn parse(ctx: Context, body: &'a [u8]) -> Result<Self, Fault<'a>> {
        let (rest, flags) = wire::u8(body, Field::ConnAckFlags)?;
        if flags > 1 {
            let kind = DecodeErrorKind::ReservedConnAckFlags(flags);
            return Err(Fault::new(body, kind, Field::ConnAckFlags));
        }
        let (rest, reason) = ctx.reason_code(PacketType::ConnAck, rest)?;
        let session_present = flags == 1;
        if session_present && reason != ReasonCode::Success {
            let kind = DecodeErrorKind::SessionPresentWithError;
            return Err(Fault::new(body, kind, Field::ConnAckFlags));
        }
        let (end, properties) = ctx.properties(rest)?;
        wire::end(end)?;
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }
}

impl<B: AsRef<[u8]>> Body for ConnAck<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.session_present && self.reason != ReasonCode::Success {
            return Err(EncodeError::SessionPresentWithError);
        }
        body::check_code(PacketType::ConnAck, self.reason, version)?;
        Ok(2 + self.properties.encoded_len(version)?)
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        let code = match version {
            Version::V311 => self.reason.to_v311(PacketType::ConnAck),
            Version::V5 => None,
        };
        let code = code.unwrap_or(self.reason as u8);
        let flags = u8::from(self.session_present);
        header.put_with(u16::from_be_bytes([flags, code]), out);
        self.properties.put(version, out);
    }
}
