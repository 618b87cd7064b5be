//! Clients that send without end: what the broker holds for them stays within its limits, as the
//! allocator counts it, they are told what the specification has for it, and others are served.
//!
//! Those with a number are the hostile histories E1 to E10 that were found in the field. Of E10, a
//! flood of silent connections, what the broker holds is counted here, and descriptors, threads and
//! memory of the process in the test `tcp`.
//!
//! Without the test harness, whose threads would be counted too.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

mod cases;
mod net;

use std::num::NonZeroU16;

use mqtt_sansio::packet::{Ack, Auth, ConnAck};
use mqtt_sansio::property::{ConnectProperties, PublishProperties, TopicAlias};
use mqtt_sansio::{Packet, QoS, ReasonCode, Text, Version};
use net::{BOTH, Net, config, connect, id, message, subscribe, unsubscribe};
use reference_broker::{AuthStep, ConnectionId, Policy};

const KIB: usize = 1024;

/// Those whose name contains the first argument: `cargo test --test flood -- e6`. With `--list`, their
/// names.
fn main() {
    let which = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let which = which.unwrap_or_default();
    let lists = std::env::args().any(|arg| arg == "--list");
    macro_rules! floods {
        ($($flood:path,)*) => {
            $(match lists {
                true => println!("{}: test", stringify!($flood)),
                false if stringify!($flood).contains(&which) => $flood(),
                false => {}
            })*
        };
    }
    floods! {
        connections_without_connect,
        authentication_without_end,
        sessions,
        subscriptions,
        filters,
        retained_topics,
        retained_bytes,
        names_of_publishers,
        e3_unreleased_messages,
        e5_unread_answers,
        unread_pings,
        unread_messages,
        unacknowledged_messages,
        user_properties,
        subscription_identifiers,
        aliases,
        e1_answers_to_what_was_never_sent,
        cases::e2_explained_answers,
        cases::e4_filters_that_nearly_match,
        cases::e4_filters_that_match,
        cases::e6_subscribe_with_one_filter_many_times,
        cases::e6_subscribes_by_the_thousand,
        cases::e7_shares_whose_members_are_away,
        cases::e8_one_byte_behind_a_large_packet,
        cases::e8_beginnings_of_packets,
        cases::e9_retained_messages,
        cases::e9_messages_that_wait,
        cases::e9_subscriptions,
        cases::e9_retained_messages_that_expire,
        cases::e10_silent_connections,
    }
}

/// Who has said nothing whole is told nothing; the oldest goes first.
fn connections_without_connect() {
    let mut config = config();
    config.max_pending = 20;
    let mut net = Net::new(config);
    let first = net.open(Version::V5);
    for round in 0..400 {
        let silent = net.open(Version::V5);
        net.bytes(silent, b"\x10\xFF\xFF\x03\0\x04MQTT\x05");
        net.bytes(silent, &[0; 60 * KIB]);
        assert_eq!(net.receive(silent), []);
        if round % 100 == 0 {
            net.serve();
        }
    }
    assert!(net.broker.is_closing(first.id));
    assert_eq!(net.broker.usage().pending, 20);
    net.assert_held("halves of CONNECT", 20 * 130 * KIB);
}

/// Asks for more and more.
#[derive(Debug)]
struct Curious;

impl Policy for Curious {
    fn auth(&mut self, _: ConnectionId, _: &str, _: &[u8]) -> AuthStep {
        AuthStep::Continue(b"and".to_vec())
    }
}

fn authentication_without_end() {
    let mut config = config();
    config.max_pending = 20;
    let mut net = Net::with_policy(config, Curious);
    let method = Text::new("m").unwrap();
    let mut asking = connect(Version::V5, "a");
    let builder = ConnectProperties::builder().authentication_method(method);
    asking.properties = builder
        .user_property(method, text(&"x".repeat(50 * KIB)))
        .build();
    let mut peers = Vec::new();
    for _ in 0..20 {
        let peer = net.open(Version::V5);
        assert!(matches!(net.ask(peer, asking.clone()), Packet::Auth(_)));
        let again = Auth::new(ReasonCode::ContinueAuthentication, method).to_owned();
        for _ in 0..50 {
            assert!(matches!(net.ask(peer, again.clone()), Packet::Auth(_)));
        }
        peers.push(peer);
    }
    // One more, and the oldest is told.
    let more = net.broker.accept(net.now);
    let busy = ConnAck::new(ReasonCode::ServerBusy);
    assert_eq!(net.receive(peers[0]), [Packet::ConnAck(busy)]);
    assert!(net.broker.is_closing(peers[0].id) && !net.broker.is_closing(more));
    net.assert_held("authentications", 20 * 55 * KIB);
}

fn text(text: &str) -> Text<&[u8]> {
    Text::new(text).unwrap()
}

fn sessions() {
    let mut config = config();
    config.max_sessions = 100;
    let mut net = Net::new(config);
    for number in 0..400 {
        let version = BOTH[number % 2];
        let peer = net.open(version);
        let name = format!("{number}{}", "x".repeat(10 * KIB));
        let Packet::ConnAck(connack) = net.ask(peer, connect(version, &name)) else {
            panic!();
        };
        let reason = match (number < 99, version) {
            (true, _) => ReasonCode::Success,
            (false, Version::V311) => ReasonCode::ServerUnavailable,
            (false, Version::V5) => ReasonCode::QuotaExceeded,
        };
        assert_eq!(connack.reason, reason);
        net.cut(peer);
    }
    net.assert_held("sessions", 100 * 21 * KIB);
}

/// The code of SUBACK for a filter above a limit.
fn refused(version: Version) -> ReasonCode {
    match version {
        Version::V311 => ReasonCode::UnspecifiedError,
        Version::V5 => ReasonCode::QuotaExceeded,
    }
}

fn subscriptions() {
    for version in BOTH {
        let mut config = config();
        config.max_subscriptions = 1_000;
        let mut net = Net::new(config);
        let peer = net.join(version, "a");
        for number in 0..5_000 {
            let filter = format!("{number}/+/#");
            let Packet::SubAck(suback) = net.ask(peer, subscribe(&[&filter], None)) else {
                panic!();
            };
            let expected = match number < 1_000 {
                true => ReasonCode::GrantedQoS2,
                false => refused(version),
            };
            assert_eq!(suback.reasons.iter().next(), Some(expected));
        }
        net.assert_held("subscriptions", 1_000 * KIB);
    }
}

fn filters() {
    for version in BOTH {
        let mut config = config();
        // Once for the session and once, where half of it may be empty, to be found by topic.
        config.max_subscription_bytes = 10 * (3 * 50 + 1) * KIB;
        let mut net = Net::new(config);
        let peer = net.join(version, "a");
        for number in 10..60 {
            let filter = format!("{number}/{}", "x".repeat(50 * KIB - 3));
            let Packet::SubAck(suback) = net.ask(peer, subscribe(&[&filter], None)) else {
                panic!();
            };
            let expected = match number < 20 {
                true => ReasonCode::GrantedQoS2,
                false => refused(version),
            };
            assert_eq!(suback.reasons.iter().next(), Some(expected));
        }
        net.assert_held("filters", 10 * (3 * 50 + 1) * KIB);
    }
}

fn retained_topics() {
    let mut config = config();
    config.max_retained = 1_000;
    flood_of_retained("retained topics", config, 5_000, 10, 1_000 * KIB);
}

fn retained_bytes() {
    let mut config = config();
    config.max_retained_bytes = 500 * KIB;
    flood_of_retained("retained bytes", config, 100, 20 * KIB, 600 * KIB);
}

/// The one that is too many is refused where it can be, and else ends the connection.
fn flood_of_retained(
    what: &str,
    config: reference_broker::Config,
    count: u32,
    len: usize,
    most: usize,
) {
    let mut net = Net::new(config);
    let (mut old, new) = (net.join(Version::V311, "old"), net.join(Version::V5, "new"));
    let mut refused = 0;
    for number in 0..count {
        let mut publish = message(QoS::AtLeastOnce, 1, &format!("t/{number}"), len);
        publish.retain = true;
        let retained = net.broker.usage().retained;
        let Packet::PubAck(ack) = net.ask(new, publish.clone()) else {
            panic!();
        };
        let kept = net.broker.usage().retained > retained;
        assert_eq!(ack.reason == ReasonCode::QuotaExceeded, !kept);
        refused += u32::from(!kept);
        publish.topic = Some(format!("old/{number}").parse().unwrap());
        let retained = net.broker.usage().retained;
        net.send(old, publish);
        if net.broker.usage().retained > retained {
            assert!(matches!(net.receive(old)[..], [Packet::PubAck(_)]));
        } else {
            assert_eq!(net.receive(old), []);
            net.assert_closed(old, ReasonCode::QuotaExceeded);
            old = net.join(Version::V311, "old");
        }
    }
    assert!(refused > count / 2 && refused < count);
    net.assert_held(what, most);
}

/// A name is kept as long as its message.
fn names_of_publishers() {
    let mut config = config();
    config.max_retained_bytes = 500 * KIB;
    let mut net = Net::new(config);
    for number in 0..100 {
        let name = format!("{number}{}", "x".repeat(20 * KIB));
        let mut clean = connect(Version::V5, &name);
        clean.properties = ConnectProperties::default();
        let peer = net.open(Version::V5);
        net.send(peer, clean);
        let mut publish = message(QoS::AtMostOnce, 0, &number.to_string(), 1);
        publish.retain = true;
        net.send(peer, publish);
        net.cut(peer);
    }
    net.assert_held("names of publishers", 600 * KIB);
}

/// 5.0 is told how many there may be. 3.1.1 cannot be, and has no more than 65,535 identifiers.
fn e3_unreleased_messages() {
    let mut config = config();
    config.receive_maximum = NonZeroU16::new(50).unwrap();
    let mut net = Net::new(config);
    let peer = net.join(Version::V5, "a");
    for packet in 1..=50 {
        let answer = net.ask(peer, message(QoS::ExactlyOnce, packet, "t", 10));
        assert!(matches!(answer, Packet::PubRec(_)));
    }
    net.send(peer, message(QoS::ExactlyOnce, 51, "t", 10));
    net.assert_closed(peer, ReasonCode::ReceiveMaximumExceeded);
    net.assert_held("unreleased messages", 5 * KIB);

    let mut net = Net::new(net::config());
    let peer = net.join(Version::V311, "a");
    for packet in (1..=u16::MAX).chain(1..=u16::MAX) {
        let answer = net.ask(peer, message(QoS::ExactlyOnce, packet, "t", 10));
        assert!(matches!(answer, Packet::PubRec(_)));
    }
    assert_eq!(net.broker.usage().unreleased, 65_535);
    net.assert_held("unreleased messages in 3.1.1", 1_700 * KIB);
}

/// Nobody reads, so that the broker hands nothing over to be sent.
fn e5_unread_answers() {
    for version in BOTH {
        for subscribes in [true, false] {
            let mut config = config();
            let (request, count, codes) = match subscribes {
                true => (subscribe(&["a"; 1_000], None), 10, 1_000),
                false => (unsubscribe("a"), 10_000, 1),
            };
            config.max_answer_bytes = count * (384 + codes);
            let most = if subscribes { 30 * KIB } else { 150 * KIB };
            let mut net = Net::new(config);
            let peer = net.join(version, "a");
            for _ in 0..count {
                net.send(peer, request.clone());
                assert!(!net.broker.is_closing(peer.id));
            }
            net.assert_held("unread answers", most);
            net.send(peer, request);
            net.assert_closed(peer, ReasonCode::QuotaExceeded);
        }
    }
}

/// PUBREC with each identifier, twice: nothing lasts of those that are read, and those that are not
/// end the connection.
fn e1_answers_to_what_was_never_sent() {
    for version in BOTH {
        let mut net = Net::new(config());
        let peer = net.join(version, "a");
        let pub_rec = |packet: u16| [&[0x50, 2][..], &packet.to_be_bytes()].concat();
        for packet in (1..=u16::MAX).chain(1..=u16::MAX) {
            net.bytes(peer, &pub_rec(packet));
            assert_eq!(net.receive(peer).len(), 1);
        }
        net.assert_held("answers to what was never sent", 4 * KIB);
        for packet in 1..=4_096 {
            net.bytes(peer, &pub_rec(packet));
            assert!(!net.broker.is_closing(peer.id));
        }
        net.assert_held("unread answers to these", 16 * KIB);
        net.bytes(peer, &pub_rec(5_000));
        net.assert_closed(peer, ReasonCode::QuotaExceeded);
    }
}

/// They are counted, and nothing is held for them.
fn unread_pings() {
    let mut net = Net::new(config());
    let peer = net.join(Version::V311, "a");
    for _ in 0..100 {
        net.bytes(peer, &[0xC0, 0].repeat(1_000));
    }
    net.assert_held("unread pings", 2 * KIB);
    assert_eq!(net.receive(peer).len(), 100_000);
    // So are acknowledgements, of which there is one for each identifier.
    for packet in (1..=u16::MAX).chain(1..=u16::MAX) {
        net.send(peer, message(QoS::AtLeastOnce, packet, "t", 0));
    }
    net.assert_held("unread acknowledgements", 1_700 * KIB);
    assert_eq!(net.receive(peer).len(), 65_535);
}

/// Messages are dropped, and the client is told nothing, as there is nothing to tell it.
fn unread_messages() {
    for version in BOTH {
        for qos in [QoS::AtMostOnce, QoS::ExactlyOnce] {
            for (count, len) in [(10_000, 10), (200, 20 * KIB)] {
                let mut config = config();
                (config.max_queued, config.max_queued_bytes) = (1_000, 500 * KIB);
                let mut net = Net::new(config);
                let peer = net.join(version, "a");
                assert!(matches!(
                    net.ask(peer, subscribe(&["t"], None)),
                    Packet::SubAck(_)
                ));
                flood_of_messages(&mut net, qos, count, len);
                net.assert_held("unread messages", 700 * KIB);
                assert!(!net.broker.is_closing(peer.id));
                assert!(!net.receive(peer).is_empty());
            }
        }
    }
}

fn flood_of_messages(net: &mut Net, qos: QoS, count: u32, len: usize) {
    let publisher = net.join(Version::V311, "publisher");
    for _ in 0..count {
        net.send(publisher, message(qos, 1, "t", len));
        if qos == QoS::ExactlyOnce {
            net.send(publisher, Packet::PubRel(Ack::new(id(1))));
        }
        let _ = net.receive(publisher);
    }
}

/// A client that reads, and never acknowledges.
fn unacknowledged_messages() {
    for version in BOTH {
        let mut config = config();
        (config.max_queued_bytes, config.max_in_flight) = (500 * KIB, 1_000);
        let mut net = Net::new(config);
        let peer = net.join(version, "a");
        assert!(matches!(
            net.ask(peer, subscribe(&["t"], None)),
            Packet::SubAck(_)
        ));
        let publisher = net.join(Version::V5, "publisher");
        let mut got = 0;
        for _ in 0..200 {
            net.send(publisher, message(QoS::AtLeastOnce, 1, "t", 20 * KIB));
            let _ = net.receive(publisher);
            got += net.receive(peer).len();
        }
        assert_eq!(got, 24);
        net.assert_held("unacknowledged messages", 600 * KIB);
    }
}

/// They count as the message does that has them; those of other packets are not kept.
fn user_properties() {
    let mut config = config();
    config.max_queued_bytes = 500 * KIB;
    let mut net = Net::new(config);
    let peer = net.join(Version::V5, "a");
    assert!(matches!(
        net.ask(peer, subscribe(&["t"], None)),
        Packet::SubAck(_)
    ));
    net.cut(peer);
    let (name, value) = ("n".repeat(100), "v".repeat(100));
    let mut properties = PublishProperties::builder();
    for _ in 0..100 {
        properties = properties.user_property(text(&name), text(&value));
    }
    let publisher = net.join(Version::V5, "publisher");
    let mut publish = message(QoS::AtLeastOnce, 1, "t", 1);
    publish.properties = properties.build();
    for _ in 0..200 {
        let answer = net.ask(publisher, publish.clone());
        assert!(matches!(answer, Packet::PubAck(_)));
    }
    net.assert_held("user properties", 600 * KIB);
}

fn subscription_identifiers() {
    let mut config = config();
    config.max_queued_bytes = 500 * KIB;
    let mut net = Net::new(config);
    let peer = net.join(Version::V5, "a");
    // Every way to write the topic with wildcards.
    for number in 0..256_u32 {
        let levels: Vec<_> = (0..8)
            .map(|bit| if number >> bit & 1 == 1 { "+" } else { "t" })
            .collect();
        net.send(peer, subscribe(&[&levels.join("/")], Some(number + 1)));
        let _ = net.receive(peer);
    }
    net.cut(peer);
    let publisher = net.join(Version::V5, "publisher");
    for _ in 0..2_000 {
        let publish = message(QoS::AtLeastOnce, 1, "t/t/t/t/t/t/t/t", 1);
        assert!(matches!(net.ask(publisher, publish), Packet::PubAck(_)));
    }
    net.assert_held("subscription identifiers", 1_000 * KIB);
}

/// Of those that the client has, and those that it takes.
fn aliases() {
    let mut config = config();
    (config.topic_alias_maximum, config.aliases_to_clients) = (10, 10);
    let mut net = Net::new(config);
    let mut taking = connect(Version::V5, "a");
    let builder = ConnectProperties::builder();
    taking.properties = builder.topic_alias_maximum(u16::MAX).build();
    let peer = net.open(Version::V5);
    assert!(matches!(net.ask(peer, taking), Packet::ConnAck(_)));
    assert!(matches!(
        net.ask(peer, subscribe(&["t/#"], None)),
        Packet::SubAck(_)
    ));
    for number in 0..200 {
        let topic = format!("t/{number}/{}", "x".repeat(20 * KIB));
        let mut publish = message(QoS::AtMostOnce, 0, &topic, 1);
        let alias = TopicAlias::new(number % 10 + 1).unwrap();
        publish.properties = PublishProperties::builder().topic_alias(alias).build();
        net.send(peer, publish);
        assert_eq!(net.receive(peer).len(), 1);
    }
    net.assert_held("aliases", 2 * 10 * 22 * KIB);
    let mut publish = message(QoS::AtMostOnce, 0, "t", 1);
    let alias = TopicAlias::new(11).unwrap();
    publish.properties = PublishProperties::builder().topic_alias(alias).build();
    net.send(peer, publish);
    net.assert_closed(peer, ReasonCode::TopicAliasInvalid);
}
