//! The copy of the repository that is broken and built.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::list::{Break, Edit};
use crate::{Failure, git};

/// What tells the code which break is on. It is added to `src/lib.rs` of the copy.
const BROKEN: &str = r#"
/// Whether this break is on.
#[doc(hidden)]
pub fn broken(number: u32) -> bool {
    extern crate std;
    static ON: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    let read = || std::env::var("BREAK").ok().and_then(|text| text.parse().ok());
    *ON.get_or_init(read) == Some(number)
}
"#;

/// The copy, and its files as they are without a break.
pub(crate) struct Tree {
    folder: PathBuf,
    target: PathBuf,
    sources: BTreeMap<String, String>,
}

/// Where an edit applies, and what it puts there if its break is on.
pub(crate) type Place = (String, Range<usize>, String);

impl Tree {
    /// Copies what git tracks, or would: only what has changed, so that a second run builds little.
    pub(crate) fn new(root: &Path) -> Result<Self, Failure> {
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => root.join(target),
            None => root.join("target/breaks"),
        };
        let folder = target.join("broken");
        let mut sources = BTreeMap::new();
        let files = git(
            root,
            &["ls-files", "--cached", "--others", "--exclude-standard"],
        )?;
        let _ = fs::remove_dir_all(folder.join("testdata"));
        for file in files.lines().filter(|file| root.join(file).is_file()) {
            let mut bytes = fs::read(root.join(file))?;
            if file == "src/lib.rs" {
                bytes.extend_from_slice(BROKEN.as_bytes());
            }
            write(&folder.join(file), &bytes)?;
            if is_source(file) {
                sources.insert(file.to_owned(), String::from_utf8(bytes)?);
            }
        }
        Ok(Self {
            folder,
            target,
            sources,
        })
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
        for (file, source) in &self.sources {
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
            write(&self.folder.join(file), text.as_bytes())?;
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
                let from = once(&edit.context, source)?.end;
                let old = find_all(&source[from..], &edit.old).next();
                let old = old.ok_or(format!("not found: {}", edit.old.join("\n")))?;
                old.start + from..old.end + from
            }
        };
        Ok((edit.file.clone(), range, edit.new.join("\n")))
    }

    /// Builds the conformance tests, and says where they are, or why they do not compile.
    pub(crate) fn build(&self) -> Result<Result<PathBuf, String>, Failure> {
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--locked", "--no-run", "--message-format=short"]);
        cargo.args(["--package", "mqtt-sansio", "--test", "conformance"]);
        cargo
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target);
        cargo.env("CARGO_INCREMENTAL", "1");
        let output = cargo.output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let errors: Vec<&str> = text.lines().filter(|line| line.contains("error")).collect();
            return Ok(Err(errors.join("\n")));
        }
        let line = text.lines().find(|line| line.contains("Executable"));
        let path = line.and_then(|line| Some(line.split_once('(')?.1.trim_end_matches(')')));
        let path = path.ok_or("cargo names no binary")?;
        Ok(Ok(self.folder.join(path)))
    }
}

/// Whether breaks may be in this file.
fn is_source(file: &str) -> bool {
    (file.starts_with("src/") || file.starts_with("tests/broker/src/")) && file.ends_with(".rs")
}

/// Writes a file if that changes it: cargo goes by the time.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if !fs::read(path).is_ok_and(|old| old == bytes) {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// The old text, or the new one of the break that is on.
fn guarded<'a>(file: &str, old: &str, news: impl Iterator<Item = (usize, &'a str)>) -> String {
    let library = match file.starts_with("src/") {
        true => "crate",
        false => "mqtt_sansio",
    };
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
