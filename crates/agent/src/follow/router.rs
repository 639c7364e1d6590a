//! Which files are followed, and for whom: from what the tail saw to readers that senders read.
//! Every fact that a restart needs is journaled here before anybody can act on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use checkpoint::ForeignFile;
use record::{FileSeen, FileUid, Progress};
use settings::FirstStart;
use tail::{BySource, Event, Found, Source, Tail, next_line, proof_at};

use crate::follow::families::Families;
use crate::follow::first_start::FirstStarts;
use crate::follow::input::Input;
use crate::follow::tracked::{Reading, TrackedFile, Wiring, share};
use crate::follow::unlocated;
use crate::follow::unreadable_log::UnreadableLog;
use crate::follow::vanished::{self, Vanished};
use crate::status::Status;
use crate::status::readiness::Condition;
use delivery::{Deliveries, Delivery};
use delivery::{First, LossReason};
use delivery::{Stop, Stores};

/// All files that are followed.
pub struct Router {
    /// By the tail's targets.
    pub(super) inputs: HashMap<usize, Arc<Input>>,
    pub(super) deliveries: Deliveries,
    pub(super) first_starts: FirstStarts,
    pub(super) foreign: Vec<ForeignFile>,
    pub(super) stores: Stores,
    pub(super) status: Arc<Status>,
    pub(super) files: HashMap<BySource, Box<TrackedFile>>,
    pub(super) families: Families,
    /// Who reads the file that was found last.
    pub(super) wiring: Arc<Wiring>,
    /// The files that have readers, in the order in which they got them.
    pub(super) awake: Vec<(FileUid, u32)>,
    pub(super) vanished: Vanished,
    pub(super) skipped: u64,
    pub(super) unreadable: u64,
    unreadable_log: UnreadableLog,
    pub(super) looked: bool,
}

impl Router {
    /// Nothing followed yet, for nobody.
    pub fn new(
        deliveries: Deliveries,
        foreign: Vec<ForeignFile>,
        stores: Stores,
        status: Arc<Status>,
    ) -> Self {
        Self {
            inputs: HashMap::new(),
            deliveries,
            first_starts: FirstStarts::default(),
            foreign,
            stores,
            status,
            files: HashMap::new(),
            families: Families::default(),
            wiring: Arc::default(),
            awake: Vec::new(),
            vanished: Vanished::default(),
            skipped: 0,
            unreadable: 0,
            unreadable_log: UnreadableLog::default(),
            looked: false,
        }
    }

    /// Acts on one thing that the tail saw.
    pub fn apply(&mut self, event: Event) -> Result<(), Stop> {
        match event {
            Event::Found(found) => self.follow(found)?,
            Event::Grew(source) => {
                self.wake(&source);
                self.offer(&source);
            }
            Event::Rotated(source) | Event::Unlinked(source) => self.put_at_risk(&source),
            Event::Seen(source) => {
                self.see(&source.seen())?;
                self.stores.sources.insert(&source);
            }
            Event::Stranger(seen) => self.see(&seen)?,
            Event::Listed { target } => {
                let complete = self.first_starts.searched(target);
                self.complete(&complete)?;
            }
            Event::Cut(cut) => vanished::cut(&self.stores, &self.deliveries.now(), &cut)?,
            Event::Missing(seen) => {
                vanished::missing(&self.stores, &self.deliveries.now(), &seen)?;
            }
            Event::Closed(source) => self.forget(&source)?,
            Event::Gone { uid, generation, last } => self.drop_file(uid, generation, last)?,
            Event::Skipped { path, reason } => {
                self.skipped += 1;
                log::warn!("{} {reason}", path.display());
            }
            Event::Unreadable { path, error } => {
                self.unreadable += 1;
                self.unreadable_log.note(&path, &error, Instant::now());
            }
            _ => {}
        }
        Ok(())
    }

    /// The first look is over: what iLogtail left has been used.
    pub fn looked_at_all(&mut self, tail: &Tail) -> Result<(), Stop> {
        self.looked = true;
        for (target, pattern) in tail.unmatched() {
            if self.inputs.get(&target).is_some_and(|input| !input.is_container) {
                let text = pattern.text().to_string_lossy();
                log::warn!("{text} matches nothing now; files that it matches later are collected");
            }
        }
        self.stores.persist_alone(|checkpoint| checkpoint.forget_foreign())?;
        self.acknowledge();
        self.show(tail);
        self.status.readiness.meet(Condition::Files);
        Ok(())
    }

    /// Offers a file to every delivery that has something to read in it.
    fn offer(&self, source: &Source) {
        let Some(file) = self.files.get(&source.key()) else { return };
        for (delivery, reader) in file.readers() {
            delivery.ready.offer(reader);
        }
    }

    /// A file that lost its name may be gone soon: whoever has not read it to its end hurries.
    fn put_at_risk(&mut self, source: &Source) {
        self.wake(source);
        let Some(file) = self.files.get(&source.key()) else { return };
        let now = self.stores.clock.now().instant;
        for (delivery, reader) in file.readers() {
            delivery.at_risk.add(reader, now);
            delivery.ready.offer(reader);
        }
    }

    fn see(&self, seen: &FileSeen) -> Result<(), Stop> {
        self.stores.persist_alone(|checkpoint| checkpoint.see(seen))
    }

    fn follow(&mut self, found: Found) -> Result<(), Stop> {
        let source = &found.source;
        self.vanished.remove(source.uid(), source.generation());
        if found.start == 0 || source.generation() == 0 {
            self.see(&source.seen())?;
        } else {
            self.begin_generation(&found)?;
        }
        self.stores.sources.insert(source);
        let known = self.files.get(&source.key()).map(|file| Wiring::clone(&file.wiring));
        let (mut wiring, mut begun) = (known.unwrap_or_default(), Vec::new());
        for &target in &found.targets {
            // One that was taken away meanwhile.
            let Some(input) = self.inputs.get(&target).cloned() else { continue };
            for delivery in &input.deliveries {
                // A volume of two containers is one file.
                if wiring.has(delivery) {
                    continue;
                }
                begun.push((delivery.config.key, self.begin(&found, &input, delivery)?));
                let (delivery, input) = (Arc::clone(delivery), Arc::clone(&input));
                wiring.readings.push(Reading { delivery, input });
            }
            if !wiring.readings.is_empty() {
                wiring.targets.push(target);
            }
        }
        if wiring.readings.is_empty() {
            source.acknowledge(u64::MAX);
            return Ok(());
        }
        self.track(source, wiring);
        if self.may_stay_at_rest(source) {
            self.finish(source);
        } else {
            self.wake_at(source, &begun);
            self.offer(source);
        }
        Ok(())
    }

    /// The file lost acknowledged bytes in a crash of the system: each delivery goes on where it
    /// was, or at the furthest place that still is what it was.
    fn begin_generation(&self, found: &Found) -> Result<(), Stop> {
        let (uid, before) = (found.source.uid(), found.source.generation() - 1);
        let inputs = found.targets.iter().filter_map(|target| self.inputs.get(target));
        let deliveries = inputs.flat_map(|input| &input.deliveries);
        let keep: Vec<_> = deliveries
            .map(|delivery| {
                let key = delivery.config.key;
                let acked = self.stores.checkpoint.progress(key, uid, before).acked;
                (key, acked.covered_from(0).min(found.start))
            })
            .collect();
        let seen = found.source.seen();
        self.stores.persist_alone(|checkpoint| checkpoint.begin_generation(&seen, &keep))
    }

    /// A delivery begins with a file, unless it did so before. Returns how far it is.
    fn begin(&self, found: &Found, input: &Input, delivery: &Delivery) -> Result<Progress, Stop> {
        let source = &found.source;
        let (uid, generation) = (source.uid(), source.generation());
        let (key, checkpoint) = (delivery.config.key, &self.stores.checkpoint);
        let is_followed = checkpoint.is_followed(key, uid, generation);
        if !is_followed {
            let start = self.first_byte(found, input, delivery);
            let proof = (start > 0).then(|| proof_at(source, start)).flatten();
            self.stores.persist(&delivery.meter, |c| match proof {
                Some(proof) => c.proven_baseline(key, uid, generation, proof),
                None => c.baseline(key, uid, generation, start),
            })?;
        }
        let mut before = checkpoint.progress(key, uid, generation);
        if is_followed && !found.known && found.start == 0 {
            unlocated::keep_proven(&self.stores, &delivery.meter, source, key, &mut before)?;
        }
        Ok(before)
    }

    /// Where a delivery begins with a file that it has not begun with before.
    fn first_byte(&self, found: &Found, input: &Input, delivery: &Delivery) -> u64 {
        let first_start = !self.stores.checkpoint.is_baseline_complete(delivery.config.key);
        if let Some(offset) = found.foreign.iter().map(|&at| self.foreign[at].offset).min()
            && first_start
        {
            log::info!(
                "{}: going on at byte {offset}, where iLogtail was",
                found.source.logical().display()
            );
            return offset;
        }
        if !found.at_start || !first_start {
            return 0;
        }
        let source = &found.source;
        let start = match input.first_start {
            _ if found.member => source.size(),
            FirstStart::Beginning => 0,
            FirstStart::Tail(bytes) => {
                // Where the file cannot be read now: the middle of a line.
                let from = source.size().saturating_sub(bytes);
                next_line(source, from).unwrap_or(from)
            }
        };
        let told = (start > 0)
            .then(|| delivery.meter.counters.lose(LossReason::Unwanted, source.uid(), start));
        if told == Some(First::OfReason) {
            let (name, path) = (&delivery.meter.name, source.logical().display());
            log::info!(
                "{name}: skipped the first {start} bytes of {path}: they were written before the first \
                 start (TailSizeKB). Further files are skipped without a message"
            );
        }
        start
    }

    fn track(&mut self, source: &Arc<Source>, wiring: Wiring) {
        self.families.add(source);
        let file = self.files.entry(BySource(Arc::clone(source)));
        let file = file.or_insert_with(|| Box::new(TrackedFile::new(source)));
        share(&mut self.wiring, wiring, file);
    }

    /// Tells each reader of a family which ones are the next older, to be read before it, and the
    /// next newer, in which its last record may go on.
    pub(super) fn link_family(&self, source: &Source, delivery: &Arc<Delivery>) {
        let own = |source: &Arc<Source>| self.files.get(&source.key())?.reader_of(delivery);
        let line: Vec<_> = self.families.of(source.logical()).iter().filter_map(own).collect();
        for (at, reader) in line.iter().enumerate() {
            let older = at.checked_sub(1).map(|at| line[at]);
            reader.set_family(older, line.get(at + 1).copied());
        }
    }

    fn forget(&mut self, source: &Source) -> Result<(), Stop> {
        let seen = source.seen();
        vanished::gone(&self.stores, &seen)?;
        self.vanished.add(seen, self.stores.clock.now().instant);
        self.stores.sources.remove(source);
        if let Some(file) = self.files.remove(&source.key()) {
            let readings = file.wiring.readings.iter();
            readings.for_each(|reading| reading.delivery.at_risk.remove(source));
        }
        self.families.remove(source);
        Ok(())
    }

    fn drop_file(&self, uid: FileUid, generation: u32, last: bool) -> Result<(), Stop> {
        self.stores.persist_alone(|checkpoint| {
            if last {
                checkpoint.drop_file(uid)
            } else {
                checkpoint.drop_generation(uid, generation)
            }
        })
    }
}
