//! Files are looked at: whether they grew, were rewritten, lost their last name.

use std::sync::Arc;

use record::{HEAD_LEN_MAX, HEAD_LEN_MIN};

use crate::discover::absence::is_absence;
use crate::identity::bytes::{anchor_fits, begin, head_fits};
use crate::ids::Id;
use crate::source::descriptor::Descriptor;
use crate::source::stat::Stat;
use crate::watcher::carry_out::COPY_WAIT;
use crate::watcher::state::pace::is_hot;
use crate::watcher::table::{Doubt, Followed};
use crate::{Event, Source, Tail};

impl Tail {
    /// Looks at the hot files.
    pub(crate) fn poll_hot(&mut self) {
        let Some((mut hot, with_paths)) = self.pace.begin_pass(self.now) else { return };
        hot.retain(|id| {
            self.look_at_file(*id);
            if with_paths {
                self.look_at_path(*id);
            }
            self.files.get(*id).is_some_and(|file| is_hot(file.since, self.now))
        });
        self.pace.end_pass(hot);
    }

    /// Looks at the next files in turn.
    pub(crate) fn poll_idle(&mut self) {
        let files = self.pace.next_in_turn(self.now, || self.files.ids());
        if files.is_empty() {
            return;
        }
        let started = self.pace.cpu_time();
        for id in files.into_iter().rev() {
            self.look_at_path(id);
            self.close_if_done(id);
        }
        self.pace.spend(started);
    }

    /// A file that came while running is likely to grow; one that was there may be old.
    pub(crate) fn warm_if_new(&mut self, id: Id) {
        if !self.is_starting() {
            self.pace.warm(id);
        }
    }

    /// Looks at a file through its descriptor.
    pub(crate) fn look_at_file(&mut self, id: Id) {
        let Some(file) = self.files.get(id).filter(is_looked_at) else { return };
        if !file.is_open() {
            return self.look_at_path(id);
        }
        let Ok(descriptor) = file.open() else { return };
        let Ok(stat) = descriptor.stat() else { return };
        self.note(id, stat);
    }

    /// Looks at where a file's path leads.
    pub(crate) fn look_at_path(&mut self, id: Id) {
        let Some(file) = self.files.get(id).filter(is_looked_at) else { return };
        if !file.is_named {
            return if file.is_open() {
                self.look_at_file(id)
            };
        }
        match self.link.trees.stat(&file.path) {
            Ok(stat)
                if stat == file.stat
                    && file.source.is_some()
                    && (file.padded.is_none() || !file.is_open()) => {}
            Ok(stat) if stat.key() == file.stat.key() => {
                let was_closed = !file.is_open() && file.source.is_some();
                // Opening it compares its identity: meanwhile its inode may be another file's.
                if !was_closed || stat == file.stat || file.open().is_ok() {
                    self.note(id, stat);
                }
            }
            // It is looked at again in its turn.
            Err(error) if !is_absence(&error) => {}
            _ => {
                let path = file.path.clone();
                if !path.parent().is_some_and(|dir| self.discovery.urge(dir)) {
                    self.files.unset_path(&path);
                    self.lose_name(id);
                }
            }
        }
    }

    /// Takes note of what a file is now.
    fn note(&mut self, id: Id, stat: Stat) {
        let Some(file) = self.files.get_mut(id) else { return };
        let old = std::mem::replace(&mut file.stat, stat);
        let Some(source) = file.source.clone() else {
            return self.note_unknown(id, old);
        };
        if stat.links == 0 && source.unlink() {
            self.events.push(Event::Unlinked(Arc::clone(&source)));
            // What is a copy of it may take its place.
            let family = file.family.clone();
            self.queue(family);
        }
        let Some(file) = self.files.get_mut(id) else { return };
        if file.compressed.is_some() {
            return self.note_compressed(id, old.size, &source);
        }
        // The time of the last change of content can be set, that of any change cannot.
        let is_touched = (stat.modified, stat.changed) != (old.modified, old.changed);
        let is_rewritten = |file: &Followed| {
            let (head, reached) = (source.head(), source.reached());
            let holds = |file: &Descriptor| head_fits(file, head) && anchor_fits(file, reached);
            is_touched && file.open().is_ok_and(|file| !holds(&file))
        };
        if file.padded.is_some() {
            if !self.note_padded(id, old, &source) {
                self.doubt(id);
                return;
            }
            let file = self.files.get(id);
            return if file.is_some_and(is_rewritten) {
                self.doubt(id)
            };
        }
        if stat.size > old.size {
            file.since = self.now;
            self.pace.warm(id);
            if !self.refresh_head(id, stat.size) {
                return self.doubt(id);
            }
            if source.take_new_head() {
                self.events.push(Event::Seen(Arc::clone(&source)));
            }
            source.resize(stat.size, true, self.now);
            self.events.push(Event::Grew(source));
        } else if stat.size < old.size || is_rewritten(file) {
            self.doubt(id);
        }
    }

    /// Takes note of a compressed file, which nobody changes once it is complete.
    fn note_compressed(&mut self, id: Id, old_size: u64, source: &Arc<Source>) {
        let Some(file) = self.files.get_mut(id) else { return };
        if file.stat.size > old_size {
            file.since = self.now;
            source.resize(source.size() + 1, true, self.now);
            self.events.push(Event::Grew(Arc::clone(source)));
            self.pace.warm(id);
        } else if file.stat.size < old_size {
            self.doubt(id);
        }
    }

    /// Takes note of a file that is not read yet: whether it can be told now what it is.
    fn note_unknown(&mut self, id: Id, old: Stat) {
        let Some(file) = self.files.get_mut(id) else { return };
        // What claimed its space beforehand is written to without becoming longer.
        let is_written = file.doubt == Doubt::Young && file.stat.modified != old.modified;
        let has_changed = file.stat.size != old.size || is_written;
        if has_changed {
            file.since = self.now;
            self.pace.warm(id);
        }
        let Some(file) = self.files.get(id).filter(|file| file.stat.size > 0) else { return };
        let is_stuck = file.compressed.as_ref().is_some_and(|compressed| compressed.is_stuck());
        let is_due = match file.doubt {
            _ if is_stuck => has_changed,
            Doubt::PerhapsCopy => has_changed || self.now >= file.since + COPY_WAIT,
            Doubt::Copy => has_changed,
            // Where nothing was written, only time can tell.
            _ if !has_changed => self.is_ripe(id, b"."),
            _ => match file.open() {
                Ok(descriptor) => self.is_ripe(id, &begin(&*descriptor)),
                Err(_) => true,
            },
        };
        if is_due {
            let family = file.family.clone();
            self.queue(family);
        }
    }

    /// A file grew: its head may be longer. False when it does not begin as it did.
    pub(crate) fn refresh_head(&mut self, id: Id, size: u64) -> bool {
        let Some(source) = self.files.get(id).and_then(|file| file.source.as_ref()) else {
            return true;
        };
        let head = source.head();
        let is_news = size >= u64::from(HEAD_LEN_MAX)
            || size >= 2 * u64::from(head.len)
            || (head.len < HEAD_LEN_MIN && size >= u64::from(HEAD_LEN_MIN));
        if head.len >= HEAD_LEN_MAX || !is_news {
            return true;
        }
        let Ok(file) = source.descriptor_for_watcher() else { return true };
        // The proof of the position comes second: with it these are the first bytes of what was
        // read.
        let (begin, reached) = (begin(&*file), source.reached());
        if !head_fits(&&begin[..], head) || !anchor_fits(&*file, reached) {
            return false;
        }
        source.refresh_head(&begin, reached);
        true
    }
}

/// Whether anything is to be learned from a look at a file.
fn is_looked_at(file: &&Followed) -> bool {
    file.doubt != Doubt::Changed && !file.is_ending
}
