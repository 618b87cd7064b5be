use std::hint::black_box;
use std::sync::Arc;

use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use crate::packets::{Case, Version, split_fixed_header};
use crate::timing::{self, Run};

macro_rules! parse {
    ($version:ident, $packet:expr) => {{
        let (first, body) = split_fixed_header($packet).ok_or(MqttError::MalformedPacket)?;
        Ok(match first >> 4 {
            1 => $version::Connect::parse(body)?.0.into(),
            3 => $version::Publish::parse(first & 0x0f, Arc::from(body))?
                .0
                .into(),
            4 => $version::Puback::parse(body)?.0.into(),
            8 => $version::Subscribe::parse(body)?.0.into(),
            _ => unreachable!("no row has it"),
        })
    }};
}

fn parse_v3(packet: &[u8]) -> Result<Packet, MqttError> {
    parse!(v3_1_1, packet)
}

fn parse_v5(packet: &[u8]) -> Result<Packet, MqttError> {
    parse!(v5_0, packet)
}

pub fn decode_owned(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => timing::slices(case, |packet| black_box(&parse_v3(packet)).is_ok()),
        Version::V5 => timing::slices(case, |packet| black_box(&parse_v5(packet)).is_ok()),
    })
}

fn packet(case: &Case) -> Packet {
    match case.version {
        Version::V311 => parse_v3(&case.bytes),
        Version::V5 => parse_v5(&case.bytes),
    }
    .unwrap()
}

pub fn encode_vec(case: &Case) -> Option<Run> {
    let out = Vec::new();
    Some(timing::encode(case, packet(case), out, |packet, out| {
        out.clear();
        for slice in packet.to_buffers() {
            out.extend_from_slice(&slice);
        }
        true
    }))
}
