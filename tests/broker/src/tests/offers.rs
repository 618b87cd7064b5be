use std::num::{NonZeroU16, NonZeroU32};

use mqtt_sansio::packet::KeepAlive;
use mqtt_sansio::property::MaximumQoS;

use super::*;

#[test]
fn receive_maximum_of_the_client() {
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let mut connect = connect(version, "a", true, 0);
    let maximum = NonZeroU16::new(2).unwrap();
    connect.properties = ConnectProperties::builder()
        .receive_maximum(maximum)
        .build();
    let (mut a, _) = net.connect(version, connect);
    let mut b = net.join(version, "b");
    net.subscribe(&mut a, "t", QoS::ExactlyOnce);
    for payload in ["1", "2", "3", "4"] {
        net.say(&mut b, QoS::ExactlyOnce, "t", payload);
    }
    net.say(&mut b, QoS::AtMostOnce, "t", "not counted");
    let first: Vec<_> = net
        .receive(&mut a)
        .iter()
        .map(Packet::packet_type)
        .collect();
    assert_eq!(first.len(), 3);
    net.send(&a, Packet::PubRec(Ack::new(id(1))));
    assert!(matches!(net.receive(&mut a)[..], [Packet::PubRel(_)]));
    net.send(&a, Packet::PubComp(Ack::new(id(1))));
    assert!(matches!(&net.receive(&mut a)[..], [Packet::Publish(p)] if in_words(p) == "t=3 q2"));
}

#[test]
fn receive_maximum_of_the_broker() {
    let mut config = quiet();
    config.receive_maximum = NonZeroU16::new(1).unwrap();
    let mut net = Net::new(config);
    let (mut a, connack) = net.connect(Version::V5, connect(Version::V5, "a", true, 0));
    assert_eq!(connack.properties.receive_maximum(), NonZeroU16::new(1));
    net.send(&a, message(QoS::ExactlyOnce, 1, "t", "m"));
    assert!(matches!(net.receive(&mut a)[..], [Packet::PubRec(_)]));
    net.send(&a, message(QoS::ExactlyOnce, 2, "t", "m"));
    // Before: PUBREC with 0x10 does not end the exchange.
    let last = Disconnect::new(ReasonCode::ReceiveMaximumExceeded);
    assert_eq!(net.last_words(&mut a), [Packet::Disconnect(last)]);
}

#[test]
fn drops_what_is_too_large_for_a_client() {
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let mut connect = connect(version, "a", true, 0);
    let builder = ConnectProperties::builder();
    let builder = builder.maximum_packet_size(NonZeroU32::new(50).unwrap());
    connect.properties = builder.build();
    let (mut a, _) = net.connect(version, connect);
    let mut b = net.join(version, "b");
    net.subscribe(&mut a, "t", QoS::AtLeastOnce);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        net.say(&mut b, qos, "t", &"x".repeat(50));
        net.say(&mut b, qos, "t", "small");
    }
    assert_eq!(net.messages(&mut a), ["t=small q0", "t=small q1"]);
}

#[test]
fn refuses_packets_above_its_own_maximum() {
    let mut config = quiet();
    config.maximum_packet_size = NonZeroU32::new(100).unwrap();
    let mut net = Net::new(config);
    for version in BOTH {
        let (mut a, connack) = net.connect(version, connect(version, "a", true, 0));
        let announced = connack
            .properties
            .maximum_packet_size()
            .map(NonZeroU32::get);
        assert_eq!(announced, (version == Version::V5).then_some(100));
        // The length alone is enough.
        net.bytes(&a, b"\x30\xFF\x7F");
        let last = Disconnect::new(ReasonCode::PacketTooLarge);
        match version {
            Version::V311 => assert_eq!(net.last_words(&mut a), []),
            Version::V5 => assert_eq!(net.last_words(&mut a), [Packet::Disconnect(last)]),
        }
    }
}

#[test]
fn topic_aliases_both_ways() {
    use mqtt_sansio::property::TopicAlias;
    let mut net = Net::new(quiet());
    let version = Version::V5;
    let mut taking = connect(version, "a", true, 0);
    taking.properties = ConnectProperties::builder().topic_alias_maximum(1).build();
    let (mut a, connack) = net.connect(version, taking);
    assert_eq!(connack.properties.topic_alias_maximum(), Some(16));
    let mut b = net.join(version, "b");
    net.subscribe(&mut a, "t", QoS::AtMostOnce);
    net.subscribe(&mut b, "t", QoS::AtMostOnce);
    let alias = |publish: Publish, alias| {
        let mut publish = publish;
        let builder = PublishProperties::builder();
        publish.properties = builder.topic_alias(TopicAlias::new(alias).unwrap()).build();
        publish
    };
    let mut first = alias(message(QoS::AtMostOnce, 0, "t", "m"), 16);
    net.send(&b, first.clone());
    first.topic = None;
    net.send(&b, first);
    assert_eq!(net.messages(&mut b), ["t=m q0", "t=m q0"]);
    // The second one has the alias alone.
    assert_eq!(net.messages(&mut a), ["t=m q0", "=m q0"]);
    net.send(&b, alias(message(QoS::AtMostOnce, 0, "t", "m"), 17));
    let last = Disconnect::new(ReasonCode::TopicAliasInvalid);
    assert_eq!(net.last_words(&mut b), [Packet::Disconnect(last)]);
}

#[test]
fn keep_alive_of_the_broker() {
    let mut config = quiet();
    config.max_keep_alive = 20;
    let mut net = Net::new(config);
    for (asked, announced) in [(0, Some(20)), (60, Some(20)), (10, None)] {
        let mut connect = connect(Version::V5, "a", true, 0);
        connect.keep_alive = KeepAlive::from_secs(asked);
        let (mut a, connack) = net.connect(Version::V5, connect);
        assert_eq!(connack.properties.server_keep_alive(), announced);
        let held = if announced.is_some() { 30 } else { 15 };
        net.wait(seconds(held - 1));
        net.send(&a, Packet::PingReq);
        assert_eq!(net.receive(&mut a), [Packet::PingResp]);
        net.wait(seconds(held - 1));
        assert!(!net.broker.is_closing(a.id));
        net.wait(seconds(1));
        let last = Disconnect::new(ReasonCode::KeepAliveTimeout);
        assert_eq!(net.last_words(&mut a), [Packet::Disconnect(last)]);
    }
}

/// 3.1.1 has no Server Keep Alive: the client's own is held against it, and no other.
#[test]
fn keep_alive_of_the_client() {
    let mut config = quiet();
    config.max_keep_alive = 20;
    let mut net = Net::new(config);
    for (asked, held) in [(10, Some(15)), (60, Some(90)), (0, None)] {
        let mut connect = lasting(Version::V311, "a");
        connect.keep_alive = KeepAlive::from_secs(asked);
        let (mut a, _) = net.connect(Version::V311, connect);
        net.wait(seconds(held.unwrap_or(100_000) - 1));
        net.send(&a, Packet::PingReq);
        assert_eq!(net.receive(&mut a), [Packet::PingResp]);
        net.wait(seconds(held.unwrap_or(100_000) - 1));
        assert!(!net.broker.is_closing(a.id));
        net.wait(seconds(1));
        match held {
            Some(_) => assert_eq!(net.last_words(&mut a), []),
            None => assert!(!net.broker.is_closing(a.id)),
        }
    }
}

/// It may be over before CONNECT would have had to be there. It is not moved for each packet.
#[test]
fn the_timer_of_a_connection() {
    let mut net = Net::new(quiet());
    let mut connect = lasting(Version::V5, "a");
    connect.keep_alive = KeepAlive::from_secs(2);
    let (a, _) = net.connect(Version::V5, connect);
    net.wait(seconds(1));
    net.send(&a, Packet::PingReq);
    assert_eq!(net.broker.next_timeout(), Some(seconds(3)));
    net.wait(seconds(2));
    assert_eq!(net.broker.next_timeout(), Some(seconds(4)));
    net.wait(seconds(1));
    assert!(net.broker.is_closing(a.id));
}

/// A client that takes no CONNACK of the size that there is keeps its session, and its connection.
#[test]
fn refuses_who_takes_no_conn_ack() {
    let mut net = Net::new(quiet());
    let (mut a, _) = net.connect(Version::V5, lasting(Version::V5, "a"));
    net.subscribe(&mut a, "t", QoS::AtLeastOnce);
    for (most, told) in [(5, true), (4, false)] {
        let mut small = lasting(Version::V5, "a");
        let builder = small.properties.to_builder();
        let most = NonZeroU32::new(most).unwrap();
        small.properties = builder.maximum_packet_size(most).build();
        let mut refused = net.open(Version::V5);
        net.send(&refused, small);
        let connack = ConnAck::new(ReasonCode::PacketTooLarge);
        let expected = told.then_some(Packet::ConnAck(connack));
        assert_eq!(net.last_words(&mut refused), Vec::from_iter(expected));
    }
    assert!(!net.broker.is_closing(a.id));
    net.say(&mut a, QoS::AtLeastOnce, "t", "m");
    net.cut(&a);
    let (mut a, connack) = net.connect(Version::V5, lasting(Version::V5, "a"));
    assert!(connack.session_present);
    assert_eq!(net.messages(&mut a), ["t=m q1 dup"]);
}

#[test]
fn maximum_qos() {
    let mut config = quiet();
    config.maximum_qos = QoS::AtLeastOnce;
    let mut net = Net::new(config);
    for version in BOTH {
        let (mut a, connack) = net.connect(version, connect(version, "a", true, 0));
        let announced = connack.properties.maximum_qos();
        assert_eq!(
            announced,
            (version == Version::V5).then_some(MaximumQoS::AtLeastOnce)
        );
        // Granted less, not refused [MQTT-3.2.2-10].
        let codes = net.subscribe_with(&mut a, "t", options(QoS::ExactlyOnce), None);
        assert_eq!(codes, [ReasonCode::GrantedQoS1]);
        net.send(&a, message(QoS::ExactlyOnce, 1, "t", "m"));
        let last = net.last_words(&mut a);
        if version == Version::V5 {
            let why = Disconnect::new(ReasonCode::QoSNotSupported);
            assert_eq!(last, [Packet::Disconnect(why)]);
        }
    }
    let mut with_will = connect(Version::V5, "a", true, 0);
    with_will.will = Some(will("t", "gone", 0));
    with_will.will.as_mut().unwrap().qos = QoS::ExactlyOnce;
    let (_, connack) = net.connect(Version::V5, with_will);
    assert_eq!(connack.reason, ReasonCode::QoSNotSupported);
}
