use std::time::Duration;

use mqtt_sansio::Text;
use mqtt_sansio::packet::Will;
use mqtt_sansio::session::Session;

use crate::Broker;
use crate::changes::SessionChange;
use crate::client::SessionKey;
use crate::message::{Message, Outgoing};
use crate::subscriptions::Place;
use crate::timers::Timer;

impl Broker {
    /// Keeps a will until its delay is over, or the session is [MQTT-3.1.2-8].
    pub(crate) fn keep_will(&mut self, key: SessionKey, will: Will) {
        let delay = will.properties.will_delay_interval().unwrap_or(0);
        let at = self.now.saturating_add(Duration::from_secs(delay.into()));
        if let Some(client) = self.clients.get_mut(&key) {
            client.will = Some((at, Box::new(will)));
            self.timers.set(at, Timer::Session(key));
        }
    }

    /// Publishes the will of a session whose delay is over, and ends a session whose time is.
    pub(crate) fn look_at_session(&mut self, key: SessionKey) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let ended = client.ends_at.is_some_and(|at| at <= now);
        if let Some((_, will)) = client.will.take_if(|(at, _)| *at <= now) {
            let name = client.name.clone();
            self.record_presence(key);
            self.publish_will(name, &will);
        }
        if ended {
            self.end_session(key);
        }
    }

    /// A session has no connection any more: it waits for the next one, or ends.
    pub(crate) fn leave(
        &mut self,
        key: SessionKey,
        expiry: u32,
        session: Option<Session<Outgoing>>,
        will: Option<Will>,
    ) {
        let expiry = expiry.min(self.config.max_session_expiry);
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        (client.connection, client.last_will) = (None, None);
        client.session = session;
        let kept = client.session.is_some();
        if kept && expiry < u32::MAX {
            let at = self.now.saturating_add(Duration::from_secs(expiry.into()));
            client.ends_at = Some(at);
            self.timers.set(at, Timer::Session(key));
        }
        if let Some(will) = will {
            self.keep_will(key, will);
        }
        self.record_presence(key);
        match kept {
            true => {
                self.look_at_session(key);
                self.hand_over_shares(key);
            }
            false => self.end_session(key),
        }
    }

    /// Ends a session that has no connection: its subscriptions go, its will comes, and its shares
    /// hand on what it did not get.
    pub(crate) fn end_session(&mut self, key: SessionKey) {
        let Some(mut client) = self.clients.remove(&key) else {
            return;
        };
        self.names.remove(client.name.as_bytes());
        self.journal.push(key, || SessionChange::Ended);
        self.waiting.remove(&key);
        for (filter, shared) in &client.filters {
            let filter = filter.as_borrowed();
            self.subscriptions
                .remove(&Place::new(&filter, *shared), key);
        }
        if let Some(at) = client.ends_at {
            self.timers.cancel(at, Timer::Session(key));
        }
        if let Some((at, will)) = client.will.take() {
            self.timers.cancel(at, Timer::Session(key));
            self.publish_will(client.name.clone(), &will);
        }
        let messages = client.take_shared(|_| true);
        self.hand_on(key, messages);
    }

    /// What a client may not publish, its will may not either: a bridge, for one, asks for a will on
    /// `$SYS/`, which costs it nothing.
    fn publish_will(&mut self, name: Text, will: &Will) {
        if self.is_reserved(&will.topic) {
            self.stats.messages_dropped += 1;
            return;
        }
        self.take_over(Message::from_will(self.now, name, will), None);
    }
}
