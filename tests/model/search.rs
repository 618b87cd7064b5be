//! The search: breadth first over all states that two ends and the links between them can reach.
//!
//! An end is kept once, however many states it is part of, and so is what is in a link: a state is
//! five numbers. What a step makes of an end is worked out once, on the object itself.

mod follow;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub(crate) use self::follow::Happened;
use super::app::{Broken, Effect, Wire};
use super::setting::{Keep, Setting};
use super::step::{End, Facts, Op, Side, Step};
use super::table::{Table, hash};

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct State {
    ends: [u32; 2],
    /// What each end has sent.
    links: [u32; 2],
    cuts: u32,
}

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
    pub(crate) states: usize,
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
    link_keys: Table<Vec<Wire>, u32>,
    known_acts: Table<(u32, Op), Result<(u32, Effect), Broken>>,
    found: Table<State, u32>,
    /// The state before each, and the step from there.
    before: Vec<(u32, u16)>,
    steps: Vec<Step>,
    step_keys: Table<Step, u16>,
    /// The state to which a kind link leads from each.
    kind: Vec<u32>,
    /// The keys of all ends, where ends with the same key are kept apart if they differ at all.
    apart: Option<BTreeSet<u128>>,
}

/// Nothing is on its way.
const EMPTY: u32 = 0;
/// Nothing is left to do.
const AT_REST: u32 = u32::MAX;
const NOT_LOOKED_AT: u32 = u32::MAX - 1;

impl<E: End> Search<E> {
    pub(crate) fn new(setting: &'static Setting) -> Self {
        Self {
            setting,
            ends: Vec::new(),
            end_keys: Table::default(),
            links: vec![Vec::new()],
            link_keys: std::iter::once((Vec::new(), EMPTY)).collect(),
            known_acts: Table::default(),
            found: Table::default(),
            before: Vec::new(),
            steps: Vec::new(),
            step_keys: Table::default(),
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
        let mut layer = vec![(start, self.add(start, (0, 0)).0)];
        let (mut reached, mut steps, mut told) = (0, 0, Instant::now());
        let mut next = Vec::new();
        while reached < depth && !layer.is_empty() {
            for (state, at) in layer.drain(..) {
                for step in self.possible(state) {
                    steps += 1;
                    let after = match self.step(state, step) {
                        Ok((after, _)) => after,
                        Err(what) => return Err(self.violation(at, Some(step), what)),
                    };
                    let number = self.number(step);
                    let (index, new) = self.add(after, (at, number));
                    if new {
                        next.push((after, index));
                    }
                }
                match self
                    .kind_step(state)
                    .map(|step| step.map(|step| self.step(state, step)))
                {
                    Ok(None) => self.kind[at as usize] = AT_REST,
                    Ok(Some(Ok((after, _)))) => self.kind[at as usize] = self.found[&after],
                    Ok(Some(Err(what))) | Err(what) => return Err(self.violation(at, None, what)),
                }
            }
            std::mem::swap(&mut layer, &mut next);
            reached += usize::from(!layer.is_empty());
            if told.elapsed() > Duration::from_secs(60) {
                told = Instant::now();
                println!(
                    "  {} states, histories of up to {reached}",
                    self.before.len()
                );
            }
        }
        self.check_ends(&layer)?;
        Ok(Seen {
            states: self.before.len(),
            steps,
            ends: self.ends.len(),
            depth: reached,
            whole: layer.is_empty(),
        })
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
            cuts: u32::from(self.setting.cuts),
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

    fn link(&mut self, packets: Vec<Wire>) -> u32 {
        if let Some(at) = self.link_keys.get(&packets) {
            return *at;
        }
        let at = u32::try_from(self.links.len()).unwrap();
        self.links.push(packets.clone());
        self.link_keys.insert(packets, at);
        at
    }

    fn add(&mut self, state: State, before: (u32, u16)) -> (u32, bool) {
        let next = u32::try_from(self.before.len()).unwrap();
        let index = *self.found.entry(state).or_insert(next);
        if index == next {
            self.before.push(before);
            self.kind.push(NOT_LOOKED_AT);
        }
        (index, index == next)
    }

    fn number(&mut self, step: Step) -> u16 {
        let next = u16::try_from(self.steps.len()).unwrap();
        let number = *self.step_keys.entry(step).or_insert(next);
        if number == next {
            self.steps.push(step);
        }
        number
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
    fn check_ends(&mut self, unfinished: &[(State, u32)]) -> Result<(), Violation> {
        for (state, at) in unfinished {
            if let Err(what) = self.drain(*state) {
                return Err(self.violation(*at, None, what));
            }
            self.kind[*at as usize] = AT_REST;
        }
        // The number of the walk that came by.
        let mut walks = vec![0_u32; self.kind.len()];
        for start in 0..u32::try_from(self.kind.len()).unwrap() {
            let (mut at, walk) = (start, start + 1);
            while at != AT_REST && walks[at as usize] == 0 {
                walks[at as usize] = walk;
                at = self.kind[at as usize];
            }
            if at != AT_REST && walks[at as usize] == walk {
                let what = "with a kind link this goes on for ever".to_owned();
                return Err(self.violation(start, None, what));
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

    fn violation(&self, at: u32, last: Option<Step>, what: Broken) -> Violation {
        let steps = self.history(at, last);
        Violation { steps, what }
    }

    fn history(&self, mut at: u32, last: Option<Step>) -> Vec<Step> {
        let mut steps: Vec<_> = last.into_iter().collect();
        while at > 0 {
            let (before, step) = self.before[at as usize];
            steps.push(self.steps[usize::from(step)]);
            at = before;
        }
        steps.reverse();
        steps
    }
}
