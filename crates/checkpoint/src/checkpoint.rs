//! The one owner of progress: every change is journaled, then applied, under one lock.
//! Invariant: what the state says is in the journal; an append that fails changes nothing. Nobody
//! who appends waits for a sync or a snapshot: both take what they need under the lock and do
//! their work outside it.
//! A kill at any moment loses nothing that a method returned from; a loss of power nothing that
//! was synced. Not here: what an entry does (`fold.rs`), the write itself (`journal.rs`).

use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, MutexGuard};

use disk::Disk;
use record::{
    Bounds, DeliveryKey, FileSeen, FileUid, NodeId, OpenRequest, Progress, REQUEST_RANGES_MAX,
    RequestId, Ticket,
};

use crate::durable::Written;
use crate::gate::Gate;
use crate::journal::append::Journal;
use crate::journal::codec::{Cut, Entry};
use crate::journal::segment::SEGMENT_LEN;
use crate::start::{node, recover, repair};
use crate::state::values::State;
use crate::{Error, FileSpan, Options, Place, Recovery};

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

/// The state and the journal that leads to it.
pub(crate) struct Core {
    pub state: State,
    pub journal: Journal,
}

impl Core {
    /// Journals an entry and applies it.
    pub(crate) fn append(&mut self, entry: Entry) -> Result<u64, Error> {
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
    /// Reads the state directory, mends what a crash left, and makes it ready for appending.
    ///
    /// # Errors
    /// [`Error::Newer`] and [`Error::Lost`] leave everything as it was; [`Error::Io`] can be
    /// tried again.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Recovery), Error> {
        Self::open_with(disk, options, SEGMENT_LEN)
    }

    /// The same with journal segments of `segment_len` bytes in place of 4 MiB, so that a short
    /// run on a small or simulated disk fills several.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open_with(
        disk: Arc<dyn Disk>,
        options: Options,
        segment_len: u64,
    ) -> Result<(Self, Recovery), Error> {
        let reading = recover::read(disk.as_ref(), &options, node::random)?;
        let (origin, same_boot) = (reading.origin, reading.about.boot_id == options.boot_id);
        let (checkpoint, notes) = repair::mend(disk, &options, reading, segment_len)?;
        let recovery = Recovery::of(&checkpoint.core().state, origin, same_boot, notes);
        Ok((checkpoint, recovery))
    }

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
            core: Mutex::new(Core { state, journal }),
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
        let known = known.filter(|known| !known.is_missed);
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

    /// A rule leaves these bytes out of a delivery: they count as acknowledged. Nothing changes
    /// for a file that is not known.
    pub fn unwanted(&self, delivery: DeliveryKey, spans: &[FileSpan]) -> Result<(), Error> {
        self.append(Entry::Unwanted { delivery, spans: spans.to_vec() }).map(drop)
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
        let core = self.core();
        let there = core.state.requests.iter();
        let there = there.filter(|(_, request)| request.spool == Some((segment, position)));
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
    /// under new bounds, `lost` counts as acknowledged, the rest is unread again.
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
