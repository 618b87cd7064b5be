use super::*;

/// Two members of a share, with sessions that last, and who publishes.
fn group(net: &mut Net) -> (Peer, Peer, Peer) {
    let version = Version::V5;
    let (mut a, _) = net.connect(version, lasting(version, "a"));
    let (mut b, _) = net.connect(version, lasting(version, "b"));
    for member in [&mut a, &mut b] {
        net.subscribe_with(member, "$share/g/t/#", options(QoS::ExactlyOnce), Some(4));
    }
    (a, b, net.join(Version::V311, "publisher"))
}

#[test]
fn members_take_turns() {
    let mut net = Net::new(quiet());
    let (mut a, mut b, mut publisher) = group(&mut net);
    let mut own = net.join(Version::V5, "own");
    net.subscribe(&mut own, "t/#", QoS::AtMostOnce);
    net.subscribe(&mut own, "$share/h/t/1", QoS::AtMostOnce);
    for payload in ["1", "2", "3", "4"] {
        net.say(&mut publisher, QoS::ExactlyOnce, "t/1", payload);
    }
    assert_eq!(net.messages(&mut a), ["t/1=1 q2 #4", "t/1=3 q2 #4"]);
    assert_eq!(net.messages(&mut b), ["t/1=2 q2 #4", "t/1=4 q2 #4"]);
    // Each share and each client of its own has a copy.
    assert_eq!(net.messages(&mut own).len(), 8);
    assert_eq!(
        net.unsubscribe(&mut a, "$share/g/t/#"),
        [ReasonCode::Success]
    );
    net.say(&mut publisher, QoS::AtMostOnce, "t/1", "5");
    net.say(&mut publisher, QoS::AtMostOnce, "t/1", "6");
    assert_eq!(net.messages(&mut b).len(), 2);
}

#[test]
fn get_no_retained_messages() {
    let mut net = Net::new(quiet());
    let mut publisher = net.join(Version::V5, "publisher");
    net.publish(
        &mut publisher,
        retained(message(QoS::AtMostOnce, 0, "t/1", "m")),
    );
    let (mut a, ..) = group(&mut net);
    assert_eq!(net.messages(&mut a), [""; 0]);
}

#[test]
fn who_is_connected_comes_first() {
    let mut net = Net::new(quiet());
    let (a, mut b, mut publisher) = group(&mut net);
    net.cut(&a);
    net.say(&mut publisher, QoS::AtLeastOnce, "t/1", "1");
    net.say(&mut publisher, QoS::AtLeastOnce, "t/1", "2");
    assert_eq!(net.messages(&mut b).len(), 2);
    // If nobody is, somebody keeps it.
    net.cut(&b);
    net.say(&mut publisher, QoS::AtLeastOnce, "t/1", "3");
    net.say(&mut publisher, QoS::AtLeastOnce, "t/1", "4");
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    let (mut b, _) = net.connect(Version::V5, lasting(Version::V5, "b"));
    assert_eq!(
        (net.messages(&mut a).len(), net.messages(&mut b).len()),
        (1, 1)
    );
    // Who is back is connected, and who is away again is not.
    net.cut(&b);
    net.say(&mut publisher, QoS::AtMostOnce, "t/1", "5");
    net.say(&mut publisher, QoS::AtMostOnce, "t/1", "6");
    assert_eq!(net.messages(&mut a).len(), 2);
}

#[test]
fn unacknowledged_messages_go_to_another_member() {
    let mut net = Net::new(quiet());
    let (mut a, mut b, mut publisher) = group(&mut net);
    net.say(&mut publisher, QoS::AtLeastOnce, "t/1", "one");
    net.say(&mut publisher, QoS::AtMostOnce, "t/1", "b's own");
    net.say(&mut publisher, QoS::ExactlyOnce, "t/1", "two");
    assert_eq!(net.receive(&mut a).len(), 2);
    net.cut(&a);
    // QoS 1 may go elsewhere, QoS 2 under way may not [MQTT-4.8.2-4].
    assert_eq!(net.messages(&mut b), ["t/1=b's own q0 #4", "t/1=one q1 #4"]);
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    assert_eq!(net.messages(&mut a), ["t/1=two q2 dup #4"]);
}

#[test]
fn what_a_session_leaves_goes_to_another_member() {
    let mut net = Net::new(quiet());
    let (mut a, b, mut publisher) = group(&mut net);
    net.cut(&b);
    net.say(&mut publisher, QoS::AtLeastOnce, "t/1", "one");
    net.say(&mut publisher, QoS::ExactlyOnce, "t/1", "two");
    assert_eq!(net.receive(&mut a).len(), 2);
    net.say(&mut publisher, QoS::ExactlyOnce, "t/1", "three");
    net.cut(&a);
    // A clean start ends the session of `a`. What `b` gets waits for it.
    net.join(Version::V5, "a");
    let (mut b, _) = net.connect(Version::V5, lasting(Version::V5, "b"));
    assert_eq!(net.messages(&mut b), ["t/1=one q1 #4", "t/1=three q2 #4"]);
}

#[test]
fn what_a_clean_session_leaves_goes_to_another_member() {
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let (mut a, mut b) = (net.join(version, "a"), net.join(version, "b"));
    for member in [&mut a, &mut b] {
        net.subscribe(member, "$share/g/t", QoS::ExactlyOnce);
    }
    let mut publisher = net.join(version, "publisher");
    for (qos, payload) in [
        (QoS::AtLeastOnce, "1"),
        (QoS::AtLeastOnce, "2"),
        (QoS::ExactlyOnce, "3"),
    ] {
        net.say(&mut publisher, qos, "t", payload);
    }
    assert_eq!(net.receive(&mut a).len(), 2);
    net.leave(&a);
    // QoS 2 that was under way is gone [MQTT-4.8.2-5].
    assert_eq!(net.messages(&mut b), ["t=2 q1", "t=1 q1"]);
}

#[test]
fn are_not_available() {
    let mut config = quiet();
    config.shared = false;
    let mut net = Net::new(config);
    let (mut a, connack) = net.connect(Version::V5, connect(Version::V5, "a", true, 0));
    assert_eq!(
        connack.properties.shared_subscription_available(),
        Some(false)
    );
    let filter = TopicFilter::new("$share/g/t").unwrap();
    let subscriptions = Subscriptions::new([(filter, options(QoS::AtMostOnce))]).unwrap();
    net.send(&a, Packet::Subscribe(Subscribe::new(id(1), subscriptions)));
    let reason = ReasonCode::SharedSubscriptionsNotSupported;
    let last = Disconnect::new(reason);
    assert_eq!(net.last_words(&mut a), [Packet::Disconnect(last)]);
}

#[test]
fn what_a_clean_session_never_got_goes_to_another_member() {
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let (mut a, mut b) = (net.join(version, "a"), net.join(version, "b"));
    for member in [&mut a, &mut b] {
        net.subscribe(member, "$share/g/t", QoS::ExactlyOnce);
    }
    let mut publisher = net.join(version, "publisher");
    for (qos, payload) in [
        (QoS::ExactlyOnce, "1"),
        (QoS::ExactlyOnce, "2"),
        (QoS::AtMostOnce, "3"),
    ] {
        net.say(&mut publisher, qos, "t", payload);
    }
    // `a` has read nothing. QoS 0 belongs to its connection.
    net.cut(&a);
    assert_eq!(net.messages(&mut b), ["t=2 q2", "t=1 q2"]);
}

#[test]
fn a_filter_has_room_for_so_many() {
    let mut net = Net::new(quiet());
    let [mut a, mut b] = ["a", "b"].map(|name| net.join(Version::V5, name));
    for number in 0..1_000 {
        net.subscribe(&mut a, &format!("$share/{number}/t"), QoS::AtMostOnce);
    }
    let mut ask = |filter| net.subscribe_with(&mut b, filter, options(QoS::AtMostOnce), None);
    assert_eq!(ask("$share/other/t"), [ReasonCode::QuotaExceeded]);
    for filter in ["$share/999/t", "$share/other/u", "t"] {
        assert_eq!(ask(filter), [ReasonCode::Success]);
    }
}
