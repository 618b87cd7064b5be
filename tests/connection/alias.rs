//! Topic aliases, in both directions.

use mqtt_sansio::connection::{ConnectionError, Incoming, Violation, client};
use mqtt_sansio::packet::Publish;
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties, PublishProperties, TopicAlias};
use mqtt_sansio::{Delivery, Packet, QoS, ReasonCode, Side, Version};

use crate::driver::*;

fn alias(value: u16) -> TopicAlias {
    TopicAlias::new(value).unwrap()
}

/// What the peer sends.
fn aliased(topic: Option<&str>, value: u16) -> Packet {
    let mut publish = publish(Delivery::AtMostOnce, topic.unwrap_or("none"));
    publish.topic = topic.map(|topic| topic.parse().unwrap());
    publish.properties = PublishProperties::builder()
        .topic_alias(alias(value))
        .build();
    publish.into()
}

/// A client that takes `own` aliases at a server that takes `peer`.
fn client_with(own: u16, peer: u16, client: client::Connection) -> client::Connection {
    let mut client = client;
    let asked = ConnectProperties::builder()
        .topic_alias_maximum(own)
        .build();
    client.connect(Version::V5, connect(0, asked)).unwrap();
    assert!(client.poll_transmit(ZERO).is_some());
    let answer = ConnAckProperties::builder()
        .topic_alias_maximum(peer)
        .build();
    handle(&mut client, &Packet::ConnAck(connack(answer))).unwrap();
    while client.poll_event().is_some() {}
    client
}

/// What a client sends for messages with these topics: `topic=alias`, one empty.
fn sends(client: &mut client::Connection, topics: &[&str]) -> Vec<String> {
    for topic in topics {
        client.publish(QoS::AtMostOnce, message(topic)).unwrap();
    }
    let text = |packet: Packet| match packet {
        Packet::Publish(Publish {
            topic, properties, ..
        }) => {
            let topic = topic.map_or(String::new(), |topic| topic.to_string());
            match properties.topic_alias() {
                Some(alias) => format!("{topic}={alias}"),
                None => topic,
            }
        }
        other => panic!("{other:?}"),
    };
    sent(client).into_iter().map(text).collect()
}

/// [MQTT-3.3.2-10] [MQTT-3.3.2-12]: all up to the maximum are taken; above, and unknown ones, 0x94
/// and 0x82. [MQTT-3.3.2-9] [MQTT-3.3.2-11]
#[test]
fn inbound_maximum() {
    for (maximum, value, fails) in [
        (0, 1, true),
        (1, 1, false),
        (1, 2, true),
        (9, 9, false),
        (9, 10, true),
        (65_535, 65_535, false),
    ] {
        let mut client = client_with(maximum, 0, client::Connection::new());
        let answer = ConnAckProperties::builder()
            .topic_alias_maximum(maximum)
            .build();
        let mut server = accepted(Version::V5, connect(0, <_>::default()), connack(answer));
        let packet = aliased(Some("a/b"), value);
        let (down, up) = (handle(&mut client, &packet), handle(&mut server, &packet));
        if fails {
            assert_eq!(down, Err(Violation::TopicAliasTooLarge(Side::Server)));
            assert_eq!(up, Err(Violation::TopicAliasTooLarge(Side::Client)));
            let disconnect = Some((14, ReasonCode::TopicAliasInvalid));
            assert_eq!(last(&sent(&mut client)), disconnect);
            assert_eq!(last(&sent(&mut server)), disconnect);
            continue;
        }
        for found in [down, up] {
            assert_eq!(found.unwrap().message().0, "a/b");
        }
        let again = handle(&mut client, &aliased(None, value)).unwrap();
        assert_eq!(again.message().0, "a/b");
        // A new topic takes the place of the old one.
        let found = handle(&mut client, &aliased(Some("c"), value)).unwrap();
        assert_eq!(found.message().0, "c");
        let again = handle(&mut client, &aliased(None, value)).unwrap();
        assert_eq!(again.message().0, "c");
    }
}

/// [MQTT-3.3.2-7]: no alias outlives its connection.
#[test]
fn inbound_ends_with_the_connection() {
    let mut client = client_with(5, 0, client::Connection::new());
    handle(&mut client, &aliased(Some("a"), 1)).unwrap();
    client.handle_close();
    assert!(client.poll_event().is_some());
    let mut client = client_with(5, 0, client);
    let unknown = handle(&mut client, &aliased(None, 1));
    assert_eq!(unknown, Err(Violation::UnknownTopicAlias));
    assert_eq!(
        last(&sent(&mut client)),
        Some((14, ReasonCode::ProtocolError))
    );
}

/// [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.2.2-17] [MQTT-3.2.2-18]
#[test]
fn outbound_by_hand() {
    for maximum in [0, 1, 5] {
        let mut client = client_with(0, maximum, client::Connection::new());
        for value in [1, 5, 6, 65_535] {
            let assigned = client.assign_alias("t".parse().unwrap(), alias(value));
            match value <= maximum {
                true => assert_eq!(assigned, Ok(())),
                false => assert_eq!(assigned, Err(ConnectionError::TopicAlias)),
            }
        }
        if maximum == 5 {
            assert_eq!(sends(&mut client, &["t", "t", "u"]), ["t=5", "=5", "u"]);
            client.assign_alias("u".parse().unwrap(), alias(5)).unwrap();
            assert_eq!(sends(&mut client, &["t", "u", "u"]), ["t", "u=5", "=5"]);
        }
    }
    // No alias before the server has said how many it takes.
    let mut early = connecting(Version::V5, connect(0, <_>::default()));
    let assigned = early.assign_alias("t".parse().unwrap(), alias(1));
    assert_eq!(assigned, Err(ConnectionError::WrongState));
}

#[test]
fn outbound_reuses_the_least_recent() {
    let automatic = |aliases| client::Connection::new().automatic_aliases(aliases);
    let mut client = client_with(0, 9, automatic(2));
    let topics = ["a", "b", "a", "b", "a", "c", "a", "b", "b"];
    let expected = ["a=1", "b=2", "=1", "=2", "=1", "c=2", "=1", "b=2", "=2"];
    assert_eq!(sends(&mut client, &topics), expected);
    let mut client = client_with(0, 1, automatic(9));
    assert_eq!(
        sends(&mut client, &["a", "a", "b", "a"]),
        ["a=1", "=1", "b=1", "a=1"]
    );
    let mut client = client_with(0, 0, automatic(9));
    assert_eq!(sends(&mut client, &["a", "a"]), ["a", "a"]);
}

/// What is sent again has its topic, whatever stood for it on the old connection.
#[test]
fn resent_with_its_topic() {
    let mut client = client::Connection::new().automatic_aliases(4);
    let expiry = |limit| {
        ConnAckProperties::builder()
            .topic_alias_maximum(limit)
            .session_expiry_interval(100)
            .build()
    };
    client
        .connect(Version::V5, connect(0, <_>::default()))
        .unwrap();
    assert!(client.poll_transmit(ZERO).is_some());
    handle(&mut client, &Packet::ConnAck(connack(expiry(4)))).unwrap();
    client.publish(QoS::AtLeastOnce, message("a")).unwrap();
    client.publish(QoS::AtLeastOnce, message("a")).unwrap();
    let topics = |packets: Vec<Packet>| -> Vec<_> {
        let publish = |packet| match packet {
            Packet::Publish(publish) => (publish.topic.is_some(), publish.dup),
            other => panic!("{other:?}"),
        };
        packets.into_iter().map(publish).collect()
    };
    assert_eq!(topics(sent(&mut client)), [(true, false), (false, false)]);
    client.handle_close();
    let mut again = connect(0, <_>::default());
    again.clean_start = false;
    client.connect(Version::V5, again).unwrap();
    assert!(client.poll_transmit(ZERO).is_some());
    let mut answer = connack(expiry(0));
    answer.session_present = true;
    handle(&mut client, &Packet::ConnAck(answer)).unwrap();
    assert_eq!(topics(sent(&mut client)), [(true, true), (true, true)]);
}

/// Aliases belong to a connection: a message that came with one cannot be passed on with it.
#[test]
fn messages_carry_none() {
    for version in BOTH {
        let mut receiver = client_with(1, 0, client::Connection::new());
        let packet = aliased(Some("a"), 1);
        let incoming = receiver.handle_packet(ZERO, Version::V5, &packet);
        let Ok(Some(Incoming::Message(message, _))) = incoming else {
            panic!()
        };
        let message = message.to_owned();
        for qos in [QoS::AtMostOnce, QoS::ExactlyOnce] {
            let refused = server(version).publish(qos, message.clone()).unwrap_err();
            assert_eq!(refused.why, ConnectionError::NotForwarded);
            assert_eq!(refused.given, message);
            let refused = client(version).publish(qos, message.clone()).unwrap_err();
            assert_eq!(refused.why, ConnectionError::NotForwarded);
            assert_eq!(refused.given, message);
        }
        let forwarded = message.forwarded_in(version);
        server(version).publish(QoS::AtMostOnce, forwarded).unwrap();
    }
}

/// Aliases are assigned by the caller or automatically, not both.
#[test]
fn none_by_hand_where_they_are_automatic() {
    let mut client = client_with(0, 9, client::Connection::new().automatic_aliases(2));
    let assigned = client.assign_alias("t".parse().unwrap(), alias(3));
    assert_eq!(assigned, Err(ConnectionError::TopicAlias));
    assert_eq!(sends(&mut client, &["t"]), ["t=1"]);
}

/// [MQTT-3.2.2-15]: an alias that makes a packet too large is not assigned, and one that makes it
/// small enough is used.
#[test]
fn automatic_alias_that_does_not_fit() {
    // 2 + 2 + 1 + 1 + 7 bytes, and 3 for an alias.
    for (limit, expected) in [(15, ["t", "t"]), (16, ["t=1", "=1"])] {
        let mut client = client::Connection::new().automatic_aliases(4);
        client
            .connect(Version::V5, connect(0, <_>::default()))
            .unwrap();
        assert_eq!(sent(&mut client).len(), 1);
        let answer = ConnAckProperties::builder()
            .topic_alias_maximum(4)
            .maximum_packet_size(std::num::NonZeroU32::new(limit).unwrap());
        let packet = Packet::ConnAck(connack(answer.build()));
        handle(&mut client, &packet).unwrap();
        let _ = events(&mut client);
        assert_eq!(sends(&mut client, &["t", "t"]), expected);
    }
    // A larger message with an alias that the server knows: the topic does not count.
    let mut client = client::Connection::new().automatic_aliases(4);
    client
        .connect(Version::V5, connect(0, <_>::default()))
        .unwrap();
    assert_eq!(sent(&mut client).len(), 1);
    let answer = ConnAckProperties::builder()
        .topic_alias_maximum(4)
        .maximum_packet_size(std::num::NonZeroU32::new(20).unwrap());
    handle(&mut client, &Packet::ConnAck(connack(answer.build()))).unwrap();
    assert_eq!(sends(&mut client, &["topic"]), ["topic=1"]);
    let mut large = message("topic");
    large.payload = vec![0; 10].into();
    client.publish(QoS::AtMostOnce, large).unwrap();
    assert_eq!(sends(&mut client, &[]), ["=1"]);
}
