//! The states that a search has found, in the order in which it has.

use std::hash::{BuildHasher, BuildHasherDefault};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::super::table::Quick;

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct State {
    pub(super) ends: [u32; 2],
    /// What each end has sent.
    pub(super) links: [u16; 2],
    pub(super) cuts: u8,
}

/// Hundreds of millions have room: each takes 24 bytes, and some ten in the table.
#[derive(Default)]
pub(super) struct Found {
    states: Vec<State>,
    /// The state from which each was found.
    before: Vec<u32>,
    places: HashTable<u32>,
}

impl Found {
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.states.len()).unwrap()
    }

    pub(super) fn state(&self, at: u32) -> State {
        self.states[at as usize]
    }

    pub(super) fn before(&self, at: u32) -> u32 {
        self.before[at as usize]
    }

    /// The place of a state that was found.
    pub(super) fn place(&self, state: State) -> Option<u32> {
        let same = |at: &u32| self.state(*at) == state;
        self.places.find(hash(&state), same).copied()
    }

    /// Adds a state, unless it was found before.
    pub(super) fn add(&mut self, state: State, before: u32) {
        let (next, states) = (self.len(), &mut self.states);
        let same = |at: &u32| states[*at as usize] == state;
        let rehash = |at: &u32| hash(&states[*at as usize]);
        if let Entry::Vacant(place) = self.places.entry(hash(&state), same, rehash) {
            place.insert(next);
            states.push(state);
            self.before.push(before);
        }
    }
}

fn hash(state: &State) -> u64 {
    BuildHasherDefault::<Quick>::default().hash_one(state)
}
