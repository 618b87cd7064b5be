//! What the targets share: what they call, and an allocator that counts for them.

use std::alloc::{GlobalAlloc, Layout, System};

pub use support::fuzz::*;
use support::heap;

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: All is left to the system's allocator. Counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        heap::allocated(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        heap::freed(layout.size());
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        heap::freed(layout.size());
        heap::allocated(size);
        unsafe { System.realloc(at, layout, size) }
    }
}
