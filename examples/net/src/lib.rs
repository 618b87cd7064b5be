//! Clients and servers on tokio, for programs to begin with.

pub mod tokio_client;
pub mod websocket;
