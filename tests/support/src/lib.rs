//! What the tests, fuzz targets and benches of `mqtt-sansio` share.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

mod answers;
pub mod broker;
pub mod check;
mod choices;
pub mod doors;
pub mod drive;
pub mod exchanges;
pub mod fuzz;
pub mod heap;
pub mod hex;
pub mod history;
pub mod learn;
pub mod link;
pub mod notation;
pub mod pieces;
pub mod proxy;
pub mod random;
pub mod relay;
pub mod rules;
pub mod script;
pub mod stored;
pub mod topic;
pub mod vectors;
