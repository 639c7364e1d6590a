//! `irontail check --connect`: whether each destination can be reached, lets the agent in, and
//! answers. Nothing is stored there, and no state is touched.

use std::io::{self, Write};
use std::sync::Arc;

use disk::{Disk, RealDisk};
use flusher::{CheckStep, RecordShape};

use crate::config::plan::Plan;

/// Prints what was found at each destination; whether all of them work.
///
/// # Errors
/// Those of the output.
pub fn print(plan: &Plan, out: &mut dyn Write) -> io::Result<bool> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut all_work = true;
    for pipeline in &plan.pipelines {
        for config in &pipeline.flushers {
            writeln!(out, "connect {} to {}", pipeline.name, config.name)?;
            let made = flusher::target(config).flusher(&disk, RecordShape::default());
            let steps = match &made {
                Ok(flusher) => flusher.check(),
                Err(error) => {
                    all_work = false;
                    writeln!(out, "  FAILED configuration: {error}")?;
                    continue;
                }
            };
            if steps.is_empty() {
                writeln!(out, "  ok     nothing to connect to")?;
            }
            for CheckStep { name, outcome } in steps {
                all_work &= outcome.is_ok();
                match outcome {
                    Ok(found) => writeln!(out, "  ok     {name}: {found}")?,
                    Err(problem) => writeln!(out, "  FAILED {name}: {problem}")?,
                }
            }
        }
    }
    Ok(all_work)
}
