//! MQTT 5.0 sections 4.4 and 4.5: delivery retry and message receipt.

use mqtt_sansio::{QoS, ReasonCode, Version};
use support::script::{ClientEnd, Net, lasting, message};

use crate::Test;
use crate::sides::Side;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "nothing_is_sent_again_otherwise",
        v311: &["U311-4.4-28"],
        v5: &["4.4.0-1"],
        run: nothing_is_sent_again_otherwise,
    },
    Test {
        name: "refused_message_is_not_sent_again",
        v311: &[],
        v5: &["4.4.0-2"],
        run: refused_message_is_not_sent_again,
    },
    Test {
        name: "added_to_each_matching_session",
        v311: &["4.5.0-1"],
        v5: &["4.5.0-1"],
        run: added_to_each_matching_session,
    },
    Test {
        name: "client_acknowledges_whatever_comes",
        v311: &["4.5.0-2"],
        v5: &["4.5.0-2"],
        run: client_acknowledges_whatever_comes,
    },
];

/// Not while the connection lasts, however long, and not in a new session.
fn nothing_is_sent_again_otherwise(version: Version) {
    let net = Net::new();
    let mut client = net.resume(version, "c");
    client.subscribe("t", 2);
    let mut other = net.connect(version, "other");
    other.send("32 ~ 't' 00 01 [] | 34 ~ 't' 00 02 [] | 34 ~ 't' 00 03 []");
    client.expect("32 ~ 't' 00 01 [] | 34 ~ 't' 00 02 [] | 34 ~ 't' 00 03 []");
    client.send("50 ~ 00 03");
    client.expect("62 ~ 00 03");
    net.wait(1_000_000);
    client.expect_open();
    client.send("40 ~ 00 01");
    client.expect_open();
    client.cut();
    let connect = "10 ~ 'MQTT' VV 02 00 00 [11 FF FF FF FF] 'c'";
    let (mut client, connack) = net.connect_with(version, connect);
    assert!(!connack.session_present);
    client.expect_open();

    let mut server = ClientEnd::accepted(version, lasting(version, "c"), "20 ~ 00 00 []");
    for (qos, payload) in [
        (QoS::AtLeastOnce, "a"),
        (QoS::ExactlyOnce, "b"),
        (QoS::ExactlyOnce, "c"),
    ] {
        let publish = message("t", payload);
        server.end.connection.publish(qos, publish).unwrap();
    }
    server.expect("32 ~ 't' 00 01 [] \"a\" | 34 ~ 't' 00 02 [] \"b\" | 34 ~ 't' 00 03 [] \"c\"");
    server.send("50 ~ 00 03");
    server.expect("62 ~ 00 03");
    server.end.wait(1_000_000);
    server.expect_open();
    server.send("40 ~ 00 01");
    server.expect_open();
    server.reconnect(lasting(version, "c"), "20 ~ 00 00 []");
    server.expect_open();
}

/// An error in PUBACK or PUBREC ends the exchange: no PUBREL, and nothing again.
fn refused_message_is_not_sent_again(version: Version) {
    for code in ["80", "83", "87", "90", "91", "97", "99"] {
        for mut side in Side::both(version) {
            side.publish(QoS::AtLeastOnce, "a");
            side.publish(QoS::ExactlyOnce, "b");
            side.publish(QoS::AtLeastOnce, "c");
            side.peer
                .expect("32 ~ 'out' 00 01 [] \"a\" | 34 ~ 'out' 00 02 [] \"b\"");
            side.peer.expect("32 ~ 'out' 00 03 [] \"c\"");
            side.peer
                .send(&format!("40 ~ 00 01 {code} | 50 ~ 00 02 {code}"));
            side.peer.expect_open();
            side.reconnect();
            side.peer.expect("3A ~ 'out' 00 03 [] \"c\"");
            side.peer.expect_open();
        }
    }
}

/// Of those that are connected and those that are not, and of no others.
fn added_to_each_matching_session(version: Version) {
    let net = Net::new();
    let mut here = net.resume(version, "here");
    here.subscribe("a/#", 2);
    let mut away = net.resume(version, "away");
    away.subscribe("a/+", 1);
    away.subscribe("b", 1);
    away.leave();
    let mut deaf = net.resume(version, "deaf");
    deaf.subscribe("b/#", 2);
    deaf.leave();
    let mut other = net.connect(version, "other");
    other.send("34 ~ 'a/b' 00 01 [] \"x\"");
    other.expect("50 ~ 00 01");
    here.expect("34 ~ 'a/b' 00 01 [] \"x\"");
    // What it was not sent is in the session of the first, too.
    here.cut();
    other.send("32 ~ 'a/b' 00 02 [] \"y\"");
    other.leave();
    net.wait(1_000_000);
    let mut here = net.resume(version, "here");
    here.expect("3C ~ 'a/b' 00 01 [] \"x\" | 32 ~ 'a/b' 00 02 [] \"y\"");
    here.expect_open();
    let mut away = net.resume(version, "away");
    away.expect("32 ~ 'a/b' 00 01 [] \"x\" | 32 ~ 'a/b' 00 02 [] \"y\"");
    away.expect_open();
    net.resume(version, "deaf").expect_open();
}

/// Messages for which it never asked, those that the application refuses, and those that it has.
fn client_acknowledges_whatever_comes(version: Version) {
    let mut server = ClientEnd::plain(version);
    server.send("30 ~ 'never' [] | 32 ~ 'asked' 00 01 [] | 34 ~ '$for' 00 02 []");
    server.expect("40 ~ 00 01 | 50 ~ 00 02");
    server.send("3C ~ '$for' 00 02 []");
    server.expect("50 ~ 00 02");
    server.send("62 ~ 00 02");
    server.expect("70 ~ 00 02");
    server.send("62 ~ 00 02");
    server.expect("70 ~ 00 02 {92}");
    let delivered = ["never=", "asked=", "$for="];
    assert_eq!(server.end.delivered, delivered);
    server.expect_open();
    if version == Version::V5 {
        server.end.acknowledges = false;
        for (text, code) in [
            ("32 ~ 't' 00 03 []", ReasonCode::TopicNameInvalid),
            ("34 ~ 't' 00 04 []", ReasonCode::QuotaExceeded),
        ] {
            server.send(text);
            let token = server.end.token();
            let connection = &mut server.end.connection;
            connection
                .acknowledge_with(token, code, <_>::default())
                .unwrap();
        }
        assert_eq!(server.end.delivered.len(), 5);
        server.expect("40 ~ 00 03 90 | 50 ~ 00 04 97");
    }
    server.expect_open();
}
