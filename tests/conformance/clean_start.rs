//! MQTT 5.0 section 3.1.2.4: Clean Start.

use mqtt_sansio::packet::Disconnect;
use mqtt_sansio::property::ConnAckProperties;
use mqtt_sansio::session::Session;
use mqtt_sansio::{Message, QoS, ReasonCode, Version};
use support::script::{
    ClientEnd, Link, Net, Script, ServerEnd, connack, connect, lasting, message,
};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "session_is_resumed",
        v311: &["3.1.2-4 server", "3.1.2-5", "3.1.4-3"],
        v5: &["3.1.2-5", "3.1.2-6", "3.1.2-23 server", "3.1.4-4"],
        run: session_is_resumed,
    },
    Test {
        name: "client_goes_on_with_its_session",
        v311: &["3.1.2-4 client", "3.1.2-6 client"],
        v5: &[
            "3.1.2-4 client",
            "3.1.2-23 client",
            "3.2.2-4",
            "U5-3.1.2.11.2-18 client",
            "U5-3.1.2.11.2-19 client",
            "U5-3.14.2.2.2-175 client",
        ],
        run: client_goes_on_with_its_session,
    },
    Test {
        name: "clean_start_begins_anew",
        v311: &["3.1.2-6 server", "3.1.4-3"],
        v5: &["3.1.2-4 server", "3.1.4-4"],
        run: clean_start_begins_anew,
    },
    Test {
        name: "retained_messages_outlive_sessions",
        v311: &["3.1.2-7", "U311-4.1-25"],
        v5: &[],
        run: retained_messages_outlive_sessions,
    },
];

/// A session is made, outlives its connection, takes messages meanwhile, and is gone on with: what was
/// begun, and what has come since. It does not matter how the connection ends.
fn session_is_resumed(version: Version) {
    let ends: [fn(Script<Link>); 2] = [Script::<Link>::cut, Script::leave];
    for end in ends {
        session_is_resumed_after(end, version);
    }
}

fn session_is_resumed_after(end: fn(Script<Link>), version: Version) {
    let net = Net::new();
    let lasting = "10 ~ 'MQTT' VV 00 00 00 [11 00 00 00 64] 'a'";
    let (mut client, connack) = net.connect_with(version, lasting);
    assert!(!connack.session_present);
    client.subscribe("t", 2);
    let mut other = net.connect(version, "b");
    other.send("32 ~ 't' 00 01 [] \"w\"");
    other.expect("40 02 00 01");
    client.expect("32 ~ 't' 00 01 [] \"w\"");
    end(client);
    other.send("32 ~ 't' 00 01 [] \"x\" | 34 ~ 't' 00 02 [] \"y\"");
    other.expect("40 02 00 01 | 50 02 00 02");
    net.wait(99);
    let (mut client, connack) = net.connect_with(version, lasting);
    assert!(connack.session_present);
    client.expect("3A ~ 't' 00 01 [] \"w\"");
    client.expect("32 ~ 't' 00 02 [] \"x\" | 34 ~ 't' 00 03 [] \"y\"");
    client.expect_open();
}

/// What the client has not finished is sent again after a connection with a session, and forgotten
/// for a clean start.
fn client_goes_on_with_its_session(version: Version) {
    let lasting = lasting(version, "c");
    let mut server = ClientEnd::accepted(version, lasting.clone(), "20 ~ 00 00 []");
    let client = &mut server.end.connection;
    client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
    server.expect("32 ~ 't' 00 01 [] \"x\"");
    server.reconnect(lasting.clone(), "20 ~ 01 00 []");
    server.expect("3A ~ 't' 00 01 [] \"x\"");
    // Also if the client ends the connection itself.
    let last = Disconnect::new(ReasonCode::Success);
    server.end.connection.disconnect(last).unwrap();
    server.expect("E0 00");
    server.reconnect(lasting.clone(), "20 ~ 01 00 []");
    server.expect("3A ~ 't' 00 01 [] \"x\"");
    server.reconnect(connect("c"), "20 ~ 00 00 []");
    server.expect_open();
    assert!(server.end.connection.session().is_empty());

    // Nor does it take a session of the server for a clean one.
    server.reconnect(connect("c"), "20 ~ 01 00 []");
    server.expect_close_with(0x82);

    // A session that ended with its connection is none.
    let mut server = ClientEnd::accepted(version, connect("c"), "20 ~ 00 00 []");
    let client = &mut server.end.connection;
    client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
    server.expect("32 ~ 't' 00 01 [] \"x\"");
    server.reconnect(lasting, "20 ~ 01 00 []");
    match version {
        Version::V311 => server.expect_open(),
        Version::V5 => server.expect_close_with(0x82),
    }
}

/// A clean start ends the session there was: its subscriptions, its messages, both ways.
fn clean_start_begins_anew(version: Version) {
    let net = Net::new();
    let mut client = net.resume(version, "a");
    client.subscribe("t", 2);
    client.send("34 ~ 'u' 00 07 [] \"first\"");
    client.expect("50 ~ 00 07 {10}");
    client.cut();
    let mut other = net.connect(version, "b");
    other.send("32 ~ 't' 00 01 [] \"x\"");
    other.expect("40 02 00 01");
    other.subscribe("u", 0);

    let connect = "10 ~ 'MQTT' VV 02 00 00 [] 'a'";
    let (mut client, answer) = net.connect_with(version, connect);
    assert!(!answer.session_present);
    client.expect_open();
    other.send("30 ~ 't' []");
    client.expect_open();
    // The identifier is that of a new message, not of the one before.
    client.send("34 ~ 'u' 00 07 [] \"second\"");
    client.expect("50 02 00 07");
    other.expect("30 ~ 'u' [] \"second\"");

    // A server that is given a session does not go on with it, either.
    let mut anew = ServerEnd::new(version);
    anew.send(connect);
    let now = anew.end.now;
    let accepted = connack(ConnAckProperties::default());
    let server = &mut anew.end.connection;
    server
        .accept(now, accepted, &mut Some(unfinished()))
        .unwrap();
    anew.expect("20 ~ 00 00 []");
    anew.expect_open();

    // And this one ends with its connection.
    client.subscribe("t", 2);
    client.cut();
    let lasting = "10 ~ 'MQTT' VV 00 00 00 [11 00 00 00 64] 'a'";
    let (mut client, answer) = net.connect_with(version, lasting);
    assert!(!answer.session_present);
    other.send("30 ~ 't' []");
    client.expect_open();
}

/// A session with a message that has not been sent.
pub(crate) fn unfinished() -> Session<Message> {
    let mut session = Session::new();
    session
        .publish(QoS::AtLeastOnce, message("t", "x"))
        .unwrap();
    session
}

/// The end of the publisher's session does not touch what it has had retained.
fn retained_messages_outlive_sessions(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.send("31 ~ 't' [] \"x\"");
    client.leave();
    let mut client = net.connect(version, "a");
    client.subscribe("t", 0);
    client.expect("31 ~ 't' [] \"x\"");
}
