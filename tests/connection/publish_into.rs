//! `publish_into` does what `publish` and `poll_bytes` do.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use mqtt_sansio::connection::{Incoming, server};
use mqtt_sansio::packet::{Ack, ConnAck, Connect, Packet, Publish};
use mqtt_sansio::property::{ConnectProperties, MessageProperties, SubscriptionId, TopicAlias};
use mqtt_sansio::{
    Delivery, FrameDecoder, Message, PacketId, Publishable, QoS, ReasonCode, Shared, Version,
};

const NOW: Duration = Duration::ZERO;
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

struct End {
    connection: server::Connection<Shared>,
    output: Vec<u8>,
    in_one: bool,
    now: Duration,
}

impl End {
    /// For a client with low limits.
    fn new(version: Version, in_one: bool) -> Self {
        let mut connect = Connect::new("c".parse().unwrap());
        if version == Version::V5 {
            connect.properties = ConnectProperties::builder()
                .receive_maximum(2.try_into().unwrap())
                .maximum_packet_size(100.try_into().unwrap())
                .topic_alias_maximum(1)
                .build();
        }
        let connection = server::Connection::keeping(NOW, Duration::MAX).max_queued(9);
        let mut end = Self {
            connection,
            output: Vec::new(),
            in_one,
            now: NOW,
        };
        end.receive(&connect.into(), version);
        let connack = ConnAck::new(ReasonCode::Success);
        end.connection.accept(NOW, connack, &mut None).unwrap();
        end
    }

    fn receive(&mut self, packet: &Packet, version: Version) {
        let got = self
            .connection
            .handle_packet(self.now, version, packet)
            .unwrap();
        if let Some(Incoming::Message(_, token)) = got {
            self.connection.acknowledge(token).unwrap();
        }
    }

    /// Publishes and writes, into a buffer with this room.
    fn publish(&mut self, qos: QoS, message: &Shared, room: usize) -> String {
        let mut out = (&mut self.output).limit(room);
        let call = match self.in_one {
            true => self
                .connection
                .publish_into(self.now, qos, message, &mut out),
            false => {
                let call = self.connection.publish(qos, message.clone());
                if call.is_ok() {
                    self.connection.poll_bytes(self.now, &mut out);
                }
                call.map_err(|refused| refused.why)
            }
        };
        format!("{call:?}")
    }
}

fn messages() -> Vec<Shared> {
    let message = |len| Message::new("a/b".parse().unwrap(), vec![b'x'; len]);
    let ages = |seconds| {
        let mut message = message(3);
        let properties = MessageProperties::builder();
        message.properties = properties.message_expiry_interval(seconds).build();
        message
    };
    let one = SubscriptionId::new(300);
    vec![
        Shared::new(message(5)),
        Shared::new(message(40)).with_ids(one),
        Shared::new(message(0)).with_ids(one.into_iter().chain(SubscriptionId::new(2))),
        Shared::new(message(200)),
        Shared::new(ages(60)).with_retain(true),
        Shared::new(ages(0)),
    ]
}

#[test]
fn is_publish_and_poll_bytes() {
    for (version, aliases) in [(Version::V311, 0), (Version::V5, 0), (Version::V5, 1)] {
        let mut ends = [true, false].map(|in_one| End::new(version, in_one));
        let messages = messages();
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut below = |end: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % end
        };
        let (mut sent, mut aliased, mut acks, mut written) = (0, 0, VecDeque::new(), 0);
        for step in 0..20_000 {
            let (what, qos) = (below(6), QOS[below(3)]);
            let (message, room) = (&messages[below(messages.len())], below(4) * 60);
            let ack = if what == 2 { acks.pop_front() } else { None };
            let [one, two] = ends.each_mut().map(|end| {
                let mut said = String::new();
                end.now += Duration::from_secs(1);
                match what {
                    0 | 1 => said = end.publish(qos, message, room),
                    2 => ack.iter().for_each(|ack| end.receive(ack, version)),
                    3 if step % 2 == 0 => end.receive(&Packet::PingReq, version),
                    3 => {
                        let delivery = Delivery::AtLeastOnce(PacketId::new(9).unwrap());
                        let topic = "in".parse().unwrap();
                        end.receive(&Publish::new(delivery, topic, "y".into()).into(), version);
                    }
                    4 if aliases > 0 && step % 50 == 0 => {
                        let (topic, alias) = ("a/b".parse().unwrap(), TopicAlias::new(1));
                        end.connection.assign_alias(topic, alias.unwrap()).unwrap();
                    }
                    4 => drop(end.connection.poll_bytes(end.now, &mut end.output)),
                    _ => {
                        end.connection.handle_timeout(end.now);
                        while let Some(event) = end.connection.poll_event() {
                            said += &format!("{event:?}");
                        }
                    }
                }
                (said, end.output.len())
            });
            assert_eq!(one, two, "{version} step {step}: {what} {qos:?}");
            let [one, two] = &ends;
            assert!(
                one.output == two.output,
                "{version} step {step}: {what} {qos:?}"
            );
            // What is sent is answered.
            let mut decoder = FrameDecoder::client(version);
            let mut unread = &ends[0].output[written..];
            while let Ok(Some(packet)) = decoder.decode(&mut unread) {
                match packet {
                    Packet::Publish(publish) => {
                        sent += 1;
                        aliased += usize::from(publish.topic.is_none());
                        acks.extend(publish.packet_id().map(|id| match publish.qos() {
                            QoS::ExactlyOnce => Packet::PubRec(Ack::new(id)),
                            _ => Packet::PubAck(Ack::new(id)),
                        }));
                    }
                    Packet::PubRel(ack) => acks.push_back(Packet::PubComp(Ack::new(ack.packet_id))),
                    _ => {}
                }
                written = ends[0].output.len() - unread.len();
            }
        }
        assert!(sent > 1_000, "{sent}");
        assert_eq!(aliased > 100, aliases > 0, "{aliased}");
    }
}

/// A message that counts its clones.
struct Counted(Message, Rc<Cell<u32>>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.1.set(self.1.get() + 1);
        Self(self.0.clone(), self.1.clone())
    }
}

impl Publishable for Counted {
    fn message(&self, _: Version) -> Message<&[u8]> {
        self.0.as_borrowed()
    }
}

#[test]
fn a_message_of_qos_0_is_not_cloned() {
    for version in [Version::V311, Version::V5] {
        let mut server = server::Connection::<Counted>::keeping(NOW, Duration::MAX);
        let connect = Packet::from(Connect::new("c".parse().unwrap()));
        let _ = server.handle_packet(NOW, version, &connect).unwrap();
        let connack = ConnAck::new(ReasonCode::Success);
        server.accept(NOW, connack, &mut None).unwrap();
        let mut out = Vec::new();
        let message = Message::new("a/b".parse().unwrap(), "x");
        let counted = Counted(message, Rc::default());
        for (qos, clones) in [(QOS[0], 0), (QOS[0], 0), (QOS[1], 1), (QOS[0], 1)] {
            // CONNACK or PINGRESP.
            server.poll_bytes(NOW, &mut out);
            let from = out.len();
            let _ = server.publish_into(NOW, qos, &counted, &mut out).unwrap();
            assert!(out.len() > from);
            assert_eq!(counted.1.get(), clones);
            assert!(server.poll_event().is_some() || qos > QoS::AtMostOnce);
            let ping = &Packet::<Bytes>::PingReq;
            let _ = server.handle_packet(NOW, version, ping).unwrap();
        }
    }
}
