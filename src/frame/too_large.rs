//! Packets above the limit.

use super::decoder::{FrameDecoder, State};
use crate::error::{DecodeError, DecodeErrorKind, Field};
use crate::header::Header;
use crate::packet_id::PacketId;
use crate::packet_type::PacketType;
use crate::qos::{Delivery, QoS};
use crate::rules::Rule;

impl FrameDecoder {
    /// The size of the largest packet that may come next.
    fn limit(&self) -> usize {
        let limit = match self.expected.version {
            None => self.max_connect_size.min(self.max_packet_size),
            Some(_) => self.max_packet_size,
        };
        limit as usize
    }

    pub(super) fn check_size(&mut self, header: Header) -> Result<State, DecodeError> {
        let (len, publish) = (header.packet_len(), header.packet == PacketType::Publish);
        if len > self.limit() {
            return self.reject(header);
        }
        if !self.takes_pieces() {
            return Ok(State::Body(header));
        }
        match publish {
            true if len > self.pieces_above as usize => Ok(State::Head(header)),
            false if len > self.max_head_size as usize => self.reject(header),
            _ => Ok(State::Body(header)),
        }
    }

    /// Rejects a packet that is too large, or skips it if that rule is let go.
    pub(super) fn reject(&mut self, header: Header) -> Result<State, DecodeError> {
        match self.get_rules().lets_go(Rule::PacketTooLarge) && header.packet == PacketType::Publish
        {
            true => Ok(State::TooLarge(header)),
            false => {
                let error = self.too_large(header);
                Err(self.fail(error))
            }
        }
    }

    #[cold]
    pub(super) fn too_large(&self, header: Header) -> DecodeError {
        let len = u32::try_from(header.packet_len()).unwrap_or(u32::MAX);
        let kind = DecodeErrorKind::PacketTooLarge(len);
        let (field, packet) = (Field::RemainingLength, Some(header.packet));
        self.expected.error(kind, field, packet, 1)
    }

    /// Reads the delivery from the beginning of a PUBLISH: `None` if the beginning alone is too
    /// large or has none. The error is the number of bytes that are missing.
    #[cold]
    pub(super) fn read_delivery(
        &self,
        header: Header,
        input: &[u8],
    ) -> Result<Option<Delivery>, usize> {
        let qos = QoS::new(header.first >> 1 & 0b11);
        if let None | Some(QoS::AtMostOnce) = qos {
            return Ok(qos.map(|_| Delivery::AtMostOnce));
        }
        let body = header.body(input);
        let Some((&topic_len, rest)) = body.split_first_chunk::<2>() else {
            return Err(2 - body.len());
        };
        let topic_len = usize::from(u16::from_be_bytes(topic_len));
        let needed = topic_len + 2;
        if header.body_len() < needed + 2 || needed > self.limit() {
            return Ok(None);
        }
        let Some(&id) = rest.get(topic_len..).and_then(<[u8]>::first_chunk::<2>) else {
            return Err(needed - rest.len());
        };
        let id = PacketId::new(u16::from_be_bytes(id));
        Ok(id.map(|id| match qos {
            Some(QoS::ExactlyOnce) => Delivery::ExactlyOnce(id),
            _ => Delivery::AtLeastOnce(id),
        }))
    }

    /// Passes over a packet, once its delivery is known, which the error has. It is too large, and that
    /// is let go.
    #[cold]
    pub(super) fn pass(&mut self, header: Header, input: &[u8]) -> Option<DecodeError> {
        let pass = self.lenient.as_ref()?.pass;
        pass(self, header, input)
    }

    pub(super) fn pass_over(&mut self, header: Header, input: &[u8]) -> Option<DecodeError> {
        match self.read_delivery(header, input) {
            Ok(delivery) => {
                self.skip_bytes(header.packet_len());
                self.note(Rule::PacketTooLarge);
                Some(self.too_large(header).skipped(delivery))
            }
            Err(missing) => {
                self.need(missing);
                None
            }
        }
    }

    /// Passes over the next bytes.
    pub(super) fn skip_bytes(&mut self, bytes: usize) {
        self.reset();
        if bytes > 0 {
            self.state = State::Skip(bytes);
            self.need(bytes);
        }
    }

    /// The number of bytes, of those available, that belong to a packet that is skipped.
    pub(super) fn skip(&mut self, available: usize) -> usize {
        let State::Skip(left) = &mut self.state else {
            return 0;
        };
        let skipped = available.min(*left);
        *left -= skipped;
        let left = *left;
        self.need(left);
        if left == 0 {
            self.reset();
        }
        skipped
    }
}
