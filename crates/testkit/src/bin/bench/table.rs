//! The outcome as two Markdown tables.

use std::fmt;
use std::time::Duration;

use crate::args::Args;
use crate::throughput::Figures;

/// Rows that have come together.
pub struct Table {
    head: String,
    throughput: Vec<String>,
    rest: Vec<String>,
}

impl Table {
    /// One without rows.
    pub fn new(args: &Args) -> Self {
        let runs = args.runs;
        let kind = if args.quick { "a smoke run: no figure of it counts" } else { "full" };
        Self {
            head: format!("{}; median of {runs} (min..max); {kind}", machine()),
            throughput: Vec::new(),
            rest: Vec::new(),
        }
    }

    /// The runs of one corpus to one destination.
    pub fn throughput(&mut self, what: &str, runs: &[Figures]) {
        let column = |value: fn(&Figures) -> f64| spread(runs.iter().map(value).collect());
        let row = format!(
            "| {what} | {} | {} | {} |",
            column(|run| run.per_cpu_second),
            column(|run| run.per_second),
            column(|run| run.rss_mib)
        );
        eprintln!("{row}");
        self.throughput.push(row);
    }

    /// What a bare loop makes of the same corpus.
    pub fn bare(&mut self, what: &str, per_cpu_second: Vec<f64>) {
        let row = format!("| {what}, a bare loop | {} | - | - |", spread(per_cpu_second));
        eprintln!("{row}");
        self.throughput.push(row);
    }

    /// CPU seconds a minute and MiB over idle files.
    pub fn idle(&mut self, args: &Args, (cpu, rss_mib): (f64, f64)) {
        let files = args.idle_files();
        self.rest.push(format!("| {files} idle files, CPU seconds a minute | {cpu:.2} |"));
        self.rest.push(format!("| {files} idle files, peak RSS MiB | {rss_mib:.0} |"));
    }

    /// From writing to arrival.
    pub fn latency(&mut self, args: &Args, (p50, p99): (Duration, Duration)) {
        let lines = args.latency_lines();
        let row = format!("| 10 lines a second over HTTP, latency p50, p99 of {lines} lines |");
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        self.rest.push(format!("{row} {:.1} ms, {:.1} ms |", millis(p50), millis(p99)));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.head)?;
        writeln!(f, "| what | MB per CPU-second | MB/s by the clock | peak RSS MiB |")?;
        writeln!(f, "|---|---|---|---|")?;
        self.throughput.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(f, "\n| what | figure |")?;
        writeln!(f, "|---|---|")?;
        self.rest.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

/// `median (min..max)`
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (min, max) = (values[0], values[values.len() - 1]);
    format!("{:.0} ({min:.0}..{max:.0})", values[values.len() / 2])
}

/// The processor and how many of it.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|rest| rest.split(": ").nth(1)).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} × {model}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_stands_before_its_spread() {
        assert_eq!(super::spread(vec![3.0, 1.4, 2.0]), "2 (1..3)");
    }
}
