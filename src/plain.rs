//! The quick check of text that is ASCII, as nearly all of it is.

use crate::device::QUICK;

/// Returns whether all bytes are ASCII and none is U+0000 or, with `NAME`, a wildcard. Nearly all
/// text is, and is checked in one pass.
///
/// The last block or word overlaps the one before it, so that no byte is left for a loop. Each arm
/// was the quickest for its lengths.
#[inline]
pub(crate) fn is_plain<const NAME: bool>(bytes: &[u8]) -> bool {
    match bytes.len() {
        _ if !QUICK => is_plain_long::<NAME>(bytes),
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
    use alloc::vec;

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
}
