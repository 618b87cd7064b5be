//! Errors as numbers, for a device that has no room for their texts.

use super::{DecodeError, DecodeErrorKind, Field, MAX, SKIPPED};
use crate::number::number;
use crate::packet_type::PacketType;
use crate::property_id::PropertyId;
use crate::qos::QoS;
use crate::reason::ReasonCode;
use crate::side::Side;
use crate::text::InvalidTextKind;

/// What a variant holds, as a number.
pub(crate) trait Part: Copy {
    fn to_part(self) -> u32;
    fn from_part(part: u32) -> Option<Self>;
}

/// Numbers the variants of an error, and names what each of them holds.
macro_rules! numbers {
    ($Type:ty { $($number:literal $Name:ident $(($part:ident: $Part:ty))?,)+ }) => {
        impl $Type {
            /// The number of the variant, and that of what it holds.
            pub(crate) fn to_parts(self) -> (u8, u32) {
                match self {
                    $(Self::$Name $(($part))? => ($number, numbers!(@held $($part)?)),)+
                }
            }

            pub(crate) fn from_parts(number: u8, held: u32) -> Option<Self> {
                let it = match number {
                    $($number => Self::$Name $((<$Part as $crate::error::Part>::from_part(held)?))?,)+
                    _ => return None,
                };
                (it.to_parts() == (number, held)).then_some(it)
            }
        }
    };
    (@held) => { 0 };
    (@held $part:ident) => { $crate::error::Part::to_part($part) };
}
pub(crate) use numbers;

macro_rules! bytes_are_parts {
    ($($Type:ty: $from:expr, $to:expr;)+) => {
        $(impl Part for $Type {
            fn to_part(self) -> u32 {
                u32::from($to(self))
            }

            fn from_part(part: u32) -> Option<Self> {
                u8::try_from(part).ok().and_then($from)
            }
        })+
    };
}

bytes_are_parts! {
    u8: Some, core::convert::identity;
    PacketType: PacketType::new, PacketType::to_u8;
    PropertyId: PropertyId::from_u8, |id| id as u8;
    QoS: QoS::new, QoS::level;
    ReasonCode: ReasonCode::from_u8, ReasonCode::to_u8;
    Side: |side| match side {
        0 => Some(Side::Client),
        1 => Some(Side::Server),
        _ => None,
    }, |side| match side {
        Side::Client => 0_u8,
        Side::Server => 1,
    };
    InvalidTextKind: |kind| InvalidTextKind::from_parts(kind, 0), |kind: InvalidTextKind| kind.to_parts().0;
}

impl Part for u32 {
    fn to_part(self) -> u32 {
        self
    }

    fn from_part(part: u32) -> Option<Self> {
        Some(part)
    }
}

numbers! { InvalidTextKind {
    1 TooLong,
    2 NotUtf8,
    3 NullCharacter,
    4 Empty,
    5 WildcardInName,
    6 MisplacedHash,
    7 MisplacedPlus,
    8 EmptyShareName,
    9 WildcardInShareName,
    10 MissingShareFilter,
}}

numbers! { DecodeErrorKind {
    1 ReservedPacketType(packet: u8),
    2 InvalidFlags(first: u8),
    3 InvalidQoS,
    4 DupAtQoS0,
    5 VarIntTooLong,
    6 VarIntNotMinimal,
    7 PacketTooLarge(len: u32),
    8 NotConnect(first: u8),
    9 WrongSender,
    10 Mqtt31,
    11 UnexpectedProtocolName,
    12 UnsupportedProtocolLevel(level: u8),
    13 Missing,
    14 Truncated,
    15 TrailingBytes,
    16 Text(kind: InvalidTextKind),
    17 ZeroPacketId,
    18 ReservedConnectFlag,
    19 WillQoSWithoutWill,
    20 WillRetainWithoutWill,
    21 PasswordWithoutUserName,
    22 ReservedConnAckFlags(flags: u8),
    23 SessionPresentWithError,
    24 InvalidReasonCode(code: u8),
    25 UnknownProperty(id: u8),
    26 PropertyNotAllowed,
    27 PropertyRepeated,
    28 PropertyOutOfRange,
    29 PropertyFromWrongSender,
    30 MissingAuthenticationMethod,
    31 MissingTopic,
    32 EmptyList,
    33 ReservedSubscriptionOptions(options: u8),
    34 InvalidRetainHandling,
    35 NoLocalOnSharedSubscription,
}}

numbers! { Field {
    1 FixedHeader,
    2 RemainingLength,
    3 Packet,
    4 ProtocolName,
    5 ProtocolLevel,
    6 ConnectFlags,
    7 KeepAlive,
    8 ClientId,
    9 WillTopic,
    10 WillPayload,
    11 UserName,
    12 Password,
    13 ConnAckFlags,
    14 ReasonCode,
    15 PacketId,
    16 TopicName,
    17 TopicFilter,
    18 SubscriptionOptions,
    19 PropertyLength,
    20 PropertyId,
    0x80 Property(id: PropertyId),
}}

/// The bit that says that a field is the value of the property in the other bits.
const PROPERTY: u8 = 0x80;

/// The offset of a length that is too large: that of the Remaining Length.
const LENGTH_OFFSET: u32 = 1;

impl DecodeError {
    /// The error as a number, which [`from_u64`](Self::from_u64) reads, wherever it is logged: kind,
    /// field, packet, version, sender and offset, but not the [`delivery`](Self::delivery). A device
    /// that calls this and neither prints the error nor asks for its statement has no texts in its
    /// flash.
    ///
    /// ```
    /// use mqtt_sansio::{DecodeError, Packet, Version};
    ///
    /// let error = Packet::decode(Version::V5, b"\x32\x06\0\x01t\0\0\0").unwrap_err();
    /// let number = error.to_u64(); // on the device
    /// let read = DecodeError::from_u64(number).unwrap(); // where its log is read
    /// assert_eq!(read.to_string(), error.to_string());
    /// ```
    pub fn to_u64(self) -> u64 {
        let (kind, mut held) = self.kind.to_parts();
        let (field, property) = self.field.to_parts();
        let mut place = self.place & (MAX | SKIPPED);
        if let DecodeErrorKind::PacketTooLarge(len) = self.kind {
            (held, place) = (0, len.min(MAX) | self.place & SKIPPED);
        }
        // Each of them is below 256: what a kind holds is a byte, but for that length.
        let head = u64::from(kind) << 24
            | u64::from(self.origin) << 16
            | u64::from(field) << 8
            | u64::from(property) << 8
            | u64::from(held);
        head << 32 | u64::from(place)
    }

    /// Reads the number of an error. `None` if no error has it.
    pub fn from_u64(number: u64) -> Option<Self> {
        let [kind, origin, field, held, a, b, c, d] = number.to_be_bytes();
        let place = u32::from_be_bytes([a, b, c, d]);
        let kind = match DecodeErrorKind::from_parts(kind, held.into()) {
            Some(DecodeErrorKind::PacketTooLarge(_)) => {
                DecodeErrorKind::PacketTooLarge(place & MAX)
            }
            kind => kind?,
        };
        let field = match field & PROPERTY {
            0 => Field::from_parts(field, 0)?,
            _ => Field::from_parts(PROPERTY, (field & !PROPERTY).into())?,
        };
        let place = match kind {
            DecodeErrorKind::PacketTooLarge(_) => place & !MAX | LENGTH_OFFSET,
            _ => place,
        };
        let error = Self {
            kind,
            field,
            origin,
            packet_id: 0,
            place,
        };
        // Two bits are for the sender, of whom there are none or one of two.
        (origin >> 5 < 3 && error.to_u64() == number).then_some(error)
    }
}

number!(DecodeError: u64 by from_u64 and to_u64, or "not the number of a decode error");

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::version::Version;

    fn kinds() -> impl Iterator<Item = DecodeErrorKind> {
        (0..=255).flat_map(|number| {
            let held = (0..=255).chain([0x1234_5678]);
            held.filter_map(move |held| DecodeErrorKind::from_parts(number, held))
        })
    }

    fn fields() -> impl Iterator<Item = Field> {
        (0..=255).flat_map(|number| (0..=255).filter_map(move |id| Field::from_parts(number, id)))
    }

    #[test]
    fn every_error_is_read_from_its_number() {
        assert_eq!(fields().count(), 20 + 27);
        assert_eq!(
            kinds()
                .filter(|kind| matches!(kind, DecodeErrorKind::Text(_)))
                .count(),
            10
        );
        let of_kinds = kinds().map(|kind| (kind, Field::Packet));
        let of_fields = fields().map(|field| (DecodeErrorKind::Missing, field));
        for (kind, field) in of_kinds.chain(of_fields) {
            for sender in [None, Some(Side::Client), Some(Side::Server)] {
                let packet = Some(PacketType::Auth);
                let error = DecodeError::new(kind, field, packet, Version::V5, sender, 1);
                for error in [error, error.skipped(None)] {
                    assert_eq!(DecodeError::from_u64(error.to_u64()), Some(error));
                }
            }
        }
        let kind = DecodeErrorKind::Truncated;
        for (packet, offset) in [(None, 0), (Some(PacketType::Publish), MAX as usize)] {
            let error = DecodeError::new(kind, Field::Packet, packet, Version::V311, None, offset);
            assert_eq!(DecodeError::from_u64(error.to_u64()), Some(error));
            for nobody in 3..8 {
                assert_eq!(DecodeError::from_u64(error.to_u64() | nobody << 53), None);
            }
        }
    }

    /// A log is read with a later version of the crate.
    #[test]
    fn numbers_stay() {
        let kind = DecodeErrorKind::PacketTooLarge(70_000);
        let field = Field::RemainingLength;
        let (packet, sender) = (Some(PacketType::Publish), Some(Side::Server));
        let error = DecodeError::new(kind, field, packet, Version::V5, sender, 1);
        assert_eq!(error.to_u64(), 0x0753_0200_0001_1170);
        let field = Field::Property(PropertyId::UserProperty);
        let kind = DecodeErrorKind::Text(InvalidTextKind::NullCharacter);
        let error = DecodeError::new(kind, field, packet, Version::V5, None, 300);
        assert_eq!(error.to_u64(), 0x1013_A603_0000_012C);
    }

    #[test]
    fn other_numbers_are_refused() {
        for number in [0, u64::MAX, 0x11F3_0F00_0000_0000, 0x1113_1500_0000_0000] {
            assert_eq!(DecodeError::from_u64(number), None, "{number:#x}");
        }
        let sound = 0x1113_0F00_0000_0000;
        assert!(DecodeError::from_u64(sound).is_some());
        for bit in (32..40).chain([30, 31]) {
            let number = sound | 1 << bit;
            let read = DecodeError::from_u64(number).map(DecodeError::to_u64);
            assert!(read.is_none_or(|read| read == number), "{bit}");
        }
        let invalid = DecodeError::try_from(0).unwrap_err();
        assert_eq!(invalid.to_string(), "0 is not the number of a decode error");
    }
}
