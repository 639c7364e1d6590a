//! Following a path inside a tree without ever letting the kernel follow a link.
//!
//! Every component is opened by its name alone in the directory that was opened before it, as a
//! handle that neither reads nor follows (`O_PATH | O_NOFOLLOW`). A symbolic link is read and its
//! text followed by the same rules, from the tree's own root where it is absolute; `..` goes up
//! in the path that was walked, never in the file system. So it is what `openat2` with
//! RESOLVE_IN_ROOT does, on every kernel, and over several mounts that only the tree knows of.
//!
//! Invariant: whatever is renamed, replaced or linked meanwhile, the handle that comes back is
//! of something inside the tree. A crash does nothing to it: there is no state.
//! Not here: which directories make up a tree (`host.rs`, `resolve.rs`), what is done with what
//! was found (`handle.rs`).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use crate::Error;

/// Components that one path may have, those of its links included. Bounds what a container can
/// make one look-up cost.
const STEPS_MAX: u32 = 1024;

/// A tree of files put together from directories of the host.
pub(crate) trait Tree {
    /// The directory or file that is mounted exactly at `at`: it hides what lies below it.
    fn enter(&self, at: &Path) -> Option<Result<OwnedFd, Error>>;

    /// Where a symbolic link leads that only a lower layer has at `at`.
    fn hidden_link(&self, at: &Path) -> Option<PathBuf>;
}

/// The end of a walk.
pub(crate) struct Found {
    /// The path in the tree, links and `..` resolved.
    pub path: PathBuf,
    /// What lies there (`O_PATH`); `None` where nothing does.
    pub node: Option<OwnedFd>,
}

/// Follows `path` from the root of the tree. A missing component is no error here.
pub(crate) fn walk(tree: &dyn Tree, path: &Path) -> Result<Found, Error> {
    let mut at = PathBuf::from("/");
    let mut node = tree.enter(&at).transpose()?;
    let mut todo = Vec::new();
    push_components(&mut todo, path);
    for _ in 0..STEPS_MAX {
        let Some(name) = todo.pop() else { return Ok(Found { path: at, node }) };
        match step(tree, &at, node.as_ref(), &name).map_err(|e| e.of(path))? {
            Step::Into(next) => {
                at.push(name);
                node = next;
            }
            Step::Follow(target) => {
                if target.is_absolute() {
                    at = PathBuf::from("/");
                    node = tree.enter(&at).transpose()?;
                }
                push_components(&mut todo, &target);
            }
        }
    }
    Err(Error::Loop { path: path.into() })
}

/// What one component of a path does.
enum Step {
    Into(Option<OwnedFd>),
    Follow(PathBuf),
}

fn step(
    tree: &dyn Tree,
    at: &Path,
    node: Option<&OwnedFd>,
    name: &OsStr,
) -> Result<Step, StepError> {
    if name == ".." {
        // Up means down again from the root: there is no link in what was walked.
        return Ok(Step::Follow(at.parent().unwrap_or(at).into()));
    }
    let next = at.join(name);
    if let Some(entered) = tree.enter(&next) {
        return Ok(Step::Into(Some(entered.map_err(StepError::Tree)?)));
    }
    let found = look_in(node, name).map_err(StepError::Io)?;
    let target = match &found {
        Some(found) => link_target(found).map_err(StepError::Io)?,
        None => tree.hidden_link(&next),
    };
    Ok(target.map_or(Step::Into(found), Step::Follow))
}

/// Why a step failed; only the whole walk knows on which path.
enum StepError {
    Tree(Error),
    Io(io::Error),
}

impl StepError {
    fn of(self, path: &Path) -> Error {
        match self {
            StepError::Tree(error) => error,
            StepError::Io(source) => Error::Resolve { path: path.into(), source },
        }
    }
}

/// A handle of one name in a directory; a link's own where it is one.
fn open_no_follow(dir: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    debug_assert!(!name.as_bytes().contains(&b'/') && name != "..");
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// What has this name in a directory; `None` where nothing has, or there is no directory.
pub(crate) fn look_in(dir: Option<&OwnedFd>, name: &OsStr) -> io::Result<Option<OwnedFd>> {
    match dir.map(|dir| open_no_follow(dir.as_fd(), name)) {
        None | Some(Err(rustix::io::Errno::NOENT)) => Ok(None),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(found)) => Ok(Some(found)),
    }
}

/// What lies at `path` below `dir` where no component is a link; `None` where one is, or is
/// missing, except that the last may be a link (then its handle comes back).
pub(crate) fn look_below(dir: OwnedFd, path: &Path) -> io::Result<Option<OwnedFd>> {
    let mut node = dir;
    for component in path.components() {
        let Component::Normal(name) = component else { continue };
        match open_no_follow(node.as_fd(), name) {
            Ok(next) => node = next,
            // A link in the middle is no directory either.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(node))
}

/// Where a link leads; `None` where the node is none.
pub(crate) fn link_target(node: &OwnedFd) -> io::Result<Option<PathBuf>> {
    if file_type(node)? != FileType::Symlink {
        return Ok(None);
    }
    let target = rustix::fs::readlinkat(node, "", Vec::new())?;
    Ok(Some(PathBuf::from(OsStr::from_bytes(target.as_bytes()))))
}

fn push_components(todo: &mut Vec<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => todo.push(name.to_os_string()),
            Component::ParentDir => todo.push("..".into()),
            _ => {}
        }
    }
}

pub(crate) fn file_type(node: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(node)?.st_mode))
}

pub(crate) fn resolve_error(path: &Path, source: impl Into<io::Error>) -> Error {
    Error::Resolve { path: path.into(), source: source.into() }
}

pub(crate) fn not_found(path: &Path) -> Error {
    resolve_error(path, io::Error::from(io::ErrorKind::NotFound))
}
