//! MQTT 5.0 section 3.1: CONNECT, but for what has a file of its own.

use mqtt_sansio::connection::{ConnectionError, Violation, client};
use mqtt_sansio::packet::Will;
use mqtt_sansio::property::ConnAckProperties;
use mqtt_sansio::{Binary, Packet, PacketType, QoS, Version};
use reference_broker::Access;
use support::script::{ClientEnd, Net, ServerEnd, connack, connect, message, text};

use crate::Test;
use crate::sides::packet;

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
        v311: &["3.1.2-1 server", "3.1.2-2"],
        v5: &["3.1.2-1 server", "3.1.2-2"],
        run: other_protocols,
    },
    Test {
        name: "fields_stand_in_order",
        v311: &["3.1.2-9", "3.1.2-19", "3.1.2-21", "3.1.3-1"],
        v5: &["3.1.2-9", "3.1.2-17", "3.1.2-19", "3.1.3-1"],
        run: fields_stand_in_order,
    },
    Test {
        name: "password_needs_a_user_name",
        v311: &["3.1.2-22"],
        v5: &[],
        run: password_needs_a_user_name,
    },
    Test {
        name: "malformed",
        v311: &["3.1.4-1"],
        v5: &["3.1.4-1", "U5-3.1.4-58", "U5-4.13.1-223"],
        run: malformed,
    },
    Test {
        name: "check_fails",
        v311: &[],
        v5: &["3.1.4-2", "U5-3.1.4-59", "U5-4.12-214"],
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
    let mut connection = client::Connection::new().max_packet_size(u32::MAX);
    let waiting = connection.publish(QoS::AtLeastOnce, message("t", "x"));
    waiting.unwrap();
    connection.connect(version, connect("a")).unwrap();
    let mut server = ClientEnd::new(version, connection);
    server.expect("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
    server.expect_open();
    server.send("20 ~ 00 00 []");
    server.expect("32 ~ 't' 00 01 [] \"x\"");
    server.expect_open();

    // Nor does it send DISCONNECT before, to a server that speaks first.
    let mut connection = client::Connection::new();
    connection.connect(version, connect("a")).unwrap();
    let mut server = ClientEnd::new(version, connection);
    server.send("30 ~ 't' []");
    server.expect_close();

    for other in ["C0 00", "30 ~ 't' []", "E0 00", "82 ~ 00 01 [] 't' 00"] {
        let mut client = Net::new().open(version);
        client.send(other);
        client.expect_close();
    }
    let mut client = ServerEnd::new(version);
    let now = client.end.now;
    let server = &mut client.end.connection;
    assert!(
        server
            .handle_packet(now, version, &Packet::<&[u8]>::PingReq)
            .is_err()
    );
    client.expect_close();
}

/// A second CONNECT ends the connection.
fn only_once(version: Version) {
    // Whatever it says.
    for protocol in ["'MQTT' VV", "'MQTT' 09", "'MQTX' VV", "'MQIsdp' 03"] {
        let mut client = Net::new().connect(version, "a");
        client.send(&format!("10 ~ {protocol} 02 00 00 [] 'a'"));
        client.expect_close_with(0x82);
    }

    // Also before CONNACK. What a client sends at once waits for that, if it does not have to wait for
    // AUTH itself.
    let connect = "10 ~ 'MQTT' VV 02 00 00 [] 'a'";
    let mut client = ServerEnd::new(version);
    client.send(connect);
    client.send(connect);
    client.expect_open();
    client.end.accept(connack(ConnAckProperties::default()));
    client.expect("20 ~ 00 00 []");
    client.expect_close_with(0x82);
    for method in ["", "15 00 01 \"m\""] {
        let connect = format!("10 ~ 'MQTT' VV 02 00 00 [{method}] 'a'");
        let mut client = ServerEnd::new(version);
        client.send(&connect);
        client.expect_open();
        let again = packet(version, &connect);
        let now = client.end.now;
        let server = &mut client.end.connection;
        let violation = Violation::UnexpectedPacket(PacketType::Connect);
        assert_eq!(server.handle_packet(now, version, &again), Err(violation));
        if version == Version::V5 {
            client.expect("20 ~ 00 82 []");
        }
        client.expect_close();
        if version == Version::V5 && !method.is_empty() {
            let mut client = ServerEnd::new(version);
            client.send(&connect);
            client.send(&connect);
            client.expect("20 ~ 00 82 []");
            client.expect_close();
        }
    }
}

/// Another protocol ends the connection without a word. Another version gets the code for it, as 5.0
/// writes it if it is a later one.
fn other_protocols(version: Version) {
    for name in ["MQTt", "MQIsdP", "MQTT2", ""] {
        let mut client = Net::new().open(version);
        client.send(&format!("10 ~ '{name}' VV 02 00 00 [] 'a'"));
        client.expect_close();
    }
    let levels = ["00", "03", "06", "83", "84", "FF"].map(|level| ("MQTT", level));
    for (name, level) in levels
        .into_iter()
        .chain([("MQIsdp", "03"), ("MQIsdp", "83")])
    {
        let mut client = Net::new().open(version);
        client.send(&format!("10 ~ '{name}' {level} 02 00 00 [] 'a'"));
        client.expect("20 02 00 01");
        client.expect_close();
    }
}

/// Each is sent and read as what it is.
fn fields_stand_in_order(version: Version) {
    let fields = "'c' [] 'w' 'gone' 'u' 'secret'";
    let mut asked = connect("c");
    let gone = Binary::new(b"gone").unwrap().to_owned();
    asked.will = Some(Will::new("w".parse().unwrap(), gone));
    asked.user_name = Some(text("u").to_owned());
    asked.password = Some(Binary::new(b"secret").unwrap().to_owned());
    let mut connection = client::Connection::new().max_packet_size(u32::MAX);
    connection.connect(version, asked).unwrap();
    let mut server = ClientEnd::new(version, connection);
    server.expect(&format!("10 ~ 'MQTT' VV C6 00 00 [] {fields}"));

    let net = Net::with_policy(Access::default().user("u", "secret"));
    let with_password = "10 ~ 'MQTT' VV C2 00 00 [] 'other' 'u' 'secret'";
    let (mut other, _) = net.connect_with(version, with_password);
    other.subscribe("#", 0);
    let (client, _) = net.connect_with(version, &format!("10 ~ 'MQTT' VV C6 00 00 [] {fields}"));
    client.cut();
    other.expect("30 ~ 'w' [] \"gone\"");
    let mut client = net.open(version);
    client.send("10 ~ 'MQTT' VV C6 00 00 [] 'c' [] 'w' 'gone' 'secret' 'u'");
    assert_eq!(client.receive_all().len(), 1);
    client.expect_close();
}

/// In 3.1.1 a client cannot send one without.
fn password_needs_a_user_name(version: Version) {
    let mut asked = connect("c");
    asked.password = Some(Binary::new(b"secret").unwrap().to_owned());
    let mut connection = client::Connection::new();
    let refused = connection.connect(version, asked);
    assert!(matches!(refused, Err(ConnectionError::Encode(_))));
    ClientEnd::new(version, connection).expect_nothing();

    let mut client = Net::new().open(version);
    client.send("10 ~ 'MQTT' VV 42 00 00 [] 'a' 'secret'");
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
    let rules = Access::default().user("u", "secret");
    let net = Net::with_policy(rules.deny_publish("no/#".parse().unwrap()));
    for (connect, code) in [
        ("10 ~ 'MQTT' VV 02 00 00 [] 'a'", 0x87),
        ("10 ~ 'MQTT' VV C2 00 00 [] 'a' 'u' 'wrong'", 0x86),
        (
            "10 ~ 'MQTT' VV C6 00 00 [] 'a' [] 'no/x' '' 'u' 'secret'",
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
    let net = Net::with_policy(Access::default().user("u", "secret"));
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
