use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::Session;
use super::error::Violation;
use crate::packet_id::PacketId;
use crate::reason::ReasonCode;
use crate::version::Version;

/// The answers that are owed to packets for packet identifiers that are not in use, which the
/// protocol requires and which are no part of a session. On the heap while there are any.
pub(super) type Strays = Option<Box<Owing>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Owing {
    /// PUBREL for each unknown PUBREC.
    releases: VecDeque<PacketId>,
    /// PUBCOMP for each unknown PUBREL.
    completions: VecDeque<PacketId>,
}

impl Owing {
    /// The number of answers that may wait, at two bytes each. A peer that reads them causes as
    /// many only if that many packets arrive in one read.
    const MOST: usize = 4_096;

    fn len(&self) -> usize {
        self.releases.len() + self.completions.len()
    }
}

impl<M> Session<M> {
    /// Returns whether PUBREL for an unknown identifier waits to be sent.
    #[inline]
    pub(super) fn owes_stray_release(&self) -> bool {
        let strays = self.strays.as_ref();
        strays.is_some_and(|strays| !strays.releases.is_empty())
    }

    /// Returns whether PUBCOMP for an unknown identifier waits to be sent.
    #[inline]
    pub(super) fn owes_stray_completion(&self) -> bool {
        let strays = self.strays.as_ref();
        strays.is_some_and(|strays| !strays.completions.is_empty())
    }

    /// Queues PUBREL for a PUBREC whose identifier is unknown.
    #[cold]
    pub(super) fn release_stray(&mut self, id: PacketId) -> Result<(), Violation> {
        self.room_for_stray()?.releases.push_back(id);
        Ok(())
    }

    /// Queues PUBCOMP for a PUBREL whose identifier is unknown.
    #[cold]
    pub(super) fn complete_stray(&mut self, id: PacketId) -> Result<(), Violation> {
        self.room_for_stray()?.completions.push_back(id);
        Ok(())
    }

    fn room_for_stray(&mut self) -> Result<&mut Owing, Violation> {
        let strays = self.strays.get_or_insert_default();
        match strays.len() < Owing::MOST {
            true => Ok(strays),
            false => Err(Violation::UnreadAnswers),
        }
    }

    /// Takes the next unknown identifier to answer with PUBREL, and the code.
    #[cold]
    pub(super) fn next_stray_release(&mut self) -> Option<(PacketId, ReasonCode)> {
        let id = self.strays.as_mut()?.releases.pop_front()?;
        self.unawaited = self.unawaited.saturating_add(1);
        Some((id, self.not_found()))
    }

    /// Takes the next unknown identifier to answer with PUBCOMP, and the code.
    #[cold]
    pub(super) fn next_stray_completion(&mut self) -> Option<(PacketId, ReasonCode)> {
        let id = self.strays.as_mut()?.completions.pop_front()?;
        Some((id, self.not_found()))
    }

    fn not_found(&mut self) -> ReasonCode {
        self.strays.take_if(|strays| strays.len() == 0);
        match self.version() {
            Version::V311 => ReasonCode::Success,
            Version::V5 => ReasonCode::PacketIdentifierNotFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet_type::PacketType;
    use crate::qos::{Delivery, QoS};
    use crate::session::tests::{Wire, drain, id, link, poll};
    use crate::session::{Fate, Progress};

    const OK: ReasonCode = ReasonCode::Success;
    const NOT_FOUND: ReasonCode = ReasonCode::PacketIdentifierNotFound;

    fn connected(version: Version) -> Session<u32> {
        let mut session = Session::new();
        session.connect(link(version, 9, 9));
        session
    }

    fn accepted(progress: Result<Progress<u32>, Violation>) -> bool {
        let fate = Fate::Accepted;
        matches!(progress, Ok(Progress::Completed { fate: found, .. }) if found == fate)
    }

    /// A session in which `id(1)` belongs to a new message, sent behind PUBREL for the same
    /// identifier.
    fn used_again(version: Version, qos: QoS) -> Session<u32> {
        let mut session = connected(version);
        let _ = session.handle_pub_rec(id(1), OK).unwrap();
        session.publish(qos, 7).unwrap();
        let sent = drain(&mut session);
        let [Wire::PubRel(released, _), Wire::Publish(delivery, false, 7)] = sent[..] else {
            panic!("{sent:?}");
        };
        assert_eq!((released, delivery.packet_id()), (id(1), Some(id(1))));
        session
    }

    /// PUBCOMP that answers nothing does not take the place of one that is allowed.
    #[test]
    fn a_stray_pub_comp_makes_no_other_one_a_violation() {
        for version in [Version::V311, Version::V5] {
            let mut session = used_again(version, QoS::AtLeastOnce);
            for other in [id(9), id(1)] {
                let stray = session.handle_pub_comp(other, OK);
                assert_eq!(stray, Ok(Progress::Unchanged));
            }
            assert!(accepted(session.handle_pub_ack(id(1), OK)));
        }
    }

    #[test]
    fn pub_comp_for_a_stray_ends_no_message() {
        for version in [Version::V311, Version::V5] {
            let reason = match version {
                Version::V311 => OK,
                Version::V5 => NOT_FOUND,
            };
            // In the order in which the peer has them.
            let mut session = used_again(version, QoS::ExactlyOnce);
            let stray = session.handle_pub_comp(id(1), reason);
            assert_eq!(stray, Ok(Progress::Unchanged));
            let excess = Err(Violation::UnexpectedAck(PacketType::PubComp));
            assert_eq!(session.handle_pub_comp(id(1), reason), excess);
            let _ = session.handle_pub_rec(id(1), OK).unwrap();
            assert_eq!(drain(&mut session), [Wire::PubRel(id(1), OK)]);
            assert!(accepted(session.handle_pub_comp(id(1), OK)));

            // The peer answers PUBLISH before PUBREL: PUBREL of the message has to leave.
            let mut session = used_again(version, QoS::ExactlyOnce);
            let _ = session.handle_pub_rec(id(1), OK).unwrap();
            let stray = session.handle_pub_comp(id(1), reason);
            assert_eq!(stray, Ok(Progress::Unchanged));
            assert_eq!(drain(&mut session), [Wire::PubRel(id(1), OK)]);
            assert!(accepted(session.handle_pub_comp(id(1), OK)));

            // PUBREL has left: what says that it is unknown does not mean it.
            let mut session = used_again(version, QoS::ExactlyOnce);
            let _ = session.handle_pub_rec(id(1), OK).unwrap();
            assert_eq!(drain(&mut session), [Wire::PubRel(id(1), OK)]);
            let _ = session.handle_pub_comp(id(1), reason).unwrap();
            assert_eq!(session.is_empty(), version == Version::V311);
            let progress = session.handle_pub_comp(id(1), OK);
            assert_eq!(accepted(progress), version == Version::V5);
            assert!(session.is_empty());

            let mut session = used_again(version, QoS::AtLeastOnce);
            let stray = session.handle_pub_comp(id(1), reason);
            assert_eq!(stray, Ok(Progress::Unchanged));
            assert_eq!(session.handle_pub_comp(id(1), reason), excess);
            assert!(accepted(session.handle_pub_ack(id(1), OK)));
        }
    }

    /// A repeated PUBREC has a PUBREL of its own, and that a PUBCOMP.
    #[test]
    fn pub_comp_for_a_repeated_pub_rel_ends_no_message() {
        let mut session = connected(Version::V5);
        session.publish(QoS::ExactlyOnce, 1).unwrap();
        drain(&mut session);
        for _ in 0..2 {
            let _ = session.handle_pub_rec(id(1), OK).unwrap();
            assert_eq!(drain(&mut session), [Wire::PubRel(id(1), OK)]);
        }
        assert!(accepted(session.handle_pub_comp(id(1), OK)));
        session.outbound.set_last_id(None);
        session.publish(QoS::ExactlyOnce, 2).unwrap();
        drain(&mut session);
        assert_eq!(session.handle_pub_comp(id(1), OK), Ok(Progress::Unchanged));
        let excess = Err(Violation::UnexpectedAck(PacketType::PubComp));
        assert_eq!(session.handle_pub_comp(id(1), OK), excess);

        // A failing PUBREC ends the exchange while PUBCOMP is on its way.
        let _ = session.handle_pub_rec(id(1), OK).unwrap();
        drain(&mut session);
        let _ = session
            .handle_pub_rec(id(1), ReasonCode::QuotaExceeded)
            .unwrap();
        session.outbound.set_last_id(None);
        session.publish(QoS::ExactlyOnce, 3).unwrap();
        drain(&mut session);
        assert_eq!(session.handle_pub_comp(id(1), OK), Ok(Progress::Unchanged));
        assert_eq!(session.handle_pub_comp(id(1), OK), excess);
    }

    /// [`Session::poll_transmit`] sends what is owed first; a caller that chooses by itself is told
    /// that no message may be sent.
    #[test]
    fn no_message_leaves_before_a_stray_release() {
        let mut session = connected(Version::V5);
        session.publish(QoS::ExactlyOnce, 7).unwrap();
        // It has not been sent, and so PUBREC does not answer it.
        let unknown = session.handle_pub_rec(id(1), OK);
        assert_eq!(unknown, Ok(Progress::Unchanged));
        assert_eq!(session.next_call(), None);
        assert_eq!(poll(&mut session), Some(Wire::PubRel(id(1), NOT_FOUND)));
        assert!(session.next_call().is_some());
        let delivery = Delivery::ExactlyOnce(id(1));
        assert_eq!(poll(&mut session), Some(Wire::Publish(delivery, false, 7)));
    }

    #[test]
    fn bounded_and_of_one_connection() {
        let mut session = connected(Version::V5);
        for _ in 0..2 {
            for value in 1..=4_096 {
                match value % 2 {
                    0 => drop(session.handle_pub_rec(id(value), OK).unwrap()),
                    _ => session.handle_pub_rel(id(value)).unwrap(),
                }
            }
            let unread = Violation::UnreadAnswers;
            assert_eq!(session.handle_pub_rec(id(9), OK), Err(unread));
            assert_eq!(session.handle_pub_rel(id(9)), Err(unread));
            assert!(session.is_empty() && session.snapshot() == Session::new().snapshot());
            session.connect(link(Version::V5, 9, 9));
            assert_eq!(drain(&mut session), []);
        }
        // What was sent on the connection before is not answered on this one.
        let _ = session.handle_pub_rec(id(1), OK).unwrap();
        drain(&mut session);
        session.connect(link(Version::V5, 9, 9));
        session.publish(QoS::ExactlyOnce, 1).unwrap();
        drain(&mut session);
        let excess = Err(Violation::UnexpectedAck(PacketType::PubComp));
        assert_eq!(session.handle_pub_comp(id(1), OK), excess);
    }
}
