//! What CONNECT and CONNACK allow, and what does not fit.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{BufMut, Bytes, BytesMut};
use mqtt_sansio::connection::{
    Answer, Closed, ConnectionError, Event, GivenUp, Outcome, Violation, client,
};
use mqtt_sansio::packet::{Ack, ConnAck, Disconnect, ReasonCodes, SubAck, Subscribe, TopicFilters};
use mqtt_sansio::property::{
    AckProperties, ConnAckProperties, ConnectProperties, DisconnectProperties, MaximumQoS,
    MessageProperties, PublishProperties, SubscribeProperties, SubscriptionId, TopicAlias,
};
use mqtt_sansio::session::{Session, SessionError};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Delivery, Message, Packet, QoS, ReasonCode, Rule, Rules, Text, Version};

use crate::driver::*;

/// What the server excludes is refused here, before an identifier is taken [MQTT-3.2.2-11]
/// [MQTT-3.2.2-14] [MQTT-3.2.2-15].
#[test]
fn client_keeps_to_the_limits() {
    let properties = ConnAckProperties::builder()
        .maximum_qos(MaximumQoS::AtLeastOnce)
        .retain_available(false)
        .maximum_packet_size(NonZeroU32::new(30).unwrap())
        .wildcard_subscription_available(false)
        .subscription_identifier_available(false)
        .shared_subscription_available(false)
        .receive_maximum(NonZeroU16::new(2).unwrap())
        .build();
    let mut client = connected(Version::V5, connect(0, <_>::default()), connack(properties));
    let refused = ConnectionError::NotSupported;
    // Each gives back what it was given.
    let mut publish = |qos, message: Message| match client.publish(qos, message.clone()) {
        Ok(_) => None,
        Err(refused) => {
            assert_eq!(refused.given, message);
            Some(refused.why)
        }
    };
    let found = publish(QoS::ExactlyOnce, message("t"));
    assert_eq!(found, Some(refused(ReasonCode::QoSNotSupported)));
    let mut retained = message("t");
    retained.retain = true;
    let found = publish(QoS::AtMostOnce, retained);
    assert_eq!(found, Some(refused(ReasonCode::RetainNotSupported)));
    let mut large = message("t");
    large.payload = Bytes::from_static(&[0; 23]);
    let found = publish(QoS::AtLeastOnce, large.clone());
    assert_eq!(found, Some(ConnectionError::PacketTooLarge));
    // Two bytes shorter without an identifier.
    assert_eq!(publish(QoS::AtMostOnce, large), None);
    let identified = SubscribeProperties::builder()
        .subscription_identifier(SubscriptionId::new(1).unwrap())
        .build();
    let long = "long/".repeat(6);
    for (filter, properties, why) in [
        (
            "a/+",
            SubscribeProperties::default(),
            refused(ReasonCode::WildcardSubscriptionsNotSupported),
        ),
        (
            "$share/g/a",
            SubscribeProperties::default(),
            refused(ReasonCode::SharedSubscriptionsNotSupported),
        ),
        (
            "a",
            identified,
            refused(ReasonCode::SubscriptionIdentifiersNotSupported),
        ),
        (
            &long,
            SubscribeProperties::default(),
            ConnectionError::PacketTooLarge,
        ),
    ] {
        let found = client.subscribe_with(subscriptions(filter), properties);
        let found = found.unwrap_err();
        assert_eq!(found.why, why);
        assert_eq!(found.given, subscriptions(filter));
    }
    let filters = TopicFilters::new([TopicFilter::new(&long).unwrap()]).unwrap();
    let found = client.unsubscribe(filters.clone()).unwrap_err();
    assert_eq!(found.why, ConnectionError::PacketTooLarge);
    assert_eq!(found.given, filters);
    assert!(client.session().is_empty());
    assert_eq!(client.session().next_packet_id(), Some(id(1)));
    assert_eq!(sent(&mut client).len(), 1);

    // [MQTT-3.3.4-7] [MQTT-4.9.0-1] [MQTT-4.9.0-2], and all else goes on [MQTT-3.3.4-8]
    // [MQTT-4.9.0-3].
    let first = client.publish(QoS::AtLeastOnce, message("t")).unwrap();
    for _ in 0..3 {
        client.publish(QoS::AtLeastOnce, message("t")).unwrap();
    }
    client.publish(QoS::AtMostOnce, message("t")).unwrap();
    let call = client.subscribe(subscriptions("a")).unwrap();
    let packets = sent(&mut client);
    assert_eq!(packets.len(), 4);
    let Some(Packet::Subscribe(Subscribe { packet_id, .. })) = packets.last() else {
        panic!()
    };
    let request = *packet_id;
    assert_eq!(client.session().send_quota(), 0);
    let _ = events(&mut client);
    let ack = |value| Packet::PubAck(Ack::new(id(value)));
    handle(&mut client, &ack(1)).unwrap();
    let accepted = Event::Published(first, Outcome::Accepted(OK));
    assert_eq!(client.poll_event(), Some(accepted));
    assert_eq!(sent(&mut client).len(), 1);
    // [MQTT-2.2.1-3] [MQTT-2.2.1-6]: SUBACK with the identifier of SUBSCRIBE.
    let suback =
        |id, codes: &[ReasonCode]| SubAck::new(id, ReasonCodes::new(codes.iter().copied()));
    for wrong in [suback(id(2), &[OK]), suback(request, &[OK, OK])] {
        let mut other = client.clone();
        assert!(handle(&mut other, &Packet::SubAck(wrong)).is_err());
    }
    let right = suback(request, &[OK]);
    handle(&mut client, &Packet::SubAck(right.clone())).unwrap();
    let answer = Event::Subscribed(call, Answer::Codes(Box::new(right)));
    assert_eq!(client.poll_event(), Some(answer));
}

/// What a server's CONNACK excludes is a violation, with the code for it.
#[test]
fn server_holds_the_client_to_the_limits() {
    let properties = ConnAckProperties::builder()
        .maximum_qos(MaximumQoS::AtMostOnce)
        .retain_available(false)
        .shared_subscription_available(false)
        .build();
    let mut retained = publish(Delivery::AtMostOnce, "t");
    retained.retain = true;
    let acknowledged = publish(Delivery::AtLeastOnce(id(1)), "t");
    let shared = Subscribe::new(id(1), subscriptions("$share/g/a"));
    for (packet, reason) in [
        (Packet::from(retained), ReasonCode::RetainNotSupported),
        (Packet::from(acknowledged), ReasonCode::QoSNotSupported),
        (
            Packet::from(shared),
            ReasonCode::SharedSubscriptionsNotSupported,
        ),
    ] {
        let plain = connect(0, <_>::default());
        let mut server = accepted(Version::V5, plain, connack(properties.clone()));
        let violation = handle(&mut server, &packet);
        assert_eq!(violation, Err(Violation::NotSupported(reason)));
        assert_eq!(last(&sent(&mut server)), Some((14, reason)));
    }
    // [MQTT-3.3.4-9]: Receive Maximum, in the other direction.
    let asked = ConnectProperties::builder()
        .receive_maximum(NonZeroU16::MIN)
        .build();
    let mut client = connected(Version::V5, connect(0, asked), connack(<_>::default()));
    for value in [1, 2] {
        let publish = publish(Delivery::ExactlyOnce(id(value)), "t");
        let judged = handle(&mut client, &Packet::from(publish));
        assert_eq!(judged.is_ok(), value == 1);
    }
    let exceeded = Some((14, ReasonCode::ReceiveMaximumExceeded));
    assert_eq!(last(&sent(&mut client)), exceeded);
}

/// [MQTT-3.1.2-24] [MQTT-3.1.2-25]: a message that is too large counts as sent.
#[test]
fn server_sends_no_large_packet() {
    let asked = ConnectProperties::builder()
        .maximum_packet_size(NonZeroU32::new(20).unwrap())
        .session_expiry_interval(9)
        .build();
    let mut large = message("t");
    large.payload = Bytes::from_static(&[0; 20]);
    let mut session = Session::new();
    let first = session.publish(QoS::ExactlyOnce, large.clone()).unwrap();
    session.publish(QoS::ExactlyOnce, message("t")).unwrap();
    let mut resumed = connect(0, asked);
    resumed.clean_start = false;
    let mut server = crate::driver::asked(Version::V5, resumed);
    server
        .accept(ZERO, connack(<_>::default()), &mut Some(session))
        .unwrap();
    let packets = sent(&mut server);
    assert!(
        matches!(&packets[..], [Packet::ConnAck(ack), Packet::Publish(_)] if ack.session_present)
    );
    let why = GivenUp::NotSupported(ConnectionError::PacketTooLarge);
    let given_up = Outcome::GivenUp(why, Some(Box::new(large.clone())));
    assert_eq!(server.poll_event(), Some(Event::Published(first, given_up)));
    assert_eq!(server.session().packet_ids_in_use(), 1);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let found = server.publish(qos, large.clone()).unwrap_err();
        assert_eq!(found.why, ConnectionError::PacketTooLarge);
        assert_eq!(found.given, large);
    }
    assert_eq!(server.session().packet_ids_in_use(), 1);
}

/// [MQTT-3.1.2-24]: what ends the connection ends it, with as much as the client takes.
#[test]
fn ends_with_what_fits() {
    let tiny = ConnectProperties::builder().maximum_packet_size(NonZeroU32::new(4).unwrap());
    let mut server = asked(Version::V5, connect(0, tiny.build()));
    let refused = ConnAck::new(ReasonCode::Banned);
    // Nor is a session lost to an answer that cannot be sent.
    let mut kept = Some(Session::new());
    let found = server.accept(ZERO, connack(<_>::default()), &mut kept);
    assert_eq!(found, Err(ConnectionError::PacketTooLarge));
    assert!(kept.is_some());
    assert_eq!(server.refuse(refused), Ok(()));
    assert_eq!(sent(&mut server), []);
    assert_eq!(closed(server.poll_event()), Some(Closed::Local));

    let small = ConnectProperties::builder().maximum_packet_size(NonZeroU32::new(9).unwrap());
    let asked = connect(0, small.build());
    let mut server = accepted(Version::V5, asked, connack(<_>::default()));
    let mut moved = Disconnect::new(ReasonCode::ServerMoved);
    let elsewhere = Text::new("other.example").unwrap();
    moved.properties = DisconnectProperties::builder()
        .server_reference(elsewhere)
        .build();
    assert_eq!(server.disconnect(moved), Ok(()));
    let bare = disconnect(ReasonCode::ServerMoved);
    assert_eq!(sent(&mut server), [bare.into()]);
    assert!(server.is_closed());
}

/// [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.14.2-3] [MQTT-3.14.2-4]: explained only if it fits.
#[test]
fn explanations_that_do_not_fit() {
    let text = Text::new("a reason that is long").unwrap();
    for (maximum, kept) in [(65, true), (25, false)] {
        let maximum = NonZeroU32::new(maximum).unwrap();
        // These two may explain themselves although they are not asked to [MQTT-3.1.2-29].
        let asked_for = ConnectProperties::builder()
            .maximum_packet_size(maximum)
            .request_problem_information(false)
            .build();
        let mut server = asked(Version::V5, connect(0, asked_for));
        let properties = ConnAckProperties::builder()
            .reason_string(text)
            .user_property(text, Text::new("").unwrap())
            .server_keep_alive(7)
            .build();
        server.accept(ZERO, connack(properties), &mut None).unwrap();
        let mut last = disconnect(ReasonCode::ServerShuttingDown);
        last.properties = DisconnectProperties::builder().reason_string(text).build();
        server.disconnect(last).unwrap();
        let [Packet::ConnAck(ack), Packet::Disconnect(last)] = &sent(&mut server)[..] else {
            panic!()
        };
        assert_eq!(ack.properties.reason_string().is_some(), kept);
        assert_eq!(ack.properties.server_keep_alive(), Some(7));
        assert_eq!(!last.properties.is_empty(), kept);
    }
}

/// [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.1.2-29]: answers with a reason, in any order.
#[test]
fn answers_to_messages_are_explained() {
    let text = Text::new("because").unwrap();
    let explanation = || AckProperties::builder().reason_string(text).build();
    let explained = |value, reason| {
        let mut ack = Ack::new(id(value));
        ack.reason = reason;
        ack.properties = explanation();
        ack
    };
    let limited = |maximum| {
        let builder = ConnectProperties::builder();
        builder.maximum_packet_size(NonZeroU32::new(maximum).unwrap())
    };
    // PUBACK with the code, the length of the properties, and a string of seven.
    for (properties, told) in [
        (limited(16), true),
        (limited(15), false),
        (limited(16).request_problem_information(false), false),
    ] {
        let asked = connect(0, properties.build());
        let mut server = accepted(Version::V5, asked, connack(<_>::default()));
        let [first, second, third] = [
            Delivery::AtLeastOnce(id(1)),
            Delivery::ExactlyOnce(id(2)),
            Delivery::AtLeastOnce(id(3)),
        ]
        .map(|delivery| {
            let found = handle(&mut server, &Packet::from(publish(delivery, "t")));
            found.unwrap().message().1
        });
        server.acknowledge(third).unwrap();
        let refused = explained(2, ReasonCode::QuotaExceeded);
        server
            .acknowledge_with(second, refused.reason, explanation())
            .unwrap();
        let taken = explained(1, OK);
        server.acknowledge_with(first, OK, explanation()).unwrap();
        let again = server.acknowledge_with(first, OK, explanation());
        assert_eq!(again, Err(SessionError::DeliveryOver.into()));
        let plain = |ack: &Ack| {
            let mut ack = ack.clone();
            if !told {
                ack.properties = AckProperties::default();
            }
            ack
        };
        let answers = [
            Packet::PubAck(plain(&taken)),
            Packet::PubRec(plain(&refused)),
            Packet::PubAck(Ack::new(id(3))),
        ];
        assert_eq!(sent(&mut server), answers);
    }
    // 3.1.1 has no words for it: the answer is a plain one.
    let mut client = client(Version::V311);
    let found = handle(
        &mut client,
        &Packet::from(publish(Delivery::AtLeastOnce(id(1)), "t")),
    );
    let token = found.unwrap().message().1;
    client.acknowledge_with(token, OK, explanation()).unwrap();
    assert_eq!(sent(&mut client), [Packet::PubAck(Ack::new(id(1)))]);
}

/// [MQTT-3.1.2-29]: a server that explains what it was not asked to breaks a rule.
#[test]
fn unwanted_explanations() {
    let asked = ConnectProperties::builder()
        .request_problem_information(false)
        .build();
    let mut client = connected(Version::V5, connect(0, asked), connack(<_>::default()));
    client.publish(QoS::AtLeastOnce, message("t")).unwrap();
    assert_eq!(sent(&mut client).len(), 1);
    let mut ack = Ack::new(id(1));
    let text = Text::new("why").unwrap();
    ack.properties = AckProperties::builder().reason_string(text).build();
    let judged = handle(&mut client, &Packet::PubAck(ack));
    assert_eq!(judged, Err(Violation::ProblemInformation));
    assert_eq!(
        last(&sent(&mut client)),
        Some((14, ReasonCode::ProtocolError))
    );
}

/// Queues are bounded, and identifiers conserved.
#[test]
fn full_queues() {
    let mut client = client::Connection::new().max_queued(2);
    let publish = |client: &mut client::Connection, qos| {
        let published = client.publish(qos, message("t"));
        published.map_err(|refused| refused.why)
    };
    assert_eq!(
        publish(&mut client, QoS::AtMostOnce),
        Err(ConnectionError::WrongState)
    );
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert!(publish(&mut client, qos).is_ok());
    }
    let full = Err(ConnectionError::QueueFull);
    assert_eq!(publish(&mut client, QoS::AtLeastOnce), full);
    client
        .connect(Version::V5, connect(0, <_>::default()))
        .unwrap();
    assert_eq!(sent(&mut client).len(), 1);
    handle(&mut client, &Packet::ConnAck(connack(<_>::default()))).unwrap();
    assert!(matches!(client.poll_event(), Some(Event::Connected(_))));
    // Sent or not, there is no outcome yet.
    assert_eq!(publish(&mut client, QoS::AtMostOnce), full);
    assert_eq!(sent(&mut client).len(), 2);
    assert_eq!(publish(&mut client, QoS::AtMostOnce), full);
    let found = client.subscribe(subscriptions("a")).unwrap_err();
    assert_eq!(found.why, ConnectionError::QueueFull);
    assert_eq!(found.given, subscriptions("a"));
    let filters = TopicFilters::new([TopicFilter::new("a").unwrap()]).unwrap();
    let found = client.unsubscribe(filters.clone()).unwrap_err();
    assert_eq!(
        (found.why, found.given),
        (ConnectionError::QueueFull, filters)
    );
    // PINGREQ is no call.
    assert_eq!(client.ping(), Ok(()));
    assert_eq!(sent(&mut client), [Packet::PingReq]);
    // An outcome that was not polled takes the place of its call.
    handle(&mut client, &Packet::PubAck(Ack::new(id(1)))).unwrap();
    assert_eq!(publish(&mut client, QoS::AtMostOnce), full);
    assert!(client.poll_event().is_some());
    assert!(publish(&mut client, QoS::AtMostOnce).is_ok());
    assert_eq!(publish(&mut client, QoS::AtMostOnce), full);
    assert_eq!(sent(&mut client).len(), 1);
    assert_eq!(publish(&mut client, QoS::AtMostOnce), full);
    assert_eq!(events(&mut client).len(), 1);
    let mut alien = crate::driver::publish(Delivery::AtMostOnce, "t");
    alien.properties = PublishProperties::builder()
        .subscription_identifier(SubscriptionId::new(1).unwrap())
        .build();
    let alien = alien.into_message("t".parse().unwrap());
    let found = client.publish(QoS::AtMostOnce, alien.clone()).unwrap_err();
    assert_eq!(
        (found.why, found.given),
        (ConnectionError::NotForwarded, alien)
    );
    // PINGRESPs are counted, not stored.
    let mut server = server(Version::V5);
    for _ in 0..1_000 {
        handle(&mut server, &Packet::PingReq).unwrap();
    }
    assert_eq!(sent(&mut server).len(), 1_000);
}

/// [MQTT-3.2.2-11]: messages that were queued, or sent on a connection before, are held against the
/// Maximum QoS of the new one.
#[test]
fn queued_messages_keep_to_the_maximum_qos() {
    let resumed = || {
        let properties = ConnectProperties::builder().session_expiry_interval(100);
        let mut connect = connect(0, properties.build());
        connect.clean_start = false;
        connect
    };
    for is_sent in [false, true] {
        for maximum in [MaximumQoS::AtMostOnce, MaximumQoS::AtLeastOnce] {
            let mut client = match is_sent {
                true => connected(Version::V5, resumed(), connack(<_>::default())),
                false => client::Connection::with_session(Session::new()),
            };
            let first = client.publish(QoS::AtLeastOnce, message("1")).unwrap();
            let second = client.publish(QoS::ExactlyOnce, message("2")).unwrap();
            if is_sent {
                assert_eq!(sent(&mut client).len(), 2);
                client.handle_close();
                let _ = events(&mut client);
            }
            client.connect(Version::V5, resumed()).unwrap();
            assert_eq!(sent(&mut client).len(), 1);
            let properties = ConnAckProperties::builder().maximum_qos(maximum);
            let mut answer = connack(properties.build());
            answer.session_present = is_sent;
            handle(&mut client, &Packet::ConnAck(answer)).unwrap();
            let refused = match maximum {
                MaximumQoS::AtMostOnce => vec![(first, "1"), (second, "2")],
                MaximumQoS::AtLeastOnce => vec![(second, "2")],
            };
            let why = ConnectionError::NotSupported(ReasonCode::QoSNotSupported);
            let mut expected = Vec::new();
            for (call, topic) in &refused {
                if is_sent && *topic == "2" {
                    continue;
                }
                let given = Some(Box::new(message(topic)));
                let outcome = Outcome::GivenUp(GivenUp::NotSupported(why), given);
                expected.push(Event::Published(*call, outcome));
            }
            // What was sent at QoS 2 is released without being sent again.
            let packets = sent(&mut client);
            let publishes = packets.iter().filter(|p| matches!(p, Packet::Publish(_)));
            assert_eq!(publishes.count(), 2 - refused.len(), "{packets:?}");
            let released = packets.contains(&Packet::PubRel(Ack::new(id(2))));
            assert_eq!(released, is_sent);
            let mut events = events(&mut client).into_iter();
            assert!(matches!(events.next(), Some(Event::Connected(_))));
            assert!(events.eq(expected));
        }
    }
}

/// The Session Expiry Interval of CONNACK replaces that of CONNECT, at the server too.
#[test]
fn server_keeps_the_session_as_long_as_it_says() {
    for (asked_for, says, expected) in [
        (100, None, 100),
        (100, Some(7), 7),
        (100, Some(0), 0),
        (0, Some(7), 7),
    ] {
        let properties = ConnectProperties::builder().session_expiry_interval(asked_for);
        let mut answer = ConnAckProperties::builder();
        if let Some(seconds) = says {
            answer = answer.session_expiry_interval(seconds);
        }
        let asked = connect(0, properties.build());
        let mut server = accepted(Version::V5, asked, connack(answer.build()));
        assert_eq!(server.session_expiry_interval(), expected);
        server.handle_close();
        assert_eq!(server.take_session().is_some(), expected > 0);
    }
}

/// What is to be said on one connection is not said on the next, whose server may not take it.
#[test]
fn explanations_end_with_their_connection() {
    let resumed = || {
        let properties = ConnectProperties::builder().session_expiry_interval(100);
        let mut connect = connect(0, properties.build());
        connect.clean_start = false;
        connect
    };
    let mut client = connected(Version::V5, resumed(), connack(<_>::default()));
    let packet = Packet::from(publish(Delivery::ExactlyOnce(id(1)), "t"));
    let (_, token) = handle(&mut client, &packet).unwrap().message();
    let text = Text::new("because").unwrap();
    let explanation = AckProperties::builder().reason_string(text).build();
    client.acknowledge_with(token, OK, explanation).unwrap();
    client.handle_close();
    client.connect(Version::V5, resumed()).unwrap();
    assert_eq!(sent(&mut client).len(), 1);
    let limit = ConnAckProperties::builder().maximum_packet_size(NonZeroU32::new(5).unwrap());
    let mut answer = connack(limit.build());
    answer.session_present = true;
    handle(&mut client, &Packet::ConnAck(answer)).unwrap();
    handle(&mut client, &packet).unwrap();
    assert_eq!(sent(&mut client), [Packet::PubRec(Ack::new(id(1)))]);
}

/// [MQTT-3.1.2-24], for packets that the caller decoded: what explains an answer counts.
#[test]
fn an_answer_may_be_too_large() {
    let asked = ConnectProperties::builder()
        .maximum_packet_size(NonZeroU32::new(60).unwrap())
        .build();
    for (explanation, is_taken) in [(20, true), (51, true), (52, false), (200, false)] {
        let mut client = connected(
            Version::V5,
            connect(0, asked.clone()),
            connack(<_>::default()),
        );
        client.publish(QoS::AtLeastOnce, message("t")).unwrap();
        assert_eq!(sent(&mut client).len(), 1);
        let text = "x".repeat(explanation);
        let text = Text::new(&text[..]).unwrap();
        let mut ack = Ack::new(id(1));
        ack.properties = AckProperties::builder().reason_string(text).build();
        let packet = Packet::PubAck(ack);
        let fits = packet.encoded_len(Version::V5).unwrap() <= 60;
        assert_eq!(fits, is_taken);
        assert_eq!(
            handle(&mut client, &packet).is_ok(),
            is_taken,
            "{explanation}"
        );
    }
}

/// [MQTT-3.1.2-24], for packets that the caller decoded: the limit is exact, whatever they consist of.
#[test]
fn a_packet_is_as_large_as_its_parts() {
    let mut packets = vec![];
    for (topic, text, payload) in [0, 1, 30].into_iter().flat_map(|topic| {
        let texts = [0, 1, 30].into_iter();
        texts.flat_map(move |text| [0, 1, 30].map(|payload| (topic, text, payload)))
    }) {
        let topic = (topic > 0).then(|| "t".repeat(topic).parse().unwrap());
        let text = "x".repeat(text);
        let text = Some(Text::new(&text).unwrap()).filter(|text| !text.is_empty());
        let mut publish = publish(Delivery::AtMostOnce, "t");
        publish.payload = vec![0; payload].into();
        let mut properties = PublishProperties::builder().topic_alias(TopicAlias::new(1).unwrap());
        if let Some(text) = text {
            properties = properties.content_type(text);
        }
        (publish.topic, publish.properties) = (topic, properties.build());
        packets.push(publish.into());
        let mut ack = Ack::new(id(1));
        if let Some(text) = text {
            ack.properties = AckProperties::builder().reason_string(text).build();
        }
        packets.push(Packet::PubAck(ack));
    }
    for packet in packets {
        let len = packet.encoded_len(Version::V5).unwrap();
        for (limit, is_taken) in [(len, true), (len - 1, false)] {
            let limit = NonZeroU32::new(u32::try_from(limit.max(5)).unwrap()).unwrap();
            let asked = ConnectProperties::builder().maximum_packet_size(limit);
            let asked = connect(0, asked.build());
            let mut client = connected(Version::V5, asked, connack(<_>::default()));
            let found = handle(&mut client, &packet);
            let too_large = Err(Violation::NotSupported(ReasonCode::PacketTooLarge));
            assert_eq!(
                found != too_large,
                is_taken || len <= 5,
                "{limit} {packet:?}"
            );
        }
    }
}

/// What explains one answer is not lost with another message, whose identifier the peer uses again.
#[test]
fn explanations_of_others_stay() {
    let rules = Rules::STRICT.without(Rule::PacketIdInUse);
    let mut client = client::Connection::new().rules(rules);
    client
        .connect(Version::V5, connect(0, <_>::default()))
        .unwrap();
    assert_eq!(sent(&mut client).len(), 1);
    handle(&mut client, &connack(<_>::default()).into()).unwrap();
    let mut expected = vec![];
    for value in 1..=3 {
        let packet = Packet::from(publish(Delivery::AtLeastOnce(id(value)), "t"));
        let (_, token) = handle(&mut client, &packet).unwrap().message();
        if value < 3 {
            let text = Text::new("why").unwrap();
            let mut ack = Ack::new(id(value));
            ack.reason = ReasonCode::QuotaExceeded;
            ack.properties = AckProperties::builder().reason_string(text).build();
            client
                .acknowledge_with(token, ack.reason, ack.properties.clone())
                .unwrap();
            expected.push(Packet::PubAck(ack));
        }
    }
    let packet = Packet::from(publish(Delivery::ExactlyOnce(id(3)), "t"));
    assert!(handle(&mut client, &packet).unwrap().is_message());
    assert_eq!(sent(&mut client), expected);
}

/// A packet that is as short as packets are.
#[test]
fn an_answer_without_properties_may_be_too_large() {
    let tiny = ConnAckProperties::builder().maximum_packet_size(NonZeroU32::new(4).unwrap());
    let connect = connect(0, <_>::default());
    let mut server = accepted(Version::V5, connect, connack(tiny.build()));
    let mut ack = Ack::new(id(1));
    ack.reason = ReasonCode::QuotaExceeded;
    let found = handle(&mut server, &Packet::PubAck(ack));
    let too_large = Violation::NotSupported(ReasonCode::PacketTooLarge);
    assert_eq!(found, Err(too_large));
}

/// Before the version is known, no message is refused for what it has.
#[test]
fn a_message_that_waits_may_have_properties() {
    let mut client = client::Connection::new();
    let mut waiting = message("t");
    let text = Text::new("text/plain").unwrap();
    waiting.properties = MessageProperties::builder().content_type(text).build();
    client.publish(QoS::AtLeastOnce, waiting.clone()).unwrap();
    client
        .connect(Version::V5, connect(0, <_>::default()))
        .unwrap();
    assert_eq!(sent(&mut client).len(), 1);
    handle(&mut client, &Packet::ConnAck(connack(<_>::default()))).unwrap();
    let packets = sent(&mut client);
    assert!(
        matches!(&packets[..], [Packet::Publish(publish)] if publish.properties.content_type() == Some(text))
    );
}

/// Nor for the limits of the connection before, of which the next one need have none.
#[test]
fn limits_end_with_their_connection() {
    let limit = ConnAckProperties::builder().maximum_packet_size(NonZeroU32::new(20).unwrap());
    let mut client = connected(
        Version::V5,
        connect(0, <_>::default()),
        connack(limit.build()),
    );
    let mut large = message("t");
    large.payload = Bytes::from_static(&[0; 20]);
    assert!(client.publish(QoS::AtLeastOnce, large.clone()).is_err());
    client.handle_close();
    assert!(client.publish(QoS::AtLeastOnce, large).is_ok());
}

/// [MQTT-3.1.2-29] binds the server: a client explains what it likes.
#[test]
fn a_client_may_explain_though_it_wants_no_explanation() {
    let asked = ConnectProperties::builder()
        .request_problem_information(false)
        .build();
    let mut server = accepted(Version::V5, connect(0, asked), connack(<_>::default()));
    server.publish(QoS::AtLeastOnce, message("t")).unwrap();
    assert_eq!(sent(&mut server).len(), 1);
    let mut ack = Ack::new(id(1));
    let text = Text::new("why").unwrap();
    ack.properties = AckProperties::builder().reason_string(text).build();
    assert!(handle(&mut server, &Packet::PubAck(ack)).is_ok());
}

/// A buffer without room takes nothing, also of a packet that has begun.
#[test]
fn nothing_is_written_where_there_is_no_room() {
    let mut client = client(Version::V5);
    client.publish(QoS::AtMostOnce, message("topic")).unwrap();
    let mut out = BytesMut::new();
    for (room, written) in [(0, 0), (3, 3), (0, 3), (100, 17), (100, 17)] {
        let before = out.len();
        let wrote = client.poll_bytes(ZERO, &mut (&mut out).limit(room));
        assert_eq!((wrote, out.len()), (written > before, written));
    }
}

/// What waits to be sent or to be answered is still there when memory was given back.
#[test]
fn nothing_that_waits_is_given_back() {
    let subscribe = |value| {
        let subscriptions = subscriptions("a");
        Packet::Subscribe(Subscribe::new(id(value), subscriptions))
    };
    // An answer, and a request that has none yet.
    let mut server = server(Version::V5);
    let first = handle(&mut server, &subscribe(1)).unwrap().request();
    server.shrink_to_fit();
    server.sub_ack(first, [ReasonCode::Success]).unwrap();
    server.shrink_to_fit();
    assert_eq!(sent(&mut server).len(), 1);
    // The rest of a packet.
    let second = handle(&mut server, &subscribe(2)).unwrap().request();
    server.sub_ack(second, [ReasonCode::Success]).unwrap();
    let mut out = BytesMut::new();
    assert!(server.poll_bytes(ZERO, &mut (&mut out).limit(2)));
    server.shrink_to_fit();
    assert!(server.poll_bytes(ZERO, &mut out));
    assert_eq!(&out[..], b"\x90\x04\x00\x02\x00\x00");
    // What explains an acknowledgement.
    let packet = Packet::from(publish(Delivery::AtLeastOnce(id(3)), "t"));
    let (_, token) = handle(&mut server, &packet).unwrap().message();
    let text = Text::new("why").unwrap();
    let why = AckProperties::builder().reason_string(text).build();
    let reason = ReasonCode::QuotaExceeded;
    server.acknowledge_with(token, reason, why.clone()).unwrap();
    server.shrink_to_fit();
    let mut ack = Ack::new(id(3));
    (ack.reason, ack.properties) = (reason, why);
    assert_eq!(sent(&mut server), [Packet::PubAck(ack)]);
}

/// A request that has no packet identifier waits for one, while no message may be sent either.
#[test]
fn a_request_waits_for_a_packet_identifier() {
    for version in BOTH {
        let mut client = client::Connection::new().max_queued(100_000);
        client.connect(version, connect(0, <_>::default())).unwrap();
        assert_eq!(sent(&mut client).len(), 1);
        let connack = Packet::ConnAck(connack(<_>::default()));
        let _ = handle(&mut client, &connack).unwrap();
        for _ in 0..65_535 {
            client.publish(QoS::AtLeastOnce, message("t")).unwrap();
        }
        let messages = sent(&mut client).len();
        client.subscribe(subscriptions("a")).unwrap();
        assert_eq!(sent(&mut client), []);
        for value in 1..=2 {
            let ack = Packet::PubAck(Ack::new(id(value)));
            assert_eq!(handle(&mut client, &ack), Ok(Found::Nothing));
        }
        let sent = sent(&mut client);
        assert!(messages >= 20 && sent.len() == 3, "{sent:?}");
        let is_request = |packet: &Packet| matches!(packet, Packet::Subscribe(_));
        assert_eq!(sent.iter().filter(|it| is_request(it)).count(), 1);
    }
}
