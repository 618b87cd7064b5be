//! Subscribes, publishes once that is granted, and collects what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use bytes::BytesMut;
use mqtt_sansio::connection::{Event, Incoming, client::Connection};
use mqtt_sansio::packet::{Connect, Disconnect, Subscriptions};
use mqtt_sansio::{Message, QoS, ReasonCode, Version};

use crate::Failure;

/// Publishes the messages to `topic` and returns what comes to it, until there is as much of it and every
/// publish has its outcome.
pub fn echo(
    server: SocketAddr,
    version: Version,
    topic: &str,
    qos: QoS,
    payloads: &[&str],
) -> Result<Vec<String>, Failure> {
    let mut mqtt = Connection::new();
    mqtt.connect(version, Connect::new(topic.parse()?))?;
    mqtt.subscribe(Subscriptions::new([(topic.parse()?, qos)])?)?;
    let mut socket = TcpStream::connect(server)?;
    let (start, mut chunk) = (Instant::now(), [0; 4096]);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let (mut received, mut outcomes) = (Vec::new(), 0);
    while !mqtt.is_closed() {
        mqtt.poll_bytes(start.elapsed(), &mut output);
        socket.write_all(&output.split())?;
        socket.set_read_timeout(mqtt.wait(start.elapsed()))?;
        match socket.read(&mut chunk) {
            Ok(0) => mqtt.handle_close(),
            Ok(len) => input.extend_from_slice(&chunk[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(incoming) = mqtt.handle_bytes(start.elapsed(), &mut input) {
            if let Incoming::Message(message, token) = incoming {
                received.push(String::from_utf8(message.payload.to_vec())?);
                mqtt.acknowledge(token)?;
            }
        }
        mqtt.handle_timeout(start.elapsed());
        while let Some(event) = mqtt.poll_event() {
            match event {
                Event::Subscribed(..) if mqtt.is_connected() => {
                    for payload in payloads {
                        let message = Message::new(topic.parse()?, payload.to_string());
                        mqtt.publish(qos, message)?;
                    }
                }
                Event::Published(..) => outcomes += 1,
                _ => {}
            }
        }
        let done = received.len() == payloads.len() && outcomes == payloads.len();
        if done && mqtt.is_connected() {
            mqtt.disconnect(Disconnect::new(ReasonCode::Success))?;
        }
    }
    mqtt.ended()?;
    Ok(received)
}
