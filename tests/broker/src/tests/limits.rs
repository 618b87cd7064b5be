use mqtt_sansio::topic::TopicName;

use super::*;
use crate::broker::CHUNK;
use crate::message::{BUFFER, Message, Outgoing};
use crate::requests::ANSWER;
use crate::retained::Stored;
use crate::subscriptions::Place;

#[test]
fn connections() {
    let mut config = quiet();
    config.max_connections = 3;
    let mut net = Net::new(config);
    let peers: Vec<_> = ["a", "b", "c"]
        .map(|name| net.join(Version::V5, name))
        .into();
    let refused = net.open(Version::V5);
    assert!(net.broker.is_closing(refused.id));
    net.cut(&refused);
    net.cut(&peers[0]);
    net.join(Version::V5, "d");
}

#[test]
fn connections_without_connect() {
    let mut config = quiet();
    config.max_pending = 10;
    let mut net = Net::new(config);
    for _ in 0..1_000 {
        let silent = net.open(Version::V5);
        net.bytes(&silent, b"\x10\xFF");
    }
    assert_eq!(net.broker.pending.len(), 10);
    let mut a = net.join(Version::V5, "a");
    net.send(&a, Packet::PingReq);
    assert_eq!(net.receive(&mut a), [Packet::PingResp]);
    net.wait(seconds(10));
    assert_eq!(net.broker.pending.len(), 0);
    assert!(!net.broker.is_closing(a.id));
}

#[test]
fn bytes_of_filters() {
    let mut config = quiet();
    let two = Place::size(6, false) + Place::size(4, false);
    config.max_subscription_bytes = two;
    let mut net = Net::new(config);
    let mut a = net.join(Version::V5, "a");
    let mut subscribe =
        |net: &mut Net, filter| net.subscribe_with(&mut a, filter, options(QoS::AtMostOnce), None);
    for (filter, code) in [
        ("123456", ReasonCode::Success),
        ("78901", ReasonCode::QuotaExceeded),
        ("7890", ReasonCode::Success),
        ("123456", ReasonCode::Success),
    ] {
        assert_eq!(subscribe(&mut net, filter), [code]);
    }
    assert_eq!(net.broker.usage().subscription_bytes, two);
    let mut b = net.join(Version::V5, "b");
    net.subscribe(&mut b, "123456", QoS::AtMostOnce);
    assert_eq!(net.unsubscribe(&mut b, "123456"), [ReasonCode::Success]);
    assert_eq!(net.broker.usage().subscription_bytes, two);
}

#[test]
fn sessions() {
    let mut config = quiet();
    config.max_sessions = 1;
    let mut net = Net::new(config);
    let (a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    net.cut(&a);
    for (version, reason) in [
        (Version::V311, ReasonCode::ServerUnavailable),
        (Version::V5, ReasonCode::QuotaExceeded),
    ] {
        let (_, connack) = net.connect(version, lasting(version, "b"));
        assert_eq!(connack.reason, reason);
    }
    let (_, connack) = net.connect(Version::V5, lasting(Version::V5, "a"));
    assert!(connack.session_present);
}

#[test]
fn subscriptions() {
    let mut config = quiet();
    config.max_subscriptions = 2;
    let mut net = Net::new(config);
    for (version, refused) in [
        (Version::V311, ReasonCode::UnspecifiedError),
        (Version::V5, ReasonCode::QuotaExceeded),
    ] {
        let mut a = net.join(version, "a");
        for (filter, code) in [
            ("1", ReasonCode::Success),
            ("2", ReasonCode::Success),
            ("3", refused),
            ("2", ReasonCode::Success),
        ] {
            let codes = net.subscribe_with(&mut a, filter, options(QoS::AtMostOnce), None);
            assert_eq!(codes, [code]);
        }
    }
    // In one packet, the same one counts each time.
    let filters = ["2"; 3].map(|filter| TopicFilter::new(filter).unwrap());
    let requests = filters.map(|filter| (filter, options(QoS::AtMostOnce)));
    let subscriptions = Subscriptions::new(requests).unwrap();
    let mut b = net.join(Version::V5, "b");
    net.send(&b, Packet::Subscribe(Subscribe::new(id(1), subscriptions)));
    let packets = net.receive(&mut b);
    let [Packet::SubAck(suback)] = &packets[..] else {
        panic!("{packets:?}");
    };
    let refused = suback.reasons.iter().map(|code| code.is_error());
    assert!(refused.eq([false, false, true]));
}

#[test]
fn messages_that_wait() {
    let mut config = quiet();
    config.max_queued = 3;
    config.max_queued_bytes = 2_000;
    let mut net = Net::new(config);
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    net.subscribe(&mut a, "#", QoS::AtLeastOnce);
    net.cut(&a);
    let mut b = net.join(Version::V5, "b");
    let publish = expiring(message(QoS::AtLeastOnce, 1, "t", "expires"), 1);
    net.publish(&mut b, publish);
    // It makes room when the others want it.
    for (payload, later) in [("1", 0), ("2", 2), ("3", 0), ("4", 0)] {
        net.say(&mut b, QoS::AtLeastOnce, "t", payload);
        net.wait(seconds(later));
    }
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    assert_eq!(net.messages(&mut a), ["t=1 q1", "t=2 q1", "t=3 q1"]);
    net.cut(&a);
    net.say(&mut b, QoS::AtLeastOnce, "t", &"x".repeat(3_000));
    net.say(&mut b, QoS::AtLeastOnce, "t", "small");
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    assert_eq!(net.messages(&mut a), ["t=small q1"]);
    assert_eq!(net.broker.stats.messages_dropped, 2);
}

#[test]
fn messages_under_way() {
    let mut config = quiet();
    config.max_in_flight = 2;
    let mut net = Net::new(config);
    let (mut a, mut b) = (net.join(Version::V311, "a"), net.join(Version::V5, "b"));
    net.subscribe(&mut a, "#", QoS::AtLeastOnce);
    for payload in ["1", "2", "3"] {
        net.say(&mut b, QoS::AtLeastOnce, "t", payload);
    }
    assert_eq!(net.receive(&mut a).len(), 2);
    net.send(&a, Packet::PubAck(Ack::new(id(1))));
    assert_eq!(net.receive(&mut a).len(), 1);
}

#[test]
fn answers_that_nobody_reads() {
    let mut config = quiet();
    config.max_answer_bytes = 5 * (ANSWER + 1);
    let mut net = Net::new(config);
    let a = net.join(Version::V5, "a");
    for number in 1..=6 {
        assert!(!net.broker.is_closing(a.id));
        let filter = TopicFilter::new("t").unwrap();
        let subscriptions = Subscriptions::new([(filter, options(QoS::AtMostOnce))]).unwrap();
        net.send(
            &a,
            Packet::Subscribe(Subscribe::new(id(number), subscriptions)),
        );
    }
    assert!(net.broker.is_closing(a.id));
    // Who reads them goes on.
    let mut b = net.join(Version::V5, "b");
    for _ in 0..12 {
        net.subscribe(&mut b, "t", QoS::AtMostOnce);
        assert!(!net.broker.is_closing(b.id));
    }
}

#[test]
fn bytes_are_counted() {
    let mut net = Net::new(quiet());
    let a = net.join(Version::V5, "a");
    let (received, sent) = (net.broker.stats.bytes_received, net.broker.stats.bytes_sent);
    net.bytes(&a, b"\xC0\x00\xC0\x00\xC0\x00");
    // Behind what is there.
    let mut out = BytesMut::from(&b"..."[..]);
    assert!(net.broker.poll_transmit(a.id, &mut out));
    assert_eq!(&out[..], b"...\xD0\x00\xD0\x00\xD0\x00");
    assert!(!net.broker.poll_transmit(a.id, &mut out));
    assert_eq!(net.broker.stats.bytes_received, received + 6);
    assert_eq!(net.broker.stats.bytes_sent, sent + 6);
}

/// The beginnings of packets, of all clients together. The one with the most goes.
#[test]
fn input() {
    let mut config = quiet();
    config.max_input_bytes = 9_000;
    let mut net = Net::new(config);
    let mut peers: Vec<_> = ["a", "b", "c"]
        .map(|name| net.join(Version::V5, name))
        .into();
    let begin = |net: &mut Net, peer: &Peer, len: usize| {
        net.bytes(peer, b"\x30\xFF\x7F\x00\x01t\x00");
        net.bytes(peer, &vec![b'x'; len - 7]);
        net.broker.usage().input_bytes
    };
    assert!((2_000..4_000).contains(&begin(&mut net, &peers[0], 2_000)));
    assert!(begin(&mut net, &peers[1], 4_000) <= 9_000);
    assert!(!peers.iter().any(|peer| net.broker.is_closing(peer.id)));
    let left = begin(&mut net, &peers[2], 3_500);
    let closing: Vec<_> = peers
        .iter()
        .map(|it| net.broker.is_closing(it.id))
        .collect();
    assert_eq!(closing, [false, true, false]);
    assert!((5_500..9_000).contains(&left));
    let busy = Disconnect::new(ReasonCode::ServerBusy);
    assert_eq!(net.last_words(&mut peers[1]), [Packet::Disconnect(busy)]);
    // The rest of a packet gives back what was held for it, whatever begins behind it.
    let mut rest = vec![b'x'; 16_386 - 2_000];
    rest.extend(b"\x30");
    net.bytes(&peers[0], &rest);
    let usage = net.broker.client_usage("a").unwrap();
    assert!((1..=8).contains(&usage.input_bytes), "{usage:?}");
    // As much as there may be is not too much.
    net.broker.config.max_input_bytes = net.broker.input_bytes;
    net.bytes(&peers[0], b"");
    assert!(!net.broker.is_closing(peers[0].id) && !net.broker.is_closing(peers[2].id));
    net.cut(&peers[0]);
    net.cut(&peers[2]);
    assert_eq!(net.broker.usage().input_bytes, 0);
    assert_eq!(net.broker.input_bytes, 0);
}

/// What is there of a packet is not copied for each byte that comes.
#[test]
fn input_that_comes_byte_by_byte() {
    let mut net = Net::new(quiet());
    let a = net.join(Version::V5, "a");
    net.bytes(&a, b"\x30\xFF\x7F");
    let mut sizes = std::collections::BTreeSet::new();
    for _ in 0..1_000 {
        net.bytes(&a, b"\0");
        sizes.insert(net.broker.usage().input_bytes);
    }
    assert!(sizes.len() < 20, "{sizes:?}");
}

/// For the `$SYS` topics: each message by what has become of it.
#[test]
fn messages_are_counted() {
    let mut net = Net::new(quiet());
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    let mut b = net.join(Version::V5, "b");
    let counts = |net: &Net| {
        let stats = net.broker.stats;
        let (received, sent) = (stats.messages_received, stats.messages_sent);
        (received, sent, stats.messages_dropped)
    };
    net.subscribe(&mut a, "t", QoS::AtLeastOnce);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        net.say(&mut b, qos, "t", "m");
    }
    assert_eq!(net.messages(&mut a).len(), 2);
    assert_eq!(counts(&net), (2, 2, 0));
    // One that expires is neither sent nor dropped.
    net.publish(&mut b, expiring(message(QoS::AtMostOnce, 0, "t", "m"), 1));
    net.wait(seconds(2));
    assert_eq!(net.messages(&mut a), [""; 0]);
    assert_eq!(counts(&net), (3, 2, 0));
    // One that waits, and is too large for the next connection, is dropped.
    net.cut(&a);
    for payload in ["x".repeat(50), "m".to_owned()] {
        net.say(&mut b, QoS::AtLeastOnce, "t", &payload);
    }
    let mut small = lasting(Version::V5, "a");
    let builder = small.properties.to_builder();
    small.properties = builder.maximum_packet_size(50.try_into().unwrap()).build();
    let (mut a, _) = net.connect(Version::V5, small);
    assert_eq!(net.messages(&mut a), ["t=m q1"]);
    assert_eq!(counts(&net), (5, 3, 1));
}

/// Answers are, until they are handed over, wherever they go.
#[test]
fn answers_are_counted() {
    let mut net = Net::new(quiet());
    let a = net.join(Version::V5, "a");
    net.bytes(&a, &[0xC0, 0].repeat(CHUNK / 2));
    let filter = TopicFilter::new("t").unwrap();
    let subscriptions = Subscriptions::new([(filter, options(QoS::AtMostOnce))]).unwrap();
    net.send(&a, Packet::Subscribe(Subscribe::new(id(1), subscriptions)));
    let mut out = BytesMut::new();
    for (len, left) in [(CHUNK, ANSWER + 1), (CHUNK + 6, 0)] {
        assert!(net.broker.poll_transmit(a.id, &mut out));
        assert_eq!(out.len(), len);
        assert_eq!(net.broker.usage().answer_bytes, left);
    }
}

/// What is looked at for others than the one who asks, and what of it is for messages.
#[test]
fn steps_are_counted() {
    use crate::route::{SERVED, STEPS};
    let mut net = Net::new(quiet());
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(|name| net.join(Version::V5, name));
    let steps = |net: &mut Net, peer: &mut Peer, filter: &str| {
        let before = net.broker.steps();
        net.subscribe(peer, filter, QoS::AtMostOnce);
        net.messages(peer);
        net.broker.steps() - before
    };
    assert_eq!(steps(&mut net, &mut a, "t"), 1);
    let long = format!("a/{}", "x".repeat(62));
    for topic in ["a-", "a/b", &long] {
        let publish = retained(message(QoS::AtMostOnce, 0, topic, "m"));
        net.publish(&mut b, expiring(publish, 1));
    }
    // The long one counts twice, and that which sorts before them not at all.
    assert_eq!(steps(&mut net, &mut a, "a/+/#"), 1 + 1 + 2);
    let before = net.broker.steps();
    net.wait(seconds(1));
    assert_eq!(net.broker.steps() - before, 3);

    let costs = |net: &mut Net, peer: &mut Peer| {
        let before = net.broker.steps();
        net.say(peer, QoS::AtMostOnce, "t", "m");
        let spent = crate::sys::count(STEPS - net.broker.route_steps);
        (spent, net.broker.steps() - before)
    };
    let served = crate::sys::count(SERVED);
    for filter in ["+", "#"] {
        net.subscribe(&mut a, filter, QoS::AtMostOnce);
    }
    let (spent, looked_at) = costs(&mut net, &mut b);
    assert_eq!(spent, looked_at + served);
    // The member of the share is looked at, at no cost.
    net.subscribe(&mut c, "$share/g/t", QoS::AtMostOnce);
    let (spent, looked_at) = costs(&mut net, &mut b);
    assert_eq!(spent, looked_at + 2 * served - 1);
}

/// What is counted for a message that waits.
fn counted(
    publisher: &str,
    topic: &str,
    content_type: &str,
    payload: &str,
    id: Option<u32>,
) -> usize {
    let mut net = Net::new(quiet());
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    net.subscribe_with(&mut a, "#", options(QoS::AtLeastOnce), id);
    let mut publisher = net.join(Version::V5, publisher);
    let mut publish = message(QoS::AtLeastOnce, 1, topic, payload);
    if !content_type.is_empty() {
        let builder = PublishProperties::builder();
        publish.properties = builder
            .content_type(Text::new(content_type).unwrap())
            .build();
    }
    net.publish(&mut publisher, publish);
    net.broker.usage().message_bytes
}

#[test]
fn all_of_a_message_is_counted() {
    let least = counted("p", "t", "", "", None);
    let fixed = size_of::<Message>() + size_of::<Outgoing>() + size_of::<[usize; 2]>();
    assert_eq!(least, fixed + 3 * BUFFER + 128 + 2);
    assert_eq!(counted("p234567", "t", "", "", None), least + 6);
    assert_eq!(counted("p", "t23", "", "", None), least + 2);
    assert_eq!(counted("p", "t", "text", "", None), least + 3 + 4);
    assert_eq!(counted("p", "t", "", "payload", None), least + 7);
    assert_eq!(counted("p", "t", "", "", Some(1)), least + 4);
}

#[test]
fn all_of_a_retained_message_is_counted() {
    let mut net = Net::new(quiet());
    let mut a = net.join(Version::V5, "a");
    for expires in [false, true] {
        let publish = retained(message(QoS::AtMostOnce, 0, "t", "m"));
        let publish = match expires {
            true => expiring(publish, 1),
            false => publish,
        };
        net.publish(&mut a, publish);
        let topic: TopicName = "t".parse().unwrap();
        let message = net.broker.retained.get(&topic).unwrap().message.size();
        let entry = size_of::<(TopicName, Stored)>();
        let expiry = usize::from(expires) * size_of::<(Duration, TopicName)>();
        // Of a map half may be empty.
        let expected = message + 2 * (entry + expiry);
        assert_eq!(net.broker.usage().retained_bytes, expected);
    }
}

/// Each client's own part, of which all are the sum.
#[test]
fn usage_of_one_client() {
    let mut net = Net::new(quiet());
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    let mut b = net.join(Version::V5, "b");
    net.subscribe(&mut a, "t", QoS::ExactlyOnce);
    net.say(&mut b, QoS::AtLeastOnce, "t", "one");
    net.say(&mut b, QoS::AtMostOnce, "t", "two");
    net.send(&b, message(QoS::ExactlyOnce, 7, "t", "three"));
    net.bytes(&b, b"\x30");
    let (of_a, of_b) = (
        net.broker.client_usage("a").unwrap(),
        net.broker.client_usage("b").unwrap(),
    );
    assert_eq!((of_a.messages, of_b.messages), (3, 0));
    assert_eq!((of_a.unreleased, of_b.unreleased), (0, 1));
    assert_eq!((of_a.subscriptions, of_b.subscriptions), (1, 0));
    assert_eq!((of_a.input_bytes, of_b.input_bytes > 0), (0, true));
    assert_eq!(net.broker.client_usage("c"), None);
    let all = net.broker.usage();
    assert_eq!(all.message_bytes, of_a.message_bytes);
    assert_eq!(all.subscription_bytes, of_a.subscription_bytes);
    assert_eq!((all.sessions, all.connections), (2, 2));
    net.cut(&a);
    let away = net.broker.client_usage("a").unwrap();
    assert_eq!((away.connections, away.sessions, away.messages), (0, 1, 2));
    // A publisher that is away, with a will that waits, and a connection without CONNECT.
    let mut connect = lasting(Version::V5, "c");
    connect.will = Some(will("w", "gone", 9));
    let (c, _) = net.connect(Version::V5, connect);
    net.send(&c, message(QoS::ExactlyOnce, 7, "t", "four"));
    net.cut(&c);
    net.open(Version::V5);
    let of_c = net.broker.client_usage("c").unwrap();
    assert_eq!((of_c.unreleased, of_c.wills), (1, 1));
    let all = net.broker.usage();
    assert_eq!((all.unreleased, all.wills, all.pending), (2, 1, 1));
}

/// What a client has not read is not kept for a connection that it ends.
#[test]
fn tails() {
    for version in BOTH {
        let mut net = Net::new(quiet());
        let (mut a, mut b) = (net.join(version, "a"), net.join(version, "b"));
        net.subscribe(&mut a, "t", QoS::ExactlyOnce);
        let payload = "m".repeat(1_000);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].repeat(100) {
            net.say(&mut b, qos, "t", &payload);
        }
        net.send(&a, Disconnect::new(ReasonCode::Success));
        assert!(net.broker.is_closing(a.id));
        let usage = net.broker.usage();
        assert!(usage.tail_bytes < 1_000, "{usage:?}");
    }
    // But for the broker's own last word.
    let mut net = Net::new(quiet());
    net.join(Version::V5, "a");
    net.join(Version::V5, "a");
    let usage = net.broker.usage();
    assert!((4..1_000).contains(&usage.tail_bytes), "{usage:?}");
}
