//! Both ends, the link between them, and what becomes of it.

use std::fmt::Debug;
use std::time::Duration;

use mqtt_sansio::connection::{Closed, Role, client, server};
use mqtt_sansio::packet::{ConnAck, Connect, KeepAlive};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties};
use mqtt_sansio::session::Session;
use mqtt_sansio::{Message, Side as Sender, Version};

use super::OK;
use super::actor::Actor;
use super::journal::Journal;
use crate::choices::{Choices, quota};
use crate::link::{Door, End, Pipe, decoder};

pub(super) const KEEP_ALIVE: u16 = 2;

/// What a step does to either end.
#[derive(Clone, Copy)]
pub(super) enum Act {
    Send,
    Receive,
    Acknowledge,
    Publish,
    Abandon,
    Disconnect,
    Timeout,
    Journal,
    Stray,
}

pub(super) struct World<'a> {
    pub(super) choices: Choices<'a>,
    pub(super) version: Version,
    pub(super) now: Duration,
    pub(super) client: Actor<client::Client>,
    pub(super) server: Actor<server::Server>,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    pub(super) stored: Option<Session<Message>>,
    pub(super) next: u32,
    /// No connection was accepted since a clean start was asked for.
    pub(super) clean: bool,
    pub(super) settling: bool,
    /// The server's session is new, and the client was not told so.
    pub(super) untold: bool,
    /// The server has CONNECT and has not answered it.
    pub(super) asked: bool,
}

impl<'a> World<'a> {
    pub(super) fn new(mut choices: Choices<'a>, version: Version) -> Self {
        let now = Duration::from_secs(100);
        let journals = choices.pick([[false; 2], [true; 2], [true, false], [false, true]]);
        let mut connection = client::Connection::new();
        if choices.one_in(2) {
            connection = connection.send_before_conn_ack();
        }
        let client = client::Connection::new();
        let client = End::new(client, Door::Bytes, decoder(Sender::Server, version));
        let mut client = Actor::new(client, Sender::Client, journals[0]);
        client.set_up(connection, &mut choices);
        let server = server::Connection::new(now, Duration::from_secs(9));
        let server = End::new(server, Door::Bytes, decoder(Sender::Client, version));
        let mut world = Self {
            version,
            now,
            client,
            server: Actor::new(server, Sender::Server, journals[1]),
            up: Pipe::new(Sender::Client, version),
            down: Pipe::new(Sender::Server, version),
            stored: None,
            next: 0,
            clean: true,
            settling: false,
            untold: false,
            asked: false,
            choices,
        };
        world.connect();
        world
    }

    /// Makes another link, and asks for a connection on it.
    pub(super) fn connect(&mut self) {
        let doors = [Door::Packets, Door::Bytes];
        let (version, now) = (self.version, self.now);
        self.up = Pipe::new(Sender::Client, version);
        self.down = Pipe::new(Sender::Server, version);
        let door = self.choices.pick(doors);
        self.client
            .end
            .renew(door, decoder(Sender::Server, version));
        let door = self.choices.pick(doors);
        self.server
            .end
            .renew(door, decoder(Sender::Client, version));
        let server = server::Connection::new(now, Duration::from_secs(9));
        self.server.set_up(server, &mut self.choices);
        self.client.renew(Sender::Client, now);
        self.server.renew(Sender::Server, now);
        self.server.told = now;
        self.server.has_session = false;
        let clean = !self.settling && self.choices.one_in(6);
        self.clean |= clean;
        let mut connect = Connect::new("c".parse().unwrap());
        connect.clean_start = self.clean;
        connect.keep_alive = KeepAlive::from_secs(KEEP_ALIVE);
        if version == Version::V5 {
            let expiry = match self.settling {
                true => 1_000,
                false => self.choices.pick([1_000, 1_000, 1_000, 0]),
            };
            let aliases = self.choices.pick([0, 1, 9]);
            self.client.receive_maximum = quota(&mut self.choices);
            connect.properties = ConnectProperties::builder()
                .session_expiry_interval(expiry)
                .topic_alias_maximum(aliases)
                .receive_maximum(self.client.receive_maximum)
                .build();
        }
        self.client
            .end
            .connection
            .connect(version, connect)
            .unwrap();
    }

    pub(super) fn accept(&mut self) {
        if !self.settling && self.choices.one_in(12) {
            // The server's application drops the session.
            self.stored = None;
        }
        let mut connack = ConnAck::new(OK);
        if self.version == Version::V5 {
            let aliases = self.choices.pick([0, 1, 9]);
            self.server.receive_maximum = quota(&mut self.choices);
            connack.properties = ConnAckProperties::builder()
                .topic_alias_maximum(aliases)
                .receive_maximum(self.server.receive_maximum)
                .build();
        }
        let server = &mut self.server;
        if self.stored.is_none() {
            // A new session, in which calls are counted anew.
            self.untold = true;
            server.era += 1;
            server.last_call = None;
            for record in server.records.values_mut() {
                record.done = true;
            }
            server.fresh.clear();
            server.pending.clear();
            server.held.clear();
            server.handed.clear();
            if let Some(journal) = &mut server.journal {
                *journal = Journal::new();
            }
        }
        server.has_session = true;
        let told = server.tell(self.now, &mut self.choices);
        let accepted = server
            .end
            .connection
            .accept(told, connack, &mut self.stored);
        accepted.unwrap();
        server.established = true;
        assert!(self.stored.is_none());
    }

    /// Ends the link, at any step; each end perhaps goes on from what it has stored.
    pub(super) fn cut(&mut self) {
        if self.client.closed.is_some() || self.server.closed.is_some() || self.choices.one_in(2) {
            self.finish();
        }
        self.client.halves += u32::from(!self.client.end.is_by_packets());
        self.server.halves += u32::from(!self.server.end.is_by_packets());
        self.client.end.connection.handle_close();
        self.server.end.connection.handle_close();
        self.check();
        assert!(self.client.end.connection.is_closed() && self.server.end.connection.is_closed());
        assert!(
            self.client.end.connection.ended() != Ok(())
                || self.client.closed == Some(Closed::Local)
        );
        let crash = !self.settling && self.choices.one_in(4);
        if crash {
            let most = self.choices.pick([0, 1, 2, 3, usize::MAX]);
            self.client.store(most);
            // A session that has ended is not gone on with.
            self.clean |= self.client.end.connection.session_expiry_interval() == 0;
            let now = self.client.end.connection.session().snapshot();
            let session = self.client.crash(now);
            let connection = client::Connection::with_session(session);
            let connection = match self.choices.one_in(2) {
                true => connection.send_before_conn_ack(),
                false => connection,
            };
            self.client.set_up(connection, &mut self.choices);
        }
        let crash = !self.settling && self.choices.one_in(4);
        let most = match crash {
            true => self.choices.pick([0, 1, 2, 3, usize::MAX]),
            false => usize::MAX,
        };
        self.server.store(most);
        let now = self.server.end.connection.session().snapshot();
        if let Some(session) = self.server.end.connection.take_session() {
            assert!(self.server.has_session);
            self.stored = Some(match crash {
                true => self.server.crash(now),
                false => session,
            });
        }
        self.asked = false;
        if self.untold {
            // The client would take it for the one before.
            self.stored = None;
        }
        self.connect();
    }

    /// Lets all that is on its way arrive, and an end that closes send what it owes.
    pub(super) fn finish(&mut self) {
        for _ in 0..3_000 {
            self.now += Duration::from_millis(1);
            for act in [Act::Send, Act::Receive] {
                self.act(0, act);
                self.act(1, act);
            }
            let waits = |empty: bool, closed: bool| !empty && !closed;
            let (client, server) = (&self.client.end, &self.server.end);
            if !waits(self.up.is_empty(), server.connection.is_closed())
                && !waits(self.down.is_empty(), client.connection.is_closed())
                && !self.client.is_closing()
                && !self.server.is_closing()
            {
                break;
            }
        }
    }

    pub(super) fn act(&mut self, side: usize, act: Act) {
        let Self {
            client,
            server,
            up,
            down,
            ..
        } = self;
        let world = (&mut self.choices, &mut self.next, self.now, self.version);
        let connect = match side {
            0 => common(client, server, up, down, act, world),
            _ => common(server, client, down, up, act, world),
        };
        assert!(connect.is_none() || side == 1, "{connect:?}");
        self.asked |= connect.is_some();
        if self.asked && self.choices.one_in(3) {
            self.asked = false;
            self.accept();
        }
        if self.client.end.connection.is_connected() {
            self.clean = false;
            self.untold = false;
        }
        self.check();
    }

    pub(super) fn check(&mut self) {
        self.client.check_events(&self.server.codes, self.now);
        self.server.check_events(&self.client.codes, self.now);
        self.client.check_end();
        self.server.check_end();
        if let Some(Closed::Violated(_)) = self.client.closed {
            self.clean = true;
        }
    }
}

/// What both ends do.
fn common<R: Role + Clone + Debug, P: Role + Clone + Debug>(
    own: &mut Actor<R>,
    peer: &mut Actor<P>,
    out: &mut Pipe,
    input: &mut Pipe,
    act: Act,
    (choices, next, now, version): (&mut Choices<'_>, &mut u32, Duration, Version),
) -> Option<Connect> {
    match act {
        Act::Send => own.send(peer, out, choices, now),
        Act::Receive => return own.receive(input, choices, now),
        Act::Acknowledge => own.acknowledge(choices),
        Act::Publish => {
            own.publish_any(*next, choices, version);
            *next += 1;
        }
        Act::Abandon => own.abandon(choices),
        Act::Disconnect => own.disconnect(),
        Act::Timeout => {
            let told = own.tell(now, choices);
            own.end.connection.handle_timeout(told);
        }
        Act::Stray => own.hears_stray(input, choices, now, version),
        Act::Journal => {
            let rebase = choices.one_in(3);
            own.check_journal(rebase);
        }
    }
    None
}
