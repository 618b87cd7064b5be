//! A well-behaved client: a `client::Connection` over one network connection after another.

use std::collections::{BTreeMap, VecDeque};
use std::num::{NonZeroU16, NonZeroU32};

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use mqtt_sansio::connection::{Closed, Event, Incoming, client};
use mqtt_sansio::packet::{
    Connect, Disconnect, KeepAlive, RetainHandling, SubscriptionOptions, Subscriptions,
    TopicFilters, Will,
};
use mqtt_sansio::property::{
    ConnectProperties, DisconnectProperties, MessageProperties, SubscribeProperties,
    SubscriptionId, WillProperties,
};
use mqtt_sansio::session::Token;
use mqtt_sansio::topic::TopicFilter;
use mqtt_sansio::{
    Binary, FrameDecoder, Message as Content, Packet, QoS, ReasonCode, Text, Version,
};

use super::due::Message;
use super::line::{Line, payload};
use super::net::{FILTERS, Net, SHARED};

/// What a client takes that takes no large packets.
pub(super) const SMALL: u32 = 100;

#[derive(Debug)]
pub(super) struct Actor {
    index: usize,
    pub(super) client: client::Connection,
    pub(super) line: Option<Line>,
    /// Whether the client may go on with a session.
    known: bool,
    /// Whether the server has a new session, whose CONNACK is lost. 3.1.1 may go on with it.
    new: bool,
    /// Messages that are not acknowledged, in the order in which they came.
    undecided: Vec<Token>,
    /// SUBSCRIBE and UNSUBSCRIBE without an outcome.
    pub(super) requests: usize,
}

impl Actor {
    pub(super) fn new(index: usize, u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Self {
            index,
            client: client::Connection::new().automatic_aliases(u.int_in_range(0..=2)?),
            line: None,
            known: false,
            new: false,
            undecided: Vec::new(),
            requests: 0,
        })
    }

    /// Any version, but for a client with requests that wait to be sent: they are for one version.
    pub(super) fn draw_version(&self, u: &mut Unstructured<'_>) -> Result<Version> {
        let drawn = u.arbitrary()?;
        Ok(match self.requests {
            0 => drawn,
            _ => self.client.version(),
        })
    }

    /// Begins a connection; one that there is already is left to the broker.
    pub(super) fn connect(&mut self, net: &mut Net, version: Version, mut connect: Connect) {
        let old = self.line.as_ref().filter(|line| !line.ended);
        net.forsaken.extend(old.map(|line| line.id));
        self.hang_up();
        let new = self.new && version == Version::V311;
        connect.clean_start |= !self.known && !new;
        self.new = false;
        self.known &= !connect.clean_start;
        let maximum = connect.properties.maximum_packet_size();
        let clean = connect.clean_start;
        self.client.connect(version, connect).unwrap();
        let mut decoder = FrameDecoder::client(version);
        if let Some(maximum) = maximum {
            decoder = decoder.max_packet_size(maximum.get());
        }
        self.line = Some(Line {
            id: net.accept(),
            version,
            decoder,
            up: None,
            down: VecDeque::new(),
            ended: false,
            clean,
            greeted: false,
            session: None,
            codes: BTreeMap::new(),
            aliases: BTreeMap::new(),
        });
    }

    /// CONNECT with a session that stays.
    pub(super) fn lasting(&self, version: Version) -> Connect {
        let name = format!("actor-{}", self.index);
        let mut connect = Connect::new(name.parse().unwrap());
        connect.clean_start = false;
        if version == Version::V5 {
            let builder = ConnectProperties::builder();
            connect.properties = builder.session_expiry_interval(u32::MAX).build();
        }
        connect
    }

    /// Any CONNECT.
    pub(super) fn draw_connect(
        &self,
        u: &mut Unstructured<'_>,
        net: &mut Net,
        version: Version,
    ) -> Result<Connect> {
        let mut connect = self.lasting(version);
        connect.clean_start = u.ratio(1, 4)?;
        connect.keep_alive = KeepAlive::from_secs(*u.choose(&[0, 10, 60])?);
        if u.ratio(1, 3)? {
            let message = net.will(u, self.index, version)?;
            let payload = Binary::new(&payload(&message)[..]).unwrap().to_owned();
            let mut will = Will::new(message.topic.parse().unwrap(), payload);
            (will.qos, will.retain) = (message.qos, message.retain);
            if version == Version::V5 {
                let mut builder = WillProperties::builder();
                builder = builder.will_delay_interval(*u.choose(&[0, 2, 30])?);
                if let Some(seconds) = message.expiry {
                    builder = builder.message_expiry_interval(seconds);
                }
                will.properties = builder.build();
            }
            connect.will = Some(will);
        }
        if version == Version::V5 {
            let mut builder = ConnectProperties::builder()
                .session_expiry_interval(*u.choose(&[0, 5, 60, u32::MAX])?)
                .topic_alias_maximum(*u.choose(&[0, 1, 9])?);
            if u.arbitrary()? {
                let maximum = *u.choose(&[1, 2, 3, 100])?;
                builder = builder.receive_maximum(NonZeroU16::new(maximum).unwrap());
            }
            if u.ratio(1, 6)? {
                builder = builder.maximum_packet_size(NonZeroU32::new(SMALL).unwrap());
            }
            if u.arbitrary()? {
                builder = builder.request_problem_information(u.arbitrary()?);
            }
            connect.properties = builder.build();
        }
        Ok(connect)
    }

    /// The network connection is over for the client; the broker may not know.
    pub(super) fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            // The one case in which a session cannot be told from the one before: the server had none
            // any more, and its answer is lost. The next CONNECT would find a new one there.
            let mistaken = line.session.is_some_and(|(_, present)| !present) && !line.greeted;
            self.known &= !mistaken;
            self.new = line.clean && mistaken;
            self.client.handle_close();
            while let Some(event) = self.client.poll_event() {
                self.count(&event);
            }
            self.known &= self.client.session_expiry_interval() > 0;
            self.undecided
                .retain(|token| token.qos() == QoS::ExactlyOnce);
        }
    }

    /// The network connection is over for both.
    pub(super) fn cut(&mut self, net: &mut Net) {
        if let Some(line) = &self.line {
            net.close(line.id);
        }
        self.hang_up();
    }

    pub(super) fn publish(&mut self, message: &Message) -> bool {
        let topic = message.topic.parse().unwrap();
        let payload = Bytes::from(payload(message));
        let mut content = Content::new(topic, payload);
        content.retain = message.retain;
        let mut builder = MessageProperties::builder();
        if let Some(seconds) = message.expiry {
            builder = builder.message_expiry_interval(seconds);
        }
        if message.property {
            let text = Text::new("p").unwrap();
            builder = builder.user_property(text, text);
        }
        content.properties = builder.build();
        self.client.publish(message.qos, content).is_ok()
    }

    /// Removes what is retained for a topic.
    pub(super) fn clear(&mut self, topic: &'static str) {
        let topic = topic.parse().unwrap();
        let mut content = Content::new(topic, Bytes::new());
        content.retain = true;
        let _ = self.client.publish(QoS::AtMostOnce, content);
    }

    /// Any SUBSCRIBE.
    pub(super) fn draw_subscribe(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let version = self.client.version();
        let mut requests = Vec::new();
        for _ in 0..u.int_in_range(1..=3)? {
            let shared = version == Version::V5 && u.ratio(1, 4)?;
            let filter = *u.choose(if shared { SHARED } else { FILTERS })?;
            let mut options = SubscriptionOptions::new(match shared {
                true => QoS::ExactlyOnce,
                false => u.arbitrary()?,
            });
            if version == Version::V5 {
                options.no_local = !shared && u.ratio(1, 4)?;
                options.retain_as_published = u.arbitrary()?;
                options.retain_handling = *u.choose(&[
                    RetainHandling::SendAtSubscribe,
                    RetainHandling::SendIfNew,
                    RetainHandling::DoNotSend,
                ])?;
            }
            requests.push((TopicFilter::new(filter).unwrap(), options));
        }
        let mut properties = SubscribeProperties::builder();
        if version == Version::V5 && u.arbitrary()? {
            let id = SubscriptionId::new(u.int_in_range(1..=200)?).unwrap();
            properties = properties.subscription_identifier(id);
        }
        let subscriptions = Subscriptions::new(requests).unwrap();
        let asked = self
            .client
            .subscribe_with(subscriptions, properties.build());
        self.requests += usize::from(asked.is_ok());
        Ok(())
    }

    /// At QoS 2.
    pub(super) fn subscribe_to(&mut self, filter: &str) {
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let request = (TopicFilter::new(filter).unwrap(), options);
        let subscriptions = Subscriptions::new([request]).unwrap();
        self.client.subscribe(subscriptions).unwrap();
        self.requests += 1;
    }

    pub(super) fn unsubscribe(&mut self, filter: &str) {
        let filters = TopicFilters::new([TopicFilter::new(filter).unwrap()]).unwrap();
        let asked = self.client.unsubscribe(filters);
        self.requests += usize::from(asked.is_ok());
    }

    /// DISCONNECT, with another Session Expiry Interval perhaps.
    pub(super) fn disconnect(&mut self, reason: ReasonCode, expiry: Option<u32>) {
        let mut disconnect = Disconnect::new(reason);
        if self.client.version() == Version::V5 {
            if let Some(seconds) = expiry {
                let builder = DisconnectProperties::builder();
                disconnect.properties = builder.session_expiry_interval(seconds).build();
            }
        } else {
            disconnect.reason = ReasonCode::Success;
        }
        if self.client.disconnect(disconnect.clone()).is_err() {
            // There was none in CONNECT.
            disconnect.properties = DisconnectProperties::default();
            let _ = self.client.disconnect(disconnect);
        }
    }

    /// Acknowledges a message that waits for it.
    pub(super) fn acknowledge(&mut self, index: usize) {
        let token = self.undecided.remove(index);
        // Without a connection it comes again.
        let _ = self.client.acknowledge(token);
    }

    pub(super) fn acknowledge_all(&mut self) {
        while !self.undecided.is_empty() {
            self.acknowledge(0);
        }
    }

    pub(super) fn undecided(&self) -> usize {
        self.undecided.len()
    }

    /// Sends the next packet, or half of it if `half`, or the rest. `false` if there is nothing.
    pub(super) fn send(&mut self, net: &mut Net, half: bool) -> bool {
        let Some(line) = self.line.as_mut().filter(|line| !line.ended) else {
            return false;
        };
        let (packet, rest) = match line.up.take() {
            Some(begun) => begun,
            None => {
                let Some(packet) = self.client.poll_transmit(net.oracle.now) else {
                    if self.client.is_closed() {
                        self.cut(net);
                    }
                    return false;
                };
                let mut bytes = Vec::new();
                packet.encode(line.version, &mut bytes).unwrap();
                let packet = packet.to_owned();
                if half {
                    let rest = bytes.split_off(bytes.len() / 2);
                    let id = line.id;
                    line.up = Some((packet, rest));
                    net.bytes(id, &bytes, true);
                    return true;
                }
                (packet, bytes)
            }
        };
        let id = line.id;
        let takes = !net.broker.is_closing(id);
        let stored = net.bytes(id, &rest, true);
        if takes && stored {
            line.taken(self.index, net, &packet);
        }
        true
    }

    /// Takes what the broker has to send on this connection.
    pub(super) fn fetch(&mut self, net: &mut Net) {
        let Some(line) = &mut self.line else {
            return;
        };
        let mut bytes = net.take_output(line.id);
        while let Some(packet) = line.decoder.decode_shared(&mut bytes).unwrap() {
            line.down.push_back((net.oracle.now, packet));
        }
        assert!(bytes.is_empty(), "half a packet");
    }

    /// Reads the next packet. `false` if there is nothing.
    pub(super) fn read(&mut self, net: &mut Net) -> bool {
        let Some(line) = &mut self.line else {
            return false;
        };
        let Some((sent_at, packet)) = line.down.pop_front() else {
            if line.ended {
                self.hang_up();
            }
            return false;
        };
        let now = net.oracle.now;
        let judged = self.client.handle_packet(now, line.version, &packet);
        let judged = judged.unwrap_or_else(|violation| panic!("{violation}: {packet:?}"));
        match (&packet, judged) {
            (_, Some(Incoming::Message(message, token))) => {
                line.deliver(self.index, net, &message, token, sent_at);
                if token.qos() > QoS::AtMostOnce {
                    self.undecided.push(token);
                }
            }
            (Packet::ConnAck(connack), _) if connack.reason == ReasonCode::Success => {
                let (_, present) = line.session.expect("CONNECT");
                assert_eq!(connack.session_present, present);
                if !present {
                    self.undecided.clear();
                }
            }
            (Packet::SubAck(ack), _) => {
                let codes: Vec<_> = ack.reasons.iter().collect();
                assert_eq!(line.codes.remove(&ack.packet_id), Some(codes));
            }
            (Packet::UnsubAck(ack), _) if line.version == Version::V5 => {
                let codes: Vec<_> = ack.reasons.iter().collect();
                assert_eq!(line.codes.remove(&ack.packet_id), Some(codes));
            }
            _ => {}
        }
        while let Some(event) = self.client.poll_event() {
            let connected = matches!(event, Event::Connected(_));
            self.known |= connected;
            if let Some(line) = &mut self.line {
                line.greeted |= connected;
            }
            assert!(!matches!(event, Event::Closed(Closed::Violated(_))));
            self.count(&event);
        }
        true
    }

    fn count(&mut self, event: &Event) {
        let answered = matches!(event, Event::Subscribed(..) | Event::Unsubscribed(..));
        self.requests -= usize::from(answered);
    }
}
