//! What happens to both ends and between them.

use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_sansio::connection::{Closed, Connection, Role, Violation, client, server};
use mqtt_sansio::packet::{ConnAck, Connect, KeepAlive, Subscriptions, TopicFilters};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties};
use mqtt_sansio::session::Session;
use mqtt_sansio::{PacketType, QoS, ReasonCode, Shared, Side as Sender, Version};

use super::OK;
use super::end::Side;
use super::numbered::numbered;
use crate::choices::{Choices, quota, some_time};
use crate::link::{Door, Pipe, decoder};

pub(super) struct World<'a> {
    pub(super) choices: Choices<'a>,
    version: Version,
    pub(super) client: Side<client::Client>,
    pub(super) server: Side<server::Server>,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    stored: Option<Session<Shared>>,
    pub(super) number: u32,
    /// Whether the next CONNECT asks for a new session.
    clean: bool,
    /// The server has a new session, and the client does not know.
    untold: bool,
    /// CONNECT that is not answered.
    connect: Option<Connect>,
    pub(super) settling: bool,
}

impl<'a> World<'a> {
    pub(super) fn new(mut choices: Choices<'a>) -> Self {
        let version = choices.pick([Version::V5, Version::V5, Version::V311]);
        let now = Duration::from_secs(100);
        let mut connection = client::Connection::with_session(Session::new());
        if choices.one_in(2) {
            connection = connection.send_before_conn_ack();
        }
        let connection = set_up(connection, &mut choices);
        let server = server::Connection::keeping(now, Duration::from_secs(9));
        let mut world = Self {
            version,
            client: Side::new(connection, version),
            server: Side::new(server, version),
            up: Pipe::new(Sender::Client, version),
            down: Pipe::new(Sender::Server, version),
            stored: None,
            number: 0,
            clean: false,
            untold: false,
            connect: None,
            settling: false,
            choices,
        };
        world.connect();
        world.greet();
        world
    }

    pub(super) fn is_over(&self) -> bool {
        self.choices.is_over()
    }

    /// Whether the server has CONNECT and has not answered it.
    pub(super) fn is_asked(&self) -> bool {
        self.connect.is_some()
    }

    fn connect(&mut self) {
        let version = self.version;
        self.up = Pipe::new(Sender::Client, version).listen();
        self.down = Pipe::new(Sender::Server, version).listen();
        let doors = [Door::Bytes, Door::Bytes, Door::Packets];
        let (own, other) = (self.choices.pick(doors), self.choices.pick(doors));
        let server = server::Connection::keeping(self.server.clock, Duration::from_secs(9));
        self.server.end.connection = set_up(server, &mut self.choices);
        self.client.end.renew(own, decoder(Sender::Server, version));
        self.server
            .end
            .renew(other, decoder(Sender::Client, version));
        self.client.renew();
        self.server.renew();
        self.connect = None;
        let mut connect = Connect::new("c".parse().unwrap());
        self.clean |= !self.settling && self.choices.one_in(12);
        connect.clean_start = self.clean;
        connect.keep_alive = KeepAlive::from_secs(2);
        self.server.may_explain = true;
        if version == Version::V5 {
            self.server.may_explain = !self.choices.one_in(4);
            connect.properties = ConnectProperties::builder()
                .session_expiry_interval(1_000)
                .request_problem_information(self.server.may_explain)
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

    /// Both are connected at once, most often, as else few histories come far.
    fn greet(&mut self) {
        if self.settling || !self.choices.pick([false, true, true]) {
            return;
        }
        let (client, server) = (self.client.clock, self.server.clock);
        let all = 10_000;
        self.client
            .send(&mut self.server, &mut self.up, client, all);
        self.connect = self.server.receive(&mut self.up, server, all);
        self.server.speak();
        self.accept();
        self.server
            .send(&mut self.client, &mut self.down, server, all);
        self.client.receive(&mut self.down, client, all);
        self.check();
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
        let forgets = !self.settling && self.choices.one_in(12);
        if connect.clean_start || forgets {
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
    pub(super) fn cut(&mut self) {
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
        self.greet();
    }

    pub(super) fn step(&mut self) {
        let side = self.choices.below(2);
        match self.choices.below(if self.settling { 20 } else { 38 }) {
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
            36 => match side {
                0 => self.client.abandon(&mut self.choices),
                _ => self.server.abandon(&mut self.choices),
            },
            37 if self.choices.one_in(4) => match side {
                0 => self.client.lose_payload(self.client.clock),
                _ => self.server.lose_payload(self.server.clock),
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
        let (len, apart) = (self.choices.pick([0, 3, 150]), self.choices.one_in(3));
        let sender = [Sender::Client, Sender::Server][side];
        let message = (
            qos,
            numbered(self.number, len, apart, sender, self.clock(side)),
        );
        let at_once = self.choices.one_in(4).then(|| {
            let told = some_time(self.clock(side), &mut self.choices);
            (told, self.choices.pick([0, 3, 20, 1_000]))
        });
        let (client, server) = (&mut self.client, &mut self.server);
        match side {
            0 => client.publish(message, at_once, server, &mut self.up),
            _ if self.stored.is_some() && qos > QoS::AtMostOnce => {
                // A server keeps messages for a client that is away.
                let stored = self.stored.as_mut().unwrap();
                let call = stored.publish(qos, message.1).unwrap();
                server.called(call, self.number, Some(qos));
            }
            _ => server.publish(message, at_once, client, &mut self.down),
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
}

fn set_up<R: Role>(
    connection: Connection<R, Shared>,
    choices: &mut Choices<'_>,
) -> Connection<R, Shared> {
    let in_flight = choices.pick([1, 2, 100]);
    connection
        .pieces_above(choices.pick([0, 30, u32::MAX]))
        .automatic_aliases(choices.pick([0, 0, 2]))
        .max_in_flight(NonZeroU16::new(in_flight).unwrap())
        .max_queued(choices.pick([6, 1_000]))
}
