//! The frames that all codecs are asked about.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mqtt_sansio::Version;

use crate::hex;
use crate::random::Rng;
use crate::read::Reading;
use crate::write;

/// No longer frame is made or taken.
const LARGEST: usize = 70_000;
/// No longer frame is changed.
const LARGEST_CHANGED: usize = 600;

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Frame {
    pub is_v5: bool,
    pub bytes: Vec<u8>,
}

impl Frame {
    pub fn version(&self) -> Version {
        if self.is_v5 {
            Version::V5
        } else {
            Version::V311
        }
    }

    pub fn packet(&self) -> u8 {
        self.bytes.first().map_or(0, |first| first >> 4)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The frames of vectors, captures and seeds, each once.
pub fn given() -> Vec<Frame> {
    let mut all = BTreeSet::new();
    let root = root();
    for (folder, is_v5) in [("v311", false), ("v5", true)] {
        let before = all.len();
        for file in files(&root.join("testdata/vectors").join(folder)) {
            let text = fs::read_to_string(file).unwrap();
            let lines = text.lines().map(str::trim);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let bytes = line.split(" | ").nth(2).expect("five fields");
                split(is_v5, &hex::parse(bytes), &mut all);
            }
        }
        assert!(all.len() > before + 300, "too few vectors of {folder}");
    }
    for file in files(&root.join("testdata/captures")) {
        let name = file.file_name().unwrap().to_string_lossy();
        let bytes = fs::read(&file).unwrap();
        if name.ends_with(".bin") {
            split(name.starts_with("v5"), &bytes, &mut all);
        } else if name.ends_with(".pcap") {
            for payload in payloads(&bytes) {
                split(false, payload, &mut all);
                split(true, payload, &mut all);
            }
        }
    }
    for folder in files(&root.join("fuzz/seeds")) {
        for seed in files(&folder) {
            let bytes = fs::read(seed).unwrap();
            split(false, &bytes, &mut all);
            split(true, &bytes, &mut all);
        }
    }
    all.into_iter().collect()
}

/// Takes a stream apart. What is incomplete, or has no length, is a frame, too.
fn split(is_v5: bool, mut stream: &[u8], all: &mut BTreeSet<Frame>) {
    while !stream.is_empty() {
        let len = whole(stream).map_or(stream.len(), |(head, body)| head + body);
        let (frame, rest) = stream.split_at(len.min(stream.len()));
        if frame.len() <= LARGEST {
            let bytes = frame.to_vec();
            all.insert(Frame { is_v5, bytes });
        }
        stream = rest;
    }
}

/// The payloads of the TCP segments in a capture of Ethernet and IPv4.
fn payloads(pcap: &[u8]) -> Vec<&[u8]> {
    let mut payloads = Vec::new();
    let mut rest = &pcap[24..];
    while let Some((record, behind)) = rest.split_at_checked(16) {
        let len = u32::from_le_bytes(record[8..12].try_into().expect("four bytes"));
        let (packet, behind) = behind.split_at(len as usize);
        rest = behind;
        let ip = &packet[14..];
        let len = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let tcp = &ip[usize::from(ip[0] & 15) * 4..len];
        payloads.push(&tcp[usize::from(tcp[12] >> 4) * 4..]);
    }
    assert!(!payloads.is_empty(), "a capture without segments");
    payloads
}

/// The lengths of the fixed header and of the body.
fn whole(frame: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (at, &byte) in frame.iter().enumerate().skip(1).take(4) {
        len |= usize::from(byte & 0x7F) << (7 * (at - 1));
        if byte < 0x80 {
            return Some((at + 1, len));
        }
    }
    None
}

pub fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7F {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn with_len(first: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    put_varint(&mut frame, body.len());
    frame.extend(body);
    frame
}

/// Where the properties of a body are: their length's place, and their bytes.
fn properties(packet: u8, first: u8, body: &[u8]) -> Option<(usize, std::ops::Range<usize>)> {
    let at = match packet {
        1 => 10,
        2 | 8..=11 => 2,
        3 => {
            let topic = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
            2 + topic + if first & 6 == 0 { 0 } else { 2 }
        }
        4..=7 => 3,
        14 | 15 => 1,
        _ => return None,
    };
    let len = usize::from(*body.get(at)?);
    let range = at + 1..at + 1 + len;
    (len < 0x80 && range.end <= body.len()).then_some((at, range))
}

/// Makes frames of others, the same for the same seed.
#[derive(Debug)]
pub struct Mutator {
    /// Those that are valid, then the others.
    given: Vec<Frame>,
    valid: usize,
    rng: Rng,
}

impl Mutator {
    pub fn new(given: &[Frame], seed: u64) -> Self {
        let small = |frame: &&Frame| frame.bytes.len() <= LARGEST_CHANGED;
        let valid = |frame: &Frame| Reading::of(frame.version(), &frame.bytes).is_valid();
        let small = given.iter().filter(small).cloned();
        let (mut given, mut others): (Vec<_>, Vec<_>) = small.partition(valid);
        let valid = given.len();
        given.append(&mut others);
        let mut rng = Rng::new(seed);
        for _ in 0..8 {
            rng.below(2);
        }
        Self { given, valid, rng }
    }

    pub fn next(&mut self) -> Frame {
        let of = self.rng.pick([self.valid, self.valid, self.given.len()]);
        let at = self.rng.below(of);
        let mut frame = self.given[at].clone();
        if self.rng.below(16) == 0 {
            frame.is_v5 = !frame.is_v5;
        }
        let changes = self.rng.pick([1, 1, 1, 2, 3]);
        for _ in 0..changes {
            if self.rng.below(2) == 0 {
                self.change(&mut frame);
            } else {
                self.change_value(&mut frame);
            }
        }
        let lost = frame.bytes.len() > LARGEST;
        if lost || whole(&frame.bytes).is_some_and(|(head, body)| head + body < frame.bytes.len()) {
            // The rest would be another frame.
            let len = whole(&frame.bytes).map_or(0, |(head, body)| head + body);
            frame.bytes.truncate(len);
        }
        frame
    }

    fn change(&mut self, frame: &mut Frame) {
        let Some((head, _)) = whole(&frame.bytes) else {
            frame.bytes = vec![0xC0, 0];
            return;
        };
        let mut first = frame.bytes[0];
        let mut body = frame.bytes[head.min(frame.bytes.len())..].to_vec();
        match self.rng.below(12) {
            0 => first = self.byte(first),
            1 => {
                // The length alone.
                let at = 1 + self.rng.below(head - 1);
                frame.bytes[at] = self.byte(frame.bytes[at]);
                return;
            }
            2 | 3 if !body.is_empty() => {
                let at = self.rng.below(body.len());
                body.remove(at);
            }
            4 => {
                let at = self.rng.below(body.len() + 1);
                let byte = self.byte(0);
                body.insert(at, byte);
            }
            5 => body.truncate(self.rng.below(body.len() + 1)),
            6 | 7 if frame.is_v5 => self.cross(first, &mut body),
            8 if !body.is_empty() => {
                // A part again, elsewhere.
                let start = self.rng.below(body.len());
                let end = body.len().min(start + 1 + self.rng.below(12));
                let at = self.rng.below(body.len() + 1);
                let part = body[start..end].to_vec();
                body.splice(at..at, part);
            }
            _ if !body.is_empty() => {
                let at = self.rng.below(body.len());
                body[at] = self.byte(body[at]);
            }
            _ => first = self.byte(first),
        }
        frame.bytes = with_len(first, &body);
    }

    /// Changes the value of a field, whose length follows; repeats a field or leaves one out.
    fn change_value(&mut self, frame: &mut Frame) {
        let reading = Reading::of(frame.version(), &frame.bytes);
        let mut fields = reading.fields;
        if fields.len() < 2 || !reading.faults.is_empty() {
            return self.change(frame);
        }
        let at = 1 + self.rng.below(fields.len() - 1);
        match self.rng.below(8) {
            0 => _ = fields.remove(at),
            1 => fields.insert(at, fields[at].clone()),
            _ => {
                let fixed = matches!(
                    fields[at].name,
                    "flags" | "keep alive" | "identifier" | "code" | "options"
                );
                let pair = usize::from(fields[at].property == 0x26) * 2;
                let value = &mut fields[at].value;
                let place = self.rng.below(value.len() + 1);
                match self.rng.below(4) {
                    0 if !fixed => {
                        let text = ["/", "+", "#", "$share/", "\u{e9}", "\u{feff}", "a"];
                        let text = text[self.rng.below(text.len())];
                        let place = place.max(pair);
                        value.splice(place..place, text.bytes());
                    }
                    1 if !fixed => value.truncate(place.max(pair)),
                    _ if value.len() > pair => {
                        let place = place.clamp(pair, value.len() - 1);
                        value[place] = self.byte(value[place]);
                    }
                    _ => {}
                }
            }
        }
        if let Some(bytes) = write::frame(frame.version(), &fields) {
            frame.bytes = bytes;
        }
    }

    /// Another byte: near, one bit away, one with a meaning, or any.
    fn byte(&mut self, byte: u8) -> u8 {
        const MEANINGFUL: [u8; 16] = [
            0, 1, 2, 4, b'#', b'$', b'+', b'/', 0x7F, 0x80, 0xBF, 0xC0, 0xED, 0xEF, 0xF4, 0xFF,
        ];
        match self.rng.below(5) {
            0 => byte.wrapping_add(1),
            1 => byte.wrapping_sub(1),
            2 => byte ^ 1 << self.rng.below(8),
            3 => self.rng.pick(MEANINGFUL),
            _ => self.rng.below(256) as u8,
        }
    }

    /// Puts the properties of another packet of the type before, behind or in the place of these.
    fn cross(&mut self, first: u8, body: &mut Vec<u8>) {
        let Some((at, range)) = properties(first >> 4, first, body) else {
            return;
        };
        let from = self.rng.below(self.given.len());
        let mut others = self.given[from..].iter().chain(&self.given[..from]);
        let other = others.find_map(|frame| {
            let (head, _) = whole(&frame.bytes).filter(|_| frame.is_v5)?;
            let body = frame.bytes.get(head..)?;
            let same = frame.packet() == first >> 4;
            let (_, range) = properties(frame.packet(), frame.bytes[0], body)?;
            (same && !range.is_empty()).then(|| body[range].to_vec())
        });
        let other = other.unwrap_or_default();
        let these = body[range.clone()].to_vec();
        let block = match self.rng.below(3) {
            0 => [these, other].concat(),
            1 => [other, these].concat(),
            _ => other,
        };
        let mut with = Vec::new();
        put_varint(&mut with, block.len());
        with.extend(block);
        body.splice(at..range.end, with);
    }
}
