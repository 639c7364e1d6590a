//! How far one delivery is with one generation of a file.
//! Invariant: what is acknowledged is a set; acks in any order, or twice, give the same set.
//! There may be 100,000 of these: the usual one is a number, a few anchors and nothing else.

use record::{Anchor, DeliveryKey, Progress, Spans, UNPROVEN};

/// The last anchors that are all kept.
const RECENT_ANCHORS: usize = 16;

/// Progress of one delivery in one generation of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub delivery: DeliveryKey,
    /// Bytes below this are acknowledged.
    prefix: u64,
    /// Acknowledged bytes behind the first gap.
    rest: Option<Box<Spans>>,
    /// Bytes in requests without an answer.
    open: Option<Box<Spans>>,
    /// By offset; none beyond the last acknowledged byte.
    anchors: Box<[Anchor]>,
}

impl Cursor {
    /// Nothing acknowledged.
    pub(crate) fn new(delivery: DeliveryKey) -> Self {
        Self { delivery, prefix: 0, rest: None, open: None, anchors: Box::default() }
    }

    /// As it was saved.
    pub(crate) fn restore(
        delivery: DeliveryKey,
        acked: &[(u64, u64)],
        anchors: impl Iterator<Item = Anchor>,
    ) -> Self {
        let mut cursor = Self { anchors: anchors.collect(), ..Self::new(delivery) };
        for &(start, end) in acked {
            cursor.ack(start, end);
        }
        cursor
    }

    /// One past the last byte below which everything is acknowledged.
    pub(crate) fn prefix(&self) -> u64 {
        self.prefix
    }

    /// The acknowledged spans, in order.
    pub(crate) fn acked(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let prefix = (self.prefix > 0).then_some((0, self.prefix));
        prefix.into_iter().chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }

    /// The anchors, by offset.
    pub(crate) fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// What is in requests without an answer.
    pub(crate) fn open(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.open.iter().flat_map(|open| open.iter())
    }

    /// All of it.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            acked: self.acked().collect(),
            open: self.open().collect(),
            anchors: self.anchors.to_vec(),
        }
    }

    /// `[start, end)` is acknowledged.
    pub(crate) fn ack(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        self.leave(start, end);
        if start > self.prefix {
            self.rest.get_or_insert_default().insert(start, end);
            return;
        }
        self.prefix = self.prefix.max(end);
        if let Some(rest) = &mut self.rest {
            self.prefix = rest.covered_from(self.prefix);
            rest.remove(0, self.prefix);
        }
        drop_empty(&mut self.rest);
    }

    /// What stood before an acknowledged position.
    pub(crate) fn prove(&mut self, anchor: Anchor) {
        if anchor.hash == UNPROVEN {
            return;
        }
        let at = self.anchors.partition_point(|known| known.offset < anchor.offset);
        let mut anchors = self.anchors.to_vec();
        match anchors.get_mut(at) {
            Some(known) if known.offset == anchor.offset => *known = anchor,
            _ => anchors.insert(at, anchor),
        }
        self.anchors = thin(&anchors);
    }

    /// Takes over proofs of positions up to `offset` from the generation before.
    pub(crate) fn inherit(&mut self, anchors: &[Anchor], offset: u64) {
        self.anchors = anchors.iter().copied().filter(|a| a.offset <= offset).collect();
    }

    /// Everything from `offset` on is not acknowledged any more.
    pub(crate) fn rewind(&mut self, offset: u64) {
        self.prefix = self.prefix.min(offset);
        if let Some(rest) = &mut self.rest {
            rest.remove(offset, u64::MAX);
        }
        drop_empty(&mut self.rest);
        let anchors = std::mem::take(&mut self.anchors);
        self.inherit(&anchors, offset);
    }

    /// `[start, end)` goes into a request; what of it is acknowledged is not open.
    pub(crate) fn enter(&mut self, start: u64, end: u64) {
        let open = self.open.get_or_insert_default();
        open.insert(start, end);
        open.remove(0, self.prefix);
        for (start, end) in self.rest.iter().flat_map(|rest| rest.iter()) {
            open.remove(start, end);
        }
        drop_empty(&mut self.open);
    }

    /// It is in no request any more.
    pub(crate) fn leave(&mut self, start: u64, end: u64) {
        if let Some(open) = &mut self.open {
            open.remove(start, end);
        }
        drop_empty(&mut self.open);
    }
}

fn drop_empty(spans: &mut Option<Box<Spans>>) {
    if spans.as_ref().is_some_and(|spans| spans.is_empty()) {
        *spans = None;
    }
}

/// The last [`RECENT_ANCHORS`], and of the older ones the farthest in each doubling of the
/// distance to the last: what moves from one doubling into the next replaces nothing farther, so
/// that no distance is ever without an anchor at most four times as far.
fn thin(anchors: &[Anchor]) -> Box<[Anchor]> {
    let Some(last) = anchors.last() else {
        return Box::default();
    };
    let doubling = |anchor: &Anchor| last.offset.saturating_sub(anchor.offset).checked_ilog2();
    let recent = anchors.len().saturating_sub(RECENT_ANCHORS);
    let mut kept = Vec::with_capacity(anchors.len());
    for anchor in &anchors[..recent] {
        if kept.last().is_none_or(|farther| doubling(farther) != doubling(anchor)) {
            kept.push(*anchor);
        }
    }
    kept.extend_from_slice(&anchors[recent..]);
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(offset: u64) -> Anchor {
        Anchor { offset, hash: offset ^ 0xA5 }
    }

    fn acked(spans: &[(u64, u64)]) -> Cursor {
        Cursor::restore(DeliveryKey::default(), spans, std::iter::empty())
    }

    #[test]
    fn acks_in_any_order_give_the_same_set() {
        let parts = [(0, 10), (10, 20), (25, 30), (20, 25)];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..50 {
            let mut order = parts;
            random.shuffle(&mut order);
            assert_eq!(acked(&order), acked(&[(0, 30)]), "{order:?}");
        }
        let gap = acked(&[(0, 10), (20, 30)]);
        assert_eq!(gap.prefix(), 10);
        assert_eq!(gap.acked().collect::<Vec<_>>(), [(0, 10), (20, 30)]);
    }

    #[test]
    fn progress_does_not_begin_at_zero_where_the_first_bytes_are_missing() {
        let cursor = acked(&[(5, 9)]);
        assert_eq!(cursor.prefix(), 0);
        assert_eq!(cursor.acked().collect::<Vec<_>>(), [(5, 9)]);
    }

    #[test]
    fn an_ack_ends_being_open_only_for_its_own_bytes() {
        let mut cursor = acked(&[]);
        cursor.enter(0, 10);
        cursor.enter(10, 20);
        cursor.ack(10, 20);
        assert_eq!(cursor.open().collect::<Vec<_>>(), [(0, 10)]);
        cursor.leave(0, 10);
        assert_eq!(cursor.open, None);
    }

    #[test]
    fn rewinding_takes_back_acks_and_anchors_behind_the_place() {
        let mut cursor = acked(&[(0, 10), (20, 30), (40, 50)]);
        for offset in [10, 30, 50] {
            cursor.prove(anchor(offset));
        }
        cursor.rewind(25);
        assert_eq!(cursor.acked().collect::<Vec<_>>(), [(0, 10), (20, 25)]);
        assert_eq!(cursor.anchors(), [anchor(10)]);
        cursor.rewind(3);
        assert_eq!(cursor.acked().collect::<Vec<_>>(), [(0, 3)]);
    }

    #[test]
    fn a_position_without_a_proof_gets_no_anchor() {
        let mut cursor = acked(&[(0, 10)]);
        cursor.prove(anchor(5));
        cursor.prove(Anchor { offset: 10, hash: UNPROVEN });
        assert_eq!(cursor.anchors(), [anchor(5)]);
    }

    #[test]
    fn anchors_are_dense_near_the_end_and_sparse_before() {
        let mut cursor = acked(&[]);
        for at in 1..=100_000u64 {
            cursor.prove(anchor(at * 100));
        }
        let offsets: Vec<u64> = cursor.anchors().iter().map(|anchor| anchor.offset).collect();
        assert!(offsets.len() <= RECENT_ANCHORS + 24, "{offsets:?}");
        let end = 10_000_000;
        let recent: Vec<u64> = (0..16).map(|at| end - 1500 + at * 100).collect();
        assert_eq!(offsets[offsets.len() - 16..], recent);
        for distance in (0..).map(|doubling| 3000 << doubling).take_while(|&d| d * 4 < end) {
            let near = offsets.iter().any(|o| (distance..distance * 4).contains(&(end - o)));
            assert!(near, "none at {distance} to four times that: {offsets:?}");
        }
    }
}
