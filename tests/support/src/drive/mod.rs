//! Any packets, commands and times, in any order: nothing panics, and what is sent keeps the rules.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};

use mqtt_sansio::connection::{
    Connection, Event, Incoming, RequestToken, Role, Violation, client, server,
};
use mqtt_sansio::packet::Ack;
use mqtt_sansio::property::{AckProperties, TopicAlias};
use mqtt_sansio::session::{CallId, Token};
use mqtt_sansio::{Packet, PacketId, PacketType, Publishable, ReasonCode, Rule, Side, Version};

mod packets;

pub(crate) use self::packets::packet;
use crate::answers::Answers;
use crate::choices::part;
use crate::{heap, rules};

/// What an end holds at the most with nothing under way, and for each thing that is.
pub(crate) const IDLE: usize = 4_096;
pub(crate) const EACH: usize = 512;

/// An end holds no more than belongs to what is under way.
pub(crate) fn check_heap<R: Role + Clone, M: Clone + Publishable>(
    connection: &Connection<R, M>,
    under_way: usize,
) {
    let held = heap::of(connection, Connection::shrink_to_fit);
    let most = IDLE + EACH * under_way;
    assert!(held <= most, "{held} bytes for {under_way} under way");
}

/// What one side has sent on a network connection.
#[derive(Debug)]
pub(crate) struct Sent {
    side: Side,
    /// CONNECT or CONNACK.
    greetings: u32,
    /// The topic aliases that have a topic.
    aliases: BTreeSet<u16>,
    over: bool,
}

impl Sent {
    /// Nothing.
    pub(crate) const fn new(side: Side) -> Self {
        Self {
            side,
            greetings: 0,
            aliases: BTreeSet::new(),
            over: false,
        }
    }

    /// Holds a packet against the rules.
    pub(crate) fn check<B: AsRef<[u8]>>(&mut self, packet: &Packet<B>) {
        let kind = packet.packet_type();
        assert!(!self.over, "{kind} after the end");
        match (self.side, packet) {
            // [MQTT-3.2.0-2]
            (Side::Server, Packet::ConnAck(ack)) => {
                self.greetings += 1;
                assert_eq!(self.greetings, 1);
                self.over = ack.reason.is_error();
            }
            (Side::Server, Packet::Auth(_)) => {}
            // [MQTT-3.1.0-1] [MQTT-3.1.0-2]
            (Side::Client, Packet::Connect(_)) => {
                self.greetings += 1;
                assert_eq!(self.greetings, 1);
            }
            // [MQTT-3.2.0-1] [MQTT-3.14.0-1]
            _ => assert_eq!(self.greetings, 1, "{kind}"),
        }
        if let Packet::Publish(publish) = packet {
            let alias = publish.properties.topic_alias().map(TopicAlias::get);
            match (&publish.topic, alias) {
                (Some(_), alias) => self.aliases.extend(alias),
                (None, alias) => assert!(
                    alias.is_some_and(|alias| self.aliases.contains(&alias)),
                    "no topic: {alias:?}"
                ),
            }
        }
        // [MQTT-3.14.4-1]
        self.over |= matches!(packet, Packet::Disconnect(_));
    }
}

/// Holds the size of a packet against the peer's Maximum Packet Size.
pub(crate) fn check_size(packet: &Packet<&[u8]>, version: Version, maximum: Option<u32>) {
    let len = packet.encoded_len(version).unwrap();
    // What is five bytes long at most is not held against it.
    let maximum = usize::try_from(maximum.unwrap_or(u32::MAX).max(5)).unwrap();
    assert!(len <= maximum, "{packet:?}");
}

/// One side under test, and what its caller holds.
pub(crate) struct Driven<R> {
    pub(crate) connection: Connection<R>,
    pub(crate) sent: Sent,
    pub(crate) now: Duration,
    pub(crate) version: Version,
    pub(crate) tokens: Vec<Token>,
    requests: Vec<(RequestToken, PacketId)>,
    pub(crate) calls: Vec<CallId>,
    pub(crate) answers: Answers,
    /// Calls without an outcome.
    pub(crate) open: usize,
    /// Rules whose breach was reported.
    pub(crate) let_go: Vec<Rule>,
}

impl<R: Role + Clone> Driven<R> {
    pub(crate) fn new(connection: Connection<R>, side: Side, version: Version) -> Self {
        Self {
            connection,
            sent: Sent::new(side),
            now: Duration::ZERO,
            version,
            tokens: Vec::new(),
            requests: Vec::new(),
            calls: Vec::new(),
            answers: Answers::new(version),
            open: 0,
            let_go: Vec::new(),
        }
    }

    /// Handles a packet.
    pub(crate) fn handle(&mut self, packet: &Packet) -> Result<(), Violation> {
        self.answers.comes(packet);
        let judged = self
            .connection
            .handle_packet(self.now, self.version, packet);
        match judged {
            Ok(Some(Incoming::Message(_, token) | Incoming::Skipped(_, Some(token)))) => {
                self.answers.delivered(token);
                self.tokens.push(token);
            }
            Ok(Some(Incoming::Subscribe(request, token))) => {
                self.requests.push((token, request.packet_id));
            }
            Ok(Some(Incoming::Unsubscribe(request, token))) => {
                self.requests.push((token, request.packet_id));
            }
            _ => {}
        }
        judged.map(drop)
    }

    /// What both sides can do.
    fn step(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        match u.int_in_range(0..=14)? {
            0..=4 => {
                let packet = packet(u)?;
                let _ = self.handle(&packet);
            }
            5 => {
                if let Ok(call) = self
                    .connection
                    .publish(u.arbitrary()?, packets::message(u)?)
                {
                    self.calls.push(call);
                    self.open += 1;
                }
            }
            6 if !self.tokens.is_empty() => {
                let token = *u.choose(&self.tokens)?;
                let reason = match u.int_in_range(0..=3)? {
                    0 | 1 => ReasonCode::Success,
                    2 => ReasonCode::NotAuthorized,
                    _ => u.arbitrary()?,
                };
                let why: AckProperties = u.arbitrary()?;
                let given = self.connection.acknowledge_with(token, reason, why.clone());
                if given.is_ok() {
                    self.answers.acknowledged(token, reason, why);
                }
            }
            7 if !self.calls.is_empty() => {
                let call = *u.choose(&self.calls)?;
                drop(self.connection.abandon(call));
            }
            8 => drop(self.connection.auth(packets::auth(u)?)),
            9 => {
                self.now += Duration::from_millis(u64::from(u.arbitrary::<u16>()?));
                self.connection.handle_timeout(self.now);
            }
            10 if u.ratio(1, 8)? => self.connection.handle_close(),
            10 => self.flood(u)?,
            11 if u.ratio(1, 8)? => drop(self.connection.disconnect(u.arbitrary()?)),
            12 if u.ratio(1, 8)? => {
                let error = Packet::decode(self.version, b"\x30\x00").unwrap_err();
                self.connection.handle_decode_error(self.now, error);
            }
            13 => match u.arbitrary()? {
                true => self.connection.pause_reading(self.now),
                false => self.connection.resume_reading(self.now),
            },
            14 => {
                let (topic, alias) = (packets::topic(u)?, u.int_in_range(1..=3)?);
                let alias = TopicAlias::new(alias).unwrap();
                let _ = self.connection.assign_alias(topic, alias);
            }
            _ => {}
        }
        Ok(())
    }

    /// Packets of one kind for many identifiers.
    fn flood(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let (first, count): (u16, u8) = (u.arbitrary()?, u.arbitrary()?);
        let kind = u.int_in_range(0..=3)?;
        for id in (first..=u16::MAX)
            .take(count.into())
            .filter_map(PacketId::new)
        {
            let ack = Ack::new(id);
            let _ = self.handle(&match kind {
                0 => Packet::PubAck(ack),
                1 => Packet::PubRec(ack),
                2 => Packet::PubRel(ack),
                _ => Packet::PubComp(ack),
            });
        }
        Ok(())
    }

    fn drain(&mut self) {
        while self.transmit().is_some() {}
        self.check();
    }

    /// Sends the next packet.
    pub(crate) fn transmit(&mut self) -> Option<Packet> {
        let version = self.connection.version();
        let limits = *self.connection.limits();
        let packet = self.connection.poll_transmit(self.now)?;
        self.sent.check(&packet);
        // [MQTT-3.3.2-9] [MQTT-3.3.2-11]
        let highest = self.sent.aliases.last().copied().unwrap_or(0);
        assert!(highest <= limits.topic_alias_maximum, "{packet:?}");
        check_size(
            &packet,
            version,
            limits.maximum_packet_size.map(NonZeroU32::get),
        );
        let packet = packet.to_owned();
        self.answers.leaves(&packet, self.connection.session());
        Some(packet)
    }

    /// Holds events and the state against the rules.
    pub(crate) fn check(&mut self) {
        while self.connection.poll_change().is_some() {}
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Published(..) | Event::Subscribed(..) | Event::Unsubscribed(..) => {
                    self.open -= 1;
                }
                Event::LetGo(rule) => self.let_go.push(rule),
                _ => {}
            }
        }
        check_heap(&self.connection, self.answers.len() + self.open);
        assert!(!(self.connection.is_closed() && self.connection.is_connected()));
        let wait = self.connection.wait(self.now);
        assert_ne!(wait, Some(Duration::ZERO));
        if self.connection.is_closed() {
            assert!(wait.is_some());
            self.sent.over = true;
        }
    }
}

/// Drives servers, each until it is closed.
pub fn server(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    while !u.is_empty() {
        // Running out of bytes ends the drive.
        let _ = drive_server(&mut u);
    }
}

fn drive_server(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let version = Version::arbitrary(u)?;
    let mut connection = server::Connection::new(Duration::ZERO, Duration::from_secs(5));
    connection = connection.rules(rules::some(u)?);
    if u.arbitrary()? {
        connection = connection.changes();
    }
    let mut driven = Driven::new(connection, Side::Server, version);
    if u.ratio(3, 4)? {
        let connect = Packet::Connect(packets::connect(&mut part(u)?)?);
        if driven.handle(&connect).is_ok() && u.ratio(3, 4)? {
            let connack = packets::accepting(&mut part(u)?)?;
            let _ = driven.connection.accept(driven.now, connack, &mut None);
        }
    }
    while !u.is_empty() {
        // A step that has too few bytes is none.
        let _ = step_of_server(&mut driven, &mut part(u)?);
        driven.drain();
        if driven.connection.is_closed() && u.ratio(1, 4)? {
            break;
        }
    }
    Ok(())
}

fn step_of_server(
    driven: &mut Driven<server::Server>,
    u: &mut Unstructured<'_>,
) -> arbitrary::Result<()> {
    let codes = |u: &mut Unstructured<'_>| u.arbitrary::<Vec<ReasonCode>>();
    match u.int_in_range(0..=15)? {
        0 if !driven.requests.is_empty() => {
            let ((token, id), codes) = (*u.choose(&driven.requests)?, codes(u)?);
            let given = driven.connection.sub_ack(token, codes.iter().copied());
            if given.is_ok() {
                driven.answers.answered(PacketType::SubAck, id, codes);
            }
        }
        1 if !driven.requests.is_empty() => {
            let ((token, id), codes) = (*u.choose(&driven.requests)?, codes(u)?);
            let given = driven.connection.unsub_ack(token, codes.iter().copied());
            if given.is_ok() {
                driven.answers.answered(PacketType::UnsubAck, id, codes);
            }
        }
        2 if u.ratio(1, 4)? => drop(driven.connection.refuse(u.arbitrary()?)),
        3 => {
            let connack = packets::accepting(u)?;
            let _ = driven.connection.accept(driven.now, connack, &mut None);
        }
        _ => driven.step(u)?,
    }
    Ok(())
}

/// Drives a client.
pub fn client(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    // Running out of bytes ends the drive.
    let _ = drive_client(&mut u);
}

fn drive_client(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let version = Version::arbitrary(u)?;
    let mut connection = client::Connection::new().automatic_aliases(u.int_in_range(0..=3)?);
    connection = connection.rules(rules::some(u)?);
    if u.arbitrary()? {
        connection = connection.changes();
    }
    if u.arbitrary()? {
        connection = connection.send_before_conn_ack();
    }
    let mut driven = Driven::new(connection, Side::Client, version);
    while !u.is_empty() {
        let _ = step_of_client(&mut driven, &mut part(u)?);
        driven.drain();
    }
    Ok(())
}

fn step_of_client(
    driven: &mut Driven<client::Client>,
    u: &mut Unstructured<'_>,
) -> arbitrary::Result<()> {
    // Without a connection half of the steps go on to one.
    let last = match driven.connection.is_connected() {
        true => 15,
        false => 7,
    };
    match u.int_in_range(0..=last)? {
        0 | 1 => {
            let connect = packets::connect(u)?;
            if driven.connection.connect(driven.version, connect).is_ok() {
                driven.sent = Sent::new(Side::Client);
                driven.answers.renew();
            }
        }
        2 | 3 => {
            let connack = packets::accepting(u)?;
            let _ = driven.handle(&Packet::ConnAck(connack));
        }
        4 => {
            let (request, properties) = (u.arbitrary()?, u.arbitrary()?);
            let made = driven.connection.subscribe_with(request, properties);
            driven.open += usize::from(made.is_ok());
        }
        5 => {
            let (request, properties) = (u.arbitrary()?, u.arbitrary()?);
            let made = driven.connection.unsubscribe_with(request, properties);
            driven.open += usize::from(made.is_ok());
        }
        _ => driven.step(u)?,
    }
    Ok(())
}
