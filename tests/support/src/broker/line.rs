//! A network connection of a well-behaved client, seen from its end.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mqtt_sansio::packet::Publish;
use mqtt_sansio::property::TopicAlias;
use mqtt_sansio::topic::TopicName;
use mqtt_sansio::{FrameDecoder, Packet, PacketId, QoS, ReasonCode, Version};
use reference_broker::ConnectionId;

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
            Packet::Connect(connect) => {
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
                    expiry,
                    will,
                };
                let small = properties.maximum_packet_size().is_some();
                let oracle = &mut net.oracle;
                let present = oracle.connect(actor, live, connect.clean_start, small);
                self.session = Some((oracle.epoch(actor), present));
            }
            Packet::Publish(publish) => {
                let alias = publish.properties.topic_alias();
                if let (Some(alias), Some(topic)) = (alias, &publish.topic) {
                    self.aliases.insert(alias, topic.clone());
                }
                if publish.payload.is_empty() {
                    let known = alias.and_then(|alias| self.aliases.get(&alias));
                    let topic = publish.topic.as_ref().or(known).unwrap();
                    return net.oracle.clear(topic.as_str());
                }
                let message = &net.messages[number(&publish.payload) as usize];
                if message.topic != DENIED {
                    net.oracle.publish(message);
                }
            }
            Packet::Subscribe(subscribe) => {
                let id = subscribe.properties.subscription_identifier();
                let mut codes = Vec::new();
                for request in &subscribe.subscriptions {
                    let new = Subscription {
                        qos: request.options.maximum_qos,
                        no_local: request.options.no_local,
                        as_published: request.options.retain_as_published,
                        handling: request.options.retain_handling,
                        id: id.map(|id| id.get()),
                    };
                    let all = FILTERS.iter().chain(SHARED);
                    let filter = all.copied().find(|each| *each == request.filter.as_str());
                    net.oracle.subscribe(actor, filter.unwrap(), new);
                    codes.push(match new.qos {
                        QoS::AtMostOnce => ReasonCode::Success,
                        QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
                        QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
                    });
                }
                self.codes.insert(subscribe.packet_id, codes);
            }
            Packet::Unsubscribe(unsubscribe) => {
                let mut codes = Vec::new();
                for filter in &unsubscribe.filters {
                    codes.push(match net.oracle.unsubscribe(actor, filter.as_str()) {
                        true => ReasonCode::Success,
                        false => ReasonCode::NoSubscriptionExisted,
                    });
                }
                self.codes.insert(unsubscribe.packet_id, codes);
            }
            Packet::Disconnect(disconnect) => {
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
            _ => {}
        }
    }

    pub(super) fn deliver(
        &self,
        actor: usize,
        net: &mut Net,
        topic: &TopicName,
        publish: &Publish,
        sent_at: Duration,
    ) {
        if publish.payload.is_empty() || topic.as_str().starts_with("h/") {
            return;
        }
        let message = &net.messages[number(&publish.payload) as usize];
        assert_eq!(message.topic, topic.as_str());
        assert_eq!(payload(message), publish.payload);
        let properties = &publish.properties;
        if self.version == Version::V5 {
            let copies = properties.user_properties().count();
            assert_eq!(copies, usize::from(message.property));
        }
        let ids = properties.subscription_identifiers().map(|id| id.get());
        let look = Look {
            version: self.version,
            qos: publish.qos(),
            dup: publish.dup,
            retain: publish.retain,
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
