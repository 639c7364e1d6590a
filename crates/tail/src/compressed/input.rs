//! Compressed bytes on their way to a decoder, and what it answers: more are put in from outside.

use std::io::{self, BufRead, Read};

use crate::source::reading::OpenFile;

/// How much compressed data is read at a time.
const INPUT_BYTES: usize = 16 * 1024;

/// Compressed bytes that were read and not decompressed.
#[derive(Debug, Default)]
pub(crate) struct Input {
    block: Vec<u8>,
    taken: usize,
    /// Where the next block begins in the file.
    offset: u64,
}

impl Input {
    /// Puts in what follows in the file; false at its end.
    pub(crate) fn fill(&mut self, file: &dyn OpenFile) -> io::Result<bool> {
        self.block.drain(..std::mem::take(&mut self.taken));
        let old = self.block.len();
        self.block.resize(old + INPUT_BYTES, 0);
        let read = loop {
            match file.read_at(&mut self.block[old..], self.offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.block.truncate(old + *read.as_ref().unwrap_or(&0));
        self.offset += *read.as_ref().unwrap_or(&0) as u64;
        Ok(read? > 0)
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.block[self.taken..]
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.block.capacity()
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buf)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Input {
    /// Never the end: that is known outside.
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.block.len() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.block[self.taken..])
    }

    fn consume(&mut self, amount: usize) {
        self.taken += amount;
    }
}

/// What a decoder came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes; 0: nothing yet.
    Bytes(usize),
    /// It needs more of the file. `is_whole`: where there is no more, all was there.
    Input {
        is_whole: bool,
    },
    /// What follows belongs to no compressed data: padding.
    Whole,
    Damaged,
}
