//! A network connection of a well-behaved client, seen from its end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mqtt_sansio::packet::{Connect, Disconnect, Publish, Subscribe, Unsubscribe};
use mqtt_sansio::property::TopicAlias;
use mqtt_sansio::session::Token;
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{FrameDecoder, Message as Content, Packet, PacketId, QoS, ReasonCode, Version};
use reference_broker::ConnectionId;

use super::actor::SMALL;
use super::due::{Look, Message, Subscription};
use super::net::{DENIED, FILTERS, Net, SHARED};
use super::oracle::Live;

/// The size of a large message.
const LARGE: usize = 300;

/// A network connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: ConnectionId,
    pub(super) version: Version,
    pub(super) decoder: FrameDecoder,
    /// The rest of a packet whose beginning is sent.
    pub(super) up: Option<(Packet, Vec<u8>)>,
    /// What the broker has sent, and when, not read yet.
    pub(super) down: VecDeque<(Duration, Packet)>,
    /// Whether the broker has closed it.
    pub(super) ended: bool,
    pub(super) clean: bool,
    /// Whether CONNACK has been read, and not behind the client's own DISCONNECT.
    pub(super) greeted: bool,
    /// The session, and whether it was there before.
    pub(super) session: Option<(u32, bool)>,
    /// The codes that have to come in SUBACK and UNSUBACK.
    pub(super) codes: BTreeMap<PacketId, Vec<ReasonCode>>,
    /// The client's topic aliases.
    pub(super) aliases: BTreeMap<TopicAlias, TopicName>,
}

impl Line {
    /// The broker has taken a packet: tells the oracle.
    pub(super) fn taken(&mut self, actor: usize, net: &mut Net, packet: &Packet) {
        match packet {
            Packet::Connect(connect) => self.connects(actor, net, connect),
            Packet::Publish(publish) => self.publishes(net, publish),
            // Nothing is done for a client that leaves too many answers unread.
            Packet::Subscribe(_) | Packet::Unsubscribe(_) if net.broker.is_closing(self.id) => {}
            Packet::Subscribe(subscribe) => self.subscribes(actor, net, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribes(actor, net, unsubscribe),
            Packet::Disconnect(disconnect) => self.disconnects(actor, net, disconnect),
            _ => {}
        }
    }

    fn connects(&mut self, actor: usize, net: &mut Net, connect: &Connect) {
        if net.broker.is_closing(self.id) {
            return;
        }
        let properties = &connect.properties;
        let expiry = match self.version {
            Version::V311 if !connect.clean_start => u32::MAX,
            _ => properties.session_expiry_interval().unwrap_or(0),
        };
        let will = connect.will.as_ref().map(|will| {
            let number = number(will.payload.as_bytes());
            let delay = will.properties.will_delay_interval().unwrap_or(0);
            let mut message = net.messages[number as usize].clone();
            message.expiry = will.properties.message_expiry_interval();
            (delay, message)
        });
        let live = Live {
            line: self.id,
            version: self.version,
            expiry,
            will,
        };
        let takes = properties.maximum_packet_size();
        let small = takes.is_some_and(|most| most.get() == SMALL);
        let oracle = &mut net.oracle;
        let present = oracle.connect(actor, live, connect.clean_start, small);
        self.session = Some((oracle.epoch(actor), present));
    }

    fn publishes(&mut self, net: &mut Net, publish: &Publish) {
        let alias = publish.properties.topic_alias();
        if let (Some(alias), Some(topic)) = (alias, &publish.topic) {
            self.aliases.insert(alias, topic.clone());
        }
        if publish.payload.is_empty() {
            let known = alias.and_then(|alias| self.aliases.get(&alias));
            let topic = publish.topic.as_ref().or(known).unwrap();
            return net.oracle.clear(topic.to_str());
        }
        let mut message = net.messages[number(&publish.payload) as usize].clone();
        // What is left of it, if it waited.
        message.expiry = publish.properties.message_expiry_interval();
        if message.topic != DENIED {
            net.oracle.publish(&message);
        }
    }

    fn subscribes(&mut self, actor: usize, net: &mut Net, subscribe: &Subscribe) {
        let id = subscribe.properties.subscription_identifier();
        let (mut codes, mut wanted) = (Vec::new(), BTreeSet::new());
        for request in &subscribe.subscriptions {
            let new = Subscription {
                qos: request.options.maximum_qos,
                no_local: request.options.no_local,
                as_published: request.options.retain_as_published,
                handling: request.options.retain_handling,
                id: id.map(|id| id.get()),
            };
            let all = FILTERS.iter().chain(SHARED);
            let filter = all.copied().find(|each| *each == request.filter.to_str());
            if net.oracle.subscribe(actor, filter.unwrap(), new) {
                wanted.insert(filter.unwrap());
            }
            codes.push(match new.qos {
                QoS::AtMostOnce => ReasonCode::Success,
                QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
                QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
            });
        }
        for filter in wanted {
            net.oracle.send_retained(actor, filter);
        }
        self.codes.insert(subscribe.packet_id, codes);
    }

    fn unsubscribes(&mut self, actor: usize, net: &mut Net, unsubscribe: &Unsubscribe) {
        let mut codes = Vec::new();
        for filter in &unsubscribe.filters {
            codes.push(match net.oracle.unsubscribe(actor, filter.to_str()) {
                true => ReasonCode::Success,
                false => ReasonCode::NoSubscriptionExisted,
            });
        }
        self.codes.insert(unsubscribe.packet_id, codes);
    }

    fn disconnects(&self, actor: usize, net: &mut Net, disconnect: &Disconnect) {
        let live = net.oracle.live(actor).filter(|live| live.line == self.id);
        if let Some(live) = live {
            if let Some(seconds) = disconnect.properties.session_expiry_interval() {
                live.expiry = seconds;
            }
            if disconnect.reason == ReasonCode::Success {
                live.will = None;
            }
        }
    }

    pub(super) fn deliver(
        &self,
        actor: usize,
        net: &mut Net,
        came: &Content<&[u8]>,
        token: Token,
        sent_at: Duration,
    ) {
        if came.payload.is_empty() || came.topic.to_str().starts_with("h/") {
            return;
        }
        let message = &net.messages[number(came.payload) as usize];
        assert_eq!(message.topic, came.topic.to_str());
        assert_eq!(payload(message), came.payload);
        let properties = &came.properties;
        if self.version == Version::V5 {
            let copies = properties.user_properties().count();
            assert_eq!(copies, usize::from(message.property));
        }
        let ids = properties.subscription_identifiers().map(|id| id.get());
        let look = Look {
            version: self.version,
            qos: token.qos(),
            dup: token.dup(),
            retain: came.retain,
            ids: ids.collect(),
            expiry: properties.message_expiry_interval(),
            sent_at,
            epoch: self.session.expect("CONNECT").0,
        };
        net.oracle.deliver(actor, message, look);
    }
}

/// The number of a message.
fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

pub(super) fn payload(message: &Message) -> Vec<u8> {
    let mut payload = message.number.to_be_bytes().to_vec();
    payload.resize(if message.large { LARGE } else { 4 }, 0);
    payload
}
