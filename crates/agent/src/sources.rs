//! The open files by who they are, so that a sender can read a range again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use record::{ANCHOR_LEN, FileUid, Range};
use tail::{Raw, Source, read_range};

/// Every generation of a file that the reader has, by uid and generation.
#[derive(Default)]
pub struct Sources(Mutex<HashMap<(FileUid, u32), Arc<Source>>>);

impl Sources {
    /// Adds one, or puts another descriptor in its place.
    pub fn insert(&self, source: &Arc<Source>) {
        let key = (source.uid(), source.generation());
        self.0.lock().expect("no holder panics").insert(key, source.clone());
    }

    /// Forgets one.
    pub fn remove(&self, source: &Source) {
        let key = (source.uid(), source.generation());
        self.0.lock().expect("no holder panics").remove(&key);
    }

    /// The file that a range names.
    pub fn get(&self, file: FileUid, generation: u32) -> Option<Arc<Source>> {
        self.0.lock().expect("no holder panics").get(&(file, generation)).cloned()
    }

    /// The raw bytes of a range, if they are still what they were.
    pub fn read(&self, range: &Range) -> Option<Raw> {
        let source = self.get(range.file, range.generation)?;
        let mut raw = Raw::new();
        let crc = read_range(&source, range.start, range.end, &mut raw).ok()?;
        (crc == range.crc).then_some(raw)
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
        if self.read(range).is_none() { Raw::new() } else { raw }
    }
}
