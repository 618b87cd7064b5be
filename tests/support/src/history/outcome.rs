//! What an end is told: the outcomes of its calls, and the end of a connection.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use mqtt_sansio::connection::{Answer, Closed, Event, GivenUp, Outcome, Role, Violation};
use mqtt_sansio::session::CallId;
use mqtt_sansio::{Message, Packet, QoS, ReasonCode};

use super::actor::{Actor, Asked, Record};
use super::world::KEEP_ALIVE;
use super::{code_of, number_of};

impl<R: Role + Clone + Debug> Actor<R> {
    /// Holds the events against the calls (a).
    pub(super) fn check_events(
        &mut self,
        peer_codes: &BTreeMap<u32, Vec<ReasonCode>>,
        now: Duration,
    ) {
        while let Some(event) = self.end.connection.poll_event() {
            match event {
                Event::Published(call, outcome) => {
                    let told = self.told;
                    let record = self.done(call);
                    let codes = peer_codes
                        .get(&record.number)
                        .map_or(&[][..], Vec::as_slice);
                    record.check_outcome(outcome, codes, told);
                }
                Event::Subscribed(call, answer) => match (&self.done(call).asked, answer) {
                    (Asked::Subscribe(asked), Answer::GivenUp(given)) => assert_eq!(*given, *asked),
                    (Asked::Subscribe(asked), Answer::Codes(ack)) => {
                        let filters = asked.iter().map(|s| code_of(s.filter.to_str()));
                        assert!(filters.eq(ack.reasons.iter()), "(a)");
                    }
                    (record, answer) => panic!("(a) {record:?} {answer:?}"),
                },
                Event::Unsubscribed(call, answer) => match (&self.done(call).asked, answer) {
                    (Asked::Unsubscribe(asked), Answer::GivenUp(given)) => {
                        assert_eq!(*given, *asked);
                    }
                    (Asked::Unsubscribe(_), Answer::Codes(_)) => {}
                    (record, answer) => panic!("(a) {record:?} {answer:?}"),
                },
                Event::Closed(why) => self.has_closed(why, now),
                Event::Connected(_) => self.established = true,
                Event::Unknown(packet, id) => self.check_unknown(packet, id),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The call has its outcome, the only one (a).
    fn done(&mut self, call: CallId) -> &mut Record {
        let record = self.records.get_mut(&(self.era, call));
        let record = record.unwrap_or_else(|| panic!("(a) no such call: {call}"));
        assert!(!record.done, "(a) a second outcome: {record:?}");
        record.done = true;
        record
    }

    fn has_closed(&mut self, why: Closed, now: Duration) {
        // CONNECT and CONNACK have their time, however they trickle in.
        if why == Closed::TimedOut && self.established {
            let silence = now.saturating_sub(self.last_arrival);
            let least = Duration::from_secs(KEEP_ALIVE.into()) * 3 / 2;
            assert!(silence >= least, "(f) {silence:?}");
        }
        match &why {
            Closed::Malformed(error) => panic!("{error}"),
            Closed::Violated(Violation::SessionPresent) => {}
            Closed::Violated(violation) => panic!("{violation}"),
            _ => {}
        }
        if let Closed::Disconnected(_) = &why {
            let unhandled = self.expected.iter().find(|packet| {
                !matches!(packet,
                Packet::Publish(p) if self.seen.contains(&number_of(&p.payload)))
            });
            assert!(unhandled.is_none(), "(d) {unhandled:?}");
        }
        assert!(self.closed.is_none());
        self.closed = Some(why);
    }

    /// What is owed has left before the end (d).
    pub(super) fn check_end(&self) {
        let kind = matches!(&self.closed, Some(Closed::Disconnected(_) | Closed::Local));
        if kind && self.end.connection.is_closed() {
            assert_eq!(self.answers, 0, "(d)");
            let answered = self.receipts.front().is_some_and(|(_, answered)| *answered);
            assert!(!answered, "(d) {:?}", self.receipts);
        }
    }
}

impl Record {
    /// Holds the outcome of a message against what was asked, and the codes in the answers to it (a).
    fn check_outcome(&mut self, outcome: Outcome<Message>, codes: &[ReasonCode], told: Duration) {
        let Asked::Publish(qos, asked) = &self.asked else {
            panic!("(a) {self:?} is no message");
        };
        let given_back = |message: &Option<Box<Message>>| match message {
            Some(message) => **message == *asked && !self.taken_back,
            None => self.taken_back,
        };
        match outcome {
            Outcome::Sent => assert_eq!(*qos, QoS::AtMostOnce, "(a)"),
            Outcome::Accepted(code) => {
                assert!(codes.contains(&code) && !code.is_error(), "(a)");
                assert!(*qos > QoS::AtMostOnce, "(a)");
                self.accepted = true;
            }
            Outcome::Refused(code, message) => {
                assert!(
                    codes.contains(&code) && *qos > QoS::AtMostOnce,
                    "(a) {code} {self:?}"
                );
                assert!(given_back(&message), "(a) {message:?} {self:?}");
            }
            Outcome::Uncertain(code) => {
                assert_eq!(*qos, QoS::ExactlyOnce, "(a) {code:?} {codes:?} {self:?}");
                // PUBREL for a message that never left is answered, too.
                let answered = code.is_none_or(|code| codes.contains(&code) || !self.left);
                assert!(answered, "(a) {code:?} {self:?}");
            }
            Outcome::GivenUp(why, message) => {
                assert!(given_back(&message), "(a) {why} {message:?} {self:?}");
                if why == GivenUp::Expired {
                    assert!(self.deadline.unwrap() <= told, "(f)");
                    assert!(!self.left || self.restored, "(f)");
                }
                assert!(why != GivenUp::Abandoned || self.taken_back, "(a)");
            }
            other => panic!("{other:?}"),
        }
    }
}
