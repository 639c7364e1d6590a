//! Files that wait for a rate limit: out of the ready queue until a moment. Only memory; what they
//! hold is unread, and stays in the files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::delivery::queue::FileReader;

/// The files, by when they are to be tried again.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    files: BTreeMap<(Instant, u64), Arc<FileReader>>,
    last: u64,
}

impl Waiting {
    /// Lets a file wait until `due`. How many wait; `None` where this one does so already.
    pub fn add(&self, reader: &Arc<FileReader>, due: Instant) -> Option<usize> {
        let mut queue = self.0.lock().expect("no holder panics");
        if !reader.begin_to_wait() {
            return None;
        }
        queue.last += 1;
        let key = (due, queue.last);
        queue.files.insert(key, Arc::clone(reader));
        Some(queue.files.len())
    }

    /// Takes out the files that are due; how many still wait, and until when the first of them does.
    pub fn take_due(&self, now: Instant) -> (Vec<Arc<FileReader>>, usize, Option<Instant>) {
        let mut queue = self.0.lock().expect("no holder panics");
        let later = queue.files.split_off(&(now, u64::MAX));
        let due: Vec<_> = std::mem::replace(&mut queue.files, later).into_values().collect();
        due.iter().for_each(|reader| reader.end_to_wait());
        let first = queue.files.first_key_value().map(|((due, _), _)| *due);
        (due, queue.files.len(), first)
    }
}
