//! The server, with our client and mosquitto's as peers.

use std::time::{Duration, Instant};

use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Closed, Outcome};
use mqtt_sansio::packet::{Connect, Will};
use mqtt_sansio::property::{ConnectProperties, WillProperties};
use mqtt_sansio::session::Session;
use mqtt_sansio::{Binary, Message, QoS, ReasonCode, Version};
use net::tokio_client::{self, Client};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::client::{start, subscriptions};
use crate::peers::{PATIENCE, Server};

/// The payload of the next message, which is acknowledged.
async fn next(client: &Client) -> String {
    let delivery = timeout(PATIENCE, client.recv()).await.unwrap().unwrap();
    assert!(delivery.acknowledge());
    String::from_utf8(delivery.message.payload.to_vec()).unwrap()
}

async fn subscribed(name: &str, version: Version, server: &Server, filter: &str) -> Client {
    let (client, _, _) = start(name, version, server.port);
    let granted = client
        .subscribe(subscriptions(filter, QoS::ExactlyOnce))
        .await
        .unwrap();
    assert!(granted.reasons.iter().eq([ReasonCode::GrantedQoS2]));
    client
}

#[tokio::test(flavor = "current_thread")]
async fn retains() {
    let server = Server::ours();
    let (client, _, _) = start("publisher", Version::V5, server.port);
    for version in ["mqttv311", "mqttv5"] {
        let mut message = Message::new("home/light".parse().unwrap(), "on");
        message.retain = true;
        let outcome = client
            .publish(QoS::ExactlyOnce, message.clone())
            .await
            .unwrap();
        assert_eq!(outcome, Outcome::Accepted(ReasonCode::Success));
        let ask = [
            "-V",
            version,
            "-t",
            "home/#",
            "-q",
            "1",
            "-C",
            "1",
            "-W",
            "1",
            "-F",
            "%r %q %t %p",
        ];
        assert_eq!(
            server.subscribe(&ask).await,
            (Some(0), "1 1 home/light on\n".into())
        );
        message.payload = bytes::Bytes::new();
        client.publish(QoS::AtLeastOnce, message).await.unwrap();
        // 27: the time is over.
        assert_eq!(server.subscribe(&ask).await, (Some(27), String::new()));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn publishes_wills() {
    let server = Server::ours();
    let watcher = subscribed("watcher", Version::V5, &server, "wills/#").await;
    let will = [
        "-t",
        "x",
        "--will-topic",
        "wills/mosquitto",
        "--will-payload",
        "gone",
    ];
    let mut mortal = server.command("mosquitto_sub", &will).spawn().unwrap();
    sleep(Duration::from_millis(500)).await;
    mortal.kill().unwrap();
    mortal.wait().unwrap();
    assert_eq!(next(&watcher).await, "gone");

    // One with a delay is not published if its client is back before.
    let mortal = || {
        let mut connect = Connect::new("mortal".parse().unwrap());
        connect.clean_start = false;
        connect.properties = ConnectProperties::builder()
            .session_expiry_interval(60)
            .build();
        let mut will = Will::new(
            "wills/late".parse().unwrap(),
            Binary::new(b"late").unwrap().to_owned(),
        );
        will.properties = WillProperties::builder().will_delay_interval(2).build();
        connect.will = Some(will);
        let (client, driver) = tokio_client::new(
            Connection::with_session(Session::new()),
            Version::V5,
            connect,
        );
        let port = server.port;
        (
            client,
            tokio::spawn(driver.run(move || TcpStream::connect(("127.0.0.1", port)), |_| ())),
        )
    };
    let connected = async |(client, _): &(Client, JoinHandle<_>)| {
        let subscribe = client.subscribe(subscriptions("x", QoS::AtMostOnce));
        timeout(PATIENCE, subscribe).await.unwrap().unwrap();
    };
    let first = mortal();
    connected(&first).await;
    first.1.abort();
    sleep(Duration::from_millis(500)).await;
    let second = mortal();
    connected(&second).await;
    let early = timeout(Duration::from_millis(3_500), watcher.recv()).await;
    assert!(early.is_err(), "the will of a client that is back");
    let begun = Instant::now();
    second.1.abort();
    assert_eq!(next(&watcher).await, "late");
    assert!(begun.elapsed() > Duration::from_millis(1_900));
}

#[tokio::test(flavor = "current_thread")]
async fn shares() {
    let server = Server::ours();
    let workers = [
        subscribed("left", Version::V311, &server, "$share/workers/jobs").await,
        subscribed("right", Version::V5, &server, "$share/workers/jobs").await,
    ];
    for number in 0..6 {
        server
            .publish(&["-t", "jobs", "-q", "2", "-m", &number.to_string()])
            .await;
    }
    let mut all = Vec::new();
    for worker in &workers {
        for _ in 0..3 {
            all.push(next(worker).await);
        }
    }
    all.sort();
    assert_eq!(all, ["0", "1", "2", "3", "4", "5"]);
    // What a member that is away would get goes to one that is here.
    workers[0].shutdown().await;
    sleep(Duration::from_millis(200)).await;
    for number in 0..4 {
        server
            .publish(&[
                "-V",
                "mqttv5",
                "-t",
                "jobs",
                "-q",
                "1",
                "-m",
                &number.to_string(),
            ])
            .await;
        assert_eq!(next(&workers[1]).await, number.to_string());
    }
}

#[tokio::test(flavor = "current_thread")]
async fn resumes() {
    let server = Server::ours();
    for (version, name) in [(Version::V311, "old"), (Version::V5, "new")] {
        let client = subscribed(name, version, &server, "news").await;
        client.shutdown().await;
        sleep(Duration::from_millis(200)).await;
        server
            .publish(&["-t", "news", "-q", "0", "-m", "lost"])
            .await;
        server
            .publish(&["-t", "news", "-q", "2", "-m", "kept"])
            .await;
        let expiring = [
            "-V",
            "mqttv5",
            "-D",
            "publish",
            "message-expiry-interval",
            "1",
        ];
        server
            .publish(&[&expiring[..], &["-t", "news", "-q", "1", "-m", "stale"]].concat())
            .await;
        sleep(Duration::from_millis(1_200)).await;
        server
            .publish(&["-t", "news", "-q", "1", "-m", "newer"])
            .await;

        let mut connect = Connect::new(name.parse().unwrap());
        connect.clean_start = false;
        // As after a restart.
        let mqtt = Connection::with_session(Session::new());
        let (client, driver) = tokio_client::new(mqtt, version, connect);
        let port = server.port;
        tokio::spawn(driver.run(move || TcpStream::connect(("127.0.0.1", port)), |_| ()));
        assert_eq!(
            [next(&client).await, next(&client).await],
            ["kept", "newer"]
        );
        client.shutdown().await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn takes_over() {
    let server = Server::ours();
    let (first, ended, _) = start("twin", Version::V5, server.port);
    first
        .subscribe(subscriptions("x", QoS::AtLeastOnce))
        .await
        .unwrap();
    let (second, _, _) = start("twin", Version::V5, server.port);
    second
        .subscribe(subscriptions("x", QoS::AtLeastOnce))
        .await
        .unwrap();
    let error = timeout(PATIENCE, ended)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    let Some(Closed::Disconnected(last)) = error.downcast_ref() else {
        panic!("{error}")
    };
    assert_eq!(last.reason, ReasonCode::SessionTakenOver);
    assert!(first.recv().await.is_none());
    server
        .publish(&["-t", "x", "-q", "1", "-m", "for the second"])
        .await;
    assert_eq!(next(&second).await, "for the second");
}

#[tokio::test(flavor = "current_thread")]
async fn limits() {
    let server = Server::ours();
    let (client, _, _) = start("greedy", Version::V5, server.port);
    for number in 0..1_000 {
        let subscriptions = subscriptions(&format!("topic/{number}"), QoS::AtMostOnce);
        let granted = client.subscribe(subscriptions).await.unwrap();
        assert!(granted.reasons.iter().eq([ReasonCode::Success]));
    }
    let granted = client
        .subscribe(subscriptions("one/more", QoS::AtMostOnce))
        .await
        .unwrap();
    assert!(granted.reasons.iter().eq([ReasonCode::UnspecifiedError]));
    let large = Message::new("x".parse().unwrap(), vec![0; 1 << 20]);
    assert!(client.publish(QoS::AtMostOnce, large).await.is_err());
}
