//! The common part of the encoders.

use bytes::BufMut;

use crate::device::QUICK;
use crate::error::{EncodeError, OnlyInV5};
use crate::packet_type::PacketType;
use crate::property::Properties;
use crate::reason::ReasonCode;
use crate::varint::VarInt;
use crate::version::Version;

/// The part of a packet that follows the fixed header.
pub(super) trait Body {
    /// Returns the length, or an error if the packet cannot be encoded in `version`.
    fn body_len(&self, version: Version) -> Result<usize, EncodeError>;

    /// Appends the fixed header and the body. [`body_len`](Self::body_len) has succeeded, and `out`
    /// has room.
    fn put(&self, header: FixedHeader, version: Version, out: &mut impl BufMut);
}

/// A fixed header to be written.
#[derive(Clone, Copy)]
pub(super) struct FixedHeader {
    first: u8,
    body_len: VarInt,
}

impl FixedHeader {
    /// Succeeds if there is room for the whole packet but its last `apart` bytes.
    #[inline]
    pub(super) fn new(
        first: u8,
        body_len: usize,
        apart: usize,
        out: &impl BufMut,
    ) -> Result<Self, EncodeError> {
        let body_len = VarInt::try_from(body_len).map_err(|_| EncodeError::TooLarge)?;
        let needed = 1 + body_len.encoded_len() + body_len.get() as usize - apart;
        let available = out.remaining_mut();
        match available < needed {
            true => Err(EncodeError::too_small(needed, available)),
            false => Ok(Self { first, body_len }),
        }
    }

    pub(super) fn put(self, out: &mut impl BufMut) {
        out.put_u8(self.first);
        self.body_len.encode(out);
    }

    /// Appends the header and the first two bytes of the body, most often in one go.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(super) fn put_with(self, next: u16, out: &mut impl BufMut) {
        let [high, low] = next.to_be_bytes();
        match self.body_len.get() {
            _ if !QUICK => {
                self.put(out);
                out.put_slice(&[high, low]);
            }
            len @ 0..=0x7F => out.put_slice(&[self.first, (len & 0x7F) as u8, high, low]),
            len @ 0x80..=0x3FFF => {
                let (low7, high7) = ((len & 0x7F) as u8 | 0x80, (len >> 7 & 0x7F) as u8);
                out.put_slice(&[self.first, low7, high7, high, low]);
            }
            _ => {
                self.put(out);
                out.put_slice(&[high, low]);
            }
        }
    }
}

/// The body of PINGREQ and PINGRESP.
pub(super) struct Empty;

impl Body for Empty {
    fn body_len(&self, _: Version) -> Result<usize, EncodeError> {
        Ok(0)
    }

    fn put(&self, header: FixedHeader, _: Version, out: &mut impl BufMut) {
        header.put(out);
    }
}

#[inline]
pub(super) fn put(
    packet: PacketType,
    body: &impl Body,
    version: Version,
    out: &mut impl BufMut,
) -> Result<(), EncodeError> {
    let header = FixedHeader::new(packet.first_byte(), body.body_len(version)?, 0, out)?;
    body.put(header, version, out);
    Ok(())
}

#[inline]
pub(super) fn packet_len(body_len: usize) -> Result<usize, EncodeError> {
    match VarInt::try_from(body_len) {
        Ok(len) => Ok(1 + len.encoded_len() + body_len),
        Err(_) => Err(EncodeError::TooLarge),
    }
}

/// The length of a reason code and properties at the end of a packet, both left out where they say
/// nothing (sections 3.4.2.1 and 3.14.2.1).
pub(super) fn tail_len<K, B: AsRef<[u8]>>(
    packet: PacketType,
    reason: ReasonCode,
    properties: &Properties<K, B>,
    version: Version,
) -> Result<usize, EncodeError> {
    check_code(packet, reason, version)?;
    match (reason, properties.encoded_len(version)?) {
        (ReasonCode::Success, _) if properties.is_empty() => Ok(0),
        _ if properties.is_empty() => Ok(1),
        (_, len) => Ok(1 + len),
    }
}

pub(super) fn put_tail<K, B: AsRef<[u8]>>(
    reason: ReasonCode,
    properties: &Properties<K, B>,
    version: Version,
    out: &mut impl BufMut,
) {
    let plain = properties.is_empty();
    if !plain || reason != ReasonCode::Success {
        out.put_u8(reason.to_u8());
    }
    if !plain {
        properties.put(version, out);
    }
}

pub(super) fn check_code(
    packet: PacketType,
    code: ReasonCode,
    version: Version,
) -> Result<(), EncodeError> {
    let known = match version {
        _ if code == ReasonCode::Success => return Ok(()),
        Version::V311 => code.to_v311(packet).is_some(),
        Version::V5 => code.allowed_in(packet, None),
    };
    match (known, version) {
        (true, _) => Ok(()),
        (false, Version::V5) => Err(EncodeError::InvalidReasonCode { packet, code }),
        (false, Version::V311) => Err(EncodeError::NotInVersion {
            what: OnlyInV5::ReasonCode,
            version,
        }),
    }
}
