use std::collections::BTreeMap;
use std::fmt;

use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{ReasonCode, Text};

use crate::ConnectionId;

/// Decides which clients may connect, subscribe and publish. The defaults allow everything except
/// enhanced authentication, of which no method is known.
pub trait Policy: fmt::Debug + Send {
    /// Decides whether a client may connect.
    ///
    /// # Errors
    ///
    /// The code for CONNACK if it may not.
    fn connect(
        &mut self,
        _client: &Text,
        _user_name: Option<&[u8]>,
        _password: Option<&[u8]>,
    ) -> Result<(), ReasonCode> {
        Ok(())
    }

    /// A step of enhanced authentication (section 4.12): in CONNECT or AUTH the client sent this.
    /// State between the steps is kept by the connection, which may begin anew.
    fn auth(&mut self, _connection: ConnectionId, _method: &str, _data: &[u8]) -> AuthStep {
        AuthStep::Refused(ReasonCode::BadAuthenticationMethod)
    }

    /// Where else a client may go that is refused with
    /// [`UseAnotherServer`](ReasonCode::UseAnotherServer) or
    /// [`ServerMoved`](ReasonCode::ServerMoved).
    fn server_reference(&mut self, _client: &Text) -> Option<Text> {
        None
    }

    /// What a client is told that asks for Response Information: the beginning of topics for the
    /// answers to its requests.
    fn response_information(&mut self, _client: &Text) -> Option<Text> {
        None
    }

    /// Decides whether a client may have this subscription.
    ///
    /// # Errors
    ///
    /// The code for SUBACK if it may not.
    fn subscribe(
        &mut self,
        _client: &Text,
        _filter: &TopicFilter<&[u8]>,
    ) -> Result<(), ReasonCode> {
        Ok(())
    }

    /// Decides whether a client may publish to this topic.
    ///
    /// # Errors
    ///
    /// The code for PUBACK or PUBREC if it may not, or for CONNACK if it is the topic of a will.
    fn publish(&mut self, _client: &Text, _topic: &TopicName) -> Result<(), ReasonCode> {
        Ok(())
    }
}

/// What follows on a step of enhanced authentication.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are no other outcomes")]
pub enum AuthStep {
    /// Send this in AUTH and wait for the answer.
    Continue(Vec<u8>),
    /// The client is who it says. This goes into CONNACK or AUTH, unless it is empty.
    Success(Vec<u8>),
    /// It is not, for this reason.
    Refused(ReasonCode),
}

/// Everything is allowed.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Anyone;

impl Policy for Anyone {}

/// Passwords and forbidden topics.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The password of each user. If there are any, nobody else may connect.
    passwords: BTreeMap<Vec<u8>, Vec<u8>>,
    deny_subscribe: Vec<TopicFilter>,
    deny_publish: Vec<TopicFilter>,
    response_information: Option<Text>,
}

impl Access {
    /// Adds a user.
    #[must_use]
    pub fn user(mut self, name: impl Into<Vec<u8>>, password: impl Into<Vec<u8>>) -> Self {
        self.passwords.insert(name.into(), password.into());
        self
    }

    /// Refuses subscriptions that this filter [covers](TopicFilter::covers).
    #[must_use]
    pub fn deny_subscribe(mut self, filter: TopicFilter) -> Self {
        self.deny_subscribe.push(filter);
        self
    }

    /// Refuses messages to topics that this filter matches.
    #[must_use]
    pub fn deny_publish(mut self, filter: TopicFilter) -> Self {
        self.deny_publish.push(filter);
        self
    }

    /// Tells clients that ask for Response Information this.
    #[must_use]
    pub fn response_information(mut self, text: Text) -> Self {
        self.response_information = Some(text);
        self
    }
}

impl Policy for Access {
    fn connect(
        &mut self,
        _client: &Text,
        user_name: Option<&[u8]>,
        password: Option<&[u8]>,
    ) -> Result<(), ReasonCode> {
        if self.passwords.is_empty() {
            return Ok(());
        }
        let (Some(user_name), Some(password)) = (user_name, password) else {
            return Err(ReasonCode::NotAuthorized);
        };
        match self.passwords.get(user_name) {
            Some(expected) if expected == password => Ok(()),
            _ => Err(ReasonCode::BadUserNameOrPassword),
        }
    }

    fn response_information(&mut self, _: &Text) -> Option<Text> {
        self.response_information.clone()
    }

    fn subscribe(&mut self, _: &Text, filter: &TopicFilter<&[u8]>) -> Result<(), ReasonCode> {
        let inner = match filter.shared() {
            Ok(Some(shared)) => shared.filter,
            _ => *filter,
        };
        let denied = |denied: &TopicFilter| denied.covers(&inner) || denied.covers(filter);
        match self.deny_subscribe.iter().any(denied) {
            true => Err(ReasonCode::NotAuthorized),
            false => Ok(()),
        }
    }

    fn publish(&mut self, _: &Text, topic: &TopicName) -> Result<(), ReasonCode> {
        match self.deny_publish.iter().any(|denied| denied.matches(topic)) {
            true => Err(ReasonCode::NotAuthorized),
            false => Ok(()),
        }
    }
}
