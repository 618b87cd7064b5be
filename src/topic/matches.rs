use core::fmt;
use core::iter::FusedIterator;

use super::WithKeys;
use super::fit::{Detours, Fit, fit, unfit};
use super::levels::{Blocks, equal_bytes};
use super::look_up::{BEHIND, LookUp, Position, take_step};
use super::radix::{Node, ROOT, Radix};

/// Iterator over the values whose filter matches a topic name, from [`FilterTree::matches`](super::FilterTree::matches).
///
/// Walks depth first. Where a node has both a child `+` and the child that the name spells out, the
/// walk enters the first, and the second later.
pub struct Matches<'a, V> {
    pub(super) tree: &'a Radix<V>,
    name: &'a [u8],
    blocks: Blocks,
    /// The node of the walk. All text down to the end of this node matches ...
    node: u32,
    /// ... this much of the name. One past its end stands for a further `/`, which
    /// only `/#` may match.
    at: usize,
    step: Step,
    detours: Detours,
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

impl<'a, V> Matches<'a, V> {
    pub(super) fn new(tree: &'a Radix<V>, name: &'a [u8]) -> Self {
        Self {
            tree,
            name,
            blocks: Blocks::default(),
            node: ROOT,
            at: 0,
            step: Step::Value,
            detours: Detours::default(),
        }
    }

    /// Goes on until it has found the next value, or has used up `steps`, from which it takes those
    /// that it needs.
    ///
    /// A server that must do other work in between calls it with some thousand steps, and goes on
    /// later: with the same iterator, or, if the tree may change before, from its
    /// [`position`](Self::position). What a step and all of them may cost is stated at
    /// [`FilterTree`](super::FilterTree).
    ///
    /// ```
    /// use mqtt_sansio::topic::{FilterTree, LookUp, Position, TopicFilter, TopicName};
    ///
    /// let mut tree = FilterTree::new();
    /// for filter in ["sport/#", "sport/+/player1", "+/tennis/#"] {
    ///     tree.insert(&TopicFilter::new(filter)?, filter);
    /// }
    /// let name = TopicName::new("sport/tennis/player1")?;
    /// let (mut found, mut position) = (Vec::new(), Position::default());
    /// 'slices: loop {
    ///     let mut matches = tree.matches_from(&name, &position);
    ///     let mut steps = 2;
    ///     loop {
    ///         match matches.next_within(&mut steps) {
    ///             LookUp::Found(value) => found.push(*value),
    ///             LookUp::NotYet => break,
    ///             LookUp::End => break 'slices,
    ///         }
    ///     }
    ///     position = matches.position();
    ///     // Here is the time for other clients, who may subscribe and unsubscribe.
    ///     tree.insert(&TopicFilter::new("other")?, "other");
    /// }
    /// found.sort();
    /// assert_eq!(found, ["+/tennis/#", "sport/#", "sport/+/player1"]);
    /// # Ok::<(), mqtt_sansio::InvalidText>(())
    /// ```
    pub fn next_within(&mut self, steps: &mut usize) -> LookUp<&'a V> {
        self.walk(|| take_step(steps)).map(|(_, value)| value)
    }

    /// Gives the filter of each value with it, from here on. Its text is put together only when it
    /// is read.
    pub const fn with_filters(self) -> WithKeys<Self> {
        WithKeys(self)
    }

    /// Returns where the look-up stands, for [`FilterTree::matches_from`](super::FilterTree::matches_from). Allocates.
    pub fn position(&self) -> Position {
        let mut bound = self.tree.key(self.node).to_vec();
        match self.step {
            Step::Value => {}
            Step::Hash => bound.push(b'#'),
            Step::Plus => bound.push(b'+'),
            Step::Literal => bound.push(self.next_byte().unwrap_or(BEHIND)),
            Step::Up => bound.push(BEHIND),
        }
        Position { bound }
    }

    /// The nodes that the next step visits, as far as they are known; else this one.
    pub(super) fn ahead(&self) -> [u32; 2] {
        let Some(node) = self.tree.nodes.get(self.node as usize) else {
            return [ROOT; 2];
        };
        let literal = || self.literal(node);
        let first = match self.step {
            Step::Value if node.may_branch() && self.level_starts() => {
                let [hash, plus] = [b'#', b'+'].map(|byte| self.tree.child_of(node, byte));
                return [hash.unwrap_or(self.node), plus.unwrap_or(self.node)];
            }
            Step::Value | Step::Literal => literal(),
            Step::Hash | Step::Plus => self.tree.child_of(node, b'+'),
            Step::Up => self.detours.next(),
        };
        [first.unwrap_or(self.node), self.node]
    }

    /// Goes down to where the walk, when it stood at `bound`, would stand in this tree.
    pub(super) fn seek(&mut self, bound: &[u8]) {
        let mut rest = bound;
        while let Some(&first) = rest.first() {
            let Some(node) = self.tree.nodes.get(self.node as usize) else {
                return;
            };
            let (there, behind) = match first {
                b'#' => (Step::Hash, Step::Plus),
                b'+' => (Step::Plus, Step::Literal),
                _ => (Step::Literal, Step::Up),
            };
            self.step = behind;
            let Some(child) = self.tree.child_of(node, first) else {
                return;
            };
            let text = self.tree.text(child);
            let equal = equal_bytes(text, rest);
            rest = rest.get(equal..).unwrap_or_default();
            if let Some(&byte) = text.get(equal) {
                if rest.first().is_none_or(|&bound| rank(byte) > rank(bound)) {
                    self.step = there;
                }
                return;
            }
            let (literal, at) = (self.literal(node), self.at);
            self.enter(child);
            match (self.step, first, literal) {
                (Step::Value, b'+', Some(literal)) => self.detours.push(literal, at),
                (Step::Value, ..) => {}
                _ if rest.is_empty() => return self.step = there,
                _ => return,
            }
        }
    }

    /// The byte that the name continues with, or the `/` that stands behind its end.
    #[inline]
    fn next_byte(&self) -> Option<u8> {
        match self.name.get(self.at) {
            None if self.at == self.name.len() => Some(b'/'),
            byte => byte.copied(),
        }
    }

    /// The child of `node`, where the walk is, that the name spells out.
    #[inline]
    fn literal(&self, node: &Node) -> Option<u32> {
        self.tree.child_of(node, self.next_byte()?)
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

    /// Goes down to `child` if its text matches and there is more below. Returns it with its value
    /// if the name ends there, or the text in `#`.
    #[inline]
    fn enter(&mut self, child: u32) -> Option<(u32, &'a V)> {
        let node = self.tree.nodes.get(child as usize)?;
        match fit(node.text(), self.name, self.at, &mut self.blocks) {
            Fit::To(at) if node.count() > 0 => {
                self.node = child;
                self.at = at;
                self.step = Step::Value;
                None
            }
            Fit::To(at) if at != self.name.len() => None,
            Fit::To(_) | Fit::Hash => Some((child, self.tree.value(child)?)),
            Fit::None => None,
        }
    }

    /// Goes down from `node`, where the walk is, as long as the name alone says where.
    #[inline]
    fn descend(
        &mut self,
        node: &'a Node,
        may_step: &mut impl FnMut() -> bool,
    ) -> Option<(u32, &'a V)> {
        let mut node = node;
        loop {
            self.step = Step::Up;
            let found = self.enter(self.literal(node)?);
            if let Step::Up = self.step {
                return found;
            }
            node = self.tree.nodes.get(self.node as usize)?;
            let branches = node.may_branch() && self.level_starts();
            if self.at == self.name.len() || branches || !may_step() {
                return None;
            }
        }
    }

    /// Goes to where the latest detour began, or on the way up to there, and enters it.
    fn leave(&mut self, node: &Node) -> Option<(u32, &'a V)> {
        if let Some((child, at)) = self.detours.pop() {
            self.node = self.tree.parent(child);
            self.at = at;
            return self.enter(child);
        }
        self.at = unfit(node.text(), self.name, self.at, &mut self.blocks);
        self.node = node.parent;
        if node.first() != Some(b'+') {
            return None;
        }
        let child = self.literal(self.tree.nodes.get(self.node as usize)?)?;
        self.detours.open -= 1;
        self.enter(child)
    }

    /// Walks to the next value, as long as `may_step`. Returns it with the node of its filter.
    #[inline]
    pub(super) fn walk(&mut self, mut may_step: impl FnMut() -> bool) -> LookUp<(u32, &'a V)> {
        loop {
            // Only an empty tree has no root.
            let Some(node) = self.tree.nodes.get(self.node as usize) else {
                return LookUp::End;
            };
            if !may_step() {
                return LookUp::NotYet;
            }
            if let Step::Value = self.step {
                self.step = match node.may_branch() && self.level_starts() {
                    true => Step::Hash,
                    false => Step::Literal,
                };
                if self.at == self.name.len() {
                    if let Some(value) = self.tree.value(self.node) {
                        return LookUp::Found((self.node, value));
                    }
                }
            }
            if let Step::Hash = self.step {
                self.step = Step::Plus;
                if let Some(child) = self.tree.child_of(node, b'#') {
                    if let Some(value) = self.tree.value(child) {
                        return LookUp::Found((child, value));
                    }
                }
            }
            let found = match self.step {
                Step::Plus => self.plus(node),
                Step::Literal => self.descend(node, &mut may_step),
                _ if self.detours.open == 0 => return LookUp::End,
                _ => self.leave(node),
            };
            if let Some(found) = found {
                return LookUp::Found(found);
            }
        }
    }

    /// Enters the child `+` of `node`, where the walk is. What the name spells out comes later.
    #[inline]
    fn plus(&mut self, node: &Node) -> Option<(u32, &'a V)> {
        self.step = Step::Literal;
        let child = self.tree.child_of(node, b'+')?;
        let (literal, at) = (self.literal(node), self.at);
        let found = self.enter(child);
        if let (Some(literal), Step::Value) = (literal, self.step) {
            self.detours.push(literal, at);
        }
        found
    }
}

impl<'a, V> Iterator for Matches<'a, V> {
    type Item = &'a V;

    #[inline]
    fn next(&mut self) -> Option<&'a V> {
        self.walk(|| true).found().map(|(_, value)| value)
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

/// The order in which the walk takes what starts alike. Only one byte of those of rank 2 can match,
/// and never [`BEHIND`].
const fn rank(byte: u8) -> u8 {
    match byte {
        b'#' => 0,
        b'+' => 1,
        _ => 2,
    }
}
