//! What is known of a file: where it lies, how it begins, and what stood before a position.

use std::path::Path;
use std::sync::Arc;

use crate::FileUid;

/// Where the file system keeps a file. A look-up key, not the file's name: inodes are given out
/// again (ext4 hands a freed one to the next file every time).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Identity {
    /// Device (`st_dev`).
    pub dev: u64,
    /// Inode number (`st_ino`).
    pub inode: u64,
    /// Birth time in nanoseconds since 1970 (statx `stx_btime`); `None` where the file system
    /// keeps none.
    pub birth: Option<i64>,
}

/// Fingerprint of a file's first bytes. It grows with the file up to [`crate::HEAD_LEN_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// How many bytes the hash covers.
    pub len: u32,
    /// XXH3-64 of those bytes.
    pub hash: u64,
}

/// iLogtail's own fingerprint (`sig_size`, `sig_hash`), kept so that either agent can take over
/// from the other: MurmurHash3_x64_128, seed 0xdeadbeaf, low 64 bits, of the file's first 1024
/// bytes at most, cut at the first NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Signature {
    /// How many bytes the hash covers: those that are left after the cut.
    pub size: u32,
    /// The hash.
    pub hash: u64,
}

/// Proof of a position: what stood just before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Anchor {
    /// The position in bytes from the beginning of the file.
    pub offset: u64,
    /// XXH3-64 of the min(offset, [`crate::ANCHOR_LEN`]) bytes before it.
    pub hash: u64,
}

/// One generation of a file, as it is journaled at first sight and whenever it moves: a rename,
/// or a copytruncate after which the bytes live on in the copy. Whoever keeps one shares its paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSeen {
    /// The file.
    pub uid: FileUid,
    /// Counts truncations and rewinds.
    pub generation: u32,
    /// Where its bytes are now.
    pub identity: Identity,
    /// How it begins.
    pub head: Head,
    /// The same for iLogtail.
    pub signature: Signature,
    /// The name under which it is collected: the family's (`app.log`), also after a rotation.
    pub logical: Arc<Path>,
    /// The path at which it was last seen (`app.log.1`).
    pub real: Arc<Path>,
    /// Its length in bytes when it was last looked at.
    pub size: u64,
}
