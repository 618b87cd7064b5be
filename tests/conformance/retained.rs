//! MQTT 5.0 section 3.3.1.3: retained messages.

use mqtt_sansio::Version;
use support::script::Net;

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "replace_the_last_one",
        v311: &["3.3.1-5", "3.3.1-7"],
        v5: &["3.3.1-5", "U5-3.3.1.3-102"],
        run: replace_the_last_one,
    },
    Test {
        name: "come_with_a_subscription",
        v311: &["3.3.1-6", "3.3.1-8"],
        v5: &["3.3.1-9"],
        run: come_with_a_subscription,
    },
    Test {
        name: "are_ordinary_for_who_is_there",
        v311: &["3.3.1-9"],
        v5: &["3.3.1-12"],
        run: are_ordinary_for_who_is_there,
    },
    Test {
        name: "stay_as_published_if_asked",
        v311: &[],
        v5: &["3.3.1-13"],
        run: stay_as_published_if_asked,
    },
    Test {
        name: "are_removed_by_an_empty_one",
        v311: &["3.3.1-10", "3.3.1-11"],
        v5: &["3.3.1-6", "3.3.1-7"],
        run: are_removed_by_an_empty_one,
    },
    Test {
        name: "are_not_touched_without_retain",
        v311: &["3.3.1-12"],
        v5: &["3.3.1-8"],
        run: are_not_touched_without_retain,
    },
    Test {
        name: "come_if_the_subscription_is_new",
        v311: &[],
        v5: &["3.3.1-10"],
        run: come_if_the_subscription_is_new,
    },
    Test {
        name: "do_not_come_if_not_wanted",
        v311: &[],
        v5: &["3.3.1-11"],
        run: do_not_come_if_not_wanted,
    },
];

/// At any QoS, which is kept, too.
fn replace_the_last_one(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    for (publish, kept) in [
        ("33 ~ 't' 00 01 [] \"1\"", "33 ~ 't' 00 01 [] \"1\""),
        ("35 ~ 't' 00 02 [] \"2\"", "35 ~ 't' 00 01 [] \"2\""),
        ("31 ~ 't' [] \"3\"", "31 ~ 't' [] \"3\""),
        ("33 ~ 't' 00 03 [] \"4\"", "33 ~ 't' 00 01 [] \"4\""),
    ] {
        client.send(publish);
        let mut late = net.connect(version, "late");
        late.subscribe("t", 2);
        late.expect(kept);
        late.expect_open();
    }
    // However often: a message that is replaced takes no room.
    let net = Net::with(|config| config.max_retained_bytes = 10_000);
    let mut client = net.connect(version, "a");
    for _ in 0..100 {
        client.send("33 ~ 't' 00 01 [] 78*1000");
        client.expect("40 ~ 00 01 {10}");
    }
    client.expect_open();
}

/// For each topic that matches, with RETAIN, and again for each SUBSCRIBE.
fn come_with_a_subscription(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.send("31 ~ 't/1' [] \"1\" | 31 ~ 't/2' [] \"2\" | 31 ~ 'u' [] \"3\"");
    for _ in 0..2 {
        client.subscribe("t/+", 0);
        client.expect("31 ~ 't/1' [] \"1\" | 31 ~ 't/2' [] \"2\"");
        client.expect_open();
    }
}

/// They have no RETAIN for a subscription that was there before.
fn are_ordinary_for_who_is_there(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.subscribe("t", 1);
    client.send("31 ~ 't' [] \"1\" | 30 ~ 't' [] \"2\" | 33 ~ 't' 00 01 [] \"3\"");
    client.expect("40 02 00 01");
    client.expect("30 ~ 't' [] \"1\" | 30 ~ 't' [] \"2\" | 32 ~ 't' 00 01 [] \"3\"");
    if version == Version::V311 {
        // Options of 5.0 do not count where the session goes on in 3.1.1.
        let mut lasting = net.resume(Version::V5, "b");
        lasting.subscribe("u", 0x0D);
        lasting.cut();
        let mut lasting = net.resume(version, "b");
        client.send("31 ~ 'u' \"1\"");
        lasting.expect("30 ~ 'u' \"1\"");
        lasting.send("31 ~ 'u' \"2\"");
        lasting.expect("30 ~ 'u' \"2\"");
    }
}

/// Retain As Published leaves RETAIN as it was.
fn stay_as_published_if_asked(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.subscribe("t", 0x09);
    client.send("31 ~ 't' [] \"1\" | 30 ~ 't' [] \"2\" | 33 ~ 't' 00 01 [] \"3\"");
    client.expect("40 02 00 01");
    client.expect("31 ~ 't' [] \"1\" | 30 ~ 't' [] \"2\" | 33 ~ 't' 00 01 [] \"3\"");
}

/// It goes to who is there, and is not kept itself.
fn are_removed_by_an_empty_one(version: Version) {
    for empty in ["31 ~ 't' []", "33 ~ 't' 00 01 []"] {
        let net = Net::new();
        let (mut client, mut watcher) = (net.connect(version, "a"), net.connect(version, "b"));
        watcher.subscribe("#", 0);
        client.send("31 ~ 't' [] \"x\" | 31 ~ 'u' [] \"y\"");
        client.send(empty);
        watcher.expect("30 ~ 't' [] \"x\" | 30 ~ 'u' [] \"y\" | 30 ~ 't' []");
        let mut late = net.connect(version, "late");
        late.subscribe("#", 0);
        late.expect("31 ~ 'u' [] \"y\"");
        late.expect_open();
    }
}

/// A message without RETAIN is not kept, and neither replaces nor removes the one that is.
fn are_not_touched_without_retain(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.send("31 ~ 't' [] \"x\" | 30 ~ 't' [] \"y\" | 30 ~ 't' [] | 30 ~ 'u' [] \"z\"");
    client.subscribe("#", 0);
    client.expect("31 ~ 't' [] \"x\"");
    client.expect_open();
}

/// Retain Handling 1.
fn come_if_the_subscription_is_new(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.send("31 ~ 't' [] \"x\"");
    client.subscribe("t", 0x10);
    client.expect("31 ~ 't' [] \"x\"");
    client.subscribe("t", 0x10);
    client.expect_open();
    client.send("A2 ~ 00 01 [] 't'");
    client.expect("B0 ~ 00 01 [] 00");
    client.subscribe("t", 0x10);
    client.expect("31 ~ 't' [] \"x\"");
}

/// Retain Handling 2.
fn do_not_come_if_not_wanted(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.send("31 ~ 't' [] \"x\"");
    for _ in 0..2 {
        client.subscribe("t", 0x20);
        client.expect_open();
    }
}
