use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::error::Violation;
use super::limits::Limits;
use crate::packet::Publish;
use crate::property::{PropertyId, TopicAlias};
use crate::side::Side;
use crate::topic::TopicName;
use crate::version::Version;

/// The topics for which the peer's aliases stand, on this network connection alone
/// [MQTT-3.3.2-7].
#[derive(Clone, Debug, Default)]
pub(super) struct Inbound {
    maximum: u16,
    topics: BTreeMap<TopicAlias, TopicName>,
}

impl Inbound {
    pub(super) fn reset(&mut self, maximum: u16) {
        self.maximum = maximum;
        self.topics.clear();
    }

    /// The topic that an empty one stands for; `None` if the packet has its own. All aliases up to
    /// the maximum are taken [MQTT-3.3.2-10] [MQTT-3.3.2-12].
    pub(super) fn resolve<B: AsRef<[u8]>>(
        &mut self,
        sender: Side,
        publish: &Publish<B>,
    ) -> Result<Option<TopicName>, Violation> {
        let Some(alias) = publish.properties.topic_alias() else {
            return match publish.topic {
                Some(_) => Ok(None),
                None => Err(Violation::UnknownTopicAlias),
            };
        };
        if alias.get() > self.maximum {
            return Err(Violation::TopicAliasTooLarge(sender));
        }
        let known = self.topics.get(&alias);
        match (&publish.topic, known) {
            (None, None) => Err(Violation::UnknownTopicAlias),
            (None, Some(topic)) => Ok(Some(topic.clone())),
            (Some(topic), Some(known)) if known.as_bytes() == topic.as_bytes() => Ok(None),
            (Some(topic), _) => {
                self.topics.insert(alias, topic.to_owned());
                Ok(None)
            }
        }
    }
}

/// The aliases that stand for this side's topics, on this network connection alone.
///
/// They are put on when a message is sent and no message keeps one, so that one that is sent again
/// has its whole topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbound {
    /// How many to assign without being asked.
    automatic: u16,
    /// The highest that the peer takes [MQTT-3.1.2-26] [MQTT-3.2.2-17].
    maximum: u16,
    topics: BTreeMap<TopicName, Assigned>,
    /// Counts uses: the lowest number is the least recent.
    clock: u64,
    /// The properties of the message that is sent now.
    block: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Assigned {
    alias: TopicAlias,
    /// Whether the peer knows it.
    sent: bool,
    used: u64,
}

impl Outbound {
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

    /// Whether no message gets an alias.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.maximum == 0 || (self.automatic == 0 && self.topics.is_empty())
    }

    /// The message as it is sent: with an alias if there is one, and without its topic if the peer
    /// knows the alias.
    pub(super) fn put_on<'a>(
        &'a mut self,
        limits: &Limits,
        mut publish: Publish<&'a [u8]>,
    ) -> Publish<&'a [u8]> {
        let Some((alias, sent)) = self.find(&publish) else {
            return publish;
        };
        let block = &mut self.block;
        block.clear();
        block.push(PropertyId::TopicAlias as u8);
        block.extend(alias.get().to_be_bytes());
        let without = publish;
        publish.properties = without.properties.map(|rest| {
            block.extend_from_slice(rest);
            block.as_slice()
        });
        if sent {
            publish.topic = None;
        }
        // The alias makes some packets longer, and perhaps too long.
        let fits = publish.encoded_len(Version::V5);
        if !fits.is_ok_and(|len| limits.fit(len)) {
            return without;
        }
        if let Some(assigned) = without
            .topic
            .and_then(|topic| self.topics.get_mut(topic.as_bytes()))
        {
            assigned.sent = true;
        }
        publish
    }

    /// The alias for the topic of a message, and whether the peer knows it.
    fn find(&mut self, publish: &Publish<&[u8]>) -> Option<(TopicAlias, bool)> {
        let topic = publish.topic?;
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
