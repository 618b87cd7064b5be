//! For every answer on the wire, which delivery and which call of the application it belongs to.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_sansio::packet::Ack;
use mqtt_sansio::property::AckProperties;
use mqtt_sansio::session::{Session, Token};
use mqtt_sansio::{Packet, PacketId, PacketType, QoS, ReasonCode, Text, Version};

use crate::drive::EACH;

const OK: ReasonCode = ReasonCode::Success;

/// An explanation of its own for each number, of so many bytes.
pub(crate) fn explanation(number: usize, len: usize) -> AckProperties {
    let text: Text = format!("{number:len$}").parse().unwrap();
    let builder = AckProperties::builder();
    builder.reason_string(text.as_borrowed()).build()
}

/// A delivery that the application was handed.
#[derive(Clone, Debug)]
struct Open {
    token: Token,
    /// Whether the peer has sent it on this network connection.
    here: bool,
    answer: Option<(ReasonCode, AckProperties)>,
    /// Whether PUBREC has left, or need not.
    accepted: bool,
}

impl Open {
    /// How much there may be to hold for it, with what explains its answer.
    fn weight(&self) -> usize {
        let Some((_, why)) = self.answer.as_ref().filter(|(_, why)| !why.is_empty()) else {
            return 1;
        };
        let mut ack = Ack::new(PacketId::MAX);
        ack.properties = why.clone();
        1 + Packet::PubAck(ack).encoded_len(Version::V5).unwrap() / EACH
    }
}

/// What one end owes and may send.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    version: Version,
    /// Packets that came on this network connection and are not answered, each of which may be once.
    came: BTreeMap<(PacketType, Option<PacketId>), u32>,
    open: Vec<Open>,
    /// Answers to requests that the application has given.
    given: Vec<(PacketType, PacketId, Vec<ReasonCode>)>,
    /// PUBREL that were sent again on this network connection.
    again: BTreeSet<PacketId>,
    /// Whether an answer may leave its explanation out.
    pub(crate) may_omit: bool,
    /// Whether the connection may have the beginning of a message that has not come.
    pub(crate) in_pieces: bool,
}

impl Answers {
    /// Nothing.
    pub(crate) const fn new(version: Version) -> Self {
        Self {
            version,
            came: BTreeMap::new(),
            open: Vec::new(),
            given: Vec::new(),
            again: BTreeSet::new(),
            may_omit: true,
            in_pieces: false,
        }
    }

    /// Another network connection.
    pub(crate) fn renew(&mut self) {
        self.came.clear();
        self.given.clear();
        self.again.clear();
        self.open.retain_mut(|open| {
            open.here = false;
            let answer = open.answer.take();
            let refused = answer.as_ref().is_some_and(|(reason, _)| reason.is_error());
            open.accepted |= answer.is_some();
            open.token.qos() == QoS::ExactlyOnce && !refused
        });
    }

    /// What is answered from now on is answered in this version.
    pub(crate) fn speak(&mut self, version: Version) {
        self.version = version;
    }

    /// There is no session any more.
    pub(crate) fn forget(&mut self) {
        self.open.clear();
    }

    /// How much there may be to hold.
    pub(crate) fn len(&self) -> usize {
        let came = self.came.values().map(|count| *count as usize);
        let open = self.open.iter().map(Open::weight);
        open.sum::<usize>() + self.given.len() + came.sum::<usize>()
    }

    /// A packet is handed to the connection.
    pub(crate) fn comes<B: AsRef<[u8]>>(&mut self, packet: &Packet<B>) {
        let id = match packet {
            Packet::Publish(publish) => {
                let id = publish.packet_id();
                for open in &mut self.open {
                    open.here |= open.token.packet_id() == id;
                }
                id
            }
            Packet::PubRec(ack) if !ack.reason.is_error() => Some(ack.packet_id),
            Packet::PubRel(ack) => {
                // PUBREC that has not been sent is not sent any more.
                let delivery = (QoS::ExactlyOnce, Some(ack.packet_id));
                self.open
                    .retain(|open| (open.token.qos(), open.token.packet_id()) != delivery);
                Some(ack.packet_id)
            }
            Packet::Subscribe(request) => Some(request.packet_id),
            Packet::Unsubscribe(request) => Some(request.packet_id),
            Packet::PingReq => None,
            _ => return,
        };
        let kind = (packet.packet_type(), id);
        if kind.0 != PacketType::Publish || id.is_some() {
            *self.came.entry(kind).or_default() += 1;
        }
    }

    /// A message is handed to the application, in place of any other with its identifier.
    pub(crate) fn delivered(&mut self, token: Token) {
        let Some(id) = token.packet_id() else {
            return;
        };
        self.open.retain(|open| open.token.packet_id() != Some(id));
        self.open.push(Open {
            token,
            here: true,
            answer: None,
            accepted: false,
        });
    }

    /// The application has acknowledged a message, which was accepted.
    pub(crate) fn acknowledged(&mut self, token: Token, reason: ReasonCode, why: AckProperties) {
        // PUBREL behind the end of a connection is not read, and the delivery goes on.
        let Some(at) = self.open.iter().position(|open| open.token == token) else {
            return;
        };
        let open = &mut self.open[at];
        assert!(open.answer.is_none() && !open.accepted, "{token:?} twice");
        if open.here {
            open.answer = Some((reason, why));
        } else if !reason.is_error() {
            // PUBREC follows once the peer has sent it again, perhaps explained.
            open.answer = Some((OK, why));
            open.accepted = true;
        } else if self.in_pieces {
            // The peer may be about to send it again, and it is refused then.
            open.answer = Some((reason, why));
        } else {
            self.open.remove(at);
        }
    }

    /// The application has answered a request, which was accepted.
    pub(crate) fn answered(
        &mut self,
        kind: PacketType,
        id: PacketId,
        codes: impl IntoIterator<Item = ReasonCode>,
    ) {
        self.given.push((kind, id, codes.into_iter().collect()));
    }

    /// A packet leaves: it answers one that came, and says what the application said.
    pub(crate) fn leaves<M: Clone>(&mut self, packet: &Packet, session: &Session<M>) {
        match packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) if self.is_automatic(ack) => {
                self.spend(PacketType::Publish, Some(ack.packet_id), packet);
            }
            Packet::PubAck(ack) => {
                self.spend(PacketType::Publish, Some(ack.packet_id), packet);
                let at = self.position(QoS::AtLeastOnce, ack.packet_id);
                let at = at.unwrap_or_else(|| panic!("{packet:?} for no delivery"));
                let open = self.open.remove(at);
                self.says(&open.answer, ack);
            }
            Packet::PubRec(ack) => {
                self.spend(PacketType::Publish, Some(ack.packet_id), packet);
                let at = self.position(QoS::ExactlyOnce, ack.packet_id);
                let plain = Some((OK, AckProperties::default()));
                let Some(at) = at else {
                    // It was accepted on a network connection before.
                    return self.says(&plain, ack);
                };
                let open = &mut self.open[at];
                let answer = open.answer.take();
                let answer = answer.or_else(|| plain.filter(|_| open.accepted));
                open.accepted = true;
                if ack.reason.is_error() {
                    self.open.remove(at);
                }
                self.says(&answer, ack);
            }
            Packet::PubRel(ack) => {
                let came = (PacketType::PubRec, Some(ack.packet_id));
                if self.came.contains_key(&came) {
                    return self.spend(came.0, came.1, packet);
                }
                let stored = session.snapshot();
                let mut stored = stored.releases.iter().chain(&stored.abandoned);
                let stored = stored.any(|stored| stored.packet_id == ack.packet_id);
                assert!(stored, "{packet:?} for no message");
                assert!(self.again.insert(ack.packet_id), "{packet:?} twice");
            }
            Packet::PubComp(ack) => self.spend(PacketType::PubRel, Some(ack.packet_id), packet),
            Packet::PingResp => self.spend(PacketType::PingReq, None, packet),
            Packet::SubAck(ack) => {
                self.spend(PacketType::Subscribe, Some(ack.packet_id), packet);
                self.answers(PacketType::SubAck, ack.packet_id, ack.reasons.iter());
            }
            Packet::UnsubAck(ack) => {
                self.spend(PacketType::Unsubscribe, Some(ack.packet_id), packet);
                self.answers(PacketType::UnsubAck, ack.packet_id, ack.reasons.iter());
            }
            _ => {}
        }
    }

    /// A message whose identifier is in use may be refused without a call, where that rule is let go.
    fn is_automatic(&self, ack: &Ack) -> bool {
        let said = ReasonCode::PacketIdentifierInUse;
        let in_use = ack.reason == said && ack.properties.is_empty();
        let mut open = self.open.iter();
        in_use
            && !open.any(|open| {
                let given = open.answer.as_ref().map(|(reason, _)| *reason);
                open.token.packet_id() == Some(ack.packet_id) && given == Some(said)
            })
    }

    /// One packet that came is answered.
    fn spend(&mut self, kind: PacketType, id: Option<PacketId>, packet: &Packet) {
        let came = self.came.get_mut(&(kind, id));
        let came = came.unwrap_or_else(|| panic!("{packet:?} answers nothing"));
        *came -= 1;
        if *came == 0 {
            self.came.remove(&(kind, id));
        }
    }

    fn position(&self, qos: QoS, id: PacketId) -> Option<usize> {
        let delivery = (qos, Some(id));
        let mut open = self.open.iter();
        open.position(|open| (open.token.qos(), open.token.packet_id()) == delivery)
    }

    /// An acknowledgement says what the call did, with its explanation or none.
    fn says(&self, answer: &Option<(ReasonCode, AckProperties)>, ack: &Ack) {
        let Some((reason, why)) = answer else {
            panic!("{ack:?} was never given");
        };
        let reason = match self.version {
            Version::V311 => OK,
            Version::V5 => *reason,
        };
        assert_eq!(ack.reason, reason, "{ack:?} is for another delivery");
        let omits = self.may_omit && ack.properties.is_empty();
        assert!(omits || ack.properties == *why, "{ack:?} is not {why:?}");
    }

    fn answers(&mut self, kind: PacketType, id: PacketId, codes: impl Iterator<Item = ReasonCode>) {
        let codes: Vec<_> = codes.collect();
        let given = self.given.iter().position(|(of, to, given)| {
            let same = match self.version {
                Version::V311 => kind == PacketType::UnsubAck || given.len() == codes.len(),
                Version::V5 => *given == codes,
            };
            (*of, *to) == (kind, id) && same
        });
        let at = given.unwrap_or_else(|| panic!("{kind} {id} {codes:?} was never given"));
        self.given.remove(at);
    }
}
