use super::event::Event;
use super::{Connection, Role};
use crate::message::Publishable;
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;

impl<R: Role, M: Publishable> Connection<R, M> {
    /// Returns the next event, if any.
    // Moves the event once: where it was looked at on the way, the copy waited for it.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event<M>> {
        if self.events.is_empty() {
            return self.decoder.poll_let_go().map(Event::LetGo);
        }
        if matches!(self.events.front(), Some(Event::Unknown(..))) {
            self.unknown_waits = false;
        }
        self.events.pop_front()
    }

    /// Reports an acknowledgement for a packet identifier that is not in use, unless such an event
    /// waits to be polled: a peer can cause them without end.
    #[cold]
    pub(super) fn report_unknown(&mut self, packet: PacketType, id: PacketId) {
        if !self.unknown_waits {
            self.unknown_waits = true;
            self.events.push_back(Event::Unknown(packet, id));
        }
    }
}
