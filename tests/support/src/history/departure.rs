//! What leaves an end.

use std::fmt::Debug;
use std::time::Duration;

use mqtt_sansio::connection::Role;
use mqtt_sansio::packet::Publish;
use mqtt_sansio::session::CallId;
use mqtt_sansio::{Packet, PacketId, QoS};

use super::actor::{Actor, Asked, Record};
use super::number_of;
use crate::choices::Choices;
use crate::link::Pipe;

impl<R: Role + Clone + Debug> Actor<R> {
    /// Sends the next packet or piece, and takes note of it at both ends.
    pub(super) fn send<P: Role + Clone + Debug>(
        &mut self,
        peer: &mut Actor<P>,
        out: &mut Pipe,
        choices: &mut Choices<'_>,
        now: Duration,
    ) {
        if choices.one_in(8) {
            self.check_unstored();
        }
        self.store(usize::MAX);
        let told = self.tell(now, choices);
        if choices.one_in(12) {
            self.twin(told, |connection, now| {
                connection.handle_timeout(now);
                let _ = connection.poll_bytes(now, &mut Vec::new());
            });
        }
        let by_packets = self.end.is_by_packets();
        let quota = by_packets.then(|| self.end.connection.session().send_quota());
        let delay = Duration::from_millis(choices.pick([0, 5, 50]));
        let room = choices.pick([1, 3, 20, 1_000]);
        self.end.send(told, now + delay, room, out);
        self.check_events(&peer.codes, now);
        while let Some(packet) = out.watch() {
            self.has_left(&packet, quota);
            peer.expect(packet);
        }
    }

    /// Whether something that this end asked for could leave now, in front of what (e).
    pub(super) fn sendable(&self, quota: u16) -> impl Iterator<Item = (CallId, &Record)> {
        let connected = self.end.connection.is_connected();
        let era = self.era;
        let open = self.records.iter();
        open.filter(move |((e, _), record)| {
            *e == era && connected && !record.done && !record.left && !record.taken_back
        })
        .filter(move |(_, record)| match &record.asked {
            Asked::Publish(QoS::AtMostOnce, _) => true,
            Asked::Publish(..) => quota > 0,
            _ => true,
        })
        .map(|((_, call), record)| (*call, record))
    }

    /// Takes note of a packet that has left this end.
    fn has_left(&mut self, packet: &Packet, quota: Option<u16>) {
        self.sent.check(packet);
        self.has_answered(packet);
        let Some(number) = number_in(packet) else {
            return;
        };
        let era = self.era;
        let keys = self.records.iter().rev();
        let mut keys = keys.filter(|((e, _), record)| *e == era && record.number == number);
        let (key, record) = keys.next().expect("nobody asked for it");
        let (key, record) = (*key, record.clone());
        if let Packet::Publish(publish) = packet {
            self.check_dup(&record, publish.dup);
            self.check_expiry(&record, publish, quota);
        }
        if let (false, Some(quota)) = (record.left, quota) {
            // (e) Nothing that could leave is overtaken.
            let overtaken = self.sendable(quota).find(|(call, _)| *call < key.1);
            assert!(
                overtaken.is_none(),
                "(e) {overtaken:?} is overtaken by {key:?}"
            );
        }
        self.records.get_mut(&key).unwrap().left = true;
    }

    /// Takes note of an answer that has left: each was given, and in the order of the messages.
    fn has_answered(&mut self, packet: &Packet) {
        match packet {
            Packet::SubAck(_) | Packet::UnsubAck(_) => self.answers -= 1,
            Packet::PubAck(ack) | Packet::PubRec(ack) => {
                let number = self.numbers[&ack.packet_id];
                self.codes.entry(number).or_default().push(ack.reason);
                self.has_received(ack.packet_id);
            }
            Packet::PubComp(ack) => {
                if let Some(number) = self.numbers.get(&ack.packet_id) {
                    self.codes.entry(*number).or_default().push(ack.reason);
                }
            }
            _ => {}
        }
    }

    fn has_received(&mut self, id: PacketId) {
        if let Some(at) = self.receipts.iter().position(|(other, _)| *other == id) {
            assert_eq!(at, 0, "receipts are out of order");
            assert!(self.receipts[0].1, "never acknowledged");
            self.receipts.pop_front();
        }
    }

    /// DUP tells what has left before.
    fn check_dup(&mut self, record: &Record, dup: bool) {
        let first = !record.left;
        if !dup {
            assert!(first, "again without DUP");
        }
        if dup && !record.restored {
            // But for one of which the link was cut before all its bytes had left.
            assert!(!first || self.halves > 0, "DUP at first");
            self.halves -= u32::from(first);
        }
    }

    /// Nothing leaves once it has expired, and what leaves says what is left of its interval (f).
    fn check_expiry(&self, record: &Record, publish: &Publish, quota: Option<u16>) {
        let (now, deadline) = (self.told, record.deadline);
        // With DUP, its first bytes left before, on a link that was cut.
        if !record.left && !publish.dup && !record.restored && quota.is_some() {
            assert!(
                deadline.is_none_or(|at| at > now),
                "(f) sent after it expired"
            );
        }
        let left = deadline.map(|at| at.saturating_sub(now));
        let left = left.map(|left| left.as_secs() + u64::from(left.subsec_nanos() > 0));
        let says = publish.properties.message_expiry_interval().map(u64::from);
        // Behind the door for bytes it may have waited for room since.
        let right = says == left || (quota.is_none() && says > left);
        assert!(
            right,
            "(f) {says:?} is not what is left of the interval: {left:?}"
        );
    }
}

/// The number of the call whose packet this is.
fn number_in(packet: &Packet) -> Option<u32> {
    let in_filter = |filter: &str| filter.rsplit('/').next().unwrap().parse().unwrap();
    match packet {
        Packet::Publish(publish) => Some(number_of(&publish.payload)),
        Packet::Subscribe(subscribe) => {
            let first = subscribe.subscriptions.iter().next().unwrap();
            Some(in_filter(first.filter.to_str()))
        }
        Packet::Unsubscribe(unsubscribe) => {
            let first = unsubscribe.filters.iter().next().unwrap();
            Some(in_filter(first.to_str()))
        }
        _ => None,
    }
}
