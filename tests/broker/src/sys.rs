use std::time::Duration;

use bytes::Bytes;
use mqtt_sansio::QoS;
use mqtt_sansio::property::PublishProperties;
use mqtt_sansio::topic::TopicName;

use crate::Broker;
use crate::message::Message;
use crate::timers::Timer;

/// What is counted for the `$SYS` topics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) packets_received: u64,
    pub(crate) packets_sent: u64,
    pub(crate) messages_received: u64,
    pub(crate) messages_sent: u64,
    /// Messages for which there was no room, or which a client does not take.
    pub(crate) messages_dropped: u64,
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
        self.retained.purge(self.now);
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
            (b"$SYS/broker/messages/received", stats.packets_received),
            (b"$SYS/broker/messages/sent", stats.packets_sent),
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
        let message = Message {
            publisher: None,
            topic,
            payload: payload.into(),
            properties: PublishProperties::default(),
            qos: QoS::AtMostOnce,
            retain: true,
            expires_at: None,
        };
        self.take_over(message, false);
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
