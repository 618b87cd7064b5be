//! A plain reader of one frame, written from the specifications and sharing nothing with the crate:
//! the values of its fields, and the rules that it breaks.
//!
//! It is slow and has no types. It decides which class a disagreement falls into.

use std::collections::BTreeSet;

use mqtt_sansio::Version;

use crate::body::Body;
use crate::rules::Fault;

/// A value, by the name of its field.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Field {
    pub name: &'static str,
    /// The identifier, for a property.
    pub property: u8,
    /// As on the wire, without a length in front. A variable byte integer has four bytes.
    pub value: Vec<u8>,
}

/// What a frame holds.
#[derive(Debug, Default)]
pub struct Reading {
    /// In the order of the wire, but properties by identifier.
    pub fields: Vec<Field>,
    /// All that is wrong up to the first error behind which nothing can be read.
    pub faults: BTreeSet<Fault>,
    /// The frame ends before its Remaining Length.
    pub incomplete: bool,
}

impl Reading {
    pub fn of(version: Version, frame: &[u8]) -> Self {
        let mut reading = Self::default();
        if reading.frame(version, frame).is_none() && reading.faults.is_empty() {
            reading.incomplete = true;
        }
        reading
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.fields.iter().find(|field| field.name == name);
        found.map(|field| &field.value[..])
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let found = self.fields.iter().filter(move |field| field.name == name);
        found.map(|field| &field.value[..])
    }

    /// Whether a property has this identifier, outside of the will.
    pub fn has(&self, property: u8) -> bool {
        let of = |field: &Field| field.name == "property" && field.property == property;
        self.fields.iter().any(of)
    }

    pub fn is_valid(&self) -> bool {
        self.faults.is_empty() && !self.incomplete
    }

    pub fn put(&mut self, name: &'static str, value: &[u8]) {
        let value = value.to_vec();
        self.fields.push(Field {
            name,
            property: 0,
            value,
        });
    }

    pub fn check(&mut self, kept: bool, fault: Fault) {
        if !kept {
            self.faults.insert(fault);
        }
    }

    /// `None` if the rest cannot be read.
    fn frame(&mut self, version: Version, frame: &[u8]) -> Option<()> {
        let (&first, mut rest) = frame.split_first()?;
        let (packet, flags) = (first >> 4, first & 15);
        let reserved = packet == 0 || packet == 15 && version == Version::V311;
        self.check(!reserved, Fault::ReservedPacketType);
        let fixed = matches!(packet, 6 | 8 | 10).then_some(2).unwrap_or(0);
        self.check(
            reserved || packet == 3 || flags == fixed,
            Fault::HeaderFlags,
        );
        let len = match varint(&mut rest) {
            Ok((len, shortest)) => {
                self.check(shortest || version == Version::V311, Fault::LongLength);
                len
            }
            Err(true) => {
                self.faults.insert(Fault::LengthTooLong);
                return None;
            }
            Err(false) => return None,
        };
        if rest.len() < len || !self.faults.is_empty() {
            return None;
        }
        let (body, behind) = rest.split_at(len);
        self.check(behind.is_empty(), Fault::LeftOver);
        self.put("first byte", &[first]);
        let mut body = Body {
            reading: self,
            version,
            packet,
            rest: body,
        };
        let read = body.packet(first);
        let left = body.rest.len();
        match read {
            Some(()) => self.check(left == 0, Fault::LeftOver),
            None => _ = self.faults.insert(Fault::CutShort),
        }
        Some(())
    }
}

/// The number, and whether it has the shortest form. `Err(true)`: it has five bytes.
pub fn varint(input: &mut &[u8]) -> Result<(usize, bool), bool> {
    let mut value = 0;
    for (at, &byte) in input.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            *input = &input[at + 1..];
            return Ok((value, at == 0 || byte != 0));
        }
    }
    Err(input.len() >= 4)
}

/// Whether the filter of a shared subscription has a name and a filter, or `None` for another one.
pub fn share(filter: &[u8]) -> Option<bool> {
    let rest = filter.strip_prefix(b"$share/")?;
    let mut parts = rest.splitn(2, |&byte| byte == b'/');
    let name = parts.next().unwrap_or_default();
    let named = !name.is_empty() && !name.contains(&b'+') && !name.contains(&b'#');
    Some(named && parts.next().is_some_and(|filter| !filter.is_empty()))
}
