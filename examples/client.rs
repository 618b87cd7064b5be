//! Subscribes and publishes at QoS 2, and prints what comes back.
//!
//! ```text
//! client HOST:PORT [3.1.1|5.0] [TOPIC [MESSAGE]]
//! ```

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use bytes::BytesMut;
use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Event, Incoming};
use mqtt_sansio::packet::{Connect, Disconnect, KeepAlive, Subscriptions};
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{Message, QoS, ReasonCode, Version};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let usage = "client HOST:PORT [3.1.1|5.0] [TOPIC [MESSAGE]]";
    let address = args.next().ok_or(usage)?;
    let version = match args.next().as_deref() {
        None | Some("5.0") => Version::V5,
        Some("3.1.1") => Version::V311,
        Some(other) => return Err(format!("no version {other}").into()),
    };
    let topic = args.next();
    let topic = topic.as_deref().unwrap_or("mqtt-sansio/example").parse()?;
    let text = args.next().unwrap_or_else(|| "hello".to_owned());
    run(&address, version, topic, text)
}

fn run(address: &str, version: Version, topic: TopicName, text: String) -> Outcome {
    let mut client = Connection::new();
    let mut connect = Connect::new(format!("mqtt-sansio-{}", std::process::id()).parse()?);
    connect.keep_alive = KeepAlive::from_secs(30);
    client.connect(version, connect)?;
    let filter = TopicFilter::new(topic.to_str())?;
    client.subscribe(Subscriptions::new([(filter, QoS::ExactlyOnce)])?)?;

    let mut stream = TcpStream::connect(address)?;
    let (start, mut chunk) = (Instant::now(), [0; 4096]);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    // Our message has to come back, and its own exchange to end.
    let mut unfinished = 2;
    while !client.is_closed() {
        client.poll_bytes(start.elapsed(), &mut output);
        stream.write_all(&output.split())?;
        stream.set_read_timeout(client.wait(start.elapsed()))?;
        match stream.read(&mut chunk) {
            Ok(0) => client.handle_close(),
            Ok(len) => input.extend_from_slice(chunk.get(..len).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(incoming) = client.handle_bytes(start.elapsed(), &mut input) {
            if let Incoming::Message(message, token) = incoming {
                println!("{}: {:?}", message.topic, message.payload);
                client.acknowledge(token)?;
                unfinished -= 1;
            }
        }
        client.handle_timeout(start.elapsed());
        while let Some(event) = client.poll_event() {
            println!("{event:?}");
            match event {
                Event::Subscribed(..) if client.is_connected() => {
                    let message = Message::new(topic.clone(), text.clone());
                    client.publish(QoS::ExactlyOnce, message)?;
                }
                Event::Published(..) => unfinished -= 1,
                _ => {}
            }
        }
        // What is owed leaves in front of it.
        if unfinished == 0 && client.is_connected() {
            client.disconnect(Disconnect::new(ReasonCode::Success))?;
        }
    }
    Ok(client.ended()?)
}
