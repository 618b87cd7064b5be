//! The order of the nodes: those that a look-up needs next are brought near.

use super::Radix;
use super::node::ROOT;

/// The progress of putting the nodes in order.
#[derive(Clone, Copy)]
pub(super) struct Order {
    /// All before this place are where they are to be, as far as the tree has not changed since.
    next: u32,
    /// The node that was visited last.
    visited: u32,
}

impl Order {
    pub(super) const NEW: Self = Self {
        next: ROOT + 1,
        visited: ROOT,
    };
}

impl<V> Radix<V> {
    /// Puts the nodes in the order of their keys, each before those below it, and gives back all
    /// memory that is not used.
    pub(in crate::topic) fn compact(&mut self) {
        self.order = Order::NEW;
        let mut all = usize::MAX;
        self.compact_within(&mut all);
        self.nodes.shrink_to_fit();
        self.values.shrink_to_fit();
        self.tables.shrink_to_fit();
    }

    /// Puts as many nodes in order as there are steps. Returns whether all are.
    pub(in crate::topic) fn compact_within(&mut self, steps: &mut usize) -> bool {
        while let Some(left) = steps.checked_sub(1) {
            if self.order.visited as usize >= self.nodes.len() {
                // The tree has lost nodes since.
                self.order = Order::NEW;
            }
            let Some(node) = self.next(ROOT, self.order.visited) else {
                self.order = Order::NEW;
                return true;
            };
            *steps = left;
            let place = self.order.next;
            self.order.visited = node;
            // Before that place are only nodes that were visited, unless the tree has changed.
            if node >= place {
                self.swap(node, place);
                self.order = Order {
                    next: place + 1,
                    visited: place,
                };
            }
        }
        false
    }

    /// Lets two nodes other than the root change places.
    pub(super) fn swap(&mut self, one: u32, other: u32) {
        if one == other {
            return;
        }
        self.nodes.swap(one as usize, other as usize);
        self.values.swap(one as usize, other as usize);
        let moved = |node: u32| match node {
            _ if node == one => other,
            _ if node == other => one,
            _ => node,
        };
        // First what they hold of each other, then what others hold of them.
        for place in [one, other] {
            let node = self.node_mut(place);
            node.parent = moved(node.parent);
            match node.table() {
                Some(table) => {
                    if let Some(table) = self.tables.get_mut(table) {
                        table.owner = place;
                        table.follow(moved);
                    }
                }
                None => node.move_children(moved),
            }
        }
        for place in [one, other] {
            let node = self.node(place);
            let (parent, first) = (node.parent, node.first());
            self.relink(parent, first, place);
            self.tell_children(place);
        }
    }
}
