use bytes::Bytes;

use super::Context;
use super::fields::packet;
use crate::binary::Binary;
use crate::error::Field;
use crate::message::Message;
use crate::property::{Properties, WillProperties};
use crate::qos::QoS;
use crate::topic::TopicName;
use crate::wire::{self, ParseResult};

/// The message that the server publishes when the connection of its client fails (section 3.1.2.5).
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
    /// RETAIN: true if the message is published as a retained one.
    pub retain: bool,
    /// The properties; always empty in 3.1.1.
    pub properties: WillProperties<B>,
    /// The topic to publish to.
    pub topic: TopicName<B>,
    /// The payload of the message.
    pub payload: Binary<B>,
}

packet! { Will {
    #[serde(default)] copy qos: QoS,
    #[serde(default)] copy retain: bool,
    #[serde(default)] map properties: WillProperties,
    map topic: TopicName,
    map payload: Binary,
}}

impl<B: Default> Will<B> {
    /// Makes a will at QoS 0, not retained, without properties.
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

impl<'a> Will<&'a [u8]> {
    pub(super) fn parse(
        ctx: Context,
        qos: QoS,
        retain: bool,
        input: &'a [u8],
    ) -> ParseResult<'a, Self> {
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

impl<B: AsRef<[u8]>> Will<B> {
    /// Returns the message to publish for the will, in buffers of its own: its topic, payload,
    /// Retain and properties except the delay (section 3.1.3.2). Publish it at the QoS of the will.
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
    /// let message = will.to_message();
    /// assert_eq!(message.payload, "gone");
    /// assert_eq!(message.properties.message_expiry_interval(), Some(60));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_message(&self) -> Message {
        let payload = Bytes::copy_from_slice(self.payload.as_bytes());
        let mut message = Message::new(self.topic.to_owned(), payload);
        message.retain = self.retain;
        message.properties = self.properties.to_message();
        message
    }

    /// Returns whether the payload has the format that the Payload Format Indicator says: UTF-8, or
    /// any bytes (section 3.1.3.2.3).
    ///
    /// A client's `connect` refuses a will for which this is false. A server may check that of a
    /// client, and refuse it with
    /// [`PayloadFormatInvalid`](crate::ReasonCode::PayloadFormatInvalid).
    pub fn has_valid_payload_format(&self) -> bool {
        let format = self.properties.payload_format_indicator();
        format.unwrap_or_default().allows(self.payload.as_bytes())
    }
}
