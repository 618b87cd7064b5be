use core::time::Duration;

use super::receive::Verdict;
use super::{Connection, Violation};
use crate::error::DecodeError;
use crate::message::Publishable;
use crate::packet::Packet;
use crate::side::Side;
use crate::version::Version;

/// The behaviour in which the two sides differ.
#[expect(
    unnameable_types,
    reason = "that no other crate can name it is the seal"
)]
pub trait Role: Sized {
    const SIDE: Side;

    /// Handles a packet of the peer.
    fn judge<M: Publishable, B: AsRef<[u8]>>(
        connection: &mut Connection<Self, M>,
        version: Version,
        packet: &Packet<B>,
    ) -> Result<Verdict, Violation>;

    /// Ends the connection as refused if the error is a CONNACK of another version.
    fn understand<M: Publishable>(
        _connection: &mut Connection<Self, M>,
        _error: &DecodeError,
    ) -> bool {
        false
    }

    /// Notes that a packet is sent, and whether it is PINGREQ.
    fn sent(&mut self, now: Duration, is_ping: bool);

    /// Notes that bytes arrived.
    fn received<M>(connection: &mut Connection<Self, M>, now: Duration);

    /// Restarts the peer's time, as this side reads again.
    fn resumed(&mut self, now: Duration);

    /// The time by which the peer has to send something, while this side reads.
    fn peer_timeout<M>(connection: &Connection<Self, M>) -> Option<Duration>;

    /// The time by which this side has to send something.
    fn own_timeout<M>(_connection: &Connection<Self, M>) -> Option<Duration> {
        None
    }

    /// Fires the timer of this side.
    fn handle_own_timeout<M: Publishable>(_connection: &mut Connection<Self, M>, _now: Duration) {}

    /// Returns whether there is a session: a server has none before it accepts.
    fn has_session(&self) -> bool;

    /// Ends the session with its connection.
    fn forget<M: Publishable>(connection: &mut Connection<Self, M>);
}
