//! Our client in 5.0 alone, as the others: it subscribes, and has four messages of QoS 2 in flight each way.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use firmware::network::{V5, run};
use firmware::{Heap, Stack, fail, flash, print, succeed};
use mqtt_sansio::Version;

#[global_allocator]
static HEAP: Heap = Heap::new();

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    if !run(Version::V5, V5, || {}) {
        fail();
    }
    print(&[b"client_5"], &[flash(), stack.most(), HEAP.most()]);
    succeed()
}
