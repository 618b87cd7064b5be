//! What leaves when: A1, A7, A11 and A34.

use core::num::NonZeroU16;

use mqtt_sansio::connection::{Client, Connection, Outcome, Role, client};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties};
use mqtt_sansio::{Packet, QoS, ReasonCode, Version};

use crate::wire::*;

/// Publishes at QoS 0 until nothing more is accepted.
fn flood<R: Role>(wire: &mut Wire<R>) -> usize {
    (0..).find(|_| !refill(wire)).unwrap()
}

fn refill<R: Role>(wire: &mut Wire<R>) -> bool {
    wire.outcomes();
    wire.end.publish(QoS::AtMostOnce, message("flood")).is_ok()
}

/// Sends packet by packet, with one more message of QoS 0 for each, and returns so many.
fn busy<R: Role>(wire: &mut Wire<R>, packets: usize) -> Vec<String> {
    let step = |_| {
        let packet = wire.one().unwrap();
        refill(wire);
        short(&packet)
    };
    (0..packets).map(step).collect()
}

/// How many packets leave in front of this one.
fn waits<R: Role>(wire: &mut Wire<R>, packet: &str, mut each: impl FnMut(&mut Wire<R>)) -> usize {
    for waited in 0..5_000 {
        each(wire);
        let next = wire.one();
        refill(wire);
        if next.is_some_and(|next| short(&next) == packet) {
            return waited;
        }
    }
    panic!("{packet} does not leave");
}

#[test]
fn a01_a_ping_response_leaves_before_queued_messages() {
    each(|version, door| {
        let mut server = server(version, door);
        assert_eq!(flood(&mut server), 1_024);
        assert_eq!(busy(&mut server, 3), ["flood"; 3]);
        server.read(b"\xC0\x00");
        assert_eq!(busy(&mut server, 3), ["PINGRESP", "flood", "flood"]);
    });
}

#[test]
fn a01_a_ping_request_leaves_before_queued_messages() {
    each(|version, door| {
        let mut client = client(version, door);
        flood(&mut client);
        client.end.ping().unwrap();
        assert_eq!(busy(&mut client, 2), ["PINGREQ", "flood"]);
        // By itself, too: the packet that left last counts, so something always leaves in time.
        let mut client = client_alive(version, door, 10);
        flood(&mut client);
        client.at(10_000);
        assert_eq!(busy(&mut client, 2), ["PINGREQ", "flood"]);
    });
}

#[test]
fn a01_acknowledgements_leave_before_queued_messages() {
    fn check<R: Role>(mut wire: Wire<R>) {
        wire.end.publish(QoS::ExactlyOnce, message("own")).unwrap();
        assert_eq!(wire.sent(), ["own 2 1"]);
        let got = wire.message(2, 3, "c");
        wire.end.acknowledge(got[0].token()).unwrap();
        assert_eq!(wire.sent(), ["PUBREC 3"]);
        flood(&mut wire);
        busy(&mut wire, 2);
        for (qos, id) in [(1, 1), (2, 2)] {
            let got = wire.message(qos, id, "in");
            wire.end.acknowledge(got[0].token()).unwrap();
        }
        wire.receive(pub_rel(3));
        wire.receive(pub_rec(1));
        let mut owed = busy(&mut wire, 4);
        owed.sort();
        assert_eq!(owed, ["PUBACK 1", "PUBCOMP 3", "PUBREC 2", "PUBREL 1"]);
        assert_eq!(busy(&mut wire, 1), ["flood"]);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a01_answers_to_requests_leave_before_queued_messages() {
    each(|version, door| {
        let mut server = server(version, door);
        flood(&mut server);
        let codes = match version {
            Version::V311 => None,
            Version::V5 => Some(ReasonCode::Success),
        };
        let got = server.receive(mqtt_sansio::packet::Subscribe::new(id(1), filters("a")));
        let granted = [ReasonCode::GrantedQoS1];
        server.end.sub_ack(got[0].request(), granted).unwrap();
        let got = server.receive(mqtt_sansio::packet::Unsubscribe::new(id(2), names("a")));
        server.end.unsub_ack(got[0].request(), codes).unwrap();
        let expected = ["SUBACK 1", "UNSUBACK 2", "flood"];
        assert_eq!(busy(&mut server, 3), expected);
    });
}

#[test]
fn a01_messages_with_an_answer_leave_in_their_turn() {
    fn check<R: Role>(mut wire: Wire<R>, qos: QoS) {
        while wire.end.publish(QoS::AtMostOnce, message("flood")).is_ok() {}
        let waiting = 1_000;
        for _ in 0..1_024 - waiting {
            wire.one();
        }
        wire.outcomes();
        wire.end.publish(qos, message("alarm")).unwrap();
        let name = format!("alarm {} 1", qos.level());
        assert_eq!(waits(&mut wire, &name, |_| ()), waiting);
    }
    each(|version, door| {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            check(client(version, door), qos);
            check(server(version, door), qos);
        }
        let mut client = client(version, door);
        assert!(flood(&mut client) > 0);
        client.one();
        client.outcomes();
        client.end.subscribe(filters("a")).unwrap();
        assert_eq!(waits(&mut client, "SUBSCRIBE 1", |_| ()), 1_023);
    });
}

#[test]
fn a01_what_is_owed_does_not_stop_messages() {
    fn check<R: Role>(mut wire: Wire<R>, qos: QoS) {
        let name = match qos {
            QoS::AtMostOnce => "own".to_owned(),
            _ => format!("own {} 1", qos.level()),
        };
        let acknowledged = |wire: &mut Wire<R>| {
            for id in 1.. {
                // The first identifier that is free.
                let got = wire.message(1, id, "in");
                if let [got] = &got[..] {
                    return wire.end.acknowledge(got.token()).unwrap();
                }
            }
        };
        acknowledged(&mut wire);
        wire.end.publish(qos, message("own")).unwrap();
        assert!(waits(&mut wire, &name, acknowledged) <= 16);
    }
    each(|version, door| {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            check(client(version, door), qos);
            check(server(version, door), qos);
            // A client that pings without end.
            let mut server = server(version, door);
            server.end.publish(qos, message("own")).unwrap();
            let pings = |server: &mut Wire<_>| drop(server.read(b"\xC0\x00\xC0\x00"));
            let name = match qos {
                QoS::AtMostOnce => "own".to_owned(),
                _ => format!("own {} 1", qos.level()),
            };
            assert!(waits(&mut server, &name, pings) <= 16);
        }
    });
}

#[test]
fn a01_no_kind_that_is_owed_stops_another() {
    each(|version, door| {
        // SUBSCRIBE without end: neither PINGRESP nor PUBACK waits behind more than three others.
        let subscribe = |server: &mut Wire<_>| {
            for value in 1.. {
                let packet = mqtt_sansio::packet::Subscribe::new(id(value), filters("a"));
                if let [got] = &server.receive(packet)[..] {
                    let granted = [ReasonCode::GrantedQoS1];
                    return server.end.sub_ack(got.request(), granted).unwrap();
                }
            }
        };
        let mut server = server(version, door);
        for _ in 0..100 {
            subscribe(&mut server);
        }
        server.one();
        server.read(b"\xC0\x00");
        let got = server.message(1, 1, "in");
        server.end.acknowledge(got[0].token()).unwrap();
        let first: Vec<_> = (0..4).map(|_| short(&server.one().unwrap())).collect();
        assert!(first.contains(&"PINGRESP".to_owned()), "{first:?}");
        assert!(first.contains(&"PUBACK 1".to_owned()), "{first:?}");
    });
}

#[test]
fn a07_so_many_are_in_flight_by_default() {
    fn check<R: Role>(mut wire: Wire<R>, qos: QoS) {
        for _ in 0..500 {
            wire.end.publish(qos, message("m")).unwrap();
        }
        let most = in_flight(wire.version);
        assert_eq!(wire.sent().len(), most);
        // The quota is free at the end of the exchange, not at PUBREC.
        if qos == QoS::ExactlyOnce {
            wire.receive(pub_rec(1));
            assert_eq!(wire.sent(), ["PUBREL 1"]);
            wire.receive(pub_comp(1));
        } else {
            wire.receive(pub_ack(1));
        }
        assert_eq!(wire.sent(), [format!("m {} {}", qos.level(), most + 1)]);
    }
    each(|version, door| {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            check(client(version, door), qos);
            check(server(version, door), qos);
        }
    });
}

#[test]
fn a07_the_lower_of_both_limits_counts() {
    let in_flight = |wire: &mut Wire<Client>| {
        for _ in 0..200 {
            let message = message("m");
            wire.end.publish(QoS::ExactlyOnce, message).unwrap();
        }
        wire.sent().len()
    };
    each(|version, door| {
        let most = |messages| NonZeroU16::new(messages).unwrap();
        for (own, peer, expected) in [(20, 0, 20), (20, 10, 10), (10, 20, 10), (200, 150, 150)] {
            let mut connack = accepting(false);
            if let (Version::V5, Some(peer)) = (version, NonZeroU16::new(peer)) {
                let properties = ConnAckProperties::builder().receive_maximum(peer);
                connack.properties = properties.build();
            }
            let end = client::Connection::new().max_in_flight(most(own));
            let mut client = client_with(version, door, connect(0, true), end, connack);
            let expected = match version {
                // The peer cannot say it.
                Version::V311 => usize::from(own),
                Version::V5 => expected,
            };
            assert_eq!(in_flight(&mut client), expected, "{version:?} {own} {peer}");

            let mut connect = connect(0, true);
            if let Some(peer) = NonZeroU16::new(peer) {
                let properties = ConnectProperties::builder().receive_maximum(peer);
                connect.properties = properties.build();
            }
            let set = |end: Connection<_>| end.max_in_flight(most(own));
            let mut server = server_with(version, door, connect, None, set);
            for _ in 0..200 {
                server.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
            }
            assert_eq!(server.sent().len(), expected, "{version:?} {own} {peer}");
        }
    });
}

#[test]
fn a07_what_is_sent_again_is_limited_too() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        for _ in 0..300 {
            wire.end.publish(QoS::ExactlyOnce, message("m")).unwrap();
        }
        let mut accepted = 0;
        for _ in 0..3 {
            let sent = wire.sent();
            assert_eq!(sent.len(), in_flight(wire.version));
            wire.cut();
            R::reconnect(&mut wire, true);
        }
        while let Some(packet) = wire.one() {
            match packet {
                Packet::Publish(publish) => {
                    wire.receive(pub_rec(publish.packet_id().unwrap().get()));
                }
                Packet::PubRel(ack) => {
                    wire.receive(pub_comp(ack.packet_id.get()));
                    accepted += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((accepted, wire.outcomes().len()), (300, 300));
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a11_packets_leave_in_the_order_of_the_calls() {
    each(|version, door| {
        let mut client = client(version, door);
        let end = &mut client.end;
        end.publish(QoS::AtLeastOnce, message("state/1")).unwrap();
        end.publish(QoS::AtMostOnce, message("state/2")).unwrap();
        end.subscribe(filters("a")).unwrap();
        end.publish(QoS::AtMostOnce, message("state/3")).unwrap();
        end.unsubscribe(names("a")).unwrap();
        end.publish(QoS::ExactlyOnce, message("state/4")).unwrap();
        let expected = [
            "state/1 1 1",
            "state/2",
            "SUBSCRIBE 2",
            "state/3",
            "UNSUBSCRIBE 4",
            "state/4 2 3",
        ];
        // Which identifier a request takes is no matter of order.
        let kind = |text: &String| match text.split_once("SCRIBE") {
            Some((kind, _)) => kind.to_owned(),
            None => text.split(' ').next().unwrap().to_owned(),
        };
        let sent: Vec<_> = client.sent().iter().map(kind).collect();
        let expected: Vec<_> = expected.map(|text| kind(&text.to_owned())).to_vec();
        assert_eq!(sent, expected);
    });
}

#[test]
fn a11_on_both_ends_and_across_every_mix() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let mut expected = Vec::new();
        for call in 0..60_u16 {
            let qos = QoS::new(u8::try_from(call * 7 % 5 % 3).unwrap()).unwrap();
            let topic = format!("t/{call}");
            wire.end.publish(qos, message(&topic)).unwrap();
            expected.push(topic);
        }
        let topic = |text: &String| text.split(' ').next().unwrap().to_owned();
        let sent: Vec<_> = wire.sent().iter().map(topic).collect();
        assert_eq!(sent, expected);
    }
    each(|version, door| {
        let end = client::Connection::new().max_in_flight(NonZeroU16::MAX);
        check(client_with(
            version,
            door,
            connect(0, true),
            end,
            accepting(false),
        ));
        let set = |end: Connection<_>| end.max_in_flight(NonZeroU16::MAX);
        check(server_with(version, door, connect(0, true), None, set));
    });
}

#[test]
fn a11_only_what_waits_for_quota_is_overtaken() {
    each(|version, door| {
        let end = client::Connection::new().max_in_flight(NonZeroU16::MIN);
        let mut client = client_with(version, door, connect(0, true), end, accepting(false));
        let end = &mut client.end;
        end.publish(QoS::AtLeastOnce, message("a")).unwrap();
        end.publish(QoS::AtLeastOnce, message("b")).unwrap();
        end.publish(QoS::AtMostOnce, message("c")).unwrap();
        end.subscribe(filters("d")).unwrap();
        assert_eq!(client.sent(), ["a 1 1", "c", "SUBSCRIBE 3"]);
        client.receive(pub_ack(1));
        let publish = |client: &mut Wire<Client>, topic| {
            let message = message(topic);
            client.end.publish(QoS::AtMostOnce, message).unwrap();
        };
        publish(&mut client, "e");
        assert_eq!(client.sent(), ["b 1 2", "e"]);
    });
}

#[test]
fn a11_calls_before_the_connection_keep_their_order() {
    each(|version, door| {
        let mut end = client::Connection::new();
        end.publish(QoS::AtLeastOnce, message("a")).unwrap();
        end.subscribe(filters("b")).unwrap();
        end.publish(QoS::ExactlyOnce, message("c")).unwrap();
        end.unsubscribe(names("d")).unwrap();
        let mut client = client_with(version, door, connect(0, true), end, accepting(false));
        let kinds: Vec<_> = client.packets().iter().map(Packet::packet_type).collect();
        use mqtt_sansio::PacketType::{Publish, Subscribe, Unsubscribe};
        assert_eq!(kinds, [Publish, Subscribe, Publish, Unsubscribe]);
    });
}

/// EMQ X takes a hundred of QoS 2 at once, and refuses more in 5.0, or drops them in 3.1.1.
#[test]
fn a34_a_broker_with_a_quiet_limit_loses_nothing() {
    fn check<R: Role>(mut wire: Wire<R>) {
        for _ in 0..400 {
            wire.end.publish(QoS::ExactlyOnce, message("m")).unwrap();
        }
        let (mut open, mut highest) = (0, 0);
        loop {
            let packets = wire.packets();
            if packets.is_empty() {
                break;
            }
            for packet in packets {
                match packet {
                    Packet::Publish(publish) => {
                        open += 1;
                        highest = highest.max(open);
                        wire.receive(pub_rec(publish.packet_id().unwrap().get()));
                    }
                    Packet::PubRel(ack) => {
                        open -= 1;
                        wire.receive(pub_comp(ack.packet_id.get()));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(highest, in_flight(wire.version));
        let outcomes = wire.outcomes();
        let accepted = Outcome::Accepted(ReasonCode::Success);
        assert_eq!(outcomes.len(), 400);
        assert!(outcomes.iter().all(|(_, outcome)| *outcome == accepted));
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}
