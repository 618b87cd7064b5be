//! MQTT 5.0 section 1.5: data representation.

use bytes::Bytes;
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{QoS, Text, Version};
use support::script::{ClientEnd, Net, message};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "strings_of_a_sender",
        v311: &["1.5.3-1", "1.5.3-2", "4.7.3-2", "4.7.3-3"],
        v5: &["1.5.4-1", "1.5.4-2", "1.5.7-1", "4.7.3-2", "4.7.3-3"],
        run: strings_of_a_sender,
    },
    Test {
        name: "feff_is_kept",
        v311: &["1.5.3-3 server"],
        v5: &["1.5.4-3 server"],
        run: feff_is_kept,
    },
    Test {
        name: "lengths_are_short",
        v311: &[],
        v5: &["1.5.5-1 server"],
        run: lengths_are_short,
    },
];

/// What is no string cannot be sent, as text or topic, nor what is too long; the longest can.
fn strings_of_a_sender(version: Version) {
    let bad: [&[u8]; 5] = [
        b"\xFF",
        b"\xC0\xAF",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"a\0",
    ];
    for bytes in bad {
        assert!(Text::try_from(Bytes::from_static(bytes)).is_err());
        assert!(TopicName::try_from(Bytes::from_static(bytes)).is_err());
        assert!(TopicFilter::try_from(Bytes::from_static(bytes)).is_err());
    }
    let long = "x".repeat(65_536);
    assert!(Text::new(&long).is_err());
    assert!(TopicName::new(&long).is_err());
    assert!(TopicFilter::new(&long).is_err());
    let longest = &long[1..];
    let mut server = ClientEnd::plain(version);
    let client = &mut server.end.connection;
    client
        .publish(QoS::AtMostOnce, message(longest, ""))
        .unwrap();
    server.expect("30 ~ FF FF 78*65535 []");
    let mut client = Net::new().connect(version, "a");
    client.subscribe(longest, 0);
    client.send("30 ~ FF FF 78*65535 []");
    client.expect("30 ~ FF FF 78*65535 []");
}

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
