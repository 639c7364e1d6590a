//! Why a path that a pattern matches is not collected, in the words of its message.

use std::fmt;

use crate::compressed::format::Format;

/// Why a path is not collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// A named pipe.
    Fifo,
    /// A character or block device.
    Device,
    /// A socket.
    Socket,
    /// A directory.
    Directory,
    /// Something else that is no regular file.
    NotRegular,
    /// A symbolic link that leads nowhere.
    BrokenLink,
    /// This process writes it: an output, the state, the spool.
    OwnOutput,
    /// It is compressed in a format that is not read.
    Compressed(Format),
    /// It has the name of a rotated file that was compressed, and is none.
    NotCompressed,
    /// Its bytes are those of another file of its family, which is collected.
    Copy,
    /// The limit of followed files is reached.
    TooMany,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SkipReason::Compressed(format) => {
                return write!(
                    f,
                    "is compressed with {format}, which is not read; compress with gzip or zstd, or \
                     exclude it with ExcludeFilePaths"
                );
            }
            SkipReason::Fifo => "is a named pipe; only regular files are collected",
            SkipReason::Device => "is a device; only regular files are collected",
            SkipReason::Socket => "is a socket; only regular files are collected",
            SkipReason::Directory => "is a directory; add /*.log to collect the files in it",
            SkipReason::NotRegular => "is no regular file",
            SkipReason::BrokenLink => "is a symbolic link that leads nowhere",
            SkipReason::OwnOutput => "is written by this process; exclude it with ExcludeFilePaths",
            SkipReason::NotCompressed => "is named like a compressed file and is none; rename it",
            SkipReason::Copy => "is a copy of a file that is collected",
            SkipReason::TooMany => {
                "exceeds the number of files that are followed (files_max); raise it or narrow the pattern"
            }
        })
    }
}
