use core::fmt;

use thiserror::Error;

use crate::packet_type::PacketType;
use crate::property_id::PropertyId;
use crate::reason::ReasonCode;
use crate::side::Side;
use crate::text::InvalidTextKind;
use crate::version::Version;

mod fault;
mod field;
mod statement;

pub(crate) use fault::Fault;
pub use field::Field;

/// The reason for which bytes are not an MQTT packet: always the sender's fault.
///
/// Running out of bytes before a packet is complete is not an error, but `Ok(None)` from
/// [`FrameDecoder`](crate::FrameDecoder).
///
/// ```
/// use mqtt_sansio::{Field, Packet, ReasonCode, Version};
///
/// let error = Packet::decode(Version::V5, b"\x32\x06\0\x01t\0\0\0").unwrap_err();
/// println!("{error}"); // for a log
/// assert_eq!((error.field(), error.offset()), (Field::PacketId, 5));
/// assert_eq!(error.reason_code(), ReasonCode::ProtocolError);
/// assert_eq!(error.statement(), Some("MQTT-2.2.1-3"));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    offset: u32,
    field: Field,
    packet: Option<PacketType>,
    version: Version,
    sender: Option<Side>,
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(
        kind: DecodeErrorKind,
        field: Field,
        packet: Option<PacketType>,
        version: Version,
        sender: Option<Side>,
        offset: usize,
    ) -> Self {
        Self {
            kind,
            // A packet is at most 268,435,460 bytes.
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            field,
            packet,
            version,
            sender,
        }
    }

    /// The rule that is broken.
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// The field in which it is broken.
    pub const fn field(&self) -> Field {
        self.field
    }

    /// The packet in which it is broken, or `None` if the first byte is no packet type.
    pub const fn packet(&self) -> Option<PacketType> {
        self.packet
    }

    /// The offset of the fault, in bytes from the first byte of the packet.
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }

    /// The version whose rule is broken, and in which the peer understands an answer.
    ///
    /// For [`UnsupportedProtocolLevel`](DecodeErrorKind::UnsupportedProtocolLevel) it is 5.0 if the
    /// client requested a level above 4, so that it is sent 0x84, and 3.1.1 otherwise, where the
    /// same code is 0x01.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The code to answer with: in CONNACK to a CONNECT, in DISCONNECT to anything else.
    ///
    /// In 3.1.1 the connection is closed without an answer, except for the CONNACK codes that
    /// [`ReasonCode::to_v311`] returns.
    pub const fn reason_code(&self) -> ReasonCode {
        use DecodeErrorKind as Kind;
        match (self.kind, self.field) {
            (Kind::PacketTooLarge(_), _) => ReasonCode::PacketTooLarge,
            (Kind::UnexpectedProtocolName | Kind::UnsupportedProtocolLevel(_), _) => {
                ReasonCode::UnsupportedProtocolVersion
            }
            // The specification leaves the class of these open; the most specific code says most.
            (
                Kind::Text(InvalidTextKind::WildcardInName | InvalidTextKind::Empty),
                Field::TopicName | Field::WillTopic,
            ) => ReasonCode::TopicNameInvalid,
            (
                Kind::Text(
                    InvalidTextKind::Empty
                    | InvalidTextKind::MisplacedHash
                    | InvalidTextKind::MisplacedPlus
                    | InvalidTextKind::EmptyShareName
                    | InvalidTextKind::WildcardInShareName
                    | InvalidTextKind::MissingShareFilter,
                ),
                Field::TopicFilter,
            ) => ReasonCode::TopicFilterInvalid,
            (Kind::PropertyOutOfRange, Field::Property(PropertyId::TopicAlias)) => {
                ReasonCode::TopicAliasInvalid
            }
            (Kind::InvalidQoS, Field::SubscriptionOptions)
            | (
                Kind::NotConnect(_)
                | Kind::WrongSender
                | Kind::Text(InvalidTextKind::WildcardInName | InvalidTextKind::Empty)
                | Kind::ZeroPacketId
                | Kind::SessionPresentWithError
                | Kind::InvalidReasonCode(_)
                | Kind::PropertyRepeated
                | Kind::PropertyOutOfRange
                | Kind::PropertyFromWrongSender
                | Kind::MissingAuthenticationMethod
                | Kind::MissingTopic
                | Kind::EmptyList
                | Kind::InvalidRetainHandling
                | Kind::NoLocalOnSharedSubscription,
                _,
            ) => ReasonCode::ProtocolError,
            _ => ReasonCode::MalformedPacket,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(packet) = self.packet {
            write!(f, "{packet} ")?;
        }
        write!(f, "{} at byte {}: {}", self.field, self.offset, self.kind)?;
        match self.statement() {
            Some(statement) => write!(f, " [{statement}]"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for DecodeError {}

/// The rules that a decoder checks.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Packet type 0, or 15 in 3.1.1.
    #[error("packet type {0} is reserved")]
    ReservedPacketType(u8),
    /// Reserved bits of the first byte do not have the value that the packet type requires.
    #[error("first byte {0:#04x} has reserved flags set wrongly")]
    InvalidFlags(u8),
    /// QoS 3.
    #[error("QoS 3 does not exist")]
    InvalidQoS,
    /// DUP without anything to repeat.
    #[error("DUP is set at QoS 0")]
    DupAtQoS0,
    /// A variable byte integer of more than four bytes.
    #[error("variable byte integer is longer than four bytes")]
    VarIntTooLong,
    /// A variable byte integer for which a shorter form exists.
    #[error("variable byte integer is not in its shortest form")]
    VarIntNotMinimal,
    /// A packet larger than the limit of the decoder.
    #[error("packet of {0} bytes is above the limit")]
    PacketTooLarge(u32),
    /// The first packet of a client is not CONNECT. The value is its first byte.
    #[error("expected CONNECT, got {0:#04x}{hint}", hint = foreign_protocol(*.0))]
    NotConnect(u8),
    /// A packet that only the other side may send.
    #[error("only the other side may send this packet")]
    WrongSender,
    /// The protocol name in CONNECT is not `MQTT`.
    #[error("protocol name is not MQTT")]
    UnexpectedProtocolName,
    /// The protocol level in CONNECT is not supported.
    #[error("protocol level {0} is not supported")]
    UnsupportedProtocolLevel(u8),
    /// The packet ends before the field.
    #[error("is missing")]
    Missing,
    /// The field runs past the end of its packet, or of the properties.
    #[error("runs past the end")]
    Truncated,
    /// Bytes are left after the last field.
    #[error("bytes follow the last field")]
    TrailingBytes,
    /// A string, topic name or topic filter breaks a rule.
    #[error("{0}")]
    Text(InvalidTextKind),
    /// A packet identifier of zero.
    #[error("packet identifier is zero")]
    ZeroPacketId,
    /// Bit 0 of the connect flags is set.
    #[error("reserved connect flag is set")]
    ReservedConnectFlag,
    /// A will QoS without the will flag.
    #[error("will QoS without a will")]
    WillQoSWithoutWill,
    /// Will retain without the will flag.
    #[error("will retain without a will")]
    WillRetainWithoutWill,
    /// A password without a user name, in 3.1.1.
    #[error("password without a user name")]
    PasswordWithoutUserName,
    /// Bits 7 to 1 of the connect acknowledge flags.
    #[error("connect acknowledge flags {0:#04x} have reserved bits set")]
    ReservedConnAckFlags(u8),
    /// A refused connection cannot have a session.
    #[error("session present with a refusal")]
    SessionPresentWithError,
    /// A reason code that this packet, or its sender, may not carry.
    #[error("reason code {0:#04x} is not allowed here")]
    InvalidReasonCode(u8),
    /// No property has this identifier.
    #[error("property {0:#04x} does not exist")]
    UnknownProperty(u8),
    /// A property that this packet may not have.
    #[error("property is not allowed in this packet")]
    PropertyNotAllowed,
    /// A property that may occur once and occurs twice.
    #[error("property occurs twice")]
    PropertyRepeated,
    /// A value that the property may not have.
    #[error("property value is out of range")]
    PropertyOutOfRange,
    /// A property that only the other side may send in this packet.
    #[error("only the other side may send this property")]
    PropertyFromWrongSender,
    /// Authentication data, or AUTH, without an authentication method.
    #[error("authentication method is missing")]
    MissingAuthenticationMethod,
    /// An empty topic name without a topic alias.
    #[error("empty topic name without a topic alias")]
    MissingTopic,
    /// A packet that needs at least one topic filter or reason code.
    #[error("at least one entry is needed")]
    EmptyList,
    /// Reserved bits of the subscription options.
    #[error("subscription options {0:#04x} have reserved bits set")]
    ReservedSubscriptionOptions(u8),
    /// Retain handling 3.
    #[error("retain handling 3 does not exist")]
    InvalidRetainHandling,
    /// No Local on a shared subscription.
    #[error("no local is set on a shared subscription")]
    NoLocalOnSharedSubscription,
}

/// The first byte of a TLS record that holds a handshake.
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// Another protocol that sends such a first byte to the port of an MQTT server.
const fn foreign_protocol(first: u8) -> &'static str {
    match first {
        TLS_HANDSHAKE => " (a TLS handshake starts so)",
        b'G' | b'H' | b'P' | b'O' | b'D' => " (an HTTP request or PROXY line may start so)",
        _ => "",
    }
}

/// The reason for which a packet cannot be encoded: always the caller's fault. Nothing was written.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The packet uses a part that this version does not have.
    #[error("{what} cannot be sent in MQTT {version}")]
    NotInVersion {
        /// The part that cannot be encoded.
        what: OnlyInV5,
        /// The version.
        version: Version,
    },
    /// The packet is longer than 268,435,460 bytes.
    #[error("packet is longer than a remaining length of 268435455 allows")]
    TooLarge,
    /// The buffer cannot grow and is too small.
    #[error("buffer has room for {available} bytes of {needed}")]
    BufferTooSmall {
        /// The length of the packet.
        needed: u32,
        /// The room in the buffer, or `u32::MAX` if there is more.
        available: u32,
    },
    /// The packet may not carry this reason code.
    #[error("{packet} cannot carry reason code {code}")]
    InvalidReasonCode {
        /// The packet.
        packet: PacketType,
        /// The code.
        code: ReasonCode,
    },
    /// DUP at QoS 0 [MQTT-3.3.1-2].
    #[error("DUP is set at QoS 0")]
    DupAtQoS0,
    /// PUBLISH with neither a topic nor a topic alias.
    #[error("neither a topic name nor a topic alias is set")]
    MissingTopic,
    /// CONNACK with a session and a refusal.
    #[error("session present with a refusal")]
    SessionPresentWithError,
    /// AUTH, or CONNECT with authentication data, without an authentication method.
    #[error("authentication method is missing")]
    MissingAuthenticationMethod,
    /// A topic filter that starts with `$share/` but is no shared subscription
    /// [MQTT-4.8.2-1] [MQTT-4.8.2-2].
    #[error("topic filter of a shared subscription: {0}")]
    InvalidSharedSubscription(InvalidTextKind),
    /// UNSUBACK without reason codes in 5.0.
    #[error("at least one reason code is needed")]
    EmptyList,
}

/// A part of a packet that 3.1.1 does not have.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OnlyInV5 {
    /// AUTH.
    Auth,
    /// A password without a user name.
    LonePassword,
    /// A property.
    Property,
    /// A reason code without a return code in 3.1.1.
    ReasonCode,
    /// Any option of a subscription but its QoS.
    SubscriptionOption,
    /// A reason code in UNSUBACK.
    UnsubAckCode,
}

impl fmt::Display for OnlyInV5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth => "AUTH",
            Self::LonePassword => "a password without a user name",
            Self::Property => "a property",
            Self::ReasonCode => "this reason code",
            Self::SubscriptionOption => "a subscription option other than QoS",
            Self::UnsubAckCode => "a reason code in UNSUBACK",
        })
    }
}
