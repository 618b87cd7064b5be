use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use mqtt_sansio::Version;
use mqtt_sansio::topic::{TopicFilter, TopicName};

use crate::Broker;
use crate::changes::SessionChange;
use crate::client::{Client, SessionKey};
use crate::message::{Account, BUFFER, Held, Message, Outgoing};
use crate::retained::Walk;
use crate::subscriptions::Subscription;

/// How much is looked at for new subscriptions before others are served.
pub(crate) const STEPS: usize = 1_000;

/// The retained messages that a new subscription has not got yet.
#[derive(Debug)]
pub(crate) struct Backlog {
    filter: TopicFilter,
    pub(crate) subscription: Subscription,
    /// The topic up to which it has got them.
    after: Option<TopicName>,
    /// Topics behind that one, whose messages went out because a later one of the same topic did.
    ahead: BTreeMap<TopicName, Held>,
}

impl Backlog {
    pub(crate) const fn new(filter: TopicFilter, subscription: Subscription) -> Self {
        Self {
            filter,
            subscription,
            after: None,
            ahead: BTreeMap::new(),
        }
    }

    /// The topic up to which it has got them, and those behind that one.
    pub(crate) fn progress(&self) -> (Option<TopicName>, BTreeSet<TopicName>) {
        (self.after.clone(), self.ahead.keys().cloned().collect())
    }

    /// Goes on from there.
    pub(crate) fn restore(
        &mut self,
        account: &Arc<Account>,
        after: Option<TopicName>,
        ahead: BTreeSet<TopicName>,
    ) {
        self.after = after;
        let held = |topic: TopicName| {
            let held = Held::new(account, ahead_bytes(&topic), 0);
            (topic, held)
        };
        self.ahead = ahead.into_iter().map(held).collect();
    }

    /// Whether the retained message of this topic is still to come.
    fn lacks(&self, topic: &TopicName) -> bool {
        self.after.as_ref().is_none_or(|after| after < topic) && !self.ahead.contains_key(topic)
    }

    fn wants(&self, client: &Client, message: &Message) -> bool {
        let no_local = self.subscription.options.no_local && client.version == Version::V5;
        let local = no_local && message.publisher.as_ref() == Some(&client.name);
        !local && !self.ahead.contains_key(&message.content.topic)
    }
}

/// What a topic takes that came before its turn.
fn ahead_bytes(topic: &TopicName) -> usize {
    topic.len() + BUFFER + 2 * size_of::<(TopicName, Held)>()
}

impl Broker {
    /// Looks for retained messages for sessions that wait for them, in turn, for a while.
    pub(crate) fn work(&mut self) {
        while self.steps_left > 0 {
            let after = self.worked.map_or(Bound::Unbounded, Bound::Excluded);
            let next = self.waiting.range((after, Bound::Unbounded)).next();
            let Some(&key) = next.or_else(|| self.waiting.first()) else {
                return;
            };
            self.worked = Some(key);
            self.work_for(key);
        }
    }

    /// Gives a session retained messages that it lacks: of its oldest new subscription, as many as
    /// can be found in what is left of the steps.
    pub(crate) fn work_for(&mut self, key: SessionKey) {
        let steps = self.steps_left;
        let Some(client) = self.clients.get_mut(&key) else {
            self.waiting.remove(&key);
            return;
        };
        let Some(mut first) = client.backlog.first_entry() else {
            self.waiting.remove(&key);
            return;
        };
        let (turn, backlog) = (*first.key(), first.get_mut());
        let after = backlog.after.as_ref();
        let walk = self
            .retained
            .walk(self.now, &backlog.filter, after, turn, steps);
        let Walk {
            mut found,
            next,
            steps,
        } = walk;
        // The search itself counts, as it may find nothing.
        let steps = steps + 1;
        self.steps_left = self.steps_left.saturating_sub(steps);
        self.stats.steps += crate::sys::count(steps);
        let over = next.is_none();
        backlog.after = next;
        let (subscription, filter) = (backlog.subscription, backlog.filter.clone());
        let reached = backlog.after.clone();
        if let Some(backlog) = client.backlog.get(&turn) {
            found.retain(|message| backlog.wants(client, message));
        }
        let room = found
            .iter()
            .all(|message| self.deliver(key, Outgoing::retained(message, subscription)));
        // Who has no room for one has none for the others.
        let goes_on = !over && room;
        self.journal.push(key, || {
            SessionChange::Walked(filter, reached.filter(|_| room))
        });
        if goes_on {
            return;
        }
        if let Some(client) = self.clients.get_mut(&key) {
            client.backlog.remove(&turn);
            if client.backlog.is_empty() {
                self.waiting.remove(&key);
            }
        }
    }

    /// A message goes to a session: the retained one of its topic goes first, if it is still to come
    /// for one of these subscriptions, as it is older [MQTT-4.6.0-6].
    pub(crate) fn catch_up(
        &mut self,
        key: SessionKey,
        subscriptions: &[Subscription],
        topic: &TopicName,
    ) {
        let most = self.config.max_queued_bytes;
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        if client.backlog.is_empty() {
            return;
        }
        let Some(stored) = self.retained.get(topic) else {
            return;
        };
        let message = Arc::clone(&stored.message);
        let mut missed = Vec::new();
        for subscription in subscriptions {
            let turn = subscription.turn;
            let Some(backlog) = client.backlog.get(&turn) else {
                continue;
            };
            if stored.turn > turn || message.is_expired(self.now) || !backlog.lacks(topic) {
                continue;
            }
            let wanted = backlog.wants(client, &message);
            let bytes = ahead_bytes(topic);
            if client.account.bytes().saturating_add(bytes) > most {
                let filter = backlog.filter.clone();
                client.backlog.remove(&turn);
                self.journal
                    .push(key, || SessionChange::Walked(filter, None));
                continue;
            }
            let held = Held::new(&client.account, bytes, 0);
            if let Some(backlog) = client.backlog.get_mut(&turn) {
                let (filter, topic) = (&backlog.filter, &message.content.topic);
                self.journal
                    .push(key, || SessionChange::Ahead(filter.clone(), topic.clone()));
                backlog.ahead.insert(topic.clone(), held);
            }
            if wanted {
                missed.push(*subscription);
            }
        }
        for subscription in missed {
            self.deliver(key, Outgoing::retained(&message, subscription));
        }
    }
}
