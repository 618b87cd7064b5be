//! Subscribes over WebSocket, publishes a message if there is one, and prints what arrives.
//!
//! ```text
//! websocket_client ws://HOST:PORT 3.1.1|5.0 TOPIC [MESSAGE]
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt_sansio::connection::{Incoming, client::Connection};
use mqtt_sansio::packet::{Connect, KeepAlive, Subscriptions};
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{Message, QoS, Version};
use net::websocket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (url, version, topic, message) = match &args[..] {
        [url, version, topic] => (url, version, topic, None),
        [url, version, topic, message] => (url, version, topic, Some(message)),
        _ => return Err("websocket_client ws://HOST:PORT 3.1.1|5.0 TOPIC [MESSAGE]".into()),
    };
    let version = match &version[..] {
        "3.1.1" => Version::V311,
        "5.0" => Version::V5,
        other => return Err(format!("no version {other}").into()),
    };
    let mut mqtt = Connection::new();
    let mut connect = Connect::new(format!("websocket-{}", std::process::id()).parse()?);
    connect.keep_alive = KeepAlive::from_secs(30);
    mqtt.connect(version, connect)?;
    mqtt.subscribe(Subscriptions::new([(
        TopicFilter::new(&topic[..])?,
        QoS::AtLeastOnce,
    )])?)?;
    if let Some(message) = message {
        let message = Message::new(topic.parse::<TopicName>()?, message.clone());
        mqtt.publish(QoS::AtLeastOnce, message)?;
    }
    let mut socket = websocket::connect(url).await?;
    let start = Instant::now();
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    loop {
        mqtt.poll_bytes(start.elapsed(), &mut output);
        socket.write_all_buf(&mut output).await?;
        socket.flush().await?;
        if mqtt.is_closed() {
            return Ok(mqtt.ended()?);
        }
        let wait = mqtt.wait(start.elapsed()).unwrap_or(Duration::MAX);
        tokio::select! {
            read = socket.read_buf(&mut input) => if read? == 0 { mqtt.handle_close() },
            () = sleep(wait) => {}
        }
        while let Some(incoming) = mqtt.handle_bytes(start.elapsed(), &mut input) {
            if let Incoming::Message(message, token) = incoming {
                println!(
                    "{}: {}",
                    message.topic,
                    String::from_utf8_lossy(&message.payload)
                );
                mqtt.acknowledge(token)?;
            }
        }
        mqtt.handle_timeout(start.elapsed());
        while mqtt.poll_event().is_some() {}
    }
}
