//! The reference broker under any interleaving: well-behaved clients with sessions, whose messages
//! an oracle counts, and strangers, who send anything.

use std::num::NonZeroU16;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use mqtt_sansio::{QoS, ReasonCode};
use reference_broker::{Broker, Config, Usage};

mod actor;
mod due;
mod line;
mod net;
mod oracle;
mod stranger;

use actor::Actor;
use net::{FILTERS, Net, SHARED, TOPICS};
use oracle::{ACTORS, Oracle};
use stranger::Stranger;

/// Drives a broker that crashes from time to time, and goes on from the changes that were stored.
pub fn crash(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let Ok(mut world) = World::new(&mut u, true) else {
        return;
    };
    while !u.is_empty() && world.step_or_crash(&mut u).is_ok() {
        world.settle();
        world.net.check_usage();
        world.net.store();
        // What was missed is still missing a few steps later, and to look costs more than a step.
        if u.len() & 3 == 0 {
            world.net.check_state();
        }
    }
    world.finish();
}

/// Drives a broker.
pub fn drive(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    // Running out of bytes ends the drive.
    let Ok(alone) = u.ratio(1, 8) else {
        return;
    };
    if alone {
        let Ok(net) = Net::strange(&mut u) else {
            return;
        };
        let mut world = World::over(net);
        while !u.is_empty() && world.disturb(&mut u).is_ok() {
            world.settle();
            world.net.check_usage();
        }
        world.leave();
        return;
    }
    let Ok(mut world) = World::new(&mut u, false) else {
        return;
    };
    while !u.is_empty() && world.step(&mut u).is_ok() {
        world.settle();
        world.net.check_usage();
    }
    world.finish();
}

struct World {
    net: Net,
    actors: Vec<Actor>,
    strangers: Vec<Stranger>,
}

impl World {
    fn new(u: &mut Unstructured<'_>, crashes: bool) -> Result<Self> {
        let mut config = Config::default();
        config.sys_interval = None;
        config.connect_timeout = Duration::from_secs(5);
        config.receive_maximum = NonZeroU16::new(*u.choose(&[1, 2, u16::MAX])?).unwrap();
        config.topic_alias_maximum = *u.choose(&[0, 1, 16])?;
        config.aliases_to_clients = *u.choose(&[0, 2, 16])?;
        config.max_session_expiry = *u.choose(&[20, 1_000])?;
        config.max_pending = *u.choose(&[3, 100])?;
        config.max_answer_bytes = *u.choose(&[1_500, 500_000])?;
        let roomy = !u.ratio(1, 4)?;
        if !roomy {
            (config.max_queued, config.max_queued_bytes) = (4, 2_000);
            (config.max_retained, config.max_retained_bytes) = (2, 1_000);
            config.max_in_flight = 2;
        }
        let mut world = Self::over(Net::new(config, roomy));
        if crashes {
            world.net.record();
        }
        for index in 0..ACTORS {
            world.actors.push(Actor::new(index, u)?);
        }
        if u.arbitrary()? {
            world.introduce(u)?;
        }
        Ok(world)
    }

    /// Without well-behaved clients.
    fn over(net: Net) -> Self {
        Self {
            net,
            actors: Vec::new(),
            strangers: Vec::new(),
        }
    }

    /// Everybody connects and subscribes.
    fn introduce(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        for actor in &mut self.actors {
            let version = actor.draw_version(u)?;
            let connect = actor.lasting(version);
            actor.connect(&mut self.net, version, connect);
        }
        self.drain();
        for actor in &mut self.actors {
            actor.draw_subscribe(u)?;
        }
        self.drain();
        Ok(())
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let which = u.choose_index(ACTORS)?;
        let (actor, net) = (&mut self.actors[which], &mut self.net);
        match u.int_in_range(0..=31)? {
            0..=3 if actor.line.is_none() || u.ratio(1, 4)? => {
                let version = actor.draw_version(u)?;
                let connect = actor.draw_connect(u, net, version)?;
                actor.connect(net, version, connect);
            }
            4 => actor.cut(net),
            5..=9 => {
                let topic = *u.choose(TOPICS)?;
                let message = net.message(u, which, actor.client.version(), topic)?;
                actor.publish(&message);
            }
            10 => actor.clear(u.choose(&TOPICS[..3])?),
            11..=12 => actor.draw_subscribe(u)?,
            13 => actor.unsubscribe(u.choose(FILTERS)?),
            14 => actor.unsubscribe(u.choose(SHARED)?),
            15..=18 => {
                for _ in 0..u.int_in_range(1..=6)? {
                    let half = u.ratio(1, 16)?;
                    actor.send(net, half);
                }
            }
            19..=21 => {
                actor.fetch(net);
                for _ in 0..u.int_in_range(1..=8)? {
                    actor.read(net);
                }
            }
            22 if actor.undecided() > 0 => {
                let index = u.choose_index(actor.undecided())?;
                actor.acknowledge(index);
            }
            23 => actor.acknowledge_all(),
            24 => {
                let reason = match u.arbitrary()? {
                    true => ReasonCode::Success,
                    false => ReasonCode::DisconnectWithWillMessage,
                };
                let expiry = *u.choose(&[None, None, Some(0), Some(7)])?;
                actor.disconnect(reason, expiry);
            }
            25 => {
                let time = *u.choose(&[100, 1_000, 5_000, 9_000, 40_000])?;
                self.wait(Duration::from_millis(time));
            }
            26..=31 => self.disturb(u)?,
            _ => {}
        }
        Ok(())
    }

    fn step_or_crash(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        if !u.ratio(1, 24)? {
            return self.step(u);
        }
        if u.arbitrary()? {
            // What this does is not stored, or not all of it.
            let which = u.choose_index(ACTORS)?;
            self.net.stored = Some(u.int_in_range(0..=9)?);
            self.actors[which].send(&mut self.net, false);
        }
        self.strangers.clear();
        for actor in &mut self.actors {
            actor.hang_up();
        }
        self.net.crash();
        Ok(())
    }

    /// Something that strangers do, or some time.
    fn disturb(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let net = &mut self.net;
        let index = match self.strangers.len() {
            0 => 0,
            count => u.choose_index(count)?,
        };
        match u.int_in_range(0..=15)? {
            0..=3 if self.strangers.len() < 6 => self.strangers.push(Stranger::new(u, net)?),
            _ if self.strangers.is_empty() => {}
            0..=10 => self.strangers[index].send(u, net)?,
            11..=13 => self.strangers[index].read(net),
            14 => {
                let stranger = self.strangers.swap_remove(index);
                net.close(stranger.id);
            }
            _ => self.wait(Duration::from_millis(u.int_in_range(0..=9_000)?)),
        }
        Ok(())
    }

    /// Lets the time pass.
    fn wait(&mut self, time: Duration) {
        let until = self.net.oracle.now + time;
        loop {
            let next = self.net.broker.next_timeout().filter(|at| *at <= until);
            let now = next.unwrap_or(until).max(self.net.oracle.now);
            self.net.oracle.now = now;
            self.net.broker.handle_timeout(now);
            self.settle();
            self.net.oracle.advance();
            if next.is_none() {
                break;
            }
        }
        for actor in &mut self.actors {
            actor.client.handle_timeout(until);
            if actor.client.is_closed() {
                actor.cut(&mut self.net);
            }
        }
        self.settle();
    }

    /// Takes note of the connections that the broker has ended.
    fn settle(&mut self) {
        let net = &mut self.net;
        net.collect();
        let gone = |oracle: &Oracle, broker: &Broker, actor: usize| {
            let line = oracle.line(actor);
            line.is_some_and(|line| broker.is_closing(line))
        };
        let gone: Vec<_> = (0..ACTORS)
            .filter(|&actor| gone(&net.oracle, &net.broker, actor))
            .collect();
        for &actor in &gone {
            // Of several wills one may come behind the end of another session.
            net.oracle.suspend(actor, gone.len() == 1);
        }
        for actor in &mut self.actors {
            let line = actor.line.as_ref().filter(|line| !line.ended);
            if let Some(id) = line.map(|line| line.id).filter(|id| net.is_over(*id)) {
                actor.fetch(net);
                actor.line.as_mut().unwrap().ended = true;
                net.close(id);
            }
        }
        self.strangers.retain_mut(|stranger| {
            let over = net.is_over(stranger.id);
            if over {
                stranger.read(net);
                net.close(stranger.id);
            }
            !over
        });
        for id in std::mem::take(&mut net.forsaken) {
            match net.is_over(id) {
                true => net.close(id),
                false => net.forsaken.push(id),
            }
        }
    }

    /// Everybody connects, reads and acknowledges, until there is nothing left to do.
    fn drain(&mut self) {
        for round in 0.. {
            assert!(round < 1_000, "no end");
            let mut moved = false;
            for index in 0..ACTORS {
                let (actor, net) = (&mut self.actors[index], &mut self.net);
                if actor.line.is_none() {
                    let version = actor.client.version();
                    let connect = actor.lasting(version);
                    actor.connect(net, version, connect);
                }
                while actor.send(net, false) {
                    moved = true;
                }
                self.settle();
                let (actor, net) = (&mut self.actors[index], &mut self.net);
                actor.fetch(net);
                while actor.read(net) {
                    moved = true;
                }
                actor.acknowledge_all();
                moved |= !actor.client.is_connected();
            }
            if !moved {
                break;
            }
        }
        for actor in &self.actors {
            assert!(actor.client.session().is_empty(), "{actor:?}");
            assert_eq!(actor.requests, 0, "{actor:?}");
        }
    }

    /// What has to come comes.
    fn finish(mut self) {
        for id in std::mem::take(&mut self.net.forsaken) {
            self.net.close(id);
        }
        for stranger in std::mem::take(&mut self.strangers) {
            self.net.close(stranger.id);
        }
        self.drain();
        self.net.oracle.calm = true;
        self.actors[0].subscribe_to("t/#");
        self.drain();
        for (index, actor) in self.actors.iter_mut().enumerate() {
            for topic in ["t/a", "s/x"] {
                for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    let message = self.net.plain_message(index, topic, qos);
                    assert!(actor.publish(&message));
                }
            }
        }
        self.drain();
        self.net.oracle.check_complete();
        let usage = self.net.broker.usage();
        assert_eq!(usage.connections, ACTORS);
        assert!(usage.messages == 0 || usage.sessions > ACTORS);
        for actor in &mut self.actors {
            actor.disconnect(ReasonCode::Success, Some(0));
            while actor.send(&mut self.net, false) {}
        }
        self.leave();
    }

    /// When all sessions have ended, nothing is left but what is retained.
    fn leave(&mut self) {
        for stranger in std::mem::take(&mut self.strangers) {
            self.net.close(stranger.id);
        }
        let expiry = self.net.config.max_session_expiry;
        self.wait(Duration::from_secs(u64::from(expiry) + 60));
        let usage = self.net.broker.usage();
        let mut nothing = Usage::default();
        (nothing.retained, nothing.retained_bytes) = (usage.retained, usage.retained_bytes);
        assert_eq!(usage, nothing);
        // What is retained may expire.
        let next = self.net.broker.next_timeout();
        assert!(next.is_none() || usage.retained > 0, "{next:?}");
    }
}
