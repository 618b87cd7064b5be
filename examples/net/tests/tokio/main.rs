//! The examples on tokio, with mosquitto and its clients as peers.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

mod bridge;
mod client;
mod peers;
mod proxy;
mod server;
mod throughput;
