use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use mqtt_sansio::Text;
use mqtt_sansio::packet::SubscriptionOptions;
use mqtt_sansio::property::SubscriptionId;
use mqtt_sansio::topic::{FilterTree, LookUp, Position, TopicFilter};

use crate::client::SessionKey;
use crate::message::{BUFFER, Message};
use crate::route::SERVED;

/// How one session wants what matches one filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    /// When it was made, in the order of all turns of the broker. Retained messages that came later
    /// are messages like others to it.
    pub(crate) turn: u64,
    /// When there was first one of this session with this filter, which it replaces.
    pub(crate) since: u64,
    pub(crate) options: SubscriptionOptions,
    pub(crate) id: Option<SubscriptionId>,
}

/// A shared subscription: its name and its filter.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Share {
    pub(crate) name: String,
    pub(crate) filter: TopicFilter,
}

/// Where a subscription stands: the share, if it is one, and the filter to match with.
pub(crate) struct Place<'a> {
    share: Option<&'a str>,
    filter: TopicFilter<&'a [u8]>,
}

impl Group {
    fn new(place: &Place<'_>, name: &str) -> Self {
        let (name, filter) = (name.to_owned(), place.filter.to_owned());
        Self {
            share: Arc::new(Share { name, filter }),
            members: BTreeMap::new(),
            present: BTreeSet::new(),
            last: None,
        }
    }
}

impl<'a> Place<'a> {
    /// Only 5.0 knows shared subscriptions; in 3.1.1 the filter stands as it is.
    pub(crate) fn new(filter: &'a TopicFilter<&'a [u8]>, may_share: bool) -> Self {
        match filter.shared() {
            Ok(Some(shared)) if may_share => Self {
                share: Some(shared.share_name),
                filter: shared.filter,
            },
            _ => Self {
                share: None,
                filter: *filter,
            },
        }
    }

    pub(crate) const fn is_shared(&self) -> bool {
        self.share.is_some()
    }

    /// How many bytes a subscription with such a filter takes at most: its filter in the session, in
    /// the tree, where the buffer of all text may be half empty, and in the share, and what is
    /// allocated for the first of several in each map.
    pub(crate) const fn size(filter: usize, shared: bool) -> usize {
        let session = BUFFER + 2 * size_of::<(TopicFilter, bool)>();
        let members = MAP * size_of::<(SessionKey, Subscription)>();
        let entry = 256 + size_of::<Entry>() + members;
        match shared {
            false => session + entry + 3 * filter,
            true => {
                let groups = MAP * size_of::<(String, Group)>();
                let present = MAP * size_of::<SessionKey>();
                session + entry + groups + present + size_of::<Share>() + 2 * BUFFER + 4 * filter
            }
        }
    }
}

/// For how many entries a map allocates when it gets the first one, and some room for itself.
const MAP: usize = 12;

/// Everything under one topic filter.
#[derive(Debug, Default)]
struct Entry {
    own: BTreeMap<SessionKey, Subscription>,
    shares: BTreeMap<String, Group>,
}

#[derive(Debug)]
struct Group {
    share: Arc<Share>,
    members: BTreeMap<SessionKey, Subscription>,
    /// Those that are connected.
    present: BTreeSet<SessionKey>,
    /// Who had its turn.
    last: Option<SessionKey>,
}

/// The subscriptions of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// Boxed, as the tree has room for a value in each of its pieces.
    filters: FilterTree<Box<Entry>>,
    /// Members of shares that were looked at.
    pub(crate) steps: u64,
}

/// The most shares of one filter, as a message looks at all of them at once.
const SHARES: usize = 1_000;

/// Who gets a message.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    /// For each session all its subscriptions that match: it gets one copy [MQTT-3.3.4-2].
    pub(crate) own: BTreeMap<SessionKey, Vec<Subscription>>,
    /// The shares, each of which gets a copy.
    pub(crate) shares: VecDeque<Arc<Share>>,
    /// How many subscriptions and shares these are.
    pub(crate) count: usize,
}

impl Matches {
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.shares.is_empty()
    }

    /// How many steps it takes to give a message to all of them.
    pub(crate) fn cost(&self) -> usize {
        self.count + SERVED * (self.own.len() + self.shares.len())
    }

    /// Leaves out a subscription that has ended.
    pub(crate) fn forget(&mut self, key: SessionKey, ended: &Subscription) {
        if let Some(subscriptions) = self.own.get_mut(&key) {
            subscriptions.retain(|subscription| subscription.since != ended.since);
            if subscriptions.is_empty() {
                self.own.remove(&key);
            }
        }
    }
}

impl Subscriptions {
    /// Adds a subscription of a client that is connected, or replaces it [MQTT-3.8.4-3].
    pub(crate) fn insert(
        &mut self,
        place: &Place<'_>,
        key: SessionKey,
        mut new: Subscription,
    ) -> Option<Subscription> {
        let entry = self.filters.get_or_insert_with(&place.filter, Box::default);
        let members = match place.share {
            Some(name) => {
                let group = entry.shares.entry(name.to_owned());
                let group = group.or_insert_with(|| Group::new(place, name));
                group.present.insert(key);
                &mut group.members
            }
            None => &mut entry.own,
        };
        if let Some(old) = members.get(&key) {
            new.since = old.since;
        }
        members.insert(key, new)
    }

    /// Whether there may be one more subscription at this place.
    pub(crate) fn has_room(&self, place: &Place<'_>) -> bool {
        let entry = place.share.and_then(|_| self.filters.get(&place.filter));
        entry.is_none_or(|entry| {
            let known = place
                .share
                .is_some_and(|name| entry.shares.contains_key(name));
            known || entry.shares.len() < SHARES
        })
    }

    pub(crate) fn get(&self, place: &Place<'_>, key: SessionKey) -> Option<&Subscription> {
        let entry = self.filters.get(&place.filter)?;
        match place.share {
            Some(name) => entry.shares.get(name)?.members.get(&key),
            None => entry.own.get(&key),
        }
    }

    pub(crate) fn remove(&mut self, place: &Place<'_>, key: SessionKey) -> Option<Subscription> {
        let entry = self.filters.get_mut(&place.filter)?;
        let removed = match place.share {
            None => entry.own.remove(&key),
            Some(name) => {
                let group = entry.shares.get_mut(name)?;
                group.present.remove(&key);
                let removed = group.members.remove(&key);
                if group.members.is_empty() {
                    entry.shares.remove(name);
                }
                removed
            }
        };
        if entry.own.is_empty() && entry.shares.is_empty() {
            self.filters.remove(&place.filter);
        }
        removed
    }

    /// Notes that a member of a share has a connection now, or has none any more.
    pub(crate) fn set_present(&mut self, place: &Place<'_>, key: SessionKey, present: bool) {
        let entry = self.filters.get_mut(&place.filter);
        let group = entry.and_then(|entry| entry.shares.get_mut(place.share?));
        if let Some(group) = group {
            match present {
                true => group.present.insert(key),
                false => group.present.remove(&key),
            };
        }
    }

    /// Goes on to find who gets a message that came at `turn`, for about so many `steps`, and takes
    /// these. Returns where to go on, if that is not all. `name_of` says which client a session
    /// belongs to, if No Local counts for it.
    pub(crate) fn find<'a>(
        &self,
        (message, turn): (&Message, u64),
        position: &Position,
        steps: &mut usize,
        name_of: impl Fn(SessionKey) -> Option<&'a Text>,
        found: &mut Matches,
    ) -> Option<Position> {
        let topic = &message.content.topic;
        let mut matches = self.filters.matches_from(topic, position);
        loop {
            let entry = match matches.next_within(steps) {
                LookUp::Found(entry) => entry,
                LookUp::NotYet => return Some(matches.position()),
                LookUp::End => return None,
            };
            let count = entry.own.len() + entry.shares.len();
            *steps = steps.saturating_sub(count);
            found.count += count;
            for (&key, subscription) in &entry.own {
                // It is the client identifier that counts, not the connection [MQTT-3.8.3-3].
                let local = message.publisher.is_some()
                    && subscription.options.no_local
                    && name_of(key) == message.publisher.as_ref();
                // Who subscribed later gets the retained message.
                if !local && subscription.since <= turn {
                    found.own.entry(key).or_default().push(*subscription);
                }
            }
            let shares = entry.shares.values();
            found
                .shares
                .extend(shares.map(|group| Arc::clone(&group.share)));
        }
    }

    /// Whether a member of a share is connected.
    pub(crate) fn is_attended(&self, share: &Share) -> bool {
        let entry = self.filters.get(&share.filter);
        let group = entry.and_then(|entry| entry.shares.get(&share.name));
        group.is_some_and(|group| !group.present.is_empty())
    }

    /// The member of a share whose turn it is, and not this one: of those that are connected, if there
    /// are any. To look for it costs the same however many there are.
    pub(crate) fn choose(
        &mut self,
        share: &Share,
        not: Option<SessionKey>,
    ) -> Option<(SessionKey, Subscription)> {
        let entry = self.filters.get_mut(&share.filter)?;
        let group = entry.shares.get_mut(&share.name)?;
        let after = group.last.map_or(Bound::Unbounded, Bound::Excluded);
        let later = (after, Bound::Unbounded);
        let mut is_it = |key: &&SessionKey| {
            self.steps += 1;
            Some(**key) != not
        };
        let present = group.present.range(later).chain(&group.present);
        let members = group.members.range(later).chain(&group.members);
        let members = members.map(|(key, _)| key);
        let key = *present.chain(members).find(&mut is_it)?;
        group.last = Some(key);
        Some((key, *group.members.get(&key)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mqtt_sansio::{Message as Content, QoS};

    use super::*;

    #[test]
    fn what_is_found_is_counted() {
        let mut subscriptions = Subscriptions::default();
        let subscription = Subscription {
            turn: 1,
            since: 1,
            options: SubscriptionOptions::new(QoS::AtMostOnce),
            id: None,
        };
        for (filter, keys) in [
            ("t", &[1, 2, 3, 6][..]),
            ("+", &[3]),
            ("$share/g/t", &[4, 5]),
            ("$share/h/t", &[4]),
        ] {
            let filter = TopicFilter::new(filter).unwrap();
            for key in keys {
                subscriptions.insert(&Place::new(&filter, true), SessionKey(*key), subscription);
            }
        }
        let content = Content::new("t".parse().unwrap(), "m");
        let message = Message::new(Duration::ZERO, Text::default(), QoS::AtMostOnce, &content);
        let mut found = Matches::default();
        let start = Position::default();
        let rest = subscriptions.find((&message, 1), &start, &mut 100, |_| None, &mut found);
        assert!(rest.is_none());
        // Five subscriptions of four sessions, and two shares.
        assert_eq!(found.count, 5 + 2);
        assert_eq!(found.cost(), 5 + 2 + (4 + 2) * SERVED);
        // One member, and then both, as it is not to be the first one that has its turn.
        for (not, key, steps) in [(None, 4, 1), (Some(5), 4, 3)] {
            let chosen = subscriptions.choose(&found.shares[0], not.map(SessionKey));
            assert_eq!(chosen.unwrap().0, SessionKey(key));
            assert_eq!(subscriptions.steps, steps);
        }
    }

    /// As often as it is kept: in the session, the tree, and the share, the text of the tree twice.
    #[test]
    fn all_of_a_subscription_is_counted() {
        let member = size_of::<(SessionKey, Subscription)>();
        let own = BUFFER + 2 * size_of::<(TopicFilter, bool)>();
        let own = own + 256 + size_of::<Entry>() + 12 * member;
        let group = 12 * (size_of::<(String, Group)>() + size_of::<SessionKey>());
        let share = group + size_of::<Share>() + 2 * BUFFER;
        for len in [0, 1, 1_000] {
            assert_eq!(Place::size(len, false), own + 3 * len);
            assert_eq!(Place::size(len, true), own + share + 4 * len);
        }
    }
}
