//! Conversions between numbers and the values that have one.

use thiserror::Error;

/// A number that the type it is converted to does not have.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{value} is {fault}")]
#[non_exhaustive]
pub struct InvalidValue {
    /// The number; `u64::MAX` if it is even larger.
    pub value: u64,
    fault: &'static str,
}

impl InvalidValue {
    pub(crate) const fn new(value: u64, fault: &'static str) -> Self {
        Self { value, fault }
    }
}

/// Converts a type from its number, where that is one of its values, and back.
macro_rules! number {
    ($Type:ident: $Number:ident by $new:ident and $get:ident, or $fault:literal) => {
        impl TryFrom<$Number> for $Type {
            type Error = $crate::number::InvalidValue;

            fn try_from(value: $Number) -> Result<Self, $crate::number::InvalidValue> {
                let invalid = $crate::number::InvalidValue::new(value.into(), $fault);
                Self::$new(value).ok_or(invalid)
            }
        }

        impl From<$Type> for $Number {
            fn from(value: $Type) -> Self {
                value.$get()
            }
        }
    };
}

pub(crate) use number;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use core::fmt::Debug;

    use super::*;
    use crate::packet_id::PacketId;
    use crate::packet_type::PacketType;
    use crate::property::{SubscriptionId, TopicAlias};
    use crate::qos::QoS;
    use crate::reason::ReasonCode;
    use crate::varint::VarInt;
    use crate::version::Version;

    /// Converts a number to a value and back, or to the text of the error.
    fn there_and_back<T, N>(number: N) -> Result<(), alloc::string::String>
    where
        T: TryFrom<N, Error = InvalidValue> + Into<N>,
        N: Copy + Debug + PartialEq + Into<u64>,
    {
        match T::try_from(number) {
            Ok(value) => assert_eq!(value.into(), number),
            Err(error) => {
                assert_eq!(error.value, number.into());
                return Err(error.to_string());
            }
        }
        Ok(())
    }

    #[test]
    fn numbers_convert_both_ways() {
        let count_u8 = |convert: fn(u8) -> Result<(), alloc::string::String>| {
            (0..=255).filter(|&number| convert(number).is_ok()).count()
        };
        assert_eq!(count_u8(there_and_back::<PacketType, _>), 15);
        assert_eq!(count_u8(there_and_back::<QoS, _>), 3);
        assert_eq!(count_u8(there_and_back::<ReasonCode, _>), 43);
        assert_eq!(count_u8(there_and_back::<Version, _>), 2);
        for number in 1..=u16::MAX {
            assert_eq!(there_and_back::<PacketId, _>(number), Ok(()));
            assert_eq!(there_and_back::<TopicAlias, _>(number), Ok(()));
        }
        for number in [1, VarInt::MAX.get()] {
            assert_eq!(there_and_back::<SubscriptionId, _>(number), Ok(()));
            assert_eq!(there_and_back::<VarInt, _>(number), Ok(()));
        }
    }

    #[test]
    fn errors_name_the_number() {
        #[rustfmt::skip]
        let cases = [
            (there_and_back::<PacketId, u16>(0), "0 is not a packet identifier, 1 to 65535"),
            (there_and_back::<TopicAlias, u16>(0), "0 is not a topic alias, 1 to 65535"),
            (there_and_back::<PacketType, u8>(16), "16 is not a packet type, 1 to 15"),
            (there_and_back::<QoS, u8>(3), "3 is not a QoS, 0 to 2"),
            (there_and_back::<ReasonCode, u8>(3), "3 is not a reason code of MQTT 5.0"),
            (there_and_back::<Version, u8>(3), "3 is not a protocol level, 4 or 5"),
            (there_and_back::<SubscriptionId, u32>(1 << 28), "268435456 is not a subscription identifier, 1 to 268435455"),
            (there_and_back::<VarInt, u32>(1 << 28), "268435456 is above the variable byte integer maximum of 268435455"),
        ];
        for (outcome, expected) in cases {
            assert_eq!(outcome, Err(expected.to_string()));
        }
    }
}
