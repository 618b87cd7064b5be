//! Subscribing at any time, with an outcome for each: A28.

use mqtt_sansio::connection::{Answer, Client, Event, client};
use mqtt_sansio::packet::{ReasonCodes, SubAck};
use mqtt_sansio::property::{ConnAckProperties, SubscribeProperties, SubscriptionId};
use mqtt_sansio::session::CallId;
use mqtt_sansio::{Packet, PacketType, QoS, ReasonCode, Side, Version};

use crate::wire::*;

fn given_up(call: CallId, filter: &str) -> Event {
    Event::Subscribed(call, Answer::GivenUp(Box::new(filters(filter))))
}

fn dropped(call: CallId, filter: &str) -> Event {
    Event::Unsubscribed(call, Answer::GivenUp(Box::new(names(filter))))
}

/// Answers what was sent, and returns the calls that got their codes.
fn answered(client: &mut Wire<Client>) -> Vec<CallId> {
    for packet in client.packets() {
        let id = packet.packet_id().unwrap();
        let unsub_codes = || match client.version {
            Version::V311 => None,
            Version::V5 => Some(ReasonCode::Success),
        };
        let answer = match packet.packet_type() {
            PacketType::Subscribe => {
                let codes = ReasonCodes::new([ReasonCode::GrantedQoS1]);
                Packet::SubAck(SubAck::new(id, codes))
            }
            _ => Packet::UnsubAck(SubAck::new(id, ReasonCodes::new(unsub_codes()))),
        };
        client.receive(answer.clone());
        // Answered once.
        assert!(client.end.is_connected());
    }
    let events = client.events().into_iter();
    let calls = events.filter_map(|event| match event {
        Event::Subscribed(call, Answer::Codes(_)) | Event::Unsubscribed(call, Answer::Codes(_)) => {
            Some(call)
        }
        _ => None,
    });
    calls.collect()
}

#[test]
fn a28_requests_may_be_made_before_there_is_a_connection() {
    each(|version, door| {
        let mut end = client::Connection::new();
        let first = end.subscribe(filters("a")).unwrap();
        let second = end.unsubscribe(names("b")).unwrap();
        let mut client = Wire::over(end, Side::Client, version, door);
        client.end.connect(version, connect(0, true)).unwrap();
        let third = client.end.subscribe(filters("c")).unwrap();
        assert_eq!(client.sent(), ["CONNECT"]);
        let fourth = client.end.unsubscribe(names("d")).unwrap();
        client.receive(accepting(false));
        let calls = [first, second, third, fourth];
        assert_eq!(answered(&mut client), calls);
        assert_eq!(client.sent(), [""; 0]);
    });
}

#[test]
fn a28_a_request_that_was_sent_ends_with_its_connection() {
    each(|version, door| {
        for session in [false, true] {
            let mut client = client(version, door);
            let first = client.end.subscribe(filters("a")).unwrap();
            let second = client.end.unsubscribe(names("b")).unwrap();
            assert_eq!(client.sent(), ["SUBSCRIBE 1", "UNSUBSCRIBE 2"]);
            client.end.handle_close();
            let events = client.events();
            assert_eq!(events.len(), 3);
            assert!(events.contains(&given_up(first, "a")));
            assert!(events.contains(&dropped(second, "b")));
            client.replug();
            Reconnect::reconnect(&mut client, session);
            assert_eq!(client.sent(), [""; 0]);
            assert!(matches!(client.events()[..], [Event::Connected(_)]));
        }
    });
}

#[test]
fn a28_one_that_was_not_waits_for_the_next() {
    each(|version, door| {
        for session in [false, true] {
            let mut client = client(version, door);
            let first = client.end.subscribe(filters("a")).unwrap();
            client.cut();
            let second = client.end.subscribe(filters("b")).unwrap();
            assert!(matches!(client.events()[..], [Event::Closed(_)]));
            // Refused in between, or lost before CONNACK.
            let connect = asking(version, 0, true);
            client.end.connect(version, connect).unwrap();
            assert_eq!(client.sent(), ["CONNECT"]);
            client.cut();
            assert!(matches!(client.events()[..], [Event::Closed(_)]));
            Reconnect::reconnect(&mut client, session);
            assert_eq!(answered(&mut client), [first, second]);
        }
    });
}

#[test]
fn a28_half_of_each_is_told_apart() {
    each(|version, door| {
        let mut client = client(version, door);
        let calls = ["a", "b", "c"].map(|f| client.end.subscribe(filters(f)).unwrap());
        client.one();
        client.cut();
        let events = client.events();
        assert!(events.contains(&given_up(calls[0], "a")));
        assert_eq!(events.len(), 2);
        Reconnect::reconnect(&mut client, true);
        assert_eq!(answered(&mut client), calls[1..]);
    });
}

#[test]
fn a28_what_the_next_server_does_not_support_is_given_back() {
    for door in DOORS {
        let mut end = client::Connection::new();
        let wild = end.subscribe(filters("a/#")).unwrap();
        let shared = end.subscribe(filters("$share/g/a")).unwrap();
        let id = SubscriptionId::new(7).unwrap();
        let properties = SubscribeProperties::builder().subscription_identifier(id);
        let named = end
            .subscribe_with(filters("n"), properties.build())
            .unwrap();
        let plain = end.subscribe(filters("a")).unwrap();
        let mut connack = accepting(false);
        let properties = ConnAckProperties::builder();
        let properties = properties.wildcard_subscription_available(false);
        let properties = properties.shared_subscription_available(false);
        let properties = properties.subscription_identifier_available(false);
        connack.properties = properties.build();
        let mut client = Wire::over(end, Side::Client, Version::V5, door);
        client.end.connect(Version::V5, connect(0, true)).unwrap();
        client.sent();
        client.receive(connack);
        let events = client.events();
        assert!(events.contains(&given_up(wild, "a/#")));
        assert!(events.contains(&given_up(shared, "$share/g/a")));
        assert!(events.contains(&given_up(named, "n")));
        assert_eq!(events.len(), 4);
        assert_eq!(answered(&mut client), [plain]);
    }
    // Properties have no form in 3.1.1.
    for door in DOORS {
        let mut end = client::Connection::new();
        let id = SubscriptionId::new(7).unwrap();
        let properties = SubscribeProperties::builder().subscription_identifier(id);
        let call = end
            .subscribe_with(filters("n"), properties.build())
            .unwrap();
        let mut client = Wire::over(end, Side::Client, Version::V311, door);
        client.end.connect(Version::V311, connect(0, true)).unwrap();
        client.sent();
        client.receive(accepting(false));
        assert!(client.events().contains(&given_up(call, "n")));
        assert_eq!(client.sent(), [""; 0]);
    }
}

#[test]
fn a28_a_refusal_of_one_filter_is_an_answer() {
    each(|version, door| {
        let mut client = client(version, door);
        let call = client.end.subscribe(filters("a")).unwrap();
        assert_eq!(client.sent(), ["SUBSCRIBE 1"]);
        let codes = ReasonCodes::new([ReasonCode::UnspecifiedError]);
        client.receive(Packet::SubAck(SubAck::new(id(1), codes)));
        let events = client.events();
        let [Event::Subscribed(told, Answer::Codes(ack))] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(*told, call);
        assert!(ack.reasons.iter().all(|code| code.is_error()));
    });
}

#[test]
fn a28_identifiers_of_calls_are_those_of_publish_too() {
    let mut end = client::Connection::new();
    let mut calls = vec![
        end.subscribe(filters("a")).unwrap(),
        end.publish(QoS::AtLeastOnce, message("m")).unwrap(),
        end.unsubscribe(names("a")).unwrap(),
    ];
    calls.dedup();
    assert_eq!(calls.len(), 3);
    assert!(calls.is_sorted());
}
