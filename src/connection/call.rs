use alloc::boxed::Box;

use crate::packet::{Packet, Subscribe, Subscriptions, TopicFilters, Unsubscribe};
use crate::packet_id::PacketId;
use crate::property::{SubscribeProperties, UnsubscribeProperties};
use crate::session::{CallId, Expiry};

/// A call that waits for its packet to be sent.
#[derive(Clone, Debug)]
pub(super) struct Call<M> {
    pub(super) id: CallId,
    /// A request does not expire.
    pub(super) expiry: Expiry,
    pub(super) what: What<M>,
}

#[derive(Clone, Debug)]
pub(super) enum What<M> {
    /// A message of QoS 0. It is there, except while it is moved in.
    Publish(Option<M>),
    Request(Request),
}

/// SUBSCRIBE or UNSUBSCRIBE before it has a packet identifier.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Subscribe(Box<(Subscriptions, SubscribeProperties)>),
    Unsubscribe(Box<(TopicFilters, UnsubscribeProperties)>),
}

impl Request {
    /// The number of topic filters.
    pub(super) fn filters(&self) -> usize {
        match self {
            Self::Subscribe(request) => request.0.iter().count(),
            Self::Unsubscribe(request) => request.0.iter().count(),
        }
    }

    /// The packet that makes the request.
    pub(super) fn packet(&self, id: PacketId) -> Packet<&[u8]> {
        match self {
            Self::Subscribe(request) => {
                let mut subscribe = Subscribe::new(id, request.0.as_borrowed());
                subscribe.properties = request.1.as_borrowed();
                Packet::Subscribe(subscribe)
            }
            Self::Unsubscribe(request) => {
                let mut unsubscribe = Unsubscribe::new(id, request.0.as_borrowed());
                unsubscribe.properties = request.1.as_borrowed();
                Packet::Unsubscribe(unsubscribe)
            }
        }
    }
}
