//! Fingerprints of a file's bytes: its uid, its head, iLogtail's signature, anchors.
//! Pure functions of bytes; where they are read from is `bytes.rs`.

use record::{ANCHOR_LEN, FileUid, HEAD_LEN_MAX, HEAD_LEN_MIN, Head, Identity, NodeId, Signature};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::identity::murmur::murmur3_x64_128_low;

/// The seed of iLogtail's signatures.
const SIGNATURE_SEED: u32 = 0xdead_beaf;

/// What makes a file's uid. `head` is how the file begins, at most [`HEAD_LEN_MAX`] bytes.
/// The first record counts without its `\n`, and at most its first [`HEAD_LEN_MIN`] bytes: more
/// need not be waited for.
pub(crate) fn uid(node: NodeId, identity: &Identity, head: &[u8]) -> FileUid {
    let record = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let record = &record[..record.len().min(HEAD_LEN_MIN as usize)];
    let mut hash = Xxh3::new();
    hash.update(&node.0.to_le_bytes());
    hash.update(&identity.inode.to_le_bytes());
    // A file system without birth times is not one where all files are born at 0.
    hash.update(&[u8::from(identity.birth.is_some())]);
    hash.update(&identity.birth.unwrap_or(0).to_le_bytes());
    hash.update(record);
    FileUid(hash.digest128())
}

/// Whether so much of a file is there that its uid cannot change any more.
pub(crate) fn uid_is_final(head: &[u8]) -> bool {
    head.len() >= HEAD_LEN_MIN as usize || head.contains(&b'\n')
}

/// The fingerprint of how a file begins.
pub(crate) fn head(bytes: &[u8]) -> Head {
    let bytes = &bytes[..bytes.len().min(HEAD_LEN_MAX as usize)];
    Head { len: bytes.len() as u32, hash: xxh3_64(bytes) }
}

/// iLogtail's fingerprint of how a file begins: it ends at the first NUL.
pub fn signature(bytes: &[u8]) -> Signature {
    let bytes = &bytes[..bytes.len().min(HEAD_LEN_MAX as usize)];
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    Signature { size: text.len() as u32, hash: murmur3_x64_128_low(text, SIGNATURE_SEED) }
}

/// Whether a file that begins with `bytes` bears a signature of iLogtail's. That of an empty file
/// fits every file.
pub(crate) fn has_signature(bytes: &[u8], wanted: Signature) -> bool {
    let Some(begin) = bytes.get(..wanted.size as usize) else { return false };
    wanted.size == 0 || signature(begin) == wanted
}

/// The hash of an anchor, of the bytes before its offset.
pub(crate) fn anchor(before: &[u8]) -> u64 {
    xxh3_64(&before[before.len().saturating_sub(ANCHOR_LEN as usize)..])
}

/// The hash of the anchor after `bytes`, which follow the anchor's worth of bytes `before`.
pub(crate) fn anchor_after(before: &[u8], bytes: &[u8]) -> u64 {
    const LEN: usize = ANCHOR_LEN as usize;
    if bytes.len() >= LEN {
        return anchor(bytes);
    }
    let mut both = [0; 2 * LEN];
    both[..before.len()].copy_from_slice(before);
    both[before.len()..][..bytes.len()].copy_from_slice(bytes);
    anchor(&both[..before.len() + bytes.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BORN: Identity = Identity { dev: 1, inode: 2, birth: Some(3) };

    #[test]
    fn the_uid_hangs_on_node_inode_birth_and_first_record_alone() {
        let base = uid(NodeId(1), &BORN, b"first\nsecond\n");
        assert_eq!(uid(NodeId(1), &Identity { dev: 9, ..BORN }, b"first\nother"), base);
        let others = [
            uid(NodeId(2), &BORN, b"first\n"),
            uid(NodeId(1), &Identity { inode: 9, ..BORN }, b"first\n"),
            uid(NodeId(1), &Identity { birth: Some(0), ..BORN }, b"first\n"),
            uid(NodeId(1), &Identity { birth: None, ..BORN }, b"first\n"),
            uid(NodeId(1), &BORN, b"First\n"),
        ];
        assert!(others.iter().all(|other| *other != base));
        assert_ne!(others[2], others[3]);
    }

    #[test]
    fn a_final_uid_does_not_change_with_more_bytes() {
        let long = "x".repeat(2000) + "\n";
        for (begin, more) in [("a\n", "a\nb\n"), (&long[..256], &long[..])] {
            assert!(uid_is_final(begin.as_bytes()));
            let uid = |text: &str| uid(NodeId(1), &BORN, text.as_bytes());
            assert_eq!(uid(begin), uid(more));
        }
        assert!(!uid_is_final(&long.as_bytes()[..255]));
    }

    #[test]
    fn signatures_are_those_of_ilogtail() {
        // Of the text alone, up to a NUL, at most 1024 bytes of it.
        assert_eq!(signature(b"1\n2\n3\n").size, 6);
        assert_eq!(signature(b"ab\0cd"), signature(b"ab"));
        assert_eq!(signature(&[b'x'; 5000]), signature(&[b'x'; 1024]));
    }

    #[test]
    fn a_signature_fits_a_file_that_grew() {
        let short = signature(b"1\n2\n");
        assert!(has_signature(b"1\n2\n3\n", short));
        assert!(!has_signature(b"1\n3\n3\n", short));
        assert!(!has_signature(b"1\n", short), "the file is shorter than what was hashed");
        assert!(!has_signature(b"1\n\0\n3\n", short), "the text ends at the NUL");
        assert!(has_signature(b"anything", signature(b"")));
    }

    #[test]
    fn an_anchor_reaches_back_into_what_stood_before() {
        let all: Vec<u8> = (0..200).collect();
        for split in [136, 150, 199, 200] {
            let (before, after) = all.split_at(split);
            assert_eq!(anchor_after(&before[before.len() - 64..], after), anchor(&all), "{split}");
        }
        assert_eq!(anchor_after(b"", b"a\n"), anchor(b"a\n"));
    }

    #[test]
    fn an_anchor_covers_the_last_bytes_only() {
        let bytes: Vec<u8> = (0..200).collect();
        assert_eq!(anchor(&bytes), anchor(&bytes[136..]));
        assert_ne!(anchor(&bytes), anchor(&bytes[137..]));
    }
}
