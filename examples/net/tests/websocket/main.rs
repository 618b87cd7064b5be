//! MQTT over WebSocket: the statements of section 6, which are the same in 3.1.1 and 5.0, and clients
//! and brokers of others.
//!
//! `coverage` of the conformance tests looks here for a test of each statement.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

#[path = "../peers/mod.rs"]
mod peers;

mod browser;
mod statements;

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use peers::{PATIENCE, Program, node_file, program};

const SERVER: &str = env!("CARGO_BIN_EXE_websocket");
const CLIENT: &str = env!("CARGO_BIN_EXE_websocket_client");

/// What MQTT.js does, in node and in a browser.
const MQTT_JS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocket/mqttjs.mjs");

/// Runs our server, which ends with this value. Returns its URL.
async fn server() -> (Program, String) {
    let mut server = Program::start(SERVER, &[]);
    let url = server.line().await;
    (server, url)
}

#[tokio::test]
async fn our_client_and_our_server() {
    let (_server, url) = server().await;
    for version in ["3.1.1", "5.0"] {
        let mut client = Program::start(CLIENT, &[&url, version, "a/b", "hello"]);
        assert_eq!(client.line().await, "a/b: hello");
    }
}

/// Its WebSocket listener starts only beside another one.
#[tokio::test]
async fn our_client_and_mosquitto() {
    let Some(mosquitto) = program("mosquitto") else {
        return;
    };
    let port = peers::free_port().await;
    let lines = format!("listener {port}\nprotocol websockets");
    let _broker = peers::mosquitto(&mosquitto, &lines).await;
    let listens = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let listens = timeout(PATIENCE, listens).await;
    listens.expect("mosquitto listens for WebSocket");
    for version in ["3.1.1", "5.0"] {
        let url = format!("ws://127.0.0.1:{port}");
        let mut client = Program::start(CLIENT, &[&url, version, "a/b", "hello"]);
        assert_eq!(client.line().await, "a/b: hello");
    }
}

#[tokio::test]
async fn our_client_and_aedes() {
    let (Some(node), Some(_)) = (program("node"), node_file("aedes/package.json")) else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocket/aedes.mjs");
    let mut broker = Program::start(node, &[script]);
    let url = broker.line().await;
    let mut client = Program::start(CLIENT, &[&url, "3.1.1", "a/b", "hello"]);
    assert_eq!(client.line().await, "a/b: hello");
}

/// A subscriber that acknowledges nothing is sent away, and the publisher is served on.
#[tokio::test]
async fn subscribers_that_do_not_acknowledge() {
    let (_server, url) = server().await;
    let (mut subscriber, _) = statements::open(&url, &["mqtt"]).await;
    let subscribe = b"\x10\x0E\0\x04MQTT\x05\x02\0\0\0\0\x01c\x82\x07\0\x01\0\0\x01t\x01";
    statements::write(&mut subscriber, subscribe).await;
    statements::read(&mut subscriber, 2 + 3).await;
    let (mut publisher, _) = statements::open(&url, &["mqtt"]).await;
    statements::write(&mut publisher, b"\x10\x0E\0\x04MQTT\x05\x02\0\0\0\0\x01p").await;
    statements::read(&mut publisher, 2 + 3).await;
    for id in 1..1_300_u16 {
        let [high, low] = id.to_be_bytes();
        let publish = [0x32, 7, 0, 1, b't', high, low, 0, b'x'];
        statements::write(&mut publisher, &publish).await;
        let acknowledgement = statements::read(&mut publisher, 4).await;
        assert_eq!(acknowledgement, [0x40, 2, high, low]);
    }
    let mut read = Vec::new();
    while !read.ends_with(b"\xE0\x01\x97") {
        read.extend(statements::read(&mut subscriber, 1).await);
    }
}

#[tokio::test]
async fn mqttjs_in_node() {
    let (Some(node), Some(_)) = (program("node"), node_file("mqtt/package.json")) else {
        return;
    };
    let (_server, url) = server().await;
    let mut client = Program::start(node, &[MQTT_JS, &url]);
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "all of it") {
        lines.push(client.line().await);
    }
    assert_eq!(lines.len(), 33, "{lines:#?}");
    client.succeeds().await;
}
