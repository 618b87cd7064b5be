//! What outlives a network connection: packet identifiers, messages in flight, and the exchanges of
//! QoS 1 and QoS 2 (sections 4.3, 4.4, 4.6 and 4.9).
//!
//! [`Outbound`] and [`Inbound`] are single exchanges, [`Session`] is all of one side. Neither knows
//! bytes: they take identifiers and reason codes, and say what to send.

use core::num::NonZeroU16;

use crate::packet_id::PacketId;
use crate::qos::Delivery;
use crate::reason::ReasonCode;
use crate::version::Version;

mod error;
mod in_flight;
mod packet_ids;
mod receiver;
mod sender;
mod snapshot;

pub use error::{InvalidSnapshot, SessionError, Violation};
use in_flight::{InFlight, Lane};
pub use packet_ids::PacketIds;
use receiver::Received;
pub use receiver::{Inbound, PublishStep, Receipt};
use sender::Sent;
pub use sender::{Outbound, Step};
pub use snapshot::{Snapshot, StoredMessage};

/// One side's state of a session: what it has sent and what it has received.
///
/// `M` is what the caller keeps of a message in order to send it again, such as a
/// [`Frame`](crate::Frame) or a key of its own store. Client and server use the same type. Packet
/// identifiers of the two directions are independent of each other.
///
/// After each `handle_*` and each command, drain [`poll_transmit`](Self::poll_transmit). Memory is
/// taken for what is in flight, at first none, and kept for what follows.
///
/// ```
/// use mqtt_sansio::session::{Link, Receipt, Session, Transmit};
/// use mqtt_sansio::{QoS, ReasonCode, Version};
///
/// let (mut client, mut server) = (Session::new(), Session::<&str>::new());
/// client.connect(Link::new(Version::V5));
/// server.connect(Link::new(Version::V5));
///
/// let id = client.publish(QoS::AtLeastOnce, "15:0")?;
/// let Some(Transmit::Publish { delivery, message: &"15:0", dup: false }) = client.poll_transmit()
/// else { panic!() };
///
/// assert_eq!(server.handle_publish(delivery), Ok(Receipt::New));
/// server.acknowledge(id, ReasonCode::Success)?;
/// let Some(Transmit::PubAck(id, reason)) = server.poll_transmit() else { panic!() };
///
/// client.handle_pub_ack(id, reason)?;
/// assert!(client.is_empty() && server.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session<M> {
    outbound: InFlight<Sent<M>>,
    inbound: InFlight<Received>,
    link: Option<Link>,
    /// PUBLISH of QoS 1 and 2 that are unacknowledged on this network connection, each way.
    sending: u16,
    receiving: u16,
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
        }
    }

    /// A network connection is established: CONNACK was accepted, or is on its way.
    ///
    /// What is unacknowledged is sent again [MQTT-4.4.0-1], each kind in its order [MQTT-4.6.0-1]
    /// [MQTT-4.6.0-4]: PUBREL first, then PUBLISH as the new quota allows. If the peer has no
    /// session, call [`reset`](Self::reset) before.
    pub fn connect(&mut self, link: Link) {
        self.disconnect();
        self.link = Some(link);
    }

    /// The network connection is closed.
    ///
    /// SUBSCRIBE and UNSUBSCRIBE without an answer are over, as they are no part of a session. So
    /// are the QoS 1 messages not yet acknowledged, which come again.
    pub fn disconnect(&mut self) {
        self.link = None;
        self.disconnect_sender();
        self.disconnect_receiver();
    }

    /// The peer has no session: forgets every exchange that was begun [MQTT-3.2.2-5].
    ///
    /// Messages that have never been sent stay, in order, with their identifiers. A session without
    /// these too is a [`new`](Self::new) one.
    pub fn reset(&mut self) {
        self.disconnect();
        self.inbound.clear();
        let mut at = self.outbound.first(Lane::Message).map(|(id, _)| id);
        while let Some(id) = at {
            at = self.outbound.after(id).map(|(id, _)| id);
            if self.outbound.get(id).is_some_and(|sent| sent.sent) {
                self.outbound.remove(id);
            }
        }
        while let Some((id, _)) = self.outbound.first(Lane::Release) {
            self.outbound.remove(id);
        }
    }

    /// Gives memory back that is kept for further messages.
    pub fn shrink_to_fit(&mut self) {
        self.outbound.shrink_to_fit();
        self.inbound.shrink_to_fit();
    }

    /// What to send next; `None` if there is nothing, or no network connection.
    ///
    /// To be sent in this order. What is returned counts as sent.
    // To return it through memory costs as much as to find it.
    #[inline(always)]
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_, M>> {
        if self.inbound.unsent(Lane::Release).is_some() {
            return self.poll_completion();
        }
        let receipt = self.inbound.unsent(Lane::Message);
        if receipt.is_some_and(|(_, received)| received.is_answered()) {
            return self.poll_receipt();
        }
        if self.outbound.unsent(Lane::Release).is_some() {
            return self.poll_release();
        }
        self.poll_message()
    }

    /// How many packet identifiers this side has in use: one for each of its messages and requests,
    /// waiting or sent.
    pub const fn packet_ids_in_use(&self) -> u16 {
        self.outbound.ids().len()
    }

    /// How many of the peer's packet identifiers are remembered.
    pub const fn received(&self) -> u16 {
        self.inbound.ids().len()
    }

    /// Whether nothing is in flight, in either direction.
    pub const fn is_empty(&self) -> bool {
        self.packet_ids_in_use() == 0 && self.received() == 0
    }

    /// Whether there is a network connection.
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

/// What holds on one network connection, as CONNECT and CONNACK agreed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Link {
    /// The version that is spoken.
    pub version: Version,
    /// How many PUBLISH of QoS 1 and 2 this side may have unacknowledged: the peer's Receive Maximum,
    /// or less [MQTT-4.9.0-1]. Also of use in 3.1.1, where the peer says nothing.
    pub send_maximum: NonZeroU16,
    /// This side's own Receive Maximum. Without effect in 3.1.1, where the peer does not know it.
    pub receive_maximum: NonZeroU16,
}

impl Link {
    /// Without limits: 65,535 in both directions.
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
        /// Its QoS, 1 or 2, and packet identifier.
        delivery: Delivery,
        /// Whether it has been sent on an earlier network connection [MQTT-3.3.1-1].
        dup: bool,
        /// What the caller kept.
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

/// What an acknowledgement did to a message. It is `None` if it was given up or handed out before.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every kind")]
pub enum Progress<M> {
    /// PUBREC: the peer owns the message, which is not sent again.
    Received(Option<M>),
    /// PUBACK, PUBCOMP or a failing PUBREC: the packet identifier is free.
    Completed(Option<M>),
    /// The acknowledgement came before, or belongs to nothing that is remembered.
    Unchanged,
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
            let maximum = match self.link {
                Some(link) if link.version == Version::V5 => link.receive_maximum.get(),
                _ => u16::MAX,
            };
            assert_eq!(
                receiving + usize::from(self.receive_quota()),
                usize::from(maximum)
            );
            if let Some((id, sent)) = self.outbound.unsent(Lane::Message) {
                assert!(sent.message.is_some(), "{id} cannot be sent");
            }
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
        undecided: Vec<(Delivery, u32)>,
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
            }
        }

        fn transmit(&mut self) -> Option<Wire> {
            let wire = poll(&mut self.session)?;
            match wire {
                // [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-3.3.1-1]: DUP exactly if sent before.
                Wire::Publish(_, dup, message) => {
                    assert_eq!(self.transmitted.insert(message), !dup);
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
                    if receipt == Receipt::New {
                        self.undecided.push((delivery, message));
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
                (Progress::Received(_), Wire::PubRec(id, _)) => {
                    self.releases.push(id);
                    self.to_release.push_back(id);
                }
                (Progress::Completed(_), Wire::PubAck(id, _) | Wire::PubRec(id, _))
                | (Progress::Completed(_), Wire::PubComp(id, _)) => {
                    self.completed += 1;
                    self.releases.retain(|release| *release != id);
                }
                (progress, _) => assert_eq!(progress, Progress::Unchanged),
            }
            self.session.check();
        }

        fn decide(&mut self, at: usize, refuse: bool) {
            let (delivery, message) = self.undecided.remove(at);
            let reason = match refuse {
                true => ReasonCode::QuotaExceeded,
                false => ReasonCode::NoMatchingSubscribers,
            };
            let id = delivery.packet_id().unwrap();
            self.session.acknowledge(id, reason).unwrap();
            match refuse {
                true => drop(self.refused.insert(message)),
                false => *self.delivered.entry(message).or_default() += 1,
            }
            self.session.check();
        }

        fn disconnect(&mut self, crash: bool) {
            if crash {
                let snapshot = self.session.snapshot();
                self.session = Session::restore(snapshot.clone()).unwrap();
                assert_eq!(self.session.snapshot(), snapshot);
                self.undecided.clear();
            }
            self.session.disconnect();
            self.session.check();
            self.undecided
                .retain(|(delivery, _)| delivery.qos() == QoS::ExactlyOnce);
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
                        let id = sides[at].session.publish(qos, next).unwrap();
                        assert_eq!(sides[at].session.outbound.ids().last(), Some(id));
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
            assert_eq!(progress, Ok(Progress::Received(Some(value.into()))));
        }
        session.connect(link(Version::V5, 1, 10));
        let sixth = session.publish(QoS::AtLeastOnce, 6).unwrap();
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
        let sixth = Wire::Publish(Delivery::AtLeastOnce(sixth), false, 6);
        assert_eq!(drain(&mut session), [sixth]);
    }

    /// The two directions have identifiers of their own.
    #[test]
    fn same_identifier_in_both_directions() {
        for qos in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
            let mut session = Session::new();
            session.connect(Link::new(Version::V5));
            let one = session.publish(QoS::ExactlyOnce, 1).unwrap();
            let success = ReasonCode::Success;
            assert_eq!(drain(&mut session).len(), 1);
            assert_eq!(session.handle_publish(qos(one)), Ok(Receipt::New));
            session.acknowledge(one, success).unwrap();
            assert_eq!(drain(&mut session).len(), 1);
            let progress = session.handle_pub_rec(one, success);
            assert_eq!(progress, Ok(Progress::Received(Some(1))));
            if qos(one).qos() == QoS::ExactlyOnce {
                session.handle_pub_rel(one).unwrap();
                let sent = drain(&mut session);
                let expected = [Wire::PubComp(one, success), Wire::PubRel(one, success)];
                assert_eq!(sent, expected);
            } else {
                assert_eq!(drain(&mut session), [Wire::PubRel(one, success)]);
            }
            let progress = session.handle_pub_comp(one, success);
            assert_eq!(progress, Ok(Progress::Completed(None)));
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
        session.acknowledge(id(1), ReasonCode::Success).unwrap();
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
        session.acknowledge(id(1), ReasonCode::Success).unwrap();
        session.handle_pub_rel(id(2)).unwrap();
        assert_eq!(drain(&mut session), []);
        session.connect(Link::new(Version::V5));
        assert_eq!(drain(&mut session).len(), 1);
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
        assert_eq!(session.publish(QoS::AtLeastOnce, 0), Ok(id(1_001)));
    }
}
