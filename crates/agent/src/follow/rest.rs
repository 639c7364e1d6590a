//! Files at rest. A file that every delivery has wholly, and that has not grown for a while, needs
//! no reader: what one knows is in the checkpoint, as it is over a restart. Its readers are let go,
//! and made again of that when anything happens to the file.
//! A family rests as a whole, since its readers read it in order: one of them alone would be
//! missed between its neighbours. Invariant: all files of a family are awake, or none is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use delivery::{Delivery, FileReader};
use record::{DeliveryKey, Progress};
use tail::{Reader, Source};

use crate::follow::router::Router;
use crate::follow::tracked::{Reading, TrackedFile};

/// How long a file is silent before it is at rest.
const SILENCE: Duration = Duration::from_secs(10);

impl Router {
    /// A file and its family have readers from now on.
    pub(super) fn wake(&mut self, source: &Source) {
        self.wake_at(source, &[]);
    }

    /// The same where deliveries are with the file as they begin with it now.
    pub(super) fn wake_at(&mut self, found: &Source, begun: &[(DeliveryKey, Progress)]) {
        let file = self.files.get(&found.key());
        if file.is_none_or(|file| file.is_awake && file.has_readers()) {
            return;
        }
        let mut deliveries: Vec<Arc<Delivery>> = Vec::new();
        for source in self.families.of(found.logical()) {
            let Some(file) = self.files.get_mut(&source.key()) else { continue };
            let begun = if source.key() == found.key() { begun } else { &[] };
            make_readers(file, &self.stores.checkpoint, begun);
            for Reading { delivery, .. } in &file.wiring.readings {
                if !deliveries.iter().any(|known| Arc::ptr_eq(known, delivery)) {
                    deliveries.push(Arc::clone(delivery));
                }
            }
            if !file.is_awake {
                file.is_awake = true;
                self.awake.push(source.key());
            }
            if std::mem::take(&mut file.was_at_risk) {
                let now = self.stores.clock.now().instant;
                file.readers().for_each(|(delivery, reader)| delivery.at_risk.add(reader, now));
            }
        }
        deliveries.iter().for_each(|delivery| self.link_family(found, delivery));
    }

    /// Whether a file that was just found needs no reader: every delivery has all of it, and its
    /// family is at rest.
    pub(super) fn may_stay_at_rest(&self, source: &Source) -> bool {
        let Some(file) = self.files.get(&source.key()) else { return false };
        let (size, (uid, generation)) = (source.size(), source.key());
        let is_finished = |reading: &Reading| {
            let key = reading.delivery.config.key;
            let progress = self.stores.checkpoint.progress(key, uid, generation);
            let acked = (progress.acked.covered_from(0), progress.acked.end());
            acked == (size, size) && progress.open.is_empty()
        };
        let is_awake =
            |source: &Arc<Source>| self.files.get(&source.key()).is_some_and(|file| file.is_awake);
        !self.families.of(source.logical()).iter().any(is_awake)
            && !source.is_compressed()
            && !source.is_vanishing()
            && file.wiring.readings.iter().all(is_finished)
    }

    /// Every delivery has all of a file.
    pub(super) fn finish(&mut self, source: &Source) {
        let Some(file) = self.files.get_mut(&source.key()) else { return };
        file.acknowledged = source.size();
        source.acknowledge(file.acknowledged);
    }

    /// Lets go of the readers of families that are at rest.
    pub(super) fn rest(&mut self, now: Instant) {
        let awake = std::mem::take(&mut self.awake);
        for key in &awake {
            // Each family once.
            let file = self.files.get(key).filter(|file| is_silent(file, now));
            let family = file.map(|file| self.families.of(file.source.logical()));
            let family = family.filter(|family| family[0].key() == *key).map(<[_]>::to_vec);
            if let Some(family) = family.filter(|family| self.may_rest(family, now)) {
                self.put_to_rest(&family);
            }
        }
        self.awake = awake;
        self.awake.retain(|key| self.files.get(key).is_some_and(|file| file.is_awake));
        if self.awake.len() < self.awake.capacity() / 4 {
            self.awake.shrink_to(2 * self.awake.len());
        }
    }

    fn may_rest(&self, family: &[Arc<Source>], now: Instant) -> bool {
        let is_idle = |file: &TrackedFile| {
            let mut readers = file.readers();
            readers.all(|(delivery, reader)| {
                let ours = 1 + usize::from(delivery.at_risk.has(reader));
                let (uid, generation) = file.source.key();
                let progress =
                    || self.stores.checkpoint.progress(delivery.config.key, uid, generation);
                Arc::strong_count(reader) == ours && reader.is_at_rest(&progress())
            })
        };
        family.iter().all(|source| {
            let file = self.files.get(&source.key());
            file.is_some_and(|file| is_silent(file, now) && is_idle(file))
        })
    }

    /// Takes the readers out of the files, all or none: a sender may have come by one just now.
    fn put_to_rest(&mut self, family: &[Arc<Source>]) {
        let mut is_free = true;
        let mut taken: Vec<Vec<Result<FileReader, Arc<FileReader>>>> = Vec::new();
        for source in family {
            let file = self.files.get_mut(&source.key()).expect("families lead to files");
            let is_at_risk = file.readers().any(|(delivery, reader)| delivery.at_risk.has(reader));
            file.readers().for_each(|(delivery, _)| delivery.at_risk.remove(source));
            file.was_at_risk = is_at_risk;
            let readers = std::mem::take(&mut file.readers).into_vec();
            let readers: Vec<_> = readers.into_iter().map(Arc::try_unwrap).collect();
            is_free &= readers.iter().all(Result::is_ok);
            taken.push(readers);
            (file.is_awake, file.marks) = (false, None);
        }
        if is_free {
            return;
        }
        for (source, readers) in family.iter().zip(taken) {
            let Some(file) = self.files.get_mut(&source.key()) else { continue };
            let held = |reader: Result<_, _>| reader.map_or_else(|held| held, Arc::new);
            file.readers = readers.into_iter().map(held).collect();
        }
        self.wake(&family[0]);
    }
}

/// Whether a file is acknowledged to its end, and did not grow lately.
fn is_silent(file: &TrackedFile, now: Instant) -> bool {
    file.acknowledged >= file.source.size()
        && !file.source.is_vanishing()
        && file.source.silent_for(now) >= SILENCE
}

/// Gives a file the readers that it lacks, each where its delivery is: as it has begun, or as the
/// checkpoint has it.
fn make_readers(
    file: &mut TrackedFile,
    checkpoint: &checkpoint::Checkpoint,
    begun: &[(DeliveryKey, Progress)],
) {
    let (uid, generation) = file.source.key();
    let lacking = &file.wiring.readings[file.readers.len()..];
    let make = |Reading { delivery, input }: &Reading| {
        let key = delivery.config.key;
        let begun = begun.iter().find(|(of, _)| *of == key).map(|(_, progress)| progress.clone());
        let progress = begun.unwrap_or_else(|| checkpoint.progress(key, uid, generation));
        let (timeout, framing) = (input.flush_timeout, input.framing.clone());
        let inner = Reader::new(Arc::clone(&file.source), &progress, timeout, framing);
        // Not the input, which has the delivery, which has the reader.
        let tagging = Arc::clone(&input.tagging);
        Arc::new(FileReader::new(inner, tagging))
    };
    let made: Vec<_> = lacking.iter().map(make).collect();
    file.readers = file.readers.iter().cloned().chain(made).collect();
}

#[cfg(test)]
mod tests;
