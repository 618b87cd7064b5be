use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::Duration;

use mqtt_sansio::packet::Will;
use mqtt_sansio::session::{self, InvalidSnapshot, Session, Snapshot};
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{Text, Version};

use crate::Broker;
use crate::client::SessionKey;
use crate::message::Outgoing;
use crate::retained::Stored;
use crate::subscriptions::Subscription;

/// A change of the state that survives a crash: of a session, a subscription, a will or a retained
/// message. See [`Broker::poll_change`].
#[derive(Clone, Debug)]
pub struct Change(Kind);

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Session(SessionKey, SessionChange),
    /// A message is retained, or none any more.
    Retained(TopicName, Option<Stored>),
    /// The changes since the last one like this belong together.
    Complete,
    /// The broker was restored: what was not complete before is not part of its state.
    Restored,
}

#[derive(Clone, Debug)]
pub(crate) enum SessionChange {
    Opened(Text),
    Ended,
    Presence(Version, Presence),
    /// `true` if it is to get the retained messages from the first one on.
    Subscribed(TopicFilter, Kept, bool),
    Unsubscribed(TopicFilter),
    /// A subscription has got the retained messages up to this topic, or all.
    Walked(TopicFilter, Option<TopicName>),
    /// A subscription has got that of this topic before its turn.
    Ahead(TopicFilter, TopicName),
    Exchange(Box<session::Change<Outgoing>>),
}

/// Whether the client of a session is connected, and what happens without it.
#[derive(Clone, Debug)]
pub(crate) enum Presence {
    /// With its Session Expiry Interval, and the will that is due if the connection is lost.
    Connected(u32, Option<Box<Will>>),
    /// The session ends and the will comes at these times.
    Away(Option<Duration>, Option<(Duration, Box<Will>)>),
}

/// A subscription in a [`State`].
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) shared: bool,
    pub(crate) subscription: Subscription,
    /// While retained messages are still to come: the last topic that came in order, and those
    /// behind it that came before their turn.
    pub(crate) waiting: Option<(Option<TopicName>, BTreeSet<TopicName>)>,
}

/// A session in a [`State`].
#[derive(Clone, Debug)]
pub(crate) struct KeptSession {
    pub(crate) name: Text,
    pub(crate) version: Version,
    pub(crate) presence: Presence,
    pub(crate) subscriptions: BTreeMap<TopicFilter, Kept>,
    pub(crate) exchanges: Snapshot<Outgoing>,
}

/// What a broker keeps across a crash: sessions with their messages, subscriptions and wills, and
/// retained messages.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(crate) sessions: BTreeMap<SessionKey, KeptSession>,
    pub(crate) retained: BTreeMap<TopicName, Stored>,
    /// Changes that are not complete.
    pub(crate) begun: Vec<Kind>,
}

/// Changes that are not polled yet.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Whether changes are recorded.
    pub(crate) is_on: bool,
    /// Whether that it was restored is still to be recorded.
    pub(crate) is_restored: bool,
    changes: VecDeque<(SessionKey, SessionChange)>,
    /// Sessions whose exchanges may have changed.
    touched: BTreeSet<SessionKey>,
    /// Whether some were polled that belong together with the next ones.
    is_begun: bool,
}

impl Journal {
    pub(crate) fn push(&mut self, key: SessionKey, change: impl FnOnce() -> SessionChange) {
        if self.is_on {
            self.changes.push_back((key, change()));
        }
    }

    pub(crate) fn touch(&mut self, key: SessionKey) {
        if self.is_on {
            self.touched.insert(key);
        }
    }
}

impl Broker {
    /// The next change to store, if any. Always `None` unless the broker was
    /// [restored](Self::restore), at first from an empty state.
    ///
    /// Store the changes, in order and up to `None`, before [`poll_transmit`](Self::poll_transmit) is
    /// called. Then a crash between any two loses no message and doubles none of QoS 2.
    #[must_use]
    pub fn poll_change(&mut self) -> Option<Change> {
        let change = self.next_change();
        let ends = change.is_none() && self.journal.is_begun;
        self.journal.is_begun = change.is_some();
        change.or(ends.then_some(Kind::Complete)).map(Change)
    }

    fn next_change(&mut self) -> Option<Kind> {
        if mem::take(&mut self.journal.is_restored) {
            return Some(Kind::Restored);
        }
        if let Some((key, change)) = self.journal.changes.pop_front() {
            return Some(Kind::Session(key, change));
        }
        if let Some((topic, stored)) = self.retained.poll_change() {
            return Some(Kind::Retained(topic, stored));
        }
        while let Some(&key) = self.journal.touched.first() {
            if let Some(change) = self.next_exchange(key) {
                let change = SessionChange::Exchange(Box::new(change));
                return Some(Kind::Session(key, change));
            }
            self.journal.touched.remove(&key);
        }
        None
    }

    fn next_exchange(&mut self, key: SessionKey) -> Option<session::Change<Outgoing>> {
        let client = self.clients.get_mut(&key)?;
        let change = match client.connection {
            Some(id) => self.links.get_mut(&id)?.connection.as_mut()?.poll_change(),
            None => client.session.as_mut()?.poll_change(),
        };
        Some(change?.map(Outgoing::clone))
    }
}

impl State {
    /// Applies a change. It counts as soon as those that belong together are complete, so that
    /// nothing is lost or doubled wherever the changes end.
    ///
    /// # Errors
    ///
    /// If changes are missing or in another order.
    pub fn apply(&mut self, change: Change) -> Result<(), InvalidSnapshot> {
        match change.0 {
            Kind::Complete => return self.complete(),
            Kind::Restored => self.begun.clear(),
            change => self.begun.push(change),
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<(), InvalidSnapshot> {
        let mut exchanges = BTreeMap::<_, Vec<_>>::new();
        for change in mem::take(&mut self.begun) {
            match change {
                Kind::Session(key, SessionChange::Exchange(change)) => {
                    exchanges.entry(key).or_default().push(*change);
                }
                Kind::Session(key, change) => self.apply_to(key, change),
                Kind::Retained(topic, Some(stored)) => drop(self.retained.insert(topic, stored)),
                Kind::Retained(topic, None) => drop(self.retained.remove(&topic)),
                Kind::Restored | Kind::Complete => {}
            }
        }
        for (key, changes) in exchanges {
            if let Some(kept) = self.sessions.get_mut(&key) {
                let session = Session::restore(mem::take(&mut kept.exchanges), changes)?;
                kept.exchanges = session.snapshot();
            }
        }
        Ok(())
    }

    fn apply_to(&mut self, key: SessionKey, change: SessionChange) {
        let Some(kept) = self.sessions.get_mut(&key) else {
            if let SessionChange::Opened(name) = change {
                self.sessions.insert(key, KeptSession::new(name));
            }
            return;
        };
        let subscriptions = &mut kept.subscriptions;
        match change {
            SessionChange::Ended => drop(self.sessions.remove(&key)),
            SessionChange::Presence(version, presence) => {
                (kept.version, kept.presence) = (version, presence);
            }
            SessionChange::Subscribed(filter, mut new, wanted) => {
                let old = subscriptions.remove(&filter);
                let same = |old: &Kept| old.subscription.turn == new.subscription.turn;
                let waiting = old.filter(same).and_then(|old| old.waiting);
                new.waiting = match wanted {
                    true => Some(Default::default()),
                    false => waiting,
                };
                subscriptions.insert(filter, new);
            }
            SessionChange::Unsubscribed(filter) => drop(subscriptions.remove(&filter)),
            SessionChange::Walked(filter, after) => {
                if let Some(kept) = subscriptions.get_mut(&filter) {
                    let ahead = kept.waiting.take().map(|(_, ahead)| ahead);
                    kept.waiting = after.map(|after| (Some(after), ahead.unwrap_or_default()));
                }
            }
            SessionChange::Ahead(filter, topic) => {
                let kept = subscriptions.get_mut(&filter);
                if let Some((_, ahead)) = kept.and_then(|kept| kept.waiting.as_mut()) {
                    ahead.insert(topic);
                }
            }
            SessionChange::Opened(_) | SessionChange::Exchange(_) => {}
        }
    }
}

impl KeptSession {
    pub(crate) fn new(name: Text) -> Self {
        Self {
            name,
            version: Version::V5,
            presence: Presence::Away(None, None),
            subscriptions: BTreeMap::new(),
            exchanges: Snapshot::new(),
        }
    }
}
