use alloc::boxed::Box;

use bytes::BytesMut;

use super::call_queue::{Request, What};
use super::event::{Answer, Closed, Event, GivenUp, Outcome};
use super::events::Events;
use super::{Connection, Role, State};
use crate::message::Publishable;
use crate::packet::{ConnAck, Disconnect, Packet};
use crate::packet_type::PacketType;
use crate::reason::ReasonCode;
use crate::session::{CallId, Loss, Session};
use crate::side::Side;
use crate::version::Version;

/// The end of a connection.
impl<R: Role, M: Publishable> Connection<R, M> {
    /// Returns how the connection ended: `Ok` if this side ended it, or if it has not ended.
    ///
    /// # Errors
    ///
    /// Every other reason for the end.
    pub fn ended(&self) -> Result<(), Closed> {
        match &self.state {
            State::Closing { why, .. } | State::Closed { why } if *why != Closed::Local => {
                Err(why.clone())
            }
            _ => Ok(()),
        }
    }

    /// Takes the session, if the connection is over and the session is to be kept [MQTT-3.1.2-23].
    /// A server that has not accepted the connection has none.
    ///
    /// Messages and acknowledgements are not sent on this connection any more. Answers such as
    /// SUBACK, and the last packet, still are: a server can give the session to a new connection
    /// while it tells the client on the old one.
    pub fn take_session(&mut self) -> Option<Session<M>> {
        if let State::Closing { calls, .. } = &mut self.state {
            *calls = false;
            let cut = self.outbox.payload.is_some();
            self.session_is_over();
            if cut || !self.has_something_to_send() {
                self.finish();
            }
        }
        let kept = self.is_over() && self.role.has_session() && self.agreement.session_expiry > 0;
        kept.then(|| core::mem::take(&mut self.session))
    }

    /// Ends the connection. Only required answers and `last` are still sent.
    pub(super) fn end(&mut self, why: Closed, last: Option<Packet>) {
        let calls = false;
        self.close(why, calls, last);
    }

    pub(super) fn close(&mut self, why: Closed, calls: bool, last: Option<Packet>) {
        if self.is_over() {
            return;
        }
        // A client that has not sent CONNECT sends nothing. A refusal is the last word.
        let unsaid = R::SIDE == Side::Client && self.outbox.greeting.is_some();
        let silent = unsaid || matches!(why, Closed::Lost | Closed::Refused(_));
        // No farewell can be said in the middle of a packet.
        let silent = silent || self.outbox.payload.is_some() && !calls;
        self.events.push_back(Event::Closed(why.clone()));
        self.state = State::Closing {
            why,
            calls,
            last: last.map(Box::new),
        };
        self.unread = BytesMut::new();
        self.drop_arriving();
        self.outbox.attention = true;
        if silent || !self.has_something_to_send() {
            self.finish();
        }
        if silent {
            self.outbox.cut();
        }
    }

    /// Stops sending. Calls end with their outcome, or stay in the session.
    pub(super) fn finish(&mut self) {
        let State::Closing { why, .. } = &self.state else {
            return;
        };
        self.state = State::Closed { why: why.clone() };
        self.session_is_over();
        self.outbox.clear();
        self.own_aliases.reset(0);
    }

    /// Ends the calls that cannot outlive the network connection.
    pub(super) fn session_is_over(&mut self) {
        if let Some(rare) = self.outbox.get_rare() {
            for (call, request) in core::mem::take(&mut rare.requests).into_values() {
                self.events.push_back(unanswered(call, request));
            }
        }
        self.cut_payload();
        // Those that stay go round, in the memory that they have.
        for _ in 0..self.outbox.calls.waiting() {
            let Some(call) = self.outbox.pop_first() else {
                break;
            };
            match call.what {
                What::Publish(message) => {
                    self.give_up(call.id, GivenUp::ConnectionLost, message);
                }
                What::Request(_) => self.outbox.calls.push(call),
            }
        }
        let events = &mut self.events;
        self.session
            .disconnect_with(&mut |call, loss| lose(events, call, loss));
        if self.agreement.session_expiry == 0 {
            R::forget(self);
        }
    }

    /// Ends the exchanges that had begun, as the peer has no session.
    pub(super) fn reset_session(&mut self) {
        let events = &mut self.events;
        self.session
            .reset_with(&mut |call, loss| lose(events, call, loss));
    }

    pub(super) fn give_up(&mut self, call: CallId, why: GivenUp, message: Option<M>) {
        let outcome = Outcome::GivenUp(why, message.map(Box::new));
        self.events.push_back(Event::Published(call, outcome));
    }

    /// The packet that tells the peer why the connection ends, if there is one in this version and
    /// state [MQTT-4.13.1-1].
    pub(super) fn farewell(&self, reason: ReasonCode) -> Option<Packet> {
        let packet = match (R::SIDE, &self.state) {
            (Side::Server, State::Idle | State::Connecting { .. }) => PacketType::ConnAck,
            (_, State::Connected { .. }) | (Side::Client, State::Connecting { .. }) => {
                PacketType::Disconnect
            }
            _ => return None,
        };
        let reason = match reason.allowed_in(packet, Some(R::SIDE)) {
            true => reason,
            false => ReasonCode::ProtocolError,
        };
        let packet = match (packet, self.agreement.version) {
            (PacketType::ConnAck, Version::V311) => match reason {
                // Anything else in CONNECT is no reason to answer (3.1.1 [MQTT-3.1.4-1]).
                ReasonCode::UnsupportedProtocolVersion | ReasonCode::ClientIdentifierNotValid => {
                    ConnAck::new(reason).into()
                }
                _ => return None,
            },
            (_, Version::V311) => return None,
            (PacketType::ConnAck, Version::V5) => ConnAck::new(reason).into(),
            (_, Version::V5) => Packet::from(Disconnect::new(reason)),
        };
        let len = packet.encoded_len(self.agreement.version);
        len.is_ok_and(|len| self.agreement.peer.fit(len))
            .then_some(packet)
    }
}

fn lose<M>(events: &mut Events<M>, call: CallId, loss: Loss<M>) {
    let outcome = match loss {
        Loss::GivenUp(None) => Outcome::GivenUp(GivenUp::Abandoned, None),
        Loss::GivenUp(message) => Outcome::GivenUp(GivenUp::SessionLost, message.map(Box::new)),
        Loss::Received => Outcome::Uncertain(None),
    };
    events.push_back(Event::Published(call, outcome));
}

/// The outcome of a request to which there is no answer.
pub(super) fn unanswered<M>(call: CallId, request: Request) -> Event<M> {
    match request {
        Request::Subscribe(request) => {
            Event::Subscribed(call, Answer::GivenUp(Box::new(request.subscriptions)))
        }
        Request::Unsubscribe(request) => {
            Event::Unsubscribed(call, Answer::GivenUp(Box::new(request.filters)))
        }
    }
}
