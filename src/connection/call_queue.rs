use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use crate::packet::{Packet, Subscribe, Unsubscribe};
use crate::session::{CallId, Expiry};

/// A call that waits for its packet to be sent.
#[derive(Clone, Debug)]
pub(super) struct Call<M> {
    pub(super) id: CallId,
    /// A request does not expire.
    pub(super) expiry: Expiry,
    pub(super) what: What<M>,
}

#[derive(Clone, Debug)]
pub(super) enum What<M> {
    /// A message of QoS 0. It is there, except while it is moved in.
    Publish(Option<M>),
    Request(Request),
}

impl<M> What<M> {
    fn into_message(self) -> Option<M> {
        match self {
            Self::Publish(message) => message,
            Self::Request(_) => None,
        }
    }
}

/// SUBSCRIBE or UNSUBSCRIBE, with any packet identifier before it is sent.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Subscribe(Box<Subscribe>),
    Unsubscribe(Box<Unsubscribe>),
}

impl Request {
    pub(super) fn packet(&self) -> Packet<&[u8]> {
        match self {
            Self::Subscribe(request) => Packet::Subscribe(request.as_borrowed()),
            Self::Unsubscribe(request) => Packet::Unsubscribe(request.as_borrowed()),
        }
    }
}

/// The calls whose packets are not sent, but for messages of QoS 1 and 2, which the session has.
// In this order, as a connection is.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct CallQueue<M> {
    /// The first call whose expiry interval has not begun.
    to_begin: Option<CallId>,
    /// No call expires before.
    next_expiry: Option<Duration>,
    /// In front of those that wait, the message that was handed out, if one is.
    queue: VecDeque<Call<M>>,
    /// True if the first of the calls is handed out. It stays there, as a message is costly to
    /// move.
    has_handed: bool,
}

impl<M> CallQueue<M> {
    pub(super) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            to_begin: None,
            next_expiry: None,
            has_handed: false,
        }
    }

    /// Takes the calls over to another network connection: requests, as messages have ended.
    pub(super) fn take(&mut self) -> Self {
        Self {
            queue: core::mem::take(&mut self.queue),
            ..Self::new()
        }
    }

    pub(super) fn reserve(&mut self, count: u16) {
        let more = usize::from(count).saturating_sub(self.queue.len());
        self.queue.reserve_exact(more);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.queue.shrink_to_fit();
    }

    pub(super) const fn has_handed(&self) -> bool {
        self.has_handed
    }

    pub(super) const fn next_expiry(&self) -> Option<Duration> {
        self.next_expiry
    }

    /// Takes the message that was handed out.
    pub(super) fn pop_handed(&mut self) -> Option<M> {
        self.has_handed = false;
        self.queue.pop_front()?.what.into_message()
    }

    /// The calls that wait.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() - usize::from(self.has_handed)
    }

    /// The first of the calls that wait.
    #[inline]
    pub(super) fn first(&self) -> Option<&Call<M>> {
        self.queue.get(usize::from(self.has_handed))
    }

    /// Returns whether the first of the calls that wait is a message.
    #[inline]
    pub(super) fn is_message_next(&self) -> bool {
        self.first_message().is_some()
    }

    /// The first of the calls that wait, if it is a message.
    #[inline]
    pub(super) fn first_message(&self) -> Option<(CallId, &M)> {
        match self.first()? {
            Call {
                id,
                what: What::Publish(Some(message)),
                ..
            } => Some((*id, message)),
            _ => None,
        }
    }

    /// Takes the first of the calls; none is handed out.
    pub(super) fn pop_first(&mut self) -> Option<Call<M>> {
        self.queue.pop_front()
    }

    /// Takes a message of QoS 0 back.
    pub(super) fn take_message(&mut self, id: CallId) -> Option<M> {
        let handed = usize::from(self.has_handed);
        let is_message = |call: &Call<M>| call.id == id && matches!(call.what, What::Publish(..));
        let at = self.queue.iter().skip(handed).position(is_message)?;
        self.queue.remove(handed + at)?.what.into_message()
    }

    /// Hands out the first of the calls, a message of QoS 0.
    #[inline]
    pub(super) fn hand_out(&mut self) -> Option<(&M, Expiry)> {
        let Call {
            expiry,
            what: What::Publish(message),
            ..
        } = self.queue.front()?
        else {
            return None;
        };
        self.has_handed = true;
        Some((message.as_ref()?, *expiry))
    }

    /// Queues a call.
    #[inline]
    pub(super) fn push(&mut self, call: Call<M>) {
        self.queue.push_back(call);
    }

    /// Queues a message of QoS 0.
    #[inline]
    pub(super) fn push_message(&mut self, id: CallId, expiry: Expiry, message: M) {
        match expiry {
            Expiry::Never => {}
            Expiry::After(_) => drop(self.to_begin.get_or_insert(id)),
            Expiry::At(at) => self.expires_next(at),
        }
        push_made(&mut self.queue, || Call {
            id,
            expiry,
            what: What::Publish(None),
        });
        if let Some(What::Publish(place)) = self.queue.back_mut().map(|call| &mut call.what) {
            // A message is long: it is moved once. Nothing was in its place that is to be dropped.
            core::mem::forget(place.replace(message));
        }
    }

    /// Begins the expiry intervals of the messages that were published since the last moment told.
    pub(super) fn begin_expiry(&mut self, now: Duration) {
        let Some(first) = self.to_begin.take() else {
            return;
        };
        let mut next: Option<Duration> = None;
        let calls = self.queue.iter_mut().rev();
        for call in calls.take_while(|call| call.id >= first) {
            call.expiry = call.expiry.begun(now);
            next = next.into_iter().chain(call.expiry.deadline()).min();
        }
        if let Some(at) = next {
            self.expires_next(at);
        }
    }

    fn expires_next(&mut self, at: Duration) {
        self.next_expiry = Some(self.next_expiry.map_or(at, |next| next.min(at)));
    }

    /// Discards the messages that have expired, and hands each to `gone`; none is handed out.
    pub(super) fn expire(&mut self, now: Duration, mut gone: impl FnMut(CallId, M)) {
        let mut left: Option<Duration> = None;
        // Those that stay go round, in the memory that they have.
        for _ in 0..self.queue.len() {
            let Some(call) = self.queue.pop_front() else {
                break;
            };
            match call.what {
                What::Publish(Some(message)) if call.expiry.is_over(now) => gone(call.id, message),
                what => {
                    left = left.into_iter().chain(call.expiry.deadline()).min();
                    self.queue.push_back(Call { what, ..call });
                }
            }
        }
        let soonest = now.saturating_add(Duration::from_secs(1));
        self.next_expiry = left.map(|left| left.max(soonest));
    }

    /// The first call, if it is a message that has expired.
    pub(super) fn first_expired(&self, now: Duration) -> Option<CallId> {
        let first = self.first()?;
        first.expiry.is_over(now).then_some(first.id)
    }
}

/// Appends the result of `make`, built in its place: to build it elsewhere and move it stalls on
/// parts that were just written.
#[inline]
pub(super) fn push_made<T>(queue: &mut VecDeque<T>, make: impl FnOnce() -> T) {
    queue.extend(core::iter::once(make).map(|make| make()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_its_memory() {
        let mut calls = CallQueue::<()>::new();
        calls.reserve(100);
        assert!(calls.queue.capacity() >= 100);
        calls.shrink_to_fit();
        assert_eq!(calls.queue.capacity(), 0);
    }
}
