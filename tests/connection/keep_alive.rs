//! Keep alive and the other deadlines, in virtual time.

use mqtt_sansio::connection::{Closed, Event, Outcome, client, server};
use mqtt_sansio::packet::Connect;
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties};
use mqtt_sansio::{Delivery, Packet, QoS, ReasonCode, Version};

use crate::driver::*;

/// [MQTT-3.1.2-20] [MQTT-3.1.2-21] [MQTT-3.2.2-21] [MQTT-3.2.2-22]; 3.1.1 [MQTT-3.1.2-23]:
/// Keep Alive of CONNECT, Server Keep Alive, when the client pings, and when the server gives up.
#[test]
fn whose_interval_and_when() {
    for (asked_for, server_says, ping, gives_up) in [
        (0, None, None, None),
        (10, None, Some(10_000), Some(15_000)),
        (1, None, Some(1_000), Some(1_500)),
        (10, Some(4), Some(4_000), Some(6_000)),
        (10, Some(0), None, None),
        (0, Some(7), Some(7_000), Some(10_500)),
        (65_535, None, Some(65_535_000), Some(98_302_500)),
    ] {
        let properties = match server_says {
            Some(seconds) => ConnAckProperties::builder()
                .server_keep_alive(seconds)
                .build(),
            None => ConnAckProperties::default(),
        };
        let connect = connect(asked_for, <_>::default());
        let millis = |at: Option<std::time::Duration>| at.map(|at| at.as_millis());
        let client = connected(Version::V5, connect.clone(), connack(properties.clone()));
        assert_eq!(millis(client.next_timeout()), ping);
        let server = accepted(Version::V5, connect.clone(), connack(properties));
        assert_eq!(millis(server.next_timeout()), gives_up);
        if server_says.is_none() {
            let client = connected(Version::V311, connect.clone(), connack(<_>::default()));
            assert_eq!(millis(client.next_timeout()), ping);
            let server = accepted(Version::V311, connect, connack(<_>::default()));
            assert_eq!(millis(server.next_timeout()), gives_up);
        }
    }
}

/// Only what the client sends puts the next PINGREQ off [MQTT-3.1.2-20].
#[test]
fn client_pings_when_it_has_sent_nothing() {
    for version in BOTH {
        let plain = (connect(10, <_>::default()), connack(<_>::default()));
        let mut client = connected(version, plain.0, plain.1);
        let call = client.publish(QoS::AtMostOnce, message("t")).unwrap();
        assert!(client.poll_transmit(secs(6)).is_some());
        let sent = Event::Published(call, Outcome::Sent);
        assert_eq!(client.poll_event(), Some(sent));
        assert_eq!(client.next_timeout(), Some(secs(16)));
        let packet = Packet::Publish(publish(Delivery::AtMostOnce, "t"));
        handle_at(&mut client, secs(6), version, &packet).unwrap();
        assert_eq!(client.next_timeout(), Some(secs(16)));
        client.handle_timeout(secs(15));
        assert_eq!(client.poll_transmit(secs(15)), None);
        client.handle_timeout(secs(16));
        assert_eq!(client.poll_transmit(secs(16)), Some(Packet::PingReq));
        assert_eq!(client.poll_transmit(secs(16)), None);
        // An answer within 20 seconds, and the duty goes on meanwhile.
        assert_eq!(client.next_timeout(), Some(secs(26)));
        client.handle_timeout(secs(26));
        assert_eq!(client.poll_transmit(secs(26)), Some(Packet::PingReq));
        assert_eq!(client.next_timeout(), Some(secs(36)));
        handle_at(&mut client, secs(26), version, &Packet::<&[u8]>::PingResp).unwrap();
        client.handle_timeout(secs(36));
        assert_eq!(client.poll_transmit(secs(36)), Some(Packet::PingReq));
        assert_eq!(client.next_timeout(), Some(secs(46)));
        assert_eq!(client.poll_event(), None);
    }
}

#[test]
fn client_notices_that_answers_are_missing() {
    for (version, sends) in [
        (Version::V311, None),
        (Version::V5, Some((14, ReasonCode::UnspecifiedError))),
    ] {
        let mut client = client(version);
        client.ping().unwrap();
        assert_eq!(client.poll_transmit(secs(1)), Some(Packet::PingReq));
        assert_eq!(client.next_timeout(), Some(secs(21)));
        client.handle_timeout(secs(21));
        assert_eq!(closed(client.poll_event()), Some(Closed::TimedOut));
        assert_eq!(last(&sent(&mut client)), sends);
        assert!(client.is_closed());
        assert_eq!(client.next_timeout(), None);
    }
    // CONNACK, in a time of the caller's choice.
    let mut client = client::Connection::new().response_timeout(secs(3));
    client
        .connect(Version::V5, connect(1, <_>::default()))
        .unwrap();
    assert_eq!(client.next_timeout(), None);
    assert!(client.poll_transmit(secs(100)).is_some());
    assert_eq!(client.next_timeout(), Some(secs(103)));
    client.handle_timeout(secs(103));
    assert_eq!(closed(client.poll_event()), Some(Closed::TimedOut));
}

/// [MQTT-3.1.2-22]; 3.1.1 [MQTT-3.1.2-24]: any packet counts, and only the client's.
#[test]
fn server_closes_after_one_and_a_half_intervals() {
    for (version, sends) in [
        (Version::V311, None),
        (Version::V5, Some((14, ReasonCode::KeepAliveTimeout))),
    ] {
        let plain = (connect(10, <_>::default()), connack(<_>::default()));
        let mut server = accepted(version, plain.0, plain.1);
        handle_at(&mut server, secs(9), version, &Packet::<&[u8]>::PingReq).unwrap();
        assert_eq!(sent(&mut server), [Packet::PingResp]);
        assert_eq!(server.next_timeout(), Some(secs(24)));
        let call = server.publish(QoS::AtMostOnce, message("t")).unwrap();
        assert!(server.poll_transmit(secs(9)).is_some());
        let left = Event::Published(call, Outcome::Sent);
        assert_eq!(server.poll_event(), Some(left));
        server.handle_timeout(secs(23));
        assert!(server.is_connected());
        server.handle_timeout(secs(24));
        assert_eq!(closed(server.poll_event()), Some(Closed::TimedOut));
        assert_eq!(last(&sent(&mut server)), sends);
        assert!(server.is_closed());
        assert_eq!(server.next_timeout(), None);
    }
}

/// CONNECT has a deadline, and so has each AUTH before CONNACK; accepting has none.
#[test]
fn server_awaits_connect() {
    let mut server = server::Connection::new(secs(5), secs(10));
    assert_eq!(server.next_timeout(), Some(secs(15)));
    server.handle_timeout(secs(15));
    assert_eq!(closed(server.poll_event()), Some(Closed::TimedOut));
    assert_eq!(sent(&mut server), []);

    let server = asked(Version::V5, connect(1, <_>::default()));
    assert_eq!(server.next_timeout(), None);

    let method = mqtt_sansio::Text::new("m").unwrap();
    let properties = ConnectProperties::builder()
        .authentication_method(method)
        .build();
    let mut server = asked(Version::V5, connect(1, properties));
    assert_eq!(server.next_timeout(), None);
    let auth = mqtt_sansio::packet::Auth::new(ReasonCode::ContinueAuthentication, method);
    server.auth(auth).unwrap();
    assert_eq!(server.next_timeout(), Some(secs(10)));
}

/// 0 is never, whatever the time.
#[test]
fn times_beyond_all_clocks() {
    let plain = (connect(9, <_>::default()), connack(<_>::default()));
    let mut client = connected(Version::V5, plain.0.clone(), plain.1.clone());
    let end = std::time::Duration::MAX;
    client.publish(QoS::AtMostOnce, message("t")).unwrap();
    assert!(client.poll_transmit(end).is_some());
    assert_eq!(client.next_timeout(), Some(end));
    let mut server = accepted(Version::V5, plain.0, plain.1);
    let packet = Packet::from(publish(Delivery::AtMostOnce, "t"));
    handle_at(&mut server, end, Version::V5, &packet).unwrap();
    assert_eq!(server.next_timeout(), Some(end));
    let _: Connect = connect(0, <_>::default());
}

/// By any clock: CONNECT is the last packet that the client has sent.
#[test]
fn client_counts_from_connect() {
    for version in BOTH {
        let mut client = client::Connection::new().keep_alive_margin(0);
        client
            .connect(version, connect(10, <_>::default()))
            .unwrap();
        assert!(client.poll_transmit(secs(1_000)).is_some());
        let packet = Packet::from(connack(<_>::default()));
        handle_at(&mut client, secs(1_004), version, &packet).unwrap();
        assert_eq!(client.next_timeout(), Some(secs(1_010)));
        client.handle_timeout(secs(1_009));
        assert_eq!(client.poll_transmit(secs(1_009)), None);
        client.handle_timeout(secs(1_010));
        assert_eq!(client.poll_transmit(secs(1_010)), Some(Packet::PingReq));
    }
}

/// What the connection before was waiting for is over with it.
#[test]
fn a_new_connection_owes_no_old_answer() {
    for version in BOTH {
        let plain = (connect(10, <_>::default()), connack(<_>::default()));
        let mut client = connected(version, plain.0.clone(), plain.1.clone());
        client.handle_timeout(secs(10));
        assert_eq!(client.poll_transmit(secs(10)), Some(Packet::PingReq));
        // PINGRESP would be late at 30, or at 32, as CONNACK shows that the link is alive.
        client.handle_close();
        client.connect(version, plain.0).unwrap();
        assert_eq!(client.next_timeout(), None);
        assert!(client.poll_transmit(secs(12)).is_some());
        handle_at(&mut client, secs(12), version, &Packet::from(plain.1)).unwrap();
        assert_eq!(client.next_timeout(), Some(secs(22)));
        client.handle_timeout(secs(22));
        assert_eq!(client.poll_transmit(secs(22)), Some(Packet::PingReq));
        client.handle_timeout(secs(31));
        assert!(client.is_connected());
        client.handle_timeout(secs(33));
        assert!(client.is_connected());
    }
}
