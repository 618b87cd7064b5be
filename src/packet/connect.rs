use core::time::Duration;

use bytes::{BufMut, Bytes};

use super::body::{Body, FixedHeader};
use super::fields::packet;
use super::{Context, Will};
use crate::binary::Binary;
use crate::device::QUICK;
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field, OnlyInV5};
use crate::property::{ConnectProperties, Properties, PropertyId};
use crate::qos::QoS;
use crate::text::Text;
use crate::version::Version;
use crate::wire::{self, ParseResult};

/// CONNECT: the first packet that a client sends (section 3.1).
///
/// The protocol level is the version that is given to decode or encode.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct Connect<B = Bytes> {
    /// Clean Start; in 3.1.1 Clean Session, which also ends the session with the connection.
    pub clean_start: bool,
    /// The longest time that the client stays silent.
    pub keep_alive: KeepAlive,
    /// The properties; always empty in 3.1.1.
    pub properties: ConnectProperties<B>,
    /// The client identifier. If it is empty, the server assigns one; 3.1.1 allows that only with
    /// `clean_start`, and otherwise the server answers 0x02 (3.1.1 \[MQTT-3.1.3-8\]).
    pub client_id: Text<B>,
    /// The message that the server publishes if the connection ends without DISCONNECT.
    pub will: Option<Will<B>>,
    /// The user name.
    pub user_name: Option<Text<B>>,
    /// The password; 3.1.1 allows it only with a user name.
    pub password: Option<Binary<B>>,
    /// True for a client of MQTT 3.1, which a server serves as one of 3.1.1 if
    /// [`Rule::Mqtt31`](crate::Rule::Mqtt31) is let go. Sent in 3.1.1, it gives the protocol name
    /// `MQIsdp` and the level 3.
    pub v31: bool,
    /// True for a bridge, which sets bit 7 of the protocol level. A server accepts that if
    /// [`Rule::BridgeBit`](crate::Rule::BridgeBit) is let go. Only 3.1 and 3.1.1 have the bit.
    pub bridge: bool,
}

packet! { Connect is Connect {
    #[serde(default = "crate::packet::fields::clean_start")] copy clean_start: bool,
    #[serde(default)] copy keep_alive: KeepAlive,
    #[serde(default)] map properties: ConnectProperties,
    map client_id: Text,
    option will: Option<Will>,
    option user_name: Option<Text>,
    option password: Option<Binary>,
    #[serde(default)] copy v31: bool,
    #[serde(default)] copy bridge: bool,
}}

/// The time within which a client sends a packet, in seconds: 0, off, to 65,535 (section
/// 3.1.2.10).
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(transparent)
)]
pub struct KeepAlive(u16);

impl KeepAlive {
    /// No keep alive.
    pub const OFF: Self = Self(0);

    /// Makes a keep alive of `seconds`; 0 is [`KeepAlive::OFF`].
    pub const fn from_secs(seconds: u16) -> Self {
        Self(seconds)
    }

    /// Returns the seconds as they are sent.
    pub const fn as_secs(self) -> u16 {
        self.0
    }

    /// Returns the time, unless it is off.
    pub const fn interval(self) -> Option<Duration> {
        match self.0 {
            0 => None,
            seconds => Some(Duration::from_secs(seconds as u64)),
        }
    }
}

const USER_NAME: u8 = 1 << 7;
const PASSWORD: u8 = 1 << 6;
const WILL_RETAIN: u8 = 1 << 5;
const WILL_QOS: u8 = 0b11 << 3;
const WILL: u8 = 1 << 2;
const CLEAN_START: u8 = 1 << 1;
const RESERVED: u8 = 1;

/// The protocol name with its length.
pub(crate) const NAME: &[u8; 6] = b"\x00\x04MQTT";

/// The protocol name of 3.1 with its length.
pub(crate) const NAME_V31: &[u8; 8] = b"\x00\x06MQIsdp";

/// The level of 3.1.
const LEVEL_V31: u8 = 3;

/// The bit of the level by which a bridge announces itself.
pub(crate) const BRIDGE: u8 = 1 << 7;

/// Reads the protocol name and the level, by which a server finds the version.
pub(crate) fn protocol_level(body: &[u8]) -> ParseResult<'_, u8> {
    if let Some([level, ..]) = body.strip_prefix(NAME_V31) {
        if level & !BRIDGE == LEVEL_V31 {
            return wire::fail(body, DecodeErrorKind::Mqtt31, Field::ProtocolName);
        }
    }
    match body.strip_prefix(NAME) {
        Some(rest) => wire::u8(rest, Field::ProtocolLevel),
        // A prefix of the name is cut short; all else is another protocol.
        None if NAME.starts_with(body) => {
            let at = body.get(body.len()..).unwrap_or_default();
            wire::fail(at, DecodeErrorKind::Truncated, Field::ProtocolName)
        }
        None => {
            let kind = DecodeErrorKind::UnexpectedProtocolName;
            wire::fail(body, kind, Field::ProtocolName)
        }
    }
}

impl<B: Default> Connect<B> {
    /// Makes a CONNECT with a clean start, without keep alive, will, user name, password and
    /// properties.
    pub fn new(client_id: Text<B>) -> Self {
        Self {
            clean_start: true,
            keep_alive: KeepAlive::OFF,
            properties: Properties::default(),
            client_id,
            will: None,
            user_name: None,
            password: None,
            v31: false,
            bridge: false,
        }
    }
}

impl<'a> Connect<&'a [u8]> {
    pub(super) fn parse(ctx: Context, body: &'a [u8]) -> Result<Self, Fault<'a>> {
        let (rest, level) = protocol_level(body)?;
        if level != ctx.version.level() {
            let at = body.get(NAME.len()..).unwrap_or_default();
            let kind = DecodeErrorKind::UnsupportedProtocolLevel(level);
            return Err(Fault::new(at, kind, Field::ProtocolLevel));
        }
        let (after_flags, flags) = wire::u8(rest, Field::ConnectFlags)?;
        let will_qos = check_flags(ctx.version, flags)
            .map_err(|kind| Fault::new(rest, kind, Field::ConnectFlags))?;
        let (mut rest, keep_alive) = wire::u16(after_flags, Field::KeepAlive)?;
        let mut properties = Properties::EMPTY;
        if ctx.version == Version::V5 {
            let (tail, (block, seen)) = Properties::parse(rest)?;
            if seen.contains(PropertyId::AuthenticationData)
                && !seen.contains(PropertyId::AuthenticationMethod)
            {
                let field = Field::Property(PropertyId::AuthenticationMethod);
                let kind = DecodeErrorKind::MissingAuthenticationMethod;
                return Err(Fault::new(rest, kind, field));
            }
            (rest, properties) = (tail, block);
        }

        let (mut rest, client_id) = wire::text(rest, Field::ClientId)?;
        let mut connect = Self {
            clean_start: flags & CLEAN_START != 0,
            keep_alive: KeepAlive(keep_alive),
            properties,
            ..Self::new(client_id)
        };
        if flags & WILL != 0 {
            let (tail, will) = Will::parse(ctx, will_qos, flags & WILL_RETAIN != 0, rest)?;
            (rest, connect.will) = (tail, Some(will));
        }
        if flags & USER_NAME != 0 {
            let (tail, user_name) = wire::text(rest, Field::UserName)?;
            (rest, connect.user_name) = (tail, Some(user_name));
        }
        if flags & PASSWORD != 0 {
            let (tail, password) = wire::binary(rest, Field::Password)?;
            (rest, connect.password) = (tail, Some(password));
        }
        wire::end(rest)?;
        Ok(connect)
    }
}

/// Checks the connect flags (section 3.1.2.3) and reads the will QoS.
fn check_flags(version: Version, flags: u8) -> Result<QoS, DecodeErrorKind> {
    if flags & RESERVED != 0 {
        return Err(DecodeErrorKind::ReservedConnectFlag);
    }
    if flags & WILL == 0 && flags & WILL_QOS != 0 {
        return Err(DecodeErrorKind::WillQoSWithoutWill);
    }
    if flags & WILL == 0 && flags & WILL_RETAIN != 0 {
        return Err(DecodeErrorKind::WillRetainWithoutWill);
    }
    if version == Version::V311 && flags & (USER_NAME | PASSWORD) == PASSWORD {
        return Err(DecodeErrorKind::PasswordWithoutUserName);
    }
    QoS::new((flags & WILL_QOS) >> 3).ok_or(DecodeErrorKind::InvalidQoS)
}

impl<B> Connect<B> {
    /// The protocol name and level.
    const fn protocol(&self, version: Version) -> (&'static [u8], u8) {
        let (name, level): (&[u8], _) = match self.v31 {
            true => (NAME_V31, LEVEL_V31),
            false => (NAME, version.level()),
        };
        (name, if self.bridge { level | BRIDGE } else { level })
    }

    fn flags(&self) -> u8 {
        let bit = |set, bit| if set { bit } else { 0 };
        let will = self.will.as_ref().map_or(0, |will| {
            WILL | will.qos.level() << 3 | bit(will.retain, WILL_RETAIN)
        });
        bit(self.user_name.is_some(), USER_NAME)
            | bit(self.password.is_some(), PASSWORD)
            | bit(self.clean_start, CLEAN_START)
            | will
    }
}

impl<B: AsRef<[u8]>> Body for Connect<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if version == Version::V311 && self.user_name.is_none() && self.password.is_some() {
            let what = OnlyInV5::LonePassword;
            return Err(EncodeError::NotInVersion { what, version });
        }
        if !self.properties.is_empty()
            && self.properties.authentication_data().is_some()
            && self.properties.authentication_method().is_none()
        {
            return Err(EncodeError::MissingAuthenticationMethod);
        }
        if version == Version::V5 && (self.v31 || self.bridge) {
            return Err(EncodeError::OnlyInV311);
        }
        let prefixed = |bytes: &[u8]| 2 + bytes.len();
        let (name, _) = self.protocol(version);
        let mut len = name.len() + 4 + prefixed(self.client_id.as_bytes());
        len += self.properties.encoded_len(version)?;
        if let Some(will) = &self.will {
            len += will.properties.encoded_len(version)?;
            len += prefixed(will.topic.as_bytes()) + prefixed(will.payload.as_bytes());
        }
        len += self
            .user_name
            .as_ref()
            .map_or(0, |name| prefixed(name.as_bytes()));
        len += self
            .password
            .as_ref()
            .map_or(0, |password| prefixed(password.as_bytes()));
        Ok(len)
    }

    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut) {
        let (name, level) = self.protocol(version);
        let (flags, [high, low]) = (self.flags(), self.keep_alive.0.to_be_bytes());
        match *name {
            [a, b, m, q, t, u] if QUICK => {
                header.put_with(u16::from_be_bytes([a, b]), out);
                out.put_slice(&[m, q, t, u, level, flags, high, low]);
            }
            _ => {
                header.put(out);
                out.put_slice(name);
                out.put_slice(&[level, flags, high, low]);
            }
        }
        self.properties.put(version, out);
        wire::put_prefixed(self.client_id.as_bytes(), out);
        if let Some(will) = &self.will {
            will.properties.put(version, out);
            wire::put_prefixed(will.topic.as_bytes(), out);
            wire::put_prefixed(will.payload.as_bytes(), out);
        }
        if let Some(user_name) = &self.user_name {
            wire::put_prefixed(user_name.as_bytes(), out);
        }
        if let Some(password) = &self.password {
            wire::put_prefixed(password.as_bytes(), out);
        }
    }
}
