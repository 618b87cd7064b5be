//! MQTT 5.0 section 4.7: topic names and topic filters.

use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{QoS, Version};
use support::script::{ClientEnd, Net, message, subscriptions};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "wildcards_match_no_first_dollar",
        v311: &["4.7.2-1"],
        v5: &["4.7.2-1"],
        run: wildcards_match_no_first_dollar,
    },
    Test {
        name: "at_most_65_535_bytes",
        v311: &["4.7.3-3"],
        v5: &["4.7.3-3"],
        run: at_most_65_535_bytes,
    },
    Test {
        name: "nothing_is_normalized",
        v311: &["4.7.3-4"],
        v5: &["4.7.3-4"],
        run: nothing_is_normalized,
    },
    Test {
        name: "first_dollar_is_not_for_clients",
        v311: &["U311-4.7.2-30"],
        v5: &["U5-4.7.2-198"],
        run: first_dollar_is_not_for_clients,
    },
];

/// Neither when a message is published nor when it is retained.
fn wildcards_match_no_first_dollar(version: Version) {
    let topics = ["$", "$a", "$a/b", "$/b", "$SYS2/b"];
    let not = ["#", "+", "+/#", "+/b", "+/+", "/#"];
    let net = Net::with(|config| config.dollar_topics = true);
    let mut other = net.connect(version, "other");
    let mut late = net.connect(version, "late");
    let mut client = net.connect(version, "c");
    for filter in not {
        client.subscribe(filter, 0);
    }
    if version == Version::V5 {
        client.subscribe("$share/g/#", 0);
        client.subscribe("$share/g/+/b", 0);
    }
    for topic in topics {
        other.send(&format!("31 ~ '{topic}' [] \"x\""));
        client.expect_open();
    }
    for filter in not {
        late.subscribe(filter, 0);
        late.expect_open();
    }
    // With the first level written out, wildcards behind it match.
    for filter in ["$a/#", "$a/+", "$a/b"] {
        let mut client = net.connect(version, "d");
        client.send(&format!("82 ~ 00 01 [] '{filter}' 00"));
        client.expect("90 ~ 00 01 [] 00");
        if filter == "$a/#" {
            client.expect("31 ~ '$a' [] \"x\"");
        }
        client.expect("31 ~ '$a/b' [] \"x\"");
        other.send("30 ~ '$a/b' [] \"y\"");
        client.expect("30 ~ '$a/b' [] \"y\"");
        client.expect_open();
    }
    // A $ further behind is nothing special.
    other.send("30 ~ 'a/$b' []");
    client.expect("30 ~ 'a/$b' []");
    assert!(
        !TopicFilter::new("#")
            .unwrap()
            .matches(&TopicName::new("$a").unwrap())
    );
}

/// A topic of that length goes from a client to the broker and back. There is no longer one to send,
/// and what is longer has no form on the wire: its length would not fit.
fn at_most_65_535_bytes(version: Version) {
    for part in ["a", "/", "\u{E9}"] {
        let mut longest = part.repeat(65_535 / part.len());
        longest += &"b".repeat(65_535 - longest.len());
        let mut client = Net::new().connect(version, "c");
        client.subscribe(&longest, 0);
        client.send(&format!("30 ~ '{longest}' [] \"x\""));
        client.expect(&format!("30 ~ '{longest}' [] \"x\""));
        client.expect_open();
        let mut server = ClientEnd::plain(version);
        let connection = &mut server.end.connection;
        let publish = message(&longest, "x");
        connection.publish(QoS::AtMostOnce, publish).unwrap();
        let filters = subscriptions(&longest, QoS::AtMostOnce);
        connection.subscribe(filters).unwrap();
        server.expect(&format!(
            "30 ~ '{longest}' [] \"x\" | 82 ~ 00 01 [] '{longest}' 00"
        ));
        let longer = format!("{longest}b");
        assert!(TopicName::new(&longer).is_err());
        assert!(TopicFilter::new(&longer).is_err());
    }
}

/// Texts that somebody may take for the same are different topics, in subscriptions and among the
/// retained messages, and come as they were sent.
fn nothing_is_normalized(version: Version) {
    let topics = [
        "caf\u{E9}",
        "cafe\u{301}",
        "CAF\u{C9}",
        "Cafe",
        "cafe",
        "cafe ",
        " cafe",
        "\u{FEFF}cafe",
        "/cafe",
        "cafe/",
        "//cafe",
        "cafe//",
        "./cafe",
        "x/../cafe",
        "caf%65",
        "\u{FB01}",
        "fi",
        "\u{212A}",
        "K",
        "k",
        "\u{FFFD}",
        "\u{E000}",
        "\u{10FFFD}",
        "a\tb",
        "a b",
        "a\u{A0}b",
    ];
    for (at, own) in topics.iter().enumerate() {
        let net = Net::new();
        let mut other = net.connect(version, "other");
        let mut client = net.connect(version, "c");
        client.subscribe(own, 0);
        for (number, topic) in topics.iter().enumerate() {
            other.send(&format!("31 ~ '{topic}' [] \"{number}\""));
        }
        client.expect(&format!("30 ~ '{own}' [] \"{at}\""));
        client.expect_open();
        let mut late = net.connect(version, "late");
        late.subscribe(own, 0);
        late.expect(&format!("31 ~ '{own}' [] \"{at}\""));
        late.expect_open();
    }
}

/// Nothing comes of it, now or later, and 5.0 says so to the publisher.
fn first_dollar_is_not_for_clients(version: Version) {
    let net = Net::new();
    let mut client = net.connect(version, "c");
    client.subscribe("$a/b", 2);
    client.subscribe("#", 2);
    let mut other = net.connect(version, "other");
    other.send("31 ~ '$a/b' [] \"x\" | 33 ~ '$a/b' 00 01 [] \"x\" | 35 ~ '$a/b' 00 02 [] \"x\"");
    other.expect("40 ~ 00 01 {87} | 50 ~ 00 02 {87}");
    other.expect_open();
    let will = "10 ~ 'MQTT' VV 26 00 00 [] 'will' [] '$a/b' 'x'";
    net.connect_with(version, will).0.cut();
    client.expect_open();
    let mut late = net.connect(version, "late");
    late.subscribe("$a/b", 2);
    late.expect_open();
    other.send("30 ~ 'a/$b' [] \"x\"");
    client.expect("30 ~ 'a/$b' [] \"x\"");
}
