//! A broker for MQTT 3.1.1 and 5.0, to test clients and servers with: correct and readable before
//! fast. Both versions are served at once, and a session may be resumed in the other one.
//!
//! # On a port of its own
//!
//! [`spawn`] serves on TCP in a thread, for as long as a test needs it. [`serve`] is the same for a
//! listener of yours and without an end.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//!
//! use reference_broker::{Config, spawn};
//!
//! let broker = spawn(Config::default())?;
//! let mut socket = TcpStream::connect(broker.addr())?;
//! socket.write_all(b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01a")?;
//! let mut connack = [0; 4];
//! socket.read_exact(&mut connack)?;
//! assert_eq!(&connack, b"\x20\x02\0\0");
//! drop(broker); // It has closed all connections when this is done.
//! assert_eq!(socket.read(&mut connack)?, 0);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`Config`] has the limits and what is offered; for who may do what, pass
//! `Broker::with_policy(config, policy)` with an [`Access`] or a [`Policy`] of your own.
//!
//! # Without I/O
//!
//! [`Broker`] itself is bytes in, bytes out, with a clock that the caller sets: the same calls give
//! the same bytes. Its times count from any moment of your choice. An identifier of a connection that
//! has ended is ignored.
//!
//! After each `handle_*`, store the changes of [`Broker::poll_change`], if there are any. Then take
//! the connections from [`Broker::poll_connection`]: send what [`Broker::poll_transmit`] gives, and
//! close those of which [`Broker::is_closing`] says so. Then read [`Broker::next_timeout`].
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
//!   message expiry counted down, properties forwarded in order. A new subscription gets the first
//!   retained messages at once and many in parts, between which others are served; each comes before
//!   what is published to its topic later. A filter that stands twice in one SUBSCRIBE counts once.
//! * Receive Maximum, Maximum Packet Size and topic aliases in both directions.
//! * Keep alive, assigned client identifiers, enhanced authentication, `$SYS` topics.
//! * Topics that begin with `$` are not for messages between clients (section 4.7.2), unless
//!   [`Config::dollar_topics`] allows those that do not begin with `$SYS/`: PUBLISH is refused, and a
//!   will is accepted and dropped when it is due, as a mosquitto bridge asks for one on `$SYS/`.
//! * All of it survives a crash, if the changes of [`Broker::poll_change`] are stored: sessions with
//!   their messages, subscriptions and wills, and retained messages. [`Broker::restore`] goes on.
//! * A [`Policy`] for who may connect, subscribe and publish.
//!
//! # Limits
//!
//! [`Config`] has a limit for everything that a client can make the broker hold, and
//! [`Broker::usage`] and [`Broker::client_usage`] count in the same way. Bytes are those that are
//! held, with the room that buffers and maps keep free.
//!
//! | limit | counts | default | above it |
//! |---|---|---|---|
//! | `max_connections` | network connections | 10,000 | a new one is closed |
//! | `max_pending` | those without CONNACK | 1,000 | the oldest is refused with 0x89, or closed without a word if it has not sent CONNECT |
//! | `connect_timeout` | time for CONNECT, and for each AUTH before CONNACK | 10 s | the connection is closed |
//! | `max_keep_alive` | Keep Alive in seconds, 5.0 only | none | the client is told a Server Keep Alive |
//! | `maximum_packet_size` | bytes of a packet; CONNECT may have 128 KiB | 16 MiB | 0x95, connection closed |
//! | `max_input_bytes` | bytes of the beginnings of packets, of all connections, and of messages that are not with all their subscribers yet | 256 MiB | the connection with the most, or with one message too many, is closed with 0x89 |
//! | `receive_maximum` | a client's unacknowledged messages of QoS 1 and 2, 24 bytes each | 65,535 | 0x93, connection closed |
//! | `topic_alias_maximum` | topics that a client gives an alias, of 64 KiB at most | 16 | 0x94, connection closed |
//! | `aliases_to_clients` | topics that the broker gives an alias for one client | 16 | topics are sent in full |
//! | `maximum_qos` | QoS of a message | 2 | a subscription gets less; 0x9B, connection closed |
//! | `max_sessions` | sessions, with their wills, of 128 KiB at most | 20,000 | CONNECT is refused with 0x97, in 3.1.1 with 3 |
//! | `max_session_expiry` | Session Expiry Interval in seconds | none | the client is told a shorter one |
//! | `max_subscriptions` | subscriptions of a session, and filters in one SUBSCRIBE | 1,000 | the filter is refused with 0x97, in 3.1.1 with 0x80 |
//! | `max_subscription_bytes` | bytes of a session's subscriptions: 0.7 KiB each, 2.1 KiB if shared, and three or four times the filter | 4 MiB | the same |
//! | none | shares of one filter | 1,000 | the filter is refused with 0x97 |
//! | `max_queued` | a session's messages that wait to be sent | 10,000 | the message is dropped, and further retained ones of a new subscription |
//! | `max_queued_bytes` | bytes of a session's messages, waiting or unacknowledged, as if no other session had them | 64 MiB | the same |
//! | `max_in_flight` | messages of QoS 1 and 2 that a client has not acknowledged | 20, as mosquitto takes no more | messages wait |
//! | `max_answer_bytes` | bytes of SUBACK and UNSUBACK that a client does not read: 384 each, and 1 for each code | 512 KiB | the next request is not looked at: 0x97, connection closed |
//! | `max_retained` | retained messages | 100,000 | PUBLISH is refused with 0x97; in 3.1.1 the connection is closed; at QoS 0 the message goes on, and none is retained |
//! | `max_retained_bytes` | bytes of the retained messages | 256 MiB | the same |
//!
//! What it does for one call is limited, too, and others are served before it goes on:
//!
//! * It looks at 1,000 topics of retained messages, or removes 500 that have expired. A new retained
//!   message removes as many expired ones as it needs the room of, and no others.
//! * For messages it does 20,000 steps: one for each step of a search for subscribers, as
//!   [`FilterTree`](mqtt_sansio::topic::FilterTree) states them, two for each subscription that is
//!   found, and ten for each client or share that gets a message. The last of them may be all
//!   subscriptions with one filter, or all that one client has. Filters that 66 clients choose so
//!   that a message visits each of 65,536 take seven calls instead of one; without the limit, those
//!   that 20,000 clients may have could take 20 million times 680 instructions, or 1,070 with a level
//!   of 60 kB, at once.
//! * The publisher of such a message has its answer at once, as the broker is responsible for the
//!   message, but none with 0x10. Its connection [is busy](Broker::is_busy) until all have the message,
//!   and so is each one that publishes to the same topic meanwhile. Messages of other topics go on if
//!   their own search is short, and else in their turn.
//! * A broker that records changes has no such limit for messages: in a crash between two calls, the
//!   clients that are served in the later one would not get a message that is answered.
//! * The other members of a share cost nothing. To connect or disconnect costs something for each
//!   share of the client.
//!
//! [`Broker::steps`] counts.
//!
//! # Versions
//!
//! In 3.1.1 a filter with `$share/` is an ordinary one. Retain As Published and No Local of a 5.0
//! subscription do not count while its session goes on in 3.1.1. What 3.1.1 has no way to tell a client is not
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
mod changes;
mod client;
mod config;
mod connect;
mod input;
mod message;
mod policy;
mod requests;
mod restore;
mod retained;
mod route;
mod routing;
mod serve;
mod subscriptions;
mod sys;
mod timers;
mod usage;
mod will;

pub use broker::{Broker, ConnectionId};
pub use changes::{Change, State};
pub use config::Config;
pub use policy::{Access, Anyone, AuthStep, Policy};
pub use serve::{Running, serve, spawn};
pub use usage::Usage;

#[cfg(test)]
mod tests;
