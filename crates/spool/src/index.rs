//! What the spool knows of its segments without reading them: how long they are, which parts are
//! done with, how much waits for whom. Pure bookkeeping in little memory: adjacent done frames
//! are one span, waiting ones are only counted.
//!
//! A crash forgets it; opening builds it anew from the frames' heads.
//! Not here: reading or writing anything.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use record::{DeliveryKey, Spans};

use crate::Place;
use crate::segment::HEADER_LEN;

/// How much waits for a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Frames.
    pub frames: u64,
    /// Their bytes on the disk.
    pub bytes: u64,
}

/// One segment.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Bytes that count; none beyond was ever confirmed.
    len: u64,
    /// What needs not be read: the header, done frames, damage.
    done: Spans,
    waiting: BTreeMap<DeliveryKey, Waiting>,
}

impl Segment {
    /// A segment of `len` bytes, in which no frame is known yet.
    pub(crate) fn new(len: u64) -> Segment {
        let done = [(0, len.min(HEADER_LEN as u64))].into_iter().collect();
        Segment { len, done, waiting: BTreeMap::new() }
    }

    /// A frame that waits; it makes the segment longer if it lies at the end.
    pub(crate) fn add(&mut self, place: Place, delivery: DeliveryKey) {
        self.len = self.len.max(place.end());
        let waiting = self.waiting.entry(delivery).or_default();
        waiting.frames += 1;
        waiting.bytes += place.len;
    }

    /// Bytes that need not be read again.
    pub(crate) fn skip(&mut self, position: u64, len: u64) {
        self.done.insert(position, position + len);
    }

    pub(crate) fn is_done(&self, place: Place) -> bool {
        self.done.contains(place.position, place.end())
    }

    /// The first byte from `position` on that need be read, if there is one.
    pub(crate) fn first_unread(&self, position: u64) -> Option<u64> {
        let position = self.done.covered_from(position);
        (position < self.len).then_some(position)
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    fn done(&mut self, place: Place, delivery: DeliveryKey) {
        if self.is_done(place) {
            return;
        }
        self.skip(place.position, place.len);
        if let Some(waiting) = self.waiting.get_mut(&delivery) {
            waiting.frames = waiting.frames.saturating_sub(1);
            waiting.bytes = waiting.bytes.saturating_sub(place.len);
            if waiting.frames == 0 {
                self.waiting.remove(&delivery);
            }
        }
    }
}

/// All segments.
#[derive(Debug)]
pub(crate) struct Index {
    segments: BTreeMap<u64, Segment>,
    /// The sequence number that the next segment gets.
    next: u64,
    /// No segment that is or comes to be has a lower number. Not `next`: a frame may just be
    /// being written into a segment that is not known here yet.
    floor: u64,
}

impl Index {
    /// No segments yet; the first will not be below `next`.
    pub(crate) fn new(next: u64) -> Index {
        Index { segments: BTreeMap::new(), next, floor: next }
    }

    /// Takes a segment in, in place of what was known of it.
    pub(crate) fn insert(&mut self, sequence: u64, segment: Segment) {
        self.next = self.next.max(sequence + 1);
        self.segments.insert(sequence, segment);
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&Segment> {
        self.segments.get(&sequence)
    }

    /// A number for a new segment.
    pub(crate) fn take_number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// A frame that is now durable.
    pub(crate) fn add(&mut self, place: Place, delivery: DeliveryKey) {
        let segment = self.segments.entry(place.segment).or_insert_with(|| Segment::new(0));
        segment.skip(0, HEADER_LEN as u64);
        segment.add(place, delivery);
    }

    /// Marks a frame as done with; whether its segment may go now.
    pub(crate) fn done(&mut self, place: Place, delivery: DeliveryKey) -> bool {
        let Some(segment) = self.segments.get_mut(&place.segment) else { return false };
        segment.done(place, delivery);
        segment.waiting.is_empty()
    }

    /// The segments, oldest first.
    pub(crate) fn sequences(&self) -> Vec<u64> {
        self.segments.keys().copied().collect()
    }

    /// Whether the segment is known and nothing in it waits.
    pub(crate) fn is_removable(&self, sequence: u64) -> bool {
        self.get(sequence).is_some_and(|segment| segment.waiting.is_empty())
    }

    /// The segments in which nothing waits.
    pub(crate) fn removable(&self) -> Vec<u64> {
        self.segments.keys().copied().filter(|&sequence| self.is_removable(sequence)).collect()
    }

    pub(crate) fn remove(&mut self, sequence: u64) {
        self.segments.remove(&sequence);
        self.floor = self.floor.max(sequence + 1);
    }

    /// The lowest segment that is or may come to be.
    pub(crate) fn lowest(&self) -> u64 {
        self.segments.keys().next().copied().unwrap_or(self.floor)
    }

    /// Bytes on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.values().map(Segment::len).sum()
    }

    /// How much waits for whom.
    pub(crate) fn waiting(&self) -> BTreeMap<DeliveryKey, Waiting> {
        let mut sums: BTreeMap<DeliveryKey, Waiting> = BTreeMap::new();
        for (delivery, waiting) in self.segments.values().flat_map(|segment| &segment.waiting) {
            let sum = sums.entry(*delivery).or_default();
            sum.frames += waiting.frames;
            sum.bytes += waiting.bytes;
        }
        sums
    }

    /// The first place from `(sequence, position)` on where a frame of `delivery` may wait:
    /// segment, position, length of the segment.
    pub(crate) fn seek(
        &self,
        delivery: DeliveryKey,
        (sequence, position): (u64, u64),
    ) -> Option<(u64, u64, u64)> {
        self.segments.range(sequence..).find_map(|(&number, segment)| {
            segment.waiting.get(&delivery)?;
            let position = if number == sequence { position } else { 0 };
            segment.first_unread(position).map(|position| (number, position, segment.len))
        })
    }

    /// The oldest segments that together have `bytes` bytes, or all.
    pub(crate) fn oldest(&self, bytes: u64) -> Vec<u64> {
        let mut sum = 0;
        let oldest = self.segments.iter().take_while(|(_, segment)| {
            let more = sum < bytes;
            sum += segment.len;
            more
        });
        oldest.map(|(&sequence, _)| sequence).collect()
    }
}

/// Locks, also after a panic elsewhere: what is guarded is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::delivery;

    const HEADER: u64 = HEADER_LEN as u64;

    fn place(segment: u64, position: u64, len: u64) -> Place {
        Place { segment, position: HEADER + position, len }
    }

    /// Segment 5 with frames of deliveries 1, 2, 1; segment 6 with one of delivery 2.
    fn index() -> Index {
        let mut index = Index::new(5);
        assert_eq!((index.take_number(), index.take_number()), (5, 6));
        index.add(place(5, 0, 10), delivery(1));
        index.add(place(5, 10, 20), delivery(2));
        index.add(place(5, 30, 30), delivery(1));
        index.add(place(6, 0, 40), delivery(2));
        index
    }

    #[test]
    fn a_segment_may_go_when_its_last_frame_is_done_with() {
        let mut index = index();
        assert_eq!(index.removable(), []);
        assert!(!index.done(place(5, 10, 20), delivery(2)));
        assert!(!index.done(place(5, 0, 10), delivery(1)));
        assert!(!index.done(place(5, 0, 10), delivery(1)), "twice is once");
        assert!(index.done(place(5, 30, 30), delivery(1)));
        assert_eq!(index.removable(), [5]);
        assert_eq!(index.lowest(), 5);
        index.remove(5);
        assert_eq!((index.lowest(), index.bytes()), (6, HEADER + 40));
        index.remove(6);
        assert_eq!((index.lowest(), index.bytes()), (7, 0));
    }

    #[test]
    fn a_segment_being_written_is_never_below_the_lowest_live_one() {
        let mut index = index();
        let being_written = index.take_number();
        for sequence in [6, 5] {
            index.remove(sequence);
            assert!(index.lowest() <= being_written);
        }
        assert_eq!(index.lowest(), being_written);
    }

    #[test]
    fn what_waits_is_counted_by_delivery() {
        let mut index = index();
        let of = |index: &Index, number| index.waiting().get(&delivery(number)).copied();
        assert_eq!(of(&index, 1), Some(Waiting { frames: 2, bytes: 40 }));
        assert_eq!(of(&index, 2), Some(Waiting { frames: 2, bytes: 60 }));
        index.done(place(5, 0, 10), delivery(1));
        index.done(place(5, 30, 30), delivery(1));
        assert_eq!(of(&index, 1), None);
    }

    #[test]
    fn seeking_steps_over_what_is_done_and_over_other_segments() {
        let mut index = index();
        assert_eq!(index.seek(delivery(1), (0, 0)), Some((5, HEADER, HEADER + 60)));
        index.done(place(5, 0, 10), delivery(1));
        assert_eq!(index.seek(delivery(1), (0, 0)), Some((5, HEADER + 10, HEADER + 60)));
        assert_eq!(index.seek(delivery(1), (5, HEADER + 60)), None);
        assert_eq!(index.seek(delivery(2), (5, HEADER + 60)), Some((6, HEADER, HEADER + 40)));
        index.done(place(5, 10, 20), delivery(2));
        assert_eq!(index.seek(delivery(2), (0, 0)), Some((6, HEADER, HEADER + 40)));
        assert_eq!(index.seek(delivery(3), (0, 0)), None);
    }

    #[test]
    fn the_oldest_segments_are_as_many_as_are_needed() {
        let index = index();
        let first = HEADER + 60;
        let cases = [(0, 0), (1, 1), (first, 1), (first + 1, 2), (u64::MAX, 2)];
        for (bytes, count) in cases {
            assert_eq!(index.oldest(bytes), [5, 6][..count], "{bytes}");
        }
    }
}
