//! Whole exchanges between a client's and a server's connection: publish, every acknowledgement,
//! until both have forgotten it. Bytes cross from one to the other, so both encode and decode.
//!
//! The two doors of a connection are compared with each other as well, on a stream of small packets.
//!
//! The peer is told to answer PUBLISH by itself. Packets are looked at where they are returned, not
//! moved, which would cost about as much as to decode them. Both sides reuse the buffers of the link, and both
//! make the PUBLISH anew for each exchange, from a topic and a payload that are there.

use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use mqtt_protocol_core::mqtt;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, Packet as CorePacket, Qos, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, ConnectReturnCode};
use mqtt_sansio::connection::{Incoming, client, server};
use mqtt_sansio::packet::{Ack, ConnAck, Connect, Packet, Publish};
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{Delivery, FrameDecoder, Message, PacketId, QoS, ReasonCode, Version};

use crate::table::Columns;
use crate::timing::{Effort, Run};

const TOPIC: &str = "factory/line4/press12/state";
const PAYLOAD: &[u8] = &[b'x'; 64];
/// Exchanges in a batch.
const BATCH: usize = 64;

pub fn print(filter: &str, effort: Effort) {
    let columns = Columns::new("exchange", &["mqtt-sansio"], &["mqtt-protocol-core"]);
    columns.print("Exchanges, both ends", "an exchange", effort);
    for version in [Version::V311, Version::V5] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let name = format!("{version} QoS {}", qos.level());
            if name.contains(filter) {
                let mut runs = [Some(ours(version, qos)), Some(core(version, qos))];
                columns.row(&name, &mut runs, effort);
            }
        }
    }
    let columns = Columns::new("stream", &["bytes door"], &["decoder, packet door"]);
    columns.print(
        "Small packets through the two doors of a server, answers included",
        "a packet",
        effort,
    );
    for version in [Version::V311, Version::V5] {
        let name = format!("{version} through the bytes door");
        if name.contains(filter) {
            let mut runs = [
                Some(stream(version, Door::Bytes)),
                Some(stream(version, Door::Packets)),
            ];
            columns.row(&name, &mut runs, effort);
        }
    }
}

struct Ours {
    version: Version,
    client: client::Connection,
    server: server::Connection,
    up: (FrameDecoder, Vec<u8>),
    down: (FrameDecoder, Vec<u8>),
    delivered: usize,
}

impl Ours {
    /// Until nothing is left to send.
    fn run(&mut self) {
        const NOW: Duration = Duration::ZERO;
        loop {
            let (decoder, bytes) = &mut self.up;
            while let Some(packet) = &self.client.poll_transmit(NOW) {
                packet.encode(self.version, bytes).unwrap();
            }
            let mut unread = &bytes[..];
            while let Some(packet) = decoder.decode(&mut unread).as_ref().unwrap() {
                let incoming = self.server.handle_packet(NOW, self.version, packet);
                match &incoming.unwrap() {
                    Some(Incoming::Connect(_)) => {
                        let accepted = ConnAck::new(ReasonCode::Success);
                        self.server.accept(NOW, accepted, &mut None).unwrap();
                    }
                    Some(Incoming::Message(_, token)) => {
                        self.delivered += 1;
                        self.server.acknowledge(*token).unwrap();
                    }
                    _ => {}
                }
            }
            bytes.clear();
            let (decoder, bytes) = &mut self.down;
            while let Some(packet) = &self.server.poll_transmit(NOW) {
                packet.encode(self.version, bytes).unwrap();
            }
            while self.client.poll_event().is_some() {}
            if bytes.is_empty() {
                return;
            }
            let mut unread = &bytes[..];
            while let Some(packet) = decoder.decode(&mut unread).as_ref().unwrap() {
                let _ = self
                    .client
                    .handle_packet(NOW, self.version, packet)
                    .unwrap();
            }
            bytes.clear();
        }
    }
}

fn ours(version: Version, qos: QoS) -> Run {
    let mut pair = Ours {
        version,
        client: client::Connection::new(),
        server: server::Connection::new(Duration::ZERO, Duration::MAX),
        up: (FrameDecoder::server(), Vec::new()),
        down: (FrameDecoder::client(version), Vec::new()),
        delivered: 0,
    };
    let connect = Connect::new("bench".parse().unwrap());
    pair.client.connect(version, connect).unwrap();
    pair.run();
    assert!(pair.client.is_connected());
    let topic = TopicName::try_from(Bytes::from_static(TOPIC.as_bytes())).unwrap();
    let payload = Bytes::from_static(PAYLOAD);
    Box::new(move |meter| {
        let before = pair.delivered;
        meter.measure(BATCH, || {
            for _ in 0..BATCH {
                let message = Message::new(topic.clone(), payload.clone());
                pair.client.publish(qos, message).unwrap();
                pair.run();
            }
        });
        assert_eq!(pair.delivered - before, BATCH);
        assert!(pair.client.session().is_empty());
    })
}

#[derive(Clone, Copy)]
enum Door {
    Bytes,
    Packets,
}

/// What a server reads: of ten packets, four PUBLISH of QoS 0, two of QoS 1, two PUBACK and two
/// PINGREQ.
///
/// Inside: decoding, acknowledging, and encoding the answers. Outside: what PUBACK answers.
fn stream(version: Version, door: Door) -> Run {
    /// Groups of ten packets in a batch.
    const GROUPS: u16 = 32;
    const NOW: Duration = Duration::ZERO;

    let in_flight = NonZeroU16::new(2 * GROUPS).unwrap();
    let mut server = server::Connection::new(NOW, Duration::MAX).max_in_flight(in_flight);
    let mut decoder = FrameDecoder::server();
    let (mut input, mut output) = (Vec::new(), Vec::new());
    let connect = Packet::from(Connect::new("bench".parse().unwrap()));
    connect.encode(version, &mut input).unwrap();
    let mut unread = &input[..];
    match door {
        Door::Bytes => assert!(server.handle_slice(NOW, &mut unread).is_some()),
        Door::Packets => {
            let connect = decoder.decode(&mut unread).unwrap().unwrap();
            let _ = server.handle_packet(NOW, version, &connect).unwrap();
        }
    }
    let accepted = ConnAck::new(ReasonCode::Success);
    server.accept(NOW, accepted, &mut None).unwrap();
    server.poll_bytes(NOW, &mut output);
    let topic = TopicName::try_from(Bytes::from_static(TOPIC.as_bytes())).unwrap();
    let message = Message::new(topic, Bytes::from_static(&PAYLOAD[..16]));
    Box::new(move |meter| {
        let (mut groups, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..2 * GROUPS {
            server.publish(QoS::AtLeastOnce, message.clone()).unwrap();
        }
        while let Some(packet) = server.poll_transmit(NOW) {
            if let Packet::Publish(publish) = packet {
                ids.push(publish.packet_id().unwrap());
            }
        }
        for (id, acknowledged) in (1..).step_by(2).zip(ids.chunks_exact(2)) {
            let mut group = Vec::new();
            let mut put = |packet: Packet<&[u8]>| packet.encode(version, &mut group).unwrap();
            for half in 0..2 {
                let id = PacketId::new(id + half).unwrap();
                let acknowledged = acknowledged[usize::from(half)];
                let publish = |delivery| Publish::of(delivery, message.as_borrowed());
                put(publish(Delivery::AtMostOnce).into());
                put(publish(Delivery::AtLeastOnce(id)).into());
                put(Packet::PubAck(Ack::new(acknowledged)).as_borrowed());
                put(publish(Delivery::AtMostOnce).into());
                put(Packet::PingReq);
            }
            groups.push(group);
        }
        let mut delivered = 0;
        meter.measure(10 * usize::from(GROUPS), || {
            for group in &groups {
                let mut unread = &group[..];
                output.clear();
                match door {
                    Door::Bytes => {
                        while let Some(incoming) = &server.handle_slice(NOW, &mut unread) {
                            if let Incoming::Message(_, token) = incoming {
                                delivered += 1;
                                server.acknowledge(*token).unwrap();
                            }
                        }
                        server.poll_bytes(NOW, &mut output);
                    }
                    Door::Packets => {
                        while let Some(packet) = decoder.decode(&mut unread).as_ref().unwrap() {
                            let incoming = server.handle_packet(NOW, version, packet);
                            if let Some(Incoming::Message(_, token)) = &incoming.unwrap() {
                                delivered += 1;
                                server.acknowledge(*token).unwrap();
                            }
                        }
                        while let Some(packet) = &server.poll_transmit(NOW) {
                            packet.encode(version, &mut output).unwrap();
                        }
                    }
                }
                while server.poll_event().is_some() {}
            }
        });
        assert_eq!(delivered, 6 * GROUPS);
        assert!(server.session().is_empty());
    })
}

struct Core {
    client: mqtt::Connection<mqtt::role::Client>,
    server: mqtt::Connection<mqtt::role::Server>,
    up: Vec<u8>,
    down: Vec<u8>,
    delivered: usize,
    released: usize,
}

impl Core {
    /// Until nothing is left to send.
    fn run(&mut self) {
        while !self.up.is_empty() || !self.down.is_empty() {
            let mut unread = mqtt::common::Cursor::new(&self.up[..]);
            while unread.position() < self.up.len() as u64 {
                for event in self.server.recv(&mut unread) {
                    match event {
                        mqtt::connection::Event::RequestSendPacket { packet, .. } => {
                            put(&packet, &mut self.down);
                        }
                        mqtt::connection::Event::NotifyPacketReceived(packet) => match packet {
                            CorePacket::V3_1_1Publish(_) | CorePacket::V5_0Publish(_) => {
                                self.delivered += 1;
                            }
                            CorePacket::V3_1_1Connect(_) => {
                                let connack = v3_1_1::Connack::builder()
                                    .session_present(false)
                                    .return_code(ConnectReturnCode::Accepted)
                                    .build();
                                send(self.server.checked_send(connack.unwrap()), &mut self.down);
                            }
                            CorePacket::V5_0Connect(_) => {
                                let connack = v5_0::Connack::builder()
                                    .session_present(false)
                                    .reason_code(ConnectReasonCode::Success)
                                    .build();
                                send(self.server.checked_send(connack.unwrap()), &mut self.down);
                            }
                            _ => {}
                        },
                        _ => {}
                    }
                }
            }
            self.up.clear();
            let mut unread = mqtt::common::Cursor::new(&self.down[..]);
            while unread.position() < self.down.len() as u64 {
                for event in self.client.recv(&mut unread) {
                    match event {
                        mqtt::connection::Event::RequestSendPacket { packet, .. } => {
                            put(&packet, &mut self.up);
                        }
                        mqtt::connection::Event::NotifyPacketIdReleased(_) => self.released += 1,
                        _ => {}
                    }
                }
            }
            self.down.clear();
        }
    }
}

fn put(packet: &CorePacket, out: &mut Vec<u8>) {
    for slice in packet.to_buffers() {
        out.extend_from_slice(&slice);
    }
}

fn send(events: Vec<mqtt::connection::Event>, out: &mut Vec<u8>) {
    for event in events {
        if let mqtt::connection::Event::RequestSendPacket { packet, .. } = event {
            put(&packet, out);
        }
    }
}

fn core(version: Version, qos: QoS) -> Run {
    let core_version = match version {
        Version::V311 => mqtt::Version::V3_1_1,
        Version::V5 => mqtt::Version::V5_0,
    };
    let mut pair = Core {
        client: mqtt::Connection::new(core_version),
        server: mqtt::Connection::new(core_version),
        up: Vec::new(),
        down: Vec::new(),
        delivered: 0,
        released: 0,
    };
    pair.client.set_auto_pub_response(true);
    pair.server.set_auto_pub_response(true);
    let events = match version {
        Version::V311 => {
            let connect = v3_1_1::Connect::builder().client_id("bench").unwrap();
            pair.client.checked_send(connect.build().unwrap())
        }
        Version::V5 => {
            let connect = v5_0::Connect::builder().client_id("bench").unwrap();
            pair.client.checked_send(connect.build().unwrap())
        }
    };
    send(events, &mut pair.up);
    pair.run();
    let core_qos = Qos::try_from(qos.level()).unwrap();
    Box::new(move |meter| {
        let (delivered, released) = (pair.delivered, pair.released);
        meter.measure(BATCH, || {
            for _ in 0..BATCH {
                let id = (qos != QoS::AtMostOnce).then(|| pair.client.acquire_packet_id().unwrap());
                macro_rules! publish {
                    ($version:ident) => {{
                        let mut publish = $version::Publish::builder()
                            .topic_name(TOPIC)
                            .unwrap()
                            .qos(core_qos)
                            .payload(PAYLOAD);
                        if let Some(id) = id {
                            publish = publish.packet_id(id);
                        }
                        pair.client.checked_send(publish.build().unwrap())
                    }};
                }
                let events = match version {
                    Version::V311 => publish!(v3_1_1),
                    Version::V5 => publish!(v5_0),
                };
                send(events, &mut pair.up);
                pair.run();
            }
        });
        assert_eq!(pair.delivered - delivered, BATCH);
        if qos != QoS::AtMostOnce {
            assert_eq!(pair.released - released, BATCH);
        }
    })
}
