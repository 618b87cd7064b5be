//! MQTT 5.0 section 3.2: CONNACK.

use mqtt_sansio::connection::{Closed, ConnectionError, Event, Violation};
use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::property::ConnAckProperties;
use mqtt_sansio::{QoS, ReasonCode, Version};
use reference_broker::Access;
use support::script::{ClientEnd, Net, ServerEnd, connack, connect, lasting, message};

use crate::Test;
use crate::clean_start::unfinished;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "first_packet",
        v311: &["3.2.0-1"],
        v5: &["3.2.0-1"],
        run: first_packet,
    },
    Test {
        name: "only_once",
        v311: &[],
        v5: &["3.2.0-2"],
        run: only_once,
    },
    Test {
        name: "session_present",
        v311: &["3.2.2-1", "3.2.2-2", "3.2.2-3"],
        v5: &["3.2.2-2", "3.2.2-3"],
        run: session_present,
    },
    Test {
        name: "refusal_has_no_session",
        v311: &["3.2.2-4 server", "U311-3.1.4-15", "U311-3.2.2.3-18"],
        v5: &["3.2.2-6 server", "U5-3.2.2.2-61"],
        run: refusal_has_no_session,
    },
    Test {
        name: "session_at_the_server_alone",
        v311: &[],
        v5: &["3.2.2-4"],
        run: session_at_the_server_alone,
    },
    Test {
        name: "session_at_the_client_alone",
        v311: &[],
        v5: &["3.2.2-5"],
        run: session_at_the_client_alone,
    },
    Test {
        name: "refusal_is_the_end",
        v311: &["3.2.2-5"],
        v5: &["3.2.2-7"],
        run: refusal_is_the_end,
    },
    Test {
        name: "code_that_there_is_not",
        v311: &["3.2.2-6"],
        v5: &["3.2.2-8 server"],
        run: code_that_there_is_not,
    },
];

/// Of the server: also before what waits for the session, and before the answers to what the client
/// sends at once. A client takes nothing else.
fn first_packet(version: Version) {
    let net = Net::new();
    let mut client = net.resume(version, "a");
    client.subscribe("t", 1);
    client.cut();
    let mut other = net.connect(version, "b");
    other.send("32 ~ 't' 00 01 [] \"x\"");
    let mut client = net.open(version);
    client.send("10 ~ 'MQTT' VV 00 00 00 [] 'a' | C0 00");
    client.expect("20 ~ 01 00 [27 01 00 00 00 22 00 10]");
    client.expect("D0 00 | 32 ~ 't' 00 01 [] \"x\"");

    for early in ["30 ~ 't' []", "D0 00", "90 ~ 00 01 [] 00", "40 02 00 01"] {
        let mut server = ClientEnd::connecting(version, connect("c"));
        server.send(early);
        assert!(matches!(
            server.end.violation(),
            Some(Violation::UnexpectedPacket(_))
        ));
        server.expect_close_with(0x82);
    }
}

/// The server cannot send a second one, and the client takes none.
fn only_once(version: Version) {
    let mut client = ServerEnd::plain(version);
    let now = client.end.now;
    let again = connack(ConnAckProperties::default());
    let server = &mut client.end.connection;
    assert_eq!(
        server.accept(now, again, &mut None),
        Err(ConnectionError::WrongState)
    );
    let refusal = ConnAck::new(ReasonCode::ServerBusy);
    assert_eq!(server.refuse(refusal), Err(ConnectionError::WrongState));
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'c'");
    client.expect_close_with(0x82);

    let mut server = ClientEnd::plain(version);
    server.send("20 ~ 00 00 []");
    server.expect_close_with(0x82);
}

/// It says whether there is a session, and none is there for a clean start.
fn session_present(version: Version) {
    // A server's connection says so by itself, whatever it is given.
    for (flags, session, present) in [
        ("00", false, "00"),
        ("00", true, "01"),
        ("02", false, "00"),
        ("02", true, "00"),
    ] {
        for claimed in [false, true] {
            let mut client = ServerEnd::new(version);
            client.send(&format!(
                "10 ~ 'MQTT' VV {flags} 00 00 [11 00 00 00 64] 'a'"
            ));
            let now = client.end.now;
            let mut accepted = connack(ConnAckProperties::default());
            accepted.session_present = claimed;
            let mut session = session.then(unfinished);
            let server = &mut client.end.connection;
            server.accept(now, accepted, &mut session).unwrap();
            client.expect(&format!("20 ~ {present} 00 []"));
        }
    }
    let net = Net::new();
    let lasting = "10 ~ 'MQTT' VV 00 00 00 [11 00 00 00 64] 'a'";
    let clean = "10 ~ 'MQTT' VV 02 00 00 [11 00 00 00 64] 'a'";
    let kept = version == Version::V5;
    for (connect, present) in [
        (lasting, false),
        (lasting, true),
        (lasting, true),
        (clean, false),
        // In 3.1.1 a clean session ends with its connection.
        (lasting, kept),
        (clean, false),
        (clean, false),
    ] {
        let (client, connack) = net.connect_with(version, connect);
        assert_eq!(connack.session_present, present);
        client.leave();
    }
    if version == Version::V5 {
        net.connect_with(version, lasting).0.leave();
        net.wait(99);
        let (client, connack) = net.connect_with(version, lasting);
        assert!(connack.session_present);
        client.leave();
        net.wait(100);
        let (_, connack) = net.connect_with(version, lasting);
        assert!(!connack.session_present);
    }
}

/// Whatever session there is.
fn refusal_has_no_session(version: Version) {
    let net = Net::with_policy(Access::default().user("u", "secret"));
    let known = "10 ~ 'MQTT' VV C0 00 00 [11 00 00 00 64] 'a' 'u' 'secret'";
    net.connect_with(version, known).0.leave();
    let mut client = net.open(version);
    client.send("10 ~ 'MQTT' VV C0 00 00 [11 00 00 00 64] 'a' 'u' 'wrong'");
    match version {
        Version::V311 => client.expect("20 02 00 04"),
        Version::V5 => client.expect("20 ~ 00 86 []"),
    }
    client.expect_close();

    let mut client = ServerEnd::new(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'c'");
    let mut refusal = ConnAck::new(ReasonCode::NotAuthorized);
    refusal.session_present = true;
    let refused = client.end.connection.refuse(refusal);
    assert!(matches!(refused, Err(ConnectionError::Encode(_))));
    client.expect_nothing();
}

/// A client that knows of no session does not go on with one.
fn session_at_the_server_alone(version: Version) {
    let mut server = ClientEnd::connecting(version, lasting(version, "c"));
    server.send("20 ~ 01 00 []");
    assert_eq!(server.end.violation(), Some(Violation::SessionPresent));
    server.expect_close_with(0x82);
}

/// It is forgotten: nothing of it is sent again, and its identifiers are free.
fn session_at_the_client_alone(version: Version) {
    let mut server = ClientEnd::accepted(version, lasting(version, "c"), "20 ~ 00 00 []");
    let client = &mut server.end.connection;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        client.publish(qos, message("t", "x")).unwrap();
    }
    server.expect("32 ~ 't' 00 01 [] \"x\" | 34 ~ 't' 00 02 [] \"x\"");
    server.send("34 ~ 't' 00 07 [] \"first\" | 50 02 00 02");
    server.expect("50 02 00 07 | 62 02 00 02");
    server.reconnect(lasting(version, "c"), "20 ~ 00 00 []");
    server.expect_open();
    assert!(server.end.connection.session().is_empty());
    server.send("34 ~ 't' 00 07 [] \"second\"");
    server.expect("50 02 00 07");
    assert_eq!(server.end.delivered, ["t=first", "t=second"]);
}

/// Nothing is sent or taken behind a refusal, on either side.
fn refusal_is_the_end(version: Version) {
    let (reason, code) = match version {
        Version::V311 => (ReasonCode::NotAuthorized, "20 02 00 05"),
        Version::V5 => (ReasonCode::NotAuthorized, "20 ~ 00 87 []"),
    };
    let mut client = ServerEnd::new(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'c'");
    let refusal = ConnAck::new(reason);
    client.end.connection.refuse(refusal).unwrap();
    client.expect(code);
    client.expect_close();

    let mut server = ClientEnd::connecting(version, connect("c"));
    server.send(code);
    server.expect_close();
    let refusal = ConnAck::new(ReasonCode::NotAuthorized);
    let closed = Event::Closed(Closed::Refused(Box::new(refusal)));
    assert_eq!(server.end.events(), [closed]);
}

/// 3.1.1 closes without a word where it has none; a server cannot send what is no code of CONNACK.
fn code_that_there_is_not(version: Version) {
    let refusing = |reason| {
        let mut client = ServerEnd::new(version);
        client.send("10 ~ 'MQTT' VV 02 00 00 [] 'c'");
        let refusal = ConnAck::new(reason);
        let refused = client.end.connection.refuse(refusal);
        (client, refused)
    };
    let (mut client, refused) = refusing(ReasonCode::Banned);
    refused.unwrap();
    if version == Version::V5 {
        client.expect("20 ~ 00 8A []");
    }
    client.expect_close();
    if version == Version::V5 {
        for reason in [ReasonCode::SessionTakenOver, ReasonCode::TopicFilterInvalid] {
            let (mut client, refused) = refusing(reason);
            assert!(refused.is_err());
            client.expect_nothing();
        }
    }
}
