//! MQTT 5.0 section 3.3: PUBLISH, but for what is retained.

use bytes::Bytes;
use mqtt_sansio::connection::{ConnectionError, client};
use mqtt_sansio::packet::Publish;
use mqtt_sansio::property::TopicAlias;
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Delivery, QoS, Version};
use reference_broker::Access;
use support::notation::number;
use support::script::{ClientEnd, Net, connect, lasting, message, subscriptions};

use crate::Test;
use crate::sides::{self, received, refusal};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "dup_is_not_passed_on",
        v311: &["3.3.1-3"],
        v5: &["3.3.1-3"],
        run: dup_is_not_passed_on,
    },
    Test {
        name: "what_a_client_cannot_send",
        v311: &["3.3.1-2 client", "3.3.2-2 client", "4.7.1-1 client"],
        v5: &[
            "3.3.1-2 client",
            "3.3.2-2 client",
            "3.3.2-8 client",
            "3.3.2-14 client",
            "3.3.4-6",
            "4.7.0-1 client",
        ],
        run: what_a_client_cannot_send,
    },
    Test {
        name: "topics_match_the_filter",
        v311: &["3.3.2-3", "U311-3.8.3-21"],
        v5: &["3.3.2-3"],
        run: topics_match_the_filter,
    },
    Test {
        name: "properties_are_passed_on",
        v311: &[],
        v5: &[
            "3.3.2-4", "3.3.2-15", "3.3.2-16", "3.3.2-17", "3.3.2-18", "3.3.2-20",
        ],
        run: properties_are_passed_on,
    },
    Test {
        name: "expires_while_it_waits",
        v311: &[],
        v5: &["3.3.2-5", "3.3.2-6", "U5-3.3.2.3.3-108"],
        run: expires_while_it_waits,
    },
    Test {
        name: "answer_follows_from_qos",
        v311: &["3.3.4-1"],
        v5: &["3.3.4-1"],
        run: answer_follows_from_qos,
    },
    Test {
        name: "overlapping_subscriptions",
        v311: &["3.3.5-1"],
        v5: &["3.3.4-2", "3.3.4-3", "3.3.4-4", "U5-3.3.2.3.8-115 server"],
        run: overlapping_subscriptions,
    },
    Test {
        name: "copies_for_shared_subscriptions",
        v311: &[],
        v5: &["3.3.4-3", "3.3.4-5"],
        run: copies_for_shared_subscriptions,
    },
    Test {
        name: "forbidden_message",
        v311: &["3.3.5-2"],
        v5: &[],
        run: forbidden_message,
    },
    Test {
        name: "client_keeps_to_receive_maximum",
        v311: &[],
        v5: &["3.3.4-7", "3.3.4-8"],
        run: client_keeps_to_receive_maximum,
    },
    Test {
        name: "server_keeps_to_receive_maximum",
        v311: &[],
        v5: &["3.3.4-9", "3.3.4-10"],
        run: server_keeps_to_receive_maximum,
    },
];

/// What came with DUP goes out without, and what goes out again has it whatever it came with.
fn dup_is_not_passed_on(version: Version) {
    let net = Net::new();
    let (mut a, mut b) = (net.connect(version, "a"), net.resume(version, "b"));
    b.subscribe("t", 2);
    a.send("3A ~ 't' 00 01 [] \"x\" | 3C ~ 't' 00 02 [] \"y\" | 32 ~ 't' 00 03 [] \"z\"");
    a.expect("40 02 00 01 | 50 02 00 02 | 40 02 00 03");
    b.expect("32 ~ 't' 00 01 [] \"x\" | 34 ~ 't' 00 02 [] \"y\" | 32 ~ 't' 00 03 [] \"z\"");
    b.cut();
    let mut b = net.resume(version, "b");
    b.expect("3A ~ 't' 00 01 [] \"x\" | 3C ~ 't' 00 02 [] \"y\" | 3A ~ 't' 00 03 [] \"z\"");
}

/// DUP at QoS 0 is cleared; wildcards are no topic, 0 is no alias, and Subscription Identifiers are
/// the server's.
fn what_a_client_cannot_send(version: Version) {
    let mut server = ClientEnd::plain(version);
    let client = &mut server.end.connection;
    let mut again = Publish::of(Delivery::AtMostOnce, message("t", "x"));
    again.dup = true;
    assert!(again.encoded_len(version).is_err());
    let again = received(version, "3A ~ 't' 00 01 [] \"x\"");
    client.publish(QoS::AtMostOnce, again).unwrap();
    server.expect("30 ~ 't' [] \"x\"");
    for topic in ["#", "a/#", "+", "+/a", "a+"] {
        assert!(TopicName::new(topic).is_err());
        assert!(TopicName::try_from(Bytes::copy_from_slice(topic.as_bytes())).is_err());
    }
    if version == Version::V5 {
        assert_eq!(TopicAlias::new(0), None);
        let identified = received(version, "30 ~ 't' [0B 01 03 'c' 0B 02] \"x\"");
        let client = &mut server.end.connection;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let said = client.publish(qos, identified.clone());
            assert_eq!(refusal(said), Some(ConnectionError::NotForwarded));
            client.publish(qos, identified.forwarded()).unwrap();
        }
        server.expect("30 ~ 't' [03 'c'] \"x\" | 32 ~ 't' 00 01 [03 'c'] \"x\"");
        server.expect_open();
        let mut client = Net::new().connect(version, "a");
        client.send("30 ~ 't' [0B 01]");
        client.expect_close_with(0x82);
    }
}

/// Only those come that the filter matches, and as they were published.
fn topics_match_the_filter(version: Version) {
    let topics = ["a", "A", "a/", "/a", "a/b", "a/b/c", "b/a/c", "a//c"];
    for (filter, matched) in [
        ("a", &["a"][..]),
        ("A", &["A"]),
        ("+", &["a", "A"]),
        ("a/+", &["a/", "a/b"]),
        ("a/#", &["a", "a/", "a/b", "a/b/c", "a//c"]),
        ("+/a/#", &["/a", "b/a/c"]),
        ("+/+/c", &["a/b/c", "b/a/c", "a//c"]),
        ("c/#", &[]),
    ] {
        let net = Net::new();
        let (mut a, mut b) = (net.connect(version, "a"), net.connect(version, "b"));
        b.subscribe(filter, 0);
        for topic in topics {
            a.send(&format!("30 ~ '{topic}' []"));
        }
        for topic in matched {
            b.expect(&format!("30 ~ '{topic}' []"));
        }
        b.expect_open();
    }
    if version == Version::V311 {
        // What 5.0 reads as a shared subscription is a filter like others.
        let net = Net::with(|config| config.dollar_topics = true);
        let mut a = net.connect(version, "a");
        a.subscribe("$share/g/a", 0);
        a.send("30 ~ 'a' [] | 30 ~ '$share/g/a' []");
        a.expect("30 ~ '$share/g/a' []");
        a.expect_open();
    }
}

/// All of them, in order, to each subscriber, at once and retained.
fn properties_are_passed_on(version: Version) {
    let net = Net::new();
    let mut a = net.connect(version, "a");
    let mut others = ["b", "c"].map(|name| net.connect(version, name));
    let properties = "01 01 26 00 01 \"z\" 00 01 \"1\" 03 00 01 \"c\" 26 00 01 \"a\" 00 01 \"2\" \
        08 00 01 \"r\" 09 00 02 00 FF 26 00 01 \"z\" 00 01 \"1\"";
    for other in &mut others {
        other.subscribe("t", 0);
    }
    a.send(&format!("31 ~ 't' [{properties} 23 00 01] \"x\""));
    for other in &mut others {
        other.expect(&format!("30 ~ 't' [{properties}] \"x\""));
    }
    a.subscribe("t", 0);
    a.expect(&format!("31 ~ 't' [{properties}] \"x\""));
    a.send("31 ~ 'u' [01 00] \"x\"");
    a.subscribe("u", 0);
    a.expect("31 ~ 'u' [01 00] \"x\"");
}

/// What is left of Message Expiry Interval goes with the message; without any it is dropped. That
/// holds for one that waits for a session, and for one that is retained. One that was sent before is
/// sent again whatever is left of it.
fn expires_while_it_waits(version: Version) {
    for (waits, left) in [(0, Some(10)), (4, Some(6)), (9, Some(1)), (10, None)] {
        let net = Net::new();
        let mut client = net.resume(version, "a");
        client.subscribe("t", 1);
        client.cut();
        let mut other = net.connect(version, "b");
        other.send("33 ~ 't' 00 01 [02 00 00 00 0A] \"x\" | 32 ~ 't' 00 02 [] \"y\"");
        other.expect("40 02 00 01 | 40 02 00 02");
        net.wait(waits);
        let mut client = net.resume(version, "a");
        if let Some(left) = left {
            client.expect(&format!("32 ~ 't' 00 01 [02 00 00 00 {left:02X}] \"x\""));
        }
        client.expect("32 ~ 't' 00 02 [] \"y\"");
        other.subscribe("t", 1);
        if let Some(left) = left {
            other.expect(&format!("33 ~ 't' 00 01 [02 00 00 00 {left:02X}] \"x\""));
        }
        other.expect_open();

        // What was sent after a second, and is sent again.
        let left = 9_u64.saturating_sub(waits);
        let mut client = net.resume(version, "sent");
        client.subscribe("u", 1);
        client.cut();
        other.send("32 ~ 'u' 00 03 [02 00 00 00 0A] \"x\"");
        other.expect("40 ~ 00 03");
        net.wait(1);
        let mut client = net.resume(version, "sent");
        client.expect("32 ~ 'u' 00 01 [02 00 00 00 09] \"x\"");
        client.cut();
        net.wait(waits);
        let mut client = net.resume(version, "sent");
        client.expect(&format!("3A ~ 'u' 00 01 [02 00 00 00 {left:02X}] \"x\""));
        client.expect_open();

        // So it is with a client.
        let connection = client::Connection::new().max_packet_size(u32::MAX);
        let mut server = ClientEnd::new(version, connection);
        let client = &mut server.end.connection;
        let expiring = received(version, "32 ~ 'u' 00 09 [02 00 00 00 0A] \"x\"");
        client.publish(QoS::AtLeastOnce, expiring).unwrap();
        // Its time begins when the client is next told what time it is.
        client.handle_timeout(server.end.now);
        server.end.wait(1);
        server.reconnect(lasting(version, "c"), "20 ~ 00 00 []");
        server.expect("32 ~ 'u' 00 01 [02 00 00 00 09] \"x\"");
        server.lose();
        server.end.wait(waits);
        server.reconnect(lasting(version, "c"), "20 ~ 01 00 []");
        server.expect(&format!("3A ~ 'u' 00 01 [02 00 00 00 {left:02X}] \"x\""));
        server.expect_open();
    }
    // Without an interval it never expires.
    let mut server = ClientEnd::accepted(version, lasting(version, "c"), "20 ~ 00 00 []");
    server.lose();
    let client = &mut server.end.connection;
    client.publish(QoS::AtLeastOnce, message("u", "x")).unwrap();
    client.handle_timeout(server.end.now);
    server.end.wait(u64::from(u32::MAX) * 2);
    server.reconnect(lasting(version, "c"), "20 ~ 01 00 []");
    server.expect("32 ~ 'u' 00 01 [] \"x\"");
    let net = Net::new();
    let mut client = net.resume(version, "a");
    client.subscribe("t", 1);
    client.cut();
    let mut other = net.connect(version, "b");
    other.send("33 ~ 't' 00 01 [] \"x\"");
    net.wait(u64::from(u32::MAX) * 2);
    net.resume(version, "a").expect("32 ~ 't' 00 01 [] \"x\"");
    other.subscribe("t", 0);
    assert!(sides::messages(&other.receive_all()).contains(&"t=x".into()));
}

/// None, PUBACK or PUBREC, by either side.
fn answer_follows_from_qos(version: Version) {
    for (publish, answer) in [
        ("30 ~ 't' []", ""),
        ("32 ~ 't' 00 07 []", "40 02 00 07"),
        ("34 ~ 't' 00 07 []", "50 02 00 07"),
    ] {
        let mut server = ClientEnd::plain(version);
        server.send(publish);
        server.expect(answer);
        server.expect_open();
        assert_eq!(server.end.delivered, ["t="]);

        let net = Net::new();
        let (mut client, mut other) = (net.connect(version, "a"), net.connect(version, "b"));
        other.subscribe("t", 0);
        client.send(publish);
        client.expect(answer);
        client.expect_open();
        other.expect("30 ~ 't' []");
    }
}

/// One copy, at the highest QoS of all, with all identifiers.
fn overlapping_subscriptions(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.send("82 ~ 00 01 [0B 07] 't/#' 00 | 82 ~ 00 02 [] 't/+' 02");
    client.send("82 ~ 00 03 [0B 03] 't/1' 01 | 82 ~ 00 04 [0B 09] 'u/1' 01");
    client.expect("90 ~ 00 01 [] 00 | 90 ~ 00 02 [] 02 | 90 ~ 00 03 [] 01 | 90 ~ 00 04 [] 01");
    let mut other = net.connect(version, "b");
    other.send("34 ~ 't/1' 00 01 [] \"x\" | 34 ~ 't/2' 00 02 [] \"y\" | 30 ~ 'u/1' [] \"z\"");
    client.expect("34 ~ 't/1' 00 01 [0B 03 0B 07] \"x\" | 34 ~ 't/2' 00 02 [0B 07] \"y\"");
    client.expect("30 ~ 'u/1' [0B 09] \"z\"");
    client.expect_open();

    // What was retained before comes with the identifier of the subscription for which it comes.
    other.send("31 ~ 'r/1' [] \"r\"");
    for (filter, id) in [("r/#", "0B 07"), ("r/+", ""), ("r/1", "0B FF FF FF 7F")] {
        client.send(&format!("82 ~ 00 05 [{id}] '{filter}' 00"));
        client.expect("90 ~ 00 05 [] 00");
        client.expect(&format!("31 ~ 'r/1' [{id}] \"r\""));
        client.expect_open();
    }
}

/// Where there are several copies, each has the identifier of its own subscription.
fn copies_for_shared_subscriptions(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.send("82 ~ 00 01 [0B 01] 't' 00 | 82 ~ 00 02 [0B 02] '$share/g/t' 00");
    client.send("82 ~ 00 03 [] '$share/h/t' 00");
    client.expect("90 ~ 00 01 [] 00 | 90 ~ 00 02 [] 00 | 90 ~ 00 03 [] 00");
    let mut other = net.connect(version, "b");
    other.send("30 ~ 't' []");
    client.expect("30 ~ 't' [0B 01] | 30 ~ 't' [0B 02] | 30 ~ 't' []");
    client.expect_open();
}

/// It is acknowledged as any other, and goes nowhere.
fn forbidden_message(version: Version) {
    let rules = Access::default().deny_publish("secret".parse().unwrap());
    let net = Net::with_policy(rules);
    let (mut client, mut other) = (net.connect(version, "a"), net.connect(version, "b"));
    other.subscribe("#", 2);
    client.send("32 ~ 'secret' 00 01 [] | 34 ~ 'secret' 00 02 [] | 31 ~ 'secret' [] \"x\"");
    client.expect("40 02 00 01 | 50 02 00 02");
    client.send("62 02 00 02");
    client.expect("70 02 00 02");
    client.expect_open();
    other.expect_open();
    other.subscribe("secret", 2);
    other.expect_open();
}

/// Only PUBLISH of QoS 1 and 2 waits, and only for what frees its place.
fn client_keeps_to_receive_maximum(version: Version) {
    let mut server = ClientEnd::accepted(version, connect("c"), "20 ~ 00 00 [21 00 02]");
    let client: &mut client::Connection = &mut server.end.connection;
    for payload in ["1", "2", "3", "4", "5", "6"] {
        client
            .publish(QoS::ExactlyOnce, message("t", payload))
            .unwrap();
    }
    server.expect("34 ~ 't' 00 01 [] \"1\" | 34 ~ 't' 00 02 [] \"2\"");
    server.expect_open();
    let client = &mut server.end.connection;
    client
        .publish(QoS::AtMostOnce, message("t", "now"))
        .unwrap();
    let wanted = subscriptions("t", QoS::AtMostOnce);
    client.subscribe(wanted).unwrap();
    client.ping().unwrap();
    server.expect("C0 00 | 30 ~ 't' [] \"now\" | 82 ~ 00 07 [] 't' 00");
    server.send("32 ~ 'u' 00 09 [] | 34 ~ 'u' 00 0A []");
    server.expect("40 02 00 09 | 50 02 00 0A");
    server.send("62 02 00 0A");
    server.expect("70 02 00 0A");

    // PUBREC frees nothing but with an error; PUBCOMP does.
    server.send("50 02 00 01");
    server.expect("62 02 00 01");
    server.expect_open();
    server.send("70 02 00 01");
    server.expect("34 ~ 't' 00 03 [] \"3\"");
    server.expect_open();
    server.send("50 03 00 02 97");
    server.expect("34 ~ 't' 00 04 [] \"4\"");
    server.expect_open();

    let mut server = ClientEnd::accepted(version, connect("c"), "20 ~ 00 00 [21 00 01]");
    let client = &mut server.end.connection;
    for payload in ["1", "2"] {
        client
            .publish(QoS::AtLeastOnce, message("t", payload))
            .unwrap();
    }
    server.expect("32 ~ 't' 00 01 [] \"1\"");
    server.expect_open();
    server.send("40 02 00 01");
    server.expect("32 ~ 't' 00 02 [] \"2\"");
}

/// So does the broker.
fn server_keeps_to_receive_maximum(version: Version) {
    let net = Net::new();
    let connect = "10 ~ 'MQTT' VV 02 00 00 [21 00 02] 'a'";
    let (mut client, _) = net.connect_with(version, connect);
    client.subscribe("t", 2);
    let mut other = net.connect(version, "b");
    for id in 1..=5 {
        other.send(&format!("34 ~ 't' {} [] 3{id}", number(id)));
    }
    client.expect("34 ~ 't' 00 01 [] \"1\" | 34 ~ 't' 00 02 [] \"2\"");
    client.expect_open();
    other.send("30 ~ 't' [] \"now\"");
    client.send("C0 00 | 82 ~ 00 01 [] 'u' 00 | A2 ~ 00 02 [] 'u'");
    client.send("32 ~ 'v' 00 09 [] | 34 ~ 'v' 00 0A []");
    // Packets that are owed take turns.
    client.expect("90 ~ 00 01 [] 00 | 40 03 00 09 10 | D0 00 | 50 03 00 0A 10");
    client.expect("B0 ~ 00 02 [] 00 | 30 ~ 't' [] \"now\"");
    client.expect_open();

    client.send("50 02 00 01");
    client.expect("62 02 00 01");
    client.expect_open();
    client.send("70 02 00 01");
    client.expect("34 ~ 't' 00 03 [] \"3\"");
    client.expect_open();
    client.send("50 03 00 02 97");
    client.expect("34 ~ 't' 00 04 [] \"4\"");
    client.expect_open();
}
