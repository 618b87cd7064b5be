#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use mqtt_sansio::Side::{Client, Server};

use super::*;
use crate::capture::made::{ACK, Random, SYN, Sent, pcap, sent};

const CONNECT: &[u8] = b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c";
/// With a session that is kept.
const KEPT: &[u8] = b"\x10\x0D\0\x04MQTT\x04\0\0\x3C\0\x01c";
const CONNACK: &[u8] = b"\x20\x02\0\0";
const PRESENT: &[u8] = b"\x20\x02\x01\0";
/// Of 5.0: Receive Maximum 1, Topic Alias Maximum 2, Maximum QoS 1, no retained messages.
const CONNECT_V5: &[u8] = b"\x10\x0E\0\x04MQTT\x05\x02\0\x3C\0\0\x01c";
const CONNACK_V5: &[u8] = b"\x20\x0D\0\0\x0A\x21\0\x01\x22\0\x02\x24\x01\x25\0";

/// What is said of connections in which these were sent, one after the other.
fn observe(connections: &[&[Packets<'_>]]) -> (String, bool) {
    let mut all = Vec::new();
    for (port, connection) in (50_000..).zip(connections) {
        let ports = (port, 1883);
        let mut next = [1, 1];
        for (side, flags) in [(Client, SYN), (Server, SYN | ACK)] {
            all.push(Sent {
                ports,
                flags,
                ..sent(side, 0, b"")
            });
        }
        for &(side, bytes) in *connection {
            let sequence = of(&mut next, side);
            all.push(Sent {
                ports,
                ..sent(side, *sequence, bytes)
            });
            *sequence += u32::try_from(bytes.len()).unwrap();
        }
    }
    report(&pcap(&all)).expect("a capture")
}

/// The problems of one connection, each without its time.
fn problems(opening: [&[u8]; 2], then: &[Packets<'_>]) -> Vec<String> {
    let opening = [(Client, opening[0]), (Server, opening[1])];
    let (text, good) = observe(&[&[&opening, then].concat()]);
    let lines = text
        .lines()
        .skip(1)
        .filter(|line| !line.contains(" from the "));
    let found: Vec<_> = lines
        .map(|line| match line.split_once(", ") {
            Some((time, problem)) if time.trim().parse::<f64>().is_ok() => problem.to_owned(),
            _ => line.trim().to_owned(),
        })
        .collect();
    assert_eq!(good, found.is_empty());
    found
}

/// Bytes from one side.
type Packets<'a> = (Side, &'a [u8]);

const V311: [&[u8]; 2] = [CONNECT, CONNACK];
const V5: [&[u8]; 2] = [CONNECT_V5, CONNACK_V5];

#[test]
fn says_nothing_of_what_is_right() {
    let right: &[Packets<'_>] = &[
        (Client, b"\x82\x06\0\x01\0\x01t\x02"),
        (Server, b"\x90\x03\0\x01\x02"),
        (Client, b"\x34\x05\0\x01t\0\x01"),
        (Server, b"\x50\x02\0\x01"),
        (Client, b"\x62\x02\0\x01"),
        (Server, b"\x70\x02\0\x01"),
        (Server, b"\x32\x05\0\x01t\0\x01"),
        (Client, b"\x40\x02\0\x01"),
        (Client, b"\xC0\0"),
        (Server, b"\xD0\0"),
        (Client, b"\xA2\x05\0\x02\0\x01t"),
        (Server, b"\xB0\x02\0\x02"),
        (Client, b"\xE0\0"),
    ];
    assert!(problems(V311, right).is_empty());
    let real = include_bytes!("../../testdata/captures/both-exchange-mosquitto.pcap");
    let (text, good) = report(real).expect("a capture");
    assert!(
        good && text.contains("       2 PUBLISH from the server"),
        "{text}"
    );
}

/// For each packet that waits, the one that it waits for.
#[test]
fn names_what_never_ended() {
    let publish: &[u8] = b"\x34\x05\0\x01t\0\x07";
    let cases: &[(&[Packets<'_>], &str)] = &[
        (
            &[(Client, b"\x32\x05\0\x01t\0\x07")],
            "PUBLISH 7 of the client had no PUBACK",
        ),
        (
            &[(Server, publish)],
            "PUBLISH 7 of the server had no PUBREC",
        ),
        (
            &[(Client, publish), (Server, b"\x50\x02\0\x07")],
            "PUBLISH 7 of the client had no PUBREL",
        ),
        (
            &[
                (Client, publish),
                (Server, b"\x50\x02\0\x07"),
                (Client, b"\x62\x02\0\x07"),
            ],
            "PUBLISH 7 of the client had no PUBCOMP",
        ),
        (
            &[(Client, b"\x82\x06\0\x03\0\x01t\0")],
            "SUBSCRIBE 3 of the client had no SUBACK",
        ),
        (
            &[(Client, b"\xA2\x05\0\x04\0\x01t")],
            "UNSUBSCRIBE 4 of the client had no UNSUBACK",
        ),
        (&[(Client, b"\xC0\0")], "1 PINGREQ had no PINGRESP"),
        (
            &[(Client, b"\x62\x02\0\x07")],
            "PUBREL 7 of the client had no PUBCOMP",
        ),
    ];
    for &(then, expected) in cases {
        assert_eq!(problems(V311, then), [format!("never ended: {expected}")]);
    }
    let (text, good) = observe(&[&[(Client, CONNECT)]]);
    assert!(
        !good && text.contains("never ended: CONNECT had no CONNACK"),
        "{text}"
    );
}

#[test]
fn names_the_rule_that_is_broken() {
    let publish: &[u8] = b"\x32\x05\0\x01t\0\x07";
    let cases: &[(&[Packets<'_>], &str)] = &[
        (
            &[(Client, CONNECT)],
            "client: a second CONNECT [MQTT-3.1.0-2]",
        ),
        (
            &[
                (Client, b"\xE0\0"),
                (Client, b"\xC0\0"),
                (Server, b"\xD0\0"),
            ],
            "client: PINGREQ after DISCONNECT",
        ),
        (&[(Server, b"\xD0\0")], "server: PINGRESP without PINGREQ"),
        (
            &[(Server, b"\x40\x02\0\x07")],
            "server: PUBACK 7 answers nothing",
        ),
        (
            &[
                (Client, publish),
                (Client, publish),
                (Server, b"\x40\x02\0\x07"),
            ],
            "client: PUBLISH 7 again without DUP [MQTT-3.3.1-1]",
        ),
        (
            &[
                (Client, publish),
                (Client, b"\x34\x05\0\x01t\0\x07"),
                (Server, b"\x40\x02\0\x07"),
            ],
            "client: the packet identifier of a new PUBLISH is in use (rule packet-id-in-use) [MQTT-4.3.3-1]",
        ),
        (
            &[
                (Client, publish),
                (Server, b"\x70\x02\0\x07"),
                (Server, b"\x40\x02\0\x07"),
            ],
            "server: PUBCOMP does not answer the packet that was sent [MQTT-4.3.3-2]",
        ),
        (
            &[
                (Client, b"\x82\x06\0\x03\0\x01t\0"),
                (Server, b"\x90\x04\0\x03\0\0"),
            ],
            "server: SUBACK does not have one code for each topic filter [MQTT-3.8.4-5]",
        ),
        (
            &[(Client, b"\x30\x03\0\x01#")],
            "client: PUBLISH topic name at byte 4: a topic name may not hold a wildcard [MQTT-3.3.2-2] (rule publish-text)",
        ),
    ];
    for &(then, expected) in cases {
        assert_eq!(problems(V311, then), [expected]);
    }
    let (text, _) = observe(&[&[(Client, CONNECT), (Server, b"\xD0\0"), (Server, CONNACK)]]);
    assert!(
        text.contains("server: sent before CONNACK [MQTT-3.2.0-1]"),
        "{text}"
    );
}

#[test]
fn knows_the_limits_of_the_other_side() {
    let one: &[u8] = b"\x32\x06\0\x01t\0\x01\0";
    let ack = |id| [0x40, 2, 0, id];
    let cases: &[(&[Packets<'_>], &str)] = &[
        (
            &[
                (Client, one),
                (Client, b"\x32\x06\0\x01t\0\x02\0"),
                (Server, &ack(1)),
                (Server, &ack(2)),
            ],
            "client: the receive maximum is exceeded (rule receive-maximum) [MQTT-4.9.0-2]",
        ),
        (
            &[
                (Client, one),
                (Client, b"\x3A\x06\0\x01t\0\x01\0"),
                (Server, &ack(1)),
            ],
            "client: PUBLISH 1 again on the same connection [MQTT-4.4.0-1]",
        ),
        (
            &[(Client, b"\x30\x07\0\x01t\x03\x23\0\x03")],
            "client: PUBLISH is above Topic Alias Maximum [MQTT-3.3.2-9]",
        ),
        (
            &[(Server, b"\x30\x07\0\x01t\x03\x23\0\x01")],
            "server: PUBLISH is above Topic Alias Maximum [MQTT-3.3.2-11]",
        ),
        (
            &[(Client, b"\x31\x04\0\x01t\0")],
            "client: PUBLISH is above Retain Available [MQTT-3.2.2-14]",
        ),
    ];
    for &(then, expected) in cases {
        assert_eq!(problems(V5, then), [expected]);
    }
    let two: &[Packets<'_>] = &[
        (Client, b"\x34\x06\0\x01t\0\x01\0"),
        (Server, b"\x50\x03\0\x01\x87"),
    ];
    assert_eq!(
        problems(V5, two),
        ["client: PUBLISH is above Maximum QoS [MQTT-3.2.2-11]"]
    );
}

/// What was not captured may be the answer.
#[test]
fn is_careful_behind_a_gap() {
    let opening = [sent(Client, 1, CONNECT), sent(Server, 6, b"\x40\x02\0\x01")];
    let syn = [(Client, SYN), (Server, SYN | ACK)];
    let mut all: Vec<_> = syn
        .map(|(side, flags)| Sent {
            flags,
            ..sent(side, 0, b"")
        })
        .to_vec();
    all.extend(opening);
    let (text, good) = report(&pcap(&all)).expect("a capture");
    assert!(
        !good && text.contains("server: 5 bytes were not captured"),
        "{text}"
    );
    let open = "never ended: CONNECT had no CONNACK, in what was captured";
    assert!(text.contains(open), "{text}");
    assert!(
        !text.contains("answers nothing") && !text.contains("MQTT-"),
        "{text}"
    );
    // Nor is it known what the session holds.
    all.truncate(2);
    all.push(sent(Client, 1, KEPT));
    all.push(sent(Server, 1, CONNACK));
    all.push(sent(Client, 21, b"\x32\x05\0\x01t\0\x07"));
    let (text, _) = report(&pcap(&all)).expect("a capture");
    let open = "PUBLISH 7 of the client had no PUBACK, in what was captured";
    assert!(
        text.contains(open) && !text.contains("session of"),
        "{text}"
    );
}

/// A rule that is broken many times is told once.
#[test]
fn counts_repetitions() {
    let answers: &[Packets<'_>] = &[
        (Server, b"\xD0\0"),
        (Server, b"\xD0\0"),
        (Server, b"\xD0\0"),
    ];
    let found = problems(V311, answers);
    assert_eq!(found, ["server: PINGRESP without PINGREQ (3 times)"]);
}

/// An exchange goes on in the next connection of the session, and ends with the session.
#[test]
fn follows_a_session() {
    let begin: &[Packets<'_>] = &[
        (Client, KEPT),
        (Server, CONNACK),
        (Client, b"\x32\x05\0\x01t\0\x07"),
    ];
    let resent: &[Packets<'_>] = &[
        (Client, KEPT),
        (Server, PRESENT),
        (Client, b"\x3A\x05\0\x01t\0\x07"),
        (Server, b"\x40\x02\0\x07"),
    ];
    let (text, good) = observe(&[begin, resent]);
    assert!(good, "{text}");
    let open = "session of client \"c\": never ended: PUBLISH 7 of the client had no PUBACK";
    let refused: &[Packets<'_>] = &[(Client, KEPT), (Server, b"\x20\x02\0\x05")];
    for then in [&[][..], &resent[..2], refused] {
        let (text, good) = observe(&[begin, then]);
        assert!(!good && text.contains(open), "{text}");
    }
    // The identifier belongs to a message of QoS 1.
    let other: &[Packets<'_>] = &[
        (Client, KEPT),
        (Server, PRESENT),
        (Client, b"\x3C\x05\0\x01t\0\x07"),
    ];
    let (text, _) = observe(&[begin, other]);
    assert!(
        text.contains("client: the packet identifier of a new PUBLISH is in use"),
        "{text}"
    );
    let (text, good) = observe(&[begin, &[(Client, CONNECT), (Server, CONNACK)]]);
    assert!(
        !good && text.contains("of the session before: never ended: PUBLISH 7"),
        "{text}"
    );
}

#[test]
fn fails_at_nothing() {
    assert!(report(b"no capture").is_none());
    let real = include_bytes!("../../testdata/captures/both-exchange-mosquitto.pcap");
    let mut random = Random(5);
    for _ in 0..500 {
        let mut file = real.to_vec();
        for _ in 0..4 + random.below(30) {
            let at = 24 + random.below(file.len() - 24);
            file[at] = random.byte();
        }
        file.truncate(24 + random.below(file.len()));
        assert!(report(&file).is_some());
    }
}
