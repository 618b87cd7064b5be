use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mqtt_sansio::connection::server::Connection;
use mqtt_sansio::packet::Will;
use mqtt_sansio::session::Session;
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{QoS, Text, Version};

use crate::backlog::Backlog;
use crate::config::Config;
use crate::message::{Account, Outgoing};
use crate::{ConnectionId, subscriptions::Share};

/// Names one session for as long as it lasts, and no other ever after.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct SessionKey(pub(crate) u64);

/// Why a session does not get a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dropped {
    /// There is no room, for others like it neither.
    Full,
    /// The client does not take it.
    Refused,
}

/// One client's session, with or without a connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: Text,
    /// Of its connection, or the last one.
    pub(crate) version: Version,
    pub(crate) connection: Option<ConnectionId>,
    /// While there is no connection, which otherwise has it.
    pub(crate) session: Option<Session<Outgoing>>,
    /// The filters as they were sent, and whether each is a shared subscription.
    pub(crate) filters: BTreeMap<TopicFilter, bool>,
    /// What the subscriptions take.
    pub(crate) filter_bytes: usize,
    /// The retained messages that are still to come, by the turn of the subscription.
    pub(crate) backlog: BTreeMap<u64, Backlog>,
    /// When the session ends; while there is no connection.
    pub(crate) ends_at: Option<Duration>,
    /// The will that waits, and until when.
    pub(crate) will: Option<(Duration, Box<Will>)>,
    /// The will of the connection, where changes are recorded.
    pub(crate) last_will: Option<Box<Will>>,
    /// Of the messages in the session and its connection.
    pub(crate) account: Arc<Account>,
}

impl Client {
    pub(crate) fn new(name: Text) -> Self {
        Self {
            name,
            version: Version::V5,
            connection: None,
            session: None,
            filters: BTreeMap::new(),
            filter_bytes: 0,
            backlog: BTreeMap::new(),
            ends_at: None,
            will: None,
            last_will: None,
            account: Arc::default(),
        }
    }

    /// Gives a message to the session, by way of its connection if there is one. There may be no
    /// room, even without what has expired.
    pub(crate) fn push(
        &mut self,
        now: Duration,
        config: &Config,
        connection: Option<&mut Connection<Outgoing>>,
        mut new: Outgoing,
    ) -> Result<(), Dropped> {
        let (size, qos, deadline) = (new.size(), new.qos, new.message.expires_at);
        let account = &self.account;
        let has_room = |session: &Session<Outgoing>, in_flight: usize| {
            let messages = account.loose() + usize::from(session.packet_ids_in_use());
            messages.saturating_sub(in_flight) < config.max_queued
                && account.bytes().saturating_add(size) <= config.max_queued_bytes
        };
        match (connection, &mut self.session) {
            (Some(connection), _) => {
                let session = connection.session();
                let maximum = connection.limits().receive_maximum;
                let maximum = maximum.min(config.in_flight()).get();
                let in_flight = usize::from(maximum - session.send_quota());
                if !has_room(session, in_flight) {
                    return Err(Dropped::Full);
                }
                new.count_in(account);
                let kept = connection.publish(qos, new);
                kept.map(drop).map_err(|_| Dropped::Refused)
            }
            (None, Some(session)) => {
                if !has_room(session, 0) {
                    session.expire(now, |_, _| ());
                }
                if !has_room(session, 0) {
                    return Err(Dropped::Full);
                }
                new.count_in(account);
                let kept = session.publish_until(deadline, qos, new);
                kept.map(drop).map_err(|_| Dropped::Full)
            }
            (None, None) => Err(Dropped::Full),
        }
    }

    /// The shares for which there are messages, while there is no connection.
    pub(crate) fn shares(&self) -> impl Iterator<Item = &Arc<Share>> {
        let messages = self.session.iter().flat_map(Session::messages);
        messages.filter_map(|stored| stored.message.share.as_ref())
    }

    /// Takes out what another member of its share may get now, if its share `may` hand it
    /// on: all but QoS 2 messages under way [MQTT-4.8.2-5].
    pub(crate) fn take_shared(&mut self, may: impl Fn(&Share) -> bool) -> Vec<Outgoing> {
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        let goes = session.messages().filter(|stored| {
            let share = stored.message.share.as_deref();
            let under_way = stored.sent && stored.delivery.qos() == QoS::ExactlyOnce;
            share.is_some_and(&may) && !under_way
        });
        let goes: Vec<_> = goes
            .filter_map(|stored| stored.delivery.packet_id())
            .collect();
        let taken = goes.into_iter().map(|id| session.abandon(id));
        taken.flatten().collect()
    }
}
