//! The list of mutants, as `cargo mutants` makes it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::{fmt, fs};

use breaks::{Copy, Failure, git, output};
use serde_json::Value;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Genre {
    /// The function does nothing but return a value.
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    pub(crate) file: String,
    line: u64,
    /// What it does, with `#2` at the end if it is the second of the function that does so.
    what: String,
    pub(crate) genre: Genre,
    /// The text that goes, and what comes.
    pub(crate) span: Range<usize>,
    pub(crate) replacement: String,
    /// Where the function is, and whether it returns some iterator.
    pub(crate) function: Option<Range<usize>>,
    pub(crate) is_opaque: bool,
}

impl Mutant {
    /// Its name in `testdata/mutants.txt`: without a line, so that it stays.
    pub(crate) fn name(&self) -> String {
        format!("{}: {}", self.file, self.what)
    }

    /// What tells it from all others of this list.
    pub(crate) fn place(&self) -> String {
        format!("{}:{:?}:{}", self.file, self.span, self.replacement)
    }

    /// Its source, with it alone.
    pub(crate) fn applied(&self, source: &str) -> String {
        let mut source = source.to_owned();
        source.replace_range(self.span.clone(), &self.replacement);
        source
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// All mutants, and which of them overlap what has changed since a commit.
pub(crate) fn read(
    root: &Path,
    copy: &Copy,
    changed: Option<&str>,
) -> Result<(Vec<Mutant>, Option<BTreeSet<String>>), Failure> {
    let mut counts = BTreeMap::new();
    let mutants = list(root, &[])?
        .iter()
        .map(|value| mutant(copy, value, &mut counts).ok_or(format!("not understood: {value}")))
        .collect::<Result<Vec<_>, _>>()?;
    let Some(changed) = changed else {
        return Ok((mutants, None));
    };
    let diff = copy.target.join("changed.diff");
    fs::create_dir_all(&copy.target)?;
    fs::write(&diff, git(root, &["diff", changed])?)?;
    let diff = diff.to_string_lossy();
    let mut counts = BTreeMap::new();
    // The names of these are counted anew: the place is what tells them apart.
    let changed = list(root, &["--in-diff", &diff])?
        .iter()
        .filter_map(|value| mutant(copy, value, &mut counts))
        .map(|it| it.place())
        .collect();
    Ok((mutants, Some(changed)))
}

fn list(root: &Path, more: &[&str]) -> Result<Vec<Value>, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["mutants", "--workspace"]);
    cargo.args(["--list", "--json", "--config", "tests/breaks/mutants.toml"]);
    let text = output(cargo.args(more))?;
    // Without any, it prints nothing.
    match text.trim_start().starts_with('[') {
        true => Ok(serde_json::from_str(&text)?),
        false => Ok(Vec::new()),
    }
}

fn mutant(copy: &Copy, value: &Value, counts: &mut BTreeMap<String, usize>) -> Option<Mutant> {
    let file = value["file"].as_str()?;
    let source = copy.sources.get(file)?;
    let name = value["name"].as_str()?;
    let what = name.splitn(4, ':').nth(3)?.trim_start().to_owned();
    let count = counts.entry(format!("{file}: {what}")).or_default();
    *count += 1;
    let what = match *count {
        1 => what,
        count => format!("{what} #{count}"),
    };
    let genre = match value["genre"].as_str()? {
        "FnValue" => Genre::FnValue,
        "BinaryOperator" => Genre::BinaryOperator,
        "UnaryOperator" => Genre::UnaryOperator,
        "MatchArm" => Genre::MatchArm,
        "MatchArmGuard" => Genre::MatchArmGuard,
        "StructField" => Genre::StructField,
        _ => return None,
    };
    let function = &value["function"];
    Some(Mutant {
        file: file.into(),
        line: value["span"]["start"]["line"].as_u64()?,
        what,
        genre,
        span: span(source, &value["span"])?,
        replacement: value["replacement"].as_str()?.into(),
        function: span(source, &function["span"]),
        is_opaque: function["return_type"]
            .as_str()
            .is_some_and(|it| it.starts_with("-> impl ")),
    })
}

fn span(source: &str, span: &Value) -> Option<Range<usize>> {
    let at = |end: &Value| {
        let line = usize::try_from(end["line"].as_u64()?).ok()?;
        let column = usize::try_from(end["column"].as_u64()?).ok()?;
        let before: usize = source
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let chars = source.get(before..)?.char_indices();
        Some(before + chars.map(|(at, _)| at).nth(column - 1)?)
    };
    Some(at(&span["start"])?..at(&span["end"])?)
}
