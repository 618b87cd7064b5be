use bytes::BufMut;
use thiserror::Error;

use crate::error::{DecodeErrorKind, Field};
use crate::number::InvalidValue;
use crate::version::Version;
use crate::wire::{self, ParseResult};

/// A variable byte integer: below 2^28, sent in one to four bytes (section 1.5.5 of 5.0, 2.2.3 of
/// 3.1.1).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct VarInt(u32);

impl VarInt {
    /// The largest value, 268,435,455.
    pub const MAX: Self = Self((1 << 28) - 1);

    /// Succeeds iff `value` is at most [`VarInt::MAX`].
    ///
    /// # Errors
    ///
    /// If `value` is larger.
    pub const fn new(value: u32) -> Result<Self, InvalidValue> {
        match value {
            0..=0x0FFF_FFFF => Ok(Self(value)),
            _ => Err(Self::too_large(value as u64)),
        }
    }

    const fn too_large(value: u64) -> InvalidValue {
        let fault = "above the variable byte integer maximum of 268435455";
        InvalidValue::new(value, fault)
    }

    /// Returns the integer.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the length of the shortest form: one to four bytes.
    // On a device once, and not in each encoder.
    #[cfg_attr(target_os = "none", inline(never))]
    pub const fn encoded_len(self) -> usize {
        match self.0 {
            0..=0x7F => 1,
            0x80..=0x3FFF => 2,
            0x4000..=0x001F_FFFF => 3,
            _ => 4,
        }
    }

    /// Reads an integer from the start of `input`: the value and its length in bytes, or `None` if
    /// more bytes are needed.
    ///
    /// MQTT 5.0 rejects a longer form than needed [MQTT-1.5.5-1]; 3.1.1 has no such rule.
    ///
    /// # Errors
    ///
    /// If no bytes that may follow make `input` an integer.
    pub fn decode(version: Version, input: &[u8]) -> Result<Option<(Self, usize)>, InvalidVarInt> {
        let mut partial = PartialVarInt::default();
        for &byte in input {
            if let Some(value) = partial.push(version, byte)? {
                return Ok(Some((value, partial.len().into())));
            }
        }
        Ok(None)
    }

    /// Appends the shortest form.
    ///
    /// # Panics
    ///
    /// If `out` has no room for [`encoded_len`](Self::encoded_len) bytes.
    pub fn encode(self, out: &mut impl BufMut) {
        let mut value = self.0;
        while value > 0x7F {
            out.put_u8((value & 0x7F) as u8 | 0x80);
            value >>= 7;
        }
        out.put_u8((value & 0x7F) as u8);
    }

    /// Reads an integer that lies inside an MQTT 5.0 packet.
    #[inline]
    pub(crate) fn parse(input: &[u8], field: Field) -> ParseResult<'_, Self> {
        if let [byte @ 0..=0x7F, rest @ ..] = input {
            return Ok((rest, Self(u32::from(*byte))));
        }
        let fault = |kind| wire::fail(input, kind, field);
        match Self::decode(Version::V5, input) {
            Ok(Some((value, used))) => Ok((input.get(used..).unwrap_or_default(), value)),
            Ok(None) => wire::short(input, field),
            Err(InvalidVarInt::TooLong) => fault(DecodeErrorKind::VarIntTooLong),
            Err(InvalidVarInt::NotMinimal) => fault(DecodeErrorKind::VarIntNotMinimal),
        }
    }
}

impl TryFrom<u32> for VarInt {
    type Error = InvalidValue;

    fn try_from(value: u32) -> Result<Self, InvalidValue> {
        Self::new(value)
    }
}

impl TryFrom<usize> for VarInt {
    type Error = InvalidValue;

    fn try_from(value: usize) -> Result<Self, InvalidValue> {
        match value <= Self::MAX.0 as usize {
            #[expect(clippy::cast_possible_truncation, reason = "it is at most the maximum")]
            true => Ok(Self(value as u32)),
            false => Err(Self::too_large(value as u64)),
        }
    }
}

impl From<u8> for VarInt {
    fn from(value: u8) -> Self {
        Self(u32::from(value))
    }
}

impl From<u16> for VarInt {
    fn from(value: u16) -> Self {
        Self(u32::from(value))
    }
}

impl From<VarInt> for u32 {
    fn from(value: VarInt) -> Self {
        value.0
    }
}

/// An integer of which some bytes have arrived, each examined once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartialVarInt {
    value: u32,
    len: u8,
}

impl PartialVarInt {
    /// No byte has arrived.
    pub(crate) const NONE: Self = Self { value: 0, len: 0 };

    /// Takes the next byte; the value is complete when that byte was the last one.
    #[inline]
    pub(crate) fn push(
        &mut self,
        version: Version,
        byte: u8,
    ) -> Result<Option<VarInt>, InvalidVarInt> {
        self.value |= u32::from(byte & 0x7F) << (7 * u32::from(self.len));
        self.len += 1;
        match byte {
            0 if self.len > 1 && version == Version::V5 => Err(InvalidVarInt::NotMinimal),
            0..=0x7F => Ok(Some(VarInt(self.value))),
            _ if self.len == 4 => Err(InvalidVarInt::TooLong),
            _ => Ok(None),
        }
    }

    pub(crate) const fn len(self) -> u8 {
        self.len
    }
}

/// Bytes that are not a variable byte integer, whatever follows.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidVarInt {
    /// The fourth byte says that a fifth follows.
    #[error("variable byte integer is longer than four bytes")]
    TooLong,
    /// The last byte is zero, so a shorter form exists [MQTT-1.5.5-1].
    #[error("variable byte integer is not in its shortest form")]
    NotMinimal,
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// The boundary values of table 1-1 of MQTT 5.0.
    const BOUNDARIES: &[(u32, &[u8])] = &[
        (0, &[0x00]),
        (127, &[0x7F]),
        (128, &[0x80, 0x01]),
        (16_383, &[0xFF, 0x7F]),
        (16_384, &[0x80, 0x80, 0x01]),
        (2_097_151, &[0xFF, 0xFF, 0x7F]),
        (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
        (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
    ];

    #[test]
    fn boundaries_round_trip() {
        for &(value, bytes) in BOUNDARIES {
            let varint = VarInt::new(value).unwrap();
            let mut out = Vec::new();
            varint.encode(&mut out);
            assert_eq!(out, bytes);
            assert_eq!(varint.encoded_len(), bytes.len());
            for version in [Version::V311, Version::V5] {
                assert_eq!(
                    VarInt::decode(version, bytes),
                    Ok(Some((varint, bytes.len())))
                );
                for len in 0..bytes.len() {
                    assert_eq!(VarInt::decode(version, &bytes[..len]), Ok(None));
                }
            }
        }
        let too_large = Err(VarInt::too_large(1 << 28));
        assert_eq!(VarInt::new(1 << 28), too_large);
        assert_eq!(VarInt::try_from(1_u32 << 28), too_large);
        let too_large = Err(VarInt::too_large(usize::MAX as u64));
        assert_eq!(VarInt::try_from(usize::MAX), too_large);
        assert_eq!(VarInt::from(u16::MAX).get(), 65_535);
        assert_eq!(VarInt::from(u8::MAX).get(), 255);
    }

    #[test]
    fn a_fifth_byte_is_refused() {
        for fifth in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
            for version in [Version::V311, Version::V5] {
                let bytes = [0x80, 0xFF, 0x80, 0xFF, fifth];
                assert_eq!(VarInt::decode(version, &bytes), Err(InvalidVarInt::TooLong));
            }
        }
    }

    #[test]
    fn padding_is_refused_in_5_and_taken_in_3() {
        for bytes in [
            &[0x80, 0x00][..],
            &[0xFF, 0x80, 0x00],
            &[0x81, 0x80, 0x80, 0x00],
        ] {
            assert_eq!(
                VarInt::decode(Version::V5, bytes),
                Err(InvalidVarInt::NotMinimal)
            );
            let value = VarInt(u32::from(bytes[0] & 0x7F));
            assert_eq!(
                VarInt::decode(Version::V311, bytes),
                Ok(Some((value, bytes.len())))
            );
        }
    }
}
