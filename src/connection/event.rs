use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;
use thiserror::Error;

use super::error::{ConnectionError, Violation};
use crate::binary::Escaped;
use crate::error::DecodeError;
use crate::message::Message;
use crate::packet::{
    Auth, ConnAck, Connect, Disconnect, SubAck, Subscribe, Subscriptions, TopicFilters, Unsubscribe,
};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::qos::Delivery;
use crate::reason::ReasonCode;
use crate::rules::Rule;
use crate::session::{CallId, Token};

/// A packet from the peer on which the caller has to act.
#[must_use]
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum Incoming<B = Bytes> {
    /// CONNECT, at a server: answer it with `accept`, `refuse` or `auth`.
    Connect(Box<Connect<B>>),
    /// A message, delivered once. Acknowledge it with its token [MQTT-4.5.0-2].
    Message(Message<B>, Token),
    /// The beginning of a message that arrives [in pieces](super::Connection::pieces_above), and the
    /// length of its payload in bytes.
    Begin(Box<Head<B>>, u32),
    /// The next bytes of the payload of that message, at least one.
    Piece(B),
    /// That message is complete. Acknowledge it with its token.
    ///
    /// If its network connection ends before, the message has not been delivered, and at QoS 1 and 2
    /// the peer sends it again from its first byte.
    End(Token),
    /// SUBSCRIBE, at a server: answer it with `sub_ack`.
    Subscribe(Subscribe<B>, RequestToken),
    /// UNSUBSCRIBE, at a server: answer it with `unsub_ack`.
    Unsubscribe(Unsubscribe<B>, RequestToken),
    /// AUTH: answer it with `auth`, or at a server with `accept` or `refuse`.
    Auth(Auth<B>),
    /// A PUBLISH that was skipped, as its [rule](DecodeError::rule) is [let go](crate::Rules): it
    /// is too large, or holds text that is not allowed. The token acknowledges it; it is `None` if
    /// the packet identifier could not be read.
    Skipped(DecodeError, Option<Token>),
    /// A packet that arrived before CONNECT was answered, as it may [MQTT-3.1.4-6]. It was not
    /// handled: pass it to `handle_packet` again after `accept`, or discard it after `refuse`. The
    /// bytes door keeps such packets by itself.
    Early,
}

impl<B: AsRef<[u8]>> fmt::Debug for Incoming<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut with_token = |name, what: &dyn fmt::Debug, token: &dyn fmt::Debug| {
            f.debug_tuple(name).field(what).field(token).finish()
        };
        match self {
            Self::Message(message, token) => with_token("Message", message, token),
            Self::Begin(head, len) => with_token("Begin", head, len),
            Self::Piece(bytes) => f
                .debug_tuple("Piece")
                .field(&Escaped(bytes.as_ref()))
                .finish(),
            Self::End(token) => f.debug_tuple("End").field(token).finish(),
            Self::Subscribe(request, token) => with_token("Subscribe", request, token),
            Self::Unsubscribe(request, token) => with_token("Unsubscribe", request, token),
            Self::Connect(connect) => f.debug_tuple("Connect").field(connect).finish(),
            Self::Auth(auth) => f.debug_tuple("Auth").field(auth).finish(),
            Self::Skipped(error, token) => with_token("Skipped", error, token),
            Self::Early => f.write_str("Early"),
        }
    }
}

/// The part of a message in pieces that arrives before its payload.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Head<B = Bytes> {
    /// The topic, RETAIN and the properties. The payload is empty.
    pub message: Message<B>,
    /// The QoS and the packet identifier.
    pub delivery: Delivery,
    /// DUP: the peer may have sent the message before.
    pub dup: bool,
}

impl<B: AsRef<[u8]>> Head<B> {
    /// The same head in buffers of its own.
    pub fn to_owned(&self) -> Head {
        Head {
            message: self.message.to_owned(),
            delivery: self.delivery,
            dup: self.dup,
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Head<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("message", &self.message)
            .field("delivery", &self.delivery)
            .field("dup", &self.dup)
            .finish()
    }
}

/// Identifies one SUBSCRIBE or UNSUBSCRIBE, to answer it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RequestToken {
    pub(super) number: u64,
    pub(super) packet_id: PacketId,
}

impl RequestToken {
    /// The packet identifier of the request.
    pub const fn packet_id(self) -> PacketId {
        self.packet_id
    }
}

/// An event of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event<M = Message> {
    /// The server accepted the connection, with this CONNACK.
    ///
    /// If no session is present at the server, every exchange that had begun is over, and an event
    /// for each comes first.
    Connected(Box<ConnAck>),
    /// The server accepted a new authentication.
    Reauthenticated,
    /// The one outcome of a publish. To tell each publisher its own:
    ///
    /// ```
    /// use std::{collections::HashMap, sync::mpsc::Sender};
    /// use mqtt_sansio::connection::{Event, Outcome, client::Connection};
    /// use mqtt_sansio::{Message, QoS, session::CallId};
    ///
    /// # type Failure = Box<dyn std::error::Error>;
    /// type Waiting = HashMap<CallId, Sender<Outcome>>;
    ///
    /// fn publish(mqtt: &mut Connection, waiting: &mut Waiting, sender: Sender<Outcome>) -> Result<(), Failure> {
    ///     let id = mqtt.publish(QoS::ExactlyOnce, Message::new("orders/17".parse()?, "2 pears"))?;
    ///     waiting.insert(id, sender);
    ///     Ok(())
    /// }
    ///
    /// /// Called after each `handle_*`. Every identifier comes back exactly once.
    /// fn tell(mqtt: &mut Connection, waiting: &mut Waiting) {
    ///     while let Some(event) = mqtt.poll_event() {
    ///         match event {
    ///             Event::Published(id, outcome) => { waiting.remove(&id).map(|sender| sender.send(outcome)); }
    ///             Event::Closed(why) => println!("{why}"),
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// # let (mut mqtt, mut waiting) = (Connection::new(), Waiting::new());
    /// # publish(&mut mqtt, &mut waiting, std::sync::mpsc::channel().0)?;
    /// # tell(&mut mqtt, &mut waiting);
    /// # assert_eq!(waiting.len(), 1);
    /// # Ok::<(), Failure>(())
    /// ```
    Published(CallId, Outcome<M>),
    /// The one outcome of `subscribe`.
    Subscribed(CallId, Answer<Subscriptions>),
    /// The one outcome of `unsubscribe`.
    Unsubscribed(CallId, Answer<TopicFilters>),
    /// The peer broke this rule, which is [let go](crate::Rules), at least once since the last such
    /// event.
    LetGo(Rule),
    /// PUBACK, SUBACK or UNSUBACK with a packet identifier that is not in use, or whose message has
    /// not been sent. It has no effect; the specification has no rule for it.
    ///
    /// Until this event is polled, there is no further one.
    Unknown(PacketType, PacketId),
    /// The connection is over. Send the remaining bytes, then close the network connection
    /// [MQTT-3.14.4-2].
    Closed(Closed),
}

/// The outcome of a publish.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome<M = Message> {
    /// The message was sent at QoS 0. It may or may not arrive.
    Sent,
    /// The peer accepted the message, with this code of PUBACK or PUBCOMP.
    Accepted(ReasonCode),
    /// The peer refused the message, with this code of PUBACK or PUBREC. The message is `None` if
    /// it was returned to the caller before.
    Refused(ReasonCode, Option<Box<M>>),
    /// The peer may have the message. Either it answered a message that was sent again with this
    /// code, which may refer to the first copy, or its session was lost after PUBREC. To publish
    /// the message again may duplicate it.
    Uncertain(Option<ReasonCode>),
    /// The message was abandoned. It is `None` if it was returned to the caller before.
    GivenUp(GivenUp, Option<Box<M>>),
}

/// The reason why a message was not delivered.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum GivenUp {
    /// The caller took the message back with `abandon`.
    #[error("the message was taken back")]
    Abandoned,
    /// Its Message Expiry Interval ended before it could be sent [MQTT-3.3.2-5].
    #[error("the message expired before it could be sent")]
    Expired,
    /// The peer has no session any more, or the session ended. The message was sent and may have
    /// arrived.
    #[error("the session is lost")]
    SessionLost,
    /// The connection ended before the message was sent, and no session keeps it: it has QoS 0, or
    /// the session ended with the connection.
    #[error("the connection ended before the message was sent")]
    ConnectionLost,
    /// The caller could not have the [payload](super::Connection::payload_lost) any more.
    #[error("the payload is lost")]
    PayloadLost,
    /// The peer of the new connection does not support the message [MQTT-3.1.2-25].
    #[error(transparent)]
    NotSupported(ConnectionError),
}

/// The outcome of `subscribe` or `unsubscribe`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every kind")]
pub enum Answer<T> {
    /// SUBACK or UNSUBACK, with one code for each topic filter; UNSUBACK of 3.1.1 has none.
    Codes(Box<SubAck>),
    /// No answer: the connection ended after the request was sent, or the server of the new
    /// connection does not support the request, which is returned.
    GivenUp(Box<T>),
}

/// The reason why a connection is over.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Closed {
    /// This side ended the connection.
    #[error("this side ended the connection")]
    Local,
    /// The server refused the connection with this CONNACK.
    ///
    /// A server that supports 3.1.1 only answers a CONNECT of 5.0 with a CONNACK of 3.1.1. That is
    /// a refusal as well, with the code that corresponds to its return code and without properties.
    #[error("the server refused the connection: {}", .0.reason)]
    Refused(Box<ConnAck>),
    /// The peer ended the connection with this DISCONNECT.
    #[error("the peer ended the connection: {}", .0.reason)]
    Disconnected(Box<Disconnect>),
    /// The peer sent bytes that are no MQTT packet, or a packet that its side may not send.
    #[error(transparent)]
    Malformed(DecodeError),
    /// The peer sent a well-formed packet that breaks a rule of the exchange.
    #[error(transparent)]
    Violated(Violation),
    /// The peer was silent for too long.
    #[error("the peer was silent for too long")]
    TimedOut,
    /// This side ended the connection within a PUBLISH, whose
    /// [payload](super::Connection::payload_lost) could not be had any more.
    #[error("the payload of a message is lost")]
    PayloadLost,
    /// The network connection ended without DISCONNECT.
    #[error("the network connection was lost")]
    Lost,
}
