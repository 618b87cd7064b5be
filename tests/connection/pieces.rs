//! Messages in pieces, in both directions.

use bytes::BytesMut;
use mqtt_sansio::connection::{
    Closed, Connection, ConnectionError, Event, GivenUp, Incoming, Outcome, Role, Violation,
    client, server,
};
use mqtt_sansio::packet::{ConnAck, Connect, Disconnect, KeepAlive};
use mqtt_sansio::property::{ConnectProperties, MessageProperties, PayloadFormat, SubscriptionId};
use mqtt_sansio::session::{self, Session};
use mqtt_sansio::{
    Message, Packet, PacketType, Publishable, QoS, Replaced, Rule, Rules, Shared, Version,
};
use support::random::Rng;

use crate::driver::{BOTH, OK, ZERO, id, secs};

/// A message whose payload is not in memory if it has a length: then it is that many bytes of
/// [`byte`].
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    head: Message,
    len: Option<u32>,
}

impl Publishable for Kept {
    fn message(&self, _: Version) -> Message<&[u8]> {
        self.head.as_borrowed()
    }

    fn payload_len(&self) -> Option<u32> {
        self.len
    }
}

fn kept(topic: &str, len: u32) -> Kept {
    Kept {
        head: Message::new(topic.parse().unwrap(), ""),
        len: Some(len),
    }
}

fn byte(position: u32) -> u8 {
    u8::try_from(position % 251).unwrap()
}

type Client = client::Connection<Kept>;
type Server = server::Connection<Kept>;

const ABOVE: u32 = 64;

fn connect(version: Version, keep_alive: u16) -> Connect {
    let mut connect = Connect::new("c".parse().unwrap());
    connect.keep_alive = KeepAlive::from_secs(keep_alive);
    connect.clean_start = false;
    if version == Version::V5 {
        connect.properties = ConnectProperties::builder()
            .session_expiry_interval(60)
            .build();
    }
    connect
}

fn client(session: Session<Kept>) -> Client {
    Client::with_session(session).pieces_above(ABOVE)
}

fn server() -> Server {
    Server::keeping(ZERO, secs(10)).pieces_above(ABOVE)
}

/// What is polled, with the payloads that follow. At most `most` bytes of payload a call.
fn poll<R: Role>(connection: &mut Connection<R, Kept>, most: u32) -> Vec<u8> {
    let mut out = Vec::new();
    connection.poll_bytes(ZERO, &mut out);
    if let Some(part) = connection.poll_payload() {
        let len = part.len.min(most);
        out.extend((part.position..part.position + len).map(byte));
        connection.payload_written(ZERO, len).unwrap();
    }
    out
}

/// Everything that is polled.
fn poll_all<R: Role>(connection: &mut Connection<R, Kept>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let out = poll(connection, 100);
        if out.is_empty() {
            return all;
        }
        all.extend(out);
    }
}

/// A client and a server that have agreed.
fn pair(version: Version, mut client: Client, mut server: Server) -> (Client, Server) {
    let mut session = Some(Session::new());
    client.connect(version, connect(version, 0)).unwrap();
    let sent = poll_all(&mut client);
    let asked = server.handle_bytes(ZERO, &mut BytesMut::from(&sent[..]));
    assert!(matches!(asked, Some(Incoming::Connect(_))));
    let mut connack = ConnAck::new(OK);
    connack.session_present = false;
    server.accept(ZERO, connack, &mut session).unwrap();
    let sent = poll_all(&mut server);
    assert_eq!(
        client.handle_bytes(ZERO, &mut BytesMut::from(&sent[..])),
        None
    );
    assert!(matches!(client.poll_event(), Some(Event::Connected(_))));
    (client, server)
}

fn connected(version: Version) -> (Client, Server) {
    pair(version, client(Session::new()), server())
}

fn handle<R: Role>(connection: &mut Connection<R, Kept>, bytes: &[u8]) -> Vec<Incoming> {
    let mut input = BytesMut::from(bytes);
    core::iter::from_fn(|| connection.handle_bytes(ZERO, &mut input)).collect()
}

fn events<R: Role>(connection: &mut Connection<R, Kept>) -> Vec<Event<Kept>> {
    core::iter::from_fn(|| connection.poll_event()).collect()
}

/// What the parts are, in order.
fn names(incoming: &[Incoming]) -> Vec<&'static str> {
    let name = |incoming: &Incoming| match incoming {
        Incoming::Begin(..) => "begin",
        Incoming::Piece(_) => "piece",
        Incoming::End(_) => "end",
        Incoming::Message(..) => "message",
        other => panic!("{other:?}"),
    };
    incoming.iter().map(name).collect()
}

fn acknowledge_all<R: Role>(connection: &mut Connection<R, Kept>, incoming: &[Incoming]) {
    for incoming in incoming {
        if let Incoming::Message(_, token) | Incoming::End(token) = incoming {
            connection.acknowledge(*token).unwrap();
        }
    }
}

/// Nothing leaves in the middle of a payload; what waits leaves behind it.
/// A message of 200 bytes, with this head.
fn large(first: u8, head: &[u8]) -> Vec<u8> {
    let len = head.len() + 200;
    let len = [len & 0x7F | 0x80, len >> 7].map(|byte| u8::try_from(byte).unwrap());
    [&[first], &len[..], head, &[b'p'; 200]].concat()
}

/// A head that breaks a rule that is let go is mended, or its message is passed over.
#[test]
fn heads_that_break_a_rule() {
    let lenient = client(Session::new()).rules(Rules::LENIENT);
    let (mut client, _) = pair(Version::V5, lenient, server());
    let mut read = |bytes: &[u8]| {
        let (mut input, mut found, mut tokens) = (bytes, vec![], vec![]);
        while let Some(incoming) = client.handle_slice(ZERO, &mut input) {
            found.push(match incoming {
                Incoming::Begin(head, len) => {
                    let message = format!("{:?}", head.message);
                    let text = format!(
                        "Head {{ message: {message}, delivery: {:?}, dup: {} }}",
                        head.delivery, head.dup
                    );
                    assert_eq!(format!("{head:?}"), text);
                    format!("begin {len}")
                }
                Incoming::Piece(bytes) => format!("piece {}", bytes.len()),
                Incoming::End(token) => {
                    tokens.push(token);
                    "end".to_owned()
                }
                Incoming::Skipped(error, _) => format!("skipped {:?}", error.kind()),
                other => panic!("{other:?}"),
            });
        }
        for token in tokens {
            client.acknowledge(token).unwrap();
        }
        assert!(client.is_connected() && input.is_empty());
        found
    };
    let whole = ["begin 200", "piece 200", "end"];
    // Payload Format Indicator 2.
    let head = b"\0\x01t\0\x07\x02\x01\x02";
    assert_eq!(read(&large(0x34, head)), whole);
    // Again, it is a duplicate.
    assert_eq!(read(&large(0x3C, head)), [""; 0]);
    let head = b"\0\x01t\0\0\0";
    assert_eq!(read(&large(0x32, head)), ["skipped ZeroPacketId"]);
    assert_eq!(read(&large(0x32, b"\0\x01t\0\x08\0")), whole);
}

#[test]
fn nothing_else_is_sent_within_a_payload() {
    for version in BOTH {
        let (mut client, mut server) = connected(version);
        let large = client
            .publish(QoS::AtMostOnce, kept("large", 1_000))
            .unwrap();
        let next = client.publish(QoS::AtMostOnce, kept("next", 0)).unwrap();
        let head = poll(&mut client, 1);
        let part = client.poll_payload().unwrap();
        assert_eq!((part.position, part.len, part.call), (1, 999, large));
        // A message to acknowledge, and the end of the connection.
        server.publish(QoS::AtLeastOnce, kept("m", 0)).unwrap();
        let found = handle(&mut client, &poll_all(&mut server));
        assert_eq!(names(&found), ["message"]);
        acknowledge_all(&mut client, &found);
        client.disconnect(Disconnect::new(OK)).unwrap();
        assert!(!client.poll_bytes(ZERO, &mut Vec::new()));
        assert!(client.poll_transmit(ZERO).is_none() && !client.is_closed());
        assert!(client.abandon(large).is_none());
        let rest = poll_all(&mut client);
        assert!(client.is_closed());
        let sent = [
            Event::Published(large, Outcome::Sent),
            Event::Published(next, Outcome::Sent),
        ];
        let told = events(&mut client);
        assert_eq!(told[..1], [Event::Closed(Closed::Local)]);
        assert_eq!(told[1..], sent);
        let found = handle(&mut server, &[head, rest].concat());
        assert_eq!(names(&found), ["begin", "piece", "end", "message"]);
        assert!(matches!(
            events(&mut server)[0],
            Event::Published(_, Outcome::Accepted(OK))
        ));
    }
}

#[test]
fn only_the_bytes_that_are_left_can_be_written() {
    let (mut client, _) = connected(Version::V5);
    let wrong = Err(ConnectionError::WrongState);
    assert_eq!(client.payload_written(ZERO, 0), wrong);
    client.publish(QoS::AtMostOnce, kept("t", 10)).unwrap();
    assert!(client.poll_payload().is_none());
    // As long as a part of the head waits, its payload does.
    let mut room = [0; 5];
    assert!(client.poll_bytes(ZERO, &mut &mut room[..]));
    assert!(client.poll_payload().is_none());
    assert_eq!(client.payload_written(ZERO, 4), wrong);
    assert_eq!(poll(&mut client, 4).len(), 1 + 4);
    assert_eq!(client.payload_written(ZERO, 7), wrong);
    assert_eq!(
        client.poll_payload().map(|part| (part.position, part.len)),
        Some((4, 6))
    );
    client.payload_written(ZERO, 6).unwrap();
    assert!(client.poll_payload().is_none());
}

/// The packet door has the head, and the payload behind it.
#[test]
fn a_codec_of_the_caller_writes_the_head() {
    let (mut client, mut server) = connected(Version::V5);
    client.publish(QoS::ExactlyOnce, kept("t", 300)).unwrap();
    let mut bytes = Vec::new();
    let Some(Packet::Publish(publish)) = client.poll_transmit(ZERO) else {
        panic!();
    };
    publish.encode_head(Version::V5, 300, &mut bytes).unwrap();
    assert_eq!(client.poll_payload().map(|part| part.len), Some(300));
    assert_eq!(client.poll_transmit(ZERO), None);
    bytes.resize(bytes.len() + 300, 0);
    client.payload_written(ZERO, 300).unwrap();
    assert_eq!(
        names(&handle(&mut server, &bytes)),
        ["begin", "piece", "end"]
    );
}

/// What the peer cannot have yet, it cannot acknowledge.
#[test]
fn an_acknowledgement_within_the_payload_has_no_effect() {
    for version in BOTH {
        for (qos, early, packet) in [
            (QoS::AtLeastOnce, &b"\x40\x02\0\x01"[..], PacketType::PubAck),
            (QoS::ExactlyOnce, b"\x50\x02\0\x01", PacketType::PubRec),
            (QoS::ExactlyOnce, b"\x70\x02\0\x01", PacketType::PubComp),
        ] {
            let (mut client, mut server) = connected(version);
            let call = client.publish(qos, kept("t", 300)).unwrap();
            let begun = poll(&mut client, 10);
            assert_eq!(handle(&mut client, early), []);
            assert_eq!(events(&mut client), [Event::Unknown(packet, id(1))]);
            // Nor can it be taken back.
            assert!(client.abandon(call).is_none());
            let found = handle(&mut server, &[begun, poll_all(&mut client)].concat());
            acknowledge_all(&mut server, &found);
            for _ in 0..2 {
                assert_eq!(handle(&mut client, &poll_all(&mut server)), []);
                assert_eq!(handle(&mut server, &poll_all(&mut client)), []);
            }
            let accepted = Event::Published(call, Outcome::Accepted(OK));
            assert_eq!(events(&mut client), [accepted]);
        }
    }
}

/// Each QoS, lost when it is sent for the first time: it is over, with the message.
#[test]
fn a_payload_that_is_lost_ends_the_connection_and_the_message() {
    for version in BOTH {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (mut client, mut server) = connected(version);
            client.payload_lost();
            assert!(client.is_connected());
            let call = client.publish(qos, kept("t", 300)).unwrap();
            let begun = poll(&mut client, 10);
            client.payload_lost();
            assert!(client.is_closed() && poll_all(&mut client).is_empty());
            assert_eq!(client.ended(), Err(Closed::PayloadLost));
            let message = Some(Box::new(kept("t", 300)));
            let outcome = Outcome::GivenUp(GivenUp::PayloadLost, message);
            let told = [
                Event::Published(call, outcome),
                Event::Closed(Closed::PayloadLost),
            ];
            assert_eq!(events(&mut client), told);
            assert!(client.session().is_empty());
            // The server has got nothing, and keeps nothing.
            let names = names(&handle(&mut server, &begun));
            assert_eq!(names, ["begin", "piece"]);
            server.handle_close();
            assert!(server.session().is_empty());
        }
    }
}

/// A farewell cannot be said in the middle of a packet, so that none is.
#[test]
fn a_connection_that_ends_within_a_payload_ends_at_once() {
    let (mut client, _) = connected(Version::V5);
    let first = client.publish(QoS::AtMostOnce, kept("t", 300)).unwrap();
    client.publish(QoS::AtLeastOnce, kept("t", 300)).unwrap();
    poll(&mut client, 10);
    // A second CONNACK.
    assert_eq!(handle(&mut client, b"\x20\x03\0\0\0"), []);
    assert!(client.is_closed() && poll_all(&mut client).is_empty());
    let violation = Violation::UnexpectedPacket(PacketType::ConnAck);
    assert_eq!(client.ended(), Err(Closed::Violated(violation)));
    let message = Some(Box::new(kept("t", 300)));
    let lost = Outcome::GivenUp(GivenUp::ConnectionLost, message);
    let told = [
        Event::Closed(Closed::Violated(violation)),
        Event::Published(first, lost),
    ];
    assert_eq!(events(&mut client), told);
    assert_eq!(client.session().messages().count(), 1);
}

/// A message that does not end has not come, for both sides: then it comes again, and is new.
#[test]
fn a_message_that_does_not_end_has_not_come() {
    for version in BOTH {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (mut client, mut server) = connected(version);
            client.publish(qos, kept("t", 300)).unwrap();
            assert_eq!(
                names(&handle(&mut server, &poll(&mut client, 299))),
                ["begin", "piece"]
            );
            client.handle_close();
            server.handle_close();
            let kept = server.take_session().unwrap();
            assert!(kept.is_empty());
            let (mut client, mut server) = resumed(version, &mut client, kept);
            let again = handle(&mut server, &poll_all(&mut client));
            assert_eq!(names(&again), ["begin", "piece", "end"]);
            let Incoming::Begin(head, 300) = &again[0] else {
                panic!();
            };
            assert!(head.dup && head.delivery.qos() == qos);
            acknowledge_all(&mut server, &again);
            // It is not new any more, and passed over without a word.
            let (kept, owed) = (poll_all(&mut server), qos == QoS::ExactlyOnce);
            assert!(!kept.is_empty());
            client.handle_close();
            server.handle_close();
            let kept = server.take_session().unwrap();
            let (mut client, mut server) = resumed(version, &mut client, kept);
            let third = handle(&mut server, &poll_all(&mut client));
            assert_eq!(names(&third).is_empty(), owed);
        }
    }
}

/// The same client and session on another network connection.
fn resumed(version: Version, client: &mut Client, kept: Session<Kept>) -> (Client, Server) {
    let session = client.take_session().unwrap();
    let (mut client, mut server) = (self::client(session), server());
    client.connect(version, connect(version, 0)).unwrap();
    handle(&mut server, &poll_all(&mut client));
    server
        .accept(ZERO, ConnAck::new(OK), &mut Some(kept))
        .unwrap();
    let mut bytes = Vec::new();
    let connack = server.poll_transmit(ZERO).unwrap();
    connack.encode(version, &mut bytes).unwrap();
    assert_eq!(handle(&mut client, &bytes), []);
    (client, server)
}

/// A message that is passed over is not answered before its end: its sender takes no answer while it
/// writes the payload.
#[test]
fn what_is_passed_over_is_answered_after_its_end() {
    for version in BOTH {
        // One that was taken over comes again.
        let (mut client, mut server) = connected(version);
        client.publish(QoS::ExactlyOnce, kept("t", 300)).unwrap();
        let first = handle(&mut server, &poll_all(&mut client));
        acknowledge_all(&mut server, &first);
        client.handle_close();
        server.handle_close();
        let session = server.take_session().unwrap();
        let (mut client, mut server) = resumed(version, &mut client, session);
        assert_eq!(handle(&mut server, &poll(&mut client, 10)), []);
        comes_to_its_end(&mut client, &mut server);
        // One is too large.
        let rules = Rules::STRICT.without(Rule::PacketTooLarge);
        let small = self::server().rules(rules).max_packet_size(100);
        let (mut client, mut server) = pair(Version::V311, self::client(Session::new()), small);
        client.publish(QoS::AtLeastOnce, kept("t", 300)).unwrap();
        let found = handle(&mut server, &poll(&mut client, 10));
        let [Incoming::Skipped(_, Some(token))] = found[..] else {
            panic!("{found:?}");
        };
        server.acknowledge(token).unwrap();
        comes_to_its_end(&mut client, &mut server);
    }
    // The packet identifier of one is in use.
    let rules = Rules::STRICT.packet_id_in_use(Replaced::Refuse);
    let (_, mut server) = pair(Version::V5, client(Session::new()), server().rules(rules));
    let first = handle(&mut server, b"\x34\x07\0\x01t\0\x01\0x");
    assert_eq!(names(&first), ["message"]);
    let payload = [b'x'; 100];
    let head = b"\x32\x6A\0\x01t\0\x01\0";
    assert_eq!(handle(&mut server, &[head, &payload[..99]].concat()), []);
    assert_eq!(poll_all(&mut server), b"");
    assert_eq!(handle(&mut server, b"x"), []);
    assert_eq!(poll_all(&mut server), b"\x40\x03\0\x01\x91");
}

/// What is owed for other messages leaves before the end of one that is passed over, and so do calls.
#[test]
fn what_is_passed_over_holds_nothing_else_up() {
    for has_own in [false, true] {
        let rules = Rules::STRICT.without(Rule::PacketTooLarge);
        let small = server().rules(rules).max_packet_size(100);
        let (_, mut server) = pair(Version::V5, client(Session::new()), small);
        // One that is complete, so that it is the turn of a receipt; and one that is not.
        let got = handle(
            &mut server,
            b"\x34\x06\0\x01t\0\x04\0\x34\x06\0\x01t\0\x05\0",
        );
        acknowledge_all(&mut server, &got);
        assert_eq!(poll_all(&mut server), b"\x50\x02\0\x04\x50\x02\0\x05");
        if has_own {
            server.publish(QoS::ExactlyOnce, kept("t", 0)).unwrap();
            assert_eq!(poll_all(&mut server), b"\x34\x06\0\x01t\0\x01\0");
        }
        assert_eq!(handle(&mut server, b"\x62\x02\0\x04"), []);
        assert_eq!(poll_all(&mut server), b"\x70\x02\0\x04");
        if has_own {
            assert_eq!(handle(&mut server, b"\x50\x02\0\x01"), []);
        }
        // PUBREL, and the head of a message of 100 bytes.
        let unread = b"\x62\x02\0\x05\x32\x6A\0\x01t\0\x06\0";
        let got = handle(&mut server, unread);
        let [Incoming::Skipped(_, Some(token))] = got[..] else {
            panic!("{got:?}");
        };
        server.acknowledge(token).unwrap();
        let owed = match has_own {
            true => &b"\x62\x02\0\x01\x70\x02\0\x05"[..],
            false => b"\x70\x02\0\x05",
        };
        assert_eq!(poll_all(&mut server), owed);
        server.publish(QoS::AtMostOnce, kept("t", 0)).unwrap();
        assert_eq!(poll_all(&mut server), b"\x30\x04\0\x01t\0");
        assert_eq!(handle(&mut server, &[b'x'; 100]), []);
        assert_eq!(poll_all(&mut server), b"\x40\x02\0\x06");
    }
}

/// The rest of a message, and then its answers.
fn comes_to_its_end(client: &mut Client, server: &mut Server) {
    assert_eq!(poll_all(server), b"");
    assert_eq!(handle(server, &poll_all(client)), []);
    for _ in 0..2 {
        assert_eq!(handle(client, &poll_all(server)), []);
        assert_eq!(handle(server, &poll_all(client)), []);
    }
    let events = events(client);
    let accepted = |event: &Event<Kept>| matches!(event, Event::Published(_, Outcome::Accepted(_)));
    assert!(events.iter().any(accepted), "{events:?}");
}

#[test]
fn a_head_is_judged_as_a_message_is() {
    use core::num::NonZeroU16;
    let few = server().max_received(NonZeroU16::MIN);
    let client = client(Session::new()).max_in_flight(NonZeroU16::MAX);
    let (mut client, mut server) = pair(Version::V311, client, few);
    for _ in 0..2 {
        client.publish(QoS::ExactlyOnce, kept("t", 300)).unwrap();
    }
    let mut all = poll(&mut client, 300);
    all.extend(poll(&mut client, 1));
    assert_eq!(names(&handle(&mut server, &all)), ["begin", "piece", "end"]);
    let violation = session::Violation::ReceiveMaximumExceeded.into();
    assert_eq!(server.ended(), Err(Closed::Violated(violation)));
}

/// Each piece is a sign of life; the packet has its own time.
#[test]
fn pieces_are_signs_of_life() {
    for (limit, is_over) in [(secs(100), false), (secs(50), true)] {
        let mut server = server().packet_timeout(limit);
        let mut client = client(Session::new());
        client
            .connect(Version::V5, connect(Version::V5, 10))
            .unwrap();
        handle(&mut server, &poll_all(&mut client));
        server.accept(ZERO, ConnAck::new(OK), &mut None).unwrap();
        assert_eq!(handle(&mut client, &poll_all(&mut server)), []);
        client.publish(QoS::AtLeastOnce, kept("t", 300)).unwrap();
        let bytes = poll_all(&mut client);
        let mut now = ZERO;
        for piece in bytes.chunks(bytes.len() / 9) {
            let mut input = BytesMut::from(piece);
            while server.handle_bytes(now, &mut input).is_some() {}
            server.handle_timeout(now);
            now += secs(10);
        }
        assert_eq!(server.ended().is_err(), is_over);
    }
}

/// A message of each kind in each direction, cut anywhere: QoS 1 at least and QoS 2 exactly once,
/// each whole.
#[test]
fn cut_anywhere_each_message_comes_whole() {
    for version in BOTH {
        let whole = exchange(version, 1, usize::MAX);
        let mut random = Rng::new(7);
        for seed in 0..1_000 {
            exchange(version, seed, random.below(whole));
        }
    }
}

/// The bytes that went over the wire. After `cut` of them the network connection is lost, with what
/// is under way.
fn exchange(version: Version, seed: u64, cut: usize) -> usize {
    let mut random = Rng::new(seed);
    let (mut client, mut server) = connected(version);
    for (qos, len) in [
        (QoS::ExactlyOnce, 500),
        (QoS::AtLeastOnce, 3),
        (QoS::ExactlyOnce, 0),
        (QoS::AtLeastOnce, 400),
    ] {
        client.publish(qos, kept("up", len)).unwrap();
        server.publish(qos, kept("down", len + 1)).unwrap();
    }
    let (mut up, mut down) = (Arrived::default(), Arrived::default());
    let (mut sent, mut cut) = (0, Some(cut));
    loop {
        let most = u32::try_from(1 + random.below(300)).unwrap();
        let from_client = poll(&mut client, most);
        let from_server = poll(&mut server, most);
        if from_client.is_empty() && from_server.is_empty() {
            break;
        }
        let left = cut.map_or(usize::MAX, |cut| cut.saturating_sub(sent));
        sent += from_client.len() + from_server.len();
        up.take(&mut server, &from_client[..from_client.len().min(left)]);
        down.take(&mut client, &from_server[..from_server.len().min(left)]);
        if cut.is_some_and(|cut| cut <= sent) {
            cut = None;
            client.handle_close();
            server.handle_close();
            let kept = server.take_session().unwrap();
            (client, server) = resumed(version, &mut client, kept);
            (up.open, down.open) = (None, None);
        }
    }
    assert!(client.session().is_empty() && server.session().is_empty());
    for (arrived, more) in [(up, 0), (down, 1)] {
        let mut lens: Vec<_> = arrived
            .whole
            .iter()
            .map(|(qos, len)| (qos.level(), *len))
            .collect();
        lens.sort_unstable();
        assert!(
            lens.iter()
                .filter(|(qos, _)| *qos == 2)
                .eq(&[(2, more), (2, 500 + more)])
        );
        lens.dedup();
        assert_eq!(
            lens,
            [(1, 3 + more), (1, 400 + more), (2, more), (2, 500 + more)]
        );
    }
    sent
}

/// The messages that arrived.
#[derive(Default)]
struct Arrived {
    whole: Vec<(QoS, u32)>,
    open: Option<(u32, u32)>,
}

impl Arrived {
    fn take<R: Role>(&mut self, connection: &mut Connection<R, Kept>, bytes: &[u8]) {
        for incoming in handle(connection, bytes) {
            match incoming {
                Incoming::Begin(_, len) => assert_eq!(self.open.replace((0, len)), None),
                Incoming::Piece(bytes) => {
                    let (at, _) = self.open.as_mut().unwrap();
                    for found in bytes {
                        assert_eq!(found, byte(*at));
                        *at += 1;
                    }
                }
                Incoming::End(token) => {
                    let (at, len) = self.open.take().unwrap();
                    assert_eq!(at, len);
                    self.whole.push((token.qos(), len));
                    connection.acknowledge(token).unwrap();
                }
                Incoming::Message(message, token) => {
                    assert!((0..).map(byte).zip(&message.payload).all(|(a, b)| a == *b));
                    let len = u32::try_from(message.payload.len()).unwrap();
                    self.whole.push((token.qos(), len));
                    connection.acknowledge(token).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The server's connection to a client of this version.
fn subscriber(version: Version) -> server::Connection<Shared> {
    let mut server = server::Connection::keeping(ZERO, secs(1));
    let connect = Packet::from(connect(version, 0));
    let _ = server.handle_packet(ZERO, version, &connect).unwrap();
    server.accept(ZERO, ConnAck::new(OK), &mut None).unwrap();
    server.poll_bytes(ZERO, &mut Vec::new());
    server
}

/// A message for many is the same bytes, whether its payload is copied or written apart.
#[test]
fn a_shared_payload_apart_is_the_same_packet() {
    for version in BOTH {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let bytes = [false, true].map(|apart| {
                let mut server = subscriber(version);
                let shared = Shared::new(Message::new("t".parse().unwrap(), vec![b'x'; 300]));
                let shared = shared.with_ids(SubscriptionId::new(7)).with_retain(true);
                let shared = if apart { shared.apart() } else { shared };
                server.publish(qos, shared).unwrap();
                let mut out = Vec::new();
                server.poll_bytes(ZERO, &mut out);
                if let Some(part) = server.poll_payload() {
                    assert_eq!((out.len() < 40, part.len), (true, 300));
                    out.extend_from_slice(part.message.payload());
                    server.payload_written(ZERO, 300).unwrap();
                }
                out
            });
            assert!(bytes[0].len() > 300 && bytes[0] == bytes[1]);
        }
    }
}

/// A payload that is not what it is said to be is refused, also where it is written apart.
#[test]
fn a_shared_payload_is_checked() {
    let properties = MessageProperties::builder();
    let properties = properties.payload_format_indicator(PayloadFormat::Utf8);
    let mut message = Message::new("t".parse().unwrap(), &b"\xFF"[..]);
    message.properties = properties.build();
    for shared in [Shared::new(message.clone()), Shared::new(message).apart()] {
        for (version, sent) in [(Version::V311, true), (Version::V5, false)] {
            let published = subscriber(version).publish(QoS::AtMostOnce, shared.clone());
            let refused = published.err().map(|refused| refused.why);
            let expected = (!sent).then_some(ConnectionError::PayloadFormatInvalid);
            assert_eq!(refused, expected);
        }
    }
}
