//! Enhanced authentication.

use std::num::NonZeroU32;

use mqtt_sansio::connection::{
    Closed, Connection, ConnectionError, Event, Outcome, Role, Violation, client,
};
use mqtt_sansio::packet::{Auth, Subscribe};
use mqtt_sansio::property::{AuthProperties, ConnAckProperties, ConnectProperties};
use mqtt_sansio::{Packet, QoS, ReasonCode, Text, Version};

use crate::driver::*;

fn auth(reason: ReasonCode, method: &str) -> Auth {
    Auth::new(reason, Text::new(method).unwrap())
}

/// Hands all that one side sends to the other.
fn pass<F: Role, T: Role>(from: &mut Connection<F>, to: &mut Connection<T>) -> Vec<Found> {
    let packets = sent(from);
    packets
        .iter()
        .map(|packet| handle(to, packet).unwrap())
        .collect()
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
        let early = server.accept(ZERO, connack(<_>::default()), &mut None);
        assert_eq!(early, out_of_turn);
        assert_eq!(pass(&mut server, &mut client), [Found::Auth]);
        client.auth(auth(ContinueAuthentication, "m")).unwrap();
        assert_eq!(pass(&mut client, &mut server), [Found::Auth]);
    }
    server
        .accept(ZERO, connack(<_>::default()), &mut None)
        .unwrap();
    assert_eq!(pass(&mut server, &mut client), [Found::Nothing]);
    assert!(matches!(client.poll_event(), Some(Event::Connected(_))));
    // Again, while other packets go on.
    assert_eq!(server.auth(auth(Success, "m")), out_of_turn);
    client.auth(auth(ReAuthenticate, "m")).unwrap();
    let call = client.publish(QoS::AtMostOnce, message("t")).unwrap();
    let found = pass(&mut client, &mut server);
    assert!(matches!(&found[..], [Found::Auth, Found::Message(..)]));
    server.auth(auth(ContinueAuthentication, "m")).unwrap();
    assert_eq!(pass(&mut server, &mut client), [Found::Auth]);
    client.auth(auth(ContinueAuthentication, "m")).unwrap();
    assert_eq!(pass(&mut client, &mut server), [Found::Auth]);
    server.auth(auth(Success, "m")).unwrap();
    assert_eq!(pass(&mut server, &mut client), [Found::Nothing]);
    let left = Event::Published(call, Outcome::Sent);
    assert_eq!(events(&mut client), [left, Event::Reauthenticated]);

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
    assert_eq!(server.accept(ZERO, with_method, &mut None), out_of_turn);
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
        let judged = handle(&mut client, &Packet::ConnAck(answer));
        let violation = match wrong {
            None => Violation::ConnAckMethod,
            Some(_) => Violation::AuthenticationMethod,
        };
        assert_eq!(judged, Err(violation));
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
    let _ = sent(&mut turn);
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
            let judged = handle(&mut client, &packet).is_ok();
            assert_eq!(last(&sent(&mut client)).is_none(), judged);
            judged
        });
        let servers = [&asked, &turn, &done].map(|server| {
            let mut server = server.clone();
            handle(&mut server, &packet).is_ok()
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
        sent(&mut server),
        [Packet::from(auth(ContinueAuthentication, "m"))]
    );
}

/// CONNECT with the authentication method `m`.
fn with_method(keep_alive: u16) -> mqtt_sansio::packet::Connect {
    let method = Text::new("m").unwrap();
    let properties = ConnectProperties::builder().authentication_method(method);
    connect(keep_alive, properties.build())
}

/// CONNACK with the authentication method `m`.
fn accepted_method() -> mqtt_sansio::packet::ConnAck {
    let method = Text::new("m").unwrap();
    let properties = ConnAckProperties::builder().authentication_method(method);
    connack(properties.build())
}

/// Sends what is queued at this second, and returns what.
fn sent_at<R: Role>(connection: &mut Connection<R>, now: u64) -> Vec<Packet> {
    let next = |connection: &mut Connection<R>| {
        let packet = connection.poll_transmit(secs(now))?;
        Some(packet.to_owned())
    };
    std::iter::from_fn(|| next(connection)).collect()
}

fn receive_at<R: Role>(connection: &mut Connection<R>, now: u64, packet: impl Into<Packet>) {
    handle_at(connection, secs(now), Version::V5, &packet.into()).unwrap();
}

/// Two rounds of an authentication, from the second 1,000: in each the end takes its time, and its
/// peer has `timeout`, of which it needs nearly all. Other packets do not give it more.
fn rounds_are_timed<R: Role + Clone>(
    connection: &mut Connection<R>,
    timeout: u64,
    is_accepted: bool,
) {
    let step = || auth(ReasonCode::ContinueAuthentication, "m");
    for start in [1_000, 3_000] {
        // The end's own turn.
        assert_eq!(connection.next_timeout(), None);
        connection.handle_timeout(secs(start));
        connection.auth(step()).unwrap();
        assert_eq!(connection.next_timeout(), Some(secs(start + timeout)));
        // That it waits to be sent is not held against the peer.
        connection.handle_timeout(secs(start + timeout));
        assert_eq!(connection.next_timeout(), Some(secs(start + 2 * timeout)));
        connection.handle_timeout(secs(start + 50));
        assert_eq!(connection.next_timeout(), Some(secs(start + 50 + timeout)));
        assert_eq!(sent_at(connection, start + 100), [step().into()]);
        let until = start + 100 + timeout;
        assert_eq!(connection.next_timeout(), Some(secs(until)));
        connection.handle_timeout(secs(until - 1));
        if is_accepted {
            let packet = publish(mqtt_sansio::Delivery::AtMostOnce, "t");
            receive_at(connection, until - 1, packet);
        }
        assert_eq!(connection.next_timeout(), Some(secs(until)));
        receive_at(connection, until - 1, step());
        connection.handle_timeout(secs(start + 1_000));
        assert_eq!(connection.ended(), Ok(()));
    }
    // A caller that does not read gives the peer its time again.
    let mut paused = connection.clone();
    paused.auth(step()).unwrap();
    let _ = sent_at(&mut paused, 5_000);
    paused.pause_reading(secs(5_001));
    assert_eq!(paused.next_timeout(), None);
    paused.resume_reading(secs(6_000));
    assert_eq!(paused.next_timeout(), Some(secs(6_000 + timeout)));
}

/// The peer does not answer the last AUTH: how the end ends.
fn last_round<R: Role>(mut connection: Connection<R>, timeout: u64) -> Option<(u8, ReasonCode)> {
    let step = auth(ReasonCode::ContinueAuthentication, "m");
    connection.auth(step).unwrap();
    let _ = sent_at(&mut connection, 7_000);
    connection.handle_timeout(secs(7_000 + timeout - 1));
    assert_eq!(connection.ended(), Ok(()));
    connection.handle_timeout(secs(7_000 + timeout));
    assert_eq!(connection.ended(), Err(Closed::TimedOut));
    let sent = last(&sent_at(&mut connection, 7_000 + timeout));
    assert!(connection.is_closed());
    sent
}

/// Each round anew, and never while it is the server's own turn.
#[test]
fn server_times_each_round() {
    let mut server = asked(Version::V5, with_method(0));
    rounds_are_timed(&mut server, 10, false);
    let refused = Some((2, ReasonCode::NotAuthorized));
    assert_eq!(last_round(server.clone(), 10), refused);

    server
        .accept(secs(6_000), connack(<_>::default()), &mut None)
        .unwrap();
    let _ = sent_at(&mut server, 6_000);
    assert_eq!(server.next_timeout(), None);
    // So it is on a connection that is accepted.
    let mut server = accepted(Version::V5, with_method(0), connack(<_>::default()));
    receive_at(&mut server, 900, auth(ReasonCode::ReAuthenticate, "m"));
    rounds_are_timed(&mut server, 10, true);
    let ended = Some((14, ReasonCode::NotAuthorized));
    assert_eq!(last_round(server.clone(), 10), ended);
    server.auth(auth(ReasonCode::Success, "m")).unwrap();
    let _ = sent_at(&mut server, 6_000);
    assert_eq!(server.next_timeout(), None);

    // Keep alive counts as well.
    let mut server = accepted(Version::V5, with_method(4), connack(<_>::default()));
    receive_at(&mut server, 5, auth(ReasonCode::ReAuthenticate, "m"));
    assert_eq!(server.next_timeout(), Some(secs(11)));
    let step = auth(ReasonCode::ContinueAuthentication, "m");
    server.auth(step).unwrap();
    let _ = sent_at(&mut server, 6);
    receive_at(&mut server, 10, Packet::PingReq);
    assert_eq!(server.next_timeout(), Some(secs(16)));
    // That other answers wait is no reason to wait for AUTH.
    let request = Subscribe::new(id(1), subscriptions("t")).into();
    let found = handle_at(&mut server, secs(15), Version::V5, &request);
    server.sub_ack(found.unwrap().request(), [OK]).unwrap();
    server.handle_timeout(secs(16));
    assert_eq!(server.ended(), Err(Closed::TimedOut));
}

/// As a server does.
#[test]
fn client_times_each_round() {
    let mut client = client::Connection::new().response_timeout(secs(3));
    client.connect(Version::V5, with_method(0)).unwrap();
    assert_eq!(sent_at(&mut client, 500).len(), 1);
    assert_eq!(client.next_timeout(), Some(secs(503)));
    let step = auth(ReasonCode::ContinueAuthentication, "m");
    receive_at(&mut client, 502, step);
    rounds_are_timed(&mut client, 3, false);
    let ended = Some((14, ReasonCode::UnspecifiedError));
    assert_eq!(last_round(client.clone(), 3), ended);

    // The server may accept while it is the client's turn.
    receive_at(&mut client, 6_000, accepted_method());
    assert!(client.is_connected());
    assert_eq!(client.next_timeout(), None);
    let begin = auth(ReasonCode::ReAuthenticate, "m");
    let mut other = client.clone();
    other.auth(begin.clone()).unwrap();
    assert_eq!(sent_at(&mut other, 6_100).len(), 1);
    assert_eq!(other.next_timeout(), Some(secs(6_103)));
    // A ping has a time of its own, and its answer is none to AUTH.
    other.ping().unwrap();
    assert_eq!(sent_at(&mut other, 6_101), [Packet::PingReq]);
    receive_at(&mut other, 6_102, Packet::PingResp);
    assert_eq!(other.next_timeout(), Some(secs(6_103)));
    other.handle_timeout(secs(6_103));
    assert_eq!(other.ended(), Err(Closed::TimedOut));
    // Nor is AUTH one to a ping.
    let mut other = client.clone();
    other.ping().unwrap();
    other.auth(begin.clone()).unwrap();
    let _ = sent_at(&mut other, 6_100);
    let step = auth(ReasonCode::ContinueAuthentication, "m");
    receive_at(&mut other, 6_102, step);
    assert_eq!(other.next_timeout(), Some(secs(6_105)));

    // So it is on a connection that is accepted.
    let mut client = client::Connection::new().response_timeout(secs(3));
    client.connect(Version::V5, with_method(0)).unwrap();
    let _ = sent_at(&mut client, 500);
    receive_at(&mut client, 502, accepted_method());
    client.auth(begin).unwrap();
    let _ = sent_at(&mut client, 900);
    let step = auth(ReasonCode::ContinueAuthentication, "m");
    receive_at(&mut client, 902, step);
    rounds_are_timed(&mut client, 3, true);
    assert_eq!(last_round(client, 3), ended);
}
