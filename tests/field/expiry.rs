//! What waits expires: A30.

use core::num::NonZeroU16;
use core::time::Duration;

use mqtt_sansio::connection::{GivenUp, Outcome, Role, client};
use mqtt_sansio::session::Session;
use mqtt_sansio::{Message, Packet, QoS, ReasonCode, Side, Version};

use crate::wire::*;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn expired(topic: &str, seconds: u32) -> Outcome {
    let message = Box::new(expiring(topic, seconds));
    Outcome::GivenUp(GivenUp::Expired, Some(message))
}

/// The expiry intervals that are on the wire.
fn intervals<R: Role>(wire: &mut Wire<R>) -> Vec<Option<u32>> {
    let packets = wire.packets().into_iter();
    let publishes = packets.filter_map(|packet| match packet {
        Packet::Publish(publish) => Some(publish.properties.message_expiry_interval()),
        _ => None,
    });
    publishes.collect()
}

#[test]
fn a30_what_waits_too_long_is_not_sent() {
    fn check<R: Role>(mut wire: Wire<R>, qos: QoS) {
        wire.at(1_000);
        let call = wire.end.publish(qos, expiring("m", 5)).unwrap();
        wire.at(1_000);
        // Nobody polls for seven seconds.
        wire.now = Duration::from_secs(8);
        assert_eq!(wire.sent(), [""; 0], "{qos:?}");
        assert_eq!(wire.outcomes(), [(call, expired("m", 5))]);
        assert_eq!(wire.end.session().packet_ids_in_use(), 0);
    }
    for door in DOORS {
        for qos in QOS {
            check(client(Version::V5, door), qos);
            check(server(Version::V5, door), qos);
        }
    }
}

#[test]
fn a30_the_timer_tells_it_too() {
    fn check<R: Role>(mut wire: Wire<R>, qos: QoS) {
        let call = wire.end.publish(qos, expiring("m", 5)).unwrap();
        wire.at(0);
        assert_eq!(
            wire.end.next_timeout(),
            Some(Duration::from_secs(5)),
            "{qos:?}"
        );
        wire.at(4_999);
        assert_eq!(wire.outcomes(), []);
        wire.at(5_000);
        assert_eq!(wire.outcomes(), [(call, expired("m", 5))], "{qos:?}");
        wire.at(10_000);
        assert_eq!(wire.sent(), [""; 0]);
    }
    for door in DOORS {
        for qos in QOS {
            check(client(Version::V5, door), qos);
            check(server(Version::V5, door), qos);
        }
    }
}

#[test]
fn a30_while_there_is_no_connection() {
    for door in DOORS {
        let mut client = client(Version::V5, door);
        client.cut();
        client.at(1_000);
        let end = &mut client.end;
        let short = end.publish(QoS::AtLeastOnce, expiring("short", 5)).unwrap();
        end.publish(QoS::ExactlyOnce, expiring("long", 100))
            .unwrap();
        client.at(1_000);
        assert_eq!(client.end.next_timeout(), Some(Duration::from_secs(6)));
        client.at(6_000);
        assert_eq!(client.outcomes(), [(short, expired("short", 5))]);
        client.at(31_000);
        Reconnect::reconnect(&mut client, true);
        assert_eq!(intervals(&mut client), [Some(70)]);
    }
}

#[test]
fn a30_before_the_first_connection_and_without_a_timer() {
    for door in DOORS {
        let mut client = Wire::over(client::Connection::new(), Side::Client, Version::V5, door);
        let call = client
            .end
            .publish(QoS::AtLeastOnce, expiring("m", 5))
            .unwrap();
        // The interval begins with the first moment that is told.
        client.now = Duration::from_secs(50);
        client.end.connect(Version::V5, connect(0, true)).unwrap();
        assert_eq!(client.sent(), ["CONNECT"]);
        client.now = Duration::from_secs(57);
        client.receive(accepting(false));
        assert_eq!(client.sent(), [""; 0]);
        assert_eq!(client.outcomes(), [(call, expired("m", 5))]);
    }
}

#[test]
fn a30_while_the_quota_holds_it_back() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        for _ in 0..100 {
            wire.end.publish(QoS::AtLeastOnce, message("m")).unwrap();
        }
        let first = wire
            .end
            .publish(QoS::AtLeastOnce, expiring("a", 5))
            .unwrap();
        let second = wire
            .end
            .publish(QoS::ExactlyOnce, expiring("b", 60))
            .unwrap();
        let third = wire
            .end
            .publish(QoS::AtLeastOnce, expiring("c", 6))
            .unwrap();
        wire.end.publish(QoS::AtLeastOnce, message("d")).unwrap();
        assert_eq!(wire.sent().len(), 100);
        wire.at(7_000);
        let gone = [(first, expired("a", 5)), (third, expired("c", 6))];
        assert_eq!(wire.outcomes(), gone);
        wire.receive(pub_ack(1));
        wire.receive(pub_ack(2));
        wire.outcomes();
        assert_eq!(intervals(&mut wire), [Some(53), None]);
        wire.receive(pub_rec(102));
        wire.sent();
        wire.receive(pub_comp(102));
        let accepted = Outcome::Accepted(ReasonCode::Success);
        assert_eq!(wire.outcomes(), [(second, accepted)]);
    }
    for door in DOORS {
        check(client(Version::V5, door));
        check(server(Version::V5, door));
    }
}

#[test]
fn a30_the_interval_is_counted_down_on_the_wire() {
    fn check<R: Reconnect>(mut wire: Wire<R>, qos: QoS) {
        wire.end.publish(qos, expiring("m", 10)).unwrap();
        wire.at(0);
        wire.at(3_500);
        // The last second counts as a whole one.
        assert_eq!(intervals(&mut wire), [Some(7)], "{qos:?}");
        if qos == QoS::AtMostOnce {
            return;
        }
        // Sent again, and once more although it has expired: its delivery has begun.
        for (at, left) in [(8_000, 2), (9_999, 1), (30_000, 0)] {
            wire.cut();
            wire.at(at);
            R::reconnect(&mut wire, true);
            assert_eq!(intervals(&mut wire), [Some(left)]);
        }
        wire.outcomes();
    }
    for door in DOORS {
        for qos in QOS {
            check(client(Version::V5, door), qos);
            check(server(Version::V5, door), qos);
        }
    }
}

#[test]
fn a30_after_a_restart() {
    for door in DOORS {
        let mut client = client(Version::V5, door);
        client.end = client.end.clone().max_in_flight(NonZeroU16::MIN);
        client.cut();
        Reconnect::reconnect(&mut client, true);
        client.at(1_000);
        let end = &mut client.end;
        let sent = end.publish(QoS::AtLeastOnce, expiring("sent", 5)).unwrap();
        let short = end
            .publish(QoS::AtLeastOnce, expiring("short", 10))
            .unwrap();
        let long = end.publish(QoS::ExactlyOnce, expiring("long", 60)).unwrap();
        assert_eq!(client.sent(), ["sent 1 1"]);
        client.at(2_000);
        let snapshot = client.end.session().snapshot();
        // The process is away for 20 seconds of a clock that goes on.
        let session = Session::<Message>::restore(snapshot, []).unwrap();
        let end = client::Connection::with_session(session);
        let mut client = Wire::over(end, Side::Client, Version::V5, door);
        client.now = Duration::from_secs(22);
        Reconnect::reconnect(&mut client, true);
        let outcomes = client.outcomes();
        assert_eq!(intervals(&mut client), [Some(0), Some(39)]);
        let mut outcomes: Vec<_> = outcomes;
        outcomes.extend(client.outcomes());
        assert_eq!(outcomes, [(short, expired("short", 10))]);
        let left: Vec<_> = client.end.session().messages().map(|m| m.call).collect();
        assert_eq!(left, [sent, long]);
    }
}

#[test]
fn a30_what_does_not_expire_is_not_touched() {
    fn check<R: Role>(mut wire: Wire<R>) {
        for qos in QOS {
            wire.end.publish(qos, expiring("max", u32::MAX)).unwrap();
            wire.end.publish(qos, message("none")).unwrap();
        }
        wire.at(0);
        wire.at(1_000_000_000);
        let left = Some(u32::MAX - 1_000_000);
        let sent = intervals(&mut wire);
        assert_eq!(sent, [left, None, left, None, left, None]);
    }
    for door in DOORS {
        check(client(Version::V5, door));
        check(server(Version::V5, door));
    }
}

#[test]
fn a30_at_qos_0_among_other_calls() {
    for door in DOORS {
        let mut client = client(Version::V5, door);
        let end = &mut client.end;
        let first = end.publish(QoS::AtMostOnce, expiring("first", 5)).unwrap();
        end.subscribe(filters("a")).unwrap();
        end.publish(QoS::AtMostOnce, message("second")).unwrap();
        let third = end.publish(QoS::AtMostOnce, expiring("third", 6)).unwrap();
        end.publish(QoS::AtMostOnce, expiring("fourth", 60))
            .unwrap();
        client.at(0);
        // Later ones have their own beginning.
        client.at(3_000);
        let fifth = client.end.publish(QoS::AtMostOnce, expiring("fifth", 3));
        client.at(3_000);
        assert_eq!(client.end.next_timeout(), Some(Duration::from_secs(5)));
        client.at(7_000);
        let mut outcomes = client.outcomes();
        outcomes.sort_by_key(|(call, _)| *call);
        let expected = [
            (first, expired("first", 5)),
            (third, expired("third", 6)),
            (fifth.unwrap(), expired("fifth", 3)),
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(client.sent(), ["SUBSCRIBE 1", "second", "fourth"]);
    }
}

#[test]
fn a30_at_qos_0_before_connack() {
    for door in DOORS {
        let mut client = Wire::over(client::Connection::new(), Side::Client, Version::V5, door);
        client.end.connect(Version::V5, connect(0, true)).unwrap();
        let call = client
            .end
            .publish(QoS::AtMostOnce, expiring("m", 5))
            .unwrap();
        assert_eq!(client.sent(), ["CONNECT"]);
        client.now = Duration::from_secs(7);
        client.receive(accepting(false));
        assert_eq!(client.sent(), [""; 0]);
        assert_eq!(client.outcomes(), [(call, expired("m", 5))]);
    }
}
