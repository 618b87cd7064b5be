//! MQTT 5.0 sections 3.1.2.5 and 3.1.3.2: the will.

use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::{ReasonCode, Version};
use support::script::{Link, Net, Script, ServerEnd};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "comes_when_the_connection_ends",
        v311: &["3.1.2-8", "U311-3.1.2.5-7"],
        v5: &[
            "3.1.2-7",
            "3.1.2-8",
            "U5-3.1.2.5-13",
            "U5-3.1.3.2.2-43",
            "U5-3.1.3.2.4-49",
        ],
        run: comes_when_the_connection_ends,
    },
    Test {
        name: "comes_once_or_is_called_off",
        v311: &["3.1.2-10"],
        v5: &["3.1.2-10"],
        run: comes_once_or_is_called_off,
    },
    Test {
        name: "none_without_the_flag",
        v311: &["3.1.2-12"],
        v5: &[],
        run: none_without_the_flag,
    },
    Test {
        name: "is_retained_if_asked",
        v311: &["3.1.2-9 server", "3.1.2-16", "3.1.2-17"],
        v5: &["3.1.2-14", "3.1.2-15"],
        run: is_retained_if_asked,
    },
    Test {
        name: "waits_for_its_delay",
        v311: &[],
        v5: &["3.1.2-7", "3.1.2-8", "U5-3.1.2.5-13"],
        run: waits_for_its_delay,
    },
    Test {
        name: "new_connection_calls_it_off",
        v311: &[],
        v5: &["3.1.2-8", "3.1.3-9"],
        run: new_connection_calls_it_off,
    },
    Test {
        name: "properties_keep_their_order",
        v311: &[],
        v5: &["3.1.3-10"],
        run: properties_keep_their_order,
    },
];

/// A will of QoS 1, and a client that waits for it.
const WITH_WILL: &str = "10 ~ 'MQTT' VV 0E 00 0A [] 'a' [] 'w' 'gone'";
/// The same, of a client whose session goes on.
const LASTING_WITH_WILL: &str = "10 ~ 'MQTT' VV 0C 00 0A [11 00 00 00 64] 'a' [] 'w' 'gone'";

fn watcher(net: &Net, version: Version) -> Script<Link> {
    let mut watcher = net.connect(version, "watcher");
    watcher.subscribe("#", 1);
    watcher
}

/// However that comes about but for DISCONNECT, and also if the session goes on.
fn comes_when_the_connection_ends(version: Version) {
    let ends: [fn(&Net, Script<Link>); 4] = [
        |_, client| client.cut(),
        |net, mut client| {
            net.wait(15);
            client.expect_close_with(0x8D);
        },
        |_, mut client| {
            client.send("00 00");
            client.expect_close_with(0x81);
        },
        |_, mut client| {
            client.send("34 ~ 't' 00 00 [] ");
            client.receive_all();
            client.expect_close();
        },
    ];
    for end in ends {
        for connect in [WITH_WILL, LASTING_WITH_WILL] {
            let net = Net::new();
            let mut watcher = watcher(&net, version);
            let (client, _) = net.connect_with(version, connect);
            watcher.expect_open();
            end(&net, client);
            watcher.expect("32 ~ 'w' 00 01 [] \"gone\"");
            watcher.expect_open();
        }
    }
    // It is the will of a client that was accepted.
    let mut client = ServerEnd::new(version);
    client.send(WITH_WILL);
    let server = &mut client.end.connection;
    let refusal = ConnAck::new(ReasonCode::NotAuthorized);
    server.refuse(refusal).unwrap();
    assert!(server.take_will().is_none());
}

/// A will that was published is not there any more; one that was called off never comes.
fn comes_once_or_is_called_off(version: Version) {
    for connect in [WITH_WILL, LASTING_WITH_WILL] {
        let net = Net::new();
        let mut watcher = watcher(&net, version);
        let (client, _) = net.connect_with(version, connect);
        client.cut();
        watcher.expect("32 ~ 'w' 00 01 [] \"gone\"");
        net.wait(50);
        net.resume(version, "a").cut();
        net.wait(1_000);
        watcher.expect_open();

        let (client, _) = net.connect_with(version, connect);
        client.leave();
        net.resume(version, "a").cut();
        net.wait(1_000);
        watcher.expect_open();
    }
}

/// A client without a will ends without one, also where it had one before.
fn none_without_the_flag(version: Version) {
    let net = Net::new();
    let mut watcher = watcher(&net, version);
    net.connect(version, "a").cut();
    watcher.expect_open();
    let (_first, _) = net.connect_with(version, WITH_WILL);
    let second = net.connect(version, "a");
    watcher.expect("32 ~ 'w' 00 01 [] \"gone\"");
    second.cut();
    watcher.expect_open();
}

/// Will Retain is the RETAIN flag of the message.
fn is_retained_if_asked(version: Version) {
    for retain in [false, true] {
        let net = Net::new();
        let flags = if retain { "2E" } else { "0E" };
        let connect = format!("10 ~ 'MQTT' VV {flags} 00 00 [] 'a' [] 'w' 'gone'");
        let (client, _) = net.connect_with(version, &connect);
        client.cut();
        let mut late = net.connect(version, "late");
        late.subscribe("w", 1);
        if retain {
            late.expect("33 ~ 'w' 00 01 [] \"gone\"");
        }
        late.expect_open();
    }
}

/// Its delay, or the session if that ends before, by its expiry or by a clean start.
fn waits_for_its_delay(version: Version) {
    for (expiry, delay, at) in [(100, 30, 30), (10, 30, 10), (0, 30, 0), (100, 0, 0)] {
        let net = Net::new();
        let mut watcher = watcher(&net, version);
        let properties = format!("11 00 00 00 {expiry:02X}");
        let will = format!("[18 00 00 00 {delay:02X}] 'w' 'gone'");
        let connect = format!("10 ~ 'MQTT' VV 0E 00 00 [{properties}] 'a' {will}");
        let (client, _) = net.connect_with(version, &connect);
        client.cut();
        if at > 0 {
            net.wait(at - 1);
            watcher.expect_open();
            net.wait(1);
        }
        watcher.expect("32 ~ 'w' 00 01 [] \"gone\"");
        net.wait(1_000);
        watcher.expect_open();
    }
    let net = Net::new();
    let mut watcher = watcher(&net, version);
    let will = "[18 00 00 00 1E] 'w' 'gone'";
    let connect = format!("10 ~ 'MQTT' VV 0E 00 00 [11 00 00 00 64] 'a' {will}");
    net.connect_with(version, &connect).0.cut();
    net.wait(29);
    watcher.expect_open();
    let _client = net.connect(version, "a");
    watcher.expect("32 ~ 'w' 00 01 [] \"gone\"");
    net.wait(1_000);
    watcher.expect_open();
}

/// The session goes on before the delay is over.
fn new_connection_calls_it_off(version: Version) {
    let net = Net::new();
    let mut watcher = watcher(&net, version);
    let will = "[18 00 00 00 1E] 'w' 'gone'";
    let connect = format!("10 ~ 'MQTT' VV 0C 00 00 [11 00 00 00 64] 'a' {will}");
    let (client, _) = net.connect_with(version, &connect);
    client.cut();
    net.wait(29);
    let client = net.resume(version, "a");
    net.wait(1_000);
    watcher.expect_open();
    // Nor does it come at the end of that one, which has none.
    client.cut();
    net.wait(1_000);
    watcher.expect_open();
    // A new will is that of its own connection alone.
    net.connect_with(version, &connect).0.cut();
    net.wait(29);
    let other = connect.replace("gone", "over");
    let (client, _) = net.connect_with(version, &other);
    net.wait(1_000);
    watcher.expect_open();
    client.cut();
    net.wait(30);
    watcher.expect("32 ~ 'w' 00 01 [] \"over\"");
    net.wait(1_000);
    watcher.expect_open();
}

/// And they are all there but the delay.
fn properties_keep_their_order(version: Version) {
    let net = Net::new();
    let mut watcher = watcher(&net, version);
    let first = "26 00 01 \"z\" 00 01 \"1\" 26 00 01 \"a\" 00 01 \"2\" 26 00 01 \"z\" 00 01 \"1\"";
    let rest = "01 01 03 00 01 \"c\" 08 00 01 \"r\" 09 00 01 FF 26 00 01 \"b\" 00 01 \"3\"";
    let will = format!("[{first} 18 00 00 00 00 {rest}] 'w' 'gone'");
    let connect = format!("10 ~ 'MQTT' VV 0E 00 00 [] 'a' {will}");
    let (client, _) = net.connect_with(version, &connect);
    client.cut();
    watcher.expect(&format!("32 ~ 'w' 00 01 [{first} {rest}] \"gone\""));
}
