use std::collections::BTreeMap;

use mqtt_sansio::Message;
use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Event, Incoming};
use support::random::Rng;

use super::*;

/// A client that publishes and subscribes, over one connection after another.
struct Actor {
    name: String,
    version: Version,
    client: Connection,
    link: Option<(ConnectionId, FrameDecoder)>,
    got: BTreeMap<String, u32>,
    subscribed: bool,
}

impl Actor {
    fn new(number: usize) -> Self {
        Self {
            name: format!("actor-{number}"),
            version: BOTH[number % 2],
            client: Connection::new(),
            link: None,
            got: BTreeMap::new(),
            subscribed: false,
        }
    }

    fn connect(&mut self, net: &mut Net) {
        let connect = lasting(self.version, &self.name);
        self.client.connect(self.version, connect).unwrap();
        let id = net.broker.accept(net.now);
        self.link = Some((id, FrameDecoder::client(self.version)));
    }

    fn cut(&mut self, net: &mut Net) {
        if let Some((id, _)) = self.link.take() {
            net.broker.handle_close(net.now, id);
            self.client.handle_close();
        }
    }

    fn publish(&mut self, qos: QoS, payload: &str) {
        let content = Message::new("chaos/t".parse().unwrap(), payload.to_owned());
        self.client.publish(qos, content).unwrap();
    }

    /// Sends up to so many packets, and reads up to so many.
    fn exchange(&mut self, net: &mut Net, sent: usize, read: usize) -> bool {
        let Some((id, decoder)) = &mut self.link else {
            return false;
        };
        let mut moved = false;
        for _ in 0..sent {
            let Some(packet) = self.client.poll_transmit(net.now) else {
                break;
            };
            let mut bytes = Vec::new();
            packet.encode(self.version, &mut bytes).unwrap();
            net.broker.handle_bytes(net.now, *id, &bytes);
            moved = true;
        }
        if read == 0 {
            return moved;
        }
        // What was taken and is not read is lost with the connection.
        let mut bytes = net.broker.take_output(*id);
        let mut left = read;
        while let Some(packet) = decoder.decode_shared(&mut bytes).unwrap() {
            moved = true;
            let judged = self.client.handle_packet(net.now, self.version, &packet);
            if let Some(Incoming::Message(message, token)) = judged.unwrap() {
                let payload = Bytes::copy_from_slice(message.payload);
                let key = format!("{} {payload:?}", token.qos().level());
                *self.got.entry(key).or_default() += 1;
                self.client.acknowledge(token).unwrap();
            }
            left -= 1;
            if left == 0 && !bytes.is_empty() {
                self.cut(net);
                return true;
            }
        }
        while let Some(event) = self.client.poll_event() {
            if matches!(event, Event::Connected(_)) && !self.subscribed {
                let filter = TopicFilter::new("chaos/#").unwrap();
                let options = options(QoS::ExactlyOnce);
                let subscriptions = Subscriptions::new([(filter, options)]).unwrap();
                self.client.subscribe(subscriptions).unwrap();
            }
            self.subscribed |= matches!(event, Event::Subscribed(..));
        }
        moved
    }
}

/// Clients of both versions whose connections are cut anywhere: QoS 1 comes at least once and QoS 2
/// exactly once, to everyone.
#[test]
fn nothing_is_lost_or_delivered_twice() {
    for seed in 1..=60 {
        let mut random = Rng::new(seed);
        let mut net = Net::new(quiet());
        let mut actors: Vec<_> = (0..4).map(Actor::new).collect();
        for actor in &mut actors {
            actor.connect(&mut net);
            while actor.exchange(&mut net, 100, 100) {}
            assert!(actor.subscribed);
        }
        let mut published = Vec::new();
        for number in 0..300 {
            let actor = &mut actors[random.below(4)];
            match random.below(10) {
                0 => actor.cut(&mut net),
                1..=3 if actor.link.is_none() => actor.connect(&mut net),
                1..=3 => {
                    let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][random.below(2)];
                    actor.publish(qos, &number.to_string());
                    published.push((qos, format!("{} b\"{number}\"", qos.level())));
                }
                _ => {
                    let (sent, read) = (random.below(4), random.below(6));
                    actor.exchange(&mut net, sent, read);
                }
            }
        }
        for _ in 0..3 {
            for actor in &mut actors {
                if actor.link.is_none() {
                    actor.connect(&mut net);
                }
            }
            while actors
                .iter_mut()
                .any(|actor| actor.exchange(&mut net, 1_000, 100_000))
            {}
        }
        for actor in &actors {
            for (qos, key) in &published {
                let count = actor.got.get(key).copied().unwrap_or(0);
                let right = match qos {
                    QoS::ExactlyOnce => count == 1,
                    _ => count >= 1,
                };
                assert!(right, "seed {seed}: {} got {key} {count} times", actor.name);
            }
            assert!(actor.client.session().is_empty());
        }
        let usage = net.broker.usage();
        assert_eq!((usage.messages, usage.unreleased), (0, 0));
    }
}

/// A conversation with some bytes changed: no panic, and others are served.
#[test]
fn survives_garbage() {
    let mut script = Vec::new();
    for packet in [
        Packet::Connect(lasting(Version::V5, "a")),
        Packet::Publish(retained(message(QoS::ExactlyOnce, 1, "t", "m"))),
        Packet::PubRel(Ack::new(id(1))),
        Packet::Publish(expiring(message(QoS::AtLeastOnce, 2, "t/u", "n"), 5)),
        Packet::PingReq,
        Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
    ] {
        packet.encode(Version::V5, &mut script).unwrap();
    }
    let filter = TopicFilter::new("$share/g/#").unwrap();
    let subscriptions = Subscriptions::new([(filter, options(QoS::ExactlyOnce))]).unwrap();
    let subscribe = Packet::Subscribe(Subscribe::new(id(3), subscriptions));
    let mut request = Vec::new();
    subscribe.encode(Version::V5, &mut request).unwrap();
    // Behind CONNECT, whose length is in its second byte.
    let end = usize::from(script[1]) + 2;
    script.splice(end..end, request);

    let mut random = Rng::new(1);
    let mut config = quiet();
    // What is unacknowledged is sent again on each connection.
    (config.max_in_flight, config.max_queued) = (10, 100);
    let mut net = Net::new(config);
    let mut other = net.join(Version::V311, "other");
    for round in 0..2_000 {
        let mut bytes = script.clone();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        let peer = net.open(Version::V5);
        net.bytes(&peer, &bytes);
        let _ = net.broker.take_output(peer.id);
        net.cut(&peer);
        if round % 50 == 0 {
            net.wait(seconds(1));
            net.send(&other, Packet::PingReq);
            assert_eq!(net.receive(&mut other), [Packet::PingResp]);
        }
    }
    assert_eq!(net.broker.links.len(), 1);
}
