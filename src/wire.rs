//! Leaf parsers and writers. Written by hand because nom's own made PUBLISH 1.5 times as slow; its
//! types stay.

use bytes::{BufMut, Bytes};
use nom::{Err, IResult};

use crate::binary::Binary;
use crate::error::{DecodeErrorKind, Fault, Field};
use crate::packet_id::PacketId;
use crate::text::{InvalidText, Text, check_text};
use crate::topic::{TopicFilter, TopicName};

pub(crate) type ParseResult<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

#[cold]
pub(crate) const fn fail<T>(at: &[u8], kind: DecodeErrorKind, field: Field) -> ParseResult<'_, T> {
    Err(Err::Failure(Fault::new(at, kind, field)))
}

/// The offset at which `part`, a slice of `whole`, begins.
pub(crate) fn offset(whole: &[u8], part: &[u8]) -> usize {
    let offset = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    offset.min(whole.len())
}

/// The part of `whole` that `part` is. Cheaper than `slice_ref`, which checks that it is one.
#[inline]
pub(crate) fn share(whole: &Bytes, part: &[u8]) -> Bytes {
    let at = offset(whole, part);
    whole.slice(at..at + part.len())
}

/// Fails as there are too few bytes for a field, or none at all.
#[cold]
pub(crate) const fn short<T>(input: &[u8], field: Field) -> ParseResult<'_, T> {
    let kind = match input {
        [] => DecodeErrorKind::Missing,
        _ => DecodeErrorKind::Truncated,
    };
    fail(input, kind, field)
}

#[inline]
pub(crate) fn take(input: &[u8], len: usize, field: Field) -> ParseResult<'_, &[u8]> {
    match input.split_at_checked(len) {
        Some((taken, rest)) => Ok((rest, taken)),
        None => fail(input, DecodeErrorKind::Truncated, field),
    }
}

#[inline]
pub(crate) fn u8(input: &[u8], field: Field) -> ParseResult<'_, u8> {
    match input {
        [byte, rest @ ..] => Ok((rest, *byte)),
        [] => short(input, field),
    }
}

#[inline]
pub(crate) fn u16(input: &[u8], field: Field) -> ParseResult<'_, u16> {
    match input {
        [a, b, rest @ ..] => Ok((rest, u16::from_be_bytes([*a, *b]))),
        _ => short(input, field),
    }
}

#[inline]
pub(crate) fn u32(input: &[u8], field: Field) -> ParseResult<'_, u32> {
    match input {
        [a, b, c, d, rest @ ..] => Ok((rest, u32::from_be_bytes([*a, *b, *c, *d]))),
        _ => short(input, field),
    }
}

#[inline]
pub(crate) fn packet_id(input: &[u8]) -> ParseResult<'_, PacketId> {
    let (rest, id) = u16(input, Field::PacketId)?;
    match PacketId::new(id) {
        Some(id) => Ok((rest, id)),
        None => fail(input, DecodeErrorKind::ZeroPacketId, Field::PacketId),
    }
}

/// A two-byte length and that many bytes.
#[inline]
fn prefixed(input: &[u8], field: Field) -> ParseResult<'_, &[u8]> {
    let (rest, len) = u16(input, field)?;
    take(rest, usize::from(len), field)
}

#[inline]
fn checked<'a, T>(
    input: &'a [u8],
    field: Field,
    check: impl FnOnce(&[u8]) -> Result<(), InvalidText>,
    wrap: impl FnOnce(&'a [u8]) -> T,
) -> ParseResult<'a, T> {
    let (rest, bytes) = prefixed(input, field)?;
    match check(bytes) {
        Ok(()) => Ok((rest, wrap(bytes))),
        Err(error) => {
            let at = bytes.get(error.offset..).unwrap_or_default();
            fail(at, DecodeErrorKind::Text(error.kind), field)
        }
    }
}

pub(crate) fn binary(input: &[u8], field: Field) -> ParseResult<'_, Binary<&[u8]>> {
    let (rest, bytes) = prefixed(input, field)?;
    Ok((rest, Binary(bytes)))
}

#[inline]
pub(crate) fn text(input: &[u8], field: Field) -> ParseResult<'_, Text<&[u8]>> {
    checked(input, field, check_text, Text)
}

#[inline]
pub(crate) fn topic_name(input: &[u8], field: Field) -> ParseResult<'_, TopicName<&[u8]>> {
    checked(input, field, crate::topic::check_name, TopicName)
}

#[inline]
pub(crate) fn topic_filter(input: &[u8], field: Field) -> ParseResult<'_, TopicFilter<&[u8]>> {
    checked(input, field, crate::topic::check_filter, TopicFilter)
}

/// Succeeds iff nothing is left of the packet.
#[inline]
pub(crate) fn end(rest: &[u8]) -> Result<(), Fault<'_>> {
    match rest {
        [] => Ok(()),
        _ => Err(Fault::new(
            rest,
            DecodeErrorKind::TrailingBytes,
            Field::Packet,
        )),
    }
}

/// Appends a two-byte length and the bytes.
#[inline]
pub(crate) fn put_prefixed(bytes: &[u8], out: &mut impl BufMut) {
    out.put_u16(prefix(bytes));
    out.put_slice(bytes);
}

/// The length to be sent in front of text or binary data.
#[inline]
pub(crate) const fn prefix(bytes: &[u8]) -> u16 {
    debug_assert!(bytes.len() <= 0xFFFF);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "text and binary data are checked to fit when they are made"
    )]
    let len = bytes.len() as u16;
    len
}
