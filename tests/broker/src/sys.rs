use std::time::Duration;

use bytes::Bytes;
use mqtt_sansio::connection::{Event, GivenUp, Outcome};
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Message as Content, Outline, QoS};

use crate::Broker;
use crate::message::{Message, Outgoing};
use crate::timers::Timer;

/// What is counted for the `$SYS` topics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) messages_received: u64,
    /// Messages that were sent at QoS 0, or acknowledged.
    pub(crate) messages_sent: u64,
    /// Messages for which there was no room, or which a client does not take.
    pub(crate) messages_dropped: u64,
    /// Topics of retained messages that were looked at, and what was looked at for messages.
    pub(crate) steps: u64,
}

impl Stats {
    /// Counts the outcome of a message. Returns the message if another member of its share may get it
    /// as the connection has ended: all but QoS 2 messages under way [MQTT-4.8.2-5].
    pub(crate) fn count(&mut self, event: Event<Outgoing>) -> Option<Outgoing> {
        let Event::Published(_, outcome) = event else {
            return None;
        };
        match outcome {
            Outcome::GivenUp(GivenUp::ConnectionLost, Some(message)) => {
                (message.qos > QoS::AtMostOnce).then_some(*message)
            }
            Outcome::GivenUp(GivenUp::SessionLost, Some(message)) => {
                (message.qos == QoS::AtLeastOnce).then_some(*message)
            }
            Outcome::GivenUp(GivenUp::NotSupported(_), _) => {
                self.messages_dropped += 1;
                None
            }
            Outcome::GivenUp(..) => None,
            _ => {
                self.messages_sent += 1;
                None
            }
        }
    }
}

impl Broker {
    /// Publishes the `$SYS` topics, retained if there are retained messages, and sets the timer for
    /// the next time.
    pub(crate) fn publish_sys(&mut self) {
        let Some(interval) = self.config.sys_interval else {
            return;
        };
        let next = self
            .now
            .saturating_add(interval.max(Duration::from_secs(1)));
        self.timers.set(next, Timer::Sys);
        let connections = self.clients.values().map(|client| client.connection);
        let connected = connections.flatten().count();
        let (stats, usage) = (self.stats, self.usage());
        let values: [(&'static [u8], u64); 12] = [
            (b"$SYS/broker/uptime", self.now.as_secs()),
            (b"$SYS/broker/clients/connected", count(connected)),
            (
                b"$SYS/broker/clients/disconnected",
                count(usage.sessions - connected),
            ),
            (b"$SYS/broker/clients/total", count(usage.sessions)),
            (
                b"$SYS/broker/subscriptions/count",
                count(usage.subscriptions),
            ),
            (
                b"$SYS/broker/retained messages/count",
                count(usage.retained),
            ),
            (b"$SYS/broker/bytes/received", stats.bytes_received),
            (b"$SYS/broker/bytes/sent", stats.bytes_sent),
            (
                b"$SYS/broker/publish/messages/received",
                stats.messages_received,
            ),
            (b"$SYS/broker/publish/messages/sent", stats.messages_sent),
            (
                b"$SYS/broker/publish/messages/dropped",
                stats.messages_dropped,
            ),
            (b"$SYS/broker/store/messages/count", count(usage.messages)),
        ];
        self.publish_own(b"$SYS/broker/version", "reference-broker".to_owned());
        for (topic, value) in values {
            self.publish_own(topic, value.to_string());
        }
    }

    fn publish_own(&mut self, topic: &'static [u8], payload: String) {
        let Ok(topic) = TopicName::try_from(Bytes::from_static(topic)) else {
            return;
        };
        let mut content = Content::new(topic, payload);
        content.retain = true;
        let message = Message {
            publisher: None,
            outline: Outline::new(&content),
            content,
            qos: QoS::AtMostOnce,
            expires_at: None,
        };
        self.take_over(message, None);
    }
}

pub(crate) fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
