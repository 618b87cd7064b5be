use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_sansio::connection::server::Connection;
use mqtt_sansio::connection::{Event, Input};
use mqtt_sansio::packet::{Connect, Disconnect};
use mqtt_sansio::{FrameDecoder, Packet, ReasonCode, Text, Version};

use crate::client::{Client, SessionKey};
use crate::config::Config;
use crate::policy::{Anyone, Policy};
use crate::retained::Retained;
use crate::subscriptions::Subscriptions;
use crate::sys::Stats;
use crate::timers::{Timer, Timers};

/// Names a network connection, and never another one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(u64);

/// A broker: all connections, sessions, subscriptions and retained messages.
#[derive(Debug)]
pub struct Broker {
    pub(crate) config: Config,
    pub(crate) policy: Box<dyn Policy>,
    /// The latest time that the caller has told.
    pub(crate) now: Duration,
    pub(crate) links: BTreeMap<ConnectionId, Link>,
    next_link: u64,
    /// Connections that have not finished CONNECT, the oldest first.
    pub(crate) pending: BTreeSet<ConnectionId>,
    /// Connections that the caller has to look at.
    ready: BTreeSet<ConnectionId>,
    pub(crate) clients: BTreeMap<SessionKey, Client>,
    pub(crate) names: BTreeMap<Text, SessionKey>,
    pub(crate) next_key: u64,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) retained: Retained,
    pub(crate) timers: Timers,
    pub(crate) stats: Stats,
}

/// One network connection.
#[derive(Debug)]
pub(crate) struct Link {
    decoder: FrameDecoder,
    /// The beginning of a packet.
    input: BytesMut,
    /// `None` once it is over.
    pub(crate) connection: Option<Box<Connection>>,
    /// What is still to be sent once it is over.
    tail: BytesMut,
    /// CONNECT, during enhanced authentication.
    pub(crate) connect: Option<Box<Connect>>,
    pub(crate) client: Option<SessionKey>,
    /// When a timer looks at it.
    timer: Option<Duration>,
    /// Reason codes in SUBACK and UNSUBACK that have not been sent.
    pub(crate) answers: usize,
}

/// How much [`Broker::poll_transmit`] gives at once, but for one larger packet.
const CHUNK: usize = 64 << 10;

impl Broker {
    /// A broker that everyone may use.
    pub fn new(config: Config) -> Self {
        Self::with_policy(config, Anyone)
    }

    /// A broker that asks `policy` who may do what.
    pub fn with_policy(config: Config, policy: impl Policy + 'static) -> Self {
        let mut timers = Timers::default();
        if config.sys_interval.is_some() {
            timers.set(Duration::ZERO, Timer::Sys);
        }
        Self {
            config,
            policy: Box::new(policy),
            now: Duration::ZERO,
            links: BTreeMap::new(),
            next_link: 1,
            pending: BTreeSet::new(),
            ready: BTreeSet::new(),
            clients: BTreeMap::new(),
            names: BTreeMap::new(),
            next_key: 1,
            subscriptions: Subscriptions::default(),
            retained: Retained::default(),
            timers,
            stats: Stats::default(),
        }
    }

    /// A network connection was made. If there are too many, it [is closing](Self::is_closing) at
    /// once; if too many wait for CONNECT, the oldest of these is.
    pub fn accept(&mut self, now: Duration) -> ConnectionId {
        self.advance(now);
        let id = ConnectionId(self.next_link);
        self.next_link += 1;
        let config = &self.config;
        let connection = Connection::new(now, config.connect_timeout)
            .max_queued(usize::from(config.max_in_flight).max(1_024))
            .automatic_aliases(config.aliases_to_clients);
        let room = self.links.len() < config.max_connections;
        let size = config.maximum_packet_size.get();
        let link = Link {
            decoder: FrameDecoder::server()
                .max_packet_size(size)
                .max_connect_size(size.min(FrameDecoder::DEFAULT_MAX_CONNECT_SIZE)),
            input: BytesMut::new(),
            connection: room.then(|| Box::new(connection)),
            tail: BytesMut::new(),
            connect: None,
            client: None,
            timer: None,
            answers: 0,
        };
        self.links.insert(id, link);
        if room {
            self.pending.insert(id);
        }
        let crowded = self.pending.len() > self.config.max_pending;
        if let Some(oldest) = self.pending.first().copied().filter(|_| crowded) {
            self.close(oldest, ReasonCode::ServerBusy);
        }
        self.settle(id);
        id
    }

    /// Bytes came from a client.
    pub fn handle_bytes(&mut self, now: Duration, id: ConnectionId, bytes: &[u8]) {
        self.advance(now);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let mut input = mem::take(&mut link.input);
        input.extend_from_slice(bytes);
        let mut unread = &input[..];
        while let Some(link) = self.links.get_mut(&id) {
            let Some(connection) = &mut link.connection else {
                unread = &[];
                break;
            };
            match link.decoder.decode(&mut unread) {
                Ok(Some(packet)) => self.handle_packet(id, &packet),
                Ok(None) => break,
                Err(error) => connection.handle_decode_error(error),
            }
            self.settle(id);
        }
        let read = input.len() - unread.len();
        input.advance(read);
        let link = self.links.get_mut(&id);
        if let Some(link) = link.filter(|_| !input.is_empty()) {
            link.input = input;
        }
    }

    /// A network connection has ended. Its identifier means nothing from now on.
    pub fn handle_close(&mut self, now: Duration, id: ConnectionId) {
        self.advance(now);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if let Some(connection) = &mut link.connection {
            connection.handle_close();
        }
        self.settle(id);
        if let Some(timer) = self.links.remove(&id).and_then(|link| link.timer) {
            self.timers.cancel(timer, Timer::Connection(id));
        }
        self.ready.remove(&id);
    }

    /// The time has come. Without effect before [`next_timeout`](Self::next_timeout).
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance(now);
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Connection(id) => {
                    if let Some(link) = self.links.get_mut(&id) {
                        link.timer = None;
                        if let Some(connection) = &mut link.connection {
                            connection.handle_timeout(now);
                        }
                    }
                    self.settle(id);
                }
                Timer::Session(key) => self.look_at_session(key),
                Timer::Sys => self.publish_sys(),
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// A connection that may have something to send, or is to be closed. Each is named once until
    /// there is something new.
    #[must_use]
    pub fn poll_connection(&mut self) -> Option<ConnectionId> {
        self.ready.pop_first()
    }

    /// Appends what is to be sent on a connection: some packets, or nothing. Call it again when those
    /// are sent, until it gives `false`.
    pub fn poll_transmit(&mut self, id: ConnectionId, out: &mut BytesMut) -> bool {
        let start = out.len();
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        loop {
            let Some(connection) = &mut link.connection else {
                out.unsplit(mem::take(&mut link.tail));
                break;
            };
            let version = connection.version();
            while out.len() - start < CHUNK {
                let Some(packet) = connection.poll_transmit() else {
                    link.answers = 0;
                    break;
                };
                encode(version, &packet, out, &mut self.stats);
            }
            let client = link.client.and_then(|key| self.clients.get_mut(&key));
            let full = out.len() - start >= CHUNK;
            let Some(client) = client.filter(|_| !full) else {
                break;
            };
            if !client.feed(connection, self.now, &self.config, &mut self.stats) {
                break;
            }
        }
        out.len() > start
    }

    /// All that is to be sent on a connection.
    #[must_use]
    pub fn take_output(&mut self, id: ConnectionId) -> BytesMut {
        let mut out = BytesMut::new();
        while self.poll_transmit(id, &mut out) {}
        out
    }

    /// Whether to close a connection, as soon as [`poll_transmit`](Self::poll_transmit) has nothing
    /// left for it. [`handle_close`](Self::handle_close) follows.
    pub fn is_closing(&self, id: ConnectionId) -> bool {
        let link = self.links.get(&id);
        link.is_none_or(|link| link.connection.is_none())
    }

    pub(crate) fn mark_ready(&mut self, id: ConnectionId) {
        self.ready.insert(id);
    }

    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn handle_packet(&mut self, id: ConnectionId, packet: &Packet<&[u8]>) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(connection) = &mut link.connection else {
            return;
        };
        self.stats.packets_received += 1;
        let version = link.decoder.version().unwrap_or(Version::V5);
        let Ok(input) = connection.handle_packet(self.now, version, packet) else {
            // The connection has ended itself, and knows what to say.
            return;
        };
        match (input, packet) {
            (Input::Answer, Packet::Connect(connect)) => self.handle_connect(id, connect),
            (Input::Answer, Packet::Auth(auth)) => self.handle_auth(id, auth),
            (Input::Answer, Packet::Subscribe(subscribe)) => self.handle_subscribe(id, subscribe),
            (Input::Answer, Packet::Unsubscribe(request)) => self.handle_unsubscribe(id, request),
            (Input::Deliver(topic), Packet::Publish(publish)) => {
                let own = publish.topic.as_ref().map(|topic| topic.to_owned());
                if let Some(topic) = topic.or(own) {
                    self.handle_publish(id, topic, publish);
                }
            }
            // Nothing is early: CONNECT is answered at once, or with AUTH, behind which nothing else
            // may come.
            _ => {}
        }
    }

    /// Takes note of what has happened on a connection.
    pub(crate) fn settle(&mut self, id: ConnectionId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        self.ready.insert(id);
        let Some(connection) = &mut link.connection else {
            return;
        };
        let mut client = link.client.and_then(|key| self.clients.get_mut(&key));
        let mut over = false;
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Completed(packet, _) | Event::Dropped(packet) => {
                    if let Some(client) = &mut client {
                        client.land(packet);
                    }
                }
                Event::Closed(_) => over = true,
                _ => {}
            }
        }
        match connection.next_timeout() {
            Some(at) if link.timer.is_none_or(|timer| timer > at) => {
                if let Some(timer) = link.timer.replace(at) {
                    self.timers.cancel(timer, Timer::Connection(id));
                }
                self.timers.set(at, Timer::Connection(id));
            }
            _ => {}
        }
        if over || connection.is_closed() {
            self.detach(id);
        }
    }

    /// Ends a connection for this reason, which 5.0 is told if CONNACK has been sent.
    pub(crate) fn close(&mut self, id: ConnectionId, reason: ReasonCode) {
        let link = self.links.get_mut(&id);
        let Some(connection) = link.and_then(|link| link.connection.as_mut()) else {
            return;
        };
        if !connection.is_connected() {
            return self.refuse(id, reason);
        }
        let disconnect = Disconnect::new(reason).to_owned();
        if connection.disconnect(disconnect).is_err() {
            connection.handle_close();
        }
        self.settle(id);
    }

    /// A connection is over: the session goes on without it, or ends.
    fn detach(&mut self, id: ConnectionId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(mut connection) = link.connection.take() else {
            return;
        };
        let version = connection.version();
        while let Some(packet) = connection.poll_transmit() {
            encode(version, &packet, &mut link.tail, &mut self.stats);
        }
        let client = link.client.take();
        self.pending.remove(&id);
        self.ready.insert(id);
        if let Some(key) = client {
            self.suspend(key, *connection);
        }
    }
}

fn encode(version: Version, packet: &Packet<&[u8]>, out: &mut BytesMut, stats: &mut Stats) {
    // What a connection gives it has checked.
    if packet.encode(version, out).is_ok() {
        stats.packets_sent += 1;
        stats.messages_sent += u64::from(matches!(packet, Packet::Publish(_)));
    }
}
