//! Mutants that have a build of their own.

use std::time::Duration;

use breaks::{Copy, Failure};

use crate::list::Mutant;
use crate::tests::{BINARIES, End, build};
use crate::verdict::Verdict;
use crate::{rounds, tests};

/// More than any binary takes.
const LIMIT: Duration = Duration::from_secs(300);

/// Builds and runs one binary after the other, until one fails.
pub(crate) fn judge(copy: &Copy, mutant: &Mutant) -> Result<Verdict, Failure> {
    for (file, source) in &copy.sources {
        match *file == mutant.file {
            true => copy.write(file, &mutant.applied(source))?,
            false => copy.write(file, source)?,
        }
    }
    if !rounds::check(copy)?.is_empty() {
        return Ok(Verdict::DoesNotCompile);
    }
    for one in BINARIES {
        // What is computed from it may tell the compiler that it is wrong.
        let Ok(binaries) = build(copy, &[one])? else {
            return Ok(Verdict::DoesNotCompile);
        };
        for binary in &binaries {
            match binary.run(&[], tests::NOTHING, LIMIT)? {
                End::Passed => {}
                End::Failed => return Ok(Verdict::Caught),
                End::TooLong => return Ok(Verdict::TimedOut),
            }
        }
    }
    Ok(Verdict::Survived)
}
