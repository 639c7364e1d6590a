//! Containers as the collecting thread has them: it hears what changed, and does what follows from
//! that to the tail and to what is followed.
//!
//! At the start the saved map and the first answers of the runtimes are taken in before progress
//! is looked at, so that saved files of containers are found where they were. Nothing here is
//! durable. Not here: what follows from a change (`reconcile.rs`).

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkpoint::{OnLost, Origin};
use container::{ContainerRoot, HostRoot, OwnContainer};
use crossbeam::channel::{Receiver, never};
use record::FileSeen;
use settings::FirstStart;
use tail::{Excludes, Pattern, RotatedPattern, Tail, Tree};

use crate::config::container_rules::Rules;
use crate::config::target_ids::TargetIds;
use crate::config::translate::Tagging;
use crate::containers::select::escaped;
use crate::containers::{
    Action, CONTAINERS, ContainerEvent, ContainerInput, ContainerTree, Reconciler, SaverOrders,
};
use crate::follow::input::Input;
use crate::follow::router::Router;
use delivery::Delivery;
use delivery::RecordFormat;
use delivery::Stop;

/// What container targets of a pipeline have in common.
pub struct PipelineInputs {
    /// The pipeline's deliveries.
    pub deliveries: Vec<Arc<Delivery>>,
    /// The tags that all its records have.
    pub tagging: Tagging,
    /// Where files begin that were there at the first start.
    pub first_start: FirstStart,
}

/// The containers.
pub struct ContainerInputs {
    reconciler: Reconciler,
    notices: Receiver<ContainerEvent>,
    host: HostRoot,
    homes: HashMap<String, PipelineInputs>,
    /// What is to be done as soon as there is a tail.
    actions: Vec<Action>,
    is_listed: bool,
    orders: Arc<SaverOrders>,
}

impl ContainerInputs {
    /// Containers of an agent whose pipelines want none.
    pub fn none() -> Self {
        let (host, ids) = (HostRoot::at("/"), TargetIds::default());
        let reconciler =
            Reconciler::new(Rules::default(), host.clone(), OwnContainer::default(), ids);
        Self {
            reconciler,
            notices: never(),
            host,
            homes: HashMap::new(),
            actions: Vec::new(),
            is_listed: true,
            orders: Arc::default(),
        }
    }

    /// Containers that `notices` tell of, and whose targets get these ids. `orders` go to the
    /// saver of the map.
    pub fn new(
        rules: Rules,
        host: HostRoot,
        notices: Receiver<ContainerEvent>,
        ids: TargetIds,
        orders: Arc<SaverOrders>,
    ) -> Self {
        let reconciler = Reconciler::new(rules, host.clone(), OwnContainer::detect(), ids);
        let (homes, actions) = (HashMap::new(), Vec::new());
        Self { reconciler, notices, host, homes, actions, is_listed: false, orders }
    }

    /// The state directory is in order: from now on the map is saved.
    pub fn begin_saving(&self) {
        self.orders.permit();
    }

    /// Where the saver of the map is told what to do.
    pub fn orders(&self) -> Arc<SaverOrders> {
        self.orders.clone()
    }

    /// Takes in what is told until every runtime has listed its containers, at most until
    /// `deadline`, or until `is_over` says so. With files to collect on the host, a runtime that
    /// is silent for `silence_max` is not waited for: what it tells later is taken in then. Only
    /// where progress in a container's files is `saved` and nothing tells of that container yet
    /// it is: its files would be reported as missing.
    pub fn gather(
        &mut self,
        deadline: Instant,
        silence_max: Option<Duration>,
        saved: &[FileSeen],
        is_over: impl Fn() -> bool,
    ) {
        /// How often to ask whether it is over.
        const STEP: Duration = Duration::from_millis(100);
        let roots: BTreeSet<PathBuf> = saved.iter().filter_map(root_of).collect();
        let mut heard = Instant::now();
        while !self.is_listed && !is_over() && Instant::now() < deadline {
            match self.notices.recv_deadline(deadline.min(Instant::now() + STEP)) {
                Ok(ContainerEvent::Listed) => self.is_listed = true,
                Ok(ContainerEvent::Change(change)) => {
                    heard = Instant::now();
                    let actions = self.reconciler.change(*change);
                    self.actions.extend(actions);
                }
                Err(_) => {}
            }
            if silence_max.is_some_and(|max| heard.elapsed() >= max)
                && roots.iter().all(|root| self.reconciler.is_known(root))
            {
                return;
            }
        }
    }

    /// The targets that are known so far, each with the name of its pipeline.
    pub fn targets(&self) -> Vec<(&str, tail::Target)> {
        let removed: BTreeSet<usize> = self.actions.iter().filter_map(removed).collect();
        let added = self.actions.iter().filter_map(|action| match action {
            Action::Add { id, wanted, .. } if !removed.contains(id) => {
                Some((&*wanted.key.pipeline, target(*id, wanted).ok()?))
            }
            _ => None,
        });
        added.collect()
    }

    /// Does what was gathered, before the tail looks at anything. Saved files of containers that
    /// are not there any more are said to be missing.
    pub fn enter(
        &mut self,
        homes: HashMap<String, PipelineInputs>,
        saved: &[FileSeen],
        tail: &mut Tail,
        router: &mut Router,
    ) -> Result<(), Stop> {
        self.homes = homes;
        for action in std::mem::take(&mut self.actions) {
            self.perform(action, tail, router)?;
        }
        let roots: BTreeSet<PathBuf> = saved.iter().filter_map(root_of).collect();
        for root in roots.iter().filter(|root| !self.reconciler.is_known(root)) {
            tail.unmount(root);
        }
        if self.is_listed { router.containers_listed() } else { Ok(()) }
    }

    /// What changes are told by.
    pub fn notices(&self) -> &Receiver<ContainerEvent> {
        &self.notices
    }

    /// Acts on a change. True where every runtime has told of its containers now.
    ///
    /// # Errors
    /// Where progress cannot be written any more.
    pub fn notice(
        &mut self,
        notice: ContainerEvent,
        tail: &mut Tail,
        router: &mut Router,
    ) -> Result<bool, Stop> {
        match notice {
            ContainerEvent::Listed => {
                self.is_listed = true;
                return Ok(true);
            }
            ContainerEvent::Change(change) => {
                for action in self.reconciler.change(*change) {
                    self.perform(action, tail, router)?;
                }
            }
        }
        Ok(false)
    }

    /// The first search for a target is over.
    ///
    /// # Errors
    /// Where progress cannot be written any more.
    pub fn listed(&mut self, id: usize, tail: &mut Tail, router: &mut Router) -> Result<(), Stop> {
        self.reconciler.listed(id).map_or(Ok(()), |action| self.perform(action, tail, router))
    }

    /// Lets go of containers that stopped and are read to their end.
    ///
    /// # Errors
    /// Where progress cannot be written any more.
    pub fn let_go(&mut self, tail: &mut Tail, router: &mut Router) -> Result<(), Stop> {
        let ending: Vec<usize> = self.reconciler.ending().collect();
        if ending.is_empty() {
            return Ok(());
        }
        let unacknowledged = router.unacknowledged_targets();
        for id in ending.into_iter().filter(|id| !unacknowledged.contains(id)) {
            if let Some(action) = self.reconciler.end(id) {
                self.perform(action, tail, router)?;
            }
        }
        Ok(())
    }

    fn perform(&self, action: Action, tail: &mut Tail, router: &mut Router) -> Result<(), Stop> {
        match action {
            Action::Mount { root, container, is_output } => {
                let tree = match is_output {
                    true => ContainerRoot::of_logs(&self.host, &container).map(|(tree, _)| tree),
                    false => Some(ContainerRoot::new(&self.host, &container)),
                };
                if let Some(tree) = tree {
                    let tree: Arc<dyn Tree> = Arc::new(ContainerTree(tree));
                    tail.mount(root, tree);
                }
            }
            Action::Unmount(root) => tail.unmount(&root),
            Action::Add { id, wanted, container } => match target(id, &wanted) {
                Ok(target) => {
                    if let Some(input) = self.input(&wanted, &container) {
                        router.add_input(id, input);
                        tail.add_target(target);
                    }
                }
                Err(error) => log::warn!("container {container}: {error}"),
            },
            Action::Tag { id, wanted, container } => {
                if let Some(input) = self.input(&wanted, &container) {
                    router.tag(id, input);
                }
            }
            Action::Remove(id) => {
                tail.remove_target(id);
                router.remove_input(id)?;
            }
            Action::Say(text) => log::warn!("{text}"),
        }
        Ok(())
    }

    fn input(&self, wanted: &ContainerInput, container: &str) -> Option<Input> {
        let home = self.homes.get(&wanted.key.pipeline)?;
        let output = wanted.stdio.as_ref().map(|(rules, multiline)| RecordFormat {
            output: Some((*rules, container.to_owned())),
            multiline: multiline.clone(),
            ..RecordFormat::default()
        });
        let is_asked = !wanted.key.asked.is_empty();
        let tagging = if is_asked { home.tagging.asked() } else { home.tagging.clone() };
        let (origin, tags) = (wanted.origin.clone(), wanted.tags.clone());
        let tagging = tagging.of_container(&wanted.root, origin, tags, output);
        Some(Input {
            deliveries: home.deliveries.clone(),
            framing: tagging.framing(),
            tagging: Arc::new(tagging),
            first_start: home.first_start,
            flush_timeout: wanted.flush_timeout,
            is_container: true,
        })
    }
}

/// Where files begin that were there at a first start; after state was lost, as the operator says.
pub fn first_start(configured: FirstStart, origin: Origin) -> FirstStart {
    match origin {
        Origin::Lost(OnLost::FromEnd) => FirstStart::Tail(0),
        Origin::Lost(_) => FirstStart::Beginning,
        _ => configured,
    }
}

fn removed(action: &Action) -> Option<usize> {
    match action {
        Action::Remove(id) => Some(*id),
        _ => None,
    }
}

/// The target of what is wanted.
fn target(id: usize, wanted: &ContainerInput) -> Result<tail::Target, tail::Error> {
    let below = |path: &String| format!("{}{path}", escaped(&wanted.root));
    let patterns = wanted.paths.iter().map(|path| Pattern::parse(below(path), wanted.depth));
    let [file_paths, files, dirs] = &wanted.excludes;
    let [file_paths, dirs] =
        [file_paths, dirs].map(|list| list.iter().map(below).collect::<Vec<_>>());
    let rotated = wanted.rotated.iter().map(|path| match path.starts_with('/') {
        true => RotatedPattern::parse(below(path)),
        false => RotatedPattern::parse(path),
    });
    Ok(tail::Target {
        id,
        patterns: patterns.collect::<Result<_, _>>()?,
        excludes: Excludes::parse(&file_paths, files, &dirs)?,
        rotated: rotated.collect::<Result<_, _>>()?,
        flush_timeout: wanted.flush_timeout,
    })
}

/// The root of the container that a saved file was in.
fn root_of(seen: &FileSeen) -> Option<PathBuf> {
    let inner = seen.logical.strip_prefix(CONTAINERS).ok()?;
    inner.components().next().map(|id| Path::new(CONTAINERS).join(id))
}
