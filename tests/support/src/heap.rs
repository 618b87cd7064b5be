//! What is held on the heap, as an allocator counts it that the binary brings along.

use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// An allocator has allocated so many bytes on this thread.
pub fn allocated(bytes: usize) {
    HELD.set(HELD.get().wrapping_add(bytes));
}

/// An allocator has freed so many bytes on this thread.
pub fn freed(bytes: usize) {
    HELD.set(HELD.get().wrapping_sub(bytes));
}

/// The bytes that this thread has on the heap.
pub fn held() -> usize {
    HELD.get()
}

/// Returns whether the binary counts: else all that is held is 0.
pub fn is_counted() -> bool {
    let before = HELD.get();
    let boxed = std::hint::black_box(Box::new(0_u8));
    let counted = HELD.get() != before;
    drop(boxed);
    counted
}

/// The bytes that the value has on the heap for itself: those that a copy of it takes.
pub fn of<T: Clone>(value: &T, shrink: impl FnOnce(&mut T)) -> usize {
    let before = HELD.get();
    let mut copy = value.clone();
    shrink(&mut copy);
    let held = HELD.get().wrapping_sub(before);
    drop(copy);
    held
}

/// The bytes that are free once the value is dropped.
pub fn by_drop<T>(value: T) -> usize {
    let before = HELD.get();
    drop(value);
    before.wrapping_sub(HELD.get())
}
