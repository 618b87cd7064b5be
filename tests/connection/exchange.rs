//! Whole exchanges, packet by packet, from either side.

use std::collections::BTreeMap;

use bytes::BytesMut;
use mqtt_sansio::connection::{Connection, Event, Outcome, Role, server};
use mqtt_sansio::packet::Ack;
use mqtt_sansio::session::{CallId, Token};
use mqtt_sansio::{Delivery, Message, Packet, QoS, ReasonCode, Version};

use crate::driver::*;

/// A connection of either side, with the tokens of what it received.
struct Side<R> {
    connection: Connection<R>,
    tokens: BTreeMap<u16, Token>,
}

impl<R: Role> Side<R> {
    fn new(connection: Connection<R>) -> Self {
        Self {
            connection,
            tokens: BTreeMap::new(),
        }
    }

    fn handle(&mut self, packet: &Packet) -> Found {
        let found = handle(&mut self.connection, packet).unwrap();
        if let Found::Message(_, token) = &found {
            if let Some(id) = token.packet_id() {
                self.tokens.insert(id.get(), *token);
            }
        }
        found
    }

    fn publish(&mut self, qos: QoS) -> CallId {
        self.connection.publish(qos, message("t")).unwrap()
    }

    fn acknowledge(&mut self, value: u16, reason: ReasonCode) {
        let token = self.tokens[&value];
        let acknowledged = self
            .connection
            .acknowledge_with(token, reason, <_>::default());
        acknowledged.unwrap();
    }

    /// What it sends, in short.
    fn sent(&mut self) -> Vec<String> {
        sent(&mut self.connection).iter().map(short).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        events(&mut self.connection)
    }

    fn is_done(&self) -> bool {
        self.connection.session().is_empty()
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
    let mut ack = Ack::new(id(value));
    ack.reason = reason;
    ack
}

/// [MQTT-2.2.1-3] [MQTT-2.2.1-4] [MQTT-2.2.1-5] [MQTT-4.3.1-1] [MQTT-4.3.2-1] [MQTT-4.3.2-2]
/// [MQTT-4.3.2-3] [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5];
/// 3.1.1 [MQTT-2.3.1-2] [MQTT-2.3.1-3] [MQTT-2.3.1-4] [MQTT-2.3.1-6] [MQTT-4.3.1-1]
/// [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT-4.1.0-1].
#[test]
fn sender() {
    for version in BOTH {
        sends(client(version));
        sends(server(version));
    }
}

fn sends<R: Role>(connection: Connection<R>) {
    let mut side = Side::new(connection);
    let call = side.publish(QoS::AtMostOnce);
    assert_eq!(side.events(), []);
    assert_eq!(side.sent(), ["PUBLISH 0 qos 0"]);
    assert_eq!(side.events(), [Event::Published(call, Outcome::Sent)]);
    assert!(side.is_done());

    let call = side.publish(QoS::AtLeastOnce);
    assert_eq!(side.sent(), ["PUBLISH 1 qos 1"]);
    assert!(!side.is_done());
    assert_eq!(side.handle(&Packet::PubAck(acked(1, OK))), Found::Nothing);
    assert_eq!(
        side.events(),
        [Event::Published(call, Outcome::Accepted(OK))]
    );
    assert!(side.is_done());

    let call = side.publish(QoS::ExactlyOnce);
    assert_eq!(side.sent(), ["PUBLISH 2 qos 2"]);
    let _ = side.handle(&Packet::PubRec(acked(2, OK)));
    assert_eq!(side.sent(), ["PUBREL 2"]);
    assert_eq!(side.events(), []);
    assert!(!side.is_done());
    // Again: PUBREL again, and never PUBLISH [MQTT-4.3.3-6].
    let _ = side.handle(&Packet::PubRec(acked(2, OK)));
    assert_eq!(side.sent(), ["PUBREL 2"]);
    let _ = side.handle(&Packet::PubComp(acked(2, OK)));
    assert_eq!(
        side.events(),
        [Event::Published(call, Outcome::Accepted(OK))]
    );
    assert!(side.is_done());
    assert_eq!(side.sent(), [""; 0]);
}

/// [MQTT-4.4.0-2]: a refused message is dealt with.
#[test]
fn refused_by_the_receiver() {
    has_two_refused(client(Version::V5));
    has_two_refused(server(Version::V5));
}

fn has_two_refused<R: Role>(connection: Connection<R>) {
    let refused = ReasonCode::QuotaExceeded;
    let mut side = Side::new(connection);
    let calls = [
        side.publish(QoS::AtLeastOnce),
        side.publish(QoS::ExactlyOnce),
    ];
    assert_eq!(side.sent().len(), 2);
    let _ = side.handle(&Packet::PubAck(acked(1, refused)));
    let _ = side.handle(&Packet::PubRec(acked(2, refused)));
    // With its message, which is the caller's again.
    let given_back = || Some(Box::new(message("t")));
    let completed =
        calls.map(|call| Event::Published(call, Outcome::Refused(refused, given_back())));
    assert_eq!(side.events(), completed);
    assert_eq!(side.sent(), [""; 0]);
    assert!(side.is_done());
}

/// [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11]
/// [MQTT-4.3.3-12] [MQTT-4.3.3-13] [MQTT-4.5.0-2] [MQTT-4.6.0-2] [MQTT-4.6.0-3]; 3.1.1
/// [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-4.5.0-2].
#[test]
fn receiver() {
    for version in BOTH {
        receives(client(version));
        receives(server(version));
    }
}

fn receives<R: Role>(connection: Connection<R>) {
    let version = connection.version();
    let mut side = Side::new(connection);
    let publish = |delivery, dup| {
        let mut publish = publish(delivery, "t");
        publish.dup = dup;
        Packet::Publish(publish)
    };
    let (one, two) = (Delivery::AtLeastOnce(id(5)), Delivery::ExactlyOnce(id(6)));
    // Each one with an identifier that was acknowledged is new, whatever DUP says.
    for dup in [false, true] {
        let judged = side.handle(&publish(one, dup));
        assert!(judged.is_message());
        side.acknowledge(5, OK);
        assert_eq!(side.sent(), ["PUBACK 5"]);
    }
    for dup in [true, false] {
        let judged = side.handle(&publish(two, dup));
        assert!(judged.is_message());
        side.acknowledge(6, OK);
        assert_eq!(side.sent(), ["PUBREC 6"]);
        let judged = side.handle(&publish(two, dup));
        assert_eq!(judged, Found::Nothing);
        assert_eq!(side.sent(), ["PUBREC 6"]);
        let _ = side.handle(&Packet::PubRel(acked(6, OK)));
        assert_eq!(side.sent(), ["PUBCOMP 6"]);
        assert!(side.is_done());
    }
    // Answered in the order in which they came.
    let _ = side.handle(&publish(one, false));
    let _ = side.handle(&publish(two, false));
    side.acknowledge(6, OK);
    assert_eq!(side.sent(), [""; 0]);
    side.acknowledge(5, OK);
    assert_eq!(side.sent(), ["PUBACK 5", "PUBREC 6"]);
    if version == Version::V5 {
        // [MQTT-4.3.3-9]: a refused one comes anew.
        let two = Delivery::ExactlyOnce(id(7));
        for _ in 0..2 {
            let judged = side.handle(&publish(two, true));
            assert!(judged.is_message());
            side.acknowledge(7, ReasonCode::NotAuthorized);
            assert_eq!(side.sent(), ["PUBREC 7 87"]);
        }
    }
}

/// [MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-3]: at quota zero only messages wait.
#[test]
fn server_keeps_to_receive_maximum() {
    let one = std::num::NonZeroU16::MIN;
    let asked = mqtt_sansio::property::ConnectProperties::builder().receive_maximum(one);
    let plain = connack(<_>::default());
    let mut side = Side::new(accepted(Version::V5, connect(0, asked.build()), plain));
    side.publish(QoS::ExactlyOnce);
    side.publish(QoS::AtLeastOnce);
    assert_eq!(side.sent(), ["PUBLISH 1 qos 2"]);
    let _ = side.handle(&Packet::PingReq);
    side.publish(QoS::AtMostOnce);
    assert_eq!(side.sent(), ["PINGRESP", "PUBLISH 0 qos 0"]);
    let _ = side.handle(&Packet::PubRec(acked(1, OK)));
    assert_eq!(side.sent(), ["PUBREL 1"]);
    let _ = side.handle(&Packet::PubComp(acked(1, OK)));
    assert_eq!(side.sent(), ["PUBLISH 2 qos 1"]);
}

/// What is behind the packet that is handed out stays in the caller's buffer.
#[test]
fn one_packet_at_a_time_is_taken_out_of_the_buffer() {
    for version in BOTH {
        let mut server = server::Connection::<Message>::new(ZERO, secs(10));
        let mut input = BytesMut::new();
        let connect = Packet::from(connect(0, <_>::default()));
        connect.encode(version, &mut input).unwrap();
        assert!(server.handle_bytes(ZERO, &mut input).is_some());
        let connack = connack(<_>::default());
        server.accept(ZERO, connack, &mut None).unwrap();
        let publish = Packet::from(publish(Delivery::AtMostOnce, "a"));
        for _ in 0..2 {
            publish.encode(version, &mut input).unwrap();
        }
        let len = input.len() / 2;
        for left in [len, 0] {
            let found = Found::of(server.handle_bytes(ZERO, &mut input));
            assert!(found.is_message());
            assert_eq!(input.len(), left);
        }
    }
}
