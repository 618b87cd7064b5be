use std::hint::black_box;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

use crate::packets::{Case, Version};
use crate::timing::{self, Run};

pub fn decode_owned(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => timing::stream(case, |input| {
            black_box(&v4::Packet::read(input, usize::MAX)).is_ok()
        }),
        Version::V5 => timing::stream(case, |input| {
            black_box(&v5::Packet::read(input, None)).is_ok()
        }),
    })
}

pub fn encode(case: &Case) -> Option<Run> {
    let mut input = BytesMut::from(&case.bytes[..]);
    let out = BytesMut::new();
    Some(match case.version {
        Version::V311 => {
            let packet = v4::Packet::read(&mut input, usize::MAX).unwrap();
            timing::encode(case, packet, out, |packet, out| {
                out.clear();
                packet.write(out, usize::MAX).is_ok()
            })
        }
        Version::V5 => {
            let packet = v5::Packet::read(&mut input, None).unwrap();
            timing::encode(case, packet, out, |packet, out| {
                out.clear();
                packet.write(out, None).is_ok()
            })
        }
    })
}
