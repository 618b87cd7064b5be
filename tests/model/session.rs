//! One end of the search over `Session` alone, with its application and its store.

use std::num::NonZeroU16;

use mqtt_sansio::session::{
    CallId, Link, Progress, Receipt, Session, SessionError, Snapshot, Transmit,
};
use mqtt_sansio::{QoS, ReasonCode};

use super::app::{App, Broken, Effect, Wire, hold};
use super::setting::Setting;
use super::step::{End, Facts, Op, Side};
use super::text::Node;

#[derive(Clone, Debug)]
pub(crate) struct SessionEnd {
    setting: &'static Setting,
    side: usize,
    session: Session<u8>,
    app: App,
    /// What a crash leaves, where changes are stored.
    store: Option<Snapshot<u8>>,
    /// The quotas of the link, to send and to receive.
    quotas: Option<(u16, u16)>,
}

impl End for SessionEnd {
    fn new(setting: &'static Setting, side: Side) -> Self {
        let side = side as usize;
        let mut snapshot = Snapshot::new();
        // The identifiers begin at the end, so that they go over 0.
        snapshot.last_packet_id = match setting.ids {
            0 => mqtt_sansio::PacketId::new(65_534),
            _ => None,
        };
        let mut end = Self {
            setting,
            side,
            session: Session::restore(snapshot.clone(), []).unwrap(),
            app: App::default(),
            store: setting.journals[side].then_some(snapshot),
            quotas: None,
        };
        end.record();
        end
    }

    fn ops(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        let (app, setting) = (&self.app, self.setting);
        let mut copy = self.session.clone();
        let stored = copy.poll_change().is_none();
        if !stored {
            ops.push(Op::Store);
        }
        let connected = self.session.is_connected();
        for at in 0..app.held.len() {
            ops.push(Op::Acknowledge(at, false));
            if setting.refuse && connected {
                ops.push(Op::Acknowledge(at, true));
            }
        }
        if connected && stored && copy.poll_transmit().is_some() {
            ops.push(Op::Transmit);
        }
        if app.sent.len() < usize::from(setting.messages[self.side]) {
            ops.extend(setting.qos.iter().map(|qos| Op::Publish(*qos)));
        }
        if setting.abandon {
            let kept = self.session.messages().map(|stored| *stored.message);
            ops.extend(kept.map(|message| Op::Abandon(message.into())));
        }
        if setting.crash[self.side] && !connected {
            ops.push(Op::Crash);
        }
        ops
    }

    fn apply(&mut self, op: Op) -> Result<Effect, Broken> {
        let effect = self.act(op)?;
        self.check()?;
        Ok(effect)
    }

    fn held(&self, at: usize) -> u8 {
        self.app.held[at].message
    }

    fn key(&self) -> String {
        let text = format!("{:?}", self.session);
        let node = Node::parse(&text);
        let call = |call| self.app.message_of(call);
        let mut out = format!("{} ", self.side);
        node.write(&mut out, &call);
        if let Some(store) = &self.store {
            Node::parse(&format!("{store:?}")).write(&mut out, &call);
        }
        self.app.write(
            &mut out,
            &node.deliveries(),
            node.get("deliveries").number(),
        );
        out
    }

    fn facts(&self) -> Facts {
        let waits = self.session.clone().poll_change().is_some();
        let is_over = self.app.held.is_empty() && self.app.open().next().is_none();
        Facts {
            taken: self.app.taken,
            refused: self.app.refused,
            up: self.session.is_connected(),
            quiet: is_over && self.session.is_empty() && !waits,
        }
    }
}

impl SessionEnd {
    fn record(&mut self) {
        if self.store.is_some() {
            self.session.record_changes();
        }
    }

    fn act(&mut self, op: Op) -> Result<Effect, Broken> {
        let mut effect = Effect::default();
        match op {
            Op::Publish(qos) => self.publish(qos)?,
            Op::Transmit => {
                let wire = self
                    .session
                    .poll_transmit()
                    .map(wire)
                    .ok_or("nothing to send")?;
                self.app.leaves(wire)?;
                effect.wire = Some(wire);
            }
            Op::Receive(wire) => return self.receive(wire),
            Op::Acknowledge(at, refuse) => self.acknowledge(at, refuse)?,
            Op::Abandon(at) => self.abandon(at)?,
            Op::Store => drop(self.store_one()),
            Op::Crash => self.crash()?,
            Op::Cut => {
                self.session.disconnect();
                self.app.cut();
                self.app.forget_taken_back();
                self.quotas = None;
            }
            Op::Connect(send, receive) => {
                let mut link = Link::new(self.setting.version);
                link.send_maximum = NonZeroU16::new(send).unwrap();
                link.receive_maximum = NonZeroU16::new(receive).unwrap();
                self.session.connect(link);
                self.quotas = Some((send, receive));
            }
            Op::Lose => {
                self.session = Session::new();
                self.store = self.store.take().map(|_| Snapshot::new());
                self.record();
                self.app.forget(|_| true);
                // Tokens are of one session, and so are the numbers of calls.
                self.app.stale.clear();
                self.app
                    .sent
                    .iter_mut()
                    .for_each(|record| record.stored = false);
            }
            Op::Reset => self.reset()?,
            Op::Open { .. } | Op::Disconnect => return Err(format!("{op:?} of a session")),
        }
        Ok(effect)
    }

    fn publish(&mut self, qos: QoS) -> Result<(), Broken> {
        turn_round(&mut self.session, self.setting.ids);
        let message = u8::try_from(self.app.sent.len()).unwrap();
        let id = self.session.next_packet_id().map_or(0, |id| id.get());
        let call = self
            .session
            .publish(qos, message)
            .map_err(|refused| format!("{refused:?}"))?;
        self.app.published(qos, call, id)
    }

    fn receive(&mut self, wire: Wire) -> Result<Effect, Broken> {
        let says = |error: &dyn std::error::Error| format!("{wire:?}: {error}");
        let progress = match wire {
            Wire::Publish(delivery, _, message) => {
                let receipt = self
                    .session
                    .handle_publish(delivery)
                    .map_err(|e| says(&e))?;
                self.app.arrives((delivery, message), receipt)?;
                let known = !matches!(receipt, Receipt::New(_));
                hold!(
                    !known || delivery.packet_id().is_some(),
                    "a duplicate of QoS 0"
                );
                return Ok(Effect::default());
            }
            Wire::PubRel(id, _) => {
                self.session.handle_pub_rel(id).map_err(|e| says(&e))?;
                self.app.released(id);
                return Ok(Effect::default());
            }
            Wire::PubAck(id, reason) => self.session.handle_pub_ack(id, reason),
            Wire::PubRec(id, reason) => self.session.handle_pub_rec(id, reason),
            Wire::PubComp(id, reason) => self.session.handle_pub_comp(id, reason),
            _ => return Err(format!("{wire:?} in a session")),
        };
        match (progress.map_err(|e| says(&e))?, wire) {
            (Progress::Received, Wire::PubRec(id, _)) => {
                self.app.received(id);
                Ok(Effect::default())
            }
            (Progress::Completed { call, fate, .. }, _) => self.app.ended(call, Some(fate)),
            (Progress::Unchanged, Wire::PubComp(..)) => Ok(Effect::default()),
            (progress, _) => Err(format!("{wire:?} gives {progress:?}")),
        }
    }

    fn acknowledge(&mut self, at: usize, refuse: bool) -> Result<(), Broken> {
        let reason = match refuse {
            true => ReasonCode::QuotaExceeded,
            false => ReasonCode::Success,
        };
        let token = self.app.held[at].token;
        let done = self.session.acknowledge(token, reason);
        done.map_err(|error| format!("{token:?} is not answered: {error}"))?;
        self.app.answered(at, refuse, self.store.is_some());
        Ok(())
    }

    fn abandon(&mut self, at: usize) -> Result<(), Broken> {
        let record = self.app.sent[at];
        let id = record.id.try_into().map_err(|_| "no identifier")?;
        let given = self
            .session
            .abandon(id)
            .map_err(|error| format!("{record:?}: {error}"))?;
        hold!(usize::from(given) == at, "{given} is given back, not {at}");
        let flies = self.app.flying.contains(&record.id);
        match flies || (record.left && record.qos == QoS::ExactlyOnce) {
            true => self.app.taken_back(at),
            false => drop(self.app.ended(record.call, None)?),
        }
        Ok(())
    }

    /// Stores the next change, and returns whether there is one.
    fn store_one(&mut self) -> bool {
        let Some(change) = self.session.poll_change() else {
            return false;
        };
        let change = change.map(|message| *message);
        self.app.store(&mut self.store, change);
        true
    }

    fn crash(&mut self) -> Result<(), Broken> {
        let snapshot = match &self.store {
            Some(store) => store.clone(),
            None => {
                self.app
                    .sent
                    .iter_mut()
                    .for_each(|record| record.stored = record.open);
                self.session.snapshot()
            }
        };
        self.session = Session::restore(snapshot.clone(), []).unwrap();
        self.record();
        self.app.crash(&snapshot)
    }

    /// The peer has no session. That is stored before anything else is done, as otherwise a crash
    /// would bring back exchanges of which the peer knows nothing.
    fn reset(&mut self) -> Result<(), Broken> {
        self.session.reset();
        while self.store_one() {}
        let left: Vec<CallId> = self.session.messages().map(|stored| stored.call).collect();
        for record in self.app.open() {
            let stays = left.contains(&record.call);
            hold!(!(stays && record.left), "{record:?} stays [MQTT-3.2.2-5]");
            hold!(
                stays || record.left || self.store.is_some(),
                "{record:?} is gone"
            );
        }
        self.app.forget(|record| !left.contains(&record.call));
        Ok(())
    }

    /// What holds between any two steps.
    fn check(&self) -> Result<(), Broken> {
        let (session, app) = (&self.session, &self.app);
        let used = usize::from(session.packet_ids_in_use());
        hold!(
            used == app.ids_in_use(),
            "{used} identifiers are in use by {:?}",
            app.sent
        );
        if let Some((send, receive)) = self.quotas {
            let quota = (
                usize::from(session.send_quota()),
                usize::from(session.receive_quota()),
            );
            let flying = (app.flying.len(), app.receiving.len());
            let both = (quota.0 + flying.0, quota.1 + flying.1);
            let agreed = (usize::from(send), usize::from(receive));
            hold!(
                both == agreed,
                "quotas {quota:?} and in flight {flying:?}, of {agreed:?}"
            );
        }
        for token in &app.stale {
            let late = session.clone().acknowledge(*token, ReasonCode::Success);
            hold!(
                late == Err(SessionError::DeliveryOver),
                "{token:?} is late: {late:?}"
            );
        }
        if let (Some(store), None) = (&self.store, session.clone().poll_change()) {
            let now = session.snapshot();
            hold!(*store == now, "stored {store:?}, not {now:?}");
        }
        Ok(())
    }
}

/// Uses identifiers up, as requests do, until a low one is next again.
pub(crate) fn turn_round<M>(session: &mut Session<M>, ids: u16) {
    if ids <= session.packet_ids_in_use() {
        return;
    }
    while session.next_packet_id().is_some_and(|id| id.get() > ids) {
        let id = session.subscribe(1).unwrap();
        assert_eq!(session.handle_sub_ack(id, 1), Ok(true));
    }
}

fn wire(transmit: Transmit<'_, u8>) -> Wire {
    match transmit {
        Transmit::Publish {
            delivery,
            dup,
            message,
            ..
        } => Wire::Publish(delivery, dup, *message),
        Transmit::PubAck(id, reason) => Wire::PubAck(id, reason),
        Transmit::PubRec(id, reason) => Wire::PubRec(id, reason),
        Transmit::PubRel(id, reason) => Wire::PubRel(id, reason),
        Transmit::PubComp(id, reason) => Wire::PubComp(id, reason),
    }
}
