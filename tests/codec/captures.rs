//! Bytes that other implementations sent.

use std::collections::BTreeSet;
use std::fs;

use mqtt_sansio::{FrameDecoder, Side, Version};
use support::{check, vectors};

/// The packets whose sender did not use the shortest form: file and offset, as the README lists
/// them.
const LONGER: &[(&str, &[usize])] = &[
    (
        "v5-acks-mqttjs.client",
        &[70, 94, 116, 122, 146, 152, 158, 182, 188, 194],
    ),
    ("v5-alias-mqttjs.client", &[100, 155, 210, 241]),
    ("v5-auth-mqttjs.client", &[120]),
    ("v5-emptyid-paho.client", &[15]),
    ("v5-full-mqttjs.client", &[498, 508, 514]),
];

#[test]
fn captures_decode_and_encode_byte_for_byte() {
    let mut seen = BTreeSet::new();
    for file in vectors::files(&vectors::testdata().join("captures"), "bin") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let bytes = fs::read(&file).unwrap();
        let version = match name.starts_with("v5") {
            true => Version::V5,
            false => Version::V311,
        };
        let sender = match name.ends_with("client") {
            true => Side::Client,
            false => Side::Server,
        };
        let mut decoder = FrameDecoder::new(version).sent_by(sender);
        let (mut unread, mut longer) = (&bytes[..], Vec::new());
        while !unread.is_empty() {
            let offset = bytes.len() - unread.len();
            let packet = decoder.decode(&mut unread).unwrap().expect("whole packets");
            seen.insert((version, packet.packet_type(), name.ends_with("client")));
            let encoded = check::encodes(version, &packet);
            if encoded != bytes[offset..bytes.len() - unread.len()] {
                longer.push(offset);
            }
        }
        let listed = LONGER.iter().find(|(listed, _)| *listed == name);
        assert_eq!(longer, listed.map_or(&[][..], |row| row.1), "{name}");
        check::splits(
            &FrameDecoder::new(version).sent_by(sender),
            &bytes,
            &[1, 7, 200],
        );
    }
    // In each direction every packet that may go there: 10 and 9 in 3.1.1, 11 and 11 in 5.0.
    assert_eq!(seen.len(), 10 + 9 + 11 + 11, "{seen:?}");
}
