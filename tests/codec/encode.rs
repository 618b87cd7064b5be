//! What cannot be encoded is refused, with what it is, before a byte is written.

use bytes::BytesMut;
use mqtt_sansio::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, InvalidSubscriptions, InvalidTopicFilters, KeepAlive,
    Publish, ReasonCodes, RetainHandling, SubAck, Subscribe, SubscriptionOptions, Subscriptions,
    TopicFilters, Unsubscribe, Will,
};
use mqtt_sansio::property::{
    AckProperties, AuthProperties, ConnectProperties, PublishProperties, TopicAlias, WillProperties,
};
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{
    Binary, Delivery, EncodeError, InvalidTextKind, OnlyInV5, Packet, PacketId, PacketType, QoS,
    ReasonCode, Text, Version,
};
use support::check;

/// Encodes to nothing but this error, in each way that there is.
#[track_caller]
fn refused(version: Version, packet: impl Into<Packet>, expected: EncodeError) {
    let packet = packet.into();
    assert_eq!(packet.encoded_len(version), Err(expected));
    let mut out = BytesMut::new();
    assert_eq!(packet.encode(version, &mut out), Err(expected));
    if let Packet::Publish(publish) = &packet {
        assert_eq!(publish.encoded_len(version), Err(expected));
        assert_eq!(
            publish.encode_head(version, publish.payload.len(), &mut out),
            Err(expected)
        );
    }
    assert!(out.is_empty());
}

#[track_caller]
fn only_in_5(packet: impl Into<Packet>, what: OnlyInV5) {
    let packet = packet.into();
    check::encodes(Version::V5, &packet);
    let version = Version::V311;
    refused(version, packet, EncodeError::NotInVersion { what, version });
}

#[track_caller]
fn fine(packet: impl Into<Packet>) {
    let packet = packet.into();
    check::encodes(Version::V311, &packet);
    check::encodes(Version::V5, &packet);
}

fn id() -> PacketId {
    PacketId::new(7).unwrap()
}

fn text(text: &str) -> Text {
    text.parse().unwrap()
}

fn binary() -> Binary {
    Binary::new(b"secret").unwrap().to_owned()
}

#[test]
fn connect() {
    let plain = Connect::new(text("dev"));
    fine(plain.clone());

    let mut connect = plain.clone();
    connect.password = Some(binary());
    only_in_5(connect.clone(), OnlyInV5::LonePassword);
    connect.user_name = Some(text("me"));
    fine(connect.clone());
    connect.password = None;
    fine(connect);

    let data = Binary::new(b"data").unwrap();
    let properties = ConnectProperties::builder().authentication_data(data);
    let mut connect = plain.clone();
    connect.properties = properties.clone().build();
    let missing = EncodeError::MissingAuthenticationMethod;
    refused(Version::V5, connect.clone(), missing);
    let method = Text::new("method").unwrap();
    connect.properties = properties.authentication_method(method).build();
    only_in_5(connect.clone(), OnlyInV5::Property);
    let properties = ConnectProperties::builder().authentication_method(method);
    connect.properties = properties.build();
    only_in_5(connect, OnlyInV5::Property);

    let mut will = Will::new("a/b".parse().unwrap(), binary());
    let mut connect = plain;
    connect.will = Some(will.clone());
    fine(connect.clone());
    will.properties = WillProperties::builder().will_delay_interval(1).build();
    connect.will = Some(will);
    only_in_5(connect, OnlyInV5::Property);
}

#[test]
fn connack() {
    for (version, reason) in [
        (Version::V311, ReasonCode::NotAuthorized),
        (Version::V5, ReasonCode::Banned),
    ] {
        let mut connack = ConnAck::new(reason);
        check::encodes(version, &Packet::from(connack.clone()));
        connack.session_present = true;
        refused(version, connack, EncodeError::SessionPresentWithError);
    }
    only_in_5(ConnAck::new(ReasonCode::Banned), REASON);
    let mut connack = ConnAck::new(ReasonCode::Success);
    connack.session_present = true;
    fine(connack.clone());
    connack.session_present = false;
    connack.reason = ReasonCode::GrantedQoS1;
    let wrong = wrong_code(PacketType::ConnAck, ReasonCode::GrantedQoS1);
    refused(Version::V5, connack, wrong);
}

const REASON: OnlyInV5 = OnlyInV5::ReasonCode;

fn wrong_code(packet: PacketType, code: ReasonCode) -> EncodeError {
    EncodeError::InvalidReasonCode { packet, code }
}

#[test]
fn publish() {
    let topic: TopicName = "a".parse().unwrap();
    let mut publish = Publish::new(Delivery::AtMostOnce, topic, b"payload"[..].into());
    fine(publish.clone());
    publish.dup = true;
    for version in [Version::V311, Version::V5] {
        refused(version, publish.clone(), EncodeError::DupAtQoS0);
    }
    publish.delivery = Delivery::AtLeastOnce(id());
    fine(publish.clone());
    publish.topic = None;
    for version in [Version::V311, Version::V5] {
        refused(version, publish.clone(), EncodeError::MissingTopic);
    }
    let alias = TopicAlias::new(1).unwrap();
    publish.properties = PublishProperties::builder().topic_alias(alias).build();
    check::encodes(Version::V5, &Packet::from(publish.clone()));
    refused(Version::V311, publish.clone(), EncodeError::MissingTopic);
    publish.topic = Some("a".parse().unwrap());
    only_in_5(publish, OnlyInV5::Property);
}

#[test]
fn acknowledgements() {
    type Wrap = fn(Ack) -> Packet;
    let wraps: [(Wrap, _, _); 4] = [
        (
            Packet::PubAck,
            PacketType::PubAck,
            ReasonCode::QuotaExceeded,
        ),
        (
            Packet::PubRec,
            PacketType::PubRec,
            ReasonCode::QuotaExceeded,
        ),
        (
            Packet::PubRel,
            PacketType::PubRel,
            ReasonCode::PacketIdentifierNotFound,
        ),
        (
            Packet::PubComp,
            PacketType::PubComp,
            ReasonCode::PacketIdentifierNotFound,
        ),
    ];
    for (wrap, packet, reason) in wraps {
        let mut ack = Ack::new(id());
        fine(wrap(ack.clone()));
        ack.reason = reason;
        only_in_5(wrap(ack.clone()), REASON);
        ack.reason = ReasonCode::Banned;
        let wrong = wrong_code(packet, ReasonCode::Banned);
        refused(Version::V5, wrap(ack.clone()), wrong);
        ack.reason = ReasonCode::Success;
        let why = Text::new("why").unwrap();
        ack.properties = AckProperties::builder().reason_string(why).build();
        only_in_5(wrap(ack), OnlyInV5::Property);
    }
}

#[test]
fn subscribe_and_unsubscribe() {
    let plain = SubscriptionOptions::new(QoS::ExactlyOnce);
    let (mut no_local, mut retain, mut handling) = (plain, plain, plain);
    no_local.no_local = true;
    retain.retain_as_published = true;
    handling.retain_handling = RetainHandling::SendIfNew;
    let subscribe = |filter: &str, options| {
        let filter = TopicFilter::new(filter).unwrap();
        Subscribe::new(id(), Subscriptions::new([(filter, options)]).unwrap())
    };
    fine(subscribe("a/+", plain));
    for options in [no_local, retain, handling] {
        only_in_5(subscribe("a", options), OnlyInV5::SubscriptionOption);
    }

    let shared = TopicFilter::new("$share/group/a").unwrap();
    assert!(Subscriptions::new([(shared, plain)]).is_ok());
    let error = InvalidSubscriptions::NoLocalOnSharedSubscription;
    assert_eq!(Subscriptions::new([(shared, no_local)]), Err(error));
    let error = InvalidSubscriptions::Empty;
    assert_eq!(
        Subscriptions::new([] as [(TopicFilter, QoS); 0]),
        Err(error)
    );

    // A filter like any other in 3.1.1.
    let kind = InvalidTextKind::MissingShareFilter;
    let bad = EncodeError::InvalidSharedSubscription(kind);
    let packet = subscribe("$share/group", plain);
    check::encodes(Version::V311, &Packet::from(packet.clone()));
    refused(Version::V5, packet, bad);
    let unsubscribe = |filter: &str| {
        let filters = TopicFilters::new([TopicFilter::new(filter).unwrap()]);
        Unsubscribe::new(id(), filters.unwrap())
    };
    let packet = unsubscribe("$share/group");
    check::encodes(Version::V311, &Packet::from(packet.clone()));
    refused(Version::V5, packet, bad);
    fine(unsubscribe("$share/group/a"));
    let error = InvalidTopicFilters::Empty;
    assert_eq!(TopicFilters::new([] as [TopicFilter; 0]), Err(error));
}

#[test]
fn suback_and_unsuback() {
    let answer =
        |reasons: &[ReasonCode]| SubAck::new(id(), ReasonCodes::new(reasons.iter().copied()));
    fine(Packet::SubAck(answer(&[ReasonCode::GrantedQoS2])));
    for version in [Version::V311, Version::V5] {
        refused(version, Packet::SubAck(answer(&[])), EncodeError::EmptyList);
    }
    let denied = answer(&[ReasonCode::Success, ReasonCode::NotAuthorized]);
    only_in_5(Packet::SubAck(denied.clone()), REASON);
    only_in_5(Packet::UnsubAck(denied), OnlyInV5::UnsubAckCode);
    let empty = Packet::UnsubAck(answer(&[]));
    check::encodes(Version::V311, &empty);
    refused(Version::V5, empty, EncodeError::EmptyList);
    let wrong = wrong_code(PacketType::UnsubAck, ReasonCode::GrantedQoS1);
    let granted = answer(&[ReasonCode::GrantedQoS1]);
    refused(Version::V5, Packet::UnsubAck(granted), wrong);
}

#[test]
fn disconnect_and_auth() {
    fine(Disconnect::new(ReasonCode::Success));
    only_in_5(Disconnect::new(ReasonCode::QuotaExceeded), REASON);
    let code = ReasonCode::BadUserNameOrPassword;
    let wrong = wrong_code(PacketType::Disconnect, code);
    refused(Version::V5, Disconnect::new(code), wrong);

    let method = Text::new("method").unwrap();
    let mut auth = Auth::new(ReasonCode::ContinueAuthentication, method);
    only_in_5(auth.clone(), OnlyInV5::Auth);
    auth.properties = AuthProperties::default();
    refused(Version::V5, auth, EncodeError::MissingAuthenticationMethod);
}

/// The largest packet there is, of which no byte is written.
#[test]
fn sizes_end_where_the_remaining_length_does() {
    let payload = vec![0; (1 << 28) - 3];
    let topic = TopicName::new("a").unwrap();
    let publish =
        |len: usize| Packet::from(Publish::new(Delivery::AtMostOnce, topic, &payload[..len]));
    let largest = publish(payload.len() - 1);
    assert_eq!(largest.encoded_len(Version::V311), Ok(268_435_460));
    let too_large = Err(EncodeError::TooLarge);
    assert_eq!(publish(payload.len()).encoded_len(Version::V311), too_large);
    assert_eq!(largest.encoded_len(Version::V5), too_large);

    let mut room = [0; 8];
    let (needed, available) = (268_435_460, 8);
    let too_small = Err(EncodeError::BufferTooSmall { needed, available });
    assert_eq!(largest.encode(Version::V311, &mut &mut room[..]), too_small);
    let Packet::Publish(largest) = largest else {
        panic!("a PUBLISH");
    };
    let mut head = &mut room[..];
    largest
        .encode_head(Version::V311, largest.payload.len(), &mut head)
        .unwrap();
    assert_eq!(head.len(), 0);
    assert_eq!(room, *b"\x30\xFF\xFF\xFF\x7F\x00\x01a");
    let (needed, available) = (8, 7);
    let too_small = Err(EncodeError::BufferTooSmall { needed, available });
    let head = largest.encode_head(Version::V311, largest.payload.len(), &mut &mut room[..7]);
    assert_eq!(head, too_small);
}

#[test]
fn keep_alive_is_a_time_or_off() {
    assert_eq!(KeepAlive::from_secs(0), KeepAlive::OFF);
    assert_eq!(KeepAlive::OFF.interval(), None);
    let minute = KeepAlive::from_secs(60);
    assert_eq!(minute.as_secs(), 60);
    assert_eq!(minute.interval(), Some(std::time::Duration::from_secs(60)));
}
