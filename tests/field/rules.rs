//! Rules that peers break: one script a rule, refused when strict, gone on from when that rule is
//! let go, refused when all others are. A rule without a script fails.

use core::time::Duration;

use mqtt_sansio::connection::{
    Client, Closed, Connection, Event, Outcome, Role, Server, Violation, client,
};
use mqtt_sansio::packet::{Auth, ConnAck, Connect};
use mqtt_sansio::property::{AckProperties, ConnAckProperties, ConnectProperties};
use mqtt_sansio::{QoS, ReasonCode, Replaced, Rule, Rules, Side, Text, Version};

use crate::wire::*;

/// How a connection went on: the rules that were let go, and its end, if it has one.
#[derive(Debug, PartialEq)]
struct End {
    let_go: Vec<Rule>,
    ended: Result<(), Closed>,
}

fn end<R: Role>(mut wire: Wire<R>) -> End {
    let mut ended = wire.end.ended();
    // What both ends name so that they can be compared.
    if let Err(Closed::Refused(connack)) = &mut ended {
        connack.properties = ConnAckProperties::default();
    }
    let mut let_go: Vec<_> = wire
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::LetGo(rule) => Some(rule),
            _ => None,
        })
        .collect();
    // A decoder of the caller's reports by itself, and the connection what it let go in turn.
    let_go.extend(wire.let_go());
    let_go.dedup();
    End { let_go, ended }
}

/// A client that reads bytes once it is connected.
fn client_reads(version: Version, door: Door, rules: Rules, bytes: &[u8]) -> End {
    let mut wire = lenient_client(version, door, rules, connect(0, true), accepting(false));
    wire.read(bytes);
    end(wire)
}

fn lenient_client(
    version: Version,
    door: Door,
    rules: Rules,
    connect: Connect,
    connack: ConnAck,
) -> Wire<Client> {
    let mut wire = unanswered(version, door, rules, connect);
    wire.receive(connack);
    wire
}

/// A client that has sent CONNECT.
fn unanswered(version: Version, door: Door, rules: Rules, connect: Connect) -> Wire<Client> {
    let end = client::Connection::new().rules(rules).max_packet_size(100);
    let mut wire = Wire::over(end, Side::Client, version, door);
    (wire.rules, wire.limit) = (rules, 100);
    wire.replug();
    wire.end.connect(version, connect).unwrap();
    assert_eq!(wire.sent()[0], "CONNECT");
    wire
}

/// A server that reads bytes as the first of a connection.
fn server_begins(door: Door, rules: Rules, bytes: &[u8]) -> End {
    let end_of = Connection::keeping(Duration::ZERO, Duration::from_secs(10)).rules(rules);
    let mut wire: Wire<Server> = Wire::over(end_of, Side::Server, Version::V311, door);
    wire.rules = rules;
    wire.replug();
    wire.read(bytes);
    end(wire)
}

/// A server that reads bytes once it is connected.
fn server_reads(version: Version, door: Door, rules: Rules, bytes: &[u8]) -> End {
    let mut wire = lenient_server(version, door, rules, asking(version, 10, true));
    wire.read(bytes);
    end(wire)
}

fn lenient_server(version: Version, door: Door, rules: Rules, connect: Connect) -> Wire<Server> {
    let end_of = Connection::keeping(Duration::ZERO, Duration::from_secs(10)).rules(rules);
    let mut wire = Wire::over(end_of, Side::Server, version, door);
    wire.rules = rules;
    wire.replug();
    assert_eq!(wire.receive(connect), [Got::Connect]);
    let connack = ConnAck::new(ReasonCode::Success);
    wire.end.accept(wire.now, connack, &mut None).unwrap();
    wire.sent();
    wire
}

/// Breaks `rule` in each version that has it, at each side that judges it.
fn scripts(rule: Rule, door: Door, rules: Rules) -> Vec<End> {
    use Version::{V5, V311};
    let client = |version, bytes: &[u8]| client_reads(version, door, rules, bytes);
    let server = |version, bytes: &[u8]| server_reads(version, door, rules, bytes);
    let begins = |bytes: &[u8]| server_begins(door, rules, bytes);
    match rule {
        Rule::FixedHeaderFlags => vec![
            client(V311, b"\xD2\x00"),
            server(V5, b"\x80\x07\x00\x01\x00\x00\x01#\x00"),
            begins(b"\x12\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x01c"),
        ],
        Rule::DupAtQoS0 => vec![
            client(V311, b"\x38\x03\x00\x01t"),
            server(V5, b"\x38\x04\x00\x01t\x00"),
        ],
        Rule::ShortestLength => vec![
            client(V5, b"\xD0\x80\x00"),
            server(V5, b"\x30\x05\x00\x01t\x80\x00"),
            begins(b"\x10\x8E\x00\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c"),
        ],
        Rule::TrailingBytes => vec![
            client(V311, b"\xD0\x01\x00"),
            server(V5, b"\xC0\x01\x00"),
            begins(b"\x10\x0E\x00\x04MQTT\x04\x02\x00\x00\x00\x01c!"),
        ],
        Rule::ZeroPacketId => vec![
            client(V311, b"\x32\x05\x00\x01t\x00\x00"),
            server(V5, b"\x82\x07\x00\x00\x00\x00\x01#\x00"),
            server(V311, b"\x82\x06\x00\x00\x00\x01#\x00"),
        ],
        Rule::PacketTooLarge => {
            let bytes = [b"\x32\x96\x01\x00\x01t\x00\x07", &[b'x'; 145][..]].concat();
            vec![client(V311, &bytes), client(V5, &bytes)]
        }
        Rule::PublishText => vec![
            client(V311, b"\x32\x06\x00\x02\xC3\x28\x00\x07"),
            client(V5, b"\x30\x03\x00\x00\x00"),
            server(V5, b"\x30\x08\x00\x01t\x04\x03\x00\x01\x00"),
        ],
        Rule::PayloadFormatIndicator => vec![
            client(V5, b"\x30\x06\x00\x01t\x02\x01\x37"),
            server(V5, b"\x30\x06\x00\x01t\x02\x01\x4D"),
        ],
        Rule::BridgeBit => vec![begins(b"\x10\x0D\x00\x04MQTT\x84\x02\x00\x00\x00\x01c")],
        Rule::Mqtt31 => vec![begins(b"\x10\x0F\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01c")],
        Rule::ReservedConnectFlag => vec![
            begins(b"\x10\x0D\x00\x04MQTT\x04\x03\x00\x00\x00\x01c"),
            begins(b"\x10\x0E\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x01c"),
        ],
        Rule::WillFlags => vec![
            begins(b"\x10\x0D\x00\x04MQTT\x04\x2A\x00\x00\x00\x01c"),
            begins(b"\x10\x0E\x00\x04MQTT\x05\x22\x00\x00\x00\x00\x01c"),
        ],
        Rule::PasswordWithoutUserName => {
            vec![begins(
                b"\x10\x10\x00\x04MQTT\x04\x42\x00\x00\x00\x01c\x00\x01p",
            )]
        }
        Rule::SubscriptionOptions => vec![
            server(V311, b"\x82\x06\x00\x01\x00\x01#\x04"),
            server(V5, b"\x82\x07\x00\x01\x00\x00\x01#\xC0"),
        ],
        Rule::NoLocalOnShared => vec![server(V5, b"\x82\x10\x00\x01\x00\x00\x0A$share/g/a\x04")],
        Rule::KeepAlive => [V311, V5]
            .map(|version| silent_client(version, door, rules))
            .into(),
        Rule::ConnAckFlags => vec![answered(V311, door, rules, b"\x20\x02\x02\x00")],
        Rule::SessionPresentWithError => vec![
            answered(V311, door, rules, b"\x20\x02\x01\x05"),
            answered(V5, door, rules, b"\x20\x03\x01\x87\x00"),
        ],
        Rule::ConnAckCode => vec![
            answered(V311, door, rules, b"\x20\x02\x00\x8E"),
            answered(V5, door, rules, b"\x20\x03\x00\xFE\x00"),
        ],
        Rule::SessionPresent => vec![
            answered(V311, door, rules, b"\x20\x02\x01\x00"),
            answered(V5, door, rules, b"\x20\x03\x01\x00\x00"),
        ],
        Rule::ConnAckMethod => {
            let mut asking = connect(0, true);
            let method = Text::new("m").unwrap();
            let properties = ConnectProperties::builder();
            asking.properties = properties.authentication_method(method).build();
            let wire = lenient_client(V5, door, rules, asking, accepting(false));
            vec![end(wire)]
        }
        Rule::SecondConnAck => vec![
            client(V311, b"\x20\x02\x00\x00"),
            client(V5, b"\x20\x03\x00\x87\x00"),
        ],
        Rule::ServerDisconnect => vec![client(V311, b"\xE0\x00"), client(V311, b"\xE0\x01\x8E")],
        Rule::ProblemInformation => vec![explained(door, rules)],
        Rule::PubAckAtQoS2 => [V311, V5]
            .map(|version| {
                let (wire, outcomes) = answered_with_pub_ack(version, door, rules);
                let completed = matches!(outcomes[..], [Outcome::Accepted(_)]);
                assert_eq!(completed, rules.lets_go(rule));
                end(wire)
            })
            .into(),
        Rule::PacketIdInUse => [V311, V5]
            .map(|version| {
                let mut wire = lenient_server(version, door, rules, asking(version, 10, true));
                wire.message(2, 1, "old");
                wire.message(1, 1, "new");
                end(wire)
            })
            .into(),
        Rule::ReceiveMaximum => vec![end(flooded(door, rules, 2).0)],
        rule => panic!("no script breaks {rule}"),
    }
}

/// A client that awaits CONNACK and reads this one.
fn answered(version: Version, door: Door, rules: Rules, bytes: &[u8]) -> End {
    let mut asking = connect(0, true);
    asking.clean_start = true;
    let mut wire = unanswered(version, door, rules, asking);
    wire.read(bytes);
    end(wire)
}

/// A server whose client is silent for two of its keep alives.
fn silent_client(version: Version, door: Door, rules: Rules) -> End {
    let mut wire = lenient_server(version, door, rules, asking(version, 10, true));
    wire.at(20_000);
    end(wire)
}

/// A client that has asked for no problem information gets some.
fn explained(door: Door, rules: Rules) -> End {
    let mut asking = connect(0, true);
    let properties = ConnectProperties::builder();
    asking.properties = properties.request_problem_information(false).build();
    let mut wire = lenient_client(Version::V5, door, rules, asking, accepting(false));
    wire.end.publish(QoS::AtLeastOnce, message("t")).unwrap();
    wire.end.subscribe(filters("#")).unwrap();
    wire.sent();
    let why = AckProperties::builder().reason_string(Text::new("why").unwrap());
    let mut ack = mqtt_sansio::packet::Ack::new(id(1));
    ack.properties = why.build();
    wire.receive(mqtt_sansio::Packet::PubAck(ack));
    // The same in SUBACK, of which one event is told.
    wire.read(b"\x90\x0A\x00\x02\x06\x1F\x00\x03why\x01");
    end(wire)
}

#[test]
fn auth_explains_itself_as_acknowledgements_do() {
    let method = Text::new("m").unwrap();
    for door in DOORS {
        for rules in [
            Rules::STRICT,
            Rules::STRICT.without(Rule::ProblemInformation),
        ] {
            let mut asking = connect(0, true);
            let properties = ConnectProperties::builder().authentication_method(method);
            asking.properties = properties.request_problem_information(false).build();
            let mut connack = accepting(false);
            let properties = ConnAckProperties::builder().authentication_method(method);
            connack.properties = properties.build();
            let mut wire = lenient_client(Version::V5, door, rules, asking, connack);
            let again = Auth::new(ReasonCode::ReAuthenticate, method);
            wire.end.auth(again).unwrap();
            assert_eq!(wire.sent().len(), 1);
            wire.read(b"\xF0\x0C\x18\x0A\x15\0\x01m\x1F\0\x03why");
            let let_go = rules.iter().collect();
            let ended = match rules == Rules::STRICT {
                true => Err(Closed::Violated(Violation::ProblemInformation)),
                false => Ok(()),
            };
            assert_eq!(end(wire), End { let_go, ended });
        }
    }
}

/// A message of QoS 2 that is answered with PUBACK.
fn answered_with_pub_ack(
    version: Version,
    door: Door,
    rules: Rules,
) -> (Wire<Client>, Vec<Outcome>) {
    let mut wire = lenient_client(version, door, rules, connect(0, true), accepting(false));
    wire.end.publish(QoS::ExactlyOnce, message("t")).unwrap();
    assert_eq!(wire.sent().len(), 1);
    wire.receive(pub_ack(1));
    let (mut outcomes, mut others) = (Vec::new(), Vec::new());
    for event in wire.events() {
        match event {
            Event::Published(_, outcome) => outcomes.push(outcome),
            other => others.push(other),
        }
    }
    wire.before = others;
    (wire, outcomes)
}

/// A client with Receive Maximum 2 that gets `beyond` messages more, none of them acknowledged.
fn flooded(door: Door, rules: Rules, beyond: u16) -> (Wire<Client>, Vec<Got>) {
    let mut asking = connect(0, true);
    let properties = ConnectProperties::builder();
    let maximum = core::num::NonZeroU16::new(2).unwrap();
    asking.properties = properties.receive_maximum(maximum).build();
    let mut wire = lenient_client(Version::V5, door, rules, asking, accepting(false));
    let got = (1..=2 + beyond)
        .flat_map(|at| wire.message(1, at, "t"))
        .collect();
    (wire, got)
}

/// The rules whose breach ends the connection all the same, with what was said.
const ENDS: [Rule; 4] = [
    Rule::SessionPresentWithError,
    Rule::ConnAckCode,
    Rule::ServerDisconnect,
    Rule::SecondConnAck,
];

#[test]
fn each_rule_is_let_go_alone() {
    for door in DOORS {
        for &rule in Rule::ALL {
            let strict = scripts(rule, door, Rules::STRICT);
            let without = scripts(rule, door, Rules::STRICT.without(rule));
            let all_others = scripts(rule, door, Rules::LENIENT.with(rule));
            assert!(!strict.is_empty());
            for ((strict, without), all_others) in strict.iter().zip(without).zip(all_others) {
                assert_eq!(strict.let_go, [], "{rule} {door:?}");
                assert_eq!(all_others, *strict, "{rule} {door:?}");
                let text = match &strict.ended {
                    Err(Closed::TimedOut) if rule == Rule::KeepAlive => continue,
                    Err(closed) => closed.to_string(),
                    Ok(()) => panic!("{rule} {door:?}: not refused"),
                };
                assert!(text.ends_with(&format!("(rule {rule})")), "{rule}: {text}");
                assert_eq!(without.let_go, [rule], "{rule} {door:?}");
                match &without.ended {
                    Ok(()) => {}
                    Err(Closed::Refused(_) | Closed::Disconnected(_)) if ENDS.contains(&rule) => {}
                    ended => panic!("{rule} {door:?}: {ended:?}"),
                }
            }
        }
    }
}

/// The rows of FIELD whose rules need no more than their script.
#[test]
fn b6_b8_b9_b11_b12_are_let_go_by_name() {
    let rows = [
        (6, &[Rule::SessionPresent][..]),
        (8, &[Rule::ConnAckMethod]),
        (9, &[Rule::ProblemInformation]),
        (
            11,
            &[
                Rule::DupAtQoS0,
                Rule::FixedHeaderFlags,
                Rule::PayloadFormatIndicator,
                Rule::ZeroPacketId,
                Rule::TrailingBytes,
                Rule::WillFlags,
                Rule::PasswordWithoutUserName,
            ],
        ),
        (12, &[Rule::PubAckAtQoS2]),
    ];
    for door in DOORS {
        for (row, rules) in rows {
            for &rule in rules {
                for end in scripts(rule, door, Rules::STRICT.without(rule)) {
                    assert_eq!(
                        (&end.let_go[..], &end.ended),
                        (&[rule][..], &Ok(())),
                        "B{row}"
                    );
                }
            }
        }
    }
}

/// What ThingsBoard sends is acknowledged as if its reserved flags were not set.
#[test]
fn b11_answers_with_reserved_flags_count() {
    each(|version, door| {
        let rules = Rules::STRICT.without(Rule::FixedHeaderFlags);
        let mut wire = lenient_client(version, door, rules, connect(0, true), accepting(false));
        wire.end.publish(QoS::AtLeastOnce, message("t")).unwrap();
        assert_eq!(wire.sent(), ["t 1 1"]);
        wire.read(b"\x42\x02\x00\x01");
        assert!(matches!(wire.outcomes()[..], [(_, Outcome::Accepted(_))]));
    });
}

/// The message says which packet of which QoS, and what to do.
#[test]
fn a19_puback_at_qos_2_says_what_to_do() {
    for door in DOORS {
        let (wire, _) = answered_with_pub_ack(Version::V311, door, Rules::STRICT);
        let text = wire.end.ended().unwrap_err().to_string();
        for part in [
            "PUBACK",
            "PUBLISH of QoS 2",
            "publish at QoS 1",
            "(rule puback-at-qos-2)",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}

/// A message that is skipped is still one that may not come before CONNACK.
#[test]
fn nothing_is_skipped_before_conn_ack() {
    for version in VERSIONS {
        for door in DOORS {
            let mut wire = unanswered(version, door, Rules::LENIENT, connect(0, true));
            let got = wire.read(b"\x32\x06\x00\x02\xC3\x28\x00\x07");
            assert_eq!(got, []);
            assert!(matches!(wire.end.ended(), Err(Closed::Violated(_))));
        }
    }
}

/// A peer that does not read cannot make the connection hold refusals without end.
#[test]
fn b1_refusals_that_are_not_read_are_limited() {
    for door in DOORS {
        let rules = Rules::STRICT.packet_id_in_use(Replaced::Refuse);
        let mut wire = lenient_server(Version::V5, door, rules, asking(Version::V5, 10, true));
        wire.end = wire.end.clone().max_unread_answers(100);
        wire.message(2, 1, "old");
        let refused = (0..100).take_while(|_| {
            wire.message(1, 1, "new");
            wire.end.is_connected()
        });
        assert!((15..=25).contains(&refused.count()));
    }
}

/// A packet that was mended is delivered once, whatever follows it.
#[test]
fn nothing_that_was_mended_comes_twice() {
    each(|version, door| {
        for behind in [
            &b"\x00\x00"[..],
            b"\xD0\xFF\xFF\xFF\xFF",
            b"\x32\x02\x00\x05",
        ] {
            let mut wire = lenient_client(
                version,
                door,
                Rules::LENIENT,
                connect(0, true),
                accepting(false),
            );
            let publish: &[u8] = match version {
                Version::V311 => b"\x38\x03\x00\x01t",
                Version::V5 => b"\x38\x04\x00\x01t\x00",
            };
            let got = wire.read(&[publish, behind].concat());
            assert_eq!(got.len(), 1, "{got:?}");
            assert!(matches!(wire.end.ended(), Err(Closed::Malformed(_))));
        }
    });
}

#[test]
fn b1_a_device_that_lost_its_memory() {
    for door in DOORS {
        for version in VERSIONS {
            for (replaced, refuses) in [(Replaced::Replace, false), (Replaced::Refuse, true)] {
                for (before, after) in [(1, 2), (2, 1)] {
                    let ack = |qos| if qos == 1 { "PUBACK 1" } else { "PUBREC 1" };
                    let rules = Rules::STRICT.packet_id_in_use(replaced);
                    let mut wire = lenient_server(version, door, rules, asking(version, 10, true));
                    let old = wire.message(before, 1, "old")[0].token();
                    let new = wire.message(after, 1, "new");
                    assert!(wire.end.is_connected());
                    if refuses && version == Version::V5 {
                        assert_eq!(new, []);
                        let refused = format!("{} PacketIdentifierInUse", ack(after));
                        assert_eq!(wire.sent(), [refused]);
                        wire.end.acknowledge(old).unwrap();
                        assert_eq!(wire.sent(), [ack(before)]);
                    } else {
                        let new = new[0].token();
                        assert!(wire.end.acknowledge(old).is_err(), "its token is spent");
                        assert!(wire.sent().is_empty());
                        wire.end.acknowledge(new).unwrap();
                        assert_eq!(wire.sent(), [ack(after)]);
                    }
                }
            }
        }
    }
}

#[test]
fn b5_slack_is_a_number() {
    for door in DOORS {
        let rules = Rules::STRICT.receive_slack(3);
        let (mut wire, got) = flooded(door, rules, 3);
        assert_eq!(got.len(), 5);
        for got in &got {
            wire.end.acknowledge(got.token()).unwrap();
        }
        assert_eq!(wire.sent().len(), 5);
        let (mut wire, got) = flooded(door, rules, 4);
        assert_eq!(got.len(), 5, "and no more");
        // What is owed leaves before the end.
        wire.end.acknowledge(got[0].token()).ok();
        assert_eq!(
            wire.sent().last().unwrap(),
            "DISCONNECT ReceiveMaximumExceeded"
        );
        let (_, got) = flooded(door, Rules::STRICT.without(Rule::ReceiveMaximum), 5_000);
        assert_eq!(got.len(), 5_002);
    }
}

/// What the server said is in the reason of the end.
#[test]
fn b10_what_is_said_at_the_end() {
    for door in DOORS {
        let ended = |rule, bytes: &[u8]| {
            let rules = Rules::STRICT.without(rule);
            client_reads(Version::V311, door, rules, bytes)
                .ended
                .unwrap_err()
        };
        let Closed::Disconnected(last) = ended(Rule::ServerDisconnect, b"\xE0\x01\x8E") else {
            panic!();
        };
        assert_eq!(last.reason, ReasonCode::SessionTakenOver);
        let Closed::Refused(connack) = ended(Rule::SecondConnAck, b"\x20\x02\x00\x05") else {
            panic!();
        };
        assert_eq!(connack.reason, ReasonCode::NotAuthorized);
        let rules = Rules::STRICT.without(Rule::ConnAckCode);
        let end = answered(Version::V311, door, rules, b"\x20\x02\x00\x8E");
        let Closed::Refused(connack) = end.ended.unwrap_err() else {
            panic!();
        };
        assert_eq!(connack.reason, ReasonCode::UnspecifiedError);
    }
}

/// A message that is skipped comes with its token, through each door.
#[test]
fn b14_what_is_skipped_can_be_acknowledged() {
    each(|version, door| {
        let rules = Rules::STRICT.without(Rule::PublishText);
        let mut wire = lenient_client(version, door, rules, connect(0, true), accepting(false));
        let bytes: &[u8] = match version {
            Version::V311 => b"\x32\x06\x00\x02\xC3\x28\x00\x07",
            Version::V5 => b"\x32\x07\x00\x02\xC3\x28\x00\x07\x00",
        };
        let got = wire.read(bytes);
        assert_eq!(got.len(), 1, "{version:?} {door:?}");
        wire.end.acknowledge(got[0].token()).unwrap();
        assert_eq!(wire.sent(), ["PUBACK 7"]);
    });
}

#[test]
fn b13_c4_margins_of_keep_alive() {
    each(|version, door| {
        let rules = Rules::STRICT.keep_alive_percent(300);
        let mut wire = lenient_server(version, door, rules, asking(version, 10, true));
        wire.at(29_999);
        assert!(wire.end.is_connected());
        wire.at(30_000);
        assert_eq!(wire.end.ended(), Err(Closed::TimedOut));
    });
    // C4: a client is early enough for a clock that fires late.
    each(|version, door| {
        for (margin, due) in [
            (None, 950),
            (Some(0), 1_000),
            (Some(20), 800),
            (Some(100), 100),
        ] {
            let end = client::Connection::new();
            let end = match margin {
                Some(percent) => end.keep_alive_margin(percent),
                None => end,
            };
            let wire = client_with(version, door, connect(1, true), end, accepting(false));
            assert_eq!(wire.end.next_timeout(), Some(Duration::from_millis(due)));
        }
    });
}
