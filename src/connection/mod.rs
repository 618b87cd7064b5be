//! One network connection, for either end: its life cycle, the limits from CONNECT and CONNACK,
//! flow control, topic aliases, keep alive and authentication.
//!
//! [`client::Connection`] and [`server::Connection`] are one type, [`Connection`], with two roles.
//! It performs no I/O and has no clock. Bytes from the network go in, bytes for the network come
//! out, and events tell the caller what happened.
//!
//! # Kinds of calls
//!
//! * *Getters* take `&self`.
//! * *Handlers*, `handle_*`, take input from the network and from the clock.
//! * *Commands* are requests of the application: `connect`, `publish`, `subscribe`, `acknowledge`,
//!   `accept`, `disconnect` and so on. A command that fails changes nothing and returns its
//!   argument.
//! * *Polls*, `poll_*`, return the work to do: bytes to send, events, changes to store.
//!
//! # The loop
//!
//! 1. Call [`poll_change`](Connection::poll_change) until `None` and store each change, if changes
//!    are recorded.
//! 2. Call [`poll_bytes`](Connection::poll_bytes) and write the bytes to the network.
//! 3. Read from the network, for at most the time that [`wait`](Connection::wait) returns.
//! 4. Pass the bytes to [`handle_bytes`](Connection::handle_bytes) until it returns `None`, and act
//!    on each result. At the end of the stream, call [`handle_close`](Connection::handle_close).
//! 5. Call [`handle_timeout`](Connection::handle_timeout). It comes after the bytes, so that a
//!    process that was suspended handles what has arrived before it decides that the peer was
//!    silent.
//! 6. Call [`poll_event`](Connection::poll_event) until `None`.
//!
//! Repeat until [`is_closed`](Connection::is_closed). Commands may be given anywhere in the loop.
//! No mistake of the peer makes it end early: the connection ends itself, the loop sends the last
//! packet, and [`ended`](Connection::ended) returns the reason.
//!
//! As code: [`guide::driver`](crate::guide::driver).
//!
//! # Time
//!
//! Every `now` is the time since a fixed moment that the caller chooses. Time never goes back: the
//! greatest value seen so far counts. The Message Expiry Interval of a message begins with the
//! first `now` after it was published.
//!
//! # Order
//!
//! Packets are handled in the order in which they arrive. Packets behind a CONNECT wait until it is
//! answered. Answers to the packets in front of a DISCONNECT, or in front of malformed bytes, are
//! still sent. Answers that the protocol requires (acknowledgements, PINGRESP, SUBACK and so on)
//! are sent before messages and requests, which are sent in the order of the calls as far as the
//! peer's quota allows. Nothing starves: at most 16 answers are sent in a row while a call waits.
//! There is one exception: a message of QoS 1 or 2 waits for each PUBREL that answers a PUBREC for an
//! unknown packet identifier, as the peer could take that PUBREL for one of the message.
//!
//! # Limits
//!
//! | of | set by | default | when it is reached |
//! |---|---|---|---|
//! | bytes of a packet from the peer, and so bytes held of it | [`max_packet_size`](Connection::max_packet_size), announced in 5.0 | 1 MiB; 128 KiB for a CONNECT | the connection ends with code 0x95, or the packet is skipped: [`Rule::PacketTooLarge`](crate::Rule::PacketTooLarge) |
//! | bytes held of a packet while messages arrive in pieces | [`max_head_size`](Connection::max_head_size) | 1 MiB | as for `max_packet_size` |
//! | calls without an outcome, and outcomes not polled yet | [`max_queued`](Connection::max_queued) | 1,024 | the call fails with [`QueueFull`](ConnectionError::QueueFull) |
//! | messages of QoS 1 and 2 in flight to the peer | [`max_in_flight`](Connection::max_in_flight), or the peer's Receive Maximum if that is lower | 20 in 3.1.1, 100 in 5.0 | messages wait |
//! | messages of QoS 1 and 2 in flight from the peer, at up to 48 bytes each | [`max_received`](Connection::max_received), or Receive Maximum in CONNECT or CONNACK; announced in 5.0 | 65,535 (3 MB) | the connection ends with code 0x93; [`Rule::ReceiveMaximum`](crate::Rule::ReceiveMaximum) |
//! | bytes of SUBACK, UNSUBACK and AUTH that wait, sent to a peer that does not read or not given by the caller yet; a request that the caller has not answered takes up to 48 more | [`max_unread_answers`](Connection::max_unread_answers) | 1 MiB | the connection ends with code 0x97 |
//! | PUBREL and PUBCOMP that wait and answer unknown packet identifiers, at two bytes each | fixed | 4,096 | the connection ends with code 0x97 |
//! | [`Event::Unknown`] that wait to be polled | fixed | 1 | further ones are dropped |
//! | [`Event::LetGo`] that wait to be polled | fixed | 1 for each rule | further ones are the same |
//! | topic aliases of the peer | Topic Alias Maximum in CONNECT or CONNACK | 0 | the connection ends with code 0x94 |
//! | time for CONNECT, and for each AUTH of a client | [`server::Connection::new`] | none | the connection ends as [`TimedOut`](Closed::TimedOut) |
//! | time for CONNACK, PINGRESP, and each AUTH of a server | [`response_timeout`](client::Connection::response_timeout) | 20 seconds | the connection ends as [`TimedOut`](Closed::TimedOut) |
//! | time for one packet to arrive | [`packet_timeout`](Connection::packet_timeout) | 2 minutes | the connection ends as [`TimedOut`](Closed::TimedOut) |
//!
//! PINGRESP that wait are counted and take no memory. In 3.1.1 the connection ends without a code.
//!
//! # Payloads in pieces
//!
//! A message that does not fit into memory arrives in pieces above a size that the caller chooses
//! with [`pieces_above`](Connection::pieces_above): [`Incoming::Begin`], [`Incoming::Piece`] and
//! [`Incoming::End`]. One whose payload the caller keeps, as
//! [`Publishable::payload_len`] says, is sent in pieces: when
//! [`poll_bytes`](Connection::poll_bytes) has written its head,
//! [`poll_payload`](Connection::poll_payload) asks for the payload. Both belong into the loop above,
//! the latter behind step 2. Nothing else is sent in the middle of a payload.
//!
//! # Peers that break rules
//!
//! A peer that breaks a rule ends its connection. The reason, such as [`Closed::Malformed`] or
//! [`Closed::Violated`], names the rule to let go by [`rules`](Connection::rules) if this side can
//! live with such a peer. What breaks a rule that is let go is ignored, or the packet is skipped
//! ([`Incoming::Skipped`]), and [`Event::LetGo`] reports it. An acknowledgement that nothing waits
//! for breaks no rule: [`Event::Unknown`] reports it.
//!
//! # Two doors
//!
//! The loop above uses the bytes door, which decodes and encodes by itself. A caller with a codec
//! of its own uses [`handle_packet`](Connection::handle_packet),
//! [`handle_decode_error`](Connection::handle_decode_error) and
//! [`poll_transmit`](Connection::poll_transmit) instead.

use alloc::boxed::Box;
use core::time::Duration;

use bytes::BytesMut;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::frame::FrameDecoder;
use crate::message::{Message, Publishable};
use crate::packet::Packet;
use crate::qos::Delivery;
use crate::reason::ReasonCode;
use crate::session::{Change, Session};
use crate::side::Side;
use crate::version::Version;

mod agreement;
mod alias;
mod answers;
mod auth;
mod call_queue;
pub mod client;
mod conn_ack;
mod ending;
mod error;
mod event;
mod events;
mod extras;
mod input;
mod keep_alive;
mod leniency;
mod limits;
mod notices;
mod outbox;
mod outgoing;
mod payload;
mod pieces;
mod publish;
mod put;
mod receive;
mod requests;
mod role;
pub mod server;
mod settings;
mod sorted;
mod timing;
mod transmit;

use agreement::Agreement;
use alias::{OwnAliases, PeerAliases};
use auth::Turn;
pub use client::Client;
pub use error::{ConnectionError, Refused, Violation};
pub use event::{Answer, Closed, Event, GivenUp, Head, Incoming, Outcome, RequestToken};
use events::Events;
use extras::Extras;
use keep_alive::Awaited;
pub use limits::Limits;
use outbox::Outbox;
pub use payload::PayloadPart;
use receive::{Verdict, delivered, incoming};
pub use server::Server;
use settings::Settings;

/// One end of a network connection with its session: a [`client::Connection`] or a
/// [`server::Connection`].
///
/// `M` is the type of the messages that are kept until they are acknowledged. The
/// [module](crate::connection) documents the contract.
// The fields that publishing and sending a message needs are side by side, here and in the parts, as a
// server has thousands of connections, none of which is in the cache when a message comes for it.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Connection<R, M = Message> {
    role: R,
    state: State,
    peer_aliases: PeerAliases,
    decoder: FrameDecoder,
    /// Input that is not handled yet: the beginning of a packet, or packets that wait.
    unread: BytesMut,
    /// The rest of a packet of which a part is here.
    arrival: Awaited,
    /// CONNECT, CONNACK or AUTH.
    answer: Awaited,
    /// Whether an [`Event::Unknown`] waits to be polled.
    unknown_waits: bool,
    /// True if the caller does not read for a while.
    paused: bool,
    /// The message that is arriving in pieces, and DUP.
    arriving: Option<(Delivery, bool)>,
    extras: Option<Box<Extras<R, M>>>,
    outbox: Outbox<M>,
    settings: Settings,
    /// The greatest time seen so far.
    now: Duration,
    events: Events<M>,
    agreement: Agreement,
    session: Session<M>,
    own_aliases: OwnAliases,
}

/// ```text
///   Idle -- CONNECT --> Connecting -- CONNACK --> Connected -- DISCONNECT, --> Closing --> Closed
///                                                              error, ..    (to be sent)
/// ```
#[derive(Clone, Debug)]
enum State {
    /// No connection was begun, or the server has received no CONNECT.
    Idle,
    /// CONNECT was sent, is about to be sent, or was received.
    Connecting { turn: Turn },
    /// CONNACK was accepted, or is about to be sent.
    Connected { turn: Turn },
    /// No input is handled any more. Required answers are sent, then calls if this side ended the
    /// connection, then the last packet.
    Closing {
        why: Closed,
        calls: bool,
        last: Option<Box<Packet>>,
    },
    /// Nothing is left to send.
    Closed { why: Closed },
}

/// The role of one end of a connection: [`Client`] or [`Server`]. Sealed.
pub trait Role: role::Role {}

impl<R: role::Role> Role for R {}

impl<R: Role, M: Publishable> Connection<R, M> {
    fn with_role(role: R, session: Session<M>, answer_timeout: Duration) -> Self {
        Self {
            role,
            state: State::Idle,
            agreement: Agreement::NONE,
            session,
            outbox: Outbox::new(),
            peer_aliases: PeerAliases::default(),
            own_aliases: OwnAliases::default(),
            events: Events::new(),
            unknown_waits: false,
            decoder: match R::SIDE {
                Side::Client => FrameDecoder::client(Version::V5),
                Side::Server => FrameDecoder::server(),
            },
            unread: BytesMut::new(),
            arriving: None,
            arrival: Awaited::new(settings::PACKET_TIMEOUT),
            answer: Awaited::new(answer_timeout),
            paused: false,
            now: Duration::ZERO,
            settings: Settings::DEFAULT,
            extras: None,
        }
    }

    /// Handles a packet from the peer, for a caller with a decoder of its own. `version` is the
    /// version in which the packet was decoded; it matters for CONNECT.
    ///
    /// # Errors
    ///
    /// If the peer may not send the packet now, or if it is larger than the Maximum Packet Size that
    /// this side announced (sections 3.1.2.11.4 and 3.2.2.3.6). The connection is over then, and
    /// [`poll_transmit`](Self::poll_transmit) returns its last packet.
    pub fn handle_packet<'s, 'p: 's, B: AsRef<[u8]>>(
        &'s mut self,
        now: Duration,
        version: Version,
        packet: &'p Packet<B>,
    ) -> Result<Option<Incoming<&'s [u8]>>, Violation> {
        let now = self.advance(now);
        R::received(self, now);
        if !self.is_over() && !self.agreement.takes(packet) {
            let violation = Violation::NotSupported(ReasonCode::PacketTooLarge);
            self.violate(violation);
            return Err(violation);
        }
        let verdict = self.judge(version, packet)?;
        let aliased = |alias| Some(self.peer_aliases.topic(alias)?.as_borrowed());
        Ok(match (verdict, packet) {
            (Verdict::Done, _) => None,
            // No other packet is looked at, as most are messages.
            (Verdict::Deliver, Packet::Publish(publish)) => {
                delivered(&self.session, publish.as_borrowed(), aliased)
            }
            _ => incoming(verdict, &self.session, packet.as_borrowed(), aliased),
        })
    }

    /// Handles an error of the caller's decoder, which ends the connection.
    ///
    /// If the packet [was skipped](DecodeError::is_skipped), the connection goes on, and a message
    /// in it can be acknowledged.
    pub fn handle_decode_error(&mut self, now: Duration, error: DecodeError) -> Option<Incoming> {
        self.advance(now);
        if self.is_over() {
            return None;
        }
        if error.is_skipped() {
            return match self.skip(error)? {
                Verdict::Skipped(error, token) => Some(Incoming::Skipped(error, token)),
                _ => None,
            };
        }
        self.fail(error);
        None
    }

    /// Ends the connection, as the peer sent malformed bytes.
    pub(crate) fn fail(&mut self, error: DecodeError) {
        if R::understand(self, &error) {
            return;
        }
        if matches!(self.state, State::Idle) {
            self.agreement.version = error.version();
        }
        let last = match (error.kind(), &self.state) {
            // Nobody knows what its sender would understand (3.1.1 [MQTT-3.1.4-1]).
            (DecodeErrorKind::UnexpectedProtocolName, State::Idle) => None,
            _ => self.farewell(error.reason_code()),
        };
        self.end(Closed::Malformed(error), last);
    }

    /// Handles the end of the network connection, or a failure to open it.
    pub fn handle_close(&mut self) {
        if !(R::SIDE == Side::Client && matches!(self.state, State::Idle)) {
            self.end(Closed::Lost, None);
            self.finish();
            self.outbox.cut();
        }
    }

    /// The next change of the session to store, if any: see [`Session::poll_change`]. Always `None`
    /// unless changes are [recorded](Self::changes).
    #[must_use]
    pub fn poll_change(&mut self) -> Option<Change<&M>> {
        self.session.poll_change()
    }

    /// Takes memory for this many messages in flight of QoS 1 and 2, sent and received, and for as many
    /// calls that wait and outcomes that were not polled. As long as there are no more, the connection
    /// needs no other for messages, apart from their content.
    ///
    /// It is for the session that the connection has: [`accept`](server::Connection::accept) may put
    /// another one in its place. See [`Session::reserve`], and [`shrink_to_fit`](Self::shrink_to_fit) for
    /// the opposite.
    pub fn reserve(&mut self, outbound: u16, inbound: u16) {
        self.outbox.calls.reserve(outbound);
        self.events.reserve(outbound);
        self.session.reserve(outbound, inbound);
    }

    /// Frees memory that is kept for further messages, for a connection that is idle.
    pub fn shrink_to_fit(&mut self) {
        self.outbox.shrink_to_fit();
        self.events.shrink_to_fit();
        self.session.shrink_to_fit();
    }

    /// The version of the connection.
    pub const fn version(&self) -> Version {
        self.agreement.version
    }

    /// Returns whether the connection is established and not over.
    pub const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    /// Returns whether the connection is over and nothing is left to send, so that the network
    /// connection is to be closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. }) && self.outbox.is_drained()
    }

    /// The limits of the peer, once CONNECT or CONNACK was received.
    pub const fn limits(&self) -> &Limits {
        &self.agreement.peer
    }

    /// The seconds for which the session is kept after the connection; `u32::MAX` means that it
    /// does not expire, as it does not at a client before CONNACK.
    pub const fn session_expiry_interval(&self) -> u32 {
        self.agreement.session_expiry
    }

    /// The session, for example to take a [snapshot](Session::snapshot).
    pub const fn session(&self) -> &Session<M> {
        &self.session
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Closing { .. } | State::Closed { .. })
    }
}
