//! The tables on standard output.

use crate::packets::Case;
use crate::peers::{Candidate, Group};
use crate::timing::{self, Effort, Figures};

/// Prints the version of each peer that the lock file has.
pub fn print_versions() {
    let lock: Vec<_> = include_str!("../Cargo.lock").lines().collect();
    let versions: Vec<_> = lock
        .windows(2)
        .filter_map(|pair| {
            let name = pair[0].strip_prefix("name = ")?.trim_matches('"');
            let version = pair[1].strip_prefix("version = ")?.trim_matches('"');
            let all = crate::peers::GROUPS.iter().flat_map(|group| group.peers);
            let mut names = all.map(|candidate| candidate.name);
            names
                .any(|peer| peer == name)
                .then(|| format!("{name} {version}"))
        })
        .collect();
    println!("Peers: {}.", versions.join(", "));
}

pub fn print(group: &Group, cases: &[Case], effort: Effort) {
    let ours = group.floor.len()..group.floor.len() + group.ours.len();
    let peers = ours.end..ours.end + group.peers.len();
    let candidates: Vec<&Candidate> = group
        .floor
        .iter()
        .chain(group.ours)
        .chain(group.peers)
        .collect();

    println!("\n## {}\n", group.title);
    println!("ns a packet (heap allocations a packet)\n");
    let names = candidates
        .iter()
        .map(|candidate| candidate.name.to_string());
    let ratios = group
        .ours
        .iter()
        .map(|ours| format!("{} / best peer", ours.name));
    let head: Vec<_> = ["packet".to_string()]
        .into_iter()
        .chain(names)
        .chain(ratios)
        .collect();
    println!("| {} |", head.join(" | "));
    println!("|---|{}", "--:|".repeat(head.len() - 1));

    for case in cases {
        let mut runs: Vec<_> = candidates
            .iter()
            .map(|candidate| (candidate.run)(case))
            .collect();
        let figures = timing::compare(&mut runs, effort);
        let time = |figures: &Option<Figures>| figures.as_ref().map(|f| f.nanoseconds);
        let best = figures[peers.clone()]
            .iter()
            .filter_map(time)
            .min_by(f64::total_cmp);
        let cells = figures.iter().map(|figures| figures.as_ref().map(cell));
        let ratios = figures[ours.clone()]
            .iter()
            .map(|ours| Some(format!("{:.2}", time(ours)? / best?)));
        let row: Vec<_> = cells
            .chain(ratios)
            .map(|cell| cell.unwrap_or_else(|| "-".to_string()))
            .collect();
        println!("| {} | {} |", case.name, row.join(" | "));
    }
}

fn cell(figures: &Figures) -> String {
    let digits = usize::from(figures.nanoseconds < 100.0);
    // Whole but for what happens once in many packets, such as a buffer that grows.
    let allocations = (figures.allocations * 100.0).round() / 100.0;
    format!("{:.digits$} ({allocations})", figures.nanoseconds)
}
