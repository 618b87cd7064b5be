use std::hint::black_box;

use bytes::BytesMut;
use mqttbytes::{v4, v5};

use crate::packets::{Case, Version};
use crate::timing::{self, Run};

pub fn decode_owned(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => timing::stream(case, |input| {
            black_box(&v4::read(input, usize::MAX)).is_ok()
        }),
        Version::V5 => timing::stream(case, |input| {
            black_box(&v5::read(input, usize::MAX)).is_ok()
        }),
    })
}

/// There is no `Packet::write`, so the kind of packet is matched here, as a caller has to.
macro_rules! encode {
    ($version:ident, $case:expr) => {{
        let mut input = BytesMut::from(&$case.bytes[..]);
        let packet = $version::read(&mut input, usize::MAX).unwrap();
        timing::encode($case, packet, BytesMut::new(), |packet, out| {
            out.clear();
            match packet {
                $version::Packet::Connect(packet) => packet.write(out),
                $version::Packet::Publish(packet) => packet.write(out),
                $version::Packet::PubAck(packet) => packet.write(out),
                $version::Packet::Subscribe(packet) => packet.write(out),
                _ => unreachable!("no row has it"),
            }
            .is_ok()
        })
    }};
}

pub fn encode(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => encode!(v4, case),
        Version::V5 => encode!(v5, case),
    })
}
