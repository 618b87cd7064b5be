//! Whether every side that a statement binds has a test, or the statement a reason, and a table of that.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use mqtt_sansio::{Side, Version};
use support::script;

use crate::statements::{self, Statement, Who, name, proof};
use crate::{BOTH, CHAPTERS, label, vectors};

/// Sides of statements.
pub(crate) type Proved = HashSet<(String, Side)>;

/// What there is for the statements of a version.
struct Coverage {
    version: Version,
    statements: Vec<Statement>,
    /// What each test says that it proves.
    tests: Vec<(String, &'static [&'static str])>,
    /// What the vectors name.
    named: BTreeSet<String>,
    /// What they prove.
    vectors: Proved,
    /// What the tests of other workspaces prove, which this one does not build.
    elsewhere: Proved,
}

impl Coverage {
    fn new(version: Version) -> Self {
        let tests = CHAPTERS.iter().flat_map(|&(chapter, tests)| {
            let name = move |test: &crate::Test| format!("{chapter}::{}", test.name);
            tests
                .iter()
                .map(move |test| (name(test), test.proves(version)))
        });
        let statements = statements::all(version);
        let mut elsewhere = HashSet::new();
        for statement in &statements {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let text = |file| fs::read_to_string(root.join(file)).unwrap_or_default();
            let text = statement.tests_in.as_ref().map(text).unwrap_or_default();
            for &side in statement.binds {
                if statement.has_test_in(&text, side) {
                    elsewhere.insert((statement.id.clone(), side));
                }
            }
        }
        Self {
            version,
            elsewhere,
            named: vectors::named(version),
            vectors: vectors::proved(version, &statements),
            statements,
            tests: tests.collect(),
        }
    }

    fn has_test(&self, id: &str, side: Side) -> bool {
        let mut named = self.tests.iter().flat_map(|(_, proofs)| *proofs);
        let is_here = named.any(
            |text| matches!(proof(text), (named, sides) if named == id && sides.contains(&side)),
        );
        is_here || self.elsewhere.contains(&(id.into(), side))
    }

    fn has_vectors(&self, statement: &Statement, side: Side) -> bool {
        let proved = (statement.id.clone(), side);
        statement.who == Who::Codec && self.vectors.contains(&proved)
    }

    /// Everything that is wrong.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut listed = BTreeSet::new();
        for statement in &self.statements {
            let id = &statement.id;
            if !listed.insert(&id[..]) {
                faults.push(format!("{id} is listed twice"));
            }
            let missing = |&side: &Side| match &statement.tests_in {
                Some(_) => !self.elsewhere.contains(&(id.clone(), side)),
                None => !self.has_test(id, side) && !self.has_vectors(statement, side),
            };
            let (missing, proved): (Vec<Side>, Vec<Side>) =
                statement.binds.iter().partition(|side| missing(side));
            match &statement.reason {
                None => faults.extend(missing.into_iter().map(|side| {
                    let file = statement.tests_in.as_ref();
                    let file = file.map_or(String::new(), |file| format!(" in {file}"));
                    format!("{id} has no test of the {}{file}", name(side))
                })),
                Some(_) if !proved.is_empty() => {
                    faults.push(format!("{id} has a test and a reason"));
                }
                Some(_) if !statement.who.is_outside() => {
                    faults.push(format!("{id} has a reason, and could be tested"));
                }
                Some(_) => {}
            }
        }
        let mut names = BTreeSet::new();
        let binds = |id: &str| self.statements.iter().find(|it| it.id == id);
        for (name, proofs) in &self.tests {
            if !names.insert(name) {
                faults.push(format!("there are two tests {name}"));
            }
            for (at, text) in proofs.iter().enumerate() {
                let (id, sides) = proof(text);
                match binds(id).map(|statement| statement.binds) {
                    None => faults.push(format!("{name} proves {id}, which is no statement")),
                    Some([_]) if sides.len() == 1 => {
                        faults.push(format!("{name} proves {text}, which binds one side"));
                    }
                    Some(_) => {}
                }
                if proofs[..at].iter().any(|before| proof(before).0 == id) {
                    faults.push(format!("{name} names {id} twice"));
                }
            }
        }
        for id in &self.named {
            if !listed.contains(id.trim_start_matches("MQTT-")) {
                faults.push(format!("vectors name {id}, which is no statement"));
            }
        }
        let version = label(self.version);
        faults
            .iter()
            .map(|fault| format!("{version}: {fault}"))
            .collect()
    }

    /// A line for each chapter: how many statements there are, and sides that they bind; how many of
    /// these are proved by tests, by vectors, and have a reason alone.
    fn table(&self) -> String {
        let mut rows: BTreeMap<(u32, u32), [usize; 5]> = BTreeMap::new();
        for statement in &self.statements {
            let mut numbers = statement.id.split(['.', '-']);
            let mut number = || numbers.next().unwrap().parse().ok();
            let chapter = number().zip(number());
            // What has no number comes first.
            let row = rows.entry(chapter.unwrap_or_default()).or_default();
            row[0] += 1;
            row[1] += statement.binds.len();
            for &side in statement.binds {
                row[2] += usize::from(self.has_test(&statement.id, side));
                row[3] += usize::from(self.has_vectors(statement, side));
                row[4] += usize::from(statement.reason.is_some());
            }
        }
        let mut table = format!("{:6}", label(self.version));
        for title in ["statements", "sides", "tests", "vectors", "reasons"] {
            table += &format!("{title:>12}");
        }
        let mut sum = [0; 5];
        let mut line = |chapter: String, row: [usize; 5]| {
            table += &format!("\n{chapter:6}");
            for number in row {
                table += &format!("{number:12}");
            }
        };
        for ((chapter, section), row) in rows {
            for (sum, number) in sum.iter_mut().zip(row) {
                *sum += number;
            }
            line(
                match chapter {
                    0 => "none".into(),
                    _ => format!("{chapter}.{section}"),
                },
                row,
            );
        }
        line("all".into(), sum);
        table
    }
}

/// Fails if the test that has just run in this thread has driven no end of a side that it proves.
pub(crate) fn drives(version: Version, proofs: &[&str]) -> Result<(), Failed> {
    let statements = statements::all(version);
    for text in proofs {
        let (id, sides) = proof(text);
        let bound = statements.iter().find(|statement| statement.id == id);
        let bound = bound.map_or(&[][..], |statement| statement.binds);
        for &side in bound.iter().filter(|side| sides.contains(side)) {
            if !script::has_driven(side) {
                return Err(format!("{id}: it drives no {}", name(side)).into());
            }
        }
    }
    Ok(())
}

/// Fails on everything that is wrong; prints the table if asked to.
pub(crate) fn check(print: bool) -> Result<(), Failed> {
    let mut faults = Vec::new();
    for (chapter, tests) in CHAPTERS {
        for test in *tests {
            if test.v311.is_empty() && test.v5.is_empty() {
                faults.push(format!("{chapter}::{} never runs", test.name));
            }
        }
    }
    for version in BOTH {
        let coverage = Coverage::new(version);
        if print {
            println!("\n{}", coverage.table());
        }
        let expected = match version {
            Version::V311 => 141 + 32,
            Version::V5 => 251 + 226,
        };
        assert_eq!(coverage.statements.len(), expected);
        faults.extend(coverage.faults());
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults.join("\n").into()),
    }
}

/// Each fault is one.
pub(crate) fn faults_are_found() {
    use Side::{Client, Server};
    let statement = |id: &str, who, binds, reason: Option<&str>| Statement {
        id: id.into(),
        who,
        binds,
        reason: reason.map(Into::into),
        tests_in: None,
    };
    let in_file = |id: &str| Statement {
        tests_in: Some("x.rs".into()),
        ..statement(id, Who::Transport, &[Client, Server], None)
    };
    let (both, server): (&[Side], &[Side]) = (&[Client, Server], &[Server]);
    let coverage = Coverage {
        version: Version::V5,
        statements: vec![
            statement("1.0.0-1", Who::Broker, server, None),
            statement("1.0.0-1", Who::Broker, server, None),
            statement("1.0.0-2", Who::Broker, both, Some("none")),
            statement("1.0.0-3", Who::Broker, server, None),
            statement("1.0.0-4", Who::Codec, both, Some("none")),
            statement("1.0.0-5", Who::Codec, both, None),
            statement("1.0.0-6", Who::Transport, both, Some("good")),
            statement("1.0.0-8", Who::Broker, server, Some("none")),
            statement("1.0.0-9", Who::Application, both, Some("good")),
            in_file("1.0.0-10"),
            in_file("1.0.0-11"),
            statement("1.0.0-12", Who::Session, both, None),
            statement("1.0.0-13", Who::Session, both, None),
        ],
        tests: vec![
            ("a".into(), &["1.0.0-1", "1.0.0-2 client", "1.0.0-1"]),
            ("a".into(), &["1.0.0-7", "1.0.0-1 server"]),
            ("b".into(), &["1.0.0-12", "1.0.0-13 server"]),
        ],
        named: ["MQTT-1.0.0-3".into(), "U5-1.0-1".into()].into(),
        vectors: [
            ("1.0.0-3", Server),
            ("1.0.0-4", Client),
            ("1.0.0-5", Server),
        ]
        .map(|(id, side)| (id.into(), side))
        .into(),
        elsewhere: [("1.0.0-10", Client), ("1.0.0-10", Server)]
            .map(|(id, side)| (id.into(), side))
            .into(),
    };
    let found = coverage.faults();
    let expected = [
        "v5: 1.0.0-1 is listed twice",
        "v5: 1.0.0-2 has a test and a reason",
        "v5: 1.0.0-3 has no test of the server",
        "v5: 1.0.0-4 has a test and a reason",
        "v5: 1.0.0-5 has no test of the client",
        "v5: 1.0.0-8 has a reason, and could be tested",
        "v5: 1.0.0-11 has no test of the client in x.rs",
        "v5: 1.0.0-11 has no test of the server in x.rs",
        "v5: 1.0.0-13 has no test of the client",
        "v5: a names 1.0.0-1 twice",
        "v5: there are two tests a",
        "v5: a proves 1.0.0-7, which is no statement",
        "v5: a proves 1.0.0-1 server, which binds one side",
        "v5: vectors name U5-1.0-1, which is no statement",
    ];
    assert_eq!(found, expected);
    let text =
        "#[tokio::test]\nasync fn mqtt_1_0_0_10_server() {}\nasync fn mqtt_1_0_0_11_server() {}";
    let tested = |id, side| in_file(id).has_test_in(text, side);
    assert!(tested("1.0.0-10", Server));
    assert!(
        !tested("1.0.0-10", Client) && !tested("1.0.0-1", Server) && !tested("1.0.0-11", Server)
    );
}
