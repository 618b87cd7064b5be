use core::fmt;
use core::time::Duration;

use bytes::{BufMut, Bytes};

use super::encode::{Body, FixedHeader};
use super::{Context, Packet, Publish};
use crate::error::{DecodeErrorKind, EncodeError, Fault, Field};
use crate::property::{ConnectProperties, Properties, PropertyId, WillProperties};
use crate::qos::{Delivery, QoS};
use crate::text::{Binary, Text};
use crate::topic::TopicName;
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
    /// How often the server may expect a packet.
    pub keep_alive: KeepAlive,
    /// The properties; always empty in 3.1.1.
    pub properties: ConnectProperties<B>,
    /// Who this is. If empty, the server makes one up; 3.1.1 allows that only with `clean_start`,
    /// else the server answers 0x02 (3.1.1 \[MQTT-3.1.3-8\]).
    pub client_id: Text<B>,
    /// What the server publishes if the connection ends without DISCONNECT.
    pub will: Option<Will<B>>,
    /// The user name.
    pub user_name: Option<Text<B>>,
    /// The password; 3.1.1 allows it only with a user name.
    pub password: Option<Binary<B>>,
}

/// The message that the server publishes for a client that is gone (section 3.1.2.5).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(bound = "B: AsRef<[u8]>")
)]
#[non_exhaustive]
pub struct Will<B = Bytes> {
    /// The QoS to publish with.
    pub qos: QoS,
    /// Whether to publish it as a retained message.
    pub retain: bool,
    /// The properties; always empty in 3.1.1.
    pub properties: WillProperties<B>,
    /// The topic to publish to.
    pub topic: TopicName<B>,
    /// The message.
    pub payload: Binary<B>,
}

/// The time within which a client sends something, in seconds: 0, off, to 65,535 (section
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

    /// A keep alive of `seconds`; 0 is [`KeepAlive::OFF`].
    pub const fn from_secs(seconds: u16) -> Self {
        Self(seconds)
    }

    /// The seconds as they are sent.
    pub const fn as_secs(self) -> u16 {
        self.0
    }

    /// The time, unless it is off.
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
const NAME: &[u8; 6] = b"\x00\x04MQTT";

/// Reads the protocol name and the level, by which a server finds the version.
pub(crate) fn protocol_level(body: &[u8]) -> ParseResult<'_, u8> {
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
    /// A clean start without keep alive, will, user name, password and properties.
    pub fn new(client_id: Text<B>) -> Self {
        Self {
            clean_start: true,
            keep_alive: KeepAlive::OFF,
            properties: Properties::default(),
            client_id,
            will: None,
            user_name: None,
            password: None,
        }
    }
}

impl<B: Default> Will<B> {
    /// A will at QoS 0, not retained, without properties.
    pub fn new(topic: TopicName<B>, payload: Binary<B>) -> Self {
        Self {
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::default(),
            topic,
            payload,
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

impl<'a> Will<&'a [u8]> {
    fn parse(ctx: Context, qos: QoS, retain: bool, input: &'a [u8]) -> ParseResult<'a, Self> {
        let (rest, properties) = ctx.properties(input)?;
        let (rest, topic) = wire::topic_name(rest, Field::WillTopic)?;
        let (rest, payload) = wire::binary(rest, Field::WillPayload)?;
        let will = Self {
            qos,
            retain,
            properties,
            topic,
            payload,
        };
        Ok((rest, will))
    }
}

impl<B> Connect<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> Connect<C> {
        Connect {
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            properties: self.properties.map(&f),
            client_id: self.client_id.map(&f),
            will: self.will.as_ref().map(|will| will.map(&f)),
            user_name: self.user_name.as_ref().map(|name| name.map(&f)),
            password: self.password.as_ref().map(|password| password.map(&f)),
        }
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

impl<B> Will<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> Will<C> {
        Will {
            qos: self.qos,
            retain: self.retain,
            properties: self.properties.map(&f),
            topic: self.topic.map(&f),
            payload: self.payload.map(&f),
        }
    }
}

impl<B: AsRef<[u8]>> Connect<B> {
    /// The same packet, borrowed.
    pub fn as_borrowed(&self) -> Connect<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// The same packet in buffers of its own.
    pub fn to_owned(&self) -> Connect {
        self.map(|field| Bytes::copy_from_slice(field.as_ref()))
    }
}

impl<B: AsRef<[u8]>> Will<B> {
    /// The message that the will becomes, in buffers of its own: its topic, payload, Retain and
    /// properties but for the delay (section 3.1.3.2). To be published at the will's QoS.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use mqtt_sansio::packet::Will;
    /// use mqtt_sansio::property::WillProperties;
    /// use mqtt_sansio::topic::TopicName;
    ///
    /// let topic = "press/12".parse::<TopicName>()?;
    /// let mut will = Will::new(topic, Bytes::from("gone").try_into()?);
    /// let properties = WillProperties::builder().will_delay_interval(5);
    /// will.properties = properties.message_expiry_interval(60).build();
    /// let publish = will.to_publish();
    /// assert_eq!(publish.payload, "gone");
    /// assert_eq!(publish.properties.message_expiry_interval(), Some(60));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_publish(&self) -> Publish {
        let payload = Bytes::copy_from_slice(self.payload.as_bytes());
        let mut publish = Publish::new(Delivery::AtMostOnce, self.topic.to_owned(), payload);
        publish.retain = self.retain;
        publish.properties = self.properties.to_publish();
        publish
    }

    /// The same will, borrowed.
    pub fn as_borrowed(&self) -> Will<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// The same will in buffers of its own.
    pub fn to_owned(&self) -> Will {
        self.map(|field| Bytes::copy_from_slice(field.as_ref()))
    }
}

impl<B: AsRef<[u8]>> Body for Connect<B> {
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if version == Version::V311 && self.user_name.is_none() && self.password.is_some() {
            let what = "a password without a user name";
            return Err(EncodeError::NotInVersion { what, version });
        }
        if self.properties.authentication_data().is_some()
            && self.properties.authentication_method().is_none()
        {
            return Err(EncodeError::MissingAuthenticationMethod);
        }
        let prefixed = |bytes: &[u8]| 2 + bytes.len();
        let mut len = NAME.len() + 4 + prefixed(self.client_id.as_bytes());
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
        header.put(out);
        let &[a, b, c, d, e, f] = NAME;
        let [high, low] = self.keep_alive.0.to_be_bytes();
        let (level, flags) = (version.level(), self.flags());
        out.put_slice(&[a, b, c, d, e, f, level, flags, high, low]);
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

impl<B> From<Connect<B>> for Packet<B> {
    fn from(connect: Connect<B>) -> Self {
        Self::Connect(connect)
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Connect<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("properties", &self.properties)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &self.password)
            .finish()
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Will<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .field("topic", &self.topic)
            .field("payload", &self.payload)
            .finish()
    }
}
