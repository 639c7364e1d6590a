//! What follows from a change of containers: which trees to mount, which targets to add, to tag
//! anew, to take away. A state machine without IO: changes in, actions out, in the order in which
//! they are to be done.
//!
//! A container that runs is collected. One that stopped is searched once more, by a target of its
//! own, read to its end and let go: it costs nothing from then on. One that is gone is let go at
//! once, which makes the tail read what is open. Nothing here is durable.
//! Not here: what is wanted of a container (`select.rs`), doing the actions (`act.rs`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use container::{Change, Container, HostRoot, OwnContainer, State};

use crate::config::container_rules::Rules;
use crate::config::target_ids::TargetIds;
use crate::containers::select::Key;
use crate::containers::{ContainerInput, select};

/// Something to do.
#[derive(Debug)]
pub enum Action {
    /// The container's files are to be seen at this path, or its output.
    Mount {
        /// Where.
        root: PathBuf,
        /// Whose.
        container: Box<Container>,
        /// Whether it is the directory of its output.
        is_output: bool,
    },
    /// Nothing is to be seen there any more.
    Unmount(PathBuf),
    /// Something more is to be collected.
    Add {
        /// The target's id.
        id: usize,
        /// What.
        wanted: Box<ContainerInput>,
        /// Whose.
        container: String,
    },
    /// A target's records are tagged differently.
    Tag {
        /// The target's id.
        id: usize,
        /// How.
        wanted: Box<ContainerInput>,
        /// Whose.
        container: String,
    },
    /// A target is to be let go.
    Remove(usize),
    /// Something to be said.
    Say(String),
}

/// How many different sentences are remembered as said.
const SAID_MAX: usize = 1000;

/// What is collected of which container.
pub struct Reconciler {
    rules: Rules,
    host: HostRoot,
    own: OwnContainer,
    ids: TargetIds,
    active: BTreeMap<String, Active>,
    /// How many containers are seen at a path: those of a pod may share a directory of output.
    mounts: HashMap<PathBuf, usize>,
    said: HashSet<String>,
}

struct Active {
    container: Container,
    targets: HashMap<Key, Held>,
    roots: HashMap<PathBuf, bool>,
}

/// A target of a container.
struct Held {
    wanted: ContainerInput,
    /// `None`: all was read, and nothing more comes.
    id: Option<usize>,
    /// The one before, which stays until this one's search is over.
    before: Option<usize>,
    /// Whether its search is over.
    is_listed: bool,
}

impl Reconciler {
    /// Nothing known yet.
    pub fn new(rules: Rules, host: HostRoot, own: OwnContainer, ids: TargetIds) -> Self {
        Self {
            rules,
            host,
            own,
            ids,
            active: BTreeMap::new(),
            mounts: HashMap::new(),
            said: HashSet::new(),
        }
    }

    /// A container came, changed or went.
    pub fn change(&mut self, change: Change) -> Vec<Action> {
        let mut actions = Vec::new();
        match change {
            Change::Removed(container) => self.remove(&container.id, &mut actions),
            Change::Added(container) | Change::Updated(container) | Change::Stopped(container) => {
                self.update(container, &mut actions);
            }
        }
        actions
    }

    /// The first search for a target is over.
    pub fn listed(&mut self, id: usize) -> Option<Action> {
        let targets = self.active.values_mut().flat_map(|active| active.targets.values_mut());
        let held = targets.into_iter().find(|held| held.id == Some(id))?;
        held.is_listed = true;
        held.before.take().map(Action::Remove)
    }

    /// Targets of containers that stopped and have been searched: to be let go as soon as all that
    /// was found is acknowledged.
    pub fn ending(&self) -> impl Iterator<Item = usize> {
        let stopped = self.active.values().filter(|active| is_over(&active.container));
        let targets = stopped.flat_map(|active| active.targets.values());
        targets.filter(|held| held.is_listed).filter_map(|held| held.id)
    }

    /// All of a target that was [`ending`](Self::ending) is acknowledged.
    pub fn end(&mut self, id: usize) -> Option<Action> {
        let targets = self.active.values_mut().flat_map(|active| active.targets.values_mut());
        let held = targets.into_iter().find(|held| held.id == Some(id))?;
        held.id = None;
        Some(Action::Remove(id))
    }

    fn remove(&mut self, id: &str, actions: &mut Vec<Action>) {
        let Some(active) = self.active.remove(id) else { return };
        for held in active.targets.into_values() {
            actions.extend([held.before, held.id].into_iter().flatten().map(Action::Remove));
        }
        for root in active.roots.into_keys() {
            self.unmount(root, actions);
        }
    }

    fn unmount(&mut self, root: PathBuf, actions: &mut Vec<Action>) {
        let Some(count) = self.mounts.get_mut(&root) else { return };
        *count -= 1;
        if *count == 0 {
            self.mounts.remove(&root);
            actions.push(Action::Unmount(root));
        }
    }

    fn update(&mut self, container: Container, actions: &mut Vec<Action>) {
        let (found, notes) = select(&self.rules, &self.host, &self.own, &container);
        for note in notes {
            if self.said.len() < SAID_MAX && self.said.insert(note.clone()) {
                actions.push(Action::Say(note));
            }
        }
        let id = container.id.clone();
        let mut active = self.active.remove(&id).unwrap_or_else(|| Active {
            container: Container::default(),
            targets: HashMap::new(),
            roots: HashMap::new(),
        });
        let before = std::mem::replace(&mut active.container, container);
        self.mount(&mut active, &before, &found, actions);
        self.drop_unwanted(&mut active, &found, actions);
        let was_over = is_over(&before) || before.id.is_empty();
        for wanted in found {
            self.want(&mut active, wanted, was_over, actions);
        }
        self.active.insert(id, active);
    }

    /// Mounts what is wanted and not mounted, and all of it anew where paths lead elsewhere now.
    fn mount(
        &mut self,
        active: &mut Active,
        before: &Container,
        found: &[ContainerInput],
        actions: &mut Vec<Action>,
    ) {
        let is_moved = !is_same_tree(before, &active.container);
        let known: HashMap<PathBuf, bool> = active.roots.clone();
        let wanted = found.iter().map(|wanted| (wanted.root.clone(), wanted.stdio.is_some()));
        let all: HashMap<PathBuf, bool> = known.clone().into_iter().chain(wanted).collect();
        for (root, is_output) in all {
            let is_new = !known.contains_key(&root);
            if is_new {
                *self.mounts.entry(root.clone()).or_default() += 1;
                active.roots.insert(root.clone(), is_output);
            }
            if is_new || is_moved {
                let container = Box::new(active.container.clone());
                actions.push(Action::Mount { root, container, is_output });
            }
        }
    }

    fn drop_unwanted(
        &mut self,
        active: &mut Active,
        found: &[ContainerInput],
        actions: &mut Vec<Action>,
    ) {
        active.targets.retain(|key, held| {
            let is_wanted = found
                .iter()
                .any(|wanted| wanted.key == *key && wanted.is_same_source(&held.wanted));
            if !is_wanted {
                actions.extend([held.before, held.id].into_iter().flatten().map(Action::Remove));
            }
            is_wanted
        });
    }

    fn want(
        &mut self,
        active: &mut Active,
        wanted: ContainerInput,
        was_over: bool,
        actions: &mut Vec<Action>,
    ) {
        let (is_over, container) = (is_over(&active.container), active.container.id.clone());
        let Some(held) = active.targets.get_mut(&wanted.key) else {
            let id = self.add(&wanted, container, actions);
            let held =
                Held { wanted: wanted.clone(), id: Some(id), before: None, is_listed: false };
            active.targets.insert(wanted.key, held);
            return;
        };
        let is_tagged = !held.wanted.is_tagged_alike(&wanted);
        held.wanted = wanted;
        match held.id {
            // It runs again.
            None if !is_over => {
                held.id = Some(self.add(&held.wanted, container, actions));
                held.is_listed = false;
            }
            // It stopped: what it wrote last may not have been found yet.
            Some(before) if is_over && !was_over => {
                let id = self.add(&held.wanted, container, actions);
                let older = held.before.replace(before);
                actions.extend(older.map(Action::Remove));
                held.id = Some(id);
                held.is_listed = false;
            }
            Some(id) if is_tagged => {
                for id in [held.before, Some(id)].into_iter().flatten() {
                    let wanted = Box::new(held.wanted.clone());
                    actions.push(Action::Tag { id, wanted, container: container.clone() });
                }
            }
            _ => {}
        }
    }

    fn add(
        &mut self,
        wanted: &ContainerInput,
        container: String,
        actions: &mut Vec<Action>,
    ) -> usize {
        let id = self.ids.next();
        actions.push(Action::Add { id, wanted: Box::new(wanted.clone()), container });
        id
    }

    /// Whether a container is mounted at this path, or could be: a saved file below it belongs to
    /// one that is known.
    pub fn is_known(&self, root: &std::path::Path) -> bool {
        self.mounts.contains_key(root)
    }
}

/// Whether a container writes nothing more.
fn is_over(container: &Container) -> bool {
    container.state == State::Exited
}

/// Whether paths lead to the same places.
fn is_same_tree(one: &Container, other: &Container) -> bool {
    one.id == other.id
        && one.pid == other.pid
        && one.mounts == other.mounts
        && one.tmpfs == other.tmpfs
        && one.upper_dir == other.upper_dir
        && one.lower_dirs == other.lower_dirs
        && one.root_dir == other.root_dir
        && one.log_path == other.log_path
}

#[cfg(test)]
mod tests {
    use container::LogDriver;
    use serde_json::json;

    use super::*;
    use crate::config::container_rules::of_documents;

    fn reconciler() -> Reconciler {
        let flushers = json!([{ "Type": "flusher_blackhole" }]);
        let stdio = json!({ "Type": "input_container_stdio" });
        let rules = of_documents(&[("out", json!({ "inputs": [stdio], "flushers": flushers }))]);
        let ids = TargetIds::default();
        (0..10).for_each(|id| assert_eq!(ids.next(), id));
        Reconciler::new(rules, HostRoot::at("/"), OwnContainer::default(), ids)
    }

    fn container(state: State) -> Container {
        Container {
            id: "c".into(),
            name: "web".into(),
            log_path: Some("/logs/c/c.log".into()),
            log_driver: LogDriver::JsonFile,
            state,
            ..Container::default()
        }
    }

    fn words(actions: impl IntoIterator<Item = Action>) -> Vec<String> {
        let word = |action| match action {
            Action::Mount { root, .. } => format!("mount {}", root.display()),
            Action::Unmount(root) => format!("unmount {}", root.display()),
            Action::Add { id, .. } => format!("add {id}"),
            Action::Tag { id, .. } => format!("tag {id}"),
            Action::Remove(id) => format!("remove {id}"),
            Action::Say(text) => format!("say {text}"),
        };
        actions.into_iter().map(word).collect()
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn a_life_from_first_look_to_removal() {
        let mut reconciler = reconciler();
        let mut told = |change| words(reconciler.change(change));
        let running = container(State::Running);
        assert_eq!(told(Change::Added(running.clone())), ["mount /logs/c", "add 10"]);
        assert_eq!(told(Change::Updated(running.clone())), NONE);
        let named = Container { ip: "10.0.0.2".into(), ..running.clone() };
        assert_eq!(told(Change::Updated(named)), ["tag 10"]);
        // What it wrote last is searched for before it is let go.
        assert_eq!(told(Change::Stopped(container(State::Exited))), ["add 11"]);
        assert_eq!(reconciler.ending().count(), 0);
        assert_eq!(words(reconciler.listed(11)), ["remove 10"]);
        assert_eq!(reconciler.ending().collect::<Vec<_>>(), [11]);
        assert_eq!(words(reconciler.end(11)), ["remove 11"]);
        assert_eq!(reconciler.ending().count(), 0);
        let again = Container { pid: Some(7), ..running.clone() };
        assert_eq!(words(reconciler.change(Change::Updated(again))), ["mount /logs/c", "add 12"]);
        let gone = reconciler.change(Change::Removed(running.clone()));
        assert_eq!(words(gone), ["remove 12", "unmount /logs/c"]);
        assert_eq!(words(reconciler.change(Change::Removed(running))), NONE);
        assert!(reconciler.active.is_empty() && reconciler.mounts.is_empty());
    }

    #[test]
    fn one_that_had_stopped_before_is_searched_once() {
        let mut reconciler = reconciler();
        let stopped = reconciler.change(Change::Added(container(State::Exited)));
        assert_eq!(words(stopped), ["mount /logs/c", "add 10"]);
        assert_eq!(words(reconciler.listed(10)), NONE);
        assert_eq!(words(reconciler.end(10)), ["remove 10"]);
        assert_eq!(words(reconciler.change(Change::Updated(container(State::Exited)))), NONE);
    }

    #[test]
    fn one_that_runs_again_at_once_is_not_let_go() {
        let mut reconciler = reconciler();
        reconciler.change(Change::Added(container(State::Running)));
        reconciler.change(Change::Stopped(container(State::Exited)));
        assert_eq!(words(reconciler.change(Change::Updated(container(State::Running)))), NONE);
        assert_eq!(words(reconciler.listed(11)), ["remove 10"]);
        assert_eq!(reconciler.ending().count(), 0);
    }

    #[test]
    fn containers_that_share_a_directory_of_output_share_its_mount() {
        let mut reconciler = reconciler();
        let other = Container {
            id: "d".into(),
            log_path: Some("/logs/c/d.log".into()),
            ..container(State::Running)
        };
        reconciler.change(Change::Added(container(State::Running)));
        reconciler.change(Change::Added(other.clone()));
        let gone = reconciler.change(Change::Removed(container(State::Running)));
        assert_eq!(words(gone), ["remove 10"]);
        let gone = reconciler.change(Change::Removed(other));
        assert_eq!(words(gone), ["remove 11", "unmount /logs/c"]);
    }

    #[test]
    fn a_log_that_moves_is_another_target() {
        let mut reconciler = reconciler();
        reconciler.change(Change::Added(container(State::Running)));
        let moved =
            Container { log_path: Some("/logs/c/1.log".into()), ..container(State::Running) };
        let actions = words(reconciler.change(Change::Updated(moved)));
        assert_eq!(actions, ["mount /logs/c", "remove 10", "add 11"]);
    }
}
