//! Builds the mutants of `cargo mutants` together, each behind its number, and says which no test sees.
//! CONTRIBUTING.md has the commands, `testdata/README.md` the format of `testdata/mutants.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use breaks::{Copy, Failure};

mod alone;
mod code;
mod edit;
mod known;
mod list;
mod rounds;
mod tests;
mod verdict;

use list::Mutant;
use tests::{BINARIES, Test};
use verdict::Verdict;

/// What the command line asks for: with none, all mutants.
#[derive(Default)]
struct Options {
    /// A part of the name: `src/topic`, or `in Session::publish`.
    only: Option<String>,
    changed: Option<String>,
    /// Those that an earlier run printed.
    again: Option<BTreeSet<String>>,
    /// The first of as many.
    shard: Option<(usize, usize)>,
    /// When to stop.
    end: Option<Instant>,
    /// How many tests run at a time.
    jobs: Option<usize>,
}

impl Options {
    fn new() -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let value = arguments.next();
            let value = value.ok_or(format!("{argument} lacks its value"))?;
            match &argument[..] {
                "--only" => options.only = Some(value),
                "--changed" => options.changed = Some(value),
                "--again" => {
                    let text = fs::read_to_string(value)?;
                    let names = text.lines().filter_map(|line| line.split_once(": "));
                    options.again = Some(names.map(|(_, name)| name.to_owned()).collect());
                }
                "--shard" => {
                    let (first, all) = value.split_once('/').ok_or("as in --shard 1/4")?;
                    options.shard = Some((first.parse()?, all.parse()?));
                }
                "--jobs" => options.jobs = Some(value.parse()?),
                "--seconds" => {
                    options.end = Some(Instant::now() + Duration::from_secs(value.parse()?));
                }
                other => return Err(format!("unknown: {other}").into()),
            }
        }
        Ok(options)
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() > end)
    }

    fn asks(&self, number: usize, mutant: &Mutant, changed: Option<&BTreeSet<String>>) -> bool {
        self.only
            .as_ref()
            .is_none_or(|part| mutant.name().contains(&part[..]))
            && changed.is_none_or(|changed| changed.contains(&mutant.place()))
            && self
                .again
                .as_ref()
                .is_none_or(|again| again.contains(&mutant.to_string()))
            && self
                .shard
                .is_none_or(|(first, all)| number % all == first % all)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Works with so many threads, or as many as there are processors.
fn in_parallel(
    jobs: Option<usize>,
    work: impl Fn(usize) -> io::Result<()> + Sync,
) -> Result<(), Failure> {
    let workers = jobs.unwrap_or(thread::available_parallelism()?.get());
    let ended = thread::scope(|scope| {
        let work = &work;
        let workers = (0..workers).map(|number| scope.spawn(move || work(number)));
        let workers: Vec<_> = workers.collect();
        workers.into_iter().map(|it| it.join()).collect::<Vec<_>>()
    });
    for end in ended {
        end.map_err(|_| "a worker panicked")??;
    }
    Ok(())
}

/// All mutants, and what has become of those that are tried.
struct Run<'a> {
    options: &'a Options,
    copy: &'a Copy,
    mutants: &'a [Mutant],
    known: BTreeSet<String>,
    verdicts: BTreeMap<usize, Verdict>,
    /// Tests that fail by themselves.
    failed: usize,
}

impl Run<'_> {
    /// Builds all that can be built at once, then each of the others.
    fn all(&mut self, chosen: &BTreeSet<usize>) -> Result<(), Failure> {
        let left = rounds::together(self.copy, self.mutants, chosen)?;
        let all = chosen.iter().map(|&number| (number, Verdict::NotReached));
        self.verdicts.extend(all);
        for &number in &left.do_not_compile {
            self.verdicts.insert(number, Verdict::DoesNotCompile);
        }
        for number in &left.alone {
            self.verdicts.remove(number);
        }
        println!("{} are built together", self.waiting().len());
        // With few mutants, one binary may be enough.
        let size = match self.options.changed {
            Some(_) => 1,
            None => BINARIES.len(),
        };
        for stage in BINARIES.chunks(size) {
            if !self.waiting().is_empty() && !self.options.is_over() {
                self.stage(stage)?;
            }
        }
        for &number in &left.alone {
            let mutant = &self.mutants[number];
            let verdict = match self.options.is_over() {
                true => Verdict::NotTried,
                false => alone::judge(self.copy, mutant)?,
            };
            println!("alone, {verdict:?}: {mutant}");
            self.verdicts.insert(number, verdict);
        }
        Ok(())
    }

    /// Those that no test has seen.
    fn waiting(&self) -> Vec<usize> {
        let verdicts = self.verdicts.iter();
        let waiting = verdicts.filter(|(_, verdict)| **verdict >= Verdict::NotReached);
        waiting.map(|(&number, _)| number).collect()
    }

    /// Runs the tests of some binaries.
    fn stage(&mut self, stage: &[tests::Kind]) -> Result<(), Failure> {
        let start = Instant::now();
        let binaries = tests::build(self.copy, stage)??;
        println!("built, {:.0?}", start.elapsed());
        let (tests, failed) = tests::record(self.copy, &binaries, self.options.jobs)?;
        for name in &failed {
            println!("{name} fails without a mutant");
        }
        self.failed += failed.len();
        println!("{} tests recorded, {:.0?}", tests.len(), start.elapsed());
        let mut reaching: BTreeMap<usize, Vec<&Test>> = BTreeMap::new();
        for test in &tests {
            for &number in &test.reaches {
                reaching.entry(number).or_default().push(test);
            }
        }
        let mut waiting = self.waiting();
        waiting.retain(|number| reaching.contains_key(number));
        let (queue, verdicts) = (Mutex::new(waiting.iter()), Mutex::new(Vec::new()));
        in_parallel(self.options.jobs, |_| {
            loop {
                let Some(&number) = lock(&queue).next() else {
                    return Ok(());
                };
                let is_known = self.known.contains(&self.mutants[number].name());
                let verdict = match self.options.is_over() {
                    true => Verdict::NotTried,
                    false => verdict::judge(number, &binaries, &reaching[&number], is_known)?,
                };
                let mut verdicts = lock(&verdicts);
                verdicts.push((number, verdict));
                if verdicts.len() % 500 == 0 {
                    let (done, all) = (verdicts.len(), waiting.len());
                    println!("{done} of {all}, {:.0?}", start.elapsed());
                }
            }
        })?;
        self.verdicts.extend(verdicts.into_inner()?);
        Ok(())
    }
}

fn run(options: &Options) -> Result<bool, Failure> {
    let start = Instant::now();
    let root = breaks::root()?;
    // To build it takes longer, and to run all tests again and again so much less.
    let copy = Copy::new(&root, options.changed.is_none())?;
    let (mutants, changed) = list::read(&root, &copy, options.changed.as_deref())?;
    let all = mutants.iter().enumerate();
    let chosen: BTreeSet<usize> = all
        .filter(|(number, mutant)| options.asks(*number, mutant, changed.as_ref()))
        .map(|(number, _)| number)
        .collect();
    println!(
        "{} mutants, {} of them are tried",
        mutants.len(),
        chosen.len()
    );
    let mut run = Run {
        options,
        copy: &copy,
        mutants: &mutants,
        known: known::read(&root)?,
        verdicts: BTreeMap::new(),
        failed: 0,
    };
    if !chosen.is_empty() {
        run.all(&chosen)?;
    }
    if options.is_over() {
        // Some binary has not been asked.
        for number in run.waiting() {
            run.verdicts.insert(number, Verdict::NotTried);
        }
    }
    let wrong = run.failed + known::compare(&run.known, &mutants, &run.verdicts);
    let mut counts = BTreeMap::<_, usize>::new();
    for verdict in run.verdicts.values() {
        *counts.entry(verdict).or_default() += 1;
    }
    println!("{counts:?}, {wrong} wrong, {:.0?}", start.elapsed());
    Ok(wrong == 0)
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
