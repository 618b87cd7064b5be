//! Messages that are written without a packet in between.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::{BufMut, BytesMut};

use super::error::ConnectionError;
use super::events::Events;
use super::outbox::{Next, Outbox};
use super::outgoing::{How, outgoing};
use super::payload::Source;
use super::{Connection, Role};
use crate::device::QUICK;
use crate::error::EncodeError;
use crate::message::Publishable;
use crate::packet::Packet;
use crate::qos::QoS;
use crate::session::{CallId, Expiry, Session, Transmit};
use crate::version::Version;

impl<R: Role, M: Publishable> Connection<R, M> {
    /// Publishes a message as [`publish`](Self::publish) does, and writes what is to be sent as
    /// [`poll_bytes`](Self::poll_bytes) does: the quickest way of one message to many connections.
    ///
    /// At QoS 0 the message is neither kept nor cloned if nothing waits in front of it and it fits
    /// into `out`, which is the buffer that [`poll_bytes`](Self::poll_bytes) writes to.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish). Nothing is written then.
    #[inline]
    pub fn publish_into(
        &mut self,
        now: Duration,
        qos: QoS,
        message: &M,
        out: &mut impl BufMut,
    ) -> Result<CallId, ConnectionError>
    where
        M: Clone,
    {
        if qos == QoS::AtMostOnce {
            if let Some(put) = self.put_at_once(now, message, out) {
                return put;
            }
        }
        let call = self.publish(qos, message.clone());
        let call = call.map_err(|refused| refused.why)?;
        self.poll_bytes(now, out);
        Ok(call)
    }

    /// Writes a message of QoS 0, unless something waits in front of it or it has to be kept.
    #[inline]
    fn put_at_once(
        &mut self,
        now: Duration,
        message: &M,
        out: &mut impl BufMut,
    ) -> Option<Result<CallId, ConnectionError>> {
        let outbox = &self.outbox;
        let is_first = !outbox.attention && outbox.is_drained() && self.next().is_none();
        if !is_first || message.payload_len().is_some() {
            return None;
        }
        let qos = QoS::AtMostOnce;
        let now = self.advance(now);
        let mut expiry = Expiry::Never;
        if let Err(why) = self.check_publish(qos, message, &mut expiry) {
            return Some(Err(why));
        }
        let version = self.agreement.version;
        let how = How::at_most_once(version, expiry, now);
        if expiry != Expiry::Never || !how.is_plain(&self.own_aliases) {
            return None;
        }
        let (publish, ids) = (how.plain(message), message.subscription_ids());
        publish.encode_with(ids, None, version, out).ok()?;
        self.outbox.take_turns(Next::Call);
        self.role.sent(now, false);
        let call = self.session.take_call();
        self.events.push_sent(call);
        Some(Ok(call))
    }

    /// Writes the next message: that of the session, or the first of the calls. Without a packet in
    /// between where it is sent as it is, as nearly all are.
    // Called from one place.
    #[inline(always)]
    pub(super) fn put_message(
        &mut self,
        now: Duration,
        next: Next,
        out: &mut impl BufMut,
    ) -> Option<bool> {
        self.outbox.take_turns(Next::Message);
        self.role.sent(now, false);
        let version = self.agreement.version;
        let (session, outbox, events) = (&mut self.session, &mut self.outbox, &mut self.events);
        let (message, how, block) = take_message(session, outbox, events, next, version, now)?;
        let (aliases, limits) = (&mut self.own_aliases, &self.agreement.peer);
        let apart = message.payload_len().map(|len| len as usize);
        let mut ids = message.subscription_ids();
        let publish = match how.is_plain(aliases) {
            true => how.plain(message),
            false => match outgoing(message, how, aliases, block, limits) {
                Packet::Publish(publish) => {
                    ids = &[];
                    publish
                }
                _ => return None,
            },
        };
        let encoded = publish.encode_with(ids, apart, version, out);
        if encoded.is_err() {
            let rest = rest(encoded, |mut rest| {
                publish.encode_with(ids, apart, version, &mut rest)
            });
            self.outbox.rare().rest = rest;
        }
        Some(encoded.is_ok())
    }
}

/// Takes the next message, that of the session or the first of the calls, with a buffer for its
/// properties.
#[inline(always)]
pub(super) fn take_message<'a, M: Publishable>(
    session: &'a mut Session<M>,
    outbox: &'a mut Outbox<M>,
    events: &mut Events<M>,
    next: Next,
    version: Version,
    now: Duration,
) -> Option<(&'a M, How, &'a mut Vec<u8>)> {
    let Next::Message = next else {
        let (id, message) = outbox.calls.first_message()?;
        match message.payload_len() {
            Some(len @ 1..) => outbox.begin_payload(Source::Call(id, None), len),
            _ => events.push_sent(id),
        }
        let (message, expiry) = outbox.calls.hand_out()?;
        let block = &mut outbox.block;
        return Some((message, How::at_most_once(version, expiry, now), block));
    };
    let Transmit::Publish {
        delivery,
        dup,
        expires,
        message,
    } = session.poll_message()?
    else {
        return None;
    };
    if let (Some(len @ 1..), Some(id)) = (message.payload_len(), delivery.packet_id()) {
        outbox.begin_payload(Source::Session(id), len);
    }
    let how = How {
        version,
        delivery,
        dup,
        expires,
        now,
    };
    Some((message, how, &mut outbox.block))
}

/// The room for the rest of a packet. On a device it is a slice, as it is a slice that most often had
/// no room, so that one encoder serves both; elsewhere another type, so that an encoder into slices has
/// one caller, and is quicker.
#[cfg(target_os = "none")]
type Room<'a> = &'a mut [u8];
#[cfg(not(target_os = "none"))]
type Room<'a> = &'a mut BytesMut;

/// A packet for which there was no room.
#[cold]
pub(super) fn rest(
    encoded: Result<(), EncodeError>,
    encode: impl FnOnce(Room<'_>) -> Result<(), EncodeError>,
) -> BytesMut {
    // What is polled was checked when it was queued.
    let Err(EncodeError::BufferTooSmall { needed, .. }) = encoded else {
        return BytesMut::new();
    };
    let mut rest = match QUICK {
        true => BytesMut::new(),
        false => BytesMut::zeroed(needed as usize),
    };
    let _ = encode(&mut rest);
    rest
}
