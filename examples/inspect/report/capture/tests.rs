#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use super::made::*;
use super::packets::Exchange;
use super::*;
use mqtt_sansio::{Packet, PacketType, Rules, Version};

fn read(file: &[u8]) -> Capture {
    Capture::read(file, &[]).expect("a capture")
}

/// The packets of the only connection, and the rest in words.
fn told(capture: &Capture) -> Vec<String> {
    assert_eq!(capture.connections.len(), 1);
    say(&capture.connections[0].exchange(None, Rules::STRICT))
}

fn say(exchange: &Exchange) -> Vec<String> {
    let items = exchange.items.iter();
    let items = items.map(|item| match &item.what {
        What::Packet(packet) => packet.packet_type().to_string(),
        What::Stray => format!("stray {}", item.bytes.len()),
        What::Broken(_) => "broken".to_owned(),
        What::Skipped(_) => "skipped".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    });
    items.collect()
}

#[test]
fn reads_every_format_and_link() {
    for link in [0, 1, 12, 101, 108, 113, 228, 229, 276] {
        for v6 in [false, true] {
            let ip = |sent: &Sent<'_>| match v6 {
                true => sent.ipv6(),
                false => sent.ipv4(),
            };
            let frames: Vec<_> = exchange()
                .iter()
                .map(|sent| framed(link, v6, &ip(sent)))
                .collect();
            for big in [false, true] {
                let short = u16::try_from(link).unwrap();
                let files = [
                    pcap_of(link, big, &frames),
                    pcapng_of(short, big, false, &frames),
                    pcapng_of(short, big, true, &frames),
                ];
                for (format, file) in files.iter().enumerate() {
                    let capture = read(file);
                    let case = format!("link {link}, IPv6 {v6}, big endian {big}, format {format}");
                    assert!(capture.complaints().is_empty(), "{case}");
                    assert_eq!(told(&capture), ["CONNECT", "CONNACK", "PINGREQ"], "{case}");
                    let connection = &capture.connections[0];
                    assert_eq!(connection.client.port(), 50_000, "{case}");
                    assert_eq!(connection.server.ip().is_ipv6(), v6, "{case}");
                    if format < 2 {
                        assert_eq!(capture.time(0).as_secs(), 1_700_000_000, "{case}");
                        assert_eq!(capture.since_start(4).as_millis(), 1000, "{case}");
                    }
                }
            }
        }
    }
}

/// Any order, repetition and overlap of segments gives the same bytes, also where sequence numbers
/// wrap.
#[test]
fn puts_segments_in_order() {
    let stream: Vec<u8> = (0..2000u32).map(|index| (index * 7 % 251) as u8).collect();
    let mut random = Random(7);
    for round in 0..200 {
        let start = if round % 2 == 0 { 5 } else { u32::MAX - 700 };
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < stream.len() {
            let end = (at + 1 + random.below(120)).min(stream.len());
            // Some begin within what was sent before.
            let from = at.saturating_sub(random.below(3) * random.below(40));
            pieces.push((from, end));
            if random.below(4) == 0 {
                pieces.push((from, end));
            }
            at = end;
        }
        for index in 0..pieces.len() {
            let other = (index + random.below(6)).min(pieces.len() - 1);
            pieces.swap(index, other);
        }
        let syn = Sent {
            flags: SYN,
            ..sent(Side::Client, start, b"")
        };
        let mut all = vec![syn];
        all.extend(pieces.iter().map(|&(from, end)| {
            let sequence = start.wrapping_add(1 + u32::try_from(from).unwrap());
            sent(Side::Client, sequence, &stream[from..end])
        }));
        let capture = read(&pcap(&all));
        let runs = &capture.connections[0].sent_by_client.runs;
        assert_eq!(runs.len(), 1, "round {round}");
        assert!(runs[0].bytes == stream, "round {round}");
    }
}

/// Of bytes that came twice, and differ, those count that came first.
#[test]
fn keeps_the_first_of_a_repetition() {
    let mut all = exchange();
    all.push(sent(Side::Client, 115, b"\xE0\0"));
    let capture = read(&pcap(&all));
    assert_eq!(told(&capture), ["CONNECT", "CONNACK", "PINGREQ"]);
    assert_eq!(capture.connections[0].sent_by_client.repeated, 1);
}

#[test]
fn goes_on_behind_a_gap() {
    let publish = [b"\x30\x83\x01\0\x01t", &[b'x'; 128][..]].concat();
    assert_eq!(publish.len(), 134);
    // A gap within a packet whose length is known, then another packet.
    let mut all = exchange();
    let (head, tail) = (&publish[..40], &publish[80..]);
    all.push(sent(Side::Client, 117, head));
    all.push(sent(Side::Client, 197, tail));
    all.push(sent(Side::Client, 251, PING));
    let within = [
        "CONNECT",
        "CONNACK",
        "PINGREQ",
        "incomplete(94)",
        "gap(40)",
        "PINGREQ",
    ];
    assert_eq!(told(&read(&pcap(&all))), within);
    // Several within one packet are told as one.
    let mut all = exchange();
    for from in [0, 80, 120] {
        let end = (from + 20).min(publish.len());
        let sequence = 117 + u32::try_from(from).unwrap();
        all.push(sent(Side::Client, sequence, &publish[from..end]));
    }
    all.push(sent(Side::Client, 251, PING));
    let several = [
        "CONNECT",
        "CONNACK",
        "PINGREQ",
        "incomplete(114)",
        "gap(80)",
        "PINGREQ",
    ];
    assert_eq!(told(&read(&pcap(&all))), several);
    // Between packets: it goes on where a segment begins like a packet.
    let mut all = exchange();
    all.push(sent(Side::Client, 130, b"rest of a packet"));
    all.push(sent(Side::Client, 146, PING));
    let between = [
        "CONNECT", "CONNACK", "PINGREQ", "gap(13)", "stray 16", "PINGREQ",
    ];
    assert_eq!(told(&read(&pcap(&all))), between);
    // Beyond the packet.
    let mut all = exchange();
    all.push(sent(Side::Client, 117, head));
    all.push(sent(Side::Client, 257, b"rest of a packet"));
    all.push(sent(Side::Client, 273, PING));
    let beyond = [
        "CONNECT",
        "CONNACK",
        "PINGREQ",
        "incomplete(94)",
        "gap(100)",
        "stray 16",
        "PINGREQ",
    ];
    assert_eq!(told(&read(&pcap(&all))), beyond);
    // What the server acknowledged and was not seen.
    let mut all = exchange();
    let mut frames: Vec<_> = all.drain(..).map(|sent| sent.ipv4()).collect();
    let mut last = sent(Side::Server, 504, b"").ipv4();
    last[28..32].copy_from_slice(&130u32.to_be_bytes());
    frames.push(last);
    let end = ["CONNECT", "CONNACK", "PINGREQ", "gap(12)"];
    assert_eq!(told(&read(&pcap_of(101, false, &frames))), end);
}

/// FIN takes a number, and is no gap.
#[test]
fn closes_without_a_gap() {
    let mut all = exchange();
    all.push(Sent {
        flags: FIN | ACK,
        ..sent(Side::Client, 117, b"")
    });
    all.push(sent(Side::Client, 118, b""));
    let mut frames: Vec<_> = all.iter().map(Sent::ipv4).collect();
    let mut last = sent(Side::Server, 504, b"").ipv4();
    last[28..32].copy_from_slice(&118u32.to_be_bytes());
    frames.push(last);
    let capture = read(&pcap_of(101, false, &frames));
    assert_eq!(told(&capture), ["CONNECT", "CONNACK", "PINGREQ"]);
    let events: Vec<_> = capture.connections[0]
        .events
        .iter()
        .map(|&(_, event)| event)
        .collect();
    assert_eq!(events, [Event::Opened, Event::Closed(Side::Client)]);
}

/// `tcpdump -s`: the length of a frame tells what is missing.
#[test]
fn knows_what_a_frame_lacks() {
    let mut publish = b"\x30\x20\0\x01t".to_vec();
    publish.resize(34, b'x');
    let mut all = exchange();
    all.push(sent(Side::Client, 117, &publish));
    all.push(sent(Side::Client, 151, PING));
    let mut file = pcap(&all);
    let last = 16 + 40 + PING.len();
    let cut = file.len() - last - 10;
    file.drain(cut..cut + 10);
    let captured = cut - (40 + publish.len() - 10) - 8;
    file[captured..captured + 4].copy_from_slice(&(40u32 + 24).to_le_bytes());
    let capture = read(&file);
    assert!(capture.damage.is_none());
    let expected = [
        "CONNECT",
        "CONNACK",
        "PINGREQ",
        "incomplete(10)",
        "gap(10)",
        "PINGREQ",
    ];
    assert_eq!(told(&capture), expected);
    // At the end of all as well.
    file.truncate(file.len() - last);
    assert_eq!(told(&read(&file)), expected[..5]);
}

#[test]
fn tells_connections_apart() {
    let mut all = exchange();
    for sent in exchange() {
        all.push(Sent {
            ports: (50_001, 1883),
            ..sent
        });
    }
    // The first again, with the same ports.
    for sent in exchange() {
        all.push(Sent {
            sequence: sent.sequence + 70_000,
            ..sent
        });
    }
    let capture = read(&pcap(&all));
    assert_eq!(capture.connections.len(), 3);
    for connection in &capture.connections {
        let exchange = connection.exchange(None, Rules::STRICT);
        assert_eq!(say(&exchange), ["CONNECT", "CONNACK", "PINGREQ"]);
        assert!(exchange.guess.is_none());
    }
}

#[test]
fn knows_what_is_not_mqtt() {
    let of = |port: u16, client: &[u8], ports: &[u16]| {
        let sent = Sent {
            ports: (50_000, port),
            ..sent(Side::Client, 100, client)
        };
        let capture = Capture::read(&pcap(&[sent]), ports).expect("a capture");
        capture.connections[0].protocol
    };
    let hello = b"\x16\x03\x01\x02\0\x01";
    let upgrade = b"GET /mqtt HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n";
    assert_eq!(of(1883, hello, &[]), Protocol::Tls);
    assert_eq!(of(443, hello, &[]), Protocol::Tls);
    assert_eq!(of(8883, b"\x01\x02", &[]), Protocol::Tls);
    assert_eq!(of(8883, CONNECT, &[]), Protocol::Mqtt);
    assert_eq!(of(9001, upgrade, &[]), Protocol::WebSocket);
    assert_eq!(of(80, b"GET / HTTP/1.1\r\n\r\n", &[]), Protocol::Other);
    assert_eq!(of(7777, CONNECT, &[]), Protocol::Mqtt);
    assert_eq!(of(7777, PING, &[]), Protocol::Other);
    assert_eq!(of(7777, PING, &[7777]), Protocol::Mqtt);
    assert_eq!(of(1883, PING, &[]), Protocol::Mqtt);
}

/// A capture that begins later: the version is that in which more are packets.
#[test]
fn guesses_the_version() {
    let v311 = b"\x32\x08\0\x01t\0\x01abc";
    let v5 = b"\x32\x08\0\x01t\0\x01\0bc";
    for (bytes, expected) in [(v311, Version::V311), (v5, Version::V5)] {
        let all = [
            sent(Side::Client, 7, bytes),
            sent(Side::Server, 9, b"\x40\x02\0\x01"),
        ];
        let exchange = read(&pcap(&all)).connections[0].exchange(None, Rules::STRICT);
        assert_eq!(exchange.guess, Some(expected));
        assert_eq!(say(&exchange), ["PUBLISH", "PUBACK"]);
    }
}

#[test]
fn tells_fragments_and_unknown_links() {
    let mut frame = sent(Side::Client, 100, CONNECT).ipv4();
    frame[6] = 0x20;
    let capture = read(&pcap_of(101, false, &[frame.clone()]));
    assert_eq!(
        capture.complaints(),
        ["1 fragments of IP packets are left out"]
    );
    let capture = read(&pcap_of(147, false, &[frame]));
    assert_eq!(
        capture.complaints(),
        ["1 frames have the unknown link type 147"]
    );
    let compressed = read(b"\x1F\x8B\x08\0");
    assert_eq!(
        compressed.complaints(),
        ["damaged at byte 0: the file is compressed: unpack it first"]
    );
    assert!(Capture::read(CONNECT, &[]).is_none());
}

/// Whatever is cut off, the rest is read and the cut is told.
#[test]
fn tells_a_truncation_at_every_length() {
    let frames: Vec<_> = exchange().iter().map(Sent::ipv4).collect();
    let files = [
        pcap_of(101, true, &frames),
        pcapng_of(101, false, false, &frames),
        pcapng_of(101, true, true, &frames),
    ];
    for file in files {
        let whole = read(&file).times.len();
        let mut undamaged = 0;
        for len in 4..file.len() {
            let capture = read(&file[..len]);
            for connection in &capture.connections {
                connection.exchange(None, Rules::STRICT);
            }
            assert!(capture.times.len() < whole);
            undamaged += usize::from(capture.damage.is_none());
        }
        // Only where a frame or block ends.
        assert!(undamaged <= frames.len() + 3, "{undamaged}");
    }
}

/// No bytes make it fail.
#[test]
fn survives_damage() {
    let frames: Vec<_> = exchange()
        .iter()
        .map(|sent| framed(1, false, &sent.ipv4()))
        .collect();
    let real = include_bytes!("../../../../testdata/captures/both-exchange-mosquitto.pcap");
    let seeds = [
        pcap_of(1, false, &frames),
        pcapng_of(1, false, false, &frames),
        pcapng_of(1, true, true, &frames),
        real.to_vec(),
    ];
    let mut random = Random(11);
    for round in 0..4000 {
        let mut file = seeds[round % seeds.len()].clone();
        if round % 5 == 0 {
            let fill = 4 + random.below(200);
            file.truncate(4);
            file.resize_with(fill, || random.byte());
        }
        for _ in 0..random.below(8) {
            let at = 4 + random.below(file.len() - 4 + 1);
            if let Some(byte) = file.get_mut(at) {
                *byte = match random.below(3) {
                    0 => 0xFF,
                    1 => 0,
                    _ => random.byte(),
                };
            }
        }
        let capture = read(&file);
        capture.complaints();
        for connection in &capture.connections {
            connection.exchange(None, Rules::STRICT);
            connection.exchange(Some(Version::V5), Rules::LENIENT);
        }
    }
}

/// mosquitto_pub and mosquitto_sub with mosquitto.
#[test]
fn reads_a_real_exchange() {
    let file = include_bytes!("../../../../testdata/captures/both-exchange-mosquitto.pcap");
    let capture = read(file);
    assert!(capture.complaints().is_empty());
    assert_eq!(capture.connections.len(), 5);
    let mut packets = Vec::new();
    for connection in &capture.connections {
        for item in connection.exchange(None, Rules::STRICT).items {
            match item.what {
                What::Packet(packet) => packets.push(packet),
                other => panic!("{other:?}"),
            }
        }
    }
    let count = |kind| {
        packets
            .iter()
            .filter(|packet| packet.packet_type() == kind)
            .count()
    };
    assert_eq!((packets.len(), count(PacketType::Publish)), (37, 8));
    assert_eq!(
        (count(PacketType::PubAck), count(PacketType::PubComp)),
        (4, 2)
    );
    let text = packets.iter().any(|packet| match packet {
        Packet::Publish(publish) => publish.properties.content_type().is_some(),
        _ => false,
    });
    assert!(text);
}
