//! The client is killed at random moments while it publishes and receives, and what left on one
//! side is compared with what arrived on the other.
//!
//! On the other side is a counter, which is never killed. For each message of the client it
//! publishes one to it, so that both directions are always busy. The environment may set `KILLS`,
//! by default 20, and `SEED`, by default the time.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Closed, Event, Incoming, Outcome};
use mqtt_sansio::packet::{Connect, Subscriptions};
use mqtt_sansio::{Message, QoS, Version};

/// Apart from where it listens, all that is not as by default: it drops nothing that waits for the
/// client. `max_inflight_messages` is 20, the default.
const BROKER: &str = "allow_anonymous true\nlog_dest none\nmax_queued_messages 0\n";

/// Each client is killed after 0 to so many milliseconds.
const MAX_LIFE_MS: u64 = 150;

/// The end: everything has arrived, and nothing else for a while, or nothing for a long time.
const QUIET: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn nothing_is_lost_and_nothing_of_qos_2_is_doubled() {
    let Some(mosquitto) = mosquitto() else {
        let required = std::env::var_os("INTEROP").is_some_and(|value| value == "required");
        assert!(!required, "there is no mosquitto");
        return eprintln!("NOT CHECKED: there is no mosquitto");
    };
    let number = |name| Some(std::env::var(name).ok()?.parse::<u64>().unwrap());
    let kills = number("KILLS").unwrap_or(20);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut seed = number("SEED").unwrap_or(since.unwrap().as_secs());
    println!("KILLS={kills} SEED={seed}");
    let mut table =
        "| version | direction | QoS | kills | published | arrived | lost | doubled |\n\
                     |---|---|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
    let mut right = true;
    for (version, name) in [(Version::V311, "3.1.1"), (Version::V5, "5.0")] {
        let run = Run::start(&mosquitto, version, name);
        for _ in 0..kills {
            // Knuth's generator of 64 bits.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            run.kill_after(Duration::from_millis((seed >> 33) % MAX_LIFE_MS));
        }
        for (direction, qos, published, arrived) in run.finish() {
            let lost = (1..=published).filter(|number| !arrived.contains_key(number));
            let (lost, doubled) = (lost.count(), arrived.values().filter(|n| **n > 1).count());
            let invented = arrived.range(published + 1..).count();
            table += &format!(
                "| {name} | {direction} | {qos} | {kills} | {published} | {} | {lost} | {doubled} |\n",
                arrived.len()
            );
            right &= lost == 0 && invented == 0 && (qos == 1 || doubled == 0);
            right &= published > kills;
        }
    }
    println!("{table}");
    assert!(right, "{table}");
}

/// How often each number arrived.
type Arrived = BTreeMap<u64, u32>;

/// From where to where, at which QoS, how many numbers were published, and what arrived.
type Counts = Vec<(&'static str, u8, u64, Arrived)>;

/// A broker, the client's database and the counter.
struct Run {
    _broker: Process,
    address: String,
    version: &'static str,
    database: PathBuf,
    counter: Counter,
    counting: JoinHandle<()>,
}

/// What the counter knows.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Counted>>);

#[derive(Default)]
struct Counted {
    is_subscribed: bool,
    /// By topic: also those to the client, of which it gets a copy.
    arrived: BTreeMap<String, Arrived>,
    /// The last number to the client, at QoS 1 and 2.
    published: [u64; 2],
}

impl Run {
    fn start(mosquitto: &Path, version: Version, name: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let (broker, address) = broker(mosquitto, &folder);
        let counter = Counter::default();
        let (to, shared) = (address.clone(), counter.clone());
        let run = Self {
            _broker: broker,
            address,
            version: name,
            database: folder.join("session.db"),
            counter,
            counting: thread::spawn(move || shared.run(&to, version)),
        };
        while !run.counted().is_subscribed {
            thread::sleep(Duration::from_millis(10));
        }
        run
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        assert!(!self.counting.is_finished(), "the counter has ended");
        self.counter.0.lock().unwrap()
    }

    /// Starts a client that publishes the numbers up to this one.
    fn client(&self, last: i64) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_store"));
        command.arg(&self.database);
        command.args([&self.address, self.version, &last.to_string()]);
        Process::start(&mut command)
    }

    /// Starts a client and kills it, with SIGKILL.
    fn kill_after(&self, life: Duration) {
        let mut client = self.client(i64::MAX);
        thread::sleep(life);
        assert!(client.is_running(), "it ended by itself");
    }

    /// Starts a client that publishes no more, and counts when nothing is under way any more.
    fn finish(self) -> Counts {
        let mut client = self.client(0);
        let (mut before, mut since) = (Counts::new(), Instant::now());
        loop {
            thread::sleep(QUIET);
            assert!(client.is_running(), "it ended by itself");
            let counts = self.counts();
            let mut complete = counts.iter().map(|(_, _, published, arrived)| {
                arrived.len() == usize::try_from(*published).unwrap()
            });
            if counts != before {
                (before, since) = (counts, Instant::now());
            } else if complete.all(|complete| complete) || since.elapsed() > PATIENCE {
                break;
            }
        }
        before
    }

    fn counts(&self) -> Counts {
        let db = rusqlite::Connection::open(&self.database).unwrap();
        let next: u32 = db
            .query_row("SELECT to_publish FROM state", [], |row| row.get(0))
            .unwrap();
        let mut query = db.prepare("SELECT topic, payload FROM received").unwrap();
        let mut received = BTreeMap::<String, Arrived>::new();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let payload: Vec<u8> = row.get(1).unwrap();
            let topic = received.entry(row.get(0).unwrap()).or_default();
            *topic.entry(number(&payload)).or_default() += 1;
        }
        let counted = self.counted();
        let mut counts = Counts::new();
        for (qos, published) in (1..).zip(counted.published) {
            let of = |from: &BTreeMap<_, Arrived>, topic| {
                from.get(&format!("store/{topic}/{qos}"))
                    .cloned()
                    .unwrap_or_default()
            };
            counts.push((
                "client to counter",
                qos,
                u64::from(next) - 1,
                of(&counted.arrived, "out"),
            ));
            counts.push(("counter to client", qos, published, of(&received, "in")));
            counts.push((
                "counter to itself",
                qos,
                published,
                of(&counted.arrived, "in"),
            ));
        }
        counts.sort_unstable();
        counts
    }
}

impl Counter {
    /// Counts what arrives and answers with numbers of its own, as long as the broker lives.
    fn run(&self, address: &str, version: Version) {
        let mut mqtt = Connection::new().max_queued(1 << 20);
        mqtt.connect(version, Connect::new("counter".parse().unwrap()))
            .unwrap();
        let filter = ("store/#".parse().unwrap(), QoS::ExactlyOnce);
        mqtt.subscribe(Subscriptions::new([filter]).unwrap())
            .unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        let (start, mut chunk) = (Instant::now(), [0; 4096]);
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        while !mqtt.is_closed() {
            mqtt.poll_bytes(start.elapsed(), &mut output);
            socket.write_all(&output.split()).unwrap();
            socket.set_read_timeout(mqtt.wait(start.elapsed())).unwrap();
            match socket.read(&mut chunk) {
                Ok(0) => mqtt.handle_close(),
                Ok(len) => input.extend_from_slice(&chunk[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => mqtt.handle_close(),
            }
            let mut counted = self.0.lock().unwrap();
            while let Some(incoming) = mqtt.handle_bytes(start.elapsed(), &mut input) {
                let Incoming::Message(message, token) = incoming else {
                    panic!("{incoming:?}");
                };
                mqtt.acknowledge(token).unwrap();
                let topic = message.topic.to_str();
                let arrived = counted.arrived.entry(topic.to_owned()).or_default();
                *arrived.entry(number(&message.payload)).or_default() += 1;
                if let Some(level) = topic.strip_prefix("store/out/") {
                    let qos = QoS::new(level.parse().unwrap()).unwrap();
                    let last = &mut counted.published[usize::from(qos.level() - 1)];
                    *last += 1;
                    let topic = format!("store/in/{level}").parse().unwrap();
                    mqtt.publish(qos, Message::new(topic, last.to_string()))
                        .unwrap();
                }
            }
            mqtt.handle_timeout(start.elapsed());
            while let Some(event) = mqtt.poll_event() {
                match event {
                    Event::Subscribed(..) => counted.is_subscribed = true,
                    Event::Connected(_) | Event::Published(_, Outcome::Accepted(_)) => {}
                    Event::Closed(Closed::Lost) => {}
                    event => panic!("{event:?}"),
                }
            }
        }
    }
}

fn number(payload: &[u8]) -> u64 {
    std::str::from_utf8(payload).unwrap().parse().unwrap()
}

fn mosquitto() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join("mosquitto"));
    programs.find(|program| program.is_file())
}

/// A process that is killed when this is dropped.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // On Unix, this is SIGKILL.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Starts a broker on loopback, and returns where it listens.
fn broker(mosquitto: &Path, folder: &Path) -> (Process, String) {
    loop {
        // It cannot say which port the system would choose: this one has just been free.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let config = folder.join("mosquitto.conf");
        std::fs::write(
            &config,
            format!("listener {} 127.0.0.1\n{BROKER}", address.port()),
        )
        .unwrap();
        let mut broker = Process::start(Command::new(mosquitto).arg("-c").arg(&config));
        while broker.is_running() {
            if TcpStream::connect(address).is_ok() {
                return (broker, address.to_string());
            }
            thread::sleep(Duration::from_millis(10));
        }
        // Another process was quicker to take the port.
    }
}
