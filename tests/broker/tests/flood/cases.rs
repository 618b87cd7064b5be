//! Floods that were found in the field, by the numbers they have there.

use std::time::Duration;

use mqtt_sansio::packet::{Ack, Publish};
use mqtt_sansio::property::{AckProperties, PublishProperties};
use mqtt_sansio::{Packet, QoS, ReasonCode, Text, Version};

use crate::KIB;
use crate::net::{BOTH, Net, Peer, config, connect, id, message, subscribe};

/// What the broker looks at before it serves others, and a bit.
const STEPS: u64 = 1_010;

/// The same for the subscribers of messages, and the subscriptions of one client.
const ROUTE_STEPS: u64 = 21_010;

/// Refusals of one packet identifier, and explained answers to messages: each is over with its
/// exchange.
pub(crate) fn e2_explained_answers() {
    let mut net = Net::new(config());
    let peer = net.join(Version::V5, "a");
    let answer = net.ask(peer, subscribe(&["t"], None));
    assert!(matches!(answer, Packet::SubAck(_)));
    let publisher = net.join(Version::V5, "publisher");
    let why = "x".repeat(KIB);
    let why = Text::new(why.as_str()).unwrap();
    for round in 0..100_000 {
        net.send(peer, message(QoS::ExactlyOnce, 5, "$refused", 1));
        net.send(peer, Packet::PubRel(Ack::new(id(5))));
        assert_eq!(net.receive(peer).len(), 1);
        let qos = match round % 2 {
            0 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        net.send(publisher, message(qos, 5, "t", 1));
        let _ = net.receive(publisher);
        if qos == QoS::ExactlyOnce {
            let _ = net.ask(publisher, Packet::PubRel(Ack::new(id(5))));
        }
        let packets = net.receive(peer);
        let [Packet::Publish(publish)] = &packets[..] else {
            panic!("{round} {packets:?}");
        };
        let mut ack = Ack::new(publish.delivery.packet_id().unwrap());
        ack.reason = ReasonCode::NotAuthorized;
        ack.properties = AckProperties::builder().reason_string(why).build();
        net.send(
            peer,
            match qos {
                QoS::ExactlyOnce => Packet::PubRec(ack),
                _ => Packet::PubAck(ack),
            },
        );
        if round == 0 {
            net.reset();
        } else if round % 10_000 == 0 {
            let held = net.held();
            assert!(held <= 2 * KIB, "{round}: {held}");
        }
    }
    assert_eq!(net.broker.usage().messages, 0);
}

/// Clients with 1,000 filters each: `a` and `+` on each level, and this at the end.
fn all_ways(net: &mut Net, levels: usize, end: &str) -> Vec<Peer> {
    let numbers: Vec<_> = (0..1_usize << levels).collect();
    let mut peers = Vec::new();
    for (client, numbers) in numbers.chunks(1_000).enumerate() {
        let peer = net.join(BOTH[client % 2], &format!("way {client}"));
        let filters = numbers.iter().map(|number| {
            let ways = (0..levels).map(|place| ["a/", "+/"][number >> place & 1]);
            ways.chain([end]).collect::<String>()
        });
        let filters: Vec<_> = filters.collect();
        let filters: Vec<_> = filters.iter().map(String::as_str).collect();
        let answer = net.ask(peer, subscribe(&filters, None));
        assert!(matches!(answer, Packet::SubAck(_)));
        peers.push(peer);
    }
    peers
}

/// Serves somebody else, and goes on, until the message is with all. Returns the calls that took,
/// and the steps.
fn go_on(net: &mut Net, publisher: Peer, publish: Publish) -> (usize, u64) {
    let (mut calls, mut all) = (1, 0);
    let (steps, allocations) = net.work(|net| net.send(publisher, publish));
    assert!(steps <= ROUTE_STEPS && allocations <= 60_000, "{steps}");
    all += steps;
    while net.broker.is_busy(publisher.id) {
        net.serve();
        assert!(net.broker.next_timeout().unwrap() <= net.now);
        let (steps, allocations) = net.work(|net| net.broker.handle_timeout(net.now));
        assert!(steps <= ROUTE_STEPS && allocations <= 60_000, "{steps}");
        (calls, all) = (calls + 1, all + steps);
    }
    (calls, all)
}

/// Filters that match a topic but for its end: a message looks at each, others are served
/// meanwhile, and no level is read for each filter.
pub(crate) fn e4_filters_that_nearly_match() {
    for (levels, len) in [(9, 65_000), (14, 1), (14, 60_000)] {
        let mut net = Net::new(config());
        all_ways(&mut net, levels, "+/x");
        let publisher = net.join(Version::V5, "publisher");
        let topic = format!("{}{}", "a/".repeat(levels), "y".repeat(len));
        net.reset();
        let (calls, steps) = go_on(&mut net, publisher, message(QoS::AtLeastOnce, 1, &topic, 1));
        let filters = 1 << levels;
        println!("{filters} filters that nearly match: {calls} calls, {steps} steps");
        // The nodes of the tree are fewer than two for each filter.
        assert!((filters..=6 * filters).contains(&steps));
        assert_eq!(calls as u64, 1 + steps / 20_000);
        let mut answer = Ack::new(id(1));
        if calls == 1 {
            answer.reason = ReasonCode::NoMatchingSubscribers;
        }
        assert_eq!(net.receive(publisher), [Packet::PubAck(answer)]);
        assert!(net.held() <= 4 * KIB, "{}", net.held());
    }
}

/// Each client gets one copy, and messages of one topic stay in order.
pub(crate) fn e4_filters_that_match() {
    let mut net = Net::new(config());
    let peers = all_ways(&mut net, 14, "x");
    let publisher = net.join(Version::V5, "publisher");
    let topic = format!("{}x", "a/".repeat(14));
    // All at once: the second waits until the first is over.
    let mut bytes = Vec::new();
    for packet in 1..=2 {
        let publish = message(QoS::AtLeastOnce, packet, &topic, packet.into());
        let publish = Packet::from(publish);
        publish.encode(publisher.version, &mut bytes).unwrap();
    }
    let (steps, _) = net.work(|net| net.bytes(publisher, &bytes));
    assert!(steps <= ROUTE_STEPS);
    let mut calls = 1;
    while net.broker.is_busy(publisher.id) {
        net.serve();
        let (steps, _) = net.work(|net| net.broker.handle_timeout(net.now));
        assert!(steps <= ROUTE_STEPS);
        calls += 1;
    }
    println!("16,384 filters that match twice: {calls} calls");
    assert!((4..=10).contains(&calls));
    assert_eq!(net.receive(publisher).len(), 2);
    for peer in peers {
        let got = net.receive(peer).into_iter().map(|packet| match packet {
            Packet::Publish(publish) => publish.payload.len(),
            other => panic!("{other:?}"),
        });
        assert!(got.eq([1, 2]));
    }
}

fn retained(topic: &str, len: usize) -> Publish {
    let mut publish = message(QoS::AtLeastOnce, 1, topic, len);
    publish.retain = true;
    publish
}

/// A broker with 10,000 retained messages.
fn library(config: reference_broker::Config) -> Net {
    let mut net = Net::new(config);
    let librarian = net.join(Version::V5, "librarian");
    for number in 0..10_000 {
        let mut publish = message(QoS::AtMostOnce, 0, &format!("t/{number}"), 1);
        publish.retain = true;
        net.send(librarian, publish);
    }
    net.reset();
    net
}

/// One packet of 40 kB that asks 10,000 times for 10,000 messages gets each of them once, in parts,
/// and somebody else is served after each.
pub(crate) fn e6_subscribe_with_one_filter_many_times() {
    for version in BOTH {
        for reads in [true, false] {
            let mut config = config();
            config.max_queued = 3_000;
            let mut net = library(config);
            let peer = net.join(version, "a");
            let request = subscribe(&["#"; 10_000], None);
            let (steps, allocations) = net.work(|net| net.send(peer, request));
            println!("SUBSCRIBE: {steps} steps, {allocations} allocations");
            assert!(steps <= STEPS && allocations <= 15_000);
            let (mut codes, mut got) = (Vec::new(), 0);
            loop {
                net.serve();
                if reads {
                    let (acks, messages) = read(&mut net, peer);
                    codes.extend(acks);
                    got += messages;
                }
                if net.broker.usage().backlogs == 0 {
                    break;
                }
                assert!(net.broker.next_timeout().unwrap() <= net.now);
                let (steps, allocations) = net.work(|net| net.broker.handle_timeout(net.now));
                assert!(steps <= STEPS && allocations <= 10_000, "{allocations}");
            }
            if !reads {
                // As many as the queue has room for.
                net.assert_held("messages of one SUBSCRIBE", 3_000 * 300);
                (codes, got) = read(&mut net, peer);
            }
            // No session has room for more than 1,000 filters.
            let refused = codes.iter().map(|code| code.is_error());
            assert!(refused.eq((0..10_000).map(|index| index >= 1_000)));
            match reads {
                true => assert_eq!(got, 10_000),
                // What somebody else publishes meanwhile comes as well.
                false => assert!((2_990..=3_000).contains(&got), "{got}"),
            }
        }
    }
}

/// Reads: the reason codes, and how many retained messages.
fn read(net: &mut Net, peer: Peer) -> (Vec<ReasonCode>, usize) {
    let (mut codes, mut messages) = (Vec::new(), 0);
    for packet in net.receive(peer) {
        match packet {
            Packet::SubAck(suback) => codes.extend(suback.reasons.iter()),
            Packet::Publish(publish) => messages += usize::from(publish.retain),
            other => panic!("{other:?}"),
        }
    }
    (codes, messages)
}

/// In one piece of input, whether there is anything to find or not.
pub(crate) fn e6_subscribes_by_the_thousand() {
    for filter in ["#", "+/+/none", "t/+"] {
        let mut net = library(config());
        let peer = net.join(Version::V311, "a");
        let mut bytes = Vec::new();
        for number in 0..1_000 {
            let filter = format!("{filter}{}", if number % 2 == 0 { "" } else { "/" });
            let filter = if filter.contains("#/") { "#" } else { &filter };
            subscribe(&[filter], None)
                .encode(Version::V311, &mut bytes)
                .unwrap();
        }
        let (steps, _) = net.work(|net| net.bytes(peer, &bytes));
        println!("1,000 of SUBSCRIBE: {steps} steps");
        assert!(steps <= STEPS);
        while net.broker.usage().backlogs > 0 {
            let (steps, _) = net.work(|net| net.broker.handle_timeout(net.now));
            assert!(steps <= STEPS);
            net.serve();
            let _ = net.receive(peer);
        }
    }
}

/// A message costs something for each share, but nothing for each of their members.
pub(crate) fn e7_shares_whose_members_are_away() {
    const MEMBERS: usize = 200;
    const SHARES: usize = 200;
    let mut config = config();
    config.max_queued = 10;
    let mut net = Net::new(config);
    let filters: Vec<_> = (0..SHARES).map(|it| format!("$share/{it}/t")).collect();
    let filters: Vec<_> = filters.iter().map(String::as_str).collect();
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let member = net.join(Version::V5, &format!("{number}"));
        assert!(matches!(
            net.ask(member, subscribe(&filters, None)),
            Packet::SubAck(_)
        ));
        members.push(member);
    }
    for member in members {
        net.cut(member);
    }
    let publisher = net.join(Version::V311, "publisher");
    for connected in [0, 1, 2] {
        if connected > 0 {
            let back = net.open(Version::V5);
            net.send(back, connect(Version::V5, &format!("{connected}")));
            assert!(matches!(net.receive(back)[0], Packet::ConnAck(_)));
        }
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let (steps, allocations) = net.work(|net| {
                net.send(publisher, message(qos, 1, "t", 1));
            });
            println!("a message to shares: {steps} steps, {allocations} allocations");
            // Each is found, served, and asked for the member whose turn it is.
            assert!(steps >= SHARES as u64 && steps <= 4 * SHARES as u64);
            assert!(allocations <= 10 * SHARES);
        }
        let _ = net.receive(publisher);
    }
}

/// The memory of a packet is given back when it is over, whatever has begun behind it.
pub(crate) fn e8_one_byte_behind_a_large_packet() {
    let mut net = Net::new(config());
    let mut bytes = Vec::new();
    let large = message(QoS::AtMostOnce, 0, "t", 15_000 * KIB);
    Packet::from(large).encode(Version::V5, &mut bytes).unwrap();
    bytes.push(0x30);
    let peers: Vec<_> = (0..8)
        .map(|it| net.join(Version::V5, &format!("{it}")))
        .collect();
    net.reset();
    for (index, peer) in peers.iter().enumerate() {
        // At once, and as a network has it.
        let pieces = if index % 2 == 0 {
            bytes.len()
        } else {
            64 * KIB
        };
        for piece in bytes.chunks(pieces) {
            net.bytes(*peer, piece);
        }
    }
    let counted = net.broker.usage().input_bytes;
    assert!((8..=64).contains(&counted), "{counted}");
    let held = net.held();
    println!("one byte each behind a large packet: {held} bytes on the heap");
    assert!(held <= 4 * KIB);
    for peer in peers {
        assert!(
            net.broker
                .client_usage("0")
                .is_some_and(|usage| usage.input_bytes > 0)
        );
        assert!(!net.broker.is_closing(peer.id));
    }
}

/// There is a limit over all connections. Who sent most goes first, and who sent little stays.
pub(crate) fn e8_beginnings_of_packets() {
    let most = 10_000 * KIB;
    let mut config = config();
    config.max_input_bytes = most;
    let mut net = Net::new(config);
    let modest = net.join(Version::V5, "modest");
    net.bytes(modest, b"\x30");
    let mut told = 0;
    for number in 0..100 {
        let peer = net.join(BOTH[number % 2], &format!("{number}"));
        net.bytes(peer, b"\x30\xFF\xFF\x7F");
        net.bytes(peer, &vec![0; 500 * KIB]);
        assert!(net.broker.usage().input_bytes <= most);
        if net.broker.is_closing(peer.id) {
            net.assert_closed(peer, ReasonCode::ServerBusy);
            told += 1;
        }
    }
    assert_eq!(told, 100 - 19);
    assert!(!net.broker.is_closing(modest.id));
    net.assert_held("beginnings of packets", most + 400 * KIB);
}

/// However large their topics and payloads are, and after others were replaced.
pub(crate) fn e9_retained_messages() {
    for (topic, payload) in [(60_000, 1), (10, 60_000), (10, 1), (1_000, 1_000)] {
        let most = 4_000 * KIB;
        let mut config = config();
        config.max_retained_bytes = most;
        let mut net = Net::new(config);
        let peer = net.join(Version::V5, "a");
        net.reset();
        let mut refused = 0;
        for number in 0..24_000 {
            let name = format!("{number:05}{}", "x".repeat(topic - 5));
            for payload in [2 * payload, payload] {
                let Packet::PubAck(ack) = net.ask(peer, retained(&name, payload)) else {
                    panic!();
                };
                refused += u32::from(ack.reason == ReasonCode::QuotaExceeded);
            }
            if refused > 10 {
                break;
            }
        }
        assert!(refused > 0);
        let counted = net.broker.usage().retained_bytes;
        assert!(counted <= most && counted >= most - 200 * KIB, "{counted}");
        net.assert_counted("retained messages", counted);
    }
}

pub(crate) fn e9_messages_that_wait() {
    for (topic, payload) in [(60_000, 1), (10, 60_000), (10, 1), (1_000, 1_000)] {
        for away in [true, false] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
                if away && qos == QoS::AtMostOnce {
                    continue;
                }
                let most = 4_000 * KIB;
                let mut config = config();
                (config.max_queued_bytes, config.max_queued) = (most, 60_000);
                let mut net = Net::new(config);
                let peer = net.join(Version::V5, "a");
                let _ = net.ask(peer, subscribe(&["#"], Some(7)));
                if away {
                    net.cut(peer);
                }
                let publisher = net.join(Version::V5, "publisher");
                let name = "x".repeat(topic);
                net.reset();
                let before = net.broker.usage().message_bytes;
                for _ in 0..most / (topic + payload) + 10 {
                    net.send(publisher, message(qos, 1, &name, payload));
                    let _ = net.receive(publisher);
                    if net.broker.usage().message_bytes + 200 + topic + payload > most {
                        break;
                    }
                }
                let usage = net.broker.client_usage("a").unwrap();
                assert!(usage.message_bytes <= most);
                assert!(usage.message_bytes >= most - 70 * KIB, "{usage:?}");
                net.assert_counted("messages that wait", usage.message_bytes - before);
            }
        }
    }
}

pub(crate) fn e9_subscriptions() {
    for shared in [false, true] {
        for len in [10, 1_000, 50_000] {
            let mut config = config();
            (config.max_subscription_bytes, config.max_subscriptions) = (4_000 * KIB, 100_000);
            let mut net = Net::new(config);
            let peer = net.join(Version::V5, "a");
            net.reset();
            for number in 0.. {
                let share = if shared {
                    format!("$share/{number}/")
                } else {
                    String::new()
                };
                let filter = format!("{share}{number:06}{}", "x".repeat(len - 6));
                let Packet::SubAck(suback) = net.ask(peer, subscribe(&[&filter], None)) else {
                    panic!();
                };
                if suback.reasons.iter().any(ReasonCode::is_error) {
                    break;
                }
            }
            let counted = net.broker.client_usage("a").unwrap().subscription_bytes;
            assert!((3_700 * KIB..=4_000 * KIB).contains(&counted), "{counted}");
            net.assert_counted("subscriptions", counted);
        }
    }
}

/// Thousands that expire at once are removed in parts, and make room at once.
pub(crate) fn e9_retained_messages_that_expire() {
    let mut config = config();
    config.max_retained = 20_000;
    // A little more than they take.
    config.max_retained_bytes = match size_of::<usize>() {
        8 => 10_580_000,
        _ => 7_480_000,
    };
    let mut net = Net::new(config);
    let peer = net.join(Version::V5, "a");
    let mut publish = retained("t", 1);
    publish.properties = PublishProperties::builder()
        .message_expiry_interval(10)
        .build();
    net.reset();
    for number in 0..20_000 {
        publish.topic = Some(format!("t/{number:05}").parse().unwrap());
        let Packet::PubAck(ack) = net.ask(peer, publish.clone()) else {
            panic!();
        };
        assert!(!ack.reason.is_error());
    }
    let full = net.broker.usage();
    net.assert_counted("retained messages that expire", full.retained_bytes);
    net.now += Duration::from_secs(10);
    assert!(net.broker.next_timeout().unwrap() <= net.now);
    // As much goes as is needed: for one more topic, and for many bytes.
    for (len, most) in [(1, 4), (1_000 * KIB, 3_000), (16_000 * KIB, 0)] {
        let (steps, _) = net.work(|net| net.send(peer, retained("large", len)));
        println!("room for {len} bytes: {steps} steps");
        assert!(steps <= most && steps >= most / 4, "{steps}");
        let _ = net.receive(peer);
    }
    while net.broker.usage().retained > 1 {
        assert!(net.broker.next_timeout().unwrap() <= net.now);
        let (steps, _) = net.work(|net| net.broker.handle_timeout(net.now));
        assert!((1..=STEPS).contains(&steps));
        net.serve();
    }
}

/// Connections on which nothing is said, before CONNECT and after it. What the system has for each,
/// descriptors, threads and memory, is counted in the test `tcp`, as there is none without TCP.
pub(crate) fn e10_silent_connections() {
    let mut net = Net::new(config());
    for _ in 0..20_000 {
        net.open(Version::V5);
    }
    assert_eq!(net.broker.usage().pending, 1_000);
    net.assert_held("silent connections", 1_000 * 2 * KIB);

    let mut config = config();
    config.max_connections = 5_000;
    let mut net = Net::new(config);
    for number in 0..4_999 {
        net.join(BOTH[number % 2], &number.to_string());
    }
    let one_more = net.open(Version::V5);
    assert!(net.broker.is_closing(one_more.id));
    net.assert_held("silent clients", 4_999 * 4 * KIB);
}
