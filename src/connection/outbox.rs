use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;

use super::answers::Answers;
use super::call::{Call, Request, What};
use super::outgoing::plain;
use super::payload::{Payload, Source};
use super::sorted::Sorted;
use crate::packet::{Ack, Packet};
use crate::packet_id::PacketId;
use crate::property::AckProperties;
use crate::reason::ReasonCode;
use crate::session::{CallId, Expiry, Owed};

/// Packets that wait to be sent on a network connection, but for those of the session.
// In this order, as a connection is.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Outbox<M> {
    /// CONNECT or CONNACK, which leaves before all else.
    pub(super) greeting: Option<Box<Packet>>,
    /// The number of PINGRESP to send.
    pub(super) ping_responses: u32,
    /// True if PINGREQ is due.
    pub(super) ping_request: bool,
    /// True if there may be messages that were not checked against the peer's limits.
    pub(super) unchecked: bool,
    /// The first call whose expiry interval has not begun.
    to_begin: Option<CallId>,
    /// No call expires before.
    pub(super) next_expiry: Option<Duration>,
    /// The payload that is being written by the caller: nothing else is sent before its end.
    pub(super) payload: Option<Box<Payload<M>>>,
    /// The packet that was returned last, while the caller may borrow it.
    pub(super) handed: Option<Box<Packet>>,
    /// The properties of a message that is being sent.
    pub(super) block: Vec<u8>,
    /// The parts that few connections have at a time.
    rare: Option<Box<Rare>>,
    /// The calls whose packets are not sent, but for messages of QoS 1 and 2, which the session
    /// has; in front of them the message that was handed out, if one is.
    calls: VecDeque<Call<M>>,
    /// True if the first of the calls is handed out. It stays there, as a message is costly to
    /// move.
    has_handed_call: bool,
    /// False if [`poll_transmit`](super::Connection::poll_transmit) has nothing to look at but
    /// calls and the session: the connection is accepted, nothing else is to be sent, and no
    /// message is unchecked or expires. What changes that sets it, and polling clears it.
    pub(super) attention: bool,
    pub(super) owed_in_a_row: u8,
    /// True if an answer of the session is next, rather than one of the connection.
    pub(super) session_is_next: bool,
    /// True if a ping is next of the answers of the connection, rather than SUBACK, UNSUBACK or
    /// AUTH.
    pub(super) ping_is_next: bool,
}

/// The parts that few connections have at a time, in a box of their own so that an idle one is
/// small.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub(super) answers: Answers,
    /// The explanations of PUBACK and PUBREC that are to be sent, by the number of the delivery.
    pub(super) explanations: Sorted<u64, AckProperties>,
    /// The requests that are sent and not answered.
    pub(super) requests: Sorted<PacketId, (CallId, Request)>,
    /// The end of a packet for which the caller's buffer had no room.
    pub(super) rest: BytesMut,
}

impl Rare {
    fn is_empty(&self) -> bool {
        let owed = self.answers.len() == 0 && self.explanations.is_empty();
        owed && self.requests.is_empty() && self.rest.is_empty()
    }
}

/// The kind of the next packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    Greeting,
    Answer,
    PingResp,
    PingReq,
    /// Something that the session owes.
    Owed(Owed),
    /// The first of the calls.
    Call,
    /// The next message of the session.
    Message,
    /// The last packet of the connection, if it has one.
    Last,
}

impl<M> Outbox<M> {
    pub(super) fn new() -> Self {
        Self {
            greeting: None,
            ping_responses: 0,
            ping_request: false,
            calls: VecDeque::new(),
            has_handed_call: false,
            to_begin: None,
            next_expiry: None,
            rare: None,
            unchecked: false,
            attention: true,
            payload: None,
            handed: None,
            block: Vec::new(),
            owed_in_a_row: 0,
            session_is_next: false,
            ping_is_next: false,
        }
    }

    /// Drops what belongs to the network connection that is over, but neither the calls nor the end
    /// of a packet that is half sent.
    pub(super) fn clear(&mut self) {
        self.drop_handed_call();
        let rest = self.rare.take().map(|rare| rare.rest);
        *self = Self {
            calls: core::mem::take(&mut self.calls),
            block: core::mem::take(&mut self.block),
            ..Self::new()
        };
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            self.rare().rest = rest;
        }
    }

    /// Drops the end of a packet that is half sent: there is no network connection for it.
    pub(super) fn cut(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.rest = BytesMut::new();
        }
    }

    pub(super) fn reserve(&mut self, count: u16) {
        let more = usize::from(count).saturating_sub(self.calls.len());
        self.calls.reserve_exact(more);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.drop_handed_call();
        self.handed = None;
        self.rare.take_if(|rare| rare.is_empty());
        self.calls.shrink_to_fit();
        self.block = Vec::new();
    }

    /// Returns whether no byte waits.
    pub(super) fn is_drained(&self) -> bool {
        self.rare.as_ref().is_none_or(|s| s.rest.is_empty())
    }

    /// The rare parts, to add to them.
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.attention = true;
        self.rare.get_or_insert_default()
    }

    /// The rare parts, if there are any.
    #[inline]
    pub(super) fn get_rare(&mut self) -> Option<&mut Rare> {
        self.rare.as_deref_mut()
    }

    /// Returns whether an answer waits.
    #[inline]
    pub(super) fn has_answers(&self) -> bool {
        self.rare.as_ref().is_some_and(|s| s.answers.len() > 0)
    }

    /// Returns whether a PUBACK or PUBREC has an explanation.
    #[inline]
    pub(super) fn has_explanations(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| !rare.explanations.is_empty())
    }

    /// Takes the explanation of the answer to a delivery, which is sent now or never.
    pub(super) fn take_explanation(&mut self, delivery: Option<u64>) -> Option<AckProperties> {
        self.rare.as_mut()?.explanations.remove(&delivery?)
    }

    /// Queues CONNECT or CONNACK.
    pub(super) fn greet(&mut self, packet: Packet) {
        self.greeting = Some(Box::new(packet));
        self.attention = true;
    }

    /// Queues PINGREQ.
    pub(super) const fn request_ping(&mut self) {
        self.ping_request = true;
        self.attention = true;
    }

    /// Queues PINGRESP.
    pub(super) const fn answer_ping(&mut self) {
        self.ping_responses = self.ping_responses.saturating_add(1);
        self.attention = true;
    }

    /// Drops the message that was handed out, which is sent by now.
    #[inline]
    pub(super) fn drop_handed_call(&mut self) {
        if self.has_handed_call {
            self.pop_handed_call();
        }
    }

    #[inline(never)]
    fn pop_handed_call(&mut self) {
        self.has_handed_call = false;
        let Some(payload) = &mut self.payload else {
            self.calls.pop_front();
            return;
        };
        let sent = self.calls.pop_front().map(|call| call.what);
        // It was the last thing that was handed out.
        if let (Source::Call(_, message @ None), Some(What::Publish(sent))) =
            (&mut payload.source, sent)
        {
            *message = sent;
        }
    }

    /// Begins a payload, of at least one byte, that the caller writes behind the next packet.
    #[cold]
    pub(super) fn begin_payload(&mut self, source: Source<M>, len: u32) {
        self.payload = Some(Box::new(Payload::new(source, len)));
        self.attention = true;
    }

    /// Ends the payload, whether or not it is complete.
    pub(super) fn end_payload(&mut self) -> Option<Box<Payload<M>>> {
        self.drop_handed_call();
        self.payload.take()
    }

    /// The calls that wait.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.calls.len() - usize::from(self.has_handed_call)
    }

    /// The first of the calls that wait.
    #[inline]
    pub(super) fn first(&self) -> Option<&Call<M>> {
        self.calls.get(usize::from(self.has_handed_call))
    }

    /// Returns whether the first of the calls that wait is a message.
    #[inline]
    pub(super) fn is_message_next(&self) -> bool {
        self.first_message().is_some()
    }

    /// The first of the calls that wait, if it is a message.
    #[inline]
    pub(super) fn first_message(&self) -> Option<(CallId, &M)> {
        match self.first()? {
            Call {
                id,
                what: What::Publish(Some(message)),
                ..
            } => Some((*id, message)),
            _ => None,
        }
    }

    /// Takes the first of the calls that wait.
    pub(super) fn pop_first(&mut self) -> Option<Call<M>> {
        self.drop_handed_call();
        self.calls.pop_front()
    }

    /// Takes a message of QoS 0 back.
    pub(super) fn take_message(&mut self, id: CallId) -> Option<M> {
        let handed = usize::from(self.has_handed_call);
        let is_message = |call: &Call<M>| call.id == id && matches!(call.what, What::Publish(..));
        let at = self.calls.iter().skip(handed).position(is_message)?;
        match self.calls.remove(handed + at)?.what {
            What::Publish(message) => message,
            What::Request(_) => None,
        }
    }

    /// Hands out the first of the calls, a message of QoS 0, with a buffer for its properties.
    #[inline]
    pub(super) fn hand_out(&mut self) -> Option<(&M, Expiry, &mut Vec<u8>)> {
        let Call {
            expiry,
            what: What::Publish(message),
            ..
        } = self.calls.front()?
        else {
            return None;
        };
        self.has_handed_call = true;
        Some((message.as_ref()?, *expiry, &mut self.block))
    }

    /// Queues a call.
    #[inline]
    pub(super) fn push(&mut self, call: Call<M>) {
        self.calls.push_back(call);
    }

    /// Queues a message of QoS 0.
    #[inline]
    pub(super) fn push_message(&mut self, id: CallId, expiry: Expiry, message: M) {
        match expiry {
            Expiry::Never => {}
            Expiry::After(_) => drop(self.to_begin.get_or_insert(id)),
            Expiry::At(at) => self.expires_next(at),
        }
        push_made(&mut self.calls, || Call {
            id,
            expiry,
            what: What::Publish(None),
        });
        if let Some(What::Publish(place)) = self.calls.back_mut().map(|call| &mut call.what) {
            // A message is long: it is moved once. Nothing was in its place that is to be dropped.
            core::mem::forget(place.replace(message));
        }
    }

    /// Begins the expiry intervals of the messages that were published since the last moment told.
    pub(super) fn begin_expiry(&mut self, now: Duration) {
        let Some(first) = self.to_begin.take() else {
            return;
        };
        let mut next: Option<Duration> = None;
        let new = self
            .calls
            .iter_mut()
            .rev()
            .take_while(|call| call.id >= first);
        for call in new {
            call.expiry = call.expiry.begun(now);
            next = next.into_iter().chain(call.expiry.deadline()).min();
        }
        if let Some(at) = next {
            self.expires_next(at);
        }
    }

    fn expires_next(&mut self, at: Duration) {
        self.next_expiry = Some(self.next_expiry.map_or(at, |next| next.min(at)));
    }

    /// Discards the messages that have expired, as
    /// [`Session::expire`](crate::session::Session::expire) does, and hands each to `gone`.
    pub(super) fn expire(&mut self, now: Duration, mut gone: impl FnMut(CallId, M)) {
        if self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        let mut left: Option<Duration> = None;
        // Those that stay go round, in the memory that they have.
        for _ in 0..self.waiting() {
            let Some(call) = self.pop_first() else {
                break;
            };
            match call.what {
                What::Publish(Some(message)) if call.expiry.is_over(now) => gone(call.id, message),
                what => {
                    left = left.into_iter().chain(call.expiry.deadline()).min();
                    self.calls.push_back(Call { what, ..call });
                }
            }
        }
        let soonest = now.saturating_add(Duration::from_secs(1));
        self.next_expiry = left.map(|left| left.max(soonest));
    }

    /// The first call, if it is a message that has expired.
    pub(super) fn first_expired(&self, now: Duration) -> Option<CallId> {
        let first = self.first()?;
        first.expiry.is_over(now).then_some(first.id)
    }

    /// PUBACK or PUBREC, with its explanation if it has one.
    #[inline]
    pub(super) fn explained(
        &mut self,
        packet_id: PacketId,
        reason: ReasonCode,
        explanation: Option<AckProperties>,
    ) -> Ack<&[u8]> {
        match explanation {
            None => plain(packet_id, reason),
            Some(properties) => self.explained_by(packet_id, reason, properties),
        }
    }

    #[cold]
    fn explained_by(
        &mut self,
        packet_id: PacketId,
        reason: ReasonCode,
        properties: AckProperties,
    ) -> Ack<&[u8]> {
        let mut ack = plain(packet_id, reason);
        let explained = Packet::PubAck(Ack {
            packet_id,
            reason,
            properties,
        });
        self.attention = true;
        if let Packet::PubAck(explained) = &**self.handed.insert(Box::new(explained)) {
            ack.properties = explained.properties.as_borrowed();
        }
        ack
    }

    /// Notes that this is sent, which decides the next turn.
    #[inline]
    pub(super) const fn take_turns(&mut self, next: Next) {
        self.session_is_next = matches!(next, Next::Answer | Next::PingResp | Next::PingReq);
        let of_session = matches!(next, Next::Owed(_));
        self.owed_in_a_row = match self.session_is_next || of_session {
            true => self.owed_in_a_row.saturating_add(1),
            false => 0,
        };
        if !of_session {
            self.ping_is_next = matches!(next, Next::Answer);
        }
    }

    /// Returns whether the connection has anything to send apart from calls.
    #[inline]
    pub(super) fn owes_something(&self) -> bool {
        self.greeting.is_some()
            || self.ping_responses > 0
            || self.ping_request
            || self.has_answers()
    }
}

/// Appends the result of `make`, built in its place: to build it elsewhere and move it stalls on
/// parts that were just written.
#[inline]
pub(super) fn push_made<T>(queue: &mut VecDeque<T>, make: impl FnOnce() -> T) {
    queue.extend(core::iter::once(make).map(|make| make()));
}
