//! The codec as a whole: vectors, captures, round trips, truncation, both forms, both versions.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

mod arbitrary;
mod captures;
mod debug;
mod encode;
mod errors;
mod exhaustive;
mod framed;
mod pieces;
mod properties;
mod rules;
#[cfg(feature = "serde")]
mod serde;
mod stream;
mod too_large;
mod values;
mod vectors;
