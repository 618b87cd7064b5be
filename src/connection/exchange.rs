use alloc::boxed::Box;

use super::{ConnectionError, Core, Event, Input, Queued, State, Violation};
use crate::packet::{Packet, Publish};
use crate::packet_id::PacketId;
use crate::property::{AckProperties, Place, Properties, Property, PropertyId};
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;
use crate::session::{Progress, Receipt, SessionError};
use crate::side::Side;

impl Core {
    /// A packet of the session came: one of those that both sides send.
    pub(super) fn handle_exchange<B: AsRef<[u8]>>(
        &mut self,
        packet: &Packet<B>,
    ) -> Result<Input, Violation> {
        if !self.peer.fit(ANSWER_LEN) && is_answered(packet) {
            return Err(Violation::NotSupported(ReasonCode::PacketTooLarge));
        }
        match packet {
            Packet::Publish(publish) => {
                let sender = match self.role {
                    Side::Client => Side::Server,
                    Side::Server => Side::Client,
                };
                if sender == Side::Client {
                    let checked = self.own.check_publish(publish.qos(), publish.retain);
                    checked.map_err(Violation::NotSupported)?;
                }
                let topic = self.inbound.resolve(sender, publish)?;
                return Ok(match self.session.handle_publish(publish.delivery)? {
                    Receipt::New => Input::Deliver(topic),
                    Receipt::Duplicate => Input::Duplicate,
                });
            }
            Packet::PubRel(ack) => {
                self.check_problem_information(&ack.properties)?;
                self.session.handle_pub_rel(ack.packet_id)?;
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
                self.check_problem_information(&ack.properties)?;
                let (id, reason) = (ack.packet_id, ack.reason);
                // Nobody asks for the message, so it is dropped where it is.
                let drop = |message: &mut Option<_>| {
                    *message = None;
                    None::<()>
                };
                match self
                    .session
                    .handle_ack(packet.packet_type(), id, reason, drop)?
                {
                    Progress::Received(_) => self.events.push_back(Event::Received(id)),
                    Progress::Completed(_) => self.events.push_back(Event::Completed(id, reason)),
                    Progress::Unchanged => {}
                }
            }
            _ => return Err(Violation::UnexpectedPacket(packet.packet_type())),
        }
        Ok(Input::Done)
    }

    /// The server may explain itself only where it was asked to [MQTT-3.1.2-29].
    pub(super) fn check_problem_information<K, B: AsRef<[u8]>>(
        &self,
        properties: &Properties<K, B>,
    ) -> Result<(), Violation> {
        match self.role {
            Side::Client if !self.problem_information && explains(properties) => {
                Err(Violation::ProblemInformation)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn publish(
        &mut self,
        qos: QoS,
        mut message: Publish,
    ) -> Result<Option<PacketId>, ConnectionError> {
        if !is_whole(&message) {
            return Err(ConnectionError::TopicAlias);
        }
        message.dup = false;
        let id = self.session.next_packet_id();
        message.delivery = match (qos, id) {
            (QoS::AtLeastOnce, Some(id)) => Delivery::AtLeastOnce(id),
            (QoS::ExactlyOnce, Some(id)) => Delivery::ExactlyOnce(id),
            _ => Delivery::AtMostOnce,
        };
        if self.state == State::Connected {
            self.check_message(&message)?;
        } else if qos == QoS::AtMostOnce || self.role == Side::Server {
            return Err(ConnectionError::WrongState);
        }
        if qos == QoS::AtMostOnce {
            self.check_room(self.queue.len())?;
            self.queue.push_back(Queued::Message(message));
            return Ok(None);
        }
        self.check_room(self.session.packet_ids_in_use().into())?;
        let id = id.ok_or(SessionError::PacketIdsExhausted)?;
        self.session.publish_as(qos, id, message)?;
        Ok(Some(id))
    }

    /// Whether the peer takes a message.
    pub(super) fn check_message<B: AsRef<[u8]>>(
        &self,
        message: &Publish<B>,
    ) -> Result<(), ConnectionError> {
        if !is_whole(message) {
            return Err(ConnectionError::TopicAlias);
        }
        if self.role == Side::Client {
            let checked = self.peer.check_publish(message.qos(), message.retain);
            checked.map_err(ConnectionError::NotSupported)?;
        }
        match self.peer.fit(message.encoded_len(self.version)?) {
            true => Ok(()),
            false => Err(ConnectionError::PacketTooLarge),
        }
    }

    pub(super) fn check_connected(&self) -> Result<(), ConnectionError> {
        match self.state {
            State::Connected => Ok(()),
            _ => Err(ConnectionError::WrongState),
        }
    }

    pub(super) fn check_room(&self, used: usize) -> Result<(), ConnectionError> {
        match used < self.max_queued {
            true => Ok(()),
            false => Err(ConnectionError::QueueFull),
        }
    }

    /// Queues a packet, if need be without what explains it.
    pub(super) fn send(&mut self, mut packet: Packet) -> Result<(), ConnectionError> {
        if !self.fits(&packet)? || (!self.problem_information && self.role == Side::Server) {
            let refused = !self.fits(&packet)?;
            match &mut packet {
                Packet::SubAck(ack) | Packet::UnsubAck(ack) => {
                    ack.properties = AckProperties::default();
                }
                Packet::Auth(auth) => auth.properties = unexplained(&auth.properties),
                // These two may explain themselves at any time.
                Packet::ConnAck(ack) if refused => ack.properties = unexplained(&ack.properties),
                Packet::Disconnect(last) if refused => {
                    last.properties = unexplained(&last.properties);
                }
                _ => {}
            }
        }
        match self.fits(&packet)? {
            true => self.queue.push_back(Queued::Packet(Box::new(packet))),
            false => return Err(ConnectionError::PacketTooLarge),
        }
        Ok(())
    }

    /// Queues the packet that ends the connection: without properties if it is too large with them,
    /// and none if it still is.
    pub(super) fn send_last(&mut self, mut packet: Packet) -> Result<(), ConnectionError> {
        let sent = self.send(packet.clone());
        if sent != Err(ConnectionError::PacketTooLarge) {
            return sent;
        }
        match &mut packet {
            Packet::ConnAck(ack) => ack.properties = Properties::default(),
            Packet::Disconnect(last) => last.properties = Properties::default(),
            _ => {}
        }
        match self.send(packet) {
            Err(ConnectionError::PacketTooLarge) => Ok(()),
            sent => sent,
        }
    }

    fn fits(&self, packet: &Packet) -> Result<bool, ConnectionError> {
        Ok(self.peer.fit(packet.encoded_len(self.version)?))
    }
}

/// Whether an acknowledgement is due for a packet.
fn is_answered<B>(packet: &Packet<B>) -> bool {
    match packet {
        Packet::Publish(publish) => publish.qos() > QoS::AtMostOnce,
        _ => matches!(packet, Packet::PubRec(_) | Packet::PubRel(_)),
    }
}

/// The length of an acknowledgement with a code. Who takes none of that length cannot be answered
/// [MQTT-3.2.2-15].
const ANSWER_LEN: usize = 5;

/// Whether a message has its topic, and no alias of some connection.
fn is_whole<B: AsRef<[u8]>>(message: &Publish<B>) -> bool {
    message.topic.is_some() && message.properties.topic_alias().is_none()
}

/// Whether there is a Reason String or a User Property.
fn explains<K, B: AsRef<[u8]>>(properties: &Properties<K, B>) -> bool {
    let mut properties = properties.iter();
    properties.any(|property| {
        matches!(
            property,
            Property::ReasonString(_) | Property::UserProperty(_)
        )
    })
}

fn unexplained<K: Place, B: AsRef<[u8]>>(properties: &Properties<K, B>) -> Properties<K> {
    let builder = properties.to_builder().without(PropertyId::ReasonString);
    builder.without(PropertyId::UserProperty).build()
}
