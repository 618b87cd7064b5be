//! Sessions on disk, step by step: A31.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_sansio::connection::{Client, Connection, Event, Server, client};
use mqtt_sansio::session::{CallId, Change, Session, Snapshot};
use mqtt_sansio::{Message, Packet, QoS, Version};

use crate::wire::*;

trait Restart: Reconnect {
    /// An end that goes on with this session, connected to a peer that has it as well.
    fn restart(session: Session<Message>, version: Version, door: Door) -> Wire<Self>;
}

impl Restart for Client {
    fn restart(session: Session<Message>, version: Version, door: Door) -> Wire<Self> {
        let end = client::Connection::with_session(session).changes();
        client_with(version, door, connect(0, true), end, accepting(true))
    }
}

impl Restart for Server {
    fn restart(session: Session<Message>, version: Version, door: Door) -> Wire<Self> {
        let set = |end: Connection<_>| end.changes();
        server_with(version, door, connect(0, true), Some(session), set)
    }
}

fn polled<R: Restart>(wire: &mut Wire<R>) -> Vec<Change<Message>> {
    core::iter::from_fn(|| {
        wire.end
            .poll_change()
            .map(|change| change.map(Message::clone))
    })
    .collect()
}

#[test]
fn a31_one_more_message_is_one_more_change() {
    fn check<R: Restart>(mut wire: Wire<R>) {
        wire.end = wire.end.clone().max_queued(20_000);
        for _ in 0..10_000 {
            wire.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
        }
        let mut stored = 0;
        for change in polled(&mut wire) {
            stored += usize::from(matches!(change, Change::Stored { .. }));
        }
        assert_eq!(stored, 10_000);
        wire.sent();
        let call = wire.end.publish(QoS::ExactlyOnce, message("one")).unwrap();
        let changes = polled(&mut wire);
        let stored = changes.iter().filter(|change| {
            matches!(change, Change::Stored { call: stored, message, .. }
                if *stored == call && message.payload == "one")
        });
        assert_eq!(stored.count(), 1);
        // Besides it, that it may be sent, and perhaps the number of calls.
        assert!(changes.len() <= 3, "{changes:?}");
        assert_eq!(polled(&mut wire), []);
    }
    each(|version, door| {
        check(Client::restart(Session::new(), version, door));
        check(Server::restart(Session::new(), version, door));
    });
}

#[test]
fn a31_nothing_leaves_before_its_change_was_stored() {
    fn check<R: Restart>(mut wire: Wire<R>) {
        wire.end.publish(QoS::AtLeastOnce, message("one")).unwrap();
        wire.end.publish(QoS::AtMostOnce, message("zero")).unwrap();
        wire.end.publish(QoS::ExactlyOnce, message("two")).unwrap();
        assert_eq!(wire.sent(), ["zero"]);
        let changes = polled(&mut wire);
        let sent = |change: &Change<Message>| matches!(change, Change::Sent(_));
        assert_eq!(changes.iter().filter(|change| sent(change)).count(), 2);
        assert_eq!(wire.sent(), ["one 1 1", "two 2 2"]);
    }
    each(|version, door| {
        check(Client::restart(Session::new(), version, door));
        check(Server::restart(Session::new(), version, door));
    });
}

#[test]
fn a31_nobody_pays_for_changes_that_are_not_asked_for() {
    let mut client = client(Version::V5, Door::Bytes);
    client.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
    assert_eq!(client.end.poll_change(), None);
    assert_eq!(client.sent(), ["m 1 1"]);
}

/// The other side, which keeps its state.
#[derive(Clone, Default)]
struct Peer {
    /// The payloads that were delivered to it, and how often.
    delivered: BTreeMap<String, u32>,
    /// Identifiers of QoS 2 that it owns.
    owned: BTreeSet<u16>,
    /// Its own messages of QoS 2: identifier, and whether PUBREC came.
    sending: BTreeMap<u16, bool>,
}

impl Peer {
    /// A peer with three messages of QoS 2 to send.
    fn sending_three() -> Self {
        Self {
            sending: (1..=3).map(|id| (id, false)).collect(),
            ..Self::default()
        }
    }

    fn take(&mut self, packet: &Packet) -> Option<Packet> {
        match packet {
            Packet::Publish(publish) => {
                let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                let id = publish.packet_id().map_or(0, |id| id.get());
                if publish.qos() != QoS::ExactlyOnce || self.owned.insert(id) {
                    *self.delivered.entry(payload).or_default() += 1;
                }
                match publish.qos() {
                    QoS::AtMostOnce => None,
                    QoS::AtLeastOnce => Some(pub_ack(id)),
                    QoS::ExactlyOnce => Some(pub_rec(id)),
                }
            }
            Packet::PubRel(ack) => {
                self.owned.remove(&ack.packet_id.get());
                Some(pub_comp(ack.packet_id.get()))
            }
            Packet::PubRec(ack) => {
                let id = ack.packet_id.get();
                self.sending.insert(id, true);
                Some(pub_rel(id))
            }
            Packet::PubComp(ack) => {
                self.sending.remove(&ack.packet_id.get());
                None
            }
            _ => None,
        }
    }

    /// What it sends on a new connection.
    fn again(&self) -> Vec<Packet> {
        let packet = |(id, received): (&u16, &bool)| match received {
            true => pub_rel(*id),
            false => {
                let mut publish = publish(2, *id, &format!("in/{id}"));
                publish.dup = true;
                publish.into()
            }
        };
        self.sending.iter().map(packet).collect()
    }
}

/// This side with what is stored of it.
struct Node<R> {
    wire: Wire<R>,
    journal: Vec<Change<Message>>,
    /// The payloads that this side has taken over: with their change, as one.
    taken: BTreeMap<String, u32>,
    answers: Vec<Packet>,
    told: BTreeMap<CallId, u32>,
}

impl<R: Restart> Node<R> {
    fn new(wire: Wire<R>, journal: Vec<Change<Message>>, answers: Vec<Packet>) -> Self {
        Self {
            wire,
            journal,
            taken: BTreeMap::new(),
            answers,
            told: BTreeMap::new(),
        }
    }

    /// One step, in the order that the contract gives: a change, a packet, an answer. `false` if there
    /// is nothing to do.
    fn step(&mut self, peer: &mut Peer) -> bool {
        if let Some(change) = self
            .wire
            .end
            .poll_change()
            .map(|change| change.map(Message::clone))
        {
            if let Change::Received(id) = &change {
                *self.taken.entry(format!("in/{id}")).or_default() += 1;
            }
            self.journal.push(change);
            return true;
        }
        if let Some(packet) = self.wire.one() {
            self.answers.extend(peer.take(&packet));
            return true;
        }
        if self.answers.is_empty() {
            return false;
        }
        let answer = self.answers.remove(0);
        for got in self.wire.receive(answer) {
            self.wire.end.acknowledge(got.token()).unwrap();
        }
        for event in self.wire.events() {
            if let Event::Published(call, _) = event {
                *self.told.entry(call).or_default() += 1;
            }
        }
        true
    }
}

#[test]
fn a31_a_crash_at_any_step_loses_and_doubles_nothing() {
    fn check<R: Restart>(version: Version, door: Door) {
        for crash in 0..200 {
            let wire = R::restart(Session::new(), version, door);
            let mut peer = Peer::sending_three();
            let mut node = Node::new(wire, Vec::new(), peer.again());
            for number in 0..6_u8 {
                let qos = QoS::new(1 + number % 2).unwrap();
                let message = message(&format!("{}/{number}", qos.level()));
                node.wire.end.publish(qos, message).unwrap();
            }
            let done = (0..crash).take_while(|_| node.step(&mut peer)).count() < crash;
            // The network goes, and with it what was under way; the process, and what is not stored.
            let (journal, mut taken) = (node.journal, node.taken);
            let stored = journal.iter().filter_map(|change| match change {
                Change::Stored { message, .. } => {
                    Some(String::from_utf8(message.payload.to_vec()).unwrap())
                }
                _ => None,
            });
            let stored: Vec<String> = stored.collect();
            let session = Session::restore(Snapshot::new(), journal.clone()).unwrap();
            let wire = R::restart(session, version, door);
            let mut node = Node::new(wire, journal, peer.again());
            while node.step(&mut peer) {}
            for payload in &stored {
                let times = peer.delivered.get(payload).copied().unwrap_or(0);
                let note = format!("{payload} after {crash} steps, {version:?}, {door:?}");
                assert!(times >= 1, "lost: {note}");
                assert!(times == 1 || payload.starts_with('1'), "doubled: {note}");
            }
            // What was not stored was not sent.
            assert!(
                peer.delivered
                    .keys()
                    .all(|payload| stored.contains(payload))
            );
            for (payload, times) in node.taken {
                *taken.entry(payload).or_default() += times;
            }
            let expected: BTreeMap<_, _> = (1..=3).map(|id| (format!("in/{id}"), 1)).collect();
            assert_eq!(taken, expected, "after {crash} steps");
            assert!(node.wire.end.session().is_empty() && peer.sending.is_empty());
            assert!(node.told.values().all(|times| *times == 1));
            if done {
                return;
            }
        }
        panic!("it never comes to its end");
    }
    each(|version, door| {
        check::<Client>(version, door);
        check::<Server>(version, door);
    });
}

#[test]
fn a31_changes_give_what_a_snapshot_gives() {
    fn check<R: Restart>(version: Version, door: Door) {
        let wire = R::restart(Session::new(), version, door);
        let mut peer = Peer::sending_three();
        let mut node = Node::new(wire, Vec::new(), peer.again());
        for number in 0..8_u8 {
            let qos = QoS::new(1 + number % 2).unwrap();
            let call = node.wire.end.publish(qos, message("m")).unwrap();
            if number % 3 == 2 {
                node.wire.end.abandon(call).unwrap();
            }
        }
        let mut steps = 0;
        while node.step(&mut peer) {
            steps += 1;
            // All of it is stored when no change is left.
            let mut probe = node.wire.end.clone();
            let mut journal = node.journal.clone();
            journal.extend(core::iter::from_fn(|| {
                probe.poll_change().map(|change| change.map(Message::clone))
            }));
            let session = Session::restore(Snapshot::new(), journal.clone()).unwrap();
            assert_eq!(
                session.snapshot(),
                probe.session().snapshot(),
                "step {steps}: {journal:?}"
            );
        }
        assert!(steps > 40);
    }
    each(|version, door| {
        check::<Client>(version, door);
        check::<Server>(version, door);
    });
}

#[test]
fn a31_a_lost_session_is_a_change_too() {
    each(|version, door| {
        let mut client = Client::restart(Session::new(), version, door);
        client.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
        let mut journal = polled(&mut client);
        client.sent();
        client.cut();
        client
            .end
            .publish(QoS::AtLeastOnce, message("later"))
            .unwrap();
        Reconnect::reconnect(&mut client, false);
        journal.extend(polled(&mut client));
        let session = Session::restore(Snapshot::new(), journal).unwrap();
        let left: Vec<_> = session
            .messages()
            .map(|m| m.message.payload.clone())
            .collect();
        assert_eq!(left, ["later"]);
    });
}
