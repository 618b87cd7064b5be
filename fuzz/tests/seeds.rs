//! Replays the seeds, on stable: `cargo test --manifest-path fuzz/Cargo.toml`.

use std::path::Path;

#[test]
fn every_target_takes_its_seeds() {
    for &(name, target) in support::fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(name);
        for seed in support::vectors::files(&folder, "bin") {
            println!("{}", seed.display());
            target(&std::fs::read(&seed).expect("a seed"));
        }
    }
}
