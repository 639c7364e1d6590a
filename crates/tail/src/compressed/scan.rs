//! What is under way with compressed files of which it is learned what they hold: each is
//! decompressed once, a block at a time, and compared with others on the way.
//! Nothing here is durable. Not here: decompressing (`inflate.rs`), what is learned (`facts.rs`),
//! which files that concerns (`watcher/unpack.rs`).

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

use record::Anchor;

use crate::compressed::facts::{Other, proof_start};
use crate::compressed::format::Format;
use crate::compressed::inflate::Inflater;
use crate::ids::{Generation, Id};
use crate::source::descriptor::Descriptor;
use crate::source::stat::Stat;

/// How much of it at a time.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;

/// A file that is being decompressed to learn what it holds.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) id: Id,
    pub(crate) family: Arc<Path>,
    pub(crate) file: Arc<Descriptor>,
    pub(crate) stat: Stat,
    /// Only one scan at a time has come so far as to need it.
    pub(crate) work: Option<Box<Work>>,
    pub(crate) offset: u64,
    pub(crate) places: Vec<(u64, Vec<u8>)>,
    /// Offsets whose proofs are wanted, the next one last.
    pub(crate) wanted: Vec<u64>,
    pub(crate) compared: Vec<(Other, Option<Arc<Descriptor>>)>,
    /// Those that were compared to their ends, which came first.
    pub(crate) held: Vec<Other>,
    pub(crate) proven: Vec<(Generation, Anchor)>,
}

/// The memory of a scan.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) inflater: Inflater,
    pub(crate) block: Vec<u8>,
    /// What a living generation holds in the same place.
    pub(crate) other: Vec<u8>,
}

/// What is under way with compressed files.
#[derive(Debug, Default)]
pub(crate) struct Unpacking {
    pub(crate) scans: VecDeque<Scan>,
    /// Directories and families with a compressed file beside which the plain one lies.
    pub(crate) waiting: Vec<(Arc<Path>, Arc<Path>)>,
    /// Incomplete files, as they were when they were last looked at, and whether that was reported.
    pub(crate) torn: HashMap<Id, (Stat, bool)>,
}

impl Unpacking {
    /// Whether nothing is being decompressed.
    pub(crate) fn is_idle(&self) -> bool {
        self.scans.is_empty()
    }
}

impl Work {
    fn new(format: Format) -> Self {
        let block = || vec![0; BLOCK_BYTES];
        Self { inflater: Inflater::new(format), block: block(), other: block() }
    }
}

impl Scan {
    /// Decompresses a block; false at the end.
    pub(crate) fn step(&mut self) -> io::Result<bool> {
        let format = self.file.format().unwrap_or(Format::Gzip);
        let Work { inflater, block, other } =
            &mut **self.work.get_or_insert_with(|| Box::new(Work::new(format)));
        let count = inflater.read(&**self.file, self.offset, block)?;
        let end = self.offset + count as u64;
        while let Some(&offset) = self.wanted.last().filter(|offset| **offset <= end) {
            self.wanted.pop();
            let start = proof_start(offset);
            let mut proof = vec![0; (offset - start) as usize];
            if inflater.read(&**self.file, start, &mut proof)? == proof.len() {
                self.places.push((start, proof));
            }
        }
        for (of, file) in &mut self.compared {
            let Some(compared) = file.take() else { continue };
            let read = compared.try_read(self.offset, &mut other[..count])?;
            let is_same = other[..read] == block[..read];
            if is_same && read < count {
                self.held.push(*of);
            }
            *file = (is_same && read == count).then_some(compared);
        }
        self.offset = end;
        Ok(count == block.len())
    }
}
