use super::error::{ConnectionError, Violation};
use super::event::Event;
use super::receive::Verdict;
use super::role::Role;
use super::{Connection, State};
use crate::message::Publishable;
use crate::packet::Auth;
use crate::reason::ReasonCode;
use crate::side::Side;
use crate::text::Text;

/// The side that sends the next AUTH.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    Nobody,
    Own,
    Peer,
}

/// Enhanced authentication (section 4.12).
impl<R: Role, M: Publishable> Connection<R, M> {
    /// Sends AUTH with the authentication method of CONNECT.
    ///
    /// It is a further step of the authentication. On an established connection, a client begins a
    /// new authentication with [`ReAuthenticate`](ReasonCode::ReAuthenticate) [MQTT-4.12.1-1], and
    /// a server completes it with [`Success`](ReasonCode::Success).
    ///
    /// # Errors
    ///
    /// [`Authentication`](ConnectionError::Authentication) if this step is out of turn, and
    /// [`PacketTooLarge`](ConnectionError::PacketTooLarge).
    pub fn auth(&mut self, auth: Auth) -> Result<(), ConnectionError> {
        let method = auth.properties.authentication_method();
        if self.agreement.method.is_none() || self.check_method(method).is_err() {
            return Err(ConnectionError::Authentication);
        }
        let next = match (R::SIDE, &self.state, auth.reason) {
            (
                _,
                State::Connecting { turn: Turn::Own } | State::Connected { turn: Turn::Own },
                ReasonCode::ContinueAuthentication,
            )
            | (Side::Client, State::Connected { turn: Turn::Nobody }, ReasonCode::ReAuthenticate) => {
                Turn::Peer
            }
            (Side::Server, State::Connected { turn: Turn::Own }, ReasonCode::Success) => {
                Turn::Nobody
            }
            _ => return Err(ConnectionError::Authentication),
        };
        self.answer(auth.into())?;
        self.set_turn(next);
        Ok(())
    }

    /// Handles AUTH.
    pub(super) fn handle_auth<B: AsRef<[u8]>>(
        &mut self,
        auth: &Auth<B>,
    ) -> Result<Verdict, Violation> {
        self.check_problem_information(&auth.properties)?;
        self.check_method(auth.properties.authentication_method())?;
        self.check_unread(0)?;
        match (R::SIDE, &self.state, auth.reason) {
            (
                _,
                State::Connecting { turn: Turn::Peer } | State::Connected { turn: Turn::Peer },
                ReasonCode::ContinueAuthentication,
            )
            | (Side::Server, State::Connected { turn: Turn::Nobody }, ReasonCode::ReAuthenticate) =>
            {
                self.set_turn(Turn::Own);
                Ok(Verdict::Auth)
            }
            (Side::Client, State::Connected { turn: Turn::Peer }, ReasonCode::Success) => {
                self.set_turn(Turn::Nobody);
                self.events.push_back(Event::Reauthenticated);
                Ok(Verdict::Done)
            }
            _ => Err(Violation::AuthOutOfTurn),
        }
    }

    /// Succeeds if there is a method and it is that of CONNECT, or none in either [MQTT-4.12.0-5]
    /// [MQTT-4.12.0-6].
    pub(super) fn check_method(&self, method: Option<Text<&[u8]>>) -> Result<(), Violation> {
        match (&self.agreement.method, method) {
            (None, None) => Ok(()),
            (Some(ours), Some(theirs)) if ours.as_bytes() == theirs.as_bytes() => Ok(()),
            _ => Err(Violation::AuthenticationMethod),
        }
    }

    /// Returns whether an AUTH of this side waits to be sent.
    pub(super) fn is_auth_unsent(&mut self) -> bool {
        let rare = self.outbox.get_rare();
        rare.is_some_and(|rare| rare.answers.has_auth())
    }

    pub(super) fn is_turn(&self, of: Turn) -> bool {
        match &self.state {
            State::Connecting { turn } | State::Connected { turn } => *turn == of,
            _ => false,
        }
    }

    /// Decides who sends the next AUTH. Only the peer's time is limited. It begins here, and again
    /// when the AUTH of this side is sent.
    fn set_turn(&mut self, next: Turn) {
        match next {
            Turn::Peer => self.answer.start(self.now),
            Turn::Own | Turn::Nobody => self.answer.complete(),
        }
        if let State::Connecting { turn } | State::Connected { turn } = &mut self.state {
            *turn = next;
        }
    }
}
