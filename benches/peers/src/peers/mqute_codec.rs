use std::hint::black_box;

use bytes::BytesMut;
use mqute_codec::codec::PacketCodec;
use mqute_codec::protocol::{v4, v5};

use crate::packets::{Case, Version};
use crate::timing::{self, Run};

macro_rules! decode {
    ($version:ident, $case:expr) => {{
        let codec = PacketCodec::new(None, None);
        timing::stream($case, move |input| {
            let packet = codec.try_decode(input).and_then($version::Packet::decode);
            black_box(&packet).is_ok()
        })
    }};
}

pub fn decode_owned(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => decode!(v4, case),
        Version::V5 => decode!(v5, case),
    })
}

macro_rules! encode {
    ($version:ident, $case:expr) => {{
        let mut input = BytesMut::from(&$case.bytes[..]);
        let raw = PacketCodec::new(None, None).try_decode(&mut input).unwrap();
        let packet = $version::Packet::decode(raw).unwrap();
        timing::encode($case, packet, BytesMut::new(), |packet, out| {
            out.clear();
            packet.encode(out).is_ok()
        })
    }};
}

pub fn encode(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => encode!(v4, case),
        Version::V5 => encode!(v5, case),
    })
}
