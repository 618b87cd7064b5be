//! All that can happen between two ends, as far as the bounds of a setting go: two sessions, or a
//! client's and a server's connection, joined by links that keep order and are cut at any point.
//!
//! Held in every state, by what the applications and an observer of the packets know (`app`): a
//! message of QoS 2 is taken over once, one that the peer is said to have is taken over; messages and
//! their acknowledgements keep the order of section 4.6; no packet identifier is in use twice; the
//! quotas and what is in flight make up what was agreed; each call has one outcome; a token that is
//! spent acknowledges nothing; what is stored is the session. And from every state, with a kind link,
//! all ends. No time passes.
//!
//! `cargo test --release --test model -- --ignored --nocapture whole` searches until nothing is new,
//! with `NAME=QUOTAS` in front for one setting alone. The largest, `ALL_OF_THREE`, is searched by
//! its name alone: its 307,588,472 states take some 40 minutes and 17 GB of memory.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

mod app;
mod connection;
mod packets;
mod search;
mod seeds;
mod session;
mod setting;
mod step;
mod table;
mod text;

use std::time::Instant;

use self::app::Broken;
use self::connection::ConnectionEnd;
use self::search::{Search, Violation};
use self::session::SessionEnd;
use self::setting::{ALL, Setting};
use self::step::{End, Step};

/// Searches histories of up to so many steps, and says what was seen.
fn search(setting: &'static Setting, depth: usize) {
    match setting.connections {
        true => search_with::<ConnectionEnd>(setting, depth),
        false => search_with::<SessionEnd>(setting, depth),
    }
}

fn search_with<E: End>(setting: &'static Setting, depth: usize) {
    let began = Instant::now();
    let seen = Search::<E>::new(setting).run(depth);
    let seen = seen.unwrap_or_else(|violation| panic!("{}", tell::<E>(setting, &violation)));
    assert!(seen.whole || depth < usize::MAX);
    println!(
        "{:23} {:>10} states, {:>11} steps, {:>8} ends, histories of up to {:>3}{}, {:.1} s",
        setting.name,
        seen.states,
        seen.steps,
        seen.ends,
        seen.depth,
        if seen.whole { ", whole" } else { "" },
        began.elapsed().as_secs_f32(),
    );
}

/// The history, and the same as a test.
fn tell<E: End>(setting: &'static Setting, violation: &Violation) -> String {
    let (told, _) = Search::<E>::new(setting).replay(&violation.steps);
    let (name, what, steps) = (setting.name, &violation.what, &violation.steps);
    let list: String = steps
        .iter()
        .map(|step| format!("        {step:?},\n"))
        .collect();
    format!(
        "{name}: {what}\nafter {} steps:\n  {}\n\n#[test]\nfn found() {{\n{USES}    \
         replay(&setting::{name}, &[\n{list}    ]);\n}}\n",
        steps.len(),
        told.join("\n  ")
    )
}

/// What such a test needs, as in `a_history_is_followed`.
const USES: &str = "    use mqtt_sansio::QoS::*;
    use setting::Keep::*;
    use step::{Op::*, Side::*, Step::*};

";

/// Follows one history and then a kind link until all has ended.
fn replay(setting: &'static Setting, steps: &[Step]) {
    let (told, result): (_, Result<(), Broken>) = match setting.connections {
        true => Search::<ConnectionEnd>::new(setting).replay(steps),
        false => Search::<SessionEnd>::new(setting).replay(steps),
    };
    assert_eq!(result, Ok(()), "{told:#?}");
}

#[test]
fn sessions() {
    for setting in ALL.iter().filter(|setting| !setting.connections) {
        search(setting, setting.depth);
    }
}

#[test]
fn connections() {
    for setting in ALL.iter().filter(|setting| setting.connections) {
        search(setting, setting.depth);
    }
}

#[test]
#[ignore = "takes minutes"]
fn whole() {
    let name = std::env::var("NAME").ok();
    let wanted = |setting: &Setting| match &name {
        Some(name) => name == setting.name,
        None => setting.name != setting::ALL_OF_THREE.name,
    };
    for setting in ALL.iter().filter(|setting| wanted(setting)) {
        search(setting, usize::MAX);
    }
}

/// What a state leaves out does not bear on what can be reached: without leaving it out, the same
/// states are found.
#[test]
fn merged_states_are_alike() {
    fn compare<E: End>(setting: &'static Setting, depth: usize) {
        let (mut merged, mut apart) =
            (Search::<E>::new(setting), Search::<E>::new(setting).apart());
        let seen = [&mut merged, &mut apart].map(|search| search.run(depth).unwrap());
        println!(
            "{}: {} ends, apart {}",
            setting.name, seen[0].ends, seen[1].ends
        );
        assert!(seen[0].ends < seen[1].ends);
        assert!(merged.keys() == apart.keys());
    }
    compare::<SessionEnd>(&setting::CRASHES, 7);
    compare::<SessionEnd>(&setting::TAKEN_BACK, 7);
    compare::<ConnectionEnd>(&setting::CONNECTIONS_BOTH_WAYS, 7);
}

/// A history in the form in which a violation is told.
#[test]
fn a_history_is_followed() {
    use mqtt_sansio::QoS::*;
    use setting::Keep::*;
    use step::{Op::*, Side::*, Step::*};

    replay(
        &setting::QUOTAS,
        &[
            On(A, Publish(ExactlyOnce)),
            Reconnect(Both, 0),
            On(A, Transmit),
            Deliver(B),
            On(B, Acknowledge(0, false)),
            CutLink,
        ],
    );
}
