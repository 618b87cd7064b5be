use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;

use super::socket::Socket;
use super::{LISTENER, Server, token};

/// New connections in a turn.
const ACCEPTED: usize = 64;

/// How long until the next try to accept a connection if there was no descriptor for it, and none of
/// the others has ended.
const RETRY: Duration = Duration::from_secs(1);

/// New connections.
impl Server {
    pub(super) fn accept(&mut self) {
        if self.retry.is_some() {
            return;
        }
        for _ in 0..ACCEPTED {
            let error = match self.listener.accept() {
                Ok((stream, peer)) => {
                    self.open(stream, peer);
                    continue;
                }
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::WouldBlock => return,
                ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                // There are too many open files, for instance.
                _ if self.end_oldest_farewell() => {}
                _ => {
                    self.retry = Some(self.now + RETRY);
                    if !std::mem::replace(&mut self.has_complained, true) {
                        let count = self.sockets.len();
                        eprintln!("no connection beyond {count} until one of them ends: {error}");
                    }
                    return;
                }
            }
        }
        self.queue.push_back(LISTENER);
    }

    /// Accepts in the next turn, if there was no descriptor the last time.
    pub(super) fn accept_again(&mut self) {
        if self.retry.take().is_some() {
            self.queue.push_back(LISTENER);
        }
    }

    fn open(&mut self, stream: TcpStream, peer: SocketAddr) {
        let most = self.broker.config.max_connections;
        while self.sockets.len() >= most && self.end_oldest_farewell() {}
        let id = self.broker.accept(self.now);
        self.log(id, format_args!("comes from {peer}"));
        let socket = token(id).and_then(|token| Socket::open(stream, self.poll.registry(), token));
        match socket {
            Ok(socket) if !self.broker.is_closing(id) => drop(self.sockets.insert(id, socket)),
            Ok(_) => {
                self.log(id, format_args!("is one too many"));
                self.broker.handle_close(self.now, id);
            }
            Err(error) => {
                self.log(id, format_args!("cannot be served: {error}"));
                self.broker.handle_close(self.now, id);
            }
        }
    }
}
