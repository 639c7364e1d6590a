//! The bytes that a gzip file stands for, read at offsets of the decompressed bytes. It goes
//! forward with a bounded memory; a place that lies before what it remembers is reached by
//! beginning anew, so that reading backwards costs as much as reading all that stands before.
//! A crash does nothing to it: there is no state but what the file holds.
//! Not here: which files are read so (`packed.rs`).

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;

use flate2::bufread::GzDecoder;

/// How every gzip file begins.
pub(crate) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How much compressed data is read at a time.
const INPUT_BYTES: usize = 16 * 1024;

/// How much is decompressed at a time.
const STEP_BYTES: usize = 32 * 1024;

/// How much of what was decompressed last is kept: what one read takes at most, and the proof of
/// where it begins.
const KEPT_BYTES: usize = 160 * 1024;

/// How much of that there is at most. With the decoder's own 43 KiB that is all it takes.
const WINDOW_BYTES_MAX: usize = 256 * 1024;

/// How a gzip file ends, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// There is more to decompress.
    Open,
    /// All of it was there, and it is what its checksums say.
    Whole,
    /// It ends in the middle: it may still be written.
    Torn,
    /// What follows is damaged.
    Damaged,
}

/// A decoder and what it decompressed last.
#[derive(Debug)]
pub(crate) struct Inflater {
    decoder: GzDecoder<Input>,
    /// The end of what was decompressed, and where that begins.
    window: Vec<u8>,
    window_start: u64,
    end: End,
}

/// Compressed bytes; more are put in from outside.
#[derive(Debug, Default)]
struct Input {
    block: Vec<u8>,
    taken: usize,
    /// Where the next block begins in the file.
    offset: u64,
}

impl Input {
    /// Puts in what follows in the file; false at its end.
    fn fill(&mut self, file: &File) -> io::Result<bool> {
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

    fn rest(&self) -> &[u8] {
        &self.block[self.taken..]
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

impl Inflater {
    /// At the beginning of a file.
    pub(crate) fn new() -> Self {
        let decoder = GzDecoder::new(Input::default());
        Self { decoder, window: Vec::new(), window_start: 0, end: End::Open }
    }

    /// How far it has come, in decompressed bytes.
    #[cfg(test)]
    pub(crate) fn offset(&self) -> u64 {
        self.window_start + self.window.len() as u64
    }

    /// How the file ends there.
    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// Reads up to `buf.len()` decompressed bytes at `offset`; fewer only at the end.
    ///
    /// # Errors
    /// The system's; what is not gzip is an end, not an error.
    pub(crate) fn read(&mut self, file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if offset < self.window_start {
            *self = Self::new();
        }
        let (mut done, mut has_looked) = (0, false);
        while done < buf.len() {
            let place = offset + done as u64;
            let known = place.checked_sub(self.window_start).and_then(|at| {
                let known = self.window.get(usize::try_from(at).ok()?..)?;
                (!known.is_empty()).then_some(known)
            });
            match known {
                Some(known) => {
                    let count = known.len().min(buf.len() - done);
                    buf[done..done + count].copy_from_slice(&known[..count]);
                    done += count;
                }
                None if self.end == End::Open => self.step(file)?,
                None if self.end == End::Damaged || has_looked => break,
                None => {
                    // It may have become longer.
                    (self.end, has_looked) = (End::Open, true);
                }
            }
        }
        Ok(done)
    }

    /// Decompresses a little more.
    fn step(&mut self, file: &File) -> io::Result<()> {
        if self.window.len() + STEP_BYTES > WINDOW_BYTES_MAX {
            let gone = self.window.len() - KEPT_BYTES;
            self.window.drain(..gone);
            self.window_start += gone as u64;
        }
        let old = self.window.len();
        self.window.resize(old + STEP_BYTES, 0);
        let read = self.decoder.read(&mut self.window[old..]);
        self.window.truncate(old + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => self.next_member(file),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !self.decoder.get_mut().fill(file)? {
                    self.end = End::Torn;
                }
                Ok(())
            }
            Err(_) => {
                self.end = End::Damaged;
                Ok(())
            }
        }
    }

    /// A member of the file is over and was what its checksum says; another one may follow.
    fn next_member(&mut self, file: &File) -> io::Result<()> {
        let input = self.decoder.get_mut();
        while input.rest().len() < MAGIC.len() && input.fill(file)? {}
        if !input.rest().starts_with(&MAGIC) {
            // Nothing, or padding.
            self.end = End::Whole;
            return Ok(());
        }
        let input = std::mem::take(input);
        drop(self.decoder.reset(input));
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::disallowed_methods)] // writes the files that it reads

    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// Numbered lines and noise: what compresses well, and what does not.
    fn content(len: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut content = Vec::new();
        while content.len() < len {
            let line = format!("{} {}\n", content.len(), "x".repeat(random.usize(..300)));
            content.extend_from_slice(line.as_bytes());
            let noise = random.usize(..200);
            content.extend(std::iter::repeat_with(|| random.u8(..)).take(noise));
        }
        content
    }

    fn all(inflater: &mut Inflater, file: &File) -> Vec<u8> {
        let mut bytes = vec![0; 8 << 20];
        let count = inflater.read(file, 0, &mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    #[test]
    fn reads_of_any_size_at_any_place_give_what_was_compressed() {
        let content = content(2 << 20);
        let file = file_of(&gzip(&content));
        let mut inflater = Inflater::new();
        let mut random = fastrand::Rng::with_seed(1);
        let mut offset = 0;
        for turn in 0..400 {
            if turn % 50 == 49 {
                offset = random.usize(..content.len());
            }
            let mut buf = vec![0; random.usize(1..70_000)];
            let count = inflater.read(&file, offset as u64, &mut buf).unwrap();
            let expected = &content[offset..content.len().min(offset + buf.len())];
            assert!(buf[..count] == *expected, "{count} bytes at {offset}");
            offset = (offset + count).saturating_sub(random.usize(..2000));
            let memory = inflater.window.capacity() + inflater.decoder.get_ref().block.capacity();
            assert!(memory <= 2 * WINDOW_BYTES_MAX, "{memory}");
        }
    }

    #[test]
    fn ends_by_table() {
        let content = content(100_000);
        let whole = gzip(&content);
        let mut wrong_sum = whole.clone();
        let at = whole.len() - 6;
        wrong_sum[at] ^= 1;
        let rows: [(&str, Vec<u8>, &[u8], End); 7] = [
            ("whole", whole.clone(), &content, End::Whole),
            (
                "two members",
                [gzip(&content[..500]), gzip(&content[500..])].concat(),
                &content,
                End::Whole,
            ),
            ("padded", [&whole[..], &[0; 3000]].concat(), &content, End::Whole),
            ("nothing", Vec::new(), b"", End::Torn),
            ("no gzip", b"text that is no gzip".to_vec(), b"", End::Damaged),
            ("without its trailer", whole[..at].to_vec(), &content, End::Torn),
            ("another checksum", wrong_sum, &content, End::Damaged),
        ];
        for (name, bytes, expected, end) in rows {
            let mut inflater = Inflater::new();
            assert!(all(&mut inflater, &file_of(&bytes)) == expected, "{name}");
            assert_eq!((inflater.end(), inflater.offset()), (end, expected.len() as u64), "{name}");
        }
    }

    #[test]
    fn what_is_still_written_goes_on() {
        let content = content(1 << 20);
        let compressed = gzip(&content);
        let mut file = tempfile::tempfile().unwrap();
        let mut inflater = Inflater::new();
        let mut read = Vec::new();
        for part in compressed.chunks(50_001) {
            file.write_all(part).unwrap();
            let mut buf = vec![0; 2 << 20];
            let count = inflater.read(&file, read.len() as u64, &mut buf).unwrap();
            read.extend_from_slice(&buf[..count]);
        }
        assert!(read == content);
        assert_eq!(inflater.end(), End::Whole);
    }
}
