//! A client's loop, and a network that is a table: what has to be sent, and what comes back.

use core::num::NonZeroU16;
use core::time::Duration;

use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Closed, Event, Incoming, Outcome};
use mqtt_sansio::packet::{Connect, Disconnect, KeepAlive, Subscriptions};
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{Message, QoS, ReasonCode, Version};

/// What the client sends, and what comes back for it.
pub type Network = &'static [(&'static [u8], &'static [u8])];

/// The messages in flight each way.
const MESSAGES: u8 = 4;

/// Runs a client until it has disconnected, and returns whether it sent what the table has. `note` is
/// called after each turn, when no buffer is in use.
pub fn run(version: Version, network: Network, mut note: impl FnMut()) -> bool {
    let mut client = Connection::new()
        .max_packet_size(512)
        .max_received(NonZeroU16::MIN.saturating_add(u16::from(MESSAGES) - 1));
    let mut turns = network.iter();
    let mut time = Duration::ZERO;
    if begin(&mut client, version).is_none() {
        return false;
    }
    let (mut published, mut received) = (0, 0);
    let mut output = [0; 512];
    while !client.is_closed() {
        let mut free = &mut output[..];
        client.poll_bytes(time, &mut free);
        let unused = free.len();
        let Some((sent, mut input)) = turns.next().copied() else {
            return false;
        };
        if output[..output.len() - unused] != *sent {
            return false;
        }
        time += Duration::from_millis(10);
        while let Some(incoming) = client.handle_slice(time, &mut input) {
            let Incoming::Message(message, token) = incoming else {
                return false;
            };
            if message.topic != "in/t" || message.payload != b"21.5" {
                return false;
            }
            received += 1;
            if client.acknowledge(token).is_err() {
                return false;
            }
        }
        client.handle_timeout(time);
        while let Some(event) = client.poll_event() {
            match event {
                Event::Connected(_) | Event::Closed(Closed::Local) => {}
                Event::Subscribed(..) => {
                    for _ in 0..MESSAGES {
                        if publish(&mut client).is_none() {
                            return false;
                        }
                    }
                }
                Event::Published(_, Outcome::Accepted(ReasonCode::Success)) => published += 1,
                _ => return false,
            }
        }
        note();
        if (published, received) == (MESSAGES, MESSAGES) && client.is_connected() {
            let last = Disconnect::new(ReasonCode::Success);
            if client.disconnect(last).is_err() {
                return false;
            }
        }
    }
    turns.next().is_none() && client.ended().is_ok()
}

fn begin(client: &mut Connection, version: Version) -> Option<()> {
    let mut connect = Connect::new("device".parse().ok()?);
    connect.keep_alive = KeepAlive::from_secs(60);
    client.connect(version, connect).ok()?;
    let filter: TopicFilter = "in/#".parse().ok()?;
    let filters = Subscriptions::new([(filter, QoS::ExactlyOnce)]).ok()?;
    client.subscribe(filters).ok()?;
    Some(())
}

fn publish(client: &mut Connection) -> Option<()> {
    let topic: TopicName = "out/t".parse().ok()?;
    let message = Message::new(topic, &b"20.0"[..]);
    client.publish(QoS::ExactlyOnce, message).ok()?;
    Some(())
}

/// The network of 3.1.1.
pub const V311: Network = &[
    (
        b"\x10\x12\0\x04MQTT\x04\x02\0\x3C\0\x06device",
        b"\x20\x02\0\0",
    ),
    (b"\x82\x09\0\x01\0\x04in/#\x02", b"\x90\x03\0\x01\x02"),
    (
        b"\x34\x0D\0\x05out/t\0\x0220.0\x34\x0D\0\x05out/t\0\x0320.0\
          \x34\x0D\0\x05out/t\0\x0420.0\x34\x0D\0\x05out/t\0\x0520.0",
        b"\x34\x0C\0\x04in/t\0\x0121.5\x34\x0C\0\x04in/t\0\x0221.5\
          \x34\x0C\0\x04in/t\0\x0321.5\x34\x0C\0\x04in/t\0\x0421.5",
    ),
    (
        b"\x50\x02\0\x01\x50\x02\0\x02\x50\x02\0\x03\x50\x02\0\x04",
        b"\x50\x02\0\x02\x50\x02\0\x03\x50\x02\0\x04\x50\x02\0\x05",
    ),
    (
        b"\x62\x02\0\x02\x62\x02\0\x03\x62\x02\0\x04\x62\x02\0\x05",
        b"\x62\x02\0\x01\x62\x02\0\x02\x62\x02\0\x03\x62\x02\0\x04\
          \x70\x02\0\x02\x70\x02\0\x03\x70\x02\0\x04\x70\x02\0\x05",
    ),
    (
        b"\x70\x02\0\x01\x70\x02\0\x02\x70\x02\0\x03\x70\x02\0\x04\xE0\0",
        b"",
    ),
];

/// The network of 5.0: CONNECT says what the client can hold.
pub const V5: Network = &[
    (
        b"\x10\x1B\0\x04MQTT\x05\x02\0\x3C\x08\x27\0\0\x02\0\x21\0\x04\0\x06device",
        b"\x20\x06\0\0\x03\x21\0\x08",
    ),
    (b"\x82\x0A\0\x01\0\0\x04in/#\x02", b"\x90\x04\0\x01\0\x02"),
    (
        b"\x34\x0E\0\x05out/t\0\x02\x0020.0\x34\x0E\0\x05out/t\0\x03\x0020.0\
          \x34\x0E\0\x05out/t\0\x04\x0020.0\x34\x0E\0\x05out/t\0\x05\x0020.0",
        b"\x34\x0D\0\x04in/t\0\x01\x0021.5\x34\x0D\0\x04in/t\0\x02\x0021.5\
          \x34\x0D\0\x04in/t\0\x03\x0021.5\x34\x0D\0\x04in/t\0\x04\x0021.5",
    ),
    (V311[3].0, V311[3].1),
    (V311[4].0, V311[4].1),
    (V311[5].0, b""),
];
