//! The files in `testdata/machines`.
//!
//! A head of comments, lines `| input / word | why` for all that the machine says, and the states:
//! each with a shortest word that leads to it, and its steps `input / output -> state`. What is not
//! listed is `-` and stays, as there is no connection for it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use mqtt_sansio::Version;
use support::learn::{Machine, Step};
use support::vectors::testdata;

pub(crate) struct File {
    /// Its name in `testdata`.
    pub(crate) name: String,
    version: Version,
    /// Comments and reasons.
    head: String,
    states: String,
}

pub(crate) const fn label(version: Version) -> &'static str {
    match version {
        Version::V311 => "v311",
        Version::V5 => "v5",
    }
}

/// What needs no reason.
const UNSAID: [&str; 2] = ["-", "beyond"];

impl File {
    /// The file, which is empty if there is none.
    pub(crate) fn read(name: &str, version: Version) -> Self {
        let name = format!("machines/{name}.{}.txt", label(version));
        let text = fs::read_to_string(testdata().join(&name)).unwrap_or_default();
        let start = text.find("\nstate ").map_or(text.len(), |at| at + 1);
        let (head, states) = text.split_at(start);
        let (head, states) = (head.into(), states.into());
        Self {
            name,
            version,
            head,
            states,
        }
    }

    /// The machine, unless there is none with these inputs yet.
    pub(crate) fn machine(&self, inputs: &[&str]) -> Option<Machine> {
        let mut rows: Vec<Vec<Step>> = Vec::new();
        for line in self.states.lines().filter(|line| !line.is_empty()) {
            if line.starts_with("state ") {
                let to = rows.len();
                let stay = Step {
                    output: UNSAID[0].into(),
                    to,
                };
                rows.push(vec![stay; inputs.len()]);
                continue;
            }
            let (input, output, to) = step(line);
            let at = inputs.iter().position(|name| *name == input)?;
            rows.last_mut().unwrap()[at] = Step { output, to };
        }
        (!rows.is_empty()).then_some(Machine { rows })
    }

    /// All that the machine says has a reason, which is a statement or a section, and nothing else
    /// has.
    pub(crate) fn check_reasons(&self, inputs: &[&str], machine: &Machine) {
        let statements = testdata().join(format!("statements/{}.txt", label(self.version)));
        let statements = fs::read_to_string(statements).unwrap();
        let mut reasons = BTreeSet::new();
        for line in self.head.lines().filter_map(|line| line.strip_prefix("| ")) {
            let (what, why) = line
                .split_once(" | ")
                .unwrap_or_else(|| panic!("no reason: {line}"));
            for part in why.split(", ") {
                let known = match part.strip_prefix("section ") {
                    Some(section) => section.starts_with(|first: char| first.is_ascii_digit()),
                    None => statements.contains(&format!("MQTT-{part} |")),
                };
                assert!(known, "{part} is neither a statement nor a section: {line}");
            }
            assert!(reasons.insert(what.to_owned()), "it stands twice: {what}");
        }
        let mut said = BTreeSet::new();
        for row in &machine.rows {
            for (input, step) in inputs.iter().zip(row) {
                let words = step
                    .output
                    .split(", ")
                    .filter(|word| !UNSAID.contains(word));
                said.extend(words.map(|word| format!("{input} / {word}")));
            }
        }
        let difference: Vec<_> = said.symmetric_difference(&reasons).collect();
        assert!(
            difference.is_empty(),
            "without a reason, or never said: {difference:#?}"
        );
    }

    /// Writes other states behind the same head.
    pub(crate) fn write(mut self, inputs: &[&str], machine: &Machine) {
        self.states.clear();
        for (state, access) in machine.access().iter().enumerate() {
            let access: Vec<_> = access.iter().map(|&input| inputs[input]).collect();
            let access = if access.is_empty() {
                vec!["start"]
            } else {
                access
            };
            writeln!(self.states, "\nstate {state}: {}", access.join("; ")).unwrap();
            for (input, Step { output, to }) in inputs.iter().zip(&machine.rows[state]) {
                if **output != *UNSAID[0] || *to != state {
                    writeln!(self.states, "  {input} / {output} -> {to}").unwrap();
                }
            }
        }
        let text = format!("{}\n{}", self.head.trim_end(), self.states);
        fs::write(testdata().join(self.name), text).unwrap();
    }
}

/// An input, its output and the next state.
fn step(line: &str) -> (&str, std::rc::Rc<str>, usize) {
    let parts = line.trim().split_once(" / ");
    let parts = parts.and_then(|(input, rest)| Some((input, rest.rsplit_once(" -> ")?)));
    let (input, (output, to)) = parts.unwrap_or_else(|| panic!("no step: {line}"));
    (input, output.into(), to.parse().unwrap())
}
