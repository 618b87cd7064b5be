//! A message that is larger than what is held.

use std::time::Instant;

use mqtt_sansio::Version;
use stats_alloc::Region;
use support::relay::Relay;

use super::{ALLOCATOR, held};

const LEN: u32 = 64 << 20;

/// 256 MiB from client to client by way of a server, with all their buffers.
pub(super) fn large_messages_are_not_held() {
    for version in [Version::V311, Version::V5] {
        let region = Region::new(ALLOCATOR);
        let begin = Instant::now();
        let (mut relay, mut most) = (Relay::new(version), 0);
        for _ in 0..4 {
            let received = relay.relay(LEN, || most = most.max(held(&region)));
            assert_eq!(received, LEN);
        }
        println!(
            "{version}: 256 MiB in pieces, {most} bytes at most for both clients and the server, {:?}",
            begin.elapsed()
        );
        assert!(most < 4 * 65_536, "{most}");
        // Three buffers for the wires, one for the payload: the rest is held by the connections.
        let buffers = 4 * support::relay::CHUNK + 3 * 1_024;
        assert!(most - buffers < 8_192, "{most}");
    }
}
