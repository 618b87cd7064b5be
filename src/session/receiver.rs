use super::error::{SessionError, Violation};
use super::in_flight::Lane;
use super::{Session, Transmit};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;
use crate::version::Version;

/// What the receiver of a QoS 1 or QoS 2 message owes or awaits (section 4.3).
///
/// ```text
///   QoS 1   PUBLISH -> OwePubAck  -- PUBACK sent -----------------------> unknown
///
///   QoS 2   PUBLISH -> OwePubRec  -- PUBREC sent, 0x80 and above -------> unknown
///                          |
///              PUBREC sent, below 0x80
///                          v
///                     AwaitPubRel <---- PUBLISH: PUBREC again, no delivery
///                          |
///                        PUBREL
///                          v
///           PUBREL -> OwePubComp  -- PUBCOMP sent ----------------------> unknown
/// ```
///
/// The packet identifier alone decides, never DUP [MQTT-4.3.2-5] [MQTT-4.3.3-10]. An identifier
/// that is unknown is `None`.
#[expect(
    clippy::exhaustive_enums,
    reason = "the states are the specification's"
)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Inbound {
    /// A QoS 1 message came.
    OwePubAck,
    /// A QoS 2 message came.
    OwePubRec,
    /// This side owns the message: no other with its identifier is delivered.
    AwaitPubRel,
    /// PUBREL came.
    OwePubComp,
}

impl Inbound {
    /// A PUBLISH came; for one of QoS 0, there is nothing to remember.
    pub const fn on_publish(state: Option<Self>, qos: QoS) -> Result<PublishStep, Violation> {
        match (state, qos) {
            (None, QoS::AtLeastOnce) => Ok(PublishStep::Deliver(Self::OwePubAck)),
            (None, QoS::ExactlyOnce) => Ok(PublishStep::Deliver(Self::OwePubRec)),
            (Some(Self::OwePubAck), QoS::AtLeastOnce)
            | (Some(Self::OwePubRec), QoS::ExactlyOnce) => Ok(PublishStep::Wait),
            (Some(Self::AwaitPubRel), QoS::ExactlyOnce) => Ok(PublishStep::SendPubRec),
            (_, qos) => Err(Violation::PacketIdInUse(qos)),
        }
    }

    /// The caller answers the message with this code, in PUBACK or PUBREC.
    ///
    /// Returns the state once that is sent. Without effect on what owes neither.
    pub const fn acknowledged(self, reason: ReasonCode) -> Option<Self> {
        match self {
            Self::OwePubAck => None,
            // The next message with this identifier is a new one [MQTT-4.3.3-9].
            Self::OwePubRec if reason.is_error() => None,
            Self::OwePubRec => Some(Self::AwaitPubRel),
            state => Some(state),
        }
    }

    /// PUBREL came. Returns the code for PUBCOMP, which always follows [MQTT-4.3.3-11].
    pub const fn on_pub_rel(state: Option<Self>) -> Result<ReasonCode, Violation> {
        match state {
            None => Ok(ReasonCode::PacketIdentifierNotFound),
            // A sender that gives a message up may release it before it has PUBREC.
            Some(Self::OwePubRec | Self::AwaitPubRel | Self::OwePubComp) => Ok(ReasonCode::Success),
            Some(Self::OwePubAck) => Err(Violation::UnexpectedAck(PacketType::PubRel)),
        }
    }

    /// The state on a new network connection, on which the peer sends again what is unanswered.
    pub const fn reconnected(self) -> Option<Self> {
        match self {
            Self::OwePubRec | Self::AwaitPubRel => Some(self),
            Self::OwePubAck | Self::OwePubComp => None,
        }
    }
}

/// What to do after [`Inbound::on_publish`].
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every step")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PublishStep {
    /// A new message: deliver it, answer it, and be in the given state until then.
    Deliver(Inbound),
    /// A message that is here already, and is not yet answered.
    Wait,
    /// A message that is here already: send PUBREC again [MQTT-4.3.3-10].
    SendPubRec,
}

/// What [`Session::handle_publish`] found.
#[must_use]
#[expect(
    clippy::exhaustive_enums,
    reason = "a message is either new or it is not"
)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Receipt {
    /// Deliver it. At QoS 1 and 2, [`acknowledge`](Session::acknowledge) it then.
    New,
    /// Do not deliver it. There is nothing else to do.
    Duplicate,
}

/// An exchange that the peer began.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) state: Inbound,
    /// The code of the answer, if it is decided and not yet sent.
    reason: Option<ReasonCode>,
    /// Whether the PUBLISH came on this network connection, and so holds a part of the quota.
    counted: bool,
}

impl Received {
    pub(super) const fn new(state: Inbound) -> Self {
        Self {
            state,
            reason: None,
            counted: false,
        }
    }

    #[cfg(test)]
    pub(super) const fn is_counted(&self) -> bool {
        self.counted
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.reason.is_some()
    }
}

impl<M> Session<M> {
    /// PUBLISH came.
    ///
    /// A message above this side's Receive Maximum is a
    /// [`ReceiveMaximumExceeded`](Violation::ReceiveMaximumExceeded): those that count are the ones
    /// of QoS 1 and 2 whose PUBACK, PUBCOMP or failing PUBREC is not yet sent.
    pub fn handle_publish(&mut self, delivery: Delivery) -> Result<Receipt, Violation> {
        let (Some(id), qos) = (delivery.packet_id(), delivery.qos()) else {
            return Ok(Receipt::New);
        };
        let known = self.inbound.get(id);
        let step = Inbound::on_publish(known.map(|received| received.state), qos)?;
        let counted = known.is_some_and(|received| received.counted);
        if !counted && self.receiving >= self.receive_maximum() {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        self.receiving += u16::from(!counted);
        if let PublishStep::Deliver(state) = step {
            let mut received = Received::new(state);
            received.counted = true;
            self.inbound.push(Lane::Message, id, received);
            return Ok(Receipt::New);
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
        Ok(Receipt::Duplicate)
    }

    /// Answers a message with PUBACK or PUBREC: takes it over, or with a code of 0x80 or above
    /// refuses it.
    ///
    /// In whatever order the messages are answered, the packets leave in that of the messages
    /// [MQTT-4.6.0-2] [MQTT-4.6.0-3]. A QoS 2 message may be answered after its network connection
    /// has ended: once taken over, it does not come again. 3.1.1 has no codes: those below 0x80
    /// become plain packets, and nothing can be refused.
    ///
    /// # Errors
    ///
    /// [`UnknownPacketId`](SessionError::UnknownPacketId) also for a message that is answered already
    /// or will be sent again: a QoS 1 message whose network connection has ended.
    pub fn acknowledge(&mut self, id: PacketId, reason: ReasonCode) -> Result<(), SessionError> {
        let version = self.version();
        let received = self.inbound.get_mut(id);
        let received = received.ok_or(SessionError::UnknownPacketId)?;
        let packet = match received.state {
            Inbound::OwePubAck => PacketType::PubAck,
            Inbound::OwePubRec => PacketType::PubRec,
            _ => return Err(SessionError::UnknownPacketId),
        };
        if received.reason.is_some() {
            return Err(SessionError::UnknownPacketId);
        }
        let reason = match version {
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
        Ok(())
    }

    /// PUBREL came. One for an unknown identifier is answered with PUBCOMP all the same, in 5.0 with
    /// [`PacketIdentifierNotFound`](ReasonCode::PacketIdentifierNotFound).
    pub fn handle_pub_rel(&mut self, id: PacketId) -> Result<(), Violation> {
        let known = self.inbound.get_mut(id);
        let reason = Inbound::on_pub_rel(known.as_ref().map(|received| received.state))?;
        match known {
            Some(received) if received.state == Inbound::OwePubComp => {}
            Some(received) => {
                received.state = Inbound::OwePubComp;
                received.reason = Some(reason);
                self.inbound.requeue(Lane::Release, id);
            }
            None => {
                let mut received = Received::new(Inbound::OwePubComp);
                received.reason = Some(reason);
                self.inbound.push(Lane::Release, id, received);
            }
        }
        Ok(())
    }

    /// How many more PUBLISH of QoS 1 and 2 the peer may send on this connection before the next
    /// acknowledgement.
    pub fn receive_quota(&self) -> u16 {
        self.receive_maximum() - self.receiving
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
        let version = self.link?.version;
        let (id, received) = self.inbound.unsent(Lane::Release)?;
        let reason = match (version, received.reason) {
            (Version::V5, Some(reason)) => reason,
            _ => ReasonCode::Success,
        };
        self.finish(id);
        Some(Transmit::PubComp(id, reason))
    }

    #[inline]
    pub(super) fn poll_receipt(&mut self) -> Option<Transmit<'_, M>> {
        self.link?;
        let (id, received) = self.inbound.unsent(Lane::Message)?;
        let (state, reason) = (received.state, received.reason?);
        match state {
            Inbound::OwePubAck => {
                self.finish(id);
                return Some(Transmit::PubAck(id, reason));
            }
            Inbound::AwaitPubRel => {
                let (_, received) = self.inbound.advance(Lane::Message)?;
                received.reason = None;
            }
            _ => self.finish(id),
        }
        Some(Transmit::PubRec(id, reason))
    }

    fn receive_maximum(&self) -> u16 {
        match &self.link {
            Some(link) if link.version == Version::V5 => link.receive_maximum.get(),
            _ => u16::MAX,
        }
    }

    /// Forgets an exchange whose last packet is sent, which gives its part of the quota back.
    fn finish(&mut self, id: PacketId) {
        if let Some(received) = self.inbound.remove(id) {
            self.receiving -= u16::from(received.counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::{Wire, drain, id, link};

    const OK: ReasonCode = ReasonCode::Success;
    const REFUSED: ReasonCode = ReasonCode::NotAuthorized;

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

    /// Every state against every input.
    #[test]
    fn transition_table() {
        use Inbound::*;
        use PublishStep::*;

        let states = [
            None,
            Some(OwePubAck),
            Some(OwePubRec),
            Some(AwaitPubRel),
            Some(OwePubComp),
        ];
        let in_use = |qos| Err(Violation::PacketIdInUse(qos));
        let (one, two) = (in_use(QoS::AtLeastOnce), in_use(QoS::ExactlyOnce));
        let not_found = ReasonCode::PacketIdentifierNotFound;
        let unexpected = Err(Violation::UnexpectedAck(PacketType::PubRel));
        #[rustfmt::skip]
        let table = [
            // PUBLISH QoS 1           PUBLISH QoS 2           PUBREL
            (Ok(Deliver(OwePubAck)),   Ok(Deliver(OwePubRec)), Ok(not_found)),
            (Ok(Wait),                 two,                    unexpected),
            (one,                      Ok(Wait),               Ok(OK)),
            (one,                      Ok(SendPubRec),         Ok(OK)),
            (one,                      two,                    Ok(OK)),
        ];
        for (state, row) in states.into_iter().zip(table) {
            assert_eq!(
                Inbound::on_publish(state, QoS::AtLeastOnce),
                row.0,
                "{state:?}"
            );
            assert_eq!(
                Inbound::on_publish(state, QoS::ExactlyOnce),
                row.1,
                "{state:?}"
            );
            assert!(Inbound::on_publish(state, QoS::AtMostOnce).is_err());
            assert_eq!(Inbound::on_pub_rel(state), row.2, "{state:?}");
        }
        #[rustfmt::skip]
        let table = [
            // state       accepted             refused            reconnected
            (OwePubAck,   (None,                None,              None)),
            (OwePubRec,   (Some(AwaitPubRel),   None,              Some(OwePubRec))),
            (AwaitPubRel, (Some(AwaitPubRel),   Some(AwaitPubRel), Some(AwaitPubRel))),
            (OwePubComp,  (Some(OwePubComp),    Some(OwePubComp),  None)),
        ];
        for (state, row) in table {
            let accepted = state.acknowledged(ReasonCode::NoMatchingSubscribers);
            let refused = state.acknowledged(REFUSED);
            assert_eq!((accepted, refused, state.reconnected()), row, "{state:?}");
        }
    }

    /// The identifier decides; DUP is not even an argument. [MQTT-4.3.3-10]
    #[test]
    fn duplicates_until_pub_rel() {
        for version in [Version::V311, Version::V5] {
            let mut session = connected(version, 1);
            assert_eq!(session.handle_publish(qos2(5)), Ok(Receipt::New));
            assert_eq!(session.handle_publish(qos2(5)), Ok(Receipt::Duplicate));
            assert_eq!(drain(&mut session), [], "the caller has not answered");
            session.acknowledge(id(5), OK).unwrap();
            assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);
            for connection in 0..3 {
                if connection > 0 {
                    session.connect(link(version, 9, 1));
                    assert_eq!(drain(&mut session), []);
                }
                for _ in 0..2 {
                    assert_eq!(session.handle_publish(qos2(5)), Ok(Receipt::Duplicate));
                    assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);
                }
            }
            session.handle_pub_rel(id(5)).unwrap();
            assert_eq!(session.receive_quota(), session.receive_maximum() - 1);
            assert_eq!(drain(&mut session), [Wire::PubComp(id(5), OK)]);
            assert_eq!(
                session.handle_publish(qos2(5)),
                Ok(Receipt::New),
                "[MQTT-4.3.3-12]"
            );
        }
    }

    #[test]
    fn repeated_pub_rec_is_plain() {
        let mut session = connected(Version::V5, 1);
        let told = ReasonCode::NoMatchingSubscribers;
        let _ = session.handle_publish(qos2(5)).unwrap();
        session.acknowledge(id(5), told).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubRec(id(5), told)]);
        let _ = session.handle_publish(qos2(5)).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);
    }

    /// After PUBACK, the same identifier is a new message [MQTT-4.3.2-5].
    #[test]
    fn qos_1_is_new_after_pub_ack() {
        let mut session = connected(Version::V5, 1);
        for _ in 0..3 {
            assert_eq!(session.handle_publish(qos1(5)), Ok(Receipt::New));
            assert_eq!(session.handle_publish(qos1(5)), Ok(Receipt::Duplicate));
            session.acknowledge(id(5), OK).unwrap();
            assert_eq!(drain(&mut session), [Wire::PubAck(id(5), OK)]);
            assert!(session.is_empty());
        }
        assert_eq!(session.handle_publish(qos1(5)), Ok(Receipt::New));
        session.connect(link(Version::V5, 9, 1));
        assert!(session.is_empty());
        let late = session.acknowledge(id(5), OK);
        assert_eq!(late, Err(SessionError::UnknownPacketId));
        assert_eq!(session.handle_publish(qos1(5)), Ok(Receipt::New));
    }

    /// A refused message frees its identifier and its part of the quota.
    #[test]
    fn refused() {
        let mut session = connected(Version::V5, 1);
        for _ in 0..3 {
            assert_eq!(session.handle_publish(qos2(5)), Ok(Receipt::New));
            session.acknowledge(id(5), REFUSED).unwrap();
            assert_eq!(session.receive_quota(), 0, "PUBREC is not sent yet");
            assert_eq!(drain(&mut session), [Wire::PubRec(id(5), REFUSED)]);
            assert_eq!((session.receive_quota(), session.received()), (1, 0));
        }
        // The answer is lost: the message comes again, and is judged again.
        let _ = session.handle_publish(qos2(5)).unwrap();
        session.acknowledge(id(5), REFUSED).unwrap();
        session.connect(link(Version::V5, 9, 1));
        assert_eq!(session.handle_publish(qos2(5)), Ok(Receipt::New));
        session.connect(link(Version::V5, 9, 1));
        session.acknowledge(id(5), REFUSED).unwrap();
        assert!(session.is_empty());
    }

    /// A message may be taken over between two connections, and PUBREC waits for the next PUBLISH.
    #[test]
    fn accepted_late() {
        let mut session = connected(Version::V5, 1);
        let _ = session.handle_publish(qos2(5)).unwrap();
        session.disconnect();
        session.acknowledge(id(5), OK).unwrap();
        session.connect(link(Version::V5, 9, 1));
        assert_eq!(drain(&mut session), []);
        assert_eq!(session.handle_publish(qos2(5)), Ok(Receipt::Duplicate));
        assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);

        let mut session = connected(Version::V5, 1);
        let _ = session.handle_publish(qos2(5)).unwrap();
        session.connect(link(Version::V5, 9, 1));
        assert_eq!(session.handle_publish(qos2(5)), Ok(Receipt::Duplicate));
        session.check();
        session.acknowledge(id(5), OK).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubRec(id(5), OK)]);
    }

    /// What counts are QoS 1 and 2 together, and not QoS 0; an excess changes nothing.
    #[test]
    fn receive_maximum() {
        let mut session = connected(Version::V5, 2);
        let excess = Err(Violation::ReceiveMaximumExceeded);
        for _ in 0..5 {
            let receipt = session.handle_publish(Delivery::AtMostOnce);
            assert_eq!(receipt, Ok(Receipt::New));
        }
        let _ = session.handle_publish(qos1(1)).unwrap();
        let _ = session.handle_publish(qos2(2)).unwrap();
        assert_eq!(session.handle_publish(qos1(3)), excess);
        session.check();
        session.acknowledge(id(1), OK).unwrap();
        assert_eq!(
            session.handle_publish(qos1(3)),
            excess,
            "PUBACK is not sent yet"
        );
        drain(&mut session);
        assert_eq!(session.handle_publish(qos1(3)), Ok(Receipt::New));
        session.acknowledge(id(2), OK).unwrap();
        drain(&mut session);
        assert_eq!(
            session.handle_publish(qos2(4)),
            excess,
            "PUBREC does not count"
        );
        session.handle_pub_rel(id(2)).unwrap();
        assert_eq!(
            session.handle_publish(qos2(4)),
            excess,
            "PUBCOMP is not sent yet"
        );
        drain(&mut session);
        assert_eq!(session.handle_publish(qos2(4)), Ok(Receipt::New));

        // What is of an earlier connection counts when it comes again.
        session.acknowledge(id(4), OK).unwrap();
        session.connect(link(Version::V5, 9, 1));
        assert_eq!(session.receive_quota(), 1);
        let _ = session.handle_publish(qos1(7)).unwrap();
        assert_eq!(session.handle_publish(qos2(4)), excess);
        // 3.1.1 has no such limit.
        session.connect(link(Version::V311, 9, 1));
        for value in 1..=u16::MAX {
            assert!(session.handle_publish(qos2(value)).is_ok());
        }
        assert_eq!(session.receive_quota(), 0);
    }

    /// [MQTT-4.6.0-2] [MQTT-4.6.0-3]: answers keep the order of the messages.
    #[test]
    fn answers_in_order() {
        let mut session = connected(Version::V5, 9);
        for delivery in [qos1(3), qos2(1), qos1(2)] {
            let _ = session.handle_publish(delivery).unwrap();
        }
        // A repeated PUBLISH does not lose its place.
        assert_eq!(session.handle_publish(qos1(3)), Ok(Receipt::Duplicate));
        session.acknowledge(id(2), OK).unwrap();
        session.acknowledge(id(1), REFUSED).unwrap();
        assert_eq!(drain(&mut session), []);
        // Nothing else waits for the caller.
        session.handle_pub_rel(id(8)).unwrap();
        session.handle_pub_rec(id(8), OK).map(drop).unwrap();
        session.publish(QoS::AtLeastOnce, 1).unwrap();
        assert_eq!(drain(&mut session).len(), 3);
        session.acknowledge(id(3), OK).unwrap();
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
                assert_eq!(drain(&mut session), [Wire::PubComp(id(5), reason)]);
                assert!(session.is_empty());
            }
        }
    }

    ///, for the receiver.
    #[test]
    fn errors_change_nothing() {
        let mut session = connected(Version::V5, 3);
        let _ = session.handle_publish(qos1(1)).unwrap();
        let _ = session.handle_publish(qos2(2)).unwrap();
        session.handle_pub_rel(id(3)).unwrap();
        let before = alloc::format!("{session:?}");
        let in_use = |qos| Err(Violation::PacketIdInUse(qos));
        assert_eq!(session.handle_publish(qos2(1)), in_use(QoS::ExactlyOnce));
        assert_eq!(session.handle_publish(qos1(2)), in_use(QoS::AtLeastOnce));
        assert_eq!(session.handle_publish(qos2(3)), in_use(QoS::ExactlyOnce));
        let unexpected = Err(Violation::UnexpectedAck(PacketType::PubRel));
        assert_eq!(session.handle_pub_rel(id(1)), unexpected);
        let invalid = Err(SessionError::InvalidReasonCode);
        assert_eq!(session.acknowledge(id(1), ReasonCode::Banned), invalid);
        let unknown = Err(SessionError::UnknownPacketId);
        assert_eq!(session.acknowledge(id(3), OK), unknown);
        assert_eq!(session.acknowledge(id(4), OK), unknown);
        assert_eq!(alloc::format!("{session:?}"), before);
        session.acknowledge(id(1), OK).unwrap();
        assert_eq!(session.acknowledge(id(1), OK), unknown, "twice");

        let mut session = connected(Version::V311, 3);
        let _ = session.handle_publish(qos1(1)).unwrap();
        assert_eq!(session.acknowledge(id(1), REFUSED), invalid);
        let told = ReasonCode::NoMatchingSubscribers;
        session.acknowledge(id(1), told).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubAck(id(1), OK)]);
    }
}
