//! The spiller, put by put: bytes whose file vanishes go into the spool. Senders, syncs and the
//! end of the world come between any two puts.
//! Order: frame; `spooled` in the journal, durably; only then is the file let go.
//! Mirrors the agent's `spill.rs`.

use std::collections::VecDeque;

use record::{OpenRequest, Range};

use crate::agent::{Agent, Stuck, kept, settled};
use crate::lane::journal;
use crate::logs::numbers;
use crate::request::{Request, whole};
use crate::tail::Key;
use crate::world::Outside;

/// Raw bytes of a request that nobody tries to send first.
const REQUEST_BYTES: u64 = 400;

/// A look at one delivery's endangered files.
pub(crate) struct Spilling {
    delivery: usize,
    files: Vec<Key>,
    open: VecDeque<OpenRequest>,
    /// A request that is cut and journaled, and lies in no sender's hands.
    cut: Option<(OpenRequest, Vec<u8>)>,
}

impl Agent {
    /// One step of the spiller: a put, or the next delivery.
    pub(crate) fn spill(&mut self, out: &mut Outside) -> Result<(), Stuck> {
        let Some(mut spilling) = self.spilling.take() else {
            self.spilling = Some(self.look_for_endangered(out, 0));
            return Ok(());
        };
        let result = self.spill_next(out, &mut spilling);
        let next = (spilling.delivery + 1) % self.deliveries.len();
        self.spilling = match result {
            Ok(true) => Some(self.look_for_endangered(out, next)),
            _ => Some(spilling),
        };
        result.map(drop)
    }

    /// Everything that is endangered now.
    pub(crate) fn spill_all(&mut self, out: &mut Outside) -> Result<(), Stuck> {
        for delivery in 0..self.deliveries.len() {
            let mut spilling = self.look_for_endangered(out, delivery);
            while !self.spill_next(out, &mut spilling)? {}
        }
        Ok(())
    }

    /// `Endangered::due`: files without a name; while the destination is down, rotated ones too.
    fn look_for_endangered(&self, out: &Outside, delivery: usize) -> Spilling {
        let is_down = out.destinations[delivery].is_down;
        let due = self.sources.iter().filter(|(_, source)| {
            source.is_vanishing || (is_down && out.logs.lives[source.life].is_rotated)
        });
        let files: Vec<Key> = due.map(|(key, _)| *key).collect();
        let of = |range: &Range| files.contains(&(range.file, range.generation));
        let key = self.deliveries[delivery].key;
        let open = self.checkpoint.open_requests().into_iter();
        let open = open.filter(|open| {
            open.bounds.delivery == key && !files.is_empty() && open.bounds.ranges.iter().any(of)
        });
        Spilling { delivery, open: open.collect(), files, cut: None }
    }

    /// One put; whether there is no more to do.
    fn spill_next(&mut self, out: &mut Outside, spilling: &mut Spilling) -> Result<bool, Stuck> {
        let of = spilling.delivery;
        if let Some((open, raw)) = &spilling.cut {
            self.put(out, of, open, raw)?;
            // Nobody holds this one: the spool alone has it, or a sender is to take it.
            if self.deliveries[of].spilled.remove(&open.ticket.request).is_none() {
                self.deliveries[of].resends.push_front(open.clone());
            }
            spilling.cut = None;
            return Ok(false);
        }
        if let Some(open) = spilling.open.front() {
            self.spill_open(out, of, open)?;
            spilling.open.pop_front();
            return Ok(false);
        }
        if let Some(cut) = self.cut_unread(out, spilling)? {
            spilling.cut = Some(cut);
            return Ok(false);
        }
        // What a sender has cut and not journaled, or journaled since, is for the next look.
        let late = self.look_for_endangered(out, of).open;
        for key in &spilling.files {
            let is_late = |open: &OpenRequest| open.bounds.ranges.iter().any(is_of(*key));
            let is_held = self.deliveries[of].lanes.iter().any(|lane| lane.holds_unjournaled(*key))
                || late.iter().any(is_late);
            if let Some(source) = self.sources.get(key).filter(|s| s.is_vanishing && !is_held) {
                out.logs.lives[source.life].spilled.insert(of);
            }
        }
        Ok(true)
    }

    fn spill_open(
        &mut self,
        out: &mut Outside,
        of: usize,
        open: &OpenRequest,
    ) -> Result<(), Stuck> {
        let mut raw = Vec::new();
        for range in &open.bounds.ranges {
            let source = self.sources.get(&(range.file, range.generation));
            let Some(piece) = source.and_then(|source| source.read_again(range)) else {
                return Ok(());
            };
            raw.extend(piece);
        }
        self.put(out, of, open, &raw)
    }

    fn cut_unread(
        &mut self,
        out: &mut Outside,
        spilling: &Spilling,
    ) -> Result<Option<(OpenRequest, Vec<u8>)>, Stuck> {
        let of = spilling.delivery;
        for &key in &spilling.files {
            let Some(source) = self.sources.get_mut(&key) else { continue };
            let life = &out.logs.lives[source.life];
            let Some((range, raw)) = source.take(key, of, REQUEST_BYTES, life) else { continue };
            let mut request = Request::begin(self.deliveries[of].key, out.now);
            let (start, end) = (range.start, range.end);
            request.put(range, &raw);
            match journal(&self.checkpoint, out, of, &request) {
                Ok(ticket) => {
                    let open = OpenRequest { ticket, bounds: request.bounds };
                    return Ok(Some((open, raw)));
                }
                Err(stuck) => {
                    // The agent keeps it and tries again; here it is read again.
                    source.claimed[of].remove(start, end);
                    return Err(stuck);
                }
            }
        }
        Ok(None)
    }

    /// Frame, then journal. A request that was answered meanwhile stays answered.
    fn put(
        &mut self,
        out: &mut Outside,
        of: usize,
        open: &OpenRequest,
        raw: &[u8],
    ) -> Result<(), Stuck> {
        let request = open.ticket.request;
        if self.deliveries[of].spilled.contains_key(&request) {
            return Ok(());
        }
        // Under the lock that every answer is journaled under: no frame is written of a request that
        // is settled, for after a crash nothing would tell it from one that is not.
        if !self.checkpoint.open_requests().iter().any(|known| known.ticket == open.ticket) {
            out.ledger.count("requests answered before they were spooled");
            return Ok(());
        }
        let place = match self.spool.append(open.ticket, &open.bounds, raw) {
            Err(spool::Error::Full { needed, .. }) => {
                self.make_room(out, needed)?;
                return Err(Stuck);
            }
            Err(spool::Error::Unfit { .. }) => {
                out.ledger.count("requests too long for the spool");
                return Ok(());
            }
            appended => kept(appended)?,
        };
        loop {
            // The agent waits here and holds the lock: nobody else's step comes between.
            match settled(self.checkpoint.spooled(request, place.segment, place.position)) {
                Ok(()) => break,
                Err(stuck) if out.disk.is_crashed() => return Err(stuck),
                Err(_) => {}
            }
        }
        out.ledger.durable(self.checkpoint.durable_sequence());
        out.ledger.spooled(of, numbers(raw));
        out.ledger.count("requests spooled");
        self.deliveries[of].spilled.insert(request, place);
        Ok(())
    }

    /// The spool's limit: the oldest bytes in it are given up, and counted.
    fn make_room(&mut self, out: &mut Outside, needed: u64) -> Result<(), Stuck> {
        let Agent { spool, checkpoint, deliveries, .. } = self;
        let dropped = spool.drop_oldest(needed, &mut |head| {
            let of = deliveries.iter().position(|d| d.key == head.bounds.delivery);
            let of = of.expect("a delivery of ours");
            for open in checkpoint.spooled_at(head.place.segment, head.place.position) {
                // Before the call: a crash in it may leave it done.
                let numbers = out.ledger.drop_request(of, open.ticket.key);
                let spans: Vec<_> = open.bounds.ranges.iter().map(whole).collect();
                if settled(checkpoint.refused(open.ticket.request, &spans)).is_err() {
                    return false;
                }
                out.ledger.journaled(checkpoint.last_sequence(), of, numbers);
            }
            out.ledger.count("frames dropped");
            true
        });
        kept(dropped)?;
        self.clear(out)
    }

    /// Removes the segments in which nothing waits.
    pub(crate) fn clear(&mut self, out: &mut Outside) -> Result<(), Stuck> {
        let removable = self.spool.removable();
        if removable.is_empty() {
            return Ok(());
        }
        self.sync(out)?;
        for segment in removable {
            kept(self.spool.remove_segment(segment))?;
            out.ledger.count("spool segments removed");
        }
        settled(self.checkpoint.spool_lowest(self.spool.lowest_live()))
    }
}

fn is_of(key: Key) -> impl Fn(&Range) -> bool {
    move |range| (range.file, range.generation) == key
}
