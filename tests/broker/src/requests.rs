use mqtt_sansio::connection::RequestToken;
use mqtt_sansio::connection::server::Connection;
use mqtt_sansio::packet::Subscription as Request;
use mqtt_sansio::packet::{RetainHandling, Subscribe, Unsubscribe};
use mqtt_sansio::property::SubscriptionId;
use mqtt_sansio::{PacketType, QoS, ReasonCode, Side, Version};

use crate::client::SessionKey;
use crate::message::Outgoing;
use crate::subscriptions::{Place, Subscription};
use crate::{Broker, ConnectionId};

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
        let number = subscribe.properties.subscription_identifier();
        let mut codes = Vec::new();
        for request in &subscribe.subscriptions {
            codes.push(match self.subscribe(key, version, request, number) {
                Ok(QoS::AtMostOnce) => ReasonCode::Success,
                Ok(QoS::AtLeastOnce) => ReasonCode::GrantedQoS1,
                Ok(QoS::ExactlyOnce) => ReasonCode::GrantedQoS2,
                Err(reason) => speakable(version, reason),
            });
        }
        let count = codes.len();
        let send = |connection: &mut Connection<_>| connection.sub_ack(token, codes).is_ok();
        self.answer(id, count, send);
    }

    /// UNSUBSCRIBE: filters are compared character by character [MQTT-3.10.4-1].
    pub(crate) fn handle_unsubscribe(
        &mut self,
        id: ConnectionId,
        request: &Unsubscribe,
        token: RequestToken,
    ) {
        let Some((key, version)) = self.requester(id) else {
            return;
        };
        let mut codes = Vec::new();
        for filter in &request.filters {
            let Some(client) = self.clients.get_mut(&key) else {
                return;
            };
            let known = client.filters.remove(filter.as_bytes());
            if let Some(shared) = known {
                self.subscriptions.remove(&Place::new(&filter, shared), key);
                client.filter_bytes -= filter.len();
            }
            codes.push(match known {
                Some(_) => ReasonCode::Success,
                None => ReasonCode::NoSubscriptionExisted,
            });
        }
        let count = codes.len();
        if version == Version::V311 {
            codes.clear();
        }
        let send = |connection: &mut Connection<_>| connection.unsub_ack(token, codes).is_ok();
        self.answer(id, count, send);
    }

    fn requester(&self, id: ConnectionId) -> Option<(SessionKey, Version)> {
        let link = self.links.get(&id)?;
        Some((link.client?, link.connection.as_ref()?.version()))
    }

    /// Sends an answer with so many codes, unless the client leaves too many unread, or takes none
    /// of that size.
    fn answer(
        &mut self,
        id: ConnectionId,
        codes: usize,
        send: impl FnOnce(&mut Connection<Outgoing>) -> bool,
    ) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if link.answers >= self.config.max_unread_answers {
            return self.close(id, ReasonCode::QuotaExceeded);
        }
        link.answers += codes;
        if !link.connection.as_mut().is_some_and(|it| send(it)) {
            self.close(id, ReasonCode::PacketTooLarge);
        }
    }

    /// Makes or replaces one subscription, and queues its retained messages. Returns the QoS that
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
        if known.is_none() {
            let bytes = client.filter_bytes + request.filter.len();
            let full = client.filters.len() >= self.config.max_subscriptions;
            if full || bytes > self.config.max_subscription_bytes {
                return Err(ReasonCode::QuotaExceeded);
            }
            client.filter_bytes = bytes;
        }
        if let Some(shared) = known.filter(|&shared| shared != place.is_shared()) {
            // The session was resumed in the version that reads the filter differently.
            self.subscriptions
                .remove(&Place::new(&request.filter, shared), key);
        }
        let filter = request.filter.to_owned();
        client.filters.insert(filter, place.is_shared());
        let mut options = request.options;
        options.maximum_qos = options.maximum_qos.min(self.config.maximum_qos);
        let subscription = Subscription { options, id };
        self.subscriptions.insert(&place, key, subscription);

        // No retained messages for shared subscriptions (section 4.8.2).
        let wanted = match options.retain_handling {
            _ if place.is_shared() => false,
            RetainHandling::SendAtSubscribe => true,
            // [MQTT-3.3.1-10]
            RetainHandling::SendIfNew => known.is_none(),
            RetainHandling::DoNotSend => false,
        };
        if wanted {
            let name = client.name.clone();
            for message in self.retained.matching(self.now, &request.filter) {
                let local = options.no_local && message.publisher.as_ref() == Some(&name);
                if !local {
                    self.deliver(key, Outgoing::retained(&message, subscription));
                }
            }
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
