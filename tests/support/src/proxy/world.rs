//! What happens to both ends and between them.

use std::fmt::Debug;
use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_sansio::connection::{Closed, Connection, Role, Violation, client, server};
use mqtt_sansio::packet::{ConnAck, Connect, KeepAlive, Subscriptions, TopicFilters};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties};
use mqtt_sansio::session::Session;
use mqtt_sansio::{Message, PacketType, QoS, ReasonCode, Side as Sender, Version};

use super::end::Side;
use crate::choices::{Choices, quota, some_time};
use crate::drive::IDLE;
use crate::heap;
use crate::link::{Door, Pipe, decoder};

const OK: ReasonCode = ReasonCode::Success;

pub(super) struct World<'a> {
    choices: Choices<'a>,
    version: Version,
    client: Side<client::Client>,
    server: Side<server::Server>,
    up: Pipe,
    down: Pipe,
    stored: Option<Session<Message>>,
    number: u32,
    /// Whether the next CONNECT asks for a new session.
    clean: bool,
    /// The server has a new session, and the client does not know.
    untold: bool,
    /// CONNECT that is not answered.
    connect: Option<Connect>,
    settling: bool,
}

impl<'a> World<'a> {
    pub(super) fn new(mut choices: Choices<'a>) -> Self {
        let version = choices.pick([Version::V5, Version::V5, Version::V311]);
        let now = Duration::from_secs(100);
        let mut connection = client::Connection::new();
        if choices.one_in(2) {
            connection = connection.send_before_conn_ack();
        }
        let connection = set_up(connection, &mut choices);
        let server = server::Connection::new(now, Duration::from_secs(9));
        let mut world = Self {
            version,
            client: Side::new(connection, version),
            server: Side::new(server, version),
            up: Pipe::new(Sender::Client, version),
            down: Pipe::new(Sender::Server, version),
            stored: None,
            number: 0,
            clean: true,
            untold: false,
            connect: None,
            settling: false,
            choices,
        };
        world.connect();
        world
    }

    pub(super) fn is_over(&self) -> bool {
        self.choices.is_over()
    }

    fn connect(&mut self) {
        let version = self.version;
        self.up = Pipe::new(Sender::Client, version).listen();
        self.down = Pipe::new(Sender::Server, version).listen();
        let doors = [Door::Bytes, Door::Bytes, Door::Packets];
        let (own, other) = (self.choices.pick(doors), self.choices.pick(doors));
        let server = server::Connection::new(self.server.clock, Duration::from_secs(9));
        self.server.end.connection = set_up(server, &mut self.choices);
        self.client.end.renew(own, decoder(Sender::Server, version));
        self.server
            .end
            .renew(other, decoder(Sender::Client, version));
        self.client.renew();
        self.server.renew();
        self.connect = None;
        let mut connect = Connect::new("c".parse().unwrap());
        connect.clean_start = self.clean;
        connect.keep_alive = KeepAlive::from_secs(2);
        if version == Version::V5 {
            connect.properties = ConnectProperties::builder()
                .session_expiry_interval(1_000)
                .topic_alias_maximum(self.choices.pick([0, 1, 9]))
                .receive_maximum(quota(&mut self.choices))
                .build();
        }
        self.client
            .end
            .connection
            .connect(version, connect)
            .unwrap();
    }

    fn accept(&mut self) {
        let Some(connect) = self.connect.take() else {
            return;
        };
        let mut connack = ConnAck::new(OK);
        if self.server.end.connection.version() == Version::V5 {
            connack.properties = ConnAckProperties::builder()
                .topic_alias_maximum(self.choices.pick([0, 1, 9]))
                .receive_maximum(quota(&mut self.choices))
                .build();
        }
        if connect.clean_start {
            self.stored = None;
        }
        let is_new = self.stored.is_none();
        let clock = self.server.clock;
        let connection = &mut self.server.end.connection;
        if connection.is_closed() {
            return;
        }
        if is_new {
            self.server.forget();
            self.untold = true;
        }
        self.server.speak();
        if self
            .server
            .end
            .connection
            .accept(clock, connack, &mut self.stored)
            .is_err()
        {
            // A damaged CONNECT asks for what this server has not.
            let _ = self
                .server
                .end
                .connection
                .refuse(ConnAck::new(ReasonCode::NotAuthorized));
        }
    }

    /// Ends the link for both.
    fn cut(&mut self) {
        self.client.end.connection.handle_close();
        self.server.end.connection.handle_close();
        self.check();
        if let Some(session) = self.server.end.connection.take_session() {
            self.stored = Some(session);
        }
        if self.untold {
            // The client would take it for the one before.
            self.stored = None;
        }
        let deceived = self.client.deceived || self.server.deceived;
        match (&self.client.closed, &self.server.closed) {
            (Some(Closed::Violated(Violation::SessionPresent)), _) => self.clean = true,
            (Some(Closed::Violated(_)), _) | (_, Some(Closed::Violated(_))) if deceived => {
                self.clean = true;
            }
            _ => {}
        }
        self.connect();
    }

    pub(super) fn step(&mut self) {
        let side = self.choices.below(2);
        match self.choices.below(if self.settling { 20 } else { 36 }) {
            0..=6 => self.send(side),
            7..=13 => self.receive(side),
            14 | 15 => match side {
                0 => self.client.acknowledge(&mut self.choices, self.settling),
                _ => self.server.acknowledge(&mut self.choices, self.settling),
            },
            16 | 17 => self.answer(),
            18 => {
                for side in 0..2 {
                    self.pass(side, Duration::from_millis(5));
                }
            }
            19 => self.accept(),
            20..=24 => self.publish(side),
            25 => self.request(),
            26 | 27 => {
                let time = self
                    .choices
                    .pick([1, 900, 3_100, 3_600_000, 400_000_000_000]);
                self.pass(side, Duration::from_millis(time));
            }
            28 => {
                let told = some_time(self.clock(side), &mut self.choices);
                self.timeout(side, told);
            }
            29..=32 => self.tamper(side),
            33 if self.choices.one_in(4) => self.cut(),
            34 if self.choices.one_in(4) => match side {
                0 => self.client.leave(),
                _ => self.server.leave(),
            },
            35 if self.choices.one_in(4) => match side {
                // One of them alone learns that the link is gone.
                0 => self.client.end.connection.handle_close(),
                _ => self.server.end.connection.handle_close(),
            },
            _ => {}
        }
        self.check();
        let connections = (&self.client.end.connection, &self.server.end.connection);
        let is_closed = connections.0.is_closed() || connections.1.is_closed();
        if is_closed && (self.settling || self.choices.one_in(4)) {
            self.cut();
        }
    }

    fn check(&mut self) {
        self.client.check();
        self.server.check();
        if self.client.end.connection.is_connected() {
            (self.clean, self.untold) = (false, false);
        }
    }

    fn clock(&self, side: usize) -> Duration {
        match side {
            0 => self.client.clock,
            _ => self.server.clock,
        }
    }

    fn pass(&mut self, side: usize, time: Duration) {
        match side {
            0 => self.client.clock += time,
            _ => self.server.clock += time,
        }
        self.timeout(side, self.clock(side));
    }

    fn timeout(&mut self, side: usize, told: Duration) {
        match side {
            0 => self.client.end.connection.handle_timeout(told),
            _ => self.server.end.connection.handle_timeout(told),
        }
    }

    fn send(&mut self, side: usize) {
        let told = some_time(self.clock(side), &mut self.choices);
        let room = self.choices.pick([1, 3, 20, 1_000]);
        match side {
            0 => self.client.send(&mut self.server, &mut self.up, told, room),
            _ => self
                .server
                .send(&mut self.client, &mut self.down, told, room),
        }
    }

    fn receive(&mut self, side: usize) {
        let told = some_time(self.clock(side), &mut self.choices);
        let most = self.choices.pick([1, 2, 7, 40, 1_000]);
        let connect = match side {
            0 => self.client.receive(&mut self.down, told, most),
            _ => self.server.receive(&mut self.up, told, most),
        };
        if connect.is_some() {
            assert!(side == 1);
            self.connect = connect;
            self.server.speak();
        }
    }

    fn publish(&mut self, side: usize) {
        let qos = self
            .choices
            .pick([QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let topic = format!("topic/{}", self.number % 3);
        let mut payload = self.number.to_be_bytes().to_vec();
        payload.resize(4 + self.choices.pick([0, 3, 150]), 0);
        let message = Message::new(topic.parse().unwrap(), payload);
        fn publish<R: Role + Clone + Debug>(
            side: &mut Side<R>,
            qos: QoS,
            message: Message,
            number: u32,
        ) {
            if let Ok(call) = side.end.connection.publish(qos, message) {
                side.called(call, number, Some(qos));
            }
        }
        match side {
            0 => publish(&mut self.client, qos, message, self.number),
            _ => publish(&mut self.server, qos, message, self.number),
        }
        self.number += 1;
    }

    fn request(&mut self) {
        let client = &mut self.client.end.connection;
        let call = match self.choices.one_in(3) {
            true => {
                let filters = TopicFilters::new(["s/#".parse().unwrap()]);
                client.unsubscribe(filters.unwrap()).ok()
            }
            false => {
                let filters = Subscriptions::new([("s/#".parse().unwrap(), QoS::AtMostOnce)]);
                client.subscribe(filters.unwrap()).ok()
            }
        };
        if let Some(call) = call {
            self.client.called(call, 0, None);
        }
    }

    /// The server's application answers a request.
    fn answer(&mut self) {
        let server = &mut self.server;
        if server.asked.is_empty() {
            return;
        }
        let at = self.choices.below(server.asked.len());
        let (token, id, subscribe, filters) = server.asked.swap_remove(at);
        let codes = vec![OK; filters];
        let connection = &mut server.end.connection;
        let (kind, given) = match subscribe {
            Some(_) => (PacketType::SubAck, connection.sub_ack(token, codes.clone())),
            None => (
                PacketType::UnsubAck,
                connection.unsub_ack(token, codes.clone()),
            ),
        };
        if given.is_ok() {
            server.answered(kind, id, codes);
        }
    }

    /// Does something to what is under way.
    fn tamper(&mut self, side: usize) {
        let choices = &mut self.choices;
        let pipe = match side {
            0 => &mut self.up,
            _ => &mut self.down,
        };
        let kind = choices.below(6);
        let (from, len) = (choices.below(256), choices.pick([1, 1, 2, 4, 30]));
        let byte = u8::try_from(choices.below(256)).unwrap();
        pipe.tamper(|flying| {
            let now = Duration::ZERO;
            let from = match flying.len() {
                0 => 0,
                some => from % some,
            };
            let to = (from + len).min(flying.len());
            match kind {
                0 => flying.drain(from..to).for_each(drop),
                1 => flying.truncate(from),
                2 => {
                    let again: Vec<_> = flying.range(from..to).copied().collect();
                    for (at, byte) in again.into_iter().enumerate() {
                        flying.insert(to + at, byte);
                    }
                }
                3 => flying.insert(from, (now, byte)),
                _ => {
                    if let Some(found) = flying.get_mut(from) {
                        found.1 = match kind {
                            4 => byte,
                            _ => found.1 ^ 1 << (byte % 8),
                        };
                    }
                }
            }
        });
    }

    fn is_quiet(&self) -> bool {
        self.client.end.connection.is_connected()
            && self.server.end.connection.is_connected()
            && self.client.open() + self.server.open() == 0
            && self.up.is_empty()
            && self.down.is_empty()
            && self.client.held.is_empty()
            && self.server.held.is_empty()
            && (self.is_deceived()
                || self.client.end.connection.session().is_empty()
                    && self.server.end.connection.session().is_empty())
    }

    fn is_deceived(&self) -> bool {
        self.client.deceived || self.server.deceived
    }

    /// On a kind link everything ends that was begun.
    pub(super) fn settle(mut self) {
        self.settling = true;
        self.cut();
        let mut steps = 0;
        while !self.is_quiet() {
            self.step();
            steps += 1;
            if steps >= 30_000 {
                panic!("no end: {:#?} {:#?}", self.client, self.server);
            }
        }
        if !self.is_deceived() {
            arrived(&self.client, &self.server);
            arrived(&self.server, &self.client);
        }
        ends(self.client.end.connection);
        ends(self.server.end.connection);
    }
}

/// What was accepted arrived, as its QoS says.
fn arrived<F, T>(from: &Side<F>, to: &Side<T>) {
    for call in from.calls.values() {
        let Some(qos) = call.qos else {
            continue;
        };
        let copies = to.taken.get(&call.number).copied().unwrap_or(0);
        assert!(copies <= 1 || qos == QoS::AtLeastOnce, "twice: {call:?}");
        let due = call.accepted && qos > QoS::AtMostOnce;
        assert!(copies >= 1 || !due, "lost: {call:?}");
    }
}

/// Nothing of what was received is left.
fn ends<R: Role>(mut connection: Connection<R>) {
    while connection.poll_event().is_some() {}
    connection.shrink_to_fit();
    let held = heap::by_drop(connection);
    assert!(held <= IDLE, "{held} bytes at rest");
}

fn set_up<R: Role>(connection: Connection<R>, choices: &mut Choices<'_>) -> Connection<R> {
    let in_flight = choices.pick([1, 2, 100]);
    connection
        .pieces_above(choices.pick([0, 30, u32::MAX]))
        .automatic_aliases(choices.pick([0, 0, 2]))
        .max_in_flight(NonZeroU16::new(in_flight).unwrap())
        .max_queued(choices.pick([6, 1_000]))
}
