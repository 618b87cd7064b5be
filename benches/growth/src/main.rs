//! How costs grow: measures each curve, prints it as a table, and draws it beside this program.
//!
//! `cargo run --release --manifest-path benches/growth/Cargo.toml`, or `-- NAME` for some of them.
//! It takes some minutes and 3 GB of memory. The figures are of the machine; the shapes are not.

use std::alloc::System;
use std::path::Path;
use std::time::Instant;
use std::{env, hint};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

mod chart;
mod connections;
mod packets;
mod topics;

use chart::Chart;

type Failure = Box<dyn std::error::Error>;

/// Measures one chart.
type Curve = fn() -> Result<Chart, Failure>;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The nanoseconds that one of `count` takes, in the best of some rounds.
fn nanoseconds<T>(count: usize, mut work: impl FnMut() -> T) -> f64 {
    let round = |_| {
        let start = Instant::now();
        hint::black_box(work());
        start.elapsed().as_secs_f64()
    };
    let best = (0..9).map(round).fold(f64::INFINITY, f64::min);
    best * 1e9 / count as f64
}

/// What is made, and the bytes on the heap that it keeps.
fn heap<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(ALLOCATOR);
    let made = make();
    let change = region.change();
    (made, change.bytes_allocated - change.bytes_deallocated)
}

/// The powers of ten from one to the other, with two steps in between.
fn steps(from: usize, to: usize) -> impl Iterator<Item = usize> {
    let tens = std::iter::successors(Some(from), |ten| Some(ten * 10));
    let steps = tens.flat_map(|ten| [ten, ten * 2, ten * 5]);
    steps.take_while(move |&step| step <= to)
}

fn main() -> Result<(), Failure> {
    let wanted = env::args().nth(1).unwrap_or_default();
    let curves: [(&str, Curve); 6] = [
        ("filters", topics::filters),
        ("in-flight", connections::in_flight),
        ("connections", connections::connections),
        ("subscribers", connections::subscribers),
        ("payload", packets::payload),
        ("properties", packets::properties),
    ];
    for (name, measure) in curves {
        if name.contains(&wanted) {
            let chart = measure()?;
            chart.print(name);
            chart.draw(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.svg")))?;
        }
    }
    Ok(())
}
