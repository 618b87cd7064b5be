use bytes::Bytes;
use thiserror::Error;

use crate::plain::is_plain;
use crate::version::Version;

/// Gives a type that wraps checked text its constructors, conversions and formatting.
macro_rules! text_type {
    ($Name:ident, $check:path) => {
        impl<'a> $Name<&'a [u8]> {
            /// Checks `text` and borrows it.
            ///
            /// # Errors
            ///
            /// If a rule is broken: the error has the rule and the position.
            pub fn new(text: &'a str) -> Result<Self, $crate::text::InvalidText> {
                Self::try_from(text.as_bytes())
            }
        }

        impl<B> $Name<B> {
            pub(crate) fn map<'a, C>(&'a self, f: impl FnOnce(&'a B) -> C) -> $Name<C> {
                $Name(f(&self.0))
            }
        }

        impl<B: AsRef<[u8]>> $Name<B> {
            /// Returns the bytes as they are sent, without the length in front.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_ref()
            }

            /// Returns the text. This costs a second UTF-8 check: compare, hash and match on bytes
            /// instead.
            pub fn to_str(&self) -> &str {
                $crate::device::checked(core::str::from_utf8(self.as_bytes()))
            }

            /// Returns the number of bytes, at most 65,535.
            pub fn len(&self) -> usize {
                self.as_bytes().len()
            }

            /// Returns whether there are no bytes.
            pub fn is_empty(&self) -> bool {
                self.as_bytes().is_empty()
            }

            /// Borrows the text.
            pub fn as_borrowed(&self) -> $Name<&[u8]> {
                self.map(AsRef::as_ref)
            }

            /// Copies the text into a buffer of its own.
            pub fn to_owned(&self) -> $Name<bytes::Bytes> {
                self.map(|text| bytes::Bytes::copy_from_slice(text.as_ref()))
            }
        }

        impl $Name {
            /// Returns the bytes without a copy.
            pub fn into_bytes(self) -> bytes::Bytes {
                self.0
            }
        }

        impl<'a> TryFrom<&'a [u8]> for $Name<&'a [u8]> {
            type Error = $crate::text::InvalidText;

            fn try_from(bytes: &'a [u8]) -> Result<Self, $crate::text::InvalidText> {
                $check(bytes).map(|()| Self(bytes))
            }
        }

        impl<'a> TryFrom<&'a str> for $Name<&'a [u8]> {
            type Error = $crate::text::InvalidText;

            fn try_from(text: &'a str) -> Result<Self, $crate::text::InvalidText> {
                Self::new(text)
            }
        }

        impl TryFrom<bytes::Bytes> for $Name {
            type Error = $crate::text::InvalidText;

            fn try_from(bytes: bytes::Bytes) -> Result<Self, $crate::text::InvalidText> {
                $check(&bytes).map(|()| Self(bytes))
            }
        }

        impl TryFrom<alloc::string::String> for $Name {
            type Error = $crate::text::InvalidText;

            fn try_from(text: alloc::string::String) -> Result<Self, $crate::text::InvalidText> {
                Self::try_from(bytes::Bytes::from(text))
            }
        }

        impl core::str::FromStr for $Name {
            type Err = $crate::text::InvalidText;

            fn from_str(text: &str) -> Result<Self, $crate::text::InvalidText> {
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

        /// Compares the bytes, in whatever storage they are.
        impl<B: PartialEq<C>, C> PartialEq<$Name<C>> for $Name<B> {
            fn eq(&self, other: &$Name<C>) -> bool {
                self.0 == other.0
            }
        }

        impl<B: core::hash::Hash> core::hash::Hash for $Name<B> {
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                self.0.hash(state);
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
                core::fmt::Debug::fmt(self.to_str(), f)
            }
        }

        impl<B: AsRef<[u8]>> core::fmt::Display for $Name<B> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self.to_str(), f)
            }
        }

        #[cfg(feature = "serde")]
        impl<B: AsRef<[u8]>> serde::Serialize for $Name<B> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.to_str())
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
/// should avoid, are allowed: a receiver may reject them, but peers in the field send them.
#[derive(Clone, Copy, Default, Eq, Ord, PartialOrd)]
pub struct Text<B = Bytes>(pub(crate) B);

text_type!(Text, check_text);

/// The reason for which bytes are not a [`Text`], [`Binary`](crate::Binary),
/// [`TopicName`](crate::topic::TopicName) or [`TopicFilter`](crate::topic::TopicFilter).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct InvalidText {
    /// The rule that is broken.
    pub kind: InvalidTextKind,
    /// The position, in bytes from the start of the text.
    pub offset: usize,
}

impl InvalidText {
    pub(crate) const fn new(kind: InvalidTextKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

/// The rules for text, topic names and topic filters.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum InvalidTextKind {
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

impl InvalidTextKind {
    /// Returns the normative statement that is broken. Only 5.0 has statements on shared
    /// subscriptions.
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

pub(crate) fn check_length(bytes: &[u8]) -> Result<(), InvalidText> {
    match bytes.len() {
        0..=0xFFFF => Ok(()),
        _ => Err(InvalidText::new(InvalidTextKind::TooLong, 0xFFFF)),
    }
}

#[inline]
pub(crate) fn check_text(bytes: &[u8]) -> Result<(), InvalidText> {
    check_length(bytes)?;
    if is_plain::<false>(bytes) {
        return Ok(());
    }
    check_utf8(bytes)
}

/// The whole of the rule, for text that [`is_plain`] does not settle.
#[cold]
pub(crate) fn check_utf8(bytes: &[u8]) -> Result<(), InvalidText> {
    let valid = match core::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => error.valid_up_to(),
    };
    match bytes.iter().position(|&byte| byte == 0) {
        Some(at) if at < valid => Err(InvalidText::new(InvalidTextKind::NullCharacter, at)),
        _ if valid < bytes.len() => Err(InvalidText::new(InvalidTextKind::NotUtf8, valid)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use alloc::{format, vec};

    use super::*;
    use crate::binary::Binary;

    #[test]
    fn rejects() {
        use InvalidTextKind::*;
        #[rustfmt::skip]
        let cases: &[(&[u8], InvalidTextKind, usize)] = &[
            (b"ab\0",               NullCharacter, 2),
            (b"\xC3\xA9\0",         NullCharacter, 2),
            (b"a\xFF\0",            NotUtf8,       1),
            (b"\xC0\x80",           NotUtf8,       0),
            (b"\xED\xA0\x80",       NotUtf8,       0),
            (b"\xF4\x90\x80\x80",   NotUtf8,       0),
            (b"abcdefgh\xE2\x82",   NotUtf8,       8),
        ];
        for &(bytes, kind, offset) in cases {
            assert_eq!(Text::try_from(bytes), Err(InvalidText { kind, offset }));
        }
        let long = vec![b'a'; 65_536];
        let error = InvalidText::new(TooLong, 65_535);
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
        assert_eq!(text.to_str(), "\u{FEFF}é\u{1}");
        assert_eq!(format!("{text:?}"), "\"\\u{feff}é\\u{1}\"");
        let bytes: Vec<u8> = vec![0, b'a', 0xFF];
        assert_eq!(
            format!("{:?}", Binary::new(&bytes).unwrap()),
            "b\"\\x00a\\xff\""
        );
    }
}
