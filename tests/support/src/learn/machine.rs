use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::{Outputs, Word};

/// States, each with a step for each input. State 0 is the first.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The states.
    pub rows: Vec<Vec<Step>>,
}

/// What comes of an input in a state.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is said.
    pub output: Rc<str>,
    /// The next state.
    pub to: usize,
}

impl Machine {
    /// The state after a word.
    pub fn state(&self, from: usize, word: &[usize]) -> usize {
        word.iter()
            .fold(from, |state, &input| self.rows[state][input].to)
    }

    /// What is said to a word.
    pub fn run(&self, mut state: usize, word: &[usize]) -> Vec<Rc<str>> {
        let steps = word.iter().map(|&input| {
            let step = &self.rows[state][input];
            state = step.to;
            Rc::clone(&step.output)
        });
        steps.collect()
    }

    /// A shortest word to each state, the first in the order of the inputs.
    pub fn access(&self) -> Vec<Word> {
        let mut access = vec![None; self.rows.len()];
        access[0] = Some(Word::new());
        let mut queue = VecDeque::from([(0, Word::new())]);
        while let Some((state, word)) = queue.pop_front() {
            for (input, step) in self.rows[state].iter().enumerate() {
                if access[step.to].is_none() {
                    let word = [&word[..], &[input]].concat();
                    access[step.to] = Some(word.clone());
                    queue.push_back((step.to, word));
                }
            }
        }
        access
            .into_iter()
            .map(|word| word.expect("reached"))
            .collect()
    }

    /// The same machine, with its states in the order of their access words.
    pub fn in_order(&self) -> Self {
        let access = self.access();
        let mut order: Vec<usize> = (0..access.len()).collect();
        order.sort_by_key(|&state| (access[state].len(), &access[state]));
        let mut place = vec![0; order.len()];
        (0..).zip(&order).for_each(|(new, &old)| place[old] = new);
        let row = |&old: &usize| {
            let steps = self.rows[old].iter().cloned();
            let steps = steps.map(|step| Step {
                to: place[step.to],
                ..step
            });
            steps.collect()
        };
        Self {
            rows: order.iter().map(row).collect(),
        }
    }

    /// The shortest word to which another machine with the same inputs says something else.
    pub fn difference(&self, other: &Self) -> Option<Word> {
        self.separator((0, 0), other)
    }

    /// The shortest word that a state of this machine and one of another answer differently.
    fn separator(&self, pair: (usize, usize), other: &Self) -> Option<Word> {
        let mut seen = BTreeMap::from([(pair, Word::new())]);
        let mut queue = VecDeque::from([pair]);
        while let Some(pair) = queue.pop_front() {
            let rows = self.rows[pair.0].iter().zip(&other.rows[pair.1]);
            for (input, (ours, theirs)) in rows.enumerate() {
                let word = [&seen[&pair][..], &[input]].concat();
                if ours.output != theirs.output {
                    return Some(word);
                }
                let next = (ours.to, theirs.to);
                seen.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    word
                });
            }
        }
        None
    }

    /// To each state, from there each input and then so many others, and then what tells the state
    /// that should be reached from all others.
    pub fn words(&self, others: usize) -> impl Iterator<Item = Word> {
        let (identifiers, access) = (self.identifiers(), self.access());
        let (inputs, len) = (self.rows[0].len(), 1 + u32::try_from(others).expect("few"));
        let middles = (0..access.len()).flat_map(move |state| {
            let numbers = 0..inputs.pow(len);
            numbers.map(move |number| (state, number))
        });
        middles.flat_map(move |(state, number)| {
            let digit = |place| number / inputs.pow(place) % inputs;
            let start: Word = access[state]
                .iter()
                .copied()
                .chain((0..len).map(digit))
                .collect();
            let words = identifiers[self.state(0, &start)].iter();
            let words = words.map(|end| [&start[..], end].concat());
            words.collect::<Vec<_>>()
        })
    }

    /// Words for each state, such that any two states have one in common which they answer
    /// differently.
    pub(super) fn identifiers(&self) -> Vec<Vec<Word>> {
        let mut identifiers = vec![Vec::new(); self.rows.len()];
        let mut blocks = vec![(0..self.rows.len()).collect::<Vec<_>>()];
        while let Some(block) = blocks.pop() {
            let &[first, second, ..] = &block[..] else {
                continue;
            };
            let word = self.separator((first, second), self);
            let word = word.expect("no two equal states");
            let mut parts = BTreeMap::<Outputs, Vec<usize>>::new();
            for state in block {
                identifiers[state].push(word.clone());
                parts.entry(self.run(state, &word)).or_default().push(state);
            }
            blocks.extend(parts.into_values());
        }
        if self.rows.len() == 1 {
            identifiers[0].push(Word::new());
        }
        identifiers
    }
}
