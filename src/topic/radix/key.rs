use alloc::vec;
use alloc::vec::Vec;
use core::iter;

use super::cost;
use super::node::{Node, ROOT};

/// A key in the pieces in which the nodes hold it. Nodes know only what is above them, so the
/// pieces come from the end.
#[derive(Clone, Copy)]
pub(in crate::topic) struct Key<'a> {
    nodes: &'a [Node],
    /// Where the key ends.
    node: u32,
}

impl<'a> Key<'a> {
    #[inline]
    pub(super) const fn new(nodes: &'a [Node], node: u32) -> Self {
        Self { nodes, node }
    }

    /// The pieces, the last one first.
    pub(in crate::topic) fn pieces(self) -> impl Iterator<Item = &'a [u8]> {
        let node = move |place: u32| {
            cost::node();
            self.nodes.get(place as usize).filter(|_| place != ROOT)
        };
        let path = iter::successors(node(self.node), move |below| node(below.parent));
        path.map(Node::text)
    }

    /// Copies the key to the end of `buffer` and returns it, if there is room.
    pub(in crate::topic) fn copy_to(self, buffer: &mut [u8]) -> Option<&[u8]> {
        let mut start = buffer.len();
        for text in self.pieces() {
            let end = start;
            start = end.checked_sub(text.len())?;
            buffer.get_mut(start..end)?.copy_from_slice(text);
        }
        buffer.get(start..)
    }

    pub(in crate::topic) fn to_vec(self) -> Vec<u8> {
        let mut key = vec![0; self.pieces().map(<[u8]>::len).sum()];
        self.copy_to(&mut key);
        key
    }
}
