//! The values of fields as Wireshark's dissector finds them.
//!
//! The frames that this crate accepts are written to a file of captured TCP segments, each from an
//! address of its own, and read by `tshark`, which says where in the segment each field stands.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::compare::{self, Case};
use crate::frames::Frame;
use crate::read::Field;
use crate::rules::{self, Kind};
use crate::table::Table;

/// The name in the table.
pub const NAME: &str = "Wireshark";
/// A longer frame does not fit into one segment.
const LARGEST: usize = 60_000;
/// The bytes of a segment in front of its frame: the headers of IPv4 and TCP.
const HEADERS: usize = 40;
/// Frames that are dissected at a time.
const FULL: usize = 20_000;

/// The frames that are not yet dissected.
#[derive(Debug, Default)]
pub struct Wireshark {
    waiting: [Vec<Frame>; 2],
}

impl Wireshark {
    /// Whether there is a `tshark` to be started.
    pub fn is_here() -> bool {
        let mut version = Command::new("tshark");
        version.arg("--version").stdout(Stdio::null());
        version.stderr(Stdio::null()).status().is_ok()
    }

    /// Takes a frame that this crate accepts.
    pub fn push(&mut self, frame: &Frame, table: &mut Table) {
        if frame.bytes.len() <= LARGEST {
            let waiting = &mut self.waiting[usize::from(frame.is_v5)];
            waiting.push(frame.clone());
            if waiting.len() >= FULL {
                dissect(&std::mem::take(waiting), table);
            }
        }
    }

    pub fn finish(&mut self, table: &mut Table) {
        for waiting in &mut self.waiting {
            dissect(&std::mem::take(waiting), table);
        }
    }
}

fn dissect(frames: &[Frame], table: &mut Table) {
    let Some(first) = frames.first() else {
        return;
    };
    let name = format!("differential-{}.pcap", std::process::id());
    let file = std::env::temp_dir().join(name);
    fs::write(&file, pcap(frames)).expect("a file of segments");
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&file);
    let version = if first.is_v5 {
        "MQTT v5.0"
    } else {
        "MQTT v3.1.1"
    };
    tshark.args(["-o", &format!("mqtt.default_version:{version}")]);
    tshark.args(["-T", "jsonraw", "-J", "mqtt", "--no-duplicate-keys"]);
    let output = tshark.stderr(Stdio::null()).output();
    let removed: io::Result<()> = fs::remove_file(&file);
    removed.expect("the file of segments");
    let text = output.expect("the output of tshark").stdout;
    let segments: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
    assert_eq!(
        segments.len(),
        frames.len(),
        "what tshark says of all segments"
    );
    for (frame, segment) in frames.iter().zip(&segments) {
        let case = Case::new(frame);
        let layers = &segment["_source"]["layers"];
        let mut fields = fields(frame, layers);
        let mut ours = case.fields.clone();
        // An empty field has no place.
        ours.retain(|field| !field.value.is_empty());
        fields.retain(|field| !field.value.is_empty());
        let (left, right) = compare::differing(&ours, &fields);
        table.wireshark(&case, left, right);
    }
}

/// A file of segments of raw IP, one a frame.
fn pcap(frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |value: u32| out.extend(value.to_le_bytes());
    // Magic, version 2.4, no time zone, longest packet, raw IP.
    for value in [0xA1B2_C3D4, 0x0004_0002, 0, 0, 65_535, 101] {
        put(value);
    }
    for (at, frame) in frames.iter().enumerate() {
        let len = HEADERS + frame.bytes.len();
        for value in [0, 0, len as u32, len as u32] {
            out.extend(value.to_le_bytes());
        }
        let [high, low] = (len as u16).to_be_bytes();
        out.extend([0x45, 0, high, low, 0, 0, 0, 0, 64, 6, 0, 0]);
        let [_, a, b, c] = (at as u32).to_be_bytes();
        out.extend([10, a, b, c, 10, 255, 255, 255]);
        // From port 40000 to 1883, sequence 1, PSH and ACK.
        out.extend([0x9C, 0x40, 0x07, 0x5B, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18]);
        out.extend([0xFF, 0xFF, 0, 0, 0, 0]);
        out.extend(&frame.bytes);
    }
    out
}

/// A field of the dissector: its place, its name, its bytes.
type Found = (u64, String, Vec<u8>);

fn collect(name: &str, value: &Value, found: &mut Vec<Found>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                collect(name, value, found);
            }
        }
        Value::Array(list) => match &list[..] {
            // Its bytes, place, length, bit mask and type.
            [Value::String(hex), at, _, mask, _] if mask.as_u64() == Some(0) => {
                let digits = hex.as_bytes().chunks(2);
                let bytes = digits.filter_map(|pair| {
                    let pair = std::str::from_utf8(pair).ok()?;
                    u8::from_str_radix(pair, 16).ok()
                });
                let at = at.as_u64().unwrap_or(u64::MAX);
                found.push((at, name.to_owned(), bytes.collect()));
            }
            _ => list.iter().for_each(|value| collect(name, value, found)),
        },
        _ => {}
    }
}

/// The fields in the terms of the plain reader.
fn fields(frame: &Frame, layers: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    collect("", &layers["mqtt"], &mut found);
    found.sort_by_key(|(at, ..)| *at);
    found.retain(|(at, ..)| *at as usize >= HEADERS);
    let mut fields: Vec<Field> = Vec::new();
    let mut will = false;
    for (_, name, value) in found {
        let name = name.strip_suffix("_raw").unwrap_or(&name);
        let property = match name {
            "mqtt.property_id" => value.first().copied().unwrap_or(0),
            _ => 0,
        };
        will |= name == "mqtt.clientid_len";
        let Some(place) = place(frame, name, will) else {
            let last = fields.last_mut().filter(|field| field.property > 0);
            if let Some(field) = last {
                put_value(field, name, &value);
            }
            continue;
        };
        let value = if property > 0 { Vec::new() } else { value };
        fields.push(Field {
            name: place,
            property,
            value,
        });
    }
    // What is left out has its default.
    if frame.is_v5 && matches!(frame.packet(), 4..=7 | 14) {
        let code = fields.iter().any(|field| field.name == "code");
        if !code {
            fields.push(Field {
                name: "code",
                property: 0,
                value: vec![0],
            });
        }
    }
    fields
}

/// The plain reader's name of a field.
fn place(frame: &Frame, name: &str, will: bool) -> Option<&'static str> {
    Some(match name {
        "mqtt.hdrflags" => "first byte",
        "mqtt.conflags" | "mqtt.conack.flags" => "flags",
        "mqtt.kalive" => "keep alive",
        "mqtt.clientid" => "client identifier",
        "mqtt.willtopic" => "will topic",
        "mqtt.willmsg" => "will payload",
        "mqtt.username" => "user name",
        "mqtt.passwd" => "password",
        "mqtt.topic" if frame.packet() == 3 => "topic",
        "mqtt.topic" => "filter",
        "mqtt.msgid" => "identifier",
        "mqtt.msg" => "payload",
        "mqtt.sub.qos" | "mqtt.subscription_options" => "options",
        "mqtt.conack.val" | "mqtt.suback.qos" => "code",
        code if code.ends_with(".reason_code") => "code",
        "mqtt.property_id" if will => "will property",
        "mqtt.property_id" => "property",
        _ => return None,
    })
}

fn put_value(field: &mut Field, name: &str, value: &[u8]) {
    match (rules::kind(field.property), name) {
        (Some(Kind::Number(_)), "mqtt.prop_number" | "mqtt.property.max_qos")
        | (Some(Kind::Number(_)), "mqtt.property.topic_alias")
        | (Some(Kind::Text | Kind::Topic | Kind::Binary), "mqtt.prop_string") => {
            field.value = value.to_vec();
        }
        (Some(Kind::Text), "mqtt.property.content_type") => {
            field.value = value.get(2..).unwrap_or_default().to_vec();
        }
        (Some(Kind::VarInt), "mqtt.prop_number") => {
            let digits = value.iter().rev();
            let number = digits.fold(0, |sum: u32, byte| sum << 7 | u32::from(byte & 0x7F));
            field.value = number.to_be_bytes().to_vec();
        }
        (Some(Kind::Pair), "mqtt.prop_key_len") => field.value = value.to_vec(),
        (Some(Kind::Pair), "mqtt.prop_key" | "mqtt.prop_value") => field.value.extend(value),
        _ => {}
    }
}
