//! The copy of the repository that is broken and built.

use std::ops::Range;
use std::path::{Path, PathBuf};

use breaks::{Copy, Failure, library};

use crate::list::{Break, Edit};

/// The copy, and what is done with it.
pub(crate) struct Tree(Copy);

/// Where an edit applies, and what it puts there if its break is on.
pub(crate) type Place = (String, Range<usize>, String);

impl Tree {
    pub(crate) fn new(root: &Path) -> Result<Self, Failure> {
        Copy::new(root, false).map(Self)
    }

    /// Applies as many breaks as are apart from each other, each behind its number, and hands back the
    /// others.
    pub(crate) fn apply(&self, breaks: Vec<Break>) -> Result<(Vec<Break>, Vec<Break>), Failure> {
        let mut places: Vec<(Place, usize)> = Vec::new();
        let (mut applied, mut later) = (Vec::new(), Vec::new());
        for it in breaks {
            let found = self.places(&it)?;
            let is_taken = |(file, range, _): &Place| {
                places.iter().any(|((other, taken, _), _)| {
                    file == other
                        && range != taken
                        && range.start < taken.end
                        && taken.start < range.end
                })
            };
            if found.iter().any(is_taken) {
                later.push(it);
                continue;
            }
            places.extend(found.into_iter().map(|place| (place, applied.len())));
            applied.push(it);
        }
        let is_alone = applied.iter().any(|it| it.is_alone);
        for (file, source) in &self.0.sources {
            let mut edits: Vec<_> = places
                .iter()
                .filter(|((name, ..), _)| name == file)
                .collect();
            edits.sort_by_key(|((_, range, _), number)| (range.start, *number));
            let (mut text, mut rest) = (String::new(), 0);
            for same in edits.chunk_by(|((_, one, _), _), ((_, other, _), _)| one == other) {
                let Some(((_, range, new), _)) = same.first() else {
                    continue;
                };
                let old = &source[range.clone()];
                text += &source[rest..range.start];
                text += &match is_alone {
                    true => new.clone(),
                    false => guarded(
                        file,
                        old,
                        same.iter().map(|((.., new), at)| (*at, &new[..])),
                    ),
                };
                rest = range.end;
            }
            text += &source[rest..];
            self.0.write(file, &text)?;
        }
        Ok((applied, later))
    }

    /// Where a break applies, or why it does not.
    pub(crate) fn places(&self, it: &Break) -> Result<Vec<Place>, String> {
        it.edits.iter().map(|edit| self.find(edit)).collect()
    }

    /// Where an edit applies.
    fn find(&self, edit: &Edit) -> Result<Place, String> {
        let source = self
            .0
            .sources
            .get(&edit.file)
            .ok_or(format!("no file {}", edit.file))?;
        let once = |lines: &[String], text: &str| {
            let mut found = find_all(text, lines);
            let (first, second) = (found.next(), found.next());
            match (first, second) {
                (Some(range), None) => Ok(range),
                (None, _) => Err(format!("not found: {}", lines.join("\n"))),
                (Some(_), Some(_)) => Err(format!("found twice: {}", lines.join("\n"))),
            }
        };
        let range = match edit.context.is_empty() {
            true => once(&edit.old, source)?,
            false => {
                let context = once(&edit.context, source)?;
                let inside = inside(source, &context);
                let old = find_all(&source[inside.clone()], &edit.old).next();
                let old = old.ok_or(format!("not found: {}", edit.old.join("\n")))?;
                old.start + inside.start..old.end + inside.start
            }
        };
        Ok((edit.file.clone(), range, edit.new.join("\n")))
    }

    /// Builds the conformance tests, and says where they are, or why they do not compile.
    pub(crate) fn build(&self) -> Result<Result<PathBuf, String>, Failure> {
        let mut cargo = self.0.cargo();
        cargo.args(["test", "--locked", "--no-run", "--message-format=short"]);
        cargo.args(["--package", "mqtt-sansio", "--test", "conformance"]);
        let output = cargo.output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let errors: Vec<&str> = text.lines().filter(|line| line.contains("error")).collect();
            return Ok(Err(errors.join("\n")));
        }
        let line = text.lines().find(|line| line.contains("Executable"));
        let path = line.and_then(|line| Some(line.split_once('(')?.1.trim_end_matches(')')));
        let path = path.ok_or("cargo names no binary")?;
        Ok(Ok(self.0.folder.join(path)))
    }
}

/// The old text, or the new one of the break that is on.
fn guarded<'a>(file: &str, old: &str, news: impl Iterator<Item = (usize, &'a str)>) -> String {
    let library = library(file);
    let mut text = String::new();
    for (number, new) in news {
        text += &format!("if {library}::broken({number}) {{ {new} }} else ");
    }
    text += &format!("{{ {old} }}");
    match old.ends_with([';', '}']) {
        true => text,
        false => format!("({text})"),
    }
}

/// From the end of a context to the end of the item or method that it begins or is in.
fn inside(source: &str, context: &Range<usize>) -> Range<usize> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let begin = source[..context.start].rfind('\n').map_or(0, |at| at + 1);
    // Methods stand at four.
    let outside = indent(&source[begin..]).min(4);
    let rest = source[context.end..].find('\n');
    let mut end = rest.map_or(source.len(), |at| context.end + at + 1);
    for line in source[end..].split_inclusive('\n') {
        if line.trim_start().starts_with('}') && indent(line) <= outside {
            break;
        }
        end += line.len();
    }
    context.end..end
}

/// Where the lines stand in a text, whatever their indentation.
fn find_all(text: &str, lines: &[String]) -> impl Iterator<Item = Range<usize>> {
    let (first, rest) = lines
        .split_first()
        .map_or(("", lines), |(first, rest)| (&first[..], rest));
    text.match_indices(first)
        .filter(move |_| !first.is_empty())
        .filter_map(move |(start, _)| {
            let mut end = start + first.len();
            for line in rest {
                let below = text[end..].strip_prefix('\n')?.trim_start_matches(' ');
                end = text.len() - below.strip_prefix(&line[..])?.len();
            }
            Some(start..end)
        })
}
