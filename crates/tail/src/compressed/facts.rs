//! What is known of a compressed file: how long its content is, and as much of that as it takes
//! to compare it with what was known before.

use std::sync::Arc;

use record::{ANCHOR_LEN, Anchor, HEAD_LEN_MAX, HEAD_LEN_MIN, Head};

use crate::compressed::format::Format;
use crate::compressed::zstd::{FRAME_HEADER_LEN_MAX, content_len};
use crate::identity::bytes::Bytes;
use crate::identity::fingerprint;
use crate::ids::{Generation, Id};
use crate::source::descriptor::Descriptor;
use crate::source::stat::Stat;

/// What is known of a compressed file.
#[derive(Debug, Default)]
pub(crate) struct Compressed {
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
    /// The files that it begins with.
    pub(crate) held: Vec<Other>,
    /// How far generations were read of whose positions the proofs are among the places.
    pub(crate) proven: Vec<(Generation, Anchor)>,
}

/// A file that a compressed one may be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// One that is read.
    Read(Generation),
    /// One of which it is not decided what it is.
    Open(Id),
}

impl Compressed {
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
        let is_part = base || self.len >= u64::from(HEAD_LEN_MIN);
        let fits = if is_part { self.len <= size } else { self.len == size };
        self.is_exact && fits && self.compared.contains(&(other, true))
    }

    /// The position of a generation that can be proved here.
    pub(crate) fn proof_of(&self, generation: Generation) -> Option<Anchor> {
        let mut proven = self.proven.iter().filter(|(of, _)| *of == generation);
        proven.next().map(|(_, anchor)| *anchor)
    }

    /// Whether it begins with all that another file holds.
    pub(crate) fn holds(&self, other: Other, size: u64) -> bool {
        self.held.contains(&other) || (self.len == size && self.compared.contains(&(other, true)))
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

/// Whether a plain file and the content of a compressed one begin alike.
pub(crate) fn begin_alike(begin: &[u8], plain: &Arc<Descriptor>) -> bool {
    let mut other = [0; HEAD_LEN_MAX as usize];
    let count = Bytes::read(&***plain, 0, &mut other).min(begin.len());
    count > 0 && other[..count] == begin[..count]
}

pub(crate) fn begins_alike(begin: &[u8], head: Head) -> bool {
    let same = |begin: &[u8]| fingerprint::head(begin) == head;
    head.len > 0 && begin.get(..head.len as usize).is_some_and(same)
}

/// The length of its content that a compressed file itself tells; `None`: it does not. gzip tells
/// it modulo 4 GiB, and that of the last member only.
pub(crate) fn told_len(file: &Descriptor, size: u64) -> Option<u64> {
    match file.format() {
        Some(Format::Zstd) => {
            let mut header = [0; FRAME_HEADER_LEN_MAX];
            let count = Bytes::read(&**file, 0, &mut header);
            content_len(&header[..count])
        }
        _ => {
            let mut trailer = [0; 4];
            let is_there = size >= 4 && Bytes::read(&**file, size - 4, &mut trailer) == 4;
            Some(if is_there { u64::from(u32::from_le_bytes(trailer)) } else { 0 })
        }
    }
}

pub(crate) fn unread(stat: Stat, len: u64, begin: Vec<u8>) -> Arc<Facts> {
    Arc::new(Facts {
        stat,
        len: len.max(begin.len() as u64),
        is_exact: false,
        places: vec![(0, begin)],
        compared: Vec::new(),
        held: Vec::new(),
        proven: Vec::new(),
    })
}
