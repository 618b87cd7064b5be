//! The mutants that are known to survive, with a reason for each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use breaks::Failure;

use crate::list::Mutant;
use crate::verdict::Verdict;

/// Reads `testdata/mutants.txt`: groups of names, each below its reason.
pub(crate) fn read(root: &Path) -> Result<BTreeSet<String>, Failure> {
    let text = fs::read_to_string(root.join("testdata/mutants.txt"))?;
    let mut known = BTreeSet::new();
    let mut has_reason = false;
    for (at, line) in text.lines().enumerate() {
        if line.is_empty() {
            has_reason = false;
        } else if line.starts_with("# ") {
            has_reason = true;
        } else if !has_reason {
            return Err(format!("testdata/mutants.txt:{}: no reason", at + 1).into());
        } else if !known.insert(line.to_owned()) {
            return Err(format!("testdata/mutants.txt:{}: twice", at + 1).into());
        }
    }
    Ok(known)
}

/// Says what differs from the list, and how much that is.
pub(crate) fn compare(
    known: &BTreeSet<String>,
    mutants: &[Mutant],
    verdicts: &BTreeMap<usize, Verdict>,
) -> usize {
    let mut wrong = 0;
    for (&number, verdict) in verdicts {
        let mutant = &mutants[number];
        let is_known = known.contains(&mutant.name());
        match verdict {
            Verdict::Survived if !is_known => println!("SURVIVES: {mutant}"),
            Verdict::NotReached if !is_known => println!("NOT REACHED: {mutant}"),
            Verdict::Survived | Verdict::NotReached => continue,
            _ if is_known => println!("{verdict:?}, take it from testdata/mutants.txt: {mutant}"),
            _ => continue,
        }
        wrong += 1;
    }
    let names: BTreeSet<String> = mutants.iter().map(Mutant::name).collect();
    for name in known.difference(&names) {
        println!("there is no such mutant, take it from testdata/mutants.txt: {name}");
        wrong += 1;
    }
    wrong
}
