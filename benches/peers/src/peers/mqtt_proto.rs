use std::hint::black_box;

use mqtt_proto::{Encodable, Error, Pid, PollHeader, QosPid, VarBytes, v3, v5};

use crate::packets::{Case, Version, put_fixed_header, split_fixed_header};
use crate::timing::{self, Run};

fn decode_v3(packet: &[u8]) -> Result<v3::Packet, Error> {
    let (first, body) = split_fixed_header(packet).ok_or(Error::InvalidHeader)?;
    v3::Header::new_with(first, body.len() as u32, packet.len() as u32)?.decode_buffer(body, &mut 0)
}

fn decode_v5(packet: &[u8]) -> Result<v5::Packet, v5::ErrorV5> {
    let (first, body) = split_fixed_header(packet).ok_or(Error::InvalidHeader)?;
    v5::Header::new_with(first, body.len() as u32, packet.len() as u32)?.decode_buffer(body, &mut 0)
}

pub fn decode_owned(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => timing::slices(case, |packet| black_box(&decode_v3(packet)).is_ok()),
        Version::V5 => timing::slices(case, |packet| black_box(&decode_v5(packet)).is_ok()),
    })
}

fn put(out: &mut Vec<u8>, first: u8, body: &impl Encodable) -> bool {
    out.clear();
    put_fixed_header(out, first, body.encode_len());
    body.encode(out).is_ok()
}

fn publish_first(dup: bool, retain: bool, qos: &QosPid) -> u8 {
    let qos = match qos {
        QosPid::Level0 => 0,
        QosPid::Level1(_) => 0b010,
        QosPid::Level2(_) => 0b100,
    };
    0x30 | u8::from(dup) << 3 | qos | u8::from(retain)
}

pub fn encode(case: &Case) -> Option<Run> {
    let out = Vec::new();
    Some(match case.version {
        Version::V311 => match decode_v3(&case.bytes).unwrap() {
            v3::Packet::Puback(id) => encode_puback_v3(case, id),
            packet => timing::encode(case, packet, out, |packet, out| match packet {
                v3::Packet::Connect(body) => put(out, 0x10, body),
                v3::Packet::Publish(body) => {
                    let first = publish_first(body.dup, body.retain, &body.qos_pid);
                    put(out, first, body)
                }
                v3::Packet::Subscribe(body) => put(out, 0x82, body),
                _ => unreachable!("no row has it"),
            }),
        },
        Version::V5 => {
            let packet = decode_v5(&case.bytes).unwrap();
            timing::encode(case, packet, out, |packet, out| match packet {
                v5::Packet::Connect(body) => put(out, 0x10, body),
                v5::Packet::Publish(body) => {
                    let first = publish_first(body.dup, body.retain, &body.qos_pid);
                    put(out, first, body)
                }
                v5::Packet::Puback(body) => put(out, 0x40, body),
                v5::Packet::Subscribe(body) => put(out, 0x82, body),
                _ => unreachable!("no row has it"),
            })
        }
    })
}

/// It has no body to encode, and its `Packet::encode` gives an array.
fn encode_puback_v3(case: &Case, id: Pid) -> Run {
    let packet = v3::Packet::Puback(id);
    timing::encode(case, packet, VarBytes::Fixed2([0; 2]), |packet, out| {
        packet.encode().map(|bytes| *out = bytes).is_ok()
    })
}
