//! Properties of the codec, each written once: a proptest, a fuzz target and the vectors call it.
//! A property that does not hold panics.

use bytes::{Bytes, BytesMut};
use mqtt_sansio::{DecodeError, Frame, FrameDecoder, Packet, Version};

/// Everything a stream holds: its packets, owned, and the errors between them.
pub type Decoded = Vec<Result<Packet, DecodeError>>;

/// Decodes a stream that is there at once. The second value is what is left unread.
pub fn decode_all(decoder: &FrameDecoder, mut input: &[u8]) -> (Decoded, usize) {
    let mut decoder = decoder.clone();
    let mut all = Vec::new();
    while let Some(result) = decoder.decode(&mut input).transpose() {
        all.push(result.map(|packet| packet.to_owned()));
        if decoder.has_failed() {
            break;
        }
    }
    (all, input.len())
}

/// All that a packet offers to read can be read, and it is the same in each form.
pub fn readable(version: Version, bytes: &[u8]) {
    let Ok(packet) = Packet::decode(version, bytes) else {
        return;
    };
    assert!(!format!("{packet:?}").is_empty());
    let owned = packet.to_owned();
    assert_eq!(owned.as_borrowed(), packet);
    let shared = Bytes::copy_from_slice(bytes);
    assert_eq!(
        Packet::decode_shared(version, shared.clone()),
        Ok(owned.clone())
    );
    let frame = Frame::new(version, shared).unwrap();
    assert_eq!(frame.packet(), packet);
    assert_eq!(frame.to_packet(), owned);
}

/// Decoding, encoding and decoding again is the identity, and the encoding is the shortest form.
pub fn round_trip(version: Version, bytes: &[u8]) {
    let Ok(packet) = Packet::decode(version, bytes) else {
        return;
    };
    let encoded = encodes(version, &packet);
    assert_eq!(Packet::decode(version, &encoded), Ok(packet));
    assert!(encoded.len() <= bytes.len());
    if encoded.len() == bytes.len() {
        assert_eq!(encoded, bytes, "{packet:?}");
    }
}

/// A packet that can be encoded is as long as it says, encodes to itself, and needs all its room.
pub fn encodes<B: AsRef<[u8]>>(version: Version, packet: &Packet<B>) -> Vec<u8> {
    let mut encoded = Vec::new();
    packet.encode(version, &mut encoded).unwrap();
    assert_eq!(packet.encoded_len(version), Ok(encoded.len()));
    let again = Packet::decode(version, &encoded).expect("what is encoded decodes");
    assert_eq!(again, packet.as_borrowed());
    if let Packet::Publish(publish) = packet {
        let mut head = Vec::new();
        publish.encode_head(version, &mut head).unwrap();
        head.extend_from_slice(publish.payload.as_ref());
        assert_eq!(head, encoded);
    }
    encoded
}

/// Into a buffer of every size but the right one nothing is written.
pub fn needs_its_room<B: AsRef<[u8]>>(version: Version, packet: &Packet<B>) {
    let len = packet.encoded_len(version).unwrap();
    let mut buffer = vec![0xA5; len];
    for room in 0..len {
        let mut out = &mut buffer[..room];
        assert!(packet.encode(version, &mut out).is_err());
        assert_eq!(out.len(), room);
    }
    assert!(buffer.iter().all(|&byte| byte == 0xA5));
    assert!(packet.encode(version, &mut &mut buffer[..]).is_ok());
}

/// However a stream is split, the same packets and errors come out of it, in every form.
///
/// `cuts` are the sizes of the pieces, taken round and round; no piece is empty.
pub fn splits(decoder: &FrameDecoder, bytes: &[u8], cuts: &[u8]) {
    let (whole, unread) = decode_all(decoder, bytes);
    for form in [borrowed, shared, framed] {
        let mut decoder = decoder.clone();
        let mut buffer = BytesMut::new();
        let mut pieces = Vec::new();
        let mut rest = bytes;
        let mut sizes = cuts.iter().copied().cycle();
        loop {
            match form(&mut decoder, &mut buffer).transpose() {
                Some(result) => pieces.push(result),
                None if rest.is_empty() => break,
                None => {
                    let missing = decoder.missing();
                    assert!(missing > 0);
                    let size = sizes
                        .next()
                        .map_or(missing, |size| usize::from(size).max(1));
                    let (piece, tail) = rest.split_at(size.min(rest.len()));
                    buffer.extend_from_slice(piece);
                    rest = tail;
                    // As long as fewer have come than were said to be missing, nothing comes out.
                    if piece.len() < missing {
                        assert_eq!(form(&mut decoder, &mut buffer), Ok(None));
                        assert_eq!(
                            decoder.missing().max(missing - piece.len()),
                            decoder.missing()
                        );
                    }
                }
            }
            if decoder.has_failed() {
                break;
            }
        }
        assert_eq!(pieces, whole);
        if !decoder.has_failed() {
            assert_eq!(buffer.len(), unread);
        }
    }
}

type Form = Result<Option<Packet>, DecodeError>;

fn borrowed(decoder: &mut FrameDecoder, buffer: &mut BytesMut) -> Form {
    let mut unread = &buffer[..];
    let packet = decoder.decode(&mut unread);
    let packet = packet.map(|packet| packet.map(|packet| packet.to_owned()));
    let taken = buffer.len() - unread.len();
    let _ = buffer.split_to(taken);
    packet
}

fn shared(decoder: &mut FrameDecoder, buffer: &mut BytesMut) -> Form {
    decoder.decode_shared(buffer)
}

fn framed(decoder: &mut FrameDecoder, buffer: &mut BytesMut) -> Form {
    let frame = decoder.decode_frame(buffer)?;
    Ok(frame.map(|frame| frame.to_packet()))
}

/// No part of a packet from its start is a packet: it is incomplete, and says how much is missing.
pub fn prefixes(decoder: &FrameDecoder, packet: &[u8]) {
    for len in 0..packet.len() {
        let mut decoder = decoder.clone();
        let mut unread = &packet[..len];
        assert_eq!(decoder.decode(&mut unread), Ok(None), "{len}");
        assert_eq!(unread.len(), len);
        let missing = decoder.missing();
        assert!(0 < missing && missing <= packet.len() - len);
        // Once the fixed header is there, to the byte.
        let varint = packet[1..].iter().position(|&byte| byte < 0x80).unwrap() + 2;
        if len >= varint {
            assert_eq!(missing, packet.len() - len);
        }
    }
}
