use core::fmt;
use core::iter::FusedIterator;

use super::levels::{equal_bytes, level_len};
use super::radix::{Node, ROOT, Radix};
use super::{TextMap, TopicFilter, TopicName};

/// Values under topic filters, found by topic name: the subscriptions of a server.
///
/// ```
/// use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName};
///
/// let mut tree = FilterTree::new();
/// for (client, filter) in [(1, "sport/#"), (2, "sport/+/player1"), (3, "sport/#"), (4, "+")] {
///     // Many clients may have the same filter: their list is its value.
///     tree.get_or_insert_with(&TopicFilter::new(filter)?, Vec::new).push(client);
/// }
/// let name = TopicName::new("sport/tennis/player1")?;
/// let mut clients: Vec<_> = tree.matches(&name).flatten().collect();
/// clients.sort();
/// assert_eq!(clients, [&1, &2, &3]);
/// # Ok::<(), mqtt_sansio::InvalidText>(())
/// ```
///
/// Filters are stored unchanged. For a shared subscription, insert the
/// [inner filter](TopicFilter::shared).
///
/// # Cost
///
/// A look-up neither allocates nor recurses. It visits each prefix of a stored filter that matches
/// a prefix of the name, once, and filters share their prefixes. Its cost therefore depends on the
/// levels and the matches, not on the number of filters. A prefix may match where no whole filter
/// does, however: a client that may store any number of filters, such as `a/+/a/x` with `a` and `+`
/// in all combinations, can make one look-up visit them all. Limit the filters of a client.
///
/// The tree is a radix tree over the bytes of the filters. It compares and does not hash, so
/// nobody can choose filters that collide. A filter of 40 bytes takes some 110 to 170 bytes of
/// memory, its text included; a longer one about 1.3 for each byte it does not share. Each piece of
/// up to 58 bytes has room for a value, so box large ones. Memory is freed as filters are removed.
///
/// # Panics
///
/// If there would be more than 2³² nodes, which take 256 GiB.
pub type FilterTree<V> = TextMap<TopicFilter, V>;

impl<V> FilterTree<V> {
    /// Iterates over the values whose filter [matches](TopicFilter::matches) `name`, in no
    /// particular order.
    pub fn matches<'a, B: AsRef<[u8]>>(&'a self, name: &'a TopicName<B>) -> Matches<'a, V> {
        Matches {
            tree: &self.tree,
            name: name.as_bytes(),
            node: ROOT,
            at: 0,
            step: Step::Value,
            detours: Detours::default(),
        }
    }
}

/// Iterator over the values whose filter matches a topic name, from [`FilterTree::matches`].
///
/// Walks depth first. Where a node has both a child `+` and the child that the name spells out, the
/// walk enters the first, and the second later.
pub struct Matches<'a, V> {
    tree: &'a Radix<V>,
    name: &'a [u8],
    /// The node of the walk. All text down to the end of this node matches ...
    node: u32,
    /// ... this much of the name. One past its end stands for a further `/`, which
    /// only `/#` may match.
    at: usize,
    step: Step,
    detours: Detours,
}

/// The children that the name spells out and that are still to be entered.
///
/// Of all but the latest, only the number is known: they are found by going up again, as the tree
/// and the name say where they are.
#[derive(Clone, Copy, Default)]
struct Detours {
    open: usize,
    /// The number of open ones in `latest`.
    known: usize,
    /// The child, and how much of the name matches above it. The `n`th to be open is at `n`, modulo
    /// the length.
    latest: [(u32, usize); 8],
}

impl Detours {
    fn push(&mut self, child: u32, at: usize) {
        let len = self.latest.len();
        if let Some(slot) = self.latest.get_mut(self.open % len) {
            *slot = (child, at);
        }
        self.open += 1;
        self.known = len.min(self.known + 1);
    }

    fn pop(&mut self) -> Option<(u32, usize)> {
        self.known = self.known.checked_sub(1)?;
        self.open -= 1;
        self.latest.get(self.open % self.latest.len()).copied()
    }
}

/// The next step of the walk.
#[derive(Clone, Copy)]
enum Step {
    /// The node itself, just entered.
    Value,
    Hash,
    Plus,
    Literal,
    Up,
}

/// The result of comparing the text of a node with the name.
enum Fit {
    /// Equal up to here.
    To(usize),
    /// Ends in a `#`.
    Hash,
    None,
}

impl<'a, V> Matches<'a, V> {
    /// The child of `node`, where the walk is, that the name spells out.
    #[inline]
    fn literal(&self, node: &Node) -> Option<u32> {
        let first = match self.name.get(self.at) {
            Some(&byte) => byte,
            None if self.at == self.name.len() => b'/',
            None => return None,
        };
        self.tree.child_of(node, first)
    }

    /// Returns whether a level of the name starts here that a wildcard may match.
    #[inline]
    fn level_starts(&self) -> bool {
        match self.at.checked_sub(1) {
            Some(before) => self.name.get(before).is_none_or(|&byte| byte == b'/'),
            // [MQTT-4.7.2-1]
            None => self.name.first() != Some(&b'$'),
        }
    }

    /// Goes down to `child` if its text matches and there is more below. Returns its value if the
    /// name ends there, or the text in `#`.
    #[inline]
    fn enter(&mut self, child: u32) -> Option<&'a V> {
        let node = self.tree.nodes.get(child as usize)?;
        match fit(node.text(), self.name, self.at) {
            Fit::To(at) if node.count() > 0 => {
                self.node = child;
                self.at = at;
                self.step = Step::Value;
                None
            }
            Fit::To(at) if at != self.name.len() => None,
            Fit::To(_) | Fit::Hash => self.tree.value(child),
            Fit::None => None,
        }
    }

    /// Goes down from `node`, where the walk is, as long as the name alone says where.
    #[inline]
    fn descend(&mut self, node: &'a Node) -> Option<&'a V> {
        let mut node = node;
        loop {
            self.step = Step::Up;
            let found = self.enter(self.literal(node)?);
            if let Step::Up = self.step {
                return found;
            }
            node = self.tree.nodes.get(self.node as usize)?;
            if self.at == self.name.len() || node.may_branch() && self.level_starts() {
                return None;
            }
        }
    }

    /// Goes to where the latest detour began, or on the way up to there, and enters it.
    fn leave(&mut self, node: &Node) -> Option<&'a V> {
        if let Some((child, at)) = self.detours.pop() {
            self.node = self.tree.parent(child);
            self.at = at;
            return self.enter(child);
        }
        self.at = unfit(node.text(), self.name, self.at);
        self.node = node.parent;
        if node.first() != Some(b'+') {
            return None;
        }
        let child = self.literal(self.tree.nodes.get(self.node as usize)?)?;
        self.detours.open -= 1;
        self.enter(child)
    }
}

impl<'a, V> Iterator for Matches<'a, V> {
    type Item = &'a V;

    fn next(&mut self) -> Option<&'a V> {
        loop {
            // Only an empty tree has no root.
            let node = self.tree.nodes.get(self.node as usize)?;
            if let Step::Value = self.step {
                self.step = match node.may_branch() && self.level_starts() {
                    true => Step::Hash,
                    false => Step::Literal,
                };
                if self.at == self.name.len() {
                    if let Some(value) = self.tree.value(self.node) {
                        return Some(value);
                    }
                }
            }
            if let Step::Hash = self.step {
                self.step = Step::Plus;
                if let Some(child) = self.tree.child_of(node, b'#') {
                    return self.tree.value(child);
                }
            }
            let found = match self.step {
                Step::Plus => {
                    self.step = Step::Literal;
                    let Some(child) = self.tree.child_of(node, b'+') else {
                        continue;
                    };
                    let (literal, at) = (self.literal(node), self.at);
                    let found = self.enter(child);
                    if let (Some(literal), Step::Value) = (literal, self.step) {
                        self.detours.push(literal, at);
                    }
                    found
                }
                Step::Literal => self.descend(node),
                _ if self.detours.open == 0 => return None,
                _ => self.leave(node),
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

impl<V> FusedIterator for Matches<'_, V> {}

impl<V> Clone for Matches<'_, V> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<V> fmt::Debug for Matches<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matches").finish_non_exhaustive()
    }
}

/// Compares the text of a node with the name from `at` on.
#[inline]
fn fit(text: &[u8], name: &[u8], at: usize) -> Fit {
    let (mut rest, mut at) = (text, at);
    loop {
        let ahead = name.get(at..).unwrap_or_default();
        match rest {
            [b'+', tail @ ..] if at <= name.len() => {
                at += level_len(ahead);
                rest = tail;
                if rest.is_empty() {
                    return Fit::To(at);
                }
            }
            [b'#'] => return Fit::Hash,
            // Most text is equal as a whole.
            _ if ahead.starts_with(rest) => return Fit::To(at + rest.len()),
            [b'/', tail @ ..] if at == name.len() => {
                at += 1;
                rest = tail;
                if rest.is_empty() {
                    return Fit::To(at);
                }
            }
            _ => {
                // What is equal can hold no wildcard, as the name has none.
                let equal = equal_bytes(rest, ahead);
                if equal == 0 {
                    return Fit::None;
                }
                at += equal;
                rest = rest.get(equal..).unwrap_or_default();
            }
        }
    }
}

/// The offset at which the text of a node started to match the name, if it did up to `at`.
fn unfit(text: &[u8], name: &[u8], at: usize) -> usize {
    // What is equal holds no wildcard.
    let equal = at.checked_sub(text.len());
    if let Some(start) = equal.filter(|&start| name.get(start..at) == Some(text)) {
        return start;
    }
    text.iter().rev().fold(at, |at, &byte| match byte {
        b'+' => {
            let before = name.get(..at).unwrap_or_default();
            let separator = before.iter().rposition(|&byte| byte == b'/');
            separator.map_or(0, |separator| separator + 1)
        }
        _ => at - 1,
    })
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    fn filter(text: &str) -> TopicFilter<&[u8]> {
        TopicFilter::new(text).unwrap()
    }

    fn name(text: &str) -> TopicName<&[u8]> {
        TopicName::new(text).unwrap()
    }

    /// The values that the tree finds, sorted, and those that a scan finds.
    fn both(tree: &FilterTree<usize>, topic: &str) -> (Vec<usize>, Vec<usize>) {
        let topic = name(topic);
        let mut found: Vec<_> = tree.matches(&topic).copied().collect();
        found.sort();
        let entries = tree.iter().filter(|(filter, _)| filter.matches(&topic));
        let mut expected: Vec<_> = entries.map(|(_, &value)| value).collect();
        expected.sort();
        (found, expected)
    }

    /// Every filter and every name of up to five of these characters at once.
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
        let mut tree = FilterTree::new();
        for text in all("a/+#$") {
            if let Ok(filter) = TopicFilter::new(&text) {
                tree.insert(&filter, tree.len());
            }
        }
        assert!(tree.len() > 400);
        for topic in all("a/$b") {
            let (found, expected) = both(&tree, &topic);
            assert_eq!(found, expected, "{topic}");
        }
    }

    /// Levels that part in the middle of nodes, and at their ends.
    fn level(random: &mut u64, levels: &[&str]) -> String {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let pick = (*random >> 20) as usize % levels.len();
        let long = match *random >> 60 {
            0 => 60,
            _ => 1,
        };
        levels[pick].repeat(long)
    }

    #[test]
    fn equals_a_scan_after_random_inserts_and_removes() {
        let mut random = 0x2545_F491_4F6C_DD1D;
        let mut tree = FilterTree::new();
        let mut model = BTreeMap::new();
        for round in 0..12_000 {
            let some = [
                "", "a", "ab", "abc", "b", "é", "$SYS", "+", "+", "+", "1", "12", "13",
            ];
            let depth = 1 + round % 5;
            let mut text: Vec<_> = (0..depth)
                .map(|_| match level(&mut random, &some) {
                    level if level.starts_with('+') => "+".into(),
                    level => level,
                })
                .collect();
            if random % 4 == 0 {
                text.push("#".into());
            }
            let text = text.join("/");
            if text.is_empty() {
                continue;
            }
            if random % 7 < if round < 8_000 { 5 } else { 2 } {
                let old = tree.insert(&filter(&text), round);
                assert_eq!(old, model.insert(text, round));
            } else {
                assert_eq!(tree.remove(&filter(&text)), model.remove(&text));
            }
            if round % 20 == 0 {
                let levels: Vec<_> = (0..depth).map(|_| level(&mut random, &some[..7])).collect();
                let topic = levels.join("/");
                if !topic.is_empty() {
                    let name = name(&topic);
                    let mut found: Vec<_> = tree.matches(&name).copied().collect();
                    found.sort();
                    let scan = model.iter().filter(|(text, _)| filter(text).matches(&name));
                    let mut expected: Vec<_> = scan.map(|(_, &value)| value).collect();
                    expected.sort();
                    assert_eq!(found, expected, "{topic}");
                }
            }
            assert_eq!(tree.len(), model.len());
        }
        assert!(model.len() > 300, "{}", model.len());
        let keys = tree
            .iter()
            .map(|(filter, &value)| (format!("{filter}"), value));
        assert!(keys.eq(model.iter().map(|(text, value)| (text.clone(), *value))));
        for text in model.keys() {
            assert!(tree.remove(&filter(text)).is_some());
        }
        assert!(tree.is_empty());
        assert_eq!(tree.iter().count(), 0);
    }

    /// Every beginning of every filter matches, and each is on the way to the next one.
    #[test]
    fn all_ways_are_taken_once() {
        let mut tree = FilterTree::new();
        for number in 0..1 << 10 {
            let levels = (0..10).map(|place| match number >> place & 1 {
                0 => "a/",
                _ => "+/",
            });
            let text: String = levels.collect();
            tree.insert(&filter(&format!("{text}x")), number);
            tree.insert(&filter(&format!("{text}y")), 1 << 10 | number);
        }
        for (last, first) in [("x", 0), ("y", 1 << 10)] {
            let (found, _) = both(&tree, &format!("{}{last}", "a/".repeat(10)));
            assert!(found.into_iter().eq(first..first + (1 << 10)));
        }
        for other in ["z", "", "x/y"] {
            assert!(
                both(&tree, &format!("{}{other}", "a/".repeat(10)))
                    .0
                    .is_empty()
            );
        }
        assert_eq!(
            both(&tree, &format!("b/{}x", "a/".repeat(9))).0.len(),
            1 << 9
        );
    }

    #[test]
    fn no_match_after_the_last() {
        let mut tree = FilterTree::new();
        tree.insert(&filter("+/b"), 1);
        tree.insert(&filter("a/b"), 2);
        let topic = name("a/b");
        let mut matches = tree.matches(&topic);
        let mut again = matches.clone();
        assert_eq!(matches.by_ref().count(), 2);
        assert_eq!((matches.next(), matches.next()), (None, None));
        assert_eq!(again.next(), Some(&1));
    }

    #[test]
    fn unsubscribing_leaves_the_others() {
        let mut tree = FilterTree::new();
        for (value, text) in ["a/b", "a/b/c", "a/+", "a/#", "#"].into_iter().enumerate() {
            tree.insert(&filter(text), value);
        }
        assert_eq!(tree.remove(&filter("a/b")), Some(0));
        assert_eq!(tree.remove(&filter("a/b")), None);
        assert_eq!(tree.get(&filter("a/b/c")), Some(&1));
        assert_eq!(both(&tree, "a/b").0, [2, 3, 4]);
        *tree.get_mut(&filter("a/+")).unwrap() = 9;
        assert_eq!(both(&tree, "a/b").0, [3, 4, 9]);
        assert_eq!(tree.get_mut(&filter("a/x")), None);
    }
}
