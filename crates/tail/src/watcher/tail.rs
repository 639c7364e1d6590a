//! The watcher: it finds files, decides what they are, sees them grow, move and vanish, and says
//! so. One thread owns it and calls [`Tail::poll`]; a call does a bounded amount of what is due.
//! Nothing here is durable: after a crash all of it is found again from what was saved.
//! Not here: its steps. Names come and go (`names.rs`), families are resolved (`resolve.rs`), files
//! grow (`scan.rs`), at a pace that depends on what it costs (`state/pace.rs`); `upkeep.rs` is the rest.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use record::FileUid;

use crate::compressed::scan::Unpacking;
use crate::discover::directory::Here;
use crate::discover::discovery::Discovery;
use crate::identity::foreign::{Foreign, Foreigns};
use crate::identity::judge::Known;
use crate::identity::order::sorted;
use crate::ids::{Generation, Id};
use crate::source::link::WatcherLink;
use crate::watcher::dormant::Dormants;
use crate::watcher::options::{Options, SavedFile};
use crate::watcher::state::moved::{Moved, Repeats};
use crate::watcher::state::pace::Pace;
use crate::watcher::state::phase::Phase;
use crate::watcher::state::runtime_targets::RuntimeTargets;
use crate::watcher::state::strangers::Strangers;
use crate::watcher::state::unknowns::Unknowns;
use crate::watcher::state::upkeep::Upkeep;
use crate::watcher::table::FileTable;
use crate::{Event, Pattern, SkipReason, Source, Target};

/// The watcher of all targets' files. One thread owns it.
#[derive(Debug)]
pub struct Tail {
    /// The time of the current call, and what it has to tell.
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    pub(crate) options: Options,
    pub(crate) link: Arc<WatcherLink>,
    pub(crate) discovery: Discovery,
    pub(crate) files: FileTable,
    pub(crate) dormants: Dormants,
    pub(crate) foreigns: Foreigns,
    pub(crate) never: HashSet<(u64, u64)>,
    /// Inode numbers that are of interest under any name; may hold some that no longer are.
    pub(crate) inodes: HashSet<u64>,
    /// Names that were seen in directories whose listing is not over.
    pub(crate) arrivals: Vec<Here>,
    /// Files that lost their name and may have another one.
    pub(crate) unnamed: Vec<Id>,
    /// Families that are to be resolved, with the files that arrived in them.
    pub(crate) unresolved: VecDeque<Arc<Path>>,
    pub(crate) queued: HashSet<Arc<Path>>,
    /// How many families were ever put among them, and how many of them were resolved.
    pub(crate) families_queued: u64,
    pub(crate) families_resolved: u64,
    pub(crate) arrived: HashMap<Arc<Path>, Vec<Here>>,
    /// Families with a changed file, which wait for a listing that began after it was seen.
    pub(crate) changed: Vec<(Arc<Path>, Arc<Path>, Instant)>,
    /// What could not be looked at.
    pub(crate) unknowns: Unknowns,
    /// Generations whose readers wait for the end of a line.
    pub(crate) partials: Vec<Generation>,
    pub(crate) pace: Pace,
    pub(crate) rank: u64,
    pub(crate) phase: Phase,
    pub(crate) runtime_targets: RuntimeTargets,
    pub(crate) unpacking: Unpacking,
    pub(crate) strangers: Strangers,
    /// Logs of which a file lost its name and may be where rotated files go.
    pub(crate) moved: Vec<Moved>,
    pub(crate) repeats: Repeats,
    /// What could not be looked at there, or not wholly.
    pub(crate) told_unreadable: HashSet<Arc<Path>>,
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
        let mut dormants = Dormants::default();
        let mut inodes = HashSet::new();
        let (strangers, saved) = Strangers::of(saved);
        for SavedFile { seen, mut anchors, acknowledged, gone_for } in saved {
            anchors.retain(|anchor| anchor.offset > 0);
            let anchors = sorted(anchors, |one, other| one.offset < other.offset);
            inodes.insert(seen.identity.inode);
            let same_boot = options.same_boot;
            let known = Known {
                seen,
                anchors,
                same_boot,
                unlinked: false,
                is_live: false,
                is_elsewhere: false,
                is_kin: false,
            };
            let generation = (known.seen.uid, known.seen.generation);
            dormants.insert(known, acknowledged, true, now);
            dormants.set_gone_for(generation, gone_for);
        }
        let link = WatcherLink::new(options.descriptors_max, now);
        let trees = Arc::clone(&link.trees);
        Self {
            now,
            events: Vec::new(),
            link,
            discovery: Discovery::new(targets, trees, options.files_max, options.clock, now),
            files: FileTable::default(),
            dormants,
            foreigns: Foreigns::new(foreign),
            never: HashSet::new(),
            inodes,
            arrivals: Vec::new(),
            unnamed: Vec::new(),
            unresolved: VecDeque::new(),
            queued: HashSet::new(),
            families_queued: 0,
            families_resolved: 0,
            arrived: HashMap::new(),
            changed: Vec::new(),
            unknowns: Unknowns::default(),
            partials: Vec::new(),
            pace: Pace::new(options.clock, now),
            upkeep: Upkeep::new(now),
            rank: 0,
            phase: Phase::Searching,
            runtime_targets: RuntimeTargets::default(),
            unpacking: Unpacking::default(),
            strangers,
            moved: Vec::new(),
            repeats: Repeats::default(),
            told_unreadable: HashSet::new(),
            options,
        }
    }

    /// Does what is due, a bounded amount of it, and appends what it saw. Never waits.
    pub fn poll(&mut self, now: Instant, events: &mut Vec<Event>) {
        self.now = now;
        let alarms = std::mem::take(&mut *self.link.alarms.lock().expect("no holder panics"));
        for generation in alarms {
            if let Some(id) = self.files.by_generation(generation) {
                self.doubt(id);
            }
        }
        let damaged = std::mem::take(&mut *self.link.damaged.lock().expect("no holder panics"));
        for (path, offset) in damaged {
            let error = format!("damaged after {offset} decompressed bytes: the rest is lost");
            self.events.push(Event::Unreadable { path, error });
        }
        self.take_failures();
        self.meet_padding();
        self.poll_hot();
        self.discover();
        self.scan();
        self.resolve();
        if self.repeats.is_due && !self.is_searching() {
            self.repeat_searches();
        }
        self.go_on();
        self.tell_listed();
        self.keep_up();
        self.pace.rest(now);
        events.append(&mut self.events);
    }

    /// When [`Tail::poll`] wants to be called again. It may be in the past.
    pub fn next_due(&self) -> Instant {
        if !self.unresolved.is_empty() || !self.unpacking.is_idle() || self.phase != Phase::Running
        {
            return self.link.epoch();
        }
        let due = self.discovery.next_due().min(self.upkeep.tick_due);
        self.pace.hot_due().map_or(due, |hot| hot.min(due))
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
        self.link.budget.open()
    }

    /// How many files match a pattern and are not followed, because as many are as
    /// [`Options::files_max`] says. They are followed as others go.
    pub fn left_out(&self) -> usize {
        self.discovery.left_out
    }

    /// The patterns that have matched nothing, each with its target's id.
    pub fn unmatched(&self) -> impl Iterator<Item = (usize, &Pattern)> {
        self.discovery.unmatched()
    }

    /// A file that this process writes: it is never read.
    pub fn never_read(&mut self, dev: u64, inode: u64) {
        self.never.insert((dev, inode));
        if let Some(id) = self.files.by_key((dev, inode)) {
            let path = self.path_of(id);
            self.retire(id);
            self.events.push(Event::Skipped { path, reason: SkipReason::OwnOutput });
        }
    }

    /// Whether a target collects files under this name.
    pub(crate) fn is_wanted(&self, logical: &Path) -> bool {
        self.discovery.targets.iter().any(|(_, target)| target.matches(logical))
    }
}
