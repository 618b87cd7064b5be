//! A message in pieces is the message as a whole, at any threshold and any split.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mqtt_sansio::connection::{Head, Incoming, client};
use mqtt_sansio::property::PayloadFormat;
use mqtt_sansio::{DecodeError, FrameDecoder, Packet, Part, PayloadCheck, Rules, Version};

use crate::check::{Decoded, decoders};
use crate::doors::from_server;

/// Larger packets are too large here, so that a packet that is not complete can be completed.
const LIMIT: u32 = 1 << 14;

/// What a fuzz target calls: the threshold, how to split, and a stream.
pub fn pieces(bytes: &[u8]) {
    let [above, cuts, rest @ ..] = bytes else {
        return;
    };
    formatted(rest, usize::from(*above));
    let (cuts, stream) = rest.split_at(usize::from(cuts & 7).min(rest.len()));
    let above = u32::from(*above);
    for version in [Version::V311, Version::V5] {
        for decoder in decoders(version) {
            for rules in [Rules::STRICT, Rules::LENIENT] {
                decoded(&decoder.clone().rules(rules), stream, above, cuts);
            }
            decoded(&decoder, stream, above, cuts);
        }
        for rules in [Rules::STRICT, Rules::LENIENT] {
            delivered(version, rules, stream, above, cuts);
        }
    }
}

/// The format of a payload is found in pieces of any length.
fn formatted(payload: &[u8], len: usize) {
    let mut check = PayloadCheck::new(PayloadFormat::Utf8);
    payload
        .chunks(len.max(1))
        .for_each(|piece| check.add(piece));
    assert_eq!(check.is_valid(), std::str::from_utf8(payload).is_ok());
}

/// A decoder that takes a PUBLISH in pieces finds the packets and errors that one finds that does
/// not.
pub fn decoded(decoder: &FrameDecoder, stream: &[u8], above: u32, cuts: &[u8]) {
    let decoder = decoder.clone().max_packet_size(LIMIT);
    let stream = completed(&decoder, stream);
    let whole = whole(&decoder, &stream);
    for part in [shared_part, borrowed_part] {
        let mut decoder = decoder.clone().pieces_above(above).max_head_size(LIMIT);
        let (mut found, mut open) = (Decoded::new(), None);
        read(&stream, cuts, |input| {
            loop {
                match decoder.decode_shared(input).transpose() {
                    Some(packet) => {
                        assert!(open.is_none(), "a packet in a packet");
                        if let Ok(Packet::Publish(publish)) = &packet {
                            let len = publish.encoded_len(decoder.version().unwrap());
                            // Padding may make it larger than it would have to be.
                            assert!(len.unwrap() <= above as usize);
                        }
                        found.push(packet);
                    }
                    None => match part(&mut decoder, input) {
                        Ok(Some(part)) => found.extend(join(&mut open, part).map(Ok)),
                        Ok(None) => return decoder.missing(),
                        Err(error) => found.push(Err(error)),
                    },
                }
                if decoder.has_failed() {
                    return 0;
                }
            }
        });
        assert!(open.is_none() || decoder.has_failed());
        assert_eq!(found, whole);
    }
}

/// A connection that takes messages in pieces delivers what one delivers that does not.
pub fn delivered(version: Version, rules: Rules, stream: &[u8], above: u32, cuts: &[u8]) {
    let decoder = FrameDecoder::client(version).rules(rules);
    let stream = completed(&decoder.max_packet_size(LIMIT), stream);
    let client = || {
        client::Connection::new()
            .rules(rules)
            .max_packet_size(LIMIT)
    };
    let whole = from_server(version, client(), |client| {
        let mut input = BytesMut::from(&stream[..]);
        let incoming = || client.handle_bytes(Duration::ZERO, &mut input);
        let found = core::iter::from_fn(incoming).map(|incoming| format!("{incoming:?}"));
        found.collect()
    });
    let in_pieces = client().pieces_above(above).max_head_size(LIMIT);
    let (shared, borrowed) = (in_pieces.clone(), in_pieces);
    let shared = from_server(version, shared, |client| {
        let (mut found, mut open) = (Vec::new(), None);
        read(&stream, cuts, |input| {
            while let Some(incoming) = client.handle_bytes(Duration::ZERO, input) {
                found.extend(deliver(&mut open, incoming));
            }
            1
        });
        found
    });
    assert_eq!(shared, whole);
    let borrowed = from_server(version, borrowed, |client| {
        let (mut found, mut open) = (Vec::new(), None);
        read(&stream, cuts, |input| {
            let mut unread = &input[..];
            while let Some(incoming) = client.handle_slice(Duration::ZERO, &mut unread) {
                found.extend(deliver(&mut open, owned(incoming)));
            }
            let taken = input.len() - unread.len();
            let _ = input.split_to(taken);
            1
        });
        found
    });
    assert_eq!(borrowed, whole);
}

/// The stream with zeros behind it that complete its last packet.
fn completed(decoder: &FrameDecoder, stream: &[u8]) -> Vec<u8> {
    let mut stream = stream.to_vec();
    loop {
        let (mut decoder, mut input) = (decoder.clone(), BytesMut::from(&stream[..]));
        loop {
            match decoder.decode_shared(&mut input) {
                Ok(None) => break,
                _ if decoder.has_failed() => return stream,
                _ => {}
            }
        }
        // Of a packet that is passed over there is nothing left, and it may be of any size.
        let passed_over = decoder.missing() > LIMIT as usize;
        if passed_over || input.is_empty() && decoder.missing() <= 2 {
            return stream;
        }
        stream.resize(stream.len() + decoder.missing(), 0);
    }
}

fn whole(decoder: &FrameDecoder, stream: &[u8]) -> Decoded {
    let (mut decoder, mut input) = (decoder.clone(), BytesMut::from(stream));
    let mut found = Decoded::new();
    while let Some(packet) = decoder.decode_shared(&mut input).transpose() {
        found.push(packet);
        if decoder.has_failed() {
            break;
        }
    }
    found
}

/// Hands a stream over in pieces of the sizes of `cuts`, taken round and round, or of what `take`
/// says that is missing.
fn read(stream: &[u8], cuts: &[u8], mut take: impl FnMut(&mut BytesMut) -> usize) {
    let (mut input, mut rest) = (BytesMut::new(), stream);
    let mut sizes = cuts.iter().copied().cycle();
    loop {
        let missing = take(&mut input);
        if rest.is_empty() || missing == 0 {
            return;
        }
        let size = sizes
            .next()
            .map_or(missing, |size| usize::from(size).max(1));
        let (piece, tail) = rest.split_at(size.min(rest.len()));
        input.extend_from_slice(piece);
        rest = tail;
    }
}

fn shared_part(
    decoder: &mut FrameDecoder,
    input: &mut BytesMut,
) -> Result<Option<Part>, DecodeError> {
    decoder.decode_part_shared(input)
}

fn borrowed_part(
    decoder: &mut FrameDecoder,
    input: &mut BytesMut,
) -> Result<Option<Part>, DecodeError> {
    let mut unread = &input[..];
    let part = match decoder.decode_part(&mut unread) {
        Ok(None) => Ok(None),
        Ok(Some(Part::Begin(publish, len))) => Ok(Some(Part::Begin(publish.to_owned(), len))),
        Ok(Some(Part::Piece(bytes))) => Ok(Some(Part::Piece(Bytes::copy_from_slice(bytes)))),
        Ok(Some(Part::End)) => Ok(Some(Part::End)),
        Err(error) => match decoder.take_mended() {
            Some(Packet::Publish(head)) => {
                let len = u32::try_from(decoder.missing()).unwrap();
                Ok(Some(Part::Begin(head, len)))
            }
            _ => Err(error),
        },
    };
    let taken = input.len() - unread.len();
    let _ = input.split_to(taken);
    part
}

/// Joins the parts of a PUBLISH.
fn join(open: &mut Option<(Packet, Vec<u8>, u32)>, part: Part) -> Option<Packet> {
    match part {
        Part::Begin(publish, len) => {
            assert!(publish.payload.is_empty() && open.is_none());
            *open = Some((Packet::Publish(publish), Vec::new(), len));
            None
        }
        Part::Piece(bytes) => {
            assert!(!bytes.is_empty());
            open.as_mut().unwrap().1.extend_from_slice(&bytes);
            None
        }
        Part::End => {
            let (mut packet, payload, len) = open.take().unwrap();
            assert_eq!(payload.len(), len as usize);
            if let Packet::Publish(publish) = &mut packet {
                publish.payload = payload.into();
            }
            Some(packet)
        }
    }
}

/// Joins the parts of a message, and prints what is delivered.
fn deliver(open: &mut Option<(Head, Vec<u8>, u32)>, incoming: Incoming) -> Option<String> {
    match incoming {
        Incoming::Begin(head, len) => {
            assert!(head.message.payload.is_empty() && open.is_none());
            *open = Some((*head, Vec::new(), len));
            None
        }
        Incoming::Piece(bytes) => {
            assert!(!bytes.is_empty());
            open.as_mut().unwrap().1.extend_from_slice(&bytes);
            None
        }
        Incoming::End(token) => {
            let (head, payload, len) = open.take().unwrap();
            assert_eq!(
                (payload.len(), token.delivery()),
                (len as usize, head.delivery)
            );
            assert_eq!(token.dup(), head.dup);
            let mut message = head.message;
            message.payload = payload.into();
            Some(format!("{:?}", Incoming::Message(message, token)))
        }
        incoming => {
            assert!(open.is_none());
            Some(format!("{incoming:?}"))
        }
    }
}

/// What a client gives its caller, in buffers of its own.
fn owned(incoming: Incoming<&[u8]>) -> Incoming {
    match incoming {
        Incoming::Message(message, token) => Incoming::Message(message.to_owned(), token),
        Incoming::Begin(head, len) => Incoming::Begin(Box::new((*head).to_owned()), len),
        Incoming::Piece(bytes) => Incoming::Piece(Bytes::copy_from_slice(bytes)),
        Incoming::End(token) => Incoming::End(token),
        Incoming::Skipped(error, token) => Incoming::Skipped(error, token),
        Incoming::Auth(auth) => Incoming::Auth(auth.to_owned()),
        other => panic!("{other:?}"),
    }
}
