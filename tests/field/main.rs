//! What goes wrong in the field: each public report as a test that has its number in the name, with
//! further cases of its kind.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed test panics"
)]

mod acknowledge;
mod alive;
mod changes;
mod drain;
mod expiry;
mod forward;
mod hostile;
mod outcomes;
mod refused;
mod requests;
mod rules;
mod start;
mod statements;
mod turns;
mod wire;
