//! MQTT 5.0 section 4.12: enhanced authentication.

use std::time::Duration;

use mqtt_sansio::connection::{ConnectionError, Event, Violation};
use mqtt_sansio::packet::{Auth, ConnAck, Connect, Disconnect};
use mqtt_sansio::{Packet, ReasonCode, Version};
use reference_broker::{AuthStep, ConnectionId, Policy};
use support::script::{ClientEnd, Link, Net, Script, ServerEnd, connect};

use crate::Test;
use crate::sides::packet;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "unknown_method_is_refused",
        v311: &[],
        v5: &["4.12.0-1"],
        run: unknown_method_is_refused,
    },
    Test {
        name: "both_sides_go_on_with_0x18",
        v311: &[],
        v5: &["4.12.0-2", "4.12.0-3", "U5-4.13.1-220"],
        run: both_sides_go_on_with_0x18,
    },
    Test {
        name: "server_refuses_at_any_step",
        v311: &[],
        v5: &["4.12.0-4"],
        run: server_refuses_at_any_step,
    },
    Test {
        name: "method_stays",
        v311: &[],
        v5: &["4.12.0-5", "U5-3.15-185"],
        run: method_stays,
    },
    Test {
        name: "no_method_no_auth",
        v311: &[],
        v5: &["4.12.0-6", "4.12.0-7", "U5-3.1.2.11.9-37", "U5-3.15-185"],
        run: no_method_no_auth,
    },
    Test {
        name: "client_begins_again",
        v311: &[],
        v5: &["4.12.1-1"],
        run: client_begins_again,
    },
    Test {
        name: "failure_on_a_connection_ends_it",
        v311: &[],
        v5: &["4.12.1-2"],
        run: failure_on_a_connection_ends_it,
    },
];

/// Knows the method `m`: asks twice, and wants `yes` each time.
#[derive(Debug, Default)]
struct Twice(u8);

impl Policy for Twice {
    fn auth(&mut self, _: ConnectionId, method: &str, data: &[u8]) -> AuthStep {
        self.0 += 1;
        match (method, data) {
            ("m", b"") => self.0 = 0,
            ("m", b"yes") => {}
            ("m", _) => return AuthStep::Refused(ReasonCode::NotAuthorized),
            _ => return AuthStep::Refused(ReasonCode::BadAuthenticationMethod),
        }
        match self.0 {
            2 => AuthStep::Success(b"in".to_vec()),
            _ => AuthStep::Continue(b"so?".to_vec()),
        }
    }
}

const CONNECT: &str = "10 ~ 'MQTT' VV 02 00 00 [15 'm'] 'c'";
const ASKS: &str = "F0 ~ 18 [15 'm' 16 'so?']";
const YES: &str = "F0 ~ 18 [15 'm' 16 'yes']";
const NO: &str = "F0 ~ 18 [15 'm' 16 'no']";

/// A client that the broker knows after both steps.
fn authenticated(version: Version) -> Script<Link> {
    let mut client = Net::with_policy(Twice::default()).open(version);
    client.send(CONNECT);
    for _ in 0..2 {
        client.expect(ASKS);
        client.expect_open();
        client.send(YES);
    }
    let Packet::ConnAck(connack) = client.receive() else {
        panic!("no CONNACK");
    };
    assert_eq!(connack.reason, ReasonCode::Success);
    let method = connack.properties.authentication_method().unwrap();
    assert_eq!(method, "m");
    let data = connack.properties.authentication_data().unwrap();
    assert_eq!(data.as_bytes(), b"in");
    client.expect_open();
    client
}

/// CONNECT with the method `m`.
pub(crate) fn connect_with_method(version: Version) -> Connect {
    match packet(version, CONNECT) {
        Packet::Connect(connect) => connect,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn auth(version: Version, text: &str) -> Auth {
    match packet(version, text) {
        Packet::Auth(auth) => auth,
        other => panic!("{other:?}"),
    }
}

fn unknown_method_is_refused(version: Version) {
    for method in ["other", "M", "m ", "mm"] {
        let mut client = Net::with_policy(Twice::default()).open(version);
        client.send(&format!("10 ~ 'MQTT' VV 02 00 00 [15 '{method}'] 'c'"));
        client.expect("20 ~ 00 8C []");
        client.expect_close();
    }
    // Without a policy no method is known.
    let mut client = Net::new().open(version);
    client.send(CONNECT);
    client.expect("20 ~ 00 8C []");
    client.expect_close();
}

/// Before CONNACK AUTH has 0x18 from both sides, and any other code from either is an error.
fn both_sides_go_on_with_0x18(version: Version) {
    authenticated(version);
    for wrong in ["F0 ~ 00 [15 'm']", "F0 ~ 19 [15 'm']", "F0 00"] {
        let mut client = Net::with_policy(Twice::default()).open(version);
        client.send(CONNECT);
        client.expect(ASKS);
        client.send(wrong);
        client.expect("20 ~ 00 82 []");
        client.expect_close();
        let mut server = ClientEnd::connecting(version, connect_with_method(version));
        server.send(wrong);
        server.expect_close_with(0x82);
    }
    let mut server = ClientEnd::connecting(version, connect_with_method(version));
    for _ in 0..3 {
        server.send(ASKS);
        server.expect_open();
        let connection = &mut server.end.connection;
        for wrong in ["F0 ~ 00 [15 'm']", "F0 ~ 19 [15 'm']"] {
            let refused = connection.auth(auth(version, wrong));
            assert_eq!(refused, Err(ConnectionError::Authentication));
        }
        connection.auth(auth(version, YES)).unwrap();
        // It is the server's turn.
        let refused = connection.auth(auth(version, YES));
        assert_eq!(refused, Err(ConnectionError::Authentication));
        server.expect(YES);
        server.expect_open();
    }
    server.send("20 ~ 00 00 [15 'm']");
    server.expect_open();
    assert!(server.end.connection.is_connected());
}

fn server_refuses_at_any_step(version: Version) {
    for steps in 0..2 {
        let mut client = Net::with_policy(Twice::default()).open(version);
        client.send(CONNECT);
        for _ in 0..steps {
            client.expect(ASKS);
            client.send(YES);
        }
        client.expect(ASKS);
        client.send(NO);
        client.expect("20 ~ 00 87 []");
        client.expect_close();
        // The client closes, too.
        let mut server = ClientEnd::connecting(version, connect_with_method(version));
        for _ in 0..steps {
            server.send(ASKS);
            server.end.connection.auth(auth(version, YES)).unwrap();
            server.expect(YES);
        }
        server.send("20 ~ 00 87 []");
        server.expect_close();
    }
    let mut client = Net::with_policy(Twice::default()).open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [15 'm' 16 'no'] 'c'");
    client.expect("20 ~ 00 87 []");
    client.expect_close();
}

/// Another method in AUTH or CONNACK, or none, is refused to the application and to the peer.
fn method_stays(version: Version) {
    authenticated(version);
    for other in ["[15 'n']", "[15 'M']", "[15 'mm']", "[]"] {
        let mut client = Net::with_policy(Twice::default()).open(version);
        client.send(CONNECT);
        client.expect(ASKS);
        client.send(&format!("F0 ~ 18 {other}"));
        client.expect("20 ~ 00 82 []");
        client.expect_close();
        let mut client = authenticated(version);
        client.send(&format!("F0 ~ 19 {other}"));
        client.expect_close_with(0x82);

        for wrong in [format!("F0 ~ 18 {other}"), format!("20 ~ 00 00 {other}")] {
            let mut server = ClientEnd::connecting(version, connect_with_method(version));
            server.send(&wrong);
            server.expect_close_with(0x82);
        }
        if other == "[]" {
            continue;
        }
        let wrong = auth(version, &format!("F0 ~ 18 {other}"));
        let mut server = ClientEnd::connecting(version, connect_with_method(version));
        server.send(ASKS);
        let refused = server.end.connection.auth(wrong.clone());
        assert_eq!(refused, Err(ConnectionError::Authentication));
        server.expect_open();
        let mut client = ServerEnd::new(version);
        client.send(CONNECT);
        let refused = client.end.connection.auth(wrong);
        assert_eq!(refused, Err(ConnectionError::Authentication));
        client.expect_open();
        // A server's connection puts the method into CONNACK by itself.
        let connack = ConnAck::new(ReasonCode::Success);
        let connection = &mut client.end.connection;
        connection
            .accept(Duration::ZERO, connack, &mut None)
            .unwrap();
        client.expect("20 ~ 00 00 [15 'm']");
        client.expect_open();
    }
}

/// Where CONNECT has no method, neither side has a use for one.
fn no_method_no_auth(version: Version) {
    // The server sends none, ...
    let mut client = ServerEnd::new(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'c'");
    let refused = client.end.connection.auth(auth(version, ASKS));
    assert_eq!(refused, Err(ConnectionError::Authentication));
    let Packet::ConnAck(connack) = packet(version, "20 ~ 00 00 [15 'm']") else {
        unreachable!();
    };
    let connection = &mut client.end.connection;
    let refused = connection.accept(Duration::ZERO, connack, &mut None);
    assert_eq!(refused, Err(ConnectionError::Authentication));
    client.expect_open();
    let hello = "10 ~ 'MQTT' VV 02 00 00 [] 'c'";
    let (_, connack) = Net::with_policy(Twice::default()).connect_with(version, hello);
    assert_eq!(connack.properties.authentication_method(), None);
    // ... and takes none, before CONNACK and after it.
    let mut client = ServerEnd::new(version);
    client.send(&format!("{hello} | {YES}"));
    client.expect_open();
    client.end.accept(ConnAck::new(ReasonCode::Success));
    client.expect("20 ~ 00 00 []");
    client.expect_close_with(0x82);
    let mut client = ServerEnd::new(version);
    client.send(hello);
    let early = packet(version, YES);
    let connection = &mut client.end.connection;
    let refused = connection.handle_packet(Duration::ZERO, version, &early);
    assert_eq!(refused, Err(Violation::AuthenticationMethod));
    client.expect("20 ~ 00 82 []");
    client.expect_close();
    for wrong in [YES, "F0 ~ 19 [15 'm']", "F0 00"] {
        let mut client = Net::with_policy(Twice::default()).connect(version, "c");
        client.send(wrong);
        client.expect_close_with(0x82);
    }
    // So with the client.
    for wrong in [YES, "F0 ~ 19 [15 'm']"] {
        let mut server = ClientEnd::plain(version);
        let refused = server.end.connection.auth(auth(version, wrong));
        assert_eq!(refused, Err(ConnectionError::Authentication));
        server.expect_open();
    }
    for wrong in [ASKS, "20 ~ 00 00 [15 'm']", "F0 00"] {
        let mut server = ClientEnd::connecting(version, connect("c"));
        server.send(wrong);
        server.expect_close_with(0x82);
    }
    let mut server = ClientEnd::plain(version);
    server.send(ASKS);
    server.expect_close_with(0x82);
}

/// With 0x19 and the same method, at any time after CONNACK and not before. All else goes on
/// meanwhile, and it can be done again.
fn client_begins_again(version: Version) {
    let mut client = authenticated(version);
    for _ in 0..2 {
        client.send("F0 ~ 19 [15 'm']");
        client.expect(ASKS);
        client.send("82 ~ 00 01 [] 't' 00 | 30 ~ 't' [] \"x\"");
        client.expect("90 ~ 00 01 [] 00 | 30 ~ 't' [] \"x\"");
        client.send(YES);
        client.expect(ASKS);
        client.send(YES);
        client.expect("F0 ~ 00 [15 'm' 16 'in']");
        client.expect_open();
    }

    let mut server = ClientEnd::connecting(version, connect_with_method(version));
    let begin = auth(version, "F0 ~ 19 [15 'm']");
    let refused = server.end.connection.auth(begin.clone());
    assert_eq!(refused, Err(ConnectionError::Authentication));
    server.send("20 ~ 00 00 [15 'm']");
    server.expect_open();
    for _ in 0..2 {
        let connection = &mut server.end.connection;
        let other = connection.auth(auth(version, "F0 ~ 19 [15 'n']"));
        assert_eq!(other, Err(ConnectionError::Authentication));
        connection.auth(begin.clone()).unwrap();
        let again = connection.auth(begin.clone());
        assert_eq!(again, Err(ConnectionError::Authentication));
        server.expect("F0 ~ 19 [15 'm']");
        server.send(ASKS);
        server.send("32 ~ 't' 00 01 [] \"x\"");
        server.expect("40 ~ 00 01");
        server.end.connection.auth(auth(version, YES)).unwrap();
        server.expect(YES);
        let _ = server.end.events();
        server.send("F0 ~ 00 [15 'm']");
        assert_eq!(server.end.events(), [Event::Reauthenticated]);
        server.expect_open();
    }
    // The server does not begin.
    server.send("F0 ~ 19 [15 'm']");
    server.expect_close_with(0x82);
}

/// Whichever side finds that it fails.
fn failure_on_a_connection_ends_it(version: Version) {
    for steps in 0..2 {
        let mut client = authenticated(version);
        client.send("F0 ~ 19 [15 'm']");
        for _ in 0..steps {
            client.expect(ASKS);
            client.send(YES);
        }
        client.expect(ASKS);
        client.send(NO);
        client.expect_close_with(0x87);
    }
    let mut server =
        ClientEnd::accepted(version, connect_with_method(version), "20 ~ 00 00 [15 'm']");
    let connection = &mut server.end.connection;
    connection.auth(auth(version, "F0 ~ 19 [15 'm']")).unwrap();
    server.expect("F0 ~ 19 [15 'm']");
    server.send(ASKS);
    let last = Disconnect::new(ReasonCode::UnspecifiedError);
    server.end.connection.disconnect(last).unwrap();
    server.expect("E0 01 80");
    server.expect_close();
    // And when the other side says so.
    let mut server =
        ClientEnd::accepted(version, connect_with_method(version), "20 ~ 00 00 [15 'm']");
    let connection = &mut server.end.connection;
    connection.auth(auth(version, "F0 ~ 19 [15 'm']")).unwrap();
    server.expect("F0 ~ 19 [15 'm']");
    server.send("E0 01 87");
    server.expect_close();
}
