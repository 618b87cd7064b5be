//! What every client can be asked to do, ours and those of others.

use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_sansio::Version;

/// A kind of client.
pub(crate) trait Client: Send + Sync {
    /// Starts what takes time.
    fn start(&self) {}

    /// Connects, then subscribes. The code of CONNACK if the broker refuses.
    fn open(&self, port: u16, opening: &Opening) -> Result<Box<dyn Link>, u8>;
}

/// A connection of a client. Everything waits with a deadline, at which it panics.
pub(crate) trait Link {
    /// What CONNACK and SUBACK said.
    fn opened(&self) -> &Opened;

    /// Returns when the message is acknowledged as its QoS asks.
    fn publish(&mut self, message: &Message);

    /// The next message.
    fn receive(&mut self) -> Message;

    /// Returns when UNSUBACK has come.
    fn unsubscribe(&mut self, filter: &str);

    /// Does nothing for a while but what the protocol asks for.
    fn idle(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Waits until the broker ends the connection; with which reason code, if it says so.
    fn ended(&mut self) -> Option<u8>;

    /// Closes the network connection without DISCONNECT.
    fn cut(&mut self);

    /// Ends the connection with DISCONNECT.
    fn close(&mut self);

    /// Connects again with the same session, after [`cut`](Self::cut). Does not subscribe, but for a
    /// client that has to.
    fn reopen(&mut self, opening: &Opening);
}

/// How to connect.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) clean: bool,
    /// In seconds; in 5.0 alone.
    pub(crate) session_expiry: u32,
    pub(crate) keep_alive: u16,
    pub(crate) alias_maximum: u16,
    /// In 5.0, and of this crate's client alone.
    pub(crate) receive_maximum: Option<NonZeroU16>,
    pub(crate) will: Option<Message>,
    /// With the highest QoS of each.
    pub(crate) filters: Vec<(String, u8)>,
    pub(crate) subscription_id: Option<u32>,
    pub(crate) user: Option<(String, String)>,
}

impl Opening {
    pub(crate) fn new(version: Version, client_id: String) -> Self {
        Self {
            version,
            client_id,
            clean: true,
            session_expiry: 0,
            keep_alive: 30,
            alias_maximum: 0,
            receive_maximum: None,
            will: None,
            filters: Vec::new(),
            subscription_id: None,
            user: None,
        }
    }
}

/// What a connection began with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Opened {
    /// Whether the broker had the session, if the client tells.
    pub(crate) present: Option<bool>,
    /// The QoS of each subscription.
    pub(crate) granted: Vec<u8>,
}

/// An application message, to send or as it came.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) user: Vec<(String, String)>,
    pub(crate) content_type: Option<String>,
    pub(crate) response_topic: Option<String>,
    pub(crate) correlation_data: Option<Vec<u8>>,
    /// Whether the payload is said to be text.
    pub(crate) text: bool,
    pub(crate) expiry: Option<u32>,
    pub(crate) subscription_ids: Vec<u32>,
    pub(crate) alias: Option<u16>,
    /// Whether to send the alias without the topic.
    pub(crate) bare: bool,
}

impl Message {
    pub(crate) fn new(topic: &str, qos: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.to_owned(),
            payload: payload.into(),
            qos,
            ..Self::default()
        }
    }

    pub(crate) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }
}

/// Short enough to print when the payload is not.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = &self.payload[..self.payload.len().min(32)];
        write!(f, "{} qos {} ", self.topic, self.qos)?;
        if self.retain {
            write!(f, "retained ")?;
        }
        write!(
            f,
            "{} bytes \"{}\"",
            self.payload.len(),
            start.escape_ascii()
        )?;
        let properties = (&self.user, &self.content_type, &self.response_topic);
        write!(f, " {properties:?} {:?}", self.correlation_data)?;
        let numbers = (self.text, self.expiry, &self.subscription_ids, self.alias);
        write!(f, " {numbers:?}")
    }
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let pairs = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    pairs.collect()
}

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let digit = |at: &u8| char::from(*at).to_digit(16).expect("a hex digit") as u8;
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
        .collect()
}
