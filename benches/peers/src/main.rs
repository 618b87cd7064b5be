//! Compares `mqtt-sansio` with other MQTT crates: the same bytes and topics, in one process.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick --row PUBLISH
//! ```
//!
//! `--quick` runs fewer and shorter rounds, `--row SUBSTRING` only the rows whose name has the
//! substring, and both can be given. `--topics` and `--exchanges` leave the rest out.
//!
//! # How to read the tables
//!
//! There is one table for each of borrowed decode, owned decode and encode, and one row a packet;
//! and one each for matching topics and for an index of filters (see [`topics`]).
//! A cell `118 (3)` is the median of 118 ns a packet and 3 heap allocations a packet; `-` means
//! that the codec has no such form or not that version. The last columns divide the median of
//! ours by that of the fastest peer of the row, so below 1 is faster. `floor` is what no decoder
//! of a PUBLISH can skip: the fixed header and a checked topic.
//!
//! What each codec is asked to do is in the table of [`peers`]. Before anything is timed, every
//! decode has to succeed and every encode of what was decoded has to give the bytes of [`packets`]
//! again, or others that mean the same, where that table says so.
//!
//! # How it is measured
//!
//! The candidates of a row take turns, a few milliseconds each, for a number of rounds, so that a
//! change in the machine's speed reaches all of them; the median is over the rounds. Dropping what
//! was decoded is inside the loop, preparing the input is not (see [`timing`]).

mod exchanges;
mod packets;
mod peers;
mod table;
mod timing;
mod topics;

use alloc_counter::AllocCounterSystem;
use timing::Effort;

#[global_allocator]
static ALLOCATOR: AllocCounterSystem = AllocCounterSystem;

fn main() {
    let mut effort = Effort::FULL;
    let mut filter = String::new();
    let (mut packets, mut topics, mut exchanges) = (true, true, true);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => effort = Effort::QUICK,
            "--topics" => (packets, exchanges) = (false, false),
            "--exchanges" => (packets, topics) = (false, false),
            "--row" => filter = arguments.next().expect("--row needs a substring"),
            other => panic!("unknown argument {other}; see the comment of main.rs"),
        }
    }
    let cases: Vec<_> = packets::cases()
        .into_iter()
        .filter(|case| packets && case.name.contains(&filter))
        .collect();
    table::print_versions();
    for group in peers::GROUPS.iter().filter(|_| packets) {
        table::print(group, &cases, effort);
    }
    if topics {
        topics::print(&filter, effort);
    }
    if exchanges {
        exchanges::print(&filter, effort);
    }
}
