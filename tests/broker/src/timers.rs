use std::collections::BTreeSet;
use std::time::Duration;

use crate::ConnectionId;
use crate::client::SessionKey;

/// What has to be looked at at some time. It may turn out that there is nothing to do yet: who is
/// looked at says when next.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Timer {
    Connection(ConnectionId),
    Session(SessionKey),
    Sys,
}

/// All times to look at something, in order.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Duration, Timer)>);

impl Timers {
    pub(crate) fn set(&mut self, at: Duration, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(crate) fn cancel(&mut self, at: Duration, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(crate) fn due(&mut self, now: Duration) -> Option<Timer> {
        let &(at, timer) = self.0.first().filter(|(at, _)| *at <= now)?;
        self.0.remove(&(at, timer));
        Some(timer)
    }
}
