//! Whether every statement has a test or a reason, and a table of that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use mqtt_sansio::Version;

use crate::statements::{self, Statement, Who};
use crate::{BOTH, CHAPTERS, label, vectors};

/// What there is for the statements of a version.
struct Coverage {
    version: Version,
    statements: Vec<Statement>,
    /// What each test says that it proves.
    tests: Vec<(String, &'static [&'static str])>,
    /// What the vectors name.
    vectors: BTreeSet<String>,
    /// What the tests of other workspaces name, which this one does not build.
    elsewhere: BTreeSet<String>,
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
        let elsewhere = statements.iter().filter(|statement| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let text = |file| fs::read_to_string(root.join(file)).unwrap_or_default();
            let file = statement.tests_in.as_ref();
            file.is_some_and(|file| statement.has_test_in(&text(file)))
        });
        Self {
            version,
            elsewhere: elsewhere.map(|statement| statement.id.clone()).collect(),
            statements,
            tests: tests.collect(),
            vectors: vectors::named(version),
        }
    }

    fn has_test(&self, id: &str) -> bool {
        self.elsewhere.contains(id) || self.tests.iter().any(|(_, ids)| ids.contains(&id))
    }

    fn has_vectors(&self, statement: &Statement) -> bool {
        statement.who == Who::Codec && self.vectors.contains(&statement.id)
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
            if let Some(file) = &statement.tests_in {
                if !self.elsewhere.contains(id) {
                    faults.push(format!("{id} has no test in {file}"));
                }
                continue;
            }
            let proved = self.has_test(id) || self.has_vectors(statement);
            match (proved, &statement.reason) {
                (true, Some(_)) => faults.push(format!("{id} has a test and a reason")),
                (false, None) => faults.push(format!("{id} has no test")),
                (false, Some(_)) if !statement.who.is_outside() => {
                    faults.push(format!("{id} has a reason, and could be tested"));
                }
                _ => {}
            }
        }
        let mut names = BTreeSet::new();
        for (name, ids) in &self.tests {
            if !names.insert(name) {
                faults.push(format!("there are two tests {name}"));
            }
            for (at, id) in ids.iter().enumerate() {
                if !listed.contains(id) {
                    faults.push(format!("{name} proves {id}, which is no statement"));
                }
                if ids[..at].contains(id) {
                    faults.push(format!("{name} names {id} twice"));
                }
            }
        }
        let version = label(self.version);
        faults
            .iter()
            .map(|fault| format!("{version}: {fault}"))
            .collect()
    }

    /// A line for each chapter: statements, of these with tests, with vectors, with a reason alone.
    fn table(&self) -> String {
        let mut rows: BTreeMap<(u32, u32), [usize; 4]> = BTreeMap::new();
        for statement in &self.statements {
            let mut numbers = statement
                .id
                .split('.')
                .map(|number| number.parse().unwrap());
            let chapter = (numbers.next().unwrap(), numbers.next().unwrap());
            // From chapter 6 on, sections have next to nothing in them.
            let row = rows.entry(chapter).or_default();
            row[0] += 1;
            row[1] += usize::from(self.has_test(&statement.id));
            row[2] += usize::from(self.has_vectors(statement));
            row[3] += usize::from(statement.reason.is_some());
        }
        let mut table = format!("{:6}", label(self.version));
        for title in ["statements", "tests", "vectors", "reasons"] {
            table += &format!("{title:>12}");
        }
        let mut sum = [0; 4];
        let mut line = |chapter: String, row: [usize; 4]| {
            table += &format!("\n{chapter:6}");
            for number in row {
                table += &format!("{number:12}");
            }
        };
        for ((chapter, section), row) in rows {
            for (sum, number) in sum.iter_mut().zip(row) {
                *sum += number;
            }
            line(format!("{chapter}.{section}"), row);
        }
        line("all".into(), sum);
        table
    }
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
            Version::V311 => 141,
            Version::V5 => 251,
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
    let statement = |id: &str, who, reason: Option<&str>| Statement {
        id: id.into(),
        who,
        reason: reason.map(Into::into),
        tests_in: None,
    };
    let in_file = |id: &str| Statement {
        tests_in: Some("x.rs".into()),
        ..statement(id, Who::Transport, None)
    };
    let coverage = Coverage {
        version: Version::V5,
        statements: vec![
            statement("1.0.0-1", Who::Broker, None),
            statement("1.0.0-1", Who::Broker, None),
            statement("1.0.0-2", Who::Broker, Some("none")),
            statement("1.0.0-3", Who::Broker, None),
            statement("1.0.0-4", Who::Codec, Some("none")),
            statement("1.0.0-5", Who::Codec, None),
            statement("1.0.0-6", Who::Transport, Some("good")),
            statement("1.0.0-8", Who::Broker, Some("none")),
            statement("1.0.0-9", Who::Application, Some("good")),
            in_file("1.0.0-10"),
            in_file("1.0.0-11"),
        ],
        tests: vec![
            ("a".into(), &["1.0.0-1", "1.0.0-2", "1.0.0-1"]),
            ("a".into(), &["1.0.0-7"]),
        ],
        vectors: ["1.0.0-3", "1.0.0-4", "1.0.0-5"].map(Into::into).into(),
        elsewhere: ["1.0.0-10".into()].into(),
    };
    let found = coverage.faults();
    let expected = [
        "v5: 1.0.0-1 is listed twice",
        "v5: 1.0.0-2 has a test and a reason",
        "v5: 1.0.0-3 has no test",
        "v5: 1.0.0-4 has a test and a reason",
        "v5: 1.0.0-8 has a reason, and could be tested",
        "v5: 1.0.0-11 has no test in x.rs",
        "v5: a names 1.0.0-1 twice",
        "v5: there are two tests a",
        "v5: a proves 1.0.0-7, which is no statement",
    ];
    assert_eq!(found, expected);
    let text =
        "#[tokio::test]\nasync fn mqtt_1_0_0_10_server() {}\nasync fn mqtt_1_0_0_11_server() {}";
    let tested = |id| in_file(id).has_test_in(text);
    assert_eq!(
        ["1.0.0-1", "1.0.0-10", "1.0.0-11"].map(tested),
        [false, true, false]
    );
}
