//! `client::Connection` over a socket.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mqtt_sansio::connection::client::Connection;
use mqtt_sansio::connection::{Closed, Event, Input};
use mqtt_sansio::packet::{
    Disconnect, Packet, Publish, SubscriptionOptions, Subscriptions, TopicFilters,
};
use mqtt_sansio::property::{
    SubscribeProperties, SubscriptionId, TopicAlias, UnsubscribeProperties,
};
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{Delivery, FrameDecoder, PacketId, QoS, ReasonCode, Version};

use crate::convert::{from_publish, to_connect, to_properties, topic_name};
use crate::link::{Client, Link, Message, Opened, Opening};
use crate::process::patience;

/// The largest packet that is taken.
const MAXIMUM_PACKET_SIZE: u32 = 16 << 20;

/// This crate's client.
pub(crate) struct Ours;

impl Client for Ours {
    fn open(&self, port: u16, opening: &Opening) -> Result<Box<dyn Link>, u8> {
        let mut link = OurLink::new(port, opening.version);
        match link.connect(opening) {
            Ok(()) => link.subscribe(opening),
            Err(Closed::Refused(reason)) => return Err(reason.to_u8()),
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
    decoder: FrameDecoder,
    received: BytesMut,
    to_send: BytesMut,
    start: Instant,
    opened: Opened,
    messages: VecDeque<Message>,
    events: VecDeque<Event>,
    closed: Option<Closed>,
    /// Whether the last PUBLISH may be a repeated one.
    pub(crate) dup: bool,
}

impl OurLink {
    pub(crate) fn new(port: u16, version: Version) -> Self {
        Self {
            connection: Connection::new(),
            port,
            version,
            stream: None,
            decoder: FrameDecoder::client(version),
            received: BytesMut::new(),
            to_send: BytesMut::new(),
            start: Instant::now(),
            opened: Opened::default(),
            messages: VecDeque::new(),
            events: VecDeque::new(),
            closed: None,
            dup: false,
        }
    }

    /// Connects, and tells why the connection is over if it is not accepted.
    pub(crate) fn connect(&mut self, opening: &Opening) -> Result<(), Closed> {
        self.begin(opening);
        self.wait("CONNACK", |link| {
            if let Some(closed) = link.closed.take() {
                return Some(Err(closed));
            }
            let present = link.take_event(|event| match event {
                Event::Connected { session_present } => Some(session_present),
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
        self.decoder = FrameDecoder::client(self.version).max_packet_size(MAXIMUM_PACKET_SIZE);
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
            (filter, SubscriptionOptions::new(QoS::new(*qos).unwrap()))
        });
        let mut properties = SubscribeProperties::builder();
        if let Some(id) = opening.subscription_id {
            properties = properties.subscription_identifier(SubscriptionId::new(id).unwrap());
        }
        let filters = Subscriptions::new(filters).unwrap();
        let id = self
            .connection
            .subscribe(filters, properties.build())
            .unwrap();
        self.wait_event("SUBACK", Event::Subscribed(id));
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
            let over = self.closed;
            assert_eq!(over, None, "the connection is over before {what}");
            assert!(Instant::now() < deadline, "no {what}");
            self.step(deadline);
        }
    }

    fn wait_event(&mut self, what: &str, event: Event) {
        self.wait(what, |link| {
            link.take_event(|other| (other == event).then_some(()))
        });
    }

    fn take_event<T>(&mut self, pick: impl Fn(Event) -> Option<T>) -> Option<T> {
        let found = self.events.iter().enumerate();
        let (at, picked) = found
            .filter_map(|(at, event)| Some((at, pick(*event)?)))
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
        let until = timeout.unwrap_or(deadline).min(deadline);
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
        self.connection.handle_timeout(self.start.elapsed());
        loop {
            match self.decoder.decode_shared(&mut self.received) {
                Ok(Some(packet)) => self.take_up(packet),
                Ok(None) => break,
                Err(error) => {
                    self.connection.handle_decode_error(error);
                    break;
                }
            }
        }
        self.flush();
    }

    fn take_up(&mut self, packet: Packet) {
        let input = self.connection.handle_packet(&packet).unwrap();
        match (input, packet) {
            (Input::Deliver(alias), Packet::Publish(publish)) => {
                self.dup = publish.dup;
                if let Some(id) = publish.packet_id() {
                    self.connection
                        .acknowledge(id, ReasonCode::Success)
                        .unwrap();
                }
                self.messages.push_back(from_publish(alias, &publish));
            }
            (_, Packet::SubAck(ack)) => {
                self.opened.granted = ack.reasons.iter().map(ReasonCode::to_u8).collect();
            }
            _ => {}
        }
    }

    /// Sends what there is, and looks at what has happened.
    pub(crate) fn flush(&mut self) {
        while let Some(packet) = self.connection.poll_transmit(self.start.elapsed()) {
            packet.encode(self.version, &mut self.to_send).unwrap();
        }
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
    pub(crate) fn send(&mut self, message: &Message) -> Option<PacketId> {
        // Once assigned, it stands for the topic by itself.
        if let (Some(alias), false) = (message.alias, message.bare) {
            let (topic, alias) = (topic_name(&message.topic), TopicAlias::new(alias).unwrap());
            self.connection.assign_alias(topic, alias).unwrap();
        }
        let mut publish = Publish::new(
            Delivery::AtMostOnce,
            topic_name(&message.topic),
            Bytes::from(message.payload.clone()),
        );
        publish.retain = message.retain;
        publish.properties = to_properties(message);
        let qos = QoS::new(message.qos).unwrap();
        let id = self.connection.publish(qos, publish).unwrap();
        self.flush();
        id
    }

    /// Waits until a message that was sent is acknowledged.
    pub(crate) fn wait_completed(&mut self, id: PacketId) -> ReasonCode {
        self.wait("acknowledgement", |link| {
            link.take_event(|event| match event {
                Event::Completed(other, reason) if other == id => Some(reason),
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
        if let Some(id) = self.send(message) {
            let reason = self.wait_completed(id);
            assert!(!reason.is_error(), "refused: {reason}");
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
        let properties = UnsubscribeProperties::default();
        let id = self.connection.unsubscribe(filters, properties).unwrap();
        self.wait_event("UNSUBACK", Event::Unsubscribed(id));
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
            Closed::Disconnected(reason) => Some(reason.to_u8()),
            Closed::Lost => None,
            other => panic!("the broker did not end the connection: {other:?}"),
        }
    }

    fn cut(&mut self) {
        self.connection.handle_close();
        if let Some(stream) = self.stream.take() {
            stream.shutdown(Shutdown::Both).unwrap();
        }
        self.flush();
        self.events.clear();
    }

    fn close(&mut self) {
        let disconnect = Disconnect::new(ReasonCode::Success).to_owned();
        self.connection.disconnect(disconnect).unwrap();
        self.flush();
        assert_eq!(self.closed, Some(Closed::Local));
    }

    fn reopen(&mut self, opening: &Opening) {
        self.connect(opening).unwrap();
    }
}
