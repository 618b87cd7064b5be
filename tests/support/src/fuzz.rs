//! What the fuzz targets call, so that a stable toolchain can call it, too.

use mqtt_sansio::Version;

use crate::{broker, check, doors, drive, exchanges, history, pieces, rules, topic};
pub use crate::{proxy::proxy, stored::stored};

/// Any bytes decode or are refused, in every form and role.
pub fn decode(bytes: &[u8]) {
    check::decode(bytes);
}

/// What decodes encodes to itself, and so does any packet that can be made.
pub fn round_trip(bytes: &[u8]) {
    check::round_trip(Version::V311, bytes);
    check::round_trip(Version::V5, bytes);
    check::arbitrary_packet(bytes);
}

/// A stream gives the same packets however it is cut.
pub fn stream(bytes: &[u8]) {
    check::stream(bytes);
}

/// A message, and the format of a payload, is the same in pieces, at any threshold and any split.
pub fn pieces(bytes: &[u8]) {
    pieces::pieces(bytes);
}

/// Topics are valid, match and cover each other as the rules say in plain words.
pub fn matching(bytes: &[u8]) {
    topic::matching(bytes);
}

/// Both topic trees hold and find what a scan finds, and nothing once they are emptied.
pub fn trees(bytes: &[u8]) {
    topic::trees(bytes);
}

/// Connections keep the rules, whatever comes and in whatever order.
pub fn connection(bytes: &[u8]) {
    drive::server(bytes);
    drive::client(bytes);
    doors::doors(bytes);
    history::follow(bytes);
    // It takes much longer than all else.
    history::flood(&bytes[..bytes.len().min(64)]);
}

/// The reference broker serves well-behaved clients as the rules say, whatever strangers send, and
/// whenever it crashes.
pub fn broker(bytes: &[u8]) {
    broker::drive(bytes);
    broker::crash(bytes);
}

/// Any set of rules let go: what any bytes give is valid, and exchanges go as those rules say.
pub fn rules(bytes: &[u8]) {
    rules::rules(bytes);
    exchanges::exchanges(bytes);
}

/// What a fuzzer calls.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("decode", decode),
    ("round_trip", round_trip),
    ("stream", stream),
    ("pieces", pieces),
    ("matching", matching),
    ("trees", trees),
    ("connection", connection),
    ("broker", broker),
    ("proxy", proxy),
    ("stored", stored),
    ("rules", rules),
];

/// Runs a target on the files that the command line names: how to look at what a fuzzer found.
pub fn replay_arguments(target: Target) {
    for file in std::env::args().skip(1) {
        println!("{file}");
        target(&std::fs::read(&file).unwrap());
    }
}
