//! Learns what a deterministic system does as a [`Machine`].
//!
//! States are told apart in a discrimination tree, and a word on which system and hypothesis differ
//! is analysed as Rivest and Schapire do: each gives one more state. The last hypothesis has stood
//! the [words](Machine::words) of the method of harmonised state identifiers: it is the system, unless
//! the system has more than [`extra`](Effort::extra) states beyond it.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::random::Rng;

mod machine;

pub use machine::{Machine, Step};

/// Inputs, by their places in the alphabet.
pub type Word = Vec<usize>;

type Outputs = Vec<Rc<str>>;

/// What was learned, and how.
#[derive(Debug)]
pub struct Learned {
    /// The machine. It has the most states that were allowed if the system has more.
    pub machine: Machine,
    /// Words that the system was asked.
    pub queries: usize,
}

/// How hard to look for a difference.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// As many states beyond those of the hypothesis would be found.
    pub extra: usize,
    /// Words with some random inputs between that to a state and that which tells a state apart.
    pub random: usize,
    /// The most states.
    pub states: usize,
}

/// Learns a system with so many inputs; `run` starts it anew and gives the output of each input.
/// The `hints` are words that may show states.
pub fn learn(
    inputs: usize,
    effort: Effort,
    hints: impl IntoIterator<Item = Word>,
    run: impl Fn(&[usize]) -> Vec<String>,
) -> Learned {
    let mut learner = Learner {
        inputs,
        states: effort.states,
        system: System {
            run,
            nodes: vec![Node::default()],
            names: BTreeMap::new(),
            queries: 0,
        },
        tree: vec![Tree::Leaf(0)],
        access: vec![Word::new()],
    };
    let mut machine = learner.hypothesis();
    let mut hints = hints.into_iter();
    let mut next = |learner: &mut Learner<_>, machine: &_| {
        let hint = hints.find(|word| learner.differs(machine, word).is_some());
        hint.or_else(|| learner.counterexample(machine, effort))
    };
    while let Some(word) = next(&mut learner, &machine) {
        while learner.access.len() < effort.states {
            let Some(end) = learner.differs(&machine, &word) else {
                break;
            };
            learner.split(&machine, &word[..=end]);
            machine = learner.hypothesis();
        }
        if learner.access.len() >= effort.states {
            break;
        }
    }
    Learned {
        machine: machine.in_order(),
        queries: learner.system.queries,
    }
}

/// The system, which is asked nothing twice.
struct System<F> {
    run: F,
    /// What it has said, as a tree: node 0 is the start.
    nodes: Vec<Node>,
    /// Each output once.
    names: BTreeMap<String, Rc<str>>,
    queries: usize,
}

#[derive(Default)]
struct Node {
    output: Rc<str>,
    next: BTreeMap<usize, usize>,
}

impl<F: Fn(&[usize]) -> Vec<String>> System<F> {
    fn ask(&mut self, word: &[usize]) -> Outputs {
        if let Some(outputs) = self.known(word) {
            return outputs;
        }
        self.queries += 1;
        let mut at = 0;
        for (&input, output) in word.iter().zip((self.run)(word)) {
            let count = self.nodes.len();
            let next = *self.nodes[at].next.entry(input).or_insert(count);
            if next == count {
                let shared = Rc::from(&output[..]);
                let output = Rc::clone(self.names.entry(output).or_insert(shared));
                let next = BTreeMap::new();
                self.nodes.push(Node { output, next });
            }
            at = next;
        }
        self.known(word).expect("as many outputs as inputs")
    }

    fn known(&self, word: &[usize]) -> Option<Outputs> {
        let mut node = self.nodes.first()?;
        let outputs = word.iter().map(|input| {
            node = &self.nodes[*node.next.get(input)?];
            Some(Rc::clone(&node.output))
        });
        outputs.collect()
    }
}

enum Tree {
    /// A state.
    Leaf(usize),
    /// States that answer this word differently, each answer with its subtree.
    Inner(Word, BTreeMap<Outputs, usize>),
}

struct Learner<F> {
    inputs: usize,
    /// The most states.
    states: usize,
    system: System<F>,
    tree: Vec<Tree>,
    /// A word that leads to each state.
    access: Vec<Word>,
}

impl<F: Fn(&[usize]) -> Vec<String>> Learner<F> {
    /// What the system answers to `word` after `start`.
    fn answer(&mut self, start: &[usize], word: &[usize]) -> Outputs {
        self.system
            .ask(&[start, word].concat())
            .split_off(start.len())
    }

    /// The state to which a word leads, as far as the tree can tell: a new one if it answers as no
    /// other, and there may be more.
    fn sift(&mut self, word: &[usize]) -> usize {
        let mut at = 0;
        loop {
            let suffix = match &self.tree[at] {
                Tree::Leaf(state) => return *state,
                Tree::Inner(suffix, _) => suffix.clone(),
            };
            let answer = self.answer(word, &suffix);
            let (new, state) = (self.tree.len(), self.access.len());
            let Tree::Inner(_, children) = &mut self.tree[at] else {
                unreachable!("it was one above");
            };
            // There is at least one, for want of another.
            let other = children.values().next().copied();
            let other = other.filter(|_| state >= self.states);
            at = match children.get(&answer).copied().or(other) {
                Some(child) => child,
                None => *children.entry(answer).or_insert(new),
            };
            if at == new {
                self.tree.push(Tree::Leaf(state));
                self.access.push(word.to_vec());
            }
        }
    }

    fn hypothesis(&mut self) -> Machine {
        let inputs = self.inputs;
        let mut rows = Vec::new();
        while let Some(access) = self.access.get(rows.len()).cloned() {
            let step = |input| {
                let word = [&access[..], &[input]].concat();
                let output = self.answer(&access, &[input]).remove(0);
                let to = self.sift(&word);
                Step { output, to }
            };
            rows.push((0..inputs).map(step).collect());
        }
        Machine { rows }
    }

    /// Where the system first gives another output than the machine.
    fn differs(&mut self, machine: &Machine, word: &[usize]) -> Option<usize> {
        let (expected, outputs) = (machine.run(0, word), self.system.ask(word));
        (0..word.len()).find(|&at| expected[at] != outputs[at])
    }

    /// Makes a new state of a word whose last output differs.
    fn split(&mut self, machine: &Machine, word: &[usize]) {
        let last = |outputs: Outputs| outputs.last().cloned();
        let start = |machine: &Machine, at| machine.state(0, &word[..at]);
        let truth = last(self.system.ask(word));
        // The system's answer is still there after the access word of `low`, and not of `high`.
        let (mut low, mut high) = (0, word.len() - 1);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            let access = self.access[start(machine, middle)].clone();
            match last(self.answer(&access, &word[middle..])) == truth {
                true => low = middle,
                false => high = middle,
            }
        }
        let (from, old) = (start(machine, low), start(machine, high));
        let new = [&self.access[from][..], &word[low..high]].concat();
        let suffix = word[high..].to_vec();
        let known = self.access[old].clone();
        let answers = [&known, &new].map(|access| self.answer(access, &suffix));
        assert_ne!(answers[0], answers[1], "the system is not deterministic");
        let leaf = |tree: &Tree| matches!(tree, Tree::Leaf(state) if *state == old);
        let leaf = self
            .tree
            .iter()
            .position(leaf)
            .expect("a leaf for each state");
        let (first, state) = (self.tree.len(), self.access.len());
        self.tree.extend([Tree::Leaf(old), Tree::Leaf(state)]);
        self.access.push(new);
        let children = answers.into_iter().zip(first..).collect();
        self.tree[leaf] = Tree::Inner(suffix, children);
    }

    /// A word on which the machine is wrong. First come those that are known: as the tree tells all
    /// states apart, so does a machine that agrees with them.
    fn counterexample(&mut self, machine: &Machine, effort: Effort) -> Option<Word> {
        let suffixes = self.tree.iter().filter_map(|node| match node {
            Tree::Inner(suffix, _) => Some(suffix),
            Tree::Leaf(_) => None,
        });
        let known = suffixes.flat_map(|suffix| {
            let words = self.access.iter();
            words.map(|access| [&access[..], suffix].concat())
        });
        let known: Vec<_> = known.collect();
        let wrong = known.into_iter().find(|word| {
            self.system.known(word).is_some() && self.differs(machine, word).is_some()
        });
        if wrong.is_some() {
            return wrong;
        }
        let (mut random, inputs) = (Rng::new(14), self.inputs);
        let (access, identifiers) = (machine.access(), machine.identifiers());
        let random = (0..effort.random).map(|_| {
            let mut word = access[random.below(access.len())].clone();
            word.extend((0..=random.below(8)).map(|_| random.below(inputs)));
            let ends = &identifiers[machine.state(0, &word)];
            let end = &ends[random.below(ends.len())];
            [&word[..], end].concat()
        });
        let words = (0..=effort.extra).flat_map(|others| machine.words(others));
        let mut words = random.chain(words);
        words.find(|word: &Word| self.differs(machine, word).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up to `last`, and says whether it is there: so many states that no shorter word shows.
    fn counter(last: usize, word: &[usize]) -> Vec<String> {
        let mut count = 0;
        let step = |&input: &usize| {
            count = match input {
                0 => (count + 1).min(last),
                _ => 0,
            };
            format!("{}", count == last)
        };
        word.iter().map(step).collect()
    }

    #[test]
    fn a_machine_is_learned_whole() {
        let effort = Effort {
            extra: 2,
            random: 0,
            states: 100,
        };
        for last in 1..3 {
            let learned = learn(2, effort, [], |word| counter(last, word));
            assert_eq!(learned.machine.rows.len(), last);
            let other = learn(2, effort, [], |word| counter(last + 1, word)).machine;
            assert_eq!(learned.machine.difference(&learned.machine), None);
            assert_eq!(learned.machine.difference(&other), Some(vec![0; last]));
        }
        // Three states more than were seen are too many, but for a hint.
        let hint = vec![0; 4];
        let learned = learn(2, effort, [hint], |word| counter(4, word));
        assert_eq!(learned.machine.rows.len(), 4);
        let learned = learn(2, effort, [], |word| counter(4, word));
        assert_eq!(learned.machine.rows.len(), 1);
    }
}
