//! MQTT 5.0 section 1.5: data representation.

use mqtt_sansio::Version;
use support::script::Net;

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "feff_is_kept",
        v311: &["1.5.3-3"],
        v5: &["1.5.4-3"],
        run: feff_is_kept,
    },
    Test {
        name: "lengths_are_short",
        v311: &[],
        v5: &["1.5.5-1"],
        run: lengths_are_short,
    },
];

/// U+FEFF is a character like others: a topic with it is another topic.
fn feff_is_kept(version: Version) {
    let net = Net::new();
    let (mut a, mut b) = (net.connect(version, "a"), net.connect(version, "b"));
    a.subscribe("\u{FEFF}t", 0);
    b.subscribe("t", 0);
    a.send("30 ~ '\u{FEFF}t' [] \"x\"");
    a.expect("30 ~ 00 04 EF BB BF \"t\" [] \"x\"");
    b.expect_open();
    a.send("30 ~ 't' [] \"x\"");
    a.expect_open();
    b.expect("30 ~ 't' [] \"x\"");
}

/// Remaining Length is as short as can be on both sides of each limit.
fn lengths_are_short(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "a");
    client.subscribe("t", 0);
    for (len, encoded) in [
        (127, "7F"),
        (128, "80 01"),
        (16_383, "FF 7F"),
        (16_384, "80 80 01"),
        (2_097_151, "FF FF 7F"),
        (2_097_152, "80 80 80 01"),
    ] {
        let rest = format!("'t' [] 78*{}", len - 4);
        client.send(&format!("30 ~ {rest}"));
        client.expect(&format!("30 {encoded} {rest}"));
    }
}
