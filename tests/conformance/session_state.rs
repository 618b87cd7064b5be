//! MQTT 5.0 section 4.1: session state.

use mqtt_sansio::{Packet, QoS, Version};
use support::script::{ClientEnd, Link, Net, Script, message};

use crate::Test;
use crate::sides::{self, Side};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "stays_as_long_as_the_connection",
        v311: &["4.1.0-1", "4.1.0-2"],
        v5: &["4.1.0-1"],
        run: stays_as_long_as_the_connection,
    },
    Test {
        name: "is_kept_from_one_connection_to_the_next",
        v311: &["4.1.0-1"],
        v5: &["4.1.0-1"],
        run: is_kept_from_one_connection_to_the_next,
    },
    Test {
        name: "is_discarded_when_it_has_expired",
        v311: &[],
        v5: &[
            "4.1.0-2",
            "U5-3.1.2.11.2-18 server",
            "U5-3.1.2.11.2-19 server",
            "U5-3.14.2.2.2-175 server",
        ],
        run: is_discarded_when_it_has_expired,
    },
];

/// However long that is, and also if the session is to end with it or soon after it.
fn stays_as_long_as_the_connection(version: Version) {
    for (flags, expiry) in [
        ("02", ""),
        ("02", "11 00 00 00 01"),
        ("00", "11 FF FF FF FF"),
    ] {
        let net = Net::new();
        let mut other = net.connect(version, "other");
        other.subscribe("in", 0);
        let connect = format!("10 ~ 'MQTT' VV {flags} 00 00 [{expiry}] 'c'");
        let (mut client, _) = net.connect_with(version, &connect);
        client.subscribe("out", 2);
        other.send("34 ~ 'out' 00 01 [] \"x\" | 34 ~ 'out' 00 02 [] \"y\"");
        other.expect("50 ~ 00 01 | 50 ~ 00 02");
        client.expect("34 ~ 'out' 00 01 [] \"x\" | 34 ~ 'out' 00 02 [] \"y\"");
        client.send("34 ~ 'in' 00 07 []");
        client.expect("50 ~ 00 07");
        other.expect("30 ~ 'in' []");
        client.send("50 ~ 00 01");
        client.expect("62 ~ 00 01");
        net.wait(100_000_000);
        // The message that came, those that were sent, and the subscription are still known.
        client.send("3C ~ 'in' 00 07 [] | 62 ~ 00 07");
        client.receive_all();
        other.expect_open();
        client.send("70 ~ 00 01 | 50 ~ 00 02");
        client.expect("62 ~ 00 02");
        other.send("32 ~ 'out' 00 03 [] \"z\"");
        client.expect("32 ~ 'out' 00 03 [] \"z\"");
        client.expect_open();
    }
    // A client that wants no session either.
    let mut server = ClientEnd::plain(version);
    let connection = &mut server.end.connection;
    for payload in ["x", "y"] {
        let publish = message("t", payload);
        connection.publish(QoS::ExactlyOnce, publish).unwrap();
    }
    server.expect("34 ~ 't' 00 01 [] \"x\" | 34 ~ 't' 00 02 [] \"y\"");
    server.send("34 ~ 'in' 00 07 [] | 50 ~ 00 01");
    server.expect("50 ~ 00 07 | 62 ~ 00 01");
    server.end.wait(100_000_000);
    server.send("3C ~ 'in' 00 07 []");
    server.expect("50 ~ 00 07");
    assert_eq!(server.end.delivered.len(), 1);
    server.send("70 ~ 00 01 | 50 ~ 00 02");
    server.expect("62 ~ 00 02");
    server.expect_open();
}

/// All parts of the state outlive several connections: messages that were not sent, not acknowledged
/// and not completed, those that came and were not released, and at the broker the subscriptions.
fn is_kept_from_one_connection_to_the_next(version: Version) {
    for mut side in Side::both(version) {
        side.publish(QoS::AtLeastOnce, "a");
        side.publish(QoS::ExactlyOnce, "b");
        side.publish(QoS::ExactlyOnce, "c");
        side.peer
            .expect("32 ~ 'out' 00 01 [] \"a\" | 34 ~ 'out' 00 02 [] \"b\"");
        side.peer.expect("34 ~ 'out' 00 03 [] \"c\"");
        side.peer.send("50 ~ 00 02 | 34 ~ 'in' 00 07 [] \"x\"");
        let answers = side.peer.receive_all();
        assert!(matches!(
            answers[..],
            [Packet::PubRec(_), Packet::PubRel(_)]
        ));
        assert_eq!(side.delivered(), ["in=x"]);
        side.cut();
        side.publish(QoS::AtLeastOnce, "d");
        side.come_back();
        side.cut();
        side.come_back();
        side.peer
            .expect("62 ~ 00 02 | 3A ~ 'out' 00 01 [] \"a\" | 3C ~ 'out' 00 03 [] \"c\"");
        // It has been handed over to the first of these connections, which took nothing.
        let Packet::Publish(last) = side.peer.receive() else {
            panic!("no PUBLISH");
        };
        assert_eq!(
            (last.packet_id(), &last.payload[..]),
            (Some(sides::id(4)), &b"d"[..])
        );
        side.peer.send("3C ~ 'in' 00 07 [] \"x\" | 62 ~ 00 07");
        let answers = side.peer.receive_all();
        assert!(
            matches!(answers.last(), Some(Packet::PubComp(_))),
            "{answers:?}"
        );
        assert!(side.delivered().is_empty());
        side.peer.expect_open();
    }
}

/// Once the connection is closed and the interval has passed, and not before: what CONNECT says
/// counts, or DISCONNECT if that says something.
fn is_discarded_when_it_has_expired(version: Version) {
    let end: [fn(Script<Link>); 2] = [Script::<Link>::cut, Script::leave];
    for ends in end {
        for (expiry, seconds) in [("", 0), ("11 00 00 00 00", 0), ("11 00 00 00 0A", 10)] {
            let connect = format!("10 ~ 'MQTT' VV 00 00 00 [{expiry}] 'c'");
            for (wait, present) in [(seconds.max(1) - 1, seconds > 0), (seconds, false)] {
                let net = Net::new();
                let mut other = net.connect(version, "other");
                let (mut client, _) = net.connect_with(version, &connect);
                client.subscribe("t", 1);
                net.wait(100);
                ends(client);
                other.send("32 ~ 't' 00 01 [] \"x\"");
                other.receive();
                net.wait(wait);
                let (mut client, connack) = net.connect_with(version, &connect);
                assert_eq!(connack.session_present, present, "{expiry} {wait}");
                match present {
                    true => client.expect("32 ~ 't' 00 01 [] \"x\""),
                    false => client.expect_nothing(),
                }
                other.send("32 ~ 't' 00 02 [] \"y\"");
                match present {
                    true => client.expect("32 ~ 't' 00 02 [] \"y\""),
                    false => client.expect_nothing(),
                }
                client.expect_open();
            }
        }
    }
    let connect = "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF] 'c'";
    let net = Net::new();
    let (client, _) = net.connect_with(version, connect);
    client.cut();
    net.wait(u64::from(u32::MAX) * 2);
    let (mut client, connack) = net.connect_with(version, connect);
    assert!(connack.session_present);
    client.send("E0 ~ 00 [11 00 00 00 0A]");
    client.cut();
    net.wait(9);
    let (mut client, connack) = net.connect_with(version, connect);
    assert!(connack.session_present);
    client.send("E0 ~ 00 [11 00 00 00 0A]");
    client.cut();
    net.wait(10);
    assert!(!net.connect_with(version, connect).1.session_present);
}
