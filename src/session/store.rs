use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::Session;
use super::call::{CallId, Calls, Expiry};
use super::change::Change;
use super::error::InvalidSnapshot;
use super::exchange::{Received, Sent};
use super::in_flight::Lane;
use super::receiver::Inbound;
use super::sender::Outbound;
use super::snapshot::{Snapshot, StoredMessage, StoredRelease};
use crate::packet_id::PacketId;
use crate::qos::Delivery;

impl<M> Session<M> {
    /// Records changes from now on, for [`poll_change`](Self::poll_change).
    ///
    /// A message is then sent only after its [`Change::Sent`] was polled. A restored session does
    /// not record changes until this is called.
    pub fn record_changes(&mut self) {
        if self.changes.is_none() {
            self.changes = Some(Box::default());
            let mut messages = self.outbound.iter(Lane::Message);
            self.to_announce = messages.find(|(_, sent)| !sent.sent).map(|(id, _)| id);
        }
    }

    /// The next change to store, if any. Always `None` unless changes are
    /// [recorded](Self::record_changes).
    #[must_use]
    pub fn poll_change(&mut self) -> Option<Change<&M>> {
        let change = loop {
            match self.changes.as_mut()?.pop_front() {
                // The message may have been discarded meanwhile: then it need not be stored.
                Some(Change::Stored { delivery, call, .. })
                    if !delivery
                        .packet_id()
                        .is_some_and(|id| self.is_kept(id, call)) => {}
                Some(change) => break change,
                None => break Change::Sent(self.announce()?),
            }
        };
        let stored = match change {
            Change::Stored { delivery, .. } => {
                // One that was discarded before is not stored, nor is its identifier.
                self.last_stored = delivery.packet_id();
                self.last_stored
            }
            _ => None,
        };
        let sent = stored.and_then(|id| self.outbound.get(id));
        let message = sent.and_then(|sent| sent.message.as_ref());
        change.try_map(|()| message.ok_or(())).ok()
    }

    /// Applies a change that was stored.
    pub(super) fn apply(&mut self, change: Change<M>) -> Result<(), InvalidSnapshot> {
        match change {
            Change::Stored {
                delivery,
                call,
                expiry,
                message,
            } => {
                let (state, id) = exchange(delivery)?;
                let mut sent = Sent::new(state, Some(message), Some(call));
                sent.expiry = expiry;
                self.restore_message(id, sent)?;
                self.outbound.set_last_id(Some(id));
                self.last_stored = Some(id);
            }
            Change::Expires(id, at) => {
                if let Some(sent) = self.outbound.get_mut(id) {
                    sent.expiry = Expiry::At(at);
                    self.expires_next(at);
                }
            }
            Change::Sent(id) => {
                if let Some(sent) = self.outbound.get_mut(id) {
                    (sent.sent, sent.dup) = (true, true);
                }
            }
            Change::Released(id) => {
                if let Some(sent) = self.outbound.get_mut(id) {
                    // The peer has it, whether or not the store says that it was sent.
                    (sent.sent, sent.dup) = (true, true);
                    sent.state = Outbound::AwaitPubComp;
                    (sent.message, sent.abandoned) = (None, false);
                    self.outbound.requeue(Lane::Release, id);
                }
            }
            Change::Abandoned(id) => {
                if let Some(sent) = self.outbound.get_mut(id) {
                    (sent.sent, sent.dup) = (true, true);
                    sent.message = None;
                    self.release_abandoned(id);
                }
            }
            Change::Done(id) => drop(self.discard(id)),
            Change::Received(id) => {
                let received = Received::new(Inbound::AwaitPubRel);
                self.inbound.push(Lane::Message, id, received);
            }
            Change::Forgotten(id) => drop(self.inbound.remove(id)),
            Change::Reset => self.reset(),
            Change::Calls(reserved) => self.calls = Calls::after(reserved),
        }
        Ok(())
    }

    #[inline]
    pub(super) fn record(&mut self, change: Change<()>) {
        if let Some(changes) = &mut self.changes {
            changes.push_back(change);
        }
    }

    /// Returns whether a message of this call still waits under this identifier.
    fn is_kept(&self, id: PacketId, call: CallId) -> bool {
        let sent = self.outbound.get(id);
        sent.is_some_and(|sent| sent.call == Some(call) && sent.message.is_some())
    }

    /// Marks the next message that is about to be sent, which needs a network connection.
    fn announce(&mut self) -> Option<PacketId> {
        self.link?;
        let id = self.to_announce?;
        self.to_announce = self.outbound.after(id).map(|(id, _)| id);
        self.outbound.get_mut(id)?.sent = true;
        Some(id)
    }
}

/// Changes that are not polled yet; of a stored message without the message, which is in its slot.
pub(super) type Changes = Option<Box<VecDeque<Change<()>>>>;

/// The exchange of a stored message, and its packet identifier.
pub(super) fn exchange(delivery: Delivery) -> Result<(Outbound, PacketId), InvalidSnapshot> {
    match delivery {
        Delivery::AtMostOnce => Err(InvalidSnapshot::AtMostOnce),
        Delivery::AtLeastOnce(id) => Ok((Outbound::AwaitPubAck, id)),
        Delivery::ExactlyOnce(id) => Ok((Outbound::AwaitPubRec, id)),
    }
}

impl<M> Session<M> {
    /// Takes a snapshot of the state that outlives a network connection.
    pub fn snapshot(&self) -> Snapshot<M>
    where
        M: Clone,
    {
        let mut snapshot = Snapshot::new();
        snapshot.last_packet_id = self.last_stored;
        snapshot.calls = self.calls.reserved;
        let messages = self.messages().map(|stored| StoredMessage {
            delivery: stored.delivery,
            sent: stored.sent,
            call: stored.call,
            expiry: stored.expiry,
            message: stored.message.clone(),
        });
        snapshot.messages.extend(messages);
        let release = |(packet_id, sent): (PacketId, &Sent<M>)| {
            let call = sent.call?;
            Some((StoredRelease { packet_id, call }, sent.abandoned))
        };
        for (release, abandoned) in self.outbound.iter(Lane::Release).filter_map(release) {
            match abandoned {
                true => snapshot.abandoned.push(release),
                false => snapshot.releases.push(release),
            }
        }
        // A message that was taken back while its acknowledgement is awaited.
        let taken_back = self
            .outbound
            .iter(Lane::Message)
            .filter(|(_, sent)| sent.message.is_none() && sent.state == Outbound::AwaitPubRec);
        let taken_back = taken_back.filter_map(release).map(|(release, _)| release);
        snapshot.abandoned.extend(taken_back);
        snapshot.abandoned.sort_unstable();
        let received = self.inbound.iter(Lane::Message);
        let received = received.filter(|(_, received)| received.state == Inbound::AwaitPubRel);
        snapshot.received.extend(received.map(|(id, _)| id));
        snapshot.received.sort_unstable();
        snapshot
    }

    /// Restores a session from a snapshot and the changes since, without a network connection.
    ///
    /// The changes have to be in the order in which they were polled. Any other order produces
    /// another session, but a valid one.
    ///
    /// # Errors
    ///
    /// If the snapshot has an unknown layout, a stored message has QoS 0, or a packet identifier
    /// occurs twice.
    pub fn restore(
        snapshot: Snapshot<M>,
        changes: impl IntoIterator<Item = Change<M>>,
    ) -> Result<Self, InvalidSnapshot> {
        if snapshot.layout != Snapshot::<M>::LAYOUT {
            return Err(InvalidSnapshot::UnknownLayout(snapshot.layout));
        }
        let mut session = Self::new();
        session.calls = Calls::after(snapshot.calls);
        for stored in snapshot.messages {
            let (state, id) = exchange(stored.delivery)?;
            let mut sent = Sent::new(state, Some(stored.message), Some(stored.call));
            sent.expiry = stored.expiry;
            session.restore_message(id, sent.sent_before(stored.sent))?;
        }
        let releases = snapshot
            .releases
            .into_iter()
            .map(|release| (release, false));
        let abandoned = snapshot
            .abandoned
            .into_iter()
            .map(|release| (release, true));
        for (release, abandoned) in releases.chain(abandoned) {
            let sent = Sent::new(Outbound::AwaitPubComp, None, Some(release.call));
            let mut sent = sent.sent_before(true);
            sent.abandoned = abandoned;
            let id = release.packet_id;
            once(session.outbound.push(Lane::Release, id, sent), id)?;
        }
        for id in snapshot.received {
            let received = Received::new(Inbound::AwaitPubRel);
            once(session.inbound.push(Lane::Message, id, received), id)?;
        }
        session.outbound.set_last_id(snapshot.last_packet_id);
        session.last_stored = snapshot.last_packet_id;
        changes
            .into_iter()
            .try_for_each(|change| session.apply(change))?;
        Ok(session)
    }

    /// Puts a stored message behind those that are there.
    pub(super) fn restore_message(
        &mut self,
        id: PacketId,
        sent: Sent<M>,
    ) -> Result<(), InvalidSnapshot> {
        let expiry = sent.expiry;
        once(self.outbound.push(Lane::Message, id, sent), id)?;
        match expiry {
            Expiry::Never => {}
            Expiry::After(_) => {
                self.to_begin.get_or_insert(id);
            }
            Expiry::At(at) => self.expires_next(at),
        }
        Ok(())
    }
}

const fn once(new: bool, id: PacketId) -> Result<(), InvalidSnapshot> {
    match new {
        true => Ok(()),
        false => Err(InvalidSnapshot::RepeatedPacketId(id)),
    }
}

#[cfg(feature = "serde")]
impl<M: Clone + serde::Serialize> serde::Serialize for Session<M> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.snapshot().serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de, M: serde::Deserialize<'de>> serde::Deserialize<'de> for Session<M> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let snapshot = Snapshot::deserialize(deserializer)?;
        Self::restore(snapshot, []).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qos::QoS;
    use crate::reason::ReasonCode;
    use crate::session::Link;
    use crate::session::tests::{Wire, drain, id};
    use crate::version::Version;
    use alloc::vec;

    fn call(number: u64) -> CallId {
        let mut calls = Calls::after(number - 1);
        calls.take().0
    }

    impl StoredRelease {
        fn at(mut self, value: u16) -> Self {
            self.packet_id = id(value);
            self
        }
    }

    fn sample() -> Snapshot<u32> {
        let stored = |delivery, sent, message: u32| StoredMessage {
            delivery,
            sent,
            call: call(message.into()),
            expiry: Expiry::Never,
            message,
        };
        let release = |packet_id, number| StoredRelease {
            packet_id: id(packet_id),
            call: call(number),
        };
        Snapshot {
            layout: 1,
            last_packet_id: Some(id(65_535)),
            calls: 1_024,
            messages: vec![
                stored(Delivery::ExactlyOnce(id(9)), true, 1),
                stored(Delivery::AtLeastOnce(id(65_535)), false, 2),
            ],
            releases: vec![release(8, 3), release(3, 4)],
            abandoned: vec![release(5, 5)],
            received: vec![id(3), id(9)],
        }
    }

    #[test]
    fn restored_as_it_was() {
        let mut session = Session::restore(sample(), []).unwrap();
        session.check();
        assert_eq!(session.snapshot(), sample());
        assert_eq!(session.next_packet_id(), Some(id(1)));
        session.connect(Link::new(Version::V5));
        let ok = ReasonCode::Success;
        let expected = [
            Wire::PubRel(id(8), ok),
            Wire::PubRel(id(3), ok),
            Wire::PubRel(id(5), ok),
            Wire::Publish(Delivery::ExactlyOnce(id(9)), true, 1),
            Wire::Publish(Delivery::AtLeastOnce(id(65_535)), false, 2),
        ];
        assert_eq!(drain(&mut session), expected);
    }

    /// PUBCOMP ends the exchange though `Sent` is missing, as it does in the snapshot of the session.
    #[test]
    fn a_store_that_lost_sent() {
        let stored = Change::Stored {
            delivery: Delivery::ExactlyOnce(id(1)),
            call: call(1),
            expiry: Expiry::Never,
            message: 7,
        };
        for lost in [Change::Released(id(1)), Change::Abandoned(id(1))] {
            let mut session = Session::restore(Snapshot::new(), [stored, lost]).unwrap();
            session.connect(Link::new(Version::V5));
            let ok = ReasonCode::Success;
            assert_eq!(drain(&mut session), [Wire::PubRel(id(1), ok)]);
            let ends = session.handle_pub_comp(id(1), ok).unwrap();
            assert!(matches!(ends, crate::session::Progress::Completed { .. }));
            assert!(session.is_empty());
        }
    }

    #[test]
    fn what_is_not_in_it() {
        let mut session = Session::<u32>::new();
        session.connect(Link::new(Version::V5));
        session.subscribe(1).unwrap();
        for value in 1..=3 {
            let _ = session
                .handle_publish(Delivery::ExactlyOnce(id(value)))
                .unwrap();
        }
        session.answer(id(2), ReasonCode::Success).unwrap();
        session.answer(id(3), ReasonCode::QuotaExceeded).unwrap();
        session.handle_pub_rel(id(4)).unwrap();
        let snapshot = session.snapshot();
        assert_eq!(snapshot.received, [id(2)], "taken over");
        assert_eq!((snapshot.messages, snapshot.releases), (vec![], vec![]));
    }

    #[test]
    fn checked() {
        let fails = |change: fn(&mut Snapshot<u32>)| {
            let mut snapshot = sample();
            change(&mut snapshot);
            Session::restore(snapshot, []).map(|_| ())
        };
        let twice = |value| Err(InvalidSnapshot::RepeatedPacketId(id(value)));
        assert_eq!(fails(|_| {}), Ok(()));
        assert_eq!(
            fails(|s| s.layout = 2),
            Err(InvalidSnapshot::UnknownLayout(2))
        );
        let zero = fails(|s| s.messages[0].delivery = Delivery::AtMostOnce);
        assert_eq!(zero, Err(InvalidSnapshot::AtMostOnce));
        assert_eq!(fails(|s| s.releases.push(s.releases[0].at(9))), twice(9));
        assert_eq!(fails(|s| s.releases.push(s.releases[0])), twice(8));
        assert_eq!(fails(|s| s.received.push(id(3))), twice(3));
        let message = |s: &mut Snapshot<u32>| s.messages.push(s.messages[1]);
        assert_eq!(fails(message), twice(65_535));
    }

    /// A snapshot that is read is checked, and one without what came later is read as well.
    #[cfg(feature = "serde")]
    #[test]
    fn read_and_written() {
        let session = Session::restore(sample(), []).unwrap();
        let json = serde_json::to_string(&session).unwrap();
        assert_eq!(json, serde_json::to_string(&sample()).unwrap());
        let read: Session<u32> = serde_json::from_str(&json).unwrap();
        assert_eq!(read.snapshot(), sample());
        let read = |json: &str| serde_json::from_str::<Session<u32>>(json).is_ok();
        assert!(read(&json));
        for (good, bad) in [
            ("\"layout\":1", "\"layout\":2"),
            ("{\"packet_id\":3,", "{\"packet_id\":8,"),
            ("{\"packet_id\":3,", "{\"packet_id\":0,"),
            ("\"call\":4", "\"call\":0"),
            ("[3,9]", "[9,9]"),
            ("{\"exactly_once\":9}", "\"at_most_once\""),
        ] {
            assert!(json.contains(good), "{json}");
            assert!(!read(&json.replace(good, bad)), "{bad}");
        }
    }

    /// It is another message that has the identifier once all others were used.
    #[test]
    fn a_message_is_stored_once() {
        let mut session = Session::new();
        session.record_changes();
        for _ in 1..=u16::MAX {
            let id = session.next_packet_id().unwrap();
            session.publish(QoS::AtLeastOnce, 0).unwrap();
            session.abandon(id).unwrap();
        }
        let last = session.publish(QoS::AtLeastOnce, 1).unwrap();
        let mut stored = vec![];
        while let Some(change) = session.poll_change() {
            if let Change::Stored { call, message, .. } = change {
                stored.push((call, *message));
            }
        }
        assert_eq!(stored, [(last, 1)]);
    }
}
