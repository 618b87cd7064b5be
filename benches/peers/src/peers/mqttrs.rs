use std::hint::black_box;

use mqttrs::decode_slice;

use crate::packets::{Case, Version};
use crate::timing::{self, Run};

pub fn decode_borrowed(case: &Case) -> Option<Run> {
    let decode = |packet: &[u8]| matches!(black_box(&decode_slice(packet)), Ok(Some(_)));
    (case.version == Version::V311).then(|| timing::slices(case, decode))
}

pub fn encode_slice(case: &Case) -> Option<Run> {
    if case.version != Version::V311 {
        return None;
    }
    // The packet borrows its bytes, and the loop outlives the case.
    let packet = decode_slice(case.bytes.clone().leak()).unwrap().unwrap();
    let out = vec![0; case.bytes.len()];
    let length = out.len();
    Some(timing::encode(case, packet, out, move |packet, out| {
        mqttrs::encode_slice(packet, out) == Ok(length)
    }))
}
