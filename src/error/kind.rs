use thiserror::Error;

use crate::text::InvalidTextKind;

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
