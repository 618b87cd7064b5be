use std::sync::Arc;

use mqtt_sansio::property::AckProperties;
use mqtt_sansio::session::Token;
use mqtt_sansio::{Message as Content, QoS, ReasonCode, Text, Version};

use crate::client::SessionKey;
use crate::message::{Message, Outgoing};
use crate::subscriptions::{Matches, Share};
use crate::{Broker, ConnectionId};

impl Broker {
    /// A client published a message that is not here already.
    pub(crate) fn handle_publish(&mut self, id: ConnectionId, content: &Content, token: Token) {
        let Some((name, version)) = self.sender(id) else {
            return;
        };
        self.stats.messages_received += 1;
        let (topic, qos) = (&content.topic, token.qos());
        if qos > self.config.maximum_qos {
            // 5.0 was told, and the connection has seen to it. 3.1.1 has no answer but this.
            return self.close(id, ReasonCode::QoSNotSupported);
        }
        let allowed = match topic.as_bytes().starts_with(b"$SYS/") {
            true => Err(ReasonCode::NotAuthorized),
            false => self.policy.publish(&name, topic),
        };
        let reason = match allowed {
            // In 3.1.1 the publisher is told by the end of the connection (3.1.1 [MQTT-4.8.0-2]).
            Ok(()) => self.take_over(
                Message::new(self.now, name, qos, content),
                qos > QoS::AtMostOnce,
            ),
            Err(reason) => reason,
        };
        let reason = match version {
            // An answer would say that all is well.
            Version::V311 if reason == ReasonCode::QuotaExceeded => return self.close(id, reason),
            // Nothing can be refused [MQTT-3.3.5-2].
            Version::V311 => ReasonCode::Success,
            Version::V5 => reason,
        };
        let link = self.links.get_mut(&id);
        if let Some(connection) = link.and_then(|link| link.connection.as_mut()) {
            let mut answer =
                |reason| connection.acknowledge_with(token, reason, AckProperties::default());
            // A code that does not fit, of a policy's, is none that says why.
            let _ = answer(reason).or_else(|_| answer(ReasonCode::UnspecifiedError));
        }
    }

    fn sender(&self, id: ConnectionId) -> Option<(Text, Version)> {
        let link = self.links.get(&id)?;
        let client = self.clients.get(&link.client?)?;
        Some((client.name.clone(), link.connection.as_ref()?.version()))
    }

    /// Retains a message if it is to be, and routes it. Returns the code for its publisher.
    ///
    /// What there is no room to retain is refused if its publisher can be told, and else is for those
    /// who subscribe already.
    pub(crate) fn take_over(&mut self, mut message: Message, told: bool) -> ReasonCode {
        message.content.retain &= self.config.retain;
        let message = Arc::new(message);
        if message.content.retain && !self.retain(&message) {
            if told {
                return ReasonCode::QuotaExceeded;
            }
            // Better none than an old one.
            self.retained.remove(&message.content.topic);
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
            self.deliver(key, Outgoing::new(message, &subscriptions, None));
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
            self.deliver(key, Outgoing::new(message, &[subscription], share));
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

    /// Gives a message to a session. QoS 0 needs a connection.
    pub(crate) fn deliver(&mut self, key: SessionKey, outgoing: Outgoing) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let link = client.connection.and_then(|id| self.links.get_mut(&id));
        let connection = link.and_then(|link| link.connection.as_deref_mut());
        if connection.is_none() && outgoing.qos == QoS::AtMostOnce {
            return;
        }
        if !client.push(self.now, &self.config, connection, outgoing) {
            self.stats.messages_dropped += 1;
        }
        if let Some(id) = client.connection {
            self.settle(id);
        }
    }
}
