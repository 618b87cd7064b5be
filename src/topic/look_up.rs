use alloc::vec::Vec;

/// What some steps of a look-up have come to.
///
/// A look-up of which the steps are bounded is
/// [`Matches::next_within`](super::Matches::next_within) or
/// [`Matching::next_within`](super::Matching::next_within).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a loop over a look-up has these three cases"
)]
pub enum LookUp<T> {
    /// This is the next value.
    Found(T),
    /// The steps are used up, and there may be more values.
    NotYet,
    /// There are no more values.
    End,
}

impl<T> LookUp<T> {
    #[inline]
    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> LookUp<U> {
        match self {
            Self::Found(found) => LookUp::Found(f(found)),
            Self::NotYet => LookUp::NotYet,
            Self::End => LookUp::End,
        }
    }

    #[inline]
    pub(super) fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::NotYet | Self::End => None,
        }
    }
}

/// Where a look-up in a tree has paused, so that it can go on after the tree has changed.
///
/// The default is the start. Holds a part of a filter or a name, 65,536 bytes at most, and no
/// reference to the tree. It belongs to the name or the filter that was looked up, and says nothing
/// about another one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// All before these bytes has been visited, in the order in which the tree visits.
    pub(super) bound: Vec<u8>,
}

/// Stands in a bound behind all that starts with the bytes before it: no text holds it.
pub(super) const BEHIND: u8 = 0xFF;

/// Takes one from the steps, if there is one.
#[inline]
pub(super) fn take_step(steps: &mut usize) -> bool {
    let left = steps.checked_sub(1);
    *steps = left.unwrap_or_default();
    left.is_some()
}
