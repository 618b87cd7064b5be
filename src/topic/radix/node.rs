//! The nodes of the radix tree: how text and children share one cache line.

use core::iter;

/// The root: it has no text. As it is nobody's child, its place in a table says "no child".
pub(in crate::topic) const ROOT: u32 = 0;

/// The bytes of a node for its text and its children: 64 with what is beside them, one cache line.
pub(super) const ROOM: usize = 58;

/// A child within its parent takes one byte of text and four for its place.
const CHILD: usize = 5;

/// The most children a node itself can hold: as many as there are digits, and a `+`. Beyond, it has
/// a [`Table`].
pub(super) const FEW: usize = ROOM / CHILD;

/// The most text of a node with so many children. With a table it is as for the most without, so
/// that a node that loses its table has room.
pub(super) const fn room(children: usize) -> usize {
    ROOM - CHILD * if children < FEW { children } else { FEW }
}

/// One node of the tree. Text of more bytes than fit is a chain of nodes.
#[derive(Clone)]
#[repr(align(64))]
pub(in crate::topic) struct Node {
    pub(in crate::topic) parent: u32,
    text: u8,
    children: u8,
    /// The text from the left. From the right the first bytes of the children's texts, sorted, and
    /// beyond them the children's places; or the place of the table.
    data: [u8; ROOM],
}

impl Node {
    /// `text` is of [`ROOM`] bytes at most.
    pub(super) fn new(parent: u32, text: &[u8]) -> Self {
        let mut node = Self {
            parent,
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

    #[inline]
    pub(in crate::topic) fn text(&self) -> &[u8] {
        self.data.get(..self.text.into()).unwrap_or_default()
    }

    /// The first byte of the text. Only the root has none.
    pub(in crate::topic) fn first(&self) -> Option<u8> {
        self.text().first().copied()
    }

    pub(in crate::topic) fn count(&self) -> usize {
        self.children.into()
    }

    pub(super) fn has_table(&self) -> bool {
        self.count() > FEW
    }

    /// The place of the table, if there is one.
    pub(super) fn table(&self) -> Option<usize> {
        let place = u32::from_ne_bytes(*self.data.last_chunk()?);
        self.has_table().then_some(place as usize)
    }

    /// Returns whether a child may start with `#` or `+`: the lowest first byte is not above them.
    #[inline]
    pub(in crate::topic) fn may_branch(&self) -> bool {
        let [.., lowest] = self.data;
        self.count() > 0 && lowest <= b'+' || self.has_table()
    }

    /// The child that starts with `first`, if there is no table.
    #[inline]
    pub(super) fn child(&self, first: u8) -> Option<u32> {
        let (few, low) = self.data.split_last_chunk()?;
        // Eight at once are enough for most.
        let at = match find(u64::from_be_bytes(*low), first) {
            8 => 8 + find(u32::from_be_bytes(*few.last_chunk()?).into(), first),
            at => at,
        };
        self.place(at)
    }

    /// The first child that starts with `from` or a greater byte, if there is no table.
    pub(super) fn child_from(&self, from: usize) -> Option<u32> {
        let mut children = self.children();
        children.find_map(|(first, place)| (usize::from(first) >= from).then_some(place))
    }

    /// The children in order, if there is no table.
    pub(super) fn children(&self) -> impl Iterator<Item = (u8, u32)> {
        let firsts = self.data.iter().rev().enumerate().take(self.count());
        firsts.filter_map(|(at, &first)| Some((first, self.place(at)?)))
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
        let (places, firsts) = self.data.split_at_mut(ROOM - count);
        let slots = iter::zip(firsts.iter_mut().rev(), places.rchunks_exact_mut(4));
        for ((first, place), (byte, child)) in iter::zip(slots, list) {
            *first = byte;
            place.copy_from_slice(&child.to_ne_bytes());
        }
    }

    /// The child that starts with `first` is at `place`.
    pub(super) fn set_child(&mut self, first: u8, place: u32) {
        let old = self.clone();
        let children = old.children();
        self.set_children(
            children.map(|(byte, old)| (byte, if byte == first { place } else { old })),
        );
    }

    /// The children are where `moved` says, if there is no table.
    pub(super) fn move_children(&mut self, moved: impl Fn(u32) -> u32) {
        let old = self.clone();
        self.set_children(old.children().map(|(byte, place)| (byte, moved(place))));
    }

    /// There are `count` children, more than [`FEW`], and their table is at `place`.
    pub(super) fn set_table(&mut self, count: usize, place: u32) {
        self.children = small(count);
        if let Some(slot) = self.data.last_chunk_mut() {
            *slot = place.to_ne_bytes();
        }
    }

    /// The place of the child that is at `at` of those there are.
    #[inline]
    fn place(&self, at: usize) -> Option<u32> {
        if at >= self.count() {
            return None;
        }
        let end = ROOM.checked_sub(self.count() + 4 * at)?;
        let place = self.data.get(..end)?.last_chunk()?;
        Some(u32::from_ne_bytes(*place))
    }
}

/// The index of `byte` in `word`, or 8 if it is not there.
#[inline]
fn find(word: u64, byte: u8) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // The lowest byte that is zero has its high bit set; bytes above it may have, too.
    let word = word ^ (ONES * u64::from(byte));
    let zero = word.wrapping_sub(ONES) & !word & (ONES << 7);
    zero.trailing_zeros() as usize / 8
}

/// The children of a node with more than [`FEW`], by the first byte of their text.
#[derive(Clone)]
pub(in crate::topic) struct Table {
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

    /// The children are where `moved` says. The root stays where it is.
    pub(super) fn follow(&mut self, moved: impl Fn(u32) -> u32) {
        for child in &mut self.children {
            *child = moved(*child);
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

fn small(count: usize) -> u8 {
    u8::try_from(count).expect("texts are short, and first bytes are distinct and never zero")
}
