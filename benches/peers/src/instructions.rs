//! Counts instructions, which are the same on a busy machine, with valgrind: another process runs
//! one batch of each candidate and writes a profile behind each, whose sums are read here.
//!
//! To count heap allocations costs some instructions each, which are in the figures of the peers
//! that allocate.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::{env, fs, process};

use crate::timing::Effort;

pub fn count(only: Option<&str>, filter: &str) -> Effort {
    let folder = env::temp_dir().join(format!("peers-{}", process::id()));
    fs::create_dir_all(&folder).expect("there is room for the profiles");
    let profiles = folder.join("profile");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-line=no"])
        .arg("--toggle-collect=peers::timing::measured")
        .arg("--dump-after=peers::timing::measured")
        .arg(format!("--callgrind-out-file={}", profiles.display()))
        .arg(env::current_exe().expect("this program has a path"))
        .args(only)
        .args(["--once", "--row", filter])
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM",
        )
        .stdout(Stdio::null())
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "valgrind failed: {said}");
    let counts: VecDeque<_> = (1..)
        .map(|number| folder.join(format!("profile.{number}")))
        .map_while(|profile| fs::read_to_string(profile).ok())
        .map(|profile| sum(&profile))
        .collect();
    let _ = fs::remove_dir_all(folder);
    Effort::Counted(Box::leak(Box::new(Mutex::new(counts))))
}

fn sum(profile: &str) -> u64 {
    let sum = profile
        .lines()
        .find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok());
    sum.expect("a profile has its sum")
}
