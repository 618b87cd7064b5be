//! Our client with the brokers of others, and the clients of others with our broker, on loopback.
//!
//! `tests/interop/peers/install` installs them. Tests of those that are missing are ignored, and fail
//! with `INTEROP=required`. `cargo test --test interop -- matrix` runs all and prints a table.

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

mod bridge;
mod brokers;
mod cells;
mod convert;
mod link;
mod matrix;
mod mosquitto;
mod ours;
mod outcome;
mod peers;
mod process;
mod scenarios;
mod script;
mod setting;
mod v5;

use cells::{Cell, State};

/// They wait more than they work.
const THREADS: usize = 24;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads = args.test_threads.or(Some(THREADS));
    let cells = cells::all();
    if args.filter.as_deref() == Some("matrix") {
        return matrix::print(cells);
    }
    let required = std::env::var_os("INTEROP").is_some_and(|value| value == "required");
    for missing in cells::missing(&cells) {
        eprintln!("NOT CHECKED: {missing}");
    }
    let trials = cells.into_iter().filter_map(|cell| trial(cell, required));
    libtest_mimic::run(&args, trials.collect()).exit_code()
}

/// The test of a cell, unless the peer does not offer it.
fn trial(cell: Cell, required: bool) -> Option<Trial> {
    if let State::NotOffered(_) = cell.state {
        return None;
    }
    let missing = match &cell.state {
        State::Missing(why) => why.clone(),
        _ => String::new(),
    };
    let ignored = !missing.is_empty() && !required;
    let trial = Trial::test(cell.name(), move || Ok(cell.run().map(drop)?));
    Some(trial.with_kind(missing).with_ignored_flag(ignored))
}
