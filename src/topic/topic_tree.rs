use super::radix::{ROOT, Radix};
use super::{TextMap, TopicFilter, TopicName};

/// Values under topic names, found by topic filter: the retained messages of a server.
///
/// ```
/// use mqtt_sansio::topic::{TopicFilter, TopicName, TopicTree};
///
/// let mut tree = TopicTree::new();
/// for (name, message) in [("home/hall/light", "on"), ("home/hall", "2"), ("$SYS/uptime", "9")] {
///     tree.insert(&TopicName::new(name)?, message);
/// }
/// let filter = TopicFilter::new("home/hall/#")?;
/// let messages: Vec<_> = tree.matching_values(&filter).collect();
/// assert_eq!(messages, [&"2", &"on"]);
///
/// let filter = TopicFilter::new("+/+/light")?;
/// let (name, message) = tree.matching(&filter).next().unwrap();
/// assert_eq!((name.to_str(), *message), ("home/hall/light", "on"));
/// # Ok::<(), mqtt_sansio::InvalidText>(())
/// ```
///
/// # Cost
///
/// A look-up by filter does not recurse. Up to the first wildcard its cost depends on the bytes of
/// the filter. A `+` makes it visit all names that continue in that level, whether or not the rest
/// matches; a `#` visits all names below, which do match. Memory and the panic are those of
/// [`FilterTree`](super::FilterTree).
pub type TopicTree<V> = TextMap<TopicName, V>;

impl<V> TopicTree<V> {
    /// Iterates over the names that `filter` [matches](TopicFilter::matches) with their values, in
    /// the order of the names' bytes.
    ///
    /// The tree holds the names in pieces: each is put together when its turn comes, which
    /// allocates. [`matching_values`](Self::matching_values) does not.
    pub fn matching<'a, B: AsRef<[u8]>>(
        &'a self,
        filter: &'a TopicFilter<B>,
    ) -> impl Iterator<Item = (TopicName, &'a V)> {
        let tree = &self.tree;
        self.nodes(filter)
            .filter_map(|node| Some((TopicName(tree.key(node).into()), tree.value(node)?)))
    }

    /// Iterates over the values whose name `filter` [matches](TopicFilter::matches), in the order
    /// of the names' bytes. Does not allocate.
    pub fn matching_values<'a, B: AsRef<[u8]>>(
        &'a self,
        filter: &'a TopicFilter<B>,
    ) -> impl Iterator<Item = &'a V> {
        self.nodes(filter).filter_map(|node| self.tree.value(node))
    }

    fn nodes<'a, B: AsRef<[u8]>>(&'a self, filter: &'a TopicFilter<B>) -> Matching<'a, V> {
        Matching {
            tree: &self.tree,
            filter: filter.as_bytes(),
            node: ROOT,
            at: 0,
            step: Step::Down(0),
        }
    }
}

/// Iterator over the nodes whose name the filter matches.
struct Matching<'a, V> {
    tree: &'a Radix<V>,
    filter: &'a [u8],
    /// The node of the walk. All text down to the end of this node matches ...
    node: u32,
    /// ... this much of the filter. A `+` counts only when its level has ended.
    at: usize,
    step: Step,
}

/// The next step of the walk.
enum Step {
    Value,
    /// The children that start with this byte or a greater one.
    Down(usize),
    /// The nodes below the first one, from the second on. All of them match.
    All(u32, u32),
}

/// The result of comparing the text of a node with the filter.
enum Fit {
    /// Equal up to here.
    To(usize),
    /// Up to a `#`.
    All,
    None,
}

impl<V> Iterator for Matching<'_, V> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            match self.step {
                Step::Value => {
                    self.step = Step::Down(0);
                    let rest = self.filter.get(self.at..).unwrap_or_default();
                    let ends = matches!(rest, b"" | b"+" | b"/#" | b"+/#");
                    if ends && self.tree.value(self.node).is_some() {
                        return Some(self.node);
                    }
                }
                Step::Down(from) => match self.child(from) {
                    Some((child, text)) => {
                        self.step = after(text);
                        match fit(text, self.filter, self.at) {
                            Fit::To(at) => {
                                self.node = child;
                                self.at = at;
                                self.step = Step::Value;
                            }
                            Fit::All => self.step = Step::All(child, child),
                            Fit::None => {}
                        }
                    }
                    None if self.node == ROOT => return None,
                    None => {
                        let text = self.tree.text(self.node);
                        self.at = unfit(text, self.filter, self.at);
                        self.node = self.tree.parent(self.node);
                        self.step = after(text);
                    }
                },
                Step::All(top, node) => {
                    self.step = match self.tree.next(top, node) {
                        Some(next) => Step::All(top, next),
                        None => after(self.tree.text(top)),
                    };
                    if self.tree.value(node).is_some() {
                        return Some(node);
                    }
                }
            }
        }
    }
}

impl<'a, V> Matching<'a, V> {
    /// The next child that the filter may match, with its text.
    fn child(&self, from: usize) -> Option<(u32, &'a [u8])> {
        let child = match *self.filter.get(self.at)? {
            b'+' | b'#' => {
                let child = self.tree.child_from(self.node, from)?;
                // [MQTT-4.7.2-1]
                let dollar = self.node == ROOT && self.tree.text(child).first() == Some(&b'$');
                if dollar {
                    self.tree.child_from(self.node, usize::from(b'$') + 1)?
                } else {
                    child
                }
            }
            first if usize::from(first) >= from => self.tree.child(self.node, first)?,
            _ => return None,
        };
        Some((child, self.tree.text(child)))
    }
}

/// To the children behind the one with this text.
fn after(text: &[u8]) -> Step {
    Step::Down(text.first().map_or(0, |&first| usize::from(first) + 1))
}

/// Compares the text of a node with the filter from `at` on.
fn fit(text: &[u8], filter: &[u8], at: usize) -> Fit {
    let mut at = at;
    for &byte in text {
        match (filter.get(at), byte) {
            (Some(b'#'), _) => return Fit::All,
            (Some(b'+'), b'/') if filter.get(at + 1) == Some(&b'/') => at += 2,
            (Some(b'+'), b'/') => return Fit::None,
            (Some(b'+'), _) => {}
            (Some(&same), _) if same == byte => at += 1,
            _ => return Fit::None,
        }
    }
    match filter.get(at) {
        Some(b'#') => Fit::All,
        _ => Fit::To(at),
    }
}

/// The offset at which the text of a node started to match the filter, if it did up to `at`.
fn unfit(text: &[u8], filter: &[u8], at: usize) -> usize {
    let is_plus = |at: usize| filter.get(at) == Some(&b'+');
    text.iter().rev().fold(at, |at, &byte| match byte {
        b'/' if at > 1 && is_plus(at - 2) => at - 2,
        b'/' => at - 1,
        _ if is_plus(at) => at,
        _ => at - 1,
    })
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::*;

    fn filter(text: &str) -> TopicFilter<&[u8]> {
        TopicFilter::new(text).unwrap()
    }

    fn name(text: &str) -> TopicName<&[u8]> {
        TopicName::new(text).unwrap()
    }

    /// What the tree finds, in order, equals what a scan finds.
    fn check(tree: &TopicTree<usize>, text: &str) {
        let filter = filter(text);
        let found: Vec<_> = tree.matching(&filter).collect();
        let expected = tree.iter().filter(|(name, _)| filter.matches(name));
        assert_eq!(found, expected.collect::<Vec<_>>(), "{text}");
        let values = tree.matching_values(&filter);
        assert!(values.eq(found.iter().map(|(_, value)| *value)), "{text}");
    }

    #[test]
    fn equals_a_scan_for_all_short_filters() {
        fn all(alphabet: &str) -> impl Iterator<Item = String> {
            let size = alphabet.len();
            (1..=5).flat_map(move |len| {
                (0..size.pow(len)).map(move |number| {
                    let digits = (0..len).map(|place| number / size.pow(place) % size);
                    digits
                        .map(|digit| alphabet.as_bytes()[digit] as char)
                        .collect()
                })
            })
        }
        let mut tree = TopicTree::new();
        for topic in all("a/$b") {
            tree.insert(&name(&topic), tree.len());
        }
        assert!(tree.len() > 1_000);
        let filters = all("a/+#$").filter(|text| TopicFilter::new(text).is_ok());
        filters.for_each(|text| check(&tree, &text));
    }

    #[test]
    fn equals_a_scan_after_random_inserts_and_removes() {
        let mut random: u64 = 0x2545_F491_4F6C_DD1D;
        let mut pick = |end: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 20) as usize % end
        };
        let long = "long".repeat(30);
        let some = [
            "", "a", "ab", "abc", "b", "é", "$SYS", "1", "12", &long, "+", "+", "+",
        ];
        let mut tree = TopicTree::new();
        let mut model = BTreeMap::new();
        for round in 0..8_000 {
            let mut levels = |of: &[&str]| -> String {
                let levels: Vec<_> = (0..=pick(4)).map(|_| of[pick(of.len())]).collect();
                levels.join("/")
            };
            let topic = levels(&some[..10]);
            let mut text = levels(&some);
            if pick(3) == 0 {
                text = format!("{text}/#");
            }
            if topic.is_empty() || text.is_empty() {
                continue;
            }
            if pick(7) < if round < 5_000 { 5 } else { 2 } {
                let old = tree.insert(&name(&topic), round);
                assert_eq!(old, model.insert(topic, round));
            } else {
                assert_eq!(tree.remove(&name(&topic)), model.remove(&topic));
            }
            if round % 20 == 0 {
                check(&tree, &text);
            }
            assert_eq!(tree.len(), model.len());
        }
        assert!(model.len() > 300, "{}", model.len());
        let names = tree.iter().map(|(name, &value)| (name.to_string(), value));
        assert!(names.eq(model.iter().map(|(name, value)| (name.clone(), *value))));
        for topic in model.keys() {
            assert!(tree.remove(&name(topic)).is_some());
        }
        assert!(tree.is_empty());
        check(&tree, "#");
    }

    #[test]
    fn changes_in_place() {
        let mut tree = TopicTree::new();
        *tree.get_or_insert_with(&name("a"), || 1) += 1;
        assert_eq!(tree.get(&name("a")), Some(&2));
        *tree.get_mut(&name("a")).unwrap() += 1;
        assert_eq!(tree.insert(&name("a"), 7), Some(3));
        assert_eq!(tree.get(&name("a/")), None);
        assert_eq!(format!("{tree:?}"), r#"{"a": 7}"#);
    }
}
