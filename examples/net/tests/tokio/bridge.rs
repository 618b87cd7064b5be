//! The bridge between two mosquittos.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_sansio::{Message, QoS, Version};
use net::tokio_client::Client;
use tokio::time::{sleep, timeout};

use crate::client::{start, subscriptions};
use crate::peers::{PATIENCE, Server};
use crate::proxy::Proxy;

async fn watch(name: &str, version: Version, server: &Server) -> Client {
    let (client, _, _) = start(name, version, server.port);
    client
        .subscribe(subscriptions("#", QoS::ExactlyOnce))
        .await
        .unwrap();
    client
}

/// What arrives, and how often, until nothing does for a while.
async fn arrivals(watcher: &Client) -> BTreeMap<String, u32> {
    let mut all = BTreeMap::new();
    while let Ok(delivery) = timeout(Duration::from_secs(1), watcher.recv()).await {
        let Message { topic, payload, .. } = delivery.as_ref().unwrap().message.clone();
        assert!(delivery.unwrap().acknowledge());
        *all.entry(format!("{topic} {payload:?}")).or_default() += 1;
    }
    all
}

/// Publishes until the bridge carries it.
async fn await_bridge(from: &Server, to: &Client) {
    let carried = async {
        loop {
            from.publish(&["-t", "ready", "-m", "", "-q", "0"]).await;
            if timeout(Duration::from_millis(200), to.recv()).await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, carried).await.unwrap();
    arrivals(to).await;
}

#[tokio::test(flavor = "current_thread")]
async fn carries_each_message_once() {
    let (old, new) = (Server::mosquitto(), Server::mosquitto());
    let _bridge = Server::bridge(old.port, new.port);
    // Also the other version than that of the bridge.
    let watchers = [
        watch("old", Version::V5, &old).await,
        watch("new", Version::V311, &new).await,
    ];
    await_bridge(&old, &watchers[1]).await;
    await_bridge(&new, &watchers[0]).await;
    for watcher in &watchers {
        arrivals(watcher).await;
    }
    let mut expected = BTreeMap::new();
    for (name, server) in [("old", &old), ("new", &new)] {
        for qos in ["0", "1", "2"] {
            for version in ["mqttv311", "mqttv5"] {
                let payload = format!("{name} {qos} {version}");
                server
                    .publish(&["-V", version, "-q", qos, "-t", "a/b", "-m", &payload])
                    .await;
                expected.insert(format!("a/b {:?}", bytes::Bytes::from(payload)), 1);
            }
        }
    }
    for watcher in &watchers {
        assert_eq!(arrivals(watcher).await, expected);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn loses_nothing_over_cuts() {
    let (old, new) = (Server::mosquitto(), Server::mosquitto());
    let (to_old, to_new) = (Proxy::to(old.port).await, Proxy::to(new.port).await);
    let _bridge = Server::bridge(to_old.port, to_new.port);
    let watcher = watch("new", Version::V5, &new).await;
    await_bridge(&old, &watcher).await;
    let (publisher, _, _) = start("publisher", Version::V311, old.port);
    for number in 0..300 {
        let message = Message::new("numbers".parse().unwrap(), number.to_string());
        publisher.enqueue(QoS::AtLeastOnce, message).await.unwrap();
        match number % 100 {
            40 => to_new.cut(),
            80 => to_old.cut(),
            _ if number % 10 == 0 => sleep(Duration::from_millis(20)).await,
            _ => {}
        }
    }
    assert_eq!(arrivals(&watcher).await.len(), 300);
}

/// What the other side has not taken when the bridge is stopped is not lost.
#[tokio::test(flavor = "current_thread")]
async fn acknowledges_what_the_other_side_has() {
    let (old, new) = (Server::mosquitto(), Server::mosquitto());
    let bridge = Server::bridge(old.port, new.port);
    let watcher = watch("new", Version::V5, &new).await;
    await_bridge(&old, &watcher).await;
    drop(new);
    for number in 0..10 {
        old.publish(&["-t", "numbers", "-q", "1", "-m", &number.to_string()])
            .await;
    }
    sleep(Duration::from_millis(500)).await;
    drop(bridge);
    let new = Server::mosquitto();
    let watcher = watch("newer", Version::V5, &new).await;
    let _bridge = Server::bridge(old.port, new.port);
    let first = timeout(PATIENCE, watcher.recv()).await.unwrap().unwrap();
    assert_eq!(first.message.payload, "0");
    assert!(first.acknowledge());
    assert_eq!(arrivals(&watcher).await.len(), 9);
}
