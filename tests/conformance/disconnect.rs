//! MQTT 5.0 section 3.14: DISCONNECT.

use std::time::Duration;

use mqtt_sansio::connection::ConnectionError;
use mqtt_sansio::packet::{ConnAck, Disconnect};
use mqtt_sansio::{Packet, QoS, ReasonCode, Version};
use support::notation::bytes;
use support::script::{ClientEnd, End, Net, Script, ServerEnd, connect, message};

use crate::Test;
use crate::sides::{self, packet, refusal};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "server_waits_for_connack",
        v311: &[],
        v5: &["3.14.0-1"],
        run: server_waits_for_connack,
    },
    Test {
        name: "senders_use_the_codes_there_are",
        v311: &[],
        v5: &["3.14.2-1", "3.14.2-2 server"],
        run: senders_use_the_codes_there_are,
    },
    Test {
        name: "explains_nothing_that_does_not_fit",
        v311: &[],
        v5: &["3.14.2-3", "3.14.2-4"],
        run: explains_nothing_that_does_not_fit,
    },
    Test {
        name: "last_of_all",
        v311: &["3.14.4-1", "3.14.4-2"],
        v5: &["3.14.4-1 client", "3.14.4-2 client"],
        run: last_of_all,
    },
    Test {
        name: "server_closes_after_its_own",
        v311: &[],
        v5: &["3.14.4-1 server", "3.14.4-2 server"],
        run: server_closes_after_its_own,
    },
    Test {
        name: "calls_the_will_off",
        v311: &["3.1.2-8", "3.14.4-3", "U311-3.14.4-24"],
        v5: &["3.1.2-8", "3.14.4-3", "U5-3.14.4-184 server"],
        run: calls_the_will_off,
    },
];

/// Until CONNACK has accepted the client, the server says no DISCONNECT, whatever happens: it says
/// CONNACK or nothing.
fn server_waits_for_connack(version: Version) {
    let early: [fn(&mut Script<ServerEnd>); 4] = [
        |client| {
            let last = Disconnect::new(ReasonCode::ServerShuttingDown);
            let refused = client.end.connection.disconnect(last);
            assert_eq!(refused, Err(ConnectionError::WrongState));
            let refusal = ConnAck::new(ReasonCode::ServerBusy);
            client.end.connection.refuse(refusal).unwrap();
            client.expect("20 ~ 00 89 00");
        },
        |client| {
            let auth = packet(client.version, "F0 ~ 18 [15 'm']");
            let (now, connection) = (client.end.now, &mut client.end.connection);
            let refused = connection.handle_packet(now, client.version, &auth);
            refused.unwrap_err();
            client.expect("20 ~ 00 82 00");
        },
        |client| {
            let error = Packet::decode(client.version, b"\x31\x04\0\x01#\0").unwrap_err();
            let (now, connection) = (client.end.now, &mut client.end.connection);
            connection.handle_decode_error(now, error);
            client.expect("20 ~ 00 81 00");
        },
        |client| {
            client.end.connection.handle_close();
        },
    ];
    for happens in early {
        let mut client = ServerEnd::new(version);
        client.send("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
        happens(&mut client);
        client.expect_close();
    }
    let mut silent = ServerEnd::new(version);
    silent
        .end
        .connection
        .handle_timeout(Duration::from_secs(10));
    silent.expect_close();
    // CONNACK is on its way, and comes first. What comes before it is looked at after it.
    for (text, code) in [("D0 00", 0x82), ("F0 00", 0x82), ("31 ~ '#' 00", 0x81)] {
        for at_once in [false, true] {
            let mut client = ServerEnd::new(version);
            client.send("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
            if at_once {
                client.send(text);
                client.expect_open();
            }
            client.end.accept(ConnAck::new(ReasonCode::Success));
            if !at_once {
                client.send(text);
            }
            client.expect("20 ~ 00 00 00");
            client.expect_close_with(code);
        }
    }
    // A client may not get it before, either.
    let mut server = ClientEnd::connecting(version, connect("c"));
    server.send("E0 01 8B");
    server.expect_close_with(0x82);
}

/// With 0x9B, which is the server's in table 3-10, but which section 3.3.4 tells the client to send.
const BOTH_CODES: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9B,
];
const CLIENT_CODES: &[u8] = &[0x04];
/// With 0x8C, which is in table 2-6 alone.
const SERVER_CODES: &[u8] = &[
    0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x9A, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];

/// Each side sends its codes alone, and only the client a Session Expiry Interval.
fn senders_use_the_codes_there_are(version: Version) {
    let may = |own: &[u8], reason: ReasonCode| [BOTH_CODES, own].concat().contains(&reason.to_u8());
    for reason in (0..=u8::MAX).filter_map(ReasonCode::from_u8) {
        let code = match reason {
            ReasonCode::Success => "E0 00".to_owned(),
            other => format!("E0 01 {:02X}", other.to_u8()),
        };
        let last = Disconnect::new(reason);
        let mut client = sides::server(version, "");
        let said = client.end.connection.disconnect(last.clone());
        match may(SERVER_CODES, reason) {
            true => {
                said.unwrap();
                client.expect(&code);
                client.expect_close();
            }
            false => {
                assert_eq!(said, Err(ConnectionError::InvalidReasonCode));
                client.expect_open();
            }
        }
        let mut server = ClientEnd::plain(version);
        let said = server.end.connection.disconnect(last);
        match may(CLIENT_CODES, reason) {
            true => {
                said.unwrap();
                server.expect(&code);
                server.expect_close();
            }
            false => {
                assert_eq!(said, Err(ConnectionError::InvalidReasonCode));
                server.expect_open();
            }
        }
    }
    let mut client = sides::server(version, "11 00 00 00 05");
    let last = disconnect(version, "E0 ~ 00 [11 00 00 00 07]");
    let said = client.end.connection.disconnect(last);
    assert_eq!(said, Err(ConnectionError::SessionExpiry));
    client.expect_open();
}

fn disconnect(version: Version, text: &str) -> Disconnect {
    match packet(version, text) {
        Packet::Disconnect(disconnect) => disconnect,
        other => panic!("{other:?}"),
    }
}

/// Both sides have something to explain, which is left out of a DISCONNECT that would be too long.
fn explains_nothing_that_does_not_fit(version: Version) {
    for (code, whole) in [
        ("80", "E0 ~ 80 [1F 'because']"),
        ("80", "E0 ~ 80 [26 'key' 'value']"),
        ("04", "E0 ~ 04 [26 'k' 'v' 1F 'x' 26 'k' 'v']"),
    ] {
        let size = bytes(version, whole).len();
        let short = format!("E0 01 {code}");
        for (limit, expected) in [(size, whole), (size - 1, &short[..])] {
            let limit = format!("27 00 00 00 {limit:02X}");
            let last = disconnect(version, whole);
            if last.reason != ReasonCode::DisconnectWithWillMessage {
                let mut client = sides::server(version, &limit);
                client.end.connection.disconnect(last.clone()).unwrap();
                client.expect(expected);
                client.expect_close();
            }
            let mut server = sides::client(version, &limit);
            server.end.connection.disconnect(last).unwrap();
            server.expect(expected);
            server.expect_close();
        }
    }
}

/// The client closes behind its DISCONNECT, and sends nothing more, whatever it is asked to and
/// whatever comes. What it was asked to before is sent before.
fn last_of_all(version: Version) {
    let mut server = ClientEnd::plain(version);
    let connection = &mut server.end.connection;
    connection
        .publish(QoS::AtLeastOnce, message("t", "early"))
        .unwrap();
    let last = Disconnect::new(ReasonCode::Success);
    connection.disconnect(last.clone()).unwrap();
    let wrong = Err(ConnectionError::WrongState);
    assert_eq!(connection.disconnect(last), wrong);
    assert_eq!(connection.ping(), wrong);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let said = connection.publish(qos, message("t", "late"));
        assert_eq!(refusal(said), Some(ConnectionError::WrongState));
    }
    server.expect("32 ~ 't' 00 01 [] \"early\" | E0 00");
    server.expect_close();
    // At QoS 1 and 2 a message waits for the next connection.
    let connection = &mut server.end.connection;
    let said = connection.publish(QoS::AtMostOnce, message("t", "late"));
    assert_eq!(refusal(said), Some(ConnectionError::WrongState));
    let said = connection.publish(QoS::AtLeastOnce, message("t", "late"));
    said.unwrap();
    server.expect_close();
    server.send("32 ~ 't' 00 01 [] | 34 ~ 't' 00 02 [] | 62 ~ 00 02 | E0 00 | 30 01 00");
    server.end.wait(1_000);
    server.expect_close();
}

/// The server closes behind its DISCONNECT, and sends nothing more.
fn server_closes_after_its_own(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "c");
    client.subscribe("t", 2);
    // Another connection takes the session over.
    let mut new = net.connect(version, "c");
    client.expect("E0 01 8E");
    client.expect_close();
    let mut other = net.connect(version, "other");
    other.send("32 ~ 't' 00 01 [] | 31 ~ 't' [] \"x\"");
    client.send("C0 00 | 82 ~ 00 01 [] 't' 01 | 32 ~ 't' 00 02 [] | 34 ~ 't' 00 03 []");
    net.wait(1_000);
    client.expect_close();
    new.expect_open();
    // What waits when the connection ends is not sent behind DISCONNECT. What is owed is, before it.
    let mut client = sides::server(version, "");
    let connection = &mut client.end.connection;
    connection
        .publish(QoS::ExactlyOnce, message("t", "unsent"))
        .unwrap();
    client.send("C0 00 | 32 ~ 't' 00 01 [] | D0 00");
    client.expect("D0 00 | E0 01 82");
    client.send("C0 00");
    client.end.connection.handle_timeout(Duration::MAX);
    client.expect_close();
}

/// The will is not published, neither now nor later; but for all other ends it is.
fn calls_the_will_off(version: Version) {
    let net = Net::new();
    let mut watcher = net.connect(version, "watcher");
    watcher.subscribe("will", 0);
    for delay in ["", "18 00 00 00 05"] {
        let connect =
            format!("10 ~ 'MQTT' VV 06 00 00 [11 00 00 00 0A] 'c' [{delay}] 'will' 'gone'");
        let (mut client, _) = net.connect_with(version, &connect);
        client.send("E0 00");
        assert!(client.end.is_closing());
        client.cut();
        net.wait(100);
        watcher.expect_open();
        net.connect_with(version, &connect).0.cut();
        net.wait(100);
        watcher.expect("30 ~ 'will' [] \"gone\"");
        if version == Version::V311 {
            continue;
        }
        for code in ["04", "80", "81", "99"] {
            let (mut client, _) = net.connect_with(version, &connect);
            client.send(&format!("E0 01 {code}"));
            assert!(client.end.is_closing());
            net.wait(100);
            watcher.expect("30 ~ 'will' [] \"gone\"");
        }
    }
}
