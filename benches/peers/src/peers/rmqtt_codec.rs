use std::hint::black_box;

use bytes::BytesMut;
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder, Encoder};

use crate::packets::{Case, Version};
use crate::timing::{self, Run};

fn decode<C: Decoder + 'static>(case: &Case, mut codec: C) -> Run {
    timing::stream(case, move |input| {
        matches!(black_box(&codec.decode(input)), Ok(Some(_)))
    })
}

pub fn decode_owned(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => decode(case, v3::Codec::default()),
        Version::V5 => decode(case, v5::Codec::default()),
    })
}

fn encode_with<P, C>(case: &Case, mut codec: C) -> Run
where
    P: Clone + 'static,
    C: Decoder<Item = (P, u32)> + Encoder<P> + 'static,
{
    let decoded = codec.decode(&mut BytesMut::from(&case.bytes[..]));
    let Ok(Some((packet, _))) = decoded else {
        panic!("does not decode");
    };
    let out = BytesMut::new();
    let bytes = |out: &BytesMut| out.to_vec();
    timing::encode_by_value(case, packet, out, bytes, move |packet, out| {
        out.clear();
        codec.encode(packet, out).is_ok()
    })
}

pub fn encode(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => encode_with(case, v3::Codec::default()),
        Version::V5 => encode_with(case, v5::Codec::default()),
    })
}
