use std::time::Duration;

use mqtt_sansio::connection::{Input, Violation, server};
use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::property::ConnAckProperties;
use mqtt_sansio::{FrameDecoder, Packet, Version};

use super::{End, Inbox, Script, connack};

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
    inbox: Inbox,
}

impl ServerEnd {
    /// A new network connection.
    pub fn new(version: Version) -> Script<Self> {
        let timeout = Duration::from_secs(10);
        let end = Self {
            connection: server::Connection::new(Duration::ZERO, timeout),
            now: Duration::ZERO,
            inputs: Vec::new(),
            inbox: Inbox::new(FrameDecoder::server()),
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
        client.end.accept(connack);
        assert!(matches!(client.receive(), Packet::ConnAck(_)));
        client
    }

    /// Accepts CONNECT, without a session.
    #[track_caller]
    pub fn accept(&mut self, connack: ConnAck) {
        let accepted = self.connection.accept(self.now, connack, &mut None);
        accepted.unwrap();
    }
}

impl End for ServerEnd {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        let connection = &mut self.connection;
        if connection.is_closed() {
            return;
        }
        self.inbox.read(bytes, |version, read| {
            match read {
                Ok(packet) => {
                    let input = connection.handle_packet(self.now, version, &packet);
                    self.inputs.push(input);
                }
                Err(error) => connection.handle_decode_error(error),
            }
            !connection.is_closed()
        });
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
