use core::num::NonZeroU32;
use core::time::Duration;

use super::auth::Turn;
use super::error::ConnectionError;
use super::server::{Connection, Server};
use super::{Closed, State, role};
use crate::message::Publishable;
use crate::packet::{ConnAck, Packet};
use crate::packet_type::PacketType;
use crate::property::PropertyId;
use crate::reason::ReasonCode;
use crate::session::Session;
use crate::side::Side;
use crate::version::Version;

/// The answers of a server to CONNECT.
impl<M: Publishable> Connection<M> {
    /// Accepts CONNECT, with the session that the server has for the client, if any.
    ///
    /// `session` is taken unless the call fails. If the client requests a clean start
    /// [MQTT-3.1.2-4], the messages in it are discarded, each with its outcome. Session Present and
    /// the authentication method are set accordingly, and Response Information is removed unless
    /// the client requested it [MQTT-3.1.2-28]. The limits in the properties of `connack` are
    /// enforced on the client: see [`Limits`](super::Limits). In 5.0,
    /// [`max_packet_size`](super::Connection::max_packet_size) and
    /// [`max_received`](super::Connection::max_received) are added if they are absent. Server Keep
    /// Alive and Session Expiry Interval replace those of the client. Keep alive counts from the
    /// last bytes of the client, which may be older than this call [MQTT-3.1.2-22].
    ///
    /// Call [`handle_bytes`](super::Connection::handle_bytes) afterwards: the client may have sent
    /// packets right behind CONNECT.
    ///
    /// # Errors
    ///
    /// [`WrongState`](ConnectionError::WrongState) if there is no CONNECT to accept,
    /// [`InvalidReasonCode`](ConnectionError::InvalidReasonCode) for any code but success,
    /// [`Authentication`](ConnectionError::Authentication) while the client's AUTH is awaited,
    /// [`ClientIdNotAssigned`](ConnectionError::ClientIdNotAssigned), and
    /// [`PacketTooLarge`](ConnectionError::PacketTooLarge).
    pub fn accept(
        &mut self,
        now: Duration,
        mut connack: ConnAck,
        session: &mut Option<Session<M>>,
    ) -> Result<(), ConnectionError> {
        let now = self.advance(now);
        match self.state {
            State::Connecting { turn: Turn::Peer } => return Err(ConnectionError::Authentication),
            State::Connecting { .. } => {}
            _ => return Err(ConnectionError::WrongState),
        }
        if connack.reason != ReasonCode::Success {
            return Err(ConnectionError::InvalidReasonCode);
        }
        connack.session_present = session.is_some() && !self.agreement.clean_start;
        self.complete(&mut connack)?;
        let chosen = connack.properties.receive_maximum();
        let packet = self.fit_conn_ack(connack)?;
        let Packet::ConnAck(connack) = &packet else {
            return Err(ConnectionError::WrongState);
        };
        self.agreement.settle(Side::Server, connack);
        self.agreement.own.receive_maximum = chosen.unwrap_or(self.settings.max_received);
        self.outbox.greet(packet);
        let limit = self.agreement.own.maximum_packet_size;
        let limit = limit.map_or(self.settings.max_packet_size, NonZeroU32::get);
        self.decoder.set_max_packet_size(limit);
        self.session = session.take().unwrap_or_default();
        if self.settings.record_changes {
            self.session.record_changes();
        }
        self.session.begin_expiry(now);
        if self.agreement.clean_start {
            // What waited has its outcome, and calls are counted on.
            <Server as role::Role>::forget(self);
        }
        // No token of another connection of this client names anything on this one.
        self.role.next_request = self.session.number_deliveries(now);
        self.establish();
        if self.agreement.method.is_some() {
            // The client may send nothing while this side decides [MQTT-3.1.2-30].
            self.role.last = now;
        }
        self.role.accepted = true;
        Ok(())
    }

    /// Adds the properties that CONNACK must have, and removes those that it may not have.
    fn complete(&self, connack: &mut ConnAck) -> Result<(), ConnectionError> {
        if self.agreement.version == Version::V311 {
            return Ok(());
        }
        let properties = &connack.properties;
        if self.agreement.is_anonymous && properties.assigned_client_identifier().is_none() {
            return Err(ConnectionError::ClientIdNotAssigned);
        }
        if let Some(method) = &self.agreement.method {
            let builder = properties.to_builder();
            let builder = builder.authentication_method(method.as_borrowed());
            connack.properties = builder.build();
        } else if properties.authentication_method().is_some() {
            return Err(ConnectionError::Authentication);
        }
        let properties = &connack.properties;
        if !self.agreement.response_information && properties.response_information().is_some() {
            let builder = properties.to_builder();
            connack.properties = builder.without(PropertyId::ResponseInformation).build();
        }
        Ok(())
    }

    /// CONNACK with the limits of this side, or without if the client does not support a packet of
    /// that size.
    fn fit_conn_ack(&self, connack: ConnAck) -> Result<Packet, ConnectionError> {
        let announced = match self.agreement.version {
            Version::V311 => None,
            Version::V5 => self.settings.announce(&connack.properties),
        };
        let Some(properties) = announced else {
            return self.fit(connack.into());
        };
        let mut announcing = connack.clone();
        announcing.properties = properties;
        let packet = self.fit(announcing.into());
        match packet {
            Err(ConnectionError::PacketTooLarge) => self.fit(connack.into()),
            packet => packet,
        }
    }

    /// Refuses CONNECT, with a code of 0x80 or above, and ends the connection [MQTT-3.2.2-7].
    ///
    /// Properties are left out if the client does not support a packet of that size. In 3.1.1, a
    /// code that has no return code there is not sent: the connection ends without CONNACK.
    ///
    /// # Errors
    ///
    /// [`WrongState`](ConnectionError::WrongState) if there is no CONNECT to refuse,
    /// [`InvalidReasonCode`](ConnectionError::InvalidReasonCode), or an
    /// [`Encode`](ConnectionError::Encode) error.
    pub fn refuse(&mut self, connack: ConnAck) -> Result<(), ConnectionError> {
        if !matches!(self.state, State::Connecting { .. }) {
            return Err(ConnectionError::WrongState);
        }
        if !connack.reason.is_error() {
            return Err(ConnectionError::InvalidReasonCode);
        }
        let unspeakable = connack.reason.to_v311(PacketType::ConnAck).is_none();
        let last = match self.agreement.version {
            Version::V311 if unspeakable => None,
            _ => self.fit_last(connack.into())?,
        };
        self.end(Closed::Local, last);
        Ok(())
    }
}
