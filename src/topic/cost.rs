//! Counts for tests, as time says little: nodes visited, and bytes compared or searched.

#[cfg(test)]
pub(super) use counted::{bytes, measure, node};

#[cfg(not(test))]
#[inline(always)]
pub(super) const fn node() {}

#[cfg(not(test))]
#[inline(always)]
pub(super) const fn bytes(_count: usize) {}

#[cfg(test)]
mod counted {
    extern crate std;

    use core::cell::Cell;

    std::thread_local! {
        static NODES: Cell<usize> = const { Cell::new(0) };
        static BYTES: Cell<usize> = const { Cell::new(0) };
    }

    pub(in crate::topic) fn node() {
        NODES.set(NODES.get() + 1);
    }

    pub(in crate::topic) fn bytes(count: usize) {
        BYTES.set(BYTES.get() + count);
    }

    /// Returns the number of nodes that `work` visits, and of bytes that it compares or searches.
    pub(in crate::topic) fn measure<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
        let (nodes, bytes) = (NODES.get(), BYTES.get());
        let result = work();
        (result, NODES.get() - nodes, BYTES.get() - bytes)
    }
}
