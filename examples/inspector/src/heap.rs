//! Memory for one file: the page makes an instance for each, so that little has to be given back. A
//! general allocator is 6 KB more.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::Cell;
use std::ptr::null_mut;

#[global_allocator]
static HEAP: Heap = Heap(Cell::new(0));

/// The end of what is in use; 0 before anything is.
struct Heap(Cell<usize>);

// SAFETY: there are no threads.
unsafe impl Sync for Heap {}

unsafe extern "C" {
    /// Where the linker ends what it has placed.
    static __heap_base: u8;
}

impl Heap {
    /// Moves the end, and takes more pages where it is behind them.
    fn end_at(&self, end: usize) -> bool {
        const PAGE: usize = 0x1_0000;
        let missing = end.div_ceil(PAGE).saturating_sub(memory_size(0));
        let there = missing == 0 || memory_grow(0, missing) != usize::MAX;
        if there {
            self.0.set(end);
        }
        there
    }
}

// SAFETY: each block begins behind the end of all others, at its alignment, and ends before what is
// not in memory. Only the last block ever grows, shrinks or goes.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = match self.0.get() {
            0 => &raw const __heap_base as usize,
            end => end,
        };
        let start = start.next_multiple_of(layout.align());
        match start.checked_add(layout.size()) {
            Some(end) if self.end_at(end) => start as *mut u8,
            _ => null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block as usize + layout.size() == self.0.get() {
            self.0.set(block as usize);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if block as usize + layout.size() == self.0.get() {
            return match (block as usize).checked_add(size) {
                Some(end) if self.end_at(end) => block,
                _ => null_mut(),
            };
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the alignment is that of a block that exists, and the new block is longer.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                block.copy_to_nonoverlapping(new, layout.size());
            }
            new
        }
    }
}
