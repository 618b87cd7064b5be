use alloc::boxed::Box;

use bytes::Bytes;

use super::server::Connection;
use super::{Closed, Input, Turn, Violation};
use crate::packet::{Connect, Disconnect, Packet};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::reason::ReasonCode;
use crate::version::Version;

/// What the server makes of a packet.
impl Connection {
    pub(super) fn handle_connect<B: AsRef<[u8]>>(
        &mut self,
        version: Version,
        connect: &Connect<B>,
    ) -> Result<Input, Violation> {
        self.core.peer = self.core.begin(version, connect);
        if version == Version::V311 && connect.client_id.is_empty() && !connect.clean_start {
            return Err(Violation::EmptyClientId);
        }
        if self.core.method.is_some() {
            self.core.turn = Turn::Own;
        }
        self.keep_alive = connect.keep_alive;
        self.clean_start = connect.clean_start;
        let asked = connect.properties.request_response_information();
        self.response_information = asked == Some(true);
        let copy = |field: &B| Bytes::copy_from_slice(field.as_ref());
        let will = connect.will.as_ref();
        self.will = will.map(|will| Box::new(will.map(copy)));
        Ok(Input::Answer)
    }

    /// A packet between CONNECT and CONNACK.
    pub(super) fn handle_early<B: AsRef<[u8]>>(
        &mut self,
        packet: &Packet<B>,
    ) -> Result<Input, Violation> {
        match packet {
            Packet::Auth(auth) => self.core.handle_auth(auth),
            Packet::Disconnect(disconnect) => self.handle_disconnect(disconnect),
            Packet::Publish(_)
            | Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
                // [MQTT-3.1.2-30]
                if self.core.method.is_none() =>
            {
                Ok(Input::Early)
            }
            _ => Err(Violation::UnexpectedPacket(packet.packet_type())),
        }
    }

    /// A packet on an established connection.
    pub(super) fn handle<B: AsRef<[u8]>>(
        &mut self,
        packet: &Packet<B>,
    ) -> Result<Input, Violation> {
        match packet {
            Packet::Subscribe(subscribe) => {
                let checked = self.core.own.check_subscribe(subscribe);
                checked.map_err(Violation::NotSupported)?;
                let filters = subscribe.subscriptions.iter().count();
                self.begin_request(PacketType::Subscribe, subscribe.packet_id, filters)
            }
            Packet::Unsubscribe(unsubscribe) => {
                let filters = match self.core.version {
                    // UNSUBACK has no codes.
                    Version::V311 => 0,
                    Version::V5 => unsubscribe.filters.iter().count(),
                };
                self.begin_request(PacketType::Unsubscribe, unsubscribe.packet_id, filters)
            }
            Packet::PingReq => {
                self.core.pongs = self.core.pongs.saturating_add(1);
                Ok(Input::Done)
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(disconnect),
            Packet::Auth(auth) => self.core.handle_auth(auth),
            _ => self.core.handle_exchange(packet),
        }
    }

    fn handle_disconnect<B: AsRef<[u8]>>(
        &mut self,
        disconnect: &Disconnect<B>,
    ) -> Result<Input, Violation> {
        if let Some(seconds) = disconnect.properties.session_expiry_interval() {
            if self.core.asked_expiry == 0 && seconds > 0 {
                return Err(Violation::SessionExpiry);
            }
            self.core.session_expiry = seconds;
        }
        // [MQTT-3.1.2-10] [MQTT-3.14.4-3]
        if disconnect.reason == ReasonCode::Success {
            self.will = None;
        }
        self.core.end(Closed::Disconnected(disconnect.reason), None);
        Ok(Input::Done)
    }

    fn begin_request(
        &mut self,
        packet: PacketType,
        id: PacketId,
        filters: usize,
    ) -> Result<Input, Violation> {
        if self.requests.iter().any(|request| request.0 == id) {
            return Err(Violation::RequestInUse);
        }
        self.requests.push((id, packet, filters));
        Ok(Input::Answer)
    }
}
