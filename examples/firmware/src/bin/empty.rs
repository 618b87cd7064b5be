//! What the other binaries have beside the library.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use firmware::{Heap, Stack, flash, print, succeed};

#[global_allocator]
static HEAP: Heap = Heap::new();

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    print(&[b"empty"], &[flash(), stack.most(), HEAP.most()]);
    succeed()
}
