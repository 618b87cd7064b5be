//! The tables on standard output.

use crate::packets::Case;
use crate::peers::{Candidate, Group};
use crate::timing::{self, Effort, Figures, Run};
use crate::topics;

/// Prints the version of each peer that the lock file has.
pub fn print_versions() {
    let lock: Vec<_> = include_str!("../Cargo.lock").lines().collect();
    let versions: Vec<_> = lock
        .windows(2)
        .filter_map(|pair| {
            let name = pair[0].strip_prefix("name = ")?.trim_matches('"');
            let version = pair[1].strip_prefix("version = ")?.trim_matches('"');
            let all = crate::peers::GROUPS.iter().flat_map(|group| group.peers);
            let mut names = all.map(|candidate| candidate.name).chain(topics::PEERS);
            names
                .any(|peer| peer == name)
                .then(|| format!("{name} {version}"))
        })
        .collect();
    println!("Peers: {}.", versions.join(", "));
}

pub fn print(group: &Group, cases: &[Case], effort: Effort) {
    let names = |candidates: &[Candidate]| -> Vec<_> {
        candidates.iter().map(|candidate| candidate.name).collect()
    };
    let columns = Columns {
        first: "packet",
        floor: names(group.floor),
        ours: names(group.ours),
        peers: names(group.peers),
    };
    columns.print(group.title, "a packet", effort);
    for case in cases {
        let runs = group.candidates().map(|candidate| (candidate.run)(case));
        columns.row(&case.name, &mut runs.collect::<Vec<_>>(), effort);
    }
    let forms = group
        .candidates()
        .filter(|candidate| !candidate.form.is_empty());
    let forms: Vec<_> = forms
        .map(|candidate| format!("{}: {}", candidate.name, candidate.form))
        .collect();
    if !forms.is_empty() {
        println!("\n{}.", forms.join(". "));
    }
}

/// The head of a table; a row has a candidate for each of its names, in their order.
pub struct Columns {
    first: &'static str,
    floor: Vec<&'static str>,
    ours: Vec<&'static str>,
    peers: Vec<&'static str>,
}

impl Columns {
    pub fn new(first: &'static str, ours: &[&'static str], peers: &[&'static str]) -> Self {
        Self::above(&[], first, ours, peers)
    }

    /// With a floor, which comes first in a row.
    pub fn above(
        floor: &[&'static str],
        first: &'static str,
        ours: &[&'static str],
        peers: &[&'static str],
    ) -> Self {
        Self {
            first,
            floor: floor.to_vec(),
            ours: ours.to_vec(),
            peers: peers.to_vec(),
        }
    }

    pub fn print(&self, title: &str, each: &str, effort: Effort) {
        let unit = effort.unit();
        println!("\n## {title}\n\n{unit} {each} (heap allocations {each})\n");
        let names = self.floor.iter().chain(&self.ours).chain(&self.peers);
        let names = names.map(|name| name.to_string());
        let ratios = self.ours.iter().map(|ours| format!("{ours} / best peer"));
        let floors = self.floor.iter().flat_map(|floor| {
            let ours = self.ours.iter();
            ours.map(move |ours| format!("{ours} / {floor}"))
        });
        let head: Vec<_> = names.chain(ratios).chain(floors).collect();
        println!("| {} | {} |", self.first, head.join(" | "));
        println!("|---|{}", "--:|".repeat(head.len()));
    }

    pub fn row(&self, name: &str, runs: &mut [Option<Run>], effort: Effort) {
        let figures = timing::compare(runs, effort);
        let (floor, measured) = figures.split_at(self.floor.len());
        let (ours, peers) = measured.split_at(self.ours.len());
        let time = |figures: &Option<Figures>| figures.as_ref().map(|f| f.cost);
        let best = peers.iter().filter_map(time).min_by(f64::total_cmp);
        let cells = figures.iter().map(|figures| figures.as_ref().map(cell));
        let ratios = ours
            .iter()
            .map(|ours| Some(format!("{:.2}", time(ours)? / best?)));
        let floors = floor.iter().flat_map(|floor| {
            let ours = ours.iter();
            ours.map(|ours| Some(format!("{:.2}", time(ours)? / time(floor)?)))
        });
        let row: Vec<_> = cells
            .chain(ratios)
            .chain(floors)
            .map(|cell| cell.unwrap_or_else(|| "-".to_string()))
            .collect();
        println!("| {name} | {} |", row.join(" | "));
    }
}

fn cell(figures: &Figures) -> String {
    let digits = usize::from(figures.cost < 100.0);
    // Whole but for what happens once in many packets, such as a buffer that grows.
    let allocations = (figures.allocations * 100.0).round() / 100.0;
    format!("{:.digits$} ({allocations})", figures.cost)
}
