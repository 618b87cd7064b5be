//! MQTT 5.0 chapter 2: the format of packets.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use mqtt_sansio::connection::{Answer, ConnectionError, Event, client};
use mqtt_sansio::packet::TopicFilters;
use mqtt_sansio::session::SessionError;
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{QoS, ReasonCode, Version};
use support::notation::number;
use support::script::{ClientEnd, Net, ServerEnd, connect, lasting, message, subscriptions};

use crate::Test;
use crate::sides::Side;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "no_identifier_at_qos_0",
        v311: &["2.3.1-5"],
        v5: &["2.2.1-2"],
        run: no_identifier_at_qos_0,
    },
    Test {
        name: "client_takes_unused_identifiers",
        v311: &["2.3.1-1 client", "2.3.1-2", "2.3.1-3"],
        v5: &["2.2.1-3", "U5-2.2.1-8 client"],
        run: client_takes_unused_identifiers,
    },
    Test {
        name: "server_takes_unused_identifiers",
        v311: &["2.3.1-4"],
        v5: &["2.2.1-4"],
        run: server_takes_unused_identifiers,
    },
    Test {
        name: "identifier_stays_when_sent_again",
        v311: &["2.3.1-3", "2.3.1-4", "3.3.1-1"],
        v5: &["3.3.1-1"],
        run: identifier_stays_when_sent_again,
    },
    Test {
        name: "acknowledgements_have_the_identifier_of_publish",
        v311: &["2.3.1-6"],
        v5: &["2.2.1-5"],
        run: acknowledgements_have_the_identifier_of_publish,
    },
    Test {
        name: "answers_have_the_identifier_of_the_request",
        v311: &["2.3.1-7", "3.8.4-2", "3.10.4-4"],
        v5: &["2.2.1-6", "3.8.4-2", "3.10.4-5"],
        run: answers_have_the_identifier_of_the_request,
    },
];

/// Behind the topic of a QoS 0 message come the properties or the payload, from either side.
fn no_identifier_at_qos_0(version: Version) {
    let mut server = ClientEnd::plain(version);
    let client = &mut server.end.connection;
    client.publish(QoS::AtMostOnce, message("t", "x")).unwrap();
    server.expect("30 ~ 00 01 \"t\" {00} \"x\"");

    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.subscribe("t", 0);
    client.send("32 ~ 't' 00 01 [] \"x\"");
    client.expect("40 02 00 01");
    client.expect("30 ~ 00 01 \"t\" {00} \"x\"");

    // Nor is one looked for.
    for mut side in Side::both(version) {
        side.peer.send("30 ~ 'in' [] \"xyz\"");
        assert_eq!(side.delivered(), ["in=xyz"]);
    }
}

/// All kinds of packets share the identifiers. Each is used once, and again when it is free.
fn client_takes_unused_identifiers(version: Version) {
    let connection = client::Connection::new()
        .max_queued(usize::MAX)
        .max_in_flight(NonZeroU16::MAX);
    let mut server = ClientEnd::new(version, connection);
    let client = &mut server.end.connection;
    client.connect(version, connect("c")).unwrap();
    server.receive();
    server.send("20 ~ 00 00 []");

    let client = &mut server.end.connection;
    let wanted = subscriptions("t", QoS::AtMostOnce);
    let filters = TopicFilters::new([TopicFilter::new("t").unwrap()]).unwrap();
    client.subscribe(wanted).unwrap();
    server.expect("82 ~ 00 01 [] 't' 00");
    let client = &mut server.end.connection;
    client.unsubscribe(filters).unwrap();
    server.expect("A2 ~ 00 02 [] 't'");
    let client = &mut server.end.connection;
    client.publish(QoS::ExactlyOnce, message("t", "x")).unwrap();
    server.expect("34 ~ 't' 00 03 [] \"x\"");
    let mut used = BTreeSet::from([1, 2, 3]);
    let client = &mut server.end.connection;
    let refused = loop {
        if let Err(refused) = client.publish(QoS::AtLeastOnce, message("t", "x")) {
            break refused.why;
        }
    };
    assert_eq!(refused, SessionError::PacketIdsExhausted.into());
    let sent = server.receive_all();
    assert_eq!(sent.len(), 65_532);
    for packet in sent {
        let id = packet.packet_id().unwrap().get();
        assert!(used.insert(id), "{id} was in use");
    }
    assert!(used.len() == 65_535 && !used.contains(&0));
    for freed in ["90 ~ 00 01 [] 00", "B0 ~ 00 02 [] {00}", "40 02 12 34"] {
        server.send(freed);
        let client = &mut server.end.connection;
        client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
        let id = server.receive().packet_id().unwrap().get();
        server.expect_open();
        assert!(matches!(id, 1 | 2 | 0x1234));
        assert!(used.remove(&id));
    }
}

/// The broker, too.
fn server_takes_unused_identifiers(version: Version) {
    let net = Net::with(|config| config.max_in_flight = 1_000);
    let mut client = net.connect(version, "a");
    client.subscribe("t", 2);
    let mut unacknowledged = BTreeSet::new();
    for round in 1..=300_u16 {
        client.send("30 ~ 't' [] \"x\"");
        client.expect("30 ~ 't' [] \"x\"");
        let id = number(round);
        client.send(&format!("32 ~ 't' {id} [] \"x\""));
        client.expect(&format!("40 02 {id}"));
        let id = client.receive().packet_id().unwrap().get();
        assert!(unacknowledged.insert(id), "{id} was in use");
        if round % 3 == 0 {
            let free = *unacknowledged.iter().nth(usize::from(round / 2)).unwrap();
            unacknowledged.remove(&free);
            client.send(&format!("40 02 {}", number(free)));
        }
    }
}

/// What is sent again has DUP and keeps its identifier, which is free only after the last acknowledgement.
fn identifier_stays_when_sent_again(version: Version) {
    let lasting = lasting(version, "c");
    let mut server = ClientEnd::accepted(version, lasting.clone(), "20 ~ 00 00 []");
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let client = &mut server.end.connection;
        client.publish(qos, message("t", "x")).unwrap();
    }
    server.expect("32 ~ 't' 00 01 [] \"x\" | 34 ~ 't' 00 02 [] \"x\"");
    server.reconnect(lasting.clone(), "20 ~ 01 00 []");
    server.expect("3A ~ 't' 00 01 [] \"x\" | 3C ~ 't' 00 02 [] \"x\"");
    server.send("50 02 00 02");
    server.expect("62 02 00 02");
    server.reconnect(lasting, "20 ~ 01 00 []");
    server.expect("62 02 00 02 | 3A ~ 't' 00 01 [] \"x\"");
    assert_eq!(server.end.connection.session().packet_ids_in_use(), 2);
    server.send("40 02 00 01 | 70 02 00 02");
    assert_eq!(server.end.connection.session().packet_ids_in_use(), 0);

    let net = Net::new();
    let mut client = net.resume(version, "a");
    client.subscribe("t", 2);
    client.send("32 ~ 't' 00 01 [] \"x\" | 34 ~ 't' 00 02 [] \"y\"");
    client.expect("40 02 00 01 | 50 02 00 02");
    client.expect("32 ~ 't' 00 01 [] \"x\" | 34 ~ 't' 00 02 [] \"y\"");
    client.cut();
    let mut client = net.resume(version, "a");
    client.expect("3A ~ 't' 00 01 [] \"x\" | 3C ~ 't' 00 02 [] \"y\"");
    client.send("50 02 00 02");
    client.expect("62 02 00 02");
    client.cut();
    let mut client = net.resume(version, "a");
    client.expect("62 02 00 02 | 3A ~ 't' 00 01 [] \"x\"");
}

/// Each step of an exchange names the PUBLISH that began it, on either side.
fn acknowledgements_have_the_identifier_of_publish(version: Version) {
    let mut server = ClientEnd::plain(version);
    server.send("32 ~ 't' 12 34 [] \"x\"");
    server.expect("40 02 12 34");
    server.send("34 ~ 't' 56 78 [] \"x\"");
    server.expect("50 02 56 78");
    server.send("62 02 56 78");
    server.expect("70 02 56 78");
    let client = &mut server.end.connection;
    client.publish(QoS::ExactlyOnce, message("t", "x")).unwrap();
    server.expect("34 ~ 't' 00 01 [] \"x\"");
    server.send("50 02 00 01");
    server.expect("62 02 00 01");

    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.subscribe("t", 2);
    client.send("32 ~ 't' 12 34 [] \"x\"");
    client.expect("40 02 12 34 | 32 ~ 't' 00 01 [] \"x\"");
    client.send("34 ~ 't' 56 78 [] \"x\"");
    client.expect("50 02 56 78 | 34 ~ 't' 00 02 [] \"x\"");
    client.send("62 02 56 78");
    client.expect("70 02 56 78");
    client.send("50 02 00 02");
    client.expect("62 02 00 02");
}

/// SUBACK and UNSUBACK name their request. A server cannot send others, and a client takes none.
fn answers_have_the_identifier_of_the_request(version: Version) {
    let mut client = Net::new().connect(version, "a");
    client.send("82 ~ 12 34 [] 't' 00 | A2 ~ 56 78 [] 't'");
    client.expect("90 ~ 12 34 [] 00 | B0 ~ 56 78 [] {00}");

    let mut client = ServerEnd::plain(version);
    client.send("82 ~ 12 34 [] 't' 00");
    let subscribe = client.end.request();
    client.send("A2 ~ 56 78 [] 't'");
    let unsubscribe = client.end.request();
    let codes = [ReasonCode::Success];
    let removed = match version {
        Version::V311 => &[],
        Version::V5 => &codes[..],
    };
    let removed = || removed.iter().copied();
    let none = Err(ConnectionError::NoSuchRequest);
    let server = &mut client.end.connection;
    assert_eq!(server.sub_ack(unsubscribe, codes), none);
    assert_eq!(server.unsub_ack(subscribe, removed()), none);
    server.unsub_ack(unsubscribe, removed()).unwrap();
    server.sub_ack(subscribe, codes).unwrap();
    assert_eq!(server.sub_ack(subscribe, codes), none);
    assert_eq!(server.unsub_ack(unsubscribe, removed()), none);
    client.expect("B0 ~ 56 78 [] {00} | 90 ~ 12 34 [] 00");
    // Nor is the answer to a request that of another one with its identifier.
    client.send("82 ~ 12 34 [] 't' 00");
    let server = &mut client.end.connection;
    assert_eq!(server.sub_ack(subscribe, codes), none);
    client.expect_open();

    for (good, answer) in [
        (true, "90 ~ 00 01 [] 00"),
        (true, "90 ~ 00 02 [] 00 | 90 ~ 00 01 [] 00"),
        (false, "B0 ~ 00 01 [] {00}"),
    ] {
        let mut server = ClientEnd::plain(version);
        let wanted = subscriptions("t", QoS::AtMostOnce);
        let client = &mut server.end.connection;
        client.subscribe(wanted).unwrap();
        server.expect("82 ~ 00 01 [] 't' 00");
        server.send(answer);
        match good {
            true => {
                server.expect_open();
                let events = server.end.events();
                let codes = |event| matches!(event, &Event::Subscribed(_, Answer::Codes(_)));
                assert_eq!(events.iter().filter(|event| codes(event)).count(), 1);
            }
            false => server.expect_close_with(0x82),
        }
    }

    let mut server = ClientEnd::plain(version);
    let calls = ["a", "b", "c"].map(|filter| {
        let wanted = subscriptions(filter, QoS::AtMostOnce);
        server.end.connection.subscribe(wanted).unwrap()
    });
    server.receive_all();
    for at in [1, 0, 2] {
        server.send(&format!("90 ~ 00 {:02X} [] 00", at + 1));
        let events = server.end.events();
        let answered = events.iter().find_map(|event| match event {
            Event::Subscribed(call, Answer::Codes(_)) => Some(*call),
            _ => None,
        });
        assert_eq!(answered, Some(calls[at]));
    }
}
