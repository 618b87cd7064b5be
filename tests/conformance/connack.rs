//! MQTT 5.0 section 3.2: CONNACK.

use std::num::NonZeroU16;

use mqtt_sansio::connection::{Closed, ConnectionError, Event, Violation};
use mqtt_sansio::packet::{ConnAck, KeepAlive, TopicFilters};
use mqtt_sansio::property::{ConnAckProperties, TopicAlias};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{QoS, ReasonCode, Version};
use reference_broker::Rules;
use support::script::{
    ClientEnd, Net, ServerEnd, connack, connect, lasting, message, subscriptions, text,
};

use crate::Test;
use crate::connect_limits::ALIASES;

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
        v311: &["3.2.2-4"],
        v5: &["3.2.2-6"],
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
        v5: &["3.2.2-8"],
        run: code_that_there_is_not,
    },
    Test {
        name: "maximum_qos_is_told",
        v311: &[],
        v5: &["3.2.2-9", "3.2.2-10"],
        run: maximum_qos_is_told,
    },
    Test {
        name: "will_that_is_too_much",
        v311: &[],
        v5: &["3.2.2-12", "3.2.2-13"],
        run: will_that_is_too_much,
    },
    Test {
        name: "client_keeps_to_qos_and_retain",
        v311: &[],
        v5: &["3.2.2-11", "3.2.2-14"],
        run: client_keeps_to_qos_and_retain,
    },
    Test {
        name: "client_keeps_to_the_packet_size",
        v311: &[],
        v5: &["3.2.2-15"],
        run: client_keeps_to_the_packet_size,
    },
    Test {
        name: "client_keeps_to_the_alias_maximum",
        v311: &[],
        v5: &["3.2.2-17", "3.2.2-18", "3.3.2-9"],
        run: client_keeps_to_the_alias_maximum,
    },
    Test {
        name: "explanation_that_is_too_large",
        v311: &[],
        v5: &["3.2.2-19", "3.2.2-20"],
        run: explanation_that_is_too_large,
    },
    Test {
        name: "client_uses_server_keep_alive",
        v311: &[],
        v5: &["3.1.2-21", "3.2.2-21"],
        run: client_uses_server_keep_alive,
    },
    Test {
        name: "server_uses_keep_alive_of_connect",
        v311: &[],
        v5: &["3.2.2-22"],
        run: server_uses_keep_alive_of_connect,
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
            server.end.violation,
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
    let refusal = ConnAck::new(ReasonCode::ServerBusy).to_owned();
    assert_eq!(server.refuse(refusal), Err(ConnectionError::WrongState));
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'c'");
    client.expect_close_with(0x82);

    let mut server = ClientEnd::plain(version);
    server.send("20 ~ 00 00 []");
    server.expect_close_with(0x82);
}

/// It says whether there is a session, and none is there for a clean start.
fn session_present(version: Version) {
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
    let net = Net::with_policy(Rules::default().user("u", "secret"));
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
    let mut refusal = ConnAck::new(ReasonCode::NotAuthorized).to_owned();
    refusal.session_present = true;
    let refused = client.end.connection.refuse(refusal);
    assert!(matches!(refused, Err(ConnectionError::Encode(_))));
    client.expect_nothing();
}

/// A client that knows of no session does not go on with one.
fn session_at_the_server_alone(version: Version) {
    let mut server = ClientEnd::connecting(version, lasting(version, "c"));
    server.send("20 ~ 01 00 []");
    assert_eq!(server.end.violation, Some(Violation::SessionPresent));
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
    let refusal = ConnAck::new(reason).to_owned();
    client.end.connection.refuse(refusal).unwrap();
    client.expect(code);
    client.expect_close();

    let mut server = ClientEnd::connecting(version, connect("c"));
    server.send(code);
    server.expect_close();
    let closed = Event::Closed(Closed::Refused(ReasonCode::NotAuthorized));
    assert_eq!(server.end.events(), [closed]);
}

/// 3.1.1 closes without a word where it has none; a server cannot send what is no code of CONNACK.
fn code_that_there_is_not(version: Version) {
    let refusing = |reason| {
        let mut client = ServerEnd::new(version);
        client.send("10 ~ 'MQTT' VV 02 00 00 [] 'c'");
        let refusal = ConnAck::new(reason).to_owned();
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

/// What the broker does not do it says, and takes subscriptions of any QoS none the less.
fn maximum_qos_is_told(version: Version) {
    for (maximum, qos) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 1)] {
        let net = Net::with(|config| config.maximum_qos = maximum);
        let mut client = net.open(version);
        client.send("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
        client.expect(&format!("20 ~ 00 00 [24 0{qos} 27 01 00 00 00 22 00 10]"));
        client.send("82 ~ 00 01 [] 't' 00 'u' 01 'v' 02");
        client.expect(&format!("90 ~ 00 01 [] 00 0{} 0{qos}", qos.min(1)));
    }
    let mut client = Net::new().open(version);
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
    client.expect("20 ~ 00 00 [27 01 00 00 00 22 00 10]");
}

/// A will that could not be published is refused at once.
fn will_that_is_too_much(version: Version) {
    let no_retain = Net::with(|config| config.retain = false);
    for (net, flags, code) in [
        (
            Net::with(|config| config.maximum_qos = QoS::AtLeastOnce),
            "16",
            0x9B,
        ),
        (
            Net::with(|config| config.maximum_qos = QoS::AtMostOnce),
            "0E",
            0x9B,
        ),
        (no_retain, "26", 0x9A),
    ] {
        let mut client = net.open(version);
        client.send(&format!("10 ~ 'MQTT' VV {flags} 00 00 [] 'a' [] 'w' ''"));
        client.expect(&format!("20 ~ 00 {code:02X} []"));
        client.expect_close();
    }
}

/// Also where the message was queued before the limits were known.
fn client_keeps_to_qos_and_retain(version: Version) {
    let mut server = ClientEnd::accepted(version, connect("c"), "20 ~ 00 00 [24 01 25 00]");
    let client = &mut server.end.connection;
    let mut retained = message("t", "x");
    retained.retain = true;
    let refused = |reason| Err(ConnectionError::NotSupported(reason));
    assert_eq!(
        client.publish(QoS::ExactlyOnce, message("t", "x")),
        refused(ReasonCode::QoSNotSupported)
    );
    assert_eq!(
        client.publish(QoS::AtLeastOnce, retained.clone()),
        refused(ReasonCode::RetainNotSupported)
    );
    server.expect_open();

    let mut server = ClientEnd::connecting(version, connect("c"));
    let client = &mut server.end.connection;
    client.publish(QoS::ExactlyOnce, message("t", "1")).unwrap();
    client.publish(QoS::AtLeastOnce, retained).unwrap();
    client.publish(QoS::AtLeastOnce, message("t", "3")).unwrap();
    server.send("20 ~ 00 00 [24 01 25 00]");
    server.expect("32 ~ 't' 00 03 [] \"3\"");
    server.expect_open();
}

/// 20 bytes fit, 21 do not, whatever the packet.
fn client_keeps_to_the_packet_size(version: Version) {
    let connack = "20 ~ 00 00 [27 00 00 00 14]";
    let mut server = ClientEnd::accepted(version, connect("c"), connack);
    let client = &mut server.end.connection;
    let (fits, large) = ("x23456789012", "x234567890123");
    let too_large = Err(ConnectionError::PacketTooLarge);
    assert_eq!(
        client.publish(QoS::AtLeastOnce, message("t", large)),
        too_large
    );
    client
        .publish(QoS::AtLeastOnce, message("t", fits))
        .unwrap();
    server.expect(&format!("32 12 00 01 \"t\" 00 01 00 \"{fits}\""));
    let client = &mut server.end.connection;
    let wanted = subscriptions("123456789012345", QoS::AtMostOnce);
    assert!(client.subscribe(wanted, <_>::default()).is_err());
    let filters = TopicFilters::new([TopicFilter::new("1234567890123456").unwrap()]).unwrap();
    assert!(client.unsubscribe(filters, <_>::default()).is_err());
    server.expect_open();

    let mut server = ClientEnd::connecting(version, connect("c"));
    let client = &mut server.end.connection;
    client
        .publish(QoS::AtLeastOnce, message("t", large))
        .unwrap();
    server.send(connack);
    server.expect_open();
}

/// No alias is above what the server takes, which is none if it does not say.
fn client_keeps_to_the_alias_maximum(version: Version) {
    for (maximum, sent) in ALIASES {
        let connack = format!("20 ~ 00 00 [{maximum}]");
        let automatic = mqtt_sansio::connection::client::Connection::new().automatic_aliases(5);
        let mut server = ClientEnd::new(version, automatic);
        let client = &mut server.end.connection;
        client.connect(version, connect("c")).unwrap();
        server.receive();
        server.send(&connack);
        let client = &mut server.end.connection;
        for topic in ["t", "t", "u"] {
            client.publish(QoS::AtMostOnce, message(topic, "")).unwrap();
        }
        for publish in sent {
            server.expect(&format!("30 ~ {publish}"));
        }

        let mut server = ClientEnd::accepted(version, connect("c"), &connack);
        let client = &mut server.end.connection;
        let most = client.limits().topic_alias_maximum;
        for alias in 1..=3 {
            let topic = "t".parse().unwrap();
            let assigned = client.assign_alias(topic, TopicAlias::new(alias).unwrap());
            assert_eq!(assigned.is_ok(), alias <= most, "{alias} of {most}");
        }
    }
}

/// Reason String and User Properties are left out where CONNACK would be too large with them.
fn explanation_that_is_too_large(version: Version) {
    for reason in [ReasonCode::Success, ReasonCode::ServerBusy] {
        for (maximum, explained) in [(14, false), (15, true)] {
            let explanations = [
                ConnAckProperties::builder().reason_string(text("1234567")),
                ConnAckProperties::builder().user_property(text("123"), text("45")),
            ];
            for builder in explanations {
                let mut client = ServerEnd::new(version);
                let properties = format!("27 00 00 00 {maximum:02X}");
                client.send(&format!("10 ~ 'MQTT' VV 02 00 00 [{properties}] 'c'"));
                let mut connack = ConnAck::new(reason).to_owned();
                connack.properties = builder.build();
                let properties = connack.properties.clone();
                let now = client.end.now;
                let server = &mut client.end.connection;
                match reason {
                    ReasonCode::Success => server.accept(now, connack, &mut None).unwrap(),
                    _ => server.refuse(connack).unwrap(),
                }
                let mqtt_sansio::Packet::ConnAck(sent) = client.receive() else {
                    panic!("no CONNACK");
                };
                assert_eq!(sent.reason, reason);
                assert_eq!(sent.properties == properties, explained);
                assert_eq!(sent.properties.is_empty(), !explained);
            }
        }
    }
}

/// In place of its own, longer or shorter.
fn client_uses_server_keep_alive(version: Version) {
    for own in [0, 5, 30] {
        let mut connect = connect("a");
        connect.keep_alive = KeepAlive::from_secs(own);
        let mut server = ClientEnd::accepted(version, connect, "20 ~ 00 00 [13 00 0A]");
        server.end.wait(9);
        server.expect_open();
        server.end.wait(1);
        server.expect("C0 00");
    }
}

/// The broker sets a Keep Alive of its own only where the client's is longer.
fn server_uses_keep_alive_of_connect(version: Version) {
    let net = Net::with(|config| {
        config.max_keep_alive = 20;
        config.receive_maximum = NonZeroU16::MAX;
    });
    for (asked, told, closed_after) in [(10, None, 15), (20, None, 30), (60, Some(20), 30)] {
        let connect = format!("10 ~ 'MQTT' VV 02 00 {asked:02X} [] 'a'");
        let (mut client, connack) = net.connect_with(version, &connect);
        assert_eq!(connack.properties.server_keep_alive(), told);
        net.wait(closed_after - 1);
        client.expect_open();
        net.wait(1);
        client.expect_close_with(0x8D);
    }
}
