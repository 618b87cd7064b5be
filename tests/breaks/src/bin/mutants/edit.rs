//! One source with all its mutants, each behind its number.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use breaks::{Failure, library};

use crate::code::Code;
use crate::list::{Genre, Mutant};

/// A part of a source that was edited.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) range: Range<usize>,
    /// The mutants that it is for. An error in it is theirs.
    pub(crate) numbers: Vec<usize>,
    /// Whether it is nothing but what the one mutant puts there.
    pub(crate) is_own: bool,
}

/// What is put around a part of a source.
#[derive(Default)]
struct Wrap {
    range: Range<usize>,
    before: String,
    after: String,
    /// In `before`.
    own: Vec<(Range<usize>, usize)>,
    numbers: Vec<usize>,
}

impl Wrap {
    fn new(range: &Range<usize>) -> Self {
        Self {
            range: range.clone(),
            ..Self::default()
        }
    }

    /// Puts `text` before it, with what the mutant is in the place of `@`.
    fn put(&mut self, number: usize, text: &str, mutant: &str) {
        let (before, after) = text.split_once('@').unwrap_or((text, ""));
        self.before += before;
        let start = self.before.len();
        self.before += mutant;
        self.own.push((start..self.before.len(), number));
        self.before += after;
        self.numbers.push(number);
    }
}

/// The source with all of them, and which part is whose.
pub(crate) fn edit(
    file: &str,
    source: &str,
    code: &Code,
    mutants: &[(usize, &Mutant)],
) -> Result<(String, Vec<Mark>), Failure> {
    let mut wraps: BTreeMap<(usize, usize, bool), Wrap> = BTreeMap::new();
    let mut arms: BTreeMap<usize, Vec<(usize, &Mutant)>> = BTreeMap::new();
    for &(number, mutant) in mutants {
        if let Some(function) = &mutant.function {
            let key = (function.start, function.end, true);
            let wrap = wraps.entry(key).or_insert_with(|| Wrap::new(function));
            wrap.numbers.push(number);
        }
        let missing = || format!("no place for {mutant}");
        if matches!(mutant.genre, Genre::MatchArm | Genre::MatchArmGuard) {
            let arm = code.arm(mutant.span.start).ok_or_else(missing)?;
            arms.entry(arm).or_default().push((number, mutant));
            continue;
        }
        let (range, new) = change(source, code, mutant).ok_or_else(missing)?;
        let key = (range.start, range.end, false);
        let wrap = wraps.entry(key).or_insert_with(|| Wrap::new(&range));
        let on = format!("{}::broken({number})", library(file));
        match (mutant.genre, mutant.is_opaque) {
            (Genre::FnValue, true) => {
                let either = format!("{}::Either", library(file));
                let text = format!("if {on} {{ {either}::B(@) }} else {{ {either}::A(");
                wrap.put(number, &text, &new);
                wrap.after += ") }";
            }
            (Genre::FnValue, false) => wrap.put(number, &format!("if {on} {{ return @; }}"), &new),
            _ => {
                let open = if wrap.numbers.is_empty() { "(" } else { "" };
                wrap.put(number, &format!("{open}if {on} {{ @ }} else "), &new);
            }
        }
    }
    for wrap in wraps.values_mut() {
        if wrap.before.starts_with('(') {
            wrap.before += "{ ";
            wrap.after += " })";
        } else if !wrap.after.is_empty() {
            wrap.before += "{ ";
            wrap.after.insert_str(0, " }");
        }
    }
    for (arm, mutants) in arms {
        let (arrow, guard) = code.arms.get(&arm).ok_or("no such arm")?;
        let wrap = arm_wrap(file, *arrow, guard.as_ref(), &mutants);
        wraps.insert((wrap.range.start, wrap.range.end, true), wrap);
    }
    Ok(put(source, wraps.into_values().collect()))
}

/// What a mutant changes, and to what.
fn change(source: &str, code: &Code, mutant: &Mutant) -> Option<(Range<usize>, String)> {
    let start = mutant.span.start;
    Some(match mutant.genre {
        Genre::FnValue => {
            let body = code.bodies.get(&mutant.function.as_ref()?.end)?;
            (body.clone(), mutant.replacement.clone())
        }
        Genre::BinaryOperator => {
            let [left, right] = code.binaries.get(&start)?;
            let (op, range) = (&mutant.replacement, left.start..right.end);
            let (left, right) = (&source[left.clone()], &source[right.clone()]);
            (range, format!("({left}) {op} ({right})"))
        }
        Genre::UnaryOperator => {
            let operand = code.unaries.get(&start)?;
            let new = format!("({})", &source[operand.clone()]);
            (start..operand.end, new)
        }
        Genre::StructField => {
            let whole = code.fields.get(&start)?;
            let rest = source[mutant.span.end..whole.end].trim_start_matches(',');
            (whole.clone(), [&source[whole.start..start], rest].concat())
        }
        Genre::MatchArm | Genre::MatchArmGuard => return None,
    })
}

/// The guard of an arm, of which some mutants do without the arm or the guard.
fn arm_wrap(
    file: &str,
    arrow: usize,
    guard: Option<&Range<usize>>,
    mutants: &[(usize, &Mutant)],
) -> Wrap {
    let (mut always, mut never) = (String::new(), String::new());
    for (number, mutant) in mutants {
        let on = format!("{}::broken({number})", library(file));
        match &mutant.replacement[..] {
            "true" => always += &format!("{on} || "),
            _ => never += &format!("!{on} && "),
        }
    }
    let (range, before, after) = match guard {
        Some(guard) => (guard.clone(), format!("{never}({always}("), "))".to_owned()),
        None => (arrow..arrow, format!("if {never}true "), String::new()),
    };
    Wrap {
        range,
        before,
        after,
        own: Vec::new(),
        numbers: mutants.iter().map(|(number, _)| *number).collect(),
    }
}

/// Puts all of them in.
fn put(source: &str, wraps: Vec<Wrap>) -> (String, Vec<Mark>) {
    // At one place the inner ends first, and the outer begins first.
    let mut ends: Vec<(usize, bool, Reverse<usize>, usize)> = Vec::new();
    for (at, wrap) in wraps.iter().enumerate() {
        let Range { start, end } = wrap.range;
        ends.push((start, true, Reverse(end), at));
        ends.push((end, start == end, Reverse(start), 2 * wraps.len() - at));
    }
    ends.sort();
    let (mut text, mut marks, mut rest) = (String::new(), Vec::new(), 0);
    let mut starts = vec![0; wraps.len()];
    for (place, .., at) in ends {
        text += &source[rest..place];
        rest = place;
        if let Some(wrap) = wraps.get(at) {
            starts[at] = text.len();
            let own = wrap.own.iter().map(|(range, number)| Mark {
                range: text.len() + range.start..text.len() + range.end,
                numbers: vec![*number],
                is_own: true,
            });
            marks.extend(own);
            text += &wrap.before;
        } else {
            let at = 2 * wraps.len() - at;
            text += &wraps[at].after;
            marks.push(Mark {
                range: starts[at]..text.len(),
                numbers: wraps[at].numbers.clone(),
                is_own: false,
            });
        }
    }
    text += &source[rest..];
    (text, marks)
}
