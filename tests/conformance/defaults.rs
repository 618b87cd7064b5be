//! MQTT 5.0 sections 3.1.2.11, 3.2.2.3 and 3.14.2.2: what holds where a property is absent, and what
//! is an error where one excludes it.

use std::time::Duration;

use mqtt_sansio::connection::{ConnectionError, Limits, Role, client};
use mqtt_sansio::packet::Will;
use mqtt_sansio::property::{ConnectProperties, SubscribeProperties};
use mqtt_sansio::{Binary, Message, Packet, QoS, Version};
use support::script::{
    ClientEnd, Net, OwnEnd, Script, ServerEnd, connect, lasting, message, subscriptions,
};

use crate::Test;
use crate::sides::{packet, received, refusal};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "limits_that_nobody_tells",
        v311: &[],
        v5: &[
            "U5-3.1.2.11.3-21",
            "U5-3.2.2.3.3-65",
            "U5-3.2.2.3.4-67",
            "U5-3.2.2.3.5-69",
            "U5-3.2.2.3.11-84",
            "U5-3.2.2.3.12-88",
            "U5-3.2.2.3.13-91",
        ],
        run: limits_that_nobody_tells,
    },
    Test {
        name: "what_connack_excludes",
        v311: &[],
        v5: &["U5-3.2.2.3.11-86", "U5-3.2.2.3.12-90", "U5-3.2.2.3.13-93"],
        run: what_connack_excludes,
    },
    Test {
        name: "session_expires_as_connack_says",
        v311: &[],
        v5: &["U5-3.2.2.3.2-63"],
        run: session_expires_as_connack_says,
    },
    Test {
        name: "disconnect_begins_no_session",
        v311: &[],
        v5: &[
            "U5-3.14.2.2.2-176",
            "U5-3.14.2.2.2-177",
            "U5-3.14.2.2.2-178",
        ],
        run: disconnect_begins_no_session,
    },
    Test {
        name: "payload_that_is_no_text",
        v311: &[],
        v5: &["U5-3.1.3.2.3-45", "U5-3.3.2.3.2-106"],
        run: payload_that_is_no_text,
    },
    Test {
        name: "packet_that_is_too_large",
        v311: &[],
        v5: &["U5-3.1.2.11.4-24", "U5-3.2.2.3.6-75"],
        run: packet_that_is_too_large,
    },
];

/// Receive Maximum is 65,535, and all is available, to both sides.
fn limits_that_nobody_tells(version: Version) {
    let mut server = ClientEnd::plain(version);
    are_absent(server.end.connection.limits());
    are_absent(ServerEnd::plain(version).end.connection.limits());
    let client = &mut server.end.connection;
    let mut kept = message("t", "x");
    kept.retain = true;
    client.publish(QoS::ExactlyOnce, kept).unwrap();
    let identified = SubscribeProperties::builder();
    let identified = identified.subscription_identifier(1.try_into().unwrap());
    let shared = subscriptions("$share/g/#", QoS::AtMostOnce);
    client.subscribe_with(shared, identified.build()).unwrap();
    server.expect("35 ~ 't' 00 01 [] \"x\" | 82 ~ 00 02 [0B 01] '$share/g/#' 00");
    server.expect_open();
}

fn are_absent(limits: &Limits) {
    assert_eq!(limits.receive_maximum.get(), 65_535);
    assert_eq!(limits.maximum_packet_size, None);
    assert_eq!(limits.topic_alias_maximum, 0);
    assert_eq!(limits.maximum_qos, QoS::ExactlyOnce);
    let available = [
        limits.retain_available,
        limits.wildcard_subscriptions,
        limits.subscription_identifiers,
        limits.shared_subscriptions,
    ];
    assert_eq!(available, [true; 4]);
}

/// A subscription that the server does not support ends the connection.
fn what_connack_excludes(version: Version) {
    for (excluded, subscribe, code) in [
        ("28 00", "82 ~ 00 01 [] 'a' 00 'a/+' 00", 0xA2),
        ("28 00", "82 ~ 00 01 [] '#' 00", 0xA2),
        ("29 00", "82 ~ 00 01 [0B 01] 'a' 00", 0xA1),
        ("2A 00", "82 ~ 00 01 [] '$share/g/a' 00", 0x9E),
    ] {
        for properties in ["", "28 01 29 01 2A 01", excluded] {
            let Packet::ConnAck(accepted) = packet(version, &format!("20 ~ 00 00 [{properties}]"))
            else {
                unreachable!();
            };
            let connect = "10 ~ 'MQTT' VV 02 00 00 [] 'c'";
            let mut client = ServerEnd::accepted(version, connect, accepted);
            client.send(subscribe);
            match properties == excluded {
                true => client.expect_close_with(code),
                false => client.expect_open(),
            }
        }
    }
}

/// Session Expiry Interval in CONNACK, or else that of CONNECT, counts at both sides.
fn session_expires_as_connack_says(version: Version) {
    for (told, kept) in [("", 100), ("11 00 00 00 05", 5), ("11 00 00 00 00", 0)] {
        let Packet::ConnAck(accepted) = packet(version, &format!("20 ~ 00 00 [{told}]")) else {
            unreachable!();
        };
        let connect = "10 ~ 'MQTT' VV 00 00 00 [11 00 00 00 64] 'c'";
        let client = ServerEnd::accepted(version, connect, accepted);
        assert_eq!(client.end.connection.session_expiry_interval(), kept);

        let connack = format!("20 ~ 00 00 [{told}]");
        let mut server = ClientEnd::accepted(version, lasting(version, "c"), &connack);
        let client = &mut server.end.connection;
        client.publish(QoS::AtLeastOnce, message("t", "x")).unwrap();
        server.expect("32 ~ 't' 00 01 [] \"x\"");
        server.reconnect(lasting(version, "c"), "20 ~ 01 00 []");
        match kept {
            // It has no session to go on with.
            0 => server.expect_close_with(0x82),
            _ => server.expect("3A ~ 't' 00 01 [] \"x\""),
        }
    }
    for (most, told) in [(100, None), (5, Some(5))] {
        let net = Net::with(|config| config.max_session_expiry = most);
        let connect = "10 ~ 'MQTT' VV 00 00 00 [11 00 00 00 64] 'c'";
        for (waits, present) in [(most - 1, true), (most, false)] {
            let (client, connack) = net.connect_with(version, connect);
            assert_eq!(connack.properties.session_expiry_interval(), told);
            client.cut();
            net.wait(waits.into());
            let (client, connack) = net.connect_with(version, connect);
            assert_eq!(connack.session_present, present);
            client.cut();
        }
    }
}

/// Where CONNECT asked for no session, the client cannot ask for one at the end; the server takes
/// that for an error, and not for a DISCONNECT that calls the will off.
fn disconnect_begins_no_session(version: Version) {
    let Packet::Disconnect(last) = packet(version, "E0 ~ 00 [11 00 00 00 05]") else {
        unreachable!();
    };
    let mut server = ClientEnd::plain(version);
    let said = server.end.connection.disconnect(last.clone());
    assert_eq!(said, Err(ConnectionError::SessionExpiry));
    server.expect_open();
    let mut server = ClientEnd::accepted(version, lasting(version, "c"), "20 ~ 00 00 []");
    server.end.connection.disconnect(last).unwrap();
    server.expect("E0 ~ 00 [11 00 00 00 05]");

    let net = Net::new();
    let mut watcher = net.connect(version, "watcher");
    watcher.subscribe("w", 0);
    let connect = "10 ~ 'MQTT' VV 06 00 00 [] 'c' [] 'w' 'gone'";
    let (mut client, _) = net.connect_with(version, connect);
    client.send("E0 ~ 00 [11 00 00 00 05]");
    client.expect_close_with(0x82);
    watcher.expect("30 ~ 'w' [] \"gone\"");
    let (_, connack) = net.connect_with(version, "10 ~ 'MQTT' VV 00 00 00 [] 'c'");
    assert!(!connack.session_present);
}

/// With Payload Format Indicator 1 neither side sends one, nor a client such a will.
fn payload_that_is_no_text(version: Version) {
    for bad in ["FF", "C0 AF", "61 ED A0 80"] {
        let bad = received(version, &format!("30 ~ 't' [01 01] {bad}"));
        sends_text_alone(ClientEnd::plain(version), &bad);
        sends_text_alone(ServerEnd::plain(version), &bad);

        let mut asked = connect("c");
        let payload = Binary::new(&bad.payload).unwrap().to_owned();
        let mut will = Will::new("t".parse().unwrap(), payload);
        let Packet::Connect(with_format) =
            packet(version, "10 ~ 'MQTT' VV 06 00 00 [] 'c' [01 01] 't' 'x'")
        else {
            unreachable!();
        };
        will.properties = with_format.will.clone().unwrap().properties;
        asked.will = Some(will);
        let mut connection = client::Connection::new();
        let refused = connection.connect(version, asked);
        assert_eq!(refused, Err(ConnectionError::PayloadFormatInvalid));
        connection.connect(version, with_format).unwrap();
    }
}

fn sends_text_alone<R: Role>(mut peer: Script<OwnEnd<R>>, bad: &Message) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let said = peer.end.connection.publish(qos, bad.clone());
        assert_eq!(refusal(said), Some(ConnectionError::PayloadFormatInvalid));
    }
    peer.expect_open();
    let good = received(peer.version, "30 ~ 't' [01 01] 'é'");
    peer.end.connection.publish(QoS::AtMostOnce, good).unwrap();
    peer.expect("30 ~ 't' [01 01] 'é'");
    let any = received(peer.version, "30 ~ 't' [01 00] FF");
    peer.end.connection.publish(QoS::AtMostOnce, any).unwrap();
    peer.expect("30 ~ 't' [01 00] FF");
    peer.expect_open();
}

/// Whoever decodes it: a decoder of the caller's may take more than was told.
fn packet_that_is_too_large(version: Version) {
    let mut asked = connect("c");
    let limit = ConnectProperties::builder().maximum_packet_size(20.try_into().unwrap());
    asked.properties = limit.build();
    refuses_more(ClientEnd::accepted(version, asked, "20 ~ 00 00 []"));
    let Packet::ConnAck(accepted) = packet(version, "20 ~ 00 00 [27 00 00 00 14]") else {
        unreachable!();
    };
    let connect = "10 ~ 'MQTT' VV 02 00 00 [] 'c'";
    refuses_more(ServerEnd::accepted(version, connect, accepted));
}

fn refuses_more<R: Role>(mut peer: Script<OwnEnd<R>>) {
    for (payload, is_taken) in [(14, true), (15, false)] {
        let publish = packet(peer.version, &format!("30 ~ 't' [] 78*{payload}"));
        let connection = &mut peer.end.connection;
        let taken = connection.handle_packet(Duration::ZERO, peer.version, &publish);
        assert_eq!(taken.is_ok(), is_taken);
        match is_taken {
            true => peer.expect_open(),
            false => peer.expect_close_with(0x95),
        }
    }
}
