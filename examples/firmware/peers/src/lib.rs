//! A network for the asynchronous clients, and what runs them.
#![no_std]

pub mod clock;
pub mod packets;

use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use firmware::{fail, print};

/// What the client sends, and what comes back when all of it was sent. If it is nothing, anything is
/// sent, and all comes back at once.
pub type Script<'a> = &'a [(&'a [u8], &'a [u8])];

/// A network that is a table.
pub struct Network<'a> {
    script: Script<'a>,
    /// The turn, and the byte in it, that is sent next.
    sent: (usize, usize),
    /// The turn, and the byte in it, that is received next.
    received: (usize, usize),
}

impl<'a> Network<'a> {
    pub const fn new(script: Script<'a>) -> Self {
        Self {
            script,
            sent: (0, 0),
            received: (0, 0),
        }
    }

    /// Whether all was sent.
    pub fn is_done(&self) -> bool {
        self.sent.0 == self.script.len()
    }
}

impl ErrorType for Network<'_> {
    type Error = ErrorKind;
}

impl Write for Network<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        if let [(b"", _), ..] = self.script {
            self.sent.0 = self.script.len();
            return Ok(bytes.len());
        }
        for byte in bytes {
            let (turn, at) = self.sent;
            let expected = self.script.get(turn).map_or(&[][..], |turn| turn.0);
            if expected.get(at) != Some(byte) {
                print(&[b"# turn, byte, sent:"], &[turn, at, usize::from(*byte)]);
                fail();
            }
            self.sent = if at + 1 == expected.len() {
                (turn + 1, 0)
            } else {
                (turn, at + 1)
            };
        }
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl Read for Network<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, ErrorKind> {
        while self.received.0 < self.sent.0 {
            let (turn, at) = self.received;
            let left = &self.script[turn].1[at..];
            let len = left.len().min(into.len());
            if len > 0 {
                into[..len].copy_from_slice(&left[..len]);
                self.received.1 += len;
                return Ok(len);
            }
            self.received = (turn + 1, 0);
        }
        pending().await
    }
}

/// Runs a client. It never waits for more than the network has, or it waits for ever.
pub fn run<T>(client: impl Future<Output = T>) -> T {
    poll(client).unwrap_or_else(|| fail())
}

/// Runs a client until it waits: then there is no result.
pub fn poll<T>(client: impl Future<Output = T>) -> Option<T> {
    match pin!(client).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
