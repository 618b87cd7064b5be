use core::time::Duration;

use super::change::Change;
use super::error::{SessionError, Violation};
use super::exchange::Received;
use super::in_flight::Lane;
use super::receiver::{Inbound, PublishStep};
use super::{Session, Transmit};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;
use crate::version::Version;

/// The result of [`Session::handle_publish`].
#[must_use]
#[expect(
    clippy::exhaustive_enums,
    reason = "a message is either new or it is not"
)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Receipt {
    /// A new message: deliver it, and then [`acknowledge`](Session::acknowledge) it at QoS 1 and 2.
    New(Token),
    /// A repetition, which is not delivered again. The caller has nothing to do.
    Duplicate,
}

/// Identifies one delivery of a message, to acknowledge it.
///
/// A packet identifier would not suffice, as the peer may use it again for another message. To drop
/// a token acknowledges nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Token {
    number: u64,
    packet_id: Option<PacketId>,
    qos: QoS,
    pub(crate) dup: bool,
}

impl Token {
    /// The QoS of the delivery. At QoS 0, to acknowledge has no effect.
    pub const fn qos(self) -> QoS {
        self.qos
    }

    /// The packet identifier of the delivery, or `None` at QoS 0.
    pub const fn packet_id(self) -> Option<PacketId> {
        self.packet_id
    }

    /// The QoS and the packet identifier of the delivery.
    pub const fn delivery(self) -> Delivery {
        match (self.qos, self.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => Delivery::AtLeastOnce(id),
            (QoS::ExactlyOnce, Some(id)) => Delivery::ExactlyOnce(id),
            _ => Delivery::AtMostOnce,
        }
    }

    pub(crate) const fn number(self) -> u64 {
        self.number
    }

    /// Returns whether DUP was set: the peer may have sent the message before (section 3.3.1.1).
    pub const fn dup(self) -> bool {
        self.dup
    }
}

impl<M> Session<M> {
    /// Handles PUBLISH.
    ///
    /// # Errors
    ///
    /// [`ReceiveMaximumExceeded`](Violation::ReceiveMaximumExceeded) for a message above the
    /// Receive Maximum of this side. The messages that count are those of QoS 1 and 2 whose PUBACK,
    /// PUBCOMP or failing PUBREC is not sent yet. [`PacketIdInUse`](Violation::PacketIdInUse) for
    /// the packet identifier of another message in flight.
    #[inline]
    pub fn handle_publish(&mut self, delivery: Delivery) -> Result<Receipt, Violation> {
        Ok(match self.take_publish(delivery)? {
            true => Receipt::New(self.latest_token(delivery)),
            false => Receipt::Duplicate,
        })
    }

    /// As [`handle_publish`](Self::handle_publish), and returns whether the message is new.
    #[inline]
    pub(crate) fn take_publish(&mut self, delivery: Delivery) -> Result<bool, Violation> {
        match delivery.packet_id() {
            None => Ok(true),
            Some(id) => self.take_identified(id, delivery.qos(), self.receive_maximum()),
        }
    }

    /// The token of the delivery that was the last to be handled, and was new.
    #[inline]
    pub(crate) const fn latest_token(&self, delivery: Delivery) -> Token {
        let packet_id = delivery.packet_id();
        Token {
            number: match packet_id {
                None => self.deliveries,
                Some(_) => self.deliveries.wrapping_sub(1),
            },
            packet_id,
            qos: delivery.qos(),
            dup: false,
        }
    }

    /// Handles PUBLISH as [`handle_publish`](Self::handle_publish), with a Receive Maximum that is
    /// higher by `slack`.
    ///
    /// # Errors
    ///
    /// As [`handle_publish`](Self::handle_publish).
    pub fn handle_publish_beyond(
        &mut self,
        slack: u16,
        delivery: Delivery,
    ) -> Result<Receipt, Violation> {
        let limit = self.receive_maximum().saturating_add(slack);
        let is_new = match delivery.packet_id() {
            None => true,
            Some(id) => self.take_identified(id, delivery.qos(), limit)?,
        };
        Ok(match is_new {
            true => Receipt::New(self.latest_token(delivery)),
            false => Receipt::Duplicate,
        })
    }

    /// Forgets the message from the peer that has this packet identifier, so that another one may
    /// have it: the peer has lost its memory. Its token is spent.
    pub fn forget(&mut self, id: PacketId) {
        let Some((at, received)) = self.inbound.find(id) else {
            return;
        };
        let stored = received.state == Inbound::AwaitPubRel;
        self.finish(at);
        if stored {
            self.record(Change::Forgotten(id));
        }
    }

    fn take_identified(&mut self, id: PacketId, qos: QoS, limit: u16) -> Result<bool, Violation> {
        let known = self.inbound.get(id);
        let step = Inbound::on_publish(known.map(|received| received.state), qos)?;
        let counted = known.is_some_and(|received| received.counted);
        if !counted && self.receiving >= limit {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        self.receiving += u16::from(!counted);
        if let PublishStep::Deliver(state) = step {
            let mut received = Received::new(state);
            received.counted = true;
            received.set_number(self.deliveries);
            self.deliveries = self.deliveries.wrapping_add(1);
            self.inbound.push(Lane::Message, id, received);
            return Ok(true);
        }
        // PUBREC follows the order of the latest PUBLISH [MQTT-4.6.0-3], but for one that waits.
        let waits = matches!(self.inbound.place(id), Some((_, false)));
        if let Some(received) = self.inbound.get_mut(id) {
            received.counted = true;
            if step == PublishStep::SendPubRec {
                received.reason.get_or_insert(ReasonCode::Success);
            }
            if !waits {
                self.inbound.requeue(Lane::Message, id);
            }
        }
        Ok(false)
    }

    /// Answers a message with PUBACK or PUBREC. A code below 0x80 accepts ownership of the message;
    /// any other refuses it. Without effect at QoS 0.
    ///
    /// The packets are sent in the order of the messages, whatever the order of these calls
    /// [MQTT-4.6.0-2] [MQTT-4.6.0-3]. A QoS 2 message may be answered after its network connection
    /// has ended: once accepted, it is not delivered again. 3.1.1 has no codes: a code below 0x80
    /// is left out, and no message can be refused.
    ///
    /// # Errors
    ///
    /// [`DeliveryOver`](SessionError::DeliveryOver) if the delivery was answered before, or if it
    /// has QoS 1 and its network connection has ended: the peer sends the message again, with
    /// another token. [`InvalidReasonCode`](SessionError::InvalidReasonCode) if the packet cannot
    /// have `reason`.
    pub fn acknowledge(&mut self, token: Token, reason: ReasonCode) -> Result<(), SessionError> {
        let Some(id) = token.packet_id else {
            return Ok(());
        };
        let version = self.version();
        let received = self.inbound.get_mut(id);
        let received = received.filter(|received| {
            received.number() == token.number
                && received.reason.is_none()
                && received.qos() == Some(token.qos)
        });
        let received = received.ok_or(SessionError::DeliveryOver)?;
        // PUBREC may have the same codes.
        let packet = PacketType::PubAck;
        let reason = match version {
            _ if reason == ReasonCode::Success => reason,
            Version::V5 if reason.allowed_in(packet, None) => reason,
            Version::V311 if !reason.is_error() => ReasonCode::Success,
            _ => return Err(SessionError::InvalidReasonCode),
        };
        let next = received.state.acknowledged(reason);
        if received.counted {
            received.reason = Some(reason);
            // Ownership is taken now, not when PUBREC leaves.
            received.state = next.unwrap_or(received.state);
        } else if let Some(next) = next {
            received.state = next;
        } else {
            self.inbound.remove(id);
        }
        if next == Some(Inbound::AwaitPubRel) {
            self.record(Change::Received(id));
        }
        Ok(())
    }

    /// Handles PUBREL. PUBREL for an unknown identifier is answered with PUBCOMP as well, in 5.0
    /// with [`PacketIdentifierNotFound`](ReasonCode::PacketIdentifierNotFound).
    ///
    /// # Errors
    ///
    /// If the packet identifier is that of a QoS 1 message, or
    /// [`UnreadAnswers`](Violation::UnreadAnswers) if 4,096 answers to unknown identifiers wait.
    pub fn handle_pub_rel(&mut self, id: PacketId) -> Result<(), Violation> {
        let known = self.inbound.find(id);
        let reason = Inbound::on_pub_rel(known.as_ref().map(|(_, received)| received.state))?;
        match known {
            Some((_, received)) if received.state == Inbound::OwePubComp => {}
            Some((at, received)) => {
                let stored = received.state == Inbound::AwaitPubRel;
                received.state = Inbound::OwePubComp;
                received.reason = Some(reason);
                self.inbound.requeue_at(Lane::Release, at);
                if stored {
                    self.record(Change::Forgotten(id));
                }
            }
            None => return self.complete_stray(id),
        }
        Ok(())
    }

    /// The number of the delivery to which a packet identifier of the peer belongs.
    pub(crate) fn delivery(&self, id: PacketId) -> Option<u64> {
        self.inbound.get(id).map(Received::number)
    }

    /// The number of the delivery that is answered next.
    pub(crate) fn next_receipt(&self) -> Option<u64> {
        let (_, received) = self.inbound.unsent(Lane::Message)?;
        Some(received.number())
    }

    /// Numbers deliveries from the nanoseconds of `now` on, so that no token of another connection
    /// of the same client is valid here. A server handles fewer messages than one in a nanosecond.
    ///
    /// Returns that number, for tokens that are not those of the session.
    pub(crate) fn number_deliveries(&mut self, now: Duration) -> u64 {
        let moment = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX / 2);
        self.deliveries = self.deliveries.max(moment);
        moment
    }

    /// The number of PUBLISH of QoS 1 and 2 that the peer may still send on this connection before
    /// the next acknowledgement.
    pub fn receive_quota(&self) -> u16 {
        self.receive_maximum().saturating_sub(self.receiving)
    }

    pub(super) fn disconnect_receiver(&mut self) {
        self.receiving = 0;
        while let Some((id, _)) = self.inbound.first(Lane::Release) {
            self.inbound.remove(id);
        }
        let mut at = self.inbound.first(Lane::Message).map(|(id, _)| id);
        while let Some(id) = at {
            at = self.inbound.after(id).map(|(id, _)| id);
            let Some(received) = self.inbound.get_mut(id) else {
                return;
            };
            received.counted = false;
            let refused = received.reason.take().is_some_and(ReasonCode::is_error);
            if refused || received.state.reconnected().is_none() {
                self.inbound.remove(id);
            }
        }
        self.inbound.settle(Lane::Message);
    }

    #[inline]
    pub(super) fn poll_completion(&mut self) -> Option<Transmit<'_, M>> {
        self.link?;
        if self.owes_stray_completion() {
            let (id, reason) = self.next_stray_completion()?;
            return Some(Transmit::PubComp(id, reason));
        }
        let at = self.inbound.unsent_slot(Lane::Release);
        let (id, _) = self.inbound.unsent(Lane::Release)?;
        self.finish(at);
        // The identifier was known.
        Some(Transmit::PubComp(id, ReasonCode::Success))
    }

    #[inline]
    pub(super) fn poll_receipt(&mut self) -> Option<Transmit<'_, M>> {
        self.link?;
        let at = self.inbound.unsent_slot(Lane::Message);
        let (id, received) = self.inbound.unsent(Lane::Message)?;
        let (state, reason) = (received.state, received.reason?);
        match state {
            Inbound::OwePubAck => {
                self.finish(at);
                return Some(Transmit::PubAck(id, reason));
            }
            Inbound::AwaitPubRel => {
                let (_, received) = self.inbound.advance(Lane::Message)?;
                received.reason = None;
            }
            _ => self.finish(at),
        }
        Some(Transmit::PubRec(id, reason))
    }

    fn receive_maximum(&self) -> u16 {
        match &self.link {
            Some(link) => link.receive_maximum.get(),
            None => u16::MAX,
        }
    }

    /// Removes an exchange whose last packet is sent, and restores its part of the quota.
    fn finish(&mut self, at: u16) {
        if let Some(received) = self.inbound.at(at) {
            self.receiving -= u16::from(received.counted);
            self.inbound.drop_at(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::{Wire, drain, id, link};

    const OK: ReasonCode = ReasonCode::Success;
    const REFUSED: ReasonCode = ReasonCode::NotAuthorized;

    impl<M> Session<M> {
        /// The token of the delivery that has this identifier now, if there is one.
        pub(in crate::session) fn token(&self, id: PacketId) -> Token {
            let received = self.inbound.get(id);
            Token {
                number: received.map_or(u64::MAX, Received::number),
                packet_id: Some(id),
                qos: received.and_then(Received::qos).unwrap_or(QoS::ExactlyOnce),
                dup: false,
            }
        }
    }

    fn connected(version: Version, receive: u16) -> Session<u32> {
        let mut session = Session::new();
        session.connect(link(version, 9, receive));
        session
    }

    fn qos1(value: u16) -> Delivery {
        Delivery::AtLeastOnce(id(value))
    }

    fn qos2(value: u16) -> Delivery {
        Delivery::ExactlyOnce(id(value))
    }

    #[test]
    fn a_second_pub_rel_changes_no_order() {
        let mut session = connected(Version::V5, 9);
        for value in [1, 2] {
            session.receive(qos2(value)).unwrap();
            session.answer(id(value), OK).unwrap();
        }
        assert_eq!(drain(&mut session).len(), 2);
        for value in [1, 2, 1] {
            session.handle_pub_rel(id(value)).unwrap();
        }
        let answers = [Wire::PubComp(id(1), OK), Wire::PubComp(id(2), OK)];
        assert_eq!(drain(&mut session), answers);
    }

    /// The identifier decides; DUP is not even an argument. [MQTT-4.3.3-10]
    #[test]
    fn duplicates_until_pub_rel() {
        for version in [Version::V311, Version::V5] {
            let mut session = connected(version, 1);
            assert_eq!(session.receive(qos2(5)), Ok(true));
            assert_eq!(session.receive(qos2(5)), Ok(false));
            assert_eq!(drain(&mut session), [], "the caller has not answered");
            session.answer(id(5), OK).unwrap();
            assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);
            for connection in 0..3 {
                if connection > 0 {
                    session.connect(link(version, 9, 1));
                    assert_eq!(drain(&mut session), []);
                }
                for _ in 0..2 {
                    assert_eq!(session.receive(qos2(5)), Ok(false));
                    assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);
                }
            }
            session.handle_pub_rel(id(5)).unwrap();
            assert_eq!(session.receive_quota(), session.receive_maximum() - 1);
            assert_eq!(drain(&mut session), [Wire::PubComp(id(5), OK)]);
            assert_eq!(session.receive(qos2(5)), Ok(true), "[MQTT-4.3.3-12]");
        }
    }

    /// A message is forgotten in the store if it is in it: when it awaits PUBREL.
    #[test]
    fn what_is_forgotten_was_stored_or_not() {
        for is_answered in [false, true] {
            let mut session = connected(Version::V5, 1);
            session.record_changes();
            assert_eq!(session.receive(qos2(5)), Ok(true));
            if is_answered {
                session.answer(id(5), OK).unwrap();
            }
            while session.poll_change().is_some() {}
            session.forget(id(5));
            let forgotten = session.poll_change();
            assert_eq!(matches!(forgotten, Some(Change::Forgotten(_))), is_answered);
            assert_eq!(session.receive(qos2(5)), Ok(true));
        }
    }

    #[test]
    fn repeated_pub_rec_is_plain() {
        let mut session = connected(Version::V5, 1);
        let told = ReasonCode::NoMatchingSubscribers;
        let _ = session.receive(qos2(5)).unwrap();
        session.answer(id(5), told).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubRec(id(5), told)]);
        let _ = session.receive(qos2(5)).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);
    }

    /// After PUBACK, the same identifier is a new message [MQTT-4.3.2-5].
    #[test]
    fn qos_1_is_new_after_pub_ack() {
        let mut session = connected(Version::V5, 1);
        for _ in 0..3 {
            assert_eq!(session.receive(qos1(5)), Ok(true));
            assert_eq!(session.receive(qos1(5)), Ok(false));
            session.answer(id(5), OK).unwrap();
            assert_eq!(drain(&mut session), [Wire::PubAck(id(5), OK)]);
            assert!(session.is_empty());
        }
        assert_eq!(session.receive(qos1(5)), Ok(true));
        session.connect(link(Version::V5, 9, 1));
        assert!(session.is_empty());
        let late = session.answer(id(5), OK);
        assert_eq!(late, Err(SessionError::DeliveryOver));
        assert_eq!(session.receive(qos1(5)), Ok(true));
    }

    /// A refused message frees its identifier and its part of the quota.
    #[test]
    fn refused() {
        let mut session = connected(Version::V5, 1);
        for _ in 0..3 {
            assert_eq!(session.receive(qos2(5)), Ok(true));
            session.answer(id(5), REFUSED).unwrap();
            assert_eq!(session.receive_quota(), 0, "PUBREC is not sent yet");
            assert_eq!(drain(&mut session), [Wire::PubRec(id(5), REFUSED)]);
            assert_eq!((session.receive_quota(), session.received()), (1, 0));
        }
        // The answer is lost: the message comes again, and is judged again.
        let _ = session.receive(qos2(5)).unwrap();
        session.answer(id(5), REFUSED).unwrap();
        session.connect(link(Version::V5, 9, 1));
        assert_eq!(session.receive(qos2(5)), Ok(true));
        session.connect(link(Version::V5, 9, 1));
        session.answer(id(5), REFUSED).unwrap();
        assert!(session.is_empty());
    }

    /// A message may be taken over between two connections, and PUBREC waits for the next PUBLISH.
    #[test]
    fn accepted_late() {
        let mut session = connected(Version::V5, 1);
        let _ = session.receive(qos2(5)).unwrap();
        session.disconnect();
        session.answer(id(5), OK).unwrap();
        session.connect(link(Version::V5, 9, 1));
        assert_eq!(drain(&mut session), []);
        assert_eq!(session.receive(qos2(5)), Ok(false));
        assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);

        let mut session = connected(Version::V5, 1);
        let _ = session.receive(qos2(5)).unwrap();
        session.connect(link(Version::V5, 9, 1));
        assert_eq!(session.receive(qos2(5)), Ok(false));
        session.check();
        session.answer(id(5), OK).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);
    }

    /// Messages of QoS 1 and 2 count together, those of QoS 0 do not. An excess changes nothing.
    #[test]
    fn receive_maximum() {
        let mut session = connected(Version::V5, 2);
        let excess = Err(Violation::ReceiveMaximumExceeded);
        for _ in 0..5 {
            let receipt = session.receive(Delivery::AtMostOnce);
            assert_eq!(receipt, Ok(true));
        }
        let _ = session.receive(qos1(1)).unwrap();
        let _ = session.receive(qos2(2)).unwrap();
        assert_eq!(session.receive(qos1(3)), excess);
        session.check();
        session.answer(id(1), OK).unwrap();
        assert_eq!(session.receive(qos1(3)), excess, "PUBACK is not sent yet");
        drain(&mut session);
        assert_eq!(session.receive(qos1(3)), Ok(true));
        session.answer(id(2), OK).unwrap();
        drain(&mut session);
        assert_eq!(session.receive(qos2(4)), excess, "PUBREC does not count");
        session.handle_pub_rel(id(2)).unwrap();
        assert_eq!(session.receive(qos2(4)), excess, "PUBCOMP is not sent yet");
        drain(&mut session);
        assert_eq!(session.receive(qos2(4)), Ok(true));

        // What is of an earlier connection counts when it comes again.
        session.answer(id(4), OK).unwrap();
        session.connect(link(Version::V5, 9, 1));
        assert_eq!(session.receive_quota(), 1);
        let _ = session.receive(qos1(7)).unwrap();
        assert_eq!(session.receive(qos2(4)), excess);
        // 3.1.1 cannot announce it.
        session.connect(link(Version::V311, 9, 2));
        let _ = session.receive(qos1(8)).unwrap();
        let _ = session.receive(qos2(9)).unwrap();
        assert_eq!(session.receive(qos2(10)), excess);
        session.connect(link(Version::V311, 9, u16::MAX));
        for value in 1..=u16::MAX {
            assert!(session.receive(qos2(value)).is_ok());
        }
        assert_eq!(session.receive_quota(), 0);
    }

    /// [MQTT-4.6.0-2] [MQTT-4.6.0-3]: answers keep the order of the messages.
    #[test]
    fn answers_in_order() {
        let mut session = connected(Version::V5, 9);
        for delivery in [qos1(3), qos2(1), qos1(2)] {
            let _ = session.receive(delivery).unwrap();
        }
        // A repeated PUBLISH does not lose its place.
        assert_eq!(session.receive(qos1(3)), Ok(false));
        session.answer(id(2), OK).unwrap();
        session.answer(id(1), REFUSED).unwrap();
        assert_eq!(drain(&mut session), []);
        // Nothing else waits for the caller.
        session.handle_pub_rel(id(8)).unwrap();
        session.handle_pub_rec(id(8), OK).map(drop).unwrap();
        session.publish(QoS::AtLeastOnce, 1).unwrap();
        assert_eq!(drain(&mut session).len(), 3);
        session.answer(id(3), OK).unwrap();
        let expected = [
            Wire::PubAck(id(3), OK),
            Wire::PubRec(id(1), REFUSED),
            Wire::PubAck(id(2), OK),
        ];
        assert_eq!(drain(&mut session), expected);
    }

    #[test]
    fn pub_rel_for_an_unknown_identifier() {
        for version in [Version::V311, Version::V5] {
            let mut session = connected(version, 1);
            let reason = match version {
                Version::V311 => OK,
                Version::V5 => ReasonCode::PacketIdentifierNotFound,
            };
            for _ in 0..2 {
                session.handle_pub_rel(id(5)).unwrap();
                session.handle_pub_rel(id(5)).unwrap();
                session.check();
                assert!(session.is_empty());
                // The identifier is free.
                assert_eq!(session.receive(qos2(5)), Ok(true));
                assert_eq!(drain(&mut session), [Wire::PubComp(id(5), reason); 2]);
                session.answer(id(5), OK).unwrap();
                session.handle_pub_rel(id(5)).unwrap();
                assert_eq!(drain(&mut session), [Wire::PubComp(id(5), OK)]);
            }
        }
    }

    /// A call or packet that fails changes nothing at the receiver.
    #[test]
    fn errors_change_nothing() {
        let mut session = connected(Version::V5, 3);
        let _ = session.receive(qos1(1)).unwrap();
        let _ = session.receive(qos2(2)).unwrap();
        let _ = session.receive(qos2(3)).unwrap();
        session.handle_pub_rel(id(3)).unwrap();
        let before = alloc::format!("{session:?}");
        let in_use = |qos| Err(Violation::PacketIdInUse(qos));
        assert_eq!(session.receive(qos2(1)), in_use(QoS::ExactlyOnce));
        assert_eq!(session.receive(qos1(2)), in_use(QoS::AtLeastOnce));
        assert_eq!(session.receive(qos2(3)), in_use(QoS::ExactlyOnce));
        let unexpected = Err(Violation::UnexpectedAck(PacketType::PubRel));
        assert_eq!(session.handle_pub_rel(id(1)), unexpected);
        let invalid = Err(SessionError::InvalidReasonCode);
        assert_eq!(session.answer(id(1), ReasonCode::Banned), invalid);
        let unknown = Err(SessionError::DeliveryOver);
        assert_eq!(session.answer(id(3), OK), unknown);
        assert_eq!(session.answer(id(4), OK), unknown);
        assert_eq!(alloc::format!("{session:?}"), before);
        session.answer(id(1), OK).unwrap();
        assert_eq!(session.answer(id(1), OK), unknown, "twice");

        let mut session = connected(Version::V311, 3);
        let _ = session.receive(qos1(1)).unwrap();
        assert_eq!(session.answer(id(1), REFUSED), invalid);
        let told = ReasonCode::NoMatchingSubscribers;
        session.answer(id(1), told).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubAck(id(1), OK)]);
    }
}
