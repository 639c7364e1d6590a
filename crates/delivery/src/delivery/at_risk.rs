//! The files of a delivery that lost their name, or lost it to another: their bytes may be gone
//! soon. Only memory: the tail finds them again after a crash, as long as they are there.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use record::FileUid;
use tail::Source;

use crate::delivery::queue::FileReader;

/// How long bytes of a vanishing file may wait for their destination before they are spooled.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// What a delivery has at risk.
#[derive(Default)]
pub struct AtRisk(Mutex<Vec<(Instant, Arc<FileReader>)>>);

impl AtRisk {
    /// Notes a file that lost its name, or lost it to another.
    pub fn add(&self, reader: &Arc<FileReader>, now: Instant) {
        let mut files = self.0.lock().expect("no holder panics");
        if !files.iter().any(|(_, known)| Arc::ptr_eq(known, reader)) {
            files.push((now, reader.clone()));
        }
    }

    /// Forgets a file that is no longer followed.
    pub fn remove(&self, source: &Source) {
        let mut files = self.0.lock().expect("no holder panics");
        files.retain(|(_, reader)| key(reader.inner.source()) != key(source));
    }

    /// Whether a file was noted.
    pub fn has(&self, reader: &Arc<FileReader>) -> bool {
        let files = self.0.lock().expect("no holder panics");
        files.iter().any(|(_, known)| Arc::ptr_eq(known, reader))
    }

    /// The files whose bytes are to be spooled; at the end of the agent that is now.
    pub(crate) fn due(&self, outage: bool, ending: bool, now: Instant) -> Vec<Arc<FileReader>> {
        let files = self.0.lock().expect("no holder panics");
        let due = files.iter().filter(|(since, reader)| {
            let patient = now.saturating_duration_since(*since) < PATIENCE;
            (ending || !patient) && (outage || reader.inner.source().is_vanishing())
        });
        due.map(|(_, reader)| reader.clone()).collect()
    }

    /// The files that have no name any more.
    pub(crate) fn vanishing(&self) -> Vec<Arc<Source>> {
        let files = self.0.lock().expect("no holder panics");
        let sources = files.iter().map(|(_, reader)| reader.inner.source());
        sources.filter(|source| source.is_vanishing()).cloned().collect()
    }
}

/// Which generation of which file it is.
pub(crate) fn key(source: &Source) -> (FileUid, u32) {
    (source.uid(), source.generation())
}
