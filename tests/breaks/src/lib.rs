//! What breaks and mutants share: a copy of the repository, with code that is on by its number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

mod switch;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The root of the repository.
pub fn root() -> Result<PathBuf, Failure> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    Ok(root.canonicalize()?)
}

pub fn git(root: &Path, arguments: &[&str]) -> Result<String, Failure> {
    output(Command::new("git").arg("-C").arg(root).args(arguments))
}

/// What a command prints, or says about its failure.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

/// The name of the library in one of the sources, where `broken` is.
pub fn library(file: &str) -> &'static str {
    match file.starts_with("src/") {
        true => "crate",
        false => "mqtt_sansio",
    }
}

/// The copy, and the sources of crate and broker as they are.
pub struct Copy {
    pub folder: PathBuf,
    pub target: PathBuf,
    pub sources: BTreeMap<String, String>,
    /// Whether its code is to be fast.
    is_optimized: bool,
}

impl Copy {
    /// Copies what git tracks, or would: only what has changed, so that a second run builds little. The
    /// sources are not written yet.
    pub fn new(root: &Path, is_optimized: bool) -> Result<Self, Failure> {
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => root.join(target),
            None => root.join("target/breaks"),
        };
        let mut copy = Self {
            folder: target.join("broken"),
            target,
            sources: BTreeMap::new(),
            is_optimized,
        };
        let files = git(
            root,
            &["ls-files", "--cached", "--others", "--exclude-standard"],
        )?;
        let _ = fs::remove_dir_all(copy.folder.join("testdata"));
        for folder in ["src", "tests"] {
            remove_others(&copy.folder, Path::new(folder), &files)?;
        }
        for file in files.lines().filter(|file| root.join(file).is_file()) {
            let bytes = fs::read(root.join(file))?;
            if is_source(file) {
                copy.sources
                    .insert(file.to_owned(), String::from_utf8(bytes)?);
            } else {
                write(&copy.folder.join(file), &bytes)?;
            }
        }
        Ok(copy)
    }

    /// Writes one of the sources.
    pub fn write(&self, file: &str, text: &str) -> Result<(), Failure> {
        let (head, tail) = match file {
            "src/lib.rs" => ([switch::LINTS, switch::HEAD].concat(), switch::TAIL),
            "tests/broker/src/lib.rs" => (switch::LINTS.into(), ""),
            _ => (String::new(), ""),
        };
        let text = [&head, text, tail].concat();
        write(&self.folder.join(file), text.as_bytes())
    }

    /// A command of cargo for the copy.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "1")
            // For the library alone: the switch needs it.
            .env("RUSTC_BOOTSTRAP", "mqtt_sansio");
        if self.is_optimized {
            cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
        }
        cargo
    }
}

/// Whether breaks may be in this file.
fn is_source(file: &str) -> bool {
    (file.starts_with("src/") || file.starts_with("tests/broker/src/")) && file.ends_with(".rs")
}

/// Removes what is below a folder of the copy and not among these files, as it has moved.
fn remove_others(copy: &Path, folder: &Path, files: &str) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(copy.join(folder)) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(copy, &path, files)?;
        } else if !files.lines().any(|file| Path::new(file) == path) {
            fs::remove_file(copy.join(path))?;
        }
    }
    Ok(())
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
