//! Any number of clients, whose packets, acknowledgements and connections come and go in any order.

use proptest::collection::vec;
use proptest::prelude::*;

/// Enough to see a fault in passing: the fuzz target `broker` looks longer.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::with_cases(300);
    config.max_shrink_iters = 2_000;
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_broker_serves_whom_it_should(bytes in vec(any::<u8>(), 0..6_000)) {
        support::fuzz::broker(&bytes);
    }
}
