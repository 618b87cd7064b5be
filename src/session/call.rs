use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

/// Identifies one call of `publish`, `subscribe` or `unsubscribe` until its outcome.
///
/// Unlike a packet identifier, it exists at QoS 0 as well and is never used twice in a session. It
/// is stored with the session, so that the outcome can be told after a restart.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(transparent)
)]
pub struct CallId(NonZeroU64);

impl CallId {
    /// The number of the call: at least 1, in the order of the calls.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The number of the last call, and the number up to which calls are reserved in the store.
///
/// Numbers are reserved in blocks, as otherwise each QoS 0 message would be a change to store.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    last: u64,
    pub(super) reserved: u64,
}

impl Calls {
    const BLOCK: u64 = 1_024;

    pub(super) const fn new() -> Self {
        Self {
            last: 0,
            reserved: 0,
        }
    }

    /// Continues after the calls that may have been counted.
    pub(super) const fn after(reserved: u64) -> Self {
        Self {
            last: reserved,
            reserved,
        }
    }

    /// Counts a call. Also returns the new reservation, if the last one is used up.
    pub(super) const fn take(&mut self) -> (CallId, Option<u64>) {
        // 2^64 calls are not reached: at a billion a second they take 584 years.
        self.last = self.last.saturating_add(1);
        let id = CallId(NonZeroU64::MIN.saturating_add(self.last - 1));
        if self.last <= self.reserved {
            return (id, None);
        }
        self.reserved = self.last.saturating_add(Self::BLOCK - 1);
        (id, Some(self.reserved))
    }
}

/// The Message Expiry Interval of a message, in the form that its state needs.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[expect(clippy::exhaustive_enums, reason = "a message expires or it does not")]
pub enum Expiry {
    /// The message does not expire.
    #[default]
    Never,
    /// The interval in seconds, which has not begun: it begins with the next `now`.
    After(u32),
    /// The end of the interval, on the caller's clock.
    At(Duration),
}

impl Expiry {
    /// The time at which the message expires, if it is known.
    pub const fn deadline(self) -> Option<Duration> {
        match self {
            Self::At(at) => Some(at),
            Self::Never | Self::After(_) => None,
        }
    }

    /// Returns whether the message has expired at `now`.
    pub fn is_over(self, now: Duration) -> bool {
        self.deadline().is_some_and(|at| at <= now)
    }

    /// The expiry with its interval begun at `now`, unless it has begun before.
    pub(crate) fn begun(self, now: Duration) -> Self {
        match self {
            Self::After(seconds) => {
                Self::At(now.saturating_add(Duration::from_secs(seconds.into())))
            }
            begun => begun,
        }
    }
}
