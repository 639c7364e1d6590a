//! Names that may be those of a log's relatives or of other logs (`app-2.log` beside `app.log`),
//! and that no pattern matches: whose bytes tell nothing is collected only where the log was
//! rotated since it was last looked at, and where it is not older than all that is known of it;
//! of a log that is new, where both came between two looks and it came first.
//! A stranger that is born after an unseen rotation is taken for a rotated file: that is the price
//! of not losing the generation between two rotations. One that was there at the last look is known
//! by its inode number and birth time, over restarts too. So is a copy (`copies.rs`).

use std::path::Path;
use std::sync::Arc;

use record::{FileSeen, Identity};

use crate::discover::absence::is_absence;
use crate::identity::bytes::begin;
use crate::identity::fingerprint;
use crate::identity::found::Decision;
use crate::identity::judge::Known;
use crate::ids::Id;
use crate::source::descriptor::Descriptor;
use crate::watcher::state::strangers::{COPY, STRANGER, key};
use crate::watcher::table::Followed;
use crate::{Event, Tail};

/// By how much a stranger is older than all that is known of a log. What is known may have moved
/// into a copy that is younger than the log is.
const OLDER_NANOS_MIN: i64 = 60_000_000_000;

/// What tells whether a log was rotated.
#[derive(Debug, Default)]
struct Evidence {
    /// The log is the file that it was at the last look, before this agent began.
    is_as_saved: bool,
    /// When the file was born that is read as the log.
    log: Option<Option<i64>>,
    /// When the generations that are known were born, where that is known.
    generations: Vec<Option<i64>>,
    /// When the log was born that is new as well: where nothing is known, it may have come and been
    /// rotated between two looks.
    new_log: Option<i64>,
}

impl Evidence {
    /// Whether a file that was born then is another log's. `is_newborn`: after its directory had
    /// been listed without it.
    fn is_stranger(&self, birth: Option<i64>, is_compressed: bool, is_newborn: bool) -> bool {
        if self.generations.is_empty() {
            let is_before = |(birth, log)| is_compressed || birth < log;
            return !(is_newborn && birth.zip(self.new_log).is_some_and(is_before));
        }
        let is_younger_than_log = self.log.is_some_and(|log| match (log, birth) {
            // What is compressed at once, and the next log, may be born at one tick of the clock.
            (Some(log), Some(birth)) if is_compressed => log < birth,
            (Some(log), Some(birth)) => log <= birth,
            _ => true,
        });
        let oldest = self.generations.iter().flatten().min();
        let is_older = birth
            .zip(oldest)
            .is_some_and(|(birth, oldest)| birth < oldest.saturating_sub(OLDER_NANOS_MIN));
        self.is_as_saved || is_younger_than_log || is_older
    }
}

impl Tail {
    /// Decides for new files under possible relatives' names which are other logs'.
    pub(crate) fn leave_out_strangers(
        &self,
        family: &Path,
        knowns: &[Known],
        open: &[(Id, Arc<Descriptor>)],
        others: &[Id],
        decisions: &mut [Decision],
    ) {
        let file = |id: &Id| self.files.get(*id);
        let may_be = |(id, decision): (&Id, &Decision)| {
            let is_possible = |file: &Followed| file.is_possible_relative() && file.size() > 0;
            *decision == Decision::New && file(id).is_some_and(is_possible)
        };
        if !open.iter().map(|(id, _)| id).zip(decisions.iter()).any(may_be) {
            return;
        }
        let evidence = self.evidence(family, knowns, open, others, decisions);
        for ((id, descriptor), decision) in open.iter().zip(decisions.iter_mut()) {
            let birth = descriptor.identity().birth;
            let is_known = self.strangers.has(&descriptor.identity());
            let is_newborn = file(id).is_some_and(|file| file.is_newborn);
            let is_stranger = evidence.is_stranger(birth, descriptor.is_compressed(), is_newborn);
            if may_be((id, decision)) && (is_known || is_stranger) {
                *decision = Decision::Stranger;
            }
        }
    }

    /// A file is another log's: it is let go, and remembered.
    pub(crate) fn leave_alone(&mut self, id: Id, file: &Arc<Descriptor>) {
        let Some(record) = self.files.remove(id) else { return };
        if record.targets.is_empty() || file.is_compressed() {
            return;
        }
        let begin = begin(&**file);
        if file.take_failure() {
            return;
        }
        let identity = file.identity();
        self.remember(FileSeen {
            uid: fingerprint::uid(self.options.node, &identity, &begin),
            generation: STRANGER,
            identity,
            head: fingerprint::head(&begin),
            signature: fingerprint::signature(&begin),
            logical: record.path,
            real: record.real,
            size: record.stat.size,
        });
    }

    /// Another log's file, or a copy, is known when it is met again.
    pub(crate) fn remember(&mut self, seen: FileSeen) {
        let (is_news, old) = self.strangers.add(&seen);
        self.events.extend(is_news.then_some(Event::Stranger(seen)));
        if let Some(FileSeen { uid, generation, .. }) = old {
            self.events.push(Event::Gone { uid, generation, last: false });
        }
    }

    /// A file is read now: it is no copy any more.
    pub(crate) fn forget_copy(&mut self, identity: &Identity) {
        let is_copy = self.strangers.copy(identity).is_some();
        let Some(key) = key(identity).filter(|_| is_copy) else { return };
        if let Some(FileSeen { uid, generation, .. }) = self.strangers.known.remove(&key) {
            self.events.push(Event::Gone { uid, generation, last: false });
        }
    }

    /// Forgets strangers that are not where they were met, or that somebody wants by now.
    pub(crate) fn forget_strangers(&mut self) {
        let (trees, targets, files) = (&self.link.trees, &self.discovery.targets, &self.files);
        let is_over = |(inode, _): &(u64, i64), seen: &mut FileSeen| {
            let is_gone = match trees.stat_link(&seen.real) {
                Ok(stat) => stat.inode != *inode,
                Err(error) => is_absence(&error),
            };
            if seen.generation == COPY {
                // It may have another name by now.
                return is_gone && files.by_key((seen.identity.dev, *inode)).is_none();
            }
            is_gone || targets.iter().any(|(_, target)| target.matches(&seen.logical))
        };
        for (_, FileSeen { uid, generation, .. }) in self.strangers.known.extract_if(is_over) {
            self.events.push(Event::Gone { uid, generation, last: false });
        }
    }

    fn evidence(
        &self,
        family: &Path,
        knowns: &[Known],
        open: &[(Id, Arc<Descriptor>)],
        others: &[Id],
        decisions: &[Decision],
    ) -> Evidence {
        let is_log =
            |file: &Followed| file.suffix.is_none() && *file.family == *family && file.is_named;
        let mut evidence = Evidence::default();
        for ((id, descriptor), decision) in open.iter().zip(decisions) {
            if !self.files.get(*id).is_some_and(is_log) {
                continue;
            }
            // Of what held nothing it cannot be told.
            evidence.is_as_saved |=
                matches!(decision, Decision::Same(k) if knowns[*k].reached() > 0);
            if *decision == Decision::New {
                evidence.new_log = descriptor.identity().birth;
            }
        }
        let known = knowns.iter().filter(|known| *known.seen.logical == *family);
        evidence.generations = known.map(|known| known.seen.identity.birth).collect();
        for file in others.iter().filter_map(|id| self.files.get(*id)) {
            let Some(source) = &file.source else { continue };
            let birth = source.seen().identity.birth;
            if is_log(file) && source.reached().offset > 0 {
                evidence.log = Some(birth);
            }
            // What was compressed is younger than what it holds.
            evidence.generations.push(birth.filter(|_| !file.is_compressed()));
        }
        evidence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_by_table() {
        const MINUTE: i64 = 60_000_000_000;
        let evidence = |is_as_saved, log, generations: &[i64]| Evidence {
            is_as_saved,
            log,
            generations: generations.iter().map(|birth| Some(*birth)).collect(),
            new_log: None,
        };
        let rows = [
            ("the log is what it was", evidence(true, None, &[MINUTE]), Some(2 * MINUTE), true),
            ("nothing is known", evidence(false, None, &[]), Some(MINUTE), true),
            ("rotated while down", evidence(false, None, &[MINUTE]), Some(2 * MINUTE), false),
            ("older than all", evidence(false, None, &[5 * MINUTE]), Some(MINUTE), true),
            ("as old as what moved", evidence(false, None, &[5 * MINUTE]), Some(4 * MINUTE), false),
            ("before the log", evidence(false, Some(Some(9)), &[1]), Some(8), false),
            ("after the log", evidence(false, Some(Some(9)), &[1]), Some(10), true),
            ("with the log", evidence(false, Some(Some(9)), &[1]), Some(9), true),
            ("no birth times", evidence(false, Some(None), &[1]), None, true),
            ("no birth times, rotated", evidence(false, None, &[1]), None, false),
        ];
        for (name, evidence, birth, expected) in rows {
            assert_eq!(evidence.is_stranger(birth, false, false), expected, "{name}");
        }
        let with_the_log = evidence(false, Some(Some(9)), &[1]);
        assert!(!with_the_log.is_stranger(Some(9), true, false), "compressed at once");
        assert!(with_the_log.is_stranger(Some(10), true, false), "compressed later");
    }

    #[test]
    fn the_first_rotation_of_a_new_log_by_table() {
        let rows = [
            ("both came between two looks", Some(9), Some(8), false, true, false),
            ("born at one tick of the clock", Some(9), Some(9), false, true, true),
            ("it was there before", Some(9), Some(8), false, false, true),
            ("it came after the log", Some(9), Some(10), false, true, true),
            ("compressed after the log came", Some(9), Some(10), true, true, false),
            ("its log is not there", None, Some(8), false, true, true),
            ("no birth times", Some(9), None, false, true, true),
        ];
        for (name, new_log, birth, is_compressed, is_newborn, expected) in rows {
            let evidence = Evidence { new_log, ..Evidence::default() };
            let found = evidence.is_stranger(birth, is_compressed, is_newborn);
            assert_eq!(found, expected, "{name}");
        }
    }
}
