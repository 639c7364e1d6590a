//! The buffer that files are read into. Its memory is zeroed once, when it grows, and not at
//! every read; many reads, also of different files, follow each other in it.

use std::ops::Deref;

/// Raw bytes of files, one piece after the other. Reads as a byte slice.
#[derive(Default, Debug)]
pub struct Raw {
    /// Always initialised to its full length; what counts is below `len`.
    memory: Vec<u8>,
    len: usize,
}

impl Raw {
    /// An empty buffer without memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { memory: vec![0; bytes], len: 0 }
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

    /// Gives memory back so that no more than `bytes` of it stay (not less than is in use).
    pub fn shrink_to(&mut self, bytes: usize) {
        self.memory.truncate(bytes.max(self.len));
        self.memory.shrink_to_fit();
    }

    /// Room for `bytes` after what is there. They count only after [`Raw::advance`].
    pub(crate) fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.len + bytes;
        if self.memory.len() < end {
            self.memory.resize(end.max(self.memory.len() * 2).min(end + (1 << 20)), 0);
        }
        &mut self.memory[self.len..end]
    }

    /// Counts `bytes` that were written into [`Raw::room`].
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.len += bytes;
        assert!(self.len <= self.memory.len(), "bytes were written into the room");
    }
}

impl Deref for Raw {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}
