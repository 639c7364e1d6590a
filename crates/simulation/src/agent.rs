//! A process: the product's own parts, put together in the order of its start, and let go step by
//! step. What in the product is a thread is here a task of which the scheduler chooses the next
//! step; what is a wait there is a moment before which a task is not let go.
//!
//! The parts are the product's: `Checkpoint`, `Spool`, `Tail`, the agent's `Router` and loops, its
//! reconciliation of the spool, `Sender`, `Spiller`, the keeper of the checkpoint, `flusher_file`.
//! Not here: destinations (`destination.rs`), files (`tree.rs`), what happens (`world.rs`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use checkpoint::{Checkpoint, OnLost, Options, PipelineClaim, PipelineKeys, Recovery};
use delivery::threads::spawn::Flag;
use delivery::{
    DeadLetter, Delivery, DeliveryConfig, Limits, Meter, Next, Sender, Shutdown, Spilled, Spiller,
    Stop, Stores,
};
use disk::Disk;
use flusher::{Backoff, Batch, FileFlusher, FileOptions, Flusher, RecordShape};
use irontail::collect::{FirstLook, Look, Watched};
use irontail::config::plugins::PLUGINS;
use irontail::config::translate::Tagging;
use irontail::containers::ContainerInputs;
use irontail::follow::input::Input;
use irontail::follow::router::Router;
use irontail::run::keep_checkpoint::Keeper;
use irontail::start::{self, Collected, spooled::open_spool};
use irontail::status::Status;
use process::{Mode, Per, Rate, RateLimit};
use record::{DeliveryKey, NodeId};
use settings::{CommandLine, FirstStart, Parameters, Pipeline};
use tail::{Excludes, Framing, Pattern, Tail, Target};

use crate::clock::ProcessClock;
use crate::destination::{self, Class, SimFlusher, lock};
use crate::tree::SimTree;
use crate::world::Outside;

/// Small, so that a short run fills several journal segments.
const SEGMENT_LEN: u64 = 8 * 1024;

/// The node's id. Uids of files follow from it, and the order in which files are looked at.
const NODE: NodeId = NodeId(1);

/// Raw bytes of a request: a few records.
const REQUEST_BYTES_MAX: usize = 400;

/// So little that most of what is written has to wait.
const LIMIT: RateLimit = RateLimit {
    per: Per::Pipeline,
    mode: Mode::Delay,
    bytes: Some(Rate { per_second: 1_000, burst: 200 }),
    records: Some(Rate { per_second: 15, burst: 3 }),
};

/// How many bytes of deleted files may be held open when the spool is full.
const PINNED_BYTES_MAX: u64 = 600;

/// The files that are collected.
const LOGS: &str = "/log/*.log";

/// Where the spool is.
pub(crate) const SPOOL: &str = "/spool";

/// The output of the product's `flusher_file`; more files of it have numbers behind the name.
pub(crate) const OUTPUT: &str = "/out/records";

/// How many descriptors of files may be open: fewer than some runs have files.
const DESCRIPTORS_MAX: usize = 6;

/// How long a last line without a newline is waited for.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// Turns in which a process that was asked to stop comes to its end, if it can.
const DRAIN_TURNS: usize = 40;

/// The process cannot go on, or did not begin.
pub(crate) struct Gone;

/// How many senders a destination of this class has.
pub(crate) fn senders(class: Class) -> usize {
    match class {
        Class::Plain | Class::File => 1,
        Class::RequestId | Class::RecordId => 2,
    }
}

/// A sender and when it may be let go.
struct Task {
    sender: Sender,
    due: Instant,
    is_over: bool,
}

/// A running agent.
pub(crate) struct Agent {
    pub checkpoint: Arc<Checkpoint>,
    pub deliveries: Vec<Arc<Delivery>>,
    pub watched: Watched,
    pub stores: Stores,
    /// The first look at all files, until it is over: nothing is sent before.
    first: Option<FirstLook>,
    look: Look,
    tasks: Vec<Task>,
    spiller: Spiller,
    keeper: Keeper,
    status: Arc<Status>,
    shutdown: Shutdown,
    stop: Flag,
    deadline: Flag,
}

/// The product's parameters in a world whose spool may have so many bytes. Its segments are an
/// eighth of that: a short outage fills several.
pub(crate) fn parameters(spool_bytes_max: u64) -> Parameters {
    static PARAMETERS: OnceLock<Parameters> = OnceLock::new();
    let read = || {
        let line = CommandLine { state_dir: Some("/state".into()), ..CommandLine::default() };
        Parameters::resolve(&|_: &str| None, None, &line, Path::new("/")).expect("the defaults")
    };
    let mut parameters = PARAMETERS.get_or_init(read).clone();
    parameters.spool_bytes_max.value = spool_bytes_max;
    parameters.buffer_file_path.value = SPOOL.into();
    parameters
}

/// What every record is tagged with.
fn tagging(parameters: &Parameters) -> Tagging {
    static TAGGING: OnceLock<Tagging> = OnceLock::new();
    let make = || {
        let patterns = [LOGS.to_owned()];
        let (first, dir) = (FirstStart::Beginning, Path::new("/"));
        let pipeline = Pipeline::ad_hoc(&patterns, "stdout", first, dir, PLUGINS);
        let pipeline = pipeline.expect("it is one");
        Tagging::new(&pipeline, "node", parameters)
    };
    TAGGING.get_or_init(make).clone()
}

impl Agent {
    /// The product's start, in restore order.
    pub(crate) fn start(out: &Outside) -> Result<Agent, Gone> {
        let disk: Arc<dyn Disk> = Arc::new(out.disk.clone());
        let now = out.clock.now();
        let options = Options {
            place: checkpoint::Place { snapshot: "/state/logtail_check_point".into() },
            boot_id: format!("boot {}", out.boot),
            now_unix_nanos: now.unix_nanos,
            on_lost: OnLost::Refuse,
            evidence: Vec::new(),
        };
        let opened = Checkpoint::open_with(Arc::clone(&disk), options, SEGMENT_LEN, || Ok(NODE));
        let (checkpoint, recovery) = opened.map_err(|error| out.refused(&error))?;
        let before = checkpoint.last_sequence();
        let names = out.classes.iter().map(|class| class.name().to_owned()).collect();
        let claim = PipelineClaim { name: "app".into(), inputs: 1, flushers: names };
        let keys = checkpoint.claim(&[claim]).map_err(|error| out.refused(&error))?;
        let spooled = open_spool(&disk, &out.parameters, &checkpoint, &recovery, &keys);
        let (spool, found) = spooled.map_err(|refusal| out.refused(&refusal.reason))?;
        if found.waiting.len() > recovery.spooled.len() {
            lock(&out.beyond).ledger.count("frames that the journal did not know");
        }
        assert!(found.lost.is_empty(), "frames are journaled and gone: {:?}", found.lost);
        let (stop, deadline) = (Flag::new(), Flag::new());
        let clock = ProcessClock { clock: out.clock.clone(), disk: out.disk.clone() };
        let checkpoint = Arc::new(checkpoint);
        let stores = Stores {
            checkpoint: Arc::clone(&checkpoint),
            sources: Arc::default(),
            spool: Arc::new(spool),
            dead_letter: Arc::new(DeadLetter::new(disk, "/state/dead_letter".into())),
            before,
            clock: Arc::new(clock),
        };
        let mut deliveries = Vec::new();
        for (at, class) in out.classes.iter().enumerate() {
            let delivery = delivery(out, at, *class, &keys[0], &checkpoint, &recovery)?;
            start::hand_over(&delivery, &found);
            deliveries.push(Arc::new(delivery));
        }
        let status = Arc::new(Status::new());
        let watched = watched(out, &stores, &deliveries, &recovery, &status);
        let shutdown = Shutdown {
            stop: stop.raised(),
            deadline: deadline.raised(),
            patience: Duration::from_secs(1),
        };
        let task = |delivery: &Arc<Delivery>| Task {
            sender: Sender::new(Arc::clone(delivery), stores.clone(), shutdown.clone()),
            due: now.instant,
            is_over: false,
        };
        let tasks = deliveries.iter().flat_map(|d| (0..d.config.concurrency).map(|_| task(d)));
        Ok(Agent {
            tasks: tasks.collect(),
            spiller: Spiller::new(
                stores.clone(),
                deliveries.iter().cloned().collect(),
                PINNED_BYTES_MAX,
            ),
            keeper: Keeper::new(Duration::from_secs(3), now.instant),
            first: Some(FirstLook::new(1)),
            look: Look::new(now.instant),
            checkpoint,
            deliveries,
            watched,
            stores,
            status,
            shutdown,
            stop,
            deadline,
        })
    }

    /// Whether every file was looked at once.
    pub(crate) fn is_ready(&self) -> bool {
        self.first.is_none()
    }

    /// How many senders there are.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// A turn of `collect`.
    pub(crate) fn poll(&mut self, out: &Outside) -> Result<(), Gone> {
        let now = out.clock.now().instant;
        let looked = match &mut self.first {
            Some(first) => first.step(&mut self.watched, now).map(|is_over| {
                if is_over {
                    self.first = None;
                }
            }),
            None => self.look.step(&mut self.watched, now),
        };
        looked.map_err(|stop| out.gone(&format!("{stop:?}")))
    }

    /// A step of a sender.
    pub(crate) fn send(&mut self, out: &Outside, at: usize) -> Result<(), Gone> {
        let task = &mut self.tasks[at];
        if self.first.is_some() || task.is_over {
            return Ok(());
        }
        out.clock.pass_to(task.due, &out.disk);
        let now = out.clock.now();
        match task.sender.step(now) {
            Next::Again | Next::Idle { .. } => {}
            Next::Wait { hopeless: true, .. } if self.shutdown.stop.is() => task.is_over = true,
            Next::Wait { delay, .. } => task.due = out.clock.now().instant + delay,
            Next::Ended(Stop::Asked) => task.is_over = true,
            Next::Ended(stop) => return Err(out.gone(&format!("{stop:?}"))),
        }
        Ok(())
    }

    /// A step of the spiller.
    pub(crate) fn spill(&mut self, out: &Outside, is_ending: bool) -> Result<Spilled, Gone> {
        let step = self.spiller.step(out.clock.now(), is_ending);
        step.map_err(|stop| out.gone(&format!("{stop:?}")))
    }

    /// A turn of the keeper of the checkpoint.
    pub(crate) fn keep(&mut self, out: &Outside) {
        if self.is_ready() {
            self.keeper.step(&self.checkpoint, &self.status, out.clock.now());
        }
    }

    /// A stop: what is in a sender's hands goes out as far as its destination takes it; what
    /// vanishes goes into the spool; the progress is written.
    pub(crate) fn stop(&mut self, out: &Outside, mut after_step: impl FnMut(&Agent)) {
        if !self.is_ready() {
            return;
        }
        self.stop.raise();
        self.watched.router.note_sizes();
        let mut is_saved = false;
        for _ in 0..DRAIN_TURNS {
            for at in 0..self.tasks.len() {
                if self.send(out, at).is_err() {
                    return;
                }
                after_step(self);
            }
            if !is_saved {
                match self.spill(out, true) {
                    Ok(spilled) => is_saved = spilled == Spilled::All { is_saved: true },
                    Err(Gone) => return,
                }
                after_step(self);
            }
            if is_saved && self.tasks.iter().all(|task| task.is_over) {
                break;
            }
        }
        self.deadline.raise();
        let written = self.checkpoint.sync();
        if written.is_ok() {
            let _ = self.checkpoint.snapshot(out.clock.now().unix_nanos);
        }
        after_step(self);
    }
}

/// One delivery with its destination, which is brought to where the journal is.
fn delivery(
    out: &Outside,
    at: usize,
    class: Class,
    keys: &PipelineKeys,
    checkpoint: &Checkpoint,
    recovery: &Recovery,
) -> Result<Delivery, Gone> {
    let key = DeliveryKey { pipeline: keys.pipeline, flusher: keys.flushers[at] };
    let beyond = Arc::clone(&out.beyond);
    let flusher: Box<dyn Flusher> = if class == Class::File {
        let disk: Arc<dyn Disk> = Arc::new(out.disk.clone());
        let mut options = FileOptions::new(PathBuf::from(OUTPUT));
        options.max_file_size = out.output_bytes_max;
        options.max_files = usize::MAX;
        let shape = RecordShape { pipeline: keys.pipeline, ..RecordShape::default() };
        let inner = FileFlusher::new(disk, options, shape);
        Box::new(destination::Watched { at, inner, beyond })
    } else {
        let (clock, disk) = (out.clock.clone(), out.disk.clone());
        Box::new(SimFlusher { at, class, pipeline: keys.pipeline, beyond, clock, disk })
    };
    start::recover(&*flusher, checkpoint, recovery, key)
        .map_err(|refusal| out.refused(&refusal.reason))?;
    let config = DeliveryConfig {
        key,
        encoding: flusher.encoding(),
        request_bytes_max: REQUEST_BYTES_MAX,
        backoff: Backoff { min: Duration::from_millis(100), max: Duration::from_secs(2) },
        batch: Batch::default(),
        sync_before_send: out.syncs_before_send(at),
        concurrency: senders(class),
    };
    let meter = Meter::new("app", class.name(), flusher.class().name());
    let last_time = checkpoint.last_time(key).unwrap_or_default();
    let limits = Limits::new(out.is_limited.then_some((0, LIMIT)).into_iter().collect());
    Ok(Delivery::new(config, meter, flusher, last_time).with_limits(limits))
}

/// The files, and for whom they are.
fn watched(
    out: &Outside,
    stores: &Stores,
    deliveries: &[Arc<Delivery>],
    recovery: &Recovery,
    status: &Arc<Status>,
) -> Watched {
    let target = Target {
        id: 0,
        patterns: vec![Pattern::parse(LOGS, 0).expect("it is one")],
        excludes: Excludes::default(),
        rotated: Vec::new(),
        flush_timeout: FLUSH_TIMEOUT,
    };
    let targets = vec![target.clone()];
    let collected = [Collected { targets, deliveries: deliveries.to_vec() }];
    let (open, checkpoint) = (&recovery.open, &stores.checkpoint);
    let saved = recovery.files.iter().map(|seen| start::saved(seen, open, &collected, checkpoint));
    let mut options = tail::Options::new(stores.checkpoint.node_id());
    options.same_boot = recovery.same_boot;
    options.descriptors_max = DESCRIPTORS_MAX;
    options.clock = || Duration::ZERO;
    let now = out.clock.now().instant;
    let mut tail = Tail::new(vec![target], saved.collect(), Vec::new(), options, now);
    let tree = SimTree {
        disk: out.disk.outside(),
        trouble: Arc::clone(&out.trouble),
        descriptors: Arc::clone(&out.descriptors),
    };
    tail.mount("/".into(), Arc::new(tree));
    let all = deliveries.iter().cloned().collect();
    let mut router = Router::new(all, Vec::new(), stores.clone(), Arc::clone(status));
    let input = Input {
        deliveries: deliveries.to_vec(),
        tagging: Arc::new(tagging(&out.parameters)),
        first_start: if out.begins_at_end { FirstStart::Tail(0) } else { FirstStart::Beginning },
        flush_timeout: FLUSH_TIMEOUT,
        framing: Framing::Lines,
        is_container: false,
    };
    router.add_input(0, input);
    Watched { tail, router, containers: ContainerInputs::none() }
}

/// Decides how the next request fares.
pub(crate) fn set_chance(out: &Outside, chance: u64) {
    lock(&out.beyond).chance = chance;
}
