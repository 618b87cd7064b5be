//! Choices that bytes make.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Duration;

use arbitrary::Unstructured;

use crate::random::Rng;

/// Choices: those of the bytes, and then arbitrary ones that do not end.
#[derive(Debug)]
pub(crate) struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
    rng: Rng,
    /// The choices that were made, if they are planned: then all are the first but for these.
    plan: Option<(VecDeque<u8>, Vec<u8>)>,
}

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8], seed: u64) -> Self {
        Self {
            bytes: bytes.iter(),
            rng: Rng::new(seed),
            plan: None,
        }
    }

    /// Choices that are planned.
    pub(crate) fn planned(first: &[u8]) -> Self {
        let mut choices = Self::new(&[], 0);
        choices.plan = Some((first.iter().copied().collect(), Vec::new()));
        choices
    }

    /// Plans the next choices, which all have been made before.
    pub(crate) fn plan(&mut self, next: &[u8]) {
        if let Some((planned, _)) = &mut self.plan {
            assert!(planned.is_empty(), "{planned:?} is not asked for");
            planned.extend(next);
        }
    }

    /// The choices that were made.
    pub(crate) fn made(&self) -> &[u8] {
        self.plan.as_ref().map_or(&[], |(_, made)| made)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        if let Some((planned, made)) = &mut self.plan {
            let choice = planned.pop_front().unwrap_or(0);
            assert!(usize::from(choice) < end, "{choice} of {end}");
            made.push(choice);
            return choice.into();
        }
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

/// The bytes of one step: no text in it takes those of all steps that follow.
pub(crate) fn part<'a>(u: &mut Unstructured<'a>) -> arbitrary::Result<Unstructured<'a>> {
    let len = u.int_in_range(0..=63)?;
    u.bytes(len.min(u.len())).map(Unstructured::new)
}
