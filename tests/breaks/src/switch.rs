//! What the copy's `src/lib.rs` gets.

/// At its start: `broken` stands in functions that are `const`, too.
pub(crate) const HEAD: &str =
    "#![feature(core_intrinsics, const_eval_select)]\n#![allow(internal_features)]\n";

/// At the start of both roots: what is wrong is to be built.
pub(crate) const LINTS: &str = "#![allow(arithmetic_overflow, unconditional_panic)]\n";

/// At its end. `broken` tells the code which break is on. With `REACHED`, a file, none is on, and the
/// file gets the number of each that was asked for, in four bytes.
pub(crate) const TAIL: &str = r#"
/// Whether this break is on.
#[doc(hidden)]
#[inline(always)]
pub const fn broken(number: u32) -> bool {
    core::intrinsics::const_eval_select((number,), switch::never, switch::is_on)
}

#[doc(hidden)]
mod switch {
    extern crate std;

    use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
    use std::io::Write;

    const NONE: u32 = u32::MAX - 2;
    const RECORDING: u32 = u32::MAX - 1;
    const UNREAD: u32 = u32::MAX;

    static ON: AtomicU32 = AtomicU32::new(UNREAD);
    static ASKED: [AtomicBool; 1 << 14] = [const { AtomicBool::new(false) }; 1 << 14];
    static FILE: std::sync::OnceLock<std::fs::File> = std::sync::OnceLock::new();

    pub(super) const fn never(_: u32) -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn is_on(number: u32) -> bool {
        let on = ON.load(Relaxed);
        on == number || on >= RECORDING && asked(number)
    }

    #[cold]
    fn asked(number: u32) -> bool {
        if ON.load(Relaxed) == UNREAD {
            let on = match std::env::var_os("REACHED") {
                Some(path) => {
                    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
                    let _ = FILE.set(file.unwrap());
                    RECORDING
                }
                None => std::env::var("BREAK").map_or(NONE, |text| text.parse().unwrap()),
            };
            ON.store(on, Relaxed);
            return is_on(number);
        }
        let asked = &ASKED[number as usize];
        if !asked.load(Relaxed) && !asked.swap(true, Relaxed) {
            FILE.get().unwrap().write_all(&number.to_le_bytes()).unwrap();
        }
        false
    }
}

/// One of two iterators.
#[derive(Clone)]
#[doc(hidden)]
pub enum Either<A, B> {
    A(A),
    B(B),
}

impl<A: Iterator, B: Iterator<Item = A::Item>> Iterator for Either<A, B> {
    type Item = A::Item;

    fn next(&mut self) -> Option<A::Item> {
        match self {
            Self::A(it) => it.next(),
            Self::B(it) => it.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::A(it) => it.size_hint(),
            Self::B(it) => it.size_hint(),
        }
    }
}

impl<A: DoubleEndedIterator, B: DoubleEndedIterator<Item = A::Item>> DoubleEndedIterator
    for Either<A, B>
{
    fn next_back(&mut self) -> Option<A::Item> {
        match self {
            Self::A(it) => it.next_back(),
            Self::B(it) => it.next_back(),
        }
    }
}

impl<A: ExactSizeIterator, B: ExactSizeIterator<Item = A::Item>> ExactSizeIterator for Either<A, B> {}
"#;
