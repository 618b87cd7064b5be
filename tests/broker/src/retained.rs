use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use mqtt_sansio::topic::{TopicFilter, TopicName};

use crate::config::Config;
use crate::message::Message;

/// The retained messages, one for each topic, in the order of the topics, so that a walk over them
/// can go on at another time.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    /// A topic shares the buffer of its message.
    topics: BTreeMap<TopicName, Stored>,
    /// When which of them expires.
    expiries: BTreeSet<(Duration, TopicName)>,
    bytes: usize,
    /// Messages that were removed as they had expired.
    pub(crate) purged: u64,
    /// Topics whose message has changed since the change was polled, where changes are recorded.
    changed: Option<BTreeSet<TopicName>>,
}

/// A message, and when it came, in the order of all turns of the broker.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) message: Arc<Message>,
    pub(crate) turn: u64,
}

/// A part of a walk over the retained messages.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The messages that the filter matches.
    pub(crate) found: Vec<Arc<Message>>,
    /// The topic after which the walk goes on, if it is not over.
    pub(crate) next: Option<TopicName>,
    /// How much it looked at.
    pub(crate) steps: usize,
}

/// What a message takes in the map, of which half may be empty, and in that of expiries.
const ENTRY: usize = 2 * size_of::<(TopicName, Stored)>();
const EXPIRY: usize = 2 * size_of::<(Duration, TopicName)>();

impl Retained {
    /// Keeps a message in place of the one before; an empty one removes it [MQTT-3.3.1-6].
    /// `false` if there is no room.
    pub(crate) fn set(
        &mut self,
        now: Duration,
        turn: u64,
        message: &Arc<Message>,
        config: &Config,
    ) -> bool {
        let topic = &message.content.topic;
        if message.content.payload.is_empty() {
            self.remove(topic);
            return true;
        }
        // As many are removed as have its size, at most: no more than it has bytes to pay for.
        let fits = size(message) <= config.max_retained_bytes;
        while !self.has_room(message, config) {
            if !fits || self.purge(now, 1) == 0 {
                return false;
            }
        }
        // The key goes with the old message, whose buffer it shares.
        self.remove(topic);
        self.put(Stored {
            message: Arc::clone(message),
            turn,
        });
        true
    }

    /// Keeps a message where there is none.
    pub(crate) fn put(&mut self, stored: Stored) {
        self.bytes += size(&stored.message);
        let topic = stored.message.content.topic.clone();
        self.note(&topic);
        if let Some(at) = stored.message.expires_at {
            self.expiries.insert((at, topic.clone()));
        }
        self.topics.insert(topic, stored);
    }

    pub(crate) fn record_changes(&mut self) {
        self.changed = Some(BTreeSet::new());
    }

    fn note(&mut self, topic: &TopicName) {
        if let Some(changed) = &mut self.changed {
            changed.insert(topic.clone());
        }
    }

    /// A topic whose message has changed, and the message that it has now.
    pub(crate) fn poll_change(&mut self) -> Option<(TopicName, Option<Stored>)> {
        let topic = self.changed.as_mut()?.pop_first()?;
        let stored = self.topics.get(&topic).cloned();
        Some((topic, stored))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicName, &Stored)> {
        self.topics.iter()
    }

    pub(crate) fn get(&self, topic: &TopicName) -> Option<&Stored> {
        self.topics.get(topic)
    }

    /// Looks for the messages that a filter matches and that were there at `turn`, for about so many
    /// `steps`.
    pub(crate) fn walk(
        &self,
        now: Duration,
        filter: &TopicFilter,
        after: Option<&TopicName>,
        turn: u64,
        steps: usize,
    ) -> Walk {
        let mut walk = Walk::default();
        let prefix = prefix(filter);
        let from = match after {
            Some(after) => Bound::Excluded(after.as_bytes()),
            None => Bound::Included(prefix),
        };
        let names = self.topics.range::<[u8], _>((from, Bound::Unbounded));
        for (topic, stored) in names {
            let ends = match filter.has_wildcards() {
                true => !topic.as_bytes().starts_with(prefix),
                false => topic.as_bytes() != prefix,
            };
            if ends {
                break;
            }
            walk.steps += 1 + topic.len() / 64;
            let message = &stored.message;
            if stored.turn <= turn && !message.is_expired(now) && filter.matches(topic) {
                walk.found.push(Arc::clone(message));
            }
            if walk.steps >= steps {
                walk.next = Some(topic.clone());
                break;
            }
        }
        walk
    }

    pub(crate) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn remove(&mut self, topic: &TopicName) {
        if let Some(old) = self.topics.remove(topic) {
            self.bytes -= size(&old.message);
            if let Some(at) = old.message.expires_at {
                self.expiries.remove(&(at, topic.clone()));
            }
            self.note(topic);
        }
    }

    fn has_room(&self, message: &Message, config: &Config) -> bool {
        let (count, bytes) = match self.topics.get(&message.content.topic) {
            Some(old) => (self.len() - 1, self.bytes - size(&old.message)),
            None => (self.len(), self.bytes),
        };
        let bytes = bytes.saturating_add(size(message));
        count < config.max_retained && bytes <= config.max_retained_bytes
    }

    /// When the next message expires.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Removes messages that have expired, this many at most. Returns how many.
    pub(crate) fn purge(&mut self, now: Duration, most: usize) -> usize {
        let mut gone = 0;
        while gone < most && self.next_expiry().is_some_and(|at| at <= now) {
            if let Some((_, topic)) = self.expiries.pop_first() {
                self.remove(&topic);
            }
            gone += 1;
            self.purged += 1;
        }
        gone
    }
}

fn size(message: &Message) -> usize {
    message.size() + ENTRY + message.expires_at.map_or(0, |_| EXPIRY)
}

/// How every topic begins that a filter matches.
fn prefix(filter: &TopicFilter) -> &[u8] {
    let bytes = filter.as_bytes();
    let wildcard = bytes.iter().position(|byte| matches!(byte, b'+' | b'#'));
    let prefix = bytes.get(..wildcard.unwrap_or(bytes.len()));
    let prefix = prefix.unwrap_or_default();
    match bytes.ends_with(b"#") {
        // `a/#` matches `a`.
        true if prefix.len() + 1 == bytes.len() => prefix.strip_suffix(b"/").unwrap_or(prefix),
        _ => prefix,
    }
}

#[cfg(test)]
mod tests {
    use mqtt_sansio::{Message as Content, QoS, Text};

    use super::*;

    /// However many steps a part has, a walk finds what the filter matches, in order.
    #[test]
    fn walks_find_what_matches() {
        let levels = ["", "a", "ab", "b", "$"];
        let mut names: Vec<_> = levels[1..]
            .iter()
            .map(|level| (*level).to_owned())
            .collect();
        for first in levels {
            names.extend(levels.map(|second| format!("{first}/{second}")));
            names.extend(levels.map(|third| format!("{first}/a/{third}")));
        }
        let mut filters = names.clone();
        for name in &names {
            filters.push(format!("{name}/#"));
            filters.push(format!("{name}/+"));
            filters.push(format!("+/{name}"));
            filters.push(format!("+/{name}/#"));
            filters.push(format!("{name}/+/a"));
        }
        filters.extend(["#", "+", "/#", "+/#", "+/+"].map(ToOwned::to_owned));
        names.sort();
        names.dedup();
        let mut retained = Retained::default();
        let now = Duration::ZERO;
        for name in &names {
            let content = Content::new(name.parse().unwrap(), "m");
            let message = Message::new(now, Text::default(), QoS::AtMostOnce, &content);
            assert!(retained.set(now, 1, &Arc::new(message), &Config::default()));
        }
        for filter in filters {
            let filter: TopicFilter = filter.parse().unwrap();
            let expected = names
                .iter()
                .filter(|name| filter.matches(&name.parse::<TopicName>().unwrap()));
            let expected: Vec<_> = expected.collect();
            for steps in [1, 3, 1_000] {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let walk = retained.walk(now, &filter, after.as_ref(), 1, steps);
                    assert!(walk.steps <= steps);
                    found.extend(walk.found);
                    after = walk.next;
                    if after.is_none() {
                        break;
                    }
                }
                let found = found.iter().map(|message| message.content.topic.to_str());
                assert!(found.eq(expected.iter().copied()), "{filter:?}");
            }
            assert!(retained.walk(now, &filter, None, 0, 1_000).found.is_empty());
        }
    }
}
