use bytes::Bytes;

use super::TopicName;
use super::levels::{Levels, equal_bytes, level_len};
use crate::plain::is_plain;
use crate::text::{InvalidText, InvalidTextKind, check_length, check_utf8, text_type};

/// A topic filter: one to 65,535 bytes of UTF-8 without U+0000, in which `+` stands for one whole
/// level and `#` for the rest (section 4.7).
///
/// A filter that starts with `$share/` is a shared subscription in 5.0 and an ordinary filter in
/// 3.1.1, so [`shared`](Self::shared) reads it as one and nothing else does.
#[derive(Clone, Copy, Eq, Ord, PartialOrd)]
pub struct TopicFilter<B = Bytes>(pub(crate) B);

text_type!(TopicFilter, check_filter);

impl<B: AsRef<[u8]>> TopicFilter<B> {
    /// Iterates over the levels, which `/` separates; some may be empty.
    pub fn levels(&self) -> Levels<'_> {
        Levels::new(self.as_bytes())
    }

    /// Returns whether there is a `+` or `#`.
    pub fn has_wildcards(&self) -> bool {
        self.as_bytes()
            .iter()
            .any(|byte| matches!(byte, b'+' | b'#'))
    }

    /// Returns whether a message with this topic name matches this filter.
    ///
    /// A filter that starts with a wildcard does not match a name that starts with `$`
    /// [MQTT-4.7.2-1]. A shared subscription matches the names that its inner filter matches, so
    /// use the filter of [`shared`](Self::shared).
    pub fn matches<N: AsRef<[u8]>>(&self, name: &TopicName<N>) -> bool {
        matches(self.as_bytes(), name.as_bytes())
    }

    /// Returns whether this filter matches every topic name that `other` matches.
    pub fn covers<C: AsRef<[u8]>>(&self, other: &TopicFilter<C>) -> bool {
        covers(self.as_bytes(), other.as_bytes())
    }
}

/// Walks both from the left. `+` skips to the next `/` of the name; all else must be equal.
fn matches(filter: &[u8], name: &[u8]) -> bool {
    match (filter, name) {
        ([b'+' | b'#', ..], [b'$', ..]) => return false,
        ([b'#'], _) => return true,
        _ => {}
    }
    let (mut filter, mut name) = (filter, name);
    loop {
        // What is equal can hold no wildcard, as the name has none.
        let equal = equal_bytes(filter, name);
        filter = filter.get(equal..).unwrap_or_default();
        name = name.get(equal..).unwrap_or_default();
        match (filter, name) {
            ([], []) | ([b'#'], _) | ([b'/', b'#'], []) => return true,
            ([b'+', rest @ ..], _) => {
                name = name.get(level_len(name)..).unwrap_or_default();
                filter = rest;
            }
            _ => return false,
        }
    }
}

/// Walks both level by level: `+` covers any one level that is not `#`, `#` covers any rest.
fn covers(filter: &[u8], other: &[u8]) -> bool {
    // A leading wildcard leaves out the names that start with `$`.
    if matches!(filter, [b'+' | b'#', ..]) && matches!(other, [b'$', ..]) {
        return false;
    }
    // No name is empty, so each that these match has one level more than they say.
    let other: &[u8] = match other {
        b"#" => b"+/#",
        b"/#" => b"/+/#",
        _ => other,
    };
    let (mut mine, mut theirs) = (Levels::new(filter), Levels::new(other));
    loop {
        match (mine.next(), theirs.next()) {
            (None, None) | (Some(b"#"), _) => return true,
            (Some(b"+"), Some(level)) if level != b"#" => {}
            (Some(level), Some(other)) if level == other => {}
            _ => return false,
        }
    }
}

#[inline]
pub(crate) fn check_filter(bytes: &[u8]) -> Result<(), InvalidText> {
    check_length(bytes)?;
    match bytes {
        [] => Err(InvalidText::new(InvalidTextKind::Empty, 0)),
        _ if is_plain::<true>(bytes) => Ok(()),
        _ => check_wildcards(bytes),
    }
}

fn check_wildcards(bytes: &[u8]) -> Result<(), InvalidText> {
    if !is_plain::<false>(bytes) {
        check_utf8(bytes)?;
    }
    let mut before = b'/';
    for (at, &byte) in bytes.iter().enumerate() {
        let after = bytes.get(at + 1);
        match byte {
            b'#' if before != b'/' || after.is_some() => {
                return Err(InvalidText::new(InvalidTextKind::MisplacedHash, at));
            }
            b'+' if before != b'/' || after.is_some_and(|&byte| byte != b'/') => {
                return Err(InvalidText::new(InvalidTextKind::MisplacedPlus, at));
            }
            _ => before = byte,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn rejects() {
        use InvalidTextKind::*;
        #[rustfmt::skip]
        let cases: &[(&[u8], InvalidTextKind, usize)] = &[
            (b"",                       Empty,         0),
            (b"sport/tennis#",          MisplacedHash, 12),
            (b"sport/tennis/#/ranking", MisplacedHash, 13),
            (b"#/",                     MisplacedHash, 0),
            (b"##",                     MisplacedHash, 0),
            (b"+#",                     MisplacedPlus, 0),
            (b"sport+",                 MisplacedPlus, 5),
            (b"+a",                     MisplacedPlus, 0),
            (b"a/++",                   MisplacedPlus, 2),
            (b"a/+\0",                  NullCharacter, 3),
            (b"+/\xFF",                 NotUtf8,       2),
        ];
        for &(bytes, kind, offset) in cases {
            assert_eq!(
                TopicFilter::try_from(bytes),
                Err(InvalidText { kind, offset })
            );
        }
    }

    /// Strings of up to five of these characters: every shape of filter and name there is.
    fn all(alphabet: &[char]) -> Vec<String> {
        let mut all = alloc::vec![String::new()];
        let mut from = 0;
        for _ in 0..5 {
            let to = all.len();
            for at in from..to {
                for &letter in alphabet {
                    let mut longer = all[at].clone();
                    longer.push(letter);
                    all.push(longer);
                }
            }
            from = to;
        }
        all
    }

    /// The words of section 4.7 as they stand, over levels.
    fn naive(filter: &str, name: &str) -> bool {
        if filter.starts_with(['+', '#']) && name.starts_with('$') {
            return false;
        }
        let filter: Vec<_> = filter.split('/').collect();
        let name: Vec<_> = name.split('/').collect();
        match filter.split_last() {
            Some((&"#", parents)) => {
                name.len() >= parents.len() && parents.iter().zip(&name).all(one_level)
            }
            _ => name.len() == filter.len() && filter.iter().zip(&name).all(one_level),
        }
    }

    fn one_level((filter, name): (&&str, &&str)) -> bool {
        *filter == "+" || filter == name
    }

    #[test]
    fn matches_and_covers_equal_the_naive_ones() {
        let names = all(&['a', '/', '$']);
        let names: Vec<_> = names
            .iter()
            .filter_map(|n| TopicName::new(n).ok())
            .collect();
        let filters = all(&['a', '/', '+', '#', '$']);
        let filters: Vec<_> = filters
            .iter()
            .filter_map(|f| TopicFilter::new(f).ok())
            .collect();
        assert!(names.len() > 300 && filters.len() > 400);
        let matched: Vec<Vec<bool>> = filters
            .iter()
            .map(|filter| names.iter().map(|name| filter.matches(name)).collect())
            .collect();
        for (filter, row) in filters.iter().zip(&matched) {
            for (name, &matched) in names.iter().zip(row) {
                assert_eq!(
                    matched,
                    naive(filter.to_str(), name.to_str()),
                    "{filter} {name}"
                );
            }
        }
        // `covers` speaks of all names; short filters are told apart by these.
        let short = filters
            .iter()
            .zip(&matched)
            .filter(|(filter, _)| filter.len() <= 5);
        for (mine, my_row) in short.clone() {
            for (theirs, their_row) in short.clone() {
                let subset = my_row
                    .iter()
                    .zip(their_row)
                    .all(|(mine, theirs)| *mine || !theirs);
                assert_eq!(mine.covers(theirs), subset, "{mine} covers {theirs}");
            }
        }
    }
}
