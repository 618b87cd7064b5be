//! The state that outlives a network connection: packet identifiers, messages in flight, and the
//! exchanges of QoS 1 and QoS 2 (sections 4.3, 4.4, 4.6 and 4.9).
//!
//! [`Outbound`] and [`Inbound`] are single exchanges, and [`Session`] is the whole state of one
//! side. None of them handles bytes: they take packet identifiers and reason codes, and return what
//! to send.

use core::num::NonZeroU16;
use core::time::Duration;

use crate::packet_id::PacketId;
use crate::qos::Delivery;
use crate::reason::ReasonCode;
use crate::version::Version;

mod acks;
mod call;
mod change;
mod error;
mod exchange;
mod expiry;
mod in_flight;
mod packet_ids;
mod receiver;
mod receiving;
mod sender;
mod sending;
mod snapshot;
mod store;
mod strays;

pub(crate) use acks::Effect;
pub use acks::{Fate, Progress};
use call::Calls;
pub use call::{CallId, Expiry};
pub use change::Change;
pub use error::{InvalidSnapshot, Refused, SessionError, Violation};
pub(crate) use exchange::Loss;
use exchange::{Received, Sent};
use in_flight::{InFlight, Lane};
pub use packet_ids::PacketIds;
pub use receiver::{Inbound, PublishStep};
pub use receiving::{Receipt, Token};
pub use sender::{Outbound, Step};
pub use snapshot::{Snapshot, StoredMessage, StoredRelease};
use store::Changes;
use strays::Strays;

/// The session state of one side, client or server: the exchanges it began and those of its peer.
///
/// `M` is what the caller keeps of a message to send it again, such as a [`Frame`](crate::Frame) or
/// a key of its own store. Packet identifiers of the two directions are independent of each other.
///
/// After each `handle_*` and each command, call [`poll_transmit`](Self::poll_transmit) until it
/// returns `None`. A new session holds no memory on the heap. It grows with the messages in flight,
/// and [`shrink_to_fit`](Self::shrink_to_fit) frees what is unused.
///
/// ```
/// use mqtt_sansio::session::{Link, Receipt, Session, Transmit};
/// use mqtt_sansio::{QoS, ReasonCode, Version};
///
/// let (mut client, mut server) = (Session::new(), Session::<&str>::new());
/// client.connect(Link::new(Version::V5));
/// server.connect(Link::new(Version::V5));
///
/// client.publish(QoS::AtLeastOnce, "15:0")?;
/// let Some(Transmit::Publish { delivery, message: &"15:0", .. }) = client.poll_transmit()
/// else { panic!() };
///
/// let Receipt::New(token) = server.handle_publish(delivery)? else { panic!() };
/// server.acknowledge(token, ReasonCode::Success)?;
/// let Some(Transmit::PubAck(id, reason)) = server.poll_transmit() else { panic!() };
///
/// let _ = client.handle_pub_ack(id, reason)?;
/// assert!(client.is_empty() && server.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// In this order, as a connection is.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Session<M> {
    /// The kind of the last required answer that was sent.
    served: Owed,
    /// The number of PUBCOMP that may arrive on this network connection without an exchange that
    /// awaits one: each answers PUBREL for an unknown identifier, or a repeated PUBREL. Those for an
    /// identifier that is not in use are not counted, as they may answer nothing.
    unawaited: u32,
    /// The number of the next delivery.
    deliveries: u64,
    /// The time before which no message expires.
    next_expiry: Option<Duration>,
    inbound: InFlight<Received>,
    calls: Calls,
    /// Answers to packets for packet identifiers that are not in use.
    strays: Strays,
    changes: Changes,
    link: Option<Link>,
    /// PUBLISH of QoS 1 and 2 that are unacknowledged on this network connection, each way.
    sending: u16,
    receiving: u16,
    /// The packet identifier that a message got last, of those stored where changes are recorded.
    last_stored: Option<PacketId>,
    /// The first message whose expiry interval has not begun.
    to_begin: Option<PacketId>,
    /// The first message of which is not stored that it is sent.
    to_announce: Option<PacketId>,
    outbound: InFlight<Sent<M>>,
}

/// The kinds of packets that the protocol owes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Owed {
    /// PUBCOMP.
    Completion,
    /// PUBACK or PUBREC.
    Receipt,
    /// PUBREL.
    Release,
}

impl<M> Session<M> {
    /// A new session, not connected.
    pub const fn new() -> Self {
        Self {
            outbound: InFlight::new(),
            inbound: InFlight::new(),
            link: None,
            sending: 0,
            receiving: 0,
            strays: None,
            unawaited: 0,
            deliveries: 0,
            calls: Calls::new(),
            last_stored: None,
            to_begin: None,
            to_announce: None,
            next_expiry: None,
            changes: None,
            served: Owed::Release,
        }
    }

    /// Begins a network connection, once CONNACK is received or sent.
    ///
    /// Unacknowledged packets are sent again [MQTT-4.4.0-1], each kind in its order [MQTT-4.6.0-1]
    /// [MQTT-4.6.0-4]: PUBREL first, then PUBLISH as the new quota allows. If the peer has no
    /// session, call [`reset`](Self::reset) first.
    pub fn connect(&mut self, link: Link) {
        // Requests may be sent before CONNACK, and then they are of this connection.
        let early = self.link.is_none();
        self.end_link(early, &mut |_, _| ());
        self.link = Some(link);
    }

    /// Ends the network connection.
    ///
    /// Unanswered SUBSCRIBE and UNSUBSCRIBE are discarded, as they are not part of a session. So
    /// are received messages of QoS 1 that this side has not acknowledged, which the peer sends
    /// again.
    pub fn disconnect(&mut self) {
        self.disconnect_with(&mut |_, _| ());
    }

    /// Ends the network connection, and passes the calls that end with it to `gone`.
    pub(crate) fn disconnect_with(&mut self, gone: &mut impl FnMut(CallId, Loss<M>)) {
        self.end_link(false, gone);
    }

    fn end_link(&mut self, keep_requests: bool, gone: &mut impl FnMut(CallId, Loss<M>)) {
        self.link = None;
        self.strays = None;
        self.unawaited = 0;
        if !keep_requests {
            while let Some((id, _)) = self.outbound.first(Lane::Request) {
                self.outbound.remove(id);
            }
        }
        self.disconnect_sender(gone);
        self.disconnect_receiver();
    }

    /// Discards every exchange that had begun, as the peer has no session [MQTT-3.2.2-5].
    ///
    /// Messages that were never sent stay, in order and with their packet identifiers. To discard
    /// them as well, make a [`new`](Self::new) session.
    pub fn reset(&mut self) {
        self.reset_with(&mut |_, _| ());
    }

    /// Discards every exchange that had begun, and passes the calls that end with it to `gone`.
    pub(crate) fn reset_with(&mut self, gone: &mut impl FnMut(CallId, Loss<M>)) {
        if self.link.is_some() {
            self.disconnect_with(gone);
        }
        let before = (self.packet_ids_in_use(), self.received());
        self.inbound.clear();
        self.reset_sender(gone);
        if (self.packet_ids_in_use(), 0) != before {
            self.record(Change::Reset);
        }
    }

    /// Takes memory for this many exchanges of QoS 1 and 2, those in flight included, which this side
    /// and the peer began. As long as there are no more, the session needs no other.
    ///
    /// Above eight each way, this holds for packet identifiers in a row; where they are scattered, their
    /// tables grow, up to those of [`PacketIds`].
    pub fn reserve(&mut self, outbound: u16, inbound: u16) {
        self.outbound.reserve(outbound);
        self.inbound.reserve(inbound);
    }

    /// Frees memory that is kept for further messages.
    pub fn shrink_to_fit(&mut self) {
        self.outbound.shrink_to_fit();
        self.inbound.shrink_to_fit();
    }

    /// The next packet to send, or `None` if there is none or no network connection.
    ///
    /// Packets are to be sent in this order, and count as sent once they are returned.
    // To return it through memory costs as much as to find it.
    #[inline(always)]
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, M>> {
        match self.next_owed() {
            Some(owed) => self.poll_owed(owed),
            None => self.poll_message(),
        }
    }

    /// The kind of the next required answer. Kinds take turns, so that none waits behind more than
    /// two of others.
    #[inline]
    pub(crate) fn next_owed(&self) -> Option<Owed> {
        if !self.may_owe() {
            return None;
        }
        let receipt = self.inbound.has_unsent(Lane::Message) && self.is_next_answered();
        let mut completion = self.inbound.has_unsent(Lane::Release);
        let mut release = self.outbound.has_unsent(Lane::Release);
        if self.strays.is_some() {
            completion |= self.owes_stray_completion();
            release |= self.owes_stray_release();
        }
        match (self.link.is_some(), completion, receipt, release) {
            (false, ..) | (_, false, false, false) => None,
            (_, true, false, false) => Some(Owed::Completion),
            (_, false, true, false) => Some(Owed::Receipt),
            (_, false, false, true) => Some(Owed::Release),
            _ => {
                let [first, second, third] = match self.served {
                    Owed::Completion => [Owed::Receipt, Owed::Release, Owed::Completion],
                    Owed::Receipt => [Owed::Release, Owed::Completion, Owed::Receipt],
                    Owed::Release => [Owed::Completion, Owed::Receipt, Owed::Release],
                };
                let ready = |owed: &Owed| match owed {
                    Owed::Completion => completion,
                    Owed::Receipt => receipt,
                    Owed::Release => release,
                };
                [first, second, third].into_iter().find(ready)
            }
        }
    }

    /// As [`next_owed`](Self::next_owed) where it returns a receipt, which has to wait. Behind
    /// receipts it is the turn of PUBREL.
    #[cold]
    pub(crate) fn next_owed_but_receipts(&self) -> Option<Owed> {
        if self.outbound.has_unsent(Lane::Release) || self.owes_stray_release() {
            return Some(Owed::Release);
        }
        let completion = self.inbound.has_unsent(Lane::Release) || self.owes_stray_completion();
        completion.then_some(Owed::Completion)
    }

    /// Returns whether there may be a required answer: nearly every time there is none.
    #[inline]
    pub(crate) const fn may_owe(&self) -> bool {
        let waiting = self.inbound.unsent_slot(Lane::Message)
            & self.inbound.unsent_slot(Lane::Release)
            & self.outbound.unsent_slot(Lane::Release);
        // All bits are set in no slot, and in no other.
        waiting != in_flight::NONE || self.strays.is_some()
    }

    /// Returns whether the caller has decided the answer to the first unanswered message.
    fn is_next_answered(&self) -> bool {
        let next = self.inbound.unsent(Lane::Message);
        next.is_some_and(|(_, received)| received.is_answered())
    }

    // As `poll_transmit`.
    #[inline(always)]
    pub(crate) fn poll_owed(&mut self, owed: Owed) -> Option<Transmit<'_, M>> {
        self.served = owed;
        match owed {
            Owed::Completion => self.poll_completion(),
            Owed::Receipt => self.poll_receipt(),
            Owed::Release => self.poll_release(),
        }
    }

    /// The number of packet identifiers that this side uses: one for each of its messages and
    /// requests, waiting or sent.
    pub const fn packet_ids_in_use(&self) -> u16 {
        self.outbound.ids().len()
    }

    /// The number of the peer's packet identifiers that are kept.
    pub const fn received(&self) -> u16 {
        self.inbound.ids().len()
    }

    /// Returns whether nothing is in flight in either direction.
    pub const fn is_empty(&self) -> bool {
        self.packet_ids_in_use() == 0 && self.received() == 0
    }

    /// Returns whether there is a network connection.
    pub const fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    fn version(&self) -> Version {
        self.link.map_or(Version::V5, |link| link.version)
    }
}

impl<M> Default for Session<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// The parameters of a session on one network connection, from CONNECT and CONNACK.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Link {
    /// The version of the connection.
    pub version: Version,
    /// The number of PUBLISH of QoS 1 and 2 that this side may have unacknowledged: the peer's
    /// Receive Maximum or less [MQTT-4.9.0-1]. Also used in 3.1.1, where the peer has no such
    /// limit.
    pub send_maximum: NonZeroU16,
    /// The Receive Maximum of this side. It holds in 3.1.1 as well, where it cannot be announced.
    pub receive_maximum: NonZeroU16,
}

impl Link {
    /// Makes parameters without limits: 65,535 in both directions.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            send_maximum: NonZeroU16::MAX,
            receive_maximum: NonZeroU16::MAX,
        }
    }
}

/// A packet to send.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "callers must send every kind")]
pub enum Transmit<'a, M> {
    /// PUBLISH.
    Publish {
        /// The QoS, 1 or 2, and packet identifier.
        delivery: Delivery,
        /// True if the message may have been sent on an earlier network connection [MQTT-3.3.1-1].
        dup: bool,
        /// The time at which the message expires, on the caller's clock. The rest of the interval
        /// is sent with it [MQTT-3.3.2-6].
        expires: Option<Duration>,
        /// The message that the caller stored.
        message: &'a M,
    },
    /// PUBACK.
    PubAck(PacketId, ReasonCode),
    /// PUBREC.
    PubRec(PacketId, ReasonCode),
    /// PUBREL.
    PubRel(PacketId, ReasonCode),
    /// PUBCOMP.
    PubComp(PacketId, ReasonCode),
}

#[cfg(test)]
mod tests {
    use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
    use alloc::vec::Vec;

    use super::*;
    use crate::qos::QoS;

    /// Xorshift: the same numbers in every run.
    pub(super) struct Rng(u64);

    impl Rng {
        pub(super) fn new(seed: u64) -> Self {
            Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
        }

        /// From 0 to `end`, exclusive.
        pub(super) fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 33).unwrap() % end
        }
    }

    impl<M> Session<M> {
        /// What holds between any two calls.
        pub(super) fn check(&self) {
            let lanes = [Lane::Message, Lane::Release, Lane::Request];
            // Identifiers in use are exchanges alive.
            let outbound: Vec<_> = lanes.iter().flat_map(|&l| self.outbound.iter(l)).collect();
            assert_eq!(outbound.len(), usize::from(self.packet_ids_in_use()));
            let inbound: Vec<_> = lanes.iter().flat_map(|&l| self.inbound.iter(l)).collect();
            assert_eq!(inbound.len(), usize::from(self.received()));
            // What is free and what is in flight make up the maximum.
            let sending = outbound.iter().filter(|(_, sent)| sent.counted).count();
            let maximum = self.link.map_or(0, |link| link.send_maximum.get());
            assert!(sending <= usize::from(maximum));
            assert_eq!(
                sending + usize::from(self.send_quota()),
                usize::from(maximum)
            );
            let receiving = inbound.iter().filter(|(_, r)| r.is_counted()).count();
            let maximum = self
                .link
                .map_or(u16::MAX, |link| link.receive_maximum.get());
            assert_eq!(
                receiving + usize::from(self.receive_quota()),
                usize::from(maximum)
            );
            if let Some((id, sent)) = self.outbound.unsent(Lane::Message) {
                assert!(sent.message.is_some(), "{id} cannot be sent");
            }
        }
    }

    impl<M> Session<M> {
        /// Handles PUBLISH, and says whether it is new.
        pub(super) fn receive(&mut self, delivery: Delivery) -> Result<bool, Violation> {
            let receipt = self.handle_publish(delivery)?;
            Ok(matches!(receipt, Receipt::New(_)))
        }

        /// Answers the delivery that has this identifier now.
        pub(super) fn answer(
            &mut self,
            id: PacketId,
            reason: ReasonCode,
        ) -> Result<(), SessionError> {
            self.acknowledge(self.token(id), reason)
        }
    }

    pub(super) fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    pub(super) fn link(version: Version, send: u16, receive: u16) -> Link {
        Link {
            version,
            send_maximum: NonZeroU16::new(send).unwrap(),
            receive_maximum: NonZeroU16::new(receive).unwrap(),
        }
    }

    /// A packet, without its content.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub(super) enum Wire {
        Publish(Delivery, bool, u32),
        PubAck(PacketId, ReasonCode),
        PubRec(PacketId, ReasonCode),
        PubRel(PacketId, ReasonCode),
        PubComp(PacketId, ReasonCode),
    }

    pub(super) fn poll(session: &mut Session<u32>) -> Option<Wire> {
        let wire = session.poll_transmit().map(|transmit| match transmit {
            Transmit::Publish {
                delivery,
                dup,
                message,
                ..
            } => Wire::Publish(delivery, dup, *message),
            Transmit::PubAck(id, reason) => Wire::PubAck(id, reason),
            Transmit::PubRec(id, reason) => Wire::PubRec(id, reason),
            Transmit::PubRel(id, reason) => Wire::PubRel(id, reason),
            Transmit::PubComp(id, reason) => Wire::PubComp(id, reason),
        });
        session.check();
        wire
    }

    pub(super) fn drain(session: &mut Session<u32>) -> Vec<Wire> {
        core::iter::from_fn(|| poll(session)).collect()
    }

    /// A session with its application.
    struct Side {
        session: Session<u32>,
        /// Messages that came and are not answered yet.
        undecided: Vec<(Token, u32)>,
        delivered: BTreeMap<u32, u32>,
        refused: BTreeSet<u32>,
        /// The messages in the order in which they came first.
        seen: Vec<u32>,
        transmitted: BTreeSet<u32>,
        /// Answers owed to PUBLISH, and PUBRELs, in the order in which they have to leave.
        owed: VecDeque<PacketId>,
        to_release: VecDeque<PacketId>,
        releases: Vec<PacketId>,
        completed: u32,
        /// A snapshot and the changes since, where they are recorded.
        stored: Option<(Snapshot<u32>, Vec<Change<u32>>)>,
    }

    impl Side {
        fn new() -> Self {
            Self {
                session: Session::new(),
                undecided: Vec::new(),
                delivered: BTreeMap::new(),
                refused: BTreeSet::new(),
                seen: Vec::new(),
                transmitted: BTreeSet::new(),
                owed: VecDeque::new(),
                to_release: VecDeque::new(),
                releases: Vec::new(),
                completed: 0,
                stored: None,
            }
        }

        /// Stores changes from now on, on top of a snapshot.
        fn record(&mut self) {
            self.session.record_changes();
            self.stored = Some((self.session.snapshot(), Vec::new()));
        }

        /// Stores what has changed.
        fn store(&mut self) {
            while let Some(change) = self.session.poll_change() {
                let change = change.map(|message| *message);
                self.stored.as_mut().unwrap().1.push(change);
            }
        }

        fn transmit(&mut self) -> Option<Wire> {
            self.store();
            let wire = poll(&mut self.session)?;
            match wire {
                // [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-3.3.1-1]: DUP exactly if sent before, or
                // stored as sent.
                Wire::Publish(_, dup, message) => {
                    let first = self.transmitted.insert(message);
                    assert!(first != dup || (first && self.stored.is_some()));
                }
                // [MQTT-4.6.0-2] [MQTT-4.6.0-3]
                Wire::PubAck(id, _) | Wire::PubRec(id, _) => {
                    assert_eq!(self.owed.pop_front(), Some(id));
                }
                // [MQTT-4.6.0-4]
                Wire::PubRel(id, _) => assert_eq!(self.to_release.pop_front(), Some(id)),
                Wire::PubComp(..) => {}
            }
            Some(wire)
        }

        fn receive(&mut self, wire: Wire) {
            let progress = match wire {
                Wire::Publish(delivery, _, message) => {
                    let id = delivery.packet_id().unwrap();
                    if !self.owed.contains(&id) {
                        self.owed.push_back(id);
                    }
                    let receipt = self.session.handle_publish(delivery).unwrap();
                    if let Receipt::New(token) = receipt {
                        self.undecided.push((token, message));
                        if !self.seen.contains(&message) {
                            self.seen.push(message);
                        }
                    }
                    Progress::Unchanged
                }
                Wire::PubAck(id, reason) => self.session.handle_pub_ack(id, reason).unwrap(),
                Wire::PubRec(id, reason) => self.session.handle_pub_rec(id, reason).unwrap(),
                Wire::PubComp(id, reason) => self.session.handle_pub_comp(id, reason).unwrap(),
                Wire::PubRel(id, _) => {
                    self.session.handle_pub_rel(id).unwrap();
                    Progress::Unchanged
                }
            };
            match (progress, wire) {
                (Progress::Received, Wire::PubRec(id, _)) => {
                    self.releases.push(id);
                    self.to_release.push_back(id);
                }
                (
                    Progress::Completed { .. },
                    Wire::PubAck(id, _) | Wire::PubRec(id, _) | Wire::PubComp(id, _),
                ) => {
                    self.completed += 1;
                    self.releases.retain(|release| *release != id);
                }
                (progress, _) => assert_eq!(progress, Progress::Unchanged),
            }
            self.session.check();
        }

        fn decide(&mut self, at: usize, refuse: bool) {
            let (token, message) = self.undecided.remove(at);
            let reason = match refuse {
                true => ReasonCode::QuotaExceeded,
                false => ReasonCode::NoMatchingSubscribers,
            };
            self.session.acknowledge(token, reason).unwrap();
            let late = self.session.acknowledge(token, reason);
            assert_eq!(late, Err(SessionError::DeliveryOver));
            match refuse {
                true => drop(self.refused.insert(message)),
                false => *self.delivered.entry(message).or_default() += 1,
            }
            self.session.check();
        }

        fn disconnect(&mut self, crash: bool) {
            if crash {
                self.store();
                let snapshot = self.session.snapshot();
                let (base, changes) = match self.stored.take() {
                    Some((base, changes)) => (base, changes),
                    None => (snapshot.clone(), Vec::new()),
                };
                let changed = self.session.changes.is_some();
                self.session = Session::restore(base, changes).unwrap();
                assert_eq!(self.session.snapshot(), snapshot);
                if changed {
                    self.record();
                }
                self.undecided.clear();
            }
            self.session.disconnect();
            self.session.check();
            self.undecided
                .retain(|(token, _)| token.qos() == QoS::ExactlyOnce);
            self.owed.clear();
            self.to_release = self.releases.iter().copied().collect();
        }
    }

    /// Two sessions on a link that is cut, and ends that are
    /// restored from snapshots, at any moment.
    #[test]
    fn lossy_link() {
        for seed in 1..=150 {
            let mut rng = Rng::new(seed);
            let version = [Version::V311, Version::V5][rng.below(2)];
            let mut sides = [Side::new(), Side::new()];
            if seed % 2 == 0 {
                sides.iter_mut().for_each(Side::record);
            }
            let mut wires = [VecDeque::new(), VecDeque::new()];
            let mut published: [Vec<(u32, QoS)>; 2] = Default::default();
            let (mut next, mut steps) = (0, 0);
            loop {
                // At the end nothing new comes and nothing breaks.
                steps += 1;
                let ending = steps > 600;
                let (at, other) = [(0, 1), (1, 0)][rng.below(2)];
                match rng.below(if ending { 8 } else { 12 }) {
                    0..=2 => wires[at].extend(sides[at].transmit()),
                    3..=5 => {
                        if let Some(wire) = wires[at].pop_front() {
                            sides[other].receive(wire);
                        }
                    }
                    6 | 7 if sides[at].undecided.is_empty() => {}
                    6 | 7 => {
                        let which = rng.below(sides[at].undecided.len());
                        let refuse = version == Version::V5 && rng.below(5) == 0;
                        let refuse = refuse && sides[at].session.is_connected();
                        sides[at].decide(which, refuse);
                    }
                    8..=10 => {
                        let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][rng.below(2)];
                        sides[at].session.publish(qos, next).unwrap();
                        published[at].push((next, qos));
                        next += 1;
                    }
                    _ if rng.below(5) > 0 => {}
                    _ => {
                        let (a, b) = ([1, 2, 5][rng.below(3)], [1, 3, 65_535][rng.below(3)]);
                        for (side, (send, receive)) in sides.iter_mut().zip([(a, b), (b, a)]) {
                            side.disconnect(rng.below(3) == 0);
                            if rng.below(4) > 0 && !side.undecided.is_empty() {
                                side.decide(0, false);
                            }
                            side.session.connect(link(version, send, receive));
                        }
                        wires = Default::default();
                    }
                }
                if steps == 1 || steps == 600 {
                    for side in &mut sides {
                        side.disconnect(false);
                        side.session.connect(link(version, 2, 2));
                    }
                    wires = Default::default();
                }
                let quiet = sides.iter().all(|side| side.session.is_empty());
                if ending && quiet && wires.iter().all(VecDeque::is_empty) {
                    break;
                }
                assert!(steps < 30_000, "seed {seed} does not come to an end");
            }
            for (at, other) in [(0, 1), (1, 0)] {
                let receiver = &sides[other];
                let in_order: Vec<_> = published[at].iter().map(|(message, _)| *message).collect();
                assert_eq!(receiver.seen, in_order, "[MQTT-4.6.0-1]");
                for (message, qos) in &published[at] {
                    let copies = receiver.delivered.get(message).copied().unwrap_or(0);
                    match qos {
                        _ if receiver.refused.contains(message) => {}
                        QoS::ExactlyOnce => assert_eq!(copies, 1, "seed {seed}: {message}"),
                        _ => assert!(copies >= 1, "seed {seed}: {message}"),
                    }
                }
                let session = &sides[at].session;
                assert_eq!((session.send_quota(), session.packet_ids_in_use()), (2, 0));
            }
        }
    }

    /// The link is cut after every step of the QoS 2 exchange.
    #[test]
    fn exactly_once_whenever_cut() {
        for version in [Version::V311, Version::V5] {
            for (cut, crash) in (0..20).flat_map(|cut| [(cut, 0), (cut, 1), (cut, 2), (cut, 3)]) {
                let (mut client, mut server) = (Side::new(), Side::new());
                client.session.publish(QoS::ExactlyOnce, 7).unwrap();
                let (mut up, mut down) = (VecDeque::new(), VecDeque::new());
                for step in 0..40 {
                    if step == 0 || step == cut {
                        (up, down) = Default::default();
                        for (side, bit) in [(&mut client, 1), (&mut server, 2)] {
                            side.disconnect(crash & bit != 0);
                            side.session.connect(Link::new(version));
                        }
                    }
                    match step % 5 {
                        0 => up.extend(client.transmit()),
                        1 => up.pop_front().into_iter().for_each(|w| server.receive(w)),
                        2 if server.undecided.is_empty() => {}
                        2 => server.decide(0, false),
                        3 => down.extend(server.transmit()),
                        _ => down.pop_front().into_iter().for_each(|w| client.receive(w)),
                    }
                }
                assert_eq!(server.delivered.get(&7), Some(&1), "cut at {cut}");
                assert_eq!(client.completed, 1);
                assert!(client.session.is_empty() && server.session.is_empty());
            }
        }
    }

    /// All that is stored does not go out at once, and order is kept.
    #[test]
    fn resume_with_a_smaller_receive_maximum() {
        let mut session = Session::new();
        session.connect(link(Version::V5, 10, 10));
        for message in 1..=5 {
            let _ = session.publish(
                [QoS::AtLeastOnce, QoS::ExactlyOnce][message as usize % 2],
                message,
            );
        }
        assert_eq!(drain(&mut session).len(), 5);
        // 3 and then 1 are received: both await PUBCOMP.
        for value in [3, 1] {
            let progress = session.handle_pub_rec(id(value), ReasonCode::Success);
            assert_eq!(progress, Ok(Progress::Received));
        }
        session.connect(link(Version::V5, 1, 10));
        session.publish(QoS::AtLeastOnce, 6).unwrap();
        let (success, two) = (ReasonCode::Success, Delivery::AtLeastOnce(id(2)));
        let expected = [
            Wire::PubRel(id(3), success),
            Wire::PubRel(id(1), success),
            Wire::Publish(two, true, 2),
        ];
        assert_eq!(drain(&mut session), expected);
        // PUBCOMP for what is not of this connection gives nothing back.
        let _ = session.handle_pub_comp(id(3), success).unwrap();
        assert_eq!(drain(&mut session), []);
        let _ = session.handle_pub_ack(id(2), success).unwrap();
        let four = Delivery::AtLeastOnce(id(4));
        assert_eq!(drain(&mut session), [Wire::Publish(four, true, 4)]);
        let _ = session.handle_pub_ack(id(4), success).unwrap();
        let five = Delivery::ExactlyOnce(id(5));
        assert_eq!(drain(&mut session), [Wire::Publish(five, true, 5)]);
        let _ = session.handle_pub_rec(id(5), success).unwrap();
        assert_eq!(drain(&mut session), [Wire::PubRel(id(5), success)]);
        let _ = session.handle_pub_comp(id(5), success).unwrap();
        let sixth = Wire::Publish(Delivery::AtLeastOnce(id(6)), false, 6);
        assert_eq!(drain(&mut session), [sixth]);
    }

    /// The two directions have identifiers of their own.
    #[test]
    fn same_identifier_in_both_directions() {
        for qos in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
            let mut session = Session::new();
            session.connect(Link::new(Version::V5));
            let call = session.publish(QoS::ExactlyOnce, 1).unwrap();
            let one = id(1);
            let success = ReasonCode::Success;
            assert_eq!(drain(&mut session).len(), 1);
            assert_eq!(session.receive(qos(one)), Ok(true));
            session.answer(one, success).unwrap();
            assert_eq!(drain(&mut session).len(), 1);
            let progress = session.handle_pub_rec(one, success);
            assert_eq!(progress, Ok(Progress::Received));
            if qos(one).qos() == QoS::ExactlyOnce {
                session.handle_pub_rel(one).unwrap();
                let sent = drain(&mut session);
                let expected = [Wire::PubRel(one, success), Wire::PubComp(one, success)];
                assert_eq!(sent, expected);
            } else {
                assert_eq!(drain(&mut session), [Wire::PubRel(one, success)]);
            }
            let progress = session.handle_pub_comp(one, success);
            let accepted = Progress::Completed {
                call,
                fate: Fate::Accepted,
                message: None,
            };
            assert_eq!(progress, Ok(accepted));
            assert!(session.is_empty());
        }
    }

    /// [MQTT-3.2.2-5]: what was begun is forgotten, what waits is not.
    #[test]
    fn reset_keeps_what_was_never_sent() {
        let mut session = Session::new();
        session.connect(link(Version::V5, 2, 9));
        for message in 1..=4 {
            session.publish(QoS::ExactlyOnce, message).unwrap();
        }
        assert_eq!(drain(&mut session).len(), 2);
        let _ = session.handle_pub_rec(id(1), ReasonCode::Success).unwrap();
        let _ = session
            .handle_publish(Delivery::ExactlyOnce(id(1)))
            .unwrap();
        session.answer(id(1), ReasonCode::Success).unwrap();
        session.subscribe(1).unwrap();
        session.reset();
        session.check();
        assert_eq!((session.packet_ids_in_use(), session.received()), (2, 0));
        session.connect(Link::new(Version::V5));
        let expected = [3, 4]
            .map(|value| Wire::Publish(Delivery::ExactlyOnce(id(value)), false, value.into()));
        assert_eq!(drain(&mut session), expected);
    }

    #[test]
    fn nothing_is_sent_without_a_connection() {
        let mut session = Session::new();
        session.publish(QoS::AtLeastOnce, 1).unwrap();
        let _ = session
            .handle_publish(Delivery::AtLeastOnce(id(1)))
            .unwrap();
        session.answer(id(1), ReasonCode::Success).unwrap();
        session.handle_pub_rel(id(2)).unwrap();
        assert_eq!(drain(&mut session), []);
        session.connect(Link::new(Version::V5));
        assert_eq!(drain(&mut session).len(), 1);
    }

    #[test]
    fn knows_whether_there_is_a_connection() {
        let mut session = Session::<u32>::new();
        assert!(!session.is_connected());
        session.connect(Link::new(Version::V5));
        assert!(session.is_connected());
        session.disconnect();
        assert!(!session.is_connected());
    }

    #[test]
    fn memory_is_given_back() {
        let mut session = Session::new();
        session.connect(Link::new(Version::V5));
        for message in 0..1_000 {
            session.publish(QoS::AtLeastOnce, message).unwrap();
        }
        for value in 1..=1_000 {
            let _ = poll(&mut session);
            let _ = session
                .handle_pub_ack(id(value), ReasonCode::Success)
                .unwrap();
        }
        session.shrink_to_fit();
        session.check();
        session.publish(QoS::AtLeastOnce, 0).unwrap();
        assert!(session.abandon(id(1_001)).is_ok());
    }
}
