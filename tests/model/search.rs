//! The search: breadth first over all states that two ends and the links between them can reach.
//!
//! An end is kept once, however many states it is part of, and so is what is in a link: a state is
//! five numbers. What a step makes of an end is worked out once, on the object itself.

mod follow;
mod found;

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub(crate) use self::follow::Happened;
use self::found::{Found, State};
use super::app::{Broken, Effect, Wire};
use super::setting::{Keep, Setting};
use super::step::{End, Facts, Op, Side, Step};
use super::table::{Table, hash};

struct Known<E> {
    end: E,
    ops: Vec<Op>,
    facts: Facts,
}

/// A history that breaks a promise.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) steps: Vec<Step>,
    pub(crate) what: Broken,
}

/// What a search has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) states: u32,
    pub(crate) steps: u64,
    /// The states of one end, without the other.
    pub(crate) ends: usize,
    /// The length of the longest history.
    pub(crate) depth: usize,
    /// Whether nothing new is left.
    pub(crate) whole: bool,
}

pub(crate) struct Search<E> {
    setting: &'static Setting,
    ends: Vec<Known<E>>,
    end_keys: Table<u128, u32>,
    links: Vec<Vec<Wire>>,
    link_keys: Table<Vec<Wire>, u16>,
    known_acts: Table<(u32, Op), Result<(u32, Effect), Broken>>,
    found: Found,
    /// The state to which a kind link leads from each.
    kind: Vec<u32>,
    /// The keys of all ends, where ends with the same key are kept apart if they differ at all.
    apart: Option<BTreeSet<u128>>,
}

/// Nothing is on its way.
const EMPTY: u16 = 0;
/// Nothing is left to do.
const AT_REST: u32 = u32::MAX;

impl<E: End> Search<E> {
    pub(crate) fn new(setting: &'static Setting) -> Self {
        Self {
            setting,
            ends: Vec::new(),
            end_keys: Table::default(),
            links: vec![Vec::new()],
            link_keys: std::iter::once((Vec::new(), EMPTY)).collect(),
            known_acts: Table::default(),
            found: Found::default(),
            kind: Vec::new(),
            apart: None,
        }
    }

    /// Merges no ends that differ in anything.
    pub(crate) fn apart(mut self) -> Self {
        self.apart = Some(BTreeSet::new());
        self
    }

    /// The keys of all ends.
    pub(crate) fn keys(&self) -> BTreeSet<u128> {
        let merged = || self.end_keys.keys().copied().collect();
        self.apart.clone().unwrap_or_else(merged)
    }

    /// Searches histories of up to so many steps.
    pub(crate) fn run(&mut self, depth: usize) -> Result<Seen, Violation> {
        let start = self.start();
        self.found.add(start, 0);
        let mut layer = 0..self.found.len();
        let (mut reached, mut steps, mut told) = (0, 0, Instant::now());
        while reached < depth && !layer.is_empty() {
            let end = layer.end;
            for at in layer {
                steps += self.look_at(at)?;
            }
            layer = end..self.found.len();
            reached += usize::from(!layer.is_empty());
            if told.elapsed() > Duration::from_secs(60) {
                told = Instant::now();
                println!("  {end} states, histories of up to {reached}");
            }
        }
        let whole = layer.is_empty();
        self.check_ends(layer)?;
        Ok(Seen {
            states: self.found.len(),
            steps,
            ends: self.ends.len(),
            depth: reached,
            whole,
        })
    }

    /// Adds all states that are one step away, and returns how many steps there are.
    fn look_at(&mut self, at: u32) -> Result<u64, Violation> {
        let state = self.found.state(at);
        let possible = self.possible(state);
        for step in &possible {
            match self.step(state, *step) {
                Ok((after, _)) => self.found.add(after, at),
                Err(what) => return Err(self.violation(at, Some(*step), what)),
            }
        }
        let kind = self.kind_step(state).and_then(|step| {
            let Some(step) = step else {
                return Ok(AT_REST);
            };
            let (after, _) = self.step(state, step)?;
            let place = self.found.place(after);
            Ok(place.expect("it is one of the possible ones"))
        });
        match kind {
            Ok(kind) => self.kind.push(kind),
            Err(what) => return Err(self.violation(at, None, what)),
        }
        Ok(possible.len() as u64)
    }

    fn start(&mut self) -> State {
        let ends = Side::BOTH.map(|side| {
            let end = E::new(self.setting, side);
            let key = end.key();
            self.end(end, &key)
        });
        State {
            ends,
            links: [EMPTY; 2],
            cuts: self.setting.cuts,
        }
    }

    fn end(&mut self, end: E, key: &str) -> u32 {
        let mut key = hash(key);
        if let Some(keys) = &mut self.apart {
            keys.insert(key);
            key = hash(&format!("{end:?}"));
        }
        *self.end_keys.entry(key).or_insert_with(|| {
            let (ops, facts) = (end.ops(), end.facts());
            self.ends.push(Known { end, ops, facts });
            u32::try_from(self.ends.len() - 1).unwrap()
        })
    }

    fn link(&mut self, packets: Vec<Wire>) -> u16 {
        if let Some(at) = self.link_keys.get(&packets) {
            return *at;
        }
        let at = u16::try_from(self.links.len()).unwrap();
        self.links.push(packets.clone());
        self.link_keys.insert(packets, at);
        at
    }

    fn facts(&self, state: State, side: Side) -> Facts {
        self.ends[state.ends[side as usize] as usize].facts
    }

    fn can_deliver(&self, state: State, to: Side) -> bool {
        let link = state.links[to.other() as usize];
        self.facts(state, to).up && !self.links[link as usize].is_empty()
    }

    /// Every step that can be taken.
    fn possible(&self, state: State) -> Vec<Step> {
        let mut steps = Vec::new();
        for side in Side::BOTH {
            let ops = &self.ends[state.ends[side as usize] as usize].ops;
            steps.extend(ops.iter().map(|op| Step::On(side, *op)));
            if self.can_deliver(state, side) {
                steps.push(Step::Deliver(side));
            }
        }
        match Side::BOTH.map(|side| self.facts(state, side).up) {
            [false, false] => {
                for keep in self.setting.keeps {
                    let quotas = 0..self.setting.quotas.len();
                    steps.extend(quotas.map(|quotas| Step::Reconnect(*keep, quotas)));
                }
            }
            [true, true] if state.cuts == 0 => {}
            _ => steps.push(Step::CutLink),
        }
        steps
    }

    /// The next step where the link is kind and the applications want to end: none at rest.
    fn kind_step(&self, state: State) -> Result<Option<Step>, Broken> {
        let up = Side::BOTH.map(|side| self.facts(state, side).up);
        let op = |kind: fn(&Op) -> bool| {
            Side::BOTH.into_iter().find_map(|side| {
                let ops = &self.ends[state.ends[side as usize] as usize].ops;
                Some(Step::On(side, *ops.iter().find(|op| kind(op))?))
            })
        };
        if let Some(step) = op(|op| *op == Op::Store) {
            return Ok(Some(step));
        }
        if up == [false; 2] {
            return Ok(Some(Step::Reconnect(Keep::Both, 0)));
        }
        if let Some(side) = Side::BOTH
            .into_iter()
            .find(|side| self.can_deliver(state, *side))
        {
            return Ok(Some(Step::Deliver(side)));
        }
        let other = op(|op| matches!(op, Op::Acknowledge(_, false)))
            .or_else(|| op(|op| *op == Op::Transmit));
        match other {
            Some(step) => Ok(Some(step)),
            None if up != [true; 2] => Ok(Some(Step::CutLink)),
            None if Side::BOTH.iter().all(|side| self.facts(state, *side).quiet) => Ok(None),
            None => Err("nothing can be done, and something has not ended".to_owned()),
        }
    }

    fn step(&mut self, state: State, step: Step) -> Result<(State, Effect), Broken> {
        let mut after = state;
        let mut effect = Effect::default();
        match step {
            Step::On(side, op) => effect = self.act(&mut after, side, op)?,
            Step::Deliver(side) => {
                let link = &mut after.links[side.other() as usize];
                let packets = self.links[*link as usize].clone();
                *link = self.link(packets[1..].to_vec());
                effect = self.act(&mut after, side, Op::Receive(packets[0]))?;
            }
            Step::CutLink => {
                for side in Side::BOTH {
                    self.act(&mut after, side, Op::Cut)?;
                }
                after.cuts = match state.cuts {
                    255 => 255,
                    cuts => cuts.saturating_sub(1),
                };
            }
            Step::Reconnect(keep, quotas) => {
                let setting = self.setting;
                for side in Side::BOTH {
                    for op in setting.reconnect(side, keep, setting.quotas[quotas]) {
                        self.act(&mut after, side, op)?;
                    }
                }
            }
        }
        // What is on its way to an end that is gone is lost.
        for side in Side::BOTH {
            if !self.facts(after, side).up {
                after.links[side.other() as usize] = EMPTY;
            }
        }
        Ok((after, effect))
    }

    fn act(&mut self, state: &mut State, side: Side, op: Op) -> Result<Effect, Broken> {
        let end = state.ends[side as usize];
        if !self.known_acts.contains_key(&(end, op)) {
            let mut copy = self.ends[end as usize].end.clone();
            let made = catch_unwind(AssertUnwindSafe(|| {
                let effect = copy.apply(op)?;
                let key = copy.key();
                Ok((copy, key, effect))
            }));
            let made = made.unwrap_or_else(|_| Err("a panic, which is told above".to_owned()));
            let made = made.map(|(end, key, effect)| (self.end(end, &key), effect));
            self.known_acts.insert((end, op), made);
        }
        let (end, effect) = self.known_acts[&(end, op)].clone()?;
        state.ends[side as usize] = end;
        if let Some(wire) = effect.wire {
            let link = &mut state.links[side as usize];
            let mut packets = self.links[*link as usize].clone();
            packets.push(wire);
            *link = self.link(packets);
        }
        let peer = self.facts(*state, side.other());
        if effect.accepted & !peer.taken > 0 {
            return Err(format!(
                "accepted is {:#b}, taken over {:#b}",
                effect.accepted, peer.taken
            ));
        }
        if effect.refused & !peer.refused > 0 {
            return Err(format!(
                "refused is {:#b}, by the peer {:#b}",
                effect.refused, peer.refused
            ));
        }
        Ok(effect)
    }

    /// From every state, with a kind link, all ends.
    fn check_ends(&mut self, unfinished: Range<u32>) -> Result<(), Violation> {
        for at in unfinished {
            if let Err(what) = self.drain(self.found.state(at)) {
                return Err(self.violation(at, None, what));
            }
            self.kind.push(AT_REST);
        }
        // Whether a walk came by, and whether it has come to its end.
        let mut walked = vec![(false, false); self.kind.len()];
        for start in 0..self.found.len() {
            let mut at = start;
            while at != AT_REST && !walked[at as usize].0 {
                walked[at as usize].0 = true;
                at = self.kind[at as usize];
            }
            if at != AT_REST && !walked[at as usize].1 {
                let what = "with a kind link this goes on for ever".to_owned();
                return Err(self.violation(start, None, what));
            }
            at = start;
            while at != AT_REST && !walked[at as usize].1 {
                walked[at as usize].1 = true;
                at = self.kind[at as usize];
            }
        }
        Ok(())
    }

    fn drain(&mut self, mut state: State) -> Result<(), Broken> {
        for _ in 0..1_000 {
            let Some(step) = self.kind_step(state)? else {
                return Ok(());
            };
            state = self.step(state, step)?.0;
        }
        Err("with a kind link this does not end".to_owned())
    }

    fn violation(&mut self, at: u32, last: Option<Step>, what: Broken) -> Violation {
        let steps = self.history(at, last);
        Violation { steps, what }
    }

    fn history(&mut self, mut at: u32, last: Option<Step>) -> Vec<Step> {
        let mut steps: Vec<_> = last.into_iter().collect();
        while at > 0 {
            steps.push(self.step_to(at));
            at = self.found.before(at);
        }
        steps.reverse();
        steps
    }

    /// The step by which a state was found.
    fn step_to(&mut self, at: u32) -> Step {
        let (state, before) = (self.found.state(at), self.found.before(at));
        let before = self.found.state(before);
        let mut possible = self.possible(before).into_iter();
        let found = possible.find(|step| {
            let after = self.step(before, *step);
            after.is_ok_and(|(after, _)| after == state)
        });
        found.expect("it was found by a step")
    }
}
