//! The watcher: it finds files, decides what they are, sees them grow, move and vanish, and says
//! so. One thread owns it and calls [`Tail::poll`]; a call does a bounded amount of what is due.
//! Nothing here is durable: after a crash all of it is found again from what was saved.
//! Not here: its steps. Names come and go (`names.rs`), families are settled (`settle.rs`), files
//! grow (`grow.rs`), at a pace that hangs on what it costs (`rhythm.rs`); `upkeep.rs` is the rest.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use record::{Anchor, FileSeen, FileUid, NodeId};

use crate::absent::Absents;
use crate::comings::Comings;
use crate::descriptor::Shared;
use crate::directory::Here;
use crate::discover::Discovery;
use crate::files::{Files, Generation, Id};
use crate::foreign::{Foreign, Foreigns};
use crate::identity::Known;
use crate::packed::Packing;
use crate::rhythm::Rhythm;
use crate::start::Phase;
use crate::upkeep::Upkeep;
use crate::{Event, SkipReason, Source, Target};

/// A generation of a file as it was saved.
#[derive(Clone, Debug)]
pub struct SavedFile {
    /// What was journaled of it.
    pub seen: FileSeen,
    /// Proofs of positions, of all deliveries, in any order.
    pub anchors: Vec<Anchor>,
    /// Every delivery has settled all bytes below this.
    pub settled: u64,
}

/// How the tail works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node, part of every new [`FileUid`].
    pub node: NodeId,
    /// Whether the system has run since the state was saved.
    pub same_boot: bool,
    /// How many names are followed at most.
    pub files_max: usize,
    /// How many descriptors are open at most.
    pub descriptors_max: usize,
    /// Directories whose files are never read: state, spool.
    pub never_read: Vec<PathBuf>,
    /// How the cost of polling is measured. Nothing but how often it polls depends on it.
    pub clock: Clock,
}

/// Tells how much CPU time the calling thread has used.
pub type Clock = fn() -> Duration;

fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl Options {
    /// The defaults for a node: up to 200,000 files, and four fifths of the descriptors that this
    /// process may open.
    pub fn new(node: NodeId) -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        Self {
            node,
            same_boot: true,
            files_max: 200_000,
            descriptors_max: limit / 5 * 4,
            never_read: Vec::new(),
            clock: thread_cpu_time,
        }
    }
}

/// The watcher of all targets' files. One thread owns it.
#[derive(Debug)]
pub struct Tail {
    /// The time of the current call, and what it has to tell.
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    pub(crate) options: Options,
    pub(crate) shared: Arc<Shared>,
    pub(crate) discovery: Discovery,
    pub(crate) files: Files,
    pub(crate) absents: Absents,
    pub(crate) foreigns: Foreigns,
    pub(crate) never: HashSet<(u64, u64)>,
    /// Inode numbers that are of interest under any name; may hold some that no longer are.
    pub(crate) inodes: HashSet<u64>,
    /// Names that were seen in directories whose listing is not over.
    pub(crate) arrivals: Vec<Here>,
    /// Files that lost their name and may have another one.
    pub(crate) unnamed: Vec<Id>,
    /// Families that are to be settled, with the files that arrived in them.
    pub(crate) unsettled: VecDeque<PathBuf>,
    pub(crate) queued: HashSet<PathBuf>,
    /// How many families were ever put among them, and how many of them were settled.
    pub(crate) families_queued: u64,
    pub(crate) families_settled: u64,
    pub(crate) arrived: HashMap<PathBuf, Vec<Here>>,
    /// Families with a changed file, which wait for a listing that began after it was seen.
    pub(crate) changed: Vec<(PathBuf, PathBuf, Instant)>,
    /// Files that cannot be opened, and whether that was said.
    pub(crate) unreadable: HashMap<PathBuf, Here>,
    /// Generations whose readers wait for the end of a line.
    pub(crate) partials: Vec<Generation>,
    pub(crate) rhythm: Rhythm,
    pub(crate) rank: u64,
    pub(crate) phase: Phase,
    pub(crate) comings: Comings,
    pub(crate) packing: Packing,
    pub(crate) upkeep: Upkeep,
}

impl Tail {
    /// A tail that has looked at nothing yet. `foreign`: entries of an iLogtail checkpoint.
    pub fn new(
        targets: Vec<Target>,
        saved: Vec<SavedFile>,
        foreign: Vec<Foreign>,
        options: Options,
        now: Instant,
    ) -> Self {
        let mut absents = Absents::default();
        let mut inodes = HashSet::new();
        for SavedFile { seen, mut anchors, settled } in saved {
            anchors.retain(|anchor| anchor.offset > 0);
            anchors.sort_by_key(|anchor| anchor.offset);
            inodes.insert(seen.identity.inode);
            let same_boot = options.same_boot;
            let known = Known { seen, anchors, same_boot, unlinked: false, is_live: false };
            absents.insert(known, settled, true, now);
        }
        let shared = Shared::new(now);
        let trees = Arc::clone(&shared.trees);
        Self {
            now,
            events: Vec::new(),
            shared,
            discovery: Discovery::new(targets, trees, options.files_max, options.clock, now),
            files: Files::default(),
            absents,
            foreigns: Foreigns::new(foreign),
            never: HashSet::new(),
            inodes,
            arrivals: Vec::new(),
            unnamed: Vec::new(),
            unsettled: VecDeque::new(),
            queued: HashSet::new(),
            families_queued: 0,
            families_settled: 0,
            arrived: HashMap::new(),
            changed: Vec::new(),
            unreadable: HashMap::new(),
            partials: Vec::new(),
            rhythm: Rhythm::new(options.clock, now),
            upkeep: Upkeep::new(now),
            rank: 0,
            phase: Phase::Searching,
            comings: Comings::default(),
            packing: Packing::default(),
            options,
        }
    }

    /// Does what is due, a bounded amount of it, and appends what it saw. Never waits.
    pub fn poll(&mut self, now: Instant, events: &mut Vec<Event>) {
        self.now = now;
        let alarms = std::mem::take(&mut *self.shared.alarms.lock().expect("no holder panics"));
        for generation in alarms {
            if let Some(id) = self.files.by_generation(generation) {
                self.doubt(id);
            }
        }
        let damaged = std::mem::take(&mut *self.shared.damaged.lock().expect("no holder panics"));
        for (path, offset) in damaged {
            let error = format!("damaged after {offset} decompressed bytes: the rest is lost");
            self.events.push(Event::Unreadable { path, error });
        }
        self.poll_hot();
        self.discover();
        self.scan();
        self.settle();
        self.go_on();
        self.tell_listed();
        self.keep_up();
        self.rhythm.rest(now);
        events.append(&mut self.events);
    }

    /// When [`Tail::poll`] wants to be called again. It may be in the past.
    pub fn next_due(&self) -> Instant {
        if !self.unsettled.is_empty() || !self.packing.is_idle() || self.phase != Phase::Running {
            return self.shared.epoch();
        }
        let due = self.discovery.next_due().min(self.upkeep.tick_due);
        self.rhythm.hot_due().map_or(due, |hot| hot.min(due))
    }

    /// A generation that is followed.
    pub fn source(&self, uid: FileUid, generation: u32) -> Option<Arc<Source>> {
        let id = self.files.by_generation((uid, generation))?;
        self.files.get(id)?.source.clone()
    }

    /// All generations that are followed.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.files.iter().filter_map(|(_, file)| file.source.as_ref())
    }

    /// How many descriptors of files are open.
    pub fn open_files(&self) -> usize {
        self.shared.descriptors.load(Ordering::Relaxed)
    }

    /// A file that this process writes: it is never read.
    pub fn never_read(&mut self, dev: u64, inode: u64) {
        self.never.insert((dev, inode));
        if let Some(id) = self.files.by_key((dev, inode)) {
            let path = self.files.get(id).map(|file| file.path.clone()).unwrap_or_default();
            self.retire(id);
            self.events.push(Event::Skipped { path, reason: SkipReason::OwnOutput });
        }
    }

    /// Whether a target collects files under this name.
    pub(crate) fn is_wanted(&self, logical: &Path) -> bool {
        self.discovery.targets.iter().any(|(_, target)| target.matches(logical))
    }
}
