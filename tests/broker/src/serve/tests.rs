//! How long the broker waits for who does not read.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use super::*;
use crate::Config;

/// A server, a client that reads when the test says so, and one that publishes to it.
struct World {
    server: Server,
    reader: TcpStream,
    publisher: TcpStream,
}

const READER: ConnectionId = ConnectionId(1);
const PUBLISHER: ConnectionId = ConnectionId(2);

fn connect(name: u8) -> Vec<u8> {
    [b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01", &[name][..]].concat()
}

impl World {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(listener, Broker::new(Config::default())).unwrap();
        let mut reader = TcpStream::connect(address).unwrap();
        let mut publisher = TcpStream::connect(address).unwrap();
        reader.set_nonblocking(true).unwrap();
        reader.set_nodelay(true).unwrap();
        reader.write_all(&connect(b'r')).unwrap();
        reader.write_all(b"\x82\x06\0\x01\0\x01t\0").unwrap();
        publisher.write_all(&connect(b'p')).unwrap();
        let mut world = Self {
            server,
            reader,
            publisher,
        };
        while world.server.broker.usage().sessions < 2 {
            world.server.turn().unwrap();
        }
        world
    }

    /// A turn that does not wait.
    fn turn(&mut self) {
        self.server.look_again(PUBLISHER);
        self.server.turn().unwrap();
    }

    fn socket(&self) -> Option<&Socket> {
        self.server.sockets.get(&READER)
    }

    fn deadline(&self) -> Option<Duration> {
        self.socket()?.deadline
    }

    /// Publishes more than the system takes for one who does not read.
    fn publish(&mut self) {
        let packet = [b"\x30\x83\x80\x01\0\x01t", &[0; 16 << 10][..]].concat();
        for _ in 0..2_000 {
            self.publisher.write_all(&packet).unwrap();
            self.turn();
        }
        // The system finds room for a little more each time it is asked.
        while self.moves_by_ping() {}
        assert_eq!(self.socket().unwrap().state, State::Blocked);
    }

    /// The reader sends PINGREQ. Returns whether the broker has written more then.
    fn moves_by_ping(&mut self) -> bool {
        let written = self.socket().unwrap().written;
        self.reader.write_all(b"\xC0\0").unwrap();
        thread::sleep(Duration::from_millis(10));
        self.turn();
        self.socket().unwrap().written > written
    }

    /// The reader reads what has come, but not all at once.
    fn read(&mut self) {
        match self.reader.read(&mut vec![0; 256 << 10]) {
            Ok(len) => assert!(len > 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        self.turn();
    }

    /// Lets time pass without anybody seeing it.
    fn pass(&mut self, seconds: u64) {
        self.server.start -= Duration::from_secs(seconds);
    }
}

#[test]
fn who_does_not_read_has_a_minute_and_another_for_what_it_reads() {
    let mut world = World::new();
    assert_eq!(world.deadline(), None);
    world.publish();
    let first = world.deadline().unwrap();
    assert!(first > PATIENCE && first <= world.server.now + PATIENCE);
    // What it sends helps nothing.
    world.pass(20);
    assert!(!world.moves_by_ping());
    assert_eq!(world.deadline(), Some(first));
    let written = world.socket().unwrap().written;
    while world.socket().unwrap().written == written {
        world.read();
    }
    assert_eq!(world.socket().unwrap().state, State::Blocked);
    let second = world.deadline().unwrap();
    assert_eq!(second, world.server.now + PATIENCE);
    assert!(second >= first + Duration::from_secs(20));
    world.server.now = second - Duration::from_nanos(1);
    world.server.handle_timeout();
    assert!(world.socket().is_some());
    world.server.now = second;
    world.server.handle_timeout();
    assert!(world.socket().is_none());
}

#[test]
fn who_has_read_everything_has_no_deadline() {
    let mut world = World::new();
    world.publish();
    while world.deadline().is_some() {
        world.read();
    }
    assert_eq!(world.socket().unwrap().state, State::Open);
}

/// What comes after the last packet is not for the broker.
#[test]
fn what_comes_during_a_farewell_is_forgotten() {
    let mut world = World::new();
    world.reader.write_all(b"\xF0\0").unwrap();
    while world.socket().unwrap().state != State::Farewell {
        world.turn();
    }
    let received = world.server.broker.stats.bytes_received;
    world.reader.write_all(b"\xC0\0").unwrap();
    thread::sleep(Duration::from_millis(10));
    world.turn();
    assert_eq!(world.server.broker.stats.bytes_received, received);
    assert!(world.socket().is_some());
}
