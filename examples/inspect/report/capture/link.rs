//! From the header of a network interface to a TCP segment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::file::Frame;

/// A TCP segment.
pub(crate) struct Segment<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) sequence: u32,
    pub(crate) acknowledged: Option<u32>,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) reset: bool,
    pub(crate) payload: &'a [u8],
    /// Bytes at the end of the payload that were not captured.
    pub(crate) cut: usize,
}

/// Why there is no segment in a frame.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum NoSegment {
    /// Another protocol.
    Other,
    /// A part of an IP packet.
    Fragment,
    /// It ends within its headers, or they contradict each other.
    Short,
    /// A link type that is not known here.
    Link(u32),
}

type Parsed<T> = Result<T, NoSegment>;

/// Bytes of which the end may not have been captured.
#[derive(Clone, Copy)]
struct Cut<'a> {
    bytes: &'a [u8],
    /// The length that there was.
    len: usize,
}

impl<'a> Cut<'a> {
    fn skip(self, len: usize) -> Parsed<Self> {
        let bytes = self.bytes.get(len..).ok_or(NoSegment::Short)?;
        let len = self.len.saturating_sub(len);
        Ok(Self { bytes, len })
    }

    /// The first `len` bytes, as a header inside says: what follows is padding.
    fn limit(self, len: usize) -> Self {
        let bytes = self.bytes.get(..len).unwrap_or(self.bytes);
        Self { bytes, len }
    }

    fn array<const N: usize>(self, at: usize) -> Parsed<[u8; N]> {
        let bytes = self.bytes.get(at..at + N);
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(NoSegment::Short)
    }

    fn u8(self, at: usize) -> Parsed<u8> {
        self.array(at).map(|[byte]| byte)
    }

    fn u16(self, at: usize) -> Parsed<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    fn u32(self, at: usize) -> Parsed<u32> {
        self.array(at).map(u32::from_be_bytes)
    }
}

/// The TCP segment in a frame.
pub(crate) fn segment<'a>(frame: &Frame<'a>) -> Parsed<Segment<'a>> {
    let input = Cut {
        bytes: frame.bytes,
        len: frame.len.max(frame.bytes.len()),
    };
    match frame.link {
        // Loopback of BSD: a protocol family, in either byte order.
        0 | 108 => ip(input.skip(4)?),
        1 => ether(input.u16(12)?, input.skip(14)?),
        12 | 14 | 101 | 228 | 229 => ip(input),
        // Linux "cooked", versions 1 and 2.
        113 => ether(input.u16(14)?, input.skip(16)?),
        276 => ether(input.u16(0)?, input.skip(20)?),
        other => Err(NoSegment::Link(other)),
    }
}

fn ether<'a>(mut kind: u16, mut input: Cut<'a>) -> Parsed<Segment<'a>> {
    // VLAN tags.
    while let 0x8100 | 0x88A8 | 0x9100 = kind {
        kind = input.u16(2)?;
        input = input.skip(4)?;
    }
    match kind {
        0x0800 | 0x86DD => ip(input),
        _ => Err(NoSegment::Other),
    }
}

fn ip(input: Cut<'_>) -> Parsed<Segment<'_>> {
    match input.u8(0)? >> 4 {
        4 => ipv4(input),
        6 => ipv6(input),
        _ => Err(NoSegment::Other),
    }
}

const TCP: u8 = 6;

fn ipv4(input: Cut<'_>) -> Parsed<Segment<'_>> {
    if input.u8(9)? != TCP {
        return Err(NoSegment::Other);
    }
    let header = usize::from(input.u8(0)? & 0xF) * 4;
    let total = match input.u16(2)? {
        // A packet that the interface itself is to divide.
        0 => input.len,
        total => usize::from(total),
    };
    // More fragments, or an offset.
    if input.u16(6)? & 0x3FFF != 0 {
        return Err(NoSegment::Fragment);
    }
    if header < 20 || total < header {
        return Err(NoSegment::Short);
    }
    let address = |at| {
        input
            .array(at)
            .map(|bytes: [u8; 4]| Ipv4Addr::from(bytes).into())
    };
    tcp(address(12)?, address(16)?, input.limit(total).skip(header)?)
}

fn ipv6(input: Cut<'_>) -> Parsed<Segment<'_>> {
    let address = |at| {
        input
            .array(at)
            .map(|bytes: [u8; 16]| Ipv6Addr::from(bytes).into())
    };
    let (from, to) = (address(8)?, address(24)?);
    let (len, mut next) = (usize::from(input.u16(4)?), input.u8(6)?);
    let mut rest = input.skip(40)?;
    if len != 0 {
        rest = rest.limit(len);
    }
    loop {
        let extension = match next {
            TCP => return tcp(from, to, rest),
            // Options and routing.
            0 | 43 | 60 => 8 + usize::from(rest.u8(1)?) * 8,
            // A fragment, which may be the only one.
            44 if rest.u16(2)? & 0xFFF9 != 0 => return Err(NoSegment::Fragment),
            44 => 8,
            _ => return Err(NoSegment::Other),
        };
        next = rest.u8(0)?;
        rest = rest.skip(extension)?;
    }
}

fn tcp(from: IpAddr, to: IpAddr, input: Cut<'_>) -> Parsed<Segment<'_>> {
    let header = usize::from(input.u8(12)? >> 4) * 4;
    if header < 20 {
        return Err(NoSegment::Short);
    }
    let flags = input.u8(13)?;
    let data = input.skip(header)?;
    Ok(Segment {
        from: SocketAddr::new(from, input.u16(0)?),
        to: SocketAddr::new(to, input.u16(2)?),
        sequence: input.u32(4)?,
        acknowledged: (flags & 0x10 != 0).then_some(input.u32(8)?),
        syn: flags & 0x02 != 0,
        fin: flags & 0x01 != 0,
        reset: flags & 0x04 != 0,
        payload: data.bytes,
        cut: data.len.saturating_sub(data.bytes.len()),
    })
}
