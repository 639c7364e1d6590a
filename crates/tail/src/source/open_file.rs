//! Opening and looking at files that anybody may have put there. Opening never waits (FIFO), never
//! disturbs a device, and never yields another file than the one that was looked at.

use std::io;
use std::path::Path;
use std::sync::Arc;

use record::Identity;

use crate::SkipReason;
use crate::source::reading::OpenFile;
use crate::source::stat::Stat;
use crate::source::tree::Trees;

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is nothing to be collected.
    Skip(SkipReason),
    /// It is not there, or no longer the one that was looked at: look again.
    Moved,
    /// The system refuses.
    Failed(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Refusal::Moved,
            // The path was resolved: a link there now was put there since.
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                Refusal::Moved
            }
            _ => Refusal::Failed(error),
        }
    }
}

/// A file that was opened, and what it is.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: Arc<dyn OpenFile>,
    pub(crate) stat: Stat,
    pub(crate) identity: Identity,
}

/// Opens the regular file at `real`, a path whose last component is no link, for reading.
pub(crate) fn open(trees: &Trees, real: &Path) -> Result<Opened, Refusal> {
    let before = trees.stat_link(real)?;
    if let Some(reason) = before.skip_reason() {
        return Err(Refusal::Skip(reason));
    }
    let file = trees.open(real)?;
    let stat = file.stat()?;
    if stat.skip_reason().is_some() || stat.key() != before.key() {
        return Err(Refusal::Moved);
    }
    let identity = identity(&*file)?;
    Ok(Opened { file, stat, identity })
}

/// The identity of an open file.
fn identity(file: &dyn OpenFile) -> io::Result<Identity> {
    let stat = file.stat()?;
    Ok(Identity { dev: stat.dev, inode: stat.inode, birth: file.birth()? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // builds the files that it opens

    use std::os::unix::net::UnixListener;

    use rustix::fs::{FileType, Mode};

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        std::fs::create_dir(at("dir")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        let fifo = FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), fifo, Mode::RUSR, 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();

        let refusal = |path: &Path| match open(&Trees::default(), path) {
            Ok(_) => "opened".to_string(),
            Err(Refusal::Skip(reason)) => format!("{reason:?}"),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(refusal(&at("file")), "opened");
        assert_eq!(refusal(&at("dir")), "Directory");
        assert_eq!(refusal(&at("link")), "NotRegular");
        assert_eq!(refusal(&at("fifo")), "Fifo");
        assert_eq!(refusal(&at("socket")), "Socket");
        assert_eq!(refusal(Path::new("/dev/zero")), "Device");
        assert_eq!(refusal(&at("nothing")), "Moved");
        assert_eq!(refusal(&at("file").join("below")), "Moved");
    }

    #[test]
    fn an_identity_is_stable_and_has_a_birth_time_here() {
        let file = tempfile::tempfile().unwrap();
        let first = identity(&file).unwrap();
        assert_eq!(first, identity(&file).unwrap());
        assert!(first.inode > 0);
    }
}
