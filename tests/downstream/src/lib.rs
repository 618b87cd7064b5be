//! A small client and a small server on the sockets of std.

pub mod client;
pub mod server;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;
