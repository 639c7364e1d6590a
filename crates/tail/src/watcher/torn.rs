//! Compressed files that end within what was compressed and do not get whole: the compressor was
//! killed, the disk was full. Each is reported once for as long as it stays as it is.
//! Nothing here is durable: after a restart it is reported again.

use crate::{Event, Tail};

impl Tail {
    /// Reports those that have not changed since the last call.
    pub(crate) fn report_torn(&mut self) {
        let mut before = std::mem::take(&mut self.unpacking.torn);
        for (id, file) in self.files.iter() {
            let is_stuck = file.compressed.as_ref().is_some_and(|compressed| compressed.is_stuck());
            let read = file.source.as_ref().and_then(|source| source.torn());
            if !is_stuck && read.is_none() {
                continue;
            }
            let was_told = match before.remove(&id) {
                Some((stat, was_told)) if stat == file.stat => {
                    if !was_told {
                        let error = problem(file.stat.size, read);
                        self.events.push(Event::Unreadable { path: file.path.clone(), error });
                    }
                    true
                }
                _ => false,
            };
            self.unpacking.torn.insert(id, (file.stat, was_told));
        }
    }
}

fn problem(size: u64, read: Option<u64>) -> String {
    let held = match read {
        Some(len) => format!("the {len} bytes that it holds so far are collected"),
        None => "nothing of it is collected, and it is compared with nothing".into(),
    };
    format!("incomplete compressed file of {size} bytes, unchanged for a minute; {held}")
}
