//! MQTT 5.0 section 4.9: flow control.

use mqtt_sansio::{QoS, Version};

use crate::Test;
use crate::sides::{self, Side};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "quota_begins_at_receive_maximum",
        v311: &[],
        v5: &["4.9.0-1", "U5-4.9-206"],
        run: quota_begins_at_receive_maximum,
    },
    Test {
        name: "no_quota_no_publish",
        v311: &[],
        v5: &["4.9.0-2", "U5-4.9-204"],
        run: no_quota_no_publish,
    },
    Test {
        name: "all_else_goes_on",
        v311: &[],
        v5: &["4.9.0-3", "U5-4.9-203"],
        run: all_else_goes_on,
    },
    Test {
        name: "never_more_than_at_first",
        v311: &[],
        v5: &["U5-4.9-205"],
        run: never_more_than_at_first,
    },
];

/// On each connection anew: as many messages as Receive Maximum leave at once, those that are sent
/// again among them. Without the property 200 are far from the limit.
fn quota_begins_at_receive_maximum(version: Version) {
    for maximum in 1..=5 {
        for mut side in Side::both_limited(version, &format!("21 00 {maximum:02X}")) {
            for _ in 0..9 {
                side.publish(QoS::AtLeastOnce, "x");
            }
            for id in 1..=maximum {
                side.peer
                    .expect(&format!("32 ~ 'out' 00 {id:02X} [] \"x\""));
            }
            side.peer.expect_open();
            side.peer.send("40 ~ 00 01");
            side.peer
                .expect(&format!("32 ~ 'out' 00 {:02X} [] \"x\"", maximum + 1));
            side.reconnect();
            for id in 2..=maximum + 1 {
                side.peer
                    .expect(&format!("3A ~ 'out' 00 {id:02X} [] \"x\""));
            }
            side.peer.expect_open();
        }
    }
    for mut side in Side::both(version) {
        for _ in 0..200 {
            side.publish(QoS::AtLeastOnce, "x");
        }
        assert_eq!(side.peer.receive_all().len(), 200);
    }
}

/// PUBACK, PUBCOMP and a failing PUBREC give quota back, each once; PUBREC without an error and
/// what acknowledges nothing do not.
fn no_quota_no_publish(version: Version) {
    for mut side in Side::both_limited(version, "21 00 02") {
        for payload in ["1", "2", "3", "4", "5", "6", "7"] {
            side.publish(QoS::ExactlyOnce, payload);
        }
        side.publish(QoS::AtLeastOnce, "8");
        side.publish(QoS::AtLeastOnce, "9");
        side.peer
            .expect("34 ~ 'out' 00 01 [] \"1\" | 34 ~ 'out' 00 02 [] \"2\"");
        side.peer.expect_open();
        side.peer.send("50 ~ 00 02");
        side.peer.expect("62 ~ 00 02");
        side.peer.expect_open();
        side.peer.send("70 ~ 00 02");
        side.peer.expect("34 ~ 'out' 00 03 [] \"3\"");
        side.peer.expect_open();
        side.peer.send("70 ~ 00 02 | 40 ~ 00 02");
        side.peer.expect_open();
        side.peer.send("50 ~ 00 01 80");
        side.peer.expect("34 ~ 'out' 00 04 [] \"4\"");
        side.peer.expect_open();
        // PUBREC for what is not known is answered, and gives nothing.
        side.peer.send("50 ~ 00 7F");
        side.peer.expect("62 ~ 00 7F 92");
        side.peer.expect_open();
        for id in 3..=7 {
            side.peer.send(&format!("50 ~ 00 {id:02X}"));
            side.peer.expect(&format!("62 ~ 00 {id:02X}"));
            side.peer.expect_open();
            side.peer.send(&format!("70 ~ 00 {id:02X}"));
            match id + 2 {
                next @ 5..=7 => side
                    .peer
                    .expect(&format!("34 ~ 'out' 00 {next:02X} [] \"{next}\"")),
                next => side
                    .peer
                    .expect(&format!("32 ~ 'out' 00 {next:02X} [] \"{next}\"")),
            }
            side.peer.expect_open();
        }
        side.peer.send("40 ~ 00 08 | 40 ~ 00 09");
        side.publish(QoS::AtLeastOnce, "10");
        side.publish(QoS::AtLeastOnce, "11");
        side.publish(QoS::AtLeastOnce, "12");
        side.peer
            .expect("32 ~ 'out' 00 0A [] \"10\" | 32 ~ 'out' 00 0B [] \"11\"");
        side.peer.expect_open();
    }
}

/// Messages of QoS 0, the peer's messages, requests and PINGREQ.
fn all_else_goes_on(version: Version) {
    for mut side in Side::both_limited(version, "21 00 01") {
        side.publish(QoS::ExactlyOnce, "1");
        side.publish(QoS::ExactlyOnce, "2");
        side.peer.expect("34 ~ 'out' 00 01 [] \"1\"");
        side.peer.expect_open();
        side.publish(QoS::AtMostOnce, "0");
        side.peer.expect("30 ~ 'out' [] \"0\"");
        side.peer.send("32 ~ 'in' 00 07 [] \"a\"");
        side.peer.expect("40 ~ 00 07");
        side.peer.send("34 ~ 'in' 00 07 [] \"b\"");
        side.peer.expect("50 ~ 00 07");
        side.peer.send("62 ~ 00 07 | 30 ~ 'in' [] \"c\"");
        side.peer.expect("70 ~ 00 07");
        assert_eq!(side.delivered(), ["in=a", "in=b", "in=c"]);
        match side.client() {
            Some(client) => {
                client.connection.ping().unwrap();
                side.peer.expect("C0 00");
                side.peer.send("D0 00");
            }
            None => {
                side.peer.send("C0 00");
                side.peer.expect("D0 00");
                side.peer.send("82 ~ 00 01 [] 'new' 00");
                side.peer.expect("90 ~ 00 01 [] 00");
                side.peer.send("A2 ~ 00 01 [] 'new'");
                side.peer.expect("B0 ~ 00 01 [] 00");
            }
        }
        side.peer.send("50 ~ 00 01");
        side.peer.expect("62 ~ 00 01");
        side.peer.send("70 ~ 00 01");
        side.peer.expect("34 ~ 'out' 00 02 [] \"2\"");
        side.peer.expect_open();
        side.peer.send("E0 01 80");
        side.peer.expect_close();
    }
}

/// PUBCOMP for what was released on another connection, or for the second time, gives no quota that
/// was not taken.
fn never_more_than_at_first(version: Version) {
    for mut side in Side::both_limited(version, "21 00 01") {
        for payload in ["1", "2", "3", "4"] {
            side.publish(QoS::ExactlyOnce, payload);
        }
        side.peer.expect("34 ~ 'out' 00 01 [] \"1\"");
        side.peer.send("50 ~ 00 01");
        side.peer.expect("62 ~ 00 01");
        side.reconnect();
        side.peer.expect("62 ~ 00 01");
        let mut sent = sides::messages(&side.peer.receive_all());
        for _ in 0..3 {
            side.peer.send("70 ~ 00 01");
            sent.extend(sides::messages(&side.peer.receive_all()));
        }
        assert_eq!(sent, ["out=2"]);
        side.peer.send("50 ~ 00 02");
        side.peer.expect("62 ~ 00 02");
        side.peer.send("70 ~ 00 02 | 70 ~ 00 02 | 40 ~ 00 02");
        side.peer.expect("34 ~ 'out' 00 03 [] \"3\"");
        side.peer.send("70 ~ 00 02 | 40 ~ 00 02");
        side.peer.expect_open();
    }
}
