use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::panic;
use std::thread::{self, JoinHandle};

use mio::Waker;

use super::{STOP, Server};
use crate::Broker;

/// A broker that serves in a thread of its own until this value is dropped.
///
/// Dropping it handles what has come so far, closes all connections and waits for the thread. If the
/// broker has panicked, it panics as well, so that the test fails.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// Serves on TCP in a thread of its own, on a port of the system's choice that only this machine
/// reaches. The broker takes connections when this returns.
///
/// # Errors
///
/// What the system says, if it has no port, descriptor or thread.
pub fn spawn(broker: impl Into<Broker>) -> io::Result<Running> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let mut server = Server::new(listener, broker.into())?;
    let waker = Waker::new(server.poll.registry(), STOP)?;
    let thread = thread::Builder::new().name("reference-broker".to_owned());
    let thread = thread.spawn(move || {
        while !server.is_stopped {
            if let Err(error) = server.turn() {
                panic!("cannot wait for input: {error}");
            }
        }
    })?;
    Ok(Running {
        address,
        waker,
        thread: Some(thread),
    })
}

impl Running {
    /// The address at which it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        // If it cannot be woken, it is not waited for.
        if self.waker.wake().is_err() {
            return;
        }
        if let Err(cause) = thread.join() {
            if !thread::panicking() {
                panic::resume_unwind(cause);
            }
        }
    }
}
