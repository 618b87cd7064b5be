#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) use alloc::rc::Rc as Arc;
#[cfg(target_has_atomic = "ptr")]
pub(crate) use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::binary::Escaped;
use crate::payload::PayloadCheck;
use crate::property::{MessageProperties, Properties, PropertyId, SubscriptionId};
use crate::topic::TopicName;
use crate::version::Version;

mod outline;

pub(crate) use outline::Fault;
pub use outline::Outline;

/// An application message: the argument of `publish`, the content of a will, and the part of a
/// PUBLISH that a session keeps.
///
/// A PUBLISH packet also has a QoS, DUP, a packet identifier and perhaps a topic alias. They belong
/// to one delivery on one connection, and are therefore not part of a message.
///
/// The properties that can be set are those that the receiver of a message gets unchanged. A
/// received message may also have a Topic Alias and Subscription Identifiers. They can be read, and
/// [`forwarded`](Self::forwarded) removes them, so that the message can be published again.
///
/// ```
/// use mqtt_sansio::Message;
/// use mqtt_sansio::property::MessageProperties;
///
/// let mut message = Message::new("press/12".parse()?, "15:0");
/// message.properties = MessageProperties::builder().message_expiry_interval(60).build();
/// assert_eq!(message.payload, "15:0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(
        deny_unknown_fields,
        bound(
            serialize = "B: AsRef<[u8]>",
            deserialize = "B: Default + serde::Deserialize<'de>, TopicName<B>: serde::Deserialize<'de>, \
                           MessageProperties<B>: serde::Deserialize<'de>",
        )
    )
)]
#[non_exhaustive]
pub struct Message<B = Bytes> {
    /// The topic.
    pub topic: TopicName<B>,
    /// The payload.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::bytes"))]
    pub payload: B,
    /// The RETAIN flag: the server retains the message for later subscribers, or has retained it
    /// (section 3.3.1.3).
    #[cfg_attr(feature = "serde", serde(default))]
    pub retain: bool,
    /// The properties, which 3.1.1 does not have.
    #[cfg_attr(feature = "serde", serde(default))]
    pub properties: MessageProperties<B>,
}

impl Message {
    /// Makes a message without properties that is not retained.
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            retain: false,
            properties: Properties::default(),
        }
    }
}

impl<B> Message<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl Fn(&'a B) -> C) -> Message<C> {
        Message {
            topic: self.topic.map(&f),
            payload: f(&self.payload),
            retain: self.retain,
            properties: self.properties.map(&f),
        }
    }
}

impl<B: AsRef<[u8]>> Message<B> {
    /// The same message, borrowed.
    pub fn as_borrowed(&self) -> Message<&[u8]> {
        self.map(AsRef::as_ref)
    }

    /// The same message in buffers of its own.
    pub fn to_owned(&self) -> Message {
        self.map(|field| Bytes::copy_from_slice(field.as_ref()))
    }

    /// Returns whether the payload has the format that the Payload Format Indicator says: UTF-8, or
    /// any bytes (section 3.3.2.3.2).
    ///
    /// `publish` refuses a message for which this is false. Whether to check a received message is
    /// the choice of its receiver, which may refuse it with
    /// [`PayloadFormatInvalid`](crate::ReasonCode::PayloadFormatInvalid):
    ///
    /// ```
    /// use mqtt_sansio::connection::{ConnectionError, Incoming, client::Connection};
    /// use mqtt_sansio::property::AckProperties;
    /// use mqtt_sansio::ReasonCode;
    ///
    /// fn handle(mqtt: &mut Connection, incoming: Incoming) -> Result<(), ConnectionError> {
    ///     if let Incoming::Message(message, token) = incoming {
    ///         let reason = match message.has_valid_payload_format() {
    ///             true => ReasonCode::Success,
    ///             false => ReasonCode::PayloadFormatInvalid,
    ///         };
    ///         mqtt.acknowledge_with(token, reason, AckProperties::default())?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn has_valid_payload_format(&self) -> bool {
        let format = self.properties.payload_format_indicator();
        format.unwrap_or_default().allows(self.payload.as_ref())
    }

    /// Begins the check of [`has_valid_payload_format`](Self::has_valid_payload_format) for a payload
    /// that arrives in pieces, of which this is the head.
    pub fn payload_check(&self) -> PayloadCheck {
        let format = self.properties.payload_format_indicator();
        PayloadCheck::new(format.unwrap_or_default())
    }

    /// Returns whether the message has a Topic Alias or a Subscription Identifier, which the
    /// argument of `publish` may not have.
    pub(crate) fn is_of_a_delivery(&self) -> bool {
        self.properties.iter().any(|property| {
            matches!(
                property.id(),
                PropertyId::TopicAlias | PropertyId::SubscriptionIdentifier
            )
        })
    }
}

impl Message {
    /// The message in a form that can be published again: without the Topic Alias and the
    /// Subscription Identifiers of its delivery. Topic and payload are shared, not copied; to let
    /// go of the buffer that was read, take [`to_owned`](Self::to_owned) before.
    ///
    /// The other properties are kept. 3.1.1 has no properties: [`forwarded_in`](Self::forwarded_in)
    /// removes them, and a [`Shared`](crate::Shared) message is sent without them.
    #[must_use]
    pub fn forwarded(&self) -> Self {
        let mut message = self.clone();
        if self.is_of_a_delivery() {
            let builder = self.properties.to_builder();
            let builder = builder.without(PropertyId::TopicAlias);
            let builder = builder.without(PropertyId::SubscriptionIdentifier);
            message.properties = builder.build();
        }
        message
    }

    /// As [`forwarded`](Self::forwarded), without the properties if `version` has none.
    #[must_use]
    pub fn forwarded_in(&self, version: Version) -> Self {
        match version {
            Version::V311 => Self {
                properties: Properties::default(),
                ..self.clone()
            },
            Version::V5 => self.forwarded(),
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Message<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("payload", &Escaped(self.payload.as_ref()))
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .finish()
    }
}

/// A type of messages that a connection can keep until they are acknowledged.
///
/// [`Message`] and [`Shared`](crate::Shared) implement it. A server or a device can implement it for its own type,
/// such as a key of its store together with the bytes.
pub trait Publishable {
    /// The message to send in `version`.
    ///
    /// It has to stay the same while it is kept, as a PUBLISH is repeated unchanged.
    fn message(&self, version: Version) -> Message<&[u8]>;

    /// A summary of [`message`](Self::message), which a connection checks before it takes the message.
    /// Return one that was made before to save that work where one message goes to many connections.
    #[inline(always)]
    fn outline(&self, version: Version) -> Outline {
        Outline::new(&self.message(version))
    }

    /// The Subscription Identifiers to send with the message, at a server [MQTT-3.3.4-6].
    fn subscription_ids(&self) -> &[SubscriptionId] {
        &[]
    }

    /// The length in bytes of a payload that is not part of [`message`](Self::message), whose payload
    /// is then empty: the caller keeps it, for example in a file or in flash, and writes it when
    /// [`poll_payload`](crate::connection::Connection::poll_payload) asks for it. `None` if the
    /// payload is that of the message.
    ///
    /// ```
    /// use std::{fs::File, io::{self, Read, Seek, SeekFrom, Write}, path::PathBuf, time::Duration};
    /// use mqtt_sansio::connection::client::Connection;
    /// use mqtt_sansio::{Message, Publishable, Version};
    ///
    /// struct Upload { head: Message, file: Option<(PathBuf, u32)> }
    ///
    /// impl Publishable for Upload {
    ///     fn message(&self, _: Version) -> Message<&[u8]> { self.head.as_borrowed() }
    ///     fn payload_len(&self) -> Option<u32> { Some(self.file.as_ref()?.1) }
    /// }
    ///
    /// /// Called after each `poll_bytes`, whose bytes are written by then.
    /// fn write_payload(mqtt: &mut Connection<Upload>, now: Duration, socket: &mut impl Write) -> io::Result<()> {
    ///     let mut chunk = [0; 4096];
    ///     while let Some(part) = mqtt.poll_payload() {
    ///         let Some((path, _)) = &part.message.file else { break };
    ///         let mut file = File::open(path)?;
    ///         file.seek(SeekFrom::Start(part.position.into()))?;
    ///         let read = file.take(part.len.into()).read(&mut chunk)?;
    ///         match u32::try_from(read) {
    ///             Ok(1..) => socket.write_all(&chunk[..read])?,
    ///             _ => return Ok(mqtt.payload_lost()), // the file is shorter now
    ///         }
    ///         mqtt.payload_written(now, read as u32).map_err(io::Error::other)?;
    ///     }
    ///     Ok(())
    /// }
    /// # let mut mqtt = Connection::with_session(mqtt_sansio::session::Session::new());
    /// # write_payload(&mut mqtt, Duration::ZERO, &mut Vec::new())?;
    /// # Ok::<(), io::Error>(())
    /// ```
    fn payload_len(&self) -> Option<u32> {
        None
    }

    /// The time at which the message expires, on the clock of the connection. It replaces the
    /// Message Expiry Interval, which would begin when the message is published.
    ///
    /// Use it for a message that waited before, so that only a part of its interval is left
    /// [MQTT-3.3.2-6].
    fn expires(&self) -> Option<Duration> {
        None
    }
}

impl Publishable for Message {
    fn message(&self, _: Version) -> Message<&[u8]> {
        self.as_borrowed()
    }
}

impl<T: Publishable + ?Sized> Publishable for Arc<T> {
    fn message(&self, version: Version) -> Message<&[u8]> {
        (**self).message(version)
    }

    fn outline(&self, version: Version) -> Outline {
        (**self).outline(version)
    }

    fn subscription_ids(&self) -> &[SubscriptionId] {
        (**self).subscription_ids()
    }

    fn payload_len(&self) -> Option<u32> {
        (**self).payload_len()
    }

    fn expires(&self) -> Option<Duration> {
        (**self).expires()
    }
}
