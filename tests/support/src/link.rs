//! A network connection in memory, in virtual time: what one side encodes arrives later at the
//! other, in pieces, and is decoded there.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_sansio::connection::{client, server};
use mqtt_sansio::{DecodeError, FrameDecoder, Packet, Version};

/// Two ends that are joined, and the time.
#[derive(Debug)]
pub struct Link {
    /// The time.
    pub now: Duration,
    /// From the client.
    pub up: Pipe,
    /// From the server.
    pub down: Pipe,
}

impl Link {
    /// A new network connection.
    pub fn new(now: Duration, version: Version) -> Self {
        Self {
            now,
            up: Pipe::new(FrameDecoder::server()),
            down: Pipe::new(FrameDecoder::client(version)),
        }
    }

    /// Sends the next packet of the client. `false` if there is none.
    pub fn send_up(&mut self, client: &mut client::Connection, delay: Duration) -> bool {
        let version = client.version();
        match client.poll_transmit(self.now) {
            Some(packet) => self.up.send(self.now + delay, version, &packet),
            None => return false,
        }
        true
    }

    /// Sends the next packet of the server. `false` if there is none.
    pub fn send_down(&mut self, server: &mut server::Connection, delay: Duration) -> bool {
        let version = server.version();
        match server.poll_transmit() {
            Some(packet) => self.down.send(self.now + delay, version, &packet),
            None => return false,
        }
        true
    }

    /// The packet that comes next at the server, if it is there, and its version.
    pub fn receive_up(&mut self) -> Option<(Version, Packet)> {
        let packet = self.up.receive(self.now).unwrap()?;
        Some((self.up.decoder.version().unwrap(), packet))
    }

    /// The packet that comes next at the client, if it is there.
    pub fn receive_down(&mut self) -> Option<Packet> {
        self.down.receive(self.now).unwrap()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.up.is_empty() && self.down.is_empty()
    }
}

/// One direction.
#[derive(Debug)]
pub struct Pipe {
    decoder: FrameDecoder,
    flying: VecDeque<(Duration, Vec<u8>)>,
    arrived: BytesMut,
}

impl Pipe {
    fn new(decoder: FrameDecoder) -> Self {
        Self {
            decoder,
            flying: VecDeque::new(),
            arrived: BytesMut::new(),
        }
    }

    fn send(&mut self, at: Duration, version: Version, packet: &Packet<&[u8]>) {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        // In two pieces, and never before what was sent before.
        let at = self.flying.back().map_or(at, |last| at.max(last.0));
        let rest = bytes.split_off(bytes.len() / 2);
        self.flying.push_back((at, bytes));
        self.flying.push_back((at, rest));
    }

    fn receive(&mut self, now: Duration) -> Result<Option<Packet>, DecodeError> {
        loop {
            if let Some(packet) = self.decoder.decode_shared(&mut self.arrived)? {
                return Ok(Some(packet));
            }
            match self.flying.pop_front() {
                Some((at, bytes)) if at <= now => self.arrived.extend_from_slice(&bytes),
                Some(flying) => {
                    self.flying.push_front(flying);
                    return Ok(None);
                }
                None => return Ok(None),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.flying.is_empty() && self.arrived.is_empty()
    }
}
