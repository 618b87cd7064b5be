//! The steps of a history, and what the search asks of an end.

use std::fmt::Debug;

use mqtt_sansio::QoS;

use super::app::{Broken, Effect, Wire};
use super::setting::{Keep, Setting};

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Side {
    A,
    B,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::A, Self::B];

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What is done to one end.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Op {
    Publish(QoS),
    Transmit,
    Receive(Wire),
    /// Answers the delivery at this place, and perhaps refuses it.
    Acknowledge(usize, bool),
    /// Takes the message with this number back.
    Abandon(usize),
    /// Stores the next change.
    Store,
    /// Goes on from what is stored.
    Crash,
    Cut,
    /// Begins a link of a session with these quotas, to send and to receive.
    Connect(u16, u16),
    /// Goes on with a new session.
    Lose,
    /// Learns that the peer has a new session.
    Reset,
    /// Begins a link of a connection, without the session or with it.
    Open {
        lose: bool,
        maximum: u16,
    },
    Disconnect,
}

/// A step of a history.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Step {
    On(Side, Op),
    /// The first packet in the link arrives at this end.
    Deliver(Side),
    CutLink,
    /// A new link, with those quotas of the setting.
    Reconnect(Keep, usize),
}

/// What the search asks of an end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) taken: u8,
    pub(crate) refused: u8,
    /// Whether it has a network connection.
    pub(crate) up: bool,
    /// Whether all that was begun has ended.
    pub(crate) quiet: bool,
}

pub(crate) trait End: Clone + Debug {
    fn new(setting: &'static Setting, side: Side) -> Self;

    /// What can be done by itself.
    fn ops(&self) -> Vec<Op>;

    fn apply(&mut self, op: Op) -> Result<Effect, Broken>;

    /// The message of the delivery at this place.
    fn held(&self, at: usize) -> u8;

    /// All that bears on the future.
    fn key(&self) -> String;

    fn facts(&self) -> Facts;
}
