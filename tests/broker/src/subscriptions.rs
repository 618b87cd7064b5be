use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use mqtt_sansio::Text;
use mqtt_sansio::packet::SubscriptionOptions;
use mqtt_sansio::property::SubscriptionId;
use mqtt_sansio::topic::{FilterTree, TopicFilter};

use crate::client::SessionKey;
use crate::message::Message;

/// How one session wants what matches one filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    pub(crate) options: SubscriptionOptions,
    pub(crate) id: Option<SubscriptionId>,
}

/// A shared subscription: its name and its filter.
#[derive(Clone, Debug, Eq, PartialEq)]
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
}

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
    /// Who had its turn.
    last: Option<SessionKey>,
}

/// The subscriptions of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// Boxed, as the tree has room for a value in each of its pieces.
    filters: FilterTree<Box<Entry>>,
    count: usize,
}

/// Who gets a message.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    /// For each session all its subscriptions that match: it gets one copy [MQTT-3.3.4-2].
    pub(crate) own: BTreeMap<SessionKey, Vec<Subscription>>,
    /// The shares, each of which gets a copy.
    pub(crate) shares: Vec<Arc<Share>>,
}

impl Subscriptions {
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Adds a subscription, or replaces it [MQTT-3.8.4-3].
    pub(crate) fn insert(&mut self, place: &Place<'_>, key: SessionKey, new: Subscription) {
        let entry = self.filters.get_or_insert_with(&place.filter, Box::default);
        let members = match place.share {
            Some(name) => {
                let group = entry.shares.entry(name.to_owned());
                &mut group.or_insert_with(|| Group::new(place, name)).members
            }
            None => &mut entry.own,
        };
        if members.insert(key, new).is_none() {
            self.count += 1;
        }
    }

    pub(crate) fn remove(&mut self, place: &Place<'_>, key: SessionKey) {
        let Some(entry) = self.filters.get_mut(&place.filter) else {
            return;
        };
        let removed = match place.share {
            None => entry.own.remove(&key),
            Some(name) => {
                let Some(group) = entry.shares.get_mut(name) else {
                    return;
                };
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
        self.count -= usize::from(removed.is_some());
    }

    /// Who gets this message. `name_of` says which client a session belongs to.
    pub(crate) fn matches<'a>(
        &self,
        message: &Message,
        name_of: impl Fn(SessionKey) -> Option<&'a Text>,
    ) -> Matches {
        let mut found = Matches::default();
        for entry in self.filters.matches(&message.content.topic) {
            for (&key, subscription) in &entry.own {
                // It is the client identifier that counts, not the connection [MQTT-3.8.3-3].
                let local = message.publisher.is_some()
                    && subscription.options.no_local
                    && name_of(key) == message.publisher.as_ref();
                if !local {
                    found.own.entry(key).or_default().push(*subscription);
                }
            }
            let shares = entry.shares.values();
            found
                .shares
                .extend(shares.map(|group| Arc::clone(&group.share)));
        }
        found
    }

    /// Whether there is such a member of a share.
    pub(crate) fn any_member(&self, share: &Share, such: impl Fn(SessionKey) -> bool) -> bool {
        let entry = self.filters.get(&share.filter);
        let group = entry.and_then(|entry| entry.shares.get(&share.name));
        group.is_some_and(|group| group.members.keys().any(|&key| such(key)))
    }

    /// The member of a share whose turn it is, among those that `may` take the message.
    pub(crate) fn choose(
        &mut self,
        share: &Share,
        may: impl Fn(SessionKey) -> bool,
    ) -> Option<(SessionKey, Subscription)> {
        let entry = self.filters.get_mut(&share.filter)?;
        let group = entry.shares.get_mut(&share.name)?;
        let after = match group.last {
            Some(last) => Bound::Excluded(last),
            None => Bound::Unbounded,
        };
        let later = group.members.range((after, Bound::Unbounded));
        let mut turn = later.chain(&group.members);
        let (&key, &subscription) = turn.find(|(key, _)| may(**key))?;
        group.last = Some(key);
        Some((key, subscription))
    }
}
