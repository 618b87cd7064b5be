//! What CONNECT and CONNACK agree, and how a connection and its session end.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use mqtt_sansio::connection::{Closed, ConnectionError, Event, Input, Violation, client, server};
use mqtt_sansio::packet::{
    Auth, ConnAck, Connect, Disconnect, ReasonCodes, SubAck, Subscribe, SubscriptionOptions,
    Subscriptions, TopicFilters, Unsubscribe, Will,
};
use mqtt_sansio::property::{
    AckProperties, AuthProperties, ConnAckProperties, ConnectProperties, DisconnectProperties,
    MaximumQoS, SubscribeProperties, SubscriptionId, UnsubscribeProperties,
};
use mqtt_sansio::session::{Receipt, Session, SessionError};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Binary, Delivery, Packet, QoS, ReasonCode, Text, Version};

use crate::driver::*;

fn subscriptions(filter: &str) -> Subscriptions {
    let options = SubscriptionOptions::new(QoS::ExactlyOnce);
    Subscriptions::new([(TopicFilter::new(filter).unwrap(), options)]).unwrap()
}

fn disconnect(reason: ReasonCode) -> Disconnect {
    Disconnect::new(reason).to_owned()
}

fn leaves(reason: ReasonCode, session_expiry: Option<u32>) -> Packet {
    let mut last = disconnect(reason);
    if let Some(seconds) = session_expiry {
        let builder = DisconnectProperties::builder();
        last.properties = builder.session_expiry_interval(seconds).build();
    }
    last.into()
}

/// 3.1.1 [MQTT-3.1.2-2]: a server that does not know 5.0 says so as 3.1.1 does.
#[test]
fn refused_by_a_server_of_3_1_1() {
    let error = |bytes: &[u8]| Packet::decode(Version::V5, bytes).unwrap_err();
    let mut client = connecting(Version::V5, connect(0, <_>::default()));
    client.handle_decode_error(error(b"\x20\x02\0\x01"));
    let refused = Closed::Refused(ReasonCode::UnsupportedProtocolVersion);
    assert_eq!(closed(client.poll_event()), Some(refused));
    assert_eq!(sent(&mut client), []);
    assert!(client.is_closed());

    // The other codes of 3.1.1 are no answer to 5.0, and no answer is due to one who did not ask.
    let broken = Closed::Violated(ReasonCode::ProtocolError);
    let mut client = connecting(Version::V5, connect(0, <_>::default()));
    client.handle_decode_error(error(b"\x20\x02\0\x02"));
    assert_eq!(closed(client.poll_event()), Some(broken));
    let accepted = connack(<_>::default());
    let mut client = connected(Version::V5, connect(0, <_>::default()), accepted);
    client.handle_decode_error(error(b"\x20\x02\0\x01"));
    assert_eq!(closed(client.poll_event()), Some(broken));
}

/// [MQTT-3.2.2-7]; 3.1.1 [MQTT-3.2.2-5]: nothing follows a refusal.
#[test]
fn refused() {
    for (version, reason, sends) in [
        (Version::V5, ReasonCode::Banned, true),
        (Version::V311, ReasonCode::NotAuthorized, true),
        (Version::V311, ReasonCode::Banned, false),
    ] {
        let mut server = asked(version, connect(0, <_>::default()));
        let refusal = ConnAck::new(reason).to_owned();
        assert!(server.accept(ZERO, refusal.clone(), None).is_err());
        assert!(server.refuse(connack(<_>::default())).is_err());
        server.refuse(refusal.clone()).unwrap();
        assert_eq!(last(&answered(&mut server)), sends.then_some((2, reason)));
        assert!(server.is_closed());
        assert_eq!(
            server.refuse(refusal.clone()),
            Err(ConnectionError::WrongState)
        );
        assert_eq!(server.take_session().map(|_| ()), None);
        if sends {
            let mut client = connecting(version, connect(0, <_>::default()));
            let _ = client.handle_packet(&Packet::ConnAck(refusal)).unwrap();
            assert_eq!(closed(client.poll_event()), Some(Closed::Refused(reason)));
            assert_eq!(sent(&mut client), []);
            assert!(client.is_closed());
        }
    }
    // 3.1.1 [MQTT-3.1.3-8] [MQTT-3.1.3-9]: a session needs a name.
    let mut nameless = Connect::new("".parse().unwrap());
    nameless.clean_start = false;
    for (version, expected) in [
        (
            Version::V311,
            Some((2, ReasonCode::ClientIdentifierNotValid)),
        ),
        (Version::V5, None),
    ] {
        let mut server = server::Connection::new(ZERO, secs(1));
        let judged = server.handle_packet(ZERO, version, &Packet::from(nameless.clone()));
        assert_eq!(judged.is_err(), expected.is_some());
        assert_eq!(last(&answered(&mut server)), expected);
    }
}

/// What the server excludes is refused here, before an identifier is taken [MQTT-3.2.2-11]
/// [MQTT-3.2.2-14] [MQTT-3.2.2-15].
#[test]
fn client_keeps_to_the_limits() {
    let properties = ConnAckProperties::builder()
        .maximum_qos(MaximumQoS::AtLeastOnce)
        .retain_available(false)
        .maximum_packet_size(NonZeroU32::new(30).unwrap())
        .wildcard_subscription_available(false)
        .subscription_identifier_available(false)
        .shared_subscription_available(false)
        .receive_maximum(NonZeroU16::new(2).unwrap())
        .build();
    let mut client = connected(Version::V5, connect(0, <_>::default()), connack(properties));
    let refused = |reason| Err(ConnectionError::NotSupported(reason));
    let unrequested = |reason| Err(ConnectionError::NotSupported(reason));
    let found = client.publish(QoS::ExactlyOnce, message("t"));
    assert_eq!(found, refused(ReasonCode::QoSNotSupported));
    let mut retained = message("t");
    retained.retain = true;
    let found = client.publish(QoS::AtMostOnce, retained);
    assert_eq!(found, refused(ReasonCode::RetainNotSupported));
    let mut large = message("t");
    large.payload = Bytes::from_static(&[0; 23]);
    let found = client.publish(QoS::AtLeastOnce, large.clone());
    assert_eq!(found, Err(ConnectionError::PacketTooLarge));
    // Two bytes shorter without an identifier.
    assert_eq!(client.publish(QoS::AtMostOnce, large), Ok(None));
    for (filter, reason) in [
        ("a/+", ReasonCode::WildcardSubscriptionsNotSupported),
        ("$share/g/a", ReasonCode::SharedSubscriptionsNotSupported),
    ] {
        let found = client.subscribe(subscriptions(filter), <_>::default());
        assert_eq!(found, unrequested(reason));
    }
    let identified = SubscribeProperties::builder()
        .subscription_identifier(SubscriptionId::new(1).unwrap())
        .build();
    let found = client.subscribe(subscriptions("a"), identified);
    assert_eq!(
        found,
        unrequested(ReasonCode::SubscriptionIdentifiersNotSupported)
    );
    let long = "long/".repeat(6);
    let found = client.subscribe(subscriptions(&long), <_>::default());
    assert_eq!(found, Err(ConnectionError::PacketTooLarge));
    let filters = TopicFilters::new([TopicFilter::new(&long).unwrap()]).unwrap();
    let found = client.unsubscribe(filters, UnsubscribeProperties::default());
    assert_eq!(found, Err(ConnectionError::PacketTooLarge));
    assert!(client.session().is_empty());
    assert_eq!(client.session().next_packet_id(), Some(id(1)));
    assert_eq!(sent(&mut client).len(), 1);

    // [MQTT-3.3.4-7] [MQTT-4.9.0-1] [MQTT-4.9.0-2], and all else goes on [MQTT-3.3.4-8]
    // [MQTT-4.9.0-3].
    for _ in 0..4 {
        client.publish(QoS::AtLeastOnce, message("t")).unwrap();
    }
    client.publish(QoS::AtMostOnce, message("t")).unwrap();
    let request = client
        .subscribe(subscriptions("a"), <_>::default())
        .unwrap();
    assert_eq!(sent(&mut client).len(), 4);
    assert_eq!(client.session().send_quota(), 0);
    let ack = |value| Packet::PubAck(mqtt_sansio::packet::Ack::new(id(value)));
    let _ = client.handle_packet(&ack(1)).unwrap();
    assert_eq!(client.poll_event(), Some(Event::Completed(id(1), OK)));
    assert_eq!(sent(&mut client).len(), 1);
    // [MQTT-2.2.1-3] [MQTT-2.2.1-6]: SUBACK with the identifier of SUBSCRIBE.
    let suback = |id, codes: &[ReasonCode]| {
        Packet::SubAck(SubAck::new(id, ReasonCodes::new(codes.iter().copied())))
    };
    let mut other = client.clone();
    assert!(other.handle_packet(&suback(id(2), &[OK])).is_err());
    let mut other = client.clone();
    assert!(other.handle_packet(&suback(request, &[OK, OK])).is_err());
    let _ = client.handle_packet(&suback(request, &[OK])).unwrap();
    assert_eq!(client.poll_event(), Some(Event::Subscribed(request)));
}

/// What a server's CONNACK excludes is a violation, with the code for it.
#[test]
fn server_holds_the_client_to_the_limits() {
    let properties = ConnAckProperties::builder()
        .maximum_qos(MaximumQoS::AtMostOnce)
        .retain_available(false)
        .shared_subscription_available(false)
        .build();
    let mut retained = message("t");
    retained.retain = true;
    let mut acknowledged = message("t");
    acknowledged.delivery = Delivery::AtLeastOnce(id(1));
    let shared = Subscribe::new(id(1), subscriptions("$share/g/a"));
    for (packet, reason) in [
        (Packet::from(retained), ReasonCode::RetainNotSupported),
        (Packet::from(acknowledged), ReasonCode::QoSNotSupported),
        (
            Packet::from(shared),
            ReasonCode::SharedSubscriptionsNotSupported,
        ),
    ] {
        let plain = connect(0, <_>::default());
        let mut server = accepted(Version::V5, plain, connack(properties.clone()));
        let violation = server.handle_packet(ZERO, Version::V5, &packet);
        assert_eq!(violation, Err(Violation::NotSupported(reason)));
        assert_eq!(last(&answered(&mut server)), Some((14, reason)));
    }
    // [MQTT-3.3.4-9]: Receive Maximum, in the other direction.
    let asked = ConnectProperties::builder()
        .receive_maximum(NonZeroU16::MIN)
        .build();
    let mut client = connected(Version::V5, connect(0, asked), connack(<_>::default()));
    for value in [1, 2] {
        let mut publish = message("t");
        publish.delivery = Delivery::ExactlyOnce(id(value));
        let judged = client.handle_packet(&Packet::from(publish));
        assert_eq!(judged.is_ok(), value == 1);
    }
    let exceeded = Some((14, ReasonCode::ReceiveMaximumExceeded));
    assert_eq!(last(&sent(&mut client)), exceeded);
}

/// [MQTT-3.1.2-24] [MQTT-3.1.2-25]: a message that is too large counts as sent.
#[test]
fn server_sends_no_large_packet() {
    let asked = ConnectProperties::builder()
        .maximum_packet_size(NonZeroU32::new(20).unwrap())
        .session_expiry_interval(9)
        .build();
    let mut large = message("t");
    large.payload = Bytes::from_static(&[0; 20]);
    let mut session = Session::new();
    let first = session.publish(QoS::ExactlyOnce, large.clone()).unwrap();
    session.publish(QoS::ExactlyOnce, message("t")).unwrap();
    let mut resumed = connect(0, asked);
    resumed.clean_start = false;
    let mut server = crate::driver::asked(Version::V5, resumed);
    server
        .accept(ZERO, connack(<_>::default()), Some(session))
        .unwrap();
    let packets = answered(&mut server);
    assert!(
        matches!(&packets[..], [Packet::ConnAck(ack), Packet::Publish(_)] if ack.session_present)
    );
    assert_eq!(server.poll_event(), Some(Event::Dropped(first)));
    assert_eq!(server.session().packet_ids_in_use(), 1);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let found = server.publish(qos, large.clone());
        assert_eq!(found, Err(ConnectionError::PacketTooLarge));
    }
    assert_eq!(server.session().packet_ids_in_use(), 1);
}

/// [MQTT-3.1.2-24]: what ends the connection ends it, with as much as the client takes.
#[test]
fn ends_with_what_fits() {
    let tiny = ConnectProperties::builder().maximum_packet_size(NonZeroU32::new(4).unwrap());
    let mut server = asked(Version::V5, connect(0, tiny.build()));
    let refused = ConnAck::new(ReasonCode::Banned).to_owned();
    assert_eq!(server.refuse(refused), Ok(()));
    assert_eq!(answered(&mut server), []);
    assert_eq!(closed(server.poll_event()), Some(Closed::Local));

    let small = ConnectProperties::builder().maximum_packet_size(NonZeroU32::new(9).unwrap());
    let asked = connect(0, small.build());
    let mut server = accepted(Version::V5, asked, connack(<_>::default()));
    let mut moved = Disconnect::new(ReasonCode::ServerMoved).to_owned();
    let elsewhere = Text::new("other.example").unwrap();
    moved.properties = DisconnectProperties::builder()
        .server_reference(elsewhere)
        .build();
    assert_eq!(server.disconnect(moved), Ok(()));
    let bare = disconnect(ReasonCode::ServerMoved);
    assert_eq!(answered(&mut server), [bare.into()]);
    assert!(server.is_closed());
}

/// A copy of the session of another connection is not taken to be connected.
#[test]
fn a_copied_session_waits_for_conn_ack() {
    let mut session = Session::new();
    session.connect(mqtt_sansio::session::Link::new(Version::V5));
    session.publish(QoS::AtLeastOnce, message("t")).unwrap();
    let mut client = client::Connection::with_session(session);
    let mut resumed = connect(0, <_>::default());
    resumed.clean_start = false;
    client.connect(Version::V5, resumed).unwrap();
    assert!(matches!(sent(&mut client)[..], [Packet::Connect(_)]));
}

/// A clean start ends the session with CONNECT, also if the answer to it is lost [MQTT-3.1.2-4].
#[test]
fn clean_start_is_not_taken_back() {
    for version in BOTH {
        let mut session = Session::new();
        session.connect(mqtt_sansio::session::Link::new(version));
        session.publish(QoS::ExactlyOnce, message("t")).unwrap();
        assert!(session.poll_transmit().is_some());
        let waiting = session.publish(QoS::ExactlyOnce, message("t")).unwrap();
        let delivery = Delivery::ExactlyOnce(id(7));
        assert_eq!(session.handle_publish(delivery), Ok(Receipt::New));
        session.acknowledge(id(7), OK).unwrap();

        let mut client = client::Connection::with_session(session);
        client.connect(version, connect(0, <_>::default())).unwrap();
        assert_eq!(sent(&mut client).len(), 1);
        client.handle_close();
        assert!(client.poll_event().is_some());
        let mut again = connect(0, <_>::default());
        again.clean_start = false;
        client.connect(version, again).unwrap();
        assert_eq!(sent(&mut client).len(), 1);
        let mut present = connack(<_>::default());
        present.session_present = true;
        let judged = client.handle_packet(&Packet::ConnAck(present));
        if version == Version::V5 {
            // It has none that it could go on with [MQTT-3.2.2-4].
            assert_eq!(judged, Err(Violation::SessionPresent));
            continue;
        }
        assert_eq!(judged, Ok(Input::Done));
        // What was never sent is.
        let packets = sent(&mut client);
        assert!(
            matches!(&packets[..], [Packet::Publish(p)] if !p.dup && p.delivery == Delivery::ExactlyOnce(waiting))
        );
        let mut other = message("t");
        other.delivery = delivery;
        let judged = client.handle_packet(&Packet::Publish(other));
        assert_eq!(judged, Ok(Input::Deliver(None)));
    }
}

/// Whether the server keeps a session, whether it has one, what the client wants and has
/// [MQTT-3.1.2-4] [MQTT-3.1.2-23] [MQTT-3.2.2-4] [MQTT-3.2.2-5]; 3.1.1 [MQTT-3.1.2-6].
#[test]
fn session_present() {
    for (version, clean, expiry, stored, present, kept) in [
        (Version::V5, true, 0, true, false, false),
        (Version::V5, true, 9, true, false, true),
        (Version::V5, false, 0, true, true, false),
        (Version::V5, false, 9, true, true, true),
        (Version::V5, false, 9, false, false, true),
        (Version::V5, false, u32::MAX, true, true, true),
        (Version::V311, true, 0, true, false, false),
        (Version::V311, false, 0, true, true, true),
        (Version::V311, false, 0, false, false, true),
    ] {
        let properties = match (version, expiry) {
            (Version::V5, 1..) => ConnectProperties::builder()
                .session_expiry_interval(expiry)
                .build(),
            _ => ConnectProperties::default(),
        };
        let mut wants = connect(0, properties);
        wants.clean_start = clean;
        let mut server = asked(version, wants.clone());
        let mut session = Session::new();
        session.publish(QoS::AtLeastOnce, message("t")).unwrap();
        let session = stored.then_some(session);
        server
            .accept(ZERO, connack(<_>::default()), session)
            .unwrap();
        let packets = answered(&mut server);
        let Packet::ConnAck(connack) = &packets[0] else {
            panic!()
        };
        assert_eq!(connack.session_present, present);
        assert_eq!(packets.len(), 1 + usize::from(present));
        server.handle_close();
        assert_eq!(server.session_expiry_interval() > 0, kept);
        assert_eq!(server.take_session().is_some(), kept);

        // The client, with and without a session of its own.
        for has in [false, true] {
            let mut session = Session::new();
            session.publish(QoS::AtLeastOnce, message("t")).unwrap();
            session.connect(mqtt_sansio::session::Link::new(version));
            assert!(session.poll_transmit().is_some());
            let mut client = match has {
                true => client::Connection::with_session(session),
                false => client::Connection::new(),
            };
            client.connect(version, wants.clone()).unwrap();
            assert_eq!(sent(&mut client).len(), 1);
            let judged = client.handle_packet(&packets[0]);
            if present && !has && version == Version::V5 {
                assert_eq!(judged, Err(Violation::SessionPresent));
                continue;
            }
            assert_eq!(judged, Ok(Input::Done));
            let session_present = present;
            assert_eq!(
                client.poll_event(),
                Some(Event::Connected { session_present })
            );
            // [MQTT-4.4.0-1] [MQTT-3.3.1-1]: with DUP, or forgotten.
            let resent = sent(&mut client);
            assert_eq!(resent.len(), usize::from(has && present));
            assert!(matches!(&resent[..], [] | [Packet::Publish(_)]));
            assert_eq!(client.session().is_empty(), !(has && present));
        }
    }
    // A clean start cannot be answered with a session.
    for version in BOTH {
        let mut client = connecting(version, connect(0, <_>::default()));
        let mut wrong = connack(<_>::default());
        wrong.session_present = true;
        let judged = client.handle_packet(&Packet::ConnAck(wrong));
        assert_eq!(judged, Err(Violation::SessionPresent));
    }
}

/// A session that ended with its connection is not gone on with [MQTT-3.2.2-4].
#[test]
fn session_ends_with_the_connection() {
    let mut client = client(Version::V5);
    client.handle_close();
    assert!(client.poll_event().is_some());
    let mut again = connect(0, <_>::default());
    again.clean_start = false;
    client.connect(Version::V5, again).unwrap();
    assert_eq!(sent(&mut client).len(), 1);
    let mut resumed = connack(<_>::default());
    resumed.session_present = true;
    let judged = client.handle_packet(&Packet::ConnAck(resumed));
    assert_eq!(judged, Err(Violation::SessionPresent));
}

/// [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT-3.14.4-3]: which ends publish the will.
#[test]
fn will() {
    let will = |version, end: &dyn Fn(&mut server::Connection)| {
        let payload = Binary::try_from(Bytes::from_static(b"gone")).unwrap();
        let mut connect = connect(4, <_>::default());
        connect.will = Some(Will::new("will".parse().unwrap(), payload));
        let mut server = accepted(version, connect.clone(), connack(<_>::default()));
        assert_eq!(server.take_will(), None);
        end(&mut server);
        let will = server.take_will();
        assert!(will.is_none() || will == connect.will);
        assert_eq!(server.take_will(), None);
        will.is_some()
    };
    let receives = |packet: Packet| {
        move |server: &mut server::Connection| {
            let version = server.version();
            let _ = server.handle_packet(ZERO, version, &packet);
        }
    };
    let kept = ReasonCode::DisconnectWithWillMessage;
    for version in BOTH {
        assert!(!will(version, &receives(leaves(OK, None))));
        assert!(will(version, &|server| server.handle_close()));
        assert!(will(version, &|server| server.handle_timeout(secs(6))));
        assert!(will(version, &receives(Packet::PingResp)));
        assert!(will(version, &|server| server
            .disconnect(disconnect(OK))
            .unwrap()));
    }
    assert!(will(Version::V5, &receives(leaves(kept, None))));
    assert!(will(
        Version::V5,
        &receives(leaves(ReasonCode::UnspecifiedError, None))
    ));
    // A DISCONNECT that breaks a rule is none.
    assert!(will(Version::V5, &receives(leaves(OK, Some(5)))));
    // Nobody who was not accepted has a will.
    let mut connect = connect(0, <_>::default());
    let payload = Binary::try_from(Bytes::new()).unwrap();
    connect.will = Some(Will::new("will".parse().unwrap(), payload));
    let mut server = asked(Version::V5, connect);
    server.handle_close();
    assert_eq!(server.take_will(), None);
}

/// [MQTT-3.14.2-2] and section 3.14.2.2.2: DISCONNECT may change the interval, but not from zero.
#[test]
fn session_expiry_at_disconnect() {
    for (asked_for, says, expected) in [
        (0, None, Ok(0)),
        (0, Some(0), Ok(0)),
        (0, Some(1), Err(Violation::SessionExpiry)),
        (9, None, Ok(9)),
        (9, Some(0), Ok(0)),
        (9, Some(u32::MAX), Ok(u32::MAX)),
    ] {
        let properties = ConnectProperties::builder().session_expiry_interval(asked_for);
        let wants = connect(0, properties.build());
        let mut server = accepted(Version::V5, wants.clone(), connack(<_>::default()));
        let last = leaves(OK, says);
        let judged = server.handle_packet(ZERO, Version::V5, &last);
        assert_eq!(judged.map(|_| server.session_expiry_interval()), expected);

        let mut client = connected(Version::V5, wants, connack(<_>::default()));
        let Packet::Disconnect(last) = last else {
            panic!()
        };
        let left = client.disconnect(last);
        match expected {
            Err(_) => assert_eq!(left, Err(ConnectionError::SessionExpiry)),
            Ok(seconds) => assert_eq!(client.session_expiry_interval(), seconds),
        }
    }
    let server = server(Version::V5).disconnect({
        let mut last = disconnect(OK);
        last.properties = DisconnectProperties::builder()
            .session_expiry_interval(1)
            .build();
        last
    });
    assert_eq!(server, Err(ConnectionError::SessionExpiry));
    // The server's interval replaces the client's.
    let properties = ConnAckProperties::builder()
        .session_expiry_interval(3)
        .build();
    let client = connected(Version::V5, connect(0, <_>::default()), connack(properties));
    assert_eq!(client.session_expiry_interval(), 3);
}

/// [MQTT-3.14.4-1] [MQTT-3.14.4-2]; 3.1.1 [MQTT-3.14.4-1] [MQTT-3.14.4-2].
#[test]
fn nothing_follows_disconnect() {
    for version in BOTH {
        let mut client = client(version);
        client.publish(QoS::AtMostOnce, message("last")).unwrap();
        client.publish(QoS::AtLeastOnce, message("later")).unwrap();
        client.disconnect(disconnect(OK)).unwrap();
        assert_eq!(client.ping(), Err(ConnectionError::WrongState));
        assert_eq!(
            client.disconnect(disconnect(OK)),
            Err(ConnectionError::WrongState)
        );
        let packets = sent(&mut client);
        assert!(matches!(
            &packets[..],
            [Packet::Publish(_), Packet::Disconnect(_)]
        ));
        assert!(client.is_closed());
        assert_eq!(closed(client.poll_event()), Some(Closed::Local));
        // The other end says so.
        let mut server = server(version);
        let _ = server.handle_packet(ZERO, version, &packets[1]).unwrap();
        assert_eq!(closed(server.poll_event()), Some(Closed::Disconnected(OK)));
        assert_eq!(
            server.publish(QoS::AtMostOnce, message("t")),
            Err(ConnectionError::WrongState)
        );
        assert_eq!(answered(&mut server), []);
    }
    let mut client = client(Version::V5);
    let taken_over = leaves(ReasonCode::SessionTakenOver, None);
    let _ = client.handle_packet(&taken_over).unwrap();
    let why = Closed::Disconnected(ReasonCode::SessionTakenOver);
    assert_eq!(closed(client.poll_event()), Some(why));
    assert_eq!(sent(&mut client), []);
    let reason = disconnect(ReasonCode::KeepAliveTimeout);
    let refused = crate::driver::client(Version::V5).disconnect(reason);
    assert_eq!(refused, Err(ConnectionError::InvalidReasonCode));
}

/// [MQTT-3.8.4-2] [MQTT-2.2.1-6] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2]
/// [MQTT-3.1.2-29]; 3.1.1 [MQTT-2.3.1-7]: one answer for each request, no larger than may be.
#[test]
fn server_answers_requests() {
    let subscribe = Packet::from(Subscribe::new(id(3), subscriptions("a")));
    let filters = TopicFilters::new([TopicFilter::new("a").unwrap()]).unwrap();
    let unsubscribe = Packet::from(Unsubscribe::new(id(4), filters));
    let answer = |value, codes: &[ReasonCode]| {
        SubAck::new(id(value), ReasonCodes::new(codes.iter().copied()))
    };
    for version in BOTH {
        let mut server = server(version);
        let early = server.sub_ack(answer(3, &[OK]));
        assert_eq!(early, Err(ConnectionError::NoSuchRequest));
        for packet in [&subscribe, &unsubscribe] {
            let judged = server.handle_packet(ZERO, version, packet);
            assert_eq!(judged, Ok(Input::Answer));
        }
        let codes: &[_] = if version == Version::V5 { &[OK] } else { &[] };
        for wrong in [answer(4, &[OK]), answer(3, &[]), answer(3, &[OK, OK])] {
            assert_eq!(server.sub_ack(wrong), Err(ConnectionError::NoSuchRequest));
        }
        server.unsub_ack(answer(4, codes)).unwrap();
        server.sub_ack(answer(3, &[OK])).unwrap();
        assert_eq!(answered(&mut server).len(), 2);
        let again = server.sub_ack(answer(3, &[OK]));
        assert_eq!(again, Err(ConnectionError::NoSuchRequest));
        // The identifier of a request without an answer is in use [MQTT-2.2.1-3].
        let _ = server.handle_packet(ZERO, version, &subscribe).unwrap();
        let judged = server.handle_packet(ZERO, version, &subscribe);
        assert_eq!(judged, Err(Violation::RequestInUse));
    }
    let reason = Text::new("a reason that is long").unwrap();
    let explained = AckProperties::builder().reason_string(reason).build();
    for (asked, kept) in [
        (ConnectProperties::default(), true),
        (
            ConnectProperties::builder()
                .request_problem_information(false)
                .build(),
            false,
        ),
        (
            ConnectProperties::builder()
                .maximum_packet_size(NonZeroU32::new(9).unwrap())
                .build(),
            false,
        ),
    ] {
        let mut server = accepted(Version::V5, connect(0, asked), connack(<_>::default()));
        let _ = server.handle_packet(ZERO, Version::V5, &subscribe).unwrap();
        let mut suback = answer(3, &[OK]);
        suback.properties = explained.clone();
        server.sub_ack(suback).unwrap();
        let [Packet::SubAck(suback)] = &answered(&mut server)[..] else {
            panic!()
        };
        assert_eq!(!suback.properties.is_empty(), kept);
    }
}

/// [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.14.2-3] [MQTT-3.14.2-4]: explained only if it fits.
#[test]
fn explanations_that_do_not_fit() {
    let text = Text::new("a reason that is long").unwrap();
    for (maximum, kept) in [(60, true), (20, false)] {
        let maximum = NonZeroU32::new(maximum).unwrap();
        // These two may explain themselves although they are not asked to [MQTT-3.1.2-29].
        let asked_for = ConnectProperties::builder()
            .maximum_packet_size(maximum)
            .request_problem_information(false)
            .build();
        let mut server = asked(Version::V5, connect(0, asked_for));
        let properties = ConnAckProperties::builder()
            .reason_string(text)
            .user_property(text, Text::new("").unwrap())
            .server_keep_alive(7)
            .build();
        server.accept(ZERO, connack(properties), None).unwrap();
        let mut last = disconnect(ReasonCode::ServerShuttingDown);
        last.properties = DisconnectProperties::builder().reason_string(text).build();
        server.disconnect(last).unwrap();
        let [Packet::ConnAck(ack), Packet::Disconnect(last)] = &answered(&mut server)[..] else {
            panic!()
        };
        assert_eq!(ack.properties.reason_string().is_some(), kept);
        assert_eq!(ack.properties.server_keep_alive(), Some(7));
        assert_eq!(!last.properties.is_empty(), kept);
    }
}

/// [MQTT-3.1.2-29]: a server that explains what it was not asked to breaks a rule.
#[test]
fn unwanted_explanations() {
    let asked = ConnectProperties::builder()
        .request_problem_information(false)
        .build();
    let mut client = connected(Version::V5, connect(0, asked), connack(<_>::default()));
    client.publish(QoS::AtLeastOnce, message("t")).unwrap();
    assert_eq!(sent(&mut client).len(), 1);
    let mut ack = mqtt_sansio::packet::Ack::new(id(1)).to_owned();
    let text = Text::new("why").unwrap();
    ack.properties = AckProperties::builder().reason_string(text).build();
    let judged = client.handle_packet(&Packet::PubAck(ack));
    assert_eq!(judged, Err(Violation::ProblemInformation));
    assert_eq!(
        last(&sent(&mut client)),
        Some((14, ReasonCode::ProtocolError))
    );
}

fn auth(reason: ReasonCode, method: &str) -> Auth {
    Auth::new(reason, Text::new(method).unwrap())
}

/// [MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5] [MQTT-4.12.1-1]: both sides, before CONNACK and
/// again later.
#[test]
fn authentication() {
    use ReasonCode::{ContinueAuthentication, ReAuthenticate, Success};
    let method = Text::new("m").unwrap();
    let properties = ConnectProperties::builder()
        .authentication_method(method)
        .build();
    let mut client = connecting(Version::V5, connect(0, properties.clone()));
    let mut server = asked(Version::V5, connect(0, properties.clone()));
    let up = |server: &mut server::Connection, client: &mut client::Connection| {
        let packets = sent(client);
        let handle = |packet| server.handle_packet(ZERO, Version::V5, packet).unwrap();
        packets.iter().map(handle).collect::<Vec<_>>()
    };
    let down = |server: &mut server::Connection, client: &mut client::Connection| {
        let packets = answered(server);
        let handle = |packet| client.handle_packet(packet).unwrap();
        packets.iter().map(handle).collect::<Vec<_>>()
    };
    let out_of_turn = Err(ConnectionError::Authentication);
    assert_eq!(client.auth(auth(ContinueAuthentication, "m")), out_of_turn);
    assert_eq!(client.auth(auth(ReAuthenticate, "m")), out_of_turn);
    assert_eq!(server.auth(auth(Success, "m")), out_of_turn);
    assert_eq!(
        server.auth(auth(ContinueAuthentication, "other")),
        out_of_turn
    );
    for _ in 0..2 {
        server.auth(auth(ContinueAuthentication, "m")).unwrap();
        assert_eq!(server.auth(auth(ContinueAuthentication, "m")), out_of_turn);
        let early = server.accept(ZERO, connack(<_>::default()), None);
        assert_eq!(early, out_of_turn);
        assert_eq!(down(&mut server, &mut client), [Input::Answer]);
        client.auth(auth(ContinueAuthentication, "m")).unwrap();
        assert_eq!(up(&mut server, &mut client), [Input::Answer]);
    }
    server.accept(ZERO, connack(<_>::default()), None).unwrap();
    assert_eq!(down(&mut server, &mut client), [Input::Done]);
    assert!(matches!(client.poll_event(), Some(Event::Connected { .. })));
    // Again, while other packets go on.
    assert_eq!(server.auth(auth(Success, "m")), out_of_turn);
    client.auth(auth(ReAuthenticate, "m")).unwrap();
    client.publish(QoS::AtMostOnce, message("t")).unwrap();
    let judged = up(&mut server, &mut client);
    assert_eq!(judged, [Input::Answer, Input::Deliver(None)]);
    server.auth(auth(ContinueAuthentication, "m")).unwrap();
    assert_eq!(down(&mut server, &mut client), [Input::Answer]);
    client.auth(auth(ContinueAuthentication, "m")).unwrap();
    assert_eq!(up(&mut server, &mut client), [Input::Answer]);
    server.auth(auth(Success, "m")).unwrap();
    assert_eq!(down(&mut server, &mut client), [Input::Done]);
    assert_eq!(client.poll_event(), Some(Event::Reauthenticated));

    // [MQTT-4.12.0-6] [MQTT-4.12.0-7]: no method, no AUTH.
    let mut plain = (
        crate::driver::client(Version::V5),
        crate::driver::server(Version::V5),
    );
    assert_eq!(plain.0.auth(auth(ReAuthenticate, "m")), out_of_turn);
    assert_eq!(plain.1.auth(auth(ContinueAuthentication, "m")), out_of_turn);
    let mut with_method = connack(<_>::default());
    with_method.properties = ConnAckProperties::builder()
        .authentication_method(method)
        .build();
    let mut server = asked(Version::V5, connect(0, <_>::default()));
    assert_eq!(server.accept(ZERO, with_method, None), out_of_turn);
    // A CONNACK without the method, or with another.
    for wrong in [None, Some("other")] {
        let mut client = connecting(Version::V5, connect(0, properties.clone()));
        let mut answer = connack(<_>::default());
        if let Some(wrong) = wrong {
            let wrong = Text::new(wrong).unwrap();
            answer.properties = ConnAckProperties::builder()
                .authentication_method(wrong)
                .build();
        }
        let judged = client.handle_packet(&Packet::ConnAck(answer));
        assert_eq!(judged, Err(Violation::AuthenticationMethod));
    }
}

/// Every AUTH in every state of an authentication, to both sides [MQTT-4.12.0-5] [MQTT-4.12.1-2].
#[test]
fn auth_in_every_state() {
    use ReasonCode::{ContinueAuthentication, ReAuthenticate, Success};
    let method = Text::new("m").unwrap();
    let properties = ConnectProperties::builder()
        .authentication_method(method)
        .build();
    let answer = ConnAckProperties::builder()
        .authentication_method(method)
        .build();
    let waiting = connecting(Version::V5, connect(0, properties.clone()));
    let settled = connected(Version::V5, connect(0, properties.clone()), connack(answer));
    let mut again = settled.clone();
    again.auth(auth(ReAuthenticate, "m")).unwrap();
    let _ = sent(&mut again);
    let asked = asked(Version::V5, connect(0, properties.clone()));
    let mut turn = asked.clone();
    turn.auth(auth(ContinueAuthentication, "m")).unwrap();
    let _ = answered(&mut turn);
    let done = accepted(Version::V5, connect(0, properties), connack(<_>::default()));
    for (reason, method, expected) in [
        (Success, "m", [false, false, true, false, false, false]),
        (
            ContinueAuthentication,
            "m",
            [true, false, true, false, true, false],
        ),
        (
            ReAuthenticate,
            "m",
            [false, false, false, false, false, true],
        ),
        (ContinueAuthentication, "x", [false; 6]),
        (ReAuthenticate, "x", [false; 6]),
    ] {
        let packet = Packet::from(auth(reason, method));
        let clients = [&waiting, &settled, &again].map(|client| {
            let mut client = client.clone();
            let judged = client.handle_packet(&packet).is_ok();
            assert_eq!(last(&sent(&mut client)).is_none(), judged);
            judged
        });
        let servers = [&asked, &turn, &done].map(|server| {
            let mut server = server.clone();
            server.handle_packet(ZERO, Version::V5, &packet).is_ok()
        });
        assert_eq!([clients, servers].concat(), expected, "{reason} {method}");
    }
    // [MQTT-3.15.2-2] [MQTT-3.15.2-3]: explained only if it fits.
    let text = Text::new("a reason that is long").unwrap();
    let small = ConnectProperties::builder()
        .authentication_method(method)
        .maximum_packet_size(NonZeroU32::new(20).unwrap());
    let mut server = crate::driver::asked(Version::V5, connect(0, small.build()));
    let mut step = auth(ContinueAuthentication, "m");
    step.properties = AuthProperties::builder()
        .authentication_method(method)
        .reason_string(text)
        .build();
    server.auth(step).unwrap();
    assert_eq!(
        answered(&mut server),
        [Packet::from(auth(ContinueAuthentication, "m"))]
    );
}

/// Queues are bounded, and identifiers conserved.
#[test]
fn full_queues() {
    let mut client = client::Connection::new().max_queued(2);
    assert_eq!(
        client.publish(QoS::AtMostOnce, message("t")),
        Err(ConnectionError::WrongState)
    );
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert!(client.publish(qos, message("t")).is_ok());
    }
    let full = Err(ConnectionError::QueueFull);
    assert_eq!(client.publish(QoS::AtLeastOnce, message("t")), full);
    client
        .connect(Version::V5, connect(0, <_>::default()))
        .unwrap();
    assert_eq!(sent(&mut client).len(), 1);
    let _ = client
        .handle_packet(&Packet::ConnAck(connack(<_>::default())))
        .unwrap();
    for expected in [Ok(None), Ok(None), full] {
        assert_eq!(client.publish(QoS::AtMostOnce, message("t")), expected);
    }
    assert_eq!(client.ping(), full.map(|_: Option<_>| ()));
    assert_eq!(
        client.subscribe(subscriptions("a"), <_>::default()),
        Err(ConnectionError::QueueFull)
    );
    assert_eq!(sent(&mut client).len(), 4);
    let mut alien = message("t");
    alien.properties = mqtt_sansio::property::PublishProperties::builder()
        .subscription_identifier(SubscriptionId::new(1).unwrap())
        .build();
    assert!(client.publish(QoS::AtMostOnce, alien).is_err());
    let unknown = client.acknowledge(id(1), OK);
    assert_eq!(
        unknown,
        Err(ConnectionError::Session(SessionError::UnknownPacketId))
    );
    // PINGRESPs are counted, not stored.
    let mut server = server(Version::V5);
    for _ in 0..1_000 {
        let _ = server
            .handle_packet(ZERO, Version::V5, &Packet::<&[u8]>::PingReq)
            .unwrap();
    }
    assert_eq!(answered(&mut server).len(), 1_000);
}
