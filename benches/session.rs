//! Whole exchanges between a client's and a server's connection, both ends, bytes included.
//!
//! `cargo bench --bench session`

use std::hint::black_box;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mqtt_sansio::connection::{Incoming, client, server};
use mqtt_sansio::packet::{ConnAck, Connect};
use mqtt_sansio::property::ConnAckProperties;
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{FrameDecoder, Message, QoS, ReasonCode, Version};

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

fn exchanges(criterion: &mut Criterion) {
    let measured = measure(criterion);
    measured.expect("packets of the bench are valid");
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

criterion_group!(benches, exchanges);
criterion_main!(benches);
