//! MQTT 5.0 sections 3.8 and 3.9: SUBSCRIBE and SUBACK.

use mqtt_sansio::connection::{ConnectionError, Event};
use mqtt_sansio::packet::{InvalidSubscriptions, SubscriptionOptions, Subscriptions};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Packet, QoS, ReasonCode, Text, Version};
use reference_broker::{Access, Policy};
use support::script::{ClientEnd, Net, ServerEnd};

use crate::Test;
use crate::sides::{self, explaining};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "wildcards_are_refused_where_there_are_none",
        v311: &["3.8.3-2"],
        v5: &["U5-3.2.2.3.11-87"],
        run: wildcards_are_refused_where_there_are_none,
    },
    Test {
        name: "no_local",
        v311: &[],
        v5: &["3.8.3-3"],
        run: no_local,
    },
    Test {
        name: "answered_with_the_same_identifier",
        v311: &["3.8.4-1", "3.8.4-2 server"],
        v5: &["3.8.4-1", "3.8.4-2 server"],
        run: answered_with_the_same_identifier,
    },
    Test {
        name: "client_takes_the_answer_to_its_request_alone",
        v311: &["3.8.4-2 client", "3.8.4-5 client"],
        v5: &["3.8.4-2 client", "3.8.4-6 client"],
        run: client_takes_the_answer_to_its_request_alone,
    },
    Test {
        name: "same_filter_replaces",
        v311: &["3.8.4-3"],
        v5: &["3.8.4-3"],
        run: same_filter_replaces,
    },
    Test {
        name: "replacing_loses_nothing",
        v311: &["3.8.4-3"],
        v5: &["3.8.4-4"],
        run: replacing_loses_nothing,
    },
    Test {
        name: "many_filters_are_many_requests",
        v311: &["3.8.4-4", "3.8.4-5 server", "3.9.3-1"],
        v5: &["3.8.4-5", "3.8.4-6 server", "3.8.4-7", "3.9.3-1"],
        run: many_filters_are_many_requests,
    },
    Test {
        name: "code_is_what_was_granted",
        v311: &["3.8.4-5 server", "3.8.4-6"],
        v5: &["3.8.4-7", "3.8.4-8"],
        run: code_is_what_was_granted,
    },
    Test {
        name: "lower_of_both_qos",
        v311: &["3.8.4-6"],
        v5: &["3.8.4-8"],
        run: lower_of_both_qos,
    },
    Test {
        name: "client_asks_for_nothing_malformed",
        v311: &["3.8.3-3 client"],
        v5: &["3.8.3-2 client", "3.8.3-4 client"],
        run: client_asks_for_nothing_malformed,
    },
    Test {
        name: "server_uses_the_codes_there_are",
        v311: &["3.8.4-5 server", "3.9.3-2 server"],
        v5: &["3.8.4-6 server", "3.8.4-7", "3.9.3-2 server"],
        run: server_uses_the_codes_there_are,
    },
    Test {
        name: "explains_nothing_that_does_not_fit",
        v311: &[],
        v5: &["3.9.2-1", "3.9.2-2"],
        run: explains_nothing_that_does_not_fit,
    },
];

/// A server that does not offer wildcards.
#[derive(Debug)]
struct NoWildcards;

impl Policy for NoWildcards {
    fn subscribe(&mut self, _: &Text, filter: &TopicFilter<&[u8]>) -> Result<(), ReasonCode> {
        match filter.has_wildcards() {
            true => Err(ReasonCode::WildcardSubscriptionsNotSupported),
            false => Ok(()),
        }
    }
}

fn wildcards_are_refused_where_there_are_none(version: Version) {
    let mut client = Net::with_policy(NoWildcards).connect(version, "c");
    client.send("82 ~ 00 01 [] '#' 00 'a/+' 01 'a' 02 '+/a' 02");
    client.expect(match version {
        Version::V311 => "90 ~ 00 01 80 80 02 80",
        Version::V5 => "90 ~ 00 01 [] A2 A2 02 A2",
    });
    client.send("30 ~ 'a/b' [] | 30 ~ 'a' [] \"x\"");
    client.expect("30 ~ 'a' [] \"x\"");
    client.expect_open();
}

/// The ClientID of the publisher counts, on whatever connection, and only if the subscription asks
/// for it.
fn no_local(version: Version) {
    let net = Net::new();
    let mut client = net.resume(version, "c");
    client.send("82 ~ 00 01 [] 'no' 04 'yes' 00 'late' 05");
    client.expect("90 ~ 00 01 [] 00 00 01");
    client.send("30 ~ 'no' [] \"own\" | 30 ~ 'yes' [] \"own\"");
    client.expect("30 ~ 'yes' [] \"own\"");
    let mut other = net.connect(version, "d");
    other.send("30 ~ 'no' [] \"other\"");
    client.expect("30 ~ 'no' [] \"other\"");
    // It had no connection when its will was published.
    client.leave();
    let will = "10 ~ 'MQTT' VV 0C 00 00 [11 FF FF FF FF] 'c' [] 'late' 'own'";
    net.connect_with(version, will).0.cut();
    other.send("32 ~ 'late' 00 01 [] \"other\"");
    other.expect("40 ~ 00 01");
    let mut client = net.resume(version, "c");
    client.expect("32 ~ 'late' 00 01 [] \"other\"");
    client.expect_open();
    // A message that is retained is the publisher's none the less.
    client.send("31 ~ 'kept' [] \"own\"");
    client.subscribe("kept", 0x04);
    client.expect_open();
    other.subscribe("kept", 0x04);
    other.expect("31 ~ 'kept' [] \"own\"");
    client.subscribe("kept", 0x00);
    client.expect("31 ~ 'kept' [] \"own\"");
    other.send("31 ~ 'kept' [] \"other\"");
    client.expect("30 ~ 'kept' [] \"other\"");
    client.subscribe("kept", 0x04);
    client.expect("31 ~ 'kept' [] \"other\"");
    client.expect_open();
    other.expect_open();
}

/// Whatever the identifier is, and also if nothing is granted.
fn answered_with_the_same_identifier(version: Version) {
    let rules = Access::default().deny_subscribe("secret".parse().unwrap());
    let mut client = Net::with_policy(rules).connect(version, "c");
    for id in ["00 01", "01 00", "7A BC", "FF FF", "00 01"] {
        client.send(&format!("82 ~ {id} [] 't' 01"));
        client.expect(&format!("90 ~ {id} [] 01"));
    }
    client.send("82 ~ 12 34 [] 'secret' 01");
    client.expect(match version {
        Version::V311 => "90 ~ 12 34 [] 80",
        Version::V5 => "90 ~ 12 34 [] 87",
    });
    client.send("82 ~ 00 02 [] 'a' 00 | 82 ~ 00 03 [] 'b' 00");
    client.expect("90 ~ 00 02 [] 00 | 90 ~ 00 03 [] 00");
    client.expect_open();
}

/// Another identifier, or another number of codes, is no answer.
fn client_takes_the_answer_to_its_request_alone(version: Version) {
    for (answer, good) in [
        ("90 ~ 00 01 [] 00 80", true),
        ("90 ~ 00 01 [] 00", false),
        ("90 ~ 00 01 [] 00 00 00", false),
        ("B0 ~ 00 01 [] {00 00}", false),
    ] {
        let mut server = ClientEnd::plain(version);
        let filter = |filter| TopicFilter::new(filter).unwrap();
        let filters = [
            (filter("a"), QoS::AtMostOnce),
            (filter("b"), QoS::AtMostOnce),
        ];
        let filters = Subscriptions::new(filters).unwrap();
        server.end.connection.subscribe(filters).unwrap();
        server.expect("82 ~ 00 01 [] 'a' 00 'b' 00");
        // That of another request is not its answer.
        server.send("90 ~ 00 02 [] 00 80");
        let events = server.end.events();
        let answered = |events: &[Event]| {
            let answered = |event| matches!(event, &Event::Subscribed(..));
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

/// The new one counts: its QoS, its options, its identifier. It is one subscription, which one
/// UNSUBSCRIBE removes.
fn same_filter_replaces(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "c");
    let mut other = net.connect(version, "other");
    client.send("82 ~ 00 01 [0B 07] 't/+' 00");
    client.expect("90 ~ 00 01 [] 00");
    other.send("32 ~ 't/1' 00 01 [] \"one\"");
    client.expect("30 ~ 't/1' [0B 07] \"one\"");
    client.send("82 ~ 00 02 [0B 08] 't/+' 02");
    client.expect("90 ~ 00 02 [] 02");
    other.send("32 ~ 't/1' 00 02 [] \"two\"");
    client.expect("32 ~ 't/1' 00 01 [0B 08] \"two\"");
    // Another filter that matches the same is another subscription.
    client.send("82 ~ 00 03 [] 't/1' 00");
    client.expect("90 ~ 00 03 [] 00");
    client.send("A2 ~ 00 04 [] 't/+'");
    client.expect("B0 ~ 00 04 [] {00}");
    other.send("32 ~ 't/1' 00 03 [] \"three\"");
    client.expect("30 ~ 't/1' [] \"three\"");
    client.send("A2 ~ 00 04 [] 't/1'");
    client.expect("B0 ~ 00 04 [] {00}");
    other.send("32 ~ 't/1' 00 04 [] \"four\"");
    client.expect_open();
}

/// Retained messages are sent again, and no others are lost: neither those under way nor those that
/// come right before and after.
fn replacing_loses_nothing(version: Version) {
    let net = Net::with(|config| config.max_in_flight = 1);
    let mut client = net.connect(version, "c");
    let mut other = net.connect(version, "other");
    other.send("31 ~ 't' [] \"kept\"");
    client.send("82 ~ 00 01 [] 't' 01");
    client.expect("90 ~ 00 01 [] 01 | 31 ~ 't' [] \"kept\"");
    other.send("32 ~ 't' 00 01 [] \"one\" | 32 ~ 't' 00 02 [] \"two\"");
    client.send("82 ~ 00 02 [] 't' 01");
    other.send("32 ~ 't' 00 03 [] \"three\"");
    let mut came = Vec::new();
    loop {
        let packets = client.receive_all();
        for packet in &packets {
            let Packet::Publish(publish) = packet else {
                continue;
            };
            if let Some(id) = publish.packet_id() {
                client.send(&format!("40 ~ 00 {:02X}", id.get()));
            }
        }
        if packets.is_empty() {
            break;
        }
        came.extend(packets);
    }
    let mut came = sides::messages(&came);
    came.sort();
    assert_eq!(came, ["t=kept", "t=one", "t=three", "t=two"]);
    client.expect_open();
}

/// One SUBACK has the codes of all filters in their order, one that is refused among them; a filter
/// that comes twice is replaced.
fn many_filters_are_many_requests(version: Version) {
    let rules = Access::default().deny_subscribe("secret/#".parse().unwrap());
    let net = Net::with_policy(rules);
    let mut client = net.connect(version, "c");
    client.send("31 ~ 'b' [] \"kept\"");
    client.send("82 ~ 00 01 [] 'a' 02 'secret/a' 01 'b' 00 'c' 01 'a' 00");
    client.expect(match version {
        Version::V311 => "90 ~ 00 01 [] 02 80 00 01 00",
        Version::V5 => "90 ~ 00 01 [] 02 87 00 01 00",
    });
    client.expect("31 ~ 'b' [] \"kept\"");
    client.expect_open();
    let mut other = net.connect(version, "other");
    other.send("34 ~ 'a' 00 01 [] | 34 ~ 'secret/a' 00 02 []");
    other.send("34 ~ 'b' 00 03 [] | 34 ~ 'c' 00 04 []");
    client.expect("30 ~ 'a' [] | 30 ~ 'b' [] | 32 ~ 'c' 00 01 []");
    client.expect_open();
}

/// A server may grant less than was asked for, and then sends no more than that.
fn code_is_what_was_granted(version: Version) {
    for granted in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let net = Net::with(|config| config.maximum_qos = granted);
        let mut client = net.connect(version, "c");
        let codes = [0, 1, 2].map(|asked: u8| asked.min(granted.level()));
        let [a, b, c] = codes;
        client.send("82 ~ 00 01 [] 'a' 00 'b' 01 'c' 02");
        client.expect(&format!("90 ~ 00 01 [] {a:02X} {b:02X} {c:02X}"));
        let mut other = net.connect(version, "other");
        let (published, sent) = match granted {
            QoS::AtMostOnce => (
                "30 ~ 'a' [] | 30 ~ 'b' [] | 30 ~ 'c' []",
                "30 ~ 'a' [] | 30 ~ 'b' [] | 30 ~ 'c' []",
            ),
            _ => (
                "32 ~ 'a' 00 01 [] | 32 ~ 'b' 00 02 [] | 32 ~ 'c' 00 03 []",
                "30 ~ 'a' [] | 32 ~ 'b' 00 01 [] | 32 ~ 'c' 00 02 []",
            ),
        };
        other.send(published);
        client.expect(sent);
        client.expect_open();
    }
}

/// Each QoS of a message with each of a subscription.
fn lower_of_both_qos(version: Version) {
    for granted in 0..=2 {
        for published in 0..=2 {
            let net = Net::new();
            let mut client = net.connect(version, "c");
            client.subscribe("t", granted);
            let mut other = net.connect(version, "other");
            other.send(["30 ~ 't' []", "32 ~ 't' 00 09 []", "34 ~ 't' 00 09 []"][published]);
            let lower = published.min(granted.into());
            client.expect(["30 ~ 't' []", "32 ~ 't' 00 01 []", "34 ~ 't' 00 01 []"][lower]);
            client.expect_open();
        }
    }
}

/// There is no SUBSCRIBE without a filter, or with No Local on a shared subscription.
fn client_asks_for_nothing_malformed(version: Version) {
    let none = Subscriptions::new([] as [(TopicFilter, QoS); 0]);
    assert_eq!(none, Err(InvalidSubscriptions::Empty));
    let shared = TopicFilter::new("$share/g/t").unwrap();
    let mut options = SubscriptionOptions::new(QoS::AtMostOnce);
    assert!(Subscriptions::new([(shared, options)]).is_ok());
    options.no_local = true;
    let local = InvalidSubscriptions::NoLocalOnSharedSubscription;
    assert_eq!(Subscriptions::new([(shared, options)]), Err(local));
    if version == Version::V311 {
        options.no_local = false;
    }
    let own = TopicFilter::new("t").unwrap();
    let own = Subscriptions::new([(own, options)]).unwrap();
    let mut server = ClientEnd::plain(version);
    server.end.connection.subscribe(own).unwrap();
    server.expect(match version {
        Version::V311 => "82 ~ 00 01 't' 00",
        Version::V5 => "82 ~ 00 01 [] 't' 04",
    });
}

/// Refuses all subscriptions for this reason.
#[derive(Debug)]
struct Refuse(ReasonCode);

impl Policy for Refuse {
    fn subscribe(&mut self, _: &Text, _: &TopicFilter<&[u8]>) -> Result<(), ReasonCode> {
        Err(self.0)
    }
}

/// One for each filter, and no other is sent, whatever an application gives for a reason.
fn server_uses_the_codes_there_are(version: Version) {
    let codes: &[u8] = match version {
        Version::V311 => &[0x00, 0x01, 0x02, 0x80],
        Version::V5 => &[
            0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
        ],
    };
    for count in [0, 1, 3] {
        let mut client = ServerEnd::plain(version);
        client.send("82 ~ 00 01 [] 't' 00 'u' 00");
        let codes = [ReasonCode::Success; 3].into_iter().take(count);
        let request = client.end.request();
        let answered = client.end.connection.sub_ack(request, codes);
        assert_eq!(
            answered,
            Err(ConnectionError::NoSuchRequest),
            "{count} for 2"
        );
        client.expect_open();
    }
    for reason in (0..=u8::MAX).filter_map(ReasonCode::from_u8) {
        let code = reason.to_u8();
        let mut client = ServerEnd::plain(version);
        client.send("82 ~ 00 01 [] 't' 00");
        let request = client.end.request();
        let answered = client.end.connection.sub_ack(request, [reason]);
        assert_eq!(answered.is_ok(), codes.contains(&code), "{reason}");
        if answered.is_ok() {
            client.expect(&format!("90 ~ 00 01 [] {code:02X}"));
        }
        client.expect_open();

        let mut client = Net::with_policy(Refuse(reason)).connect(version, "c");
        client.send("82 ~ 00 01 [] 't' 00");
        // A refusal is never said to be a success.
        let refusal = code >= 0x80 && codes.contains(&code);
        let code = if refusal { code } else { 0x80 };
        client.expect(&format!("90 ~ 00 01 [] {code:02X}"));
        client.expect_open();
    }
}

/// The server has something to explain, which is left out of a SUBACK that would be too long.
fn explains_nothing_that_does_not_fit(version: Version) {
    for (explanation, whole) in [
        ("1F 'x'", "90 ~ 00 01 [1F 'x'] 00"),
        ("26 'k' 'v'", "90 ~ 00 01 [26 'k' 'v'] 00"),
    ] {
        let size = support::notation::bytes(version, whole).len();
        for (limit, expected) in [(size, whole), (size - 1, "90 ~ 00 01 [] 00")] {
            let mut client = sides::server(version, &format!("27 00 00 00 {limit:02X}"));
            client.send("82 ~ 00 01 [] 't' 00");
            let properties = explaining(version, explanation);
            let (request, granted) = (client.end.request(), [ReasonCode::Success]);
            let server = &mut client.end.connection;
            server.sub_ack_with(request, granted, properties).unwrap();
            client.expect(expected);
            client.expect_open();
        }
    }
}
