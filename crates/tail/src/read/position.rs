//! How far one reader is: what is missing before its position, the position, and the proofs of
//! where it stands.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use record::{Anchor, Progress, Spans};

/// A reader's place in its source.
#[derive(Debug)]
pub(crate) struct Position {
    /// What is missing before `furthest`; read first.
    gaps: VecDeque<(u64, u64)>,
    furthest: u64,
    /// The file has been searched up to here, and no line ends between `furthest` and it.
    pub(crate) searched: u64,
    /// The proof of where the last piece ended.
    tip: Option<Anchor>,
    /// Proofs from before this reader.
    proofs: Vec<Anchor>,
    /// What was passed over and not told of yet.
    unwanted: Unwanted,
    /// The padding that was met, while it is not passed over.
    pub(crate) padding: Option<Padding>,
}

/// Bytes that a reader passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unwanted {
    /// Which.
    pub spans: Spans,
    /// Where the last of them that hold text end, and what stands before that; NULs prove nothing.
    pub proof: Option<Anchor>,
}

/// Padding with data behind it, or so it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Padding {
    /// Where it begins.
    pub(crate) start: u64,
    /// When it was met.
    since: Instant,
    /// Up to where it goes at least.
    pub(crate) scanned: u64,
}

/// What to read next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: u64,
    /// Where it ends for certain, `\n` or not.
    pub(crate) limit: Option<u64>,
    pub(crate) is_gap: bool,
}

impl Span {
    /// So many bytes, or fewer up to the limit.
    pub(crate) fn within(&self, bytes: usize) -> usize {
        let rest = self.limit.map_or(u64::MAX, |limit| limit - self.from);
        usize::try_from(rest).unwrap_or(usize::MAX).min(bytes)
    }

    /// Whether so many bytes are all of it.
    pub(crate) fn is_all(&self, bytes: usize) -> bool {
        self.limit == Some(self.from + bytes as u64)
    }
}

impl Position {
    /// After what is claimed: acknowledged or in an open request.
    pub(crate) fn new(progress: &Progress) -> Self {
        let mut claimed = progress.acked.clone();
        claimed.merge(&progress.open);
        let furthest = claimed.end();
        let gaps: VecDeque<(u64, u64)> = claimed.gaps(0, furthest).into();
        // Where it can come to.
        let is_ahead = |offset: u64| {
            let mut gaps = gaps.iter();
            offset == furthest || gaps.any(|(start, end)| (*start..=*end).contains(&offset))
        };
        let proofs = progress.anchors.iter().filter(|anchor| is_ahead(anchor.offset));
        Self {
            proofs: proofs.copied().collect(),
            gaps,
            furthest,
            searched: furthest,
            tip: None,
            unwanted: Unwanted::default(),
            padding: None,
        }
    }

    /// Whether a position that is made of this progress is the same one.
    pub(crate) fn follows_from(&self, progress: &Progress) -> bool {
        let Progress { acked, open, anchors } = progress;
        let is_whole = (acked.covered_from(0), acked.end()) == (self.furthest, self.furthest);
        is_whole
            && open.is_empty()
            && self.gaps.is_empty()
            && self.searched == self.furthest
            && self.unwanted.spans.is_empty()
            && self.padding.is_none()
            && self.tip.is_none_or(|tip| anchors.contains(&tip))
    }

    /// What comes next.
    pub(crate) fn next(&self) -> Span {
        match self.gaps.front() {
            Some(&(from, end)) => Span { from, limit: Some(end), is_gap: true },
            None => Span { from: self.furthest, limit: None, is_gap: false },
        }
    }

    /// Whether the line that comes next was searched for its end in vain.
    pub(crate) fn has_partial(&self) -> bool {
        self.gaps.is_empty() && self.searched > self.furthest
    }

    pub(crate) fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Whether the hash of what stands before a position is another than it was.
    pub(crate) fn is_disproved(&self, offset: u64, hash: u64) -> bool {
        let mut proofs = self.tip.iter().chain(&self.proofs);
        offset > 0 && proofs.any(|proof| proof.offset == offset && proof.hash != hash)
    }

    /// Padding begins at a position. How long it has done so.
    pub(crate) fn meet_padding(&mut self, start: u64, now: Instant) -> Duration {
        let known = self.padding.filter(|padding| padding.start == start);
        let padding = known.unwrap_or(Padding { start, since: now, scanned: start });
        self.padding = Some(padding);
        now.saturating_duration_since(padding.since)
    }

    /// Passes over bytes that nobody wants; `tip` is the proof of the place after them.
    pub(crate) fn pass(&mut self, bytes: u64, tip: Option<Anchor>) {
        let from = self.next().from;
        self.unwanted.spans.insert(from, from + bytes);
        self.go(from + bytes, tip);
    }

    /// Passes over text, which proves the place after it also to the next reader.
    pub(crate) fn pass_text(&mut self, bytes: u64, tip: Option<Anchor>) {
        self.pass(bytes, tip);
        self.unwanted.proof = tip.or(self.unwanted.proof);
    }

    /// Counts a piece that ends here.
    pub(crate) fn take(&mut self, end: Anchor) {
        self.go(end.offset, Some(end));
    }

    /// What was passed over since the last call.
    pub(crate) fn take_unwanted(&mut self) -> Unwanted {
        std::mem::take(&mut self.unwanted)
    }

    /// What ended last, and where it began, is read again.
    pub(crate) fn go_back(&mut self, start: u64, end: u64) {
        self.tip = None;
        if end == self.furthest && self.gaps.is_empty() {
            (self.furthest, self.searched) = (start, start);
        } else {
            match self.gaps.front_mut() {
                Some(gap) if gap.0 == end => gap.0 = start,
                _ => self.gaps.push_front((start, end)),
            }
        }
    }

    fn go(&mut self, end: u64, tip: Option<Anchor>) {
        self.tip = tip;
        match self.gaps.front_mut() {
            Some(gap) if end < gap.1 => gap.0 = end,
            Some(_) => drop(self.gaps.pop_front()),
            None => {
                (self.furthest, self.searched) = (end, end);
                self.proofs = Vec::new();
            }
        }
    }
}

/// What others may ask of a position while a read is under way.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    furthest: AtomicU64,
    searched: AtomicU64,
    gap_bytes: AtomicU64,
    has_unwanted: AtomicBool,
}

impl Shown {
    pub(crate) fn set(&self, position: &Position) {
        self.furthest.store(position.furthest, Ordering::Relaxed);
        self.searched.store(position.searched, Ordering::Relaxed);
        let gap_bytes = position.gaps.iter().map(|(start, end)| end - start).sum();
        self.gap_bytes.store(gap_bytes, Ordering::Relaxed);
        self.has_unwanted.store(!position.unwanted.spans.is_empty(), Ordering::Relaxed);
    }

    pub(crate) fn furthest(&self) -> u64 {
        self.furthest.load(Ordering::Relaxed)
    }

    pub(crate) fn searched(&self) -> u64 {
        self.searched.load(Ordering::Relaxed)
    }

    pub(crate) fn has_unwanted(&self) -> bool {
        self.has_unwanted.load(Ordering::Relaxed)
    }

    pub(crate) fn gap_bytes(&self) -> u64 {
        self.gap_bytes.load(Ordering::Relaxed)
    }
}
