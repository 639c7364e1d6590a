//! The simulated agent's eyes: which generation of which file is where, and what of it each
//! delivery has not read.
//!
//! Who a file is, [`Keys`] knows: it stands for the fingerprints and proofs by which crate `tail`
//! recognises a file, which has tests of its own. What was journaled is asked of the journal.
//! A kill leaves nothing of this but [`Keys`], which is a property of the files.
//! Mirrors `follow.rs` of the agent: `poll` its `Following::apply`, `begin` its
//! `begin_generation`, `claimed` the positions of `tail::Reader`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use disk::{Disk, DiskFile};
use record::{Anchor, FileSeen, FileUid, Head, Identity, Progress, Range, Signature, Spans, Tags};

use crate::agent::{Agent, Delivery, Stuck, settled};
use crate::logs::{Life, numbers};
use crate::request::{anchor, fits};
use crate::world::Outside;

/// A generation of a file.
pub(crate) type Key = (FileUid, u32);

/// Which life each generation is.
#[derive(Clone, Default)]
pub(crate) struct Keys(BTreeMap<Key, usize>);

impl Keys {
    /// The generation under which the journal knows a life best.
    fn of(&self, life: usize, is_known: impl Fn(Key) -> bool) -> Option<Key> {
        let mut keys = self.0.iter().filter(|(_, of)| **of == life).map(|(key, _)| *key);
        let known = keys.clone().rfind(|key| is_known(*key));
        known.or_else(|| keys.next())
    }

    /// The life that a generation is.
    pub(crate) fn life(&self, key: Key) -> Option<usize> {
        self.0.get(&key).copied()
    }

    fn next(&self, uid: FileUid) -> Key {
        let last = self.0.range((uid, 0)..=(uid, u32::MAX)).next_back();
        (uid, last.map_or(0, |((_, generation), _)| generation + 1))
    }
}

/// A file that is followed.
pub(crate) struct Source {
    pub life: usize,
    pub is_vanishing: bool,
    inode: u64,
    name: PathBuf,
    file: Arc<dyn DiskFile>,
    tags: Arc<Tags>,
    /// What each delivery has read, or need not.
    pub claimed: Vec<Spans>,
}

impl Source {
    /// Exactly these bytes, if they are there.
    pub(crate) fn read(&self, start: u64, end: u64) -> Option<Vec<u8>> {
        let mut raw = vec![0; (end - start) as usize];
        let read = self.file.read_at(&mut raw, start).expect("no fault reaches a reader");
        (read == raw.len()).then_some(raw)
    }

    /// The bytes of a range, if they are what they were.
    pub(crate) fn read_again(&self, range: &Range) -> Option<Vec<u8>> {
        self.read(range.start, range.end).filter(|raw| crc32c::crc32c(raw) == range.crc)
    }

    /// The next whole records that a delivery has not read, at most `max` bytes but one record
    /// at least. The proofs of the real reader are here a look at what was written.
    pub(crate) fn take(
        &mut self,
        key: Key,
        delivery: usize,
        max: u64,
        life: &Life,
    ) -> Option<(Range, Vec<u8>)> {
        let len = self.file.len().expect("no fault reaches a reader").min(life.len());
        let (start, limit) = *self.claimed[delivery].gaps(0, len).first()?;
        let ends = life.records.iter().map(|(end, _)| *end);
        let mut ends = ends.filter(|end| *end > start && *end <= limit);
        let first = ends.next()?;
        let end = ends.take_while(|end| end - start <= max).last().unwrap_or(first);
        let raw = self.read(start, end)?;
        let written: Vec<_> = life.within(start, end).collect();
        let is_as_written = raw.last() == Some(&b'\n')
            && raw.len() as u64 == end - start
            && self.is_in_place(life)
            && numbers(&raw) == written;
        if !is_as_written {
            return None; // Truncated under the reader; the next look at the files tells.
        }
        let before = self.read(0, end)?;
        self.claimed[delivery].insert(start, end);
        let range = Range {
            file: key.0,
            generation: key.1,
            start,
            end,
            crc: crc32c::crc32c(&raw),
            anchor: anchor(&before),
            tags: Arc::clone(&self.tags),
        };
        Some((range, raw))
    }

    /// Whether it has the file open in which its bytes are.
    pub(crate) fn is_in_place(&self, life: &Life) -> bool {
        life.inode == self.inode
    }
}

impl Agent {
    /// Looks at all files: journals what is new about them before anybody reads them.
    pub(crate) fn poll(&mut self, out: &mut Outside) -> Result<(), Stuck> {
        for at in 0..out.logs.lives.len() {
            match self.key_of(at) {
                Some(key) if out.logs.lives[at].is_gone => drop(self.sources.remove(&key)),
                None if out.logs.lives[at].is_gone => {}
                Some(key) => self.look_again(out, at, key)?,
                None if out.logs.lives[at].name.is_some() => self.find(out, at)?,
                None => {}
            }
        }
        if !self.is_ready {
            self.close_changed(out)?;
            self.claim_again();
            for delivery in 0..self.deliveries.len() {
                settled(self.checkpoint.baseline_complete(self.deliveries[delivery].key))?;
            }
            self.is_ready = true;
        }
        Ok(())
    }

    fn key_of(&self, life: usize) -> Option<Key> {
        self.sources.iter().find(|(_, source)| source.life == life).map(|(key, _)| *key)
    }

    /// A file that is followed: renamed, re-homed, deleted, done with.
    fn look_again(&mut self, out: &mut Outside, at: usize, key: Key) -> Result<(), Stuck> {
        let life = &out.logs.lives[at];
        let source = &self.sources[&key];
        let Some(name) = life.name.clone() else {
            return self.look_at_vanishing(out, at, key);
        };
        if source.inode == life.inode && source.name == name {
            return Ok(());
        }
        settled(self.checkpoint.see(&seen(key, life)))?;
        let file = out.disk.outside().open(&name).expect("it has its name");
        let inode = life.inode;
        let source = self.sources.get_mut(&key).expect("just there");
        (source.file, source.inode, source.name) = (file, inode, name);
        Ok(())
    }

    fn look_at_vanishing(&mut self, out: &mut Outside, at: usize, key: Key) -> Result<(), Stuck> {
        let source = self.sources.get_mut(&key).expect("just there");
        source.is_vanishing = true;
        let len = out.logs.lives[at].len();
        let done = self.deliveries.iter().all(|delivery| {
            self.checkpoint.progress(delivery.key, key.0, key.1).acked.contains(0, len)
        });
        if done {
            if out.logs.lives[at].is_deleted_durably {
                settled(self.checkpoint.drop_generation(key.0, key.1))?;
                out.ledger.count("files forgotten");
            }
            self.sources.remove(&key);
            out.logs.lives[at].is_gone = true;
        }
        Ok(())
    }

    /// A file that is not followed yet.
    fn find(&mut self, out: &mut Outside, at: usize) -> Result<(), Stuck> {
        let life = &out.logs.lives[at];
        let uid = FileUid(life.born_in.into());
        let known = out.keys.of(at, |key| self.known.contains(&key));
        let mut key = known.unwrap_or_else(|| out.keys.next(uid));
        let progress = |key: Key, of: usize| -> Progress {
            self.checkpoint.progress(self.deliveries[of].key, key.0, key.1)
        };
        let all: Vec<Progress> = (0..self.deliveries.len()).map(|of| progress(key, of)).collect();
        let name = life.name.clone().expect("asked before");
        let content = out.disk.outside().read(&name).expect("it has its name");
        let mut anchors: Vec<Anchor> = all.iter().flat_map(|p| p.anchors.clone()).collect();
        anchors.sort_unstable_by_key(|anchor| anchor.offset);
        let proof = anchors.iter().rposition(|anchor| fits(&content, anchor));
        if proof.map_or(0, |at| at + 1) < anchors.len() {
            assert!(!self.same_boot, "acknowledged bytes are missing and the boot is the same");
            let start = proof.map_or(0, |at| anchors[at].offset);
            key = self.begin(out, at, key, &all, start)?;
        } else {
            settled(self.checkpoint.see(&seen(key, life)))?;
            out.keys.0.insert(key, at);
        }
        let life = &out.logs.lives[at];
        self.begin_reading(out, at, key, life.baseline)
    }

    /// The file lost acknowledged bytes with the power: a generation that goes on at the last
    /// place of which there is proof.
    fn begin(
        &self,
        out: &mut Outside,
        at: usize,
        old: Key,
        all: &[Progress],
        start: u64,
    ) -> Result<Key, Stuck> {
        let life = &out.logs.lives[at];
        let key = out.keys.next(old.0);
        let keep: Vec<_> = self
            .deliveries
            .iter()
            .zip(all)
            .map(|(delivery, progress)| (delivery.key, progress.acked.covered_from(0).min(start)))
            .collect();
        settled(self.checkpoint.begin_generation(&seen(key, life), &keep))?;
        for (of, (_, kept)) in keep.iter().enumerate() {
            // Counted as `source_lost_tail`: a new generation has new keys.
            out.ledger.allow(of, life.within(*kept, life.len()));
        }
        out.ledger.count("files that lost their tail");
        out.keys.0.insert(key, at);
        Ok(key)
    }

    fn begin_reading(
        &mut self,
        out: &mut Outside,
        at: usize,
        key: Key,
        baseline: u64,
    ) -> Result<(), Stuck> {
        for delivery in &self.deliveries {
            let progress = self.checkpoint.progress(delivery.key, key.0, key.1);
            let is_untouched = progress.acked.is_empty() && progress.open.is_empty();
            if is_untouched && baseline > 0 && !self.checkpoint.is_baseline_complete(delivery.key) {
                settled(self.checkpoint.baseline(delivery.key, key.0, key.1, baseline))?;
            }
        }
        let claimed = self.claimed(key);
        let life = &out.logs.lives[at];
        let name = life.name.clone().expect("asked before");
        let path = name.display().to_string();
        let source = Source {
            life: at,
            is_vanishing: false,
            inode: life.inode,
            file: out.disk.outside().open(&name).expect("it has its name"),
            name,
            tags: Arc::new(Tags(vec![("__path__".into(), path)])),
            claimed,
        };
        self.sources.insert(key, source);
        Ok(())
    }
}

impl Agent {
    /// What the journal says of each delivery: acknowledged, or in a request without an answer.
    fn claimed(&self, key: Key) -> Vec<Spans> {
        let claimed = |delivery: &Delivery| {
            let mut progress = self.checkpoint.progress(delivery.key, key.0, key.1);
            progress.acked.merge(&progress.open);
            progress.acked
        };
        self.deliveries.iter().map(claimed).collect()
    }

    /// Requests were closed: what they claimed is to be read.
    fn claim_again(&mut self) {
        let keys: Vec<Key> = self.sources.keys().copied().collect();
        for key in keys {
            let claimed = self.claimed(key);
            self.sources.get_mut(&key).expect("it is one of them").claimed = claimed;
        }
    }
}

/// What is journaled of a file.
fn seen(key: Key, life: &Life) -> FileSeen {
    let name = life.name.clone().unwrap_or_default();
    FileSeen {
        uid: key.0,
        generation: key.1,
        identity: Identity { dev: 8, inode: life.inode, birth: Some(7) },
        head: Head { len: 256, hash: life.born_in },
        signature: Signature::default(),
        logical: name.clone(),
        real: name,
        size: life.len(),
    }
}
