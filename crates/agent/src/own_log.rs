//! The agent's own log: to standard error, as `RUST_LOG` asks.
//! Promise: no secret is in it, at any level. What the libraries below log is capped at `warn`,
//! because at the levels below that they print whole requests with their headers (passwords,
//! tokens) and answers of the Docker engine (environments of containers).

use log::{LevelFilter, Log, Metadata, Record};

use crate::log_line;

/// The crates whose messages are the agent's own.
const OWN: [&str; 11] = [
    "irontail",
    "checkpoint",
    "container",
    "delivery",
    "disk",
    "flusher",
    "process",
    "record",
    "settings",
    "spool",
    "tail",
];

/// Begins logging. Called once, before anything is logged.
pub fn begin() {
    let default = env_logger::Env::default().default_filter_or("info");
    let inner = env_logger::Builder::from_env(default).format(log_line::write).build();
    let level = inner.filter();
    if log::set_boxed_logger(Box::new(Capped(inner))).is_ok() {
        log::set_max_level(level);
    }
}

struct Capped(env_logger::Logger);

impl Log for Capped {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_allowed(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if is_allowed(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn is_allowed(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let name = target.split("::").next().unwrap_or(target);
    OWN.contains(&name) || metadata.level() <= LevelFilter::Warn
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn only_our_own_crates_may_be_talkative() {
        let allowed = |target: &str, level| {
            is_allowed(&Metadata::builder().target(target).level(level).build())
        };
        for target in ["irontail", "irontail::send", "flusher::http::client", "container"] {
            assert!(allowed(target, Level::Trace), "{target}");
        }
        for target in ["ureq", "ureq_proto::client", "rustls::conn", "flusherx", "", "irontail2"] {
            assert!(!allowed(target, Level::Info), "{target}");
            assert!(allowed(target, Level::Warn), "{target}");
        }
    }
}
