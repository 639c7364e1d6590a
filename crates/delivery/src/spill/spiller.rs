//! Into the spool: bytes whose file is about to vanish, before their descriptor is let go.
//!
//! What is taken: a file without a name whose bytes are not acknowledged a second after that was
//! seen, whether the destination is up or not; while the destination takes nothing, also files
//! that were rotated away. Everything else waits in its file.
//!
//! Order: frame, synced; then `spooled` in the journal, synced; only then does the tail hear that
//! the bytes are acknowledged and may close the descriptor.
//! Where the spool's disk fails, what was to be spooled stays in its file and is sent from there.
//! Not here: one request into the spool (`put.rs`), what is dropped when there is no room
//! (`evict.rs`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use record::OpenRequest;

use crate::clock::Now;
use crate::delivery::at_risk::key;
use crate::delivery::delivery::Delivery;
use crate::delivery::queue::FileReader;
use crate::delivery::registry::Deliveries;
use crate::meter::counters::Counter;
use crate::request::builder::{RequestBuilder, Took};
use crate::request::request::{Buffers, Request};
use crate::shutdown::{Shutdown, Stop};
use crate::spill::evict::Eviction;
use crate::spill::put::{Put, put};
use crate::stores::Stores;
use crate::threads::heartbeat;

/// How often the files at risk are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a destination takes nothing before rotated files are spooled.
const OUTAGE_MIN: Duration = Duration::from_secs(2);

/// Runs until the agent stops; then saves what has no name any more and would be gone with the
/// process.
///
/// # Errors
/// Where the journal could not be written until the time for draining was over.
pub fn spill(spiller: &mut Spiller, shutdown: &Shutdown) -> Result<(), Stop> {
    while !shutdown.stop.wait(LOOK_EVERY) {
        spiller.round(false)?;
    }
    while !spiller.round(true)? && !shutdown.deadline.wait(LOOK_EVERY) {}
    Ok(())
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spilled {
    /// There is more to do now.
    More,
    /// Everything at risk was looked at.
    All {
        /// `false` where the disk failed: it is to be tried again.
        is_saved: bool,
    },
}

/// Something to be spooled.
enum Work {
    /// A request that a sender holds, or will: as it is, under its own name.
    Open(OpenRequest, Arc<FileReader>),
    /// What no sender has read yet.
    Unread(Arc<FileReader>),
}

/// Saves what is at risk, one request a step.
pub struct Spiller {
    stores: Stores,
    deliveries: Deliveries,
    /// Those that this round looks at.
    round: Arc<[Arc<Delivery>]>,
    eviction: Eviction,
    /// Which delivery is looked at.
    at: usize,
    work: Option<VecDeque<Work>>,
    is_saved: bool,
}

impl Spiller {
    /// A spiller for these deliveries. `pinned_bytes_max`: how many bytes of deleted files may be
    /// held open when the spool is full.
    pub fn new(stores: Stores, deliveries: Deliveries, pinned_bytes_max: u64) -> Self {
        let eviction = Eviction::new(stores.clone(), deliveries.clone(), pinned_bytes_max);
        let round = deliveries.now();
        Self { stores, deliveries, round, eviction, at: 0, work: None, is_saved: true }
    }

    /// Looks at everything once. `false` where the disk failed.
    fn round(&mut self, ending: bool) -> Result<bool, Stop> {
        loop {
            heartbeat::beat();
            let now = self.stores.clock.now();
            if let Spilled::All { is_saved } = self.step(now, ending)? {
                return Ok(is_saved);
            }
        }
    }

    /// One step: a look at a delivery, a request into the spool, or the removal of segments at the
    /// end of a round. `ending`: what has no name is saved at once.
    ///
    /// # Errors
    /// As of [`spill`].
    pub fn step(&mut self, now: Now, ending: bool) -> Result<Spilled, Stop> {
        let Some(delivery) = self.round.get(self.at).cloned() else {
            self.eviction.clear()?;
            (self.round, self.at) = (self.deliveries.now(), 0);
            return Ok(Spilled::All { is_saved: std::mem::replace(&mut self.is_saved, true) });
        };
        let Some(work) = &mut self.work else {
            self.work = Some(look(&self.stores, &delivery, ending, now));
            return Ok(Spilled::More);
        };
        let put = match work.pop_front() {
            None => {
                self.work = None;
                self.at += 1;
                return Ok(Spilled::More);
            }
            Some(Work::Open(open, reader)) => self.spill_open(&delivery, &open, &reader, ending)?,
            Some(Work::Unread(reader)) => self.spill_unread(&delivery, &reader, ending, now)?,
        };
        self.is_saved &= put != Put::Failed;
        Ok(Spilled::More)
    }

    /// Whether other bytes may be dropped for those of this file.
    fn may_drop_for(&self, reader: &FileReader, ending: bool) -> bool {
        reader.inner.source().is_vanishing() && (ending || self.eviction.may_drop())
    }

    fn spill_open(
        &mut self,
        delivery: &Delivery,
        open: &OpenRequest,
        reader: &FileReader,
        ending: bool,
    ) -> Result<Put, Stop> {
        let bytes = open.bounds.len();
        if !self.eviction.has(bytes) && !self.may_drop_for(reader, ending) {
            return Ok(Put::NoRoom(0));
        }
        let raw = open.bounds.ranges.iter().map(|range| self.stores.sources.read(range));
        let raw = match raw.collect::<Result<Option<Vec<_>>, _>>() {
            Ok(Some(raw)) => raw,
            Ok(None) => return Ok(Put::Done),
            Err(error) => {
                log::debug!("{}: {error}", delivery.meter.name);
                return Ok(Put::Failed);
            }
        };
        let raw: Vec<u8> = raw.iter().flat_map(|raw| raw.iter().copied()).collect();
        let put = self.put(delivery, open, &raw, reader, ending)?;
        if put == Put::Done {
            log::debug!("{}: {bytes} bytes spooled that wait", delivery.meter.name);
        }
        Ok(put)
    }

    /// Cut as a sender would, and spooled in place of being sent. One request; the file comes again
    /// where it may have more.
    fn spill_unread(
        &mut self,
        delivery: &Delivery,
        reader: &Arc<FileReader>,
        ending: bool,
        now: Now,
    ) -> Result<Put, Stop> {
        let most = delivery.config.request_bytes_max as u64;
        if !self.eviction.has(reader.inner.unread().min(most)) && !self.may_drop_for(reader, ending)
        {
            return Ok(Put::NoRoom(0));
        }
        let (request, has_dropped) = self.cut(delivery, reader, ending, now);
        if request.bounds.is_empty() {
            if has_dropped {
                self.come_again(reader);
            }
            return Ok(Put::Done);
        }
        delivery.meter.counters.add(Counter::ReadRecords, request.records);
        let ticket = self.stores.persist(&delivery.meter, |c| c.bounds(&request.bounds))?;
        let open = OpenRequest { ticket, bounds: request.bounds.clone() };
        match self.put(delivery, &open, &request.raw, reader, ending)? {
            // No sender holds this one: the spool alone has it.
            Put::Done => drop(delivery.in_flight.release(ticket.request)),
            Put::NoRoom(_) if self.may_drop_for(reader, ending) => {
                self.eviction.drop_request(delivery, &open)?;
            }
            put => {
                delivery.send_again(vec![open]);
                return Ok(put);
            }
        }
        self.come_again(reader);
        Ok(Put::Done)
    }

    /// The file may have more.
    fn come_again(&mut self, reader: &Arc<FileReader>) {
        self.work.iter_mut().for_each(|work| work.push_front(Work::Unread(reader.clone())));
    }

    /// A request of the file, and whether a rate limit left out something of it.
    fn cut(
        &self,
        delivery: &Delivery,
        reader: &Arc<FileReader>,
        ending: bool,
        now: Now,
    ) -> (Request, bool) {
        let time = delivery.assign_time(now.unix_nanos);
        let mut builder = RequestBuilder::new(delivery, time, Buffers::default()).for_spool();
        while !builder.is_full() {
            let turn = builder.take(reader, ending, now.instant);
            turn.ready.iter().for_each(|reader| delivery.ready.offer(reader));
            self.stores.leave_out(delivery.config.key, &delivery.meter, &turn.left_out);
            match turn.took {
                Took::More => {}
                Took::All | Took::Waits | Took::Limited(_) => break,
                Took::Failed(error) => {
                    log::debug!("{}: {error}", delivery.meter.name);
                    break;
                }
            }
        }
        let has_dropped = builder.has_dropped();
        (builder.finish(), has_dropped)
    }

    /// Puts a request into the spool; for a file that may not wait, also in the place of others.
    fn put(
        &mut self,
        delivery: &Delivery,
        open: &OpenRequest,
        raw: &[u8],
        reader: &FileReader,
        ending: bool,
    ) -> Result<Put, Stop> {
        loop {
            let put = put(&self.stores, delivery, open, raw)?;
            let Put::NoRoom(needed) = put else { return Ok(put) };
            if needed == 0 || !self.may_drop_for(reader, ending) {
                return Ok(put);
            }
            let before = self.stores.spool.room();
            self.eviction.free(needed)?;
            if self.stores.spool.room() <= before {
                return Ok(put);
            }
        }
    }
}

/// What is to be spooled of a delivery now.
fn look(stores: &Stores, delivery: &Delivery, ending: bool, now: Now) -> VecDeque<Work> {
    let outage = delivery.meter.failing_for(now.instant) >= OUTAGE_MIN;
    let due = delivery.at_risk.due(outage, ending, now.instant);
    let mut work = VecDeque::new();
    if due.is_empty() {
        return work;
    }
    for open in stores.checkpoint.open_requests() {
        let is_of = |reader: &&Arc<FileReader>| {
            let key = key(reader.inner.source());
            open.bounds.ranges.iter().any(|range| (range.file, range.generation) == key)
        };
        let is_own = open.bounds.delivery == delivery.config.key;
        if let Some(reader) = due.iter().filter(|_| is_own).find(is_of).cloned() {
            work.push_back(Work::Open(open, reader));
        }
    }
    work.extend(due.into_iter().map(Work::Unread));
    work
}
