use core::time::Duration;

use bytes::{Buf, BufMut, BytesMut};

use super::auth::Turn;
use super::call::{Request, What};
use super::event::{Event, Outcome};
use super::outbox::{Next, push_made};
use super::outgoing::{How, outgoing, plain};
use super::payload::Source;
use super::{Connection, Role, State};
use crate::error::EncodeError;
use crate::message::Publishable;
use crate::packet::Packet;
use crate::qos::Delivery;
use crate::session::{Owed, Transmit};
use crate::version::Version;

/// The number of required answers that may be sent in a row while a call waits. The kinds of
/// answers take turns, so that none waits behind more than three of others.
const MOST_OWED_IN_A_ROW: u8 = 16;

impl<R: Role, M: Publishable> Connection<R, M> {
    /// The next packet to send, if any, to be encoded in [`version`](Self::version).
    ///
    /// This is the packet door; [`poll_bytes`](Self::poll_bytes) is the bytes door. If
    /// [`poll_payload`](Self::poll_payload) returns something behind a PUBLISH, encode that with
    /// [`encode_head`](crate::packet::Publish::encode_head).
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Packet<&[u8]>> {
        let now = self.advance(now);
        let next = self.prepare()?;
        self.transmit(now, next)
    }

    /// Chooses the next packet.
    #[inline]
    fn prepare(&mut self) -> Option<Next> {
        self.outbox.drop_handed_call();
        if self.outbox.attention {
            self.attend();
        }
        self.next()
    }

    #[inline]
    fn transmit(&mut self, now: Duration, next: Next) -> Option<Packet<&[u8]>> {
        let outbox = &mut self.outbox;
        outbox.take_turns(next);
        match next {
            Next::Owed(owed) => self.poll_owed(now, owed),
            Next::Message => self.poll_message(now),
            Next::Call => self.poll_call(now),
            Next::PingResp => {
                outbox.ping_responses -= 1;
                self.role.sent(now, false);
                Some(Packet::PingResp)
            }
            Next::PingReq => {
                outbox.ping_request = false;
                self.role.sent(now, true);
                Some(Packet::PingReq)
            }
            Next::Greeting | Next::Answer | Next::Last => self.poll_other(now, next),
        }
    }

    /// Writes bytes to be sent into `out`, as many as fit, and returns whether it wrote any.
    ///
    /// A packet may be split: its rest comes first in the next call. To write less at once,
    /// [limit](BufMut::limit) the buffer.
    pub fn poll_bytes(&mut self, now: Duration, out: &mut impl BufMut) -> bool {
        let now = self.advance(now);
        let mut written = false;
        loop {
            let rest = self.outbox.get_rare().map(|rare| &mut rare.rest);
            if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
                let len = rest.len().min(out.remaining_mut());
                written |= len > 0;
                out.put_slice(rest.get(..len).unwrap_or_default());
                rest.advance(len);
                if !rest.is_empty() {
                    return written;
                }
                *rest = BytesMut::new();
            }
            if !out.has_remaining_mut() {
                return written;
            }
            let version = self.agreement.version;
            let Some(next) = self.prepare() else {
                return written;
            };
            let apart = self.payload_len(next);
            let Some(packet) = self.transmit(now, next) else {
                return written;
            };
            match encode(&packet, version, apart, out) {
                Ok(()) => written = true,
                Err(EncodeError::BufferTooSmall { .. }) => {
                    let mut rest = BytesMut::new();
                    // It was encodable but for its length.
                    let _ = encode(&packet, version, apart, &mut rest);
                    self.outbox.rare().rest = rest;
                }
                // What is polled was checked when it was queued.
                Err(_) => {}
            }
        }
    }

    /// The length of the payload that the caller writes behind the next packet, if it does.
    #[inline]
    fn payload_len(&self, next: Next) -> Option<u32> {
        match next {
            Next::Message => self.session.next_message()?.message.payload_len(),
            Next::Call => match &self.outbox.first()?.what {
                What::Publish(message) => message.as_ref()?.payload_len(),
                What::Request(_) => None,
            },
            _ => None,
        }
    }

    /// Drops what is sent or may not be sent, and returns to the quick path if there is no more.
    #[inline(never)]
    fn attend(&mut self) {
        self.outbox.handed = None;
        if self.may_be_unsendable() {
            self.drop_unsendable();
        }
        self.outbox.attention = self.needs_attention();
    }

    fn needs_attention(&self) -> bool {
        let rare = self.outbox.owes_something() || self.outbox.handed.is_some();
        let rare = rare || self.outbox.payload.is_some();
        rare || self.may_be_unsendable() || !self.is_connected()
    }

    /// Returns whether there may be messages that are unchecked or expire.
    fn may_be_unsendable(&self) -> bool {
        let expires = self.session.next_expiry().is_some() || self.outbox.next_expiry.is_some();
        expires || self.outbox.unchecked
    }

    pub(super) fn has_something_to_send(&self) -> bool {
        match (self.next(), &self.state) {
            _ if self.outbox.payload.is_some() => true,
            (None, _) | (Some(Next::Last), State::Closing { last: None, .. }) => false,
            (Some(_), _) => true,
        }
    }

    #[inline]
    fn next(&self) -> Option<Next> {
        if self.outbox.attention {
            return self.next_of_many();
        }
        debug_assert!(!self.needs_attention());
        let owed = self.session.next_owed().map(Next::Owed);
        match owed {
            Some(_) if self.outbox.owed_in_a_row < MOST_OWED_IN_A_ROW => owed,
            _ => self.next_call().or(owed),
        }
    }

    #[inline(never)]
    fn next_of_many(&self) -> Option<Next> {
        if self.outbox.payload.is_some() {
            return None;
        }
        if self.outbox.greeting.is_some() {
            return Some(Next::Greeting);
        }
        let (calls, ends) = match &self.state {
            State::Idle | State::Closed { .. } => return None,
            State::Connecting { .. } => (self.settings.calls_before_conn_ack, false),
            State::Connected { .. } => (true, false),
            State::Closing { calls, .. } => (*calls, true),
        };
        let call = match calls {
            true => self.next_call(),
            false => None,
        };
        if let Some(call) = call.filter(|_| self.outbox.owed_in_a_row >= MOST_OWED_IN_A_ROW) {
            return Some(call);
        }
        let ping = match &self.outbox {
            outbox if outbox.ping_responses > 0 => Some(Next::PingResp),
            outbox if outbox.ping_request => Some(Next::PingReq),
            _ => None,
        };
        let own = match self.outbox.has_answers() {
            true if ping.is_none() || !self.outbox.ping_is_next => Some(Next::Answer),
            _ => ping,
        };
        let owed = match own {
            Some(own) if !self.outbox.session_is_next => Some(own),
            _ => self.session.next_owed().map(Next::Owed).or(own),
        };
        owed.or(call).or(if ends { Some(Next::Last) } else { None })
    }

    /// The earliest call whose packet may be sent now.
    #[inline]
    fn next_call(&self) -> Option<Next> {
        match self.outbox.waiting() {
            0 => self.session.next_call().map(|_| Next::Message),
            _ => self.next_of_both(),
        }
    }

    /// As [`next_call`](Self::next_call), while calls wait that are not in the session.
    #[inline(never)]
    fn next_of_both(&self) -> Option<Next> {
        let first = self.outbox.first().filter(|call| match &call.what {
            What::Publish(..) => true,
            What::Request(_) => self.session.next_packet_id().is_some(),
        });
        match (first, self.session.next_call()) {
            (Some(call), Some(message)) if call.id > message => Some(Next::Message),
            (Some(_), _) => Some(Next::Call),
            (None, Some(_)) => Some(Next::Message),
            (None, None) => None,
        }
    }

    #[inline]
    fn poll_owed(&mut self, now: Duration, owed: Owed) -> Option<Packet<&[u8]>> {
        self.role.sent(now, false);
        let outbox = &mut self.outbox;
        let why = match owed {
            Owed::Receipt if outbox.has_explanations() => {
                outbox.take_explanation(self.session.next_receipt())
            }
            _ => None,
        };
        Some(match self.session.poll_owed(owed)? {
            Transmit::PubAck(id, reason) => Packet::PubAck(outbox.explained(id, reason, why)),
            Transmit::PubRec(id, reason) => Packet::PubRec(outbox.explained(id, reason, why)),
            Transmit::PubRel(id, reason) => Packet::PubRel(plain(id, reason)),
            Transmit::PubComp(id, reason) => Packet::PubComp(plain(id, reason)),
            Transmit::Publish { .. } => return None,
        })
    }

    #[inline]
    fn poll_message(&mut self, now: Duration) -> Option<Packet<&[u8]>> {
        self.role.sent(now, false);
        let Transmit::Publish {
            delivery,
            dup,
            expires,
            message,
        } = self.session.poll_message()?
        else {
            return None;
        };
        if let (Some(len @ 1..), Some(id)) = (message.payload_len(), delivery.packet_id()) {
            self.outbox.begin_payload(Source::Session(id), len);
        }
        let how = How {
            version: self.agreement.version,
            delivery,
            dup,
            expires,
            now,
        };
        let (aliases, block) = (&mut self.own_aliases, &mut self.outbox.block);
        Some(outgoing(message, how, aliases, block, &self.agreement.peer))
    }

    fn poll_call(&mut self, now: Duration) -> Option<Packet<&[u8]>> {
        self.role.sent(now, false);
        if !matches!(self.outbox.first()?.what, What::Publish(..)) {
            return self.poll_request();
        }
        let call = self.outbox.first()?.id;
        match self.payload_len(Next::Call) {
            Some(len @ 1..) => self.outbox.begin_payload(Source::Call(call, None), len),
            _ => push_made(&mut self.events, || Event::Published(call, Outcome::Sent)),
        }
        let (message, expiry, block) = self.outbox.hand_out()?;
        let how = How {
            version: self.agreement.version,
            delivery: Delivery::AtMostOnce,
            dup: false,
            expires: expiry.deadline(),
            now,
        };
        let (aliases, limits) = (&mut self.own_aliases, &self.agreement.peer);
        Some(outgoing(message, how, aliases, block, limits))
    }

    #[inline(never)]
    fn poll_request(&mut self) -> Option<Packet<&[u8]>> {
        let call = self.outbox.pop_first()?;
        let What::Request(mut request) = call.what else {
            return None;
        };
        // There was a packet identifier when the call was chosen.
        let packet_id = match &mut request {
            Request::Subscribe(request) => {
                let filters = request.subscriptions.iter().count();
                request.packet_id = self.session.subscribe(filters).ok()?;
                request.packet_id
            }
            Request::Unsubscribe(request) => {
                let filters = request.filters.iter().count();
                request.packet_id = self.session.unsubscribe(filters).ok()?;
                request.packet_id
            }
        };
        let requests = &mut self.outbox.rare().requests;
        requests.insert(packet_id, (call.id, request));
        let (_, request) = requests.get(&packet_id)?;
        Some(request.packet())
    }

    /// CONNECT, CONNACK, AUTH, SUBACK, UNSUBACK or DISCONNECT. Nothing is left behind the last one.
    #[cold]
    fn poll_other(&mut self, now: Duration, next: Next) -> Option<Packet<&[u8]>> {
        let packet = match next {
            Next::Greeting => self.outbox.greeting.take(),
            Next::Answer => self.outbox.rare().answers.pop(self.agreement.version),
            _ => match &mut self.state {
                State::Closing { last, .. } => last.take(),
                _ => None,
            },
        };
        if let Next::Last = next {
            self.finish();
        }
        let packet = packet?;
        let is_answered = match *packet {
            Packet::Connect(_) => true,
            Packet::Auth(_) => self.is_turn(Turn::Peer),
            _ => false,
        };
        if is_answered {
            self.answer.start(now);
        }
        self.role.sent(now, false);
        Some(self.outbox.handed.insert(packet).as_borrowed())
    }
}

/// Appends a packet, without the payload that the caller writes.
#[inline]
fn encode(
    packet: &Packet<&[u8]>,
    version: Version,
    apart: Option<u32>,
    out: &mut impl BufMut,
) -> Result<(), EncodeError> {
    match (packet, apart) {
        (Packet::Publish(publish), Some(len)) => publish.encode_head(version, len as usize, out),
        _ => packet.encode(version, out),
    }
}
