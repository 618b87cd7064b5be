//! PUBLISH in pieces.

use std::fs;

use mqtt_sansio::{DecodeErrorKind, Field, FrameDecoder, PacketType, Part, Rule, Rules, Version};
use support::{check, pieces, vectors};

const CUTS: [&[u8]; 3] = [&[1], &[2, 3, 7], &[]];

#[test]
fn each_vector_is_the_same_in_pieces() {
    for vector in vectors::all() {
        if vector.bytes.len() > 3_000 {
            continue;
        }
        for above in [0, 2, 3, 5, 8, 13, 21, 100] {
            for cuts in CUTS {
                let decoder = vector.decoder();
                pieces::decoded(
                    &decoder.clone().rules(Rules::LENIENT),
                    &vector.bytes,
                    above,
                    cuts,
                );
                pieces::decoded(&decoder, &vector.bytes, above, cuts);
            }
        }
    }
}

#[test]
fn each_capture_is_the_same_in_pieces() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/captures");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for version in [Version::V311, Version::V5] {
            for decoder in check::decoders(version) {
                for (above, cuts) in [(0, CUTS[0]), (16, CUTS[1]), (40, CUTS[2])] {
                    pieces::decoded(&decoder, &bytes, above, cuts);
                }
            }
        }
        seen += 1;
    }
    assert!(seen > 10);
}

/// A PUBLISH of 3.1.1 at QoS 1 with a topic of this length and a payload of 200 bytes.
fn publish(topic: u8) -> Vec<u8> {
    let body = 2 + usize::from(topic) + 2 + 200;
    let mut bytes = vec![
        0x32,
        u8::try_from(body & 0x7F).unwrap() | 0x80,
        u8::try_from(body >> 7).unwrap(),
        0,
        topic,
    ];
    bytes.resize(5 + usize::from(topic), b't');
    bytes.extend_from_slice(&[0, 7]);
    bytes.resize(3 + body, b'p');
    bytes
}

fn decoder() -> FrameDecoder {
    FrameDecoder::client(Version::V311).pieces_above(100)
}

#[test]
fn a_head_is_handed_out_before_its_payload_is_there() {
    let bytes = publish(20);
    let mut decoder = decoder();
    let mut input = &bytes[..3 + 2 + 20 + 2];
    assert_eq!(decoder.decode(&mut input), Ok(None));
    let Ok(Some(Part::Begin(publish, 200))) = decoder.decode_part(&mut input) else {
        panic!();
    };
    assert_eq!(publish.packet_id().unwrap().get(), 7);
    assert_eq!((input.len(), decoder.missing()), (0, 200));
    assert_eq!(decoder.decode_part(&mut input), Ok(None));
    input = b"abc";
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert_eq!(
        decoder.decode_part(&mut input),
        Ok(Some(Part::Piece(&b"abc"[..])))
    );
    assert_eq!(decoder.missing(), 197);
    assert_eq!(
        (decoder.decode_part(&mut input), decoder.missing()),
        (Ok(None), 197)
    );
}

#[test]
fn a_message_of_the_size_comes_whole() {
    let bytes = publish(60);
    let mut decoder = FrameDecoder::client(Version::V311).pieces_above(267);
    for here in [3, 100] {
        let mut input = &bytes[..here];
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert_eq!(decoder.decode_part(&mut input), Ok(None));
        assert_eq!((input.len(), decoder.missing()), (here, 267 - here));
    }
    let packet = decoder.decode(&mut &bytes[..]).unwrap().unwrap();
    assert_eq!(packet.packet_type(), PacketType::Publish);
}

#[test]
fn a_head_that_breaks_a_rule_fails_at_once_and_alone() {
    let mut bytes = publish(20);
    bytes[10] = 0;
    bytes.extend_from_slice(b"\xD0\x00");
    let mut decoder = decoder();
    let mut input = &bytes[..3 + 2 + 20 + 2];
    assert_eq!(decoder.decode(&mut input), Ok(None));
    let error = decoder.decode_part(&mut input).unwrap_err();
    assert_eq!((error.offset(), decoder.has_failed()), (10, false));
    input = &bytes[3 + 2 + 20 + 2..];
    let packet = decoder.decode(&mut input);
    assert_eq!(packet, Ok(Some(mqtt_sansio::Packet::PingResp)));
}

/// The bytes that say that they are too many.
#[test]
fn a_length_that_is_wrong_fails_at_once() {
    let mut decoder = FrameDecoder::client(Version::V5).pieces_above(100);
    for wrong in [
        &b"\x30\xFF\x7F\0\x01t\xFF\xFF\x7F"[..],
        b"\x30\xFF\x7F\0\x01t\x80\x80\x80\x80",
        // One byte more than the packet has.
        b"\x30\xAC\x02\0\x01t\xA8\x02",
    ] {
        let mut input = wrong;
        decoder.reset();
        assert_eq!(decoder.decode(&mut input), Ok(None));
        let error = decoder.decode_part(&mut input).unwrap_err();
        assert_eq!(error.field(), Field::PropertyLength);
    }
}

#[test]
fn what_is_held_is_limited() {
    let too_large = |decoder: FrameDecoder, bytes: &[u8]| {
        let (mut decoder, mut input) = (decoder, bytes);
        let error = match decoder.decode(&mut input) {
            Ok(None) => decoder.decode_part(&mut input).err(),
            decoded => decoded.err(),
        };
        let is_so = |kind| matches!(kind, DecodeErrorKind::PacketTooLarge(_));
        error.is_some_and(|error| is_so(error.kind()))
    };
    let bytes = publish(60);
    // The length of the topic shows it.
    assert!(too_large(decoder().max_head_size(66), &bytes[..5]));
    assert!(!too_large(decoder().max_head_size(67), &bytes));
    assert!(too_large(decoder().max_packet_size(266), &bytes[..3]));
    // Properties of 300 bytes.
    let bytes = b"\x30\xFF\x7F\0\x01t\xAC\x02";
    let v5 = || FrameDecoder::client(Version::V5).pieces_above(100);
    assert!(too_large(v5().max_head_size(307), bytes));
    assert!(!too_large(v5().max_head_size(308), bytes));
    // No PUBLISH.
    let suback = b"\x90\x7F";
    assert!(too_large(decoder().max_head_size(128), suback));
    assert!(!too_large(decoder().max_head_size(129), suback));
    let whole = [&suback[..], &[0; 127]].concat();
    let large = FrameDecoder::client(Version::V311).pieces_above(1_000);
    assert!(too_large(large.max_head_size(128), &whole));
    assert!(!too_large(
        FrameDecoder::client(Version::V311).max_head_size(128),
        suback
    ));
}

#[test]
fn a_head_that_is_too_large_can_be_passed_over() {
    let mut bytes = publish(60);
    bytes.extend_from_slice(b"\xD0\x00");
    let rules = Rules::STRICT.without(Rule::PacketTooLarge);
    let mut decoder = decoder().max_head_size(50).rules(rules);
    let mut input = &bytes[..];
    assert_eq!(decoder.decode(&mut input), Ok(None));
    let error = decoder.decode_part(&mut input).unwrap_err();
    assert!(error.is_skipped());
    assert_eq!(
        decoder.decode(&mut input),
        Ok(Some(mqtt_sansio::Packet::PingResp))
    );
}
