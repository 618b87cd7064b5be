//! What becomes of each mutant.

use std::io;
use std::time::Duration;

use crate::tests::{Binary, End, Test};

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Verdict {
    DoesNotCompile,
    Caught,
    TimedOut,
    /// Time was over.
    NotTried,
    /// No test comes across it.
    NotReached,
    Survived,
}

/// So many tests are tried one by one; then those that are as short come together.
const ALONE: usize = 6;
const SHORT: Duration = Duration::from_millis(100);
const TOGETHER: usize = 40;

/// Longer tests are a last chance, for mutants that are not known to survive.
const LONG: Duration = Duration::from_secs(1);

/// Runs the tests that come across a mutant, the quickest first, until one fails.
pub(crate) fn judge(
    number: usize,
    binaries: &[Binary],
    tests: &[&Test],
    is_known: bool,
) -> io::Result<Verdict> {
    if tests.is_empty() {
        return Ok(Verdict::NotReached);
    }
    let tests: Vec<&Test> = tests
        .iter()
        .copied()
        .filter(|it| !is_known || it.time < LONG)
        .collect();
    let (first, rest) = tests.split_at(tests.len().min(ALONE));
    let mut batches: Vec<Vec<&Test>> = first.iter().map(|&test| vec![test]).collect();
    for (at, binary) in binaries.iter().enumerate() {
        let of_it = rest.iter().copied().filter(|test| test.binary == at);
        let (short, long): (Vec<_>, Vec<_>) = of_it.partition(|test| test.time < SHORT);
        batches.extend(long.into_iter().map(|test| vec![test]));
        let size = match binary.takes_many() {
            true => TOGETHER,
            // One at a time, or all that there are.
            false if short.len() > TOGETHER => short.len(),
            false => 1,
        };
        batches.extend(short.chunks(size).map(<[_]>::to_vec));
    }
    let time = |batch: &[&Test]| batch.iter().map(|test| test.time).sum::<Duration>();
    batches[first.len()..].sort_by_key(|batch| time(batch));
    for batch in batches {
        let mut names: Vec<&str> = batch.iter().map(|test| &test.name[..]).collect();
        let mut limit = Duration::from_secs(5) + 10 * time(&batch);
        let Some(test) = batch.first() else {
            continue;
        };
        if names.len() > 1 && !binaries[test.binary].takes_many() {
            names.clear();
            limit += Duration::from_secs(60);
        }
        let number = number.to_string();
        match binaries[test.binary].run(&names, ("BREAK", &number), limit)? {
            End::Passed => {}
            End::Failed => return Ok(Verdict::Caught),
            End::TooLong => return Ok(Verdict::TimedOut),
        }
    }
    Ok(Verdict::Survived)
}
