//! What errors say, word for word, and that it can be answered.

use std::collections::BTreeMap;
use std::fs;

use mqtt_sansio::{DecodeError, DecodeErrorKind, PacketType, Version};
use support::check;
use support::vectors::{self, Vector};

fn error(vector: &Vector) -> Option<DecodeError> {
    let (decoded, _) = check::decode_all(&vector.decoder(), &vector.bytes);
    decoded.into_iter().find_map(Result::err)
}

#[test]
fn errors_say_what_is_wrong_where() {
    let text = fs::read_to_string(vectors::testdata().join("errors.txt")).unwrap();
    let vectors: BTreeMap<String, Vector> = vectors::all()
        .into_iter()
        .map(|vector| (vector.name.clone(), vector))
        .collect();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let wrong: Vec<_> = lines
        .filter_map(|line| {
            let (name, _) = line.split_once(" | ").expect("three fields");
            let error = error(&vectors[name]).expect("an error");
            let code = error.reason_code().to_u8();
            let found = format!("{name} | {code:#04x} | {error}");
            (found != line).then_some(found)
        })
        .collect();
    assert_eq!(wrong, [""; 0]);
}

/// CONNACK, or DISCONNECT of 5.0, may carry every code that an error gives.
#[test]
fn every_error_has_an_answer() {
    for vector in vectors::all() {
        let Some(error) = error(&vector) else {
            continue;
        };
        let answer = match error.packet() {
            Some(PacketType::Connect) => PacketType::ConnAck,
            _ => PacketType::Disconnect,
        };
        if vector.version == Version::V5 {
            let code = error.reason_code();
            assert!(code.allowed_in(answer, None), "{}: {code}", vector.name);
        }
        let unnamed = matches!(error.kind(), DecodeErrorKind::ReservedPacketType(0));
        assert_eq!(error.packet().is_none(), unnamed, "{}", vector.name);
    }
}
