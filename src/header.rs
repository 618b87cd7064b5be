//! The fixed header (section 2.1 of 5.0, 2.2 of 3.1.1): the one place that knows its flags and its
//! length.

use alloc::vec::Vec;

use crate::device::QUICK;
use crate::error::{DecodeError, DecodeErrorKind, Field, TLS_HANDSHAKE};
use crate::packet_type::{PacketType, accepted};
use crate::side::Side;
use crate::varint::{InvalidVarInt, PartialVarInt, VarInt};
use crate::version::Version;

/// A fixed header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) packet: PacketType,
    pub(crate) first: u8,
    /// Its own length: two to five.
    len: u8,
    body_len: u32,
}

impl Header {
    /// Reads the header of the one packet of `version` that `bytes` are, of any size, sent by
    /// either side.
    #[inline]
    pub(crate) fn only(version: Version, bytes: &[u8]) -> Result<Self, DecodeError> {
        let expected = Expected::new(Some(version), None);
        match Self::parse_short(&expected, bytes) {
            Some(header) if QUICK && header.packet_len() == bytes.len() => Ok(header),
            _ => Self::only_slowly(&expected, bytes),
        }
    }

    #[inline(never)]
    fn only_slowly(expected: &Expected, bytes: &[u8]) -> Result<Self, DecodeError> {
        match Self::parse(expected, bytes)? {
            Some(header) if header.packet_len() == bytes.len() => Ok(header),
            Some(header) if header.packet_len() < bytes.len() => {
                let (kind, packet) = (DecodeErrorKind::TrailingBytes, Some(header.packet));
                Err(expected.error(kind, Field::Packet, packet, header.packet_len()))
            }
            _ => {
                let kind = DecodeErrorKind::Truncated;
                Err(expected.error(kind, Field::Packet, None, bytes.len()))
            }
        }
    }

    /// Reads the header at the front of `input`, if it is what nearly every header is: allowed, and
    /// of two or three bytes. [`PartialHeader`] reads all others, and says what is wrong with them.
    #[inline]
    pub(crate) fn parse_short(expected: &Expected, input: &[u8]) -> Option<Self> {
        let (first, len, body_len) = match *input {
            [first, low @ 0..=0x7F, ..] => (first, 2, u32::from(low)),
            [first, low, high @ 1..=0x7F, ..] => {
                (first, 3, u32::from(low & 0x7F) | u32::from(high) << 7)
            }
            _ => return None,
        };
        if !expected.accepts(first) {
            return None;
        }
        Some(Self {
            packet: PacketType::new(first >> 4)?,
            first,
            len,
            body_len,
        })
    }

    /// Reads any header at the front of `input`; `None` if more bytes are needed.
    fn parse(expected: &Expected, input: &[u8]) -> Result<Option<Self>, DecodeError> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(None);
        };
        let mut partial = PartialHeader::new(expected, first)?;
        for &byte in rest {
            if let Some(header) = partial.push(expected, byte)? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// The length of the whole packet.
    #[inline]
    pub(crate) const fn body_len(self) -> usize {
        self.body_len as usize
    }

    #[inline]
    pub(crate) const fn packet_len(self) -> usize {
        self.len as usize + self.body_len as usize
    }

    /// The packet and what is behind it.
    #[inline]
    pub(crate) fn split(self, input: &[u8]) -> Option<(&[u8], &[u8])> {
        input.split_at_checked(self.packet_len())
    }

    /// The part of the packet behind this header.
    #[inline]
    pub(crate) fn body(self, frame: &[u8]) -> &[u8] {
        frame.get(usize::from(self.len)..).unwrap_or_default()
    }

    /// The length of the header.
    pub(crate) const fn len(self) -> usize {
        self.len as usize
    }

    /// The packet with this first byte and another body, of at most two bytes more, and its header.
    pub(crate) fn with_body(self, body: &[u8]) -> (Self, Vec<u8>) {
        let body_len = VarInt::try_from(body.len()).unwrap_or(VarInt::MAX);
        let mut bytes = Vec::with_capacity(body.len() + 5);
        bytes.push(self.first);
        body_len.encode(&mut bytes);
        let len = bytes.len();
        bytes.extend_from_slice(body);
        let header = Self {
            len: u8::try_from(len).unwrap_or(5),
            body_len: body_len.get(),
            ..self
        };
        (header, bytes)
    }

    /// Returns whether this is the header at the front of `frame`, without anything that was let
    /// go.
    #[inline]
    pub(crate) fn is_that_of(self, version: Version, frame: &[u8]) -> bool {
        frame.first() == Some(&self.first) && (version == Version::V311 || self.is_shortest())
    }

    /// Returns whether the length is in its shortest form.
    pub(crate) const fn is_shortest(self) -> bool {
        self.len <= 2 || self.body_len >> (7 * (self.len - 2)) != 0
    }
}

/// A fixed header of which some bytes are there, each looked at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartialHeader {
    packet: PacketType,
    first: u8,
    body_len: PartialVarInt,
}

impl PartialHeader {
    /// Begins with the first byte of a packet.
    pub(crate) fn new(expected: &Expected, first: u8) -> Result<Self, DecodeError> {
        Ok(Self {
            packet: expected.packet_type(first)?,
            first,
            body_len: PartialVarInt::default(),
        })
    }

    /// Begins with a first byte whose packet type or flags are not expected and are let go.
    pub(crate) const fn let_go(packet: PacketType) -> Self {
        Self {
            packet,
            first: packet.first_byte(),
            body_len: PartialVarInt::NONE,
        }
    }

    /// Adds the next byte; the header is complete when that byte was its last one.
    pub(crate) fn push(
        &mut self,
        expected: &Expected,
        byte: u8,
    ) -> Result<Option<Header>, DecodeError> {
        // Before CONNECT is read, the rule of the laxer version holds.
        let version = match expected.version {
            Some(version) if !expected.padded => version,
            _ => Version::V311,
        };
        let kind = match self.body_len.push(version, byte) {
            Ok(None) => return Ok(None),
            Ok(Some(body_len)) => {
                return Ok(Some(Header {
                    packet: self.packet,
                    first: self.first,
                    len: 1 + self.body_len.len(),
                    body_len: body_len.get(),
                }));
            }
            Err(InvalidVarInt::TooLong) => DecodeErrorKind::VarIntTooLong,
            Err(InvalidVarInt::NotMinimal) => DecodeErrorKind::VarIntNotMinimal,
        };
        Err(expected.error(kind, Field::RemainingLength, Some(self.packet), 1))
    }

    /// The number of bytes that were looked at.
    pub(crate) const fn len(self) -> usize {
        1 + self.body_len.len() as usize
    }
}

/// The packets that a stream may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// `None` until CONNECT is read, and then nothing else is expected.
    pub(crate) version: Option<Version>,
    /// `None` if the packets may be from either side.
    pub(crate) sender: Option<Side>,
    /// The packet types that are expected, one bit each: follows from version and sender.
    accepted: u16,
    /// True if lengths may be padded in 5.0 as well.
    pub(crate) padded: bool,
}

impl Expected {
    pub(crate) const fn new(version: Option<Version>, sender: Option<Side>) -> Self {
        Self {
            version,
            sender,
            accepted: accepted(version, sender),
            padded: false,
        }
    }

    /// As `self`, for a stream whose version is known.
    pub(crate) const fn of(self, version: Version) -> Self {
        Self {
            padded: self.padded,
            ..Self::new(Some(version), self.sender)
        }
    }

    /// Returns whether a packet may start so; [`packet_type`](Self::packet_type) says why not.
    #[inline]
    const fn accepts(&self, first: u8) -> bool {
        const WITH_FLAG: u16 = with_flag();
        let packet = first >> 4;
        let flags = ((WITH_FLAG >> packet & 1) as u8) << 1;
        // The flags of PUBLISH are left to its parser.
        self.accepted >> packet & 1 != 0
            && (packet == PacketType::Publish as u8 || first & 0xF == flags)
    }

    /// Reads the packet type from the first byte of a packet.
    fn packet_type(&self, first: u8) -> Result<PacketType, DecodeError> {
        let packet = PacketType::new(first >> 4);
        let kind = match (packet, self.version) {
            (Some(packet), _) if self.accepts(first) => return Ok(packet),
            // Of all wrong flags only these are no mistake of an MQTT client.
            (Some(PacketType::Connect), None) if first != TLS_HANDSHAKE => {
                DecodeErrorKind::InvalidFlags(first)
            }
            (_, None) => DecodeErrorKind::NotConnect(first),
            (None, _) => DecodeErrorKind::ReservedPacketType(0),
            (Some(PacketType::Auth), Some(Version::V311)) => {
                DecodeErrorKind::ReservedPacketType(15)
            }
            (Some(packet), _) if self.accepts(packet.first_byte()) => {
                DecodeErrorKind::InvalidFlags(first)
            }
            _ => DecodeErrorKind::WrongSender,
        };
        Err(self.error(kind, Field::FixedHeader, packet, 0))
    }

    /// An error in the version that is spoken or, before CONNECT is read, in one that the client
    /// understands.
    #[cold]
    pub(crate) fn error(
        &self,
        kind: DecodeErrorKind,
        field: Field,
        packet: Option<PacketType>,
        offset: usize,
    ) -> DecodeError {
        let version = match (self.version, kind) {
            (Some(version), _) => version,
            // 3.1.1 accepts such a length.
            (None, DecodeErrorKind::VarIntNotMinimal) => Version::V5,
            (None, _) => Version::V311,
        };
        DecodeError::new(kind, field, packet, version, self.sender, offset)
    }
}

/// The packet types whose first byte has bit 1 set, the only flag outside PUBLISH, one bit each;
/// run at compile time.
const fn with_flag() -> u16 {
    let (mut types, mut value) = (0, 1);
    while let Some(packet) = PacketType::new(value) {
        types |= ((packet.first_byte() >> 1 & 1) as u16) << value;
        value += 1;
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Option<Version>, Option<Side>); 7] = [
        (None, Some(Side::Client)),
        (Some(Version::V311), None),
        (Some(Version::V311), Some(Side::Client)),
        (Some(Version::V311), Some(Side::Server)),
        (Some(Version::V5), None),
        (Some(Version::V5), Some(Side::Client)),
        (Some(Version::V5), Some(Side::Server)),
    ];

    #[test]
    fn flags_are_those_of_the_packet_type() {
        for (version, sender) in ALL {
            let expected = Expected::new(version, sender);
            for first in 0..=u8::MAX {
                let Ok(packet) = expected.packet_type(first) else {
                    assert!(!expected.accepts(first), "{first:#x}");
                    continue;
                };
                assert!(expected.accepts(first), "{first:#x}");
                let publish = packet == PacketType::Publish;
                assert!(publish || packet.first_byte() == first, "{first:#x}");
            }
        }
    }

    /// The quick way reads what the slow one does, and leaves to it all that is wrong.
    #[test]
    fn both_ways_read_the_same() {
        let lengths: [&[u8]; 9] = [
            b"",
            b"\x00",
            b"\x7F",
            b"\x80\x00",
            b"\x80\x01",
            b"\xFF\x7F",
            b"\x80\x80\x01",
            b"\xFF\xFF\xFF\x7F",
            b"\xFF\xFF\xFF\xFF",
        ];
        let parts = |header: Header| {
            let Header {
                packet,
                first,
                len,
                body_len,
            } = header;
            (packet, first, len, body_len)
        };
        for (version, sender) in ALL {
            let expected = Expected::new(version, sender);
            for (first, length) in (0..=u8::MAX).flat_map(|first| lengths.map(|len| (first, len))) {
                let bytes = [&[first], length].concat();
                let quick = Header::parse_short(&expected, &bytes).map(parts);
                let slow = Header::parse(&expected, &bytes).ok().flatten().map(parts);
                let long = slow.is_some_and(|(_, _, len, _)| len > 3);
                let padded = length == b"\x80\x00";
                assert!(
                    quick == slow || quick.is_none() && (long || padded),
                    "{bytes:x?}"
                );
            }
        }
    }

    /// Table 2-2: PUBREL, SUBSCRIBE and UNSUBSCRIBE.
    #[test]
    fn three_packets_have_a_flag() {
        assert_eq!(with_flag(), 1 << 6 | 1 << 8 | 1 << 10);
    }
}
