use thiserror::Error;

use crate::error::EncodeError;
use crate::packet_type::PacketType;
use crate::reason::ReasonCode;
use crate::session;
use crate::session::SessionError;
use crate::side::Side;
use crate::version::Version;

/// The peer sent a well-formed packet that does not fit what went before.
///
/// The connection has ended itself: what the peer is told is in `poll_transmit`.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// It does not fit an exchange of the session.
    #[error(transparent)]
    Session(#[from] session::Violation),
    /// The packet comes at the wrong time, or from the wrong side.
    #[error("{0} is not expected now")]
    UnexpectedPacket(PacketType),
    /// CONNECT of 3.1.1 without a client identifier and without a clean session.
    #[error("empty client identifier for a session that is to be kept")]
    EmptyClientId,
    /// The packet identifier of a request is that of another without an answer.
    #[error("packet identifier of a new request is in use")]
    RequestInUse,
    /// The server has a session of which this client knows nothing.
    #[error("session is present at the server alone")]
    SessionPresent,
    /// A topic alias above what this side takes, from that sender.
    #[error("topic alias is above the maximum")]
    TopicAliasTooLarge(Side),
    /// A topic alias that stands for nothing.
    #[error("topic alias stands for no topic")]
    UnknownTopicAlias,
    /// What CONNACK excluded, by the code that says so: an answer, too, if that is too large.
    #[error("the server does not take this: {0}")]
    NotSupported(ReasonCode),
    /// An authentication method that CONNECT did not name, or none where it named one.
    #[error("authentication method is not that of CONNECT")]
    AuthenticationMethod,
    /// AUTH out of turn, or with a code for another step.
    #[error("AUTH is out of turn")]
    AuthOutOfTurn,
    /// A Session Expiry Interval in DISCONNECT after none in CONNECT.
    #[error("session expiry interval was zero in CONNECT")]
    SessionExpiry,
    /// A Reason String or User Property although CONNECT asked for none.
    #[error("problem information was not asked for")]
    ProblemInformation,
}

impl Violation {
    /// The code for DISCONNECT or CONNACK.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::Session(violation) => violation.reason_code(),
            Self::TopicAliasTooLarge(_) => ReasonCode::TopicAliasInvalid,
            Self::NotSupported(reason) => reason,
            Self::EmptyClientId => ReasonCode::ClientIdentifierNotValid,
            _ => ReasonCode::ProtocolError,
        }
    }

    /// The normative statement of `version` that is broken. `None` where the rule has no number.
    pub const fn statement(self, version: Version) -> Option<&'static str> {
        use PacketType::{Connect, Disconnect};
        Some(match self {
            Self::Session(violation) => return violation.statement(version),
            Self::UnexpectedPacket(Connect) => "MQTT-3.1.0-2",
            Self::UnexpectedPacket(Disconnect) if matches!(version, Version::V5) => "MQTT-3.14.0-1",
            Self::EmptyClientId => "MQTT-3.1.3-8",
            Self::RequestInUse => match version {
                Version::V311 => "MQTT-2.3.1-2",
                Version::V5 => "MQTT-2.2.1-3",
            },
            Self::SessionPresent => "MQTT-3.2.2-4",
            Self::TopicAliasTooLarge(Side::Client) => "MQTT-3.3.2-9",
            Self::TopicAliasTooLarge(Side::Server) => "MQTT-3.3.2-11",
            Self::NotSupported(ReasonCode::QoSNotSupported) => "MQTT-3.2.2-11",
            Self::NotSupported(ReasonCode::RetainNotSupported) => "MQTT-3.2.2-14",
            Self::AuthenticationMethod => "MQTT-4.12.0-5",
            Self::ProblemInformation => "MQTT-3.1.2-29",
            _ => return None,
        })
    }
}

/// The caller asked for what cannot be done. Nothing has changed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The session cannot do it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The packet has no form in the version of this connection.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Not before the connection is established, or after it is over; or CONNECT while there is one.
    #[error("connection is not in a state for this")]
    WrongState,
    /// The peer does not take packets of this size.
    #[error("packet is larger than the peer takes")]
    PacketTooLarge,
    /// As many packets wait to be sent as may.
    #[error("too many packets wait to be sent")]
    QueueFull,
    /// The server does not take this, for which it would answer this code.
    #[error("the server does not take this: {0}")]
    NotSupported(ReasonCode),
    /// A message has a topic and no alias: aliases belong to a connection, not to messages.
    #[error("message has a topic alias, or no topic")]
    TopicAlias,
    /// The authentication method is not that of CONNECT, or AUTH is out of turn.
    #[error("no such step in the authentication")]
    Authentication,
    /// CONNECT of 3.1.1 without a client identifier and without a clean session.
    #[error("empty client identifier for a session that is to be kept")]
    EmptyClientId,
    /// A Session Expiry Interval in DISCONNECT after none in CONNECT.
    #[error("session expiry interval was zero in CONNECT")]
    SessionExpiry,
    /// There is no such request, or it has another number of topic filters.
    #[error("no request that this answers")]
    NoSuchRequest,
    /// A reason code that does not do what the command is for.
    #[error("reason code is not allowed here")]
    InvalidReasonCode,
}
