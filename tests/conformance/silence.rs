//! MQTT 5.0 sections 3.1.2.10, 3.1.4 and 3.2: peers that say nothing.

use std::time::Duration;

use mqtt_sansio::Version;
use mqtt_sansio::packet::KeepAlive;
use support::notation::bytes;
use support::script::{ClientEnd, Net, ServerEnd, connect};

use crate::Test;
use crate::enhanced_auth::{auth, connect_with_method};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "client_leaves_without_connack",
        v311: &["U311-3.2-16"],
        v5: &["U5-3.2-60"],
        run: client_leaves_without_connack,
    },
    Test {
        name: "client_leaves_without_pingresp",
        v311: &["U311-3.1.2.10-9"],
        v5: &["U5-3.1.2.10-16"],
        run: client_leaves_without_pingresp,
    },
    Test {
        name: "server_leaves_without_connect",
        v311: &["U311-3.1.4-13"],
        v5: &["U5-3.1.4-57"],
        run: server_leaves_without_connect,
    },
];

/// After 20 seconds.
fn client_leaves_without_connack(version: Version) {
    let mut server = ClientEnd::connecting(version, connect("c"));
    server.end.wait(19);
    server.expect_open();
    server.end.wait(1);
    server.expect_close_with(0x80);
    if version == Version::V5 {
        // Each AUTH has its own time.
        let mut server = ClientEnd::connecting(version, connect_with_method(version));
        for _ in 0..2 {
            server.end.wait(15);
            server.send("F0 ~ 18 [15 'm']");
            server.end.wait(100);
            let step = auth(version, "F0 ~ 18 [15 'm']");
            server.end.connection.auth(step).unwrap();
            server.expect("F0 ~ 18 [15 'm']");
        }
        server.end.wait(19);
        server.expect_open();
        server.end.wait(1);
        server.expect_close_with(0x80);
    }
}

/// After 20 seconds, and not if it comes in time.
fn client_leaves_without_pingresp(version: Version) {
    for answered in [true, false] {
        let mut asked = connect("c");
        asked.keep_alive = KeepAlive::from_secs(60);
        let mut server = ClientEnd::accepted(version, asked, "20 ~ 00 00 []");
        server.end.wait(60);
        server.expect("C0 00");
        server.end.wait(19);
        server.expect_open();
        if answered {
            server.send("D0 00");
        }
        server.end.wait(1);
        match answered {
            true => server.expect_open(),
            false => server.expect_close_with(0x80),
        }
    }
}

/// Nor for a part of it.
fn server_leaves_without_connect(version: Version) {
    let connect = bytes(version, "10 ~ 'MQTT' VV 02 00 00 [] 'c'");
    for sent in 0..connect.len() {
        let mut client = ServerEnd::new(version);
        client.send_bytes(&connect[..sent]);
        client.end.wait(9);
        client.expect_open();
        client.end.wait(1);
        client.expect_close();
    }
    if version == Version::V5 {
        // Nor for AUTH, each of which has its own time.
        let mut client = ServerEnd::new(version);
        client.send("10 ~ 'MQTT' VV 02 00 00 [15 'm'] 'c'");
        for _ in 0..2 {
            client.end.wait(100);
            let step = auth(version, "F0 ~ 18 [15 'm']");
            client.end.connection.auth(step).unwrap();
            client.expect("F0 ~ 18 [15 'm']");
            client.end.wait(9);
            client.expect_open();
            client.send("F0 ~ 18 [15 'm']");
        }
        let step = auth(version, "F0 ~ 18 [15 'm']");
        client.end.connection.auth(step).unwrap();
        client.expect("F0 ~ 18 [15 'm']");
        client.end.wait(9);
        client.expect_open();
        client.end.wait(1);
        client.receive_all();
        client.expect_close();
    }
    let net = Net::with(|config| config.connect_timeout = Duration::from_secs(10));
    let mut client = net.open(version);
    net.wait(9);
    client.expect_open();
    net.wait(1);
    client.expect_close();
}
