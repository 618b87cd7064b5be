//! The nodes of the radix tree: how text and children share one cache line.

use core::iter;

/// The root: it has no text. As it is nobody's child, its place in a table says "no child".
pub(super) const ROOT: u32 = 0;

/// Instead of the place of a value.
pub(super) const NO_VALUE: u32 = u32::MAX;

/// The bytes of a node for its text and its children: 64 with what is beside them, one cache line.
pub(super) const ROOM: usize = 54;

/// A child within its parent takes one byte of text and four for its place.
const CHILD: usize = 5;

/// The most children a node itself can hold, and as many as there are digits. Beyond, it has a
/// [`Table`].
pub(super) const FEW: usize = ROOM / CHILD;

/// The most text of a node with so many children. With a table it is as for the most without, so
/// that a node that loses its table has room.
pub(super) const fn room(children: usize) -> usize {
    ROOM - CHILD * if children < FEW { children } else { FEW }
}

/// One node of the tree. Text of more bytes than fit is a chain of nodes.
#[derive(Clone)]
#[repr(align(64))]
pub(super) struct Node {
    pub(super) parent: u32,
    /// The place of the value of the key that ends here.
    pub(super) value: u32,
    text: u8,
    children: u8,
    /// The text from the left. At the right end the first bytes of the children's texts, sorted,
    /// and behind them the children's places; or the place of the table.
    data: [u8; ROOM],
}

impl Node {
    /// `text` is of [`ROOM`] bytes at most.
    pub(super) fn new(parent: u32, text: &[u8]) -> Self {
        let mut node = Self {
            parent,
            value: NO_VALUE,
            text: 0,
            children: 0,
            data: [0; ROOM],
        };
        node.set_text(text);
        node
    }

    /// `text` is of [`room`] bytes at most.
    pub(super) fn set_text(&mut self, text: &[u8]) {
        for (to, from) in self.data.iter_mut().zip(text) {
            *to = *from;
        }
        self.text = small(text.len());
    }

    pub(super) fn text(&self) -> &[u8] {
        self.data.get(..self.text.into()).unwrap_or_default()
    }

    /// The first byte of the text. Only the root has none.
    pub(super) fn first(&self) -> Option<u8> {
        self.text().first().copied()
    }

    pub(super) fn count(&self) -> usize {
        self.children.into()
    }

    /// Whether there is one child and nothing else.
    pub(super) fn is_chain(&self) -> bool {
        self.children == 1 && self.value == NO_VALUE
    }

    pub(super) fn has_table(&self) -> bool {
        self.count() > FEW
    }

    /// The place of the table, if there is one.
    pub(super) fn table(&self) -> Option<usize> {
        let place = u32::from_ne_bytes(*self.data.last_chunk()?);
        self.has_table().then_some(place as usize)
    }

    /// The child that starts with `first`, if there is no table.
    #[inline]
    pub(super) fn child(&self, first: u8) -> Option<u32> {
        let (firsts, places) = self.halves();
        // They are sorted, and most of them come after the wildcards.
        let at = firsts.iter().position(|&byte| byte >= first)?;
        let found = firsts.get(at) == Some(&first);
        found.then(|| place(places, at)).flatten()
    }

    /// The first child that starts with `from` or a greater byte, if there is no table.
    pub(super) fn child_from(&self, from: usize) -> Option<u32> {
        let (firsts, places) = self.halves();
        let at = firsts.iter().position(|&byte| usize::from(byte) >= from)?;
        place(places, at)
    }

    /// The children in order, if there is no table.
    pub(super) fn children(&self) -> impl Iterator<Item = (u8, u32)> {
        let (firsts, places) = self.halves();
        let places = places.chunks_exact(4).filter_map(|four| place(four, 0));
        firsts.iter().copied().zip(places)
    }

    /// `children` are sorted, [`FEW`] at most.
    pub(super) fn set_children(&mut self, children: impl Iterator<Item = (u8, u32)>) {
        let mut list = [(0, ROOT); FEW];
        let mut count = 0;
        for (to, from) in iter::zip(&mut list, children) {
            *to = from;
            count += 1;
        }
        self.children = small(count);
        let (firsts, places) = self
            .data
            .split_at_mut(ROOM - CHILD * count)
            .1
            .split_at_mut(count);
        let slots = iter::zip(firsts, places.chunks_exact_mut(4));
        for ((first, place), (byte, child)) in iter::zip(slots, list) {
            *first = byte;
            place.copy_from_slice(&child.to_ne_bytes());
        }
    }

    /// There are `count` children, more than [`FEW`], and their table is at `place`.
    pub(super) fn set_table(&mut self, count: usize, place: u32) {
        self.children = small(count);
        if let Some(slot) = self.data.last_chunk_mut() {
            *slot = place.to_ne_bytes();
        }
    }

    /// The first bytes of the children, and their places.
    fn halves(&self) -> (&[u8], &[u8]) {
        let start = ROOM.saturating_sub(CHILD * self.count());
        let children = self.data.get(start..).unwrap_or_default();
        children.split_at_checked(self.count()).unwrap_or_default()
    }
}

/// The children of a node with more than [`FEW`], by the first byte of their text.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) owner: u32,
    children: [u32; 256],
}

impl Table {
    pub(super) fn new(owner: u32) -> Self {
        Self {
            owner,
            children: [ROOT; 256],
        }
    }

    /// [`ROOT`] takes the child out.
    pub(super) fn set(&mut self, first: u8, child: u32) {
        if let Some(slot) = self.children.get_mut(usize::from(first)) {
            *slot = child;
        }
    }

    pub(super) fn child(&self, first: u8) -> Option<u32> {
        let child = *self.children.get(usize::from(first))?;
        (child != ROOT).then_some(child)
    }

    pub(super) fn child_from(&self, from: usize) -> Option<u32> {
        let mut children = self.children.get(from..)?.iter();
        children.find(|&&child| child != ROOT).copied()
    }

    pub(super) fn children(&self) -> impl Iterator<Item = (u8, u32)> {
        (0..=u8::MAX).filter_map(|first| Some((first, self.child(first)?)))
    }
}

fn place(places: &[u8], at: usize) -> Option<u32> {
    let place = places.get(4 * at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*place))
}

fn small(count: usize) -> u8 {
    u8::try_from(count).expect("texts are short, and first bytes are distinct and never zero")
}
