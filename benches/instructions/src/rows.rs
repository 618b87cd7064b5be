//! What is counted.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mqtt_sansio::connection::{Incoming, client, server};
use mqtt_sansio::packet::{ConnAck, Connect};
use mqtt_sansio::session::{Link, Session, Transmit};
use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName, TopicTree};
use mqtt_sansio::{FrameDecoder, Message, Packet, QoS, ReasonCode, Shared, Version};

use crate::packets::{self, Case};

/// How often each is done while it is counted.
pub const TIMES: usize = 1_000;

const NOW: Duration = Duration::ZERO;
const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

struct Row {
    name: String,
    run: Box<dyn Fn()>,
}

pub fn names() -> Vec<String> {
    rows().into_iter().map(|row| row.name).collect()
}

pub fn run(name: &str) {
    let row = rows().into_iter().find(|row| row.name == name);
    (row.expect("there is such a row").run)();
}

/// The one function in which is counted: all before is preparation.
#[inline(never)]
fn measured(action: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        action();
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: String, run: Box<dyn Fn()>| rows.push(Row { name, run });
    for case in packets::cases() {
        for (kind, run) in KINDS {
            let case = case.clone();
            add(
                format!("{kind}, {}", case.name),
                Box::new(move || run(&case)),
            );
        }
    }
    for (kind, run) in MIXED {
        for (version, label) in [
            (packets::Version::V311, "3.1.1"),
            (packets::Version::V5, "5.0"),
        ] {
            let run = move || {
                run(&Case {
                    name: String::new(),
                    version,
                    bytes: packets::mixed(version),
                    equivalents: Vec::new(),
                });
            };
            add(format!("{kind}, {label} mixed stream"), Box::new(run));
        }
    }
    for version in VERSIONS {
        for qos in LEVELS {
            let level = qos.level();
            let name = format!("exchange of both ends, {version}, QoS {level}");
            add(name, Box::new(move || exchange(version, qos)));
            let name = format!("publish_into, {version}, QoS {level}");
            add(name, Box::new(move || fan_out(version, qos)));
        }
    }
    for in_flight in [1, 8, 10, 100, 1_000] {
        let name = format!("QoS 1 of a session, {in_flight} in flight");
        add(name, Box::new(move || session(in_flight)));
    }
    for filters in [10, 1_000, 100_000] {
        let name = format!("matches of one name, {filters} filters");
        add(name, Box::new(move || filter_tree(filters)));
    }
    add(
        "each retained message of 1,000 below #".into(),
        Box::new(topic_tree),
    );
    rows
}

type Kind = (&'static str, fn(&Case));

const KINDS: [Kind; 6] = [
    ("decode borrowed", |case| {
        let bytes = stream(case);
        let mut unread = &bytes[..];
        let mut decoder = decoder(case);
        measured(&mut || {
            let _ = black_box(&decoder.decode(&mut unread));
        });
        assert!(unread.is_empty());
    }),
    ("decode shared", |case| {
        let mut unread = BytesMut::from(&stream(case)[..]);
        let mut decoder = decoder(case);
        measured(&mut || {
            let _ = black_box(&decoder.decode_shared(&mut unread));
        });
        assert!(unread.is_empty());
    }),
    ("frame", |case| {
        let mut unread = BytesMut::from(&stream(case)[..]);
        let mut decoder = decoder(case);
        measured(&mut || {
            let _ = black_box(&decoder.decode_frame(&mut unread));
        });
        assert!(unread.is_empty());
    }),
    ("encode into a slice", |case| {
        let packet = packet(case);
        let mut out = vec![0; case.bytes.len()];
        measured(&mut || {
            let _ = black_box(packet.encode(version(case), &mut &mut out[..]));
            black_box(&out);
        });
        assert_eq!(out, case.bytes);
    }),
    ("encode into BytesMut", |case| {
        let packet = packet(case);
        let mut out = BytesMut::with_capacity(case.bytes.len() * TIMES);
        measured(&mut || {
            let _ = black_box(packet.encode(version(case), &mut out));
        });
        assert_eq!(out, stream(case));
    }),
    ("encode into Vec", |case| {
        let packet = packet(case);
        let mut out = Vec::with_capacity(case.bytes.len() * TIMES);
        measured(&mut || {
            let _ = black_box(packet.encode(version(case), &mut out));
        });
        assert_eq!(out, stream(case));
    }),
];

/// The first packets of a stream of all kinds.
const MIXED: [Kind; 3] = [
    ("decode borrowed", |case| {
        let mut unread = &case.bytes[..];
        let mut decoder = decoder(case);
        measured(&mut || {
            let _ = black_box(&decoder.decode(&mut unread));
        });
    }),
    ("decode shared", |case| {
        let mut unread = BytesMut::from(&case.bytes[..]);
        let mut decoder = decoder(case);
        measured(&mut || {
            let _ = black_box(&decoder.decode_shared(&mut unread));
        });
    }),
    ("frame", |case| {
        let mut unread = BytesMut::from(&case.bytes[..]);
        let mut decoder = decoder(case);
        measured(&mut || {
            let _ = black_box(&decoder.decode_frame(&mut unread));
        });
    }),
];

fn version(case: &Case) -> Version {
    match case.version {
        packets::Version::V311 => Version::V311,
        packets::Version::V5 => Version::V5,
    }
}

fn stream(case: &Case) -> Vec<u8> {
    case.bytes.repeat(TIMES)
}

fn decoder(case: &Case) -> FrameDecoder {
    FrameDecoder::new(version(case))
}

fn packet(case: &Case) -> Packet<&[u8]> {
    Packet::decode(version(case), &case.bytes).expect("the packets of the rows are valid")
}

/// The ends of a network connection and the bytes between them.
struct Pair {
    client: client::Connection,
    server: server::Connection,
    up: BytesMut,
    down: BytesMut,
}

impl Pair {
    fn new(version: Version) -> Self {
        let mut pair = Self {
            client: client::Connection::new(),
            server: server::Connection::new(NOW, Duration::MAX),
            up: BytesMut::with_capacity(1 << 12),
            down: BytesMut::with_capacity(1 << 12),
        };
        let connect = Connect::new("instructions".parse().expect("text"));
        pair.client
            .connect(version, connect)
            .expect("a new client connects");
        pair.run();
        pair
    }

    /// Until nothing is left to send.
    fn run(&mut self) {
        loop {
            self.client.poll_bytes(NOW, &mut self.up);
            while let Some(incoming) = self.server.handle_bytes(NOW, &mut self.up) {
                match incoming {
                    Incoming::Connect(_) => {
                        let connack = ConnAck::new(ReasonCode::Success);
                        self.server
                            .accept(NOW, connack, &mut None)
                            .expect("it is accepted");
                    }
                    Incoming::Message(message, token) => {
                        black_box(message);
                        self.server
                            .acknowledge(token)
                            .expect("it is delivered once");
                    }
                    _ => {}
                }
            }
            self.server.poll_bytes(NOW, &mut self.down);
            if self.down.is_empty() {
                break;
            }
            while self.client.handle_bytes(NOW, &mut self.down).is_some() {}
        }
        while self.client.poll_event().is_some() {}
    }
}

fn message() -> Message {
    let topic: TopicName = "plant/7/line/3/sensor/temp1".parse().expect("a topic name");
    Message::new(topic, Bytes::from(vec![b'x'; 64]))
}

fn exchange(version: Version, qos: QoS) {
    let mut pair = Pair::new(version);
    let message = message();
    measured(&mut || {
        pair.client
            .publish(qos, message.clone())
            .expect("there is room");
        pair.run();
    });
    assert!(pair.client.session().is_empty() && pair.server.session().is_empty());
}

fn fan_out(version: Version, qos: QoS) {
    let message = Shared::new(message());
    let mut subscribers: Vec<_> = (0..TIMES)
        .map(|_| {
            let mut connect = BytesMut::new();
            let packet = Packet::from(Connect::new("instructions".parse().expect("text")));
            packet
                .encode(version, &mut connect)
                .expect("a packet of both versions");
            let mut server = server::Connection::keeping(NOW, Duration::MAX);
            assert!(server.handle_bytes(NOW, &mut connect).is_some());
            let connack = ConnAck::new(ReasonCode::Success);
            server
                .accept(NOW, connack, &mut None)
                .expect("it is accepted");
            let mut out = BytesMut::with_capacity(256);
            server.poll_bytes(NOW, &mut out);
            (server, out)
        })
        .collect();
    let mut all = subscribers.iter_mut();
    measured(&mut || {
        let (server, out) = all.next().expect("there is one for each");
        let _ = black_box(server.publish_into(NOW, qos, &message, out));
    });
}

fn session(in_flight: usize) {
    let mut session: Session<u32> = Session::new();
    session.connect(Link::new(Version::V5));
    let mut sent = VecDeque::with_capacity(in_flight + 1);
    let mut send = |session: &mut Session<u32>| {
        session
            .publish(QoS::AtLeastOnce, 7)
            .expect("there are identifiers");
        if let Some(Transmit::Publish { delivery, .. }) = session.poll_transmit() {
            sent.push_back(delivery.packet_id().expect("QoS 1 has one"));
        }
        if sent.len() < in_flight {
            return false;
        }
        let id = sent.pop_front().expect("one is in flight");
        let progress = session.handle_pub_ack(id, ReasonCode::Success);
        let _ = black_box(progress.expect("it was sent"));
        true
    };
    while !send(&mut session) {}
    measured(&mut || {
        send(&mut session);
    });
}

fn filter_tree(filters: usize) {
    let mut tree = FilterTree::new();
    for at in 0..filters {
        let text = match at % 10 {
            0 => format!("plant/+/line/{}/#", at / 10),
            1 => format!("plant/{}/+/temp", at / 10),
            _ => format!("plant/{}/line/{}/sensor/temp", at % 97, at),
        };
        tree.insert(&TopicFilter::new(&text).expect("a filter"), at);
    }
    let name = format!("plant/3/line/{}/sensor/temp", filters / 2 + 3);
    let name = TopicName::new(&name).expect("a name");
    measured(&mut || {
        black_box(tree.matches(&name).count());
    });
}

fn topic_tree() {
    let mut tree = TopicTree::new();
    for at in 0..TIMES {
        let text = format!("plant/{}/line/{at}/state", at % 97);
        tree.insert(&TopicName::new(&text).expect("a name"), at);
    }
    tree.compact();
    let filter = TopicFilter::new("#").expect("a filter");
    let mut found = tree.matching(&filter);
    measured(&mut || {
        black_box(found.next());
    });
}
