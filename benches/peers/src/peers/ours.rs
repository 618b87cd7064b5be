use std::hint::black_box;

use bytes::BytesMut;
use mqtt_sansio::{FrameDecoder, Packet, Version};

use crate::packets::{self, Case};
use crate::timing::{self, Run};

fn version(case: &Case) -> Version {
    match case.version {
        packets::Version::V311 => Version::V311,
        packets::Version::V5 => Version::V5,
    }
}

pub fn decode_borrowed(case: &Case) -> Option<Run> {
    let mut decoder = FrameDecoder::new(version(case));
    Some(timing::slices(case, move |mut packet| {
        matches!(black_box(&decoder.decode(&mut packet)), Ok(Some(_)))
    }))
}

pub fn decode_frame(case: &Case) -> Option<Run> {
    let mut decoder = FrameDecoder::new(version(case));
    Some(timing::stream(case, move |input| {
        matches!(black_box(&decoder.decode_frame(input)), Ok(Some(_)))
    }))
}

pub fn decode_shared(case: &Case) -> Option<Run> {
    let mut decoder = FrameDecoder::new(version(case));
    Some(timing::stream(case, move |input| {
        matches!(black_box(&decoder.decode_shared(input)), Ok(Some(_)))
    }))
}

/// The packet borrows its bytes, and the loop outlives the case.
fn packet(case: &Case) -> Packet<&'static [u8]> {
    Packet::decode(version(case), case.bytes.clone().leak()).unwrap()
}

pub fn encode_slice(case: &Case) -> Option<Run> {
    let (version, out) = (version(case), vec![0; case.bytes.len()]);
    Some(timing::encode(
        case,
        packet(case),
        out,
        move |packet, out| packet.encode(version, &mut &mut out[..]).is_ok(),
    ))
}

pub fn encode_bytes_mut(case: &Case) -> Option<Run> {
    let (version, out) = (version(case), BytesMut::new());
    Some(timing::encode(
        case,
        packet(case),
        out,
        move |packet, out| {
            out.clear();
            packet.encode(version, out).is_ok()
        },
    ))
}

pub fn encode_vec(case: &Case) -> Option<Run> {
    let (version, out) = (version(case), Vec::new());
    Some(timing::encode(
        case,
        packet(case),
        out,
        move |packet, out| {
            out.clear();
            packet.encode(version, out).is_ok()
        },
    ))
}
