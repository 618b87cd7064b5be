use core::fmt;
use core::marker::PhantomData;

use super::radix::Radix;
use super::{StoredKey, TopicFilter, TopicName};

/// A map from topic filters or topic names, `K`, to values: the common part of
/// [`FilterTree`](super::FilterTree) and [`TopicTree`](super::TopicTree). Their pages state its
/// cost.
#[derive(Clone)]
pub struct TextMap<K, V> {
    pub(super) tree: Radix<V>,
    key: PhantomData<fn() -> K>,
}

/// The keys of a [`TextMap`]: [`TopicFilter`] and [`TopicName`]. Sealed.
pub trait TextKey: Sealed {
    /// The same type of key, held by `B`.
    type In<B: AsRef<[u8]>>: AsRef<[u8]> + fmt::Debug + fmt::Display;
}

impl TextKey for TopicFilter {
    type In<B: AsRef<[u8]>> = TopicFilter<B>;
}

impl TextKey for TopicName {
    type In<B: AsRef<[u8]>> = TopicName<B>;
}

impl<K, V> TextMap<K, V> {
    /// Makes an empty map. Does not allocate.
    pub const fn new() -> Self {
        Self {
            tree: Radix::new(),
            key: PhantomData,
        }
    }

    /// Puts the tree in an order in which a look-up finds its next node nearby in memory, and gives
    /// back memory that is not used.
    ///
    /// Useful after many insertions, as at the start of a server: among a million keys of which
    /// most differ in one level, look-ups take half as long, and one wildcard filter finds all
    /// retained messages below it in a ninth of the time.
    pub fn compact(&mut self) {
        self.tree.compact();
    }

    /// Does a part of [`compact`](Self::compact) that takes as many `steps` as there are, and goes
    /// on with the next call. Returns whether the tree is in order. Gives back no memory.
    ///
    /// A step moves one node, of which there is about one for each key and one for each place where
    /// keys part. The tree may change between the calls; what is inserted or removed meanwhile may
    /// be out of order in the end.
    ///
    /// ```
    /// use mqtt_sansio::topic::{FilterTree, TopicFilter};
    ///
    /// let mut tree = FilterTree::new();
    /// for filter in ["sport/#", "sport/+/player1", "+/tennis/#"] {
    ///     tree.insert(&TopicFilter::new(filter)?, filter);
    /// }
    /// while !tree.compact_within(&mut 1_000) {
    ///     // Here is the time for clients.
    /// }
    /// # Ok::<(), mqtt_sansio::InvalidText>(())
    /// ```
    pub fn compact_within(&mut self, steps: &mut usize) -> bool {
        self.tree.compact_within(steps)
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Returns whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: TextKey, V> TextMap<K, V> {
    /// Inserts `value` under `key` and returns the value that it replaces.
    pub fn insert<B: AsRef<[u8]>>(&mut self, key: &K::In<B>, value: V) -> Option<V> {
        self.tree.insert(key.as_ref(), value)
    }

    /// Returns the value under `key`, after inserting the result of `value` if there is none.
    pub fn get_or_insert_with<B: AsRef<[u8]>>(
        &mut self,
        key: &K::In<B>,
        value: impl FnOnce() -> V,
    ) -> &mut V {
        self.tree.get_or_insert_with(key.as_ref(), value)
    }

    /// Returns the value under exactly this key, to change it.
    pub fn get_mut<B: AsRef<[u8]>>(&mut self, key: &K::In<B>) -> Option<&mut V> {
        self.tree.get_mut(key.as_ref())
    }

    /// Removes and returns the value under exactly this key, and frees the memory that it alone
    /// used.
    pub fn remove<B: AsRef<[u8]>>(&mut self, key: &K::In<B>) -> Option<V> {
        self.tree.remove(key.as_ref())
    }

    /// Returns the value under exactly this key.
    pub fn get<B: AsRef<[u8]>>(&self, key: &K::In<B>) -> Option<&V> {
        self.tree.get(key.as_ref())
    }

    /// Iterates over all keys and their values, in the order of the keys' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (StoredKey<'_, K>, &V)> {
        let entries = self.tree.entries();
        entries.map(|(key, value)| (StoredKey::new(key), value))
    }
}

impl<K, V> Default for TextMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: TextKey, V: fmt::Debug> fmt::Debug for TextMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

mod sealed {
    use super::TextKey;

    #[expect(
        unnameable_types,
        reason = "that no other crate can name it is the seal"
    )]
    pub trait Sealed {
        /// Takes the bytes back out of the tree: they were such a key when they were inserted.
        fn from_tree<B: AsRef<[u8]>>(key: B) -> Self::In<B>
        where
            Self: TextKey;
    }
}
use sealed::Sealed;

impl Sealed for TopicFilter {
    fn from_tree<B: AsRef<[u8]>>(key: B) -> TopicFilter<B> {
        TopicFilter(key)
    }
}

impl Sealed for TopicName {
    fn from_tree<B: AsRef<[u8]>>(key: B) -> TopicName<B> {
        TopicName(key)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use crate::topic::{FilterTree, TopicFilter, cost};

    /// Whatever filters there are, a change costs by the nodes on its own way, and once by the
    /// children of a table.
    #[test]
    fn changes_cost_by_the_bytes_of_the_key() {
        let separators = "/".repeat(65_535);
        let nested = (1..500).map(|len| separators[..len].into());
        let deep = [65_535, 65_534, 40_000, 501].map(|len| separators[..len].into());
        let wild = (1..150).map(|levels| format!("{}a", "+/".repeat(levels)));
        let parting = (1..1_000)
            .step_by(7)
            .map(|len| format!("{}{}", "x".repeat(len * 60), "y".repeat(1_000)));
        let wide = (0..3_000).map(|n| format!("w{}{}", char::from(48 + (n % 70) as u8), n / 70));
        let long = [format!("{}/x", "l".repeat(65_000)), "l".repeat(65_535)];
        let all: Vec<String> = nested
            .chain(deep)
            .chain(wild)
            .chain(parting)
            .chain(wide)
            .chain(long)
            .collect();
        let mut tree = FilterTree::new();
        let filters: Vec<_> = all
            .iter()
            .map(|text| TopicFilter::new(text).unwrap())
            .collect();
        let within = |what: &str, filter: &TopicFilter<&[u8]>, nodes: usize| {
            // In the first 500 bytes each is a node.
            let most = 12 * (500.min(filter.len()) + filter.len() / 53) + 1_000;
            assert!(
                nodes <= most,
                "{what} {filter:.30}: {nodes}, at most {most}"
            );
        };
        for _ in 0..2 {
            for (at, filter) in filters.iter().enumerate() {
                let before = tree.tree.nodes.len();
                let (old, nodes, _) = cost::measure(|| tree.insert(filter, at));
                assert_eq!(old, None);
                let added = tree.tree.nodes.len() - before;
                assert!(added <= filter.len() / 53 + 4, "{filter:.30}: {added}");
                within("insert", filter, nodes);
            }
            assert!(!tree.is_empty());
            for (at, filter) in filters.iter().enumerate() {
                let (found, nodes, _) = cost::measure(|| tree.get(filter).copied());
                assert_eq!(found, Some(at));
                within("get", filter, nodes);
            }
            // In no order.
            for at in 0..filters.len() {
                let at = at * 7_919 % filters.len();
                let (old, nodes, _) = cost::measure(|| tree.remove(&filters[at]));
                assert_eq!(old, Some(at));
                within("remove", &filters[at], nodes);
            }
            assert!(tree.is_empty());
        }
    }

    /// Matching reads both texts once, whatever is in them.
    #[test]
    fn matching_costs_by_the_bytes_of_both() {
        let name = format!("{}{}", "a/".repeat(20_000), "b".repeat(25_000));
        let name = crate::topic::TopicName::new(&name).unwrap();
        for text in [
            format!("{}+", "+/".repeat(20_000)),
            format!("{}c", "a/+/".repeat(10_000)),
            format!("{}#", "a/".repeat(19_999)),
            "+/".repeat(32_767),
        ] {
            let filter = TopicFilter::new(&text).unwrap();
            let (_, _, bytes) = cost::measure(|| filter.matches(&name));
            assert!(bytes <= filter.len() + name.len(), "{filter:.30}: {bytes}");
        }
    }

    #[test]
    fn is_put_in_order_at_once_or_in_steps() {
        let mut tree = FilterTree::new();
        for number in 0..1_000 {
            let filter = format!("{number}/{}", number * 7 % 1_000);
            tree.insert(&TopicFilter::new(&filter).unwrap(), number);
        }
        let mut steps = 100;
        assert!(!tree.compact_within(&mut steps));
        assert_eq!(steps, 0);
        let calls = (1..).find(|_| tree.compact_within(&mut 100));
        assert!(calls.is_some_and(|calls| calls < 100), "{calls:?}");
        tree.tree.nodes.reserve_exact(100_000);
        tree.compact();
        assert!(tree.tree.nodes.capacity() < 10_000);
        assert_eq!(tree.len(), 1_000);
    }
}
