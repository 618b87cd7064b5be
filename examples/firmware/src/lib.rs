//! What the binaries need of the board: a heap that counts, what they took of flash, stack and heap,
//! and the end.
#![no_std]

pub mod network;
pub mod vectors;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr::{addr_of, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cortex_m_semihosting::{debug, hio};

/// A heap that gives each byte once, and counts those in use.
///
/// So it has no overhead, and the figures are those of the library alone.
#[repr(C, align(8))]
pub struct Heap {
    memory: [AtomicUsize; Self::WORDS],
    given: AtomicUsize,
    used: AtomicUsize,
    most: AtomicUsize,
}

impl Heap {
    const WORDS: usize = 1 << 14;

    pub const fn new() -> Self {
        Self {
            memory: [const { AtomicUsize::new(0) }; Self::WORDS],
            given: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    /// The bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// The greatest number of bytes that were in use.
    pub fn most(&self) -> usize {
        self.most.load(Relaxed)
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: each byte is given once, for one layout, and there is one thread.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let from = self.given.load(Relaxed).next_multiple_of(layout.align());
        let to = from + layout.size();
        if layout.align() > align_of::<Self>() || to > size_of_val(&self.memory) {
            return null_mut();
        }
        self.given.store(to, Relaxed);
        let used = self.used() + layout.size();
        self.used.store(used, Relaxed);
        self.most.store(self.most().max(used), Relaxed);
        addr_of!(self.memory)
            .cast_mut()
            .cast::<u8>()
            .wrapping_add(from)
    }

    unsafe fn dealloc(&self, _: *mut u8, layout: Layout) {
        self.used.store(self.used() - layout.size(), Relaxed);
    }
}

/// Ends the program if anything is asked of it. `measure` looks for its functions, which the linker
/// drops if nothing calls them.
pub struct NoHeap;

// SAFETY: nothing is given.
unsafe impl GlobalAlloc for NoHeap {
    #[inline(never)]
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        fail()
    }

    #[inline(never)]
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
        fail()
    }
}

unsafe extern "C" {
    static __stext: u8;
    static __etext: u8;
    static __srodata: u8;
    static __erodata: u8;
    static __sdata: u8;
    static __edata: u8;
    static _stack_start: u8;
}

/// The bytes of code, constants and variables with a first value.
pub fn flash() -> usize {
    let len = |from: *const u8, to: *const u8| to as usize - from as usize;
    // SAFETY: no value is read, only addresses.
    len(&raw const __stext, &raw const __etext)
        + len(&raw const __srodata, &raw const __erodata)
        + len(&raw const __sdata, &raw const __edata)
}

/// The stack, painted to see how much of it is used.
pub struct Stack(());

const PAINT: u32 = 0x5AFE_57AC;
const PAINTED: usize = 1 << 13;

impl Stack {
    /// Paints all below the frame of this function.
    #[inline(never)]
    pub fn paint() -> Self {
        let mark = 0_u32;
        // What this function itself uses is above, or is not used any more.
        let top = (&raw const mark as usize & !3) - 64;
        for word in 1..=(top - Self::bottom()) / 4 {
            // SAFETY: the stack grows downwards into memory that nothing else uses.
            unsafe { ((top - 4 * word) as *mut u32).write_volatile(PAINT) };
        }
        Self(())
    }

    /// The bytes that were used at most, with those of `main`.
    pub fn most(&self) -> usize {
        let bottom = Self::bottom();
        // SAFETY: as above.
        let is_painted =
            |word: &usize| unsafe { ((bottom + 4 * word) as *const u32).read_volatile() == PAINT };
        4 * (PAINTED - (0..PAINTED).take_while(is_painted).count())
    }

    fn bottom() -> usize {
        &raw const _stack_start as usize - 4 * PAINTED
    }
}

/// Prints words and numbers in a line.
pub fn print(words: &[&[u8]], numbers: &[usize]) {
    let Ok(mut out) = hio::hstdout() else {
        fail();
    };
    let mut line = |bytes: &[u8]| {
        let _ = out.write_all(bytes);
    };
    for word in words {
        line(word);
        line(b" ");
    }
    for &number in numbers {
        let (mut digits, mut rest, mut from) = ([b' '; 12], number, 11);
        loop {
            from -= 1;
            digits[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        line(&digits[from..]);
    }
    line(b"\n");
}

/// Ends the program with success.
pub fn succeed() -> ! {
    end(debug::EXIT_SUCCESS)
}

/// Ends the program with a failure.
pub fn fail() -> ! {
    end(debug::EXIT_FAILURE)
}

fn end(status: debug::ExitStatus) -> ! {
    debug::exit(status);
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    fail()
}
