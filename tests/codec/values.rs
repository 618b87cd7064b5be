//! The values of properties: what is set is what is sent, and what is read.

use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use mqtt_sansio::packet::{Ack, Auth, ConnAck, Connect, Disconnect, Publish, ReasonCodes, Will};
use mqtt_sansio::property::{
    AckProperties, AuthProperties, ConnAckProperties, ConnectProperties, DisconnectProperties,
    MaximumQoS, PayloadFormat, PublishProperties, SubscriptionId, TopicAlias, WillProperties,
};
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{Binary, Delivery, Packet, PacketId, QoS, ReasonCode, Text, Version};
use support::{check, hex};

/// Encodes to these properties, behind all that comes before them, and prints them so.
#[track_caller]
fn holds(packet: impl Into<Packet>, bytes: &str, printed: &str) {
    let packet = packet.into();
    let encoded = check::encodes(Version::V5, &packet);
    let bytes = hex::parse(bytes);
    let found = encoded.windows(bytes.len()).any(|part| part == bytes);
    assert!(found, "{encoded:02x?}");
    let decoded = format!("{:?}", Packet::decode(Version::V5, &encoded).unwrap());
    assert!(decoded.contains(printed), "{decoded}");
}

#[test]
fn flags_are_one_or_zero() {
    for (set, byte) in [(true, "01"), (false, "00")] {
        let properties = ConnAckProperties::builder()
            .retain_available(set)
            .wildcard_subscription_available(set)
            .subscription_identifier_available(set)
            .shared_subscription_available(set)
            .maximum_qos(match set {
                true => MaximumQoS::AtLeastOnce,
                false => MaximumQoS::AtMostOnce,
            });
        let mut connack = ConnAck::new(ReasonCode::Success);
        connack.properties = properties.build();
        let qos = if set { "AtLeastOnce" } else { "AtMostOnce" };
        holds(
            connack,
            &format!("0a 25 {byte} 28 {byte} 29 {byte} 2a {byte} 24 {byte}"),
            &format!(
                "[RetainAvailable({set}), WildcardSubscriptionAvailable({set}), \
                 SubscriptionIdentifierAvailable({set}), SharedSubscriptionAvailable({set}), \
                 MaximumQoS({qos})]"
            ),
        );

        let mut connect = Connect::new("".parse::<Text>().unwrap());
        connect.properties = ConnectProperties::builder()
            .request_problem_information(set)
            .request_response_information(set)
            .build();
        let format = match set {
            true => PayloadFormat::Utf8,
            false => PayloadFormat::Unspecified,
        };
        let payload = Binary::new(b"").unwrap().to_owned();
        let mut will = Will::new("t".parse().unwrap(), payload);
        let properties = WillProperties::builder().will_delay_interval(258);
        will.properties = properties.payload_format_indicator(format).build();
        connect.will = Some(will);
        holds(
            connect,
            &format!("04 17 {byte} 19 {byte} 00 00 07 18 00 00 01 02 01 {byte}"),
            &format!("[RequestProblemInformation({set}), RequestResponseInformation({set})]"),
        );
    }
}

#[test]
fn numbers_are_what_they_are() {
    let properties = ConnAckProperties::builder()
        .session_expiry_interval(u32::MAX)
        .server_keep_alive(258)
        .receive_maximum(NonZeroU16::new(772).unwrap())
        .topic_alias_maximum(1_286)
        .maximum_packet_size(NonZeroU32::new(16_909_060).unwrap());
    let mut connack = ConnAck::new(ReasonCode::Success);
    connack.properties = properties.build();
    holds(
        connack,
        "13 11 ff ff ff ff 13 01 02 21 03 04 22 05 06 27 01 02 03 04",
        "[SessionExpiryInterval(4294967295), ServerKeepAlive(258), ReceiveMaximum(772), \
         TopicAliasMaximum(1286), MaximumPacketSize(16909060)]",
    );

    let (alias, id) = (TopicAlias::new(258), SubscriptionId::new(268_435_455));
    let (alias, id) = (alias.unwrap(), id.unwrap());
    assert_eq!((alias.get(), id.get()), (258, 268_435_455));
    assert_eq!(SubscriptionId::new(268_435_456), None);
    let topic = "t".parse().unwrap();
    let mut publish = Publish::new(Delivery::AtMostOnce, topic, Default::default());
    publish.properties = PublishProperties::builder()
        .topic_alias(alias)
        .subscription_identifier(id)
        .payload_format_indicator(PayloadFormat::Utf8)
        .build();
    holds(
        publish,
        "0a 23 01 02 0b ff ff ff 7f 01 01",
        "[TopicAlias(258), SubscriptionIdentifier(268435455), PayloadFormatIndicator(Utf8)]",
    );
}

#[test]
fn values_print_as_numbers_and_names() {
    let alias = TopicAlias::new(7).unwrap();
    let id = SubscriptionId::new(8).unwrap();
    assert_eq!(format!("{alias} {alias:?} {id} {id:?}"), "7 7 8 8");
    let code = ReasonCode::ServerBusy;
    assert_eq!((code.name(), code.to_u8()), ("Server busy", 0x89));
    assert_eq!(code.to_string(), "0x89 Server busy");
    let levels = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let levels = levels.map(|qos| qos.to_string());
    assert_eq!(levels, ["QoS 0", "QoS 1", "QoS 2"]);
}

/// Storage makes no difference, and the owned form gives back its bytes without a copy.
#[test]
fn borrowed_and_owned_are_equal() {
    let text = Text::new("a").unwrap();
    assert_eq!(text.to_owned(), text);
    assert_ne!(text, "b".parse::<Text>().unwrap());
    let name = TopicName::new("a/b").unwrap();
    assert_eq!(name, name.to_owned());
    let filter = TopicFilter::new("a/+").unwrap();
    assert_eq!(filter.to_owned(), filter);
    let binary = Binary::new(b"\xFF").unwrap();
    assert_eq!(binary, binary.to_owned());
    let properties = PublishProperties::builder().content_type(text).build();
    assert_eq!(properties, properties.as_borrowed());
    let none = PublishProperties::<Bytes>::default();
    assert_ne!(none, properties.as_borrowed());

    let bytes = Bytes::from_static(b"a/b");
    let address = bytes.as_ptr();
    let text = Text::try_from(bytes).unwrap().into_bytes();
    let name = TopicName::try_from(text).unwrap().into_bytes();
    let filter = TopicFilter::try_from(name).unwrap().into_bytes();
    let binary = Binary::try_from(filter).unwrap().into_bytes();
    assert_eq!((binary.as_ptr(), &binary[..]), (address, &b"a/b"[..]));
}

#[test]
fn reason_codes_are_a_collection() {
    let codes = [ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized];
    let reasons: ReasonCodes = codes.into_iter().collect();
    assert_eq!(reasons, ReasonCodes::new(codes));
    assert_eq!(reasons.iter().len(), 2);
    let mut read = Vec::new();
    for code in &reasons {
        read.push(code);
    }
    assert_eq!(read, codes);
}

/// Each packet that carries nothing else takes what was built without a heap.
#[test]
fn properties_come_from_a_buffer() {
    let why = Text::new("why").unwrap();
    let id = PacketId::new(7).unwrap();
    let mut buffer = [0; 16];

    let mut ack = Ack::new(id);
    ack.properties = AckProperties::builder().reason_string(why).build();
    let built = AckProperties::builder_in(&mut buffer).reason_string(why);
    let packet = Ack::with_properties(id, built.build().unwrap());
    assert_eq!(packet, ack.as_borrowed());

    let mut connack = ConnAck::new(ReasonCode::Banned);
    connack.properties = ConnAckProperties::builder().reason_string(why).build();
    let built = ConnAckProperties::builder_in(&mut buffer).reason_string(why);
    let packet = ConnAck::with_properties(ReasonCode::Banned, built.build().unwrap());
    assert_eq!(packet, connack.as_borrowed());

    let mut disconnect = Disconnect::new(ReasonCode::ServerBusy);
    disconnect.properties = DisconnectProperties::builder().reason_string(why).build();
    let built = DisconnectProperties::builder_in(&mut buffer).reason_string(why);
    let packet = Disconnect::with_properties(ReasonCode::ServerBusy, built.build().unwrap());
    assert_eq!(packet, disconnect.as_borrowed());

    let auth = Auth::new(ReasonCode::ReAuthenticate, why);
    let built = AuthProperties::builder_in(&mut buffer).authentication_method(why);
    let packet = Auth::with_properties(ReasonCode::ReAuthenticate, built.build().unwrap());
    assert_eq!(packet, auth.as_borrowed());
}
