//! All containers that any source tells of, each once.
//!
//! Sources tell in their own time ([`Observation`]); this keeps what each told, puts it together
//! (the best informed source first, the others fill gaps) and says what changed. One container
//! told by two sources is one, by its id; a pod's log without an id is that of the container
//! which writes to it. What was once known of a container is kept while it exists: upper
//! directories cannot be found any more once its process has ended.
//!
//! A container is removed when no source that told of it has it any more; one out of the saved
//! map when the source that once told of it has listed everything without it. Docker's word that
//! a container was removed is final. Pure: no IO, no clock. A crash costs what the saved map does
//! not hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Container, Observation, Source, State};

/// What happened to a container, as all sources together see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added(Container),
    /// More, or something else, is known of it; also that it runs again.
    Updated(Container),
    /// It does not run any more; its files are still there: read to the end, then close.
    Stopped(Container),
    /// It does not exist any more: what is not open is lost.
    Removed(Container),
}

/// The containers.
#[derive(Debug, Default)]
pub struct Inventory {
    entries: BTreeMap<String, Entry>,
    /// Labels of pods by the pod's uid, out of their sandboxes.
    pod_labels: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Boxed: a map has room for eleven at once, and most containers are told of by one.
    told: BTreeMap<Source, Box<Told>>,
    merged: Container,
}

#[derive(Debug)]
struct Told {
    container: Container,
    /// Whether the source still has it.
    is_present: bool,
}

impl Inventory {
    /// No containers.
    pub fn new() -> Inventory {
        Inventory::default()
    }

    /// Takes in containers of the saved map.
    pub fn restore(&mut self, saved: Vec<Container>) -> Vec<Change> {
        let told = |container| self.seen(Source::SavedMap, container);
        saved.into_iter().flat_map(told).collect()
    }

    /// Takes in what a source tells. Trouble and missed containers change nothing.
    pub fn apply(&mut self, observation: &Observation) -> Vec<Change> {
        match observation {
            Observation::Seen(container) => self.seen(container.source, (**container).clone()),
            Observation::Gone(source, id) => self.gone(*source, id),
            Observation::Listed(source, ids) => self.listed(*source, ids),
            _ => Vec::new(),
        }
    }

    /// One container.
    pub fn get(&self, id: &str) -> Option<&Container> {
        self.entries.get(id).map(|entry| &entry.merged)
    }

    /// All containers, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Container> {
        self.entries.values().map(|entry| &entry.merged)
    }

    fn seen(&mut self, source: Source, mut container: Container) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut id = container.id.clone();
        let same_log = self.ids_of_log(&container);
        if is_nameless(&id) {
            id = same_log.into_iter().find(|other| !is_nameless(other)).unwrap_or(id);
        } else if let Some(nameless) = same_log.into_iter().find(|other| is_nameless(other))
            && let Some(entry) = self.entries.remove(&nameless)
        {
            changes.push(Change::Removed(entry.merged));
            self.entries.entry(id.clone()).or_default().told.extend(entry.told);
        }
        container.id.clone_from(&id);
        let sandbox = container.k8s.as_ref().filter(|k8s| k8s.sandbox);
        let labels = sandbox.and_then(|k8s| Some((k8s.uid.clone(), k8s.labels.clone()?)));
        let entry = self.entries.entry(id.clone()).or_default();
        if let Some(old) = entry.told.get(&source) {
            fill(&mut container, &old.container);
        }
        entry.told.insert(source, Box::new(Told { container, is_present: true }));
        if source != Source::SavedMap {
            entry.forget(Source::SavedMap);
        }
        changes.extend(self.refresh(&id));
        if let Some((uid, labels)) = labels {
            changes.extend(self.label_pod(uid, labels));
        }
        changes
    }

    fn gone(&mut self, source: Source, id: &str) -> Vec<Change> {
        if source == Source::Docker {
            return self.remove(id).into_iter().collect();
        }
        self.forget([source], id)
    }

    fn listed(&mut self, source: Source, ids: &BTreeSet<String>) -> Vec<Change> {
        let is_missing = |(id, entry): &(&String, &Entry)| {
            let container = &entry.merged;
            // A pod's log is listed under a name of its own.
            let is_log = source == Source::PodLogs && ids.contains(&log_id(container));
            let by = |source| entry.told.get(&source).is_some_and(|told| told.is_present);
            let is_told = answers_for(source).into_iter().any(by)
                || by(Source::SavedMap) && may_judge(source, container);
            is_told && !ids.contains(*id) && !is_log
        };
        let missing: Vec<String> =
            self.entries.iter().filter(is_missing).map(|(id, _)| id.clone()).collect();
        let silent = answers_for(source).into_iter().chain([Source::SavedMap]);
        missing.iter().flat_map(|id| self.forget(silent.clone(), id)).collect()
    }

    /// These sources do not have the container any more.
    fn forget(&mut self, sources: impl IntoIterator<Item = Source>, id: &str) -> Vec<Change> {
        let Some(entry) = self.entries.get_mut(id) else { return Vec::new() };
        sources.into_iter().for_each(|source| entry.forget(source));
        self.refresh(id).into_iter().collect()
    }

    /// Puts an entry together again and says what changed.
    fn refresh(&mut self, id: &str) -> Option<Change> {
        let entry = self.entries.get_mut(id)?;
        if !entry.told.values().any(|told| told.is_present) {
            return self.remove(id);
        }
        let mut told = entry.told.values().map(|told| &told.container);
        let mut merged = told.next().cloned().expect("an entry is told by somebody");
        for other in told {
            fill(&mut merged, other);
        }
        merged.id = id.into();
        if let Some(k8s) = merged.k8s.as_mut().filter(|k8s| k8s.labels.is_none()) {
            k8s.labels = self.pod_labels.get(&k8s.uid).cloned();
        }
        let old = std::mem::replace(&mut entry.merged, merged);
        let new = entry.merged.clone();
        if old.id.is_empty() {
            return Some(Change::Added(new));
        }
        if old == new {
            return None;
        }
        let stopped = old.state != State::Exited && new.state == State::Exited;
        Some(if stopped { Change::Stopped(new) } else { Change::Updated(new) })
    }

    fn remove(&mut self, id: &str) -> Option<Change> {
        let merged = self.entries.remove(id)?.merged;
        if let Some(k8s) = merged.k8s.as_ref().filter(|k8s| k8s.sandbox) {
            self.pod_labels.remove(&k8s.uid);
        }
        Some(Change::Removed(merged))
    }

    /// The pod's sandbox told its labels: they are those of the pod's containers too.
    fn label_pod(&mut self, uid: String, labels: BTreeMap<String, String>) -> Vec<Change> {
        self.pod_labels.insert(uid.clone(), labels);
        let of_pod = |entry: &Entry| entry.merged.k8s.as_ref().is_some_and(|k8s| k8s.uid == uid);
        let ids: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, entry)| of_pod(entry) && !entry.merged.is_sandbox())
            .map(|(id, _)| id.clone())
            .collect();
        ids.iter().filter_map(|id| self.refresh(id)).collect()
    }

    /// The containers that write to the same log.
    fn ids_of_log(&self, container: &Container) -> Vec<String> {
        let Some(log_path) = &container.log_path else { return Vec::new() };
        let same = |entry: &Entry| entry.merged.log_path.as_ref() == Some(log_path);
        let found = self.entries.iter().filter(|(_, entry)| same(entry));
        found.map(|(id, _)| id.clone()).collect()
    }
}

impl Entry {
    fn forget(&mut self, source: Source) {
        let Some(told) = self.told.get_mut(&source) else { return };
        told.is_present = false;
        // What stopped telling of it saw it end; the saved map saw nothing.
        if source != Source::SavedMap {
            told.container.state = State::Exited;
            told.container.pid = None;
        }
    }
}

/// Whether this is the name of a pod's log and no id of a runtime.
fn is_nameless(id: &str) -> bool {
    id.contains('/')
}

/// The sources that know what `source` knows: Docker's files and its API are the same engine.
fn answers_for(source: Source) -> Vec<Source> {
    match source {
        Source::Docker | Source::DockerFiles => vec![Source::Docker, Source::DockerFiles],
        other => vec![other],
    }
}

/// Whether `source`, having listed everything, may say that a container of the saved map is gone.
fn may_judge(source: Source, container: &Container) -> bool {
    match container.source {
        Source::Docker | Source::DockerFiles => answers_for(container.source).contains(&source),
        // The log of a pod's container outlives its bundle.
        Source::Bundles | Source::PodLogs if container.k8s.is_some() => source == Source::PodLogs,
        Source::Bundles | Source::PodLogs => source == Source::Bundles,
        Source::SavedMap => false,
    }
}

/// The name under which pod log directories know a container.
fn log_id(container: &Container) -> String {
    let log = container.log_path.as_ref().and_then(|path| path.file_stem()?.to_str());
    match (&container.k8s, log) {
        (Some(k8s), Some(restarts)) => format!("{}/{}/{restarts}", k8s.uid, k8s.container),
        _ => String::new(),
    }
}

/// Fills what `container` does not know from `other`, the same container as told less well or
/// earlier. What can change (state, process, address, labels) stays as it is where it is known.
fn fill(container: &mut Container, other: &Container) {
    let text = |mine: &mut String, other: &String| {
        if mine.is_empty() {
            mine.clone_from(other);
        }
    };
    text(&mut container.image, &other.image);
    text(&mut container.ip, &other.ip);
    text(&mut container.created, &other.created);
    if container.name.is_empty() || container.name == container.id {
        container.name.clone_from(&other.name);
    }
    if container.env.is_none() {
        container.env.clone_from(&other.env);
    }
    if container.labels.is_none() {
        container.labels.clone_from(&other.labels);
    }
    if container.upper_dir.is_none() {
        container.upper_dir.clone_from(&other.upper_dir);
        container.lower_dirs.clone_from(&other.lower_dirs);
    }
    if container.root_dir.is_none() {
        container.root_dir.clone_from(&other.root_dir);
    }
    if container.log_path.is_none() {
        container.log_path.clone_from(&other.log_path);
        container.log_driver.clone_from(&other.log_driver);
    }
    if container.mounts.is_empty() && container.tmpfs.is_empty() {
        container.mounts.clone_from(&other.mounts);
        container.tmpfs.clone_from(&other.tmpfs);
    }
    match (&mut container.k8s, &other.k8s) {
        (None, other) => container.k8s.clone_from(other),
        (Some(mine), Some(other)) if mine.labels.is_none() => mine.labels.clone_from(&other.labels),
        _ => {}
    }
    if container.pid.is_none() && container.state == State::Running {
        container.pid = other.pid;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::K8s;

    fn container(id: &str, source: Source, state: State) -> Container {
        Container { id: id.into(), source, state, ..Container::default() }
    }

    fn seen(container: Container) -> Observation {
        Observation::Seen(Box::new(container))
    }

    fn listed(source: Source, ids: &[&str]) -> Observation {
        Observation::Listed(source, ids.iter().map(|id| id.to_string()).collect())
    }

    /// The changes in words.
    fn words(changes: Vec<Change>) -> Vec<String> {
        let word = |change| match change {
            Change::Added(container) => format!("added {}", container.id),
            Change::Updated(container) => format!("updated {}", container.id),
            Change::Stopped(container) => format!("stopped {}", container.id),
            Change::Removed(container) => format!("removed {}", container.id),
        };
        changes.into_iter().map(word).collect()
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn a_life_is_told_once() {
        let mut inventory = Inventory::new();
        let mut told = |observation| words(inventory.apply(&observation));
        let is = |state| seen(container("a", Source::Docker, state));
        assert_eq!(told(is(State::Created)), ["added a"]);
        assert_eq!(told(is(State::Running)), ["updated a"]);
        assert_eq!(told(is(State::Running)), NONE);
        assert_eq!(told(listed(Source::Docker, &["a"])), NONE);
        assert_eq!(told(is(State::Exited)), ["stopped a"]);
        assert_eq!(told(is(State::Running)), ["updated a"]);
        assert_eq!(told(Observation::Gone(Source::Docker, "a".into())), ["removed a"]);
        assert_eq!(told(Observation::Gone(Source::Docker, "a".into())), NONE);
    }

    #[test]
    fn a_container_found_in_two_ways_is_one() {
        let mut inventory = Inventory::new();
        let by_bundle = Container {
            upper_dir: Some("/upper".into()),
            pid: Some(7),
            ..container("a", Source::Bundles, State::Running)
        };
        assert_eq!(words(inventory.apply(&seen(by_bundle))), ["added a"]);
        let by_docker = Container {
            name: "web".into(),
            log_path: Some("/log".into()),
            pid: Some(7),
            ..container("a", Source::Docker, State::Running)
        };
        assert_eq!(words(inventory.apply(&seen(by_docker))), ["updated a"]);
        let merged = inventory.get("a").unwrap();
        assert_eq!((merged.name.as_str(), merged.source), ("web", Source::Docker));
        assert_eq!((merged.upper_dir.clone(), merged.pid), (Some("/upper".into()), Some(7)));
        assert_eq!(inventory.iter().count(), 1);
        // The bundle goes with the process; Docker still has the container.
        assert_eq!(words(inventory.apply(&listed(Source::Bundles, &[]))), NONE);
        assert_eq!(words(inventory.apply(&listed(Source::Docker, &[]))), ["removed a"]);
    }

    #[test]
    fn what_was_known_while_it_ran_is_kept() {
        let mut inventory = Inventory::new();
        let running = Container {
            upper_dir: Some("/upper".into()),
            lower_dirs: vec!["/lower".into()],
            ip: "10.0.0.2".into(),
            pid: Some(7),
            ..container("a", Source::Docker, State::Running)
        };
        inventory.apply(&seen(running));
        inventory.apply(&seen(container("a", Source::Docker, State::Exited)));
        let merged = inventory.get("a").unwrap();
        assert_eq!(merged.upper_dir, Some("/upper".into()));
        assert_eq!(merged.lower_dirs.len(), 1);
        assert_eq!((merged.ip.as_str(), merged.pid), ("10.0.0.2", None));
    }

    fn of_pod(id: &str, source: Source, log: &str) -> Container {
        let k8s = K8s { uid: "u".into(), container: "web".into(), ..K8s::default() };
        let log_path = Some(log.into());
        Container { k8s: Some(k8s), log_path, ..container(id, source, State::Running) }
    }

    #[test]
    fn a_pod_log_belongs_to_the_container_that_writes_it_and_outlives_its_bundle() {
        let log = "/var/log/pods/n_p_u/web/0.log";
        let bundle = || Container { image: "nginx".into(), ..of_pod("abc", Source::Bundles, log) };
        let nameless = || of_pod("u/web/0", Source::PodLogs, log);
        // The log first, then the bundle, and the other way round.
        let mut inventory = Inventory::new();
        assert_eq!(words(inventory.apply(&seen(nameless()))), ["added u/web/0"]);
        let both = ["removed u/web/0", "added abc"];
        assert_eq!(words(inventory.apply(&seen(bundle()))), both);
        let mut inventory = Inventory::new();
        assert_eq!(words(inventory.apply(&seen(bundle()))), ["added abc"]);
        assert_eq!(words(inventory.apply(&seen(nameless()))), NONE);
        assert_eq!(words(inventory.apply(&listed(Source::PodLogs, &["u/web/0"]))), NONE);
        // It ends: its log is still there to be read, with all that was known.
        assert_eq!(words(inventory.apply(&listed(Source::Bundles, &[]))), ["stopped abc"]);
        assert_eq!(inventory.get("abc").unwrap().image, "nginx");
        assert_eq!(words(inventory.apply(&listed(Source::PodLogs, &[]))), ["removed abc"]);
    }

    #[test]
    fn the_saved_map_alone_is_enough_until_somebody_knows_better() {
        let saved = || {
            let docker = container("docker", Source::Docker, State::Running);
            let mut plain = container("plain", Source::Bundles, State::Running);
            plain.upper_dir = Some("/upper".into());
            vec![docker, plain, of_pod("pod", Source::Bundles, "/var/log/pods/n_p_u/web/0.log")]
        };
        let mut inventory = Inventory::new();
        let restored = words(inventory.restore(saved()));
        assert_eq!(restored, ["added docker", "added plain", "added pod"]);
        // A source that is down says nothing and changes nothing; another one cannot judge.
        assert_eq!(words(inventory.apply(&listed(Source::Bundles, &["plain"]))), NONE);
        assert_eq!(words(inventory.apply(&listed(Source::Bundles, &[]))), ["removed plain"]);
        assert_eq!(words(inventory.apply(&listed(Source::PodLogs, &["u/web/0"]))), NONE);
        assert_eq!(words(inventory.apply(&listed(Source::PodLogs, &[]))), ["removed pod"]);
        assert_eq!(words(inventory.apply(&listed(Source::DockerFiles, &[]))), ["removed docker"]);
        // What is still there is taken over, with what only the map knows.
        let mut inventory = Inventory::new();
        inventory.restore(saved());
        let live = container("plain", Source::Bundles, State::Running);
        assert_eq!(words(inventory.apply(&seen(live))), NONE);
        assert_eq!(inventory.get("plain").unwrap().upper_dir, Some("/upper".into()));
        assert_eq!(words(inventory.apply(&listed(Source::Bundles, &[]))), ["removed plain"]);
    }

    #[test]
    fn the_files_of_docker_and_its_api_are_one_engine() {
        let mut inventory = Inventory::new();
        inventory.apply(&seen(container("a", Source::DockerFiles, State::Running)));
        inventory.apply(&seen(container("b", Source::DockerFiles, State::Running)));
        inventory.apply(&seen(container("a", Source::Docker, State::Running)));
        assert_eq!(words(inventory.apply(&listed(Source::Docker, &["a"]))), ["removed b"]);
        assert_eq!(words(inventory.apply(&listed(Source::DockerFiles, &[]))), ["removed a"]);
    }

    #[test]
    fn the_labels_of_a_sandbox_are_those_of_its_pod() {
        let mut inventory = Inventory::new();
        let web = of_pod("web", Source::Bundles, "/a");
        inventory.apply(&seen(web.clone()));
        let mut sandbox = of_pod("pause", Source::Bundles, "/b");
        let labels = BTreeMap::from([("team".to_string(), "a".to_string())]);
        let k8s = sandbox.k8s.as_mut().unwrap();
        (k8s.sandbox, k8s.labels) = (true, Some(labels.clone()));
        let changes = words(inventory.apply(&seen(sandbox)));
        assert_eq!(changes, ["added pause", "updated web"]);
        let of = |inventory: &Inventory, id: &str| {
            inventory.get(id).unwrap().k8s.as_ref().unwrap().labels.clone()
        };
        assert_eq!(of(&inventory, "web"), Some(labels.clone()));
        // Also of one that comes later.
        inventory.apply(&seen(Container { log_path: None, id: "late".into(), ..web }));
        assert_eq!(of(&inventory, "late"), Some(labels));
    }
}
