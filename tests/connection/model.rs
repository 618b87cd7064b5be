//! A client and a server, joined by a link that delays, is cut and made again at any step.

use support::history;
use support::random::Rng;

fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let byte = |_| u8::try_from(rng.below(256)).unwrap();
    (0..len).map(byte).collect()
}

/// Every promise of a connection to its caller, on many histories; a fuzz target does the same.
#[test]
fn promises_hold_in_any_history() {
    // SEED runs one history by itself.
    let only: Option<u64> = std::env::var("SEED").ok().map(|seed| seed.parse().unwrap());
    for seed in only.map_or(1..=200, |only| only..=only) {
        let bytes = bytes(seed, 3_000);
        let followed = std::panic::catch_unwind(|| history::follow(&bytes));
        assert!(followed.is_ok(), "seed {seed}");
    }
}

/// Nothing starves, whatever the peer floods this side with.
#[test]
fn nothing_starves() {
    for seed in 1..=200 {
        let bytes = bytes(seed, 300);
        let followed = std::panic::catch_unwind(|| history::flood(&bytes));
        assert!(followed.is_ok(), "seed {seed}");
    }
}
