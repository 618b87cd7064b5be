//! The server's end of a connection.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::time::Duration;

use bytes::Bytes;

use super::answers::PeerRequest;
use super::auth::Turn;
use super::error::Violation;
use super::event::GivenUp;
use super::receive::Verdict;
use super::{Agreement, Closed, State, role};
use crate::message::{Message, Publishable};
use crate::packet::{Connect, Disconnect, Packet, Will};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::reason::ReasonCode;
use crate::session::Session;
use crate::side::Side;
use crate::version::Version;

/// A server's connection to one client, used for one network connection.
///
/// ```
/// use core::time::Duration;
/// use bytes::BytesMut;
/// use mqtt_sansio::connection::{Incoming, server::Connection};
/// use mqtt_sansio::packet::ConnAck;
/// use mqtt_sansio::ReasonCode;
///
/// let now = Duration::ZERO;
/// let mut input = BytesMut::from(&b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01a"[..]);
/// let mut output = BytesMut::new();
/// let mut server = Connection::new(now, Duration::from_secs(10));
/// let Some(Incoming::Connect(connect)) = server.handle_bytes(now, &mut input) else { panic!() };
/// assert_eq!(connect.client_id, "a");
/// server.accept(now, ConnAck::new(ReasonCode::Success), &mut None)?;
/// server.poll_bytes(now, &mut output);
/// assert_eq!(output, b"\x20\x02\x00\x00"[..]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A server that sends each message to all clients:
///
/// ```
/// # use core::time::Duration;
/// # use std::collections::HashMap;
/// # use bytes::BytesMut;
/// # use mqtt_sansio::connection::{Incoming, server::Connection};
/// # use mqtt_sansio::packet::ConnAck;
/// # use mqtt_sansio::session::Session;
/// # use mqtt_sansio::topic::FilterTree;
/// # use mqtt_sansio::property::SubscriptionId;
/// # use mqtt_sansio::{QoS, ReasonCode, Shared, Text};
/// # type Failure = Box<dyn std::error::Error>;
/// # struct Subscriber { client: usize, qos: QoS, id: Option<SubscriptionId> }
/// fn handle(
///     connections: &mut [Connection<Shared>],
///     me: usize,
///     sessions: &mut HashMap<Text, Option<Session<Shared>>>,
///     tree: &mut FilterTree<Vec<Subscriber>>,
///     now: Duration,
///     input: &mut BytesMut,
/// ) -> Result<(), Failure> {
///     while let Some(incoming) = connections[me].handle_bytes(now, input) {
///         match incoming {
///             Incoming::Connect(connect) => {
///                 let session = sessions.entry(connect.client_id).or_default(); // taken only if accepted
///                 connections[me].accept(now, ConnAck::new(ReasonCode::Success), session)?;
///             }
///             Incoming::Subscribe(subscribe, token) => {
///                 let id = subscribe.properties.subscription_identifier();
///                 let mut codes = Vec::new();
///                 for subscription in &subscribe.subscriptions {
///                     let qos = subscription.options.maximum_qos;
///                     let subscribers = tree.get_or_insert_with(&subscription.filter, Vec::new);
///                     subscribers.push(Subscriber { client: me, qos, id });
///                     codes.push(ReasonCode::from(qos));
///                 }
///                 connections[me].sub_ack(token, codes)?;
///             }
///             Incoming::Message(message, token) => {
///                 let shared = Shared::new(message.forwarded());
///                 for Subscriber { client, qos, id } in tree.matches(&message.topic).flatten() {
///                     let (qos, shared) = (token.qos().min(*qos), shared.clone().with_ids(*id));
///                     // A message that is refused comes back: this client does not get it.
///                     let _ = connections[*client].publish(qos, shared);
///                 }
///                 connections[me].acknowledge(token)?;
///             }
///             _ => {}
///         }
///     }
///     Ok(())
/// }
/// # let now = Duration::ZERO;
/// # let mut connections = [Connection::keeping(now, Duration::MAX)];
/// # let mut input = BytesMut::new();
/// # for bytes in [
/// #     &b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01a"[..],
/// #     b"\x82\x06\x00\x01\x00\x01x\x01",
/// #     b"\x34\x05\x00\x01x\x00\x07",
/// # ] {
/// #     input.extend_from_slice(bytes);
/// # }
/// # let (mut sessions, mut tree) = (HashMap::new(), FilterTree::new());
/// # handle(&mut connections, 0, &mut sessions, &mut tree, now, &mut input)?;
/// # let mut output = BytesMut::new();
/// # connections[0].poll_bytes(now, &mut output);
/// # let expected = b"\x20\x02\0\0\x90\x03\0\x01\x01\x50\x02\0\x07\x32\x05\0\x01x\0\x01";
/// # assert_eq!(output, expected[..]);
/// # Ok::<(), Failure>(())
/// ```
pub type Connection<M = Message> = super::Connection<Server, M>;

/// The server's end, as the role of a [`Connection`](super::Connection).
#[derive(Clone, Debug)]
pub struct Server {
    /// The time at which bytes of the client arrived last.
    pub(super) last: Duration,
    /// True if CONNECT was accepted.
    pub(super) accepted: bool,
    will: Option<Box<Will>>,
    /// SUBSCRIBE and UNSUBSCRIBE that are not answered.
    pub(super) requests: BTreeMap<PacketId, PeerRequest>,
    /// The bytes of their answers.
    pub(super) unanswered: u32,
    /// The number of the next request.
    pub(super) next_request: u64,
}

impl Connection {
    /// Makes the connection for a network connection that was opened at `now`. CONNECT, and each
    /// AUTH of the client, may take `connect_timeout`.
    pub fn new(now: Duration, connect_timeout: Duration) -> Self {
        Self::keeping(now, connect_timeout)
    }
}

impl<M: Publishable> Connection<M> {
    /// As [`new`](Connection::new), for another type of messages than [`Message`].
    pub fn keeping(now: Duration, connect_timeout: Duration) -> Self {
        let role = Server {
            last: now,
            accepted: false,
            will: None,
            requests: BTreeMap::new(),
            unanswered: 0,
            next_request: 0,
        };
        let mut connection = Self::with_role(role, Session::new(), connect_timeout);
        connection.now = now;
        connection.answer.start(now);
        connection
    }

    /// Takes the will, if the accepted connection ended in a way that requires it to be published:
    /// any end except a DISCONNECT with [`ReasonCode::Success`], or any DISCONNECT in 3.1.1
    /// (section 3.1.2.5).
    pub fn take_will(&mut self) -> Option<Will> {
        let over = self.is_over();
        let accepted = self.role.accepted;
        let will = self.role.will.take_if(|_| over && accepted)?;
        Some(*will)
    }

    fn handle_connect<B: AsRef<[u8]>>(
        &mut self,
        version: Version,
        connect: &Connect<B>,
    ) -> Result<Verdict, Violation> {
        self.answer.complete();
        self.agreement = Agreement::asked(Side::Server, version, connect);
        self.state = State::Connecting {
            turn: match self.agreement.method {
                Some(_) => Turn::Own,
                None => Turn::Nobody,
            },
        };
        if version == Version::V311 && connect.client_id.is_empty() && !connect.clean_start {
            return Err(Violation::EmptyClientId);
        }
        let copy = |field: &B| Bytes::copy_from_slice(field.as_ref());
        let will = connect.will.as_ref();
        self.role.will = will.map(|will| Box::new(will.map(copy)));
        Ok(Verdict::Connect)
    }

    /// Handles a packet between CONNECT and CONNACK.
    fn handle_early<B: AsRef<[u8]>>(&mut self, packet: &Packet<B>) -> Result<Verdict, Violation> {
        match packet {
            Packet::Auth(auth) => self.handle_auth(auth),
            Packet::Publish(_)
            | Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Disconnect(_)
                // [MQTT-3.1.2-30]
                if self.is_holding() =>
            {
                Ok(Verdict::Early)
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(disconnect),
            _ => Err(Violation::UnexpectedPacket(packet.packet_type())),
        }
    }

    fn handle_disconnect<B: AsRef<[u8]>>(
        &mut self,
        disconnect: &Disconnect<B>,
    ) -> Result<Verdict, Violation> {
        if let Some(seconds) = disconnect.properties.session_expiry_interval() {
            if self.agreement.asked_expiry == 0 && seconds > 0 {
                return Err(Violation::SessionExpiry);
            }
            self.agreement.session_expiry = seconds;
        }
        // [MQTT-3.1.2-10] [MQTT-3.14.4-3]
        if disconnect.reason == ReasonCode::Success {
            self.role.will = None;
        }
        let why = Closed::Disconnected(Box::new(disconnect.to_owned()));
        self.end(why, None);
        Ok(Verdict::Done)
    }
}

impl role::Role for Server {
    const SIDE: Side = Side::Server;

    #[inline]
    fn judge<M: Publishable, B: AsRef<[u8]>>(
        connection: &mut Connection<M>,
        version: Version,
        packet: &Packet<B>,
    ) -> Result<Verdict, Violation> {
        match (&connection.state, packet) {
            (State::Connected { .. }, packet) => match packet {
                Packet::Subscribe(subscribe) => {
                    let checked = connection.agreement.own.check_subscribe(subscribe);
                    checked.map_err(Violation::NotSupported)?;
                    let filters = subscribe.subscriptions.iter().count();
                    connection.begin_request(PacketType::Subscribe, subscribe.packet_id, filters)
                }
                Packet::Unsubscribe(unsubscribe) => {
                    let filters = match connection.agreement.version {
                        // UNSUBACK has no codes.
                        Version::V311 => 0,
                        Version::V5 => unsubscribe.filters.iter().count(),
                    };
                    let id = unsubscribe.packet_id;
                    connection.begin_request(PacketType::Unsubscribe, id, filters)
                }
                Packet::PingReq => {
                    connection.outbox.answer_ping();
                    Ok(Verdict::Done)
                }
                Packet::Disconnect(disconnect) => connection.handle_disconnect(disconnect),
                Packet::Auth(auth) => connection.handle_auth(auth),
                _ => connection.handle_exchange(packet),
            },
            (State::Idle, Packet::Connect(connect)) => connection.handle_connect(version, connect),
            (State::Connecting { .. }, _) => connection.handle_early(packet),
            // Nothing comes before CONNECT [MQTT-3.1.0-1].
            _ => Err(Violation::UnexpectedPacket(packet.packet_type())),
        }
    }

    #[inline]
    fn sent(&mut self, _: Duration, _: bool) {}

    #[inline]
    fn received<M>(connection: &mut Connection<M>, now: Duration) {
        connection.role.last = now;
    }

    fn resumed(&mut self, now: Duration) {
        self.last = now;
    }

    fn peer_timeout<M>(connection: &Connection<M>) -> Option<Duration> {
        let keep_alive = match connection.state {
            State::Connected { .. } => connection.agreement.keep_alive.interval()?,
            _ => return None,
        };
        // One and a half times Keep Alive [MQTT-3.1.2-22], unless that is let go.
        let percent = connection.decoder.get_rules().silence_percent()?;
        let timeout = keep_alive.saturating_mul(u32::from(percent)) / 100;
        Some(connection.role.last.saturating_add(timeout))
    }

    fn has_session(&self) -> bool {
        self.accepted
    }

    /// Discards all messages with their outcomes, as there is no connection on which to send them.
    fn forget<M: Publishable>(connection: &mut Connection<M>) {
        connection.reset_session();
        while let Some(stored) = connection.session.next_message() {
            let (id, call) = (stored.delivery.packet_id(), stored.call);
            let message = id.and_then(|id| connection.session.abandon(id).ok());
            if message.is_none() {
                return;
            }
            connection.give_up(call, GivenUp::ConnectionLost, message);
        }
    }
}
