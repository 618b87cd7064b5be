//! How a connection begins, and begins again: A5, A8, A12, A14 and A17.

use core::num::NonZeroU32;

use mqtt_sansio::connection::{
    Answer, Client, Closed, ConnectionError, Event, GivenUp, Incoming, Outcome, Role, client,
    server,
};
use mqtt_sansio::packet::{ConnAck, Disconnect};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties};
use mqtt_sansio::{FrameDecoder, Packet, QoS, ReasonCode, Rule, Rules, Side, Version};

use core::time::Duration;

use crate::wire::*;

const NONE: [&str; 0] = [];
const MIB: u32 = 1 << 20;

/// The Maximum Packet Size that CONNECT announces.
fn announced(end: client::Connection, properties: ConnectProperties) -> Option<u32> {
    let mut end = end;
    let mut packet = connect(0, true);
    packet.properties = properties;
    end.connect(Version::V5, packet).unwrap();
    let Some(Packet::Connect(connect)) = end.poll_transmit(Duration::ZERO) else {
        panic!("CONNECT is first");
    };
    connect
        .properties
        .maximum_packet_size()
        .map(NonZeroU32::get)
}

#[test]
fn a05_a_client_announces_what_it_takes() {
    let none = ConnectProperties::default;
    let new = client::Connection::new;
    assert_eq!(announced(new(), none()), Some(MIB));
    assert_eq!(announced(new().max_packet_size(4_096), none()), Some(4_096));
    assert_eq!(announced(new().max_packet_size(u32::MAX), none()), None);
    let own = ConnectProperties::builder().maximum_packet_size(NonZeroU32::new(77).unwrap());
    assert_eq!(announced(new(), own.build()), Some(77));
}

#[test]
fn a05_so_does_a_server() {
    for (limit, announced) in [(MIB, Some(MIB)), (4_096, Some(4_096)), (u32::MAX, None)] {
        let end = server::Connection::new(Duration::ZERO, Duration::from_secs(1));
        let end = end.max_packet_size(limit);
        let mut server = Wire::over(end, Side::Server, Version::V5, Door::Packets);
        server.receive(connect(0, true));
        let connack = ConnAck::new(ReasonCode::Success);
        server
            .end
            .accept(Duration::ZERO, connack, &mut None)
            .unwrap();
        let Some(Packet::ConnAck(connack)) = server.one() else {
            panic!("CONNACK is first");
        };
        let said = connack.properties.maximum_packet_size();
        assert_eq!(said.map(NonZeroU32::get), announced);
    }
}

/// What was announced is taken, and one byte more is refused with its reason.
#[test]
fn a05_the_limit_is_the_one_that_was_announced() {
    for version in VERSIONS {
        for door in [Door::Bytes, Door::Slice] {
            for (more, taken) in [(0, true), (1, false)] {
                let mut large = publish(0, 0, "large");
                let limit = usize::try_from(MIB).unwrap();
                large.payload = vec![].into();
                // Three bytes more of the remaining length.
                let rest = limit - large.encoded_len(version).unwrap() - 2;
                large.payload = vec![0; rest + more].into();
                assert_eq!(large.encoded_len(version).unwrap(), limit + more);
                let mut client = client(version, door);
                assert_eq!(client.receive(large.clone()).len(), usize::from(taken));
                assert_eq!(client.end.is_connected(), taken);
                let mut server = server(version, door);
                assert_eq!(server.receive(large).len(), usize::from(taken));
                assert_eq!(server.end.is_connected(), taken);
                if !taken && version == Version::V5 {
                    assert_eq!(client.sent(), ["DISCONNECT PacketTooLarge"]);
                    assert_eq!(server.sent(), ["DISCONNECT PacketTooLarge"]);
                }
            }
        }
    }
}

const SKIPPING: Rules = Rules::STRICT.without(Rule::PacketTooLarge);

#[test]
fn a05_what_is_too_large_can_be_skipped_and_acknowledged() {
    fn check<R: Role>(mut wire: Wire<R>) {
        for (qos, id) in [(0, 0), (1, 5), (2, 6)] {
            let mut large = publish(qos, id, "large");
            large.payload = vec![0; 2 << 20].into();
            large.retain = true;
            let mut bytes = bytes::BytesMut::new();
            large.encode(wire.version, &mut bytes).unwrap();
            publish(0, 0, "small")
                .encode(wire.version, &mut bytes)
                .unwrap();
            let pieces = bytes.chunks(1 << 16);
            let got: Vec<_> = pieces.flat_map(|piece| wire.read(piece)).collect();
            assert!(wire.end.is_connected());
            assert!(
                matches!(got[..], [Got::Skipped(Some(_)), Got::Message(..)]),
                "{got:?}"
            );
            let token = got[0].token();
            assert_eq!(token.packet_id().map_or(0, |id| id.get()), id);
            wire.end.acknowledge(token).unwrap();
            let expected = ["", "PUBACK 5", "PUBREC 6"][usize::from(qos)];
            assert_eq!(wire.sent().concat(), expected);
            // Once acknowledged, it is not reported again at QoS 2.
            if qos == 2 {
                large.dup = true;
                assert_eq!(wire.receive(large), []);
                assert_eq!(wire.sent(), ["PUBREC 6"]);
            }
        }
    }
    for version in VERSIONS {
        for door in [Door::Bytes, Door::Slice] {
            let end = client::Connection::new().rules(SKIPPING);
            let accepted = accepting(false);
            check(client_with(version, door, connect(0, true), end, accepted));
            let set = |end: server::Connection| end.rules(SKIPPING);
            check(server_with(version, door, connect(0, true), None, set));
        }
    }
}

/// A client that has sent CONNECT.
fn connecting(version: Version, door: Door) -> Wire<Client> {
    let mut client = Wire::over(client::Connection::new(), Side::Client, version, door);
    client.end.connect(version, connect(0, true)).unwrap();
    assert_eq!(client.sent(), ["CONNECT"]);
    client
}

fn refusal(client: &mut Wire<Client>) -> ReasonCode {
    let ended = client.end.ended().unwrap_err();
    let Closed::Refused(connack) = &ended else {
        panic!("{ended:?}");
    };
    let reason = connack.reason;
    assert_eq!(client.sent(), NONE, "a refusal is the last word");
    assert!(client.end.is_closed());
    assert_eq!(client.events(), [Event::Closed(ended)]);
    reason
}

#[test]
fn a08_a_server_that_speaks_3_1_1_alone_refuses_5_0() {
    for door in DOORS {
        let expected = [
            // Whatever it accepts, it is not what was asked for.
            ReasonCode::UnsupportedProtocolVersion,
            ReasonCode::UnsupportedProtocolVersion,
            ReasonCode::ClientIdentifierNotValid,
            ReasonCode::ServerUnavailable,
            ReasonCode::BadUserNameOrPassword,
            ReasonCode::NotAuthorized,
        ];
        for (code, expected) in (0..).zip(expected) {
            let mut client = connecting(Version::V5, door);
            client.read(&[0x20, 2, 0, code]);
            assert_eq!(refusal(&mut client), expected);
            // So the caller falls back.
            client.version = Version::V311;
            client.replug();
            client.end.connect(Version::V311, connect(0, true)).unwrap();
            assert_eq!(client.sent(), ["CONNECT"]);
            client.read(b"\x20\x02\x00\x00");
            assert!(client.end.is_connected());
        }
    }
}

#[test]
fn a08_in_3_1_1_and_5_0_alike_a_refusal_is_one() {
    for door in DOORS {
        for (code, reason) in [
            (1, ReasonCode::UnsupportedProtocolVersion),
            (2, ReasonCode::ClientIdentifierNotValid),
            (3, ReasonCode::ServerUnavailable),
            (4, ReasonCode::BadUserNameOrPassword),
            (5, ReasonCode::NotAuthorized),
        ] {
            let mut client = connecting(Version::V311, door);
            client.read(&[0x20, 2, 0, code]);
            assert_eq!(refusal(&mut client), reason);
        }
        let mut client = connecting(Version::V5, door);
        client.read(b"\x20\x03\x00\x84\x00");
        let reason = refusal(&mut client);
        assert_eq!(reason, ReasonCode::UnsupportedProtocolVersion);
    }
}

#[test]
fn a08_what_is_no_connack_of_either_is_malformed() {
    for door in DOORS {
        // A code that neither has; a flag that is reserved; one of 3.1.1 for a connection that is.
        for bytes in [&b"\x20\x02\x00\x06"[..], b"\x20\x02\x02\x00"] {
            let mut client = connecting(Version::V5, door);
            client.read(bytes);
            let ended = client.end.ended();
            assert!(matches!(ended, Err(Closed::Malformed(_))), "{ended:?}");
        }
        let mut client = client(Version::V5, door);
        client.read(b"\x20\x02\x00\x05");
        let ended = client.end.ended();
        assert!(matches!(ended, Err(Closed::Malformed(_))), "{ended:?}");
    }
}

/// Clients whose connection is over in each way, with something left to send where there is.
fn over(version: Version, door: Door) -> Vec<(&'static str, Wire<Client>)> {
    let busy = || {
        let mut client = client_alive(version, door, 30);
        let got = client.message(1, 9, "in");
        client.end.acknowledge(got[0].token()).unwrap();
        client
            .end
            .publish(QoS::AtMostOnce, message("old/0"))
            .unwrap();
        client
            .end
            .publish(QoS::AtLeastOnce, message("old/1"))
            .unwrap();
        client
    };
    let mut all = Vec::new();
    let mut add = |name, end: fn(&mut Wire<Client>)| {
        let mut client = busy();
        end(&mut client);
        all.push((name, client));
    };
    add("local", |client| client.end.disconnect(normal()).unwrap());
    add("lost", |client| client.end.handle_close());
    add("timed out", |client| {
        client.at(30_000);
        // PINGREQ leaves behind what is owed.
        while client.end.next_timeout() > Some(Duration::from_millis(50_000)) {
            client.one();
        }
        client.one();
        client.one();
        client.at(60_000);
    });
    add("malformed", |client| drop(client.read(b"\x40\x02\x00\x00")));
    add("violated", |client| drop(client.read(b"\xC0\x00")));
    let mut refused = connecting(version, door);
    refused.receive(ConnAck::new(ReasonCode::NotAuthorized));
    all.push(("refused", refused));
    if version == Version::V5 {
        let mut client = busy();
        client.receive(Disconnect::new(ReasonCode::ServerBusy));
        all.push(("disconnected", client));
    }
    let mut silent = connecting(version, door);
    silent.at(20_000);
    all.push(("silent", silent));
    let mut half = Wire::over(client::Connection::new(), Side::Client, version, door);
    half.end.connect(version, connect(0, true)).unwrap();
    half.end.handle_close();
    all.push(("never sent", half));
    all
}

#[test]
fn a12_connect_takes_over_from_any_state_that_is_over() {
    each(|version, door| {
        for (name, client) in over(version, door) {
            // At once, and when some or all of it is sent.
            for sent in [0, 1, usize::MAX] {
                let mut client = client.clone();
                let sent = (0..sent).map_while(|_| client.one()).count();
                client.replug();
                let connected = client.end.connect(version, connect(0, true));
                assert_eq!(connected, Ok(()), "{name}, {sent} sent");
                let sent = client.sent();
                assert_eq!(sent, ["CONNECT"], "{name}");
                client.receive(accepting(false));
                assert!(client.end.is_connected(), "{name}");
                assert_eq!(client.end.ended(), Ok(()));
                // The old timers are no more.
                client.at(client.now.as_millis().try_into().unwrap());
                assert!(client.end.is_connected(), "{name}");
            }
        }
    });
}

#[test]
fn a12_half_a_packet_that_was_not_sent_is_no_part_of_the_next_connection() {
    use bytes::{BufMut, BytesMut};
    let ends: [fn(&mut Wire<Client>); 4] = [
        |client| client.end.handle_close(),
        |client| client.end.disconnect(normal()).unwrap(),
        |client| drop(client.read(b"\x40\x02\x00\x00")),
        |client| client.at(1_000_000),
    ];
    for version in VERSIONS {
        for end in ends {
            let mut client = client_alive(version, Door::Bytes, 10);
            client.end.ping().unwrap();
            assert_eq!(client.sent(), ["PINGREQ"]);
            let long = message("long/topic");
            client.end.publish(QoS::AtMostOnce, long).unwrap();
            let mut out = BytesMut::new();
            let now = client.now;
            client.end.poll_bytes(now, &mut (&mut out).limit(5));
            end(&mut client);
            assert!(!client.end.is_connected());
            Reconnect::reconnect(&mut client, false);
            assert_eq!(client.sent(), NONE);
        }
    }
}

#[test]
fn a12_not_from_one_that_is_not_over() {
    each(|version, door| {
        let mut client = client(version, door);
        let refused = client.end.connect(version, connect(0, true));
        assert_eq!(refused, Err(ConnectionError::WrongState));
        assert!(client.end.is_connected());
        let mut client = connecting(version, door);
        let refused = client.end.connect(version, connect(0, true));
        assert_eq!(refused, Err(ConnectionError::WrongState));
        client.receive(accepting(false));
        assert!(client.end.is_connected());
    });
}

#[test]
fn a14_a_connection_begins_with_an_empty_input() {
    const HALF: &[&[u8]] = &[
        b"\x30\x80\x80\x04\x00\x01tp",
        b"\x30",
        b"\x30\x80",
        b"\xD0",
        b"\x20\x02\x00",
    ];
    each(|version, door| {
        for half in HALF {
            let mut client = client(version, door);
            client.read(half);
            client.cut();
            Reconnect::reconnect(&mut client, false);
            assert!(client.end.is_connected(), "{half:?}");
            assert_eq!(client.message(0, 0, "in").len(), 1);
        }
    });
}

#[test]
fn a14_and_in_its_own_version_and_limit() {
    for door in DOORS {
        let mut client = client(Version::V5, door);
        client.read(b"\x30\x80\x80");
        client.cut();
        client.version = Version::V311;
        Reconnect::reconnect(&mut client, false);
        // Of 5.0 this would be half a packet.
        assert_eq!(client.read(b"\x30\x04\x00\x01a!").len(), 1);
        client.read(b"\x30");
        client.cut();
        client.version = Version::V5;
        Reconnect::reconnect(&mut client, false);
        assert_eq!(client.read(b"\x30\x05\x00\x01a\x00!").len(), 1);
    }
    // The limit of one CONNECT is not that of the next.
    let mut client = Wire::over(
        client::Connection::new(),
        Side::Client,
        Version::V5,
        Door::Bytes,
    );
    let mut small = connect(0, true);
    let properties = ConnectProperties::builder().maximum_packet_size(NonZeroU32::new(20).unwrap());
    small.properties = properties.build();
    client.end.connect(Version::V5, small).unwrap();
    client.sent();
    client.receive(accepting(false));
    client.cut();
    Reconnect::reconnect(&mut client, false);
    let topic = "a/topic/of/more/than/twenty/bytes";
    assert_eq!(client.message(0, 0, topic).len(), 1);
}

#[test]
fn a14_each_connection_of_a_server_finds_its_own_version() {
    let now = Duration::ZERO;
    for door in [Door::Bytes, Door::Slice] {
        for connect in [
            &b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01a\x30\x80"[..],
            b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x01a\x30\x80",
        ] {
            let end = server::Connection::new(now, Duration::from_secs(1));
            let mut server = Wire::over(end, Side::Server, Version::V5, door);
            assert_eq!(server.read(connect), [Got::Connect]);
            assert_eq!(server.end.version() == Version::V311, connect[8] == 4);
        }
    }
}

/// A client that sends calls right behind CONNECT, or not.
fn calling(
    version: Version,
    door: Door,
    early: bool,
) -> (Wire<Client>, [mqtt_sansio::session::CallId; 3]) {
    let mut end = client::Connection::new();
    if early {
        end = end.send_before_conn_ack();
    }
    let mut client = Wire::over(end, Side::Client, version, door);
    client.end.connect(version, connect(0, true)).unwrap();
    let subscribe = client.end.subscribe(filters("a")).unwrap();
    let zero = client
        .end
        .publish(QoS::AtMostOnce, message("zero"))
        .unwrap();
    let one = client
        .end
        .publish(QoS::AtLeastOnce, message("one"))
        .unwrap();
    (client, [subscribe, zero, one])
}

#[test]
fn a17_calls_may_leave_right_behind_connect() {
    each(|version, door| {
        let (mut client, [subscribe, zero, _]) = calling(version, door, true);
        let sent = client.sent();
        assert_eq!(sent[0], "CONNECT");
        assert!(sent[1].starts_with("SUBSCRIBE"));
        assert_eq!(sent[2..], ["zero"]);
        assert_eq!(client.outcomes(), [(zero, Outcome::Sent)]);
        client.receive(accepting(false));
        // The rest leaves, and nothing twice.
        assert_eq!(client.sent(), ["one 1 1"]);
        let packet_id = sent[1].split(' ').nth(1).unwrap().parse().unwrap();
        let codes = mqtt_sansio::packet::ReasonCodes::new([ReasonCode::GrantedQoS1]);
        let ack = mqtt_sansio::packet::SubAck::new(id(packet_id), codes);
        client.events();
        client.receive(Packet::SubAck(ack));
        let events = client.events();
        assert!(
            matches!(&events[..], [Event::Subscribed(call, Answer::Codes(_))] if *call == subscribe)
        );
    });
}

#[test]
fn a17_but_only_if_the_caller_says_so() {
    each(|version, door| {
        let (mut client, _) = calling(version, door, false);
        assert_eq!(client.sent(), ["CONNECT"]);
        client.receive(accepting(false));
        let kinds: Vec<_> = client.packets().iter().map(Packet::packet_type).collect();
        use mqtt_sansio::PacketType::{Publish, Subscribe};
        assert_eq!(kinds, [Subscribe, Publish, Publish]);
    });
}

#[test]
fn a17_a_refusal_ends_what_was_sent_early() {
    each(|version, door| {
        let (mut client, [subscribe, zero, one]) = calling(version, door, true);
        client.sent();
        client.receive(ConnAck::new(ReasonCode::NotAuthorized));
        let events = client.events();
        let given_up = Event::Subscribed(subscribe, Answer::GivenUp(Box::new(filters("a"))));
        assert_eq!(events.iter().filter(|event| **event == given_up).count(), 1);
        // Sent is the truth of QoS 0, and QoS 1 waits for a server that accepts.
        assert!(events.contains(&Event::Published(zero, Outcome::Sent)));
        assert_eq!(events.len(), 3);
        Reconnect::reconnect(&mut client, false);
        assert_eq!(client.sent(), ["one 1 1"]);
        client.receive(pub_ack(1));
        let accepted = Outcome::Accepted(ReasonCode::Success);
        assert_eq!(client.outcomes(), [(one, accepted)]);
    });
}

#[test]
fn a17_what_did_not_leave_before_the_refusal_waits_or_is_given_up() {
    each(|version, door| {
        let (mut client, [_, zero, _]) = calling(version, door, true);
        assert_eq!(short(&client.one().unwrap()), "CONNECT");
        client.receive(ConnAck::new(ReasonCode::NotAuthorized));
        let lost = Outcome::GivenUp(GivenUp::ConnectionLost, Some(Box::new(message("zero"))));
        assert_eq!(client.outcomes(), [(zero, lost)]);
        Reconnect::reconnect(&mut client, false);
        let kinds: Vec<_> = client.packets().iter().map(Packet::packet_type).collect();
        use mqtt_sansio::PacketType::{Publish, Subscribe};
        assert_eq!(kinds, [Subscribe, Publish]);
    });
}

/// What a client sends early, at a server.
#[test]
fn a17_a_server_handles_it_in_its_turn_or_not_at_all() {
    for version in VERSIONS {
        let (mut client, _) = calling(version, Door::Bytes, true);
        let mut bytes = bytes::BytesMut::new();
        let now = client.now;
        client.end.poll_bytes(now, &mut bytes);
        for refuse in [false, true] {
            let mut end = server::Connection::new(Duration::ZERO, Duration::from_secs(1));
            let mut input = bytes.clone();
            let first = end.handle_bytes(now, &mut input);
            assert!(matches!(first, Some(Incoming::Connect(_))));
            assert_eq!(end.handle_bytes(now, &mut input), None);
            if refuse {
                end.refuse(ConnAck::new(ReasonCode::NotAuthorized)).unwrap();
                assert_eq!(end.handle_bytes(now, &mut input), None);
                continue;
            }
            end.accept(now, ConnAck::new(ReasonCode::Success), &mut None)
                .unwrap();
            let second = end.handle_bytes(now, &mut input);
            assert!(matches!(second, Some(Incoming::Subscribe(..))));
            let third = end.handle_bytes(now, &mut input);
            let Some(Incoming::Message(message, _)) = third else {
                panic!("{third:?}");
            };
            assert_eq!(message.payload, "zero");
            assert_eq!(end.handle_bytes(now, &mut input), None);
        }
        // A caller with a decoder of its own is told to hold it back.
        let mut end = server::Connection::new(Duration::ZERO, Duration::from_secs(1));
        let mut decoder = FrameDecoder::server();
        let mut input = bytes.clone();
        let mut early = Vec::new();
        while let Some(packet) = decoder.decode_shared(&mut input).unwrap() {
            match end.handle_packet(now, version, &packet).unwrap() {
                Some(Incoming::Early) => early.push(packet.clone()),
                Some(Incoming::Connect(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(early.len(), 2);
        end.accept(now, ConnAck::new(ReasonCode::Success), &mut None)
            .unwrap();
        for packet in &early {
            assert!(end.handle_packet(now, version, packet).unwrap().is_some());
        }
    }
}

#[test]
fn a17_a_server_that_takes_less_ends_what_left_early() {
    // Maximum QoS and Retain Available were not known: the server decides, once.
    for door in DOORS {
        let (mut client, _) = calling(Version::V5, door, true);
        client.sent();
        let mut connack = accepting(false);
        let properties =
            ConnAckProperties::builder().maximum_qos(mqtt_sansio::property::MaximumQoS::AtMostOnce);
        connack.properties = properties.build();
        client.receive(connack);
        assert_eq!(client.sent(), NONE);
        let outcomes = client.outcomes();
        // QoS 1 waits in vain at this server.
        let refused =
            GivenUp::NotSupported(ConnectionError::NotSupported(ReasonCode::QoSNotSupported));
        let given_up = Outcome::GivenUp(refused, Some(Box::new(message("one"))));
        assert_eq!(outcomes.last().unwrap().1, given_up);
    }
}
