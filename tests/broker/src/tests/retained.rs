use mqtt_sansio::packet::RetainHandling;

use super::*;

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
    net.wait(seconds(40));
    net.subscribe(&mut b, "t", QoS::AtMostOnce);
    assert_eq!(net.messages(&mut b), [""; 0]);
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
