//! A disk in memory that crashes on demand, for the tests of everything that is durable.
//!
//! It keeps what programs see apart from what a disk under them would hold. Each operation has a
//! number; at any of them the simulated machine can crash or the disk can fail, and afterwards
//! the disk is opened again as a kill of the process or a loss of power would leave it.
//! Everything that is left to chance follows from the seeds.
//! Not here: pages (`content.rs`), names (`names.rs`), the script (`faults.rs`), the operations
//! themselves (`operations.rs`, `open_file.rs`), looks from outside (`look.rs`).

mod content;
mod faults;
mod look;
mod names;
mod open_file;
mod operations;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use faults::{Fault, Operation, OperationKind, is_crash};
pub use look::Look;

use content::Content;
use faults::Faults;
use look::Times;
use names::{Names, ROOT};
use random::Random;

/// A simulated disk. Clones are handles to the same one.
///
/// ```
/// use std::path::Path;
///
/// use disk::{Disk, SimDisk};
///
/// let disk = SimDisk::new(1);
/// let file = disk.create(Path::new("/log"), 0).unwrap();
/// file.write_all_at(b"line", 0).unwrap();
/// // A kill of the process loses nothing that was written ...
/// assert_eq!(disk.after_kill().read(Path::new("/log")).unwrap(), b"line");
/// // ... but without the two syncs, some loss of power does.
/// let lost = |seed| disk.after_power_loss(seed).read(Path::new("/log")).is_err();
/// assert!((0..10).any(lost));
/// file.sync_data().unwrap();
/// disk.sync_dir(Path::new("/")).unwrap();
/// assert!(!(0..10).any(lost));
/// ```
#[derive(Clone)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
    /// Whether this handle belongs to another process, which no script touches.
    outside: bool,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

/// All that there is.
struct World {
    random: Random,
    faults: Faults,
    names: Names,
    files: BTreeMap<u64, Content>,
    locked: BTreeSet<u64>,
    last_inode: u64,
    /// Numbers of files that are nowhere any more.
    free: Vec<u64>,
    /// The time, in nanoseconds since 1970.
    now: i64,
    times: BTreeMap<u64, Times>,
}

impl World {
    /// The files that `names` can lead to; the others went with the process that held them open.
    fn files_of(&self, names: &Names) -> impl Iterator<Item = (u64, &Content)> {
        let inodes = names.inodes().into_iter();
        inodes.filter_map(|inode| Some((inode, self.files.get(&inode)?)))
    }
}

impl SimDisk {
    /// An empty disk with a root directory. The seed decides which pages are written back
    /// unasked, and how far a write gets that fails.
    pub fn new(seed: u64) -> SimDisk {
        SimDisk::of(World {
            random: Random::new(seed),
            faults: Faults::default(),
            names: Names::new(),
            files: BTreeMap::new(),
            locked: BTreeSet::new(),
            last_inode: ROOT,
            free: Vec::new(),
            now: 0,
            times: BTreeMap::new(),
        })
    }

    fn of(world: World) -> SimDisk {
        SimDisk { world: Arc::new(Mutex::new(world)), outside: false }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // A panicking test must not hide its message behind a second panic.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same disk as another process has it, a log's writer for instance: its operations have
    /// no numbers, and neither crashes nor faults reach them.
    pub fn outside(&self) -> SimDisk {
        SimDisk { world: Arc::clone(&self.world), outside: true }
    }

    /// How many operations there were. The next one has this number; the first had 0.
    pub fn operations(&self) -> u64 {
        self.world().faults.operations()
    }

    /// The operations so far, by number.
    pub fn trace(&self) -> Vec<Operation> {
        self.trace_from(0)
    }

    /// The operations from this number on.
    pub fn trace_from(&self, number: u64) -> Vec<Operation> {
        self.world().faults.trace(number)
    }

    /// Crashes at operation `number`: it may be half done, and it and all later ones fail with
    /// an error that [`is_crash`] knows.
    pub fn crash_at(&self, number: u64) {
        self.world().faults.crash_at(number);
    }

    /// Whether the crash has come.
    pub fn is_crashed(&self) -> bool {
        self.world().faults.is_crashed()
    }

    /// Lets `count` operations from `number` on fail, in place of what was asked for before.
    pub fn fail_at(&self, number: u64, fault: Fault, count: u64) {
        self.world().faults.fail(number..number.saturating_add(count), fault);
    }

    /// Ends the failing that [`SimDisk::fail_at`] began.
    pub fn heal(&self) {
        self.world().faults.heal();
    }

    /// The disk as the next process finds it after this one was killed: all that was written is
    /// seen, nothing is locked, nothing more is durable than before. This disk stays as it is.
    pub fn after_kill(&self) -> SimDisk {
        let world = self.world();
        SimDisk::of(World {
            random: world.random.clone(),
            faults: Faults::default(),
            names: world.names.clone(),
            files: world.files_of(&world.names).map(|(at, file)| (at, file.clone())).collect(),
            locked: BTreeSet::new(),
            last_inode: world.last_inode,
            free: world.free.clone(),
            now: world.now,
            times: world.times.clone(),
        })
    }

    /// The disk after the power failed and came back: pages, lengths and names that were not
    /// synced are there or not, as the seed has it. This disk stays as it is.
    pub fn after_power_loss(&self, seed: u64) -> SimDisk {
        let world = self.world();
        let mut random = Random::new(seed);
        let names = world.names.after_power_loss(&mut random);
        let files = world.files_of(&names);
        let files = files.map(|(inode, file)| (inode, file.after_power_loss(&mut random)));
        let files = files.collect();
        SimDisk::of(World {
            names,
            files,
            random,
            faults: Faults::default(),
            locked: BTreeSet::new(),
            last_inode: world.last_inode,
            free: world.free.clone(),
            now: world.now,
            times: world.times.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
