//! MQTT 5.0 section 3.2.2.3: what CONNACK limits and tells.

use std::num::NonZeroU16;

use mqtt_sansio::connection::{ConnectionError, client};
use mqtt_sansio::packet::{ConnAck, KeepAlive, TopicFilters};
use mqtt_sansio::property::ConnAckProperties;
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{QoS, ReasonCode, Version};
use support::script::{ClientEnd, Net, ServerEnd, connect, lasting, message, subscriptions, text};

use crate::Test;
use crate::sides::refusal;

pub(crate) const TESTS: &[Test] = &[
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
        name: "client_sends_nothing_again_that_is_too_much",
        v311: &[],
        v5: &["3.2.2-11", "3.2.2-14", "3.2.2-15"],
        run: client_sends_nothing_again_that_is_too_much,
    },
    Test {
        name: "client_keeps_to_the_packet_size",
        v311: &[],
        v5: &["3.2.2-15"],
        run: client_keeps_to_the_packet_size,
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
    let refused = |reason| Some(ConnectionError::NotSupported(reason));
    assert_eq!(
        refusal(client.publish(QoS::ExactlyOnce, message("t", "x"))),
        refused(ReasonCode::QoSNotSupported)
    );
    assert_eq!(
        refusal(client.publish(QoS::AtLeastOnce, retained.clone())),
        refused(ReasonCode::RetainNotSupported)
    );
    server.expect_open();
    let mut server = ClientEnd::accepted(version, connect("c"), "20 ~ 00 00 [24 00]");
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(
            refusal(server.end.connection.publish(qos, message("t", "x"))),
            refused(ReasonCode::QoSNotSupported)
        );
    }
    server.expect_open();

    let mut server = ClientEnd::connecting(version, connect("c"));
    let client = &mut server.end.connection;
    client.publish(QoS::ExactlyOnce, message("t", "1")).unwrap();
    client.publish(QoS::AtLeastOnce, retained.clone()).unwrap();
    client.publish(QoS::AtMostOnce, retained).unwrap();
    client.publish(QoS::AtLeastOnce, message("t", "3")).unwrap();
    server.send("20 ~ 00 00 [24 01 25 00]");
    server.expect("32 ~ 't' 00 03 [] \"3\"");
    server.expect_open();
}

/// The limits are those of the new connection, whatever the last one allowed.
fn client_sends_nothing_again_that_is_too_much(version: Version) {
    let lasting = lasting(version, "c");
    for (limits, left) in [
        ("24 01", "3B ~ 't' 00 02 [] \"2\" | 3A ~ 't' 00 03 [] 61*30"),
        ("25 00", "3C ~ 't' 00 01 [] \"1\" | 3A ~ 't' 00 03 [] 61*30"),
        (
            "27 00 00 00 14",
            "3C ~ 't' 00 01 [] \"1\" | 3B ~ 't' 00 02 [] \"2\"",
        ),
    ] {
        let mut server = ClientEnd::accepted(version, lasting.clone(), "20 ~ 00 00 []");
        let client = &mut server.end.connection;
        let mut retained = message("t", "2");
        retained.retain = true;
        let large = message("t", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        client.publish(QoS::ExactlyOnce, message("t", "1")).unwrap();
        client.publish(QoS::AtLeastOnce, retained).unwrap();
        client.publish(QoS::AtLeastOnce, large).unwrap();
        assert_eq!(server.receive_all().len(), 3);
        server.reconnect(lasting.clone(), &format!("20 ~ 01 00 [{limits}]"));
        let first_is_given_up = limits == "24 01";
        if first_is_given_up {
            server.expect("62 ~ 00 01");
        }
        server.expect(left);
        server.expect_open();
    }
}

/// 20 bytes fit, 21 do not, whatever the packet.
fn client_keeps_to_the_packet_size(version: Version) {
    let connack = "20 ~ 00 00 [27 00 00 00 14]";
    let mut server = ClientEnd::accepted(version, connect("c"), connack);
    let client = &mut server.end.connection;
    let (fits, large) = ("x23456789012", "x234567890123");
    let too_large = Some(ConnectionError::PacketTooLarge);
    assert_eq!(
        refusal(client.publish(QoS::AtLeastOnce, message("t", large))),
        too_large
    );
    client
        .publish(QoS::AtLeastOnce, message("t", fits))
        .unwrap();
    server.expect(&format!("32 12 00 01 \"t\" 00 01 00 \"{fits}\""));
    let client = &mut server.end.connection;
    let wanted = subscriptions("123456789012345", QoS::AtMostOnce);
    assert_eq!(refusal(client.subscribe(wanted)), too_large);
    let filters = TopicFilters::new([TopicFilter::new("1234567890123456").unwrap()]).unwrap();
    assert_eq!(refusal(client.unsubscribe(filters)), too_large);
    server.expect_open();

    let mut server = ClientEnd::connecting(version, connect("c"));
    let client = &mut server.end.connection;
    client
        .publish(QoS::AtLeastOnce, message("t", large))
        .unwrap();
    server.send(connack);
    server.expect_open();

    // An alias that would make it too long is left out.
    let automatic = client::Connection::new().automatic_aliases(5);
    let mut server = ClientEnd::new(version, automatic.max_packet_size(u32::MAX));
    let client = &mut server.end.connection;
    client.connect(version, connect("c")).unwrap();
    server.receive();
    server.send("20 ~ 00 00 [27 00 00 00 14 22 00 05]");
    for payload in ["12345678901234", "1"] {
        let client = &mut server.end.connection;
        let publish = message("t", payload);
        client.publish(QoS::AtMostOnce, publish).unwrap();
    }
    server.expect("30 12 00 01 \"t\" 00 \"12345678901234\" | 30 ~ 't' [23 00 01] \"1\"");
    server.expect_open();
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
                let mut connack = ConnAck::new(reason);
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
