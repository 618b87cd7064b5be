//! The frame decoder: limits, roles, and what happens after an error.

use bytes::BytesMut;
use mqtt_sansio::{
    DecodeError, DecodeErrorKind, Field, Frame, FrameDecoder, Packet, ReasonCode, Side, VarInt,
    Version,
};
use support::check;
use support::vectors::{self, Expectation};

const CONNECT_311: &[u8] = b"\x10\x0C\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
const CONNECT_5: &[u8] = b"\x10\x0D\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00";

fn first_error(mut decoder: FrameDecoder, mut bytes: &[u8]) -> DecodeError {
    loop {
        match decoder.decode(&mut bytes) {
            Ok(packet) => assert!(packet.is_some(), "no error"),
            Err(error) => return error,
        }
    }
}

#[test]
fn vectors_split_anywhere_and_have_no_complete_prefix() {
    for vector in vectors::all() {
        if vector.bytes.len() > 3_000 {
            continue;
        }
        check::splits(&vector.decoder(), &vector.bytes, &[1]);
        check::splits(&vector.decoder(), &vector.bytes, &[2, 3, 7]);
        check::splits(&vector.decoder(), &vector.bytes, &[]);
        if let Expectation::Ok(_) = vector.expectation {
            let (decoded, _) = check::decode_all(&vector.decoder(), &vector.bytes);
            if let [Ok(packet)] = &decoded[..] {
                check::prefixes(&vector.decoder(), &vector.bytes);
                check::needs_its_room(vector.version, packet);
                let encoded = check::encodes(vector.version, packet);
                check::longer(vector.version, packet, &encoded);
            }
        }
        check::decode(&vector.bytes);
    }
}

/// Cuts every valid packet at every byte and makes the length agree: an error or a shorter form,
/// never a panic.
#[test]
fn vectors_cut_inside_a_consistent_header() {
    for vector in vectors::all() {
        let Expectation::Ok(bytes) = &vector.expectation else {
            continue;
        };
        let [first, len @ 0..=0x7F, body @ ..] = &bytes[..] else {
            continue;
        };
        for cut in 0..usize::from(*len).min(body.len()) {
            let mut short = vec![*first, u8::try_from(cut).unwrap()];
            short.extend_from_slice(&body[..cut]);
            check::decode(&short);
            check::round_trip(vector.version, &short);
        }
    }
}

/// 3.1.1 accepts a length that is not in its shortest form.
#[test]
fn a_frame_has_the_bytes_as_they_were_received() {
    for bytes in [&b"\xC0\x80\x00"[..], b"\x40\x82\x80\x00\x00\x07"] {
        let mut buffer = BytesMut::from(bytes);
        let frame = FrameDecoder::new(Version::V311).decode_frame(&mut buffer);
        assert_eq!(frame.unwrap().unwrap().bytes(), bytes);
    }
}

#[test]
fn a_malformed_body_leaves_the_stream_in_step() {
    // The topic of the first claims more than there is: the PINGREQ behind it must come out.
    let stream = b"\x30\x07\xFF\xFFABCDE\xC0\x00";
    let mut decoder = FrameDecoder::new(Version::V5);
    let mut unread = &stream[..];
    let error = decoder.decode(&mut unread).unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (DecodeErrorKind::Truncated, 4)
    );
    assert!(!decoder.has_failed());
    assert_eq!(decoder.decode(&mut unread), Ok(Some(Packet::PingReq)));

    let mut buffer = BytesMut::from(&stream[..]);
    assert!(decoder.decode_shared(&mut buffer).is_err());
    assert_eq!(
        decoder.decode_shared(&mut buffer),
        Ok(Some(Packet::PingReq))
    );
    let mut buffer = BytesMut::from(&stream[..]);
    assert!(decoder.decode_frame(&mut buffer).is_err());
    assert!(decoder.decode_frame(&mut buffer).unwrap().is_some());
    // Also when the body is too short to share anything.
    let mut buffer = BytesMut::from(&b"\x40\x02\x00\x00\xC0\x00"[..]);
    assert!(decoder.decode_shared(&mut buffer).is_err());
    assert_eq!(
        decoder.decode_shared(&mut buffer),
        Ok(Some(Packet::PingReq))
    );
}

#[test]
fn a_malformed_header_fails_the_decoder_until_reset() {
    for header in [
        &b"\x00\x00"[..],
        b"\xC1\x00",
        b"\x30\xFF\xFF\xFF\xFF",
        b"\x40\x82\x00",
    ] {
        let mut decoder = FrameDecoder::new(Version::V5);
        let mut unread = header;
        let error = decoder.decode(&mut unread).unwrap_err();
        assert!(decoder.has_failed());
        let mut good: &[u8] = b"\xC0\x00";
        assert_eq!(decoder.decode(&mut good), Err(error));
        let mut buffer = BytesMut::from(good);
        assert_eq!(decoder.decode_shared(&mut buffer), Err(error));
        assert_eq!(decoder.decode_frame(&mut buffer), Err(error));
        assert_eq!((good.len(), buffer.len()), (2, 2));
        decoder.reset();
        assert_eq!(decoder.decode(&mut good), Ok(Some(Packet::PingReq)));
    }
}

#[test]
fn the_size_limit_holds_from_the_length_alone() {
    let limited = |limit| FrameDecoder::new(Version::V5).max_packet_size(limit);
    let mut publish = b"\x30\x07\x00\x01a\x00xyz".to_vec();
    for (limit, fits) in [(8, false), (9, true), (10, true)] {
        let outcome = limited(limit).decode(&mut &publish[..]);
        assert_eq!(outcome.is_ok(), fits, "{limit}");
    }
    publish.truncate(2);
    let error = first_error(limited(8), &publish);
    assert_eq!(error.kind(), DecodeErrorKind::PacketTooLarge(9));
    let message = "PUBLISH remaining length at byte 1: packet of 9 bytes is above the limit (rule packet-too-large)";
    assert_eq!(error.to_string(), message);
    assert_eq!(error.reason_code(), ReasonCode::PacketTooLarge);

    // On by default, in every form, before a byte of the body is there.
    let huge = b"\x30\xFF\xFF\xFF\x7F";
    let too_large = DecodeErrorKind::PacketTooLarge(268_435_460);
    assert_eq!(
        first_error(FrameDecoder::new(Version::V5), huge).kind(),
        too_large
    );
    let mut buffer = BytesMut::from(&huge[..]);
    let capacity = buffer.capacity();
    let error = FrameDecoder::new(Version::V5)
        .decode_shared(&mut buffer)
        .unwrap_err();
    assert_eq!((error.kind(), buffer.capacity()), (too_large, capacity));
    let mut unlimited = limited(u32::MAX);
    assert_eq!(unlimited.decode(&mut &huge[..]), Ok(None));
    assert_eq!(unlimited.missing(), 268_435_455);
}

#[test]
fn lengths_of_each_size_are_read_right() {
    for payload in [
        0, 1, 122, 123, 124, 16_378, 16_379, 16_380, 2_097_146, 2_097_147, 2_097_148,
    ] {
        let mut publish = vec![0x30];
        let len = VarInt::try_from(4 + payload).unwrap();
        len.encode(&mut publish);
        publish.extend_from_slice(b"\x00\x01a\x00");
        publish.resize(publish.len() + payload, 0xEE);
        let mut decoder = FrameDecoder::new(Version::V5).max_packet_size(u32::MAX);
        let mut unread = &publish[..publish.len() - 1];
        assert_eq!(decoder.decode(&mut unread), Ok(None));
        assert_eq!(decoder.missing(), 1);
        let mut unread = &publish[..];
        let Ok(Some(Packet::Publish(decoded))) = decoder.decode(&mut unread) else {
            panic!("{payload}");
        };
        assert_eq!(decoded.payload.len(), payload);
        assert!(unread.is_empty());
    }
}

#[test]
fn a_server_finds_the_version_in_connect() {
    for (bytes, version) in [(CONNECT_311, Version::V311), (CONNECT_5, Version::V5)] {
        let mut decoder = FrameDecoder::server();
        assert_eq!(decoder.version(), None);
        let mut unread = bytes;
        assert!(matches!(
            decoder.decode(&mut unread),
            Ok(Some(Packet::Connect(_)))
        ));
        assert_eq!(decoder.version(), Some(version));
    }
}

/// A CONNECT that is refused has told no version: nothing but another CONNECT may follow.
#[test]
fn a_server_takes_nothing_after_a_malformed_connect() {
    for (bytes, version) in [(CONNECT_311, Version::V311), (CONNECT_5, Version::V5)] {
        let mut malformed = bytes.to_vec();
        malformed[9] |= 1;
        let mut decoder = FrameDecoder::server();
        let error = decoder.decode(&mut &malformed[..]).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::ReservedConnectFlag);
        assert_eq!((error.version(), decoder.version()), (version, None));
        let mut again = decoder.clone();
        assert!(again.decode(&mut &bytes[..]).unwrap().is_some());
        let error = first_error(decoder, b"\xC0\x00");
        assert_eq!(error.kind(), DecodeErrorKind::NotConnect(0xC0));
    }
}

/// The length comes before the version that says whether it is in order.
#[test]
fn a_server_takes_the_shortest_length_alone_in_5() {
    for (connect, version) in [(CONNECT_311, Version::V311), (CONNECT_5, Version::V5)] {
        for client_id in [0, 115, 17_000] {
            let mut body = connect[2..connect.len() - 2].to_vec();
            body.extend_from_slice(&u16::try_from(client_id).unwrap().to_be_bytes());
            body.resize(body.len() + client_id, b'a');
            let shortest = VarInt::try_from(body.len()).unwrap().encoded_len();
            for len in shortest..=4 {
                let digit = |at| u8::try_from(body.len() >> (7 * at) & 0x7F).unwrap() | 0x80;
                let mut length: Vec<u8> = (0..len).map(digit).collect();
                length[len - 1] &= 0x7F;
                let bytes = [&[0x10], &length[..], &body].concat();
                check::splits(&FrameDecoder::server(), &bytes, &[1, 100]);
                let mut buffer = BytesMut::from(&bytes[..]);
                match FrameDecoder::server().decode_frame(&mut buffer) {
                    Ok(frame) => {
                        assert!(len == shortest || version == Version::V311);
                        assert!(matches!(frame.unwrap().packet(), Packet::Connect(_)));
                    }
                    Err(error) => {
                        assert!(len > shortest && version == Version::V5);
                        assert_eq!(error.version(), Version::V5);
                        let message = "CONNECT remaining length at byte 1: variable byte integer \
                            is not in its shortest form [MQTT-1.5.5-1] (rule shortest-length)";
                        assert_eq!(error.to_string(), message);
                    }
                }
            }
        }
    }
}

#[test]
fn one_packet_is_all_there_is() {
    for (bytes, kind, offset) in [
        (&b"\xC0\x00\xC0\x00"[..], DecodeErrorKind::TrailingBytes, 2),
        (
            b"\x30\x04\x00\x01a\x00\xC0\x00",
            DecodeErrorKind::TrailingBytes,
            6,
        ),
        (b"\xC0", DecodeErrorKind::Truncated, 1),
        (b"\x30\x05\x00", DecodeErrorKind::Truncated, 3),
        (b"", DecodeErrorKind::Truncated, 0),
    ] {
        let error = Packet::decode(Version::V5, bytes).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (kind, offset));
        let shared = Packet::decode_shared(Version::V5, bytes.into());
        assert_eq!(shared, Err(error));
        assert_eq!(Frame::new(Version::V5, bytes.into()), Err(error));
    }
}

#[test]
fn a_server_takes_nothing_before_connect() {
    for first in (0..=255).filter(|first| first >> 4 != 1) {
        let error = first_error(FrameDecoder::server(), &[first]);
        assert_eq!(error.kind(), DecodeErrorKind::NotConnect(first));
        assert_eq!(error.statement(), Some("MQTT-3.1.0-1"));
    }
    for first in (0x11..=0x1F).filter(|&first| first != 0x16) {
        let error = first_error(FrameDecoder::server(), &[first]);
        assert_eq!(error.kind(), DecodeErrorKind::InvalidFlags(first));
    }
    let tls = first_error(FrameDecoder::server(), b"\x16\x03\x01");
    assert!(tls.to_string().contains("TLS"), "{tls}");
    let http = first_error(FrameDecoder::server(), b"GET / HTTP/1.1");
    assert!(http.to_string().contains("HTTP"), "{http}");

    let huge = b"\x10\xFF\xFF\xFF\x7F";
    let error = first_error(FrameDecoder::server().max_packet_size(u32::MAX), huge);
    assert_eq!(error.kind(), DecodeErrorKind::PacketTooLarge(268_435_460));
    let small = FrameDecoder::server().max_connect_size(10);
    assert_eq!(
        first_error(small, CONNECT_5).kind(),
        DecodeErrorKind::PacketTooLarge(15)
    );
}

/// C2: the answer must be one that the client understands, 0x01 as 3.1.1 writes it
/// (3.1.1 [MQTT-3.1.2-2]).
#[test]
fn c2_an_unknown_level_says_how_to_answer() {
    for level in (0..=255).filter(|level| !matches!(level, 4 | 5)) {
        let mut bytes = CONNECT_5.to_vec();
        bytes[8] = level;
        let error = first_error(FrameDecoder::server(), &bytes);
        assert_eq!(
            error.kind(),
            DecodeErrorKind::UnsupportedProtocolLevel(level)
        );
        assert_eq!(error.reason_code(), ReasonCode::UnsupportedProtocolVersion);
        assert_eq!((error.version(), error.offset()), (Version::V311, 8));
        assert_eq!(error.field(), Field::ProtocolLevel);
    }
    let mqisdp = b"\x10\x0E\x00\x06MQIsdp\x03\x02\x00\x00\x00\x00";
    let error = first_error(FrameDecoder::server(), mqisdp);
    assert_eq!(error.kind(), DecodeErrorKind::Mqtt31);
    assert_eq!(error.version(), Version::V311);
}

/// Every packet type to each side.
#[test]
fn only_the_right_side_may_send() {
    use mqtt_sansio::PacketType::*;
    for version in [Version::V311, Version::V5] {
        for value in 1..=15 {
            let packet = mqtt_sansio::PacketType::new(value).unwrap();
            let flags = match packet {
                PubRel | Subscribe | Unsubscribe => 2,
                _ => 0,
            };
            let allowed = |sender| {
                let mut decoder = FrameDecoder::new(version).sent_by(sender);
                decoder.decode(&mut &[value << 4 | flags][..]) == Ok(None)
            };
            let expected = match packet {
                Connect | Subscribe | Unsubscribe | PingReq => (true, false),
                ConnAck | SubAck | UnsubAck | PingResp => (false, true),
                Disconnect if version == Version::V311 => (true, false),
                Auth if version == Version::V311 => (false, false),
                _ => (true, true),
            };
            let found = (allowed(Side::Client), allowed(Side::Server));
            assert_eq!(found, expected, "{packet} in {version}");
        }
    }
}

#[test]
fn errors_are_small_and_copy() {
    fn copy<T: Copy>() {}
    copy::<DecodeError>();
    assert!(size_of::<DecodeError>() <= 24);
    let words = size_of::<Packet<&[u8]>>() / size_of::<usize>();
    assert_eq!(words, if size_of::<usize>() == 8 { 16 } else { 17 });
}
