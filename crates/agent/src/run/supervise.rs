//! A run of the agent: started in restore order, supervised, stopped within its budget.
//!
//! Restore order: the pipelines; the containers, by the saved map and then by the runtimes; the
//! requests left open and their senders; progress; then the first look at the files; only then is
//! anything read. A test holds this order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use checkpoint::{Checkpoint, Place};
use crossbeam::channel::{Receiver, Sender, bounded};
use disk::{Disk, RealDisk};
use settings::Setting;

use crate::collect::{Watched, collect, collect_first};
use crate::config::node;
use crate::config::plan::Plan;
use crate::config::saved_pipelines::{self, Before};
use crate::exit::Exit;
use crate::follow::progress::FileTotals;
use crate::run::drain_report::{DrainReport, Unanswered};
use crate::run::interrupts::{Interrupts, Reason, no_thread, sentence};
use crate::run::senders::Senders;
use crate::run::state_watch::StateDirs;
use crate::run::{limits, not_started};
use crate::start::{self, Started};
use crate::status::Status;
use crate::status::admin;
use crate::status::readiness::Condition;
use delivery::Stop;
use delivery::threads::ends::{End, Ends, How, words};
use delivery::threads::spawn::{Flag, spawn_loop};

/// How long a thread that was told to stop may take before it is left behind.
const LEAVE_BEHIND: Duration = Duration::from_millis(200);

/// Runs a plan until a signal, or until a part of the agent ends by itself: also main.
pub fn run(plan: Plan, interrupts: &Interrupts) -> Exit {
    catch_unwind(AssertUnwindSafe(|| run_plan(plan, interrupts))).unwrap_or_else(|payload| {
        log::error!(
            "main panicked, which is a fault of irontail, please report it: {}; what was sent is in \
             the journal: start it again",
            words(&*payload)
        );
        Exit::Failed
    })
}

fn run_plan(plan: Plan, interrupts: &Interrupts) -> Exit {
    limits::raise_open_files();
    for note in &plan.notes {
        log::info!("{note}");
    }
    if let Some(note) = &plan.recalled {
        log::warn!("{note}");
    }
    let status = Arc::new(Status::new());
    match open_admin(&plan, &status, &interrupts.ends) {
        Ok(()) => {}
        Err(admin::OpenError::Address(reason)) => {
            log::error!("{reason}");
            return Exit::Usage;
        }
        Err(admin::OpenError::Thread(error)) => {
            log::error!("{}", no_thread(&error));
            return Exit::Failed;
        }
    }
    let (mut stop, mut deadline) = (Flag::new(), Flag::new());
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let flags = (stop.raised(), deadline.raised());
    match start::start(disk.clone(), &plan, status, flags, interrupts) {
        Ok(started) => {
            save_pipelines(&*disk, &plan);
            Running::new(started, plan, disk).supervise(interrupts, &mut stop, &mut deadline)
        }
        Err(start::Refusal { exit, reason, stopped, .. }) => {
            log::error!("{reason}");
            if let Some(by) = stopped {
                not_started::report(&by, place(&plan), &reason, exit != Exit::NotPersisted);
            }
            exit
        }
    }
}

fn place(plan: &Plan) -> Place {
    Place { snapshot: plan.parameters.check_point_filename.value.clone() }
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
        Ok(Some(Before::Ilogtail(note))) => log::warn!("{note}"),
        Ok(Some(Before::Changed(changes))) => {
            changes.iter().for_each(|change| log::info!("since the last run: {change}"));
        }
        Err(reason) => log::error!("the pipelines in force cannot be saved: {reason}"),
    }
}

/// The admin endpoint, where one is asked for; before all else, so that a start that takes long
/// can be watched.
fn open_admin(plan: &Plan, status: &Arc<Status>, ends: &Ends) -> Result<(), admin::OpenError> {
    let Setting { value: Some(address), origin } = &plan.parameters.admin else { return Ok(()) };
    let (value, origin) = (address.clone(), origin.clone());
    admin::open(&Setting { value, origin }, status, ends)
}

struct Running {
    checkpoint: Arc<Checkpoint>,
    senders: Senders,
    status: Arc<Status>,
    watched: Option<Watched>,
    targets: usize,
    budget: Duration,
    /// Where the progress is.
    state: String,
}

impl Running {
    fn new(started: Started, plan: Plan, disk: Arc<dyn Disk>) -> Self {
        let checkpoint_dir = plan.parameters.check_point_filename.value.parent();
        let state_dirs = StateDirs::new(
            disk.clone(),
            started.locks,
            checkpoint_dir.unwrap_or(Path::new("/")),
            started.stores.clone(),
            started.deliveries.clone(),
        );
        let budget = plan.parameters.shutdown_budget.value;
        let pinned_bytes_max = plan.parameters.pinned_bytes_max.value;
        let dump_interval = plan.parameters.check_point_dump_interval.value;
        let state = plan.parameters.check_point_filename.value.display().to_string();
        let map = started.containers.orders();
        let state_dirs = state_dirs.saving(move || {
            save_pipelines(&*disk, &plan);
            map.save_anew();
        });
        Self {
            checkpoint: started.stores.checkpoint.clone(),
            status: started.status.clone(),
            senders: Senders {
                deliveries: started.deliveries,
                stores: started.stores,
                shutdown: started.shutdown,
                status: started.status,
                pinned_bytes_max,
                dump_interval,
                state_dirs: Arc::new(Mutex::new(state_dirs)),
                running: Arc::default(),
            },
            watched: Some(Watched {
                tail: started.tail,
                router: started.router,
                containers: started.containers,
            }),
            targets: started.targets,
            budget,
            state,
        }
    }

    fn supervise(mut self, interrupts: &Interrupts, stop: &mut Flag, deadline: &mut Flag) -> Exit {
        let (held, drained) = bounded(0);
        let (tell, totals) = bounded(1);
        let (reason, watches) = match self.spawn_all(&interrupts.ends, held, tell) {
            Ok(()) => (interrupts.wait(None), true),
            Err(error) => (Some(Reason::Failed(no_thread(&error))), false),
        };
        let reason = reason.unwrap_or_else(|| Reason::Failed("main cannot wait".into()));
        if let Reason::Failed(what) = &reason {
            log::error!("{what}: the agent cannot go on and stops; start it again");
        }
        let asked = Instant::now();
        self.status.readiness.miss(Condition::Running, "the agent is stopping");
        stop.raise();
        self.senders.stop_all();
        self.drain(interrupts, &drained, asked);
        let reason = with_late_ends(reason, interrupts);
        deadline.raise();
        let watched = if watches { watched(&totals) } else { FileTotals::default() };
        let finish = || {
            let persisted = self.persist(watched.looked);
            self.report(&reason, watched, asked, persisted)
        };
        // What a thread that panicked held may not be usable any more.
        catch_unwind(AssertUnwindSafe(finish)).unwrap_or_else(|payload| {
            log::error!("no drain report: {}; start it again", words(&*payload));
            Exit::Failed
        })
    }

    /// Starts all threads. Those that are waited for at a stop keep `held` until they end; the
    /// watcher tells in the end how the files stand.
    fn spawn_all(
        &mut self,
        ends: &Ends,
        held: Sender<()>,
        tell: Sender<FileTotals>,
    ) -> std::io::Result<()> {
        self.senders.show_meters();
        self.status.readiness.meet(Condition::Loaded);
        let until_drained = ends.holding(&held);
        drop(held);
        self.senders.start_spiller(&until_drained)?;
        self.senders.start_checkpoint(ends)?;
        let watched = self.watched.take().expect("spawned once");
        self.spawn_watcher(watched, ends, until_drained, tell)
    }

    /// The watcher looks at all files once, then lets the senders go, then watches on.
    fn spawn_watcher(
        &self,
        mut watched: Watched,
        ends: &Ends,
        until_drained: Ends,
        tell: Sender<FileTotals>,
    ) -> std::io::Result<()> {
        let (senders, targets) = (self.senders.clone(), self.targets);
        let stop = senders.shutdown.stop.clone();
        let heartbeats = self.status.heartbeats.clone();
        let thread = spawn_loop(ends, &heartbeats, "collect", "collect", move || {
            let first = collect_first(&mut watched, targets, &stop);
            let started = first.and_then(|()| {
                log::info!("collecting; {} files followed", watched.router.totals().files);
                let started = senders.start_all(&until_drained);
                drop(until_drained);
                started.map_err(|error| Stop::Broken(no_thread(&error)))
            });
            let ended = started.and_then(|()| collect(&mut watched, &stop));
            // The receiver is gone once the agent is about to end.
            let _ = tell.send(watched.router.totals());
            match ended {
                Err(Stop::Broken(reason)) => Err(How::Failed(reason)),
                _ => Ok(()),
            }
        });
        thread.map(drop)
    }

    /// Waits until every sender is done, the budget is over, or a second signal comes.
    fn drain(&self, interrupts: &Interrupts, drained: &Receiver<()>, asked: Instant) {
        let budget = self.budget.saturating_sub(asked.elapsed());
        crossbeam::select! {
            recv(drained) -> _ => {} // the last sender is done
            recv(interrupts.signals) -> _ => log::warn!("a second signal: leaving at once"),
            default(budget) => log::warn!("a destination does not answer within the budget"),
        }
    }

    /// Writes progress. A snapshot says that the saved files were looked at since the boot; where
    /// they were not, the journal is enough.
    fn persist(&self, looked: bool) -> bool {
        let result = self.checkpoint.sync().and_then(|()| match looked {
            true => self.checkpoint.stop(node::unix_nanos()),
            false => Ok(()),
        });
        if let Err(error) = &result {
            log::error!("progress cannot be written: {error}");
        }
        result.is_ok()
    }

    fn report(&self, reason: &Reason, totals: FileTotals, asked: Instant, persisted: bool) -> Exit {
        let unanswered = self.unanswered();
        let exit = exit_code(reason, persisted, unanswered.is_empty());
        let time = asked.elapsed();
        let (Reason::Asked(reason) | Reason::Failed(reason)) = reason;
        let (during, state) = (None, self.state.clone());
        let drain = DrainReport { reason, during, state, totals, unanswered, time, persisted };
        eprintln!(
            "{}",
            drain.line(self.senders.deliveries.now().iter().map(|delivery| &**delivery))
        );
        exit
    }

    fn unanswered(&self) -> Vec<Unanswered> {
        let open = self.checkpoint.open_requests();
        let name = |key| {
            let delivery = self.senders.deliveries.get(key);
            delivery.map_or_else(|| key.to_string(), |delivery| delivery.meter.name.clone())
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

/// Files followed and bytes unread; zeros if the watching thread hangs in the file system.
fn watched(totals: &Receiver<FileTotals>) -> FileTotals {
    use crossbeam::channel::RecvTimeoutError::Timeout;
    totals.recv_timeout(LEAVE_BEHIND).unwrap_or_else(|error| {
        let why = if error == Timeout { "the file system does not answer" } else { "no watcher" };
        log::warn!("{why}; the drain report counts no files");
        FileTotals::default()
    })
}

/// What the exit code says. An end that was not asked for comes first: whoever supervises the agent
/// has to start it again.
fn exit_code(reason: &Reason, persisted: bool, answered: bool) -> Exit {
    match (reason, persisted, answered) {
        (Reason::Failed(_), ..) => Exit::Failed,
        (Reason::Asked(_), false, _) => Exit::NotPersisted,
        (Reason::Asked(_), true, false) => Exit::Unanswered,
        (Reason::Asked(_), true, true) => Exit::Done,
    }
}

/// Ends during the stop. That a thread returns was asked for by then; errors and panics were not.
fn with_late_ends(reason: Reason, interrupts: &Interrupts) -> Reason {
    let is_failure = |end: &End| matches!(end.how, How::Failed(_) | How::Panicked(_));
    let late = interrupts.ended.try_iter().filter(is_failure);
    late.fold(reason, |reason, end| {
        let what = sentence(&end);
        log::error!("{what}");
        match reason {
            Reason::Asked(name) => Reason::Failed(format!("{name}; then {what}")),
            failed => failed,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_how_the_run_ended() {
        let (asked, failed) = (Reason::Asked("SIGTERM".into()), Reason::Failed("docker".into()));
        for (reason, persisted, answered, exit, code) in [
            (&asked, true, true, Exit::Done, 0),
            (&asked, true, false, Exit::Unanswered, 3),
            (&asked, false, true, Exit::NotPersisted, 4),
            (&asked, false, false, Exit::NotPersisted, 4),
            (&failed, true, true, Exit::Failed, 5),
            (&failed, true, false, Exit::Failed, 5),
            (&failed, false, true, Exit::Failed, 5),
            (&failed, false, false, Exit::Failed, 5),
        ] {
            let ended = exit_code(reason, persisted, answered);
            assert_eq!((ended, ended as u8), (exit, code), "{reason:?} {persisted} {answered}");
        }
        assert_eq!((Exit::Usage as u8, Exit::State as u8), (1, 2));
    }

    #[test]
    fn an_error_or_a_panic_while_the_agent_stops_is_an_end_that_was_not_asked_for() {
        let interrupts = Interrupts::begin().unwrap();
        let asked = || Reason::Asked("SIGTERM".into());
        interrupts.ends.clone().watch("docker".into(), || Ok(()));
        assert_eq!(with_late_ends(asked(), &interrupts), asked());
        interrupts
            .ends
            .clone()
            .watch("deliver app/out".into(), || Err("its pipe is closed".to_owned().into()));
        let expected = "SIGTERM; then deliver app/out ended: its pipe is closed";
        assert_eq!(with_late_ends(asked(), &interrupts), Reason::Failed(expected.into()));
    }
}
