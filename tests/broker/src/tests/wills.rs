use super::*;

/// A client with a will, and another that waits for it.
fn mourned(net: &mut Net, version: Version, expiry: u32, delay: u32) -> (Peer, Peer) {
    let mut watcher = net.join(version, "watcher");
    net.subscribe(&mut watcher, "w", QoS::AtMostOnce);
    (with_will(net, version, expiry, delay), watcher)
}

fn with_will(net: &mut Net, version: Version, expiry: u32, delay: u32) -> Peer {
    let mut connect = connect(version, "a", false, expiry);
    connect.will = Some(will("w", "gone", delay));
    net.connect(version, connect).0
}

#[test]
fn come_unless_the_client_says_goodbye() {
    for version in BOTH {
        let mut net = Net::new(quiet());
        let (a, mut watcher) = mourned(&mut net, version, 0, 0);
        net.leave(&a);
        assert_eq!(net.messages(&mut watcher), [""; 0]);

        let a = with_will(&mut net, version, 0, 0);
        net.cut(&a);
        assert_eq!(net.messages(&mut watcher), ["w=gone q0"]);

        // Silence for one and a half times keep alive, and bad bytes, are no goodbye either.
        let mut connect = connect(version, "a", true, 0);
        connect.will = Some(will("w", "silent", 0));
        connect.keep_alive = mqtt_sansio::packet::KeepAlive::from_secs(10);
        let (mut a, _) = net.connect(version, connect);
        net.wait(seconds(14));
        assert_eq!(net.messages(&mut watcher), [""; 0]);
        net.wait(seconds(1));
        assert_eq!(net.messages(&mut watcher), ["w=silent q0"]);
        let last = net.last_words(&mut a);
        assert_eq!(last.len(), usize::from(version == Version::V5));

        let a = with_will(&mut net, version, 0, 0);
        net.bytes(&a, b"\x00\x00");
        assert_eq!(net.messages(&mut watcher), ["w=gone q0"]);
    }
}

#[test]
fn come_with_disconnect_0x04() {
    let mut net = Net::new(quiet());
    let (a, mut watcher) = mourned(&mut net, Version::V5, 0, 0);
    let last = Disconnect::new(ReasonCode::DisconnectWithWillMessage);
    net.send(&a, last.to_owned());
    assert_eq!(net.messages(&mut watcher), ["w=gone q0"]);
}

#[test]
fn wait_for_their_delay_or_the_end_of_the_session() {
    for (expiry, delay, at) in [(100, 30, 30), (10, 30, 10), (0, 30, 0), (u32::MAX, 30, 30)] {
        let mut net = Net::new(quiet());
        let (a, mut watcher) = mourned(&mut net, Version::V5, expiry, delay);
        net.cut(&a);
        if at > 0 {
            net.wait(seconds(at - 1));
            assert_eq!(net.messages(&mut watcher), [""; 0]);
            net.wait(seconds(1));
        }
        assert_eq!(net.messages(&mut watcher), ["w=gone q0"]);
        net.wait(seconds(1_000));
        assert_eq!(net.messages(&mut watcher), [""; 0]);
    }
}

#[test]
fn are_called_off_by_a_new_connection() {
    let mut net = Net::new(quiet());
    let (a, mut watcher) = mourned(&mut net, Version::V5, 100, 30);
    net.cut(&a);
    net.wait(seconds(20));
    // Also if that one takes over.
    let _again = with_will(&mut net, Version::V5, 100, 30);
    let again = with_will(&mut net, Version::V5, 100, 30);
    net.wait(seconds(50));
    assert_eq!(net.messages(&mut watcher), [""; 0]);
    // A clean start ends the session, and with it the delay.
    net.cut(&again);
    net.join(Version::V5, "a");
    assert_eq!(net.messages(&mut watcher), ["w=gone q0"]);
}

#[test]
fn come_at_once_if_taken_over_without_delay() {
    for version in BOTH {
        let mut net = Net::new(quiet());
        let (_a, mut watcher) = mourned(&mut net, version, 100, 0);
        let _again = with_will(&mut net, version, 100, 0);
        assert_eq!(net.messages(&mut watcher), ["w=gone q0"]);
    }
}

#[test]
fn carry_their_properties_and_are_retained() {
    let mut net = Net::new(quiet());
    let mut connect = connect(Version::V5, "a", true, 50);
    let mut will = will("w", "gone", 5);
    will.retain = true;
    let builder = WillProperties::builder().user_property(text("b"), text("1"));
    let builder = builder.will_delay_interval(5).message_expiry_interval(9);
    let builder = builder.user_property(text("a"), text("2"));
    will.properties = builder.content_type(text("c")).build();
    connect.will = Some(will);
    let (a, _) = net.connect(Version::V5, connect);
    net.cut(&a);
    net.wait(seconds(7));
    let mut b = net.join(Version::V5, "b");
    net.subscribe(&mut b, "w", QoS::AtMostOnce);
    let packets = net.receive(&mut b);
    let [Packet::Publish(publish)] = &packets[..] else {
        panic!("{packets:?}");
    };
    assert_eq!(in_words(publish), "w=gone q0 retained for 7s");
    let names: Vec<_> = publish.properties.user_properties().collect();
    assert_eq!(names, [(text("b"), text("1")), (text("a"), text("2"))]);
    assert_eq!(publish.properties.content_type(), Some(text("c")));
}

/// A mosquitto bridge asks for one.
#[test]
fn a18_on_dollar_topics_connect_and_are_dropped() {
    for version in BOTH {
        for topic in ["$SYS/broker/connection/a/state", "$a"] {
            let mut net = Net::new(quiet());
            let mut watcher = net.join(version, "watcher");
            net.subscribe(&mut watcher, topic, QoS::AtMostOnce);
            let mut connect = connect(version, "a", true, 0);
            let mut will = will(topic, "0", 0);
            will.retain = true;
            connect.will = Some(will);
            let (a, connack) = net.connect(version, connect);
            assert_eq!(connack.reason, ReasonCode::Success);
            net.cut(&a);
            assert_eq!(net.messages(&mut watcher), [""; 0]);
            assert_eq!(net.broker.usage().retained, 0);
            assert_eq!(net.broker.stats.messages_dropped, 1);
        }
    }
}
