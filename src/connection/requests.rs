use alloc::boxed::Box;

use super::call_queue::{Call, Request, What};
use super::ending::unanswered;
use super::error::{ConnectionError, Refused, Violation};
use super::event::{Answer, Event, GivenUp, RequestToken};
use super::receive::Verdict;
use super::{client, server};
use crate::message::Publishable;
use crate::packet::{
    Packet, ReasonCodes, SubAck, Subscribe, Subscriptions, TopicFilters, Unsubscribe,
};
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::property::{AckProperties, SubscribeProperties, UnsubscribeProperties};
use crate::qos::Delivery;
use crate::reason::ReasonCode;
use crate::session::{CallId, Expiry};
use crate::version::Version;

/// SUBSCRIBE and UNSUBSCRIBE of a client.
impl<M: Publishable> client::Connection<M> {
    /// Subscribes. [`Event::Subscribed`] has the outcome, with the identifier that is returned
    /// here.
    ///
    /// May be called at any time: SUBSCRIBE is sent once the server has accepted a connection. A
    /// request that was sent ends with its connection; one that was not sent waits for the next
    /// connection.
    ///
    /// # Errors
    ///
    /// The error returns the subscriptions, with [`QueueFull`](ConnectionError::QueueFull),
    /// [`NotSupported`](ConnectionError::NotSupported) or
    /// [`PacketTooLarge`](ConnectionError::PacketTooLarge), or
    /// [`Encode`](ConnectionError::Encode) if this version cannot express the packet.
    pub fn subscribe(
        &mut self,
        subscriptions: Subscriptions,
    ) -> Result<CallId, Refused<Subscriptions>> {
        self.subscribe_with(subscriptions, SubscribeProperties::default())
    }

    /// As [`subscribe`](Self::subscribe), with properties.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_with(
        &mut self,
        subscriptions: Subscriptions,
        properties: SubscribeProperties,
    ) -> Result<CallId, Refused<Subscriptions>> {
        let mut subscribe = Box::new(Subscribe::new(PacketId::MAX, subscriptions));
        subscribe.properties = properties;
        match self.check_new_request(&subscribe.as_borrowed().into()) {
            Err(why) => Err(Refused::new(why, subscribe.subscriptions)),
            Ok(()) => Ok(self.request(Request::Subscribe(subscribe))),
        }
    }

    /// Unsubscribes, as [`subscribe`](Self::subscribe) subscribes. [`Event::Unsubscribed`] has the
    /// outcome.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe). The error returns the filters.
    pub fn unsubscribe(&mut self, filters: TopicFilters) -> Result<CallId, Refused<TopicFilters>> {
        self.unsubscribe_with(filters, UnsubscribeProperties::default())
    }

    /// As [`unsubscribe`](Self::unsubscribe), with properties.
    ///
    /// # Errors
    ///
    /// As [`unsubscribe`](Self::unsubscribe).
    pub fn unsubscribe_with(
        &mut self,
        filters: TopicFilters,
        properties: UnsubscribeProperties,
    ) -> Result<CallId, Refused<TopicFilters>> {
        let mut unsubscribe = Box::new(Unsubscribe::new(PacketId::MAX, filters));
        unsubscribe.properties = properties;
        match self.check_new_request(&unsubscribe.as_borrowed().into()) {
            Err(why) => Err(Refused::new(why, unsubscribe.filters)),
            Ok(()) => Ok(self.request(Request::Unsubscribe(unsubscribe))),
        }
    }

    fn request(&mut self, request: Request) -> CallId {
        let id = self.session.take_call();
        self.outbox.calls.push(Call {
            id,
            expiry: Expiry::Never,
            what: What::Request(request),
        });
        id
    }

    fn check_new_request(&self, packet: &Packet<&[u8]>) -> Result<(), ConnectionError> {
        self.check_room()?;
        match self.has_version() {
            true => self.check_request(packet),
            false => Ok(()),
        }
    }

    /// Checks a request against the limits of the server.
    fn check_request(&self, packet: &Packet<&[u8]>) -> Result<(), ConnectionError> {
        if let Packet::Subscribe(subscribe) = packet {
            let checked = self.agreement.peer.check_subscribe(subscribe);
            checked.map_err(ConnectionError::NotSupported)?;
        }
        let len = packet.encoded_len(self.agreement.version)?;
        self.agreement.check_len(len)
    }

    /// Discards calls that were queued before the version and the server's limits were known, and
    /// that break them.
    pub(super) fn discard_unsupported(&mut self) {
        // Those that stay go round, in the memory that they have.
        for _ in 0..self.outbox.calls.waiting() {
            let Some(call) = self.outbox.pop_first() else {
                break;
            };
            let supported = match &call.what {
                What::Request(request) => self.check_request(&request.packet()),
                What::Publish(Some(message)) => self.check_message(message, Delivery::AtMostOnce),
                What::Publish(None) => Ok(()),
            };
            match (supported, call.what) {
                (Ok(()), what) => self.outbox.calls.push(Call { what, ..call }),
                (Err(_), What::Request(request)) => {
                    self.events.push_back(unanswered(call.id, request));
                }
                (Err(why), What::Publish(message)) => {
                    self.give_up(call.id, GivenUp::NotSupported(why), message);
                }
            }
        }
    }

    /// Handles SUBACK or UNSUBACK.
    pub(super) fn handle_request_answer<B: AsRef<[u8]>>(
        &mut self,
        packet: PacketType,
        ack: &SubAck<B>,
    ) -> Result<Verdict, Violation> {
        self.check_problem_information(&ack.properties)?;
        let (id, codes) = (ack.packet_id, ack.reasons.iter().len());
        let known = match packet {
            PacketType::SubAck => self.session.handle_sub_ack(id, codes)?,
            _ => self.session.handle_unsub_ack(id, codes)?,
        };
        if !known {
            self.report_unknown(packet, id);
        }
        let requests = self.outbox.get_rare().map(|rare| &mut rare.requests);
        if let Some((call, _)) = requests.and_then(|requests| requests.remove(&id)) {
            let ack = Box::new(ack.to_owned());
            self.events.push_back(match packet {
                PacketType::SubAck => Event::Subscribed(call, Answer::Codes(ack)),
                _ => Event::Unsubscribed(call, Answer::Codes(ack)),
            });
        }
        Ok(Verdict::Done)
    }
}

/// SUBSCRIBE and UNSUBSCRIBE at a server.
impl<M: Publishable> server::Connection<M> {
    /// Answers SUBSCRIBE, with one code for each topic filter [MQTT-3.8.4-2].
    ///
    /// # Errors
    ///
    /// [`NoSuchRequest`](ConnectionError::NoSuchRequest) if the request was answered before, or has
    /// another number of topic filters; [`WrongState`](ConnectionError::WrongState),
    /// [`PacketTooLarge`](ConnectionError::PacketTooLarge), or
    /// [`Encode`](ConnectionError::Encode) if SUBACK cannot have such a code.
    pub fn sub_ack(
        &mut self,
        token: RequestToken,
        codes: impl IntoIterator<Item = ReasonCode>,
    ) -> Result<(), ConnectionError> {
        self.sub_ack_with(token, codes, AckProperties::default())
    }

    /// As [`sub_ack`](Self::sub_ack), with properties. They are left out if the client does not
    /// support a packet of that size, or requested no problem information.
    ///
    /// # Errors
    ///
    /// As [`sub_ack`](Self::sub_ack).
    pub fn sub_ack_with(
        &mut self,
        token: RequestToken,
        codes: impl IntoIterator<Item = ReasonCode>,
        properties: AckProperties,
    ) -> Result<(), ConnectionError> {
        self.answer_request(PacketType::Subscribe, token, codes, properties)
    }

    /// Answers UNSUBSCRIBE, with one code for each topic filter. They are left out in 3.1.1, whose
    /// UNSUBACK has none.
    ///
    /// # Errors
    ///
    /// As [`sub_ack`](Self::sub_ack).
    pub fn unsub_ack(
        &mut self,
        token: RequestToken,
        codes: impl IntoIterator<Item = ReasonCode>,
    ) -> Result<(), ConnectionError> {
        self.unsub_ack_with(token, codes, AckProperties::default())
    }

    /// As [`unsub_ack`](Self::unsub_ack), with properties as in
    /// [`sub_ack_with`](Self::sub_ack_with).
    ///
    /// # Errors
    ///
    /// As [`sub_ack`](Self::sub_ack).
    pub fn unsub_ack_with(
        &mut self,
        token: RequestToken,
        codes: impl IntoIterator<Item = ReasonCode>,
        properties: AckProperties,
    ) -> Result<(), ConnectionError> {
        self.answer_request(PacketType::Unsubscribe, token, codes, properties)
    }

    fn answer_request(
        &mut self,
        packet: PacketType,
        token: RequestToken,
        codes: impl IntoIterator<Item = ReasonCode>,
        properties: AckProperties,
    ) -> Result<(), ConnectionError> {
        self.check_connected()?;
        let codes = match (packet, self.agreement.version) {
            (PacketType::Unsubscribe, Version::V311) => ReasonCodes::new([]),
            _ => ReasonCodes::new(codes),
        };
        let mut answer = SubAck::new(token.packet_id, codes);
        answer.properties = properties;
        let codes = answer.reasons.iter().len();
        let request = self.role.requests.get(&token.packet_id);
        if !request.is_some_and(|request| request.is_answered_by(token.number, packet, codes)) {
            return Err(ConnectionError::NoSuchRequest);
        }
        self.answer(match packet {
            PacketType::Subscribe => Packet::SubAck(answer),
            _ => Packet::UnsubAck(answer),
        })?;
        self.has_answer(token.packet_id);
        Ok(())
    }

    pub(super) fn begin_request(
        &mut self,
        packet: PacketType,
        packet_id: PacketId,
        codes: usize,
    ) -> Result<Verdict, Violation> {
        let number = self.await_answer(packet, packet_id, codes)?;
        Ok(Verdict::Request(RequestToken { number, packet_id }))
    }
}
