//! A set of byte positions as sorted, disjoint, coalescing spans.
//! Acks arrive in any order; progress is what they cover, never what was read.

/// The set. Spans are half open, `[start, end)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    spans: Vec<(u64, u64)>,
}

impl Spans {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `[start, end)`; an empty span adds nothing.
    pub fn insert(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        // The spans that overlap or touch the new one lie in [from, to).
        let from = self.spans.partition_point(|&(_, e)| e < start);
        let to = self.spans.partition_point(|&(s, _)| s <= end);
        let mut merged = (start, end);
        if from < to {
            merged = (start.min(self.spans[from].0), end.max(self.spans[to - 1].1));
        }
        self.spans.splice(from..to, [merged]);
    }

    /// Takes `[start, end)` out.
    pub fn remove(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let from = self.spans.partition_point(|&(_, e)| e <= start);
        let to = self.spans.partition_point(|&(s, _)| s < end);
        if from >= to {
            return;
        }
        let left = (self.spans[from].0, start);
        let right = (end, self.spans[to - 1].1);
        let rest: Vec<_> = [left, right].into_iter().filter(|(s, e)| s < e).collect();
        self.spans.splice(from..to, rest);
    }

    /// The end of the covered run that begins at `position` (`position` itself where nothing is).
    pub fn covered_from(&self, position: u64) -> u64 {
        let at = self.spans.partition_point(|&(_, e)| e <= position);
        match self.spans.get(at) {
            Some(&(s, e)) if s <= position => e,
            _ => position,
        }
    }

    /// Whether all of `[start, end)` is covered.
    pub fn contains(&self, start: u64, end: u64) -> bool {
        start >= end || self.covered_from(start) >= end
    }

    /// What of `[start, end)` is not covered, in order.
    pub fn gaps(&self, start: u64, end: u64) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        let mut position = start;
        let from = self.spans.partition_point(|&(_, e)| e <= start);
        for &(s, e) in &self.spans[from..] {
            if s >= end {
                break;
            }
            if s > position {
                gaps.push((position, s));
            }
            position = position.max(e);
        }
        if position < end {
            gaps.push((position, end));
        }
        gaps
    }

    /// One past the last covered position; 0 for the empty set.
    pub fn end(&self) -> u64 {
        self.spans.last().map_or(0, |&(_, e)| e)
    }

    /// How many positions are covered.
    pub fn len(&self) -> u64 {
        self.spans.iter().map(|(s, e)| e - s).sum()
    }

    /// Whether nothing is covered.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The spans in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> + '_ {
        self.spans.iter().copied()
    }

    /// The union with another set.
    pub fn merge(&mut self, other: &Spans) {
        for (start, end) in other.iter() {
            self.insert(start, end);
        }
    }
}

impl FromIterator<(u64, u64)> for Spans {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(iter: I) -> Self {
        let mut spans = Self::new();
        for (start, end) in iter {
            spans.insert(start, end);
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(spans: &[(u64, u64)]) -> Spans {
        spans.iter().copied().collect()
    }

    #[test]
    fn spans_coalesce_whatever_the_order() {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let parts = [(0, 10), (10, 20), (15, 40)];
            let mut spans = Spans::new();
            for at in order {
                spans.insert(parts[at].0, parts[at].1);
            }
            assert_eq!(spans, set(&[(0, 40)]), "{order:?}");
        }
    }

    #[test]
    fn every_operation_agrees_with_a_set_of_positions() {
        // All pairs of spans over 8 positions, against a bit set.
        let bits = |spans: &Spans| -> u32 {
            spans.iter().flat_map(|(s, e)| s..e).fold(0, |bits, p| bits | 1 << p)
        };
        let pairs: Vec<(u64, u64)> = (0..8).flat_map(|s| (s..=8).map(move |e| (s, e))).collect();
        let mask = |(s, e): (u64, u64)| (s..e).fold(0u32, |bits, p| bits | 1 << p);
        for &a in &pairs {
            for &b in &pairs {
                let base = set(&[a, b]);
                assert_eq!(bits(&base), mask(a) | mask(b));
                for &c in &pairs {
                    let mut removed = base.clone();
                    removed.remove(c.0, c.1);
                    assert_eq!(bits(&removed), bits(&base) & !mask(c), "{base:?} - {c:?}");
                    let gaps: Spans = base.gaps(c.0, c.1).into_iter().collect();
                    assert_eq!(bits(&gaps), mask(c) & !bits(&base), "gaps of {base:?} in {c:?}");
                    assert_eq!(base.contains(c.0, c.1), mask(c) & !bits(&base) == 0);
                }
            }
        }
    }
}
