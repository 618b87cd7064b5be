use super::*;

/// Every QoS published, by every QoS subscribed, from and to both versions.
#[test]
fn downgrades_to_the_lower_qos() {
    let all = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    for from in BOTH {
        for to in BOTH {
            for published in all {
                for granted in all {
                    let mut net = Net::new(quiet());
                    let (mut a, mut b) = (net.join(from, "a"), net.join(to, "b"));
                    net.subscribe(&mut b, "t/+", granted);
                    net.say(&mut a, published, "t/1", "m");
                    let qos = published.min(granted).level();
                    assert_eq!(net.messages(&mut b), [format!("t/1=m q{qos}")]);
                    assert_eq!(net.messages(&mut a), [""; 0]);
                }
            }
        }
    }
}

#[test]
fn routes_a_message_of_qos_2_once() {
    for version in BOTH {
        let mut net = Net::new(quiet());
        let (mut a, mut b) = (net.join(version, "a"), net.join(version, "b"));
        net.subscribe(&mut b, "t", QoS::ExactlyOnce);
        let mut publish = message(QoS::ExactlyOnce, 7, "t", "m");
        net.send(&a, publish.clone());
        publish.dup = true;
        net.send(&a, publish);
        let recs = net.receive(&mut a);
        assert!(matches!(recs[..], [Packet::PubRec(_), ..]), "{recs:?}");
        net.send(&a, Packet::PubRel(Ack::new(id(7))));
        assert!(matches!(net.receive(&mut a)[..], [Packet::PubComp(_)]));
        assert_eq!(net.messages(&mut b), ["t=m q2"]);
        // The identifier is free again.
        assert!(
            net.publish(&mut a, message(QoS::ExactlyOnce, 7, "t", "n"))
                .is_some()
        );
        assert_eq!(net.messages(&mut b), ["t=n q2"]);
    }
}

#[test]
fn keeps_the_order_of_messages() {
    let mut net = Net::new(quiet());
    let (mut a, mut b) = (net.join(Version::V5, "a"), net.join(Version::V311, "b"));
    net.subscribe(&mut b, "#", QoS::ExactlyOnce);
    for number in 0..50 {
        net.say(&mut a, QoS::AtLeastOnce, "t", &number.to_string());
    }
    let expected: Vec<_> = (0..50).map(|number| format!("t={number} q1")).collect();
    assert_eq!(net.messages(&mut b), expected);
}

#[test]
fn says_that_nobody_subscribes() {
    let mut net = Net::new(quiet());
    let mut a = net.join(Version::V5, "a");
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let reason = net.say(&mut a, qos, "nobody", "m");
        assert_eq!(reason, Some(ReasonCode::NoMatchingSubscribers));
    }
    let mut old = net.join(Version::V311, "old");
    let reason = net.say(&mut old, QoS::AtLeastOnce, "nobody", "m");
    assert_eq!(reason, Some(ReasonCode::Success));
}

#[test]
fn forwards_properties_in_order() {
    let mut net = Net::new(quiet());
    let (mut a, mut b) = (net.join(Version::V5, "a"), net.join(Version::V5, "b"));
    let mut old = net.join(Version::V311, "old");
    net.subscribe(&mut b, "t", QoS::AtMostOnce);
    net.subscribe(&mut old, "t", QoS::AtMostOnce);
    let mut publish = message(QoS::AtMostOnce, 0, "t", "m");
    publish.properties = PublishProperties::builder()
        .user_property(text("b"), text("1"))
        .content_type(text("text/plain"))
        .user_property(text("a"), text("2"))
        .correlation_data(Binary::new(b"\0\xFF").unwrap())
        .user_property(text("b"), text("3"))
        .build();
    net.publish(&mut a, publish.clone());
    assert_eq!(net.receive(&mut b), [Packet::Publish(publish)]);
    assert_eq!(net.messages(&mut old), ["t=m q0"]);
}

#[test]
fn counts_message_expiry_down() {
    let mut net = Net::new(quiet());
    let mut a = net.join(Version::V5, "a");
    let (mut b, _) = net.connect(Version::V5, lasting(Version::V5, "b"));
    net.subscribe(&mut b, "t", QoS::AtLeastOnce);
    net.cut(&b);
    net.publish(
        &mut a,
        expiring(message(QoS::AtLeastOnce, 1, "t", "long"), 100),
    );
    net.publish(
        &mut a,
        expiring(message(QoS::AtLeastOnce, 1, "t", "short"), 10),
    );
    net.publish(&mut a, message(QoS::AtLeastOnce, 1, "t", "ever"));
    net.wait(seconds(30));
    let (mut b, _) = net.connect(Version::V5, lasting(Version::V5, "b"));
    assert_eq!(net.messages(&mut b), ["t=long q1 for 70s", "t=ever q1"]);
}

/// What a client does not read makes room when it has expired, at QoS 0 as well.
#[test]
fn counts_message_expiry_down_while_nobody_reads() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut config = quiet();
        config.max_queued = 2;
        let mut net = Net::new(config);
        let (mut a, mut b) = (net.join(Version::V5, "a"), net.join(Version::V5, "b"));
        net.subscribe(&mut b, "t", qos);
        for (payload, time) in [("long", 100), ("short", 10), ("no room", 10)] {
            net.publish(&mut a, expiring(message(qos, 1, "t", payload), time));
        }
        net.wait(seconds(30));
        net.say(&mut a, qos, "t", "ever");
        let level = qos.level();
        let expected = [
            format!("t=long q{level} for 70s"),
            format!("t=ever q{level}"),
        ];
        assert_eq!(net.messages(&mut b), expected);
    }
}

#[test]
fn sends_again_what_was_not_acknowledged() {
    for first in BOTH {
        for second in BOTH {
            let mut net = Net::new(quiet());
            let mut a = net.join(Version::V5, "a");
            let (mut b, _) = net.connect(first, lasting(first, "b"));
            net.subscribe(&mut b, "t", QoS::ExactlyOnce);
            let publish = expiring(message(QoS::AtLeastOnce, 1, "t", "one"), 100);
            net.publish(&mut a, publish);
            net.say(&mut a, QoS::ExactlyOnce, "t", "two");
            assert_eq!(net.receive(&mut b).len(), 2);
            net.cut(&b);
            net.wait(seconds(200));
            let (mut b, connack) = net.connect(second, lasting(second, "b"));
            assert!(connack.session_present);
            // What was sent once is not dropped for its expiry [MQTT-4.3.3-7].
            let expiry = if second == Version::V5 { " for 0s" } else { "" };
            let expected = [format!("t=one q1 dup{expiry}"), "t=two q2 dup".to_owned()];
            assert_eq!(net.messages(&mut b), expected);
        }
    }
}
