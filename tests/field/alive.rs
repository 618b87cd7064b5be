//! Whether the peer is alive, by any clock: A2, A13 and A27.

use core::time::Duration;

use bytes::BytesMut;
use mqtt_sansio::connection::{Closed, Role, client, server};
use mqtt_sansio::{Packet, QoS, Side, Version};

use crate::wire::*;

const TIMED_OUT: Result<(), Closed> = Err(Closed::TimedOut);

/// Fires timers each second until the connection is over, and returns when that was.
fn over_at<R: Role>(wire: &mut Wire<R>, from: u64, to: u64) -> Option<u64> {
    (from..=to).find(|second| {
        wire.at(second * 1_000);
        wire.sent();
        wire.end.ended().is_err()
    })
}

#[test]
fn a02_any_packet_is_a_sign_of_life() {
    each(|version, door| {
        let mut client = client_alive(version, door, 10);
        for second in 1..200 {
            client.at(second * 1_000);
            client.sent();
            assert_eq!(client.message(0, 0, "in").len(), 1, "{second}");
        }
        // PINGREQ has left already, and nothing comes any more.
        assert_eq!(over_at(&mut client, 200, 300), Some(219));
        assert_eq!(client.end.ended(), TIMED_OUT);
    });
}

#[test]
fn a02_so_is_an_acknowledgement() {
    each(|version, door| {
        let mut client = client_alive(version, door, 10);
        client.end.ping().unwrap();
        assert_eq!(client.sent(), ["PINGREQ"]);
        for second in 1..200 {
            client.at(second * 1_000);
            // Nothing arrives but a PUBACK every ten seconds.
            if second % 10 == 0 {
                let message = message("m");
                client.end.publish(QoS::AtLeastOnce, message).unwrap();
                let sent = client.packets();
                let id = sent.last().and_then(Packet::packet_id).unwrap();
                client.receive(pub_ack(id.get()));
            }
            client.sent();
            assert!(client.end.is_connected(), "{second}");
        }
    });
}

/// The bytes of one large PUBLISH.
fn large(version: Version) -> BytesMut {
    let mut publish = publish(0, 0, "large");
    publish.payload = vec![0; 100_000].into();
    let mut bytes = BytesMut::new();
    publish.encode(version, &mut bytes).unwrap();
    bytes
}

#[test]
fn a02_bytes_of_a_packet_that_is_not_whole_are_a_sign_of_life() {
    fn check<R: Role>(mut wire: Wire<R>, version: Version) {
        let mut got = Vec::new();
        for (tick, bytes) in (1..).zip(large(version).chunks(1_000)) {
            wire.at(tick * 50);
            wire.sent();
            got.extend(wire.read(bytes));
            assert!(wire.end.is_connected(), "{tick}");
        }
        assert_eq!(got.len(), 1);
        // 4 seconds at a server, of a Keep Alive of 2 and a half as much.
        let silent = over_at(&mut wire, 6, 60).unwrap();
        let expected = if wire.is_client() { 8..=29 } else { 8..=9 };
        assert!(expected.contains(&silent), "{silent}");
    }
    for version in VERSIONS {
        for door in [Door::Bytes, Door::Slice] {
            check(server_alive(version, door, 2), version);
            check(client_alive(version, door, 2), version);
        }
    }
}

#[test]
fn a02_the_answer_to_a_ping_may_be_behind_a_large_packet() {
    for version in VERSIONS {
        for door in [Door::Bytes, Door::Slice] {
            let mut client = client_alive(version, door, 10);
            client.at(10_000);
            assert_eq!(client.sent(), ["PINGREQ"]);
            // A kilobyte a second.
            for (second, bytes) in (11..).zip(large(version).chunks(1_000)) {
                client.at(second * 1_000);
                client.sent();
                client.read(bytes);
                assert!(client.end.is_connected(), "{second}");
            }
            client.read(b"\xD0\x00");
            assert!(client.end.is_connected());
        }
    }
}

#[test]
fn a02_a_packet_has_a_time_limit_of_its_own() {
    fn check<R: Reconnect>(mut wire: Wire<R>, limit: u64) {
        let bytes = large(wire.version);
        wire.end = wire.end.clone().packet_timeout(Duration::from_secs(limit));
        for (second, byte) in (1..=limit).zip(bytes.chunks(1)) {
            wire.at(second * 1_000);
            wire.sent();
            wire.read(byte);
            assert!(wire.end.is_connected(), "{second}");
        }
        // From its first byte, which came after one second.
        let due = Some(Duration::from_secs(limit + 1));
        assert!(wire.end.next_timeout() <= due);
        wire.at((limit + 1) * 1_000);
        assert_eq!(wire.end.ended(), TIMED_OUT);
    }
    let default = client::Connection::<mqtt_sansio::Message>::DEFAULT_PACKET_TIMEOUT.as_secs();
    for version in VERSIONS {
        for door in [Door::Bytes, Door::Slice] {
            for limit in [5, default] {
                for keep_alive in [0, 10] {
                    check(client_alive(version, door, keep_alive), limit);
                    check(server_alive(version, door, keep_alive), limit);
                }
            }
        }
    }
}

#[test]
fn a02_the_next_packet_has_its_time_anew() {
    fn check<R: Role>(mut wire: Wire<R>) {
        // Always the end of one PUBLISH and the beginning of the next.
        let mut bytes = BytesMut::new();
        publish(0, 0, "in")
            .encode(wire.version, &mut bytes)
            .unwrap();
        let (head, tail) = bytes.split_at(3);
        wire.read(head);
        for second in (30..600).step_by(30) {
            wire.at(second * 1_000);
            wire.sent();
            assert_eq!(wire.read(&[tail, head].concat()).len(), 1, "{second}");
        }
        assert!(wire.end.is_connected());
    }
    for version in VERSIONS {
        for door in [Door::Bytes, Door::Slice] {
            check(client(version, door));
            check(server(version, door));
        }
    }
}

#[test]
fn a02_nobody_prolongs_the_time_before_connack() {
    for version in VERSIONS {
        for door in [Door::Bytes, Door::Slice] {
            // CONNECT that trickles in, one byte every two seconds.
            let end = server::Connection::new(Duration::ZERO, Duration::from_secs(10));
            let mut server = Wire::over(end, Side::Server, version, door);
            for (second, byte) in (1..).zip(b"\x10\x0D\x00\x04MQTT\x04".chunks(1)) {
                server.at(second * 1_000);
                server.read(byte);
            }
            server.at(9_999);
            assert_eq!(server.end.ended(), Ok(()));
            server.at(10_000);
            assert_eq!(server.end.ended(), TIMED_OUT);
            assert!(server.sent().is_empty());
            // And CONNACK.
            let mut client = Wire::over(client::Connection::new(), Side::Client, version, door);
            client.end.connect(version, connect(0, true)).unwrap();
            assert_eq!(client.sent(), ["CONNECT"]);
            for (second, byte) in (1..).zip(b"\x20\x13\x00".chunks(1)) {
                client.at(second * 6_000);
                client.read(byte);
            }
            client.at(20_000);
            assert_eq!(client.end.ended(), TIMED_OUT);
        }
    }
}

#[test]
fn a13_a_clock_that_is_set_back_changes_nothing() {
    const LATE: u64 = 100_000_000;
    each(|version, door| {
        let mut client = client_alive(version, door, 30);
        client.at(LATE);
        client.sent();
        client.read(b"\xD0\x00");
        let due = Some(Duration::from_millis(LATE + 30_000));
        assert_eq!(client.end.next_timeout(), due);
        // Every way to tell the time.
        let back = Duration::from_secs(10);
        client.at(10_000);
        client.message(0, 0, "in");
        client.end.publish(QoS::AtMostOnce, message("m")).unwrap();
        assert_eq!(client.sent(), ["m"]);
        client.end.pause_reading(back);
        client.end.resume_reading(back);
        assert_eq!(client.end.next_timeout(), due);
        assert_eq!(client.end.wait(back), Some(Duration::from_secs(30)));
        client.at(LATE + 29_999);
        assert_eq!(client.sent(), [""; 0]);
        client.at(LATE + 30_000);
        assert_eq!(client.sent(), ["PINGREQ"]);
        // The answer has its whole time, although the clock is back again.
        client.at(0);
        client.at(LATE + 49_999);
        assert!(client.end.is_connected());
        client.at(LATE + 50_000);
        assert_eq!(client.end.ended(), TIMED_OUT);
    });
}

#[test]
fn a13_a_server_neither() {
    const LATE: u64 = 100_000_000;
    each(|version, door| {
        let mut server = server_alive(version, door, 30);
        server.now = Duration::from_millis(LATE);
        server.read(b"\xC0\x00");
        server.at(5_000);
        server.read(b"\xC0\x00");
        assert_eq!(server.sent(), ["PINGRESP", "PINGRESP"]);
        let back = server.now;
        server.end.pause_reading(back);
        server.end.resume_reading(back);
        server.at(LATE + 44_999);
        assert!(server.end.is_connected());
        server.at(LATE + 45_000);
        assert_eq!(server.end.ended(), TIMED_OUT);
    });
}

#[test]
fn a13_a_message_keeps_its_age() {
    fn check<R: Role>(mut wire: Wire<R>) {
        wire.at(100_000_000);
        wire.sent();
        let message = expiring("m", 10);
        wire.end.publish(QoS::AtLeastOnce, message).unwrap();
        wire.at(10_000);
        // Back by a day, and it is not sent with a day more.
        let sent = wire.packets();
        let [Packet::Publish(publish)] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert_eq!(publish.properties.message_expiry_interval(), Some(10));
    }
    for door in DOORS {
        check(client(Version::V5, door));
        check(server(Version::V5, door));
    }
}

#[test]
fn a27_a_client_that_does_not_read_holds_nothing_against_the_server() {
    each(|version, door| {
        let mut client = client_alive(version, door, 10);
        client.at(5_000);
        let now = client.now;
        client.end.pause_reading(now);
        let mut pings = 0;
        for second in 6..100 {
            client.at(second * 1_000);
            pings += client.sent().len();
            assert!(client.end.is_connected(), "{second}");
        }
        // The server hears of this side all the same.
        assert_eq!(pings, 9);
        let now = client.now;
        client.end.resume_reading(now);
        client.at(118_000);
        assert!(client.end.is_connected(), "the server has its time anew");
        client.read(b"\xD0\x00");
        client.at(130_000);
        client.sent();
        assert!(client.end.is_connected());
        assert!(over_at(&mut client, 131, 160).is_some(), "it is silent now");
    });
}

#[test]
fn a27_a_server_that_does_not_read_holds_nothing_against_the_client() {
    each(|version, door| {
        let mut server = server_alive(version, door, 10);
        server.at(14_999);
        let now = server.now;
        server.end.pause_reading(now);
        assert_eq!(server.end.next_timeout(), None);
        server.at(1_000_000);
        assert!(server.end.is_connected());
        let now = server.now;
        server.end.resume_reading(now);
        server.at(1_014_999);
        assert!(server.end.is_connected());
        server.at(1_015_000);
        assert_eq!(server.end.ended(), TIMED_OUT);
    });
}

#[test]
fn a27_nor_a_packet_of_which_the_rest_was_not_read() {
    fn check<R: Role>(mut wire: Wire<R>) {
        let bytes = large(wire.version);
        wire.read(&bytes[..10]);
        let now = wire.now;
        wire.end.pause_reading(now);
        wire.at(10_000_000);
        assert!(wire.end.is_connected());
        let now = wire.now;
        wire.end.resume_reading(now);
        wire.at(10_119_999);
        assert!(wire.end.is_connected());
        assert_eq!(wire.read(&bytes[10..]).len(), 1);
        wire.at(20_000_000);
        assert!(wire.end.is_connected());
    }
    for version in VERSIONS {
        for door in [Door::Bytes, Door::Slice] {
            check(client(version, door));
            check(server(version, door));
        }
    }
}
