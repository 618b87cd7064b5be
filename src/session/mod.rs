//! What outlives a network connection.

mod in_flight;
mod packet_ids;

pub use packet_ids::PacketIds;

#[cfg(test)]
mod tests {
    /// Xorshift: the same numbers in every run.
    pub(super) struct Rng(u64);

    impl Rng {
        pub(super) fn new(seed: u64) -> Self {
            Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
        }

        /// From 0 to `end`, exclusive.
        pub(super) fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 33).unwrap() % end
        }
    }
}
