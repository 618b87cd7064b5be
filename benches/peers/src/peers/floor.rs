use std::hint::black_box;

use crate::packets::{Case, split_fixed_header};
use crate::timing::{self, Run};

/// What no decoder of a PUBLISH can skip: its fixed header and a checked topic.
pub fn decode(case: &Case) -> Option<Run> {
    case.is_publish()
        .then(|| timing::slices(case, |packet| black_box(topic(packet)).is_some()))
}

fn topic(packet: &[u8]) -> Option<&str> {
    let (_, body) = split_fixed_header(packet)?;
    let (length, rest) = body.split_first_chunk()?;
    let topic = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    core::str::from_utf8(topic).ok()
}
