//! An end under test, through any of its doors, and the bytes that it sends and receives.

use core::time::Duration;

use bytes::{BufMut, BytesMut};
use mqtt_sansio::connection::{
    Client, Connection, Event, Incoming, Outcome, RequestToken, Role, Server, client,
};
use mqtt_sansio::packet::{
    Ack, ConnAck, Connect, Disconnect, KeepAlive, Packet, Publish, Subscribe, Subscriptions,
    TopicFilters, Unsubscribe,
};
use mqtt_sansio::session::{CallId, Session, Token};
use mqtt_sansio::{
    Delivery, FrameDecoder, Message, PacketId, Publishable, QoS, ReasonCode, Rules, Side, Version,
};

pub(crate) const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

/// How bytes and packets get into an end and out of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    /// `handle_bytes` and `poll_bytes`.
    Bytes,
    /// `handle_slice` and `poll_bytes`.
    Slice,
    /// `handle_packet` and `poll_transmit`, and a decoder of the caller's.
    Packets,
}

pub(crate) const DOORS: [Door; 3] = [Door::Bytes, Door::Slice, Door::Packets];

/// The messages that are in flight by default.
pub(crate) const fn in_flight(version: Version) -> usize {
    match version {
        Version::V311 => 20,
        Version::V5 => 100,
    }
}

/// Runs a test for both versions and all doors.
pub(crate) fn each(mut test: impl FnMut(Version, Door)) {
    for version in VERSIONS {
        for door in DOORS {
            test(version, door);
        }
    }
}

/// What an end gave its caller to act on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Got {
    Connect,
    Message(Message, Token),
    Subscribe(Subscribe, RequestToken),
    Unsubscribe(Unsubscribe, RequestToken),
    Auth,
    /// A message that was skipped.
    Skipped(Option<Token>),
}

impl Got {
    fn new<B: AsRef<[u8]>>(incoming: &Incoming<B>) -> Self {
        match incoming {
            Incoming::Connect(_) => Self::Connect,
            Incoming::Message(message, token) => Self::Message(message.to_owned(), *token),
            Incoming::Subscribe(request, token) => Self::Subscribe(request.to_owned(), *token),
            Incoming::Unsubscribe(request, token) => Self::Unsubscribe(request.to_owned(), *token),
            Incoming::Auth(_) => Self::Auth,
            Incoming::Skipped(_, token) => Self::Skipped(*token),
            other => panic!("{other:?} is not expected"),
        }
    }

    pub(crate) fn token(&self) -> Token {
        let (Self::Message(_, token) | Self::Skipped(Some(token))) = self else {
            panic!("{self:?} is no message");
        };
        *token
    }

    pub(crate) fn request(&self) -> RequestToken {
        let (Self::Subscribe(_, token) | Self::Unsubscribe(_, token)) = self else {
            panic!("{self:?} is no request");
        };
        *token
    }
}

/// An end and its network connection.
#[derive(Clone, Debug)]
pub(crate) struct Wire<R, M = Message> {
    pub(crate) end: Connection<R, M>,
    pub(crate) version: Version,
    pub(crate) now: Duration,
    door: Door,
    side: Side,
    /// The rules and the limit of the caller's decoder.
    pub(crate) rules: Rules,
    pub(crate) limit: u32,
    /// What was read and not taken, by the slice door and by the caller's decoder.
    input: BytesMut,
    decoder: FrameDecoder,
    output: BytesMut,
    /// Reads what the end sends.
    observer: FrameDecoder,
    /// Events of connections before.
    pub(crate) before: Vec<Event<M>>,
}

impl<R: Role, M: Publishable> Wire<R, M> {
    pub(crate) fn over(end: Connection<R, M>, side: Side, version: Version, door: Door) -> Self {
        let mut wire = Self {
            end,
            version,
            now: Duration::ZERO,
            door,
            side,
            rules: Rules::STRICT,
            limit: FrameDecoder::DEFAULT_MAX_PACKET_SIZE,
            input: BytesMut::new(),
            decoder: FrameDecoder::server(),
            output: BytesMut::new(),
            observer: FrameDecoder::server(),
            before: Vec::new(),
        };
        wire.replug();
        wire
    }

    /// A new network connection is there, with nothing on it.
    pub(crate) fn replug(&mut self) {
        self.input.clear();
        self.output.clear();
        let (server, client) = (FrameDecoder::server(), FrameDecoder::client(self.version));
        (self.decoder, self.observer) = match self.side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let decoder = self.decoder.clone().rules(self.rules);
        self.decoder = decoder.max_packet_size(self.limit);
    }

    pub(crate) fn is_client(&self) -> bool {
        self.side == Side::Client
    }

    /// Bytes come from the peer.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<Got> {
        let mut got = Vec::new();
        match self.door {
            Door::Bytes => {
                let mut input = BytesMut::from(bytes);
                while let Some(incoming) = self.end.handle_bytes(self.now, &mut input) {
                    got.push(Got::new(&incoming));
                }
                assert!(input.is_empty(), "all is taken");
            }
            Door::Slice => {
                self.input.extend_from_slice(bytes);
                let mut rest = &self.input[..];
                while let Some(incoming) = self.end.handle_slice(self.now, &mut rest) {
                    got.push(Got::new(&incoming));
                }
                self.input = BytesMut::from(rest);
            }
            Door::Packets => {
                self.input.extend_from_slice(bytes);
                loop {
                    match self.decoder.decode_shared(&mut self.input) {
                        Ok(Some(packet)) => {
                            let version = self.decoder.version().unwrap();
                            let found = self.end.handle_packet(self.now, version, &packet);
                            if let Ok(Some(incoming)) = found {
                                got.push(Got::new(&incoming));
                            }
                        }
                        Ok(None) => break,
                        Err(error) => {
                            let skipped = self.end.handle_decode_error(self.now, error);
                            got.extend(skipped.as_ref().map(Got::new));
                            if !error.is_skipped() {
                                break;
                            }
                        }
                    }
                }
            }
        }
        got
    }

    /// A packet comes from the peer.
    pub(crate) fn receive(&mut self, packet: impl Into<Packet>) -> Vec<Got> {
        let mut bytes = BytesMut::new();
        packet.into().encode(self.version, &mut bytes).unwrap();
        self.read(&bytes)
    }

    /// The next packet that the end sends, through a socket that takes a byte at a time.
    pub(crate) fn one(&mut self) -> Option<Packet> {
        if self.door == Door::Packets && self.output.is_empty() {
            return self.end.poll_transmit(self.now).map(|p| p.to_owned());
        }
        loop {
            if let Some(packet) = self.observer.decode_shared(&mut self.output).unwrap() {
                return Some(packet);
            }
            let mut byte = (&mut self.output).limit(1);
            if !self.end.poll_bytes(self.now, &mut byte) {
                assert!(self.output.is_empty(), "half a packet was sent");
                return None;
            }
        }
    }

    /// All packets that the end sends.
    pub(crate) fn packets(&mut self) -> Vec<Packet> {
        if self.door != Door::Packets {
            while self.end.poll_bytes(self.now, &mut self.output) {}
        }
        core::iter::from_fn(|| self.one()).collect()
    }

    /// All packets that the end sends, in short.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        self.packets().iter().map(short).collect()
    }

    pub(crate) fn events(&mut self) -> Vec<Event<M>> {
        let mut events = core::mem::take(&mut self.before);
        events.extend(core::iter::from_fn(|| self.end.poll_event()));
        events
    }

    /// The rules that the caller's decoder let go.
    pub(crate) fn let_go(&mut self) -> Vec<mqtt_sansio::Rule> {
        core::iter::from_fn(|| self.decoder.poll_let_go()).collect()
    }

    /// The outcomes of publishes, in order.
    pub(crate) fn outcomes(&mut self) -> Vec<(CallId, Outcome<M>)> {
        let events = self.events().into_iter();
        let outcomes = events.filter_map(|event| match event {
            Event::Published(call, outcome) => Some((call, outcome)),
            _ => None,
        });
        outcomes.collect()
    }

    /// The time is so many milliseconds, and timers fire.
    pub(crate) fn at(&mut self, millis: u64) {
        self.now = Duration::from_millis(millis);
        self.end.handle_timeout(self.now);
    }

    /// The network connection breaks.
    pub(crate) fn cut(&mut self) {
        self.end.handle_close();
        self.replug();
    }

    /// The peer publishes.
    pub(crate) fn message(&mut self, qos: u8, id: u16, topic: &str) -> Vec<Got> {
        self.receive(publish(qos, id, topic))
    }
}

/// What each end has to do to be connected again.
pub(crate) trait Reconnect: Role + Clone + Sized {
    fn reconnect<M: Publishable + Clone>(wire: &mut Wire<Self, M>, session: bool);
}

impl Reconnect for Client {
    fn reconnect<M: Publishable + Clone>(wire: &mut Wire<Self, M>, session: bool) {
        wire.replug();
        let connect = asking(wire.version, 0, true);
        wire.end.connect(wire.version, connect).unwrap();
        assert_eq!(short(&wire.one().unwrap()), "CONNECT");
        wire.receive(accepting(session));
    }
}

impl Reconnect for Server {
    fn reconnect<M: Publishable + Clone>(wire: &mut Wire<Self, M>, session: bool) {
        let mut kept = wire.end.take_session().filter(|_| session);
        wire.before = wire.events();
        wire.end = Connection::keeping(wire.now, Duration::from_secs(10));
        wire.replug();
        let connect = asking(wire.version, 0, true);
        assert_eq!(wire.receive(connect), [Got::Connect]);
        let connack = ConnAck::new(ReasonCode::Success);
        wire.end.accept(wire.now, connack, &mut kept).unwrap();
        assert_eq!(short(&wire.one().unwrap()), "CONNACK Success");
    }
}

/// CONNECT with this Keep Alive, for a session that is kept or one that is not.
pub(crate) fn connect(keep_alive: u16, kept: bool) -> Connect {
    let mut connect = Connect::new("c".parse().unwrap());
    connect.keep_alive = KeepAlive::from_secs(keep_alive);
    connect.clean_start = !kept;
    connect
}

/// As [`connect`], with what 5.0 needs to keep a session.
pub(crate) fn asking(version: Version, keep_alive: u16, kept: bool) -> Connect {
    let mut connect = connect(keep_alive, kept);
    if version == Version::V5 && kept {
        let properties = mqtt_sansio::property::ConnectProperties::builder();
        connect.properties = properties.session_expiry_interval(u32::MAX).build();
    }
    connect
}

pub(crate) fn accepting(session_present: bool) -> ConnAck {
    let mut connack = ConnAck::new(ReasonCode::Success);
    connack.session_present = session_present;
    connack
}

/// A client with this Keep Alive, connected at time zero.
pub(crate) fn client_with(
    version: Version,
    door: Door,
    mut connect: Connect,
    end: Connection<Client>,
    connack: ConnAck,
) -> Wire<Client> {
    let mut wire = Wire::over(end, Side::Client, version, door);
    if version == Version::V311 {
        connect.properties = Default::default();
    }
    wire.end.connect(version, connect).unwrap();
    assert_eq!(wire.sent()[0], "CONNECT");
    wire.receive(connack);
    assert!(wire.end.is_connected());
    assert!(matches!(wire.events()[..], [Event::Connected(_)]));
    wire
}

/// A client whose session is kept, or not.
pub(crate) fn client_keeping(version: Version, door: Door, kept: bool) -> Wire<Client> {
    let connect = asking(version, 0, kept);
    client_with(
        version,
        door,
        connect,
        client::Connection::new(),
        accepting(false),
    )
}

/// A client with a session that is kept, without keep alive.
pub(crate) fn client(version: Version, door: Door) -> Wire<Client> {
    client_keeping(version, door, true)
}

/// A client with a Keep Alive in seconds.
pub(crate) fn client_alive(version: Version, door: Door, keep_alive: u16) -> Wire<Client> {
    let connect = asking(version, keep_alive, true);
    client_with(
        version,
        door,
        connect,
        // Whole seconds: the margin has its own test.
        client::Connection::new().keep_alive_margin(0),
        accepting(false),
    )
}

/// A server that has accepted this CONNECT at time zero.
pub(crate) fn server_with<M: Publishable>(
    version: Version,
    door: Door,
    mut connect: Connect,
    session: Option<Session<M>>,
    set: impl FnOnce(Connection<Server, M>) -> Connection<Server, M>,
) -> Wire<Server, M> {
    let end = set(Connection::keeping(Duration::ZERO, Duration::from_secs(10)));
    let mut wire = Wire::over(end, Side::Server, version, door);
    if version == Version::V311 {
        connect.properties = Default::default();
    }
    assert_eq!(wire.receive(connect), [Got::Connect]);
    let connack = ConnAck::new(ReasonCode::Success);
    wire.end
        .accept(Duration::ZERO, connack, &mut { session })
        .unwrap();
    assert_eq!(short(&wire.one().unwrap()), "CONNACK Success");
    wire
}

pub(crate) fn server_keeping(version: Version, door: Door, kept: bool) -> Wire<Server> {
    let connect = asking(version, 0, kept);
    server_with(version, door, connect, None, |end| end)
}

pub(crate) fn server(version: Version, door: Door) -> Wire<Server> {
    server_keeping(version, door, true)
}

pub(crate) fn server_alive(version: Version, door: Door, keep_alive: u16) -> Wire<Server> {
    let connect = asking(version, keep_alive, true);
    server_with(version, door, connect, None, |end| end)
}

pub(crate) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

/// A PUBLISH of the peer's; its payload is the topic.
pub(crate) fn publish(qos: u8, id: u16, topic: &str) -> Publish {
    let id = PacketId::new(id);
    let delivery = match (qos, id) {
        (1, Some(id)) => Delivery::AtLeastOnce(id),
        (2, Some(id)) => Delivery::ExactlyOnce(id),
        _ => Delivery::AtMostOnce,
    };
    Publish::of(delivery, message(topic))
}

/// A message whose payload is its topic.
pub(crate) fn message(topic: &str) -> Message {
    Message::new(topic.parse().unwrap(), topic.to_owned())
}

/// A message that expires.
pub(crate) fn expiring(topic: &str, seconds: u32) -> Message {
    let mut message = message(topic);
    let properties = mqtt_sansio::property::MessageProperties::builder();
    message.properties = properties.message_expiry_interval(seconds).build();
    message
}

pub(crate) fn filters(filter: &str) -> Subscriptions {
    Subscriptions::new([(filter.parse().unwrap(), QoS::AtLeastOnce)]).unwrap()
}

pub(crate) fn names(filter: &str) -> TopicFilters {
    TopicFilters::new([filter.parse().unwrap()]).unwrap()
}

pub(crate) fn pub_ack(value: u16) -> Packet {
    Packet::PubAck(Ack::new(id(value)))
}

pub(crate) fn pub_rec(value: u16) -> Packet {
    Packet::PubRec(Ack::new(id(value)))
}

pub(crate) fn pub_rel(value: u16) -> Packet {
    Packet::PubRel(Ack::new(id(value)))
}

pub(crate) fn pub_comp(value: u16) -> Packet {
    Packet::PubComp(Ack::new(id(value)))
}

/// An acknowledgement with a code, as 5.0 has them.
pub(crate) fn with_code(packet: Packet, reason: ReasonCode) -> Packet {
    let set = |mut ack: Ack| {
        ack.reason = reason;
        ack
    };
    match packet {
        Packet::PubAck(ack) => Packet::PubAck(set(ack)),
        Packet::PubRec(ack) => Packet::PubRec(set(ack)),
        Packet::PubRel(ack) => Packet::PubRel(set(ack)),
        Packet::PubComp(ack) => Packet::PubComp(set(ack)),
        other => other,
    }
}

pub(crate) fn normal() -> Disconnect {
    Disconnect::new(ReasonCode::Success)
}

/// A packet in a few words: PUBLISH with topic, QoS, identifier and DUP.
pub(crate) fn short(packet: &Packet) -> String {
    let coded = |name: &str, ack: &Ack| match ack.reason {
        ReasonCode::Success => format!("{name} {}", ack.packet_id),
        reason => format!("{name} {} {reason:?}", ack.packet_id),
    };
    match packet {
        Packet::Connect(_) => "CONNECT".to_owned(),
        Packet::ConnAck(connack) => format!("CONNACK {:?}", connack.reason),
        Packet::Publish(publish) => {
            let topic = publish.topic.as_ref();
            let topic = topic.map_or("-", |topic| topic.to_str()).to_owned();
            let dup = if publish.dup { " again" } else { "" };
            match publish.packet_id() {
                None => format!("{topic}{dup}"),
                Some(id) => format!("{topic} {} {id}{dup}", publish.qos().level()),
            }
        }
        Packet::PubAck(ack) => coded("PUBACK", ack),
        Packet::PubRec(ack) => coded("PUBREC", ack),
        Packet::PubRel(ack) => coded("PUBREL", ack),
        Packet::PubComp(ack) => coded("PUBCOMP", ack),
        Packet::Disconnect(last) => format!("DISCONNECT {:?}", last.reason),
        other => match other.packet_id() {
            Some(id) => format!("{} {id}", other.packet_type()),
            None => other.packet_type().to_string(),
        },
    }
}
