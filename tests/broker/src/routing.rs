use std::sync::Arc;
use std::time::Duration;

use mqtt_sansio::connection::ConnectionError;
use mqtt_sansio::connection::server::Connection;
use mqtt_sansio::packet::Publish;
use mqtt_sansio::property::SubscriptionId;
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{QoS, ReasonCode, Version};

use crate::client::{Client, SessionKey};
use crate::config::Config;
use crate::message::{Message, Outgoing};
use crate::subscriptions::{Matches, Share, Subscription};
use crate::sys::Stats;
use crate::{Broker, ConnectionId};

impl Broker {
    /// A client published a message that is not here already.
    pub(crate) fn handle_publish(
        &mut self,
        id: ConnectionId,
        topic: TopicName,
        publish: &Publish<&[u8]>,
    ) {
        let Some((name, version)) = self.sender(id) else {
            return;
        };
        self.stats.messages_received += 1;
        if publish.qos() > self.config.maximum_qos {
            // 5.0 was told, and the connection has seen to it. 3.1.1 has no answer but this.
            return self.close(id, ReasonCode::QoSNotSupported);
        }
        let allowed = match topic.as_bytes().starts_with(b"$SYS/") {
            true => Err(ReasonCode::NotAuthorized),
            false => self.policy.publish(&name, &topic),
        };
        let reason = match allowed {
            Ok(()) => {
                let message = Message::from_publish(self.now, name, topic, publish);
                // In 3.1.1 by the end of the connection (3.1.1 [MQTT-4.8.0-2]).
                self.take_over(message, publish.qos() > QoS::AtMostOnce)
            }
            Err(reason) => reason,
        };
        if version == Version::V311 && reason == ReasonCode::QuotaExceeded {
            // An answer would say that all is well.
            return self.close(id, reason);
        }
        let Some(packet) = publish.delivery.packet_id() else {
            return;
        };
        let reason = match version {
            // Nothing can be refused [MQTT-3.3.5-2].
            Version::V311 => ReasonCode::Success,
            Version::V5 => reason,
        };
        let link = self.links.get_mut(&id);
        if let Some(connection) = link.and_then(|link| link.connection.as_mut()) {
            // A code that does not fit, of a policy's, is none that says why.
            let answered = connection.acknowledge(packet, reason);
            let _ = answered.or_else(|_| {
                let reason = match version {
                    Version::V311 => ReasonCode::Success,
                    Version::V5 => ReasonCode::UnspecifiedError,
                };
                connection.acknowledge(packet, reason)
            });
        }
    }

    fn sender(&self, id: ConnectionId) -> Option<(mqtt_sansio::Text, Version)> {
        let link = self.links.get(&id)?;
        let client = self.clients.get(&link.client?)?;
        Some((client.name.clone(), link.connection.as_ref()?.version()))
    }

    /// Retains a message if it is to be, and routes it. Returns the code for its publisher.
    ///
    /// What there is no room to retain is refused if its publisher can be told, and else is for those
    /// who subscribe already.
    pub(crate) fn take_over(&mut self, mut message: Message, told: bool) -> ReasonCode {
        message.retain &= self.config.retain;
        let message = Arc::new(message);
        if message.retain && !self.retain(&message) {
            if told {
                return ReasonCode::QuotaExceeded;
            }
            // Better none than an old one.
            self.retained.remove(&message.topic);
            self.stats.messages_dropped += 1;
        }
        match self.route(&message) {
            true => ReasonCode::Success,
            false => ReasonCode::NoMatchingSubscribers,
        }
    }

    /// `false` if there is no room.
    pub(crate) fn retain(&mut self, message: &Arc<Message>) -> bool {
        let (count, bytes) = (self.config.max_retained, self.config.max_retained_bytes);
        self.retained.set(self.now, message, count, bytes)
    }

    /// Gives a message to all who subscribe to its topic. `false` if there is nobody.
    pub(crate) fn route(&mut self, message: &Arc<Message>) -> bool {
        let (clients, subscriptions) = (&self.clients, &self.subscriptions);
        let name_of = |key| clients.get(&key).map(|client| &client.name);
        let Matches { own, shares } = subscriptions.matches(message, name_of);
        let anyone = !own.is_empty() || !shares.is_empty();
        for (key, subscriptions) in own {
            self.deliver(key, outgoing(message, &subscriptions, None));
        }
        for share in shares {
            self.deliver_shared(message, &share, |_| true);
        }
        anyone
    }

    /// Gives a message to the member of a share whose turn it is: one that is connected if there is
    /// any, and else, at QoS 1 and 2, one that will be.
    fn deliver_shared(
        &mut self,
        message: &Arc<Message>,
        share: &Arc<Share>,
        may: impl Fn(SessionKey) -> bool,
    ) {
        let clients = &self.clients;
        let connected = |key| {
            let client = clients.get(&key);
            client.is_some_and(|client| client.connection.is_some())
        };
        let chosen = self
            .subscriptions
            .choose(share, |key| may(key) && connected(key));
        let chosen = chosen.or_else(|| self.subscriptions.choose(share, may));
        if let Some((key, subscription)) = chosen {
            let share = Some(Arc::clone(share));
            self.deliver(key, outgoing(message, &[subscription], share));
        }
    }

    /// Hands on what a member of a share does not get any more.
    pub(crate) fn hand_on(&mut self, from: SessionKey, messages: Vec<Outgoing>) {
        for outgoing in messages {
            if let Some(share) = &outgoing.share {
                self.deliver_shared(&outgoing.message, share, |key| key != from);
            }
        }
    }

    /// Queues a message for a session. QoS 0 needs a connection.
    pub(crate) fn deliver(&mut self, key: SessionKey, outgoing: Outgoing) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        if client.connection.is_none() && outgoing.qos == QoS::AtMostOnce {
            return;
        }
        if !client.push(self.now, &self.config, outgoing) {
            self.stats.messages_dropped += 1;
        }
        if let Some(id) = client.connection {
            self.mark_ready(id);
        }
    }
}

/// The one copy that a session gets of a message, for all its subscriptions that match: at the
/// highest QoS that one of them allows, and with all their identifiers [MQTT-3.3.4-4].
fn outgoing(
    message: &Arc<Message>,
    subscriptions: &[Subscription],
    share: Option<Arc<Share>>,
) -> Outgoing {
    let highest = subscriptions.iter().map(|each| each.options.maximum_qos);
    let mut ids: Vec<SubscriptionId> = subscriptions.iter().filter_map(|each| each.id).collect();
    ids.sort();
    let as_published = subscriptions
        .iter()
        .any(|each| each.options.retain_as_published);
    Outgoing {
        message: Arc::clone(message),
        qos: highest.max().unwrap_or(QoS::AtMostOnce).min(message.qos),
        // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
        retain: message.retain && as_published,
        ids,
        share,
        number: 0,
    }
}

impl Outgoing {
    /// A retained message, for a new subscription [MQTT-3.3.1-8].
    pub(crate) fn retained(message: &Arc<Message>, subscription: Subscription) -> Self {
        let mut new = outgoing(message, &[subscription], None);
        new.retain = true;
        new
    }
}

impl Client {
    /// Hands the next message to the connection. `false` if there is none that may be sent now.
    pub(crate) fn feed(
        &mut self,
        connection: &mut Connection,
        now: Duration,
        config: &Config,
        stats: &mut Stats,
    ) -> bool {
        if !connection.is_connected() {
            return false;
        }
        let session = connection.session();
        let quota = session.wants_message() && session.packet_ids_in_use() < config.max_in_flight;
        let Some(outgoing) = self.queue.pop(quota) else {
            return false;
        };
        if outgoing.message.is_expired(now) {
            // [MQTT-3.3.2-5]
            return true;
        }
        let publish = outgoing.to_publish(now, connection.version());
        match connection.publish(outgoing.qos, publish) {
            Ok(Some(id)) => {
                self.launch(id, outgoing);
            }
            Ok(None) => {}
            // It counts as sent [MQTT-3.1.2-25].
            Err(ConnectionError::PacketTooLarge) => stats.messages_dropped += 1,
            // Room was made sure of, and a message for 3.1.1 has no properties.
            Err(_) => stats.messages_dropped += 1,
        }
        true
    }
}
