use core::time::Duration;

use bytes::{Buf, BufMut, BytesMut};

use super::auth::Turn;
use super::call_queue::{Request, What};
use super::outbox::Next;
use super::outgoing::{outgoing, plain};
use super::put::{rest, take_message};
use super::{Connection, Role, State};
use crate::message::Publishable;
use crate::packet::Packet;
use crate::session::{Owed, Transmit};

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
            Next::Message => self.poll_message(now, next),
            Next::Call if outbox.calls.is_message_next() => self.poll_message(now, next),
            Next::Call => self.poll_request(now),
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
            let Some(next) = self.prepare() else {
                return written;
            };
            let is_message = match next {
                Next::Message => true,
                Next::Call => self.outbox.calls.is_message_next(),
                _ => false,
            };
            let put = match is_message {
                true => self.put_message(now, next, out),
                false => self.put_other(now, next, out),
            };
            match put {
                Some(put) => written |= put,
                None => return written,
            }
        }
    }

    #[inline(never)]
    fn put_other(&mut self, now: Duration, next: Next, out: &mut impl BufMut) -> Option<bool> {
        let version = self.agreement.version;
        let packet = self.transmit(now, next)?;
        let encoded = packet.encode(version, out);
        if encoded.is_err() {
            let rest = rest(encoded, |mut rest| packet.encode(version, &mut rest));
            self.outbox.rare().rest = rest;
        }
        Some(encoded.is_ok())
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
        let expires =
            self.session.next_expiry().is_some() || self.outbox.calls.next_expiry().is_some();
        expires || self.outbox.unchecked
    }

    pub(super) fn has_something_to_send(&self) -> bool {
        match (self.next(), &self.state) {
            _ if self.outbox.payload.is_some() => true,
            (None, _) | (Some(Next::Last), State::Closing { last: None, .. }) => false,
            (Some(_), _) => true,
        }
    }

    // As quick as the answer that there is nothing, which each loop ends with.
    #[inline(always)]
    pub(super) fn next(&self) -> Option<Next> {
        if self.outbox.attention {
            return self.next_of_many();
        }
        debug_assert!(!self.needs_attention());
        match self.session.may_owe() {
            false => self.next_call(),
            true => self.next_owed(),
        }
    }

    /// The answer of the session that is next. A message that is passed over has none before its end.
    #[inline(always)]
    fn session_owed(&self) -> Option<Owed> {
        match self.session.next_owed() {
            Some(Owed::Receipt) if self.extras.is_some() && self.is_receipt_early() => {
                self.session.next_owed_but_receipts()
            }
            owed => owed,
        }
    }

    #[inline(never)]
    fn next_owed(&self) -> Option<Next> {
        let owed = self.session_owed().map(Next::Owed);
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
        let answers = self.outbox.has_answers() && !self.is_refusal_early();
        let own = match answers {
            true if ping.is_none() || !self.outbox.ping_is_next => Some(Next::Answer),
            _ => ping,
        };
        let owed = match own {
            Some(own) if !self.outbox.session_is_next => Some(own),
            _ => self.session_owed().map(Next::Owed).or(own),
        };
        owed.or(call).or(if ends { Some(Next::Last) } else { None })
    }

    /// The earliest call whose packet may be sent now.
    #[inline(always)]
    fn next_call(&self) -> Option<Next> {
        match (self.outbox.calls.waiting(), self.session.may_send()) {
            (0, false) => None,
            (0, true) => Some(Next::Message),
            (_, false) if self.outbox.calls.is_message_next() => Some(Next::Call),
            _ => self.next_of_both(),
        }
    }

    /// As [`next_call`](Self::next_call), while calls wait that are not in the session.
    #[inline(never)]
    fn next_of_both(&self) -> Option<Next> {
        let first = self.outbox.calls.first().filter(|call| match &call.what {
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
    fn poll_message(&mut self, now: Duration, next: Next) -> Option<Packet<&[u8]>> {
        self.role.sent(now, false);
        let version = self.agreement.version;
        let (session, outbox, events) = (&mut self.session, &mut self.outbox, &mut self.events);
        let (message, how, block) = take_message(session, outbox, events, next, version, now)?;
        let (aliases, limits) = (&mut self.own_aliases, &self.agreement.peer);
        Some(outgoing(message, how, aliases, block, limits))
    }

    #[inline(never)]
    fn poll_request(&mut self, now: Duration) -> Option<Packet<&[u8]>> {
        self.role.sent(now, false);
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
        let (_, request) = requests.insert(packet_id, (call.id, request))?;
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
