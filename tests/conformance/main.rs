//! Conformance, statement by statement: each test names the normative statements that it proves,
//! and runs in both versions where both have them. `testdata/statements` lists all there are.
//!
//! `cargo test --test conformance -- --nocapture coverage` prints how many of them have what, and
//! `cargo test --test conformance -- --statement "5.0 MQTT-3.1.2-4 server"` runs what proves that.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{env, panic, thread};

use libtest_mimic::{Arguments, Failed, Trial};
use mqtt_sansio::Version;

use crate::statements::{Filter, proof};

mod acks;
mod aliases;
mod auth;
mod clean_start;
mod client_id;
mod connack;
mod connack_limits;
mod connect;
mod connect_limits;
mod coverage;
mod data_representation;
mod defaults;
mod disconnect;
mod enhanced_auth;
mod errors;
mod flow_control;
mod ordering;
mod packet_format;
mod ping;
mod publish;
mod qos;
mod retained;
mod retry;
mod session_state;
mod shared_subscriptions;
mod sides;
mod silence;
mod statements;
mod subscribe;
mod topics;
mod transport;
mod unsubscribe;
mod vectors;
mod will;
mod writers;

/// One test, and the statements that it proves: `3.1.0-1` is `MQTT-3.1.0-1`, for each side that it
/// binds, and `3.1.2-4 client` proves one of both.
struct Test {
    name: &'static str,
    v311: &'static [&'static str],
    v5: &'static [&'static str],
    run: fn(Version),
}

impl Test {
    const fn proves(&self, version: Version) -> &'static [&'static str] {
        match version {
            Version::V311 => self.v311,
            Version::V5 => self.v5,
        }
    }
}

/// All tests, by the chapters of MQTT 5.0. A rule of 3.1.1 stands where 5.0 has it.
const CHAPTERS: &[(&str, &[Test])] = &[
    ("data_representation", data_representation::TESTS),
    ("packet_format", packet_format::TESTS),
    ("connect", connect::TESTS),
    ("clean_start", clean_start::TESTS),
    ("connect_limits", connect_limits::TESTS),
    ("client_id", client_id::TESTS),
    ("will", will::TESTS),
    ("connack", connack::TESTS),
    ("connack_limits", connack_limits::TESTS),
    ("defaults", defaults::TESTS),
    ("silence", silence::TESTS),
    ("publish", publish::TESTS),
    ("aliases", aliases::TESTS),
    ("retained", retained::TESTS),
    ("acks", acks::TESTS),
    ("subscribe", subscribe::TESTS),
    ("unsubscribe", unsubscribe::TESTS),
    ("ping", ping::TESTS),
    ("disconnect", disconnect::TESTS),
    ("auth", auth::TESTS),
    ("session_state", session_state::TESTS),
    ("qos", qos::TESTS),
    ("retry", retry::TESTS),
    ("ordering", ordering::TESTS),
    ("topics", topics::TESTS),
    ("shared_subscriptions", shared_subscriptions::TESTS),
    ("flow_control", flow_control::TESTS),
    ("enhanced_auth", enhanced_auth::TESTS),
    ("errors", errors::TESTS),
    ("transport", transport::TESTS),
];

const BOTH: [Version; 2] = [Version::V311, Version::V5];

fn label(version: Version) -> &'static str {
    match version {
        Version::V311 => "v311",
        Version::V5 => "v5",
    }
}

/// Far longer than any test takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a test, which fails if it hangs: then its thread ends with the process.
fn in_time(run: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Result<(), Failed> {
    let (done, ended) = mpsc::channel::<()>();
    let test = thread::spawn(move || {
        let _done = done;
        run()
    });
    match ended.recv_timeout(PATIENCE) {
        Err(RecvTimeoutError::Timeout) => Err("it hangs".into()),
        _ => test.join().unwrap_or_else(|why| panic::resume_unwind(why)),
    }
}

/// What proves what the filter asks for.
fn trials(filter: Option<&Filter>) -> Vec<Trial> {
    let asks = |version, texts: &[&str]| {
        let proofs = texts.iter().map(|text| proof(text));
        let mut pairs = proofs.flat_map(|(id, sides)| sides.iter().map(move |&side| (id, side)));
        filter.is_none_or(|filter| pairs.any(|(id, side)| filter.asks(version, id, side)))
    };
    let mut trials = Vec::new();
    for &(chapter, tests) in CHAPTERS {
        for test in tests {
            for version in BOTH {
                if !test.proves(version).is_empty() && asks(version, test.proves(version)) {
                    let name = format!("{chapter}::{}::{}", test.name, label(version));
                    let run = move || {
                        (test.run)(version);
                        coverage::drives(version, test.proves(version))
                    };
                    trials.push(Trial::test(name, move || in_time(run)));
                }
            }
        }
    }
    trials.extend(vectors::trials(filter));
    trials
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().collect();
    let filter = arguments
        .iter()
        .position(|it| it == "--statement")
        .map(|at| {
            let mut taken = arguments.drain(at..(at + 2).min(arguments.len()));
            Filter::new(&taken.nth(1).unwrap_or_default())
        });
    let arguments = Arguments::from_iter(arguments);
    let mut trials = trials(filter.as_ref());
    if filter.is_none() {
        let print = arguments.nocapture;
        trials.push(Trial::test("coverage", move || coverage::check(print)));
        trials.push(Trial::test("faults_are_found", || {
            coverage::faults_are_found();
            Ok(())
        }));
    } else if trials.is_empty() {
        eprintln!("nothing proves it");
        return ExitCode::from(2);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
