//! Asking the runtimes: one thread follows the Docker engine, whose answers may take long; one asks
//! everybody else, puts together what all of them tell, tells what changed, and saves the map.
//! Nothing that hangs here holds up collecting. A crash costs nothing: everything is asked again,
//! and what runtimes have forgotten by then stands in the saved map.
//! Not here: what is done about a change (`reconcile.rs`).

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use container::{
    AskedNames, Bundles, Change, Container, DOCKER_DIR, DockerFiles, DockerWatch, HostRoot,
    Inventory, Observation, PodLogs, Source, docker_socket,
};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::config::plan::environment;
use crate::containers::Saver;
use crate::status::Status;
use delivery::threads::ends::Ends;
use delivery::threads::heartbeat;
use delivery::threads::spawn::{Raised, spawn_loop, spawn_watched};

/// How often what has no events of its own is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often saving is tried that could not be done.
const SAVE_EVERY: Duration = Duration::from_millis(100);
/// How long the Docker thread waits for an event before it looks whether the agent stops.
const EVENT_WAIT: Duration = Duration::from_millis(500);
/// What the runtimes tell and nobody has taken in yet: they wait when it is full.
const OBSERVATIONS_MAX: usize = 1024;
/// What changed and the collecting thread has not acted on yet: likewise.
const NOTICES_MAX: usize = 1024;
/// How much is taken in before what changed is told and saved.
const BATCH_MAX: usize = 256;
/// How many different troubles are remembered as said.
const SAID_MAX: usize = 1000;

/// Something about containers that the collecting thread acts on.
#[derive(Debug)]
pub enum ContainerEvent {
    /// A container came, changed or went.
    Change(Box<Change>),
    /// Every runtime that is there has told of all its containers once.
    Listed,
}

/// Where runtimes are found.
#[derive(Clone, Debug)]
pub struct Places {
    /// The host.
    pub host: HostRoot,
    docker: PathBuf,
    /// Whether somebody expects an engine there.
    is_docker_expected: bool,
    containerd: Option<PathBuf>,
}

/// The socket that is tried for ever where there is none yet.
const DOCKER_SOCKET: &str = "/var/run/docker.sock";

impl Places {
    /// The usual ones, as `DOCKER_HOST` and `CONTAINERD_STATE_DIR` say.
    ///
    /// # Errors
    /// Where `DOCKER_HOST` is no Unix socket.
    pub fn detect() -> Result<Places, container::Error> {
        let host = HostRoot::detect();
        let text = |name| environment(name).and_then(|value| value.into_string().ok());
        let docker_host = text("DOCKER_HOST").filter(|value| !value.is_empty());
        let socket = docker_socket(&host, docker_host.as_deref())?;
        Ok(Places {
            is_docker_expected: docker_host.is_some() || socket.is_some(),
            docker: socket.unwrap_or_else(|| DOCKER_SOCKET.into()),
            containerd: text("CONTAINERD_STATE_DIR").filter(|dir| !dir.is_empty()).map(Into::into),
            host,
        })
    }

    /// Whether a runtime that says it has no containers may be believed: what it keeps can be
    /// seen from here.
    fn is_visible(&self, source: Source) -> bool {
        let is_there = |dir: &str| self.host.stat(Path::new(dir)).is_ok();
        match source {
            Source::DockerFiles => is_there(&format!("{DOCKER_DIR}/containers")),
            Source::Bundles => {
                self.containerd.is_some()
                    || ["/run/containerd", "/run/k3s/containerd", "/run/containers"]
                        .into_iter()
                        .any(is_there)
            }
            Source::PodLogs => is_there("/var/log/pods"),
            Source::Docker | Source::SavedMap => true,
        }
    }
}

/// Starts the threads. `saved` are the containers of the last run; changes from those on are told.
/// Of environments and labels only what is `asked` for is kept.
///
/// # Errors
/// Where a thread cannot be started.
pub fn watch(
    places: &Places,
    asked: &Arc<AskedNames>,
    saved: Vec<Container>,
    saver: Option<Saver>,
    status: &Arc<Status>,
    stop: &Raised,
    ends: &Ends,
) -> std::io::Result<Receiver<ContainerEvent>> {
    let (observe, observed) = bounded(OBSERVATIONS_MAX);
    let (tell, told) = bounded(NOTICES_MAX);
    let is_connected = Arc::new(AtomicBool::new(false));
    let mut docker = DockerWatch::new(&places.docker, &places.host, asked);
    let (connected, stopping) = (is_connected.clone(), stop.clone());
    spawn_watched(ends, "docker", "docker", move || {
        while !stopping.is() {
            let mut heard = Vec::new();
            docker.step(Instant::now(), EVENT_WAIT, &mut |observation| heard.push(observation));
            connected.store(docker.is_connected(), Ordering::Relaxed);
            for observation in heard {
                if observe.send(observation).is_err() {
                    return Ok(()); // `containers` is gone, and was reported
                }
            }
        }
        Ok(())
    })?;
    let mut watching = Watching {
        bundles: Bundles::new(&places.host, places.containerd.as_deref(), asked),
        pod_logs: PodLogs::new(&places.host),
        docker_files: DockerFiles::new(&places.host, Path::new(DOCKER_DIR), asked),
        places: places.clone(),
        inventory: Inventory::new(),
        saver,
        is_connected,
        awaited: [Source::Docker, Source::Bundles, Source::PodLogs].into(),
        said: HashSet::new(),
        status: status.clone(),
        tell,
    };
    let stop = stop.clone();
    spawn_loop(ends, &status.heartbeats, "containers", "containers", move || {
        let changes = watching.inventory.restore(saved);
        let told = watching.tell(changes);
        // The collecting thread is gone: so is the agent.
        let _ = told.and_then(|()| watching.run(&observed, &stop));
        Ok(())
    })?;
    Ok(told)
}

/// Nobody listens any more.
struct Unheard;

struct Watching {
    places: Places,
    bundles: Bundles,
    pod_logs: PodLogs,
    docker_files: DockerFiles,
    inventory: Inventory,
    saver: Option<Saver>,
    /// Whether the Docker engine answers; else its files are looked at.
    is_connected: Arc<AtomicBool>,
    /// Who has not answered yet.
    awaited: BTreeSet<Source>,
    said: HashSet<String>,
    status: Arc<Status>,
    tell: Sender<ContainerEvent>,
}

impl Watching {
    fn run(&mut self, observed: &Receiver<Observation>, stop: &Raised) -> Result<(), Unheard> {
        let mut due = Instant::now();
        while !stop.is() {
            heartbeat::beat();
            let now = Instant::now();
            let mut batch = Vec::new();
            if now >= due {
                self.look(&mut batch);
                due = now + LOOK_EVERY;
            }
            let unsaved = self.saver.as_ref().is_some_and(Saver::is_dirty);
            let longest = if unsaved { SAVE_EVERY } else { LOOK_EVERY };
            let wait = if batch.is_empty() { (due - now).min(longest) } else { Duration::ZERO };
            match observed.recv_timeout(wait) {
                Ok(first) => batch.push(first),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            batch.extend(observed.try_iter().take(BATCH_MAX));
            let changes = batch.into_iter().flat_map(|one| self.take_in(one)).collect();
            self.tell(changes)?;
            self.save();
        }
        self.save();
        Ok(())
    }

    fn save(&mut self) {
        if let Some(saver) = &mut self.saver {
            saver.save(&self.inventory);
        }
    }

    /// Asks those that have no events.
    fn look(&mut self, out: &mut Vec<Observation>) {
        self.bundles.poll(&mut |observation| out.push(observation));
        self.pod_logs.look_into(self.bundles.pod_logs_dirs());
        self.pod_logs.poll(&mut |observation| out.push(observation));
        let is_answered = !self.awaited.contains(&Source::Docker);
        if is_answered && !self.is_connected.load(Ordering::Relaxed) {
            self.docker_files.poll(&mut |observation| out.push(observation));
        }
    }

    fn take_in(&mut self, observation: Observation) -> Vec<Change> {
        match &observation {
            Observation::Missed { id, name, image } => {
                self.status.containers_missed.fetch_add(1, Ordering::Relaxed);
                let id = &id[..id.len().min(12)];
                log::warn!(
                    "container {name} ({id}, {image}) was gone before it could be looked at: what \
                     it printed is lost; start it without --rm to keep it"
                );
            }
            Observation::Unreadable { id, error } => {
                let id = &id[..id.len().min(12)];
                self.warn_once(format!("skipped container {id} for now: {error}"), true);
            }
            Observation::Trouble(source, error) => {
                self.say(*source, error);
                self.answered(*source);
            }
            Observation::Listed(source, ids) => {
                if ids.is_empty() && !self.places.is_visible(*source) {
                    self.answered(*source);
                    return Vec::new();
                }
                let changes = self.inventory.apply(&observation);
                self.answered(*source);
                return changes;
            }
            _ => {}
        }
        self.inventory.apply(&observation)
    }

    /// A source has told of everything, or cannot.
    fn answered(&mut self, source: Source) {
        if !self.awaited.remove(&source) {
            return;
        }
        if source == Source::Docker && !self.is_connected.load(Ordering::Relaxed) {
            // Its files are asked in its place.
            self.awaited.insert(Source::DockerFiles);
        }
    }

    fn say(&mut self, source: Source, error: &container::Error) {
        let text = error.to_string();
        let is_expected = source != Source::Docker || self.places.is_docker_expected;
        self.warn_once(format!("{text}; it is tried again"), is_expected);
    }

    /// Warns, unless the same was said before.
    fn warn_once(&mut self, text: String, is_warning: bool) {
        if self.said.len() < SAID_MAX && self.said.insert(text.clone()) && is_warning {
            log::warn!("{text}");
        } else {
            log::debug!("{text}");
        }
    }

    fn tell(&mut self, changes: Vec<Change>) -> Result<(), Unheard> {
        if !changes.is_empty() {
            let count = self.inventory.iter().filter(|container| !container.is_sandbox()).count();
            self.status.containers.store(count as u64, Ordering::Relaxed);
            self.saver.iter_mut().for_each(Saver::touch);
        }
        for change in changes {
            self.tell.send(ContainerEvent::Change(Box::new(change))).map_err(|_| Unheard)?;
        }
        if self.awaited.is_empty() {
            // First once: what stands for that is a source that never answers.
            self.awaited.insert(Source::SavedMap);
            self.tell.send(ContainerEvent::Listed).map_err(|_| Unheard)?;
        }
        Ok(())
    }
}

/// What a single look at the runtimes gave.
pub struct Look {
    /// The containers.
    pub containers: Vec<Container>,
    /// Whether every runtime has answered in time.
    pub is_complete: bool,
}

/// Looks once, for at most `limit`.
///
/// # Errors
/// Where a thread cannot be started.
pub fn look(
    places: &Places,
    asked: &Arc<AskedNames>,
    limit: Duration,
    stop: &Raised,
) -> std::io::Result<Look> {
    let (ends, _ended) = Ends::new();
    let notices = watch(places, asked, Vec::new(), None, &Arc::new(Status::new()), stop, &ends)?;
    let deadline = Instant::now() + limit;
    let mut inventory = std::collections::BTreeMap::new();
    while let Ok(notice) = notices.recv_deadline(deadline) {
        match notice {
            ContainerEvent::Listed => {
                return Ok(Look {
                    containers: inventory.into_values().collect(),
                    is_complete: true,
                });
            }
            ContainerEvent::Change(change) => match *change {
                Change::Removed(container) => drop(inventory.remove(&container.id)),
                Change::Added(container)
                | Change::Updated(container)
                | Change::Stopped(container) => {
                    inventory.insert(container.id.clone(), container);
                }
            },
        }
    }
    Ok(Look { containers: inventory.into_values().collect(), is_complete: false })
}

#[cfg(test)]
mod tests {
    use delivery::threads::ends::How;
    use delivery::threads::spawn::Flag;

    use super::*;

    #[test]
    fn the_ends_of_both_threads_are_reported_also_when_nobody_asked_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            host: HostRoot::at(dir.path()),
            docker: dir.path().join("no.sock"),
            is_docker_expected: false,
            containerd: None,
        };
        let (ends, ended) = Ends::new();
        let running = Flag::new();
        let status = Arc::new(Status::new());
        let told =
            watch(&places, &Arc::default(), Vec::new(), None, &status, &running.raised(), &ends)
                .unwrap();
        drop(told); // nobody can be told any more
        let limit = Duration::from_secs(20);
        let ended: Vec<_> = (0..2).map(|_| ended.recv_timeout(limit).unwrap()).collect();
        let names: BTreeSet<_> = ended.iter().map(|end| end.thread.as_str()).collect();
        assert_eq!(names, ["containers", "docker"].into());
        assert!(ended.iter().all(|end| end.how == How::Returned), "{ended:?}");
    }
}
