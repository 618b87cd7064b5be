use super::error::{SessionError, Violation};
use super::in_flight::Lane;
use super::{Progress, Session, Transmit};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;
use crate::version::Version;

/// What the sender of a packet with an identifier is waiting for (section 4.3).
///
/// ```text
///   QoS 1   send PUBLISH ---> AwaitPubAck   -- PUBACK ------------------> done
///
///   QoS 2   send PUBLISH ---> AwaitPubRec   -- PUBREC, 0x80 and above --> done
///                                  |
///                           PUBREC, below 0x80
///                                  v
///           send PUBREL ----> AwaitPubComp  -- PUBCOMP, any code, ------> done
///                ^                 |           or PUBREC, 0x80 and above
///                |          PUBREC, below 0x80
///                +-----------------+
///
///   send SUBSCRIBE ---------> AwaitSubAck   -- SUBACK ------------------> done
///   send UNSUBSCRIBE -------> AwaitUnsubAck -- UNSUBACK ----------------> done
/// ```
///
/// The packet identifier is free again when the exchange is done.
#[expect(
    clippy::exhaustive_enums,
    reason = "the states are the specification's"
)]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outbound {
    /// A QoS 1 PUBLISH was sent [MQTT-4.3.2-3].
    AwaitPubAck,
    /// A QoS 2 PUBLISH was sent [MQTT-4.3.3-3].
    AwaitPubRec,
    /// PUBREL was sent: the message itself may be forgotten [MQTT-4.3.3-5].
    AwaitPubComp,
    /// SUBSCRIBE was sent.
    AwaitSubAck,
    /// UNSUBSCRIBE was sent.
    AwaitUnsubAck,
}

impl Outbound {
    /// The exchange that begins with a PUBLISH of this QoS; QoS 0 has none.
    pub const fn new(qos: QoS) -> Option<Self> {
        match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(Self::AwaitPubAck),
            QoS::ExactlyOnce => Some(Self::AwaitPubRec),
        }
    }

    /// Advances on an acknowledgement from the peer.
    ///
    /// SUBACK and UNSUBACK have many codes and none that matters here: give any.
    pub const fn on_ack(self, ack: PacketType, reason: ReasonCode) -> Result<Step, Violation> {
        match (self, ack) {
            (Self::AwaitPubAck, PacketType::PubAck)
            | (Self::AwaitPubComp, PacketType::PubComp)
            | (Self::AwaitSubAck, PacketType::SubAck)
            | (Self::AwaitUnsubAck, PacketType::UnsubAck) => Ok(Step::Done),
            // The peer has forgotten the message: no PUBREL, and no retry [MQTT-4.4.0-2].
            (Self::AwaitPubRec | Self::AwaitPubComp, PacketType::PubRec) if reason.is_error() => {
                Ok(Step::Done)
            }
            // A repeated PUBREC is answered again, as it was [MQTT-4.3.3-4].
            (Self::AwaitPubRec | Self::AwaitPubComp, PacketType::PubRec) => {
                Ok(Step::SendPubRel(Self::AwaitPubComp))
            }
            (_, ack) => Err(Violation::UnexpectedAck(ack)),
        }
    }

    /// What is sent again on a new network connection, first of all and only then [MQTT-4.4.0-1].
    ///
    /// `None` if the exchange ended with the old one.
    pub const fn reconnected(self) -> Option<PacketType> {
        match self {
            Self::AwaitPubAck | Self::AwaitPubRec => Some(PacketType::Publish),
            // Never PUBLISH again [MQTT-4.3.3-6].
            Self::AwaitPubComp => Some(PacketType::PubRel),
            Self::AwaitSubAck | Self::AwaitUnsubAck => None,
        }
    }
}

/// What to do after [`Outbound::on_ack`].
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every step")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// The exchange is over: release the packet identifier.
    Done,
    /// Send PUBREL, then wait in the given state.
    SendPubRel(Outbound),
}

/// An exchange that this side began.
#[derive(Clone, Debug)]
pub(super) struct Sent<M> {
    pub(super) state: Outbound,
    /// `None` from PUBREC on, or if the caller gave it up.
    pub(super) message: Option<M>,
    /// Whether it has been sent at least once, so that a PUBLISH has DUP [MQTT-3.3.1-1].
    pub(super) sent: bool,
    /// Whether it holds a part of the send quota.
    pub(super) counted: bool,
    /// Topic filters in a request.
    filters: u32,
    /// The code of PUBREL.
    reason: ReasonCode,
}

impl<M> Sent<M> {
    pub(super) const fn new(state: Outbound, message: Option<M>, sent: bool) -> Self {
        Self {
            state,
            message,
            sent,
            counted: false,
            filters: 0,
            reason: ReasonCode::Success,
        }
    }
}

impl<M> Session<M> {
    /// Queues a message of QoS 1 or 2 behind those that wait, and gives it a packet identifier.
    ///
    /// [`poll_transmit`](Self::poll_transmit) sends it once the send quota allows.
    pub fn publish(&mut self, qos: QoS, message: M) -> Result<PacketId, SessionError> {
        let id = self.next_packet_id();
        let id = id.ok_or(SessionError::PacketIdsExhausted)?;
        self.publish_as(qos, id, message)?;
        Ok(id)
    }

    /// As [`publish`](Self::publish), with what [`next_packet_id`](Self::next_packet_id) said.
    pub(crate) fn publish_as(
        &mut self,
        qos: QoS,
        id: PacketId,
        message: M,
    ) -> Result<(), SessionError> {
        let state = Outbound::new(qos).ok_or(SessionError::AtMostOnce)?;
        let sent = Sent::new(state, Some(message), false);
        self.outbound.push_next(Lane::Message, id, sent);
        Ok(())
    }

    /// Takes the identifier for a SUBSCRIBE with so many topic filters, to be sent at once.
    ///
    /// It is in use until SUBACK, or the end of the network connection.
    pub fn subscribe(&mut self, filters: u32) -> Result<PacketId, SessionError> {
        self.request(Outbound::AwaitSubAck, filters)
    }

    /// As [`subscribe`](Self::subscribe), for UNSUBSCRIBE and UNSUBACK.
    pub fn unsubscribe(&mut self, filters: u32) -> Result<PacketId, SessionError> {
        self.request(Outbound::AwaitUnsubAck, filters)
    }

    /// The identifier that the next [`publish`](Self::publish), [`subscribe`](Self::subscribe) or
    /// [`unsubscribe`](Self::unsubscribe) takes; `None` if all are in use.
    ///
    /// For a message that is encoded with its identifier before it is handed over: if that fails,
    /// nothing has been taken.
    pub fn next_packet_id(&self) -> Option<PacketId> {
        self.outbound.ids().next()
    }

    /// Takes a message back that has never been sent, expired for instance. Its identifier is free.
    ///
    /// # Errors
    ///
    /// [`AlreadySent`](SessionError::AlreadySent) if the peer may have it, since expiry does not
    /// end an exchange [MQTT-4.3.3-7]. Who insists calls [`abandon`](Self::abandon).
    pub fn remove(&mut self, id: PacketId) -> Result<M, SessionError> {
        match self.outbound.get(id) {
            Some(Sent { sent: false, .. }) => {}
            Some(sent) if sent.message.is_some() => return Err(SessionError::AlreadySent),
            _ => return Err(SessionError::UnknownPacketId),
        }
        let sent = self.outbound.remove(id);
        sent.and_then(|sent| sent.message)
            .ok_or(SessionError::UnknownPacketId)
    }

    /// Takes a message back so that it is not sent again, even if it has been sent.
    ///
    /// That breaks [MQTT-4.4.0-1], but neither the exchange nor the peer: on the network connection
    /// on which the message was sent its acknowledgement is awaited as before. Without one, a QoS 1
    /// exchange is over, and at QoS 2 a PUBREL takes the place of the next PUBLISH, so that the peer
    /// forgets the identifier before it is used again.
    pub fn abandon(&mut self, id: PacketId) -> Result<M, SessionError> {
        let sent = self.outbound.get_mut(id);
        let sent = sent.ok_or(SessionError::UnknownPacketId)?;
        let message = sent.message.take().ok_or(SessionError::UnknownPacketId)?;
        if !sent.sent {
            self.outbound.remove(id);
        } else if !sent.counted {
            self.give_up(id);
        }
        Ok(message)
    }

    /// PUBACK came.
    pub fn handle_pub_ack(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
    ) -> Result<Progress<M>, Violation> {
        self.handle_ack(PacketType::PubAck, id, reason, Option::take)
    }

    /// PUBREC came. One for an unknown identifier is answered with PUBREL all the same, in 5.0 with
    /// [`PacketIdentifierNotFound`](ReasonCode::PacketIdentifierNotFound), and the identifier is in
    /// use until PUBCOMP.
    pub fn handle_pub_rec(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
    ) -> Result<Progress<M>, Violation> {
        self.handle_ack(PacketType::PubRec, id, reason, Option::take)
    }

    /// PUBCOMP came. One for an unknown identifier is ignored: it may answer a repeated PUBREL.
    pub fn handle_pub_comp(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
    ) -> Result<Progress<M>, Violation> {
        self.handle_ack(PacketType::PubComp, id, reason, Option::take)
    }

    /// SUBACK came, with so many codes: one for each topic filter [MQTT-3.8.4-6].
    pub fn handle_sub_ack(&mut self, id: PacketId, codes: usize) -> Result<(), Violation> {
        self.handle_answer(PacketType::SubAck, id, codes)
    }

    /// UNSUBACK came, with so many codes: one for each topic filter, but none in 3.1.1.
    pub fn handle_unsub_ack(&mut self, id: PacketId, codes: usize) -> Result<(), Violation> {
        self.handle_answer(PacketType::UnsubAck, id, codes)
    }

    /// The messages that this side may still send, in sending order, and whether each has been sent.
    pub fn messages(&self) -> impl Iterator<Item = (PacketId, &M, bool)> {
        let messages = self.outbound.iter(Lane::Message);
        messages.filter_map(|(id, sent)| Some((id, sent.message.as_ref()?, sent.sent)))
    }

    /// The message that [`poll_transmit`](Self::poll_transmit) sends next, quota permitting.
    ///
    /// For who must hold it against Maximum Packet Size first. If it may not be sent on this
    /// connection, [`abandon`](Self::abandon) it.
    pub fn next_message(&self) -> Option<(PacketId, &M)> {
        let (id, sent) = self.outbound.unsent(Lane::Message)?;
        Some((id, sent.message.as_ref()?))
    }

    /// Whether a message that is published now is sent at once: the quota has room, and no other
    /// waits.
    ///
    /// Who keeps a queue of its own hands over its next message then, made at that moment for the
    /// version that is spoken and with what is left of its Message Expiry Interval.
    pub fn wants_message(&self) -> bool {
        self.send_quota() > 0
            && self.outbound.unsent(Lane::Message).is_none()
            && self.packet_ids_in_use() < u16::MAX
    }

    /// How many PUBLISH of QoS 1 and 2 may be sent on this connection before the next
    /// acknowledgement (section 4.9). With what is unacknowledged it makes up the maximum, always.
    pub const fn send_quota(&self) -> u16 {
        match &self.link {
            Some(link) => link.send_maximum.get() - self.sending,
            None => 0,
        }
    }

    /// Ends what cannot outlive the network connection, and prepares the rest to be sent again.
    pub(super) fn disconnect_sender(&mut self) {
        self.sending = 0;
        while let Some((id, _)) = self.outbound.first(Lane::Request) {
            self.outbound.remove(id);
        }
        for lane in [Lane::Release, Lane::Message] {
            let mut at = self.outbound.first(lane).map(|(id, _)| id);
            while let Some(id) = at {
                at = self.outbound.after(id).map(|(id, _)| id);
                if let Some(sent) = self.outbound.get_mut(id) {
                    sent.counted = false;
                    if lane == Lane::Message && sent.message.is_none() {
                        self.give_up(id);
                    }
                }
            }
        }
        self.outbound.rewind(Lane::Message);
        self.outbound.rewind(Lane::Release);
    }

    #[inline]
    pub(super) fn poll_release(&mut self) -> Option<Transmit<'_, M>> {
        let version = self.link?.version;
        let (id, sent) = self.outbound.advance(Lane::Release)?;
        let reason = match version {
            Version::V311 => ReasonCode::Success,
            Version::V5 => sent.reason,
        };
        Some(Transmit::PubRel(id, reason))
    }

    #[inline]
    pub(super) fn poll_message(&mut self) -> Option<Transmit<'_, M>> {
        if self.send_quota() == 0 {
            return None;
        }
        let (id, sent) = self.outbound.advance(Lane::Message)?;
        self.sending += 1;
        sent.counted = true;
        let dup = core::mem::replace(&mut sent.sent, true);
        let delivery = match sent.state {
            Outbound::AwaitPubAck => Delivery::AtLeastOnce(id),
            _ => Delivery::ExactlyOnce(id),
        };
        let message = sent.message.as_ref()?;
        Some(Transmit::Publish {
            delivery,
            dup,
            message,
        })
    }

    fn request(&mut self, state: Outbound, filters: u32) -> Result<PacketId, SessionError> {
        let mut sent = Sent::new(state, None, true);
        sent.filters = filters;
        let id = self.next_packet_id();
        let id = id.ok_or(SessionError::PacketIdsExhausted)?;
        self.outbound.push_next(Lane::Request, id, sent);
        Ok(id)
    }

    /// PUBACK, PUBREC or PUBCOMP came. What `take` makes of the message is returned.
    #[inline]
    pub(crate) fn handle_ack<R>(
        &mut self,
        ack: PacketType,
        id: PacketId,
        reason: ReasonCode,
        take: impl FnOnce(&mut Option<M>) -> Option<R>,
    ) -> Result<Progress<R>, Violation> {
        match self.outbound.get_mut(id) {
            Some(sent) if sent.sent => match sent.state.on_ack(ack, reason)? {
                Step::Done => Ok(Progress::Completed(self.end(id, take))),
                Step::SendPubRel(next) => {
                    let first = core::mem::replace(&mut sent.state, next) != next;
                    let message = take(&mut sent.message);
                    // If PUBREL is not yet sent, it answers both.
                    if first || !matches!(self.outbound.place(id), Some((_, false))) {
                        self.outbound.requeue(Lane::Release, id);
                    }
                    Ok(match first {
                        true => Progress::Received(message),
                        false => Progress::Unchanged,
                    })
                }
            },
            _ if ack == PacketType::PubComp => Ok(Progress::Unchanged),
            None if ack == PacketType::PubRec => {
                if !reason.is_error() {
                    let mut sent = Sent::new(Outbound::AwaitPubComp, None, true);
                    sent.reason = ReasonCode::PacketIdentifierNotFound;
                    self.outbound.push(Lane::Release, id, sent);
                }
                Ok(Progress::Unchanged)
            }
            _ => Err(Violation::UnknownPacketId(ack)),
        }
    }

    fn handle_answer(
        &mut self,
        ack: PacketType,
        id: PacketId,
        codes: usize,
    ) -> Result<(), Violation> {
        let sent = self.outbound.get(id);
        let sent = sent.ok_or(Violation::UnknownPacketId(ack))?;
        let Step::Done = sent.state.on_ack(ack, ReasonCode::Success)? else {
            return Err(Violation::UnexpectedAck(ack));
        };
        let silent = ack == PacketType::UnsubAck && self.version() == Version::V311;
        if !silent && usize::try_from(sent.filters) != Ok(codes) {
            return Err(Violation::WrongCodeCount(ack));
        }
        self.end(id, Option::take);
        Ok(())
    }

    /// Ends an exchange: its identifier is free, and what it held of the send quota too.
    fn end<R>(
        &mut self,
        id: PacketId,
        take: impl FnOnce(&mut Option<M>) -> Option<R>,
    ) -> Option<R> {
        let (counted, message) = self
            .outbound
            .remove_with(id, |sent| (sent.counted, take(&mut sent.message)))?;
        self.sending -= u16::from(counted);
        message
    }

    /// Goes on without the message, which is not out on this network connection.
    fn give_up(&mut self, id: PacketId) {
        match self.outbound.get_mut(id) {
            Some(sent) if sent.state == Outbound::AwaitPubRec => {
                sent.state = Outbound::AwaitPubComp;
                self.outbound.requeue(Lane::Release, id);
            }
            _ => {
                self.outbound.remove(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Link;
    use crate::session::tests::{Wire, drain, id, link};

    const OK: ReasonCode = ReasonCode::Success;
    const FAILED: ReasonCode = ReasonCode::QuotaExceeded;

    fn connected(send: u16) -> Session<u32> {
        let mut session = Session::new();
        session.connect(link(Version::V5, send, 65_535));
        session
    }

    /// A message is wanted exactly where the next one published is sent at once.
    #[test]
    fn wants_what_it_sends() {
        let mut session = Session::new();
        assert!(!session.wants_message(), "not connected");
        session.publish(QoS::AtLeastOnce, 1).unwrap();
        session.connect(link(Version::V5, 2, 65_535));
        assert!(!session.wants_message(), "another waits");
        assert_eq!(drain(&mut session).len(), 1);
        assert!(session.wants_message());
        session.publish(QoS::ExactlyOnce, 2).unwrap();
        assert_eq!(drain(&mut session).len(), 1);
        assert!(!session.wants_message(), "no quota");
        let _ = session.handle_pub_ack(id(1), OK).unwrap();
        assert!(session.wants_message());
    }

    /// Every state against every packet with an identifier; `None` is a violation.
    #[test]
    fn transition_table() {
        use Outbound::*;
        use PacketType::*;

        let (done, released) = (Some(Step::Done), Some(Step::SendPubRel(AwaitPubComp)));
        let packets = [
            (PubAck, OK),
            (PubAck, FAILED),
            (PubRec, OK),
            (PubRec, FAILED),
            (PubComp, OK),
            (PubComp, ReasonCode::PacketIdentifierNotFound),
            (SubAck, OK),
            (UnsubAck, OK),
            (Publish, OK),
            (PubRel, OK),
            (Subscribe, OK),
            (Unsubscribe, OK),
        ];
        #[rustfmt::skip]
        let table = [
            //              PUBACK ok, no   PUBREC ok, no           PUBCOMP     SUBACK UNSUBACK
            (AwaitPubAck,  [done, done,     None, None,             None, None, None,  None]),
            (AwaitPubRec,  [None, None,     released, done,         None, None, None,  None]),
            (AwaitPubComp, [None, None,     released, done,         done, done, None,  None]),
            (AwaitSubAck,  [None, None,     None, None,             None, None, done,  None]),
            (AwaitUnsubAck,[None, None,     None, None,             None, None, None,  done]),
        ];
        for (state, row) in table {
            let row = row.into_iter().chain([None; 4]);
            for ((packet, reason), expected) in packets.into_iter().zip(row) {
                let expected = expected.ok_or(Violation::UnexpectedAck(packet));
                let step = state.on_ack(packet, reason);
                assert_eq!(step, expected, "{state:?} on {packet} {reason}");
            }
        }
        let resent = table.map(|(state, _)| state.reconnected());
        let (publish, release) = (Some(Publish), Some(PubRel));
        assert_eq!(resent, [publish, publish, release, None, None]);
    }

    /// Every code that PUBREC may carry; 0x10 is a success.
    #[test]
    fn every_code_of_pub_rec() {
        let codes = (0..=255).filter_map(ReasonCode::from_u8);
        let codes = codes.filter(|code| code.allowed_in(PacketType::PubRec, None));
        let mut count = 0;
        for code in codes {
            let mut session = connected(1);
            let one = session.publish(QoS::ExactlyOnce, 1).unwrap();
            assert_eq!(drain(&mut session).len(), 1);
            let progress = session.handle_pub_rec(one, code).unwrap();
            if code.to_u8() < 0x80 {
                assert_eq!(progress, Progress::Received(Some(1)));
                assert_eq!(drain(&mut session), [Wire::PubRel(one, OK)]);
                assert_eq!(session.send_quota(), 0, "until PUBCOMP");
            } else {
                assert_eq!(progress, Progress::Completed(Some(1)));
                assert_eq!(drain(&mut session), []);
                assert_eq!((session.send_quota(), session.packet_ids_in_use()), (1, 0));
            }
            count += 1;
        }
        assert_eq!(count, 9);
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
        session.acknowledge(id(9), OK).unwrap();
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
            let unknown = |packet| Err(Violation::UnknownPacketId(packet));
            assert_eq!(
                session.handle_pub_ack(id(7), OK),
                unknown(PacketType::PubAck)
            );
            let unanswered = session.handle_sub_ack(id(7), 1);
            assert_eq!(
                unanswered,
                Err(Violation::UnknownPacketId(PacketType::SubAck))
            );
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
            assert_eq!(
                session.publish(QoS::AtLeastOnce, 1),
                Ok(id(2)),
                "1 is in use"
            );
            let _ = session.handle_pub_comp(id(1), OK).unwrap();
            assert_eq!(session.packet_ids_in_use(), 1);
        }
    }

    /// What fails leaves everything as it was.
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
        let unsent = session.handle_pub_rec(id(2), OK);
        assert_eq!(unsent, Err(Violation::UnknownPacketId(PacketType::PubRec)));
        let codes = session.handle_sub_ack(subscribe, 1);
        assert_eq!(codes, Err(Violation::WrongCodeCount(PacketType::SubAck)));
        let answer = session.handle_unsub_ack(subscribe, 2);
        assert_eq!(answer, Err(Violation::UnexpectedAck(PacketType::UnsubAck)));
        let answer = session.handle_sub_ack(id(1), 2);
        assert_eq!(answer, Err(Violation::UnexpectedAck(PacketType::SubAck)));
        let zero = session.publish(QoS::AtMostOnce, 9);
        assert_eq!(zero, Err(SessionError::AtMostOnce));
        assert_eq!(session.remove(id(1)), Err(SessionError::AlreadySent));
        assert_eq!(
            session.remove(subscribe),
            Err(SessionError::UnknownPacketId)
        );
        assert_eq!(session.remove(id(9)), Err(SessionError::UnknownPacketId));
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
        assert_eq!(session.publish(QoS::AtLeastOnce, 0), none);
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
            session.handle_unsub_ack(second, codes).unwrap();
            session.handle_sub_ack(first, 2).unwrap();
            assert!(session.is_empty());
            session.subscribe(1).unwrap();
            session.disconnect();
            assert!(session.is_empty(), "a request is no part of a session");
        }
    }

    /// One stored message is dropped. [MQTT-4.3.3-7]
    #[test]
    fn remove_and_abandon() {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut session = connected(2);
            for message in 1..=5 {
                session.publish(qos, message).unwrap();
            }
            // 3 is next: the one behind it takes its place.
            assert_eq!(drain(&mut session).len(), 2);
            assert_eq!(session.next_message(), Some((id(3), &3)));
            assert_eq!(session.remove(id(3)), Ok(3));
            assert_eq!(session.next_message(), Some((id(4), &4)));
            assert_eq!(session.abandon(id(4)), Ok(4));
            assert_eq!(session.remove(id(3)), Err(SessionError::UnknownPacketId));
            let messages = session.messages().map(|(id, _, sent)| (id.get(), sent));
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
            assert_eq!(progress, Ok(Progress::Completed(None)));
            assert_eq!(
                (answered.packet_ids_in_use(), answered.send_quota()),
                (2, 1)
            );

            // It is not: QoS 1 is over, QoS 2 is released, and so is what is given up now.
            let restored = Session::restore(session.snapshot()).unwrap();
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

    #[test]
    fn violations_name_their_rule() {
        let unexpected = Violation::UnexpectedAck(PacketType::PubRec);
        assert_eq!(unexpected.reason_code(), ReasonCode::ProtocolError);
        assert_eq!(unexpected.statement(Version::V311), Some("MQTT-3.3.4-1"));
        let unknown = Violation::UnknownPacketId(PacketType::UnsubAck);
        assert_eq!(unknown.statement(Version::V311), Some("MQTT-2.3.1-7"));
        assert_eq!(unknown.statement(Version::V5), Some("MQTT-2.2.1-6"));
        let excess = Violation::ReceiveMaximumExceeded;
        assert_eq!(excess.reason_code().to_u8(), 0x93);
        assert_eq!(excess.statement(Version::V5), Some("MQTT-4.9.0-2"));
    }
}
