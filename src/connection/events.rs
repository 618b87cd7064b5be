use alloc::collections::VecDeque;

use super::call_queue::push_made;
use super::event::{Event, Outcome};
use crate::session::CallId;

/// The events that wait to be polled.
// In this order, as a connection is.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Events<M> {
    queue: VecDeque<Event<M>>,
    /// The call of a message of QoS 0 that was sent, whose event is the first. Most connections of a
    /// server have no other, and none on the heap.
    sent: Option<CallId>,
}

impl<M> Events<M> {
    pub(super) const fn new() -> Self {
        Self {
            sent: None,
            queue: VecDeque::new(),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.sent.is_some()) + self.queue.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_none() && self.queue.is_empty()
    }

    /// The first, but for the message of QoS 0 that was sent.
    pub(super) fn front(&self) -> Option<&Event<M>> {
        match self.sent {
            Some(_) => None,
            None => self.queue.front(),
        }
    }

    /// Queues [`Outcome::Sent`].
    #[inline]
    pub(super) fn push_sent(&mut self, call: CallId) {
        match self.len() {
            0 => self.sent = Some(call),
            _ => self.push_made(|| Event::Published(call, Outcome::Sent)),
        }
    }

    pub(super) fn push_back(&mut self, event: Event<M>) {
        self.queue.push_back(event);
    }

    #[inline]
    pub(super) fn push_made(&mut self, make: impl FnOnce() -> Event<M>) {
        push_made(&mut self.queue, make);
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<Event<M>> {
        match self.sent.take() {
            Some(call) => Some(Event::Published(call, Outcome::Sent)),
            None => self.queue.pop_front(),
        }
    }

    pub(super) fn reserve(&mut self, count: u16) {
        let more = usize::from(count).saturating_sub(self.queue.len());
        self.queue.reserve_exact(more);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.queue.shrink_to_fit();
    }
}
