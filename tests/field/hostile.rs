//! Peers that are hostile or faulty: B4, E1, E2, E3 and E5. What they make an end hold and do is
//! counted in `tests/allocation`.

use core::num::NonZeroU16;
use core::time::Duration;

use bytes::BytesMut;
use mqtt_sansio::connection::{Closed, Event, Outcome, Role, Violation, client, server};
use mqtt_sansio::packet::{Auth, ReasonCodes, SubAck, Subscribe, Unsubscribe};
use mqtt_sansio::property::{AckProperties, ConnAckProperties};
use mqtt_sansio::session::Violation as SessionViolation;
use mqtt_sansio::{Packet, PacketType, QoS, ReasonCode, Text, Version};

use crate::wire::*;

const NOW: Duration = Duration::ZERO;
const NONE: [&str; 0] = [];
const UNREAD: Violation = Violation::Session(SessionViolation::UnreadAnswers);

/// The code for an unknown identifier, as [`short`] has it.
fn not_found(version: Version) -> &'static str {
    match version {
        Version::V311 => "",
        Version::V5 => " PacketIdentifierNotFound",
    }
}

/// How the connection is over, if it is.
fn closed<R: Role>(wire: &mut Wire<R>) -> Option<Closed> {
    let closed = |event| match event {
        Event::Closed(why) => Some(why),
        _ => None,
    };
    wire.events().into_iter().find_map(closed)
}

/// The connection was ended by this violation, and the peer of 5.0 is told with this code.
fn assert_violated<R: Role>(wire: &mut Wire<R>, violation: Violation, code: ReasonCode) {
    assert_eq!(closed(wire), Some(Closed::Violated(violation)));
    let last = wire.sent().pop().unwrap_or_default();
    let told = format!("DISCONNECT {code:?}");
    assert_eq!(last == told, wire.version == Version::V5, "{last}");
}

#[test]
fn e01_pub_rec_for_what_was_never_sent_takes_no_identifier() {
    fn check<R: Role>(mut wire: Wire<R>, most: u16) {
        for value in 1..=most {
            wire.receive(pub_rec(value));
            let expected = format!("PUBREL {value}{}", not_found(wire.version));
            let sent = wire.one().unwrap();
            assert_eq!(short(&sent), expected);
        }
        assert_eq!(wire.end.session().packet_ids_in_use(), 0);
        // Nothing of it counts as a call.
        for _ in 0..1_024 {
            let accepted = wire.end.publish(QoS::AtLeastOnce, message("own"));
            assert!(accepted.is_ok());
        }
        assert_eq!(wire.sent().first().unwrap(), "own 1 1");
        assert_eq!(wire.events(), []);
    }
    each(|version, door| {
        let most = if door == Door::Bytes { 65_535 } else { 2_000 };
        check(client(version, door), most);
        check(server(version, door), most);
    });
}

#[test]
fn e01_answers_to_the_unknown_are_no_part_of_the_session() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        for value in 1..=100 {
            wire.receive(pub_rec(value));
            wire.receive(pub_rel(value));
        }
        assert!(wire.end.session().is_empty());
        wire.cut();
        R::reconnect(&mut wire, true);
        assert_eq!(wire.sent(), NONE);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn e01_an_identifier_that_is_used_again_is_not_mistaken() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let unknown = not_found(wire.version);
        // Its PUBCOMP may come while the identifier is that of a message.
        wire.receive(pub_rec(1));
        let call = wire.end.publish(QoS::ExactlyOnce, message("own")).unwrap();
        assert_eq!(
            wire.sent(),
            [format!("PUBREL 1{unknown}"), "own 2 1".to_owned()]
        );
        wire.receive(pub_comp(1));
        assert!(wire.end.is_connected());
        wire.receive(pub_rec(1));
        assert_eq!(wire.sent(), ["PUBREL 1"]);
        assert_eq!(wire.outcomes(), []);
        wire.receive(pub_comp(1));
        let accepted = Outcome::Accepted(ReasonCode::Success);
        assert_eq!(wire.outcomes(), [(call, accepted)]);

        // The identifier of a PUBREL that is owed an answer is free for the peer.
        wire.receive(pub_rel(1));
        let got = wire.message(2, 1, "in");
        wire.end.acknowledge(got[0].token()).unwrap();
        let mut sent = wire.sent();
        sent.sort();
        let comp = format!("PUBCOMP 1{unknown}");
        assert_eq!(sent, [comp, "PUBREC 1".to_owned()]);

        // Exactly one was to come.
        wire.end.publish(QoS::ExactlyOnce, message("own")).unwrap();
        assert_eq!(wire.sent(), ["own 2 2"]);
        wire.receive(pub_comp(2));
        let excess = SessionViolation::UnexpectedAck(PacketType::PubComp);
        assert_violated(&mut wire, excess.into(), ReasonCode::ProtocolError);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn e01_no_message_overtakes_an_answer_to_the_unknown() {
    fn check<R: Role>(mut wire: Wire<R>) {
        while wire.end.session().packet_ids_in_use() < 30 {
            wire.end.publish(QoS::ExactlyOnce, message("own")).unwrap();
        }
        for _ in 0..30 {
            wire.end.publish(QoS::AtMostOnce, message("zero")).unwrap();
        }
        for value in 1..=60 {
            wire.receive(pub_rec(value));
        }
        let sent = wire.sent();
        let last = sent.iter().rposition(|sent| sent.starts_with("PUBREL"));
        let first = sent.iter().position(|sent| sent.starts_with("own"));
        assert!(last < first, "{sent:?}");
        // Others have their turns.
        let zero = sent.iter().position(|sent| sent == "zero");
        assert_eq!(zero, Some(16));
        assert_eq!(sent.len(), 60 + in_flight(wire.version).min(30) + 30);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn e01_a_peer_that_reads_no_answer_is_disconnected() {
    fn check<R: Role>(mut wire: Wire<R>, packet: fn(u16) -> Packet) {
        for value in 1..=4_096 {
            wire.receive(packet(value));
        }
        // Once it reads, it may go on.
        let sent = wire.one().unwrap();
        assert!(short(&sent).starts_with("PUB"));
        wire.receive(packet(1));
        assert!(wire.end.is_connected());
        wire.receive(packet(2));
        assert!(!wire.end.is_connected());
        assert_violated(&mut wire, UNREAD, ReasonCode::QuotaExceeded);
    }
    each(|version, door| {
        for packet in [pub_rec, pub_rel] {
            check(client(version, door), packet);
            check(server(version, door), packet);
        }
    });
}

fn sub_ack(value: u16) -> Packet {
    let codes = ReasonCodes::new([ReasonCode::GrantedQoS1]);
    Packet::SubAck(SubAck::new(id(value), codes))
}

fn unsub_ack(version: Version, value: u16) -> Packet {
    let code = (version == Version::V5).then_some(ReasonCode::Success);
    Packet::UnsubAck(SubAck::new(id(value), ReasonCodes::new(code)))
}

#[test]
fn b04_an_acknowledgement_for_an_unknown_identifier_is_an_event() {
    fn check<R: Role>(mut wire: Wire<R>, packets: &[Packet]) {
        for packet in packets {
            wire.receive(packet.clone());
            assert_eq!(wire.sent(), NONE);
            let unknown = Event::Unknown(packet.packet_type(), id(7));
            assert_eq!(wire.events(), [unknown]);
        }
        assert!(wire.end.is_connected());
        // The exchange of that identifier is not touched.
        let call = wire.end.publish(QoS::AtLeastOnce, message("own")).unwrap();
        assert_eq!(wire.sent(), ["own 1 1"]);
        wire.receive(pub_ack(1));
        let accepted = Outcome::Accepted(ReasonCode::Success);
        assert_eq!(wire.outcomes(), [(call, accepted)]);
        // Again, it is a repetition.
        wire.receive(pub_ack(1));
        let unknown = Event::Unknown(PacketType::PubAck, id(1));
        assert_eq!(wire.events(), [unknown]);
    }
    each(|version, door| {
        let packets = [pub_ack(7), sub_ack(7), unsub_ack(version, 7)];
        check(client(version, door), &packets);
        check(server(version, door), &packets[..1]);
    });
}

#[test]
fn b04_also_for_a_message_that_has_not_left() {
    each(|version, door| {
        let end = client::Connection::new().max_in_flight(1.try_into().unwrap());
        let connect = asking(version, 0, true);
        let mut wire = client_with(version, door, connect, end, accepting(false));
        for topic in ["a", "b"] {
            wire.end.publish(QoS::AtLeastOnce, message(topic)).unwrap();
        }
        assert_eq!(wire.sent(), ["a 1 1"]);
        for packet in [pub_ack(2), sub_ack(2), unsub_ack(version, 2)] {
            wire.receive(packet.clone());
            let unknown = Event::Unknown(packet.packet_type(), id(2));
            assert_eq!(wire.events(), [unknown]);
        }
        wire.receive(pub_ack(1));
        assert_eq!(wire.sent(), ["b 1 2"]);
    });
}

#[test]
fn b04_one_event_waits_however_many_come() {
    each(|version, door| {
        let mut wire = client(version, door);
        for _ in 0..2 {
            for value in 1..=1_000 {
                wire.receive(pub_ack(value));
                wire.receive(sub_ack(value));
            }
            let unknown = Event::Unknown(PacketType::PubAck, id(1));
            assert_eq!(wire.events(), [unknown]);
        }
        // Also while what came before it is polled.
        wire.end.publish(QoS::AtMostOnce, message("own")).unwrap();
        assert_eq!(wire.sent(), ["own"]);
        wire.receive(pub_ack(1));
        assert!(matches!(wire.end.poll_event(), Some(Event::Published(..))));
        wire.receive(pub_ack(2));
        let unknown = Event::Unknown(PacketType::PubAck, id(1));
        assert_eq!(wire.events(), [unknown]);
        assert!(wire.end.is_connected());
    });
}

#[test]
fn b04_the_wrong_kind_is_still_a_violation() {
    fn check<R: Role>(mut wire: Wire<R>) {
        wire.end.publish(QoS::ExactlyOnce, message("own")).unwrap();
        assert_eq!(wire.sent(), ["own 2 1"]);
        wire.receive(pub_ack(1));
        let wrong = SessionViolation::PubAckAtQoS2;
        assert_violated(&mut wire, wrong.into(), ReasonCode::ProtocolError);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

fn explanation() -> AckProperties {
    let text = Text::try_from("no").unwrap();
    AckProperties::builder().reason_string(text).build()
}

/// The reason and the explanation of what an end answers.
fn answers<R: Role>(wire: &mut Wire<R>) -> Vec<(String, bool)> {
    let packets = wire.packets();
    let answer = |packet: &Packet| match packet {
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
            (short(packet), !ack.properties.is_empty())
        }
        other => panic!("{other:?}"),
    };
    packets.iter().map(answer).collect()
}

#[test]
fn e02_an_explanation_is_that_of_its_delivery() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let first = wire.message(1, 4, "first")[0].token();
        let refused = wire.message(2, 5, "refused")[0].token();
        let code = ReasonCode::NotAuthorized;
        let end = &mut wire.end;
        end.acknowledge_with(refused, code, explanation()).unwrap();
        wire.receive(pub_rel(5));
        assert_eq!(answers(&mut wire), [("PUBCOMP 5".to_owned(), false)]);
        let accepted = wire.message(1, 5, "accepted")[0].token();
        wire.end.acknowledge(accepted).unwrap();
        wire.end.acknowledge(first).unwrap();
        let plain = ["PUBACK 4", "PUBACK 5"].map(|ack| (ack.to_owned(), false));
        assert_eq!(answers(&mut wire), plain);

        // Where several are explained, each has its own.
        let tokens = [1, 2, 3].map(|id| wire.message(1, id, "in")[0].token());
        for at in [2, 0] {
            let end = &mut wire.end;
            end.acknowledge_with(tokens[at], code, explanation())
                .unwrap();
        }
        wire.end.acknowledge(tokens[1]).unwrap();
        let refused = |id| (format!("PUBACK {id} NotAuthorized"), true);
        let expected = [refused(1), ("PUBACK 2".to_owned(), false), refused(3)];
        assert_eq!(answers(&mut wire), expected);
    }
    for door in DOORS {
        check(client(Version::V5, door));
        check(server(Version::V5, door));
    }
}

#[test]
fn e02_an_explanation_ends_with_its_connection() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        let token = wire.message(2, 5, "refused")[0].token();
        let code = ReasonCode::NotAuthorized;
        let end = &mut wire.end;
        end.acknowledge_with(token, code, explanation()).unwrap();
        wire.cut();
        R::reconnect(&mut wire, true);
        let token = wire.message(2, 5, "refused")[0].token();
        wire.end.acknowledge(token).unwrap();
        assert_eq!(answers(&mut wire), [("PUBREC 5".to_owned(), false)]);
    }
    for door in DOORS {
        check(client(Version::V5, door));
        check(server(Version::V5, door));
    }
}

const EXCESS: Violation = Violation::Session(SessionViolation::ReceiveMaximumExceeded);

#[test]
fn e03_the_receiver_limits_messages_in_both_versions() {
    fn check<R: Role>(mut wire: Wire<R>) {
        for value in 1..=3 {
            let token = wire.message(2, value, "in")[0].token();
            wire.end.acknowledge(token).unwrap();
            assert_eq!(wire.sent(), [format!("PUBREC {value}")]);
        }
        // A message that is complete makes room, one that is repeated takes none.
        wire.receive(pub_rel(2));
        assert_eq!(wire.sent(), ["PUBCOMP 2"]);
        assert_eq!(wire.message(2, 1, "in"), []);
        assert_eq!(wire.sent(), ["PUBREC 1"]);
        wire.message(2, 2, "in")[0].token();
        assert_eq!(wire.message(0, 0, "in").len(), 1);
        assert_eq!(wire.message(2, 4, "in"), []);
        assert_violated(&mut wire, EXCESS, ReasonCode::ReceiveMaximumExceeded);
    }
    each(|version, door| {
        let three = NonZeroU16::new(3).unwrap();
        let end = client::Connection::new().max_received(three);
        let connect = asking(version, 0, true);
        check(client_with(version, door, connect, end, accepting(false)));
        let connect = asking(version, 0, true);
        let set = |end: server::Connection| end.max_received(three);
        check(server_with(version, door, connect, None, set));
    });
}

#[test]
fn e03_the_limit_is_announced_in_5_0() {
    let three = NonZeroU16::new(3).unwrap();
    let five = NonZeroU16::new(5);
    for version in VERSIONS {
        // The caller's own takes its place.
        for chosen in [None, five, Some(NonZeroU16::MAX)] {
            let chosen = chosen.filter(|_| version == Version::V5);
            let announced = match version {
                Version::V311 => None,
                Version::V5 => chosen.or(Some(three)),
            };
            let mut client = client::Connection::new().max_received(three);
            let mut asked = asking(version, 0, true);
            if let Some(chosen) = chosen {
                let builder = asked.properties.to_builder();
                asked.properties = builder.receive_maximum(chosen).build();
            }
            client.connect(version, asked).unwrap();
            let Some(Packet::Connect(sent)) = client.poll_transmit(NOW) else {
                panic!();
            };
            assert_eq!(sent.properties.receive_maximum(), announced);
            let connack = Packet::from(accepting(false));
            let _ = client.handle_packet(NOW, version, &connack).unwrap();
            let quota = client.session().receive_quota();
            assert_eq!(quota, chosen.unwrap_or(three).get());

            let mut server = server::Connection::new(NOW, Duration::MAX).max_received(three);
            let connect = Packet::from(connect(0, true));
            let _ = server.handle_packet(NOW, version, &connect).unwrap();
            let mut connack = accepting(false);
            if let Some(chosen) = chosen {
                let properties = ConnAckProperties::builder();
                connack.properties = properties.receive_maximum(chosen).build();
            }
            server.accept(NOW, connack, &mut None).unwrap();
            let Some(Packet::ConnAck(sent)) = server.poll_transmit(NOW) else {
                panic!();
            };
            assert_eq!(sent.properties.receive_maximum(), announced);
            let quota = server.session().receive_quota();
            assert_eq!(quota, chosen.unwrap_or(three).get());
        }
    }
}

#[test]
fn e05_a_client_may_send_5000_requests_in_one_read() {
    each(|version, door| {
        let mut server = server(version, door);
        let mut bytes = BytesMut::new();
        for value in 1..=5_000 {
            let subscribe = Subscribe::new(id(value), filters("f"));
            Packet::from(subscribe).encode(version, &mut bytes).unwrap();
        }
        let got = server.read(&bytes);
        assert_eq!(got.len(), 5_000);
        // The last one first.
        for request in got.iter().rev() {
            let granted = [ReasonCode::GrantedQoS1];
            server.end.sub_ack(request.request(), granted).unwrap();
        }
        let expected = (1..=5_000).rev().map(|value| format!("SUBACK {value}"));
        assert!(server.sent().into_iter().eq(expected));
        assert!(server.end.is_connected());
    });
}

/// SUBACK, UNSUBACK and AUTH: whether the caller answers or not.
#[test]
fn e05_a_client_that_reads_no_answer_is_disconnected() {
    each(|version, door| {
        for (subscribe, answered) in [(true, true), (true, false), (false, true), (false, false)] {
            let set = |end: server::Connection| end.max_unread_answers(1_000);
            let connect = asking(version, 0, true);
            let mut wire = server_with(version, door, connect, None, set);
            let codes = match (subscribe, version) {
                (false, Version::V311) => None,
                _ => Some(ReasonCode::Success),
            };
            let mut request = |value| {
                let packet: Packet = match subscribe {
                    true => Subscribe::new(id(value), filters("f")).into(),
                    false => Unsubscribe::new(id(value), names("f")).into(),
                };
                let got = wire.receive(packet);
                let token = got.first().map(Got::request);
                match token.filter(|_| answered) {
                    Some(token) if subscribe => wire.end.sub_ack(token, codes).unwrap(),
                    Some(token) => wire.end.unsub_ack(token, codes).unwrap(),
                    None => {}
                }
                token.is_some()
            };
            // Each answer has four to six bytes.
            let accepted = (1..1_000).take_while(|&value| request(value)).count();
            assert!((160..=250).contains(&accepted), "{accepted}");
            assert_violated(&mut wire, UNREAD, ReasonCode::QuotaExceeded);
        }
    });
}

#[test]
fn e05_a_client_that_reads_its_answers_goes_on() {
    each(|version, door| {
        let set = |end: server::Connection| end.max_unread_answers(50);
        let connect = asking(version, 0, true);
        let mut wire = server_with(version, door, connect, None, set);
        for value in 1..=1_000 {
            let got = wire.receive(Subscribe::new(id(value), filters("f")));
            let granted = [ReasonCode::GrantedQoS1];
            wire.end.sub_ack(got[0].request(), granted).unwrap();
            // It lags behind by a few.
            if value > 3 {
                let sent = wire.one().unwrap();
                assert_eq!(short(&sent), format!("SUBACK {}", value - 3));
            }
        }
        assert_eq!(wire.sent().len(), 3);
        assert!(wire.end.is_connected());
    });
}

#[test]
fn e05_a_client_that_authenticates_without_end_is_disconnected() {
    for door in DOORS {
        let method = Text::try_from("m").unwrap();
        let mut connect = asking(Version::V5, 0, true);
        let builder = connect.properties.to_builder();
        connect.properties = builder.authentication_method(method).build();
        let set = |end: server::Connection| end.max_unread_answers(1_000);
        let mut wire = server_with(Version::V5, door, connect, None, set);
        let rounds = (0..1_000).take_while(|_| {
            let again = Auth::new(ReasonCode::ReAuthenticate, method);
            let asked = !wire.receive(again.to_owned()).is_empty();
            let done = Auth::new(ReasonCode::Success, method);
            assert_eq!(wire.end.auth(done.to_owned()).is_ok(), asked);
            asked
        });
        let rounds = rounds.count();
        assert!((100..=200).contains(&rounds), "{rounds}");
        assert_violated(&mut wire, UNREAD, ReasonCode::QuotaExceeded);
    }
}
