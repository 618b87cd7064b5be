//! Packets that break a rule of the exchange that is let go.

use alloc::boxed::Box;

use super::error::Violation;
use super::receive::Verdict;
use super::role::Role;
use super::{Closed, Connection};
use crate::message::Publishable;
use crate::packet::{Ack, Packet};
use crate::property::{Place, Properties, PropertyId};
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;
use crate::rules::{Rule, Rules};
use crate::session::Receipt;
use crate::version::Version;

/// Handles a packet that breaks a rule. A connection without such rules does not link it.
pub(super) type Obey<R, M> =
    fn(&mut Connection<R, M>, Violation, Version, Packet<&[u8]>) -> Option<Verdict>;

impl<R: Role, M: Publishable> Connection<R, M> {
    /// Lets rules go, so as to live with a peer that breaks them: see [`Rules`]. Each rule that the
    /// peer broke is reported by [`Event::LetGo`](super::Event::LetGo).
    ///
    /// A 3.1.1 client cannot announce a limit of size. Unless
    /// [`Rule::PacketTooLarge`] is let go, one message above the limit
    /// ends each connection on which the server sends it again.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.decoder.set_rules(rules);
        self.extras().obey = Some(Self::obey);
        self
    }

    /// Handles a packet that breaks a rule, if that is let go.
    #[cold]
    pub(super) fn let_go(
        &mut self,
        violation: Violation,
        version: Version,
        packet: Packet<&[u8]>,
    ) -> Option<Verdict> {
        let obey = self.extras.as_ref()?.obey?;
        obey(self, violation, version, packet)
    }

    /// Handles it as the packet that it would be if it obeyed, where there is one.
    fn obey(
        &mut self,
        violation: Violation,
        version: Version,
        packet: Packet<&[u8]>,
    ) -> Option<Verdict> {
        let rule = violation.rule()?;
        if !self.decoder.get_rules().lets_go(rule) {
            return None;
        }
        let verdict = match (rule, packet) {
            (Rule::SecondConnAck, Packet::ConnAck(connack)) => {
                if connack.reason.is_error() {
                    self.end(Closed::Refused(Box::new(connack.to_owned())), None);
                }
                Verdict::Done
            }
            (Rule::ServerDisconnect, Packet::Disconnect(last)) => {
                self.end(Closed::Disconnected(Box::new(last.to_owned())), None);
                Verdict::Done
            }
            (Rule::SessionPresent, Packet::ConnAck(connack)) => {
                let mut connack = connack;
                connack.session_present = false;
                R::judge(self, version, &connack.into()).ok()?
            }
            (Rule::ConnAckMethod, Packet::ConnAck(connack)) => {
                let (mut connack, method) = (connack.to_owned(), self.agreement.method.as_ref()?);
                if connack.properties.authentication_method().is_some() {
                    return None;
                }
                let builder = connack.properties.to_builder();
                let builder = builder.authentication_method(method.as_borrowed());
                connack.properties = builder.build();
                R::judge(self, version, &connack.as_borrowed().into()).ok()?
            }
            (Rule::ProblemInformation, packet) => {
                let packet = unexplained(packet.to_owned())?;
                R::judge(self, version, &packet.as_borrowed()).ok()?
            }
            (Rule::PubAckAtQoS2, Packet::PubAck(ack)) => {
                self.session.expect_pub_ack(ack.packet_id).then_some(())?;
                R::judge(self, version, &packet).ok()?
            }
            (Rule::PacketIdInUse | Rule::ReceiveMaximum, Packet::Publish(publish)) => {
                self.take_anyway(rule, publish.delivery)?
            }
            _ => return None,
        };
        self.decoder.note(rule);
        Some(verdict)
    }

    /// Takes a message beyond the limit, or one whose packet identifier is in use.
    fn take_anyway(&mut self, rule: Rule, delivery: Delivery) -> Option<Verdict> {
        let rules = self.decoder.get_rules();
        let receipt = match rule {
            Rule::ReceiveMaximum => self.session.handle_publish_beyond(rules.slack(), delivery),
            _ if rules.refuses() && self.agreement.version == Version::V5 => {
                let mut ack = Ack::new(delivery.packet_id()?);
                ack.reason = ReasonCode::PacketIdentifierInUse;
                let answer = match delivery.qos() {
                    QoS::ExactlyOnce => Packet::PubRec(ack),
                    _ => Packet::PubAck(ack),
                };
                self.check_unread(0).ok()?;
                self.answer(answer).ok()?;
                self.extras().refused = self.decoder.is_in_pieces();
                return Some(Verdict::Done);
            }
            _ => {
                let id = delivery.packet_id()?;
                let replaced = self.session.delivery(id);
                self.outbox.take_explanation(replaced);
                self.session.forget(id);
                self.session.handle_publish(delivery)
            }
        };
        match receipt.ok()? {
            Receipt::New(_) => Some(Verdict::Deliver),
            Receipt::Duplicate => Some(Verdict::Done),
        }
    }
}

/// The packet without what explains its code, or `None` if it carries no explanation.
fn unexplained(mut packet: Packet) -> Option<Packet> {
    fn strip<K: Place>(properties: &mut Properties<K>) {
        let builder = properties.to_builder().without(PropertyId::ReasonString);
        *properties = builder.without(PropertyId::UserProperty).build();
    }
    match &mut packet {
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            strip(&mut ack.properties);
        }
        Packet::SubAck(ack) | Packet::UnsubAck(ack) => strip(&mut ack.properties),
        Packet::Auth(auth) => strip(&mut auth.properties),
        _ => return None,
    }
    Some(packet)
}
