//! Histories as inputs of the target: their steps as the choices that make them.

use std::fmt::Debug;

use mqtt_sansio::connection::Role;
use mqtt_sansio::{Packet, QoS, Side as Sender, Version};

use super::end::Side;
use super::world::World;
use crate::choices::Choices;

/// A step of a history.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "for tests")]
pub enum Step {
    /// This end publishes its next message.
    Publish(Sender, QoS),
    /// The next packet leaves this end.
    Transmit(Sender),
    /// The next packet arrives at this end, which accepts a connection.
    Deliver(Sender),
    /// The application of this end answers the peer's message with this number, and perhaps
    /// refuses it.
    Acknowledge(Sender, usize, bool),
    /// This end takes back its message with this number.
    Abandon(Sender, usize),
    /// This end sends DISCONNECT.
    Disconnect(Sender),
    /// The link is cut, and another begins.
    Reconnect(Link),
}

/// How a link begins.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The client begins with a new session.
    pub clean: bool,
    /// The server has lost the session.
    pub lost: bool,
    /// The Receive Maximum of client and server, from 1 to 3.
    pub maximum: [u16; 2],
}

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
/// The choices with which a link begins in front of its Receive Maximum: by bytes, and a server
/// that sends many messages at a time.
const OPEN: [u8; 6] = [0, 0, 2, 0, 0, 0];

/// The input with which the target follows a history that begins with this link, and the packets that
/// leave and arrive then.
///
/// # Errors
///
/// The step that the target cannot do.
pub fn encode(
    version: Version,
    first: Link,
    steps: &[Step],
) -> Result<(Vec<u8>, Vec<String>), String> {
    let mut begin = vec![if version == Version::V5 { 0 } else { 2 }, 0, 2, 0, 0, 0];
    begin.extend(open(version, first));
    let mut plan = Plan {
        world: World::new(Choices::planned(&begin)),
        version,
        link: first,
        published: [Vec::new(), Vec::new()],
    };
    plan.world.client.seen = Some(Vec::new());
    plan.world.server.seen = Some(Vec::new());
    let mut seen = Vec::new();
    for step in steps {
        let done = plan.take(*step);
        done.ok_or_else(|| format!("{step:?}"))?;
        seen.append(plan.world.client.seen.as_mut().unwrap());
        seen.append(plan.world.server.seen.as_mut().unwrap());
    }
    Ok((plan.world.choices.made().to_vec(), seen))
}

/// The packets that leave and arrive when the target follows this input.
pub fn decode(bytes: &[u8]) -> Vec<String> {
    let mut world = World::new(Choices::new(bytes, 0));
    world.client.seen = Some(Vec::new());
    world.server.seen = Some(Vec::new());
    let mut seen = Vec::new();
    while !world.is_over() {
        world.step();
        seen.append(world.client.seen.as_mut().unwrap());
        seen.append(world.server.seen.as_mut().unwrap());
    }
    seen
}

/// What is told of a packet, without identifiers.
pub(super) fn describe(side: Sender, packet: &Packet, what: &str) -> String {
    let kind = packet.packet_type();
    let rest = match packet {
        Packet::Connect(connect) => format!(" {}", connect.clean_start),
        Packet::ConnAck(ack) => format!(" {}", ack.session_present),
        Packet::Publish(publish) => format!(" {:?} {}", publish.qos(), publish.dup),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!(" {}", ack.reason.is_error())
        }
        _ => String::new(),
    };
    format!("{side:?} {what} {kind}{rest}")
}

fn open(version: Version, link: Link) -> Vec<u8> {
    let mut choices = OPEN.to_vec();
    choices.push(if link.clean { 11 } else { 0 });
    if version == Version::V5 {
        choices.extend([0, 0, small(link.maximum[0])]);
    }
    // Not at once.
    choices.push(0);
    choices
}

fn small(maximum: u16) -> u8 {
    u8::try_from(maximum - 1).unwrap()
}

/// A history that is being planned.
struct Plan {
    world: World<'static>,
    version: Version,
    link: Link,
    /// The numbers of the messages of client and server.
    published: [Vec<u32>; 2],
}

impl Plan {
    /// Follows a step, if it can be done and has its effect.
    fn take(&mut self, step: Step) -> Option<()> {
        match step {
            Step::Publish(side, qos) => self.publish(side, qos),
            Step::Transmit(side) => self.transmit(side),
            Step::Deliver(side) => self.deliver(side),
            Step::Acknowledge(side, nth, refuses) => self.acknowledge(side, nth, refuses),
            Step::Abandon(side, nth) => {
                let number = *self.published[side as usize].get(nth)?;
                let at = match side {
                    Sender::Client => self.world.client.place_of(number),
                    Sender::Server => self.world.server.place_of(number),
                };
                self.choose(side, 36, &[byte(at?)]);
                Some(())
            }
            Step::Disconnect(side) => {
                self.choose(side, 34, &[3]);
                Some(())
            }
            Step::Reconnect(link) => {
                self.link = link;
                let mut choices = vec![3];
                choices.extend(open(self.version, link));
                self.choose(Sender::Client, 33, &choices);
                Some(())
            }
        }
    }

    fn choose(&mut self, side: Sender, step: u8, choices: &[u8]) {
        let mut all = vec![u8::from(side == Sender::Server), step];
        all.extend(choices);
        self.world.choices.plan(&all);
        self.world.step();
    }

    fn publish(&mut self, side: Sender, qos: QoS) -> Option<()> {
        let calls = |plan: &Self| plan.world.client.calls.len() + plan.world.server.calls.len();
        let (before, number) = (calls(self), self.world.number);
        let qos = QOS.iter().position(|other| *other == qos)?;
        self.choose(side, 20, &[byte(qos)]);
        self.published[side as usize].push(number);
        (calls(self) > before).then_some(())
    }

    /// Sends one packet, in parts if need be.
    fn transmit(&mut self, side: Sender) -> Option<()> {
        let len = match side {
            Sender::Client => next_len(&self.world.client),
            Sender::Server => next_len(&self.world.server),
        };
        for room in parts(len?, &[20, 3, 1]) {
            // 1, 3, 20, 1,000
            self.choose(side, 0, &[0, 2 - room]);
        }
        Some(())
    }

    fn deliver(&mut self, side: Sender) -> Option<()> {
        let pipe = match side {
            Sender::Client => &self.world.down,
            Sender::Server => &self.world.up,
        };
        for piece in parts(pipe.next_len()?, &[40, 7, 2, 1]) {
            // 1, 2, 7, 40, 1,000
            self.choose(side, 7, &[0, 3 - piece]);
        }
        if self.world.is_asked() {
            let mut choices = Vec::new();
            if self.version == Version::V5 {
                choices.extend([0, small(self.link.maximum[1])]);
            }
            choices.push(if self.link.lost { 11 } else { 0 });
            self.choose(Sender::Server, 19, &choices);
        }
        Some(())
    }

    fn acknowledge(&mut self, side: Sender, nth: usize, refuses: bool) -> Option<()> {
        let number = *self.published[1 - side as usize].get(nth)?;
        let held = |plan: &Self| match side {
            Sender::Client => plan.world.client.held.clone(),
            Sender::Server => plan.world.server.held.clone(),
        };
        let before = held(self);
        let at = before
            .iter()
            .position(|(_, other)| *other == Some(number))?;
        // Every other answer is explained.
        let explains = if nth % 2 == 1 { 2 } else { 0 };
        self.choose(side, 14, &[byte(at), if refuses { 5 } else { 0 }, explains]);
        (held(self).len() < before.len()).then_some(())
    }
}

/// The length of the next packet that leaves this end.
fn next_len<R: Role + Clone + Debug>(side: &Side<R>) -> Option<usize> {
    let mut copy = side.end.connection.clone();
    let version = copy.version();
    let packet = copy.poll_transmit(side.clock)?;
    packet.encoded_len(version).ok()
}

/// So many bytes as parts of these sizes, by their places.
fn parts(mut len: usize, sizes: &[usize]) -> Vec<u8> {
    let mut parts = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        while len >= *size {
            parts.push(byte(at));
            len -= size;
        }
    }
    parts
}

fn byte(value: usize) -> u8 {
    u8::try_from(value).unwrap()
}
