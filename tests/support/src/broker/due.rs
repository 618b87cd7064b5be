//! A message, and what is due of it.

use std::time::Duration;

use mqtt_sansio::packet::RetainHandling;
use mqtt_sansio::{QoS, Version};

/// A message that one of them publishes, and nobody else: its payload begins with its number.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) number: u32,
    pub(super) publisher: usize,
    pub(super) topic: &'static str,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// Too large for a client that says so.
    pub(super) large: bool,
    /// In seconds.
    pub(super) expiry: Option<u32>,
    /// Whether it has a user property.
    pub(super) property: bool,
    pub(super) will: bool,
}

/// A subscription of a well-behaved client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    pub(super) qos: QoS,
    pub(super) no_local: bool,
    pub(super) as_published: bool,
    pub(super) handling: RetainHandling,
    pub(super) id: Option<u32>,
}

/// What may and what has to come of one message at one QoS, to one client.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) topic: &'static str,
    pub(super) qos: QoS,
    pub(super) large: bool,
    pub(super) most: u32,
    pub(super) least: u32,
    pub(super) got: u32,
    /// When it was routed first and last, in the order of all messages.
    pub(super) turns: (u64, u64),
    /// The session for which it was routed last.
    pub(super) epoch: u32,
    /// When each of the copies expires, if they do: one that is sent again has less time left.
    pub(super) expires_at: Vec<Duration>,
    pub(super) looks: Vec<Kind>,
}

/// How a message may come.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) retain: bool,
    /// For a new subscription: only then is it retained in 3.1.1.
    pub(super) fresh: bool,
    pub(super) ids: Vec<u32>,
}

/// How a message comes.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) version: Version,
    pub(super) qos: QoS,
    pub(super) dup: bool,
    pub(super) retain: bool,
    pub(super) ids: Vec<u32>,
    pub(super) expiry: Option<u32>,
    /// When the broker has sent it, and for which session.
    pub(super) sent_at: Duration,
    pub(super) epoch: u32,
}

impl Due {
    /// Nothing yet.
    pub(super) fn new(message: &Message) -> Self {
        Self {
            topic: message.topic,
            qos: message.qos,
            large: message.large,
            most: 0,
            least: 0,
            got: 0,
            turns: (0, 0),
            epoch: 0,
            expires_at: Vec::new(),
            looks: Vec::new(),
        }
    }

    pub(super) fn check(&self, message: &Message, look: &Look) {
        let exact = look.qos == QoS::ExactlyOnce || message.qos == QoS::AtMostOnce;
        assert!(
            self.got <= self.most || !exact,
            "twice: {message:?} {self:?}"
        );
        if !self.expires_at.is_empty() && !look.dup {
            // [MQTT-3.3.2-5] [MQTT-3.3.2-6]
            let fits = |at: &Duration| {
                let left = at.saturating_sub(look.sent_at);
                let told = look.expiry.map(u128::from);
                let seconds = left.as_millis().div_ceil(1_000);
                !left.is_zero() && (look.version == Version::V311 || told == Some(seconds))
            };
            assert!(
                self.expires_at.iter().any(fits),
                "expired: {message:?} {self:?} {look:?}"
            );
        }
    }
}
