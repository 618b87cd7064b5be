use std::time::Duration;

use mqtt_sansio::connection::{Event, Input, Violation, client};
use mqtt_sansio::packet::Connect;
use mqtt_sansio::{FrameDecoder, Packet, ReasonCode, Version};

use super::{End, Inbox, Script, connect};

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
    inbox: Inbox,
}

impl ClientEnd {
    /// A client that has sent nothing, on a new network connection.
    pub fn new(version: Version, connection: client::Connection) -> Script<Self> {
        let end = Self {
            connection,
            now: Duration::ZERO,
            delivered: Vec::new(),
            violation: None,
            inbox: Inbox::new(FrameDecoder::client(version)),
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
        let connection = &mut self.connection;
        if connection.is_closed() {
            return;
        }
        self.inbox.read(bytes, |_, read| {
            match read.map(|packet| (connection.handle_packet(&packet), packet)) {
                Ok((Ok(Input::Deliver(topic)), Packet::Publish(publish))) => {
                    let own = publish.topic.as_ref().map(|topic| topic.to_owned());
                    let topic = topic.or(own).unwrap();
                    let payload = String::from_utf8_lossy(publish.payload);
                    self.delivered.push(format!("{}={payload}", topic.as_str()));
                    if let Some(id) = publish.packet_id() {
                        connection.acknowledge(id, ReasonCode::Success).unwrap();
                    }
                }
                Ok((Ok(_), _)) => {}
                Ok((Err(violation), _)) => self.violation = Some(violation),
                Err(error) => connection.handle_decode_error(error),
            }
            !connection.is_closed()
        });
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
        self.lose();
        self.end.connection.connect(self.version, connect).unwrap();
        assert!(matches!(self.receive(), Packet::Connect(_)));
        self.send(connack);
    }

    /// The network connection ends without DISCONNECT.
    pub fn lose(&mut self) {
        self.end.connection.handle_close();
        self.end.inbox.reset();
        self.unread.clear();
    }
}
