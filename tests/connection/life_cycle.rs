//! How a connection and its session begin and end.

use std::num::NonZeroU32;

use bytes::Bytes;
use mqtt_sansio::connection::{
    Closed, ConnectionError, Event, GivenUp, Outcome, Violation, client, server,
};
use mqtt_sansio::packet::{
    ConnAck, Connect, Disconnect, Subscribe, TopicFilters, Unsubscribe, Will,
};
use mqtt_sansio::property::{
    AckProperties, ConnAckProperties, ConnectProperties, DisconnectProperties,
};
use mqtt_sansio::session::{Receipt, Session};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Binary, Delivery, Packet, QoS, ReasonCode, Text, Version};

use crate::driver::*;

/// 3.1.1 [MQTT-3.1.2-2]: a server that does not know 5.0 says so as 3.1.1 does.
#[test]
fn refused_by_a_server_of_3_1_1() {
    let error = |bytes: &[u8]| Packet::decode(Version::V5, bytes).unwrap_err();
    let mut client = connecting(Version::V5, connect(0, <_>::default()));
    client.handle_decode_error(ZERO, error(b"\x20\x02\0\x01"));
    let refusal = ConnAck::new(ReasonCode::UnsupportedProtocolVersion);
    let refused = Closed::Refused(Box::new(refusal));
    assert_eq!(closed(client.poll_event()), Some(refused));
    assert_eq!(sent(&mut client), []);
    assert!(client.is_closed());

    // As are the other codes of 3.1.1; but no answer is due to one who did not ask.
    let broken = |bytes| Some(Closed::Malformed(error(bytes)));
    let mut client = connecting(Version::V5, connect(0, <_>::default()));
    client.handle_decode_error(ZERO, error(b"\x20\x02\0\x02"));
    let refusal = ConnAck::new(ReasonCode::ClientIdentifierNotValid);
    let refused = Closed::Refused(Box::new(refusal));
    assert_eq!(closed(client.poll_event()), Some(refused));
    let mut client = connecting(Version::V5, connect(0, <_>::default()));
    client.handle_decode_error(ZERO, error(b"\x20\x02\0\x06"));
    assert_eq!(closed(client.poll_event()), broken(b"\x20\x02\0\x06"));
    // Nor is it a CONNACK of 3.1.1 because its code is one.
    let mut client = connecting(Version::V5, connect(0, <_>::default()));
    client.handle_decode_error(ZERO, error(b"\xE0\x01\x03"));
    assert_eq!(closed(client.poll_event()), broken(b"\xE0\x01\x03"));
    let accepted = connack(<_>::default());
    let mut client = connected(Version::V5, connect(0, <_>::default()), accepted);
    client.handle_decode_error(ZERO, error(b"\x20\x02\0\x01"));
    assert_eq!(closed(client.poll_event()), broken(b"\x20\x02\0\x01"));
}

/// What is not sent yet goes with the session, and nothing else was to be sent.
#[test]
fn taken_before_it_was_sent() {
    let mut kept = connect(0, <_>::default());
    kept.clean_start = false;
    let mut server = accepted(Version::V311, kept, connack(<_>::default()));
    server.publish(QoS::AtLeastOnce, message("t")).unwrap();
    server.disconnect(Disconnect::new(OK)).unwrap();
    assert!(!server.is_closed());
    let session = server.take_session().unwrap();
    assert_eq!(session.packet_ids_in_use(), 1);
    assert!(server.is_closed());
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
        let refusal = ConnAck::new(reason);
        assert!(server.accept(ZERO, refusal.clone(), &mut None).is_err());
        assert!(server.refuse(connack(<_>::default())).is_err());
        server.refuse(refusal.clone()).unwrap();
        assert_eq!(last(&sent(&mut server)), sends.then_some((2, reason)));
        assert!(server.is_closed());
        assert_eq!(
            server.refuse(refusal.clone()),
            Err(ConnectionError::WrongState)
        );
        assert_eq!(server.take_session().map(|_| ()), None);
        if sends {
            let mut client = connecting(version, connect(0, <_>::default()));
            handle(&mut client, &Packet::ConnAck(refusal.clone())).unwrap();
            let why = Closed::Refused(Box::new(refusal));
            assert_eq!(closed(client.poll_event()), Some(why));
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
        let packet = Packet::from(nameless.clone());
        let judged = handle_at(&mut server, ZERO, version, &packet);
        assert_eq!(judged.is_err(), expected.is_some());
        assert_eq!(last(&sent(&mut server)), expected);
    }
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
        let begun = session.publish(QoS::ExactlyOnce, message("t")).unwrap();
        assert!(session.poll_transmit().is_some());
        let waiting = session.publish(QoS::ExactlyOnce, message("t")).unwrap();
        let delivery = Delivery::ExactlyOnce(id(7));
        let Ok(Receipt::New(token)) = session.handle_publish(delivery) else {
            panic!()
        };
        session.acknowledge(token, OK).unwrap();

        let mut client = client::Connection::with_session(session);
        client.connect(version, connect(0, <_>::default())).unwrap();
        assert_eq!(sent(&mut client).len(), 1);
        // What was begun is given up, with the message.
        let given_up = Outcome::GivenUp(GivenUp::SessionLost, Some(Box::new(message("t"))));
        let given_up = Event::Published(begun, given_up);
        assert_eq!(client.poll_event(), Some(given_up));
        client.handle_close();
        assert_eq!(closed(client.poll_event()), Some(Closed::Lost));
        let mut again = connect(0, <_>::default());
        again.clean_start = false;
        client.connect(version, again).unwrap();
        assert_eq!(sent(&mut client).len(), 1);
        let mut present = connack(<_>::default());
        present.session_present = true;
        let judged = handle(&mut client, &Packet::ConnAck(present));
        if version == Version::V5 {
            // It has none that it could go on with [MQTT-3.2.2-4].
            assert_eq!(judged, Err(Violation::SessionPresent));
            continue;
        }
        assert_eq!(judged, Ok(Found::Nothing));
        // What was never sent is.
        let stored: Vec<_> = client.session().messages().map(|m| m.call).collect();
        assert_eq!(stored, [waiting]);
        let packets = sent(&mut client);
        assert!(
            matches!(&packets[..], [Packet::Publish(p)] if !p.dup && p.delivery == Delivery::ExactlyOnce(id(2)))
        );
        let judged = handle(&mut client, &Packet::Publish(publish(delivery, "t")));
        assert!(judged.unwrap().is_message());
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
            .accept(ZERO, connack(<_>::default()), &mut session.clone())
            .unwrap();
        let packets = sent(&mut server);
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
            let judged = handle(&mut client, &packets[0]);
            if present && !has && version == Version::V5 {
                assert_eq!(judged, Err(Violation::SessionPresent));
                continue;
            }
            assert_eq!(judged, Ok(Found::Nothing));
            let lost = has && !present;
            for event in events(&mut client) {
                match event {
                    Event::Published(_, Outcome::GivenUp(GivenUp::SessionLost, Some(_))) => {
                        assert!(lost);
                    }
                    Event::Connected(connack) => assert_eq!(connack.session_present, present),
                    other => panic!("{other:?}"),
                }
            }
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
        let judged = handle(&mut client, &Packet::ConnAck(wrong));
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
    let judged = handle(&mut client, &Packet::ConnAck(resumed));
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
            let _ = handle(server, &packet);
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
        let judged = handle(&mut server, &last);
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
        let last = client.publish(QoS::AtMostOnce, message("last")).unwrap();
        client.publish(QoS::AtLeastOnce, message("too")).unwrap();
        client.disconnect(disconnect(OK)).unwrap();
        assert_eq!(client.ping(), Err(ConnectionError::WrongState));
        assert_eq!(
            client.disconnect(disconnect(OK)),
            Err(ConnectionError::WrongState)
        );
        let packets = sent(&mut client);
        assert!(matches!(
            &packets[..],
            [
                Packet::Publish(_),
                Packet::Publish(_),
                Packet::Disconnect(_)
            ]
        ));
        assert!(client.is_closed());
        assert_eq!(closed(client.poll_event()), Some(Closed::Local));
        let left = Event::Published(last, Outcome::Sent);
        assert_eq!(client.poll_event(), Some(left));
        // The other end says so.
        let mut server = server(version);
        handle(&mut server, &packets[2]).unwrap();
        let why = Closed::Disconnected(Box::new(disconnect(OK)));
        assert_eq!(closed(server.poll_event()), Some(why));
        let refused = server.publish(QoS::AtMostOnce, message("t")).unwrap_err();
        assert_eq!(refused.why, ConnectionError::WrongState);
        assert_eq!(sent(&mut server), []);
    }
    let mut client = client(Version::V5);
    let taken_over = leaves(ReasonCode::SessionTakenOver, None);
    handle(&mut client, &taken_over).unwrap();
    let why = Closed::Disconnected(Box::new(disconnect(ReasonCode::SessionTakenOver)));
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
    for version in BOTH {
        let mut other = server(version);
        let elsewhere = handle(&mut other, &subscribe).unwrap().request();
        let mut server = server(version);
        let early = server.sub_ack(elsewhere, [OK]);
        assert_eq!(early, Err(ConnectionError::NoSuchRequest));
        let first = handle(&mut server, &subscribe).unwrap();
        assert!(matches!(first, Found::Subscribe(_)));
        let second = handle(&mut server, &unsubscribe).unwrap();
        assert!(matches!(second, Found::Unsubscribe(_)));
        let (first, second) = (first.request(), second.request());
        assert_eq!((first.packet_id(), second.packet_id()), (id(3), id(4)));
        let codes: &[_] = if version == Version::V5 { &[OK] } else { &[] };
        let no_such = Err(ConnectionError::NoSuchRequest);
        assert_eq!(server.sub_ack(second, [OK]), no_such);
        assert_eq!(server.sub_ack(first, []), no_such);
        assert_eq!(server.sub_ack(first, [OK, OK]), no_such);
        server.unsub_ack(second, codes.iter().copied()).unwrap();
        server.sub_ack(first, [OK]).unwrap();
        assert_eq!(sent(&mut server).len(), 2);
        assert_eq!(server.sub_ack(first, [OK]), no_such);
        // The identifier of a request without an answer is in use [MQTT-2.2.1-3].
        let again = handle(&mut server, &subscribe).unwrap().request();
        assert_eq!(server.sub_ack(first, [OK]), no_such, "for the one before");
        assert_ne!(first, again);
        let judged = handle(&mut server, &subscribe);
        assert_eq!(judged, Err(Violation::RequestInUse));
        // Nor is one of an earlier connection good, whose requests had the same places.
        let mut later = asked(version, connect(0, <_>::default()));
        let connack = connack(<_>::default());
        later.accept(secs(1), connack, &mut None).unwrap();
        let own = handle(&mut later, &subscribe).unwrap().request();
        assert_eq!(later.sub_ack(elsewhere, [OK]), no_such);
        later.sub_ack(own, [OK]).unwrap();
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
                .maximum_packet_size(NonZeroU32::new(14).unwrap())
                .build(),
            false,
        ),
    ] {
        let mut server = accepted(Version::V5, connect(0, asked), connack(<_>::default()));
        let token = handle(&mut server, &subscribe).unwrap().request();
        server.sub_ack_with(token, [OK], explained.clone()).unwrap();
        let [Packet::SubAck(suback)] = &sent(&mut server)[..] else {
            panic!()
        };
        assert_eq!(!suback.properties.is_empty(), kept);
    }
}

/// A session that is to end with its connection does not end with one that was never accepted.
#[test]
fn a_session_outlives_a_connect_without_an_answer() {
    let lasting = |seconds| {
        let properties = ConnectProperties::builder().session_expiry_interval(seconds);
        let mut connect = connect(0, properties.build());
        connect.clean_start = false;
        connect
    };
    let mut client = connected(Version::V5, lasting(60), connack(<_>::default()));
    client.publish(QoS::ExactlyOnce, message("t")).unwrap();
    assert!(matches!(
        client.poll_transmit(ZERO),
        Some(Packet::Publish(_))
    ));
    client.handle_close();
    client.connect(Version::V5, lasting(0)).unwrap();
    assert!(matches!(
        client.poll_transmit(ZERO),
        Some(Packet::Connect(_))
    ));
    client.handle_close();
    client.connect(Version::V5, lasting(60)).unwrap();
    assert!(matches!(
        client.poll_transmit(ZERO),
        Some(Packet::Connect(_))
    ));
    let mut present = connack(<_>::default());
    present.session_present = true;
    let present = Packet::from(present);
    let accepted = client.handle_packet(ZERO, Version::V5, &present);
    assert_eq!(accepted, Ok(None));
    let Some(Packet::Publish(again)) = client.poll_transmit(ZERO) else {
        panic!();
    };
    assert!(again.dup);
}
