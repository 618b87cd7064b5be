use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use mqtt_sansio::connection::Event;
use mqtt_sansio::connection::server::Connection;
use mqtt_sansio::packet::{Connect, Disconnect};
use mqtt_sansio::{ReasonCode, Text};

use crate::backlog::STEPS;
use crate::changes::Journal;
use crate::client::{Client, SessionKey};
use crate::config::Config;
use crate::message::Outgoing;
use crate::policy::{Anyone, Policy};
use crate::retained::Retained;
use crate::route::{self, Route};
use crate::subscriptions::Subscriptions;
use crate::sys::{Stats, count};
use crate::timers::{Timer, Timers};

/// Names a network connection, and never another one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub(crate) u64);

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
    /// Sessions for which retained messages are still to be found, and the one that had its turn.
    pub(crate) waiting: BTreeSet<SessionKey>,
    pub(crate) worked: Option<SessionKey>,
    /// How much may still be looked at for them in this call.
    pub(crate) steps_left: usize,
    /// Messages that are not with all their subscribers yet, the oldest first: the others wait for it.
    pub(crate) routes: VecDeque<Route>,
    /// How much may still be looked at for messages in this call.
    pub(crate) route_steps: usize,
    /// Of what has an order: messages and subscriptions.
    pub(crate) turn: u64,
    /// Held for packets that are not whole, and for `routes`.
    pub(crate) input_bytes: usize,
    pub(crate) timers: Timers,
    pub(crate) journal: Journal,
    pub(crate) stats: Stats,
}

/// One network connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// `None` once it is over.
    pub(crate) connection: Option<Box<Connection<Outgoing>>>,
    /// The beginning of a packet; all that comes while it is busy.
    pub(crate) input: Vec<u8>,
    /// What is still to be sent once it is over, as its session goes on without it.
    pub(crate) tail: BytesMut,
    /// CONNECT, during enhanced authentication.
    pub(crate) connect: Option<Box<Connect>>,
    pub(crate) client: Option<SessionKey>,
    /// Whether the last message from there is not with all its subscribers yet.
    pub(crate) busy: bool,
    /// When a timer looks at it.
    timer: Option<Duration>,
    /// Of SUBACK and UNSUBACK that have not been sent.
    pub(crate) answer_bytes: usize,
}

/// How much [`Broker::poll_transmit`] gives at once, while a connection is not over.
pub(crate) const CHUNK: usize = 64 << 10;

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
            waiting: BTreeSet::new(),
            worked: None,
            steps_left: STEPS,
            routes: VecDeque::new(),
            route_steps: route::STEPS,
            turn: 0,
            input_bytes: 0,
            timers,
            journal: Journal::default(),
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
        let in_flight = usize::from(config.in_flight().get());
        let most = config.max_queued.saturating_add(in_flight);
        let connection = Connection::keeping(now, config.connect_timeout)
            .max_in_flight(config.in_flight())
            .max_queued(most)
            .max_packet_size(config.maximum_packet_size.get())
            .rules(config.rules)
            .automatic_aliases(config.aliases_to_clients);
        let connection = match self.journal.is_on {
            true => connection.changes(),
            false => connection,
        };
        let room = self.links.len() < config.max_connections;
        let link = Link {
            connection: room.then(|| Box::new(connection)),
            input: Vec::new(),
            tail: BytesMut::new(),
            connect: None,
            client: None,
            busy: false,
            timer: None,
            answer_bytes: 0,
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
    ///
    /// This is also where new subscriptions get their retained messages if there are too many to
    /// find at once, and where messages go on that have too many subscribers, or whose subscribers
    /// are too hard to find: some with each call, while `next_timeout` names a time that has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance(now);
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Connection(id) => {
                    if let Some(link) = self.links.get_mut(&id) {
                        link.timer = None;
                        if link.busy {
                            // There may be input that shows that the client is there.
                            let later = self.now.saturating_add(Duration::from_secs(1));
                            link.timer = Some(later);
                            self.timers.set(later, timer);
                            continue;
                        }
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
        self.go_on_routing();
        let gone = self.retained.purge(self.now, STEPS / 2);
        self.steps_left = STEPS - gone;
        self.work();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        let work = !self.waiting.is_empty() || !self.routes.is_empty();
        let work = work.then_some(self.now);
        let times = [self.timers.next(), self.retained.next_expiry(), work];
        times.into_iter().flatten().min()
    }

    /// A connection that may have something to send, or is to be closed. Each is named once until
    /// there is something new.
    #[must_use]
    pub fn poll_connection(&mut self) -> Option<ConnectionId> {
        self.ready.pop_first()
    }

    /// Appends what is to be sent on a connection: some of it, or nothing. Call it again when that is
    /// sent, until it gives `false`.
    pub fn poll_transmit(&mut self, id: ConnectionId, out: &mut BytesMut) -> bool {
        let start = out.len();
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        if let Some(key) = link.client {
            // What has expired is discarded.
            self.journal.touch(key);
        }
        match &mut link.connection {
            Some(connection) => {
                connection.poll_bytes(self.now, &mut (&mut *out).limit(CHUNK));
                if out.len() - start < CHUNK {
                    link.answer_bytes = 0;
                }
                self.look_at_connection(id);
            }
            None => out.unsplit(mem::take(&mut link.tail)),
        }
        self.stats.bytes_sent += count(out.len() - start);
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

    /// Whether the last message of a connection is not with all its subscribers yet. What comes on it
    /// is kept until then; it is better not read. Handle the end of the connection later, too, as what
    /// is kept is lost with it.
    pub fn is_busy(&self, id: ConnectionId) -> bool {
        self.links.get(&id).is_some_and(|link| link.busy)
    }

    pub(crate) fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.route_steps = match self.journal.is_on {
            true => usize::MAX,
            false => route::STEPS,
        };
    }

    /// Takes note of what has happened on a connection.
    pub(crate) fn settle(&mut self, id: ConnectionId) {
        if let Some(link) = self.links.get(&id) {
            if let Some(key) = link.client {
                self.journal.touch(key);
            }
            self.ready.insert(id);
            self.look_at_connection(id);
        }
    }

    fn look_at_connection(&mut self, id: ConnectionId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(connection) = &mut link.connection else {
            return;
        };
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Closed(_) => return self.detach(id),
                event => drop(self.stats.count(event)),
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
        let disconnect = Disconnect::new(reason);
        if connection.disconnect(disconnect).is_err() {
            connection.handle_close();
        }
        self.settle(id);
    }

    /// A connection is over: the session goes on without it, or ends. What is left to send is saved,
    /// since the session may be wanted at once, and get messages.
    fn detach(&mut self, id: ConnectionId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(mut connection) = link.connection.take() else {
            return;
        };
        self.input_bytes -= mem::take(&mut link.input).capacity();
        let client = link.client.take();
        let own = client.is_some() && connection.ended().is_ok();
        // No messages in front of the broker's own DISCONNECT, as there may be many.
        let session = if own { connection.take_session() } else { None };
        while connection.poll_bytes(self.now, &mut link.tail) {}
        let session = session.or_else(|| connection.take_session());
        self.pending.remove(&id);
        self.ready.insert(id);
        if let Some(key) = client {
            self.suspend(key, *connection, session);
        }
    }
}
