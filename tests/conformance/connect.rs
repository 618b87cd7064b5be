//! MQTT 5.0 section 3.1: CONNECT, but for the will.

use mqtt_sansio::connection::{ConnectionError, Violation};
use mqtt_sansio::packet::{Auth, Disconnect, KeepAlive, ReasonCodes, SubAck};
use mqtt_sansio::property::{
    AckProperties, ConnAckProperties, ConnectProperties, DisconnectProperties, TopicAlias,
};
use mqtt_sansio::{PacketId, QoS, ReasonCode, Text, Version};
use reference_broker::{Policy, Rules};
use support::script::{
    ClientEnd, End, Net, ServerEnd, connack, connect, message, subscriptions, text,
};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "first_packet",
        v311: &["3.1.0-1"],
        v5: &["3.1.0-1"],
        run: first_packet,
    },
    Test {
        name: "only_once",
        v311: &["3.1.0-2"],
        v5: &["3.1.0-2"],
        run: only_once,
    },
    Test {
        name: "other_protocols",
        v311: &["3.1.2-1", "3.1.2-2"],
        v5: &["3.1.2-1", "3.1.2-2"],
        run: other_protocols,
    },
    Test {
        name: "session_is_resumed",
        v311: &["3.1.2-4", "3.1.2-5", "3.1.4-3"],
        v5: &["3.1.2-5", "3.1.2-6", "3.1.2-23", "3.1.4-4"],
        run: session_is_resumed,
    },
    Test {
        name: "client_goes_on_with_its_session",
        v311: &["3.1.2-6"],
        v5: &["3.1.2-4", "3.1.2-23"],
        run: client_goes_on_with_its_session,
    },
    Test {
        name: "clean_start_begins_anew",
        v311: &["3.1.2-6", "3.1.4-3"],
        v5: &["3.1.2-4", "3.1.4-4"],
        run: clean_start_begins_anew,
    },
    Test {
        name: "retained_messages_outlive_sessions",
        v311: &["3.1.2-7"],
        v5: &[],
        run: retained_messages_outlive_sessions,
    },
    Test {
        name: "client_keeps_the_connection_alive",
        v311: &["3.1.2-23"],
        v5: &["3.1.2-20"],
        run: client_keeps_the_connection_alive,
    },
    Test {
        name: "server_waits_one_and_a_half_times_keep_alive",
        v311: &["3.1.2-24"],
        v5: &["3.1.2-22"],
        run: server_waits_one_and_a_half_times_keep_alive,
    },
    Test {
        name: "server_keeps_to_the_packet_size",
        v311: &[],
        v5: &["3.1.2-24", "3.1.2-25"],
        run: server_keeps_to_the_packet_size,
    },
    Test {
        name: "server_keeps_to_the_alias_maximum",
        v311: &[],
        v5: &["3.1.2-26", "3.1.2-27", "3.3.2-11"],
        run: server_keeps_to_the_alias_maximum,
    },
    Test {
        name: "response_information_is_asked_for",
        v311: &[],
        v5: &["3.1.2-28"],
        run: response_information_is_asked_for,
    },
    Test {
        name: "problem_information_is_asked_for",
        v311: &[],
        v5: &["3.1.2-29"],
        run: problem_information_is_asked_for,
    },
    Test {
        name: "authentication_comes_first",
        v311: &[],
        v5: &["3.1.2-30"],
        run: authentication_comes_first,
    },
    Test {
        name: "client_id_names_the_session",
        v311: &["3.1.3-2"],
        v5: &["3.1.3-2"],
        run: client_id_names_the_session,
    },
    Test {
        name: "client_ids_of_letters_and_digits",
        v311: &["3.1.3-5"],
        v5: &["3.1.3-5"],
        run: client_ids_of_letters_and_digits,
    },
    Test {
        name: "empty_client_id",
        v311: &["3.1.3-6"],
        v5: &["3.1.3-6", "3.1.3-7", "3.2.2-16"],
        run: empty_client_id,
    },
    Test {
        name: "empty_client_id_of_a_session",
        v311: &["3.1.3-7", "3.1.3-8"],
        v5: &[],
        run: empty_client_id_of_a_session,
    },
    Test {
        name: "client_id_is_refused",
        v311: &["3.1.3-9"],
        v5: &["3.1.3-8"],
        run: client_id_is_refused,
    },
    Test {
        name: "malformed",
        v311: &["3.1.4-1"],
        v5: &["3.1.4-1"],
        run: malformed,
    },
    Test {
        name: "check_fails",
        v311: &[],
        v5: &["3.1.4-2"],
        run: check_fails,
    },
    Test {
        name: "session_is_taken_over",
        v311: &["3.1.4-2"],
        v5: &["3.1.4-3"],
        run: session_is_taken_over,
    },
    Test {
        name: "accepted",
        v311: &["3.1.4-4"],
        v5: &["3.1.4-5"],
        run: accepted,
    },
    Test {
        name: "nothing_counts_behind_a_refusal",
        v311: &["3.1.4-5"],
        v5: &["3.1.4-6"],
        run: nothing_counts_behind_a_refusal,
    },
];

/// The client sends CONNECT before all else, and the server takes nothing else first.
fn first_packet(version: Version) {
    let mut connection = mqtt_sansio::connection::client::Connection::new();
    let waiting = connection.publish(QoS::AtLeastOnce, message("t", "x"));
    waiting.unwrap();
    connection.connect(version, connect("a")).unwrap();
    let mut server = ClientEnd::new(version, connection);
    server.expect("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
    server.expect_open();
    server.send("20 ~ 00 00 []");
    server.expect("32 ~ 't' 00 01 [] \"x\"");
    server.expect_open();

    for other in ["C0 00", "30 ~ 't' []", "E0 00", "82 ~ 00 01 [] 't' 00"] {
        let mut client = Net::new().open(version);
        client.send(other);
        assert!(client.end.is_closing());
    }
}

/// A second CONNECT ends the connection.
fn only_once(version: Version) {
    let mut client = Net::new().connect(version, "a");
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
    client.expect_close_with(0x82);
}

/// Another protocol ends the connection without a word. Another version gets the code for it, as 5.0
/// writes it if it is a later one.
fn other_protocols(version: Version) {
    for name in ["MQTt", "MQIsdp", "MQTT2", ""] {
        let mut client = Net::new().open(version);
        client.send(&format!("10 ~ '{name}' VV 02 00 00 [] 'a'"));
        client.expect_close();
    }
    let (early, late) = ("20 02 00 01", "20 03 00 84 00");
    for (level, answer) in [("00", early), ("03", early), ("06", late), ("FF", late)] {
        let mut client = Net::new().open(version);
        client.send(&format!("10 ~ 'MQTT' {level} 02 00 00 [] 'a'"));
        client.expect(answer);
        client.expect_close();
    }
}

/// A session is made, outlives its connection, takes messages meanwhile, and is gone on with.
fn session_is_resumed(version: Version) {
    let net = Net::new();
    let lasting = "10 ~ 'MQTT' VV 00 00 00 [11 00 00 00 64] 'a'";
    let (mut client, connack) = net.connect_with(version, lasting);
    assert!(!connack.session_present);
    client.subscribe("t", 1);
    client.cut();
    let mut other = net.connect(version, "b");
    other.send("32 ~ 't' 00 01 [] \"x\"");
    other.expect("40 02 00 01");
    net.wait(99);
    let (mut client, connack) = net.connect_with(version, lasting);
    assert!(connack.session_present);
    client.expect("32 ~ 't' 00 01 [] \"x\"");
    client.expect_open();
}

/// What the client has not finished is sent again after a connection with a session, and forgotten
/// for a clean start.
fn client_goes_on_with_its_session(version: Version) {
    let mut lasting = connect("c");
    lasting.clean_start = false;
    if version == Version::V5 {
        let builder = ConnectProperties::builder().session_expiry_interval(100);
        lasting.properties = builder.build();
    }
    let mut server = ClientEnd::accepted(version, lasting.clone(), "20 ~ 00 00 []");
    let client = &mut server.end.connection;
    client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
    server.expect("32 ~ 't' 00 01 [] \"x\"");
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
    let (mut client, connack) = net.connect_with(version, connect);
    assert!(!connack.session_present);
    client.expect_open();
    other.send("30 ~ 't' []");
    client.expect_open();
    // The identifier is that of a new message, not of the one before.
    client.send("34 ~ 'u' 00 07 [] \"second\"");
    client.expect("50 02 00 07");
    other.expect("30 ~ 'u' [] \"second\"");

    // And this one ends with its connection.
    client.subscribe("t", 2);
    client.cut();
    let lasting = "10 ~ 'MQTT' VV 00 00 00 [11 00 00 00 64] 'a'";
    let (mut client, connack) = net.connect_with(version, lasting);
    assert!(!connack.session_present);
    other.send("30 ~ 't' []");
    client.expect_open();
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

/// PINGREQ is sent in the absence of anything else, before Keep Alive has passed.
fn client_keeps_the_connection_alive(version: Version) {
    let mut connect = connect("a");
    connect.keep_alive = KeepAlive::from_secs(10);
    let mut server = ClientEnd::accepted(version, connect, "20 ~ 00 00 []");
    server.end.wait(9);
    server.expect_open();
    let client = &mut server.end.connection;
    client.publish(QoS::AtMostOnce, message("t", "x")).unwrap();
    server.expect("30 ~ 't' [] \"x\"");
    server.end.wait(9);
    server.expect_open();
    server.end.wait(1);
    server.expect("C0 00");
    server.expect_open();
}

/// A silent client is cut off, and one that sends anything at all is not.
fn server_waits_one_and_a_half_times_keep_alive(version: Version) {
    let net = Net::new();
    let connect = "10 ~ 'MQTT' VV 02 00 0A [] 'a'";
    let (mut client, _) = net.connect_with(version, connect);
    net.wait(14);
    client.send("C0 00");
    client.expect("D0 00");
    net.wait(14);
    client.expect_open();
    net.wait(1);
    client.expect_close_with(0x8D);
}

/// A message that is too large for the client is dropped, and counts as sent: it takes no quota and
/// does not come after a reconnection. The other packets do without what they can.
fn server_keeps_to_the_packet_size(version: Version) {
    let net = Net::new();
    // 20 bytes at most, and one message unacknowledged.
    let properties = "11 FF FF FF FF 27 00 00 00 14 21 00 01";
    let connect = format!("10 ~ 'MQTT' VV 00 00 00 [{properties}] 'a'");
    let (mut client, _) = net.connect_with(version, &connect);
    client.subscribe("t", 1);
    let mut other = net.connect(version, "b");
    for (id, payload) in [("01", 14), ("02", 13), ("03", 12), ("04", 1)] {
        other.send(&format!("32 ~ 't' 00 {id} [] 78*{payload}"));
        other.expect(&format!("40 02 00 {id}"));
    }
    client.expect("32 ~ 't' 00 01 [] 78*12");
    client.expect_open();
    client.send("40 02 00 01");
    client.expect("32 ~ 't' 00 02 [] 78");
    client.send("40 02 00 02");
    client.cut();
    let (mut client, _) = net.connect_with(version, &connect);
    client.expect_open();

    let connect = "10 ~ 'MQTT' VV 02 00 00 [27 00 00 00 0A] 'c'";
    let connack = connack(ConnAckProperties::default());
    let mut client = ServerEnd::accepted(version, connect, connack);
    let server = &mut client.end.connection;
    let large = server.publish(QoS::AtMostOnce, message("topic", "x"));
    assert_eq!(large, Err(ConnectionError::PacketTooLarge));
    let reason = text("why this ends");
    let mut last = Disconnect::new(ReasonCode::ServerBusy).to_owned();
    last.properties = DisconnectProperties::builder()
        .reason_string(reason)
        .build();
    server.disconnect(last).unwrap();
    client.expect_close_with(0x89);

    // Not even CONNACK may be larger.
    let mut client = net.open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [27 00 00 00 04] 'd'");
    client.expect_close();
}

/// No alias is above what the client takes, which is none if it does not say.
fn server_keeps_to_the_alias_maximum(version: Version) {
    let net = Net::new();
    for (maximum, first, again, other) in [
        ("", "'t' []", "'t' []", "'u' []"),
        ("22 00 00", "'t' []", "'t' []", "'u' []"),
        (
            "22 00 01",
            "'t' [23 00 01]",
            "'' [23 00 01]",
            "'u' [23 00 01]",
        ),
        (
            "22 00 02",
            "'t' [23 00 01]",
            "'' [23 00 01]",
            "'u' [23 00 02]",
        ),
    ] {
        let connect = format!("10 ~ 'MQTT' VV 02 00 00 [{maximum}] 'a'");
        let (mut client, _) = net.connect_with(version, &connect);
        client.subscribe("#", 0);
        client.send("30 ~ 't' [] | 30 ~ 't' [] | 30 ~ 'u' []");
        client.expect(&format!("30 ~ {first} | 30 ~ {again} | 30 ~ {other}"));
        client.leave();

        let connack = connack(ConnAckProperties::default());
        let mut client = ServerEnd::accepted(version, &connect, connack);
        let server = &mut client.end.connection;
        let most = server.limits().topic_alias_maximum;
        for alias in 1..=3 {
            let topic = "t".parse().unwrap();
            let assigned = server.assign_alias(topic, TopicAlias::new(alias).unwrap());
            assert_eq!(assigned.is_ok(), alias <= most, "{alias} of {most}");
        }
    }
}

/// CONNACK has Response Information for who asked for it alone.
fn response_information_is_asked_for(version: Version) {
    for (asked, answered) in [("", ""), ("19 00", ""), ("19 01", "1A 00 01 \"r\"")] {
        let mut client = ServerEnd::new(version);
        client.send(&format!("10 ~ 'MQTT' VV 02 00 00 [{asked}] 'c'"));
        let builder = ConnAckProperties::builder().response_information(text("r"));
        let connack = connack(builder.build());
        let now = client.end.now;
        client.end.connection.accept(now, connack, None).unwrap();
        client.expect(&format!("20 ~ 00 00 [{answered}]"));
    }
}

/// Without Request Problem Information, the server explains itself in CONNACK and DISCONNECT alone,
/// and the client takes it nowhere else.
fn problem_information_is_asked_for(version: Version) {
    let (why, method) = (text("why"), "15 00 01 \"m\"");
    let explained = "1F 00 03 \"why\" 26 00 01 \"a\" 00 01 \"b\"";
    for (asked, explanation) in [("17 00", ""), ("17 01", explained), ("", explained)] {
        let mut client = ServerEnd::new(version);
        client.send(&format!("10 ~ 'MQTT' VV 02 00 00 [{asked} {method}] 'c'"));
        let mut auth = Auth::new(ReasonCode::ContinueAuthentication, text("m")).to_owned();
        let builder = auth.properties.to_builder().reason_string(why);
        auth.properties = builder.user_property(text("a"), text("b")).build();
        client.end.connection.auth(auth).unwrap();
        client.expect(&format!("F0 ~ 18 [{method} {explanation}]"));
        client.send(&format!("F0 ~ 18 [{method}]"));

        let connack = connack(ConnAckProperties::builder().reason_string(why).build());
        let now = client.end.now;
        client.end.connection.accept(now, connack, None).unwrap();
        client.expect(&format!("20 ~ 00 00 [1F 00 03 \"why\" {method}]"));

        client.send("82 ~ 00 01 [] 't' 00");
        let granted = ReasonCodes::new([ReasonCode::Success]);
        let mut ack = SubAck::new(PacketId::new(1).unwrap(), granted);
        let builder = AckProperties::builder().reason_string(why);
        ack.properties = builder.user_property(text("a"), text("b")).build();
        client.end.connection.sub_ack(ack.clone()).unwrap();
        client.expect(&format!("90 ~ 00 01 [{explanation}] 00"));
        client.send("A2 ~ 00 01 [] 't'");
        client.end.connection.unsub_ack(ack).unwrap();
        client.expect(&format!("B0 ~ 00 01 [{explanation}] 00"));

        let mut last = Disconnect::new(ReasonCode::ServerBusy).to_owned();
        last.properties = DisconnectProperties::builder().reason_string(why).build();
        client.end.connection.disconnect(last).unwrap();
        client.expect("E0 ~ 89 [1F 00 03 \"why\"]");
        client.expect_close();
    }

    let mut silent = connect("c");
    let builder = ConnectProperties::builder().request_problem_information(false);
    silent.properties = builder.build();
    for (packet, good) in [
        ("40 ~ 00 01 00 [1F 00 01 \"r\"]", false),
        ("40 ~ 00 01 00 [26 00 01 \"a\" 00 01 \"b\"]", false),
        ("30 ~ 't' [26 00 01 \"a\" 00 01 \"b\"]", true),
        ("40 ~ 00 01 00 []", true),
    ] {
        let mut server =
            ClientEnd::accepted(version, silent.clone(), "20 ~ 00 00 [1F 00 01 \"r\"]");
        let client = &mut server.end.connection;
        client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
        server.receive();
        server.send(packet);
        match good {
            true => server.expect_open(),
            false => {
                assert_eq!(server.end.violation, Some(Violation::ProblemInformation));
                server.expect_close_with(0x82);
            }
        }
    }
}

/// A client that is to be authenticated sends nothing else before CONNACK, and may not.
fn authentication_comes_first(version: Version) {
    let mut asked = connect("c");
    let builder = ConnectProperties::builder().authentication_method(text("m"));
    asked.properties = builder.build();
    let mut server = ClientEnd::connecting(version, asked);
    let client = &mut server.end.connection;
    client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
    assert!(client.publish(QoS::AtMostOnce, message("t", "x")).is_err());
    let wanted = subscriptions("t", QoS::AtMostOnce);
    assert!(client.subscribe(wanted, <_>::default()).is_err());
    assert!(client.ping().is_err());
    server.expect_open();
    server.send("F0 ~ 18 [15 00 01 \"m\"]");
    server.expect_open();
    let auth = Auth::new(ReasonCode::ContinueAuthentication, text("m"));
    server.end.connection.auth(auth.to_owned()).unwrap();
    server.expect("F0 ~ 18 [15 00 01 \"m\"]");
    server.send("20 ~ 00 00 [15 00 01 \"m\"]");
    server.expect("32 ~ 't' 00 01 [] \"x\"");

    for early in [
        "30 ~ 't' []",
        "C0 00",
        "82 ~ 00 01 [] 't' 00",
        "40 02 00 01",
    ] {
        let mut client = ServerEnd::new(version);
        client.send("10 ~ 'MQTT' VV 02 00 00 [15 00 01 \"m\"] 'c'");
        client.send(early);
        client.expect("20 ~ 00 82 []");
        client.expect_close();
    }
}

/// Each name has its own session, at the server and at the client.
fn client_id_names_the_session(version: Version) {
    let net = Net::new();
    let (mut a, mut b) = (net.resume(version, "a"), net.resume(version, "A"));
    a.subscribe("t", 1);
    b.subscribe("u", 1);
    a.cut();
    b.cut();
    let mut other = net.connect(version, "other");
    other.send("32 ~ 't' 00 01 [] \"x\" | 32 ~ 'u' 00 02 [] \"y\"");
    other.expect("40 02 00 01 | 40 02 00 02");
    let mut b = net.resume(version, "A");
    b.expect("32 ~ 'u' 00 01 [] \"y\"");
    b.expect_open();
    let mut a = net.resume(version, "a");
    a.expect("32 ~ 't' 00 01 [] \"x\"");
    a.expect_open();

    let lasting = |name| {
        let mut connect = connect(name);
        connect.clean_start = false;
        if version == Version::V5 {
            let builder = ConnectProperties::builder().session_expiry_interval(100);
            connect.properties = builder.build();
        }
        connect
    };
    let mut server = ClientEnd::accepted(version, lasting("a"), "20 ~ 00 00 []");
    let client = &mut server.end.connection;
    client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
    server.expect("32 ~ 't' 00 01 [] \"x\"");
    server.reconnect(lasting("a"), "20 ~ 01 00 []");
    server.expect("3A ~ 't' 00 01 [] \"x\"");
    // What was begun as `a` is nothing of `b`, whose session the server has.
    server.reconnect(lasting("b"), "20 ~ 01 00 []");
    match version {
        Version::V311 => server.expect_open(),
        Version::V5 => server.expect_close_with(0x82),
    }
}

/// All that every server has to take.
fn client_ids_of_letters_and_digits(version: Version) {
    let net = Net::new();
    for name in [
        "0123456789abcdefghijklm",
        "nopqrstuvwxyzABCDEFGHIJ",
        "KLMNOPQRSTUVWXYZ",
        "a",
    ] {
        net.connect(version, name).expect_open();
    }
}

/// Without a name a client gets one that nobody has, which 5.0 tells.
fn empty_client_id(version: Version) {
    let net = Net::new();
    let connect = "10 ~ 'MQTT' VV 02 00 00 [11 00 00 00 64] ''";
    let mut known = vec![
        net.connect(version, "auto-1"),
        net.connect(version, "auto-2"),
    ];
    let mut names = vec!["auto-1".to_owned(), "auto-2".to_owned()];
    for _ in 0..3 {
        let (client, connack) = net.connect_with(version, connect);
        known.push(client);
        let name = connack.properties.assigned_client_identifier();
        match version {
            Version::V311 => assert_eq!(name, None),
            Version::V5 => {
                let name = name.unwrap().as_str().to_owned();
                assert!(!names.contains(&name), "{name} is used");
                names.push(name);
            }
        }
    }
    // None of them took another one over.
    for client in &mut known {
        client.expect_open();
    }
    if version == Version::V5 {
        let mut client = known.pop().unwrap();
        client.subscribe("t", 1);
        client.cut();
        known[0].send("32 ~ 't' 00 01 [] \"x\"");
        let mut client = net.resume(version, names.last().unwrap());
        client.expect("32 ~ 't' 00 01 [] \"x\"");
    }
}

/// 3.1.1 has no way to tell the name, so that the session could not be found again.
fn empty_client_id_of_a_session(version: Version) {
    let mut client = Net::new().open(version);
    client.send("10 ~ 'MQTT' VV 00 00 00 ''");
    client.expect("20 02 00 02");
    client.expect_close();

    let mut nameless = connect("");
    nameless.clean_start = false;
    let mut connection = mqtt_sansio::connection::client::Connection::new();
    assert_eq!(
        connection.connect(version, nameless),
        Err(ConnectionError::EmptyClientId)
    );
    let mut server = ClientEnd::new(version, connection);
    server.expect_nothing();
}

/// Does not like any name.
#[derive(Debug)]
struct Nobody;

impl Policy for Nobody {
    fn connect(&mut self, _: &Text, _: Option<&[u8]>, _: Option<&[u8]>) -> Result<(), ReasonCode> {
        Err(ReasonCode::ClientIdentifierNotValid)
    }
}

/// The code for it, and the end.
fn client_id_is_refused(version: Version) {
    let mut client = Net::with_policy(Nobody).open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
    match version {
        Version::V311 => client.expect("20 02 00 02"),
        Version::V5 => client.expect("20 ~ 00 85 []"),
    }
    client.expect_close();
}

/// What is no CONNECT of the version ends the connection, in 3.1.1 without an answer.
fn malformed(version: Version) {
    for (connect, code) in [
        ("10 ~ 'MQTT' VV 03 00 00 [] 'a'", 0x81),
        ("10 ~ 'MQTT' VV 02 00 00 [] 'a' 00", 0x81),
        ("10 ~ 'MQTT' VV 02 00 00 []", 0x81),
        ("10 ~ 'MQTT' VV 1E 00 00 [] 'a' [] 'w' 'x'", 0x81),
        ("10 ~ 'MQTT' VV 02 00 00 [] 00 01 FF", 0x81),
    ] {
        let mut client = Net::new().open(version);
        client.send(connect);
        if version == Version::V5 {
            client.expect(&format!("20 ~ 00 {code:02X} []"));
        }
        client.expect_close();
    }
}

/// What the broker checks beyond the form of CONNECT.
fn check_fails(version: Version) {
    let net = Net::with_policy(Rules::default().user("u", "secret"));
    for (connect, code) in [
        ("10 ~ 'MQTT' VV 02 00 00 [] 'a'", 0x87),
        ("10 ~ 'MQTT' VV C2 00 00 [] 'a' 'u' 'wrong'", 0x86),
        (
            "10 ~ 'MQTT' VV C6 00 00 [] 'a' [] '$SYS/x' '' 'u' 'secret'",
            0x87,
        ),
    ] {
        let mut client = net.open(version);
        client.send(connect);
        client.expect(&format!("20 ~ 00 {code:02X} []"));
        client.expect_close();
    }
    net.connect_with(version, "10 ~ 'MQTT' VV C2 00 00 [] 'a' 'u' 'secret'");
}

/// The client that was there is disconnected.
fn session_is_taken_over(version: Version) {
    let net = Net::new();
    let mut first = net.connect(version, "a");
    let mut second = net.connect(version, "a");
    first.expect_close_with(0x8E);
    second.expect_open();
}

/// CONNECT is answered with success, and with nothing but it.
fn accepted(version: Version) {
    let mut client = Net::with(|config| config.topic_alias_maximum = 0).open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
    client.expect("20 ~ 00 00 [27 01 00 00 00]");
    client.expect_open();
}

/// What a refused client has sent at once is not looked at.
fn nothing_counts_behind_a_refusal(version: Version) {
    let net = Net::with_policy(Rules::default().user("u", "secret"));
    let connect = "10 ~ 'MQTT' VV C2 00 00 [] 'a' 'u' 'secret'";
    let (mut other, _) = net.connect_with(version, connect);
    other.subscribe("#", 0);
    let mut client = net.open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'b' | 31 ~ 't' [] \"x\"");
    assert_eq!(client.receive_all().len(), 1);
    client.send("31 ~ 't' [] \"x\"");
    client.expect_close();
    other.expect_open();
}
