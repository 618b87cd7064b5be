use alloc::boxed::Box;

use super::{ConnectionError, Core, Event, Input, Queued, State, Violation};
use crate::packet::{Ack, Packet, Publish};
use crate::packet_id::PacketId;
use crate::property::{AckProperties, Place, Properties, Property, PropertyId};
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;
use crate::session::{Progress, Receipt, Transmit};
use crate::version::Sender;

impl Core {
    /// A packet of the session came: one of those that both sides send.
    pub(super) fn handle_exchange<B: AsRef<[u8]>>(
        &mut self,
        packet: &Packet<B>,
    ) -> Result<Input, Violation> {
        let answered = match packet {
            Packet::Publish(publish) => publish.qos() > QoS::AtMostOnce,
            _ => matches!(packet, Packet::PubRec(_) | Packet::PubRel(_)),
        };
        if answered && !self.peer.fit(ANSWER_LEN) {
            return Err(Violation::NotSupported(ReasonCode::PacketTooLarge));
        }
        match packet {
            Packet::Publish(publish) => {
                let sender = match self.role {
                    Sender::Client => Sender::Server,
                    Sender::Server => Sender::Client,
                };
                if sender == Sender::Client {
                    let checked = self.own.check_publish(publish.qos(), publish.retain);
                    checked.map_err(Violation::NotSupported)?;
                }
                let topic = self.inbound.resolve(sender, publish)?;
                return Ok(match self.session.handle_publish(publish.delivery)? {
                    Receipt::New => Input::Deliver(topic),
                    Receipt::Duplicate => Input::Duplicate,
                });
            }
            Packet::PubAck(ack) => {
                self.check_problem_information(&ack.properties)?;
                let progress = self.session.handle_pub_ack(ack.packet_id, ack.reason)?;
                self.progress(ack.packet_id, ack.reason, &progress);
            }
            Packet::PubRec(ack) => {
                self.check_problem_information(&ack.properties)?;
                let progress = self.session.handle_pub_rec(ack.packet_id, ack.reason)?;
                self.progress(ack.packet_id, ack.reason, &progress);
            }
            Packet::PubRel(ack) => {
                self.check_problem_information(&ack.properties)?;
                self.session.handle_pub_rel(ack.packet_id)?;
            }
            Packet::PubComp(ack) => {
                self.check_problem_information(&ack.properties)?;
                let progress = self.session.handle_pub_comp(ack.packet_id, ack.reason)?;
                self.progress(ack.packet_id, ack.reason, &progress);
            }
            _ => return Err(Violation::UnexpectedPacket(packet.packet_type())),
        }
        Ok(Input::Done)
    }

    fn progress(&mut self, id: PacketId, reason: ReasonCode, progress: &Progress<Publish>) {
        match progress {
            Progress::Received(_) => self.events.push_back(Event::Received(id)),
            Progress::Completed(_) => self.events.push_back(Event::Completed(id, reason)),
            Progress::Unchanged => {}
        }
    }

    /// The server may explain itself only where it was asked to [MQTT-3.1.2-29].
    pub(super) fn check_problem_information<K, B: AsRef<[u8]>>(
        &self,
        properties: &Properties<K, B>,
    ) -> Result<(), Violation> {
        match self.role {
            Sender::Client if !self.problem_information && explains(properties) => {
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
        message.delivery = match (qos, self.session.next_packet_id()) {
            (QoS::AtLeastOnce, Some(id)) => Delivery::AtLeastOnce(id),
            (QoS::ExactlyOnce, Some(id)) => Delivery::ExactlyOnce(id),
            _ => Delivery::AtMostOnce,
        };
        if self.state == State::Connected {
            self.check_message(&message.as_borrowed())?;
        } else if qos == QoS::AtMostOnce || self.role == Sender::Server {
            return Err(ConnectionError::WrongState);
        }
        if qos == QoS::AtMostOnce {
            self.check_room(self.queue.len())?;
            self.queue.push_back(Queued::Message(message));
            return Ok(None);
        }
        self.check_room(self.session.packet_ids_in_use().into())?;
        Ok(Some(self.session.publish(qos, message)?))
    }

    /// Whether the peer takes a message.
    fn check_message(&self, message: &Publish<&[u8]>) -> Result<(), ConnectionError> {
        if !is_whole(message) {
            return Err(ConnectionError::TopicAlias);
        }
        if self.role == Sender::Client {
            let checked = self.peer.check_publish(message.qos(), message.retain);
            checked.map_err(ConnectionError::NotSupported)?;
        }
        match self.peer.fit(message.encoded_len(self.version)?) {
            true => Ok(()),
            false => Err(ConnectionError::PacketTooLarge),
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
        if !self.fits(&packet)? || (!self.problem_information && self.role == Sender::Server) {
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

    fn fits(&self, packet: &Packet) -> Result<bool, ConnectionError> {
        Ok(self.peer.fit(packet.encoded_len(self.version)?))
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Packet<&[u8]>> {
        if self.unchecked {
            self.drop_unsendable();
        }
        self.current = self.queue.pop_front();
        if self.state == State::Closing && self.queue.is_empty() {
            self.state = State::Closed;
        }
        match &self.current {
            Some(Queued::Message(message)) => {
                let message = self.outbound.put_on(&self.peer, message.as_borrowed());
                return Some(Packet::Publish(message));
            }
            Some(Queued::Packet(packet)) => {
                let greets = matches!(**packet, Packet::Connect(_) | Packet::ConnAck(_));
                self.greeted |= greets;
                return Some(packet.as_borrowed());
            }
            Some(Queued::PingReq) => return Some(Packet::PingReq),
            None => {}
        }
        if self.pongs > 0 {
            self.pongs -= 1;
            return Some(Packet::PingResp);
        }
        let ack = |packet_id, reason| {
            let mut ack = Ack::new(packet_id);
            ack.reason = reason;
            ack
        };
        Some(match self.session.poll_transmit()? {
            Transmit::Publish {
                delivery,
                dup,
                message,
            } => {
                let mut publish = message.as_borrowed();
                (publish.delivery, publish.dup) = (delivery, dup);
                Packet::Publish(self.outbound.put_on(&self.peer, publish))
            }
            Transmit::PubAck(id, reason) => Packet::PubAck(ack(id, reason)),
            Transmit::PubRec(id, reason) => Packet::PubRec(ack(id, reason)),
            Transmit::PubRel(id, reason) => Packet::PubRel(ack(id, reason)),
            Transmit::PubComp(id, reason) => Packet::PubComp(ack(id, reason)),
        })
    }

    /// Gives up the next messages, as long as they were queued before the limits were known and
    /// break them [MQTT-3.1.2-25].
    #[cold]
    fn drop_unsendable(&mut self) {
        if self.state != State::Connected {
            return;
        }
        while let Some((id, message)) = self.session.next_message() {
            let mut publish = message.as_borrowed();
            // Who queued it in the session itself may have left this open.
            if publish.delivery == Delivery::AtMostOnce {
                publish.delivery = Delivery::AtLeastOnce(id);
            }
            if self.check_message(&publish).is_ok() {
                return;
            }
            // The message is there, so that it can be taken.
            let _ = self.session.abandon(id);
            self.events.push_back(Event::Dropped(id));
        }
        self.unchecked = false;
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
