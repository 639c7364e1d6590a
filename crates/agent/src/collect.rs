//! The watching loop: poll the files, journal what was seen, offer what has bytes, act on containers
//! that come and go. It reads no data; the senders do, when they are ready.

use std::time::Instant;

use crossbeam::channel::never;
use tail::{Event, Tail};

use crate::containers::{Collecting, Notice};
use crate::every::Every;
use crate::follow::{Following, SETTLE_EVERY};
use crate::lane::Stop;
use crate::pulse;
use crate::threads::Raised;

/// What the watching loop works on.
pub struct Watched {
    /// The files.
    pub tail: Tail,
    /// For whom they are.
    pub following: Following,
    /// The containers.
    pub containers: Collecting,
}

impl Watched {
    fn apply(&mut self, event: Event) -> Result<(), Stop> {
        let listed = match &event {
            Event::Listed { target } => Some(*target),
            _ => None,
        };
        self.following.apply(event)?;
        if let Some(target) = listed {
            self.containers.listed(target, &mut self.tail, &mut self.following)?;
        }
        Ok(())
    }

    fn notice(&mut self, notice: Notice) -> Result<(), Stop> {
        if self.containers.notice(notice, &mut self.tail, &mut self.following)? {
            self.following.containers_listed()?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Stop> {
        self.following.settle();
        self.following.bury()?;
        self.following.show(&self.tail);
        self.containers.let_go(&mut self.tail, &mut self.following)
    }
}

/// Looks at every file for the first time: when this returns, all that was saved has been found
/// or is reported as missing, and every file's start is journaled. Nothing is read before.
pub fn collect_first(watched: &mut Watched, targets: usize, stop: &Raised) -> Result<(), Stop> {
    let (mut restored, mut listed) = (false, 0);
    let mut events = Vec::new();
    while !restored || listed < targets {
        pulse::beat();
        watched.tail.poll(Instant::now(), &mut events);
        for event in events.drain(..) {
            restored |= matches!(event, Event::Restored);
            listed += usize::from(matches!(event, Event::Listed { .. }));
            watched.apply(event)?;
        }
        if stop.wait(watched.tail.next_due().saturating_duration_since(Instant::now())) {
            return Err(Stop::Asked);
        }
    }
    watched.following.looked_at_all(&watched.tail)
}

/// Runs until the agent stops.
pub fn collect(watched: &mut Watched, stop: &Raised) -> Result<(), Stop> {
    let mut settle = Every::new(SETTLE_EVERY, Instant::now());
    let mut notices = watched.containers.notices().clone();
    let mut events = Vec::new();
    loop {
        let now = Instant::now();
        pulse::beat();
        watched.tail.poll(now, &mut events);
        for event in events.drain(..) {
            watched.apply(event)?;
        }
        if settle.is_due(now) {
            watched.settle()?;
        }
        let wait = watched.tail.next_due().saturating_duration_since(Instant::now());
        crossbeam::select! {
            recv(stop.channel()) -> _ => {
                watched.following.note_sizes();
                return Ok(());
            }
            recv(notices) -> notice => match notice {
                Ok(notice) => watched.notice(notice)?,
                // Its thread ended with the agent.
                Err(_) => notices = never(),
            },
            default(wait) => {}
        }
    }
}
