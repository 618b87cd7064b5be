use std::num::NonZeroU16;
use std::time::Duration;

use crate::random::Rng;

/// Choices: those of the bytes, and then arbitrary ones that do not end.
#[derive(Debug)]
pub(super) struct Choices<'a> {
    pub(super) bytes: std::slice::Iter<'a, u8>,
    pub(super) rng: Rng,
}

impl Choices<'_> {
    pub(super) fn below(&mut self, end: usize) -> usize {
        match self.bytes.next() {
            Some(byte) => usize::from(*byte) % end,
            None => self.rng.below(end),
        }
    }

    pub(super) fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.below(N)]
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes.len() == 0
    }
}

/// The time, or an earlier one.
pub(super) fn some_time(now: Duration, choices: &mut Choices<'_>) -> Duration {
    match choices.one_in(6) {
        true => now.saturating_sub(Duration::from_millis(choices.pick([1, 900, 60_000]))),
        false => now,
    }
}

pub(super) fn quota(choices: &mut Choices<'_>) -> NonZeroU16 {
    NonZeroU16::new(choices.pick([1, 2, 3, 65_535])).unwrap()
}
