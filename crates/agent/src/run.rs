//! A run of the agent: started in restore order, supervised, stopped within its budget.
//!
//! Restore order: the pipelines; the containers, by the saved map and then by the runtimes; the
//! requests left open and their senders; progress; then the first look at the files; only then is
//! anything read. A test holds this order.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use checkpoint::Checkpoint;
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use disk::{Disk, RealDisk};
use settings::Setting;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::admin;
use crate::board::Board;
use crate::collect::{Watched, collect, collect_first};
use crate::deliver::deliver;
use crate::delivery::Delivery;
use crate::drain::{Drain, Unanswered};
use crate::every::Every;
use crate::exit::Exit;
use crate::follow::Standing;
use crate::lane::{Lane, Shared, Stop};
use crate::node;
use crate::plan::Plan;
use crate::pulse;
use crate::readiness::Condition;
use crate::saved_pipelines;
use crate::spill::spill;
use crate::start::{self, Started};
use crate::threads::{Flag, spawn, spawn_loop};

/// How often what was journaled is made safe from power loss.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// How soon a snapshot that failed is tried again.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(5);
/// How long a thread that was told to stop may take before it is left behind.
const LEAVE_BEHIND: Duration = Duration::from_millis(200);

/// Runs a plan until a signal.
pub fn run(plan: Plan) -> Exit {
    for note in &plan.notes {
        log::info!("{note}");
    }
    if let Some(note) = &plan.recalled {
        log::warn!("{note}");
    }
    let signals = match watch_signals() {
        Ok(signals) => signals,
        Err(error) => {
            log::error!("signals cannot be watched: {error}");
            return Exit::Usage;
        }
    };
    let board = Arc::new(Board::new());
    if let Err(reason) = open_admin(&plan, &board) {
        log::error!("{reason}");
        return Exit::Usage;
    }
    let (mut stop, mut deadline) = (Flag::new(), Flag::new());
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    match start::start(disk.clone(), &plan, board, (stop.raised(), deadline.raised()), &signals) {
        Ok(started) => {
            save_pipelines(&*disk, &plan);
            Running::new(started, plan).supervise(&signals, &mut stop, &mut deadline)
        }
        Err(start::Refusal { exit, reason }) => {
            log::error!("{reason}");
            exit
        }
    }
}

/// Saves what takes effect. That it cannot be saved stops nothing: it is tried again at the next
/// start.
fn save_pipelines(disk: &dyn Disk, plan: &Plan) {
    if plan.is_ad_hoc || plan.recalled.is_some() {
        return;
    }
    let path = &plan.parameters.user_config_file_path.value;
    match saved_pipelines::keep(disk, path, &plan.pipelines) {
        Ok(None) => {}
        Ok(Some(note)) => log::warn!("{note}"),
        Err(reason) => log::error!("the pipelines in force cannot be saved: {reason}"),
    }
}

/// The admin endpoint, where one is asked for; before all else, so that a start that takes long
/// can be watched.
fn open_admin(plan: &Plan, board: &Arc<Board>) -> Result<(), String> {
    let Setting { value: Some(address), origin } = &plan.parameters.admin else { return Ok(()) };
    let (value, origin) = (address.clone(), origin.clone());
    admin::open(&Setting { value, origin }, board)
}

/// Signals as values: each SIGTERM or SIGINT sends its name.
pub fn watch_signals() -> std::io::Result<Receiver<&'static str>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (send, receive) = bounded(2);
    spawn("signals", move || {
        for signal in signals.forever() {
            // A third signal finds the channel full, and the agent on its way out already.
            let _ = send.try_send(if signal == SIGTERM { "SIGTERM" } else { "SIGINT" });
        }
    })?;
    Ok(receive)
}

/// How a lane ended.
struct Ended {
    broken: Option<String>,
}

struct Running {
    checkpoint: Arc<Checkpoint>,
    deliveries: Vec<Arc<Delivery>>,
    shared: Shared,
    watched: Option<Watched>,
    targets: usize,
    budget: Duration,
    dump_interval: Duration,
    _locks: Vec<Box<dyn disk::Lock>>,
}

impl Running {
    fn new(started: Started, plan: Plan) -> Self {
        Self {
            checkpoint: started.shared.checkpoint.clone(),
            deliveries: started.deliveries,
            shared: started.shared,
            watched: Some(Watched {
                tail: started.tail,
                following: started.following,
                containers: started.containers,
            }),
            targets: started.targets,
            budget: plan.parameters.shutdown_budget.value,
            dump_interval: plan.parameters.check_point_dump_interval.value,
            _locks: started.locks,
        }
    }

    fn supervise(
        mut self,
        signals: &Receiver<&'static str>,
        stop: &mut Flag,
        deadline: &mut Flag,
    ) -> Exit {
        let (ended, lanes_ended) = unbounded();
        let watcher = match self.spawn_all(ended) {
            Ok(threads) => threads,
            Err(error) => {
                log::error!("a thread cannot be started: {error}; raise the limit of threads");
                return Exit::Usage;
            }
        };
        let reason = wait_for_reason(signals, &lanes_ended, &watcher.done);
        let asked = Instant::now();
        self.shared.board.readiness.miss(Condition::Running, "the agent is stopping");
        stop.raise();
        self.drain(signals, &lanes_ended, asked);
        deadline.raise();
        let watched = watcher.join();
        let persisted = self.persist(watched.looked);
        self.report(&reason, watched, asked, persisted)
    }

    fn spawn_all(&mut self, ended: Sender<Ended>) -> std::io::Result<Watcher> {
        let (shared, deliveries) = (self.shared.clone(), self.deliveries.clone());
        let spilling = ended.clone();
        let board = self.shared.board.clone();
        let _ = board.deliveries.set(deliveries.clone());
        board.readiness.meet(Condition::Loaded);
        spawn_loop(&board.pulses, "spill", "spill", move || {
            // What it could not save is still open in the journal, and said so there.
            let _ = spill(&shared, &deliveries);
            drop(spilling);
        })?;
        let watched = self.watched.take().expect("spawned once");
        self.spawn_watcher(watched, ended)
    }

    /// The watcher looks at all files once, then lets the senders go, then watches on.
    fn spawn_watcher(
        &self,
        mut watched: Watched,
        ended: Sender<Ended>,
    ) -> std::io::Result<Watcher> {
        let (deliveries, shared) = (self.deliveries.clone(), self.shared.clone());
        let (targets, stop) = (self.targets, self.shared.stop.clone());
        let interval = self.dump_interval;
        let (alive, done) = bounded(0);
        let pulses = shared.board.pulses.clone();
        let thread = spawn_loop(&pulses, "collect", "collect", move || {
            let _alive = alive;
            let first = collect_first(&mut watched, targets, &stop);
            let lanes = first.and_then(|()| {
                log::info!("collecting; {} files followed", watched.following.standing().files);
                spawn_lanes(&deliveries, &shared, ended, interval)
                    .map_err(|error| Stop::Broken(error.to_string()))
            });
            let ended = lanes.and_then(|()| collect(&mut watched, &stop));
            if let Err(Stop::Broken(reason)) = ended {
                log::error!("{reason}");
            }
            watched.following.standing()
        })?;
        Ok(Watcher { thread, done })
    }

    /// Waits until every sender is done, the budget is over, or a second signal comes.
    fn drain(
        &self,
        signals: &Receiver<&'static str>,
        lanes_ended: &Receiver<Ended>,
        asked: Instant,
    ) {
        loop {
            let budget = self.budget.saturating_sub(asked.elapsed());
            crossbeam::select! {
                recv(lanes_ended) -> ended => match ended {
                    Ok(_) => {}
                    Err(_) => return, // the last sender is done
                },
                recv(signals) -> _ => return log::warn!("a second signal: leaving at once"),
                default(budget) => {
                    return log::warn!("a destination does not answer within the budget");
                }
            }
        }
    }

    /// Writes progress. A snapshot says that the saved files were looked at since the boot; where
    /// they were not, the journal is enough.
    fn persist(&self, looked: bool) -> bool {
        let result = self.checkpoint.sync().and_then(|()| match looked {
            true => self.checkpoint.snapshot(node::unix_nanos()),
            false => Ok(()),
        });
        if let Err(error) = &result {
            log::error!("progress cannot be written: {error}");
        }
        result.is_ok()
    }

    fn report(&self, reason: &str, standing: Standing, asked: Instant, persisted: bool) -> Exit {
        let unanswered = self.unanswered();
        let exit = match (persisted, unanswered.is_empty()) {
            (false, _) => Exit::NotPersisted,
            (true, false) => Exit::Unanswered,
            (true, true) => Exit::Done,
        };
        let time = asked.elapsed();
        let drain = Drain { reason, standing, unanswered, time, persisted };
        eprintln!("{}", drain.line(self.deliveries.iter().map(|delivery| &**delivery)));
        exit
    }

    fn unanswered(&self) -> Vec<Unanswered> {
        let open = self.checkpoint.open_requests();
        let name = |key| {
            let delivery = self.deliveries.iter().find(|delivery| delivery.terms.key == key);
            delivery.map_or_else(|| key.to_string(), |delivery| delivery.terms.name.clone())
        };
        open.into_iter()
            .map(|open| Unanswered {
                delivery: name(open.bounds.delivery),
                key: open.ticket.key.to_string(),
                bytes: open.bounds.len(),
            })
            .collect()
    }
}

/// The thread that watches files.
struct Watcher {
    thread: JoinHandle<Standing>,
    done: Receiver<()>,
}

impl Watcher {
    /// Files followed and bytes unread; zeros if the thread hangs in the file system.
    fn join(self) -> Standing {
        let ended = self.done.recv_timeout(LEAVE_BEHIND);
        if ended == Err(crossbeam::channel::RecvTimeoutError::Timeout) {
            log::warn!("the file system does not answer; the drain report counts no files");
            return Standing::default();
        }
        self.thread.join().unwrap_or_default()
    }
}

/// Starts the senders, and the thread that keeps what they journal.
fn spawn_lanes(
    deliveries: &[Arc<Delivery>],
    shared: &Shared,
    ended: Sender<Ended>,
    dump_interval: Duration,
) -> std::io::Result<()> {
    let pulses = &shared.board.pulses;
    let keeping = shared.clone();
    spawn_loop(pulses, "checkpoint", "checkpoint", move || {
        keep_checkpoint(&keeping, dump_interval);
    })?;
    for delivery in deliveries {
        for _ in 0..delivery.terms.concurrency {
            let (delivery, shared, ended) = (delivery.clone(), shared.clone(), ended.clone());
            let what = format!("deliver {}", delivery.terms.name);
            spawn_loop(pulses, "deliver", &what, move || {
                let mut lane = Lane::new(delivery, shared);
                let stop = deliver(&mut lane);
                let broken = match stop {
                    Err(Stop::Broken(reason)) => Some(reason),
                    _ => None,
                };
                // Nobody listens once the agent is on its way out.
                let _ = ended.send(Ended { broken });
            })?;
        }
    }
    Ok(())
}

/// What makes the agent stop: a signal, a destination that is gone for good, or a watcher that
/// could not go on.
fn wait_for_reason(
    signals: &Receiver<&'static str>,
    ended: &Receiver<Ended>,
    watcher: &Receiver<()>,
) -> String {
    crossbeam::select! {
        recv(signals) -> signal => signal.unwrap_or("SIGTERM").to_owned(),
        recv(ended) -> ended => {
            let reason = ended.ok().and_then(|ended| ended.broken);
            reason.unwrap_or_else(|| "a sender ended".to_owned())
        }
        recv(watcher) -> _ => "the watcher ended".to_owned(),
    }
}

/// Syncs the journal each second, and writes the snapshot when it is due and anything was
/// journaled since the last one. Readers and senders never wait for it.
pub fn keep_checkpoint(shared: &Shared, interval: Duration) {
    let Shared { checkpoint, stop, board, .. } = shared;
    let mut snapshot = Every::new(interval, Instant::now());
    // A snapshot that failed is tried again then.
    let mut owed: Option<Instant> = None;
    let mut kept = None;
    let mut was_failing = false;
    while !stop.wait(SYNC_EVERY) {
        pulse::beat();
        let now = Instant::now();
        let mut result = Ok(());
        if checkpoint.last_sequence() > checkpoint.durable_sequence() || was_failing {
            result = checkpoint.sync();
        }
        let is_due = snapshot.is_due(now) || owed.is_some_and(|at| now >= at);
        let last = Some(checkpoint.last_sequence());
        if result.is_ok() && is_due && (kept != last || was_failing) {
            result = checkpoint.snapshot(node::unix_nanos());
            owed = result.is_err().then(|| now + SNAPSHOT_RETRY);
            kept = last.filter(|_| result.is_ok());
        }
        let is_failing = result.is_err() || owed.is_some() || checkpoint.is_degraded();
        match result {
            Ok(()) if !is_failing => board.readiness.meet(Condition::Progress),
            Ok(()) => {}
            Err(error) => {
                let text = format!("progress cannot be made durable: {error}");
                if !was_failing {
                    log::error!("{text}");
                }
                board.readiness.miss(Condition::Progress, text);
            }
        }
        if was_failing && !is_failing {
            log::info!("progress can be made durable again");
        }
        was_failing = is_failing;
    }
}

/// Every directory that holds state, once.
pub fn state_dirs(plan: &Plan) -> Vec<PathBuf> {
    let parameters = &plan.parameters;
    let files = [
        &parameters.check_point_filename.value,
        &parameters.docker_file_cache_path.value,
        &parameters.user_config_file_path.value,
    ];
    let parents = files.iter().filter_map(|file| file.parent()).map(PathBuf::from);
    let mut dirs: Vec<PathBuf> =
        parents.chain([parameters.buffer_file_path.value.clone()]).collect();
    dirs.sort();
    dirs.dedup();
    dirs
}
