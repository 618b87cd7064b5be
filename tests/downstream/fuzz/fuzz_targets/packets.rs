#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mqtt_sansio::{Packet, Version};

fuzz_target!(|packet: Packet| {
    for version in [Version::V311, Version::V5] {
        let mut bytes = BytesMut::new();
        if packet.encode(version, &mut bytes).is_ok() {
            assert_eq!(Packet::decode(version, &bytes).unwrap().to_owned(), packet);
        }
    }
});
