//! The statements that the bytes of one packet decide: each line of `testdata/vectors` that names
//! one holds, and what is refused also ends a connection.

use std::collections::BTreeSet;

use libtest_mimic::Trial;
use mqtt_sansio::connection::client;
use mqtt_sansio::packet::Connect;
use mqtt_sansio::{FrameDecoder, Packet, Side, Version};
use support::script::{ClientEnd, End, Net};
use support::vectors::{self, Expectation, Vector};

use crate::statements::{self, Who};
use crate::{BOTH, in_time, label};

/// What refused vectors of a version name: what is accepted alone proves nothing.
pub(crate) fn named(version: Version) -> BTreeSet<String> {
    let vectors = vectors::all();
    let refused = |vector: &&Vector| matches!(vector.expectation, Expectation::Error(_));
    let vectors = vectors.iter().filter(|vector| vector.version == version);
    let vectors = vectors.filter(refused);
    let ids = vectors.flat_map(|vector| &vector.statements);
    ids.filter_map(|id| Some(id.strip_prefix("MQTT-")?.to_owned()))
        .collect()
}

/// A test for each statement of the codec that vectors name.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for version in BOTH {
        let mut vectors = vectors::all();
        vectors.retain(|vector| vector.version == version);
        for statement in statements::all(version) {
            let id = format!("MQTT-{}", statement.id);
            let names = |vector: &&Vector| vector.statements.contains(&id);
            let vectors: Vec<Vector> = vectors.iter().filter(names).cloned().collect();
            if statement.who == Who::Codec && !vectors.is_empty() {
                let name = format!("vectors::{}::{}", statement.id, label(version));
                let run = move || {
                    for vector in &vectors {
                        let outcome = vector.check();
                        outcome.map_err(|outcome| format!("{}: {outcome}", vector.name))?;
                        ends_connections(vector);
                    }
                    Ok(())
                };
                trials.push(Trial::test(name, move || in_time(run)));
            }
        }
    }
    trials
}

/// What is refused is the last that a connection takes.
fn ends_connections(vector: &Vector) {
    let Expectation::Error(codes) = &vector.expectation else {
        return;
    };
    let name = &vector.name;
    let begins = |packet: u8| vector.bytes.first() == Some(&packet);
    // The broker speaks the other version, too.
    let mut decoder = FrameDecoder::server();
    let first = decoder.decode(&mut &vector.bytes[..]);
    let other = matches!(first, Ok(Some(_))) && decoder.version() != Some(vector.version);
    if vector.sender != Some(Side::Server) && !other {
        let net = Net::new();
        let mut client = match begins(0x10) {
            true => net.open(vector.version),
            false => net.connect(vector.version, "c"),
        };
        client.send_bytes(&vector.bytes);
        // 3.1.1 names no reasons, but for a level that nobody speaks.
        if client.peek() == [0x20, 0x02, 0x00, 0x01] {
            assert!(codes.is_empty() || codes.contains(&0x84), "{name}");
        } else if vector.version == Version::V5 {
            let code = match client.receive_all().pop() {
                Some(Packet::Disconnect(last)) => last.reason.to_u8(),
                Some(Packet::ConnAck(last)) if begins(0x10) => last.reason.to_u8(),
                // Another protocol, in whose words there is no answer.
                None if begins(0x10) && codes.contains(&0x84) => 0x84,
                other => panic!("{name}: {other:?}"),
            };
            assert!(codes.contains(&code), "{name}: {code:#04x}");
        }
        assert!(client.end.is_closing(), "{name}: the broker goes on");
    }
    if vector.sender != Some(Side::Client) {
        let mut connection = client::Connection::new();
        let connect = Connect::new("c".parse().unwrap());
        connection.connect(vector.version, connect).unwrap();
        let mut server = ClientEnd::new(vector.version, connection);
        let _connect = server.receive();
        if !begins(0x20) {
            server.send("20 ~ 00 00 []");
        }
        server.send_bytes(&vector.bytes);
        let _disconnect = server.receive_all();
        assert!(server.end.is_closing(), "{name}: the client goes on");
    }
}
