use mqtt_sansio::connection::RequestToken;
use mqtt_sansio::connection::server::Connection;
use mqtt_sansio::packet::Subscription as Request;
use mqtt_sansio::packet::{RetainHandling, Subscribe, Unsubscribe};
use mqtt_sansio::property::SubscriptionId;
use mqtt_sansio::{PacketType, QoS, ReasonCode, Side, Version};

use crate::backlog::Backlog;
use crate::changes::{Kept, SessionChange};
use crate::client::SessionKey;
use crate::message::Outgoing;
use crate::subscriptions::{Place, Subscription};
use crate::{Broker, ConnectionId};

/// What SUBACK or UNSUBACK takes until it is sent, beside its reason codes.
pub(crate) const ANSWER: usize = 384;

impl Broker {
    /// SUBSCRIBE: one code for each filter, and then the retained messages.
    pub(crate) fn handle_subscribe(
        &mut self,
        id: ConnectionId,
        subscribe: &Subscribe,
        token: RequestToken,
    ) {
        let Some((key, version)) = self.requester(id) else {
            return;
        };
        if self.leaves_too_much_unread(id) {
            return;
        }
        let number = subscribe.properties.subscription_identifier();
        let mut codes = Vec::new();
        for (index, request) in subscribe.subscriptions.iter().enumerate() {
            // No session has room for more, and each costs more to look at than to send.
            let subscribed = match index < self.config.max_subscriptions {
                true => self.subscribe(key, version, request, number),
                false => Err(ReasonCode::QuotaExceeded),
            };
            codes.push(match subscribed {
                Ok(qos) => ReasonCode::from(qos),
                Err(reason) => speakable(version, reason),
            });
        }
        let count = codes.len();
        let send = |connection: &mut Connection<_>| connection.sub_ack(token, codes).is_ok();
        self.answer(id, count, send);
        // What is soon found comes at once.
        while self.steps_left > 0 && self.waiting.contains(&key) {
            self.work_for(key);
        }
    }

    /// UNSUBSCRIBE: filters are compared character by character [MQTT-3.10.4-1].
    pub(crate) fn handle_unsubscribe(
        &mut self,
        id: ConnectionId,
        request: &Unsubscribe,
        token: RequestToken,
    ) {
        let Some((key, _)) = self.requester(id) else {
            return;
        };
        if self.leaves_too_much_unread(id) {
            return;
        }
        let mut codes = Vec::new();
        for filter in &request.filters {
            let Some(client) = self.clients.get_mut(&key) else {
                return;
            };
            let known = client.filters.remove(filter.as_bytes());
            if let Some(shared) = known {
                let place = Place::new(&filter, shared);
                let removed = self.subscriptions.remove(&place, key);
                if let Some(removed) = removed {
                    client.backlog.remove(&removed.turn);
                    if let Some(route) = self.routes.front_mut() {
                        route.forget(key, &removed);
                    }
                }
                client.filter_bytes -= Place::size(filter.len(), shared);
                self.journal
                    .push(key, || SessionChange::Unsubscribed(filter.to_owned()));
            }
            codes.push(match known {
                Some(_) => ReasonCode::Success,
                None => ReasonCode::NoSubscriptionExisted,
            });
        }
        let count = codes.len();
        let send = |connection: &mut Connection<_>| connection.unsub_ack(token, codes).is_ok();
        self.answer(id, count, send);
    }

    fn requester(&self, id: ConnectionId) -> Option<(SessionKey, Version)> {
        let link = self.links.get(&id)?;
        Some((link.client?, link.connection.as_ref()?.version()))
    }

    /// Ends the connection of a client that reads no answers.
    fn leaves_too_much_unread(&mut self, id: ConnectionId) -> bool {
        let answers = self.links.get(&id).map(|link| link.answer_bytes);
        let too_much = answers.is_some_and(|bytes| bytes >= self.config.max_answer_bytes);
        if too_much {
            self.close(id, ReasonCode::QuotaExceeded);
        }
        too_much
    }

    /// Sends an answer with so many codes, unless the client takes none of that size.
    fn answer(
        &mut self,
        id: ConnectionId,
        codes: usize,
        send: impl FnOnce(&mut Connection<Outgoing>) -> bool,
    ) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.answer_bytes += ANSWER + codes;
        if !link.connection.as_mut().is_some_and(|it| send(it)) {
            self.close(id, ReasonCode::PacketTooLarge);
        }
    }

    /// Makes or replaces one subscription, for which retained messages are to be found. Returns the QoS that
    /// is granted, which may be lower than asked for [MQTT-3.2.2-10].
    fn subscribe(
        &mut self,
        key: SessionKey,
        version: Version,
        request: Request<'_>,
        id: Option<SubscriptionId>,
    ) -> Result<QoS, ReasonCode> {
        let place = Place::new(&request.filter, version == Version::V5);
        let client = self.clients.get_mut(&key);
        let client = client.ok_or(ReasonCode::UnspecifiedError)?;
        self.policy.subscribe(&client.name, &request.filter)?;
        let known = client.filters.get(request.filter.as_bytes()).copied();
        let size = |shared| Place::size(request.filter.len(), shared);
        let before = known.map_or(0, size);
        let bytes = client.filter_bytes - before + size(place.is_shared());
        let full = client.filters.len() >= self.config.max_subscriptions && known.is_none();
        let room = !full && self.subscriptions.has_room(&place);
        if !room || bytes > self.config.max_subscription_bytes {
            return Err(ReasonCode::QuotaExceeded);
        }
        client.filter_bytes = bytes;
        let mut old = None;
        if let Some(shared) = known.filter(|&shared| shared != place.is_shared()) {
            // The session was resumed in the version that reads the filter differently.
            let place = Place::new(&request.filter, shared);
            old = self.subscriptions.remove(&place, key);
        }
        let filter = match client.filters.get_key_value(request.filter.as_bytes()) {
            Some((filter, _)) => filter.clone(),
            None => request.filter.to_owned(),
        };
        client.filters.insert(filter.clone(), place.is_shared());
        let mut options = request.options;
        options.maximum_qos = options.maximum_qos.min(self.config.maximum_qos);
        // No retained messages for shared subscriptions (section 4.8.2).
        let wanted = match options.retain_handling {
            _ if place.is_shared() => false,
            RetainHandling::SendAtSubscribe => true,
            // [MQTT-3.3.1-10]
            RetainHandling::SendIfNew => known.is_none(),
            RetainHandling::DoNotSend => false,
        };
        self.turn += 1;
        let turn = self.turn;
        let mut subscription = Subscription {
            turn,
            since: old.map_or(turn, |old| old.since),
            options,
            id,
        };
        let replaced = self.subscriptions.insert(&place, key, subscription);
        let old_turn = replaced.or(old).map_or(turn, |old| old.turn);
        let backlog = client.backlog.remove(&old_turn);
        if wanted {
            let backlog = Backlog::new(filter, subscription);
            client.backlog.insert(turn, backlog);
            self.waiting.insert(key);
        } else if let Some(mut backlog) = backlog.filter(|_| !place.is_shared()) {
            // What an earlier SUBSCRIBE asked for still comes.
            subscription.turn = old_turn;
            backlog.subscription = subscription;
            self.subscriptions.insert(&place, key, subscription);
            client.backlog.insert(old_turn, backlog);
        }
        if let Some(&subscription) = self.subscriptions.get(&place, key) {
            self.journal.push(key, || {
                let kept = Kept {
                    shared: place.is_shared(),
                    subscription,
                    waiting: None,
                };
                SessionChange::Subscribed(request.filter.to_owned(), kept, wanted)
            });
        }
        Ok(options.maximum_qos)
    }
}

/// The code of a refusal as SUBACK may carry it [MQTT-3.8.4-7].
fn speakable(version: Version, reason: ReasonCode) -> ReasonCode {
    let fits = match version {
        _ if !reason.is_error() => false,
        Version::V311 => reason.to_v311(PacketType::SubAck).is_some(),
        Version::V5 => reason.allowed_in(PacketType::SubAck, Some(Side::Server)),
    };
    match fits {
        true => reason,
        false => ReasonCode::UnspecifiedError,
    }
}
