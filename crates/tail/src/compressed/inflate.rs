//! The bytes that a compressed file stands for, read at offsets of the decompressed bytes. It goes
//! forward with a bounded memory; a place before what it remembers is reached by beginning anew,
//! so that reading backwards costs as much as reading everything before it.
//! A crash does nothing to it: there is no state but what the file holds.
//! Not here: which files are read so (`watcher/unpack.rs`), the formats (`gzip.rs`, `zstd.rs`).

use std::io;

use crate::compressed::format::Format;
use crate::compressed::gzip::Members;
use crate::compressed::input::{Input, Step};
use crate::compressed::zstd::Frames;
use crate::source::reading::OpenFile;

/// How much is decompressed at a time.
const STEP_BYTES: usize = 32 * 1024;

/// How much of what was decompressed last is kept: what one read takes at most, and the proof of
/// where it begins.
const KEPT_BYTES: usize = 160 * 1024;

/// How much of that there is at most. With the decoder's own 43 KiB that is all that gzip takes;
/// zstd needs its window besides, at most 8 MiB.
const WINDOW_BYTES_MAX: usize = 256 * 1024;

/// How a compressed file ends, as far as that is known.
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
    format: Format,
    decoder: Decoder,
    /// The end of what was decompressed, and where that begins.
    window: Vec<u8>,
    window_start: u64,
    end: End,
}

#[derive(Debug)]
enum Decoder {
    Gzip(Members),
    Zstd(Box<Frames>),
}

impl Decoder {
    fn new(format: Format) -> Self {
        match format {
            Format::Zstd => Decoder::Zstd(Box::default()),
            _ => Decoder::Gzip(Members::default()),
        }
    }

    fn step(&mut self, out: &mut [u8]) -> Step {
        match self {
            Decoder::Gzip(members) => members.step(out),
            Decoder::Zstd(frames) => frames.step(out),
        }
    }

    fn input(&mut self) -> &mut Input {
        match self {
            Decoder::Gzip(members) => members.input(),
            Decoder::Zstd(frames) => frames.input(),
        }
    }
}

impl Inflater {
    /// At the beginning of a file.
    pub(crate) fn new(format: Format) -> Self {
        let decoder = Decoder::new(format);
        Self { format, decoder, window: Vec::new(), window_start: 0, end: End::Open }
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
    /// The system's; what is not of the format is an end, not an error.
    pub(crate) fn read(
        &mut self,
        file: &dyn OpenFile,
        offset: u64,
        buf: &mut [u8],
    ) -> io::Result<usize> {
        if offset < self.window_start {
            *self = Self::new(self.format);
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
    fn step(&mut self, file: &dyn OpenFile) -> io::Result<()> {
        if self.window.len() + STEP_BYTES > WINDOW_BYTES_MAX {
            let gone = self.window.len() - KEPT_BYTES;
            self.window.drain(..gone);
            self.window_start += gone as u64;
        }
        let old = self.window.len();
        self.window.resize(old + STEP_BYTES, 0);
        let step = self.decoder.step(&mut self.window[old..]);
        let count = if let Step::Bytes(count) = step { count } else { 0 };
        self.window.truncate(old + count);
        match step {
            Step::Bytes(_) => {}
            Step::Input { is_whole } => {
                if !self.decoder.input().fill(file)? {
                    self.end = if is_whole { End::Whole } else { End::Torn };
                }
            }
            Step::Whole => self.end = End::Whole,
            Step::Damaged => self.end = End::Damaged,
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::disallowed_methods)] // writes the files that it reads

    use std::fs::File;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    /// The same with the content's checksum, which the encoder at hand does not write.
    fn zstd_with_checksum(bytes: &[u8]) -> Vec<u8> {
        let mut frame = zstd(bytes);
        frame[4] |= 4;
        let hash = xxhash_rust::xxh64::xxh64(bytes, 0);
        frame.extend_from_slice(&(hash as u32).to_le_bytes());
        frame
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

    fn all(inflater: &mut Inflater, file: &dyn OpenFile) -> Vec<u8> {
        let mut bytes = vec![0; 8 << 20];
        let count = inflater.read(file, 0, &mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    #[test]
    fn reads_of_any_size_at_any_place_give_what_was_compressed() {
        let content = content(2 << 20);
        let file = file_of(&gzip(&content));
        let mut inflater = Inflater::new(Format::Gzip);
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
            let memory = inflater.window.capacity() + inflater.decoder.input().capacity();
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
        let empty = gzip(b"");
        let rows: [(&str, Vec<u8>, &[u8], End); 11] = [
            ("whole", whole.clone(), &content, End::Whole),
            ("an empty member before", [&empty[..], &whole].concat(), &content, End::Whole),
            ("empty members behind", [&whole[..], &empty, &empty].concat(), &content, End::Whole),
            ("nothing but an empty member", empty.clone(), b"", End::Whole),
            ("rubbish behind", [&whole[..], b"not gzip at all"].concat(), &content, End::Whole),
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
            let mut inflater = Inflater::new(Format::Gzip);
            assert!(all(&mut inflater, &file_of(&bytes)) == expected, "{name}");
            assert_eq!((inflater.end(), inflater.offset()), (end, expected.len() as u64), "{name}");
        }
    }

    #[test]
    fn zstd_ends_by_table() {
        let content = content(400_000);
        let whole = zstd(&content);
        // As zstd writes it: with a checksum of the content.
        let summed = zstd_with_checksum(&content);
        let mut wrong_sum = summed.clone();
        *wrong_sum.last_mut().unwrap() ^= 1;
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let half = content.len() / 2;
        let two = [zstd(&content[..half]), zstd(&content[half..])].concat();
        let torn = whole[..whole.len() - 9].to_vec();
        let rows: [(&str, Vec<u8>, &[u8], End); 9] = [
            ("whole", whole.clone(), &content, End::Whole),
            ("with a checksum", summed.clone(), &content, End::Whole),
            ("two frames", two, &content, End::Whole),
            ("a frame to skip", [&skipped[..], &whole].concat(), &content, End::Whole),
            ("padded", [&whole[..], &[0; 3000]].concat(), &content, End::Whole),
            ("an empty frame", zstd(b""), b"", End::Whole),
            ("nothing", Vec::new(), b"", End::Torn),
            ("no zstd", b"text that is no zstd".to_vec(), b"", End::Damaged),
            ("another checksum", wrong_sum, &content, End::Damaged),
        ];
        for (name, bytes, expected, end) in rows {
            let mut inflater = Inflater::new(Format::Zstd);
            assert!(all(&mut inflater, &file_of(&bytes)) == expected, "{name}");
            assert_eq!((inflater.end(), inflater.offset()), (end, expected.len() as u64), "{name}");
        }
        let mut inflater = Inflater::new(Format::Zstd);
        let read = all(&mut inflater, &file_of(&torn));
        assert!(content.starts_with(&read), "{} bytes", read.len());
        assert_eq!(inflater.end(), End::Torn);
    }

    #[test]
    fn damaged_compressed_files_end_and_never_panic() {
        let content = content(30_000);
        for (format, whole) in [(Format::Gzip, gzip(&content)), (Format::Zstd, zstd(&content))] {
            let mut random = fastrand::Rng::with_seed(3);
            for _ in 0..300 {
                let mut bytes = whole.clone();
                let at = random.usize(..bytes.len());
                bytes[at] ^= 1 << random.u32(..8);
                bytes.truncate(random.usize(at..=bytes.len()));
                let mut inflater = Inflater::new(format);
                let _ = all(&mut inflater, &file_of(&bytes));
                assert_ne!(inflater.end(), End::Open);
            }
        }
    }

    #[test]
    fn what_is_still_written_goes_on() {
        for format in [Format::Gzip, Format::Zstd] {
            what_is_still_written(format);
        }
    }

    fn what_is_still_written(format: Format) {
        let content = content(1 << 20);
        let compressed = match format {
            Format::Zstd => zstd(&content),
            _ => gzip(&content),
        };
        let mut file = tempfile::tempfile().unwrap();
        let mut inflater = Inflater::new(format);
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
