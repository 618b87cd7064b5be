//! The tests: which there are, how long each takes, and which mutants it comes across.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, thread};

use breaks::{Copy, Failure};
use serde_json::Value;

/// A binary: its package, its name, whether that is a library with its unit tests, and whether it takes
/// the names of many tests at once.
pub(crate) type Kind = (&'static str, &'static str, bool, bool);

/// What is built: first what has most of the quick tests. Those that talk to others, count what the
/// library has on the heap, or take minutes are left out.
pub(crate) const BINARIES: [Kind; 10] = [
    ("mqtt-sansio", "conformance", false, false),
    ("mqtt-sansio", "mqtt_sansio", true, true),
    ("mqtt-sansio", "field", false, true),
    ("mqtt-sansio", "connection", false, true),
    ("reference-broker", "reference_broker", true, true),
    ("mqtt-sansio", "codec", false, true),
    ("mqtt-sansio", "topic", false, true),
    ("mqtt-sansio", "machines", false, false),
    ("reference-broker", "tcp", false, false),
    ("reference-broker", "flood", false, false),
];

/// No variable of the environment, for a test without a switch.
pub(crate) const NOTHING: (&str, &str) = ("RUST_BACKTRACE", "0");

#[derive(Debug)]
pub(crate) struct Binary {
    path: PathBuf,
    folder: PathBuf,
    takes_many: bool,
}

#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) binary: usize,
    pub(crate) name: String,
    pub(crate) time: Duration,
    pub(crate) reaches: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Passed,
    Failed,
    TooLong,
}

/// Builds some of the tests, or says why they do not compile.
pub(crate) fn build(copy: &Copy, kinds: &[Kind]) -> Result<Result<Vec<Binary>, String>, Failure> {
    let mut cargo = copy.cargo();
    cargo.args(["test", "--locked", "--no-run", "--message-format=json"]);
    for (package, name, is_library, _) in kinds {
        cargo.args(["--package", package]);
        if !is_library {
            cargo.args(["--test", name]);
        }
    }
    if kinds.iter().any(|(_, _, is_library, _)| *is_library) {
        cargo.arg("--lib");
    }
    let output = cargo.output()?;
    if !output.status.success() {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).into()));
    }
    let text = String::from_utf8(output.stdout)?;
    let binary = |line: &str| {
        let it: Value = serde_json::from_str(line).ok()?;
        let name = it["target"]["name"].as_str()?;
        let (.., takes_many) = kinds.iter().find(|(_, other, ..)| *other == name)?;
        let manifest = Path::new(it["manifest_path"].as_str()?);
        Some(Binary {
            path: it["executable"].as_str()?.into(),
            folder: manifest.parent()?.into(),
            takes_many: *takes_many,
        })
    };
    Ok(Ok(text.lines().filter_map(binary).collect()))
}

impl Binary {
    /// The names of its tests.
    fn list(&self) -> Result<Vec<String>, Failure> {
        let mut list = Command::new(&self.path);
        list.current_dir(&self.folder);
        list.args(["--list", "--format", "terse"]);
        let text = breaks::output(&mut list)?;
        let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(names.map(str::to_owned).collect())
    }

    pub(crate) const fn takes_many(&self) -> bool {
        self.takes_many
    }

    /// Runs some tests, or all if there is no name.
    pub(crate) fn run(
        &self,
        names: &[&str],
        variable: (&str, &str),
        limit: Duration,
    ) -> io::Result<End> {
        let mut test = Command::new("sh");
        // What grows without end is to fail, not to take the machine with it.
        test.args(["-c", r#"ulimit -v 8000000; exec "$0" "$@""#]);
        test.arg(&self.path).arg("--test-threads=1").args(names);
        if !names.is_empty() {
            test.arg("--exact");
        }
        test.current_dir(&self.folder).process_group(0);
        test.stdout(Stdio::null()).stderr(Stdio::null());
        test.env("RUST_BACKTRACE", "0").env(variable.0, variable.1);
        test.env("PROPTEST_RNG_SEED", "1");
        test.env("PROPTEST_MAX_SHRINK_ITERS", "0");
        test.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
        let (mut child, start) = (test.spawn()?, Instant::now());
        let mut pause = Duration::from_micros(500);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(match status.success() {
                    true => End::Passed,
                    false => End::Failed,
                });
            }
            if start.elapsed() > limit {
                // With what it has started.
                let group = format!("-{}", child.id());
                Command::new("kill")
                    .args(["-KILL", "--", &group])
                    .status()?;
                child.wait()?;
                return Ok(End::TooLong);
            }
            thread::sleep(pause);
            pause = (pause * 5 / 4).min(Duration::from_millis(20));
        }
    }
}

/// Runs each test alone with no mutant on, and notes which it asks for. Those that fail come second.
pub(crate) fn record(
    copy: &Copy,
    binaries: &[Binary],
    jobs: Option<usize>,
) -> Result<(Vec<Test>, Vec<String>), Failure> {
    let mut names = Vec::new();
    for (at, binary) in binaries.iter().enumerate() {
        names.extend(binary.list()?.into_iter().map(|name| (at, name)));
    }
    let (tests, failed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let queue = Mutex::new(names.into_iter());
    crate::in_parallel(jobs, |worker| {
        let path = copy.target.join(format!("reached-{worker}"));
        let file = path.to_string_lossy();
        loop {
            let Some((binary, name)) = crate::lock(&queue).next() else {
                break;
            };
            let _ = fs::remove_file(&path);
            let (start, limit) = (Instant::now(), Duration::from_secs(300));
            let end = binaries[binary].run(&[&name], ("REACHED", &file), limit)?;
            if end != End::Passed {
                crate::lock(&failed).push(name);
                continue;
            }
            let time = start.elapsed();
            let bytes = fs::read(&path).unwrap_or_default();
            let numbers = bytes.chunks_exact(4).map(|it| {
                let number = it.try_into().map_or(0, u32::from_le_bytes);
                usize::try_from(number).unwrap_or_default()
            });
            crate::lock(&tests).push(Test {
                binary,
                name,
                time,
                reaches: numbers.collect(),
            });
        }
        Ok(())
    })?;
    let mut tests = tests.into_inner()?;
    tests.sort_by_key(|it| it.time);
    Ok((tests, failed.into_inner()?))
}
