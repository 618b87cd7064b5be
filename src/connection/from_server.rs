use super::client::Connection;
use super::{Closed, Event, Input, Limits, Violation};
use crate::packet::{ConnAck, KeepAlive, Packet};
use crate::reason::ReasonCode;
use crate::version::Version;

/// What the client makes of a packet.
impl Connection {
    /// A packet before CONNACK, which may be AUTH or CONNACK [MQTT-3.2.0-1].
    pub(super) fn handle_answer<B: AsRef<[u8]>>(
        &mut self,
        packet: &Packet<B>,
    ) -> Result<Input, Violation> {
        match packet {
            Packet::ConnAck(connack) => self.handle_conn_ack(connack),
            Packet::Auth(auth) => self.core.handle_auth(auth),
            _ => Err(Violation::UnexpectedPacket(packet.packet_type())),
        }
    }

    fn handle_conn_ack<B: AsRef<[u8]>>(
        &mut self,
        connack: &ConnAck<B>,
    ) -> Result<Input, Violation> {
        if connack.reason != ReasonCode::Success {
            self.core.end(Closed::Refused(connack.reason), None);
            return Ok(Input::Done);
        }
        let properties = &connack.properties;
        self.core.check_method(properties.authentication_method())?;
        let session_present = connack.session_present;
        let name = self.session_name.as_ref();
        let known = self.known && name.is_none_or(|name| *name == self.client_id);
        // 3.1.1 lets a client without a session go on with the server's.
        let unknown = !known && self.core.version == Version::V5;
        if session_present && (self.clean_start || unknown) {
            return Err(Violation::SessionPresent);
        }
        if !(session_present && known) {
            // [MQTT-3.2.2-5] [MQTT-3.1.2-4]
            self.core.session.reset();
        }
        self.known = true;
        let assigned = properties.assigned_client_identifier();
        self.session_name = Some(match assigned {
            Some(name) => name.to_owned(),
            None => self.client_id.clone(),
        });
        self.core.session_expiry = properties
            .session_expiry_interval()
            .unwrap_or(self.core.asked_expiry);
        self.core.peer = Limits::new(self.core.version, properties);
        // The server's replaces this side's [MQTT-3.1.2-21] [MQTT-3.2.2-21].
        let keep_alive = match properties.server_keep_alive() {
            Some(seconds) => KeepAlive::from_secs(seconds),
            None => self.keep_alive,
        };
        self.pinger.keep_alive(keep_alive.interval());
        self.core.establish();
        let event = Event::Connected { session_present };
        self.core.events.push_back(event);
        Ok(Input::Done)
    }

    /// A packet on an established connection.
    pub(super) fn handle<B: AsRef<[u8]>>(
        &mut self,
        packet: &Packet<B>,
    ) -> Result<Input, Violation> {
        let core = &mut self.core;
        match packet {
            Packet::SubAck(ack) => {
                core.check_problem_information(&ack.properties)?;
                let (id, codes) = (ack.packet_id, ack.reasons.iter().len());
                core.session
                    .handle_sub_ack(id, codes)
                    .map_err(Violation::Session)?;
                core.events.push_back(Event::Subscribed(id));
            }
            Packet::UnsubAck(ack) => {
                core.check_problem_information(&ack.properties)?;
                let (id, codes) = (ack.packet_id, ack.reasons.iter().len());
                core.session
                    .handle_unsub_ack(id, codes)
                    .map_err(Violation::Session)?;
                core.events.push_back(Event::Unsubscribed(id));
            }
            Packet::PingResp => self.pinger.answered(),
            Packet::Disconnect(disconnect) if core.version == Version::V5 => {
                core.end(Closed::Disconnected(disconnect.reason), None);
            }
            Packet::Auth(auth) => return core.handle_auth(auth),
            _ => return core.handle_exchange(packet),
        }
        Ok(Input::Done)
    }
}
