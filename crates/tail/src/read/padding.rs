//! NUL padding and sparse holes, and other bytes that are no data: which ones to skip.

use crate::identity::bytes::Bytes;
use crate::source::reading::OpenFile;

/// How many NULs at the end of a file are looked for.
const NULS_MAX: u64 = 64 << 20;

/// A run of so many NULs is padding: not written yet where the file ends with it, skipped where
/// data follows.
pub(crate) const PADDING_LEN_MIN: usize = 64;

/// How much is read at a time while the end of a run of NULs is looked for, and how much in one go.
const BLOCK_BYTES: usize = 64 * 1024;
const SCAN_BYTES_MAX: u64 = 64 << 20;

/// U+FEFF in UTF-8, which editors and Windows programs put in front of text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How many bytes at the beginning of `bytes` to skip, `before` being what precedes them:
/// - the NULs that a writer without O_APPEND leaves at the beginning of a file that was truncated
///   under it, so only in a later generation;
/// - the end (`\n`, `\r\n`) of a line that was handed on without it because the file had fallen
///   silent;
/// - a byte order mark (UTF-8) at the very beginning.
pub(crate) fn padding(generation: u32, before: &[u8], bytes: &[u8]) -> usize {
    if generation > 0 && before.iter().all(|&byte| byte == 0) && bytes[0] == 0 {
        return bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    }
    match before.last() {
        None if bytes.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
        None | Some(b'\n' | 0) => 0,
        _ if bytes[0] == b'\n' => 1,
        _ if bytes.starts_with(b"\r\n") => 2,
        _ => 0,
    }
}

/// Where the first run of NULs begins that is long enough to be padding.
pub(crate) fn padding_start(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = memchr::memchr(0, &bytes[from..]) {
        let start = from + at;
        let len = bytes[start..].iter().take_while(|&&byte| byte == 0).count();
        if len >= PADDING_LEN_MIN {
            return Some(start);
        }
        from = start + len;
    }
    None
}

/// What comes after a run of NULs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Data, at this position.
    Data(u64),
    /// The end of the file.
    End,
    /// More NULs up to this position at least, and all that was to be read in one go was read.
    More(u64),
}

/// Looks for the end of a run of NULs that goes on at `from`. Holes are not read.
pub(crate) fn after_padding(bytes: &dyn Bytes, file: Option<&dyn OpenFile>, from: u64) -> After {
    let mut block = vec![0; BLOCK_BYTES];
    let (mut at, mut scanned) = (from, 0);
    while scanned < SCAN_BYTES_MAX {
        match file.and_then(|file| file.next_data(at)) {
            Some(Some(data)) => at = at.max(data),
            Some(None) => return After::End,
            None => {}
        }
        let count = bytes.read(at, &mut block);
        if let Some(data) = block[..count].iter().position(|&byte| byte != 0) {
            return After::Data(at + data as u64);
        }
        if count < block.len() {
            return After::End;
        }
        at += count as u64;
        scanned += count as u64;
    }
    After::More(at)
}

/// Where the data ends that goes on at `from`: at the first run of NULs that is padding, or that
/// ends the file.
pub(crate) fn data_end(bytes: &dyn Bytes, from: u64) -> u64 {
    // Nearly always nothing was written.
    let mut first = [0; PADDING_LEN_MIN];
    let count = bytes.read(from, &mut first);
    if first[..count].iter().all(|&byte| byte == 0) {
        return from;
    }
    let mut block = vec![0; BLOCK_BYTES];
    let mut at = from;
    loop {
        let count = bytes.read(at, &mut block);
        let found = &block[..count];
        if let Some(start) = padding_start(found) {
            return at + start as u64;
        }
        let data = found.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
        if count < block.len() || data == 0 {
            return at + data as u64;
        }
        // The NULs at the end of a block may be the beginning of a run.
        at += data as u64;
    }
}

/// Whether a file of this size ends with padding.
pub(crate) fn ends_with_padding(bytes: &dyn Bytes, size: u64) -> bool {
    let mut end = [0; PADDING_LEN_MIN];
    let Some(from) = size.checked_sub(end.len() as u64) else { return false };
    bytes.read(from, &mut end) == end.len() && end == [0; PADDING_LEN_MIN]
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
        let rows: [(u32, &[u8], &[u8], usize); 14] = [
            (0, b"", b"\0\0a", 0),
            (1, b"", b"\0\0a", 2),
            (1, b"", b"\0\0", 2),
            (1, b"\0\0", b"\0a", 1),
            (1, b"a\n", b"\0a", 0),
            (0, b"abc", b"\nd", 1),
            (0, b"abc\n", b"\nd", 0),
            (0, b"", b"\nd", 0),
            (0, b"abc", b"\r\nd", 2),
            (0, b"abc\r", b"\nd", 1),
            (0, b"abc\n", b"\r\nd", 0),
            (0, b"", b"\xef\xbb\xbfa", 3),
            (0, b"a\n", b"\xef\xbb\xbfa", 0),
            (0, b"", b"\xef\xbb", 0),
        ];
        for (generation, before, bytes, expected) in rows {
            assert_eq!(padding(generation, before, bytes), expected, "{before:?} {bytes:?}");
        }
    }

    #[test]
    fn padding_is_found_by_table() {
        let nuls = |count| vec![0; count];
        let rows: [(Vec<u8>, Option<usize>, u64); 7] = [
            (b"a\nb\n".to_vec(), None, 4),
            ([b"a\n", &nuls(64)[..]].concat(), Some(2), 2),
            ([b"a\n", &nuls(63)[..]].concat(), None, 2),
            ([b"a\n", &nuls(63)[..], b"b"].concat(), None, 66),
            ([b"a\n", &nuls(64)[..], b"b"].concat(), Some(2), 2),
            (nuls(200), Some(0), 0),
            ([&b"x".repeat(70_000)[..], &nuls(200_000)].concat(), Some(70_000), 70_000),
        ];
        for (content, start, end) in rows {
            assert_eq!(padding_start(&content), start, "{} bytes", content.len());
            assert_eq!(data_end(&&content[..], 0), end, "{} bytes", content.len());
        }
        let content = [&b"x"[..], &nuls(100_000), b"y"].concat();
        assert_eq!(after_padding(&&content[..], None, 1), After::Data(100_001));
        assert_eq!(after_padding(&&content[..100_000], None, 1), After::End);
        assert_eq!(after_padding(&&nuls(65 << 20)[..], None, 0), After::More(64 << 20));
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
