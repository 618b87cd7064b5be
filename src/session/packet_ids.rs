use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::packet_id::PacketId;

/// The packet identifiers in use, and the next one.
///
/// All 65,535 can be in use. A new identifier is never zero and never in use. Identifiers rotate,
/// so that one just released is used last. Most operations take constant time, and none more than a
/// thousand steps. Memory on the heap grows with the identifiers in use: none for up to eight,
/// 151,600 bytes at most.
// In this order, as a connection is.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct PacketIds {
    /// The identifiers in use, while they are `many`. Its memory is kept for the next time.
    pages: Option<Box<Pages>>,
    /// The identifiers in use, each with its slot, in no order, and behind them unused ones; while
    /// they are so few that a search is quicker.
    few: [(u16, u16); FEW],
    last: u16,
    len: u16,
    /// There were more than a few, and are some.
    many: bool,
}

const FEW: usize = 8;

impl PacketIds {
    /// Makes the set with no identifier in use. The first one is 1.
    pub const fn new() -> Self {
        Self {
            pages: None,
            few: [(0, 0); FEW],
            last: 0,
            len: 0,
            many: false,
        }
    }

    /// Takes the next identifier [MQTT-2.2.1-3].
    ///
    /// `None` if all 65,535 are in use.
    pub fn take(&mut self) -> Option<PacketId> {
        let id = self.next()?;
        self.insert_next(id, 0);
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
        let Some(pages) = self.many() else {
            let mut id = from;
            // The few leave others.
            while self.position(id).is_some() {
                id = id.wrapping_add(1).max(1);
            }
            return PacketId::new(id);
        };
        let next = pages.vacant_from(from);
        PacketId::new(next.or_else(|| pages.vacant_from(1))?)
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
    pub(crate) fn slot(&self, id: PacketId) -> Option<u16> {
        match self.many() {
            None => Some(self.few.get(self.position(id.get())?)?.1),
            Some(pages) => pages.slot(id),
        }
    }

    /// Marks `id` as in use, with a `slot` to be found by it.
    ///
    /// Returns whether it was not in use before; else nothing is changed.
    #[inline]
    pub(crate) fn insert(&mut self, id: PacketId, slot: u16) -> bool {
        match !self.many && self.position(id.get()).is_some() {
            true => false,
            false => self.insert_new(id, slot),
        }
    }

    /// Inserts the identifier that is [next](Self::next).
    #[inline]
    pub(super) fn insert_next(&mut self, id: PacketId, slot: u16) -> bool {
        self.last = id.get();
        self.insert_new(id, slot)
    }

    /// Inserts an identifier that is not among the few.
    #[inline]
    fn insert_new(&mut self, id: PacketId, slot: u16) -> bool {
        if !self.many {
            if let Some(place) = self.few.get_mut(usize::from(self.len)) {
                *place = (id.get(), slot);
                self.len += 1;
                return true;
            }
            self.spread();
        }
        let inserted = match &mut self.pages {
            Some(pages) => pages.insert(id, slot),
            None => false,
        };
        self.len += u16::from(inserted);
        inserted
    }

    /// Moves the few to pages.
    #[cold]
    fn spread(&mut self) {
        let pages = self.pages.get_or_insert_default();
        for (id, slot) in self.few {
            PacketId::new(id).map(|id| pages.insert(id, slot));
        }
        self.many = true;
    }

    /// Marks `id` as not in use, and returns its slot.
    pub(super) fn remove(&mut self, id: PacketId) -> Option<u16> {
        let slot = if self.many {
            self.pages.as_mut()?.remove(id)?
        } else {
            let at = self.position(id.get())?;
            let last = usize::from(self.len) - 1;
            self.few.swap(at, last);
            self.few.get(last)?.1
        };
        self.len -= 1;
        if self.len == 0 {
            self.many = false;
        }
        Some(slot)
    }

    /// Releases all identifiers, and keeps the rotation.
    pub(crate) fn clear(&mut self) {
        if let Some(pages) = &mut self.pages {
            pages.index.clear();
            pages.pages.clear();
        }
        (self.len, self.many) = (0, false);
    }

    /// Takes memory for this many identifiers in a row.
    pub(super) fn reserve(&mut self, count: u16) {
        if usize::from(count) > FEW {
            let pages = self.pages.get_or_insert_default();
            // A row may begin within a page.
            let count = usize::from(count).div_ceil(64) + 1;
            let (index, whole) = (pages.index.len(), pages.pages.len());
            pages.index.reserve_exact(count.saturating_sub(index));
            pages.pages.reserve_exact(count.saturating_sub(whole));
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        match &mut self.pages {
            Some(pages) if self.many => {
                pages.index.shrink_to_fit();
                pages.pages.shrink_to_fit();
            }
            pages => *pages = None,
        }
    }

    #[inline]
    fn many(&self) -> Option<&Pages> {
        match self.many {
            false => None,
            true => self.pages.as_deref(),
        }
    }

    /// The place of `id` among the few.
    #[inline]
    fn position(&self, id: u16) -> Option<usize> {
        let few = self.few.iter().take(usize::from(self.len));
        few.map(|&(id, _)| id).position(|other| other == id)
    }
}

/// The identifiers in use, in pages of 64.
#[derive(Clone, Debug, Default)]
struct Pages {
    /// The numbers of the pages with an identifier in use, in order, each with its place. Nearly
    /// always these are one or two, as identifiers rotate.
    index: Vec<(u16, u16)>,
    pages: Vec<Page>,
}

#[derive(Clone, Debug)]
struct Page {
    /// One bit for each identifier in use.
    used: u64,
    number: u16,
    slots: [u16; 64],
}

impl Pages {
    /// The place of a page in the index, or that where it would be.
    #[inline]
    fn find(&self, number: u16) -> Result<usize, usize> {
        let first = self.index.first().map_or(0, |entry| entry.0);
        // Nearly always there is no gap.
        let likely = usize::from(number.wrapping_sub(first));
        match self.index.get(likely) {
            Some(entry) if entry.0 == number => Ok(likely),
            _ => self.index.binary_search_by_key(&number, |entry| entry.0),
        }
    }

    #[inline]
    fn slot(&self, id: PacketId) -> Option<u16> {
        let (number, bit) = split(id);
        let &(_, at) = self.index.get(self.find(number).ok()?)?;
        let page = self.pages.get(usize::from(at))?;
        match page.used >> bit & 1 {
            0 => None,
            _ => page.slots.get(bit).copied(),
        }
    }

    fn insert(&mut self, id: PacketId, slot: u16) -> bool {
        let (number, bit) = split(id);
        let at = match self.find(number) {
            Ok(place) => self.index.get(place).map_or(0, |entry| entry.1),
            Err(place) => self.add(place, number),
        };
        let Some(page) = self.pages.get_mut(usize::from(at)) else {
            return false;
        };
        let Some(place) = page
            .slots
            .get_mut(bit)
            .filter(|_| page.used >> bit & 1 == 0)
        else {
            return false;
        };
        *place = slot;
        page.used |= 1 << bit;
        true
    }

    /// Adds a page. There are at most 1,024.
    #[inline(never)]
    fn add(&mut self, place: usize, number: u16) -> u16 {
        let at = u16::try_from(self.pages.len()).unwrap_or(u16::MAX);
        self.index.insert(place, (number, at));
        self.pages.push(Page {
            used: 0,
            number,
            slots: [0; 64],
        });
        at
    }

    fn remove(&mut self, id: PacketId) -> Option<u16> {
        let (number, bit) = split(id);
        let place = self.find(number).ok()?;
        let &(_, at) = self.index.get(place)?;
        let page = self.pages.get_mut(usize::from(at))?;
        if page.used >> bit & 1 == 0 {
            return None;
        }
        page.used &= !(1 << bit);
        let slot = page.slots.get(bit).copied();
        if page.used == 0 {
            self.drop_page(place, at);
        }
        slot
    }

    /// Drops a page, in whose place comes the last one.
    #[inline(never)]
    fn drop_page(&mut self, place: usize, at: u16) {
        self.index.remove(place);
        self.pages.swap_remove(usize::from(at));
        let moved = self.pages.get(usize::from(at)).map(|page| page.number);
        let place = moved.and_then(|number| self.find(number).ok());
        if let Some(entry) = place.and_then(|place| self.index.get_mut(place)) {
            entry.1 = at;
        }
    }

    /// The first identifier not in use that is at or above `from`.
    fn vacant_from(&self, from: u16) -> Option<u16> {
        let first = from >> 6;
        let mut wanted = u64::MAX << (from & 63);
        let (Ok(place) | Err(place)) = self.find(first);
        let mut entries = self.index.get(place..)?.iter().peekable();
        for number in first..1 << 10 {
            let entry = entries.next_if(|entry| entry.0 == number);
            let page = entry.and_then(|entry| self.pages.get(usize::from(entry.1)));
            let vacant = wanted & !page.map_or(0, |page| page.used);
            if vacant != 0 {
                // At most 63, as `vacant` is not 0.
                return Some(number << 6 | u16::try_from(vacant.trailing_zeros()).unwrap_or(0));
            }
            wanted = u64::MAX;
        }
        None
    }
}

/// The number of the page, and the place in it.
fn split(id: PacketId) -> (u16, usize) {
    (id.get() >> 6, usize::from(id.get() & 63))
}

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
        for free in [40_000, 1, ALL, 7, 0x1000, 0xFFF] {
            assert!(ids.release(id(free)));
            assert!(!ids.release(id(free)));
            assert_eq!(ids.take(), Some(id(free)));
            assert_eq!(ids.take(), None);
        }
        for value in 1..=ALL {
            assert!(!ids.is_empty());
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
        assert!(ids.pages.is_none(), "one at a time");
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
                    last = [0, 62, 63, 126, 0xFFE, 0xEFFF, 0xFFFE, ALL][rng.below(8)];
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
            if let Some(pages) = ids.many() {
                let needed: BTreeSet<_> = naive.iter().map(|id| id >> 6).collect();
                assert!(pages.index.iter().map(|entry| &entry.0).eq(&needed));
                assert_eq!(pages.pages.len(), needed.len());
            }
            for value in naive {
                assert!(ids.release(id(value)));
            }
            assert!(!ids.many);
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
            assert_eq!(ids.many, usize::from(most) > FEW);
            for value in 1..=most {
                assert_eq!(ids.remove(id(value)), Some(value));
                assert_eq!(ids.remove(id(value)), None);
                let found: Vec<_> = all(&ids);
                let expected =
                    (1..=most + 1).map(|other| (value < other && other <= most).then_some(other));
                assert!(found.into_iter().eq(expected));
            }
            assert!(!ids.many && ids.is_empty());
        }
    }

    /// A peer chooses the identifiers of its messages: however far apart, they stay cheap.
    #[test]
    fn memory_follows_use() {
        let mut ids = PacketIds::new();
        for value in (0..ALL).step_by(16) {
            ids.insert(id(value + 1), 0);
        }
        let pages = ids.pages.as_ref().unwrap();
        let page = (2 + 8 + 2 * 64_usize).next_multiple_of(align_of::<u64>());
        assert_eq!((pages.pages.len(), size_of::<Page>()), (1 << 10, page));
        assert_eq!(pages.pages.capacity(), 1 << 10);
        assert_eq!(
            (pages.index.capacity(), size_of::<(u16, u16)>()),
            (1 << 10, 4)
        );
        assert_eq!(size_of::<Pages>(), 6 * size_of::<usize>());
        ids.clear();
        ids.shrink_to_fit();
        assert!(ids.pages.is_none());
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
