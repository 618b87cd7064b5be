use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;

use super::answers::Answers;
use super::call_queue::{Call, CallQueue, Request};
use super::outgoing::plain;
use super::payload::{Payload, Source};
use super::sorted::Sorted;
use crate::packet::{Ack, Packet};
use crate::packet_id::PacketId;
use crate::property::AckProperties;
use crate::reason::ReasonCode;
use crate::session::{CallId, Owed};

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
    /// The payload that is being written by the caller: nothing else is sent before its end.
    pub(super) payload: Option<Box<Payload<M>>>,
    /// The packet that was returned last, while the caller may borrow it.
    pub(super) handed: Option<Box<Packet>>,
    /// The properties of a message that is being sent.
    pub(super) block: Vec<u8>,
    pub(super) calls: CallQueue<M>,
    /// The parts that few connections have at a time.
    rare: Option<Box<Rare>>,
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
            calls: CallQueue::new(),
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
            calls: self.calls.take(),
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
        if self.calls.has_handed() {
            self.pop_handed_call();
        }
    }

    #[inline(never)]
    fn pop_handed_call(&mut self) {
        let sent = self.calls.pop_handed();
        let Some(payload) = &mut self.payload else {
            return;
        };
        // It was the last thing that was handed out.
        if let Source::Call(_, message @ None) = &mut payload.source {
            *message = sent;
        }
    }

    /// Takes the first of the calls that wait.
    pub(super) fn pop_first(&mut self) -> Option<Call<M>> {
        self.drop_handed_call();
        self.calls.pop_first()
    }

    /// Discards the messages that have expired, as
    /// [`Session::expire`](crate::session::Session::expire) does, and hands each to `gone`.
    pub(super) fn expire(&mut self, now: Duration, gone: impl FnMut(CallId, M)) {
        if self.calls.next_expiry().is_some_and(|at| at <= now) {
            self.drop_handed_call();
            self.calls.expire(now, gone);
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
