//! A delivery: one flusher of one pipeline, with everything that is its own: the files that are
//! ready, those at risk, the requests left open by the last run, and how its destination fares.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flusher::{Backoff, Batch, Flusher};
use record::{DeliveryKey, OpenRequest};
use spool::Place;

use crate::delivery::at_risk::AtRisk;
use crate::delivery::in_flight::InFlight;
use crate::delivery::queue::{FileReader, ReadyQueue};
use crate::delivery::waiting::Waiting;
use crate::limit::limits::Limits;
use crate::meter::counters::Counter;
use crate::meter::meter::Meter;
use crate::records::stages::Stages;
use crate::request::interleaved::Unfinished;

/// How often a sender that shares its delivery looks for files that a rate limit lets go on.
const DELAY_LOOK: Duration = Duration::from_millis(200);

/// The key and the limits of a delivery.
pub struct DeliveryConfig {
    /// The key of its progress.
    pub key: DeliveryKey,
    /// Hash of the pipeline's configuration and of the encoder's version.
    pub encoding: u64,
    /// Raw bytes in a request, at most, but for a single longer record.
    pub request_bytes_max: usize,
    /// How long it waits between tries.
    pub backoff: Backoff,
    /// When what is ready is enough for a request.
    pub batch: Batch,
    /// Whether a request's bounds are synced before its first byte is sent.
    pub sync_before_send: bool,
    /// How many senders it has.
    pub concurrency: usize,
}

/// One flusher of one pipeline at work.
pub struct Delivery {
    /// Its key and its limits.
    pub config: DeliveryConfig,
    /// What becomes of its records before they are encoded.
    pub stages: Stages,
    /// How much of its sources it may collect in a second.
    pub(crate) limits: Limits,
    /// The destination.
    pub flusher: Box<dyn Flusher>,
    /// The files that have bytes for it.
    pub ready: ReadyQueue,
    /// Its files that wait for a rate limit.
    waiting: Waiting,
    /// Its files that are about to vanish.
    pub at_risk: AtRisk,
    /// What it shows of itself.
    pub meter: Arc<Meter>,
    /// How far its frames in the spool have been handed to its senders.
    pub(crate) handed_out: Mutex<Option<Place>>,
    pub(crate) in_flight: InFlight,
    /// Lines of container output whose records are not ended.
    pub(crate) unfinished: Unfinished,
    last_time: AtomicI64,
    last_cut: Mutex<Option<Cut>>,
    resends: Mutex<VecDeque<OpenRequest>>,
    /// Requests whose files cannot be read now, and when they are tried again.
    postponed: Mutex<Vec<(Instant, OpenRequest)>>,
}

/// When the last request of ready files was cut, and whether it was full.
struct Cut {
    at: Instant,
    is_full: bool,
}

impl Delivery {
    /// A delivery whose destination is taken to be up. `last_time` is the greatest timestamp
    /// that it ever assigned, in nanoseconds since 1970.
    pub fn new(
        config: DeliveryConfig,
        meter: Meter,
        flusher: Box<dyn Flusher>,
        last_time: i64,
    ) -> Self {
        Self {
            config,
            stages: Stages::default(),
            limits: Limits::default(),
            waiting: Waiting::default(),
            flusher,
            ready: ReadyQueue::new(),
            at_risk: AtRisk::default(),
            meter: Arc::new(meter),
            handed_out: Mutex::default(),
            in_flight: InFlight::default(),
            unfinished: Unfinished::default(),
            last_time: AtomicI64::new(last_time),
            last_cut: Mutex::default(),
            resends: Mutex::default(),
            postponed: Mutex::default(),
        }
    }

    /// The same delivery with processors.
    #[must_use]
    pub fn with_stages(self, stages: Stages) -> Self {
        Self { stages, ..self }
    }

    /// The same delivery with rate limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Leaves a file unread until `due`, as a rate limit says.
    pub(crate) fn delay(&self, reader: &Arc<FileReader>, due: Instant) {
        if let Some(waiting) = self.waiting.add(reader, due) {
            self.meter.delayed(reader.inner.source().logical(), waiting);
        }
    }

    /// Offers the files that a rate limit lets go on. How long to wait for the next one, at most.
    pub(crate) fn end_delays(&self, now: Instant) -> Option<Duration> {
        if self.limits.is_empty() {
            return None;
        }
        let (due, waiting, next) = self.waiting.take_due(now);
        due.iter().for_each(|reader| self.ready.offer(reader));
        self.meter.limits.show_waiting(waiting);
        let next = next.map(|next| next.saturating_duration_since(now));
        // Another sender may let a file wait, and be busy when it is due.
        let look = (self.config.concurrency > 1).then_some(DELAY_LOOK);
        next.into_iter().chain(look).min()
    }

    /// The timestamp of a request that is cut at `now` (nanoseconds since 1970): never less
    /// than an earlier one, whatever the wall clock does; but one that is far ahead of it came
    /// from a clock that was wrong.
    pub fn assign_time(&self, now: i64) -> i64 {
        let last = self.last_time.load(Ordering::Acquire);
        if record::is_clock_wrong(last, now) {
            let order = Ordering::AcqRel;
            if self.last_time.compare_exchange(last, now, order, Ordering::Acquire).is_ok() {
                self.meter.counters.add(Counter::ClockCorrected, 1);
                log::warn!(
                    "{}: the last timestamp is {} s ahead of the clock, which was wrong then or is \
                     wrong now: timestamps start again from now",
                    self.meter.name,
                    (last - now) / 1_000_000_000
                );
            }
        }
        self.last_time.fetch_max(now, Ordering::AcqRel).max(now)
    }

    /// How much longer the next request waits for its bytes; `None`: it may be cut now. After a
    /// full one there is more.
    pub(crate) fn batch_wait(&self, now: Instant) -> Option<Duration> {
        let DeliveryConfig { batch, request_bytes_max, .. } = &self.config;
        if batch.timeout.is_zero() {
            return None;
        }
        let last = self.last_cut.lock().expect("no holder panics");
        let last = last.as_ref().filter(|cut| !cut.is_full)?;
        let since = now.saturating_duration_since(last.at);
        let waiting = self.meter.lag.get().map(|behind| behind.bytes);
        batch.wait(waiting, *request_bytes_max as u64, Some(since))
    }

    /// Notes that a request of ready files was cut.
    pub(crate) fn note_cut(&self, at: Instant, is_full: bool) {
        *self.last_cut.lock().expect("no holder panics") = Some(Cut { at, is_full });
    }

    /// Hands over the requests that the last run left open, oldest first.
    pub fn leave_open(&self, requests: Vec<OpenRequest>) {
        *self.resends.lock().expect("no holder panics") = requests.into();
    }

    /// The next request to send again.
    pub(crate) fn next_resend(&self, now: Instant) -> Option<OpenRequest> {
        let mut resends = self.resends.lock().expect("no holder panics");
        let mut postponed = self.postponed.lock().expect("no holder panics");
        if !postponed.is_empty() {
            let due = postponed.extract_if(.., |(due, _)| now >= *due);
            resends.extend(due.map(|(_, open)| open));
        }
        resends.pop_front()
    }

    /// Puts a request back that cannot be read before `due`.
    pub(crate) fn resend_later(&self, request: OpenRequest, due: Instant) {
        self.postponed.lock().expect("no holder panics").push((due, request));
    }

    /// Puts requests back that the destination has forgotten, before all others.
    pub(crate) fn send_again(&self, requests: Vec<OpenRequest>) {
        let mut resends = self.resends.lock().expect("no holder panics");
        for open in requests.into_iter().rev() {
            resends.push_front(open);
        }
    }
}
