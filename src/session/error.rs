use thiserror::Error;

use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::version::Version;

/// The peer sent a well-formed packet that does not fit what went before.
///
/// The network connection is to be closed, in 5.0 after a DISCONNECT with
/// [`reason_code`](Self::reason_code) [MQTT-4.13.1-1]. The session is as it was before the packet.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// The packet does not answer what was sent with its identifier: PUBACK to a QoS 2 message, for
    /// instance.
    #[error("{0} does not answer what was sent")]
    UnexpectedAck(PacketType),
    /// Nothing was sent with the identifier of this acknowledgement.
    #[error("{0} for an unknown packet identifier")]
    UnknownPacketId(PacketType),
    /// A new PUBLISH of this QoS has the identifier of another message that is under way.
    #[error("packet identifier of a new PUBLISH is in use")]
    PacketIdInUse(QoS),
    /// More QoS 1 and QoS 2 messages than Receive Maximum are unacknowledged.
    #[error("receive maximum is exceeded")]
    ReceiveMaximumExceeded,
    /// SUBACK or UNSUBACK has more or fewer codes than the request has topic filters.
    #[error("{0} has not one code for each topic filter")]
    WrongCodeCount(PacketType),
}

impl Violation {
    /// The code for DISCONNECT.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
            _ => ReasonCode::ProtocolError,
        }
    }

    /// The normative statement of `version` that is broken, such as `"MQTT-3.3.4-1"`.
    pub const fn statement(self, version: Version) -> Option<&'static str> {
        use PacketType::{PubAck, PubRec, PubRel, SubAck, UnsubAck};
        Some(match (self, version) {
            (Self::UnexpectedAck(PubAck | PubRec), _) => "MQTT-3.3.4-1",
            (Self::UnexpectedAck(PubRel), Version::V5) => "MQTT-4.3.3-4",
            (Self::UnexpectedAck(SubAck | UnsubAck), Version::V5)
            | (Self::UnknownPacketId(SubAck | UnsubAck), Version::V5) => "MQTT-2.2.1-6",
            (Self::UnexpectedAck(SubAck | UnsubAck), Version::V311)
            | (Self::UnknownPacketId(SubAck | UnsubAck), Version::V311) => "MQTT-2.3.1-7",
            (Self::UnexpectedAck(_), Version::V5) => "MQTT-4.3.3-8",
            (Self::UnexpectedAck(_), Version::V311) => "MQTT-4.3.3-2",
            (Self::UnknownPacketId(_), Version::V5) => "MQTT-2.2.1-5",
            (Self::UnknownPacketId(_), Version::V311) => "MQTT-2.3.1-6",
            (Self::PacketIdInUse(QoS::ExactlyOnce), _) => "MQTT-4.3.3-1",
            (Self::PacketIdInUse(_), _) => "MQTT-4.3.2-1",
            (Self::ReceiveMaximumExceeded, Version::V5) => "MQTT-4.9.0-2",
            (Self::ReceiveMaximumExceeded, Version::V311) => return None,
            (Self::WrongCodeCount(UnsubAck), Version::V5) => "MQTT-3.11.3-1",
            (Self::WrongCodeCount(UnsubAck), Version::V311) => return None,
            (Self::WrongCodeCount(_), Version::V5) => "MQTT-3.8.4-6",
            (Self::WrongCodeCount(_), Version::V311) => "MQTT-3.8.4-5",
        })
    }
}

/// The caller asked for what cannot be done. The session is as it was before.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum SessionError {
    /// All 65,535 packet identifiers are in use.
    #[error("all packet identifiers are in use")]
    PacketIdsExhausted,
    /// A QoS 0 message has no packet identifier, and is no part of a session.
    #[error("QoS 0 needs no session")]
    AtMostOnce,
    /// There is no message with this identifier, or it is not this side's turn.
    #[error("no such message waits for this")]
    UnknownPacketId,
    /// The message has been sent: its exchange has to be completed.
    #[error("message has been sent already")]
    AlreadySent,
    /// The answer cannot carry this code, or 3.1.1 cannot refuse a message.
    #[error("reason code is not allowed here")]
    InvalidReasonCode,
}

/// Why a snapshot is not one of a session.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum InvalidSnapshot {
    /// Another layout, of a later release perhaps.
    #[error("snapshot has unknown layout {0}")]
    UnknownLayout(u8),
    /// A stored message of QoS 0.
    #[error("message of QoS 0")]
    AtMostOnce,
    /// The identifier is there twice in one direction.
    #[error("packet identifier {0} is there twice")]
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
}
