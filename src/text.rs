use core::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::version::Version;

/// Gives a type that wraps checked text its constructors, conversions and formatting.
macro_rules! text_type {
    ($Name:ident, $check:path) => {
        impl<'a> $Name<&'a [u8]> {
            /// Checks `text` and borrows it.
            ///
            /// # Errors
            ///
            /// Says which rule is broken and at which byte.
            pub fn new(text: &'a str) -> Result<Self, $crate::TextError> {
                Self::try_from(text.as_bytes())
            }
        }

        impl<B> $Name<B> {
            pub(crate) fn map<'a, C>(&'a self, f: impl FnOnce(&'a B) -> C) -> $Name<C> {
                $Name(f(&self.0))
            }
        }

        impl<B: AsRef<[u8]>> $Name<B> {
            /// The bytes as they are sent, without the length in front.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_ref()
            }

            /// The text. Costs a second UTF-8 check: compare, hash and match on bytes instead.
            pub fn as_str(&self) -> &str {
                core::str::from_utf8(self.as_bytes()).expect("checked when the value was made")
            }

            /// The number of bytes, at most 65,535.
            pub fn len(&self) -> usize {
                self.as_bytes().len()
            }

            /// Whether there are no bytes.
            pub fn is_empty(&self) -> bool {
                self.as_bytes().is_empty()
            }

            /// The same text, borrowed.
            pub fn as_borrowed(&self) -> $Name<&[u8]> {
                self.map(AsRef::as_ref)
            }

            /// The same text in a buffer of its own.
            pub fn to_owned(&self) -> $Name<bytes::Bytes> {
                self.map(|text| bytes::Bytes::copy_from_slice(text.as_ref()))
            }
        }

        impl<'a> TryFrom<&'a [u8]> for $Name<&'a [u8]> {
            type Error = $crate::TextError;

            fn try_from(bytes: &'a [u8]) -> Result<Self, $crate::TextError> {
                $check(bytes).map(|()| Self(bytes))
            }
        }

        impl<'a> TryFrom<&'a str> for $Name<&'a [u8]> {
            type Error = $crate::TextError;

            fn try_from(text: &'a str) -> Result<Self, $crate::TextError> {
                Self::new(text)
            }
        }

        impl TryFrom<bytes::Bytes> for $Name {
            type Error = $crate::TextError;

            fn try_from(bytes: bytes::Bytes) -> Result<Self, $crate::TextError> {
                $check(&bytes).map(|()| Self(bytes))
            }
        }

        impl TryFrom<alloc::string::String> for $Name {
            type Error = $crate::TextError;

            fn try_from(text: alloc::string::String) -> Result<Self, $crate::TextError> {
                Self::try_from(bytes::Bytes::from(text))
            }
        }

        impl core::str::FromStr for $Name {
            type Err = $crate::TextError;

            fn from_str(text: &str) -> Result<Self, $crate::TextError> {
                $Name::new(text).map(|checked| checked.to_owned())
            }
        }

        impl<B: AsRef<[u8]>> AsRef<[u8]> for $Name<B> {
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        /// Equality, order and hash are those of the bytes, so a map with this type as its key is
        /// looked up with `text.as_bytes()`.
        impl<B: AsRef<[u8]>> core::borrow::Borrow<[u8]> for $Name<B> {
            fn borrow(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl<B: AsRef<[u8]>> PartialEq<str> for $Name<B> {
            fn eq(&self, other: &str) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl<B: AsRef<[u8]>> PartialEq<&str> for $Name<B> {
            fn eq(&self, other: &&str) -> bool {
                self == *other
            }
        }

        impl<B: AsRef<[u8]>> core::fmt::Debug for $Name<B> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl<B: AsRef<[u8]>> core::fmt::Display for $Name<B> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self.as_str(), f)
            }
        }

        #[cfg(feature = "serde")]
        impl<B: AsRef<[u8]>> serde::Serialize for $Name<B> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = alloc::string::String::deserialize(deserializer)?;
                Self::try_from(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use text_type;

/// A UTF-8 encoded string: at most 65,535 bytes, no U+0000 (section 1.5.4 of 5.0, 1.5.3 of 3.1.1).
///
/// A leading U+FEFF is kept [MQTT-1.5.4-3]. Control characters and non-characters, which a sender
/// should avoid, are allowed: a receiver may refuse them, and peers in the field send them.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Text<B = Bytes>(pub(crate) B);

text_type!(Text, check_text);

/// Binary data: at most 65,535 bytes of any value (section 1.5.6 of 5.0).
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Binary<B = Bytes>(pub(crate) B);

impl<'a> Binary<&'a [u8]> {
    /// Succeeds iff `bytes` are at most 65,535.
    pub fn new(bytes: &'a [u8]) -> Result<Self, TextError> {
        check_length(bytes).map(|()| Self(bytes))
    }
}

impl<'a> TryFrom<&'a [u8]> for Binary<&'a [u8]> {
    type Error = TextError;

    fn try_from(bytes: &'a [u8]) -> Result<Self, TextError> {
        Self::new(bytes)
    }
}

impl TryFrom<Bytes> for Binary {
    type Error = TextError;

    fn try_from(bytes: Bytes) -> Result<Self, TextError> {
        check_length(&bytes).map(|()| Self(bytes))
    }
}

impl<B: AsRef<[u8]>> Binary<B> {
    /// The bytes as they are sent, without the length in front.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// The number of bytes, at most 65,535.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The same bytes, borrowed.
    pub fn as_borrowed(&self) -> Binary<&[u8]> {
        Binary(self.as_bytes())
    }

    /// The same bytes in a buffer of their own.
    pub fn to_owned(&self) -> Binary<Bytes> {
        Binary(Bytes::copy_from_slice(self.as_bytes()))
    }
}

impl<B> Binary<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl FnOnce(&'a B) -> C) -> Binary<C> {
        Binary(f(&self.0))
    }
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Binary<B> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Binary<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.as_bytes()).fmt(f)
    }
}

/// Prints bytes as a byte string literal: text stays legible, the rest is escaped.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Why bytes are not a [`Text`], [`Binary`], [`TopicName`](crate::topic::TopicName) or
/// [`TopicFilter`](crate::topic::TopicFilter).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct TextError {
    /// The rule that is broken.
    pub kind: TextErrorKind,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}

impl TextError {
    pub(crate) const fn new(kind: TextErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

/// The rules for text, topic names and topic filters.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// More than 65,535 bytes.
    #[error("more than 65535 bytes")]
    TooLong,
    /// Not well-formed UTF-8; surrogates and overlong forms are not.
    #[error("not UTF-8")]
    NotUtf8,
    /// U+0000.
    #[error("U+0000 is not allowed")]
    NullCharacter,
    /// A topic name or filter of no characters.
    #[error("at least one character is needed")]
    Empty,
    /// `+` or `#` in a topic name.
    #[error("a topic name may not hold a wildcard")]
    WildcardInName,
    /// `#` that is not a whole level, or not the last one.
    #[error("'#' must be the whole last level")]
    MisplacedHash,
    /// `+` that is not a whole level.
    #[error("'+' must be a whole level")]
    MisplacedPlus,
    /// `$share/` without a share name.
    #[error("a shared subscription needs a share name")]
    EmptyShareName,
    /// A wildcard in the share name.
    #[error("a share name may not hold a wildcard")]
    WildcardInShareName,
    /// `$share/name` without a topic filter behind it.
    #[error("a shared subscription needs a topic filter after the share name")]
    MissingShareFilter,
}

impl TextErrorKind {
    /// The normative statement that is broken. Of shared subscriptions 5.0 alone has any.
    pub const fn statement(self, version: Version) -> &'static str {
        match (self, version) {
            (Self::TooLong, _) => "MQTT-4.7.3-3",
            (Self::NotUtf8, Version::V311) => "MQTT-1.5.3-1",
            (Self::NotUtf8, Version::V5) => "MQTT-1.5.4-1",
            (Self::NullCharacter, Version::V311) => "MQTT-1.5.3-2",
            (Self::NullCharacter, Version::V5) => "MQTT-1.5.4-2",
            (Self::Empty, _) => "MQTT-4.7.3-1",
            (Self::WildcardInName, Version::V311) => "MQTT-4.7.1-1",
            (Self::WildcardInName, Version::V5) => "MQTT-4.7.0-1",
            (Self::MisplacedHash, Version::V311) => "MQTT-4.7.1-2",
            (Self::MisplacedHash, Version::V5) => "MQTT-4.7.1-1",
            (Self::MisplacedPlus, Version::V311) => "MQTT-4.7.1-3",
            (Self::MisplacedPlus, Version::V5) => "MQTT-4.7.1-2",
            (Self::EmptyShareName, _) => "MQTT-4.8.2-1",
            (Self::WildcardInShareName | Self::MissingShareFilter, _) => "MQTT-4.8.2-2",
        }
    }
}

pub(crate) fn check_length(bytes: &[u8]) -> Result<(), TextError> {
    match bytes.len() {
        0..=0xFFFF => Ok(()),
        _ => Err(TextError::new(TextErrorKind::TooLong, 0xFFFF)),
    }
}

#[inline]
pub(crate) fn check_text(bytes: &[u8]) -> Result<(), TextError> {
    check_length(bytes)?;
    if is_plain::<false>(bytes) {
        return Ok(());
    }
    check_utf8(bytes)
}

/// The whole of the rule, for text that [`is_plain`] does not settle.
#[cold]
pub(crate) fn check_utf8(bytes: &[u8]) -> Result<(), TextError> {
    let valid = match core::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => error.valid_up_to(),
    };
    match bytes.iter().position(|&byte| byte == 0) {
        Some(at) if at < valid => Err(TextError::new(TextErrorKind::NullCharacter, at)),
        _ if valid < bytes.len() => Err(TextError::new(TextErrorKind::NotUtf8, valid)),
        _ => Ok(()),
    }
}

/// Whether all bytes are ASCII and none is U+0000 nor, where `NAME`, a wildcard: what nearly all
/// text is, settled in one pass.
///
/// The last block or word overlaps the one before it, so that no byte is left for a loop. Each arm
/// was the quickest for its lengths.
#[inline]
pub(crate) fn is_plain<const NAME: bool>(bytes: &[u8]) -> bool {
    match bytes.len() {
        33.. => is_plain_long::<NAME>(bytes),
        16.. => ends(bytes, is_plain_block::<NAME>),
        8.. => ends(bytes, |word| {
            is_plain_word::<NAME>(u64::from_ne_bytes(*word))
        }),
        4.. => ends(bytes, |half| {
            let half = u32::from_ne_bytes(*half);
            is_plain_word::<NAME>(u64::from(half) << 32 | u64::from(half))
        }),
        _ => bytes.iter().all(|&byte| is_plain_byte::<NAME>(byte)),
    }
}

/// Apart, so that it takes no registers from those who call [`is_plain`].
#[inline(never)]
fn is_plain_long<const NAME: bool>(bytes: &[u8]) -> bool {
    let plain = |plain, &byte: &u8| plain & is_plain_byte::<NAME>(byte);
    bytes.iter().fold(true, plain)
}

/// Asks about the first and the last `N` bytes.
#[inline]
fn ends<const N: usize>(bytes: &[u8], is_plain: impl Fn(&[u8; N]) -> bool) -> bool {
    bytes.first_chunk().is_some_and(&is_plain) & bytes.last_chunk().is_some_and(&is_plain)
}

#[inline]
const fn is_plain_byte<const NAME: bool>(byte: u8) -> bool {
    (byte != 0) & (byte < 0x80) & !(NAME & ((byte == b'+') | (byte == b'#')))
}

/// Written so that it compiles to vector instructions where there are any.
#[inline]
fn is_plain_block<const NAME: bool>(block: &[u8; 16]) -> bool {
    let bad = block.map(|byte| u8::from(!is_plain_byte::<NAME>(byte)));
    u128::from_ne_bytes(bad) == 0
}

const HIGH_BITS: u64 = repeat(0x80);

const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Adding 0x7F to a byte below 0x80 sets its high bit unless the byte was zero. Bytes from 0x80 on
/// may carry into their neighbour, but then their own bit is clear, and that is enough.
#[inline]
const fn is_plain_word<const NAME: bool>(word: u64) -> bool {
    const ONES: u64 = repeat(0x7F);
    let mut plain = word.wrapping_add(ONES) & !word;
    if NAME {
        plain &= (word ^ repeat(b'+')).wrapping_add(ONES);
        plain &= (word ^ repeat(b'#')).wrapping_add(ONES);
    }
    plain & HIGH_BITS == HIGH_BITS
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use alloc::{format, vec};

    use super::*;

    /// Every byte value at every place of texts of every length that has an arm of its own.
    #[test]
    fn plain_agrees_with_a_bytewise_scan() {
        for len in 0..40 {
            for at in 0..len {
                for byte in 0..=255 {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    let ascii = byte != 0 && byte < 0x80;
                    assert_eq!(is_plain::<false>(&bytes), ascii, "{bytes:?}");
                    let name = ascii && byte != b'+' && byte != b'#';
                    assert_eq!(is_plain::<true>(&bytes), name, "{bytes:?}");
                }
            }
        }
    }

    /// A carry out of a byte above 0x7F must not hide a bad neighbour, nor make one.
    #[test]
    fn plain_survives_carries() {
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let bytes = [first, second, b'x', b'x', b'x', b'x', second, first];
                let naive = bytes.iter().all(|&b| b != 0 && b < 0x80);
                assert_eq!(is_plain::<false>(&bytes), naive, "{bytes:?}");
            }
        }
    }

    #[test]
    fn rejects() {
        use TextErrorKind::*;
        #[rustfmt::skip]
        let cases: &[(&[u8], TextErrorKind, usize)] = &[
            (b"ab\0",               NullCharacter, 2),
            (b"\xC3\xA9\0",         NullCharacter, 2),
            (b"a\xFF\0",            NotUtf8,       1),
            (b"\xC0\x80",           NotUtf8,       0),
            (b"\xED\xA0\x80",       NotUtf8,       0),
            (b"\xF4\x90\x80\x80",   NotUtf8,       0),
            (b"abcdefgh\xE2\x82",   NotUtf8,       8),
        ];
        for &(bytes, kind, offset) in cases {
            assert_eq!(Text::try_from(bytes), Err(TextError { kind, offset }));
        }
        let long = vec![b'a'; 65_536];
        let error = TextError::new(TooLong, 65_535);
        for version in [Version::V311, Version::V5] {
            assert_eq!(error.kind.statement(version), "MQTT-4.7.3-3");
        }
        assert_eq!(Text::try_from(long.as_slice()), Err(error));
        assert_eq!(Binary::new(long.as_slice()), Err(error));
        assert!(Text::try_from(&long[1..]).is_ok());
        let longest = Binary::try_from(&long[1..]).unwrap();
        assert_eq!((longest.len(), longest.is_empty()), (65_535, false));
        assert!(Binary::<&[u8]>::default().is_empty());
    }

    #[test]
    fn prints_text_as_text() {
        let text = Text::new("\u{FEFF}é\u{1}").unwrap();
        assert_eq!(text.as_str(), "\u{FEFF}é\u{1}");
        assert_eq!(format!("{text:?}"), "\"\\u{feff}é\\u{1}\"");
        let bytes: Vec<u8> = vec![0, b'a', 0xFF];
        assert_eq!(
            format!("{:?}", Binary::new(&bytes).unwrap()),
            "b\"\\x00a\\xff\""
        );
    }
}
