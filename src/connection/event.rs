use crate::packet_id::PacketId;
use crate::reason::ReasonCode;
use crate::topic::TopicName;

/// What to do with a packet that was handed over.
#[must_use]
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every kind")]
pub enum Input {
    /// Nothing. What came of it is an [`Event`], if anything.
    Done,
    /// Deliver this PUBLISH, to this topic if it has a topic alias instead of one of its own. At QoS
    /// 1 and 2, `acknowledge` it then [MQTT-4.5.0-2].
    Deliver(Option<TopicName>),
    /// Do not deliver this PUBLISH, which is here already. It is answered.
    Duplicate,
    /// Answer: CONNECT with `accept`, `refuse` or `auth`, SUBSCRIBE with `sub_ack`, UNSUBSCRIBE with
    /// `unsub_ack`, AUTH with `auth`.
    Answer,
    /// The client has not waited for CONNACK, as it may. Nothing is done: hand the packet over again
    /// once the connection is accepted, and drop it if it is refused [MQTT-3.1.4-6].
    Early,
}

/// What has happened on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The server accepted the connection.
    Connected {
        /// Whether it has the session. If not, this side has forgotten what was unacknowledged.
        session_present: bool,
    },
    /// The server accepted the new authentication.
    Reauthenticated,
    /// PUBREC came: the peer owns the QoS 2 message.
    Received(PacketId),
    /// PUBACK, PUBCOMP or a failing PUBREC came: the message is dealt with.
    Completed(PacketId, ReasonCode),
    /// SUBACK came.
    Subscribed(PacketId),
    /// UNSUBACK came.
    Unsubscribed(PacketId),
    /// The message is too large for the peer, or has no form in its version, and was not sent; it
    /// counts as dealt with [MQTT-3.1.2-25].
    Dropped(PacketId),
    /// The connection is over. Send what [`poll_transmit`](super::client::Connection::poll_transmit)
    /// still has, then close the network connection [MQTT-3.14.4-2].
    Closed(Closed),
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Closed {
    /// This side asked for it.
    Local,
    /// The server refused the connection.
    Refused(ReasonCode),
    /// The peer sent DISCONNECT.
    Disconnected(ReasonCode),
    /// The peer broke a rule, which this code names.
    Violated(ReasonCode),
    /// The peer was silent for too long.
    TimedOut,
    /// The network connection ended.
    Lost,
}
