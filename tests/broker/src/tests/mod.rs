//! Clients of both versions that speak to a broker in packets, in virtual time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mqtt_sansio::packet::{
    Ack, ConnAck, Connect, Disconnect, Publish, Subscribe, SubscriptionOptions, Subscriptions,
    TopicFilters, Unsubscribe, Will,
};
use mqtt_sansio::property::{
    ConnectProperties, PublishProperties, SubscribeProperties, SubscriptionId, WillProperties,
};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{
    Binary, Delivery, FrameDecoder, Packet, PacketId, QoS, ReasonCode, Text, Version,
};

use crate::{Broker, Config, ConnectionId, Policy};

mod chaos;
mod crashes;
mod exchanges;
mod faults;
mod limits;
mod offers;
mod policies;
mod retained;
mod routes;
mod sessions;
mod shares;
mod spawned;
mod subscriptions;
mod wills;

const BOTH: [Version; 2] = [Version::V311, Version::V5];

/// A broker and the time.
struct Net {
    broker: Broker,
    now: Duration,
}

/// The client's end of a connection.
struct Peer {
    id: ConnectionId,
    version: Version,
    decoder: FrameDecoder,
    next: u16,
    /// What came behind an answer.
    unread: Vec<Packet>,
}

fn quiet() -> Config {
    Config {
        sys_interval: None,
        ..Config::default()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

/// CONNECT with a session that is kept for `expiry` seconds, clean or not.
fn connect(version: Version, name: &str, clean: bool, expiry: u32) -> Connect {
    let mut connect = Connect::new(name.parse().unwrap());
    connect.clean_start = clean;
    if version == Version::V5 && expiry > 0 {
        let builder = ConnectProperties::builder();
        connect.properties = builder.session_expiry_interval(expiry).build();
    }
    connect
}

/// CONNECT that keeps the session, in either version.
fn lasting(version: Version, name: &str) -> Connect {
    connect(version, name, false, u32::MAX)
}

fn will(topic: &str, payload: &'static str, delay: u32) -> Will {
    let payload = Binary::new(payload.as_bytes()).unwrap().to_owned();
    let mut will = Will::new(topic.parse().unwrap(), payload);
    if delay > 0 {
        will.properties = WillProperties::builder().will_delay_interval(delay).build();
    }
    will
}

fn message(qos: QoS, packet: u16, topic: &str, payload: &str) -> Publish {
    let delivery = match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce(id(packet)),
        QoS::ExactlyOnce => Delivery::ExactlyOnce(id(packet)),
    };
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Publish::new(delivery, topic.parse().unwrap(), payload)
}

fn expiring(mut publish: Publish, seconds: u32) -> Publish {
    let builder = PublishProperties::builder();
    publish.properties = builder.message_expiry_interval(seconds).build();
    publish
}

fn retained(mut publish: Publish) -> Publish {
    publish.retain = true;
    publish
}

fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions::new(qos)
}

impl Net {
    fn new(config: Config) -> Self {
        Self {
            broker: Broker::new(config),
            now: Duration::ZERO,
        }
    }

    fn with_policy(policy: impl Policy + 'static) -> Self {
        Self {
            broker: Broker::with_policy(quiet(), policy),
            now: Duration::ZERO,
        }
    }

    /// A network connection on which nothing has been said.
    fn open(&mut self, version: Version) -> Peer {
        Peer {
            id: self.broker.accept(self.now),
            version,
            decoder: FrameDecoder::client(version),
            next: 1,
            unread: Vec::new(),
        }
    }

    /// A connection, and the answer to CONNECT.
    fn connect(&mut self, version: Version, connect: Connect) -> (Peer, ConnAck) {
        let mut peer = self.open(version);
        self.send(&peer, connect);
        let mut packets = self.receive(&mut peer);
        let Packet::ConnAck(connack) = packets.remove(0) else {
            panic!("no CONNACK");
        };
        peer.unread = packets;
        (peer, connack)
    }

    /// A connection with a clean session.
    fn join(&mut self, version: Version, name: &str) -> Peer {
        let (peer, connack) = self.connect(version, connect(version, name, true, 0));
        assert_eq!(connack.reason, ReasonCode::Success);
        peer
    }

    /// In two pieces, so that packets arrive in parts.
    fn send(&mut self, peer: &Peer, packet: impl Into<Packet>) {
        let mut bytes = Vec::new();
        packet.into().encode(peer.version, &mut bytes).unwrap();
        let (start, rest) = bytes.split_at(bytes.len() / 2);
        self.bytes(peer, start);
        self.bytes(peer, rest);
    }

    fn bytes(&mut self, peer: &Peer, bytes: &[u8]) {
        self.broker.handle_bytes(self.now, peer.id, bytes);
    }

    /// What the broker sends.
    fn receive(&mut self, peer: &mut Peer) -> Vec<Packet> {
        let mut bytes: BytesMut = self.broker.take_output(peer.id);
        let mut packets = std::mem::take(&mut peer.unread);
        while let Some(packet) = peer.decoder.decode_shared(&mut bytes).unwrap() {
            packets.push(packet);
        }
        assert!(bytes.is_empty());
        packets
    }

    /// What the broker sends last, where it is also to close the connection.
    fn last_words(&mut self, peer: &mut Peer) -> Vec<Packet> {
        let packets = self.receive(peer);
        assert!(self.broker.is_closing(peer.id));
        self.cut(peer);
        packets
    }

    /// The network connection ends.
    fn cut(&mut self, peer: &Peer) {
        self.broker.handle_close(self.now, peer.id);
    }

    /// DISCONNECT, and the end.
    fn leave(&mut self, peer: &Peer) {
        self.send(peer, Disconnect::new(ReasonCode::Success));
        assert!(self.broker.is_closing(peer.id));
        self.cut(peer);
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.broker.next_timeout().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.broker.handle_timeout(self.now);
        }
        self.now = until;
        self.broker.handle_timeout(until);
    }

    fn subscribe(&mut self, peer: &mut Peer, filter: &str, qos: QoS) {
        let codes = self.subscribe_with(peer, filter, options(qos), None);
        assert_eq!(codes[0].to_u8(), qos.level());
    }

    /// SUBSCRIBE. The codes, without what comes behind SUBACK.
    fn subscribe_with(
        &mut self,
        peer: &mut Peer,
        filter: &str,
        options: SubscriptionOptions,
        number: Option<u32>,
    ) -> Vec<ReasonCode> {
        let filter = TopicFilter::new(filter).unwrap();
        let subscriptions = Subscriptions::new([(filter, options)]).unwrap();
        let mut subscribe = Subscribe::new(id(9_999), subscriptions);
        if let Some(number) = number {
            let number = SubscriptionId::new(number).unwrap();
            let builder = SubscribeProperties::builder().subscription_identifier(number);
            subscribe.properties = builder.build();
        }
        self.send(peer, Packet::Subscribe(subscribe));
        let mut packets = self.receive(peer);
        let Packet::SubAck(suback) = packets.remove(0) else {
            panic!("no SUBACK");
        };
        peer.unread = packets;
        suback.reasons.iter().collect()
    }

    fn unsubscribe(&mut self, peer: &mut Peer, filter: &str) -> Vec<ReasonCode> {
        let filters = TopicFilters::new([TopicFilter::new(filter).unwrap()]).unwrap();
        let request = Unsubscribe::new(id(9_998), filters);
        self.send(peer, Packet::Unsubscribe(request));
        match &self.receive(peer)[..] {
            [Packet::UnsubAck(unsuback)] => unsuback.reasons.iter().collect(),
            other => panic!("{other:?}"),
        }
    }

    /// What the broker sends, but for messages and their exchanges, which wait.
    fn answers(&mut self, peer: &mut Peer) -> Vec<Packet> {
        let packets = self.receive(peer).into_iter();
        let (messages, answers) =
            packets.partition(|packet| matches!(packet, Packet::Publish(_) | Packet::PubRel(_)));
        peer.unread = messages;
        answers
    }

    /// Publishes and finishes the exchange. The code of PUBACK or PUBREC.
    fn publish(&mut self, peer: &mut Peer, publish: Publish) -> Option<ReasonCode> {
        let packet = publish.delivery.packet_id();
        let qos = publish.qos();
        self.send(peer, publish);
        let answers = self.answers(peer);
        match (qos, &answers[..]) {
            (QoS::AtMostOnce, []) => None,
            (QoS::AtLeastOnce, [Packet::PubAck(ack)]) => Some(ack.reason),
            (QoS::ExactlyOnce, [Packet::PubRec(ack)]) => {
                if !ack.reason.is_error() {
                    self.send(peer, Packet::PubRel(Ack::new(packet.unwrap())));
                    let done = self.answers(peer);
                    assert!(matches!(done[..], [Packet::PubComp(_)]), "{done:?}");
                }
                Some(ack.reason)
            }
            (_, other) => panic!("{other:?}"),
        }
    }

    fn say(&mut self, peer: &mut Peer, qos: QoS, topic: &str, payload: &str) -> Option<ReasonCode> {
        peer.next += 1;
        self.publish(peer, message(qos, peer.next, topic, payload))
    }

    /// Adds the messages that come, each in words, and gives how many there are.
    fn receive_some(&mut self, peer: &mut Peer, all: &mut Vec<String>) -> usize {
        let before = all.len();
        all.extend(self.messages(peer));
        all.len() - before
    }

    /// The messages that come, each in words, with their exchanges finished.
    fn messages(&mut self, peer: &mut Peer) -> Vec<String> {
        let mut words = Vec::new();
        loop {
            let packets = self.receive(peer);
            if packets.is_empty() {
                return words;
            }
            for packet in packets {
                match packet {
                    Packet::Publish(publish) => {
                        words.push(in_words(&publish));
                        match publish.delivery {
                            Delivery::AtMostOnce => {}
                            Delivery::AtLeastOnce(id) => {
                                self.send(peer, Packet::PubAck(Ack::new(id)));
                            }
                            Delivery::ExactlyOnce(id) => {
                                self.send(peer, Packet::PubRec(Ack::new(id)));
                            }
                        }
                    }
                    Packet::PubRel(ack) => {
                        self.send(peer, Packet::PubComp(Ack::new(ack.packet_id)));
                    }
                    Packet::SubAck(_) | Packet::PingResp => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

/// `topic=payload q1 retained dup #3 #7 for 5s`, without what does not hold.
fn in_words(publish: &Publish) -> String {
    let topic = publish.topic.as_ref().map_or("", |topic| topic.to_str());
    let payload = String::from_utf8_lossy(&publish.payload);
    let mut words = format!("{topic}={payload} q{}", publish.qos().level());
    if publish.retain {
        words += " retained";
    }
    if publish.dup {
        words += " dup";
    }
    for number in publish.properties.subscription_identifiers() {
        words += &format!(" #{}", number.get());
    }
    if let Some(seconds) = publish.properties.message_expiry_interval() {
        words += &format!(" for {seconds}s");
    }
    words
}

fn text(text: &str) -> Text<&[u8]> {
    Text::new(text).unwrap()
}
