//! `irontail check`: every parameter with its origin, and what each pipeline would collect now.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use settings::Pipeline;
use tail::Matches;

use crate::cli::check_containers;
use crate::config::plan::Plan;
use crate::start::state_dirs::state_dirs;

/// How many files of all pipelines are listed.
const MATCHES_MAX: usize = 1000;

/// Prints the plan. Returns what is wrong with it that only the files there show: inputs that lead
/// to what irontail itself writes.
///
/// # Errors
/// Those of the output.
pub fn print(plan: &Plan, out: &mut dyn Write) -> io::Result<Vec<String>> {
    let mut errors = Vec::new();
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
    let Matches { found: matches, unmatched } = tail::matches_now(&plan.host_files(), MATCHES_MAX);
    let own = own_files(plan);
    let containers = check_containers::Containers::look(plan);
    for pipeline in &plan.pipelines {
        writeln!(out, "pipeline {} ({})", pipeline.name, pipeline.origin.display())?;
        print_flushers(pipeline, out)?;
        if let Some(containers) = &containers {
            containers.print(plan, &pipeline.name, out)?;
        }
        let mut targets = plan.targets.iter();
        let Some(target) = targets.find(|target| target.pipeline == pipeline.name) else {
            continue;
        };
        let mut files = 0;
        for found in matches.iter().filter(|found| found.target == target.files.id) {
            let path = found.path.display();
            match &found.what {
                Ok(_) if plan.outputs.contains(&found.path) || own.contains(&found.key) => {
                    writeln!(out, "  skips {path}: {}", tail::SkipReason::OwnOutput)?;
                    errors.push(own_input(pipeline, &found.path));
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
        for (_, pattern) in unmatched.iter().filter(|(of, _)| *of == target.files.id) {
            writeln!(out, "  nothing matches {}", pattern.display())?;
        }
    }
    if let Some(containers) = &containers {
        containers.print_rest(plan, out)?;
    }
    if matches.len() >= MATCHES_MAX {
        writeln!(out, "only the first {MATCHES_MAX} paths are listed")?;
    }
    Ok(errors)
}

fn own_input(pipeline: &Pipeline, path: &Path) -> String {
    format!(
        "{}: inputs[0].FilePaths: matches {}, which is a file that irontail writes (an output, what \
         one was rotated to, or state), reached by a hard link or a linked directory; exclude it with \
         ExcludeFilePaths",
        pipeline.origin.display(),
        path.display()
    )
}

/// The devices and inodes of what a run of this plan writes.
fn own_files(plan: &Plan) -> HashSet<(u64, u64)> {
    tail::own_files(&[plan.outputs.clone(), state_dirs(plan)].concat())
}

fn print_flushers(pipeline: &Pipeline, out: &mut dyn Write) -> io::Result<()> {
    for config in &pipeline.flushers {
        let class = flusher::target(config).class();
        writeln!(out, "  sends to {} ({})", config.name, class.guarantee())?;
    }
    Ok(())
}
