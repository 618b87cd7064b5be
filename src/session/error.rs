use core::error::Error as StdError;
use core::fmt;

use thiserror::Error;

use crate::error::{Part, numbers};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::rules::Rule;
use crate::version::Version;

/// A well-formed packet from the peer that breaks a rule of the session.
///
/// The network connection is to be closed, in 5.0 after a DISCONNECT with
/// [`reason_code`](Self::reason_code) [MQTT-4.13.1-1]. The session is as it was before the packet.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// An acknowledgement of the wrong kind, such as PUBACK for a QoS 2 message.
    #[error("{0} does not answer the packet that was sent")]
    UnexpectedAck(PacketType),
    /// PUBACK for a QoS 2 message: the peer does not support QoS 2, whatever it granted.
    #[error(
        "PUBACK answers a PUBLISH of QoS 2, for which PUBREC was due: publish at QoS 1 or let this \
         rule go (rule {})",
        Rule::PubAckAtQoS2
    )]
    PubAckAtQoS2,
    /// A new PUBLISH of this QoS with the packet identifier of another message in flight.
    #[error(
        "the packet identifier of a new PUBLISH is in use (rule {})",
        Rule::PacketIdInUse
    )]
    PacketIdInUse(QoS),
    /// More QoS 1 and QoS 2 messages than Receive Maximum are unacknowledged.
    #[error("the receive maximum is exceeded (rule {})", Rule::ReceiveMaximum)]
    ReceiveMaximumExceeded,
    /// A SUBACK or UNSUBACK with more or fewer codes than the request has topic filters.
    #[error("{0} does not have one code for each topic filter")]
    WrongCodeCount(PacketType),
    /// More packets that have to be answered than this side keeps answers for: the peer does not
    /// read them.
    #[error("too many answers wait, as the peer does not read them")]
    UnreadAnswers,
}

impl Violation {
    /// The code for DISCONNECT.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
            Self::UnreadAnswers => ReasonCode::QuotaExceeded,
            _ => ReasonCode::ProtocolError,
        }
    }

    /// The rule to [let go](crate::Rules) in order to live with this peer, or `None` if there is
    /// none.
    pub const fn rule(self) -> Option<Rule> {
        match self {
            Self::PubAckAtQoS2 => Some(Rule::PubAckAtQoS2),
            Self::PacketIdInUse(_) => Some(Rule::PacketIdInUse),
            Self::ReceiveMaximumExceeded => Some(Rule::ReceiveMaximum),
            Self::UnexpectedAck(_) | Self::WrongCodeCount(_) | Self::UnreadAnswers => None,
        }
    }

    /// The normative statement of `version` that is broken, such as `"MQTT-3.3.4-1"`.
    pub const fn statement(self, version: Version) -> Option<&'static str> {
        use PacketType::{PubAck, PubRec, PubRel, SubAck, UnsubAck};
        Some(match (self, version) {
            (Self::PubAckAtQoS2 | Self::UnexpectedAck(PubAck | PubRec), _) => "MQTT-3.3.4-1",
            (Self::UnexpectedAck(PubRel), Version::V5) => "MQTT-4.3.3-4",
            (Self::UnexpectedAck(SubAck | UnsubAck), Version::V5) => "MQTT-2.2.1-6",
            (Self::UnexpectedAck(SubAck | UnsubAck), Version::V311) => "MQTT-2.3.1-7",
            (Self::UnexpectedAck(_), Version::V5) => "MQTT-4.3.3-8",
            (Self::UnexpectedAck(_), Version::V311) => "MQTT-4.3.3-2",
            (Self::PacketIdInUse(QoS::ExactlyOnce), _) => "MQTT-4.3.3-1",
            (Self::PacketIdInUse(_), _) => "MQTT-4.3.2-1",
            (Self::ReceiveMaximumExceeded, Version::V5) => "MQTT-4.9.0-2",
            (Self::ReceiveMaximumExceeded, Version::V311) => return None,
            (Self::WrongCodeCount(UnsubAck), Version::V5) => "MQTT-3.11.3-1",
            (Self::WrongCodeCount(UnsubAck), Version::V311) => return None,
            (Self::WrongCodeCount(_), Version::V5) => "MQTT-3.8.4-6",
            (Self::WrongCodeCount(_), Version::V311) => "MQTT-3.8.4-5",
            (Self::UnreadAnswers, _) => return None,
        })
    }
}

numbers! { Violation {
    1 UnexpectedAck(packet: PacketType),
    2 PubAckAtQoS2,
    3 PacketIdInUse(qos: QoS),
    4 ReceiveMaximumExceeded,
    5 WrongCodeCount(packet: PacketType),
    6 UnreadAnswers,
}}

/// The number of the kind, and behind it a byte for what it holds.
impl Part for Violation {
    fn to_part(self) -> u32 {
        let (number, held) = self.to_parts();
        u32::from(number) << 8 | held
    }

    fn from_part(part: u32) -> Option<Self> {
        Self::from_parts(u8::try_from(part >> 8).ok()?, part & 0xFF)
    }
}

/// A call that is not possible. It changed nothing.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum SessionError {
    /// All 65,535 packet identifiers are in use.
    #[error("all packet identifiers are in use")]
    PacketIdsExhausted,
    /// A QoS 0 message, which has no packet identifier and is not part of a session.
    #[error("a message of QoS 0 is not part of a session")]
    AtMostOnce,
    /// No message with this packet identifier is kept.
    #[error("no message with this packet identifier is kept")]
    UnknownPacketId,
    /// The delivery was acknowledged before, or, at QoS 1, its network connection has ended, so that
    /// the peer sends the message again.
    #[error("the delivery is over: it was acknowledged, or its connection has ended")]
    DeliveryOver,
    /// The answer cannot have this code, or a code of 0x80 or above in 3.1.1.
    #[error("the reason code is not allowed here")]
    InvalidReasonCode,
}

/// The reason why a call failed, with the argument of the call.
#[derive(Clone, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "to be taken apart")]
pub struct Refused<T, E> {
    /// The reason.
    pub why: E,
    /// The argument of the call.
    pub given: T,
}

impl<T, E> Refused<T, E> {
    pub(crate) const fn new(why: E, given: T) -> Self {
        Self { why, given }
    }
}

/// Displays the reason alone, as a message may be long.
impl<T, E: fmt::Debug> fmt::Debug for Refused<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

impl<T, E: fmt::Display> fmt::Display for Refused<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl<T, E: StdError> StdError for Refused<T, E> {}

/// The reason why a snapshot is not the state of a session.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum InvalidSnapshot {
    /// Another layout, perhaps of a later release.
    #[error("the snapshot has the unknown layout {0}")]
    UnknownLayout(u8),
    /// A stored message of QoS 0.
    #[error("a message in the snapshot has QoS 0")]
    AtMostOnce,
    /// A packet identifier that occurs twice in one direction.
    #[error("the packet identifier {0} occurs twice")]
    RepeatedPacketId(PacketId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small() {
        assert_eq!(size_of::<Violation>(), 2);
        assert_eq!(size_of::<SessionError>(), 1);
        assert_eq!(size_of::<InvalidSnapshot>(), 4);
    }

    #[test]
    fn violations_name_their_rule() {
        let unexpected = Violation::UnexpectedAck(PacketType::PubRec);
        assert_eq!(unexpected.reason_code(), ReasonCode::ProtocolError);
        assert_eq!(unexpected.statement(Version::V311), Some("MQTT-3.3.4-1"));
        let unknown = Violation::UnexpectedAck(PacketType::UnsubAck);
        assert_eq!(unknown.statement(Version::V311), Some("MQTT-2.3.1-7"));
        assert_eq!(unknown.statement(Version::V5), Some("MQTT-2.2.1-6"));
        let excess = Violation::ReceiveMaximumExceeded;
        assert_eq!(excess.reason_code().to_u8(), 0x93);
        assert_eq!(excess.statement(Version::V5), Some("MQTT-4.9.0-2"));
        let unread = Violation::UnreadAnswers;
        assert_eq!(unread.reason_code().to_u8(), 0x97);
        assert_eq!(unread.statement(Version::V5), None);
    }
}
