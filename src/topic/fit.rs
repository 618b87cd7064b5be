//! How the text of a node fits a name, and the ways that are still open.

use super::cost;
use super::levels::{Blocks, equal_bytes, starts_with};

/// The result of comparing the text of a node with the name.
pub(super) enum Fit {
    /// Equal up to here.
    To(usize),
    /// Ends in a `#`.
    Hash,
    None,
}

/// Compares the text of a node with the name from `at` on.
#[inline]
pub(super) fn fit(text: &[u8], name: &[u8], at: usize, blocks: &mut Blocks) -> Fit {
    let (mut rest, mut at) = (text, at);
    loop {
        let ahead = name.get(at..).unwrap_or_default();
        match rest {
            [b'+', tail @ ..] if at <= name.len() => {
                at = blocks.level_end(name, at);
                rest = tail;
                if rest.is_empty() {
                    return Fit::To(at);
                }
            }
            [b'#'] => return Fit::Hash,
            // Most text is equal as a whole.
            _ if starts_with(ahead, rest) => {
                cost::bytes(rest.len());
                return Fit::To(at + rest.len());
            }
            [b'/', tail @ ..] if at == name.len() => {
                at += 1;
                rest = tail;
                if rest.is_empty() {
                    return Fit::To(at);
                }
            }
            _ => {
                // What is equal can hold no wildcard, as the name has none.
                let equal = equal_bytes(rest, ahead);
                if equal == 0 {
                    return Fit::None;
                }
                at += equal;
                rest = rest.get(equal..).unwrap_or_default();
            }
        }
    }
}

/// The offset at which the text of a node started to match the name, if it did up to `at`.
#[inline]
pub(super) fn unfit(text: &[u8], name: &[u8], at: usize, blocks: &mut Blocks) -> usize {
    cost::bytes(text.len());
    // What is equal holds no wildcard.
    let equal = at.checked_sub(text.len());
    if let Some(start) = equal.filter(|&start| name.get(start..at) == Some(text)) {
        return start;
    }
    text.iter().rev().fold(at, |at, &byte| match byte {
        b'+' => blocks.level_start(name, at),
        _ => at - 1,
    })
}

/// The children that the name spells out and that are still to be entered.
///
/// Of all but the latest, only the number is known: they are found by going up again, as the tree
/// and the name say where they are.
#[derive(Clone, Copy, Default)]
pub(super) struct Detours {
    pub(super) open: usize,
    /// The number of open ones in `latest`.
    known: usize,
    /// The child, and how much of the name matches above it. The `n`th to be open is at `n`, modulo
    /// the length.
    latest: [(u32, usize); 8],
}

impl Detours {
    #[inline]
    pub(super) fn push(&mut self, child: u32, at: usize) {
        let len = self.latest.len();
        if let Some(slot) = self.latest.get_mut(self.open % len) {
            *slot = (child, at);
        }
        self.open += 1;
        self.known = len.min(self.known + 1);
    }

    /// The child that is entered next, if it is known.
    pub(super) fn next(&self) -> Option<u32> {
        self.known.checked_sub(1)?;
        let at = self.open.checked_sub(1)? % self.latest.len();
        self.latest.get(at).map(|&(child, _)| child)
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<(u32, usize)> {
        self.known = self.known.checked_sub(1)?;
        self.open -= 1;
        self.latest.get(self.open % self.latest.len()).copied()
    }
}
