//! What every disk builds from its primitives in the same way: the atomic replacement of a file
//! and a durable path of directories. One algorithm for the real and the simulated disk, so that
//! a simulated crash really stops inside it, at each primitive.
//!
//! A crash in `replace` leaves the old content or the new, and perhaps a temporary file, which
//! [`is_temporary`] recognises and [`remove_leftovers`] removes.
//! Not here: keeping two processes apart (`lock.rs`).

use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Disk, DiskFile};

/// How temporary files begin. Hidden, and like no state file's name.
const TEMPORARY_PREFIX: &str = ".irontail-tmp-";

/// How many bytes `replace` hands to one write.
const WRITE_BYTES: usize = 64 * 1024;

/// Numbers the temporary files of this process; `create` refuses a name that another one took.
static NEXT_TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// Whether `name` is that of a temporary file of [`Disk::replace`]: unfinished, of no value.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
}

/// Removes the temporary files that a crash left in `dir`; returns how many. Only for whoever
/// holds the lock that keeps other writers out of `dir`: a running `replace` of theirs fails.
pub fn remove_leftovers(disk: &dyn Disk, dir: &Path) -> io::Result<usize> {
    let leftovers: Vec<_> = disk.list(dir)?.into_iter().filter(|name| is_temporary(name)).collect();
    for name in &leftovers {
        disk.unlink(&dir.join(name))?;
    }
    Ok(leftovers.len())
}

pub(crate) fn replace<D: Disk + ?Sized>(
    disk: &D,
    path: &Path,
    mode: u32,
    content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let dir = parent(path)?;
    let (temporary, file) = create_temporary(disk, dir)?;
    let replaced = fill(file, mode, content).and_then(|()| disk.rename(&temporary, path));
    if replaced.is_err() {
        // The first error is what the caller needs; a leftover is harmless.
        let _ = disk.unlink(&temporary);
        return replaced;
    }
    disk.sync_dir(dir)
}

pub(crate) fn create_dir_all<D: Disk + ?Sized>(disk: &D, dir: &Path) -> io::Result<()> {
    let mut chain: Vec<&Path> = dir.ancestors().collect();
    chain.reverse();
    for pair in chain.windows(2) {
        let (above, dir) = (pair[0], pair[1]);
        let made = match disk.stat(dir)? {
            Some(stat) if stat.is_dir => false,
            Some(_) => return Err(io::ErrorKind::NotADirectory.into()),
            None => match disk.create_dir(dir) {
                Ok(()) => true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => true,
                Err(error) => return Err(error),
            },
        };
        match disk.sync_dir(above) {
            Err(error) if made => return Err(error),
            // Not ours, and perhaps not readable: whoever made the entry answers for it.
            _ => {}
        }
    }
    Ok(())
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} has no parent", path.display()))
    })
}

fn create_temporary<D: Disk + ?Sized>(
    disk: &D,
    dir: &Path,
) -> io::Result<(PathBuf, Arc<dyn DiskFile>)> {
    loop {
        let number = NEXT_TEMPORARY.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{TEMPORARY_PREFIX}{number}"));
        match disk.create(&path, 0) {
            Ok(file) => return Ok((path, file)),
            // Left by a crash, or another process's: the next number is as good.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn fill(
    file: Arc<dyn DiskFile>,
    mode: u32,
    content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    file.set_mode(mode)?;
    let mut writer =
        BufWriter::with_capacity(WRITE_BYTES, Appender { file: file.as_ref(), position: 0 });
    content(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.sync_data()
}

/// Writes one after the other into a [`DiskFile`].
struct Appender<'a> {
    file: &'a dyn DiskFile,
    position: u64,
}

impl Write for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.position)?;
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
