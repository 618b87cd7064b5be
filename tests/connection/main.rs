//! Connections of both sides, as a user of the crate drives them.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

mod alias;
mod auth;
mod driver;
mod exchange;
mod keep_alive;
mod life_cycle;
mod limits;
mod model;
mod pieces;
mod publish_into;
mod wrong_time;
