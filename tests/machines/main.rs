//! What the reference broker does, learned as machines from its answers, in virtual time.
//!
//! `testdata/machines` has the machines, each with the statements that decide what it says. Each is
//! learned again here; the shortest word on which broker and file differ is what a failure prints.
//!
//! `MACHINES=write cargo test --release --test machines` looks harder and writes the states anew, and
//! `MACHINES=table` prints the rows of `testdata/README.md`.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

use std::iter;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use libtest_mimic::{Arguments, Trial};
use mqtt_sansio::Version;
use support::learn::{Effort, Learned, Machine, Word, learn};

mod alphabets;
mod file;
mod v5;
mod world;

use alphabets::{ALPHABETS, Alphabet};
use file::File;
use world::{Act, World};

const BOTH: [Version; 2] = [Version::V311, Version::V5];

/// The most states of a machine that is written, and how many more a broker is learned with that is
/// not as its machine says: it may have any number.
const STATES: usize = 300;
const MORE: usize = 20;

impl Alphabet {
    fn run(&self, version: Version, word: &[usize]) -> Vec<String> {
        let mut world = World::new(version, self.config, self.hidden);
        for &act in self.start {
            world.act(act);
        }
        let inputs = self.inputs(version);
        let acts = word.iter().map(|&input| inputs[input].1);
        acts.map(|act| world.act(act)).collect()
    }

    /// Learns with the help of the machine that is known, and may look `deeper` for more.
    fn learn(&self, version: Version, known: Option<&Machine>, deeper: bool) -> Learned {
        let (more, times) = if deeper { (1, 50) } else { (0, 1) };
        let effort = Effort {
            extra: self.extra + more,
            random: self.random * times,
            states: match known {
                Some(known) if !deeper => known.rows.len() + MORE,
                _ => STATES,
            },
        };
        let hints = known.into_iter().flat_map(|known| known.words(0));
        let run = |word: &[usize]| self.run(version, word);
        learn(self.inputs(version).len(), effort, hints, run)
    }

    fn inputs(&self, version: Version) -> Vec<(&'static str, Act)> {
        let more = match version {
            Version::V311 => &[],
            Version::V5 => self.in_v5,
        };
        [self.inputs, more].concat()
    }

    fn names(&self, version: Version) -> Vec<&'static str> {
        let inputs = self.inputs(version);
        inputs.into_iter().map(|(name, _)| name).collect()
    }

    /// Learns the machine again, and may print its row of `testdata/README.md`.
    fn check(&self, version: Version, print: bool) {
        let file = File::read(self.name, version);
        let names = self.names(version);
        let known = file.machine(&names).expect("states of these inputs");
        let start = Instant::now();
        let learned = self.learn(version, Some(&known), false);
        let time = start.elapsed().as_secs_f32();
        let differs = |word: &Word| {
            let (said, known) = (self.run(version, word), known.run(0, word));
            said.iter()
                .zip(&known)
                .any(|(said, known)| **said != **known)
        };
        if let Some(word) = known.difference(&learned.machine) {
            // The one that was learned may not be the whole broker.
            let mut words = iter::once(word).chain(known.words(0));
            let word = words.find(differs).expect("a word that shows it");
            panic!("{}", self.show(version, &file, &known.run(0, &word), &word));
        }
        file.check_reasons(&names, &known);
        if print {
            let (states, inputs) = (known.rows.len(), names.len());
            let (transitions, queries) = (states * inputs, learned.queries);
            let (name, extra) = (self.name, self.extra);
            println!(
                "| `{name}` | {version} | {inputs} | {states} | {transitions} | {queries} | {extra} | {time:.1} s |"
            );
        }
    }

    /// A word, what is said to it, and what the file says.
    fn show(&self, version: Version, file: &File, known: &[Rc<str>], word: &[usize]) -> String {
        let mut text = format!("the broker is not as testdata/{} says:\n", file.name);
        let names = self.names(version);
        for ((&input, said), known) in word.iter().zip(self.run(version, word)).zip(known) {
            let name = names[input];
            text += &format!("  {name} / {said}\n");
            if *said != **known {
                let width = name.len();
                text += &format!("  {:width$} / {known}, in the file\n", "");
            }
        }
        text
    }

    /// Learns the machine and writes it.
    fn write(&self, version: Version) {
        let (file, names) = (File::read(self.name, version), self.names(version));
        let learned = self.learn(version, file.machine(&names).as_ref(), true);
        file.write(&names, &learned.machine);
    }
}

fn main() -> ExitCode {
    let what = std::env::var("MACHINES").unwrap_or_default();
    let mut trials = Vec::new();
    for alphabet in ALPHABETS.iter().chain(v5::ALPHABETS) {
        for &version in alphabet.versions {
            let name = format!("{}::{}", alphabet.name, file::label(version));
            let (write, print) = (what == "write", what == "table");
            trials.push(Trial::test(name, move || {
                match write {
                    true => alphabet.write(version),
                    false => alphabet.check(version, print),
                }
                Ok(())
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
