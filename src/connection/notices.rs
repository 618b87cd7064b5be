use super::event::Event;
use super::{Connection, Role};
use crate::message::Publishable;
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;

/// The kinds of events that a peer can cause without end. Of each kind at most one waits to be
/// polled, and those that follow it are dropped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notice {
    Unknown,
}

impl Notice {
    /// The kind of an event, if it is one of these.
    const fn of<M>(event: &Event<M>) -> Option<Self> {
        match event {
            Event::Unknown(..) => Some(Self::Unknown),
            _ => None,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The kinds of which an event waits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notices(u8);

impl<R: Role, M: Publishable> Connection<R, M> {
    /// Returns the next event, if any.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event<M>> {
        if self.notices.0 != 0 {
            self.note_next();
        }
        let event = self.events.pop_front();
        event.or_else(|| self.decoder.poll_let_go().map(Event::LetGo))
    }

    /// Notes that the next event is polled.
    #[cold]
    fn note_next(&mut self) {
        if let Some(notice) = self.events.front().and_then(Notice::of) {
            self.notices.0 &= !notice.bit();
        }
    }

    /// Reports an acknowledgement for a packet identifier that is not in use.
    pub(super) fn report_unknown(&mut self, packet: PacketType, id: PacketId) {
        self.notify(Event::Unknown(packet, id));
    }

    /// Queues an event, unless it is of a kind of which one waits.
    #[cold]
    pub(super) fn notify(&mut self, event: Event<M>) {
        let bit = Notice::of(&event).map_or(0, Notice::bit);
        if self.notices.0 & bit == 0 {
            self.notices.0 |= bit;
            self.events.push_back(event);
        }
    }
}
