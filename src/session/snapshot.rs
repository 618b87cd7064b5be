use alloc::vec::Vec;

use super::call::{CallId, Expiry};
use crate::packet_id::PacketId;
use crate::qos::Delivery;

/// The state of a session that outlives a network connection, as plain data (section 4.1).
///
/// [`Session::snapshot`](super::Session::snapshot) takes it at any time, and
/// [`Session::restore`](super::Session::restore) checks it. It has no quotas, requests and answers,
/// which belong to a network connection, and no received message that is not acknowledged, which
/// the peer sends again.
///
/// Times in it are on the caller's clock. For messages to expire while no process runs, that clock
/// has to continue across a restart, such as the time since the Unix epoch.
///
/// ```
/// use mqtt_sansio::QoS;
/// use mqtt_sansio::session::Session;
///
/// let mut session = Session::new();
/// session.publish(QoS::ExactlyOnce, "a key of the caller's store")?;
/// let snapshot = session.snapshot(); // to be stored, for example with serde
/// let restored = Session::restore(snapshot, [])?;
/// assert_eq!(restored.snapshot(), session.snapshot());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(default, bound(deserialize = "M: serde::Deserialize<'de>"))
)]
#[non_exhaustive]
pub struct Snapshot<M> {
    /// The layout of this structure: [`LAYOUT`](Self::LAYOUT).
    pub layout: u8,
    /// The packet identifier of the last message that was published.
    pub last_packet_id: Option<PacketId>,
    /// The number up to which call identifiers may have been used.
    pub calls: u64,
    /// The messages that are to be sent, or sent again, in order.
    pub messages: Vec<StoredMessage<M>>,
    /// The QoS 2 messages for which PUBREL is to be sent again, in order.
    pub releases: Vec<StoredRelease>,
    /// The QoS 2 messages that were taken back after they were sent, so that PUBREL is sent in
    /// place of PUBLISH.
    pub abandoned: Vec<StoredRelease>,
    /// The packet identifiers of the QoS 2 messages from the peer, until it sends PUBREL.
    pub received: Vec<PacketId>,
}

/// A message to send, in a [`Snapshot`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[expect(
    clippy::exhaustive_structs,
    reason = "a record of a format that is stored"
)]
pub struct StoredMessage<M> {
    /// The QoS, 1 or 2, and the packet identifier.
    pub delivery: Delivery,
    /// True if the peer may have the message, so that it is sent again with DUP.
    #[cfg_attr(feature = "serde", serde(default))]
    pub sent: bool,
    /// The call that published it.
    pub call: CallId,
    /// The expiry of the message, if it is not sent before.
    #[cfg_attr(feature = "serde", serde(default))]
    pub expiry: Expiry,
    /// The message.
    pub message: M,
}

/// A message in a [`Snapshot`] for which PUBREL is to be sent again, instead of the message itself.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[expect(
    clippy::exhaustive_structs,
    reason = "a record of a format that is stored"
)]
pub struct StoredRelease {
    /// The packet identifier.
    pub packet_id: PacketId,
    /// The call that published the message.
    pub call: CallId,
}

impl<M> Snapshot<M> {
    /// The only layout so far.
    pub const LAYOUT: u8 = 1;

    /// Makes the snapshot of a new session.
    pub const fn new() -> Self {
        Self {
            layout: Self::LAYOUT,
            last_packet_id: None,
            calls: 0,
            messages: Vec::new(),
            releases: Vec::new(),
            abandoned: Vec::new(),
            received: Vec::new(),
        }
    }
}

impl<M> Default for Snapshot<M> {
    fn default() -> Self {
        Self::new()
    }
}
