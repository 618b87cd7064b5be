use alloc::vec::Vec;

use super::Limits;
use super::error::Violation;
use crate::packet::Publish;
use crate::packet_id::PacketId;
use crate::property::TopicAlias;
use crate::session::PacketIds;
use crate::side::Side;
use crate::topic::TopicName;

/// The topics for which the peer's aliases stand, on this network connection alone
/// [MQTT-3.3.2-7].
#[derive(Clone, Debug, Default)]
pub(super) struct PeerAliases {
    /// Each alias with the place of its topic, as quickly as packet identifiers are found.
    places: PacketIds,
    topics: Vec<TopicName>,
}

impl PeerAliases {
    pub(super) fn reset(&mut self) {
        self.places.clear();
        self.topics.clear();
    }

    /// Notes the alias of a packet that has its topic, and checks that of one that has none. All
    /// aliases up to the maximum in `own` are accepted [MQTT-3.3.2-10] [MQTT-3.3.2-12].
    #[inline(always)]
    pub(super) fn note<B: AsRef<[u8]>>(
        &mut self,
        own: &Limits,
        sender: Side,
        publish: &Publish<B>,
    ) -> Result<(), Violation> {
        match publish.properties.is_empty() && publish.topic.is_some() {
            true => Ok(()),
            false => self.note_alias(own, sender, publish),
        }
    }

    #[inline(never)]
    fn note_alias<B: AsRef<[u8]>>(
        &mut self,
        own: &Limits,
        sender: Side,
        publish: &Publish<B>,
    ) -> Result<(), Violation> {
        let Some(alias) = publish.properties.topic_alias() else {
            return match publish.topic {
                Some(_) => Ok(()),
                None => Err(Violation::UnknownTopicAlias),
            };
        };
        if alias.get() > own.topic_alias_maximum {
            return Err(Violation::TopicAliasTooLarge(sender));
        }
        let place = self.place(alias);
        match (&publish.topic, place.and_then(|at| self.topics.get_mut(at))) {
            (None, None) => return Err(Violation::UnknownTopicAlias),
            (None, Some(_)) => {}
            (Some(topic), Some(known)) if known.as_bytes() == topic.as_bytes() => {}
            (Some(topic), Some(known)) => *known = topic.to_owned(),
            (Some(topic), None) => {
                // There are at most 65,535.
                let at = u16::try_from(self.topics.len()).unwrap_or(u16::MAX);
                if let Some(id) = PacketId::new(alias.get()) {
                    self.places.insert(id, at);
                }
                self.topics.push(topic.to_owned());
            }
        }
        Ok(())
    }

    fn place(&self, alias: TopicAlias) -> Option<usize> {
        Some(self.places.slot(PacketId::new(alias.get())?)?.into())
    }

    /// The topic for which an alias stands.
    pub(super) fn topic(&self, alias: TopicAlias) -> Option<&TopicName> {
        self.topics.get(self.place(alias)?)
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
    /// In the order of the topics.
    topics: Vec<Assigned>,
    /// Finds the alias of a topic: not linked where none is assigned.
    find: Option<Find>,
}

type Find = for<'a> fn(&'a mut OwnAliases, &TopicName<&[u8]>) -> Option<&'a mut Assigned>;

#[derive(Clone, Debug)]
pub(super) struct Assigned {
    topic: TopicName,
    pub(super) alias: TopicAlias,
    /// True if the peer knows the alias.
    pub(super) sent: bool,
    used: u64,
}

impl OwnAliases {
    pub(super) const fn set_automatic(&mut self, aliases: u16) {
        self.automatic = aliases;
        self.find = Some(Self::find_or_assign);
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
        self.find = Some(Self::find_or_assign);
        self.topics.retain(|assigned| assigned.alias != alias);
        self.put(Assigned {
            topic,
            alias,
            sent: false,
            used: 0,
        });
        true
    }

    /// Returns the place.
    fn put(&mut self, assigned: Assigned) -> usize {
        match self.place(assigned.topic.as_bytes()) {
            Ok(at) => {
                if let Some(place) = self.topics.get_mut(at) {
                    *place = assigned;
                }
                at
            }
            Err(at) => {
                self.topics.insert(at, assigned);
                at
            }
        }
    }

    /// The place of a topic, or where it would be.
    fn place(&self, topic: &[u8]) -> Result<usize, usize> {
        self.topics
            .binary_search_by(|assigned| assigned.topic.as_bytes().cmp(topic))
    }

    /// Returns whether no message gets an alias.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.maximum == 0 || (self.automatic == 0 && self.topics.is_empty())
    }

    /// The alias for a topic.
    pub(super) fn find(&mut self, topic: &TopicName<&[u8]>) -> Option<&mut Assigned> {
        let find = self.find?;
        find(self, topic)
    }

    fn find_or_assign(&mut self, topic: &TopicName<&[u8]>) -> Option<&mut Assigned> {
        self.clock += 1;
        let used = self.clock;
        let at = match self.place(topic.as_bytes()) {
            Ok(at) => at,
            Err(_) => {
                let count = u16::try_from(self.topics.len()).unwrap_or(u16::MAX);
                let alias = match self.automatic.min(self.maximum) {
                    0 => return None,
                    all if count < all => TopicAlias::new(count + 1)?,
                    _ => {
                        let all = self.topics.iter().enumerate();
                        let (oldest, _) = all.min_by_key(|(_, assigned)| assigned.used)?;
                        self.topics.remove(oldest).alias
                    }
                };
                self.put(Assigned {
                    topic: topic.to_owned(),
                    alias,
                    sent: false,
                    used,
                })
            }
        };
        let assigned = self.topics.get_mut(at)?;
        assigned.used = used;
        Some(assigned)
    }
}
