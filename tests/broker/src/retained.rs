use std::sync::Arc;
use std::time::Duration;

use mqtt_sansio::topic::{TopicFilter, TopicName, TopicTree};

use crate::message::Message;

/// The retained messages, one for each topic.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    topics: TopicTree<Arc<Message>>,
    bytes: usize,
    /// When to look for expired messages again, as that is a walk over all.
    purge_at: Duration,
}

impl Retained {
    /// Keeps a message in place of the one before; an empty one removes it [MQTT-3.3.1-6].
    /// `false` if there is no room.
    pub(crate) fn set(
        &mut self,
        now: Duration,
        message: &Arc<Message>,
        max_count: usize,
        max_bytes: usize,
    ) -> bool {
        if message.content.payload.is_empty() {
            self.remove(&message.content.topic);
            return true;
        }
        if now >= self.purge_at && !self.has_room(message, max_count, max_bytes) {
            self.purge(now);
        }
        if !self.has_room(message, max_count, max_bytes) {
            return false;
        }
        self.remove(&message.content.topic);
        self.bytes += message.size();
        self.topics
            .insert(&message.content.topic, Arc::clone(message));
        true
    }

    /// The messages that a new subscription gets.
    pub(crate) fn matching(&self, now: Duration, filter: &TopicFilter<&[u8]>) -> Vec<Arc<Message>> {
        let found = self.topics.matching_values(filter);
        let alive = found.filter(|message| !message.is_expired(now));
        alive.cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn remove(&mut self, topic: &TopicName) {
        if let Some(old) = self.topics.remove(topic) {
            self.bytes -= old.size();
        }
    }

    fn has_room(&self, message: &Message, max_count: usize, max_bytes: usize) -> bool {
        let (count, bytes) = match self.topics.get(&message.content.topic) {
            Some(old) => (self.len() - 1, self.bytes - old.size()),
            None => (self.len(), self.bytes),
        };
        count < max_count && bytes.saturating_add(message.size()) <= max_bytes
    }

    /// Removes what has expired.
    pub(crate) fn purge(&mut self, now: Duration) {
        self.purge_at = now.saturating_add(Duration::from_secs(1));
        let expired = self.topics.iter().filter(|(_, m)| m.is_expired(now));
        let expired: Vec<_> = expired.map(|(topic, _)| topic).collect();
        for topic in expired {
            self.remove(&topic);
        }
    }
}
