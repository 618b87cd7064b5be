use std::time::Duration;

use bytes::BytesMut;
use mqtt_sansio::connection::{
    Client, Closed, Connection, Event, Incoming, RequestToken, Role, Server, Violation,
};
use mqtt_sansio::session::Token;

use super::{End, Script};

/// A client of the crate, to which the test speaks as its server. It acknowledges what it gets.
pub type ClientEnd = OwnEnd<Client>;

/// A server's connection of the crate, to which the test speaks as its client. The test answers what
/// is to be answered.
pub type ServerEnd = OwnEnd<Server>;

/// An end of the crate, to which the test speaks as its peer.
#[derive(Debug)]
pub struct OwnEnd<R> {
    /// The end.
    pub connection: Connection<R>,
    /// The time.
    pub now: Duration,
    /// What was delivered, as `topic=payload`.
    pub delivered: Vec<String>,
    /// All that came to act on.
    pub incoming: Vec<Incoming>,
    /// Whether it acknowledges messages by itself.
    pub acknowledges: bool,
    events: Vec<Event>,
}

impl<R: Role> OwnEnd<R> {
    /// An end on a network connection on which nothing has been said.
    pub(super) const fn of(connection: Connection<R>, acknowledges: bool) -> Self {
        Self {
            connection,
            now: Duration::ZERO,
            delivered: Vec::new(),
            incoming: Vec::new(),
            acknowledges,
            events: Vec::new(),
        }
    }

    /// What has happened since the last time.
    pub fn events(&mut self) -> Vec<Event> {
        self.poll_events();
        std::mem::take(&mut self.events)
    }

    /// The rule that the test broke.
    pub fn violation(&self) -> Option<Violation> {
        match self.connection.ended() {
            Err(Closed::Violated(violation)) => Some(violation),
            _ => None,
        }
    }

    /// The tokens of the messages that came.
    pub fn tokens(&self) -> Vec<Token> {
        let tokens = self.incoming.iter().filter_map(|incoming| match incoming {
            Incoming::Message(_, token) => Some(*token),
            _ => None,
        });
        tokens.collect()
    }

    /// The token of the message that came last.
    #[track_caller]
    pub fn token(&self) -> Token {
        *self.tokens().last().expect("a message")
    }

    /// The token of SUBSCRIBE or UNSUBSCRIBE, if that came last.
    #[track_caller]
    pub fn request(&self) -> RequestToken {
        match self.incoming.last() {
            Some(Incoming::Subscribe(_, token) | Incoming::Unsubscribe(_, token)) => *token,
            other => panic!("no request: {other:?}"),
        }
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.connection.next_timeout().filter(|&at| at <= until) {
            self.now = at.max(self.now);
            self.connection.handle_timeout(self.now);
        }
        self.now = until;
    }

    fn take(&mut self, incoming: Incoming) {
        if let Incoming::Message(message, token) = &incoming {
            let payload = String::from_utf8_lossy(&message.payload);
            let topic = message.topic.to_str();
            self.delivered.push(format!("{topic}={payload}"));
            if self.acknowledges {
                self.connection.acknowledge(*token).unwrap();
            }
        }
        self.incoming.push(incoming);
    }

    fn poll_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            self.events.push(event);
        }
    }
}

impl<R: Role> End for OwnEnd<R> {
    fn handle_bytes(&mut self, bytes: &[u8]) {
        let mut input = BytesMut::from(bytes);
        while let Some(incoming) = self.connection.handle_bytes(self.now, &mut input) {
            self.take(incoming);
        }
        self.poll_events();
    }

    fn take_output(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.connection.poll_bytes(self.now, &mut out);
        self.poll_events();
        out
    }

    fn is_closing(&self) -> bool {
        self.connection.is_closed()
    }
}

impl<R: Role> Script<OwnEnd<R>> {
    /// The network connection ends without DISCONNECT.
    pub fn lose(&mut self) {
        self.end.connection.handle_close();
        self.unread.clear();
    }
}
