//! Which file is this: a file that was known against what is found now. Pure decisions over
//! identities and bytes, rules of the durability protocol:
//! - Birth times that are both known and differ: two files, whatever else agrees. Inodes are
//!   given out again.
//! - Only what stands before the furthest position proves that a position is still good.
//! - After a reboot a file may have lost acknowledged bytes: go on where the last proof holds.
//! - On another device it is the same file only with proof. That the old place is empty, the
//!   caller knows.

use std::path::Path;

use record::{Anchor, FileSeen, HEAD_LEN_MIN, Identity};

use crate::identity::bytes::{Bytes, anchor_fits, head_fits, repeats_one_line};

/// A generation that was known before.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What was journaled of it.
    pub(crate) seen: FileSeen,
    /// Proofs of positions, ascending, none at 0.
    pub(crate) anchors: Vec<Anchor>,
    /// Whether the system has run ever since.
    pub(crate) same_boot: bool,
    /// Whether its file lost its name while bytes of it may be unread: only a copy that has all
    /// of them can take its place.
    pub(crate) unlinked: bool,
    /// Whether its file is open, so that a file on another device is another one.
    pub(crate) is_live: bool,
    /// Whether its file has another name by now and holds what it did.
    pub(crate) is_elsewhere: bool,
    /// Whether it is another family's, and only its bytes speak for it.
    pub(crate) is_kin: bool,
}

/// What a file with the inode number of a known one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It: all that was read is there.
    Same,
    /// It, but what stood before the furthest position is gone: truncated or written anew.
    Rewritten,
    /// It, after a crash of the system: only what stands before this position is what it was.
    LostTail(u64),
    /// Another file.
    Different,
}

impl Known {
    /// The furthest position with a proof; 0 without any.
    pub(crate) fn reached(&self) -> u64 {
        self.anchors.last().map_or(0, |anchor| anchor.offset)
    }

    /// Whether its head is long enough to prove something.
    pub(crate) fn has_long_head(&self) -> bool {
        self.seen.head.len >= HEAD_LEN_MIN
    }

    fn position_fits(&self, bytes: &dyn Bytes) -> bool {
        self.anchors.last().is_none_or(|anchor| anchor_fits(bytes, *anchor))
    }

    /// Whether a file that took the place of this one provably holds what was read of it: enough
    /// of it was read, all its proofs fit, and they prove something.
    pub(crate) fn is_continued_in(&self, size: u64, bytes: &dyn Bytes) -> bool {
        self.has_long_head()
            && self.reached() >= u64::from(HEAD_LEN_MIN)
            && self.lives_in(size, bytes)
            && self.anchors.iter().all(|anchor| anchor_fits(bytes, *anchor))
            && !repeats_one_line(bytes, self.reached())
    }

    /// Whether a file holds at least the bytes of this one that were read, and begins as it did.
    pub(crate) fn lives_in(&self, size: u64, bytes: &dyn Bytes) -> bool {
        // A reader may have been faster than the look at the head.
        (self.seen.head.len > 0 || self.reached() > 0)
            && (!self.unlinked || size >= self.seen.size)
            && head_fits(bytes, self.seen.head)
            && self.position_fits(bytes)
    }
}

/// Judges the file `found`, collected as `logical`, against a known one of the same inode number.
pub(crate) fn judge(
    known: &Known,
    found: &Identity,
    logical: &Path,
    bytes: &dyn Bytes,
) -> Judgement {
    let old = &known.seen.identity;
    let born_alike = old.birth.is_some() && old.birth == found.birth;
    if old.inode != found.inode || (old.birth.is_some() && found.birth.is_some() && !born_alike) {
        return Judgement::Different;
    }
    let head = head_fits(bytes, known.seen.head);
    let position = known.position_fits(bytes);
    let reached = known.reached();
    if old.dev != found.dev && known.is_live {
        return Judgement::Different;
    }
    if old.dev != found.dev && !(head && position && (reached > 0 || known.has_long_head())) {
        return match last_proof(known, bytes) {
            Some(proof) if !known.same_boot && born_alike => Judgement::LostTail(proof),
            _ => Judgement::Different,
        };
    }
    // After a crash the head may have lost bytes that nobody had acknowledged.
    if position && (head || (!known.same_boot && reached > 0)) {
        return Judgement::Same;
    }
    if !known.same_boot
        && reached > 0
        && let Some(proof) = last_proof(known, bytes)
    {
        return Judgement::LostTail(proof);
    }
    if born_alike || *known.seen.logical == *logical {
        Judgement::Rewritten
    } else {
        Judgement::Different
    }
}

/// The furthest position before which nothing changed.
fn last_proof(known: &Known, bytes: &dyn Bytes) -> Option<u64> {
    let fits = |anchor: &&Anchor| anchor_fits(bytes, **anchor);
    let anchor = known.anchors.iter().rev().find(fits).map(|anchor| anchor.offset);
    let head = u64::from(known.seen.head.len);
    let by_head = known.has_long_head() && head <= known.reached();
    let by_head = by_head && head_fits(bytes, known.seen.head);
    anchor.max(by_head.then(|| last_line_end(bytes, head)).flatten())
}

/// Where the last line ends within the first `len` bytes: what is read from there on is whole.
fn last_line_end(bytes: &dyn Bytes, len: u64) -> Option<u64> {
    let mut begin = vec![0; usize::try_from(len).ok()?];
    let count = bytes.read(0, &mut begin);
    memchr::memrchr(b'\n', &begin[..count]).map(|at| at as u64 + 1)
}

#[cfg(test)]
pub(crate) mod tests {
    use record::{FileUid, Head};

    use super::*;
    use crate::identity::bytes::anchor_at;
    use crate::identity::fingerprint;

    /// A generation that held `content` and was read and acknowledged up to `offsets`.
    pub(crate) fn known(inode: u64, content: &[u8], offsets: &[u64]) -> Known {
        Known {
            seen: FileSeen {
                uid: FileUid(u128::from(inode)),
                generation: 0,
                identity: Identity { dev: 1, inode, birth: Some(7) },
                head: fingerprint::head(content),
                signature: fingerprint::signature(content),
                logical: Path::new("/logs/app.log").into(),
                real: Path::new("/logs/app.log").into(),
                size: content.len() as u64,
            },
            anchors: offsets.iter().map(|&offset| anchor_at(&content, offset).unwrap()).collect(),
            same_boot: true,
            unlinked: false,
            is_live: false,
            is_elsewhere: false,
            is_kin: false,
        }
    }

    /// `count` numbered lines of 32 bytes.
    pub(crate) fn numbered(name: &str, count: usize) -> Vec<u8> {
        (0..count).flat_map(|i| format!("{name:<16}{i:>15}\n").into_bytes()).collect()
    }

    #[test]
    fn judgements_by_table() {
        use Judgement::*;
        let full = numbered("full", 100);
        let other = numbered("other", 100);
        let same_head = [&full[..1024], &other[1024..]].concat();
        let at = |offset: u64| known(5, &full, &[offset]);
        let rebooted = |offsets: &[u64]| Known { same_boot: false, ..known(5, &full, offsets) };
        let on_dev = |dev| Identity { dev, inode: 5, birth: Some(7) };
        let unborn = |dev| Identity { dev, inode: 5, birth: None };
        let found = on_dev(1);
        let lost = [&full[..2048], &vec![0; 1152][..]].concat();
        // Lines of 33 bytes: the head ends within one.
        let odd: Vec<u8> = (0..100).flat_map(|i| format!("{i:>32}\n").into_bytes()).collect();
        let odd_rebooted = Known { same_boot: false, ..known(5, &odd, &[3300]) };
        let nothing: &[u8] = b"";
        let short = |content: &[u8], reached| known(5, content, &[reached]);
        let rows: Vec<(&str, Known, Identity, &[u8], Judgement)> = vec![
            ("untouched", at(3200), found, &full, Same),
            ("grown", known(5, &full[..1600], &[1600]), found, &full, Same),
            ("another inode", at(3200), Identity { inode: 6, ..found }, &full, Different),
            ("born later", at(3200), Identity { birth: Some(8), ..found }, &full, Different),
            ("no birth time now", at(3200), unborn(1), &full, Same),
            ("emptied", at(3200), found, nothing, Rewritten),
            ("smaller than the position", at(3200), found, &full[..1600], Rewritten),
            ("smaller, position kept", at(1600), found, &full[..1632], Same),
            ("refilled past the position", at(1600), found, &other, Rewritten),
            ("refilled, equal head", at(1600), found, &same_head, Rewritten),
            ("nothing read, refilled", known(5, &full, &[]), found, &other, Rewritten),
            ("nothing read, as it was", known(5, &full, &[]), found, &full, Same),
            ("was empty, still is", known(5, b"", &[]), found, nothing, Same),
            ("was empty, has content", known(5, b"", &[]), found, &full, Same),
            (
                "short, position kept, rewritten after it",
                short(b"a\nb\n", 2),
                found,
                b"a\nX\n",
                Rewritten,
            ),
            ("short, untouched", short(b"a\nb\n", 4), found, b"a\nb\nc\n", Same),
            ("other dev, proof holds", at(1600), on_dev(2), &full, Same),
            ("other dev, short but proven", short(b"a\nb\n", 4), on_dev(2), b"a\nb\n", Same),
            ("other dev, head alone", known(5, &full, &[]), on_dev(2), &full, Same),
            ("other dev, short head alone", known(5, b"a\n", &[]), on_dev(2), b"a\n", Different),
            ("other dev, position broken", at(1600), on_dev(2), &same_head, Different),
            ("other dev, was empty", known(5, b"", &[]), on_dev(2), &full, Different),
            ("reboot, untouched", rebooted(&[3200]), found, &full, Same),
            ("reboot, tail is NULs", rebooted(&[64, 1600, 3200]), found, &lost, LostTail(1600)),
            ("reboot, shorter", rebooted(&[64, 1600, 3200]), found, &full[..2000], LostTail(1600)),
            ("reboot, only the head", rebooted(&[3200]), found, &full[..1600], LostTail(1024)),
            ("reboot, a line across the head", odd_rebooted, found, &odd[..1600], LostTail(1023)),
            ("reboot, emptied", rebooted(&[64, 3200]), found, nothing, Rewritten),
            ("reboot, other content", rebooted(&[1600, 3200]), found, &other, Rewritten),
            ("reboot, unread head lost", rebooted(&[64]), found, &full[..640], Same),
            (
                "reboot, other dev, tail lost",
                rebooted(&[1600, 3200]),
                on_dev(2),
                &lost,
                LostTail(1600),
            ),
        ];
        for (name, known, found, content, expected) in rows {
            let judged = judge(&known, &found, Path::new("/logs/app.log"), &content);
            assert_eq!(judged, expected, "{name}");
        }
    }

    #[test]
    fn without_birth_times_a_reused_inode_is_another_file_in_another_family() {
        let mut known = known(5, &numbered("a", 50), &[1600]);
        known.seen.identity.birth = None;
        let found = Identity { dev: 1, inode: 5, birth: None };
        let content = numbered("b", 50);
        let judged = |logical: &str| judge(&known, &found, Path::new(logical), &&content[..]);
        assert_eq!(judged("/logs/app.log"), Judgement::Rewritten);
        assert_eq!(judged("/logs/other.log"), Judgement::Different);
    }

    #[test]
    fn an_equal_head_is_no_proof_of_a_position() {
        let banner = numbered("banner", 32);
        let mine = [&banner[..], &numbered("mine", 10)[..]].concat();
        let yours = [&banner[..], &numbered("yours", 10)[..]].concat();
        assert_eq!(known(5, &mine, &[]).seen.head, Head { ..fingerprint::head(&yours) });
        let known = known(5, &mine, &[mine.len() as u64]);
        assert!(known.lives_in(mine.len() as u64, &&mine[..]));
        assert!(!known.lives_in(yours.len() as u64, &&yours[..]));
    }
}
