//! Messages whose payload the caller keeps, and writes by itself.

use core::time::Duration;

use super::error::ConnectionError;
use super::event::{Closed, GivenUp};
use super::{Connection, Role};
use crate::message::Publishable;
use crate::packet_id::PacketId;
use crate::session::CallId;

/// The payload of a PUBLISH whose head is sent.
#[derive(Clone, Debug)]
pub(super) struct Payload<M> {
    pub(super) source: Source<M>,
    position: u32,
    left: u32,
}

/// Where the message is.
#[derive(Clone, Debug)]
pub(super) enum Source<M> {
    /// In the session.
    Session(PacketId),
    /// Here, at QoS 0, once it is not handed out any more.
    Call(CallId, Option<M>),
}

impl<M> Payload<M> {
    pub(super) const fn new(source: Source<M>, len: u32) -> Self {
        Self {
            source,
            position: 0,
            left: len,
        }
    }
}

/// The part of a payload that is to be written next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PayloadPart<'a, M> {
    /// The call that published the message.
    pub call: CallId,
    /// The message.
    pub message: &'a M,
    /// The position in the payload of the next byte.
    pub position: u32,
    /// The number of bytes from there to the end of the payload, at least one.
    pub len: u32,
}

/// Messages whose [payload the caller keeps](Publishable::payload_len).
impl<R: Role, M: Publishable> Connection<R, M> {
    /// The part of a payload that is to be written next, if one is: the head of its PUBLISH was
    /// polled.
    ///
    /// Write bytes from `position` on to the network, behind all that was polled before, as many as
    /// there are or fit, and call [`payload_written`](Self::payload_written). Until the payload is
    /// complete nothing else is sent: acknowledgements and PINGREQ wait, so that a payload that
    /// takes longer than Keep Alive may end the connection. A message of QoS 1 or 2 that was not
    /// written whole is sent again on the next network connection, from its first byte.
    #[must_use]
    pub fn poll_payload(&mut self) -> Option<PayloadPart<'_, M>> {
        if !self.outbox.is_drained() {
            // The end of the head.
            return None;
        }
        self.outbox.drop_handed_call();
        let payload = self.outbox.payload.as_ref()?;
        let (call, message) = match &payload.source {
            Source::Call(call, message) => (*call, message.as_ref()?),
            Source::Session(id) => {
                let stored = self.session.message(*id)?;
                (stored.call, stored.message)
            }
        };
        Some(PayloadPart {
            call,
            message,
            position: payload.position,
            len: payload.left,
        })
    }

    /// Notes that so many bytes of the payload were written.
    ///
    /// # Errors
    ///
    /// [`WrongState`](ConnectionError::WrongState) if no payload is to be written, as before the
    /// head is polled to its end, or not so many bytes.
    pub fn payload_written(&mut self, now: Duration, bytes: u32) -> Result<(), ConnectionError> {
        let now = self.advance(now);
        let is_next = self.outbox.is_drained();
        let payload = self.outbox.payload.as_mut().filter(|_| is_next);
        let payload = payload.ok_or(ConnectionError::WrongState)?;
        payload.left = match payload.left.checked_sub(bytes) {
            Some(left) => left,
            None => return Err(ConnectionError::WrongState),
        };
        payload.position += bytes;
        self.role.sent(now, false);
        if payload.left == 0 {
            if let Source::Call(call, _) = payload.source {
                self.events.push_sent(call);
            }
            self.outbox.end_payload();
        }
        Ok(())
    }

    /// Ends the connection without DISCONNECT, as the rest of a payload cannot be had any more, so
    /// that its PUBLISH cannot be completed. Without effect while no payload is to be written.
    ///
    /// The outcome of the message is [`GivenUp::PayloadLost`]; if it was written whole on an earlier
    /// network connection, it is as after [`abandon`](Self::abandon).
    pub fn payload_lost(&mut self) {
        let Some(payload) = self.outbox.end_payload() else {
            return;
        };
        match payload.source {
            Source::Call(call, message) => self.give_up(call, GivenUp::PayloadLost, message),
            Source::Session(id) => {
                if let Some((call, message)) = self.session.withdraw(id) {
                    self.give_up(call, GivenUp::PayloadLost, Some(message));
                }
            }
        }
        self.end(Closed::PayloadLost, None);
        self.finish();
        self.outbox.cut();
    }

    /// Ends a payload with the network connection.
    pub(super) fn cut_payload(&mut self) {
        if let Some(payload) = self.outbox.end_payload() {
            if let Source::Call(call, message) = payload.source {
                self.give_up(call, GivenUp::ConnectionLost, message);
            }
            self.outbox.cut();
        }
    }

    /// Returns whether the caller writes the payload of this message just now.
    pub(super) fn is_writing(&self, id: PacketId) -> bool {
        let payload = self.outbox.payload.as_ref();
        payload.is_some_and(|payload| matches!(payload.source, Source::Session(at) if at == id))
    }
}
