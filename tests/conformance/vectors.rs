//! The statements that the bytes of one packet decide: each line of `testdata/vectors` that names
//! one holds, through the codec and through an end of the side that it proves.

use std::collections::{BTreeSet, HashSet};

use libtest_mimic::Trial;
use mqtt_sansio::connection::{Closed, client};
use mqtt_sansio::packet::Connect;
use mqtt_sansio::{FrameDecoder, Packet, Side, Version};
use support::script::{ClientEnd, End, Net, ServerEnd};
use support::vectors::{self, Expectation, Vector};

use crate::coverage::Proved;
use crate::statements::{self, Filter, Statement, Who, name};
use crate::{BOTH, in_time, label, writers};

/// How a vector proves a side.
#[derive(Clone, Copy, Debug)]
enum Proof {
    /// The side refuses what it gets.
    Refuses,
    /// The side takes what it gets. That proves nothing of a numbered statement.
    Takes,
    /// The side, which alone has such packets, sends these bytes.
    Writes,
}

fn proof(vector: &Vector, statement: &Statement, side: Side) -> Option<Proof> {
    let is_own = vector.sender == Some(side);
    match vector.expectation {
        Expectation::Error(_) => (!is_own).then_some(Proof::Refuses),
        Expectation::Ok(_) if is_own => writers::writes(vector).then_some(Proof::Writes),
        _ if statement.is_numbered() => None,
        Expectation::Ok(_) => Some(Proof::Takes),
        _ => None,
    }
}

/// The vectors of a version that name a statement.
fn naming<'v>(statement: &'v Statement, vectors: &'v [Vector]) -> impl Iterator<Item = &'v Vector> {
    let id = statement.full_id();
    let names = move |vector: &&Vector| vector.statements.contains(&id);
    vectors.iter().filter(names)
}

fn all(version: Version) -> Vec<Vector> {
    let mut vectors = vectors::all();
    vectors.retain(|vector| vector.version == version);
    vectors
}

/// All that the vectors of a version name.
pub(crate) fn named(version: Version) -> BTreeSet<String> {
    let vectors = all(version);
    vectors.into_iter().flat_map(|it| it.statements).collect()
}

/// The sides that the vectors of a version prove.
pub(crate) fn proved(version: Version, statements: &[Statement]) -> Proved {
    let vectors = all(version);
    let mut proved = HashSet::new();
    for statement in statements {
        for &side in statement.binds {
            let is_proof = |vector: &Vector| proof(vector, statement, side).is_some();
            if naming(statement, &vectors).any(is_proof) {
                proved.insert((statement.id.clone(), side));
            }
        }
    }
    proved
}

/// A test for each side of each statement of the codec that vectors prove, and the filter asks for.
pub(crate) fn trials(filter: Option<&Filter>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for version in BOTH {
        let asks = |id: &str, side| filter.is_none_or(|filter| filter.asks(version, id, side));
        let mut statements = statements::all(version);
        statements
            .retain(|it| it.who == Who::Codec && it.binds.iter().any(|&side| asks(&it.id, side)));
        if statements.is_empty() {
            continue;
        }
        let vectors = all(version);
        for statement in statements {
            for &side in statement.binds {
                if !asks(&statement.id, side) {
                    continue;
                }
                let proofs: Vec<(Vector, Option<Proof>)> = naming(&statement, &vectors)
                    .map(|vector| (vector.clone(), proof(vector, &statement, side)))
                    .collect();
                if proofs.iter().all(|(_, proof)| proof.is_none()) {
                    continue;
                }
                let run = move || {
                    for (vector, proof) in &proofs {
                        let outcome = vector.check();
                        outcome.map_err(|outcome| format!("{}: {outcome}", vector.name))?;
                        match proof {
                            Some(Proof::Refuses) => refuses(vector, side),
                            Some(Proof::Takes) => takes(vector, side),
                            Some(Proof::Writes) => writers::check(vector),
                            None => {}
                        }
                    }
                    Ok(())
                };
                let id = &statement.id;
                let name = format!("vectors::{id}::{}::{}", label(version), name(side));
                trials.push(Trial::test(name, move || in_time(run)));
            }
        }
    }
    trials
}

/// A client that has sent CONNECT, and was sent CONNACK if that is not what the vector is.
fn connected(vector: &Vector) -> support::script::Script<ClientEnd> {
    let mut connection = client::Connection::new().max_packet_size(u32::MAX);
    let connect = Connect::new("c".parse().unwrap());
    connection.connect(vector.version, connect).unwrap();
    let mut server = ClientEnd::new(vector.version, connection);
    let _connect = server.receive();
    if vector.bytes.first() != Some(&0x20) {
        server.send("20 ~ 00 00 []");
    }
    server
}

/// What is refused is the last that a connection takes.
fn refuses(vector: &Vector, side: Side) {
    match side {
        Side::Server => broker_refuses(vector),
        Side::Client => {
            let mut server = connected(vector);
            server.send_bytes(&vector.bytes);
            let _disconnect = server.receive_all();
            let name = &vector.name;
            assert!(server.end.is_closing(), "{name}: the client goes on");
        }
    }
}

/// Nothing in it is malformed to a connection.
fn takes(vector: &Vector, side: Side) {
    let ended = match side {
        Side::Client => {
            let mut server = connected(vector);
            server.send_bytes(&vector.bytes);
            server.end.connection.ended()
        }
        Side::Server => {
            let mut client = match vector.bytes.first() {
                Some(0x10) => ServerEnd::new(vector.version),
                _ => ServerEnd::plain(vector.version),
            };
            client.send_bytes(&vector.bytes);
            client.end.connection.ended()
        }
    };
    assert!(
        !matches!(ended, Err(Closed::Malformed(_))),
        "{}: {ended:?}",
        vector.name
    );
}

fn broker_refuses(vector: &Vector) {
    let Expectation::Error(codes) = &vector.expectation else {
        return;
    };
    let name = &vector.name;
    let begins = |packet: u8| vector.bytes.first() == Some(&packet);
    // The broker speaks the other version, too.
    let mut decoder = FrameDecoder::server();
    let first = decoder.decode(&mut &vector.bytes[..]);
    if matches!(first, Ok(Some(_))) && decoder.version() != Some(vector.version) {
        return;
    }
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
