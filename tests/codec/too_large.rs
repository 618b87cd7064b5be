//! A PUBLISH that is larger than the limit, skipped.

use bytes::BytesMut;
use mqtt_sansio::{
    DecodeError, DecodeErrorKind, Delivery, FrameDecoder, Packet, PacketId, Rule, Rules, Version,
};

const SKIPPED: Rules = Rules::STRICT.without(Rule::PacketTooLarge);

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn publish(first: u8, head: &[u8], len: usize) -> Vec<u8> {
    let body = head.len() + len;
    let byte = |value: usize| u8::try_from(value).unwrap();
    let mut bytes = vec![first, byte(body & 0x7F) | 0x80, byte(body >> 7)];
    assert!((1 << 7..1 << 14).contains(&body));
    bytes.extend_from_slice(head);
    bytes.resize(3 + body, b'x');
    bytes
}

fn is_too_large(error: DecodeError) -> bool {
    matches!(error.kind(), DecodeErrorKind::PacketTooLarge(_))
}

/// What a decoder finds in a stream that comes in pieces: packets, and the deliveries that were
/// skipped. Never more is held than the limit and a piece.
fn found(stream: &[u8], piece: usize, limit: u32) -> (usize, Vec<Option<Delivery>>) {
    let decoder = FrameDecoder::client(Version::V311).max_packet_size(limit);
    let decoder = decoder.rules(SKIPPED);
    let (mut owned, mut slices) = (decoder.clone(), decoder);
    let (mut input, mut held) = (BytesMut::new(), Vec::new());
    let (mut packets, mut skipped) = (0, Vec::new());
    for piece_bytes in stream.chunks(piece) {
        input.extend_from_slice(piece_bytes);
        held.extend_from_slice(piece_bytes);
        let mut unread = &held[..];
        loop {
            let borrowed = slices.decode(&mut unread);
            let shared = owned.decode_shared(&mut input);
            assert_eq!(input, unread);
            match (borrowed, shared) {
                (Ok(None), Ok(None)) => break,
                (Ok(Some(packet)), Ok(Some(other))) => {
                    assert_eq!(packet, other.as_borrowed());
                    packets += 1;
                }
                (Err(error), Err(other)) => {
                    assert_eq!(error, other);
                    assert!(is_too_large(error) && !owned.has_failed());
                    assert!(error.is_skipped());
                    skipped.push(error.delivery());
                }
                (borrowed, shared) => panic!("{borrowed:?} {shared:?}"),
            }
        }
        let read = held.len() - unread.len();
        held.drain(..read);
        assert!(held.len() <= limit as usize + piece, "{} held", held.len());
    }
    (packets, skipped)
}

#[test]
fn skipped_at_every_split() {
    let mut stream = b"\xD0\x00".to_vec();
    stream.extend(publish(0x32, b"\0\x01t\0\x07", 400));
    stream.extend(b"\x40\x02\0\x01");
    stream.extend(publish(0x3C, b"\0\x01t\0\x08", 400));
    stream.extend(publish(0x30, b"\0\x01t", 400));
    // A topic that alone is larger than the limit, and an identifier of zero: neither can be answered.
    stream.extend(publish(0x32, b"\0\xC8", 300));
    stream.extend(publish(0x32, b"\0\x01t\0\0", 300));
    stream.extend(b"\xD0\x00");
    let expected = [
        Some(Delivery::AtLeastOnce(id(7))),
        Some(Delivery::ExactlyOnce(id(8))),
        Some(Delivery::AtMostOnce),
        None,
        None,
    ];
    for piece in (1..=stream.len()).step_by(1) {
        assert_eq!(
            found(&stream, piece, 100),
            (3, expected.to_vec()),
            "{piece}"
        );
    }
}

/// Nothing else is skipped, and nothing without being asked for.
#[test]
fn fails_otherwise() {
    let large = publish(0x32, b"\0\x01t\0\x07", 400);
    let mut decoder = FrameDecoder::client(Version::V5).max_packet_size(100);
    assert!(is_too_large(decoder.decode(&mut &large[..]).unwrap_err()));
    assert!(decoder.has_failed());
    let mut suback = large.clone();
    suback[0] = 0x90;
    let decoder = FrameDecoder::client(Version::V5).max_packet_size(100);
    let mut decoder = decoder.rules(SKIPPED);
    assert!(is_too_large(decoder.decode(&mut &suback[..]).unwrap_err()));
    assert!(decoder.has_failed());
    // CONNECT on a server, whose version is not known.
    let mut decoder = FrameDecoder::server().max_packet_size(20).rules(SKIPPED);
    assert!(is_too_large(
        decoder.decode(&mut &b"\x10\x7F"[..]).unwrap_err()
    ));
    assert!(decoder.has_failed());
    assert_eq!(
        decoder.decode(&mut &b"\xC0\x00"[..]).ok().flatten(),
        None::<Packet<&[u8]>>
    );
}

/// The delivery is known once topic and packet identifier are there, and until then it is said how
/// many bytes of them are missing.
#[test]
fn no_more_bytes_are_awaited_than_the_delivery_has() {
    let decoder = FrameDecoder::client(Version::V311).max_packet_size(6);
    let bytes = b"\x32\x08\x00\x04abcd\x00\x07";
    let mut decoder = decoder.rules(SKIPPED);
    let mut input = BytesMut::new();
    for (&byte, missing) in bytes.iter().zip([1, 2, 1, 6, 5, 4, 3, 2, 1]) {
        input.extend_from_slice(&[byte]);
        assert_eq!(decoder.decode_shared(&mut input), Ok(None));
        assert_eq!(decoder.missing(), missing);
    }
    input.extend_from_slice(b"\x07");
    let error = decoder.decode_shared(&mut input).unwrap_err();
    assert_eq!(error.delivery(), Some(Delivery::AtLeastOnce(id(7))));

    // A topic that ends beyond its packet: nothing is read of the next one.
    input.extend_from_slice(b"\x32\x05\x00\x02abc");
    let error = decoder.decode_shared(&mut input).unwrap_err();
    assert!(error.is_skipped());
    assert_eq!(error.delivery(), None);
}
