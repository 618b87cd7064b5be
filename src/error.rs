use core::fmt;

use nom::error::{ErrorKind, ParseError};
use thiserror::Error;

use crate::frame::PacketType;
use crate::property::PropertyId;
use crate::reason::ReasonCode;
use crate::text::TextErrorKind;
use crate::version::{Sender, Version};

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
    sender: Option<Sender>,
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(
        kind: DecodeErrorKind,
        field: Field,
        packet: Option<PacketType>,
        version: Version,
        sender: Option<Sender>,
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

    /// The normative statement that is broken, such as `"MQTT-3.8.3-5"`, of the specification of
    /// [`version`](Self::version). `None` where the rule has no number.
    pub const fn statement(&self) -> Option<&'static str> {
        use DecodeErrorKind as Kind;
        use Version::{V5, V311};
        let packet = match (self.kind, self.packet) {
            (Kind::NotConnect(_), _) => return Some("MQTT-3.1.0-1"),
            (_, Some(packet)) => packet,
            (_, None) => return None,
        };
        Some(match (self.kind, self.version) {
            (Kind::InvalidFlags(_), version) => match (packet, version) {
                (PacketType::PubRel, _) => "MQTT-3.6.1-1",
                (PacketType::Subscribe, _) => "MQTT-3.8.1-1",
                (PacketType::Unsubscribe, _) => "MQTT-3.10.1-1",
                (PacketType::Disconnect, _) => "MQTT-3.14.1-1",
                (PacketType::Auth, _) => "MQTT-3.15.1-1",
                (_, V311) => "MQTT-2.2.2-1",
                (_, V5) => "MQTT-2.1.3-1",
            },
            (Kind::InvalidQoS, version) => match (self.field, version) {
                (Field::ConnectFlags, V311) => "MQTT-3.1.2-14",
                (Field::ConnectFlags, V5) => "MQTT-3.1.2-12",
                (Field::SubscriptionOptions, V311) => "MQTT-3.8.3-4",
                (Field::SubscriptionOptions, V5) => return None,
                _ => "MQTT-3.3.1-4",
            },
            (Kind::DupAtQoS0, _) => "MQTT-3.3.1-2",
            (Kind::VarIntNotMinimal, _) => "MQTT-1.5.5-1",
            (Kind::UnexpectedProtocolName, _) => "MQTT-3.1.2-1",
            (Kind::UnsupportedProtocolLevel(_), _) => "MQTT-3.1.2-2",
            (Kind::Missing, version) => match (self.field, version) {
                (Field::ClientId, _) => "MQTT-3.1.3-3",
                (Field::WillTopic | Field::WillPayload, _) => "MQTT-3.1.2-9",
                (Field::UserName, V311) => "MQTT-3.1.2-19",
                (Field::UserName, V5) => "MQTT-3.1.2-17",
                (Field::Password, V311) => "MQTT-3.1.2-21",
                (Field::Password, V5) => "MQTT-3.1.2-19",
                (Field::PropertyLength, _) => "MQTT-2.2.2-1",
                (Field::SubscriptionOptions, V311) => "MQTT-3.8.3-3",
                (Field::SubscriptionOptions, V5) => "MQTT-3.8.3-2",
                (Field::TopicName | Field::TopicFilter | Field::PacketId, _) => {
                    return self.of_required_field(packet);
                }
                _ if matches!(packet, PacketType::Connect) => "MQTT-3.1.4-1",
                _ => return None,
            },
            (Kind::Truncated | Kind::TrailingBytes, _) if matches!(packet, PacketType::Connect) => {
                "MQTT-3.1.4-1"
            }
            (Kind::Truncated, _) => return self.of_required_field(packet),
            (Kind::Text(TextErrorKind::WildcardInName), version) => match (self.field, packet) {
                (Field::TopicName, _) => "MQTT-3.3.2-2",
                (Field::Property(_), PacketType::Publish) => "MQTT-3.3.2-14",
                _ => TextErrorKind::WildcardInName.statement(version),
            },
            (Kind::Text(kind), version) => kind.statement(version),
            (Kind::MissingTopic, _) => "MQTT-4.7.3-1",
            (Kind::ZeroPacketId, version) => match (packet, version) {
                (PacketType::Publish | PacketType::Subscribe | PacketType::Unsubscribe, V311) => {
                    "MQTT-2.3.1-1"
                }
                (PacketType::SubAck | PacketType::UnsubAck, V311) => "MQTT-2.3.1-7",
                (PacketType::PubComp, V311) => "MQTT-4.3.3-2",
                (_, V311) => "MQTT-2.3.1-6",
                (PacketType::Publish, V5) if matches!(self.sender, Some(Sender::Server)) => {
                    "MQTT-2.2.1-4"
                }
                (PacketType::Publish | PacketType::Subscribe | PacketType::Unsubscribe, V5) => {
                    "MQTT-2.2.1-3"
                }
                (PacketType::SubAck | PacketType::UnsubAck, V5) => "MQTT-2.2.1-6",
                (_, V5) => "MQTT-2.2.1-5",
            },
            (Kind::ReservedConnectFlag, _) => "MQTT-3.1.2-3",
            (Kind::WillQoSWithoutWill, V311) => "MQTT-3.1.2-13",
            (Kind::WillQoSWithoutWill, V5) => "MQTT-3.1.2-11",
            (Kind::WillRetainWithoutWill, V311) => "MQTT-3.1.2-15",
            (Kind::WillRetainWithoutWill, V5) => "MQTT-3.1.2-13",
            (Kind::PasswordWithoutUserName, _) => "MQTT-3.1.2-22",
            (Kind::ReservedConnackFlags(_), V5) => "MQTT-3.2.2-1",
            (Kind::SessionPresentWithError, V311) => "MQTT-3.2.2-4",
            (Kind::SessionPresentWithError, V5) => "MQTT-3.2.2-6",
            (Kind::InvalidReasonCode(_), version) => match (packet, version) {
                (PacketType::SubAck, _) => "MQTT-3.9.3-2",
                (_, V311) => return None,
                (PacketType::ConnAck, V5) => "MQTT-3.2.2-8",
                (PacketType::PubAck, V5) => "MQTT-3.4.2-1",
                (PacketType::PubRec, V5) => "MQTT-3.5.2-1",
                (PacketType::PubRel, V5) => "MQTT-3.6.2-1",
                (PacketType::PubComp, V5) => "MQTT-3.7.2-1",
                (PacketType::UnsubAck, V5) => "MQTT-3.11.3-2",
                (PacketType::Disconnect, V5) => "MQTT-3.14.2-1",
                (PacketType::Auth, V5) => "MQTT-3.15.2-1",
                _ => return None,
            },
            (Kind::PropertyOutOfRange, _) => match self.field {
                Field::Property(PropertyId::TopicAlias) => "MQTT-3.3.2-8",
                _ => return None,
            },
            (Kind::PropertyFromWrongSender, _) => match self.field {
                Field::Property(PropertyId::SubscriptionIdentifier) => "MQTT-3.3.4-6",
                Field::Property(PropertyId::SessionExpiryInterval) => "MQTT-3.14.2-2",
                _ => return None,
            },
            (Kind::EmptyList, version) => match (packet, version) {
                (PacketType::Subscribe, V311) => "MQTT-3.8.3-3",
                (PacketType::Subscribe, V5) => "MQTT-3.8.3-2",
                (PacketType::Unsubscribe, _) => "MQTT-3.10.3-2",
                (PacketType::SubAck, V311) => "MQTT-3.8.4-5",
                _ => return None,
            },
            (Kind::ReservedSubscriptionOptions(_), V311) => "MQTT-3.8.3-4",
            (Kind::ReservedSubscriptionOptions(_), V5) => "MQTT-3.8.3-5",
            (Kind::NoLocalOnSharedSubscription, _) => "MQTT-3.8.3-4",
            _ => return None,
        })
    }

    /// The statement that a packet must hold the field, which is not there in full.
    const fn of_required_field(&self, packet: PacketType) -> Option<&'static str> {
        Some(match (self.field, packet) {
            (Field::TopicName, _) => "MQTT-3.3.2-1",
            (Field::TopicFilter, PacketType::Subscribe) => "MQTT-3.8.3-1",
            (Field::TopicFilter, _) => "MQTT-3.10.3-1",
            // 5.0 says only what the sender assigns.
            (
                Field::PacketId,
                PacketType::Publish | PacketType::Subscribe | PacketType::Unsubscribe,
            ) if matches!(self.version, Version::V311) => "MQTT-2.3.1-1",
            _ => return None,
        })
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

/// The fields in which a [`DecodeError`] lies.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Field {
    /// The first byte.
    FixedHeader,
    /// The length in the fixed header.
    RemainingLength,
    /// The packet as a whole.
    Packet,
    /// `MQTT` in CONNECT.
    ProtocolName,
    /// The protocol level, or version, in CONNECT.
    ProtocolLevel,
    /// The connect flags.
    ConnectFlags,
    /// Keep alive in CONNECT.
    KeepAlive,
    /// The client identifier.
    ClientId,
    /// The will topic.
    WillTopic,
    /// The will payload.
    WillPayload,
    /// The user name.
    UserName,
    /// The password.
    Password,
    /// The connect acknowledge flags.
    ConnackFlags,
    /// A reason code or return code.
    ReasonCode,
    /// The packet identifier.
    PacketId,
    /// The topic name of PUBLISH.
    TopicName,
    /// A topic filter of SUBSCRIBE or UNSUBSCRIBE.
    TopicFilter,
    /// The subscription options, or requested QoS, behind a topic filter.
    SubscriptionOptions,
    /// The length of the properties.
    PropertyLength,
    /// The identifier of a property.
    PropertyId,
    /// The value of a property.
    Property(PropertyId),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FixedHeader => "fixed header",
            Self::RemainingLength => "remaining length",
            Self::Packet => "packet",
            Self::ProtocolName => "protocol name",
            Self::ProtocolLevel => "protocol level",
            Self::ConnectFlags => "connect flags",
            Self::KeepAlive => "keep alive",
            Self::ClientId => "client identifier",
            Self::WillTopic => "will topic",
            Self::WillPayload => "will payload",
            Self::UserName => "user name",
            Self::Password => "password",
            Self::ConnackFlags => "connect acknowledge flags",
            Self::ReasonCode => "reason code",
            Self::PacketId => "packet identifier",
            Self::TopicName => "topic name",
            Self::TopicFilter => "topic filter",
            Self::SubscriptionOptions => "subscription options",
            Self::PropertyLength => "property length",
            Self::PropertyId => "property identifier",
            Self::Property(id) => return id.fmt(f),
        })
    }
}

/// A [`DecodeError`] in the making: knows the place as the bytes that were not read any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault<'a> {
    pub(crate) at: &'a [u8],
    pub(crate) kind: DecodeErrorKind,
    pub(crate) field: Field,
}

impl<'a> Fault<'a> {
    #[cold]
    pub(crate) const fn new(at: &'a [u8], kind: DecodeErrorKind, field: Field) -> Self {
        Self { at, kind, field }
    }
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(at: &'a [u8], _: ErrorKind) -> Self {
        Self::new(at, DecodeErrorKind::Truncated, Field::Packet)
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl<'a> From<nom::Err<Self>> for Fault<'a> {
    fn from(error: nom::Err<Self>) -> Self {
        match error {
            nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
            nom::Err::Incomplete(_) => Self::new(&[], DecodeErrorKind::Truncated, Field::Packet),
        }
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
