//! Exchanges as the specifications tell them: the test plays one end of a network connection in
//! bytes, and the other end is a real part, in virtual time.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use mqtt_sansio::connection::{Event, Input, Violation, client, server};
use mqtt_sansio::packet::{ConnAck, Connect, Publish, SubscriptionOptions, Subscriptions};
use mqtt_sansio::property::ConnAckProperties;
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Delivery, FrameDecoder, Packet, QoS, ReasonCode, Text, Version};
use reference_broker::{Broker, Config, ConnectionId, Policy};

use crate::notation::bytes;

/// What is at the other end.
pub trait End {
    /// Bytes came.
    fn handle_bytes(&mut self, bytes: &[u8]);
    /// All that is to be sent.
    fn take_output(&mut self) -> Vec<u8>;
    /// Whether it closes the network connection once that is sent.
    fn is_closing(&self) -> bool;
}

/// The end that the test plays, in the notation of [`bytes`].
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
        let packet = decoder(self.version).decode(&mut rest).unwrap();
        let packet = packet.expect("a packet").to_owned();
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
        let mut packets = Vec::new();
        while !self.unread.is_empty() {
            packets.push(self.receive());
        }
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

/// A broker and the time.
#[derive(Clone, Debug)]
pub struct Net(Rc<RefCell<(Broker, Duration)>>);

impl Net {
    /// A broker with all that there is, which publishes no `$SYS` topics.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A broker with other settings.
    pub fn with(set: impl FnOnce(&mut Config)) -> Self {
        Self::of(Broker::new(config(set)))
    }

    /// A broker that asks who may do what.
    pub fn with_policy(policy: impl Policy + 'static) -> Self {
        Self::of(Broker::with_policy(config(|_| {}), policy))
    }

    fn of(broker: Broker) -> Self {
        Self(Rc::new(RefCell::new((broker, Duration::ZERO))))
    }

    fn call<T>(&self, call: impl FnOnce(&mut Broker, Duration) -> T) -> T {
        let (broker, now) = &mut *self.0.borrow_mut();
        call(broker, *now)
    }

    /// A network connection on which nothing has been said.
    pub fn open(&self, version: Version) -> Script<Link> {
        let id = self.call(|broker, now| broker.accept(now));
        let net = self.clone();
        Script::new(version, Link { net, id })
    }

    /// A client with a clean session, which ends with the connection.
    #[track_caller]
    pub fn connect(&self, version: Version, name: &str) -> Script<Link> {
        let connect = format!("10 ~ 'MQTT' VV 02 00 00 [] '{name}'");
        self.connect_with(version, &connect).0
    }

    /// A client whose session is kept for ever, and is gone on with if it is there.
    #[track_caller]
    pub fn resume(&self, version: Version, name: &str) -> Script<Link> {
        let connect = format!("10 ~ 'MQTT' VV 00 00 00 [11 FF FF FF FF] '{name}'");
        self.connect_with(version, &connect).0
    }

    /// A client that is accepted, and CONNACK.
    #[track_caller]
    pub fn connect_with(&self, version: Version, connect: &str) -> (Script<Link>, ConnAck) {
        let mut client = self.open(version);
        client.send(connect);
        match client.receive() {
            Packet::ConnAck(connack) if connack.reason == ReasonCode::Success => (client, connack),
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: u64) {
        self.wait_for(Duration::from_secs(seconds));
    }

    /// Lets time pass.
    pub fn wait_for(&self, time: Duration) {
        let (broker, now) = &mut *self.0.borrow_mut();
        let until = *now + time;
        while let Some(at) = broker.next_timeout().filter(|&at| at <= until) {
            *now = at.max(*now);
            broker.handle_timeout(*now);
        }
        *now = until;
        broker.handle_timeout(until);
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}

fn config(set: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    config.sys_interval = None;
    set(&mut config);
    config
}

/// The broker's end of a connection.
#[derive(Debug)]
pub struct Link {
    net: Net,
    id: ConnectionId,
}

impl End for Link {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        let id = self.id;
        self.net
            .call(|broker, now| broker.handle_bytes(now, id, bytes));
    }

    fn take_output(&mut self) -> Vec<u8> {
        self.net
            .call(|broker, _| broker.take_output(self.id))
            .to_vec()
    }

    fn is_closing(&self) -> bool {
        self.net.call(|broker, _| broker.is_closing(self.id))
    }
}

impl Script<Link> {
    /// The network connection ends without DISCONNECT.
    pub fn cut(self) {
        let id = self.end.id;
        self.end
            .net
            .call(|broker, now| broker.handle_close(now, id));
    }

    /// DISCONNECT, and the end.
    #[track_caller]
    pub fn leave(mut self) {
        self.send("E0 00");
        assert!(self.end.is_closing());
        self.cut();
    }

    /// SUBSCRIBE with one filter and its options, which is granted as asked.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str, options: u8) {
        self.send(&format!("82 ~ 7F FF [] '{filter}' {options:02X}"));
        self.expect(&format!("90 ~ 7F FF [] {:02X}", options & 3));
    }
}

/// A client of the crate, to which the test speaks as its server. It acknowledges what it gets.
#[derive(Debug)]
pub struct ClientEnd {
    /// The client.
    pub connection: client::Connection,
    /// The time.
    pub now: Duration,
    /// What was delivered, as `topic=payload`.
    pub delivered: Vec<String>,
    /// The rule that the test broke.
    pub violation: Option<Violation>,
    decoder: FrameDecoder,
    input: Vec<u8>,
}

impl ClientEnd {
    /// A client that has sent nothing, on a new network connection.
    pub fn new(version: Version, connection: client::Connection) -> Script<Self> {
        let end = Self {
            connection,
            now: Duration::ZERO,
            delivered: Vec::new(),
            violation: None,
            decoder: FrameDecoder::client(version),
            input: Vec::new(),
        };
        Script::new(version, end)
    }

    /// A client that has sent CONNECT.
    #[track_caller]
    pub fn connecting(version: Version, connect: Connect) -> Script<Self> {
        let mut connection = client::Connection::new();
        connection.connect(version, connect).unwrap();
        let mut server = Self::new(version, connection);
        assert!(matches!(server.receive(), Packet::Connect(_)));
        server
    }

    /// A client that has sent CONNECT and was sent CONNACK.
    #[track_caller]
    pub fn accepted(version: Version, connect: Connect, connack: &str) -> Script<Self> {
        let mut server = Self::connecting(version, connect);
        server.send(connack);
        assert!(server.end.connection.is_connected());
        server
    }

    /// A client that has sent CONNECT and was sent CONNACK, with nothing in either.
    #[track_caller]
    pub fn plain(version: Version) -> Script<Self> {
        Self::accepted(version, connect("c"), "20 ~ 00 00 []")
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.connection.next_timeout().filter(|&at| at <= until) {
            self.now = at.max(self.now);
            self.connection.handle_timeout(self.now);
        }
        self.now = until;
    }

    /// What has happened.
    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }
}

impl End for ClientEnd {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
        let mut unread = &self.input[..];
        while !self.connection.is_closed() {
            let packet = match self.decoder.decode(&mut unread) {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(error) => {
                    self.connection.handle_decode_error(error);
                    break;
                }
            };
            match (self.connection.handle_packet(&packet), &packet) {
                (Ok(Input::Deliver(topic)), Packet::Publish(publish)) => {
                    let own = publish.topic.as_ref().map(|topic| topic.to_owned());
                    let topic = topic.or(own).unwrap();
                    let payload = String::from_utf8_lossy(publish.payload);
                    self.delivered.push(format!("{}={payload}", topic.as_str()));
                    if let Some(id) = publish.packet_id() {
                        let accepted = ReasonCode::Success;
                        self.connection.acknowledge(id, accepted).unwrap();
                    }
                }
                (Ok(_), _) => {}
                (Err(violation), _) => self.violation = Some(violation),
            }
        }
        let read = self.input.len() - unread.len();
        self.input.drain(..read);
    }

    fn take_output(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let version = self.connection.version();
        while let Some(packet) = self.connection.poll_transmit(self.now) {
            packet.encode(version, &mut out).unwrap();
        }
        out
    }

    fn is_closing(&self) -> bool {
        self.connection.is_closed()
    }
}

impl Script<ClientEnd> {
    /// The network connection ends, and the client makes another one.
    #[track_caller]
    pub fn reconnect(&mut self, connect: Connect, connack: &str) {
        self.cut();
        self.end.connection.connect(self.version, connect).unwrap();
        assert!(matches!(self.receive(), Packet::Connect(_)));
        self.send(connack);
    }

    /// The network connection ends without DISCONNECT.
    pub fn cut(&mut self) {
        self.end.connection.handle_close();
        self.end.input.clear();
        self.end.decoder.reset();
        self.unread.clear();
    }
}

/// A plain CONNECT, for a clean session.
pub fn connect(name: &str) -> Connect {
    Connect::new(name.parse().unwrap())
}

/// A filter to subscribe to.
pub fn subscriptions(filter: &str, maximum_qos: QoS) -> Subscriptions {
    let options = SubscriptionOptions::new(maximum_qos);
    Subscriptions::new([(TopicFilter::new(filter).unwrap(), options)]).unwrap()
}

/// Text for a property.
pub fn text(text: &str) -> Text<&[u8]> {
    Text::new(text).unwrap()
}

/// CONNACK that accepts.
pub fn connack(properties: ConnAckProperties) -> ConnAck {
    let mut connack = ConnAck::new(ReasonCode::Success).to_owned();
    connack.properties = properties;
    connack
}

/// A message to publish.
pub fn message(topic: &str, payload: &'static str) -> Publish {
    Publish::new(Delivery::AtMostOnce, topic.parse().unwrap(), payload.into())
}

/// A server's connection of the crate, to which the test speaks as its client. The test answers what
/// is to be answered.
#[derive(Debug)]
pub struct ServerEnd {
    /// The server.
    pub connection: server::Connection,
    /// The time.
    pub now: Duration,
    /// What came of each packet.
    pub inputs: Vec<Result<Input, Violation>>,
    decoder: FrameDecoder,
    input: Vec<u8>,
}

impl ServerEnd {
    /// A new network connection.
    pub fn new(version: Version) -> Script<Self> {
        let timeout = Duration::from_secs(10);
        let end = Self {
            connection: server::Connection::new(Duration::ZERO, timeout),
            now: Duration::ZERO,
            inputs: Vec::new(),
            decoder: FrameDecoder::server(),
            input: Vec::new(),
        };
        Script::new(version, end)
    }

    /// A connection that is accepted, with nothing in CONNECT and CONNACK.
    #[track_caller]
    pub fn plain(version: Version) -> Script<Self> {
        let connack = connack(ConnAckProperties::default());
        Self::accepted(version, "10 ~ 'MQTT' VV 02 00 00 [] 'c'", connack)
    }

    /// A connection that is accepted.
    #[track_caller]
    pub fn accepted(version: Version, connect: &str, connack: ConnAck) -> Script<Self> {
        let mut client = Self::new(version);
        client.send(connect);
        let now = client.end.now;
        client.end.connection.accept(now, connack, None).unwrap();
        assert!(matches!(client.receive(), Packet::ConnAck(_)));
        client
    }
}

impl End for ServerEnd {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
        let mut unread = &self.input[..];
        while !self.connection.is_closed() {
            match self.decoder.decode(&mut unread) {
                Ok(Some(packet)) => {
                    let version = self.decoder.version().unwrap();
                    let input = self.connection.handle_packet(self.now, version, &packet);
                    self.inputs.push(input);
                }
                Ok(None) => break,
                Err(error) => {
                    self.connection.handle_decode_error(error);
                    break;
                }
            }
        }
        let read = self.input.len() - unread.len();
        self.input.drain(..read);
    }

    fn take_output(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let version = self.connection.version();
        while let Some(packet) = self.connection.poll_transmit() {
            packet.encode(version, &mut out).unwrap();
        }
        out
    }

    fn is_closing(&self) -> bool {
        self.connection.is_closed()
    }
}
