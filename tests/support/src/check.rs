//! Properties of the codec, each written once: a proptest, a fuzz target and the vectors call it.
//! A property that does not hold panics.

use arbitrary::Unstructured;
use bytes::{Bytes, BytesMut};
use mqtt_sansio::packet::{
    InvalidSubscriptions, InvalidTopicFilters, ReasonCodes, Subscriptions, TopicFilters,
};
use mqtt_sansio::{
    DecodeError, EncodeError, Frame, FrameDecoder, Packet, PacketType, Rules, Side, VarInt, Version,
};

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
    let within = Packet::decode(version, &shared).unwrap();
    assert_eq!(
        (within.share(&shared), packet.share(&shared)),
        (owned.clone(), owned.clone())
    );
    let frame = Frame::new(version, shared).unwrap();
    assert_eq!(frame.packet(), packet);
    assert_eq!(frame.to_packet(), owned);
    lists_in_buffers(&packet);
}

/// A list of a packet can be built in a buffer of the caller's.
fn lists_in_buffers(packet: &Packet<&[u8]>) {
    match packet {
        Packet::Subscribe(it) => in_a_buffer(|buffer| {
            let subscriptions = it.subscriptions.iter().map(|it| (it.filter, it.options));
            match Subscriptions::new_in(buffer, subscriptions) {
                Err(InvalidSubscriptions::Encode(error)) => return Err(error),
                built => assert_eq!(built, Ok(it.subscriptions)),
            }
            Ok(())
        }),
        Packet::Unsubscribe(it) => in_a_buffer(|buffer| {
            match TopicFilters::new_in(buffer, &it.filters) {
                Err(InvalidTopicFilters::Encode(error)) => return Err(error),
                built => assert_eq!(built, Ok(it.filters)),
            }
            Ok(())
        }),
        Packet::SubAck(it) | Packet::UnsubAck(it) => in_a_buffer(|buffer| {
            assert_eq!(ReasonCodes::new_in(buffer, &it.reasons)?, it.reasons);
            Ok(())
        }),
        _ => {}
    }
}

/// What is built in a buffer needs as many bytes as it says, and no fewer.
fn in_a_buffer(build: impl Fn(&mut [u8]) -> Result<(), EncodeError>) {
    let Err(error) = build(&mut []) else { return };
    let EncodeError::BufferTooSmall {
        needed,
        available: 0,
    } = error
    else {
        panic!("{error}");
    };
    let mut buffer = vec![0xEE; needed as usize];
    assert_eq!(build(&mut buffer), Ok(()));
    let (_, short) = buffer.split_first_mut().unwrap();
    let available = needed - 1;
    assert_eq!(
        build(short),
        Err(EncodeError::BufferTooSmall { needed, available })
    );
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
        publish
            .encode_head(version, publish.payload.as_ref().len(), &mut head)
            .unwrap();
        head.extend_from_slice(publish.payload.as_ref());
        assert_eq!(head, encoded);
        assert_eq!(publish.encoded_len(version), Ok(encoded.len()));
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
                    // As long as fewer have come than were said to be missing, no packet comes out.
                    if piece.len() < missing {
                        match form(&mut decoder, &mut buffer) {
                            Ok(packet) => assert_eq!(packet, None),
                            Err(error) => pieces.push(Err(error)),
                        }
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

/// All of it, for bytes of any kind: what a fuzz target of the decoder calls.
pub fn decode(bytes: &[u8]) {
    for version in [Version::V311, Version::V5] {
        readable(version, bytes);
        for decoder in decoders(version) {
            let (decoded, _) = decode_all(&decoder, bytes);
            for error in decoded.iter().filter_map(|result| result.as_ref().err()) {
                assert!(error.offset() <= bytes.len());
                assert!(error.reason_code().is_error());
                assert!(!error.to_string().is_empty());
                let numbered = DecodeError::from_u64(error.to_u64()).unwrap();
                assert_eq!(numbered.to_string(), error.to_string());
            }
            lenient(decoder.rules(Rules::LENIENT), bytes);
        }
    }
}

/// What a decoder makes of packets that break rules that are let go obeys all of them, and it is the
/// same in each form.
fn lenient(decoder: FrameDecoder, bytes: &[u8]) {
    let (mut one, mut other) = (decoder.clone(), decoder);
    let (mut unread, mut input) = (bytes, BytesMut::from(bytes));
    loop {
        let borrowed = one
            .decode(&mut unread)
            .map(|packet| packet.map(|p| p.to_owned()));
        let borrowed = match borrowed {
            Err(error) => one.take_mended().map(Some).ok_or(error),
            packet => packet,
        };
        let shared = other.decode_shared(&mut input);
        assert_eq!(borrowed, shared);
        assert_eq!(unread, input);
        let packet = match shared {
            Ok(Some(packet)) => packet,
            Ok(None) => return,
            Err(_) if other.has_failed() => return,
            Err(_) => continue,
        };
        let version = other.version().expect("a packet has told it");
        let mut encoded = Vec::new();
        match (packet.encode(version, &mut encoded), &packet) {
            // What is of 3.1 or of a bridge is no packet to a strict decoder.
            (Ok(()), Packet::Connect(connect)) if connect.v31 || connect.bridge => {
                assert!(Packet::decode(version, &encoded).is_err());
            }
            (Ok(()), _) => {
                assert_eq!(Packet::decode(version, &encoded), Ok(packet.as_borrowed()));
            }
            // What a server of 3.1.1 says at the end, in words that 3.1.1 lacks.
            (Err(_), Packet::Disconnect(_) | Packet::ConnAck(_)) => {}
            (Err(error), packet) => panic!("{error}: {packet:?}"),
        }
    }
}

/// The decoders of a version: for either side, a client, and a server that knows or finds it.
pub fn decoders(version: Version) -> [FrameDecoder; 4] {
    [
        FrameDecoder::new(version),
        FrameDecoder::client(version),
        FrameDecoder::new(version).sent_by(Side::Client),
        FrameDecoder::server(),
    ]
}

/// A packet made of unstructured bytes is valid, and survives encoding in each version it fits.
pub fn arbitrary_packet(bytes: &[u8]) {
    let Ok(packet) = Unstructured::new(bytes).arbitrary::<Packet>() else {
        return;
    };
    let versions = [Version::V311, Version::V5];
    let mut fitting = versions
        .into_iter()
        .filter(|&version| packet.encoded_len(version).is_ok());
    let mut fits = false;
    for version in fitting.by_ref() {
        fits = true;
        let encoded = encodes(version, &packet);
        readable(version, &encoded);
        if encoded.len() < 2_000 {
            needs_its_room(version, &packet);
            prefixes(&FrameDecoder::new(version), &encoded);
        }
        longer(version, &packet, &encoded);
    }
    assert!(fits, "valid in no version: {packet:?}");
}

/// One byte more in the body is refused, but where a payload or a list takes it for its own.
pub fn longer(version: Version, packet: &Packet, encoded: &[u8]) {
    let list = matches!(
        packet.packet_type(),
        PacketType::Publish
            | PacketType::Subscribe
            | PacketType::SubAck
            | PacketType::Unsubscribe
            | PacketType::UnsubAck
    );
    // An acknowledgement without a reason code, and so on: the byte may be that code.
    let short = packet.packet_type() != PacketType::Connect && encoded.len() <= 5;
    if list || short {
        return;
    }
    for extra in [0, 1, 0x80, 0xFF] {
        let header = encoded[1..].iter().position(|&byte| byte < 0x80).unwrap() + 2;
        let body = [&encoded[header..], &[extra]].concat();
        let mut longer = vec![encoded[0]];
        VarInt::try_from(body.len()).unwrap().encode(&mut longer);
        longer.extend_from_slice(&body);
        assert!(Packet::decode(version, &longer).is_err(), "{longer:02x?}");
    }
}

/// Bytes as a stream and how to cut it: what a fuzz target of the stream calls.
pub fn stream(bytes: &[u8]) {
    let [cuts, rest @ ..] = bytes else { return };
    let (cuts, stream) = rest.split_at(usize::from(cuts & 7).min(rest.len()));
    for version in [Version::V311, Version::V5] {
        for decoder in decoders(version) {
            splits(&decoder.max_packet_size(1 << 14), stream, cuts);
        }
    }
}
