//! The feature `serde`: what is written, that it is read again, and what is refused.

use std::collections::HashSet;
use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use mqtt_sansio::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, KeepAlive, Publish, ReasonCodes, RetainHandling,
    SubAck, Subscribe, SubscriptionOptions, Subscriptions, TopicFilters, Unsubscribe, Will,
};
use mqtt_sansio::property::{
    AckProperties, ConnAckProperties, ConnectProperties, InPublish, MaximumQoS, PayloadFormat,
    Properties, PropertyId, PublishProperties, SubscribeProperties, SubscriptionId, TopicAlias,
    WillProperties,
};
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{
    Binary, Delivery, Frame, Packet, PacketId, PacketType, QoS, ReasonCode, Side, Text, VarInt,
    Version,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use support::check;
use support::vectors::{self, Expectation};

/// Through JSON and postcard and back it is the same.
fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> String {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value, "{json}");
    let postcard = postcard::to_allocvec(value).unwrap();
    assert_eq!(postcard::from_bytes::<T>(&postcard).unwrap(), *value);
    json
}

/// Between them these carry all that there are.
fn properties_of(packet: &Packet) -> Vec<PropertyId> {
    fn ids<K>(properties: &Properties<K>) -> Vec<PropertyId> {
        properties.iter().map(|property| property.id()).collect()
    }
    match packet {
        Packet::Connect(connect) => {
            let mut all = ids(&connect.properties);
            all.extend(connect.will.iter().flat_map(|will| ids(&will.properties)));
            all
        }
        Packet::ConnAck(connack) => ids(&connack.properties),
        Packet::Publish(publish) => ids(&publish.properties),
        _ => Vec::new(),
    }
}

#[test]
fn every_packet_of_the_vectors_survives() {
    let (mut types, mut properties) = (HashSet::new(), HashSet::new());
    'vectors: for vector in vectors::all() {
        if !matches!(vector.expectation, Expectation::Ok(_)) {
            continue;
        }
        for packet in check::decode_all(&vector.decoder(), &vector.bytes).0 {
            let packet = packet.unwrap();
            let json = survives(&packet);
            types.insert(packet.packet_type());
            properties.extend(properties_of(&packet));
            // Once is enough for the few of 2 MiB, which take their time.
            if vector.bytes.len() > 1 << 20 {
                continue 'vectors;
            }
            let borrowed = packet.as_borrowed();
            assert_eq!(serde_json::to_string(&borrowed).unwrap(), json);
            assert_eq!(
                postcard::to_allocvec(&borrowed).unwrap(),
                postcard::to_allocvec(&packet).unwrap()
            );
            match &packet {
                Packet::Connect(connect) => {
                    survives(connect);
                    survives(&connect.will)
                }
                Packet::ConnAck(connack) => survives(connack),
                Packet::Publish(publish) => survives(publish),
                Packet::PubAck(ack)
                | Packet::PubRec(ack)
                | Packet::PubRel(ack)
                | Packet::PubComp(ack) => survives(ack),
                Packet::Subscribe(subscribe) => survives(subscribe),
                Packet::SubAck(suback) | Packet::UnsubAck(suback) => survives(suback),
                Packet::Unsubscribe(unsubscribe) => survives(unsubscribe),
                Packet::PingReq | Packet::PingResp => json,
                Packet::Disconnect(disconnect) => survives(disconnect),
                Packet::Auth(auth) => survives(auth),
            };
        }
        let mut stream = BytesMut::from(&vector.bytes[..]);
        while let Some(frame) = vector.decoder().decode_frame(&mut stream).unwrap() {
            survives(&frame);
        }
    }
    assert_eq!((types.len(), properties.len()), (15, 27));
}

/// Pinned: what has been stored must stay readable.
#[test]
fn packets_look_like_this() {
    let id = PacketId::new(7).unwrap();
    let text = |text| Text::new(text).unwrap();
    let name = |text| TopicName::new(text).unwrap();
    let filter = |text| TopicFilter::new(text).unwrap();
    let binary = |bytes| Binary::new(bytes).unwrap();

    let mut will = Will::new(name("gone").to_owned(), binary(b"\0\xFF").to_owned());
    will.properties = WillProperties::builder().will_delay_interval(60).build();
    let mut connect = Connect::new(text("c").to_owned());
    connect.keep_alive = KeepAlive::from_secs(60);
    connect.properties = ConnectProperties::builder()
        .request_problem_information(false)
        .build();
    connect.will = Some(will);
    connect.user_name = Some(text("u").to_owned());
    connect.password = Some(binary(b"p").to_owned());

    let mut connack = ConnAck::new(ReasonCode::NotAuthorized);
    connack.properties = ConnAckProperties::builder()
        .maximum_qos(MaximumQoS::AtLeastOnce)
        .reason_string(text("no \"\u{e9}\""))
        .build();

    let payload = Bytes::from_static(b"15\0");
    let mut publish = Publish::new(Delivery::AtLeastOnce(id), name("a/b").to_owned(), payload);
    publish.properties = PublishProperties::builder()
        .topic_alias(TopicAlias::new(3).unwrap())
        .user_property(text("k"), text("v"))
        .correlation_data(binary(b"\x01"))
        .build();

    let mut ack = Ack::new(id);
    ack.reason = ReasonCode::NoMatchingSubscribers;
    let done = Ack::new(id);

    let mut options = SubscriptionOptions::new(QoS::ExactlyOnce);
    options.retain_handling = RetainHandling::SendIfNew;
    let subscriptions = Subscriptions::new([(filter("a/+"), options)]).unwrap();
    let mut subscribe = Subscribe::new(id, subscriptions);
    subscribe.properties = SubscribeProperties::builder()
        .subscription_identifier(SubscriptionId::new(268_435_455).unwrap())
        .build();
    let reasons = [ReasonCode::GrantedQoS1, ReasonCode::UnspecifiedError];
    let suback = SubAck::new(id, ReasonCodes::new(reasons));
    let filters = TopicFilters::new([filter("a"), filter("#")]).unwrap();
    let unsuback = SubAck::new(id, ReasonCodes::default());

    #[rustfmt::skip]
    let forms = [
        (connect.into(), r#"{"connect":{"clean_start":true,"keep_alive":60,"properties":[{"request_problem_information":false}],"client_id":"c","will":{"qos":"at_most_once","retain":false,"properties":[{"will_delay_interval":60}],"topic":"gone","payload":[0,255]},"user_name":"u","password":[112],"v31":false,"bridge":false}}"#),
        (connack.into(), r#"{"connack":{"session_present":false,"reason":"not_authorized","properties":[{"maximum_qos":"at_least_once"},{"reason_string":"no \"é\""}]}}"#),
        (publish.into(), r#"{"publish":{"dup":false,"delivery":{"at_least_once":7},"retain":false,"topic":"a/b","properties":[{"topic_alias":3},{"user_property":["k","v"]},{"correlation_data":[1]}],"payload":[49,53,0]}}"#),
        (Packet::PubAck(ack.clone()), r#"{"puback":{"packet_id":7,"reason":"no_matching_subscribers","properties":[]}}"#),
        (Packet::PubRec(ack), r#"{"pubrec":{"packet_id":7,"reason":"no_matching_subscribers","properties":[]}}"#),
        (Packet::PubRel(done.clone()), r#"{"pubrel":{"packet_id":7,"reason":"success","properties":[]}}"#),
        (Packet::PubComp(done), r#"{"pubcomp":{"packet_id":7,"reason":"success","properties":[]}}"#),
        (subscribe.into(), r#"{"subscribe":{"packet_id":7,"properties":[{"subscription_identifier":268435455}],"subscriptions":[{"filter":"a/+","options":{"maximum_qos":"exactly_once","no_local":false,"retain_as_published":false,"retain_handling":"send_if_new"}}]}}"#),
        (Packet::SubAck(suback), r#"{"suback":{"packet_id":7,"properties":[],"reasons":["granted_qos_1","unspecified_error"]}}"#),
        (Unsubscribe::new(id, filters).into(), r##"{"unsubscribe":{"packet_id":7,"properties":[],"filters":["a","#"]}}"##),
        (Packet::UnsubAck(unsuback), r#"{"unsuback":{"packet_id":7,"properties":[],"reasons":[]}}"#),
        (Packet::PingReq, r#""pingreq""#),
        (Packet::PingResp, r#""pingresp""#),
        (Disconnect::new(ReasonCode::QoSNotSupported).into(), r#"{"disconnect":{"reason":"qos_not_supported","properties":[]}}"#),
        (Auth::new(ReasonCode::ReAuthenticate, text("m")).into(), r#"{"auth":{"reason":"re_authenticate","properties":[{"authentication_method":"m"}]}}"#),
    ];
    for (packet, json) in forms {
        assert_eq!(survives::<Packet>(&packet), json);
        // A field that does not exist is refused, not lost.
        if json.contains('{') {
            let error = refusal::<Packet>(&json.replacen(":{", r#":{"x":0,"#, 1));
            assert!(error.contains("unknown field `x`"), "{error}");
        }
    }
}

#[test]
fn values_look_like_this() {
    let id = PacketId::new(65_535).unwrap();
    assert_eq!(survives(&id), "65535");
    assert_eq!(survives(&VarInt::MAX), "268435455");
    assert_eq!(survives(&KeepAlive::from_secs(9)), "9");
    assert_eq!(survives(&TopicAlias::new(9)), "9");
    assert_eq!(survives(&SubscriptionId::new(9)), "9");
    assert_eq!(
        survives(&[Version::V311, Version::V5]),
        r#"["3.1.1","5.0"]"#
    );
    assert_eq!(
        survives(&[Side::Client, Side::Server]),
        r#"["client","server"]"#
    );
    assert_eq!(
        survives(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
        r#"["at_most_once","at_least_once","exactly_once"]"#
    );
    assert_eq!(
        survives(&[Delivery::AtMostOnce, Delivery::ExactlyOnce(id)]),
        r#"["at_most_once",{"exactly_once":65535}]"#
    );
    assert_eq!(
        survives(&[MaximumQoS::AtMostOnce, MaximumQoS::AtLeastOnce]),
        r#"["at_most_once","at_least_once"]"#
    );
    assert_eq!(
        survives(&[PayloadFormat::Unspecified, PayloadFormat::Utf8]),
        r#"["unspecified","utf8"]"#
    );
    assert_eq!(
        survives(&[RetainHandling::SendAtSubscribe, RetainHandling::DoNotSend]),
        r#"["send_at_subscribe","do_not_send"]"#
    );
    let text: Text = "\u{FEFF}\n\u{e9}".parse().unwrap();
    assert_eq!(survives(&text), "\"\u{FEFF}\\n\u{e9}\"");
    let binary = Binary::try_from(Bytes::from_static(b"a\xFF")).unwrap();
    assert_eq!(survives(&binary), "[97,255]");
    let frame = Frame::new(Version::V5, Bytes::from_static(b"\xC0\0")).unwrap();
    assert_eq!(survives(&frame), r#"{"version":"5.0","bytes":[192,0]}"#);
}

/// The specification's words in snake case, whatever the variants are called.
#[test]
fn names_are_the_specifications() {
    let snake = |name: &str| format!("\"{}\"", name.to_lowercase().replace([' ', '-'], "_"));
    let codes: Vec<_> = (0..=255).filter_map(ReasonCode::from_u8).collect();
    assert_eq!(codes.len(), 43);
    for code in codes {
        assert_eq!(survives(&code), snake(code.name()));
    }
    let ids: Vec<_> = (0..=255).filter_map(PropertyId::from_u8).collect();
    assert_eq!(ids.len(), 27);
    for id in ids {
        assert_eq!(survives(&id), snake(&id.to_string()));
    }
    for packet in (1..=15).filter_map(PacketType::new) {
        assert_eq!(survives(&packet), snake(&packet.to_string()));
    }
    let properties = PublishProperties::builder()
        .content_type(Text::new("t").unwrap())
        .build();
    assert_eq!(survives(&properties), r#"[{"content_type":"t"}]"#);
}

/// Formats without names: fields and variants by their order.
#[test]
fn postcard_is_this() {
    let id = PacketId::new(300).unwrap();
    let name = TopicName::new("a").unwrap().to_owned();
    let mut publish = Publish::new(Delivery::ExactlyOnce(id), name, Bytes::from_static(b"p"));
    publish.properties = PublishProperties::builder()
        .topic_alias(TopicAlias::new(3).unwrap())
        .build();
    let bytes = postcard::to_allocvec(&Packet::from(publish)).unwrap();
    assert_eq!(bytes, b"\x02\x00\x02\xAC\x02\x00\x01\x01a\x01\x12\x03\x01p");
}

fn refusal<T: DeserializeOwned + Debug>(json: &str) -> String {
    serde_json::from_str::<T>(json).unwrap_err().to_string()
}

#[test]
fn what_breaks_a_rule_is_refused_with_its_name() {
    type Refusal = fn(&str) -> String;
    let long = format!("\"{}\"", "a".repeat(65_536));
    let long_binary = format!("[{}0]", "0,".repeat(65_535));
    #[rustfmt::skip]
    let cases: &[(Refusal, &str, &str)] = &[
        (refusal::<PacketId>, "0", "packet identifier is zero"),
        (refusal::<PacketId>, "65536", "expected u16"),
        (refusal::<VarInt>, "268435456", "above the variable byte integer maximum of 268435455"),
        (refusal::<TopicAlias>, "0", "topic alias: property value is out of range"),
        (refusal::<SubscriptionId>, "0", "subscription identifier: property value is out of range"),
        (refusal::<SubscriptionId>, "268435456", "subscription identifier: property value is out of range"),
        (refusal::<KeepAlive>, "65536", "expected u16"),
        (refusal::<QoS>, "3", "expected"),
        (refusal::<QoS>, r#""at_best_once""#, "unknown variant `at_best_once`"),
        (refusal::<MaximumQoS>, r#""exactly_once""#, "unknown variant `exactly_once`"),
        (refusal::<RetainHandling>, r#""always""#, "unknown variant `always`"),
        (refusal::<Version>, r#""3.1""#, "unknown variant `3.1`, expected `3.1.1` or `5.0`"),
        (refusal::<ReasonCode>, r#""fine""#, "unknown variant `fine`, expected one of `success`"),
        (refusal::<Delivery>, r#"{"at_least_once":0}"#, "packet identifier is zero"),
        (refusal::<Delivery>, r#""at_least_once""#, "expected newtype variant"),
        (refusal::<Delivery>, r#"{"at_most_once":1}"#, "expected unit"),
        (refusal::<Text>, r#""a\u0000""#, "U+0000 is not allowed at byte 1"),
        (refusal::<Text>, "7", "expected a string"),
        (refusal::<Text>, &long, "more than 65535 bytes at byte 65535"),
        (refusal::<Binary>, &long_binary, "more than 65535 bytes at byte 65535"),
        (refusal::<Binary>, "[256]", "expected u8"),
        (refusal::<TopicName>, r#""""#, "at least one character is needed"),
        (refusal::<TopicName>, r#""a/+""#, "a topic name may not hold a wildcard at byte 2"),
        (refusal::<TopicFilter>, r#""a/#/b""#, "'#' must be the whole last level at byte 2"),
        (refusal::<TopicFilter>, r#""a+""#, "'+' must be a whole level at byte 1"),
        (refusal::<Properties<InPublish>>, r#"[{"topic_alias":1},{"topic_alias":1}]"#, "topic alias: property occurs twice"),
        (refusal::<Properties<InPublish>>, r#"[{"receive_maximum":1}]"#, "receive maximum: property is not allowed in this packet"),
        (refusal::<Properties<InPublish>>, r#"[{"topic":1}]"#, "unknown variant `topic`"),
        (refusal::<Properties<InPublish>>, r#"[{"response_topic":"a/#"}]"#, "a topic name may not hold a wildcard at byte 2"),
        (refusal::<ConnectProperties>, r#"[{"receive_maximum":0}]"#, "a nonzero u16"),
        (refusal::<ConnectProperties>, r#"[{"maximum_packet_size":0}]"#, "a nonzero u32"),
        (refusal::<AckProperties>, r#"[{"user_property":["k"]}]"#, "expected a tuple of size 2"),
        (refusal::<SubscribeProperties>, r#"[{"subscription_identifier":1},{"subscription_identifier":2}]"#, "subscription identifier: property occurs twice"),
        (refusal::<Subscriptions>, "[]", "at least one topic filter is needed"),
        (refusal::<Subscriptions>, r#"[{"filter":"$share/g/a","options":{"maximum_qos":"at_most_once","no_local":true,"retain_as_published":false,"retain_handling":"send_at_subscribe"}}]"#, "no local is set on a shared subscription"),
        (refusal::<Subscriptions>, r#"[{"filter":"a","qos":0}]"#, "unknown field `qos`"),
        (refusal::<SubscriptionOptions>, r#"{"qos":"at_most_once"}"#, "unknown field `qos`"),
        (refusal::<TopicFilters>, "[]", "at least one topic filter is needed"),
        (refusal::<ReasonCodes>, "[0]", "expected"),
        (refusal::<Connect>, r#"{"clean_start":true,"keep_alive":0,"properties":[{"authentication_data":[1]}],"client_id":""}"#, "authentication method is missing"),
        (refusal::<Connect>, r#"{"clean_start":true,"keep_alive":0,"properties":[],"client_id":"","username":"u"}"#, "unknown field `username`"),
        (refusal::<Connect>, r#"{"clean_start":true,"keep_alive":0,"properties":[]}"#, "missing field `client_id`"),
        (refusal::<Will>, r#"{"qos":"at_most_once","retain":false,"properties":[],"topic":"a/#","payload":[]}"#, "a topic name may not hold a wildcard"),
        (refusal::<Will>, r#"{"qos":"at_most_once","retained":false}"#, "unknown field `retained`"),
        (refusal::<ConnAck>, r#"{"session_present":true,"reason":"banned","properties":[]}"#, "session present with a refusal"),
        (refusal::<ConnAck>, r#"{"session_present":false,"reason":"granted_qos_1","properties":[]}"#, "CONNACK cannot carry reason code 0x01 Granted QoS 1"),
        (refusal::<Publish>, r#"{"dup":true,"delivery":"at_most_once","retain":false,"topic":"a","properties":[],"payload":[]}"#, "DUP is set at QoS 0"),
        (refusal::<Publish>, r#"{"dup":false,"delivery":"at_most_once","retain":false,"topic":null,"properties":[],"payload":[]}"#, "neither a topic name nor a topic alias is set"),
        (refusal::<Ack>, r#"{"packet_id":1,"reason":"banned","properties":[]}"#, "cannot carry reason code 0x8a Banned"),
        (refusal::<Subscribe>, r#"{"packet_id":1,"properties":[{"subscription_identifier":1}],"subscriptions":[{"filter":"$share/g","options":{"maximum_qos":"at_most_once","no_local":false,"retain_as_published":false,"retain_handling":"send_at_subscribe"}}]}"#, "topic filter of a shared subscription: a shared subscription needs a topic filter after the share name"),
        (refusal::<SubAck>, r#"{"packet_id":1,"properties":[],"reasons":["banned"]}"#, "cannot carry reason code 0x8a Banned"),
        (refusal::<SubAck>, r#"{"packet_id":1,"properties":[{"reason_string":""}],"reasons":[]}"#, "at least one reason code is needed"),
        (refusal::<Unsubscribe>, r#"{"packet_id":1,"properties":[{"user_property":["k","v"]}],"filters":["$share//a"]}"#, "a shared subscription needs a share name"),
        (refusal::<Disconnect>, r#"{"reason":"granted_qos_2","properties":[]}"#, "DISCONNECT cannot carry reason code 0x02"),
        (refusal::<Auth>, r#"{"reason":"success","properties":[]}"#, "authentication method is missing"),
        (refusal::<Packet>, r#"{"publish":{"dup":true,"delivery":"at_most_once","retain":false,"topic":"a","properties":[],"payload":[]}}"#, "DUP is set at QoS 0"),
        (refusal::<Packet>, r#"{"puback":{"packet_id":1,"reason":"packet_identifier_not_found","properties":[]}}"#, "PUBACK cannot carry reason code 0x92"),
        (refusal::<Packet>, r#"{"pubcomp":{"packet_id":1,"reason":"quota_exceeded","properties":[]}}"#, "PUBCOMP cannot carry reason code 0x97"),
        (refusal::<Packet>, r#"{"puback":{"packet_id":1,"reason":"banned","properties":[]}}"#, "PUBACK cannot carry reason code 0x8a"),
        (refusal::<Packet>, r#"{"suback":{"packet_id":1,"properties":[],"reasons":[]}}"#, "at least one reason code is needed"),
        (refusal::<Packet>, r#"{"unsuback":{"packet_id":1,"properties":[],"reasons":["granted_qos_1"]}}"#, "UNSUBACK cannot carry reason code 0x01"),
        (refusal::<Packet>, r#""pingpong""#, "unknown variant `pingpong`, expected one of `connect`"),
        (refusal::<Frame>, r#"{"version":"5.0","data":[192,0]}"#, "unknown field `data`"),
        (refusal::<Frame>, r#"{"version":"5.0","bytes":[192]}"#, "runs past the end"),
        (refusal::<Frame>, r#"{"version":"5.0","bytes":[192,0,0]}"#, "bytes follow the last field"),
        (refusal::<Frame>, r#"{"version":"5.0","bytes":[64,2,0,0]}"#, "PUBACK packet identifier at byte 2: packet identifier is zero [MQTT-2.2.1-5]"),
        (refusal::<Frame>, r#"{"version":"3.1.1","bytes":[240,0]}"#, "packet type 15 is reserved"),
    ];
    for (refusal, json, expected) in cases {
        let error = refusal(json);
        let shown: String = json.chars().take(300).collect();
        assert!(error.contains(expected), "{shown}\n{error}");
    }
    // Not UNSUBACK.
    let suback = r#"{"suback":{"packet_id":1,"properties":[],"reasons":["banned"]}}"#;
    assert!(refusal::<Packet>(suback).starts_with("SUBACK cannot carry reason code 0x8a"));
}

/// Neutral fields may be left out, no others, and unknown ones are still refused.
#[test]
fn a16_neutral_fields_may_be_left_out() {
    #[rustfmt::skip]
    let forms = [
        (r#"{"connect":{"client_id":"c"}}"#,
         r#"{"connect":{"clean_start":true,"keep_alive":0,"properties":[],"client_id":"c","will":null,"user_name":null,"password":null,"v31":false,"bridge":false}}"#),
        (r#"{"connect":{"client_id":"c","will":{"topic":"t","payload":[1]}}}"#,
         r#"{"connect":{"clean_start":true,"keep_alive":0,"properties":[],"client_id":"c","will":{"qos":"at_most_once","retain":false,"properties":[],"topic":"t","payload":[1]},"user_name":null,"password":null,"v31":false,"bridge":false}}"#),
        (r#"{"connack":{}}"#, r#"{"connack":{"session_present":false,"reason":"success","properties":[]}}"#),
        (r#"{"publish":{"delivery":"at_most_once","topic":"a","payload":[1]}}"#,
         r#"{"publish":{"dup":false,"delivery":"at_most_once","retain":false,"topic":"a","properties":[],"payload":[1]}}"#),
        (r#"{"publish":{"delivery":"at_most_once","properties":[{"topic_alias":1}],"payload":[]}}"#,
         r#"{"publish":{"dup":false,"delivery":"at_most_once","retain":false,"topic":null,"properties":[{"topic_alias":1}],"payload":[]}}"#),
        (r#"{"puback":{"packet_id":7}}"#, r#"{"puback":{"packet_id":7,"reason":"success","properties":[]}}"#),
        (r#"{"pubrel":{"packet_id":7}}"#, r#"{"pubrel":{"packet_id":7,"reason":"success","properties":[]}}"#),
        (r#"{"subscribe":{"packet_id":7,"subscriptions":[{"filter":"a"},{"filter":"b","options":{"no_local":true}}]}}"#,
         r#"{"subscribe":{"packet_id":7,"properties":[],"subscriptions":[{"filter":"a","options":{"maximum_qos":"at_most_once","no_local":false,"retain_as_published":false,"retain_handling":"send_at_subscribe"}},{"filter":"b","options":{"maximum_qos":"at_most_once","no_local":true,"retain_as_published":false,"retain_handling":"send_at_subscribe"}}]}}"#),
        (r#"{"suback":{"packet_id":7,"reasons":["success"]}}"#, r#"{"suback":{"packet_id":7,"properties":[],"reasons":["success"]}}"#),
        (r#"{"unsubscribe":{"packet_id":7,"filters":["a"]}}"#, r#"{"unsubscribe":{"packet_id":7,"properties":[],"filters":["a"]}}"#),
        (r#"{"disconnect":{}}"#, r#"{"disconnect":{"reason":"success","properties":[]}}"#),
        (r#"{"auth":{"properties":[{"authentication_method":"m"}]}}"#,
         r#"{"auth":{"reason":"success","properties":[{"authentication_method":"m"}]}}"#),
    ];
    for (short, whole) in forms {
        let packet: Packet = serde_json::from_str(short).unwrap();
        assert_eq!(survives(&packet), whole, "{short}");
    }
    #[rustfmt::skip]
    let needed = [
        (r#"{"connect":{}}"#, "missing field `client_id`"),
        (r#"{"connect":{"client_id":"c","will":{"payload":[]}}}"#, "missing field `topic`"),
        (r#"{"connect":{"client_id":"c","will":{"topic":"t"}}}"#, "missing field `payload`"),
        (r#"{"publish":{"topic":"a","payload":[]}}"#, "missing field `delivery`"),
        (r#"{"publish":{"topic":"a","delivery":"at_most_once"}}"#, "missing field `payload`"),
        (r#"{"publish":{"delivery":"at_most_once","payload":[]}}"#, "neither a topic name nor a topic alias is set"),
        (r#"{"pubrec":{}}"#, "missing field `packet_id`"),
        (r#"{"subscribe":{"packet_id":7}}"#, "missing field `subscriptions`"),
        (r#"{"subscribe":{"packet_id":7,"subscriptions":[{}]}}"#, "missing field `filter`"),
        (r#"{"suback":{"packet_id":7}}"#, "missing field `reasons`"),
        (r#"{"unsubscribe":{"packet_id":7}}"#, "missing field `filters`"),
        (r#"{"auth":{}}"#, "authentication method is missing"),
        (r#"{"disconnect":{"code":0}}"#, "unknown field `code`"),
    ];
    for (json, expected) in needed {
        let error = refusal::<Packet>(json);
        assert!(error.contains(expected), "{json}\n{error}");
    }
}

/// What one version has no room for is kept for the other.
#[test]
fn either_version_will_do() {
    for json in [
        // A password without a user name, and an UNSUBACK with codes: 5.0 alone.
        r#"{"connect":{"clean_start":true,"keep_alive":0,"properties":[],"client_id":"","password":[]}}"#,
        r#"{"unsuback":{"packet_id":1,"properties":[],"reasons":["no_subscription_existed"]}}"#,
        // An UNSUBACK without codes, and a filter that is no shared subscription: 3.1.1 alone.
        r#"{"unsuback":{"packet_id":1,"properties":[],"reasons":[]}}"#,
        r#"{"unsubscribe":{"packet_id":1,"properties":[],"filters":["$share/"]}}"#,
    ] {
        survives(&serde_json::from_str::<Packet>(json).unwrap());
    }
    // Bytes may be written as text.
    let binary: Binary = serde_json::from_str("\"15\"").unwrap();
    assert_eq!(binary.as_bytes(), b"15");
}

/// The checks are those of the values, whatever the format.
#[test]
fn postcard_is_checked_too() {
    assert!(postcard::from_bytes::<PacketId>(b"\0").is_err());
    assert!(postcard::from_bytes::<Text>(b"\x01\0").is_err());
    assert!(postcard::from_bytes::<TopicName>(b"\x01+").is_err());
    assert!(postcard::from_bytes::<PublishProperties>(b"\x02\x12\x03\x12\x03").is_err());
    let frame = postcard::from_bytes::<Frame>(b"\x01\x02\xC0\0").unwrap();
    assert_eq!(frame.packet(), Packet::PingReq);
    assert!(postcard::from_bytes::<Frame>(b"\x01\x02\xC1\0").is_err());
}
