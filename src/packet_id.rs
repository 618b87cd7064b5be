use core::fmt;
use core::num::NonZeroU16;

use crate::number::number;

/// A packet identifier: never zero (sections 2.3.1 of 3.1.1 and 2.2.1 of 5.0).
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The greatest: 65,535.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// Succeeds iff `value` is not zero.
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Returns the identifier as it is sent.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl From<NonZeroU16> for PacketId {
    fn from(value: NonZeroU16) -> Self {
        Self(value)
    }
}

impl fmt::Debug for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

number!(PacketId: u16 by new and get, or "not a packet identifier, 1 to 65535");
