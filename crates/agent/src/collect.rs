//! The watching loop: poll the files, journal what was seen, offer what has bytes, act on containers
//! that come and go. It reads no data; the senders do, when they are ready.

use std::time::Instant;

use crossbeam::channel::never;
use tail::{Event, Tail};

use crate::containers::{ContainerEvent, ContainerInputs};
use crate::follow::progress::ACKNOWLEDGE_EVERY;
use crate::follow::router::Router;
use delivery::Stop;
use delivery::threads::heartbeat;
use delivery::threads::interval::Interval;
use delivery::threads::spawn::Raised;

/// What the watching loop works on.
pub struct Watched {
    /// The files.
    pub tail: Tail,
    /// For whom they are.
    pub router: Router,
    /// The containers.
    pub containers: ContainerInputs,
}

impl Watched {
    fn apply(&mut self, event: Event) -> Result<(), Stop> {
        let listed = match &event {
            Event::Listed { target } => Some(*target),
            _ => None,
        };
        self.router.apply(event)?;
        if let Some(target) = listed {
            self.containers.listed(target, &mut self.tail, &mut self.router)?;
        }
        Ok(())
    }

    fn notice(&mut self, notice: ContainerEvent) -> Result<(), Stop> {
        if self.containers.notice(notice, &mut self.tail, &mut self.router)? {
            self.router.containers_listed()?;
        }
        Ok(())
    }

    fn acknowledge(&mut self) -> Result<(), Stop> {
        self.router.acknowledge();
        self.router.count_vanished(&self.tail)?;
        self.router.show(&self.tail);
        self.containers.let_go(&mut self.tail, &mut self.router)
    }
}

/// How far the first look at every file is.
pub struct FirstLook {
    targets: usize,
    listed: usize,
    restored: bool,
    events: Vec<Event>,
}

impl FirstLook {
    /// Nothing was looked at of so many targets.
    pub fn new(targets: usize) -> Self {
        Self { targets, listed: 0, restored: false, events: Vec::new() }
    }

    /// A turn of it. True when it is over: all that was saved has been found or is reported as
    /// missing, and every file's start is journaled. Nothing is read before.
    pub fn step(&mut self, watched: &mut Watched, now: Instant) -> Result<bool, Stop> {
        watched.tail.poll(now, &mut self.events);
        for event in self.events.drain(..) {
            self.restored |= matches!(event, Event::Restored);
            self.listed += usize::from(matches!(event, Event::Listed { .. }));
            watched.apply(event)?;
        }
        let is_over = self.restored && self.listed >= self.targets;
        if is_over {
            watched.router.looked_at_all(&watched.tail)?;
        }
        Ok(is_over)
    }
}

/// Looks at every file for the first time.
pub fn collect_first(watched: &mut Watched, targets: usize, stop: &Raised) -> Result<(), Stop> {
    let mut first = FirstLook::new(targets);
    loop {
        heartbeat::beat();
        if first.step(watched, Instant::now())? {
            return Ok(());
        }
        if stop.wait(watched.tail.next_due().saturating_duration_since(Instant::now())) {
            return Err(Stop::Asked);
        }
    }
}

/// The looks after the first one.
pub struct Look {
    acknowledge: Interval,
    events: Vec<Event>,
}

impl Look {
    /// Begins to look.
    pub fn new(now: Instant) -> Self {
        Self { acknowledge: Interval::new(ACKNOWLEDGE_EVERY, now), events: Vec::new() }
    }

    /// A turn: what the tail sees is journaled and offered; now and then the tail is told how far
    /// the deliveries are.
    pub fn step(&mut self, watched: &mut Watched, now: Instant) -> Result<(), Stop> {
        watched.tail.poll(now, &mut self.events);
        for event in self.events.drain(..) {
            watched.apply(event)?;
        }
        if self.acknowledge.is_due(now) {
            watched.acknowledge()?;
        }
        Ok(())
    }
}

/// Runs until the agent stops.
pub fn collect(watched: &mut Watched, stop: &Raised) -> Result<(), Stop> {
    let mut look = Look::new(Instant::now());
    let mut notices = watched.containers.notices().clone();
    loop {
        heartbeat::beat();
        look.step(watched, Instant::now())?;
        let wait = watched.tail.next_due().saturating_duration_since(Instant::now());
        crossbeam::select! {
            recv(stop.channel()) -> _ => {
                watched.router.note_sizes();
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
