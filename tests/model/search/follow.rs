//! One history of a search, and those that are worth to be followed elsewhere.

use std::collections::BTreeSet;

use super::super::app::{Broken, Wire};
use super::super::step::{End, Op, Step};
use super::{Search, State};

/// What happens in a step: the packet that leaves or arrives, and the message that is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happened {
    pub(crate) packet: Option<Wire>,
    pub(crate) answered: Option<u8>,
}

impl<E: End> Search<E> {
    /// Follows a history, and tells it.
    pub(crate) fn replay(&mut self, steps: &[Step]) -> (Vec<String>, Result<(), Broken>) {
        let (seen, after) = self.follow(steps);
        let told = seen.iter().zip(steps).map(|(seen, step)| {
            let packet = seen.packet.map(|packet| format!(": {packet:?}"));
            format!("{step:?}{}", packet.unwrap_or_default())
        });
        (told.collect(), after.and_then(|after| self.drain(after)))
    }

    /// Follows a history, and returns what was seen at each of its steps.
    fn follow(&mut self, steps: &[Step]) -> (Vec<Happened>, Result<State, Broken>) {
        let (mut seen, mut state) = (Vec::new(), self.start());
        for step in steps {
            let mut happened = Happened {
                packet: self.arriving(state, *step),
                answered: None,
            };
            if let Step::On(side, Op::Acknowledge(at, _)) = step {
                let end = state.ends[*side as usize];
                happened.answered = Some(self.ends[end as usize].end.held(*at));
            }
            let after = self.step(state, *step);
            if let Ok((_, effect)) = &after {
                happened.packet = happened.packet.or(effect.wire);
            }
            seen.push(happened);
            match after {
                Ok((after, _)) => state = after,
                Err(what) => return (seen, Err(what)),
            }
        }
        (seen, Ok(state))
    }

    /// The packet that arrives in this step.
    fn arriving(&self, state: State, step: Step) -> Option<Wire> {
        let Step::Deliver(to) = step else {
            return None;
        };
        let link = state.links[to.other() as usize];
        self.links[link as usize].first().copied()
    }

    /// Of each kind of step the shortest history that ends with it, as far as was searched, and
    /// what happens there; but for the beginnings of others.
    pub(crate) fn shortest_of_each_kind(&mut self) -> Vec<Vec<(Step, Happened)>> {
        let (mut cuts, mut kinds) = (vec![0_u8], BTreeSet::new());
        let mut histories: Vec<Vec<Step>> = Vec::new();
        for at in 1..self.found.len() {
            let (before, step) = (self.found.before(at), self.step_to(at));
            let cut = cuts[before as usize].max(u8::from(step == Step::CutLink));
            cuts.push(cut);
            let state = self.found.state(before);
            if kinds.insert((cut, self.kind_of(state, step))) {
                histories.push(self.history(at, None));
            }
        }
        let all = histories.clone();
        histories.retain(|history| {
            let mut longer = all.iter().filter(|other| other.len() > history.len());
            !longer.any(|other| other.starts_with(history))
        });
        let mut told = Vec::new();
        for history in histories {
            let (seen, _) = self.follow(&history);
            told.push(history.into_iter().zip(seen).collect());
        }
        told
    }

    /// The kind of a step: what is done, and the packet that leaves or arrives, without numbers.
    fn kind_of(&self, state: State, step: Step) -> String {
        let arriving = self.arriving(state, step);
        match step {
            Step::On(side, Op::Acknowledge(_, refuse)) => format!("{side:?} answers {refuse}"),
            Step::On(side, Op::Abandon(_)) => format!("{side:?} abandons"),
            Step::On(side, op @ Op::Transmit) => {
                let act = self.known_acts.get(&(state.ends[side as usize], op));
                let effect = act.and_then(|act| act.as_ref().ok()).map(|act| act.1);
                let wire = effect.and_then(|effect| effect.wire);
                format!("{side:?} sends {}", wire.map_or(String::new(), Wire::kind))
            }
            Step::Deliver(side) => {
                format!(
                    "{side:?} has {}",
                    arriving.map_or(String::new(), Wire::kind)
                )
            }
            Step::CutLink => {
                let lost = state.links.map(|link| {
                    let first = self.links[link as usize].first();
                    first.map_or(String::new(), |wire| wire.kind())
                });
                format!("cut {lost:?}")
            }
            step => format!("{step:?}"),
        }
    }
}
