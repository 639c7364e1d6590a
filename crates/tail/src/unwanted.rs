//! Bytes in a file that are no data: nobody wrote them as such, and nobody wants them.

use std::fs::File;

use rustix::fs::{SeekFrom, seek};

use crate::bytes::Bytes;

/// How many NULs at the end of a file are looked for.
const NULS_MAX: u64 = 64 << 20;

/// How many of the first of `bytes` nobody wants, `before` being what precedes them:
/// - the NULs that a writer without O_APPEND leaves at the beginning of a file that was truncated
///   under it, so only in a later generation;
/// - the `\n` of a line that was handed on without it because the file had fallen silent.
pub(crate) fn unwanted(generation: u32, before: &[u8], bytes: &[u8]) -> usize {
    if generation > 0 && before.iter().all(|&byte| byte == 0) && bytes[0] == 0 {
        return bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    }
    let is_late_end = !matches!(before.last(), None | Some(b'\n' | 0)) && bytes[0] == b'\n';
    usize::from(is_late_end)
}

/// How long the hole at a position is; 0 where data is, or nothing any more.
pub(crate) fn hole_at(file: &File, position: u64) -> u64 {
    seek(file, SeekFrom::Data(position)).map_or(0, |data| data.saturating_sub(position))
}

/// What a file has at a position where it reads as NULs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    /// Bytes that somebody wrote.
    None,
    /// Nothing up to this position.
    Before(u64),
    /// Nothing up to its end: a writer that claims its space beforehand may yet fill it.
    ToEnd,
}

/// Looks for a hole at a position below the file's size. Nobody wrote what a hole reads as.
pub(crate) fn hole(file: &File, position: u64) -> Hole {
    match seek(file, SeekFrom::Data(position)) {
        Ok(data) if data > position => Hole::Before(data),
        Err(rustix::io::Errno::NXIO) => Hole::ToEnd,
        _ => Hole::None,
    }
}

/// The run of NULs with which a file of this size ends: what a crash of the system leaves where
/// a length was written and the data was not.
pub(crate) fn nuls_at_end(bytes: &dyn Bytes, size: u64) -> Option<(u64, u64)> {
    let mut block = [0; 4096];
    let mut start = size;
    while start > 0 && size - start < NULS_MAX {
        let from = start.saturating_sub(block.len() as u64);
        let block = &mut block[..(start - from) as usize];
        if bytes.read(from, block) < block.len() {
            break;
        }
        let data = block.iter().rposition(|&byte| byte != 0);
        start = data.map_or(from, |at| from + at as u64 + 1);
        if data.is_some() {
            break;
        }
    }
    (start < size).then_some((start, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwanted_bytes_by_table() {
        let rows: [(u32, &[u8], &[u8], usize); 8] = [
            (0, b"", b"\0\0a", 0),
            (1, b"", b"\0\0a", 2),
            (1, b"", b"\0\0", 2),
            (1, b"\0\0", b"\0a", 1),
            (1, b"a\n", b"\0a", 0),
            (0, b"abc", b"\nd", 1),
            (0, b"abc\n", b"\nd", 0),
            (0, b"", b"\nd", 0),
        ];
        for (generation, before, bytes, expected) in rows {
            assert_eq!(unwanted(generation, before, bytes), expected, "{before:?} {bytes:?}");
        }
    }

    #[test]
    fn nuls_at_the_end_are_found_whole() {
        let nuls = |content: &[u8]| nuls_at_end(&content, content.len() as u64);
        assert_eq!(nuls(b"a\n"), None);
        assert_eq!(nuls(b""), None);
        assert_eq!(nuls(b"a\0\0"), Some((1, 3)));
        assert_eq!(nuls(&[&[b'x'; 5000][..], &[0; 10_000]].concat()), Some((5000, 15_000)));
        assert_eq!(nuls(&[0; 9000]), Some((0, 9000)));
    }
}
