//! Conditions that come again and again (a warning with each answer, a client that cannot be
//! accepted, a file that cannot be removed): the first is logged, and then one now and then, at
//! growing intervals and with how often it came. So none of them fills the agent's own log.
//! Only memory. Not here: the outage of a destination, which is logged once a minute (`delivery`).

use std::time::{Duration, Instant};

/// The first pause between two messages; each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_secs(60);
/// The longest pause. A condition that did not come for so long is a new one.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// One condition.
#[derive(Debug, Default)]
pub struct Recurring {
    /// When it came last, and when it is logged again.
    known: Option<(Instant, Instant)>,
    pause: Duration,
    unlogged: u64,
}

impl Recurring {
    /// The condition came. Where it is to be logged now, what is to be added to the message.
    pub fn came(&mut self, now: Instant) -> Option<String> {
        let known = self.known.filter(|(last, _)| now.duration_since(*last) < PAUSE_MAX);
        self.pause = match known {
            None => PAUSE_MIN,
            Some((_, due)) if now < due => {
                self.unlogged += 1;
                self.known = Some((now, due));
                return None;
            }
            Some(_) => (2 * self.pause).min(PAUSE_MAX),
        };
        self.known = Some((now, now + self.pause));
        Some(match std::mem::take(&mut self.unlogged) {
            0 => String::new(),
            more => format!(" ({more} more since this was last logged)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_each_second_is_logged_at_growing_intervals() {
        let (mut recurring, begin) = (Recurring::default(), Instant::now());
        let mut logged = |seconds: &u64| {
            let said = recurring.came(begin + Duration::from_secs(*seconds));
            said.map(|more| (*seconds, more))
        };
        let logged: Vec<_> = (0..20_000).filter_map(|second| logged(&second)).collect();
        let seconds: Vec<u64> = logged.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [0, 60, 180, 420, 900, 1860, 3780, 7380, 10_980, 14_580, 18_180]);
        assert_eq!(logged[0].1, "");
        assert_eq!(logged[2].1, " (119 more since this was last logged)");
    }

    #[test]
    fn what_did_not_come_for_an_hour_is_new() {
        let (mut recurring, begin) = (Recurring::default(), Instant::now());
        assert!(recurring.came(begin).is_some());
        assert!(recurring.came(begin + Duration::from_secs(1)).is_none());
        assert!(recurring.came(begin + Duration::from_secs(3601)).is_some());
        assert!(recurring.came(begin + Duration::from_secs(3602)).is_none());
    }
}
