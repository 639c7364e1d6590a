//! `irontail check`: every parameter with its origin, and what each pipeline would collect now.

use std::io::{self, Write};

use settings::Pipeline;

use crate::check_containers;
use crate::plan::Plan;

/// How many files of all pipelines are listed.
const MATCHES_MAX: usize = 1000;

/// Prints the plan.
///
/// # Errors
/// Those of the output.
pub fn print(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "parameters")?;
    for entry in plan.parameters.entries() {
        writeln!(out, "  {} = {}  ({})", entry.name, entry.value, entry.origin)?;
    }
    for note in &plan.notes {
        writeln!(out, "note: {note}")?;
    }
    for (name, file) in &plan.disabled {
        writeln!(out, "pipeline {name} ({}) is switched off (enable: false)", file.display())?;
    }
    if plan.pipelines.is_empty() {
        writeln!(out, "no pipeline: nothing would be collected")?;
    }
    let matches = tail::matches_now(&plan.targets, MATCHES_MAX);
    let containers = check_containers::Containers::look(plan);
    for (index, pipeline) in plan.pipelines.iter().enumerate() {
        writeln!(out, "pipeline {} ({})", pipeline.name, pipeline.origin.display())?;
        print_flushers(pipeline, out)?;
        if let Some(containers) = &containers {
            containers.print(plan, index, out)?;
        }
        let Some(target) = plan.targets.iter().find(|target| target.id == index) else { continue };
        let mut files = 0;
        for found in matches.iter().filter(|found| found.target == target.id) {
            let path = found.path.display();
            match &found.what {
                Ok(_) if plan.outputs.contains(&found.path) => {
                    writeln!(out, "  skips {path}: {}", tail::SkipReason::OwnOutput)?;
                }
                Ok(size) => {
                    files += 1;
                    writeln!(out, "  collects {path} ({size} bytes)")?;
                }
                Err(reason) => writeln!(out, "  skips {path}: {reason}")?,
            }
        }
        if files == 0 {
            writeln!(out, "  collects no file now")?;
        }
    }
    if let Some(containers) = &containers {
        containers.print_rest(plan, out)?;
    }
    if matches.len() >= MATCHES_MAX {
        writeln!(out, "only the first {MATCHES_MAX} paths are listed")?;
    }
    Ok(())
}

fn print_flushers(pipeline: &Pipeline, out: &mut dyn Write) -> io::Result<()> {
    for flusher in &pipeline.flushers {
        writeln!(out, "  sends to {}", flusher.name)?;
    }
    Ok(())
}
