//! Whole exchanges, packet by packet, from either side.

use mqtt_sansio::connection::{Event, Input, client, server};
use mqtt_sansio::packet::Ack;
use mqtt_sansio::{Packet, QoS, ReasonCode, Version};

use crate::driver::*;

/// A connection of either side.
#[derive(Clone)]
enum Side {
    Client(client::Connection),
    Server(server::Connection),
}

impl Side {
    /// Both sides, connected, in both versions.
    fn all() -> impl Iterator<Item = (Version, Self)> {
        BOTH.into_iter().flat_map(|version| {
            [
                (version, Self::Client(client(version))),
                (version, Self::Server(server(version))),
            ]
        })
    }

    fn handle(&mut self, version: Version, packet: &Packet) -> Input {
        match self {
            Self::Client(client) => client.handle_packet(packet).unwrap(),
            Self::Server(server) => server.handle_packet(ZERO, version, packet).unwrap(),
        }
    }

    fn publish(&mut self, qos: QoS) {
        match self {
            Self::Client(client) => drop(client.publish(qos, message("t")).unwrap()),
            Self::Server(server) => drop(server.publish(qos, message("t")).unwrap()),
        }
    }

    fn acknowledge(&mut self, value: u16, reason: ReasonCode) {
        match self {
            Self::Client(client) => client.acknowledge(id(value), reason).unwrap(),
            Self::Server(server) => server.acknowledge(id(value), reason).unwrap(),
        }
    }

    /// What it sends, in short.
    fn sent(&mut self) -> Vec<String> {
        let packets = match self {
            Self::Client(client) => sent(client),
            Self::Server(server) => answered(server),
        };
        packets.iter().map(short).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| match self {
            Self::Client(client) => client.poll_event(),
            Self::Server(server) => server.poll_event(),
        })
        .collect()
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Client(client) => client.session().is_empty(),
            Self::Server(server) => server.session().is_empty(),
        }
    }
}

/// No acknowledgement explains itself, and so none is ever too large for that [MQTT-3.4.2-2]
/// [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2]
/// [MQTT-3.7.2-3].
fn short(packet: &Packet) -> String {
    let ack = |name: &str, ack: &Ack| {
        assert!(ack.properties.is_empty());
        match ack.reason {
            ReasonCode::Success => format!("{name} {}", ack.packet_id),
            reason => format!("{name} {} {:02x}", ack.packet_id, reason.to_u8()),
        }
    };
    match packet {
        Packet::Publish(publish) => {
            let id = publish.packet_id().map_or(0, |id| id.get());
            assert!(!publish.dup, "the first time");
            format!("PUBLISH {id} qos {}", publish.qos().level())
        }
        Packet::PubAck(packet) => ack("PUBACK", packet),
        Packet::PubRec(packet) => ack("PUBREC", packet),
        Packet::PubRel(packet) => ack("PUBREL", packet),
        Packet::PubComp(packet) => ack("PUBCOMP", packet),
        other => format!("{}", other.packet_type()),
    }
}

fn acked(value: u16, reason: ReasonCode) -> Ack {
    let mut ack = Ack::new(id(value)).to_owned();
    ack.reason = reason;
    ack
}

/// [MQTT-2.2.1-3] [MQTT-2.2.1-4] [MQTT-2.2.1-5] [MQTT-4.3.1-1] [MQTT-4.3.2-1] [MQTT-4.3.2-2]
/// [MQTT-4.3.2-3] [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5];
/// 3.1.1 [MQTT-2.3.1-2] [MQTT-2.3.1-3] [MQTT-2.3.1-4] [MQTT-2.3.1-6] [MQTT-4.3.1-1]
/// [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT-4.1.0-1].
#[test]
fn sender() {
    for (version, mut side) in Side::all() {
        side.publish(QoS::AtMostOnce);
        assert_eq!(side.sent(), ["PUBLISH 0 qos 0"]);
        assert!(side.is_done());

        side.publish(QoS::AtLeastOnce);
        assert_eq!(side.sent(), ["PUBLISH 1 qos 1"]);
        assert!(!side.is_done());
        let _ = side.handle(version, &Packet::PubAck(acked(1, OK)));
        assert_eq!(side.events(), [Event::Completed(id(1), OK)]);
        assert!(side.is_done());

        side.publish(QoS::ExactlyOnce);
        assert_eq!(side.sent(), ["PUBLISH 2 qos 2"]);
        let _ = side.handle(version, &Packet::PubRec(acked(2, OK)));
        assert_eq!(side.sent(), ["PUBREL 2"]);
        assert_eq!(side.events(), [Event::Received(id(2))]);
        assert!(!side.is_done());
        // Again: PUBREL again, and never PUBLISH [MQTT-4.3.3-6].
        let _ = side.handle(version, &Packet::PubRec(acked(2, OK)));
        assert_eq!(side.sent(), ["PUBREL 2"]);
        let _ = side.handle(version, &Packet::PubComp(acked(2, OK)));
        assert_eq!(side.events(), [Event::Completed(id(2), OK)]);
        assert!(side.is_done());
        assert_eq!(side.sent(), [""; 0]);
    }
}

/// [MQTT-4.4.0-2]: a refused message is dealt with.
#[test]
fn refused_by_the_receiver() {
    let refused = ReasonCode::QuotaExceeded;
    for (version, mut side) in Side::all().filter(|(version, _)| *version == Version::V5) {
        side.publish(QoS::AtLeastOnce);
        side.publish(QoS::ExactlyOnce);
        assert_eq!(side.sent().len(), 2);
        let _ = side.handle(version, &Packet::PubAck(acked(1, refused)));
        let _ = side.handle(version, &Packet::PubRec(acked(2, refused)));
        let completed = [1, 2].map(|value| Event::Completed(id(value), refused));
        assert_eq!(side.events(), completed);
        assert_eq!(side.sent(), [""; 0]);
        assert!(side.is_done());
    }
}

/// [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11]
/// [MQTT-4.3.3-12] [MQTT-4.3.3-13] [MQTT-4.5.0-2] [MQTT-4.6.0-2] [MQTT-4.6.0-3]; 3.1.1
/// [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-4.5.0-2].
#[test]
fn receiver() {
    let publish = |delivery, dup| {
        let mut publish = message("t");
        (publish.delivery, publish.dup) = (delivery, dup);
        Packet::Publish(publish)
    };
    let (one, two) = (
        mqtt_sansio::Delivery::AtLeastOnce(id(5)),
        mqtt_sansio::Delivery::ExactlyOnce(id(6)),
    );
    for (version, mut side) in Side::all() {
        // Each one with an identifier that was acknowledged is new, whatever DUP says.
        for dup in [false, true] {
            let judged = side.handle(version, &publish(one, dup));
            assert_eq!(judged, Input::Deliver(None));
            side.acknowledge(5, OK);
            assert_eq!(side.sent(), ["PUBACK 5"]);
        }
        for dup in [true, false] {
            let judged = side.handle(version, &publish(two, dup));
            assert_eq!(judged, Input::Deliver(None));
            side.acknowledge(6, OK);
            assert_eq!(side.sent(), ["PUBREC 6"]);
            let judged = side.handle(version, &publish(two, dup));
            assert_eq!(judged, Input::Duplicate);
            assert_eq!(side.sent(), ["PUBREC 6"]);
            let _ = side.handle(version, &Packet::PubRel(acked(6, OK)));
            assert_eq!(side.sent(), ["PUBCOMP 6"]);
            assert!(side.is_done());
        }
        // Answered in the order in which they came.
        let _ = side.handle(version, &publish(one, false));
        let _ = side.handle(version, &publish(two, false));
        side.acknowledge(6, OK);
        assert_eq!(side.sent(), [""; 0]);
        side.acknowledge(5, OK);
        assert_eq!(side.sent(), ["PUBACK 5", "PUBREC 6"]);
        if version == Version::V5 {
            // [MQTT-4.3.3-9]: a refused one comes anew.
            let two = mqtt_sansio::Delivery::ExactlyOnce(id(7));
            for _ in 0..2 {
                let judged = side.handle(version, &publish(two, true));
                assert_eq!(judged, Input::Deliver(None));
                side.acknowledge(7, ReasonCode::NotAuthorized);
                assert_eq!(side.sent(), ["PUBREC 7 87"]);
            }
        }
    }
}

/// [MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-3]: at quota zero only messages wait.
#[test]
fn server_keeps_to_receive_maximum() {
    let one = std::num::NonZeroU16::MIN;
    let asked = mqtt_sansio::property::ConnectProperties::builder().receive_maximum(one);
    let plain = connack(<_>::default());
    let mut side = Side::Server(accepted(Version::V5, connect(0, asked.build()), plain));
    side.publish(QoS::ExactlyOnce);
    side.publish(QoS::AtLeastOnce);
    assert_eq!(side.sent(), ["PUBLISH 1 qos 2"]);
    let _ = side.handle(Version::V5, &Packet::PingReq);
    side.publish(QoS::AtMostOnce);
    assert_eq!(side.sent(), ["PUBLISH 0 qos 0", "PINGRESP"]);
    let _ = side.handle(Version::V5, &Packet::PubRec(acked(1, OK)));
    assert_eq!(side.sent(), ["PUBREL 1"]);
    let _ = side.handle(Version::V5, &Packet::PubComp(acked(1, OK)));
    assert_eq!(side.sent(), ["PUBLISH 2 qos 1"]);
}
