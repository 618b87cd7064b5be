//! What a confused peer says: acknowledgements for packet identifiers that are not in use.

use std::fmt::Debug;
use std::time::Duration;

use mqtt_sansio::connection::Role;
use mqtt_sansio::packet::{Ack, ReasonCodes, SubAck};
use mqtt_sansio::{Packet, PacketId, PacketType, ReasonCode, Side, Version};

use super::OK;
use super::actor::Actor;
use crate::choices::Choices;
use crate::link::Pipe;

const PUB_REL: usize = 2;

impl<R: Role + Clone + Debug> Actor<R> {
    /// An acknowledgement is on its way for an identifier that is never used, or arrives at once for
    /// the one that is used next: neither is part of an exchange, and all promises hold.
    pub(super) fn hears_stray(
        &mut self,
        input: &mut Pipe,
        choices: &mut Choices<'_>,
        now: Duration,
        version: Version,
    ) {
        let connection = &self.end.connection;
        if !connection.is_connected() {
            return;
        }
        let next = connection.session().next_packet_id();
        let kind = choices.below(if R::SIDE == Side::Client { 6 } else { 4 });
        // PUBCOMP that answers PUBREL would come where the peer's own exchange of that identifier is.
        let at_once = kind != PUB_REL && choices.one_in(2);
        // The other door may hold packets that came before the connection was accepted.
        let at_once = at_once && self.end.is_by_packets();
        let at_once = at_once && input.is_empty() && self.end.is_empty();
        let id = match next.filter(|_| at_once) {
            Some(next) => next,
            None => PacketId::new(choices.pick([60_000, 60_001, 65_535])).unwrap(),
        };
        let packet = stray(kind, id, version, choices);
        if !input.add(now, version, &packet) {
            return;
        }
        self.strays.insert((packet.packet_type(), id));
        while at_once && !input.is_empty() {
            assert!(self.receive(input, choices, now).is_none());
        }
    }

    /// What waits for nothing is reported, if it was heard.
    pub(super) fn check_unknown(&self, packet: PacketType, id: PacketId) {
        let heard = self.strays.contains(&(packet, id));
        assert!(heard, "{packet} {id} is not unknown");
    }
}

fn stray(kind: usize, id: PacketId, version: Version, choices: &mut Choices<'_>) -> Packet {
    let mut ack = Ack::new(id);
    let codes = [OK];
    match kind {
        0 | 1 => {
            if version == Version::V5 {
                ack.reason = choices.pick([OK, OK, ReasonCode::NotAuthorized]);
            }
            match kind {
                0 => Packet::PubAck(ack),
                _ => Packet::PubRec(ack),
            }
        }
        PUB_REL => Packet::PubRel(ack),
        3 => Packet::PubComp(ack),
        4 => Packet::SubAck(SubAck::new(id, ReasonCodes::new(codes))),
        _ => {
            let codes = codes.into_iter().filter(|_| version == Version::V5);
            Packet::UnsubAck(SubAck::new(id, ReasonCodes::new(codes)))
        }
    }
}
