//! Which mutants compile together.

use std::collections::{BTreeMap, BTreeSet};

use breaks::{Copy, Failure};
use serde_json::Value;

use crate::code::Code;
use crate::edit::{Mark, edit};
use crate::list::{Genre, Mutant};

/// What became of the mutants that are not in the build.
#[derive(Default)]
pub(crate) struct Left {
    /// An error stood in what they put there.
    pub(crate) do_not_compile: Vec<usize>,
    /// They are in what is computed when it is compiled, or do not compile with the others.
    pub(crate) alone: Vec<usize>,
}

/// Writes all mutants that compile together, and says which do not.
pub(crate) fn together(
    copy: &Copy,
    mutants: &[Mutant],
    chosen: &BTreeSet<usize>,
) -> Result<Left, Failure> {
    let codes = copy.sources.iter();
    let codes = codes
        .map(|(file, source)| Ok((&file[..], Code::new(source)?)))
        .collect::<Result<Codes<'_>, Failure>>()?;
    let mut left = Left::default();
    let is_constant = |&number: &usize| {
        let Mutant { file, span, .. } = &mutants[number];
        let mut constants = codes[&file[..]].constants.iter();
        constants.any(|it| it.contains(&span.start))
    };
    left.alone = chosen.iter().copied().filter(is_constant).collect();
    let mut rest = chosen.clone();
    rest.retain(|number| !is_constant(number));
    // With whom an error came, though not in what they put there; and those of them that are tried
    // again, one a function.
    let (mut doubtful, mut tried) = (Vec::new(), BTreeSet::new());
    loop {
        let marks = write(copy, &codes, mutants, &rest)?;
        let errors = check(copy)?;
        println!("{} mutants, {} errors", rest.len(), errors.len());
        let before = rest.len();
        for error in &errors {
            let Some(mark) = culprit(&marks, error) else {
                continue;
            };
            let numbers = mark.numbers.iter().filter(|number| rest.contains(number));
            let numbers: Vec<usize> = numbers.copied().collect();
            for number in suspects(error, &numbers, &tried, mutants) {
                rest.remove(&number);
                match (mark.is_own, tried.contains(&number)) {
                    (true, _) => left.do_not_compile.push(number),
                    (false, true) => left.alone.push(number),
                    (false, false) => doubtful.push(number),
                }
            }
        }
        if !errors.is_empty() {
            if rest.len() == before {
                let text = errors.iter().take(3).map(|it| it["rendered"].to_string());
                return Err(text.collect::<Vec<_>>().join("\n").into());
            }
            continue;
        }
        if doubtful.is_empty() {
            return Ok(left);
        }
        let mut functions = BTreeSet::new();
        let mut place = |number: &usize| {
            let Mutant { file, function, .. } = &mutants[*number];
            functions.insert((&file[..], function.as_ref().map(|it| it.start)))
        };
        let now: Vec<usize>;
        (now, doubtful) = doubtful.into_iter().partition(|number| place(number));
        rest.extend(&now);
        tried = now.into_iter().collect();
    }
}

type Codes<'a> = BTreeMap<&'a str, Code>;

/// Writes the sources with these mutants.
fn write<'a>(
    copy: &'a Copy,
    codes: &Codes<'_>,
    mutants: &[Mutant],
    numbers: &BTreeSet<usize>,
) -> Result<BTreeMap<&'a str, Vec<Mark>>, Failure> {
    let mut marks = BTreeMap::new();
    for (file, source) in &copy.sources {
        let of_file: Vec<_> = numbers
            .iter()
            .map(|&number| (number, &mutants[number]))
            .filter(|(_, mutant)| mutant.file == *file)
            .collect();
        let (text, of_file) = edit(file, source, &codes[&file[..]], &of_file)?;
        copy.write(file, &text)?;
        marks.insert(&file[..], of_file);
    }
    Ok(marks)
}

/// Of the mutants at an error, those that may be its reason.
fn suspects(
    error: &Value,
    numbers: &[usize],
    tried: &BTreeSet<usize>,
    mutants: &[Mutant],
) -> Vec<usize> {
    let of = |what: &dyn Fn(&Mutant) -> bool| -> Vec<usize> {
        let numbers = numbers.iter().copied();
        numbers.filter(|&number| what(&mutants[number])).collect()
    };
    let tried = numbers.iter().copied().filter(|it| tried.contains(it));
    let found = match error["code"]["code"].as_str() {
        _ if numbers.len() == 1 => Vec::new(),
        // Patterns are missing.
        Some("E0004") => of(&|it| it.genre == Genre::MatchArm),
        // It is an iterator over something else.
        Some("E0271") => of(&|it| it.genre == Genre::FnValue && it.is_opaque),
        _ => Vec::new(),
    };
    [tried.collect(), found, numbers.to_vec()]
        .into_iter()
        .find(|it| !it.is_empty())
        .unwrap_or_default()
}

/// The smallest part that an error stands in.
fn culprit<'a>(marks: &'a BTreeMap<&str, Vec<Mark>>, error: &Value) -> Option<&'a Mark> {
    let spans = error["spans"].as_array()?;
    let found = |primary: bool| {
        let spans = spans.iter().filter(move |it| it["is_primary"] == primary);
        let marks = spans.filter_map(|span| {
            let start = usize::try_from(span["byte_start"].as_u64()?).ok()?;
            let marks = marks.get(span["file_name"].as_str()?)?.iter();
            marks
                .filter(|mark| mark.range.contains(&start))
                .min_by_key(|mark| (!mark.is_own, mark.range.len()))
        });
        marks.min_by_key(|mark| (!mark.is_own, mark.range.len()))
    };
    let (first, second) = (found(true), found(false));
    match (first, second) {
        (Some(first), Some(second)) if second.is_own && !first.is_own => Some(second),
        (first, second) => first.or(second),
    }
}

/// The errors of the compiler.
pub(crate) fn check(copy: &Copy) -> Result<Vec<Value>, Failure> {
    let mut cargo = copy.cargo();
    cargo.args(["check", "--locked", "--lib", "--message-format=json"]);
    cargo.args(["--package", "mqtt-sansio", "--package", "reference-broker"]);
    // It has all features on.
    cargo.args(["--package", "support"]);
    let output = cargo.output()?;
    let errors: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|it: &Value| it["reason"] == "compiler-message")
        .map(|it| it["message"].clone())
        .filter(|it| {
            it["level"] == "error" && it["spans"].as_array().is_some_and(|it| !it.is_empty())
        })
        .collect();
    match output.status.success() || !errors.is_empty() {
        true => Ok(errors),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}
