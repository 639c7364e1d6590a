//! Which files are followed, and for whom: from what the tail saw to cursors that senders read.
//! Every fact that a restart needs is journaled here before anybody can act on it.

mod inputs;
mod standing;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checkpoint::ForeignFile;
use record::{FileSeen, FileUid};
use settings::FirstStart;
use tail::{Event, Found, Framing, Reader, Source, Tail, next_line};

pub use self::standing::{SETTLE_EVERY, Standing};
use crate::baseline::Baselines;
use crate::delivery::Delivery;
use crate::gone::{self, Closings};
use crate::lag::Marks;
use crate::lane::{Shared, Stop};
use crate::loss::{Loss, Told};
use crate::readiness::Condition;
use crate::ready::Cursor;
use crate::translate::Tagging;

/// One input of a pipeline, wired to the pipeline's deliveries.
pub struct Input {
    /// The pipeline's deliveries.
    pub deliveries: Vec<Arc<Delivery>>,
    /// How its records are tagged.
    pub tagging: Tagging,
    /// Where files begin that were there at the first start.
    pub first_start: FirstStart,
    /// How long a last line without a newline is waited for.
    pub flush_timeout: Duration,
    /// What a read may not cut in two.
    pub framing: Framing,
    /// Whether it is of a container.
    pub is_container: bool,
}

/// All files that are followed.
pub struct Following {
    /// By the tail's targets.
    inputs: HashMap<usize, Arc<Input>>,
    deliveries: Vec<Arc<Delivery>>,
    baselines: Baselines,
    foreign: Vec<ForeignFile>,
    shared: Shared,
    files: HashMap<(FileUid, u32), Followed>,
    families: HashMap<PathBuf, Vec<Member>>,
    closings: Closings,
    skipped: u64,
    unreadable: u64,
    looked: bool,
}

/// A generation's rank in its family, and which one it is.
type Member = (u64, (FileUid, u32));

struct Followed {
    source: Arc<Source>,
    cursors: Vec<(Arc<Delivery>, Arc<Cursor>)>,
    /// For which targets.
    targets: Vec<usize>,
    settled: u64,
    marks: Marks,
    /// The size that the journal has.
    noted: u64,
}

impl Following {
    /// Nothing followed yet, for nobody.
    pub fn new(deliveries: Vec<Arc<Delivery>>, foreign: Vec<ForeignFile>, shared: Shared) -> Self {
        Self {
            inputs: HashMap::new(),
            deliveries,
            baselines: Baselines::default(),
            foreign,
            shared,
            files: HashMap::new(),
            families: HashMap::new(),
            closings: Closings::default(),
            skipped: 0,
            unreadable: 0,
            looked: false,
        }
    }

    /// Acts on one thing that the tail saw.
    pub fn apply(&mut self, event: Event) -> Result<(), Stop> {
        match event {
            Event::Found(found) => self.follow(found)?,
            Event::Grew(source) => self.offer(&source),
            Event::Rotated(source) | Event::Unlinked(source) => self.endanger(&source),
            Event::Seen(source) => {
                self.see(&source.seen())?;
                self.shared.sources.insert(&source);
            }
            Event::Listed { target } => {
                let complete = self.baselines.searched(target);
                self.complete(&complete)?;
            }
            Event::Cut(cut) => gone::cut(&self.shared, &self.deliveries, &cut)?,
            Event::Missing(seen) => gone::missing(&self.shared, &self.deliveries, &seen)?,
            Event::Closed(source) => self.forget(&source),
            Event::Gone { uid, generation, last } => self.drop_file(uid, generation, last)?,
            Event::Skipped { path, reason } => {
                self.skipped += 1;
                log::warn!("{} {reason}", path.display());
            }
            Event::Unreadable { path, error } => {
                self.unreadable += 1;
                log::warn!("{}: {error}; it is tried again", path.display());
            }
            _ => {}
        }
        Ok(())
    }

    /// The first look is over: what iLogtail left has been used.
    pub fn looked_at_all(&mut self, tail: &Tail) -> Result<(), Stop> {
        self.looked = true;
        self.shared.persist_alone(|checkpoint| checkpoint.forget_foreign())?;
        self.settle();
        self.show(tail);
        self.shared.board.readiness.meet(Condition::Files);
        Ok(())
    }

    /// Offers a file to every delivery that has something to read in it.
    fn offer(&self, source: &Source) {
        let Some(file) = self.files.get(&(source.uid(), source.generation())) else { return };
        for (delivery, cursor) in &file.cursors {
            delivery.ready.offer(cursor);
        }
    }

    /// A file that lost its name may be gone soon: whoever has not read it to its end hurries.
    fn endanger(&self, source: &Source) {
        let Some(file) = self.files.get(&(source.uid(), source.generation())) else { return };
        for (delivery, cursor) in &file.cursors {
            delivery.endangered.add(cursor, Instant::now());
            delivery.ready.offer(cursor);
        }
    }

    fn see(&self, seen: &FileSeen) -> Result<(), Stop> {
        self.shared.persist_alone(|checkpoint| checkpoint.see(seen))
    }

    fn follow(&mut self, found: Found) -> Result<(), Stop> {
        let source = &found.source;
        self.closings.remove(source.uid(), source.generation());
        if found.start == 0 || source.generation() == 0 {
            self.see(&source.seen())?;
        } else {
            self.begin_generation(&found)?;
        }
        self.shared.sources.insert(source);
        let key = (source.uid(), source.generation());
        for &target in &found.targets {
            // One that was taken away meanwhile.
            let Some(input) = self.inputs.get(&target).cloned() else { continue };
            for delivery in &input.deliveries {
                // A volume of two containers is one file.
                let has = |(of, _): &(Arc<Delivery>, _)| Arc::ptr_eq(of, delivery);
                if self.files.get(&key).is_some_and(|file| file.cursors.iter().any(has)) {
                    continue;
                }
                let cursor = self.cursor(&found, &input, delivery)?;
                self.add(source, delivery, &cursor);
                delivery.ready.offer(&cursor);
            }
            if let Some(file) = self.files.get_mut(&key) {
                file.targets.push(target);
            }
        }
        if !self.files.contains_key(&key) {
            source.settle(u64::MAX);
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
                let key = delivery.terms.key;
                let acked = self.shared.checkpoint.progress(key, uid, before).acked;
                (key, acked.covered_from(0).min(found.start))
            })
            .collect();
        let seen = found.source.seen();
        self.shared.persist_alone(|checkpoint| checkpoint.begin_generation(&seen, &keep))
    }

    fn cursor(
        &self,
        found: &Found,
        input: &Input,
        delivery: &Arc<Delivery>,
    ) -> Result<Arc<Cursor>, Stop> {
        let source = &found.source;
        let (uid, generation) = (source.uid(), source.generation());
        let (key, checkpoint) = (delivery.terms.key, &self.shared.checkpoint);
        if !checkpoint.is_followed(key, uid, generation) {
            let start = self.first_byte(found, input, delivery);
            self.shared.persist(delivery, |c| c.baseline(key, uid, generation, start))?;
        }
        let before = checkpoint.progress(key, uid, generation);
        let reader = Reader::new(source.clone(), &before, input.flush_timeout, input.framing);
        Ok(Arc::new(Cursor::new(reader, input.tagging.tags(source))))
    }

    /// Where a delivery begins with a file that it has not begun with before.
    fn first_byte(&self, found: &Found, input: &Input, delivery: &Delivery) -> u64 {
        let first_start = !self.shared.checkpoint.is_baseline_complete(delivery.terms.key);
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
        let told = (start > 0).then(|| delivery.account.lose(Loss::Unwanted, source.uid(), start));
        if told == Some(Told::Never) {
            let (name, path) = (&delivery.terms.name, source.logical().display());
            log::info!(
                "{name}: {start} bytes of {path} stood there before the first start and are left \
                 out (TailSizeKB); so it is with others"
            );
        }
        start
    }

    fn add(&mut self, source: &Arc<Source>, delivery: &Arc<Delivery>, cursor: &Arc<Cursor>) {
        let key = (source.uid(), source.generation());
        let family = self.families.entry(source.logical().to_owned()).or_default();
        if !family.iter().any(|(_, member)| *member == key) {
            family.push((source.rank(), key));
            family.sort_unstable();
        }
        let file = self.files.entry(key).or_insert_with(|| Followed {
            source: source.clone(),
            cursors: Vec::new(),
            targets: Vec::new(),
            settled: 0,
            marks: Marks::default(),
            noted: source.size(),
        });
        file.cursors.push((delivery.clone(), cursor.clone()));
        self.link_family(source, delivery);
    }

    /// Tells each cursor of a family which ones are the next older, to be read before it, and the
    /// next newer, in which its last record may go on.
    fn link_family(&self, source: &Source, delivery: &Arc<Delivery>) {
        let Some(family) = self.families.get(source.logical()) else { return };
        let own = |(_, key): &Member| {
            let cursors = self.files.get(key).map_or(&[][..], |file| &file.cursors);
            let own = cursors.iter().find(|(of, _)| Arc::ptr_eq(of, delivery));
            own.map(|(_, cursor)| cursor)
        };
        let line: Vec<_> = family.iter().filter_map(own).collect();
        for (at, cursor) in line.iter().enumerate() {
            let older = at.checked_sub(1).map(|at| line[at]);
            cursor.set_family(older, line.get(at + 1).copied());
        }
    }

    fn forget(&mut self, source: &Source) {
        let key = (source.uid(), source.generation());
        self.closings.add(source.seen(), Instant::now());
        self.shared.sources.remove(source);
        for (delivery, _) in self.files.remove(&key).into_iter().flat_map(|file| file.cursors) {
            delivery.endangered.remove(source);
        }
        if let Some(family) = self.families.get_mut(source.logical()) {
            family.retain(|(_, member)| *member != key);
            if family.is_empty() {
                self.families.remove(source.logical());
            }
        }
    }

    fn drop_file(&self, uid: FileUid, generation: u32, last: bool) -> Result<(), Stop> {
        self.shared.persist_alone(|checkpoint| {
            if last {
                checkpoint.drop_file(uid)
            } else {
                checkpoint.drop_generation(uid, generation)
            }
        })
    }
}
