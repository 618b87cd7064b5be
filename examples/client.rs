//! Subscribes and publishes at QoS 2, and prints what comes back.
//!
//! ```text
//! client HOST:PORT [3.1.1|5.0] [TOPIC [MESSAGE]]
//! ```

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Event, Input};
use mqtt_sansio::packet::{
    Connect, Disconnect, KeepAlive, Packet, Publish, SubscriptionOptions, Subscriptions,
};
use mqtt_sansio::property::SubscribeProperties;
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{Delivery, FrameDecoder, QoS, ReasonCode, Version};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let address = args
        .next()
        .ok_or("client HOST:PORT [3.1.1|5.0] [TOPIC [MESSAGE]]")?;
    let version = match args.next().as_deref() {
        None | Some("5.0") => Version::V5,
        Some("3.1.1") => Version::V311,
        Some(other) => return Err(format!("no version {other}").into()),
    };
    let topic: TopicName = args
        .next()
        .as_deref()
        .unwrap_or("mqtt-sansio/example")
        .parse()?;
    let text = args.next().unwrap_or_else(|| "hello".to_owned());

    let mut client = Connection::new();
    let mut connect = Connect::new(format!("mqtt-sansio-{}", std::process::id()).parse()?);
    connect.keep_alive = KeepAlive::from_secs(30);
    client.connect(version, connect)?;

    let mut stream = TcpStream::connect(address)?;
    let mut decoder = FrameDecoder::client(version);
    let (mut received, mut to_send) = (BytesMut::new(), BytesMut::new());
    let (start, mut chunk) = (Instant::now(), [0; 4096]);
    // Our message has to come back, and its own exchange to end.
    let mut unfinished = 2;
    loop {
        while let Some(event) = client.poll_event() {
            println!("{event:?}");
            match event {
                // What came with it may have ended the connection already.
                _ if !client.is_connected() => {}
                Event::Connected { .. } => {
                    let filter = TopicFilter::new(topic.as_str())?;
                    let options = SubscriptionOptions::new(QoS::ExactlyOnce);
                    let subscriptions = Subscriptions::new([(filter, options)])?;
                    client.subscribe(subscriptions, SubscribeProperties::default())?;
                }
                Event::Subscribed(_) => {
                    let payload = Bytes::from(text.clone());
                    let message = Publish::new(Delivery::AtMostOnce, topic.clone(), payload);
                    client.publish(QoS::ExactlyOnce, message)?;
                }
                Event::Completed(..) => unfinished -= 1,
                _ => {}
            }
        }
        while let Some(packet) = client.poll_transmit(start.elapsed()) {
            packet.encode(version, &mut to_send)?;
        }
        stream.write_all(&to_send)?;
        to_send.clear();
        if client.is_closed() {
            return Ok(());
        }
        if unfinished == 0 && client.is_connected() && client.session().is_empty() {
            client.disconnect(Disconnect::new(ReasonCode::Success).to_owned())?;
            continue;
        }

        let now = start.elapsed();
        let wait = client.next_timeout().map(|at| at.saturating_sub(now));
        stream.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        match stream.read(&mut chunk) {
            Ok(0) => client.handle_close(),
            Ok(len) => received.extend_from_slice(chunk.get(..len).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        client.handle_timeout(start.elapsed());
        // What is wrong ends the connection. What is left to send then tells the server why.
        loop {
            let packet = match decoder.decode_shared(&mut received) {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(error) => {
                    println!("{error}");
                    client.handle_decode_error(error);
                    break;
                }
            };
            let input = match client.handle_packet(&packet) {
                Ok(input) => input,
                Err(violation) => {
                    println!("{violation}");
                    break;
                }
            };
            if let (Input::Deliver(alias), Packet::Publish(message)) = (input, packet) {
                let topic = alias.or(message.topic).ok_or("no topic")?;
                println!("{topic}: {:?}", message.payload);
                unfinished -= 1;
                if let Some(id) = message.delivery.packet_id() {
                    client.acknowledge(id, ReasonCode::Success)?;
                }
            }
        }
    }
}
