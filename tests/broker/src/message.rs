use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtt_sansio::packet::{Publish, Will};
use mqtt_sansio::property::{Properties, PropertyId, PublishProperties, SubscriptionId};
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Delivery, QoS, Text, Version};

use crate::subscriptions::Share;

/// An application message, apart from any connection. Its fields have buffers of their own, so that
/// it keeps no more memory than it needs.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Who published it, for No Local; nobody for the broker's own.
    pub(crate) publisher: Option<Text>,
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    /// Without the topic alias, which belongs to a connection.
    pub(crate) properties: PublishProperties,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires_at: Option<Duration>,
}

impl Message {
    pub(crate) fn from_publish(
        now: Duration,
        publisher: Text,
        topic: TopicName,
        publish: &Publish<&[u8]>,
    ) -> Self {
        let properties = match publish.properties.topic_alias() {
            None => Properties::to_owned(&publish.properties),
            Some(_) => {
                let builder = publish.properties.to_builder();
                builder.without(PropertyId::TopicAlias).build()
            }
        };
        let expires_at = expiry(now, properties.message_expiry_interval());
        Self {
            publisher: Some(publisher),
            topic,
            payload: Bytes::copy_from_slice(publish.payload),
            properties,
            qos: publish.qos(),
            retain: publish.retain,
            expires_at,
        }
    }

    pub(crate) fn from_will(now: Duration, publisher: Text, will: &Will) -> Self {
        let publish = will.to_publish();
        let topic = will.topic.clone();
        let mut message = Self::from_publish(now, publisher, topic, &publish.as_borrowed());
        message.qos = will.qos;
        message
    }

    pub(crate) fn is_expired(&self, now: Duration) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let publisher = self.publisher.as_ref().map_or(0, |name| name.len());
        128 + self.topic.len() + self.payload.len() + self.properties.len() + publisher
    }
}

fn expiry(now: Duration, seconds: Option<u32>) -> Option<Duration> {
    Some(now.saturating_add(Duration::from_secs(seconds?.into())))
}

/// A message for one session.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) ids: Vec<SubscriptionId>,
    /// The shared subscription for which it was chosen.
    pub(crate) share: Option<Arc<Share>>,
    /// Orders the messages of one session.
    pub(crate) number: u64,
}

impl Outgoing {
    /// About how many bytes it takes, as if nobody else had the message.
    pub(crate) fn size(&self) -> usize {
        self.message.size() + 4 * self.ids.len()
    }

    /// The PUBLISH, with what is left of the Message Expiry Interval [MQTT-3.3.2-6].
    pub(crate) fn to_publish(&self, now: Duration, version: Version) -> Publish {
        let message = &self.message;
        let topic = message.topic.clone();
        let mut publish = Publish::new(Delivery::AtMostOnce, topic, message.payload.clone());
        publish.retain = self.retain;
        if version == Version::V311 {
            return publish;
        }
        publish.properties = match (message.expires_at, &self.ids[..]) {
            (None, []) => message.properties.clone(),
            (expires_at, ids) => {
                let mut builder = message.properties.to_builder();
                if let Some(at) = expires_at {
                    let left = at.saturating_sub(now);
                    let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                    let whole = u32::try_from(whole).unwrap_or(u32::MAX);
                    builder = builder.message_expiry_interval(whole);
                }
                for &id in ids {
                    builder = builder.subscription_identifier(id);
                }
                builder.build()
            }
        };
        publish
    }
}
