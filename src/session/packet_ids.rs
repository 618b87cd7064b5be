use alloc::vec::Vec;

use crate::packet_id::PacketId;

/// The packet identifiers in use, and the next one.
///
/// All 65,535 can be in use. A new identifier is never zero and never in use. Identifiers rotate,
/// so that one just released is used last. Every operation takes constant time. Memory on the heap
/// grows with the identifiers in use: none for up to eight, 148,546 bytes at most.
// In this order, as a connection is.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct PacketIds {
    /// The identifiers in use, once they were more than a few and until there are none; else empty.
    tree: Tree,
    /// The identifiers in use, each with its slot, in no order, and behind them unused ones; while
    /// they are so few that a search is quicker than a tree.
    few: [(u16, u16); FEW],
    last: u16,
    len: u16,
}

const FEW: usize = 8;

impl PacketIds {
    /// Makes the set with no identifier in use. The first one is 1.
    pub const fn new() -> Self {
        Self {
            few: [(0, 0); FEW],
            tree: Tree::new(),
            last: 0,
            len: 0,
        }
    }

    /// Takes the next identifier [MQTT-2.2.1-3].
    ///
    /// `None` if all 65,535 are in use.
    pub fn take(&mut self) -> Option<PacketId> {
        let id = self.next()?;
        self.insert(id, 0);
        self.last = id.get();
        Some(id)
    }

    /// Releases `id`. Returns whether it was in use.
    pub fn release(&mut self, id: PacketId) -> bool {
        self.remove(id).is_some()
    }

    /// The identifier that [`take`](Self::take) would return.
    #[inline]
    pub fn next(&self) -> Option<PacketId> {
        let from = self.last.wrapping_add(1).max(1);
        if self.tree.is_empty() {
            let mut id = from;
            // The few leave others.
            while self.position(id).is_some() {
                id = id.wrapping_add(1).max(1);
            }
            return PacketId::new(id);
        }
        let next = self.tree.vacant_from(from);
        PacketId::new(next.or_else(|| self.tree.vacant_from(1))?)
    }

    /// Returns whether `id` is in use.
    pub fn contains(&self, id: PacketId) -> bool {
        self.slot(id).is_some()
    }

    /// The number of identifiers in use.
    pub const fn len(&self) -> u16 {
        self.len
    }

    /// Returns whether no identifier is in use.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn set_last(&mut self, last: Option<PacketId>) {
        self.last = last.map_or(0, PacketId::get);
    }

    /// The slot that was inserted with `id`.
    #[inline]
    pub(super) fn slot(&self, id: PacketId) -> Option<u16> {
        match self.tree.is_empty() {
            true => Some(self.few.get(self.position(id.get())?)?.1),
            false => self.tree.slot(id),
        }
    }

    /// Marks `id` as in use, with a `slot` below 65,535 to be found by it.
    ///
    /// Returns whether it was not in use before; else nothing is changed.
    #[inline]
    pub(super) fn insert(&mut self, id: PacketId, slot: u16) -> bool {
        if self.tree.is_empty() {
            if self.position(id.get()).is_some() {
                return false;
            }
            if let Some(place) = self.few.get_mut(usize::from(self.len)) {
                *place = (id.get(), slot);
                self.len += 1;
                return true;
            }
            for (id, slot) in self.few {
                PacketId::new(id).map(|id| self.tree.insert(id, slot));
            }
        }
        let inserted = self.tree.insert(id, slot);
        self.len += u16::from(inserted);
        inserted
    }

    /// Marks `id` as not in use, and returns its slot.
    pub(super) fn remove(&mut self, id: PacketId) -> Option<u16> {
        let slot = if self.tree.is_empty() {
            let at = self.position(id.get())?;
            let last = usize::from(self.len) - 1;
            self.few.swap(at, last);
            self.few.get(last)?.1
        } else {
            self.tree.remove(id)?
        };
        self.len -= 1;
        if self.len == 0 {
            self.tree.clear();
        }
        Some(slot)
    }

    /// Releases all identifiers, and keeps the rotation.
    pub(super) fn clear(&mut self) {
        self.tree.clear();
        self.len = 0;
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.tree.nodes.shrink_to_fit();
    }

    /// The place of `id` among the few.
    #[inline]
    fn position(&self, id: u16) -> Option<usize> {
        let few = self.few.iter().take(usize::from(self.len));
        few.map(|&(id, _)| id).position(|other| other == id)
    }
}

/// A tree of four levels, one for each hexadecimal digit. The first node is the root.
#[derive(Clone, Debug, Default)]
struct Tree {
    nodes: Vec<Node>,
    /// The first of the unused nodes, which are linked by their first child; 0 is none.
    unused: u16,
    /// In the one last node that may be empty: it is kept, as the next identifier is near.
    spare: Option<PacketId>,
}

impl Tree {
    const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            unused: 0,
            spare: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn clear(&mut self) {
        self.nodes.clear();
        (self.unused, self.spare) = (0, None);
    }

    fn slot(&self, id: PacketId) -> Option<u16> {
        let mut child = 0;
        for level in LEVELS {
            child = self.nodes.get(usize::from(child))?.child(digit(id, level));
            if child == 0 {
                return None;
            }
        }
        Some(child - 1)
    }

    fn insert(&mut self, id: PacketId, slot: u16) -> bool {
        self.prune_unless_near(id);
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut path = [0; 4];
        let mut at = 0;
        for (level, step) in LEVELS.into_iter().zip(&mut path) {
            *step = at;
            let digit = digit(id, level);
            let mut child = self.node(at).child(digit);
            if level == 0 && child != 0 {
                return false;
            }
            if child == 0 {
                child = if level == 0 { slot + 1 } else { self.grow() };
                self.node_mut(at).set_child(digit, child);
            }
            at = child;
        }
        // A node without room is marked as such above.
        for (level, at) in LEVELS.into_iter().zip(path).rev() {
            let node = self.node_mut(at);
            node.full |= 1 << digit(id, level);
            if node.full != u16::MAX {
                break;
            }
        }
        true
    }

    fn remove(&mut self, id: PacketId) -> Option<u16> {
        let slot = self.slot(id)?;
        let path = self.path(id);
        for (level, at) in LEVELS.into_iter().zip(path) {
            self.node_mut(at).full &= !(1 << digit(id, level));
        }
        let [.., leaf] = path;
        let leaf = self.node_mut(leaf);
        leaf.set_child(digit(id, 0), 0);
        if leaf.child == [0; 16] {
            self.prune_unless_near(id);
            self.spare = Some(id);
        }
        Some(slot)
    }

    /// The first identifier not in use that is at or above `from`.
    fn vacant_from(&self, from: u16) -> Option<u16> {
        let mut from = u32::from(from);
        // A pass that finds a node without room from there on goes on behind that node. Each such
        // pass ends on a higher level than the one before.
        'pass: while let Ok(mut found) = u16::try_from(from) {
            let mut at = 0;
            for level in LEVELS {
                let Some(node) = self.nodes.get(usize::from(at)) else {
                    return Some(found);
                };
                let shift = level * 4;
                let start = found >> shift & 15;
                let open = !node.full & u16::MAX << start;
                if open == 0 {
                    from = ((from >> shift >> 4) + 1) << shift << 4;
                    continue 'pass;
                }
                // At most 15, as `open` is not 0.
                let digit = open.trailing_zeros();
                if digit != u32::from(start) {
                    from = (from >> shift >> 4 << 4 | digit) << shift;
                    found = u16::try_from(from).unwrap_or(found);
                }
                at = node.child(usize::try_from(digit).unwrap_or(0));
                if at == 0 {
                    break;
                }
            }
            return Some(found);
        }
        None
    }

    /// Takes the spare node back, and those above that only lead to it, unless `next` is in it.
    fn prune_unless_near(&mut self, next: PacketId) {
        let far = |spare: &mut PacketId| spare.get() >> 4 != next.get() >> 4;
        let Some(id) = self.spare.take_if(far) else {
            return;
        };
        for (level, at) in LEVELS.into_iter().zip(self.path(id)).rev() {
            let unused = self.unused;
            let node = self.node_mut(at);
            if level > 0 {
                node.set_child(digit(id, level), 0);
            }
            if at == 0 || node.child != [0; 16] {
                break;
            }
            node.set_child(0, unused);
            self.unused = at;
        }
    }

    /// The nodes that lead to `id`, all of which exist.
    fn path(&self, id: PacketId) -> [u16; 4] {
        let mut at = 0;
        LEVELS.map(|level| {
            let node = at;
            if level > 0 {
                at = self.node(node).child(digit(id, level));
            }
            node
        })
    }

    /// A new node. There are at most 4,369.
    fn grow(&mut self) -> u16 {
        if self.unused == 0 {
            self.nodes.push(Node::default());
            return u16::try_from(self.nodes.len() - 1).unwrap_or(0);
        }
        let at = self.unused;
        self.unused = self.node(at).child(0);
        *self.node_mut(at) = Node::default();
        at
    }

    fn node(&self, at: u16) -> &Node {
        self.nodes.get(usize::from(at)).expect(LINKED)
    }

    fn node_mut(&mut self, at: u16) -> &mut Node {
        self.nodes.get_mut(usize::from(at)).expect(LINKED)
    }
}

/// Sixteen children: nodes, or on the last level slots plus one; 0 is none.
#[derive(Clone, Debug, Default)]
struct Node {
    child: [u16; 16],
    /// One bit for each child below which all is in use.
    full: u16,
}

impl Node {
    fn child(&self, digit: usize) -> u16 {
        self.child.get(digit).copied().unwrap_or(0)
    }

    fn set_child(&mut self, digit: usize, child: u16) {
        if let Some(place) = self.child.get_mut(digit) {
            *place = child;
        }
    }
}

fn digit(id: PacketId, level: u32) -> usize {
    usize::from(id.get() >> (level * 4) & 15)
}

const LEVELS: [u32; 4] = [3, 2, 1, 0];

const LINKED: &str = "children above the last level are nodes, and nodes are never removed";

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::session::tests::Rng;

    const ALL: u16 = u16::MAX;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    /// The full range, never 0, never a live one; exhaustion is a value.
    #[test]
    fn all_are_given_then_none() {
        let mut ids = PacketIds::new();
        for expected in 1..=ALL {
            assert_eq!(ids.take(), Some(id(expected)));
        }
        assert_eq!((ids.take(), ids.next(), ids.len()), (None, None, ALL));
        // The search passes over what is full: only the path to 0, which is never given, is open.
        let open = |node: &&Node| node.full != ALL;
        assert_eq!(ids.tree.nodes.iter().filter(open).count(), 4);
        for free in [40_000, 1, ALL, 7, 0x1000, 0xFFF] {
            assert!(ids.release(id(free)));
            assert!(!ids.release(id(free)));
            assert_eq!(ids.take(), Some(id(free)));
            assert_eq!(ids.take(), None);
        }
        for value in 1..=ALL {
            assert!(ids.release(id(value)));
        }
        assert!(ids.is_empty());
    }

    /// The lowest is not used again at once.
    #[test]
    fn they_rotate() {
        let mut ids = PacketIds::new();
        for round in 0..3 {
            for expected in 1..=ALL {
                assert_eq!(ids.take(), Some(id(expected)), "round {round}");
                assert!(ids.release(id(expected)));
            }
        }
        assert_eq!(ids.tree.nodes.capacity(), 0, "one at a time");
        ids.take();
        ids.release(id(1));
        ids.take();
        ids.set_last(Some(id(ALL)));
        assert_eq!(ids.take(), Some(id(1)), "wraps over 0");
    }

    #[test]
    fn equals_a_naive_allocator() {
        for (seed, most) in [(1, 5), (2, 40), (3, 700), (4, 65_535)] {
            let mut rng = Rng::new(seed);
            let mut ids = PacketIds::new();
            let mut naive = BTreeSet::new();
            let mut last = 0;
            ids.set_last(PacketId::new(last));
            for step in 0..if most == 65_535 { 300 } else { 4_000 } {
                if rng.below(200) == 0 {
                    // Where the digits of identifiers roll over.
                    last = [0, 14, 15, 0xFE, 0xFFE, 0xEFFF, 0xFFFE, ALL][rng.below(8)];
                    ids.set_last(PacketId::new(last));
                }
                if step == 0 && most == 65_535 {
                    for value in (1..=ALL).filter(|value| value % 4_099 != 7) {
                        assert!(ids.insert(id(value), value - 1));
                        naive.insert(value);
                    }
                }
                if naive.len() < most && rng.below(2) == 0 {
                    let above =
                        (last.wrapping_add(1).max(1)..=ALL).find(|value| !naive.contains(value));
                    let next = above.or_else(|| (1..=ALL).find(|value| !naive.contains(value)));
                    assert_eq!(ids.next(), next.map(id));
                    assert_eq!(ids.take(), next.map(id));
                    last = next.unwrap_or(last);
                    naive.extend(next);
                } else if let Some(&value) = naive.iter().nth(rng.below(naive.len().max(1))) {
                    naive.remove(&value);
                    assert!(ids.release(id(value)));
                }
                assert_eq!(usize::from(ids.len()), naive.len());
                let any = u16::try_from(1 + rng.below(65_535)).unwrap();
                assert_eq!(ids.contains(id(any)), naive.contains(&any));
            }
            let tree = &ids.tree;
            if !tree.is_empty() {
                let unused = core::iter::successors(Some(tree.unused), |&at| {
                    (at != 0).then(|| tree.node(at).child(0))
                });
                let needed: BTreeSet<_> = naive
                    .iter()
                    .flat_map(|id| [1, 2, 3, 4].map(|level| (level, u32::from(*id) >> (level * 4))))
                    .collect();
                let kept = tree.nodes.len() - needed.len() - (unused.count() - 1);
                assert!(kept <= 3, "nodes on the way to a spare one");
            }
            for value in naive {
                assert!(ids.release(id(value)));
            }
            assert!(ids.tree.is_empty());
        }
    }

    /// From few to many and back, with each of them found at any time.
    #[test]
    fn from_few_to_many_and_back() {
        for most in 1..=2 * FEW as u16 {
            let mut ids = PacketIds::new();
            let all = |ids: &PacketIds| (1..=most + 1).map(|value| ids.slot(id(value))).collect();
            for value in 1..=most {
                assert!(ids.insert(id(value), value));
                assert!(!ids.insert(id(value), 0));
                let found: Vec<_> = all(&ids);
                let expected = (1..=most + 1).map(|other| (other <= value).then_some(other));
                assert!(found.into_iter().eq(expected));
            }
            assert_eq!(ids.tree.is_empty(), usize::from(most) <= FEW);
            for value in 1..=most {
                assert_eq!(ids.remove(id(value)), Some(value));
                assert_eq!(ids.remove(id(value)), None);
                let found: Vec<_> = all(&ids);
                let expected =
                    (1..=most + 1).map(|other| (value < other && other <= most).then_some(other));
                assert!(found.into_iter().eq(expected));
            }
            assert!(ids.tree.is_empty() && ids.is_empty());
        }
    }

    /// A peer chooses the identifiers of its messages: however far apart, they stay cheap.
    #[test]
    fn memory_follows_use() {
        let mut ids = PacketIds::new();
        assert_eq!(ids.tree.nodes.capacity(), 0);
        for value in (0..ALL).step_by(16) {
            ids.insert(id(value + 1), 0);
        }
        assert_eq!(ids.tree.nodes.len(), 4_369);
        ids.clear();
        ids.shrink_to_fit();
        assert_eq!(ids.tree.nodes.capacity(), 0);
        assert_eq!(size_of::<Node>(), 34);
    }

    #[test]
    fn slots_are_found_again() {
        let mut ids = PacketIds::new();
        for value in 1..=ALL {
            assert!(ids.insert(id(value), ALL - value));
            assert!(!ids.insert(id(value), 3));
        }
        for value in 1..=ALL {
            assert_eq!(ids.slot(id(value)), Some(ALL - value));
            assert_eq!(ids.remove(id(value)), Some(ALL - value));
            assert_eq!(ids.slot(id(value)), None);
        }
    }
}
