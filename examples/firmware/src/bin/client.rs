//! A client in both versions: it subscribes, and has four messages of QoS 2 in flight each way.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use firmware::network::{V5, V311, run};
use firmware::{Heap, Stack, fail, flash, print, succeed};
use mqtt_sansio::Version;

#[global_allocator]
static HEAP: Heap = Heap::new();

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    let mut held = 0;
    for (version, network) in [(Version::V311, V311), (Version::V5, V5)] {
        let note = || held = held.max(HEAP.used());
        if !run(version, network, note) {
            fail();
        }
    }
    print(&[b"client"], &[flash(), stack.most(), HEAP.most(), held]);
    succeed()
}
