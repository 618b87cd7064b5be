//! What the application of one end and an observer of its packets know, and what they hold the
//! library to. No state of the library is read here.

mod key;

use std::collections::VecDeque;

use mqtt_sansio::session::{CallId, Change, Fate, Receipt, Session, Snapshot, Token};
use mqtt_sansio::{Delivery, PacketId, QoS, ReasonCode};

/// A packet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Wire {
    Connect { clean: bool, maximum: u16 },
    ConnAck { present: bool, maximum: u16 },
    Publish(Delivery, bool, u8),
    PubAck(PacketId, ReasonCode),
    PubRec(PacketId, ReasonCode),
    PubRel(PacketId, ReasonCode),
    PubComp(PacketId, ReasonCode),
    Disconnect,
}

impl Wire {
    /// The type of packet, and what else distinguishes it but numbers.
    pub(crate) fn kind(self) -> String {
        match self {
            Self::Connect { clean, .. } => format!("CONNECT {clean}"),
            Self::ConnAck { present, .. } => format!("CONNACK {present}"),
            Self::Publish(delivery, dup, _) => format!("PUBLISH {:?} {dup}", delivery.qos()),
            Self::PubAck(_, reason) => format!("PUBACK {}", reason.is_error()),
            Self::PubRec(_, reason) => format!("PUBREC {}", reason.is_error()),
            Self::PubRel(_, reason) => format!("PUBREL {}", reason.is_error()),
            Self::PubComp(_, reason) => format!("PUBCOMP {}", reason.is_error()),
            Self::Disconnect => "DISCONNECT".to_owned(),
        }
    }
}

/// The reason why a promise is broken.
pub(crate) type Broken = String;

macro_rules! hold {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}
pub(crate) use hold;

/// A message of this end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) qos: QoS,
    pub(crate) call: CallId,
    /// 0 at QoS 0.
    pub(crate) id: u16,
    /// Whether its packet has left, or is stored as sent.
    pub(crate) left: bool,
    pub(crate) taken_back: bool,
    pub(crate) stored: bool,
    pub(crate) open: bool,
}

/// A delivery that the application holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) token: Token,
    pub(crate) message: u8,
}

/// What happened in a step, for the other end to be compared with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effect {
    pub(crate) wire: Option<Wire>,
    /// The messages whose outcome says that the peer has, or refused them.
    pub(crate) accepted: u8,
    pub(crate) refused: u8,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct App {
    pub(crate) sent: Vec<Record>,
    /// PUBLISH of this link that count against the quota, by identifier.
    pub(crate) flying: Vec<u16>,
    /// PUBREC has come for these, in this order, and PUBREL of this link is due for the latter.
    released: Vec<u16>,
    to_release: VecDeque<u16>,
    /// The last message that left on this link.
    last: Option<u8>,
    pub(crate) held: Vec<Held>,
    /// Deliveries that are over.
    pub(crate) stale: Vec<Token>,
    /// The messages that came, that are taken over and that were refused, by bit.
    seen: u8,
    pub(crate) taken: u8,
    pub(crate) refused: u8,
    /// Messages that count as taken over once that is stored.
    pub(crate) pending: Vec<(u16, u8)>,
    /// Answers that are due, in their order.
    owed: VecDeque<u16>,
    /// PUBLISH of the peer on this link that count against the quota.
    pub(crate) receiving: Vec<u16>,
}

impl App {
    pub(crate) fn open(&self) -> impl Iterator<Item = &Record> {
        self.sent.iter().filter(|record| record.open)
    }

    /// The messages with an identifier that are not over.
    pub(crate) fn ids_in_use(&self) -> usize {
        self.open().filter(|record| record.id > 0).count()
    }

    pub(crate) fn published(&mut self, qos: QoS, call: CallId, id: u16) -> Result<(), Broken> {
        let used = self.open().any(|record| id > 0 && record.id == id);
        hold!(!used, "the identifier {id} is in use");
        let mut known = self
            .sent
            .iter()
            .filter(|record| record.open || record.stored);
        let again = known.any(|record| record.call >= call);
        hold!(!again, "the call {call} is not new");
        self.sent.push(Record {
            qos,
            call,
            id,
            left: false,
            taken_back: false,
            stored: false,
            open: true,
        });
        Ok(())
    }

    /// A packet leaves.
    pub(crate) fn leaves(&mut self, wire: Wire) -> Result<(), Broken> {
        match wire {
            Wire::Publish(delivery, dup, message) => {
                let record = self.sent.get_mut(usize::from(message));
                let record = record.filter(|record| record.open && !record.taken_back);
                let Some(record) = record else {
                    return Err(format!("message {message} leaves and is not open"));
                };
                let id = delivery.packet_id().map_or(0, PacketId::get);
                hold!(
                    (record.qos, record.id) == (delivery.qos(), id),
                    "{wire:?} of {record:?}"
                );
                let again = std::mem::replace(&mut record.left, true);
                hold!(
                    again == dup || (id == 0 && !dup),
                    "DUP of {wire:?} [MQTT-3.3.1-1]"
                );
                let released = self.released.contains(&id) || self.to_release.contains(&id);
                hold!(!released, "{wire:?} behind PUBREC [MQTT-4.3.3-6]");
                hold!(
                    self.last < Some(message),
                    "{wire:?} out of order [MQTT-4.6.0-1]"
                );
                self.last = Some(message);
                if id > 0 {
                    self.flying.push(id);
                }
            }
            Wire::PubAck(id, reason) | Wire::PubRec(id, reason) => {
                let next = self.owed.pop_front();
                hold!(
                    next == Some(id.get()),
                    "{wire:?}, not {next:?} [MQTT-4.6.0-2] [MQTT-4.6.0-3]"
                );
                let is_held = self
                    .held
                    .iter()
                    .any(|held| held.token.packet_id() == Some(id));
                hold!(!is_held, "{wire:?} before the application has answered");
                if matches!(wire, Wire::PubAck(..)) || reason.is_error() {
                    self.receiving.retain(|other| *other != id.get());
                }
            }
            Wire::PubRel(id, _) => {
                let id = id.get();
                match self.to_release.front() {
                    Some(next) if *next == id => drop(self.to_release.pop_front()),
                    next => {
                        let mut open = self.open();
                        let taken_back = open.any(|record| record.id == id && record.taken_back);
                        hold!(taken_back, "{wire:?}, not {next:?} [MQTT-4.6.0-4]");
                    }
                }
            }
            Wire::PubComp(id, _) => self.receiving.retain(|other| *other != id.get()),
            Wire::Connect { .. } | Wire::ConnAck { .. } | Wire::Disconnect => {}
        }
        Ok(())
    }

    /// PUBLISH has arrived.
    pub(crate) fn arrives(
        &mut self,
        (delivery, message): (Delivery, u8),
        receipt: Receipt,
    ) -> Result<(), Broken> {
        let bit = 1 << message;
        let at_once = delivery.qos() == QoS::AtMostOnce;
        if let Some(id) = delivery.packet_id().map(PacketId::get) {
            if !self.owed.contains(&id) {
                self.owed.push_back(id);
            }
            if !self.receiving.contains(&id) {
                self.receiving.push(id);
            }
        }
        let Receipt::New(token) = receipt else {
            let known = (self.taken | self.seen) & bit > 0;
            hold!(known, "{delivery:?} {message} is new and not delivered");
            return Ok(());
        };
        let is_held = self.held.iter().any(|held| held.message == message);
        hold!(!is_held, "{message} is delivered while it is held");
        let once = delivery.qos() != QoS::AtLeastOnce;
        hold!(
            !once || self.taken & bit == 0,
            "{message} is delivered twice [MQTT-4.3.3-10]"
        );
        let late = self.seen & bit == 0 && self.seen >> message > 0;
        hold!(!late || at_once, "{message} is late [MQTT-4.6.0-1]");
        self.seen |= bit;
        match at_once {
            true => self.taken |= bit,
            false => self.held.push(Held { token, message }),
        }
        Ok(())
    }

    /// PUBREL has arrived: the peer does not wait for PUBREC any more.
    pub(crate) fn released(&mut self, id: PacketId) {
        self.owed.retain(|other| *other != id.get());
        self.drop_held(|held| held.token.packet_id() == Some(id));
    }

    /// Deliveries are over.
    pub(crate) fn drop_held(&mut self, over: impl Fn(&Held) -> bool) {
        let (over, held) = self.held.iter().partition(|held| over(held));
        let over: Vec<Held> = over;
        self.held = held;
        for held in over {
            self.spend(held.token);
        }
    }

    /// The token names nothing from now on.
    pub(crate) fn spend(&mut self, token: Token) {
        let same =
            |other: &Token| (other.packet_id(), other.qos()) != (token.packet_id(), token.qos());
        self.stale.retain(same);
        self.stale.push(token);
    }

    /// The application has answered a delivery.
    pub(crate) fn answered(&mut self, at: usize, refuse: bool, store: bool) {
        let Held { token, message } = self.held.remove(at);
        let id = token.packet_id().map_or(0, PacketId::get);
        match refuse {
            true => self.refused |= 1 << message,
            false if store && token.qos() == QoS::ExactlyOnce => self.pending.push((id, message)),
            false => self.taken |= 1 << message,
        }
        self.spend(token);
    }

    /// PUBREC has arrived.
    pub(crate) fn received(&mut self, id: PacketId) {
        for record in self.sent.iter_mut().filter(|record| record.id == id.get()) {
            record.taken_back = false;
        }
        self.released.push(id.get());
        self.to_release.push_back(id.get());
    }

    /// A call has its outcome.
    pub(crate) fn ended(&mut self, call: CallId, fate: Option<Fate>) -> Result<Effect, Broken> {
        let at = self
            .sent
            .iter()
            .position(|record| record.open && record.call == call);
        let Some(at) = at else {
            return Err(format!("a second outcome, or none that was due: {call}"));
        };
        let record = &mut self.sent[at];
        record.open = false;
        let id = record.id;
        let mut effect = Effect::default();
        match fate {
            Some(Fate::Accepted) => effect.accepted = 1 << at,
            Some(Fate::Refused) if !record.taken_back => effect.refused = 1 << at,
            _ => {}
        }
        if id > 0 {
            self.flying.retain(|other| *other != id);
            self.released.retain(|other| *other != id);
            self.to_release.retain(|other| *other != id);
        }
        Ok(effect)
    }

    /// The application has taken a message back.
    pub(crate) fn taken_back(&mut self, at: usize) {
        let record = &mut self.sent[at];
        record.taken_back = true;
    }

    /// The link is gone.
    pub(crate) fn cut(&mut self) {
        self.flying.clear();
        self.to_release = self.released.iter().copied().collect();
        self.last = None;
        self.owed.clear();
        self.receiving.clear();
        self.drop_held(|held| held.token.qos() != QoS::ExactlyOnce);
    }

    /// The session is restored: the application knows no more than is stored.
    pub(crate) fn crash<M>(&mut self, snapshot: &Snapshot<M>) -> Result<(), Broken> {
        self.held.clear();
        self.stale.clear();
        self.pending.clear();
        let messages = snapshot.messages.iter();
        let mut stored: Vec<_> = messages.map(|stored| (stored.call, stored.sent)).collect();
        let releases = snapshot.releases.iter().chain(&snapshot.abandoned);
        stored.extend(releases.map(|release| (release.call, true)));
        for record in &mut self.sent {
            let lives = stored
                .iter()
                .find(|(call, _)| record.stored && *call == record.call);
            let lost = record.open && record.stored && !record.taken_back && lives.is_none();
            hold!(!lost, "{record:?} is lost in a crash");
            record.open = lives.is_some();
            record.left = lives.is_some_and(|(_, left)| *left);
            // What was not stored is forgotten.
            let mut abandoned = snapshot.abandoned.iter();
            record.taken_back = abandoned.any(|release| release.call == record.call);
        }
        let known = |call| self.sent.iter().any(|record| record.call == call);
        let unknown = stored.iter().find(|(call, _)| !known(*call));
        hold!(unknown.is_none(), "nobody knows {unknown:?}");
        let releases = snapshot.releases.iter();
        self.released = releases.map(|release| release.packet_id.get()).collect();
        self.to_release = self.released.iter().copied().collect();
        Ok(())
    }

    /// Stores a change, where changes are stored.
    pub(crate) fn store<M: Clone>(&mut self, store: &mut Option<Snapshot<M>>, change: Change<M>) {
        match change {
            Change::Stored { call, .. } => self.is_stored(call),
            Change::Received(id) => self.is_taken(id),
            _ => {}
        }
        if let Some(old) = store.take() {
            *store = Some(Session::restore(old, [change]).unwrap().snapshot());
        }
    }

    /// A message is stored.
    fn is_stored(&mut self, call: CallId) {
        for record in self
            .sent
            .iter_mut()
            .filter(|record| record.open && record.call == call)
        {
            record.stored = true;
        }
    }

    /// It is stored that a message of QoS 2 is taken over.
    fn is_taken(&mut self, id: PacketId) {
        if let Some(at) = self
            .pending
            .iter()
            .position(|(other, _)| *other == id.get())
        {
            self.taken |= 1 << self.pending.remove(at).1;
        }
    }

    /// Messages of QoS 1 that were taken back end with their link.
    pub(crate) fn forget_taken_back(&mut self) {
        for record in &mut self.sent {
            record.open &= !(record.taken_back && record.qos == QoS::AtLeastOnce);
        }
    }

    /// The session is another one: all deliveries and exchanges of `over` have ended.
    pub(crate) fn forget(&mut self, over: impl Fn(&Record) -> bool) {
        for record in self.sent.iter_mut().filter(|record| record.open) {
            record.open = !over(record);
        }
        self.drop_held(|_| true);
        self.pending.clear();
        (self.released, self.to_release) = <_>::default();
    }
}
