//! A client and a server, joined by a link that delays, is cut and made again at any step.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use mqtt_sansio::connection::{Event, Input, client, server};
use mqtt_sansio::packet::{ConnAck, Connect, KeepAlive, Publish};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties, PublishProperties};
use mqtt_sansio::session::{Session, SessionError};
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Delivery, Packet, QoS, ReasonCode, Text, Version};
use support::link::Link;
use support::random::Rng;

/// What one side's application knows.
#[derive(Default)]
struct App {
    published: Vec<(u32, QoS)>,
    undecided: Vec<(Delivery, u32)>,
    delivered: BTreeMap<u32, u32>,
    refused: BTreeSet<u32>,
    /// The messages in the order in which they came first, at QoS 0 and above.
    seen: [Vec<u32>; 2],
}

impl App {
    fn receive(&mut self, input: &Input, publish: &Publish) {
        let number: [u8; 4] = publish.payload.as_ref().try_into().unwrap();
        let number = u32::from_be_bytes(number);
        let topic = match input {
            Input::Deliver(None) => publish.topic.as_ref().unwrap().clone(),
            Input::Deliver(Some(topic)) => topic.clone(),
            _ => return,
        };
        assert_eq!(topic, topic_of(number), "[MQTT-3.3.2-7]");
        let seen = &mut self.seen[usize::from(publish.qos() > QoS::AtMostOnce)];
        if !seen.contains(&number) {
            seen.push(number);
        }
        match publish.qos() {
            QoS::AtMostOnce => *self.delivered.entry(number).or_default() += 1,
            _ => self.undecided.push((publish.delivery, number)),
        }
    }
}

fn topic_of(number: u32) -> TopicName {
    format!("topic/{}", number % 3).parse().unwrap()
}

fn message(version: Version, number: u32) -> Publish {
    let payload = Bytes::copy_from_slice(&number.to_be_bytes());
    let mut publish = Publish::new(Delivery::AtMostOnce, topic_of(number), payload);
    if version == Version::V5 && number % 2 == 0 {
        let name = Text::new("n").unwrap();
        publish.properties = PublishProperties::builder()
            .user_property(name, name)
            .build();
    }
    publish
}

/// A session that was stored and read again, as text where there is a form for that.
fn reloaded(session: &Session<Publish>) -> Session<Publish> {
    #[cfg(feature = "serde")]
    return serde_json::from_str(&serde_json::to_string(session).unwrap()).unwrap();
    #[cfg(not(feature = "serde"))]
    return Session::restore(session.snapshot()).unwrap();
}

struct World {
    version: Version,
    rng: Rng,
    link: Link,
    client: client::Connection,
    server: server::Connection,
    /// The server's session while there is no connection.
    stored: Option<Session<Publish>>,
    /// The client's application, then the server's.
    apps: [App; 2],
    quotas: (u16, u16),
    next: u32,
    cuts: u32,
}

const KEEP_ALIVE: u16 = 1;

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let version = rng.pick([Version::V311, Version::V5]);
        let now = Duration::ZERO;
        let mut world = Self {
            version,
            link: Link::new(now, version),
            client: client::Connection::new().automatic_aliases(rng.pick([0, 2])),
            server: server::Connection::new(now, Duration::from_secs(9)),
            stored: None,
            apps: Default::default(),
            quotas: (0, 0),
            rng,
            next: 0,
            cuts: 0,
        };
        world.connect(version == Version::V5);
        while !world.client.is_connected() {
            world.link.send_up(&mut world.client, Duration::ZERO);
            world.receive_up();
            world.link.send_down(&mut world.server, Duration::ZERO);
            world.receive_down();
        }
        let connected = Event::Connected {
            session_present: false,
        };
        assert_eq!(world.client.poll_event(), Some(connected));
        world
    }

    fn connect(&mut self, clean_start: bool) {
        let now = self.link.now;
        self.link = Link::new(now, self.version);
        let server = server::Connection::new(now, Duration::from_secs(9));
        self.server = server.automatic_aliases(self.rng.pick([0, 3]));
        let mut connect = Connect::new("c".parse().unwrap());
        connect.clean_start = clean_start;
        connect.keep_alive = KeepAlive::from_secs(KEEP_ALIVE);
        self.quotas.1 = self.rng.pick([1, 3, 65_535]);
        if self.version == Version::V5 {
            connect.properties = ConnectProperties::builder()
                .session_expiry_interval(1_000)
                .topic_alias_maximum(self.rng.pick([0, 1, 9]))
                .receive_maximum(NonZeroU16::new(self.quotas.1).unwrap())
                .build();
        }
        self.client.connect(self.version, connect).unwrap();
    }

    fn accept(&mut self) {
        let mut connack = ConnAck::new(ReasonCode::Success).to_owned();
        self.quotas.0 = self.rng.pick([1, 3, 65_535]);
        if self.version == Version::V5 {
            connack.properties = ConnAckProperties::builder()
                .topic_alias_maximum(self.rng.pick([0, 1, 9]))
                .receive_maximum(NonZeroU16::new(self.quotas.0).unwrap())
                .build();
        }
        self.server
            .accept(self.link.now, connack, &mut self.stored)
            .unwrap();
    }

    fn receive_up(&mut self) {
        let Some((version, packet)) = self.link.receive_up() else {
            return;
        };
        let input = self
            .server
            .handle_packet(self.link.now, version, &packet)
            .unwrap();
        match (&input, &packet) {
            (Input::Answer, Packet::Connect(_)) => self.accept(),
            (input, Packet::Publish(publish)) => self.apps[1].receive(input, publish),
            _ => assert_eq!(input, Input::Done),
        }
    }

    fn receive_down(&mut self) {
        let Some(packet) = self.link.receive_down() else {
            return;
        };
        let input = self.client.handle_packet(&packet).unwrap();
        if let Packet::Publish(publish) = &packet {
            self.apps[0].receive(&input, publish);
        }
    }

    fn publish(&mut self, side: usize) {
        let qos = self
            .rng
            .pick([QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let (number, message) = (self.next, message(self.version, self.next));
        self.next += 1;
        let published = match side {
            0 => self.client.publish(qos, message).is_ok(),
            _ if self.server.is_connected() => self.server.publish(qos, message).is_ok(),
            // A server keeps messages for a client that is away.
            _ => match &mut self.stored {
                Some(session) if qos > QoS::AtMostOnce => session.publish(qos, message).is_ok(),
                _ => false,
            },
        };
        if published {
            self.apps[side].published.push((number, qos));
        }
        assert!(published || qos == QoS::AtMostOnce || side == 1);
    }

    fn decide(&mut self, side: usize) {
        let app = &mut self.apps[side];
        if app.undecided.is_empty() {
            return;
        }
        let (delivery, number) = app.undecided.remove(self.rng.below(app.undecided.len()));
        let id = delivery.packet_id().unwrap();
        let connected = match side {
            0 => self.client.is_connected(),
            _ => self.server.is_connected(),
        };
        let refuse = connected && self.version == Version::V5 && self.rng.below(6) == 0;
        let reason = match refuse {
            true => ReasonCode::QuotaExceeded,
            false => ReasonCode::Success,
        };
        let acknowledged = match side {
            0 => self.client.acknowledge(id, reason).is_ok(),
            _ => match &mut self.stored {
                Some(session) => {
                    session.acknowledge(id, reason) != Err(SessionError::UnknownPacketId)
                }
                None => self.server.acknowledge(id, reason).is_ok(),
            },
        };
        if acknowledged && refuse {
            app.refused.insert(number);
        } else if acknowledged {
            *app.delivered.entry(number).or_default() += 1;
        }
    }

    /// Cuts the link, at any step; each end perhaps goes on from a snapshot of just then.
    fn cut(&mut self) {
        self.cuts += 1;
        self.client.handle_close();
        self.server.handle_close();
        assert!(self.client.poll_transmit(self.link.now).is_none());
        assert!(self.server.poll_transmit().is_none());
        let server = self.server.clone().take_session();
        self.stored = server.or_else(|| self.stored.take());
        for side in 0..2 {
            let crash = self.rng.below(3) == 0;
            match side {
                0 if crash => {
                    let session = reloaded(self.client.session());
                    self.client = client::Connection::with_session(session);
                }
                1 if crash => {
                    self.stored = self.stored.as_ref().map(reloaded);
                }
                _ => {}
            }
            let undecided = &mut self.apps[side].undecided;
            undecided.retain(|(delivery, _)| !crash && delivery.qos() == QoS::ExactlyOnce);
        }
        self.connect(false);
    }

    fn check(&mut self) {
        while let Some(event) = self.client.poll_event() {
            assert!(
                !matches!(
                    event,
                    Event::Connected {
                        session_present: false
                    }
                ) || self.cuts == 0,
                "the session is lost"
            );
        }
        while self.server.poll_event().is_some() {}
        if self.rng.below(100) == 0 {
            for session in [self.client.session(), self.server.session()] {
                let snapshot = session.snapshot();
                let restored = Session::restore(snapshot.clone()).unwrap();
                assert_eq!(restored.snapshot(), snapshot, "at any step");
            }
        }
        // The time is never let past a deadline.
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= self.link.now);
        if due(self.client.next_timeout()) {
            self.client.handle_timeout(self.link.now);
        }
        if due(self.server.next_timeout()) {
            self.server.handle_timeout(self.link.now);
        }
        if self.client.is_closed() || self.server.is_closed() {
            self.cut();
        }
    }

    fn step(&mut self, ending: bool) {
        let delay = match ending {
            true => Duration::ZERO,
            false => Duration::from_millis(self.rng.pick([0, 5, 50])),
        };
        match self.rng.below(if ending { 10 } else { 16 }) {
            0 | 1 => drop(self.link.send_up(&mut self.client, delay)),
            2 | 3 => drop(self.link.send_down(&mut self.server, delay)),
            4 | 5 => self.receive_up(),
            6 | 7 => self.receive_down(),
            8 => self.decide(0),
            9 => self.decide(1),
            10 | 11 => self.publish(0),
            12 | 13 => self.publish(1),
            14 if self.rng.below(8) == 0 => self.cut(),
            _ => {
                let far = if self.rng.below(40) == 0 { 3_000 } else { 20 };
                self.link.now += Duration::from_millis(self.rng.below(far) as u64);
            }
        }
        self.check();
    }

    fn is_quiet(&self) -> bool {
        let apps = self.apps.iter().all(|app| app.undecided.is_empty());
        self.client.is_connected()
            && self.server.is_connected()
            && self.client.session().is_empty()
            && self.server.session().is_empty()
            && self.link.is_empty()
            && apps
    }
}

#[test]
fn every_message_arrives_as_its_qos_says() {
    let mut cuts = 0;
    for seed in 1..=300 {
        let mut world = World::new(seed);
        for _ in 0..700 {
            world.step(false);
        }
        let mut steps = 0;
        while !world.is_quiet() {
            world.link.now += Duration::from_millis(u64::from(steps % 100 == 0));
            world.step(true);
            steps += 1;
            assert!(steps < 100_000, "seed {seed} does not come to an end");
        }
        // What is still queued at QoS 0.
        while world.link.send_up(&mut world.client, Duration::ZERO) {
            world.receive_up();
        }
        while world.link.send_down(&mut world.server, Duration::ZERO) {
            world.receive_down();
        }
        if world.version == Version::V5 {
            // Quotas are whole again, and no identifier is in use.
            let quotas = (
                world.client.session().send_quota(),
                world.server.session().send_quota(),
            );
            assert_eq!(quotas, world.quotas, "seed {seed}");
        }
        cuts += world.cuts;
        for (from, to) in [(0, 1), (1, 0)] {
            let (sender, receiver) = (&world.apps[from], &world.apps[to]);
            let acknowledged = sender
                .published
                .iter()
                .filter(|(_, qos)| *qos > QoS::AtMostOnce);
            let in_order: Vec<_> = acknowledged.map(|(number, _)| *number).collect();
            assert_eq!(receiver.seen[1], in_order, "seed {seed} [MQTT-4.6.0-1]");
            assert!(receiver.seen[0].is_sorted());
            for (number, qos) in &sender.published {
                let copies = receiver.delivered.get(number).copied().unwrap_or(0);
                match qos {
                    _ if receiver.refused.contains(number) => {}
                    QoS::AtMostOnce => assert!(copies <= 1, "seed {seed}: {number}"),
                    QoS::AtLeastOnce => assert!(copies >= 1, "seed {seed}: {number}"),
                    QoS::ExactlyOnce => assert_eq!(copies, 1, "seed {seed}: {number}"),
                }
            }
        }
    }
    assert!(cuts > 1_000, "{cuts} cuts");
}
