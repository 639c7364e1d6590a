//! A run: what happens in it, and when its world ends, follows from its seed alone.

use std::collections::BTreeMap;

use disk::Fault;
use fastrand::Rng;

use crate::{Crash, Level, World, script};

/// Actions of a run.
const ACTIONS: std::ops::Range<usize> = 20..140;

/// Plays one run: stretches of actions, each ended by a crash or not, some of them on a sick disk.
/// How often what happened in it. Panics where the promise is broken.
pub fn run(seed: u64, level: Level) -> BTreeMap<&'static str, u64> {
    let mut random = Rng::with_seed(seed ^ 0x5EED);
    let actions = script(seed, random.usize(ACTIONS), level);
    let mut world = World::at(seed, level);
    let mut at = 0;
    while at < actions.len() {
        let from = world.disk().operations();
        match random.u32(0..8) {
            0..5 => world.disk().crash_at(from + random.u64(0..250)),
            5 => world.disk().fail_at(from + random.u64(0..60), Fault::Io, random.u64(1..6)),
            6 => world.disk().fail_at(from + random.u64(0..60), Fault::Full, random.u64(1..60)),
            _ => {}
        }
        let stretch = random.usize(1..70).min(actions.len() - at);
        let played = actions[at..at + stretch].iter().take_while(|action| world.play(**action));
        at += (played.count() + 1).min(stretch);
        let is_crashed = world.disk().is_crashed();
        if is_crashed || random.u32(0..4) == 0 {
            let loss = random.u64(..);
            let crash = if random.bool() { Crash::Kill } else { Crash::PowerLoss(loss) };
            world = world.crash(crash);
        }
    }
    world.finish();
    world.counts()
}
