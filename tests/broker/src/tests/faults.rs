use super::*;

/// What ends a connection, with the answer that 5.0 gets, and nothing else.
#[test]
fn bad_input_closes_that_connection_alone() {
    let cases: [(&[u8], ReasonCode); 7] = [
        (b"\x00\x00", ReasonCode::MalformedPacket),
        (
            b"\x10\x0D\0\x04MQTT\x05\x02\0\0\0\0\0",
            ReasonCode::ProtocolError,
        ),
        (b"\x36\x04\0\x01t\0", ReasonCode::MalformedPacket),
        (b"\x30\x04\0\x01+\0", ReasonCode::MalformedPacket),
        (b"\x20\x03\0\0\0", ReasonCode::ProtocolError),
        (b"\x40\x02\0\x09", ReasonCode::Success),
        (b"\xE0\x07\0\x05\x11\0\0\0\x01", ReasonCode::ProtocolError),
    ];
    let mut net = Net::new(quiet());
    let mut other = net.join(Version::V5, "other");
    for (bytes, reason) in cases {
        let mut a = net.join(Version::V5, "a");
        net.bytes(&a, bytes);
        if reason == ReasonCode::Success {
            // An acknowledgement of what is not known is ignored or refused, but no more.
            net.cut(&a);
            continue;
        }
        let last = net.last_words(&mut a);
        let expected = Disconnect::new(reason);
        assert_eq!(last, [Packet::Disconnect(expected)], "{bytes:x?}");
        net.send(&other, Packet::PingReq);
        assert_eq!(net.receive(&mut other), [Packet::PingResp]);
    }
}

#[test]
fn says_nothing_in_311() {
    let mut net = Net::new(quiet());
    for bytes in [
        &b"\x00\x00"[..],
        b"\x36\x03\0\x01t",
        b"\x30\x03\0\x01+",
        b"\xF0\x00",
    ] {
        let mut a = net.join(Version::V311, "a");
        net.bytes(&a, bytes);
        assert_eq!(net.last_words(&mut a), []);
    }
}

#[test]
fn unknown_versions_are_told() {
    let mut net = Net::new(quiet());
    let peer = net.open(Version::V311);
    net.bytes(&peer, b"\x10\x0D\0\x04MQTT\x03\x02\0\0\0\x01a");
    assert_eq!(&net.broker.take_output(peer.id)[..], b"\x20\x02\0\x01");
    assert!(net.broker.is_closing(peer.id));
    let peer = net.open(Version::V5);
    net.bytes(&peer, b"\x10\x0E\0\x04MQTT\x06\x02\0\0\0\0\x01a");
    assert_eq!(&net.broker.take_output(peer.id)[..], b"\x20\x02\0\x01");
    assert!(net.broker.is_closing(peer.id));
}

#[test]
fn nothing_comes_before_connect() {
    let mut net = Net::new(quiet());
    for bytes in [&b"\xC0\x00"[..], b"\x30\x03\0\x01t", b"GET / HTTP/1.1\r\n"] {
        let mut peer = net.open(Version::V5);
        net.bytes(&peer, bytes);
        let last = net.last_words(&mut peer);
        assert!(
            last.iter()
                .all(|packet| matches!(packet, Packet::ConnAck(c) if c.reason.is_error()))
        );
    }
    let mut silent = net.open(Version::V5);
    net.wait(seconds(10));
    assert_eq!(net.last_words(&mut silent), []);
    assert!(net.broker.links.is_empty());
}

/// What comes at once with DISCONNECT, or with what is no packet, is answered, too [MQTT-3.1.4-5]
/// [MQTT-3.3.4-1].
#[test]
fn answers_come_before_the_end() {
    for version in BOTH {
        let mut start = Vec::new();
        for packet in [
            Packet::Connect(connect(version, "a", true, 0)),
            Packet::Publish(message(QoS::AtLeastOnce, 1, "t", "m")),
            Packet::PingReq,
        ] {
            packet.encode(version, &mut start).unwrap();
        }
        for (end, reason) in [
            (b"\xE0\0", None),
            (b"\0\0", Some(ReasonCode::MalformedPacket)),
        ] {
            let mut net = Net::new(quiet());
            let mut peer = net.open(version);
            net.bytes(&peer, &[&start[..], end].concat());
            let words = net.last_words(&mut peer);
            let [
                Packet::ConnAck(_),
                Packet::PingResp,
                Packet::PubAck(_),
                last @ ..,
            ] = &words[..]
            else {
                panic!("{words:?}");
            };
            let reason = reason.filter(|_| version == Version::V5);
            let told = reason.map(|reason| Packet::from(Disconnect::new(reason)));
            assert_eq!(last, told.as_slice());
        }
    }
}

/// Every prefix of a conversation, cut there: nothing is left but what the session keeps.
#[test]
fn cut_anywhere() {
    let mut script = Vec::new();
    for packet in [
        Packet::Connect(connect(Version::V5, "a", true, 0)),
        Packet::Publish(retained(message(QoS::ExactlyOnce, 1, "t", "m"))),
        Packet::PubRel(Ack::new(id(1))),
        Packet::PingReq,
        Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
    ] {
        packet.encode(Version::V5, &mut script).unwrap();
    }
    for end in 0..=script.len() {
        let mut net = Net::new(quiet());
        let peer = net.open(Version::V5);
        for byte in &script[..end] {
            net.bytes(&peer, &[*byte]);
        }
        net.cut(&peer);
        let broker = &net.broker;
        assert!(broker.links.is_empty() && broker.clients.is_empty() && broker.names.is_empty());
        assert!(
            broker.pending.is_empty() && broker.next_timeout().is_none(),
            "{end}"
        );
    }
}
