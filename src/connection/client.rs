//! The client's end of a connection.

use alloc::boxed::Box;
use core::time::Duration;

use super::auth::Turn;
use super::error::{ConnectionError, Violation};
use super::event::Event;
use super::keep_alive::Pinger;
use super::receive::Verdict;
use super::{Agreement, Closed, State, role};
use crate::error::{DecodeError, DecodeErrorKind, Field};
use crate::message::{Message, Publishable};
use crate::packet::{ConnAck, Connect, Packet};
use crate::packet_type::PacketType;
use crate::reason::ReasonCode;
use crate::session::Session;
use crate::side::Side;
use crate::text::Text;
use crate::version::Version;

/// A client's connection with its session, used for one network connection after another.
///
/// ```
/// use core::time::Duration;
/// use bytes::BytesMut;
/// use mqtt_sansio::connection::{Event, client::Connection};
/// use mqtt_sansio::packet::Connect;
/// use mqtt_sansio::Version;
///
/// let now = Duration::ZERO;
/// let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
/// let mut client = Connection::new();
/// client.connect(Version::V311, Connect::new("press-12".parse()?))?;
/// client.poll_bytes(now, &mut output);
/// assert!(output.starts_with(b"\x10\x14\x00\x04MQTT\x04"));
///
/// input.extend_from_slice(b"\x20\x02\x00\x00");
/// assert_eq!(client.handle_bytes(now, &mut input), None);
/// let Some(Event::Connected(connack)) = client.poll_event() else { panic!() };
/// assert!(!connack.session_present && client.is_connected());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A subscriber over `std::net`:
///
/// ```no_run
/// use std::{error::Error, io::{Read, Write}, net::TcpStream, time::Instant};
/// use bytes::BytesMut;
/// use mqtt_sansio::connection::{Incoming, client::Connection};
/// use mqtt_sansio::packet::{Connect, Subscriptions};
/// use mqtt_sansio::{QoS, Version};
/// # use std::io::{self, ErrorKind};
/// # fn would_block_is_none(read: io::Result<usize>) -> io::Result<Option<usize>> {
/// #     match read {
/// #         Ok(len) => Ok(Some(len)),
/// #         Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
/// #         Err(e) => Err(e),
/// #     }
/// # }
///
/// fn main() -> Result<(), Box<dyn Error>> {
///     let mut mqtt = Connection::new();
///     mqtt.connect(Version::V5, Connect::new("reader-1".parse()?))?;
///     mqtt.subscribe(Subscriptions::new([("sensors/#".parse()?, QoS::AtLeastOnce)])?)?; // once accepted
///     let mut socket = TcpStream::connect("127.0.0.1:1883")?;
///     let (start, mut chunk) = (Instant::now(), [0; 4096]);
///     let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
///     while !mqtt.is_closed() {
///         mqtt.poll_bytes(start.elapsed(), &mut output);
///         socket.write_all(&output.split())?;
///         socket.set_read_timeout(mqtt.wait(start.elapsed()))?;
///         if let Some(read) = would_block_is_none(socket.read(&mut chunk))? {
///             match read { 0 => mqtt.handle_close(), n => input.extend_from_slice(&chunk[..n]) }
///         }
///         while let Some(incoming) = mqtt.handle_bytes(start.elapsed(), &mut input) {
///             if let Incoming::Message(message, token) = incoming {
///                 println!("{}: {:?}", message.topic, message.payload);
///                 mqtt.acknowledge(token)?;
///             }
///         }
///         mqtt.handle_timeout(start.elapsed());
///     }
///     Ok(mqtt.ended()?)
/// }
/// ```
pub type Connection<M = Message> = super::Connection<Client, M>;

/// The client's end, as the role of a [`Connection`](super::Connection).
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) pinger: Pinger,
    /// True if the server is expected to have this session.
    known: bool,
    /// True if Session Present 0 is not believed in 3.1.1.
    pub(super) assumes_session: bool,
    /// The client identifier of CONNECT, and of the session once it has one [MQTT-3.1.3-2].
    client_id: Text,
    session_id: Option<Text>,
}

impl Client {
    fn new(known: bool) -> Self {
        Self {
            pinger: Pinger::new(DEFAULT_RESPONSE_TIMEOUT),
            known,
            assumes_session: false,
            client_id: Text::default(),
            session_id: None,
        }
    }
}

/// The lengths of PINGREQ, and of PUBREL without a code.
const PING_REQ_LEN: usize = 2;
const PUB_REL_LEN: usize = 4;

/// The default time for CONNACK, PINGRESP and each AUTH.
const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

impl Connection {
    /// A client without a session.
    pub fn new() -> Self {
        Self::with_role(Client::new(false), Session::new(), DEFAULT_RESPONSE_TIMEOUT)
    }
}

impl Default for Connection {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Publishable> Connection<M> {
    /// The default of [`response_timeout`](Self::response_timeout): 20 seconds.
    pub const DEFAULT_RESPONSE_TIMEOUT: Duration = DEFAULT_RESPONSE_TIMEOUT;

    /// Makes a client with the session of an earlier connection, for example restored from a
    /// snapshot; or with a new session, for another type of messages than [`Message`].
    pub fn with_session(mut session: Session<M>) -> Self {
        // It may be a copy of that of a connection.
        session.disconnect();
        let role = Client::new(true);
        let mut connection = Self::with_role(role, session, DEFAULT_RESPONSE_TIMEOUT);
        connection.agreement.session_expiry = u32::MAX;
        connection
    }

    /// Begins a connection. CONNECT is the first packet on the network connection [MQTT-3.1.0-1],
    /// which may be open or about to be opened.
    ///
    /// May be called again once the previous connection is over. What that still had to send is
    /// discarded.
    ///
    /// The session belongs to its client identifier: another client identifier discards unfinished
    /// exchanges. So does a clean start, immediately: until a connection is accepted, each further
    /// attempt has to be a clean start as well. Each discarded message is returned with its
    /// outcome.
    ///
    /// The limits in CONNECT are enforced on all packets of the server: see
    /// [`Limits`](super::Limits). In 5.0, [`max_packet_size`](super::Connection::max_packet_size)
    /// and [`max_received`](super::Connection::max_received) are added if they are absent.
    ///
    /// # Errors
    ///
    /// [`WrongState`](ConnectionError::WrongState) if a connection is open,
    /// [`EmptyClientId`](ConnectionError::EmptyClientId),
    /// [`PayloadFormatInvalid`](ConnectionError::PayloadFormatInvalid) for the will, or
    /// [`Encode`](ConnectionError::Encode) if `version` cannot express the packet.
    pub fn connect(&mut self, version: Version, connect: Connect) -> Result<(), ConnectionError> {
        if matches!(
            self.state,
            State::Connecting { .. } | State::Connected { .. }
        ) {
            return Err(ConnectionError::WrongState);
        }
        if version == Version::V311 && connect.client_id.is_empty() && !connect.clean_start {
            // 3.1.1 [MQTT-3.1.3-7]
            return Err(ConnectionError::EmptyClientId);
        }
        let will = connect.will.as_ref();
        if will.is_some_and(|will| !will.has_valid_payload_format()) {
            return Err(ConnectionError::PayloadFormatInvalid);
        }
        let mut connect = connect;
        let chosen = connect.properties.receive_maximum();
        if version == Version::V5 {
            let announced = self.settings.announce(&connect.properties);
            connect.properties = announced.unwrap_or(connect.properties);
        }
        let (clean_start, client_id) = (connect.clean_start, connect.client_id.clone());
        let mut asked = Agreement::asked(Side::Client, version, &connect);
        asked.own.receive_maximum = chosen.unwrap_or(self.settings.max_received);
        let packet = Packet::from(connect);
        packet.encoded_len(version)?;

        self.finish();
        self.outbox.cut();
        // The session of the last connection ended with it, or ends with CONNECT [MQTT-3.1.2-4].
        self.role.known &= self.agreement.session_expiry > 0 && !clean_start;
        if clean_start {
            self.reset_session();
        }
        let limit = asked.own.maximum_packet_size;
        let limit = limit.map_or(self.settings.max_packet_size, core::num::NonZeroU32::get);
        self.decoder.restart(version, limit);
        self.unread = bytes::BytesMut::new();
        self.arrival.complete();
        self.answer.complete();
        self.paused = false;
        self.role.pinger.start();
        self.role.client_id = client_id;
        self.state = State::Connecting {
            turn: match asked.method {
                Some(_) => Turn::Peer,
                None => Turn::Nobody,
            },
        };
        // None outlives its connection, and CONNACK has not allowed any.
        self.own_aliases.reset(0);
        self.agreement = asked;
        self.outbox.greet(packet);
        if self.settings.calls_before_conn_ack {
            self.discard_unsupported();
        }
        Ok(())
    }

    /// Sends PINGREQ. Keep alive does so by itself.
    ///
    /// A server may have a Maximum Packet Size of 1, for which every packet is too large
    /// [MQTT-3.2.2-15]. No keep alive is possible then: the connection ends when PINGREQ is due,
    /// with [`Violation::NotSupported`]. Without Keep Alive it goes on, and only receives.
    ///
    /// # Errors
    ///
    /// [`WrongState`](ConnectionError::WrongState) without a connection, and
    /// [`PacketTooLarge`](ConnectionError::PacketTooLarge).
    pub fn ping(&mut self) -> Result<(), ConnectionError> {
        self.check_connected()?;
        if !self.agreement.peer.fit(PING_REQ_LEN) {
            return Err(ConnectionError::PacketTooLarge);
        }
        self.outbox.request_ping();
        Ok(())
    }

    fn handle_conn_ack<B: AsRef<[u8]>>(
        &mut self,
        connack: &ConnAck<B>,
    ) -> Result<Verdict, Violation> {
        if connack.reason != ReasonCode::Success {
            self.end(Closed::Refused(Box::new(connack.to_owned())), None);
            return Ok(Verdict::Done);
        }
        let properties = &connack.properties;
        let method = properties.authentication_method();
        if method.is_none() && self.agreement.method.is_some() {
            return Err(Violation::ConnAckMethod);
        }
        self.check_method(method)?;
        let session_present = connack.session_present;
        let name = self.role.session_id.as_ref();
        let known = self.role.known && name.is_none_or(|name| *name == self.role.client_id);
        // 3.1.1 lets a client without a session go on with the server's.
        let unknown = !known && self.agreement.version == Version::V5;
        if session_present && (self.agreement.clean_start || unknown) {
            return Err(Violation::SessionPresent);
        }
        let may_assume = self.agreement.version == Version::V311 && !self.agreement.clean_start;
        if self.role.assumes_session && may_assume && known && !session_present {
            let mut connack = connack.as_borrowed();
            connack.session_present = true;
            return self.handle_conn_ack(&connack);
        }
        if !(session_present && known) {
            // [MQTT-3.2.2-5] [MQTT-3.1.2-4]
            self.reset_session();
        }
        self.role.known = true;
        let assigned = properties.assigned_client_identifier();
        let assigned = assigned.map(|name| name.to_owned());
        self.role.session_id = assigned.or_else(|| Some(self.role.client_id.clone()));
        self.agreement.settle(Side::Client, connack);
        self.role.pinger.keep_alive(self.agreement.keep_alive);
        self.establish();
        if self.session.next_owed().is_some() && !self.agreement.peer.fit(PUB_REL_LEN) {
            // PUBREL would be sent again, which is not allowed [MQTT-3.2.2-15].
            self.session_is_over();
            return Err(Violation::NotSupported(ReasonCode::PacketTooLarge));
        }
        self.discard_unsupported();
        let event = Event::Connected(Box::new(connack.to_owned()));
        self.events.push_back(event);
        Ok(Verdict::Done)
    }
}

impl role::Role for Client {
    const SIDE: Side = Side::Client;

    #[inline]
    fn judge<M: Publishable, B: AsRef<[u8]>>(
        connection: &mut Connection<M>,
        _: Version,
        packet: &Packet<B>,
    ) -> Result<Verdict, Violation> {
        match (&connection.state, packet) {
            // CONNACK is the first, but for AUTH [MQTT-3.2.0-1].
            (State::Connecting { .. }, packet) if connection.outbox.greeting.is_none() => {
                match packet {
                    Packet::ConnAck(connack) => connection.handle_conn_ack(connack),
                    Packet::Auth(auth) => connection.handle_auth(auth),
                    _ => Err(Violation::UnexpectedPacket(packet.packet_type())),
                }
            }
            (State::Connected { .. }, packet) => match packet {
                Packet::SubAck(ack) | Packet::UnsubAck(ack) => {
                    connection.handle_request_answer(packet.packet_type(), ack)
                }
                Packet::PingResp => {
                    connection.role.pinger.answered();
                    Ok(Verdict::Done)
                }
                Packet::Disconnect(last) if connection.agreement.version == Version::V5 => {
                    let why = Closed::Disconnected(Box::new(last.to_owned()));
                    connection.end(why, None);
                    Ok(Verdict::Done)
                }
                Packet::Auth(auth) => connection.handle_auth(auth),
                _ => connection.handle_exchange(packet),
            },
            _ => Err(Violation::UnexpectedPacket(packet.packet_type())),
        }
    }

    /// A server that does not know 5.0 answers with the CONNACK of 3.1.1, which 5.0 does not have
    /// (3.1.1 \[MQTT-3.1.2-2\]).
    fn understand<M: Publishable>(connection: &mut Connection<M>, error: &DecodeError) -> bool {
        let asked = matches!(connection.state, State::Connecting { .. });
        let of_5 = error.version() == Version::V5 && error.packet() == Some(PacketType::ConnAck);
        if !asked || !of_5 || connection.outbox.greeting.is_some() {
            return false;
        }
        let reason = match (error.kind(), error.field()) {
            (DecodeErrorKind::InvalidReasonCode(code @ 1..=5), _) => {
                ReasonCode::from_v311(PacketType::ConnAck, code)
            }
            // Success, and no properties behind it.
            (DecodeErrorKind::Missing, Field::PropertyLength) => {
                Some(ReasonCode::UnsupportedProtocolVersion)
            }
            _ => None,
        };
        let Some(reason) = reason else {
            return false;
        };
        let refusal = Box::new(ConnAck::new(reason));
        connection.end(Closed::Refused(refusal), None);
        true
    }

    #[inline]
    fn sent(&mut self, now: Duration, is_ping: bool) {
        self.pinger.sent(now, is_ping);
    }

    #[inline]
    fn received<M>(connection: &mut Connection<M>, now: Duration) {
        connection.role.pinger.postpone(now);
    }

    fn resumed(&mut self, now: Duration) {
        self.pinger.postpone(now);
    }

    fn peer_timeout<M>(connection: &Connection<M>) -> Option<Duration> {
        connection.role.pinger.answer_by
    }

    fn own_timeout<M>(connection: &Connection<M>) -> Option<Duration> {
        connection.role.pinger.ping_at()
    }

    fn handle_own_timeout<M: Publishable>(connection: &mut Connection<M>, now: Duration) {
        let is_due = connection.role.pinger.take_ping(now);
        if is_due && connection.ping() == Err(ConnectionError::PacketTooLarge) {
            connection.violate(Violation::NotSupported(ReasonCode::PacketTooLarge));
        }
    }

    fn has_session(&self) -> bool {
        true
    }

    /// Ends the exchanges that had begun. Messages that were never sent wait for the next session.
    fn forget<M: Publishable>(connection: &mut Connection<M>) {
        connection.reset_session();
    }
}
