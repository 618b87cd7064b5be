use alloc::boxed::Box;
use alloc::vec::Vec;

use super::error::{ConnectionError, Violation};
use super::role::Role;
use super::{Connection, server};
use crate::message::Publishable;
use crate::packet::Packet;
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::session;
use crate::varint::VarInt;
use crate::version::Version;

/// SUBACK, UNSUBACK and AUTH that wait to be sent. They are kept as bytes, as a peer that does not
/// read can cause many of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    bytes: Vec<u8>,
    /// The end of what was sent.
    sent: usize,
}

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Returns whether one of them is AUTH.
    pub(super) fn has_auth(&self) -> bool {
        let mut waiting = self.bytes.get(self.sent..).unwrap_or_default();
        while let Some(&first) = waiting.first() {
            if first == PacketType::Auth.first_byte() {
                return true;
            }
            waiting = packet_len(waiting)
                .and_then(|len| waiting.get(len..))
                .unwrap_or_default();
        }
        false
    }

    fn push(&mut self, version: Version, packet: &Packet) -> Result<(), ConnectionError> {
        if self.sent > self.len() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        Ok(packet.encode(version, &mut self.bytes)?)
    }

    /// Takes the first one.
    pub(super) fn pop(&mut self, version: Version) -> Option<Box<Packet>> {
        let packet = self.first(version);
        if packet.is_none() || self.len() == 0 {
            // This also frees the memory.
            *self = Self::default();
        }
        packet.map(Box::new)
    }

    fn first(&mut self, version: Version) -> Option<Packet> {
        let waiting = self.bytes.get(self.sent..)?;
        let bytes = waiting.get(..packet_len(waiting)?)?;
        self.sent += bytes.len();
        Some(Packet::decode(version, bytes).ok()?.to_owned())
    }
}

/// The length of the packet at the front.
fn packet_len(waiting: &[u8]) -> Option<usize> {
    let (rest, len) = VarInt::decode(Version::V5, waiting.get(1..)?).ok()??;
    Some(1 + len + usize::try_from(rest.get()).ok()?)
}

impl<R: Role, M: Publishable> Connection<R, M> {
    /// Queues AUTH, SUBACK or UNSUBACK.
    pub(super) fn answer(&mut self, packet: Packet) -> Result<(), ConnectionError> {
        let packet = self.fit(packet)?;
        let answers = &mut self.outbox.rare().answers;
        answers.push(self.agreement.version, &packet)
    }

    /// Succeeds if the peer may cause one more answer, while those to requests that the caller has
    /// not answered have so many bytes.
    pub(super) fn check_unread(&mut self, unanswered: u32) -> Result<(), Violation> {
        let waiting = self.outbox.get_rare().map_or(0, |rare| rare.answers.len());
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        match waiting.saturating_add(unanswered) < self.settings.max_unread_answers {
            true => Ok(()),
            false => Err(session::Violation::UnreadAnswers.into()),
        }
    }
}

/// A SUBSCRIBE or UNSUBSCRIBE that is not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerRequest {
    pub(super) number: u64,
    /// The number of codes in its answer.
    codes: u32,
    packet: PacketType,
}

impl PeerRequest {
    /// Returns whether an answer with so many codes is one to this request.
    pub(super) fn is_answered_by(&self, number: u64, packet: PacketType, codes: usize) -> bool {
        (self.number, self.packet) == (number, packet) && usize::try_from(self.codes) == Ok(codes)
    }

    /// The bytes of its answer, without properties.
    const fn answer_len(&self) -> u32 {
        self.codes.saturating_add(5)
    }
}

impl<M: Publishable> server::Connection<M> {
    /// Notes a request that the caller has to answer, and returns its number.
    pub(super) fn await_answer(
        &mut self,
        packet: PacketType,
        packet_id: PacketId,
        codes: usize,
    ) -> Result<u64, Violation> {
        if self.role.requests.contains_key(&packet_id) {
            return Err(Violation::RequestInUse);
        }
        self.check_unread(self.role.unanswered)?;
        let number = self.role.next_request;
        let request = PeerRequest {
            number,
            // A packet has fewer than 2^28 bytes.
            codes: u32::try_from(codes).unwrap_or(u32::MAX),
            packet,
        };
        // At most 65,535 of them, of a packet each.
        self.role.unanswered = self.role.unanswered.saturating_add(request.answer_len());
        self.role.requests.insert(packet_id, request);
        self.role.next_request = number.wrapping_add(1);
        Ok(number)
    }

    /// Notes that a request is answered.
    pub(super) fn has_answer(&mut self, packet_id: PacketId) {
        if let Some(request) = self.role.requests.remove(&packet_id) {
            self.role.unanswered = self.role.unanswered.saturating_sub(request.answer_len());
        }
    }
}
