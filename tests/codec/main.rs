//! The codec as a whole: vectors, round trips, truncation, both forms, both versions.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

#[cfg(feature = "serde")]
mod serde;
mod vectors;
