//! MQTT 5.0 section 4.6: message ordering.

use mqtt_sansio::connection::Role;
use mqtt_sansio::{Packet, QoS, Version};
use support::script::{ClientEnd, Link, Net, OwnEnd, Script, ServerEnd};

use crate::Test;
use crate::sides::{self, Side};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "publish_again_in_the_order_of_publish",
        v311: &["4.6.0-1", "4.6.0-6"],
        v5: &["4.6.0-1"],
        run: publish_again_in_the_order_of_publish,
    },
    Test {
        name: "acknowledged_in_the_order_of_publish",
        v311: &["4.6.0-2", "4.6.0-3", "4.6.0-6"],
        v5: &["4.6.0-2", "4.6.0-3"],
        run: acknowledged_in_the_order_of_publish,
    },
    Test {
        name: "released_in_the_order_of_pubrec",
        v311: &["4.6.0-4", "4.6.0-6"],
        v5: &["4.6.0-4"],
        run: released_in_the_order_of_pubrec,
    },
    Test {
        name: "messages_come_in_the_order_of_the_publisher",
        v311: &["4.6.0-5", "4.6.0-6"],
        v5: &["4.6.0-5", "4.6.0-6"],
        run: messages_come_in_the_order_of_the_publisher,
    },
];

/// QoS 1 and 2 mixed, with some acknowledged out of turn, and again on a third connection.
fn publish_again_in_the_order_of_publish(version: Version) {
    for mut side in Side::both(version) {
        let all = [
            (QoS::ExactlyOnce, "1"),
            (QoS::AtLeastOnce, "2"),
            (QoS::AtLeastOnce, "3"),
            (QoS::ExactlyOnce, "4"),
            (QoS::ExactlyOnce, "5"),
            (QoS::AtLeastOnce, "6"),
        ];
        for (qos, payload) in all {
            side.publish(qos, payload);
        }
        let sent = sides::messages(&side.peer.receive_all());
        assert_eq!(sent, ["out=1", "out=2", "out=3", "out=4", "out=5", "out=6"]);
        side.peer.send("40 ~ 00 03 | 50 ~ 00 05");
        side.peer.expect("62 ~ 00 05");
        for _ in 0..2 {
            side.reconnect();
            side.peer.expect("62 ~ 00 05");
            side.peer
                .expect("3C ~ 'out' 00 01 [] \"1\" | 3A ~ 'out' 00 02 [] \"2\"");
            side.peer
                .expect("3C ~ 'out' 00 04 [] \"4\" | 3A ~ 'out' 00 06 [] \"6\"");
            side.peer.expect_open();
        }
        // A new message comes behind these.
        side.cut();
        side.publish(QoS::AtLeastOnce, "7");
        side.come_back();
        side.peer.expect("62 ~ 00 05");
        let sent = sides::messages(&side.peer.receive_all());
        assert_eq!(sent, ["out=1", "out=2", "out=4", "out=6", "out=7"]);
    }
}

/// Not of the identifiers, and not of the application's answers either.
fn acknowledged_in_the_order_of_publish(version: Version) {
    for mut side in Side::both(version) {
        side.peer
            .send("32 ~ 'in' 00 09 [] | 32 ~ 'in' 00 02 [] | 32 ~ 'in' 00 05 []");
        side.peer.expect("40 ~ 00 09 | 40 ~ 00 02 | 40 ~ 00 05");
        side.peer
            .send("34 ~ 'in' 00 09 [] | 34 ~ 'in' 00 02 [] | 34 ~ 'in' 00 05 []");
        side.peer.expect("50 ~ 00 09 | 50 ~ 00 02 | 50 ~ 00 05");
        side.reconnect();
        side.peer
            .send("3C ~ 'in' 00 09 [] | 3C ~ 'in' 00 02 [] | 3C ~ 'in' 00 05 []");
        side.peer.expect("50 ~ 00 09 | 50 ~ 00 02 | 50 ~ 00 05");
        side.peer.expect_open();
    }
    for (qos, answer) in [("32", "40"), ("34", "50")] {
        let answer = format!("{answer} ~ 00 09 | {answer} ~ 00 02 | {answer} ~ 00 05");
        acknowledges_in_the_order_of_publish(ClientEnd::plain(version), qos, &answer);
        acknowledges_in_the_order_of_publish(ServerEnd::plain(version), qos, &answer);
    }
}

fn acknowledges_in_the_order_of_publish<R: Role>(
    mut peer: Script<OwnEnd<R>>,
    qos: &str,
    answers: &str,
) {
    peer.end.acknowledges = false;
    for id in [9, 2, 5] {
        peer.send(&format!("{qos} ~ 't' 00 {id:02X} []"));
    }
    let tokens = peer.end.tokens();
    let [first, second, third] = tokens[..] else {
        panic!("{tokens:?}");
    };
    let connection = &mut peer.end.connection;
    connection.acknowledge(third).unwrap();
    connection.acknowledge(second).unwrap();
    peer.expect_open();
    peer.end.connection.acknowledge(first).unwrap();
    peer.expect(answers);
    peer.expect_open();
}

/// Not of PUBLISH; and again on the next connection.
fn released_in_the_order_of_pubrec(version: Version) {
    for mut side in Side::both(version) {
        for payload in ["1", "2", "3", "4"] {
            side.publish(QoS::ExactlyOnce, payload);
        }
        assert_eq!(side.peer.receive_all().len(), 4);
        side.peer.send("50 ~ 00 03 | 50 ~ 00 01 | 50 ~ 00 04");
        side.peer.expect("62 ~ 00 03 | 62 ~ 00 01 | 62 ~ 00 04");
        side.peer.expect_open();
        side.reconnect();
        side.peer.expect("62 ~ 00 03 | 62 ~ 00 01 | 62 ~ 00 04");
        side.peer.expect("3C ~ 'out' 00 02 [] \"2\"");
        side.peer.send("70 ~ 00 03 | 50 ~ 00 02");
        side.peer.expect("62 ~ 00 02");
        side.reconnect();
        side.peer.expect("62 ~ 00 01 | 62 ~ 00 04 | 62 ~ 00 02");
        side.peer.expect_open();
    }
}

/// For each topic and QoS, also where the client is away, where it takes one message at a time, and
/// where subscriptions overlap. Nothing has to be set for that.
fn messages_come_in_the_order_of_the_publisher(version: Version) {
    const MESSAGES: usize = 60;
    for limit in ["", "21 00 01", "21 00 02"] {
        let net = Net::new();
        let connect = format!("10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF {limit}] 'c'");
        let (mut client, _) = net.connect_with(version, &connect);
        client.subscribe("#", 2);
        client.subscribe("b/#", 1);
        client.subscribe("c", 0);
        let mut other = net.connect(version, "other");
        let mut received = Vec::new();
        for number in 0..MESSAGES {
            let topic = ["a", "b/c", "c"][number % 3];
            let id = number + 1;
            other.send(&match number / 3 % 3 {
                0 => format!("30 ~ '{topic}' [] \"{number}\""),
                1 => format!("32 ~ '{topic}' 00 {id:02X} [] \"{number}\""),
                _ => format!("34 ~ '{topic}' 00 {id:02X} [] \"{number}\""),
            });
            match number {
                20 => {
                    take(&mut client, &mut received);
                    client.cut();
                    client = net.open(version);
                }
                40 => {
                    client.cut();
                    client = net.connect_with(version, &connect).0;
                }
                _ => {}
            }
        }
        take(&mut client, &mut received);
        // Messages of QoS 0 are not kept for a client that is away.
        let here = |number: &usize| number / 3 % 3 > 0 || !(21..=40).contains(number);
        for topic in 0..3 {
            for qos in 0..3 {
                let same = |number: &&usize| **number % 3 == topic && **number / 3 % 3 == qos;
                let came: Vec<_> = received.iter().filter(same).copied().collect();
                let all = (0..MESSAGES).filter(here);
                let expected: Vec<_> = all.filter(|number| same(&number)).collect();
                assert_eq!(came, expected);
            }
        }
    }
}

/// Takes all messages, and acknowledges each.
fn take(client: &mut Script<Link>, received: &mut Vec<usize>) {
    loop {
        let packets = client.receive_all();
        for packet in &packets {
            match packet {
                Packet::Publish(publish) => {
                    let number = std::str::from_utf8(&publish.payload).unwrap();
                    received.push(number.parse().unwrap());
                    let id = publish.packet_id().map_or(0, |id| id.get());
                    match publish.qos() {
                        QoS::AtMostOnce => {}
                        QoS::AtLeastOnce => client.send(&format!("40 ~ 00 {id:02X}")),
                        QoS::ExactlyOnce => client.send(&format!("50 ~ 00 {id:02X}")),
                    }
                }
                Packet::PubRel(ack) => {
                    client.send(&format!("70 ~ 00 {:02X}", ack.packet_id.get()));
                }
                _ => {}
            }
        }
        if packets.is_empty() {
            return;
        }
    }
}
