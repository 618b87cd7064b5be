//! MQTT 5.0 section 4.13: errors, and section 4.8 of 3.1.1.
//!
//! What one packet decides, the vectors prove: see `vectors.rs`.

use mqtt_sansio::connection::client;
use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::{Packet, QoS, ReasonCode, Version};
use reference_broker::Config;
use support::script::{ClientEnd, End, Net, ServerEnd, connect};

use crate::Test;
use crate::sides;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "errors_of_a_client_end_its_connection",
        v311: &["4.8.0-1 server"],
        v5: &[
            "4.13.1-1",
            "4.13.2-1 server",
            "U5-3.2.2.3.4-68",
            "U5-3.2.2.3.5-71",
            "U5-3.2.2.3.5-72",
            "U5-3.2.2.3.13-93",
            "U5-3.14.2.2.2-176 server",
            "U5-3.14.2.2.2-178",
            "U5-4.13.1-218 server",
            "U5-4.13.1-224",
            "U5-4.13.1-225",
            "U5-3.14-170 server",
        ],
        run: errors_of_a_client_end_its_connection,
    },
    Test {
        name: "errors_of_a_server_end_its_connection",
        v311: &["4.8.0-1 client"],
        v5: &[
            "4.13.2-1 client",
            "U5-4.13.1-218 client",
            "U5-4.13.1-219",
            "U5-4.13.1-221",
            "U5-4.13.1-222",
            "U5-3.14-170 client",
        ],
        run: errors_of_a_server_end_its_connection,
    },
    Test {
        name: "codes_from_0x80_on_end_the_connection",
        v311: &[],
        v5: &["4.13.2-1", "U5-3.14.4-184"],
        run: codes_from_0x80_on_end_the_connection,
    },
    Test {
        name: "also_if_there_is_no_room_to_say_so",
        v311: &[],
        v5: &["4.13.1-1", "4.13.2-1"],
        run: also_if_there_is_no_room_to_say_so,
    },
    Test {
        name: "transient_errors_end_the_connection",
        v311: &["4.8.0-2", "U311-4.8-32"],
        v5: &[],
        run: transient_errors_end_the_connection,
    },
];

/// Nothing behind the error is done, and other clients notice nothing.
fn errors_of_a_client_end_its_connection(version: Version) {
    let plain: fn(&mut Config) = |_| {};
    let small: fn(&mut Config) = |config| config.maximum_packet_size = 32.try_into().unwrap();
    let mut cases = vec![
        // At the wrong time, or from the wrong side.
        (plain, "10 ~ 'MQTT' VV 02 00 00 [] 'c'", 0x82),
        (plain, "20 ~ 00 00 []", 0x82),
        (plain, "90 ~ 00 01 [] 00", 0x82),
        (plain, "B0 ~ 00 01 [] {00}", 0x82),
        (plain, "D0 00", 0x82),
        (plain, "34 ~ 't' 00 07 [] | 32 ~ 't' 00 07 []", 0x82),
        // Too large.
        (small, "30 ~ 't' [] 61*33", 0x95),
        // Malformed.
        (plain, "00 00", 0x81),
        (plain, "C1 00", 0x81),
        (plain, "36 ~ 't' 00 01 []", 0x81),
        (plain, "82 ~ 00 01 [] 't' 40", 0x81),
        (plain, "30 FF FF FF FF", 0x81),
        (plain, "30 ~ 00 02 C3 28 []", 0x81),
    ];
    if version == Version::V5 {
        let no_more: fn(&mut Config) = |config| {
            config.maximum_qos = QoS::AtLeastOnce;
            config.retain = false;
            config.shared = false;
        };
        let one: fn(&mut Config) = |config| config.receive_maximum = 1.try_into().unwrap();
        cases.extend([
            (plain, "F0 00", 0x82),
            (plain, "E0 ~ 00 [11 00 00 00 05]", 0x82),
            (plain, "30 ~ 't' [23 00 11]", 0x94),
            (plain, "30 ~ 't' [23 00 00]", 0x94),
            (plain, "30 ~ 00 00 [23 00 01]", 0x82),
            (plain, "30 ~ 00 00 []", 0x82),
            (plain, "30 ~ 't/+' []", 0x81),
            (plain, "82 ~ 00 01 [] 't/#/t' 00", 0x81),
            (plain, "82 ~ 00 01 [] '$share/g/t' 04", 0x82),
            (no_more, "34 ~ 't' 00 01 []", 0x9B),
            (no_more, "31 ~ 't' []", 0x9A),
            (no_more, "82 ~ 00 01 [] '$share/g/t' 00", 0x9E),
            (one, "34 ~ 't' 00 01 [] | 34 ~ 't' 00 02 []", 0x93),
        ]);
    }
    for (set, text, code) in cases {
        let net = Net::with(set);
        let mut other = net.connect(version, "other");
        other.subscribe("behind", 0);
        let mut client = net.connect(version, "c");
        client.send(&format!("{text} | 30 ~ 'behind' []"));
        let last = client.receive_all().pop();
        match version {
            Version::V311 => assert!(last.is_none_or(|packet| !is_disconnect(&packet))),
            Version::V5 => {
                let Some(Packet::Disconnect(last)) = last else {
                    panic!("{text}: {last:?}");
                };
                assert_eq!(last.reason.to_u8(), code, "{text}");
            }
        }
        client.expect_close();
        other.expect_open();
    }
    // Before CONNECT, and CONNECT itself.
    for text in [
        "C0 00",
        "30 ~ 't' []",
        "10 ~ 'MQTT' VV 03 00 00 [] 'c'",
        "10 ~ 'MQTT' VV 1E 00 00 [] 'c' [] 'will' 'x'",
        "10 ~ 'MQTT' VV 02 00 00 [] 'c' 'more'",
    ] {
        let mut client = Net::new().open(version);
        client.send(text);
        if version == Version::V5 && text.starts_with("10") {
            client.expect("20 ~ 00 81 []");
        }
        client.expect_close();
    }
}

fn is_disconnect(packet: &Packet) -> bool {
    matches!(packet, Packet::Disconnect(_))
}

/// The client closes, and says why where it can.
fn errors_of_a_server_end_its_connection(version: Version) {
    let mut cases = vec![
        ("20 ~ 00 00 []", 0x82),
        ("C0 00", 0x82),
        ("82 ~ 00 01 [] 't' 00", 0x82),
        ("A2 ~ 00 01 [] 't'", 0x82),
        ("10 ~ 'MQTT' VV 02 00 00 [] 'c'", 0x82),
        ("34 ~ 't' 00 07 [] | 32 ~ 't' 00 07 []", 0x82),
        ("00 00", 0x81),
        ("D1 00", 0x81),
        ("36 ~ 't' 00 01 []", 0x81),
        ("30 FF FF FF FF", 0x81),
        ("30 ~ 00 02 C3 28 []", 0x81),
    ];
    match version {
        // 3.1.1 has no DISCONNECT from the server.
        Version::V311 => cases.push(("E0 00", 0x82)),
        Version::V5 => cases.extend([
            ("F0 00", 0x82),
            ("30 ~ 't' [23 00 01]", 0x94),
            ("30 ~ 00 00 [23 00 01]", 0x94),
            ("30 ~ 00 00 []", 0x82),
            ("E0 ~ 00 [11 00 00 00 05]", 0x82),
        ]),
    }
    for (text, code) in cases {
        let mut server = ClientEnd::plain(version);
        server.send(&format!("{text} | 30 ~ 'behind' []"));
        let last = server.receive_all().pop();
        match (version, last) {
            (Version::V311, last) => assert!(last.is_none_or(|packet| !is_disconnect(&packet))),
            (Version::V5, Some(Packet::Disconnect(last))) => {
                assert_eq!(last.reason.to_u8(), code, "{text}");
            }
            (Version::V5, last) => panic!("{text}: {last:?}"),
        }
        server.expect_close();
        assert!(
            !server
                .end
                .delivered
                .iter()
                .any(|message| message == "behind=")
        );
    }
}

/// The codes of CONNACK that refuse.
const REFUSALS: &[u8] = &[
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99,
    0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
];

/// Each side closes behind CONNACK or DISCONNECT with such a code, whether it sends or receives it,
/// and also if there is no such code. How DISCONNECT is sent, its own chapter proves.
fn codes_from_0x80_on_end_the_connection(version: Version) {
    for code in 0x80..=0xFF {
        let mut server = ClientEnd::connecting(version, connect("c"));
        server.send(&format!("20 ~ 00 {code:02X} []"));
        server.receive_all();
        server.expect_close();
        let disconnect = format!("E0 01 {code:02X}");
        let mut server = ClientEnd::plain(version);
        server.send(&disconnect);
        server.receive_all();
        server.expect_close();
        let mut client = Net::new().connect(version, "c");
        client.send(&disconnect);
        client.receive_all();
        client.expect_close();

        let Some(reason) = ReasonCode::from_u8(code) else {
            continue;
        };
        let mut client = ServerEnd::new(version);
        client.send("10 ~ 'MQTT' VV 02 00 00 [] 'c'");
        let refused = client.end.connection.refuse(ConnAck::new(reason));
        match REFUSALS.contains(&code) {
            true => {
                assert_eq!(refused, Ok(()));
                client.expect(&format!("20 ~ 00 {code:02X} []"));
                client.expect_close();
            }
            false => assert!(refused.is_err(), "{reason}"),
        }
    }
}

/// A peer that takes packets of two bytes is not told why.
fn also_if_there_is_no_room_to_say_so(version: Version) {
    let mut client = Net::new().open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [27 00 00 00 02] 'c'");
    client.expect_close();
    let mut client = Net::new().open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [27 00 00 00 02 15 'm'] 'c'");
    client.expect_close();
    let mut server = sides::client(version, "27 00 00 00 02");
    server.send("C0 00");
    server.expect_close();
    let mut server = sides::client(version, "27 00 00 00 02");
    server.send("00 00");
    server.expect_close();
}

/// Where there is no room for what came, no answer says that all is well: the connection of the
/// sender is closed, and no other.
fn transient_errors_end_the_connection(version: Version) {
    let net = Net::with(|config| config.max_retained = 1);
    let mut other = net.connect(version, "other");
    other.subscribe("#", 0);
    net.connect(version, "c").send("31 ~ 'first' [] \"x\"");
    other.expect("30 ~ 'first' [] \"x\"");
    // At QoS 0 it need not be kept [MQTT-3.3.1-7].
    for text in [
        "33 ~ 'second' 00 01 [] \"x\"",
        "35 ~ 'second' 00 01 [] \"x\"",
    ] {
        let mut client = net.connect(version, "c");
        client.send(text);
        client.expect_close();
        other.expect_open();
    }
    // Requests that nobody reads the answers to.
    let net = Net::with(|config| config.max_answer_bytes = 1_000);
    let mut other = net.connect(version, "other");
    let mut client = net.connect(version, "c");
    for id in 1..=4 {
        assert!(!End::is_closing(&client.end));
        client.send(&format!("82 ~ 00 {id:02X} [] 't' 00"));
    }
    client.receive_all();
    client.expect_close();
    other.expect_open();
    // A packet above what this side can hold.
    let net = Net::with(|config| config.maximum_packet_size = 64.try_into().unwrap());
    let mut client = net.connect(version, "c");
    client.send("32 ~ 't' 00 01 [] 61*99");
    client.expect_close();
    let mut connection = client::Connection::new();
    connection.connect(version, connect("c")).unwrap();
    let mut server = ClientEnd::new(version, connection);
    server.receive();
    server.send("20 ~ 00 00 []");
    server.expect_open();
    server.send("32 ~ 't' 00 01 [] 61*2000000");
    server.expect_close();
    // An application that fails says so to its connection.
    let mut server = ClientEnd::plain(version);
    server.end.acknowledges = false;
    server.send("32 ~ 't' 00 01 []");
    assert_eq!(server.end.delivered, ["t="]);
    server.end.connection.handle_close();
    server.expect_close();
}
