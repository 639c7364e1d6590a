//! Names become open files: what arrived is opened and gets a record, what is in doubt is looked
//! at once more.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::compressed::format::{DECISIVE_BYTES, Format};
use crate::discover::directory::Here;
use crate::discover::interest::NameInterest;
use crate::identity::relatives;
use crate::ids::Id;
use crate::source::descriptor::Descriptor;
use crate::source::open_file::{Opened, Refusal, open};
use crate::source::reading::{OpenFile, read_full};
use crate::watcher::state::unknowns::{Unknown, descriptor_of};
use crate::watcher::table::{Followed, Wanting};
use crate::{Event, SkipReason, Tail};

/// What became of a name that was met.
pub(crate) enum Admission {
    File(Id),
    /// It leads elsewhere by now: this directory is listed again.
    Moved(Arc<Path>),
    /// It could not be opened: it is tried again.
    Unknown(Unknown),
    Nothing,
}

impl Tail {
    /// A name leads elsewhere by now: it is met again where its directory is listed, or where rotated
    /// files go.
    fn follow_moved(&mut self, here: &Here) -> Admission {
        self.unknowns.forget_name(&here.path);
        match here.path.parent() {
            Some(dir) if self.discovery.urge_name(&here.path) => {
                if let Some(interest) = &here.interest {
                    self.await_moved(&interest.logical, true);
                }
                Admission::Moved(dir.into())
            }
            _ => {
                self.repeats.is_due = true;
                Admission::Nothing
            }
        }
    }

    /// Opens a file that arrived and makes a record of it.
    pub(crate) fn admit(&mut self, here: Here) -> Admission {
        if let Some(id) = self.files.by_key(here.stat.key()) {
            self.meet_again(id, here);
            return Admission::Nothing;
        }
        let opened = match self.open(&here.real) {
            Ok(opened) if opened.stat.key() == here.stat.key() => opened,
            Ok(_) | Err(Refusal::Moved) => return self.follow_moved(&here),
            Err(Refusal::Skip(reason)) => {
                self.events.push(Event::Skipped { path: here.path, reason });
                return Admission::Nothing;
            }
            Err(Refusal::Failed(error)) => return Admission::Unknown(self.refuse(here, error)),
        };
        self.unknowns.forget_name(&here.path);
        let stat = opened.stat;
        self.inodes.insert(stat.inode);
        let nobody = || NameInterest {
            logical: here.path.clone(),
            suffix: None,
            logs: Vec::new(),
            targets: Vec::new(),
        };
        let interest = here.interest.clone().unwrap_or_else(nobody);
        let targets = self.wanting(&interest.targets).into();
        let again = here.clone();
        let is_newborn = opened.identity.birth.is_some_and(|birth| birth > here.listed_before);
        let mut file_record = Followed::new(here, interest, targets, self.now, self.is_starting());
        (file_record.stat, file_record.is_newborn) = (stat, is_newborn);
        let content = match content(&*opened.file, &file_record) {
            Ok(content) => content,
            Err(error) => {
                return Admission::Unknown(self.refuse(again, error));
            }
        };
        let format = match content {
            Content::Skipped(format) => {
                let (path, reason) = (file_record.path, SkipReason::Compressed(format));
                self.events.push(Event::Skipped { path, reason });
                return Admission::Nothing;
            }
            Content::Compressed(format) => Some(format),
            Content::Text => None,
        };
        file_record.compressed = format.map(|_| Box::default());
        let descriptor = Descriptor::new(opened, format, &self.link);
        descriptor.take_turns(&file_record.real);
        file_record.descriptor = Some(descriptor);
        let id = self.files.insert(file_record);
        self.warm_if_new(id);
        Admission::File(id)
    }

    /// The targets of a name's claims, and whether their first searches go on.
    pub(crate) fn wanting(&self, interested: &[(usize, bool)]) -> Vec<Wanting> {
        let there =
            interested.iter().filter(|(target, _)| self.discovery.targets.get(*target).is_some());
        let wanting = |(target, member): &(usize, bool)| {
            let at_start = self.is_starting() || self.discovery.is_in_first_search(*target);
            Wanting { target: *target, member: *member, at_start }
        };
        there.map(wanting).collect()
    }

    /// Opens a file, within the budget of descriptors.
    pub(crate) fn open(&mut self, real: &Path) -> Result<Opened, Refusal> {
        if !self.link.budget.make_way_for_watcher() {
            self.renew_turns(self.files.iter().map(|(_, file)| file));
            if !self.link.budget.make_way_for_watcher() {
                return Err(Refusal::Failed(rustix::io::Errno::MFILE.into()));
            }
        }
        open(&self.link.trees, real)
    }

    /// Files that are not decided upon may have other names by now: they can be closed for others
    /// again, and are opened again by these.
    pub(crate) fn renew_turns<'a>(&self, files: impl Iterator<Item = &'a Followed>) {
        for file in files.filter(|file| file.is_named && !file.is_ending) {
            if let Some(descriptor) = &file.descriptor {
                descriptor.take_turns(&file.real);
            }
        }
    }

    /// The open file of a record that is in doubt, looked at once more. `None`: it is not there.
    pub(crate) fn look_again(&mut self, id: Id) -> Result<Option<Arc<Descriptor>>, Unknown> {
        let Some(file) = self.files.get(id) else { return Ok(None) };
        let (key, path, real) = (file.stat.key(), file.path.clone(), file.real.clone());
        let guess = file.compressed.as_ref().map(|_| Format::Gzip);
        let held = match file.source.is_some() || file.descriptor.is_some() {
            true => descriptor_of(file.open(), id, &path)?,
            false => None,
        };
        let descriptor = match held {
            Some(descriptor) => descriptor,
            None => match self.open(&real) {
                Ok(opened) if opened.stat.key() == key => {
                    Descriptor::new(opened, guess, &self.link)
                }
                Err(Refusal::Failed(error)) => return Err(Unknown::new(id, &path, error)),
                Ok(_) | Err(Refusal::Moved | Refusal::Skip(_)) => {
                    self.doubt_name(id, &path);
                    return Ok(None);
                }
            },
        };
        descriptor.take_turns(&real);
        descriptor.take_failure();
        let stat = descriptor.stat().map_err(|error| Unknown::new(id, &path, error))?;
        let Some(file) = self.files.get_mut(id) else { return Ok(None) };
        file.stat = stat;
        if file.source.is_some() {
            return Ok(Some(descriptor));
        }
        // It may have been empty before, or too short to tell.
        let held = content(&**descriptor, file).map_err(|error| Unknown::new(id, &path, error))?;
        let format = match held {
            Content::Skipped(format) => {
                self.files.remove(id);
                let reason = SkipReason::Compressed(format);
                self.events.push(Event::Skipped { path, reason });
                return Ok(None);
            }
            Content::Compressed(format) => Some(format),
            Content::Text => None,
        };
        let descriptor = match format == descriptor.format() {
            true => descriptor,
            false => {
                let same = descriptor.duplicate(format);
                let same = same.map_err(|error| Unknown::new(id, &path, error))?;
                same.take_turns(&real);
                same
            }
        };
        if format.is_some() != file.compressed.is_some() {
            file.compressed = format.map(|_| Box::default());
        }
        file.descriptor = Some(Arc::clone(&descriptor));
        Ok(Some(descriptor))
    }

    /// A file is not where its name leads: its directory is listed again, where one is followed.
    pub(crate) fn doubt_name(&mut self, id: Id, path: &Path) {
        let is_named = self.files.get(id).is_some_and(|file| file.is_named);
        if is_named && !self.discovery.urge_name(path) {
            self.files.unset_path(path);
            self.lose_name(id);
        }
    }
}

/// What a file holds, by its first bytes.
enum Content {
    Text,
    Compressed(Format),
    /// Compressed as nothing here reads it.
    Skipped(Format),
}

/// First bytes decide; where there are none yet, a compressor's extension says what will come.
fn content(file: &dyn OpenFile, record: &Followed) -> io::Result<Content> {
    let mut begin = [0; DECISIVE_BYTES];
    let count = read_full(file, 0, &mut begin)?;
    Ok(match Format::of(&begin[..count]) {
        Some(format) if format.is_read() => Content::Compressed(format),
        Some(format) => Content::Skipped(format),
        None if relatives::is_compressed_name(&record.path)
            && (Format::may_follow(&begin[..count])
                || record.targets.iter().all(|want| want.member)) =>
        {
            Content::Compressed(Format::Gzip)
        }
        None => Content::Text,
    })
}
