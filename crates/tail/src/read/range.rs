//! Reading at a place that is known: a range once more, the beginning of a line.

use record::{Anchor, RECORD_BYTES_MAX};

use crate::identity::bytes::anchor_at;
use crate::{Error, Raw, Source};

/// Appends exactly the bytes `[start, end)` of a source to `raw` and returns their CRC32C, so
/// that the caller can tell whether they are what they were. Of a compressed file all that stands
/// before them is decompressed for it.
///
/// # Errors
/// [`Error::Lost`] when they are not all there; nothing was appended then. Others as
/// [`Error`] says.
pub fn read_range(source: &Source, start: u64, end: u64, raw: &mut Raw) -> Result<u32, Error> {
    let result = read_whole(source, start, end, raw);
    source.note_read(&result);
    result
}

fn read_whole(source: &Source, start: u64, end: u64, raw: &mut Raw) -> Result<u32, Error> {
    let file = source.descriptor()?;
    let len = (end - start) as usize;
    let room = raw.room(len);
    let failed = |error| Error::Read { path: source.real(), source: error };
    if file.try_read(start, room).map_err(failed)? < len {
        return Err(Error::Lost { path: source.real(), start, end });
    }
    let crc = crc32c::crc32c(room);
    raw.advance(len);
    Ok(crc)
}

/// Where the first line begins at or after `offset`: where to start when the beginning of a file
/// is not wanted. `offset` itself when no line ends within the longest record after it.
///
/// # Errors
/// As [`Error`] says of opening.
pub fn next_line(source: &Source, offset: u64) -> Result<u64, Error> {
    let Some(before) = offset.checked_sub(1) else { return Ok(0) };
    let file = source.descriptor()?;
    let mut block = vec![0; RECORD_BYTES_MAX + 1];
    let failed = |error| Error::Read { path: source.real(), source: error };
    let count = file.try_read(before, &mut block).map_err(failed)?;
    let end = memchr::memchr(b'\n', &block[..count]);
    Ok(end.map_or(offset, |at| before + at as u64 + 1))
}

/// What proves that a reader may begin at `offset`: what stands before it. `None` where the file
/// cannot be read so far now, or is compressed: that is compared as a whole.
pub fn proof_at(source: &Source, offset: u64) -> Option<Anchor> {
    let file = source.descriptor().ok().filter(|file| !file.is_compressed())?;
    anchor_at(&*file, offset)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // writes the files that it reads

    use std::time::Instant;

    use super::*;
    use crate::source::file::tests::source_of;

    #[test]
    fn the_next_line_begins_after_a_newline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "one\ntwo\nthree").unwrap();
        let source = source_of(&path, 0, Instant::now());
        let next: Vec<u64> =
            [0, 1, 3, 4, 5, 8, 9, 13].map(|at| next_line(&source, at).unwrap()).into();
        assert_eq!(next, [0, 4, 4, 4, 8, 8, 9, 13]);
    }
}
