//! Every publish ends with one outcome: A25 and A33.

use std::collections::BTreeMap;

use mqtt_sansio::connection::{ConnectionError, Event, GivenUp, Outcome, Role, client};
use mqtt_sansio::property::{ConnAckProperties, MaximumQoS};
use mqtt_sansio::session::CallId;
use mqtt_sansio::{Message, Packet, PacketType, QoS, ReasonCode, Side, Version};

use crate::wire::*;

fn given_up(why: GivenUp, message: Message) -> Outcome {
    Outcome::GivenUp(why, Some(Box::new(message)))
}

const ACCEPTED: Outcome = Outcome::Accepted(ReasonCode::Success);

#[test]
fn a25_a_lost_session_gives_back_what_was_in_flight() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        let mut calls = Vec::new();
        for qos in [1, 2, 1, 2] {
            let qos = QoS::new(qos).unwrap();
            calls.push(wire.end.publish(qos, message("m")).unwrap());
        }
        assert_eq!(wire.sent().len(), 4);
        wire.cut();
        assert_eq!(wire.outcomes(), []);
        R::reconnect(&mut wire, false);
        if !wire.is_client() {
            // A server's session is the caller's now, who has dropped it.
            return;
        }
        let events = wire.events();
        let lost = || given_up(GivenUp::SessionLost, message("m"));
        let mut expected: Vec<_> = calls.iter().map(|c| Event::Published(*c, lost())).collect();
        let connected = events.last().cloned().unwrap();
        assert!(matches!(connected, Event::Connected(_)));
        expected.push(connected);
        assert_eq!(events, expected);
        // Each can be published again, and comes to its end.
        let Event::Published(_, Outcome::GivenUp(_, Some(message))) = events[0].clone() else {
            panic!("{events:?}");
        };
        let call = wire.end.publish(QoS::AtLeastOnce, *message).unwrap();
        assert!(!calls.contains(&call));
        let id = wire.packets()[0].packet_id().unwrap();
        wire.receive(pub_ack(id.get()));
        assert_eq!(wire.outcomes(), [(call, ACCEPTED)]);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a25_a_clean_start_at_a_server_gives_back_all_that_waited() {
    for version in VERSIONS {
        let mut server = server(version, Door::Packets);
        let mut calls = Vec::new();
        let most = in_flight(version);
        for _ in 0..most + 2 {
            calls.push(server.end.publish(QoS::AtLeastOnce, message("m")).unwrap());
        }
        server.sent();
        server.cut();
        let session = server.end.take_session();
        assert!(session.is_some());
        let mut next = server_with(version, Door::Packets, connect(0, false), session, |end| {
            end
        });
        // What was sent may have arrived, the rest has not.
        let lost = |index| match index < most {
            true => given_up(GivenUp::SessionLost, message("m")),
            false => given_up(GivenUp::ConnectionLost, message("m")),
        };
        let expected = calls.iter().enumerate();
        let expected: Vec<_> = expected.map(|(i, call)| (*call, lost(i))).collect();
        assert_eq!(next.outcomes(), expected);
        assert!(next.sent().is_empty());
        // The next call is none of these.
        let call = next.end.publish(QoS::AtLeastOnce, message("n")).unwrap();
        assert!(!calls.contains(&call));
    }
}

#[test]
fn a25_a_clean_start_at_a_client_gives_back_what_was_begun() {
    each(|version, door| {
        let mut client = client(version, door);
        let one = client
            .end
            .publish(QoS::AtLeastOnce, message("one"))
            .unwrap();
        let two = client
            .end
            .publish(QoS::ExactlyOnce, message("two"))
            .unwrap();
        client.sent();
        client.receive(pub_rec(2));
        client.cut();
        let later = client
            .end
            .publish(QoS::AtLeastOnce, message("later"))
            .unwrap();
        client.end.connect(version, connect(0, false)).unwrap();
        let outcomes = client.outcomes();
        assert_eq!(outcomes.len(), 2);
        let lost = given_up(GivenUp::SessionLost, message("one"));
        assert!(outcomes.contains(&(one, lost)));
        // The server had it, and now nobody knows.
        assert!(outcomes.contains(&(two, Outcome::Uncertain(None))));
        assert_eq!(client.sent(), ["CONNECT"]);
        client.receive(accepting(false));
        let sent = client.packets();
        assert_eq!(sent.len(), 1);
        client.receive(pub_ack(sent[0].packet_id().unwrap().get()));
        assert_eq!(client.outcomes(), [(later, ACCEPTED)]);
    });
}

/// 3.1.1 lets a client go on with its session although Session Present is 0.
#[test]
fn a20_a_server_that_never_says_session_present() {
    each(|version, door| {
        for assumes in [false, true] {
            let end = client::Connection::new();
            let end = if assumes {
                end.assume_session_present()
            } else {
                end
            };
            let connect = asking(version, 0, true);
            let mut client = client_with(version, door, connect, end, accepting(false));
            let call = client.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
            assert_eq!(client.sent(), ["m 1 1"]);
            client.cut();
            client.events();
            client
                .end
                .connect(version, asking(version, 0, true))
                .unwrap();
            assert_eq!(client.sent(), ["CONNECT"]);
            client.receive(accepting(false));
            let connected = client.events();
            let present = connected.iter().find_map(|event| match event {
                Event::Connected(connack) => Some(connack.session_present),
                _ => None,
            });
            let goes_on = assumes && version == Version::V311;
            assert_eq!(present, Some(goes_on));
            if goes_on {
                assert_eq!(client.sent(), ["m 1 1 again"]);
                client.receive(pub_ack(1));
                assert_eq!(client.outcomes(), [(call, ACCEPTED)]);
            } else {
                let lost = given_up(GivenUp::SessionLost, message("m"));
                assert!(connected.contains(&Event::Published(call, lost)));
                assert!(client.sent().is_empty());
            }
            // A clean start is believed.
            client.cut();
            client
                .end
                .connect(version, asking(version, 0, false))
                .unwrap();
            assert_eq!(client.sent(), ["CONNECT"]);
            client.receive(accepting(false));
            assert!(client.end.is_connected());
        }
    });
}

#[test]
fn a25_every_answer_is_an_outcome() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let publish = |wire: &mut Wire<R>, qos| {
            let call = wire.end.publish(qos, message("m")).unwrap();
            let sent = wire.packets();
            (call, sent[0].packet_id().map_or(0, |id| id.get()))
        };
        let (call, _) = publish(&mut wire, QoS::AtMostOnce);
        assert_eq!(wire.outcomes(), [(call, Outcome::Sent)]);
        let (call, id) = publish(&mut wire, QoS::AtLeastOnce);
        wire.receive(pub_ack(id));
        assert_eq!(wire.outcomes(), [(call, ACCEPTED)]);
        let (call, id) = publish(&mut wire, QoS::ExactlyOnce);
        wire.receive(pub_rec(id));
        wire.receive(pub_rec(id));
        assert_eq!(wire.outcomes(), []);
        wire.sent();
        wire.receive(pub_comp(id));
        assert_eq!(wire.outcomes(), [(call, ACCEPTED)]);
        wire.receive(pub_comp(id));
        assert_eq!(wire.outcomes(), []);
        if wire.version == Version::V311 {
            return;
        }
        let nobody = ReasonCode::NoMatchingSubscribers;
        let (call, id) = publish(&mut wire, QoS::AtLeastOnce);
        wire.receive(with_code(pub_ack(id), nobody));
        assert_eq!(wire.outcomes(), [(call, Outcome::Accepted(nobody))]);
        for reason in [
            ReasonCode::QuotaExceeded,
            ReasonCode::NotAuthorized,
            ReasonCode::PacketIdentifierInUse,
        ] {
            let refused = || Outcome::Refused(reason, Some(Box::new(message("m"))));
            let (call, id) = publish(&mut wire, QoS::AtLeastOnce);
            wire.receive(with_code(pub_ack(id), reason));
            assert_eq!(wire.outcomes(), [(call, refused())]);
            let (call, id) = publish(&mut wire, QoS::ExactlyOnce);
            wire.receive(with_code(pub_rec(id), reason));
            assert_eq!(wire.outcomes(), [(call, refused())]);
            assert!(wire.sent().is_empty());
        }
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a25_what_never_left_is_given_back() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        let end = &mut wire.end;
        let zero = end.publish(QoS::AtMostOnce, message("zero")).unwrap();
        let one = end.publish(QoS::AtLeastOnce, message("one")).unwrap();
        wire.cut();
        let lost = given_up(GivenUp::ConnectionLost, message("zero"));
        assert_eq!(wire.outcomes(), [(zero, lost)]);
        R::reconnect(&mut wire, true);
        assert_eq!(wire.sent(), ["one 1 1"]);
        wire.receive(pub_ack(1));
        assert_eq!(wire.outcomes(), [(one, ACCEPTED)]);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a25_what_the_caller_takes_back_has_an_outcome_too() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        const ABANDONED: Outcome = Outcome::GivenUp(GivenUp::Abandoned, None);
        let taken = |wire: &mut Wire<R>, call| {
            assert_eq!(wire.end.abandon(call), Some(message("m")));
            assert_eq!(wire.end.abandon(call), None, "once");
        };
        // Never sent: at once.
        for qos in [0, 1, 2] {
            let qos = QoS::new(qos).unwrap();
            let call = wire.end.publish(qos, message("m")).unwrap();
            taken(&mut wire, call);
            assert_eq!(wire.outcomes(), [(call, ABANDONED)]);
            assert!(wire.sent().is_empty());
        }
        // Sent: with the answer.
        let call = wire.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
        let id = wire.packets()[0].packet_id().unwrap().get();
        taken(&mut wire, call);
        assert_eq!(wire.outcomes(), []);
        wire.receive(pub_ack(id));
        assert_eq!(wire.outcomes(), [(call, ACCEPTED)]);
        // Sent, and no answer comes on this connection.
        let one = wire.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
        let two = wire.end.publish(QoS::ExactlyOnce, message("m")).unwrap();
        let id = wire.packets()[1].packet_id().unwrap().get();
        taken(&mut wire, one);
        taken(&mut wire, two);
        wire.cut();
        assert_eq!(wire.outcomes(), [(one, ABANDONED)]);
        R::reconnect(&mut wire, true);
        assert_eq!(wire.sent(), [format!("PUBREL {id}")]);
        wire.receive(pub_comp(id));
        let outcomes = wire.outcomes();
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0].0, two);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a25_what_the_next_server_does_not_take_is_given_back() {
    for door in DOORS {
        let mut end = client::Connection::new();
        let mut retained = message("retained");
        retained.retain = true;
        let one = end.publish(QoS::AtLeastOnce, message("one")).unwrap();
        let two = end.publish(QoS::ExactlyOnce, message("two")).unwrap();
        let kept = end.publish(QoS::AtLeastOnce, retained.clone()).unwrap();
        let mut large = message("large");
        large.payload = vec![0; 100].into();
        let four = end.publish(QoS::AtLeastOnce, large.clone()).unwrap();
        let mut connack = accepting(false);
        let properties = ConnAckProperties::builder();
        let properties = properties.maximum_qos(MaximumQoS::AtLeastOnce);
        let properties = properties.retain_available(false);
        let size = core::num::NonZeroU32::new(50).unwrap();
        connack.properties = properties.maximum_packet_size(size).build();
        let mut client = client_with(Version::V5, door, connect(0, true), end, connack);
        assert_eq!(client.sent(), ["one 1 1"]);
        client.receive(pub_ack(1));
        let not = |why| GivenUp::NotSupported(why);
        let code = |code| not(ConnectionError::NotSupported(code));
        let mut outcomes: BTreeMap<_, _> = client.outcomes().into_iter().collect();
        assert_eq!(outcomes.len(), 4);
        assert_eq!(outcomes.remove(&one), Some(ACCEPTED));
        let expected = given_up(code(ReasonCode::QoSNotSupported), message("two"));
        assert_eq!(outcomes.remove(&two), Some(expected));
        let expected = given_up(code(ReasonCode::RetainNotSupported), retained);
        assert_eq!(outcomes.remove(&kept), Some(expected));
        let expected = given_up(not(ConnectionError::PacketTooLarge), large);
        assert_eq!(outcomes.remove(&four), Some(expected));
    }
}

#[test]
fn a33_in_use_is_no_error_of_a_message_that_was_sent_again() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        let mut calls = Vec::new();
        for _ in 0..7 {
            calls.push(wire.end.publish(QoS::ExactlyOnce, message("m")).unwrap());
        }
        wire.sent();
        wire.cut();
        R::reconnect(&mut wire, true);
        assert_eq!(wire.sent().last().unwrap(), "m 2 7 again");
        wire.outcomes();
        wire.read(b"\x50\x04\x00\x07\x91\x00");
        let in_use = ReasonCode::PacketIdentifierInUse;
        let uncertain = Outcome::Uncertain(Some(in_use));
        assert_eq!(wire.outcomes(), [(calls[6], uncertain)]);
        // Another code is a refusal all the same.
        let reason = ReasonCode::NotAuthorized;
        wire.receive(with_code(pub_rec(6), reason));
        let refused = Outcome::Refused(reason, Some(Box::new(message("m"))));
        assert_eq!(wire.outcomes(), [(calls[5], refused)]);
        // And success is success.
        wire.receive(pub_rec(5));
        assert_eq!(wire.sent(), ["PUBREL 5"]);
        wire.receive(pub_comp(5));
        assert_eq!(wire.outcomes(), [(calls[4], ACCEPTED)]);
    }
    for door in DOORS {
        check(client(Version::V5, door));
        check(server(Version::V5, door));
    }
}

#[test]
fn a33_unknown_to_pubrel_is_none_either() {
    fn check<R: Reconnect>(mut wire: Wire<R>, cut: bool) {
        let call = wire.end.publish(QoS::ExactlyOnce, message("m")).unwrap();
        wire.sent();
        wire.receive(pub_rec(1));
        assert_eq!(wire.sent(), ["PUBREL 1"]);
        if cut {
            wire.cut();
            R::reconnect(&mut wire, true);
            assert_eq!(wire.sent(), ["PUBREL 1"]);
        }
        let unknown = ReasonCode::PacketIdentifierNotFound;
        wire.outcomes();
        wire.receive(with_code(pub_comp(1), unknown));
        // The peer said PUBREC, so it has, or had, the message.
        let outcomes = wire.outcomes();
        assert_eq!(outcomes, [(call, Outcome::Uncertain(Some(unknown)))]);
    }
    for door in DOORS {
        for cut in [false, true] {
            check(client(Version::V5, door), cut);
            check(server(Version::V5, door), cut);
        }
    }
}

#[test]
fn a33_in_use_at_qos_1() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        let call = wire.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
        wire.sent();
        wire.cut();
        R::reconnect(&mut wire, true);
        assert_eq!(wire.sent(), ["m 1 1 again"]);
        let in_use = ReasonCode::PacketIdentifierInUse;
        wire.outcomes();
        wire.receive(with_code(pub_ack(1), in_use));
        let outcomes = wire.outcomes();
        assert_eq!(outcomes, [(call, Outcome::Uncertain(Some(in_use)))]);
    }
    for door in DOORS {
        check(client(Version::V5, door));
        check(server(Version::V5, door));
    }
}

/// Xorshift: the same numbers in every run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % end
    }
}

/// The calls that have no outcome yet, with their payload.
type Open = BTreeMap<CallId, String>;

fn settle<R: Role>(wire: &mut Wire<R>, open: &mut Open, note: &str) {
    for (call, outcome) in wire.outcomes() {
        let payload = open.remove(&call);
        let payload = payload.unwrap_or_else(|| panic!("{note}: {call}: {outcome:?} once more"));
        if let Outcome::GivenUp(_, Some(message)) | Outcome::Refused(_, Some(message)) = outcome {
            assert_eq!(message.payload, payload, "{note}: another message");
        }
    }
}

/// A peer that answers one of the packets that it got, in any order, with any code.
fn answer<R: Role>(wire: &mut Wire<R>, got: &mut Vec<Packet>, rng: &mut Rng) {
    if got.is_empty() {
        return;
    }
    let index = usize::try_from(rng.below(got.len() as u64)).unwrap();
    let packet = got.remove(index);
    let v5 = wire.version == Version::V5;
    let code = match rng.below(4) {
        0 if v5 => ReasonCode::PacketIdentifierInUse,
        1 if v5 => ReasonCode::QuotaExceeded,
        _ => ReasonCode::Success,
    };
    let Some(id) = packet.packet_id().map(|id| id.get()) else {
        return;
    };
    let answer = match packet {
        Packet::Publish(publish) if publish.qos() == QoS::AtLeastOnce => pub_ack(id),
        Packet::Publish(_) => pub_rec(id),
        Packet::PubRel(_) => {
            let unknown = ReasonCode::PacketIdentifierNotFound;
            let code = if v5 && rng.below(3) == 0 {
                unknown
            } else {
                ReasonCode::Success
            };
            wire.receive(with_code(pub_comp(id), code));
            return;
        }
        _ => return,
    };
    wire.receive(with_code(answer, code));
}

fn history<R: Reconnect>(mut wire: Wire<R>, seed: u64) {
    let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut open, mut got, mut number) = (Open::new(), Vec::new(), 0);
    let mut time = 0;
    for step in 0..300 {
        let note = format!("seed {seed}, step {step}, {:?}", wire.version);
        match rng.below(20) {
            0..=6 => {
                let qos = QoS::new(u8::try_from(rng.below(3)).unwrap()).unwrap();
                let payload = format!("m/{number}");
                number += 1;
                let message = match rng.below(3) {
                    0 if wire.version == Version::V5 => expiring(&payload, 5),
                    _ => message(&payload),
                };
                match wire.end.publish(qos, message) {
                    Ok(call) => assert_eq!(open.insert(call, payload), None, "{note}"),
                    Err(refused) => assert_eq!(refused.given.payload, payload, "{note}"),
                }
            }
            7..=10 => got.extend(wire.one()),
            11..=14 => answer(&mut wire, &mut got, &mut rng),
            15 => {
                time += rng.below(4_000);
                wire.at(time);
            }
            16 => {
                let index = usize::try_from(rng.below(open.len() as u64 + 1)).unwrap();
                if let Some((call, payload)) = open.iter().nth(index) {
                    if let Some(taken) = wire.end.abandon(*call) {
                        assert_eq!(taken.payload, payload.as_bytes(), "{note}");
                    }
                }
            }
            17 => drop(wire.end.disconnect(normal())),
            _ => {
                got.clear();
                wire.cut();
                // A server's caller keeps the session, so that nothing is dropped unseen.
                let session = !wire.is_client() || rng.below(2) == 0;
                R::reconnect(&mut wire, session);
            }
        }
        settle(&mut wire, &mut open, &note);
        if !wire.end.is_connected() && rng.below(3) == 0 {
            got.clear();
            wire.cut();
            R::reconnect(&mut wire, true);
            settle(&mut wire, &mut open, &note);
        }
    }
    // In the end all is answered.
    wire.cut();
    R::reconnect(&mut wire, true);
    got.clear();
    for _ in 0..2_000 {
        got.extend(wire.packets());
        answer(&mut wire, &mut got, &mut rng);
        settle(&mut wire, &mut open, "end");
    }
    assert_eq!(open, Open::new(), "seed {seed}: without an outcome");
    assert_eq!(wire.end.session().packet_ids_in_use(), 0, "seed {seed}");
}

#[test]
fn a25_every_publish_ends_once_in_any_history() {
    for seed in 0..60 {
        each(|version, door| {
            history(client(version, door), seed);
            history(server(version, door), seed);
        });
    }
}

#[test]
fn a25_a_session_that_ends_with_its_connection_leaves_nothing_open() {
    fn check<R: Role>(mut wire: Wire<R>, seed: u64) {
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (mut open, mut got) = (Open::new(), Vec::new());
        for number in 0..40 {
            let qos = QoS::new(u8::try_from(rng.below(3)).unwrap()).unwrap();
            let payload = format!("m/{number}");
            let call = wire.end.publish(qos, message(&payload)).unwrap();
            open.insert(call, payload);
            if rng.below(2) == 0 {
                got.extend(wire.one());
            }
            answer(&mut wire, &mut got, &mut rng);
            if rng.below(8) == 0 {
                let call = *open.keys().next().unwrap();
                wire.end.abandon(call);
            }
        }
        wire.cut();
        settle(&mut wire, &mut open, "cut");
        // A client keeps what was never sent; at a server, there is nowhere to send it.
        let kept: Vec<_> = wire.end.session().messages().map(|m| m.call).collect();
        assert_eq!(open.keys().copied().collect::<Vec<_>>(), kept);
        assert!(wire.is_client() || kept.is_empty());
    }
    for seed in 0..30 {
        each(|version, door| {
            check(client_keeping(version, door, false), seed);
            check(server_keeping(version, door, false), seed);
        });
    }
}

#[test]
fn a25_outcomes_that_nobody_polls_are_limited() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let mut accepted = 0;
        while wire.end.publish(QoS::AtMostOnce, message("m")).is_ok() {
            accepted += 1;
            assert_eq!(wire.one().unwrap().packet_type(), PacketType::Publish);
            assert!(accepted <= 1_024);
        }
        assert_eq!(accepted, wire.outcomes().len());
        assert!(wire.end.publish(QoS::AtMostOnce, message("m")).is_ok());
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a25_what_was_published_before_connack_is_held_against_it() {
    for door in DOORS {
        let mut client = Wire::over(client::Connection::new(), Side::Client, Version::V5, door);
        client.end.connect(Version::V5, connect(0, true)).unwrap();
        let mut retained = message("retained");
        retained.retain = true;
        let mut large = message("large");
        large.payload = vec![0; 100].into();
        let first = client.end.publish(QoS::AtMostOnce, retained.clone());
        let second = client.end.publish(QoS::AtMostOnce, large.clone());
        let third = client.end.publish(QoS::AtMostOnce, message("good"));
        assert_eq!(client.sent(), ["CONNECT"]);
        let mut connack = accepting(false);
        let properties = ConnAckProperties::builder().retain_available(false);
        let size = core::num::NonZeroU32::new(50).unwrap();
        connack.properties = properties.maximum_packet_size(size).build();
        client.receive(connack);
        assert_eq!(client.sent(), ["good"]);
        let code = ConnectionError::NotSupported(ReasonCode::RetainNotSupported);
        let too_large = ConnectionError::PacketTooLarge;
        let expected = [
            (
                first.unwrap(),
                given_up(GivenUp::NotSupported(code), retained),
            ),
            (
                second.unwrap(),
                given_up(GivenUp::NotSupported(too_large), large),
            ),
            (third.unwrap(), Outcome::Sent),
        ];
        assert_eq!(client.outcomes(), expected);
    }
}

#[test]
fn a25_what_3_1_1_cannot_say_is_never_sent_nor_said_to_be() {
    for door in DOORS {
        let mut end = client::Connection::new();
        let offline = end.publish(QoS::AtLeastOnce, expiring("m", 50)).unwrap();
        let mut client = Wire::over(end, Side::Client, Version::V311, door);
        client.end.connect(Version::V311, connect(0, true)).unwrap();
        // The version is known from here on.
        for qos in [0, 1, 2] {
            let qos = QoS::new(qos).unwrap();
            let refused = client.end.publish(qos, expiring("n", 50)).unwrap_err();
            assert!(matches!(refused.why, ConnectionError::Encode(_)));
            assert_eq!(refused.given, expiring("n", 50));
        }
        assert_eq!(client.sent(), ["CONNECT"]);
        client.receive(accepting(false));
        assert_eq!(client.sent(), [""; 0]);
        let outcomes = client.outcomes();
        let [(call, Outcome::GivenUp(why, Some(message)))] = &outcomes[..] else {
            panic!("{outcomes:?}");
        };
        assert_eq!((*call, &**message), (offline, &expiring("m", 50)));
        assert!(matches!(
            why,
            GivenUp::NotSupported(ConnectionError::Encode(_))
        ));
    }
}

#[test]
fn a25_a_session_belongs_to_its_client_identifier() {
    each(|version, door| {
        let mut client = client(version, door);
        let call = client.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
        client.sent();
        client.cut();
        let mut other = asking(version, 0, true);
        other.client_id = "other".parse().unwrap();
        client.end.connect(version, other).unwrap();
        assert_eq!(client.sent(), ["CONNECT"]);
        client.receive(accepting(false));
        let lost = given_up(GivenUp::SessionLost, message("m"));
        assert_eq!(client.outcomes(), [(call, lost)]);
        assert_eq!(client.sent(), [""; 0]);
    });
}
