use bytes::{BufMut, Bytes};

use super::Context;
use super::body::{self, Body, FixedHeader};
use super::fields::packet;
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field, OnlyInV5};
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
    /// The properties, which must hold the authentication method.
    pub properties: AuthProperties<B>,
}

packet! { Auth is Auth {
    #[serde(default = "crate::packet::fields::success")] copy reason: ReasonCode,
    #[serde(default)] map properties: AuthProperties,
}}

impl Auth {
    /// Makes a step of this authentication method, without data.
    pub fn new(reason: ReasonCode, method: Text<&[u8]>) -> Self {
        let properties = AuthProperties::builder().authentication_method(method);
        Self::with_properties(reason, properties.build())
    }
}

impl<B> Auth<B> {
    /// Makes a step with these properties, which may be in a buffer of the caller's. Encoding fails if
    /// they lack the method.
    pub const fn with_properties(reason: ReasonCode, properties: AuthProperties<B>) -> Self {
        Self { reason, properties }
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

impl<B: AsRef<[u8]>> Body for Auth<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if version == Version::V311 {
            let what = OnlyInV5::Auth;
            return Err(EncodeError::NotInVersion { what, version });
        }
        if self.properties.authentication_method().is_none() {
            return Err(EncodeError::MissingAuthenticationMethod);
        }
        body::tail_len(PacketType::Auth, self.reason, &self.properties, version)
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        header.put(out);
        body::put_tail(self.reason, &self.properties, version, out);
    }
}
