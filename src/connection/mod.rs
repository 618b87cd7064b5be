//! One network connection: its life cycle, what CONNECT and CONNACK agreed, flow control, topic
//! aliases, keep alive and authentication.
//!
//! [`client::Connection`] and [`server::Connection`] take packets and the time, and say what to
//! send and when to be called again. The time is a [`Duration`](core::time::Duration) since any
//! fixed moment of the caller's.
//!
//! After each `handle_*` and each command, drain `poll_event` and `poll_transmit`, then read
//! `next_timeout`. Answers that still wait when the connection ends are not sent any more, so who
//! takes several packets at once drains between them. Once the connection is over
//! ([`Event::Closed`]) and `poll_transmit` is drained, close the network connection.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::packet::{Ack, ConnAck, Connect, Disconnect, Packet, Publish};
use crate::packet_type::PacketType;
use crate::property::Property;
use crate::reason::ReasonCode;
use crate::session::{Link, Session};
use crate::side::Side;
use crate::text::Text;
use crate::version::Version;

mod alias;
mod auth;
pub mod client;
mod error;
mod event;
mod exchange;
mod from_client;
mod from_server;
mod keep_alive;
mod limits;
pub mod server;
mod transmit;

pub use error::{ConnectionError, Violation};
pub use event::{Closed, Event, Input};
pub use limits::Limits;

/// What both sides have in common.
#[derive(Clone, Debug)]
struct Core {
    /// Which side this is.
    role: Side,
    state: State,
    version: Version,
    session: Session<Publish>,
    own: Limits,
    peer: Limits,
    inbound: alias::Inbound,
    outbound: alias::Outbound,
    /// What is sent before anything of the session.
    queue: VecDeque<Queued>,
    max_queued: usize,
    /// What `poll_transmit` has handed out.
    current: Option<Queued>,
    /// PUBACKs and PUBRECs to come that have properties, and the one that is handed out.
    explained: Vec<Ack>,
    explaining: Option<Ack>,
    /// PINGRESPs that are owed.
    pongs: u32,
    /// Whether CONNECT or CONNACK has been sent.
    greeted: bool,
    /// Whether there may be messages that were not held against the peer's limits.
    unchecked: bool,
    events: VecDeque<Event>,
    /// The authentication method of CONNECT.
    method: Option<Text>,
    turn: Turn,
    /// Whether CONNECT left Request Problem Information on.
    problem_information: bool,
    /// Session Expiry Interval, as CONNECT has it, and as it holds.
    asked_expiry: u32,
    session_expiry: u32,
}

/// ```text
///   Idle -- CONNECT --> Connecting -- CONNACK --> Connected -- DISCONNECT, --> Closing --> Closed
///                                                              error, ...  (to be sent)
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Idle,
    Connecting,
    Connected,
    /// There are packets to send before the network connection is closed.
    Closing,
    Closed,
    /// The peer may send nothing more [MQTT-3.14.4-1].
    Left,
}

/// Who sends the next AUTH.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    Nobody,
    Own,
    Peer,
}

#[derive(Clone, Debug)]
enum Queued {
    Message(Publish),
    Packet(Box<Packet>),
    PingReq,
}

impl Core {
    fn new(role: Side, session: Session<Publish>) -> Self {
        Self {
            role,
            state: State::Idle,
            version: Version::V5,
            session,
            own: Limits::DEFAULT,
            peer: Limits::DEFAULT,
            inbound: alias::Inbound::default(),
            outbound: alias::Outbound::default(),
            queue: VecDeque::new(),
            max_queued: 1_024,
            current: None,
            explained: Vec::new(),
            explaining: None,
            pongs: 0,
            greeted: false,
            unchecked: false,
            events: VecDeque::new(),
            method: None,
            turn: Turn::Nobody,
            problem_information: true,
            asked_expiry: 0,
            session_expiry: 0,
        }
    }

    fn shrink_to_fit(&mut self) {
        // What was handed out is sent by now.
        (self.current, self.explaining) = (None, None);
        self.explained.shrink_to_fit();
        self.queue.shrink_to_fit();
        self.events.shrink_to_fit();
        self.session.shrink_to_fit();
    }

    /// Remembers what CONNECT says, whichever side sent it. Returns the limits in it.
    fn begin<B: AsRef<[u8]>>(&mut self, version: Version, connect: &Connect<B>) -> Limits {
        self.version = version;
        self.state = State::Connecting;
        self.greeted = false;
        self.queue.clear();
        self.method = None;
        self.problem_information = true;
        self.asked_expiry = match version {
            Version::V311 if !connect.clean_start => u32::MAX,
            _ => 0,
        };
        for property in &connect.properties {
            match property {
                Property::SessionExpiryInterval(seconds) => self.asked_expiry = seconds,
                Property::AuthenticationMethod(method) => self.method = Some(method.to_owned()),
                Property::RequestProblemInformation(asked) => self.problem_information = asked,
                _ => {}
            }
        }
        Limits::new(version, &connect.properties)
    }

    /// CONNACK is accepted, or about to be sent.
    fn establish(&mut self) {
        self.state = State::Connected;
        self.turn = Turn::Nobody;
        self.unchecked = true;
        self.inbound.reset(self.own.topic_alias_maximum);
        self.outbound.reset(self.peer.topic_alias_maximum);
        let mut link = Link::new(self.version);
        link.send_maximum = self.peer.receive_maximum;
        link.receive_maximum = self.own.receive_maximum;
        self.session.connect(link);
    }

    /// Ends the connection. What is queued is not sent any more, but for `last` and for the CONNACK
    /// that has to come before a DISCONNECT [MQTT-3.14.0-1].
    fn end(&mut self, why: Closed, last: Option<Packet>) {
        if matches!(self.state, State::Closed | State::Left) {
            return;
        }
        let began = self.greeted || self.role == Side::Server;
        let last = last.filter(|_| began);
        match (&last, self.greeted) {
            (Some(Packet::Disconnect(_)), false) => self.queue.retain(Queued::is_greeting),
            _ => self.queue.clear(),
        }
        self.finish(why, last);
    }

    /// Ends the connection behind what is queued.
    fn finish(&mut self, why: Closed, last: Option<Packet>) {
        let over = self.state == State::Closing;
        if let Some(last) = last {
            self.queue.push_back(Queued::Packet(Box::new(last)));
        }
        self.pongs = 0;
        self.turn = Turn::Nobody;
        self.explained = Vec::new();
        self.session.disconnect();
        self.state = match (self.queue.is_empty(), why) {
            (true, Closed::Disconnected(_)) => State::Left,
            (true, _) => State::Closed,
            (false, _) => State::Closing,
        };
        if !over {
            self.events.push_back(Event::Closed(why));
        }
    }

    /// What tells the peer why the connection ends, where the version and the moment have a packet
    /// for it [MQTT-4.13.1-1].
    fn farewell(&self, reason: ReasonCode) -> Option<Packet> {
        let packet = match (self.role, self.state) {
            (Side::Server, State::Idle | State::Connecting) => PacketType::ConnAck,
            (_, State::Connected) | (Side::Client, State::Connecting) => PacketType::Disconnect,
            _ => return None,
        };
        let reason = match reason.allowed_in(packet, Some(self.role)) {
            true => reason,
            false => ReasonCode::ProtocolError,
        };
        let packet = match (packet, self.version) {
            (PacketType::ConnAck, Version::V311) => match reason {
                // Anything else in CONNECT is no reason to answer (3.1.1 [MQTT-3.1.4-1]).
                ReasonCode::UnsupportedProtocolVersion | ReasonCode::ClientIdentifierNotValid => {
                    ConnAck::new(reason).to_owned().into()
                }
                _ => return None,
            },
            (_, Version::V311) => return None,
            (PacketType::ConnAck, Version::V5) => ConnAck::new(reason).to_owned().into(),
            (_, Version::V5) => Packet::from(Disconnect::new(reason).to_owned()),
        };
        let len = packet.encoded_len(self.version);
        len.is_ok_and(|len| self.peer.fit(len)).then_some(packet)
    }

    fn violated(&mut self, violation: Violation) {
        let reason = violation.reason_code();
        let last = self.farewell(reason);
        self.end(Closed::Violated(reason), last);
    }

    fn handle_decode_error(&mut self, error: DecodeError) {
        // What is to be sent last is decided.
        if self.state == State::Closing {
            return;
        }
        if self.state == State::Idle {
            self.version = error.version();
        }
        let reason = error.reason_code();
        let last = match error.kind() {
            // Nobody knows what its sender would understand (3.1.1 [MQTT-3.1.4-1]).
            DecodeErrorKind::UnexpectedProtocolName => None,
            _ => self.farewell(reason),
        };
        self.end(Closed::Violated(reason), last);
    }
}

impl Queued {
    /// Whether something must come for this before long.
    fn awaits_answer(&self) -> bool {
        match self {
            Self::Packet(packet) => matches!(**packet, Packet::Connect(_)),
            Self::Message(_) => false,
            Self::PingReq => true,
        }
    }

    fn is_greeting(&self) -> bool {
        matches!(self, Self::Packet(packet) if matches!(**packet, Packet::ConnAck(_)))
    }
}
