//! In which order files are opened and written, by the kernel's own record: one inotify queue over
//! all directories that are watched, so that the order holds across them too.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

/// One thing that was done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// It was opened, by whomever.
    Opened(PathBuf),
    /// Its content was changed.
    Written(PathBuf),
}

/// A record that is being made.
pub struct Touches {
    queue: OwnedFd,
    dirs: Vec<(i32, PathBuf)>,
}

impl Touches {
    /// Begins a record of what is done to the files directly inside directories.
    ///
    /// # Panics
    /// Where a directory cannot be watched.
    pub fn of(dirs: &[PathBuf]) -> Self {
        let queue = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("inotify is there");
        let watch = |dir: &PathBuf| {
            let flags = WatchFlags::OPEN | WatchFlags::MODIFY;
            let number = add_watch(&queue, dir, flags);
            let number = number.unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
            (number, dir.clone())
        };
        let dirs = dirs.iter().map(watch).collect();
        Self { queue, dirs }
    }

    /// Everything since the last time, in its order.
    ///
    /// # Panics
    /// Where the kernel has dropped some of it.
    pub fn take(&self) -> Vec<Touch> {
        let mut buffer = vec![MaybeUninit::uninit(); 64 * 1024];
        let mut reader = Reader::new(&self.queue, &mut buffer);
        let mut touches = Vec::new();
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return touches,
                Err(error) => panic!("inotify: {error}"),
            };
            assert!(!event.events().contains(ReadFlags::QUEUE_OVERFLOW), "too much was done");
            // Without a name it is the directory itself.
            let Some(name) = event.file_name() else { continue };
            let name = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
            let dir = self.dirs.iter().find(|(number, _)| *number == event.wd());
            let path = dir.expect("a directory that is watched").1.join(name);
            let opened = event.events().contains(ReadFlags::OPEN);
            touches.push(if opened { Touch::Opened(path) } else { Touch::Written(path) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn touches_come_in_order_across_directories() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [a, b] = dirs.each_ref().map(|dir| dir.path().join("file"));
        for path in [&a, &b] {
            fs::write(path, "old").unwrap();
        }
        let touches = Touches::of(&dirs.each_ref().map(|dir| dir.path().to_owned()));
        assert_eq!(touches.take(), []);
        fs::read(&b).unwrap();
        fs::File::options().append(true).open(&a).unwrap().write_all(b"new").unwrap();
        let expected = [Touch::Opened(b), Touch::Opened(a.clone()), Touch::Written(a)];
        assert_eq!(touches.take(), expected);
    }
}
