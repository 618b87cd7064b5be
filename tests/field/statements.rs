//! Statements of the specifications that were not held: C3, C5, C6, C7 and C9.

use core::num::NonZeroU32;
use core::time::Duration;

use bytes::Bytes;
use mqtt_sansio::connection::{
    Client, Closed, Connection, ConnectionError, Event, Incoming, Role, Server, Violation, client,
    server,
};
use mqtt_sansio::packet::{ConnAck, Connect, Packet, Will};
use mqtt_sansio::property::{
    AckProperties, ConnAckProperties, ConnectProperties, MessageProperties, PayloadFormat,
    WillProperties,
};
use mqtt_sansio::{Message, QoS, ReasonCode, Shared, Text, Version};

use crate::wire::*;

const TOO_LARGE: Violation = Violation::NotSupported(ReasonCode::PacketTooLarge);

/// A server that has this CONNECT, sent at time zero.
fn asked(version: Version, door: Door, connect: Connect) -> Wire<Server> {
    let end = server::Connection::new(Duration::ZERO, Duration::from_secs(60));
    let mut wire = Wire::over(end, mqtt_sansio::Side::Server, version, door);
    assert_eq!(wire.receive(connect), [Got::Connect]);
    wire
}

fn accept(wire: &mut Wire<Server>, connack: ConnAck) -> Result<(), ConnectionError> {
    wire.end.accept(wire.now, connack, &mut None)
}

fn seconds(at: Option<Duration>) -> Option<u64> {
    assert!(at.is_none_or(|at| at.subsec_nanos() == 0));
    Some(at?.as_secs())
}

#[test]
fn c3_keep_alive_counts_from_connect() {
    each(|version, door| {
        let mut server = asked(version, door, asking(version, 10, true));
        server.at(5_000);
        accept(&mut server, accepting(false)).unwrap();
        assert_eq!(server.sent(), ["CONNACK Success"]);
        assert_eq!(seconds(server.end.next_timeout()), Some(15));
        server.at(14_999);
        assert!(server.end.is_connected());
        server.at(15_000);
        assert_eq!(server.end.ended(), Err(Closed::TimedOut));
        // Nor does a late answer give the client more time.
        let mut server = asked(version, door, asking(version, 10, true));
        server.at(16_000);
        accept(&mut server, accepting(false)).unwrap();
        server.at(16_000);
        assert_eq!(server.end.ended(), Err(Closed::TimedOut));
    });
}

#[test]
fn c3_keep_alive_counts_from_what_came_behind_connect() {
    for version in VERSIONS {
        let mut server = asked(version, Door::Bytes, asking(version, 10, true));
        server.at(3_000);
        assert_eq!(server.read(b"\xC0\x00"), []);
        server.at(5_000);
        accept(&mut server, accepting(false)).unwrap();
        assert_eq!(server.read(b""), []);
        assert_eq!(server.sent(), ["CONNACK Success", "PINGRESP"]);
        assert_eq!(seconds(server.end.next_timeout()), Some(18));
    }
}

/// A client that is being authenticated may not send anything [MQTT-3.1.2-30].
#[test]
fn c3_keep_alive_counts_from_accept_where_the_client_has_to_wait() {
    let mut connect = connect(10, true);
    let properties = ConnectProperties::builder();
    let method = Text::new("m").unwrap();
    connect.properties = properties.authentication_method(method).build();
    for door in DOORS {
        let mut server = asked(Version::V5, door, connect.clone());
        server.at(100_000);
        accept(&mut server, accepting(false)).unwrap();
        assert_eq!(seconds(server.end.next_timeout()), Some(115));
    }
}

/// A CONNACK with Maximum Packet Size.
fn taking(bytes: u32, session_present: bool) -> ConnAck {
    let mut connack = accepting(session_present);
    let properties = ConnAckProperties::builder();
    let bytes = NonZeroU32::new(bytes).unwrap();
    connack.properties = properties.maximum_packet_size(bytes).build();
    connack
}

fn client_of(door: Door, keep_alive: u16, connack: ConnAck) -> Wire<Client> {
    let connect = connect(keep_alive, false);
    client_with(
        Version::V5,
        door,
        connect,
        client::Connection::new().keep_alive_margin(0),
        connack,
    )
}

#[test]
fn c5_pingreq_is_not_sent_where_it_is_too_large() {
    for door in DOORS {
        let mut client = client_of(door, 10, taking(1, false));
        assert_eq!(client.end.ping(), Err(ConnectionError::PacketTooLarge));
        client.at(9_999);
        assert_eq!(client.sent(), [""; 0]);
        assert!(client.end.is_connected());
        // No keep alive is possible.
        client.at(10_000);
        assert_eq!(client.sent(), [""; 0]);
        assert_eq!(client.end.ended(), Err(Closed::Violated(TOO_LARGE)));
        assert!(client.end.is_closed());

        // A client can listen without.
        let mut client = client_of(door, 0, taking(1, false));
        assert_eq!(client.end.next_timeout(), None);
        client.at(1_000_000);
        assert_eq!(client.message(0, 0, "t").len(), 1);
        assert_eq!(client.sent(), [""; 0]);
        assert!(client.end.is_connected());

        let mut client = client_of(door, 10, taking(2, false));
        assert_eq!(client.end.ping(), Ok(()));
        assert_eq!(client.sent(), ["PINGREQ"]);
        client.receive(Packet::PingResp);
        client.at(10_000);
        assert_eq!(client.sent(), ["PINGREQ"]);
    }
}

/// Nor is a PUBREL of the connection before.
#[test]
fn c5_pubrel_is_not_sent_again_where_it_is_too_large() {
    for door in DOORS {
        for (bytes, fits) in [(3, false), (4, true)] {
            let mut client = client(Version::V5, door);
            client.end.publish(QoS::ExactlyOnce, message("t")).unwrap();
            assert_eq!(client.sent(), ["t 2 1"]);
            client.receive(pub_rec(1));
            client.cut();
            let connect = asking(Version::V5, 0, true);
            client.end.connect(Version::V5, connect).unwrap();
            assert_eq!(client.sent(), ["CONNECT"]);
            client.receive(taking(bytes, true));
            match fits {
                true => assert_eq!(client.sent(), ["PUBREL 1"]),
                false => {
                    assert_eq!(client.sent(), ["DISCONNECT PacketTooLarge"]);
                    assert_eq!(client.end.ended(), Err(Closed::Violated(TOO_LARGE)));
                    // The session goes on with another server.
                    Client::reconnect(&mut client, true);
                    assert_eq!(client.sent(), ["PUBREL 1"]);
                }
            }
        }
    }
}

/// Through every door, the packets door with a decoder that allows more.
#[test]
fn c6_nothing_larger_than_the_own_maximum_is_delivered() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let topic = "t".repeat(8);
        // 2 + 2 + 8 + 1 + 8
        assert_eq!(wire.message(0, 0, &topic).len(), 1);
        assert_eq!(wire.sent(), [""; 0]);
        let mut larger = publish(0, 0, &topic);
        larger.payload = Bytes::from_static(b"ttttttttt");
        assert_eq!(wire.receive(larger), []);
        assert_eq!(wire.sent(), ["DISCONNECT PacketTooLarge"]);
        assert!(wire.end.is_closed());
        // Nothing more is handled.
        assert_eq!(wire.message(0, 0, "t"), []);
        assert_eq!(wire.sent(), [""; 0]);
    }
    let limit = NonZeroU32::new(21).unwrap();
    let limited = || {
        let mut connect = connect(0, false);
        let properties = ConnectProperties::builder();
        connect.properties = properties.maximum_packet_size(limit).build();
        connect
    };
    for door in DOORS {
        let end = client::Connection::new();
        check(client_with(
            Version::V5,
            door,
            limited(),
            end,
            accepting(false),
        ));
        let mut server = asked(Version::V5, door, connect(0, false));
        accept(&mut server, taking(21, false)).unwrap();
        assert_eq!(server.sent(), ["CONNACK Success"]);
        check(server);

        // CONNACK is a packet like others.
        let mut client = Wire::over(
            client::Connection::new(),
            mqtt_sansio::Side::Client,
            Version::V5,
            door,
        );
        client.end.connect(Version::V5, limited()).unwrap();
        assert_eq!(client.sent(), ["CONNECT"]);
        let mut connack = accepting(false);
        let why = Text::new("a reason that is long").unwrap();
        connack.properties = ConnAckProperties::builder().reason_string(why).build();
        client.receive(connack);
        assert_eq!(client.sent(), ["DISCONNECT PacketTooLarge"]);
        assert!(matches!(client.events()[..], [Event::Closed(_)]));
    }
}

const NO_UTF8: &[u8] = b"\xC0\x80";

/// A message whose payload is said to have this format.
fn formatted(format: PayloadFormat, payload: &'static [u8]) -> Message {
    let mut message = Message::new("t".parse().unwrap(), payload);
    let properties = MessageProperties::builder();
    message.properties = properties.payload_format_indicator(format).build();
    message
}

#[test]
fn c7_a_payload_that_is_no_utf8_is_not_sent_as_such() {
    fn check<R: Role>(mut wire: Wire<R>, offline: bool) {
        let wrong = formatted(PayloadFormat::Utf8, NO_UTF8);
        let text = formatted(PayloadFormat::Utf8, "\u{E9}\u{0}".as_bytes());
        let bytes = formatted(PayloadFormat::Unspecified, NO_UTF8);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            if offline && qos == QoS::AtMostOnce {
                continue;
            }
            let refused = wire.end.publish(qos, wrong.clone()).unwrap_err();
            assert_eq!(refused.why, ConnectionError::PayloadFormatInvalid);
            assert_eq!(refused.given, wrong);
            assert!(wire.end.session().is_empty());
        }
        for message in [text, bytes] {
            wire.end.publish(QoS::AtLeastOnce, message).unwrap();
        }
        let expected: &[&str] = if offline { &[] } else { &["t 1 1", "t 1 2"] };
        assert_eq!(wire.sent(), expected);
    }
    for door in DOORS {
        check(client(Version::V5, door), false);
        check(server(Version::V5, door), false);
        let mut client = client(Version::V5, door);
        client.cut();
        check(client, true);
    }
    // 3.1.1 says nothing about the payload.
    let set = |end: Connection<Server, Shared>| end;
    let connect = asking(Version::V311, 0, false);
    let mut server = server_with(Version::V311, Door::Bytes, connect, None, set);
    let wrong = formatted(PayloadFormat::Utf8, NO_UTF8);
    server.end.publish(QoS::AtMostOnce, wrong).unwrap();
    assert_eq!(server.sent(), ["t"]);
}

/// It is delivered, and refused if the caller wishes.
#[test]
fn c7_a_receiver_may_check_and_refuse() {
    fn check<R: Role>(mut wire: Wire<R>) {
        for (id, format, payload, valid) in [
            (1, PayloadFormat::Utf8, NO_UTF8, false),
            (2, PayloadFormat::Utf8, b"text", true),
            (3, PayloadFormat::Unspecified, NO_UTF8, true),
        ] {
            for qos in [1, 2] {
                let mut packet = publish(qos, id, "t");
                packet.payload = Bytes::from_static(payload);
                let properties = mqtt_sansio::property::PublishProperties::builder();
                packet.properties = properties.payload_format_indicator(format).build();
                let got = wire.receive(packet);
                let [Got::Message(message, token)] = &got[..] else {
                    panic!("{got:?}");
                };
                assert_eq!(message.has_valid_payload_format(), valid);
                if valid {
                    wire.end.acknowledge(*token).unwrap();
                } else {
                    let reason = ReasonCode::PayloadFormatInvalid;
                    let none = AckProperties::default();
                    wire.end.acknowledge_with(*token, reason, none).unwrap();
                }
                let kind = ["PUBACK", "PUBREC"][usize::from(qos) - 1];
                let expected = match valid {
                    true => format!("{kind} {id}"),
                    false => format!("{kind} {id} PayloadFormatInvalid"),
                };
                assert_eq!(wire.sent(), [expected]);
                if qos == 2 && valid {
                    wire.receive(pub_rel(id));
                    wire.sent();
                }
            }
        }
    }
    for door in DOORS {
        check(client(Version::V5, door));
        check(server(Version::V5, door));
    }
}

#[test]
fn c7_a_will_is_a_message_like_others() {
    let with_will = |format, payload: &'static [u8]| {
        let payload = Bytes::from_static(payload).try_into().unwrap();
        let mut will = Will::new("t".parse().unwrap(), payload);
        let properties = WillProperties::builder();
        will.properties = properties.payload_format_indicator(format).build();
        let mut connect = connect(0, false);
        connect.will = Some(will);
        connect
    };
    let mut client = client::Connection::new();
    let wrong = with_will(PayloadFormat::Utf8, NO_UTF8);
    let refused = client.connect(Version::V5, wrong.clone());
    assert_eq!(refused, Err(ConnectionError::PayloadFormatInvalid));
    assert_eq!(client.poll_transmit(Duration::ZERO), None);
    let bytes = with_will(PayloadFormat::Unspecified, NO_UTF8);
    assert_eq!(client.connect(Version::V5, bytes), Ok(()));
    let mut client = client::Connection::new();
    let text = with_will(PayloadFormat::Utf8, b"text");
    assert_eq!(client.connect(Version::V5, text), Ok(()));

    let mut server = server::Connection::new(Duration::ZERO, Duration::from_secs(10));
    let packet = Packet::from(wrong);
    let found = server.handle_packet(Duration::ZERO, Version::V5, &packet);
    let Ok(Some(Incoming::Connect(connect))) = found else {
        panic!("{found:?}");
    };
    assert!(!connect.will.unwrap().has_valid_payload_format());
    let refusal = ConnAck::new(ReasonCode::PayloadFormatInvalid);
    server.refuse(refusal.clone()).unwrap();
    let sent = server.poll_transmit(Duration::ZERO);
    assert_eq!(sent.map(|p| p.to_owned()), Some(refusal.into()));
}

#[test]
fn c9_a_client_without_an_identifier_is_told_the_one_it_got() {
    each(|version, door| {
        let mut anonymous = asking(version, 0, false);
        anonymous.client_id = Text::default();
        let mut server = asked(version, door, anonymous.clone());
        if version == Version::V311 {
            return accept(&mut server, accepting(false)).unwrap();
        }
        let mut session = Some(mqtt_sansio::session::Session::new());
        let refused = server
            .end
            .accept(server.now, accepting(false), &mut session);
        assert_eq!(refused, Err(ConnectionError::ClientIdNotAssigned));
        assert!(session.is_some());
        assert_eq!(server.sent(), [""; 0]);
        let mut connack = accepting(false);
        let name = Text::new("auto-1").unwrap();
        let properties = ConnAckProperties::builder();
        connack.properties = properties.assigned_client_identifier(name).build();
        accept(&mut server, connack).unwrap();
        let packets = server.packets();
        let [Packet::ConnAck(connack)] = &packets[..] else {
            panic!("{packets:?}");
        };
        let assigned = connack.properties.assigned_client_identifier();
        assert_eq!(assigned, Some(name));
    });
}
