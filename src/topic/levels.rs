//! The levels of topic names and filters, and the text of levels compared by words.

use core::iter::FusedIterator;

use super::cost;

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
            let equal = len - left.len() + different.trailing_zeros() as usize / 8;
            cost::bytes(equal);
            return equal;
        }
        (left, right) = (left_rest, right_rest);
    }
    let different = padded(left) ^ padded(right);
    let equal = different.trailing_zeros() as usize / 8;
    let equal = len - left.len() + equal.min(left.len()).min(right.len());
    cost::bytes(equal);
    equal
}

/// Returns whether `left` starts with `right`. Short text is compared as a word, which is quicker
/// than a call.
#[inline]
pub(super) fn starts_with(left: &[u8], right: &[u8]) -> bool {
    match left.get(..right.len()) {
        Some(start) if right.len() <= 8 => padded(start) == padded(right),
        start => start == Some(right),
    }
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
            _ => {
                let len = before + rest.len().min(zero.trailing_zeros() as usize / 8);
                cost::bytes(len);
                return len;
            }
        }
    }
}

/// The bytes of a block of a topic name.
const BLOCK: usize = 128;

/// Which blocks of a topic name hold a separator.
///
/// With it, a search reads a long level only near both of its ends, so that it costs the same
/// however long the level is. It is made when the first level of more than a block is met.
#[derive(Clone, Copy, Default)]
pub(super) struct Blocks {
    known: bool,
    /// One bit a block: a name has 65,535 bytes at most.
    bits: [u64; (1 << 16) / BLOCK / 64],
}

impl Blocks {
    /// The offset of the first separator of `name` from `at` on, or its length.
    #[inline]
    pub(super) fn level_end(&mut self, name: &[u8], at: usize) -> usize {
        let ahead = name.get(at..).unwrap_or_default();
        let near = level_len(ahead.get(..BLOCK).unwrap_or(ahead));
        match near {
            BLOCK => self.far_end(name, at + BLOCK),
            _ => at + near,
        }
    }

    /// The same, if there is none between the start of the block of `from` and `from`.
    #[cold]
    fn far_end(&mut self, name: &[u8], from: usize) -> usize {
        self.learn(name);
        let (first, shift) = (from / BLOCK / 64, from / BLOCK % 64);
        let ahead = self.bits.iter().enumerate().skip(first);
        let mut ahead = ahead.map(|(at, &word)| match at == first {
            true => (at, word >> shift << shift),
            false => (at, word),
        });
        let Some((at, word)) = ahead.find(|&(_, word)| word != 0) else {
            return name.len();
        };
        let start = (at * 64 + word.trailing_zeros() as usize) * BLOCK;
        start + level_len(name.get(start..).unwrap_or_default())
    }

    /// The offset behind the last separator of `name` before `at`, or 0.
    pub(super) fn level_start(&mut self, name: &[u8], at: usize) -> usize {
        let from = at.saturating_sub(BLOCK);
        match last_separator(name, from, at) {
            Some(separator) => separator + 1,
            None if from == 0 => 0,
            None => self.far_start(name, from - 1),
        }
    }

    /// The same, if there is none between `until` and the end of its block.
    #[cold]
    fn far_start(&mut self, name: &[u8], until: usize) -> usize {
        self.learn(name);
        let (last, shift) = (until / BLOCK / 64, 63 - until / BLOCK % 64);
        let before = self.bits.iter().enumerate().take(last + 1).rev();
        let mut before = before.map(|(at, &word)| match at == last {
            true => (at, word << shift >> shift),
            false => (at, word),
        });
        let Some((at, word)) = before.find(|&(_, word)| word != 0) else {
            return 0;
        };
        let start = (at * 64 + 63 - word.leading_zeros() as usize) * BLOCK;
        let separator = last_separator(name, start, name.len().min(start + BLOCK));
        separator.map_or(0, |separator| separator + 1)
    }

    fn learn(&mut self, name: &[u8]) {
        if self.known {
            return;
        }
        self.known = true;
        let words = name.chunks(64 * BLOCK);
        for (word, blocks) in self.bits.iter_mut().zip(words) {
            for (at, block) in blocks.chunks(BLOCK).enumerate() {
                *word |= u64::from(level_len(block) < block.len()) << at;
            }
        }
    }
}

/// The offset of the last separator from `from` on and before `until`.
fn last_separator(name: &[u8], from: usize, until: usize) -> Option<usize> {
    let part = name.get(from..until)?;
    cost::bytes(part.len());
    Some(from + part.iter().rposition(|&byte| byte == b'/')?)
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

    /// Separators at the edges of blocks, of words of bits, and far apart.
    #[test]
    fn blocks_find_what_a_scan_finds() {
        let edges = [0, BLOCK, 2 * BLOCK, 64 * BLOCK, 66 * BLOCK];
        let mut ends: Vec<_> = edges.map(|at| [at, at + 1, at + BLOCK - 1]).concat();
        ends.push(65_534);
        for &first in &ends {
            for &second in &ends {
                let len = 1 + first.max(second).max(67 * BLOCK);
                let mut name = alloc::vec![b'a'; len];
                name[first] = b'/';
                name[second] = b'/';
                for name in [&name[..], &name[..=second]] {
                    let mut blocks = Blocks::default();
                    for &at in ends.iter().filter(|&&at| at <= name.len()) {
                        let ahead = name[at..].iter().position(|&byte| byte == b'/');
                        let end = ahead.map_or(name.len(), |ahead| at + ahead);
                        assert_eq!(blocks.level_end(name, at), end);
                        let before = name[..at].iter().rposition(|&byte| byte == b'/');
                        let start = before.map_or(0, |before| before + 1);
                        assert_eq!(blocks.level_start(name, at), start);
                    }
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
