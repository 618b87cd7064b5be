use std::collections::BTreeSet;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{QoS, ReasonCode, Text, Version};
use reference_broker::{AuthStep, Broker, Config, ConnectionId, Policy, State};

use super::due::Message;
use super::oracle::{ACTORS, Oracle};

pub(super) const TOPICS: &[&str] = &["t/a", "t/b", "t/c", "s/x", "s/y", DENIED];
pub(super) const FILTERS: &[&str] = &["t/a", "t/+", "t/#", "+/b", "h/#"];
pub(super) const SHARED: &[&str] = &["$share/g/s/+", "$share/g/s/x", "$share/h/s/#"];

/// One for each, so that the last one is known.
const WILLS: [&str; ACTORS] = ["t/w0", "t/w1", "t/w2", "t/w3"];

/// Nobody may publish to it.
pub(super) const DENIED: &str = "t/no";

/// The broker, the time, and what should happen.
pub(super) struct Net {
    pub(super) broker: Broker,
    pub(super) config: Config,
    pub(super) oracle: Oracle,
    /// Connections at which there may be something new.
    pub(super) news: BTreeSet<ConnectionId>,
    /// Whether a well-behaved client is speaking.
    known: Arc<AtomicBool>,
    /// All messages, by number.
    pub(super) messages: Vec<Message>,
    /// Connections that their clients have left without a word.
    pub(super) forsaken: Vec<ConnectionId>,
    /// What is stored, if changes are.
    state: Option<State>,
    /// How many of the next changes are stored before a crash.
    pub(super) stored: Option<usize>,
}

/// Keeps strangers away from the names, topics and shares of well-behaved clients.
#[derive(Debug)]
struct Fence(Arc<AtomicBool>);

impl Policy for Fence {
    fn auth(&mut self, _: ConnectionId, _: &str, data: &[u8]) -> AuthStep {
        match data.first() {
            None => AuthStep::Continue(b"more".to_vec()),
            Some(byte) if byte % 2 == 0 => AuthStep::Success(Vec::new()),
            Some(_) => AuthStep::Refused(ReasonCode::NotAuthorized),
        }
    }

    fn connect(
        &mut self,
        client: &Text,
        _: Option<&[u8]>,
        _: Option<&[u8]>,
    ) -> std::result::Result<(), ReasonCode> {
        match self.0.load(Ordering::Relaxed) || !client.to_str().starts_with("actor-") {
            true => Ok(()),
            false => Err(ReasonCode::NotAuthorized),
        }
    }

    fn subscribe(
        &mut self,
        _: &Text,
        filter: &TopicFilter<&[u8]>,
    ) -> std::result::Result<(), ReasonCode> {
        match self.0.load(Ordering::Relaxed) || !filter.to_str().starts_with("$share/") {
            true => Ok(()),
            false => Err(ReasonCode::NotAuthorized),
        }
    }

    fn publish(&mut self, _: &Text, topic: &TopicName) -> std::result::Result<(), ReasonCode> {
        let may = match self.0.load(Ordering::Relaxed) {
            true => topic.to_str() != DENIED,
            false => topic.to_str().starts_with("h/"),
        };
        match may {
            true => Ok(()),
            false => Err(ReasonCode::NotAuthorized),
        }
    }
}

impl Net {
    pub(super) fn new(config: Config, roomy: bool) -> Self {
        let known = Arc::new(AtomicBool::new(false));
        Self {
            broker: Broker::with_policy(config.clone(), Fence(Arc::clone(&known))),
            oracle: Oracle::new(roomy, config.max_session_expiry),
            config,
            news: BTreeSet::new(),
            known,
            messages: Vec::new(),
            forsaken: Vec::new(),
            state: None,
            stored: None,
        }
    }

    /// A broker that takes and offers little, in any combination.
    pub(super) fn strange(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut config = Config::default();
        config.sys_interval = None;
        config.maximum_qos = u.arbitrary()?;
        (config.retain, config.shared) = (u.arbitrary()?, u.arbitrary()?);
        config.max_keep_alive = *u.choose(&[0, 1, 20])?;
        config.maximum_packet_size = NonZeroU32::new(*u.choose(&[1, 60, 5_000])?).unwrap();
        config.receive_maximum = NonZeroU16::new(*u.choose(&[1, 2])?).unwrap();
        config.max_session_expiry = *u.choose(&[0, 9])?;
        config.topic_alias_maximum = *u.choose(&[0, 1])?;
        config.max_in_flight = *u.choose(&[0, 1, 9])?;
        config.max_subscription_bytes = *u.choose(&[0, 1_000, 100_000])?;
        let limits = [
            &mut config.max_connections,
            &mut config.max_pending,
            &mut config.max_sessions,
            &mut config.max_subscriptions,
            &mut config.max_queued,
            &mut config.max_queued_bytes,
            &mut config.max_answer_bytes,
            &mut config.max_input_bytes,
            &mut config.max_retained,
            &mut config.max_retained_bytes,
        ];
        for limit in limits {
            *limit = *u.choose(&[0, 1, 10, 1_000])?;
        }
        Ok(Self::new(config, false))
    }

    /// Stores changes from now on.
    pub(super) fn record(&mut self) {
        self.state = Some(State::default());
        self.restart();
    }

    /// Begins with what is stored, and nothing else.
    fn restart(&mut self) {
        let state = self.state.clone().unwrap_or_default();
        let (config, policy) = (self.config.clone(), Fence(Arc::clone(&self.known)));
        let restored = Broker::restore(config, policy, self.oracle.now, state);
        self.broker = restored.unwrap();
        self.news.clear();
        self.forsaken.clear();
    }

    /// The broker crashes, and another one goes on.
    pub(super) fn crash(&mut self) {
        self.store();
        self.stored = None;
        self.restart();
        let live = (0..ACTORS).filter(|&actor| self.oracle.line(actor).is_some());
        let live: Vec<_> = live.collect();
        for &actor in &live {
            // Of several wills one may come behind the end of another session.
            self.oracle.suspend(actor, live.len() == 1);
        }
    }

    /// Stores the changes, as long as it goes. Returns whether they are complete.
    pub(super) fn store(&mut self) -> bool {
        let Some(state) = &mut self.state else {
            return true;
        };
        while let Some(change) = self.broker.poll_change() {
            if let Some(left) = &mut self.stored {
                let Some(less) = left.checked_sub(1) else {
                    return false;
                };
                *left = less;
            }
            state.apply(change).unwrap();
        }
        true
    }

    /// What is stored is what the broker has.
    pub(super) fn check_state(&self) {
        if let Some(state) = &self.state {
            let (stored, held) = (format!("{state:?}"), format!("{:?}", self.broker.state()));
            assert_eq!(stored, held);
        }
    }

    pub(super) fn accept(&mut self) -> ConnectionId {
        let id = self.broker.accept(self.oracle.now);
        self.collect();
        id
    }

    /// Returns whether what they do is stored.
    pub(super) fn bytes(&mut self, id: ConnectionId, bytes: &[u8], known: bool) -> bool {
        self.known.store(known, Ordering::Relaxed);
        self.broker.handle_bytes(self.oracle.now, id, bytes);
        self.known.store(false, Ordering::Relaxed);
        self.collect();
        self.store()
    }

    /// The network connection ends.
    pub(super) fn close(&mut self, id: ConnectionId) {
        self.broker.handle_close(self.oracle.now, id);
        self.news.remove(&id);
        self.collect();
        for actor in 0..ACTORS {
            if self.oracle.line(actor) == Some(id) {
                self.oracle.suspend(actor, true);
            }
        }
    }

    pub(super) fn collect(&mut self) {
        while let Some(id) = self.broker.poll_connection() {
            self.news.insert(id);
        }
    }

    /// All that is to be sent, which is nothing where the broker has named no connection.
    pub(super) fn take_output(&mut self, id: ConnectionId) -> BytesMut {
        self.store();
        let bytes = self.broker.take_output(id);
        let over = self.broker.is_closing(id);
        let news = if over {
            self.news.contains(&id)
        } else {
            self.news.remove(&id)
        };
        assert!(news || bytes.is_empty(), "nobody is told");
        bytes
    }

    pub(super) fn is_over(&self, id: ConnectionId) -> bool {
        let over = self.broker.is_closing(id);
        assert!(!over || self.news.contains(&id), "nobody is told");
        over
    }

    pub(super) fn plain_message(
        &mut self,
        publisher: usize,
        topic: &'static str,
        qos: QoS,
    ) -> Message {
        let message = Message {
            number: u32::try_from(self.messages.len()).unwrap(),
            publisher,
            topic,
            qos,
            retain: false,
            large: false,
            expiry: None,
            property: false,
            will: false,
        };
        self.messages.push(message.clone());
        message
    }

    /// Any message that may be published.
    pub(super) fn message(
        &mut self,
        u: &mut Unstructured<'_>,
        publisher: usize,
        version: Version,
        topic: &'static str,
    ) -> Result<Message> {
        let mut message = self.plain_message(publisher, topic, u.arbitrary()?);
        // Without room, 3.1.1 ends each connection on which it is sent again.
        let sent_again = message.qos > QoS::AtMostOnce;
        message.retain = u.ratio(1, 4)? && (self.oracle.roomy || !sent_again);
        message.large = u.ratio(1, 6)?;
        if version == Version::V5 {
            message.property = u.ratio(1, 4)?;
            if u.ratio(1, 4)? {
                message.expiry = Some(*u.choose(&[1, 8])?);
            }
        }
        self.messages[message.number as usize] = message.clone();
        Ok(message)
    }

    /// Any will.
    pub(super) fn will(
        &mut self,
        u: &mut Unstructured<'_>,
        publisher: usize,
        version: Version,
    ) -> Result<Message> {
        let mut will = self.message(u, publisher, version, WILLS[publisher])?;
        (will.property, will.will) = (false, true);
        self.messages[will.number as usize] = will.clone();
        Ok(will)
    }

    /// What it holds stays within the limits.
    pub(super) fn check_usage(&self) {
        let (usage, config) = (self.broker.usage(), &self.config);
        assert!(usage.pending <= config.max_pending);
        assert!(usage.input_bytes <= config.max_input_bytes);
        assert!(usage.retained <= config.max_retained);
        assert!(usage.retained_bytes <= config.max_retained_bytes);
        assert!(usage.subscriptions <= usage.sessions * config.max_subscriptions);
        assert!(usage.subscription_bytes <= usage.sessions * config.max_subscription_bytes);
        let waiting = config.max_queued + usize::from(config.max_in_flight.max(1));
        assert!(usage.messages <= usage.sessions * waiting);
        assert!(usage.message_bytes <= usage.sessions * config.max_queued_bytes);
    }
}
