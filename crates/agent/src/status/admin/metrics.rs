//! What /metrics tells: the counters and the lag of every delivery, and how the agent is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::exposition::{Exposition, Kind};
use crate::status::Status;
use crate::status::readiness::Condition;
use delivery::{Counters, Dropped, Meter};

/// The metrics now.
pub fn text(status: &Status, now: Instant) -> String {
    let mut out = Exposition::default();
    let meters = &*status.meters.lock().expect("no holder panics");
    counters(&mut out, meters);
    lags(&mut out, meters, now);
    classes(&mut out, meters);
    processors(&mut out, meters);
    rate_limits(&mut out, meters);
    files(&mut out, status);
    agent(&mut out, status, now);
    process(&mut out, status);
    out.into_text()
}

fn labels(meter: &Meter) -> [(&'static str, &str); 2] {
    [("pipeline", &meter.pipeline), ("flusher", &meter.flusher)]
}

fn counters(out: &mut Exposition, meters: &[Arc<Meter>]) {
    let values: Vec<Vec<u64>> = meters
        .iter()
        .map(|meter| meter.counters.read().map(|(_, value)| value).collect())
        .collect();
    for (at, (name, help)) in Counters::table().enumerate() {
        let name = format!("irontail_{name}_total");
        out.family(&name, Kind::Counter, help);
        for (meter, values) in meters.iter().zip(&values) {
            out.sample(&name, &labels(meter), values[at]);
        }
    }
}

/// Nothing is said of a delivery before its files have been looked at: 0 would be wrong.
fn lags(out: &mut Exposition, meters: &[Arc<Meter>], now: Instant) {
    let known: Vec<_> = meters.iter().filter_map(|meter| Some((meter, meter.lag.get()?))).collect();
    let name = "irontail_lag_bytes";
    out.family(name, Kind::Gauge, "Bytes in files that are not acknowledged.");
    for (meter, behind) in &known {
        out.sample(name, &labels(meter), behind.bytes);
    }
    let name = "irontail_oldest_unacknowledged_seconds";
    out.family(name, Kind::Gauge, "Age of the oldest of these bytes, since this run saw it.");
    for (meter, behind) in &known {
        out.sample(name, &labels(meter), format_args!("{:.3}", behind.age(now).as_secs_f64()));
    }
    let name = "irontail_spool_waiting_bytes";
    out.family(name, Kind::Gauge, "Bytes of frames in the spool that wait for the destination.");
    for (meter, behind) in &known {
        out.sample(name, &labels(meter), behind.spooled_bytes);
    }
    let name = "irontail_destination_failing_seconds";
    out.family(name, Kind::Gauge, "How long every try has failed; 0 while the destination works.");
    for meter in meters {
        let failing = meter.failing_for(now).as_secs_f64();
        out.sample(name, &labels(meter), format_args!("{failing:.3}"));
    }
}

/// Which guarantee each delivery has.
fn classes(out: &mut Exposition, meters: &[Arc<Meter>]) {
    let name = "irontail_delivery_info";
    out.family(name, Kind::Gauge, "Always 1; class tells what the destination can tell apart.");
    for meter in meters {
        let [pipeline, flusher] = labels(meter);
        out.sample(name, &[pipeline, flusher, ("class", meter.class)], 1);
    }
}

/// What the processors of each delivery counted.
fn processors(out: &mut Exposition, meters: &[Arc<Meter>]) {
    let name = "irontail_processor_records_total";
    out.family(name, Kind::Counter, "Records by what a processor did not do with them.");
    for meter in meters {
        for (at, kind, reason, count) in meter.stages.read() {
            let [pipeline, flusher] = labels(meter);
            let at = at.to_string();
            let own = [("at", at.as_str()), ("processor", kind), ("reason", reason.as_str())];
            out.sample(name, &[pipeline, flusher, own[0], own[1], own[2]], count);
        }
    }
}

/// What rate limits did to the sources of each delivery.
fn rate_limits(out: &mut Exposition, meters: &[Arc<Meter>]) {
    let name = "irontail_rate_limit_waiting_files";
    out.family(name, Kind::Gauge, "Files that wait for a rate limit.");
    for meter in meters {
        out.sample(name, &labels(meter), meter.limits.waiting());
    }
    type Amount = fn(&Dropped) -> u64;
    let amounts: [(&str, &str, Amount); 2] = [
        (
            "irontail_rate_limit_dropped_records_total",
            "Records of a source that a rate limit dropped.",
            |dropped| dropped.records,
        ),
        (
            "irontail_rate_limit_dropped_bytes_total",
            "Raw bytes of a source that a rate limit dropped.",
            |dropped| dropped.bytes,
        ),
    ];
    for (name, help, amount) in amounts {
        out.family(name, Kind::Counter, help);
        for meter in meters {
            for ((at, source), dropped) in meter.limits.read() {
                let [pipeline, flusher] = labels(meter);
                let at = at.to_string();
                let own = [("at", at.as_str()), ("source", source.as_str())];
                out.sample(name, &[pipeline, flusher, own[0], own[1]], amount(&dropped));
            }
        }
    }
}

fn files(out: &mut Exposition, status: &Status) {
    let get = |value: &AtomicU64| value.load(Ordering::Relaxed);
    let help = "Files that are followed, rotated ones that are not finished among them.";
    out.single("irontail_files", Kind::Gauge, help, get(&status.files));
    let help = "Descriptors of followed files that are open.";
    out.single("irontail_open_files", Kind::Gauge, help, get(&status.open_files));
    let help = "Paths that a pattern matches and that are not collected.";
    out.single("irontail_skipped_paths_total", Kind::Counter, help, get(&status.skipped));
    let help = "Files and directories that cannot be opened or read now; each is tried again.";
    out.single("irontail_unreadable_files", Kind::Gauge, help, get(&status.unreadable_files));
    let help = "Files that wait because files_max files are followed.";
    out.single("irontail_left_out_files", Kind::Gauge, help, get(&status.left_out_files));
    let help = "How often a path could not be looked at.";
    out.single("irontail_unreadable_paths_total", Kind::Counter, help, get(&status.unreadable));
    let help = "Bytes of the spool on the disk.";
    out.single("irontail_spool_bytes", Kind::Gauge, help, get(&status.spool_bytes));
    let help = "Containers that are known.";
    out.single("irontail_containers", Kind::Gauge, help, get(&status.containers));
    let help = "Containers that were gone before they could be looked at.";
    let missed = get(&status.containers_missed);
    out.single("irontail_containers_missed_total", Kind::Counter, help, missed);
}

fn agent(out: &mut Exposition, status: &Status, now: Instant) {
    let help = "1 when /readyz says ready.";
    let ready = u8::from(status.readiness.missing().is_empty());
    out.single("irontail_ready", Kind::Gauge, help, ready);
    let help = "0 when the state directory dies with the container or the boot.";
    let durable = u8::from(status.readiness.holds(Condition::Durable));
    out.single("irontail_state_durable", Kind::Gauge, help, durable);
    let name = "irontail_loop_silence_seconds";
    out.family(name, Kind::Gauge, "How long a loop has not turned; 0 while it waits to deliver.");
    let mut silences = status.heartbeats.silences(now);
    // Loops of one name are one: the longest silence stands for all.
    silences.sort_by(|a, b| (&a.0, b.1).cmp(&(&b.0, a.1)));
    silences.dedup_by(|later, first| later.0 == first.0);
    for (of, silence) in silences {
        out.sample(name, &[("loop", &of)], format_args!("{:.3}", silence.as_secs_f64()));
    }
}

fn process(out: &mut Exposition, status: &Status) {
    let name = "irontail_build_info";
    out.family(name, Kind::Gauge, "Always 1; the labels tell the build.");
    out.sample(name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let help = "When the process began, in seconds since 1970.";
    let begun = format_args!("{:.3}", status.begun).to_string();
    out.single("process_start_time_seconds", Kind::Gauge, help, begun);
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // The listing itself has one open.
        let open = open.count().saturating_sub(1);
        out.single("process_open_fds", Kind::Gauge, "Open descriptors of the process.", open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_has_every_metric() {
        let reference = include_str!("../../../../../CONFIGURATION.md");
        let text = text(&Status::new(), Instant::now());
        let names: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        assert!(names.len() > Counters::table().count());
        for name in names {
            assert!(reference.contains(&format!("\n| `{name}` | ")), "{name} is missing");
        }
    }
}
