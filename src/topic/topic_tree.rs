use core::fmt;
use core::iter::FusedIterator;

use super::cost;
use super::look_up::{BEHIND, LookUp, Position, take_step};
use super::radix::{ROOT, Radix};
use super::{TextMap, TopicFilter, TopicName, WithKeys};

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
/// let messages: Vec<_> = tree.matching(&filter).collect();
/// assert_eq!(messages, [&"2", &"on"]);
///
/// let filter = TopicFilter::new("+/+/light")?;
/// for (name, message) in tree.matching(&filter).with_names() {
///     assert_eq!((name.to_string(), *message), ("home/hall/light".into(), "on"));
/// }
/// # Ok::<(), mqtt_sansio::InvalidText>(())
/// ```
///
/// # Cost
///
/// A look-up by filter neither allocates nor recurses. Up to the first wildcard its cost depends on
/// the bytes of the filter. A `+` makes it visit all names that continue in that level, whether or
/// not the rest matches; a `#` visits all names below, which do match.
///
/// At worst, in a tree of `n` nodes of which `m` values are found, a look-up takes 2 × `n` + `m` + 1
/// steps, each of which compares at most 58 bytes. Among a million names, `fleet/+/+/+/humidity` may
/// take millions of steps and find nothing. [`Matching::next_within`] therefore does as many as it
/// is given, and [`matching_from`](TextMap::matching_from) goes on after other work, which may
/// change the tree.
///
/// Memory, the nodes of a name, and the panic are those of [`FilterTree`](super::FilterTree).
pub type TopicTree<V> = TextMap<TopicName, V>;

impl<V> TopicTree<V> {
    /// Iterates over the values whose name `filter` [matches](TopicFilter::matches), in the order
    /// of the names' bytes. [`Matching::with_names`] gives the names, too.
    pub fn matching<'a, B: AsRef<[u8]>>(&'a self, filter: &'a TopicFilter<B>) -> Matching<'a, V> {
        Matching {
            tree: &self.tree,
            filter: filter.as_bytes(),
            node: ROOT,
            at: 0,
            top: ROOT,
            step: Step::Down(0),
        }
    }

    /// Goes on with [`matching`](Self::matching) from a [position](Matching::position) that it had
    /// for the same filter, also if the tree has changed since.
    ///
    /// The values of names that have been in the tree since the look-up began are found exactly
    /// once. A name that was inserted or removed meanwhile may be found or not.
    ///
    /// Before its first step it visits the nodes down to the position, as
    /// [`get`](TextMap::get) does: fewer than there are bytes in the position.
    pub fn matching_from<'a, B: AsRef<[u8]>>(
        &'a self,
        filter: &'a TopicFilter<B>,
        position: &Position,
    ) -> Matching<'a, V> {
        let mut matching = self.matching(filter);
        matching.seek(&position.bound);
        matching
    }
}

/// Iterator over the values whose name a filter matches, from [`TopicTree::matching`].
pub struct Matching<'a, V> {
    pub(super) tree: &'a Radix<V>,
    filter: &'a [u8],
    /// The node of the walk. All text down to the end of this node matches ...
    node: u32,
    /// ... this much of the filter. A `+` counts only when its level has ended.
    at: usize,
    /// The node from which on down a `#` matches all, if the walk is there, or the root.
    top: u32,
    step: Step,
}

/// The next step of the walk.
#[derive(Clone, Copy)]
enum Step {
    Value,
    /// The children that start with this byte or a greater one.
    Down(usize),
}

/// The result of comparing the text of a node with the filter.
enum Fit {
    /// Equal up to here.
    To(usize),
    /// Up to a `#`.
    All,
    None,
}

impl<'a, V> Matching<'a, V> {
    /// Goes on until it has found the next value, or has used up `steps`, from which it takes those
    /// that it needs.
    ///
    /// A server that must do other work in between calls it with some thousand steps, and goes on
    /// later: with the same iterator, or, if the tree may change before, from its
    /// [`position`](Self::position). What a step and all of them may cost is stated at
    /// [`TopicTree`].
    ///
    /// ```
    /// use mqtt_sansio::topic::{LookUp, Position, TopicFilter, TopicName, TopicTree};
    ///
    /// let mut tree = TopicTree::new();
    /// for name in ["hall/light", "hall/heating", "kitchen/light"] {
    ///     tree.insert(&TopicName::new(name)?, name);
    /// }
    /// let filter = TopicFilter::new("+/light")?;
    /// let (mut found, mut position) = (Vec::new(), Position::default());
    /// 'slices: loop {
    ///     let mut matching = tree.matching_from(&filter, &position);
    ///     let mut steps = 2;
    ///     loop {
    ///         match matching.next_within(&mut steps) {
    ///             LookUp::Found(value) => found.push(*value),
    ///             LookUp::NotYet => break,
    ///             LookUp::End => break 'slices,
    ///         }
    ///     }
    ///     position = matching.position();
    ///     // Here is the time for other clients, who may publish.
    ///     tree.remove(&TopicName::new("hall/heating")?);
    /// }
    /// assert_eq!(found, ["hall/light", "kitchen/light"]);
    /// # Ok::<(), mqtt_sansio::InvalidText>(())
    /// ```
    pub fn next_within(&mut self, steps: &mut usize) -> LookUp<&'a V> {
        self.walk(|| take_step(steps)).map(|(_, value)| value)
    }

    /// Gives the name of each value with it, from here on. Its text is put together only when it is
    /// read.
    pub const fn with_names(self) -> WithKeys<Self> {
        WithKeys(self)
    }

    /// Returns where the look-up stands, for [`TopicTree::matching_from`]. Allocates.
    pub fn position(&self) -> Position {
        let mut bound = self.tree.key(self.node).to_vec();
        match self.step {
            Step::Value => {}
            Step::Down(from) => bound.push(u8::try_from(from).unwrap_or(BEHIND)),
        }
        Position { bound }
    }

    /// Goes down to where the walk, when it stood at `bound`, would stand in this tree.
    fn seek(&mut self, bound: &[u8]) {
        let mut rest = bound;
        while let Some(&first) = rest.first() {
            self.step = Step::Down(first.into());
            let Some(child) = self.tree.child(self.node, first) else {
                return;
            };
            let text = self.tree.text(child);
            match rest.strip_prefix(text) {
                Some(tail) => rest = tail,
                // All below the child comes behind the bound, or all before it.
                None if text > rest => return,
                None => return self.step = Step::Down(behind(text)),
            }
            match self.top {
                ROOT => self.enter(child, text),
                _ => (self.node, self.step) = (child, Step::Value),
            }
            if self.node != child {
                return;
            }
        }
    }

    /// Walks to the next value, as long as `may_step`. Returns it with the node of its name.
    #[inline]
    pub(super) fn walk(&mut self, mut may_step: impl FnMut() -> bool) -> LookUp<(u32, &'a V)> {
        loop {
            if !may_step() {
                return LookUp::NotYet;
            }
            let from = match self.step {
                Step::Value => {
                    self.step = Step::Down(0);
                    let rest = self.filter.get(self.at..).unwrap_or_default();
                    if self.top != ROOT || matches!(rest, b"" | b"+" | b"/#" | b"+/#") {
                        if let Some(value) = self.tree.value(self.node) {
                            return LookUp::Found((self.node, value));
                        }
                    }
                    0
                }
                Step::Down(from) => from,
            };
            if self.top != ROOT {
                match self.next_below(from, &mut may_step) {
                    Some(value) => return LookUp::Found((self.node, value)),
                    None => continue,
                }
            }
            match self.child(from) {
                Some((child, text)) => self.enter(child, text),
                None if self.node == ROOT => return LookUp::End,
                None => self.leave(),
            }
        }
    }

    /// Goes to the next value below `top`, or out of there.
    #[inline]
    fn next_below(&mut self, from: usize, may_step: &mut impl FnMut() -> bool) -> Option<&'a V> {
        let (mut node, mut from) = (self.node, from);
        let mut found = None;
        loop {
            if let Some(child) = self.tree.child_from(node, from) {
                (node, from) = (child, 0);
                found = self.tree.value(child);
            } else {
                from = behind(self.tree.text(node));
                if node == self.top {
                    self.top = ROOT;
                }
                node = self.tree.parent(node);
            }
            if found.is_some() || self.top == ROOT || !may_step() {
                break;
            }
        }
        (self.node, self.step) = (node, Step::Down(from));
        found
    }

    /// Goes down to `child`, or past it if its text does not match.
    #[inline]
    fn enter(&mut self, child: u32, text: &[u8]) {
        match fit(text, self.filter, self.at) {
            Fit::To(at) => self.at = at,
            Fit::All => self.top = child,
            Fit::None => return self.step = Step::Down(behind(text)),
        }
        self.node = child;
        self.step = Step::Value;
    }

    /// Goes up from where the walk is, to the next child.
    #[inline]
    fn leave(&mut self) {
        let text = self.tree.text(self.node);
        self.at = unfit(text, self.filter, self.at);
        self.node = self.tree.parent(self.node);
        self.step = Step::Down(behind(text));
    }

    /// The next child that the filter may match, with its text.
    #[inline]
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

impl<'a, V> Iterator for Matching<'a, V> {
    type Item = &'a V;

    #[inline]
    fn next(&mut self) -> Option<&'a V> {
        self.walk(|| true).found().map(|(_, value)| value)
    }
}

impl<V> FusedIterator for Matching<'_, V> {}

impl<V> Clone for Matching<'_, V> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<V> fmt::Debug for Matching<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matching").finish_non_exhaustive()
    }
}

/// The first byte of the children behind the one with this text.
#[inline]
fn behind(text: &[u8]) -> usize {
    text.first().map_or(0, |&first| usize::from(first) + 1)
}

/// Compares the text of a node with the filter from `at` on.
fn fit(text: &[u8], filter: &[u8], at: usize) -> Fit {
    cost::bytes(text.len());
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
    cost::bytes(text.len());
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
    use crate::topic::StoredKey;

    fn filter(text: &str) -> TopicFilter<&[u8]> {
        TopicFilter::new(text).unwrap()
    }

    fn name(text: &str) -> TopicName<&[u8]> {
        TopicName::new(text).unwrap()
    }

    /// What the tree finds, in order, equals what a scan finds.
    fn check(tree: &TopicTree<usize>, text: &str) {
        let filter = filter(text);
        let owned = |(name, value): (StoredKey<'_, TopicName>, _)| (name.to_owned(), value);
        let found: Vec<_> = tree.matching(&filter).with_names().map(owned).collect();
        let expected = tree.iter().map(owned);
        let expected = expected.filter(|(name, _)| filter.matches(name));
        assert_eq!(found, expected.collect::<Vec<_>>(), "{text}");
        let values = tree.matching(&filter);
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

    /// Goes through a look-up in slices. Returns its steps.
    fn within_its_bound(tree: &TopicTree<usize>, text: &str, slice: usize) -> usize {
        let filter = filter(text);
        let (mut found, mut used) = (0, 0);
        let mut matching = tree.matching(&filter);
        loop {
            let mut steps = slice;
            let (next, nodes, bytes) = cost::measure(|| matching.next_within(&mut steps));
            let taken = slice - steps;
            used += taken;
            assert!(nodes <= 6 * (taken + 1), "{text:.30}: {nodes}, {taken}");
            assert!(bytes <= 58 * taken, "{text:.30}: {bytes}, {taken}");
            match next {
                LookUp::Found(_) => found += 1,
                LookUp::NotYet => assert_eq!(steps, 0),
                LookUp::End => break,
            }
            let most = 2 * tree.tree.nodes.len() + found + 1;
            assert!(used < most, "{text:.30}: {used} steps, at most {most}");
        }
        assert!(
            used <= 2 * tree.tree.nodes.len() + found + 1,
            "{text:.30}: {used}"
        );
        assert_eq!(found, tree.matching(&filter).count());
        used
    }

    #[test]
    fn e11_a_look_up_stays_within_its_bound() {
        let mut tree = TopicTree::new();
        for n in 0..5_000 {
            let serial = n * 7_919 % 100_000;
            let text = format!(
                "fleet/{}/site-{}/{serial:05}/temperature",
                n % 10,
                n / 10 % 100
            );
            tree.insert(&name(&text), n);
        }
        // Each name is a node below the last one, and one of them has text of many nodes.
        let deep = "/".repeat(30_000);
        for len in 1..2_000 {
            tree.insert(&name(&deep[..len]), len);
        }
        tree.insert(&name(&deep), 0);
        for slice in [1, 7, 1_000, usize::MAX] {
            let steps = within_its_bound(&tree, "fleet/+/+/+/humidity", slice);
            assert!(steps > 5_000);
            for text in [
                "#",
                "fleet/#",
                "+/#",
                "/#",
                &deep,
                "+/+/site-1/+/+",
                "//+/+/#",
                "x",
            ] {
                within_its_bound(&tree, text, slice);
            }
        }
        // What no filter reaches costs nothing.
        assert!(within_its_bound(&tree, "fleet/1/site-1/+/humidity", 1) < 100);
    }

    /// With a pause after every step, and all of the state thrown away.
    #[test]
    fn e11_goes_on_where_it_was() {
        let long = "long".repeat(40);
        let mut tree = TopicTree::new();
        for first in [
            "", "a", "ab", "b", "$a", "!", "é", &long, "0", "1", "2", "3", "4", "5", "6",
        ] {
            for second in ["", "/", "/a", "/a/b", "/b/a", &*format!("/{long}/c")] {
                if let Ok(name) = TopicName::new(&format!("{first}{second}")) {
                    tree.insert(&name, tree.len());
                }
            }
        }
        let empty = TopicTree::new();
        for text in [
            "#", "+", "+/#", "+/+", "a/#", "+/a/+", "/#", "+/+/c", "$a/#", "a/b/a", "é/+",
        ] {
            for tree in [&tree, &empty] {
                let filter = filter(text);
                let (mut found, mut position) = (Vec::new(), Position::default());
                let mut rounds = 0;
                loop {
                    let mut matching = tree.matching_from(&filter, &position).with_names();
                    match matching.next_within(&mut 1) {
                        LookUp::Found((name, &value)) => found.push((name.to_owned(), value)),
                        LookUp::NotYet => {}
                        LookUp::End => break,
                    }
                    position = matching.position();
                    rounds += 1;
                    assert!(rounds < 10_000, "{text} does not go on");
                }
                let expected = tree.matching(&filter).with_names();
                let expected = expected.map(|(name, &value)| (name.to_owned(), value));
                assert!(expected.eq(found), "{text}");
            }
        }
    }
}
