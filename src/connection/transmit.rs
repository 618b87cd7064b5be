use alloc::vec::Vec;

use super::{ConnectionError, Core, Event, Limits, Queued, State, alias};
use crate::packet::{Ack, Packet, Publish};
use crate::packet_id::PacketId;
use crate::property::Properties;
use crate::qos::Delivery;
use crate::session::Transmit;
use crate::side::Side;

impl Core {
    /// Answers a message. What explains the answer is left out where the peer does not want it, or
    /// takes no packet of that size [MQTT-3.4.2-2] [MQTT-3.4.2-3].
    pub(super) fn acknowledge(&mut self, ack: Ack) -> Result<(), ConnectionError> {
        // As long as PUBREC, and with the same codes.
        let len = Packet::PubAck(ack.clone()).encoded_len(self.version)?;
        self.session.acknowledge(ack.packet_id, ack.reason)?;
        let wanted = self.problem_information || self.role == Side::Client;
        let sent = wanted && self.peer.fit(len) && self.state == State::Connected;
        if sent && !ack.properties.is_empty() {
            self.explained.push(ack);
        }
        Ok(())
    }

    /// What to send next. `sent` is told whether that awaits an answer: who looks at what is returned
    /// makes a copy of it.
    #[inline]
    pub(super) fn poll_transmit(&mut self, sent: impl FnOnce(bool)) -> Option<Packet<&[u8]>> {
        if self.unchecked {
            self.drop_unsendable();
        }
        if !self.queue.is_empty() || self.current.is_some() {
            self.current = self.queue.pop_front();
        }
        if self.state == State::Closing && self.queue.is_empty() {
            self.state = State::Closed;
        }
        if let Some(current) = &self.current {
            sent(current.awaits_answer());
            return Some(match current {
                Queued::Message(message) => {
                    let (delivery, dup) = (message.delivery, message.dup);
                    return outgoing(message, delivery, dup, &mut self.outbound, &self.peer);
                }
                Queued::Packet(packet) => {
                    let greets = matches!(**packet, Packet::Connect(_) | Packet::ConnAck(_));
                    self.greeted |= greets;
                    packet.as_borrowed()
                }
                Queued::PingReq => Packet::PingReq,
            });
        }
        if self.pongs > 0 {
            self.pongs -= 1;
            sent(false);
            return Some(Packet::PingResp);
        }
        let transmit = self.session.poll_transmit()?;
        sent(false);
        if let (false, Transmit::PubAck(id, _) | Transmit::PubRec(id, _)) =
            (self.explained.is_empty(), &transmit)
        {
            if let Some(ack) = take(&mut self.explained, *id) {
                let ack = self.explaining.insert(ack).as_borrowed();
                return Some(match transmit {
                    Transmit::PubAck(..) => Packet::PubAck(ack),
                    _ => Packet::PubRec(ack),
                });
            }
        }
        let ack = |packet_id, reason| Ack {
            packet_id,
            reason,
            properties: Properties::EMPTY,
        };
        Some(match transmit {
            Transmit::Publish {
                delivery,
                dup,
                message,
            } => {
                return outgoing(message, delivery, dup, &mut self.outbound, &self.peer);
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

/// Takes what explains the answer to a message.
fn take(explained: &mut Vec<Ack>, id: PacketId) -> Option<Ack> {
    let at = explained.iter().position(|ack| ack.packet_id == id)?;
    Some(explained.swap_remove(at))
}

/// A message as it is sent. Not inlined, so that it is made where it is returned.
#[inline(never)]
fn outgoing<'a>(
    message: &'a Publish,
    delivery: Delivery,
    dup: bool,
    aliases: &'a mut alias::Outbound,
    limits: &Limits,
) -> Option<Packet<&'a [u8]>> {
    let publish = Publish {
        delivery,
        dup,
        ..message.as_borrowed()
    };
    if aliases.is_idle() {
        return Some(Packet::Publish(publish));
    }
    Some(Packet::Publish(aliases.put_on(limits, publish)))
}
