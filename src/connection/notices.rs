use super::event::Event;
use super::{Connection, Role};
use crate::message::Publishable;
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;

impl<R: Role, M: Publishable> Connection<R, M> {
    /// Returns the next event, if any.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event<M>> {
        let event = self.events.pop_front();
        if self.unknown_waits && matches!(event, Some(Event::Unknown(..))) {
            self.unknown_waits = false;
        }
        event.or_else(|| self.decoder.poll_let_go().map(Event::LetGo))
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
