use std::hint::black_box;

use flowsdk::mqtt_serde::control_packet::MqttPacket;
use flowsdk::mqtt_serde::parser::{ParseError, ParseOk};

use crate::packets::{Case, Version};
use crate::timing::{self, Run};

type Parse = fn(&[u8]) -> Result<ParseOk, ParseError>;

fn parse(version: Version) -> Parse {
    match version {
        Version::V311 => MqttPacket::from_bytes_v3,
        Version::V5 => MqttPacket::from_bytes_v5,
    }
}

pub fn decode_owned(case: &Case) -> Option<Run> {
    let parse = parse(case.version);
    Some(timing::slices(case, move |packet| {
        matches!(black_box(&parse(packet)), Ok(ParseOk::Packet(..)))
    }))
}

pub fn encode_vec(case: &Case) -> Option<Run> {
    let Ok(ParseOk::Packet(packet, _)) = parse(case.version)(&case.bytes) else {
        panic!("does not decode");
    };
    Some(timing::encode(case, packet, Vec::new(), |packet, out| {
        packet.to_bytes().map(|bytes| *out = bytes).is_ok()
    }))
}
