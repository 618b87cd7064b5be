//! `client::Connection` over a socket.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Answer, Closed, Event, Incoming, Outcome};
use mqtt_sansio::packet::{Disconnect, SubAck, Subscriptions, TopicFilters};
use mqtt_sansio::property::{SubscribeProperties, SubscriptionId, TopicAlias};
use mqtt_sansio::session::{CallId, Token};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{QoS, ReasonCode, Version};

use crate::convert::{from_message, to_connect, to_properties, topic_name};
use crate::link::{Client, Link, Message, Opened, Opening};
use crate::process::patience;

/// The largest packet that is taken.
const MAXIMUM_PACKET_SIZE: u32 = 16 << 20;

/// This crate's client, with settings that a peer needs.
pub(crate) struct Ours(pub(crate) Set);

/// Sets what a peer needs.
pub(crate) type Set = fn(Connection) -> Connection;

impl Client for Ours {
    fn open(&self, port: u16, opening: &Opening) -> Result<Box<dyn Link>, u8> {
        let mut link = OurLink::new(port, opening.version).set(self.0);
        match link.connect(opening) {
            Ok(()) => link.subscribe(opening),
            Err(Closed::Refused(connack)) => return Err(connack.reason.to_u8()),
            Err(closed) => panic!("the connection is not refused, but over: {closed:?}"),
        }
        Ok(Box::new(link))
    }
}

pub(crate) struct OurLink {
    connection: Connection,
    port: u16,
    version: Version,
    stream: Option<TcpStream>,
    received: BytesMut,
    to_send: BytesMut,
    start: Instant,
    opened: Opened,
    messages: VecDeque<Message>,
    events: VecDeque<Event>,
    closed: Option<Closed>,
    /// Whether the last PUBLISH may be a repeated one.
    pub(crate) dup: bool,
    /// With the time when each is to be acknowledged.
    unanswered: VecDeque<(Instant, Token)>,
    /// How long after it has come a message is acknowledged.
    pub(crate) late: Duration,
}

impl OurLink {
    pub(crate) fn new(port: u16, version: Version) -> Self {
        Self {
            connection: Connection::new().max_packet_size(MAXIMUM_PACKET_SIZE),
            port,
            version,
            stream: None,
            received: BytesMut::new(),
            to_send: BytesMut::new(),
            start: Instant::now(),
            opened: Opened::default(),
            messages: VecDeque::new(),
            events: VecDeque::new(),
            closed: None,
            dup: false,
            unanswered: VecDeque::new(),
            late: Duration::ZERO,
        }
    }

    pub(crate) fn set(mut self, set: Set) -> Self {
        self.connection = set(self.connection);
        self
    }

    /// Announces no limit, so that CONNECT has no properties.
    pub(crate) fn without_properties(mut self) -> Self {
        self.connection = Connection::new().max_packet_size(u32::MAX);
        self
    }

    /// Connects, and tells why the connection is over if it is not accepted.
    pub(crate) fn connect(&mut self, opening: &Opening) -> Result<(), Closed> {
        self.begin(opening);
        self.wait("CONNACK", |link| {
            if let Some(closed) = link.closed.take() {
                return Some(Err(closed));
            }
            let present = link.take_event(|event| match event {
                Event::Connected(connack) => Some(connack.session_present),
                _ => None,
            })?;
            link.opened.present = Some(present);
            Some(Ok(()))
        })
    }

    fn begin(&mut self, opening: &Opening) {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(patience())).unwrap();
        self.stream = Some(stream);
        self.received.clear();
        self.closed = None;
        let connect = to_connect(opening);
        self.connection.connect(self.version, connect).unwrap();
    }

    pub(crate) fn subscribe(&mut self, opening: &Opening) {
        if opening.filters.is_empty() {
            return;
        }
        let filters = opening.filters.iter().map(|(filter, qos)| {
            let filter = TopicFilter::new(filter.as_str()).unwrap();
            (filter, QoS::new(*qos).unwrap())
        });
        let mut properties = SubscribeProperties::builder();
        if let Some(id) = opening.subscription_id {
            properties = properties.subscription_identifier(SubscriptionId::new(id).unwrap());
        }
        let filters = Subscriptions::new(filters).unwrap();
        let id = self
            .connection
            .subscribe_with(filters, properties.build())
            .unwrap();
        let ack = self.wait_answer("SUBACK", |event| match event {
            Event::Subscribed(other, Answer::Codes(ack)) if *other == id => Some(ack.clone()),
            _ => None,
        });
        self.opened.granted = ack.reasons.iter().map(ReasonCode::to_u8).collect();
    }

    /// Waits until `found` makes something of what has come.
    pub(crate) fn wait<T>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&mut Self) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + patience();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert_eq!(self.closed, None, "the connection is over before {what}");
            assert!(Instant::now() < deadline, "no {what}");
            self.step(deadline);
        }
    }

    fn wait_answer(
        &mut self,
        what: &str,
        pick: impl Fn(&Event) -> Option<Box<SubAck>>,
    ) -> Box<SubAck> {
        self.wait(what, |link| link.take_event(&pick))
    }

    fn take_event<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> Option<T> {
        let found = self.events.iter().enumerate();
        let (at, picked) = found
            .filter_map(|(at, event)| Some((at, pick(event)?)))
            .next()?;
        self.events.remove(at);
        Some(picked)
    }

    /// Sends what there is, reads once, and is back at `deadline` at the latest.
    fn step(&mut self, deadline: Instant) {
        self.flush();
        let Some(stream) = &mut self.stream else {
            return;
        };
        let timeout = self.connection.next_timeout().map(|at| self.start + at);
        let answer = self.unanswered.front().map(|(at, _)| *at);
        let until = [timeout, answer].into_iter().flatten().min();
        let until = until.unwrap_or(deadline).min(deadline);
        let wait = until.saturating_duration_since(Instant::now());
        // Zero would be no timeout at all.
        let wait = wait.max(Duration::from_millis(1));
        stream.set_read_timeout(Some(wait)).unwrap();
        let mut chunk = [0; 1 << 16];
        match stream.read(&mut chunk) {
            Ok(0) => self.connection.handle_close(),
            Ok(len) => self.received.extend_from_slice(&chunk[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.connection.handle_close(),
        }
        let now = self.start.elapsed();
        while let Some(incoming) = self.connection.handle_bytes(now, &mut self.received) {
            if let Incoming::Message(message, token) = incoming {
                self.dup = token.dup();
                self.unanswered
                    .push_back((Instant::now() + self.late, token));
                self.messages.push_back(from_message(&message, token));
            }
        }
        while let Some((at, token)) = self.unanswered.front().copied() {
            if at > Instant::now() {
                break;
            }
            self.unanswered.pop_front();
            self.connection.acknowledge(token).unwrap();
        }
        self.connection.handle_timeout(self.start.elapsed());
        self.flush();
    }

    /// Sends what there is, and looks at what has happened.
    pub(crate) fn flush(&mut self) {
        self.connection
            .poll_bytes(self.start.elapsed(), &mut self.to_send);
        if let Some(stream) = &mut self.stream {
            if stream.write_all(&self.to_send).is_err() {
                self.connection.handle_close();
            }
        }
        self.to_send.clear();
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Closed(why) => self.closed = Some(why),
                event => self.events.push_back(event),
            }
        }
        if self.connection.is_closed() {
            self.stream = None;
        }
    }

    /// Waits until there is something to read, and does not read it.
    pub(crate) fn wait_unread(&mut self) {
        let stream = self.stream.as_ref().unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        let unread = stream.peek(&mut [0]).expect("something to read");
        assert_eq!(unread, 1);
    }

    /// Sends a message and does not wait for what it asks for.
    pub(crate) fn send(&mut self, message: &Message) -> CallId {
        // Once assigned, it stands for the topic by itself.
        if let (Some(alias), false) = (message.alias, message.bare) {
            let (topic, alias) = (topic_name(&message.topic), TopicAlias::new(alias).unwrap());
            self.connection.assign_alias(topic, alias).unwrap();
        }
        let topic = topic_name(&message.topic);
        let mut to_publish = mqtt_sansio::Message::new(topic, message.payload.clone());
        to_publish.retain = message.retain;
        to_publish.properties = to_properties(message);
        let qos = QoS::new(message.qos).unwrap();
        let id = self.connection.publish(qos, to_publish).unwrap();
        self.flush();
        id
    }

    /// Sends messages at once, as many as may be in flight.
    pub(crate) fn send_all(&mut self, messages: &[Message]) -> Vec<CallId> {
        messages.iter().map(|message| self.send(message)).collect()
    }

    /// Waits until messages of QoS 1 or 2 are acknowledged.
    pub(crate) fn wait_accepted(&mut self, calls: Vec<CallId>) {
        for id in calls {
            let outcome = self.wait_completed(id);
            assert!(
                matches!(outcome, Outcome::Accepted(_)),
                "{outcome:?}, since the connection is over: {:?}",
                self.closed
            );
        }
    }

    /// Waits until a message that was sent is acknowledged, or gone at QoS 0.
    pub(crate) fn wait_completed(&mut self, id: CallId) -> Outcome {
        self.wait("acknowledgement", |link| {
            link.take_event(|event| match event {
                Event::Published(other, outcome) if *other == id => Some(outcome.clone()),
                _ => None,
            })
        })
    }
}

impl Link for OurLink {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn publish(&mut self, message: &Message) {
        let id = self.send(message);
        match message.qos {
            0 => assert_eq!(self.wait_completed(id), Outcome::Sent),
            _ => self.wait_accepted(vec![id]),
        }
    }

    fn receive(&mut self) -> Message {
        let message = self.wait("message", |link| link.messages.pop_front());
        // The acknowledgement leaves.
        self.flush();
        message
    }

    fn unsubscribe(&mut self, filter: &str) {
        let filters = TopicFilters::new([TopicFilter::new(filter).unwrap()]).unwrap();
        let id = self.connection.unsubscribe(filters).unwrap();
        self.wait_answer("UNSUBACK", |event| match event {
            Event::Unsubscribed(other, Answer::Codes(ack)) if *other == id => Some(ack.clone()),
            _ => None,
        });
    }

    fn idle(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.step(until);
            assert_eq!(self.closed, None);
        }
    }

    fn ended(&mut self) -> Option<u8> {
        match self.wait("end", |link| link.closed.take()) {
            Closed::Disconnected(disconnect) => Some(disconnect.reason.to_u8()),
            Closed::Lost => None,
            other => panic!("the broker did not end the connection: {other:?}"),
        }
    }

    fn cut(&mut self) {
        self.unanswered.clear();
        self.connection.handle_close();
        if let Some(stream) = self.stream.take() {
            stream.shutdown(Shutdown::Both).unwrap();
        }
        self.flush();
        self.events.clear();
    }

    fn close(&mut self) {
        let disconnect = Disconnect::new(ReasonCode::Success);
        self.connection.disconnect(disconnect).unwrap();
        self.flush();
        assert_eq!(self.closed, Some(Closed::Local));
    }

    fn reopen(&mut self, opening: &Opening) {
        self.connect(opening).unwrap();
    }
}
