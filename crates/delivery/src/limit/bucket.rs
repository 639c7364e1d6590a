//! A token bucket: what of a rate is left at a moment. Pure; the moment comes from the caller.
//!
//! What is taken is what was read, and that may be more than there is: one record longer than the
//! burst, or what two senders take at once. The bucket goes below zero then and is refilled from
//! there, so that the rate holds on average.

use std::time::{Duration, Instant};

use process::Rate;

/// An empty bucket is opened again when it has what comes in this time: a rate makes requests of some
/// size, and not one for each record.
const REFILL: Duration = Duration::from_millis(250);

/// Parts of a token: what a rate of one a second gives in a nanosecond.
const PARTS: i128 = 1_000_000_000;

/// A bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    /// In parts of a token.
    level: i128,
    /// When that was.
    at: Instant,
    /// Until when it is empty.
    opens: Option<Instant>,
}

impl Bucket {
    /// A full one.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, level: i128::from(rate.burst) * PARTS, at: now, opens: None }
    }

    /// How much may be taken; or when it is to be asked again.
    pub fn left(&mut self, now: Instant) -> Result<u64, Instant> {
        self.refill(now);
        if let Some(opens) = self.opens.filter(|opens| now < *opens) {
            return Err(opens);
        }
        if self.level >= PARTS {
            self.opens = None;
            return Ok(u64::try_from(self.level / PARTS).unwrap_or(u64::MAX));
        }
        let opens = now + self.wait();
        self.opens = Some(opens);
        Err(opens)
    }

    /// Takes what was read.
    pub fn take(&mut self, amount: u64, now: Instant) {
        self.refill(now);
        self.level -= i128::from(amount) * PARTS;
    }

    /// Whether it is as a new one.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.level == i128::from(self.rate.burst) * PARTS
    }

    fn refill(&mut self, now: Instant) {
        let nanos = now.saturating_duration_since(self.at).as_nanos();
        let more = i128::try_from(nanos).unwrap_or(i128::MAX).saturating_mul(self.per_second());
        let full = i128::from(self.rate.burst) * PARTS;
        self.level = self.level.saturating_add(more).min(full);
        self.at = self.at.max(now);
    }

    /// How long it takes until it has a token, and what comes in [`REFILL`], or all that it holds.
    fn wait(&self) -> Duration {
        let refill = self.per_second() * REFILL.as_nanos() as i128;
        let enough = refill.clamp(PARTS, i128::from(self.rate.burst).max(1) * PARTS);
        let missing = enough - self.level;
        // Rounded up: a nanosecond earlier it would not be there.
        let nanos = (missing + self.per_second() - 1) / self.per_second();
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn per_second(&self) -> i128 {
        i128::from(self.rate.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step: at so many milliseconds, either what is left (or when it opens), or what is taken.
    enum Step {
        Left(Result<u64, u64>),
        Take(u64),
    }
    use Step::{Left, Take};

    #[test]
    fn what_is_left_by_table() {
        let rate = |per_second, burst| Rate { per_second, burst };
        type Case = (&'static str, Rate, &'static [(u64, Step)]);
        let cases: [Case; 6] = [
            (
                "a new one is full, and never fuller",
                rate(10, 30),
                &[
                    (0, Left(Ok(30))),
                    (9_000, Left(Ok(30))),
                    (9_000, Take(12)),
                    (9_000, Left(Ok(18))),
                ],
            ),
            (
                "it fills by the rate",
                rate(10, 30),
                &[
                    (0, Take(30)),
                    (1_000, Left(Ok(10))),
                    (1_050, Left(Ok(10))),
                    (2_000, Left(Ok(20))),
                ],
            ),
            (
                "an empty one opens when it has what comes in a quarter of a second",
                rate(1000, 1000),
                &[
                    (0, Take(1000)),
                    (0, Left(Err(250))),
                    (50, Left(Err(250))),
                    (249, Left(Err(250))),
                    (250, Left(Ok(250))),
                ],
            ),
            (
                "... or one token",
                rate(2, 2),
                &[(0, Take(2)), (0, Left(Err(500))), (500, Left(Ok(1)))],
            ),
            (
                "... or all that it holds",
                rate(1000, 20),
                &[(0, Take(20)), (0, Left(Err(20))), (20, Left(Ok(20)))],
            ),
            (
                "what was taken beyond it is paid back first",
                rate(10, 10),
                &[
                    (0, Take(60)),
                    (0, Left(Err(5_250))),
                    (4_000, Left(Err(5_250))),
                    (5_250, Left(Ok(2))),
                    (6_000, Left(Ok(10))),
                ],
            ),
        ];
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        for (claim, rate, steps) in cases {
            let mut bucket = Bucket::new(rate, begin);
            for (millis, step) in steps {
                match step {
                    Take(amount) => bucket.take(*amount, at(*millis)),
                    Left(expected) => {
                        let left = bucket.left(at(*millis));
                        assert_eq!(left, expected.map_err(at), "{claim}: at {millis} ms");
                    }
                }
            }
        }
    }

    #[test]
    fn over_an_hour_no_more_is_let_through_than_the_rate_and_the_burst() {
        let rate = Rate { per_second: 333, burst: 1000 };
        let (begin, hour) = (Instant::now(), Duration::from_secs(3600));
        let (mut bucket, mut now, mut taken) = (Bucket::new(rate, begin), begin, 0);
        while now < begin + hour {
            match bucket.left(now) {
                Ok(left) => {
                    bucket.take(left, now);
                    taken += left;
                }
                Err(opens) => now = opens,
            }
        }
        let most = 333 * 3600 + 1000;
        assert!((most - 100..=most).contains(&taken), "{taken} of {most}");
    }

    #[test]
    fn neither_a_clock_that_stands_nor_the_greatest_rate_harms_it() {
        let most = 1 << 40;
        let mut bucket = Bucket::new(Rate { per_second: most, burst: most }, Instant::now());
        let later = Instant::now() + Duration::from_secs(1 << 32);
        bucket.take(u64::MAX, later);
        assert!(bucket.left(later).is_err());
        assert!(bucket.left(later - Duration::from_secs(1)).is_err(), "an earlier moment");
        assert!(!bucket.is_full(later));
    }
}
