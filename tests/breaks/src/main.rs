//! Breaks the crate and the broker on purpose, and says which break no test sees that names the
//! statement. `testdata/README.md` has the format of `testdata/breaks`, CONTRIBUTING.md the commands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, mem};

mod list;
mod tree;

use list::{Break, Proof};
use tree::Tree;

type Failure = Box<dyn std::error::Error>;

/// What the command line asks for: with none of the first three, all breaks.
#[derive(Default)]
struct Options {
    file: Option<String>,
    changed: Option<String>,
    random: Option<usize>,
    seed: Option<u64>,
    list: bool,
}

impl Options {
    fn new() -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} lacks its value"));
            match &argument[..] {
                "--file" => options.file = Some(value()?),
                "--changed" => options.changed = Some(value()?),
                "--random" => options.random = Some(value()?.parse()?),
                "--seed" => options.seed = Some(value()?.parse()?),
                "--list" => options.list = true,
                other => return Err(format!("unknown: {other}").into()),
            }
        }
        Ok(options)
    }

    /// The breaks that are asked for.
    fn choose(&self, root: &Path, breaks: Vec<Break>) -> Result<Vec<Break>, Failure> {
        if self.file.is_none() && self.changed.is_none() && self.random.is_none() {
            return Ok(breaks);
        }
        let changed = match &self.changed {
            Some(reference) => git(root, &["diff", "--name-only", reference])?,
            None => String::new(),
        };
        let changed: BTreeSet<&str> = changed.lines().collect();
        let is_asked = |file: &str| {
            self.file.as_ref().is_some_and(|part| file.contains(&part[..])) || changed.contains(file)
        };
        let asked = |it: &Break| it.edits.iter().any(|edit| is_asked(&edit.file));
        let (mut chosen, mut rest): (Vec<Break>, Vec<Break>) = breaks.into_iter().partition(asked);
        if let Some(count) = self.random {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
            let mut state = self.seed.unwrap_or(now);
            println!("--random {count} --seed {state}");
            for _ in 0..count.min(rest.len()) {
                let at = random(&mut state) % rest.len() as u64;
                chosen.push(rest.swap_remove(usize::try_from(at)?));
            }
        }
        Ok(chosen)
    }
}

/// `SplitMix64`, by Steele, Lea and Flood.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn git(root: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

/// What came of a break, by what is wrong: nothing, if all its statements failed.
#[derive(Default)]
struct Report {
    caught: usize,
    wrong: Vec<String>,
}

impl Report {
    /// What one proof does with a break or, then it has to pass, without.
    fn count(
        &mut self,
        binary: &Path,
        broken: Option<(usize, &Break)>,
        proof: &Proof,
    ) -> Result<(), Failure> {
        let mut test = Command::new(binary);
        test.args(["--statement", &proof.to_string()]);
        test.stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((number, _)) = broken {
            test.env("BREAK", number.to_string());
        }
        match (broken, test.status()?.code()) {
            (None, Some(0)) => {}
            (_, Some(2)) => self.wrong.push(format!("nothing proves {proof}")),
            (None, _) => self.wrong.push(format!("{proof} fails without a break")),
            (Some((_, it)), Some(0)) => {
                self.wrong.push(format!("{}: NOT caught: {proof}", it.place));
            }
            (Some(_), _) => self.caught += 1,
        }
        Ok(())
    }
}

fn run(options: &Options) -> Result<bool, Failure> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let breaks = list::read(&root.join("testdata/breaks"))?;
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
    println!("{} breaks, for {} of {} sides of statements", breaks.len(), broken.len(), testable.len());
    if options.list {
        return Ok(true);
    }
    let chosen = options.choose(&root, breaks)?;
    println!("{} of them are tried", chosen.len());
    let tree = Tree::new(&root)?;
    let mut report = Report::default();
    let mut unbroken: BTreeSet<Proof> = chosen.iter().flat_map(|it| it.proofs.clone()).collect();
    let (alone, together): (Vec<Break>, Vec<Break>) = chosen.into_iter().partition(|it| it.is_alone);
    // The last comes first. Without a break in it, it shows still what passes unbroken.
    let mut waiting: Vec<Vec<Break>> = alone.into_iter().map(|it| vec![it]).collect();
    waiting.push(together);
    while let Some(round) = waiting.pop() {
        let (applied, later) = tree.apply(round, &mut report.wrong)?;
        if !later.is_empty() {
            waiting.push(later);
        }
        let start = Instant::now();
        match (tree.build()?, &applied[..]) {
            (Ok(binary), _) => {
                println!("{} breaks built in {:.0?}", applied.len(), start.elapsed());
                if !applied.iter().any(|it| it.is_alone) {
                    for proof in mem::take(&mut unbroken) {
                        report.count(&binary, None, &proof)?;
                    }
                }
                for (number, it) in applied.iter().enumerate() {
                    for proof in &it.proofs {
                        report.count(&binary, Some((number, it)), proof)?;
                    }
                }
            }
            (Err(errors), []) => return Err(format!("unbroken, it does not compile\n{errors}").into()),
            (Err(errors), [one]) => {
                report.wrong.push(format!("{}: does not compile\n{errors}", one.place));
            }
            (Err(errors), [..]) => {
                println!("{} breaks do not compile together\n{errors}", applied.len());
                let mut first = applied;
                let second = first.split_off(first.len() / 2);
                waiting.extend([second, first]);
            }
        }
    }
    for wrong in &report.wrong {
        println!("{wrong}");
    }
    println!("{} caught under their own statement, {} wrong", report.caught, report.wrong.len());
    Ok(report.wrong.is_empty())
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
