use alloc::collections::BTreeMap;

use super::error::Violation;
use crate::packet::Publish;
use crate::property::TopicAlias;
use crate::side::Side;
use crate::topic::TopicName;

/// The topics for which the peer's aliases stand, on this network connection alone
/// [MQTT-3.3.2-7].
#[derive(Clone, Debug, Default)]
pub(super) struct PeerAliases {
    maximum: u16,
    topics: BTreeMap<TopicAlias, TopicName>,
}

impl PeerAliases {
    pub(super) fn reset(&mut self, maximum: u16) {
        self.maximum = maximum;
        self.topics.clear();
    }

    /// Notes the alias of a packet that has its topic, and checks that of one that has none. All
    /// aliases up to the maximum are accepted [MQTT-3.3.2-10] [MQTT-3.3.2-12].
    #[inline(always)]
    pub(super) fn note<B: AsRef<[u8]>>(
        &mut self,
        sender: Side,
        publish: &Publish<B>,
    ) -> Result<(), Violation> {
        match publish.properties.is_empty() && publish.topic.is_some() {
            true => Ok(()),
            false => self.note_alias(sender, publish),
        }
    }

    #[inline(never)]
    fn note_alias<B: AsRef<[u8]>>(
        &mut self,
        sender: Side,
        publish: &Publish<B>,
    ) -> Result<(), Violation> {
        let Some(alias) = publish.properties.topic_alias() else {
            return match publish.topic {
                Some(_) => Ok(()),
                None => Err(Violation::UnknownTopicAlias),
            };
        };
        if alias.get() > self.maximum {
            return Err(Violation::TopicAliasTooLarge(sender));
        }
        match (&publish.topic, self.topics.get(&alias)) {
            (None, None) => Err(Violation::UnknownTopicAlias),
            (None, Some(_)) => Ok(()),
            (Some(topic), Some(known)) if known.as_bytes() == topic.as_bytes() => Ok(()),
            (Some(topic), _) => {
                self.topics.insert(alias, topic.to_owned());
                Ok(())
            }
        }
    }

    /// The topic for which an alias stands.
    pub(super) fn topic(&self, alias: TopicAlias) -> Option<&TopicName> {
        self.topics.get(&alias)
    }
}

/// The aliases that stand for this side's topics, on this network connection alone.
///
/// An alias replaces the topic only while a message is sent, so that a message that is sent again
/// has its topic.
// In this order, as a connection is.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct OwnAliases {
    /// The peer's maximum [MQTT-3.1.2-26] [MQTT-3.2.2-17].
    maximum: u16,
    /// The number of aliases to assign automatically.
    automatic: u16,
    /// Counts uses: the lowest number is the least recent.
    clock: u64,
    topics: BTreeMap<TopicName, Assigned>,
}

#[derive(Clone, Copy, Debug)]
struct Assigned {
    alias: TopicAlias,
    /// True if the peer knows the alias.
    sent: bool,
    used: u64,
}

impl OwnAliases {
    pub(super) const fn set_automatic(&mut self, aliases: u16) {
        self.automatic = aliases;
    }

    pub(super) fn reset(&mut self, maximum: u16) {
        self.maximum = maximum;
        self.topics.clear();
    }

    /// Uses `alias` for `topic` from now on. `false` if it is above the peer's maximum, or if they
    /// are assigned automatically.
    pub(super) fn assign(&mut self, topic: TopicName, alias: TopicAlias) -> bool {
        if alias.get() > self.maximum || self.automatic > 0 {
            return false;
        }
        self.topics.retain(|_, assigned| assigned.alias != alias);
        let assigned = Assigned {
            alias,
            sent: false,
            used: 0,
        };
        self.topics.insert(topic, assigned);
        true
    }

    /// Returns whether no message gets an alias.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.maximum == 0 || (self.automatic == 0 && self.topics.is_empty())
    }

    /// Notes that the peer knows the alias of this topic.
    pub(super) fn sent(&mut self, topic: &TopicName<&[u8]>) {
        if let Some(assigned) = self.topics.get_mut(topic.as_bytes()) {
            assigned.sent = true;
        }
    }

    /// The alias for a topic, and whether the peer knows it.
    pub(super) fn find(&mut self, topic: &TopicName<&[u8]>) -> Option<(TopicAlias, bool)> {
        self.clock += 1;
        if let Some(assigned) = self.topics.get_mut(topic.as_bytes()) {
            assigned.used = self.clock;
            return Some((assigned.alias, assigned.sent));
        }
        let count = u16::try_from(self.topics.len()).unwrap_or(u16::MAX);
        let alias = match self.automatic.min(self.maximum) {
            0 => return None,
            all if count < all => TopicAlias::new(count + 1)?,
            _ => {
                let oldest = self.topics.iter().min_by_key(|(_, assigned)| assigned.used);
                let (oldest, alias) = oldest.map(|(topic, old)| (topic.clone(), old.alias))?;
                self.topics.remove(oldest.as_bytes());
                alias
            }
        };
        let assigned = Assigned {
            alias,
            sent: false,
            used: self.clock,
        };
        self.topics.insert(topic.to_owned(), assigned);
        Some((alias, false))
    }
}
