//! One network connection: its life cycle, what CONNECT and CONNACK agreed, flow control, topic
//! aliases, keep alive and authentication.
//!
//! [`client::Connection`] and [`server::Connection`] take packets and the time, and say what to
//! send and when to be called again. The time is a [`Duration`](core::time::Duration) since any
//! fixed moment of the caller's.
//!
//! After each `handle_*` and each command, drain `poll_event` and `poll_transmit`, then read
//! `next_timeout`. Once the connection is over ([`Event::Closed`]) and `poll_transmit` is drained,
//! close the network connection.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::error::DecodeError;
use crate::frame::PacketType;
use crate::packet::{Ack, Auth, ConnAck, Connect, Disconnect, Packet, Publish};
use crate::packet_id::PacketId;
use crate::property::{AckProperties, Place, Properties, Property, PropertyId};
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;
use crate::session::{Link, Progress, Receipt, Session, Transmit};
use crate::text::Text;
use crate::version::{Sender, Version};

mod alias;
pub mod client;
mod error;
mod event;
mod keep_alive;
mod limits;
pub mod server;

pub use error::{ConnectionError, Violation};
pub use event::{Closed, Event, Input};
pub use limits::Limits;

/// What both sides have in common.
#[derive(Clone, Debug)]
struct Core {
    /// Which side this is.
    role: Sender,
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
    fn new(role: Sender, session: Session<Publish>) -> Self {
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
        Limits::new(&connect.properties)
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
        let began = self.greeted || self.role == Sender::Server;
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
            (Sender::Server, State::Idle | State::Connecting) => PacketType::ConnAck,
            (_, State::Connected) | (Sender::Client, State::Connecting) => PacketType::Disconnect,
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
        if self.state == State::Idle {
            self.version = error.version();
        }
        let reason = error.reason_code();
        let last = self.farewell(reason);
        self.end(Closed::Violated(reason), last);
    }

    /// A packet of the session came: one of those that both sides send.
    fn handle_exchange<B: AsRef<[u8]>>(&mut self, packet: &Packet<B>) -> Result<Input, Violation> {
        match packet {
            Packet::Publish(publish) => {
                if self.role == Sender::Server {
                    let checked = self.own.check_publish(publish.qos(), publish.retain);
                    checked.map_err(Violation::NotSupported)?;
                }
                let topic = self.inbound.resolve(publish)?;
                return Ok(match self.session.handle_publish(publish.delivery)? {
                    Receipt::New => Input::Deliver(topic),
                    Receipt::Duplicate => Input::Duplicate,
                });
            }
            Packet::PubAck(ack) => {
                self.check_problem_information(&ack.properties)?;
                let progress = self.session.handle_pub_ack(ack.packet_id, ack.reason)?;
                self.progress(ack.packet_id, ack.reason, &progress);
            }
            Packet::PubRec(ack) => {
                self.check_problem_information(&ack.properties)?;
                let progress = self.session.handle_pub_rec(ack.packet_id, ack.reason)?;
                self.progress(ack.packet_id, ack.reason, &progress);
            }
            Packet::PubRel(ack) => {
                self.check_problem_information(&ack.properties)?;
                self.session.handle_pub_rel(ack.packet_id)?;
            }
            Packet::PubComp(ack) => {
                self.check_problem_information(&ack.properties)?;
                let progress = self.session.handle_pub_comp(ack.packet_id, ack.reason)?;
                self.progress(ack.packet_id, ack.reason, &progress);
            }
            _ => return Err(Violation::UnexpectedPacket(packet.packet_type())),
        }
        Ok(Input::Done)
    }

    fn progress(&mut self, id: PacketId, reason: ReasonCode, progress: &Progress<Publish>) {
        match progress {
            Progress::Received(_) => self.events.push_back(Event::Received(id)),
            Progress::Completed(_) => self.events.push_back(Event::Completed(id, reason)),
            Progress::Unchanged => {}
        }
    }

    /// The server may explain itself only where it was asked to [MQTT-3.1.2-29].
    fn check_problem_information<K, B: AsRef<[u8]>>(
        &self,
        properties: &Properties<K, B>,
    ) -> Result<(), Violation> {
        match self.role {
            Sender::Client if !self.problem_information && explains(properties) => {
                Err(Violation::ProblemInformation)
            }
            _ => Ok(()),
        }
    }

    /// AUTH came (section 4.12).
    fn handle_auth<B: AsRef<[u8]>>(&mut self, auth: &Auth<B>) -> Result<Input, Violation> {
        self.check_problem_information(&auth.properties)?;
        self.check_method(auth.properties.authentication_method())?;
        let connected = self.state == State::Connected;
        match (self.role, self.turn, auth.reason) {
            (_, Turn::Peer, ReasonCode::ContinueAuthentication) => {}
            (Sender::Server, Turn::Nobody, ReasonCode::ReAuthenticate) if connected => {}
            (Sender::Client, Turn::Peer, ReasonCode::Success) if connected => {
                self.turn = Turn::Nobody;
                self.events.push_back(Event::Reauthenticated);
                return Ok(Input::Done);
            }
            _ => return Err(Violation::AuthOutOfTurn),
        }
        self.turn = Turn::Own;
        Ok(Input::Answer)
    }

    /// There is a method, and it is that of CONNECT [MQTT-4.12.0-5] [MQTT-4.12.0-6].
    fn check_method(&self, method: Option<Text<&[u8]>>) -> Result<(), Violation> {
        match (&self.method, method) {
            (None, None) => Ok(()),
            (Some(ours), Some(theirs)) if ours.as_bytes() == theirs.as_bytes() => Ok(()),
            _ => Err(Violation::AuthenticationMethod),
        }
    }

    fn auth(&mut self, auth: Auth) -> Result<(), ConnectionError> {
        let method = auth.properties.authentication_method();
        if self.method.is_none() || self.check_method(method).is_err() {
            return Err(ConnectionError::Authentication);
        }
        let connected = self.state == State::Connected;
        let next = match (self.role, self.turn, auth.reason) {
            (_, Turn::Own, ReasonCode::ContinueAuthentication) => Turn::Peer,
            (Sender::Client, Turn::Nobody, ReasonCode::ReAuthenticate) if connected => Turn::Peer,
            (Sender::Server, Turn::Own, ReasonCode::Success) if connected => Turn::Nobody,
            _ => return Err(ConnectionError::Authentication),
        };
        self.send(auth.into())?;
        self.turn = next;
        Ok(())
    }

    fn publish(
        &mut self,
        qos: QoS,
        mut message: Publish,
    ) -> Result<Option<PacketId>, ConnectionError> {
        if message.topic.is_none() || message.properties.topic_alias().is_some() {
            return Err(ConnectionError::TopicAlias);
        }
        message.dup = false;
        message.delivery = match (qos, self.session.next_packet_id()) {
            (QoS::AtLeastOnce, Some(id)) => Delivery::AtLeastOnce(id),
            (QoS::ExactlyOnce, Some(id)) => Delivery::ExactlyOnce(id),
            _ => Delivery::AtMostOnce,
        };
        if self.state == State::Connected {
            self.check_message(&message)?;
        } else if qos == QoS::AtMostOnce || self.role == Sender::Server {
            return Err(ConnectionError::WrongState);
        }
        if qos == QoS::AtMostOnce {
            self.check_room(self.queue.len())?;
            self.queue.push_back(Queued::Message(message));
            return Ok(None);
        }
        self.check_room(self.session.packet_ids_in_use().into())?;
        Ok(Some(self.session.publish(qos, message)?))
    }

    /// Whether the peer takes a message.
    fn check_message(&self, message: &Publish) -> Result<(), ConnectionError> {
        if self.role == Sender::Client {
            let checked = self.peer.check_publish(message.qos(), message.retain);
            checked.map_err(ConnectionError::NotSupported)?;
        }
        match self.peer.fit(message.encoded_len(self.version)?) {
            true => Ok(()),
            false => Err(ConnectionError::PacketTooLarge),
        }
    }

    fn check_room(&self, used: usize) -> Result<(), ConnectionError> {
        match used < self.max_queued {
            true => Ok(()),
            false => Err(ConnectionError::QueueFull),
        }
    }

    /// Queues a packet, if need be without what explains it.
    fn send(&mut self, mut packet: Packet) -> Result<(), ConnectionError> {
        if !self.fits(&packet)? || (!self.problem_information && self.role == Sender::Server) {
            let refused = !self.fits(&packet)?;
            match &mut packet {
                Packet::SubAck(ack) | Packet::UnsubAck(ack) => {
                    ack.properties = AckProperties::default();
                }
                Packet::Auth(auth) => auth.properties = unexplained(&auth.properties),
                // These two may explain themselves at any time.
                Packet::ConnAck(ack) if refused => ack.properties = unexplained(&ack.properties),
                Packet::Disconnect(last) if refused => {
                    last.properties = unexplained(&last.properties);
                }
                _ => {}
            }
        }
        match self.fits(&packet)? {
            true => self.queue.push_back(Queued::Packet(Box::new(packet))),
            false => return Err(ConnectionError::PacketTooLarge),
        }
        Ok(())
    }

    fn fits(&self, packet: &Packet) -> Result<bool, ConnectionError> {
        Ok(self.peer.fit(packet.encoded_len(self.version)?))
    }

    fn poll_transmit(&mut self) -> Option<Packet<&[u8]>> {
        if self.unchecked {
            self.drop_unsendable();
        }
        self.current = self.queue.pop_front();
        if self.state == State::Closing && self.queue.is_empty() {
            self.state = State::Closed;
        }
        match &self.current {
            Some(Queued::Message(message)) => {
                let message = self.outbound.put_on(&self.peer, message.as_borrowed());
                return Some(Packet::Publish(message));
            }
            Some(Queued::Packet(packet)) => {
                let greets = matches!(**packet, Packet::Connect(_) | Packet::ConnAck(_));
                self.greeted |= greets;
                return Some(packet.as_borrowed());
            }
            Some(Queued::PingReq) => return Some(Packet::PingReq),
            None => {}
        }
        if self.pongs > 0 {
            self.pongs -= 1;
            return Some(Packet::PingResp);
        }
        let ack = |packet_id, reason| {
            let mut ack = Ack::new(packet_id);
            ack.reason = reason;
            ack
        };
        Some(match self.session.poll_transmit()? {
            Transmit::Publish {
                delivery,
                dup,
                message,
            } => {
                let mut publish = message.as_borrowed();
                (publish.delivery, publish.dup) = (delivery, dup);
                Packet::Publish(self.outbound.put_on(&self.peer, publish))
            }
            Transmit::PubAck(id, reason) => Packet::PubAck(ack(id, reason)),
            Transmit::PubRec(id, reason) => Packet::PubRec(ack(id, reason)),
            Transmit::PubRel(id, reason) => Packet::PubRel(ack(id, reason)),
            Transmit::PubComp(id, reason) => Packet::PubComp(ack(id, reason)),
        })
    }

    /// Gives up the next messages, as long as they were queued before the limits were known and
    /// break them [MQTT-3.1.2-25].
    #[cold]
    fn drop_unsendable(&mut self) {
        if self.state != State::Connected {
            return;
        }
        while let Some((id, message)) = self.session.next_message() {
            if self.check_message(message).is_ok() {
                return;
            }
            // The message is there, so that it can be taken.
            let _ = self.session.abandon(id);
            self.events.push_back(Event::Dropped(id));
        }
        self.unchecked = false;
    }
}

impl Queued {
    fn is_greeting(&self) -> bool {
        matches!(self, Self::Packet(packet) if matches!(**packet, Packet::ConnAck(_)))
    }
}

/// Whether there is a Reason String or a User Property.
fn explains<K, B: AsRef<[u8]>>(properties: &Properties<K, B>) -> bool {
    let mut properties = properties.iter();
    properties.any(|property| {
        matches!(
            property,
            Property::ReasonString(_) | Property::UserProperty(_)
        )
    })
}

fn unexplained<K: Place, B: AsRef<[u8]>>(properties: &Properties<K, B>) -> Properties<K> {
    let builder = properties.to_builder().without(PropertyId::ReasonString);
    builder.without(PropertyId::UserProperty).build()
}
