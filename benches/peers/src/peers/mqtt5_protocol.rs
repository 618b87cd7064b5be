use std::hint::black_box;

use bytes::BytesMut;
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
fn put(packet: &impl MqttPacket, body: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), MqttError> {
    body.clear();
    packet.encode_body(body)?;
    FixedHeader::new(packet.packet_type(), packet.flags(), body.len() as u32).encode(out)?;
    out.extend_from_slice(body);
    Ok(())
}

pub fn encode(case: &Case) -> Option<Run> {
    let packet = decode_slice(&case.bytes, level(case)).unwrap();
    let mut body = Vec::new();
    let encode = move |packet: &Packet, out: &mut Vec<u8>| {
        out.clear();
        match packet {
            Packet::Connect(packet) => put(&**packet, &mut body, out),
            Packet::Publish(packet) => {
                let length = packet.body_encoded_size() as u32;
                FixedHeader::new(packet.packet_type(), packet.flags(), length)
                    .encode(out)
                    .and_then(|()| packet.encode_body_direct(out))
            }
            Packet::PubAck(packet) => put(packet, &mut body, out),
            Packet::Subscribe(packet) => put(packet, &mut body, out),
            _ => unreachable!("no row has it"),
        }
        .is_ok()
    };
    Some(timing::encode(case, packet, Vec::new(), encode))
}
