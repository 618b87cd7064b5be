//! One end of the search over connections, by the door for packets, with its application and store.

mod held;
mod link;
mod store;

use std::time::Duration;

use mqtt_sansio::connection::{Incoming, client, server};
use mqtt_sansio::packet::Disconnect;
use mqtt_sansio::property::AckProperties;
use mqtt_sansio::session::{Receipt, Session, Snapshot, Token};
use mqtt_sansio::{Message, Packet, QoS, ReasonCode};

use super::app::{App, Broken, Effect, Wire, hold};
use super::packets::{message, packet, wire};
use super::setting::Setting;
use super::step::{End, Facts, Op, Side};
use super::text::Node;

#[derive(Clone, Debug)]
enum Role {
    Client(client::Connection),
    Server(server::Connection),
}

/// Does the same with a connection of either role.
macro_rules! either {
    ($role:expr, $connection:ident => $does:expr) => {
        match $role {
            Role::Client($connection) => $does,
            Role::Server($connection) => $does,
        }
    };
}
use either;

#[derive(Clone, Debug)]
pub(crate) struct ConnectionEnd {
    setting: &'static Setting,
    side: usize,
    role: Role,
    app: App,
    store: Option<Snapshot<Message>>,
    /// The session of a server while no connection has it.
    kept: Option<Session<Message>>,
    /// Whether the connection has the session: a client's always does.
    has_session: bool,
    /// Of a client: no connection was accepted since a clean start was asked for. Of a server: the
    /// client may not know that the session is new.
    unsettled: bool,
    /// Whether the session ends with the connection, as a clean one of 3.1.1 does.
    ends_session: bool,
    up: bool,
    now: Duration,
    /// The Receive Maximum of this end, and of the peer.
    own: u16,
    peer: u16,
}

impl End for ConnectionEnd {
    fn new(setting: &'static Setting, side: Side) -> Self {
        let mut snapshot = Snapshot::new();
        // The identifiers begin at the end, so that they go over 0, unless they are to be few.
        let last = if setting.ids == 0 { 65_534 } else { 0 };
        snapshot.last_packet_id = mqtt_sansio::PacketId::new(last);
        let journal = setting.journals[side as usize];
        let role = match side {
            Side::A => Role::Client(client(
                Session::restore(snapshot.clone(), []).unwrap(),
                journal,
            )),
            Side::B => Role::Server(server(Duration::ZERO, journal)),
        };
        Self {
            setting,
            side: side as usize,
            role,
            app: App::default(),
            store: journal.then_some(snapshot),
            kept: None,
            has_session: side == Side::A,
            unsettled: side == Side::B,
            ends_session: false,
            up: false,
            now: Duration::ZERO,
            own: 0,
            peer: 0,
        }
    }

    fn ops(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        let (app, setting) = (&self.app, self.setting);
        let mut copy = self.clone();
        let stored = !copy.store_one();
        if !stored {
            ops.push(Op::Store);
        }
        let connected = either!(&self.role, connection => connection.is_connected());
        for at in (0..app.held.len()).filter(|_| self.session().is_some()) {
            ops.push(Op::Acknowledge(at, false));
            if setting.refuse && connected {
                ops.push(Op::Acknowledge(at, true));
            }
        }
        // The last that is asked of a connection may be to end.
        let sends = either!(&mut copy.role, connection => {
            connection.poll_transmit(self.now).is_some() || connection.is_closed()
        });
        if self.up && stored && sends {
            ops.push(Op::Transmit);
        }
        let client = matches!(self.role, Role::Client(_));
        if app.sent.len() < usize::from(setting.messages[self.side]) {
            // A client may begin before CONNACK, but not once it has said that it ends.
            let may = |qos: QoS| match client {
                _ if connected => true,
                _ if qos == QoS::AtMostOnce => false,
                true if self.up => self.clone().publish(qos).is_ok(),
                true => true,
                false => !self.up && self.kept.is_some(),
            };
            let qos = setting.qos.iter().filter(|qos| may(**qos));
            ops.extend(qos.map(|qos| Op::Publish(*qos)));
        }
        if setting.abandon && (client || connected) {
            let kept = self.session().into_iter().flat_map(Session::messages);
            ops.extend(kept.map(|stored| Op::Abandon(stored.message.payload[0].into())));
        }
        if setting.crash[self.side] && !self.up && (client || self.kept.is_some()) {
            ops.push(Op::Crash);
        }
        if setting.disconnect && connected {
            ops.push(Op::Disconnect);
        }
        ops
    }

    fn apply(&mut self, op: Op) -> Result<Effect, Broken> {
        let wire = self.act(op)?;
        let mut effect = self.events()?;
        effect.wire = wire;
        if self.up && either!(&self.role, connection => connection.is_closed()) {
            self.up = false;
            self.app.cut();
            if let (Role::Server(connection), true) = (&mut self.role, self.has_session) {
                self.kept = connection.take_session();
                self.has_session = false;
                let kept = self.kept.is_some();
                hold!(kept != self.ends_session, "the session is kept: {kept}");
            }
            if self.ends_session {
                self.is_reset();
            }
        }
        self.check()?;
        Ok(effect)
    }

    fn held(&self, at: usize) -> u8 {
        self.app.held[at].message
    }

    fn key(&self) -> String {
        let text = either!(&self.role, connection => format!("{connection:?}"));
        let kept = self.kept.as_ref().map(|kept| format!("{kept:?}"));
        let node = Node::parse(&text);
        let call = |call| self.app.message_of(call);
        let mut out = format!(
            "{} {:?} ",
            self.side,
            (self.has_session, self.unsettled, self.up, self.ends_session)
        );
        out.push_str(&format!("{:?}", (self.own, self.peer)));
        node.write(&mut out, &call);
        let mut session = node.find("session").cloned().filter(|_| self.has_session);
        if let Some(kept) = &kept {
            session.insert(Node::parse(kept)).write(&mut out, &call);
        }
        if let Some(store) = &self.store {
            Node::parse(&format!("{store:?}")).write(&mut out, &call);
        }
        let next = session
            .as_ref()
            .map(|session| session.get("deliveries").number());
        let live = session
            .map(|session| session.deliveries())
            .unwrap_or_default();
        self.app.write(&mut out, &live, next.unwrap_or(u64::MAX));
        out
    }

    fn facts(&self) -> Facts {
        let connected = either!(&self.role, connection => connection.is_connected());
        let waits = self.clone().store_one();
        let is_over = self.app.held.is_empty() && self.app.open().next().is_none();
        Facts {
            taken: self.app.taken,
            refused: self.app.refused,
            up: self.up,
            quiet: connected && !waits && is_over && self.session().is_some_and(Session::is_empty),
        }
    }
}

fn client(session: Session<Message>, journal: bool) -> client::Connection {
    let connection = client::Connection::with_session(session).max_packet_size(u32::MAX);
    match journal {
        true => connection.changes(),
        false => connection,
    }
}

fn server(now: Duration, journal: bool) -> server::Connection {
    let connection = server::Connection::new(now, Duration::MAX).max_packet_size(u32::MAX);
    match journal {
        true => connection.changes(),
        false => connection,
    }
}

impl ConnectionEnd {
    fn session(&self) -> Option<&Session<Message>> {
        match self.has_session {
            true => Some(either!(&self.role, connection => connection.session())),
            false => self.kept.as_ref(),
        }
    }

    fn act(&mut self, op: Op) -> Result<Option<Wire>, Broken> {
        match op {
            Op::Publish(qos) => self.publish(qos)?,
            Op::Transmit => return self.transmit(),
            Op::Receive(wire) => self.receive(wire)?,
            Op::Acknowledge(at, refuse) => self.acknowledge(at, refuse)?,
            Op::Abandon(at) => self.abandon(at)?,
            Op::Store => drop(self.store_one()),
            Op::Crash => self.crash()?,
            Op::Cut => self.cut()?,
            Op::Open { lose, maximum } => self.open(lose, maximum)?,
            Op::Disconnect => {
                let last = Disconnect::new(ReasonCode::Success);
                either!(&mut self.role, connection => connection.disconnect(last))
                    .map_err(|e| e.to_string())?;
            }
            Op::Connect(..) | Op::Lose | Op::Reset => {
                return Err(format!("{op:?} of a connection"));
            }
        }
        Ok(None)
    }

    fn publish(&mut self, qos: QoS) -> Result<(), Broken> {
        let number = u8::try_from(self.app.sent.len()).unwrap();
        let session = self.session().ok_or("no session")?;
        let id = match qos {
            QoS::AtMostOnce => 0,
            _ => session.next_packet_id().map_or(0, |id| id.get()),
        };
        let call = match &mut self.kept {
            Some(kept) if !self.has_session => kept
                .publish(qos, message(number))
                .map_err(|refused| refused.why.to_string())?,
            _ => either!(&mut self.role, connection => connection.publish(qos, message(number)))
                .map_err(|refused| refused.why.to_string())?,
        };
        self.app.published(qos, call, id)
    }

    fn transmit(&mut self) -> Result<Option<Wire>, Broken> {
        let (version, now) = (self.setting.version, self.now);
        let sent = either!(&mut self.role, connection => {
            let packet = connection.poll_transmit(now);
            packet.map(|packet| wire(version, &packet)).transpose()?
        });
        sent.map_or(Ok(()), |sent| self.app.leaves(sent))?;
        Ok(sent)
    }

    fn receive(&mut self, wire: Wire) -> Result<(), Broken> {
        let (version, now) = (self.setting.version, self.now);
        let packet = packet(version, wire);
        let connected = either!(&self.role, connection => connection.is_connected());
        let mut token: Option<Token> = None;
        let mut asked = false;
        either!(&mut self.role, connection => {
            match connection.handle_packet(now, version, &packet).map_err(|e| format!("{wire:?}: {e}"))? {
                None => {}
                Some(Incoming::Message(found, new)) => {
                    let Packet::Publish(publish) = &packet else {
                        return Err(format!("a message of {wire:?}"));
                    };
                    hold!(publish.payload == found.payload, "{found:?} of {wire:?}");
                    token = Some(new);
                }
                Some(Incoming::Connect(_)) => asked = true,
                Some(other) => return Err(format!("{other:?} of {wire:?}")),
            }
        });
        match wire {
            Wire::Connect { clean, maximum } => {
                hold!(asked, "CONNECT is not asked about");
                self.peer = maximum;
                return self.accept(clean);
            }
            Wire::ConnAck { present, maximum } => {
                self.peer = maximum;
                self.unsettled = false;
                if !present {
                    self.is_reset();
                }
            }
            _ => self.unsettled &= self.side == 0,
        }
        match wire {
            // It is over, and nothing is handled any more.
            _ if !connected => {}
            Wire::Publish(delivery, _, message) => {
                let receipt = token.map_or(Receipt::Duplicate, Receipt::New);
                self.app.arrives((delivery, message), receipt)?;
            }
            Wire::PubRel(id, _) => self.app.released(id),
            Wire::PubRec(id, reason) if !reason.is_error() => self.app.received(id),
            _ => {}
        }
        Ok(())
    }

    fn acknowledge(&mut self, at: usize, refuse: bool) -> Result<(), Broken> {
        let token = self.app.held[at].token;
        let done = match (&mut self.kept, refuse) {
            (Some(kept), _) => kept
                .acknowledge(token, ReasonCode::Success)
                .map_err(Into::into),
            (None, false) => either!(&mut self.role, connection => connection.acknowledge(token)),
            (None, true) => either!(&mut self.role, connection => {
                connection.acknowledge_with(token, ReasonCode::QuotaExceeded, AckProperties::default())
            }),
        };
        done.map_err(|error| format!("{token:?} is not answered: {error}"))?;
        self.app.answered(at, refuse, self.store.is_some());
        Ok(())
    }

    fn abandon(&mut self, at: usize) -> Result<(), Broken> {
        let call = self.app.sent[at].call;
        let given = either!(&mut self.role, connection => connection.abandon(call));
        hold!(
            given == Some(message(u8::try_from(at).unwrap())),
            "{given:?} is given back, not {at}"
        );
        self.app.taken_back(at);
        Ok(())
    }
}
