//! One end, and what its user knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_sansio::connection::{Closed, Connection, RequestToken, Role};
use mqtt_sansio::packet::{Subscriptions, TopicFilters};
use mqtt_sansio::session::{CallId, Token};
use mqtt_sansio::{Message, Packet, PacketId, PacketType, QoS, ReasonCode, Side as Sender};

use super::journal::Journal;
use super::same;
use crate::choices::{Choices, some_time};
use crate::drive::Sent;
use crate::link::End;

/// What a call asked for.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Publish(QoS, Message),
    Subscribe(Subscriptions),
    Unsubscribe(TopicFilters),
}

/// A call that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) number: u32,
    pub(super) asked: Asked,
    pub(super) done: bool,
    /// Whether its packet has ever left, and on which link first.
    pub(super) left: bool,
    pub(super) taken_back: bool,
    /// When it expires, once that has begun.
    pub(super) deadline: Option<Duration>,
    /// Whether this side has been restored since, so that it may be sent again without having left.
    pub(super) restored: bool,
    /// Whether the journal has it.
    pub(super) persisted: bool,
    pub(super) accepted: bool,
}

/// A delivery that an application holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) token: Token,
    pub(super) number: u32,
    pub(super) link: u32,
    pub(super) spent: bool,
}

/// One end and its application.
#[derive(Debug)]
pub(super) struct Actor<R> {
    pub(super) end: End<R>,
    /// The session, as the server's identifiers begin anew with each.
    pub(super) era: u32,
    pub(super) records: BTreeMap<(u32, CallId), Record>,
    pub(super) last_call: Option<CallId>,
    /// Records whose expiry interval has not begun.
    pub(super) fresh: Vec<(u32, CallId)>,
    pub(super) held: Vec<Held>,
    pub(super) requests: Vec<(RequestToken, Packet)>,
    /// How often each message was taken over.
    pub(super) delivered: BTreeMap<u32, u32>,
    pub(super) refused: BTreeSet<u32>,
    /// QoS 2 messages that count as taken over once the journal says so.
    pub(super) pending: BTreeMap<PacketId, u32>,
    pub(super) journal: Option<Journal>,
    /// What has left towards this end and is to be handled in this order.
    pub(super) expected: VecDeque<Packet>,
    /// Numbers of all messages that came in.
    pub(super) seen: BTreeSet<u32>,
    /// The codes with which this end has answered each message.
    pub(super) codes: BTreeMap<u32, Vec<ReasonCode>>,
    /// The message of each identifier that was last sent to this end.
    pub(super) numbers: BTreeMap<PacketId, u32>,
    /// The messages of QoS 2 that the user was handed in this session, and has not refused.
    pub(super) handed: BTreeSet<u32>,
    /// The acknowledgements that came for identifiers that are not in use.
    pub(super) strays: BTreeSet<(PacketType, PacketId)>,
    pub(super) sent: Sent,
    pub(super) last_arrival: Duration,
    pub(super) told: Duration,
    /// SUBACK and UNSUBACK that are accepted and have not left.
    pub(super) answers: u32,
    /// Messages of this link in order, and whether each is answered; those that left are gone.
    pub(super) receipts: VecDeque<(PacketId, bool)>,
    pub(super) closed: Option<Closed>,
    /// The number of the link.
    pub(super) link: u32,
    /// Whether the connection has the session.
    pub(super) has_session: bool,
    /// Whether the connection was accepted.
    pub(super) established: bool,
    /// How many packets may have left in part.
    pub(super) halves: u32,
    /// What this end holds its own messages to.
    pub(super) max_in_flight: NonZeroU16,
    /// What this end holds its peer to.
    pub(super) receive_maximum: NonZeroU16,
}

impl<R: Role + Clone + Debug> Actor<R> {
    pub(super) fn new(end: End<R>, side: Sender, journal: bool) -> Self {
        Self {
            end,
            era: 0,
            records: BTreeMap::new(),
            last_call: None,
            fresh: Vec::new(),
            held: Vec::new(),
            requests: Vec::new(),
            delivered: BTreeMap::new(),
            refused: BTreeSet::new(),
            pending: BTreeMap::new(),
            journal: journal.then(Journal::new),
            expected: VecDeque::new(),
            seen: BTreeSet::new(),
            codes: BTreeMap::new(),
            numbers: BTreeMap::new(),
            handed: BTreeSet::new(),
            strays: BTreeSet::new(),
            sent: Sent::new(side),
            last_arrival: Duration::ZERO,
            told: Duration::ZERO,
            answers: 0,
            receipts: VecDeque::new(),
            closed: None,
            link: 0,
            has_session: true,
            established: false,
            halves: 0,
            max_in_flight: NonZeroU16::MAX,
            receive_maximum: NonZeroU16::MAX,
        }
    }

    /// Goes on with this connection, set up in some way.
    pub(super) fn set_up(&mut self, connection: Connection<R>, choices: &mut Choices<'_>) {
        let aliases = choices.pick([0, 0, 2]);
        self.max_in_flight = NonZeroU16::new(choices.pick([1, 2, 100])).unwrap();
        let in_pieces = match self.max_in_flight.get() {
            1 => 0,
            2 => 30,
            _ => u32::MAX,
        };
        let connection = connection
            .pieces_above(in_pieces)
            .automatic_aliases(aliases)
            .max_in_flight(self.max_in_flight)
            .max_queued(choices.pick([6, 1_000]));
        self.end.connection = match &self.journal {
            Some(_) => connection.changes(),
            None => connection,
        };
    }

    /// Another network connection.
    pub(super) fn renew(&mut self, side: Sender, now: Duration) {
        self.expected.clear();
        self.requests.clear();
        self.sent = Sent::new(side);
        self.answers = 0;
        self.receipts.clear();
        self.closed = None;
        self.last_arrival = now;
        self.link += 1;
        self.established = false;
    }

    /// Tells a time, perhaps an old one (f).
    pub(super) fn tell(&mut self, now: Duration, choices: &mut Choices<'_>) -> Duration {
        let told = some_time(now, choices);
        self.heard(told);
        told
    }

    /// The connection was told a time.
    pub(super) fn heard(&mut self, told: Duration) {
        self.told = self.told.max(told);
        if !self.has_session {
            return;
        }
        for key in std::mem::take(&mut self.fresh) {
            let record = self.records.get_mut(&key).unwrap();
            if let Asked::Publish(_, message) = &record.asked {
                let seconds = message.properties.message_expiry_interval();
                let after = seconds.map(|s| Duration::from_secs(s.into()));
                record.deadline = after.map(|after| self.told + after);
            }
        }
    }

    /// Does the same on a copy at the latest time that was told, and compares (f).
    pub(super) fn twin(&self, told: Duration, mut act: impl FnMut(&mut Connection<R>, Duration)) {
        let mut late = self.end.connection.clone();
        let mut early = self.end.connection.clone();
        act(&mut late, self.told);
        act(&mut early, told);
        same(&late, &early, "(f) time goes back");
    }

    pub(super) fn open(&self) -> Option<&Record> {
        self.records.values().find(|record| !record.done)
    }

    /// Nothing is under way in the session, and its quotas are those that were agreed on (e).
    pub(super) fn check_rest(&self, peer: NonZeroU16) {
        let session = self.end.connection.session();
        assert!(session.is_empty(), "(e) {session:?}");
        let quotas = (session.send_quota(), session.receive_quota());
        let sends = peer.min(self.max_in_flight);
        assert_eq!(quotas, (sends.get(), self.receive_maximum.get()), "(e)");
    }

    /// Whether the connection has ended and something may be left to send.
    pub(super) fn is_closing(&self) -> bool {
        self.closed.is_some() && !self.end.connection.is_closed()
    }

    /// What is late is not tried again and again.
    pub(super) fn drop_late(&mut self) {
        let link = self.link;
        self.held.retain(|held| {
            !held.spent && (held.link == link || held.token.qos() == QoS::ExactlyOnce)
        });
    }
}
