//! What a call refuses it gives back: A26.

use core::num::NonZeroU32;
use core::time::Duration;

use mqtt_sansio::connection::{Client, ConnectionError, Role, client, server};
use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::property::{ConnAckProperties, MaximumQoS, PublishProperties, TopicAlias};
use mqtt_sansio::session::Session;
use mqtt_sansio::{EncodeError, Message, QoS, ReasonCode, Side, Version};

use crate::wire::*;

/// A message that fits nowhere else: its payload is compared.
fn precious() -> Message {
    let mut message = message("precious");
    message.retain = true;
    message
}

fn refuses<R: Role>(wire: &mut Wire<R>, qos: QoS, message: &Message, why: ConnectionError) {
    let before = (wire.end.session().packet_ids_in_use(), wire.events().len());
    let refused = wire.end.publish(qos, message.clone()).unwrap_err();
    assert_eq!(refused.why, why);
    assert_eq!(refused.given, *message);
    let after = (wire.end.session().packet_ids_in_use(), wire.events().len());
    assert_eq!((before.0, 0), after, "nothing has changed");
}

#[test]
fn a26_a_full_queue_gives_the_message_back() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        wire.end = wire.end.clone().max_queued(3);
        for qos in [0, 1, 2] {
            let qos = QoS::new(qos).unwrap();
            wire.end.publish(qos, message("m")).unwrap();
        }
        for qos in [0, 1, 2] {
            let qos = QoS::new(qos).unwrap();
            refuses(&mut wire, qos, &precious(), ConnectionError::QueueFull);
        }
        assert_eq!(wire.sent(), ["m", "m 1 1", "m 2 2"]);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a26_qos_0_without_a_connection() {
    const WRONG: ConnectionError = ConnectionError::WrongState;
    each(|version, door| {
        let mut new = Wire::over(client::Connection::new(), Side::Client, version, door);
        refuses(&mut new, QoS::AtMostOnce, &precious(), WRONG);
        assert!(new.end.publish(QoS::AtLeastOnce, precious()).is_ok());
        let mut client = client(version, door);
        client.cut();
        refuses(&mut client, QoS::AtMostOnce, &precious(), WRONG);
        assert!(client.end.publish(QoS::ExactlyOnce, precious()).is_ok());
        // A server before it accepts, and after the end.
        let end = server::Connection::new(Duration::ZERO, Duration::from_secs(1));
        let mut new = Wire::over(end, Side::Server, version, door);
        let mut server = server(version, door);
        server.cut();
        for qos in [0, 1, 2] {
            let qos = QoS::new(qos).unwrap();
            refuses(&mut new, qos, &precious(), WRONG);
            refuses(&mut server, qos, &precious(), WRONG);
        }
        new.receive(connect(0, true));
        refuses(&mut new, QoS::AtLeastOnce, &precious(), WRONG);
    });
}

#[test]
fn a26_what_the_peer_does_not_take() {
    for door in DOORS {
        let mut connack = accepting(false);
        let properties = ConnAckProperties::builder().maximum_qos(MaximumQoS::AtMostOnce);
        let properties = properties.retain_available(false);
        let size = NonZeroU32::new(40).unwrap();
        connack.properties = properties.maximum_packet_size(size).build();
        let end = client::Connection::new();
        let mut client = client_with(Version::V5, door, connect(0, true), end, connack);
        let not = ConnectionError::NotSupported;
        let (qos, retain) = (ReasonCode::QoSNotSupported, ReasonCode::RetainNotSupported);
        refuses(&mut client, QoS::AtLeastOnce, &message("m"), not(qos));
        refuses(&mut client, QoS::AtMostOnce, &precious(), not(retain));
        let mut large = message("large");
        large.payload = vec![7; 40].into();
        refuses(
            &mut client,
            QoS::AtMostOnce,
            &large,
            ConnectionError::PacketTooLarge,
        );
        // SUBSCRIBE and UNSUBSCRIBE.
        let filter = "a/filter/that/is/longer/than/forty/bytes/are";
        let refused = client.end.subscribe(filters(filter)).unwrap_err();
        assert_eq!(refused.why, ConnectionError::PacketTooLarge);
        assert_eq!(refused.given, filters(filter));
        let refused = client.end.unsubscribe(names(filter)).unwrap_err();
        assert_eq!(refused.why, ConnectionError::PacketTooLarge);
        assert_eq!(refused.given, names(filter));
    }
}

#[test]
fn a26_what_this_version_cannot_say() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let mut expiring = expiring("m", 5);
        expiring.retain = true;
        for qos in [0, 1, 2] {
            let qos = QoS::new(qos).unwrap();
            let refused = wire.end.publish(qos, expiring.clone()).unwrap_err();
            let why = refused.why;
            assert!(matches!(
                why,
                ConnectionError::Encode(EncodeError::NotInVersion { .. })
            ));
            assert_eq!(refused.given, expiring);
        }
        assert!(wire.sent().is_empty());
    }
    for door in DOORS {
        check(client(Version::V311, door));
        check(server(Version::V311, door));
    }
}

#[test]
fn a26_a_message_of_another_delivery() {
    fn check<R: Role>(mut wire: Wire<R>, received: &Message) {
        let why = ConnectionError::NotForwarded;
        refuses(&mut wire, QoS::AtLeastOnce, received, why);
        assert!(
            wire.end
                .publish(QoS::AtLeastOnce, received.forwarded())
                .is_ok()
        );
    }
    for door in DOORS {
        let mut publish = publish(0, 0, "in");
        let id = mqtt_sansio::property::SubscriptionId::new(3).unwrap();
        publish.properties = PublishProperties::builder()
            .subscription_identifier(id)
            .build();
        let mut receiving = client(Version::V5, door);
        let got = receiving.receive(publish);
        let Got::Message(received, _) = &got[0] else {
            panic!("{got:?}");
        };
        check(client(Version::V5, door), received);
        check(server(Version::V5, door), received);
    }
}

#[test]
fn a26_requests_come_back_too() {
    each(|version, door| {
        let mut client = client(version, door);
        client.end = client.end.clone().max_queued(1);
        client.end.subscribe(filters("a")).unwrap();
        let refused = client.end.subscribe(filters("b")).unwrap_err();
        assert_eq!(refused.why, ConnectionError::QueueFull);
        assert_eq!(refused.given, filters("b"));
        let refused = client.end.unsubscribe(names("c")).unwrap_err();
        assert_eq!(refused.why, ConnectionError::QueueFull);
        assert_eq!(refused.given, names("c"));
        assert_eq!(client.sent(), ["SUBSCRIBE 1"]);
        // Sent is not answered.
        assert!(client.end.subscribe(filters("b")).is_err());
    });
    for door in DOORS {
        let mut connack = accepting(false);
        let properties = ConnAckProperties::builder();
        let properties = properties.wildcard_subscription_available(false);
        let properties = properties.shared_subscription_available(false);
        connack.properties = properties.build();
        let end = client::Connection::new();
        let mut client: Wire<Client> =
            client_with(Version::V5, door, connect(0, true), end, connack);
        for (filter, code) in [
            ("a/#", ReasonCode::WildcardSubscriptionsNotSupported),
            ("$share/g/a", ReasonCode::SharedSubscriptionsNotSupported),
        ] {
            let refused = client.end.subscribe(filters(filter)).unwrap_err();
            assert_eq!(refused.why, ConnectionError::NotSupported(code));
            assert_eq!(refused.given, filters(filter));
        }
        assert!(client.sent().is_empty());
    }
}

#[test]
fn a26_accept_keeps_the_session_that_it_does_not_take() {
    for version in VERSIONS {
        let mut session = Session::new();
        session.publish(QoS::AtLeastOnce, message("m")).unwrap();
        let mut session = Some(session);
        let kept =
            |session: &Option<Session<Message>>| session.as_ref().unwrap().messages().count();
        let now = Duration::ZERO;
        let ok = || ConnAck::new(ReasonCode::Success);
        let mut end = server::Connection::new(now, Duration::from_secs(1));
        assert_eq!(
            end.accept(now, ok(), &mut session),
            Err(ConnectionError::WrongState)
        );
        assert_eq!(kept(&session), 1);
        let mut server = Wire::over(end, Side::Server, version, Door::Packets);
        let mut packet = connect(0, true);
        if version == Version::V5 {
            let properties = mqtt_sansio::property::ConnectProperties::builder();
            let size = NonZeroU32::new(4).unwrap();
            packet.properties = properties.maximum_packet_size(size).build();
        }
        server.receive(packet);
        let refused = server
            .end
            .accept(now, ConnAck::new(ReasonCode::Banned), &mut session);
        assert_eq!(refused, Err(ConnectionError::InvalidReasonCode));
        assert_eq!(kept(&session), 1);
        if version == Version::V5 {
            let refused = server.end.accept(now, ok(), &mut session);
            assert_eq!(refused, Err(ConnectionError::PacketTooLarge));
            assert_eq!(kept(&session), 1);
            continue;
        }
        server.end.accept(now, ok(), &mut session).unwrap();
        assert!(session.is_none());
        let again = server.end.accept(now, ok(), &mut None);
        assert_eq!(again, Err(ConnectionError::WrongState));
        assert_eq!(server.sent(), ["CONNACK Success", "m 1 1"]);
    }
}

#[test]
fn a26_a_call_that_is_refused_changes_nothing() {
    each(|version, door| {
        let mut client = client(version, door);
        let alias = TopicAlias::new(1).unwrap();
        let topic = "t".parse().unwrap();
        let refused = client.end.assign_alias(topic, alias);
        assert_eq!(refused, Err(ConnectionError::TopicAlias));
        let mut last = normal();
        last.reason = ReasonCode::ServerBusy;
        let refused = client.end.disconnect(last);
        assert_eq!(refused, Err(ConnectionError::InvalidReasonCode));
        assert!(client.end.is_connected());
        assert!(client.sent().is_empty() && client.events().is_empty());
    });
}
