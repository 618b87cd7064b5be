//! MQTT 5.0 section 4.3: the delivery protocols.

use mqtt_sansio::property::MessageProperties;
use mqtt_sansio::{Packet, QoS, ReasonCode, Version};
use reference_broker::Access;
use support::script::{ClientEnd, Net, ServerEnd, lasting, message};

use crate::Test;
use crate::sides::{Side, received};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "qos_0_is_sent_once",
        v311: &["4.3.1-1"],
        v5: &["4.3.1-1"],
        run: qos_0_is_sent_once,
    },
    Test {
        name: "new_messages_have_no_dup",
        v311: &["3.3.1-2", "4.3.1-1", "4.3.2-1", "4.3.3-1"],
        v5: &["3.3.1-2", "4.3.1-1", "4.3.2-2", "4.3.3-2"],
        run: new_messages_have_no_dup,
    },
    Test {
        name: "qos_1_sender",
        v311: &["4.3.2-1", "4.4.0-1"],
        v5: &["4.3.2-1", "4.3.2-2", "4.3.2-3", "4.4.0-1"],
        run: qos_1_sender,
    },
    Test {
        name: "qos_1_receiver",
        v311: &["4.3.2-2"],
        v5: &["4.3.2-4", "4.3.2-5"],
        run: qos_1_receiver,
    },
    Test {
        name: "qos_2_sender",
        v311: &["4.3.3-1", "4.4.0-1"],
        v5: &[
            "4.3.3-1", "4.3.3-2", "4.3.3-3", "4.3.3-4", "4.3.3-5", "4.3.3-6", "4.4.0-1",
        ],
        run: qos_2_sender,
    },
    Test {
        name: "identifiers_in_use_are_passed_over",
        v311: &[
            "2.3.1-2",
            "2.3.1-4",
            "4.3.2-1",
            "4.3.3-1",
            "U311-4.3.2-26",
            "U311-4.3.3-27",
        ],
        v5: &[
            "2.2.1-3",
            "2.2.1-4",
            "4.3.2-1",
            "4.3.3-1",
            "U5-2.2.1-8",
            "U5-4.3.2-195",
            "U5-4.3.3-196",
        ],
        run: identifiers_in_use_are_passed_over,
    },
    Test {
        name: "qos_2_receiver",
        v311: &["4.3.3-2"],
        v5: &["4.3.3-8", "4.3.3-10", "4.3.3-11", "4.3.3-12"],
        run: qos_2_receiver,
    },
    Test {
        name: "refused_qos_2_message_is_forgotten",
        v311: &[],
        v5: &["4.3.3-9"],
        run: refused_qos_2_message_is_forgotten,
    },
    Test {
        name: "expiry_ends_no_exchange",
        v311: &[],
        v5: &["4.3.3-7", "4.3.3-13"],
        run: expiry_ends_no_exchange,
    },
];

/// Without DUP, and not again.
fn qos_0_is_sent_once(version: Version) {
    for mut side in Side::both(version) {
        side.publish(QoS::AtMostOnce, "x");
        side.peer.expect("30 ~ 'out' [] \"x\"");
        side.peer.expect_open();
        side.reconnect();
        side.peer.expect_open();
    }
}

/// Whatever an application gives to either side.
fn new_messages_have_no_dup(version: Version) {
    let again = received(version, "3A ~ 't' 00 09 [] \"x\"");
    for (qos, sent) in [
        (QoS::AtMostOnce, "30 ~ 't' [] \"x\""),
        (QoS::AtLeastOnce, "32 ~ 't' 00 01 [] \"x\""),
        (QoS::ExactlyOnce, "34 ~ 't' 00 01 [] \"x\""),
    ] {
        let mut server = ClientEnd::plain(version);
        server.end.connection.publish(qos, again.clone()).unwrap();
        server.expect(sent);
        let mut client = ServerEnd::plain(version);
        client.end.connection.publish(qos, again.clone()).unwrap();
        client.expect(sent);
    }
}

/// New messages have identifiers of their own and no DUP. What has no PUBACK, and nothing else, is
/// sent again with its identifier on the next connection.
fn qos_1_sender(version: Version) {
    for mut side in Side::both(version) {
        side.publish(QoS::AtLeastOnce, "a");
        side.publish(QoS::AtLeastOnce, "b");
        side.publish(QoS::AtLeastOnce, "c");
        side.peer
            .expect("32 ~ 'out' 00 01 [] \"a\" | 32 ~ 'out' 00 02 [] \"b\"");
        side.peer.expect("32 ~ 'out' 00 03 [] \"c\"");
        side.peer.send("40 ~ 00 02");
        side.peer.expect_open();
        for _ in 0..2 {
            side.reconnect();
            side.peer
                .expect("3A ~ 'out' 00 01 [] \"a\" | 3A ~ 'out' 00 03 [] \"c\"");
            side.peer.expect_open();
        }
        side.publish(QoS::AtLeastOnce, "d");
        side.peer.expect("32 ~ 'out' 00 04 [] \"d\"");
        side.peer.send("40 ~ 00 03 | 40 ~ 00 01 | 40 ~ 00 04");
        side.peer.expect_open();
        side.reconnect();
        side.peer.expect_open();
    }
}

/// PUBACK has the identifier of PUBLISH. After it, a PUBLISH with this identifier is a new message,
/// with DUP or without.
fn qos_1_receiver(version: Version) {
    for mut side in Side::both(version) {
        for (first, id) in [
            ("32", "00 07"),
            ("32", "FF FF"),
            ("3A", "00 07"),
            ("32", "00 07"),
        ] {
            side.peer.send(&format!("{first} ~ 'in' {id} [] \"x\""));
            side.peer.expect(&format!("40 ~ {id}"));
            assert_eq!(side.delivered(), ["in=x"]);
        }
        side.peer.expect_open();
        side.reconnect();
        side.peer.send("3A ~ 'in' 00 07 [] \"y\"");
        side.peer.expect("40 ~ 00 07");
        assert_eq!(side.delivered(), ["in=y"]);
        side.peer.expect_open();
    }
}

/// PUBLISH is sent again until PUBREC has come, from then on PUBREL, until PUBCOMP has come.
fn qos_2_sender(version: Version) {
    for mut side in Side::both(version) {
        side.publish(QoS::ExactlyOnce, "a");
        side.publish(QoS::ExactlyOnce, "b");
        side.peer
            .expect("34 ~ 'out' 00 01 [] \"a\" | 34 ~ 'out' 00 02 [] \"b\"");
        side.peer.expect_open();
        side.reconnect();
        side.peer
            .expect("3C ~ 'out' 00 01 [] \"a\" | 3C ~ 'out' 00 02 [] \"b\"");
        side.peer.send("50 ~ 00 01");
        side.peer.expect("62 ~ 00 01");
        // No PUBLISH again, on this connection ...
        side.peer.send("50 ~ 00 01");
        side.peer.expect("62 ~ 00 01");
        side.peer.expect_open();
        // ... or the next.
        for _ in 0..2 {
            side.reconnect();
            side.peer.expect("62 ~ 00 01 | 3C ~ 'out' 00 02 [] \"b\"");
            side.peer.expect_open();
        }
        side.publish(QoS::ExactlyOnce, "c");
        side.peer.expect("34 ~ 'out' 00 03 [] \"c\"");
        side.peer.send("70 ~ 00 01");
        side.peer.send("50 ~ 00 02 {10}");
        side.peer.expect("62 ~ 00 02");
        side.peer.send("70 ~ 00 02 | 50 ~ 00 03");
        side.peer.expect("62 ~ 00 03");
        side.peer.send("70 ~ 00 03");
        side.peer.expect_open();
        side.reconnect();
        side.peer.expect_open();
    }
}

/// When all identifiers have been gone through, those of exchanges that are not over come to no new
/// message, and all others do.
fn identifiers_in_use_are_passed_over(version: Version) {
    for mut side in Side::both(version) {
        side.publish(QoS::AtLeastOnce, "a");
        side.publish(QoS::ExactlyOnce, "b");
        side.publish(QoS::ExactlyOnce, "c");
        side.peer
            .expect("32 ~ 'out' 00 01 [] \"a\" | 34 ~ 'out' 00 02 [] \"b\"");
        side.peer.expect("34 ~ 'out' 00 03 [] \"c\"");
        side.publish(QoS::ExactlyOnce, "d");
        side.peer.expect("34 ~ 'out' 00 04 [] \"d\"");
        side.peer.send("50 ~ 00 03 | 50 ~ 00 02");
        side.peer.expect("62 ~ 00 03 | 62 ~ 00 02");
        // That of `b` is free with PUBCOMP, and in 5.0 that of `d` with PUBREC already.
        side.peer.send("70 ~ 00 02 | 50 ~ 00 04 {80}");
        if version == Version::V311 {
            side.peer.expect("62 ~ 00 04");
            side.peer.send("70 ~ 00 04");
        }
        side.peer.expect_open();
        let mut before = 4_u16;
        for _ in 5..65_540 {
            side.publish(QoS::AtLeastOnce, "e");
            let Packet::Publish(publish) = side.peer.receive() else {
                panic!("no PUBLISH");
            };
            assert!(!publish.dup);
            let id = publish.packet_id().unwrap().get();
            let next = match before {
                u16::MAX => 2,
                2 => 4,
                _ => before + 1,
            };
            assert_eq!(id, next);
            before = id;
            let [high, low] = id.to_be_bytes();
            side.peer.send_bytes(&[0x40, 2, high, low]);
            side.delivered();
        }
        assert_eq!(before, 6);
    }
}

/// One delivery from PUBLISH to PUBCOMP, whatever comes again and on whatever connection.
fn qos_2_receiver(version: Version) {
    for mut side in Side::both(version) {
        for round in 0..2 {
            side.peer.send("34 ~ 'in' 00 07 [] \"x\"");
            side.peer.expect("50 ~ 00 07");
            assert_eq!(side.delivered(), ["in=x"], "round {round}");
            for again in ["3C ~ 'in' 00 07 [] \"x\"", "34 ~ 'in' 00 07 [] \"x\""] {
                side.peer.send(again);
                side.peer.expect("50 ~ 00 07");
            }
            side.reconnect();
            side.peer
                .send("3C ~ 'in' 00 07 [] \"x\" | 34 ~ 'in' 00 08 [] \"y\"");
            side.peer.expect("50 ~ 00 07 | 50 ~ 00 08");
            assert_eq!(side.delivered(), ["in=y"]);
            side.peer.send("62 ~ 00 07 | 62 ~ 00 08");
            side.peer.expect("70 ~ 00 07 | 70 ~ 00 08");
            // Behind PUBCOMP the identifier is that of a new message.
            side.peer.send("34 ~ 'in' 00 07 [] \"z\"");
            side.peer.expect("50 ~ 00 07");
            assert_eq!(side.delivered(), ["in=z"]);
            side.peer.send("62 ~ 00 07");
            side.peer.expect("70 ~ 00 07");
            side.reconnect();
            // PUBREL again gets PUBCOMP again.
            side.peer.send("62 ~ 00 07");
            side.peer.expect("70 ~ 00 07 {92}");
            assert!(side.delivered().is_empty());
        }
        side.peer.expect_open();
    }
}

/// After PUBREC with an error the identifier is free for a new message at once.
fn refused_qos_2_message_is_forgotten(version: Version) {
    let rules = Access::default().deny_publish("secret".parse().unwrap());
    let net = Net::with_policy(rules);
    let mut watcher = net.connect(version, "watcher");
    watcher.subscribe("#", 0);
    let mut client = net.connect(version, "c");
    client.send("34 ~ 'secret' 00 07 []");
    client.expect("50 ~ 00 07 87");
    client.send("3C ~ 't' 00 07 [] \"new\"");
    client.expect("50 ~ 00 07");
    watcher.expect("30 ~ 't' [] \"new\"");
    watcher.expect_open();
    client.send("62 ~ 00 07");
    client.expect("70 ~ 00 07");
    client.expect_open();

    let mut server = ClientEnd::plain(version);
    server.end.acknowledges = false;
    server.send("34 ~ 't' 00 07 []");
    let (token, refused) = (server.end.token(), ReasonCode::UnspecifiedError);
    let connection = &mut server.end.connection;
    connection
        .acknowledge_with(token, refused, <_>::default())
        .unwrap();
    server.expect("50 ~ 00 07 80");
    server.end.acknowledges = true;
    server.send("3C ~ 't' 00 07 [] \"new\"");
    assert_eq!(server.end.delivered, ["t=", "t=new"]);
    server.expect("50 ~ 00 07");
    server.expect_open();
}

/// What was sent is sent again after it has expired, and what came is answered to its end.
fn expiry_ends_no_exchange(version: Version) {
    let net = Net::new();
    let mut client = net.resume(version, "c");
    client.subscribe("t", 2);
    let mut other = net.connect(version, "other");
    other.send("34 ~ 't' 00 01 [02 00 00 00 05] \"x\" | 34 ~ 't' 00 02 [02 00 00 00 05] \"y\"");
    other.expect("50 ~ 00 01 | 50 ~ 00 02");
    client.expect("34 ~ 't' 00 01 [02 00 00 00 05] \"x\" | 34 ~ 't' 00 02 [02 00 00 00 05] \"y\"");
    client.send("50 ~ 00 01");
    client.expect("62 ~ 00 01");
    client.cut();
    net.wait(100);
    let mut client = net.resume(version, "c");
    client.expect("62 ~ 00 01 | 3C ~ 't' 00 02 [02 00 00 00 00] \"y\"");
    client.send("70 ~ 00 01 | 50 ~ 00 02");
    client.expect("62 ~ 00 02");
    net.wait(100);
    client.send("70 ~ 00 02");
    client.expect_open();
    // The publisher, too, goes on.
    other.send("3C ~ 't' 00 01 [02 00 00 00 05] \"x\" | 62 ~ 00 01 | 62 ~ 00 02");
    other.expect("70 ~ 00 01 | 70 ~ 00 02");
    other.expect_open();
    client.expect_open();

    let mut publish = message("t", "x");
    let builder = MessageProperties::builder();
    publish.properties = builder.message_expiry_interval(5).build();
    let mut server = ClientEnd::accepted(version, lasting(version, "c"), "20 ~ 00 00 []");
    let connection = &mut server.end.connection;
    connection.publish(QoS::ExactlyOnce, publish).unwrap();
    server.expect("34 ~ 't' 00 01 [02 00 00 00 05] \"x\"");
    server.send("34 ~ 'in' 00 01 [02 00 00 00 05] \"x\"");
    server.expect("50 ~ 00 01");
    server.end.wait(100);
    // An application that takes expired messages back gets none that was sent.
    let mut session = server.end.connection.session().clone();
    session.expire(server.end.now, |call, _| panic!("{call} was sent"));
    server.reconnect(lasting(version, "c"), "20 ~ 01 00 []");
    server.expect("3C ~ 't' 00 01 [02 00 00 00 00] \"x\"");
    server.send("62 ~ 00 01 | 50 ~ 00 01");
    server.expect("62 ~ 00 01 | 70 ~ 00 01");
    server.send("70 ~ 00 01");
    server.expect_open();
}
