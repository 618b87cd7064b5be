//! Counts the instructions of decoding, encoding, exchanges and look-ups, and compares them with
//! `baseline.txt`.
//!
//! ```text
//! cargo run --release --manifest-path benches/instructions/Cargo.toml
//! cargo run --release --manifest-path benches/instructions/Cargo.toml -- --write
//! ```
//!
//! Unlike times, instructions are the same on a busy machine. valgrind counts them, each row in a
//! process of its own. A row that grew by more than 3 % fails; `--write` makes a new baseline, to be
//! committed with what changed it. The counts are those of one compiler and one libc, so with others
//! nothing is compared, and that is said. What libc would choose by the processor is pinned.

#[path = "../../peers/src/packets.rs"]
#[expect(dead_code, reason = "the comparison with peers needs more of it")]
mod packets;
mod rows;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, ExitCode};
use std::thread;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.txt");

/// What the counts depend on beside the code, then the counts by row.
type Baseline = (String, BTreeMap<String, u64>);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--row", row] => {
            rows::run(row);
            ExitCode::SUCCESS
        }
        ["--write"] => {
            let (tools, counts) = count();
            let rows = counts
                .iter()
                .map(|(row, count)| format!("{count:6} {row}\n"));
            let text = format!("{tools}\n{}", rows.collect::<String>());
            fs::write(BASELINE, text).expect("the baseline can be written");
            ExitCode::SUCCESS
        }
        [] => compare(&read(), &count()),
        _ => panic!("unknown arguments; see the comment of main.rs"),
    }
}

fn read() -> Baseline {
    let text = fs::read_to_string(BASELINE).expect("there is a baseline");
    let (tools, rows) = text
        .split_once('\n')
        .expect("the tools are in the first line");
    let rows = rows.lines().map(|line| {
        let (count, row) = line
            .trim_start()
            .split_once(' ')
            .expect("a count and a row");
        (row.to_owned(), count.parse().expect("a count"))
    });
    (tools.to_owned(), rows.collect())
}

/// Counts all rows, two at a time.
fn count() -> Baseline {
    let names = rows::names();
    let halves = names.chunks(names.len().div_ceil(2));
    let counts = thread::scope(|scope| {
        let counting = halves.map(|rows| {
            scope.spawn(|| {
                rows.iter()
                    .map(|row| (row.clone(), count_row(row)))
                    .collect::<Vec<_>>()
            })
        });
        let counting: Vec<_> = counting.collect();
        let counted = counting
            .into_iter()
            .map(|rows| rows.join().expect("valgrind counts"));
        counted.flatten().collect()
    });
    (tools(), counts)
}

/// The instructions for one packet, exchange or look-up.
fn count_row(row: &str) -> u64 {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=instructions::rows::measured*")
        .arg(program)
        .args(["--row", row])
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM",
        )
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let count = count.and_then(|(_, count)| count.trim().parse::<u64>().ok());
    match count {
        Some(count @ 1..) if output.status.success() => count / rows::TIMES as u64,
        _ => panic!("{row} is not counted: {said}"),
    }
}

fn tools() -> String {
    let first_line = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        let output = output.map(|output| output.stdout).unwrap_or_default();
        let text = String::from_utf8_lossy(&output).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    };
    format!("{}; {}", first_line("rustc"), first_line("ldd"))
}

fn compare((old_tools, old): &Baseline, (tools, new): &Baseline) -> ExitCode {
    let mut failed = false;
    for (row, &count) in new {
        let note = match old.get(row) {
            Some(&before) if count * 100 > before * 103 => "GREW",
            Some(_) => "",
            None => "NEW",
        };
        failed |= !note.is_empty();
        let before = old.get(row).map_or(0, |before| *before);
        println!("{before:6} {count:6} {row} {note}");
    }
    for row in old.keys().filter(|row| !new.contains_key(*row)) {
        println!("{row} is gone");
        failed = true;
    }
    if tools != old_tools {
        println!("NOT COMPARED: the baseline is of {old_tools}, this is {tools}");
        return ExitCode::SUCCESS;
    }
    if failed {
        println!("a row grew by more than 3 %, or the rows are others: see the comment of main.rs");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
