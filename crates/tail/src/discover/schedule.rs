//! When a directory is to be listed. Its time of change has a granularity, so that one listing
//! proves nothing about what happened in the same tick; and file systems exist that do not keep
//! it. Hence: a listing counts only if that time was two seconds old when it began and the one
//! before saw the same; all the same there is one every half minute. A pure decision over
//! monotonic time.

use std::time::{Duration, Instant};

/// A time of change is trusted when it is this old.
const TRUST_AFTER: Duration = Duration::from_secs(2);

/// How often a directory is listed although nothing seems to have happened.
const FULL_LISTING: Duration = Duration::from_secs(30);

/// Listing one directory may take one part in so many of the time.
const COST_SHARE: u32 = 100;

/// What is known about the listings of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    modified: i64,
    /// When that time of change was first seen.
    since: Instant,
    /// What the last listing saw, when it began, what it cost.
    last: Option<(Digest, Instant, Duration)>,
    is_confirmed: bool,
    is_urgent: bool,
}

/// The names of a directory and their inode numbers, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    count: u64,
    sum: u64,
}

impl Digest {
    pub(crate) fn add(&mut self, name: &[u8], inode: u64) {
        self.count += 1;
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(name, inode);
        self.sum = self.sum.wrapping_add(hash);
    }
}

impl Schedule {
    /// A directory that was never listed.
    pub(crate) fn new(modified: i64, now: Instant) -> Self {
        Self { modified, since: now, last: None, is_confirmed: false, is_urgent: true }
    }

    /// Takes note of the time of change; whether to list now.
    pub(crate) fn is_due(&mut self, modified: i64, now: Instant) -> bool {
        if modified != self.modified {
            (self.modified, self.since, self.is_confirmed) = (modified, now, false);
        }
        let Some((_, began, cost)) = self.last else { return true };
        let pause = cost * COST_SHARE;
        let pause = if self.is_confirmed { pause.max(FULL_LISTING) } else { pause };
        self.is_urgent || now >= began + pause
    }

    /// Something is known to have happened: list as soon as possible.
    pub(crate) fn urge(&mut self) {
        self.is_urgent = true;
    }

    /// A listing begins: what happens from now on asks for another one.
    pub(crate) fn begin(&mut self, modified: i64, now: Instant) {
        self.is_due(modified, now);
        self.is_urgent = false;
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// A listing is over that began when the time of change was `modified`.
    pub(crate) fn listed(&mut self, digest: Digest, modified: i64, began: Instant, cost: Duration) {
        let agrees = self.last.is_some_and(|(last, ..)| last == digest);
        let is_old = modified == self.modified && began >= self.since + TRUST_AFTER;
        self.is_confirmed = agrees && is_old;
        self.last = Some((digest, began, cost));
    }

    /// When the last listing began.
    pub(crate) fn listed_at(&self) -> Option<Instant> {
        self.last.map(|(_, began, _)| began)
    }

    /// A listing failed: try again, but not at once.
    pub(crate) fn failed(&mut self, began: Instant) {
        self.is_confirmed = true;
        let digest = self.last.map_or(Digest::default(), |(digest, ..)| digest);
        self.last = Some((digest, began, Duration::ZERO));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn digest(names: &[&str]) -> Digest {
        let mut digest = Digest::default();
        names.iter().for_each(|name| digest.add(name.as_bytes(), 1));
        digest
    }

    #[test]
    fn a_digest_knows_names_and_inodes_and_no_order() {
        assert_eq!(digest(&["a", "b"]), digest(&["b", "a"]));
        assert_ne!(digest(&["a", "b"]), digest(&["a"]));
        let mut other = Digest::default();
        other.add(b"a", 2);
        assert_ne!(digest(&["a"]), other);
    }

    #[test]
    fn a_time_of_change_is_trusted_only_when_two_seconds_old() {
        let start = Instant::now();
        let mut schedule = Schedule::new(7, start);
        let same = digest(&["a"]);
        assert!(schedule.is_due(7, start));
        schedule.begin(7, start);
        schedule.listed(same, 7, start, Duration::ZERO);
        // Names that come within the same tick do not change it: list again and again.
        for ms in [250, 500, 1000, 1999] {
            let now = start + MS * ms;
            assert!(schedule.is_due(7, now), "{ms}");
            schedule.listed(same, 7, now, Duration::ZERO);
        }
        schedule.listed(same, 7, start + MS * 2000, Duration::ZERO);
        assert!(!schedule.is_due(7, start + MS * 2250));
        assert!(schedule.is_due(8, start + MS * 2500), "it changed");
        schedule.listed(same, 8, start + MS * 2500, Duration::ZERO);
        assert!(schedule.is_due(8, start + MS * 2750), "and may have changed since");
    }

    #[test]
    fn two_listings_must_agree() {
        let start = Instant::now();
        let mut schedule = Schedule::new(7, start);
        schedule.begin(7, start);
        schedule.listed(digest(&["a"]), 7, start, Duration::ZERO);
        schedule.listed(digest(&["a", "b"]), 7, start + MS * 3000, Duration::ZERO);
        assert!(schedule.is_due(7, start + MS * 3250));
        schedule.listed(digest(&["a", "b"]), 7, start + MS * 3250, Duration::ZERO);
        assert!(!schedule.is_due(7, start + MS * 3500));
    }

    #[test]
    fn there_is_a_listing_every_half_minute_and_at_any_urge() {
        let start = Instant::now();
        let mut schedule = Schedule::new(7, start);
        let confirmed = start + MS * 2000;
        schedule.begin(7, start);
        schedule.listed(digest(&["a"]), 7, start, Duration::ZERO);
        schedule.listed(digest(&["a"]), 7, confirmed, Duration::ZERO);
        assert!(!schedule.is_due(7, confirmed + MS * 29_999));
        assert!(schedule.is_due(7, confirmed + MS * 30_000));
        schedule.urge();
        assert!(schedule.is_due(7, confirmed + MS));
    }

    #[test]
    fn a_costly_directory_is_listed_less_often() {
        let start = Instant::now();
        let mut schedule = Schedule::new(7, start);
        schedule.begin(7, start);
        schedule.listed(digest(&["a"]), 7, start, MS * 500);
        assert!(!schedule.is_due(8, start + MS * 49_999));
        assert!(schedule.is_due(8, start + MS * 50_000));
    }
}
