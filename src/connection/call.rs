use alloc::boxed::Box;

use crate::packet::{Packet, Subscribe, Unsubscribe};
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

/// SUBSCRIBE or UNSUBSCRIBE, with any packet identifier before it is sent.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Subscribe(Box<Subscribe>),
    Unsubscribe(Box<Unsubscribe>),
}

impl Request {
    pub(super) fn packet(&self) -> Packet<&[u8]> {
        match self {
            Self::Subscribe(request) => Packet::Subscribe(request.as_borrowed()),
            Self::Unsubscribe(request) => Packet::Unsubscribe(request.as_borrowed()),
        }
    }
}
