use std::time::Duration;

use mqtt_sansio::session::{InvalidSnapshot, Session};

use crate::backlog::Backlog;
use crate::changes::{Kept, KeptSession, Presence, SessionChange, State};
use crate::client::{Client, SessionKey};
use crate::policy::Policy;
use crate::subscriptions::Place;
use crate::timers::Timer;
use crate::{Broker, Config};

impl Broker {
    /// A broker that goes on from a state, at first an empty one, and records its changes. The
    /// network connections that it had are lost.
    ///
    /// Times in the state are on the caller's clock, which has to continue.
    ///
    /// # Errors
    ///
    /// If the state is not that of a broker.
    pub fn restore(
        config: Config,
        policy: impl Policy + 'static,
        now: Duration,
        state: State,
    ) -> Result<Self, InvalidSnapshot> {
        let mut broker = Self::with_policy(config, policy);
        broker.advance(now);
        for stored in state.retained.into_values() {
            broker.turn = broker.turn.max(stored.turn);
            broker.retained.put(stored);
        }
        broker.retained.record_changes();
        (broker.journal.is_on, broker.journal.is_restored) = (true, true);
        let mut lost = Vec::new();
        for (key, kept) in state.sessions {
            if let Presence::Connected(expiry, will) = kept.presence.clone() {
                lost.push((key, expiry, will));
            }
            broker.restore_session(key, kept)?;
        }
        for (key, expiry, will) in lost {
            let client = broker.clients.get_mut(&key);
            let session = client.and_then(|client| client.session.take());
            broker.leave(key, expiry, session, will.map(|will| *will));
        }
        Ok(broker)
    }

    fn restore_session(
        &mut self,
        key: SessionKey,
        kept: KeptSession,
    ) -> Result<(), InvalidSnapshot> {
        let mut client = Client::new(kept.name.clone());
        client.version = kept.version;
        let mut exchanges = kept.exchanges;
        for stored in &mut exchanges.messages {
            stored.message.count_in(&client.account);
        }
        let mut session = Session::restore(exchanges, [])?;
        session.record_changes();
        client.session = Some(session);
        if let Presence::Away(ends_at, will) = kept.presence {
            for at in [ends_at, will.as_ref().map(|(at, _)| *at)]
                .into_iter()
                .flatten()
            {
                self.timers.set(at, Timer::Session(key));
            }
            (client.ends_at, client.will) = (ends_at, will);
        }
        for (filter, kept) in kept.subscriptions {
            let Kept {
                shared,
                subscription,
                waiting,
            } = kept;
            let borrowed = filter.as_borrowed();
            let place = Place::new(&borrowed, shared);
            self.subscriptions.insert(&place, key, subscription);
            self.subscriptions.set_present(&place, key, false);
            self.turn = self.turn.max(subscription.turn);
            client.filter_bytes += Place::size(filter.len(), shared);
            if let Some((after, ahead)) = waiting {
                let mut backlog = Backlog::new(filter.clone(), subscription);
                backlog.restore(&client.account, after, ahead);
                client.backlog.insert(subscription.turn, backlog);
                self.waiting.insert(key);
            }
            client.filters.insert(filter, shared);
        }
        self.next_key = self.next_key.max(key.0 + 1);
        self.names.insert(kept.name, key);
        self.clients.insert(key, client);
        Ok(())
    }

    /// What would survive a crash, if all changes are polled.
    pub fn state(&self) -> State {
        let sessions = self.clients.iter();
        let sessions = sessions.map(|(&key, client)| (key, self.keep(key, client)));
        let retained = self.retained.iter();
        let retained = retained.map(|(topic, stored)| (topic.clone(), stored.clone()));
        State {
            sessions: sessions.collect(),
            retained: retained.collect(),
            begun: Vec::new(),
        }
    }

    fn keep(&self, key: SessionKey, client: &Client) -> KeptSession {
        let mut kept = KeptSession::new(client.name.clone());
        kept.version = client.version;
        kept.presence = self.presence(client);
        let session = match client.connection.and_then(|id| self.links.get(&id)) {
            Some(link) => link.connection.as_deref().map(|open| open.session()),
            None => client.session.as_ref(),
        };
        kept.exchanges = session.map(Session::snapshot).unwrap_or_default();
        for (filter, &shared) in &client.filters {
            let borrowed = filter.as_borrowed();
            let place = Place::new(&borrowed, shared);
            if let Some(&subscription) = self.subscriptions.get(&place, key) {
                let waiting = client.backlog.get(&subscription.turn);
                let kept_subscription = Kept {
                    shared,
                    subscription,
                    waiting: waiting.map(Backlog::progress),
                };
                kept.subscriptions.insert(filter.clone(), kept_subscription);
            }
        }
        kept
    }

    fn presence(&self, client: &Client) -> Presence {
        let link = client.connection.and_then(|id| self.links.get(&id));
        let connection = link.and_then(|link| link.connection.as_ref());
        match connection {
            Some(connection) => {
                let expiry = connection.session_expiry_interval();
                Presence::Connected(expiry, client.last_will.clone())
            }
            None => Presence::Away(client.ends_at, client.will.clone()),
        }
    }

    pub(crate) fn record_presence(&mut self, key: SessionKey) {
        if let Some(client) = self.clients.get(&key).filter(|_| self.journal.is_on) {
            let change = SessionChange::Presence(client.version, self.presence(client));
            self.journal.push(key, || change);
        }
    }
}
