use alloc::collections::VecDeque;

/// Values by a key, sorted: for few at a time, or for keys that come and go in their order. Much
/// less code than a tree.
#[derive(Clone, Debug)]
pub(super) struct Sorted<K, V>(VecDeque<(K, V)>);

impl<K: Ord, V> Sorted<K, V> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    /// Adds the value of a new key, and returns where it is.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<&mut V> {
        let at = self.find(&key).unwrap_or_else(|at| {
            self.0.insert(at, (key, value));
            at
        });
        self.0.get_mut(at).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(key).ok()?;
        self.0.remove(at).map(|(_, value)| value)
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = V> {
        self.0.into_iter().map(|(_, value)| value)
    }
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}
