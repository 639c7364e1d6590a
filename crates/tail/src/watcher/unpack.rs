//! Compressed members of families: files that a rotation compressed. What they hold is compared
//! with what is known before anything is read, as for any other member; where their beginning is
//! like that of a known generation, all of it is decompressed once, some of it a call.
//! One that is incomplete, or beside which the plain file still lies, is not there yet.
//! Nothing here is durable: what was done with is known again by its inode and its beginning.
//! Not here: how one is decompressed (`compressed/scan.rs`), what is learned
//! (`compressed/facts.rs`), the decision (`identity/rotation.rs`).

use std::path::Path;
use std::sync::Arc;

use record::Anchor;

use crate::compressed::facts::{
    Compressed, Facts, Other, begin_alike, begins_alike, told_len, unread,
};
use crate::compressed::format::{DECISIVE_BYTES, Format};
use crate::compressed::inflate::End;
use crate::compressed::scan::{BLOCK_BYTES, Scan};
use crate::identity::bytes::{Bytes, begin};
use crate::identity::judge::Known;
use crate::identity::relatives;
use crate::ids::{Generation, Id};
use crate::source::descriptor::Descriptor;
use crate::source::stat::Stat;
use crate::watcher::comparison::Positions;
use crate::watcher::resolve::Origin;
use crate::watcher::state::unknowns::{Unknown, descriptor_of};
use crate::{Event, SkipReason, Source, Tail};

/// How much is decompressed in one call to learn what a file holds.
const SCAN_BYTES_MAX: usize = 1 << 20;

/// Files that are to be decided upon, each with its descriptor.
type OpenFiles = Vec<(Id, Arc<Descriptor>)>;

/// Whether a file can be decided upon.
enum Standing {
    Ready,
    /// Not as it is, or not at all.
    Waits,
    /// It is being decompressed.
    Scans,
}

impl Tail {
    /// Leaves out the compressed files that cannot be decided upon; `None` while one of them is
    /// being decompressed: the family waits for it.
    pub(crate) fn unpack(
        &mut self,
        family: &Path,
        mut open: Vec<(Id, Arc<Descriptor>)>,
        others: &[Id],
        positions: &Positions,
    ) -> Result<Option<OpenFiles>, Unknown> {
        if !open.iter().any(|(_, file)| file.is_compressed()) {
            return Ok(Some(open));
        }
        let (origins, knowns) = self.knowns(family, &open, others, positions);
        let plain: Vec<(Other, Arc<Descriptor>)> = open
            .iter()
            .filter(|(_, file)| !file.is_compressed())
            .map(|(id, file)| (Other::Open(*id), Arc::clone(file)))
            .collect();
        let (mut is_scanning, mut unknown) = (false, None);
        open.retain(|(id, file)| {
            if !file.is_compressed() {
                return true;
            }
            let standing = match self.compressed_before(file, &origins, &knowns) {
                Some(k) => {
                    let len = knowns[k].seen.size.max(knowns[k].reached());
                    if let Some(stat) = self.files.get(*id).map(|record| record.stat) {
                        self.set_facts(*id, unread(stat, len, begin(&**file)));
                    }
                    Standing::Ready
                }
                None => self.standing(family, *id, file, &knowns, others, &plain).unwrap_or_else(
                    |failed| {
                        unknown = Some(failed);
                        Standing::Waits
                    },
                ),
            };
            is_scanning |= matches!(standing, Standing::Scans);
            matches!(standing, Standing::Ready)
        });
        if let Some(unknown) = unknown {
            return Err(unknown);
        }
        if is_scanning {
            return Ok(None);
        }
        let became_compressed: Vec<Id> = plain
            .into_iter()
            .filter_map(|(other, _)| self.became_compressed(other, &open))
            .collect();
        open.retain(|(id, _)| !became_compressed.contains(id));
        for id in became_compressed {
            self.files.remove(id);
        }
        Ok(Some(open))
    }

    /// The file that lost its name before it was decided what it is, where a compressed one holds just what it does.
    fn became_compressed(&self, other: Other, open: &[(Id, Arc<Descriptor>)]) -> Option<Id> {
        let Other::Open(id) = other else { return None };
        let record = self.files.get(id)?;
        (record.source.is_none() && record.stat.links == 0).then_some(())?;
        let size = record.stat.size;
        let mut facts =
            open.iter().filter_map(|(id, _)| self.files.get(*id)?.compressed.as_ref()?.facts());
        facts.any(|facts| facts.len == size && facts.is_copy_of(other, size, false)).then_some(id)
    }

    /// The known generation that was followed nowhere and that this very file held, as it is.
    pub(crate) fn compressed_before(
        &self,
        file: &Descriptor,
        origins: &[Origin],
        knowns: &[Known],
    ) -> Option<usize> {
        let found = Some(file.identity()).filter(|found| found.birth.is_some())?;
        let k = knowns.iter().position(|known| known.seen.identity == found)?;
        let is_dormant = matches!(origins[k], Origin::Dormant(_));
        (is_dormant && begins_alike(&begin(file), knowns[k].seen.head)).then_some(k)
    }

    fn standing(
        &mut self,
        family: &Path,
        id: Id,
        file: &Arc<Descriptor>,
        knowns: &[Known],
        others: &[Id],
        plain: &[(Other, Arc<Descriptor>)],
    ) -> Result<Standing, Unknown> {
        let Some(record) = self.files.get(id) else { return Ok(Standing::Waits) };
        let (stat, path) = (record.stat, record.path.clone());
        let compressed = record.compressed.as_ref();
        let facts = compressed.and_then(|compressed| compressed.facts());
        if compressed.is_some_and(|compressed| compressed.stuck == Some(stat)) {
            return Ok(Standing::Waits);
        }
        let mut first = [0; DECISIVE_BYTES];
        let count = Bytes::read(&***file, 0, &mut first);
        let first = &first[..count];
        if Format::of(first).is_none() && !Format::may_follow(first) {
            self.files.remove(id);
            self.events.push(Event::Skipped { path, reason: SkipReason::NotCompressed });
            return Ok(Standing::Waits);
        }
        let begin = begin(&**file);
        if file.take_failure() {
            return Err(Unknown::unread(id, &path));
        }
        if begin.is_empty() || relatives::is_temporary_name(&path) {
            return Ok(self.get_stuck(id, stat));
        }
        if self.has_plain_sibling(&path, family) {
            let wait = (path.parent().unwrap_or(&path).into(), family.into());
            if !self.unpacking.waiting.contains(&wait) {
                self.unpacking.waiting.push(wait);
            }
            return Ok(Standing::Waits);
        }
        let is_beside_log = self.has_plain_sibling(&path, Path::new(""));
        let is_alike =
            |known: &&Known| begins_alike(&begin, known.seen.head) || known.seen.head.len == 0;
        let anchors = knowns.iter().filter(is_alike).flat_map(|known| {
            let generation = (known.seen.uid, known.seen.generation);
            known.anchors.iter().map(move |anchor| (generation, *anchor))
        });
        let proven: Vec<(Generation, Anchor)> = anchors.collect();
        let wanted: Vec<u64> = proven.iter().map(|(_, anchor)| anchor.offset).collect();
        let has_known = knowns.iter().any(|known| is_alike(&known));
        let mut alive = self.alike(others, &begin)?;
        alive.extend(plain.iter().filter(|(_, file)| begin_alike(&begin, file)).cloned());
        let compared: Vec<Other> = alive.iter().map(|(other, _)| *other).collect();
        // Beside what it is made of it may be incomplete.
        if !has_known
            && !is_beside_log
            && alive.is_empty()
            && let Some(len) = told_len(file, stat.size)
        {
            self.set_facts(id, unread(stat, len, begin));
            return Ok(Standing::Ready);
        }
        if facts.is_some_and(|facts| facts.answers(&stat, &wanted, &compared)) {
            return Ok(Standing::Ready);
        }
        self.begin_scan(id, family, file, stat, proven, alive);
        Ok(Standing::Scans)
    }

    /// The living generations that begin like a file.
    fn alike(&self, others: &[Id], begin: &[u8]) -> Result<Vec<(Other, Arc<Descriptor>)>, Unknown> {
        let mut found = Vec::new();
        for id in others {
            let source = self.files.get(*id).and_then(|file| file.source.as_ref());
            let is_alike =
                |source: &&Arc<Source>| !source.is_unlinked() && begins_alike(begin, source.head());
            let Some(source) = source.filter(is_alike) else { continue };
            let generation = (source.uid(), source.generation());
            let file = descriptor_of(source.descriptor_for_watcher(), *id, &source.real())?;
            found.extend(file.map(|file| (Other::Read(generation), file)));
        }
        Ok(found)
    }

    /// Whether the file from which one is being compressed is still there.
    /// Beside the log itself there always is: that is compared.
    fn has_plain_sibling(&self, path: &Path, family: &Path) -> bool {
        let plain = relatives::plain_path(path).filter(|plain| *plain != family);
        let stat = plain.and_then(|plain| self.link.trees.stat_link(plain).ok());
        stat.is_some_and(|stat| stat.skip_reason().is_none())
    }

    fn set_facts(&mut self, id: Id, facts: Arc<Facts>) {
        if let Some(record) = self.files.get_mut(id) {
            record.compressed = Some(Box::new(Compressed { facts: Some(facts), stuck: None }));
        }
    }

    fn get_stuck(&mut self, id: Id, stat: Stat) -> Standing {
        if let Some(record) = self.files.get_mut(id) {
            record.compressed = Some(Box::new(Compressed { facts: None, stuck: Some(stat) }));
        }
        Standing::Waits
    }

    fn begin_scan(
        &mut self,
        id: Id,
        family: &Path,
        file: &Arc<Descriptor>,
        stat: Stat,
        mut proven: Vec<(Generation, Anchor)>,
        alive: Vec<(Other, Arc<Descriptor>)>,
    ) {
        if self.unpacking.scans.iter().any(|scan| scan.id == id) {
            return;
        }
        let mut wanted: Vec<u64> = proven.iter().map(|(_, anchor)| anchor.offset).collect();
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        // Of a saved generation there are many, which stay as they are.
        proven.retain(|(generation, _)| self.files.by_generation(*generation).is_some());
        self.unpacking.scans.push_back(Scan {
            id,
            family: family.into(),
            file: Arc::clone(file),
            stat,
            work: None,
            offset: 0,
            places: vec![(0, begin(&**file))],
            wanted,
            compared: alive.into_iter().map(|(g, file)| (g, Some(file))).collect(),
            held: Vec::new(),
            proven,
        });
    }

    /// Goes on with what is being decompressed.
    pub(crate) fn scan(&mut self) {
        let mut left = SCAN_BYTES_MAX;
        while left > 0
            && let Some(mut scan) = self.unpacking.scans.pop_front()
        {
            if self.files.get(scan.id).is_none() {
                continue;
            }
            match scan.step() {
                Ok(true) => {
                    left = left.saturating_sub(BLOCK_BYTES);
                    self.unpacking.scans.push_front(scan);
                }
                Ok(false) => self.end_scan(scan),
                Err(error) => {
                    let unknown = Unknown::new(scan.id, &self.path_of(scan.id), error);
                    self.postpone(&scan.family, &unknown, Vec::new());
                }
            }
        }
    }

    fn end_scan(&mut self, scan: Scan) {
        let Scan { id, family, stat, work, offset, places, compared, held, proven, .. } = scan;
        match work.map_or(End::Open, |work| work.inflater.end()) {
            End::Whole => {
                let compared = compared.into_iter().map(|(g, file)| (g, file.is_some())).collect();
                let (len, is_exact) = (offset, true);
                let facts = Facts { stat, len, is_exact, places, compared, held, proven };
                self.set_facts(id, Arc::new(facts));
            }
            End::Damaged => {
                let problem = format!("damaged after {offset} decompressed bytes");
                self.tell_damaged(id, stat, &problem);
            }
            End::Open | End::Torn => drop(self.get_stuck(id, stat)),
        }
        self.queue(family);
    }

    fn tell_damaged(&mut self, id: Id, stat: Stat, problem: &str) {
        self.get_stuck(id, stat);
        let Some(record) = self.files.get(id) else { return };
        let error = format!("{problem}; it is compared with what was collected when it is whole");
        self.events.push(Event::Unreadable { path: record.path.clone(), error });
    }

    /// A directory was listed: a plain file that a compressed one waited for may be gone.
    pub(crate) fn look_for_siblings(&mut self, dir: &Path) {
        let ready: Vec<_> = self.unpacking.waiting.extract_if(.., |(at, _)| **at == *dir).collect();
        for (_, family) in ready {
            self.queue(family);
        }
    }
}
