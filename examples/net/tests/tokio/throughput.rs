//! Messages a second from client to client through mosquitto, beside rumqttc:
//! `cargo test --release throughput -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::{Message, QoS, Version};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{setting, start_with, subscriptions};
use crate::peers::{PATIENCE, Server};

/// The messages in flight: the default of rumqttc, and at QoS 2 what mosquitto takes of 3.1.1 without
/// losing any.
fn in_flight(qos: QoS) -> u16 {
    match qos {
        QoS::ExactlyOnce => 20,
        _ => 100,
    }
}

const PAYLOAD: [u8; 64] = [b'x'; 64];

async fn ours(port: u16, qos: QoS, messages: u32) -> f64 {
    let client = |name| {
        let mqtt = Connection::new().max_in_flight(in_flight(qos).try_into().unwrap());
        start_with(mqtt, name, Version::V311, port).0
    };
    let (subscriber, publisher) = (client("our-subscriber"), client("our-publisher"));
    let granted = subscriber.subscribe(subscriptions("ours", qos)).await;
    assert!(granted.is_ok());
    let begun = Instant::now();
    let sender = publisher.clone();
    tokio::spawn(async move {
        for _ in 0..messages {
            let message = Message::new("ours".parse().unwrap(), &PAYLOAD[..]);
            sender.enqueue(qos, message).await.unwrap();
        }
    });
    for _ in 0..messages {
        assert!(subscriber.recv().await.unwrap().acknowledge());
    }
    let seconds = begun.elapsed().as_secs_f64();
    publisher.shutdown().await;
    subscriber.shutdown().await;
    f64::from(messages) / seconds
}

async fn next(events: &mut EventLoop) -> Packet {
    loop {
        if let Event::Incoming(packet) = events.poll().await.unwrap() {
            return packet;
        }
    }
}

async fn theirs(port: u16, qos: QoS, messages: u32) -> f64 {
    let in_flight = in_flight(qos);
    let qos = rumqttc::qos(qos.level()).unwrap();
    let client = |name: &str| {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options
            .set_keep_alive(Duration::from_secs(10))
            .set_inflight(in_flight);
        AsyncClient::new(options, 1_024)
    };
    let (subscriber, mut received) = client("their-subscriber");
    let (publisher, mut sent) = client("their-publisher");
    subscriber.subscribe("theirs", qos).await.unwrap();
    while !matches!(next(&mut received).await, Packet::SubAck(_)) {}
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { while sent.poll().await.is_ok() {} });
    let begun = Instant::now();
    tasks.spawn(async move {
        for _ in 0..messages {
            publisher
                .publish("theirs", qos, false, PAYLOAD)
                .await
                .unwrap();
        }
        // Its event loop would end with it.
        std::future::pending().await
    });
    let mut left = messages;
    while left > 0 {
        left -= u32::from(matches!(next(&mut received).await, Packet::Publish(_)));
    }
    f64::from(messages) / begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "a measurement"]
async fn throughput() {
    let messages = setting("MESSAGES", 50_000);
    let mosquitto = Server::mosquitto();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for _ in 0..3 {
            let ours = timeout(PATIENCE, ours(mosquitto.port, qos, messages))
                .await
                .unwrap();
            let theirs = timeout(PATIENCE, theirs(mosquitto.port, qos, messages))
                .await
                .unwrap();
            let qos = qos.level();
            println!(
                "QoS {qos}: ours {ours:.0}/s, rumqttc {theirs:.0}/s, {:.2}",
                ours / theirs
            );
        }
    }
}
