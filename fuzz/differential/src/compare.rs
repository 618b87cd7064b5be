//! What one codec says of a frame beside what this crate says.

use mqtt_sansio::{DecodeError, Packet};

use crate::frames::Frame;
use crate::ours;
use crate::peers::{Accepted, Answer};
use crate::read::{Field, Reading};

/// A frame, what this crate makes of it, and what the plain reader does.
#[derive(Debug)]
pub struct Case<'a> {
    pub frame: &'a Frame,
    pub reading: Reading,
    pub ours: Result<Option<Packet<&'a [u8]>>, DecodeError>,
    /// The values of a packet that this crate accepts.
    pub fields: Vec<Field>,
}

/// A disagreement.
#[derive(Debug)]
pub enum Difference {
    /// They accept, we do not.
    Accepted,
    /// They do not accept, we do.
    Refused,
    /// The values of a PUBLISH differ.
    Publish,
    /// They do not encode what they decoded.
    NotEncoded,
    /// What they encode is refused, by us or by the plain reader.
    EncodedRefused(Reading),
    /// What they encode is another packet: the fields that only the frame has, and those that only
    /// their packet has.
    Encoded(Vec<Field>, Vec<Field>),
}

impl<'a> Case<'a> {
    pub fn new(frame: &'a Frame) -> Self {
        let version = frame.version();
        let ours = ours::decode(version, &frame.bytes);
        let fields = match &ours {
            Ok(Some(packet)) => ours::fields(version, packet),
            _ => Vec::new(),
        };
        Self {
            frame,
            reading: Reading::of(version, &frame.bytes),
            ours,
            fields,
        }
    }

    pub fn accepted(&self) -> bool {
        matches!(self.ours, Ok(Some(_)))
    }

    /// Where this crate and the plain reader differ: of accepting, of the values, of encoding.
    pub fn own(&self) -> Option<String> {
        let reading = &self.reading;
        match &self.ours {
            Ok(None) if !reading.incomplete => return Some("it waits for bytes".into()),
            Ok(Some(_)) if !reading.is_valid() => {
                return Some(format!("it accepts {:?}", reading.faults));
            }
            Err(error) if reading.faults.is_empty() => return Some(format!("it refuses: {error}")),
            Ok(Some(packet)) => {
                if self.fields != reading.fields {
                    let (left, right) = differing(&reading.fields, &self.fields);
                    return Some(format!("it reads {} for {}", names(&right), names(&left)));
                }
                let mut encoded = Vec::new();
                if let Err(error) = packet.encode(self.frame.version(), &mut encoded) {
                    return Some(format!("it does not encode: {error}"));
                }
                let again = Reading::of(self.frame.version(), &encoded);
                if !again.is_valid() || again.fields != reading.fields {
                    let (left, right) = differing(&reading.fields, &again.fields);
                    return Some(format!("it encodes {} for {}", names(&right), names(&left)));
                }
            }
            _ => {}
        }
        None
    }

    pub fn differences(&self, answer: &Answer) -> Vec<Difference> {
        match (self.accepted(), answer) {
            (_, Answer::NotAsked | Answer::None) => Vec::new(),
            (true, Answer::Refused | Answer::Incomplete) => vec![Difference::Refused],
            (false, Answer::Accepted(_)) => vec![Difference::Accepted],
            (false, _) => Vec::new(),
            (true, Answer::Accepted(accepted)) => self.values(accepted),
        }
    }

    fn values(&self, theirs: &Accepted) -> Vec<Difference> {
        let mut differences = Vec::new();
        if let Some(publish) = &theirs.publish {
            let get = |name: &str| {
                let found = self.fields.iter().find(|field| field.name == name);
                found.map_or(&[][..], |field| &field.value)
            };
            let id = get("identifier").try_into().map_or(0, u16::from_be_bytes);
            let same = get("first byte") == [0x30 | publish.flags]
                && get("topic") == publish.topic
                && id == publish.id
                && get("payload") == publish.payload;
            if !same {
                differences.push(Difference::Publish);
            }
        }
        match &theirs.encoded {
            None => differences.push(Difference::NotEncoded),
            Some(encoded) => differences.extend(self.encoded(encoded)),
        }
        differences
    }

    fn encoded(&self, encoded: &[u8]) -> Option<Difference> {
        let version = self.frame.version();
        let reading = Reading::of(version, encoded);
        let packet = match ours::decode(version, encoded) {
            Ok(Some(packet)) if reading.is_valid() => packet,
            _ => return Some(Difference::EncodedRefused(reading)),
        };
        // By the plain reader, too, which does not share a mistake of this crate.
        let mut readings = [ours::fields(version, &packet), reading.fields].into_iter();
        let fields = readings.find(|fields| *fields != self.fields)?;
        let (left, right) = differing(&self.fields, &fields);
        Some(Difference::Encoded(left, right))
    }
}

/// The names of fields, to group by.
pub fn names(fields: &[Field]) -> String {
    let name = |field: &Field| match field.property {
        0 => field.name.to_owned(),
        property => format!("{} {property:#04x}", field.name),
    };
    let mut names: Vec<_> = fields.iter().map(name).collect();
    names.dedup();
    names.join(", ")
}

/// The fields of the one that the other lacks, both ways.
pub fn differing(left: &[Field], right: &[Field]) -> (Vec<Field>, Vec<Field>) {
    let only = |these: &[Field], others: &[Field]| {
        let mut others = others.to_vec();
        let mut only = Vec::new();
        for field in these {
            match others.iter().position(|other| other == field) {
                Some(at) => _ = others.remove(at),
                None => only.push(field.clone()),
            }
        }
        only
    };
    (only(left, right), only(right, left))
}
