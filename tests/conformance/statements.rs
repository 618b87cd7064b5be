//! The lists in `testdata/statements`.

use std::fs;

use mqtt_sansio::Version;

use crate::label;

/// One line: `id | who decides it | subject | why it has no test`, or `tests in FILE` instead of why.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Without `MQTT-`.
    pub(crate) id: String,
    pub(crate) who: Who,
    pub(crate) reason: Option<String>,
    /// The file of another workspace that has tests of it.
    pub(crate) tests_in: Option<String>,
}

impl Statement {
    /// Whether that file, of which this is the text, has one: `mqtt_6_0_0_1_server`, for example.
    pub(crate) fn has_test_in(&self, text: &str) -> bool {
        let name = format!("async fn mqtt_{}_", self.id.replace(['.', '-'], "_"));
        let mut tests = text.split("#[tokio::test]").skip(1);
        tests.any(|test| test.trim_start().starts_with(&name))
    }
}

/// Who decides whether a statement holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    /// The bytes of one packet: the vectors prove it.
    Codec,
    Session,
    Connection,
    Broker,
    Application,
    Transport,
}

impl Who {
    /// Whether neither the crate nor the broker decides it.
    pub(crate) const fn is_outside(self) -> bool {
        matches!(self, Self::Application | Self::Transport)
    }
}

/// All statements of a version, in the order of its specification.
pub(crate) fn all(version: Version) -> Vec<Statement> {
    let folder = support::vectors::testdata().join("statements");
    let file = folder.join(label(version)).with_extension("txt");
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(parse)
        .collect()
}

fn parse(line: &str) -> Statement {
    let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let (id, who, reason) = match fields[..] {
        [id, who, _] => (id, who, None),
        [id, who, _, reason] => (id, who, Some(reason)),
        _ => panic!("neither three nor four fields: {line}"),
    };
    let who = match who {
        "codec" => Who::Codec,
        "session" => Who::Session,
        "connection" => Who::Connection,
        "broker" => Who::Broker,
        "application" => Who::Application,
        "transport" => Who::Transport,
        _ => panic!("nobody decides: {line}"),
    };
    let id = id.strip_prefix("MQTT-");
    let id = id.unwrap_or_else(|| panic!("no id: {line}")).to_owned();
    let tests_in = reason.and_then(|reason| reason.strip_prefix("tests in "));
    Statement {
        id,
        who,
        reason: reason.filter(|_| tests_in.is_none()).map(str::to_owned),
        tests_in: tests_in.map(str::to_owned),
    }
}
