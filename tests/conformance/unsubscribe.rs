//! MQTT 5.0 sections 3.10 and 3.11: UNSUBSCRIBE and UNSUBACK.

use mqtt_sansio::connection::{ConnectionError, Event};
use mqtt_sansio::packet::{InvalidTopicFilters, TopicFilters};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{ReasonCode, Version};
use support::notation::bytes;
use support::script::{ClientEnd, Net, ServerEnd};

use crate::Test;
use crate::sides::{self, explaining};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "filters_are_compared_byte_for_byte",
        v311: &["3.10.4-1"],
        v5: &["3.10.4-1"],
        run: filters_are_compared_byte_for_byte,
    },
    Test {
        name: "new_messages_stop",
        v311: &["3.10.4-2"],
        v5: &["3.10.4-2"],
        run: new_messages_stop,
    },
    Test {
        name: "begun_deliveries_are_finished",
        v311: &["3.10.4-3"],
        v5: &["3.10.4-3"],
        run: begun_deliveries_are_finished,
    },
    Test {
        name: "always_answered_with_the_same_identifier",
        v311: &["3.10.4-4 server", "3.10.4-5"],
        v5: &["3.10.4-4", "3.10.4-5 server"],
        run: always_answered_with_the_same_identifier,
    },
    Test {
        name: "client_takes_the_answer_to_its_request_alone",
        v311: &["3.10.4-4 client"],
        v5: &["3.10.4-5 client"],
        run: client_takes_the_answer_to_its_request_alone,
    },
    Test {
        name: "many_filters_are_many_requests",
        v311: &["3.10.4-6"],
        v5: &["3.10.4-6", "3.11.3-1"],
        run: many_filters_are_many_requests,
    },
    Test {
        name: "client_names_a_filter",
        v311: &["3.10.3-2 client"],
        v5: &["3.10.3-2 client"],
        run: client_names_a_filter,
    },
    Test {
        name: "server_uses_the_codes_there_are",
        v311: &[],
        v5: &["3.11.3-2 server"],
        run: server_uses_the_codes_there_are,
    },
    Test {
        name: "explains_nothing_that_does_not_fit",
        v311: &[],
        v5: &["3.11.2-1", "3.11.2-2"],
        run: explains_nothing_that_does_not_fit,
    },
];

/// A filter that matches the same, covers this one or differs in a letter removes nothing.
fn filters_are_compared_byte_for_byte(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "c");
    let mut other = net.connect(version, "other");
    for filter in ["a/b", "a/+", "a/#", "+/b", "#"] {
        client.subscribe(filter, 0);
        for near in [
            "A/b", "a/B", "A/+", "a/b/", "/a/b", "a", "a/b/#", "A/#", "+", "+/+", "+/#", "a/c",
        ] {
            client.send(&format!("A2 ~ 00 01 [] '{near}'"));
            client.expect("B0 ~ 00 01 [] {11}");
        }
        other.send("30 ~ 'a/b' []");
        client.expect("30 ~ 'a/b' []");
        client.send(&format!("A2 ~ 00 01 [] '{filter}'"));
        client.expect("B0 ~ 00 01 [] {00}");
        other.send("30 ~ 'a/b' []");
        client.expect_open();
    }
}

/// No message is added after UNSUBSCRIBE, at no QoS, and other subscriptions go on.
fn new_messages_stop(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "c");
    client.subscribe("t/+", 2);
    client.subscribe("t/2", 2);
    client.send("A2 ~ 00 01 [] 't/+'");
    client.expect("B0 ~ 00 01 [] {00}");
    let mut other = net.connect(version, "other");
    other.send("30 ~ 't/1' [] | 32 ~ 't/1' 00 01 [] | 34 ~ 't/1' 00 02 [] | 31 ~ 't/1' []");
    client.expect_open();
    other.send("32 ~ 't/2' 00 03 []");
    client.expect("32 ~ 't/2' 00 01 []");
    client.expect_open();
}

/// What was sent is finished, on this connection and on the next.
fn begun_deliveries_are_finished(version: Version) {
    let net = Net::new();
    let mut client = net.resume(version, "c");
    client.subscribe("t", 2);
    let mut other = net.connect(version, "other");
    other.send(
        "32 ~ 't' 00 01 [] \"one\" | 34 ~ 't' 00 02 [] \"two\" | 34 ~ 't' 00 03 [] \"three\"",
    );
    client.expect("32 ~ 't' 00 01 [] \"one\" | 34 ~ 't' 00 02 [] \"two\"");
    client.expect("34 ~ 't' 00 03 [] \"three\"");
    client.send("A2 ~ 00 01 [] 't'");
    client.expect("B0 ~ 00 01 [] {00}");
    client.send("50 ~ 00 02");
    client.expect("62 ~ 00 02");
    client.send("70 ~ 00 02");
    client.expect_open();
    client.cut();
    let mut client = net.resume(version, "c");
    client.expect("3A ~ 't' 00 01 [] \"one\" | 3C ~ 't' 00 03 [] \"three\"");
    client.send("40 ~ 00 01 | 50 ~ 00 03");
    client.expect("62 ~ 00 03");
    client.send("70 ~ 00 03");
    client.expect_open();
    client.cut();
    net.resume(version, "c").expect_open();
}

/// Whatever the identifier is, and also if nothing is removed.
fn always_answered_with_the_same_identifier(version: Version) {
    let mut client = Net::new().connect(version, "c");
    for id in ["00 01", "01 00", "7A BC", "FF FF", "00 01"] {
        client.send(&format!("A2 ~ {id} [] 't'"));
        client.expect(&format!("B0 ~ {id} [] {{11}}"));
        client.subscribe("t", 1);
        client.send(&format!("A2 ~ {id} [] 't'"));
        client.expect(&format!("B0 ~ {id} [] {{00}}"));
    }
    client.expect_open();
}

/// Another identifier, or in 5.0 another number of codes, is no answer.
fn client_takes_the_answer_to_its_request_alone(version: Version) {
    for (answer, good) in [
        ("B0 ~ 00 01 [] {00 11}", true),
        ("B0 ~ 00 01 [] {00}", version == Version::V311),
        ("90 ~ 00 01 [] 00 00", false),
    ] {
        let mut server = ClientEnd::plain(version);
        let filters = ["a", "b"].map(|filter| TopicFilter::new(filter).unwrap());
        let filters = TopicFilters::new(filters).unwrap();
        server.end.connection.unsubscribe(filters).unwrap();
        server.expect("A2 ~ 00 01 [] 'a' 'b'");
        // That of another request is not its answer.
        server.send("B0 ~ 00 02 [] {00 11}");
        let events = server.end.events();
        let answered = |events: &[Event]| {
            let answered = |event| matches!(event, &Event::Unsubscribed(..));
            events.iter().any(answered)
        };
        assert!(!answered(&events));
        server.send(answer);
        match good {
            true => {
                server.expect_open();
                assert!(answered(&server.end.events()));
            }
            false => server.expect_close_with(0x82),
        }
    }
}

/// One UNSUBACK, in 5.0 with the codes of all filters in their order. One that comes twice is there
/// once.
fn many_filters_are_many_requests(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "c");
    for filter in ["a", "b", "c"] {
        client.subscribe(filter, 0);
    }
    client.send("A2 ~ 00 01 [] 'x' 'a' 'c' 'y' 'a'");
    client.expect("B0 ~ 00 01 [] {11 00 00 11 11}");
    client.expect_open();
    let mut other = net.connect(version, "other");
    other.send("30 ~ 'a' [] | 30 ~ 'b' [] | 30 ~ 'c' []");
    client.expect("30 ~ 'b' []");
    client.expect_open();
}

/// There is no UNSUBSCRIBE without one.
fn client_names_a_filter(version: Version) {
    let none = TopicFilters::new([] as [TopicFilter; 0]);
    assert_eq!(none, Err(InvalidTopicFilters::Empty));
    let mut server = ClientEnd::plain(version);
    let one = TopicFilters::new([TopicFilter::new("t").unwrap()]).unwrap();
    server.end.connection.unsubscribe(one).unwrap();
    server.expect("A2 ~ 00 01 [] 't'");
}

/// One for each filter, and no other is sent.
fn server_uses_the_codes_there_are(version: Version) {
    for count in [0, 1, 3] {
        let mut client = ServerEnd::plain(version);
        client.send("A2 ~ 00 01 [] 't' 'u'");
        let codes = [ReasonCode::Success; 3].into_iter().take(count);
        let request = client.end.request();
        let answered = client.end.connection.unsub_ack(request, codes);
        assert_eq!(
            answered,
            Err(ConnectionError::NoSuchRequest),
            "{count} for 2"
        );
        client.expect_open();
    }
    let codes = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
    for reason in (0..=u8::MAX).filter_map(ReasonCode::from_u8) {
        let code = reason.to_u8();
        let mut client = ServerEnd::plain(version);
        client.send("A2 ~ 00 01 [] 't'");
        let request = client.end.request();
        let answered = client.end.connection.unsub_ack(request, [reason]);
        assert_eq!(answered.is_ok(), codes.contains(&code), "{reason}");
        if answered.is_ok() {
            client.expect(&format!("B0 ~ 00 01 [] {code:02X}"));
        }
        client.expect_open();
    }
}

/// The server has something to explain, which is left out of an UNSUBACK that would be too long.
fn explains_nothing_that_does_not_fit(version: Version) {
    for (explanation, whole) in [
        ("1F 'x'", "B0 ~ 00 01 [1F 'x'] 00"),
        ("26 'k' 'v'", "B0 ~ 00 01 [26 'k' 'v'] 00"),
    ] {
        let size = bytes(version, whole).len();
        for (limit, expected) in [(size, whole), (size - 1, "B0 ~ 00 01 [] 00")] {
            let mut client = sides::server(version, &format!("27 00 00 00 {limit:02X}"));
            client.send("A2 ~ 00 01 [] 't'");
            let properties = explaining(version, explanation);
            let (request, removed) = (client.end.request(), [ReasonCode::Success]);
            let server = &mut client.end.connection;
            server.unsub_ack_with(request, removed, properties).unwrap();
            client.expect(expected);
            client.expect_open();
        }
    }
}
