//! What the deliveries write to and read from: journal, spool, dead letter, open files.
//! A write to the journal that fails is tried again until the time for draining is over: nothing
//! goes on in memory that the journal does not have.

pub mod dead_letter;
pub mod sources;

use std::sync::Arc;
use std::time::Duration;

use checkpoint::{Checkpoint, FileSpan};
use record::{DeliveryKey, FileUid, Range};
use spool::Spool;
use tail::Unwanted;

use crate::clock::Clock;
use crate::meter::counters::LossReason;
use crate::meter::limit_counts::Dropped;
use crate::meter::meter::Meter;
use crate::shutdown::Stop;
use crate::stores::dead_letter::DeadLetter;
use crate::stores::sources::Sources;
use crate::threads::heartbeat;

/// How long to wait before the state directory is tried again.
pub(crate) const STATE_RETRY: Duration = Duration::from_millis(500);

/// What is shared by all deliveries.
#[derive(Clone)]
pub struct Stores {
    /// The journal and the state.
    pub checkpoint: Arc<Checkpoint>,
    /// Open files by uid, for reading ranges again.
    pub sources: Arc<Sources>,
    /// Requests whose files vanish.
    pub spool: Arc<Spool>,
    /// Where refused records go.
    pub dead_letter: Arc<DeadLetter>,
    /// The last journal record of the run before: requests up to it are that run's.
    pub before: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Bytes that are acknowledged without being sent.
pub struct LeftOut {
    /// The file.
    pub file: FileUid,
    /// Its generation.
    pub generation: u32,
    /// Which bytes.
    pub unwanted: Unwanted,
    /// Why.
    pub rule: Rule,
}

/// Why bytes are left out.
pub enum Rule {
    /// The reader passed over them: NULs, or the `\n` of a line that was sent without it.
    Unwanted,
    /// They are over a rate limit.
    RateLimit {
        /// Its place in `processors`.
        at: usize,
        /// Whose they are.
        source: String,
        /// How many records they hold.
        records: u64,
    },
}

impl Stores {
    /// Writes to the journal for a delivery, waiting while it cannot be written (a full disk).
    ///
    /// # Errors
    /// [`Stop::Abandoned`] when the time for draining is over.
    pub fn persist<T>(
        &self,
        meter: &Meter,
        write: impl Fn(&Checkpoint) -> Result<T, checkpoint::Error>,
    ) -> Result<T, Stop> {
        let mut has_failed = false;
        let value = self.insist(write, |error| {
            has_failed = true;
            meter.state_failed(error, self.clock.now().instant);
        })?;
        if has_failed {
            meter.state_works();
        }
        Ok(value)
    }

    /// Writes to the journal what belongs to no delivery.
    ///
    /// # Errors
    /// As of [`Stores::persist`].
    pub fn persist_alone<T>(
        &self,
        write: impl Fn(&Checkpoint) -> Result<T, checkpoint::Error>,
    ) -> Result<T, Stop> {
        let mut is_logged = false;
        self.insist(write, |error| {
            if !std::mem::replace(&mut is_logged, true) {
                log::error!("progress cannot be written, waiting: {error}");
            }
        })
    }

    fn insist<T>(
        &self,
        write: impl Fn(&Checkpoint) -> Result<T, checkpoint::Error>,
        mut failed: impl FnMut(&checkpoint::Error),
    ) -> Result<T, Stop> {
        loop {
            heartbeat::beat();
            match write(&self.checkpoint) {
                Ok(value) => return Ok(value),
                Err(error) => failed(&error),
            }
            if self.clock.pause(STATE_RETRY) {
                return Err(Stop::Abandoned);
            }
        }
    }

    /// Journals what is not wanted. Where the agent has to leave before that can be written, the
    /// next one decides again.
    pub(crate) fn leave_out(&self, delivery: DeliveryKey, meter: &Meter, left_out: &[LeftOut]) {
        for LeftOut { file, generation, unwanted: Unwanted { spans, proof }, rule } in left_out {
            let (file, generation) = (*file, *generation);
            let span = |(start, end)| FileSpan { file, generation, start, end };
            let of_file: Vec<_> = spans.iter().map(span).collect();
            let end = proof.unwrap_or_default();
            if let Rule::RateLimit { at, source, records } = rule {
                let drop = |c: &Checkpoint| c.rate_limited(delivery, &of_file, end, *records);
                if self.persist(meter, drop).is_ok() {
                    let dropped = Dropped { records: *records, bytes: spans.len() };
                    meter.rate_limited(*at, source, file, dropped);
                }
                continue;
            }
            let pass_over = |c: &Checkpoint| c.passed_over(delivery, &of_file, end);
            if self.persist(meter, pass_over).is_ok() {
                meter.counters.lose(LossReason::Unwanted, file, spans.len());
            }
        }
    }
}

/// The bytes of a range, as the journal names them.
pub fn whole(range: &Range) -> FileSpan {
    let Range { file, generation, start, end, .. } = *range;
    FileSpan { file, generation, start, end }
}

/// The answer to a request that may be closed already: the spool drops what it has no room for,
/// also while a sender holds it. `None` then.
pub(crate) fn unless_closed<T>(
    result: Result<T, checkpoint::Error>,
) -> Result<Option<T>, checkpoint::Error> {
    match result {
        Err(checkpoint::Error::UnknownRequest(_)) => Ok(None),
        result => result.map(Some),
    }
}
