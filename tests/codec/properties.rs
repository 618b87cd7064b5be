//! The properties of `support::check` under random bytes.

use mqtt_sansio::{FrameDecoder, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{check, pieces};

/// Bytes that look like a packet: a first byte, a true length, a body of small numbers and text.
fn packet_like() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![0..12_u8, Just(b'a'), any::<u8>()];
    (any::<u8>(), vec(byte, 0..64)).prop_map(|(first, mut body)| {
        let mut bytes = vec![first, u8::try_from(body.len()).unwrap()];
        bytes.append(&mut body);
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_decode_or_fail(bytes in vec(any::<u8>(), 0..200)) {
        check::decode(&bytes);
    }

    #[test]
    fn packet_like_bytes_round_trip(bytes in packet_like()) {
        check::decode(&bytes);
        check::round_trip(Version::V311, &bytes);
        check::round_trip(Version::V5, &bytes);
    }

    #[test]
    fn arbitrary_packets_are_valid(bytes in vec(any::<u8>(), 0..400)) {
        check::arbitrary_packet(&bytes);
    }

    #[test]
    fn streams_split_anywhere(
        packets in vec(packet_like(), 0..6),
        cuts in vec(any::<u8>(), 1..6),
    ) {
        let stream = packets.concat();
        for version in [Version::V311, Version::V5] {
            check::splits(&FrameDecoder::new(version), &stream, &cuts);
        }
    }

    #[test]
    fn any_bytes_are_the_same_in_pieces(
        above in 0..60u8,
        cuts in vec(any::<u8>(), 0..5),
        packets in vec(packet_like(), 0..6),
    ) {
        let cuts = [&[u8::try_from(cuts.len()).unwrap()], &cuts[..]].concat();
        pieces::pieces(&[&[above], &cuts[..], &packets.concat()].concat());
    }

    #[test]
    fn any_bytes_split_anywhere(bytes in vec(any::<u8>(), 0..200)) {
        check::stream(&bytes);
    }
}
