//! The broker as a process, and clients that send bytes as they stand.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a machine that is busy with others.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    process: Child,
    address: SocketAddr,
    complaints: Receiver<String>,
}

impl Running {
    /// Starts a broker that may have this many descriptors.
    pub(crate) fn start(descriptors: u32, options: &[&str]) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", "ulimit -n $0 && exec \"$@\""])
            .args([
                &descriptors.to_string(),
                env!("CARGO_BIN_EXE_reference-broker"),
            ])
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let (complain, complaints) = mpsc::channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        thread::spawn(move || {
            stderr
                .lines()
                .for_each(|line| complain.send(line.unwrap()).unwrap())
        });
        let address = line.trim().strip_prefix("listening on ").unwrap();
        let running = Self {
            process,
            address: address.parse().unwrap(),
            complaints,
        };
        // It has all that it needs for itself as soon as it has served somebody.
        let mut client = running.open();
        client.send(DISCONNECT);
        client.expect_end(&[]);
        running
    }

    /// Connects, and says nothing yet.
    pub(crate) fn open(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client(stream)
    }

    pub(crate) fn join(&self, name: &str) -> Client {
        let mut client = self.open();
        client.send(&connect(name));
        client.expect(CONNACK);
        client
    }

    /// What it has said on standard error.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.try_iter().collect()
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).unwrap().count()
    }

    pub(crate) fn threads(&self) -> usize {
        fs::read_dir(self.proc("task")).unwrap().count()
    }

    /// How long it has had a processor.
    pub(crate) fn busy(&self) -> Duration {
        let schedule = fs::read_to_string(self.proc("schedstat")).unwrap();
        let busy = schedule.split(' ').next().unwrap();
        Duration::from_nanos(busy.parse().unwrap())
    }

    /// Its memory but for the program's own file, in KiB.
    pub(crate) fn memory(&self) -> usize {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let memory = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let memory = memory.unwrap().trim().strip_suffix(" kB").unwrap();
        memory.parse().unwrap()
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.process.id())
    }

    /// Does something while the broker is stopped.
    pub(crate) fn stopped(&self, run: impl FnOnce()) {
        self.signal("-STOP");
        while !fs::read_to_string(self.proc("stat"))
            .unwrap()
            .contains(") T ")
        {
            thread::yield_now();
        }
        run();
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.id().to_string();
        let status = Command::new("kill").args([signal, &process]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What the program says that does not go on.
pub(crate) fn output(options: &[&str]) -> Output {
    let mut broker = Command::new(env!("CARGO_BIN_EXE_reference-broker"));
    broker.args(options).output().unwrap()
}

pub(crate) const CONNACK: &[u8] = &[0x20, 2, 0, 0];
pub(crate) const NOT_AUTHORIZED: &[u8] = &[0x20, 2, 0, 5];
pub(crate) const PINGREQ: &[u8] = &[0xC0, 0];
pub(crate) const PINGRESP: &[u8] = &[0xD0, 0];
pub(crate) const DISCONNECT: &[u8] = &[0xE0, 0];

/// CONNECT of 3.1.1 with a clean session and without Keep Alive.
pub(crate) fn connect(name: &str) -> Vec<u8> {
    connect_with(2, 0, &[name])
}

pub(crate) fn connect_with(flags: u8, keep_alive: u8, fields: &[&str]) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04".to_vec();
    body.extend([flags, 0, keep_alive]);
    for field in fields {
        body.extend(text(field));
    }
    packet(0x10, &body)
}

/// SUBSCRIBE at QoS 1.
pub(crate) fn subscribe(filter: &str) -> Vec<u8> {
    packet(0x82, &[&[0, 1], &text(filter)[..], &[1]].concat())
}

pub(crate) const SUBACK: &[u8] = &[0x90, 3, 0, 1, 1];

pub(crate) fn unsubscribe(filter: &str) -> Vec<u8> {
    packet(0xA2, &[&[0, 2], &text(filter)[..]].concat())
}

pub(crate) const UNSUBACK: &[u8] = &[0xB0, 2, 0, 2];

/// PUBLISH at QoS 1, with this packet identifier.
pub(crate) fn publish(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    packet(
        0x32,
        &[&text(topic)[..], &id.to_be_bytes(), payload].concat(),
    )
}

pub(crate) fn puback(id: u16) -> Vec<u8> {
    packet(0x40, &id.to_be_bytes())
}

fn text(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap();
    [&len.to_be_bytes(), text.as_bytes()].concat()
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut len = body.len();
    while len > 0x7F {
        packet.push(u8::try_from(len & 0x7F).unwrap() | 0x80);
        len >>= 7;
    }
    packet.push(u8::try_from(len).unwrap());
    packet.extend_from_slice(body);
    packet
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Takes the next bytes, which are these.
    pub(crate) fn expect(&mut self, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        self.0.read_exact(&mut bytes).unwrap();
        let start = |bytes: &[u8]| bytes.iter().take(8).copied().collect::<Vec<_>>();
        let (found, wanted) = (start(&bytes), start(expected));
        assert!(bytes == expected, "{found:x?} is not {wanted:x?}");
    }

    /// Takes the next packet, which is short.
    pub(crate) fn next_packet(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 2];
        self.0.read_exact(&mut bytes).unwrap();
        let len = usize::from(bytes[1]);
        assert!(len < 0x80);
        bytes.resize(2 + len, 0);
        self.0.read_exact(&mut bytes[2..]).unwrap();
        bytes
    }

    /// Takes all that comes until the broker closes the connection, which it does not reset.
    pub(crate) fn expect_end(&mut self, expected: &[u8]) {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, expected);
    }

    pub(crate) fn ping(&mut self) {
        self.send(PINGREQ);
        self.expect(PINGRESP);
    }

    /// Whether anything comes within this time.
    pub(crate) fn hears(&mut self, time: Duration) -> bool {
        self.0.set_read_timeout(Some(time)).unwrap();
        let heard = self.0.peek(&mut [0]);
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        match heard {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}
