//! A broker for MQTT 3.1.1 and 5.0 that does no I/O: bytes in, bytes out, with a clock that the
//! caller sets.
//!
//! It exists to drive tests: correct and readable before fast. The same calls give the same bytes.
//! Both versions are served at once, and a session may be resumed in the other one.
//!
//! After each `handle_*`, take the connections from [`Broker::poll_connection`]: send what
//! [`Broker::poll_transmit`] gives, and close those of which [`Broker::is_closing`] says so. Then
//! read [`Broker::next_timeout`].
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::BytesMut;
//! use reference_broker::{Broker, Config};
//!
//! let mut broker = Broker::new(Config::default());
//! let client = broker.accept(Duration::ZERO);
//! broker.handle_bytes(Duration::ZERO, client, b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01a");
//! assert_eq!(broker.poll_connection(), Some(client));
//! let mut out = BytesMut::new();
//! broker.poll_transmit(client, &mut out);
//! assert_eq!(&out[..], b"\x20\x02\0\0");
//! ```
//!
//! # What it does
//!
//! * QoS 0, 1 and 2, downgraded to what a subscription allows; a QoS 2 message is routed when its
//!   PUBLISH comes, and once.
//! * Sessions: clean, resumed, expired, taken over with 0x8E.
//! * All subscription options and identifiers. Subscriptions of one client that overlap get one
//!   PUBLISH, at the highest QoS and with all identifiers; each share gets one of its own.
//! * Shared subscriptions in turn, connected members first. When a member's connection ends and
//!   another member is connected, that one gets what was not sent or not acknowledged, but for QoS 2
//!   messages under way; at the end of the session any other member does.
//! * Retained messages with their expiry and all three retain handlings, wills with their delay,
//!   message expiry counted down, properties forwarded in order.
//! * Receive Maximum, Maximum Packet Size and topic aliases in both directions.
//! * Keep alive, assigned client identifiers, enhanced authentication, `$SYS` topics.
//! * A [`Policy`] for who may connect, subscribe and publish, and a limit in [`Config`] for
//!   everything that a client can make it hold.
//!
//! In 3.1.1 a filter with `$share/` is an ordinary one. What 3.1.1 has no way to tell a client is not
//! asked of it (a Keep Alive below its own, Receive Maximum), is done without a word (retained
//! messages that are not available), or ends the connection (a QoS above the maximum, a retained
//! message for which there is no room). Its own Keep Alive is held against it all the same.
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::cast_possible_truncation
    )
)]

mod backlog;
mod broker;
mod client;
mod config;
mod connect;
mod input;
mod message;
mod policy;
mod requests;
mod retained;
mod routing;
mod serve;
mod subscriptions;
mod sys;
mod timers;
mod usage;
mod will;

pub use broker::{Broker, ConnectionId};
pub use config::Config;
pub use policy::{Anyone, AuthStep, Policy, Rules};
pub use serve::serve;
pub use usage::Usage;

#[cfg(test)]
mod tests;
