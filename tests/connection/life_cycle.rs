//! How a connection and its session begin and end.

use std::num::NonZeroU32;

use bytes::Bytes;
use mqtt_sansio::connection::{Closed, ConnectionError, Event, Input, Violation, client, server};
use mqtt_sansio::packet::{
    ConnAck, Connect, ReasonCodes, SubAck, Subscribe, TopicFilters, Unsubscribe, Will,
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
        assert!(server.accept(ZERO, refusal.clone(), &mut None).is_err());
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
            .accept(ZERO, connack(<_>::default()), &mut session.clone())
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
