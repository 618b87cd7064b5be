use alloc::boxed::Box;

use super::error::Violation;
use super::event::{Event, Incoming, Outcome, RequestToken};
use super::role::Role;
use super::{Closed, Connection, State};
use crate::error::DecodeError;
use crate::message::Publishable;
use crate::packet::{Packet, Publish};
use crate::property::{Properties, Property, TopicAlias};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::session::{Effect, Fate, Session, Token};
use crate::side::Side;
use crate::topic::TopicName;
use crate::version::Version;

/// The part of a packet on which the caller has to act, if any.
#[derive(Clone, Copy, Debug)]
#[expect(unnameable_types, reason = "public in the sealed trait alone")]
pub enum Verdict {
    Done,
    Connect,
    Deliver,
    Request(RequestToken),
    Auth,
    Early,
    /// A message that was skipped.
    Skipped(DecodeError, Option<Token>),
}

impl<R: Role, M: Publishable> Connection<R, M> {
    /// Handles a packet, and ends the connection if it breaks a rule.
    #[inline]
    pub(super) fn judge<B: AsRef<[u8]>>(
        &mut self,
        version: Version,
        packet: &Packet<B>,
    ) -> Result<Verdict, Violation> {
        if self.is_over() {
            // What the peer sent before it knew.
            return Ok(Verdict::Done);
        }
        match R::judge(self, version, packet) {
            Ok(verdict) => Ok(verdict),
            Err(violation) => match self.let_go(violation, version, packet.as_borrowed()) {
                Some(verdict) => Ok(verdict),
                None => {
                    self.violate(violation);
                    Err(violation)
                }
            },
        }
    }

    /// Ends the connection, as the peer broke a rule.
    #[cold]
    pub(super) fn violate(&mut self, violation: Violation) {
        // Nothing is said to a peer that begins with another packet than CONNECT.
        let last = match (&self.state, violation) {
            (State::Idle, Violation::UnexpectedPacket(_)) => None,
            _ => self.farewell(violation.reason_code()),
        };
        self.end(Closed::Violated(violation), last);
    }

    /// Handles a packet of those that both sides send, on an established connection.
    #[inline(never)]
    pub(super) fn handle_exchange<B: AsRef<[u8]>>(
        &mut self,
        packet: &Packet<B>,
    ) -> Result<Verdict, Violation> {
        if !self.agreement.peer.fit(ANSWER_LEN) {
            check_unanswered(packet)?;
        }
        match packet {
            Packet::Publish(publish) => self.handle_publish(publish),
            Packet::PubRel(ack) => {
                self.check_problem_information(&ack.properties)?;
                if self.outbox.has_explanations() {
                    // PUBREC that has not been sent is not sent any more.
                    let delivery = self.session.delivery(ack.packet_id);
                    self.outbox.take_explanation(delivery);
                }
                self.session.handle_pub_rel(ack.packet_id)?;
                Ok(Verdict::Done)
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
                self.check_problem_information(&ack.properties)?;
                let (packet, reason) = (packet.packet_type(), ack.reason);
                if self.is_writing(ack.packet_id) {
                    // The peer cannot have it yet.
                    self.report_unknown(packet, ack.packet_id);
                    return Ok(Verdict::Done);
                }
                let events = &mut self.events;
                let completed = |call, fate, message: &mut Option<M>| {
                    let published = |outcome| Event::Published(call, outcome);
                    match fate {
                        Fate::Accepted => {
                            events.push_made(|| published(Outcome::Accepted(reason)));
                        }
                        Fate::Refused => {
                            let message = message.take().map(Box::new);
                            events.push_back(published(Outcome::Refused(reason, message)));
                        }
                        Fate::Uncertain => {
                            events.push_back(published(Outcome::Uncertain(Some(reason))));
                        }
                    }
                };
                let effect = self
                    .session
                    .handle_ack(packet, ack.packet_id, reason, completed)?;
                if effect == Effect::Unknown {
                    self.report_unknown(packet, ack.packet_id);
                }
                Ok(Verdict::Done)
            }
            _ => Err(Violation::UnexpectedPacket(packet.packet_type())),
        }
    }

    #[inline]
    fn handle_publish<B: AsRef<[u8]>>(
        &mut self,
        publish: &Publish<B>,
    ) -> Result<Verdict, Violation> {
        let sender = match R::SIDE {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        if sender == Side::Client {
            let checked = self
                .agreement
                .own
                .check_publish(publish.qos(), publish.retain);
            checked.map_err(Violation::NotSupported)?;
        }
        let own = &self.agreement.own;
        self.peer_aliases.note(own, sender, publish)?;
        if !self.session.take_publish(publish.delivery)? {
            return Ok(Verdict::Done);
        }
        Ok(Verdict::Deliver)
    }

    /// Succeeds if the server was asked for problem information or sent none [MQTT-3.1.2-29].
    #[inline]
    pub(super) fn check_problem_information<K, B: AsRef<[u8]>>(
        &self,
        properties: &Properties<K, B>,
    ) -> Result<(), Violation> {
        if properties.is_empty() || R::SIDE == Side::Server || self.agreement.problem_information {
            return Ok(());
        }
        let explains = |property| {
            matches!(
                property,
                Property::ReasonString(_) | Property::UserProperty(_)
            )
        };
        match properties.iter().any(explains) {
            true => Err(Violation::ProblemInformation),
            false => Ok(()),
        }
    }
}

/// Builds the value on which the caller has to act. `aliased` finds the topic of a topic alias.
#[inline]
pub(super) fn incoming<M, B: AsRef<[u8]>>(
    verdict: Verdict,
    session: &Session<M>,
    packet: Packet<B>,
    aliased: impl FnOnce(TopicAlias) -> Option<TopicName<B>>,
) -> Option<Incoming<B>> {
    Some(match (verdict, packet) {
        (Verdict::Deliver, Packet::Publish(publish)) => {
            return delivered(session, publish, aliased);
        }
        (Verdict::Connect, Packet::Connect(connect)) => Incoming::Connect(Box::new(connect)),
        (Verdict::Request(token), Packet::Subscribe(request)) => {
            Incoming::Subscribe(request, token)
        }
        (Verdict::Request(token), Packet::Unsubscribe(request)) => {
            Incoming::Unsubscribe(request, token)
        }
        (Verdict::Auth, Packet::Auth(auth)) => Incoming::Auth(auth),
        (Verdict::Early, _) => Incoming::Early,
        _ => return None,
    })
}

/// A message that was handled just now.
#[inline]
pub(super) fn delivered<M, B: AsRef<[u8]>>(
    session: &Session<M>,
    mut publish: Publish<B>,
    aliased: impl FnOnce(TopicAlias) -> Option<TopicName<B>>,
) -> Option<Incoming<B>> {
    let mut token = session.latest_token(publish.delivery);
    token.dup = publish.dup;
    let topic = match publish.topic.take() {
        Some(topic) => topic,
        None => aliased(publish.properties.topic_alias()?)?,
    };
    Some(Incoming::Message(publish.into_message(topic), token))
}

/// The length of PUBACK, PUBREC, PUBREL or PUBCOMP with a code.
const ANSWER_LEN: usize = 5;

/// A peer that supports no packet of the length of an acknowledgement cannot be answered
/// [MQTT-3.2.2-15].
#[cold]
fn check_unanswered<B>(packet: &Packet<B>) -> Result<(), Violation> {
    let answered = match packet {
        Packet::Publish(publish) => publish.qos() > QoS::AtMostOnce,
        _ => matches!(packet, Packet::PubRec(_) | Packet::PubRel(_)),
    };
    match answered {
        true => Err(Violation::NotSupported(ReasonCode::PacketTooLarge)),
        false => Ok(()),
    }
}
