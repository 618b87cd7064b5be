#[path = "../../../tests/support/src/hex.rs"]
mod hex;
#[path = "../../../tests/support/src/random.rs"]
mod random;

mod body;
mod classes;
mod compare;
mod frames;
mod ours;
mod peers;
mod read;
mod rules;
mod table;
mod wireshark;
mod workers;
mod write;

use std::process::ExitCode;

use frames::{Frame, Mutator};
use table::Table;
use wireshark::Wireshark;

/// Frames that are compared at a time.
const BATCH: usize = 20_000;

fn main() -> ExitCode {
    let (mut mutations, mut seed) = (5_000, 14);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().and_then(|text| text.parse().ok());
            value.unwrap_or_else(|| panic!("{argument} needs a number"))
        };
        match argument.as_str() {
            "--mutations" => mutations = number(),
            "--seed" => seed = number(),
            other => panic!("unknown argument {other}; see README.md"),
        }
    }
    // The threads of the peers print nothing.
    std::panic::set_hook(Box::new(|info| {
        if std::thread::current().name() != Some(workers::NAME) {
            eprintln!("{info}");
        }
    }));
    let given = frames::given();
    println!(
        "{} frames, {mutations} mutations of seed {seed}",
        given.len()
    );
    let mut table = Table::default();
    let mut wireshark = Wireshark::is_here().then(Wireshark::default);
    let mut mutator = Mutator::new(&given, seed);
    for batch in given.chunks(BATCH) {
        run(batch.to_vec(), &mut table, &mut wireshark);
    }
    let mut left = mutations as usize;
    while left > 0 {
        let len = left.min(BATCH);
        run(
            (0..len).map(|_| mutator.next()).collect(),
            &mut table,
            &mut wireshark,
        );
        left -= len;
    }
    match &mut wireshark {
        Some(wireshark) => wireshark.finish(&mut table),
        None => println!("NOT CHECKED: there is no tshark here"),
    }
    table.print();
    ExitCode::from(u8::from(table.failed()))
}

fn run(frames: Vec<Frame>, table: &mut Table, wireshark: &mut Option<Wireshark>) {
    let frames = std::sync::Arc::new(frames);
    let answers = workers::ask_all(&frames);
    for (at, frame) in frames.iter().enumerate() {
        let case = compare::Case::new(frame);
        table.own(&case);
        for (peer, answers) in peers::PEERS.iter().zip(&answers) {
            table.peer(&case, peer.name, &answers[at]);
        }
        if let Some(wireshark) = wireshark.as_mut().filter(|_| case.accepted()) {
            wireshark.push(frame, table);
        }
    }
}
