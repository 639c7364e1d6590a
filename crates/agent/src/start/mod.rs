//! Starting: locks, state, keys, destinations, readers, in restore order.
//! Not here: its steps, each in a file beside this one.

pub mod locks;
pub mod spooled;
pub mod state_dirs;

mod collected;
mod deliveries;
mod evidence;
mod migrate;
mod refill;
mod refusal;
mod state;
#[cfg(test)]
mod tests;
mod watcher;

pub use collected::Collected;
pub use deliveries::{hand_over, recover};
pub use refusal::Refusal;
pub use watcher::saved;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use checkpoint::{Origin, Recovery};
use delivery::threads::spawn::Raised;
use delivery::{DeadLetter, Deliveries, Shutdown, Sources, Stores, SystemClock};
use disk::{Disk, Holder};
use tail::Tail;

use crate::config::plan::Plan;
use crate::containers::ContainerInputs;
use crate::exit::Exit;
use crate::follow::router::Router;
use crate::run::interrupts::Interrupts;
use crate::start::evidence::evidence;
use crate::start::locks::{Locked, lock_state, note_state};
use crate::start::migrate::migrate;
use crate::start::state::{State, consequence, open_state};
use crate::start::state_dirs::state_dirs;
use crate::status::Status;
use crate::status::readiness::Condition;

/// A destination that has been failing for longer than this, and fails again when the agent is
/// asked to stop, is not waited for: its requests are safe in the journal, and files go on rotating.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
/// How long a start waits for the runtimes to tell of their containers. What they tell later is
/// acted on then.
const CONTAINERS_WAIT: Duration = Duration::from_secs(10);

/// How long files of the host wait for a runtime that tells nothing.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// How often a start that found no room on the disk tries again, and how often it says so.
const ROOM_RETRY: Duration = Duration::from_millis(500);
const ROOM_SAID_EVERY: Duration = Duration::from_secs(60);

/// Everything that a run needs, with nothing running yet.
pub struct Started {
    /// What the deliveries write to.
    pub stores: Stores,
    /// How the senders learn of a stop.
    pub shutdown: Shutdown,
    /// What the agent shows of itself.
    pub status: Arc<Status>,
    /// One for each flusher of each pipeline.
    pub deliveries: Deliveries,
    /// The reader.
    pub tail: Tail,
    /// What it finds is for whom.
    pub router: Router,
    /// The containers.
    pub containers: ContainerInputs,
    /// How many targets the first look is over with.
    pub targets: usize,
    /// Held until the end of the process.
    pub locks: Vec<Locked>,
}

/// Does a step of the start; where there is no room on the disk, again until there is.
fn with_room<T>(
    interrupts: &Interrupts,
    mut step: impl FnMut() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut said: Option<Instant> = None;
    loop {
        let refusal = match step() {
            Err(refusal) if refusal.is_full => refusal,
            result => return result,
        };
        if said.is_none_or(|said| said.elapsed() >= ROOM_SAID_EVERY) {
            said = Some(Instant::now());
            log::error!("{}; waiting for room, nothing is lost", refusal.reason);
        }
        if let Some(by) = interrupts.wait(Some(ROOM_RETRY)) {
            let reason = format!("told to stop while waiting for room: {}", refusal.reason);
            return Err(Refusal::stopped(by, Exit::NotPersisted, reason));
        }
    }
}

/// Starts everything but the threads.
pub fn start(
    disk: Arc<dyn Disk>,
    plan: &Plan,
    status: Arc<Status>,
    (stop, deadline): (Raised, Raised),
    interrupts: &Interrupts,
) -> Result<Started, Refusal> {
    let shutdown = Shutdown { stop, deadline, patience: STOP_PATIENCE };
    let evidence = evidence(&*disk, plan);
    let me = Holder::this(SystemTime::now());
    let locks = with_room(interrupts, || lock_state(&*disk, plan, &me, interrupts))?;
    warn_of_volatile_state(plan, &status)?;
    if let Some(note) = bring_old_state(&*disk, plan)? {
        log::warn!("{note}");
    }
    let (stop, ends) = (&shutdown.stop, &interrupts.ends);
    let mut containers = collected::ask_for_containers(&disk, plan, &status, stop, ends)?;
    let note = || note_state(&locks, &me);
    let State { checkpoint, before, recovery, keys, spool, spooled } =
        with_room(interrupts, || open_state(&disk, plan, &evidence, note))?;
    if let Origin::Lost(policy) = recovery.origin {
        log::error!("state is lost: {}", consequence(policy));
    }
    log::info!(
        "state {:?}: {} files known, {} requests open",
        recovery.origin,
        recovery.files.len(),
        recovery.open.len()
    );
    let sources = Arc::new(Sources::default());
    let stores = Stores {
        checkpoint: checkpoint.clone(),
        sources,
        spool: Arc::new(spool),
        dead_letter: Arc::new(DeadLetter::new(disk.clone(), dead_letter(plan))),
        before,
        clock: Arc::new(SystemClock { deadline: shutdown.deadline.clone() }),
    };
    let make = || deliveries::deliveries(&disk, plan, &checkpoint, &recovery, &keys, &spooled);
    let by_pipeline = with_room(interrupts, make)?;
    containers.begin_saving();
    let silence_max = (!plan.targets.is_empty()).then_some(SILENCE_MAX);
    let deadline = Instant::now() + CONTAINERS_WAIT;
    containers.gather(deadline, silence_max, &recovery.files, || interrupts.is_pending());
    let collected = collected::collected(plan, &containers, &by_pipeline);
    let mut tail = watcher::tail(plan, &collected, &checkpoint, &recovery);
    let deliveries: Deliveries = by_pipeline.values().flatten().cloned().collect();
    let Recovery { files, foreign, origin, .. } = recovery;
    let mut router = Router::new(deliveries.clone(), foreign, stores.clone(), status.clone());
    let homes = collected::homes(plan, by_pipeline, origin);
    collected::follow_host(plan, &homes, &mut router);
    for rule in &plan.rules.rules {
        let home = homes.get(&rule.pipeline);
        home.iter().for_each(|home| router.await_containers(&home.deliveries));
    }
    let targets = collected.iter().map(|of| of.targets.len()).sum();
    containers
        .enter(homes, &files, &mut tail, &mut router)
        .map_err(|_| Refusal::state("progress cannot be written"))?;
    Ok(Started { stores, shutdown, status, deliveries, tail, router, containers, targets, locks })
}

/// State in a container's own layer or in memory dies with the container.
fn warn_of_volatile_state(plan: &Plan, status: &Status) -> Result<(), Refusal> {
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
        status.readiness.miss(Condition::Durable, text);
    }
    Ok(())
}

/// Only a configured agent has had a place before this one; `collect` names its own.
fn bring_old_state(disk: &dyn Disk, plan: &Plan) -> Result<Option<String>, Refusal> {
    if plan.is_ad_hoc {
        return Ok(None);
    }
    migrate(disk, &plan.parameters).map_err(Refusal::state)
}

/// Where refused records go.
fn dead_letter(plan: &Plan) -> PathBuf {
    plan.parameters.state_dir.value.join("irontail_dead_letter.ndjson")
}
