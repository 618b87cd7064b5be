use core::iter::FusedIterator;

use super::look_up::take_step;
use super::{LookUp, Matches, Matching, Position, StoredKey, TopicFilter, TopicName};

/// A look-up that gives the key of each value with it, from [`Matches::with_filters`] and
/// [`Matching::with_names`].
#[derive(Clone, Debug)]
pub struct WithKeys<L>(pub(super) L);

impl<'a, V> WithKeys<Matches<'a, V>> {
    /// Does what [`Matches::next_within`] does, with the filter of the value.
    pub fn next_within(
        &mut self,
        steps: &mut usize,
    ) -> LookUp<(StoredKey<'a, TopicFilter>, &'a V)> {
        self.walk(|| take_step(steps))
    }

    /// Does what [`Matches::position`] does.
    pub fn position(&self) -> Position {
        self.0.position()
    }

    #[inline]
    fn walk(
        &mut self,
        may_step: impl FnMut() -> bool,
    ) -> LookUp<(StoredKey<'a, TopicFilter>, &'a V)> {
        let tree = self.0.tree;
        let found = self.0.walk(may_step);
        found.map(|(node, value)| (StoredKey::new(tree.key(node)), value))
    }
}

impl<'a, V> Iterator for WithKeys<Matches<'a, V>> {
    type Item = (StoredKey<'a, TopicFilter>, &'a V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.walk(|| true).found()
    }
}

impl<V> FusedIterator for WithKeys<Matches<'_, V>> {}

impl<'a, V> WithKeys<Matching<'a, V>> {
    /// Does what [`Matching::next_within`] does, with the name of the value.
    pub fn next_within(&mut self, steps: &mut usize) -> LookUp<(StoredKey<'a, TopicName>, &'a V)> {
        self.walk(|| take_step(steps))
    }

    /// Does what [`Matching::position`] does.
    pub fn position(&self) -> Position {
        self.0.position()
    }

    #[inline]
    fn walk(
        &mut self,
        may_step: impl FnMut() -> bool,
    ) -> LookUp<(StoredKey<'a, TopicName>, &'a V)> {
        let tree = self.0.tree;
        let found = self.0.walk(may_step);
        found.map(|(node, value)| (StoredKey::new(tree.key(node)), value))
    }
}

impl<'a, V> Iterator for WithKeys<Matching<'a, V>> {
    type Item = (StoredKey<'a, TopicName>, &'a V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.walk(|| true).found()
    }
}

impl<V> FusedIterator for WithKeys<Matching<'_, V>> {}
