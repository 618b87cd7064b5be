use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// The largest buffer that is kept for what comes next.
const KEPT: usize = 128 << 10;

/// What is still to be done on a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// Both directions.
    Open,
    /// The system takes no more for now. To be written is what waits, and then what the broker has.
    Blocked,
    /// The last bytes are written. What comes is read and forgotten: if it were left unread, the
    /// system would reset the connection, and the peer could lose the last packet.
    Farewell,
    /// Writing has failed. What has come is still read, as there may be a DISCONNECT.
    Broken,
}

/// One TCP connection.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    pub(super) state: State,
    /// At most what the broker gave at once.
    unsent: BytesMut,
    /// Bytes that were written, which the peer may not have read yet.
    pub(super) written: u64,
    /// Whether it waits to be looked at.
    pub(super) queued: bool,
    /// When it is closed if nothing moves.
    pub(super) deadline: Option<Duration>,
}

impl Socket {
    /// Asks for input alone: a socket that is listed because it can be written would take its place
    /// in the order of arrival before anything has arrived.
    pub(super) fn open(
        mut stream: TcpStream,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        // Small packets go out at once, where the system can do that.
        let _ = stream.set_nodelay(true);
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self {
            stream,
            state: State::Open,
            unsent: BytesMut::new(),
            written: 0,
            queued: false,
            deadline: None,
        })
    }

    /// What has come; `None` if there is no more for now, and zero at the end of the stream.
    pub(super) fn read(&mut self, chunk: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(chunk) {
                Ok(len) => return Ok(Some(len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes what waits. `false` if the system does not take all of it.
    pub(super) fn write_unsent(&mut self) -> io::Result<bool> {
        let mut unsent = std::mem::take(&mut self.unsent);
        let written = self.write_some(&mut unsent);
        if let Ok(false) = written {
            self.unsent = unsent;
        }
        written
    }

    /// Writes `bytes` and leaves them empty. `false` if the system does not take all of them: the
    /// rest waits.
    pub(super) fn write(&mut self, bytes: &mut BytesMut) -> io::Result<bool> {
        let written = self.write_some(bytes);
        match (&written, bytes.capacity() > KEPT) {
            (Ok(false), true) => self.unsent = std::mem::take(bytes),
            (Ok(false), false) => self.unsent = BytesMut::from(&bytes[..]),
            (_, true) => *bytes = BytesMut::new(),
            (_, false) => {}
        }
        bytes.clear();
        written
    }

    /// Takes what it writes out of `bytes`. `false` if the system does not take all of them.
    fn write_some(&mut self, bytes: &mut BytesMut) -> io::Result<bool> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => {
                    bytes.advance(len);
                    self.written += len as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Asks to be told when more can be written, or no longer.
    pub(super) fn set_blocked(
        &mut self,
        blocked: bool,
        registry: &Registry,
        token: Token,
    ) -> io::Result<()> {
        let (state, interest) = match blocked {
            true => (State::Blocked, Interest::READABLE | Interest::WRITABLE),
            false => (State::Open, Interest::READABLE),
        };
        if self.state != state {
            self.state = state;
            registry.reregister(&mut self.stream, token, interest)?;
        }
        Ok(())
    }

    /// Says that nothing more comes.
    pub(super) fn say_farewell(&mut self) {
        self.state = State::Farewell;
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Gives up what is to be written. What has come can still be read, up to the end.
    pub(super) fn break_off(&mut self) {
        self.state = State::Broken;
        self.unsent = BytesMut::new();
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
