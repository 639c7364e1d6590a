//! Waiting with an end: every wait of a test names what it waits for and gives up loudly.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long to sleep between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until `condition` gives `Ok` and returns its value. `Err` tells the state; the last one
/// stands in the message.
///
/// # Panics
/// When `limit` has passed.
#[track_caller]
pub fn until<T, E: Display>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        let state = match condition() {
            Ok(value) => return value,
            Err(state) => state,
        };
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}; now: {state}");
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_comes_back_as_soon_as_it_is_there() {
        let mut looks = 0;
        let value = until(Duration::from_secs(5), "three looks", || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(format!("{looks} looks")) }
        });
        assert_eq!(value, 3);
    }

    #[test]
    #[should_panic(expected = "waited 1ms for the moon; now: no moon")]
    fn the_message_names_what_was_waited_for_and_the_state() {
        until(Duration::from_millis(1), "the moon", || Err::<(), _>("no moon"));
    }
}
