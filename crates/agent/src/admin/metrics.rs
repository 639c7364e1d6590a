//! What /metrics tells: the counters and the lag of every delivery, and how the agent is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::exposition::{Exposition, Kind};
use crate::account::COUNTS;
use crate::board::Board;
use crate::delivery::Delivery;
use crate::readiness::Condition;

/// The metrics now.
pub fn text(board: &Board, now: Instant) -> String {
    let mut out = Exposition::default();
    let deliveries = board.deliveries.get().map_or(&[][..], Vec::as_slice);
    counters(&mut out, deliveries);
    lags(&mut out, deliveries, now);
    files(&mut out, board);
    agent(&mut out, board, now);
    process(&mut out, board);
    out.into_text()
}

fn labels(delivery: &Delivery) -> [(&'static str, &str); 2] {
    [("pipeline", &delivery.terms.pipeline), ("flusher", &delivery.terms.flusher)]
}

fn counters(out: &mut Exposition, deliveries: &[Arc<Delivery>]) {
    let values: Vec<Vec<u64>> = deliveries
        .iter()
        .map(|delivery| delivery.account.read().map(|(_, value)| value).collect())
        .collect();
    for (at, (name, help)) in COUNTS.iter().enumerate() {
        let name = format!("irontail_{name}_total");
        out.family(&name, Kind::Counter, help);
        for (delivery, values) in deliveries.iter().zip(&values) {
            out.sample(&name, &labels(delivery), values[at]);
        }
    }
}

/// Nothing is said of a delivery before its files have been looked at: 0 would be wrong.
fn lags(out: &mut Exposition, deliveries: &[Arc<Delivery>], now: Instant) {
    let known: Vec<_> =
        deliveries.iter().filter_map(|delivery| Some((delivery, delivery.lag.get()?))).collect();
    let name = "irontail_lag_bytes";
    out.family(name, Kind::Gauge, "Bytes in files that are not acknowledged.");
    for (delivery, behind) in &known {
        out.sample(name, &labels(delivery), behind.bytes);
    }
    let name = "irontail_oldest_unacknowledged_seconds";
    out.family(name, Kind::Gauge, "Age of the oldest of these bytes, since this run saw it.");
    for (delivery, behind) in &known {
        out.sample(name, &labels(delivery), format_args!("{:.3}", behind.age(now).as_secs_f64()));
    }
    let name = "irontail_spool_waiting_bytes";
    out.family(name, Kind::Gauge, "Bytes of frames in the spool that wait for the destination.");
    for (delivery, behind) in &known {
        out.sample(name, &labels(delivery), behind.spooled_bytes);
    }
    let name = "irontail_destination_failing_seconds";
    out.family(name, Kind::Gauge, "How long every try has failed; 0 while the destination works.");
    for delivery in deliveries {
        let failing = delivery.failing_for(now).as_secs_f64();
        out.sample(name, &labels(delivery), format_args!("{failing:.3}"));
    }
}

fn files(out: &mut Exposition, board: &Board) {
    let get = |value: &AtomicU64| value.load(Ordering::Relaxed);
    let help = "Files that are followed, rotated ones that are not finished among them.";
    out.single("irontail_files", Kind::Gauge, help, get(&board.files));
    let help = "Descriptors of followed files that are open.";
    out.single("irontail_open_files", Kind::Gauge, help, get(&board.open_files));
    let help = "Paths that a pattern matches and that are not collected.";
    out.single("irontail_skipped_paths_total", Kind::Counter, help, get(&board.skipped));
    let help = "How often a path could not be looked at.";
    out.single("irontail_unreadable_paths_total", Kind::Counter, help, get(&board.unreadable));
    let help = "Bytes of the spool on the disk.";
    out.single("irontail_spool_bytes", Kind::Gauge, help, get(&board.spool_bytes));
    let help = "Containers that are known.";
    out.single("irontail_containers", Kind::Gauge, help, get(&board.containers));
    let help = "Containers that were gone before they could be looked at.";
    let missed = get(&board.containers_missed);
    out.single("irontail_containers_missed_total", Kind::Counter, help, missed);
}

fn agent(out: &mut Exposition, board: &Board, now: Instant) {
    let help = "1 when /readyz says ready.";
    let ready = u8::from(board.readiness.missing().is_empty());
    out.single("irontail_ready", Kind::Gauge, help, ready);
    let help = "0 when the state directory dies with the container or the boot.";
    let durable = u8::from(board.readiness.holds(Condition::Durable));
    out.single("irontail_state_durable", Kind::Gauge, help, durable);
    let name = "irontail_loop_silence_seconds";
    out.family(name, Kind::Gauge, "How long a loop has not turned; 0 while it waits to deliver.");
    let mut silences = board.pulses.silences(now);
    // Loops of one name are one: the longest silence stands for all.
    silences.sort_by(|a, b| (&a.0, b.1).cmp(&(&b.0, a.1)));
    silences.dedup_by(|later, first| later.0 == first.0);
    for (of, silence) in silences {
        out.sample(name, &[("loop", &of)], format_args!("{:.3}", silence.as_secs_f64()));
    }
}

fn process(out: &mut Exposition, board: &Board) {
    let name = "irontail_build_info";
    out.family(name, Kind::Gauge, "Always 1; the labels tell the build.");
    out.sample(name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let help = "When the process began, in seconds since 1970.";
    let begun = format_args!("{:.3}", board.begun).to_string();
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
        let reference = include_str!("../../../../CONFIGURATION.md");
        let text = text(&Board::new(), Instant::now());
        let names: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        assert!(names.len() > COUNTS.len());
        for name in names {
            assert!(reference.contains(&format!("\n| `{name}` | ")), "{name} is missing");
        }
    }
}
