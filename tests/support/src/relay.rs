//! A large message on its way: client, server's connection, server's connection, client.

use std::time::Duration;

use mqtt_sansio::connection::{Connection, Event, Incoming, Outcome, Role, client, server};
use mqtt_sansio::packet::{ConnAck, Connect};
use mqtt_sansio::session::Session;
use mqtt_sansio::{Message, Publishable, QoS, ReasonCode, Version};

const NOW: Duration = Duration::ZERO;

/// The bytes that are written at a time.
pub const CHUNK: usize = 16 * 1024;

/// A message whose payload is as many bytes as it says, each the same.
#[derive(Clone, Debug)]
struct Large {
    head: Message,
    len: u32,
}

impl Publishable for Large {
    fn message(&self, _: Version) -> Message<&[u8]> {
        self.head.as_borrowed()
    }

    fn payload_len(&self) -> Option<u32> {
        Some(self.len)
    }
}

/// Two clients of a server, and the bytes between them.
#[derive(Debug)]
pub struct Relay {
    publisher: client::Connection<Large>,
    from_publisher: server::Connection<Large>,
    to_subscriber: server::Connection<Large>,
    subscriber: client::Connection<Large>,
    /// To the server, to the subscriber, and back.
    wires: [Vec<u8>; 3],
    payload: Vec<u8>,
    received: u32,
}

impl Relay {
    /// Both clients are connected.
    pub fn new(version: Version) -> Self {
        let client = || {
            client::Connection::with_session(Session::new())
                .pieces_above(1_024)
                .max_packet_size(u32::MAX)
        };
        let server = || {
            let server = server::Connection::keeping(NOW, Duration::MAX);
            server.pieces_above(1_024).max_packet_size(u32::MAX)
        };
        let wire = || Vec::with_capacity(CHUNK + 1_024);
        let mut relay = Self {
            publisher: client(),
            from_publisher: server(),
            to_subscriber: server(),
            subscriber: client(),
            wires: [wire(), wire(), wire()],
            payload: vec![b'x'; CHUNK],
            received: 0,
        };
        let back = &mut relay.wires[2];
        agree(
            version,
            &mut relay.publisher,
            &mut relay.from_publisher,
            back,
        );
        agree(
            version,
            &mut relay.subscriber,
            &mut relay.to_subscriber,
            back,
        );
        relay
    }

    /// Sends one message of QoS 2, and returns how many bytes of payload arrived once it is
    /// acknowledged. `held` is called after each step.
    pub fn relay(&mut self, len: u32, mut held: impl FnMut()) -> u32 {
        let head = Message::new("firmware".parse().unwrap(), "");
        let message = Large { head, len };
        self.publisher.publish(QoS::ExactlyOnce, message).unwrap();
        self.received = 0;
        let [up, down, back] = &mut self.wires;
        let mut outcomes = 0;
        while outcomes < 2 {
            write(&mut self.publisher, up, &self.payload);
            // What arrives in pieces is sent on in pieces.
            let mut unread = &up[..];
            while let Some(incoming) = self.from_publisher.handle_slice(NOW, &mut unread) {
                match incoming {
                    Incoming::Begin(head, len) => {
                        let head = head.message.to_owned();
                        let message = Large { head, len };
                        self.to_subscriber
                            .publish(QoS::ExactlyOnce, message)
                            .unwrap();
                        self.to_subscriber.poll_bytes(NOW, down);
                    }
                    Incoming::Piece(bytes) => {
                        let part = self.to_subscriber.poll_payload().unwrap();
                        assert!(part.len as usize >= bytes.len());
                        down.extend_from_slice(bytes);
                        let len = u32::try_from(bytes.len()).unwrap();
                        self.to_subscriber.payload_written(NOW, len).unwrap();
                    }
                    Incoming::End(token) => self.from_publisher.acknowledge(token).unwrap(),
                    other => panic!("{other:?}"),
                }
            }
            up.clear();
            self.to_subscriber.poll_bytes(NOW, down);
            let mut unread = &down[..];
            while let Some(incoming) = self.subscriber.handle_slice(NOW, &mut unread) {
                match incoming {
                    Incoming::Begin(..) => {}
                    Incoming::Piece(bytes) => {
                        assert_eq!(bytes, &self.payload[..bytes.len()]);
                        self.received += u32::try_from(bytes.len()).unwrap();
                    }
                    Incoming::End(token) => self.subscriber.acknowledge(token).unwrap(),
                    other => panic!("{other:?}"),
                }
            }
            down.clear();
            held();
            carry(&mut self.subscriber, &mut self.to_subscriber, back);
            carry(&mut self.from_publisher, &mut self.publisher, back);
            outcomes += done(&mut self.publisher) + done(&mut self.to_subscriber);
        }
        self.received
    }
}

fn agree(
    version: Version,
    client: &mut client::Connection<Large>,
    server: &mut server::Connection<Large>,
    wire: &mut Vec<u8>,
) {
    client
        .connect(version, Connect::new("c".parse().unwrap()))
        .unwrap();
    carry(client, server, wire);
    server
        .accept(NOW, ConnAck::new(ReasonCode::Success), &mut None)
        .unwrap();
    carry(server, client, wire);
    while client.poll_event().is_some() {}
}

/// Writes what is to be sent: at most a chunk of payload.
fn write<R: Role>(end: &mut Connection<R, Large>, out: &mut Vec<u8>, payload: &[u8]) {
    end.poll_bytes(NOW, out);
    if let Some(part) = end.poll_payload() {
        let len = part.len.min(u32::try_from(payload.len()).unwrap());
        out.extend_from_slice(&payload[..len as usize]);
        end.payload_written(NOW, len).unwrap();
    }
}

/// Takes what is not a message across.
fn carry<F: Role, T: Role>(
    from: &mut Connection<F, Large>,
    to: &mut Connection<T, Large>,
    wire: &mut Vec<u8>,
) {
    from.poll_bytes(NOW, wire);
    let mut unread = &wire[..];
    while to.handle_slice(NOW, &mut unread).is_some() {}
    wire.clear();
}

fn done<R: Role>(end: &mut Connection<R, Large>) -> u32 {
    let mut done = 0;
    while let Some(event) = end.poll_event() {
        if let Event::Published(_, outcome) = event {
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
            done += 1;
        }
    }
    done
}
