use std::sync::Arc;

use mqtt_sansio::topic::Position;
use mqtt_sansio::{ReasonCode, Version};

use crate::client::SessionKey;
use crate::message::{Message, Outgoing};
use crate::subscriptions::{Matches, Subscription};
use crate::sys::count;
use crate::{Broker, ConnectionId};

/// How much is done for messages before others are served: steps of the search for their
/// subscriptions, and the subscriptions that are found and served.
pub(crate) const STEPS: usize = 20_000;

/// How many steps of a search take as long as to give a message to somebody.
pub(crate) const SERVED: usize = 10;

/// There is no room for a message that cannot be with all its subscribers at once.
pub(crate) struct TooMuch;

/// A message on its way to those who subscribe to its topic.
#[derive(Debug)]
pub(crate) struct Route {
    message: Arc<Message>,
    /// When it came, in the order of all turns of the broker.
    turn: u64,
    /// The connection that is busy with it.
    from: Option<ConnectionId>,
    /// Where the search for subscriptions goes on, if it is not over.
    position: Option<Position>,
    found: Matches,
}

impl Route {
    /// Leaves out a subscription that has ended.
    pub(crate) fn forget(&mut self, key: SessionKey, ended: &Subscription) {
        self.found.forget(key, ended);
    }

    pub(crate) fn size(&self) -> usize {
        self.message.size()
    }

    fn has_topic_of(&self, message: &Message) -> bool {
        self.message.content.topic == message.content.topic
    }

    /// What was found is found again, so that it is not held for many messages.
    fn restart(&mut self) {
        self.position = Some(Position::default());
        self.found = Matches::default();
    }
}

impl Broker {
    /// Gives a message to all who subscribe to its topic. If that is not done at once, it goes on in
    /// later calls, and the connection that it came from is busy until then. The message waits for
    /// those of its topic that came before, and no other one waits for it.
    ///
    /// Returns the code for its publisher, which is told at once in any case: the broker is
    /// responsible for the message from now on.
    pub(crate) fn route(
        &mut self,
        message: Arc<Message>,
        from: Option<ConnectionId>,
    ) -> Result<ReasonCode, TooMuch> {
        let first = self.routes.is_empty();
        let behind = self.routes.iter().any(|other| other.has_topic_of(&message));
        let mut route = Route {
            message,
            turn: self.next_turn(),
            from,
            position: Some(Position::default()),
            found: Matches::default(),
        };
        let bytes = self.input_bytes.saturating_add(route.size());
        let may_wait = bytes <= self.config.max_input_bytes;
        let found = !behind && self.find(&mut route);
        let reason = match found && route.found.is_empty() {
            true => ReasonCode::NoMatchingSubscribers,
            false => ReasonCode::Success,
        };
        if found && (route.found.cost() <= self.route_steps || first && may_wait) {
            if self.give(&mut route) {
                return Ok(reason);
            }
        } else if !may_wait {
            self.stats.messages_dropped += 1;
            return Err(TooMuch);
        } else if !first {
            route.restart();
        }
        self.input_bytes = bytes;
        if let Some(link) = from.and_then(|id| self.links.get_mut(&id)) {
            link.busy = true;
        }
        self.routes.push_back(route);
        Ok(reason)
    }

    /// Goes on with messages that are not with all their subscribers yet, the oldest first.
    pub(crate) fn go_on_routing(&mut self) {
        while self.route_steps > 0 {
            let Some(mut route) = self.routes.pop_front() else {
                return;
            };
            if !(self.find(&mut route) && self.give(&mut route)) {
                return self.routes.push_front(route);
            }
            self.input_bytes -= route.size();
            let Some(id) = route.from else { continue };
            if let Some(link) = self.links.get_mut(&id) {
                link.busy = false;
            }
            self.handle_more(id, &[]);
            self.settle(id);
        }
    }

    /// Looks for subscriptions. `false` if there may be more.
    fn find(&mut self, route: &mut Route) -> bool {
        let Some(position) = route.position.take() else {
            return true;
        };
        let (clients, before) = (&self.clients, self.route_steps);
        // There is no No Local in 3.1.1, even if the subscription is of 5.0.
        let name_of = |key| {
            let client = clients.get(&key);
            let client = client.filter(|client| client.version == Version::V5);
            client.map(|client| &client.name)
        };
        route.position = self.subscriptions.find(
            (&route.message, route.turn),
            &position,
            &mut self.route_steps,
            name_of,
            &mut route.found,
        );
        self.stats.steps += count(before - self.route_steps);
        route.position.is_none()
    }

    /// Gives the message to those who were found. `false` if there are more.
    fn give(&mut self, route: &mut Route) -> bool {
        let message = Arc::clone(&route.message);
        while self.route_steps > 0 || route.found.is_empty() {
            if let Some((key, subscriptions)) = route.found.own.pop_first() {
                self.take_route_steps(subscriptions.len());
                self.catch_up(key, &subscriptions, &message.content.topic);
                self.deliver(key, Outgoing::new(&message, &subscriptions, None));
            } else if let Some(share) = route.found.shares.pop_front() {
                self.take_route_steps(1);
                self.deliver_shared(&message, &share, None);
            } else {
                return true;
            }
        }
        false
    }

    /// A message goes to somebody who has so many subscriptions.
    fn take_route_steps(&mut self, subscriptions: usize) {
        self.route_steps = self.route_steps.saturating_sub(SERVED + subscriptions);
        self.stats.steps += count(subscriptions);
    }
}
