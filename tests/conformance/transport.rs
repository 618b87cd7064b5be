//! MQTT 5.0 sections 4.2, 6 and 7: the network connection, WebSocket and conformance.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use mqtt_sansio::connection::client;
use mqtt_sansio::{QoS, Version};
use support::notation::bytes;
use support::script::{ClientEnd, End, Net, connect, drive, message, subscriptions};

use crate::Test;
use crate::sides::Side;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "over_tcp",
        v311: &["7.1.1-1", "7.1.2-1"],
        v5: &["4.2.0-1"],
        run: over_tcp,
    },
    Test {
        name: "packets_may_be_cut_anywhere",
        v311: &["6.0.0-2"],
        v5: &["6.0.0-2"],
        run: packets_may_be_cut_anywhere,
    },
    Test {
        name: "server_that_is_also_a_client",
        v311: &["7.0.0-1"],
        v5: &[],
        run: server_that_is_also_a_client,
    },
    Test {
        name: "peers_without_extensions_are_served",
        v311: &["7.0.0-2"],
        v5: &[],
        run: peers_without_extensions_are_served,
    },
];

/// Carries bytes between a stream and one end, until that end is done.
fn carry<E: End>(mut stream: TcpStream, mut end: E, done: impl Fn(&E) -> bool) -> E {
    stream.set_nodelay(true).unwrap();
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).unwrap();
    let mut chunk = [0; 4_096];
    loop {
        stream.write_all(&end.take_output()).unwrap();
        if end.is_closing() || done(&end) {
            return end;
        }
        match stream.read(&mut chunk).unwrap() {
            0 => return end,
            len => end.handle_bytes(&chunk[..len]),
        }
    }
}

/// The broker and a client speak over a stream of TCP. Each message comes back whole, in order.
fn over_tcp(version: Version) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let broker = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let link = Net::new().open(version).end;
        carry(stream, link, |_| false);
    });
    let mut connection = client::Connection::new();
    connection.connect(version, connect("c")).unwrap();
    let end = ClientEnd::new(version, connection).end;
    let stream = TcpStream::connect(address).unwrap();
    let again = || stream.try_clone().unwrap();
    let mut end = carry(again(), end, |end| end.connection.is_connected());
    let filters = subscriptions("t", QoS::ExactlyOnce);
    end.connection.subscribe(filters).unwrap();
    let mut expected = Vec::new();
    for number in 0_usize..20 {
        let mut publish = message("t", "");
        let text: String = (number * 1_000..)
            .map(|n| format!("{n},"))
            .take(5_000)
            .collect();
        expected.push(format!("t={text}"));
        publish.payload = text.into();
        end.connection.publish(QoS::ExactlyOnce, publish).unwrap();
    }
    let end = carry(again(), end, |end| {
        end.delivered.len() == 20 && end.connection.session().is_empty()
    });
    assert_eq!(end.delivered, expected);
    stream.shutdown(Shutdown::Both).unwrap();
    broker.join().unwrap();
    drive(mqtt_sansio::Side::Server);
}

/// Cut once at each byte, cut at all of them, and not at all, the bytes are the same packets.
fn packets_may_be_cut_anywhere(version: Version) {
    let up = bytes(
        version,
        "10 ~ 'MQTT' VV 02 00 00 [] 'c' | 82 ~ 00 01 [] 't' 00 | 30 ~ 't' [] \"x\" | C0 00
         | 32 ~ 'u' 00 01 [] 61*200 | 34 ~ 't' 00 02 [] \"y\" | A2 ~ 00 02 [] 't' | C0 00",
    );
    let down = bytes(
        version,
        "20 ~ 00 00 [] | 30 ~ 't' [] \"x\" | 32 ~ 'u' 00 01 [] 61*200 | D0 00
         | 34 ~ 't' 00 02 [] \"y\" | 62 ~ 00 03",
    );
    let from_broker = |cuts: &mut dyn Iterator<Item = usize>| {
        let net = Net::with(|config| config.topic_alias_maximum = 0);
        let mut link = net.open(version).end;
        feed(&mut link, &up, cuts);
        assert!(!link.is_closing());
        link.take_output()
    };
    let from_client = |cuts: &mut dyn Iterator<Item = usize>| {
        let mut end = ClientEnd::connecting(version, connect("c")).end;
        feed(&mut end, &down, cuts);
        assert_eq!(
            end.delivered,
            ["t=x", &format!("u={}", "a".repeat(200)), "t=y"]
        );
        assert!(!end.is_closing());
        end.take_output()
    };
    let answers = from_client(&mut std::iter::empty());
    assert_eq!(
        answers,
        bytes(version, "70 ~ 00 03 {92} | 40 ~ 00 01 | 50 ~ 00 02")
    );
    for cut in 0..=down.len() {
        assert_eq!(from_client(&mut std::iter::once(cut)), answers, "{cut}");
    }
    assert_eq!(from_client(&mut (0..down.len())), answers);

    let answers = from_broker(&mut std::iter::empty());
    let expected = "20 ~ 00 00 [27 01 00 00 00] | 90 ~ 00 01 [] 00 | 40 ~ 00 01 {10} | D0 00
         | 50 ~ 00 02 | B0 ~ 00 02 [] {00} | D0 00 | 30 ~ 't' [] \"x\" | 30 ~ 't' [] \"y\"";
    assert_eq!(answers, bytes(version, expected));
    for cut in 0..=up.len() {
        assert_eq!(from_broker(&mut std::iter::once(cut)), answers, "{cut}");
    }
    assert_eq!(from_broker(&mut (0..up.len())), answers);
}

/// Hands bytes over in the pieces between these cuts.
fn feed(end: &mut impl End, bytes: &[u8], cuts: &mut dyn Iterator<Item = usize>) {
    let mut start = 0;
    for cut in cuts {
        end.handle_bytes(&bytes[start..cut]);
        start = cut;
    }
    end.handle_bytes(&bytes[start..]);
}

/// A broker that has a client's connection to another broker hands messages on in both directions,
/// each exactly once, and keeps to the rules of both sides at once.
fn server_that_is_also_a_client(version: Version) {
    let (own, far) = (Net::new(), Net::new());
    let mut here = own.connect(version, "here");
    here.subscribe("down/#", 2);
    let mut there = far.connect(version, "there");
    there.subscribe("up/#", 2);
    let mut connection = client::Connection::new();
    connection.connect(version, connect("bridge")).unwrap();
    let mut outbound = ClientEnd::new(version, connection).end;
    let mut link = far.open(version).end;
    let mut exchange = |outbound: &mut ClientEnd| {
        loop {
            let (up, down) = (outbound.take_output(), link.take_output());
            if up.is_empty() && down.is_empty() {
                return;
            }
            link.handle_bytes(&up);
            outbound.handle_bytes(&down);
        }
    };
    exchange(&mut outbound);
    let filters = subscriptions("down/#", QoS::ExactlyOnce);
    outbound.connection.subscribe(filters).unwrap();
    exchange(&mut outbound);
    // Up: a client of this broker publishes, and the other broker's client gets it.
    let mut tap = own.connect(version, "tap");
    tap.subscribe("up/#", 2);
    here.send("34 ~ 'up/1' 00 01 [] \"x\" | 62 ~ 00 01");
    here.expect("70 ~ 00 01");
    tap.expect("34 ~ 'up/1' 00 01 [] \"x\"");
    tap.send("50 ~ 00 01");
    tap.expect("62 ~ 00 01");
    tap.send("70 ~ 00 01");
    let publish = message("up/1", "x");
    outbound
        .connection
        .publish(QoS::ExactlyOnce, publish)
        .unwrap();
    exchange(&mut outbound);
    there.expect("34 ~ 'up/1' 00 01 [] \"x\"");
    there.send("50 ~ 00 01");
    there.expect("62 ~ 00 01");
    // Down: the other way.
    there.send("34 ~ 'down/1' 00 01 [] \"y\"");
    exchange(&mut outbound);
    assert_eq!(outbound.delivered, ["down/1=y"]);
    tap.send("34 ~ 'down/1' 00 01 [] \"y\"");
    here.expect("34 ~ 'down/1' 00 01 [] \"y\"");
    assert!(outbound.connection.session().is_empty());
    there.expect("50 ~ 00 01");
    there.expect_open();
    tap.expect("50 ~ 00 01");
    tap.expect_open();
    here.expect_open();
}

/// The smallest packets that the specification has are enough for all that both sides do.
fn peers_without_extensions_are_served(version: Version) {
    let mut client = Net::new().open(version);
    client.send("10 0D 00 04 \"MQTT\" VV 02 00 00 00 01 \"c\"");
    client.expect("20 02 00 00");
    client.send("82 06 00 01 00 01 \"t\" 02");
    client.expect("90 03 00 01 02");
    client.send("30 03 00 01 \"t\"");
    client.expect("30 03 00 01 \"t\"");
    client.send("32 05 00 01 \"t\" 00 02");
    client.expect("40 02 00 02 | 32 05 00 01 \"t\" 00 01");
    client.send("40 02 00 01 | 34 05 00 01 \"t\" 00 03");
    client.expect("50 02 00 03 | 34 05 00 01 \"t\" 00 02");
    client.send("62 02 00 03 | 50 02 00 02");
    client.expect("62 02 00 02 | 70 02 00 03");
    client.send("70 02 00 02 | C0 00");
    client.expect("D0 00");
    client.send("A2 05 00 04 00 01 \"t\"");
    client.expect("B0 02 00 04");
    client.expect_open();
    client.send("E0 00");
    client.expect_close();
    for mut side in Side::both(version) {
        side.publish(QoS::ExactlyOnce, "x");
        side.peer.expect("34 08 00 03 \"out\" 00 01 \"x\"");
        side.peer.send("50 02 00 01");
        side.peer.expect("62 02 00 01");
        side.peer
            .send("70 02 00 01 | 34 07 00 02 \"in\" 00 01 \"y\"");
        side.peer.expect("50 02 00 01");
        side.peer.send("62 02 00 01");
        side.peer.expect("70 02 00 01");
        assert_eq!(side.delivered(), ["in=y"]);
        side.peer.expect_open();
    }
}
