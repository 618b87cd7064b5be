use core::time::Duration;

use bytes::BytesMut;

use super::error::Violation;
use super::event::Incoming;
use super::pieces::{Taken, headed};
use super::receive::{Verdict, incoming};
use super::role::Role;
use super::{Connection, State};
use crate::error::DecodeError;
use crate::message::Publishable;
use crate::packet::Packet;
use crate::packet_type::PacketType;
use crate::qos::Delivery;
use crate::session::Receipt;
use crate::side::Side;
use crate::version::Version;

/// The bytes door for input.
impl<R: Role, M: Publishable> Connection<R, M> {
    /// Handles bytes from the peer, and returns the next packet on which the caller has to act.
    /// `None` means that more bytes have to be read.
    ///
    /// Call it until it returns `None`, and again after `accept`: packets behind a CONNECT wait
    /// until it is answered. An incomplete packet is kept here, and `input` is left empty. If the
    /// peer breaks a rule, the connection ends and this returns `None`:
    /// [`poll_bytes`](Self::poll_bytes) writes the last packet, and [`ended`](Self::ended) returns
    /// the reason.
    ///
    /// The values share the allocation of `input` and keep all of it alive. To borrow instead, use
    /// [`handle_slice`](Self::handle_slice).
    pub fn handle_bytes(&mut self, now: Duration, input: &mut BytesMut) -> Option<Incoming> {
        let now = self.advance(now);
        if !input.is_empty() {
            R::received(self, now);
        }
        if self.unread.is_empty() {
            let found = self.handle_input(now, input);
            if found.is_none() && !input.is_empty() {
                self.unread = input.split();
            }
            return found;
        }
        let mut unread = core::mem::take(&mut self.unread);
        unread.unsplit(input.split());
        let found = self.handle_input(now, &mut unread);
        if !unread.is_empty() && !self.is_over() {
            self.unread = unread;
        }
        found
    }

    fn handle_input(&mut self, now: Duration, input: &mut BytesMut) -> Option<Incoming> {
        loop {
            if self.is_over() {
                input.clear();
                return None;
            }
            if self.holds_input(input.len()) {
                return None;
            }
            let decoded = self.decoder.decode_shared(input);
            match self.take_in(now, &decoded, input.is_empty()) {
                Some(Verdict::Done) => {}
                Some(Verdict::Skipped(error, token)) => {
                    return Some(Incoming::Skipped(error, token));
                }
                Some(verdict) => {
                    let aliased = |alias| self.peer_aliases.topic(alias).cloned();
                    return incoming(verdict, &self.session, decoded.ok()??, aliased);
                }
                None if self.is_over() => {}
                None if !self.decoder.is_in_pieces() => return None,
                None => {
                    let take = self.extras.as_ref()?.pieces.as_ref()?.shared;
                    match take(self, input)? {
                        Taken::Nothing | Taken::MendedHead(_) => {}
                        Taken::Part(incoming) => return Some(incoming),
                        Taken::Head(packet, len) => {
                            let aliased = |alias| self.peer_aliases.topic(alias).cloned();
                            let head = incoming(Verdict::Deliver, &self.session, packet, aliased);
                            return headed(head, len);
                        }
                    }
                }
            }
        }
    }

    /// Handles bytes from the peer as [`handle_bytes`](Self::handle_bytes) does, and returns values
    /// that borrow from them.
    ///
    /// Handled bytes are removed from the front of `input`. The caller keeps the rest and passes it
    /// again, in front of the bytes that are read next; it discards the rest when the network
    /// connection ends. The values borrow from the connection as well, which keeps the topic for
    /// which a topic alias stands.
    pub fn handle_slice<'s, 'i: 's>(
        &'s mut self,
        now: Duration,
        input: &mut &'i [u8],
    ) -> Option<Incoming<&'s [u8]>> {
        let now = self.advance(now);
        if !input.is_empty() {
            R::received(self, now);
        }
        let (verdict, packet, len) = loop {
            if self.is_over() {
                *input = &[];
                return None;
            }
            if self.holds_input(input.len()) {
                return None;
            }
            let decoded = self.decoder.decode(input);
            if decoded.is_err() && self.decoder.mended().is_some() {
                match self.take_in_mended() {
                    None | Some(Verdict::Done) => continue,
                    Some(verdict) => break (verdict, None, None),
                }
            }
            match self.take_in(now, &decoded, input.is_empty()) {
                Some(Verdict::Done) => {}
                Some(Verdict::Skipped(error, token)) => {
                    return Some(Incoming::Skipped(error, token));
                }
                Some(verdict) => break (verdict, decoded.ok()?, None),
                None if self.is_over() => {}
                None if !self.decoder.is_in_pieces() => return None,
                None => {
                    let take = self.extras.as_ref()?.pieces.as_ref()?.borrowed;
                    match take(self, input)? {
                        Taken::Nothing => {}
                        Taken::Part(incoming) => return Some(incoming),
                        Taken::Head(packet, len) => {
                            break (Verdict::Deliver, Some(packet), Some(len));
                        }
                        Taken::MendedHead(len) => break (Verdict::Deliver, None, Some(len)),
                    }
                }
            }
        };
        let packet = match packet {
            Some(packet) => packet,
            None => self.decoder.mended()?.as_borrowed(),
        };
        let found = incoming(verdict, &self.session, packet, |alias| {
            Some(self.peer_aliases.topic(alias)?.as_borrowed())
        });
        match len {
            None => found,
            Some(len) => headed(found, len),
        }
    }

    /// Handles the result of the decoder. `None` if there is no whole packet, or the connection is
    /// over.
    #[inline]
    fn take_in<B: AsRef<[u8]>>(
        &mut self,
        now: Duration,
        decoded: &Result<Option<Packet<B>>, DecodeError>,
        empty: bool,
    ) -> Option<Verdict> {
        match decoded {
            Ok(Some(packet)) => {
                self.arrival.complete();
                let version = self.decoder.version().unwrap_or(Version::V5);
                self.judge(version, packet).ok()
            }
            Ok(None) => {
                match !empty || self.decoder.is_within_packet() {
                    true => self.arrival.incomplete(now),
                    // The last bytes of a packet that is passed over.
                    false => self.arrival.complete(),
                }
                None
            }
            Err(error) if error.is_skipped() => {
                self.arrival.complete();
                self.skip(*error)
            }
            Err(error) => {
                self.fail(*error);
                None
            }
        }
    }

    /// Handles a packet that is not as it arrived.
    #[cold]
    fn take_in_mended(&mut self) -> Option<Verdict> {
        self.arrival.complete();
        let packet = self.decoder.take_mended()?;
        let version = self.decoder.version().unwrap_or(Version::V5);
        let verdict = self.judge(version, &packet.as_borrowed()).ok();
        self.decoder.keep(Some(packet));
        verdict
    }

    /// Reports a packet that was skipped.
    pub(super) fn skip(&mut self, error: DecodeError) -> Option<Verdict> {
        if error.packet() != Some(PacketType::Publish) {
            return Some(Verdict::Done);
        }
        if !self.is_connected() {
            self.violate(Violation::UnexpectedPacket(PacketType::Publish));
            return None;
        }
        self.pass_over(error.delivery().and_then(Delivery::packet_id));
        let Some(delivery) = error.delivery() else {
            return Some(Verdict::Skipped(error, None));
        };
        match self.session.handle_publish(delivery) {
            Ok(Receipt::New(token)) => Some(Verdict::Skipped(error, Some(token))),
            Ok(Receipt::Duplicate) => Some(Verdict::Done),
            Err(violation) => {
                let violation = violation.into();
                self.violate(violation);
                None
            }
        }
    }

    /// Returns whether `len` bytes of input have to wait for the answer to CONNECT. The peer may
    /// send as many bytes ahead as one packet may have.
    fn holds_input(&mut self, len: usize) -> bool {
        if !self.is_holding() {
            return false;
        }
        if u32::try_from(len).is_ok_and(|len| len <= self.settings.max_packet_size) {
            return true;
        }
        self.violate(Violation::TooEarly);
        true
    }

    /// Returns whether packets have to wait: at a server, between CONNECT and its answer, unless
    /// AUTH is awaited or authentication forbids other packets [MQTT-3.1.2-30].
    pub(super) fn is_holding(&self) -> bool {
        R::SIDE == Side::Server
            && matches!(self.state, State::Connecting { .. })
            && self.agreement.method.is_none()
    }
}
