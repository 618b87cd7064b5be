//! The client's side of a connection.

use alloc::boxed::Box;
use core::time::Duration;

use super::keep_alive::{Due, Pinger};
use super::{
    Closed, ConnectionError, Core, Event, Input, Limits, Queued, State, Turn, Violation,
    from_server,
};
use crate::error::DecodeError;
use crate::packet::{
    Ack, Auth, Connect, Disconnect, KeepAlive, Packet, Publish, Subscribe, Subscriptions,
    TopicFilters, Unsubscribe,
};
use crate::packet_id::PacketId;
use crate::property::{SubscribeProperties, TopicAlias, UnsubscribeProperties};
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::session::{Session, SessionError};
use crate::side::Side;
use crate::text::Text;
use crate::topic::TopicName;
use crate::version::Version;

/// A client's connection with its session, for one network connection after another.
///
/// After each `handle_*` and each command, drain [`poll_event`](Self::poll_event) and
/// [`poll_transmit`](Self::poll_transmit), then read [`next_timeout`](Self::next_timeout).
///
/// ```
/// use core::time::Duration;
/// use mqtt_sansio::connection::{Event, client::Connection};
/// use mqtt_sansio::packet::{ConnAck, Connect, Packet};
/// use mqtt_sansio::{ReasonCode, Version};
///
/// let mut client = Connection::new();
/// client.connect(Version::V5, Connect::new("press-12".parse()?))?;
/// let connect = client.poll_transmit(Duration::ZERO);
/// assert!(matches!(connect, Some(Packet::Connect(_))));
///
/// let accepted = Packet::from(ConnAck::new(ReasonCode::Success));
/// let _ = client.handle_packet(&accepted)?;
/// assert_eq!(client.poll_event(), Some(Event::Connected { session_present: false }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    pub(super) core: Core,
    pub(super) pinger: Pinger,
    /// Keep Alive of CONNECT.
    pub(super) keep_alive: KeepAlive,
    pub(super) clean_start: bool,
    /// Whether the server should have this session.
    pub(super) known: bool,
    /// The client identifier of CONNECT, and of the session once it has one [MQTT-3.1.3-2].
    pub(super) client_id: Text,
    pub(super) session_name: Option<Text>,
}

impl Connection {
    /// How long CONNACK and PINGRESP may take unless the caller says otherwise: 20 seconds.
    pub const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

    /// A client without a session.
    pub fn new() -> Self {
        Self {
            core: Core::new(Side::Client, Session::new()),
            pinger: Pinger::new(Self::DEFAULT_RESPONSE_TIMEOUT),
            keep_alive: KeepAlive::OFF,
            clean_start: true,
            known: false,
            client_id: Text::default(),
            session_name: None,
        }
    }

    /// A client that had this session with the server before, restored from a snapshot perhaps.
    pub fn with_session(mut session: Session<Publish>) -> Self {
        // It may be a copy of that of a connection.
        session.disconnect();
        let mut connection = Self::new();
        connection.core.session = session;
        connection.core.session_expiry = u32::MAX;
        connection.known = true;
        connection
    }

    /// Sets how long CONNACK and PINGRESP may take.
    #[must_use]
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.pinger.set_patience(timeout);
        self
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

    /// Begins a connection: a network connection is there, and CONNECT is the first packet on it
    /// [MQTT-3.1.0-1].
    ///
    /// The session stays with its client identifier: under another one, what was begun is forgotten. A
    /// clean start forgets it at once, so go on with a clean start until one is accepted.
    ///
    /// What CONNECT allows the server holds for what comes: see [`Limits`]. The frame decoder has a
    /// limit of its own, which should not be below the Maximum Packet Size in it.
    pub fn connect(&mut self, version: Version, connect: Connect) -> Result<(), ConnectionError> {
        if !matches!(self.core.state, State::Idle | State::Closed | State::Left) {
            return Err(ConnectionError::WrongState);
        }
        let packet = Packet::from(connect);
        packet.encoded_len(version)?;
        let Packet::Connect(connect) = &packet else {
            return Err(ConnectionError::WrongState);
        };
        if version == Version::V311 && connect.client_id.is_empty() && !connect.clean_start {
            // 3.1.1 [MQTT-3.1.3-7]
            return Err(ConnectionError::EmptyClientId);
        }
        // The session of the last connection ended with it, or ends with CONNECT [MQTT-3.1.2-4].
        self.known &= self.core.session_expiry > 0 && !connect.clean_start;
        if connect.clean_start {
            self.core.session.reset();
        }
        self.core.own = self.core.begin(version, connect);
        self.core.peer = Limits::DEFAULT;
        self.core.turn = match self.core.method {
            Some(_) => Turn::Peer,
            None => Turn::Nobody,
        };
        self.keep_alive = connect.keep_alive;
        self.clean_start = connect.clean_start;
        self.client_id = connect.client_id.clone();
        self.pinger.start();
        self.core.queue.push_back(Queued::Packet(Box::new(packet)));
        Ok(())
    }

    /// Queues a message, at QoS 1 and 2 also without a connection. Returns its identifier, which QoS
    /// 0 lacks.
    ///
    /// `qos` is what counts, not the delivery in `message`. A message that waits for a connection is
    /// [dropped](Event::Dropped) if the server does not take it then.
    pub fn publish(
        &mut self,
        qos: QoS,
        message: Publish,
    ) -> Result<Option<PacketId>, ConnectionError> {
        let properties = &message.properties;
        if properties.subscription_identifiers().next().is_some() {
            // Only the server sends them [MQTT-3.3.4-6].
            let reason = ReasonCode::SubscriptionIdentifiersNotSupported;
            return Err(ConnectionError::NotSupported(reason));
        }
        self.core.publish(qos, message)
    }

    /// Sends SUBSCRIBE. [`Event::Subscribed`] tells when SUBACK has come.
    pub fn subscribe(
        &mut self,
        subscriptions: Subscriptions,
        properties: SubscribeProperties,
    ) -> Result<PacketId, ConnectionError> {
        let id = self.next_request()?;
        let filters = u32::try_from(subscriptions.iter().count()).unwrap_or(u32::MAX);
        let mut subscribe = Subscribe::new(id, subscriptions);
        subscribe.properties = properties;
        let checked = self.core.peer.check_subscribe(&subscribe);
        checked.map_err(ConnectionError::NotSupported)?;
        self.core.send(subscribe.into())?;
        Ok(self.core.session.subscribe(filters)?)
    }

    /// Sends UNSUBSCRIBE. [`Event::Unsubscribed`] tells when UNSUBACK has come.
    pub fn unsubscribe(
        &mut self,
        filters: TopicFilters,
        properties: UnsubscribeProperties,
    ) -> Result<PacketId, ConnectionError> {
        let id = self.next_request()?;
        let count = u32::try_from(filters.iter().count()).unwrap_or(u32::MAX);
        let mut unsubscribe = Unsubscribe::new(id, filters);
        unsubscribe.properties = properties;
        self.core.send(unsubscribe.into())?;
        Ok(self.core.session.unsubscribe(count)?)
    }

    /// Answers a delivered message of QoS 1 or 2: see [`Session::acknowledge`].
    pub fn acknowledge(&mut self, id: PacketId, reason: ReasonCode) -> Result<(), ConnectionError> {
        Ok(self.core.session.acknowledge(id, reason)?)
    }

    /// As [`acknowledge`](Self::acknowledge), with a Reason String or User Properties, which are left
    /// out where the server takes no packet of that size.
    pub fn acknowledge_with(&mut self, ack: Ack) -> Result<(), ConnectionError> {
        self.core.acknowledge(ack)
    }

    /// Sends PINGREQ, which keep alive does by itself.
    pub fn ping(&mut self) -> Result<(), ConnectionError> {
        self.core.check_connected()?;
        self.core.check_room(self.core.queue.len())?;
        self.core.queue.push_back(Queued::PingReq);
        Ok(())
    }

    /// Sends AUTH: the answer to one of the server's, or with
    /// [`ReAuthenticate`](ReasonCode::ReAuthenticate) a new authentication on a connection
    /// [MQTT-4.12.1-1]. The method is that of CONNECT.
    pub fn auth(&mut self, auth: Auth) -> Result<(), ConnectionError> {
        self.core.auth(auth)
    }

    /// Ends the connection with DISCONNECT, behind the messages of QoS 0 that wait. For
    /// acknowledgements to leave before, drain [`poll_transmit`](Self::poll_transmit) first.
    ///
    /// 3.1.1 has no reason code; it may not be another than [`ReasonCode::Success`] there.
    pub fn disconnect(&mut self, disconnect: Disconnect) -> Result<(), ConnectionError> {
        if !matches!(self.core.state, State::Connecting | State::Connected) {
            return Err(ConnectionError::WrongState);
        }
        if !disconnect
            .reason
            .allowed_in(super::PacketType::Disconnect, Some(Side::Client))
        {
            return Err(ConnectionError::InvalidReasonCode);
        }
        let expiry = disconnect.properties.session_expiry_interval();
        if self.core.asked_expiry == 0 && expiry.unwrap_or(0) > 0 {
            return Err(ConnectionError::SessionExpiry);
        }
        if !self.core.greeted {
            self.core.end(Closed::Local, None);
            return Ok(());
        }
        self.core.send(disconnect.into())?;
        self.core.session_expiry = expiry.unwrap_or(self.core.session_expiry);
        self.core.finish(Closed::Local, None);
        Ok(())
    }

    /// Uses a topic alias for this topic on this connection from now on, in place of the topic for
    /// which it stood.
    ///
    /// # Errors
    ///
    /// [`TopicAlias`](ConnectionError::TopicAlias) if the server does not take it
    /// [MQTT-3.2.2-17], or if they are [automatic](Self::automatic_aliases).
    pub fn assign_alias(
        &mut self,
        topic: TopicName,
        alias: TopicAlias,
    ) -> Result<(), ConnectionError> {
        self.core.check_connected()?;
        match self.core.outbound.assign(topic, alias) {
            true => Ok(()),
            false => Err(ConnectionError::TopicAlias),
        }
    }

    /// A packet came.
    ///
    /// # Errors
    ///
    /// If the server may not send it now. The connection is over then, and knows what to send.
    pub fn handle_packet<B: AsRef<[u8]>>(
        &mut self,
        packet: &Packet<B>,
    ) -> Result<Input, Violation> {
        let judged = match self.core.state {
            State::Connecting if self.core.greeted => self.handle_answer(packet),
            State::Connected => self.handle(packet),
            // What the server sent before it knew.
            State::Closing | State::Closed => Ok(Input::Done),
            _ => Err(Violation::UnexpectedPacket(packet.packet_type())),
        };
        if let Err(violation) = judged {
            self.core.violated(violation);
        }
        judged
    }

    /// What came was no packet.
    ///
    /// A server that does not know 5.0 refuses it with the CONNACK of 3.1.1, which 5.0 does not have
    /// (3.1.1 \[MQTT-3.1.2-2\]). That is [`Closed::Refused`] too.
    pub fn handle_decode_error(&mut self, error: DecodeError) {
        let asked = self.core.state == State::Connecting && self.core.greeted;
        if asked && from_server::refuses_v5(&error) {
            let reason = ReasonCode::UnsupportedProtocolVersion;
            self.core.end(Closed::Refused(reason), None);
        } else {
            self.core.handle_decode_error(error);
        }
    }

    /// The time has come. Without effect before [`next_timeout`](Self::next_timeout).
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.next_timeout().is_none() {
            return;
        }
        match self.pinger.due(now) {
            Some(Due::Ping) => self.core.queue.push_back(Queued::PingReq),
            Some(Due::Answer) => {
                let last = self.core.farewell(ReasonCode::UnspecifiedError);
                self.core.end(Closed::TimedOut, last);
            }
            None => {}
        }
    }

    /// The network connection has ended, or could not be made.
    pub fn handle_close(&mut self) {
        if self.core.state != State::Idle {
            self.core.end(Closed::Lost, None);
        }
    }

    /// The next packet to send. [`version`](Self::version) says how to encode it.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Packet<&[u8]>> {
        let pinger = &mut self.pinger;
        self.core
            .poll_transmit(|awaits_answer| pinger.sent(now, awaits_answer))
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
            State::Connecting | State::Connected => self.pinger.next_timeout(),
            _ => None,
        }
    }

    /// Gives memory back that is kept for further messages: for a connection that is idle.
    pub fn shrink_to_fit(&mut self) {
        self.core.shrink_to_fit();
    }

    /// The version that is spoken.
    pub const fn version(&self) -> Version {
        self.core.version
    }

    /// Whether the server has accepted the connection, and it is not over.
    pub fn is_connected(&self) -> bool {
        self.core.state == State::Connected
    }

    /// Whether the connection is over and nothing is left to send: close the network connection.
    pub fn is_closed(&self) -> bool {
        matches!(self.core.state, State::Closed | State::Left)
    }

    /// What the server takes, once it has said so.
    pub const fn limits(&self) -> &Limits {
        &self.core.peer
    }

    /// For how many seconds the server keeps the session after the connection; `u32::MAX` is for
    /// ever.
    pub const fn session_expiry_interval(&self) -> u32 {
        self.core.session_expiry
    }

    /// The session, to take a [snapshot](Session::snapshot) of perhaps.
    pub const fn session(&self) -> &Session<Publish> {
        &self.core.session
    }

    /// Takes a message back: see [`Session::abandon`].
    pub fn abandon(&mut self, id: PacketId) -> Result<Publish, SessionError> {
        self.core.session.abandon(id)
    }

    /// The session alone.
    pub fn into_session(self) -> Session<Publish> {
        let mut session = self.core.session;
        session.disconnect();
        session
    }

    /// The identifier that the next request takes.
    fn next_request(&self) -> Result<PacketId, ConnectionError> {
        self.core.check_connected()?;
        let session = &self.core.session;
        self.core.check_room(session.packet_ids_in_use().into())?;
        let id = session.next_packet_id();
        Ok(id.ok_or(SessionError::PacketIdsExhausted)?)
    }
}

impl Default for Connection {
    fn default() -> Self {
        Self::new()
    }
}
