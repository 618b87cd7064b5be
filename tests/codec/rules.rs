//! Rules that are let go, generated from the table: a new row is tested by being there.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use mqtt_sansio::{
    DecodeError, DecodeErrorKind, EncodeError, Frame, FrameDecoder, InvalidTextKind, Packet, Rule,
    Rules, Side, Version,
};
use support::vectors::{self, Vector};

/// What is left of a stream when rules are let go: its packets and the errors of those skipped.
#[derive(Debug, Default, PartialEq)]
struct Left {
    packets: Vec<Packet>,
    skipped: Vec<DecodeError>,
    let_go: Vec<Rule>,
}

/// Takes a stream through each of the three ways to decode, which find the same.
fn decode(vector: &Vector, rules: Rules) -> Result<Left, DecodeError> {
    let decoder = || vector.decoder().rules(rules);
    let shared = decode_by(decoder(), &vector.bytes, |decoder, input| {
        decoder.decode_shared(input)
    });
    let borrowed = decode_by(decoder(), &vector.bytes, |decoder, input| {
        let mut unread = &input[..];
        let decoded = decoder
            .decode(&mut unread)
            .map(|packet| packet.map(|p| p.to_owned()));
        let read = input.len() - unread.len();
        let _ = input.split_to(read);
        match decoded {
            Err(error) => decoder.take_mended().map(Some).ok_or(error),
            decoded => decoded,
        }
    });
    assert_eq!(shared, borrowed, "{}", vector.name);
    let framed = decode_by(decoder(), &vector.bytes, |decoder, input| {
        let frame = decoder.decode_frame(input)?;
        Ok(frame.map(|frame| {
            let again = Frame::new(frame.version(), frame.bytes().clone());
            assert_eq!(again.as_ref(), Ok(&frame), "a frame obeys all rules");
            frame.to_packet()
        }))
    });
    match (&shared, framed) {
        (Ok(shared), Ok(framed)) => {
            let marked = |packet: &Packet| matches!(packet, Packet::Connect(connect) if connect.v31 || connect.bridge);
            if !shared.packets.iter().any(marked) {
                assert_eq!(*shared, framed, "{}", vector.name);
            }
        }
        // What 3.1.1 cannot say has no frame.
        (Ok(shared), Err(_)) => {
            let version = vector.version;
            let unsayable = |packet: &Packet| packet.encoded_len(version).is_err();
            assert!(shared.packets.iter().any(unsayable), "{}", vector.name);
        }
        (Err(_), framed) => assert_eq!(shared, framed, "{}", vector.name),
    }
    shared
}

fn decode_by(
    mut decoder: FrameDecoder,
    bytes: &[u8],
    next: impl Fn(&mut FrameDecoder, &mut BytesMut) -> Result<Option<Packet>, DecodeError>,
) -> Result<Left, DecodeError> {
    let (mut left, mut input) = (Left::default(), BytesMut::from(bytes));
    loop {
        match next(&mut decoder, &mut input) {
            Ok(Some(packet)) => left.packets.push(packet),
            Ok(None) => break,
            Err(error) if error.is_skipped() => left.skipped.push(error),
            Err(error) => return Err(error),
        }
    }
    left.let_go
        .extend(core::iter::from_fn(|| decoder.poll_let_go()));
    Ok(left)
}

/// What is accepted obeys the rules that were let go: it is encoded, and read by a strict decoder.
fn is_valid(version: Version, packet: &Packet) -> bool {
    let mut bytes = Vec::new();
    let marked = |packet: &Packet| match packet {
        Packet::Connect(connect) => connect.v31 || connect.bridge,
        _ => false,
    };
    match packet.encode(version, &mut bytes) {
        Ok(()) if marked(packet) => Packet::decode(version, &bytes).is_err(),
        Ok(()) => Packet::decode(version, &bytes) == Ok(packet.as_borrowed()),
        // DISCONNECT of a server and unknown codes: what 3.1.1 cannot say.
        Err(_) => matches!(packet, Packet::Disconnect(_) | Packet::ConnAck(_)),
    }
}

/// The rules that a decoder does not judge: `tests/field` has their scripts.
const OF_CONNECTIONS: [Rule; 8] = [
    Rule::KeepAlive,
    Rule::SessionPresent,
    Rule::ConnAckMethod,
    Rule::SecondConnAck,
    Rule::ProblemInformation,
    Rule::PubAckAtQoS2,
    Rule::PacketIdInUse,
    Rule::ReceiveMaximum,
];

#[test]
fn each_rule_is_let_go_alone() {
    let mut seen: BTreeMap<Rule, usize> = BTreeMap::new();
    for vector in vectors::all() {
        let Err(error) = decode(&vector, Rules::STRICT) else {
            assert!(decode(&vector, Rules::LENIENT).is_ok(), "{}", vector.name);
            continue;
        };
        let Some(rule) = error.rule() else {
            let lenient = decode(&vector, Rules::LENIENT);
            assert_eq!(lenient, Err(error), "{}: no rule lets it go", vector.name);
            continue;
        };
        assert!(
            error.to_string().ends_with(&format!("(rule {rule})")),
            "{error}"
        );
        // The error of a strict decoder is that of one that lets all other rules go.
        let insisting = decode(&vector, Rules::LENIENT.with(rule));
        assert_eq!(insisting, Err(error), "{}", vector.name);
        match decode(&vector, Rules::STRICT.without(rule)) {
            Ok(left) => {
                assert_eq!(left.let_go, [rule], "{}", vector.name);
                for packet in &left.packets {
                    assert!(
                        is_valid(vector.version, packet),
                        "{}: {packet:?}",
                        vector.name
                    );
                }
                for skipped in &left.skipped {
                    assert_eq!(skipped.rule(), Some(rule), "{}", vector.name);
                }
                *seen.entry(rule).or_default() += 1;
            }
            // Another rule is broken as well.
            Err(other) => assert_ne!(other.rule(), Some(rule), "{}: {other}", vector.name),
        }
    }
    for &rule in Rule::ALL {
        let judged = !OF_CONNECTIONS.contains(&rule) && rule != Rule::PacketTooLarge;
        assert_eq!(seen.contains_key(&rule), judged, "{rule}: {seen:?}");
    }
}

/// A packet that breaks several rules, once all of them are let go.
#[test]
fn all_that_a_packet_breaks_is_mended() {
    let cases: [(Version, &[u8], &[u8]); 6] = [
        // MQTT 3.1, bridge, reserved flag, will flags, trailing byte.
        (
            Version::V311,
            b"\x10\x10\x00\x06MQIsdp\x83\x3B\x00\x3C\x00\x01c!",
            b"\x10\x0F\x00\x06MQIsdp\x83\x02\x00\x3C\x00\x01c",
        ),
        (
            Version::V311,
            b"\x10\x15\x00\x04MQTT\x04\x46\x00\x3C\x00\x01c\x00\x01w\x00\x01m\x00\x00",
            b"\x10\x17\x00\x04MQTT\x04\xC6\x00\x3C\x00\x01c\x00\x01w\x00\x01m\x00\x00\x00\x00",
        ),
        // Reserved flags, a padded length of the packet and of its properties, bytes behind it.
        (
            Version::V5,
            b"\x47\x87\x00\x00\x01\x10\x80\x00zz",
            b"\x40\x03\x00\x01\x10",
        ),
        (
            Version::V5,
            b"\x38\x09\x00\x01t\x84\x00\x01\x37\x01\x01",
            b"",
        ),
        (
            Version::V5,
            b"\x80\x18\x00\x01\x00\x00\x0A$share/g/a\xC4\x00\x01b\xC4\x00\x01c\xC1",
            b"\x82\x18\x00\x01\x00\x00\x0A$share/g/a\x00\x00\x01b\x04\x00\x01c\x01",
        ),
        (
            Version::V5,
            b"\x82\x21\x00\x01\x00\x00\x0A$share/g/a\x04\x00\x01b\x04\x00\x0A$share/g/c\x05",
            b"\x82\x21\x00\x01\x00\x00\x0A$share/g/a\x00\x00\x01b\x04\x00\x0A$share/g/c\x01",
        ),
    ];
    for (version, bytes, expected) in cases {
        let mut decoder = FrameDecoder::new(version).rules(Rules::LENIENT);
        let mut input = BytesMut::from(bytes);
        let decoded = decoder.decode_shared(&mut input);
        // A property that occurs twice has no rule.
        let Ok(Some(packet)) = decoded else {
            assert!(expected.is_empty(), "{decoded:?}");
            continue;
        };
        let mut encoded = Vec::new();
        packet.encode(version, &mut encoded).unwrap();
        assert_eq!(encoded, expected, "{packet:?}");
    }
}

#[test]
fn each_rule_says_what_it_is() {
    let row = |rule: Rule| {
        let statements = [Version::V311, Version::V5].map(|version| rule.statement(version));
        (statements, rule.judge())
    };
    let both = [Some("MQTT-2.2.2-2"), Some("MQTT-2.1.3-1")];
    assert_eq!(row(Rule::FixedHeaderFlags), (both, None));
    let one = [None, Some("MQTT-3.1.2-29")];
    assert_eq!(row(Rule::ProblemInformation), (one, Some(Side::Client)));
    let sentences: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.instead()).collect();
    assert_eq!(sentences.len(), Rule::ALL.len());
    assert!(sentences.iter().all(|it| it.contains(' ')));
}

/// What is wrong behind what was mended stands where it stood when it was received.
#[test]
fn offsets_are_those_of_what_was_received() {
    let bytes = b"\x82\x95\x80\x00\x00\x01\x00\x00\x0A$share/g/a\x04\x00\x02#b\x00";
    let mut decoder = FrameDecoder::new(Version::V5).rules(Rules::LENIENT);
    let error = decoder.decode(&mut &bytes[..]).unwrap_err();
    assert_eq!(
        error.kind(),
        DecodeErrorKind::Text(InvalidTextKind::MisplacedHash)
    );
    assert_eq!(bytes[error.offset()], b'#');
}

/// A decoder of a server, which finds the version in what breaks the rules.
#[test]
fn b2_and_b3_bridges_and_clients_of_3_1() {
    let of_3_1: &[u8] = b"\x10\x0F\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x01c";
    let mut bridge = of_3_1.to_vec();
    bridge[10] = 0x83;
    let mut bridge_of_3_1_1 = b"\x10\x0D\x00\x04MQTT\x84\x02\x00\x3C\x00\x01c".to_vec();
    let cases = [
        (of_3_1, true, false, vec![Rule::Mqtt31]),
        (&bridge[..], true, true, vec![Rule::BridgeBit, Rule::Mqtt31]),
        (&bridge_of_3_1_1, false, true, vec![Rule::BridgeBit]),
    ];
    for (bytes, v31, is_bridge, rules) in cases {
        let mut strict = FrameDecoder::server();
        let error = strict.decode(&mut &*bytes).unwrap_err();
        assert_eq!(error.version(), Version::V311, "20 02 00 01 is the answer");
        assert!(strict.has_failed());
        let lenient = rules
            .iter()
            .fold(Rules::STRICT, |rules, &rule| rules.without(rule));
        let mut decoder = FrameDecoder::server().rules(lenient);
        let mut input = BytesMut::from(bytes);
        let Ok(Some(Packet::Connect(connect))) = decoder.decode_shared(&mut input) else {
            panic!("{bytes:x?}");
        };
        assert_eq!((connect.v31, connect.bridge), (v31, is_bridge));
        assert_eq!(decoder.version(), Some(Version::V311));
        let let_go: Vec<_> = core::iter::from_fn(|| decoder.poll_let_go()).collect();
        assert_eq!(let_go, rules);
        let mut encoded = Vec::new();
        let packet = Packet::from(connect);
        let only = Err(EncodeError::OnlyInV311);
        assert_eq!(packet.encode(Version::V5, &mut encoded), only);
        packet.encode(Version::V311, &mut encoded).unwrap();
        assert_eq!(encoded, bytes, "written as what it is");
        // What follows is 3.1.1, and strict.
        input.extend_from_slice(b"\xC0\x00\xC1\x00");
        assert_eq!(decoder.decode_shared(&mut input), Ok(Some(Packet::PingReq)));
        assert!(decoder.decode_shared(&mut input).is_err());
    }
    bridge_of_3_1_1[8] = 0x85;
    let mut decoder = FrameDecoder::server().rules(Rules::LENIENT);
    assert!(decoder.decode(&mut &bridge_of_3_1_1[..]).is_err());
}

/// What cannot be represented is skipped, and can be acknowledged.
#[test]
fn b7_a_topic_that_is_not_utf_8_is_skipped() {
    let skipping = Rules::STRICT.without(Rule::PublishText);
    let stream = b"\x34\x08\x00\x02\xC3\x28\x00\x07hi\xD0\x00";
    for version in [Version::V311, Version::V5] {
        let mut bytes = stream.to_vec();
        if version == Version::V5 {
            bytes[1] += 1;
            bytes.insert(8, 0);
        }
        let mut decoder = FrameDecoder::client(version).rules(skipping);
        let mut input = BytesMut::from(&bytes[..]);
        let error = decoder.decode_shared(&mut input).unwrap_err();
        assert!(error.is_skipped() && !decoder.has_failed());
        let delivery = error.delivery().unwrap();
        assert_eq!(
            (delivery.qos().level(), delivery.packet_id().unwrap().get()),
            (2, 7)
        );
        let kind = DecodeErrorKind::Text(InvalidTextKind::NotUtf8);
        assert_eq!(error.kind(), kind);
        assert_eq!(
            decoder.decode_shared(&mut input),
            Ok(Some(Packet::PingResp))
        );
        // Strict, it is an error like any other.
        let mut strict = FrameDecoder::client(version);
        let error = strict.decode(&mut &bytes[..]).unwrap_err();
        assert!(!error.is_skipped() && error.delivery().is_none());
    }
}

/// A SUBSCRIBE of a million bad options is mended in one pass.
#[test]
fn mending_is_linear() {
    let mut body = b"\x00\x01\x00".to_vec();
    for _ in 0..200_000 {
        body.extend(b"\x00\x01a\xC0");
    }
    let len = u32::try_from(body.len()).unwrap();
    let mut bytes = vec![0x82];
    mqtt_sansio::VarInt::try_from(len)
        .unwrap()
        .encode(&mut bytes);
    bytes.extend(body);
    let rules = Rules::STRICT.without(Rule::SubscriptionOptions);
    let mut decoder = FrameDecoder::new(Version::V5).rules(rules);
    let packet = decoder.decode_shared(&mut BytesMut::from(&bytes[..]));
    let Ok(Some(Packet::Subscribe(subscribe))) = packet else {
        panic!("refused");
    };
    assert_eq!(subscribe.subscriptions.iter().count(), 200_000);
}

/// A21: 0x8F and 0x90 are for names and filters that are well formed and not accepted.
#[test]
fn a21_what_is_not_well_formed_is_a_malformed_packet() {
    let cases: [&[u8]; 4] = [
        b"\x82\x06\x00\x01\x00\x00\x00\x00",
        b"\x30\x06\x00\x03a/#\x00",
        b"\x82\x0F\x00\x01\x00\x00\x09$share//f\x00",
        b"\xA2\x08\x00\x01\x00\x00\x03a+b",
    ];
    for bytes in cases {
        let error = Packet::decode(Version::V5, bytes).unwrap_err();
        assert_eq!(error.reason_code().to_u8(), 0x81, "{error}");
    }
}
