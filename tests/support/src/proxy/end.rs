//! One end, its application, and what it is held to.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

use mqtt_sansio::connection::{
    Closed, Connection, Event, Incoming, Outcome, RequestToken, Role, Violation,
};
use mqtt_sansio::packet::{Connect, Disconnect};
use mqtt_sansio::session::{CallId, Token};
use mqtt_sansio::{Message, Packet, PacketId, PacketType, QoS, ReasonCode, Shared, Version};

use super::OK;
use super::numbered::number_of;
use super::plan::describe;
use crate::answers::Answers;
use crate::drive::{Sent, check_heap};
use crate::link::{Door, End, Pipe, decoder};

/// A call without an outcome, or a message with one.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) number: u32,
    /// `None` for a request.
    pub(super) qos: Option<QoS>,
    pub(super) open: bool,
    pub(super) accepted: bool,
    pub(super) taken_back: bool,
}

/// A request that the application of a server holds: its codes, or none for UNSUBSCRIBE.
type Asked = (RequestToken, PacketId, Option<usize>, usize);

#[derive(Debug)]
pub(super) struct Side<R> {
    pub(super) end: End<R, Shared>,
    pub(super) clock: Duration,
    pub(super) answers: Answers,
    sent: Sent,
    pub(super) calls: BTreeMap<(u32, CallId), Call>,
    /// The session, as the identifiers of calls begin anew with each.
    pub(super) era: u32,
    pub(super) held: Vec<(Token, Option<u32>)>,
    pub(super) asked: Vec<Asked>,
    /// How often each message was taken over.
    pub(super) taken: BTreeMap<u32, u32>,
    /// What has left towards this end on this link, and has not arrived; and whether its sender was
    /// deceived.
    under_way: VecDeque<(Packet, bool)>,
    /// What has arrived as it was read, and is not handed over.
    heard: VecDeque<Packet>,
    /// Whether something has arrived that is no packet.
    garbled: bool,
    /// Whether a packet was ever taken for another.
    pub(super) deceived: bool,
    /// Whether a packet ever came from an end that was deceived.
    misled: bool,
    pub(super) closed: Option<Closed>,
    /// Whether this end may explain its acknowledgements, and how often it has.
    pub(super) may_explain: bool,
    pub(super) explained: usize,
    /// Whether the application has ended the connection, and nothing is read any more.
    leaves: bool,
    has_connect: bool,
    pub(super) watched: bool,
    /// The packets that left and arrived, for who wants to know.
    pub(super) seen: Option<Vec<String>>,
}

impl<R: Role + Clone + Debug> Side<R> {
    pub(super) fn new(connection: Connection<R, Shared>, version: Version) -> Self {
        Self {
            end: End::new(connection, Door::Bytes, decoder(R::SIDE, version)),
            clock: Duration::from_secs(100),
            answers: Answers::new(version),
            sent: Sent::new(R::SIDE),
            calls: BTreeMap::new(),
            era: 0,
            held: Vec::new(),
            asked: Vec::new(),
            taken: BTreeMap::new(),
            under_way: VecDeque::new(),
            heard: VecDeque::new(),
            garbled: false,
            deceived: false,
            misled: false,
            closed: None,
            may_explain: true,
            explained: 0,
            leaves: false,
            has_connect: false,
            watched: false,
            seen: None,
        }
    }

    /// Another network connection.
    pub(super) fn renew(&mut self) {
        self.answers.renew();
        self.answers.in_pieces = !self.end.is_by_packets();
        self.sent = Sent::new(R::SIDE);
        self.asked.clear();
        self.under_way.clear();
        self.heard.clear();
        (self.garbled, self.closed) = (false, None);
        (self.leaves, self.has_connect, self.watched) = (false, false, false);
    }

    /// The session is another one.
    pub(super) fn forget(&mut self) {
        self.era += 1;
        self.held.clear();
        self.answers.forget();
        for call in self.calls.values_mut() {
            call.open = false;
        }
    }

    pub(super) fn speak(&mut self) {
        self.answers.speak(self.end.connection.version());
    }

    pub(super) fn called(&mut self, id: CallId, number: u32, qos: Option<QoS>) {
        let call = Call {
            number,
            qos,
            open: true,
            accepted: false,
            taken_back: false,
        };
        let before = self.calls.insert((self.era, id), call);
        assert!(before.is_none(), "{id} is used again");
    }

    pub(super) fn leave(&mut self) {
        let last = Disconnect::new(OK);
        self.leaves |= self.end.connection.disconnect(last).is_ok();
    }

    pub(super) fn open(&self) -> usize {
        self.calls.values().filter(|call| call.open).count()
    }

    /// Sends the next packet, or so many bytes.
    pub(super) fn send<P: Role + Clone + Debug>(
        &mut self,
        peer: &mut Side<P>,
        out: &mut Pipe,
        told: Duration,
        room: usize,
    ) {
        self.listen(out);
        self.watched |= self.end.send(told, Duration::ZERO, room, out);
        self.watch(peer, out);
    }

    pub(super) fn listen(&self, out: &mut Pipe) {
        if !self.watched {
            // A damaged CONNECT may say another version.
            out.watch_as(R::SIDE, self.end.connection.version());
        }
    }

    /// Takes note of what leaves.
    pub(super) fn watch<P>(&mut self, peer: &mut Side<P>, out: &mut Pipe) {
        self.answers.may_omit = self.deceived;
        while let Some(packet) = out.watch() {
            if let Some(seen) = &mut self.seen {
                seen.push(describe(R::SIDE, &packet, "leaves"));
            }
            self.sent.check(&packet);
            self.answers.leaves(&packet, self.end.connection.session());
            peer.under_way.push_back((packet, self.deceived));
        }
    }

    /// Takes in up to so many bytes.
    pub(super) fn receive(
        &mut self,
        input: &mut Pipe,
        told: Duration,
        most: usize,
    ) -> Option<Connect> {
        let mut most = most;
        let mut connect = None;
        for found in 0.. {
            assert!(found <= 1_000 + most, "no end");
            let incoming = self.receive_next(input, told, most);
            most = 0;
            match incoming {
                Some(Incoming::Connect(came)) => connect = Some(*came),
                Some(incoming) => self.takes(incoming),
                None if self.end.is_by_packets() && self.end.handed && !self.end.is_early() => {}
                None => break,
            }
        }
        self.check_events();
        let waits = !self.end.is_empty();
        self.has_connect |= connect.is_some();
        // What is behind CONNECT is read once that is accepted.
        let early = self.has_connect && !self.end.connection.is_connected();
        if self.garbled && !waits && !early {
            let over = self.closed.is_some() || self.end.connection.is_closed();
            assert!(
                over || self.leaves,
                "what is no packet is not reported: {:?}",
                self.end
            );
        }
        connect
    }

    fn receive_next(&mut self, input: &mut Pipe, told: Duration, most: usize) -> Option<Incoming> {
        // What arrives is looked at before the connection does, which answers it.
        let (end, heard) = (&mut self.end, &mut self.heard);
        let (answers, under_way) = (&mut self.answers, &mut self.under_way);
        let (garbled, deceived) = (&mut self.garbled, &mut self.deceived);
        let misled = &mut self.misled;
        let seen = &mut self.seen;
        let mut look = |input: &mut Pipe| {
            loop {
                match input.hear() {
                    Ok(Some(packet)) => {
                        if let Some(seen) = seen {
                            seen.push(describe(R::SIDE, &packet, "arrives"));
                        }
                        let (sent, by_deceived) = under_way.pop_front().unzip();
                        *deceived |= sent.as_ref() != Some(&packet);
                        *misled |= by_deceived == Some(true);
                        answers.comes(&packet);
                        heard.push_back(packet);
                    }
                    Ok(None) => return,
                    Err(_) => *garbled = true,
                }
            }
        };
        let found = end.receive(told, input, most);
        look(input);
        match found {
            Ok(incoming) => incoming,
            Err(Violation::SessionPresent) => None,
            Err(violation) => {
                assert!(self.deceived || self.misled, "{violation}");
                None
            }
        }
    }

    /// Takes what is handed over: it was heard, and in this order.
    fn takes(&mut self, incoming: Incoming) {
        let same = |packet: &Packet| match (packet, &incoming) {
            (Packet::Publish(heard), Incoming::Message(message, token)) => {
                heard.payload == message.payload && heard.delivery == token.delivery()
            }
            (Packet::Subscribe(heard), Incoming::Subscribe(found, _)) => heard == found,
            (Packet::Unsubscribe(heard), Incoming::Unsubscribe(found, _)) => heard == found,
            (Packet::Auth(heard), Incoming::Auth(found)) => heard == found,
            _ => false,
        };
        let at = self.heard.iter().position(same);
        let at = at.unwrap_or_else(|| panic!("{incoming:?} never came"));
        self.heard.drain(..=at);
        match incoming {
            Incoming::Message(message, token) => self.holds(&message, token),
            Incoming::Subscribe(request, token) => {
                let codes = request.subscriptions.iter().count();
                let asked = (token, request.packet_id, Some(codes), codes);
                self.asked.push(asked);
            }
            Incoming::Unsubscribe(request, token) => {
                let codes = request.filters.iter().count();
                self.asked.push((token, request.packet_id, None, codes));
            }
            _ => {}
        }
    }

    fn holds(&mut self, message: &Message, token: Token) {
        self.answers.delivered(token);
        let number = number_of(&message.payload);
        if token.qos() == QoS::AtMostOnce {
            self.takes_over(number);
        } else {
            self.held.push((token, number));
        }
    }

    pub(super) fn takes_over(&mut self, number: Option<u32>) {
        if let Some(number) = number {
            *self.taken.entry(number).or_default() += 1;
        }
    }

    pub(super) fn check_events(&mut self) {
        while let Some(event) = self.end.connection.poll_event() {
            match event {
                Event::Published(id, outcome) => {
                    let call = self.ends(id);
                    call.accepted = matches!(outcome, Outcome::Accepted(_));
                    assert!(call.qos.is_some(), "{id} is no message");
                }
                Event::Subscribed(id, _) | Event::Unsubscribed(id, _) => {
                    assert!(self.ends(id).qos.is_none(), "{id} is no request");
                }
                Event::Closed(why) => {
                    if let Closed::Malformed(error) = &why {
                        // The head of a message is read before all of it has come.
                        let head = error.packet() == Some(PacketType::Publish);
                        assert!(self.garbled || head, "{error}");
                    }
                    assert!(self.closed.is_none(), "closed twice");
                    self.closed = Some(why);
                }
                _ => {}
            }
        }
    }

    fn ends(&mut self, id: CallId) -> &mut Call {
        let call = self.calls.get_mut(&(self.era, id));
        let call = call.unwrap_or_else(|| panic!("no such call: {id}"));
        assert!(call.open, "a second outcome: {id}");
        call.open = false;
        call
    }

    pub(super) fn answered(&mut self, kind: PacketType, id: PacketId, codes: Vec<ReasonCode>) {
        self.answers.answered(kind, id, codes);
    }

    pub(super) fn check(&mut self) {
        self.check_events();
        let connection = &self.end.connection;
        assert!(!(connection.is_closed() && connection.is_connected()));
        assert_ne!(connection.wait(self.clock), Some(Duration::ZERO));
        let unread = self.under_way.len() + self.heard.len();
        check_heap(
            connection,
            self.answers.len() + self.open() + self.held.len() + unread,
        );
    }
}
