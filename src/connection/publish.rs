use super::call_queue::What;
use super::error::{ConnectionError, Refused};
use super::event::GivenUp;
use super::role::Role;
use super::{Connection, State};
use crate::message::{Fault, Publishable};
use crate::packet::{Disconnect, Packet};
use crate::packet_type::PacketType;
use crate::property::{AckProperties, Place, Properties, PropertyId, TopicAlias};
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;
use crate::session::{CallId, Expiry, Outbound, SessionError, Token};
use crate::side::Side;
use crate::topic::TopicName;
use crate::version::Version;

/// The commands that both ends have.
impl<R: Role, M: Publishable> Connection<R, M> {
    /// Publishes a message. [`Event::Published`](super::Event::Published) has its outcome, with the
    /// identifier that is returned here.
    ///
    /// At QoS 1 and 2 a client may publish without a connection. If the server of the next
    /// connection does not support the message, it is returned with the outcome. The Message Expiry
    /// Interval begins with the first `now` after this call and is counted down while the message
    /// waits.
    ///
    /// # Errors
    ///
    /// The error returns the message, with [`QueueFull`](ConnectionError::QueueFull),
    /// [`WrongState`](ConnectionError::WrongState) (a server before `accept`, or QoS 0 without a
    /// connection), [`NotForwarded`](ConnectionError::NotForwarded),
    /// [`PayloadFormatInvalid`](ConnectionError::PayloadFormatInvalid), a limit of the peer that the
    /// message breaks, or [`Encode`](ConnectionError::Encode) if this version cannot express it. A
    /// server treats [`PacketTooLarge`](ConnectionError::PacketTooLarge) as if the message were
    /// sent [MQTT-3.1.2-25].
    #[inline]
    pub fn publish(&mut self, qos: QoS, message: impl Into<M>) -> Result<CallId, Refused<M>> {
        let message = message.into();
        let mut expiry = Expiry::Never;
        let delivery = match self.check_publish(qos, &message, &mut expiry) {
            Ok(delivery) => delivery,
            Err(why) => return Err(Refused::new(why, message)),
        };
        if expiry != Expiry::Never {
            self.outbox.attention = true;
        }
        match (Outbound::new(qos), delivery.packet_id()) {
            (Some(state), Some(id)) => Ok(self.session.push_message(state, id, expiry, message)),
            _ => {
                let id = self.session.take_call();
                self.outbox.calls.push_message(id, expiry, message);
                Ok(id)
            }
        }
    }

    #[inline]
    pub(super) fn check_publish(
        &mut self,
        qos: QoS,
        message: &M,
        expiry: &mut Expiry,
    ) -> Result<Delivery, ConnectionError> {
        self.check_room()?;
        let next = match qos {
            QoS::AtMostOnce => None,
            _ => self.session.next_packet_id(),
        };
        let delivery = match (qos, next) {
            (QoS::AtMostOnce, _) => Delivery::AtMostOnce,
            (QoS::AtLeastOnce, Some(id)) => Delivery::AtLeastOnce(id),
            (QoS::ExactlyOnce, Some(id)) => Delivery::ExactlyOnce(id),
            (_, None) => return Err(SessionError::PacketIdsExhausted.into()),
        };
        if self.outbox.attention && !self.may_publish(qos) {
            return Err(ConnectionError::WrongState);
        }
        let outline = message.outline(self.agreement.version);
        match outline.fault() {
            None => {}
            Some(Fault::PayloadFormat) => return Err(ConnectionError::PayloadFormatInvalid),
            Some(Fault::NotForwarded) => return Err(ConnectionError::NotForwarded),
        }
        if let Some(seconds) = outline.expiry() {
            *expiry = Expiry::After(seconds);
        }
        if let Some(at) = message.expires() {
            *expiry = Expiry::At(at);
        }
        if !self.outbox.attention || self.has_version() {
            let agreement = &self.agreement;
            agreement.check_message(R::SIDE, message, &outline, delivery)?;
        }
        Ok(delivery)
    }

    /// Returns whether a message can wait in this state.
    // In a call, as the state is far away from what the rest of `publish` reads.
    #[inline(never)]
    fn may_publish(&self, qos: QoS) -> bool {
        match (R::SIDE, &self.state) {
            (_, State::Connected { .. }) | (Side::Client, State::Connecting { .. }) => true,
            (Side::Client, State::Idle | State::Closed { .. }) => qos > QoS::AtMostOnce,
            _ => false,
        }
    }

    /// Discards the next messages if they have expired, or if they were queued before the peer's
    /// limits were known and break them [MQTT-3.1.2-25].
    #[cold]
    pub(super) fn drop_unsendable(&mut self) {
        while let Some(id) = self.outbox.calls.first_expired(self.now) {
            let call = self.outbox.pop_first();
            if let Some(What::Publish(message)) = call.map(|call| call.what) {
                self.give_up(id, GivenUp::Expired, message);
            }
        }
        if !matches!(self.state, State::Connected { .. } | State::Closing { .. }) {
            return;
        }
        while let Some((id, call, why)) = self.next_unsendable() {
            let message = self.session.abandon(id).ok();
            if !self.session.is_open(id, call) {
                self.give_up(call, why, message);
            }
        }
        self.outbox.unchecked &= self.session.next_message().is_some();
    }

    /// The next message of the session, if it may not be sent.
    fn next_unsendable(&self) -> Option<(crate::packet_id::PacketId, CallId, GivenUp)> {
        let stored = self.session.next_message()?;
        let (delivery, call, expiry) = (stored.delivery, stored.call, stored.expiry);
        let id = delivery.packet_id()?;
        if expiry.is_over(self.now) && !self.session.is_resent(id) {
            return Some((id, call, GivenUp::Expired));
        }
        if !self.outbox.unchecked {
            return None;
        }
        let why = self.check_message(stored.message, delivery).err()?;
        Some((id, call, GivenUp::NotSupported(why)))
    }

    /// Succeeds if the peer supports this message.
    pub(super) fn check_message(
        &self,
        message: &M,
        delivery: Delivery,
    ) -> Result<(), ConnectionError> {
        let agreement = &self.agreement;
        let outline = message.outline(agreement.version);
        agreement.check_message(R::SIDE, message, &outline, delivery)
    }

    /// Acknowledges a message that was delivered, and so accepts ownership of it. Without effect at
    /// QoS 0.
    ///
    /// Acknowledgements are sent in the order of the messages, whatever the order of these calls.
    /// To slow the peer down, acknowledge a message only after it is processed: the peer may have
    /// at most Receive Maximum messages unacknowledged.
    ///
    /// # Errors
    ///
    /// [`DeliveryOver`](SessionError::DeliveryOver) if the message was acknowledged before, or, at
    /// QoS 1, if its network connection has ended, so that the peer sends it again. At QoS 2 a token
    /// lasts as long as the session, as the message is not delivered again.
    #[inline]
    pub fn acknowledge(&mut self, token: Token) -> Result<(), ConnectionError> {
        Ok(self.session.acknowledge(token, ReasonCode::Success)?)
    }

    /// Acknowledges a message with a reason code and properties. A code of 0x80 or above refuses
    /// the message.
    ///
    /// The properties are left out if the peer does not support a packet of that size, or requested
    /// no problem information [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.1.2-29].
    ///
    /// # Errors
    ///
    /// As [`acknowledge`](Self::acknowledge), and
    /// [`InvalidReasonCode`](SessionError::InvalidReasonCode) for a code that the packet cannot
    /// have. In 3.1.1 no message can be refused.
    pub fn acknowledge_with(
        &mut self,
        token: Token,
        reason: ReasonCode,
        properties: AckProperties,
    ) -> Result<(), ConnectionError> {
        let Some(id) = token.packet_id() else {
            return Ok(());
        };
        let mut ack = crate::packet::Ack::new(id);
        ack.reason = reason;
        ack.properties = properties;
        // As long as PUBREC, and with the same codes.
        let packet = Packet::PubAck(ack);
        let len = packet.encoded_len(self.agreement.version);
        self.session.acknowledge(token, reason)?;
        let wanted = R::SIDE == Side::Client || self.agreement.problem_information;
        let fits = len.is_ok_and(|len| self.agreement.peer.fit(len));
        if let (Packet::PubAck(ack), true) = (packet, wanted && fits && self.is_connected()) {
            // No answer follows if a message is refused before the peer has sent it again.
            let is_due = || self.session.delivery(id) == Some(token.number());
            if !ack.properties.is_empty() && is_due() {
                let explanations = &mut self.outbox.rare().explanations;
                explanations.insert(token.number(), ack.properties);
            }
        }
        Ok(())
    }

    /// Takes back a message that has no outcome yet, so that it is not sent again.
    ///
    /// Its outcome follows: [`GivenUp::Abandoned`] immediately if the message was never sent, or
    /// else the outcome of its exchange, which goes on as
    /// [`Session::abandon`](crate::session::Session::abandon) describes. Returns `None` if the
    /// message is not kept any more, or while its [payload](Self::poll_payload) is written. Costs a walk over all messages.
    pub fn abandon(&mut self, call: CallId) -> Option<M> {
        if let Some(message) = self.outbox.calls.take_message(call) {
            self.give_up(call, GivenUp::Abandoned, None);
            return Some(message);
        }
        let stored = self.session.messages().find(|stored| stored.call == call)?;
        let id = stored.delivery.packet_id()?;
        if self.is_writing(id) {
            return None;
        }
        let message = self.session.abandon(id).ok();
        if !self.session.is_open(id, call) {
            self.give_up(call, GivenUp::Abandoned, None);
        }
        message
    }

    /// Assigns a topic alias to a topic on this connection, in place of its previous topic.
    ///
    /// # Errors
    ///
    /// [`TopicAlias`](ConnectionError::TopicAlias) if it is above the peer's maximum
    /// [MQTT-3.1.2-26] [MQTT-3.2.2-17], or if aliases are [automatic](Self::automatic_aliases).
    pub fn assign_alias(
        &mut self,
        topic: TopicName,
        alias: TopicAlias,
    ) -> Result<(), ConnectionError> {
        self.check_connected()?;
        match self.own_aliases.assign(topic, alias) {
            true => Ok(()),
            false => Err(ConnectionError::TopicAlias),
        }
    }

    /// Ends the connection with DISCONNECT. A server of 3.1.1 ends it without, as that version has
    /// no such packet from a server.
    ///
    /// Required answers and earlier calls are sent first, messages of QoS 1 and 2 as far as the
    /// quota allows. The others stay in the session, or have an outcome that says they were not
    /// sent. A server leaves out properties if the client does not support a packet of that size.
    ///
    /// # Errors
    ///
    /// [`WrongState`](ConnectionError::WrongState), also for a server before `accept`, which has to
    /// `refuse` instead [MQTT-3.14.0-1]; [`InvalidReasonCode`](ConnectionError::InvalidReasonCode)
    /// if this side may not send the code; [`SessionExpiry`](ConnectionError::SessionExpiry) if the
    /// interval of CONNECT was zero, or if a server sends one [MQTT-3.14.2-2].
    pub fn disconnect(&mut self, disconnect: Disconnect) -> Result<(), ConnectionError> {
        match (R::SIDE, &self.state) {
            (_, State::Connected { .. }) | (Side::Client, State::Connecting { .. }) => {}
            _ => return Err(ConnectionError::WrongState),
        }
        if !disconnect
            .reason
            .allowed_in(PacketType::Disconnect, Some(R::SIDE))
        {
            return Err(ConnectionError::InvalidReasonCode);
        }
        let expiry = disconnect.properties.session_expiry_interval();
        let changed = match R::SIDE {
            Side::Client => self.agreement.asked_expiry == 0 && expiry.unwrap_or(0) > 0,
            Side::Server => expiry.is_some(),
        };
        if changed {
            return Err(ConnectionError::SessionExpiry);
        }
        let last = match (R::SIDE, self.agreement.version) {
            (Side::Server, Version::V311) => None,
            (Side::Server, Version::V5) => self.fit_last(disconnect.into())?,
            (Side::Client, _) => Some(self.fit(disconnect.into())?),
        };
        self.agreement.session_expiry = expiry.unwrap_or(self.agreement.session_expiry);
        // Before CONNACK nothing else leaves, unless the caller has chosen so.
        let calls = self.is_connected() || self.settings.calls_before_conn_ack;
        self.close(super::Closed::Local, calls, last);
        Ok(())
    }

    /// Returns whether the version is known. Until the peer has sent its limits, the defaults of
    /// the specification hold.
    pub(super) const fn has_version(&self) -> bool {
        matches!(
            self.state,
            State::Connecting { .. } | State::Connected { .. } | State::Closing { .. }
        )
    }

    pub(super) fn check_connected(&self) -> Result<(), ConnectionError> {
        match self.state {
            State::Connected { .. } => Ok(()),
            _ => Err(ConnectionError::WrongState),
        }
    }

    /// Succeeds if there is room for one more call without an outcome.
    #[inline]
    pub(super) fn check_room(&self) -> Result<(), ConnectionError> {
        let unfinished =
            self.outbox.calls.waiting() + usize::from(self.session.packet_ids_in_use());
        match unfinished + self.events.len() < self.settings.max_queued {
            true => Ok(()),
            false => Err(ConnectionError::QueueFull),
        }
    }

    /// The packet in a form that the peer supports: without Reason String and User Properties if it
    /// is too large with them, or if the client requested no problem information.
    pub(super) fn fit(&self, mut packet: Packet) -> Result<Packet, ConnectionError> {
        let fits = self.fits(&packet)?;
        let wanted = R::SIDE == Side::Client || self.agreement.problem_information;
        match &mut packet {
            Packet::SubAck(ack) | Packet::UnsubAck(ack) if !fits || !wanted => {
                ack.properties = AckProperties::default();
            }
            Packet::Auth(auth) if !fits || !wanted => {
                auth.properties = unexplained(&auth.properties);
            }
            // These two may explain themselves at any time.
            Packet::ConnAck(ack) if !fits => ack.properties = unexplained(&ack.properties),
            Packet::Disconnect(last) if !fits => last.properties = unexplained(&last.properties),
            _ => {}
        }
        match fits || self.fits(&packet)? {
            true => Ok(packet),
            false => Err(ConnectionError::PacketTooLarge),
        }
    }

    /// The packet that ends the connection: without properties if it is too large with them, or
    /// none if it still is.
    pub(super) fn fit_last(&self, mut packet: Packet) -> Result<Option<Packet>, ConnectionError> {
        let fitting = self.fit(packet.clone());
        if fitting != Err(ConnectionError::PacketTooLarge) {
            return fitting.map(Some);
        }
        match &mut packet {
            Packet::ConnAck(ack) => ack.properties = Properties::default(),
            Packet::Disconnect(last) => last.properties = Properties::default(),
            _ => {}
        }
        Ok(self.fits(&packet)?.then_some(packet))
    }

    fn fits(&self, packet: &Packet) -> Result<bool, ConnectionError> {
        let len = packet.encoded_len(self.agreement.version)?;
        Ok(self.agreement.peer.fit(len))
    }
}

fn unexplained<K: Place, B: AsRef<[u8]>>(properties: &Properties<K, B>) -> Properties<K> {
    let builder = properties.to_builder().without(PropertyId::ReasonString);
    builder.without(PropertyId::UserProperty).build()
}
