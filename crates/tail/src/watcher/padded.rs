//! Files that end with NULs which no one has written yet: preallocated by their writer, or mapped
//! into its memory. What counts as their size is where the data ends. It goes on where NULs are
//! overwritten; data further behind counts when nothing has changed for FlushTimeoutSecs.
//! Nothing here is durable: it is seen again in the bytes.
//! Not here: padding with data behind it, which readers pass over (`read/reader.rs`).

use std::sync::Arc;

use crate::ids::Id;
use crate::read::padding::{After, after_padding, data_end};
use crate::source::reading::OpenFile;
use crate::source::stat::Stat;
use crate::watcher::state::padded::Padded;
use crate::{Event, Source, Tail};

impl Tail {
    /// Readers came to the padding at the end of files.
    pub(crate) fn meet_padding(&mut self) {
        let padded = std::mem::take(&mut *self.link.padded.lock().expect("no holder panics"));
        for (uid, generation, data_end) in padded {
            let Some(id) = self.files.by_generation((uid, generation)) else { continue };
            let Some(file) = self.files.get_mut(id) else { continue };
            let Some(source) = file.source.clone() else { continue };
            file.padded = Some(Padded::new(data_end, self.now));
            source.resize(data_end, false, self.now);
        }
    }

    /// Takes note of a file that ends with padding, or did. False: it holds something else than
    /// it did.
    pub(crate) fn note_padded(&mut self, id: Id, old: Stat, source: &Arc<Source>) -> bool {
        let timeout = self.flush_timeout(id);
        let Some(file) = self.files.get_mut(id) else { return true };
        let (stat, Ok(descriptor)) = (file.stat, file.open()) else { return true };
        let Some(mut padded) = file.padded.take() else { return true };
        let end = source.size();
        if stat.size < end {
            return false;
        }
        let mut new_end = data_end(&*descriptor, end);
        if stat.modified != old.modified || stat.size != old.size {
            padded.scanned = padded.scanned.or(Some(end));
        }
        let is_still = new_end == end && self.now >= padded.since + timeout;
        if let Some(from) = padded.scanned.filter(|_| is_still && end < stat.size) {
            let plain: &dyn OpenFile = &**descriptor;
            match after_padding(&*descriptor, Some(plain), from) {
                After::Data(data) => new_end = data_end(&*descriptor, data),
                After::End => padded.scanned = None,
                After::More(scanned) => padded.scanned = Some(scanned),
            }
        }
        if new_end > end {
            *padded = Padded { since: self.now, scanned: Some(new_end) };
            file.since = self.now;
            self.pace.warm(id);
        }
        let Some(file) = self.files.get_mut(id) else { return true };
        file.padded = (new_end < stat.size).then_some(padded);
        if new_end > end {
            if !self.refresh_head(id, new_end) {
                return false;
            }
            if source.take_new_head() {
                self.events.push(Event::Seen(Arc::clone(source)));
            }
            source.resize(new_end, true, self.now);
            self.events.push(Event::Grew(Arc::clone(source)));
        }
        true
    }
}
