//! Peers that are hostile or faulty: B4 and E1. What they make an end hold is counted in
//! `tests/allocation`.

use mqtt_sansio::connection::{Closed, Event, Outcome, Role, Violation, client};
use mqtt_sansio::packet::{ReasonCodes, SubAck};
use mqtt_sansio::session::Violation as SessionViolation;
use mqtt_sansio::{Packet, PacketType, QoS, ReasonCode, Version};

use crate::wire::*;

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
        assert_eq!(sent.len(), 120);
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
        assert!(wire.end.is_connected());
    });
}

#[test]
fn b04_the_wrong_kind_is_still_a_violation() {
    fn check<R: Role>(mut wire: Wire<R>) {
        wire.end.publish(QoS::ExactlyOnce, message("own")).unwrap();
        assert_eq!(wire.sent(), ["own 2 1"]);
        wire.receive(pub_ack(1));
        let wrong = SessionViolation::UnexpectedAck(PacketType::PubAck);
        assert_violated(&mut wire, wrong.into(), ReasonCode::ProtocolError);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}
