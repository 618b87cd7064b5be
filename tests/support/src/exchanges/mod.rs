//! Exchanges with a peer that mostly keeps to the rules, in letters of few bytes: three packet
//! identifiers, answers that are explained, and now and then the breach of a rule that may be let go.
//!
//! Arbitrary packets mostly end a connection before anything has been exchanged. Here nearly each
//! letter is one that a peer or an application may do next, so that short words come far.

mod peer;

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_sansio::connection::{Role, client, server};
use mqtt_sansio::packet::{ConnAck, Connect};
use mqtt_sansio::property::{AckProperties, ConnAckProperties, ConnectProperties};
use mqtt_sansio::{
    Message, Packet, PacketId, QoS, ReasonCode, Replaced, Rule, Rules, Side, Text, Version,
};

use self::peer::one_of_few;
use crate::answers::explanation;
use crate::choices::Choices;
use crate::drive::{self, Driven, EACH, IDLE};
use crate::heap;

const OK: ReasonCode = ReasonCode::Success;
const REFUSED: ReasonCode = ReasonCode::NotAuthorized;
const REFUSING: Rules = Rules::LENIENT.packet_id_in_use(Replaced::Refuse);
/// The length of some explanations.
const LONG: usize = 20_000;
/// What a place in a table takes, which may be half empty.
const PLACE: usize = 256;
/// The peer's messages use so many packet identifiers.
const IDS: u16 = 3;

/// The rules, the Receive Maximum of the end, and what was held on the heap at the beginning.
type Setting = (Rules, u16, usize);

/// Follows exchanges: their letters are the bytes.
///
/// # Panics
///
/// If an answer is that to another delivery, more is held than belongs to what is under way, or a
/// breach is not treated as the rules say.
pub fn exchanges(bytes: &[u8]) {
    let before = heap::held();
    let mut choices = Choices::new(bytes, 1);
    let version = choices.pick([Version::V5, Version::V5, Version::V311]);
    let (rules, maximum) = (some(&mut choices), choices.pick([2, 3]));
    match choices.one_in(2) {
        true => with_client(choices, version, (rules, maximum, before)),
        false => with_server(choices, version, (rules, maximum, before)),
    }
}

fn some(choices: &mut Choices<'_>) -> Rules {
    match choices.below(8) {
        0..=2 => Rules::STRICT,
        3 => Rules::LENIENT,
        4 => REFUSING,
        5 => Rules::LENIENT.receive_slack(1),
        6 => Rules::STRICT.without(Rule::PacketIdInUse),
        _ => Rules::STRICT.without(Rule::PubAckAtQoS2),
    }
}

/// CONNECT with this Receive Maximum, and other things that exchanges depend on.
fn connect(version: Version, maximum: u16, choices: &mut Choices<'_>) -> Connect {
    let mut connect = Connect::new("c".parse().unwrap());
    connect.clean_start = choices.one_in(2);
    if version == Version::V5 {
        let mut builder = ConnectProperties::builder()
            .session_expiry_interval(1_000)
            .receive_maximum(maximum.try_into().unwrap())
            .request_problem_information(choices.one_in(2));
        if choices.one_in(4) {
            builder = builder.authentication_method(method().as_borrowed());
        }
        connect.properties = builder.build();
    }
    connect
}

fn method() -> Text {
    "m".parse().unwrap()
}

fn with_server(mut choices: Choices<'_>, version: Version, setting: Setting) {
    let (rules, maximum, _) = setting;
    let server = server::Connection::new(Duration::ZERO, Duration::from_secs(5)).rules(rules);
    let mut driven = Driven::new(server, Side::Server, version);
    let connect = connect(version, 3, &mut choices);
    driven.handle(&connect.into()).unwrap();
    let mut connack = ConnAck::new(OK);
    if version == Version::V5 {
        let builder = ConnAckProperties::builder();
        let builder = builder.receive_maximum(maximum.try_into().unwrap());
        connack.properties = builder.build();
    }
    let accepted = driven.connection.accept(driven.now, connack, &mut None);
    accepted.unwrap();
    let mut talk = Talk::new(driven, setting);
    while !talk.is_over(&choices) {
        talk.letter(&mut choices);
    }
}

fn with_client(mut choices: Choices<'_>, version: Version, setting: Setting) {
    let (rules, maximum, _) = setting;
    let client = client::Connection::new().rules(rules);
    let mut talk = Talk::new(Driven::new(client, Side::Client, version), setting);
    for time in 0..3 {
        talk.connects(time, connect(version, maximum, &mut choices), &mut choices);
        while !talk.is_over(&choices) {
            talk.letter(&mut choices);
        }
        talk.driven.connection.handle_close();
        talk.driven.check();
    }
}

/// A message of the peer that is not finished.
#[derive(Clone, Copy)]
struct Sent {
    qos: QoS,
    released: bool,
    /// Whether PUBREL was sent on this network connection.
    released_here: bool,
    /// Whether it was sent on this network connection.
    here: bool,
}

/// What the peer has had of a message of the end.
#[derive(Clone, Copy, PartialEq)]
enum Came {
    Publish(QoS),
    /// PUBREC is sent.
    Received,
    PubRel,
}

/// An end, and what its peer knows.
struct Talk<R> {
    driven: Driven<R>,
    rules: Rules,
    /// Whether a message whose packet identifier is in use is refused in 5.0.
    refuses: bool,
    /// What the peer may have under way.
    maximum: usize,
    sent: BTreeMap<PacketId, Sent>,
    came: BTreeMap<PacketId, Came>,
    /// Whether the peer may explain its answers.
    may_explain: bool,
    explained: usize,
    /// The most calls that were ever without an outcome.
    most_open: usize,
    /// What was held at the beginning.
    before: usize,
}

impl Talk<client::Client> {
    /// The client connects for this time, and the server may break a rule in its answer.
    fn connects(&mut self, time: u32, connect: Connect, choices: &mut Choices<'_>) {
        let driven = &mut self.driven;
        let (version, clean) = (driven.version, connect.clean_start);
        let properties = &connect.properties;
        let named = properties.authentication_method().is_some();
        self.may_explain = properties.request_problem_information() != Some(false);
        driven.connection.connect(version, connect).unwrap();
        driven.sent = drive::Sent::new(Side::Client);
        driven.answers.renew();
        self.came.clear();
        self.sent.retain(|_, sent| sent.qos == QoS::ExactlyOnce);
        for sent in self.sent.values_mut() {
            (sent.here, sent.released_here) = (false, false);
        }
        self.transmit();
        let mut connack = ConnAck::new(OK);
        connack.session_present = choices.one_in(2);
        let names = named && !choices.one_in(4);
        if names {
            let builder = ConnAckProperties::builder();
            let builder = builder.authentication_method(method().as_borrowed());
            connack.properties = builder.build();
        }
        let unknown = clean || time == 0 && version == Version::V5;
        let broken = match connack.session_present && unknown {
            _ if named && !names => Some(Rule::ConnAckMethod),
            true => Some(Rule::SessionPresent),
            false => None,
        };
        let is_new = !connack.session_present || unknown;
        let kept = self.driven.handle(&connack.into()).is_ok();
        let insists = broken.is_some_and(|rule| !self.rules.lets_go(rule));
        assert!(!(kept && insists), "{broken:?} is let go");
        if kept && is_new {
            self.sent.clear();
            self.driven.answers.forget();
        }
        self.driven.check();
    }
}

impl<R: Role + Clone> Talk<R> {
    fn new(driven: Driven<R>, (rules, maximum, before): Setting) -> Self {
        Self {
            driven,
            rules,
            refuses: rules == REFUSING,
            maximum: maximum.into(),
            sent: BTreeMap::new(),
            came: BTreeMap::new(),
            may_explain: true,
            explained: 0,
            most_open: 0,
            before,
        }
    }

    fn is_over(&self, choices: &Choices<'_>) -> bool {
        choices.is_over() || !self.driven.connection.is_connected()
    }

    fn letter(&mut self, choices: &mut Choices<'_>) {
        match choices.below(24) {
            0..=2 => self.peer_publishes(one_of_few(choices), QoS::AtLeastOnce),
            3..=5 => self.peer_publishes(one_of_few(choices), QoS::ExactlyOnce),
            6 | 7 => self.peer_releases(one_of_few(choices)),
            8..=10 => self.acknowledge(choices, OK, false),
            11 => self.acknowledge(choices, OK, true),
            12 => self.acknowledge(choices, REFUSED, true),
            13 | 14 => drop(self.transmit()),
            15 => while self.transmit() {},
            16 | 17 => self.publish(choices),
            18 | 19 => self.peer_answers(choices),
            20 if !self.driven.calls.is_empty() => {
                let at = choices.below(self.driven.calls.len());
                drop(self.driven.connection.abandon(self.driven.calls[at]));
            }
            21 => {
                self.driven.now += Duration::from_millis(choices.pick([1, 900]));
                let now = self.driven.now;
                self.driven.connection.handle_timeout(now);
            }
            22 => self.breaks(choices),
            _ => {}
        }
        self.driven.check();
        self.check_heap();
    }

    /// No more is held than belongs to what is under way, buffers that are shared with others
    /// included, which a copy of the connection does not show.
    fn check_heap(&mut self) {
        self.driven.let_go.clear();
        if self.driven.calls.len() > 16 {
            self.driven.calls.remove(0);
        }
        let held = heap::held().saturating_sub(self.before);
        let under_way = self.driven.answers.len() + self.driven.open;
        // The packet that was sent last may be kept until the next is, and so are places for as many
        // calls as there ever were.
        self.most_open = self.most_open.max(self.driven.open);
        let most = LONG + 2 * (IDLE + EACH * under_way) + PLACE * self.most_open;
        assert!(held <= most, "{held} bytes for {under_way} under way");
    }

    /// Answers one of the messages that the application holds.
    fn acknowledge(&mut self, choices: &mut Choices<'_>, reason: ReasonCode, explains: bool) {
        let driven = &mut self.driven;
        if driven.tokens.is_empty() || reason.is_error() && driven.version == Version::V311 {
            return;
        }
        let token = driven
            .tokens
            .swap_remove(choices.below(driven.tokens.len()));
        let mut why = AckProperties::default();
        if explains {
            self.explained += 1;
            why = explanation(self.explained, choices.pick([4, LONG]));
        }
        let given = driven
            .connection
            .acknowledge_with(token, reason, why.clone());
        if given.is_ok() {
            driven.answers.acknowledged(token, reason, why);
        }
    }

    fn publish(&mut self, choices: &mut Choices<'_>) {
        let qos = choices.pick([QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let message = Message::new("t".parse().unwrap(), "");
        if let Ok(call) = self.driven.connection.publish(qos, message) {
            self.driven.calls.push(call);
            self.driven.open += 1;
        }
    }

    /// The next packet leaves, and the peer has it.
    fn transmit(&mut self) -> bool {
        let Some(packet) = self.driven.transmit() else {
            return false;
        };
        match packet {
            Packet::Publish(publish) => {
                if let Some(id) = publish.packet_id() {
                    self.came.insert(id, Came::Publish(publish.qos()));
                }
            }
            Packet::PubAck(ack) | Packet::PubRec(ack)
                if ack.reason == ReasonCode::PacketIdentifierInUse => {}
            Packet::PubAck(ack) | Packet::PubComp(ack) => drop(self.sent.remove(&ack.packet_id)),
            Packet::PubRec(ack) if ack.reason.is_error() => drop(self.sent.remove(&ack.packet_id)),
            Packet::PubRel(ack) => {
                // Of a message that was taken back, it may come before PUBREC.
                self.came.insert(ack.packet_id, Came::PubRel);
            }
            _ => {}
        }
        true
    }
}
