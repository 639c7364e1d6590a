//! New files of which the name says that they may be copies of a log beside them, by a name that no
//! rotation gives: before such a one is read as a log of its own it is compared with what is read
//! of that log, as a relative is. What holds nothing that is not read there is a copy; as soon as it
//! holds something else it is a log of its own, and is read from its beginning.
//! Not here: the names (`identity/named_after.rs`), the decision (`identity/rotation.rs`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Tail;
use crate::compressed::facts::begins_alike;
use crate::identity::bytes::begin;
use crate::identity::named_after::named_after;
use crate::identity::relatives::Suffix;
use crate::ids::Id;
use crate::source::descriptor::Descriptor;
use crate::watcher::state::unknowns::{Unknown, descriptor_of};
use crate::watcher::table::Followed;

/// Files that are to be decided upon, each with its descriptor.
type OpenFiles = Vec<(Id, Arc<Descriptor>)>;

impl Tail {
    /// Hands new files of a family of their own on to the logs of which they may be copies: it is
    /// decided there what they are.
    pub(crate) fn hand_to_logs(
        &mut self,
        family: &Path,
        open: &mut OpenFiles,
    ) -> Result<(), Unknown> {
        let mut handed = Vec::new();
        for (id, file) in open.iter() {
            let is_new = |record: &&Followed| {
                let is_own = record.suffix.is_none() && *record.family == *family;
                is_own && record.source.is_none() && record.targets.iter().any(|want| !want.member)
            };
            let Some(record) = self.files.get(*id).filter(is_new) else { continue };
            let mut logs = self.logs_of(&record.path);
            // Who does not collect the log wants what is in the copy.
            logs.retain(|log| self.all_collect(record, log));
            if logs.is_empty() {
                continue;
            }
            let begin = begin(&**file);
            if begin.is_empty() {
                continue;
            }
            for log in logs {
                if self.may_hold(&log, &begin)? {
                    handed.push((*id, log));
                    break;
                }
            }
        }
        for (id, log) in handed {
            open.retain(|(other, _)| *other != id);
            if let Some(record) = self.files.get_mut(id) {
                record.suffix = Some(Suffix::NAMED_AFTER);
            }
            let log: Arc<Path> = log.into();
            self.files.set_family(id, &log);
            self.queue(log);
        }
        Ok(())
    }

    /// The logs beside a file after which it may be named.
    fn logs_of(&self, path: &Path) -> Vec<PathBuf> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
        let logs = named_after(name.as_bytes()).into_iter();
        let logs = logs.map(|log| dir.join(OsStr::from_bytes(&log)));
        let is_known = |log: &PathBuf| {
            let (files, dormants) = (&self.files, &self.dormants);
            self.arrived.contains_key(log.as_path())
                || files.has_family(log)
                || dormants.has_family(log)
        };
        logs.filter(is_known).collect()
    }

    /// Whether a generation of a log begins like this, or it is not known yet how its files do.
    fn may_hold(&self, log: &Path, begin: &[u8]) -> Result<bool, Unknown> {
        let mut dormants = self.dormants.that_begin(begin);
        if self.arrived.contains_key(log) || dormants.any(|of| *of.known.seen.logical == *log) {
            return Ok(true);
        }
        for id in self.files.family(log) {
            if self.begins_so(id, begin)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a file that is read, or of which it is not decided what it is, begins like this.
    fn begins_so(&self, id: Id, begin: &[u8]) -> Result<bool, Unknown> {
        let Some(record) = self.files.get(id) else { return Ok(false) };
        let head = record.source.as_ref().map(|source| source.head());
        match head {
            Some(head) if (1..=begin.len()).contains(&(head.len as usize)) => {
                return Ok(begins_alike(begin, head));
            }
            None if record.descriptor.is_none() => return Ok(false),
            _ => {}
        }
        let file = descriptor_of(record.open(), id, &record.path)?;
        let is_alike = |file: &Arc<Descriptor>| {
            let other = self::begin(&**file);
            let len = other.len().min(begin.len());
            len > 0 && other[..len] == begin[..len]
        };
        Ok(file.is_some_and(|file| is_alike(&file)))
    }
}
