use crate::Broker;
use crate::broker::Link;
use crate::client::Client;
use crate::route::Route;

/// What a broker holds: for all clients, or for one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Network connections, until [`handle_close`](Broker::handle_close).
    pub connections: usize,
    /// Those that have not finished CONNECT.
    pub pending: usize,
    /// Bytes of the beginnings of packets, and of messages that are not with all their subscribers
    /// yet.
    pub input_bytes: usize,
    /// Bytes of SUBACK and UNSUBACK that wait to be sent.
    pub answer_bytes: usize,
    /// Bytes that wait to be sent on connections that are over.
    pub tail_bytes: usize,
    /// Sessions, with and without a connection.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Bytes of these subscriptions.
    pub subscription_bytes: usize,
    /// New subscriptions that have not got all their retained messages.
    pub backlogs: usize,
    /// Messages that wait for a session or are unacknowledged, counted for each session.
    pub messages: usize,
    /// Bytes of these messages, counted for each session.
    pub message_bytes: usize,
    /// The packet identifiers of messages of which the broker keeps that they have come: those of
    /// QoS 2 that their publishers have not released.
    pub unreleased: usize,
    /// Wills that wait for their delay.
    pub wills: usize,
    /// Retained messages.
    pub retained: usize,
    /// Bytes of the retained messages.
    pub retained_bytes: usize,
}

impl Broker {
    /// What it holds now.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage {
            pending: self.pending.len(),
            retained: self.retained.len(),
            retained_bytes: self.retained.bytes(),
            input_bytes: self.routes.iter().map(Route::size).sum(),
            ..Usage::default()
        };
        for link in self.links.values() {
            usage.add_link(link);
        }
        for client in self.clients.values() {
            usage.add_client(client);
        }
        usage
    }

    /// What it holds now for one client, by its identifier; `None` if there is no such session.
    pub fn client_usage(&self, name: &str) -> Option<Usage> {
        let client = self.clients.get(self.names.get(name.as_bytes())?)?;
        let mut usage = Usage::default();
        if let Some(link) = client.connection.and_then(|id| self.links.get(&id)) {
            usage.add_link(link);
        }
        usage.add_client(client);
        Some(usage)
    }

    /// How much it has looked at so far that is not for a packet of its own: members of shares, topics
    /// of retained messages, those that expired, steps of the search for those who get a message, and each of these.
    pub const fn steps(&self) -> u64 {
        self.stats.steps + self.subscriptions.steps + self.retained.purged
    }
}

impl Usage {
    fn add_link(&mut self, link: &Link) {
        self.connections += 1;
        self.input_bytes += link.input.capacity();
        self.answer_bytes += link.answer_bytes;
        self.tail_bytes += link.tail.capacity();
        if let Some(connection) = &link.connection {
            let session = connection.session();
            self.unreleased += usize::from(session.received());
            self.messages += usize::from(session.packet_ids_in_use());
        }
    }

    fn add_client(&mut self, client: &Client) {
        self.sessions += 1;
        if let Some(session) = &client.session {
            self.unreleased += usize::from(session.received());
            self.messages += usize::from(session.packet_ids_in_use());
        }
        self.subscriptions += client.filters.len();
        self.subscription_bytes += client.filter_bytes;
        self.backlogs += client.backlog.len();
        self.messages += client.account.loose();
        self.message_bytes += client.account.bytes();
        self.wills += usize::from(client.will.is_some());
    }
}
