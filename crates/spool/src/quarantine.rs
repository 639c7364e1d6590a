//! Copies of damaged bytes, put aside beside their segment for whoever wants to look at them.
//!
//! A copy is a courtesy: where none can be made, nothing else suffers. The copies together are
//! limited, and none is made twice. After a crash a copy is there whole, or not at all.
//! Not here: what is damaged (`segment.rs`, `spool.rs`).

use std::io::{self, Write};
use std::path::PathBuf;

use disk::DiskFile;

use crate::directory::{self, Directory};
use crate::{Error, segment};

/// The most bytes that all copies in the directory have together.
const QUARANTINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How much is copied at once.
const COPY_LEN: usize = 64 * 1024;

/// Permission bits of copies: they hold log lines.
const COPY_MODE: u32 = 0o600;

/// Where copies go.
pub(crate) struct Quarantine {
    directory: Directory,
    /// Seconds since 1970, for their names.
    time: u64,
}

impl Quarantine {
    pub(crate) fn new(directory: Directory, time: u64) -> Quarantine {
        Quarantine { directory, time }
    }

    /// Copies `len` bytes at `position` of a segment, unless that was done before; where the
    /// copy is.
    pub(crate) fn keep(
        &self,
        file: &dyn DiskFile,
        sequence: u64,
        position: u64,
        len: u64,
    ) -> Option<PathBuf> {
        let kept = self.find_or_copy(file, sequence, position, len);
        kept.unwrap_or_else(|error| {
            log::warn!("no copy of damaged bytes was made: {error}");
            None
        })
    }

    fn find_or_copy(
        &self,
        file: &dyn DiskFile,
        sequence: u64,
        position: u64,
        len: u64,
    ) -> Result<Option<PathBuf>, Error> {
        let mut stem = self.directory.segment_path(sequence).into_os_string();
        stem.push(format!("@{position}.corrupt-"));
        let mut used = 0;
        for name in self.directory.names()? {
            let path = self.directory.path.join(&name);
            if path.as_os_str().as_encoded_bytes().starts_with(stem.as_encoded_bytes()) {
                return Ok(Some(path));
            }
            if is_copy(&name.to_string_lossy()) {
                let stat = self.directory.disk.stat(&path);
                used += stat.ok().flatten().map_or(0, |stat| stat.len);
            }
        }
        if used + len > QUARANTINE_BYTES_MAX {
            return Ok(None);
        }
        stem.push(self.time.to_string());
        let path = PathBuf::from(stem);
        let copied = self
            .directory
            .disk
            .replace(&path, COPY_MODE, &mut |out| copy(file, position, len, out));
        copied.map_err(directory::failed("write", &path))?;
        Ok(Some(path))
    }
}

fn copy(file: &dyn DiskFile, position: u64, len: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut buf = vec![0; COPY_LEN];
    let mut done = 0;
    while done < len {
        let read = segment::read_up_to(file, &mut buf, position + done, position + len)?;
        if read == 0 {
            break;
        }
        out.write_all(&buf[..read])?;
        done += read as u64;
    }
    Ok(())
}

/// Whether `name` is that of a copy of ours.
fn is_copy(name: &str) -> bool {
    let stem = name.split_once('@').map(|(stem, _)| stem);
    stem.is_some_and(|stem| segment::sequence(stem.as_ref()).is_some())
        && name.contains(".corrupt-")
}
