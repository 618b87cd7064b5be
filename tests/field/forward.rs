//! From one connection to another, of another version perhaps: A29.

use mqtt_sansio::connection::{Client, ConnectionError, Role, Server, server};
use mqtt_sansio::packet::{ConnAck, Will};
use mqtt_sansio::property::{
    ConnAckProperties, ConnectProperties, MessageProperties, Property, PublishProperties,
    SubscriptionId, TopicAlias,
};
use mqtt_sansio::{Message, Packet, QoS, ReasonCode, Shared, Side, Text, Version};

use core::time::Duration;

use crate::wire::*;

fn text(text: &str) -> Text<&[u8]> {
    Text::try_from(text).unwrap()
}

/// A server of 5.0 that takes topic aliases.
fn taking_aliases(door: Door) -> Wire<Server> {
    let end = server::Connection::new(Duration::ZERO, Duration::from_secs(1));
    let mut server = Wire::over(end, Side::Server, Version::V5, door);
    server.receive(connect(0, true));
    let mut connack = ConnAck::new(ReasonCode::Success);
    connack.properties = ConnAckProperties::builder().topic_alias_maximum(5).build();
    server
        .end
        .accept(Duration::ZERO, connack, &mut None)
        .unwrap();
    server.sent();
    server
}

/// A message as it comes: with DUP, an alias in place of its topic, expiry and a user property.
fn received(door: Door) -> (Message, mqtt_sansio::session::Token) {
    let mut server = taking_aliases(door);
    let alias = TopicAlias::new(3).unwrap();
    let mut publish = publish(1, 9, "plant/7");
    publish.retain = true;
    let properties = PublishProperties::builder().topic_alias(alias);
    publish.properties = properties.build();
    assert_eq!(server.receive(publish.clone()).len(), 1);
    let properties = PublishProperties::builder().topic_alias(alias);
    let properties = properties.message_expiry_interval(60);
    publish.properties = properties.user_property(text("k"), text("v")).build();
    (publish.topic, publish.dup) = (None, true);
    publish.delivery = mqtt_sansio::Delivery::AtLeastOnce(id(10));
    let got = server.receive(publish);
    let Got::Message(message, token) = &got[0] else {
        panic!("{got:?}");
    };
    (message.clone(), *token)
}

fn one_publish<R: Role, M: mqtt_sansio::Publishable>(
    wire: &mut Wire<R, M>,
) -> mqtt_sansio::packet::Publish {
    let packets = wire.packets();
    let [Packet::Publish(publish)] = &packets[..] else {
        panic!("{packets:?}");
    };
    publish.clone()
}

#[test]
fn a29_one_call_makes_what_may_be_sent() {
    fn check<R: Role>(mut wire: Wire<R>, message: &Message) {
        let refused = wire
            .end
            .publish(QoS::AtLeastOnce, message.clone())
            .unwrap_err();
        assert_eq!(refused.given, *message);
        if wire.version == Version::V5 {
            assert_eq!(refused.why, ConnectionError::NotForwarded);
        }
        let forwarded = message.forwarded_in(wire.version);
        wire.end.publish(QoS::ExactlyOnce, forwarded).unwrap();
        let publish = one_publish(&mut wire);
        assert_eq!(publish.topic.as_ref().unwrap().to_str(), "plant/7");
        assert_eq!(publish.payload, "plant/7");
        assert!(publish.retain && !publish.dup);
        let properties = &publish.properties;
        assert_eq!(properties.topic_alias(), None);
        match wire.version {
            Version::V311 => assert!(properties.is_empty()),
            Version::V5 => {
                assert_eq!(properties.message_expiry_interval(), Some(60));
                assert_eq!(properties.user_properties().count(), 1);
            }
        }
    }
    each(|version, door| {
        let (message, token) = received(door);
        assert!(token.dup());
        assert!(
            message
                .properties
                .iter()
                .any(|p| matches!(p, Property::TopicAlias(_))),
            "it stays readable"
        );
        check(client(version, door), &message);
        check(server(version, door), &message);
    });
}

#[test]
fn a29_identifiers_of_subscriptions_stay_behind() {
    for door in DOORS {
        let mut receiving = client(Version::V5, door);
        let mut publish = publish(0, 0, "in");
        let number = |n| SubscriptionId::new(n).unwrap();
        let properties = PublishProperties::builder();
        let properties = properties.subscription_identifier(number(3));
        publish.properties = properties.subscription_identifier(number(4)).build();
        let got = receiving.receive(publish);
        let Got::Message(message, _) = &got[0] else {
            panic!("{got:?}");
        };
        assert_eq!(message.properties.subscription_identifiers().count(), 2);
        for version in VERSIONS {
            let mut to = server(version, door);
            to.end
                .publish(QoS::AtMostOnce, message.forwarded_in(version))
                .unwrap();
            assert!(one_publish(&mut to).properties.is_empty());
            let mut to = client(version, door);
            to.end
                .publish(QoS::AtMostOnce, message.forwarded_in(version))
                .unwrap();
            assert!(one_publish(&mut to).properties.is_empty());
        }
    }
}

#[test]
fn a29_a_topic_is_rewritten_by_setting_it() {
    each(|version, door| {
        let (message, _) = received(door);
        let mut message = message.forwarded_in(version);
        message.topic = "bridge/plant/7".parse().unwrap();
        message.retain = false;
        let mut to: Wire<Client> = client(version, door);
        to.end.publish(QoS::AtLeastOnce, message).unwrap();
        assert_eq!(to.sent(), ["bridge/plant/7 1 1"]);
    });
}

#[test]
fn a29_one_message_for_subscribers_of_both_versions() {
    each(|version, door| {
        let (message, _) = received(door);
        let shared = Shared::new(message.forwarded());
        let mut to: Wire<Server, Shared> =
            server_with(version, door, connect(0, true), None, |end| end);
        let number = |n| SubscriptionId::new(n).unwrap();
        let one = shared.clone().with_ids([number(1)]).with_retain(false);
        let many = shared.clone().with_ids([number(2), number(3)]);
        to.end.publish(QoS::AtMostOnce, one).unwrap();
        let publish = one_publish(&mut to);
        assert!(!publish.retain);
        let ids = |publish: &mqtt_sansio::packet::Publish| {
            let ids = publish.properties.subscription_identifiers();
            ids.map(SubscriptionId::get).collect::<Vec<_>>()
        };
        let v5 = version == Version::V5;
        assert_eq!(ids(&publish), if v5 { vec![1] } else { vec![] });
        to.end.publish(QoS::AtLeastOnce, many).unwrap();
        let publish = one_publish(&mut to);
        assert!(publish.retain);
        assert_eq!(ids(&publish), if v5 { vec![2, 3] } else { vec![] });
        assert_eq!(
            publish.properties.user_properties().count(),
            usize::from(v5)
        );
    });
}

#[test]
fn a29_a_shared_message_of_a_delivery_is_refused_and_comes_back() {
    for door in DOORS {
        let (message, _) = received(door);
        let shared = Shared::new(message);
        let mut to: Wire<Server, Shared> =
            server_with(Version::V5, door, connect(0, true), None, |end| end);
        let refused = to.end.publish(QoS::AtMostOnce, shared.clone()).unwrap_err();
        assert_eq!(refused.why, ConnectionError::NotForwarded);
        assert_eq!(refused.given, shared);
    }
}

#[test]
fn a29_a_retained_message_expires_when_it_would_have() {
    for door in DOORS {
        let mut to: Wire<Server, Shared> =
            server_with(Version::V5, door, connect(0, true), None, |end| end);
        let mut message = Message::new("t".parse().unwrap(), "retained");
        message.properties = MessageProperties::builder()
            .message_expiry_interval(500)
            .build();
        let shared = Shared::new(message);
        to.at(401_000);
        let mut sent = |message: Shared| {
            to.end.publish(QoS::AtMostOnce, message).unwrap();
            one_publish(&mut to).properties.message_expiry_interval()
        };
        let received = |at| shared.clone().received_at(at);
        assert_eq!(sent(shared.clone()), Some(500));
        assert_eq!(sent(received(Duration::from_secs(1))), Some(100));
        assert_eq!(sent(received(Duration::MAX)), Some(u32::MAX));
        let lasting = Shared::new(Message::new("t".parse().unwrap(), "retained"));
        assert_eq!(sent(lasting.received_at(Duration::ZERO)), None);
    }
}

#[test]
fn a29_a_will_becomes_a_message() {
    each(|version, door| {
        let mut packet = connect(0, true);
        let mut will = Will::new("gone".parse().unwrap(), mqtt_sansio::Binary::default());
        will.retain = true;
        packet.will = Some(will);
        let mut from: Wire<Server> = server_with(version, door, packet, None, |end| end);
        from.cut();
        let will = from.end.take_will().unwrap();
        for version in VERSIONS {
            let mut to = server(version, door);
            let message = will.to_message().forwarded_in(version);
            to.end.publish(will.qos, message).unwrap();
            let publish = one_publish(&mut to);
            assert!(publish.retain);
            assert_eq!(publish.topic.unwrap().to_str(), "gone");
        }
    });
}

#[test]
fn a29_an_alias_of_this_side_is_its_own() {
    for door in DOORS {
        let mut packet = connect(0, true);
        packet.properties = ConnectProperties::builder().topic_alias_maximum(5).build();
        let (message, _) = received(door);
        let mut to: Wire<Server> = server_with(Version::V5, door, packet, None, |end| {
            end.automatic_aliases(2)
        });
        for expected in [Some("plant/7"), None] {
            to.end
                .publish(QoS::AtMostOnce, message.forwarded())
                .unwrap();
            let publish = one_publish(&mut to);
            assert_eq!(publish.topic.as_ref().map(|topic| topic.to_str()), expected);
            assert_eq!(publish.properties.topic_alias(), TopicAlias::new(1));
        }
    }
}
