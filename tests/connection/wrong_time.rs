//! Every packet type in every state of both sides, and what a bad packet is answered with.

use mqtt_sansio::connection::{Closed, Connection, Event, Role, Violation, client, server};
use mqtt_sansio::packet::{
    Ack, Auth, ConnAck, Disconnect, ReasonCodes, SubAck, Subscribe, TopicFilters, Unsubscribe,
};
use mqtt_sansio::property::ConnectProperties;
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{
    Delivery, FrameDecoder, Packet, PacketType, ReasonCode, Side, Text, Version, session,
};

use crate::driver::*;

#[test]
fn violations_name_their_statements() {
    use Violation::*;
    let repeated = session::Violation::PubAckAtQoS2;
    for (violation, of_311, of_5) in [
        (Session(repeated), "MQTT-3.3.4-1", "MQTT-3.3.4-1"),
        (
            UnexpectedPacket(PacketType::Connect),
            "MQTT-3.1.0-2",
            "MQTT-3.1.0-2",
        ),
        (
            UnexpectedPacket(PacketType::Disconnect),
            "",
            "MQTT-3.14.0-1",
        ),
        (UnexpectedPacket(PacketType::ConnAck), "", "MQTT-3.2.0-2"),
        (UnexpectedPacket(PacketType::PingReq), "", ""),
        (EmptyClientId, "MQTT-3.1.3-8", "MQTT-3.1.3-8"),
        (RequestInUse, "MQTT-2.3.1-2", "MQTT-2.2.1-3"),
        (SessionPresent, "MQTT-3.2.2-1", "MQTT-3.2.2-4"),
        (
            TopicAliasTooLarge(Side::Client),
            "MQTT-3.3.2-9",
            "MQTT-3.3.2-9",
        ),
        (
            TopicAliasTooLarge(Side::Server),
            "MQTT-3.3.2-11",
            "MQTT-3.3.2-11",
        ),
        (
            NotSupported(ReasonCode::QoSNotSupported),
            "MQTT-3.2.2-11",
            "MQTT-3.2.2-11",
        ),
        (
            NotSupported(ReasonCode::RetainNotSupported),
            "MQTT-3.2.2-14",
            "MQTT-3.2.2-14",
        ),
        (NotSupported(ReasonCode::PacketTooLarge), "", ""),
        (AuthenticationMethod, "MQTT-4.12.0-5", "MQTT-4.12.0-5"),
        (ProblemInformation, "MQTT-3.1.2-29", "MQTT-3.1.2-29"),
    ] {
        let found = BOTH.map(|version| violation.statement(version).unwrap_or_default());
        assert_eq!(found, [of_311, of_5], "{violation}");
    }
    assert_eq!(TooEarly.reason_code(), ReasonCode::QuotaExceeded);
}

/// A server that answers before it was asked.
#[test]
fn no_connack_before_connect() {
    for version in BOTH {
        let mut client = client::Connection::new();
        client.connect(version, connect(0, <_>::default())).unwrap();
        let found = handle(&mut client, &connack(<_>::default()).into());
        assert_eq!(found, Err(Violation::UnexpectedPacket(PacketType::ConnAck)));
    }
}

/// One of each type, CONNECT first.
fn packets() -> Vec<Packet> {
    let ack = Ack::new(id(7));
    let filter = TopicFilter::new("f").unwrap();
    let suback = SubAck::new(id(7), ReasonCodes::new([OK]));
    let method = Text::new("m").unwrap();
    vec![
        connect(0, <_>::default()).into(),
        connack(<_>::default()).into(),
        publish(Delivery::AtMostOnce, "t").into(),
        Packet::PubAck(ack.clone()),
        Packet::PubRec(ack.clone()),
        Packet::PubRel(ack.clone()),
        Packet::PubComp(ack),
        Subscribe::new(id(7), subscriptions("f")).into(),
        Packet::SubAck(suback.clone()),
        Unsubscribe::new(id(7), TopicFilters::new([filter]).unwrap()).into(),
        Packet::UnsubAck(suback),
        Packet::PingReq,
        Packet::PingResp,
        Disconnect::new(OK).into(),
        Auth::new(ReasonCode::ContinueAuthentication, method).into(),
    ]
}

/// What each packet of [`packets`] comes to, one letter each: `d`one, de`l`iver, `c`onnect,
/// `s`ubscribe, `u`nsubscribe, `a`uth, `e`arly, `V`iolation.
fn table(mut judge: impl FnMut(&Packet) -> Result<Found, Violation>) -> String {
    let letter = |packet| match judge(packet) {
        Ok(Found::Nothing) => 'd',
        Ok(Found::Message(..)) => 'l',
        Ok(Found::Connect) => 'c',
        Ok(Found::Subscribe(_)) => 's',
        Ok(Found::Unsubscribe(_)) => 'u',
        Ok(Found::Auth) => 'a',
        Ok(Found::Early) => 'e',
        Err(_) => 'V',
    };
    packets().iter().map(letter).collect()
}

/// [MQTT-3.1.0-1] [MQTT-3.1.0-2] [MQTT-3.1.2-30] [MQTT-3.14.4-1]; 3.1.1 [MQTT-3.1.0-1]
/// [MQTT-3.1.0-2] [MQTT-3.14.4-2].
#[test]
fn every_packet_to_a_server() {
    let method = Text::new("m").unwrap();
    let authenticated = ConnectProperties::builder()
        .authentication_method(method)
        .build();
    let idle = |_| server::Connection::new(ZERO, secs(1));
    let waiting = |version| asked(version, connect(0, <_>::default()));
    let authenticating = move |version| asked(version, connect(0, authenticated.clone()));
    let left = |version| {
        let mut server = accepted(version, connect(0, <_>::default()), connack(<_>::default()));
        let last = Packet::from(Disconnect::new(OK));
        handle(&mut server, &last).unwrap();
        server
    };
    let ended = |version| {
        let mut server = accepted(version, connect(0, <_>::default()), connack(<_>::default()));
        server.disconnect(Disconnect::new(OK)).unwrap();
        let _ = sent(&mut server);
        server
    };
    type Make = Box<dyn Fn(Version) -> server::Connection>;
    #[rustfmt::skip]
    let states: [(&str, Make, &str); 6] = [
        ("before CONNECT",       Box::new(idle),                  "cVVVVVVVVVVVVVV"),
        ("before CONNACK",       Box::new(waiting),               "VVeeeeeeVeVeVeV"),
        ("authenticating",       Box::new(authenticating),        "VVVVVVVVVVVVVdV"),
        ("connected",            Box::new(server), "VVlddddsVuVdVdV"),
        ("after its DISCONNECT", Box::new(left),                  "ddddddddddddddd"),
        ("after ours",           Box::new(ended),                 "ddddddddddddddd"),
    ];
    for (state, make, expected) in states {
        for version in BOTH {
            if state == "authenticating" && version == Version::V311 {
                continue;
            }
            let found = table(|packet| {
                let mut server = make(version);
                while server.poll_event().is_some() {}
                let judged = handle_at(&mut server, ZERO, version, packet);
                let Err(violation) = judged else {
                    return judged;
                };
                // One packet at most tells why, and nothing follows.
                let why = last(&sent(&mut server));
                let over = state == "before CONNECT";
                let told = match (version, state) {
                    _ if over => None,
                    (Version::V311, _) => None,
                    (Version::V5, "connected") => Some(14),
                    (Version::V5, _) => Some(2),
                };
                assert_eq!(why.map(|(packet, _)| packet), told, "{state} {packet:?}");
                assert!(why.is_none_or(|why| why.1 == violation.reason_code()));
                assert!(server.is_closed());
                assert_eq!(sent(&mut server), []);
                judged
            });
            assert_eq!(found, expected, "{state} {version}");
        }
    }
}

/// [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT-3.14.0-1]; 3.1.1 [MQTT-3.2.0-1].
#[test]
fn every_packet_to_a_client() {
    let waiting = |version| connecting(version, connect(0, <_>::default()));
    let left = |version| {
        let mut client = client(version);
        client.handle_close();
        client
    };
    type Make = Box<dyn Fn(Version) -> client::Connection>;
    #[rustfmt::skip]
    let states: [(&str, Make, &str, &str); 4] = [
        ("idle",      Box::new(|_| client::Connection::new()), "VVVVVVVVVVVVVVV", "VVVVVVVVVVVVVVV"),
        ("connecting", Box::new(waiting),                      "VdVVVVVVVVVVVVV", "VdVVVVVVVVVVVVV"),
        ("connected", Box::new(client),       "VVlddddVdVdVdVV", "VVlddddVdVdVddV"),
        ("closed",    Box::new(left),                          "ddddddddddddddd", "ddddddddddddddd"),
    ];
    for (state, make, v311, v5) in states {
        for (version, expected) in [(Version::V311, v311), (Version::V5, v5)] {
            let found = table(|packet| {
                let mut client = make(version);
                while client.poll_event().is_some() {}
                let judged = handle_at(&mut client, ZERO, version, packet);
                if let Err(violation) = judged {
                    let why = last(&sent(&mut client));
                    let told = version == Version::V5 && state != "idle";
                    assert_eq!(why, told.then_some((14, violation.reason_code())));
                    assert!(client.is_closed());
                    let violated = Closed::Violated(violation);
                    assert_eq!(closed(client.poll_event()), Some(violated));
                }
                judged
            });
            assert_eq!(found, expected, "{state} {version}");
        }
    }
}

/// The bytes that a server receives, and what it answers: CONNACK or DISCONNECT with a code, or
/// nothing [MQTT-4.13.1-1] [MQTT-4.13.2-1]; 3.1.1 [MQTT-4.8.0-1].
#[test]
fn server_answers_to_what_is_no_packet() {
    const CONNECT_311: &[u8] = b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x01c";
    const CONNECT_5: &[u8] = b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c";
    use ReasonCode::*;
    // What came before, what comes, and the answer.
    type Case<'a> = (&'a [u8], &'a [u8], Option<(u8, ReasonCode)>);
    #[rustfmt::skip]
    let cases: [Case<'_>; 14] = [
        (b"", b"\x40\x02\x00\x01",                                     None),
        (b"", b"GET / HTTP/1.1\r\n",                                   None),
        (b"", b"\x10\x0C\x00\x04MQTX\x05\x02\x00\x00\x00\x00",         None),
        (b"", b"\x10\x0C\x00\x04MQTT\x03\x02\x00\x00\x00\x00",         Some((2, UnsupportedProtocolVersion))),
        (b"", b"\x10\x0D\x00\x04MQTT\x06\x02\x00\x00\x00\x00\x00",     Some((2, UnsupportedProtocolVersion))),
        (b"", b"\x10\x0C\x00\x04MQTT\x04\x03\x00\x00\x00\x00",         None),
        (b"", b"\x10\x0D\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x00",     Some((2, MalformedPacket))),
        (b"", b"\x10\x0F\x00\x04MQTT\x05\x02\x00\x00\x02\x21\x00\x00\x00", Some((2, MalformedPacket))),
        (CONNECT_311, b"\x30\x00",                                     None),
        (CONNECT_5, b"\x30\x00",                                       Some((14, MalformedPacket))),
        (CONNECT_5, b"\x30\x06\x00\x03a/#\x00",                        Some((14, MalformedPacket))),  // A21
        (CONNECT_5, b"\x20\x03\x00\x00\x00",                           Some((14, ProtocolError))),
        (CONNECT_5, b"\x82\x07\x00\x01\x00\x00\x01#\x03",              Some((14, ProtocolError))),
        (CONNECT_5, b"\x30\xFF\xFF\xFF\x7F",                           Some((14, PacketTooLarge))),
    ];
    for (before, bytes, expected) in cases {
        let mut server = server::Connection::new(ZERO, secs(1));
        let mut decoder = FrameDecoder::server();
        let mut unread = before;
        if let Some(packet) = decoder.decode(&mut unread).unwrap() {
            let version = decoder.version().unwrap();
            handle_at(&mut server, ZERO, version, &packet).unwrap();
            server
                .accept(ZERO, connack(<_>::default()), &mut None)
                .unwrap();
            assert_eq!(sent(&mut server).len(), 1);
        }
        let mut unread = bytes;
        let error = decoder.decode(&mut unread).unwrap_err();
        server.handle_decode_error(ZERO, error);
        assert_eq!(last(&sent(&mut server)), expected, "{bytes:02x?}");
        assert!(server.is_closed());
        let violated = Closed::Malformed(error);
        assert_eq!(closed(server.poll_event()), Some(violated));
        // The answer can be read in its version.
        if let Some((2, reason)) = expected {
            let answer: Packet = ConnAck::new(reason).into();
            assert!(answer.encoded_len(server.version()).is_ok());
        }
    }
    // Between CONNECT and CONNACK.
    for (version, expected) in [
        (Version::V311, None),
        (Version::V5, Some((2, MalformedPacket))),
    ] {
        let mut server = asked(version, connect(0, <_>::default()));
        let error = Packet::decode(version, b"\x30\x00").unwrap_err();
        server.handle_decode_error(ZERO, error);
        assert_eq!(last(&sent(&mut server)), expected);
    }
}

#[test]
fn client_answers_to_what_is_no_packet() {
    for (version, expected) in [
        (Version::V311, None),
        (Version::V5, Some((14, ReasonCode::MalformedPacket))),
    ] {
        let mut client = client(version);
        let error = Packet::decode(version, b"\x30\x00").unwrap_err();
        client.handle_decode_error(ZERO, error);
        assert_eq!(last(&sent(&mut client)), expected);
        let violated = Closed::Malformed(error);
        assert_eq!(client.poll_event(), Some(Event::Closed(violated)));
        // Nothing follows DISCONNECT [MQTT-3.14.4-1] [MQTT-3.14.4-2].
        client.handle_decode_error(ZERO, error);
        assert_eq!((client.poll_event(), sent(&mut client)), (None, vec![]));
        assert!(client.is_closed());
    }
    // Nothing comes before CONNECT, not even DISCONNECT [MQTT-3.1.0-1].
    let mut client = client::Connection::new();
    client
        .connect(Version::V5, connect(0, <_>::default()))
        .unwrap();
    let error = Packet::decode(Version::V5, b"\x30\x00").unwrap_err();
    client.handle_decode_error(ZERO, error);
    assert_eq!(sent(&mut client), []);
}

/// What stands behind a mistake is not read.
#[test]
fn nothing_is_left_of_the_input_at_the_end() {
    for version in BOTH {
        let mut client = client(version);
        let mut input = &b"\x30\x00\xD0\x00"[..];
        assert_eq!(client.handle_slice(ZERO, &mut input), None);
        assert!(input.is_empty() && client.ended().is_err());
        // Nothing has to be sent where there is no DISCONNECT.
        assert_eq!(client.is_closed(), version == Version::V311);
    }
}

/// A server's CONNACK leaves before the DISCONNECT that a violation asks for [MQTT-3.14.0-1].
#[test]
fn no_disconnect_before_connack() {
    let mut server = asked(Version::V5, connect(0, <_>::default()));
    let early = server.disconnect(Disconnect::new(OK));
    assert!(early.is_err());
    server
        .accept(ZERO, connack(<_>::default()), &mut None)
        .unwrap();
    let violation = handle(&mut server, &Packet::PingResp);
    assert_eq!(code(violation.unwrap_err()), 0x82);
    let packets = sent(&mut server);
    assert!(matches!(
        packets[..],
        [Packet::ConnAck(_), Packet::Disconnect(_)]
    ));
}

/// Once a connection is over, from whatever state, nothing happens any more and nothing panics.
#[test]
fn closed_at_every_state() {
    for version in BOTH {
        let clients = [
            client::Connection::new(),
            connecting(version, connect(0, <_>::default())),
            client(version),
        ];
        for mut client in clients {
            nothing_happens_once_closed(&mut client);
            while client.poll_event().is_some() {}
            client.connect(version, connect(0, <_>::default())).unwrap();
            assert_eq!(sent(&mut client).len(), 1);
        }
        let servers = [
            server::Connection::new(ZERO, secs(1)),
            asked(version, connect(0, <_>::default())),
            server(version),
        ];
        for mut server in servers {
            nothing_happens_once_closed(&mut server);
            assert_eq!(closed(server.poll_event()), Some(Closed::Lost));
            assert_eq!(server.poll_event(), None);
        }
    }
}

fn nothing_happens_once_closed<R: Role>(connection: &mut Connection<R>) {
    for _ in 0..2 {
        connection.handle_close();
        connection.handle_timeout(secs(1_000_000));
        assert_eq!(connection.next_timeout(), None);
        assert_eq!(sent(connection), []);
    }
}

/// Random packets and commands in random order; the fuzz target `connection` does the same.
#[test]
fn random_sequences() {
    let mut seed = 1_u64;
    for len in (0..6_000).map(|step| step % 600 * 4) {
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                u8::try_from(seed >> 56).unwrap()
            })
            .collect();
        support::drive::server(&bytes);
        support::drive::client(&bytes);
        support::doors::doors(&bytes);
    }
}

/// Both forms of the bytes door, over every vector behind another packet.
#[test]
fn both_bytes_doors_read_the_vectors_alike() {
    for vector in support::vectors::all() {
        let mended = b"\x38\x03\x00\x01t";
        support::doors::doors(&vector.bytes);
        support::doors::doors(&[mended, &vector.bytes[..]].concat());
    }
}
