use bytes::Bytes;

use super::levels::Levels;
use crate::plain::is_plain;
use crate::text::{InvalidText, InvalidTextKind, check_length, check_utf8, text_type};

/// A topic name: one to 65,535 bytes of UTF-8 without U+0000, `+` and `#` (section 4.7).
///
/// Names are compared byte by byte: case counts, and nothing is normalised [MQTT-4.7.3-4].
#[derive(Clone, Copy, Eq, Ord, PartialOrd)]
pub struct TopicName<B = Bytes>(pub(crate) B);

text_type!(TopicName, check_name);

impl<B: AsRef<[u8]>> TopicName<B> {
    /// Iterates over the levels, which `/` separates; some may be empty.
    pub fn levels(&self) -> Levels<'_> {
        Levels::new(self.as_bytes())
    }
}

#[inline]
pub(crate) fn check_name(bytes: &[u8]) -> Result<(), InvalidText> {
    check_length(bytes)?;
    match bytes {
        [] => Err(InvalidText::new(InvalidTextKind::Empty, 0)),
        _ if is_plain::<true>(bytes) => Ok(()),
        _ => check_unusual_name(bytes),
    }
}

#[cold]
fn check_unusual_name(bytes: &[u8]) -> Result<(), InvalidText> {
    check_utf8(bytes)?;
    match bytes.iter().position(|byte| matches!(byte, b'+' | b'#')) {
        Some(at) => Err(InvalidText::new(InvalidTextKind::WildcardInName, at)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts() {
        for name in [
            "/",
            "//",
            "a",
            "$SYS/x",
            "$",
            "sport/tennis",
            " ",
            "é/+é".trim_end_matches("+é"),
            "\u{FEFF}a",
            "\u{10FFFF}",
            "a b/\u{1}",
        ] {
            assert_eq!(TopicName::new(name).unwrap(), name);
        }
    }

    #[test]
    fn rejects() {
        use InvalidTextKind::*;
        #[rustfmt::skip]
        let cases: &[(&[u8], InvalidTextKind, usize)] = &[
            (b"",                 Empty,          0),
            (b"+",                WildcardInName, 0),
            (b"sport/tennis/#",   WildcardInName, 13),
            (b"\xC3\xA9+",        WildcardInName, 2),
            (b"a\0",              NullCharacter,  1),
            (b"\xFF",             NotUtf8,        0),
        ];
        for &(bytes, kind, offset) in cases {
            assert_eq!(
                TopicName::try_from(bytes),
                Err(InvalidText { kind, offset })
            );
        }
    }
}
