//! What the inputs of an alphabet do with a broker, and its answers as words.

use std::collections::{BTreeMap, VecDeque};

use mqtt_sansio::packet::{Ack, Publish};
use mqtt_sansio::{Delivery, FrameDecoder, Packet, PacketId, ReasonCode, Version};
use reference_broker::Config;
use support::notation::bytes;
use support::script::{End, Link, Net, Script};

/// What an input does. A letter names a client, in the machine and as its client identifier.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// A new network connection, and what is sent on it.
    Open(char, &'static str),
    /// Packets, where there is a connection.
    Send(char, &'static str),
    /// The same, unless so many messages are there for these clients together.
    SendBelow(char, &'static str, usize, &'static str),
    /// Sends what the client owes for the oldest message.
    Answer(char),
    /// Answers the oldest message with PUBREC and an error, where PUBREC is owed.
    Refuse(char),
    /// The end of the network connection.
    Cut(char),
    /// So many seconds pass.
    Wait(u64),
}

/// A broker and its clients.
pub(crate) struct World {
    version: Version,
    net: Net,
    clients: BTreeMap<char, Client>,
    /// Whose answers are no output.
    hidden: &'static [char],
}

#[derive(Default)]
struct Client {
    link: Option<Script<Link>>,
    /// The connection before, until what came on it is read.
    old: Option<Script<Link>>,
    /// The packet identifiers of the broker's messages, which go round: the place in here stands for
    /// each of them.
    ids: Vec<Option<u16>>,
    /// What is to be answered, the oldest first: the packet type as it is sent, and the identifier.
    owed: VecDeque<(u8, u16)>,
}

const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBCOMP: u8 = 0x70;

impl World {
    pub(crate) fn new(version: Version, set: fn(&mut Config), hidden: &'static [char]) -> Self {
        Self {
            version,
            net: Net::with(set),
            clients: BTreeMap::new(),
            hidden,
        }
    }

    /// Does it, and tells what comes of it: `-` where there is nothing to do it with, `beyond` where
    /// it would lead beyond the bound.
    pub(crate) fn act(&mut self, act: Act) -> String {
        match act {
            Act::Wait(seconds) => self.net.wait(seconds),
            Act::Open(name, text) => {
                let mut link = self.net.open(self.version);
                link.end.handle_bytes(&bytes(self.version, text));
                let client = self.clients.entry(name).or_default();
                client.owed.clear();
                client.old = client.link.replace(link);
            }
            Act::SendBelow(name, text, most, to) => {
                let messages = to.chars().map(|to| self.net.messages(&to.to_string()));
                if messages.sum::<usize>() >= most {
                    return "beyond".into();
                }
                return self.act(Act::Send(name, text));
            }
            Act::Send(name, _) | Act::Answer(name) | Act::Refuse(name) | Act::Cut(name) => {
                let client = self.clients.entry(name).or_default();
                if client.act(act).is_none() {
                    return "-".into();
                }
            }
        }
        let mut words = Vec::new();
        for (name, client) in &mut self.clients {
            let mut said = Vec::new();
            client.read(&mut said);
            if !self.hidden.contains(name) {
                let label = |word| match name {
                    'a' => word,
                    _ => format!("{name}: {word}"),
                };
                words.extend(said.into_iter().map(label));
            }
        }
        match words.is_empty() {
            true => "nothing".into(),
            false => words.join(", "),
        }
    }
}

impl Client {
    fn act(&mut self, act: Act) -> Option<()> {
        let link = self.link.as_mut()?;
        match act {
            Act::Send(_, text) => link.end.handle_bytes(&bytes(link.version, text)),
            Act::Answer(_) => {
                let (packet, id) = self.owed.pop_front()?;
                let [high, low] = id.to_be_bytes();
                if packet != PUBREC {
                    self.forget(id);
                }
                let link = self.link.as_mut()?;
                link.end.handle_bytes(&[packet, 2, high, low]);
            }
            Act::Refuse(_) => {
                let &(PUBREC, id) = self.owed.front()? else {
                    return None;
                };
                self.owed.pop_front();
                self.forget(id);
                let [high, low] = id.to_be_bytes();
                let link = self.link.as_mut()?;
                link.end.handle_bytes(&[PUBREC, 3, high, low, 0x83]);
            }
            _ => {
                self.link.take()?.cut();
                self.owed.clear();
            }
        }
        Some(())
    }

    fn read(&mut self, words: &mut Vec<String>) {
        if let Some(mut old) = self.old.take() {
            let mut said = Vec::new();
            self.read_link(&mut old, &mut said);
            words.extend(said.into_iter().map(|word| format!("old {word}")));
            if old.end.is_closing() {
                words.push("old closed".into());
            }
            old.cut();
        }
        if let Some(mut link) = self.link.take() {
            self.read_link(&mut link, words);
            if link.end.is_closing() {
                words.push("closed".into());
                self.owed.clear();
                link.cut();
            } else {
                self.link = Some(link);
            }
        }
    }

    fn read_link(&mut self, link: &mut Script<Link>, words: &mut Vec<String>) {
        let bytes = link.end.take_output();
        let (mut rest, mut packets) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let mut decoder = FrameDecoder::new(link.version).max_packet_size(u32::MAX);
            let start = rest;
            if let Ok(Some(packet)) = decoder.decode(&mut rest) {
                packets.push((packet, ""));
            } else {
                // CONNACK in the other version, as the broker does not have the one of CONNECT.
                let mut decoder = FrameDecoder::new(Version::V311);
                rest = start;
                let packet = decoder.decode(&mut rest).unwrap().expect("a packet");
                packets.push((packet, " in 3.1.1"));
            }
        }
        let mut all = packets.iter().map(|(packet, _)| packet);
        if all.any(|packet| matches!(packet, Packet::ConnAck(_))) {
            // An exchange with which the broker does not go on at once is over here.
            let named: Vec<_> = packets
                .iter()
                .map(|(packet, _)| packet.packet_id())
                .collect();
            for id in &mut self.ids {
                *id = id.filter(|id| named.contains(&PacketId::new(*id)));
            }
        }
        for (packet, version) in packets {
            words.push(format!("{}{version}", self.word(&packet.to_owned())));
        }
    }

    fn word(&mut self, packet: &Packet) -> String {
        match packet {
            Packet::ConnAck(connack) => {
                if !connack.session_present {
                    self.ids.clear();
                }
                let present = if connack.session_present {
                    " present"
                } else {
                    ""
                };
                let expiry = connack.properties.session_expiry_interval();
                let expiry = expiry.map_or_else(String::new, |expiry| format!(" expiry {expiry}"));
                format!("ConnAck{}{present}{expiry}", code(connack.reason))
            }
            Packet::Publish(publish) => self.publish(publish),
            Packet::PubAck(ack) => own("PubAck", ack),
            Packet::PubRec(ack) => own("PubRec", ack),
            Packet::PubComp(ack) => own("PubComp", ack),
            Packet::PubRel(ack) => {
                let id = ack.packet_id.get();
                self.owed.push_back((PUBCOMP, id));
                format!("PubRel {}{}", self.number(id), code(ack.reason))
            }
            Packet::SubAck(ack) => format!("SubAck{}", codes(ack.reasons.iter())),
            Packet::UnsubAck(ack) => format!("UnsubAck{}", codes(ack.reasons.iter())),
            Packet::Disconnect(disconnect) => format!("Disconnect{}", code(disconnect.reason)),
            Packet::Auth(auth) => format!("Auth{}", code(auth.reason)),
            other => format!("{:?}", other.packet_type()),
        }
    }

    fn publish(&mut self, publish: &Publish) -> String {
        let topic = publish.topic.as_ref().map_or("", |topic| topic.to_str());
        let payload = String::from_utf8_lossy(&publish.payload);
        let mut word = format!("Publish {topic}={payload}");
        match publish.delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce(id) => {
                self.owed.push_back((PUBACK, id.get()));
                word += &format!(" qos 1 id {}", self.number(id.get()));
            }
            Delivery::ExactlyOnce(id) => {
                self.owed.push_back((PUBREC, id.get()));
                word += &format!(" qos 2 id {}", self.number(id.get()));
            }
        }
        let properties = &publish.properties;
        let flags = [(publish.dup, " dup"), (publish.retain, " retained")];
        word.extend(flags.iter().filter(|(is, _)| *is).map(|(_, flag)| *flag));
        if let Some(alias) = properties.topic_alias() {
            word += &format!(" alias {}", alias.get());
        }
        if let Some(expiry) = properties.message_expiry_interval() {
            word += &format!(" expiry {expiry}");
        }
        for id in properties.subscription_identifiers() {
            word += &format!(" for {}", id.get());
        }
        word
    }

    /// The place of an identifier of the broker's: the first one that is free.
    fn number(&mut self, id: u16) -> usize {
        let known = self.ids.iter().position(|known| *known == Some(id));
        let place = known.or_else(|| self.ids.iter().position(Option::is_none));
        let place = place.unwrap_or_else(|| {
            self.ids.push(None);
            self.ids.len() - 1
        });
        self.ids[place] = Some(id);
        place + 1
    }

    fn forget(&mut self, id: u16) {
        let place = self.ids.iter_mut().find(|known| **known == Some(id));
        place.into_iter().for_each(|place| *place = None);
    }
}

/// The answer to a message of a client's, with its own packet identifier.
fn own(name: &str, ack: &Ack) -> String {
    format!("{name} {}{}", ack.packet_id, code(ack.reason))
}

fn code(reason: ReasonCode) -> String {
    match reason.to_u8() {
        0 => String::new(),
        code => format!(" 0x{code:02X}"),
    }
}

fn codes(reasons: impl Iterator<Item = ReasonCode>) -> String {
    let codes = reasons.map(|reason| format!(" 0x{:02X}", reason.to_u8()));
    codes.collect()
}
