//! Acknowledging after processing, which takes its time: A4.

use mqtt_sansio::connection::{Connection, ConnectionError, Role, Server};
use mqtt_sansio::packet::{Subscribe, Unsubscribe};
use mqtt_sansio::property::AckProperties;
use mqtt_sansio::session::SessionError;
use mqtt_sansio::{ReasonCode, Version};

use crate::wire::*;

const LATE: Result<(), ConnectionError> = Err(ConnectionError::Session(SessionError::DeliveryOver));
const NONE: [&str; 0] = [];

#[test]
fn a04_an_acknowledgement_is_for_one_delivery() {
    each(|version, door| {
        let mut client = client(version, door);
        let order_17 = client.message(1, 1, "order/17")[0].token();
        client.cut();
        Reconnect::reconnect(&mut client, false);
        let got = client.message(1, 1, "order/18");
        assert_eq!(client.end.acknowledge(order_17), LATE);
        assert_eq!(client.sent(), NONE);
        client.end.acknowledge(got[0].token()).unwrap();
        assert_eq!(client.sent(), ["PUBACK 1"]);
        assert_eq!(client.end.acknowledge(order_17), LATE);
        assert_eq!(client.sent(), NONE);
    });
}

#[test]
fn a04_also_where_the_session_goes_on() {
    fn check<R: Reconnect>(mut wire: Wire<R>, qos: u8) {
        let first = wire.message(qos, 1, "order/17")[0].token();
        wire.cut();
        R::reconnect(&mut wire, true);
        let mut again = publish(qos, 1, "order/17");
        again.dup = true;
        let got = wire.receive(again);
        // QoS 2 is delivered once, and so its token is good; QoS 1 is delivered again.
        let ack = if qos == 2 { "PUBREC 1" } else { "PUBACK 1" };
        if qos == 2 {
            assert_eq!(got, []);
            wire.end.acknowledge(first).unwrap();
        } else {
            assert!(got[0].token().dup());
            assert_eq!(wire.end.acknowledge(first), LATE);
            assert_eq!(wire.sent(), NONE);
            wire.end.acknowledge(got[0].token()).unwrap();
        }
        assert_eq!(wire.sent(), [ack]);
        assert_eq!(wire.end.acknowledge(first), LATE);
        assert_eq!(wire.sent(), NONE);
    }
    each(|version, door| {
        for qos in [1, 2] {
            check(client(version, door), qos);
            check(server(version, door), qos);
        }
    });
}

#[test]
fn a04_nothing_is_acknowledged_while_there_is_no_connection() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        let token = wire.message(1, 1, "order/17")[0].token();
        wire.cut();
        assert_eq!(wire.end.acknowledge(token), LATE);
        R::reconnect(&mut wire, true);
        assert_eq!(wire.end.acknowledge(token), LATE);
        assert_eq!(wire.sent(), NONE);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a04_twice_is_late_and_at_qos_0_there_is_nothing_to_do() {
    fn check<R: Role>(mut wire: Wire<R>) {
        for qos in [1, 2] {
            let token = wire.message(qos, 7, "in")[0].token();
            wire.end.acknowledge(token).unwrap();
            assert_eq!(wire.end.acknowledge(token), LATE);
            assert_eq!(wire.sent().len(), 1);
            assert_eq!(wire.end.acknowledge(token), LATE);
            if qos == 2 {
                wire.receive(pub_rel(7));
                assert_eq!(wire.end.acknowledge(token), LATE);
                assert_eq!(wire.sent(), ["PUBCOMP 7"]);
            }
            // The identifier is free: the next delivery is another.
            let next = wire.message(qos, 7, "in")[0].token();
            assert_ne!(next, token);
            assert_eq!(wire.end.acknowledge(token), LATE);
            wire.end.acknowledge(next).unwrap();
            assert_eq!(wire.sent().len(), 1);
            if qos == 2 {
                wire.receive(pub_rel(7));
                wire.sent();
            }
        }
        let token = wire.message(0, 0, "in")[0].token();
        assert_eq!(wire.end.acknowledge(token), Ok(()));
        assert_eq!(wire.end.acknowledge(token), Ok(()));
        assert_eq!(wire.sent(), NONE);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a04_an_explanation_belongs_to_its_delivery() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let properties =
            AckProperties::builder().reason_string(mqtt_sansio::Text::try_from("no").unwrap());
        let properties = properties.build();
        let four = wire.message(1, 4, "in")[0].token();
        let five = wire.message(2, 5, "in")[0].token();
        let refused = ReasonCode::NotAuthorized;
        wire.end
            .acknowledge_with(five, refused, properties)
            .unwrap();
        // PUBREL comes before PUBREC has left, as it may.
        wire.receive(pub_rel(5));
        assert_eq!(wire.sent(), ["PUBCOMP 5"]);
        assert_eq!(wire.end.acknowledge(five), LATE);
        let next = wire.message(1, 5, "in");
        wire.end.acknowledge(next[0].token()).unwrap();
        wire.end.acknowledge(four).unwrap();
        for packet in wire.packets() {
            if let mqtt_sansio::Packet::PubAck(ack) = packet {
                assert_eq!(ack.reason, ReasonCode::Success, "{ack:?}");
                assert!(ack.properties.is_empty(), "{ack:?}");
            }
        }
    }
    for door in DOORS {
        check(client(Version::V5, door));
        check(server(Version::V5, door));
    }
}

#[test]
fn a04_a_request_has_one_answer() {
    const NO_SUCH: Result<(), ConnectionError> = Err(ConnectionError::NoSuchRequest);
    each(|version, door| {
        let granted = || [ReasonCode::GrantedQoS1];
        let codes = || match version {
            Version::V311 => None,
            Version::V5 => Some(ReasonCode::Success),
        };
        let mut server = server(version, door);
        let first = server.receive(Subscribe::new(id(1), filters("a")))[0].request();
        assert_eq!(server.end.unsub_ack(first, codes()), NO_SUCH);
        assert_eq!(server.end.sub_ack(first, []), NO_SUCH);
        server.end.sub_ack(first, granted()).unwrap();
        assert_eq!(server.end.sub_ack(first, granted()), NO_SUCH);
        // The identifier is used again, for the same kind and for the other.
        let second = server.receive(Subscribe::new(id(1), filters("b")))[0].request();
        assert_eq!(server.end.sub_ack(first, granted()), NO_SUCH);
        server.end.sub_ack(second, granted()).unwrap();
        let third = server.receive(Unsubscribe::new(id(1), names("b")))[0].request();
        assert_eq!(server.end.unsub_ack(second, codes()), NO_SUCH);
        server.end.unsub_ack(third, codes()).unwrap();
        assert_eq!(server.sent(), ["SUBACK 1", "SUBACK 1", "UNSUBACK 1"]);
        // And the connection ends.
        let fourth = server.receive(Subscribe::new(id(2), filters("c")))[0].request();
        server.cut();
        assert!(server.end.sub_ack(fourth, granted()).is_err());
        let _: &Connection<Server> = &server.end;
        assert_eq!(server.sent(), NONE);
    });
}

#[test]
fn a04_a_request_is_not_answered_on_the_next_connection() {
    each(|version, door| {
        let mut server = server(version, door);
        let old = server.receive(Subscribe::new(id(1), filters("a")))[0].request();
        server.cut();
        Reconnect::reconnect(&mut server, true);
        let new = server.receive(Subscribe::new(id(2), filters("b")))[0].request();
        let granted = [ReasonCode::GrantedQoS1];
        let late = server.end.sub_ack(old, granted);
        assert_eq!(late, Err(ConnectionError::NoSuchRequest));
        server.end.sub_ack(new, granted).unwrap();
        assert_eq!(server.sent(), ["SUBACK 2"]);
    });
}
