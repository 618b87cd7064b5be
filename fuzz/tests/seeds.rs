//! Replays the seeds, on stable: `cargo test --manifest-path fuzz/Cargo.toml`.

use std::path::{Path, PathBuf};

use mqtt_sansio_fuzz::{TARGETS, Target};
use support::random::Rng;
use support::vectors;

#[test]
fn every_target_takes_its_seeds() {
    assert!(support::heap::is_counted());
    for &(name, target) in TARGETS {
        let seeds = vectors::files(&folder(name), "bin");
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            println!("{}", seed.display());
            target(&std::fs::read(&seed).expect("a seed"));
        }
    }
}

/// A short search without a fuzzer, for each target that has an oracle for the heap. `RUNS` is how
/// many inputs, and `TARGET` the only one.
#[test]
fn random_bytes_find_nothing() {
    assert!(support::heap::is_counted());
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let only = std::env::var("TARGET").ok();
    let drive = |bytes: &[u8]| {
        support::drive::server(bytes);
        support::drive::client(bytes);
    };
    let targets: [(&str, Target); 5] = [
        ("drive", drive),
        ("exchanges", support::exchanges::exchanges),
        ("proxy", mqtt_sansio_fuzz::proxy),
        ("stored", mqtt_sansio_fuzz::stored),
        ("rules", mqtt_sansio_fuzz::rules),
    ];
    for (name, target) in targets {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let begin = std::time::Instant::now();
        for run in number("FIRST").unwrap_or(1)..=number("RUNS").unwrap_or(60) {
            let mut rng = Rng::new(run);
            let len = 1 << rng.below(13);
            let bytes: Vec<_> = (0..len).map(|_| rng.below(256) as u8).collect();
            let found = std::panic::catch_unwind(|| target(&bytes));
            let time = begin.elapsed();
            assert!(found.is_ok(), "{name}: run {run}, {len} bytes, {time:?}");
        }
        println!("{name}: {:?}", begin.elapsed());
    }
}

/// Writes those seeds of `rules` and `stored` that vectors, captures and sessions make.
#[test]
#[ignore = "writes files: cargo test --manifest-path fuzz/Cargo.toml -- --ignored"]
fn write_seeds() {
    for (name, bytes) in support::rules::seeds() {
        write("rules", &name, &bytes);
    }
    for (name, bytes) in support::stored::seeds() {
        write("stored", &name, &bytes);
    }
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(folder(target)).expect("a folder");
    let file = folder(target).join(format!("{name}.bin"));
    std::fs::write(file, bytes).expect("a file");
}

fn folder(target: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    folder.join(target)
}
