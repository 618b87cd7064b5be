//! Compares `mqtt-sansio` with other MQTT crates: the same bytes and topics, in one process.
//!
//! ```text
//! cargo run --release --all-features --manifest-path benches/peers/Cargo.toml
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick --row PUBLISH
//! ```
//!
//! `--instructions` counts instructions instead of nanoseconds (see [`instructions`]).
//! `--checks` prints what each codec checks instead (see [`checks`]).
//! `--quick` runs fewer and shorter rounds, `--row SUBSTRING` only the rows whose name has the
//! substring, and both can be given. `--packets`, `--mixed`, `--topics` and `--exchanges` leave the
//! rest out. Without `--all-features`, the peers with many dependencies are left out.
//!
//! # How to read the tables
//!
//! There is one table for each of borrowed decode, owned decode, and encode into a slice, a
//! `BytesMut` and a `Vec`, with one row a packet; one for a mixed stream (see [`mixed`]); and one
//! each for matching topics and for an index of filters (see [`topics`]).
//! A cell `118 (3)` is 118 ns a packet in the best round and 3 heap allocations a packet; `-` means
//! that the codec has no such form or not that version. The last columns divide the time of ours
//! by that of the fastest peer of the row, so below 1 is faster, and by that of the floor. `floor`
//! is what no decoder of a PUBLISH can skip: the fixed header and a checked topic.
//!
//! What each codec is asked to do is in the table of [`peers`]. Before anything is timed, every
//! decode has to succeed and every encode of what was decoded has to give the bytes of [`packets`]
//! again, or others that mean the same, where that table says so.
//!
//! # How it is measured
//!
//! The candidates of a row take turns, less than a millisecond each, for a hundred rounds, so that a
//! change in the machine's speed reaches all of them. The best round counts, as what disturbs a
//! machine only makes it slower. Dropping what was decoded is inside the loop, preparing the input
//! is not (see [`timing`]).

#[path = "../../../fuzz/differential/src/peers.rs"]
#[expect(
    dead_code,
    reason = "the values that it reads are compared there alone"
)]
mod asked;
#[path = "../../../fuzz/differential/src/body.rs"]
mod body;
mod checks;
mod exchanges;
#[path = "../../../tests/support/src/hex.rs"]
mod hex;
mod instructions;
mod mixed;
mod packets;
mod peers;
#[path = "../../../fuzz/differential/src/read.rs"]
#[expect(
    dead_code,
    reason = "the values that it reads are compared there alone"
)]
mod read;
#[path = "../../../fuzz/differential/src/rules.rs"]
#[expect(dead_code, reason = "the names of rules are printed there alone")]
mod rules;
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
    let (mut only, mut count) = (None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => effort = Effort::QUICK,
            "--instructions" => count = true,
            "--once" => effort = Effort::Once,
            "--packets" | "--mixed" | "--topics" | "--exchanges" => only = Some(argument),
            "--checks" => return checks::print(),
            "--row" => filter = arguments.next().expect("--row needs a substring"),
            other => panic!("unknown argument {other}; see the comment of main.rs"),
        }
    }
    if count {
        effort = instructions::count(only.as_deref(), &filter);
    }
    let asked = |part: &str| only.as_ref().is_none_or(|only| only == part);
    table::print_versions();
    if asked("--packets") {
        let cases: Vec<_> = packets::cases()
            .into_iter()
            .filter(|case| case.name.contains(&filter))
            .collect();
        for group in peers::GROUPS {
            table::print(group, &cases, effort);
        }
    }
    if asked("--mixed") {
        mixed::print(&filter, effort);
    }
    if asked("--topics") {
        topics::print(&filter, effort);
    }
    if asked("--exchanges") {
        exchanges::print(&filter, effort);
    }
}
