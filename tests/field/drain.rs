//! What was accepted before leaves before the end: A6.

use bytes::{BufMut, BytesMut};
use core::num::NonZeroU16;
use mqtt_sansio::connection::{
    Answer, Closed, ConnectionError, Event, GivenUp, Outcome, Role, client,
};
use mqtt_sansio::{FrameDecoder, Packet, QoS, Side, Version};

use crate::wire::*;

const NONE: [&str; 0] = [];

/// What an end sends last.
fn last<R: Role>(wire: &Wire<R>) -> Vec<String> {
    match (wire.is_client(), wire.version) {
        // 3.1.1 has no DISCONNECT for a server.
        (false, Version::V311) => vec![],
        _ => vec!["DISCONNECT Success".to_owned()],
    }
}

fn followed(first: &[&str], last: Vec<String>) -> Vec<String> {
    first.iter().map(ToString::to_string).chain(last).collect()
}

#[test]
fn a06_messages_leave_before_disconnect() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let end = &mut wire.end;
        let a = end.publish(QoS::AtLeastOnce, message("a")).unwrap();
        let b = end.publish(QoS::AtMostOnce, message("b")).unwrap();
        let c = end.publish(QoS::ExactlyOnce, message("c")).unwrap();
        end.disconnect(normal()).unwrap();
        assert!(!wire.end.is_closed());
        let expected = followed(&["a 1 1", "b", "c 2 2"], last(&wire));
        assert_eq!(wire.sent(), expected);
        assert!(wire.end.is_closed());
        assert_eq!(wire.end.ended(), Ok(()));
        let events = wire.events();
        let told = |call| Event::Published(call, Outcome::Sent);
        assert!(events.contains(&told(b)), "{events:?}");
        assert!(events.contains(&Event::Closed(Closed::Local)));
        // The session keeps what was not acknowledged.
        let kept: Vec<_> = wire.end.session().messages().map(|m| m.call).collect();
        assert_eq!(kept, [a, c]);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a06_what_is_owed_and_asked_for_leaves_too() {
    each(|version, door| {
        let mut server = server(version, door);
        server.read(b"\xC0\x00");
        let got = server.message(1, 3, "in");
        server.end.acknowledge(got[0].token()).unwrap();
        server.end.disconnect(normal()).unwrap();
        let mut sent = server.sent();
        let owed = sent.len() - last(&server).len();
        sent[..owed].sort();
        assert_eq!(sent, followed(&["PINGRESP", "PUBACK 3"], last(&server)));

        let mut client = client(version, door);
        let got = client.message(2, 3, "in");
        client.end.acknowledge(got[0].token()).unwrap();
        client.end.subscribe(filters("a")).unwrap();
        client.end.unsubscribe(names("b")).unwrap();
        client.end.disconnect(normal()).unwrap();
        let expected = followed(&["PUBREC 3", "SUBSCRIBE 1", "UNSUBSCRIBE 2"], last(&client));
        assert_eq!(client.sent(), expected);
        // Nobody answers these any more.
        let given_up = client.events().into_iter().filter(|event| {
            matches!(
                event,
                Event::Subscribed(_, Answer::GivenUp(_))
                    | Event::Unsubscribed(_, Answer::GivenUp(_))
            )
        });
        assert_eq!(given_up.count(), 2);
    });
}

#[test]
fn a06_what_is_owed_leaves_before_any_end() {
    fn check<R: Role>(mut wire: Wire<R>, end: &str) {
        let got = wire.message(1, 3, "in");
        wire.end.acknowledge(got[0].token()).unwrap();
        wire.end.publish(QoS::AtLeastOnce, message("a")).unwrap();
        match end {
            // A packet identifier of zero; a reserved type; an answer to nothing.
            "malformed" => wire.read(b"\x40\x02\x00\x00"),
            "reserved" => wire.read(b"\x00\x00"),
            _ => wire.receive(pub_comp(1)),
        };
        let sent = wire.sent();
        assert_eq!(sent[0], "PUBACK 3", "{sent:?}");
        let farewell = usize::from(wire.version == Version::V5);
        assert_eq!(sent.len(), 1 + farewell, "{sent:?}");
        assert!(wire.end.is_closed());
    }
    each(|version, door| {
        for end in ["malformed", "reserved"] {
            check(client(version, door), end);
            check(server(version, door), end);
        }
    });
}

#[test]
fn a06_what_the_quota_holds_back_stays_in_the_session() {
    fn check<R: Reconnect>(mut wire: Wire<R>) {
        wire.end = wire.end.clone().max_in_flight(NonZeroU16::MIN);
        // The limit counts from the next connection.
        wire.cut();
        R::reconnect(&mut wire, true);
        // A server's connection is a new one each time.
        let many = if wire.is_client() {
            1
        } else {
            in_flight(wire.version)
        };
        let mut calls = Vec::new();
        for _ in 0..many + 2 {
            calls.push(wire.end.publish(QoS::AtLeastOnce, message("m")).unwrap());
        }
        wire.end.disconnect(normal()).unwrap();
        let sent = wire.sent();
        assert_eq!(sent.len(), many + last(&wire).len());
        assert_eq!(wire.outcomes(), []);
        R::reconnect(&mut wire, true);
        // All are sent as the quota allows, each with its outcome.
        let mut again = Vec::new();
        while let Some(packet) = wire.one() {
            if let Packet::Publish(publish) = packet {
                again.push(publish.dup);
                wire.receive(pub_ack(publish.packet_id().unwrap().get()));
            }
        }
        let dup = |index: usize| index < many;
        let expected: Vec<_> = (0..many + 2).map(dup).collect();
        assert_eq!(again, expected);
        let told: Vec<_> = wire.outcomes().into_iter().map(|(call, _)| call).collect();
        assert_eq!(told, calls);
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a06_what_cannot_leave_is_told_where_the_session_ends() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let mut calls = Vec::new();
        let most = in_flight(wire.version);
        for _ in 0..most + 2 {
            calls.push(wire.end.publish(QoS::AtLeastOnce, message("m")).unwrap());
        }
        wire.end.disconnect(normal()).unwrap();
        assert_eq!(wire.sent().len(), most + last(&wire).len());
        assert!(wire.end.take_session().is_none());
        let lost = |why| Outcome::GivenUp(why, Some(Box::new(message("m"))));
        let outcomes = wire.outcomes();
        // A client keeps what was never sent for its next connection.
        let ended = if wire.is_client() { most } else { most + 2 };
        // What was sent may have arrived, the rest has not.
        let why = |index| match index < most {
            true => GivenUp::SessionLost,
            false => GivenUp::ConnectionLost,
        };
        let expected = calls.iter().enumerate();
        let expected: Vec<_> = expected.map(|(i, call)| (*call, lost(why(i)))).collect();
        assert_eq!(outcomes, expected[..ended]);
        assert_eq!(wire.end.session().messages().count(), most + 2 - ended);
    }
    each(|version, door| {
        check(client_keeping(version, door, false));
        check(server_keeping(version, door, false));
    });
}

#[test]
fn a06_a_packet_is_never_cut_in_two() {
    fn check<R: Role>(mut wire: Wire<R>, end: &str) {
        let mut observer = match wire.is_client() {
            true => {
                let mut observer = FrameDecoder::server();
                let mut bytes = BytesMut::new();
                connect(0, true)
                    .into_packet()
                    .encode(wire.version, &mut bytes)
                    .unwrap();
                observer.decode_shared(&mut bytes).unwrap();
                observer
            }
            false => FrameDecoder::client(wire.version),
        };
        let mut large = message("large");
        large.payload = vec![0; 1_000].into();
        wire.end.publish(QoS::AtMostOnce, large).unwrap();
        let mut out = BytesMut::new();
        assert!(wire.end.poll_bytes(wire.now, &mut (&mut out).limit(100)));
        match end {
            "local" => wire.end.disconnect(normal()).unwrap(),
            "malformed" => drop(wire.read(b"\x40\x02\x00\x00")),
            _ => wire.at(60_000),
        }
        assert!(!wire.end.is_closed(), "{end}: bytes are left");
        while wire.end.poll_bytes(wire.now, &mut out) {}
        assert!(wire.end.is_closed());
        let packet = observer.decode_shared(&mut out).unwrap();
        assert_eq!(
            packet.map(|packet| short(&packet)).as_deref(),
            Some("large")
        );
        let rest = observer.decode_shared(&mut out).unwrap();
        assert!(rest.is_none_or(|rest| matches!(rest, Packet::Disconnect(_) | Packet::PingReq)));
        while observer.decode_shared(&mut out).unwrap().is_some() {}
        assert!(out.is_empty());
    }
    for version in VERSIONS {
        for end in ["local", "malformed", "silent"] {
            check(server_alive(version, Door::Bytes, 10), end);
            if end != "silent" {
                check(client_alive(version, Door::Bytes, 10), end);
            }
        }
    }
}

trait IntoPacket {
    fn into_packet(self) -> Packet;
}

impl<T: Into<Packet>> IntoPacket for T {
    fn into_packet(self) -> Packet {
        self.into()
    }
}

#[test]
fn a06_a_connection_that_is_lost_has_no_bytes_left() {
    fn check<R: Role>(mut wire: Wire<R>, disconnect: bool) {
        wire.end
            .publish(QoS::AtMostOnce, message("long/topic"))
            .unwrap();
        let mut out = BytesMut::new();
        wire.end.poll_bytes(wire.now, &mut (&mut out).limit(3));
        if disconnect {
            wire.end.disconnect(normal()).unwrap();
        }
        wire.end.handle_close();
        assert!(wire.end.is_closed());
        assert!(!wire.end.poll_bytes(wire.now, &mut out));
    }
    for version in VERSIONS {
        for disconnect in [false, true] {
            check(client(version, Door::Bytes), disconnect);
            check(server(version, Door::Bytes), disconnect);
        }
    }
}

#[test]
fn a06_nothing_is_accepted_behind_disconnect() {
    fn check<R: Role>(mut wire: Wire<R>) {
        wire.end.disconnect(normal()).unwrap();
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let refused = wire.end.publish(qos, message("late"));
            // A server of 3.1.1 is closed at once; there a client would queue it for the next.
            let refused = refused.unwrap_err();
            assert_eq!(refused.why, ConnectionError::WrongState);
            assert_eq!(refused.given, message("late"));
        }
        let again = wire.end.disconnect(normal());
        assert_eq!(again, Err(ConnectionError::WrongState));
        assert_eq!(wire.sent(), last(&wire));
    }
    each(|version, door| {
        check(client(version, door));
        check(server(version, door));
    });
}

#[test]
fn a06_before_connack_nothing_is_lost_either() {
    each(|version, door| {
        let mut client = Wire::over(client::Connection::new(), Side::Client, version, door);
        client.end.connect(version, connect(0, true)).unwrap();
        let zero = client.end.publish(QoS::AtMostOnce, message("zero"));
        let one = client.end.publish(QoS::AtLeastOnce, message("one"));
        assert_eq!(client.sent(), ["CONNECT"]);
        client.end.disconnect(normal()).unwrap();
        let sent = client.sent();
        assert_eq!(sent.last().unwrap(), "DISCONNECT Success");
        let outcomes = client.outcomes();
        // QoS 0 has ended, in one way or the other; QoS 1 waits for the next connection.
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0].0, zero.unwrap());
        assert_eq!(sent.len() == 2, outcomes[0].1 == Outcome::Sent);
        let kept = client.end.session().messages().next().unwrap().call;
        assert_eq!(kept, one.unwrap());
        assert_eq!(client.sent(), NONE);
    });
}
