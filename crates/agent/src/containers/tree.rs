//! The file tree of a container, or the directory of its output, as the tail looks at it.
//! Every path is followed by [`ContainerRoot`], which lets none lead outside.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use container::{ContainerRoot, Error, FileKind, FileStat};
use tail::{Entries, Entry, Facts, Kind, OpenFile, Stat, Tree};

/// A container's tree.
#[derive(Debug)]
pub struct ContainerTree(pub ContainerRoot);

impl Tree for ContainerTree {
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.0.stat(path).map(stat).map_err(io_error)
    }

    fn stat_link(&self, path: &Path) -> io::Result<Stat> {
        self.0.stat_link(path).map(stat).map_err(io_error)
    }

    fn list(&self, dir: &Path) -> io::Result<Entries> {
        let listing = self.0.list(dir).map_err(io_error)?;
        let entry = |(name, kind)| Entry { name, inode: None, kind: kind_of(kind) };
        Ok(Box::new(listing.map(move |read| read.map(entry).map_err(io_error))))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.real(path).map_err(io_error)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn OpenFile>> {
        let found = self.0.open(path).map_err(io_error)?;
        Ok(Arc::new(found.file))
    }
}

fn stat(stat: FileStat) -> Stat {
    let FileStat { identity, kind, len, links, modified, changed } = stat;
    Stat::from(Facts {
        dev: identity.dev,
        inode: identity.inode,
        size: len,
        links,
        modified: modified.into(),
        changed: changed.into(),
        kind: kind_of(kind).unwrap_or(Kind::Other),
    })
}

/// `None` where a directory does not tell.
fn kind_of(kind: FileKind) -> Option<Kind> {
    match kind {
        FileKind::File => Some(Kind::Regular),
        FileKind::Dir => Some(Kind::Directory),
        FileKind::Link => Some(Kind::Link),
        FileKind::Fifo => Some(Kind::Fifo),
        FileKind::Socket => Some(Kind::Socket),
        FileKind::Device => Some(Kind::Device),
        FileKind::Unknown => None,
    }
}

/// The kind decides what the tail does, the text is what the operator reads.
fn io_error(error: Error) -> io::Error {
    let kind = match &error {
        Error::Resolve { source, .. } | Error::Read { source, .. } => source.kind(),
        Error::Tmpfs { source, .. } => source.kind(),
        // Said once of the whole container (`select.rs`).
        Error::Unmapped { .. } => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.to_string())
}
