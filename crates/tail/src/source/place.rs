//! Where the bytes of a generation are, and what is known of them.

use std::path::Path;
use std::sync::Arc;

use record::{Anchor, HEAD_LEN_MAX, Head, Identity, Signature};

use crate::compressed::format::Format;
use crate::identity::bytes::written;
use crate::identity::fingerprint;
use crate::source::descriptor::Descriptor;

/// Where the bytes are and what is known of them.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) identity: Identity,
    pub(crate) real: Arc<Path>,
    pub(crate) head: Head,
    pub(crate) signature: Signature,
    /// The furthest position that was read, here or before a restart.
    pub(crate) reached: Anchor,
    pub(crate) descriptor: Option<Arc<Descriptor>>,
    /// How they are compressed there.
    pub(crate) format: Option<Format>,
    /// Boxed: hardly any source has any of it.
    pub(crate) rare: Option<Box<Rare>>,
    /// Whether the bytes are nowhere any more.
    pub(crate) lost: bool,
    /// Whether the head has become longer since the watcher last asked.
    pub(crate) has_new_head: bool,
}

/// What hardly any source has.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    /// NULs at the end of the file after a crash of the system: no data until overwritten.
    pub(crate) nuls: Option<(u64, u64)>,
    /// Where a compressed file ends, in decompressed bytes, as long as it is incomplete.
    pub(crate) torn: Option<u64>,
}

impl Place {
    /// The file begins with these bytes.
    pub(crate) fn begin_with(&mut self, bytes: &[u8]) {
        let begin = written(&bytes[..bytes.len().min(HEAD_LEN_MAX as usize)]);
        let old = self.head;
        (self.head, self.signature) = (fingerprint::head(begin), fingerprint::signature(begin));
        self.has_new_head |= self.head != old;
    }
}

/// The first bytes of a source, as a reader met them.
#[derive(Clone, Copy)]
pub(crate) struct First<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether there are no more.
    pub(crate) is_all: bool,
}

impl First<'_> {
    pub(crate) fn begin(&self) -> &[u8] {
        &self.bytes[..self.bytes.len().min(HEAD_LEN_MAX as usize)]
    }

    /// Whether they are what a file begins with. A head that is longer than a read proves nothing.
    pub(crate) fn fits(self, head: Head) -> bool {
        match self.bytes.get(..head.len as usize) {
            Some(begin) => fingerprint::head(begin) == head,
            None => !self.is_all,
        }
    }
}
