//! Whole exchanges between a client's and a server's connection, both ends, bytes included; and one
//! message to many connections; and payloads in pieces.
//!
//! `cargo bench --bench session`, or one part of it: `cargo bench --bench session -- fan-out`

#![allow(clippy::indexing_slicing, reason = "the indices are made for it")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput};
use mqtt_sansio::connection::{Incoming, client, server};
use mqtt_sansio::packet::{Ack, ConnAck, Connect, Packet};
use mqtt_sansio::property::{ConnAckProperties, SubscriptionId};
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{FrameDecoder, Message, Publishable, QoS, ReasonCode, Shared, Version};

use support::relay::{CHUNK, Relay};

type Failure = Box<dyn std::error::Error>;

const NOW: Duration = Duration::ZERO;

/// Both ends and the bytes between them.
struct Pair {
    version: Version,
    client: client::Connection,
    server: server::Connection,
    up: (FrameDecoder, BytesMut),
    down: (FrameDecoder, BytesMut),
    delivered: u64,
}

impl Pair {
    fn new(version: Version, aliases: u16) -> Result<Self, Failure> {
        let mut pair = Self {
            version,
            client: client::Connection::new().automatic_aliases(aliases),
            server: server::Connection::new(NOW, Duration::MAX),
            up: (FrameDecoder::server(), BytesMut::new()),
            down: (FrameDecoder::client(version), BytesMut::new()),
            delivered: 0,
        };
        pair.client
            .connect(version, Connect::new("bench".parse()?))?;
        pair.run()?;
        Ok(pair)
    }

    /// Until nothing is left to send.
    fn run(&mut self) -> Result<(), Failure> {
        loop {
            let (decoder, bytes) = &mut self.up;
            while let Some(packet) = self.client.poll_transmit(NOW) {
                packet.encode(self.version, bytes)?;
            }
            let mut unread: &[u8] = bytes;
            while let Some(packet) = decoder.decode(&mut unread)? {
                match self.server.handle_packet(NOW, self.version, &packet)? {
                    Some(Incoming::Connect(_)) => {
                        let mut connack = ConnAck::new(ReasonCode::Success);
                        if self.version == Version::V5 {
                            connack.properties =
                                ConnAckProperties::builder().topic_alias_maximum(10).build();
                        }
                        self.server.accept(NOW, connack, &mut None)?;
                    }
                    Some(Incoming::Message(message, token)) => {
                        self.delivered += 1;
                        black_box(message);
                        self.server.acknowledge(token)?;
                    }
                    _ => {}
                }
            }
            bytes.clear();
            let (decoder, bytes) = &mut self.down;
            while let Some(packet) = self.server.poll_transmit(NOW) {
                packet.encode(self.version, bytes)?;
            }
            while self.client.poll_event().is_some() {}
            if bytes.is_empty() {
                return Ok(());
            }
            let mut unread: &[u8] = bytes;
            while let Some(packet) = decoder.decode(&mut unread)? {
                let _ = self.client.handle_packet(NOW, self.version, &packet)?;
            }
            bytes.clear();
        }
    }
}

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion)?;
    criterion.final_summary();
    // As Criterion, which measures only where cargo asks for it.
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    match arguments.iter().any(|argument| argument == "--bench") {
        true => {
            let filter = filter.map_or("", String::as_str);
            in_pieces(filter);
            fan_out(filter)
        }
        false => Ok(()),
    }
}

/// 256 MiB at QoS 2 from client to server to client, in pieces, beside the copies and the comparison
/// that this takes: out of the file, to the other connection, and against what was sent.
fn in_pieces(filter: &str) {
    const LEN: u32 = 64 << 20;
    for version in [Version::V311, Version::V5] {
        let name = format!("pieces/{version}");
        if !name.contains(filter) {
            continue;
        }
        let mut relay = Relay::new(version);
        let (mut relayed, mut copied) = (Duration::MAX, Duration::MAX);
        for _ in 0..5 {
            let start = Instant::now();
            (0..4).for_each(|_| assert_eq!(relay.relay(LEN, || ()), LEN));
            relayed = relayed.min(start.elapsed());
            let start = Instant::now();
            copy_payload(4 * LEN as usize);
            copied = copied.min(start.elapsed());
        }
        let ratio = relayed.as_secs_f64() / copied.as_secs_f64();
        println!("{name}: 256 MiB in {relayed:?}, the copies {copied:?}: {ratio:.2}");
    }
}

#[inline(never)]
fn copy_payload(len: usize) {
    let payload = vec![b'x'; CHUNK];
    let (mut up, mut down) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    for _ in 0..len / CHUNK {
        up.clear();
        up.extend_from_slice(black_box(&payload));
        down.clear();
        down.extend_from_slice(black_box(&up));
        assert!(black_box(&down) == &payload);
    }
}

fn measure(criterion: &mut Criterion) -> Result<(), Failure> {
    let topic: TopicName = "factory/line4/press12/state".parse()?;
    let payload = Bytes::from(vec![b'x'; 64]);
    let message = Message::new(topic, payload);
    for (version, aliases) in [(Version::V311, 0), (Version::V5, 0), (Version::V5, 10)] {
        let name = match aliases {
            0 => format!("{version}"),
            _ => format!("{version} with aliases"),
        };
        let mut group = criterion.benchmark_group(format!("exchange/{name}"));
        group.throughput(Throughput::Elements(1));
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut pair = Pair::new(version, aliases)?;
            pair.client.publish(qos, message.clone())?;
            pair.run()?;
            group.bench_function(format!("QoS {}", qos.level()), |bencher| {
                bencher.iter(|| {
                    pair.client.publish(qos, message.clone())?;
                    pair.run()
                });
            });
            assert!(pair.delivered > 0 && pair.client.session().is_empty());
            assert!(pair.server.session().is_empty());
        }
        group.finish();
    }
    Ok(())
}

/// A client that is connected to the server, in the server.
struct Subscriber {
    connection: server::Connection<Shared>,
    /// What is to be written to its socket.
    output: BytesMut,
    decoder: FrameDecoder,
    qos: QoS,
}

/// The connections that get a message.
struct Fan {
    subscribers: Vec<Subscriber>,
    /// The order in which they get it.
    order: Vec<usize>,
    message: Shared,
    id: Option<SubscriptionId>,
}

/// The QoS of the subscribers: one, or each in turn.
const KINDS: [(&str, &[QoS]); 4] = [
    ("QoS 0", &[QoS::AtMostOnce]),
    ("QoS 1", &[QoS::AtLeastOnce]),
    ("QoS 2", &[QoS::ExactlyOnce]),
    (
        "mixed QoS",
        &[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce],
    ),
];

/// The table: one message to 10,000 connections, published and written into the buffer of each, beside
/// the copy of the ready frame into that buffer, both cold: 32 MiB of other memory have been touched
/// before, so that nothing is in the second level cache. The connections get it in the order in which
/// they are in memory, or in another. And to 15 connections again and again, all hot.
///
/// In the clock: `publish_into`; or the clone of the shared message, `publish` and `poll_bytes`; and at
/// QoS 0 `poll_event` for the outcome. Outside: acknowledgements.
fn fan_out(filter: &str) -> Result<(), Failure> {
    println!("\nns a delivery: `publish_into`; `publish` and `poll_bytes`; the copy; ratios to it");
    println!("\n| | in order | scattered | hot |\n|---|---|---|---|");
    for version in [Version::V311, Version::V5] {
        for len in [64, 4096] {
            for (kind, qos) in KINDS {
                for id in [None, SubscriptionId::try_from(7).ok()] {
                    let with = if id.is_some() { ", identifier" } else { "" };
                    let name = format!("fan-out/{version}, {len} B, {kind}{with}");
                    // Only 5.0 has identifiers.
                    if !name.contains(filter) || (version == Version::V311 && id.is_some()) {
                        continue;
                    }
                    print!("| {name} |");
                    // 7,919 is prime to the counts.
                    for (count, step) in [(10_000, 1), (10_000, 7_919), (15, 7_919)] {
                        let mut fan = Fan::new(version, (count, step), len, qos, id)?;
                        let [one, two, copy] = fan.compare(count > 15)?;
                        let (ratio, other) = (one / copy, two / copy);
                        print!(" {one:.0}, {two:.0}, {copy:.0}: {ratio:.1}, {other:.1} |");
                    }
                    println!();
                }
            }
        }
    }
    Ok(())
}

impl Fan {
    fn new(
        version: Version,
        (count, step): (usize, usize),
        len: usize,
        qos: &[QoS],
        id: Option<SubscriptionId>,
    ) -> Result<Self, Failure> {
        let subscribers = qos.iter().cycle().take(count);
        let subscribers = subscribers.map(|&qos| Subscriber::new(version, len, qos));
        let message = Message::new("factory/line4/press12/state".parse()?, vec![b'x'; len]);
        Ok(Self {
            subscribers: subscribers.collect::<Result<_, _>>()?,
            order: (0..count).map(|at| at * step % count).collect(),
            message: Shared::new(message),
            id,
        })
    }

    /// The nanoseconds of a delivery, each way, and of the copy. The first quartiles: what others do
    /// on the machine makes some rounds slower, and none faster.
    fn compare(&mut self, cold: bool) -> Result<[f64; 3], Failure> {
        let rounds = if cold { 31 } else { 4_001 };
        let mut others = vec![1_u8; if cold { 32 << 20 } else { 0 }];
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            let mut timed = |run: &mut dyn FnMut()| {
                others.iter_mut().step_by(64).for_each(|byte| *byte ^= 1);
                black_box(&others);
                let start = Instant::now();
                run();
                start.elapsed().as_secs_f64() * 1e9 / self.order.len() as f64
            };
            let (all, order, message) = (&mut self.subscribers, &self.order, &self.message);
            let [one, two, copied] = &mut times;
            one.push(timed(&mut || deliver_at_once(all, order, message, self.id)));
            for each in &mut *all {
                each.check(message, self.id)?;
            }
            two.push(timed(&mut || deliver(all, order, message, self.id)));
            let frames: Vec<_> = all.iter().take(3).map(|each| each.output.clone()).collect();
            for each in &mut *all {
                each.check(message, self.id)?;
            }
            copied.push(timed(&mut || copy(all, order, &frames)));
            for each in all {
                each.output.clear();
            }
        }
        Ok(times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 4]
        }))
    }
}

#[inline(never)]
fn deliver_at_once(
    subscribers: &mut [Subscriber],
    order: &[usize],
    message: &Shared,
    id: Option<SubscriptionId>,
) {
    let mut message = message.clone();
    for &at in order {
        let to = &mut subscribers[at];
        message = message.with_ids(id);
        let (connection, output) = (&mut to.connection, &mut to.output);
        let published = connection.publish_into(NOW, to.qos, &message, output);
        if to.qos == QoS::AtMostOnce {
            black_box(connection.poll_event());
        }
        black_box(published.is_ok());
    }
}

#[inline(never)]
fn deliver(
    subscribers: &mut [Subscriber],
    order: &[usize],
    message: &Shared,
    id: Option<SubscriptionId>,
) {
    for &at in order {
        let to = &mut subscribers[at];
        let message = message.clone().with_ids(id);
        let published = to.connection.publish(to.qos, message);
        to.connection.poll_bytes(NOW, &mut to.output);
        if to.qos == QoS::AtMostOnce {
            black_box(to.connection.poll_event());
        }
        black_box(published.is_ok());
    }
}

#[inline(never)]
fn copy(subscribers: &mut [Subscriber], order: &[usize], frames: &[BytesMut]) {
    for &at in order {
        let frame = &frames[at % frames.len()];
        subscribers[at].output.extend_from_slice(frame);
    }
}

impl Subscriber {
    fn new(version: Version, len: usize, qos: QoS) -> Result<Self, Failure> {
        let mut connect = BytesMut::new();
        Packet::from(Connect::new("bench".parse()?)).encode(version, &mut connect)?;
        let mut connection = server::Connection::keeping(NOW, Duration::MAX);
        let mut output = BytesMut::with_capacity(len + 100);
        if connection.handle_bytes(NOW, &mut connect).is_none() {
            return Err("CONNECT is not handed out".into());
        }
        connection.accept(NOW, ConnAck::new(ReasonCode::Success), &mut None)?;
        connection.poll_bytes(NOW, &mut output);
        output.clear();
        Ok(Self {
            connection,
            output,
            decoder: FrameDecoder::client(version),
            qos,
        })
    }

    /// Fails unless the message is there, and acknowledges it.
    fn check(&mut self, shared: &Shared, id: Option<SubscriptionId>) -> Result<(), Failure> {
        let Self {
            connection,
            output,
            decoder,
            qos,
        } = self;
        let version = connection.version();
        let expected = shared.message(version);
        let mut unread = &output[..];
        let Some(Packet::Publish(publish)) = decoder.decode(&mut unread)? else {
            return Err("not a PUBLISH".into());
        };
        let ids = publish.properties.subscription_identifiers();
        let same = publish.topic == Some(expected.topic) && publish.payload == expected.payload;
        if !same || publish.qos() != *qos || ids.ne(id) || !unread.is_empty() {
            return Err("another message".into());
        }
        if let Some(ack) = publish.packet_id().map(Ack::new) {
            let first = match qos {
                QoS::ExactlyOnce => Packet::PubRec(ack.clone()),
                _ => Packet::PubAck(ack.clone()),
            };
            let _ = connection.handle_packet(NOW, version, &first)?;
            if *qos == QoS::ExactlyOnce {
                output.clear();
                connection.poll_bytes(NOW, output);
                let _ = connection.handle_packet(NOW, version, &Packet::PubComp(ack))?;
            }
            if connection.poll_event().is_none() {
                return Err("no outcome".into());
            }
        }
        output.clear();
        match connection.session().is_empty() && connection.poll_event().is_none() {
            true => Ok(()),
            false => Err("something is left".into()),
        }
    }
}
