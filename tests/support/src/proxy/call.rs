//! What the application of an end asks of it.

use std::fmt::Debug;
use std::time::Duration;

use mqtt_sansio::connection::{ConnectionError, Role};
use mqtt_sansio::property::AckProperties;
use mqtt_sansio::session::CallId;
use mqtt_sansio::{QoS, ReasonCode, Shared, Version};

use super::OK;
use super::end::{Call, Side};
use super::numbered::number_of;
use crate::answers::explanation;
use crate::choices::Choices;
use crate::link::Pipe;

impl<R: Role + Clone + Debug> Side<R> {
    /// Publishes a message, and perhaps sends so many bytes at once.
    pub(super) fn publish<P>(
        &mut self,
        (qos, message): (QoS, Shared),
        at_once: Option<(Duration, usize)>,
        peer: &mut Side<P>,
        out: &mut Pipe,
    ) {
        let number = number_of(message.payload()).unwrap();
        let call = match at_once.filter(|_| !self.end.is_by_packets()) {
            None => self.end.connection.publish(qos, message).ok(),
            Some((told, room)) => {
                self.listen(out);
                let made = self.end.publish_into(told, room, qos, &message, out);
                self.watched |= !out.is_watched();
                made.ok()
            }
        };
        if let Some(call) = call {
            self.called(call, number, Some(qos));
        }
        self.watch(peer, out);
    }

    /// Takes back one of the messages without an outcome.
    pub(super) fn abandon(&mut self, choices: &mut Choices<'_>) {
        let places = self.open_messages().len();
        if places == 0 {
            return;
        }
        let (id, _) = self.open_messages().remove(choices.below(places));
        let given = self.end.connection.abandon(id);
        let era = self.era;
        if let (Some(message), Some(call)) = (given, self.calls.get_mut(&(era, id))) {
            let number = number_of(message.payload());
            assert_eq!(number, Some(call.number), "another is given back");
            assert!(!call.taken_back, "{call:?} is given back twice");
            call.taken_back = true;
        }
    }

    /// The messages without an outcome.
    fn open_messages(&mut self) -> Vec<(CallId, &mut Call)> {
        let era = self.era;
        let open = self.calls.iter_mut();
        let open = open.filter(|((e, _), call)| *e == era && call.open && call.qos.is_some());
        open.map(|((_, id), call)| (*id, call)).collect()
    }

    /// The place of this message among those without an outcome.
    pub(super) fn place_of(&mut self, number: u32) -> Option<usize> {
        let open = self.open_messages();
        open.iter().position(|(_, call)| call.number == number)
    }

    /// The payload that is being written cannot be had any more.
    pub(super) fn lose_payload(&mut self, told: Duration) {
        let connection = &mut self.end.connection;
        let left = connection.poll_payload().map(|part| part.len);
        let more = left.map_or(1, |left| left + 1);
        let refused = connection.payload_written(told, more);
        assert_eq!(refused, Err(ConnectionError::WrongState));
        connection.payload_lost();
        assert!(connection.poll_payload().is_none());
        assert!(left.is_none() || connection.is_closed(), "{left:?}");
    }

    /// Acknowledges one of the messages that it holds.
    pub(super) fn acknowledge(&mut self, choices: &mut Choices<'_>, kind: bool) {
        if self.held.is_empty() {
            return;
        }
        let at = choices.below(self.held.len());
        let (token, number) = self.held.swap_remove(at);
        let refuses = !kind && choices.one_in(6);
        let explains = choices.one_in(3);
        let connection = &self.end.connection;
        // Without a connection there is no version that has codes.
        let v5 = connection.is_connected() && connection.version() == Version::V5;
        let reason = match refuses && v5 {
            true => ReasonCode::QuotaExceeded,
            false => OK,
        };
        let mut why = AckProperties::default();
        if explains {
            self.explained += 1;
            why = explanation(self.explained, choices.pick([4, 700]));
        }
        let given = self
            .end
            .connection
            .acknowledge_with(token, reason, why.clone());
        if given.is_err() && !self.end.connection.is_connected() && token.qos() == QoS::ExactlyOnce
        {
            // A server has its session once it accepts the connection.
            self.held.push((token, number));
        }
        if given.is_ok() {
            if !v5 || !self.may_explain {
                why = AckProperties::default();
            }
            self.answers.acknowledged(token, reason, why);
            if reason == OK {
                self.takes_over(number);
            }
        }
    }
}
