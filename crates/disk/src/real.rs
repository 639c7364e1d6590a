//! The file system of the machine.
//!
//! Each method is one system call or a few, with nothing buffered here: what a method says is
//! done, the kernel has. State files are made with mode 0600 and never through a symbolic link
//! (an attacker who can write into the directory could otherwise have us overwrite any file).
//! A kill at any place leaves what the kernel was given.
//! Not here: `replace` and `create_dir_all` (`compose.rs`), waiting for a lock (`lock.rs`).

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use crate::interface::unfit;
use crate::{Disk, DiskFile, Lock, Stat};

/// Permission bits of new files: they may hold log lines, which are nobody else's business.
const FILE_MODE: u32 = 0o600;

/// Permission bits of new directories.
const DIR_MODE: u32 = 0o755;

/// Zeros for file systems without fallocate.
static ZEROS: [u8; 4096] = [0; 4096];

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path, preallocated: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealFile(options().create_new(true).open(path)?);
        if let Err(error) = file.preallocate(preallocated) {
            // Reported is the failed reservation; an empty file that stays harms nobody.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let opened = match options().open(path) {
            // Nobody can write there; reading is allowed.
            Err(error) if error.raw_os_error() == Some(Errno::ROFS.raw_os_error()) => {
                options().write(false).open(path)
            }
            opened => opened,
        };
        Ok(Arc::new(RealFile(regular(opened.map_err(kind)?)?)))
    }

    fn read_within(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = options().write(false).open(path).map_err(kind)?;
        let file = regular(file)?;
        // Asked first, so that a giant costs no memory; it may still grow while it is read.
        if file.metadata()?.len() > bytes_max {
            return Err(unfit("it is longer than any such file"));
        }
        let mut bytes = Vec::new();
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > bytes_max {
            true => Err(unfit("it is longer than any such file")),
            false => Ok(bytes),
        }
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match fs::metadata(path) {
            Ok(found) => {
                Ok(Some(Stat { len: found.len(), is_dir: found.is_dir(), inode: found.ino() }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        DirBuilder::new().mode(DIR_MODE).create(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match ask_for_sync(dir) {
            // The file system knows no such operation (CIFS, some FUSE ones): no more to be had.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
            result => result,
        }
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        loop {
            let opened = options().create(true).truncate(false).open(path).map_err(kind)?;
            let file = regular(opened)?;
            if file.metadata()?.nlink() > 1 {
                return Err(unfit("it has other names too (hard links): remove it"));
            }
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // A file that lost its name since it was opened locks nobody out.
            let named = self.stat(path)?.map(|stat| stat.inode);
            if named == Some(file.metadata()?.ino()) {
                return Ok(Some(Box::new(RealLock(file))));
            }
        }
    }

    fn try_lock_dir(&self, dir: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let file = open_dir(dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(DirLock(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            // The file system locks no directories (NFS wants them open for writing).
            Err(TryLockError::Error(error)) if is_no_dir_lock(&error) => {
                Ok(Some(Box::new(DirLock(file))))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// What cannot be opened for what it is, told as such.
fn kind(error: io::Error) -> io::Error {
    let is_other_kind = [Errno::LOOP, Errno::NXIO, Errno::NODEV]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    if is_other_kind { unfit(NOT_REGULAR) } else { error }
}

const NOT_REGULAR: &str = "it is not a regular file";

fn ask_for_sync(dir: &Path) -> io::Result<()> {
    open_dir(dir)?.sync_all()
}

fn open_dir(dir: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY.bits() as i32;
    OpenOptions::new().read(true).custom_flags(flags).open(dir)
}

fn is_no_dir_lock(error: &io::Error) -> bool {
    let known = [Errno::BADF, Errno::INVAL, Errno::OPNOTSUPP, Errno::NOLCK, Errno::NOSYS];
    known.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Reading and writing, never through a link in the last place, never waiting for a FIFO's other
/// end.
fn options() -> OpenOptions {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(FILE_MODE).custom_flags(flags);
    options
}

fn regular(file: File) -> io::Result<File> {
    let found = file.metadata()?;
    if found.is_file() {
        return Ok(file);
    }
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Err(unfit(NOT_REGULAR))
}

struct RealFile(File);

impl RealFile {
    fn preallocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        loop {
            match fallocate(&self.0, FallocateFlags::empty(), 0, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return self.zero_fill(len),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn zero_fill(&self, len: u64) -> io::Result<()> {
        let mut position = 0;
        while position < len {
            let chunk = ZEROS.len().min((len - position).try_into().unwrap_or(usize::MAX));
            self.0.write_all_at(&ZEROS[..chunk], position)?;
            position += chunk as u64;
        }
        Ok(())
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buf, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.0.set_permissions(Permissions::from_mode(mode))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn inode(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.ino())
    }

    fn names(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.nlink())
    }
}

/// Closing the file lets go of the lock.
struct RealLock(File);

impl Lock for RealLock {
    fn describe(&self, text: &str) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.write_all_at(text.as_bytes(), 0)
    }
}

/// Closing the directory lets go of the lock.
struct DirLock(#[allow(dead_code)] File);

impl Lock for DirLock {
    fn describe(&self, _text: &str) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn replaced_content_has_the_mode_and_no_leftover() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        for (mode_bits, text) in [(0o640, "old"), (0o600, "new, longer")] {
            RealDisk.replace(&path, mode_bits, &mut |out| out.write_all(text.as_bytes())).unwrap();
            assert_eq!(RealDisk.read(&path).unwrap(), text.as_bytes());
            assert_eq!(mode(&path), mode_bits);
        }
        assert_eq!(RealDisk.list(dir.path()).unwrap(), ["state"]);
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_content_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        RealDisk.replace(&path, 0o600, &mut |out| out.write_all(b"old")).unwrap();
        let failed = RealDisk.replace(&path, 0o600, &mut |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(RealDisk.read(&path).unwrap(), b"old");
        assert_eq!(RealDisk.list(dir.path()).unwrap(), ["state"]);
    }

    #[test]
    fn preallocated_bytes_are_there_and_zero() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let file = RealDisk.create(&path, 100_000).unwrap();
        assert_eq!(file.len().unwrap(), 100_000);
        assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 100_000);
        assert_eq!(mode(&path), FILE_MODE);
        file.write_all_at(b"x", 50_000).unwrap();
        let content = RealDisk.read(&path).unwrap();
        assert!(
            content.iter().enumerate().all(|(at, &b)| b == if at == 50_000 { b'x' } else { 0 })
        );
    }

    #[test]
    fn a_sync_asks_the_kernel() {
        // The null device cannot be synced: nobody else would know.
        let null = RealFile(options().open("/dev/null").unwrap());
        let error = null.sync_data().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::INVAL.raw_os_error()));
    }

    #[test]
    fn a_sync_of_a_directory_asks_the_kernel() {
        // The same of a directory without a disk under it; whoever asks takes that for done.
        let error = ask_for_sync(Path::new("/proc")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::INVAL.raw_os_error()));
        RealDisk.sync_dir(Path::new("/proc")).unwrap();
        assert!(RealDisk.sync_dir(Path::new("/proc/none")).is_err());
    }

    #[test]
    fn zero_filling_reserves_exactly_the_length() {
        let dir = tempfile::tempdir().unwrap();
        for len in [1, ZEROS.len() as u64, ZEROS.len() as u64 + 1, 200_000] {
            let path = dir.path().join(len.to_string());
            let file = RealFile(options().create_new(true).open(&path).unwrap());
            file.zero_fill(len).unwrap();
            assert_eq!(file.len().unwrap(), len);
        }
    }

    #[test]
    fn a_reservation_that_does_not_fit_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        assert!(RealDisk.create(&path, 1 << 62).is_err());
        assert_eq!(RealDisk.stat(&path).unwrap(), None);
    }

    #[test]
    fn symbolic_links_and_other_kinds_are_never_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let link = dir.path().join("link");
        symlink(&victim, &link).unwrap();
        assert!(RealDisk.create(&link, 10).is_err());
        assert!(RealDisk.open(&link).is_err());
        assert!(RealDisk.try_lock(&link).is_err());
        assert!(RealDisk.open(dir.path()).is_err());
        // A replacement takes the link's place; what it pointed at stays.
        RealDisk.replace(&link, 0o600, &mut |out| out.write_all(b"state")).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn only_regular_files_of_a_possible_length_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "12345").unwrap();
        assert_eq!(RealDisk.read_within(&path("file"), 5).unwrap(), b"12345");
        symlink(path("file"), path("link")).unwrap();
        symlink("/dev/zero", path("device")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        for name in ["link", "device", "fifo", "."] {
            let error = RealDisk.read(&path(name)).unwrap_err();
            assert!(crate::is_unfit(&error), "{name}: {error}");
        }
        let error = RealDisk.read_within(&path("file"), 4).unwrap_err();
        assert!(crate::is_unfit(&error), "{error}");
        assert_eq!(RealDisk.read(&path("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_with_another_name_is_not_written_into() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        fs::write(&path, "precious").unwrap();
        assert!(RealDisk.open_own(&path).is_ok());
        fs::hard_link(&path, &other).unwrap();
        assert!(crate::is_unfit(&RealDisk.open_own(&path).err().unwrap()));
        assert!(crate::is_unfit(&RealDisk.try_lock(&path).err().unwrap()));
        assert_eq!(fs::read(&other).unwrap(), b"precious");
    }

    #[test]
    fn a_lock_excludes_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = RealDisk.try_lock(&path).unwrap().unwrap();
        held.describe("somebody").unwrap();
        assert!(RealDisk.try_lock(&path).unwrap().is_none());
        assert_eq!(RealDisk.read(&path).unwrap(), b"somebody");
        drop(held);
        assert!(RealDisk.try_lock(&path).unwrap().is_some());
    }

    #[test]
    fn directories_are_made_all_the_way_and_a_file_in_the_way_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        RealDisk.create_dir_all(&deep).unwrap();
        RealDisk.create_dir_all(&deep).unwrap();
        assert!(RealDisk.stat(&deep).unwrap().unwrap().is_dir);
        fs::write(dir.path().join("file"), "").unwrap();
        let error = RealDisk.create_dir_all(&dir.path().join("file/x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }
}
