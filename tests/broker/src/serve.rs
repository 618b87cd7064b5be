//! The broker on TCP: one thread, one loop, one descriptor for each connection.
//!
//! # A turn of the loop
//!
//! 1. Wait until a socket has input, or the time has come for something.
//! 2. Look at the clock. If the time has come for something, ask once more which sockets have input.
//! 3. Read each of them and hand what was read to the broker.
//! 4. Call the timeouts, for the time from step 2.
//! 5. Write what the broker has to send.
//!
//! Input is handled before time is judged. A process that was stopped for a while finds the
//! PINGREQ that have come in the meantime before it finds that a Keep Alive is over: everything that
//! had come by the time for which the timeouts are called has been asked for, and at least the first
//! 64 KiB of each socket have been handled.
//!
//! # Order
//!
//! Sockets are read in the order in which the system saw their first unread byte, so that what one
//! client sends after another one has sent something is handled after it. The system does not tell
//! when the further bytes of a socket came: all of them, up to 64 KiB, take the place of the first.
//! What is beyond that comes first in the next turn, before what has arrived since, but each turn is
//! for every socket with input: who sends without end does not keep others from being served.
//!
//! The order is that of edge-triggered events, which the system lists as they occur. A socket that is
//! reported for as long as it has input would keep an old place in the list.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::{Broker, ConnectionId};

mod accept;
mod running;
mod socket;
#[cfg(test)]
mod tests;

pub use running::{Running, spawn};
use socket::{Socket, State};

/// No connection has these numbers.
const LISTENER: Token = Token(0);
const STOP: Token = Token(usize::MAX);

/// How much is read at once, and handled before what it gave rise to is written.
const CHUNK: usize = 16 << 10;

/// Chunks of one connection in a turn.
const CHUNKS: usize = 4;

/// How long a client may take to read anything at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a client may take to close its side after the broker has closed its own.
const FAREWELL: Duration = Duration::from_secs(2);

/// Clients that are waited for in this way; above that, not for the one that has had most time.
const FAREWELLS: usize = 256;

/// The broker and its connections.
struct Server {
    broker: Broker,
    poll: Poll,
    events: Events,
    listener: TcpListener,
    /// All connections that hold a descriptor. The broker counts each of them for as long.
    sockets: BTreeMap<ConnectionId, Socket>,
    /// What has input, in the order in which it came.
    queue: VecDeque<Token>,
    /// What the deadlines of the sockets are, in order.
    deadlines: BTreeSet<(Duration, ConnectionId)>,
    /// Until when each socket that says farewell is there.
    farewells: BTreeSet<(Duration, ConnectionId)>,
    /// When to accept again, after there was no descriptor for a connection.
    retry: Option<Duration>,
    /// Whether that was said.
    has_complained: bool,
    start: Instant,
    /// The time of this turn.
    now: Duration,
    /// What was read last.
    chunk: Box<[u8]>,
    /// Bytes that were handled, and what they gave rise to has not been written.
    handled: usize,
    /// What is about to be written.
    out: BytesMut,
    /// Whether this turn is the last one.
    is_stopped: bool,
}

/// Serves on TCP, and returns only if the system cannot say which sockets have input. [`spawn`] does the
/// same in a thread of its own, for tests.
///
/// It takes a descriptor for each connection and up to 16 for everything else. When there are no more
/// of them it says so once on standard error, serves those it has, and accepts the next one when one
/// of them has ended.
///
/// # Errors
///
/// What the system says.
pub fn serve(listener: net::TcpListener, broker: impl Into<Broker>) -> io::Result<Infallible> {
    let mut server = Server::new(listener, broker.into())?;
    loop {
        server.turn()?;
    }
}

impl Server {
    fn new(listener: net::TcpListener, broker: Broker) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (poll, mut listener) = (Poll::new()?, TcpListener::from_std(listener));
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            broker,
            poll,
            events: Events::with_capacity(1 << 10),
            listener,
            sockets: BTreeMap::new(),
            queue: VecDeque::new(),
            deadlines: BTreeSet::new(),
            farewells: BTreeSet::new(),
            retry: None,
            has_complained: false,
            start: Instant::now(),
            now: Duration::ZERO,
            chunk: vec![0; CHUNK].into(),
            handled: 0,
            out: BytesMut::new(),
            is_stopped: false,
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        let next = self.next_timeout();
        let wait = next.map(|at| at.saturating_sub(self.start.elapsed()));
        match self.queue.is_empty() {
            true => self.look(wait)?,
            false => self.look(Some(Duration::ZERO))?,
        }
        self.now = self.start.elapsed();
        if next.is_some_and(|at| at <= self.now) {
            self.look(Some(Duration::ZERO))?;
        }
        // What is put in line from here on is for the next turn.
        for _ in 0..self.queue.len() {
            match self.queue.pop_front() {
                Some(LISTENER) => self.accept(),
                Some(token) => self.receive(id(token)),
                None => {}
            }
        }
        self.handle_timeout();
        self.send_all();
        Ok(())
    }

    /// Waits for input and puts the sockets that have some in line. `None` is without limit.
    fn look(&mut self, mut wait: Option<Duration>) -> io::Result<()> {
        // One look shows them all.
        if self.sockets.len() >= self.events.capacity() {
            self.events = Events::with_capacity(2 * self.sockets.len());
        }
        while let Err(error) = self.poll.poll(&mut self.events, wait) {
            if error.kind() != ErrorKind::Interrupted {
                return Err(error);
            }
            wait = Some(Duration::ZERO);
        }
        for event in &self.events {
            let token = event.token();
            if token == LISTENER {
                self.queue.push_back(LISTENER);
            } else if token == STOP {
                self.is_stopped = true;
            } else if let Some(socket) = self.sockets.get_mut(&id(token)) {
                if !std::mem::replace(&mut socket.queued, true) {
                    self.queue.push_back(token);
                }
            }
        }
        Ok(())
    }

    fn next_timeout(&self) -> Option<Duration> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let times = [self.broker.next_timeout(), deadline, self.retry];
        times.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self) {
        self.broker.handle_timeout(self.now);
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > self.now {
                break;
            }
            self.end(id);
        }
        if self.retry.is_some_and(|at| at <= self.now) {
            self.accept_again();
        }
    }

    /// Takes what has come on a connection, and writes what could not be written so far.
    fn receive(&mut self, id: ConnectionId) {
        let socket = self.sockets.get(&id);
        if socket.is_some_and(|socket| socket.state == State::Blocked) {
            self.send(id);
        }
        for _ in 0..CHUNKS {
            let Some(socket) = self.sockets.get_mut(&id) else {
                return;
            };
            socket.queued = false;
            if self.broker.is_busy(id) {
                break;
            }
            match socket.read(&mut self.chunk) {
                Ok(Some(0)) | Err(_) => {
                    // It may have closed its side alone.
                    self.send(id);
                    return self.end(id);
                }
                Ok(Some(_)) if socket.state == State::Farewell => {}
                Ok(Some(len)) => {
                    self.log(id, format_args!("sends {len} bytes"));
                    let bytes = self.chunk.get(..len).unwrap_or_default();
                    self.broker.handle_bytes(self.now, id, bytes);
                    self.handled += len;
                    if self.handled >= CHUNK {
                        self.send_all();
                    }
                }
                Ok(None) => return,
            }
        }
        self.look_again(id);
    }

    /// Reads a connection in the next turn, whether or not there is news of it.
    fn look_again(&mut self, id: ConnectionId) {
        let socket = self.sockets.get_mut(&id);
        if let (Some(socket), Ok(token)) = (socket, token(id)) {
            if !std::mem::replace(&mut socket.queued, true) {
                self.queue.push_back(token);
            }
        }
    }

    /// Writes what there is for all connections.
    fn send_all(&mut self) {
        self.handled = 0;
        while let Some(id) = self.broker.poll_connection() {
            let socket = self.sockets.get(&id);
            if socket.is_some_and(|socket| socket.state == State::Open) {
                self.send(id);
            }
        }
    }

    /// Writes what there is for a connection, as far as the system takes it.
    fn send(&mut self, id: ConnectionId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if !matches!(socket.state, State::Open | State::Blocked) {
            return;
        }
        let before = socket.written;
        let mut written = socket.write_unsent();
        while matches!(written, Ok(true)) && self.broker.poll_transmit(id, &mut self.out) {
            written = socket.write(&mut self.out);
        }
        let blocked = written.and_then(|written| {
            socket.set_blocked(!written, self.poll.registry(), token(id)?)?;
            Ok(!written)
        });
        match blocked {
            Ok(true) => {
                // The last packet is not waited for without end.
                let moves = socket.written > before && !self.broker.is_closing(id);
                if moves || socket.deadline.is_none() {
                    self.set_deadline(id, Some(self.now + PATIENCE));
                }
            }
            Ok(false) => {
                self.set_deadline(id, None);
                if self.broker.is_closing(id) {
                    self.say_farewell(id);
                }
            }
            Err(_) => {
                socket.break_off();
                self.look_again(id);
            }
        }
    }

    /// Closes a connection on this side. The peer closes it then, unless there is nothing that it
    /// could lose: then it is over.
    fn say_farewell(&mut self, id: ConnectionId) {
        self.log(id, format_args!("is closed"));
        if self.farewells.len() >= FAREWELLS {
            self.end_oldest_farewell();
        }
        match self.sockets.get_mut(&id) {
            Some(socket) if socket.written > 0 => socket.say_farewell(),
            _ => return self.end(id),
        }
        let until = self.now + FAREWELL;
        self.set_deadline(id, Some(until));
        self.farewells.insert((until, id));
    }

    /// Gives a descriptor back that is there for a farewell alone. `false` if there is none.
    fn end_oldest_farewell(&mut self) -> bool {
        let oldest = self.farewells.first().copied();
        oldest.inspect(|(_, id)| self.end(*id)).is_some()
    }

    /// A connection is over: its descriptor is given back, and the broker counts it no more.
    fn end(&mut self, id: ConnectionId) {
        self.set_deadline(id, None);
        if self.sockets.remove(&id).is_some() {
            self.log(id, format_args!("leaves"));
            self.broker.handle_close(self.now, id);
            self.accept_again();
        }
    }

    /// Sets when a connection is over unless something moves.
    fn set_deadline(&mut self, id: ConnectionId, deadline: Option<Duration>) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut socket.deadline, deadline) {
            self.deadlines.remove(&(before, id));
            self.farewells.remove(&(before, id));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, id));
        }
    }

    fn log(&self, id: ConnectionId, what: std::fmt::Arguments<'_>) {
        if self.broker.config.log {
            eprintln!("{:.3} {id:?} {what}", self.now.as_secs_f64());
        }
    }
}

fn token(id: ConnectionId) -> io::Result<Token> {
    let number = usize::try_from(id.0);
    number.map(Token).map_err(io::Error::other)
}

fn id(token: Token) -> ConnectionId {
    ConnectionId(token.0 as u64)
}
