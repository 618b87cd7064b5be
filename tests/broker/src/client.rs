use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mqtt_sansio::packet::{Publish, Will};
use mqtt_sansio::session::Session;
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{PacketId, QoS, Text, Version};

use crate::config::Config;
use crate::message::Outgoing;
use crate::{ConnectionId, subscriptions::Share};

/// Names one session for as long as it lasts, and no other ever after.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct SessionKey(pub(crate) u64);

/// One client's session, with or without a connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: Text,
    pub(crate) connection: Option<ConnectionId>,
    /// While there is no connection, which otherwise has it.
    pub(crate) session: Option<Session<Publish>>,
    /// The filters as they were sent, and whether each is a shared subscription.
    pub(crate) filters: BTreeMap<TopicFilter, bool>,
    /// Of the filters.
    pub(crate) filter_bytes: usize,
    /// When the session ends; while there is no connection.
    pub(crate) ends_at: Option<Duration>,
    /// The will that waits, and until when.
    pub(crate) will: Option<(Duration, Box<Will>)>,
    pub(crate) queue: Queue,
    /// What was handed to the session of the connection, by packet identifier.
    in_flight: BTreeMap<PacketId, Outgoing>,
    /// Of the messages in flight.
    in_flight_bytes: usize,
}

impl Client {
    pub(crate) fn new(name: Text) -> Self {
        Self {
            name,
            connection: None,
            session: None,
            filters: BTreeMap::new(),
            filter_bytes: 0,
            ends_at: None,
            will: None,
            queue: Queue::default(),
            in_flight: BTreeMap::new(),
            in_flight_bytes: 0,
        }
    }

    /// Queues a message. `false` if there is no room, even without what has expired.
    pub(crate) fn push(&mut self, now: Duration, config: &Config, new: Outgoing) -> bool {
        let room = config.max_queued_bytes.saturating_sub(self.in_flight_bytes);
        self.queue.push(now, (config.max_queued, room), new)
    }

    /// A message has its packet identifier.
    pub(crate) fn launch(&mut self, id: PacketId, outgoing: Outgoing) {
        self.in_flight_bytes += outgoing.size();
        self.in_flight.insert(id, outgoing);
    }

    /// A message in flight is dealt with.
    pub(crate) fn land(&mut self, id: PacketId) -> Option<Outgoing> {
        let outgoing = self.in_flight.remove(&id)?;
        self.in_flight_bytes -= outgoing.size();
        Some(outgoing)
    }

    /// How many messages it holds, and how many bytes.
    pub(crate) fn messages(&self) -> (usize, usize) {
        let count = self.queue.len() + self.in_flight.len();
        (count, self.queue.bytes + self.in_flight_bytes)
    }

    /// The session for a new connection: what is sent again is written anew, since expiry goes on
    /// and the version may be another.
    pub(crate) fn resume(&mut self, now: Duration, version: Version) -> Option<Session<Publish>> {
        let session = self.session.take()?;
        let mut snapshot = session.snapshot();
        for stored in &mut snapshot.messages {
            let id = stored.delivery.packet_id();
            if let Some(outgoing) = id.and_then(|id| self.in_flight.get(&id)) {
                stored.message = outgoing.to_publish(now, version);
                stored.message.delivery = stored.delivery;
            }
        }
        // What a session says of itself is in order.
        Session::restore(snapshot).ok()
    }

    /// The shares for which there are messages.
    pub(crate) fn shares(&self) -> impl Iterator<Item = &Arc<Share>> {
        let waiting = self.in_flight.values().chain(self.queue.iter());
        waiting.filter_map(|outgoing| outgoing.share.as_ref())
    }

    /// Takes out what another member of its share may get now, if its share `may` hand it
    /// on: all but QoS 2 messages under way [MQTT-4.8.2-5].
    pub(crate) fn take_shared(&mut self, may: impl Fn(&Arc<Share>) -> bool) -> Vec<Outgoing> {
        let goes = |outgoing: &Outgoing| outgoing.share.as_ref().is_some_and(&may);
        let mut taken = Vec::new();
        let in_flight = self.in_flight.iter();
        let leaving = in_flight.filter(|(_, outgoing)| goes(outgoing));
        let leaving: Vec<_> = leaving.map(|(id, outgoing)| (*id, outgoing.qos)).collect();
        for (id, qos) in leaving {
            let free = match &mut self.session {
                Some(session) => {
                    let mut sent = session.messages();
                    let unsent = sent.any(|(each, _, sent)| each == id && !sent);
                    drop(sent);
                    (unsent || qos == QoS::AtLeastOnce) && session.abandon(id).is_ok()
                }
                // It ended with its connection, to which nothing is handed over before it is sent.
                None => qos == QoS::AtLeastOnce,
            };
            if free {
                taken.extend(self.land(id));
            }
        }
        taken.extend(self.queue.take_if(goes));
        taken
    }
}

/// The messages that wait, in order within a QoS: those of QoS 0 do not wait for acknowledgements.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    loose: VecDeque<Outgoing>,
    held: VecDeque<Outgoing>,
    bytes: usize,
    next: u64,
    /// No message expires before.
    expires_at: Option<Duration>,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.loose.len() + self.held.len()
    }

    fn iter(&self) -> impl Iterator<Item = &Outgoing> {
        self.loose.iter().chain(&self.held)
    }

    fn push(&mut self, now: Duration, (count, bytes): (usize, usize), mut new: Outgoing) -> bool {
        let size = new.size();
        let full = |queue: &Self| queue.len() >= count || queue.bytes.saturating_add(size) > bytes;
        if full(self) && self.expires_at.is_some_and(|at| at <= now) {
            self.take_if(|outgoing| outgoing.message.is_expired(now));
            let left = self
                .iter()
                .filter_map(|outgoing| outgoing.message.expires_at);
            self.expires_at = left.min();
        }
        if full(self) {
            return false;
        }
        if let Some(at) = new.message.expires_at {
            self.expires_at = Some(self.expires_at.map_or(at, |first| first.min(at)));
        }
        new.number = self.next;
        self.next += 1;
        self.bytes += size;
        match new.qos {
            QoS::AtMostOnce => self.loose.push_back(new),
            _ => self.held.push_back(new),
        }
        true
    }

    /// The next message; only one of QoS 0 unless the `quota` allows more.
    pub(crate) fn pop(&mut self, quota: bool) -> Option<Outgoing> {
        let (loose, held) = (self.loose.front(), self.held.front().filter(|_| quota));
        let next = match (loose, held) {
            (Some(loose), Some(held)) if held.number < loose.number => self.held.pop_front(),
            (None, Some(_)) => self.held.pop_front(),
            _ => self.loose.pop_front(),
        }?;
        self.bytes -= next.size();
        Some(next)
    }

    /// Takes out what answers to `which`.
    pub(crate) fn take_if(&mut self, which: impl Fn(&Outgoing) -> bool) -> Vec<Outgoing> {
        let mut taken = Vec::new();
        for queue in [&mut self.loose, &mut self.held] {
            let (out, rest) = queue.drain(..).partition(|outgoing| which(outgoing));
            *queue = rest;
            let out: VecDeque<Outgoing> = out;
            taken.extend(out);
        }
        let sizes = taken.iter().map(Outgoing::size);
        self.bytes -= sizes.sum::<usize>();
        taken
    }

    /// Forgets the messages of QoS 0, which are no part of a session.
    pub(crate) fn drop_loose(&mut self) {
        self.take_if(|outgoing| outgoing.qos == QoS::AtMostOnce);
    }
}
