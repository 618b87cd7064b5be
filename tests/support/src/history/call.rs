//! What a user asks of a connection of either side.

use std::fmt::Debug;

use mqtt_sansio::connection::Role;
use mqtt_sansio::packet::Disconnect;
use mqtt_sansio::property::MessageProperties;
use mqtt_sansio::session::CallId;
use mqtt_sansio::{Message, QoS, ReasonCode, Version};

use super::actor::{Actor, Asked, Record};
use super::{OK, payload_of, same, topic_of};
use crate::choices::Choices;

impl<R: Role + Clone + Debug> Actor<R> {
    pub(super) fn accepted(&mut self, call: CallId, number: u32, asked: Asked) {
        assert!(self.last_call < Some(call), "an identifier is used again");
        self.last_call = Some(call);
        let key = (self.era, call);
        if matches!(asked, Asked::Publish(..)) {
            self.fresh.push(key);
        }
        let record = Record {
            number,
            asked,
            done: false,
            left: false,
            taken_back: false,
            deadline: None,
            restored: false,
            persisted: false,
            accepted: false,
        };
        self.records.insert(key, record);
    }

    pub(super) fn publish(&mut self, number: u32, qos: QoS, message: Message) {
        let before = self.end.connection.clone();
        match self.end.connection.publish(qos, message.clone()) {
            Ok(call) => self.accepted(call, number, Asked::Publish(qos, message)),
            Err(refused) => {
                assert_eq!(refused.given, message, "(b)");
                same(&before, &self.end.connection, "(b)");
            }
        }
    }

    pub(super) fn acknowledge(&mut self, choices: &mut Choices<'_>) {
        if self.held.is_empty() || !self.has_session {
            return;
        }
        let at = choices.below(self.held.len());
        let v5 = self.end.connection.version() == Version::V5;
        let reason = match v5 && self.end.connection.is_connected() {
            true => choices.pick([
                OK,
                OK,
                ReasonCode::NoMatchingSubscribers,
                ReasonCode::QuotaExceeded,
            ]),
            false => OK,
        };
        let held = &mut self.held[at];
        let before = self.end.connection.clone();
        let found = self
            .end
            .connection
            .acknowledge_with(held.token, reason, <_>::default());
        let qos = held.token.qos();
        if qos == QoS::AtMostOnce {
            assert_eq!(found, Ok(()), "(c)");
        }
        let late = qos == QoS::ExactlyOnce || held.link != self.link;
        let live = self.end.connection.is_connected() && !late && !held.spent;
        assert!(found.is_ok() || !live, "(c) {found:?}");
        if found.is_err() || qos == QoS::AtMostOnce {
            same(&before, &self.end.connection, "(c)");
        } else {
            assert!(!held.spent, "(c) acknowledged twice");
            if reason.is_error() {
                self.refused.insert(held.number);
                self.handed.remove(&held.number);
            } else if let (QoS::ExactlyOnce, true) = (qos, self.journal.is_some()) {
                let id = held.token.packet_id().unwrap();
                self.pending.insert(id, held.number);
            } else {
                *self.delivered.entry(held.number).or_default() += 1;
            }
            let id = held.token.packet_id().unwrap();
            if let Some(receipt) = self.receipts.iter_mut().find(|(other, _)| *other == id) {
                receipt.1 = true;
            }
        }
        held.spent = true;
        if self.held.len() > 40 {
            self.held.retain(|held| !held.spent);
        }
    }

    pub(super) fn abandon(&mut self, choices: &mut Choices<'_>) {
        let era = self.era;
        let open = self.records.iter_mut();
        let open = open.filter(|((e, _), record)| *e == era && !record.done);
        let mut open: Vec<_> = open.collect();
        if open.is_empty() || !self.has_session {
            return;
        }
        let at = choices.below(open.len());
        let (key, record) = &mut open[at];
        let before = self.end.connection.clone();
        match (self.end.connection.abandon(key.1), &record.asked) {
            (Some(message), Asked::Publish(_, asked)) => {
                assert!(message == *asked && !record.taken_back, "(a)");
                record.taken_back = true;
            }
            (Some(_), _) => panic!("(a) {record:?}"),
            (None, _) => same(&before, &self.end.connection, "(b)"),
        }
    }

    /// Publishes a message of this number, of any QoS.
    pub(super) fn publish_any(&mut self, number: u32, choices: &mut Choices<'_>, version: Version) {
        let qos = choices.pick([QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let mut message = Message::new(topic_of(number), payload_of(number));
        if version == Version::V5 && choices.one_in(3) {
            let seconds = choices.pick([1, 2, 30]);
            let builder = MessageProperties::builder();
            message.properties = builder.message_expiry_interval(seconds).build();
        }
        self.publish(number, qos, message);
    }

    pub(super) fn disconnect(&mut self) {
        let before = self.end.connection.clone();
        if self.end.connection.disconnect(Disconnect::new(OK)).is_err() {
            same(&before, &self.end.connection, "(b)");
        }
    }
}
