use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mqtt_sansio::packet::Will;
use mqtt_sansio::property::{Properties, SubscriptionId};
use mqtt_sansio::{Message as Content, Publishable, QoS, Text, Version};

use crate::subscriptions::{Share, Subscription};

/// An application message, apart from any connection. Its fields have buffers of their own, so that
/// it keeps no more memory than it needs.
#[derive(Debug)]
pub(crate) struct Message {
    /// Who published it, for No Local; nobody for the broker's own.
    pub(crate) publisher: Option<Text>,
    pub(crate) content: Content,
    pub(crate) qos: QoS,
    pub(crate) expires_at: Option<Duration>,
}

impl Message {
    pub(crate) fn new(now: Duration, publisher: Text, qos: QoS, content: &Content) -> Self {
        let content = content.forwarded().to_owned();
        let seconds = content.properties.message_expiry_interval();
        let expires_at =
            seconds.map(|seconds| now.saturating_add(Duration::from_secs(seconds.into())));
        Self {
            publisher: Some(publisher),
            content,
            qos,
            expires_at,
        }
    }

    pub(crate) fn from_will(now: Duration, publisher: Text, will: &Will) -> Self {
        Self::new(now, publisher, will.qos, &will.to_message())
    }

    pub(crate) fn is_expired(&self, now: Duration) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let publisher = self.publisher.as_ref().map_or(0, |name| name.len());
        let Content {
            topic,
            payload,
            properties,
            ..
        } = &self.content;
        128 + topic.len() + payload.len() + properties.byte_len() + publisher
    }
}

/// A message for one session: what its connection keeps of it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    ids: Ids,
    /// The shared subscription for which it was chosen.
    pub(crate) share: Option<Arc<Share>>,
    held: Option<Held>,
}

#[derive(Debug)]
enum Ids {
    /// None or one, as nearly all have.
    Few(Option<SubscriptionId>),
    Many(Vec<SubscriptionId>),
}

impl Outgoing {
    /// The one copy that a session gets of a message, for all its subscriptions that match: at the
    /// highest QoS that one of them allows, and with all their identifiers [MQTT-3.3.4-4].
    pub(crate) fn new(
        message: &Arc<Message>,
        subscriptions: &[Subscription],
        share: Option<Arc<Share>>,
    ) -> Self {
        let highest = subscriptions.iter().map(|each| each.options.maximum_qos);
        let as_published = subscriptions
            .iter()
            .any(|each| each.options.retain_as_published);
        let ids = match subscriptions {
            [] => Ids::Few(None),
            [one] => Ids::Few(one.id),
            several => {
                let ids = several.iter().filter_map(|each| each.id);
                let mut ids: Vec<_> = ids.collect();
                ids.sort();
                Ids::Many(ids)
            }
        };
        Self {
            qos: highest.max().unwrap_or(QoS::AtMostOnce).min(message.qos),
            // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
            retain: message.content.retain && as_published,
            message: Arc::clone(message),
            ids,
            share,
            held: None,
        }
    }

    /// A retained message, for a new subscription [MQTT-3.3.1-8].
    pub(crate) fn retained(message: &Arc<Message>, subscription: Subscription) -> Self {
        let mut new = Self::new(message, &[subscription], None);
        new.retain = true;
        new
    }

    /// About how many bytes it takes, as if nobody else had the message.
    pub(crate) fn size(&self) -> usize {
        self.message.size() + 4 * self.subscription_ids().len()
    }

    /// Counts it in what is held for a client, until it is dropped.
    pub(crate) fn count_in(&mut self, account: &Arc<Account>) {
        let loose = usize::from(self.qos == QoS::AtMostOnce);
        self.held = Some(Held::new(account, self.size(), loose));
    }
}

impl Publishable for Outgoing {
    fn message(&self, version: Version) -> Content<&[u8]> {
        let mut content = self.message.content.as_borrowed();
        content.retain = self.retain;
        if version == Version::V311 {
            content.properties = Properties::default();
        }
        content
    }

    fn subscription_ids(&self) -> &[SubscriptionId] {
        match &self.ids {
            Ids::Few(id) => id.as_slice(),
            Ids::Many(ids) => ids,
        }
    }

    fn expires(&self) -> Option<Duration> {
        self.message.expires_at
    }
}

/// What is held for one client.
#[derive(Debug, Default)]
pub(crate) struct Account {
    bytes: AtomicUsize,
    /// Messages of QoS 0, which the session does not count.
    loose: AtomicUsize,
}

impl Account {
    /// Of its messages.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn loose(&self) -> usize {
        self.loose.load(Ordering::Relaxed)
    }
}

/// A part of an account, given back when it is dropped.
#[derive(Debug)]
struct Held {
    account: Arc<Account>,
    bytes: usize,
    loose: usize,
}

impl Held {
    fn new(account: &Arc<Account>, bytes: usize, loose: usize) -> Self {
        account.bytes.fetch_add(bytes, Ordering::Relaxed);
        account.loose.fetch_add(loose, Ordering::Relaxed);
        Self {
            account: Arc::clone(account),
            bytes,
            loose,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.account.loose.fetch_sub(self.loose, Ordering::Relaxed);
    }
}
