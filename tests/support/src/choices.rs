//! Choices that bytes make.

use std::num::NonZeroU16;
use std::time::Duration;

use crate::random::Rng;

/// Choices: those of the bytes, and then arbitrary ones that do not end.
#[derive(Debug)]
pub(crate) struct Choices<'a> {
    pub(crate) bytes: std::slice::Iter<'a, u8>,
    pub(crate) rng: Rng,
}

impl Choices<'_> {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        match self.bytes.next() {
            Some(byte) => usize::from(*byte) % end,
            None => self.rng.below(end),
        }
    }

    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.below(N)]
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn is_over(&self) -> bool {
        self.bytes.len() == 0
    }
}

/// The time, or an earlier one.
pub(crate) fn some_time(now: Duration, choices: &mut Choices<'_>) -> Duration {
    match choices.one_in(6) {
        true => now.saturating_sub(Duration::from_millis(choices.pick([1, 900, 60_000]))),
        false => now,
    }
}

pub(crate) fn quota(choices: &mut Choices<'_>) -> NonZeroU16 {
    NonZeroU16::new(choices.pick([1, 2, 3, 65_535])).unwrap()
}
