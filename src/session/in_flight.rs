use alloc::vec::Vec;

use super::packet_ids::PacketIds;
use crate::packet_id::PacketId;

/// The exchanges in flight, found by packet identifier and kept in order.
///
/// Each entry is in one of three lanes. In a lane, the entries that were sent come first, followed
/// by those that are yet to be sent, in order. Every operation on one entry takes constant time,
/// and none allocates once there is room.
// In this order, as a connection is.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct InFlight<T> {
    slots: Vec<Slot<T>>,
    ids: PacketIds,
    /// The first of the unused slots, which are linked by `next`.
    unused: u16,
    lanes: [Queue; 3],
}

/// The queue in which an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lane {
    /// Messages: outbound until PUBREC, inbound until PUBREL.
    Message,
    /// Messages of QoS 2 behind that.
    Release,
    /// SUBSCRIBE and UNSUBSCRIBE.
    Request,
}

impl<T> InFlight<T> {
    pub(super) const fn new() -> Self {
        Self {
            ids: PacketIds::new(),
            slots: Vec::new(),
            unused: NONE,
            lanes: [Queue::EMPTY; 3],
        }
    }

    /// Adds an entry at the end of `lane`, yet to be sent.
    ///
    /// Returns whether `id` was not in use; else nothing is changed.
    #[inline]
    pub(super) fn push(&mut self, lane: Lane, id: PacketId, value: T) -> bool {
        let at = self.free_slot();
        let inserted = self.ids.insert(id, at);
        if inserted {
            self.put(lane, id, at, || value);
        }
        inserted
    }

    /// Adds an entry as [`push`](Self::push) does, with the identifier that is next.
    #[inline]
    pub(super) fn push_next(
        &mut self,
        lane: Lane,
        id: PacketId,
        make: impl FnOnce() -> T,
    ) -> Option<&mut T> {
        let at = self.free_slot();
        if self.ids.insert_next(id, at) {
            self.put(lane, id, at, make);
        }
        self.at(at)
    }

    /// The slot of the next entry.
    #[inline]
    fn free_slot(&self) -> u16 {
        match self.unused {
            NONE => u16::try_from(self.slots.len()).unwrap_or(NONE),
            unused => unused,
        }
    }

    /// Puts an entry into a free slot.
    #[inline]
    fn put(&mut self, lane: Lane, id: PacketId, at: u16, make: impl FnOnce() -> T) {
        match self.slots.get_mut(usize::from(at)) {
            // A value is long: it is made in its place.
            Some(place) => {
                self.unused = place.next;
                place.id = id;
                // It has none, so that there is nothing to drop.
                core::mem::forget(place.value.replace(make()));
            }
            None => self.slots.push(Slot {
                id,
                value: Some(make()),
                lane,
                sent: false,
                prev: NONE,
                next: NONE,
            }),
        }
        self.link(lane, at);
    }

    pub(super) fn remove(&mut self, id: PacketId) -> Option<T> {
        let at = self.ids.slot(id)?;
        let value = self.slot_mut(at)?.value.take();
        self.free(at);
        value
    }

    /// Drops the entry of a slot, which is quicker than to move it out.
    #[inline]
    pub(super) fn drop_at(&mut self, at: u16) {
        if let Some(slot) = self.slot_mut(at) {
            slot.value = None;
            self.free(at);
        }
    }

    /// Makes a slot unused.
    #[inline(never)]
    fn free(&mut self, at: u16) {
        self.unlink(at);
        let unused = self.unused;
        if let Some(slot) = self.slot_mut(at) {
            slot.next = unused;
            let id = slot.id;
            self.unused = at;
            self.ids.remove(id);
        }
    }

    /// Puts an entry at the end of `lane`, to be sent again.
    pub(super) fn requeue(&mut self, lane: Lane, id: PacketId) {
        if let Some(at) = self.ids.slot(id) {
            self.requeue_at(lane, at);
        }
    }

    /// As [`requeue`](Self::requeue), by the slot.
    pub(super) fn requeue_at(&mut self, lane: Lane, at: u16) {
        self.unlink(at);
        self.link(lane, at);
    }

    /// Everything in `lane` is yet to be sent.
    pub(super) fn rewind(&mut self, lane: Lane) {
        self.for_each(lane, |slot| slot.sent = false);
        let queue = self.lane_mut(lane);
        queue.unsent = queue.head;
    }

    /// Nothing in `lane` is to be sent.
    pub(super) fn settle(&mut self, lane: Lane) {
        self.for_each(lane, |slot| slot.sent = true);
        self.lane_mut(lane).unsent = NONE;
    }

    /// Takes the first entry of `lane` that is yet to be sent as sent.
    pub(super) fn advance(&mut self, lane: Lane) -> Option<(PacketId, &mut T)> {
        let at = self.lane(lane).unsent;
        let next = self.slots.get(usize::from(at))?.next;
        self.lane_mut(lane).unsent = next;
        let slot = self.slot_mut(at)?;
        slot.sent = true;
        Some((slot.id, slot.value.as_mut()?))
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.slots.clear();
        self.unused = NONE;
        self.lanes = [Queue::EMPTY; 3];
    }

    /// Takes memory for this many entries in all.
    pub(super) fn reserve(&mut self, count: u16) {
        self.ids.reserve(count);
        let more = usize::from(count).saturating_sub(self.slots.len());
        self.slots.reserve_exact(more);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        if self.slots.len() > usize::from(self.ids.len()) {
            self.move_together();
        }
        self.ids.shrink_to_fit();
        self.slots.shrink_to_fit();
    }

    /// Puts the entries into the first slots, each where it was in its lane.
    fn move_together(&mut self) {
        let mut slots = core::mem::take(&mut self.slots);
        let heads = [Lane::Message, Lane::Release, Lane::Request];
        let heads = heads.map(|lane| (lane, self.lane(lane).head));
        self.clear();
        for (lane, head) in heads {
            let mut at = head;
            while let Some(slot) = slots.get_mut(usize::from(at)) {
                at = slot.next;
                if let Some(value) = slot.value.take() {
                    self.push(lane, slot.id, value);
                }
                if slot.sent {
                    self.advance(lane);
                }
            }
        }
    }

    pub(super) fn set_last_id(&mut self, last: Option<PacketId>) {
        self.ids.set_last(last);
    }

    pub(super) fn get_mut(&mut self, id: PacketId) -> Option<&mut T> {
        Some(self.find(id)?.1)
    }

    /// An entry with its slot, by which it is found again until it is removed.
    #[inline]
    pub(super) fn find(&mut self, id: PacketId) -> Option<(u16, &mut T)> {
        let at = self.ids.slot(id)?;
        Some((at, self.at(at)?))
    }

    /// The entry of a slot.
    #[inline]
    pub(super) fn at(&mut self, at: u16) -> Option<&mut T> {
        self.slot_mut(at)?.value.as_mut()
    }

    pub(super) fn get(&self, id: PacketId) -> Option<&T> {
        let at = self.ids.slot(id)?;
        self.slots.get(usize::from(at))?.value.as_ref()
    }

    /// The lane of an entry, and whether it has been sent.
    pub(super) fn place(&self, id: PacketId) -> Option<(Lane, bool)> {
        let slot = self.slots.get(usize::from(self.ids.slot(id)?))?;
        Some((slot.lane, slot.sent))
    }

    /// Returns whether there is an entry in `lane` that is yet to be sent.
    #[inline]
    pub(super) const fn has_unsent(&self, lane: Lane) -> bool {
        self.unsent_slot(lane) != NONE
    }

    /// The slot of the first entry of `lane` that is yet to be sent.
    #[inline]
    pub(super) const fn unsent_slot(&self, lane: Lane) -> u16 {
        self.lane(lane).unsent
    }

    /// The first entry of `lane` that is yet to be sent.
    pub(super) fn unsent(&self, lane: Lane) -> Option<(PacketId, &T)> {
        self.entry(self.lane(lane).unsent)
    }

    /// The first entry of `lane`.
    pub(super) fn first(&self, lane: Lane) -> Option<(PacketId, &T)> {
        self.entry(self.lane(lane).head)
    }

    /// The entry behind that of `id` in its lane.
    pub(super) fn after(&self, id: PacketId) -> Option<(PacketId, &T)> {
        let slot = self.slots.get(usize::from(self.ids.slot(id)?))?;
        self.entry(slot.next)
    }

    pub(super) fn iter(&self, lane: Lane) -> impl Iterator<Item = (PacketId, &T)> {
        core::iter::successors(self.first(lane), |(id, _)| self.after(*id))
    }

    pub(super) const fn ids(&self) -> &PacketIds {
        &self.ids
    }

    fn for_each(&mut self, lane: Lane, mut f: impl FnMut(&mut Slot<T>)) {
        let mut at = self.lane(lane).head;
        while let Some(slot) = self.slot_mut(at) {
            f(slot);
            at = slot.next;
        }
    }

    fn link(&mut self, lane: Lane, at: u16) {
        let queue = self.lane_mut(lane);
        let prev = core::mem::replace(&mut queue.tail, at);
        if queue.head == NONE {
            queue.head = at;
        }
        if queue.unsent == NONE {
            queue.unsent = at;
        }
        if let Some(slot) = self.slot_mut(prev) {
            slot.next = at;
        }
        if let Some(slot) = self.slot_mut(at) {
            (slot.lane, slot.sent) = (lane, false);
            (slot.prev, slot.next) = (prev, NONE);
        }
    }

    fn unlink(&mut self, at: u16) {
        let Some(&Slot {
            lane, prev, next, ..
        }) = self.slots.get(usize::from(at))
        else {
            return;
        };
        if prev == NONE && next == NONE {
            *self.lane_mut(lane) = Queue::EMPTY;
            return;
        }
        if let Some(slot) = self.slot_mut(prev) {
            slot.next = next;
        }
        if let Some(slot) = self.slot_mut(next) {
            slot.prev = prev;
        }
        let queue = self.lane_mut(lane);
        for (end, neighbour) in [
            (&mut queue.head, next),
            (&mut queue.tail, prev),
            (&mut queue.unsent, next),
        ] {
            if *end == at {
                *end = neighbour;
            }
        }
    }

    fn entry(&self, at: u16) -> Option<(PacketId, &T)> {
        let slot = self.slots.get(usize::from(at))?;
        Some((slot.id, slot.value.as_ref()?))
    }

    fn slot_mut(&mut self, at: u16) -> Option<&mut Slot<T>> {
        self.slots.get_mut(usize::from(at))
    }

    const fn lane(&self, lane: Lane) -> &Queue {
        let [message, release, request] = &self.lanes;
        match lane {
            Lane::Message => message,
            Lane::Release => release,
            Lane::Request => request,
        }
    }

    const fn lane_mut(&mut self, lane: Lane) -> &mut Queue {
        let [message, release, request] = &mut self.lanes;
        match lane {
            Lane::Message => message,
            Lane::Release => release,
            Lane::Request => request,
        }
    }
}

#[derive(Clone, Debug)]
struct Slot<T> {
    /// `None` if the slot is unused.
    value: Option<T>,
    id: PacketId,
    lane: Lane,
    sent: bool,
    prev: u16,
    next: u16,
}

/// The ends of a lane, and the first entry that is yet to be sent.
#[derive(Clone, Debug)]
struct Queue {
    head: u16,
    tail: u16,
    unsent: u16,
}

impl Queue {
    const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
        unsent: NONE,
    };
}

/// No slot: there are at most 65,535, as there are identifiers, so that the last is 65,534.
pub(super) const NONE: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::Rng;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    /// Order and content survive entries that end in any order.
    #[test]
    fn equals_a_naive_list() {
        const LANES: [Lane; 3] = [Lane::Message, Lane::Release, Lane::Request];
        for seed in 1..=6 {
            let mut rng = Rng::new(seed);
            let most = [3, 17, 100][usize::try_from(seed % 3).unwrap()];
            let mut real = InFlight::new();
            // Entries of (identifier, value, sent).
            let mut naive: [Vec<(u16, u64, bool)>; 3] = Default::default();
            for step in 0..3_000 {
                let lane = rng.below(3);
                let live: usize = naive.iter().map(Vec::len).sum();
                let any = naive.iter().flatten().nth(rng.below(live.max(1))).copied();
                match (rng.below(8), any) {
                    (0..=2, _) if live < most => {
                        let id = real.ids.next().unwrap();
                        real.push_next(LANES[lane], id, || step);
                        naive[lane].push((id.get(), step, false));
                    }
                    (3 | 4, Some((key, value, _))) => {
                        assert_eq!(real.remove(id(key)), Some(value));
                        naive.iter_mut().for_each(|l| l.retain(|e| e.0 != key));
                    }
                    (5, Some((key, value, _))) => {
                        real.requeue(LANES[lane], id(key));
                        naive.iter_mut().for_each(|l| l.retain(|e| e.0 != key));
                        naive[lane].push((key, value, false));
                    }
                    (6, _) => {
                        let first = naive[lane].iter_mut().find(|entry| !entry.2);
                        let expected = first.map(|entry| {
                            entry.2 = true;
                            (entry.0, entry.1)
                        });
                        let taken = real.advance(LANES[lane]).map(|(id, v)| (id.get(), *v));
                        assert_eq!(taken, expected);
                    }
                    (7, _) if rng.below(50) == 0 => {
                        let sent = rng.below(2) == 0;
                        match sent {
                            true => real.settle(LANES[lane]),
                            false => real.rewind(LANES[lane]),
                        }
                        naive[lane].iter_mut().for_each(|entry| entry.2 = sent);
                    }
                    _ => assert_eq!(real.remove(id(65_535)), None),
                }
                let live = naive.iter().flatten().count();
                if step % 61 == 0 {
                    real.shrink_to_fit();
                    assert_eq!((real.slots.len(), real.slots.capacity()), (live, live));
                }
                assert_eq!(usize::from(real.ids().len()), live);
                for (lane, naive) in LANES.into_iter().zip(&naive) {
                    let listed: Vec<_> = real.iter(lane).map(|(id, v)| (id.get(), *v)).collect();
                    let expected: Vec<_> = naive.iter().map(|e| (e.0, e.1)).collect();
                    assert_eq!(listed, expected);
                    for &(key, value, sent) in naive {
                        assert_eq!(real.get(id(key)), Some(&value));
                        assert_eq!(real.place(id(key)), Some((lane, sent)));
                    }
                    let unsent = naive.iter().find(|e| !e.2).map(|e| e.0);
                    assert_eq!(real.unsent(lane).map(|(id, _)| id.get()), unsent);
                }
            }
            assert!(real.slots.len() <= most, "slots are used again");
        }
    }

    #[test]
    fn holds_all_65_535() {
        let mut real = InFlight::new();
        for value in 1..=u16::MAX {
            assert_eq!(real.ids.next(), PacketId::new(value));
            real.push_next(Lane::Message, id(value), || value);
        }
        assert_eq!(real.ids.next(), None);
        assert!(!real.push(Lane::Message, id(9), 0));
        assert_eq!(real.iter(Lane::Message).count(), 65_535);
        assert_eq!(real.remove(id(65_535)), Some(65_535));
        assert_eq!(real.ids.next(), Some(id(65_535)));
    }
}
