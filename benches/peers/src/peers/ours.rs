use std::hint::black_box;

use mqtt_sansio::{FrameDecoder, Version};

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

pub fn encode(case: &Case) -> Option<Run> {
    let version = version(case);
    // The packet borrows its bytes, and the loop outlives the case.
    let mut input: &'static [u8] = case.bytes.clone().leak();
    let packet = FrameDecoder::new(version)
        .decode(&mut input)
        .unwrap()
        .unwrap();
    let out = vec![0; case.bytes.len()];
    Some(timing::encode(case, packet, out, move |packet, out| {
        packet.encode(version, &mut &mut out[..]).is_ok()
    }))
}
