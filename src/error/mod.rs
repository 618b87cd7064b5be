use core::fmt;

use thiserror::Error;

use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::property_id::PropertyId;
use crate::qos::Delivery;
use crate::reason::ReasonCode;
use crate::rules::Rule;
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
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    field: Field,
    /// The packet type in the low four bits, zero for none; then one bit for the version and two
    /// for the sender.
    origin: u8,
    /// The packet identifier of a packet that is skipped, or zero.
    packet_id: u16,
    /// The offset, which takes 29 bits; then two for the QoS of a packet that is skipped, from 1
    /// on, and one that says that it is.
    place: u32,
}

const OFFSET_BITS: u32 = 29;
const SKIPPED: u32 = 1 << 31;

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
        let packet = match packet {
            Some(packet) => packet.to_u8(),
            None => 0,
        };
        let version = match version {
            Version::V311 => 0,
            Version::V5 => 1 << 4,
        };
        let sender = match sender {
            None => 0,
            Some(Side::Client) => 1 << 5,
            Some(Side::Server) => 2 << 5,
        };
        // A packet is at most 268,435,460 bytes.
        const MAX: u32 = (1 << OFFSET_BITS) - 1;
        let place = u32::try_from(offset).unwrap_or(MAX).min(MAX);
        Self {
            kind,
            field,
            origin: packet | version | sender,
            packet_id: 0,
            place,
        }
    }

    /// The error for a packet that is skipped, and the delivery in it.
    pub(crate) const fn skipped(mut self, delivery: Option<Delivery>) -> Self {
        self.place |= SKIPPED;
        if let Some(delivery) = delivery {
            self.place |= (delivery.qos().level() as u32 + 1) << OFFSET_BITS;
            if let Some(id) = delivery.packet_id() {
                self.packet_id = id.get();
            }
        }
        self
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
        PacketType::new(self.origin & 0xF)
    }

    /// The offset of the fault, in bytes from the first byte of the packet.
    pub const fn offset(&self) -> usize {
        (self.place & ((1 << OFFSET_BITS) - 1)) as usize
    }

    /// The version whose rule is broken, and in which the peer understands an answer: 3.1.1 until a
    /// CONNECT was read, as each client reads a CONNACK of 3.1.1 that refuses its protocol level.
    pub const fn version(&self) -> Version {
        match self.origin >> 4 & 1 {
            0 => Version::V311,
            _ => Version::V5,
        }
    }

    pub(crate) const fn sender(&self) -> Option<Side> {
        match self.origin >> 5 {
            0 => None,
            1 => Some(Side::Client),
            _ => Some(Side::Server),
        }
    }

    /// Returns whether the packet was skipped, as its rule was let go: no reason to end the
    /// connection.
    pub const fn is_skipped(&self) -> bool {
        self.place & SKIPPED != 0
    }

    /// The delivery of a PUBLISH that was skipped, so that it can be acknowledged. `None` if it
    /// could not be read.
    pub const fn delivery(&self) -> Option<Delivery> {
        match (self.place >> OFFSET_BITS & 3, PacketId::new(self.packet_id)) {
            (1, _) => Some(Delivery::AtMostOnce),
            (2, Some(id)) => Some(Delivery::AtLeastOnce(id)),
            (3, Some(id)) => Some(Delivery::ExactlyOnce(id)),
            _ => None,
        }
    }

    /// The rule to [let go](crate::Rules) in order to live with this peer, or `None` if there is
    /// none.
    pub const fn rule(&self) -> Option<Rule> {
        use DecodeErrorKind as Kind;
        use PacketType::{ConnAck, Disconnect, Publish};
        Some(match (self.kind, self.packet()) {
            (Kind::InvalidFlags(_), Some(_)) => Rule::FixedHeaderFlags,
            (Kind::DupAtQoS0, _) => Rule::DupAtQoS0,
            (Kind::VarIntNotMinimal, _) => match self.field {
                Field::RemainingLength | Field::PropertyLength => Rule::ShortestLength,
                _ => return None,
            },
            (Kind::PacketTooLarge(_), Some(Publish)) => Rule::PacketTooLarge,
            (Kind::WrongSender | Kind::TrailingBytes, Some(Disconnect))
                if matches!(
                    (self.version(), self.sender()),
                    (Version::V311, Some(Side::Server))
                ) =>
            {
                Rule::ServerDisconnect
            }
            (Kind::Mqtt31, _) => Rule::Mqtt31,
            (Kind::UnsupportedProtocolLevel(0x84), _) => Rule::BridgeBit,
            (Kind::TrailingBytes, Some(_)) => Rule::TrailingBytes,
            (Kind::Text(_) | Kind::MissingTopic, Some(Publish)) => Rule::PublishText,
            (Kind::ZeroPacketId, _) => Rule::ZeroPacketId,
            (Kind::ReservedConnectFlag, _) => Rule::ReservedConnectFlag,
            (Kind::WillQoSWithoutWill | Kind::WillRetainWithoutWill, _) => Rule::WillFlags,
            (Kind::PasswordWithoutUserName, _) => Rule::PasswordWithoutUserName,
            (Kind::ReservedConnAckFlags(_), _) => Rule::ConnAckFlags,
            (Kind::SessionPresentWithError, _) => Rule::SessionPresentWithError,
            (Kind::InvalidReasonCode(code), Some(ConnAck)) => match (self.version(), code) {
                // Below 0x80 a code of 5.0 would be a success.
                (Version::V311, _) | (Version::V5, 0x80..) => Rule::ConnAckCode,
                _ => return None,
            },
            (Kind::PropertyOutOfRange, _) => match self.field {
                Field::Property(PropertyId::PayloadFormatIndicator) => Rule::PayloadFormatIndicator,
                _ => return None,
            },
            (Kind::ReservedSubscriptionOptions(_), _) => Rule::SubscriptionOptions,
            (Kind::NoLocalOnSharedSubscription, _) => Rule::NoLocalOnShared,
            _ => return None,
        })
    }

    /// The code to answer with: in CONNACK to a CONNECT, in DISCONNECT to anything else.
    ///
    /// In 3.1.1 the connection is closed without an answer, except for the CONNACK codes that
    /// [`ReasonCode::to_v311`] returns. Text, names and filters that are not well formed are
    /// [`MalformedPacket`](ReasonCode::MalformedPacket): 0x8F and 0x90 are for those that are well
    /// formed and not accepted (sections 2.4 and 3.14.2.1).
    pub const fn reason_code(&self) -> ReasonCode {
        use DecodeErrorKind as Kind;
        match (self.kind, self.field) {
            (Kind::PacketTooLarge(_), _) => ReasonCode::PacketTooLarge,
            (
                Kind::UnexpectedProtocolName | Kind::Mqtt31 | Kind::UnsupportedProtocolLevel(_),
                _,
            ) => ReasonCode::UnsupportedProtocolVersion,
            (Kind::PropertyOutOfRange, Field::Property(PropertyId::TopicAlias)) => {
                ReasonCode::TopicAliasInvalid
            }
            (Kind::InvalidQoS, Field::SubscriptionOptions)
            | (
                Kind::NotConnect(_)
                | Kind::WrongSender
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
        if let Some(packet) = self.packet() {
            write!(f, "{packet} ")?;
        }
        write!(f, "{} at byte {}: {}", self.field, self.offset(), self.kind)?;
        if let Some(statement) = self.statement() {
            write!(f, " [{statement}]")?;
        }
        match self.rule() {
            Some(rule) => write!(f, " (rule {rule})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("DecodeError");
        fields.field("kind", &self.kind);
        fields.field("field", &self.field);
        fields.field("packet", &self.packet());
        fields.field("version", &self.version());
        fields.field("sender", &self.sender());
        fields.field("offset", &self.offset());
        if self.is_skipped() {
            fields.field("skipped", &self.delivery());
        }
        fields.finish()
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
    /// CONNECT of MQTT 3.1: the protocol name is `MQIsdp`, and the protocol level 3.
    #[error("MQTT 3.1 is not supported")]
    Mqtt31,
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
    /// A CONNECT of 5.0 that is to be one of 3.1, or to have the bit of a bridge.
    #[error("5.0 has neither the protocol level of 3.1 nor the bit of a bridge")]
    OnlyInV311,
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
