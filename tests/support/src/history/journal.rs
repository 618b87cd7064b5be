//! What an end stores, and a crash (h).

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use mqtt_sansio::connection::Role;
use mqtt_sansio::session::{Change, Expiry, Session, Snapshot};
use mqtt_sansio::{Message, Packet, QoS};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::actor::{Actor, Asked};

/// The journal of an end.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    pub(super) base: Snapshot<Message>,
    pub(super) changes: Vec<Change<Message>>,
}

impl Journal {
    pub(super) const fn new() -> Self {
        Self {
            base: Snapshot::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn restore(&self) -> Session<Message> {
        Session::restore(self.base.clone(), self.changes.iter().cloned()).unwrap()
    }

    /// The session as another process reads it.
    fn reload(&self) -> Session<Message> {
        let read = Self {
            base: through_text(&self.base),
            changes: through_text(&self.changes),
        };
        let session = read.restore();
        through_text(&session.snapshot());
        session
    }
}

impl<R: Role + Clone + Debug> Actor<R> {
    /// Stores up to so many changes.
    pub(super) fn store(&mut self, most: usize) {
        if self.journal.is_none() || !self.has_session {
            return;
        }
        for _ in 0..most {
            let Some(change) = self.end.connection.poll_change() else {
                return;
            };
            let change = change.map(Clone::clone);
            self.stored(change);
        }
    }

    pub(super) fn stored(&mut self, change: Change<Message>) {
        match &change {
            Change::Stored { call, .. } => {
                let record = self.records.get_mut(&(self.era, *call));
                record.unwrap().persisted = true;
            }
            Change::Received(id) => {
                if let Some(number) = self.pending.remove(id) {
                    *self.delivered.entry(number).or_default() += 1;
                }
            }
            _ => {}
        }
        self.journal.as_mut().unwrap().changes.push(change);
    }

    /// No message leaves for the first time before it is stored that it does (h).
    pub(super) fn check_unstored(&self) {
        let Some(journal) = &self.journal else {
            return;
        };
        let stored = journal.restore().snapshot().messages;
        let mut copy = self.end.connection.clone();
        while let Some(packet) = copy.poll_transmit(self.told) {
            if let Packet::Publish(publish) = packet {
                let id = publish.packet_id();
                let mut known = stored
                    .iter()
                    .filter(|stored| stored.delivery.packet_id() == id && stored.sent);
                let known = known.any(|stored| stored.message.payload == publish.payload);
                assert!(known || id.is_none(), "(h) {publish:?} is not stored");
            }
        }
    }

    /// A snapshot and the changes since are the state now (h).
    pub(super) fn check_journal(&mut self, rebase: bool) {
        self.store(usize::MAX);
        let (Some(journal), true) = (&mut self.journal, self.has_session) else {
            return;
        };
        let snapshot = self.end.connection.session().snapshot();
        assert_eq!(
            journal.restore().snapshot(),
            snapshot,
            "(h) {:?}",
            journal.changes
        );
        if rebase {
            *journal = Journal {
                base: snapshot,
                changes: Vec::new(),
            };
        }
    }

    /// The session as it was stored, and what the application knows of it then.
    pub(super) fn crash(&mut self, now: Snapshot<Message>) -> Session<Message> {
        let now = Journal {
            base: now,
            changes: Vec::new(),
        };
        let mut session = self.journal.as_ref().unwrap_or(&now).reload();
        if self.journal.is_some() {
            session.record_changes();
        }
        self.told = Duration::ZERO;
        self.pending.clear();
        self.held.clear();
        let delivered = &self.delivered;
        self.handed.retain(|number| delivered.contains_key(number));
        let snapshot = session.snapshot();
        let releases = snapshot.releases.iter().chain(&snapshot.abandoned);
        let mut open: BTreeSet<_> = releases.map(|release| release.call).collect();
        open.extend(snapshot.messages.iter().map(|stored| stored.call));
        self.fresh.clear();
        self.fresh.clear();
        self.go_back(&snapshot);
        session
    }

    /// Makes the user know no more than is stored.
    fn go_back(&mut self, snapshot: &Snapshot<Message>) {
        let releases = snapshot.releases.iter().chain(&snapshot.abandoned);
        let mut open: BTreeSet<_> = releases.map(|release| release.call).collect();
        open.extend(snapshot.messages.iter().map(|stored| stored.call));
        for ((era, call), record) in &mut self.records {
            if *era != self.era {
                continue;
            }
            record.restored = true;
            let lives = open.contains(call);
            let message = matches!(&record.asked, Asked::Publish(qos, _) if *qos > QoS::AtMostOnce);
            if !lives && !record.done && record.persisted && message && !record.taken_back {
                panic!("(h) {record:?} is lost");
            }
            record.done = !lives;
        }
        for stored in &snapshot.messages {
            let key = (self.era, stored.call);
            let record = self.records.get_mut(&key).unwrap();
            record.taken_back = false;
            if let Expiry::After(_) = stored.expiry {
                record.deadline = None;
                self.fresh.push(key);
            }
        }
        // What this process counted and did not store is forgotten.
        self.last_call = self.last_call.filter(|last| last.get() <= snapshot.calls);
    }
}

/// The same, written and read as text.
fn through_text<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> T {
    let text = serde_json::to_string(value).unwrap();
    let read = serde_json::from_str(&text).unwrap();
    assert_eq!(*value, read, "(h) {text}");
    read
}
