use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::BufMut;

use crate::binary::Binary;
use crate::error::{DecodeErrorKind, Field};
use crate::number::number;
use crate::text::Text;
use crate::topic::TopicName;
use crate::varint::VarInt;
use crate::wire::{self, ParseResult};

/// A number that stands for a topic name on one connection, in one direction: never zero (section
/// 3.3.2.3.4).
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct TopicAlias(NonZeroU16);

impl TopicAlias {
    /// Succeeds iff `value` is not zero [MQTT-3.3.2-8].
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Returns the alias as it is sent.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

/// A number by which a client identifies a subscription: 1 to 268,435,455 (section 3.8.2.1.2).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct SubscriptionId(NonZeroU32);

impl SubscriptionId {
    /// Succeeds iff `value` is from 1 to 268,435,455.
    pub const fn new(value: u32) -> Option<Self> {
        match NonZeroU32::new(value) {
            Some(id) if value <= VarInt::MAX.get() => Some(Self(id)),
            _ => None,
        }
    }

    /// Returns the identifier as it is sent.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    pub(crate) const fn varint(self) -> VarInt {
        match VarInt::new(self.0.get()) {
            Ok(varint) => varint,
            Err(_) => VarInt::MAX,
        }
    }
}

/// The format of a payload (section 3.3.2.3.2).
#[expect(clippy::exhaustive_enums, reason = "the property is one bit")]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum PayloadFormat {
    /// Bytes of any kind.
    #[default]
    Unspecified,
    /// UTF-8 text. The decoder does not check this: section 3.3.2.3.2 leaves it to the receiver.
    Utf8,
}

impl PayloadFormat {
    /// Returns whether a payload has this format.
    pub(crate) fn allows(self, payload: &[u8]) -> bool {
        match self {
            Self::Unspecified => true,
            Self::Utf8 => core::str::from_utf8(payload).is_ok(),
        }
    }
}

/// The highest QoS of a PUBLISH that a server supports, if it is not 2 (section 3.2.2.3.4).
#[expect(clippy::exhaustive_enums, reason = "the property is one bit")]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum MaximumQoS {
    /// Only QoS 0.
    AtMostOnce,
    /// QoS 0 and 1.
    AtLeastOnce,
}

/// The value of a property on the wire.
pub(super) trait Value<'a>: Sized {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self>;
    fn put(&self, out: &mut impl BufMut);

    /// The length on the wire; for a number, that of the number.
    fn encoded_len(&self) -> usize {
        size_of::<Self>()
    }
}

/// Fails at `input`, where the value starts, if it is not one that the property may have.
#[inline]
fn in_range<'a, T>(
    input: &'a [u8],
    rest: &'a [u8],
    value: Option<T>,
    field: Field,
) -> ParseResult<'a, T> {
    match value {
        Some(value) => Ok((rest, value)),
        None => wire::fail(input, DecodeErrorKind::PropertyOutOfRange, field),
    }
}

impl<'a> Value<'a> for bool {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        let (rest, byte) = wire::u8(input, field)?;
        in_range(input, rest, (byte < 2).then_some(byte == 1), field)
    }

    fn put(&self, out: &mut impl BufMut) {
        out.put_u8(u8::from(*self));
    }
}

impl<'a> Value<'a> for PayloadFormat {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        let (rest, utf8) = bool::parse(input, field)?;
        Ok((rest, if utf8 { Self::Utf8 } else { Self::Unspecified }))
    }

    fn put(&self, out: &mut impl BufMut) {
        (*self == Self::Utf8).put(out);
    }
}

impl<'a> Value<'a> for MaximumQoS {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        let (rest, one) = bool::parse(input, field)?;
        Ok((
            rest,
            if one {
                Self::AtLeastOnce
            } else {
                Self::AtMostOnce
            },
        ))
    }

    fn put(&self, out: &mut impl BufMut) {
        (*self == Self::AtLeastOnce).put(out);
    }
}

impl<'a> Value<'a> for u16 {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        wire::u16(input, field)
    }

    fn put(&self, out: &mut impl BufMut) {
        out.put_u16(*self);
    }
}

impl<'a> Value<'a> for u32 {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        wire::u32(input, field)
    }

    fn put(&self, out: &mut impl BufMut) {
        out.put_u32(*self);
    }
}

impl<'a> Value<'a> for NonZeroU16 {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        let (rest, value) = wire::u16(input, field)?;
        in_range(input, rest, Self::new(value), field)
    }

    fn put(&self, out: &mut impl BufMut) {
        out.put_u16(self.get());
    }
}

impl<'a> Value<'a> for NonZeroU32 {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        let (rest, value) = wire::u32(input, field)?;
        in_range(input, rest, Self::new(value), field)
    }

    fn put(&self, out: &mut impl BufMut) {
        out.put_u32(self.get());
    }
}

impl<'a> Value<'a> for TopicAlias {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        let (rest, value) = NonZeroU16::parse(input, field)?;
        Ok((rest, Self(value)))
    }

    fn put(&self, out: &mut impl BufMut) {
        self.0.put(out);
    }
}

impl<'a> Value<'a> for SubscriptionId {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        let (rest, value) = VarInt::parse(input, field)?;
        in_range(input, rest, Self::new(value.get()), field)
    }

    fn put(&self, out: &mut impl BufMut) {
        self.varint().encode(out);
    }

    fn encoded_len(&self) -> usize {
        self.varint().encoded_len()
    }
}

impl<'a> Value<'a> for Text<&'a [u8]> {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        wire::text(input, field)
    }

    fn put(&self, out: &mut impl BufMut) {
        wire::put_prefixed(self.as_bytes(), out);
    }

    fn encoded_len(&self) -> usize {
        2 + self.as_bytes().len()
    }
}

impl<'a> Value<'a> for TopicName<&'a [u8]> {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        wire::topic_name(input, field)
    }

    fn put(&self, out: &mut impl BufMut) {
        wire::put_prefixed(self.as_bytes(), out);
    }

    fn encoded_len(&self) -> usize {
        2 + self.as_bytes().len()
    }
}

impl<'a> Value<'a> for Binary<&'a [u8]> {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        wire::binary(input, field)
    }

    fn put(&self, out: &mut impl BufMut) {
        wire::put_prefixed(self.as_bytes(), out);
    }

    fn encoded_len(&self) -> usize {
        2 + self.as_bytes().len()
    }
}

impl<'a> Value<'a> for (Text<&'a [u8]>, Text<&'a [u8]>) {
    fn parse(input: &'a [u8], field: Field) -> ParseResult<'a, Self> {
        let (rest, name) = wire::text(input, field)?;
        let (rest, value) = wire::text(rest, field)?;
        Ok((rest, (name, value)))
    }

    fn put(&self, out: &mut impl BufMut) {
        self.0.put(out);
        self.1.put(out);
    }

    fn encoded_len(&self) -> usize {
        self.0.encoded_len() + self.1.encoded_len()
    }
}

impl fmt::Debug for TopicAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TopicAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

number!(SubscriptionId: u32 by new and get, or "not a subscription identifier, 1 to 268435455");
number!(TopicAlias: u16 by new and get, or "not a topic alias, 1 to 65535");
