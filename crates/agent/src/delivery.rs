//! A delivery: one flusher of one pipeline, with everything that is its own: the cursors that are
//! ready, the requests left open by the last run, and how its destination fares.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use flusher::{Backoff, Flusher};
use record::{DeliveryKey, OpenRequest};

use crate::account::Account;
use crate::lag::Lag;
use crate::ready::Ready;
use crate::spill::Endangered;
use crate::unspool::Draining;

/// What identifies and limits a delivery.
pub struct Terms {
    /// Its cursors' key.
    pub key: DeliveryKey,
    /// `pipeline/flusher`, for the agent's log.
    pub name: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The flusher's name in it.
    pub flusher: String,
    /// Hash of the pipeline's configuration and of the encoder's version.
    pub encoding: u64,
    /// Raw bytes in a request, at most, but for a single longer record.
    pub request_bytes_max: usize,
    /// How long it waits between tries.
    pub backoff: Backoff,
    /// Whether a request's bounds are synced before its first byte goes out.
    pub sync_before_send: bool,
    /// How many senders it has.
    pub concurrency: usize,
}

/// One flusher of one pipeline at work.
pub struct Delivery {
    /// What identifies and limits it.
    pub terms: Terms,
    /// The destination.
    pub flusher: Box<dyn Flusher>,
    /// The files that have bytes for it.
    pub ready: Ready,
    /// Its files that are about to vanish.
    pub endangered: Endangered,
    /// How far its frames in the spool have been handed out.
    pub draining: Draining,
    /// What was counted.
    pub account: Account,
    /// How far it is behind its files.
    pub lag: Lag,
    last_time: AtomicI64,
    resends: Mutex<VecDeque<OpenRequest>>,
    outage: Mutex<Option<Outage>>,
    /// When it was said that the state cannot be written.
    trouble: Mutex<Option<Instant>>,
}

struct Outage {
    since: Instant,
    said: Option<Instant>,
}

/// A single failure is no news: an outage is said when it has lasted this long.
const OUTAGE_SAID_AFTER: Duration = Duration::from_secs(1);
/// ... and then this often.
const OUTAGE_SAID_EVERY: Duration = Duration::from_secs(60);

impl Delivery {
    /// A delivery whose destination is taken to be up. `last_time` is the greatest timestamp
    /// that it ever assigned, in nanoseconds since 1970.
    pub fn new(terms: Terms, flusher: Box<dyn Flusher>, last_time: i64) -> Self {
        Self {
            terms,
            flusher,
            ready: Ready::new(),
            endangered: Endangered::default(),
            draining: Draining::default(),
            account: Account::default(),
            lag: Lag::default(),
            last_time: AtomicI64::new(last_time),
            resends: Mutex::default(),
            outage: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    /// The timestamp of a request that is cut at `now` (nanoseconds since 1970): never less
    /// than an earlier one, whatever the wall clock does.
    pub fn assign_time(&self, now: i64) -> i64 {
        self.last_time.fetch_max(now, Ordering::AcqRel).max(now)
    }

    /// Hands over the requests that the last run left open, oldest first.
    pub fn leave_open(&self, requests: Vec<OpenRequest>) {
        *self.resends.lock().expect("no holder panics") = requests.into();
    }

    /// The next request to send again.
    pub fn next_resend(&self) -> Option<OpenRequest> {
        self.resends.lock().expect("no holder panics").pop_front()
    }

    /// Puts requests back that the destination has forgotten, before all others.
    pub fn send_again(&self, requests: Vec<OpenRequest>) {
        let mut resends = self.resends.lock().expect("no holder panics");
        for open in requests.into_iter().rev() {
            resends.push_front(open);
        }
    }

    /// Notes that a try failed; an outage is said after a second and then once a minute. How long
    /// it has been failing.
    pub fn failed(&self, reason: &str, now: Instant) -> Duration {
        let mut outage = self.outage.lock().expect("no holder panics");
        let outage = outage.get_or_insert(Outage { since: now, said: None });
        let failing = now.saturating_duration_since(outage.since);
        let due = match outage.said {
            None => failing >= OUTAGE_SAID_AFTER,
            Some(said) => now.saturating_duration_since(said) >= OUTAGE_SAID_EVERY,
        };
        if due {
            outage.said = Some(now);
            let (name, seconds) = (&self.terms.name, failing.as_secs());
            log::warn!("{name}: {reason}; failing for {seconds} s, retrying, nothing is lost");
        }
        failing
    }

    /// How long its destination has been failing; zero while it works.
    pub fn failing_for(&self, now: Instant) -> Duration {
        let outage = self.outage.lock().expect("no holder panics");
        outage.as_ref().map_or(Duration::ZERO, |outage| now.saturating_duration_since(outage.since))
    }

    /// Notes that the state directory or the spool could not be used: said at once and then once
    /// a minute, whatever the destination does.
    pub fn say_state(&self, error: &dyn std::error::Error) {
        let now = Instant::now();
        let mut said = self.trouble.lock().expect("no holder panics");
        if said.is_none_or(|said| now.saturating_duration_since(said) >= OUTAGE_SAID_EVERY) {
            *said = Some(now);
            let name = &self.terms.name;
            log::error!("{name}: progress cannot be written, waiting: {error}; nothing is lost");
        }
    }

    /// Notes that the state directory can be used again.
    pub fn state_works(&self) {
        if self.trouble.lock().expect("no holder panics").take().is_some() {
            log::info!("{}: progress can be written again", self.terms.name);
        }
    }

    /// Notes that the destination answered.
    pub fn answered(&self, now: Instant) {
        let mut outage = self.outage.lock().expect("no holder panics");
        if let Some(outage) = outage.take().filter(|outage| outage.said.is_some()) {
            let failing = now.saturating_duration_since(outage.since);
            log::info!("{}: works again after {:.1} s", self.terms.name, failing.as_secs_f64());
        }
    }
}
