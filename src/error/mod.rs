use core::fmt;

use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::property_id::PropertyId;
use crate::qos::Delivery;
use crate::reason::ReasonCode;
use crate::side::Side;
use crate::version::Version;

mod encode;
mod fault;
mod field;
mod kind;
mod number;
mod statement;

pub use encode::{EncodeError, OnlyInV5};
pub(crate) use fault::Fault;
pub use field::Field;
pub use kind::DecodeErrorKind;
pub(crate) use kind::TLS_HANDSHAKE;
pub(crate) use number::{Part, numbers};

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

/// The largest offset: a packet is at most 268,435,460 bytes.
const MAX: u32 = (1 << OFFSET_BITS) - 1;
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
        let place = u32::try_from(offset).unwrap_or(MAX).min(MAX);
        Self {
            kind,
            field,
            origin: packet | version | sender,
            packet_id: 0,
            place,
        }
    }

    /// The error in a packet that is not skipped whose fixed header has `to` bytes, found in one with
    /// `from` of them.
    pub(crate) fn with_header(mut self, from: usize, to: usize) -> Self {
        if self.offset() >= from {
            let offset = u32::try_from(self.offset() - from + to).unwrap_or(MAX);
            self.place = offset.min(MAX);
        }
        self
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
        (self.place & MAX) as usize
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
