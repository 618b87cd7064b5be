use std::hint::black_box;

use ntex_bytes::{BytePages, BytesMut};
use ntex_codec::{Decoder, Encoder};
use ntex_mqtt::{v3, v5};

use crate::packets::{Case, Version};
use crate::timing::{self, Run};

fn decode<C: Decoder + 'static>(case: &Case, codec: C) -> Run {
    let fill = |input: &[u8]| {
        let mut buffer = BytesMut::with_capacity(input.len() + 4 * 1024);
        buffer.extend_from_slice(input);
        buffer
    };
    timing::stream_in(case, fill, move |input: &mut BytesMut| {
        matches!(black_box(&codec.decode(input)), Ok(Some(_)))
    })
}

pub fn decode_owned(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => decode(case, v3::codec::Codec::default()),
        Version::V5 => decode(case, v5::codec::Codec::new()),
    })
}

macro_rules! encode {
    ($version:ident, $codec:expr, $case:expr) => {{
        use $version::codec::{Decoded, Encoded};

        let codec = $codec;
        let item = match codec.decode(&mut BytesMut::copy_from_slice(&$case.bytes)) {
            Ok(Some(Decoded::Packet(packet, _))) => Encoded::Packet(packet),
            Ok(Some(Decoded::Publish(publish, payload, _))) => {
                Encoded::Publish(publish, Some(payload))
            }
            _ => panic!("does not decode"),
        };
        timing::encode_by_value(
            $case,
            item,
            BytePages::default(),
            bytes,
            move |item, out| {
                out.clear();
                codec.encodev(item, out).is_ok()
            },
        )
    }};
}

fn bytes(pages: &BytePages) -> Vec<u8> {
    pages.clone().freeze().to_vec()
}

pub fn encode(case: &Case) -> Option<Run> {
    Some(match case.version {
        Version::V311 => encode!(v3, v3::codec::Codec::default(), case),
        Version::V5 => encode!(v5, v5::codec::Codec::new(), case),
    })
}
