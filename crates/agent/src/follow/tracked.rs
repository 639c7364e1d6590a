//! A file that is followed, and who reads it.
//! There may be 200,000: who reads a file is shared by all that the same read, and what only a file
//! needs that is being read is let go when it is at rest (`rest.rs`).

use std::sync::Arc;

use delivery::{Delivery, FileReader, Marks};
use tail::Source;

use crate::follow::input::Input;

/// A generation of a file.
pub(super) struct TrackedFile {
    pub(super) source: Arc<Source>,
    pub(super) wiring: Arc<Wiring>,
    /// The readers, in the order of the readings; none while the file is at rest.
    pub(super) readers: Box<[Arc<FileReader>]>,
    pub(super) acknowledged: u64,
    /// The size that the journal has.
    pub(super) noted: u64,
    /// While it is behind: when its bytes were seen.
    pub(super) marks: Option<Box<Marks>>,
    /// Whether it is looked at once a second.
    pub(super) is_awake: bool,
    /// Whether it was at risk when its readers were let go.
    pub(super) was_at_risk: bool,
}

/// Who reads files.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Wiring {
    pub(super) targets: Vec<usize>,
    pub(super) readings: Vec<Reading>,
}

/// A file as one delivery reads it.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) delivery: Arc<Delivery>,
    /// For which input: how it is read and tagged.
    pub(super) input: Arc<Input>,
}

impl PartialEq for Reading {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.delivery, &other.delivery) && Arc::ptr_eq(&self.input, &other.input)
    }
}

impl Wiring {
    pub(super) fn has(&self, delivery: &Arc<Delivery>) -> bool {
        self.readings.iter().any(|reading| Arc::ptr_eq(&reading.delivery, delivery))
    }
}

impl TrackedFile {
    pub(super) fn new(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            wiring: Arc::default(),
            readers: Box::default(),
            acknowledged: 0,
            noted: source.size(),
            marks: None,
            is_awake: false,
            was_at_risk: false,
        }
    }

    /// Whether every reading has its reader.
    pub(super) fn has_readers(&self) -> bool {
        self.readers.len() == self.wiring.readings.len()
    }

    /// The reader of a delivery, while there is one.
    pub(super) fn reader_of(&self, delivery: &Arc<Delivery>) -> Option<&Arc<FileReader>> {
        self.readers().find(|(of, _)| Arc::ptr_eq(of, delivery)).map(|(_, reader)| reader)
    }

    /// The readers that there are.
    pub(super) fn readers(&self) -> impl Iterator<Item = (&Arc<Delivery>, &Arc<FileReader>)> {
        let deliveries = self.wiring.readings.iter().map(|reading| &reading.delivery);
        deliveries.zip(&self.readers)
    }
}

/// Wires a file, with what the last one was wired with where that is the same.
pub(super) fn share(last: &mut Arc<Wiring>, wiring: Wiring, file: &mut TrackedFile) {
    if **last != wiring {
        *last = Arc::new(wiring);
    }
    file.wiring = Arc::clone(last);
}
