//! A network connection in memory, in virtual time: what one end sends arrives later at the other,
//! in pieces that are cut anywhere.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use mqtt_sansio::connection::{Connection, ConnectionError, Head, Incoming, Role, Violation};
use mqtt_sansio::session::CallId;
use mqtt_sansio::{
    DecodeError, FrameDecoder, Message, Packet, Publishable, QoS, Shared, Side, Version,
};

/// The way in and out of a connection that an end uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Door {
    /// `handle_packet` and `poll_transmit`, with a decoder of the caller's.
    Packets,
    /// `handle_bytes` and `poll_bytes`.
    Bytes,
}

/// A message of which an end has the payload, wherever it is.
pub trait Payload: Publishable {
    /// The payload.
    fn payload(&self) -> &[u8];
}

impl Payload for Message {
    fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl Payload for Shared {
    fn payload(&self) -> &[u8] {
        self.payload()
    }
}

/// One end of a network connection.
#[derive(Clone, Debug)]
pub struct End<R, M = Message> {
    /// The connection.
    pub connection: Connection<R, M>,
    door: Door,
    decoder: FrameDecoder,
    unread: BytesMut,
    /// The packet that came too early, for the door for packets.
    early: Option<Packet>,
    /// The message that is arriving in pieces.
    arriving: Option<(Head, Vec<u8>)>,
    /// Whether the connection was handed something the last time.
    pub handed: bool,
}

impl<R: Role, M: Payload> End<R, M> {
    /// An end of a new network connection.
    pub fn new(connection: Connection<R, M>, door: Door, decoder: FrameDecoder) -> Self {
        Self {
            connection,
            door,
            decoder,
            unread: BytesMut::new(),
            early: None,
            arriving: None,
            handed: false,
        }
    }

    /// Another network connection: what is left of the one before is dropped.
    pub fn renew(&mut self, door: Door, decoder: FrameDecoder) {
        self.door = door;
        self.decoder = decoder;
        self.unread.clear();
        self.early = None;
        self.arriving = None;
    }

    /// Sends something: the next packet, or as many bytes as have room; of a payload that is kept,
    /// as many bytes. `false` if there is nothing.
    pub fn send(&mut self, now: Duration, at: Duration, room: usize, out: &mut Pipe) -> bool {
        let mut bytes = BytesMut::new();
        let writes = self.write_payload(now, room, &mut bytes);
        match self.door {
            _ if writes => {}
            Door::Packets => {
                let version = self.connection.version();
                let packet = self.connection.poll_transmit(now);
                let packet = packet.map(|packet| packet.to_owned());
                match (packet, self.connection.poll_payload()) {
                    (Some(Packet::Publish(publish)), Some(part)) => {
                        let len = part.len as usize;
                        publish.encode_head(version, len, &mut bytes).unwrap();
                    }
                    (Some(packet), _) => packet.encode(version, &mut bytes).unwrap(),
                    (None, _) => return false,
                }
            }
            Door::Bytes => {
                let mut limited = (&mut bytes).limit(room.max(1));
                let any = self.connection.poll_bytes(now, &mut limited);
                assert_eq!(any, !bytes.is_empty());
            }
        }
        out.send(at, &bytes);
        !bytes.is_empty()
    }

    /// Writes a part of the payload whose turn it is, if the caller keeps one.
    fn write_payload(&mut self, now: Duration, room: usize, out: &mut BytesMut) -> bool {
        let Some(part) = self.connection.poll_payload() else {
            return false;
        };
        let (payload, from) = (part.message.payload(), part.position as usize);
        assert_eq!(
            payload.len(),
            from + part.len as usize,
            "{} bytes",
            part.len
        );
        let len = room.clamp(1, payload.len() - from);
        out.extend_from_slice(&payload[from..from + len]);
        let len = u32::try_from(len).unwrap();
        self.connection.payload_written(now, len).unwrap();
        true
    }

    /// Publishes a message and sends as many bytes as have room, in one call.
    ///
    /// # Errors
    ///
    /// As [`publish_into`](Connection::publish_into).
    pub fn publish_into(
        &mut self,
        now: Duration,
        room: usize,
        qos: QoS,
        message: &M,
        out: &mut Pipe,
    ) -> Result<CallId, ConnectionError>
    where
        M: Clone,
    {
        let mut bytes = BytesMut::new();
        let mut limited = (&mut bytes).limit(room);
        let call = self
            .connection
            .publish_into(now, qos, message, &mut limited)?;
        out.send(now, &bytes);
        Ok(call)
    }

    /// Takes what has arrived in, up to the next thing to act on.
    ///
    /// # Errors
    ///
    /// If the peer broke a rule, which is known here at the door for packets alone.
    pub fn receive(
        &mut self,
        now: Duration,
        input: &mut Pipe,
        piece: usize,
    ) -> Result<Option<Incoming>, Violation> {
        self.unread.extend_from_slice(&input.receive(now, piece));
        self.handed = self.door == Door::Bytes && !self.unread.is_empty();
        match self.door {
            Door::Bytes => Ok(self.receive_bytes(now)),
            Door::Packets => {
                let packet = match self.early.take() {
                    Some(packet) => packet,
                    None => match self.decoder.decode_shared(&mut self.unread) {
                        Ok(Some(packet)) => packet,
                        Ok(None) => return Ok(None),
                        Err(error) => {
                            self.connection.handle_decode_error(now, error);
                            return Ok(None);
                        }
                    },
                };
                let version = self.decoder.version().unwrap();
                self.handed = true;
                let incoming = self.connection.handle_packet(now, version, &packet)?;
                let incoming = incoming.map(|incoming| owned(&incoming));
                if incoming == Some(Incoming::Early) {
                    self.early = Some(packet);
                    return Ok(None);
                }
                Ok(incoming)
            }
        }
    }

    /// The next thing to act on. A message in pieces is joined.
    fn receive_bytes(&mut self, now: Duration) -> Option<Incoming> {
        loop {
            match (
                self.connection.handle_bytes(now, &mut self.unread)?,
                self.arriving.take(),
            ) {
                (Incoming::Begin(head, _), None) => self.arriving = Some((*head, Vec::new())),
                (Incoming::Piece(bytes), Some((head, mut payload))) => {
                    payload.extend_from_slice(&bytes);
                    self.arriving = Some((head, payload));
                }
                (Incoming::End(token), Some((head, payload))) => {
                    assert_eq!(token.delivery(), head.delivery);
                    let mut message = head.message;
                    message.payload = payload.into();
                    return Some(Incoming::Message(message, token));
                }
                (incoming, None) => return Some(incoming),
                (incoming, Some(_)) => panic!("{incoming:?} within a message"),
            }
        }
    }

    /// Whether it uses the door for packets.
    pub fn is_by_packets(&self) -> bool {
        self.door == Door::Packets
    }

    /// Whether the packet that is next came too early.
    pub fn is_early(&self) -> bool {
        self.early.is_some()
    }

    /// Whether nothing waits here to be taken in.
    pub fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.early.is_none()
    }
}

/// The same in buffers of its own.
pub fn owned<B: AsRef<[u8]>>(incoming: &Incoming<B>) -> Incoming {
    match incoming {
        Incoming::Connect(connect) => Incoming::Connect(Box::new((**connect).to_owned())),
        Incoming::Message(message, token) => Incoming::Message(message.to_owned(), *token),
        Incoming::Subscribe(request, token) => Incoming::Subscribe(request.to_owned(), *token),
        Incoming::Unsubscribe(request, token) => Incoming::Unsubscribe(request.to_owned(), *token),
        Incoming::Auth(auth) => Incoming::Auth(auth.to_owned()),
        Incoming::Early => Incoming::Early,
        _ => panic!("a new kind"),
    }
}

/// One direction.
#[derive(Clone, Debug)]
pub struct Pipe {
    flying: VecDeque<(Duration, u8)>,
    /// What was sent and not looked at.
    sent: BytesMut,
    watcher: FrameDecoder,
    /// What has arrived and was not looked at, if somebody listens.
    arrived: BytesMut,
    listener: Option<FrameDecoder>,
}

impl Pipe {
    /// The direction in which this side sends.
    pub fn new(sender: Side, version: Version) -> Self {
        Self {
            flying: VecDeque::new(),
            sent: BytesMut::new(),
            watcher: decoder(sender, version),
            arrived: BytesMut::new(),
            listener: None,
        }
    }

    /// The same, and [`hear`](Self::hear) has what arrives.
    #[must_use]
    pub fn listen(mut self) -> Self {
        self.listener = Some(self.watcher.clone());
        self
    }

    /// What is sent is read as a packet of this version.
    pub fn watch_as(&mut self, sender: Side, version: Version) {
        self.watcher = decoder(sender, version);
    }

    /// The next packet that has arrived, or why there is none, if somebody listens.
    ///
    /// # Errors
    ///
    /// If what has arrived is none.
    pub fn hear(&mut self) -> Result<Option<Packet>, DecodeError> {
        match &mut self.listener {
            Some(listener) if !listener.has_failed() => listener.decode_shared(&mut self.arrived),
            _ => Ok(None),
        }
    }

    /// The length of the first packet on its way, if all of it is.
    pub fn next_len(&self) -> Option<usize> {
        let (mut len, mut at) = (0, 1);
        loop {
            let byte = usize::from(self.flying.get(at)?.1);
            len |= (byte & 0x7F) << (7 * (at - 1));
            at += 1;
            if byte < 0x80 {
                return Some(at + len).filter(|end| *end <= self.flying.len());
            }
        }
    }

    /// Does something to the bytes that are on their way.
    pub fn tamper(&mut self, with: impl FnOnce(&mut VecDeque<(Duration, u8)>)) {
        with(&mut self.flying);
    }

    /// The next packet that was sent, on its way or not.
    pub fn watch(&mut self) -> Option<Packet> {
        self.watcher.decode_shared(&mut self.sent).unwrap()
    }

    /// Whether all that was sent was looked at.
    pub fn is_watched(&self) -> bool {
        self.sent.is_empty()
    }

    fn send(&mut self, at: Duration, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        self.fly(at, bytes);
    }

    /// Adds a packet that the sender's connection has not sent. `false` if it is in the middle of one.
    pub fn add(&mut self, at: Duration, version: Version, packet: &Packet) -> bool {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        let whole = self.sent.is_empty();
        if whole {
            self.fly(at, &bytes);
        }
        whole
    }

    fn fly(&mut self, at: Duration, bytes: &[u8]) {
        // Never before what was sent before.
        let at = self.flying.back().map_or(at, |last| at.max(last.0));
        self.flying.extend(bytes.iter().map(|&byte| (at, byte)));
    }

    fn receive(&mut self, now: Duration, most: usize) -> Vec<u8> {
        let mut arrived = Vec::new();
        while arrived.len() < most && self.flying.front().is_some_and(|(at, _)| *at <= now) {
            arrived.extend(self.flying.pop_front().map(|(_, byte)| byte));
        }
        if self.listener.is_some() {
            self.arrived.extend_from_slice(&arrived);
        }
        arrived
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }
}

/// A decoder for what this side sends.
pub fn decoder(sender: Side, version: Version) -> FrameDecoder {
    match sender {
        Side::Client => FrameDecoder::server(),
        Side::Server => FrameDecoder::client(version),
    }
}
