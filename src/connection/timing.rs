use alloc::boxed::Box;
use core::time::Duration;

use super::event::{Closed, Event, GivenUp, Outcome};
use super::{Connection, Role, State};
use crate::message::Publishable;
use crate::reason::ReasonCode;
use crate::side::Side;

/// Timers.
impl<R: Role, M: Publishable> Connection<R, M> {
    /// Fires the timers that are due at `now`. Without effect before
    /// [`next_timeout`](Self::next_timeout).
    pub fn handle_timeout(&mut self, now: Duration) {
        let now = self.advance(now);
        self.expire();
        if self.is_over() {
            return;
        }
        let is_over = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_over(self.answer.next_timeout()) && self.is_auth_unsent() {
            // The peer cannot answer it yet.
            self.answer.restart(now);
        }
        if is_over(self.peer_timeout()) {
            let last = match (R::SIDE, &self.state) {
                (Side::Client, _) => self.farewell(ReasonCode::UnspecifiedError),
                // Nothing is said to a client that never sent CONNECT.
                (Side::Server, State::Idle) => None,
                // It was to send AUTH (section 4.12.1).
                (Side::Server, _) if is_over(self.answer.next_timeout()) => {
                    self.farewell(ReasonCode::NotAuthorized)
                }
                (Side::Server, State::Connected { .. }) => {
                    self.farewell(ReasonCode::KeepAliveTimeout)
                }
                (Side::Server, _) => None,
            };
            self.end(Closed::TimedOut, last);
        } else {
            R::handle_own_timeout(self, now);
        }
    }

    /// Stops the timers that watch the peer, for a caller that does not read for a while. Without
    /// this a peer whose bytes wait unread would time out.
    pub fn pause_reading(&mut self, now: Duration) {
        self.advance(now);
        self.paused = true;
    }

    /// Restarts the timers that [`pause_reading`](Self::pause_reading) stopped, from their
    /// beginning.
    pub fn resume_reading(&mut self, now: Duration) {
        let now = self.advance(now);
        self.paused = false;
        self.arrival.restart(now);
        self.answer.restart(now);
        self.role.resumed(now);
    }

    /// The time by which [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        let waiting = [self.session.next_expiry(), self.outbox.calls.next_expiry()];
        let expiry = waiting.into_iter().flatten().min();
        if self.is_over() {
            return expiry;
        }
        let timeouts = [self.peer_timeout(), R::own_timeout(self), expiry];
        timeouts.into_iter().flatten().min()
    }

    /// The time to wait for bytes before the next round of the loop. `None` means without limit.
    ///
    /// It is never zero, which sockets understand as no timeout, and never `None` once the
    /// connection is closed.
    #[must_use]
    pub fn wait(&self, now: Duration) -> Option<Duration> {
        const LEAST: Duration = Duration::from_millis(1);
        if self.is_closed() {
            return Some(LEAST);
        }
        let at = self.next_timeout()?;
        Some(at.saturating_sub(now.max(self.now)).max(LEAST))
    }

    /// Notes the time.
    #[inline]
    pub(super) fn advance(&mut self, now: Duration) -> Duration {
        // Mostly it is the same as in the call before.
        if self.now < now {
            self.now = now;
        }
        if self.outbox.attention {
            self.begin_expiry();
        }
        self.now
    }

    #[inline(never)]
    fn begin_expiry(&mut self) {
        self.session.begin_expiry(self.now);
        self.outbox.calls.begin_expiry(self.now);
    }

    pub(super) fn peer_timeout(&self) -> Option<Duration> {
        if self.paused {
            return None;
        }
        let timeouts = [
            R::peer_timeout(self),
            self.arrival.next_timeout(),
            self.answer.next_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Discards expired messages.
    pub(super) fn expire(&mut self) {
        let (events, now) = (&mut self.events, self.now);
        let mut gone = |call, message| {
            let outcome = Outcome::GivenUp(GivenUp::Expired, Some(Box::new(message)));
            events.push_back(Event::Published(call, outcome));
        };
        self.session.expire(now, &mut gone);
        self.outbox.expire(now, gone);
    }
}
