//! What the tests, fuzz targets and benches of `mqtt-sansio` share.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

pub mod broker;
pub mod check;
pub mod drive;
pub mod fuzz;
pub mod hex;
pub mod history;
pub mod learn;
pub mod link;
pub mod notation;
pub mod pieces;
pub mod random;
pub mod relay;
pub mod script;
pub mod topic;
pub mod vectors;
