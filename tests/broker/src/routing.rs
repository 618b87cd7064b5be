use std::sync::Arc;

use mqtt_sansio::property::AckProperties;
use mqtt_sansio::session::Token;
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Message as Content, QoS, ReasonCode, Text, Version};

use crate::client::{Dropped, SessionKey};
use crate::message::{Message, Outgoing};
use crate::route::TooMuch;
use crate::subscriptions::Share;
use crate::{Broker, ConnectionId};

impl Broker {
    /// A client published a message that is not here already.
    pub(crate) fn handle_publish(&mut self, id: ConnectionId, content: &Content, token: Token) {
        let Some(name) = self.sender(id) else {
            return;
        };
        self.stats.messages_received += 1;
        let (topic, qos) = (&content.topic, token.qos());
        if qos > self.config.maximum_qos {
            // 5.0 was told, and the connection has seen to it. 3.1.1 has no answer but this.
            return self.close(id, ReasonCode::QoSNotSupported);
        }
        let allowed = match self.is_reserved(topic) {
            true => Err(ReasonCode::NotAuthorized),
            false => self.policy.publish(&name, topic),
        };
        match allowed {
            Ok(()) => {
                let message = Message::new(self.now, name, qos, content);
                self.take_over(message, Some((id, token)));
            }
            Err(reason) => self.answer_message(id, token, reason),
        }
    }

    /// Tells the publisher of a message what has become of it.
    pub(crate) fn answer_message(&mut self, id: ConnectionId, token: Token, reason: ReasonCode) {
        let link = self.links.get_mut(&id);
        let Some(connection) = link.and_then(|link| link.connection.as_mut()) else {
            return;
        };
        let reason = match connection.version() {
            // In 3.1.1 the publisher is told by the end of the connection (3.1.1 [MQTT-4.8.0-2]).
            // An answer would say that all is well.
            Version::V311 if reason == ReasonCode::QuotaExceeded => return self.close(id, reason),
            // Nothing can be refused [MQTT-3.3.5-2].
            Version::V311 => ReasonCode::Success,
            Version::V5 => reason,
        };
        let mut answer =
            |reason| connection.acknowledge_with(token, reason, AckProperties::default());
        // A code that does not fit, of a policy's, is none that says why.
        let _ = answer(reason).or_else(|_| answer(ReasonCode::UnspecifiedError));
    }

    /// Whether clients may not exchange messages on a topic (section 4.7.2).
    pub(crate) fn is_reserved(&self, topic: &TopicName) -> bool {
        let topic = topic.as_bytes();
        topic.starts_with(b"$SYS/") || topic.starts_with(b"$") && !self.config.dollar_topics
    }

    /// A number above all before.
    pub(crate) const fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    fn sender(&self, id: ConnectionId) -> Option<Text> {
        let client = self.links.get(&id)?.client?;
        Some(self.clients.get(&client)?.name.clone())
    }

    /// Retains a message if it is to be, and gives it to its subscribers. Answers its publisher, if
    /// there is one.
    ///
    /// What there is no room to retain is refused if its publisher can be told, and else is for those
    /// who subscribe already.
    pub(crate) fn take_over(&mut self, mut message: Message, from: Option<(ConnectionId, Token)>) {
        message.content.retain &= self.config.retain;
        let message = Arc::new(message);
        if message.content.retain && !self.retain(&message) {
            if let Some((id, token)) = from.filter(|(_, token)| token.qos() > QoS::AtMostOnce) {
                return self.answer_message(id, token, ReasonCode::QuotaExceeded);
            }
            // Better none than an old one.
            self.retained.remove(&message.content.topic);
            self.stats.messages_dropped += 1;
        }
        let connection = from.map(|(id, _)| id);
        match (self.route(message, connection), from) {
            (Ok(reason), Some((id, token))) => self.answer_message(id, token, reason),
            (Err(TooMuch), Some((id, _))) => self.close(id, ReasonCode::ServerBusy),
            (_, None) => {}
        }
    }

    /// `false` if there is no room.
    pub(crate) fn retain(&mut self, message: &Arc<Message>) -> bool {
        let turn = self.next_turn();
        self.retained.set(self.now, turn, message, &self.config)
    }

    /// Gives a message to the member of a share whose turn it is: one that is connected if there is
    /// any, and else, at QoS 1 and 2, one that will be; but `not` this one.
    pub(crate) fn deliver_shared(
        &mut self,
        message: &Arc<Message>,
        share: &Arc<Share>,
        not: Option<SessionKey>,
    ) {
        if let Some((key, subscription)) = self.subscriptions.choose(share, not) {
            let share = Some(Arc::clone(share));
            self.deliver(key, Outgoing::new(message, &[subscription], share));
        }
    }

    /// Hands on what a member of a share does not get any more.
    pub(crate) fn hand_on(&mut self, from: SessionKey, messages: Vec<Outgoing>) {
        for outgoing in messages {
            if let Some(share) = &outgoing.share {
                self.deliver_shared(&outgoing.message, share, Some(from));
            }
        }
    }

    /// Gives a message to a session. QoS 0 needs a connection. `false` if there is no room for others
    /// like it.
    pub(crate) fn deliver(&mut self, key: SessionKey, outgoing: Outgoing) -> bool {
        let Some(client) = self.clients.get_mut(&key) else {
            return false;
        };
        let link = client.connection.and_then(|id| self.links.get_mut(&id));
        let connection = link.and_then(|link| link.connection.as_deref_mut());
        if connection.is_none() && outgoing.qos == QoS::AtMostOnce {
            return false;
        }
        self.journal.touch(key);
        let dropped = client.push(self.now, &self.config, connection, outgoing);
        self.stats.messages_dropped += u64::from(dropped.is_err());
        if let Some(id) = client.connection {
            self.settle(id);
        }
        dropped != Err(Dropped::Full)
    }
}
