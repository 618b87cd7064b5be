use std::hint::black_box;

use bytes::{BufMut, BytesMut};
use mqtt5_protocol::packet::MqttPacket;
use mqtt5_protocol::{FixedHeader, MqttError, Packet};

use crate::packets::{Case, Version};
use crate::timing::{self, Run};

fn level(case: &Case) -> u8 {
    if case.version == Version::V5 { 5 } else { 4 }
}

/// Shares the payload of a PUBLISH with the input.
fn decode_stream(input: &mut BytesMut, level: u8) -> Result<Packet, MqttError> {
    let header = FixedHeader::decode(input)?;
    let mut body = input.split_to(header.remaining_length as usize).freeze();
    Packet::decode_from_body_with_version(header.packet_type, &header, &mut body, level)
}

/// Cheaper for all that has no payload.
fn decode_slice(mut input: &[u8], level: u8) -> Result<Packet, MqttError> {
    let header = FixedHeader::decode(&mut input)?;
    Packet::decode_from_body_with_version(header.packet_type, &header, &mut input, level)
}

pub fn decode_owned(case: &Case) -> Option<Run> {
    let level = level(case);
    Some(if case.is_publish() {
        timing::stream(case, move |input| {
            black_box(&decode_stream(input, level)).is_ok()
        })
    } else {
        timing::slices(case, move |packet| {
            black_box(&decode_slice(packet, level)).is_ok()
        })
    })
}

/// `MqttPacket::encode` with a body buffer that is kept.
fn put(
    packet: &impl MqttPacket,
    body: &mut Vec<u8>,
    out: &mut impl BufMut,
) -> Result<(), MqttError> {
    body.clear();
    packet.encode_body(body)?;
    FixedHeader::new(packet.packet_type(), packet.flags(), body.len() as u32).encode(out)?;
    out.put_slice(body);
    Ok(())
}

fn encode(packet: &Packet, body: &mut Vec<u8>, out: &mut impl BufMut) -> bool {
    match packet {
        Packet::Connect(packet) => put(&**packet, body, out),
        Packet::Publish(packet) => {
            let length = packet.body_encoded_size() as u32;
            FixedHeader::new(packet.packet_type(), packet.flags(), length)
                .encode(out)
                .and_then(|()| packet.encode_body_direct(out))
        }
        Packet::PubAck(packet) => put(packet, body, out),
        Packet::Subscribe(packet) => put(packet, body, out),
        _ => unreachable!("no row has it"),
    }
    .is_ok()
}

fn packet(case: &Case) -> Packet {
    decode_slice(&case.bytes, level(case)).unwrap()
}

pub fn encode_slice(case: &Case) -> Option<Run> {
    let (mut body, out) = (Vec::new(), vec![0; case.bytes.len()]);
    Some(timing::encode(
        case,
        packet(case),
        out,
        move |packet, out| encode(packet, &mut body, &mut &mut out[..]),
    ))
}

pub fn encode_bytes_mut(case: &Case) -> Option<Run> {
    let (mut body, out) = (Vec::new(), BytesMut::new());
    Some(timing::encode(
        case,
        packet(case),
        out,
        move |packet, out| {
            out.clear();
            encode(packet, &mut body, out)
        },
    ))
}

pub fn encode_vec(case: &Case) -> Option<Run> {
    let (mut body, out) = (Vec::new(), Vec::new());
    Some(timing::encode(
        case,
        packet(case),
        out,
        move |packet, out| {
            out.clear();
            encode(packet, &mut body, out)
        },
    ))
}
