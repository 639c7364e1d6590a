//! The script of a simulated run: every operation has a number, and at some of them the disk
//! fails or the world ends.
//!
//! A crash at operation n: it and all later ones fail with an error that [`is_crash`] knows.
//! Not here: what an operation that fails half-way leaves (`sim.rs`, `content.rs`).

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a scripted failure looks like to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space left (ENOSPC): fails what needs new space, and nothing else.
    Full,
    /// The disk does not answer (EIO): fails every operation.
    Io,
}

/// Linux's number of EIO (include/uapi/asm-generic/errno-base.h).
const EIO: i32 = 5;

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Fault::Full => io::ErrorKind::StorageFull.into(),
            Fault::Io => io::Error::from_raw_os_error(EIO),
        }
    }
}

/// The kinds of numbered operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is the method of its name.
pub enum OperationKind {
    Create,
    Open,
    Read,
    Stat,
    List,
    CreateDir,
    Rename,
    HardLink,
    Unlink,
    SyncDir,
    TryLock,
    ReadAt,
    WriteAllAt,
    SetLen,
    SetMode,
    SyncData,
}

/// One numbered operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which it was.
    pub kind: OperationKind,
    /// What it was done to.
    pub path: PathBuf,
}

impl Operation {
    /// Whether it can change what a crash leaves. A crash at any other leaves the same as one at
    /// the next that does.
    pub fn is_change(&self) -> bool {
        use OperationKind::{List, Open, Read, ReadAt, Stat};
        !matches!(self.kind, Open | Read | Stat | List | ReadAt)
    }
}

/// What every operation fails with once the simulated machine is down.
#[derive(Debug)]
struct Crashed;

impl fmt::Display for Crashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("crashed (simulated)")
    }
}

impl Error for Crashed {}

/// Whether `error` is that of a simulated crash.
pub fn is_crash(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Crashed>())
}

/// What is to become of an operation.
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// It fails, perhaps half done.
    Failed(io::Error),
}

/// The script, and how far it has been played.
#[derive(Default)]
pub(super) struct Faults {
    played: Vec<(OperationKind, Arc<Path>)>,
    crash_at: Option<u64>,
    crashed: bool,
    failing: Option<(std::ops::Range<u64>, Fault)>,
}

impl Faults {
    pub(super) fn operations(&self) -> u64 {
        self.played.len() as u64
    }

    pub(super) fn trace(&self, from: u64) -> Vec<Operation> {
        let operation = |(kind, path): &(OperationKind, Arc<Path>)| Operation {
            kind: *kind,
            path: path.to_path_buf(),
        };
        self.played.iter().skip(from as usize).map(operation).collect()
    }

    pub(super) fn crash_at(&mut self, operation: u64) {
        self.crash_at = Some(operation);
    }

    pub(super) fn is_crashed(&self) -> bool {
        self.crashed
    }

    pub(super) fn fail(&mut self, operations: std::ops::Range<u64>, fault: Fault) {
        self.failing = Some((operations, fault));
    }

    pub(super) fn heal(&mut self) {
        self.failing = None;
    }

    /// An error if the machine is down.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other(Crashed)) } else { Ok(()) }
    }

    /// Numbers the next operation and says how it ends.
    pub(super) fn play(
        &mut self,
        kind: OperationKind,
        path: &Arc<Path>,
        needs_space: bool,
    ) -> io::Result<Outcome> {
        self.check()?;
        let number = self.operations();
        self.played.push((kind, Arc::clone(path)));
        if self.crash_at == Some(number) {
            self.crashed = true;
            return Ok(Outcome::Failed(io::Error::other(Crashed)));
        }
        match &self.failing {
            Some((at, fault)) if at.contains(&number) && (needs_space || *fault != Fault::Full) => {
                Ok(Outcome::Failed(fault.error()))
            }
            _ => Ok(Outcome::Done),
        }
    }
}
