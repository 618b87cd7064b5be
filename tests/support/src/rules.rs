//! Any set of rules let go, with any bytes: what is delivered is valid, and no more than came.

use std::fs;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use mqtt_sansio::connection::{Connection, Incoming, Role, client, server};
use mqtt_sansio::packet::{ConnAck, Connect, Publish};
use mqtt_sansio::{DecodeError, FrameDecoder, Packet, ReasonCode, Replaced, Rule, Rules, Version};

use crate::check::decode_all;
use crate::drive::check_heap;
use crate::vectors::{self, Vector, files, testdata};

/// Packets that are larger are too large here.
const LIMIT: u32 = 1 << 12;

/// Any set of rules.
pub(crate) fn some(u: &mut Unstructured<'_>) -> Result<Rules> {
    let set: u64 = u.arbitrary()?;
    let mut rules = Rules::STRICT;
    for (at, &rule) in Rule::ALL.iter().enumerate() {
        if set >> at & 1 == 1 {
            rules = rules.without(rule);
        }
    }
    Ok(match set >> 60 {
        0 => rules.packet_id_in_use(Replaced::Refuse),
        1 => rules.packet_id_in_use(Replaced::Replace),
        2 => rules.receive_slack(1),
        3 => rules.keep_alive_percent(300),
        4 | 5 => Rules::STRICT,
        6 => Rules::LENIENT,
        _ => rules,
    })
}

/// What a fuzz target calls: the rules, how to split, and a stream.
///
/// # Panics
///
/// If something is delivered that is not valid, or more than came.
pub fn rules(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let (Ok(rules), Ok(piece)) = (some(&mut u), u.arbitrary::<u8>()) else {
        return;
    };
    let stream = u.take_rest();
    let piece = usize::from(piece).max(1);
    for version in [Version::V311, Version::V5] {
        decode(FrameDecoder::client(version).rules(rules), stream, piece);
        let mut client = client::Connection::new()
            .rules(rules)
            .max_packet_size(LIMIT);
        let connect = Connect::new("c".parse().unwrap());
        client.connect(version, connect).unwrap();
        read(client, stream, piece, |_, _| ());
    }
    decode(FrameDecoder::server().rules(rules), stream, piece);
    let now = Duration::ZERO;
    let server = server::Connection::new(now, Duration::from_secs(9));
    let server = server.rules(rules).max_packet_size(LIMIT);
    read(server, stream, piece, |server, incoming| match incoming {
        Incoming::Connect(_) => {
            let _ = server.accept(now, ConnAck::new(ReasonCode::Success), &mut None);
        }
        Incoming::Subscribe(request, token) => {
            let codes = request.subscriptions.iter();
            let codes = codes.map(|_| ReasonCode::UnspecifiedError);
            let _ = server.sub_ack(*token, codes);
        }
        Incoming::Unsubscribe(request, token) => {
            let codes = request.filters.iter().map(|_| ReasonCode::Success);
            let _ = server.unsub_ack(*token, codes);
        }
        _ => {}
    });
}

/// Seeds: for each rule that the decoder has a vector that breaks it, and some captures.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let vectors = vectors::all();
    for (at, rule) in Rule::ALL.iter().enumerate() {
        let breaks = |vector: &&Vector| {
            let (decoded, _) = decode_all(&vector.decoder(), &vector.bytes);
            let error = decoded.last().and_then(|last| last.as_ref().err());
            vector.bytes.len() < 99 && error.and_then(DecodeError::rule) == Some(*rule)
        };
        if let Some(vector) = vectors.iter().find(breaks) {
            let set = (7_u64 << 60 | 1 << at).to_le_bytes();
            seeds.push((rule.to_string(), [&set[..], &[99], &vector.bytes].concat()));
        }
    }
    let lenient = (6_u64 << 60).to_le_bytes();
    for capture in files(&testdata().join("captures"), "bin") {
        let bytes = fs::read(&capture).unwrap();
        if (60..100).contains(&bytes.len()) {
            let name = capture.file_stem().unwrap().to_string_lossy().into_owned();
            seeds.push((name, [&lenient[..], &[7], &bytes].concat()));
        }
    }
    seeds
}

/// Packets are valid, and each has at least two bytes of its own.
fn decode(decoder: FrameDecoder, stream: &[u8], piece: usize) {
    let mut decoder = decoder.max_packet_size(LIMIT);
    let (mut input, mut came, mut found) = (BytesMut::new(), 0, 0);
    for piece in stream.chunks(piece) {
        input.extend_from_slice(piece);
        came += piece.len();
        while let Some(packet) = decoder.decode_shared(&mut input).transpose() {
            let mended = decoder.take_mended();
            for packet in packet.ok().into_iter().chain(mended) {
                check(decoder.version().unwrap(), &packet);
            }
            found += 1;
            assert!(found * 2 <= came + 1, "{found} of {came} bytes");
            if decoder.has_failed() {
                return;
            }
        }
    }
}

/// A packet can be encoded, and then the strict decoder takes it for the same.
fn check(version: Version, packet: &Packet) {
    // In 3.1.1 a server has no DISCONNECT and few codes, so that these have the codes of 5.0.
    let version = match packet {
        Packet::Disconnect(_) => Version::V5,
        Packet::ConnAck(ack) if ack.reason.is_error() => Version::V5,
        _ => version,
    };
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).unwrap();
    let again = match packet {
        // What is no breach but another protocol stays as it is.
        Packet::Connect(_) => {
            let rules = Rules::STRICT.without(Rule::BridgeBit);
            let mut decoder = FrameDecoder::server().rules(rules.without(Rule::Mqtt31));
            let packet = decoder.decode_shared(&mut BytesMut::from(&bytes[..]));
            packet.map(|packet| packet.expect("a whole packet"))
        }
        _ => Packet::decode_shared(version, bytes.into()),
    };
    assert_eq!(again.as_ref(), Ok(packet));
}

/// A connection delivers valid values, no more than there are bytes, and holds no more than it may.
fn read<R: Role + Clone>(
    mut end: Connection<R>,
    stream: &[u8],
    piece: usize,
    mut act: impl FnMut(&mut Connection<R>, &Incoming),
) {
    let now = Duration::ZERO;
    let (mut input, mut came, mut found) = (BytesMut::new(), 0, 0);
    for piece in stream.chunks(piece) {
        input.extend_from_slice(piece);
        came += piece.len();
        while let Some(incoming) = end.handle_bytes(now, &mut input) {
            found += 1;
            assert!(found * 2 <= came + 1, "{found} of {came} bytes");
            let version = end.version();
            match &incoming {
                Incoming::Message(message, token) => {
                    let publish = Publish::of(token.delivery(), message.clone());
                    check(version, &publish.into());
                    end.acknowledge(*token).unwrap();
                }
                Incoming::Skipped(_, Some(token)) => end.acknowledge(*token).unwrap(),
                Incoming::Connect(connect) => check(version, &(**connect).clone().into()),
                Incoming::Subscribe(request, _) => check(version, &request.clone().into()),
                Incoming::Unsubscribe(request, _) => check(version, &request.clone().into()),
                Incoming::Auth(auth) => check(version, &auth.clone().into()),
                _ => {}
            }
            act(&mut end, &incoming);
        }
        let mut out = Vec::new();
        end.poll_bytes(now, &mut out);
        while end.poll_event().is_some() {}
        check_heap(&end, came / 4);
    }
}
