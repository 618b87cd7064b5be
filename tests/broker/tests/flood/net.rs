//! A broker that is flooded while somebody else is served, and what is on the heap for it.

use std::alloc::System;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_sansio::packet::{
    Ack, Connect, Publish, Subscribe, SubscriptionOptions, Subscriptions, TopicFilters, Unsubscribe,
};
use mqtt_sansio::property::{ConnectProperties, SubscribeProperties, SubscriptionId};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Delivery, FrameDecoder, Packet, PacketId, QoS, ReasonCode, Version};
use reference_broker::{Broker, Config, ConnectionId, Policy};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

pub(crate) const BOTH: [Version; 2] = [Version::V311, Version::V5];

pub(crate) struct Net {
    pub(crate) broker: Broker,
    pub(crate) now: Duration,
    heap: Region<'static, System>,
    /// The client that is served all the while.
    other: Peer,
}

/// The client's end of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    pub(crate) version: Version,
}

pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.sys_interval = None;
    config
}

pub(crate) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

/// CONNECT with a session that stays.
pub(crate) fn connect(version: Version, name: &str) -> Connect {
    let mut connect = Connect::new(name.parse().unwrap());
    connect.clean_start = false;
    if version == Version::V5 {
        let builder = ConnectProperties::builder();
        connect.properties = builder.session_expiry_interval(u32::MAX).build();
    }
    connect
}

pub(crate) fn message(qos: QoS, packet: u16, topic: &str, len: usize) -> Publish {
    let delivery = match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce(id(packet)),
        QoS::ExactlyOnce => Delivery::ExactlyOnce(id(packet)),
    };
    Publish::new(delivery, topic.parse().unwrap(), vec![0; len].into())
}

pub(crate) fn subscribe(filters: &[&str], number: Option<u32>) -> Packet {
    let options = SubscriptionOptions::new(QoS::ExactlyOnce);
    let requests = filters
        .iter()
        .map(|filter| (TopicFilter::new(filter).unwrap(), options));
    let mut subscribe = Subscribe::new(id(1), Subscriptions::new(requests).unwrap());
    if let Some(number) = number.and_then(SubscriptionId::new) {
        let builder = SubscribeProperties::builder();
        subscribe.properties = builder.subscription_identifier(number).build();
    }
    Packet::Subscribe(subscribe)
}

pub(crate) fn unsubscribe(filter: &str) -> Packet {
    let filters = TopicFilters::new([TopicFilter::new(filter).unwrap()]).unwrap();
    Packet::Unsubscribe(Unsubscribe::new(id(1), filters))
}

impl Net {
    pub(crate) fn new(config: Config) -> Self {
        Self::over(Broker::new(config))
    }

    pub(crate) fn with_policy(config: Config, policy: impl Policy + 'static) -> Self {
        Self::over(Broker::with_policy(config, policy))
    }

    fn over(mut broker: Broker) -> Self {
        let version = Version::V5;
        let id = broker.accept(Duration::ZERO);
        let other = Peer { id, version };
        let mut net = Self {
            broker,
            now: Duration::ZERO,
            heap: Region::new(ALLOCATOR),
            other,
        };
        net.send(other, Connect::new("other".parse().unwrap()));
        net.send(other, subscribe(&["other"], None));
        assert_eq!(net.receive(other).len(), 2);
        net.serve();
        net.heap.reset();
        net
    }

    /// A network connection on which nothing has been said.
    pub(crate) fn open(&mut self, version: Version) -> Peer {
        let id = self.broker.accept(self.now);
        self.look_around();
        Peer { id, version }
    }

    /// A connection that is accepted.
    pub(crate) fn join(&mut self, version: Version, name: &str) -> Peer {
        let peer = self.open(version);
        self.send(peer, connect(version, name));
        let packets = self.receive(peer);
        assert!(matches!(&packets[..], [Packet::ConnAck(ack)] if !ack.reason.is_error()));
        peer
    }

    pub(crate) fn send(&mut self, peer: Peer, packet: impl Into<Packet>) {
        let mut bytes = Vec::new();
        packet.into().encode(peer.version, &mut bytes).unwrap();
        self.bytes(peer, &bytes);
    }

    pub(crate) fn bytes(&mut self, peer: Peer, bytes: &[u8]) {
        self.broker.handle_bytes(self.now, peer.id, bytes);
    }

    pub(crate) fn receive(&mut self, peer: Peer) -> Vec<Packet> {
        let mut bytes: BytesMut = self.broker.take_output(peer.id);
        let mut decoder = FrameDecoder::client(peer.version);
        let packets = std::iter::from_fn(|| decoder.decode_shared(&mut bytes).unwrap());
        packets.collect()
    }

    /// Sends a packet, and gives the one that answers.
    pub(crate) fn ask(&mut self, peer: Peer, packet: impl Into<Packet>) -> Packet {
        self.send(peer, packet);
        let mut packets = self.receive(peer);
        assert_eq!(packets.len(), 1, "{packets:?}");
        packets.remove(0)
    }

    pub(crate) fn cut(&mut self, peer: Peer) {
        self.broker.handle_close(self.now, peer.id);
    }

    /// Whether the connection is over, with this as the last packet, which 3.1.1 lacks.
    pub(crate) fn assert_closed(&mut self, peer: Peer, reason: ReasonCode) {
        assert!(self.broker.is_closing(peer.id));
        let last = self.receive(peer).pop();
        match peer.version {
            Version::V311 => assert!(!matches!(last, Some(Packet::Disconnect(_)))),
            Version::V5 => {
                let found = matches!(&last, Some(Packet::Disconnect(d)) if d.reason == reason);
                assert!(found, "{last:?}");
            }
        }
        self.cut(peer);
    }

    /// As what serves a broker does: closes what it wants closed. Its last words are lost.
    fn look_around(&mut self) {
        while let Some(id) = self.broker.poll_connection() {
            if self.broker.is_closing(id) {
                self.broker.handle_close(self.now, id);
            }
        }
    }

    /// Somebody else publishes and gets it.
    pub(crate) fn serve(&mut self) {
        let other = self.other;
        self.send(other, message(QoS::AtLeastOnce, 9, "other", 10));
        let packets = self.receive(other);
        let [Packet::PubAck(_), Packet::Publish(publish)] = &packets[..] else {
            panic!("{packets:?}");
        };
        let id = publish.delivery.packet_id().unwrap();
        self.send(other, Packet::PubAck(Ack::new(id)));
        assert_eq!(self.ask(other, Packet::PingReq), Packet::PingResp);
    }

    /// Begins to count the heap anew.
    pub(crate) fn reset(&mut self) {
        self.serve();
        self.heap.reset();
    }

    /// How many bytes are on the heap since the flood began.
    pub(crate) fn held(&mut self) -> usize {
        self.serve();
        let change = self.heap.change();
        change.bytes_allocated - change.bytes_deallocated
    }

    /// What the broker counts is what is on the heap, or somewhat more.
    pub(crate) fn assert_counted(&mut self, what: &str, counted: usize) {
        let held = self.held();
        println!("{what}: {held} bytes on the heap, {counted} counted");
        assert!(held <= counted, "{what}");
        assert!(held >= counted / 3, "{what}: not what is held");
    }

    /// How much the broker looks at, and how often it allocates.
    pub(crate) fn work(&mut self, work: impl FnOnce(&mut Self)) -> (u64, usize) {
        let (steps, heap) = (self.broker.steps(), Region::new(ALLOCATOR));
        work(self);
        (self.broker.steps() - steps, heap.change().allocations)
    }

    /// How many bytes are on the heap since the flood began: at most so many, and at least a part of
    /// that, so that it is the limit that is reached.
    pub(crate) fn assert_held(&mut self, what: &str, most: usize) {
        let grown = self.held();
        println!("{what}: {grown} bytes on the heap, {most} at most");
        assert!(grown <= most, "{what}");
        assert!(grown >= most / 8, "{what}: not a flood");
    }
}
