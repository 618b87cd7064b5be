//! Every input that is short enough to try them all.

use mqtt_sansio::{Packet, Version};
use support::check;

#[test]
fn all_inputs_of_one_and_two_bytes() {
    for first in 0..=255 {
        check::decode(&[first]);
        for second in 0..=255 {
            check::decode(&[first, second]);
            check::round_trip(Version::V311, &[first, second]);
            check::round_trip(Version::V5, &[first, second]);
        }
    }
}

/// 2^24 inputs, both versions: only that each comes to an end, and that what decodes comes back.
#[test]
fn all_inputs_of_three_bytes() {
    let mut encoded = Vec::new();
    for input in 0..1_u32 << 24 {
        let [_, bytes @ ..] = input.to_be_bytes();
        for version in [Version::V311, Version::V5] {
            let Ok(packet) = Packet::decode(version, &bytes) else {
                continue;
            };
            encoded.clear();
            packet.encode(version, &mut encoded).unwrap();
            assert_eq!(
                Packet::decode(version, &encoded),
                Ok(packet),
                "{bytes:02x?}"
            );
        }
    }
}
