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

/// mosquitto is no peer here, as not every machine lets its WebSocket listener start.
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
    assert_eq!(lines.len(), 29, "{lines:#?}");
    client.succeeds().await;
}
