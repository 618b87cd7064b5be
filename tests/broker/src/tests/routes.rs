//! Messages that are not with all their subscribers at once.

use super::*;

const TOPIC: &str = "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/x";

/// A broker in which a message to that topic takes several calls, before the one who has it as a
/// filter is found, and after those who have `#`.
fn slow(config: Config) -> Net {
    let mut net = Net::new(Config {
        max_subscriptions: 20_000,
        max_subscription_bytes: usize::MAX,
        ..config
    });
    let mut hostile = net.join(Version::V5, "hostile");
    let filters = (0..1 << 14).map(|number: usize| {
        let ways = (0..14).map(|place| ["a/", "+/"][number >> place & 1]);
        let filter: String = ways.chain(["+/y"]).collect();
        (filter.parse::<TopicFilter>().unwrap(), QoS::AtMostOnce)
    });
    let subscribe = Subscribe::new(id(1), Subscriptions::new(filters).unwrap());
    let mut bytes = Vec::new();
    let packet = Packet::Subscribe(subscribe);
    packet.encode(Version::V5, &mut bytes).unwrap();
    net.bytes(&hostile, &bytes);
    assert_eq!(net.receive(&mut hostile).len(), 1);
    net
}

/// Calls the timeouts until nobody is busy. Returns how often.
fn settle(net: &mut Net, peer: &Peer) -> usize {
    let mut turns = 0;
    while net.broker.is_busy(peer.id) {
        assert!(net.broker.next_timeout().unwrap() <= net.now);
        net.broker.handle_timeout(net.now);
        turns += 1;
    }
    turns
}

#[test]
fn a_busy_connection_keeps_what_comes() {
    for version in BOTH {
        let mut net = slow(quiet());
        let mut connect = connect(version, "publisher", true, 0);
        connect.keep_alive = mqtt_sansio::packet::KeepAlive::from_secs(1);
        let (mut publisher, _) = net.connect(version, connect);
        let mut reader = net.join(version, "reader");
        net.subscribe(&mut reader, "#", QoS::AtLeastOnce);
        net.send(&publisher, message(QoS::AtLeastOnce, 1, TOPIC, "m"));
        assert!(net.broker.is_busy(publisher.id));
        let answers = net.receive(&mut publisher);
        assert_eq!(answers, [Packet::PubAck(Ack::new(id(1)))]);
        net.send(&publisher, Packet::PingReq);
        net.send(&publisher, message(QoS::AtMostOnce, 0, "t", "n"));
        assert!(net.broker.usage().input_bytes > TOPIC.len());
        assert_eq!(net.receive(&mut publisher), []);
        // It has said that it is there.
        net.now += seconds(10);
        assert!(settle(&mut net, &publisher) > 0);
        assert_eq!(net.receive(&mut publisher), [Packet::PingResp]);
        let all = [format!("{TOPIC}=m q1"), "t=n q0".to_owned()];
        assert_eq!(net.messages(&mut reader), all);
        assert_eq!(net.broker.usage().input_bytes, 0);
        net.wait(seconds(2));
        assert!(net.broker.is_closing(publisher.id));
    }
}

#[test]
fn messages_of_one_topic_stay_in_order_and_others_pass() {
    let mut net = slow(quiet());
    let mut reader = net.join(Version::V5, "reader");
    net.subscribe(&mut reader, "#", QoS::AtLeastOnce);
    let mut exact = net.join(Version::V5, "exact");
    net.subscribe(&mut exact, TOPIC, QoS::AtLeastOnce);
    let publishers: Vec<_> = (0..3)
        .map(|number| net.join(Version::V5, &number.to_string()))
        .collect();
    for (publisher, payload) in publishers.iter().zip(["1", "2", "3"]) {
        net.send(publisher, message(QoS::AtMostOnce, 0, TOPIC, payload));
        assert!(net.broker.is_busy(publisher.id));
    }
    let mut other = net.join(Version::V5, "other");
    net.say(&mut other, QoS::AtLeastOnce, "t", "quick");
    assert_eq!(net.messages(&mut reader), ["t=quick q1"]);
    assert!(settle(&mut net, &publishers[2]) > 3);
    let all = ["1", "2", "3"].map(|payload| format!("{TOPIC}={payload} q0"));
    assert_eq!(net.messages(&mut reader), all);
    assert_eq!(net.messages(&mut exact), all);
}

/// Both of what is found at once and of what is found later.
#[test]
fn subscriptions_of_the_time_of_the_message_count() {
    for filter in ["+/+/#", TOPIC] {
        for (retain, ahead) in [(false, false), (true, false), (false, true)] {
            let mut net = slow(quiet());
            let publisher = net.join(Version::V5, "publisher");
            let earlier = net.join(Version::V5, "earlier");
            let [mut leaves, mut stays, mut comes] =
                ["leaves", "stays", "comes"].map(|name| net.join(Version::V5, name));
            for peer in [&mut leaves, &mut stays] {
                net.subscribe(peer, filter, QoS::AtLeastOnce);
            }
            if ahead {
                // What was found for the second message is not kept meanwhile.
                let topic = TOPIC.replace('x', "z");
                net.send(&earlier, message(QoS::AtMostOnce, 0, &topic, "m"));
            }
            let mut publish = message(QoS::ExactlyOnce, 1, TOPIC, "m");
            publish.retain = retain;
            net.send(&publisher, publish);
            assert!(net.broker.is_busy(publisher.id));
            net.unsubscribe(&mut leaves, filter);
            let mut again = options(QoS::AtLeastOnce);
            again.retain_handling = mqtt_sansio::packet::RetainHandling::DoNotSend;
            net.subscribe_with(&mut stays, filter, again, None);
            net.subscribe(&mut comes, filter, QoS::AtLeastOnce);
            settle(&mut net, &publisher);
            let message = format!("{TOPIC}=m q1");
            let mine = |messages: Vec<String>| {
                let mine = messages.into_iter().filter(|it| it.starts_with(TOPIC));
                mine.collect::<Vec<_>>()
            };
            assert_eq!(mine(net.messages(&mut leaves)), [""; 0]);
            assert_eq!(mine(net.messages(&mut stays)), [&*message]);
            let kept = retain.then(|| format!("{message} retained"));
            assert_eq!(mine(net.messages(&mut comes)), Vec::from_iter(kept));
        }
    }
}

/// Also if somebody is there whose turn has not come.
#[test]
fn the_end_of_a_publisher_is_not_that_of_its_message() {
    let mut net = slow(quiet());
    let mut reader = net.join(Version::V5, "reader");
    net.subscribe(&mut reader, TOPIC, QoS::ExactlyOnce);
    let publisher = net.connect(Version::V5, lasting(Version::V5, "p")).0;
    net.send(&publisher, message(QoS::ExactlyOnce, 1, TOPIC, "m"));
    net.cut(&publisher);
    let (mut publisher, _) = net.connect(Version::V5, lasting(Version::V5, "p"));
    let mut again = message(QoS::ExactlyOnce, 1, TOPIC, "m");
    again.dup = true;
    // It is taken over already, once.
    assert_eq!(
        net.publish(&mut publisher, again),
        Some(ReasonCode::Success)
    );
    net.wait(seconds(1));
    assert_eq!(net.messages(&mut reader), [format!("{TOPIC}=m q2")]);
    assert_eq!(net.broker.usage().input_bytes, 0);
}

#[test]
fn there_is_a_limit_for_messages_that_wait() {
    for version in BOTH {
        let mut net = slow(Config {
            max_input_bytes: 3_500,
            ..quiet()
        });
        let mut peers: Vec<_> = (0..4)
            .map(|number| net.join(version, &number.to_string()))
            .collect();
        let payload = "x".repeat(1_000);
        for peer in &mut peers[..2] {
            net.send(peer, message(QoS::AtLeastOnce, 1, TOPIC, &payload));
            assert!(net.broker.is_busy(peer.id));
        }
        net.send(&peers[2], message(QoS::AtLeastOnce, 1, TOPIC, &payload));
        let last = net.last_words(&mut peers[2]);
        let busy = Packet::Disconnect(Disconnect::new(ReasonCode::ServerBusy));
        assert!(last == [busy] || version == Version::V311 && last.is_empty());
        // What is with all at once needs no room.
        let quick = message(QoS::AtLeastOnce, 1, "t", "m");
        assert!(net.publish(&mut peers[3], quick).is_some());
        settle(&mut net, &peers[1]);
        assert_eq!(net.broker.usage().input_bytes, 0);
        assert_eq!(net.broker.input_bytes, 0);
        assert_eq!(net.broker.stats.messages_dropped, 1);
    }
}

#[test]
fn many_get_a_message_in_parts() {
    let mut net = Net::new(quiet());
    let mut all: Vec<_> = (0..5_000)
        .map(|number| net.join(BOTH[number % 2], &number.to_string()))
        .collect();
    for peer in &mut all {
        net.subscribe(peer, "t", QoS::AtLeastOnce);
    }
    let publisher = net.join(Version::V5, "publisher");
    net.send(&publisher, message(QoS::AtLeastOnce, 1, "t", "m"));
    let mut got = 0;
    for peer in &mut all {
        got += net.messages(peer).len();
    }
    assert!((1..2_000).contains(&got));
    assert!((2..=4).contains(&settle(&mut net, &publisher)));
    for peer in &mut all {
        got += net.messages(peer).len();
    }
    assert_eq!(got, 5_000);
    assert_eq!(net.broker.usage().messages, 0);
    // Nobody gets a part of what may not wait.
    net.broker.config.max_input_bytes = 100;
    net.send(&publisher, message(QoS::AtLeastOnce, 2, "t", "m"));
    assert!(net.broker.is_closing(publisher.id));
    assert_eq!(net.broker.usage().messages, 0);
    assert_eq!(net.broker.stats.messages_dropped, 1);
}

#[test]
fn a_message_does_not_pass_one_of_its_topic() {
    let mut net = slow(quiet());
    let mut reader = net.join(Version::V5, "reader");
    net.subscribe(&mut reader, TOPIC, QoS::AtMostOnce);
    let [one, two] = ["one", "two"].map(|name| net.join(Version::V5, name));
    net.send(&one, message(QoS::AtMostOnce, 0, TOPIC, "1"));
    // A clean session, and the search is short from now on.
    net.join(Version::V5, "hostile");
    net.send(&two, message(QoS::AtMostOnce, 0, TOPIC, "2"));
    settle(&mut net, &two);
    let all = ["1", "2"].map(|payload| format!("{TOPIC}={payload} q0"));
    assert_eq!(net.messages(&mut reader), all);
}
