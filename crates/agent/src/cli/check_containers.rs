//! The containers' part of `irontail check`: which containers each pipeline would collect now, and
//! what nobody can tell. It asks the runtimes once and changes nothing.

use std::io::{self, Write};
use std::time::Duration;

use container::{Container, OwnContainer};

use crate::config::plan::Plan;
use crate::containers::{ContainerInput, Look, Places, look, select};
use delivery::threads::spawn::Flag;

/// How long the runtimes may take.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// What the runtimes told, and what is wanted of it.
pub struct Containers {
    found: Vec<(Container, Vec<ContainerInput>)>,
    notes: Vec<String>,
}

impl Containers {
    /// Asks; `None` where no pipeline collects from containers.
    pub fn look(plan: &Plan) -> Option<Containers> {
        if plan.rules.is_empty() {
            return None;
        }
        let mut containers = Containers { found: Vec::new(), notes: Vec::new() };
        let stop = Flag::new();
        let looked = Places::detect().map_err(|error| error.to_string()).and_then(|places| {
            let look = look(&places, &plan.rules.asked, LOOK_MAX, &stop.raised());
            look.map(|look| (places, look)).map_err(|error| error.to_string())
        });
        match looked {
            Ok((places, look)) => containers.take_in(plan, &places, look),
            Err(error) => containers.notes.push(error),
        }
        Some(containers)
    }

    fn take_in(&mut self, plan: &Plan, places: &Places, look: Look) {
        if !look.is_complete {
            let seconds = LOOK_MAX.as_secs();
            self.notes.push(format!("not every runtime has answered within {seconds} seconds"));
        }
        let own = OwnContainer::detect();
        for container in look.containers {
            let (targets, notes) = select(&plan.rules, &places.host, &own, &container);
            self.notes.extend(notes);
            self.found.push((container, targets));
        }
        self.notes.sort();
        self.notes.dedup();
    }

    /// Prints what a pipeline would collect.
    pub fn print(&self, plan: &Plan, pipeline: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut count = 0;
        for (container, targets) in &self.found {
            for target in targets.iter().filter(|target| target.key.pipeline == pipeline) {
                count += 1;
                writeln!(out, "  collects {}", sentence(container, target))?;
            }
        }
        let Some(rule) = plan.rules.rules.iter().find(|rule| rule.pipeline == pipeline) else {
            return Ok(());
        };
        if count == 0 {
            writeln!(out, "  collects from no container now")?;
        }
        let unlabelled = self.found.iter().filter(|(container, _)| {
            let k8s = container.k8s.as_ref();
            k8s.is_some_and(|k8s| k8s.labels.is_none() && !k8s.sandbox)
        });
        let unlabelled = unlabelled.count();
        if rule.asks_pod_labels && unlabelled > 0 {
            writeln!(
                out,
                "  warning: of {unlabelled} containers the labels of their pods are not known; \
                 IncludeK8sLabel, ExcludeK8sLabel and ExternalK8sLabelTag do nothing for them"
            )?;
        }
        let own = format!("{}: ", rule.pipeline);
        for note in self.notes.iter().filter_map(|note| note.strip_prefix(&own)) {
            writeln!(out, "  note: {note}")?;
        }
        Ok(())
    }

    /// Prints what belongs to no pipeline.
    pub fn print_rest(&self, plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
        let names: Vec<String> =
            plan.rules.rules.iter().map(|rule| format!("{}: ", rule.pipeline)).collect();
        let is_rest = |note: &&String| !names.iter().any(|name| note.starts_with(name));
        for note in self.notes.iter().filter(is_rest) {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    }
}

fn sentence(container: &Container, target: &ContainerInput) -> String {
    let (name, id) = (&container.name, container.short_id());
    let what = match target.stdio {
        None => target.paths.join(", "),
        Some((rules, _)) => match (rules.stdout, rules.stderr) {
            (true, false) => "standard output".to_owned(),
            (false, true) => "standard error".to_owned(),
            _ => "standard output and standard error".to_owned(),
        },
    };
    let asked = match target.key.asked.as_str() {
        "" => String::new(),
        asked => format!(" (asked for by aliyun_logs_{asked})"),
    };
    format!("{what} of container {name} ({id}){asked}")
}
