use mqtt_sansio::packet::RetainHandling;
use mqtt_sansio::topic::TopicName;

use super::*;
use crate::backlog::STEPS;
use crate::message::{BUFFER, Held};

#[test]
fn keeps_the_last_one_of_each_topic() {
    for version in BOTH {
        let mut net = Net::new(quiet());
        let mut a = net.join(version, "a");
        for (topic, payload) in [("t/1", "old"), ("t/2", "two"), ("t/1", "new"), ("t/3", "x")] {
            net.publish(
                &mut a,
                retained(message(QoS::AtLeastOnce, 1, topic, payload)),
            );
        }
        net.publish(&mut a, retained(message(QoS::AtMostOnce, 1, "t/3", "")));
        let mut b = net.join(version, "b");
        net.subscribe(&mut b, "t/+", QoS::AtMostOnce);
        let expected = ["t/1=new q0 retained", "t/2=two q0 retained"];
        assert_eq!(net.messages(&mut b), expected);
        // To who subscribes already they are messages like others.
        net.publish(&mut a, retained(message(QoS::AtMostOnce, 1, "t/2", "")));
        assert_eq!(net.messages(&mut b), ["t/2= q0"]);
    }
}

#[test]
fn handlings() {
    let version = Version::V5;
    let mut net = Net::new(quiet());
    let mut a = net.join(version, "a");
    net.publish(&mut a, retained(message(QoS::AtLeastOnce, 1, "t", "m")));
    for (handling, first, again) in [
        (RetainHandling::SendAtSubscribe, 1, 1),
        (RetainHandling::SendIfNew, 1, 0),
        (RetainHandling::DoNotSend, 0, 0),
    ] {
        let mut b = net.join(version, "b");
        let mut options = options(QoS::ExactlyOnce);
        options.retain_handling = handling;
        for expected in [first, again] {
            net.subscribe_with(&mut b, "t", options, Some(5));
            let expected = vec!["t=m q1 retained #5"; expected];
            assert_eq!(net.messages(&mut b), expected, "{handling:?}");
        }
    }
}

#[test]
fn expire() {
    let version = Version::V5;
    let mut net = Net::new(quiet());
    let (mut a, mut b) = (net.join(version, "a"), net.join(version, "b"));
    net.publish(
        &mut a,
        retained(expiring(message(QoS::AtMostOnce, 1, "t", "m"), 60)),
    );
    net.wait(seconds(20));
    net.subscribe(&mut b, "t", QoS::AtMostOnce);
    assert_eq!(net.messages(&mut b), ["t=m q0 retained for 40s"]);
    // Nor does it wait for anyone, if nobody has looked at the time.
    net.now += seconds(40);
    let mut c = net.join(version, "c");
    let filter = TopicFilter::new("t").unwrap();
    let subscriptions = Subscriptions::new([(filter, options(QoS::AtMostOnce))]).unwrap();
    net.send(&c, Packet::Subscribe(Subscribe::new(id(1), subscriptions)));
    assert_eq!(net.broker.usage().messages, 0);
    assert_eq!(net.messages(&mut c), [""; 0]);
    assert_eq!(net.broker.usage().retained, 1);
    net.wait(seconds(0));
    net.subscribe(&mut b, "t", QoS::AtMostOnce);
    assert_eq!(net.messages(&mut b), [""; 0]);
    assert_eq!(net.broker.usage().retained, 0);
}

/// Others are served before all are gone.
#[test]
fn expire_in_parts() {
    let (mut net, mut librarian) = library();
    for number in 0..STEPS {
        let publish = message(QoS::AtMostOnce, 0, &format!("e/{number}"), "m");
        net.publish(&mut librarian, retained(expiring(publish, 1)));
    }
    let mut a = net.join(Version::V5, "a");
    net.subscribe(&mut a, "t/#", QoS::AtMostOnce);
    assert_eq!(net.messages(&mut a).len(), STEPS);
    net.now += seconds(1);
    net.broker.handle_timeout(net.now);
    assert_eq!(net.broker.usage().retained, MANY + STEPS / 2);
    assert_eq!(net.messages(&mut a).len(), STEPS - STEPS / 2);
}

/// [MQTT-3.1.2-24]
#[test]
fn one_that_is_too_large_keeps_none_back() {
    let mut net = Net::new(quiet());
    let mut librarian = net.join(Version::V5, "librarian");
    for (topic, len) in [("a", 1), ("b", 100), ("c", 1)] {
        let publish = message(QoS::AtLeastOnce, 1, topic, &"m".repeat(len));
        net.publish(&mut librarian, retained(publish));
    }
    let mut small = connect(Version::V5, "small", true, 0);
    small.properties = ConnectProperties::builder()
        .maximum_packet_size(50.try_into().unwrap())
        .build();
    let (mut small, _) = net.connect(Version::V5, small);
    net.subscribe(&mut small, "#", QoS::AtLeastOnce);
    let found = net.messages(&mut small);
    assert_eq!(found, ["a=m q1 retained", "c=m q1 retained"]);
}

#[test]
fn are_limited() {
    let mut config = quiet();
    config.max_retained = 2;
    config.max_retained_bytes = 10_000;
    let mut net = Net::new(config);
    let mut a = net.join(Version::V5, "a");
    let mut keep = |net: &mut Net, topic: &str, payload: &str| {
        let publish = retained(message(QoS::AtLeastOnce, 1, topic, payload));
        net.publish(&mut a, publish).unwrap()
    };
    assert_eq!(keep(&mut net, "1", "m"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(keep(&mut net, "2", "m"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(keep(&mut net, "3", "m"), ReasonCode::QuotaExceeded);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut old = net.join(Version::V311, "old");
        net.send(&old, retained(message(qos, 1, "3", "m")));
        assert_eq!(net.last_words(&mut old), []);
    }
    assert_eq!(keep(&mut net, "2", "n"), ReasonCode::NoMatchingSubscribers);
    let large = "m".repeat(10_000);
    assert_eq!(keep(&mut net, "2", &large), ReasonCode::QuotaExceeded);
    keep(&mut net, "1", "");
    assert_eq!(keep(&mut net, "3", "m"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(net.broker.retained.len(), 2);
    // What its publisher cannot be told goes on, but is not retained, and nothing older is.
    let mut b = net.join(Version::V5, "b");
    net.subscribe(&mut b, "#", QoS::AtLeastOnce);
    assert_eq!(net.messages(&mut b).len(), 2);
    let mut c = net.join(Version::V5, "c");
    let publish = retained(message(QoS::AtMostOnce, 1, "2", &large));
    assert_eq!(net.publish(&mut c, publish), None);
    assert_eq!(net.messages(&mut b).len(), 1);
    assert_eq!(net.broker.usage().retained, 1);
    assert_eq!(net.broker.stats.messages_dropped, 1);
}

#[test]
fn take_the_room_of_what_they_replace_or_what_has_expired() {
    let mut net = Net::new(quiet());
    let mut a = net.join(Version::V5, "a");
    let mut keep = |net: &mut Net, topic: &str, payload: &str, seconds: u32| {
        let publish = message(QoS::AtLeastOnce, 1, topic, payload);
        let publish = retained(expiring(publish, seconds));
        let reason = net.publish(&mut a, publish).unwrap();
        reason != ReasonCode::QuotaExceeded
    };
    assert!(keep(&mut net, "1", "m", 9) && keep(&mut net, "2", "m", 1));
    net.broker.config.max_retained_bytes = net.broker.usage().retained_bytes;
    assert!(keep(&mut net, "2", "n", 1));
    assert!(!keep(&mut net, "2", "nn", 1) && !keep(&mut net, "3", "m", 9));
    // Nobody has looked at the time.
    net.now += seconds(1);
    assert!(keep(&mut net, "3", "m", 9));
    assert!(!keep(&mut net, "2", "m", 9));
}

/// The name of a share may be that of a topic as well.
#[test]
fn do_not_come_for_shares() {
    let mut config = quiet();
    config.dollar_topics = true;
    let mut net = Net::new(config);
    let mut a = net.join(Version::V5, "a");
    for topic in ["t", "$share/g/t"] {
        net.publish(&mut a, retained(message(QoS::AtMostOnce, 0, topic, "m")));
    }
    net.subscribe(&mut a, "$share/g/t", QoS::AtMostOnce);
    assert_eq!(net.messages(&mut a), [""; 0]);
}

#[test]
fn are_not_available() {
    let mut config = quiet();
    config.retain = false;
    let mut net = Net::new(config);
    let (mut a, connack) = net.connect(Version::V5, connect(Version::V5, "a", true, 0));
    assert_eq!(connack.properties.retain_available(), Some(false));
    net.send(&a, retained(message(QoS::AtMostOnce, 1, "t", "m")));
    let last = Disconnect::new(ReasonCode::RetainNotSupported);
    assert_eq!(net.last_words(&mut a), [Packet::Disconnect(last)]);

    let mut old = net.join(Version::V311, "old");
    net.publish(&mut old, retained(message(QoS::AtMostOnce, 1, "t", "m")));
    assert_eq!(net.broker.retained.len(), 0);

    let mut with_will = connect(Version::V5, "a", true, 0);
    with_will.will = Some(will("t", "gone", 0));
    with_will.will.as_mut().unwrap().retain = true;
    let (_, connack) = net.connect(Version::V5, with_will);
    assert_eq!(connack.reason, ReasonCode::RetainNotSupported);
}

#[test]
fn give_back_what_they_replace() {
    let mut net = Net::new(quiet());
    let mut a = net.join(Version::V5, "a");
    let mut keep = |net: &mut Net, topic: &str, len: usize| {
        let payload = "m".repeat(len);
        net.publish(
            &mut a,
            retained(message(QoS::AtMostOnce, 0, topic, &payload)),
        );
        net.broker.usage().retained_bytes
    };
    let one = keep(&mut net, "t", 1_000);
    assert_eq!(keep(&mut net, "t", 2_000), one + 1_000);
    assert_eq!(keep(&mut net, "t", 500), one - 500);
    assert_eq!(keep(&mut net, "u", 1_000), 2 * one - 500);
    for _ in 0..1_000 {
        assert_eq!(keep(&mut net, "t", 1_000), 2 * one);
    }
    assert_eq!(keep(&mut net, "u", 0), one);
    assert_eq!(keep(&mut net, "t", 0), 0);
    let publish = expiring(message(QoS::AtMostOnce, 0, "t", "m"), 1);
    let mut b = net.join(Version::V5, "b");
    net.publish(&mut b, retained(publish));
    net.wait(seconds(1));
    net.broker.retained.purge(net.now, usize::MAX);
    assert_eq!(net.broker.usage().retained_bytes, 0);
}

/// More than are looked at for one packet.
const MANY: usize = 2 * STEPS + STEPS / 2;

/// A broker with many retained messages, `t/0000` and so on, and who has published them.
fn library() -> (Net, Peer) {
    let mut net = Net::new(quiet());
    let mut librarian = net.join(Version::V5, "librarian");
    for number in 0..MANY {
        let topic = format!("t/{number:04}");
        let publish = message(QoS::AtLeastOnce, 1, &topic, "m");
        net.publish(&mut librarian, retained(publish));
    }
    (net, librarian)
}

fn turn(net: &mut Net) {
    assert_eq!(net.broker.next_timeout(), Some(net.now));
    net.broker.handle_timeout(net.now);
}

#[test]
fn come_in_parts_and_others_are_served_in_between() {
    let (mut net, mut librarian) = library();
    let (mut a, mut b) = (net.join(Version::V5, "a"), net.join(Version::V5, "b"));
    net.subscribe(&mut a, "t/#", QoS::AtLeastOnce);
    net.subscribe(&mut b, "t/+", QoS::AtMostOnce);
    assert_eq!(net.broker.usage().backlogs, 2);
    let mut counts = Vec::new();
    let mut all = [Vec::new(), Vec::new()];
    while net.broker.usage().backlogs > 0 {
        counts.push((
            net.receive_some(&mut a, &mut all[0]),
            net.receive_some(&mut b, &mut all[1]),
        ));
        net.send(&librarian, Packet::PingReq);
        assert_eq!(net.receive(&mut librarian), [Packet::PingResp]);
        turn(&mut net);
    }
    net.receive_some(&mut a, &mut all[0]);
    net.receive_some(&mut b, &mut all[1]);
    assert_eq!(counts[0], (STEPS, STEPS));
    assert!(counts.iter().all(|(a, b)| *a <= STEPS && *b <= STEPS));
    assert_ne!(net.broker.next_timeout(), Some(net.now));
    for (qos, all) in all.iter().enumerate() {
        let expected = (0..MANY).map(|number| format!("t/{number:04}=m q{} retained", 1 - qos));
        assert!(expected.eq(all.iter().cloned()));
    }
}

/// What was retained before comes before what is published after, each once [MQTT-4.6.0-6].
#[test]
fn come_before_later_messages_of_their_topic() {
    let (mut net, mut librarian) = library();
    let mut a = net.join(Version::V5, "a");
    net.subscribe(&mut a, "t/#", QoS::AtLeastOnce);
    let last = format!("t/{:04}", MANY - 1);
    net.say(&mut librarian, QoS::AtLeastOnce, &last, "later");
    net.say(&mut librarian, QoS::AtLeastOnce, "t/0000", "later");
    let looked_at = format!("t/{:04}", STEPS - 1);
    net.say(&mut librarian, QoS::AtLeastOnce, &looked_at, "later");
    // A later retained one takes the place of the one that has not come.
    let other = format!("t/{:04}", MANY - 2);
    net.publish(
        &mut librarian,
        retained(message(QoS::AtLeastOnce, 1, &other, "new")),
    );
    // One that is gone does not come.
    let gone = format!("t/{:04}", MANY - 3);
    net.publish(
        &mut librarian,
        retained(message(QoS::AtLeastOnce, 1, &gone, "")),
    );
    let mut all = net.messages(&mut a).split_off(STEPS);
    assert_eq!(net.broker.usage().message_bytes, ahead_bytes(&last));
    assert_eq!(
        all,
        [
            format!("{last}=m q1 retained"),
            format!("{last}=later q1"),
            "t/0000=later q1".to_owned(),
            format!("{looked_at}=later q1"),
            format!("{other}=new q1"),
            format!("{gone}= q1"),
        ]
    );
    while net.broker.usage().backlogs > 0 {
        turn(&mut net);
    }
    all = net.messages(&mut a);
    let expected = (STEPS..MANY - 3).map(|number| format!("t/{number:04}=m q1 retained"));
    assert!(expected.eq(all));
    assert_eq!(net.broker.usage().message_bytes, 0);
}

/// What is kept of a topic whose message came before its turn, in a map of which half may be empty.
fn ahead_bytes(topic: &str) -> usize {
    topic.len() + BUFFER + 2 * size_of::<(TopicName, Held)>()
}

/// The rest does not come if there is no room to keep what came before its turn.
#[test]
fn ahead_of_their_turn_are_limited() {
    let (mut net, mut librarian) = library();
    let mut a = net.join(Version::V5, "a");
    net.subscribe(&mut a, "t/#", QoS::AtLeastOnce);
    assert_eq!(net.messages(&mut a).len(), STEPS);
    let one = ahead_bytes("t/0000");
    net.broker.config.max_queued_bytes = one;
    for (back, backlogs) in [(1, 1), (2, 0)] {
        let topic = format!("t/{:04}", MANY - back);
        net.say(&mut librarian, QoS::AtMostOnce, &topic, "later");
        let usage = net.broker.usage();
        let expected = (backlogs, backlogs * one);
        assert_eq!((usage.backlogs, usage.message_bytes), expected);
    }
}

#[test]
fn come_as_the_last_subscribe_says() {
    let (mut net, _) = library();
    let mut a = net.join(Version::V5, "a");
    let mut again = options(QoS::AtMostOnce);
    let all = |net: &mut Net, a: &mut Peer| {
        while net.broker.usage().backlogs > 0 {
            turn(net);
        }
        net.messages(a)
    };
    // All once more.
    net.subscribe(&mut a, "t/#", QoS::AtLeastOnce);
    assert_eq!(net.messages(&mut a).len(), STEPS);
    net.subscribe(&mut a, "t/#", QoS::AtLeastOnce);
    assert_eq!(all(&mut net, &mut a).len(), MANY);
    // The rest of those that the first one has asked for.
    net.subscribe(&mut a, "t/#", QoS::AtLeastOnce);
    assert_eq!(net.messages(&mut a).len(), STEPS);
    again.retain_handling = RetainHandling::DoNotSend;
    net.subscribe_with(&mut a, "t/#", again, Some(3));
    let rest = all(&mut net, &mut a);
    assert_eq!(rest.len(), MANY - STEPS);
    assert_eq!(rest[0], format!("t/{STEPS}=m q0 retained #3"));
    // None, as there is no subscription any more.
    net.subscribe(&mut a, "t/#", QoS::AtLeastOnce);
    assert_eq!(net.messages(&mut a).len(), STEPS);
    net.unsubscribe(&mut a, "t/#");
    assert_eq!(all(&mut net, &mut a).len(), 0);
}

/// At QoS 1 they wait for the session; one that starts clean gets none.
#[test]
fn come_to_a_session_that_is_away() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let (mut net, _) = library();
        let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
        net.subscribe(&mut a, "t/#", qos);
        assert_eq!(net.messages(&mut a).len(), STEPS);
        net.cut(&a);
        net.wait(seconds(1));
        assert_eq!(net.broker.usage().backlogs, 0);
        let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
        let expected = if qos == QoS::AtLeastOnce {
            MANY - STEPS
        } else {
            0
        };
        assert_eq!(net.messages(&mut a).len(), expected);
        net.subscribe(&mut a, "t/#", qos);
        net.cut(&a);
        net.join(Version::V5, "a");
        assert_ne!(net.broker.next_timeout(), Some(net.now));
    }
}

#[test]
fn end_when_the_queue_is_full() {
    let (mut net, _) = library();
    net.broker.config.max_queued = STEPS / 2;
    let mut a = net.join(Version::V5, "a");
    net.subscribe(&mut a, "t/#", QoS::AtMostOnce);
    assert_eq!(net.broker.usage().backlogs, 0);
    assert_eq!(net.messages(&mut a).len(), STEPS / 2);
    assert_eq!(net.broker.stats.messages_dropped, 1);
}

#[test]
fn come_at_once_for_several_filters() {
    let mut net = Net::new(quiet());
    let mut a = net.join(Version::V5, "a");
    for topic in ["t", "u"] {
        net.publish(&mut a, retained(message(QoS::AtMostOnce, 0, topic, "m")));
    }
    let filters = ["t", "u", "+", "t"].map(|filter| TopicFilter::new(filter).unwrap());
    let requests = filters.map(|filter| (filter, options(QoS::AtMostOnce)));
    let subscriptions = Subscriptions::new(requests).unwrap();
    net.send(&a, Packet::Subscribe(Subscribe::new(id(1), subscriptions)));
    // The filter that is there twice counts once.
    let mut expected = ["u", "t", "u", "t"].map(|topic| format!("{topic}=m q0 retained"));
    let mut came = net.messages(&mut a);
    expected.sort();
    came.sort();
    assert_eq!(came, expected);
}

/// No Local of a subscription that is answered in 5.0 does not count for what comes in 3.1.1.
#[test]
fn c1_come_to_a_session_that_goes_on_in_311() {
    let (mut net, librarian) = library();
    net.cut(&librarian);
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "librarian"));
    let mut no_local = options(QoS::AtLeastOnce);
    no_local.no_local = true;
    net.subscribe_with(&mut a, "t/#", no_local, None);
    assert_eq!(net.messages(&mut a), [""; 0]);
    net.cut(&a);
    let (mut a, _) = net.connect(Version::V311, lasting(Version::V311, "librarian"));
    net.wait(seconds(1));
    let mut all = net.messages(&mut a);
    assert_eq!(all.len(), MANY - STEPS);
    assert_eq!(all.remove(0), format!("t/{STEPS}=m q1 retained"));
}
