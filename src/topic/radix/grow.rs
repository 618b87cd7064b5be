//! Changes of the shape of the tree: nodes are added, split, joined and removed.

use core::iter;

use super::node::{FEW, Node, ROOM, ROOT, Table, room};
use super::{Radix, narrow, push};

/// The most text of a node with one child.
const CHAIN: usize = room(1);

impl<V> Radix<V> {
    /// The node where `key` ends, made if it is not there.
    pub(super) fn path(&mut self, key: &[u8]) -> u32 {
        if self.nodes.is_empty() {
            self.add(Node::new(ROOT, &[]));
        }
        let mut node = ROOT;
        let mut rest = key;
        while let Some(&first) = rest.first() {
            let Some(child) = self.child(node, first) else {
                return self.extend(node, rest);
            };
            let text = self.text(child);
            let equal = text.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if equal == text.len() {
                node = child;
                rest = rest.get(equal..).unwrap_or_default();
            } else {
                let len = equal.min(CHAIN);
                node = self.split(child, len);
                rest = rest.get(len..).unwrap_or_default();
                // Each part is shorter than the whole was, and may fit its neighbour.
                if let Some((_, moved)) = self.join(child) {
                    node = moved.follow(node);
                }
                if let Some((joined, _)) = self.join(self.parent(node)) {
                    node = joined;
                }
            }
        }
        node
    }

    /// Puts `text` below `node`, which has no child that starts like it.
    fn extend(&mut self, node: u32, text: &[u8]) -> u32 {
        let (mut node, mut text) = (node, text);
        while !text.is_empty() {
            let most = if text.len() > ROOM { CHAIN } else { ROOM };
            let (part, rest) = text.split_at_checked(most).unwrap_or((text, &[]));
            let child = self.add(Node::new(node, part));
            (node, text) = (self.adopt(node, child), rest);
        }
        node
    }

    /// Moves the first `len` bytes of the text of `node` to a new node above it.
    fn split(&mut self, node: u32, len: usize) -> u32 {
        let lower = self.node_mut(node);
        let parent = lower.parent;
        let (text, rest) = lower.text().split_at(len);
        let (upper, rest) = (Node::new(parent, text), Node::new(ROOT, rest));
        lower.set_text(rest.text());
        let first = upper.first();
        let above = self.add(upper);
        self.node_mut(node).parent = above;
        self.relink(parent, first, above);
        self.adopt(above, node);
        above
    }

    /// Makes `child`, which starts unlike the others, one more child of `node`. Says where `child`
    /// is then.
    fn adopt(&mut self, node: u32, child: u32) -> u32 {
        let (mut node, mut child) = (node, child);
        let Some(first) = self.node(child).first() else {
            return child;
        };
        let (count, len) = (self.node(node).count(), self.node(node).text().len());
        if len > room(count + 1) {
            let above = self.split(node, CHAIN.min(len - 1));
            if let Some((_, moved)) = self.join(self.parent(above)) {
                (node, child) = (moved.follow(node), moved.follow(child));
            }
        }
        let old = self.node(node).clone();
        if count < FEW {
            let before = old.children().filter(|&(byte, _)| byte < first);
            let after = old.children().filter(|&(byte, _)| byte > first);
            let all = before.chain(iter::once((first, child))).chain(after);
            self.node_mut(node).set_children(all);
            return child;
        }
        let place = old.table().unwrap_or(self.tables.len());
        if count == FEW {
            let mut table = Table::new(node);
            old.children()
                .for_each(|(first, child)| table.set(first, child));
            push(&mut self.tables, table);
        }
        self.node_mut(node).set_table(count + 1, narrow(place));
        if let Some(table) = self.tables.get_mut(place) {
            table.set(first, child);
        }
        child
    }

    /// Takes from `node` its child that starts with `first`.
    fn disown(&mut self, node: u32, first: u8) {
        let old = self.node(node).clone();
        let Some(place) = old.table() else {
            let rest = old.children().filter(|&(byte, _)| byte != first);
            return self.node_mut(node).set_children(rest);
        };
        if let Some(table) = self.tables.get_mut(place) {
            table.set(first, ROOT);
        }
        let count = old.count() - 1;
        if count > FEW {
            return self.node_mut(node).set_table(count, narrow(place));
        }
        let table = self.tables.swap_remove(place);
        if let Some(moved) = self.tables.get(place) {
            let owner = moved.owner;
            let count = self.node(owner).count();
            self.node_mut(owner).set_table(count, narrow(place));
        }
        self.node_mut(node).set_children(table.children());
    }

    /// Says that the child of `parent` that starts with `first` is at `place`.
    pub(super) fn relink(&mut self, parent: u32, first: Option<u8>, place: u32) {
        let (Some(first), Some(node)) = (first, self.nodes.get_mut(parent as usize)) else {
            return;
        };
        if let Some(table) = node.table() {
            if let Some(table) = self.tables.get_mut(table) {
                table.set(first, place);
            }
            return;
        }
        node.set_child(first, place);
    }

    /// Removes what no key needs any more from `node` upwards, once `node` has no value.
    pub(super) fn prune(&mut self, node: u32) {
        let mut node = node;
        while self.value(node).is_none() {
            let (0, Some(first)) = (self.node(node).count(), self.node(node).first()) else {
                break;
            };
            let parent = self.parent(node);
            self.disown(parent, first);
            node = self.free(node).follow(parent);
        }
        // A child lost or a value lost: the node may join its child, and its parent may join it.
        while let Some((joined, _)) = match self.join(node) {
            None => self.join(self.parent(node)),
            joined => joined,
        } {
            node = joined;
        }
    }

    /// Joins `node` with its only child if it holds nothing else and the texts fit one node. Says
    /// where this is.
    fn join(&mut self, node: u32) -> Option<(u32, Moved)> {
        let upper = self.node(node);
        if node == ROOT || upper.count() != 1 || self.value(node).is_some() {
            return None;
        }
        let child = upper.child_from(0)?;
        let lower = self.node(child);
        let len = upper.text().len() + lower.text().len();
        if len > room(lower.count()) {
            return None;
        }
        let mut text = [0; ROOM];
        let both = upper.text().iter().chain(lower.text());
        iter::zip(&mut text, both).for_each(|(to, from)| *to = *from);
        let (parent, first) = (upper.parent, upper.first());
        let lower = self.node_mut(child);
        lower.set_text(text.get(..len).unwrap_or_default());
        lower.parent = parent;
        self.relink(parent, first, child);
        let moved = self.free(node);
        Some((moved.follow(child), moved))
    }

    /// Takes out `node`, to which nothing refers any more, and puts the last node in its place.
    fn free(&mut self, node: u32) -> Moved {
        self.nodes.swap_remove(node as usize);
        self.values.swap_remove(node as usize);
        let gone = Moved {
            from: narrow(self.nodes.len()),
            to: node,
        };
        let Some(moved) = self.nodes.get(node as usize) else {
            return gone;
        };
        let (parent, first) = (moved.parent, moved.first());
        if let Some(table) = moved.table().and_then(|place| self.tables.get_mut(place)) {
            table.owner = node;
        }
        self.relink(parent, first, node);
        self.tell_children(node);
        gone
    }

    /// Tells the children of `node` where it is.
    pub(super) fn tell_children(&mut self, node: u32) {
        let mut child = self.child_from(node, 0);
        while let Some(place) = child {
            let held = self.node_mut(place);
            held.parent = node;
            let next = held.first().map_or(256, |first| usize::from(first) + 1);
            child = self.child_from(node, next);
        }
    }
}

/// The node that was at one place is at another.
#[derive(Clone, Copy)]
struct Moved {
    from: u32,
    to: u32,
}

impl Moved {
    const fn follow(self, node: u32) -> u32 {
        if node == self.from { self.to } else { node }
    }
}
