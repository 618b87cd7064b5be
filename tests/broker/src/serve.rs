//! Threads around the broker: one that has it, and two for each connection, which read and write.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Broker, ConnectionId};
use bytes::BytesMut;

/// What the other threads tell the one that has the broker.
enum News {
    Connected(TcpStream),
    Received(ConnectionId, Vec<u8>),
    /// Everything that was handed over has been written.
    Written(ConnectionId),
    Ended(ConnectionId),
}

/// Where to write to.
struct Outlet {
    stream: TcpStream,
    bytes: Sender<BytesMut>,
    /// Pieces that are not written yet.
    unwritten: Arc<AtomicUsize>,
    /// Told when a piece that was read is taken up. Only then is more read, so that nobody is held up
    /// by one who sends without end.
    taken: SyncSender<()>,
}

/// Bounds what was read and not yet taken up.
const BACKLOG: usize = 256;

/// How long a client may take to read anything at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a client may take to close its side after the broker has closed its own.
const FAREWELL: Duration = Duration::from_secs(2);

/// The broker and its connections.
struct Server {
    broker: Broker,
    outlets: BTreeMap<ConnectionId, Outlet>,
    /// Closed on this side alone, so that the last packet is not lost, and until when.
    lingering: VecDeque<(Duration, TcpStream)>,
    news: SyncSender<News>,
    now: Duration,
    log: bool,
}

/// Serves on TCP and does not return. With `log`, says on standard error who comes and goes.
pub fn serve(listener: TcpListener, broker: Broker, log: bool) {
    let start = Instant::now();
    let (news, inbox) = mpsc::sync_channel(BACKLOG);
    let mut server = Server {
        broker,
        outlets: BTreeMap::new(),
        lingering: VecDeque::new(),
        news: news.clone(),
        now: Duration::ZERO,
        log,
    };
    thread::spawn(move || accept(&listener, &news));
    loop {
        let wait = server.next_timeout().saturating_sub(start.elapsed());
        let first = inbox.recv_timeout(wait);
        server.now = start.elapsed();
        match first {
            Ok(first) => {
                let more: Vec<_> = inbox.try_iter().take(BACKLOG).collect();
                for each in std::iter::once(first).chain(more) {
                    server.take_up(each);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        server.handle_timeout();
        while let Some(id) = server.broker.poll_connection() {
            server.send(id);
        }
    }
}

fn accept(listener: &TcpListener, news: &SyncSender<News>) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                if news.send(News::Connected(stream)).is_err() {
                    return;
                }
            }
            // Too many open files, for instance.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

impl Server {
    fn next_timeout(&self) -> Duration {
        let farewell = self.lingering.front().map(|(at, _)| *at);
        let broker = self.broker.next_timeout();
        let hour = self.now + Duration::from_secs(3600);
        hour.min(farewell.unwrap_or(hour))
            .min(broker.unwrap_or(hour))
    }

    fn handle_timeout(&mut self) {
        self.broker.handle_timeout(self.now);
        while self
            .lingering
            .front()
            .is_some_and(|(at, _)| *at <= self.now)
        {
            if let Some((_, stream)) = self.lingering.pop_front() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    fn log(&self, id: ConnectionId, what: std::fmt::Arguments<'_>) {
        if self.log {
            eprintln!("{:.3} {id:?} {what}", self.now.as_secs_f64());
        }
    }

    fn take_up(&mut self, news: News) {
        match news {
            News::Connected(stream) => {
                let id = self.broker.accept(self.now);
                self.log(id, format_args!("comes from {:?}", stream.peer_addr().ok()));
                match Outlet::open(id, stream, &self.news) {
                    Ok(outlet) => drop(self.outlets.insert(id, outlet)),
                    Err(error) => {
                        self.log(id, format_args!("cannot be served: {error}"));
                        self.broker.handle_close(self.now, id);
                    }
                }
            }
            News::Received(id, bytes) => {
                self.log(id, format_args!("sends {} bytes", bytes.len()));
                self.broker.handle_bytes(self.now, id, &bytes);
                if let Some(outlet) = self.outlets.get(&id) {
                    // Who reads may have ended by now.
                    let _ = outlet.taken.send(());
                }
            }
            News::Written(id) => self.send(id),
            News::Ended(id) => {
                if self.outlets.remove(&id).is_some() {
                    self.log(id, format_args!("leaves"));
                }
                self.broker.handle_close(self.now, id);
            }
        }
    }

    /// Hands what there is over to the thread that writes, unless it is still busy.
    fn send(&mut self, id: ConnectionId) {
        let Some(outlet) = self.outlets.get(&id) else {
            return;
        };
        if outlet.unwritten.load(Ordering::Acquire) > 0 {
            return;
        }
        let mut out = BytesMut::new();
        if self.broker.poll_transmit(id, &mut out) {
            outlet.unwritten.fetch_add(1, Ordering::AcqRel);
            let len = out.len();
            // If it fails, the connection has ended, as the thread that reads says.
            let _ = outlet.bytes.send(out);
            self.log(id, format_args!("gets {len} bytes"));
        } else if self.broker.is_closing(id) {
            self.log(id, format_args!("is closed"));
            self.broker.handle_close(self.now, id);
            if let Some(outlet) = self.outlets.remove(&id) {
                let _ = outlet.stream.shutdown(Shutdown::Write);
                self.lingering
                    .push_back((self.now + FAREWELL, outlet.stream));
            }
        }
    }
}

impl Outlet {
    fn open(
        id: ConnectionId,
        stream: TcpStream,
        news: &SyncSender<News>,
    ) -> Result<Self, std::io::Error> {
        // Small packets go out at once, where the system can do that.
        let _ = stream.set_nodelay(true);
        stream.set_write_timeout(Some(PATIENCE))?;
        let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
        let (bytes, to_write) = mpsc::channel();
        // One is read at a time, so that there is always room to say so.
        let (taken, may_read) = mpsc::sync_channel(1);
        let unwritten = Arc::new(AtomicUsize::new(0));
        let (count, write_news, read_news) = (Arc::clone(&unwritten), news.clone(), news.clone());
        thread::Builder::new().spawn(move || write(id, writer, &to_write, &count, &write_news))?;
        thread::Builder::new().spawn(move || read(id, reader, &read_news, &may_read))?;
        Ok(Self {
            stream,
            bytes,
            unwritten,
            taken,
        })
    }
}

/// Closes the connection if it fails, so that the thread that reads ends too.
fn write(
    id: ConnectionId,
    mut stream: TcpStream,
    to_write: &Receiver<BytesMut>,
    unwritten: &AtomicUsize,
    news: &SyncSender<News>,
) {
    for bytes in to_write {
        if stream.write_all(&bytes).is_err() {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        unwritten.fetch_sub(1, Ordering::AcqRel);
        if news.send(News::Written(id)).is_err() {
            return;
        }
    }
}

fn read(id: ConnectionId, mut stream: TcpStream, news: &SyncSender<News>, may_read: &Receiver<()>) {
    let mut chunk = vec![0; 16 << 10];
    loop {
        match stream.read(&mut chunk) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => {
                let _ = news.send(News::Ended(id));
                return;
            }
            Ok(len) => {
                let bytes = chunk.get(..len).unwrap_or_default().to_vec();
                if news.send(News::Received(id, bytes)).is_err() {
                    return;
                }
                if may_read.recv().is_err() {
                    // The connection is over. What still comes is read, or the last packet could be lost.
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                    return;
                }
            }
        }
    }
}
