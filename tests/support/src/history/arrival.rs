//! What arrives at an end (d).

use std::fmt::Debug;
use std::time::Duration;

use mqtt_sansio::connection::{Incoming, Role, Violation};
use mqtt_sansio::packet::Connect;
use mqtt_sansio::session::Token;
use mqtt_sansio::{Message, Packet, QoS};

use super::actor::{Actor, Held};
use super::{number_of, topic_of};
use crate::choices::{Choices, some_time};
use crate::link::Pipe;

impl<R: Role + Clone + Debug> Actor<R> {
    /// A packet has left towards this end.
    pub(super) fn expect(&mut self, packet: Packet) {
        match &packet {
            Packet::Publish(publish) => {
                if let Some(id) = publish.packet_id() {
                    self.numbers.insert(id, number_of(&publish.payload));
                }
            }
            Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) => {}
            _ => return,
        }
        self.expected.push_back(packet);
    }

    /// Takes in the next piece of what has arrived.
    pub(super) fn receive(
        &mut self,
        input: &mut Pipe,
        choices: &mut Choices<'_>,
        now: Duration,
    ) -> Option<Connect> {
        let told = some_time(now, choices);
        let piece = choices.pick([1, 2, 7, 40, 1_000]);
        let found = self.end.receive(told, input, piece);
        if self.end.handed || !self.end.is_by_packets() {
            self.heard(told);
        }
        if self.end.handed {
            self.last_arrival = self.told;
        }
        match found {
            Ok(Some(incoming)) => self.has_come(incoming),
            Ok(None) | Err(Violation::SessionPresent) => None,
            Err(violation) => panic!("{violation}"),
        }
    }

    /// Holds what came in against what had left, which arrives in its order (d): all of it is handed
    /// over but for a duplicate of QoS 2.
    fn has_come(&mut self, incoming: Incoming) -> Option<Connect> {
        let matches = |packet: &Packet| match (packet, &incoming) {
            (Packet::Publish(sent), Incoming::Message(message, token)) => {
                sent.payload == message.payload && sent.packet_id() == token.packet_id()
            }
            (Packet::Subscribe(sent), Incoming::Subscribe(found, _)) => sent == found,
            (Packet::Unsubscribe(sent), Incoming::Unsubscribe(found, _)) => sent == found,
            (Packet::Connect(sent), Incoming::Connect(found)) => *sent == **found,
            _ => false,
        };
        loop {
            let packet = self.expected.pop_front().expect("(d) came before it left");
            if matches(&packet) {
                break;
            }
            let duplicate = matches!(&packet, Packet::Publish(publish)
                if publish.qos() == QoS::ExactlyOnce && self.seen.contains(&number_of(&publish.payload)));
            assert!(
                duplicate,
                "(d) {packet:?} was not handled before {incoming:?}"
            );
        }
        match incoming {
            Incoming::Connect(connect) => return Some(*connect),
            Incoming::Message(message, token) => self.has_message(&message, token),
            Incoming::Subscribe(request, token) => self.requests.push((token, request.into())),
            Incoming::Unsubscribe(request, token) => self.requests.push((token, request.into())),
            other => panic!("{other:?}"),
        }
        None
    }

    /// A message was handed to the user.
    fn has_message(&mut self, message: &Message, token: Token) {
        let number = number_of(&message.payload);
        assert_eq!(message.topic, topic_of(number), "[MQTT-3.3.2-7]");
        self.seen.insert(number);
        if token.qos() == QoS::ExactlyOnce {
            let once = self.handed.insert(number);
            assert!(once, "(d) {number} is handed over a second time");
        }
        let spent = token.qos() == QoS::AtMostOnce;
        if spent {
            *self.delivered.entry(number).or_default() += 1;
        }
        if let Some(id) = token.packet_id() {
            self.receipts.push_back((id, false));
        }
        self.held.push(Held {
            token,
            number,
            link: self.link,
            spent,
        });
    }
}
