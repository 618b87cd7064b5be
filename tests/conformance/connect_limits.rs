//! MQTT 5.0 sections 3.1.2.10 and 3.1.2.11: Keep Alive, and what CONNECT limits or asks for.

use std::num::NonZeroU32;
use std::time::Duration;

use mqtt_sansio::connection::{ConnectionError, Event, Incoming, Role, Violation, client, server};
use mqtt_sansio::packet::{Auth, Disconnect, KeepAlive, Publish};
use mqtt_sansio::property::{
    AckProperties, ConnAckProperties, ConnectProperties, DisconnectProperties,
};
use mqtt_sansio::{Delivery, Message, QoS, ReasonCode, Version};
use support::script::{
    ClientEnd, End, Net, OwnEnd, Script, ServerEnd, connack, connect, message, subscriptions, text,
};

use crate::Test;
use crate::sides::refusal;

pub(crate) const TESTS: &[Test] = &[
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
        name: "packet_size_is_announced",
        v311: &[],
        v5: &[
            "3.1.2-24",
            "3.2.2-15",
            "U5-3.1.2.11.4-22",
            "U5-3.1.2.11.4-24",
            "U5-3.2.2.3.6-73",
            "U5-3.2.2.3.6-75",
        ],
        run: packet_size_is_announced,
    },
    Test {
        name: "response_information_is_asked_for",
        v311: &[],
        v5: &["3.1.2-28", "U5-3.1.2.11.6-28", "U5-3.1.2.11.6-29"],
        run: response_information_is_asked_for,
    },
    Test {
        name: "problem_information_is_asked_for",
        v311: &[],
        v5: &[
            "3.1.2-29",
            "U5-3.1.2.11.7-31",
            "U5-3.1.2.11.7-32",
            "U5-3.1.2.11.7-33",
        ],
        run: problem_information_is_asked_for,
    },
    Test {
        name: "authentication_comes_first",
        v311: &[],
        v5: &["3.1.2-30"],
        run: authentication_comes_first,
    },
];

/// PINGREQ is sent in the absence of anything else, before Keep Alive has passed.
fn client_keeps_the_connection_alive(version: Version) {
    let mut connect = connect("a");
    connect.keep_alive = KeepAlive::from_secs(10);
    // From CONNECT on, if that is all that was sent.
    let mut server = ClientEnd::accepted(version, connect.clone(), "20 ~ 00 00 []");
    // Early enough for a clock that is a little late.
    let due = server.end.connection.next_timeout().unwrap();
    assert!(due < Duration::from_millis(9_900));
    server.end.wait(9);
    server.expect_open();
    server.end.wait(1);
    server.expect("C0 00");
    let mut server = ClientEnd::accepted(version, connect, "20 ~ 00 00 []");
    server.end.wait(9);
    server.expect_open();
    let client = &mut server.end.connection;
    client.publish(QoS::AtMostOnce, message("t", "x")).unwrap();
    server.expect("30 ~ 't' [] \"x\"");
    server.end.wait(9);
    server.expect_open();
    for _ in 0..2 {
        server.end.wait(1);
        server.expect("C0 00");
        server.send("D0 00");
        server.end.wait(9);
        server.expect_open();
    }
}

/// A silent client is cut off, and one that sends anything at all is not.
fn server_waits_one_and_a_half_times_keep_alive(version: Version) {
    let net = Net::new();
    let connect = "10 ~ 'MQTT' VV 02 00 0A [] 'a'";
    let (mut client, _) = net.connect_with(version, connect);
    for (packet, answer) in [
        ("C0 00", "D0 00"),
        ("30 ~ 't' []", ""),
        ("62 ~ 00 01", "70 ~ 00 01 {92}"),
        ("82 ~ 00 01 [] 't' 00", "90 ~ 00 01 [] 00"),
    ] {
        net.wait(14);
        client.send(packet);
        client.expect(answer);
    }
    net.wait(14);
    client.expect_open();
    net.wait(1);
    client.expect_close_with(0x8D);
    // CONNECT is the last packet that came, whenever it is answered.
    let mut client = ServerEnd::new(version);
    client.send(connect);
    client.end.wait(5);
    client.end.accept(connack(ConnAckProperties::default()));
    client.expect("20 ~ 00 00 []");
    client.end.wait(9);
    client.expect_open();
    client.end.wait(1);
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
    assert_eq!(refusal(large), Some(ConnectionError::PacketTooLarge));
    let reason = text("why this ends");
    let mut last = Disconnect::new(ReasonCode::ServerBusy);
    last.properties = DisconnectProperties::builder()
        .reason_string(reason)
        .build();
    server.disconnect(last).unwrap();
    client.expect_close_with(0x89);

    // SUBACK cannot be shorter, so that there is nothing left to say.
    let connect = "10 ~ 'MQTT' VV 02 00 00 [27 00 00 00 14] 'd'";
    let (mut client, _) = net.connect_with(version, connect);
    client.send(&format!("82 ~ 00 01 [] {}", "'t' 00 ".repeat(15)));
    client.expect("90 ~ 00 01 [] 00*15");
    client.send(&format!("82 ~ 00 01 [] {}", "'t' 00 ".repeat(16)));
    client.expect_close_with(0x95);

    // What was sent before is not sent again where it is too large.
    let net = Net::new();
    let mut client = net.resume(version, "a");
    client.subscribe("t", 2);
    let mut other = net.connect(version, "b");
    other.send("32 ~ 't' 00 01 [] 78*30 | 34 ~ 't' 00 02 [] 78*30 | 32 ~ 't' 00 03 [] 78");
    assert_eq!(client.receive_all().len(), 3);
    client.cut();
    let connect = "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF 27 00 00 00 14] 'a'";
    let (mut client, _) = net.connect_with(version, connect);
    client.expect("62 ~ 00 02 | 3A ~ 't' 00 03 [] 78");
    client.expect_open();

    // An alias that would make it too long is left out.
    let connect = "10 ~ 'MQTT' VV 02 00 00 [27 00 00 00 14 22 00 05] 'e'";
    let (mut client, _) = net.connect_with(version, connect);
    client.subscribe("t", 0);
    other.send("30 ~ 't' [] 78*14 | 30 ~ 't' [] 79");
    client.expect("30 12 00 01 \"t\" 00 78*14 | 30 ~ 't' [23 00 01] 79");

    // Not even CONNACK may be larger.
    let mut client = net.open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [27 00 00 00 04] 'd'");
    client.expect_close();
}

/// Each end says which size it takes, unless it takes any, or the application says another one. The
/// other end keeps to it, and what is larger all the same is refused.
fn packet_size_is_announced(version: Version) {
    const DEFAULT: u32 = 1 << 20;
    for (own, said, announced) in [
        (None, None, Some(DEFAULT)),
        (None, Some(100), Some(100)),
        (None, Some(2 * DEFAULT), Some(2 * DEFAULT)),
        (Some(1_000), None, Some(1_000)),
        (Some(1_000), Some(100), Some(100)),
        (Some(u32::MAX), None, None),
        (Some(u32::MAX), Some(100), Some(100)),
    ] {
        let said = said.and_then(NonZeroU32::new);
        let mut client = client::Connection::new();
        let mut server = server::Connection::new(Duration::ZERO, Duration::from_secs(10));
        if let Some(own) = own {
            client = client.max_packet_size(own);
            server = server.max_packet_size(own);
        }
        let (mut hello, mut accepted) = (connect("c"), connack(<_>::default()));
        if let Some(said) = said {
            let builder = ConnectProperties::builder();
            hello.properties = builder.maximum_packet_size(said).build();
            let builder = ConnAckProperties::builder();
            accepted.properties = builder.maximum_packet_size(said).build();
        }
        client.connect(version, hello).unwrap();
        let mut client = ClientEnd::new(version, client);
        let mut server = ServerEnd::with(version, server);
        let hello = client.end.take_output();
        server.end.handle_bytes(&hello);
        let Some(Incoming::Connect(connect)) = server.end.incoming.first() else {
            panic!("no CONNECT");
        };
        let announced = announced.and_then(NonZeroU32::new);
        assert_eq!(connect.properties.maximum_packet_size(), announced);
        server.end.accept(accepted);
        let accepted = server.end.take_output();
        client.end.handle_bytes(&accepted);
        let [Event::Connected(connack)] = &client.end.events()[..] else {
            panic!("no CONNACK");
        };
        assert_eq!(connack.properties.maximum_packet_size(), announced);
        sends_no_larger_packet(&mut client.end, announced);
        sends_no_larger_packet(&mut server.end, announced);
        takes_no_larger_packet(client, announced);
        takes_no_larger_packet(server, announced);
    }
}

/// A message that makes a PUBLISH of so many bytes at QoS 0.
fn message_of(len: u32) -> Message {
    let len = usize::try_from(len).unwrap();
    let of = |payload| Message::new("t".parse().unwrap(), vec![b'x'; payload]);
    let packet_len = |message: &Message| {
        let publish = Publish::of(Delivery::AtMostOnce, message.clone());
        publish.encoded_len(Version::V5).unwrap()
    };
    let mut messages = (6..=9).map(|head| of(len - head));
    messages.find(|message| packet_len(message) == len).unwrap()
}

fn sends_no_larger_packet<R: Role>(end: &mut OwnEnd<R>, limit: Option<NonZeroU32>) {
    let len = limit.map_or(3 << 20, NonZeroU32::get);
    let sent = end.connection.publish(QoS::AtMostOnce, message_of(len));
    sent.unwrap();
    assert_eq!(end.take_output().len(), usize::try_from(len).unwrap());
    if limit.is_some() {
        let larger = message_of(len + 1);
        let refused = refusal(end.connection.publish(QoS::AtMostOnce, larger));
        assert_eq!(refused, Some(ConnectionError::PacketTooLarge));
        assert!(end.take_output().is_empty());
    }
}

fn takes_no_larger_packet<R: Role>(mut peer: Script<OwnEnd<R>>, limit: Option<NonZeroU32>) {
    let packet = |len| {
        let publish = Publish::of(Delivery::AtMostOnce, message_of(len));
        let mut bytes = Vec::new();
        publish.encode(Version::V5, &mut bytes).unwrap();
        bytes
    };
    let len = limit.map_or(3 << 20, NonZeroU32::get);
    peer.send_bytes(&packet(len));
    assert_eq!(peer.end.delivered.len(), 1);
    peer.expect_open();
    if limit.is_some() {
        peer.send_bytes(&packet(len + 1));
        assert_eq!(peer.end.delivered.len(), 1);
        peer.expect_close_with(0x95);
    }
}

/// CONNACK has Response Information for who asked for it alone.
fn response_information_is_asked_for(version: Version) {
    for (asked, answered) in [("", ""), ("19 00", ""), ("19 01", "1A 00 01 \"r\"")] {
        let mut client = ServerEnd::new(version);
        client.send(&format!("10 ~ 'MQTT' VV 02 00 00 [{asked}] 'c'"));
        let builder = ConnAckProperties::builder().response_information(text("r"));
        let connack = connack(builder.build());
        client.end.accept(connack);
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
        let mut auth = Auth::new(ReasonCode::ContinueAuthentication, text("m"));
        let builder = auth.properties.to_builder().reason_string(why);
        auth.properties = builder.user_property(text("a"), text("b")).build();
        client.end.connection.auth(auth).unwrap();
        client.expect(&format!("F0 ~ 18 [{method} {explanation}]"));
        client.send(&format!("F0 ~ 18 [{method}]"));

        let connack = connack(ConnAckProperties::builder().reason_string(why).build());
        client.end.accept(connack);
        client.expect(&format!("20 ~ 00 00 [1F 00 03 \"why\" {method}]"));

        client.send("82 ~ 00 01 [] 't' 00");
        let granted = [ReasonCode::Success];
        let builder = AckProperties::builder().reason_string(why);
        let properties = builder.user_property(text("a"), text("b")).build();
        let request = client.end.request();
        let server = &mut client.end.connection;
        server
            .sub_ack_with(request, granted, properties.clone())
            .unwrap();
        client.expect(&format!("90 ~ 00 01 [{explanation}] 00"));
        client.send("A2 ~ 00 01 [] 't'");
        let request = client.end.request();
        let server = &mut client.end.connection;
        server
            .unsub_ack_with(request, granted, properties.clone())
            .unwrap();
        client.expect(&format!("B0 ~ 00 01 [{explanation}] 00"));
        client.send("32 ~ 't' 00 07 [] | 34 ~ 't' 00 08 []");
        for token in client.end.tokens() {
            let server = &mut client.end.connection;
            let properties = properties.clone();
            server
                .acknowledge_with(token, ReasonCode::Success, properties)
                .unwrap();
        }
        client.expect(&match explanation {
            "" => "40 ~ 00 07 | 50 ~ 00 08".to_owned(),
            _ => format!("40 ~ 00 07 00 [{explanation}] | 50 ~ 00 08 00 [{explanation}]"),
        });
        client.send("62 ~ 00 08 | 50 ~ 00 09");
        client.expect("62 ~ 00 09 92 | 70 ~ 00 08");

        let mut last = Disconnect::new(ReasonCode::ServerBusy);
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
        ("50 ~ 00 01 00 [1F 'r']", false),
        ("62 ~ 00 01 00 [1F 'r']", false),
        ("70 ~ 00 01 00 [1F 'r']", false),
        ("90 ~ 00 02 [1F 'r'] 00", false),
        ("B0 ~ 00 02 [26 'a' 'b'] 00", false),
        ("F0 ~ 18 [15 'm' 1F 'r']", false),
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
                assert_eq!(server.end.violation(), Some(Violation::ProblemInformation));
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
    asked.keep_alive = KeepAlive::from_secs(5);
    let mut server = ClientEnd::connecting(version, asked);
    let client = &mut server.end.connection;
    client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
    client.publish(QoS::AtMostOnce, message("t", "x")).unwrap();
    let wanted = subscriptions("t", QoS::AtMostOnce);
    client.subscribe(wanted).unwrap();
    assert!(client.ping().is_err());
    server.expect_open();
    // Not even PINGREQ, which waits for CONNACK, too.
    server.end.wait(19);
    server.expect_open();
    server.send("F0 ~ 18 [15 00 01 \"m\"]");
    server.expect_open();
    let auth = Auth::new(ReasonCode::ContinueAuthentication, text("m"));
    server.end.connection.auth(auth).unwrap();
    server.expect("F0 ~ 18 [15 00 01 \"m\"]");
    server.send("20 ~ 00 00 [15 00 01 \"m\"]");
    server.expect("32 ~ 't' 00 01 [] \"x\" | 30 ~ 't' [] \"x\" | 82 ~ 00 02 [] 't' 00");

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
