//! Breaks the crate and the broker on purpose, and says which break no test sees that names the
//! statement. `testdata/README.md` has the format of `testdata/breaks`, CONTRIBUTING.md the commands.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use std::{env, io, thread};

mod list;
mod tree;

use breaks::{Failure, git};
use list::{Break, Proof};
use tree::Tree;

/// What the command line asks for: with neither of the first two, all breaks.
#[derive(Default)]
struct Options {
    file: Option<String>,
    changed: Option<String>,
    list: bool,
}

impl Options {
    fn new() -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{argument} lacks its value"))
            };
            match &argument[..] {
                "--file" => options.file = Some(value()?),
                "--changed" => options.changed = Some(value()?),
                "--list" => options.list = true,
                other => return Err(format!("unknown: {other}").into()),
            }
        }
        Ok(options)
    }

    /// The breaks that are asked for.
    fn choose(&self, root: &Path, breaks: Vec<Break>) -> Result<Vec<Break>, Failure> {
        if self.file.is_none() && self.changed.is_none() {
            return Ok(breaks);
        }
        let changed = match &self.changed {
            Some(reference) => git(root, &["diff", "--name-only", reference])?,
            None => String::new(),
        };
        let changed: BTreeSet<&str> = changed.lines().collect();
        let is_asked = |file: &str| {
            self.file
                .as_ref()
                .is_some_and(|part| file.contains(&part[..]))
                || changed.contains(file)
        };
        let asked = |it: &Break| it.edits.iter().any(|edit| is_asked(&edit.file));
        Ok(breaks.into_iter().filter(asked).collect())
    }
}

/// What came of all breaks.
#[derive(Default)]
struct Report {
    caught: usize,
    wrong: usize,
}

impl Report {
    fn wrong(&mut self, place: &str, what: &str) {
        println!("{place}: {what}");
        self.wrong += 1;
    }

    /// Runs what proves each statement, with its break on, as many at once as there are processors.
    fn count(&mut self, binary: &Path, breaks: &[Break]) -> Result<(), Failure> {
        let breaks = breaks.iter().enumerate();
        let pairs = breaks.flat_map(|(at, it)| it.proofs.iter().map(move |proof| (at, it, proof)));
        let (pairs, report) = (Mutex::new(pairs), Mutex::new(self));
        let work = || -> io::Result<()> {
            loop {
                let Some((number, it, proof)) = lock(&pairs).next() else {
                    return Ok(());
                };
                let mut test = test(binary);
                test.env("BREAK", number.to_string());
                let code = test
                    .args(["--statement", &proof.to_string()])
                    .status()?
                    .code();
                let report = &mut lock(&report);
                match code {
                    Some(0) => report.wrong(&it.place, &format!("NOT caught: {proof}")),
                    Some(2) => report.wrong(&it.place, &format!("nothing proves {proof}")),
                    _ => report.caught += 1,
                }
            }
        };
        let workers = thread::available_parallelism()?.get();
        let ended = thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(|it| it.join()).collect::<Vec<_>>()
        });
        for end in ended {
            end.map_err(|_| "a worker panicked")??;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The conformance tests, quiet.
fn test(binary: &Path) -> Command {
    let mut test = Command::new(binary);
    test.stdout(Stdio::null()).stderr(Stdio::null());
    test.env("RUST_BACKTRACE", "0");
    test
}

fn run(options: &Options) -> Result<bool, Failure> {
    let root = breaks::root()?;
    let mut breaks = list::read(&root.join("testdata/breaks"))?;
    let testable = list::testable(&root.join("testdata/statements"))?;
    let broken: BTreeSet<&Proof> = breaks.iter().flat_map(|it| &it.proofs).collect();
    for it in &breaks {
        if let Some(proof) = it.proofs.iter().find(|&proof| !testable.contains(proof)) {
            return Err(format!("{}: {proof} is nothing that can be tested", it.place).into());
        }
    }
    if options.list {
        for proof in testable.iter().filter(|proof| !broken.contains(proof)) {
            println!("{proof} has no break");
        }
    }
    println!(
        "{} breaks, for {} of {} sides of statements",
        breaks.len(),
        broken.len(),
        testable.len()
    );
    if options.list {
        return Ok(true);
    }
    let tree = Tree::new(&root)?;
    let mut report = Report::default();
    breaks.retain(|it| match tree.places(it) {
        Ok(_) => true,
        Err(why) => {
            report.wrong(&it.place, &format!("does not apply: {why}"));
            false
        }
    });
    let chosen = options.choose(&root, breaks)?;
    println!("{} of them are tried", chosen.len());
    let (alone, together): (Vec<Break>, Vec<Break>) =
        chosen.into_iter().partition(|it| it.is_alone);
    // The last comes first.
    let mut waiting: Vec<Vec<Break>> = alone.into_iter().map(|it| vec![it]).collect();
    waiting.push(together);
    let mut passes = false;
    while let Some(round) = waiting.pop() {
        let (applied, later) = tree.apply(round)?;
        if !later.is_empty() {
            waiting.push(later);
        }
        let start = Instant::now();
        let built = tree.build()?;
        println!("{} breaks built in {:.0?}", applied.len(), start.elapsed());
        match (built, &applied[..]) {
            (Ok(binary), _) => {
                // With all breaks off.
                if !passes && !test(&binary).status()?.success() {
                    return Err("the tests fail without a break".into());
                }
                passes = true;
                report.count(&binary, &applied)?;
            }
            (Err(errors), []) => {
                return Err(format!("unbroken, it does not compile\n{errors}").into());
            }
            (Err(errors), [one]) => {
                report.wrong(&one.place, &format!("does not compile\n{errors}"))
            }
            (Err(errors), [..]) => {
                println!("they do not compile together\n{errors}");
                let mut first = applied;
                let second = first.split_off(first.len() / 2);
                waiting.extend([second, first]);
            }
        }
    }
    println!(
        "{} caught under their own statement, {} wrong",
        report.caught, report.wrong
    );
    Ok(report.wrong == 0)
}

fn main() -> ExitCode {
    match Options::new().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
