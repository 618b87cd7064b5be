//! What a broker has to do for well-behaved clients, in the plainest words.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mqtt_sansio::packet::RetainHandling;
use mqtt_sansio::{QoS, Version};
use reference_broker::ConnectionId;

use super::due::{Due, Kind, Look, Message, Subscription};
use super::net::SHARED;
use crate::topic::is_match;

/// How many well-behaved clients there are.
pub(super) const ACTORS: usize = 4;

/// A connection that the broker has accepted.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) line: ConnectionId,
    pub(super) version: Version,
    pub(super) expiry: u32,
    pub(super) will: Option<(u32, Message)>,
}

/// A client, as the broker should know it.
#[derive(Debug, Default)]
struct Client {
    /// Whether there is a session, and which.
    exists: bool,
    epoch: u32,
    live: Option<Live>,
    /// Whether the last connection was of 3.1.1, which has no No Local.
    old: bool,
    ends_at: Option<Duration>,
    will: Option<(Duration, Message)>,
    subscriptions: BTreeMap<&'static str, Subscription>,
    due: BTreeMap<(u32, QoS), Due>,
    /// The turn of what came last, of those that have an order.
    last: BTreeMap<(&'static str, QoS), u64>,
}

/// All clients, and what is retained.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) now: Duration,
    /// Whether there is room for everything.
    pub(super) roomy: bool,
    /// Whether everybody is connected and reads, so that QoS 0 is delivered, too.
    pub(super) calm: bool,
    /// Whether somebody may not have taken large packets, which are dropped then.
    small: bool,
    max_expiry: u32,
    clients: [Client; ACTORS],
    /// With the time when each expires.
    retained: BTreeMap<&'static str, (Message, Option<Duration>)>,
    /// QoS 2 messages that have been routed, which they are once.
    routed: BTreeSet<u32>,
    /// For shared subscriptions, whoever gets the message.
    shared: BTreeMap<u32, Due>,
    turn: u64,
}

impl Oracle {
    pub(super) fn new(roomy: bool, max_expiry: u32) -> Self {
        Self {
            roomy,
            max_expiry,
            ..Self::default()
        }
    }

    pub(super) fn live(&mut self, actor: usize) -> Option<&mut Live> {
        self.clients[actor].live.as_mut()
    }

    /// The connection that the broker has accepted.
    pub(super) fn line(&self, actor: usize) -> Option<ConnectionId> {
        Some(self.clients[actor].live.as_ref()?.line)
    }

    pub(super) fn epoch(&self, actor: usize) -> u32 {
        self.clients[actor].epoch
    }

    /// CONNECT is accepted. Returns whether there is a session.
    pub(super) fn connect(&mut self, actor: usize, live: Live, clean: bool, small: bool) -> bool {
        self.suspend(actor, true);
        if clean {
            self.end(actor, true);
        }
        let client = &mut self.clients[actor];
        let present = client.exists;
        if !present {
            client.epoch += 1;
        }
        client.old = live.version == Version::V311;
        (client.exists, client.live) = (true, Some(live));
        (client.ends_at, client.will) = (None, None);
        if small {
            // What waits, too [MQTT-3.1.2-25].
            self.small = true;
            self.forgive(|due| due.large);
        }
        present
    }

    /// The connection is over. A will is `sure` to come if nothing else happens at this time.
    pub(super) fn suspend(&mut self, actor: usize, sure: bool) {
        let client = &mut self.clients[actor];
        let Some(live) = client.live.take() else {
            return;
        };
        let expiry = live.expiry.min(self.max_expiry);
        client.ends_at = Some(self.now + Duration::from_secs(expiry.into()));
        let will = live.will.map(|(delay, will)| {
            let at = self.now + Duration::from_secs(delay.into());
            (at, will)
        });
        client.will = will;
        match expiry {
            0 => self.end(actor, sure),
            _ => self.publish_due_will(actor, sure),
        }
    }

    fn publish_due_will(&mut self, actor: usize, sure: bool) {
        let now = self.now;
        if let Some((_, will)) = self.clients[actor].will.take_if(|(at, _)| *at <= now) {
            self.route(&will, sure);
        }
    }

    fn end(&mut self, actor: usize, sure: bool) {
        let client = &mut self.clients[actor];
        if !client.exists {
            return;
        }
        (client.exists, client.ends_at) = (false, None);
        client.subscriptions.clear();
        client.due.values_mut().for_each(|due| due.least = 0);
        let will = client.will.take();
        let members: BTreeSet<_> = self
            .clients
            .iter()
            .flat_map(|c| c.subscriptions.keys())
            .collect();
        let deserted = SHARED.iter().filter(|filter| !members.contains(filter));
        let deserted: Vec<_> = deserted.filter_map(|filter| inner(filter)).collect();
        // A QoS 2 message under way goes with the session [MQTT-4.8.2-5], and other messages of a
        // share if it has no other member.
        self.forgive_shared(|due| {
            due.qos == QoS::ExactlyOnce || deserted.iter().any(|inner| is_match(inner, due.topic))
        });
        if let Some((_, will)) = will {
            self.route(&will, sure);
        }
    }

    /// Does what is due by now.
    pub(super) fn advance(&mut self) {
        let now = self.now;
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let wills = self.clients.iter().map(|c| c.will.as_ref().map(|w| w.0));
        let ends = self.clients.iter().map(|client| client.ends_at);
        let sure = wills.chain(ends).filter(|at| due(*at)).count() <= 1;
        for actor in 0..ACTORS {
            self.publish_due_will(actor, sure);
            let client = &self.clients[actor];
            if client.live.is_none() && due(client.ends_at) {
                self.end(actor, sure);
            }
        }
    }

    /// Asks for no more of the messages that answer to `which`.
    fn forgive(&mut self, which: impl Fn(&Due) -> bool) {
        let own = self
            .clients
            .iter_mut()
            .flat_map(|client| client.due.values_mut());
        own.filter(|due| which(due)).for_each(|due| due.least = 0);
        self.forgive_shared(which);
    }

    fn forgive_shared(&mut self, which: impl Fn(&Due) -> bool) {
        let shared = self.shared.values_mut().filter(|due| which(due));
        shared.for_each(|due| due.least = 0);
    }

    /// PUBLISH came.
    pub(super) fn publish(&mut self, message: &Message) {
        let again = message.qos == QoS::ExactlyOnce && !self.routed.insert(message.number);
        if !again {
            self.route(message, true);
        }
    }

    /// An empty retained message came.
    pub(super) fn clear(&mut self, topic: &str) {
        self.retained.remove(topic);
    }

    fn route(&mut self, message: &Message, sure: bool) {
        let seconds = message.expiry.map(u64::from);
        let expires_at = seconds.map(|seconds| self.now + Duration::from_secs(seconds));
        self.turn += 1;
        if message.retain {
            let kept = (message.clone(), expires_at);
            self.retained.insert(message.topic, kept);
        }
        let mut groups = BTreeSet::new();
        for actor in 0..ACTORS {
            let client = &self.clients[actor];
            let mut found = Vec::new();
            for (filter, subscription) in &client.subscriptions {
                match inner(filter) {
                    Some(inner) if is_match(inner, message.topic) => drop(groups.insert(*filter)),
                    None if is_match(filter, message.topic)
                        && !(subscription.no_local
                            && message.publisher == actor
                            && !client.old) =>
                    {
                        found.push(*subscription);
                    }
                    _ => {}
                }
            }
            let Some(qos) = found.iter().map(|subscription| subscription.qos).max() else {
                continue;
            };
            let mut ids: Vec<u32> = found.iter().filter_map(|found| found.id).collect();
            ids.sort_unstable();
            let as_published = found.iter().any(|found| found.as_published);
            let look = Kind {
                retain: message.retain && as_published,
                fresh: false,
                ids,
            };
            self.expect(actor, (message, expires_at), qos, look, sure);
        }
        let needed = self.needs(message, message.qos, sure);
        if !groups.is_empty() {
            let due = self.shared.entry(message.number);
            let due = due.or_insert_with(|| Due::new(message));
            let groups = u32::try_from(groups.len()).unwrap();
            due.most += groups;
            due.least += if needed { groups } else { 0 };
            due.expires_at.extend(expires_at);
        }
    }

    fn needs(&self, message: &Message, qos: QoS, sure: bool) -> bool {
        let kept = qos > QoS::AtMostOnce || self.calm;
        let fits = !(message.large && self.small);
        self.roomy && sure && kept && fits && message.expiry.is_none()
    }

    fn expect(
        &mut self,
        actor: usize,
        (message, expires_at): (&Message, Option<Duration>),
        granted: QoS,
        look: Kind,
        sure: bool,
    ) {
        let qos = granted.min(message.qos);
        let client = &self.clients[actor];
        if client.live.is_none() && qos == QoS::AtMostOnce {
            return;
        }
        let needed = self.needs(message, qos, sure);
        let client = &mut self.clients[actor];
        let epoch = client.epoch;
        let due = client.due.entry((message.number, qos));
        let due = due.or_insert_with(|| Due::new(message));
        due.most += 1;
        due.least += u32::from(needed);
        if due.turns.0 == 0 {
            due.turns.0 = self.turn;
        }
        due.turns.1 = self.turn;
        due.epoch = epoch;
        due.expires_at.extend(expires_at);
        due.looks.push(look);
    }

    /// One filter of SUBSCRIBE came. Returns whether retained messages are asked for.
    pub(super) fn subscribe(
        &mut self,
        actor: usize,
        filter: &'static str,
        new: Subscription,
    ) -> bool {
        let subscriptions = &mut self.clients[actor].subscriptions;
        let known = subscriptions.insert(filter, new).is_some();
        match new.handling {
            _ if inner(filter).is_some() => false,
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => !known,
            RetainHandling::DoNotSend => false,
        }
    }

    /// A whole SUBSCRIBE came that asks for the retained messages of this filter: once, however
    /// often it has the filter.
    pub(super) fn send_retained(&mut self, actor: usize, filter: &'static str) {
        let new = self.clients[actor].subscriptions[filter];
        self.turn += 1;
        for (message, expires_at) in self.retained.clone().into_values() {
            let local = new.no_local && message.publisher == actor;
            let expired = expires_at.is_some_and(|at| at <= self.now);
            if is_match(filter, message.topic) && !expired && !local {
                let look = Kind {
                    retain: true,
                    fresh: true,
                    ids: new.id.into_iter().collect(),
                };
                self.expect(actor, (&message, expires_at), new.qos, look, true);
            }
        }
    }

    /// One filter of UNSUBSCRIBE came. Returns whether there was such a subscription.
    pub(super) fn unsubscribe(&mut self, actor: usize, filter: &str) -> bool {
        self.clients[actor].subscriptions.remove(filter).is_some()
    }

    /// Holds a message that has come against what is due.
    pub(super) fn deliver(&mut self, actor: usize, message: &Message, mut look: Look) {
        if (look.retain || message.retain) && !self.roomy {
            // It may have been refused, and another one may be retained.
            return;
        }
        if message.topic.starts_with("s/") {
            let due = self.shared.get_mut(&message.number).expect("a share");
            due.got += 1;
            assert_eq!(look.qos, message.qos);
            return due.check(message, &look);
        }
        let client = &mut self.clients[actor];
        let due = client.due.get_mut(&(message.number, look.qos));
        let due = due.unwrap_or_else(|| panic!("not due: {message:?} {look:?}"));
        due.got += 1;
        due.check(message, &look);
        assert!(
            due.epoch >= look.epoch,
            "of another session: {message:?} {due:?}"
        );
        look.ids.sort_unstable();
        let seen = |kind: &Kind| match look.version {
            Version::V311 => (kind.retain && kind.fresh) == look.retain,
            Version::V5 => kind.retain == look.retain && kind.ids == look.ids,
        };
        assert!(due.looks.iter().any(seen), "{message:?} {due:?} {look:?}");
        if due.got == 1 && !message.retain && !message.will {
            let last = client.last.entry((message.topic, look.qos)).or_default();
            // It may be the second of two, where the first was dropped.
            assert!(*last < due.turns.1, "out of order: {message:?} {due:?}");
            *last = due.turns.0.max(*last);
        }
    }

    /// Everything that had to come has come.
    pub(super) fn check_complete(&self) {
        for (actor, client) in self.clients.iter().enumerate() {
            for (key, due) in &client.due {
                assert!(due.got >= due.least, "actor {actor} lacks {key:?}: {due:?}");
            }
        }
        for (number, due) in &self.shared {
            assert!(due.got >= due.least, "nobody got {number}: {due:?}");
        }
    }
}

/// The filter of a shared subscription.
fn inner(filter: &str) -> Option<&str> {
    let (_, inner) = filter.strip_prefix("$share/")?.split_once('/')?;
    Some(inner)
}
