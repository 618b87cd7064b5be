//! The client against mosquitto. At full length:
//! `MESSAGES=10000 CUTS=10 cargo test --release cuts -- --nocapture`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Closed, ConnectionError, Event, Outcome};
use mqtt_sansio::packet::{Connect, KeepAlive, Subscriptions, TopicFilters, Will};
use mqtt_sansio::property::ConnectProperties;
use mqtt_sansio::{Binary, Message, QoS, ReasonCode, Rules, Version};
use net::tokio_client::{self, Client};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::peers::{PATIENCE, Server};
use crate::proxy::Proxy;

type Ended = JoinHandle<Result<(), Box<dyn std::error::Error + Send + Sync>>>;

/// A client whose session outlives its connections, and the number of those it has lost.
pub fn start(name: &str, version: Version, port: u16) -> (Client, Ended, Arc<AtomicU32>) {
    let mut mqtt = Connection::new();
    if version == Version::V5 {
        // mosquitto 2.0.11 sends more than that after it has resumed a session.
        mqtt = mqtt
            .rules(Rules::BROKERS)
            .max_received(100.try_into().unwrap());
    }
    start_with(mqtt, name, version, port)
}

pub fn start_with(
    mqtt: Connection,
    name: &str,
    version: Version,
    port: u16,
) -> (Client, Ended, Arc<AtomicU32>) {
    let mut connect = Connect::new(name.parse().unwrap());
    connect.keep_alive = KeepAlive::from_secs(10);
    match version {
        Version::V311 => connect.clean_start = false,
        Version::V5 => {
            let builder = ConnectProperties::builder();
            connect.properties = builder.session_expiry_interval(3_600).build();
        }
    }
    let (client, mut driver) = tokio_client::new(mqtt, version, connect);
    driver.first_delay = Duration::from_millis(20);
    driver.longest_delay = Duration::from_millis(200);
    let lost = Arc::new(AtomicU32::new(0));
    let (count, name) = (Arc::clone(&lost), name.to_owned());
    let ended = tokio::spawn(driver.run(
        move || TcpStream::connect(("127.0.0.1", port)),
        move |event| match event {
            Event::Closed(Closed::Lost) => _ = count.fetch_add(1, Ordering::Relaxed),
            Event::Closed(Closed::Local) | Event::Connected(_) => {}
            Event::Published(_, Outcome::Accepted(_) | Outcome::Uncertain(_)) => {}
            Event::Subscribed(..) | Event::Unsubscribed(..) => {}
            other => println!("{name}: {other:?}"),
        },
    ));
    (client, ended, lost)
}

pub fn subscriptions(filter: &str, qos: QoS) -> Subscriptions {
    Subscriptions::new([(filter.parse().unwrap(), qos)]).unwrap()
}

pub fn setting(name: &str, default: u32) -> u32 {
    let value = std::env::var(name);
    value.map_or(default, |value| value.parse().unwrap())
}

fn random(below: u32) -> u32 {
    RandomState::new().hash_one(()) as u32 % below
}

/// What a subscriber got.
struct Got {
    numbers: Vec<u32>,
    doubled: u32,
    _proxy: Proxy,
}

/// Takes messages until each of `0..messages` is here, and cuts once in each of the segments.
async fn take(
    client: Client,
    messages: u32,
    segment: u32,
    proxy: Proxy,
    cuts: Arc<AtomicU32>,
) -> Got {
    let (mut numbers, mut seen, mut doubled) = (Vec::new(), vec![false; messages as usize], 0);
    let mut next_cut = 1 + random(segment);
    while (numbers.len() as u32) < messages {
        let delivery = client.recv().await.unwrap();
        let number: u32 = str::from_utf8(&delivery.message.payload)
            .unwrap()
            .parse()
            .unwrap();
        let acknowledged = delivery.acknowledge();
        assert!(acknowledged || delivery.qos() == QoS::AtLeastOnce);
        match std::mem::replace(&mut seen[number as usize], true) {
            true => doubled += 1,
            false => numbers.push(number),
        }
        if numbers.len() as u32 == next_cut {
            next_cut = (cuts.load(Ordering::Relaxed) + 1) * segment + 1 + random(segment);
            if next_cut <= messages {
                proxy.cut();
                cuts.fetch_add(1, Ordering::Relaxed);
                if random(2) == 0 {
                    // Once more while they come back.
                    sleep(Duration::from_millis(random(40).into())).await;
                    proxy.cut();
                }
            }
        }
    }
    // One that was doubled may be behind.
    while let Ok(Some(delivery)) = timeout(Duration::from_millis(300), client.recv()).await {
        delivery.acknowledge();
        doubled += 1;
    }
    Got {
        numbers,
        doubled,
        _proxy: proxy,
    }
}

async fn cuts(server: Server, version: Version, qos: QoS) {
    let (messages, most) = (setting("MESSAGES", 1_000), setting("CUTS", 4));
    let segment = messages / (most + 1);
    let proxy = Proxy::to(server.port).await;
    let (subscriber, subscriber_end, subscriber_lost) = start("subscriber", version, proxy.port);
    let (publisher, publisher_end, publisher_lost) = start("publisher", version, proxy.port);
    let granted = subscriber
        .subscribe(subscriptions("numbers", qos))
        .await
        .unwrap();
    assert!(granted.reasons.iter().all(|code| !code.is_error()));

    let begun = Instant::now();
    let cuts = Arc::new(AtomicU32::new(0));
    let taking = tokio::spawn(take(
        subscriber.clone(),
        messages,
        segment,
        proxy,
        Arc::clone(&cuts),
    ));
    let mut outcomes = Vec::new();
    for number in 0..messages {
        // Or else there would be nothing on the way at the last cuts.
        while cuts.load(Ordering::Relaxed) < (number / segment).min(most) {
            sleep(Duration::from_millis(1)).await;
        }
        let message = Message::new("numbers".parse().unwrap(), number.to_string());
        outcomes.push(publisher.enqueue(qos, message).await.unwrap());
    }
    for outcome in outcomes {
        let outcome = outcome.await.unwrap();
        // That a server has no such identifier answers a PUBREL that was sent again.
        let has = ReasonCode::PacketIdentifierNotFound;
        let expected =
            matches!(outcome, Outcome::Accepted(_)) || outcome == Outcome::Uncertain(Some(has));
        assert!(expected, "{outcome:?}");
    }
    let got = taking.await.unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let lost = [publisher_lost, subscriber_lost].map(|lost| lost.load(Ordering::Relaxed));
    let (cuts, doubled) = (cuts.load(Ordering::Relaxed), got.doubled);
    println!(
        "{version:?} QoS {}: {messages} messages, {cuts} cuts, {lost:?} connections lost, \
         {doubled} doubled, {seconds:.1} s",
        qos.level()
    );
    assert!(
        cuts >= most && lost.iter().all(|lost| *lost >= cuts),
        "{lost:?}"
    );
    if qos == QoS::ExactlyOnce {
        assert_eq!(doubled, 0);
        assert!(got.numbers.is_sorted());
    }
    for client in [publisher, subscriber] {
        client.shutdown().await;
    }
    publisher_end.await.unwrap().unwrap();
    subscriber_end.await.unwrap().unwrap();
}

/// None is lost, and none is doubled at QoS 2.
#[tokio::test(flavor = "current_thread")]
async fn cuts_lose_nothing() {
    for version in [Version::V311, Version::V5] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let cuts = cuts(Server::mosquitto(), version, qos);
            timeout(PATIENCE, cuts).await.unwrap();
        }
    }
}

/// The same with the server of the examples.
#[tokio::test(flavor = "current_thread")]
async fn cuts_lose_nothing_on_our_server() {
    for version in [Version::V311, Version::V5] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            timeout(PATIENCE, cuts(Server::ours(), version, qos))
                .await
                .unwrap();
        }
    }
}

/// A server that loses its sessions is told the subscriptions again.
#[tokio::test(flavor = "current_thread")]
async fn subscribes_again() {
    let server = Server::ours();
    let proxy = Proxy::to(server.port).await;
    let mut connect = Connect::new("clean".parse().unwrap());
    connect.keep_alive = KeepAlive::from_secs(10);
    let (client, driver) = tokio_client::new(Connection::new(), Version::V311, connect);
    let port = proxy.port;
    let open = move || TcpStream::connect(("127.0.0.1", port));
    let (again, mut granted) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(driver.run(open, move |event| {
        if let Event::Subscribed(..) = event {
            again.send(()).unwrap();
        }
    }));
    for filter in ["a", "b", "c"] {
        client
            .subscribe(subscriptions(filter, QoS::AtLeastOnce))
            .await
            .unwrap();
        granted.recv().await;
    }
    let filters = TopicFilters::new(["b".parse().unwrap()]).unwrap();
    client.unsubscribe(filters).await.unwrap();
    proxy.cut();
    for _ in ["a", "c"] {
        timeout(PATIENCE, granted.recv()).await.unwrap();
    }
    for topic in ["a", "b", "c"] {
        server.publish(&["-t", topic, "-m", topic, "-q", "1"]).await;
    }
    for topic in ["a", "c"] {
        let delivery = timeout(PATIENCE, client.recv()).await.unwrap().unwrap();
        assert_eq!(delivery.message.payload, topic);
        assert!(delivery.acknowledge());
    }
}

/// DISCONNECT leaves after all that was accepted, and the server knows it for one.
#[tokio::test(flavor = "current_thread")]
async fn shuts_down() {
    let server = Server::mosquitto();
    let (watcher, _, _) = start("watcher", Version::V5, server.port);
    watcher
        .subscribe(subscriptions("#", QoS::AtLeastOnce))
        .await
        .unwrap();
    let mut connect = Connect::new("brief".parse().unwrap());
    connect.will = Some(Will::new("will".parse().unwrap(), Binary::default()));
    let (client, driver) = tokio_client::new(Connection::new(), Version::V5, connect);
    let port = server.port;
    let ended = tokio::spawn(driver.run(move || TcpStream::connect(("127.0.0.1", port)), |_| ()));
    let mut outcomes = Vec::new();
    for _ in 0..500 {
        let message = Message::new("words".parse().unwrap(), "last");
        outcomes.push(client.enqueue(QoS::ExactlyOnce, message).await.unwrap());
    }
    client.shutdown().await;
    timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    for outcome in outcomes {
        assert_eq!(outcome.await, Ok(Outcome::Accepted(ReasonCode::Success)));
    }
    for _ in 0..500 {
        let delivery = timeout(PATIENCE, watcher.recv()).await.unwrap().unwrap();
        assert_eq!(delivery.message.topic, "words");
        assert!(delivery.acknowledge());
    }
    assert!(
        timeout(Duration::from_millis(500), watcher.recv())
            .await
            .is_err()
    );
    let late = client.publish(
        QoS::AtLeastOnce,
        Message::new("words".parse().unwrap(), "late"),
    );
    assert_eq!(late.await, Err(ConnectionError::WrongState));
    assert!(client.recv().await.is_none());
}
