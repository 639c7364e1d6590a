//! The open files by who they are, so that a sender can read a range again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use record::{ANCHOR_LEN, FileUid, Range};
use tail::{BySource, Raw, Source, read_range};

/// Every generation of a file that the reader has, by uid and generation.
#[derive(Default)]
pub struct Sources(Mutex<HashSet<BySource>>);

impl Sources {
    /// Adds one, or puts another descriptor in its place.
    pub fn insert(&self, source: &Arc<Source>) {
        self.0.lock().expect("no holder panics").replace(BySource(source.clone()));
    }

    /// Forgets one.
    pub fn remove(&self, source: &Source) {
        self.0.lock().expect("no holder panics").remove(&source.key());
    }

    /// The file that a range names.
    pub fn get(&self, file: FileUid, generation: u32) -> Option<Arc<Source>> {
        let sources = self.0.lock().expect("no holder panics");
        sources.get(&(file, generation)).map(|BySource(source)| source.clone())
    }

    /// The raw bytes of a range; `None` where they are not what they were.
    ///
    /// # Errors
    /// Where that cannot be told because the file cannot be opened or read now.
    pub fn read(&self, range: &Range) -> Result<Option<Raw>, tail::Error> {
        let Some(source) = self.get(range.file, range.generation) else { return Ok(None) };
        let mut raw = Raw::new();
        match read_range(&source, range.start, range.end, &mut raw) {
            Ok(crc) => Ok((crc == range.crc).then_some(raw)),
            Err(error @ (tail::Error::Open { .. } | tail::Error::Read { .. })) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// The bytes that stand before a range, as many as an anchor covers; none where the file is
    /// gone or was written anew.
    pub fn before(&self, range: &Range) -> Raw {
        let mut raw = Raw::new();
        if let Some(source) = self.get(range.file, range.generation) {
            let from = range.start.saturating_sub(ANCHOR_LEN);
            let _ = read_range(&source, from, range.start, &mut raw);
        }
        // The range second: if it is still there, so was what stood before it.
        if let Ok(Some(_)) = self.read(range) { raw } else { Raw::new() }
    }
}
