//! MQTT 5.0 section 3.3.2.3.4: topic aliases.

use mqtt_sansio::connection::{ConnectionError, Incoming, Role, client};
use mqtt_sansio::packet::Connect;
use mqtt_sansio::property::{ConnAckProperties, Property, TopicAlias};
use mqtt_sansio::{Message, QoS, Version};
use support::notation::number;
use support::script::{
    ClientEnd, Net, OwnEnd, Script, ServerEnd, connack, connect, lasting, message,
};

use crate::Test;
use crate::sides;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "server_keeps_to_the_maximum",
        v311: &[],
        v5: &["3.1.2-26", "3.1.2-27", "3.3.2-11", "U5-3.1.2.11.5-26"],
        run: server_keeps_to_the_maximum,
    },
    Test {
        name: "client_keeps_to_the_maximum",
        v311: &[],
        v5: &["3.2.2-17", "3.2.2-18", "3.3.2-9", "U5-3.2.2.3.8-78"],
        run: client_keeps_to_the_maximum,
    },
    Test {
        name: "messages_bring_none",
        v311: &[],
        v5: &[
            "3.1.2-26", "3.1.2-27", "3.2.2-17", "3.2.2-18", "3.3.2-9", "3.3.2-11",
        ],
        run: messages_bring_none,
    },
    Test {
        name: "server_forgets",
        v311: &[],
        v5: &["3.3.2-7 server", "U5-3.3.4-121 server"],
        run: server_forgets,
    },
    Test {
        name: "client_forgets",
        v311: &[],
        v5: &["3.3.2-7 client", "U5-3.3.4-121 client"],
        run: client_forgets,
    },
    Test {
        name: "client_takes_all",
        v311: &[],
        v5: &["3.3.2-10"],
        run: client_takes_all,
    },
    Test {
        name: "server_takes_all",
        v311: &[],
        v5: &["3.3.2-12"],
        run: server_takes_all,
    },
];

/// A Topic Alias Maximum, and how messages with the topics `t`, `t` and `u` are sent then.
const ALIASES: [(&str, [&str; 3]); 4] = [
    ("", ["'t' []", "'t' []", "'u' []"]),
    ("22 00 00", ["'t' []", "'t' []", "'u' []"]),
    (
        "22 00 01",
        ["'t' [23 00 01]", "'' [23 00 01]", "'u' [23 00 01]"],
    ),
    (
        "22 00 02",
        ["'t' [23 00 01]", "'' [23 00 01]", "'u' [23 00 02]"],
    ),
];

/// No alias is above what the client takes, which is none if it does not say.
fn server_keeps_to_the_maximum(version: Version) {
    let net = Net::new();
    for (maximum, sent) in ALIASES {
        let connect = format!("10 ~ 'MQTT' VV 02 00 00 [{maximum}] 'a'");
        let (mut client, _) = net.connect_with(version, &connect);
        client.subscribe("#", 0);
        client.send("30 ~ 't' [] | 30 ~ 't' [] | 30 ~ 'u' []");
        for publish in sent {
            client.expect(&format!("30 ~ {publish}"));
        }
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

/// No alias is above what the server takes, which is none if it does not say.
fn client_keeps_to_the_maximum(version: Version) {
    for (maximum, sent) in ALIASES {
        let connack = format!("20 ~ 00 00 [{maximum}]");
        let automatic = client::Connection::new().automatic_aliases(5);
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

/// CONNECT of a client that takes so many aliases.
fn aliased(alias_maximum: u16) -> Connect {
    let mut connect = lasting(Version::V5, "c");
    let builder = connect.properties.to_builder();
    connect.properties = builder.topic_alias_maximum(alias_maximum).build();
    connect
}

/// A message that came with an alias does not take it along: as it is, it is refused, and forwarded
/// it has none.
fn messages_bring_none(version: Version) {
    let mut far = ClientEnd::accepted(version, aliased(6), "20 ~ 00 00 []");
    far.send("30 ~ 't' [23 00 06] \"x\" | 30 ~ '' [23 00 06] \"x\"");
    for incoming in &far.end.incoming {
        let Incoming::Message(message, _) = incoming else {
            panic!("{incoming:?}");
        };
        let alias = Property::TopicAlias(TopicAlias::new(6).unwrap());
        assert_eq!(message.properties.iter().next(), Some(alias));
        for maximum in ["", "22 00 05", "22 00 06"] {
            bring_none(sides::client(version, maximum), message);
            bring_none(sides::server(version, maximum), message);
        }
    }
}

fn bring_none<R: Role>(mut peer: Script<OwnEnd<R>>, message: &Message) {
    let connection = &mut peer.end.connection;
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let refused = connection.publish(qos, message.clone()).unwrap_err();
        assert_eq!(refused.why, ConnectionError::NotForwarded);
        assert_eq!(refused.given, *message);
        connection.publish(qos, message.forwarded()).unwrap();
    }
    peer.expect("30 ~ 't' [] \"x\" | 32 ~ 't' 00 01 [] \"x\"");
    peer.expect_open();
}

/// On a new connection of the session no alias stands for anything, in either direction.
fn server_forgets(version: Version) {
    let net = Net::new();
    let lasting = "10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF 22 00 05] 'a'";
    let (mut client, _) = net.connect_with(version, lasting);
    client.subscribe("t", 0);
    client.send("30 ~ 't' [23 00 03] | 30 ~ '' [23 00 03]");
    client.expect("30 ~ 't' [23 00 01] | 30 ~ '' [23 00 01]");
    client.cut();
    let (mut client, _) = net.connect_with(version, lasting);
    client.send("30 ~ 't' []");
    client.expect("30 ~ 't' [23 00 01]");
    client.send("30 ~ '' [23 00 03]");
    client.expect_close_with(0x82);
}

/// Nor does it at the client.
fn client_forgets(version: Version) {
    let connack = |present| format!("20 ~ 0{present} 00 [22 00 05]");
    let mut server = ClientEnd::accepted(version, aliased(5), &connack(0));
    let alias = TopicAlias::new(3).unwrap();
    let client = &mut server.end.connection;
    client.assign_alias("t".parse().unwrap(), alias).unwrap();
    for _ in 0..2 {
        client.publish(QoS::AtMostOnce, message("t", "")).unwrap();
    }
    client.publish(QoS::AtLeastOnce, message("t", "")).unwrap();
    server.expect("30 ~ 't' [23 00 03] | 30 ~ '' [23 00 03] | 32 ~ '' 00 01 [23 00 03]");
    server.send("30 ~ 'u' [23 00 04] | 30 ~ '' [23 00 04]");
    assert_eq!(server.end.delivered, ["u=", "u="]);
    server.reconnect(aliased(5), &connack(1));
    server.expect("3A ~ 't' 00 01 []");
    server.send("30 ~ '' [23 00 04]");
    server.expect_close_with(0x82);
}

/// Every alias up to the Topic Alias Maximum of its CONNECT.
fn client_takes_all(version: Version) {
    for maximum in [0, 1, 300] {
        let mut server = ClientEnd::accepted(version, aliased(maximum), "20 ~ 00 00 []");
        for alias in 1..=maximum {
            let alias = number(alias);
            server.send(&format!("30 ~ 't' [23 {alias}] | 30 ~ '' [23 {alias}]"));
        }
        server.expect_open();
        assert_eq!(server.end.delivered.len(), 2 * usize::from(maximum));
        server.send(&format!("30 ~ 't' [23 {}]", number(maximum + 1)));
        server.expect_close_with(0x94);
    }
}

/// Every alias up to the Topic Alias Maximum of its CONNACK.
fn server_takes_all(version: Version) {
    for maximum in [0, 1, 300] {
        let net = Net::with(|config| config.topic_alias_maximum = maximum);
        let mut client = net.connect(version, "a");
        client.subscribe("t", 0);
        for alias in 1..=maximum {
            let alias = number(alias);
            client.send(&format!("30 ~ 't' [23 {alias}] | 30 ~ '' [23 {alias}]"));
            client.expect("30 ~ 't' [] | 30 ~ 't' []");
        }
        client.expect_open();
        client.send(&format!("30 ~ 't' [23 {}]", number(maximum + 1)));
        client.expect_close_with(0x94);
    }
}
