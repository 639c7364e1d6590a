//! What is known of a compressed file: how long its content is, and as much of that as it takes
//! to compare it with what was known before.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use record::{ANCHOR_LEN, Head};

use crate::bytes::Bytes;
use crate::family;
use crate::files::{Generation, Id};
use crate::fingerprint;
use crate::open::Stat;

/// What is known of a compressed file.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    pub(crate) facts: Option<Arc<Facts>>,
    /// What it was when it was found to be of no use as it is.
    pub(crate) stuck: Option<Stat>,
}

/// What a compressed file holds.
#[derive(Debug)]
pub(crate) struct Facts {
    /// What the file was then.
    pub(crate) stat: Stat,
    /// How long its content is; the file's own word for it where it was not decompressed.
    pub(crate) len: u64,
    pub(crate) is_exact: bool,
    /// Some of its content, by offset.
    pub(crate) places: Vec<(u64, Vec<u8>)>,
    /// What it was compared with, and whether that begins with all of it.
    pub(crate) compared: Vec<(Other, bool)>,
}

/// A file that a compressed one may be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// One that is read.
    Read(Generation),
    /// One that lost its name before it was decided what it is.
    Nameless(Id),
}

impl Packed {
    /// How long its content is, as far as that is known.
    pub(crate) fn len(&self) -> u64 {
        self.facts.as_ref().map_or(0, |facts| facts.len)
    }

    /// Whether only a change of the file can make a difference.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.is_some()
    }

    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.facts.clone()
    }
}

impl Bytes for Facts {
    fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let found = self.places.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(offset.checked_sub(*start)?).ok()?;
            bytes.get(at..at + buf.len())
        });
        found.map_or(0, |bytes| {
            buf.copy_from_slice(bytes);
            bytes.len()
        })
    }
}

impl Facts {
    /// Whether it holds just what another file holds, or the beginning of that.
    pub(crate) fn is_copy_of(&self, other: Other, size: u64, base: bool) -> bool {
        let fits = if base { self.len <= size } else { self.len == size };
        self.is_exact && fits && self.compared.contains(&(other, true))
    }

    pub(crate) fn answers(&self, stat: &Stat, wanted: &[u64], alive: &[Other]) -> bool {
        let has_proof = |offset: &u64| {
            let proof = proof_start(*offset);
            *offset > self.len || self.places.iter().any(|(start, _)| *start == proof)
        };
        self.is_exact
            && self.stat == *stat
            && wanted.iter().all(has_proof)
            && alive.iter().all(|wanted| self.compared.iter().any(|(other, _)| other == wanted))
    }
}

/// Where the bytes begin that prove an offset.
pub(crate) fn proof_start(offset: u64) -> u64 {
    offset.saturating_sub(ANCHOR_LEN)
}

/// Whether a file's name is that of a compressed member of a family.
pub(crate) fn is_packed_name(path: &Path) -> bool {
    let split = path.file_name().and_then(|name| family::split(name.as_bytes()));
    split.is_some_and(|(_, suffix)| suffix.compressed)
}

pub(crate) fn begins_alike(begin: &[u8], head: Head) -> bool {
    let same = |begin: &[u8]| fingerprint::head(begin) == head;
    head.len > 0 && begin.get(..head.len as usize).is_some_and(same)
}

/// The length of its content that a gzip file itself tells, modulo 4 GiB.
pub(crate) fn told_len(file: &File, size: u64) -> u64 {
    let mut trailer = [0; 4];
    let is_there = size >= 4 && Bytes::read(file, size - 4, &mut trailer) == 4;
    if is_there { u64::from(u32::from_le_bytes(trailer)) } else { 0 }
}

pub(crate) fn unread(stat: Stat, len: u64, begin: Vec<u8>) -> Arc<Facts> {
    Arc::new(Facts {
        stat,
        len: len.max(begin.len() as u64),
        is_exact: false,
        places: vec![(0, begin)],
        compared: Vec::new(),
    })
}
