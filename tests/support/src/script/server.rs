use std::time::Duration;

use mqtt_sansio::connection::server;
use mqtt_sansio::packet::ConnAck;
use mqtt_sansio::property::ConnAckProperties;
use mqtt_sansio::{Packet, Side, Version};

use super::{End, Script, ServerEnd, connack, drive};

impl ServerEnd {
    /// A new network connection, which takes packets of any size: CONNACK has no other properties
    /// than the test says.
    pub fn new(version: Version) -> Script<Self> {
        let connection = server::Connection::new(Duration::ZERO, Duration::from_secs(10));
        Self::with(version, connection.max_packet_size(u32::MAX))
    }

    /// A new network connection, with settings of the test's.
    pub fn with(version: Version, connection: server::Connection) -> Script<Self> {
        drive(Side::Server);
        Script::new(version, Self::of(connection, false))
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
        // What came behind CONNECT.
        self.handle_bytes(&[]);
    }
}
