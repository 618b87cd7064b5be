use crate::Broker;

/// What a broker holds, but for the clients' last words and the beginnings of their packets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Network connections, until [`handle_close`](Broker::handle_close).
    pub connections: usize,
    /// Those that have not finished CONNECT.
    pub pending: usize,
    /// Sessions, with and without a connection.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Bytes of the topic filters of all sessions.
    pub subscription_bytes: usize,
    /// Messages that wait for a session or are unacknowledged, counted for each session.
    pub messages: usize,
    /// Bytes of these messages, counted for each session.
    pub message_bytes: usize,
    /// The packet identifiers of QoS 2 messages that their publishers have not released.
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
            connections: self.links.len(),
            pending: self.pending.len(),
            sessions: self.clients.len(),
            subscriptions: self.subscriptions.len(),
            retained: self.retained.len(),
            retained_bytes: self.retained.bytes(),
            ..Usage::default()
        };
        let connections = self.links.values().flat_map(|link| &link.connection);
        let connected = connections.map(|connection| connection.session());
        let waiting = self.clients.values().flat_map(|client| &client.session);
        for session in connected.chain(waiting) {
            usage.unreleased += usize::from(session.received());
            usage.messages += usize::from(session.packet_ids_in_use());
        }
        for client in self.clients.values() {
            usage.messages += client.account.loose();
            usage.message_bytes += client.account.bytes();
            usage.subscription_bytes += client.filter_bytes;
            usage.wills += usize::from(client.will.is_some());
        }
        usage
    }
}
