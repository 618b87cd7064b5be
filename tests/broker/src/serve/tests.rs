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
        while self.moves_by(b"\xC0\0") {}
        assert_eq!(self.socket().unwrap().state, State::Blocked);
    }

    /// Sends something, and returns whether the broker has written more then.
    fn moves_by(&mut self, bytes: &[u8]) -> bool {
        let written = self.socket().unwrap().written;
        self.reader.write_all(bytes).unwrap();
        thread::sleep(Duration::from_millis(10));
        self.turn();
        self.socket().unwrap().written > written
    }

    /// The reader reads until the broker has written more.
    fn read_some(&mut self) {
        let written = self.socket().unwrap().written;
        let mut chunk = vec![0; 256 << 10];
        while self.socket().unwrap().written == written {
            match self.reader.read(&mut chunk) {
                Ok(len) => assert!(len > 0),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            self.turn();
        }
        assert_eq!(self.socket().unwrap().state, State::Blocked);
    }

    fn read_all(&mut self) {
        let mut chunk = vec![0; 256 << 10];
        while self.reader.read(&mut chunk).is_ok_and(|len| len > 0) {}
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
    assert!(!world.moves_by(b"\xC0\0"));
    assert_eq!(world.deadline(), Some(first));
    world.read_some();
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
        world.read_all();
        world.turn();
    }
    assert_eq!(world.socket().unwrap().state, State::Open);
}
