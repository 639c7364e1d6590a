//! The names of an output of `flusher_file`: `out`, then `out.1` (the youngest), `out.2` ...
//! Promise: each rename is durable before the next, so no crash puts a younger file over an older
//! one; and no record goes into a new file before the journal names that file.
//! A crash in between leaves the output under its old name, or under `out.1` with nothing or an
//! empty file at the path. Either way [`mend`] finds it by its inode.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use disk::Disk;

use super::output::Receipt;

/// What is added to an output's name for its lock file.
pub(crate) const LOCK_SUFFIX: &str = ".lock";

/// Frees the name `path`: `path.1` becomes `path.2` and so on up to the first free number, or onto
/// the oldest of `max_files`; then `path` becomes `path.1`.
pub(crate) fn make_way(disk: &dyn Disk, path: &Path, max_files: usize) -> io::Result<()> {
    let mut free = 1;
    while free < max_files && disk.stat(&numbered(path, free))?.is_some() {
        free += 1;
    }
    for number in (0..free).rev() {
        disk.rename(&numbered(path, number), &numbered(path, number + 1))?;
        if let Some(dir) = path.parent() {
            disk.sync_dir(dir)?;
        }
    }
    Ok(())
}

/// The name of the output (0) or of a renamed one.
fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return path.to_path_buf();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Cuts the output that `receipt` names, wherever it is by now, to its journaled length. Nothing
/// that we did not write is cut. Returns sentences for the log.
pub(crate) fn mend(disk: &dyn Disk, path: &Path, receipt: &Receipt) -> io::Result<Option<String>> {
    let Some((home, len)) = find(disk, path, receipt.inode)? else {
        return Ok(Some(format!(
            "output {} is not there any more; beginning a new one",
            path.display()
        )));
    };
    let home_name = home.display();
    if len < receipt.len {
        return Ok(Some(format!(
            "output {home_name} has {len} bytes, {} were written: somebody cut it; appending",
            receipt.len
        )));
    }
    let file = disk.open(&home)?;
    if !receipt.proves(&*file)? {
        return Ok(Some(format!(
            "output {home_name} is not the file that was written: somebody replaced its content; \
             appending"
        )));
    }
    if len == receipt.len {
        return Ok(None);
    }
    file.set_len(receipt.len)?;
    file.sync_data()?;
    Ok(Some(format!(
        "cut {} unacknowledged bytes from output {home_name}; they are written again",
        len - receipt.len
    )))
}

/// The file with this inode whose name begins as the output's, with its length.
fn find(disk: &dyn Disk, path: &Path, inode: u64) -> io::Result<Option<(PathBuf, u64)>> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let begins = |entry: &OsStr| entry.as_encoded_bytes().starts_with(name.as_encoded_bytes());
    for entry in disk.list(dir)?.into_iter().filter(|entry| begins(entry)) {
        let home = dir.join(entry);
        if let Some(stat) = disk.stat(&home)?
            && stat.inode == inode
            && !stat.is_dir
        {
            return Ok(Some((home, stat.len)));
        }
    }
    Ok(None)
}
