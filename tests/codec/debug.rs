//! Packets print their fields, and text as text.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtt_sansio::connection::Incoming;
use mqtt_sansio::session::{Receipt, Session};
use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName, TopicTree};
use mqtt_sansio::{
    Binary, Delivery, Frame, FrameDecoder, Message, OnlyInV5, Packet, Publishable, QoS, Rule,
    Rules, Version,
};
use support::hex;

#[test]
fn packets_print_as_text() {
    #[rustfmt::skip]
    let cases = [
        ("40 08 00 07 97 04 1f 00 01 \"r\"",
         "PubAck(Ack { packet_id: 7, reason: QuotaExceeded, properties: [ReasonString(\"r\")] })"),
        ("10 16 00 04 \"MQTT\" 05 06 00 3c 00 00 00 00 00 01 \"t\" 00 03 \"a\" 00 ff",
         "Connect { clean_start: true, keep_alive: KeepAlive(60), properties: [], client_id: \"\", \
          will: Some(Will { qos: AtMostOnce, retain: false, properties: [], topic: \"t\", \
          payload: b\"a\\x00\\xff\" }), user_name: None, password: None, v31: false, bridge: false }"),
        ("32 08 00 01 \"t\" 00 07 00 \"h\" 00",
         "Publish { dup: false, delivery: AtLeastOnce(7), retain: false, topic: Some(\"t\"), \
          properties: [], payload: b\"h\\x00\" }"),
        ("82 08 00 07 00 00 02 \"a/\" 01",
         "Subscribe { packet_id: 7, properties: [], subscriptions: [Subscription { filter: \"a/\", \
          options: SubscriptionOptions { maximum_qos: AtLeastOnce, no_local: false, \
          retain_as_published: false, retain_handling: SendAtSubscribe } }] }"),
        ("90 04 00 07 00 80", "SubAck { packet_id: 7, properties: [], reasons: [UnspecifiedError] }"),
        ("a2 06 00 07 00 00 01 \"a\"", "Unsubscribe { packet_id: 7, properties: [], filters: [\"a\"] }"),
        ("b0 04 00 07 00 11",
         "UnsubAck(SubAck { packet_id: 7, properties: [], reasons: [NoSubscriptionExisted] })"),
        ("20 03 01 00 00", "ConnAck { session_present: true, reason: Success, properties: [] }"),
        ("e0 00", "Disconnect { reason: Success, properties: [] }"),
        ("f0 06 18 04 15 00 01 \"m\"",
         "Auth { reason: ContinueAuthentication, properties: [AuthenticationMethod(\"m\")] }"),
        ("c0 00", "PingReq"),
        ("d0 00", "PingResp"),
    ];
    for (bytes, expected) in cases {
        let bytes = hex::parse(bytes);
        let packet = Packet::decode(Version::V5, &bytes).unwrap();
        assert_eq!(format!("{packet:?}"), expected);
        let has_id = matches!(bytes[0] >> 4, 3..=11);
        assert_eq!(packet.packet_id().map(|id| id.get()), has_id.then_some(7));
    }
}

#[test]
fn what_is_received_prints_as_text() {
    let topic = TopicName::new("t").unwrap().to_owned();
    let message = Message::new(topic, b"h\x00".to_vec());
    let text = "Message { topic: \"t\", payload: b\"h\\x00\", retain: false, properties: [] }";
    assert_eq!(format!("{message:?}"), text);
    let mut session = Session::<Message>::new();
    let Ok(Receipt::New(token)) = session.handle_publish(Delivery::AtMostOnce) else {
        panic!("it is new");
    };
    assert!(!token.dup());
    let incoming = Incoming::Message(message.clone(), token);
    let whole = format!("Message({text}, {token:?})");
    assert_eq!(format!("{incoming:?}"), whole);
    let piece = Incoming::Piece(&b"h\x00"[..]);
    assert_eq!(format!("{piece:?}"), "Piece(b\"h\\x00\")");

    let error = Packet::decode(Version::V5, b"\x40\x02\x00\x00").unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "DecodeError { kind: ZeroPacketId, field: PacketId, packet: Some(PubAck), version: V5, \
         sender: None, offset: 2 }"
    );
}

#[test]
fn others_print_what_they_are() {
    assert_eq!(
        [Version::V311, Version::V5].map(|it| it.to_string()),
        ["3.1.1", "5.0"]
    );
    assert_eq!(OnlyInV5::Auth.to_string(), "AUTH");
    let rules = Rules::STRICT.without(Rule::DupAtQoS0);
    assert_eq!(format!("{rules:?}"), "Rules without {DupAtQoS0}");
    let (tree, topics) = (FilterTree::<()>::new(), TopicTree::<()>::new());
    let name = TopicName::new("t").unwrap();
    assert_eq!(format!("{:?}", tree.matches(&name)), "Matches { .. }");
    let filter = TopicFilter::new("t").unwrap();
    assert_eq!(format!("{:?}", topics.matching(&filter)), "Matching { .. }");

    let mut session = Session::new();
    let waiting = session.publish(QoS::AtMostOnce, ()).unwrap_err();
    assert_eq!(format!("{waiting:?}"), "Refused { why: AtMostOnce, .. }");
    assert_eq!(waiting.to_string(), waiting.why.to_string());

    let mut decoder = FrameDecoder::client(Version::V311).pieces_above(4);
    let mut input = &b"\x30\x05\0\x01t\0h"[..];
    assert_eq!(decoder.decode(&mut input), Ok(None));
    let mut parts = String::new();
    while let Some(part) = decoder.decode_part(&mut input).unwrap() {
        parts += &format!("{part:?};");
    }
    assert_eq!(
        parts,
        "Begin(Publish { dup: false, delivery: AtMostOnce, retain: false, topic: Some(\"t\"), \
         properties: [], payload: b\"\" }, 2);Piece(b\"\\x00h\");End;"
    );
}

#[test]
fn bytes_are_equal_or_not() {
    let [one, other] = [b"a", b"b"].map(|bytes| Binary::new(&bytes[..]).unwrap());
    assert_eq!(one, one.to_owned());
    assert_ne!(one, other.to_owned());
    let hashes =
        [one, one, other].map(|it| BuildHasherDefault::<DefaultHasher>::default().hash_one(it));
    assert!(hashes[0] == hashes[1] && hashes[0] != hashes[2]);
    let frame = Frame::new(Version::V5, Bytes::from_static(b"\xC0\x00")).unwrap();
    assert_eq!(frame.into_bytes(), &b"\xC0\x00"[..]);
}

/// A message that is shared is kept elsewhere, and expires, as it is and does.
#[test]
fn what_is_shared_is_what_it_was() {
    struct Kept(Message);

    impl Publishable for Kept {
        fn message(&self, _: Version) -> Message<&[u8]> {
            self.0.as_borrowed()
        }

        fn payload_len(&self) -> Option<u32> {
            Some(7)
        }

        fn expires(&self) -> Option<Duration> {
            Some(Duration::from_secs(7))
        }
    }

    let shared = Arc::new(Kept(Message::new("t".parse().unwrap(), "")));
    assert_eq!(shared.payload_len(), Some(7));
    assert_eq!(shared.expires(), Some(Duration::from_secs(7)));
}

#[test]
fn calls_are_counted_from_one() {
    let mut session = Session::new();
    for number in 1..=3 {
        let call = session.publish(QoS::AtLeastOnce, ()).unwrap();
        assert_eq!((call.get(), call.to_string()), (number, number.to_string()));
        assert_eq!(format!("{call:?}"), number.to_string());
    }
}
