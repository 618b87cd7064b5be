//! MQTT 5.0 sections 3.4 to 3.7: PUBACK, PUBREC, PUBREL and PUBCOMP.

use mqtt_sansio::connection::{ConnectionError, Role};
use mqtt_sansio::packet::KeepAlive;
use mqtt_sansio::session::SessionError;
use mqtt_sansio::{QoS, ReasonCode, Version};
use support::notation::bytes;
use support::script::{ClientEnd, OwnEnd, Script, ServerEnd, connect, lasting};

use crate::Test;
use crate::sides::{self, Side, explaining};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "senders_use_the_codes_there_are",
        v311: &[],
        v5: &["3.4.2-1", "3.5.2-1", "3.6.2-1", "3.7.2-1"],
        run: senders_use_the_codes_there_are,
    },
    Test {
        name: "explain_nothing_that_does_not_fit",
        v311: &[],
        v5: &[
            "3.4.2-2", "3.4.2-3", "3.5.2-2", "3.5.2-3", "3.6.2-2", "3.6.2-3", "3.7.2-2", "3.7.2-3",
        ],
        run: explain_nothing_that_does_not_fit,
    },
    Test {
        name: "no_room_for_an_answer",
        v311: &[],
        v5: &["3.2.2-15"],
        run: no_room_for_an_answer,
    },
];

/// The codes of PUBACK and PUBREC.
const CODES: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];

/// What an application asks for is sent if the packet has the code, and refused if not; what the
/// crate answers by itself is always one of them.
fn senders_use_the_codes_there_are(version: Version) {
    let all = (0..=u8::MAX).filter_map(ReasonCode::from_u8);
    for reason in all {
        // PUBACK and PUBREC.
        for (qos, answer) in [("32", "40"), ("34", "50")] {
            sender_uses_the_codes_there_are(ClientEnd::plain(version), qos, answer, reason);
            sender_uses_the_codes_there_are(ServerEnd::plain(version), qos, answer, reason);
        }
    }
    for mut side in Side::both(version) {
        side.peer.send("62 ~ 00 07");
        side.peer.expect("70 ~ 00 07 92");
        side.peer.send("50 ~ 00 08");
        side.peer.expect("62 ~ 00 08 92");
        side.peer.expect_open();
    }
}

fn sender_uses_the_codes_there_are<R: Role>(
    mut peer: Script<OwnEnd<R>>,
    qos: &str,
    answer: &str,
    reason: ReasonCode,
) {
    peer.end.acknowledges = false;
    peer.send(&format!("{qos} ~ 't' 00 07 []"));
    let (token, none) = (peer.end.token(), <_>::default());
    let said = peer.end.connection.acknowledge_with(token, reason, none);
    match CODES.contains(&reason.to_u8()) {
        true => {
            let code = match reason {
                ReasonCode::Success => String::new(),
                other => format!("{:02X}", other.to_u8()),
            };
            assert_eq!(said, Ok(()));
            peer.expect(&format!("{answer} ~ 00 07 {code}"));
        }
        false => {
            let refused = ConnectionError::Session(SessionError::InvalidReasonCode);
            assert_eq!(said, Err(refused), "{reason}");
        }
    }
    peer.expect_open();
}

/// Both sides have something to explain, which is left out of a PUBACK or PUBREC that would be too
/// long; the code stays. PUBREL and PUBCOMP are not explained, nor is what nobody asked to be: these
/// are the same where no packet may be longer than PUBLISH without a payload, which leaves next to no
/// room for a Reason String, and none for a User Property.
fn explain_nothing_that_does_not_fit(version: Version) {
    for (qos, answer) in [("32", "40"), ("34", "50")] {
        for code in ["00", "97"] {
            for explanation in ["1F 'because'", "26 'k' 'v'", "26 'k' 'v' 1F 'x' 26 'k' 'v'"] {
                let whole = format!("{answer} ~ 00 07 {code} [{explanation}]");
                let short = match code {
                    "00" => format!("{answer} ~ 00 07"),
                    _ => format!("{answer} ~ 00 07 {code}"),
                };
                let size = bytes(version, &whole).len();
                for (limit, expected) in [(size, &whole), (size - 1, &short)] {
                    let limit = format!("27 00 00 00 {limit:02X}");
                    let how = (qos, code, explanation, &expected[..]);
                    explains_nothing_that_does_not_fit(sides::client(version, &limit), how);
                    explains_nothing_that_does_not_fit(sides::server(version, &limit), how);
                }
            }
        }
    }
    // Nor on the next connection, where less fits.
    let mut server = ClientEnd::accepted(version, lasting(version, "c"), "20 ~ 00 00 []");
    server.end.acknowledges = false;
    server.send("34 ~ 't' 00 07 []");
    let token = server.end.token();
    let because = explaining(version, "1F 'because'");
    let client = &mut server.end.connection;
    client
        .acknowledge_with(token, ReasonCode::Success, because)
        .unwrap();
    server.reconnect(lasting(version, "c"), "20 ~ 01 00 [27 00 00 00 0A]");
    server.send("3C ~ 't' 00 07 []");
    for token in server.end.tokens() {
        let _late = server.end.connection.acknowledge(token);
    }
    server.expect("50 ~ 00 07");
    server.expect_open();
    for mut side in Side::both_limited(version, "27 00 00 00 0A") {
        side.peer.send("32 ~ 'in' 00 01 []");
        side.peer.expect("40 ~ 00 01");
        side.peer.send("34 ~ 'in' 00 02 []");
        side.peer.expect("50 ~ 00 02");
        side.peer.send("62 ~ 00 02");
        side.peer.expect("70 ~ 00 02");
        side.peer.send("62 ~ 00 03");
        side.peer.expect("70 ~ 00 03 92");
        side.publish(QoS::ExactlyOnce, "");
        side.peer.expect("34 ~ 'out' 00 01 []");
        side.peer.send("50 ~ 00 01");
        side.peer.expect("62 ~ 00 01");
        side.peer.send("50 ~ 00 09");
        side.peer.expect("62 ~ 00 09 92");
        side.peer.expect_open();
    }
}

fn explains_nothing_that_does_not_fit<R: Role>(
    mut peer: Script<OwnEnd<R>>,
    (qos, code, explanation, expected): (&str, &str, &str, &str),
) {
    peer.end.acknowledges = false;
    peer.send(&format!("{qos} ~ 't' 00 07 []"));
    let reason = ReasonCode::from_u8(u8::from_str_radix(code, 16).unwrap()).unwrap();
    let properties = explaining(peer.version, explanation);
    let (token, connection) = (peer.end.token(), &mut peer.end.connection);
    connection
        .acknowledge_with(token, reason, properties)
        .unwrap();
    peer.expect(expected);
    peer.expect_open();
}

/// A server that takes packets of 4 bytes takes no PUBACK with a code. The client sends none that is
/// too long: it closes the connection when something comes to which it might have to answer so.
fn no_room_for_an_answer(version: Version) {
    for text in [
        "32 ~ 't' 00 07 []",
        "34 ~ 't' 00 07 []",
        "62 ~ 00 07",
        "50 ~ 00 07",
    ] {
        let mut server = sides::client(version, "27 00 00 00 04");
        server.send("30 ~ 't' [] \"x\"");
        assert_eq!(server.end.delivered, ["t=x"]);
        server.send(text);
        server.expect_close_with(0x95);
        let mut server = sides::client(version, "27 00 00 00 05");
        server.send(text);
        assert_eq!(server.receive_all().len(), 1);
        server.expect_open();
    }
    // Nor a PINGREQ where no packet can be small enough.
    for (limit, ping) in [("02", "C0 00"), ("01", "")] {
        let mut connect = connect("c");
        connect.keep_alive = KeepAlive::from_secs(10);
        let connack = format!("20 ~ 00 00 [27 00 00 00 {limit}]");
        let mut server = ClientEnd::accepted(version, connect, &connack);
        assert_eq!(server.end.connection.ping().is_ok(), limit == "02");
        server.expect(ping);
        server.send("30 ~ 't' [] \"x\"");
        server.expect_open();
        server.end.wait(10);
        server.expect(ping);
        match limit {
            "02" => server.expect_open(),
            _ => server.expect_close(),
        }
    }
}
