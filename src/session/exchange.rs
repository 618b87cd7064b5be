use super::call::{CallId, Expiry};
use super::receiver::Inbound;
use super::sender::Outbound;
use super::snapshot::StoredMessage;
use crate::packet_id::PacketId;
use crate::qos::{Delivery, QoS};
use crate::reason::ReasonCode;

/// An exchange that this side began.
#[derive(Clone, Debug)]
pub(super) struct Sent<M> {
    pub(super) state: Outbound,
    /// `None` after PUBREC, or once it was returned to the caller.
    pub(super) message: Option<M>,
    /// The call that published it; `None` for a request.
    pub(super) call: Option<CallId>,
    pub(super) expiry: Expiry,
    /// True if the packet was sent, or is stored as sent.
    pub(super) sent: bool,
    /// True if it was sent on an earlier network connection, so that a PUBLISH has DUP
    /// [MQTT-3.3.1-1].
    pub(super) dup: bool,
    /// True if it counts against the send quota.
    pub(super) counted: bool,
    /// True if PUBREL takes the place of a PUBLISH that the caller took back.
    pub(super) abandoned: bool,
    /// True if PUBREL was sent on this network connection.
    pub(super) released: bool,
    /// Topic filters in a request.
    pub(super) filters: usize,
}

impl<M> Sent<M> {
    pub(super) const fn new(state: Outbound, message: Option<M>, call: Option<CallId>) -> Self {
        Self {
            state,
            message,
            call,
            expiry: Expiry::Never,
            sent: false,
            dup: false,
            counted: false,
            abandoned: false,
            released: false,
            filters: 0,
        }
    }

    /// Marks it as sent on an earlier network connection.
    pub(super) const fn sent_before(mut self, sent: bool) -> Self {
        self.sent = sent;
        self.dup = sent;
        self
    }

    /// Returns whether the peer may have it, and not only the store says so.
    pub(super) const fn has_left(&self) -> bool {
        self.counted || self.dup
    }

    /// Returns whether PUBCOMP with this code is for this exchange, while PUBCOMP may also arrive
    /// for another PUBREL with its identifier.
    pub(super) fn awaits_pub_comp(&self, reason: ReasonCode) -> bool {
        // That PUBREL is unknown is true of the other: the peer has just sent PUBREC for this one.
        let of_another = self.counted && reason.is_error();
        self.state == Outbound::AwaitPubComp && self.released && !of_another
    }

    /// The message as it is stored, if there is one.
    pub(super) fn stored(&self, id: PacketId) -> Option<StoredMessage<&M>> {
        Some(StoredMessage {
            delivery: self.delivery(id),
            sent: self.sent,
            call: self.call?,
            expiry: self.expiry,
            message: self.message.as_ref()?,
        })
    }

    pub(super) fn delivery(&self, id: PacketId) -> Delivery {
        match self.state {
            Outbound::AwaitPubAck => Delivery::AtLeastOnce(id),
            _ => Delivery::ExactlyOnce(id),
        }
    }
}

/// The end of an exchange without an acknowledgement.
#[derive(Debug)]
pub(crate) enum Loss<M> {
    /// The message is discarded. `None` if it was returned to the caller before.
    GivenUp(Option<M>),
    /// The peer has acknowledged the message with PUBREC, and then lost the session.
    Received,
}

/// An exchange that the peer began.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) state: Inbound,
    /// The code of the answer, if it is decided and not yet sent.
    pub(super) reason: Option<ReasonCode>,
    /// True if the PUBLISH arrived on this network connection, and so counts against the quota.
    pub(super) counted: bool,
    /// The number of the delivery, which its token has too. Stored as bytes, as a peer may cause
    /// 65,535 of these and padding would double their size.
    number: [u8; 8],
}

impl Received {
    pub(super) const fn new(state: Inbound) -> Self {
        Self {
            state,
            reason: None,
            counted: false,
            number: [0; 8],
        }
    }

    pub(super) const fn number(&self) -> u64 {
        u64::from_ne_bytes(self.number)
    }

    pub(super) const fn set_number(&mut self, number: u64) {
        self.number = number.to_ne_bytes();
    }

    #[cfg(test)]
    pub(super) const fn is_counted(&self) -> bool {
        self.counted
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.reason.is_some()
    }

    /// The QoS of a message that is not answered.
    pub(super) const fn qos(&self) -> Option<QoS> {
        match self.state {
            Inbound::OwePubAck => Some(QoS::AtLeastOnce),
            Inbound::OwePubRec => Some(QoS::ExactlyOnce),
            Inbound::AwaitPubRel | Inbound::OwePubComp => None,
        }
    }
}
