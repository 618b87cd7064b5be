use core::convert::Infallible;
use core::time::Duration;

use super::call::{CallId, Expiry};
use crate::packet_id::PacketId;
use crate::qos::Delivery;

/// A change of the session state that outlives a network connection, to be stored as it happens.
///
/// Changes applied in order to an older [`Snapshot`](super::Snapshot) produce the newer one. A
/// session records them after [`Session::record_changes`](super::Session::record_changes) or
/// [`Connection::changes`](crate::connection::Connection::changes).
///
/// Store the changes that [`Session::poll_change`](super::Session::poll_change) returns, in order,
/// before the next packets are sent. Then a crash between any two changes loses no message and
/// duplicates no message of QoS 2.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Change<M> {
    /// A message was published and waits to be sent.
    Stored {
        /// The QoS and packet identifier.
        delivery: Delivery,
        /// The call that published it.
        call: CallId,
        /// The expiry of the message.
        #[cfg_attr(feature = "serde", serde(default))]
        expiry: Expiry,
        /// The message.
        message: M,
    },
    /// The Message Expiry Interval of a message has begun. It ends at this time, on the caller's
    /// clock.
    Expires(PacketId, Duration),
    /// A message is about to be sent, so that the peer may have it from now on.
    Sent(PacketId),
    /// PUBREC was received: the peer owns the message, and PUBREL is to be sent.
    Released(PacketId),
    /// The caller took back a QoS 2 message that had been sent: PUBREL is to be sent in its place.
    Abandoned(PacketId),
    /// The exchange is over, or the message was discarded before it was sent.
    Done(PacketId),
    /// This side owns a QoS 2 message from the peer.
    Received(PacketId),
    /// PUBREL was received: the next QoS 2 message with this identifier is a new one.
    Forgotten(PacketId),
    /// The peer has no session: all exchanges that had begun are discarded.
    Reset,
    /// Call identifiers up to this number may have been used.
    Calls(u64),
}

impl<M> Change<M> {
    /// Converts the message of the change, for example into a copy.
    pub fn map<N>(self, f: impl FnOnce(M) -> N) -> Change<N> {
        match self.try_map(|message| Ok::<_, Infallible>(f(message))) {
            Ok(change) => change,
            Err(never) => match never {},
        }
    }

    pub(super) fn try_map<N, E>(self, f: impl FnOnce(M) -> Result<N, E>) -> Result<Change<N>, E> {
        Ok(match self {
            Self::Stored {
                delivery,
                call,
                expiry,
                message,
            } => Change::Stored {
                delivery,
                call,
                expiry,
                message: f(message)?,
            },
            Self::Expires(id, at) => Change::Expires(id, at),
            Self::Sent(id) => Change::Sent(id),
            Self::Released(id) => Change::Released(id),
            Self::Abandoned(id) => Change::Abandoned(id),
            Self::Done(id) => Change::Done(id),
            Self::Received(id) => Change::Received(id),
            Self::Forgotten(id) => Change::Forgotten(id),
            Self::Reset => Change::Reset,
            Self::Calls(reserved) => Change::Calls(reserved),
        })
    }
}
