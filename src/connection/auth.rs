use super::{ConnectionError, Core, Event, Input, State, Turn, Violation};
use crate::packet::Auth;
use crate::reason::ReasonCode;
use crate::side::Side;
use crate::text::Text;

/// Enhanced authentication (section 4.12).
impl Core {
    /// AUTH came (section 4.12).
    pub(super) fn handle_auth<B: AsRef<[u8]>>(
        &mut self,
        auth: &Auth<B>,
    ) -> Result<Input, Violation> {
        self.check_problem_information(&auth.properties)?;
        self.check_method(auth.properties.authentication_method())?;
        let connected = self.state == State::Connected;
        match (self.role, self.turn, auth.reason) {
            (_, Turn::Peer, ReasonCode::ContinueAuthentication) => {}
            (Side::Server, Turn::Nobody, ReasonCode::ReAuthenticate) if connected => {}
            (Side::Client, Turn::Peer, ReasonCode::Success) if connected => {
                self.turn = Turn::Nobody;
                self.events.push_back(Event::Reauthenticated);
                return Ok(Input::Done);
            }
            _ => return Err(Violation::AuthOutOfTurn),
        }
        self.turn = Turn::Own;
        Ok(Input::Answer)
    }

    /// There is a method, and it is that of CONNECT [MQTT-4.12.0-5] [MQTT-4.12.0-6].
    pub(super) fn check_method(&self, method: Option<Text<&[u8]>>) -> Result<(), Violation> {
        match (&self.method, method) {
            (None, None) => Ok(()),
            (Some(ours), Some(theirs)) if ours.as_bytes() == theirs.as_bytes() => Ok(()),
            _ => Err(Violation::AuthenticationMethod),
        }
    }

    pub(super) fn auth(&mut self, auth: Auth) -> Result<(), ConnectionError> {
        let method = auth.properties.authentication_method();
        if self.method.is_none() || self.check_method(method).is_err() {
            return Err(ConnectionError::Authentication);
        }
        let connected = self.state == State::Connected;
        let next = match (self.role, self.turn, auth.reason) {
            (_, Turn::Own, ReasonCode::ContinueAuthentication) => Turn::Peer,
            (Side::Client, Turn::Nobody, ReasonCode::ReAuthenticate) if connected => Turn::Peer,
            (Side::Server, Turn::Own, ReasonCode::Success) if connected => Turn::Nobody,
            _ => return Err(ConnectionError::Authentication),
        };
        self.send(auth.into())?;
        self.turn = next;
        Ok(())
    }
}
