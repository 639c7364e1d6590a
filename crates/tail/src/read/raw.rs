//! The buffer that files are read into. Its memory is zeroed once, when it grows, and not at
//! every read; many reads, also of different files, follow each other in it.

use std::ops::Deref;

/// The bytes begin at a multiple of this, which is how the page cache holds a file's. On AMD's
/// Zen 3 and Zen 4 the kernel's copy (`rep movsb`) runs at a quarter of its speed where the
/// target stands 1 to 63 bytes further in its page than the source in its own, and that is just
/// where an allocator puts a large buffer: right behind its own 16 bytes of notes.
const ALIGNMENT: usize = 4096;

/// How much memory is added at most when there is too little.
const GROWTH_MAX: usize = 1 << 20;

/// Raw bytes of files, one piece after the other. Reads as a byte slice.
#[derive(Default, Debug)]
pub struct Raw {
    /// Always initialised to its full length; what counts is `base..base + len`.
    memory: Vec<u8>,
    base: usize,
    len: usize,
}

impl Raw {
    /// An empty buffer without memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the bytes, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends bytes that are there already.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.advance(bytes.len());
    }

    /// Keeps the first `len` bytes; nothing happens when there are fewer.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Room for `bytes` after what is there. They count only after [`Raw::advance`].
    pub(crate) fn room(&mut self, bytes: usize) -> &mut [u8] {
        let start = self.base + self.len;
        if self.memory.len() - start < bytes {
            return self.grow(bytes);
        }
        &mut self.memory[start..start + bytes]
    }

    /// The last `behind` bytes that are there and `bytes` of the room after them.
    pub(crate) fn room_behind(&mut self, behind: usize, bytes: usize) -> &[u8] {
        let end = self.base + self.len;
        &self.memory[end - behind..end + bytes]
    }

    fn grow(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.len + bytes;
        let wanted = end.max(2 * self.len).min(end + GROWTH_MAX);
        let mut memory = vec![0; wanted + ALIGNMENT];
        let base = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        // All of it: what lies beyond `len` may be a read that is not over.
        let old = &self.memory[self.base..];
        let old = &old[..old.len().min(wanted)];
        memory[base..base + old.len()].copy_from_slice(old);
        self.memory = memory;
        self.base = base;
        &mut self.memory[base + self.len..base + end]
    }

    /// Counts `bytes` that were written into [`Raw::room`].
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.len += bytes;
        assert!(self.base + self.len <= self.memory.len(), "bytes were written into the room");
    }
}

impl Deref for Raw {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.base..self.base + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_and_begin_at_a_page_while_the_buffer_grows() {
        let (mut raw, mut expected) = (Raw::new(), Vec::new());
        for step in 1..200_usize {
            let bytes = vec![step as u8; step * 37];
            raw.extend_from_slice(&bytes);
            expected.extend_from_slice(&bytes);
            assert_eq!(&raw[..], &expected[..]);
            assert_eq!(raw.as_ptr().align_offset(ALIGNMENT), 0);
        }
        raw.truncate(5);
        assert_eq!(&raw[..], &expected[..5]);
        raw.clear();
        assert!(raw.is_empty());
    }
}
