use mqtt_sansio::connection::client;
use mqtt_sansio::packet::Connect;
use mqtt_sansio::{Packet, Side, Version};

use super::{ClientEnd, Script, connect, drive};

impl ClientEnd {
    /// A client that has sent nothing, on a new network connection.
    pub fn new(version: Version, connection: client::Connection) -> Script<Self> {
        drive(Side::Client);
        Script::new(version, Self::of(connection, true))
    }

    /// A client that has sent CONNECT, with no other properties than the test says: it takes packets
    /// of any size.
    #[track_caller]
    pub fn connecting(version: Version, connect: Connect) -> Script<Self> {
        let connection = client::Connection::new().max_packet_size(u32::MAX);
        let mut server = Self::new(version, connection);
        let client = &mut server.end.connection;
        client.connect(version, connect).unwrap();
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
}
