//! The server's side of a connection.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::keep_alive::Watch;
use super::{Closed, ConnectionError, Core, Event, Input, Limits, State, Turn, Violation};
use crate::error::DecodeError;
use crate::packet::{Ack, Auth, ConnAck, Disconnect, KeepAlive, Packet, Publish, SubAck, Will};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::property::{PropertyId, TopicAlias};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::session::{Session, SessionError};
use crate::side::Side;
use crate::topic::TopicName;
use crate::version::Version;

/// A server's connection to one client, for one network connection.
///
/// After each `handle_*` and each command, drain [`poll_event`](Self::poll_event) and
/// [`poll_transmit`](Self::poll_transmit), then read [`next_timeout`](Self::next_timeout).
///
/// ```
/// use core::time::Duration;
/// use mqtt_sansio::connection::{Input, server::Connection};
/// use mqtt_sansio::packet::{ConnAck, Connect, Packet};
/// use mqtt_sansio::{ReasonCode, Version};
///
/// let mut server = Connection::new(Duration::ZERO, Duration::from_secs(10));
/// let connect = Packet::from(Connect::new("press-12".parse()?));
/// let judged = server.handle_packet(Duration::ZERO, Version::V5, &connect)?;
/// assert_eq!(judged, Input::Answer);
/// server.accept(Duration::ZERO, ConnAck::new(ReasonCode::Success).to_owned(), &mut None)?;
/// assert!(matches!(server.poll_transmit(), Some(Packet::ConnAck(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    pub(super) core: Core,
    watch: Watch,
    pub(super) keep_alive: KeepAlive,
    pub(super) clean_start: bool,
    /// Whether CONNECT asked for Response Information.
    pub(super) response_information: bool,
    /// Whether CONNACK says success.
    accepted: bool,
    pub(super) will: Option<Box<Will>>,
    /// SUBSCRIBE and UNSUBSCRIBE that are not answered, with the number of topic filters.
    pub(super) requests: Vec<(PacketId, PacketType, usize)>,
}

impl Connection {
    /// A network connection, made `now`. CONNECT, and each AUTH before CONNACK, may take
    /// `connect_timeout`.
    pub fn new(now: Duration, connect_timeout: Duration) -> Self {
        Self {
            core: Core::new(Side::Server, Session::new()),
            watch: Watch::new(now, connect_timeout),
            keep_alive: KeepAlive::OFF,
            clean_start: true,
            response_information: false,
            accepted: false,
            will: None,
            requests: Vec::new(),
        }
    }

    /// Sets how many messages may wait at QoS 0, and how many identifiers may be in use: 1,024 each
    /// unless this says otherwise.
    #[must_use]
    pub const fn max_queued(mut self, packets: usize) -> Self {
        self.core.max_queued = packets;
        self
    }

    /// Assigns up to so many topic aliases by itself, and reassigns the one least recently used. A
    /// new topic costs a walk over all of them, so keep the number to some tens.
    #[must_use]
    pub const fn automatic_aliases(mut self, aliases: u16) -> Self {
        self.core.outbound.set_automatic(aliases);
        self
    }

    /// Accepts CONNECT, with the session that the server has for the client, if it has one.
    ///
    /// It takes `session`, unless it fails. A session is dropped if the client wants a clean start
    /// [MQTT-3.1.2-4]; Session Present is set accordingly, and the authentication method. Response
    /// Information goes only to a client that asked for it [MQTT-3.1.2-28]. The properties of `connack`
    /// say what the client may do: see [`Limits`]. Server Keep Alive and Session Expiry Interval in
    /// them replace the client's.
    pub fn accept(
        &mut self,
        now: Duration,
        mut connack: ConnAck,
        session: &mut Option<Session<Publish>>,
    ) -> Result<(), ConnectionError> {
        if self.core.state != State::Connecting || self.accepted {
            return Err(ConnectionError::WrongState);
        }
        if connack.reason != ReasonCode::Success {
            return Err(ConnectionError::InvalidReasonCode);
        }
        if self.core.turn == Turn::Peer {
            // The client's AUTH has to come first.
            return Err(ConnectionError::Authentication);
        }
        connack.session_present = session.is_some() && !self.clean_start;
        if let Some(method) = &self.core.method {
            let builder = connack.properties.to_builder();
            let builder = builder.authentication_method(method.as_borrowed());
            connack.properties = builder.build();
        } else if connack.properties.authentication_method().is_some() {
            return Err(ConnectionError::Authentication);
        }
        if !self.response_information && connack.properties.response_information().is_some() {
            let builder = connack.properties.to_builder();
            connack.properties = builder.without(PropertyId::ResponseInformation).build();
        }
        let own = Limits::new(self.core.version, &connack.properties);
        let keep_alive = match connack.properties.server_keep_alive() {
            Some(seconds) => KeepAlive::from_secs(seconds),
            None => self.keep_alive,
        };
        let expiry = connack.properties.session_expiry_interval();
        self.core.send(connack.into())?;
        self.core.own = own;
        self.core.session_expiry = expiry.unwrap_or(self.core.asked_expiry);
        let session = session.take().filter(|_| !self.clean_start);
        self.core.session = session.unwrap_or_default();
        self.core.establish();
        self.watch.keep_alive(now, keep_alive.interval());
        self.accepted = true;
        Ok(())
    }

    /// Refuses CONNECT, with a code of 0x80 or above, and ends the connection [MQTT-3.2.2-7].
    ///
    /// Properties are left out where the client takes no packet of that size. A code that 3.1.1 does not
    /// have is not sent there: the connection just ends.
    pub fn refuse(&mut self, connack: ConnAck) -> Result<(), ConnectionError> {
        if self.core.state != State::Connecting {
            return Err(ConnectionError::WrongState);
        }
        if !connack.reason.is_error() {
            return Err(ConnectionError::InvalidReasonCode);
        }
        let reason = connack.reason;
        let unspeakable = reason.to_v311(PacketType::ConnAck).is_none();
        if self.core.version == Version::V5 || !unspeakable {
            self.core.send_last(connack.into())?;
        }
        self.core.finish(Closed::Local, None);
        Ok(())
    }

    /// Queues a message for the client. Returns its identifier, which QoS 0 lacks.
    ///
    /// `qos` is what counts, not the delivery in `message`.
    ///
    /// # Errors
    ///
    /// After [`PacketTooLarge`](ConnectionError::PacketTooLarge) the message counts as sent
    /// [MQTT-3.1.2-25].
    pub fn publish(
        &mut self,
        qos: QoS,
        message: Publish,
    ) -> Result<Option<PacketId>, ConnectionError> {
        self.core.publish(qos, message)
    }

    /// Answers SUBSCRIBE, with one code for each topic filter [MQTT-3.8.4-2].
    pub fn sub_ack(&mut self, suback: SubAck) -> Result<(), ConnectionError> {
        let answered = (suback.packet_id, suback.reasons.iter().len());
        self.answer(PacketType::Subscribe, answered, Packet::SubAck(suback))
    }

    /// Answers UNSUBSCRIBE, with one code for each topic filter, or none in 3.1.1.
    pub fn unsub_ack(&mut self, unsuback: SubAck) -> Result<(), ConnectionError> {
        let answered = (unsuback.packet_id, unsuback.reasons.iter().len());
        self.answer(
            PacketType::Unsubscribe,
            answered,
            Packet::UnsubAck(unsuback),
        )
    }

    /// Answers a delivered message of QoS 1 or 2: see [`Session::acknowledge`].
    pub fn acknowledge(&mut self, id: PacketId, reason: ReasonCode) -> Result<(), ConnectionError> {
        Ok(self.core.session.acknowledge(id, reason)?)
    }

    /// As [`acknowledge`](Self::acknowledge), with a Reason String or User Properties, which are left
    /// out where the client takes no packet of that size or asked for none
    /// [MQTT-3.1.2-29].
    pub fn acknowledge_with(&mut self, ack: Ack) -> Result<(), ConnectionError> {
        self.core.acknowledge(ack)
    }

    /// Sends AUTH: before CONNACK another step [MQTT-4.12.0-2], later also the end, with
    /// [`ReasonCode::Success`].
    pub fn auth(&mut self, auth: Auth) -> Result<(), ConnectionError> {
        self.core.auth(auth)
    }

    /// Ends the connection with DISCONNECT, behind the messages of QoS 0 that wait; in 3.1.1
    /// without. Before [`accept`](Self::accept), use [`refuse`](Self::refuse) [MQTT-3.14.0-1].
    /// Properties are left out where the client takes no packet of that size.
    ///
    /// For acknowledgements to leave before, drain [`poll_transmit`](Self::poll_transmit) first.
    pub fn disconnect(&mut self, disconnect: Disconnect) -> Result<(), ConnectionError> {
        self.core.check_connected()?;
        let may = disconnect
            .reason
            .allowed_in(PacketType::Disconnect, Some(Side::Server));
        if !may {
            return Err(ConnectionError::InvalidReasonCode);
        }
        if disconnect.properties.session_expiry_interval().is_some() {
            // [MQTT-3.14.2-2]
            return Err(ConnectionError::SessionExpiry);
        }
        if self.core.version == Version::V5 {
            self.core.send_last(disconnect.into())?;
        }
        self.core.finish(Closed::Local, None);
        Ok(())
    }

    /// Uses a topic alias for this topic from now on, in place of the topic for which it stood.
    ///
    /// # Errors
    ///
    /// [`TopicAlias`](ConnectionError::TopicAlias) if the client does not take it
    /// [MQTT-3.1.2-26], or if they are [automatic](Self::automatic_aliases).
    pub fn assign_alias(
        &mut self,
        topic: TopicName,
        alias: TopicAlias,
    ) -> Result<(), ConnectionError> {
        match self.core.state == State::Connected && self.core.outbound.assign(topic, alias) {
            true => Ok(()),
            false => Err(ConnectionError::TopicAlias),
        }
    }

    /// A packet came. `version` is what the frame decoder says, and counts for CONNECT.
    ///
    /// # Errors
    ///
    /// If the client may not send it now. The connection is over then, and knows what to send.
    pub fn handle_packet<B: AsRef<[u8]>>(
        &mut self,
        now: Duration,
        version: Version,
        packet: &Packet<B>,
    ) -> Result<Input, Violation> {
        self.watch.received(now);
        let judged = match (self.core.state, packet) {
            (State::Idle, Packet::Connect(connect)) => self.handle_connect(version, connect),
            (State::Connecting, _) => self.handle_early(packet),
            (State::Connected, _) => self.handle(packet),
            // What the client sent before it knew.
            (State::Closing | State::Closed, _) => Ok(Input::Done),
            // Nothing comes before CONNECT [MQTT-3.1.0-1], and nothing is said to who sends it.
            (State::Idle, _) => {
                let violation = Violation::UnexpectedPacket(packet.packet_type());
                let why = Closed::Violated(violation.reason_code());
                self.core.end(why, None);
                return Err(violation);
            }
            (State::Left, _) => Err(Violation::UnexpectedPacket(packet.packet_type())),
        };
        if let Err(violation) = judged {
            self.core.violated(violation);
        }
        judged
    }

    /// What came was no packet.
    pub fn handle_decode_error(&mut self, error: DecodeError) {
        self.core.handle_decode_error(error);
    }

    /// The time has come. Without effect before [`next_timeout`](Self::next_timeout).
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.next_timeout().is_none_or(|at| at > now) {
            return;
        }
        // Who has never said CONNECT is told nothing.
        let last = match self.core.state {
            State::Connected => self.core.farewell(ReasonCode::KeepAliveTimeout),
            _ => None,
        };
        self.core.end(Closed::TimedOut, last);
    }

    /// The network connection has ended.
    pub fn handle_close(&mut self) {
        self.core.end(Closed::Lost, None);
    }

    /// The next packet to send. [`version`](Self::version) says how to encode it.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Packet<&[u8]>> {
        self.core.poll_transmit(|_| ())
    }

    /// What has happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.core.state {
            State::Idle | State::Connected => self.watch.next_timeout(),
            // The client's turn, or else the caller's.
            State::Connecting if self.core.turn == Turn::Peer => self.watch.next_timeout(),
            _ => None,
        }
    }

    /// Gives memory back that is kept for further messages: for a connection that is idle.
    pub fn shrink_to_fit(&mut self) {
        self.core.shrink_to_fit();
    }

    /// The version that CONNECT asked for.
    pub const fn version(&self) -> Version {
        self.core.version
    }

    /// Whether the connection is accepted and not over.
    pub fn is_connected(&self) -> bool {
        self.core.state == State::Connected
    }

    /// Whether the connection is over and nothing is left to send: close the network connection.
    pub fn is_closed(&self) -> bool {
        matches!(self.core.state, State::Closed | State::Left)
    }

    /// What the client takes.
    pub const fn limits(&self) -> &Limits {
        &self.core.peer
    }

    /// For how many seconds to keep the session after the connection; `u32::MAX` is for ever.
    pub const fn session_expiry_interval(&self) -> u32 {
        self.core.session_expiry
    }

    /// The session.
    pub const fn session(&self) -> &Session<Publish> {
        &self.core.session
    }

    /// Takes a message back: see [`Session::abandon`].
    pub fn abandon(&mut self, id: PacketId) -> Result<Publish, SessionError> {
        self.core.session.abandon(id)
    }

    /// The will, if the connection is over and was accepted, and its end calls for it: any end but
    /// a DISCONNECT with [`ReasonCode::Success`], or any DISCONNECT in 3.1.1 (section 3.1.2.5).
    pub fn take_will(&mut self) -> Option<Will> {
        let over = self.is_over();
        let will = self.will.take_if(|_| over && self.accepted)?;
        Some(*will)
    }

    /// The session, if the connection is over and the session is to be kept [MQTT-3.1.2-23].
    pub fn take_session(&mut self) -> Option<Session<Publish>> {
        let kept = self.is_over() && self.accepted && self.core.session_expiry > 0;
        kept.then(|| core::mem::take(&mut self.core.session))
    }

    fn is_over(&self) -> bool {
        matches!(
            self.core.state,
            State::Closing | State::Closed | State::Left
        )
    }

    fn answer(
        &mut self,
        request: PacketType,
        (id, codes): (PacketId, usize),
        answer: Packet,
    ) -> Result<(), ConnectionError> {
        self.core.check_connected()?;
        let request = (id, request, codes);
        let at = self.requests.iter().position(|other| *other == request);
        let at = at.ok_or(ConnectionError::NoSuchRequest)?;
        self.core.send(answer)?;
        self.requests.swap_remove(at);
        Ok(())
    }
}
