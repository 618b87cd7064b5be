use super::Session;
use super::call::CallId;
use super::change::Change;
use super::error::Violation;
use super::exchange::Sent;
use super::in_flight::Lane;
use super::sender::{Outbound, Step};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::reason::ReasonCode;
use crate::version::Version;

/// The effect of an acknowledgement that does not end a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    /// The peer has taken ownership, by PUBREC.
    Received,
    /// The packet identifier is not in use.
    Unknown,
    Other,
}

/// Acknowledgements from the peer.
impl<M> Session<M> {
    /// Handles PUBACK. For a packet identifier that is not in use it is
    /// [`Unknown`](Progress::Unknown).
    ///
    /// # Errors
    ///
    /// If the packet identifier is that of another packet than a QoS 1 message.
    pub fn handle_pub_ack(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
    ) -> Result<Progress<M>, Violation> {
        self.handle(PacketType::PubAck, id, reason)
    }

    /// Handles PUBREC. PUBREC for an unknown identifier is answered with PUBREL as well, in 5.0
    /// with [`PacketIdentifierNotFound`](ReasonCode::PacketIdentifierNotFound). That takes no
    /// identifier, and is no part of the session.
    ///
    /// # Errors
    ///
    /// If the packet identifier is that of another packet than a QoS 2 message, or
    /// [`UnreadAnswers`](Violation::UnreadAnswers) if 4,096 answers to unknown identifiers wait.
    pub fn handle_pub_rec(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
    ) -> Result<Progress<M>, Violation> {
        self.handle(PacketType::PubRec, id, reason)
    }

    /// Handles PUBCOMP. PUBCOMP for an unknown identifier is ignored: it may answer a repeated
    /// PUBREL, or PUBREL for an unknown identifier. That one may be in use again by now.
    ///
    /// # Errors
    ///
    /// If PUBCOMP does not answer PUBREL.
    pub fn handle_pub_comp(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
    ) -> Result<Progress<M>, Violation> {
        self.handle(PacketType::PubComp, id, reason)
    }

    /// Treats a QoS 2 message that was sent and has no answer as one of QoS 1, for a peer that
    /// answers it with PUBACK. Returns whether there is such a message.
    pub fn expect_pub_ack(&mut self, id: PacketId) -> bool {
        let sent = self.outbound.get_mut(id);
        let sent = sent.filter(|sent| sent.has_left() && sent.state == Outbound::AwaitPubRec);
        sent.map(|sent| sent.state = Outbound::AwaitPubAck)
            .is_some()
    }

    /// Handles SUBACK with `codes` reason codes: one for each topic filter [MQTT-3.8.4-6]. Returns
    /// whether the packet identifier is in use; if not, it has no effect.
    ///
    /// # Errors
    ///
    /// If SUBACK answers another packet than SUBSCRIBE, or a SUBSCRIBE with another number of topic
    /// filters.
    pub fn handle_sub_ack(&mut self, id: PacketId, codes: usize) -> Result<bool, Violation> {
        self.handle_answer(PacketType::SubAck, id, codes)
    }

    /// Handles UNSUBACK with `codes` reason codes: one for each topic filter, but none in 3.1.1.
    /// Returns whether the packet identifier is in use; if not, it has no effect.
    ///
    /// # Errors
    ///
    /// If UNSUBACK answers another packet than UNSUBSCRIBE, or an UNSUBSCRIBE with another number of
    /// topic filters.
    pub fn handle_unsub_ack(&mut self, id: PacketId, codes: usize) -> Result<bool, Violation> {
        self.handle_answer(PacketType::UnsubAck, id, codes)
    }

    fn handle(
        &mut self,
        ack: PacketType,
        id: PacketId,
        reason: ReasonCode,
    ) -> Result<Progress<M>, Violation> {
        let mut completed = None;
        let effect = self.handle_ack(ack, id, reason, |call, fate, message| {
            let message = match fate {
                Fate::Refused => message.take(),
                Fate::Accepted | Fate::Uncertain => None,
            };
            completed = Some(Progress::Completed {
                call,
                fate,
                message,
            });
        })?;
        Ok(match (completed, effect) {
            (Some(completed), _) => completed,
            (None, Effect::Received) => Progress::Received,
            (None, Effect::Other) => Progress::Unchanged,
            (None, Effect::Unknown) => Progress::Unknown,
        })
    }

    /// Handles PUBACK, PUBREC or PUBCOMP. Calls `completed` if that ends the exchange of a call,
    /// with its message to take.
    #[inline]
    pub(crate) fn handle_ack(
        &mut self,
        ack: PacketType,
        id: PacketId,
        reason: ReasonCode,
        completed: impl FnOnce(CallId, Fate, &mut Option<M>),
    ) -> Result<Effect, Violation> {
        match self.outbound.find(id) {
            Some((_, sent))
                if ack == PacketType::PubComp
                    && self.unawaited > 0
                    && sent.has_left()
                    && !sent.awaits_pub_comp(reason) =>
            {
                self.unawaited -= 1;
                Ok(Effect::Other)
            }
            Some((at, sent)) if sent.has_left() => match sent.state.on_ack(ack, reason)? {
                Step::Done => {
                    // PUBCOMP follows it, as PUBREL was sent.
                    let extra = ack == PacketType::PubRec && sent.released;
                    self.unawaited = self.unawaited.saturating_add(u32::from(extra));
                    self.sending -= u16::from(sent.counted);
                    let call = sent.call;
                    if let Some(call) = call {
                        completed(call, fate(sent, ack, reason), &mut sent.message);
                    }
                    self.outbound.drop_at(at);
                    if call.is_some() {
                        self.record(Change::Done(id));
                    }
                    Ok(Effect::Other)
                }
                Step::SendPubRel(next) => {
                    let first = core::mem::replace(&mut sent.state, next) != next;
                    sent.message = None;
                    sent.abandoned = false;
                    // If PUBREL is not yet sent, it answers both.
                    if first || !matches!(self.outbound.place(id), Some((_, false))) {
                        self.outbound.requeue_at(Lane::Release, at);
                    }
                    self.record(Change::Released(id));
                    Ok(match first {
                        true => Effect::Received,
                        false => Effect::Other,
                    })
                }
            },
            _ => self.handle_unknown(ack, id, reason),
        }
    }

    /// Handles an acknowledgement for an identifier that is not in use, or whose message has not
    /// been sent.
    #[cold]
    fn handle_unknown(
        &mut self,
        ack: PacketType,
        id: PacketId,
        reason: ReasonCode,
    ) -> Result<Effect, Violation> {
        match ack {
            // It may be one of those that are unawaited, or one that answers nothing.
            PacketType::PubComp => {}
            PacketType::PubRec if reason.is_error() => {}
            PacketType::PubRec => self.release_stray(id)?,
            _ => return Ok(Effect::Unknown),
        }
        Ok(Effect::Other)
    }

    fn handle_answer(
        &mut self,
        ack: PacketType,
        id: PacketId,
        codes: usize,
    ) -> Result<bool, Violation> {
        let Some(sent) = self.outbound.get(id).filter(|sent| sent.has_left()) else {
            return Ok(false);
        };
        let Step::Done = sent.state.on_ack(ack, ReasonCode::Success)? else {
            return Err(Violation::UnexpectedAck(ack));
        };
        let silent = ack == PacketType::UnsubAck && self.version() == Version::V311;
        if !silent && sent.filters != codes {
            return Err(Violation::WrongCodeCount(ack));
        }
        self.outbound.remove(id);
        Ok(true)
    }
}

/// The end of an exchange by its last acknowledgement.
fn fate<M>(sent: &Sent<M>, ack: PacketType, reason: ReasonCode) -> Fate {
    match (ack, reason) {
        (_, reason) if !reason.is_error() && !sent.abandoned => Fate::Accepted,
        (PacketType::PubComp, _) => Fate::Uncertain,
        (_, ReasonCode::PacketIdentifierInUse) if sent.dup => Fate::Uncertain,
        _ => Fate::Refused,
    }
}

/// The effect of an acknowledgement on a message.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every kind")]
pub enum Progress<M> {
    /// PUBREC: the peer owns the message, which is not sent again.
    Received,
    /// PUBACK, PUBCOMP or a failing PUBREC: the exchange is over and its packet identifier is free.
    Completed {
        /// The call that published the message.
        call: CallId,
        /// The end of the exchange.
        fate: Fate,
        /// The message, if it was refused and not returned to the caller before.
        message: Option<M>,
    },
    /// No effect: the acknowledgement is a repetition, or PUBREC or PUBCOMP of an unknown exchange,
    /// which the protocol allows.
    Unchanged,
    /// PUBACK for a packet identifier that is not in use, or whose message has not been sent. It
    /// has no effect.
    Unknown,
}

/// The end of the exchange of a message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every kind")]
pub enum Fate {
    /// The peer accepted the message.
    Accepted,
    /// The peer refused the message.
    Refused,
    /// The peer may have the message: a code of 0x80 or above answered a message that was sent
    /// again and may refer to the first copy, or answered PUBREL.
    Uncertain,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qos::{Delivery, QoS};
    use crate::session::Link;
    use crate::session::error::{Refused, SessionError};
    use crate::session::tests::{Wire, drain, id, link};

    const OK: ReasonCode = ReasonCode::Success;
    const FAILED: ReasonCode = ReasonCode::QuotaExceeded;

    fn connected(send: u16) -> Session<u32> {
        let mut session = Session::new();
        session.connect(link(Version::V5, send, 65_535));
        session
    }

    /// Every code that PUBREC may carry; 0x10 is a success.
    #[test]
    fn every_code_of_pub_rec() {
        let codes = (0..=255).filter_map(ReasonCode::from_u8);
        let codes = codes.filter(|code| code.allowed_in(PacketType::PubRec, None));
        let mut count = 0;
        for code in codes {
            let mut session = connected(1);
            let call = session.publish(QoS::ExactlyOnce, 1).unwrap();
            assert_eq!(drain(&mut session).len(), 1);
            let progress = session.handle_pub_rec(id(1), code).unwrap();
            if code.to_u8() < 0x80 {
                assert_eq!(progress, Progress::Received);
                assert_eq!(drain(&mut session), [Wire::PubRel(id(1), OK)]);
                assert_eq!(session.send_quota(), 0, "until PUBCOMP");
            } else {
                let refused = Progress::Completed {
                    call,
                    fate: Fate::Refused,
                    message: Some(1),
                };
                assert_eq!(progress, refused);
                assert_eq!(drain(&mut session), []);
                assert_eq!((session.send_quota(), session.packet_ids_in_use()), (1, 0));
            }
            count += 1;
        }
        assert_eq!(count, 9);
    }

    /// PUBACK is taken for a message of QoS 2 that was sent, and for no other.
    #[test]
    fn pub_ack_is_expected_for_what_was_sent() {
        let mut session = connected(1);
        session.publish(QoS::ExactlyOnce, 1).unwrap();
        session.publish(QoS::AtLeastOnce, 2).unwrap();
        assert!(!session.expect_pub_ack(id(1)), "it waits");
        assert_eq!(drain(&mut session).len(), 1);
        assert!(!session.expect_pub_ack(id(2)), "it is of QoS 1");
        assert!(!session.expect_pub_ack(id(3)));
        assert!(session.expect_pub_ack(id(1)));
        assert!(!session.expect_pub_ack(id(1)), "it is expected");
        assert!(session.handle_pub_ack(id(1), OK).is_ok());
    }

    /// Never more in flight than allowed; every ending gives back exactly one.
    #[test]
    fn the_quota_is_kept() {
        let mut session = connected(2);
        for message in 1..=6 {
            let qos = [QoS::ExactlyOnce, QoS::AtLeastOnce][message as usize % 2];
            session.publish(qos, message).unwrap();
        }
        let sent = drain(&mut session);
        assert_eq!((sent.len(), session.send_quota()), (2, 0));
        // Everything else goes on [MQTT-4.9.0-3] [MQTT-3.3.4-8].
        session.subscribe(1).unwrap();
        let _ = session
            .handle_publish(Delivery::AtLeastOnce(id(9)))
            .unwrap();
        session.answer(id(9), OK).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubAck(id(9), OK)]);

        let _ = session.handle_pub_ack(id(1), FAILED).unwrap();
        assert_eq!(drain(&mut session).len(), 1);
        let _ = session.handle_pub_rec(id(2), OK).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubRel(id(2), OK)]);
        let _ = session.handle_pub_comp(id(2), ReasonCode::PacketIdentifierNotFound);
        assert_eq!(drain(&mut session).len(), 1);
        for _ in 0..3 {
            // Repeated, it gives nothing back.
            assert_eq!(session.handle_pub_comp(id(2), OK), Ok(Progress::Unchanged));
        }
        assert_eq!((drain(&mut session).len(), session.send_quota()), (0, 0));
    }

    /// A repeated PUBREC is answered again, behind those that came meanwhile, and only once while
    /// the first answer waits.
    #[test]
    fn repeated_pub_rec() {
        let mut session = connected(5);
        for message in 1..=3 {
            session.publish(QoS::ExactlyOnce, message).unwrap();
        }
        drain(&mut session);
        let _ = session.handle_pub_rec(id(2), OK).unwrap();
        let _ = session.handle_pub_rec(id(1), OK).unwrap();
        assert_eq!(session.handle_pub_rec(id(2), OK), Ok(Progress::Unchanged));
        let (first, second) = (Wire::PubRel(id(2), OK), Wire::PubRel(id(1), OK));
        assert_eq!(drain(&mut session), [first, second]);
        assert_eq!(session.handle_pub_rec(id(2), OK), Ok(Progress::Unchanged));
        let _ = session.handle_pub_rec(id(3), OK).unwrap();
        assert_eq!(drain(&mut session), [first, Wire::PubRel(id(3), OK)]);
        assert_eq!(session.send_quota(), 2);
    }

    #[test]
    fn unknown_identifiers() {
        for version in [Version::V311, Version::V5] {
            let mut session = connected(5);
            session.connect(Link::new(version));
            assert_eq!(session.handle_pub_ack(id(7), OK), Ok(Progress::Unknown));
            assert_eq!(session.handle_sub_ack(id(7), 1), Ok(false));
            assert_eq!(session.handle_unsub_ack(id(7), 1), Ok(false));
            assert_eq!(session.handle_pub_comp(id(7), OK), Ok(Progress::Unchanged));
            assert_eq!(
                session.handle_pub_rec(id(7), FAILED),
                Ok(Progress::Unchanged)
            );
            assert_eq!((drain(&mut session).len(), session.is_empty()), (0, true));

            assert_eq!(session.handle_pub_rec(id(1), OK), Ok(Progress::Unchanged));
            let reason = match version {
                Version::V311 => OK,
                Version::V5 => ReasonCode::PacketIdentifierNotFound,
            };
            assert_eq!(drain(&mut session), [Wire::PubRel(id(1), reason)]);
            assert_eq!(session.next_packet_id(), Some(id(1)), "it takes none");
            assert!(session.is_empty());
            assert_eq!(session.handle_pub_comp(id(1), OK), Ok(Progress::Unchanged));
        }
    }

    /// A call or packet that fails changes nothing.
    #[test]
    fn errors_change_nothing() {
        let mut session = connected(1);
        for (qos, message) in [(QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
            session.publish(qos, message).unwrap();
        }
        drain(&mut session);
        let subscribe = session.subscribe(2).unwrap();
        let before = alloc::format!("{session:?}");
        let wrong = |packet| Err(Violation::UnexpectedAck(packet));
        assert_eq!(session.handle_pub_rec(id(1), OK), wrong(PacketType::PubRec));
        assert_eq!(
            session.handle_pub_comp(id(1), OK),
            wrong(PacketType::PubComp)
        );
        assert_eq!(
            session.handle_pub_ack(subscribe, OK),
            wrong(PacketType::PubAck)
        );
        // What waits has not been sent: nothing can answer it.
        let unsent = session.handle_pub_ack(id(2), OK);
        assert_eq!(unsent, Ok(Progress::Unknown));
        assert_eq!(session.handle_sub_ack(id(2), 2), Ok(false));
        assert_eq!(
            session.handle_pub_rec(id(2), FAILED),
            Ok(Progress::Unchanged)
        );
        let codes = session.handle_sub_ack(subscribe, 1);
        assert_eq!(codes, Err(Violation::WrongCodeCount(PacketType::SubAck)));
        let answer = session.handle_unsub_ack(subscribe, 2);
        assert_eq!(answer, Err(Violation::UnexpectedAck(PacketType::UnsubAck)));
        let answer = session.handle_sub_ack(id(1), 2);
        assert_eq!(answer, Err(Violation::UnexpectedAck(PacketType::SubAck)));
        let zero = session.publish(QoS::AtMostOnce, 9);
        assert_eq!(zero, Err(Refused::new(SessionError::AtMostOnce, 9)));
        assert_eq!(session.abandon(id(9)), Err(SessionError::UnknownPacketId));
        assert_eq!(
            session.abandon(subscribe),
            Err(SessionError::UnknownPacketId)
        );
        assert_eq!(alloc::format!("{session:?}"), before);
        session.check();
    }

    /// No identifier is a value, and ends with the next acknowledgement.
    #[test]
    fn exhaustion() {
        let mut session = connected(65_535);
        for message in 1..=65_535 {
            assert_eq!(
                session.next_packet_id(),
                PacketId::new(u16::try_from(message).unwrap())
            );
            session.publish(QoS::AtLeastOnce, message).unwrap();
        }
        let none = Err(SessionError::PacketIdsExhausted);
        assert_eq!(session.next_packet_id(), None);
        let refused = session.publish(QoS::AtLeastOnce, 7);
        assert_eq!(
            refused,
            Err(Refused::new(SessionError::PacketIdsExhausted, 7))
        );
        assert_eq!((session.subscribe(1), session.unsubscribe(1)), (none, none));
        while session.poll_transmit().is_some() {}
        let _ = session.handle_pub_ack(id(300), OK).unwrap();
        assert_eq!(session.unsubscribe(1), Ok(id(300)));
    }

    #[test]
    fn requests() {
        for (version, codes) in [(Version::V5, 3), (Version::V311, 0)] {
            let mut session = Session::<u32>::new();
            session.connect(Link::new(version));
            let (first, second) = (
                session.subscribe(2).unwrap(),
                session.unsubscribe(3).unwrap(),
            );
            assert_eq!((first, second), (id(1), id(2)));
            assert_eq!(drain(&mut session), []);
            assert_eq!(session.handle_unsub_ack(second, codes), Ok(true));
            assert_eq!(session.handle_sub_ack(first, 2), Ok(true));
            assert!(session.is_empty());
            session.subscribe(1).unwrap();
            session.disconnect();
            assert!(session.is_empty(), "a request is no part of a session");
        }
    }

    /// One stored message is dropped. [MQTT-4.3.3-7]
    #[test]
    fn abandoned() {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut session = connected(2);
            for message in 1..=5 {
                session.publish(qos, message).unwrap();
            }
            // 3 is next: the one behind it takes its place.
            assert_eq!(drain(&mut session).len(), 2);
            assert_eq!(session.next_message().map(|m| *m.message), Some(3));
            assert_eq!(session.abandon(id(3)), Ok(3));
            assert_eq!(session.next_message().map(|m| *m.message), Some(4));
            assert_eq!(session.abandon(id(4)), Ok(4));
            assert_eq!(session.abandon(id(3)), Err(SessionError::UnknownPacketId));
            let messages = session.messages().map(|m| (*m.message, m.sent));
            assert!(messages.eq([(1, true), (2, true), (5, false)]));

            // Sent on this connection: the acknowledgement is awaited.
            assert_eq!(session.abandon(id(1)), Ok(1));
            assert_eq!(session.abandon(id(1)), Err(SessionError::UnknownPacketId));
            session.check();
            assert_eq!((session.packet_ids_in_use(), session.send_quota()), (3, 0));
            let mut answered = session.clone();
            let progress = match qos {
                QoS::ExactlyOnce => answered.handle_pub_rec(id(1), FAILED),
                _ => answered.handle_pub_ack(id(1), OK),
            };
            let fate = match qos {
                QoS::ExactlyOnce => Fate::Refused,
                _ => Fate::Accepted,
            };
            let Ok(Progress::Completed {
                fate: found,
                message: None,
                ..
            }) = progress
            else {
                panic!("{progress:?}")
            };
            assert_eq!(found, fate);
            assert_eq!(
                (answered.packet_ids_in_use(), answered.send_quota()),
                (2, 1)
            );

            // It is not: QoS 1 is over, QoS 2 is released, and so is what is given up now.
            let restored = Session::restore(session.snapshot(), []).unwrap();
            for mut session in [session, restored] {
                session.connect(link(Version::V5, 9, 9));
                assert_eq!(session.abandon(id(2)), Ok(2));
                session.check();
                let sent = drain(&mut session);
                let delivery = match qos {
                    QoS::ExactlyOnce => Delivery::ExactlyOnce(id(5)),
                    _ => Delivery::AtLeastOnce(id(5)),
                };
                let (last, released) = sent.split_last().unwrap();
                assert_eq!(*last, Wire::Publish(delivery, false, 5));
                match qos {
                    QoS::ExactlyOnce => {
                        let expected = [Wire::PubRel(id(1), OK), Wire::PubRel(id(2), OK)];
                        assert_eq!(released, expected);
                    }
                    _ => assert_eq!(released, []),
                }
                assert_eq!(session.send_quota(), 8);
            }
        }
    }
}
