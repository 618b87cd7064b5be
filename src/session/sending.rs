use core::time::Duration;

use super::call::{CallId, Expiry};
use super::change::Change;
use super::error::{Refused, SessionError};
use super::exchange::{Loss, Sent};
use super::in_flight::Lane;
use super::sender::Outbound;
use super::snapshot::StoredMessage;
use super::{Session, Transmit};
use crate::packet_id::PacketId;
use crate::qos::QoS;
use crate::reason::ReasonCode;

/// Messages and requests of this side.
impl<M> Session<M> {
    /// Queues a message of QoS 1 or 2. [`poll_transmit`](Self::poll_transmit) returns it once the
    /// send quota allows.
    ///
    /// # Errors
    ///
    /// The error returns the message, with [`AtMostOnce`](SessionError::AtMostOnce) or
    /// [`PacketIdsExhausted`](SessionError::PacketIdsExhausted).
    pub fn publish(&mut self, qos: QoS, message: M) -> Result<CallId, Refused<M, SessionError>> {
        self.publish_until(None, qos, message)
    }

    /// Queues a message as [`publish`](Self::publish) does. It is discarded if it was not sent
    /// before `deadline`, the end of its Message Expiry Interval on the caller's clock:
    /// [`Publishable::expires`](crate::Publishable::expires). `None` is no deadline.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_until(
        &mut self,
        deadline: Option<Duration>,
        qos: QoS,
        message: M,
    ) -> Result<CallId, Refused<M, SessionError>> {
        let expiry = deadline.map_or(Expiry::Never, Expiry::At);
        let Some(state) = Outbound::new(qos) else {
            return Err(Refused::new(SessionError::AtMostOnce, message));
        };
        let Some(id) = self.next_packet_id() else {
            return Err(Refused::new(SessionError::PacketIdsExhausted, message));
        };
        Ok(self.push_message(state, id, expiry, message))
    }

    /// Queues a message under the identifier that [`next_packet_id`](Self::next_packet_id) gave.
    #[inline]
    pub(crate) fn push_message(
        &mut self,
        state: Outbound,
        id: PacketId,
        expiry: Expiry,
        message: M,
    ) -> CallId {
        let call = self.take_call();
        let sent = self.outbound.push_next(Lane::Message, id, || {
            let mut sent = Sent::new(state, None, Some(call));
            sent.expiry = expiry;
            sent
        });
        if let Some(sent) = sent {
            // A message is long: it is moved once. Nothing was in its place that is to be dropped.
            core::mem::forget(sent.message.replace(message));
        }
        match expiry {
            Expiry::Never => {}
            Expiry::After(_) => {
                self.to_begin.get_or_insert(id);
            }
            Expiry::At(at) => self.expires_next(at),
        }
        match self.changes {
            None => self.last_stored = Some(id),
            Some(_) => self.store(id, call, expiry),
        }
        call
    }

    /// Records a message that was added.
    #[cold]
    fn store(&mut self, id: PacketId, call: CallId, expiry: Expiry) {
        if let Some(sent) = self.outbound.get(id) {
            let delivery = sent.delivery(id);
            self.to_announce.get_or_insert(id);
            self.record(Change::Stored {
                delivery,
                call,
                expiry,
                message: (),
            });
        }
    }

    /// Counts a call.
    pub(crate) fn take_call(&mut self) -> CallId {
        let (call, reserved) = self.calls.take();
        if let Some(reserved) = reserved {
            self.record(Change::Calls(reserved));
        }
        call
    }

    /// Takes the packet identifier for a SUBSCRIBE with `filters` topic filters, to be sent
    /// immediately.
    ///
    /// It is in use until SUBACK or the end of the network connection.
    ///
    /// # Errors
    ///
    /// [`PacketIdsExhausted`](SessionError::PacketIdsExhausted).
    pub fn subscribe(&mut self, filters: usize) -> Result<PacketId, SessionError> {
        self.request(Outbound::AwaitSubAck, filters)
    }

    /// Takes the packet identifier for an UNSUBSCRIBE, as [`subscribe`](Self::subscribe) does.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub fn unsubscribe(&mut self, filters: usize) -> Result<PacketId, SessionError> {
        self.request(Outbound::AwaitUnsubAck, filters)
    }

    /// The packet identifier of the next [`publish`](Self::publish), [`subscribe`](Self::subscribe)
    /// or [`unsubscribe`](Self::unsubscribe), or `None` if all are in use.
    pub fn next_packet_id(&self) -> Option<PacketId> {
        self.outbound.ids().next()
    }

    /// Takes back a message so that it is not sent again, even if it was sent.
    ///
    /// A message that was never sent is removed, and its packet identifier is free. To take back a
    /// message that was sent breaks [MQTT-4.4.0-1], but neither the exchange nor the peer: on the
    /// same network connection its acknowledgement is still awaited. On the next one, a QoS 1
    /// exchange is over, and at QoS 2 a PUBREL is sent in place of PUBLISH, so that the peer
    /// releases the packet identifier before it is used again.
    ///
    /// # Errors
    ///
    /// [`UnknownPacketId`](SessionError::UnknownPacketId) if no such message is kept.
    pub fn abandon(&mut self, id: PacketId) -> Result<M, SessionError> {
        let sent = self.outbound.get_mut(id);
        let sent = sent.ok_or(SessionError::UnknownPacketId)?;
        let message = sent.message.take().ok_or(SessionError::UnknownPacketId)?;
        let (unsent, counted, state) = (!sent.has_left(), sent.counted, sent.state);
        if unsent || (!counted && state == Outbound::AwaitPubAck) {
            self.discard(id);
            self.record(Change::Done(id));
        } else if state == Outbound::AwaitPubAck {
            // PUBACK is still awaited, but nothing of it would outlive the connection.
            self.record(Change::Done(id));
        } else {
            self.record(Change::Abandoned(id));
            if !counted {
                self.release_abandoned(id);
            }
        }
        Ok(message)
    }

    /// Takes back a message of which only a part was sent on this network connection, which ends. The
    /// exchange is over, unless the whole message was sent on an earlier one: then `None`, and it
    /// goes on as after [`abandon`](Self::abandon).
    pub(crate) fn withdraw(&mut self, id: PacketId) -> Option<(CallId, M)> {
        let sent = self.outbound.get_mut(id)?;
        let call = sent.call?;
        // What is counted begins anew with the next network connection.
        sent.counted &= sent.dup;
        let message = self.abandon(id).ok()?;
        (!self.is_open(id, call)).then_some((call, message))
    }

    /// The message that has this packet identifier.
    pub(crate) fn message(&self, id: PacketId) -> Option<StoredMessage<&M>> {
        self.outbound.get(id)?.stored(id)
    }

    /// The messages that this side may still send, in the order in which they are sent.
    pub fn messages(&self) -> impl Iterator<Item = StoredMessage<&M>> {
        let messages = self.outbound.iter(Lane::Message);
        messages.filter_map(|(id, sent)| sent.stored(id))
    }

    /// The next message that [`poll_transmit`](Self::poll_transmit) returns, as the quota allows.
    ///
    /// A caller uses it to check the message against Maximum Packet Size first, and
    /// [abandons](Self::abandon) a message that may not be sent on this connection.
    pub fn next_message(&self) -> Option<StoredMessage<&M>> {
        let (id, sent) = self.outbound.unsent(Lane::Message)?;
        sent.stored(id)
    }

    /// The call whose message is sent next, if the quota allows one to be sent now.
    #[inline]
    pub(crate) fn next_call(&self) -> Option<CallId> {
        let (_, sent) = self.outbound.unsent(Lane::Message)?;
        sent.call.filter(|_| self.may_send())
    }

    /// Returns whether a message is to be sent now.
    #[inline]
    pub(crate) fn may_send(&self) -> bool {
        let waits = self.outbound.has_unsent(Lane::Message) && self.send_quota() > 0;
        waits && ((self.strays.is_none() && self.changes.is_none()) || self.may_send_rarely())
    }

    #[inline(never)]
    fn may_send_rarely(&self) -> bool {
        // The peer could take that PUBREL for one of a message with the same identifier.
        !self.owes_stray_release() && (self.changes.is_none() || self.is_announced())
    }

    /// Returns whether it is stored that the next message is sent.
    fn is_announced(&self) -> bool {
        let next = self.outbound.unsent(Lane::Message);
        next.is_some_and(|(_, sent)| sent.sent)
    }

    /// Returns whether a message may have been sent on an earlier network connection.
    pub(crate) fn is_resent(&self, id: PacketId) -> bool {
        self.outbound.get(id).is_some_and(|sent| sent.dup)
    }

    /// Returns whether the exchange that began with this call continues under this identifier.
    pub(crate) fn is_open(&self, id: PacketId, call: CallId) -> bool {
        let sent = self.outbound.get(id);
        sent.is_some_and(|sent| sent.call == Some(call))
    }

    /// The number of PUBLISH of QoS 1 and 2 that may still be sent on this connection before the
    /// next acknowledgement (section 4.9): the maximum minus the unacknowledged ones.
    pub const fn send_quota(&self) -> u16 {
        match &self.link {
            Some(link) => link.send_maximum.get() - self.sending,
            None => 0,
        }
    }

    /// Ends what cannot outlive the network connection, and prepares the rest to be sent again.
    pub(super) fn disconnect_sender(&mut self, gone: &mut impl FnMut(CallId, Loss<M>)) {
        self.sending = 0;
        for lane in [Lane::Release, Lane::Message] {
            let mut at = self.outbound.first(lane).map(|(id, _)| id);
            while let Some(id) = at {
                at = self.outbound.after(id).map(|(id, _)| id);
                let Some(sent) = self.outbound.get_mut(id) else {
                    continue;
                };
                sent.dup |= sent.counted;
                sent.counted = false;
                sent.released = false;
                if lane == Lane::Message && sent.message.is_none() {
                    if sent.state == Outbound::AwaitPubRec {
                        self.release_abandoned(id);
                    } else if let Some(call) = self.discard(id).and_then(|sent| sent.call) {
                        gone(call, Loss::GivenUp(None));
                    }
                }
            }
        }
        self.outbound.rewind(Lane::Message);
        self.outbound.rewind(Lane::Release);
    }

    /// Discards the exchanges that had begun, as the peer has no session.
    pub(super) fn reset_sender(&mut self, gone: &mut impl FnMut(CallId, Loss<M>)) {
        while let Some((id, _)) = self.outbound.first(Lane::Release) {
            let sent = self.outbound.remove(id);
            if let Some(call) = sent.and_then(|sent| sent.call) {
                gone(call, Loss::Received);
            }
        }
        let mut at = self.outbound.first(Lane::Message).map(|(id, _)| id);
        while let Some(id) = at {
            at = self.outbound.after(id).map(|(id, _)| id);
            if self.outbound.get(id).is_some_and(|sent| sent.sent) {
                let sent = self.discard(id);
                if let Some((call, message)) = sent.and_then(|s| Some((s.call?, s.message))) {
                    gone(call, Loss::GivenUp(message));
                }
            }
        }
    }

    #[inline]
    pub(super) fn poll_release(&mut self) -> Option<Transmit<'_, M>> {
        self.link?;
        if self.owes_stray_release() {
            let (id, reason) = self.next_stray_release()?;
            return Some(Transmit::PubRel(id, reason));
        }
        let (id, sent) = self.outbound.advance(Lane::Release)?;
        let again = core::mem::replace(&mut sent.released, true);
        self.unawaited = self.unawaited.saturating_add(u32::from(again));
        Some(Transmit::PubRel(id, ReasonCode::Success))
    }

    // As `poll_transmit`.
    #[inline(always)]
    pub(crate) fn poll_message(&mut self) -> Option<Transmit<'_, M>> {
        if self.send_quota() == 0 {
            return None;
        }
        // That it is sent has to be stored first.
        if self.changes.is_some() && !self.is_announced() {
            return None;
        }
        let (id, sent) = self.outbound.advance(Lane::Message)?;
        self.sending += 1;
        sent.counted = true;
        sent.sent = true;
        Some(Transmit::Publish {
            delivery: sent.delivery(id),
            dup: sent.dup,
            expires: sent.expiry.deadline(),
            message: sent.message.as_ref()?,
        })
    }

    fn request(&mut self, state: Outbound, filters: usize) -> Result<PacketId, SessionError> {
        let mut sent = Sent::new(state, None, None).sent_before(true);
        sent.filters = filters;
        let id = self.next_packet_id();
        let id = id.ok_or(SessionError::PacketIdsExhausted)?;
        self.outbound.push_next(Lane::Request, id, || sent);
        Ok(id)
    }

    /// Replaces a QoS 2 PUBLISH that the caller took back by PUBREL.
    pub(super) fn release_abandoned(&mut self, id: PacketId) {
        if let Some(sent) = self.outbound.get_mut(id) {
            sent.state = Outbound::AwaitPubComp;
            sent.abandoned = true;
            self.outbound.requeue(Lane::Release, id);
        }
    }

    /// Removes an entry, and moves what points to it on.
    pub(super) fn discard(&mut self, id: PacketId) -> Option<Sent<M>> {
        for first in [&mut self.to_begin, &mut self.to_announce] {
            if *first == Some(id) {
                *first = self.outbound.after(id).map(|(id, _)| id);
            }
        }
        self.outbound.remove(id)
    }
}
