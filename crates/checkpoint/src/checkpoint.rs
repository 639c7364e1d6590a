//! The one owner of progress: every change is journaled, then applied, under one lock.
//! Invariant: what the state says is in the journal; an append that fails changes nothing. Nobody
//! who appends waits for a sync or a snapshot: both take what they need under the lock and do
//! their work outside it.
//! A kill at any moment loses nothing that a method returned from; a loss of power nothing that
//! was synced. Not here: what an entry does (`fold.rs`), the write itself (`append.rs`).

use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, MutexGuard};

use disk::Disk;
use record::{
    Anchor, Bounds, DeliveryKey, FileSeen, FileUid, NodeId, OpenRequest, Progress,
    REQUEST_RANGES_MAX, RequestId, Ticket, UNPROVEN,
};

use crate::gate::Gate;
use crate::journal::append::Journal;
use crate::journal::codec::{Cut, Entry};
use crate::state::values::State;
use crate::{Error, FileSpan, Options, Place, RateLimited};

/// Which progress is known, and the only way to change it.
pub struct Checkpoint {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) place: Place,
    core: Mutex<Core>,
    pub(crate) gate: Gate,
    pub(crate) is_degraded: AtomicBool,
    pub(crate) written: Mutex<Written>,
    pub(crate) boot_id: String,
    pub(crate) now_unix_nanos: AtomicI64,
}

/// What the newest snapshot says; held while one is written.
pub(crate) struct Written {
    pub boot_id: String,
    pub sequence: u64,
}

/// The state and the journal that leads to it.
pub(crate) struct Core {
    pub state: State,
    pub journal: Journal,
    /// Why nothing can be appended now.
    pub suspended: Option<&'static str>,
    /// Whether nothing can be appended any more.
    pub is_stopped: bool,
}

impl Core {
    /// Journals an entry and applies it.
    pub(crate) fn append(&mut self, entry: Entry) -> Result<u64, Error> {
        if self.is_stopped {
            return Err(Error::Suspended("the agent has written its last snapshot"));
        }
        if let Some(why) = self.suspended {
            return Err(Error::Suspended(why));
        }
        let sequence = self.journal.append(&entry, self.state.requests.len())?;
        self.state.apply(sequence, entry);
        Ok(sequence)
    }

    /// The same for an answer to requests that have to be open.
    fn answer(&mut self, requests: &[RequestId], entry: Entry) -> Result<u64, Error> {
        match requests.iter().find(|id| !self.state.requests.contains_key(id)) {
            Some(unknown) => Err(Error::UnknownRequest(*unknown)),
            None => self.append(entry),
        }
    }
}

impl Checkpoint {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: &Options,
        state: State,
        journal: Journal,
        boot_noted: String,
    ) -> Self {
        Self {
            disk,
            place: options.place.clone(),
            gate: Gate::new(journal.last()),
            core: Mutex::new(Core { state, journal, suspended: None, is_stopped: false }),
            is_degraded: AtomicBool::new(false),
            written: Mutex::new(Written { boot_id: boot_noted, sequence: 0 }),
            boot_id: options.boot_id.clone(),
            now_unix_nanos: AtomicI64::new(options.now_unix_nanos),
        }
    }

    /// The node's id.
    pub fn node_id(&self) -> NodeId {
        self.core().journal.stamp().node
    }

    /// Notes where a generation of a file is and how it begins: at first sight, after a rename,
    /// after a copytruncate (same uid and generation, identity of the copy), as its head grows.
    /// Nothing is written if nothing changed.
    pub fn see(&self, file: &FileSeen) -> Result<(), Error> {
        let mut core = self.core();
        let known = core.state.files.get((file.uid, file.generation));
        let known = known.filter(|known| !known.is_missed && known.gone_at.is_none());
        if known.and_then(|known| known.seen.as_ref()).is_some_and(|seen| seen.is(file)) {
            return Ok(());
        }
        core.append(Entry::Seen { file: file.clone() }).map(drop)
    }

    /// Begins generation `seen.generation` of a file in one step: for each delivery in `keep`
    /// the bytes below its offset count as acknowledged, with the anchors of the generation
    /// before; every other delivery starts at 0.
    pub fn begin_generation(
        &self,
        seen: &FileSeen,
        keep: &[(DeliveryKey, u64)],
    ) -> Result<(), Error> {
        self.append(Entry::Generation { seen: seen.clone(), keep: keep.to_vec() }).map(drop)
    }

    /// Forgets a file that is gone, all generations of it.
    pub fn drop_file(&self, uid: FileUid) -> Result<(), Error> {
        self.append(Entry::Drop { uid, generation: None }).map(drop)
    }

    /// Forgets one generation of a file.
    pub fn drop_generation(&self, uid: FileUid, generation: u32) -> Result<(), Error> {
        self.append(Entry::Drop { uid, generation: Some(generation) }).map(drop)
    }

    /// A delivery begins with a generation of a file; bytes below `start` are not wanted by it:
    /// they count as acknowledged.
    pub fn baseline(
        &self,
        delivery: DeliveryKey,
        uid: FileUid,
        generation: u32,
        start: u64,
    ) -> Result<(), Error> {
        self.append(Entry::Baseline { delivery, uid, generation, start }).map(drop)
    }

    /// The same where what stands before the start is known: after a loss of power it tells whether
    /// the bytes before the start are still those that were not wanted.
    pub fn proven_baseline(
        &self,
        delivery: DeliveryKey,
        uid: FileUid,
        generation: u32,
        start: Anchor,
    ) -> Result<(), Error> {
        let Anchor { offset: start, hash } = start;
        self.append(Entry::ProvenBaseline { delivery, uid, generation, start, hash }).map(drop)
    }

    /// The bytes of a generation from `offset` on are not what was read of it: they count as
    /// acknowledged by no delivery any more.
    pub fn take_back(&self, uid: FileUid, generation: u32, offset: u64) -> Result<(), Error> {
        self.append(Entry::Rewind { uid, generation, offset }).map(drop)
    }

    /// A rule leaves these bytes out of a delivery: they count as acknowledged. Nothing changes
    /// for a file that is not known.
    pub fn unwanted(&self, delivery: DeliveryKey, spans: &[FileSpan]) -> Result<(), Error> {
        self.append(Entry::Unwanted { delivery, spans: spans.to_vec() }).map(drop)
    }

    /// A reader passed over these bytes of one file, in order: they count as acknowledged. `end`
    /// proves the place where the last of them ends. Nothing changes for a file that is not known.
    pub fn passed_over(
        &self,
        delivery: DeliveryKey,
        spans: &[FileSpan],
        end: Anchor,
    ) -> Result<(), Error> {
        match proof(spans, end) {
            UNPROVEN => self.unwanted(delivery, spans),
            hash => {
                let spans = spans.to_vec();
                self.append(Entry::PassedOver { delivery, spans, hash }).map(drop)
            }
        }
    }

    /// A rate limit leaves out these bytes of one file, which are so many records: as
    /// [`Checkpoint::passed_over`], and counted.
    pub fn rate_limited(
        &self,
        delivery: DeliveryKey,
        spans: &[FileSpan],
        end: Anchor,
        records: u64,
    ) -> Result<(), Error> {
        let (spans, hash) = (spans.to_vec(), proof(spans, end));
        self.append(Entry::RateLimited { delivery, spans, hash, records }).map(drop)
    }

    /// What rate limits have left out of a delivery, ever.
    pub fn rate_limited_of(&self, delivery: DeliveryKey) -> RateLimited {
        self.core().state.delivery(delivery).rate_limited
    }

    /// It was reported that a generation is nowhere, with what it takes along. Forgotten when it
    /// is seen again.
    pub fn missed(&self, uid: FileUid, generation: u32) -> Result<(), Error> {
        self.append(Entry::Missed { uid, generation }).map(drop)
    }

    /// Whether [`Checkpoint::missed`] was called for a generation that was not seen since.
    pub fn is_missed(&self, uid: FileUid, generation: u32) -> bool {
        self.core().state.files.get((uid, generation)).is_some_and(|file| file.is_missed)
    }

    /// The file of a generation is followed no more since `at` (seconds since 1970). Forgotten when
    /// it is seen again; nothing changes where it is known since when, or the file is not.
    pub fn gone(&self, uid: FileUid, generation: u32, at: i64) -> Result<(), Error> {
        let mut core = self.core();
        match core.state.files.get((uid, generation)) {
            Some(file) if file.gone_at.is_none() => {
                core.append(Entry::Gone { uid, generation, at }).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// What [`Checkpoint::gone`] was told of a generation that was not seen since.
    pub fn gone_at(&self, uid: FileUid, generation: u32) -> Option<i64> {
        self.core().state.files.get((uid, generation))?.gone_at
    }

    /// Every file that existed at the delivery's first start has its baseline.
    pub fn baseline_complete(&self, delivery: DeliveryKey) -> Result<(), Error> {
        self.append(Entry::BaselineComplete { delivery }).map(drop)
    }

    /// Whether [`Checkpoint::baseline_complete`] was called for this delivery, ever.
    pub fn is_baseline_complete(&self, delivery: DeliveryKey) -> bool {
        self.core().state.delivery(delivery).is_baseline_complete
    }

    /// The first listing after a takeover from iLogtail, or after a loss of state, is done: its
    /// files have their baselines. What iLogtail left and the policy are not needed any more.
    pub fn forget_foreign(&self) -> Result<(), Error> {
        let mut core = self.core();
        if core.state.foreign.is_empty() && core.state.lost.is_none() {
            return Ok(());
        }
        core.append(Entry::ForgetForeign {}).map(drop)
    }

    /// Journals a request before its first byte goes out.
    ///
    /// # Errors
    /// [`Error::NoSpace`] already while there is still room for the answers of what is open.
    pub fn bounds(&self, bounds: &Bounds) -> Result<Ticket, Error> {
        check_bounds(bounds)?;
        let cut = Cut::new(bounds);
        let key = cut.key;
        let request = RequestId(self.append(Entry::Bounds { cut })?);
        Ok(Ticket { request, key })
    }

    /// The destination took these requests; `receipt` is what it gave for them (empty: none),
    /// kept as the last one of their deliveries.
    pub fn taken(&self, requests: &[RequestId], receipt: &[u8]) -> Result<(), Error> {
        let entry = Entry::Taken { requests: requests.to_vec(), receipt: receipt.to_vec() };
        self.core().answer(requests, entry).map(drop)
    }

    /// What a delivery's destination gave without having taken anything: kept as its last one.
    pub fn keep_receipt(&self, delivery: DeliveryKey, receipt: &[u8]) -> Result<(), Error> {
        self.append(Entry::Receipt { delivery, receipt: receipt.to_vec() }).map(drop)
    }

    /// The requests that are journaled and not answered, in the order in which they were cut;
    /// those that lie in the spool are not among them.
    pub fn open_requests(&self) -> Vec<OpenRequest> {
        let core = self.core();
        let open = core.state.requests.iter().filter(|(_, request)| request.spool.is_none());
        open.map(|(id, request)| request.to_open(*id)).collect()
    }

    /// Whether a request is journaled, not answered, and not in the spool.
    pub fn is_open(&self, request: RequestId) -> bool {
        self.core().state.requests.get(&request).is_some_and(|request| request.spool.is_none())
    }

    /// Whether nothing waits for an answer to a request any more.
    pub fn is_settled(&self, request: RequestId) -> bool {
        !self.core().state.requests.contains_key(&request)
    }

    /// The requests that lie in the spool at this place: one, or what is left of the parts that
    /// it was split into.
    pub fn spooled_at(&self, segment: u64, position: u64) -> Vec<OpenRequest> {
        self.spooled_within(segment, position..position + 1)
    }

    /// The requests whose frames begin within these bytes of a spool segment.
    pub fn spooled_within(
        &self,
        segment: u64,
        positions: std::ops::Range<u64>,
    ) -> Vec<OpenRequest> {
        let core = self.core();
        let is_there = |(of, position): (u64, u64)| of == segment && positions.contains(&position);
        let there = core.state.requests.iter().filter(|(_, r)| r.spool.is_some_and(is_there));
        there.map(|(id, request)| request.to_open(*id)).collect()
    }

    /// These bytes of a request were refused for good. When all of it is, the request is
    /// settled; otherwise [`Checkpoint::taken`] settles the rest.
    pub fn refused(&self, request: RequestId, spans: &[FileSpan]) -> Result<(), Error> {
        let entry = Entry::Refused { request, spans: spans.to_vec() };
        self.core().answer(&[request], entry).map(drop)
    }

    /// Replaces a request by smaller ones, in one step, before any of them is sent. One that
    /// lies in the spool leaves its children there.
    pub fn split(&self, request: RequestId, children: &[Bounds]) -> Result<Vec<Ticket>, Error> {
        if children.is_empty() {
            return Err(Error::Invalid("a request is split into nothing"));
        }
        self.replace(request, children, |children| Entry::Split { request, children })
    }

    /// Ends a request that cannot be sent again as it was, in one step: what survives goes
    /// under new bounds, `lost` counts as acknowledged, the rest is unread again. A request whose
    /// frame is missing from the spool ends without survivors: the frame is remembered, in case
    /// its segment comes back ([`crate::Recovery::lost_frames`]).
    pub fn close_request(
        &self,
        request: RequestId,
        survivors: &[Bounds],
        lost: &[FileSpan],
    ) -> Result<Vec<Ticket>, Error> {
        let lost = lost.to_vec();
        self.replace(request, survivors, |survivors| Entry::Closed { request, survivors, lost })
    }

    fn replace(
        &self,
        request: RequestId,
        bounds: &[Bounds],
        entry: impl FnOnce(Vec<Cut>) -> Entry,
    ) -> Result<Vec<Ticket>, Error> {
        bounds.iter().try_for_each(check_bounds)?;
        let cuts: Vec<Cut> = bounds.iter().map(Cut::new).collect();
        let keys: Vec<_> = cuts.iter().map(|cut| cut.key).collect();
        let first = self.core().answer(&[request], entry(cuts))?;
        let tickets = (first..).zip(keys);
        Ok(tickets.map(|(id, key)| Ticket { request: RequestId(id), key }).collect())
    }

    /// The request's frame is durable in the spool; so is this when it returns.
    pub fn spooled(&self, request: RequestId, segment: u64, position: u64) -> Result<(), Error> {
        let entry = Entry::Spooled { request, segment, position };
        let sequence = self.core().answer(&[request], entry)?;
        self.sync_through(sequence)
    }

    /// Spool segments below `segment` are gone, durably: their acks can be forgotten.
    pub fn spool_lowest(&self, segment: u64) -> Result<(), Error> {
        self.append(Entry::SpoolLowest { segment }).map(drop)
    }

    /// How far a delivery is with a generation of a file; empty for unknown ones.
    pub fn progress(&self, delivery: DeliveryKey, uid: FileUid, generation: u32) -> Progress {
        let core = self.core();
        let file = core.state.files.get((uid, generation));
        file.and_then(|file| file.cursor(delivery)).map(|c| c.progress()).unwrap_or_default()
    }

    /// Whether a delivery has begun with a generation of a file.
    pub fn is_followed(&self, delivery: DeliveryKey, uid: FileUid, generation: u32) -> bool {
        let core = self.core();
        core.state.files.get((uid, generation)).is_some_and(|file| file.cursor(delivery).is_some())
    }

    /// The last assigned timestamp of a delivery, in nanoseconds since 1970.
    pub fn last_time(&self, delivery: DeliveryKey) -> Option<i64> {
        self.core().state.delivery(delivery).last_time
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("nothing panics with it")
    }

    fn append(&self, entry: Entry) -> Result<u64, Error> {
        self.core().append(entry)
    }
}

fn check_bounds(bounds: &Bounds) -> Result<(), Error> {
    let ranges = &bounds.ranges;
    if ranges.is_empty() || ranges.len() > REQUEST_RANGES_MAX {
        return Err(Error::Invalid("a request has no ranges or too many"));
    }
    match ranges.iter().any(|range| range.start >= range.end) {
        true => Err(Error::Invalid("a request has an empty range")),
        false => Ok(()),
    }
}

/// The hash of what stands before the end of the last span, where that is where `end` is.
fn proof(spans: &[FileSpan], end: Anchor) -> u64 {
    let is_proof = spans.last().is_some_and(|last| last.end == end.offset);
    if is_proof { end.hash } else { UNPROVEN }
}
