//! Containers as the collecting thread has them: it hears what changed, and does what follows from
//! that to the tail and to what is followed.
//!
//! At the start the saved map and the first answers of the runtimes are taken in before progress
//! is looked at, so that saved files of containers are found where they were. Nothing here is
//! durable. Not here: what follows from a change (`wiring.rs`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use checkpoint::{OnLost, Origin};
use container::{ContainerRoot, HostRoot, OwnContainer};
use crossbeam::channel::{Receiver, never};
use record::FileSeen;
use settings::FirstStart;
use tail::{Excludes, Framing, Pattern, Tail, Tree};

use crate::containers::wanted::escaped;
use crate::containers::{CONTAINERS, ContainerTree, Notice, Rules, Step, Wanted, Wiring};
use crate::delivery::Delivery;
use crate::follow::{Following, Input};
use crate::lane::Stop;
use crate::translate::Tagging;

/// What container targets of a pipeline have in common.
pub struct Home {
    /// The pipeline's deliveries.
    pub deliveries: Vec<Arc<Delivery>>,
    /// The tags that all its records have.
    pub tagging: Tagging,
    /// Where files begin that were there at the first start.
    pub first_start: FirstStart,
}

/// The containers.
pub struct Collecting {
    wiring: Wiring,
    notices: Receiver<Notice>,
    host: HostRoot,
    homes: Vec<Home>,
    /// What is to be done as soon as there is a tail.
    steps: Vec<Step>,
    is_listed: bool,
    may_save: Arc<AtomicBool>,
}

impl Collecting {
    /// Containers of an agent whose pipelines want none.
    pub fn none() -> Self {
        let host = HostRoot::at("/");
        let wiring =
            Wiring::new(Rules::default(), host.clone(), OwnContainer::default(), usize::MAX);
        Self {
            wiring,
            notices: never(),
            host,
            homes: Vec::new(),
            steps: Vec::new(),
            is_listed: true,
            may_save: Arc::default(),
        }
    }

    /// Containers that `notices` tell of; ids of their targets begin with `first_id`. `may_save`
    /// is the saver's permission.
    pub fn new(
        rules: Rules,
        host: HostRoot,
        notices: Receiver<Notice>,
        first_id: usize,
        may_save: Arc<AtomicBool>,
    ) -> Self {
        let wiring = Wiring::new(rules, host.clone(), OwnContainer::detect(), first_id);
        let (homes, steps) = (Vec::new(), Vec::new());
        Self { wiring, notices, host, homes, steps, is_listed: false, may_save }
    }

    /// The state directory is in order: from now on the map is saved.
    pub fn begin_saving(&self) {
        self.may_save.store(true, Ordering::Release);
    }

    /// Takes in what is told until every runtime has listed its containers, at most until
    /// `deadline`, or until `is_over` says so.
    pub fn gather(&mut self, deadline: Instant, is_over: impl Fn() -> bool) {
        /// How often to ask whether it is over.
        const STEP: Duration = Duration::from_millis(100);
        while !self.is_listed && !is_over() && Instant::now() < deadline {
            match self.notices.recv_deadline(deadline.min(Instant::now() + STEP)) {
                Ok(Notice::Listed) => self.is_listed = true,
                Ok(Notice::Change(change)) => {
                    let steps = self.wiring.change(*change);
                    self.steps.extend(steps);
                }
                Err(_) => {}
            }
        }
    }

    /// The targets that are known so far, each with its pipeline.
    pub fn targets(&self) -> Vec<(usize, tail::Target)> {
        let removed: BTreeSet<usize> = self.steps.iter().filter_map(removed).collect();
        let added = self.steps.iter().filter_map(|step| match step {
            Step::Add { id, wanted, .. } if !removed.contains(id) => {
                Some((wanted.key.0, target(*id, wanted).ok()?))
            }
            _ => None,
        });
        added.collect()
    }

    /// Does what was gathered, before the tail looks at anything. Saved files of containers that
    /// are not there any more are said to be missing.
    pub fn enter(
        &mut self,
        homes: Vec<Home>,
        saved: &[FileSeen],
        tail: &mut Tail,
        following: &mut Following,
    ) -> Result<(), Stop> {
        self.homes = homes;
        for step in std::mem::take(&mut self.steps) {
            self.perform(step, tail, following)?;
        }
        let roots: BTreeSet<PathBuf> = saved.iter().filter_map(root_of).collect();
        for root in roots.iter().filter(|root| !self.wiring.is_known(root)) {
            tail.unmount(root);
        }
        if self.is_listed { following.containers_listed() } else { Ok(()) }
    }

    /// What changes are told by.
    pub fn notices(&self) -> &Receiver<Notice> {
        &self.notices
    }

    /// Acts on a change. True where every runtime has told of its containers now.
    ///
    /// # Errors
    /// Where progress cannot be written any more.
    pub fn notice(
        &mut self,
        notice: Notice,
        tail: &mut Tail,
        following: &mut Following,
    ) -> Result<bool, Stop> {
        match notice {
            Notice::Listed => {
                self.is_listed = true;
                return Ok(true);
            }
            Notice::Change(change) => {
                for step in self.wiring.change(*change) {
                    self.perform(step, tail, following)?;
                }
            }
        }
        Ok(false)
    }

    /// The first search for a target is over.
    ///
    /// # Errors
    /// Where progress cannot be written any more.
    pub fn listed(
        &mut self,
        id: usize,
        tail: &mut Tail,
        following: &mut Following,
    ) -> Result<(), Stop> {
        self.wiring.listed(id).map_or(Ok(()), |step| self.perform(step, tail, following))
    }

    /// Lets go of containers that stopped and are read to their end.
    ///
    /// # Errors
    /// Where progress cannot be written any more.
    pub fn let_go(&mut self, tail: &mut Tail, following: &mut Following) -> Result<(), Stop> {
        let ending: Vec<usize> = self.wiring.ending().collect();
        if ending.is_empty() {
            return Ok(());
        }
        let unsettled = following.unsettled_targets();
        for id in ending.into_iter().filter(|id| !unsettled.contains(id)) {
            if let Some(step) = self.wiring.end(id) {
                self.perform(step, tail, following)?;
            }
        }
        Ok(())
    }

    fn perform(&self, step: Step, tail: &mut Tail, following: &mut Following) -> Result<(), Stop> {
        match step {
            Step::Mount { root, container, is_output } => {
                let tree = match is_output {
                    true => ContainerRoot::of_logs(&self.host, &container).map(|(tree, _)| tree),
                    false => Some(ContainerRoot::new(&self.host, &container)),
                };
                if let Some(tree) = tree {
                    let tree: Arc<dyn Tree> = Arc::new(ContainerTree(tree));
                    tail.mount(root, tree);
                }
            }
            Step::Unmount(root) => tail.unmount(&root),
            Step::Add { id, wanted, container } => match target(id, &wanted) {
                Ok(target) => {
                    if let Some(input) = self.input(&wanted, &container) {
                        following.add_input(id, input);
                        tail.add_target(target);
                    }
                }
                Err(error) => log::warn!("container {container}: {error}"),
            },
            Step::Tag { id, wanted, container } => {
                if let Some(input) = self.input(&wanted, &container) {
                    following.tag(id, input);
                }
            }
            Step::Remove(id) => {
                tail.remove_target(id);
                following.remove_input(id)?;
            }
            Step::Say(text) => log::warn!("{text}"),
        }
        Ok(())
    }

    fn input(&self, wanted: &Wanted, container: &str) -> Option<Input> {
        let home = self.homes.get(wanted.key.0)?;
        let framing = match wanted.stdio {
            None => Framing::Lines,
            Some(_) => Framing::Groups {
                safe_len: container::safe_len,
                longest: container::GROUP_BYTES_MAX,
            },
        };
        let format = wanted.stdio.map(|rules| rules.format(container));
        let is_asked = !wanted.key.1.is_empty();
        let tagging = if is_asked { home.tagging.asked() } else { home.tagging.clone() };
        Some(Input {
            deliveries: home.deliveries.clone(),
            tagging: tagging.of_container(&wanted.root, wanted.tags.clone(), format),
            first_start: home.first_start,
            flush_timeout: wanted.flush_timeout,
            framing,
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

fn removed(step: &Step) -> Option<usize> {
    match step {
        Step::Remove(id) => Some(*id),
        _ => None,
    }
}

/// The target of what is wanted.
fn target(id: usize, wanted: &Wanted) -> Result<tail::Target, tail::Error> {
    let below = |path: &String| format!("{}{path}", escaped(&wanted.root));
    let patterns = wanted.paths.iter().map(|path| Pattern::parse(below(path), wanted.depth));
    let [file_paths, files, dirs] = &wanted.excludes;
    let [file_paths, dirs] =
        [file_paths, dirs].map(|list| list.iter().map(below).collect::<Vec<_>>());
    Ok(tail::Target {
        id,
        patterns: patterns.collect::<Result<_, _>>()?,
        excludes: Excludes::parse(&file_paths, files, &dirs)?,
        flush_timeout: wanted.flush_timeout,
    })
}

/// The root of the container that a saved file was in.
fn root_of(seen: &FileSeen) -> Option<PathBuf> {
    let inner = seen.logical.strip_prefix(CONTAINERS).ok()?;
    inner.components().next().map(|id| Path::new(CONTAINERS).join(id))
}
