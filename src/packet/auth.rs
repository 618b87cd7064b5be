use core::fmt;

use bytes::{BufMut, Bytes};

use super::encode::{self, Body, FixedHeader};
use super::{Context, Packet};
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field};
use crate::packet_type::PacketType;
use crate::property::{AuthProperties, Properties, PropertyId};
use crate::reason::ReasonCode;
use crate::text::Text;
use crate::version::Version;
use crate::wire;

/// AUTH: a step of an enhanced authentication (section 3.15). 3.1.1 has none.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct Auth<B = Bytes> {
    /// Success, Continue authentication or Re-authenticate.
    pub reason: ReasonCode,
    /// The properties, of which the authentication method must be there.
    pub properties: AuthProperties<B>,
}

impl Auth {
    /// A step of this authentication method, without data.
    pub fn new(reason: ReasonCode, method: Text<&[u8]>) -> Self {
        let properties = AuthProperties::builder().authentication_method(method);
        Self {
            reason,
            properties: properties.build(),
        }
    }
}

impl<'a> Auth<&'a [u8]> {
    /// A remaining length of 0 is Success without properties, and so without the method that
    /// section 3.15.2.2.2 asks for; a remaining length of 1 has no property length, which only
    /// DISCONNECT may leave out. No valid AUTH has a short form.
    pub(super) fn parse(ctx: Context, body: &'a [u8]) -> Result<Self, Fault<'a>> {
        let missing = |at| {
            let field = Field::Property(PropertyId::AuthenticationMethod);
            Fault::new(at, DecodeErrorKind::MissingAuthenticationMethod, field)
        };
        if body.is_empty() {
            return Err(missing(body));
        }
        let (rest, reason) = ctx.reason_code(PacketType::Auth, body)?;
        let (end, (properties, seen)) = Properties::parse(rest)?;
        wire::end(end)?;
        if !seen.contains(PropertyId::AuthenticationMethod) {
            return Err(missing(rest));
        }
        Ok(Self { reason, properties })
    }
}

impl<B> Auth<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> Auth<C> {
        Auth {
            reason: self.reason,
            properties: self.properties.map(f),
        }
    }
}

impl<B: AsRef<[u8]>> Auth<B> {
    /// The same packet, borrowed.
    pub fn as_borrowed(&self) -> Auth<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// The same packet in buffers of its own.
    pub fn to_owned(&self) -> Auth {
        self.map(|field| Bytes::copy_from_slice(field.as_ref()))
    }
}

impl<B: AsRef<[u8]>> Body for Auth<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if version == Version::V311 {
            let what = "AUTH";
            return Err(EncodeError::NotInVersion { what, version });
        }
        if self.properties.authentication_method().is_none() {
            return Err(EncodeError::MissingAuthenticationMethod);
        }
        encode::tail_len(PacketType::Auth, self.reason, &self.properties, version)
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        header.put(out);
        encode::put_tail(self.reason, &self.properties, version, out);
    }
}

impl<B> From<Auth<B>> for Packet<B> {
    fn from(auth: Auth<B>) -> Self {
        Self::Auth(auth)
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Auth<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("reason", &self.reason)
            .field("properties", &self.properties)
            .finish()
    }
}
