//! How compressed files begin. First bytes decide: what begins so is never read as text, whatever
//! its name says, and what is named like a compressed file and begins otherwise is text.
//! A pure function of bytes.

use std::fmt;

/// How many bytes decide at most.
pub(crate) const DECISIVE_BYTES: usize = 16;

/// A format of compressed files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The .xz file format.
    Xz,
    /// bzip2.
    Bzip2,
    /// The LZ4 frame format, today's and the legacy one.
    Lz4,
    /// What xz calls lzma_alone.
    Lzma,
    /// PKWARE's.
    Zip,
}

impl Format {
    /// Whether its content is read.
    pub(crate) fn is_read(self) -> bool {
        matches!(self, Format::Gzip | Format::Zstd)
    }

    /// Whether a file that begins with these bytes, which are of no format, may still become one.
    pub(crate) fn may_follow(begin: &[u8]) -> bool {
        let is_first = |byte: &u8| matches!(byte, 0x1f | 0x28 | 0xfd | b'B' | 2 | 4 | b'P'..=0x5f);
        begin.len() < DECISIVE_BYTES && begin.first().is_none_or(is_first)
    }

    /// The format of a file that begins with these bytes; `None`: it is none of them, or too
    /// short to tell.
    pub(crate) fn of(begin: &[u8]) -> Option<Self> {
        match begin {
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Format::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Format::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Format::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', magic @ ..] if is_bzip2_block(magic) => {
                Some(Format::Bzip2)
            }
            [0x04 | 0x02, 0x22 | 0x21, 0x4d | 0x4c, 0x18, ..] => Some(Format::Lz4),
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Format::Zstd),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Format::Zip),
            [0x5d, 0, 0, rest @ ..] if is_lzma_header(rest) => Some(Format::Lzma),
            _ => None,
        }
    }
}

/// The first block of bzip2 begins with digits of pi, the end of an empty file with those of its
/// root.
fn is_bzip2_block(magic: &[u8]) -> bool {
    magic.starts_with(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
        || magic.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
}

/// The rest of the size of the dictionary, and the size of the content: unknown or below 256 GiB.
fn is_lzma_header(rest: &[u8]) -> bool {
    let Some(size) = rest.get(2..10) else { return false };
    size == [0xff; 8] || size[5..] == [0; 3]
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Gzip => "gzip",
            Format::Zstd => "zstd",
            Format::Xz => "xz",
            Format::Bzip2 => "bzip2",
            Format::Lz4 => "lz4",
            Format::Lzma => "lzma",
            Format::Zip => "zip",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_decide_by_table() {
        let rows: [(&[u8], Option<Format>); 17] = [
            (&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], Some(Format::Gzip)),
            (&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3], Some(Format::Gzip)),
            (&[0x1f, 0x8b], None),
            (&[0x1f, 0x8b, 7, 0], None),
            (&[0x28, 0xb5, 0x2f, 0xfd, 4], Some(Format::Zstd)),
            (&[0x53, 0x2a, 0x4d, 0x18, 4], Some(Format::Zstd)),
            (b"\xfd7zXZ\0\0\x04", Some(Format::Xz)),
            (b"BZh91AY&SY\x00", Some(Format::Bzip2)),
            (b"BZh9 is how bzip2 begins", None),
            (&[4, 0x22, 0x4d, 0x18, 0x64], Some(Format::Lz4)),
            (&[2, 0x21, 0x4c, 0x18, 0x64], Some(Format::Lz4)),
            (&[0x5d, 0, 0, 0x80, 0, 255, 255, 255, 255, 255, 255, 255, 255], Some(Format::Lzma)),
            (b"]\0\0 and text", None),
            (b"PK\x03\x04\x14\0", Some(Format::Zip)),
            (b"PK is no archive", None),
            (b"2026-11-28 text\n", None),
            (b"", None),
        ];
        for (begin, expected) in rows {
            assert_eq!(Format::of(begin), expected, "{begin:x?}");
        }
    }
}
