use super::*;

#[test]
fn clean_sessions_end_with_the_connection() {
    for version in BOTH {
        let mut net = Net::new(quiet());
        let mut a = net.join(version, "a");
        net.subscribe(&mut a, "t", QoS::AtLeastOnce);
        net.leave(&a);
        assert!(net.broker.clients.is_empty());
        assert_eq!(net.broker.usage().subscriptions, 0);
        let (_, connack) = net.connect(version, lasting(version, "a"));
        assert!(!connack.session_present);
    }
}

#[test]
fn resumes_a_session_with_what_waited() {
    for version in BOTH {
        let mut net = Net::new(quiet());
        let mut a = net.join(version, "a");
        let (mut b, connack) = net.connect(version, lasting(version, "b"));
        assert!(!connack.session_present);
        net.subscribe(&mut b, "t", QoS::ExactlyOnce);
        net.leave(&b);
        net.say(&mut a, QoS::AtMostOnce, "t", "lost");
        net.say(&mut a, QoS::AtLeastOnce, "t", "one");
        net.say(&mut a, QoS::ExactlyOnce, "t", "two");
        let (mut b, connack) = net.connect(version, lasting(version, "b"));
        assert!(connack.session_present);
        assert_eq!(net.messages(&mut b), ["t=one q1", "t=two q2"]);
        net.say(&mut a, QoS::AtMostOnce, "t", "still subscribed");
        assert_eq!(net.messages(&mut b), ["t=still subscribed q0"]);
        net.leave(&b);
        let (mut b, connack) = net.connect(version, connect(version, "b", true, 0));
        assert!(!connack.session_present);
        net.say(&mut a, QoS::AtLeastOnce, "t", "not subscribed");
        assert_eq!(net.messages(&mut b), [""; 0]);
    }
}

#[test]
fn sessions_expire() {
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let (a, _) = net.connect(version, connect(version, "a", false, 10));
    net.wait(seconds(100));
    net.cut(&a);
    net.wait(seconds(9));
    let (a, connack) = net.connect(version, connect(version, "a", false, 10));
    assert!(connack.session_present);
    net.cut(&a);
    net.wait(seconds(10));
    assert!(net.broker.clients.is_empty());
    let (_, connack) = net.connect(version, connect(version, "a", false, 10));
    assert!(!connack.session_present);
}

#[test]
fn disconnect_changes_the_expiry() {
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let (a, _) = net.connect(version, connect(version, "a", true, 10));
    let mut last = Disconnect::new(ReasonCode::Success);
    let builder = mqtt_sansio::property::DisconnectProperties::builder();
    last.properties = builder.session_expiry_interval(0).build();
    net.send(&a, last);
    assert!(net.broker.clients.is_empty());
}

#[test]
fn limits_the_expiry() {
    for (version, most) in BOTH.into_iter().flat_map(|it| [(it, 60), (it, 0)]) {
        let mut config = quiet();
        config.max_session_expiry = most;
        let mut net = Net::new(config);
        let (a, connack) = net.connect(version, lasting(version, "a"));
        let announced = connack.properties.session_expiry_interval();
        assert_eq!(announced, (version == Version::V5).then_some(most));
        net.cut(&a);
        if most > 0 {
            net.wait(seconds(59));
            assert_eq!(net.broker.clients.len(), 1);
            net.wait(seconds(1));
        }
        assert_eq!(net.broker.clients.len(), 0);
        assert_eq!(net.broker.next_timeout(), None);
    }
}

#[test]
fn takes_a_session_over() {
    for old in BOTH {
        for new in BOTH {
            let mut net = Net::new(quiet());
            let (mut first, _) = net.connect(old, lasting(old, "a"));
            net.subscribe(&mut first, "t", QoS::AtLeastOnce);
            let (mut second, connack) = net.connect(new, lasting(new, "a"));
            assert!(connack.session_present);
            let last = net.last_words(&mut first);
            match old {
                Version::V311 => assert_eq!(last, []),
                Version::V5 => {
                    let taken = Disconnect::new(ReasonCode::SessionTakenOver);
                    assert_eq!(last, [Packet::Disconnect(taken)]);
                }
            }
            net.say(&mut second, QoS::AtLeastOnce, "t", "m");
            assert_eq!(net.broker.clients.len(), 1);
        }
    }
}

#[test]
fn assigns_client_identifiers() {
    let mut net = Net::new(quiet());
    let (_, one) = net.connect(Version::V5, connect(Version::V5, "", true, 0));
    let (_, two) = net.connect(Version::V5, connect(Version::V5, "", true, 0));
    let (one, two) = (one.properties, two.properties);
    assert!(one.assigned_client_identifier().is_some());
    assert_ne!(
        one.assigned_client_identifier(),
        two.assigned_client_identifier()
    );
    let (_, old) = net.connect(Version::V311, connect(Version::V311, "", true, 0));
    assert_eq!(old.reason, ReasonCode::Success);
    let (mut bad, old) = net.connect(Version::V311, connect(Version::V311, "", false, 0));
    assert_eq!(old.reason, ReasonCode::ClientIdentifierNotValid);
    assert_eq!(net.last_words(&mut bad), []);
    assert_eq!(net.broker.clients.len(), 3);
}

/// The old connection is told, and what it did not read waits for the new one.
#[test]
fn takes_over_what_was_not_read() {
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let mut publisher = net.join(version, "publisher");
    let (mut first, _) = net.connect(version, lasting(version, "a"));
    net.subscribe(&mut first, "t", QoS::ExactlyOnce);
    for (qos, payload) in [(QoS::AtMostOnce, "0"), (QoS::ExactlyOnce, "2")] {
        net.say(&mut publisher, qos, "t", payload);
    }
    let (mut second, _) = net.connect(version, lasting(version, "a"));
    let taken = Disconnect::new(ReasonCode::SessionTakenOver);
    assert_eq!(net.last_words(&mut first), [Packet::Disconnect(taken)]);
    assert_eq!(net.messages(&mut second), ["t=2 q2"]);
}
