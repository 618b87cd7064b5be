//! What was tried and how it went, as a table.

use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use crate::THREADS;
use crate::cells::{Cell, State, Went, level};
use crate::peers::{self, BOTH, OURS, Peer};
use crate::scenarios::SCENARIOS;

/// What is not run here: these brokers have no packages.
const OUTSIDE: &str = "\
### measured outside

| `client::Connection` with | MQTT 3.1.1 and 5.0 together |
|---|---|
| EMQ X 4.2.14 | 38 of 39 cells |
| EMQX 5.0.26 | 38 of 39 cells |

The one of each shows PUBREC 0x91 to a repeated PUBLISH that it has. Newer scenarios are not in the count.";

/// A cell and how it went.
struct Tried {
    cell: Cell,
    outcome: Option<Result<Went, String>>,
}

/// Runs all cells and prints them. Fails if one of them does.
pub(crate) fn print(cells: Vec<Cell>) -> ExitCode {
    let tried = run(cells);
    let mut notes = Vec::new();
    for (title, peers) in [
        (
            "`client::Connection` with the brokers of others",
            peers::brokers()
                .map(|broker| broker.peer)
                .into_iter()
                .collect::<Vec<_>>(),
        ),
        (
            "the clients of others with `reference-broker`",
            peers::clients()
                .map(|client| client.peer)
                .into_iter()
                .collect::<Vec<_>>(),
        ),
    ] {
        println!("### {title}\n");
        table(&peers[1..], &tried, &mut notes);
    }
    for (at, note) in notes.iter().enumerate() {
        println!("{}. {note}", at + 1);
    }
    println!("\n{OUTSIDE}");
    let failures = tried.iter().filter_map(|tried| {
        let message = tried.outcome.as_ref()?.as_ref().err()?;
        Some(format!("{}: {message}", tried.cell.name()))
    });
    let failures: Vec<_> = failures.collect();
    for failure in &failures {
        eprintln!("FAILED {failure}");
    }
    match failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run(cells: Vec<Cell>) -> Vec<Tried> {
    let (queue, tried) = (Mutex::new(cells.into_iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(cell) = queue.lock().unwrap().next() else {
                        return;
                    };
                    let outcome = match cell.state {
                        State::There | State::Otherwise(..) => Some(cell.run()),
                        State::Missing(_) | State::NotOffered(_) => None,
                    };
                    tried.lock().unwrap().push(Tried { cell, outcome });
                }
            });
        }
    });
    tried.into_inner().unwrap()
}

fn table(peers: &[Peer], tried: &[Tried], notes: &mut Vec<String>) {
    let columns = || {
        peers
            .iter()
            .flat_map(|peer| BOTH.iter().map(move |version| (peer, *version)))
    };
    let heads = columns().map(|(peer, version)| {
        let own = peer.version.as_deref().unwrap_or("missing");
        format!(" {} {own}, MQTT {} |", peer.name, level(version))
    });
    println!("| |{}", heads.collect::<String>());
    println!("|---|{}", "---|".repeat(columns().count()));
    for scenario in SCENARIOS {
        let fields = columns().map(|(peer, version)| {
            let found = tried.iter().find(|Tried { cell, .. }| {
                let ours = if cell.client == OURS {
                    cell.broker
                } else {
                    cell.client
                };
                ours == peer.name && cell.version == version && cell.scenario.name == scenario.name
            });
            found.map(|tried| field(tried, notes)).unwrap_or_default()
        });
        let fields: Vec<_> = fields.collect();
        if fields.iter().any(|field| !field.is_empty()) {
            println!("| {} | {} |", scenario.title, fields.join(" | "));
        }
    }
    println!();
}

fn field(tried: &Tried, notes: &mut Vec<String>) -> String {
    let mut note = |why: &String| {
        let at = notes.iter().position(|other| other == why);
        at.unwrap_or_else(|| {
            notes.push(why.clone());
            notes.len() - 1
        }) + 1
    };
    match (&tried.cell.state, &tried.outcome) {
        (State::Missing(_), _) => "not checked".to_owned(),
        (State::NotOffered(why), _) => format!("- [{}]", note(why)),
        (State::Otherwise(why, _), Some(Ok(Went::Otherwise))) => format!("no [{}]", note(why)),
        (State::Otherwise(why, _), Some(Ok(Went::WithSettings))) => format!("set [{}]", note(why)),
        (_, Some(Ok(_))) => "yes".to_owned(),
        (_, Some(Err(_)) | None) => "FAILED".to_owned(),
    }
}
