//! Compressed members of families: files that a rotation compressed. What they hold is compared
//! with what is known before anything is read, as for any other member; where their beginning is
//! like that of a known generation, all of it is decompressed once, some of it a call.
//! One that is incomplete, or beside which the plain file still lies, is not there yet.
//! Nothing here is durable: what was done with is known again by its inode and its beginning.
//! Not here: decompressing (`inflate.rs`), what is learned (`facts.rs`), the decision
//! (`restore.rs`).

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::{Bytes, begin};
use crate::descriptor::Descriptor;
use crate::facts::{Facts, Other, Packed, begins_alike, proof_start, told_len, unread};
use crate::files::Id;
use crate::identity::Known;
use crate::inflate::{End, Inflater, MAGIC};
use crate::open::{Stat, identity};
use crate::settle::Origin;
use crate::{Event, SkipReason, Tail};

/// How much is decompressed in one call to learn what a file holds.
const SCAN_BYTES_MAX: usize = 1 << 20;

/// How much of it at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// The shortest gzip file.
const FILE_BYTES_MIN: u64 = 18;

/// A file that is being decompressed to learn what it holds.
#[derive(Debug)]
struct Scan {
    id: Id,
    family: PathBuf,
    file: Arc<Descriptor>,
    stat: Stat,
    /// Only one scan at a time has come so far as to need it.
    work: Option<Box<Work>>,
    offset: u64,
    places: Vec<(u64, Vec<u8>)>,
    /// Offsets whose proofs are wanted, the next one last.
    wanted: Vec<u64>,
    compared: Vec<(Other, Option<Arc<Descriptor>>)>,
}

/// The memory of a scan.
#[derive(Debug)]
struct Work {
    inflater: Inflater,
    block: Vec<u8>,
    /// What a living generation holds in the same place.
    other: Vec<u8>,
}

/// What is under way with compressed files.
#[derive(Debug, Default)]
pub(crate) struct Packing {
    scans: VecDeque<Scan>,
    /// Directories and families with a compressed file beside which the plain one lies.
    waiting: Vec<(PathBuf, PathBuf)>,
}

impl Packing {
    /// Whether nothing is being decompressed.
    pub(crate) fn is_idle(&self) -> bool {
        self.scans.is_empty()
    }
}

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
    ) -> Option<Vec<(Id, Arc<Descriptor>)>> {
        if !open.iter().any(|(_, file)| file.is_packed()) {
            return Some(open);
        }
        let (origins, knowns) = self.knowns(family, &open, others);
        let nameless = self.nameless(&open);
        let mut is_scanning = false;
        open.retain(|(id, file)| {
            if !file.is_packed() {
                return true;
            }
            let standing = match self.packed_before(file, &origins, &knowns) {
                Some(k) => {
                    let len = knowns[k].seen.size.max(knowns[k].reached());
                    if let Some(stat) = self.files.get(*id).map(|record| record.stat) {
                        self.set_facts(*id, unread(stat, len, begin(&**file)));
                    }
                    Standing::Ready
                }
                None => self.standing(family, *id, file, &knowns, others, &nameless),
            };
            is_scanning |= matches!(standing, Standing::Scans);
            matches!(standing, Standing::Ready)
        });
        if is_scanning {
            return None;
        }
        let became_packed: Vec<Id> = nameless
            .into_iter()
            .filter_map(|(other, _)| self.became_packed(other, &open))
            .collect();
        open.retain(|(id, _)| !became_packed.contains(id));
        for id in became_packed {
            self.files.remove(id);
        }
        Some(open)
    }

    /// Files that lost their name before it was decided what they are.
    fn nameless(&self, open: &[(Id, Arc<Descriptor>)]) -> Vec<(Other, Arc<Descriptor>)> {
        let is_nameless = |id: Id| {
            self.files.get(id).is_some_and(|file| file.source.is_none() && file.stat.links == 0)
        };
        let nameless = open.iter().filter(|(id, file)| !file.is_packed() && is_nameless(*id));
        nameless.map(|(id, file)| (Other::Nameless(*id), Arc::clone(file))).collect()
    }

    /// The file that lost its name where a compressed one holds just what it does.
    fn became_packed(&self, other: Other, open: &[(Id, Arc<Descriptor>)]) -> Option<Id> {
        let Other::Nameless(id) = other else { return None };
        let size = self.files.get(id)?.stat.size;
        let mut facts =
            open.iter().filter_map(|(id, _)| self.files.get(*id)?.packed.as_ref()?.facts());
        facts.any(|facts| facts.is_copy_of(other, size, false)).then_some(id)
    }

    /// The known generation that was followed nowhere and that this very file held, as it is.
    pub(crate) fn packed_before(
        &self,
        file: &Descriptor,
        origins: &[Origin],
        knowns: &[Known],
    ) -> Option<usize> {
        let found = identity(file).ok().filter(|found| found.birth.is_some())?;
        let k = knowns.iter().position(|known| known.seen.identity == found)?;
        let is_absent = matches!(origins[k], Origin::Absent(_));
        (is_absent && begins_alike(&begin(file), knowns[k].seen.head)).then_some(k)
    }

    fn standing(
        &mut self,
        family: &Path,
        id: Id,
        file: &Arc<Descriptor>,
        knowns: &[Known],
        others: &[Id],
        nameless: &[(Other, Arc<Descriptor>)],
    ) -> Standing {
        let Some(record) = self.files.get(id) else { return Standing::Waits };
        let (stat, path) = (record.stat, record.path.clone());
        let packed = record.packed.as_ref();
        let facts = packed.and_then(Packed::facts);
        if packed.is_some_and(|packed| packed.stuck == Some(stat)) {
            return Standing::Waits;
        }
        let mut magic = [0; 2];
        if stat.size >= 2 && Bytes::read(&***file, 0, &mut magic) == 2 && magic != MAGIC {
            self.files.remove(id);
            self.events.push(Event::Skipped { path, reason: SkipReason::Compressed });
            return Standing::Waits;
        }
        let begin = begin(&**file);
        if stat.size < FILE_BYTES_MIN || begin.is_empty() {
            return self.get_stuck(id, stat);
        }
        if self.has_plain_sibling(&path) {
            let wait = (path.parent().unwrap_or(&path).to_path_buf(), family.to_path_buf());
            if !self.packing.waiting.contains(&wait) {
                self.packing.waiting.push(wait);
            }
            return Standing::Waits;
        }
        let is_alike =
            |known: &&Known| begins_alike(&begin, known.seen.head) || known.seen.head.len == 0;
        let anchors = knowns.iter().filter(is_alike).flat_map(|known| &known.anchors);
        let wanted: Vec<u64> = anchors.map(|anchor| anchor.offset).collect();
        let has_known = knowns.iter().any(|known| is_alike(&known));
        let mut alive = self.alike(others, &begin);
        alive.extend(nameless.iter().cloned());
        let compared: Vec<Other> = alive.iter().map(|(other, _)| *other).collect();
        if !has_known && alive.is_empty() {
            let len = told_len(file, stat.size);
            self.set_facts(id, unread(stat, len, begin));
            return Standing::Ready;
        }
        if facts.is_some_and(|facts| facts.answers(&stat, &wanted, &compared)) {
            return Standing::Ready;
        }
        self.begin_scan(id, family, file, stat, wanted, alive);
        Standing::Scans
    }

    /// The living generations that begin like a file.
    fn alike(&self, others: &[Id], begin: &[u8]) -> Vec<(Other, Arc<Descriptor>)> {
        let sources = others.iter().filter_map(|id| self.files.get(*id)?.source.as_ref());
        sources
            .filter(|source| !source.is_unlinked() && begins_alike(begin, source.head()))
            .filter_map(|source| {
                let generation = (source.uid(), source.generation());
                Some((Other::Read(generation), source.descriptor().ok()?))
            })
            .collect()
    }

    /// Whether the file from which one is being compressed is still there.
    fn has_plain_sibling(&self, path: &Path) -> bool {
        let plain = path.as_os_str().as_bytes().strip_suffix(b".gz");
        let plain = plain.map(|plain| Path::new(OsStr::from_bytes(plain)));
        let stat = plain.and_then(|plain| self.shared.trees.stat_link(plain).ok());
        stat.is_some_and(|stat| stat.skip_reason().is_none())
    }

    fn set_facts(&mut self, id: Id, facts: Arc<Facts>) {
        if let Some(record) = self.files.get_mut(id) {
            record.packed = Some(Packed { facts: Some(facts), stuck: None });
        }
    }

    fn get_stuck(&mut self, id: Id, stat: Stat) -> Standing {
        if let Some(record) = self.files.get_mut(id) {
            record.packed = Some(Packed { facts: None, stuck: Some(stat) });
        }
        Standing::Waits
    }

    fn begin_scan(
        &mut self,
        id: Id,
        family: &Path,
        file: &Arc<Descriptor>,
        stat: Stat,
        mut wanted: Vec<u64>,
        alive: Vec<(Other, Arc<Descriptor>)>,
    ) {
        if self.packing.scans.iter().any(|scan| scan.id == id) {
            return;
        }
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        self.packing.scans.push_back(Scan {
            id,
            family: family.to_path_buf(),
            file: Arc::clone(file),
            stat,
            work: None,
            offset: 0,
            places: vec![(0, begin(&**file))],
            wanted,
            compared: alive.into_iter().map(|(g, file)| (g, Some(file))).collect(),
        });
    }

    /// Goes on with what is being decompressed.
    pub(crate) fn scan(&mut self) {
        let mut left = SCAN_BYTES_MAX;
        while left > 0
            && let Some(mut scan) = self.packing.scans.pop_front()
        {
            if self.files.get(scan.id).is_none() {
                continue;
            }
            match scan.step() {
                Ok(true) => {
                    left = left.saturating_sub(BLOCK_BYTES);
                    self.packing.scans.push_front(scan);
                }
                Ok(false) => self.end_scan(scan),
                Err(error) => {
                    self.tell_damaged(scan.id, scan.stat, &error.to_string());
                    self.queue(scan.family);
                }
            }
        }
    }

    fn end_scan(&mut self, scan: Scan) {
        let Scan { id, family, stat, work, offset, places, compared, .. } = scan;
        match work.map_or(End::Open, |work| work.inflater.end()) {
            End::Whole => {
                let compared = compared.into_iter().map(|(g, file)| (g, file.is_some())).collect();
                let facts = Facts { stat, len: offset, is_exact: true, places, compared };
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
        let ready: Vec<_> = self.packing.waiting.extract_if(.., |(at, _)| at == dir).collect();
        for (_, family) in ready {
            self.queue(family);
        }
    }
}

impl Work {
    fn new() -> Self {
        let block = || vec![0; BLOCK_BYTES];
        Self { inflater: Inflater::new(), block: block(), other: block() }
    }
}

impl Scan {
    /// Decompresses a block; false at the end.
    fn step(&mut self) -> io::Result<bool> {
        let Work { inflater, block, other } =
            &mut **self.work.get_or_insert_with(|| Box::new(Work::new()));
        let count = inflater.read(&self.file, self.offset, block)?;
        let end = self.offset + count as u64;
        while let Some(&offset) = self.wanted.last().filter(|offset| **offset <= end) {
            self.wanted.pop();
            let start = proof_start(offset);
            let mut proof = vec![0; (offset - start) as usize];
            if inflater.read(&self.file, start, &mut proof)? == proof.len() {
                self.places.push((start, proof));
            }
        }
        for (_, file) in &mut self.compared {
            let same = |file: &Arc<Descriptor>| {
                let other = &mut other[..count];
                file.read(self.offset, other) == count && other == &block[..count]
            };
            *file = file.take().filter(same);
        }
        self.offset = end;
        Ok(count == block.len())
    }
}
