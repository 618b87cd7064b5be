//! Counts, and what has no class.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::classes::{self, CLASSES, Right};
use crate::compare::{Case, Difference, names};
use crate::peers::{Answer, PEERS};
use crate::read::Field;
use crate::wireshark;

/// A row: the version, the class, the statement that decides, and who is right.
type Row = (&'static str, &'static str, &'static str, &'static str);

#[derive(Debug, Default)]
pub struct Table {
    totals: BTreeMap<(&'static str, &'static str), u64>,
    /// Questions that have no answer, or cannot be asked.
    unanswered: u64,
    classes: BTreeMap<Row, BTreeMap<&'static str, u64>>,
    /// By what is to be looked at: how many, and the first.
    unclassed: BTreeMap<String, (u64, String)>,
}

impl Table {
    pub fn own(&mut self, case: &Case<'_>) {
        if let Some(text) = case.own() {
            self.unclassed(case, format!("this crate and the plain reader: {text}"));
        }
    }

    pub fn peer(&mut self, case: &Case<'_>, peer: &'static str, answer: &Answer) {
        let total = match (case.accepted(), answer) {
            (_, Answer::None | Answer::NotAsked) => return self.unanswered += 1,
            (true, Answer::Accepted(_)) => "both accept",
            (true, _) => "only this crate accepts",
            (false, Answer::Accepted(_)) => "only they accept",
            (false, _) => "neither accepts",
        };
        *self.totals.entry((total, peer)).or_default() += 1;
        for difference in case.differences(answer) {
            self.difference(case, peer, &difference);
        }
    }

    fn difference(&mut self, case: &Case<'_>, peer: &'static str, difference: &Difference) {
        let Some((name, statement, right)) = classes::of(case, peer, difference) else {
            return self.unclassed(case, format!("{peer}: {}", sketch(case, difference)));
        };
        let version = if case.frame.is_v5 { "5.0" } else { "3.1.1" };
        let right = match right {
            Right::Ours => "this crate",
            Right::Both => "both",
        };
        let row = (name, version, statement, right);
        *self
            .classes
            .entry(row)
            .or_default()
            .entry(peer)
            .or_default() += 1;
    }

    /// What is only in our fields, and only in those of the dissector.
    pub fn wireshark(&mut self, case: &Case<'_>, left: Vec<Field>, right: Vec<Field>) {
        let same = left.is_empty() && right.is_empty();
        let total = if same { "same values" } else { "other values" };
        *self.totals.entry((total, wireshark::NAME)).or_default() += 1;
        if !same {
            self.difference(case, wireshark::NAME, &Difference::Encoded(left, right));
        }
    }

    fn unclassed(&mut self, case: &Case<'_>, what: String) {
        let entry = self.unclassed.entry(what).or_default();
        entry.0 += 1;
        if entry.1.is_empty() {
            let version = case.frame.version();
            let bytes = &case.frame.bytes[..case.frame.bytes.len().min(120)];
            entry.1 = format!("{version} {bytes:02x?}");
        }
    }

    /// Prints the classes that no longer occur, or not in so few frames.
    fn print_unseen(&self) {
        for class in CLASSES {
            let rows = self.classes.iter().filter(|(row, _)| row.0 == class.name);
            let seen: BTreeSet<_> = rows.flat_map(|(_, counts)| counts.keys()).collect();
            for peer in class.peers.iter().filter(|peer| !seen.contains(peer)) {
                println!("not seen: {peer}, {}", class.name);
            }
        }
    }

    pub fn failed(&self) -> bool {
        !self.unclassed.is_empty()
    }

    pub fn print(&self) {
        let mut out = String::new();
        let peers = PEERS.iter().map(|peer| peer.name).chain([wireshark::NAME]);
        let peers: Vec<_> = peers.collect();
        let header = peers.join(" | ");
        let bars = "---:|".repeat(peers.len());
        let _ = writeln!(out, "\n| frames | {header} |\n|---|{bars}");
        let values = ["same values", "other values"];
        let accepted = ["both accept", "only they accept", "only this crate accepts"];
        for total in accepted.into_iter().chain(values) {
            let count = |name| cell(self.totals.get(&(total, name)));
            let counts = peers.iter().map(|peer| count(*peer));
            let counts = counts.collect::<Vec<_>>().join(" | ");
            let _ = writeln!(out, "| {total} | {counts} |");
        }
        let _ = writeln!(
            out,
            "\n| class | MQTT | decided by | right | {header} |\n|---|---|---|---|{bars}"
        );
        for ((name, version, statement, right), counts) in &self.classes {
            let count = |peer| cell(counts.get(peer));
            let counts = peers.iter().map(|peer| count(*peer));
            let counts = counts.collect::<Vec<_>>().join(" | ");
            let _ = writeln!(
                out,
                "| {name} | {version} | {statement} | {right} | {counts} |"
            );
        }
        let answers: u64 = self.totals.values().sum();
        println!("{answers} answers, {} without", self.unanswered);
        print!("{out}");
        self.print_unseen();
        for (what, (count, example)) in &self.unclassed {
            println!("WITHOUT A CLASS, {count} times: {what}\n    {example}");
        }
    }
}

fn cell(count: Option<&u64>) -> String {
    count.map_or("-".into(), u64::to_string)
}

/// What is alike in all of a kind, to look at one of them.
fn sketch(case: &Case<'_>, difference: &Difference) -> String {
    let version = case.frame.version();
    let packet = case.frame.packet();
    let what = match difference {
        Difference::Accepted => format!("accepts {:?}", case.ours),
        Difference::Refused => {
            let present = case
                .reading
                .fields
                .iter()
                .filter(|field| field.property > 0);
            let mut present: Vec<_> = present.map(|field| field.property).collect();
            present.dedup();
            format!("refuses, properties {present:02x?}")
        }
        Difference::Publish => "other values".into(),
        Difference::NotEncoded => "does not encode".into(),
        Difference::EncodedRefused(reading) => format!(
            "encodes {:?}, incomplete {}",
            reading.faults, reading.incomplete
        ),
        Difference::Encoded(left, right) => {
            format!("has [{}] for our [{}]", names(right), names(left))
        }
    };
    format!("{version}, packet {packet}: {what}")
}
