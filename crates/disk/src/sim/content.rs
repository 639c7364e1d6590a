//! One simulated file: what every reader sees (the page cache) and what the disk under it holds.
//!
//! Writes change the cache. A sync copies the dirty pages down. Now and then a page is written
//! back unasked. A failed sync marks its pages clean without their being on the disk, as Linux
//! does: no later sync writes them, unless they are written again.
//! Power loss keeps of each page that the disk may not have the old one, the new one, or some
//! sectors of either; the length may or may not have followed.
//! Not here: names (`names.rs`), when anything fails (`faults.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::random::Random;

/// The unit in which the cache is written back.
pub(super) const PAGE_BYTES: usize = 4096;

/// The unit that a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

type Page = [u8; PAGE_BYTES];

static ZERO_PAGE: Page = [0; PAGE_BYTES];

/// Pages by number; one that is missing holds zeros.
#[derive(Clone, Default)]
struct Pages(BTreeMap<u64, Arc<Page>>);

impl Pages {
    fn get(&self, number: u64) -> &Page {
        self.0.get(&number).map_or(&ZERO_PAGE, |page| page)
    }

    fn edit(&mut self, number: u64) -> &mut Page {
        Arc::make_mut(self.0.entry(number).or_insert_with(|| Arc::new(ZERO_PAGE)))
    }

    fn copy_from(&mut self, other: &Pages, number: u64) {
        match other.0.get(&number) {
            Some(page) => self.0.insert(number, Arc::clone(page)),
            None => self.0.remove(&number),
        };
    }
}

/// A simulated file.
#[derive(Clone, Default)]
pub(super) struct Content {
    cached: Pages,
    len: u64,
    stored: Pages,
    stored_len: u64,
    /// Pages that the next sync writes.
    dirty: BTreeSet<u64>,
    /// Pages that a failed sync gave up: the cache differs from the disk, and no sync knows.
    lost: BTreeSet<u64>,
    /// Bytes from the beginning that have their place on the disk.
    reserved: u64,
}

impl Content {
    /// A new file with `preallocated` bytes of space and zeros.
    pub(super) fn new(preallocated: u64) -> Content {
        Content { len: preallocated, reserved: preallocated, ..Content::default() }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let len = buf.len().min(self.len.saturating_sub(offset).try_into().unwrap_or(usize::MAX));
        for (number, within, part) in pieces(offset, len) {
            let end = within + part.len();
            buf[part].copy_from_slice(&self.cached.get(number)[within..end]);
        }
        len
    }

    /// The first position at or behind `from` that is in no hole.
    pub(super) fn next_data(&self, from: u64) -> Option<u64> {
        let (&number, _) = self.cached.0.range(split(from).0..).next()?;
        let at = from.max(number * PAGE_BYTES as u64);
        (at < self.len).then_some(at)
    }

    /// Whether a write there needs space that the file does not have yet.
    pub(super) fn needs_space(&self, offset: u64, len: usize) -> bool {
        let has = |number| {
            number * (PAGE_BYTES as u64) < self.reserved || self.cached.0.contains_key(&number)
        };
        pieces(offset, len).any(|(number, ..)| !has(number))
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        for (number, within, part) in pieces(offset, bytes.len()) {
            let end = within + part.len();
            self.cached.edit(number)[within..end].copy_from_slice(&bytes[part]);
            self.lost.remove(&number);
            self.dirty.insert(number);
        }
        if !bytes.is_empty() {
            self.len = self.len.max(offset + bytes.len() as u64);
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.cut_cached(len);
            self.reserved = self.reserved.min(len);
        }
        self.len = len;
    }

    fn cut_cached(&mut self, len: u64) {
        let (whole, within) = split(len);
        let first_gone = if within == 0 { whole } else { whole + 1 };
        for number in self.cached.0.split_off(&first_gone).into_keys() {
            self.lost.remove(&number);
            self.dirty.insert(number);
        }
        if within > 0 && self.cached.0.contains_key(&whole) {
            self.cached.edit(whole)[within..].fill(0);
            self.lost.remove(&whole);
            self.dirty.insert(whole);
        }
    }

    pub(super) fn sync(&mut self) {
        for number in std::mem::take(&mut self.dirty) {
            self.stored.copy_from(&self.cached, number);
        }
        self.stored_len = self.len;
    }

    /// A sync that reports an error: some pages reached the disk, the others never will.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        for number in std::mem::take(&mut self.dirty) {
            if random.coin() {
                self.stored.copy_from(&self.cached, number);
            } else {
                self.lost.insert(number);
            }
        }
        if random.coin() {
            self.stored_len = self.len;
        }
    }

    /// Writes one dirty page back, as the kernel does when it likes. No promise comes of it.
    pub(super) fn write_back(&mut self, random: &mut Random) {
        if self.dirty.is_empty() {
            return;
        }
        let chosen = random.below(self.dirty.len() as u64) as usize;
        if let Some(&number) = self.dirty.iter().nth(chosen) {
            self.stored.copy_from(&self.cached, number);
        }
    }

    /// What a reader finds after the power came back.
    pub(super) fn after_power_loss(&self, random: &mut Random) -> Content {
        let mut stored = self.stored.clone();
        for &number in self.dirty.union(&self.lost) {
            match random.below(3) {
                0 => {}
                1 => stored.copy_from(&self.cached, number),
                _ => tear(stored.edit(number), self.cached.get(number), random),
            }
        }
        let len = self.length_after_power_loss(random);
        let reserved = if len >= self.reserved { self.reserved } else { 0 };
        let mut content = Content { cached: stored, len, reserved, ..Content::default() };
        // Beyond its end a file holds nothing, whatever lies in the blocks.
        content.cut_cached(len);
        content.sync();
        content.stored = content.cached.clone();
        content
    }

    fn length_after_power_loss(&self, random: &mut Random) -> u64 {
        match random.below(3) {
            0 => self.stored_len,
            1 if self.len > self.stored_len => {
                self.stored_len + random.below(self.len - self.stored_len)
            }
            _ => self.len,
        }
    }
}

/// Some sectors of `new` over those of `old`.
fn tear(old: &mut Page, new: &Page, random: &mut Random) {
    for at in (0..PAGE_BYTES).step_by(SECTOR_BYTES) {
        if random.coin() {
            old[at..at + SECTOR_BYTES].copy_from_slice(&new[at..at + SECTOR_BYTES]);
        }
    }
}

/// The page that `offset` lies in, and where in it.
fn split(offset: u64) -> (u64, usize) {
    (offset / PAGE_BYTES as u64, (offset % PAGE_BYTES as u64) as usize)
}

/// `len` bytes at `offset` page by page: page number, place within it, part of the buffer.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let (number, within) = split(offset + done as u64);
        let part = done..len.min(done + PAGE_BYTES - within);
        done = part.end;
        Some((number, within, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &Content) -> Vec<u8> {
        let mut buf = vec![0; content.len() as usize + 10];
        let len = content.read(&mut buf, 0);
        buf.truncate(len);
        buf
    }

    /// All that 200 seeds make of a power loss.
    fn outcomes(content: &Content) -> BTreeSet<Vec<u8>> {
        (0..200).map(|seed| text(&content.after_power_loss(&mut Random::new(seed)))).collect()
    }

    #[test]
    fn reads_and_writes_agree_with_a_vector_of_bytes() {
        for seed in 0..50 {
            let mut random = Random::new(seed);
            let (mut content, mut model) = (Content::new(0), Vec::new());
            for step in 0..40u8 {
                let offset = random.below(3 * PAGE_BYTES as u64) as usize;
                if random.below(5) == 0 {
                    content.set_len(offset as u64);
                    model.resize(offset, 0);
                } else {
                    let bytes = vec![step + 1; random.below(2 * PAGE_BYTES as u64) as usize + 1];
                    content.write(&bytes, offset as u64);
                    model.resize(model.len().max(offset + bytes.len()), 0);
                    model[offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
                if random.below(4) == 0 {
                    content.sync();
                    assert_eq!(text(&content.after_power_loss(&mut random)), model, "{seed}");
                }
                assert_eq!(text(&content), model, "seed {seed}");
            }
        }
    }

    #[test]
    fn power_loss_drops_keeps_and_tears_what_was_not_synced() {
        let mut content = Content::new(0);
        content.write(&[1; PAGE_BYTES], 0);
        content.sync();
        content.write(&[2; PAGE_BYTES], 0);
        let outcomes = outcomes(&content);
        assert!(outcomes.contains([1; PAGE_BYTES].as_slice()), "dropped");
        assert!(outcomes.contains([2; PAGE_BYTES].as_slice()), "kept");
        let torn = outcomes.iter().filter(|text| text.contains(&1) && text.contains(&2));
        assert!(torn.count() > 10, "torn");
    }

    #[test]
    fn an_unsynced_extension_may_be_kept_as_zeros_or_cut_anywhere() {
        let mut content = Content::new(0);
        content.write(b"old", 0);
        content.sync();
        content.write(b"new", 3);
        let outcomes = outcomes(&content);
        for expected in [b"old".as_slice(), b"oldnew", b"old\0\0\0", b"oldn"] {
            assert!(outcomes.contains(expected), "{expected:?}");
        }
        assert!(outcomes.iter().all(|text| text.starts_with(b"old")), "synced bytes stay");
    }

    #[test]
    fn a_failed_sync_loses_pages_for_good_unless_they_are_written_again() {
        // A seed under which the only page is given up.
        let mut content = Content::new(0);
        content.write(b"x", 0);
        content.fail_sync(&mut Random::new(0));
        let seed = (0..).find(|&seed| {
            let mut content = Content::new(0);
            content.write(b"x", 0);
            content.fail_sync(&mut Random::new(seed));
            !content.lost.is_empty()
        });
        let mut random = Random::new(seed.unwrap());
        let mut content = Content::new(0);
        content.write(b"x", 0);
        content.fail_sync(&mut random);
        content.sync();
        assert_eq!(text(&content), b"x", "the cache still shows it");
        assert!(outcomes(&content).contains(b"\0".as_slice()), "but the disk may not have it");
        content.write(b"x", 0);
        content.sync();
        assert_eq!(outcomes(&content), BTreeSet::from([b"x".to_vec()]));
    }

    #[test]
    fn an_unsynced_cut_may_come_back() {
        let mut content = Content::new(0);
        content.write(b"abcdef", 0);
        content.sync();
        content.set_len(3);
        let outcomes = outcomes(&content);
        assert!(outcomes.contains(b"abc".as_slice()) && outcomes.contains(b"abcdef".as_slice()));
        content.sync();
        content.set_len(6);
        assert_eq!(text(&content), b"abc\0\0\0", "what was cut is not seen again");
    }

    #[test]
    fn only_writes_beyond_the_reservation_need_space() {
        let mut content = Content::new(2 * PAGE_BYTES as u64);
        let cases = [(0, 1, false), (8191, 1, false), (8191, 2, true), (8192, 1, true)];
        for (offset, len, expected) in cases {
            assert_eq!(content.needs_space(offset, len), expected, "{offset}+{len}");
        }
        content.write(b"x", 8192);
        assert!(!content.needs_space(8192, PAGE_BYTES), "the page has its place now");
        content.set_len(0);
        assert!(content.needs_space(0, 1), "a cut gives the space back");
    }
}
