//! The lists of breaks and of statements.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fmt, fs};

use breaks::Failure;

/// A side that a statement binds.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Proof {
    version: String,
    id: String,
    side: String,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, id, side } = self;
        write!(f, "{version} {id} {side}")
    }
}

/// One edit of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    pub(crate) file: String,
    /// What stands once in the file, before the old text; or nothing, and the old text stands once.
    pub(crate) context: Vec<String>,
    pub(crate) old: Vec<String>,
    pub(crate) new: Vec<String>,
}

/// Edits that break something, and what has to fail then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Break {
    /// File and line of the list.
    pub(crate) place: String,
    pub(crate) proofs: Vec<Proof>,
    /// Whether it has a build of its own, as it is no expression or statement.
    pub(crate) is_alone: bool,
    pub(crate) edits: Vec<Edit>,
}

/// Reads all lists of breaks.
pub(crate) fn read(folder: &Path) -> Result<Vec<Break>, Failure> {
    let mut files = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, Failure>>()?;
    files.sort();
    let mut breaks = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let file = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut open: Option<Break> = None;
        for (at, line) in text.lines().enumerate() {
            let place = format!("{file}:{}", at + 1);
            if line.trim().is_empty() {
                breaks.extend(open.take());
            } else if !line.starts_with('#') {
                let it = open.get_or_insert_with(|| Break {
                    place: place.clone(),
                    ..Break::default()
                });
                read_line(it, line).map_err(|error| format!("{place}: {error}"))?;
            }
        }
        breaks.extend(open);
    }
    match breaks
        .iter()
        .find(|it| it.proofs.is_empty() || it.edits.is_empty())
    {
        Some(it) => Err(format!("{}: no statement or no edit", it.place).into()),
        None => Ok(breaks),
    }
}

fn read_line(it: &mut Break, line: &str) -> Result<(), Failure> {
    if let Some(file) = line.strip_prefix("in ") {
        it.edits.push(Edit {
            file: file.into(),
            ..Edit::default()
        });
        return Ok(());
    }
    if line == "alone" {
        it.is_alone = true;
        return Ok(());
    }
    let sign = line.chars().next();
    if !matches!(sign, Some(' ' | '-' | '+')) {
        it.proofs.extend(read_proofs(line)?);
        return Ok(());
    }
    let edit = it.edits.last_mut().ok_or("no file")?;
    let text = line.get(1..).unwrap_or_default().trim().to_owned();
    match sign {
        Some(' ') if edit.old.is_empty() => edit.context.push(text),
        Some('-') if edit.new.is_empty() => edit.old.push(text),
        Some('+') if !edit.old.is_empty() => edit.new.push(text),
        _ => return Err("out of order".into()),
    }
    Ok(())
}

/// Reads `5.0 both MQTT-1.5.4-1 U5-1.5.4-1`.
fn read_proofs(line: &str) -> Result<Vec<Proof>, Failure> {
    let mut words = line.split(' ');
    let version = words
        .next()
        .filter(|it| ["3.1.1", "5.0"].contains(it))
        .ok_or("no version")?;
    let sides: &[&str] = match words.next() {
        Some("both") => &["client", "server"],
        Some("client") => &["client"],
        Some("server") => &["server"],
        _ => return Err("no side".into()),
    };
    let proof = |id: &str, side: &&str| Proof {
        version: version.into(),
        id: id.into(),
        side: (*side).into(),
    };
    Ok(words
        .flat_map(|id| sides.iter().map(move |side| proof(id, side)))
        .collect())
}

/// All sides of statements that have a test here.
pub(crate) fn testable(folder: &Path) -> Result<BTreeSet<Proof>, Failure> {
    let mut proofs = BTreeSet::new();
    for (version, name) in [("3.1.1", "v311"), ("5.0", "v5")] {
        for kind in ["", "-unnumbered"] {
            let text = fs::read_to_string(folder.join(format!("{name}{kind}.txt")))?;
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                // A fifth says why there is no test, or where.
                if let [id, _, side, _] = line.split(" | ").collect::<Vec<_>>()[..] {
                    proofs.extend(read_proofs(&format!("{version} {side} {id}"))?);
                }
            }
        }
    }
    Ok(proofs)
}
