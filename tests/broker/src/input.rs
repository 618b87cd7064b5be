use std::mem;
use std::time::Duration;

use mqtt_sansio::ReasonCode;
use mqtt_sansio::connection::Incoming;

use crate::backlog::STEPS;
use crate::sys::count;
use crate::{Broker, ConnectionId};

impl Broker {
    /// Bytes came from a client.
    ///
    /// The beginning of a packet is kept until the rest is there. If more is kept of all clients
    /// together than [`max_input_bytes`](crate::Config::max_input_bytes), the connection of which the
    /// most is kept is closed.
    pub fn handle_bytes(&mut self, now: Duration, id: ConnectionId, bytes: &[u8]) {
        self.advance(now);
        self.stats.bytes_received += count(bytes.len());
        self.steps_left = STEPS;
        self.handle_more(id, bytes);
    }

    /// Handles what was kept and what has come, as far as the connection is not busy.
    pub(crate) fn handle_more(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let mut kept = mem::take(&mut link.input);
        self.input_bytes -= kept.capacity();
        if kept.is_empty() {
            let mut rest = bytes;
            self.handle_input(id, &mut rest);
            kept = rest.to_vec();
        } else {
            kept.extend_from_slice(bytes);
            let mut rest = &kept[..];
            self.handle_input(id, &mut rest);
            if rest.len() < kept.len() {
                // In a buffer of its own: the packet that was in front may have been large.
                kept = rest.to_vec();
            }
        }
        let link = self.links.get_mut(&id);
        if let Some(link) = link.filter(|link| link.connection.is_some()) {
            self.input_bytes += kept.capacity();
            link.input = kept;
        }
        self.settle(id);
        // What came just now is no larger than what goes.
        if self.input_bytes > self.config.max_input_bytes {
            self.drop_largest_input();
        }
    }

    fn handle_input(&mut self, id: ConnectionId, input: &mut &[u8]) {
        while !self.is_busy(id) {
            let Some(incoming) = self.next_incoming(id, input) else {
                return;
            };
            match incoming {
                Incoming::Connect(connect) => self.handle_connect(id, &connect),
                Incoming::Auth(auth) => self.handle_auth(id, &auth),
                Incoming::Message(message, token) => self.handle_publish(id, &message, token),
                Incoming::Subscribe(request, token) => self.handle_subscribe(id, &request, token),
                Incoming::Unsubscribe(request, token) => {
                    self.handle_unsubscribe(id, &request, token);
                }
                _ => {}
            }
            self.settle(id);
        }
    }

    /// The next packet to act on, in buffers of its own.
    fn next_incoming(&mut self, id: ConnectionId, input: &mut &[u8]) -> Option<Incoming> {
        let link = self.links.get_mut(&id)?;
        let incoming = link.connection.as_mut()?.handle_slice(self.now, input)?;
        Some(match incoming {
            Incoming::Connect(connect) => Incoming::Connect(Box::new((*connect).to_owned())),
            Incoming::Message(message, token) => Incoming::Message(message.to_owned(), token),
            Incoming::Subscribe(request, token) => Incoming::Subscribe(request.to_owned(), token),
            Incoming::Unsubscribe(request, token) => {
                Incoming::Unsubscribe(request.to_owned(), token)
            }
            Incoming::Auth(auth) => Incoming::Auth(auth.to_owned()),
            // What is too large ends the connection, and nothing is early at this door.
            _ => Incoming::Early,
        })
    }

    fn drop_largest_input(&mut self) {
        let links = self.links.iter_mut();
        let largest = links.max_by_key(|(id, link)| (link.input.capacity(), **id));
        if let Some((&id, link)) = largest {
            self.input_bytes -= mem::take(&mut link.input).capacity();
            self.close(id, ReasonCode::ServerBusy);
        }
    }
}
