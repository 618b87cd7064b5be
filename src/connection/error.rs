use core::fmt;

use thiserror::Error;

use crate::error::{EncodeError, numbers};
use crate::number::number;
use crate::packet_type::PacketType;
use crate::reason::ReasonCode;
use crate::rules::Rule;
use crate::session;
use crate::session::SessionError;
use crate::side::Side;
use crate::version::Version;

/// A well-formed packet from the peer that breaks a rule of the exchange.
///
/// The connection has ended itself, and sends the peer the reason where the version has a packet
/// for it.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// The packet breaks a rule of the session.
    #[error(transparent)]
    Session(#[from] session::Violation),
    /// A packet at the wrong time, or from the wrong side.
    #[error("{0} is not expected now{tail}", tail = Tail(self.rule()))]
    UnexpectedPacket(PacketType),
    /// A CONNECT of 3.1.1 without a client identifier that asks for a session to be kept.
    #[error("the client identifier is empty, but the session is to be kept")]
    EmptyClientId,
    /// A request with the packet identifier of another request that is not answered.
    #[error("the packet identifier of the request is in use")]
    RequestInUse,
    /// A CONNACK with Session Present although the client has no session.
    #[error("the server has a session but the client has none{}", Tail(self.rule()))]
    SessionPresent,
    /// A topic alias above the Topic Alias Maximum of the receiver. The value is the sender.
    #[error("the topic alias is above the maximum")]
    TopicAliasTooLarge(Side),
    /// A topic alias that was not assigned to a topic.
    #[error("the topic alias is not assigned to a topic")]
    UnknownTopicAlias,
    /// A packet that uses what CONNACK excluded, that is larger than the Maximum Packet Size of
    /// this side, or whose answer would be too large for the peer; or a CONNACK with a Maximum
    /// Packet Size that is too small to go on. The value is the code that says so.
    #[error("the packet uses what is not supported: {0}")]
    NotSupported(ReasonCode),
    /// An authentication method other than that of CONNECT, or none where CONNECT has one.
    #[error("the authentication method is not that of CONNECT")]
    AuthenticationMethod,
    /// A CONNACK without the authentication method of CONNECT.
    #[error("CONNACK lacks the authentication method of CONNECT{}", Tail(self.rule()))]
    ConnAckMethod,
    /// AUTH out of turn, or with a code for another step.
    #[error("AUTH is out of turn")]
    AuthOutOfTurn,
    /// A Session Expiry Interval in DISCONNECT although that of CONNECT was zero.
    #[error("the session expiry interval of CONNECT was zero and may not be raised")]
    SessionExpiry,
    /// A Reason String or User Property although CONNECT requested no problem information.
    #[error("problem information was not requested{}", Tail(self.rule()))]
    ProblemInformation,
    /// More bytes than the largest packet has, sent before CONNECT was answered.
    #[error("too many bytes were sent before CONNACK")]
    TooEarly,
}

impl Violation {
    /// The rule to [let go](crate::Rules) in order to live with this peer, or `None` if there is
    /// none.
    pub const fn rule(self) -> Option<Rule> {
        match self {
            Self::Session(violation) => violation.rule(),
            Self::UnexpectedPacket(PacketType::ConnAck) => Some(Rule::SecondConnAck),
            Self::UnexpectedPacket(PacketType::Disconnect) => Some(Rule::ServerDisconnect),
            Self::SessionPresent => Some(Rule::SessionPresent),
            Self::ConnAckMethod => Some(Rule::ConnAckMethod),
            Self::ProblemInformation => Some(Rule::ProblemInformation),
            _ => None,
        }
    }

    /// The code for DISCONNECT or CONNACK.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::Session(violation) => violation.reason_code(),
            Self::TopicAliasTooLarge(_) => ReasonCode::TopicAliasInvalid,
            Self::NotSupported(reason) => reason,
            Self::EmptyClientId => ReasonCode::ClientIdentifierNotValid,
            Self::TooEarly => ReasonCode::QuotaExceeded,
            _ => ReasonCode::ProtocolError,
        }
    }

    /// The normative statement of `version` that is broken, or `None` where the rule has no number.
    pub const fn statement(self, version: Version) -> Option<&'static str> {
        use PacketType::{ConnAck, Connect, Disconnect};
        Some(match self {
            Self::Session(violation) => return violation.statement(version),
            Self::UnexpectedPacket(Connect) => "MQTT-3.1.0-2",
            Self::UnexpectedPacket(Disconnect) if matches!(version, Version::V5) => "MQTT-3.14.0-1",
            Self::EmptyClientId => "MQTT-3.1.3-8",
            Self::RequestInUse => match version {
                Version::V311 => "MQTT-2.3.1-2",
                Version::V5 => "MQTT-2.2.1-3",
            },
            Self::SessionPresent => match version {
                Version::V311 => "MQTT-3.2.2-1",
                Version::V5 => "MQTT-3.2.2-4",
            },
            Self::UnexpectedPacket(ConnAck) if matches!(version, Version::V5) => "MQTT-3.2.0-2",
            Self::TopicAliasTooLarge(Side::Client) => "MQTT-3.3.2-9",
            Self::TopicAliasTooLarge(Side::Server) => "MQTT-3.3.2-11",
            Self::NotSupported(ReasonCode::QoSNotSupported) => "MQTT-3.2.2-11",
            Self::NotSupported(ReasonCode::RetainNotSupported) => "MQTT-3.2.2-14",
            Self::AuthenticationMethod | Self::ConnAckMethod => "MQTT-4.12.0-5",
            Self::ProblemInformation => "MQTT-3.1.2-29",
            _ => return None,
        })
    }

    /// The violation as a number, as [`DecodeError::to_u64`](crate::DecodeError::to_u64) is that of
    /// an error.
    pub fn to_u32(self) -> u32 {
        let (number, held) = self.to_parts();
        u32::from(number) << 16 | held
    }

    /// Reads the number of a violation. `None` if no violation has it.
    pub fn from_u32(number: u32) -> Option<Self> {
        Self::from_parts(u8::try_from(number >> 16).ok()?, number & 0xFFFF)
    }
}

number!(Violation: u32 by from_u32 and to_u32, or "not the number of a violation");

numbers! { Violation {
    1 Session(violation: session::Violation),
    2 UnexpectedPacket(packet: PacketType),
    3 EmptyClientId,
    4 RequestInUse,
    5 SessionPresent,
    6 TopicAliasTooLarge(sender: Side),
    7 UnknownTopicAlias,
    8 NotSupported(reason: ReasonCode),
    9 AuthenticationMethod,
    10 ConnAckMethod,
    11 AuthOutOfTurn,
    12 SessionExpiry,
    13 ProblemInformation,
    14 TooEarly,
}}

/// The end of a message, which names the rule to let go.
struct Tail(Option<Rule>);

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rule) => write!(f, " (rule {rule})"),
            None => Ok(()),
        }
    }
}

/// A call that is not possible. It changed nothing.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The session does not allow the call.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The packet cannot be encoded in the version of this connection.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The call is not valid in this state: not connected yet, already closed, or, for `connect`,
    /// already open.
    #[error("the call is not valid in this state of the connection")]
    WrongState,
    /// The peer does not support packets of this size.
    #[error("the packet is larger than the peer's Maximum Packet Size")]
    PacketTooLarge,
    /// The limit of calls whose outcome has not been polled is reached.
    #[error("too many calls have no outcome yet, or an outcome that was not polled")]
    QueueFull,
    /// The server does not support this. The value is the code with which it would refuse it.
    #[error("the server does not support this: {0}")]
    NotSupported(ReasonCode),
    /// The topic alias is above the peer's maximum, or aliases are assigned automatically.
    #[error("the topic alias cannot be assigned")]
    TopicAlias,
    /// The message has a Topic Alias or a Subscription Identifier: it was received, and
    /// [`forwarded`](crate::Message::forwarded) removes them.
    #[error("the message has properties of its delivery: publish the result of `forwarded`")]
    NotForwarded,
    /// The authentication method is not that of CONNECT, or AUTH is out of turn.
    #[error("this step of the authentication is out of turn")]
    Authentication,
    /// A CONNECT of 3.1.1 without a client identifier that asks for a session to be kept.
    #[error("the client identifier is empty, but the session is to be kept")]
    EmptyClientId,
    /// A CONNACK of 5.0 without Assigned Client Identifier for a CONNECT without a client identifier
    /// [MQTT-3.2.2-16].
    #[error("the client identifier is empty, and CONNACK assigns none")]
    ClientIdNotAssigned,
    /// A payload that is not UTF-8 although its Payload Format Indicator says so (sections 3.1.3.2.3
    /// and 3.3.2.3.2).
    #[error("the payload is not UTF-8, but its Payload Format Indicator says that it is")]
    PayloadFormatInvalid,
    /// A Session Expiry Interval in DISCONNECT although that of CONNECT was zero.
    #[error("the session expiry interval of CONNECT was zero and may not be raised")]
    SessionExpiry,
    /// The request was answered before, or has another number of topic filters.
    #[error("no request waits for this answer")]
    NoSuchRequest,
    /// A reason code that does not suit the call, such as success for `refuse`.
    #[error("the reason code is not allowed here")]
    InvalidReasonCode,
}

/// The reason why a call failed, with the argument of the call.
pub type Refused<T> = session::Refused<T, ConnectionError>;

/// The reason alone, for a caller that does not need the argument back.
impl<T> From<Refused<T>> for ConnectionError {
    fn from(refused: Refused<T>) -> Self {
        refused.why
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Event, Incoming};
    use crate::message::Message;
    use crate::qos::QoS;

    #[test]
    fn a_refused_call_is_its_reason() {
        fn publish() -> Result<(), ConnectionError> {
            let message = Message::new("t".parse().unwrap(), "");
            crate::connection::client::Connection::new().publish(QoS::AtMostOnce, message)?;
            Ok(())
        }
        assert_eq!(publish(), Err(ConnectionError::WrongState));
    }

    #[test]
    fn every_violation_is_read_from_its_number() {
        let all = (0..=0xFF_FFFF).filter_map(|number| Some((number, Violation::from_u32(number)?)));
        let mut kinds = [0; 15];
        for (number, violation) in all {
            assert_eq!(violation.to_u32(), number);
            kinds[number as usize >> 16] += 1;
        }
        // 15 types of packets, twice in a session; three values of QoS; all reason codes.
        assert_eq!(kinds, [0, 36, 15, 1, 1, 1, 2, 1, 43, 1, 1, 1, 1, 1, 1]);
        assert_eq!(
            Violation::try_from(u32::MAX).unwrap_err().value,
            u64::from(u32::MAX)
        );
    }

    /// These values are returned and moved with every packet.
    #[test]
    fn results_are_small() {
        assert!(size_of::<EncodeError>() <= 16);
        assert!(size_of::<ConnectionError>() <= 16);
        assert!(size_of::<Violation>() <= 4);
        // Clippy thinks that an error of 128 bytes is too large.
        assert!(size_of::<Refused<Message>>() < 128);
        assert!(size_of::<Option<Incoming>>() <= 120);
        assert!(size_of::<Option<Incoming<&[u8]>>>() <= 120);
        assert!(size_of::<Event>() <= 40);
    }
}
