//! What each journal entry does to the state: the only code that changes it.
//! Invariant: total (every entry can be applied to every state), deterministic, and acks commute
//! with each other, so that a journal with holes gives everything that is left in it. A late
//! answer, of a request or a file that is not known any more, changes nothing.
//! Not here: whether an entry makes sense (`checkpoint.rs` asks before it journals one).

use std::sync::Arc;

use record::{Anchor, Bounds, DeliveryKey, FileSeen, FileUid, RequestId, Spans, UNPROVEN};

use crate::FileSpan;
use crate::journal::codec::Entry;
use crate::journal::codec::{Claim, Cut};
use crate::state::cursor::Cursor;
use crate::state::values::{Delivery, FileState, LOST_FRAMES_MAX, Request, Seen, State};

impl State {
    /// Applies the entry of record `sequence`.
    pub(crate) fn apply(&mut self, sequence: u64, entry: Entry) {
        match entry {
            Entry::Seen { file: seen } => {
                let file = self.file_mut(seen.uid, seen.generation);
                file.seen = Some(Seen::new(&seen));
                (file.is_missed, file.gone_at) = (false, None);
            }
            Entry::Tags { .. } => {} // Means something only while its segment is read.
            Entry::Bounds { cut } => {
                self.forget_wrong_time(&cut.bounds);
                self.open_request(RequestId(sequence), Request::new(cut));
            }
            Entry::Taken { requests, receipt } => self.take(&requests, receipt.into()),
            Entry::Refused { request, spans } => self.refuse(request, &spans),
            Entry::Split { request, children } => {
                // Parts that cannot be sent: their frame can, as the whole that it holds.
                let lost = children.iter().any(|cut| cut.tags_lost);
                if !(lost && self.is_spooled(request)) {
                    self.replace_request(request, sequence, children);
                }
            }
            Entry::Closed { request, survivors, lost } => {
                let is_all_lost = survivors.is_empty();
                if let Some(closed) = self.replace_request(request, sequence, survivors) {
                    self.ack_within(&closed.cut.bounds, &lost);
                    if let Some(place) = closed.spool.filter(|_| is_all_lost) {
                        self.lose_frame(place);
                    }
                }
            }
            Entry::Spooled { request, segment, position } => {
                self.spool(request, (segment, position));
            }
            Entry::SpoolLowest { segment } => {
                self.spool_lowest = self.spool_lowest.max(segment);
                self.drained = self.drained.split_off(&(self.spool_lowest, 0));
            }
            Entry::Baseline { delivery, uid, generation, start } => {
                self.file_mut(uid, generation).cursor_mut(delivery).ack(0, start);
            }
            Entry::ProvenBaseline { delivery, uid, generation, start, hash } => {
                let cursor = self.file_mut(uid, generation).cursor_mut(delivery);
                cursor.ack(0, start);
                cursor.prove(Anchor { offset: start, hash });
            }
            Entry::BaselineComplete { delivery } => {
                self.deliveries.entry(delivery).or_default().is_baseline_complete = true;
            }
            Entry::Generation { seen, keep } => self.begin_generation(&seen, &keep),
            Entry::Receipt { delivery, receipt } => {
                self.deliveries.entry(delivery).or_default().receipt = receipt.into();
            }
            Entry::Rewind { uid, generation, offset } => {
                let file = self.file_mut(uid, generation);
                file.cursors.iter_mut().for_each(|cursor| cursor.rewind(offset));
            }
            Entry::Claim { claim } => self.claim(claim),
            Entry::Drop { uid, generation } => self.drop_file(uid, generation),
            Entry::Unwanted { delivery, spans } => self.leave_out(delivery, &spans, UNPROVEN),
            Entry::PassedOver { delivery, spans, hash } => self.leave_out(delivery, &spans, hash),
            Entry::RateLimited { delivery, spans, hash, records } => {
                self.leave_out(delivery, &spans, hash);
                let limited = &mut self.deliveries.entry(delivery).or_default().rate_limited;
                limited.add(&spans, records);
            }
            Entry::Missed { uid, generation } => {
                if let Some(file) = self.files.get_mut((uid, generation)) {
                    file.is_missed = true;
                }
            }
            Entry::Gone { uid, generation, at } => {
                if let Some(file) = self.files.get_mut((uid, generation)) {
                    file.gone_at = Some(at);
                }
            }
            Entry::ForgetForeign {} => {
                self.foreign = Arc::default();
                self.lost = None;
            }
        }
    }

    /// Acknowledges bytes that are not wanted; `hash` proves where the last of them ends.
    fn leave_out(&mut self, delivery: DeliveryKey, spans: &[FileSpan], hash: u64) {
        for &FileSpan { file, generation, start, end } in spans {
            // It brings back no file that was dropped.
            if let Some(file) = self.files.get_mut((file, generation)) {
                file.cursor_mut(delivery).ack(start, end);
            }
        }
        if let Some(last) = spans.last()
            && let Some(file) = self.files.get_mut((last.file, last.generation))
        {
            file.cursor_mut(delivery).prove(Anchor { offset: last.end, hash });
        }
    }

    /// Forgets a generation of a file, or all of them.
    fn drop_file(&mut self, uid: FileUid, generation: Option<u32>) {
        let all = || self.files.generations(uid).map(|(number, _)| number).collect();
        let gone: Vec<u32> = generation.map_or_else(all, |one| vec![one]);
        for generation in gone {
            self.files.remove((uid, generation));
        }
    }

    /// A generation of a file, made if it is not known.
    pub(crate) fn file_mut(&mut self, uid: FileUid, generation: u32) -> &mut FileState {
        self.files.get_or_default((uid, generation))
    }

    /// Removes open requests that `is_wanted` does not want; their bytes are unread again.
    pub(crate) fn retain_requests(&mut self, is_wanted: impl Fn(&Request) -> bool) -> usize {
        let unwanted: Vec<RequestId> = self
            .requests
            .iter()
            .filter(|(_, request)| !is_wanted(request))
            .map(|(&id, _)| id)
            .collect();
        for &id in &unwanted {
            self.replace_request(id, 0, Vec::new());
        }
        unwanted.len()
    }

    /// Enters the requests of a snapshot into their files' cursors.
    pub(crate) fn enter_requests(&mut self) {
        let in_files = self.requests.values().filter(|request| request.spool.is_none());
        let in_files: Vec<Arc<Request>> = in_files.cloned().collect();
        for request in in_files {
            let Bounds { delivery, ranges, .. } = &request.cut.bounds;
            for range in ranges {
                self.change(*delivery, range.file, range.generation, |cursor| {
                    cursor.enter(range.start, range.end);
                });
            }
        }
    }

    /// A clock that was ahead must not date all that follows, also after a restart.
    fn forget_wrong_time(&mut self, bounds: &Bounds) {
        if let Some(known) = self.deliveries.get_mut(&bounds.delivery) {
            known.last_time.take_if(|last| record::is_clock_wrong(*last, bounds.time));
        }
    }

    fn open_request(&mut self, id: RequestId, request: Request) {
        let Bounds { delivery, time, ranges, .. } = &request.cut.bounds;
        let last_time = &mut self.deliveries.entry(*delivery).or_default().last_time;
        *last_time = (*last_time).max(Some(*time));
        if request.spool.is_none() {
            for range in ranges {
                let file = self.file_mut(range.file, range.generation);
                file.cursor_mut(*delivery).enter(range.start, range.end);
            }
        }
        self.requests.insert(id, Arc::new(request));
    }

    fn take(&mut self, requests: &[RequestId], receipt: Arc<[u8]>) {
        for id in requests {
            let Some(request) = self.requests.remove(id) else {
                continue;
            };
            let delivery = self.deliveries.entry(request.cut.bounds.delivery).or_default();
            if !receipt.is_empty() {
                delivery.receipt = Arc::clone(&receipt);
            }
            self.ack_all(&request.cut.bounds);
            self.drain(request.spool);
        }
    }

    fn refuse(&mut self, id: RequestId, spans: &[FileSpan]) {
        let Some(known) = self.requests.get_mut(&id) else {
            return;
        };
        let request = Arc::make_mut(known);
        request.refused.extend_from_slice(spans);
        let request = request.clone();
        self.ack_within(&request.cut.bounds, spans);
        self.prove_ends(&request.cut.bounds, spans);
        if is_all_refused(&request) {
            self.requests.remove(&id);
            self.drain(request.spool);
        }
    }

    /// A request that lay at this place in the spool is settled; with the last one that does, so
    /// is the frame: a split request lives on as its parts.
    fn drain(&mut self, place: Option<(u64, u64)>) {
        let Some(place) = place else { return };
        if !self.requests.values().any(|other| other.spool == Some(place)) {
            self.drained.insert(place);
        }
    }

    /// The frame that was closed last is missing: it is not done with, and may come back.
    fn lose_frame(&mut self, place: (u64, u64)) {
        if self.drained.remove(&place) {
            self.lost_frames.insert(place);
        }
        while self.lost_frames.len() > LOST_FRAMES_MAX {
            self.lost_frames.pop_first();
        }
    }

    fn spool(&mut self, id: RequestId, place: (u64, u64)) {
        let Some(known) = self.requests.get_mut(&id) else {
            return;
        };
        if known.cut.tags_lost {
            return; // It cannot be sent as it was; its frame can, and says itself what it holds.
        }
        Arc::make_mut(known).spool = Some(place);
        let request = Arc::clone(known);
        // A loss of power may have taken the record that an earlier segment of that number went.
        self.drained.remove(&place);
        self.lost_frames.remove(&place);
        self.ack_all(&request.cut.bounds);
    }

    fn is_spooled(&self, id: RequestId) -> bool {
        self.requests.get(&id).is_some_and(|request| request.spool.is_some())
    }

    /// Ends request `id` and opens `cuts` in its place, in the spool if it lay there.
    fn replace_request(
        &mut self,
        id: RequestId,
        first: u64,
        cuts: Vec<Cut>,
    ) -> Option<Arc<Request>> {
        let closed = self.requests.remove(&id);
        let spool = closed.as_ref().and_then(|request| request.spool);
        if let Some(request) = &closed {
            let Bounds { delivery, ranges, .. } = &request.cut.bounds;
            for range in ranges {
                self.change(*delivery, range.file, range.generation, |cursor| {
                    cursor.leave(range.start, range.end);
                });
            }
        }
        if cuts.is_empty() {
            self.drain(spool);
        }
        for (id, cut) in (first..).zip(cuts) {
            self.open_request(RequestId(id), Request { spool, ..Request::new(cut) });
        }
        closed
    }

    fn ack_all(&mut self, bounds: &Bounds) {
        for range in &bounds.ranges {
            self.change(bounds.delivery, range.file, range.generation, |cursor| {
                cursor.ack(range.start, range.end);
                cursor.prove(range.end_anchor());
            });
        }
    }

    /// Acknowledges of `spans` what `bounds` holds.
    fn ack_within(&mut self, bounds: &Bounds, spans: &[FileSpan]) {
        for range in &bounds.ranges {
            for span in spans {
                if (span.file, span.generation) == (range.file, range.generation) {
                    let (start, end) = (span.start.max(range.start), span.end.min(range.end));
                    self.change(bounds.delivery, span.file, span.generation, |cursor| {
                        cursor.ack(start, end);
                    });
                }
            }
        }
    }

    /// Keeps the proof of each range that `spans` cover to its end: after a loss of power nothing
    /// else tells that what a reader would go on behind is what it was.
    fn prove_ends(&mut self, bounds: &Bounds, spans: &[FileSpan]) {
        for range in &bounds.ranges {
            let is_end = |span: &FileSpan| {
                (span.file, span.generation) == (range.file, range.generation)
                    && (span.start < range.end && range.end <= span.end)
            };
            if spans.iter().any(is_end) {
                self.change(bounds.delivery, range.file, range.generation, |cursor| {
                    cursor.prove(range.end_anchor());
                });
            }
        }
    }

    /// Changes a cursor if it is there: a late answer brings back no file that was dropped.
    fn change(
        &mut self,
        delivery: DeliveryKey,
        uid: FileUid,
        generation: u32,
        change: impl FnOnce(&mut Cursor),
    ) {
        let cursors = self.files.get_mut((uid, generation)).map(|file| &mut file.cursors);
        if let Some(cursor) = cursors.into_iter().flatten().find(|c| c.delivery == delivery) {
            change(cursor);
        }
    }

    fn begin_generation(&mut self, seen: &FileSeen, keep: &[(DeliveryKey, u64)]) {
        let mut older =
            self.files.generations(seen.uid).filter(|(number, _)| *number < seen.generation);
        let before = older.next_back().map(|(_, file)| file.clone());
        drop(older);
        let file = self.file_mut(seen.uid, seen.generation);
        file.seen = Some(Seen::new(seen));
        for &(delivery, offset) in keep {
            let cursor = file.cursor_mut(delivery);
            cursor.ack(0, offset);
            if let Some(old) = before.as_ref().and_then(|before| before.cursor(delivery)) {
                cursor.inherit(old.anchors(), offset);
            }
        }
    }

    fn claim(&mut self, claim: Claim) {
        match self.claims.iter_mut().find(|known| known.key == claim.key) {
            Some(known) => *known = Arc::new(claim),
            None => self.claims.push(Arc::new(claim)),
        }
    }

    /// What belongs to a delivery; empty for an unknown one.
    pub(crate) fn delivery(&self, key: DeliveryKey) -> Delivery {
        self.deliveries.get(&key).cloned().unwrap_or_default()
    }
}

/// Whether every byte of a request was refused.
fn is_all_refused(request: &Request) -> bool {
    request.cut.bounds.ranges.iter().all(|range| {
        let spans = request.refused.iter();
        let same = spans.filter(|s| (s.file, s.generation) == (range.file, range.generation));
        let refused: Spans = same.map(|span| (span.start, span.end)).collect();
        refused.contains(range.start, range.end)
    })
}
