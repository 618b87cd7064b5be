//! Enhanced authentication.

use std::num::NonZeroU32;

use mqtt_sansio::connection::{Connection, ConnectionError, Event, Outcome, Role, Violation};
use mqtt_sansio::packet::Auth;
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
