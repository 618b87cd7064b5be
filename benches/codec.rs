//! Decode and encode, alone. `benches/peers` compares the same with other crates.
//!
//! `cargo bench --bench codec`, or with a filter: `cargo bench --bench codec -- 'decode/PUBLISH'`.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use mqtt_sansio::packet::{
    Ack, Connect, KeepAlive, Packet, Publish, Subscribe, SubscriptionOptions, Subscriptions, Will,
};
use mqtt_sansio::property::PublishProperties;
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{Binary, Delivery, FrameDecoder, PacketId, QoS, Text, Version};

type Failure = Box<dyn std::error::Error>;

const ID: PacketId = match PacketId::new(7) {
    Some(id) => id,
    None => panic!("7 is not 0"),
};

/// The packets that are measured, by name.
fn packets(version: Version) -> Result<Vec<(String, Packet)>, Failure> {
    let topic: TopicName = "factory/line4/press12/state".parse()?;
    assert_eq!(topic.len(), 27);
    let mut connect = Connect::new("press-12-controller".parse::<Text>()?);
    connect.keep_alive = KeepAlive::from_secs(60);
    connect.user_name = Some("press12".parse()?);
    connect.password = Some(Binary::try_from(Bytes::from_static(b"correct horse"))?);
    let farewell = Binary::try_from(Bytes::from_static(b"offline"))?;
    connect.will = Some(Will::new(topic.clone(), farewell));
    let filters = ["factory/line4/+/state", "factory/line4/#", "alarms"];
    let filters: Vec<TopicFilter> = filters
        .map(str::parse)
        .into_iter()
        .collect::<Result<_, _>>()?;
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    let subscriptions = filters.iter().map(|filter| (filter.as_borrowed(), options));
    let subscribe = Subscribe::new(ID, Subscriptions::new(subscriptions)?);

    let mut packets = vec![
        ("CONNECT".to_owned(), connect.into()),
        ("PUBACK".to_owned(), Packet::PubAck(Ack::new(ID))),
        ("SUBSCRIBE".to_owned(), subscribe.into()),
    ];
    let four = PublishProperties::builder()
        .message_expiry_interval(3600)
        .content_type(Text::new("application/json")?)
        .response_topic(TopicName::new("factory/line4/answers")?)
        .user_property(Text::new("trace")?, Text::new("1f3a")?)
        .build();
    for (delivery, qos) in [(Delivery::AtMostOnce, 0), (Delivery::AtLeastOnce(ID), 1)] {
        for size in [64, 4096] {
            let payload = Bytes::from(vec![b'x'; size]);
            let mut publish = Publish::new(delivery, topic.clone(), payload);
            let name = format!("PUBLISH QoS {qos} {size} B");
            packets.push((name.clone(), publish.clone().into()));
            if version == Version::V5 {
                publish.properties = four.clone();
                packets.push((format!("{name} 4 properties"), publish.into()));
            }
        }
    }
    Ok(packets)
}

/// Measures packets and bytes a second.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    bytes: usize,
    mut run: impl FnMut(),
) {
    for (unit, throughput) in [
        ("packets", Throughput::Elements(1)),
        ("bytes", Throughput::Bytes(bytes as u64)),
    ] {
        group.throughput(throughput);
        group.bench_function(format!("{name} ({unit})"), |bencher| bencher.iter(&mut run));
    }
}

fn codec(criterion: &mut Criterion) {
    for version in [Version::V311, Version::V5] {
        for (name, packet) in packets(version).expect("valid packets") {
            let name = format!("{name} {version}");
            let mut encoded = Vec::new();
            packet
                .encode(version, &mut encoded)
                .expect("a valid packet");
            let len = encoded.len();

            let mut decoder = FrameDecoder::new(version);
            measure(&mut criterion.benchmark_group("decode"), &name, len, || {
                let mut unread = black_box(&encoded[..]);
                black_box(&decoder.decode(&mut unread))
                    .as_ref()
                    .expect("a packet");
            });

            // A read buffer that many packets share, filled again when it is empty.
            let mut buffer = BytesMut::new();
            let refill = move |buffer: &mut BytesMut| {
                if buffer.is_empty() {
                    *buffer = BytesMut::from(&encoded.repeat(64)[..]);
                }
            };
            let mut decoder = FrameDecoder::new(version);
            measure(
                &mut criterion.benchmark_group("decode frame"),
                &name,
                len,
                || {
                    refill(&mut buffer);
                    black_box(&decoder.decode_frame(&mut buffer))
                        .as_ref()
                        .expect("a frame");
                },
            );
            measure(
                &mut criterion.benchmark_group("decode shared"),
                &name,
                len,
                || {
                    refill(&mut buffer);
                    black_box(&decoder.decode_shared(&mut buffer))
                        .as_ref()
                        .expect("a packet");
                },
            );

            let mut out = BytesMut::with_capacity(len);
            measure(&mut criterion.benchmark_group("encode"), &name, len, || {
                out.clear();
                black_box(&packet)
                    .encode(version, &mut out)
                    .expect("a valid packet");
                black_box(&out);
            });
        }
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
