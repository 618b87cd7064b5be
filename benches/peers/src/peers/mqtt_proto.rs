use std::hint::black_box;
use std::io::Write;

use bytes::{BufMut, BytesMut};
use mqtt_proto::{Encodable, Error, PollHeader, QosPid, v3, v5};

use crate::packets::{Case, Version, fixed_header, split_fixed_header};
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

fn put(out: &mut impl Write, first: u8, body: &impl Encodable) -> bool {
    let (header, length) = fixed_header(first, body.encode_len());
    out.write_all(&header[..length]).is_ok() && body.encode(out).is_ok()
}

fn publish_first(dup: bool, retain: bool, qos: &QosPid) -> u8 {
    let qos = match qos {
        QosPid::Level0 => 0,
        QosPid::Level1(_) => 0b010,
        QosPid::Level2(_) => 0b100,
    };
    0x30 | u8::from(dup) << 3 | qos | u8::from(retain)
}

fn encode_v3(packet: &v3::Packet, out: &mut impl Write) -> bool {
    match packet {
        v3::Packet::Connect(body) => put(out, 0x10, body),
        v3::Packet::Publish(body) => {
            let first = publish_first(body.dup, body.retain, &body.qos_pid);
            put(out, first, body)
        }
        // It has no body to encode, and its `Packet::encode` gives an array.
        v3::Packet::Puback(_) => packet
            .encode()
            .is_ok_and(|bytes| out.write_all(bytes.as_ref()).is_ok()),
        v3::Packet::Subscribe(body) => put(out, 0x82, body),
        _ => unreachable!("no row has it"),
    }
}

fn encode_v5(packet: &v5::Packet, out: &mut impl Write) -> bool {
    match packet {
        v5::Packet::Connect(body) => put(out, 0x10, body),
        v5::Packet::Publish(body) => {
            let first = publish_first(body.dup, body.retain, &body.qos_pid);
            put(out, first, body)
        }
        v5::Packet::Puback(body) => put(out, 0x40, body),
        v5::Packet::Subscribe(body) => put(out, 0x82, body),
        _ => unreachable!("no row has it"),
    }
}

macro_rules! encode {
    ($case:expr, $out:expr, |$into:ident| $writer:expr) => {{
        let case = $case;
        Some(match case.version {
            Version::V311 => {
                let packet = decode_v3(&case.bytes).unwrap();
                timing::encode(case, packet, $out, |packet, $into| {
                    encode_v3(packet, &mut $writer)
                })
            }
            Version::V5 => {
                let packet = decode_v5(&case.bytes).unwrap();
                timing::encode(case, packet, $out, |packet, $into| {
                    encode_v5(packet, &mut $writer)
                })
            }
        })
    }};
}

pub fn encode_slice(case: &Case) -> Option<Run> {
    encode!(case, vec![0; case.bytes.len()], |out| &mut out[..])
}

pub fn encode_bytes_mut(case: &Case) -> Option<Run> {
    encode!(case, BytesMut::new(), |out| {
        out.clear();
        out.writer()
    })
}

pub fn encode_vec(case: &Case) -> Option<Run> {
    encode!(case, Vec::new(), |out| {
        out.clear();
        &mut *out
    })
}
