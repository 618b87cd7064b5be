//! The lists in `testdata/statements`.

use std::fs;

use mqtt_sansio::{Side, Version};

use crate::label;

/// One line: `id | who decides it | whom it binds | subject | why it has no test`, or `tests in FILE`
/// instead of why.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Without `MQTT-`; `U5-3.14-170` where it has no number.
    pub(crate) id: String,
    pub(crate) who: Who,
    pub(crate) binds: &'static [Side],
    pub(crate) reason: Option<String>,
    /// The file of another workspace that has tests of it.
    pub(crate) tests_in: Option<String>,
}

impl Statement {
    /// As the specification and the vectors name it.
    pub(crate) fn full_id(&self) -> String {
        match self.is_numbered() {
            true => format!("MQTT-{}", self.id),
            false => self.id.clone(),
        }
    }

    /// Whether it has a number in the specification.
    pub(crate) fn is_numbered(&self) -> bool {
        !self.id.starts_with('U')
    }

    /// Whether that file, of which this is the text, has one of this side: `mqtt_6_0_0_1_server`.
    pub(crate) fn has_test_in(&self, text: &str, side: Side) -> bool {
        let id = self.id.replace(['.', '-'], "_");
        let name = format!("async fn mqtt_{id}_{}()", name(side));
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
    /// What may be done or left.
    Permission,
    /// What asks for nothing.
    Explanation,
}

impl Who {
    /// Whether neither the crate nor the broker decides it.
    pub(crate) const fn is_outside(self) -> bool {
        matches!(
            self,
            Self::Application | Self::Transport | Self::Permission | Self::Explanation
        )
    }
}

const BOTH_SIDES: &[Side] = &[Side::Client, Side::Server];

/// The side that has this name.
fn side(text: &str) -> Option<&'static [Side]> {
    let mut sides = BOTH_SIDES.chunks(1);
    sides.find(|side| name(side[0]) == text)
}

pub(crate) fn name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

/// What a test names: an id, for which it proves both sides as far as they are bound, or an id and
/// the one side of it that it proves.
pub(crate) fn proof(text: &str) -> (&str, &'static [Side]) {
    match text.split_once(' ') {
        None => (text, BOTH_SIDES),
        Some((id, one)) => (id, side(one).unwrap_or_else(|| panic!("no side: {text}"))),
    }
}

/// What `--statement` asks for: `5.0 MQTT-3.1.2-4 server`, or without a side for each.
pub(crate) struct Filter {
    version: Version,
    id: String,
    sides: &'static [Side],
}

impl Filter {
    pub(crate) fn new(text: &str) -> Self {
        let (version, rest) = text.split_once(' ').unwrap_or_default();
        let (id, sides) = proof(rest);
        Self {
            version: match version {
                "3.1.1" => Version::V311,
                "5.0" => Version::V5,
                _ => panic!("no version: {text}"),
            },
            id: id.trim_start_matches("MQTT-").into(),
            sides,
        }
    }

    pub(crate) fn asks(&self, version: Version, id: &str, side: Side) -> bool {
        self.version == version && self.id == id && self.sides.contains(&side)
    }
}

/// All statements of a version, and what it says without a number, each in its order.
pub(crate) fn all(version: Version) -> Vec<Statement> {
    let folder = support::vectors::testdata().join("statements");
    let text = ["", "-unnumbered"].map(|which| {
        let file = format!("{}{which}.txt", label(version));
        fs::read_to_string(folder.join(file)).unwrap()
    });
    let lines = text.iter().flat_map(|text| text.lines()).map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(parse)
        .collect()
}

fn parse(line: &str) -> Statement {
    let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let (id, who, binds, reason) = match fields[..] {
        [id, who, binds, _] => (id, who, binds, None),
        [id, who, binds, _, reason] => (id, who, binds, Some(reason)),
        _ => panic!("neither four nor five fields: {line}"),
    };
    let who = match who {
        "codec" => Who::Codec,
        "session" => Who::Session,
        "connection" => Who::Connection,
        "broker" => Who::Broker,
        "application" => Who::Application,
        "transport" => Who::Transport,
        "permission" => Who::Permission,
        "explanation" => Who::Explanation,
        _ => panic!("nobody decides: {line}"),
    };
    let is_id = id.starts_with("MQTT-") || id.starts_with('U');
    assert!(is_id, "no id: {line}");
    let id = id.trim_start_matches("MQTT-").to_owned();
    let tests_in = reason.and_then(|reason| reason.strip_prefix("tests in "));
    Statement {
        id,
        who,
        binds: match binds {
            "both" => BOTH_SIDES,
            _ => side(binds).unwrap_or_else(|| panic!("it binds nobody: {line}")),
        },
        reason: reason.filter(|_| tests_in.is_none()).map(str::to_owned),
        tests_in: tests_in.map(str::to_owned),
    }
}
