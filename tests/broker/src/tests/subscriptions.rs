use super::*;

#[test]
fn overlapping_subscriptions_get_one_copy() {
    for version in BOTH {
        let mut net = Net::new(quiet());
        let (mut a, mut b) = (net.join(Version::V5, "a"), net.join(version, "b"));
        let number = |number| (version == Version::V5).then_some(number);
        net.subscribe_with(&mut b, "t/#", options(QoS::AtMostOnce), number(7));
        net.subscribe_with(&mut b, "t/+", options(QoS::ExactlyOnce), number(3));
        net.subscribe_with(&mut b, "t/1", options(QoS::AtLeastOnce), None);
        net.subscribe_with(&mut b, "u/1", options(QoS::AtLeastOnce), number(9));
        net.say(&mut a, QoS::ExactlyOnce, "t/1", "m");
        let expected = match version {
            Version::V311 => "t/1=m q2",
            Version::V5 => "t/1=m q2 #3 #7",
        };
        assert_eq!(net.messages(&mut b), [expected]);
    }
}

#[test]
fn subscribing_again_replaces() {
    let mut net = Net::new(quiet());
    let mut a = net.join(Version::V5, "a");
    net.subscribe_with(&mut a, "t", options(QoS::ExactlyOnce), Some(1));
    net.subscribe_with(&mut a, "t", options(QoS::AtMostOnce), Some(2));
    net.send(&a, message(QoS::AtMostOnce, 1, "t", "m"));
    assert_eq!(net.messages(&mut a), ["t=m q0 #2"]);
    assert_eq!(net.broker.usage().subscriptions, 1);
}

#[test]
fn no_local_goes_by_the_client_identifier() {
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let (mut a, mut b) = (net.join(version, "a"), net.join(version, "b"));
    let mut no_local = options(QoS::AtMostOnce);
    no_local.no_local = true;
    net.subscribe_with(&mut a, "t", no_local, None);
    net.subscribe(&mut b, "t", QoS::AtMostOnce);
    net.say(&mut a, QoS::AtMostOnce, "t", "own");
    net.say(&mut b, QoS::AtMostOnce, "t", "other");
    assert_eq!(net.messages(&mut a), ["t=other q0"]);
    assert_eq!(net.messages(&mut b), ["t=own q0", "t=other q0"]);
}

#[test]
fn retain_as_published() {
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let (mut a, mut b) = (net.join(version, "a"), net.join(version, "b"));
    let mut as_published = options(QoS::AtMostOnce);
    as_published.retain_as_published = true;
    net.subscribe_with(&mut b, "t", as_published, None);
    net.subscribe_with(&mut b, "u", options(QoS::AtMostOnce), None);
    for topic in ["t", "u"] {
        net.publish(&mut a, retained(message(QoS::AtMostOnce, 0, topic, "m")));
        net.publish(&mut a, message(QoS::AtMostOnce, 0, topic, "n"));
    }
    let expected = ["t=m q0 retained", "t=n q0", "u=m q0", "u=n q0"];
    assert_eq!(net.messages(&mut b), expected);
}

#[test]
fn unsubscribes_character_by_character() {
    for version in BOTH {
        let mut net = Net::new(quiet());
        let mut a = net.join(version, "a");
        net.subscribe(&mut a, "t/+", QoS::AtMostOnce);
        let none = net.unsubscribe(&mut a, "t/#");
        let one = net.unsubscribe(&mut a, "t/+");
        match version {
            Version::V311 => assert!(none.is_empty() && one.is_empty()),
            Version::V5 => {
                assert_eq!(none, [ReasonCode::NoSubscriptionExisted]);
                assert_eq!(one, [ReasonCode::Success]);
            }
        }
        net.send(&a, message(QoS::AtMostOnce, 1, "t/1", "m"));
        assert_eq!(net.messages(&mut a), [""; 0]);
    }
}

#[test]
fn wildcards_do_not_match_dollar_topics() {
    let mut net = Net::new(Config::default());
    let mut a = net.join(Version::V311, "a");
    net.subscribe(&mut a, "#", QoS::AtMostOnce);
    net.subscribe(&mut a, "+/broker/uptime", QoS::AtMostOnce);
    net.wait(seconds(10));
    assert_eq!(net.messages(&mut a), [""; 0]);
    net.subscribe(&mut a, "$SYS/broker/uptime", QoS::AtMostOnce);
    net.wait(seconds(10));
    let uptime = [
        "$SYS/broker/uptime=10 q0 retained",
        "$SYS/broker/uptime=20 q0",
    ];
    assert_eq!(net.messages(&mut a), uptime);
    net.subscribe(&mut a, "$SYS/broker/clients/#", QoS::AtMostOnce);
    assert_eq!(
        net.messages(&mut a),
        [
            "$SYS/broker/clients/connected=1 q0 retained",
            "$SYS/broker/clients/disconnected=0 q0 retained",
            "$SYS/broker/clients/total=1 q0 retained",
        ]
    );
}

#[test]
fn share_is_an_ordinary_word_in_311() {
    let mut config = quiet();
    config.dollar_topics = true;
    let mut net = Net::new(config);
    let mut a = net.join(Version::V311, "a");
    net.subscribe(&mut a, "$share/g/t", QoS::AtMostOnce);
    net.send(&a, message(QoS::AtMostOnce, 0, "t", "no"));
    net.send(&a, message(QoS::AtMostOnce, 0, "$share/g/t", "yes"));
    assert_eq!(net.messages(&mut a), ["$share/g/t=yes q0"]);
}

/// Clients subscribe, publish and retain, and get nothing of it unless the server allows it.
#[test]
fn c8_dollar_topics_are_not_for_clients() {
    let topics = ["$", "$a/b", "$share/g/x", "$SYS/x"];
    for (version, allowed) in BOTH.into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let mut config = quiet();
        config.dollar_topics = allowed;
        let mut net = Net::new(config);
        let (mut a, mut b) = (net.join(version, "a"), net.join(version, "b"));
        for topic in topics {
            if !(version == Version::V5 && topic.starts_with("$share")) {
                net.subscribe(&mut a, topic, QoS::AtLeastOnce);
            }
            let allowed = allowed && topic != "$SYS/x";
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let code = net.publish(&mut b, retained(message(qos, 1, topic, "m")));
                let refused = !allowed && version == Version::V5;
                let expected = refused.then_some(ReasonCode::NotAuthorized);
                assert_eq!(
                    code.filter(|code| code.is_error()),
                    expected.filter(|_| code.is_some())
                );
            }
            let shared = version == Version::V5 && topic == "$share/g/x";
            let got = if allowed && !shared { 3 } else { 0 };
            assert_eq!(net.messages(&mut a).len(), got, "{topic}");
        }
        assert_eq!(net.broker.usage().retained, if allowed { 3 } else { 0 });
    }
}

/// The session goes on in 3.1.1, and then in 5.0 again.
#[test]
fn c1_options_of_5_do_not_count_in_311() {
    let mut net = Net::new(quiet());
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    let mut all = options(QoS::AtLeastOnce);
    (all.no_local, all.retain_as_published) = (true, true);
    net.subscribe_with(&mut a, "t", all, Some(7));
    let mut b = net.join(Version::V5, "b");
    let say = |net: &mut Net, who: &mut Peer, payload| {
        net.publish(who, retained(message(QoS::AtLeastOnce, 1, "t", payload)));
    };
    say(&mut net, &mut b, "0");
    say(&mut net, &mut a, "own");
    assert_eq!(net.messages(&mut a), ["t=0 q1 retained #7"]);
    net.cut(&a);
    say(&mut net, &mut b, "1");
    let (mut a, _) = net.connect(Version::V311, lasting(Version::V311, "a"));
    say(&mut net, &mut b, "2");
    say(&mut net, &mut a, "3");
    assert_eq!(net.messages(&mut a), ["t=1 q1", "t=2 q1", "t=3 q1"]);
    net.cut(&a);
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    say(&mut net, &mut b, "4");
    say(&mut net, &mut a, "own");
    assert_eq!(net.messages(&mut a), ["t=4 q1 retained #7"]);
    // A new subscription still gets what is retained as such, its own too, in 3.1.1.
    net.cut(&a);
    let (mut a, _) = net.connect(Version::V311, lasting(Version::V311, "a"));
    net.subscribe(&mut a, "t", QoS::AtLeastOnce);
    assert_eq!(net.messages(&mut a), ["t=own q1 retained"]);
}
