//! Nothing starves (e).

use std::time::Duration;

use mqtt_sansio::connection::{Incoming, server};
use mqtt_sansio::packet::{Ack, ConnAck, Connect, Publish, Subscribe, Subscriptions};
use mqtt_sansio::{Delivery, Message, Packet, PacketId, QoS, Version};

use super::{OK, topic_of};
use crate::link::owned;

/// How many packets that are owed leave in front of anything else at the most.
const MOST: u32 = 16;
const NOW: Duration = Duration::ZERO;
/// The place of a call among what waits; in front of it are the kinds of what is owed.
const CALL: usize = 4;

/// A server, and what waits at it by kind: SUBACK, PINGRESP, PUBACK, PUBCOMP, a call.
struct Flood {
    server: server::Connection,
    waiting: [u32; 5],
    /// Behind how many of other kinds each has waited.
    behind: [u32; 5],
    /// How many packets that are owed have left since a call did.
    in_a_row: u32,
    next_id: u16,
}

/// Follows a flood of requests, pings, messages and calls at a server: of what waits, no kind waits
/// behind more than 16 packets that are owed (e).
///
/// # Panics
///
/// If one does.
pub fn flood(bytes: &[u8]) {
    let mut flood = Flood::new();
    let rest = std::iter::repeat_n(&0xFF, 40 * bytes.len());
    for &byte in bytes.iter().chain(rest) {
        let (kind, times) = (usize::from(byte & 7), byte >> 3);
        for _ in 0..times {
            match kind {
                0..CALL => flood.takes(kind),
                CALL => flood.calls(),
                _ if flood.sends() => {}
                _ => break,
            }
        }
        while flood.server.poll_event().is_some() {}
    }
}

impl Flood {
    fn new() -> Self {
        let mut server =
            server::Connection::new(NOW, Duration::from_secs(9)).max_queued(usize::MAX);
        server = server.max_unread_answers(u32::MAX);
        let connect = Connect::new("c".parse().unwrap());
        let _ = server.handle_packet(NOW, Version::V5, &Packet::Connect(connect));
        server.accept(NOW, ConnAck::new(OK), &mut None).unwrap();
        assert!(server.poll_transmit(NOW).is_some());
        Self {
            server,
            waiting: [0; 5],
            behind: [0; 5],
            in_a_row: 0,
            next_id: 0,
        }
    }

    /// A packet comes, which is answered with one of this kind.
    fn takes(&mut self, kind: usize) {
        // More answers to unknown packet identifiers that are not read end the connection.
        if kind > 2 && self.waiting[kind] >= 4_096 {
            return;
        }
        self.next_id = self.next_id % 60_000 + 1;
        let id = PacketId::new(self.next_id).unwrap();
        let packet: Packet = match kind {
            0 => {
                let filters = Subscriptions::new([("f".parse().unwrap(), QoS::AtMostOnce)]);
                Subscribe::new(id, filters.unwrap()).into()
            }
            1 => Packet::PingReq,
            2 => Publish::new(Delivery::AtLeastOnce(id), topic_of(0), "".into()).into(),
            _ => Packet::PubRel(Ack::new(id)),
        };
        let incoming = self
            .server
            .handle_packet(NOW, Version::V5, &packet)
            .unwrap();
        match incoming.map(|incoming| owned(&incoming)) {
            Some(Incoming::Message(_, token)) => self.server.acknowledge(token).unwrap(),
            Some(Incoming::Subscribe(_, token)) => self.server.sub_ack(token, [OK]).unwrap(),
            _ => {}
        }
        self.waiting[kind] += 1;
    }

    fn calls(&mut self) {
        let message = Message::new(topic_of(0), "");
        self.server.publish(QoS::AtMostOnce, message).unwrap();
        self.waiting[CALL] += 1;
    }

    /// The next packet leaves, and has its turn; `false` if nothing waits.
    fn sends(&mut self) -> bool {
        let Some(packet) = self.server.poll_transmit(NOW) else {
            assert_eq!(self.waiting, [0; 5]);
            return false;
        };
        let left = match packet {
            Packet::SubAck(_) => 0,
            Packet::PingResp => 1,
            Packet::PubAck(_) => 2,
            Packet::PubComp(_) => 3,
            _ => CALL,
        };
        let (waiting, behind) = (&mut self.waiting, &mut self.behind);
        if left == CALL {
            let owed = waiting[..CALL].iter().any(|waiting| *waiting > 0);
            assert!(
                !owed || self.in_a_row >= MOST,
                "(e) a call is first of {waiting:?}"
            );
        }
        self.in_a_row = if left < CALL { self.in_a_row + 1 } else { 0 };
        waiting[left] -= 1;
        behind[left] = 0;
        for other in (0..5).filter(|other| left < CALL && waiting[*other] > 0 && *other != left) {
            behind[other] += 1;
        }
        assert!(
            behind.iter().all(|behind| *behind <= MOST),
            "(e) {behind:?} of {waiting:?}"
        );
        true
    }
}
