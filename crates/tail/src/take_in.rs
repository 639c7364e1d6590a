//! Names become open files: what arrived is opened and gets a record, what is in doubt is looked
//! at once more.

use std::path::PathBuf;
use std::sync::Arc;

use crate::claim::Claims;
use crate::descriptor::Descriptor;
use crate::directory::Here;
use crate::facts::{Packed, is_packed_name};
use crate::files::{Followed, Id, Wanting};
use crate::open::{Refusal, Stat, open};
use crate::{Event, Tail};

/// What became of a name that was met.
pub(crate) enum Intake {
    File(Id),
    /// It leads elsewhere by now: this directory is listed again.
    Moved(PathBuf),
    Nothing,
}

impl Tail {
    /// Opens a file that arrived and makes a record of it.
    pub(crate) fn take_in(&mut self, here: Here) -> Intake {
        if let Some(id) = self.files.by_key(here.stat.key()) {
            self.meet_again(id, here);
            return Intake::Nothing;
        }
        let (file, stat) = match open(&self.shared.trees, &here.real) {
            Ok((file, stat)) if stat.key() == here.stat.key() => (file, stat),
            Ok(_) | Err(Refusal::Moved) => {
                self.unreadable.remove(&here.path);
                return match here.path.parent() {
                    Some(dir) if self.discovery.urge_name(&here.path) => {
                        Intake::Moved(dir.to_path_buf())
                    }
                    _ => Intake::Nothing,
                };
            }
            Err(Refusal::Skip(reason)) => {
                self.events.push(Event::Skipped { path: here.path, reason });
                return Intake::Nothing;
            }
            Err(Refusal::Failed(error)) => {
                let (path, error) = (here.path.clone(), error.to_string());
                if self.unreadable.insert(path.clone(), here).is_none() {
                    self.events.push(Event::Unreadable { path, error });
                }
                return Intake::Nothing;
            }
        };
        self.unreadable.remove(&here.path);
        self.inodes.insert(stat.inode);
        let nobody = || Claims { logical: here.path.clone(), suffix: None, targets: Vec::new() };
        let claims = here.claims.clone().unwrap_or_else(nobody);
        let targets = self.wanting(&claims.targets);
        let mut file_record = Followed::new(here, claims, targets, self.now, self.is_starting());
        file_record.stat = stat;
        let suffix = file_record.suffix;
        let is_packed = match file_record.targets.is_empty() {
            true => is_packed_name(&file_record.path),
            false => suffix.is_some_and(|suffix| suffix.compressed),
        };
        file_record.packed = is_packed.then(Packed::default);
        file_record.descriptor = Some(Descriptor::new(file, is_packed, &self.shared));
        let id = self.files.insert(file_record);
        self.warm_if_new(id);
        Intake::File(id)
    }

    /// The targets of a name's claims, and whether their first searches go on.
    pub(crate) fn wanting(&self, claimed: &[(usize, bool)]) -> Vec<Wanting> {
        let there =
            claimed.iter().filter(|(target, _)| self.discovery.targets.get(*target).is_some());
        let wanting = |(target, member): &(usize, bool)| {
            let at_start = self.is_starting() || self.discovery.is_newcomer(*target);
            Wanting { target: *target, member: *member, at_start }
        };
        there.map(wanting).collect()
    }

    /// The open file of a record that is in doubt, looked at once more.
    pub(crate) fn look_again(&mut self, id: Id) -> Option<Arc<Descriptor>> {
        let shared = Arc::clone(&self.shared);
        let file = self.files.get_mut(id)?;
        let descriptor = match file.is_open() {
            true => file.open().ok()?,
            false => {
                let (opened, stat) = open(&shared.trees, &file.real).ok()?;
                let is_packed = file.packed.is_some();
                (stat.key() == file.stat.key())
                    .then(|| Descriptor::new(opened, is_packed, &shared))?
            }
        };
        file.stat = Stat::of(&descriptor).ok()?;
        if file.source.is_none() {
            file.descriptor = Some(Arc::clone(&descriptor));
        }
        Some(descriptor)
    }
}
