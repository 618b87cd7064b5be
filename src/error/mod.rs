use core::fmt;

use thiserror::Error;

use crate::packet_type::PacketType;
use crate::property_id::PropertyId;
use crate::reason::ReasonCode;
use crate::side::Side;
use crate::text::TextErrorKind;
use crate::version::Version;

mod fault;
mod field;
mod statement;

pub(crate) use fault::Fault;
pub use field::Field;

/// Why bytes are not an MQTT packet: always the sender's fault.
///
/// Running out of bytes before a packet is complete is not an error, but `Ok(None)` from
/// [`FrameDecoder`](crate::FrameDecoder).
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

    /// The packet in which it is broken; `None` if its first byte names none.
    pub const fn packet(&self) -> Option<PacketType> {
        self.packet
    }

    /// Where, in bytes from the first byte of the packet.
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }

    /// The version whose rule is broken, and in which an answer would be understood.
    ///
    /// For [`UnsupportedProtocolLevel`](DecodeErrorKind::UnsupportedProtocolLevel) it is 5.0 where
    /// the client asked for more than 4, so that it gets 0x84 as 5.0 writes it, and else 3.1.1,
    /// whose code for the same is 0x01.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The code to answer with: in CONNACK to a CONNECT, in DISCONNECT to anything else.
    ///
    /// MQTT 3.1.1 has no such answer, but for the CONNACK codes that
    /// [`ReasonCode::to_v311`] gives, and closes the connection.
    pub const fn reason_code(&self) -> ReasonCode {
        use DecodeErrorKind as Kind;
        match (self.kind, self.field) {
            (Kind::PacketTooLarge(_), _) => ReasonCode::PacketTooLarge,
            (Kind::UnexpectedProtocolName | Kind::UnsupportedProtocolLevel(_), _) => {
                ReasonCode::UnsupportedProtocolVersion
            }
            // The specification leaves the class of these open; the most specific code says most.
            (
                Kind::Text(TextErrorKind::WildcardInName | TextErrorKind::Empty),
                Field::TopicName | Field::WillTopic,
            ) => ReasonCode::TopicNameInvalid,
            (
                Kind::Text(
                    TextErrorKind::Empty
                    | TextErrorKind::MisplacedHash
                    | TextErrorKind::MisplacedPlus
                    | TextErrorKind::EmptyShareName
                    | TextErrorKind::WildcardInShareName
                    | TextErrorKind::MissingShareFilter,
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
                | Kind::Text(TextErrorKind::WildcardInName | TextErrorKind::Empty)
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
    /// Reserved bits of the first byte have another value than the packet type asks for.
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
    /// More bytes, in all, than the decoder was told to take.
    #[error("packet of {0} bytes is above the limit")]
    PacketTooLarge(u32),
    /// The first packet that a client sends is not CONNECT. Holds its first byte.
    #[error("expected CONNECT, got {0:#04x}{hint}", hint = foreign_protocol(*.0))]
    NotConnect(u8),
    /// A packet that only the other side may send.
    #[error("only the other side may send this packet")]
    WrongSender,
    /// CONNECT does not name `MQTT`.
    #[error("protocol name is not MQTT")]
    UnexpectedProtocolName,
    /// CONNECT asks for a version that is not spoken here.
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
    Text(TextErrorKind),
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
    ReservedConnackFlags(u8),
    /// A refused connection cannot have a session.
    #[error("session present with a refusal")]
    SessionPresentWithError,
    /// A reason code that this packet, or its sender, may not carry.
    #[error("reason code {0:#04x} is not allowed here")]
    InvalidReasonCode(u8),
    /// No property has this identifier.
    #[error("property {0:#04x} does not exist")]
    UnknownProperty(u8),
    /// A property that this packet may not carry.
    #[error("property is not allowed in this packet")]
    PropertyNotAllowed,
    /// A second one of a property that may be there once.
    #[error("property is there twice")]
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
    /// An empty topic name, and no topic alias to stand for it.
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

/// What else sends such a first byte to the port of an MQTT server.
const fn foreign_protocol(first: u8) -> &'static str {
    match first {
        TLS_HANDSHAKE => " (a TLS handshake starts so)",
        b'G' | b'H' | b'P' | b'O' | b'D' => " (an HTTP request or PROXY line may start so)",
        _ => "",
    }
}

/// Why a packet cannot be encoded: always the caller's fault. Nothing has been written.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The packet uses something for which this protocol version has no place.
    #[error("{what} cannot be sent in MQTT {version}")]
    NotInVersion {
        /// What has no encoding.
        what: &'static str,
        /// The version asked for.
        version: Version,
    },
    /// The packet is longer than 268,435,460 bytes.
    #[error("packet is longer than a remaining length of 268435455 allows")]
    TooLarge,
    /// The buffer cannot grow and has too little room.
    #[error("buffer has room for {available} bytes of {needed}")]
    BufferTooSmall {
        /// The length of the packet.
        needed: usize,
        /// The room there is.
        available: usize,
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
    InvalidSharedSubscription(TextErrorKind),
    /// UNSUBACK without reason codes in 5.0.
    #[error("at least one reason code is needed")]
    EmptyList,
}
