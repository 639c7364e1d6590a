//! The watching loop: poll the files, journal what was seen, offer what has bytes. It reads no
//! data; the senders do, when they are ready.

use std::time::Instant;

use tail::{Event, Tail};

use crate::follow::{Every, Following, SETTLE_EVERY};
use crate::lane::Stop;
use crate::pulse;
use crate::threads::Raised;

/// Looks at every file for the first time: when this returns, all that was saved has been found
/// or is reported as missing, and every file's start is journaled. Nothing is read before.
pub fn collect_first(
    tail: &mut Tail,
    following: &mut Following,
    targets: usize,
    stop: &Raised,
) -> Result<(), Stop> {
    let (mut restored, mut listed) = (false, 0);
    let mut events = Vec::new();
    while !restored || listed < targets {
        pulse::beat();
        tail.poll(Instant::now(), &mut events);
        for event in events.drain(..) {
            restored |= matches!(event, Event::Restored);
            listed += usize::from(matches!(event, Event::Listed { .. }));
            following.apply(event)?;
        }
        if stop.wait(tail.next_due().saturating_duration_since(Instant::now())) {
            return Err(Stop::Asked);
        }
    }
    following.looked_at_all(tail)
}

/// Runs until the agent stops.
pub fn collect(tail: &mut Tail, following: &mut Following, stop: &Raised) -> Result<(), Stop> {
    let mut settle = Every::new(SETTLE_EVERY, Instant::now());
    let mut events = Vec::new();
    loop {
        let now = Instant::now();
        pulse::beat();
        tail.poll(now, &mut events);
        for event in events.drain(..) {
            following.apply(event)?;
        }
        if settle.is_due(now) {
            following.settle();
            following.show(tail);
        }
        if stop.wait(tail.next_due().saturating_duration_since(Instant::now())) {
            return Ok(());
        }
    }
}
