use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mqtt_sansio::packet::Will;
use mqtt_sansio::property::{Properties, SubscriptionId};
use mqtt_sansio::{Message as Content, Outline, Publishable, QoS, Text, Version};

use crate::subscriptions::{Share, Subscription};

/// An application message, apart from any connection. Its fields have buffers of their own, so that
/// it keeps no more memory than it needs.
#[derive(Debug)]
pub(crate) struct Message {
    /// Who published it, for No Local; nobody for the broker's own.
    pub(crate) publisher: Option<Text>,
    pub(crate) content: Content,
    pub(crate) outline: Outline,
    pub(crate) qos: QoS,
    pub(crate) expires_at: Option<Duration>,
}

/// What a buffer takes beside its bytes.
pub(crate) const BUFFER: usize = 40;

/// What a session takes for a message beside the message.
const PLACE: usize = 128;

impl Message {
    /// Takes a message whose fields have buffers of their own.
    pub(crate) fn new(now: Duration, publisher: Text, qos: QoS, content: &Content) -> Self {
        let mut content = content.forwarded();
        // The builder's buffer may be larger.
        content.properties = content.properties.to_owned();
        let seconds = content.properties.message_expiry_interval();
        let expires_at =
            seconds.map(|seconds| now.saturating_add(Duration::from_secs(seconds.into())));
        Self {
            publisher: Some(publisher),
            outline: Outline::new(&content),
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

    /// How many bytes it takes at most.
    pub(crate) fn size(&self) -> usize {
        let publisher = self.publisher.as_ref().map_or(0, |name| name.len());
        let Content {
            topic,
            payload,
            properties,
            ..
        } = &self.content;
        let counts = size_of::<[usize; 2]>();
        let fixed = size_of::<Self>() + counts + 3 * BUFFER;
        fixed + topic.len() + payload.len() + properties.byte_len() + publisher
    }
}

/// A message for one session: what its connection keeps of it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    retain: bool,
    /// Whether it is a retained message for a new subscription.
    fresh: bool,
    ids: Ids,
    /// The shared subscription for which it was chosen.
    pub(crate) share: Option<Arc<Share>>,
    held: Option<Held>,
}

#[derive(Clone, Debug)]
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
            fresh: false,
            message: Arc::clone(message),
            ids,
            share,
            held: None,
        }
    }

    /// A retained message, for a new subscription [MQTT-3.3.1-8].
    pub(crate) fn retained(message: &Arc<Message>, subscription: Subscription) -> Self {
        let mut new = Self::new(message, &[subscription], None);
        (new.retain, new.fresh) = (true, true);
        new
    }

    /// The RETAIN flag. In 3.1.1 only a retained message for a new subscription has it [MQTT-3.3.1-9],
    /// also where the subscription is of 5.0, with Retain As Published.
    fn retains(&self, version: Version) -> bool {
        self.retain && (self.fresh || version == Version::V5)
    }

    /// How many bytes it takes at most, as if nobody else had the message.
    pub(crate) fn size(&self) -> usize {
        let ids = size_of_val(self.subscription_ids());
        self.message.size() + size_of::<Self>() + PLACE + ids
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
        content.retain = self.retains(version);
        if version == Version::V311 {
            content.properties = Properties::default();
        }
        content
    }

    fn outline(&self, version: Version) -> Outline {
        let outline = self.message.outline.with_retain(self.retains(version));
        outline.in_version(version)
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

/// A copy is not counted in what is held for a client.
impl Clone for Outgoing {
    fn clone(&self) -> Self {
        Self {
            message: Arc::clone(&self.message),
            ids: self.ids.clone(),
            share: self.share.clone(),
            held: None,
            ..*self
        }
    }
}

/// What is held for one client's messages.
#[derive(Debug, Default)]
pub(crate) struct Account {
    bytes: AtomicUsize,
    /// Messages of QoS 0, which the session does not count.
    loose: AtomicUsize,
}

impl Account {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn loose(&self) -> usize {
        self.loose.load(Ordering::Relaxed)
    }
}

/// A part of an account, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    account: Arc<Account>,
    bytes: usize,
    loose: usize,
}

impl Held {
    pub(crate) fn new(account: &Arc<Account>, bytes: usize, loose: usize) -> Self {
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
