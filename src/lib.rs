//! MQTT 3.1.1 and 5.0 without I/O: bytes in, typed packets out; typed packets in, bytes out.
//!
//! There is no socket, no clock, no thread and no async runtime in this crate, so it fits any of
//! them. Clients, servers, bridges, proxies, devices and test tools are built on it.
//!
//! Sections and statements (`[MQTT-3.3.1-2]`) in this documentation are those of MQTT 5.0 unless
//! 3.1.1 is named.
//!
//! # Layers
//!
//! Each layer can be used without the one above it.
//!
//! ```text
//!   bytes of a network connection                     your socket, your clock
//!        |    ^
//!        v    |
//!   +--------------------------------------------+
//!   | connection   client::Connection,           |   life cycle, limits, aliases, keep alive,
//!   |              server::Connection            |   authentication, order, outcomes
//!   +--------------------------------------------+
//!   | session      Session, Snapshot, Change     |   packet identifiers, QoS 1 and 2, resending
//!   +--------------------------------------------+
//!   | codec        FrameDecoder, Packet, Frame   |   strict parsing, typed properties
//!   +--------------------------------------------+
//!   | topic        TopicFilter, FilterTree ..    |   matching, without any packet
//!   +--------------------------------------------+
//! ```
//!
//! * [`connection`]: one network connection, for either end. Most users begin here.
//! * [`Message`], [`Shared`] and [`Publishable`]: application messages.
//! * [`session`]: the state that outlives a network connection, and how to store it.
//! * [`Packet`] and [`packet`]: the fifteen packets, borrowed or owned. [`FrameDecoder`] finds them
//!   in a stream. A [`Frame`] holds the bytes of one packet, to queue, store and send it to many.
//! * [`property`]: the properties of 5.0, typed by the packet that carries them.
//! * [`topic`]: names and filters, and trees that find subscriptions by topic and retained messages
//!   by filter.
//! * [`DecodeError`]: the rule that is broken, its place, and the answer to send.
//! * [`Rules`]: the rules that a peer may break. An error names its [`Rule`].
//!
//! # A connection
//!
//! A client subscribes and receives a message. The example plays the part of the server:
//!
//! ```
//! use core::time::Duration;
//! use bytes::BytesMut;
//! use mqtt_sansio::connection::{Incoming, client::Connection};
//! use mqtt_sansio::packet::{Connect, Subscriptions};
//! use mqtt_sansio::{QoS, Version};
//!
//! let now = Duration::ZERO; // the time since any moment of your choice
//! let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
//! let mut client = Connection::new();
//! client.connect(Version::V311, Connect::new("reader-1".parse()?))?;
//! client.subscribe(Subscriptions::new([("sensors/#".parse()?, QoS::AtLeastOnce)])?)?;
//! client.poll_bytes(now, &mut output); // CONNECT, for your socket
//!
//! input.extend_from_slice(b"\x20\x02\0\0"); // CONNACK, from your socket
//! assert_eq!(client.handle_bytes(now, &mut input), None);
//! client.poll_bytes(now, &mut output); // SUBSCRIBE
//!
//! input.extend_from_slice(b"\x90\x03\0\x01\x01\x32\x0D\0\x09sensors/1\0\x05");
//! if let Some(Incoming::Message(message, token)) = client.handle_bytes(now, &mut input) {
//!     assert_eq!(message.topic, "sensors/1");
//!     client.acknowledge(token)?;
//! }
//! output.clear();
//! client.poll_bytes(now, &mut output);
//! assert_eq!(output, b"\x40\x02\0\x05"[..]); // PUBACK
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`connection`] documents the whole loop around a socket. The [`guide`] has a page for each task, and one
//! for those who come [from another crate](guide::coming_from).
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `arbitrary` | `Arbitrary` for every value and packet, always valid |
//! | `proptest` | a `strategy` for the same |
//! | `serde` | `Serialize` and `Deserialize` for values, packets, messages, snapshots and changes |
//! | `tokio-util` | `PacketCodec`, a `Decoder` and `Encoder` |
//!
//! Without any, the crate is `no_std` with `alloc`. A feature adds API and never changes behaviour.
//!
//! # Targets
//!
//! Pointers have 32 bits or more. A target without compare-and-swap, such as thumbv6m (Cortex-M0), needs in
//! the manifest of its firmware what gives it to `bytes`:
//!
//! ```toml
//! bytes = { version = "1.10", default-features = false, features = ["extra-platforms"] }
//! portable-atomic = { version = "1", features = ["unsafe-assume-single-core"] } # or "critical-section"
//! ```
//!
//! Without an operating system (`target_os = "none"`) quick paths are left out, as flash is dearer than time.
//! Rules that are let go and messages in pieces are linked only where they are used.
//!
//! # When not to use it
//!
//! To talk to a broker in ten lines, use a client crate with its own runtime: this crate implements
//! the protocol, and you write the loop around your socket. It has no transport, no TLS, no
//! reconnection policy and no storage.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::cast_possible_truncation
    )
)]

#[cfg(target_pointer_width = "16")]
compile_error!("mqtt-sansio needs pointers of 32 bits or more: the length of a packet has 28 bits");

extern crate alloc;
#[cfg(any(feature = "arbitrary", feature = "tokio-util"))]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod binary;
mod block;
#[cfg(feature = "tokio-util")]
mod codec;
pub mod connection;
mod device;
mod error;
mod frame;
#[cfg(any(doc, doctest))]
pub mod guide;
mod header;
mod message;
mod number;
pub mod packet;
mod packet_id;
mod packet_type;
mod payload;
mod plain;
pub mod property;
mod property_id;
mod qos;
mod reason;
mod rules;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "serde")]
mod serialize;
pub mod session;
mod shared;
mod side;
#[cfg(feature = "proptest")]
mod strategy;
mod text;
pub mod topic;
mod varint;
mod version;
mod wire;

pub use binary::Binary;
#[cfg(feature = "tokio-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio-util")))]
pub use codec::{FramedError, PacketCodec};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, Field, OnlyInV5};
pub use frame::{Frame, FrameDecoder, Part};
pub use message::{Message, Outline, Publishable};
pub use number::InvalidValue;
#[doc(inline)]
pub use packet::Packet;
pub use packet_id::PacketId;
pub use packet_type::PacketType;
pub use payload::PayloadCheck;
pub use qos::{Delivery, QoS};
pub use reason::ReasonCode;
pub use rules::{Replaced, Rule, Rules, UnknownRule};
pub use shared::Shared;
pub use side::Side;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub use strategy::strategy;
pub use text::{InvalidText, InvalidTextKind, Text};
pub use varint::{InvalidVarInt, VarInt};
pub use version::Version;

/// Compiles the examples of README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
