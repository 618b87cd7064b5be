//! What the peer sends, and which rules it breaks.

use mqtt_sansio::connection::Role;
use mqtt_sansio::packet::{Ack, ConnAck, Disconnect, Publish};
use mqtt_sansio::property::AckProperties;
use mqtt_sansio::{Delivery, Packet, PacketId, QoS, ReasonCode, Rule, Side, Version};

use super::{Came, IDS, OK, REFUSED, Sent, Talk};
use crate::answers::explanation;
use crate::choices::Choices;

impl<R: Role + Clone> Talk<R> {
    /// The peer publishes a message, perhaps once more.
    pub(super) fn peer_publishes(&mut self, id: PacketId, qos: QoS) {
        let known = self.sent.get(&id);
        let is_repeated = known.is_some_and(|sent| sent.qos == qos && !sent.released);
        if known.is_none() && self.sent.len() < self.maximum || is_repeated {
            let publish = self.sends(id, qos, is_repeated);
            self.is_legal(&publish);
        }
    }

    fn sends(&mut self, id: PacketId, qos: QoS, dup: bool) -> Packet {
        let sent = Sent {
            qos,
            released: false,
            released_here: false,
            here: true,
        };
        self.sent.insert(id, sent);
        publish(id, qos, dup)
    }

    pub(super) fn peer_releases(&mut self, id: PacketId) {
        let sent = self.sent.get_mut(&id);
        let sent = sent.filter(|sent| sent.qos == QoS::ExactlyOnce && !sent.released_here);
        if let Some(sent) = sent {
            (sent.released, sent.released_here) = (true, true);
            self.is_legal(&Packet::PubRel(Ack::new(id)));
        }
    }

    /// The peer answers one of the end's messages.
    pub(super) fn peer_answers(&mut self, choices: &mut Choices<'_>) {
        let nth = choices.below(3);
        let refuses = choices.one_in(4) && self.driven.version == Version::V5;
        let reason = if refuses { REFUSED } else { OK };
        if let Some(answer) = self.answer(nth, reason, AckProperties::default()) {
            self.is_legal(&answer);
        }
    }

    /// The answer to one of the end's messages, which is sent from now on.
    fn answer(&mut self, nth: usize, reason: ReasonCode, why: AckProperties) -> Option<Packet> {
        let due = self
            .came
            .iter()
            .filter(|(_, came)| **came != Came::Received);
        let (&id, &came) = due.cycle().nth(nth)?;
        let mut ack = Ack::new(id);
        ack.properties = why;
        if let Came::Publish(_) = came {
            ack.reason = reason;
        }
        match came {
            Came::Publish(QoS::ExactlyOnce) if !reason.is_error() => {
                self.came.insert(id, Came::Received);
            }
            _ => drop(self.came.remove(&id)),
        }
        Some(match came {
            Came::Publish(QoS::ExactlyOnce) => Packet::PubRec(ack),
            Came::Publish(_) => Packet::PubAck(ack),
            _ => Packet::PubComp(ack),
        })
    }

    /// Nothing is wrong with this packet.
    fn is_legal(&mut self, packet: &Packet) {
        let kept = self.driven.handle(packet);
        assert_eq!(kept, Ok(()), "{packet:?} breaks nothing");
    }

    /// The peer breaks a rule: that ends the connection, unless it is let go, which is reported.
    pub(super) fn breaks(&mut self, choices: &mut Choices<'_>) {
        let before = self.sent.clone();
        let Some((rule, packet)) = self.breach(choices) else {
            return;
        };
        self.driven.let_go.clear();
        let kept = self.driven.handle(&packet).is_ok();
        self.driven.check();
        if !kept {
            self.sent = before;
        }
        let lets_go = self.rules.lets_go(rule);
        assert!(lets_go || !kept, "{rule} is let go: {packet:?}");
        let is_reported = self.driven.let_go.contains(&rule);
        assert_eq!(kept, is_reported, "{rule}: {packet:?}");
        let over = self.driven.connection.is_closed() || !self.driven.connection.is_connected();
        assert!(kept || over, "{rule} is passed over: {packet:?}");
    }

    /// A packet that breaks a rule, which is sent from now on.
    fn breach(&mut self, choices: &mut Choices<'_>) -> Option<(Rule, Packet)> {
        let (kind, id) = (choices.below(6), one_of_few(choices));
        let is_client = R::SIDE == Side::Client;
        let v5 = self.driven.version == Version::V5;
        let here = self.sent.values().filter(|sent| sent.here).count();
        Some(match kind {
            0 if is_client => {
                let reason = choices.pick([OK, REFUSED]);
                (Rule::SecondConnAck, ConnAck::new(reason).into())
            }
            1 if is_client && !v5 => (Rule::ServerDisconnect, Disconnect::new(OK).into()),
            2 if is_client && v5 && !self.may_explain => {
                let answer = self.answer(0, OK, explanation(0, 4))?;
                (Rule::ProblemInformation, answer)
            }
            3 => {
                let mut own = self.came.iter();
                let (&id, _) = own.find(|(_, came)| **came == Came::Publish(QoS::ExactlyOnce))?;
                self.came.remove(&id);
                (Rule::PubAckAtQoS2, Packet::PubAck(Ack::new(id)))
            }
            4 => {
                let other = match self.sent.get(&id).filter(|sent| sent.here)?.qos {
                    QoS::AtLeastOnce => QoS::ExactlyOnce,
                    _ => QoS::AtLeastOnce,
                };
                // If it is refused, the one before goes on.
                let packet = match self.refuses && v5 {
                    true => publish(id, other, false),
                    false => self.sends(id, other, false),
                };
                (Rule::PacketIdInUse, packet)
            }
            5 if v5 && here >= self.maximum && !self.sent.contains_key(&id) => (
                Rule::ReceiveMaximum,
                self.sends(id, QoS::AtLeastOnce, false),
            ),
            _ => return None,
        })
    }
}

fn publish(id: PacketId, qos: QoS, dup: bool) -> Packet {
    let delivery = match qos {
        QoS::ExactlyOnce => Delivery::ExactlyOnce(id),
        _ => Delivery::AtLeastOnce(id),
    };
    let mut publish = Publish::new(delivery, "t".parse().unwrap(), "".into());
    publish.dup = dup;
    publish.into()
}

pub(super) fn one_of_few(choices: &mut Choices<'_>) -> PacketId {
    let id = 1 + choices.below(IDS.into());
    PacketId::new(u16::try_from(id).unwrap()).unwrap()
}
