use std::collections::BTreeSet;
use std::sync::Arc;

use mqtt_sansio::connection::server::Connection;
use mqtt_sansio::packet::{Auth, ConnAck, Connect, KeepAlive};
use mqtt_sansio::property::InConnAck;
use mqtt_sansio::property::{ConnAckProperties, MaximumQoS, PropertiesBuilder};
use mqtt_sansio::session::Session;
use mqtt_sansio::{Binary, Packet, PacketType, QoS, ReasonCode, Side, Text, Version};

use crate::changes::SessionChange;
use crate::client::{Client, SessionKey};
use crate::message::Outgoing;
use crate::policy::AuthStep;
use crate::subscriptions::Place;
use crate::timers::Timer;
use crate::{Broker, ConnectionId};

impl Broker {
    pub(crate) fn handle_connect(&mut self, id: ConnectionId, connect: &Connect) {
        let Some(method) = connect.properties.authentication_method() else {
            return self.admit(id, connect, &[]);
        };
        let data = connect.properties.authentication_data();
        let data = data.as_ref().map_or(&[][..], Binary::as_bytes);
        match self.policy.auth(id, method.to_str(), data) {
            AuthStep::Continue(data) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.connect = Some(Box::new(connect.to_owned()));
                }
                self.send_auth(id, ReasonCode::ContinueAuthentication, method, &data);
            }
            AuthStep::Success(data) => self.admit(id, connect, &data),
            AuthStep::Refused(reason) => self.refuse(id, reason),
        }
    }

    /// AUTH: another step before CONNACK, or after it (section 4.12.1).
    pub(crate) fn handle_auth(&mut self, id: ConnectionId, auth: &Auth) {
        // The connection has seen to it that there is a method, and that it is that of CONNECT.
        let Some(method) = auth.properties.authentication_method() else {
            return;
        };
        let data = auth.properties.authentication_data();
        let data = data.as_ref().map_or(&[][..], Binary::as_bytes);
        let step = self.policy.auth(id, method.to_str(), data);
        let connect = self.links.get_mut(&id).and_then(|link| link.connect.take());
        match (step, connect) {
            (AuthStep::Continue(data), connect) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.connect = connect;
                }
                self.send_auth(id, ReasonCode::ContinueAuthentication, method, &data);
            }
            (AuthStep::Success(data), Some(connect)) => {
                self.admit(id, &connect, &data);
            }
            (AuthStep::Success(data), None) => {
                self.send_auth(id, ReasonCode::Success, method, &data);
            }
            (AuthStep::Refused(reason), Some(_)) => self.refuse(id, reason),
            (AuthStep::Refused(reason), None) => {
                let may = reason.allowed_in(PacketType::Disconnect, Some(Side::Server));
                let fallback = ReasonCode::NotAuthorized;
                self.close(id, if may { reason } else { fallback });
            }
        }
    }

    fn send_auth(
        &mut self,
        id: ConnectionId,
        reason: ReasonCode,
        method: Text<&[u8]>,
        data: &[u8],
    ) {
        let mut auth = Auth::new(reason, method);
        if let (false, Ok(data)) = (data.is_empty(), Binary::new(data)) {
            let builder = auth.properties.to_builder();
            auth.properties = builder.authentication_data(data).build();
        }
        let link = self.links.get_mut(&id);
        let connection = link.and_then(|link| link.connection.as_mut());
        if connection.is_none_or(|connection| connection.auth(auth).is_err()) {
            self.refuse(id, ReasonCode::PacketTooLarge);
        }
    }

    /// Refuses a client that may be told to go elsewhere.
    fn refuse_client(&mut self, id: ConnectionId, name: &Text, reason: ReasonCode) {
        let elsewhere = matches!(
            reason,
            ReasonCode::UseAnotherServer | ReasonCode::ServerMoved
        );
        let place = elsewhere.then(|| self.policy.server_reference(name));
        self.refuse_with(id, reason, place.flatten());
    }

    pub(crate) fn refuse(&mut self, id: ConnectionId, reason: ReasonCode) {
        self.refuse_with(id, reason, None);
    }

    fn refuse_with(&mut self, id: ConnectionId, reason: ReasonCode, place: Option<Text>) {
        let link = self.links.get_mut(&id);
        let Some(connection) = link.and_then(|link| link.connection.as_mut()) else {
            return;
        };
        let may = reason.is_error() && reason.allowed_in(PacketType::ConnAck, Some(Side::Server));
        let fallback = ReasonCode::UnspecifiedError;
        let mut connack = ConnAck::new(if may { reason } else { fallback });
        if let (Some(place), Version::V5) = (place, connection.version()) {
            let builder = ConnAckProperties::builder();
            connack.properties = builder.server_reference(place.as_borrowed()).build();
        }
        if connection.refuse(connack).is_err() {
            connection.handle_close();
        }
        self.settle(id);
    }

    /// The client is who it says, as far as an authentication method can tell: everything else.
    fn admit(&mut self, id: ConnectionId, connect: &Connect, auth_data: &[u8]) {
        let version = match self
            .links
            .get(&id)
            .and_then(|link| link.connection.as_ref())
        {
            Some(connection) => connection.version(),
            None => return,
        };
        let name = match connect.client_id.is_empty() {
            true => self.new_name(),
            false => connect.client_id.to_owned(),
        };
        if let Err(reason) = self.check_connect(version, &name, connect) {
            return self.refuse_client(id, &name, reason);
        }
        let connack = self.connack(version, &name, connect, auth_data);
        let takes = connect.properties.maximum_packet_size();
        let takes = takes.and_then(|most| usize::try_from(most.get()).ok());
        let len = Packet::from(connack.as_borrowed()).encoded_len(version);
        if len.is_ok_and(|len| takes.is_some_and(|most| len > most)) {
            // Before there is a session that it could cost.
            return self.refuse(id, ReasonCode::PacketTooLarge);
        }
        self.take_session_over(&name, connect.clean_start);
        let known = self.names.get(&name).copied();
        if known.is_none() && self.clients.len() >= self.config.max_sessions {
            // What 3.1.1 understands is no quota.
            let reason = match version {
                Version::V311 => ReasonCode::ServerUnavailable,
                Version::V5 => ReasonCode::QuotaExceeded,
            };
            return self.refuse(id, reason);
        }
        let key = known.unwrap_or_else(|| self.new_session(&name));
        let now = self.now;
        let mut session = self.resume(key, id, version);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.client = Some(key);
        self.pending.remove(&id);
        let accepted = link
            .connection
            .as_mut()
            .map(|c| c.accept(now, connack, &mut session));
        debug_assert!(matches!(accepted, Some(Ok(()))), "{accepted:?}");
        if let Some(client) = self.clients.get_mut(&key).filter(|_| self.journal.is_on) {
            let will = connect.will.as_ref();
            client.last_will = will.map(|will| Box::new(will.to_owned()));
        }
        self.record_presence(key);
        self.settle(id);
    }

    /// The client is back: nothing waits for it any more, and its session goes on.
    fn resume(
        &mut self,
        key: SessionKey,
        id: ConnectionId,
        version: Version,
    ) -> Option<Session<Outgoing>> {
        self.set_present(key, true);
        let client = self.clients.get_mut(&key)?;
        (client.connection, client.version) = (Some(id), version);
        if let Some(at) = client.ends_at.take() {
            self.timers.cancel(at, Timer::Session(key));
        }
        // The client is back before the delay was over [MQTT-3.1.3-9].
        if let Some((at, _)) = client.will.take() {
            self.timers.cancel(at, Timer::Session(key));
        }
        client.session.take()
    }

    /// Tells the shares of a session whether it is connected.
    fn set_present(&mut self, key: SessionKey, present: bool) {
        let filters = self.clients.get(&key).map(|client| &client.filters);
        for (filter, _) in filters.into_iter().flatten().filter(|(_, shared)| **shared) {
            let filter = filter.as_borrowed();
            let place = Place::new(&filter, true);
            self.subscriptions.set_present(&place, key, present);
        }
    }

    fn check_connect(
        &mut self,
        version: Version,
        name: &Text,
        connect: &Connect,
    ) -> Result<(), ReasonCode> {
        let user_name = connect.user_name.as_ref().map(Text::as_bytes);
        let password = connect.password.as_ref().map(Binary::as_bytes);
        self.policy.connect(name, user_name, password)?;
        let Some(will) = &connect.will else {
            return Ok(());
        };
        if will.qos > self.config.maximum_qos {
            return Err(ReasonCode::QoSNotSupported);
        }
        if will.retain && !self.config.retain && version == Version::V5 {
            return Err(ReasonCode::RetainNotSupported);
        }
        match self.is_reserved(&will.topic) {
            // It is dropped when it is due.
            true => Ok(()),
            false => self.policy.publish(name, &will.topic),
        }
    }

    /// A name that no session has.
    fn new_name(&self) -> Text {
        let mut number = self.next_key;
        loop {
            let name = Text::try_from(format!("auto-{number}")).unwrap_or_default();
            if !self.names.contains_key(&name) {
                return name;
            }
            number += 1;
        }
    }

    fn new_session(&mut self, name: &Text) -> SessionKey {
        let key = SessionKey(self.next_key);
        self.next_key += 1;
        self.clients.insert(key, Client::new(name.clone()));
        self.names.insert(name.clone(), key);
        self.journal
            .push(key, || SessionChange::Opened(name.clone()));
        key
    }

    /// Closes the connection that has this client identifier [MQTT-3.1.4-3], and ends its session if
    /// the new one starts clean [MQTT-3.1.2-4].
    fn take_session_over(&mut self, name: &Text, clean_start: bool) {
        let Some(&key) = self.names.get(name) else {
            return;
        };
        if let Some(old) = self.clients.get(&key).and_then(|client| client.connection) {
            self.close(old, ReasonCode::SessionTakenOver);
        }
        if clean_start {
            self.end_session(key);
        }
    }

    /// What the client has to know.
    fn connack(
        &mut self,
        version: Version,
        name: &Text,
        connect: &Connect,
        auth_data: &[u8],
    ) -> ConnAck {
        let mut connack = ConnAck::new(ReasonCode::Success);
        if version == Version::V311 {
            return connack;
        }
        let asks = connect.properties.request_response_information();
        let response_information = match asks.unwrap_or(false) {
            true => self.policy.response_information(name),
            false => None,
        };
        let config = &self.config;
        let mut builder = ConnAckProperties::builder();
        let asked = connect.properties.session_expiry_interval().unwrap_or(0);
        if asked > config.max_session_expiry {
            builder = builder.session_expiry_interval(config.max_session_expiry);
        }
        if config.receive_maximum.get() < u16::MAX {
            builder = builder.receive_maximum(config.receive_maximum);
        }
        builder = match config.maximum_qos {
            QoS::AtMostOnce => builder.maximum_qos(MaximumQoS::AtMostOnce),
            QoS::AtLeastOnce => builder.maximum_qos(MaximumQoS::AtLeastOnce),
            QoS::ExactlyOnce => builder,
        };
        if !config.retain {
            builder = builder.retain_available(false);
        }
        builder = builder.maximum_packet_size(config.maximum_packet_size);
        if connect.client_id.is_empty() {
            builder = builder.assigned_client_identifier(name.as_borrowed());
        }
        if let Some(text) = &response_information {
            builder = builder.response_information(text.as_borrowed());
        }
        if let Some(method) = connect.properties.authentication_method() {
            builder = builder.authentication_method(method);
        }
        if config.topic_alias_maximum > 0 {
            builder = builder.topic_alias_maximum(config.topic_alias_maximum);
        }
        if !config.shared {
            builder = builder.shared_subscription_available(false);
        }
        let keep_alive = connect.keep_alive;
        let most = KeepAlive::from_secs(config.max_keep_alive);
        if most != KeepAlive::OFF && (keep_alive == KeepAlive::OFF || keep_alive > most) {
            builder = builder.server_keep_alive(most.as_secs());
        }
        connack.properties = with_data(builder, auth_data).build();
        connack
    }

    /// A connection is over: its session waits for the next one, or ends with it.
    pub(crate) fn suspend(
        &mut self,
        key: SessionKey,
        mut connection: Connection<Outgoing>,
        session: Option<Session<Outgoing>>,
    ) {
        let expiry = connection.session_expiry_interval();
        self.set_present(key, false);
        let will = connection.take_will();
        self.leave(key, expiry, session, will);
        let lost = std::iter::from_fn(|| connection.poll_event());
        let lost: Vec<_> = lost.filter_map(|event| self.stats.count(event)).collect();
        self.hand_on(key, lost);
    }

    /// Gives what a member of a share cannot get now to another one that can.
    pub(crate) fn hand_over_shares(&mut self, key: SessionKey) {
        let Some(client) = self.clients.get(&key) else {
            return;
        };
        let shares: BTreeSet<_> = client.shares().map(Arc::clone).collect();
        let takers = shares.into_iter();
        let takers = takers.filter(|share| self.subscriptions.is_attended(share));
        let takers: BTreeSet<_> = takers.collect();
        if takers.is_empty() {
            return;
        }
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let messages = client.take_shared(|share| takers.contains(share));
        self.hand_on(key, messages);
    }
}

fn with_data(builder: PropertiesBuilder<InConnAck>, data: &[u8]) -> PropertiesBuilder<InConnAck> {
    match (data.is_empty(), Binary::new(data)) {
        (false, Ok(data)) => builder.authentication_data(data),
        _ => builder,
    }
}
