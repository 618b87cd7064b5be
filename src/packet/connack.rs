use core::fmt;

use bytes::{BufMut, Bytes};

use super::encode::{self, Body, FixedHeader};
use super::{Context, Packet};
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
    /// Whether the server has state of an earlier connection; never with a refusal.
    pub session_present: bool,
    /// Whether the connection is accepted. In 3.1.1 one of the six codes that
    /// [`ReasonCode::to_v311`] knows.
    pub reason: ReasonCode,
    /// The properties; always empty in 3.1.1.
    pub properties: ConnAckProperties<B>,
}

impl<'a> ConnAck<&'a [u8]> {
    /// An answer without a session and properties.
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            session_present: false,
            reason,
            properties: Properties::EMPTY,
        }
    }

    pub(super) fn parse(ctx: Context, body: &'a [u8]) -> Result<Self, Fault<'a>> {
        let (rest, flags) = wire::u8(body, Field::ConnackFlags)?;
        if flags > 1 {
            let kind = DecodeErrorKind::ReservedConnackFlags(flags);
            return Err(Fault::new(body, kind, Field::ConnackFlags));
        }
        let (mut rest, reason) = ctx.reason_code(PacketType::ConnAck, rest)?;
        let mut connack = Self::new(reason);
        connack.session_present = flags == 1;
        if connack.session_present && reason != ReasonCode::Success {
            let kind = DecodeErrorKind::SessionPresentWithError;
            return Err(Fault::new(body, kind, Field::ConnackFlags));
        }
        if ctx.version == Version::V5 {
            (rest, (connack.properties, _)) = Properties::parse(rest)?;
        }
        wire::end(rest)?;
        Ok(connack)
    }
}

impl<B> ConnAck<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> ConnAck<C> {
        ConnAck {
            session_present: self.session_present,
            reason: self.reason,
            properties: self.properties.map(f),
        }
    }
}

impl<B: AsRef<[u8]>> ConnAck<B> {
    /// The same packet, borrowed.
    pub fn as_borrowed(&self) -> ConnAck<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// The same packet in buffers of its own.
    pub fn to_owned(&self) -> ConnAck {
        self.map(|field| Bytes::copy_from_slice(field.as_ref()))
    }
}

impl<B: AsRef<[u8]>> Body for ConnAck<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.session_present && self.reason != ReasonCode::Success {
            return Err(EncodeError::SessionPresentWithError);
        }
        encode::check_code(PacketType::ConnAck, self.reason, version)?;
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

impl<B> From<ConnAck<B>> for Packet<B> {
    fn from(connack: ConnAck<B>) -> Self {
        Self::ConnAck(connack)
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for ConnAck<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnAck")
            .field("session_present", &self.session_present)
            .field("reason", &self.reason)
            .field("properties", &self.properties)
            .finish()
    }
}
