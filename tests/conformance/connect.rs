//! MQTT 5.0 section 3.1: CONNECT.

use mqtt_sansio::connection::client;
use mqtt_sansio::packet::{Connect, KeepAlive};
use mqtt_sansio::{QoS, Version};
use support::script::{ClientEnd, End, Net, message};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "first_packet",
        v311: &["3.1.0-1"],
        v5: &["3.1.0-1"],
        run: first_packet,
    },
    Test {
        name: "only_once",
        v311: &["3.1.0-2"],
        v5: &["3.1.0-2"],
        run: only_once,
    },
    Test {
        name: "client_keeps_the_connection_alive",
        v311: &["3.1.2-23"],
        v5: &["3.1.2-20"],
        run: client_keeps_the_connection_alive,
    },
    Test {
        name: "server_waits_one_and_a_half_times_keep_alive",
        v311: &["3.1.2-24"],
        v5: &["3.1.2-22"],
        run: server_waits_one_and_a_half_times_keep_alive,
    },
];

/// The client sends CONNECT before all else, and the server takes nothing else first.
fn first_packet(version: Version) {
    let mut connection = client::Connection::new();
    connection
        .publish(QoS::AtLeastOnce, message("t", "x"))
        .unwrap();
    let connect = Connect::new("a".parse().unwrap());
    connection.connect(version, connect).unwrap();
    let mut server = ClientEnd::new(version, connection);
    server.expect("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
    server.expect_open();
    server.send("20 ~ 00 00 []");
    server.expect("32 ~ 't' 00 01 [] \"x\"");
    server.expect_open();

    for other in ["C0 00", "30 ~ 't' []", "E0 00", "82 ~ 00 01 [] 't' 00"] {
        let mut client = Net::new().open(version);
        client.send(other);
        assert!(client.end.is_closing());
    }
}

/// A second CONNECT ends the connection.
fn only_once(version: Version) {
    let mut client = Net::new().connect(version, "a");
    client.send("10 ~ 'MQTT' VV 02 00 00 [] 'a'");
    client.expect_close_with(0x82);
}

/// PINGREQ is sent in the absence of anything else, before Keep Alive has passed.
fn client_keeps_the_connection_alive(version: Version) {
    let mut connect = Connect::new("a".parse().unwrap());
    connect.keep_alive = KeepAlive::from_secs(10);
    let mut server = ClientEnd::accepted(version, connect, "20 ~ 00 00 []");
    server.end.wait(9);
    server.expect_open();
    server.end.wait(1);
    server.expect("C0 00");
    server.expect_open();
}

/// A silent client is cut off, and one that sends anything at all is not.
fn server_waits_one_and_a_half_times_keep_alive(version: Version) {
    let net = Net::new();
    let connect = "10 ~ 'MQTT' VV 02 00 0A [] 'a'";
    let (mut client, _) = net.connect_with(version, connect);
    net.wait(14);
    client.send("C0 00");
    client.expect("D0 00");
    net.wait(14);
    client.expect_open();
    net.wait(1);
    client.expect_close_with(0x8D);
}
