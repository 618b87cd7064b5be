//! The levels of topic names and filters, and the text of levels compared by words.

use core::iter::FusedIterator;

/// Iterator over the levels of a topic name or filter. There is always at least one.
#[derive(Clone, Debug)]
pub struct Levels<'a>(Option<&'a [u8]>);

impl<'a> Levels<'a> {
    pub(super) const fn new(topic: &'a [u8]) -> Self {
        Self(Some(topic))
    }
}

impl<'a> Iterator for Levels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        let separator = rest.iter().position(|&byte| byte == b'/');
        let (level, tail) = match separator.and_then(|at| rest.split_at_checked(at)) {
            Some((level, tail)) => (level, tail.get(1..)),
            None => (rest, None),
        };
        self.0 = tail;
        Some(level)
    }
}

impl FusedIterator for Levels<'_> {}

/// The length of the common prefix, compared eight bytes at a time.
#[inline]
pub(super) fn equal_bytes(left: &[u8], right: &[u8]) -> usize {
    let (mut left, mut right) = (left, right);
    let len = left.len();
    while let (Some((l, left_rest)), Some((r, right_rest))) =
        (left.split_first_chunk(), right.split_first_chunk())
    {
        let different = u64::from_le_bytes(*l) ^ u64::from_le_bytes(*r);
        if different != 0 {
            return len - left.len() + different.trailing_zeros() as usize / 8;
        }
        (left, right) = (left_rest, right_rest);
    }
    let different = padded(left) ^ padded(right);
    let equal = different.trailing_zeros() as usize / 8;
    len - left.len() + equal.min(left.len()).min(right.len())
}

/// The first eight bytes, or all and zeros.
#[inline]
fn padded(bytes: &[u8]) -> u64 {
    if let Some(word) = bytes.first_chunk() {
        return u64::from_le_bytes(*word);
    }
    // Two words that overlap in the middle are as long as any number of bytes between one and two.
    if let (Some(low), Some(high)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let above = u64::from(u32::from_le_bytes(*high)) << (8 * (bytes.len() - 4));
        return u64::from(u32::from_le_bytes(*low)) | above;
    }
    let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or_default()) << (8 * at);
    byte(0) | byte(1) | byte(2)
}

/// The number of bytes before the first `/`, searched eight at a time.
#[inline]
pub(super) fn level_len(topic: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let mut rest = topic;
    loop {
        // The lowest byte that is zero has its high bit set; bytes above it may have, too.
        let word = padded(rest) ^ (ONES * b'/' as u64);
        let zero = word.wrapping_sub(ONES) & !word & (ONES << 7);
        let before = topic.len() - rest.len();
        match rest.get(8..) {
            Some(tail) if zero == 0 => rest = tail,
            _ => return before + rest.len().min(zero.trailing_zeros() as usize / 8),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::topic::TopicFilter;

    /// Every length and place up to three words, with all other bytes behind it.
    #[test]
    fn words_agree_with_single_bytes() {
        for len in 0..25 {
            let text: Vec<u8> = (0..len).map(|at| b'0' + at).collect();
            assert_eq!(equal_bytes(&text, &text), text.len());
            assert_eq!(level_len(&text), text.len());
            for at in 0..text.len() {
                assert_eq!(equal_bytes(&text[..at], &text), at);
                assert_eq!(equal_bytes(&text, &text[..at]), at);
                for behind in 0..=255 {
                    let mut other = text.clone();
                    other[at..].fill(behind);
                    other[at] = b'/';
                    assert_eq!(equal_bytes(&text, &other), at);
                    assert_eq!(level_len(&other), at);
                }
            }
        }
    }

    #[test]
    fn levels_keep_empty_ones() {
        let filter = TopicFilter::new("/a//").unwrap();
        let levels: Vec<_> = filter.levels().collect();
        assert_eq!(levels, [&b""[..], b"a", b"", b""]);
    }
}
