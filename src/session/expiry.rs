use core::time::Duration;

use super::Session;
use super::call::CallId;
use super::change::Change;
use super::in_flight::Lane;

/// The expiry of messages that wait.
impl<M> Session<M> {
    /// Discards the messages that expired before they were sent, and passes each to `gone`.
    ///
    /// Looks at every waiting message, at most once a second.
    pub fn expire(&mut self, now: Duration, mut gone: impl FnMut(CallId, M)) {
        if self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        let mut left: Option<Duration> = None;
        let mut at = self.outbound.unsent(Lane::Message).map(|(id, _)| id);
        while let Some(id) = at {
            at = self.outbound.after(id).map(|(id, _)| id);
            let Some(sent) = self.outbound.get(id).filter(|sent| !sent.dup) else {
                continue;
            };
            match sent.expiry.deadline() {
                Some(deadline) if deadline <= now => {
                    let sent = self.discard(id);
                    self.record(Change::Done(id));
                    if let Some((call, message)) = sent.and_then(|s| s.call.zip(s.message)) {
                        gone(call, message);
                    }
                }
                Some(deadline) => left = Some(left.map_or(deadline, |left| left.min(deadline))),
                None => {}
            }
        }
        // What expires a moment later can wait: it is not sent all the same.
        let soonest = now.saturating_add(Duration::from_secs(1));
        self.next_expiry = left.map(|left| left.max(soonest));
    }

    /// The time at which to call [`expire`](Self::expire), if any message expires.
    pub const fn next_expiry(&self) -> Option<Duration> {
        self.next_expiry
    }

    /// Begins the expiry intervals of the messages that were published since the last `now`.
    pub(crate) fn begin_expiry(&mut self, now: Duration) {
        while let Some(id) = self.to_begin {
            self.to_begin = self.outbound.after(id).map(|(id, _)| id);
            let Some(sent) = self.outbound.get_mut(id) else {
                continue;
            };
            let begun = sent.expiry.begun(now);
            if sent.expiry != begun {
                sent.expiry = begun;
                if let Some(at) = begun.deadline() {
                    self.expires_next(at);
                    self.record(Change::Expires(id, at));
                }
            }
        }
    }

    pub(super) fn expires_next(&mut self, at: Duration) {
        self.next_expiry = Some(self.next_expiry.map_or(at, |next| next.min(at)));
    }
}
