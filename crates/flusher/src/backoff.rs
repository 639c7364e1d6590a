//! When to try again: pure functions of the attempt, a seed and the destination's wish.

use std::time::{Duration, SystemTime};

/// The delays that are our own choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay.
    pub min: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Default for Backoff {
    /// 100 ms to 30 s.
    fn default() -> Self {
        Self { min: Duration::from_millis(100), max: Duration::from_secs(30) }
    }
}

/// The shortest `Retry-After` that is obeyed; a shorter one becomes this.
pub const RETRY_AFTER_MIN: Duration = Duration::from_millis(100);
/// The longest `Retry-After` that is obeyed; a longer one is cut to this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

impl Backoff {
    /// How long to wait before try number `attempt` + 1 (`attempt` counts failures from 0): the
    /// first delay, doubling to the longest, spread over its upper half by `seed` so that many
    /// senders do not come back at once. The destination's own wish (`Retry-After`) wins, cut to
    /// [`RETRY_AFTER_MIN`]..[`RETRY_AFTER_MAX`].
    pub fn delay(&self, attempt: u32, seed: u64, after: Option<Duration>) -> Duration {
        if let Some(after) = after {
            return after.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX);
        }
        let full = self.min.saturating_mul(1 << attempt.min(20)).min(self.max);
        let half = full / 2;
        let spread = mix(seed ^ u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        half + half.mul_f64(spread as f64 / u64::MAX as f64)
    }
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds or an HTTP date; `None` if it is neither.
/// A date in the past is no delay.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// SplitMix64's finaliser (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(attempt: u32, seed: u64) -> Duration {
        Backoff::default().delay(attempt, seed, None)
    }

    #[test]
    fn delays_double_to_their_cap_within_their_upper_half() {
        let full = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
        for (attempt, full) in full.into_iter().enumerate() {
            let full = Duration::from_millis(full);
            for seed in 0..200 {
                let delay = backoff(attempt as u32, seed);
                assert!(delay >= full / 2 && delay <= full, "{attempt} {seed}: {delay:?}");
                assert_eq!(delay, backoff(attempt as u32, seed));
            }
        }
        assert!(backoff(u32::MAX, 1) <= Backoff::default().max);
    }

    #[test]
    fn seeds_spread_the_delays_evenly() {
        let early =
            (0..1000).filter(|&seed| backoff(0, seed) < Backoff::default().min * 3 / 4).count();
        assert!((400..600).contains(&early), "{early}");
    }

    #[test]
    fn the_destinations_wish_wins_within_limits() {
        let seconds = Duration::from_secs;
        let cases = [
            (Some(seconds(7)), seconds(7)),
            (Some(seconds(0)), RETRY_AFTER_MIN),
            (Some(seconds(86_400)), RETRY_AFTER_MAX),
            (None, backoff(3, 5)),
        ];
        for (after, expected) in cases {
            assert_eq!(Backoff::default().delay(3, 5, after), expected, "{after:?}");
        }
    }

    #[test]
    fn retry_after_by_table() {
        // 1994-11-06 08:49:37 UTC, the example of RFC 9110, 5.6.7.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("4294967295", Some(4_294_967_295)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("99999999999999999999", None),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value:?}");
        }
    }
}
