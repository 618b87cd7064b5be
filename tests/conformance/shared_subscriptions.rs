//! MQTT 5.0 section 4.8: shared subscriptions.

use mqtt_sansio::Version;
use support::script::{Link, Net, Script};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "granted_qos_is_heeded",
        v311: &[],
        v5: &["4.8.2-3"],
        run: granted_qos_is_heeded,
    },
    Test {
        name: "qos_2_is_finished_with_the_same_client",
        v311: &[],
        v5: &["4.8.2-4"],
        run: qos_2_is_finished_with_the_same_client,
    },
    Test {
        name: "or_with_nobody",
        v311: &[],
        v5: &["4.8.2-5"],
        run: or_with_nobody,
    },
    Test {
        name: "error_discards_the_message",
        v311: &[],
        v5: &["4.8.2-6"],
        run: error_discards_the_message,
    },
    Test {
        name: "qos_1_goes_to_another_member",
        v311: &[],
        v5: &["U5-4.8.2-201", "U5-4.8.2-202"],
        run: qos_1_goes_to_another_member,
    },
];

/// The lower of both QoS, for each member its own.
fn granted_qos_is_heeded(version: Version) {
    let net = Net::new();
    let mut members = [0, 1, 2].map(|qos| {
        let mut member = net.connect(version, &format!("m{qos}"));
        member.subscribe("$share/g/t", qos);
        member
    });
    let mut other = net.connect(version, "other");
    for (at, published) in ["30 ~ 't' []", "32 ~ 't' 00 01 []", "34 ~ 't' 00 02 []"]
        .into_iter()
        .enumerate()
    {
        // Each member has its turn.
        for _ in 0..3 {
            other.send(published);
            other.receive_all();
            if at == 2 {
                other.send("62 ~ 00 02");
                other.receive_all();
            }
        }
        for (granted, member) in members.iter_mut().enumerate() {
            match at.min(granted) {
                0 => member.expect("30 ~ 't' []"),
                1 => member.expect(&format!("32 ~ 't' 00 {at:02X} []")),
                _ => member.expect(&format!("34 ~ 't' 00 {at:02X} []")),
            }
            member.expect_nothing();
        }
    }
}

/// Two members with sessions that last, the first of which has got a message of QoS 2, and who
/// published it.
fn under_way(version: Version, net: &Net) -> [Script<Link>; 3] {
    let mut first = net.resume(version, "first");
    first.subscribe("$share/g/t", 2);
    let mut other = net.connect(version, "other");
    other.send("34 ~ 't' 00 01 [] \"x\"");
    other.expect("50 ~ 00 01");
    first.expect("34 ~ 't' 00 01 [] \"x\"");
    let mut second = net.resume(version, "second");
    second.subscribe("$share/g/t", 2);
    [first, second, other]
}

/// Before PUBREC and after it, however long the client is away.
fn qos_2_is_finished_with_the_same_client(version: Version) {
    for received in [false, true] {
        let net = Net::new();
        let [mut first, mut second, _other] = under_way(version, &net);
        if received {
            first.send("50 ~ 00 01");
            first.expect("62 ~ 00 01");
        }
        for _ in 0..2 {
            first.cut();
            net.wait(1_000);
            second.expect_open();
            first = net.resume(version, "first");
            match received {
                true => first.expect("62 ~ 00 01"),
                false => first.expect("3C ~ 't' 00 01 [] \"x\""),
            }
        }
        if !received {
            first.send("50 ~ 00 01");
            first.expect("62 ~ 00 01");
        }
        first.send("70 ~ 00 01");
        first.expect_open();
        second.expect_open();
    }
}

/// Whether the session ends by expiry, by a clean start or with the connection.
fn or_with_nobody(version: Version) {
    let ends: [fn(&Net, Script<Link>); 4] = [
        |net, mut first| {
            first.send("E0 ~ 00 [11 00 00 00 05]");
            first.cut();
            net.wait(5);
        },
        |_, mut first| {
            first.send("E0 ~ 00 [11 00 00 00 00]");
            first.cut();
        },
        |net, first| {
            first.cut();
            net.connect(Version::V5, "first").expect_open();
        },
        |net, mut first| {
            // Taken over, by a client that starts clean.
            net.connect(Version::V5, "first").expect_open();
            first.expect("E0 01 8E");
        },
    ];
    for end in ends {
        for received in [false, true] {
            let net = Net::new();
            let [mut first, mut second, mut other] = under_way(version, &net);
            if received {
                first.send("50 ~ 00 01");
                first.expect("62 ~ 00 01");
            }
            end(&net, first);
            net.wait(1_000);
            second.expect_open();
            let mut first = net.resume(version, "first");
            first.expect_open();
            // A new one comes to who is there.
            other.send("32 ~ 't' 00 02 [] \"y\"");
            second.expect("32 ~ 't' 00 01 [] \"y\"");
            first.expect_open();
        }
    }
}

/// It goes to no other member, and not to this one again.
fn error_discards_the_message(version: Version) {
    for (published, sent, refusal) in [
        (
            "32 ~ 't' 00 01 [] \"x\"",
            "32 ~ 't' 00 01 [] \"x\"",
            "40 ~ 00 01 80",
        ),
        (
            "32 ~ 't' 00 01 [] \"x\"",
            "32 ~ 't' 00 01 [] \"x\"",
            "40 ~ 00 01 97",
        ),
        (
            "34 ~ 't' 00 01 [] \"x\"",
            "34 ~ 't' 00 01 [] \"x\"",
            "50 ~ 00 01 80",
        ),
        (
            "34 ~ 't' 00 01 [] \"x\"",
            "34 ~ 't' 00 01 [] \"x\"",
            "50 ~ 00 01 87",
        ),
    ] {
        let net = Net::new();
        let mut first = net.resume(version, "first");
        first.subscribe("$share/g/t", 2);
        let mut other = net.connect(version, "other");
        other.send(published);
        first.expect(sent);
        let mut second = net.resume(version, "second");
        second.subscribe("$share/g/t", 2);
        first.send(refusal);
        first.expect_open();
        second.expect_open();
        first.cut();
        net.wait(1_000);
        second.expect_open();
        net.resume(version, "first").expect_open();
        net.connect(version, "first").expect_open();
        second.expect_open();
    }
}

/// When the connection of the first ends, and, if nobody was there then, when its session ends.
fn qos_1_goes_to_another_member(version: Version) {
    for second_is_here in [true, false] {
        let net = Net::new();
        let mut first = net.resume(version, "first");
        first.subscribe("$share/g/t", 2);
        let mut other = net.connect(version, "other");
        other.send("32 ~ 't' 00 01 [] \"x\"");
        first.expect("32 ~ 't' 00 01 [] \"x\"");
        let mut second = net.resume(version, "second");
        second.subscribe("$share/g/t", 2);
        if second_is_here {
            first.cut();
            second.expect("32 ~ 't' 00 01 [] \"x\"");
            net.resume(version, "first").expect_open();
            continue;
        }
        second.cut();
        first.cut();
        net.connect(version, "first").expect_open();
        let mut second = net.resume(version, "second");
        second.expect("32 ~ 't' 00 01 [] \"x\"");
        second.expect_open();
    }
}
