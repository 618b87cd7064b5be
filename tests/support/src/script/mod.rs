//! Exchanges as the specifications tell them: the test plays one end of a network connection in
//! bytes, and the other end is a real part, in virtual time.

use std::cell::Cell;
use std::fmt::Write;

use mqtt_sansio::packet::{ConnAck, Connect, Subscriptions};
use mqtt_sansio::property::{ConnAckProperties, ConnectProperties};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{FrameDecoder, Message, Packet, QoS, ReasonCode, Side, Text, Version};

use crate::notation::bytes;

mod broker;
mod client;
mod own;
mod server;

pub use broker::{Link, Net};
pub use own::{ClientEnd, OwnEnd, ServerEnd};

thread_local! {
    static DRIVEN: [Cell<bool>; 2] = const { [Cell::new(false), Cell::new(false)] };
}

fn driven(side: Side, then: impl FnOnce(&Cell<bool>) -> bool) -> bool {
    DRIVEN.with(|[client, server]| match side {
        Side::Client => then(client),
        Side::Server => then(server),
    })
}

/// Notes that a test of this thread speaks to this side.
pub fn drive(side: Side) {
    driven(side, |noted| noted.replace(true));
}

/// Whether a test of this thread has spoken to this side.
pub fn has_driven(side: Side) -> bool {
    driven(side, Cell::get)
}

/// What is at the other end.
pub trait End {
    /// Bytes came.
    fn handle_bytes(&mut self, bytes: &[u8]);
    /// All that is to be sent.
    fn take_output(&mut self) -> Vec<u8>;
    /// Whether it closes the network connection once that is sent.
    fn is_closing(&self) -> bool;
}

/// The end that the test plays, in the notation of [`bytes()`].
#[derive(Debug)]
pub struct Script<E> {
    /// The version that is spoken.
    pub version: Version,
    /// The other end.
    pub end: E,
    unread: Vec<u8>,
}

impl<E: End> Script<E> {
    /// A network connection.
    pub const fn new(version: Version, end: E) -> Self {
        Self {
            version,
            end,
            unread: Vec::new(),
        }
    }

    /// Sends packets, cut in the middle.
    pub fn send(&mut self, text: &str) {
        self.send_bytes(&bytes(self.version, text));
    }

    /// Sends bytes, cut in the middle.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let (start, rest) = bytes.split_at(bytes.len() / 2);
        self.end.handle_bytes(start);
        self.end.handle_bytes(rest);
    }

    /// These packets come next.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let expected = bytes(self.version, text);
        self.unread.extend(self.end.take_output());
        assert!(
            self.unread.starts_with(&expected),
            "expected {text}:\n{}but there came\n{}",
            show(self.version, &expected),
            show(self.version, &self.unread),
        );
        self.unread.drain(..expected.len());
    }

    /// The packet that comes next, for what the test can only look at.
    #[track_caller]
    pub fn receive(&mut self) -> Packet {
        self.unread.extend(self.end.take_output());
        let mut rest = &self.unread[..];
        let packet = first(self.version, &mut rest);
        let read = self.unread.len() - rest.len();
        self.unread.drain(..read);
        packet
    }

    /// The bytes that come next, which stay.
    pub fn peek(&mut self) -> &[u8] {
        self.unread.extend(self.end.take_output());
        &self.unread
    }

    /// All packets that come.
    pub fn receive_all(&mut self) -> Vec<Packet> {
        self.unread.extend(self.end.take_output());
        let mut rest = &self.unread[..];
        let mut packets = Vec::new();
        while !rest.is_empty() {
            packets.push(first(self.version, &mut rest));
        }
        self.unread.clear();
        packets
    }

    /// No more packets come.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        self.unread.extend(self.end.take_output());
        let unread = show(self.version, &self.unread);
        assert!(
            unread.is_empty(),
            "expected nothing, but there came\n{unread}"
        );
    }

    /// No more packets come, and the connection stays.
    #[track_caller]
    pub fn expect_open(&mut self) {
        self.expect_nothing();
        assert!(!self.end.is_closing(), "the connection is closed");
    }

    /// No more packets come, and the connection is closed.
    #[track_caller]
    pub fn expect_close(&mut self) {
        self.expect_nothing();
        assert!(self.end.is_closing(), "the connection stays");
    }

    /// The connection is closed; in 5.0 DISCONNECT says why.
    #[track_caller]
    pub fn expect_close_with(&mut self, code: u8) {
        if self.version == Version::V5 {
            self.expect(&format!("E0 01 {code:02X}"));
        }
        self.expect_close();
    }
}

fn decoder(version: Version) -> FrameDecoder {
    FrameDecoder::new(version).max_packet_size(u32::MAX)
}

#[track_caller]
fn first(version: Version, unread: &mut &[u8]) -> Packet {
    let packet = decoder(version).decode(unread).unwrap();
    packet.expect("a packet").to_owned()
}

/// A line for each packet.
fn show(version: Version, mut bytes: &[u8]) -> String {
    let mut lines = String::new();
    while !bytes.is_empty() {
        let start = bytes;
        let packet = decoder(version).decode(&mut bytes).map_err(|_| ());
        let packet = packet.map(|packet| packet.map(|packet| packet.to_owned()));
        if !matches!(packet, Ok(Some(_))) {
            bytes = &[];
        }
        let start = &start[..start.len() - bytes.len()];
        writeln!(lines, "  {start:02X?} {packet:?}").unwrap();
    }
    lines
}

/// A plain CONNECT, for a clean session.
pub fn connect(name: &str) -> Connect {
    Connect::new(name.parse().unwrap())
}

/// CONNECT of a client whose session is kept for ever.
pub fn lasting(version: Version, name: &str) -> Connect {
    let mut connect = connect(name);
    connect.clean_start = false;
    if version == Version::V5 {
        let builder = ConnectProperties::builder();
        connect.properties = builder.session_expiry_interval(u32::MAX).build();
    }
    connect
}

/// A filter to subscribe to.
pub fn subscriptions(filter: &str, maximum_qos: QoS) -> Subscriptions {
    Subscriptions::new([(TopicFilter::new(filter).unwrap(), maximum_qos)]).unwrap()
}

/// Text for a property.
pub fn text(text: &str) -> Text<&[u8]> {
    Text::new(text).unwrap()
}

/// CONNACK that accepts.
pub fn connack(properties: ConnAckProperties) -> ConnAck {
    let mut connack = ConnAck::new(ReasonCode::Success);
    connack.properties = properties;
    connack
}

/// A message to publish.
pub fn message(topic: &str, payload: &'static str) -> Message {
    Message::new(topic.parse().unwrap(), payload)
}
