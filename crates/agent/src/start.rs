//! Starting: locks, state, keys, destinations, readers, in restore order.
//! Not here: what lies in the spool (`start/spooled.rs`).

pub mod spooled;

mod collected;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use checkpoint::{Checkpoint, OnLost, Options, PipelineClaim, Place, Recovery};
use crossbeam::channel::Receiver;
use disk::{Disk, Holder, Lock, LockError, lock_within};
use record::{DeliveryKey, FileSeen, NodeId};
use settings::{OnLostState, Parameters, Pipeline};
use tail::{Foreign, SavedFile, Tail};

use self::spooled::{Spooled, open_spool};
use crate::board::Board;
use crate::containers::Collecting;
use crate::dead_letter::DeadLetter;
use crate::delivery::{Delivery, Terms};
use crate::exit::Exit;
use crate::follow::Following;
use crate::lane::Shared;
use crate::node;
use crate::plan::Plan;
use crate::readiness::Condition;
use crate::relocate::relocate;
use crate::run::state_dirs;
use crate::sources::Sources;
use crate::threads::Raised;
use crate::translate;

/// A destination that has been failing for longer than this, and fails again when the agent is
/// asked to stop, is not waited for: its requests are safe in the journal, and files go on rotating.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
/// How long a start waits for the runtimes to tell of their containers. What they tell later is
/// acted on then.
const CONTAINERS_WAIT: Duration = Duration::from_secs(10);
/// The smallest request, however many senders share the bytes in flight.
const REQUEST_BYTES_MIN: u64 = 64 * 1024;
/// The body of a request and its packed form are each about as long as its raw bytes.
const BYTES_PER_RAW_BYTE: u64 = 3;

/// Everything that a run needs, with nothing running yet.
pub struct Started {
    /// The journal and what the senders share.
    pub shared: Shared,
    /// One for each flusher of each pipeline.
    pub deliveries: Vec<Arc<Delivery>>,
    /// The reader.
    pub tail: Tail,
    /// What it finds is for whom.
    pub following: Following,
    /// The containers.
    pub containers: Collecting,
    /// How many targets the first look is over with.
    pub targets: usize,
    /// Held until the end of the process.
    pub locks: Vec<Box<dyn Lock>>,
}

/// Why the agent does not start.
pub struct Refusal {
    /// The exit code.
    pub exit: Exit,
    /// What the operator reads.
    pub reason: String,
}

impl Refusal {
    fn state(reason: impl ToString) -> Self {
        Self { exit: Exit::State, reason: reason.to_string() }
    }

    fn usage(reason: impl ToString) -> Self {
        Self { exit: Exit::Usage, reason: reason.to_string() }
    }
}

/// Starts everything but the threads.
pub fn start(
    disk: Arc<dyn Disk>,
    plan: &Plan,
    board: Arc<Board>,
    (stop, deadline): (Raised, Raised),
    signals: &Receiver<&'static str>,
) -> Result<Started, Refusal> {
    let locks = lock_state(&*disk, plan, signals)?;
    warn_of_volatile_state(plan, &board)?;
    if let Some(note) = bring_old_state(&*disk, plan)? {
        log::warn!("{note}");
    }
    let mut containers = collected::ask_for_containers(&disk, plan, &board, &stop)?;
    let (checkpoint, recovery) = open_checkpoint(&disk, &plan.parameters)?;
    let before = checkpoint.last_sequence();
    let checkpoint = Arc::new(checkpoint);
    let sources = Arc::new(Sources::default());
    let (spool, spooled) = open_spool(&disk, &plan.parameters, &checkpoint, &recovery)?;
    let dead_letter = plan.parameters.state_dir.value.join("irontail_dead_letter.ndjson");
    let shared = Shared {
        checkpoint: checkpoint.clone(),
        sources,
        spool: Arc::new(spool),
        dead_letter: Arc::new(DeadLetter::new(disk.clone(), dead_letter)),
        stop,
        deadline,
        patience: STOP_PATIENCE,
        pinned_bytes_max: plan.parameters.pinned_bytes_max.value,
        before,
        board,
    };
    let by_pipeline = deliveries(&disk, plan, &checkpoint, &recovery, &spooled)?;
    containers.begin_saving();
    containers.gather(Instant::now() + CONTAINERS_WAIT, || !signals.is_empty());
    let targets = collected::targets(plan, &containers);
    let mut tail = tail(plan, &targets, &checkpoint, &recovery, &by_pipeline);
    let deliveries: Vec<_> = by_pipeline.iter().flatten().cloned().collect();
    let Recovery { files, foreign, origin, .. } = recovery;
    let mut following = Following::new(deliveries.clone(), foreign, shared.clone());
    let homes = collected::homes(plan, by_pipeline, origin);
    collected::follow_host(plan, &homes, &mut following);
    for rule in &plan.rules.rules {
        following.await_containers(&homes[rule.pipeline].deliveries);
    }
    let targets = targets.len();
    containers
        .enter(homes, &files, &mut tail, &mut following)
        .map_err(|_| Refusal::state("progress cannot be written"))?;
    Ok(Started { shared, deliveries, tail, following, containers, targets, locks })
}

/// Two agents on one state directory would collect everything twice. A predecessor that is
/// still stopping (a rolling update) is waited for.
fn lock_state(
    disk: &dyn Disk,
    plan: &Plan,
    signals: &Receiver<&'static str>,
) -> Result<Vec<Box<dyn Lock>>, Refusal> {
    let me = Holder::this(SystemTime::now());
    let mut pause = |wait: Duration| signals.recv_timeout(wait).is_err();
    let mut locks = Vec::new();
    for dir in state_dirs(plan) {
        disk.create_dir_all(&dir).map_err(|error| {
            let dir = dir.display();
            Refusal::state(format!(
                "the state directory {dir} cannot be made: {error}; name another with --state-dir"
            ))
        })?;
        let path = dir.join("irontail.lock");
        let wait = plan.parameters.state_lock_wait.value;
        locks.push(lock_within(disk, &path, wait, &me, &mut pause).map_err(
            |error| match error {
                LockError::Stopped { .. } => {
                    Refusal { exit: Exit::Done, reason: error.to_string() }
                }
                _ => Refusal::state(error),
            },
        )?);
    }
    Ok(locks)
}

/// State in a container's own layer or in memory dies with the container.
fn warn_of_volatile_state(plan: &Plan, board: &Board) -> Result<(), Refusal> {
    for dir in state_dirs(plan) {
        let Ok(kind) = disk::filesystem(&dir) else { continue };
        if !kind.is_volatile() {
            continue;
        }
        let text = format!(
            "the state directory {} is on {kind}, which does not outlive the container or the \
             boot: after that everything is collected again; mount a directory of the host there",
            dir.display()
        );
        if plan.parameters.require_durable_state.value {
            return Err(Refusal::state(text));
        }
        log::warn!("{text}");
        board.readiness.miss(Condition::Durable, text);
    }
    Ok(())
}

/// Only a configured agent has had a place before this one; `collect` names its own.
fn bring_old_state(disk: &dyn Disk, plan: &Plan) -> Result<Option<String>, Refusal> {
    if plan.is_ad_hoc {
        return Ok(None);
    }
    relocate(disk, &plan.parameters).map_err(Refusal::state)
}

fn open_checkpoint(
    disk: &Arc<dyn Disk>,
    parameters: &Parameters,
) -> Result<(Checkpoint, Recovery), Refusal> {
    let options = Options {
        place: Place { snapshot: parameters.check_point_filename.value.clone() },
        boot_id: node::boot_id(),
        now_unix_nanos: node::unix_nanos(),
        on_lost: match parameters.on_lost_state.value {
            OnLostState::Refuse => OnLost::Refuse,
            OnLostState::FromBeginning => OnLost::FromBeginning,
            OnLostState::FromEnd => OnLost::FromEnd,
        },
    };
    let (checkpoint, recovery) = Checkpoint::open(disk.clone(), options).map_err(Refusal::state)?;
    for note in &recovery.notes {
        log::warn!("{note}");
    }
    log::info!(
        "state {:?}: {} files known, {} requests open",
        recovery.origin,
        recovery.files.len(),
        recovery.open.len()
    );
    Ok((checkpoint, recovery))
}

/// The deliveries of each pipeline, with their destinations brought to where the journal is.
fn deliveries(
    disk: &Arc<dyn Disk>,
    plan: &Plan,
    checkpoint: &Checkpoint,
    recovery: &Recovery,
    before: &Spooled,
) -> Result<Vec<Vec<Arc<Delivery>>>, Refusal> {
    let claims: Vec<PipelineClaim> = plan.pipelines.iter().map(claim).collect();
    let keys = checkpoint.claim(&claims).map_err(Refusal::state)?;
    let request_bytes_max = request_bytes(&plan.parameters, &plan.pipelines);
    let mut by_pipeline = Vec::new();
    for (pipeline, keys) in plan.pipelines.iter().zip(keys) {
        let mut own = Vec::new();
        for (index, (config, flusher_key)) in
            pipeline.flushers.iter().zip(&keys.flushers).enumerate()
        {
            let key = DeliveryKey { pipeline: keys.pipeline, flusher: *flusher_key };
            let flusher =
                translate::flusher(disk, pipeline, keys.pipeline, config).map_err(|error| {
                    let file = pipeline.origin.display();
                    Refusal::usage(format!("{file}: flushers[{index}].{error}"))
                })?;
            recover(&*flusher, checkpoint, recovery, key)?;
            let terms = Terms {
                key,
                name: format!("{}/{}", pipeline.name, config.name),
                pipeline: pipeline.name.clone(),
                flusher: config.name.clone(),
                encoding: pipeline.shape_hash(index) ^ flusher.encoding(),
                request_bytes_max,
                backoff: translate::backoff(config),
                sync_before_send: config.sync_before_send,
                concurrency: config.concurrency,
            };
            let last_time = checkpoint.last_time(key).unwrap_or_default();
            let delivery = Delivery::new(terms, flusher, last_time);
            let own_open = before.open.iter().filter(|open| open.bounds.delivery == key);
            delivery.leave_open(own_open.cloned().collect());
            let spooled = before.waiting.iter().filter(|s| s.request.bounds.delivery == key);
            delivery.draining.begin(spooled.cloned());
            own.push(Arc::new(delivery));
        }
        by_pipeline.push(own);
    }
    Ok(by_pipeline)
}

fn claim(pipeline: &Pipeline) -> PipelineClaim {
    PipelineClaim {
        name: pipeline.name.clone(),
        inputs: pipeline.inputs_hash(),
        flushers: pipeline.flushers.iter().map(|flusher| flusher.name.clone()).collect(),
    }
}

fn recover(
    flusher: &dyn flusher::Flusher,
    checkpoint: &Checkpoint,
    recovery: &Recovery,
    key: DeliveryKey,
) -> Result<(), Refusal> {
    let receipt = recovery.receipts.iter().find(|(of, _)| *of == key);
    let receipt = receipt.map(|(_, receipt)| receipt.as_slice());
    let notes = flusher
        .recover(receipt, &mut |settled| {
            checkpoint.keep_receipt(key, settled.receipt)?;
            if settled.durable {
                checkpoint.sync()?;
            }
            Ok(())
        })
        .map_err(Refusal::state)?;
    for note in notes {
        log::warn!("{note}");
    }
    Ok(())
}

/// The raw bytes of a request: what all senders may have in flight, shared among them.
fn request_bytes(parameters: &Parameters, pipelines: &[Pipeline]) -> usize {
    let flushers = pipelines.iter().flat_map(|pipeline| &pipeline.flushers);
    let senders: usize = flushers.map(|flusher| flusher.concurrency).sum();
    let share = parameters.in_flight_bytes_max.value / (BYTES_PER_RAW_BYTE * senders.max(1) as u64);
    let bytes = share.min(parameters.request_bytes_max.value).max(REQUEST_BYTES_MIN);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn tail(
    plan: &Plan,
    targets: &[(usize, tail::Target)],
    checkpoint: &Checkpoint,
    recovery: &Recovery,
    deliveries: &[Vec<Arc<Delivery>>],
) -> Tail {
    let saved = recovery.files.iter().map(|seen| saved(seen, targets, checkpoint, deliveries));
    let foreign = recovery.foreign.iter().map(|file| Foreign {
        path: file.file_name.clone(),
        real_path: file.real_file_name.clone(),
        dev: file.dev,
        inode: file.inode,
        signature: file.signature,
        offset: file.offset,
    });
    let options = tail_options(plan, checkpoint.node_id(), recovery.same_boot);
    let (saved, foreign) = (saved.collect(), foreign.collect());
    // Those of containers are added with their trees.
    let mut tail = Tail::new(plan.targets.clone(), saved, foreign, options, Instant::now());
    // What we print to may be a file that a pattern matches.
    for stream in ["/proc/self/fd/1", "/proc/self/fd/2"] {
        if let Some((dev, inode)) = identity(Path::new(stream)) {
            tail.never_read(dev, inode);
        }
    }
    tail
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok().filter(|metadata| metadata.is_file())?;
    Some((metadata.dev(), metadata.ino()))
}

fn tail_options(plan: &Plan, node: NodeId, same_boot: bool) -> tail::Options {
    let mut options = tail::Options::new(node);
    options.same_boot = same_boot;
    options.never_read = state_dirs(plan);
    options.never_read.extend(plan.outputs.iter().cloned());
    options
}

/// A saved file with all that proves where its readers are.
fn saved(
    seen: &FileSeen,
    targets: &[(usize, tail::Target)],
    checkpoint: &Checkpoint,
    deliveries: &[Vec<Arc<Delivery>>],
) -> SavedFile {
    let mut anchors = Vec::new();
    let mut settled = u64::MAX;
    for (pipeline, own) in deliveries.iter().enumerate() {
        let mut targets = targets.iter().filter(|(of, _)| *of == pipeline);
        let wanted = targets.any(|(_, target)| {
            target.patterns.iter().any(|pattern| pattern.matches(&seen.logical))
        });
        for delivery in own {
            let progress = checkpoint.progress(delivery.terms.key, seen.uid, seen.generation);
            if wanted || !progress.acked.is_empty() {
                settled = settled.min(progress.acked.covered_from(0));
            }
            anchors.extend(progress.anchors);
        }
    }
    let settled = if settled == u64::MAX { 0 } else { settled };
    SavedFile { seen: seen.clone(), anchors, settled }
}
